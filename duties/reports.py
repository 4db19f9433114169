"""How units stand: lights, pace and projection. Pure: the store counts, this decides."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from duties.ladder import checkpoint_day, shortfall
from duties.registry import CountedRule, Registry
from duties.workdays import WorkCalendar

SOON_DAYS = 7
"""Calendar days before its last day from which something open is soon due, the last day included."""
PROJECTED_FROM = 30
"""Days of a year that must have passed before what was counted in them says anything about the whole."""


class Light(StrEnum):
    """红灯, 黄灯, 绿灯."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class Standing:
    """How many of a unit's open obligations are overdue, due within SOON_DAYS, behind pace, sent back."""

    overdue: int = 0
    soon: int = 0
    behind: int = 0
    returned: int = 0


def light(standing: Standing) -> Light:
    """Red as soon as one is overdue; yellow as soon as one is soon due, behind pace or sent back; else green."""
    if standing.overdue:
        return Light.RED
    if standing.soon or standing.behind or standing.returned:
        return Light.YELLOW
    return Light.GREEN


def missing_allowed(rule: CountedRule, today: date, workdays: WorkCalendar) -> int | None:
    """How many of this year's may still be missing without being behind pace; None before the first checkpoint.

    Only checkpoints move it: nobody is called behind before a reminder would have said so.
    """
    passed = [month for month in rule.checkpoints if checkpoint_day(today.year, month, workdays) <= today]
    return shortfall(rule, max(passed)) if passed else None


def allowances(registry: Registry, today: date, workdays: WorkCalendar) -> dict[str, int]:
    """By counted duty, how many may still be missing today; a duty without a checkpoint behind it is not there."""
    found = {
        duty.code: missing_allowed(duty.rule, today, workdays)
        for duty in registry.duties
        if isinstance(duty.rule, CountedRule)
    }
    return {code: allowed for code, allowed in found.items() if allowed is not None}


def expected(target: int, allowed: int | None) -> int:
    """How many should be counted by now."""
    return 0 if allowed is None else max(0, target - allowed)


def projected(tally: int, first: date, last: date, today: date) -> int | None:
    """How many there will be by the last day if they go on as they did since the first; None when it is too early."""
    elapsed = (today - first).days + 1
    return tally * ((last - first).days + 1) // elapsed if elapsed >= PROJECTED_FROM else None
