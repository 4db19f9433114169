"""稍后: until when one person may put off being reminded, and the ledger's line about it. The instants are pure.

The bounds are policy, no text speaks of them: at most three working days ahead, at most twice for one obligation, never
past the working day that reminders aim at, never to an hour at which nobody works.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from duties import obligations
from duties.errors import RefusedError
from duties.model import Actor, Obligation, State
from duties.obligations import Done, Moment
from duties.workdays import WorkCalendar

WORKING_DAYS = 3
"""Working days a reminder may be put off at the most."""
TIMES = 2
"""How often one person may put off one obligation."""
OFFICE_HOURS = timedelta(hours=9)
"""How long an office is open after it opens: later is night."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits a snooze: the due day, the day reminders aim at, and the office's opening in minutes of the day."""

    due: date
    advise_by: date
    opens: int


def working(at: datetime, opens: int, workdays: WorkCalendar) -> bool:
    """Whether an office that opens at this minute is open. `at` is in the zone whose days count."""
    return workdays.is_workday(at.date()) and opening(at.date(), at, opens) <= at < _closing(at, opens)


def opening(day: date, like: datetime, opens: int) -> datetime:
    """When an office opens on a day, in the zone of another instant."""
    return datetime.combine(day, time(), like.tzinfo) + timedelta(minutes=opens)


def _closing(at: datetime, opens: int) -> datetime:
    return min(opening(at.date(), at, opens) + OFFICE_HOURS, opening(at.date() + timedelta(days=1), at, 0))


def rounded(at: datetime, opens: int, workdays: WorkCalendar) -> datetime:
    """An instant at which people work: itself, or the next opening."""
    if working(at, opens, workdays):
        return at
    after = workdays.is_workday(at.date()) and at >= _closing(at, opens)
    return opening(workdays.add(at.date(), 1) if after else workdays.on_or_after(at.date()), at, opens)


def until(wanted: datetime, now: datetime, bounds: Bounds, workdays: WorkCalendar) -> datetime | None:
    """When the person is told again, no later than the bounds allow; None where nothing may be put off any more."""
    today = now.date()
    if today >= bounds.due:
        return None
    last = min(workdays.add(today, WORKING_DAYS), workdays.on_or_before(bounds.advise_by))
    end = rounded(wanted, bounds.opens, workdays)
    if end.date() > last:
        end = opening(last, now, bounds.opens)
    return end if end > now else None


async def snooze(actor: Actor, one: Obligation, end: datetime | None, times: int, at: Moment) -> Done:
    """Record that a person is not reminded until then; `times` is how often that was so before.

    Nothing about the obligation changes: it counts as not acknowledged as before, and others are told as always.
    """
    await obligations.may_ask(actor, one, at, "snooze")
    until = allowed(one, end, times, returned=one.state == State.RETURNED)
    return await obligations.remark(actor, one, at, "snooze", {"until": until.isoformat()})


def allowed(one: Obligation, end: datetime | None, times: int, *, returned: bool) -> datetime:
    """When the person is told again. Refuses what was sent back, what has no time left, and a third time."""
    facts = {"number": one.id, "duty": one.duty, "term": one.term, "due": one.due}
    if returned:
        raise RefusedError("refused-snooze-returned", **facts)
    if one.stop:
        raise RefusedError("refused-clock-stands", number=one.id, since=one.stop.since)
    if end is None:
        raise RefusedError("refused-snooze-late", **facts)
    if times >= TIMES:
        raise RefusedError("refused-snooze-often", **facts, times=TIMES)
    return end
