"""The web application: its routes are these lists."""

from collections.abc import Sequence
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from bot.web import chat, download, events, guard, monitoring, session
from bot.web.body import MAX_BODY
from bot.web.door import ChatDoor

HERE = Path(__file__).parent

ALWAYS = (
    web.get("/", chat.page),
    web.get("/api/state", chat.state),
    web.get("/api/messages", chat.messages),
    web.post("/api/messages", chat.say_something),
    # A HEAD would hold a stream open that nobody reads.
    web.get("/api/events", events.events, allow_head=False),
    web.get("/export/{ticket}", download.table, allow_head=False),
    web.get("/healthz", monitoring.healthz),
    web.get("/metrics", monitoring.metrics),
    web.static("/static", HERE / "static"),
)
ONLY_IN_DEMO = (web.post("/api/clock", chat.move_clock),)
ONLY_IN_EARNEST = (web.post("/api/bind", session.bind), web.post("/api/leave", session.leave))


def site(door: ChatDoor, *, keep_alive: float = 15.0, hooks: Sequence[web.RouteDef] = ()) -> web.Application:
    """The built-in chat behind a door. Playing people and moving time exist only where the door has a demo."""
    loopback = [guard.require_loopback] if door.demo else []
    app = web.Application(
        client_max_size=MAX_BODY, middlewares=[guard.explain_refusals, *loopback, guard.require_own_page]
    )
    app[session.DOOR] = door
    app[events.KEEP_ALIVE] = keep_alive
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True)
    app.on_response_prepare.append(guard.add_headers)
    app.on_shutdown.append(_end_streams)
    app.add_routes([*ALWAYS, *(ONLY_IN_DEMO if door.demo else ONLY_IN_EARNEST), *hooks])
    return app


async def _end_streams(app: web.Application) -> None:
    await app[session.DOOR].adapter.close()
