"""Receipts, written in small groups: whoever hands one in goes on once it is committed.

So what is sent and not yet written down is never more than what is in flight, and that is all a crash can repeat.
"""

import asyncio

from bot.store import queue
from bot.store.queue import Outcome


class Receipts:
    """Writes outcomes under one holder's token; those that come while a group is being written are the next group."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self._group: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, outcome: Outcome) -> None:
        """Return once the outcome is committed. Raises what the store raises."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._group.append((outcome, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await written

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        while self._group:
            group, self._group = self._group, []
            error: Exception | None = None
            try:
                await queue.settle([outcome for outcome, _ in group], self.holder)
            except Exception as failure:  # noqa: BLE001  every waiter must hear of it
                error = failure
            for _, written in group:
                _resolve(written, error)


def _resolve(written: asyncio.Future[None], error: Exception | None) -> None:
    if written.done():
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
