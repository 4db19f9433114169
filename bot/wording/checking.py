"""How people answer a checklist: 1-10 是，11 缺：无专职审核人员，其余是; and the numbers of officers and reviewers."""

import re
from dataclasses import dataclass

from bot.wording.grammar import EDGES

MISSING_ONLY = frozenset({"缺", "缺项", "缺什么", "missing"})
"""Asks for what is missing."""
SURE = frozenset({"是", "是的", "确认", "属实", "yes", "confirm", "confirmed"})
"""Confirms what was asked back."""

_NUMBERS = r"(?:第\s*)?\d{1,3}\s*[条项]?(?:\s*(?:[-\u2014~～至到、,，和与]\s*|\s)(?:第\s*)?\d{1,3}\s*[条项]?)*"
_YES = r"(?:是的?|已?确认|属实|符合|已?落实|已?有|yes|confirmed|ok)(?=$|[\s，,。；;:：])"
_EVERY = r"\s*的?[都均全]?\s*[:：]?\s*"
_REST = rf"(?P<rest>其余|余下|剩下|本页|(?:the )?rest)(?={_EVERY}{_YES})"
_ALL = rf"(?P<all>全部|所有|all)(?={_EVERY}{_YES})"
_WHO = rf"(?:(?P<numbers>{_NUMBERS})|{_REST}|{_ALL}){_EVERY}"
_NO = r"(?:缺少?项?|否|missing\b|no\b)"
_WITHOUT = r"(?:没有|未|无|不)"
_FIGURES = r"(?:行政)?(?:执法|法制|审核)|(?:officers|reviewers)\b"
_VERB = rf"(?:{_YES}|{_NO}|{_WITHOUT}|{_FIGURES})"
_ANOTHER = re.sub(r"\?P<\w+>", "?:", rf"[\s，,。；;]+(?:{_WHO}){_VERB}")
_CLAUSE = re.compile(
    rf"{_WHO}(?:(?P<yes>{_YES})(?P<beside>\s*[:：].*?|[\s，,]+(?={_FIGURES}).*?)?"
    rf"|(?:{_NO}|(?={_WITHOUT})|(?P<figures>(?={_FIGURES})))(?P<note>.*?))(?=[\s。；;]*$|{_ANOTHER})",
    re.IGNORECASE,
)
_UNSAID = frozenset({"没有", "没", "无", "未", "不", "不是", "未落实", "不符合"})
"""Says that something is missing, and not what."""
_SPAN = re.compile(r"(\d{1,3})\s*[条项]?\s*(?:[-\u2014~～至到]\s*(?:第\s*)?(\d{1,3}))?")
_OFFICERS = re.compile(r"执法人员\D{0,6}(\d{1,6})|\bofficers\D{0,4}(\d{1,6})", re.IGNORECASE)
_REVIEWERS = re.compile(r"审核人员\D{0,6}(\d{1,6})|\breviewers\D{0,4}(\d{1,6})", re.IGNORECASE)


class UnreadError(ValueError):
    """Words that answer nothing. The text is the argument."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One answer to several items: those of `spans` (both ends included), `rest` of the page, or `all` that is left.

    `confirmed` is None where only figures were given.
    """

    spans: tuple[tuple[int, int], ...]
    rest: bool
    all: bool
    confirmed: bool | None
    note: str


@dataclass(frozen=True, slots=True)
class Figures:
    """How many enforcement officers a unit says it has, and how many of them review."""

    officers: int
    reviewers: int


def read_answers(text: str) -> list[Clause]:
    """Every answer of a message. Raises UnreadError with what cannot be read: then nothing of it counts."""
    found: list[Clause] = []
    rest = text.strip(EDGES)
    while rest:
        clause = _CLAUSE.match(rest)
        if clause is None:
            raise UnreadError(rest)
        found.append(_clause(clause))
        rest = rest[clause.end() :].strip(EDGES)
    if not found:
        raise UnreadError(text)
    return found


def _clause(found: re.Match[str]) -> Clause:
    spans = []
    for first, last in _SPAN.findall(found["numbers"] or ""):
        if last and int(last) < int(first):
            raise UnreadError(found["numbers"])
        spans.append((int(first), int(last or first)))
    confirmed = True if found["yes"] else None if found["figures"] is not None else False
    note = " ".join((found["beside"] or found["note"] or "").split()).strip(EDGES)
    return Clause(tuple(spans), bool(found["rest"]), bool(found["all"]), confirmed, "" if note in _UNSAID else note)


def read_figures(text: str) -> Figures | None:
    """Both numbers of a text, or nothing where it does not say both."""
    officers, reviewers = _OFFICERS.search(text), _REVIEWERS.search(text)
    if officers is None or reviewers is None:
        return None
    return Figures(int(officers[1] or officers[2]), int(reviewers[1] or reviewers[2]))
