"""The live stream of a page: server-sent events, and what it missed while it was away."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import web

from adapters.webchat import CLOSED, RELOAD, Event
from bot.web.chat import PAGE_SIZE, bubble_json
from bot.web.session import DOOR, speaker

log = structlog.get_logger()

KEEP_ALIVE = web.AppKey("keep_alive", float)
HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
RETRY_AFTER = b"retry: 2000\n\n"


async def events(request: web.Request) -> web.StreamResponse:
    """Everything that happens at an address, until the page leaves."""
    door = request.app[DOOR]
    plays_nobody = door.demo is not None and "as" not in request.query
    address = "" if plays_nobody else await speaker(request)
    # Listen first and look back second: what comes in between arrives twice, and the page knows it by its id.
    with door.adapter.subscribe(address, others=door.demo is not None) as queue:
        missed = await _missed(request, address)
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        try:
            await response.write(RETRY_AFTER + b"".join(map(_line, missed)))
            await _pump(request, response, queue)
        except ConnectionError:
            pass  # the page was closed: the ordinary end of a stream
        except Exception:
            log.exception("stream-failed", address=address)
    return response


async def _pump(request: web.Request, response: web.StreamResponse, queue: asyncio.Queue[Event]) -> None:
    event = Event("")
    while event not in (RELOAD, CLOSED):
        try:
            event = await asyncio.wait_for(queue.get(), request.app[KEEP_ALIVE])
        except TimeoutError:
            if await _signed_out(request):
                return
            await response.write(b": keep-alive\n\n")
        else:
            await response.write(_line(event))


async def _signed_out(request: web.Request) -> bool:
    if request.app[DOOR].demo is not None:
        return False
    try:
        await speaker(request)
    except web.HTTPUnauthorized:
        return True
    return False


async def _missed(request: web.Request, address: str) -> list[Event]:
    last = request.headers.get("Last-Event-ID", "")
    if not last or not address:
        return []
    door = request.app[DOOR]
    recent = await door.history(address, None, PAGE_SIZE)
    known = [bubble.id for bubble in recent]
    if last not in known:
        return [Event("reload")]
    shown: list[Mapping[str, Any]] = [bubble_json(bubble, door.now()) for bubble in recent[known.index(last) + 1 :]]
    return [Event("message", bubble, str(bubble["id"])) for bubble in shown]


def _line(event: Event) -> bytes:
    # JSON escapes line ends, so that nothing anybody wrote can begin another field of the stream.
    mark = f"id: {event.id}\n" if event.id else ""
    return f"{mark}event: {event.kind}\ndata: {json.dumps(dict(event.data))}\n\n".encode()
