"""A disk without room: SQLite's own limit on pages stands in for it. Nothing is acknowledged, nothing recorded lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from adapters.base import Incoming
from adapters.webchat import WebchatAdapter
from bot.doorway import CONNECTION, Doorway
from bot.store import people, seats
from bot.web.site import site
from duties import roster
from duties.store.database import fetch, opened
from tests.bot.delivering import eventually
from tests.bot.play import LAW, at
from tests.bot.templates import fill
from tests.bot.test_loop import ROSTER, World

LONG = "督" * 4_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    url, file = f"sqlite://{tmp_path}/duban.db", tmp_path / "roster.toml"
    file.write_text(ROSTER, encoding="utf-8")
    await fill(url)
    async with opened(url):
        world = World(roster.read(file, LAW.registry))
        await world.begin()
        await world.go_to("2026-01-19 12:00")
        yield world


async def fill_disk() -> None:
    (row,) = await fetch("PRAGMA page_count")
    await fetch(f"PRAGMA max_page_count = {next(iter(row.values()))}")


async def make_room() -> None:
    await fetch("PRAGMA max_page_count = 1000000")


async def write_until_full(world: World) -> int:
    """Messages that were accepted before the first that was not."""
    await fill_disk()
    for number in range(200):
        try:
            await world.bot.inbox.receive(Incoming("webchat", "app", f"m{number}", "water-officer", LONG))
        except Exception:  # noqa: BLE001  whatever it is: it must be raised
            return number
    raise AssertionError("the disk is never full")


async def test_what_cannot_be_kept_is_not_acknowledged_and_what_was_kept_is_answered(world: World) -> None:
    accepted = await write_until_full(world)
    await make_room()
    await world.bot.inbox.receive(Incoming("webchat", "app", f"m{accepted}", "water-officer", LONG))
    before = len(world.told("water-officer"))
    await world.bot.step(tick=False)
    assert len(world.told("water-officer")) == before + accepted + 1


async def test_a_wave_on_a_full_disk_goes_out_when_there_is_room(world: World) -> None:
    await write_until_full(world)
    sent = len(world.platform.sent)
    running = asyncio.create_task(world.bot.run())
    world.now = at("2026-01-30 12:00")
    world.bot.wake()
    await asyncio.sleep(0.5)
    await make_room()
    world.bot._rung = True
    world.bot.wake()
    await eventually(lambda: any("水利局" in text for text in world.told("water-officer")))
    await eventually(lambda: len(world.platform.sent) > sent)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await world.another().step()
    keys = [message.key for message in world.platform.sent]
    assert len(keys) - len(set(keys)) <= 8
    assert await fetch("SELECT id FROM notice WHERE state NOT IN ('sent', 'dropped')") == []


async def test_the_page_says_that_nothing_was_recorded(world: World) -> None:
    adapter = WebchatAdapter(CONNECTION, lambda: world.now)
    door = Doorway(world.another(), adapter).door()
    async with TestClient(TestServer(site(door))) as page:
        await seats.bind_everyone(CONNECTION, world.now)
        token = await people.sign_in("water-officer", world.now)
        page.session.cookie_jar.update_cookies({"duban_session": token}, page.make_url("/"))
        await write_until_full(world)
        said = {"id": "message-9999", "text": LONG[:3_900]}
        async with page.post("/api/messages", json=said, headers={"X-Duban": "page"}) as answer:
            assert answer.status == 503
        await make_room()
        async with page.post("/api/messages", json=said, headers={"X-Duban": "page"}) as answer:
            assert answer.status == 202
