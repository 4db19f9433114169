"""Planning: who owes what, however often and from wherever it runs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duties import planning
from duties.ledger import SYSTEM
from duties.reading import shipped
from duties.registry import Registry
from duties.store import chains, planned, statements
from duties.store.database import fetch
from duties.store.roster_rows import apply_openings
from tests.duties.town import (
    JANUARY,
    MONTHLY,
    at,
    counted,
    duty,
    enter,
    fresh,
    only,
    owed,
    plan,
    registry,
    report,
    roster,
    scope,
    terms,
)  # fmt: skip

REPORT = registry(duty("report", JANUARY, scope("enforcement")))
STUDY = registry(duty("study", counted(12), scope("enforcement")))
MONTH = registry(duty("month", MONTHLY))
WATER: dict[str, Any] = {"tags": ["enforcement"]}


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        yield


async def everything() -> dict[str, list[tuple[object, ...]]]:
    """All that planning writes, without the instants."""
    queries = {
        "term": "SELECT id, duty, label, due, raised_through, units_digest FROM term ORDER BY id",
        "obligation": "SELECT id, term_id, unit_id, state, target, tally, reason FROM obligation ORDER BY id",
        "entry": "SELECT actor, action FROM entry ORDER BY id",
    }
    return {name: [tuple(row.values()) for row in await fetch(sql)] for name, sql in queries.items()}


@pytest.mark.usefixtures("store")
async def test_a_term_is_planned_when_it_opens_within_400_days() -> None:
    await enter(water=WATER)
    await plan(STUDY, "2025-11-26")
    assert list(await terms()) == ["2025", "2026"]
    await plan(STUDY, "2025-11-27")
    assert list(await terms()) == ["2025", "2026", "2027"]


def opening_after(today: date) -> set[str]:
    """The months that open within the horizon, their last day not before today."""
    days = [today + timedelta(days=days) for days in range(401)]
    return {f"{day:%Y-%m}" for day in days}


@settings(max_examples=60)
@given(st.dates(date(2020, 1, 1), date(2035, 12, 31)))
def test_every_month_from_today_to_the_horizon_is_ahead(today: date) -> None:
    ahead = planning._ahead(MONTH.duties[0], today, today + planning.HORIZON)
    assert {term.label for _, term in ahead} == opening_after(today)
    assert all(term.due >= today for _, term in ahead)


@pytest.mark.usefixtures("store")
async def test_the_second_run_writes_nothing() -> None:
    await enter(water=WATER, tax=WATER)
    assert (await plan(MONTH, "2026-01-01")).added == 2 * 14
    before = await everything()
    again = await plan(MONTH, "2026-01-01")
    assert (again.terms, again.added, again.moved) == (0, 0, [])
    assert await everything() == before


@pytest.mark.usefixtures("store")
async def test_numbers_stay_dense_however_often_it_runs() -> None:
    for round_ in range(4):
        await enter(**{f"unit{number}": WATER for number in range(round_ + 1)})
        await plan(REPORT, "2025-06-01")
    assert [row["id"] for row in await fetch("SELECT id FROM obligation ORDER BY id")] == [1, 2, 3, 4]


@pytest.mark.usefixtures("store")
async def test_a_unit_that_enters_gets_what_is_not_yet_due() -> None:
    await enter(water=WATER)
    await plan(REPORT, "2026-01-05")
    await enter(water=WATER, tax={"tags": [{"tag": "enforcement", "from": date(2026, 1, 10)}]})
    assert (await plan(REPORT, "2026-01-12")).added == 2
    assert (await owed())[:2] == ["tax report 2025 pending", "water report 2025 pending"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("since", [date(2026, 1, 1), date(2026, 2, 1)])
async def test_a_deadline_past_when_the_unit_was_entered_is_never_owed(since: date) -> None:
    await enter("2026-02-10", late={**WATER, "from": since})
    await plan(REPORT, "2026-02-10")
    assert await owed() == ["late report 2026 pending"]


@pytest.mark.usefixtures("store")
async def test_a_deadline_past_when_the_duty_came_into_force_is_never_owed() -> None:
    await enter(water=WATER)
    young = registry(duty("report", JANUARY, scope("enforcement", in_force_from=date(2026, 2, 1))))
    await plan(young, "2026-01-05")
    assert await owed() == ["water report 2026 pending"]


@pytest.mark.usefixtures("store")
async def test_a_lost_tag_cancels_and_a_tag_regained_reopens() -> None:
    await enter(water=WATER)
    await plan(STUDY, "2026-01-05")
    await enter("2026-03-02", water={"tags": []})
    assert (await plan(STUDY, "2026-03-02")).cancelled == 2
    assert (await only_2026())[0] == "cancelled"
    await enter("2026-03-03", water=WATER)
    assert (await plan(STUDY, "2026-03-03")).reopened == 2
    assert await only_2026() == ("pending", "")


async def only_2026() -> tuple[str, str]:
    (row,) = await fetch(
        "SELECT state, reason FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.label = '2026'"
    )
    return row["state"], row["reason"]


@pytest.mark.usefixtures("store")
async def test_a_unit_that_ends_owes_what_is_due_until_its_last_day() -> None:
    await enter(water=WATER)
    await plan(MONTH, "2026-01-05")
    await enter("2026-01-06", water={**WATER, "to": date(2026, 2, 28)})
    await plan(MONTH, "2026-01-06")
    assert [line.split()[2] for line in await owed() if line.endswith("pending")] == ["2026-01", "2026-02"]


@pytest.mark.usefixtures("store")
async def test_what_was_reported_is_not_cancelled() -> None:
    await enter(water=WATER)
    await plan_one()
    await report("2026-01-06")
    await enter("2026-01-07", water={"tags": []})
    await plan(ONE, "2026-01-07")
    assert (await only()).state == "reported"


ONE = registry(duty("report", JANUARY, scope("enforcement", in_force_to=date(2026, 12, 31))))


async def plan_one() -> None:
    await plan(ONE, "2026-01-05")


@pytest.mark.usefixtures("store")
async def test_of_two_scopes_that_bind_a_unit_the_first_wins() -> None:
    await enter(here={"jurisdiction": "区/县/镇"}, there={"jurisdiction": "区/县"})
    await plan(registry(duty("study", counted(12), scope(place="镇"), scope(place="县"))), "2026-01-05")
    rows = await fetch(
        "SELECT u.code, t.jurisdiction FROM obligation o JOIN term t ON t.id = o.term_id"
        " JOIN unit u ON u.id = o.unit_id WHERE t.label = '2026' ORDER BY u.code"
    )
    assert [tuple(row.values()) for row in rows] == [("here", "镇"), ("there", "县")]


@pytest.mark.usefixtures("store")
async def test_a_unit_that_moves_away_and_back_owes_a_duty_once() -> None:
    law = registry(duty("study", counted(12), scope(place="镇"), scope(place="县")))
    for day, place in enumerate(("区/县/镇", "区/县", "区/县/镇", "区/县"), 1):
        await enter(f"2026-03-0{day}", water={"jurisdiction": place})
        await plan(law, f"2026-03-0{day}")
        assert [line for line in await owed() if "cancelled" not in line] == [
            "water study 2026 pending", "water study 2027 pending",
        ]  # fmt: skip


JOINT = registry(duty("both", JANUARY, scope("performance", "justice", joint=True, in_force_to=date(2026, 12, 31))))


@pytest.mark.usefixtures("store")
async def test_a_joint_duty_is_one_obligation_led_by_the_first_tag() -> None:
    await enter(law={"tags": ["justice"]}, office={"tags": ["performance"]})
    await plan(JOINT, "2026-01-05")
    assert await owed() == ["office both 2025 pending"]


@pytest.mark.usefixtures("store")
async def test_a_joint_duty_stays_with_the_second_tag_while_no_unit_has_the_first() -> None:
    await enter(law={"tags": ["justice"]})
    await plan(JOINT, "2026-01-05")
    await enter(law={"tags": ["justice"]}, other={})
    await plan(JOINT, "2026-01-06")
    assert await owed() == ["law both 2025 pending"]


@pytest.mark.usefixtures("store")
async def test_a_joint_duty_follows_its_leader() -> None:
    law, office = {"tags": ["justice"]}, {"tags": ["performance"]}
    for day, leads in ((5, {}), (6, office), (7, {"tags": []}), (8, office)):
        await enter(f"2026-01-0{day}", law=law, **({"office": leads} if leads else {}))
        await plan(JOINT, f"2026-01-0{day}")
        leader = "office" if leads == office else "law"
        assert [line for line in await owed() if "pending" in line] == [f"{leader} both 2025 pending"]


async def targets() -> dict[str, int]:
    rows = await fetch(
        "SELECT u.code, o.target FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
        " WHERE t.label = '2026' ORDER BY u.code"
    )
    return {row["code"]: row["target"] for row in rows}


def since(day: date, *always: str) -> dict[str, Any]:
    return {"tags": [{"tag": "enforcement", "from": day}, *always]}


@pytest.mark.usefixtures("store")
async def test_the_target_of_a_unit_that_enters_is_by_month_and_rounded_up() -> None:
    months = {f"m{month:02d}": {**WATER, "from": date(2026, month, 15)} for month in range(1, 13)}
    await enter("2026-12-20", **months)
    await plan(registry(duty("study", counted(4), scope("enforcement"))), "2026-12-20")
    assert list((await targets()).values()) == [4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1]


@pytest.mark.usefixtures("store")
async def test_only_the_tag_that_binds_tells_when_a_unit_entered() -> None:
    await enter(
        new=since(date(2026, 7, 1), "department"),
        old=since(date(2024, 7, 1)),
        other={"tags": ["enforcement", {"tag": "market", "from": date(2026, 7, 1)}]},
        started={**since(date(2024, 7, 1)), "from": date(2026, 10, 1)},
    )
    await plan(STUDY, "2026-01-05")
    assert await targets() == {"new": 6, "old": 12, "other": 12, "started": 3}


@pytest.mark.usefixtures("store")
async def test_a_corrected_day_of_entry_corrects_the_target() -> None:
    for day, target in ((date(2026, 7, 1), 6), (date(2026, 4, 1), 9), (date(2025, 4, 1), 12)):
        await enter(water=since(day))
        await plan(STUDY, "2026-01-05")
        assert await targets() == {"water": target}


@pytest.mark.usefixtures("store")
async def test_an_opening_tally_counts_and_a_correction_downwards_opens_again() -> None:
    law = registry(duty("study", counted(12), scope("enforcement", in_force_to=date(2026, 12, 31))))
    for tally, state in ((5, "pending"), (12, "reported"), (3, "pending")):
        units = roster(water={**WATER, "opening": {"study": tally}})
        await enter("2026-03-01", water={**WATER, "opening": {"study": tally}})
        await plan(law, "2026-03-01")
        await apply_openings(units, law, at("2026-03-01"), date(2026, 3, 1))
        one = await only()
        assert (one.tally, one.state) == (tally, state)


@pytest.mark.usefixtures("store")
async def test_the_ledger_holds_due_day_count_and_digest_of_every_term() -> None:
    await enter(water=WATER, tax=WATER)
    await plan(ONE, "2026-01-05")
    (entry,) = [row for row in await chains.history(SYSTEM) if row["action"] == "plan"]
    (row,) = await fetch("SELECT units_digest FROM term")
    assert '"due":"2026-01-31","duty":"report","id":1,"jurisdiction":"县"' in entry["payload"]
    assert f'"digest":"{row["units_digest"]}"' in entry["payload"]
    assert '"units":2' in entry["payload"]


class CrashedError(Exception):
    """The process died here."""


STEPS = [
    (planned, "ensure"), (statements, "insert_obligations"), (statements, "stir"), (statements, "members"),
    (statements, "set_target"), (planned, "planned_for"), (planned, "digest_written"), (chains, "append"),
]  # fmt: skip


def dying(module: object, name: str, patch: pytest.MonkeyPatch) -> None:
    """Let the process die right after its second call of a step."""
    real, calls = getattr(module, name), 0

    async def step(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = await real(*args, **named)
        if calls == 2 or name in {"append", "set_target"}:
            raise CrashedError
        return result

    patch.setattr(module, name, step)


async def cities(day: str, law: Registry) -> None:
    """Two units, of which one leaves; another enters after the first reminders."""
    await enter(water=WATER, tax=WATER)
    await plan(law, "2026-01-05")
    await enter(day, water={"tags": []}, tax=WATER, fish=since(date(2026, 4, 1)))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
async def test_a_crash_after_any_step_comes_to_the_same_end(step: tuple[object, str], database_url: str) -> None:
    law = registry(duty("study", counted(12), scope("enforcement")), duty("month", MONTHLY, scope("enforcement")))
    async with fresh(database_url):
        await cities("2026-01-06", law)
        with pytest.MonkeyPatch.context() as patch:
            dying(*step, patch)
            with pytest.raises(CrashedError):
                await plan(law, "2026-01-06")
        await plan(law, "2026-01-06")
        crashed, lines = await owed(), await targets()
    async with fresh("sqlite://:memory:"):
        await cities("2026-01-06", law)
        await plan(law, "2026-01-06")
        assert (crashed, lines) == (await owed(), await targets())


@pytest.mark.usefixtures("store")
async def test_whoever_enters_is_stirred_for_in_the_same_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    await enter(water=WATER)
    monkeypatch.setattr(statements, "stir", broken)
    with pytest.raises(CrashedError):
        await plan(REPORT, "2026-01-05")
    assert await owed() == []


async def broken(*_: object) -> None:
    raise CrashedError


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_replicas_plan_at_once_without_twins_or_gaps(database_url: str) -> None:
    async with fresh(database_url):
        await enter(**{f"unit{number}": WATER for number in range(30)})
        done = await asyncio.gather(*(plan(MONTH, "2026-01-01") for _ in range(3)))
        assert sum(one.added for one in done) == len(await owed()) == 30 * 14
        await enter("2026-01-02", **{f"unit{number}": WATER for number in range(20)})
        await asyncio.gather(*(plan(MONTH, "2026-01-02") for _ in range(3)))
        plans = [row for row in await chains.history(SYSTEM) if row["action"] == "plan"]
        assert sum(row["payload"].count('"duty"') for row in plans) == 14


@pytest.mark.usefixtures("store")
async def test_the_shipped_registry_is_planned_once_for_a_unit_of_every_kind() -> None:
    tags = ["government", "department", "enforcement", "township", "justice", "finance", "coordination"]
    await enter(all={"jurisdiction": "新疆维吾尔自治区/昌吉州/昌吉市", "tags": tags})
    await plan(shipped(), "2026-01-01")
    twice = await fetch(
        "SELECT t.duty, t.label FROM obligation o JOIN term t ON t.id = o.term_id GROUP BY t.duty, t.label, o.unit_id"
        " HAVING COUNT(*) > 1"
    )
    assert twice == []
