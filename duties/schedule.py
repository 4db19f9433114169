"""Calendar, counted and standing rules turned into terms. Pure: a rule and a window of days in, terms out."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache

from dateutil.rrule import rrule as Recurrence  # noqa: N812  the class has a function's name
from dateutil.rrule import rrulestr

from duties.errors import QuestionError
from duties.model import Period, Term
from duties.registry import CalendarRule, CountedRule, Duty, EventRule, Scope, StandingRule
from duties.workdays import FIRST_YEAR, LAST_YEAR

Recurring = CalendarRule | StandingRule

RRULE_KEYS = frozenset({"FREQ", "INTERVAL", "BYMONTH", "BYMONTHDAY", "BYSETPOS"})
RRULE_FREQUENCIES = frozenset({"YEARLY", "MONTHLY"})
_INTERVAL = re.compile(r"[1-9][0-9]{0,2}")
_LABEL = re.compile(r"(\d{4})(?:-(?:Q[1-4]|H[12]|0[1-9]|1[0-2]|\d{4}))?")


def rrule_faults(rule: str) -> list[str]:
    """Why an RFC 5545 rule is not accepted; empty when it is. The whitelist keeps out what never ends or drifts."""
    pairs = [(key, value) for key, _, value in (part.partition("=") for part in rule.split(";"))]
    keys = Counter(key for key, _ in pairs)
    faults = [f"{key} is not one of {', '.join(sorted(RRULE_KEYS))}" for key in sorted(keys.keys() - RRULE_KEYS)]
    faults += [f"{key} is there twice" for key, times in keys.items() if times > 1]
    values = dict(pairs)
    if (frequency := values.get("FREQ", "")) not in RRULE_FREQUENCIES:
        faults.append(f"FREQ={frequency} is not one of {', '.join(sorted(RRULE_FREQUENCIES))}")
    if "BYMONTHDAY" not in keys:
        faults.append("BYMONTHDAY is missing: a deadline needs its day")
    if not _INTERVAL.fullmatch(interval := values.get("INTERVAL", "1")):
        # dateutil takes 0 and then counts for ever.
        faults.append(f"INTERVAL={interval} is not a number from 1 to 999")
    if faults:
        return faults
    try:
        fires = _occurs_within(rule, date(2019, 1, 1), date(2059, 12, 31))
    except ValueError as error:
        return [str(error)]
    return [] if fires else ["the rule never fires"]


def _occurs_within(rule: str, first: date, last: date) -> bool:
    bounded = rrulestr(rule, dtstart=_midnight(first)).replace(until=_midnight(last))
    return next(iter(bounded), None) is not None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  a calendar day, not an instant


@lru_cache(maxsize=256)
def _recurrence(rule: str, anchor: date) -> Recurrence:
    # It remembers what it has counted: a late year costs no second count from the anchor.
    return rrulestr(rule, dtstart=_midnight(anchor), cache=True)


@lru_cache(maxsize=4096)
def _occurrences(rule: str, anchor: date, year: int) -> tuple[date, ...]:
    within = _recurrence(rule, anchor).between(_midnight(date(year, 1, 1)), _midnight(date(year, 12, 31)), inc=True)
    return tuple(at.date() for at in within)


def _month_start(index: int) -> date:
    """The first day of a month counted from year 0, so that periods are whole numbers."""
    return date(index // 12, index % 12 + 1, 1)


_MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12, "two-years": 12}
_SHIFT = {"previous": -1, "current": 0, "next": 1}


def _period(kind: str, day: date, shift: int = 0) -> Period:
    """The period of a kind that a day lies in, or one `shift` away. Two years end with the year of the day."""
    months = _MONTHS[kind]
    nth = (day.year * 12 + day.month - 1) // months + shift * (2 if kind == "two-years" else 1)
    first, last = _month_start(nth * months), _month_start((nth + 1) * months) - timedelta(days=1)
    match kind:
        case "month":
            return Period(f"{first:%Y-%m}", first, last)
        case "quarter":
            return Period(f"{first.year}-Q{nth % 4 + 1}", first, last)
        case "half":
            return Period(f"{first.year}-H{nth % 2 + 1}", first, last)
        case "two-years":
            return Period(f"{first.year - 1}-{first.year}", date(first.year - 1, 1, 1), last)
        case _:
            return Period(str(first.year), first, last)


def _opens(rule: Recurring, period: Period, due: date) -> date:
    if rule.covers == "previous":
        return period.last + timedelta(days=1)
    if rule.period == "two-years":
        return date(due.year, 1, 1)
    # What prepares the next period opens with the one it is due in.
    return _period(rule.period, due).first if rule.covers == "next" else period.first


def _dated(rule: Recurring | CountedRule, years: range) -> Iterator[tuple[Period, date, date]]:
    """Period, opening day and due day of every term due in those years."""
    for year in years:
        if isinstance(rule, CountedRule):
            period = _period("year", date(year, 1, 1))
            yield period, period.first, period.last
            continue
        for due in _occurrences(rule.rrule, rule.anchor, year):
            period = _period(rule.period, due, _SHIFT[rule.covers])
            yield period, _opens(rule, period, due), due


def _in_force(scope: Scope, due: date) -> bool:
    return scope.in_force_from <= due and (scope.in_force_to is None or due <= scope.in_force_to)


def terms(duty: Duty, first: date, last: date) -> list[Term]:
    """Every term of a duty with `first` <= due <= `last`, one for each scope in force on its due day.

    A deadline is a local day, inclusive. It is computed from the rule alone, never from the term before it.
    """
    if isinstance(duty.rule, EventRule):
        return []
    return [
        Term(
            duty=duty.code,
            label=period.label,
            jurisdiction=scope.jurisdiction,
            covers_from=period.first,
            covers_to=period.last,
            opens=opens,
            due=due,
            basis=scope.basis,
            force=scope.force,
            provisions=scope.provisions,
            tags=scope.tags,
        )
        for period, opens, due in _dated(duty.rule, range(first.year, last.year + 1))
        if first <= due <= last
        for scope in duty.scope
        if _in_force(scope, due)
    ]


def term_named(duty: Duty, label: str) -> list[Term]:
    """The terms of a duty that carry this label, one for each scope.

    Raises QuestionError when the label is not of the form 2026, 2026-Q1, 2026-H1, 2026-01 or 2026-2027, or names
    no term of this duty.
    """
    match = _LABEL.fullmatch(label)
    if match is None:
        raise QuestionError(f"term {label!r}: expected 2026, 2026-Q1, 2026-H1, 2026-01 or 2026-2027")
    year = int(match[1])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise QuestionError(f"term {label!r}: the calendar reaches from {FIRST_YEAR} to {LAST_YEAR}")
    found = [term for term in terms(duty, date(year - 1, 1, 1), date(year + 1, 12, 31)) if term.label == label]
    if not found:
        raise QuestionError(f"{duty.code} has no term {label!r}")
    return found


def share(full: int, entered: date | None, opens: date) -> int:
    """What who entered in the course of a counted year owes of the whole: by month, rounded up, that of entry too."""
    months = 13 - entered.month if entered and entered > opens else 12
    return -(-full * months // 12)
