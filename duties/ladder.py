"""Rungs turned into days. Pure: when reminders of a term go out, to whom, in what tone; never on a rest day."""

import calendar
from dataclasses import dataclass, replace
from datetime import date

from duties.model import Audience
from duties.registry import CountedRule, Ladder, Rung
from duties.workdays import WorkCalendar


@dataclass(frozen=True, slots=True)
class Touch:
    """One rung on its day. `behind` is set on pace checkpoints: speak only where the tally lacks more than that."""

    rung: str
    day: date
    severity: int
    tone: str
    audience: tuple[Audience, ...]
    acknowledged: tuple[Audience, ...]
    behind: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What of a term the ladder needs to know."""

    opens: date
    due: date
    advise_by: date


CHECKPOINT_AUDIENCE = (Audience.OFFICER, Audience.HEAD)


def shortfall(rule: CountedRule, month: int) -> int:
    """How many may still be missing at the end of a month without being behind pace."""
    if rule.per == "member":
        return 0  # attested by the head as one whole: until then it is behind at every checkpoint
    return rule.at_least * max(0, rule.pace_months - month) // rule.pace_months


def touches(
    ladder: Ladder, window: Window, workdays: WorkCalendar, until: date, counted: CountedRule | None = None
) -> list[Touch]:
    """Every touch of a term from its opening to `until`, by day; the later one is the more severe."""
    found = [_checkpoint(counted, month, window, workdays) for month in counted.checkpoints] if counted else []
    found += [touch for rung in ladder.rung for touch in _of_rung(rung, window, workdays, until)]
    within = sorted((touch for touch in found if window.opens <= touch.day <= until), key=lambda touch: touch.day)
    return [replace(touch, severity=severity) for severity, touch in enumerate(within)]


def _of_rung(rung: Rung, window: Window, workdays: WorkCalendar, until: date) -> list[Touch]:
    base = window.advise_by if rung.base == "advise_by" else window.due
    day = workdays.add(base, rung.offset) if rung.offset else workdays.on_or_before(base)
    found = [_touch(rung, rung.code, day)]
    while rung.every and (day := workdays.add(day, rung.every)) <= until:
        found.append(_touch(rung, f"{rung.code}{len(found) + 1}", day))
    return found


def _touch(rung: Rung, code: str, day: date) -> Touch:
    return Touch(code, day, 0, rung.tone, rung.audience, rung.acknowledged)


def checkpoint_day(year: int, month: int, workdays: WorkCalendar) -> date:
    """The day on which the pace of a month is looked at: its last working day."""
    return workdays.on_or_before(date(year, month, calendar.monthrange(year, month)[1]))


def _checkpoint(rule: CountedRule, month: int, window: Window, workdays: WorkCalendar) -> Touch:
    day = checkpoint_day(window.opens.year, month, workdays)
    code = f"P{month:02d}"
    return Touch(code, day, 0, "pace", CHECKPOINT_AUDIENCE, CHECKPOINT_AUDIENCE, shortfall(rule, month))
