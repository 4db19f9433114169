"""The checklist of standing obligations: what binds whom, how many reviewers are enough, what verify sees."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from duties import checklist
from duties.errors import RefusedError
from duties.model import Actor, Answer, Checked, Evidence, Obligation, Role
from duties.obligations import Done
from duties.reading import shipped
from duties.registry import Staffing, StandingRule
from duties.store import reading
from duties.store.chains import StaleError
from duties.store.database import execute, fetch, transaction
from duties.store.reading import Filter
from duties.store.verifying import silent_changes
from tests.duties.town import enter, fresh, head_of, moment, plan, somebody, take_back

LAW = shipped()
CITY = "新疆维吾尔自治区/昌吉州/昌吉市"
DAY = "2026-06-22"
YES = Checked(Answer.CONFIRMED)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(
            water={"jurisdiction": CITY, "tags": ["department", "enforcement"]},
            office={"jurisdiction": CITY, "tags": ["department"]},
            county={"jurisdiction": "新疆维吾尔自治区/昌吉州/木垒县", "tags": ["department", "enforcement"]},
        )
        await plan(LAW, "2026-06-01")
        yield


async def check_of(unit: str) -> Obligation:
    found = await reading.obligations(Filter(duties=("standing-check",)))
    return next(one for one in found if one.unit == unit and one.term == "2026-H1")


async def answer(unit: str, *numbers: int, checked: Checked = YES, actor: Actor | None = None) -> Done:
    one = await check_of(unit)
    async with transaction():
        said = dict.fromkeys(numbers, checked)
        return await checklist.answer(actor or await head_of(one), LAW, one.id, said, "是", moment(DAY))


async def numbers(unit: str) -> set[int]:
    return set((await checklist.read(LAW, await check_of(unit))).by_number)


async def test_items_bind_by_tag_and_by_where_their_document_is_in_force(store: None) -> None:
    city, office, county = await numbers("water"), await numbers("office"), await numbers("county")
    assert {178, 234, 235} <= city
    assert not {178, 234, 235} & office
    assert not {178, 234, 235} & county, "they stand in documents of the city"
    assert office < city
    assert county < city
    scope = next(iter(LAW.duty("standing-check").scope))
    assert city <= set(scope.provisions)


async def test_tags_count_as_they_are_on_the_due_day(store: None) -> None:
    one = await check_of("water")
    for until, binds in (("2026-06-29", False), ("2026-06-30", True)):
        await execute("UPDATE unit_tag SET until = :until WHERE tag = 'enforcement'", until=date.fromisoformat(until))
        assert (178 in (await checklist.read(LAW, one)).by_number) == binds


async def test_the_latest_answer_holds_and_each_has_its_line(store: None) -> None:
    await answer("water", 5, 8)
    await answer("water", 5, checked=Checked(Answer.MISSING, "未接入平台"))
    listed = await checklist.read(LAW, one := await check_of("water"))
    assert [item.provision.no for item in listed.missing] == [5]
    assert listed.answered == 2
    assert one.state == "acknowledged"
    async with transaction():
        await take_back(await head_of(one), moment(DAY))
    assert (await checklist.read(LAW, one)).missing == ()
    assert (await checklist.read(LAW, one)).answered == 2  # the first answers stand: something was done since
    assert await silent_changes() == []


async def test_the_first_answers_taken_back_leave_it_as_it_was(store: None) -> None:
    await answer("water", 5, 8)
    one = await check_of("water")
    async with transaction():
        await take_back(await head_of(one), moment(DAY))
    assert (await checklist.read(LAW, one)).answered == 0
    assert (await check_of("water")).state == "pending"
    assert await silent_changes() == []


@pytest.mark.parametrize(
    ("items", "checked", "key"),
    [
        ((1,), YES, "refused-not-on-list"),
        ((9_999,), YES, "refused-not-on-list"),
        ((5,), Checked(Answer.MISSING), "refused-missing-unsaid"),
    ],
)
async def test_what_is_not_an_answer_is_refused(
    store: None, items: tuple[int, ...], checked: Checked, key: str
) -> None:
    with pytest.raises(RefusedError, match=key):
        await answer("water", *items, checked=checked)
    assert await fetch("SELECT id FROM check_item") == []


async def test_only_the_unit_answers(store: None) -> None:
    one = await check_of("water")
    with pytest.raises(RefusedError, match="refused-not-yours"):
        await answer("water", 5, actor=somebody((Role.SUPERVISOR, one.unit_id)))
    other = await check_of("office")
    with pytest.raises(RefusedError, match="refused-not-yours"):
        await answer("water", 5, actor=somebody((Role.HEAD, other.unit_id)))


async def test_a_duty_without_items_has_no_checklist(store: None) -> None:
    one = next(one for one in await reading.obligations(Filter()) if one.duty != "standing-check")
    with pytest.raises(RefusedError, match="refused-no-checklist"):
        await checklist.read(LAW, one)


async def test_it_is_reported_only_when_every_item_has_its_answer(store: None) -> None:
    one = await check_of("water")
    head, items = await head_of(one), sorted(await numbers("water"))
    await answer("water", *items[1:])
    with pytest.raises(RefusedError, match="refused-checklist-left") as refused:
        async with transaction():
            await checklist.report(head, LAW, one.id, Evidence(note="自查"), moment(DAY))
    assert (refused.value.facts["left"], refused.value.facts["n"]) == (1, len(items))
    assert (await check_of("water")).state == "acknowledged"
    await answer("water", items[0], checked=Checked(Answer.MISSING, "无"))
    async with transaction():
        done = await checklist.report(head, LAW, one.id, Evidence(note="自查"), moment(DAY))
    assert done.obligation.state == "reported"
    assert await silent_changes() == []


async def test_a_report_and_an_answer_taken_back_at_once_never_leave_a_gap(store: None) -> None:
    one = await check_of("water")
    head = await head_of(one)
    await answer("water", *await numbers("water"))

    async def report() -> None:
        async with transaction():
            await checklist.report(head, LAW, one.id, Evidence(note="自查"), moment(DAY))

    async def undo() -> None:
        async with transaction():
            await take_back(head, moment(DAY))

    ended = await asyncio.gather(report(), undo(), return_exceptions=True)
    assert all(error is None or isinstance(error, (RefusedError, StaleError)) for error in ended)
    after = await check_of("water")
    left = len((await checklist.read(LAW, after)).unanswered)
    assert (after.state == "reported") == (left == 0) or after.state == "acknowledged"
    assert await silent_changes() == []


TAMPERED = {
    "an answer changed": "UPDATE check_item SET answer = 'confirmed', note = '' WHERE provision = 5",
    "a note changed": "UPDATE check_item SET note = '已接入' WHERE provision = 5",
    "a day moved": "UPDATE check_item SET on_day = '2026-06-01' WHERE provision = 5",
    "an answer gone": "DELETE FROM check_item WHERE provision = 5",
    "an item invented": "UPDATE check_item SET provision = 16 WHERE provision = 5",
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_verify_sees_answers_changed_behind_the_ledger(store: None, how: str) -> None:
    await answer("water", 5, 8, checked=Checked(Answer.MISSING, "未接入"))
    assert await silent_changes() == []
    await execute(TAMPERED[how])
    (fault,) = await silent_changes()
    assert fault.place == f"obligation:{(await check_of('water')).id}"
    assert "5" in fault.reason


async def test_verify_sees_answers_that_nobody_gave(store: None) -> None:
    one = await check_of("office")
    await execute(
        "INSERT INTO check_item (obligation_id, provision, answer, note, on_day, entry_id)"
        " VALUES (:id, 5, 'confirmed', '', '2026-06-22', 1)",
        id=one.id,
    )
    assert [fault.reason for fault in await silent_changes()] == ["items 5 of its checklist: not what its chain says"]


@pytest.mark.parametrize(
    ("officers", "wanted"),
    [(0, 2), (1, 2), (39, 2), (40, 2), (41, 3), (60, 3), (61, 4), (100, 5), (101, 6), (2_000, 100)],
)
def test_reviewers_are_five_in_a_hundred_rounded_up_and_two_at_least(officers: int, wanted: int) -> None:
    rule = LAW.duty("standing-check").rule
    assert isinstance(rule, StandingRule)
    assert rule.staffing is not None
    assert rule.staffing.reviewers(officers) == wanted
    assert Staffing(provisions=(1,), percent=100, least=1).reviewers(7) == 7


def test_the_items_about_staffing_are_on_the_list() -> None:
    duty = LAW.duty("standing-check")
    assert isinstance(duty.rule, StandingRule)
    assert duty.rule.staffing is not None
    assert set(duty.rule.staffing.provisions) <= set(duty.scope[0].provisions)
    assert any(question.key == "ratio" for question in duty.question)
