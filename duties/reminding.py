"""Waves: the touches whose instant has passed become reminder rows. Restart, two replicas and a normal day alike."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from duties.ladder import Touch, Window, touches
from duties.ledger import SYSTEM, Act
from duties.model import Audience
from duties.registry import CountedRule, Registry
from duties.store import chains, planned, statements
from duties.store.database import transaction
from duties.store.planned import PlannedTerm
from duties.workdays import WorkCalendar

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
    def complete(self) -> date:
        """The last day whose waves have all passed."""
        return self.today if self.minute >= self.last_office else self.today - timedelta(days=1)

    def midnight(self, day: date) -> datetime:
        """The instant at which a local day begins."""
        return datetime.combine(day, time(), self.zone)


async def instant(now: datetime, zone: tzinfo) -> Instant:
    """What the clock says, beside the office hours of the units."""
    local = now.astimezone(zone)
    minutes = await statements.office_minutes() or [0]
    return Instant(now, local.date(), local.hour * 60 + local.minute, minutes[0], minutes[-1], zone)


async def raise_due(registry: Registry, workdays: WorkCalendar, at: Instant) -> int:
    """Raise every reminder whose instant has passed and which is not there yet. Returns how many."""
    waves: dict[str, int] = {}
    for term in await planned.awaiting_wave(at.today):
        if raised := await _raise_term(registry, workdays, term, at):
            waves[f"{term.duty} {term.label} {term.jurisdiction}"] = raised
    if waves:
        async with transaction():
            await chains.append(SYSTEM, Act("system", "wave", "system", {"raised": waves}), at.now)
    return sum(waves.values())


async def _raise_term(registry: Registry, workdays: WorkCalendar, term: PlannedTerm, at: Instant) -> int:
    new = [touch for touch in term_touches(registry, workdays, term, at.today) if _is_new(touch, term, at)]
    raised = 0
    for audience in Audience:
        for touch, superseded in _highest_last(new, audience):
            raised += await _raise(term, touch, audience, superseded, at) * (not superseded)
    if term.raised_through != at.complete:
        await planned.raised(term.id, at.complete)
    return raised


def term_touches(registry: Registry, workdays: WorkCalendar, term: PlannedTerm, until: date) -> list[Touch]:
    """The touches of a planned term up to a day."""
    duty = registry.duty(term.duty)
    counted = duty.rule if isinstance(duty.rule, CountedRule) else None
    window = Window(term.opens, term.due, workdays.on_or_before(term.due))
    return touches(registry.ladder(duty.ladder), window, workdays, until, counted)


def _is_new(touch: Touch, term: PlannedTerm, at: Instant) -> bool:
    if term.raised_through is not None and touch.day <= term.raised_through:
        return False
    return touch.day < at.today or at.minute >= at.first_office


def _highest_last(new: Iterable[Touch], audience: Audience) -> list[tuple[Touch, bool]]:
    """What speaks to an audience, in order; all but the highest are recorded as superseded, once each."""
    spoken = [touch for touch in new if audience in touch.audience or audience in touch.acknowledged]
    return [(touch, touch is not spoken[-1]) for touch in spoken]


async def _raise(term: PlannedTerm, touch: Touch, audience: Audience, superseded: bool, at: Instant) -> int:
    today = touch.day == at.today
    late = not today or at.minute > at.last_office + LATE_AFTER
    return await statements.insert_reminders(
        term.id, touch, audience, superseded=superseded, now=at.now,
        late_before=at.midnight(touch.day) if late else None, minute=at.minute if today else None,
    )  # fmt: skip


async def uncovered(registry: Registry, workdays: WorkCalendar, today: date) -> dict[str, list[str]]:
    """Open terms without a next touch: the invariant is that there is none. Keyed by duty."""
    horizon = today + timedelta(days=60)
    found: dict[str, list[str]] = defaultdict(list)
    for term in await planned.open_terms():
        ahead = term_touches(registry, workdays, term, max(horizon, term.due + timedelta(days=30)))
        if not any(touch.day > today or term.raised_through is None for touch in ahead):
            found[term.duty].append(term.label)
    return dict(found)
