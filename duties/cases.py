"""Cases: an event starts one unit's clocks. Opening, correcting, pausing, withdrawing; what follows by itself.

Each runs inside the caller's transaction, as the use cases of obligations do, and raises RefusedError. Every change
recomputes the deadlines from the event's day; the old ones stay in the case's stream of the ledger, which `verify`
compares with the rows.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from duties import clock, obligations
from duties.clock import Deadline, Pause
from duties.errors import QuestionError, RefusedError
from duties.ledger import Act, StreamRef
from duties.model import OPEN_STATES, Actor, Case, Obligation, Role, Spell, State
from duties.obligations import HOLDERS, SYSTEM_ACTOR, Moment
from duties.registry import Duty, EventRule, Registry
from duties.store import case_rows, chains, reading
from duties.store.case_rows import Clock
from duties.store.database import alone
from duties.workdays import WorkCalendar

FOLLOWED_BY = {"opinion-letter-objection": "objection-review"}
"""Reporting the first opens a case of the second, on the supervision side (the supervision regulation, article 28)."""
RESUMED_BY = "legality-materials"
"""Reporting it sets the clock of the case that it follows from going again (the prefecture's measures, article 16)."""
RETURNED = "certificate-suspension"
"""A sanction that ends: nobody is late with it, but on its last day the certificate is given back."""
WITHDRAWN = "withdrawn"
LAPSED = "lapsed"
"""Why a right that was not used is cancelled."""


@dataclass(frozen=True, slots=True)
class Law:
    """What deadlines are computed from."""

    registry: Registry
    workdays: WorkCalendar


@dataclass(frozen=True, slots=True)
class Opening:
    """An event as somebody reports it. `duty` is any of those that the event starts."""

    duty: str
    unit_id: int
    event_on: date
    named_on: date | None = None
    document: str = ""
    subject: str = ""
    parent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """One clock of a case: the duty, its deadline with the derivation, the obligation it binds, the day it was due."""

    duty: Duty
    deadline: Deadline
    obligation_id: int = 0
    was_due: date | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded about a case. `cancelled` are the obligations that a withdrawal ended, by number."""

    case: Case
    entry: int
    clocks: tuple[Started, ...]
    cancelled: tuple[int, ...] = ()


def named_ground(case: Case) -> str:
    """What was assigned without an article rests on the document or the words that assigned it."""
    return "\uff1b".join(part for part in (case.document, case.subject) if part)


def event_rule(duty: Duty) -> EventRule:
    """The rule of a duty that an event starts. Raises RefusedError for any other."""
    if not isinstance(duty.rule, EventRule):
        raise RefusedError("refused-no-event", duty=duty.code)
    return duty.rule


def started_by(registry: Registry, code: str) -> list[Duty]:
    """Every duty that the same event starts, the one that must be done first, rights after it."""
    event = event_rule(registry.duty(code)).event
    alike = [duty for duty in registry.duties if isinstance(duty.rule, EventRule) and duty.rule.event == event]
    return sorted(alike, key=lambda duty: event_rule(duty).lapses)


def worked_out(law: Law, opening: Opening, pauses: Sequence[Spell] = ()) -> list[Started]:
    """The deadlines an event gives, before anything is recorded. Raises RefusedError."""
    found = []
    for duty in started_by(law.registry, opening.duty):
        rule = event_rule(duty)
        by = opening.named_on if rule.named_day != "none" else None
        spells = [_pause(spell) for spell in pauses] if rule.pausable else []
        try:
            found.append(Started(duty, clock.deadline(rule, opening.event_on, law.workdays, by=by, pauses=spells)))
        except QuestionError:
            key = "refused-day-needed" if by is None else "refused-named-day"
            raise RefusedError(key, day=by or opening.event_on, on=opening.event_on) from None
    return found


async def may_open(actor: Actor, law: Law, opening: Opening) -> Duty:
    """The duty a case is led by; refused to who may not open it."""
    lead = started_by(law.registry, opening.duty)[0]
    unit = await _unit(opening.unit_id)
    _may_open(actor, lead, unit, "case")
    if lead.code in FOLLOWED_BY.values() and not await reading.is_supervising(unit.id):
        raise RefusedError("refused-case-review", unit=unit.name, duty=lead.code, unit_id=unit.id)
    return lead


async def open_case(actor: Actor, law: Law, opening: Opening, at: Moment) -> Recorded:
    """立案: the event is recorded, its clocks run."""
    lead = await may_open(actor, law, opening)
    return await _opened(actor, law, replace(opening, duty=lead.code), at)


async def _opened(actor: Actor, law: Law, opening: Opening, at: Moment) -> Recorded:
    if opening.event_on > at.today:
        raise RefusedError("refused-future", day=opening.event_on)
    clocks = worked_out(law, opening)
    await alone(f"case/{opening.unit_id}/{opening.duty}/{opening.event_on}")
    for same in await case_rows.of_unit(opening.unit_id, opening.duty, opening.event_on):
        if _alike(same, opening):
            raise RefusedError("refused-case-exists", number=same.id)
    number = await case_rows.add(_row(opening), at.now)
    started = [
        (
            one,
            await case_rows.add_clock(
                number, opening.unit_id, one.duty.code, event_rule(one.duty), one.deadline, at.now
            ),
        )
        for one in clocks
    ]
    case = await _found(number)
    entry = await _written(actor, "open", case, [(one.deadline, row) for one, row in started], at)
    await _settle_rights([(one, row.obligation_id) for one, row in started], at)
    return Recorded(case, entry, tuple(replace(one, obligation_id=row.obligation_id) for one, row in started))


def _alike(same: Case, opening: Opening) -> bool:
    """Whether two of one unit, event and day are one; what follows from two cases is two."""
    parents = {same.parent_id, opening.parent_id} - {None}
    return (same.document, same.subject) == (opening.document, opening.subject) and len(parents) < 2  # noqa: PLR2004


def _row(opening: Opening) -> Case:
    return Case(
        0, opening.duty, opening.unit_id, "", "", opening.event_on, opening.named_on, opening.document[:128],
        opening.subject[:255], (), opening.parent_id, case_rows.OPEN, 1,
    )  # fmt: skip


async def amend(
    actor: Actor, law: Law, number: int, at: Moment, *, event_on: date | None = None, named_on: date | None = None,
    document: str = "",
) -> Recorded:  # fmt: skip
    """更正: another day of the event, another named day, another document. Every deadline is worked out anew."""
    case = await _may_change(actor, law, number, "amend")
    changed = replace(
        case, event_on=event_on or case.event_on, named_on=named_on or case.named_on, document=document or case.document
    )
    if changed == case:
        raise RefusedError("refused-nothing-changed", number=number)
    if changed.event_on > at.today:
        raise RefusedError("refused-future", day=changed.event_on)
    noticed = min((spell.noticed for spell in case.pauses), default=changed.event_on)
    if noticed < changed.event_on:
        raise RefusedError("refused-pause-before", day=changed.event_on, noticed=noticed)
    if case.duty == RESUMED_BY and case.parent_id and changed.event_on != case.event_on:
        await _notice_moved(actor, law, case, changed.event_on, at)
    return await _recomputed(actor, law, "amend", changed, at)


async def _notice_moved(actor: Actor, law: Law, case: Case, noticed: date, at: Moment) -> None:
    """The day of the notice is also the day from which the clock of the case it stopped stands."""
    parent = await case_rows.found(case.parent_id or 0)
    spell = next((one for one in parent.pauses if one.noticed == case.event_on), None) if parent else None
    if parent is None or spell is None or parent.state != case_rows.OPEN:
        return
    await _may_change(actor, law, parent.id, "amend")  # the notice is the word of who reviews
    if not parent.event_on <= noticed <= (spell.received or at.today):
        raise RefusedError("refused-pause-day", day=noticed, on=parent.event_on)
    pauses = tuple(replace(one, noticed=noticed) if one is spell else one for one in parent.pauses)
    await _recomputed(actor, law, "pause", replace(parent, pauses=pauses), at)


async def pause(actor: Actor, law: Law, number: int, noticed: date, at: Moment) -> Recorded:
    """暂停: the clock stands from the day after the notice, where the text lets it."""
    case = await may_pause(actor, law, number, noticed, at)
    return await _recomputed(actor, law, "pause", replace(case, pauses=(*case.pauses, Spell(noticed))), at)


async def may_pause(actor: Actor, law: Law, number: int, noticed: date, at: Moment) -> Case:
    """The case, where its clock may be made to stand from that day on. Raises RefusedError."""
    case = await _may_change(actor, law, number, "pause")
    if not any(event_rule(duty).pausable for duty in started_by(law.registry, case.duty)):
        raise RefusedError("refused-not-pausable", number=number)
    if case.paused:
        raise RefusedError("refused-paused-already", number=number)
    if not case.event_on <= noticed <= at.today:
        raise RefusedError("refused-pause-day", day=noticed, on=case.event_on)
    return case


def materials(case: Case, unit: int, noticed: date) -> Opening:
    """What a unit owes that was told on a day that the materials of a case fall short."""
    return Opening(RESUMED_BY, unit, noticed, document=case.document, subject=case.subject, parent_id=case.id or None)


async def want_materials(actor: Actor, law: Law, number: int, unit: int, at: Moment) -> Recorded:
    """The case that lets a clock that stands go on once it is reported; opened by whoever may make the clock stand."""
    case = await _may_change(actor, law, number, "pause")
    if not case.paused:
        raise RefusedError("refused-not-paused", number=number)
    await _unit(unit)
    return await _opened(actor, law, materials(case, unit, case.pauses[-1].noticed), at)


async def resume(actor: Actor, law: Law, number: int, received: date, at: Moment) -> Recorded:
    """恢复: what was wanted was received; the clock goes on from the day after."""
    case = await _may_change(actor, law, number, "resume")
    return await _resumed(actor, law, case, received, at)


async def _resumed(
    actor: Actor, law: Law, case: Case, received: date, at: Moment, by: int | None = None
) -> Recorded:  # fmt: skip
    standing = next((spell for spell in case.pauses if spell.received is None), None)
    if standing is None:
        raise RefusedError("refused-not-paused", number=case.id)
    if not standing.noticed <= received <= at.today:
        raise RefusedError("refused-pause-day", day=received, on=standing.noticed)
    pauses = tuple(Spell(standing.noticed, received) if spell is standing else spell for spell in case.pauses)
    return await _recomputed(actor, law, "resume", replace(case, pauses=pauses), at, by=by)


async def withdraw(actor: Actor, law: Law, number: int, reason: str, at: Moment) -> Recorded:
    """撤案: the letter was withdrawn, or the case opened by mistake. What is open in it is owed no longer."""
    return await _withdrawn(actor, await _may_change(actor, law, number, "withdraw"), reason, at)


async def _withdrawn(actor: Actor, case: Case, reason: str, at: Moment) -> Recorded:
    owed = [one.obligation_id for one in await case_rows.clocks(case.id) if one.state in OPEN_STATES]
    entry = await _written(actor, "withdraw", replace(case, state=WITHDRAWN), [], at, reason=reason)
    if not await case_rows.change(replace(case, state=WITHDRAWN)):
        raise chains.StaleError(f"case {case.id} moved")
    for number in owed:
        await obligations.cancel(number, WITHDRAWN, at.now)
    return Recorded(await _found(case.id), entry, (), tuple(owed))


async def followed(actor: Actor, law: Law, obligation: int, done_on: date, at: Moment) -> Recorded | None:
    """What reporting an obligation sets going by itself: the next case of its chain, or a clock that stood."""
    case = await case_rows.of_obligation(obligation)
    if case is None:
        return None
    one = await reading.obligation(obligation)
    assert one is not None
    if one.duty in FOLLOWED_BY:
        supervisor = await reading.supervisor_of(case.unit_id)
        if supervisor is None:
            return None
        opening = Opening(FOLLOWED_BY[one.duty], supervisor, done_on, subject=case.unit, parent_id=case.id)
        return await _opened_or_begun_anew(actor, law, opening, at)
    parent = await case_rows.found(case.parent_id) if case.parent_id else None
    if one.duty == RESUMED_BY and parent is not None and parent.paused:
        # Dated before the notice that wanted it: the clock goes on from where it stood.
        return await _resumed(actor, law, parent, max(done_on, parent.pauses[-1].noticed), at, obligation)
    return None


async def _opened_or_begun_anew(actor: Actor, law: Law, opening: Opening, at: Moment) -> Recorded | None:
    """What was sent back is reported again: the case that follows from it goes on, from the day it came anew."""
    found = next((one for one in await case_rows.followers(opening.parent_id or 0) if one.duty == opening.duty), None)
    if found is None:
        return await _opened(actor, law, opening, at)
    if found.event_on == opening.event_on:
        return None
    return await _recomputed(actor, law, "amend", replace(found, event_on=opening.event_on), at)


async def unfollowed(actor: Actor, law: Law, obligation: int, at: Moment) -> None:
    """Take back what `followed` set going: the report it rested on was taken back."""
    case = await case_rows.of_obligation(obligation)
    one = await reading.obligation(obligation)
    if case is None or one is None:
        return
    for follower in await case_rows.followers(case.id):
        if follower.duty == FOLLOWED_BY.get(one.duty):
            await _withdrawn(actor, follower, "undo", at)
    parent = await case_rows.found(case.parent_id) if case.parent_id else None
    if parent is not None and not parent.paused and await _set_going_by(parent.id) == obligation:
        reopened = (*parent.pauses[:-1], Spell(parent.pauses[-1].noticed))
        await _recomputed(actor, law, "pause", replace(parent, pauses=reopened), at)


async def _set_going_by(case: int) -> int | None:
    """The obligation whose report ended the last standstill of a case; None where somebody said so."""
    lines = [line for line in await chains.history(StreamRef("case", case)) if line["action"] in ("pause", "resume")]
    by = json.loads(lines[-1]["payload"]).get("by") if lines else None
    return None if by is None else int(by)


async def rearranged(law: Law, number: int, at: Moment) -> Recorded | None:
    """Another calendar: the deadlines of a case anew. Where none is another, nothing is written.

    The unit is told where a last day moved, not where the reminders aim at another day only. A clock that stands is
    worked out when it goes on.
    """
    case = await _found(number)
    if case.paused or case.state != case_rows.OPEN:
        return None
    opening = Opening(case.duty, case.unit_id, case.event_on, case.named_on)
    fresh = {one.duty.code: one.deadline for one in worked_out(law, opening, case.pauses)}
    held = [row for row in await case_rows.clocks(number) if row.duty in fresh]
    days = [(row.due, row.advise_by, row.not_before) for row in held]
    if days == [(one.due, one.advise_by, one.not_before) for one in (fresh[row.duty] for row in held)]:
        return None
    moved = any(row.due != fresh[row.duty].due for row in held)
    return await _recomputed(SYSTEM_ACTOR, law, "calendar", case, at, news=moved)


async def lapsed(registry: Registry, today: date) -> list[int]:
    """Rights whose last day has passed: they are over, and never overdue."""
    rights = [duty.code for duty in registry.duties if isinstance(duty.rule, EventRule) and duty.rule.lapses]
    return await case_rows.lapsed(rights, today)


def is_right(registry: Registry, code: str) -> bool:
    """Whether a unit may do it or leave it: it lapses, and is never overdue."""
    duty = registry.by_code.get(code)
    return code != RETURNED and duty is not None and isinstance(duty.rule, EventRule) and duty.rule.lapses


def right_over(registry: Registry, one: Obligation, today: date) -> bool:
    """Whether it is a right whose last day has passed: it is over, and nothing makes it owed again."""
    duty = registry.by_code.get(one.duty)
    return duty is not None and isinstance(duty.rule, EventRule) and duty.rule.lapses and today > one.due


async def _recomputed(
    actor: Actor, law: Law, action: str, case: Case, at: Moment, *, by: int | None = None, news: bool = True
) -> Recorded:
    """`by`: the obligation whose report it follows from. `news`: whether the unit is told."""
    opening = Opening(case.duty, case.unit_id, case.event_on, case.named_on)
    fresh = {one.duty.code: one for one in worked_out(law, opening, case.pauses)}
    clocks = [row for row in await case_rows.clocks(case.id) if row.duty in fresh]
    entry = await _written(actor, action, case, [(fresh[row.duty].deadline, row) for row in clocks], at, by=by)
    if not await case_rows.change(case, news=news):
        raise chains.StaleError(f"case {case.id} moved")
    for row in clocks:
        await case_rows.reset_clock(row.term_id, fresh[row.duty].deadline)
    await _settle_rights([(fresh[row.duty], row.obligation_id) for row in clocks], at)
    moved = [replace(fresh[row.duty], obligation_id=row.obligation_id, was_due=row.known_due) for row in clocks]
    return Recorded(await _found(case.id), entry, tuple(moved))


async def _settle_rights(clocks: Sequence[tuple[Started, int]], at: Moment) -> None:
    """A right already past when its day is recorded is over at once; one whose day moved on runs again."""
    for started, number in clocks:
        one = await reading.obligation(number) if event_rule(started.duty).lapses else None
        if one is None:
            continue
        past = started.deadline.due < at.today
        if past and one.state in OPEN_STATES:
            await obligations.cancel(number, LAPSED, at.now)
        elif not past and (one.state, one.reason) == (State.CANCELLED, LAPSED):
            await obligations.reopen(number, at.now)


async def _written(
    actor: Actor, action: str, case: Case, clocks: Sequence[tuple[Deadline, Clock]], at: Moment, *,
    reason: str = "", by: int | None = None,
) -> int:  # fmt: skip
    """The line of the ledger: the dates with their derivation, and what `verify` compares the terms with."""
    payload: dict[str, Any] = {
        "duty": case.duty, "unit": case.unit, "unit_id": case.unit_id, "parent": case.parent_id,
        "event_on": case.event_on.isoformat(), "document": case.document, "subject": case.subject,
        "named_on": case.named_on.isoformat() if case.named_on else None,
        "pauses": [[str(one.noticed), str(one.received) if one.received else None] for one in case.pauses],
        "state": case.state, "terms": [_term(case, row, deadline) for deadline, row in clocks],
    }  # fmt: skip
    if reason:
        payload["reason"] = reason
    if by is not None:
        payload["by"] = by
    by_itself = actor is SYSTEM_ACTOR
    named = {} if by_itself else {"name": actor.name}
    who = "system" if by_itself else f"person:{actor.person_id}"
    return await chains.append(StreamRef("case", case.id), Act(who, action, at.channel, {**payload, **named}), at.now)


def _term(case: Case, row: Clock, deadline: Deadline) -> Mapping[str, Any]:
    return {
        "id": row.term_id, "duty": row.duty, "term": case_rows.label(case.id), "jurisdiction": row.jurisdiction,
        "due": deadline.due.isoformat(), "was_due": row.due.isoformat(), "units": 1,
        "stands_from": deadline.stop.since.isoformat() if deadline.stop else None,
        "digest": hashlib.sha256(f"{case.unit_id}:1".encode()).hexdigest(),
        "steps": [[step.rule, step.date.isoformat(), step.ground] for step in deadline.steps],
    }  # fmt: skip


def _pause(spell: Spell) -> Pause:
    return Pause(spell.noticed, spell.received)


async def _found(number: int) -> Case:
    case = await case_rows.found(number)
    if case is None:
        raise RefusedError("refused-no-such-case", number=number)
    return case


@dataclass(frozen=True, slots=True)
class _Unit:
    id: int
    name: str
    path: str


async def _unit(number: int) -> _Unit:
    row = await reading.unit(number)
    if row is None:
        raise RefusedError("refused-no-such-unit", number=number)
    return _Unit(int(row["id"]), str(row["name"]), str(row["path"]))


def _may_open(actor: Actor, duty: Duty, unit: _Unit, action: str) -> None:
    """A letter starts a clock only by a supervisor's word; what a unit does itself, the unit may say too."""
    if actor.supervises(unit.path) and not actor.holds(unit.id, *HOLDERS):
        return
    own = actor.holds(unit.id, *HOLDERS)
    if event_rule(duty).opened_by == "anyone" and (own or actor.holds(unit.id, Role.SUPERVISOR)):
        return
    if own:
        raise RefusedError("refused-case-supervisor", unit=unit.name, duty=duty.code, action=action, unit_id=unit.id)
    raise RefusedError("refused-not-supervisor", unit=unit.name, action=action, unit_id=unit.id)


async def _may_change(actor: Actor, law: Law, number: int, action: str) -> Case:
    case = await _found(number)
    _may_open(actor, law.registry.duty(case.duty), _Unit(case.unit_id, case.unit, case.unit_path), action)
    if case.state != case_rows.OPEN:
        raise RefusedError("refused-case-over", number=number)
    return case
