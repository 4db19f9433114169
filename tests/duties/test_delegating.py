"""委托: who may give which post to whom, for which days; and what becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import date

import pytest

from duties import delegating
from duties.delegating import Given
from duties.errors import RefusedError
from duties.model import Actor, Role
from duties.store import chains, reading
from duties.store.chains import StaleError
from duties.store.database import fetch, transaction
from tests.duties.town import enter, fresh, moment

TODAY = "2026-01-20"
UNITS = {
    "water": {"posts": [
        {"role": "head", "person": "w1", "name": "王主任"}, {"role": "officer", "person": "w2", "name": "李科员"},
    ]},
    "roads": {"posts": [
        {"role": "officer", "person": "w1", "name": "王主任"}, {"role": "supervisor", "person": "r1", "name": "赵"},
    ]},
}  # fmt: skip


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[dict[str, int]]:
    async with fresh(database_url):
        await enter(**UNITS)
        yield {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM person")}


async def actor(person: int, day: str = TODAY) -> Actor:
    found = await reading.actor(person, date.fromisoformat(day))
    assert found is not None
    return found


async def delegate(holder: int, person: int, since: str = TODAY, until: str = "2026-01-25", on: str = TODAY) -> Given:
    days = date.fromisoformat(since), date.fromisoformat(until)
    async with transaction():
        return await delegating.delegate(await actor(holder, on), person, "某", *days, moment(on))


async def take_back(holder: int, on: str = TODAY) -> Given:
    async with transaction():
        return await delegating.take_back(await actor(holder), moment(on))


async def refusal(act: Awaitable[Given]) -> str:
    with pytest.raises(RefusedError) as caught:
        await act
    return caught.value.key


async def test_only_the_posts_of_the_unit_that_both_belong_to_are_given(people: dict[str, int]) -> None:
    done = await delegate(people["w1"], people["w2"])
    assert [(one.unit, one.role) for one in done.posts] == [("water", Role.HEAD)]
    held = [(post.unit, post.role, post.acting_for) for post in (await actor(people["w2"])).posts]
    assert held == [("water", Role.OFFICER, ""), ("water", Role.HEAD, "王主任")]
    (line,) = await fetch("SELECT actor, action FROM entry WHERE id = :id", id=done.entry)
    assert (line["actor"], line["action"]) == (f"person:{people['w1']}", "delegate")


@pytest.mark.parametrize(
    ("since", "until"), [("2026-01-19", "2026-01-21"), ("2026-01-25", "2026-01-24"), ("2026-01-20", "2027-01-22")]
)
async def test_days_that_are_past_or_the_wrong_way_round_or_too_many_are_refused(
    people: dict[str, int], since: str, until: str
) -> None:
    assert await refusal(delegate(people["w1"], people["w2"], since, until)) == "refused-period"


async def test_nothing_is_given_to_oneself_to_a_supervisor_or_to_another_unit(people: dict[str, int]) -> None:
    assert await refusal(delegate(people["w1"], people["w1"])) == "refused-no-colleague"
    assert await refusal(delegate(people["w1"], people["r1"])) == "refused-no-colleague"
    assert await refusal(delegate(people["r1"], people["w1"])) == "refused-no-colleague"


async def test_it_begins_and_ends_with_its_days(people: dict[str, int]) -> None:
    await delegate(people["w1"], people["w2"], "2026-01-22", "2026-01-23")
    for day, acts in (("2026-01-21", False), ("2026-01-22", True), ("2026-01-23", True), ("2026-01-24", False)):
        assert any(post.acting_for for post in (await actor(people["w2"], day)).posts) == acts


async def test_one_at_a_time_until_it_is_over_or_taken_back(people: dict[str, int]) -> None:
    await delegate(people["w1"], people["w2"])
    assert await refusal(delegate(people["w1"], people["w2"])) == "refused-delegated-already"
    await take_back(people["w1"])
    assert not any(post.acting_for for post in (await actor(people["w2"])).posts)
    assert await refusal(take_back(people["w1"])) == "refused-not-delegated"
    await delegate(people["w1"], people["w2"])
    await delegate(people["w1"], people["w2"], "2026-01-26", "2026-01-27", on="2026-01-26")
    assert [one async for one in chains.lines() if one.action == "take-back"]


async def test_what_has_not_begun_is_taken_back_and_never_begins(people: dict[str, int]) -> None:
    await delegate(people["w1"], people["w2"], "2026-01-22", "2026-01-23")
    await take_back(people["w1"])
    assert not any(post.acting_for for post in (await actor(people["w2"], "2026-01-22")).posts)


async def test_an_acting_post_is_not_passed_on(people: dict[str, int]) -> None:
    await delegate(people["w1"], people["w2"])
    done = await delegate(people["w2"], people["w1"])
    assert [one.role for one in done.posts] == [Role.OFFICER]
    unit = done.posts[0].unit_id
    assert (await actor(people["w1"])).acts_for(unit, Role.HEAD, Role.OFFICER) == ""
    assert (await actor(people["w2"])).acts_for(unit, Role.HEAD) == "王主任"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_two_delegations_at_once_from_two_addresses_one_stands(people: dict[str, int]) -> None:
    done = await asyncio.gather(
        *(delegate(people["w1"], people["w2"], until=day) for day in ("2026-01-25", "2026-01-26")),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Given) for one in done) == 1, done
    assert all(isinstance(one, Given | StaleError | RefusedError) for one in done)
    (row,) = await fetch("SELECT COUNT(*) AS found FROM post WHERE acting_for IS NOT NULL")
    assert row["found"] == 1
    (lines,) = await fetch("SELECT COUNT(*) AS found FROM entry WHERE action = 'delegate'")
    assert lines["found"] == 1
