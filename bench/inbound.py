"""Inbound messages: verified, deduplicated and committed before the answer, against a handler that only verifies.

Both sides open and check the same sealed Feishu events with the same code.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.typedefs import Handler

from adapters.base import Request
from adapters.feishu_app import FeishuAppAdapter, FeishuAppConfig
from adapters.webhooks import Webhooks
from bench import load
from bench.measure import Goal, Line, Rounds, interleaved
from bench.world import ZONE, World, empty, same
from bot.conversation.ask import Surroundings
from bot.inbox import Inbox
from bot.store.remembered import StoredState
from duties.store.database import fetch

CONNECTIONS = 16
BESIDE = (1, 64)
"""Connections of which the note tells the rate as well."""
LEAST = 4_000
"""Messages: fewer are over before anything can be said of their hundredth part."""
OURS, BARE = "/hooks/feishu", "/bare"


def clock() -> datetime:
    return datetime.now(UTC)


def feishu() -> FeishuAppAdapter:
    keys = {"app_id": load.APP, "app_secret": "-", "encrypt_key": load.KEY, "verification_token": load.TOKEN}
    config = FeishuAppConfig.model_validate({"name": "feishu", "platform": "feishu-app", "mode": "http", **keys})
    return FeishuAppAdapter(config, StoredState("feishu"), clock)


def bare(adapter: FeishuAppAdapter) -> Handler:
    """What remains of a callback without a store: read, verified, opened, answered."""

    async def handle(request: web.Request) -> web.Response:
        asked = Request(request.method, request.query, request.headers, await request.read())
        answer = adapter.receive(asked, clock()).response
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    return handle


@dataclass(slots=True)
class Compared:
    """Both sides under the load of so many connections."""

    port: int
    connections: int
    messages: int
    tails: dict[str, list[float]] = field(default_factory=lambda: {OURS: [], BARE: []})

    async def rounds(self, number: int) -> Rounds:
        return await interleaved(number, bare=lambda: self._load(BARE), ours=lambda: self._load(OURS))

    def tail_ratios(self) -> Sequence[float]:
        return [ours / base for ours, base in zip(self.tails[OURS], self.tails[BARE], strict=True)][1:]

    async def _load(self, path: str) -> float:
        """Seconds for all, as a process of its own saw it."""
        await empty("inbox")
        given = (str(self.port), path, str(self.messages), str(self.connections))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.load", *given, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError("the load generator failed")
        if path == OURS:
            same("messages kept", (await fetch("SELECT COUNT(*) AS found FROM inbox"))[0]["found"], self.messages)
        took, tail = map(float, said.split())
        self.tails[path].append(tail)
        return took


async def lines(world: World) -> AsyncIterator[Line]:
    messages = max(LEAST, world.units)
    adapter = feishu()
    inbox = Inbox(world.law.registry, ZONE, clock, lambda: None, Surroundings(world.law.workdays))
    hooks = Webhooks({adapter.connection: adapter}, inbox.receive, clock)
    async with _served(*hooks.routes(), web.post(BARE, bare(adapter))) as port:
        beside = [
            f"{some}: {(await Compared(port, some, messages // 4).rounds(1)).rates('ours', 'bare')[0]:.2f}"
            for some in BESIDE
        ]
        compared = Compared(port, CONNECTIONS, messages)
        rate = (await compared.rounds(world.rounds)).rates("ours", "bare")
    goal = Goal(0.5, 0.8) if world.store == "sqlite" else Goal(0.4, 0.7)
    base, note = "handler that only verifies", f"{CONNECTIONS} connections, {messages:,} messages"
    yield Line("inbound, requests/s", base, rate, goal, world.store, f"{note}; {', '.join(beside)}")
    tail_goal = Goal(3, 1.5, at_most=True) if world.store == "sqlite" else None
    yield Line("inbound, p99", base, compared.tail_ratios(), tail_goal, world.store, note)
    await empty("inbox")


@asynccontextmanager
async def _served(*routes: web.RouteDef) -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
