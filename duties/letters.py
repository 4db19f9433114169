"""Official letters as drafts that a person completes and signs: .docx in the layout of GB/T 9704-2012.

The page is data/letters/layout.docx, made of layout.toml; what a letter says stands in wording.toml. A value that is
missing becomes a blank that can be seen.
"""

import datetime as dt
import math
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from docx.shared import Pt
from docxtpl import DocxTemplate
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from duties.paper import Item, Letter, Paper
from duties.registry import DATA, Entry

LAYOUT = DATA / "letters" / "layout.docx"
WORDING = DATA / "letters" / "wording.toml"

TEXT_WIDTH = 442
"""Points between the margins: 156 mm."""
MASTHEAD = (26, 54)
"""The masthead's smallest and largest size in points; between them, as large as one line allows."""
TITLE_LINE = 19
"""Characters on a line of the title, one fewer than fit."""

# Control characters cannot stand in XML or would break a line; the others turn the direction of what follows.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class _Block(Entry):
    """A paragraph. With `each` it is said of every fact or demand, which `text` calls {item}."""

    style: Literal["Body", "Heading1", "Heading2", "Item", "Closing", "Table"]
    text: str = ""
    each: Literal["facts", "demands"] | None = None


class _Paper(Entry):
    name: str
    upward: bool
    provisions: tuple[int, ...]
    grounds: tuple[str, ...]
    body: tuple[_Block, ...]


class _Wording(Entry):
    blank: str
    number: str
    date: str
    undated: str
    contact: str
    uncontacted: str
    title: tuple[str, ...]
    together: tuple[str, ...]
    bar: str
    comma: str
    stop: str
    paper: Mapping[Paper, _Paper]

    def day(self, day: dt.date | None) -> str:
        return self.date.format(year=day.year, month=day.month, day=day.day) if day else self.undated

    def said(self, text: str) -> str:
        return _clean(text) or self.blank

    def ended(self, text: str) -> str:
        said = self.said(text)
        return said if said.endswith((self.blank, self.stop)) else said + self.stop


def draft(letter: Letter) -> bytes:
    """The letter as a .docx. The same letter gives the same bytes."""
    context = _context(letter, _wording())
    template = DocxTemplate(LAYOUT)
    template.render(context, Environment(autoescape=True, finalize=_verbatim, undefined=StrictUndefined))
    document = template.docx
    document.core_properties.title = context["title"].replace("\n", "")[:255]
    masthead = next(style for style in document.styles if style.style_id == "Masthead")
    masthead.font.size = Pt(_masthead_size(context["issuer"]))
    made = BytesIO()
    template.save(made)
    with ZipFile(made) as archive:
        return packed({name: archive.read(name) for name in archive.namelist()})


def packed(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files without times in it."""
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    return made.getvalue()


@lru_cache(maxsize=1)
def _wording() -> _Wording:
    return _Wording.model_validate(tomllib.loads(WORDING.read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def _piece() -> re.Pattern[str]:
    """What stays together on a line of the title: a word, the number before it, punctuation with what it belongs to."""
    words = sorted(_wording().together, key=len, reverse=True)
    return re.compile(rf"[（《〈〔【“]*[!-~]*(?:{'|'.join(map(re.escape, words))}|.)[）》〉〕】”、，。：；]*")


def _context(letter: Letter, wording: _Wording) -> dict[str, Any]:
    """What the tags in the layout stand for."""
    paper = wording.paper[letter.kind]
    facts = {
        "issuer": wording.said(letter.issuer),
        "addressee": wording.said(letter.addressee),
        "subject": wording.said(letter.subject),
        "grounds": wording.said(wording.bar.join(_all(letter.grounds) or paper.grounds)),
        "deadline": wording.day(letter.deadline),
        "derivation": wording.ended(letter.derivation),
        "received": wording.day(letter.received),
        "answers": wording.said(letter.answers),
        "undated": wording.undated,
        "blank": wording.blank,
        "name": paper.name,
    }
    copies = wording.comma.join(_all(letter.copies))
    contact = _clean(letter.contact)
    return {
        **facts,
        "upward": paper.upward,
        "number": _clean(letter.number) or wording.number,
        "signatory": wording.said(letter.signatory),
        "title": "\n".join(_lines(part.format_map(facts) for part in wording.title)),
        "body": [block for one in paper.body for block in _paragraphs(one, letter, facts)],
        "rows": [_row(item, wording) for item in letter.items or (Item("", ""),)],
        "attachments": _all(letter.attachments),
        "date": wording.day(letter.date),
        "contact": wording.contact.format(contact=contact) if contact else wording.uncontacted,
        "copies": copies and copies + wording.stop,
        "printed": wording.undated,
    }


def _paragraphs(block: _Block, letter: Letter, facts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """One paragraph, or a numbered one for each fact or demand. Of one alone there is nothing to number."""
    if block.each is None:
        yield {"style": block.style, "text": block.text.format_map(facts)}
        return
    items = _all(getattr(letter, block.each)) or [facts["blank"]]
    for number, item in enumerate(items, 1):
        text = (block.text or "{item}").format_map({**facts, "item": item})
        yield {"style": block.style, "text": f"{number}. {text}" if len(items) > 1 else text}


def _row(item: Item, wording: _Wording) -> dict[str, str]:
    said = {"unit": item.unit, "item": item.item, "state": item.state}
    due = wording.day(item.due) if item.due else wording.blank
    return {name: wording.said(text) for name, text in said.items()} | {"due": due}


def _all(texts: Iterable[str]) -> list[str]:
    """What is said at all."""
    return [said for text in texts if (said := _clean(text))]


def _verbatim(value: object) -> Markup:
    """A value on its way into the document. The template engine reads braces in its output once more."""
    return escape(value).replace("{", Markup("&#123;")).replace("}", Markup("&#125;"))


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()


def _lines(parts: Iterable[str]) -> Iterator[str]:
    """A title broken where its sense is: between its parts, and inside one only when that is longer than a line."""
    line = ""
    for part in parts:
        if line and _width(line + part) > TITLE_LINE:
            yield line
            line = ""
        *full, line = _even(line + part)
        yield from full
    yield line


def _even(text: str) -> list[str]:
    """The text on as few lines as will hold it, all about as long."""
    fewest = math.ceil(_width(text) / TITLE_LINE)
    tries = [_spread(text, count) for count in (fewest, fewest + 1)]
    return next((lines for lines in tries if max(map(_width, lines)) <= TITLE_LINE), tries[0])


def _spread(text: str, count: int) -> list[str]:
    """Each piece of the text on the line that its middle falls on."""
    lines, before, width = [""] * count, 0.0, _width(text)
    for piece in _piece().findall(text):
        own = _width(piece)
        lines[int((before + own / 2) / width * count)] += piece
        before += own
    return [line for line in lines if line]


def _masthead_size(issuer: str) -> int:
    smallest, largest = MASTHEAD
    return max(smallest, min(largest, int(TEXT_WIDTH / _width(issuer))))


def _width(text: str) -> float:
    """In Chinese characters: others are half as wide."""
    return sum(1 if unicodedata.east_asian_width(sign) in "WFA" else 0.5 for sign in text)
