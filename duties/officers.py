"""Enforcement officers: the list of them and their hours read from files, and what each owes. Pure.

What such a file changes in the store is worked out here and written by `store/officer_rows`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

from duties import sheets
from duties.errors import RosterError
from duties.reading import fault_lines
from duties.registry import Entry
from duties.roster import Dated, Day, Name, Short
from duties.schedule import share
from duties.sheets import Form

LIST_COLUMNS = ("unit", "name", "certificate", "from", "to")
HOURS_COLUMNS = ("unit", "certificate", "name", "date", "topic", "hours")
MOST = 48
"""Halves of an hour in a day."""
DAY = timedelta(days=1)
E = TypeVar("E", bound=Entry)


def halves(hours: Decimal) -> int | None:
    """Hours as whole halves, as they are stored; None for what is no hours of one day's."""
    twice = hours * 2
    return int(twice) if twice == twice.to_integral_value() and 0 < twice <= MOST else None


def _halves(value: Any) -> int:
    try:
        found = halves(Decimal(str(value).strip())) if not isinstance(value, bool) else None
    except InvalidOperation:
        found = None
    if found is None:
        told = {"value": str(value)[:20]}
        raise PydanticCustomError("hours", "{value}: expected hours of one day, in whole or half hours", told)
    return found


@dataclass(frozen=True, slots=True)
class Officer:
    """A row of the list: somebody in a unit from a day to a day, both inclusive. `entered`: without a break since."""

    id: int
    unit_id: int
    name: str
    certificate: str
    since: date | None = None
    until: date | None = None
    entered: date | None = None
    first_id: int | None = None

    @property
    def person(self) -> int:
        """The person's first row: hours stay with people who move."""
        return self.first_id or self.id

    def listed(self, day: date) -> bool:
        """Whether they are an officer of the unit on a day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    @property
    def span(self) -> str:
        """As text in ISO 8601: 2026-01-01/.. ."""
        return f"{self.since or '..'}/{self.until or '..'}"


@dataclass(frozen=True, slots=True)
class Trained:
    """How far an officer is: hours had, in halves, of the whole hours needed; the day of the last of them."""

    officer: Officer
    halves: int
    need: int
    last: date | None = None

    @property
    def reached(self) -> bool:
        """Whether nothing is missing."""
        return self.halves >= 2 * self.need


def needed(entered: date | None, full: int, target: int, opens: date) -> int:
    """Hours an officer needs in a year: all of what the unit owes, or their share from the month they entered in."""
    return min(target, share(full, entered, opens))


def tally(trained: Sequence[Trained], target: int) -> int:
    """The obligation's tally: how far the least trained officer is, in parts of the target."""
    return min((min(target, one.halves * target // (2 * one.need)) for one in trained), default=0)


@dataclass(frozen=True, slots=True)
class KnownUnit:
    """A unit that a file may name, by its code, its name or an alias."""

    id: int
    code: str
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is there already, on a local day."""

    units: tuple[KnownUnit, ...]
    officers: tuple[Officer, ...]
    today: date

    def unit(self, word: str) -> KnownUnit:
        """The unit meant. Raises LookupError saying why there is none."""
        found = [one for one in self.units if word in (one.code, one.name)]
        found = found or [one for one in self.units if word in one.aliases]
        if len(found) != 1:
            raise LookupError("is several units'; write its code" if found else "no unit has this code or name")
        return found[0]


class ListEntry(Dated):
    """One officer as a file has them."""

    unit: Name
    name: Short
    certificate: Short


class HoursEntry(Entry):
    """One officer's hours as a file has them; a certificate says who it is, else the name within the unit."""

    unit: Name
    certificate: Short | None = None
    name: Short | None = None
    date: Day
    topic: Name
    hours: Annotated[int, BeforeValidator(_halves)]


Kind = Literal["officer_added", "officer_changed", "officer_moved", "officer_back", "officer_ended"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one officer: the rows as they are to be (number 0 for a new one), the units it touches."""

    kind: Kind
    unit: KnownUnit
    name: str
    certificate: str
    facts: tuple[tuple[str, str, str], ...]
    rows: tuple[Officer, ...]
    touched: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    number: int
    entry: ListEntry
    unit: KnownUnit


@dataclass(slots=True)
class _Faults:
    source: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, what: str) -> None:
        self.found.append((number, f"{self.source}: row {number}: {what}"))

    def stop(self) -> None:
        """Raise RosterError if there are any."""
        if self.found:
            raise RosterError([text for _, text in sorted(self.found, key=lambda one: one[0])])


def changes(source: str, data: bytes, known: Known, headings: Mapping[str, str]) -> tuple[Change, ...]:
    """What a list of officers changes. Raises RosterError with every fault of the file.

    A unit that the file lists is listed whole: who is missing there ends yesterday. Other units are left alone.
    """
    form = Form("officer", LIST_COLUMNS, ("unit", "name", "certificate"), headings)
    faults = _Faults(source)
    read = list(_units(_entries(source, data, form, ListEntry, faults), known, faults))
    _once(read, faults)
    found: list[Change] = []
    kept: set[int] = set()
    for one in read:
        before = _latest(known, one.entry.certificate) or _renewed(one, read, known)
        try:
            change = _changed(one, before, known)
        except LookupError as fault:
            faults.add(one.number, str(fault))
            continue
        kept |= {before.id} if before else set()
        found += [change] if change else []
    faults.stop()
    here = {one.unit.id: one.unit for one in read}
    gone = [
        one for one in known.officers
        if one.unit_id in here and one.id not in kept and (one.until is None or one.until >= known.today)
    ]  # fmt: skip
    return (*found, *(_ended(one, here[one.unit_id], known.today) for one in gone))


def _entries(source: str, data: bytes, form: Form, kind: type[E], faults: _Faults) -> Iterator[tuple[int, E]]:
    for number, row in sheets.rows(source, data, form):
        try:
            yield number, kind.model_validate(row)
        except ValidationError as error:
            for line in fault_lines(error):
                value = row.get(line.partition(":")[0])
                faults.add(number, line if value is None else f"{line} ({str(value)[:40]})")


def _units(entries: Iterator[tuple[int, ListEntry]], known: Known, faults: _Faults) -> Iterator[_Read]:
    for number, entry in entries:
        try:
            yield _Read(number, entry, known.unit(entry.unit))
        except LookupError as why:
            faults.add(number, f"unit: {entry.unit}: {why}")


def _once(read: Sequence[_Read], faults: _Faults) -> None:
    first: dict[str, int] = {}
    for one in read:
        number = first.setdefault(one.entry.certificate, one.number)
        if number != one.number:
            faults.add(one.number, f"certificate: {one.entry.certificate} is there already in row {number}")


def _latest(known: Known, certificate: str) -> Officer | None:
    """The row a certificate was last listed under."""
    found = [one for one in known.officers if one.certificate == certificate]
    return max(found, key=lambda one: (one.until is None, one.until or date.min, one.id), default=None)


def _renewed(one: _Read, read: Sequence[_Read], known: Known) -> Officer | None:
    """Whose certificate has changed: the one officer of that name in the unit whom the file does not list otherwise."""
    listed = {other.entry.certificate for other in read}
    alike = [
        row for row in known.officers
        if (row.unit_id, row.name) == (one.unit.id, one.entry.name) and row.listed(known.today)
        and row.certificate not in listed
    ]  # fmt: skip
    certificates = {row.certificate for row in known.officers}
    new = [
        other for other in read
        if (other.unit.id, other.entry.name) == (one.unit.id, one.entry.name)
        and other.entry.certificate not in certificates
    ]  # fmt: skip
    return alike[0] if len(alike) == len(new) == 1 else None


def _changed(one: _Read, before: Officer | None, known: Known) -> Change | None:
    """What an entry makes of the row it is about. Raises LookupError with the fault."""
    entry, unit, today = one.entry, one.unit, known.today
    if before is None:
        row = Officer(0, unit.id, entry.name, entry.certificate, entry.since, entry.until, entry.since)
        return _change("officer_added", unit, None, row)
    over = before.until is not None and before.until < (entry.since or today)
    if before.unit_id == unit.id and not (over and (entry.until is None or entry.until >= today)):
        since = entry.since or before.since
        entered = since if before.entered == before.since else before.entered
        row = replace(
            before, name=entry.name, certificate=entry.certificate, since=since, until=entry.until, entered=entered
        )
        return _change("officer_changed", unit, before, row) if row != before else None
    place = next((other.name for other in known.units if other.id == before.unit_id), "")
    if before.name != entry.name and not over:
        raise LookupError(f"certificate: {entry.certificate} is {before.name}'s at {place}")
    return _placed(entry, unit, before, today, place)


def _placed(entry: ListEntry, unit: KnownUnit, before: Officer, today: date, place: str) -> Change:
    """Somebody who comes from another unit, or back: the row before ends the day before the new one begins."""
    since = entry.since or today
    first = before.person if before.name == entry.name else None
    ends = before.until if before.until and before.until < since else since - DAY
    if before.since and ends < before.since:
        told = f"certificate: {entry.certificate} is {before.name}'s at {place} since {before.since}"
        raise LookupError(f"{told}; expected a later day to move on")
    unbroken = first is not None and ends == since - DAY
    row = Officer(
        0, unit.id, entry.name, entry.certificate, since, entry.until, before.entered if unbroken else since, first
    )
    old = replace(before, until=ends)
    kind: Kind = "officer_back" if before.unit_id == unit.id else "officer_moved"
    change = _change(kind, unit, None, row)
    moved = (("unit", place, unit.name), *change.facts)
    return replace(
        change, facts=moved if kind == "officer_moved" else change.facts,
        rows=(*((old,) if old != before else ()), row), touched=tuple(dict.fromkeys((before.unit_id, unit.id))),
    )  # fmt: skip


def _ended(one: Officer, unit: KnownUnit, today: date) -> Change:
    """Who is no longer listed: over since yesterday, or since they began if that was to be later."""
    ends = today - DAY
    return _change(
        "officer_ended", unit, one, replace(one, until=ends, since=min(one.since, ends) if one.since else None)
    )


def _change(kind: Kind, unit: KnownUnit, before: Officer | None, after: Officer) -> Change:
    shown = ("name", "certificate", "span")
    facts = tuple(
        (name, str(getattr(before, name)) if before else "", str(getattr(after, name)))
        for name in shown
        if before is None or getattr(before, name) != getattr(after, name)
    )
    return Change(kind, unit, after.name, after.certificate, facts, (after,), (unit.id,))


@dataclass(frozen=True, slots=True)
class Due:
    """A unit's obligation that hours may be recorded under."""

    obligation: int
    unit_id: int
    opens: date
    due: date


@dataclass(frozen=True, slots=True)
class Had:
    """Hours of one officer on one day, in halves, and the obligation they count for."""

    obligation: int
    officer: Officer
    on: date
    topic: str
    halves: int


def hours(
    source: str, data: bytes, known: Known, headings: Mapping[str, str],
    due: Sequence[Due], recorded: Mapping[tuple[int, date], Mapping[str, int]],
) -> tuple[Had, ...]:  # fmt: skip
    """The hours of a file that are not recorded yet. Raises RosterError with every fault of the file.

    `recorded` has the halves of each topic by person and day. What is there with the same hours is passed over: a file
    may be imported twice.
    """
    form = Form("hours", HOURS_COLUMNS, ("unit", "date", "topic", "hours"), headings)
    faults = _Faults(source)
    days: dict[tuple[int, date], dict[str, int]] = defaultdict(dict)
    for key, topics in recorded.items():
        days[key] |= topics
    first: dict[tuple[int, date, str], int] = {}
    found: list[Had] = []
    for number, entry in _entries(source, data, form, HoursEntry, faults):
        try:
            one = _had(entry, known, due)
            place = first.setdefault((one.officer.person, one.on, one.topic), number)
            if place != number:
                faults.add(number, f"topic: {one.topic} of {one.officer.name} on {one.on} is already in row {place}")
            elif _is_new(one, days[one.officer.person, one.on]):
                found.append(one)
        except LookupError as fault:
            faults.add(number, str(fault))
    faults.stop()
    return tuple(found)


def _had(entry: HoursEntry, known: Known, due: Sequence[Due]) -> Had:
    try:
        unit = known.unit(entry.unit)
    except LookupError as why:
        raise LookupError(f"unit: {entry.unit}: {why}") from None
    officer = _named(entry, unit, known)
    if entry.date > known.today:
        raise LookupError(f"date: {entry.date} is still to come")
    owed = next((one for one in due if one.unit_id == unit.id and one.opens <= entry.date <= one.due), None)
    if owed is None:
        raise LookupError(f"date: {unit.name} owes no hours that {entry.date} could count for")
    return Had(owed.obligation, officer, entry.date, entry.topic, entry.hours)


def _named(entry: HoursEntry, unit: KnownUnit, known: Known) -> Officer:
    word = entry.certificate or entry.name
    if word is None:
        raise LookupError("certificate: expected a certificate or a name")
    here = [one for one in known.officers if one.unit_id == unit.id and one.listed(entry.date)]
    found = [one for one in here if word == (one.certificate if entry.certificate else one.name)]
    where = "certificate" if entry.certificate else "name"
    if not found:
        raise LookupError(f"{where}: {word} is no officer of {unit.name} on {entry.date}")
    if len(found) > 1:
        raise LookupError(f"name: {word} is several officers' of {unit.name}; write the certificate")
    if entry.name and found[0].name != entry.name:
        raise LookupError(f"name: {word} is {found[0].name}'s, not {entry.name}'s")
    return found[0]


def _is_new(one: Had, that_day: dict[str, int]) -> bool:
    before = that_day.get(one.topic)
    if before == one.halves:
        return False
    if before is not None:
        raise LookupError(
            f"hours: {one.officer.name} has {before / 2:g} hours of {one.topic} on {one.on}; reverse them first"
        )
    if sum(that_day.values()) + one.halves > MOST:
        raise LookupError(f"hours: {one.officer.name} would have more than {MOST // 2} hours on {one.on}")
    that_day[one.topic] = one.halves
    return True


def named_alike(officers: Sequence[Officer]) -> frozenset[str]:
    """Names that several officers have."""
    return frozenset(name for name, times in Counter(one.name for one in officers).items() if times > 1)
