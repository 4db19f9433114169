"""The words people type, in both languages: what commands are called, and how evidence looks in a sentence."""

import re
import unicodedata
from datetime import date, timedelta

import arrow

from duties.model import Evidence

LONGEST = 4_000
"""Characters of a message that are read; the rest is kept in the inbox and not understood."""

EMPTY_REPORTS = ("零报告", "本期无", "无此情况", "nothing to report", "nil report")
NUMBER = re.compile(r"[\w\u4e00-\u9fff]{0,12}[〔\[【(（]\s*\d{4}\s*[〕\]】)）]\s*\d+\s*号?")
LINK = re.compile(r"https?://[^\s，。；<>\"'）)]+", re.IGNORECASE)
DAY = re.compile(
    r"\d{4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}\s*[日号]?|\d{1,2}\s*月\s*\d{1,2}\s*[日号]?"
    r"|今天|昨天|前天|today|yesterday",
    re.IGNORECASE,
)
RELATIVE = {"今天": 0, "today": 0, "昨天": 1, "yesterday": 1, "前天": 2}
EVERYTHING = ("全部", "all")
EDGES = " ，,。.；;、:："
"""What is cut from the ends of a topic or a note."""
HASH_NUMBER = re.compile(r"^#\s*(\d{1,12})\b")
LIST_NUMBER = re.compile(r"^(\d{1,3})(?=$|[\s、.．，,:：])[、.．，,:：]?")
ATTENDED = re.compile(r"应训\s*(\d+)\s*人?\D*达标\s*(\d+)|(\d+)\s*of\s*(\d+)", re.IGNORECASE)
_KEPT_CONTROLS = {"\n", "\t"}


class DayError(ValueError):
    """Something that looks like a date and is none. The text is the argument."""


def clean(text: str) -> str:
    """A message as it is understood: one width, no invisible or control characters, single spaces."""
    kept = (c for c in unicodedata.normalize("NFKC", text[:LONGEST]) if _visible(c))
    return " ".join("".join(kept).split())


def _visible(character: str) -> bool:
    return character in _KEPT_CONTROLS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def read_day(text: str, today: date) -> date:
    """A day as people write it; without a year it is the last one that has passed. Raises DayError."""
    lowered = text.lower()
    if lowered in RELATIVE:
        return today - timedelta(days=RELATIVE[lowered])
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    try:
        if len(numbers) == 3:  # noqa: PLR2004  year, month, day
            return arrow.get(*numbers).date()
        return _passed(numbers[0], numbers[1], today)
    except ValueError:
        raise DayError(text) from None


def _passed(month: int, day: int, today: date) -> date:
    this_year = arrow.get(today.year, month, day).date()
    return this_year if this_year <= today else arrow.get(today.year - 1, month, day).date()


def read_evidence(text: str, today: date) -> Evidence:
    """Document number, date, link and note in free order. Raises DayError for a date that does not exist."""
    lowered = text.lower()
    empty = next((phrase for phrase in EMPTY_REPORTS if phrase in lowered), "")
    rest = _without(text, empty) if empty else text
    link = LINK.search(rest)
    rest = _without(rest, link[0]) if link else rest
    number = NUMBER.search(rest)
    rest = _without(rest, number[0]) if number else rest
    day = DAY.search(rest)
    rest = _without(rest, day[0]) if day else rest
    return Evidence(
        number="".join(number[0].split()).replace("[", "〔").replace("]", "〕") if number else "",
        done_on=read_day("".join(day[0].split()), today) if day else None,
        link=link[0] if link else "",
        note=rest.strip(EDGES),
        empty=bool(empty),
    )


def _without(text: str, part: str) -> str:
    start = text.lower().index(part.lower())
    return f"{text[:start]} {text[start + len(part) :]}"


def looks_like_evidence(word: str) -> bool:
    """Whether a word is part of what shows that something was done, not part of a title."""
    return any(pattern.search(word) for pattern in (NUMBER, LINK, DAY)) or word.lower() in EMPTY_REPORTS
