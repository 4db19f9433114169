"""Processes: serve for real, and the demonstration. Both are the same bot behind the same page."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog
from aiohttp import web

from adapters.base import Listener
from adapters.webchat import WebchatAdapter
from adapters.webhooks import Webhooks
from bot.app import Bot, Clock, Law, MovableClock, system_clock
from bot.connections import configured, listeners, made, receivers
from bot.doorway import CONNECTION, Doorway
from bot.listening import Listening
from bot.settings import Settings, secrets_folder
from bot.store import seats
from bot.web.site import site
from duties.roster import Roster
from duties.store import roster_rows
from duties.store.database import Location, fetch, locate, migrate, opened, owned

LOOPBACK = "127.0.0.1"
Ready = Callable[[str], None]
"""Called with the page's address once it answers."""


def configure_logging(form: Literal["text", "json"] = "text") -> None:
    """Everything the program says about itself goes to stderr; a line is one event with its facts."""
    # The pretty tracebacks show local variables, among them keys, codes and what people wrote.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False) if form == "json" else console
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info if form == "json" else _unchanged,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)


def _unchanged(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event


@dataclass(frozen=True, slots=True)
class Service:
    """A running page and bot, for those who compose one."""

    bot: Bot
    address: str
    work: "asyncio.Task[None]"

    async def until_stopped(self) -> None:
        """Return when the process is told to stop. A bot that ended by itself is an error: nobody would be reminded."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        told = asyncio.create_task(stopped.wait())
        await asyncio.wait((told, self.work), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if self.work.done():
            self.work.result()


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Location]:
    """The settings' database, owned and up to date."""
    async with AsyncExitStack() as stack:
        stack.enter_context(owned(locate(settings.database)))  # before opening, which already writes to the file
        location = await stack.enter_async_context(opened(settings.database))
        # Ask for anything first: where the ORM cannot connect it keeps its lock, and what asks next waits for ever.
        await fetch("SELECT 1 AS answer")
        await migrate(location, settings.backups)
        yield location


@asynccontextmanager
async def running(
    law: Law, settings: Settings, clock: Clock, demo: MovableClock | None = None
) -> AsyncIterator[Service]:
    """A bot that works by itself and a page that answers, on an open database."""
    adapter = WebchatAdapter(CONNECTION, lambda: clock().astimezone(settings.zone))
    platforms = made(configured(settings.connection, secrets_folder()), clock) if demo is None else {}
    bot = Bot(
        law, {CONNECTION: adapter, **platforms}, clock, zone=settings.zone, horizon_days=settings.horizon_days,
        heartbeat_url=settings.heartbeat_url, page_url=settings.page_url,
        head_confirms=settings.head_confirms, link_hours=settings.link_hours, link_uses=settings.link_downloads,
    )  # fmt: skip
    hooks = Webhooks(receivers(platforms), bot.inbox.receive, clock)
    bot.monitor.watch_hooks(hooks.outcomes)
    door = Doorway(bot, adapter).door(demo)
    runner = web.AppRunner(site(door, hooks=hooks.routes()), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK if demo else settings.host, settings.port).start()
        work = asyncio.create_task(_working(bot, listeners(platforms)))
        try:
            host, port = runner.addresses[0][:2]
            yield Service(bot, f"http://{f'[{host}]' if ':' in host else host}:{port}/", work)
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
    finally:
        await runner.cleanup()


async def _working(bot: Bot, listening: Mapping[str, Listener]) -> None:
    """The bot and its long connections, until either ends or both are cancelled."""
    long = Listening(listening, bot.inbox.receive, bot.delivery.holder, bot.connection_failed)
    connected = asyncio.create_task(long.run())
    try:
        await bot.run()
    finally:
        connected.cancel()
        with suppress(asyncio.CancelledError):
            await connected


async def serve(law: Law, settings: Settings, ready: Ready) -> None:
    """Run until told to stop."""
    async with database(settings), running(law, settings, system_clock) as service:
        ready(service.address)
        await service.until_stopped()


async def demonstrate(law: Law, roster: Roster, settings: Settings, start: datetime, ready: Ready) -> None:
    """Play: a fresh database, the sample roster, everybody reachable on the page, time that can be moved."""
    clock = MovableClock(start)
    async with database(settings):
        await roster_rows.apply(roster, "demo", clock(), settings.office_minute)
        await seats.bind_everyone(CONNECTION, clock())
        async with running(law, settings, clock, clock) as service:
            ready(service.address)
            await service.until_stopped()


def fresh(file: Path) -> Path:
    """A place for a database that is made anew: what was there before is removed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    return file
