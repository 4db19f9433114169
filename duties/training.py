"""Hours of training, officer by officer: recorded, reversed, and the obligation's tally worked out from them.

Each use case runs inside the caller's transaction, as those of `obligations`, whose entries these are. A record is
never changed: it is reversed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from duties import obligations, officers
from duties.errors import RefusedError
from duties.model import Actor, Obligation
from duties.obligations import SYSTEM_ACTOR, TOPIC, Done, Moment
from duties.officers import MOST, Change, Had, Officer, Trained
from duties.registry import CountedRule, Registry
from duties.store import chains, officer_lists, officer_rows, planned, reading
from duties.store.database import transaction
from duties.store.officer_rows import Record

LIST = "officers"
"""The chore that holds which list was imported last."""
RESTATED = "hours"
"""The chore that holds the day on which every tally was last worked out anew."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How many officers have their hours, of how many; none where the unit is not measured by officers."""

    reached: int
    officers: int

    @classmethod
    def of(cls, trained: Sequence[Trained]) -> "Reached":
        """Of the officers of one obligation, or of several."""
        return cls(sum(one.reached for one in trained), len(trained))


def full_hours(registry: Registry) -> dict[str, int]:
    """The duties that are counted officer by officer, with the hours of a whole year."""
    return {
        duty.code: duty.rule.at_least
        for duty in registry.duties
        if isinstance(duty.rule, CountedRule) and duty.rule.per == "officer"
    }


async def standing(one: Obligation, registry: Registry, today: date) -> list[Trained]:
    """How far every officer is; empty where the obligation is not measured by officers."""
    return (await officer_rows.standings(full_hours(registry), [one.id], today)).get(one.id, [])


async def reached(numbers: Sequence[int], registry: Registry, today: date) -> dict[int, Reached]:
    """How many officers have their hours, by obligation; those not measured by officers are not there."""
    found = await officer_rows.standings(full_hours(registry), numbers, today)
    return {number: Reached.of(trained) for number, trained in found.items()}


async def may_attest(one: Obligation, today: date) -> None:
    """Refuse to attest as a whole what is measured officer by officer."""
    if listed := await officer_rows.listed((one.unit_id,), min(today, one.due)):
        raise RefusedError("refused-attest-officers", unit=one.unit, n=len(listed), unit_id=one.unit_id)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What officers were taught: the day, the topic, how many halves of an hour."""

    on: date
    topic: str
    halves: int


async def record(
    actor: Actor, number: int, whom: Sequence[Officer], lesson: Lesson, registry: Registry, at: Moment
) -> Done:
    """Hours of some officers of one unit; the last one needed by the last of them reports the duty."""
    one = await obligations.may_record(actor, number, lesson.on, at, "hours")
    if not 0 < lesson.halves <= MOST:
        raise RefusedError("refused-hours", most=MOST // 2)
    for officer in whom:
        if officer.unit_id != one.unit_id:
            raise RefusedError("refused-not-your-officer", name=officer.name, unit=one.unit, unit_id=one.unit_id)
        if not officer.listed(lesson.on):
            raise RefusedError("refused-officer-then", name=officer.name, day=lesson.on, unit_id=one.unit_id)
    topic = lesson.topic[:TOPIC]
    await _must_fit(whom, replace(lesson, topic=topic), tuple(full_hours(registry)), one)
    had = [Had(number, officer, lesson.on, topic, lesson.halves) for officer in whom]
    payload = {
        "topic": lesson.topic,
        "on": lesson.on.isoformat(),
        "hours": _hours(lesson.halves),
        "officers": _who(whom),
        "trained": _kept(had),
    }
    gained = {officer.person: lesson.halves for officer in whom}
    done = await _measured(actor, one, registry, at, _Step("hours", payload, gained, lesson.on))
    await officer_rows.add(had, done.entry)
    return done


async def reverse(actor: Actor, number: int, gone: Sequence[Record], registry: Registry, at: Moment) -> Done:
    """Hours taken back by an entry of their own; a report they had led to is taken back too.

    Hours go with people: of who is in another unit now, what that unit has reached is worked out anew.
    """
    one = await obligations.may_record(actor, number, gone[0].on, at, "hours")
    lost = {record.person: 0 for record in gone}
    for record in gone:
        lost[record.person] -= record.halves
    payload = {"reverses": [_told(record) for record in gone], "reversed": [record.line for record in gone]}
    done = await _measured(actor, one, registry, at, _Step("reverse-hours", payload, lost, gone[0].on))
    if not await officer_rows.reverse([record.id for record in gone], done.entry):
        raise chains.StaleError(f"hours of obligation {number} were reversed meanwhile")
    moved = await officer_rows.of_people(list(lost), tuple(full_hours(registry)), at.today)
    await restate([other for other in moved if other != number], registry, at)
    return done


async def _must_fit(whom: Sequence[Officer], lesson: Lesson, duties: Sequence[str], one: Obligation) -> None:
    had = await officer_rows.recorded([officer.person for officer in whom], duties)
    days = {officer.name: had.get((officer.person, lesson.on), {}) for officer in whom}
    if twice := [name for name, topics in days.items() if lesson.topic in topics]:
        raise RefusedError("refused-hours-already", who=twice, day=lesson.on, topic=lesson.topic, unit_id=one.unit_id)
    if full := [name for name, topics in days.items() if sum(topics.values()) + lesson.halves > MOST]:
        raise RefusedError("refused-hours-day", who=full, day=lesson.on, most=MOST // 2, unit_id=one.unit_id)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is about to be recorded: the action, what its entry says, halves gained or lost by person, the day."""

    action: str
    payload: dict[str, Any]
    more: Mapping[int, int]
    on: date


async def _measured(actor: Actor, one: Obligation, registry: Registry, at: Moment, step: _Step) -> Done:
    """Work the tally out with what is about to be recorded, and move the obligation."""
    trained = [
        replace(each, halves=each.halves + step.more.get(each.officer.person, 0))
        for each in await standing(one, registry, at.today)
    ]
    if not trained and await officer_rows.attested(one.id):
        raise RefusedError("refused-hours-attested", number=one.id, unit=one.unit, unit_id=one.unit_id)
    done_on = max([step.on, *(each.last for each in trained if each.last)])
    tally = officers.tally(trained, one.target)
    return await obligations.measure(actor, one, at, step.action, step.payload, tally=tally, done_on=done_on)


def _hours(halves: int) -> str:
    return f"{halves / 2:g}"


def _who(whom: Sequence[Officer]) -> list[list[str]]:
    return [[officer.name, officer.certificate] for officer in whom]


def _told(record: Record) -> list[str]:
    return [record.name, record.on.isoformat(), record.topic, _hours(record.halves)]


def _kept(had: Sequence[Had]) -> list[list[Any]]:
    """The rows that an entry records, for `verify`: person, day, topic, halves."""
    return [[one.officer.person, one.on.isoformat(), one.topic, one.halves] for one in had]


async def import_list(changes: Sequence[Change], source: str, data: bytes, registry: Registry, at: Moment) -> None:
    """Make the list of officers what a file says, and every tally it touches."""
    digest = hashlib.sha256(data).hexdigest()
    await planned.chore_done(LIST, digest)  # writes first
    await officer_lists.write(changes, source, digest, at.now)
    units = dict.fromkeys(unit for change in changes for unit in change.touched)
    await restate(await officer_rows.of_units(units, tuple(full_hours(registry)), at.today), registry, at, always=True)


async def import_hours(had: Sequence[Had], source: str, data: bytes, registry: Registry, at: Moment) -> None:
    """Record the hours of a file: an entry for each obligation."""
    digest = hashlib.sha256(data).hexdigest()
    await planned.chore_done("hours-file", digest)
    for number in dict.fromkeys(one.obligation for one in had):
        one, mine = await reading.obligation(number, held=True), [each for each in had if each.obligation == number]
        assert one is not None
        gained: dict[int, int] = {}
        for each in mine:
            gained[each.officer.person] = gained.get(each.officer.person, 0) + each.halves
        rows = [[each.officer.name, each.on.isoformat(), each.topic, _hours(each.halves)] for each in mine]
        payload = {"file": source, "sha256": digest, "records": rows, "trained": _kept(mine)}
        last = max(each.on for each in mine)
        done = await _measured(SYSTEM_ACTOR, one, registry, at, _Step("hours", payload, gained, last))
        await officer_rows.add(mine, done.entry)


async def restate(numbers: Sequence[int], registry: Registry, at: Moment, *, always: bool = False) -> int:
    """Work tallies out anew from the officers of today. Returns how many changed.

    `always` writes a line where the tally stayed as it was: nobody may then take back an act from before.
    """
    changed = 0
    for number in numbers:
        one = await reading.obligation(number, held=True)
        trained = await standing(one, registry, at.today) if one else []
        if one is None or not (trained or one.tally) or await officer_rows.attested(number):
            continue
        tally = officers.tally(trained, one.target)
        if tally == one.tally and not always:
            continue
        count = Reached.of(trained)
        payload = {"reached": count.reached, "officers": count.officers}
        await obligations.measure(SYSTEM_ACTOR, one, at, "restate-hours", payload, tally=tally, done_on=at.today)
        changed += 1
    return changed


async def restate_daily(registry: Registry, now: datetime, today: date) -> None:
    """Once a day: who enters or leaves today by a day named long ago changes what their unit has reached."""
    if await planned.chore(RESTATED) == today.isoformat():
        return
    found = await officer_rows.measurable(tuple(full_hours(registry)), today) if full_hours(registry) else []
    async with transaction():
        await planned.chore_done(RESTATED, today.isoformat())
        await restate(found, registry, Moment(now, today, "system"))
