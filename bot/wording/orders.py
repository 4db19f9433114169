"""How people write what they want told, sent or recorded: digests by name, points, a month."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from bot.wording import Language
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
_HOURS = re.compile(
    r"(?<![\d.])([+\-\u2212]?\d{1,4}(?:\.\d{1,2})?)\s*个?\s*(?:小时|学时|课时|hours?\b|hrs?\b|h\b)"
    r"|(?<!\S)([+\-\u2212]?\d{1,2}(?:\.\d{1,2})?)(?!\S)",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(r"(?:冲销|reverse\b)\s*", re.IGNORECASE)
TAKE_BACK: Mapping[Language, str] = {"zh": "冲销", "en": "reverse"}
"""The word that takes hours back."""
_RECORD = re.compile(r"(?:#|第)\s*(\d{1,12})(?:\s*号)?(?!\d)")
_AND = re.compile(r"[\s、,，;；]+|(?:和|与|及)|\band\b\s*", re.IGNORECASE)
_LISTING = re.compile(r"\s*(?:[、,，;；]|(?:和|与|及|\band\b))\s*", re.IGNORECASE)
_WORD = re.compile(r"[^\s、,，;；]+")
_MEETING = re.compile(r"(?:会议|\bmeeting)\s*[:：]\s*(?:[\u201c\"]([^\u201d\"]+)[\u201d\"]|(\S+))", re.IGNORECASE)
WHOLE_UNIT = ("全员", "全体人员", "全体", "everyone", "everybody", "all")
"""Said for every officer of the unit."""
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


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a text begins by naming: names as they are listed, or everybody; a word that is nobody's; what follows."""

    names: tuple[str, ...] = ()
    everybody: bool = False
    unknown: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """What somebody wrote of hours of training: whom, how many (None is missing), of what."""

    whom: Named
    hours: Decimal | None
    topic: str


def read_hours(words: str, names: Collection[str]) -> Hours:
    """Hours as people write them, the day taken out: "张三、李四 4小时 行政处罚法"."""
    found = _HOURS.search(words)
    before, after = (words[: found.start()], words[found.end() :]) if found else (words, "")
    if before.strip(EDGES):
        whom = read_names(before, names)
        topic = f"{whom.rest} {after}"
    else:
        whom = replace(read_names(after, names), unknown="")  # the topic, as likely
        topic = whom.rest
    hours = Decimal((found[1] or found[2]).replace("\u2212", "-")) if found else None
    return Hours(whom, hours, _trimmed(topic))


def read_names(text: str, names: Collection[str]) -> Named:
    """The names a text begins with, of those that are known: a name ends where a word does, or before 和."""
    known = {name.lower(): name for name in names} | dict.fromkeys(WHOLE_UNIT, "")
    found: list[str] = []
    rest, listing = text.strip(EDGES), True
    while rest:
        name = max((one for one in known if _begins(rest.lower(), one)), key=len, default=None)
        if name is None:
            break
        found.append(known[name])
        rest = rest[len(name) :]
        between = _LISTING.match(rest)
        listing = between is not None
        rest = rest[between.end() :] if between else rest.strip(EDGES)
    word = _WORD.match(rest)
    unknown = word[0] if word and listing else ""
    everybody = "" in found
    return Named(tuple(dict.fromkeys(one for one in found if one)), everybody, unknown, _trimmed(rest))


def _begins(text: str, name: str) -> bool:
    return text.startswith(name) and (len(text) == len(name) or _AND.match(text, len(name)) is not None)


def read_taken_back(words: str) -> tuple[int | None, str] | None:
    """What is to be reversed: a record's number, or the words that say whose hours. None for anything else."""
    found = _TAKEN_BACK.match(words)
    if found is None:
        return None
    rest = words[found.end() :]
    numbered = _RECORD.match(rest)
    return (int(numbered[1]), "") if numbered else (None, _trimmed(rest))


def read_meeting(words: str) -> tuple[str, str]:
    """The meeting a text names, 会议：局务会, and the text without it."""
    found = _MEETING.search(words)
    if found is None:
        return "", words
    return _trimmed(found[1] or found[2]), f"{words[: found.start()]} {words[found.end() :]}".strip()


def _trimmed(text: str) -> str:
    return " ".join(text.split()).strip(EDGES)
