"""Terms against an oracle that walks every day, over 2019–2035 and over 50 years."""

import calendar
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duties.errors import QuestionError
from duties.model import Basis, Force, Term
from duties.reading import shipped
from duties.registry import CalendarRule, Duty, EventRule, Scope
from duties.schedule import rrule_faults, term_named, terms

REGISTRY = shipped()
RECURRING = [duty for duty in REGISTRY.duties if not isinstance(duty.rule, EventRule)]
DAYS = st.dates(date(2019, 1, 1), date(2035, 12, 31))
FIFTY_YEARS = (date(2025, 1, 1), date(2074, 12, 31))


def due_days(code: str, first: date, last: date, jurisdiction: str = "") -> list[date]:
    found = terms(REGISTRY.duty(code), first, last)
    return [term.due for term in found if jurisdiction in ("", term.jurisdiction)]


def invented(**rule: object) -> Duty:
    scope = Scope(
        jurisdiction="试验镇",
        tags=("*",),
        provisions=(1,),
        basis=Basis.TEXT,
        force=Force.SETTLED,
        in_force_from=date(2000, 1, 1),
    )
    return Duty(
        code="x",
        title="试",
        title_en="x",
        rule=CalendarRule.model_validate({"kind": "calendar", **rule}),
        scope=(scope,),
    )


def one_term(due: date, period: str, covers: str) -> Term:
    rule = f"FREQ=YEARLY;BYMONTH={due.month};BYMONTHDAY={due.day}"
    (term,) = terms(invented(rrule=rule, period=period, covers=covers), due, due)
    return term


@pytest.mark.parametrize("year", range(2025, 2075))
def test_the_monthly_30th_exists_in_every_month(year: int) -> None:
    expected = [date(year, month, min(30, calendar.monthrange(year, month)[1])) for month in range(1, 13)]
    assert due_days("monthly-case-publication", date(year, 1, 1), date(year, 12, 31)) == expected


@pytest.mark.parametrize("duty", RECURRING, ids=lambda duty: duty.code)
def test_nothing_drifts_over_fifty_years(duty: Duty) -> None:
    def days(year: int) -> list[tuple[int, int]]:
        return [(term.due.month, term.due.day) for term in terms(duty, date(year, 1, 1), date(year, 12, 31))]

    # After four years both leap years and odd years are where they were.
    assert [days(year) for year in range(2026, 2072)] == [days(year + 4) for year in range(2026, 2072)]


def test_clean_up_is_due_in_odd_years_only() -> None:
    days = due_days("normative-document-cleanup", *FIFTY_YEARS)
    assert days == [date(year, 12, 31) for year in range(2025, 2075, 2)]


@pytest.mark.parametrize("duty", RECURRING, ids=lambda duty: duty.code)
@settings(max_examples=10, deadline=None)
@given(cut=DAYS)
def test_a_window_cut_in_two_has_the_same_terms(duty: Duty, cut: date) -> None:
    first, last = date(2019, 1, 1), date(2035, 12, 31)
    halves = [*terms(duty, first, cut), *(terms(duty, cut + timedelta(days=1), last) if cut < last else [])]
    assert sorted(halves, key=repr) == sorted(terms(duty, first, last), key=repr)


@pytest.mark.parametrize("duty", RECURRING, ids=lambda duty: duty.code)
def test_a_term_is_named_once_in_a_jurisdiction_and_found_by_its_name(duty: Duty) -> None:
    found = terms(duty, date(2019, 1, 1), date(2035, 12, 31))
    assert len({(term.jurisdiction, term.label) for term in found}) == len(found)
    for term in found:
        assert term in term_named(duty, term.label)
        assert term.covers_from <= term.covers_to
        assert term.opens <= term.due


@pytest.mark.parametrize("duty", RECURRING, ids=lambda duty: duty.code)
def test_periods_of_a_duty_follow_one_another_without_gap(duty: Duty) -> None:
    for jurisdiction in {scope.jurisdiction for scope in duty.scope}:
        found = [term for term in terms(duty, *FIFTY_YEARS) if term.jurisdiction == jurisdiction]
        for before, after in pairwise(found):
            assert after.covers_from == before.covers_to + timedelta(days=1)


def test_no_term_is_due_outside_its_time_in_force() -> None:
    for duty in RECURRING:
        for term in terms(duty, date(2000, 1, 1), date(2035, 12, 31)):
            scope = next(scope for scope in duty.scope if scope.jurisdiction == term.jurisdiction)
            assert scope.in_force_from <= term.due


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("enforcement-annual-report", date(2026, 1, 31)),
        ("joint-inspection-plan", date(2026, 3, 31)),
        ("law-government-report-government", date(2026, 3, 31)),
        ("qualification-publication", date(2025, 3, 1)),
        ("supervision-body", date(2025, 3, 31)),
        ("training-statistics", date(2024, 11, 1)),
        ("monthly-case-publication", date(2024, 6, 30)),
    ],
)
def test_first_terms(code: str, first: date) -> None:
    assert due_days(code, date(2000, 1, 1), date(2030, 12, 31))[0] == first


@pytest.mark.parametrize(
    ("due", "period", "covers", "expected"),
    [
        ("2026-01-31", "year", "previous", ("2025", "2025-01-01", "2025-12-31", "2026-01-01")),
        ("2026-10-31", "year", "next", ("2027", "2027-01-01", "2027-12-31", "2026-01-01")),
        ("2026-01-05", "month", "previous", ("2025-12", "2025-12-01", "2025-12-31", "2026-01-01")),
        ("2026-01-05", "quarter", "previous", ("2025-Q4", "2025-10-01", "2025-12-31", "2026-01-01")),
        ("2026-07-05", "half", "previous", ("2026-H1", "2026-01-01", "2026-06-30", "2026-07-01")),
        ("2026-12-05", "month", "next", ("2027-01", "2027-01-01", "2027-01-31", "2026-12-01")),
        ("2026-12-05", "half", "next", ("2027-H1", "2027-01-01", "2027-06-30", "2026-07-01")),
        ("2027-12-31", "two-years", "current", ("2026-2027", "2026-01-01", "2027-12-31", "2027-01-01")),
    ],
)
def test_what_a_term_covers_and_when_it_opens(due: str, period: str, covers: str, expected: tuple[str, ...]) -> None:
    term = one_term(date.fromisoformat(due), period, covers)
    assert (term.label, str(term.covers_from), str(term.covers_to), str(term.opens)) == expected


@pytest.mark.parametrize(
    "label", ["", "26", "2026-Q5", "2026-13", "2026-H3", "2026/1", "99999", "2026-Q1 ", "２０２６"]
)
def test_a_label_of_another_form_is_refused(label: str) -> None:
    with pytest.raises(QuestionError):
        term_named(REGISTRY.duty("case-file-self-review"), label)


@pytest.mark.parametrize("label", ["1989", "2111", "9999", "0001"])
def test_a_year_out_of_reach_is_refused_at_once(label: str) -> None:
    with pytest.raises(QuestionError, match="1990 to 2110"):
        term_named(REGISTRY.duty("monthly-case-publication"), label)


def test_a_term_that_a_duty_does_not_have_is_refused() -> None:
    for code, label in (("normative-document-cleanup", "2025-2026"), ("enforcement-annual-report", "2026-Q1")):
        with pytest.raises(QuestionError, match=f"{code} has no term"):
            term_named(REGISTRY.duty(code), label)
    with pytest.raises(QuestionError):
        term_named(REGISTRY.duty("assignment"), "2026")


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("FREQ=DAILY;BYMONTHDAY=1", "FREQ=DAILY is not one of"),
        ("FREQ=YEARLY;COUNT=3;BYMONTHDAY=1", "COUNT is not one of"),
        ("FREQ=YEARLY;BYMONTH=1", "BYMONTHDAY is missing"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "the rule never fires"),
        ("FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=x", "BYMONTHDAY"),
        ("FREQ=YEARLY;BYMONTHDAY=1;BYMONTHDAY=2", "BYMONTHDAY is there twice"),
        ("FREQ=YEARLY;BYMONTHDAY=1;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=YEARLY;BYMONTHDAY=1;INTERVAL=-1", "INTERVAL=-1"),
        ("", "FREQ= is not one of"),
    ],
)
def test_a_rule_outside_the_whitelist_is_refused_with_its_reason(rule: str, fault: str) -> None:
    assert any(fault in found for found in rrule_faults(rule))


def test_every_fault_of_a_rule_is_named() -> None:
    assert len(rrule_faults("FREQ=DAILY;UNTIL=20300101;INTERVAL=0")) == 4


def test_a_sound_rule_has_no_fault() -> None:
    assert rrule_faults("FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=28,29,30;BYSETPOS=-1") == []
