"""How people say "later": 2小时, 半小时, 明天, 后天, 3天, 1月6日; 2 hours, tomorrow."""

import re
from datetime import date, datetime, time, timedelta

from bot.wording.grammar import DAY, EDGES, coming_day

DEFAULT = timedelta(hours=2)
"""What "later" means by itself."""
_COUNT = r"(\d{1,3}|[一两二三四五六七八九十半])"
_CHINESE = {
    "半": 0.5,
    "一": 1,
    "两": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
}
_SPAN = re.compile(
    rf"(?<![\d#])(?:in )?{_COUNT}\s*个?半?\s*(?:(?P<hours>小时|钟头|hours?\b|hrs?\b|h\b)|(?P<minutes>分钟|分|minutes?\b|min\b)"
    r"|(?P<days>工作日|天|日(?!\s*前)|(?:working )?days?\b))\s*(?:之?后|以后)?",
    re.IGNORECASE,
)
_AFTER_TOMORROW = re.compile(r"后天|大?后日|the day after tomorrow", re.IGNORECASE)


def read_later(text: str, now: datetime) -> tuple[datetime | None, str]:
    """The instant a text names, and the text without it; a day means its beginning. Raises DayError.

    A day is found before a number of days: "1月3日" holds one.
    """
    if found := _AFTER_TOMORROW.search(text):
        return _begins(now.date() + timedelta(days=2), now), _without(text, found)
    if found := DAY.search(text):
        return _begins(coming_day("".join(found[0].split()), now.date()), now), _without(text, found)
    if found := _SPAN.search(text):
        return _ahead(found, now), _without(text, found)
    return None, text.strip(EDGES)


def _ahead(found: re.Match[str], now: datetime) -> datetime:
    count = float(_CHINESE.get(found[1]) or found[1])
    if found["days"]:
        return _begins(now.date() + timedelta(days=int(count)), now)
    return now + (timedelta(hours=count) if found["hours"] else timedelta(minutes=count))


def _begins(day: date, now: datetime) -> datetime:
    return datetime.combine(day, time(), now.tzinfo)


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}".strip(EDGES)
