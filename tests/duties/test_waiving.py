"""免办, 恢复办理, 进展 and 转办: who may, what is put back, what comes again by itself, and what two at once do."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from duties import obligations
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import Actor, Role
from duties.obligations import Done
from duties.store import case_rows, chains, reading
from duties.store.chains import StaleError
from duties.store.database import execute, fetch, transaction
from duties.store.verifying import silent_changes
from tests.duties.town import (
    JANUARY,
    SUPERVISOR,
    acknowledge,
    at,
    close,
    duty,
    enter,
    fresh,
    give_back,
    head_of,
    moment,
    only,
    owed,
    plan,
    registry,
    report,
    scope,
    somebody,
    told,
    undo,
    wave,
)  # fmt: skip

LAW = registry(duty("report", JANUARY, scope(in_force_to=date(2026, 12, 31))))
DAY, LATER = "2026-01-20", "2026-01-21"
STATES = ("pending", "acknowledged", "reported", "closed", "returned", "waived", "cancelled")
OPEN = {"pending", "acknowledged", "returned"}


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(water={})
        await plan(LAW, "2026-01-05")
        yield


async def waive(when: str = DAY, until: str = "", reason: str = "机构已撤并", actor: Actor = SUPERVISOR) -> Done:
    one = await only()
    async with transaction():
        last = date.fromisoformat(until) if until else None
        return await obligations.waive(actor, one.id, reason, moment(when), last)


async def unwaive(when: str = DAY, actor: Actor = SUPERVISOR) -> Done:
    one = await only()
    async with transaction():
        return await obligations.unwaive(actor, one.id, moment(when))


async def note(when: str = DAY, text: str = "已完成初稿", actor: Actor | None = None) -> Done:
    one = await only()
    async with transaction():
        return await obligations.note(actor or await head_of(one), one.id, text, moment(when))


async def assign(person: int | None, when: str = DAY, actor: Actor | None = None) -> Done:
    one = await only()
    async with transaction():
        return await obligations.assign(actor or await head_of(one), one.id, person, "李科员", moment(when))


async def over(when: str) -> list[int]:
    """What the loop does every day."""
    found = await obligations.waivers_over(at(when).date())
    async with transaction():
        await execute("UPDATE chore SET done = done")
        for number in found:
            await obligations.end_waiver(number, at(when).date(), at(when))
    return found


async def refusal(act: Awaitable[Done]) -> str:
    with pytest.raises(RefusedError) as caught:
        await act
    return caught.value.key


async def row() -> dict[str, Any]:
    (found,) = await fetch("SELECT state, tally, done_on, reason, waived_until, assignee FROM obligation")
    return {**found, "waived_until": str(found["waived_until"])}


async def put(state: str) -> None:
    await execute("UPDATE obligation SET state = :state", state=state)


async def lines() -> list[dict[str, Any]]:
    return await chains.history(StreamRef("obligation", (await only()).id))


async def actions() -> list[str]:
    return [line["action"] for line in await lines()]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("state", STATES)
async def test_what_is_open_is_waived_noted_and_assigned_and_nothing_else(state: str) -> None:
    acts: list[Callable[[], Awaitable[Done]]] = [waive, note, lambda: assign(5)]
    for act in acts:
        await put(state)
        if state in OPEN:
            await act()
            await execute("UPDATE obligation SET assignee = NULL, reason = ''")
        else:
            assert await refusal(act()) == "refused-state"
            assert (await only()).state == state


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("state", [state for state in STATES if state != "waived"])
async def test_only_what_is_waived_is_taken_back(state: str) -> None:
    await put(state)
    assert await refusal(unwaive()) == "refused-state"


@pytest.mark.usefixtures("store")
async def test_a_waiver_is_given_from_above_and_never_by_anybody_of_the_unit() -> None:
    one = await only()
    elsewhere = somebody((Role.SUPERVISOR, 9), over="/77/")
    own_supervisor = somebody((Role.SUPERVISOR, one.unit_id))
    assert await refusal(waive(actor=elsewhere)) == "refused-not-supervisor"
    assert await refusal(waive(actor=own_supervisor)) == "refused-waive-own"
    assert await refusal(waive(actor=await head_of(one))) == "refused-waive-own"
    await waive()
    assert await refusal(unwaive(actor=own_supervisor)) == "refused-waive-own"
    assert await refusal(unwaive(actor=elsewhere)) == "refused-not-supervisor"


@pytest.mark.usefixtures("store")
async def test_a_waived_obligation_says_why_until_when_and_is_not_overdue() -> None:
    one = (await waive(until="2026-12-31")).obligation
    assert (one.state, one.reason, one.waived_until) == ("waived", "机构已撤并", date(2026, 12, 31))
    assert not one.overdue(date(2027, 1, 1))
    payload = json.loads((await lines())[-1]["payload"])
    assert (payload["name"], payload["reason"], payload["until"]) == ("某人", "机构已撤并", "2026-12-31")
    assert await silent_changes() == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(("until", "key"), [("2026-01-19", "refused-waiver-past"), (DAY, "")])
async def test_a_waiver_ends_today_at_the_earliest(until: str, key: str) -> None:
    assert await refusal(waive(until=until)) == key if key else await waive(until=until)


@pytest.mark.usefixtures("store")
async def test_nobody_is_reminded_of_what_is_waived() -> None:
    await waive()
    assert await wave(LAW, "2026-01-30 11:00") == 0
    assert await told() == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("until", "today", "again"), [("2026-01-25", "2026-01-25", False), ("2026-01-25", "2026-01-26", True)]
)
async def test_after_its_last_day_a_waiver_is_over(until: str, today: str, *, again: bool) -> None:
    await waive(until=until)
    assert bool(await over(today)) == again
    one = await only()
    assert (one.state, one.reason) == (("pending", "") if again else ("waived", "机构已撤并"))
    assert (await actions())[-1] == ("reopen" if again else "waive")
    assert await over(today) == []
    assert await silent_changes() == []


@pytest.mark.usefixtures("store")
async def test_what_was_due_long_before_a_waiver_ended_is_owed_again_and_the_unit_is_told_once() -> None:
    await wave(LAW, "2026-02-27 11:00")
    before = await told(superseded=True) + await told()
    await waive("2026-03-02", until="2026-06-30")
    assert await over("2026-07-01")
    assert (await only()).overdue(at("2026-07-01").date())
    await wave(LAW, "2026-07-01 11:00")
    new = [line for line in await told() if line not in before]
    assert {"water W260630 officer", "water W260630 head"} <= set(new)
    await wave(LAW, "2026-07-02 11:00")
    assert (await told()).count("water W260630 officer") == 1


@pytest.mark.usefixtures("store")
async def test_the_unit_is_told_when_a_waiver_is_taken_back_but_not_at_night() -> None:
    await waive()
    await unwaive()
    await wave(LAW, "2026-01-20 08:00")
    assert await told() == []
    await wave(LAW, "2026-01-20 11:00")
    assert {"water W260120 officer", "water W260120 head"} <= set(await told())


@pytest.mark.usefixtures("store")
async def test_a_waiver_for_good_never_ends_by_itself() -> None:
    await waive()
    assert await over("2030-01-01") == []


@pytest.mark.usefixtures("store")
async def test_a_unit_that_owes_it_no_longer_does_not_get_it_back() -> None:
    await waive(until="2026-01-25")
    await enter("2026-01-21", water={"to": "2026-01-22"})
    assert await over("2026-01-26")
    await plan(LAW, "2026-01-26")
    assert await owed() == ["water report 2025 cancelled"]


@pytest.mark.usefixtures("store")
async def test_what_belongs_to_a_withdrawn_case_stays_waived() -> None:
    one = await only()
    await waive(until="2026-01-25")
    await execute(
        "INSERT INTO casefile (duty, unit_id, event_on, document, subject, pauses, state, version, opened_at)"
        " VALUES ('report', :unit, :on, '', '', '[]', 'withdrawn', 1, :now)",
        unit=one.unit_id, on=date(2026, 1, 1), now=at(DAY),
    )  # fmt: skip
    await execute("UPDATE term SET case_id = (SELECT id FROM casefile)")
    assert await over("2026-01-26") == []
    assert await refusal(unwaive("2026-01-26")) == "refused-case-over"
    assert (await case_rows.of_obligation(one.id)) is not None


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("state", sorted(OPEN))
async def test_undo_puts_back_what_was_before(state: str) -> None:
    await report(DAY)
    await give_back(DAY)
    await put(state)
    before = await row()
    acts: list[tuple[Callable[[], Awaitable[Done]], Actor | None]] = [
        (lambda: waive(until="2026-12-31"), SUPERVISOR), (note, None), (lambda: assign(5), None),
    ]  # fmt: skip
    for act, actor in acts:
        await act()
        done = await undo(DAY, actor)
        assert await row() == before
        assert done.undone in {"waive", "note", "assign"}
    assert await silent_changes() == []


@pytest.mark.usefixtures("store")
async def test_undo_of_taking_back_waives_again_until_the_same_day() -> None:
    await waive(until="2026-12-31")
    before = await row()
    await unwaive()
    assert (await only()).state == "pending"
    await undo(DAY, SUPERVISOR)
    assert await row() == before


@pytest.mark.usefixtures("store")
async def test_a_waiver_put_back_after_its_last_day_is_found_the_next_day() -> None:
    await waive("2026-01-25", until="2026-01-25")
    await unwaive("2026-01-25 23:58")
    assert await over("2026-01-26") == []
    await undo("2026-01-26 00:05", SUPERVISOR)
    assert await over("2026-01-27")
    assert (await only()).state == "pending"


@pytest.mark.usefixtures("store")
async def test_a_waiver_cannot_be_undone_once_it_was_taken_back_by_another() -> None:
    await waive()
    await unwaive(actor=somebody((Role.SUPERVISOR, 10_001), number=3))
    assert await refusal(undo(DAY, SUPERVISOR)) == "refused-acted-since"


@pytest.mark.usefixtures("store")
async def test_a_note_acknowledges_what_was_pending_and_reports_nothing() -> None:
    first = await note()
    second = await note(text="已报领导审阅")
    assert (first.obligation.state, second.obligation.done_on) == ("acknowledged", None)
    assert [json.loads(line["payload"])["note"] for line in await lines()] == ["已完成初稿", "已报领导审阅"]
    await put("returned")
    assert (await note()).obligation.state == "returned"
    assert await refusal(note(actor=SUPERVISOR)) == "refused-not-yours"


@pytest.mark.usefixtures("store")
async def test_only_the_head_assigns_and_the_assignment_outlasts_other_acts() -> None:
    one = await only()
    assert await refusal(assign(5, actor=somebody((Role.OFFICER, one.unit_id)))) == "refused-head-only"
    assert await refusal(assign(5, actor=SUPERVISOR)) == "refused-head-only"
    assert await refusal(assign(None)) == "refused-not-assigned"
    await assign(5)
    assert await refusal(assign(5)) == "refused-assigned-so"
    for act in (acknowledge, report, close):
        assert (await act(DAY)).obligation.assignee == 5
    await give_back(DAY)
    assert (await assign(None)).obligation.assignee is None
    assert await silent_changes() == []


@pytest.mark.usefixtures("store")
async def test_every_act_follows_from_the_one_before() -> None:
    for act in (note(), assign(5), waive(until="2026-02-28"), unwaive(), acknowledge(DAY)):
        await act
    payloads = [json.loads(line["payload"]) for line in await lines()]
    assert await actions() == ["note", "assign", "waive", "unwaive", "acknowledge"]
    assert all(one["after"] == following["before"] for one, following in pairwise(payloads))
    assert await silent_changes() == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("column", ["waived_until = '2027-12-31'", "assignee = 7", "reason = 'another'"])
async def test_a_waiver_or_an_assignment_changed_behind_the_ledger_shows(column: str) -> None:
    await assign(5)
    await waive(until="2026-12-31")
    await execute(f"UPDATE obligation SET {column}")
    (fault,) = await silent_changes()
    assert fault.reason.startswith(f"{column.split(maxsplit=1)[0]} is ")


async def at_once(*acts: Awaitable[Done]) -> list[object]:
    found = await asyncio.gather(*acts, return_exceptions=True)
    assert all(isinstance(one, Done | StaleError | RefusedError) for one in found), found
    return [one for one in found if isinstance(one, Done)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_of_a_waiver_and_a_report_at_once_one_stands_and_the_other_is_asked_again() -> None:
    assert len(await at_once(waive(), report(DAY))) == 1
    assert len(await lines()) == 1
    assert await silent_changes() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_of_a_return_and_an_undo_at_once_one_stands() -> None:
    await report(DAY)
    assert len(await at_once(give_back(DAY), undo(DAY))) == 1
    assert (await only()).state in {"returned", "pending"}
    assert await silent_changes() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_of_undoing_and_taking_back_a_waiver_at_once_one_stands() -> None:
    await acknowledge(DAY)
    await waive()
    another = somebody((Role.SUPERVISOR, 10_001), number=3)
    assert len(await at_once(undo(DAY, SUPERVISOR), unwaive(actor=another))) == 1
    assert len(await lines()) == 3
    assert await silent_changes() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_a_head_who_assigns_while_an_officer_acknowledges_loses_neither() -> None:
    async def until_done(act: Any, *given: Any) -> None:
        while True:
            try:
                await act(*given)
            except StaleError:
                continue
            return

    await asyncio.gather(until_done(assign, 5), until_done(acknowledge, DAY))
    one = await only()
    assert (one.state, one.assignee) == ("acknowledged", 5)
    assert await silent_changes() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_the_daily_chore_overrules_nobody_who_was_first() -> None:
    await waive(until="2026-01-20")
    found = await obligations.waivers_over(date(2026, 1, 21))
    await unwaive(LATER)
    await report(LATER)
    async with transaction():
        for number in found:
            await obligations.end_waiver(number, date(2026, 1, 21), at(LATER))
    assert (await only()).state == "reported"
    assert (await reading.obligation(found[0])) == await only()
