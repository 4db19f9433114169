"""Waves: each rung once, on its day, when the office opens; what downtime missed is said once, and marked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duties import reminding
from duties.reading import shipped
from duties.registry import Ladder
from duties.store import planned, statements
from duties.store.database import execute, fetch
from duties.workdays import WorkCalendar
from tests.duties.town import (
    CALENDAR,
    JANUARY,
    LADDERS,
    acknowledge,
    close,
    count,
    counted,
    duty,
    enter,
    fresh,
    give_back,
    plan,
    registry,
    report,
    scope,
    told,
    undo,
    wave,
)  # fmt: skip

ONCE = scope(in_force_to=date(2026, 12, 31))
LAW = registry(duty("report", JANUARY, ONCE))
STUDY = registry(duty("study", counted(12, *range(1, 12)), ONCE))
REST = [date(2026, 1, 1) + timedelta(days=days) for days in range(60)]
REST = [day for day in REST if not CALENDAR.is_workday(day)]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(water={})
        await plan(LAW, "2026-01-01")
        yield


@pytest.fixture
async def study(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(water={})
        await plan(STUDY, "2026-01-01")
        yield


async def waves(*days: str, law: Any = LAW) -> None:
    """A wave when the office opens on each day, unless a minute is told."""
    for day in days:
        await wave(law, f"{day} 10:00" if " " not in day else day)


async def days_through(first: date, last: date) -> None:
    for days in range((last - first).days + 1):
        await waves(str(first + timedelta(days=days)))


@pytest.mark.usefixtures("store")
async def test_a_rung_waits_for_its_day_and_for_the_office() -> None:
    assert await wave(LAW, "2026-01-03 23:59") == 0
    assert await wave(LAW, "2026-01-04 09:59") == 0
    assert await wave(LAW, "2026-01-04 10:00") == 1
    assert await wave(LAW, "2026-01-04 10:01") == 0
    assert await told() == ["water T-20 officer"]


@pytest.mark.usefixtures("store")
async def test_the_whole_ladder_of_a_silent_unit() -> None:
    await days_through(date(2026, 1, 1), date(2026, 2, 26))
    assert await told() == [
        "water T-20 officer", "water T-10 officer", "water T-5 officer", "water T-5 head", "water T-1 officer",
        "water T-1 head", "water T0 officer", "water T0 head", "water T+1 head", "water T+1 supervisor",
        "water T+3 supervisor", "water W supervisor", "water W2 supervisor",
    ]  # fmt: skip
    assert await told(superseded=True) == []


async def test_each_unit_is_told_when_its_own_office_opens(database_url: str) -> None:
    async with fresh(database_url):
        await enter(early={"office_opens": "09:30"}, late={"office_opens": "10:30"})
        await plan(LAW, "2026-01-01")
        raised = [await wave(LAW, f"2026-01-16 {minute}") for minute in ("09:29", "09:30", "10:00", "10:30", "10:31")]
        assert raised == [0, 1, 0, 1, 0]
        assert await told() == ["early T-10 officer", "late T-10 officer"]


@pytest.mark.usefixtures("store")
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(day=st.sampled_from(REST), hour=st.integers(0, 23))
async def test_nobody_is_ever_told_on_a_rest_day(day: date, hour: int) -> None:
    assert await wave(LAW, f"{day} {hour:02d}:00") == 0


@pytest.mark.usefixtures("store")
async def test_what_downtime_missed_is_said_once_marked_late_and_the_lower_rungs_are_recorded() -> None:
    await waves("2026-01-04", "2026-01-30")
    assert await told() == ["water T-20 officer", "water T0 officer", "water T0 head"]
    assert await told(superseded=True) == [
        "water T-10 officer late", "water T-5 officer late", "water T-1 officer late", "water T-5 head late",
        "water T-1 head late",
    ]  # fmt: skip


@pytest.mark.usefixtures("store")
async def test_what_a_night_of_downtime_missed_waits_for_the_next_office() -> None:
    await waves("2026-01-04", "2026-01-17 00:10", "2026-01-18 11:00", "2026-01-19 09:59")
    assert await told() == ["water T-20 officer"]
    await waves("2026-01-19 10:00")
    assert (await told())[1:] == ["water T-10 officer late"]


@pytest.mark.usefixtures("store")
async def test_a_day_that_began_after_the_offices_is_late_too() -> None:
    await waves("2026-01-04", "2026-01-16 11:01")
    assert (await told())[1:] == ["water T-10 officer late"]


@pytest.mark.usefixtures("store")
async def test_downtime_of_months_ends_with_one_message_an_audience() -> None:
    await waves("2026-04-01")
    assert [line.split()[2] for line in await told()] == ["officer", "head", "supervisor"]
    assert await told() == ["water T0 officer late", "water T+1 head late", "water W7 supervisor late"]


@pytest.mark.usefixtures("store")
async def test_a_unit_that_enters_late_hears_the_highest_rung_and_it_is_not_late() -> None:
    await waves("2026-01-04", "2026-01-16")
    await enter(water={}, tax={})
    await plan(LAW, "2026-01-24")
    await waves("2026-01-24", "2026-01-26")
    assert (await told())[2:] == ["water T-5 officer late", "tax T-5 officer", "water T-5 head late", "tax T-5 head"]


@pytest.mark.usefixtures("store")
async def test_fewer_are_told_after_it_was_acknowledged() -> None:
    await acknowledge("2026-01-05 11:00")
    await days_through(date(2026, 1, 5), date(2026, 2, 4))
    assert await told() == [
        "water T-5 officer", "water T-1 officer", "water T0 officer", "water T0 head", "water T+1 head",
        "water T+1 supervisor", "water T+3 supervisor",
    ]  # fmt: skip


@pytest.mark.usefixtures("store")
async def test_nobody_is_told_after_it_was_reported_or_closed() -> None:
    await report("2026-01-05 11:00")
    await waves("2026-01-16", "2026-02-02")
    await close("2026-02-03 11:00")
    await waves("2026-02-11")
    assert await told() == []


@pytest.mark.usefixtures("store")
async def test_what_is_returned_is_told_and_climbs_on() -> None:
    await waves("2026-01-23")
    await report("2026-01-26 11:00")
    await give_back("2026-01-27 18:00")
    await waves("2026-01-28", "2026-01-28 10:01", "2026-01-29")
    assert (await told())[2:] == [
        "water R1 officer", "water R1 head", "water T-1 officer", "water T-1 head",
    ]  # fmt: skip


@pytest.mark.usefixtures("store")
async def test_what_is_returned_long_after_the_deadline_is_told_to_the_unit_and_weekly_to_the_supervisor() -> None:
    await days_through(date(2026, 1, 4), date(2026, 2, 11))
    await report("2026-02-11 15:00")
    await give_back("2026-02-27 15:00")
    before = len(await told())
    await waves("2026-02-28", "2026-03-03")
    assert (await told())[before:] == [
        "water W2 supervisor", "water R1 officer", "water R1 head", "water W3 supervisor",
    ]  # fmt: skip


@pytest.mark.usefixtures("store")
async def test_each_return_is_told_once_and_in_its_own_tone() -> None:
    for day, due in (("2026-01-28", "2026-01-29"), ("2026-02-05", "2026-02-06")):
        await report(f"{day} 11:00")
        await give_back(f"{day} 12:00")
        await waves(due, f"{due} 10:01")
    rows = await fetch("SELECT rung, audience, tone FROM reminder WHERE rung LIKE 'R%' ORDER BY id")
    assert [" ".join(row.values()) for row in rows] == [
        "R1 officer urge", "R1 head urge", "R2 officer overdue", "R2 head overdue",
    ]  # fmt: skip


@pytest.mark.usefixtures("store")
async def test_what_was_undone_is_reminded_again() -> None:
    await report("2026-01-23 09:50")
    await waves("2026-01-23 10:00")
    await undo("2026-01-23 10:00")
    await waves("2026-01-23 10:01")
    assert await told() == ["water T-5 officer", "water T-5 head"]


@pytest.mark.usefixtures("store")
async def test_a_clock_set_back_raises_nothing_twice() -> None:
    await waves("2026-01-04", "2026-01-16", "2026-01-05", "2026-01-16", "2025-12-31", "2026-01-16")
    assert await told() == ["water T-20 officer", "water T-10 officer"]


@pytest.mark.usefixtures("study")
async def test_only_those_behind_pace_hear_of_a_checkpoint() -> None:
    await waves("2026-01-30", law=STUDY)
    await count("2026-02-01 11:00", "宪法")
    await waves("2026-02-28", law=STUDY)
    await count("2026-03-01 11:00", "民法典")
    await count("2026-03-02 11:00", "行政处罚法")
    await waves("2026-03-31", law=STUDY)
    assert await told() == ["water P01 officer", "water P01 head", "water P02 officer", "water P02 head"]


async def test_the_pace_of_a_unit_that_entered_in_july_is_that_of_its_share(database_url: str) -> None:
    async with fresh(database_url):
        await enter(water={"from": date(2026, 7, 1)})
        await plan(STUDY, "2026-07-01")
        await count("2026-07-20 11:00")
        await waves("2026-07-31", "2026-08-31", law=STUDY)
        assert await told() == ["water P08 officer", "water P08 head"]


@pytest.mark.usefixtures("study")
async def test_a_checkpoint_missed_by_downtime_reaches_those_who_acknowledged_the_thinner_ladder() -> None:
    await acknowledge("2026-11-01 11:00")
    await waves("2026-11-27", "2026-12-04", law=STUDY)
    assert (await told())[-2:] == ["water P11 officer late", "water P11 head late"]


class Moved(WorkCalendar):
    """A calendar in which what lies before a deadline comes a working day earlier."""

    def add(self, day: date, n: int) -> date:
        return super().add(day, n - 1 if n < 0 else n)

    def digest(self) -> str:
        return "moved"


@pytest.mark.usefixtures("store")
async def test_a_rung_that_a_new_calendar_moved_behind_today_is_not_lost() -> None:
    await waves("2026-01-04", "2026-01-16", "2026-01-22")
    await wave(LAW, "2026-01-23 10:00", Moved.shipped())
    assert (await told())[2:] == ["water T-5 officer late", "water T-5 head late"]


@pytest.mark.usefixtures("store")
async def test_whoever_is_planned_while_a_wave_runs_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    await waves("2026-01-04")
    real = statements.insert_reminders

    async def slow(term: int, *rest: Any) -> int:
        monkeypatch.setattr(statements, "insert_reminders", real)
        raised = await real(term, *rest)
        await enter("2026-01-16", water={}, tax={})
        await plan(LAW, "2026-01-16")
        return raised

    monkeypatch.setattr(statements, "insert_reminders", slow)
    await waves("2026-01-16 10:00", "2026-01-16 10:01")
    assert (await told())[1:] == ["water T-10 officer", "tax T-10 officer"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_two_replicas_raise_at_once_and_everybody_is_told_once() -> None:
    await enter(**{f"unit{number}": {"office_opens": "10:00"} for number in range(50)})
    await plan(LAW, "2026-01-02")
    raised = await asyncio.gather(*(wave(LAW, "2026-01-23 10:00") for _ in range(4)))
    assert sum(raised) == len(await told()) == 51 * 2


@pytest.mark.parametrize("step", [(statements, "insert_reminders"), (planned, "raised")], ids=lambda step: step[1])
@pytest.mark.usefixtures("store")
async def test_a_crash_after_any_step_of_a_wave_loses_nothing(step: tuple[object, str]) -> None:
    real = getattr(*step)

    async def dying(*args: Any, **named: Any) -> None:
        await real(*args, **named)
        raise RuntimeError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*step, dying)
        with pytest.raises(RuntimeError):
            await waves("2026-01-23")
    await waves("2026-01-23 10:01")
    assert sorted(await told()) == ["water T-5 head", "water T-5 officer"]


ENDING = Ladder.model_validate({"code": "ending", "rung": [rung.model_dump() for rung in LADDERS["default"].rung[:3]]})


async def test_a_ladder_that_ends_leaves_obligations_uncovered(database_url: str) -> None:
    law = registry(duty("report", JANUARY, ONCE, ladder="ending"), ladders={"ending": ENDING})
    async with fresh(database_url):
        await enter(water={})
        await plan(law, "2026-01-01")
        for day, found in (("2026-01-04", {}), ("2026-01-16", {}), ("2026-01-23", {"report": ["2025"]})):
            await waves(day, law=law)
            assert await reminding.uncovered(law, CALENDAR, date.fromisoformat(day)) == found


@pytest.mark.usefixtures("store")
async def test_a_duty_that_left_the_registry_stops_no_wave_and_is_told_as_uncovered() -> None:
    other = registry(duty("other", JANUARY, ONCE))
    await plan(other, "2026-01-02")
    assert await wave(other, "2026-01-04 10:00") == 1
    assert await reminding.uncovered(other, CALENDAR, date(2026, 1, 4)) == {"report": ["2025"]}


@pytest.fixture(scope="module")
def law_of_2026() -> Any:
    return shipped()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_open_obligation_has_a_next_touch_on_any_day_of_2026(database_url: str, law_of_2026: Any) -> None:
    tags = ["government", "department", "enforcement", "township", "justice", "finance", "coordination"]
    async with fresh(database_url):
        await enter(all={"jurisdiction": "新疆维吾尔自治区/昌吉州/昌吉市", "tags": tags})
        await plan(law_of_2026, "2026-01-01")
        for day in (date(2026, 1, 1) + timedelta(days=days) for days in range(0, 365, 7)):
            await execute("UPDATE term SET raised_through = :day WHERE opens <= :day", day=day)
            assert await reminding.uncovered(law_of_2026, CALENDAR, day) == {}
