"""Delivery of a wave to a loopback sink, against a bare aiohttp client that posts the very same bodies."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import aiohttp

from adapters.base import Outgoing
from bench.measure import Goal, Line, interleaved
from bench.waves import morning, wave
from bench.world import NOW, ZONE, World, analyze, empty, same
from bot.delivery import Delivery
from bot.store import queue
from bot.wording.notices import NoticeWording
from duties.store.database import execute, fetch

IN_FLIGHT = 50


@contextmanager
def sink() -> Iterator[str]:
    """An HTTP server in a process of its own that takes everything. Yields its address."""
    with subprocess.Popen([sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        finally:
            process.terminate()


class Poster:
    """The smallest adapter: a message is one POST of JSON on one session."""

    platform: ClassVar[str] = "sink"
    max_bytes: ClassVar[int] = 20_000
    can_button: ClassVar[bool] = True
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = False
    per_minute: ClassVar[float] = 0
    connection = "sink"

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.sent: list[dict[str, Any]] = []

    def is_private(self, address: str) -> bool:
        """Whether an address is a person: here each is."""
        return bool(address)

    async def send(self, message: Outgoing) -> str:
        buttons = [[button.label, button.value, button.style] for button in message.buttons]
        body = {"key": message.key, "to": message.address, "text": message.text, "buttons": buttons}
        self.sent.append(body)
        return await self.post(body)

    async def post(self, body: dict[str, Any]) -> str:
        async with self.session.post(self.url, json=body) as response:
            return str((await response.json())["id"])

    async def close(self) -> None:
        await self.session.close()


async def lines(world: World) -> AsyncIterator[Line]:
    notices = world.units // 2
    day, _ = await wave(world)
    await _reach(notices)
    await queue.address_reminders(day)
    now, cpu = morning(day), _Cpu()
    with sink() as url:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:
            poster = Poster(url, session)
            delivery = Delivery({"sink": poster}, NoticeWording(world.law.registry), ZONE, in_flight=IN_FLIGHT)
            await delivery.drain(now)
            bodies = poster.sent
            same("people told", len({body["to"] for body in bodies}), notices)

            async def bare() -> float:
                return await cpu.of("bare", _post_all(poster, bodies))

            async def ours() -> float:
                await _unsaid()
                poster.sent = []
                took = await cpu.of("ours", delivery.drain(now))
                same("messages", len(poster.sent), len(bodies))
                return took

            found = await interleaved(world.rounds, bare=bare, ours=ours)
    (items,) = await fetch("SELECT COUNT(*) AS found FROM notice_item WHERE notice_id IS NOT NULL")
    note = f"{len(bodies):,} notices, {items['found']:,} items"
    base = f"bare aiohttp, {IN_FLIGHT} in flight"
    yield Line("delivery, messages/s", base, found.rates("ours", "bare"), Goal(0.5, 0.8), world.store, note)
    goal = Goal(2, 1.3, at_most=True)
    yield Line("delivery, CPU", base, cpu.ratios("ours", "bare"), goal, world.store, "without the database server's")
    await empty("notice", "notice_item", "reminder", "identity")


async def _reach(people: int) -> None:
    """Give so many officers an address."""
    await empty("notice", "notice_item", "identity")
    await execute(
        "INSERT INTO identity (person_id, connection, address, bound_at) SELECT p.person_id, 'sink', n.code, :now"
        " FROM post p JOIN person n ON n.id = p.person_id WHERE p.role = 'officer' ORDER BY p.id LIMIT :people",
        now=NOW, people=people,
    )  # fmt: skip
    await analyze()


async def _unsaid() -> None:
    await empty("notice")
    await execute("UPDATE notice_item SET notice_id = NULL, outcome = '' WHERE notice_id IS NOT NULL")


async def _post_all(poster: Poster, bodies: Sequence[dict[str, Any]]) -> None:
    waiting = iter(bodies)

    async def worker() -> None:
        for body in waiting:
            await poster.post(body)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


class _Cpu:
    """CPU seconds of this process beside the time that passed; the first of each is the warm-up."""

    def __init__(self) -> None:
        self._used: dict[str, list[float]] = {}

    async def of(self, name: str, work: Awaitable[object]) -> float:
        began, used = time.perf_counter(), time.process_time()
        await work
        self._used.setdefault(name, []).append(time.process_time() - used)
        return time.perf_counter() - began

    def ratios(self, name: str, base: str) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self._used[name], self._used[base], strict=True)][1:]
