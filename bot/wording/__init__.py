"""All sentences people see. Keys live in code, sentences in the catalogues: Chinese first, English second."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
CATALOGUES = Path(__file__).parent / "catalogues"
_CALLS_EVERYBODY = re.compile(
    r"[@＠](?=\s*(?:所有人|所有成员|全体成员|全体|全员|everyone|everybody|all|here|channel|room)(?![a-z0-9]))",
    re.IGNORECASE,
)
_SUSPECT = frozenset("@＠<")
_MARKUP = re.compile(r"<(?=\s*(?:[!@#]|/?\s*(?:at|users?|a|font)\b))", re.IGNORECASE)


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(language: Language) -> Mapping[str, str]:
    """Every sentence of a language by key."""
    found: dict[str, str] = {}
    for file in sorted((CATALOGUES / language).glob("*.po")):
        with file.open("rb") as handle:
            found |= {str(m.id): str(m.string) for m in read_po(handle, locale=language) if m.id}
    return found


@lru_cache(maxsize=4096)
def day(value: date, language: Language = "zh") -> str:
    """A day with its weekday, as people write it: 2026年1月31日（周六）."""
    if language == "zh":
        return format_date(value, "y年M月d日（EEE）", locale="zh_CN")
    return format_date(value, "EEE d MMM y", locale="en_GB")


def short_day(value: date, today: date, language: Language = "zh") -> str:
    """A day where room is short: 3月31日, with its year where that is another one."""
    if language == "zh":
        return format_date(value, "M月d日" if value.year == today.year else "y年M月d日", locale="zh_CN")
    return format_date(value, "d MMM" if value.year == today.year else "d MMM y", locale="en_GB")


def _instant(value: datetime, language: Language) -> str:
    if language == "zh":
        return format_datetime(value, "y年M月d日 HH:mm", locale="zh_CN")
    return format_datetime(value, "d MMM y HH:mm", locale="en_GB")


def term(label: str, language: Language = "zh") -> str:
    """A term as people call it: 2026 is 2026年度, 2026-Q1 2026年第一季度."""
    if label.startswith("C"):
        return say("term-case", language, number=label.removeprefix("C"))
    year, _, rest = label.partition("-")
    if not rest:
        return say("term-year", language, year=year)
    if rest[0] in "QH":
        return say(f"term-{rest}", language, year=year)
    if len(rest) == len(year):
        return say("term-years", language, first=year, last=rest)
    return say("term-month", language, year=year, month=int(rest))


def harmless(text: str) -> str:
    """A text that calls nobody: what one person wrote must never ring everybody's phone when others are told of it."""
    if not _SUSPECT.intersection(text):
        return text
    return _CALLS_EVERYBODY.sub("[@]", _MARKUP.sub("\uff1c", text))


def _fact(value: Any, language: Language) -> Any:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, datetime):
        return _instant(value, language)
    if isinstance(value, date):
        return day(value, language)
    if isinstance(value, (list, tuple)):
        return ("、" if language == "zh" else ", ").join(str(_fact(one, language)) for one in value)
    return value


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters; what is left out is marked."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def say(key: str, language: Language = "zh", **facts: Any) -> str:
    """The sentence of a key with its facts filled in. Facts are text: nothing in them is interpreted."""
    sentence = catalogue(language)[key]
    return sentence.format(**{name: _fact(value, language) for name, value in facts.items()}) if facts else sentence


def both(key: str, **facts: Any) -> str:
    """Chinese first, English on the next line: for terminals and error pages, whose reader is not known."""
    return "\n".join(say(key, language, **facts) for language in LANGUAGES)
