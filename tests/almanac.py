"""The law read a second time and counted by hand, a day after the other: the product's data files and none of its code.

The books of the year in the life and the models of the property tests count with this.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "duties" / "data"
DAY = timedelta(days=1)
Table = dict[str, Any]


def read(name: str) -> Table:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


def days(first: date, last: date) -> Iterator[date]:
    """Every day from one to another, both included."""
    day = first
    while day <= last:
        yield day
        day += DAY


class Almanac:
    """Which days are worked. `extra`: years as an operator adds them, of the form of holidays.toml."""

    def __init__(self, extra: Mapping[str, Any] | None = None) -> None:
        self.off: set[date] = set()
        self.worked: set[date] = set()
        arranged = {**read("calendar/holidays.toml"), **(extra or {})}
        for year in range(2019, 2032):
            for holiday in arranged[str(year)]["holiday"] if str(year) in arranged else _statutory(year):
                self.off |= set(days(holiday["first"], holiday["last"]))
                self.worked |= set(holiday.get("work", ()))

    def workday(self, day: date) -> bool:
        return day in self.worked or (day.weekday() < 5 and day not in self.off)

    def rolled(self, day: date) -> date:
        """The working day on which a period that ends on this day ends."""
        while not self.workday(day):
            day += DAY
        return day

    def before(self, day: date) -> date:
        """The working day on which something that is for this day is said."""
        while not self.workday(day):
            day -= DAY
        return day

    def moved(self, day: date, workdays: int) -> date:
        """So many working days later, or earlier."""
        step = DAY if workdays > 0 else -DAY
        while workdays:
            day += step
            if self.workday(day):
                workdays -= 1 if workdays > 0 else -1
        return day


def _statutory(year: int) -> Iterator[Table]:
    law = read("calendar/statutory.toml")
    rule = max((one for one in law["rule"] if one["since"] <= year), key=lambda one: int(one["since"]))
    begins = {name: one["begins"] for name, one in law["festival"].items() if "begins" in one}
    begins |= dict(zip(law["lunar_columns"], law["lunar"][str(year)].split(), strict=True))
    for name, (first, last) in rule["days"].items():
        day = date.fromisoformat(f"{year}-{begins[name]}")
        yield {"first": day + first * DAY, "last": day + last * DAY}


# Duties.


@cache
def duties() -> Mapping[str, Table]:
    """Every duty of the registry, as it stands in the files."""
    files = sorted((DATA / "duties").glob("*.toml"))
    return {duty["code"]: duty for file in files for duty in tomllib.loads(file.read_text(encoding="utf-8"))["duty"]}


@dataclass(frozen=True)
class Term:
    """One period of a duty in one of its scopes."""

    duty: str
    label: str
    opens: date
    due: date
    scope: Mapping[str, Any]


def _fires(rule: Table, day: date) -> bool:
    """Whether a recurrence rule falls on a day."""
    said = dict(part.split("=") for part in rule["rrule"].split(";"))
    assert said.keys() <= {"FREQ", "INTERVAL", "BYMONTH", "BYMONTHDAY", "BYSETPOS"}
    if (day.year - rule.get("anchor", date(2019, 1, 1)).year) % int(said.get("INTERVAL", 1)):
        return False
    if "BYMONTH" in said and day.month not in map(int, said["BYMONTH"].split(",")):
        return False
    wanted = [int(number) for number in said["BYMONTHDAY"].split(",")]
    rest = [one for one in days(day, day + 31 * DAY) if one.month == day.month]
    found = [one for one in rest if one.day in wanted or (one == rest[-1] and -1 in wanted)]
    assert said.get("BYSETPOS", "-1") == "-1"
    return found[:1] == [day] and ("BYSETPOS" not in said or found[-1] == day)


def _label(period: str, day: date) -> str:
    """What people call the period that a day lies in."""
    return {
        "month": f"{day:%Y-%m}",
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "half": f"{day.year}-H{1 if day.month <= 6 else 2}",
        "year": f"{day.year}",
        "two-years": f"{day.year - 1}-{day.year}",
    }[period]


def _falls(rule: Table, day: date) -> bool:
    """Whether something that a rule asks for is due on a day."""
    if rule["kind"] == "counted":
        return (day.month, day.day) == (12, 31)
    return rule["kind"] != "event" and _fires(rule, day)


def terms(first: date, last: date) -> Iterator[Term]:
    """Every term due from one day to another, in the order of their days and of the registry's scopes."""
    for code, duty in duties().items():
        for due in days(first, last):
            if _falls(duty["rule"], due):
                opens, label = _covered(duty["rule"], due)
                for scope in duty["scope"]:
                    if scope["in_force_from"] <= due <= scope.get("in_force_to", due):
                        yield Term(code, label, opens, due, scope)


def _covered(rule: Table, due: date) -> tuple[date, str]:
    """The first day of the period that a deadline lies in, and what the period that it is about is called."""
    period = rule.get("period", "year")
    opens = end = due
    while _label(period, opens - DAY) == _label(period, due):
        opens -= DAY
    while _label(period, end + DAY) == _label(period, due):
        end += DAY
    return opens, _label(
        period, {"previous": opens - DAY, "current": due, "next": end + DAY}[rule.get("covers", "current")]
    )


# Clocks that an event starts.

Spell = tuple[date, date]
"""The day on which something was asked for, and the day on which it came: the clock stands after the one, through the
other."""


@dataclass(frozen=True)
class Count:
    """What an event gives: the last day, the day that reminders aim at, the day before which it comes early."""

    due: date
    aim: date
    not_before: date | None


def counted(almanac: Almanac, code: str, on: date, named: date | None = None, spells: Sequence[Spell] = ()) -> Count:
    """A clock, counted on the fingers."""
    rule = duties()[code]["rule"]
    allows = rule.get("named_day", "none")
    if named is not None and allows in ("governs", "required"):
        return Count(named, almanac.before(named), None)
    stands = spells if rule.get("pausable") else ()
    last = _last(almanac, rule, on, rule["length"], stands)
    due = almanac.rolled(last) if rule.get("roll", True) else last
    # The cautious read the event's own day as the first one, and count on no rest day.
    strict = last if rule.get("start_stated") else _strict(almanac, rule, on, stands)
    if named is not None and allows == "earlier":
        due, strict = min(due, named), min(strict, named)
    early = _last(almanac, rule, on, rule["minimum"], stands) if "minimum" in rule else None
    return Count(due, almanac.before(strict), early)


def _strict(almanac: Almanac, rule: Table, on: date, spells: Sequence[Spell]) -> date:
    if rule.get("unit") == "months":
        return _last(almanac, rule, on, rule["length"], spells) - DAY
    return _last(almanac, rule, on - DAY, rule["length"], spells)


def _last(almanac: Almanac, rule: Table, on: date, length: int, spells: Sequence[Spell]) -> date:
    """The day on which so many days, working days or months after another one are over."""
    if rule.get("unit") == "months":
        assert not spells
        year, month = on.year + (on.month + length - 1) // 12, (on.month + length - 1) % 12 + 1
        return next(day for lack in range(4) if (day := _day(year, month, on.day - lack)))
    day = on
    while length:
        day += DAY
        stands = any(noticed < day <= received for noticed, received in spells)
        if not stands and (rule.get("unit") != "working-days" or almanac.workday(day)):
            length -= 1
    return day


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def started_with(code: str) -> list[str]:
    """Every duty that the event of one starts."""
    event = duties()[code]["rule"]["event"]
    return [other for other, duty in duties().items() if duty["rule"].get("event") == event]


RIGHTS = frozenset(code for code, duty in duties().items() if duty["rule"].get("lapses"))


# Reminders.


@cache
def ladder(duty: str) -> Sequence[Table]:
    """The rungs of a duty's ladder."""
    wanted = duties()[duty].get("ladder", "default")
    return next(list(one["rung"]) for one in read("ladders.toml")["ladder"] if one["code"] == wanted)


def rung(duty: str, code: str) -> Table:
    """A rung by its code; W12 is the twelfth time of W."""
    return next(one for one in ladder(duty) if code == one["code"] or (one.get("every") and code[:1] == one["code"]))


def rungs(almanac: Almanac, duty: str, aim: date, due: date, through: date) -> Iterator[tuple[str, date]]:
    """The rungs of a duty's ladder with their days, the repeating ones too."""
    for one in ladder(duty):
        base = aim if one["base"] == "advise_by" else due
        day = almanac.moved(base, one["offset"]) if one["offset"] else almanac.before(base)
        times = 1
        while day <= through:
            yield one["code"] + (str(times) if times > 1 else ""), day
            if "every" not in one:
                break
            day, times = almanac.moved(day, one["every"]), times + 1
