"""Points: who may record them, for whom, how much, on which ground, and how a mistake is reversed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import pytest

from duties import points
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import Actor, PostHeld, Role
from duties.points import Scored, Unit
from duties.store import chains, point_rows
from duties.store.chains import StaleError
from duties.store.database import fetch, transaction
from duties.store.verifying import silent_changes
from tests.duties.town import JANUARY, duty, enter, fresh, moment, plan, registry, scope, somebody

DAY = "2026-01-20"
YEAR = (date(2026, 1, 1), date(2026, 12, 31))
SUPERVISOR = somebody((Role.SUPERVISOR, 10_000), number=2)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(water={}, forest={})
        yield
        assert await silent_changes() == []


async def unit(name: str = "water") -> Unit:
    (row,) = await fetch("SELECT id, name, path FROM unit WHERE code = :code", code=name)
    return Unit(row["id"], row["name"], row["path"])


async def scored(
    amount: str, ground: str = "学法不足", *, who: Actor = SUPERVISOR, name: str = "water", about: int | None = None
) -> Scored:
    async with transaction():
        return await points.score(who, await unit(name), Decimal(amount), ground, moment(DAY), about)


async def reversed_(number: int, when: str = DAY) -> Scored:
    async with transaction():
        return await points.reverse(SUPERVISOR, number, "记错了", moment(when))


async def sums() -> dict[str, Decimal]:
    return {one.unit: one.amount for one in await point_rows.summed((), (), *YEAR, everything=True)}


@pytest.mark.parametrize("amount", ["-0.5", "0.5", "-0.05", "1.25", "-100", "100", "-1.50"])
async def test_what_is_recorded_is_what_was_said(store: None, amount: str) -> None:
    done = await scored(amount)
    assert (done.point.amount, done.point.ground, str(done.point.on_day)) == (Decimal(amount), "学法不足", DAY)
    assert await sums() == {"water": Decimal(amount)}


@pytest.mark.parametrize("amount", ["0", "-0.125", "0.001", "100.01", "-1000"])
async def test_an_amount_is_bounded_and_has_at_most_two_places(store: None, amount: str) -> None:
    with pytest.raises(RefusedError, match="refused-points-amount"):
        await scored(amount)
    assert await sums() == {}


async def test_tenths_add_up_exactly(store: None) -> None:
    for _ in range(10):
        await scored("-0.1")
    await scored("0.3", name="forest")
    assert await sums() == {"water": Decimal(-1), "forest": Decimal("0.3")}


async def test_the_ledger_of_the_unit_keeps_the_whole_of_it(store: None) -> None:
    done = await scored("-0.5", "理由" * 200)
    *_, line = await chains.history(StreamRef("unit", done.point.unit_id))
    kept = json.loads(line["payload"])
    assert (line["id"], line["action"], kept["amount"], kept["ground"]) == (done.entry, "deduct", "-0.5", "理由" * 200)
    assert len(done.point.ground) == 255


async def test_only_a_supervisor_of_the_subtree_who_is_not_of_the_unit_may(store: None) -> None:
    here = await unit()
    elsewhere = Actor(3, "某人", (PostHeld(Role.SUPERVISOR, 10_000, "unit", "/999/"),))
    of_the_unit = somebody((Role.SUPERVISOR, here.id), number=4)
    for who, key in (
        (elsewhere, "refused-not-supervisor"),
        (somebody((Role.HEAD, 10_000)), "refused-not-supervisor"),
        (of_the_unit, "refused-points-own"),
        (somebody((Role.HEAD, here.id), (Role.SUPERVISOR, 10_000)), "refused-points-own"),
    ):
        with pytest.raises(RefusedError, match=key):
            await scored("1", who=who)


@pytest.mark.parametrize("force", ["settled", "assumed"])
async def test_an_obligation_named_must_certainly_bind(store: None, force: str) -> None:
    law = registry(duty("report", JANUARY, scope(force=force, in_force_to=date(2026, 12, 31))))
    await enter(water={}, forest={"tags": []})
    await plan(law, "2026-01-05")
    numbers = {row["unit"]: row["id"] for row in await fetch(
        "SELECT o.id, u.code AS unit FROM obligation o JOIN unit u ON u.id = o.unit_id ORDER BY o.id")}  # fmt: skip
    if force == "assumed":
        with pytest.raises(RefusedError, match="refused-points-assumed"):
            await scored("-1", about=numbers["water"])
    else:
        assert (await scored("-1", about=numbers["water"])).point.obligation_id == numbers["water"]
        with pytest.raises(RefusedError, match="refused-points-other"):
            await scored("-1", about=numbers["water"], name="forest")
    with pytest.raises(RefusedError, match="refused-no-such"):
        await scored("-1", about=999_999)


async def test_a_mistake_is_reversed_by_a_record_that_names_it_once(store: None) -> None:
    first = (await scored("-2.5")).point
    second = (await reversed_(first.id)).point
    assert (second.amount, second.reverses) == (Decimal("2.5"), first.id)
    assert await sums() == {"water": Decimal(0)}
    newest, oldest = await point_rows.of_unit(first.unit_id, *YEAR, 10)
    assert (newest.reverses, oldest.reversed_by) == (first.id, second.id)
    for number, key in (
        (first.id, "refused-points-reversed"),
        (second.id, "refused-points-reversal"),
        (99, "refused-no-such-points"),
    ):
        with pytest.raises(RefusedError, match=key):
            await reversed_(number)


async def test_two_who_reverse_one_record_at_once_reverse_it_once(store: None) -> None:
    first = (await scored("-2.5")).point
    ends = await asyncio.gather(*(reversed_(first.id) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(end, Scored) for end in ends) == 1
    assert all(isinstance(end, (Scored, RefusedError, StaleError)) for end in ends)
    assert await sums() == {"water": Decimal(0)}


async def test_a_year_holds_its_own_records(store: None) -> None:
    first = (await scored("-2.5")).point
    await reversed_(first.id, "2027-01-02")
    assert await sums() == {"water": Decimal("-2.5")}
