"""Inbound messages: verified, deduplicated and committed before the answer, against a handler that only verifies."""

import asyncio
import hashlib
import hmac
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

from adapters.base import Incoming
from bench.measure import Goal, Line, interleaved
from bench.world import ZONE, World, empty
from bot.inbox import Inbox

CONNECTIONS = 16
KEY = b"bench"


def verified(body: bytes, signature: str) -> Incoming:
    """What a platform's adapter does at the door: the signature, then the fields."""
    if not hmac.compare_digest(hmac.new(KEY, body, hashlib.sha256).hexdigest(), signature):
        raise web.HTTPUnauthorized
    said = json.loads(body)
    return Incoming("bench", "app", said["id"], said["from"], said["text"])


async def lines(world: World) -> AsyncIterator[Line]:
    messages = world.units // 4
    inbox = Inbox(world.law.registry, ZONE, lambda: datetime.now(UTC), lambda: None)

    async def bare(request: web.Request) -> web.Response:
        verified(await request.read(), request.headers["X-Signature"])
        return web.json_response({"ok": True})

    async def ours(request: web.Request) -> web.Response:
        await inbox.receive(verified(await request.read(), request.headers["X-Signature"]))
        return web.json_response({"ok": True})

    tails: dict[str, list[float]] = {"bare": [], "ours": []}
    async with _served(bare=bare, ours=ours) as port:

        async def load(path: str) -> float:
            await empty("inbox")
            took, tail = await _load(port, path, messages)
            tails[path].append(tail)
            return took

        found = await interleaved(world.rounds, bare=lambda: load("bare"), ours=lambda: load("ours"))
    rate = found.rates("ours", "bare")
    goal = Goal(0.5, 0.8) if world.store == "sqlite" else Goal(0.4, 0.7)
    base, note = "handler that only verifies", f"{CONNECTIONS} connections, {messages:,} messages"
    yield Line("inbound, requests/s", base, rate, goal, world.store, note)
    p99 = [ours / bare for ours, bare in zip(tails["ours"], tails["bare"], strict=True)][1:]
    tail_goal = Goal(3, 1.5, at_most=True) if world.store == "sqlite" else None
    yield Line("inbound, p99", base, p99, tail_goal, world.store, note)
    await empty("inbox")


@asynccontextmanager
async def _served(**handlers: object) -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes([web.post(f"/{name}", handler) for name, handler in handlers.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _load(port: int, path: str, messages: int) -> tuple[float, float]:
    """Seconds for all, and the 99th percentile of one, as a process of its own saw it."""
    command = (sys.executable, "-m", "bench.load", str(port), path, str(messages), str(CONNECTIONS))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the load generator failed")
    took, tail = said.split()
    return float(took), float(tail)
