"""How people say "later": 2小时, 半小时, 明天, 后天, 3天, 1月6日; 2 hours, tomorrow."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bot.wording.grammar import DAY, EDGES, coming_day

DEFAULT = timedelta(hours=2)
"""What "later" means by itself."""
_CHINESE = {"半": 0.5, "两": 2.0, **{sign: float(n) for n, sign in enumerate("一二三四五六七八九十", 1)}}
_COUNT = rf"(?<![\d#])(?:in )?(\d{{1,3}}|[{''.join(_CHINESE)}])\s*个?(?P<half>半)?\s*"
_HOURS = r"(?P<hours>小时|钟头|hours?\b|hrs?\b|h\b)"
_MINUTES = r"(?P<minutes>分钟?|minutes?\b|mins?\b)"
_DAYS = r"(?P<days>工作日|天|日|(?:working )?days?\b)"
_SPAN = re.compile(rf"{_COUNT}(?:{_HOURS}|{_MINUTES}|{_DAYS})(?:之后|以后|后)?", re.IGNORECASE)
_AFTER_TOMORROW = re.compile(r"后[天日]|(?:the )?day after tomorrow", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Later:
    """When somebody wants to be told again: at an instant, or in so many working days; and how that was said.

    A day means its beginning. `rest` are the other words.
    """

    at: datetime | None = None
    days: int = 0
    said: str = ""
    rest: str = ""


def read_later(text: str, now: datetime) -> Later:
    """What a text says of when. Raises DayError for a date that does not exist."""
    if found := _AFTER_TOMORROW.search(text):
        return _later(_begins(now.date() + timedelta(days=2), now), text, found)
    if found := DAY.search(text):
        return _later(_begins(coming_day("".join(found[0].split()), now.date()), now), text, found)
    if found := _SPAN.search(text):
        count = _CHINESE.get(found[1]) or float(found[1])
        if found["days"]:
            return _later(None, text, found, int(count))
        count += 0.5 if found["half"] else 0
        return _later(now + (timedelta(hours=count) if found["hours"] else timedelta(minutes=count)), text, found)
    return Later(rest=text.strip(EDGES))


def _later(at: datetime | None, text: str, found: re.Match[str], days: int = 0) -> Later:
    return Later(at, days, found[0].strip(), f"{text[: found.start()]} {text[found.end() :]}".strip(EDGES))


def _begins(day: date, now: datetime) -> datetime:
    return datetime.combine(day, time(), now.tzinfo)
