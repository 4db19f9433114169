import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.base import Incoming, Outgoing, RecipientError
from bot import app
from bot.app import Bot
from bot.store import queue, seats
from duties import planning, reminding, roster
from duties.store import chains, planned, roster_rows
from duties.store.chains import StaleError
from duties.store.database import dialect, execute, fetch, opened
from tests.bot.delivering import Platform, eventually
from tests.bot.play import LAW, ZONE, at
from tests.bot.templates import fill

ROSTER = """
[[unit]]
code = "gov"
name = "昌吉市人民政府"
level = "county"
jurisdiction = "新疆维吾尔自治区/昌吉州/昌吉市"
tags = ["government"]
posts = [
    { role = "officer", person = "gov-officer", name = "政府经办人" },
    { role = "supervisor", person = "gov-supervisor", name = "政府督查室" },
]
[[unit]]
code = "water"
name = "昌吉市水利局"
level = "county"
parent = "gov"
tags = ["department", "enforcement"]
posts = [
    { role = "head", person = "water-head", name = "水利局负责人" },
    { role = "officer", person = "water-officer", name = "水利局经办人" },
    { role = "admin", person = "admin", name = "系统管理员" },
]
"""
TABLES = ("term", "obligation", "reminder", "notice", "notice_item", "entry", "anchor")


class World:
    """A bot with three people to tell and a clock that is set by hand."""

    def __init__(self, people: roster.Roster) -> None:
        self.now = at("2025-12-26 09:00")
        self.people = people
        self.platform = Platform()
        self.bot = self.another()

    def another(self, *platforms: Platform, heartbeat: str = "") -> Bot:
        adapters = {platform.connection: platform for platform in platforms or (self.platform,)}
        return Bot(LAW, adapters, lambda: self.now, zone=ZONE, horizon_days=31, heartbeat_url=heartbeat)

    async def begin(self) -> None:
        await roster_rows.apply(self.people, "test", self.now, 600)
        await seats.bind_everyone("webchat", self.now)

    async def go_to(self, when: str) -> int:
        self.now = at(when)
        return await self.bot.step()

    def told(self, address: str, word: str = "") -> list[str]:
        return [text for text in self.platform.told(address) if word in text]


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    file = tmp_path / "roster.toml"
    file.write_text(ROSTER, encoding="utf-8")
    await fill(database_url)
    async with opened(database_url):
        world = World(roster.read(file, LAW.registry))
        await world.begin()
        yield world


async def rows() -> dict[str, int]:
    return {table: (await fetch(f"SELECT COUNT(*) AS found FROM {table}"))[0]["found"] for table in TABLES}


# The tick


async def test_a_tick_repeated_changes_nothing(world: World) -> None:
    await world.go_to("2026-01-05 10:00")
    before = await rows()
    for _ in range(3):
        assert await world.bot.step() == 0
    assert await rows() == before
    assert before["reminder"] > 0


async def test_two_replicas_that_tick_together_raise_everything_once(world: World) -> None:
    world.now = at("2026-01-05 10:00")
    other = world.another()
    await asyncio.gather(world.bot.step(), other.step(), return_exceptions=True)
    await asyncio.gather(world.bot.step(), other.step())
    held = await rows()
    assert held == await rows()
    twice = "SELECT 1 AS found FROM reminder GROUP BY obligation_id, due, rung, audience HAVING COUNT(*) > 1"
    assert await fetch(twice) == []
    said = [message.key for message in world.platform.sent]
    assert len(said) == len(set(said))


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("2026-01-21 17:00", "2026-01-22 11:30"),
        ("2026-01-21 17:00", "2026-01-29 11:30"),
        ("2025-12-30 17:00", "2026-01-06 11:30"),
    ],
    ids=["over midnight", "over a week", "over New Year"],
)
async def test_downtime_skips_nothing(world: World, down: str, up: str) -> None:
    await world.go_to(down)
    await world.go_to(up)
    last = await fetch("SELECT MAX(raised_through) AS day FROM term")
    today = world.now.date()
    assert str(last[0]["day"])[:10] in {today.isoformat(), (today - timedelta(days=1)).isoformat()}
    assert (await world.bot.health())["ok"]
    assert await planned.chore("anchor") == (today - timedelta(days=1)).isoformat()
    open_and_unheard = await fetch(
        "SELECT i.id FROM notice_item i JOIN reminder m ON m.id = i.reminder_id WHERE i.notice_id IS NULL"
    )
    assert open_and_unheard == []


async def test_after_a_week_only_the_highest_rung_is_said_and_late(world: World) -> None:
    await world.go_to("2026-01-15 12:00")
    before = len(world.told("water-officer"))
    await world.go_to("2026-01-29 12:00")
    assert len(world.told("water-officer")) == before + 1
    assert await fetch("SELECT id FROM reminder WHERE superseded") != []


async def test_a_clock_set_backwards_is_survived(world: World) -> None:
    await world.go_to("2026-01-05 10:00")
    await world.go_to("2031-06-01 12:00")
    await world.go_to("2026-01-06 12:00")
    assert (await world.bot.health())["ok"]
    await world.go_to("2026-01-07 12:00")
    days = {anchor.day for anchor in await chains.anchors()}
    assert date(2026, 1, 4) in days
    assert world.bot.loop.pulse.ticked_at == world.now


async def test_the_demonstration_may_jump_a_year(world: World) -> None:
    await world.go_to("2026-01-05 10:00")
    await world.go_to("2027-01-05 12:00")
    assert (await world.bot.health())["ok"]
    assert world.told("gov-officer")


# Chores


async def test_a_day_is_sealed_once_and_the_seal_is_posted_to_the_admins(world: World) -> None:
    await world.go_to("2026-01-05 10:00")
    for hour in (11, 15, 23):
        await world.go_to(f"2026-01-05 {hour}:00")
    (anchor,) = await chains.anchors()
    assert anchor.day == date(2026, 1, 4)
    (posted,) = world.told("admin", anchor.hash)
    assert "2026年1月4日" in posted
    assert world.told("gov-supervisor", anchor.hash) == []


async def test_the_invariant_is_checked_once_an_hour(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[date] = []
    uncovered = reminding.uncovered

    async def counted(registry: Any, workdays: Any, today: date) -> dict[str, list[str]]:
        asked.append(today)
        return await uncovered(registry, workdays, today)

    monkeypatch.setattr(reminding, "uncovered", counted)
    for when in ("2026-01-05 10:00", "2026-01-05 10:30", "2026-01-05 10:59", "2026-01-05 11:00"):
        await world.go_to(when)
    assert len(asked) == 2


async def test_a_broken_invariant_is_told_once_an_hour(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> dict[str, list[str]]:
        return {"annual-report": ["2025"]}

    monkeypatch.setattr(reminding, "uncovered", broken)
    await world.go_to("2026-01-05 12:05")
    await world.go_to("2026-01-05 12:35")
    assert len(world.told("admin", "annual-report")) == 1
    await world.go_to("2026-01-05 13:05")
    assert len(world.told("admin", "annual-report")) == 2
    health = await world.bot.health()
    assert (health["ok"], health["uncovered"]) == (False, {"annual-report": ["2025"]})


async def test_a_chore_that_fails_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.go_to("2026-01-20 09:00")
    ticked = world.bot.loop.pulse.ticked_at

    async def broken(*_: Any) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(planning, "plan", broken)
    before = (await rows())["reminder"]
    with pytest.raises(ValueError, match="a defect"):
        await world.go_to("2026-01-30 12:00")
    assert (await rows())["reminder"] > before
    assert world.bot.loop.pulse.ticked_at == ticked
    assert not (await world.bot.health())["ok"]


async def test_nobody_bound_shows_as_unreachable(world: World) -> None:
    await execute("DELETE FROM identity")
    await world.go_to("2026-01-05 10:00")
    health = await world.bot.health()
    assert "昌吉市水利局" in health["unreachable"]
    assert health["ok"]
    await seats.bind_everyone("webchat", world.now)
    await world.go_to("2026-01-05 11:00")
    assert (await world.bot.health())["unreachable"] == []
    assert world.told("water-officer")


async def test_a_dead_letter_is_told_through_another_connection(world: World) -> None:
    async def answer(message: Outgoing) -> None:
        raise RecipientError(f"{message.address} is unknown")

    other = Platform("phone")
    world.platform.answer = answer
    world.bot = world.another(world.platform, other)
    (admin,) = await fetch("SELECT person_id FROM identity WHERE address = 'admin'")
    await execute(
        "INSERT INTO identity (person_id, connection, address, bound_at) VALUES (:admin, 'phone', 'admin-phone', :now)",
        admin=admin["person_id"], now=world.now,
    )  # fmt: skip
    await world.go_to("2026-01-20 12:00")
    await world.bot.step()
    assert any("water-officer is unknown" in text for text in other.told("admin-phone"))
    acts = await fetch("SELECT channel FROM entry WHERE action = 'undelivered'")
    assert {row["channel"] for row in acts} == {"webchat"}
    before = len(other.sent)
    for _ in range(3):
        await world.bot.step()
    assert len(other.sent) == before


# By itself


async def test_it_ticks_at_once_and_answers_without_waiting_for_the_next(world: World) -> None:
    world.now = at("2026-01-20 12:00")
    running = asyncio.create_task(world.bot.run())
    await eventually(lambda: world.told("water-officer"))
    before = len(world.told("water-officer"))
    await world.bot.inbox.receive(Incoming("webchat", "app", "m1", "water-officer", "待办"))
    await eventually(lambda: len(world.told("water-officer")) > before)
    await stopped(running)


async def stopped(running: "asyncio.Task[None]") -> None:
    """Cancel, wait, and see that nothing is left behind."""
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_database_that_drops_its_connections_is_survived(world: World, database_url: str) -> None:
    if dialect() == "sqlite":
        pytest.skip("it has none to drop")
    running = asyncio.create_task(world.bot.run())
    await eventually(lambda: world.bot.loop.pulse.ticked_at)
    killer = await asyncpg.connect(database_url.replace("asyncpg://", "postgresql://"))
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await killer.close()
    world.now = at("2026-01-20 12:00")
    for _ in range(2):
        world.bot._rung = True
        world.bot.wake()
        await asyncio.sleep(0.3)
    await eventually(lambda: world.told("water-officer"))
    await stopped(running)


async def test_one_job_rings_every_thirty_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[tuple[Any, dict[str, Any]]] = []
    add = AsyncIOScheduler.add_job

    def noted(scheduler: Any, job: Any, trigger: str, **how: Any) -> Any:
        added.append((trigger, how))
        return add(scheduler, job, trigger, **how)

    monkeypatch.setattr(AsyncIOScheduler, "add_job", noted)
    running = asyncio.create_task(world.bot.run())
    await eventually(lambda: world.bot.loop.pulse.ticked_at)
    await stopped(running)
    ((trigger, how),) = added
    assert (trigger, how["seconds"]) == ("interval", 30)
    assert (how["misfire_grace_time"], how["coalesce"], how["max_instances"]) == (None, True, 1)


async def test_it_ticks_though_the_scheduler_never_rings_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the machine's clock was set back: its next run is a time of day, a year away."""
    monkeypatch.setattr(app, "TICK_SECONDS", 31_536_000)
    monkeypatch.setattr(app, "TICK_LATEST", 0.05)
    ticks = count_ticks(world.bot, monkeypatch)
    running = asyncio.create_task(world.bot.run())
    await eventually(lambda: len(ticks) >= 4)
    await stopped(running)


def count_ticks(bot: Bot, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[datetime]:
    ticks: list[datetime] = []
    failures = list(errors)

    async def tick(now: datetime) -> int:
        ticks.append(now)
        if failures:
            raise failures.pop(0)
        bot.loop.pulse.ticked_at = now
        return 0

    monkeypatch.setattr(bot.loop, "tick", tick)
    return ticks


async def test_a_failing_step_does_not_end_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "TICK_LATEST", 0.05)
    ticks = count_ticks(world.bot, monkeypatch, StaleError("moved"), OSError("disk full"), ValueError("a defect"))
    running = asyncio.create_task(world.bot.run())
    await eventually(lambda: len(ticks) >= 5)
    await world.bot.inbox.receive(Incoming("webchat", "app", "m1", "water-officer", "帮助"))
    await eventually(lambda: world.told("water-officer"))
    await stopped(running)


async def test_messages_are_answered_though_every_tick_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: datetime) -> int:
        raise ValueError("a defect")

    monkeypatch.setattr(world.bot.loop, "tick", broken)
    running = asyncio.create_task(world.bot.run())
    await world.bot.inbox.receive(Incoming("webchat", "app", "m1", "water-officer", "帮助"))
    await eventually(lambda: world.told("water-officer"))
    await stopped(running)


async def test_a_silent_platform_holds_up_neither_ticks_nor_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "TICK_LATEST", 0.05)
    monkeypatch.setattr(app, "STOP_SECONDS", 0.1)
    silent = Platform("silent", hanging)
    bot = world.another(world.platform, silent)
    ticks = count_ticks(bot, monkeypatch)
    await queue.put("news", "silent", "somebody", {"text": "x"}, world.now)
    running = asyncio.create_task(bot.run())
    await eventually(lambda: silent.tried)
    await bot.inbox.receive(Incoming("webchat", "app", "m1", "water-officer", "帮助"))
    await eventually(lambda: world.told("water-officer"))
    before = len(ticks)
    await eventually(lambda: len(ticks) > before + 2)
    await stopped(running)


async def hanging(_: Outgoing) -> None:
    await asyncio.sleep(3600)


async def test_cancelled_in_the_middle_it_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "STOP_SECONDS", 0.1)
    world.now = at("2026-01-20 12:00")
    world.platform.answer = hanging
    running = asyncio.create_task(world.bot.run())
    await eventually(lambda: world.platform.tried)
    await stopped(running)
    world.platform.answer = None
    await world.another().step()
    said = {message.address for message in world.platform.sent}
    assert {"water-officer", "admin"} <= said
    assert await fetch("SELECT id FROM notice WHERE state NOT IN ('sent', 'dropped')") == []


@pytest.mark.parametrize("moment", range(6))
async def test_cancelled_at_any_moment_it_leaves_nothing_behind(world: World, moment: int) -> None:
    world.now = at("2026-01-20 12:00")
    running = asyncio.create_task(world.bot.run())
    await asyncio.sleep(0.02 * moment**2)
    await stopped(running)
    await world.another().step()
    assert world.told("water-officer")
    keys = [message.key for message in world.platform.sent]
    assert len(keys) == len(set(keys))


async def test_what_is_being_sent_when_it_stops_is_written_down(world: World) -> None:
    world.now = at("2026-01-20 12:00")

    async def slow(_: Outgoing) -> None:
        await asyncio.sleep(0.3)

    world.platform.answer = slow
    running = asyncio.create_task(world.bot.run())
    await eventually(lambda: world.platform.tried)
    await stopped(running)
    sent = await fetch("SELECT id FROM notice WHERE state = 'sent'")
    assert {str(row["id"]) for row in sent} == {message.key for message in world.platform.sent}
    assert sent


# The heartbeat


class Outside:
    """A watch outside, on loopback, that counts the heartbeats it hears."""

    def __init__(self) -> None:
        self.heard = 0
        self.answers = 200

    async def hear(self, _: web.Request) -> web.Response:
        self.heard += 1
        return web.Response(status=self.answers)


@pytest.fixture
async def outside() -> AsyncIterator[tuple[Outside, str]]:
    watch = Outside()
    site = web.Application()
    site.router.add_post("/beat", watch.hear)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    yield watch, f"http://127.0.0.1:{port}/beat"
    await runner.cleanup()


Watch = tuple[Outside, str]


async def beating(world: World, url: str, until: Callable[[Bot], Awaitable[None]]) -> None:
    bot = world.another(heartbeat=url)
    running = asyncio.create_task(bot.run())
    await until(bot)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_heart_beats_when_the_invariant_held(world: World, outside: Watch) -> None:
    watch, url = outside
    await beating(world, url, lambda _: eventually(lambda: watch.heard))


@pytest.mark.parametrize("what", ["uncovered", "failed"])
async def test_the_heart_is_silent_otherwise(
    world: World, outside: Watch, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    watch, url = outside
    monkeypatch.setattr(app, "TICK_LATEST", 0.05)
    ticks: list[int] = []

    async def uncovered(*_: Any) -> dict[str, list[str]]:
        ticks.append(1)
        if what == "failed":
            raise StaleError("moved")
        return {"annual-report": ["2025"]}

    monkeypatch.setattr(reminding, "uncovered", uncovered)

    async def a_while(bot: Bot) -> None:
        await eventually(lambda: ticks)
        await asyncio.sleep(0.5)
        assert not (await bot.health())["ok"]

    await beating(world, url, a_while)
    assert watch.heard == 0


async def test_a_watch_that_refuses_or_is_gone_ends_nothing(
    world: World, outside: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, url = outside
    watch.answers = 500
    monkeypatch.setattr(app, "TICK_LATEST", 0.05)
    await beating(world, url, lambda _: eventually(lambda: watch.heard >= 2))

    async def ticks(bot: Bot) -> None:
        await eventually(lambda: bot.loop.pulse.ticked_at)
        await asyncio.sleep(0.3)
        assert (await bot.health())["ok"]

    await beating(world, "http://127.0.0.1:9/beat", ticks)
