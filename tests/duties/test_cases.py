"""Events start clocks: opened, corrected, paused, withdrawn; what follows by itself; what the ledger says of it."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from duties import cases, clock, obligations, reminding
from duties.cases import Law, Opening, Recorded
from duties.clock import Pause
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import Actor, Evidence, Role, State, Stop
from duties.reading import shipped
from duties.registry import EventRule
from duties.store import case_rows, chains, reading
from duties.store.database import execute, fetch, transaction
from duties.store.verifying import silent_changes
from duties.workdays import WorkCalendar
from tests import almanac
from tests.duties.town import CALENDAR, enter, fresh, moment, somebody, take_back, told, wave

LAW = Law(shipped(), CALENDAR)
RULES = {duty.code: duty.rule for duty in LAW.registry.duties if isinstance(duty.rule, EventRule)}
OPINION, DECISION, REVIEW = "opinion-letter-rectification", "decision-letter-compliance", "legality-review"
RECEIVED = date(2026, 9, 18)


@pytest.fixture
async def units(database_url: str) -> AsyncIterator[dict[str, int]]:
    async with fresh(database_url):
        yield await entered()


async def entered() -> dict[str, int]:
    justice = {"parent": "gov", "tags": ["department", "justice", "supervision"]}
    await enter(gov={"tags": ["government"]}, justice=justice, water={"parent": "gov", "tags": ["department"]})
    return {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM unit")}


def supervisor(units: dict[str, int]) -> Actor:
    return somebody((Role.SUPERVISOR, units["justice"]), number=7)


def head(units: dict[str, int], unit: str = "water") -> Actor:
    return somebody((Role.HEAD, units[unit]), number=8, over="/nowhere/")


async def opened(
    units: dict[str, int], duty: str = OPINION, on: date = RECEIVED, *, by: date | None = None, unit: str = "water",
    actor: Actor | None = None, at: str = "2026-09-21", parent: int | None = None, subject: str = "",
) -> Recorded:  # fmt: skip
    opening = Opening(duty, units[unit], on, by, "昌司督〔2026〕3号", subject, parent)
    async with transaction():
        return await cases.open_case(actor or supervisor(units), LAW, opening, moment(at))


async def dues(case: int) -> dict[str, date]:
    return {one.duty: one.due for one in await case_rows.clocks(case)}


async def report(units: dict[str, int], number: int, day: str, when: str, unit: str = "water") -> Recorded | None:
    actor, now = head(units, unit), moment(when)
    async with transaction():
        done = await obligations.report(actor, number, Evidence("1号", date.fromisoformat(day)), now)
        assert done.obligation.done_on is not None
        return await cases.followed(actor, LAW, number, done.obligation.done_on, now)


async def verified() -> list[str]:
    return [f"{fault.place}: {fault.reason}" for fault in await silent_changes()]


async def test_one_letter_starts_every_clock_that_its_receipt_starts(units: dict[str, int]) -> None:
    done = await opened(units)
    assert [one.duty.code for one in done.clocks] == [OPINION, "opinion-letter-objection"]
    assert await dues(done.case.id) == {
        OPINION: date(2026, 10, 19),  # 30 days end on Sunday, October 18
        "opinion-letter-objection": date(2026, 10, 8),  # 15 days end in the holidays of October
    }
    assert await verified() == []


async def test_the_earlier_day_that_a_letter_names_governs_its_own_clock_alone(units: dict[str, int]) -> None:
    done = await opened(units, by=date(2026, 10, 9))
    assert await dues(done.case.id) == {OPINION: date(2026, 10, 9), "opinion-letter-objection": date(2026, 10, 8)}


@pytest.mark.parametrize(
    ("duty", "on", "by", "key"),
    [
        (DECISION, RECEIVED, None, "refused-day-needed"),
        (DECISION, RECEIVED, RECEIVED, "refused-named-day"),
        (OPINION, date(2026, 9, 22), None, "refused-future"),
        ("study-plan", RECEIVED, None, "refused-no-event"),
    ],
)
async def test_what_no_clock_can_start_from_is_refused(
    units: dict[str, int], duty: str, on: date, by: date | None, key: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        await opened(units, duty, on, by=by)
    assert refused.value.key == key
    assert await fetch("SELECT 1 FROM casefile UNION ALL SELECT 1 FROM obligation") == []


async def test_the_same_event_is_opened_once(units: dict[str, int]) -> None:
    first = await opened(units)
    with pytest.raises(RefusedError) as refused:
        await opened(units)
    assert (refused.value.key, refused.value.facts["number"]) == ("refused-case-exists", first.case.id)


async def test_a_letter_is_opened_by_its_supervisor_what_a_unit_does_by_the_unit_too(units: dict[str, int]) -> None:
    with pytest.raises(RefusedError) as refused:
        await opened(units, actor=head(units))
    assert refused.value.key == "refused-case-supervisor"
    assert (await opened(units, "licence-penalty-publication", actor=head(units))).case.unit_id == units["water"]
    with pytest.raises(RefusedError):
        await opened(units, "licence-penalty-publication", actor=head(units), unit="justice")


async def test_a_corrected_day_moves_every_deadline_and_the_ledger_keeps_the_old_ones(units: dict[str, int]) -> None:
    done = await opened(units)
    async with transaction():
        moved = await cases.amend(
            supervisor(units), LAW, done.case.id, moment("2026-09-22"), event_on=date(2026, 9, 21)
        )
    assert [(one.was_due, one.deadline.due) for one in moved.clocks] == [
        (date(2026, 10, 8), date(2026, 10, 8)), (date(2026, 10, 19), date(2026, 10, 21)),
    ]  # fmt: skip
    lines = await chains.history(StreamRef("case", done.case.id))
    assert [line["action"] for line in lines] == ["open", "amend"]
    assert '"due":"2026-10-19"' in lines[0]["payload"]
    assert '"was_due":"2026-10-19"' in lines[1]["payload"]
    assert await verified() == []


async def test_a_deadline_moved_behind_the_ledger_shows(units: dict[str, int]) -> None:
    await opened(units)
    async with transaction():
        await fetch("UPDATE term SET due = '2027-01-01' WHERE duty = :duty RETURNING id", duty=OPINION)
    assert any("the ledger says 2026-10-19" in fault for fault in await verified())


async def test_while_a_clock_stands_nobody_is_late_and_after_it_the_days_are_given_back(units: dict[str, int]) -> None:
    done = await opened(units, REVIEW, date(2026, 9, 1), unit="justice", at="2026-09-01")
    number, before = done.case.id, (await dues(done.case.id))[REVIEW]
    async with transaction():
        await cases.pause(supervisor(units), LAW, number, date(2026, 9, 7), moment("2026-09-07"))
    assert (await dues(number))[REVIEW] > date(2027, 1, 1)
    async with transaction():
        await cases.resume(supervisor(units), LAW, number, date(2026, 9, 11), moment("2026-09-11"))
    given = CALENDAR.between(date(2026, 9, 7), date(2026, 9, 11))
    assert (await dues(number))[REVIEW] == CALENDAR.add(before, given)
    assert await verified() == []


async def test_every_standstill_of_a_clock_is_given_back(units: dict[str, int]) -> None:
    number = (await opened(units, REVIEW, date(2026, 9, 1), unit="justice", at="2026-09-01")).case.id
    spells = [(date(2026, 9, 3), date(2026, 9, 7)), (date(2026, 9, 10), date(2026, 9, 15))]
    for noticed, received in spells:
        async with transaction():
            await cases.pause(supervisor(units), LAW, number, noticed, moment(str(noticed)))
        async with transaction():
            await cases.resume(supervisor(units), LAW, number, received, moment(str(received)))
    by_hand = almanac.counted(almanac.Almanac(), REVIEW, date(2026, 9, 1), spells=spells)
    assert (await dues(number))[REVIEW] == by_hand.due == date(2026, 9, 29)


async def test_what_was_reported_in_a_case_stays_reported_when_it_is_withdrawn(units: dict[str, int]) -> None:
    done = await opened(units)
    rectified = next(one for one in done.clocks if one.duty.code == OPINION)
    await report(units, rectified.obligation_id, "2026-09-21", "2026-09-21")
    async with transaction():
        await cases.withdraw(supervisor(units), LAW, done.case.id, "文书撤回", moment("2026-09-22"))
    states = {one.duty: one.state for one in await case_rows.clocks(done.case.id)}
    assert states == {OPINION: State.REPORTED, "opinion-letter-objection": State.CANCELLED}


async def test_materials_that_come_in_set_the_review_going_again(units: dict[str, int]) -> None:
    review = (await opened(units, REVIEW, date(2026, 9, 1), unit="justice", at="2026-09-01")).case.id
    async with transaction():
        await cases.pause(supervisor(units), LAW, review, date(2026, 9, 7), moment("2026-09-07"))
    materials = await opened(units, "legality-materials", date(2026, 9, 7), at="2026-09-07", parent=review)
    resumed = await report(units, materials.clocks[0].obligation_id, "2026-09-09", "2026-09-10")
    assert resumed is not None
    assert (resumed.case.id, resumed.case.paused) == (review, False)
    expected = clock.deadline(
        RULES[REVIEW], date(2026, 9, 1), CALENDAR, pauses=[Pause(date(2026, 9, 7), date(2026, 9, 9))]
    )
    assert (await dues(review))[REVIEW] == expected.due
    async with transaction():
        await take_back(head(units), moment("2026-09-10"))
    found = await case_rows.found(review)
    assert found is not None
    assert found.paused


async def test_a_report_taken_back_stops_no_clock_that_somebody_else_set_going(units: dict[str, int]) -> None:
    review = (await opened(units, REVIEW, date(2026, 9, 1), unit="justice", at="2026-09-01")).case.id
    async with transaction():
        await cases.pause(supervisor(units), LAW, review, date(2026, 9, 7), moment("2026-09-07"))
    materials = await opened(units, "legality-materials", date(2026, 9, 7), at="2026-09-07", parent=review)
    async with transaction():
        await cases.resume(supervisor(units), LAW, review, date(2026, 9, 8), moment("2026-09-08"))
    before = await dues(review)
    assert await report(units, materials.clocks[0].obligation_id, "2026-09-09", "2026-09-10") is None
    async with transaction():
        await take_back(head(units), moment("2026-09-10"))
    assert await dues(review) == before
    assert await verified() == []


async def test_a_clock_made_to_stand_behind_the_ledger_is_found(units: dict[str, int]) -> None:
    review = (await opened(units, REVIEW, date(2026, 9, 1), unit="justice", at="2026-09-01")).case.id
    async with transaction():
        await cases.pause(supervisor(units), LAW, review, date(2026, 9, 7), moment("2026-09-07"))
    (standing,) = await case_rows.clocks(review)
    assert standing.stop == Stop(date(2026, 9, 8), 11)
    assert await verified() == []
    await execute("UPDATE term SET stands_from = NULL")
    assert [fault.partition(": ")[2] for fault in await verified()] == ["stands from None; the ledger says 2026-09-08"]


async def test_an_objection_sent_back_and_made_again_keeps_its_review(units: dict[str, int]) -> None:
    done = await opened(units)
    right, _ = await objection(done.case.id)
    review = await report(units, right, "2026-09-28", "2026-09-29")
    assert review is not None
    for day, moved in (("2026-09-28", None), ("2026-09-30", date(2026, 10, 15))):
        async with transaction():
            await obligations.give_back(supervisor(units), right, "缺附件", moment("2026-09-30"))
        again = await report(units, right, day, "2026-09-30")
        assert (again.case.id, again.clocks[0].deadline.due) == (review.case.id, moved) if again else moved is None
    assert await dues(review.case.id) == {"objection-review": date(2026, 10, 15)}
    assert await verified() == []


async def test_an_event_is_not_moved_behind_the_notice_that_stopped_its_clock(units: dict[str, int]) -> None:
    review = (await opened(units, REVIEW, date(2026, 9, 1), unit="justice", at="2026-09-01")).case.id
    async with transaction():
        await cases.pause(supervisor(units), LAW, review, date(2026, 9, 7), moment("2026-09-07"))
    with pytest.raises(RefusedError) as refused:
        async with transaction():
            await cases.amend(supervisor(units), LAW, review, moment("2026-09-09"), event_on=date(2026, 9, 8))
    assert refused.value.key == "refused-pause-before"


LONGER = """
[2026]
notice = [{ title = "国务院办公厅关于延长2026年国庆节假期的通知", issued = 2026-09-22 }]
holiday = [
    { name_zh = "国庆节", name_en = "National Day", first = 2026-10-01, last = 2026-10-15, work = [2026-09-20] },
]
"""


async def test_another_calendar_moves_the_cases_that_reach_into_it_and_no_other(
    units: dict[str, int], tmp_path: Path
) -> None:
    opinion, task = await opened(units), await opened(units, "assignment", by=date(2026, 10, 15))
    closed = await opened(units, "decision-publication", actor=head(units))
    review = await opened(units, REVIEW, date(2026, 9, 18), unit="justice")
    async with transaction():
        await cases.withdraw(supervisor(units), LAW, closed.case.id, "登记有误", moment("2026-09-21"))
        await cases.pause(supervisor(units), LAW, review.case.id, date(2026, 9, 21), moment("2026-09-21"))
    (tmp_path / "longer.toml").write_text(LONGER, encoding="utf-8")
    law = Law(LAW.registry, WorkCalendar.load(tmp_path / "longer.toml"))
    for _ in range(2):
        for number in await case_rows.running():
            async with transaction():
                await cases.rearranged(law, number, moment("2026-09-23"))
    assert await dues(opinion.case.id) == {
        OPINION: date(2026, 10, 19), "opinion-letter-objection": date(2026, 10, 16),
    }  # fmt: skip
    (clock_,) = await case_rows.clocks(task.case.id)
    assert (clock_.due, clock_.advise_by) == (date(2026, 10, 15), date(2026, 9, 30))
    for case, actions, version in (
        (opinion, ["open", "calendar"], 2), (task, ["open", "calendar"], 1), (closed, ["open", "withdraw"], 2),
        (review, ["open", "pause"], 2),
    ):  # fmt: skip
        assert [line["action"] for line in await chains.history(StreamRef("case", case.case.id))] == actions
        found = await case_rows.found(case.case.id)
        assert found is not None
        assert found.version == version  # each version is told once
    assert await verified() == []


async def test_an_objection_opens_its_review_on_the_supervisors_side(units: dict[str, int]) -> None:
    done = await opened(units)
    objection = next(one for one in done.clocks if one.duty.code == "opinion-letter-objection")
    follower = await report(units, objection.obligation_id, "2026-09-28", "2026-09-29")
    assert follower is not None
    assert (follower.case.duty, follower.case.unit_id) == ("objection-review", units["justice"])
    assert follower.case.parent_id == done.case.id
    assert follower.clocks[0].deadline.due == date(2026, 10, 13)
    async with transaction():
        await take_back(head(units), moment("2026-09-29"))
    gone = await case_rows.found(follower.case.id)
    assert gone is not None
    assert gone.state == "withdrawn"


async def test_a_right_lapses_and_is_never_overdue(units: dict[str, int]) -> None:
    await opened(units)
    assert await cases.lapsed(LAW.registry, date(2026, 10, 8)) == []
    (number,) = await cases.lapsed(LAW.registry, date(2026, 10, 9))
    one = await reading.obligation(number)
    assert one is not None
    assert one.duty == "opinion-letter-objection"


async def objection(case: int) -> tuple[int, State]:
    """The right of a case: its obligation and where it stands."""
    (right,) = [one for one in await case_rows.clocks(case) if one.duty == "opinion-letter-objection"]
    return right.obligation_id, right.state


async def test_a_right_already_past_when_its_letter_is_recorded_is_over_at_once(units: dict[str, int]) -> None:
    done = await opened(units, on=date(2026, 9, 1))
    assert (await objection(done.case.id))[1] == State.CANCELLED
    assert await verified() == []


async def test_a_right_recorded_on_its_last_day_can_be_used_that_day(units: dict[str, int]) -> None:
    done = await opened(units, on=date(2026, 9, 4), at="2026-09-20")
    assert (await dues(done.case.id))["opinion-letter-objection"] == date(2026, 9, 20)
    assert (await objection(done.case.id))[1] == State.PENDING


async def test_a_right_lapses_or_runs_again_with_the_corrected_day(units: dict[str, int]) -> None:
    case = (await opened(units, on=date(2026, 9, 1))).case.id
    for on, standing in ((date(2026, 9, 11), State.PENDING), (date(2026, 9, 2), State.CANCELLED)):
        async with transaction():
            await cases.amend(supervisor(units), LAW, case, moment("2026-09-21"), event_on=on)
        assert (await objection(case))[1] == standing
    assert await verified() == []


async def test_a_right_needs_no_touch_on_its_last_days_for_it_ends_by_itself(units: dict[str, int]) -> None:
    due = (await dues((await opened(units)).case.id))["opinion-letter-objection"]
    await execute("UPDATE term SET raised_through = :due", due=due)
    assert await reminding.uncovered(LAW.registry, CALENDAR, due) == {}
    after = await reminding.uncovered(LAW.registry, CALENDAR, due + timedelta(days=1))
    assert after == {"opinion-letter-objection": ["C1"]}  # nobody let it lapse


async def test_two_objections_of_one_day_open_two_reviews(units: dict[str, int]) -> None:
    letters = [await opened(units), await opened(units, on=date(2026, 9, 17))]
    reviews = [await report(units, (await objection(one.case.id))[0], "2026-09-22", "2026-09-22") for one in letters]
    assert [one.case.parent_id for one in reviews if one is not None] == [one.case.id for one in letters]


async def test_materials_dated_before_the_notice_let_the_clock_go_on_from_where_it_stood(units: dict[str, int]) -> None:
    case = (await opened(units, REVIEW, unit="justice")).case.id
    before = await dues(case)
    async with transaction():
        await cases.pause(supervisor(units), LAW, case, date(2026, 9, 21), moment("2026-09-21"))
    wanted = await opened(units, "legality-materials", date(2026, 9, 21), parent=case)
    resumed = await report(units, wanted.clocks[0].obligation_id, "2026-09-20", "2026-09-22")
    assert resumed is not None
    assert not resumed.case.paused
    assert await dues(case) == before


async def test_a_withdrawn_case_is_owed_no_longer(units: dict[str, int]) -> None:
    done = await opened(units)
    async with transaction():
        await cases.withdraw(supervisor(units), LAW, done.case.id, "文书撤回", moment("2026-09-22"))
    assert {one.state for one in await case_rows.clocks(done.case.id)} == {State.CANCELLED}
    with pytest.raises(RefusedError) as refused:
        async with transaction():
            await cases.amend(supervisor(units), LAW, done.case.id, moment("2026-09-23"), event_on=RECEIVED)
    assert refused.value.key == "refused-case-over"
    assert await verified() == []


async def test_the_unit_is_told_at_its_next_office_hour_and_again_when_dates_move(units: dict[str, int]) -> None:
    done = await opened(units, "urge-letter-response", date(2026, 9, 18), by=date(2026, 10, 30))
    await wave(LAW.registry, "2026-09-20 12:00")  # a working Sunday before the October holidays
    await wave(LAW.registry, "2026-09-21 09:00")
    before = await told()
    await wave(LAW.registry, "2026-09-21 10:00")
    assert set(await told()) - set(before) <= {"water C1 officer", "water C1 head"}
    async with transaction():
        await cases.amend(supervisor(units), LAW, done.case.id, moment("2026-09-22"), named_on=date(2026, 10, 20))
    await wave(LAW.registry, "2026-09-22 10:00")
    await wave(LAW.registry, "2026-09-22 11:00")
    assert (await told()).count("water C2 head") == 1


async def test_reminders_aim_at_the_cautious_day_and_end_with_the_report(units: dict[str, int]) -> None:
    done = await opened(units)
    clocks = {one.duty.code: one for one in done.clocks}
    aim = clocks[OPINION].deadline.advise_by
    await wave(LAW.registry, f"{CALENDAR.add(aim, -1)} 10:00")
    raised = await fetch(
        "SELECT rung FROM reminder WHERE obligation_id = :id AND NOT superseded", id=clocks[OPINION].obligation_id
    )
    assert "T-1" in {row["rung"] for row in raised}
