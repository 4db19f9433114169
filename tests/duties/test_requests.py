"""申请免办 and 申请延期: asked once, answered once, from above; only a day that a supervisor named is moved."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import date
from typing import Any

import pytest

from duties import cases, obligations, requests
from duties.cases import Law, Opening
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import Actor, Role
from duties.reading import shipped
from duties.requests import Answered
from duties.store import chains, request_rows
from duties.store.chains import StaleError
from duties.store.database import fetch, transaction
from duties.store.verifying import silent_changes
from tests.duties.town import CALENDAR, enter, fresh, moment, somebody

LAW = Law(shipped(), CALENDAR)
DAY, NAMED, WANTED = "2026-09-21", date(2026, 9, 30), date(2026, 10, 20)
UNITS: dict[str, dict[str, Any]] = {
    "gov": {"tags": ["government"]},
    "justice": {"parent": "gov", "tags": ["department", "justice"]},
    "water": {"parent": "gov", "tags": ["department"]},
}


@pytest.fixture
async def units(database_url: str) -> AsyncIterator[dict[str, int]]:
    async with fresh(database_url):
        await enter(**UNITS)
        people = [{"role": "head", "person": "p", "name": "王主任"}]
        await enter("2025-01-02", **{**UNITS, "water": {**UNITS["water"], "posts": people}})
        yield {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM unit")}


def supervisor(units: dict[str, int], number: int = 7) -> Actor:
    return somebody((Role.SUPERVISOR, units["justice"]), number=number)


def head(units: dict[str, int]) -> Actor:
    return somebody((Role.HEAD, units["water"]), number=1, over="/nowhere/")


async def assigned(units: dict[str, int], duty: str = "assignment") -> int:
    opening = Opening(duty, units["water"], date(2026, 9, 18), NAMED, "", "清理台账")
    async with transaction():
        return (await cases.open_case(supervisor(units), LAW, opening, moment(DAY))).clocks[0].obligation_id


async def ask_extension(units: dict[str, int], number: int, wanted: date = WANTED) -> Answered:
    async with transaction():
        return await requests.ask_extension(head(units), number, wanted, "材料未到", moment(DAY))


async def ask_waiver(units: dict[str, int], number: int) -> Answered:
    async with transaction():
        return await requests.ask_waiver(head(units), number, "机构已撤并", moment(DAY))


async def grant(units: dict[str, int], number: int, by: int = 7) -> Answered:
    async with transaction():
        return await requests.grant(supervisor(units, by), LAW, number, moment(DAY))


async def decline(units: dict[str, int], number: int, by: int = 7) -> Answered:
    async with transaction():
        return await requests.decline(supervisor(units, by), number, "仍须办理", moment(DAY))


async def refusal(act: Awaitable[object]) -> str:
    with pytest.raises(RefusedError) as caught:
        await act
    return caught.value.key


async def actions(number: int) -> list[str]:
    return [line["action"] for line in await chains.history(StreamRef("obligation", number))]


async def test_a_day_that_was_named_moves_when_the_supervisor_agrees(units: dict[str, int]) -> None:
    number = await assigned(units)
    asked = await ask_extension(units, number)
    assert asked.obligation.due == NAMED
    done = await grant(units, asked.request.id)
    assert (done.obligation.due, done.request.state) == (WANTED, "granted")
    assert await actions(number) == ["ask-extension", "approve"]
    assert await silent_changes() == []


@pytest.mark.parametrize(
    "code", [duty.code for duty in LAW.registry.duties if duty.code not in requests.EXTENDABLE][::9]
)
async def test_a_day_of_the_texts_is_never_moved(units: dict[str, int], code: str) -> None:
    number = await assigned(units, "decision-letter-compliance")
    (row,) = await fetch("UPDATE term SET duty = :code RETURNING id", code=code)
    assert row
    assert await refusal(ask_extension(units, number)) == "refused-no-extension"


@pytest.mark.parametrize("wanted", [NAMED, date(2026, 9, 21), date(2026, 1, 1)])
async def test_a_later_day_is_later(units: dict[str, int], wanted: date) -> None:
    assert await refusal(ask_extension(units, await assigned(units), wanted)) == "refused-not-later"


async def test_one_request_of_a_kind_waits_at_a_time(units: dict[str, int]) -> None:
    number = await assigned(units)
    first = await ask_waiver(units, number)
    assert await refusal(ask_waiver(units, number)) == "refused-asked-already"
    await ask_extension(units, number)
    await decline(units, first.request.id)
    assert (await ask_waiver(units, number)).request.state == "open"


async def test_a_request_is_answered_once_and_by_who_may_waive(units: dict[str, int]) -> None:
    asked = await ask_waiver(units, await assigned(units))
    number = asked.request.id
    for act in (requests.grant(head(units), LAW, number, moment(DAY)),
                requests.decline(head(units), number, "x", moment(DAY))):  # fmt: skip
        assert await refusal(act) == "refused-waive-own"
    done = await grant(units, number)
    assert (done.obligation.state, done.obligation.reason) == ("waived", "机构已撤并")
    assert await refusal(decline(units, number)) == "refused-answered"
    assert await refusal(grant(units, 99)) == "refused-no-such-request"
    assert await silent_changes() == []


async def test_what_is_declined_is_owed_as_before(units: dict[str, int]) -> None:
    asked = await ask_waiver(units, await assigned(units))
    done = await decline(units, asked.request.id)
    assert done.obligation == asked.obligation
    assert await actions(done.obligation.id) == ["ask-waiver", "reject"]
    assert await request_rows.open_under(("/",), (), 9) == ([], 0)


async def test_only_the_unit_asks_and_only_for_what_it_still_owes(units: dict[str, int]) -> None:
    number = await assigned(units)
    assert await refusal(requests.ask_waiver(supervisor(units), number, "x", moment(DAY))) == "refused-not-yours"
    assert await refusal(requests.ask_waiver(head(units), 999, "x", moment(DAY))) == "refused-no-such"
    async with transaction():
        await obligations.waive(supervisor(units), number, "x", moment(DAY))
    assert await refusal(ask_waiver(units, number)) == "refused-state"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_two_supervisors_who_answer_at_once_one_is_heard(units: dict[str, int]) -> None:
    number = await assigned(units)
    asked = (await ask_waiver(units, number)).request.id
    done = await asyncio.gather(grant(units, asked), decline(units, asked, by=8), return_exceptions=True)
    assert sum(isinstance(one, Answered) for one in done) == 1, done
    assert all(isinstance(one, Answered | StaleError | RefusedError) for one in done)
    assert len(await actions(number)) == 2
    assert await silent_changes() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_two_who_ask_at_once_one_request_stands(units: dict[str, int]) -> None:
    number = await assigned(units)
    done = await asyncio.gather(ask_waiver(units, number), ask_waiver(units, number), return_exceptions=True)
    assert sum(isinstance(one, Answered) for one in done) == 1
    assert len(await request_rows.open_on(number)) == 1
