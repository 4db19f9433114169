"""How people write what they want told, sent or recorded: digests by name, points, a month."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from bot.wording.grammar import EDGES, EVERYTHING

CONFIRMED = frozenset({"确认", "确认发送", "是", "是的", "confirm", "yes"})
"""What lets a message to many go out; a mere "好" does not."""
DIGESTS = {
    "daily": ("日报", "每日", "每天", "daily"),
    "weekly": ("周报", "每周", "weekly"),
}
"""The words for what can be subscribed to."""

_AMOUNT = re.compile(r"(?<![\d.])([+\-\u2212]?)(\d+(?:\.\d+)?)\s*(?:分|points?\b)?(?=$|[\s，,。；;：:])", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:#|编号)\s*(\d{1,12})(?!\d)")
_REVERSED = re.compile(
    r"(?:撤销|冲销|reverse|undo)\s*(?:第\s*)?(\d{1,12})\s*(?:号|条)?(?=$|[\s，,。；;：:])", re.IGNORECASE
)
_MONTH = re.compile(r"(?:(\d{4})\s*年\s*)?(\d{1,2})\s*月(?:份)?|(\d{4})-(\d{1,2})")
_LAST_MONTH = ("上月", "上个月", "last month")
_THIS_MONTH = ("本月", "这个月", "this month")


def read_digests(words: str) -> tuple[str, ...]:
    """Which digests are named; all of them when all are."""
    lowered = words.lower()
    if lowered in EVERYTHING:
        return tuple(DIGESTS)
    return tuple(kind for kind, names in DIGESTS.items() if any(name in lowered for name in names))


@dataclass(frozen=True, slots=True)
class Scored:
    """What somebody wrote of points: the unit's name, the amount, the ground, the obligation named; None is missing."""

    unit: str
    amount: Decimal | None
    ground: str
    obligation: int | None
    signed: bool = False
    """Whether the amount has a sign of its own: then it is not clear which way it is meant."""


def read_points(words: str) -> Scored:
    """Points as people write them: "水利局 0.5 #17 会前学法不足12次"."""
    numbered = _NUMBERED.search(words)
    plain = f"{words[: numbered.start()]} {words[numbered.end() :]}" if numbered else words
    found = _AMOUNT.search(plain)
    unit, ground = (plain[: found.start()], plain[found.end() :]) if found else (plain, "")
    return Scored(
        unit=_trimmed(unit),
        amount=Decimal(found[2]) if found else None,
        ground=_trimmed(ground),
        obligation=int(numbered[1]) if numbered else None,
        signed=bool(found and found[1]),
    )


def read_reversal(words: str) -> tuple[int, str] | None:
    """Which record is to be reversed, and why: "撤销 3 理由". None for anything else."""
    found = _REVERSED.match(words)
    return (int(found[1]), _trimmed(words[found.end() :])) if found else None


def read_month(words: str, today: date) -> date | None:
    """The first day of the month that is named; without a year it is the last one begun. None where none is."""
    lowered = words.lower().strip()
    this = today.replace(day=1)
    if lowered in _THIS_MONTH:
        return this
    if not lowered or lowered in _LAST_MONTH:
        return (this - timedelta(days=1)).replace(day=1)
    found = _MONTH.fullmatch(lowered)
    if found is None:
        return None
    year, month = int(found[1] or found[3] or today.year), int(found[2] or found[4])
    if not 1 <= month <= 12 or not 1 < year < date.max.year:  # noqa: PLR2004  months of a year
        return None
    named = date(year, month, 1)
    return named.replace(year=year - 1) if named > today and not (found[1] or found[3]) else named


def _trimmed(text: str) -> str:
    return " ".join(text.split()).strip(EDGES)
