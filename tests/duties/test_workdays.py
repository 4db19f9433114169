from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import chinese_calendar
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duties.errors import CalendarError, QuestionError
from duties.model import CalendarState
from duties.workdays import FIRST_YEAR, LAST_YEAR, SHIPPED, WorkCalendar

CALENDAR = WorkCalendar.shipped()
ARRANGED = range(2019, 2027)
DAY = timedelta(days=1)

NEXT_YEAR = """
[2027]
notice = [{ title = "关于2027年部分节假日安排的通知", issued = 2026-11-05 }]
holiday = [
    { name_zh = "元旦", name_en = "New Year's Day", first = 2026-12-31, last = 2027-01-02, work = [2026-12-26] },
    { name_zh = "春节", name_en = "Spring Festival", first = 2027-02-05, last = 2027-02-12, work = [2027-02-20] },
]
"""

LOCAL = """
[local.2027]
notice = [{ title = "古尔邦节放假的通知", issued = 2027-04-20 }]
holiday = [{ name_zh = "古尔邦节", name_en = "Corban Festival", first = 2027-05-17, last = 2027-05-19 }]
"""

FAULTY = """
[2027]
notice = []
colour = "red"
holiday = [
    { name_zh = "元旦", name_en = "New Year's Day", first = "1 January", last = 2027-01-02 },
    { name_zh = "春节", name_en = "Spring Festival", first = 2027-02-12, last = 2027-02-05, work = [2028-01-29] },
    { name_zh = "劳动节", name_en = "Labour Day", first = 2027-05-01, last = 2027-12-05, work = [2027-05-12] },
]

[2028]
notice = [{ title = "关于2028年部分节假日安排的通知", issued = 2027-11-05 }]
holiday = [{ name_zh = "元旦", name_en = "New Year's Day", first = 2028-01-01, last = 2028-01-02, work = [2028-01-02] }]

[next]
"""


def days(first: date, last: date) -> Iterator[date]:
    return map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1))


def year(number: int) -> Iterator[date]:
    return days(date(number, 1, 1), date(number, 12, 31))


def operators(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


some_day = st.dates(date(2019, 1, 1), date(2035, 12, 31))
some_distance = st.integers(1, 400)


@pytest.mark.parametrize("number", ARRANGED)
def test_every_day_agrees_with_chinese_calendar(number: int) -> None:
    wrong = [day for day in year(number) if CALENDAR.is_workday(day) != chinese_calendar.is_workday(day)]
    assert wrong == []


@pytest.mark.parametrize("number", ARRANGED)
def test_every_day_agrees_with_holidays(number: int) -> None:
    china = holidays.country_holidays("CN", years=number)
    assert [day for day in year(number) if CALENDAR.is_workday(day) != china.is_working_day(day)] == []


def test_a_new_years_holiday_reaches_into_the_december_before() -> None:
    december = list(days(date(2018, 12, 28), date(2018, 12, 31)))
    assert [CALENDAR.is_workday(day) for day in december] == [True, True, False, False]
    assert CALENDAR.reason(december[1]) == "working-weekend"


def test_every_shipped_year_is_confirmed_by_a_numbered_notice() -> None:
    assert [number for number in ARRANGED if CALENDAR.state(number) is not CalendarState.CONFIRMED] == []
    assert [n for number in ARRANGED for n in CALENDAR.year(number).notices if not n.number] == []


def test_an_amended_year_names_both_notices() -> None:
    assert CALENDAR.source(2020).count("国办发明电") == 2
    assert CALENDAR.source(2026) == "国务院办公厅关于2026年部分节假日安排的通知 (国办发明电〔2025〕7号)"


@pytest.mark.parametrize("number", ARRANGED)
def test_an_arrangement_takes_no_statutory_day_away(number: int) -> None:
    statutory = holidays.country_holidays("CN", years=number, observed=False, language="en_US")
    named = [day for day, name in statutory.items() if "substituted" not in name]
    assert [day for day in named if not CALENDAR.reason(day).startswith("holiday:")] == []


@pytest.mark.parametrize("number", [*range(1990, 1999), *range(2000, 2015), *range(2016, 2019), *range(2027, 2036)])
def test_the_statutory_days_of_a_provisional_year_agree_with_holidays(number: int) -> None:
    statutory = holidays.country_holidays("CN", years=number, observed=False, language="en_US")
    ours = {day for holiday in CALENDAR.year(number).holidays for day in days(holiday.first, holiday.last)}
    assert ours == {day for day, name in statutory.items() if "substituted" not in name}


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (date(2026, 2, 13), "weekday"),
        (date(2026, 2, 14), "working-weekend"),
        (date(2026, 2, 16), "holiday:春节"),
        (date(2026, 3, 1), "weekend"),
        (date(2020, 10, 1), "holiday:国庆节、中秋节"),
        (date(2027, 2, 5), "holiday:春节"),
        (date(2027, 6, 9), "holiday:端午节"),
        (date(2031, 10, 1), "holiday:国庆节"),
        (date(2105, 10, 4), "weekend"),
    ],
)
def test_every_day_says_why_it_is_worked_or_not(day: date, reason: str) -> None:
    assert CALENDAR.reason(day) == reason


@given(some_day, some_distance)
def test_the_nth_working_day_is_worked_and_n_working_days_away(day: date, n: int) -> None:
    later, earlier = CALENDAR.add(day, n), CALENDAR.add(day, -n)
    assert CALENDAR.is_workday(later)
    assert CALENDAR.is_workday(earlier)
    assert CALENDAR.between(day, later) == n
    assert CALENDAR.between(earlier - DAY, day - DAY) == n


@given(some_day, some_distance)
def test_going_and_coming_back_ends_on_the_last_working_day(day: date, n: int) -> None:
    assert CALENDAR.add(CALENDAR.add(day, n), -n) == CALENDAR.on_or_before(day)
    assert CALENDAR.add(CALENDAR.add(day, -n), n) == CALENDAR.on_or_after(day)


@given(some_day, some_day)
def test_between_counts_the_working_days_one_by_one(one: date, other: date) -> None:
    first, last = sorted([one, other])
    assert CALENDAR.between(first, last) == sum(map(CALENDAR.is_workday, days(first + DAY, last)))
    assert CALENDAR.between(last, first) == -CALENDAR.between(first, last)


@given(some_day)
def test_rolling_stays_on_a_working_day_and_crosses_only_rest_days(day: date) -> None:
    before, after = CALENDAR.on_or_before(day), CALENDAR.on_or_after(day)
    assert [d for d in days(before, after) if CALENDAR.is_workday(d)] == sorted({before, after})
    assert (before == day == after) == CALENDAR.is_workday(day)


@pytest.mark.parametrize("number", [1990, 1999, 2018, 2027, 2099, 2100, 2110])
def test_a_provisional_year_always_answers(number: int) -> None:
    assert CALENDAR.state(number) is CalendarState.PROVISIONAL
    assert CALENDAR.source(number) == "provisional"
    assert CALENDAR.year(number).notices == ()
    assert 240 < CALENDAR.between(date(number, 1, 1), date(number, 12, 31)) < 262
    assert not CALENDAR.is_workday(date(number, 10, 1))
    assert CALENDAR.add(date(number, 6, 1), 10) > date(number, 6, 1) > CALENDAR.add(date(number, 6, 1), -10)


def test_a_year_without_lunar_data_keeps_its_fixed_festivals() -> None:
    assert [holiday.name_zh for holiday in CALENDAR.year(2105).holidays] == ["元旦", "劳动节", "国庆节"]


@pytest.mark.parametrize(
    ("day", "n"),
    [
        (date(FIRST_YEAR, 1, 5), -9),
        (date(FIRST_YEAR - 1, 12, 31), 1),
        (date(FIRST_YEAR - 1, 12, 31), -1),
        (date(LAST_YEAR, 12, 20), 20),
        (date(LAST_YEAR + 1, 1, 2), 1),
        (date(LAST_YEAR + 1, 2, 2), -1),
        (date(202, 3, 1), 5),
        (date(202, 3, 1), -5),
    ],
)
def test_beyond_its_span_the_calendar_refuses_instead_of_guessing(day: date, n: int) -> None:
    with pytest.raises(QuestionError, match="from 1990 to 2110"):
        CALENDAR.add(day, n)


def test_questions_about_days_and_years_beyond_the_span_are_refused_too() -> None:
    with pytest.raises(QuestionError, match="0202-03-01"):
        CALENDAR.is_workday(date(202, 3, 1))
    with pytest.raises(QuestionError, match="2111"):
        CALENDAR.year(2111)


def test_the_0th_working_day_is_an_error() -> None:
    with pytest.raises(ValueError, match="0th"):
        CALENDAR.add(date(2026, 1, 5), 0)


def test_a_moment_counts_as_its_day() -> None:
    noon = datetime(2026, 2, 13, 12)  # noqa: DTZ001 - only the day of it matters
    assert CALENDAR.add(noon, 1) == date(2026, 2, 14)
    assert CALENDAR.reason(datetime(2026, 2, 14, 12)) == "working-weekend"  # noqa: DTZ001


def test_the_operators_table_confirms_a_year(tmp_path: Path) -> None:
    calendar = WorkCalendar.load(operators(tmp_path, NEXT_YEAR))
    assert CALENDAR.state(2027) is CalendarState.PROVISIONAL
    assert calendar.state(2027) is calendar.year(2027).state is CalendarState.CONFIRMED
    assert calendar.source(2027) == "关于2027年部分节假日安排的通知 (2026-11-05)"
    assert calendar.add(date(2027, 2, 4), 1) == date(2027, 2, 15)
    assert [calendar.is_workday(date(2026, 12, day)) for day in (26, 31)] == [True, False]


def test_statutory_days_stay_off_when_the_operators_table_forgets_them(tmp_path: Path) -> None:
    calendar = WorkCalendar.load(operators(tmp_path, NEXT_YEAR))
    assert calendar.reason(date(2027, 10, 1)) == "holiday:国庆节"


def test_the_operators_year_replaces_the_shipped_one(tmp_path: Path) -> None:
    mine = NEXT_YEAR.replace("2027", "2026").replace("2026-12", "2025-12").replace("2025-12-26", "2025-12-27")
    mine = mine.replace("2026-02-20", "2026-02-21")
    calendar = WorkCalendar.load(operators(tmp_path, mine))
    assert CALENDAR.is_workday(date(2026, 2, 28))
    assert not calendar.is_workday(date(2026, 2, 28))
    assert calendar.is_workday(date(2026, 2, 21))


def test_local_days_come_on_top_and_confirm_nothing(tmp_path: Path) -> None:
    calendar = WorkCalendar.load(operators(tmp_path, LOCAL))
    assert calendar.state(2027) is CalendarState.PROVISIONAL
    assert calendar.reason(date(2027, 5, 18)) == "holiday:古尔邦节"
    assert calendar.reason(date(2027, 10, 1)) == "holiday:国庆节"
    assert "古尔邦节" in [holiday.name_zh for holiday in calendar.year(2027).holidays]


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    path = operators(tmp_path, FAULTY)
    with pytest.raises(CalendarError) as caught:
        WorkCalendar.load(path)
    assert [fault.removeprefix(f"{path}: ") for fault in caught.value.faults] == [
        "2027.notice = []: expected at least one row",
        "2027.holiday[1].first = '1 January': Input should be a valid date",
        "2027.holiday[2].last = 2027-02-05: expected a day from 2027-02-12 on, at most 15 days off in a row",
        "2027.holiday[2].work[1] = 2028-01-29: expected a day of 2027 or of the December before it",
        "2027.holiday[3].last = 2027-12-05: expected a day from 2027-05-01 on, at most 15 days off in a row",
        "2027.holiday[3].work[1] = 2027-05-12: expected a Saturday or Sunday: other days are worked anyway",
        "2027.colour = 'red': Extra inputs are not permitted",
        "2028.holiday: expected 2028-01-02 to be either off or worked",
        "next: expected a year from 1991 to 2110",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[2027", "expected a readable TOML file"),
        ("[2027]\nholiday = [{ first = 2027-02-30 }]", "expected a readable TOML file"),
        ("local = 5", "local = 5: expected a table of years"),
        ("2027 = 5", "2027 = 5: Input should be a valid dictionary"),
    ],
)
def test_a_file_of_another_form_is_refused_by_name(tmp_path: Path, text: str, fault: str) -> None:
    path = operators(tmp_path, text)
    with pytest.raises(CalendarError) as caught:
        WorkCalendar.load(path)
    assert str(caught.value).startswith(f"{path}: {fault}")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CalendarError, match=r"nowhere\.toml: expected a readable TOML file"):
        WorkCalendar.load(tmp_path / "nowhere.toml")


def test_the_digest_changes_with_the_tables_only(tmp_path: Path) -> None:
    same = WorkCalendar.load(operators(tmp_path, (SHIPPED / "holidays.toml").read_text(encoding="utf-8")))
    assert WorkCalendar.shipped().digest() == CALENDAR.digest() == same.digest()
    digests = {WorkCalendar.load(operators(tmp_path, text)).digest() for text in (NEXT_YEAR, LOCAL, "")}
    assert len(digests) == 3
    assert CALENDAR.digest() in digests


def test_a_calendar_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        CALENDAR._origin = 0  # type: ignore[misc]
