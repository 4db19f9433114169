"""Long connections and polls: each belongs to whoever holds its lease, so that replicas do not both answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from adapters.base import ConfigurationError, Listener, OnMessage
from bot.store import queue

log = structlog.get_logger()
RENEWED_EVERY = queue.LEASE_SECONDS / 3
REST = 600.0
"""Seconds a connection rests after a fault that only an operator can mend."""
AGAIN = 5.0

Alarm = Callable[[str, str], Awaitable[None]]
"""Told (connection, reason) when only an operator can mend it."""


class Listening:
    """Holds every listening connection whose lease this process can get."""

    def __init__(self, listeners: Mapping[str, Listener], on_message: OnMessage, holder: str, alarm: Alarm) -> None:
        self.listeners = listeners
        self.on_message = on_message
        self.holder = holder
        self.alarm = alarm

    async def run(self) -> None:
        """Until cancelled; then every connection is closed and its lease given up."""
        async with asyncio.TaskGroup() as group:
            for name, listener in self.listeners.items():
                group.create_task(self._keep(name, listener))

    async def _keep(self, name: str, listener: Listener) -> None:
        scope = f"listen:{name}"
        try:
            while True:
                if not await queue.lease(scope, self.holder):
                    await asyncio.sleep(RENEWED_EVERY)
                    continue
                await asyncio.sleep(await self._listened(name, scope, listener))
        finally:
            await queue.release(scope, self.holder)

    async def _listened(self, name: str, scope: str, listener: Listener) -> float:
        """Listen while the lease lasts. Returns how long to rest before the next try."""
        work = asyncio.create_task(listener.listen(self.on_message))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=RENEWED_EVERY)
                if not work.done() and not await queue.lease(scope, self.holder):
                    log.warning("lease lost", action="listen", connection=name)
                    return RENEWED_EVERY
            work.result()
        except ConfigurationError as error:
            await self.alarm(name, str(error))
            return REST
        except Exception:
            log.exception("listening failed", action="listen", connection=name)
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work
        return AGAIN
