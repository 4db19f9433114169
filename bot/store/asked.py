"""What was asked, kept with the answer it got: from it the full table is made whenever somebody wants it."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from bot.store.oversight import Narrow
from bot.wording import Language
from duties.store.database import fetch

Kind = Literal[
    "overdue",
    "due",
    "unacknowledged",
    "progress",
    "unit",
    "duty",
    "lights",
    "letter",
    "bulletin",
    "checklist",
    "report",
]
FILES = frozenset({"letter", "bulletin", "report"})
"""Kinds whose answer is a text to be filled in, and no table."""
RECENT = 50
"""Messages looked back through for the last question."""
LONGEST_NUMBER = 16
"""Digits beyond which a mark cannot be a number of ours."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that has a full table: its kind, its limits, its days (both inclusive), its language.

    Of kind letter it has a file instead: that of the letter with this number; of kind bulletin, one of its days;
    of kind report, that of the obligation with this number. Of kind checklist it is about that obligation.
    """

    kind: Kind
    narrow: Narrow
    language: Language
    first: date | None = None
    last: date | None = None
    letter: int = 0
    obligation: int = 0

    def content(self) -> dict[str, Any]:
        """As a message's body keeps it."""
        days = {name: day.isoformat() for name, day in (("first", self.first), ("last", self.last)) if day}
        return {
            "kind": self.kind, "paths": list(self.narrow.paths), "duties": list(self.narrow.duties),
            "language": self.language, "letter": self.letter, "obligation": self.obligation, **days,
        }  # fmt: skip


async def question(answer: int) -> Asked | None:
    """What a message of ours answered, if it has a full table."""
    rows = await fetch("SELECT body FROM notice WHERE id = :id", id=answer)
    return _asked(rows[0]["body"]) if rows else None


async def last(connection: str, address: str, mark: str) -> int | None:
    """The number of our message that answers a question with a full table: the one replied to, else the newest."""
    key = mark.partition("-")[0]
    number = int(key) if key.isdecimal() and len(key) < LONGEST_NUMBER else 0
    rows = await fetch(
        "SELECT id, body, CASE WHEN receipt = :mark OR id = :number THEN 1 ELSE 0 END AS replied FROM notice"
        " WHERE connection = :connection AND address = :address AND body IS NOT NULL AND state <> 'dropped'"
        " ORDER BY id DESC LIMIT :recent",
        connection=connection, address=address, mark=mark.replace("\0", "") or "-", number=number, recent=RECENT,
    )  # fmt: skip
    told = [row for row in rows if _asked(row["body"]) is not None]
    replied = [row for row in told if row["replied"]]
    return next((int(row["id"]) for row in (*replied, *told)), None)


def _asked(body: Any) -> Asked | None:
    content = (body if isinstance(body, dict) else json.loads(body or "{}")).get("asked")
    if content is None:
        return None
    first, last_day = (date.fromisoformat(content[name]) if name in content else None for name in ("first", "last"))
    narrow = Narrow(tuple(content["paths"]), tuple(content["duties"]))
    letter, obligation = content["letter"], content.get("obligation", 0)
    return Asked(content["kind"], narrow, content["language"], first, last_day, letter, obligation)
