"""Event clocks against a reading that walks day by day."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given, settings
from hypothesis import strategies as st

from duties.clock import Deadline, Pause, deadline
from duties.errors import QuestionError
from duties.model import Stop
from duties.reading import shipped
from duties.registry import EventRule
from duties.workdays import WorkCalendar

CALENDAR = WorkCalendar.shipped()
REGISTRY = shipped()
DAY = timedelta(days=1)
EVENTS = {duty.code: duty.rule for duty in REGISTRY.duties if isinstance(duty.rule, EventRule)}
COUNTED = {code: rule for code, rule in EVENTS.items() if rule.length}
FEW = settings(max_examples=40, deadline=None)
DAYS = st.dates(date(2019, 1, 1), date(2035, 12, 31))


def rule(**fields: object) -> EventRule:
    plain = {"kind": "event", "event": "试", "event_en": "x", "provisions": (), "jurisdiction": "试验镇", "length": 10}
    return EventRule.model_validate({**plain, **fields})


def walked(on: date, length: int, counts: Callable[[date], bool]) -> date:
    """The day on which the nth day that counts falls."""
    day = on
    while length:
        day += DAY
        length -= counts(day)
    return day


def stands(day: date, pauses: Sequence[Pause]) -> bool:
    return any(pause.noticed < day <= pause.last for pause in pauses)


@st.composite
def paused(draw: st.DrawFn) -> tuple[date, list[Pause]]:
    on = draw(DAYS)
    spells = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), max_size=4))
    return on, [Pause(on + DAY * start, on + DAY * (start + length)) for start, length in spells]


def asked(code: str, on: date) -> Deadline:
    by = on + DAY * 9 if EVENTS[code].named_day == "required" else None
    return deadline(EVENTS[code], on, CALENDAR, by=by)


@given(case=paused())
def test_working_days_with_pauses_match_a_walk(case: tuple[date, list[Pause]]) -> None:
    on, pauses = case
    found = deadline(EVENTS["legality-review"], on, CALENDAR, pauses=pauses)

    def runs(day: date) -> bool:
        return CALENDAR.is_workday(day) and not stands(day, pauses)

    assert (found.due, found.not_before) == (walked(on, 15, runs), walked(on, 5, runs))


@given(case=paused(), unit=st.sampled_from(["days", "working-days"]), start_stated=st.booleans())
def test_any_pausable_clock_matches_a_walk(case: tuple[date, list[Pause]], unit: str, start_stated: bool) -> None:
    on, pauses = case
    found = deadline(rule(unit=unit, pausable=True, roll=False, start_stated=start_stated), on, CALENDAR, pauses=pauses)

    def runs(day: date) -> bool:
        return not stands(day, pauses) and (unit == "days" or CALENDAR.is_workday(day))

    assert found.due == walked(on, 10, runs)
    assert found.advise_by == CALENDAR.on_or_before(walked(on if start_stated else on - DAY, 10, runs))


@given(case=paused(), shuffle=st.randoms())
def test_the_order_of_pauses_does_not_matter(case: tuple[date, list[Pause]], shuffle: Random) -> None:
    on, pauses = case
    mixed = list(pauses)
    shuffle.shuffle(mixed)
    clock = EVENTS["legality-review"]
    assert deadline(clock, on, CALENDAR, pauses=pauses) == deadline(clock, on, CALENDAR, pauses=mixed)


@given(on=DAYS, start=st.integers(0, 40))
def test_a_clock_that_stands_goes_on_with_the_days_it_had_left(on: date, start: int) -> None:
    review, noticed = EVENTS["legality-review"], on + DAY * start
    running = deadline(review, on, CALENDAR)
    standing = deadline(review, on, CALENDAR, pauses=[Pause(noticed, None)])
    if noticed >= running.due:
        assert (standing.stop, standing.due) == (None, running.due)
        return
    assert standing.stop == Stop(noticed + DAY, CALENDAR.between(noticed, running.due))
    resumed = deadline(review, on, CALENDAR, pauses=[Pause(noticed, noticed + DAY * 20)])
    assert resumed.due == CALENDAR.add(noticed + DAY * 20, standing.stop.left or 0)
    assert resumed.stop is None


@given(on=DAYS, start=st.integers(0, 20), first=st.integers(0, 20), overlap=st.integers(0, 20))
def test_overlapping_pauses_count_once(on: date, start: int, first: int, overlap: int) -> None:
    begin, middle, end = (on + DAY * days for days in (start, start + first, start + first + overlap))
    clock = EVENTS["legality-review"]
    two = deadline(clock, on, CALENDAR, pauses=[Pause(begin, middle), Pause(begin, end)])
    assert two.due == deadline(clock, on, CALENDAR, pauses=[Pause(begin, end)]).due


@pytest.mark.parametrize("code", EVENTS)
@FEW
@given(on=DAYS)
def test_advice_is_a_working_day_no_later_than_the_last(code: str, on: date) -> None:
    found = asked(code, on)
    assert CALENDAR.is_workday(found.advise_by)
    assert found.advise_by <= found.due
    assert found.starts == on + DAY


@pytest.mark.parametrize("code", COUNTED)
@FEW
@given(on=DAYS)
def test_a_clock_that_rolls_never_ends_on_a_rest_day(code: str, on: date) -> None:
    if EVENTS[code].roll:
        assert CALENDAR.is_workday(asked(code, on).due)


@pytest.mark.parametrize("code", EVENTS)
@FEW
@given(on=DAYS)
def test_the_derivation_ends_in_its_dates_and_names_known_grounds(code: str, on: date) -> None:
    found = asked(code, on)
    assert {step.ground for step in found.steps} <= REGISTRY.grounds.keys()
    assert (found.steps[0].date, found.steps[-1].date) == (found.starts, found.advise_by)
    assert found.due in {step.date for step in found.steps}


@given(on=DAYS, months=st.integers(1, 24))
def test_months_end_on_the_corresponding_day_or_the_month_end(on: date, months: int) -> None:
    due = deadline(rule(unit="months", length=months, roll=False), on, CALENDAR).due
    assert due == on + relativedelta(months=months)
    assert due.day == on.day or (due + DAY).day == 1


@given(on=DAYS, days=st.integers(1, 60))
def test_of_a_period_and_a_named_day_the_earlier_governs(on: date, days: int) -> None:
    clock, by = EVENTS["opinion-letter-rectification"], on + DAY * days
    plain, named = deadline(clock, on, CALENDAR), deadline(clock, on, CALENDAR, by=by)
    assert named.due == min(plain.due, by)
    assert named.advise_by <= min(plain.advise_by, by)


@pytest.mark.parametrize(
    ("code", "on", "due", "advise_by"),
    [
        # 20 September is a working Sunday of 2026; 5 October lies in the National Day holiday, 1 to 7 October.
        ("opinion-letter-rectification", date(2026, 9, 20), date(2026, 10, 20), date(2026, 10, 19)),
        ("opinion-letter-objection", date(2026, 9, 20), date(2026, 10, 8), date(2026, 9, 30)),
        ("opinion-letter-rectification", date(2026, 9, 4), date(2026, 10, 8), date(2026, 9, 30)),
        ("legality-materials", date(2026, 9, 30), date(2026, 10, 10), date(2026, 10, 9)),
        ("certificate-suspension", date(2025, 11, 30), date(2026, 2, 28), date(2026, 2, 27)),
        ("certificate-suspension", date(2026, 2, 16), date(2026, 5, 16), date(2026, 5, 15)),
    ],
)
def test_dates_counted_by_hand(code: str, on: date, due: date, advise_by: date) -> None:
    found = asked(code, on)
    assert (found.due, found.advise_by) == (due, advise_by)


def test_a_day_named_as_the_last_day_is_not_called_later() -> None:
    found = deadline(EVENTS["opinion-letter-rectification"], date(2026, 9, 20), CALENDAR, by=date(2026, 10, 20))
    assert "named-day" in {step.rule for step in found.steps}
    assert "earlier-governs" not in {step.ground for step in found.steps}


@pytest.mark.parametrize(
    ("clock", "by", "pauses", "reason"),
    [
        (rule(named_day="required"), None, [], "--by is needed"),
        (rule(), date(2026, 3, 9), [], "--by is only for"),
        (rule(named_day="earlier"), date(2026, 3, 2), [], "is not after"),
        (rule(), None, [Pause(date(2026, 3, 3), date(2026, 3, 4))], "lets this clock pause"),
        (rule(pausable=True), None, [Pause(date(2026, 3, 4), date(2026, 3, 3))], "ends before it begins"),
        (rule(pausable=True), None, [Pause(date(2026, 3, 1), date(2026, 3, 3))], "begins before the event"),
    ],
)
def test_what_a_rule_does_not_know_is_refused(
    clock: EventRule, by: date | None, pauses: list[Pause], reason: str
) -> None:
    with pytest.raises(QuestionError, match=reason):
        deadline(clock, date(2026, 3, 2), CALENDAR, by=by, pauses=pauses)


@pytest.mark.parametrize("code", ["urge-letter-response", "losing-case-report", "certificate-suspension"])
def test_beyond_the_calendar_there_is_no_answer(code: str) -> None:
    with pytest.raises(QuestionError, match="1990 to 2110"):
        asked(code, date(2110, 12, 31))
