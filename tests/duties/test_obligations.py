"""What people do with an obligation: what is allowed, what is refused, what undo puts back."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duties import obligations
from duties.errors import RefusedError
from duties.ledger import Act, StreamRef
from duties.model import Actor, Evidence, Role
from duties.obligations import Done, Reporting
from duties.registry import EvidenceSlot
from duties.store import chains, changing, reading
from duties.store.chains import StaleError
from duties.store.database import execute, fetch, transaction
from tests.duties.town import (
    EVIDENCE,
    JANUARY,
    SUPERVISOR,
    acknowledge,
    at,
    close,
    count,
    counted,
    duty,
    enter,
    fresh,
    give_back,
    head_of,
    moment,
    only,
    plan,
    registry,
    report,
    scope,
    somebody,
    take_back,
    undo,
)  # fmt: skip

LAW = registry(duty("report", JANUARY, scope(in_force_to=date(2026, 12, 31))))
STUDY = registry(duty("study", counted(2), scope(in_force_to=date(2026, 12, 31))))
DAY = "2026-01-20"
STATES = ("pending", "acknowledged", "reported", "closed", "returned", "waived", "cancelled")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(water={})
        await plan(LAW, "2026-01-05")
        yield


@pytest.fixture
async def study(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(water={})
        await plan(STUDY, "2026-01-05")
        yield


async def row() -> dict[str, Any]:
    """Everything of the one obligation that people can change."""
    (found,) = await fetch("SELECT id, state, tally, done_on, backdated, reason FROM obligation")
    return {**found, "done_on": str(found["done_on"]), "evidence": await reading.evidence_of(found["id"])}


async def put(state: str) -> None:
    await execute("UPDATE obligation SET state = :state", state=state)


async def refusal(act: Awaitable[Done]) -> str:
    with pytest.raises(RefusedError) as caught:
        await act
    return caught.value.key


ACTS: dict[str, tuple[Callable[[str], Awaitable[Done]], set[str], str]] = {
    "acknowledge": (acknowledge, {"pending", "returned"}, "acknowledged"),
    "report": (report, {"pending", "acknowledged", "returned"}, "reported"),
    "close": (close, {"reported"}, "closed"),
    "return": (give_back, {"reported", "closed"}, "returned"),
}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("name", ACTS)
async def test_an_act_is_taken_in_its_states_and_refused_in_all_others(name: str) -> None:
    act, allowed, after = ACTS[name]
    for state in STATES:
        await put(state)
        if state in allowed:
            assert (await act(DAY)).obligation.state == after
        else:
            assert await refusal(act(DAY)) == "refused-state"
            assert (await only()).state == state


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("state", STATES)
async def test_a_count_is_taken_while_it_is_open_or_reported(state: str) -> None:
    await put(state)
    if state in {"waived", "cancelled", "closed"}:
        assert await refusal(count(DAY)) == "refused-state"
    else:
        assert (await count(DAY)).obligation.tally == 1


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("actor", "key"),
    [
        (somebody((Role.HEAD, 999)), "refused-not-yours"),
        (somebody((Role.SUPERVISOR, 1)), "refused-not-yours"),
        (somebody(), "refused-not-yours"),
    ],
)
async def test_only_head_and_officer_of_the_unit_report(actor: Actor, key: str) -> None:
    one = await only()
    assert await refusal(obligations.report(actor, one.id, EVIDENCE, moment(DAY))) == key


@pytest.mark.usefixtures("store")
async def test_a_supervisor_closes_only_below_the_own_place_and_never_as_head_of_the_unit() -> None:
    await report(DAY)
    one = await only()
    elsewhere, own = somebody((Role.SUPERVISOR, 9), over="/77/"), await head_of(one)
    assert await refusal(obligations.close(elsewhere, one.id, moment(DAY))) == "refused-not-supervisor"
    assert await refusal(obligations.close(own, one.id, moment(DAY))) == "refused-own-work"
    assert await refusal(obligations.close(SUPERVISOR, 999, moment(DAY))) == "refused-no-such"


@pytest.mark.usefixtures("store")
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(days=st.integers(-400, 5))
async def test_the_day_of_completion_is_that_of_the_evidence(days: int) -> None:
    await put("pending")
    day = date(2026, 1, 20) + timedelta(days=days)
    if days > 0:
        assert await refusal(report(DAY, Evidence(done_on=day))) == "refused-future"
        return
    one = (await report(DAY, Evidence(done_on=day))).obligation
    assert (one.done_on, one.backdated) == (day, days < 0)


@pytest.mark.usefixtures("store")
async def test_undo_puts_everything_back_as_it_was() -> None:
    before = await row()
    steps: list[tuple[Callable[[str], Awaitable[Done]], Actor | None]] = [
        (acknowledge, None), (first_report, None), (close, SUPERVISOR), (give_back, SUPERVISOR), (second_report, None),
    ]  # fmt: skip
    for act, actor in steps:
        before = await row()
        await act(DAY)
        assert await row() != before
        await undo(DAY, actor)
        assert await row() == before
        await act(f"{DAY} 12:05")


async def first_report(when: str) -> Done:
    return await report(when, Evidence(number="甲〔2026〕1号", done_on=date(2026, 1, 10)))


async def second_report(when: str) -> Done:
    return await report(when, Evidence(link="https://example.org", note="补"))


@pytest.mark.usefixtures("study")
async def test_undo_of_the_count_that_was_enough_opens_it_again() -> None:
    await count(DAY, "宪法")
    before = await row()
    assert (await count(DAY, "民法典", on="2026-01-12")).obligation.state == "reported"
    await undo(DAY)
    assert await row() == before
    assert [one["topic"] for one in await reading.counts((await only()).id)] == ["宪法"]
    assert (await count(DAY, "民法典", on="2026-01-12")).obligation.tally == 2


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(("when", "key"), [("12:10:00", ""), ("12:10:00.000001", "refused-nothing-to-undo")])
async def test_undo_is_for_ten_minutes(when: str, key: str) -> None:
    await report(DAY)
    if key:
        assert await refusal(undo(f"{DAY} {when}")) == key
    else:
        assert (await undo(f"{DAY} {when}")).obligation.state == "pending"


@pytest.mark.usefixtures("store")
async def test_undo_is_refused_once_somebody_acted_on_it() -> None:
    await report(DAY)
    await close(DAY)
    assert await refusal(undo(DAY)) == "refused-acted-since"


@pytest.mark.usefixtures("store")
async def test_undo_is_of_the_last_act_even_when_something_was_refused_since() -> None:
    one = await report(DAY)
    async with transaction():
        refused = Act("person:1", "refused", "test", {"key": "refused-not-yours"})
        await chains.append(StreamRef("unit", 1), refused, at(DAY))
    assert (await undo(DAY)).obligation.state == "pending"
    assert await refusal(undo(DAY)) == "refused-nothing-to-undo"
    assert one.obligation.state == "reported"


async def test_undo_walks_back_over_what_was_acknowledged_together(database_url: str) -> None:
    async with fresh(database_url):
        await enter(water={})
        await plan(registry(duty("a", JANUARY), duty("b", JANUARY)), "2025-10-01")
        numbers = [one.id for one in await reading.obligations(reading.Filter())]
        actor = somebody((Role.HEAD, 1))
        async with transaction():
            for number in numbers:
                await obligations.acknowledge(actor, number, moment(DAY))
        for number in reversed(numbers):
            async with transaction():
                assert (await take_back(actor, moment(DAY))).obligation.id == number


@pytest.mark.usefixtures("study")
async def test_counts_outside_the_term_in_the_future_or_told_twice_are_refused() -> None:
    await count(DAY)
    assert await refusal(count(DAY)) == "refused-counted-already"
    assert await refusal(count(DAY, on="2026-01-21")) == "refused-future"
    assert await refusal(count(DAY, on="2025-12-31")) == "refused-outside-term"


@pytest.mark.usefixtures("study")
async def test_the_day_a_tally_was_complete_is_that_of_its_latest_count() -> None:
    await count(DAY, on="2026-01-16")
    one = (await count(DAY, on="2026-01-08")).obligation
    assert (one.state, one.done_on, one.backdated) == ("reported", date(2026, 1, 16), True)


@pytest.mark.usefixtures("study")
async def test_an_attestation_of_nothing_changes_no_tally_and_is_recorded() -> None:
    done = await count(DAY, "应训10人，达标8人", amount=0)
    assert (done.obligation.tally, done.obligation.state) == (0, "pending")
    assert [one["amount"] for one in await reading.counts(done.obligation.id)] == [0]


@pytest.mark.usefixtures("study")
async def test_what_was_returned_is_reported_by_the_next_count() -> None:
    for topic in ("宪法", "民法典"):
        await count(DAY, topic)
    assert (await give_back(DAY)).obligation.tally == 1
    assert (await count(DAY, "行政处罚法")).obligation.state == "reported"


@pytest.mark.usefixtures("store")
async def test_a_long_reason_fits_and_the_ledger_keeps_all_of_it() -> None:
    await report(DAY)
    done = await give_back(DAY, "缺" * 3000)
    assert (done.obligation.reason, done.obligation.done_on) == ("缺" * 255, None)
    assert json.loads((await lines())[-1]["payload"])["reason"] == "缺" * 3000


@pytest.mark.usefixtures("study")
async def test_a_long_topic_fits_and_is_known_again() -> None:
    await count(DAY, "法" * 400)
    assert await refusal(count(DAY, "法" * 400)) == "refused-counted-already"


async def lines() -> list[dict[str, Any]]:
    return await chains.history(StreamRef("obligation", (await only()).id))


@pytest.mark.usefixtures("store")
async def test_every_act_is_a_line_with_what_was_before_and_after() -> None:
    for act in (acknowledge, report, give_back, report, close):
        await act(DAY)
    written = await lines()
    assert [line["action"] for line in written] == ["acknowledge", "report", "return", "report", "close"]
    payloads = [json.loads(line["payload"]) for line in written]
    assert all(one["after"] == next_["before"] for one, next_ in pairwise(payloads))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_of_two_who_act_at_once_one_is_asked_again_and_nothing_is_lost() -> None:
    done = await asyncio.gather(acknowledge(DAY), acknowledge(DAY), return_exceptions=True)
    assert sum(isinstance(one, Done) for one in done) == 1
    assert all(isinstance(one, Done | StaleError | RefusedError) for one in done)
    assert len(await lines()) == 1


FILED, PUBLISHED = (
    EvidenceSlot(slot=name, title=name, title_en=name, needs=(need, "date"))
    for name, need in (("filed", "number"), ("published", "link"))
)
BOTH = Reporting((FILED, PUBLISHED))


async def shows(evidence: Evidence, by: Reporting = BOTH, role: Role = Role.HEAD, day: str = DAY) -> Done:
    one = await only()
    async with transaction():
        return await obligations.report(somebody((role, one.unit_id)), one.id, evidence, moment(day), by)


@pytest.mark.usefixtures("store")
async def test_what_is_shown_bit_by_bit_is_done_on_the_last_day_it_names() -> None:
    first = await shows(Evidence(number="1号", done_on=date(2026, 1, 15)))
    assert (first.action, first.obligation.state, first.obligation.done_on) == ("show", "acknowledged", None)
    last = (await shows(Evidence(link="https://a", done_on=date(2026, 2, 3)), day="2026-02-05")).obligation
    assert (last.state, last.done_on, last.backdated) == ("reported", date(2026, 2, 3), True)
    await give_back("2026-02-06")
    await acknowledge("2026-02-07")
    assert (await shows(Evidence(link="https://b"), day="2026-02-09")).obligation.state == "acknowledged"
    assert await reading.evidence_of(last.id) == [{"slot": "published", "link": "https://b", "shown": "2026-02-09"}]


@pytest.mark.usefixtures("store")
async def test_where_the_head_confirms_an_officer_prepares_and_the_heads_word_reports() -> None:
    by = Reporting((FILED,), head_confirms=True)
    prepared = await shows(Evidence(number="1号"), by, Role.OFFICER)
    assert (prepared.action, prepared.obligation.state) == ("show", "acknowledged")
    assert (await shows(Evidence(), by, Role.OFFICER)).action == "show"
    made = await shows(Evidence(), by, Role.HEAD, "2026-01-21")
    assert (made.action, made.obligation.done_on) == ("report", date(2026, 1, 20))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
async def test_two_who_show_different_parts_at_once_lose_neither() -> None:
    await asyncio.gather(shows(Evidence(number="1号")), shows(Evidence(link="https://a")))
    assert (await only()).state == "reported"
    assert [one["slot"] for one in await reading.evidence_of((await only()).id)] == ["filed", "published"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("study")
async def test_counts_told_at_once_are_each_counted_when_told_again() -> None:
    async def until_done(topic: str) -> None:
        while True:
            try:
                await count(DAY, topic)
            except StaleError:
                continue
            return

    await asyncio.gather(*(until_done(f"第{number}课") for number in range(8)))
    one = await only()
    assert (one.tally, len(await reading.counts(one.id))) == (8, 8)


@pytest.mark.usefixtures("store")
async def test_an_act_on_what_moved_meanwhile_is_stale_and_leaves_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = changing.move

    async def overtaken(*args: Any, **columns: Any) -> bool:
        await put("cancelled")
        return await real(*args, **columns)

    monkeypatch.setattr(changing, "move", overtaken)
    for act in (acknowledge(DAY), cancelled()):
        with pytest.raises(StaleError):
            await act
    assert (await only()).state == "pending"
    assert await lines() == []


async def cancelled() -> None:
    one = await only()
    async with transaction():
        await obligations.cancel(one.id, "membership", at(DAY))


async def test_what_was_counted_last_no_longer_counts_once_it_is_sent_back(database_url: str) -> None:
    async with fresh(database_url):
        await enter(water={})
        await plan(STUDY, "2026-01-05")
        one = await only()
        for day in ("2026-01-08", "2026-01-09"):
            await count(DAY, f"第{day}次", day)
        assert (await only()).state == "reported"
        await give_back(DAY, "第二次不算")
        assert ((await only()).state, (await only()).tally, len(await reading.counts(one.id))) == ("returned", 1, 1)
        await undo(DAY, SUPERVISOR)
        assert ((await only()).state, (await only()).tally, len(await reading.counts(one.id))) == ("reported", 2, 2)
