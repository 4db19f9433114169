"""Rungs on their days: never a rest day, never late for what comes before the deadline."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duties.ladder import Touch, Window, shortfall, touches
from duties.reading import shipped
from duties.registry import CountedRule, Duty, EventRule
from duties.schedule import terms
from duties.workdays import WorkCalendar

CALENDAR = WorkCalendar.shipped()
REGISTRY = shipped()
DEFAULT = REGISTRY.ladder("default")
DUE = st.dates(date(2019, 6, 1), date(2035, 12, 31))
BEFORE = {"notice", "remind", "urge", "last-day", "pace"}
FEW = settings(max_examples=40, deadline=None)
CODES = list(REGISTRY.ladders)


def window(due: date, open_days: int = 365) -> Window:
    return Window(due - timedelta(days=open_days), due, CALENDAR.on_or_before(due))


def climbed(due: date, ladder: str = "default", days_after: int = 60) -> list[Touch]:
    return touches(REGISTRY.ladder(ladder), window(due), CALENDAR, due + timedelta(days=days_after))


@pytest.mark.parametrize("ladder", CODES)
@FEW
@given(due=DUE)
def test_nobody_is_told_on_a_rest_day(ladder: str, due: date) -> None:
    assert all(CALENDAR.is_workday(touch.day) for touch in climbed(due, ladder))


@pytest.mark.parametrize("ladder", CODES)
@FEW
@given(due=DUE)
def test_what_comes_before_the_deadline_is_never_late(ladder: str, due: date) -> None:
    for touch in climbed(due, ladder):
        assert (touch.day <= due) == (touch.tone in BEFORE)


@pytest.mark.parametrize("ladder", CODES)
@FEW
@given(due=DUE)
def test_severity_and_days_rise_together_and_rungs_are_told_apart(ladder: str, due: date) -> None:
    found = climbed(due, ladder)
    assert [touch.severity for touch in found] == list(range(len(found)))
    assert [touch.day for touch in found] == sorted({touch.day for touch in found})
    assert len({touch.rung for touch in found}) == len(found)


@given(due=DUE, open_days=st.integers(0, 40), days_after=st.integers(0, 60))
def test_a_touch_lies_between_opening_and_horizon(due: date, open_days: int, days_after: int) -> None:
    span, until = window(due, open_days), due + timedelta(days=days_after)
    assert all(span.opens <= touch.day <= until for touch in touches(DEFAULT, span, CALENDAR, until))


@given(due=DUE, days_after=st.integers(30, 200))
def test_an_open_obligation_is_told_every_week(due: date, days_after: int) -> None:
    found = climbed(due, days_after=days_after)
    late = [touch.day for touch in found if touch.day > due]
    gaps = [CALENDAR.between(before, after) for before, after in pairwise(late)]
    assert max(gaps) <= 5
    assert CALENDAR.between(late[-1], due + timedelta(days=days_after)) <= 5


def test_the_ladder_of_a_report_due_on_a_saturday() -> None:
    # 31 January 2026 is a Saturday; the Lunar New Year holiday, 15 to 23 February, follows.
    assert [(touch.rung, touch.day) for touch in climbed(date(2026, 1, 31), days_after=30)] == [
        ("T-20", date(2026, 1, 4)),
        ("T-10", date(2026, 1, 16)),
        ("T-5", date(2026, 1, 23)),
        ("T-1", date(2026, 1, 29)),
        ("T0", date(2026, 1, 30)),
        ("T+1", date(2026, 2, 2)),
        ("T+3", date(2026, 2, 4)),
        ("W", date(2026, 2, 11)),
        ("W2", date(2026, 2, 25)),
    ]


def test_a_right_is_never_called_overdue() -> None:
    rights = [duty for duty in REGISTRY.duties if isinstance(duty.rule, EventRule) and duty.rule.lapses]
    assert {duty.ladder for duty in rights} == {"right"}
    assert all(touch.day <= date(2026, 10, 8) for touch in climbed(date(2026, 10, 8), "right"))


@given(at_least=st.integers(1, 100), pace=st.integers(1, 12))
def test_pace_asks_for_more_every_month_and_for_all_at_its_end(at_least: int, pace: int) -> None:
    rule = CountedRule(kind="counted", at_least=at_least, noun="次", noun_en="times", pace_months=pace)
    missing = [shortfall(rule, month) for month in range(1, 13)]
    assert missing == sorted(missing, reverse=True)
    assert missing[pace - 1] == 0
    assert missing[0] < at_least or pace > 1


@pytest.mark.parametrize(
    "duty", [duty for duty in REGISTRY.duties if isinstance(duty.rule, CountedRule)], ids=lambda duty: duty.code
)
def test_checkpoints_speak_on_the_last_working_day_of_their_month(duty: Duty) -> None:
    assert isinstance(duty.rule, CountedRule)
    for term in terms(duty, date(2026, 1, 1), date(2035, 12, 31)):
        span = Window(term.opens, term.due, CALENDAR.on_or_before(term.due))
        found = touches(REGISTRY.ladder(duty.ladder), span, CALENDAR, term.due, duty.rule)
        paces = [touch for touch in found if touch.tone == "pace"]
        assert [touch.rung for touch in paces] == [f"P{month:02d}" for month in duty.rule.checkpoints]
        for touch, month in zip(paces, duty.rule.checkpoints, strict=True):
            following = CALENDAR.add(touch.day, 1)
            assert (touch.day.year, touch.day.month) == (term.due.year, month)
            assert following.month != month
            assert touch.behind == shortfall(duty.rule, month)


def test_a_rung_on_the_day_a_term_opens_is_one_of_its_rungs() -> None:
    due = date(2026, 3, 31)
    first = min(touch.day for touch in climbed(due))
    for opens, there in ((first, True), (first + timedelta(days=1), False)):
        found = touches(DEFAULT, Window(opens, due, due), CALENDAR, due)
        assert (first in {touch.day for touch in found}) == there
