"""How people say "later": 2小时, 半小时, 明天, 后天, 3天, 1月6日; 2 hours, tomorrow."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from bot.wording.grammar import DAY, EDGES, DayError, coming_day, in_digits

DEFAULT = timedelta(hours=2)
"""What "later" means by itself."""
HALF_A_DAY = timedelta(hours=4)
"""Half a day of office time: in the afternoon it ends with the next morning's opening."""
_CHINESE = {"半": 0.5, "两": 2.0, **{sign: float(n) for n, sign in enumerate("一二三四五六七八九十", 1)}}
_COUNT = rf"(?<![\d#])(?:in )?(\d{{1,3}}|[{''.join(_CHINESE)}])\s*(?:个(?P<half>半)?)?\s*"
_HOURS = r"(?P<hours>小时|钟头|hours?\b|hrs?\b|h\b)"
_MINUTES = r"(?P<minutes>分钟?|minutes?\b|mins?\b)"
_DAYS = r"(?P<days>工作日|天|日|(?:working )?days?\b)"
_SPAN = re.compile(rf"{_COUNT}(?:{_HOURS}|{_MINUTES}|{_DAYS})(?:之后|以后|后)?", re.IGNORECASE)
_AFTER_TOMORROW = re.compile(r"(?<!大)后[天日]|(?:the )?day after tomorrow", re.IGNORECASE)
_HALF = "凌晨|早上|上午|中午|下午|傍晚|晚上"
_SIGNS = "一二三四五六七八九十"
_HOUR = re.compile(
    rf"(?P<half>{_HALF})?\s*(?P<hour>\d{{1,2}}|[{_SIGNS}]{{1,2}}|两)(?:[点时]|:(?=\d))(?P<minute>\d{{2}}|半)?分?(?!\d)"
    rf"|(?P<only>{_HALF})"
)
_AFTERNOON = frozenset({"中午", "下午", "傍晚", "晚上"})
_ALONE = {"中午": 12, "下午": 15, "傍晚": 15, "晚上": 15}
"""The hour that is meant where only a part of the day is named; else the day's beginning."""
_FILLER = re.compile(r"再?(?:提醒我?一?下?|说|办|处理|通知我?)吧?")
_PUT_OFF = re.compile(r"(?:再?(?:提醒|叫|通知)(?:我|一下|我一下)?|再(?:说|办|处理|弄))(?:吧)?$")


@dataclass(frozen=True, slots=True)
class Later:
    """When somebody wants to be told again: at an instant, or in so many working days; and how that was said.

    A day means its beginning. `rest` are the other words.
    """

    at: datetime | None = None
    days: int = 0
    said: str = ""
    rest: str = ""


def is_later(text: str, now: datetime) -> bool:
    """Whether a text is nothing but a wish to be told again at some time: 明天再说, 下周一提醒我."""
    said = text.strip(EDGES)
    if _PUT_OFF.search(said) is None:
        return False
    try:
        later = read_later(said, now)
    except DayError:
        return False
    return bool(later.said) and not later.rest


def read_later(text: str, now: datetime) -> Later:
    """What a text says of when. Raises DayError for a date that does not exist."""
    later = _day_or_span(text, now)
    found = None if later.days else _HOUR.search(later.rest)
    if found is None:
        return replace(
            later, rest=" ".join(_FILLER.sub(" ", later.rest).split()).strip(EDGES) if later.said else later.rest
        )
    day = later.at or now
    rest = _FILLER.sub(" ", f"{later.rest[: found.start()]} {later.rest[found.end() :]}").strip(EDGES)
    if (hour := _clock(found)) is None:
        return later
    said = " ".join(f"{later.said} {found[0]}".split())
    return Later(datetime.combine(day.date(), hour, now.tzinfo), 0, said, " ".join(rest.split()))


def _clock(found: re.Match[str]) -> time | None:
    """The hour somebody names. None for one that no day has."""
    if found["only"]:
        return time(_ALONE.get(found["only"], 0))
    hour = int(in_digits(found["hour"].replace("两", "2")))
    minute = 30 if found["minute"] == "半" else int(found["minute"] or 0)
    hour += 12 if found["half"] in _AFTERNOON and hour < 12 else 0  # noqa: PLR2004  of a clock
    return time(hour, minute) if hour < 24 and minute < 60 else None  # noqa: PLR2004  of a day


def _day_or_span(text: str, now: datetime) -> Later:
    if found := _AFTER_TOMORROW.search(text):
        return _later(_begins(now.date() + timedelta(days=2), now), text, found)
    if found := DAY.search(text):
        return _later(_begins(coming_day("".join(found[0].split()), now.date()), now), text, found)
    if found := _SPAN.search(text):
        count = _CHINESE.get(found[1]) or float(found[1])
        if found["days"] and count < 1:
            return _later(now + HALF_A_DAY, text, found)
        if found["days"]:
            return _later(None, text, found, int(count))
        count += 0.5 if found["half"] else 0
        return _later(now + (timedelta(hours=count) if found["hours"] else timedelta(minutes=count)), text, found)
    return Later(rest=text.strip(EDGES))


def _later(at: datetime | None, text: str, found: re.Match[str], days: int = 0) -> Later:
    return Later(at, days, found[0].strip(), f"{text[: found.start()]} {text[found.end() :]}".strip(EDGES))


def _begins(day: date, now: datetime) -> datetime:
    return datetime.combine(day, time(), now.tzinfo)
