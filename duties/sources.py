"""Source texts against the registry: a copy is cut into articles, and each article's hash is compared."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from duties.registry import Document

Outcome = Literal["same", "changed", "missing"]
Layout = Callable[[Iterable[str]], Iterator[tuple[str, str]]]

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")}
_CHINESE = "[零一二三四五六七八九十百]+"
_NUMERAL = rf"(?:{_CHINESE}|\d+)"

_BOOKMARK = re.compile(r"\[bookmark:[^\]]*\]")
_WHITE = re.compile(r"[\s\u200b\ufeff]+")
_PAGE = re.compile(r"[-—–－]+\d+[-—–－]+")
_TAIL = re.compile(r"[分抄主]送[:：]")

_ARTICLE = re.compile(rf"第({_NUMERAL})条")
_CHAPTER = re.compile(rf"第{_NUMERAL}[章节][^，。；：]{{1,20}}")
_PART = re.compile(rf"({_CHINESE})、")
_SECTION = re.compile(rf"[（(]({_CHINESE})[）)]")
_ITEM = re.compile(r"(\d+)[.．、](?!\d)")
_SUBITEM = re.compile(r"[（(](\d+)[）)]")
_OUTLINE = (_PART, _SECTION, _ITEM)
_ANY_ITEM = re.compile(rf"\(({_NUMERAL})\)")
_ANNEX = re.compile(r"附件[:：]?")
_ASSIGNED = re.compile(r"[（(]责任单位[:：][^（()）]*[）)]$")


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one cited article in a folder of copies; `file` is None where no copy holds it."""

    document: str
    article: str
    file: str | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Copy:
    document: str
    file: str
    digests: Mapping[str, str]


def verify(folder: Path, documents: Sequence[Document]) -> list[Finding]:
    """Compare every cited article with the copies in a folder. Where there are several, one good copy suffices."""
    copies = [
        copy
        for path in sorted(folder.glob("*.txt"))
        for copy in _copies(path.name, path.read_text("utf-8-sig", errors="replace"), documents)
    ]
    return [
        _judge(document.key, article, expected, [copy for copy in copies if copy.document == document.key])
        for document in documents
        for article, expected in document.articles.items()
    ]


def recognise(text: str, documents: Sequence[Document]) -> tuple[Document, ...]:
    """Return the documents whose marker stands alone on a line of the text."""
    lines = {_bare(line) for line in text.splitlines()}
    return tuple(document for document in documents if document.marker in lines)


def split(document_key: str, text: str) -> dict[str, str]:
    """Cut one document's text into articles by key, in the layout that document has."""
    articles: dict[str, str] = {}
    for key, line in _LAYOUTS[document_key](_lines(text)):
        articles[key] = articles.get(key, "") + line
    return articles


def digest(text: str) -> str:
    """Hash the words of an article: white space, bracket widths and the form of item numerals do not count."""
    bare = _bare(text).replace("（", "(").replace("）", ")")
    return hashlib.sha256(_ANY_ITEM.sub(_arabic, bare).encode()).hexdigest()


def _copies(file: str, text: str, documents: Sequence[Document]) -> Iterator[_Copy]:
    present = recognise(text, documents)
    for document in present:
        articles = split(document.key, _portion(text, document, present))
        yield _Copy(document.key, file, {key: digest(body) for key, body in articles.items()})


def _judge(document: str, article: str, expected: str, copies: Sequence[_Copy]) -> Finding:
    holding = [copy for copy in copies if article in copy.digests]
    for copy in holding:
        if copy.digests[article] == expected:
            return Finding(document, article, copy.file, "same")
    if holding:
        return Finding(document, article, holding[0].file, "changed")
    return Finding(document, article, None, "missing")


def _portion(text: str, document: Document, present: Sequence[Document]) -> str:
    # Two annexes of one notice come in one file, with the same numbering: each ends where the next title stands.
    others = {other.marker for other in present} - {document.marker}
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        bare = _bare(line)
        if bare == document.marker:
            inside = True
        elif bare in others:
            inside = False
        elif inside:
            kept.append(line)
    return "\n".join(kept)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        bare = _bare(line)
        if _TAIL.match(bare):
            return
        if bare and not _PAGE.fullmatch(bare):
            yield bare


def _by_article(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    count = 0
    for line in lines:
        head = _ARTICLE.match(line)
        # Only the next number opens an article: a wrapped line may begin with a reference to another one.
        if head and _number(head[1]) == count + 1:
            count += 1
            yield str(count), line[head.end() :]
        elif count and not _CHAPTER.fullmatch(line):
            yield str(count), line


def _by_outline(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    path: tuple[int, ...] = ()
    key, body = "pre", ""
    for line in lines:
        deeper, rest = _descend(path, line)
        if deeper != path:
            path, key, body = deeper, ".".join(map(str, deeper)), ""
        elif _ASSIGNED.search(body):
            # Every task closes with the units responsible; a paragraph after that with no number is the last one.
            key, body = "end", ""
        body += rest
        yield key, rest


def _descend(path: tuple[int, ...], line: str) -> tuple[tuple[int, ...], str]:
    for level, pattern in enumerate(_OUTLINE):
        head = pattern.match(line)
        if head is None or len(path) < level:
            continue
        previous = path[level] if len(path) > level else 0
        if _number(head[1]) == previous + 1:
            return (*path[:level], previous + 1), line[head.end() :]
    return path, line


def _by_plan(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    remaining = iter(lines)
    yield from _plan_body(remaining)
    yield from _plan_rows(remaining)


def _plan_body(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    # Tasks are numbered through the whole first part, so its section titles belong to no article.
    part, item, key = 0, 0, "pre"
    for line in lines:
        if _ANNEX.match(line):
            return
        if (head := _PART.match(line)) and _number(head[1]) == part + 1:
            part, key = part + 1, ""
        elif head := _SECTION.match(line):
            key = f"w{_number(head[1])}" if part > 1 else ""
        elif (head := _ITEM.match(line)) and int(head[1]) == item + 1:
            item, key = item + 1, f"b{item + 1:02}"
        elif (head := _SUBITEM.match(line)) and item:
            key = f"b{item:02}.{int(head[1])}"
        if key:
            yield key, line[head.end() :] if head else line


def _plan_rows(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    row = 0
    for line in lines:
        if line == str(row + 1):
            row += 1
        elif row:
            yield f"r{row:02}", line


_LAYOUTS: dict[str, Layout] = {
    "D1": _by_article,
    "D2A": _by_outline,
    "D2B": _by_outline,
    "D3": _by_plan,
    "D4": _by_article,
}


def _bare(text: str) -> str:
    return _WHITE.sub("", _BOOKMARK.sub("", text))


def _arabic(item: re.Match[str]) -> str:
    return f"({_number(item[1])})"


def _number(numeral: str) -> int:
    if numeral.isdigit():
        return int(numeral)
    total, current = 0, 0
    for sign in numeral:
        if sign in _DIGITS:
            current = _DIGITS[sign]
        else:
            total += (current or 1) * (10 if sign == "十" else 100)
            current = 0
    return total + current
