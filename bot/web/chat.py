"""The page and what it asks for: the state, the conversation, a message, another time."""

import re
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import aiohttp_jinja2
import structlog
from aiohttp import web

from adapters.base import Incoming
from bot.web.body import MAX_TEXT, Move, Said, read
from bot.web.door import Bubble, DemoDoor
from bot.web.guard import RefusalError
from bot.web.session import DOOR, signed_in_person, speaker
from bot.wording import LANGUAGES, catalogue, say

log = structlog.get_logger()

PAGE_SIZE = 40
RUNS_BY_ITSELF = timedelta(minutes=1)
WORDS = "web-"
ORDER = re.compile(r"[0-9]{1,18}", re.ASCII)


async def page(request: web.Request) -> web.Response:
    """The page itself: the same for everybody, with its sentences in every language."""
    words = {
        language: {key: text for key, text in catalogue(language).items() if key.startswith(WORDS)}
        for language in LANGUAGES
    }
    demo = request.app[DOOR].demo is not None
    return aiohttp_jinja2.render_template(
        "chat.html", request, {"say": say, "words": words, "demo": demo, "max_text": MAX_TEXT}
    )


async def state(request: web.Request) -> web.Response:
    """Who can be played and what time it is, or who is signed in."""
    door = request.app[DOOR]
    if door.demo is None:
        me = await signed_in_person(request)
        return web.json_response({"demo": False, "me": me and asdict(me)})
    people = [asdict(player) for player in await door.demo.people()]
    return web.json_response({"demo": True, "people": people, "clock": _clock(door.demo, door.now())})


async def messages(request: web.Request) -> web.Response:
    """A stretch of the conversation, oldest first, and whether there is more before it."""
    address, before = await speaker(request), request.query.get("before")
    if before is not None and not ORDER.fullmatch(before):
        raise web.HTTPBadRequest
    door = request.app[DOOR]
    found = await door.history(address, int(before) if before else None, PAGE_SIZE + 1)
    shown = [bubble_json(bubble, door.now()) for bubble in found[-PAGE_SIZE:]]
    return web.json_response({"messages": shown, "more": len(found) > PAGE_SIZE})


async def say_something(request: web.Request) -> web.Response:
    """Accept a message: once this answers 202 it is recorded."""
    address, said = await speaker(request), await read(request, Said)
    door = request.app[DOOR]
    incoming = Incoming(
        connection=door.adapter.connection,
        app=door.adapter.platform,
        message_id=said.id,
        sender=address,
        text=said.text,
        action=said.action,
        reply_to=said.reply_to,
    )
    try:
        await door.receive(incoming)
    except Exception as error:
        log.exception("message-not-recorded", address=address)
        raise RefusalError(503, "web-error-not-recorded") from error
    door.adapter.echo(address, said.id, said.text, said.reply_to)
    return web.json_response({"id": said.id, "at": door.now().isoformat()}, status=202)


async def move_clock(request: web.Request) -> web.Response:
    """Let time pass in the demonstration, for every open page."""
    door = request.app[DOOR]
    assert door.demo is not None
    step, before = (await read(request, Move)).step, door.now()
    now = await door.demo.move(step)
    clock = _clock(door.demo, now)
    door.adapter.announce({"kind": "clock", **clock})
    return web.json_response({"clock": clock, "moved": now - before > RUNS_BY_ITSELF})


def bubble_json(bubble: Bubble, now: datetime) -> dict[str, Any]:
    """A message as the page reads it. Its time is written in the zone of `now`: the page never guesses a zone."""
    return asdict(bubble) | {"at": bubble.at.astimezone(now.tzinfo).isoformat()}


def _clock(demo: DemoDoor, now: datetime) -> dict[str, Any]:
    return {"now": now.isoformat(), "workday": demo.is_workday(now.date())}
