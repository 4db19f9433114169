"""What an official letter is made of. Frozen values; `letters` makes the file of them."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Paper(StrEnum):
    """A paper, by what it does."""

    URGING = "urging"
    OPINION = "opinion"
    DECISION = "decision"
    INTERVIEW = "interview"
    BULLETIN = "bulletin"
    RECTIFICATION = "rectification"
    CASE = "case"
    RESPONSE = "response"
    COMPLIANCE = "compliance"


REPORTS = {
    "opinion-letter-rectification": Paper.RECTIFICATION,
    "decision-letter-compliance": Paper.COMPLIANCE,
    "urge-letter-response": Paper.RESPONSE,
    "losing-case-report": Paper.CASE,
}
"""Duties that a unit fulfils by a report whose form is known, and that report."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a bulletin's table. `due` is a local date, inclusive."""

    unit: str
    item: str
    due: dt.date | None = None
    state: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a draft is made of; whatever is empty is left for a person to fill.

    `deadline` is a local date, inclusive, and `derivation` says why it is that day. `date` is the day of signing.
    `signatory` is printed where a paper goes up to another office (reports), `items` in a bulletin. Copies and
    attachments that are empty are not there at all. A report says which paper it `answers`, by number, and when that
    was `received`. `grounds` are citations; where empty, those of the kind.
    """

    kind: Paper
    issuer: str = ""
    addressee: str = ""
    subject: str = ""
    facts: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()
    deadline: dt.date | None = None
    derivation: str = ""
    number: str = ""
    date: dt.date | None = None
    signatory: str = ""
    received: dt.date | None = None
    answers: str = ""
    copies: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    contact: str = ""
    items: tuple[Item, ...] = ()
