"""The working-day calendar: State Council arrangements where they are published, statutory days where they are not."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, chain, compress
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from duties.errors import CalendarError, QuestionError
from duties.model import CalendarState
from duties.registry import DATA, Entry, Text

SHIPPED = DATA / "calendar"
FIRST_YEAR, LAST_YEAR = 1990, 2110
LONGEST_HOLIDAY = 15
WORKING_WEEKEND = "working-weekend"
DECEMBER = 12
SATURDAY = 5


def _near(day: date, info: ValidationInfo) -> date:
    """Accept the December before too: a New Year's holiday may begin there, and the new year's notice names it."""
    year: int = info.context["year"] if info.context else day.year
    if day.year != year and (day.year, day.month) != (year - 1, DECEMBER):
        raise ValueError(f"expected a day of {year} or of the December before it")
    return day


def _on_weekend(day: date) -> date:
    if day.weekday() < SATURDAY:
        raise ValueError("expected a Saturday or Sunday: other days are worked anyway")
    return day


Day = Annotated[date, Field(strict=True), AfterValidator(_near)]


class Notice(Entry):
    """A document that arranges a year's holidays, or amends the arrangement."""

    title: Text
    number: str = ""
    issued: Annotated[date, Field(strict=True)]

    def __str__(self) -> str:
        return f"{self.title} ({self.number or self.issued})"


class Holiday(Entry):
    """Days off in a row, both ends included, and the weekend days worked instead."""

    name_zh: Text
    name_en: Text
    first: Day
    last: Day
    work: tuple[Annotated[Day, AfterValidator(_on_weekend)], ...] = ()

    @field_validator("last")
    @classmethod
    def _last_follows_first(cls, last: date, info: ValidationInfo) -> date:
        first = info.data.get("first", last)
        if not 0 <= (last - first).days < LONGEST_HOLIDAY:
            raise ValueError(f"expected a day from {first} on, at most {LONGEST_HOLIDAY} days off in a row")
        return last

    @property
    def off(self) -> range:
        """The days off as ordinals."""
        return range(self.first.toordinal(), self.last.toordinal() + 1)


def _at_least_one(rows: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Refuse an empty table only: pydantic's own minimum length does not count the rows it finds faulty."""
    if not rows:
        raise ValueError("expected at least one row")
    return rows


def _off_or_worked(holidays: tuple[Holiday, ...]) -> tuple[Holiday, ...]:
    off = set(chain.from_iterable(holiday.off for holiday in holidays))
    both = [str(day) for holiday in holidays for day in holiday.work if day.toordinal() in off]
    if both:
        raise ValueError(f"expected {', '.join(both)} to be either off or worked")
    return holidays


class Arrangement(Entry):
    """One year's table in a file."""

    notice: Annotated[tuple[Notice, ...], AfterValidator(_at_least_one)]
    holiday: Annotated[tuple[Holiday, ...], AfterValidator(_at_least_one), AfterValidator(_off_or_worked)]


class Festival(Entry):
    """A statutory festival. Without `begins` it begins on the day the lunar table gives."""

    name_zh: Text
    name_en: Text
    begins: str = ""


class StatutoryRule(Entry):
    """The days off from one year on: first and last day of each festival, counted from its beginning."""

    since: int
    source: Text
    days: dict[str, tuple[int, int]]


class Statutory(Entry):
    """What the law alone gives, before a year is arranged."""

    festival: dict[str, Festival]
    rule: tuple[StatutoryRule, ...]
    lunar_columns: tuple[str, ...]
    lunar: dict[int, str]

    def holidays(self, year: int) -> Iterator[Holiday]:
        begins = {key: festival.begins for key, festival in self.festival.items() if festival.begins}
        begins.update(zip(self.lunar_columns, self.lunar.get(year, "").split(), strict=False))
        rule = [rule for rule in self.rule if rule.since <= year][-1]
        for key in filter(begins.__contains__, rule.days):
            start = date.fromisoformat(f"{year}-{begins[key]}").toordinal()
            first, last = (date.fromordinal(start + offset) for offset in rule.days[key])
            names = self.festival[key]
            yield Holiday(name_zh=names.name_zh, name_en=names.name_en, first=first, last=last)


@dataclass(frozen=True, slots=True)
class YearTable:
    """What is known of one year."""

    year: int
    state: CalendarState
    notices: tuple[Notice, ...]
    holidays: tuple[Holiday, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """All the data a calendar is built from. `local` days are added by a region, and confirm nothing."""

    statutory: Statutory
    national: Mapping[int, Arrangement]
    local: Mapping[int, Arrangement]

    def holidays(self) -> Iterator[Holiday]:
        """Go from the general to the particular: of two that name a day, the later one is right about it."""
        for year in range(FIRST_YEAR, LAST_YEAR + 1):
            yield from self.statutory.holidays(year)
        for tables in (self.national, self.local):
            for year in sorted(tables):
                yield from tables[year].holiday

    def of(self, year: int) -> YearTable:
        national, local = self.national.get(year), self.local.get(year)
        known = [table for table in (national, local) if table]
        off = [holiday for table in known for holiday in table.holiday]
        if national is None:
            off.extend(self.statutory.holidays(year))
        return YearTable(
            year=year,
            state=CalendarState.CONFIRMED if national else CalendarState.PROVISIONAL,
            notices=tuple(notice for table in known for notice in table.notice),
            holidays=tuple(sorted(off, key=attrgetter("first"))),
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WorkCalendar:
    """Which days are worked.

    Position p of `_upto` counts the working days up to the day `_origin + p`; `_days` lists them from position 1.
    """

    _tables: Tables
    _marks: Mapping[int, str]
    _origin: int
    _upto: Sequence[int]
    _days: Sequence[date]

    @classmethod
    def shipped(cls) -> Self:
        return cls.load(None)

    @classmethod
    def load(cls, extra: Path | None) -> Self:
        """Take the shipped tables and the operator's, whose years replace ours. All faults are raised together."""
        faults: list[str] = []
        national: dict[int, Arrangement] = {}
        local: dict[int, Arrangement] = {}
        for path in (SHIPPED / "holidays.toml", extra):
            if path is not None:
                document = _read(path)
                local |= _arrangements(f"{path}: local.", document.pop("local", {}), faults)
                national |= _arrangements(f"{path}: ", document, faults)
        if faults:
            raise CalendarError(faults)
        statutory = Statutory.model_validate(_read(SHIPPED / "statutory.toml"))
        return cls._built(Tables(statutory, national, local))

    @classmethod
    def _built(cls, tables: Tables) -> Self:
        marks = _marks(tables.holidays())
        first, end = date(FIRST_YEAR, 1, 1).toordinal(), date(LAST_YEAR + 1, 1, 1).toordinal()
        working = [(ordinal - 1) % 7 < SATURDAY for ordinal in range(first, end)]
        for ordinal, mark in marks.items():
            working[ordinal - first] = mark == WORKING_WEEKEND
        days = [date.min, *map(date.fromordinal, compress(range(first, end), working))]
        return cls(tables, marks, first - 1, list(accumulate(working, initial=0)), days)

    def add(self, day: date, n: int) -> date:
        """Find the nth working day strictly after `day`, or strictly before it when n is negative."""
        at = day.toordinal() - self._origin
        try:
            if n > 0 and at > 0:
                return self._days[self._upto[at] + n]
            nth = self._upto[at - 1] + 1 + n
            if n < 0 and at > 0 and nth > 0:
                return self._days[nth]
        except IndexError:
            raise _beyond(day, n) from None
        if n == 0:
            raise ValueError("the 0th working day after a day is not defined")
        raise _beyond(day, n)

    def on_or_before(self, day: date) -> date:
        return day if self.is_workday(day) else self.add(day, -1)

    def on_or_after(self, day: date) -> date:
        return day if self.is_workday(day) else self.add(day, 1)

    def between(self, after: date, through: date) -> int:
        """Working days later than `after`, `through` included; negative when `through` is the earlier day."""
        return self._upto[self._at(through)] - self._upto[self._at(after)]

    def is_workday(self, day: date) -> bool:
        at = self._at(day)
        return self._upto[at] > self._upto[at - 1]

    def reason(self, day: date) -> str:
        """Why a day is worked or not: weekday, weekend, working-weekend, or holiday: and its name."""
        plain = "weekend" if day.weekday() >= SATURDAY else "weekday"
        return self._marks.get(self._at(day) + self._origin, plain)

    def state(self, year: int) -> CalendarState:
        return CalendarState.CONFIRMED if year in self._tables.national else CalendarState.PROVISIONAL

    def source(self, year: int) -> str:
        """Name the State Council's notices for a year, or answer `provisional`."""
        national = self._tables.national.get(year)
        return "; ".join(map(str, national.notice)) if national else CalendarState.PROVISIONAL.value

    def year(self, year: int) -> YearTable:
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise QuestionError(f"{year}: the calendar reaches from {FIRST_YEAR} to {LAST_YEAR}")
        return self._tables.of(year)

    def digest(self) -> str:
        """SHA-256 of everything the tables say: another digest means that deadlines may have moved."""
        tables = {
            "statutory": self._tables.statutory.model_dump(mode="json"),
            "national": _plain(self._tables.national),
            "local": _plain(self._tables.local),
        }
        return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()

    def _at(self, day: date) -> int:
        at = day.toordinal() - self._origin
        if not 0 < at < len(self._upto):
            raise _beyond(day)
        return at


def _beyond(day: date, n: int = 0) -> QuestionError:
    away = f" and {n} working days from it" if n else ""
    return QuestionError(f"{day}{away}: the calendar reaches from {FIRST_YEAR} to {LAST_YEAR}")


def _marks(holidays: Iterable[Holiday]) -> dict[int, str]:
    """Days that are not what their place in the week says, by ordinal."""
    marks: dict[int, str] = {}
    for holiday in holidays:
        marks.update(dict.fromkeys(holiday.off, f"holiday:{holiday.name_zh}"))
        marks.update((day.toordinal(), WORKING_WEEKEND) for day in holiday.work)
    return marks


def _plain(tables: Mapping[int, Arrangement]) -> dict[str, Any]:
    return {str(year): table.model_dump(mode="json") for year, table in tables.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CalendarError([f"{path}: expected a readable TOML file: {error}"]) from error


def _arrangements(place: str, tables: object, faults: list[str]) -> dict[int, Arrangement]:
    """Keep what is sound of a file's years; the rest becomes faults."""
    if not isinstance(tables, dict):
        faults.append(f"{place.rstrip('.')} = {tables!r}: expected a table of years")
        return {}
    sound: dict[int, Arrangement] = {}
    for key, table in tables.items():
        if not key.isdecimal() or not FIRST_YEAR < int(key) <= LAST_YEAR:
            faults.append(f"{place}{key}: expected a year from {FIRST_YEAR + 1} to {LAST_YEAR}")
            continue
        try:
            sound[int(key)] = Arrangement.model_validate(table, context={"year": int(key)})
        except ValidationError as error:
            faults.extend(_fault(f"{place}{key}", detail) for detail in error.errors())
    return sound


def _fault(place: str, detail: ErrorDetails) -> str:
    where = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    value = detail["input"]
    found = (
        "" if value and isinstance(value, dict | list) else f" = {value if isinstance(value, date) else repr(value)}"
    )
    return f"{place}{where}{found}: {detail['msg'].removeprefix('Value error, ')}"
