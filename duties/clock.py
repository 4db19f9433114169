"""Clocks that an event starts. Pure: a rule, the event's day and a calendar in, a deadline with its derivation out.

The grounds are keys into `data/grounds.toml`: civil-code-201 (the first day is not counted), civil-code-202 (the
corresponding day), civil-code-203 (a last day on a rest day), and the policies of this registry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from operator import attrgetter

from dateutil.relativedelta import relativedelta

from duties.errors import QuestionError
from duties.model import Step, Stop
from duties.registry import EventRule
from duties.workdays import WorkCalendar

DAY = timedelta(days=1)
STILL = timedelta(days=366)
"""A clock that stands is worked out as standing for a year, so that it is looked at again then: nobody forgets it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The clock stands from the day after `noticed` to `received`, both counted as standing days; None: it lasts."""

    noticed: date
    received: date | None

    @property
    def last(self) -> date:
        """The last standing day, as far as is known."""
        return self.received or self.noticed + STILL


@dataclass(frozen=True, slots=True)
class Deadline:
    """`due` is the last day, inclusive. `advise_by` is the working day that reminders aim at.

    While there is a `stop` the other days are made up.
    """

    starts: date
    due: date
    not_before: date | None
    advise_by: date
    steps: tuple[Step, ...]
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class _Standstill:
    """Days on which the clock stands, first and last inclusive."""

    first: date
    last: date


def _standstills(pauses: Sequence[Pause]) -> list[_Standstill]:
    """Pauses in order, overlapping ones joined, so that no day is given twice."""
    joined: list[_Standstill] = []
    for pause in sorted(pauses, key=lambda one: one.noticed):
        first, last = pause.noticed + DAY, pause.last
        if last < first:
            continue
        if joined and first <= joined[-1].last + DAY:
            joined[-1] = _Standstill(joined[-1].first, max(joined[-1].last, last))
        else:
            joined.append(_Standstill(first, last))
    return joined


class _Clock:
    """Counts one rule's days. `on` is the uncounted day."""

    def __init__(self, rule: EventRule, workdays: WorkCalendar, standstills: Sequence[_Standstill]) -> None:
        self.rule = rule
        self.workdays = workdays
        self.standstills = standstills

    def end(self, on: date, length: int) -> date:
        """The last day of `length` units after `on`, standstills left out, not yet rolled."""
        lost = 0
        last = self._plain_end(on, length, lost)
        for still in self.standstills:
            if still.first > last:
                break
            lost += self._lost(max(still.first, on + DAY), still.last)
            last = self._plain_end(on, length, lost)
        return last

    def _plain_end(self, on: date, length: int, lost: int) -> date:
        if self.rule.unit == "working-days":
            return self.workdays.add(on, length + lost)
        if self.rule.unit == "months":
            corresponding: date = on + relativedelta(months=length)
            return corresponding + lost * DAY
        return on + (length + lost) * DAY

    def _lost(self, first: date, last: date) -> int:
        if last < first:
            return 0
        if self.rule.unit == "working-days":
            return self.workdays.between(first - DAY, last)
        return (last - first).days + 1

    def cautious_end(self, on: date, length: int) -> date:
        """The same on the stricter reading, where the event's own day is the first; not rolled."""
        if self.rule.start_stated:
            return self.end(on, length)
        if self.rule.unit == "months":
            return self.end(on, length) - DAY
        return self.end(on - DAY, length)


def deadline(
    rule: EventRule,
    on: date,
    workdays: WorkCalendar,
    *,
    by: date | None = None,
    pauses: Sequence[Pause] = (),
) -> Deadline:
    """When the duty started by an event on day `on` is due.

    `by` is a day that the letter or the supervisor names; `pauses` are the spells in which the clock stands.
    Raises QuestionError when the rule does not know what was asked of it.
    """
    _check(rule, on, by, pauses)
    start = Step("starts", on + DAY, _start_ground(rule))
    if by is not None and rule.named_day in ("required", "governs"):
        aim = workdays.on_or_before(by)
        named = (start, Step("named-day", by, "named-day"), Step("advise-by", aim, "fixed-day-advice"))
        return Deadline(on + DAY, by, None, aim, named)
    assert rule.length is not None  # the registry's check: only a named day may do without
    clock = _Clock(rule, workdays, _standstills(pauses))
    steps_to_due = [start, *_counted(clock, on, rule.length, pauses)]
    aim_at = clock.cautious_end(on, rule.length)
    if by is not None:
        steps_to_due.append(_earlier(steps_to_due[-1].date, by))
        aim_at = min(aim_at, by)
    due = steps_to_due[-1].date
    not_before = clock.end(on, rule.minimum) if rule.minimum else None
    aim = workdays.on_or_before(aim_at)
    steps = [
        *steps_to_due,
        *([Step("not-before", not_before, "text")] if not_before else []),
        Step("advise-by", aim, "unrolled-advice" if rule.start_stated else "cautious-reading"),
    ]
    return Deadline(on + DAY, due, not_before, aim, tuple(steps), _stop(clock, due, pauses))


def _stop(clock: _Clock, due: date, pauses: Sequence[Pause]) -> Stop | None:
    """Since when the clock stands, if it does: one that ran out before it was stopped does not."""
    lasting = next((pause for pause in pauses if pause.received is None), None)
    if lasting is None or due <= lasting.last:
        return None
    counted = clock.rule.unit == "working-days"
    return Stop(lasting.noticed + DAY, clock.workdays.between(lasting.last, due) if counted else None)


def _counted(clock: _Clock, on: date, length: int, pauses: Sequence[Pause]) -> list[Step]:
    rule = clock.rule
    steps = [Step("paused", pause.last, "pause") for pause in sorted(pauses, key=attrgetter("noticed", "last"))]
    last = clock.end(on, length)
    ground = "civil-code-202" if rule.unit == "months" else str(rule.basis)
    steps.append(Step(f"last-{rule.unit}", last, ground))
    if rule.roll and not clock.workdays.is_workday(last):
        steps.append(Step("rolled", clock.workdays.on_or_after(last), "civil-code-203"))
    elif not rule.roll:
        steps.append(Step("not-rolled", last, "sanction-not-lengthened"))
    return steps


def _start_ground(rule: EventRule) -> str:
    return "text" if rule.start_stated else "civil-code-201"


def _earlier(due: date, by: date) -> Step:
    if by <= due:
        return Step("named-day", by, "named-day")
    return Step("named-day-later", due, "earlier-governs")


def _check(rule: EventRule, on: date, by: date | None, pauses: Sequence[Pause]) -> None:
    if rule.named_day == "required" and by is None:
        raise QuestionError("the deadline is the day that the letter or the supervisor names: --by is needed")
    if rule.named_day == "none" and by is not None:
        raise QuestionError("the period stands in the text; --by is only for duties whose letter may name a day")
    if by is not None and by <= on:
        raise QuestionError(f"--by {by} is not after the event's day {on}")
    if pauses and not rule.pausable:
        raise QuestionError("nothing in the text lets this clock pause")
    for pause in pauses:
        if pause.last < pause.noticed:
            raise QuestionError(f"pause {pause.noticed}:{pause.received} ends before it begins")
        if pause.noticed < on:
            raise QuestionError(f"pause {pause.noticed}:{pause.received} begins before the event's day {on}")
