"""Lights, pace and projection, by their thresholds."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duties.ladder import Window, touches
from duties.reading import shipped
from duties.registry import CountedRule
from duties.reports import Light, Standing, allowances, expected, light, missing_allowed, projected
from duties.workdays import WorkCalendar

WORKDAYS = WorkCalendar.shipped()
REGISTRY = shipped()
COUNTED = {duty.code: duty.rule for duty in REGISTRY.duties if isinstance(duty.rule, CountedRule)}
STUDY = COUNTED["pre-meeting-study"]
HOURS = COUNTED["training-hours"]


@pytest.mark.parametrize(
    ("standing", "shown"),
    [
        (Standing(), Light.GREEN),
        (Standing(overdue=1), Light.RED),
        (Standing(overdue=1, soon=9, behind=9, returned=9), Light.RED),
        (Standing(soon=1), Light.YELLOW),
        (Standing(behind=1), Light.YELLOW),
        (Standing(returned=1), Light.YELLOW),
    ],
)
def test_one_of_a_kind_is_enough_and_the_worst_shows(standing: Standing, shown: Light) -> None:
    assert light(standing) == shown


@pytest.mark.parametrize(
    ("rule", "today", "allowed"),
    [
        (STUDY, date(2026, 1, 29), None),
        (STUDY, date(2026, 1, 30), 11),  # January ends on a Saturday: its pace is looked at on the Friday
        (STUDY, date(2026, 2, 27), 11),  # a Friday, but the 28th is worked instead of a day of the festival
        (STUDY, date(2026, 2, 28), 10),
        (STUDY, date(2026, 12, 31), 1),
        (HOURS, date(2026, 3, 30), None),
        (HOURS, date(2026, 3, 31), 42),
        (HOURS, date(2026, 10, 30), 0),  # all of it by the end of October
    ],
)
def test_the_pace_moves_on_the_day_of_its_checkpoint(rule: CountedRule, today: date, allowed: int | None) -> None:
    assert missing_allowed(rule, today, WORKDAYS) == allowed


@pytest.mark.parametrize("code", COUNTED)
@given(day=st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_behind_is_what_the_last_reminder_of_the_pace_spoke_of(code: str, day: date) -> None:
    rule = COUNTED[code]
    due = date(2026, 12, 31)
    window = Window(date(2026, 1, 1), due, WORKDAYS.on_or_before(due))
    said = [
        one.behind for one in touches(REGISTRY.ladder("counted"), window, WORKDAYS, day, rule) if one.tone == "pace"
    ]
    assert missing_allowed(rule, day, WORKDAYS) == (said[-1] if said else None)
    assert allowances(REGISTRY, day, WORKDAYS).get(code) == (said[-1] if said else None)


def test_what_is_expected_is_the_target_less_what_may_be_missing() -> None:
    assert [expected(12, None), expected(12, 11), expected(12, 0), expected(3, 11)] == [0, 1, 12, 0]


@pytest.mark.parametrize(
    ("tally", "today", "whole"),
    [
        (1, date(2026, 1, 29), None),
        (1, date(2026, 1, 30), 12),
        (0, date(2026, 6, 30), 0),
        (6, date(2026, 7, 2), 11),
        (12, date(2026, 12, 31), 12),
    ],
)
def test_the_projection_goes_on_as_it_went_since_the_first_day(tally: int, today: date, whole: int | None) -> None:
    assert projected(tally, date(2026, 1, 1), date(2026, 12, 31), today) == whole
