"""Co-responsible units: planned by tags, answered each for itself; what is reported has no open part, ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duties import obligations, shares
from duties.errors import RefusedError
from duties.model import Actor, Evidence, Obligation, Role
from duties.snoozing import TIMES
from duties.store import reading, share_rows
from duties.store.chains import StaleError
from duties.store.database import execute, fetch, transaction
from duties.store.reading import Filter
from duties.store.verifying import silent_changes
from tests.duties.town import (
    EVIDENCE,
    JANUARY,
    at,
    counted,
    duty,
    enter,
    fresh,
    moment,
    only,
    plan,
    registry,
    scope,
    somebody,
    take_back,
    told,
    wave,
)  # fmt: skip

ONE_YEAR = date(2026, 12, 31)
LAW = registry(duty("both", JANUARY, scope("performance", "justice", joint=True, in_force_to=ONE_YEAR)))
OFFICE, BUREAU, SECOND = {"tags": ["performance"]}, {"tags": ["justice"]}, {"tags": ["justice"]}
DAY = "2026-01-20"
SUPERVISOR = somebody((Role.SUPERVISOR, 10_000), number=2)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        yield


@pytest.fixture
async def joint(store: None) -> AsyncIterator[None]:
    await enter(office=OFFICE, bureau=BUREAU, second=SECOND)
    await plan(LAW, "2026-01-05")
    yield
    assert await silent_changes() == []


async def parts() -> list[str]:
    """Every part in one line: lead, partner, state, reason."""
    rows = await fetch(
        "SELECT l.code AS lead, u.code, s.state, s.reason FROM share s JOIN unit u ON u.id = s.unit_id"
        " JOIN obligation o ON o.id = s.obligation_id JOIN unit l ON l.id = o.unit_id ORDER BY l.code, u.code"
    )
    return [" ".join(filter(None, row.values())) for row in rows]


async def unit(code: str) -> int:
    (row,) = await fetch("SELECT id FROM unit WHERE code = :code", code=code)
    return int(row["id"])


async def of(code: str) -> Actor:
    number = await unit(code)
    return somebody((Role.HEAD, number), number=100 + number)


async def lead() -> Obligation:
    found = await reading.obligations(Filter())
    return next(one for one in found if one.state != "cancelled")


async def answer(code: str, when: str = DAY, note: str = "已办") -> shares.Part:
    one = await lead()
    async with transaction():
        return await shares.answer(await of(code), one.id, await unit(code), Evidence(note=note), moment(when))


async def acknowledge(code: str) -> shares.Part:
    one = await lead()
    async with transaction():
        return await shares.acknowledge(await of(code), one.id, await unit(code), moment(DAY))


async def release(code: str) -> shares.Part:
    one = await lead()
    async with transaction():
        return await shares.release(SUPERVISOR, one.id, await unit(code), "不涉及", moment(DAY))


async def report(evidence: Evidence = EVIDENCE) -> str:
    one = await lead()
    async with transaction():
        return (await obligations.report(await of("office"), one.id, evidence, moment(DAY))).action


async def give_back(*codes: str) -> object:
    one = await lead()
    units = [await unit(code) for code in codes]
    async with transaction():
        return await shares.give_back(SUPERVISOR, one.id, units, "重报", moment(DAY))


async def undo(code: str = "", actor: Actor | None = None) -> object:
    async with transaction():
        return await take_back(actor or await of(code), moment(DAY))


async def refusal(act: Awaitable[object]) -> str:
    with pytest.raises(RefusedError) as caught:
        await act
    return caught.value.key


@pytest.mark.usefixtures("joint")
async def test_a_joint_obligation_has_a_part_for_every_partner_and_planning_again_adds_none() -> None:
    assert await parts() == ["office bureau pending", "office second pending"]
    await enter(office=OFFICE, bureau=BUREAU, second=SECOND, other={})
    assert (await plan(LAW, "2026-01-06")).partners == 0
    assert len(await parts()) == 2


@pytest.mark.usefixtures("store")
async def test_partners_are_of_the_leads_level() -> None:
    await enter(office=OFFICE, bureau=BUREAU, town={**BUREAU, "jurisdiction": "区/县/镇"})
    await plan(LAW, "2026-01-05")
    assert await parts() == ["office bureau pending"]


@pytest.mark.usefixtures("joint")
async def test_who_loses_the_tag_is_released_and_taken_back_on_return_but_an_answer_stays() -> None:
    await answer("second")
    await enter("2026-01-06", office=OFFICE, bureau={"tags": []}, second={"tags": []})
    assert (await plan(LAW, "2026-01-06")).partners == 1
    assert await parts() == ["office bureau released membership", "office second answered"]
    await report()
    await give_back()
    await enter("2026-01-07", office=OFFICE, bureau=BUREAU, second=SECOND)
    await plan(LAW, "2026-01-07")
    assert await parts() == ["office bureau pending", "office second answered"]


@pytest.mark.usefixtures("joint")
async def test_who_a_supervisor_released_planning_does_not_take_back() -> None:
    await release("bureau")
    await enter("2026-01-06", office=OFFICE, bureau=BUREAU, second=SECOND, other={})
    await plan(LAW, "2026-01-06")
    assert await parts() == ["office bureau released 不涉及", "office second pending"]


@pytest.mark.usefixtures("joint")
async def test_what_is_reported_gets_no_partner() -> None:
    await release("bureau")
    await release("second")
    await report()
    await enter("2026-01-06", office=OFFICE, bureau=BUREAU, second=SECOND, third=BUREAU)
    await plan(LAW, "2026-01-06")
    assert len(await parts()) == 2


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM share", "partners"),
        ("UPDATE share SET state = 'answered'", "state is answered, the ledger says pending"),
        ("UPDATE share SET evidence = '[{}]'", "evidence is [{}], the ledger says []"),
    ],
)
async def test_a_part_that_vanishes_or_changes_shows(statement: str, fault: str) -> None:
    await enter(office=OFFICE, bureau=BUREAU)
    await plan(LAW, "2026-01-05")
    assert await silent_changes() == []
    await execute(statement)
    assert [one for one in await silent_changes() if fault in str(one)]


@pytest.mark.usefixtures("store")
async def test_a_part_that_a_person_added_shows_when_it_is_gone() -> None:
    law = registry(duty("plain", JANUARY, scope("performance", in_force_to=ONE_YEAR)))
    await enter(justice={**BUREAU, "parent": None}, office=OFFICE, other={})
    await plan(law, "2026-01-05")
    one = await only()
    async with transaction():
        await shares.add(SUPERVISOR, law.duty("plain"), one.id, await unit("other"), moment(DAY))
    assert await silent_changes() == []
    await execute("DELETE FROM share")
    assert [str(one.reason) for one in await silent_changes()] == ["is gone"]


@pytest.mark.usefixtures("store")
async def test_what_is_counted_has_no_partners() -> None:
    law = registry(duty("study", counted(2), scope("performance", in_force_to=ONE_YEAR)))
    await enter(office=OFFICE, other={})
    await plan(law, "2026-01-05")
    one = await only()
    act = shares.add(SUPERVISOR, law.duty("study"), one.id, await unit("other"), moment(DAY))
    assert await refusal(act) == "refused-share-counted"


@pytest.mark.usefixtures("joint")
async def test_only_the_partner_answers_and_only_what_is_open() -> None:
    one = await lead()
    act = shares.answer(await of("office"), one.id, await unit("bureau"), EVIDENCE, moment(DAY))
    assert await refusal(act) == "refused-not-yours"
    late = shares.answer(await of("bureau"), one.id, await unit("bureau"), Evidence(done_on=ONE_YEAR), moment(DAY))
    assert await refusal(late) == "refused-future"
    assert await refusal(shares.acknowledge(await of("office"), 999, 1, moment(DAY))) == "refused-no-such"
    assert await refusal(report(Evidence())) == "refused-partners-open"
    assert await report() == "show"
    assert ((await lead()).state, (await reading.evidence_of(one.id))[0]["number"]) == ("acknowledged", EVIDENCE.number)
    await acknowledge("bureau")
    assert await refusal(acknowledge("bureau")) == "refused-share-state"
    await answer("bureau")
    assert await refusal(answer("bureau")) == "refused-share-state"
    assert await refusal(release("bureau")) == "refused-share-state"
    assert await refusal(report(Evidence())) == "refused-partners-open"
    await answer("second")
    assert await report(Evidence()) == "report"
    assert await refusal(undo("second")) == "refused-acted-since"


@pytest.mark.usefixtures("joint")
async def test_a_partners_note_acknowledges_and_its_snooze_changes_nothing_and_neither_bars_the_lead() -> None:
    one, bureau, end = await lead(), await unit("bureau"), at("2026-01-21 15:00")
    async with transaction():
        await obligations.acknowledge(await of("office"), one.id, moment(DAY))
    async with transaction():
        await shares.snooze(await of("bureau"), one.id, bureau, end, 0, moment(DAY))
    assert "office bureau pending" in await parts()
    async with transaction():
        await shares.note(await of("bureau"), one.id, bureau, "在办", moment(DAY))
    assert "office bureau acknowledged" in await parts()
    for actor, when, times, key in (
        (await of("second"), end, 0, "refused-not-yours"),
        (await of("bureau"), None, 0, "refused-snooze-late"),
        (await of("bureau"), end, TIMES, "refused-snooze-often"),
    ):
        assert await refusal(shares.snooze(actor, one.id, bureau, when, times, moment(DAY))) == key
    assert await refusal(shares.note(await of("office"), one.id, bureau, "在办", moment(DAY))) == "refused-not-yours"
    await undo("bureau")
    assert "office bureau pending" in await parts()
    await undo("office")
    assert (await lead()).state == "pending"
    await undo("bureau")
    await release("bureau")
    assert await refusal(shares.note(await of("bureau"), one.id, bureau, "在办", moment(DAY))) == "refused-share-state"


@pytest.mark.usefixtures("joint")
async def test_a_part_that_was_sent_back_is_not_put_off_before_it_is_acknowledged() -> None:
    one, bureau, end = await lead(), await unit("bureau"), at("2026-01-21 15:00")
    await release("second")
    await answer("bureau")
    await report()
    await give_back("bureau")
    late = shares.snooze(await of("bureau"), one.id, bureau, end, 0, moment(DAY))
    assert await refusal(late) == "refused-snooze-returned"
    await acknowledge("bureau")
    async with transaction():
        await shares.snooze(await of("bureau"), one.id, bureau, end, 0, moment(DAY))


@pytest.mark.usefixtures("joint")
async def test_undoing_a_return_is_refused_once_there_is_somebody_to_wait_for() -> None:
    await release("second")
    await answer("bureau")
    await report()
    await give_back("bureau")
    await answer("bureau", note="更正")
    assert await refusal(undo(actor=SUPERVISOR)) == "refused-acted-since"


@pytest.mark.usefixtures("joint")
async def test_every_partner_hears_the_rungs_until_it_answers_and_once_each() -> None:
    await acknowledge("second")
    for day in range(5, 31):
        await wave(LAW, f"2026-01-{day:02d} 11:00")
        if day == 26:
            await answer("bureau", f"2026-01-{day:02d}")
    found = [line for line in await told() if "/" in line]
    numbers = {row["code"]: row["id"] for row in await fetch(
        "SELECT s.id, u.code FROM share s JOIN unit u ON u.id = s.unit_id"
    )}  # fmt: skip
    by_unit = {code: [line for line in found if line.endswith(f"/{number}")] for code, number in numbers.items()}
    assert {line.split()[2].split("/")[0] for line in by_unit["bureau"]} == {"officer", "head"}
    assert by_unit["second"]
    assert len(found) == len(set(found))
    before = len(await told())
    await answer("second", "2026-01-30")
    await wave(LAW, "2026-02-02 11:00")
    assert not [line for line in (await told())[before:] if "/" in line]


@pytest.mark.usefixtures("joint")
async def test_whoever_has_not_acknowledged_hears_more_often() -> None:
    for day in range(5, 31):
        await wave(LAW, f"2026-01-{day:02d} 11:00")
        if day == 6:
            await acknowledge("second")
    rows = await fetch(
        "SELECT u.code, COUNT(*) AS found FROM reminder m JOIN share s ON s.obligation_id = m.obligation_id"
        " AND m.audience = 'officer/' || CAST(s.id AS VARCHAR(16)) JOIN unit u ON u.id = s.unit_id"
        " WHERE NOT m.superseded GROUP BY u.code"
    )
    heard = {row["code"]: row["found"] for row in rows}
    assert heard["bureau"] > heard["second"]


ACTS = st.sampled_from([
    "answer bureau", "answer second", "acknowledge bureau", "acknowledge second", "undo bureau", "undo second",
    "undo office", "undo supervisor", "release bureau", "release second", "report", "return", "return bureau",
    "return both", "add bureau", "take",
])  # fmt: skip


async def act(name: str) -> object:
    verb, _, who = name.partition(" ")
    if verb in {"answer", "acknowledge", "release"}:
        return await {"answer": answer, "acknowledge": acknowledge, "release": release}[verb](who)
    if verb == "undo":
        return await undo(actor=SUPERVISOR if who == "supervisor" else await of(who))
    if verb == "report":
        return await report()
    if verb == "return":
        return await give_back(*{"": (), "bureau": ("bureau",), "both": ("bureau", "second")}[who])
    one = await lead()
    async with transaction():
        if verb == "add":
            return await shares.add(SUPERVISOR, LAW.duty("both"), one.id, await unit("bureau"), moment(DAY))
        return await obligations.acknowledge(await of("office"), one.id, moment(DAY))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("joint")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=st.lists(ACTS, min_size=4, max_size=14))
async def test_in_whatever_order_nothing_reported_has_an_open_part_and_no_answer_is_lost(names: list[str]) -> None:
    await execute("DELETE FROM share")
    await execute("DELETE FROM entry WHERE stream_id IN (SELECT id FROM stream WHERE kind = 'obligation')")
    await execute("DELETE FROM stream WHERE kind = 'obligation'")
    await execute("UPDATE obligation SET state = 'pending', done_on = NULL, evidence = '[]', reason = ''")
    one = await lead()
    await execute("UPDATE obligation SET backdated = :no", no=0)
    for code in ("bureau", "second"):
        await execute(
            "INSERT INTO share (obligation_id, unit_id, state, added, since, evidence, reason)"
            " VALUES (:one, :unit, 'pending', 'plan', '2026-01-05 00:00:00+00:00', '[]', '')",
            one=one.id, unit=await unit(code),
        )  # fmt: skip
    for name in names:
        before = {share.unit_id: share for share in await share_rows.of(one.id)}
        try:
            await act(name)
        except RefusedError:
            assert {share.unit_id: share for share in await share_rows.of(one.id)} == before
        now = await lead()
        held = await share_rows.of(one.id)
        assert now.state in {"pending", "acknowledged", "returned"} or not await share_rows.any_open(one.id), names
        for share in held:
            assert (share.state != "answered") or share.evidence, names
            was = before[share.unit_id]
            kept = share.evidence == was.evidence
            assert kept or name.startswith(("answer", "undo", "add")), names
    assert await silent_changes() == []


async def settled(*acts: Awaitable[Any]) -> list[object]:
    found = await asyncio.gather(*acts, return_exceptions=True)
    odd = [one for one in found if isinstance(one, BaseException) and not isinstance(one, StaleError | RefusedError)]
    assert odd == []
    return [one for one in found if not isinstance(one, BaseException)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("joint")
async def test_of_two_people_who_answer_one_part_at_once_one_is_recorded() -> None:
    assert len(await settled(answer("bureau", note="甲"), answer("bureau", note="乙"))) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("joint")
async def test_two_partners_who_answer_at_once_lose_neither_answer() -> None:
    async def until_done(code: str) -> None:
        while not await settled(answer(code)):
            pass

    await asyncio.gather(until_done("bureau"), until_done("second"))
    assert await parts() == ["office bureau answered", "office second answered"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("joint")
async def test_a_report_and_the_last_answer_at_once_lose_neither() -> None:
    await release("second")

    async def until_done(act: Callable[[], Awaitable[Any]]) -> None:
        while not await settled(act()):
            pass

    await asyncio.gather(until_done(report), until_done(lambda: answer("bureau")))
    if (await lead()).state == "acknowledged":
        assert await report(Evidence()) == "report"
    assert (await lead()).state == "reported"
    assert (await reading.evidence_of((await lead()).id))[0]["number"] == EVIDENCE.number


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("joint")
@pytest.mark.parametrize("turn", range(5))
async def test_a_report_and_a_new_partner_at_once_never_leave_a_report_with_an_open_part(turn: int) -> None:
    await release("bureau")
    await release("second")
    await enter("2026-01-06", office=OFFICE, bureau=BUREAU, second=SECOND, third=BUREAU)

    async def reported() -> object:
        await asyncio.sleep(turn * 0.01)
        return await report()

    await settled(reported(), plan(LAW, "2026-01-20"))
    one = await lead()
    open_parts = await share_rows.any_open(one.id)
    assert (one.state == "reported") != open_parts
