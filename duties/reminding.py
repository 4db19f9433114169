"""Waves: the touches whose instant has passed become reminder rows. Restart, two replicas and a normal day alike."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from duties.ladder import Touch, Window, touches
from duties.ledger import SYSTEM, Act
from duties.model import Audience, State
from duties.registry import CountedRule, EventRule, Registry
from duties.store import case_rows, chains, planned, share_rows, statements
from duties.store.database import transaction
from duties.store.planned import PlannedTerm
from duties.store.statements import Raising
from duties.workdays import WorkCalendar

FRESH = (State.PENDING, State.RETURNED)
PARTNERS = (Audience.OFFICER, Audience.HEAD)
"""Whom of a co-responsible unit a rung speaks to; its supervisor hears of it with the lead's."""
LATE_AFTER = 60
"""Minutes after the last office opened from which a wave of the same day counts as late."""


@dataclass(frozen=True, slots=True)
class Instant:
    """Now, as the wave sees it: the instant, the local day and minute, and when the offices open."""

    now: datetime
    today: date
    minute: int
    first_office: int
    last_office: int
    zone: tzinfo

    @property
    def complete(self) -> bool:
        """Whether every office has opened today."""
        return self.minute >= self.last_office

    def midnight(self, day: date) -> datetime:
        """The instant at which a local day begins."""
        return datetime.combine(day, time(), self.zone)


async def instant(now: datetime, zone: tzinfo) -> Instant:
    """What the clock says, beside the office hours of the units."""
    local = now.astimezone(zone)
    minutes = await statements.office_minutes() or [0]
    return Instant(now, local.date(), local.hour * 60 + local.minute, minutes[0], minutes[-1], zone)


async def raise_due(registry: Registry, workdays: WorkCalendar, at: Instant) -> int:
    """Raise every reminder whose instant has passed and which is not there yet. Returns how many.

    What downtime missed waits for the office to open too: nobody is told at night or on a rest day.
    """
    if at.minute < at.first_office or not workdays.is_workday(at.today):
        return 0
    await _look_again(registry, workdays)
    waves: dict[str, int] = {}
    waiting = await planned.awaiting_wave(at.today)
    shared = await share_rows.terms_shared() if waiting else frozenset[int]()
    for term in waiting:
        if raised := await _raise_term(registry, workdays, term, at, shared=term.id in shared):
            waves[f"{term.duty} {term.label} {term.jurisdiction}"] = raised
    if at.complete:
        await planned.raised(waiting, at.today)
    waves |= await _news(at)
    if waves:
        async with transaction():
            await chains.append(SYSTEM, Act("system", "wave", "system", {"raised": waves}), at.now)
    return sum(waves.values())


async def _news(at: Instant) -> dict[str, int]:
    """What is told outside the ladder: cases opened and moved, what was returned, what is owed again."""
    told = {
        "cases": await case_rows.raise_news(at.now, at.minute),
        "returned": await statements.insert_returned(at.today, at.now, at.minute),
        "reopened": await statements.insert_reopened(at.now, at.minute)
        + await share_rows.insert_reopened(at.now, at.minute),
    }
    return {kind: found for kind, found in told.items() if found}


async def _look_again(registry: Registry, workdays: WorkCalendar) -> None:
    """Another calendar or ladder moves rungs: one that moved behind a day already done would never be raised."""
    paces = [duty.rule for duty in registry.duties if isinstance(duty.rule, CountedRule)]
    tables = [table.model_dump_json() for table in (*registry.ladders.values(), *paces)]
    digest = hashlib.sha256("\n".join([workdays.digest(), *tables]).encode()).hexdigest()
    if await planned.chore("ladders") != digest:
        async with transaction():
            await planned.chore_done("ladders", digest)
            await planned.stir_all()


async def _raise_term(
    registry: Registry, workdays: WorkCalendar, term: PlannedTerm, at: Instant, *, shared: bool
) -> int:
    through = term.raised_through
    passed = term_touches(registry, workdays, term, at.today)
    new = [touch for touch in passed if through is None or touch.day > through]
    raised = 0
    for audience in Audience:
        for touch, states, superseded in _spoken(new, audience):
            late = at.midnight(touch.day) if _late(touch, at) else None
            when = Raising(at.now, at.minute, states, superseded, late)
            raised += await statements.insert_reminders(term.id, touch, audience, when) * (not superseded)
            if shared and audience in PARTNERS:
                raised += await share_rows.insert_reminders(term.id, touch, str(audience), when) * (not superseded)
    return raised


def term_touches(registry: Registry, workdays: WorkCalendar, term: PlannedTerm, until: date) -> list[Touch]:
    """The touches of a planned term up to a day; none of a duty that the registry no longer has."""
    duty = registry.by_code.get(term.duty)
    if duty is None:
        return []
    counted = duty.rule if isinstance(duty.rule, CountedRule) else None
    window = Window(term.opens, term.due, term.advise_by or workdays.on_or_before(term.due))
    year = _touches(registry.ladder(duty.ladder), window, workdays, date(until.year, 12, 31), counted)
    return [touch for touch in year if touch.day <= until]


_touches = lru_cache(maxsize=4096)(touches)
"""A term's touches do not change from day to day; they are worked out once a year."""


def _late(touch: Touch, at: Instant) -> bool:
    return touch.day != at.today or at.minute > at.last_office + LATE_AFTER


def _spoken(new: Sequence[Touch], audience: Audience) -> Iterator[tuple[Touch, tuple[State, ...], bool]]:
    """What is said to an audience about obligations in which states, and whether it is superseded by a higher touch.

    The highest may be another one after 签收, where the ladder is thinner.
    """
    fresh = [touch for touch in new if audience in touch.audience]
    seen = [touch for touch in new if audience in touch.acknowledged]
    for touch in new:
        states: dict[bool, tuple[State, ...]] = {False: (), True: ()}
        if touch in fresh:
            states[touch is not fresh[-1]] += FRESH
        if touch in seen:
            states[touch is not seen[-1]] += (State.ACKNOWLEDGED,)
        yield from ((touch, told, superseded) for superseded, told in states.items() if told)


async def uncovered(registry: Registry, workdays: WorkCalendar, today: date) -> dict[str, list[str]]:
    """Open terms without a next touch: the invariant is that there is none. Keyed by duty."""
    horizon = today + timedelta(days=60)
    found: dict[str, list[str]] = defaultdict(list)
    for term in await planned.open_terms():
        duty = registry.by_code.get(term.duty)
        if duty is not None and any(rung.every for rung in registry.ladder(duty.ladder).rung):
            continue  # a ladder that repeats until closed never runs out
        if duty is not None and isinstance(duty.rule, EventRule) and duty.rule.lapses and term.due >= today:
            continue  # a right ends by itself on its day
        ahead = term_touches(registry, workdays, term, max(horizon, term.due + timedelta(days=30)))
        through = term.raised_through
        if not any(through is None or touch.day > through for touch in ahead):
            found[term.duty].append(term.label)
    return dict(found)
