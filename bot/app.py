"""The composition root: the only place that makes a clock, and that knows every room."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar, cast

import aiohttp
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.base import Adapter, Updater
from bot.conversation.ask import Surroundings
from bot.delivery import Delivery
from bot.inbox import Inbox
from bot.loop import Loop
from bot.monitor import Monitor
from bot.store import queue
from bot.wording.notices import NoticeWording
from duties.reading import shipped
from duties.registry import Registry
from duties.store.database import transaction
from duties.workdays import WorkCalendar

log = structlog.get_logger()
Clock = Callable[[], datetime]
Result = TypeVar("Result")
TICK_SECONDS = 30
TICK_LATEST = 60.0
"""Seconds after which the loop ticks by itself, should the scheduler not have rung."""
STOP_SECONDS = 1.5
"""How long what is under way may take to end when the bot stops."""
HEALTHY_FOR = timedelta(minutes=3)


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class MovableClock:
    """The demonstration's clock: runs like the real one, from another day, and can be set forward."""

    def __init__(self, start: datetime, real: Clock = system_clock) -> None:
        self._real = real
        self._offset = start - real()

    def __call__(self) -> datetime:
        return self._real() + self._offset

    def set(self, instant: datetime) -> None:
        """Set forward; time never goes back."""
        self._offset = max(self._offset, instant - self._real())


@dataclass(frozen=True, slots=True)
class Law:
    """What the bot knows of the law: the registry and the working calendar."""

    registry: Registry
    workdays: WorkCalendar

    @classmethod
    def shipped(cls) -> "Law":
        """As it comes with the package."""
        return cls(shipped(), WorkCalendar.shipped())


class Bot:
    """Loop, delivery and inbox around one clock. `step` does everything that is due; `run` does it by itself."""

    def __init__(  # the whole bot's parts, all of them
        self, law: Law, adapters: Mapping[str, Adapter], clock: Clock, *, zone: tzinfo, horizon_days: int = 400,
        heartbeat_url: str = "", page_url: str = "", head_confirms: bool = False, link_hours: int = 1,
        link_uses: int = 5,
    ) -> None:  # fmt: skip
        self.law = law
        self.clock = clock
        self.zone = zone
        self.adapters = adapters
        self.loop = Loop(law.registry, law.workdays, zone, timedelta(days=horizon_days))
        self.delivery = Delivery(adapters, NoticeWording(law.registry, page=page_url), zone, alarm=self.loop.alarm)
        changeable = {
            name: cast("Updater", adapter).updates_text for name, adapter in adapters.items() if adapter.can_update
        }
        lasts = timedelta(hours=link_hours)
        around = Surroundings(law.workdays, page_url, self._alone, head_confirms, lasts, link_uses)
        self.inbox = Inbox(law.registry, zone, clock, self.wake, around, changeable)
        self.monitor = Monitor()
        self._heartbeat_url = heartbeat_url
        self._deciding = asyncio.Lock()
        self._woken = asyncio.Event()
        self._held = asyncio.Event()
        self._posted = {scope: asyncio.Event() for scope in adapters}
        self._rung = False
        self._ticked = -TICK_LATEST
        self._stopping = False

    def _alone(self, connection: str, address: str) -> bool:
        adapter = self.adapters.get(connection)
        return adapter is not None and adapter.is_private(address)

    def wake(self) -> None:
        """There is something to do: do not wait for the next tick."""
        self._woken.set()

    async def step(self, *, tick: bool = True) -> int:
        """Everything that is due now: answers, reminders, messages. Returns how many reminders were raised."""
        raised = await self._decide(tick=tick)
        self.monitor.counted(finished=await self.delivery.drain(self.clock()))
        return raised

    async def run(self) -> None:
        """Work until cancelled; then finish what is under way. The scheduler only rings, the work is ours to end."""
        scheduler = AsyncIOScheduler(timezone=self.zone)
        scheduler.add_job(
            self._ring, "interval", seconds=TICK_SECONDS, misfire_grace_time=None, coalesce=True, max_instances=1,
            next_run_time=datetime.now(self.zone),
        )  # fmt: skip
        self._stopping = self.delivery.stopping = False
        sending = (self._deliver_by_itself(scope) for scope in self.adapters)
        workers = [asyncio.create_task(one) for one in (self._decide_by_itself(), self._beat_by_itself(), *sending)]
        scheduler.start()
        try:
            ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
            for worker in ended:
                worker.result()
        finally:
            scheduler.shutdown(wait=False)
            await self._stop(workers)

    async def _stop(self, workers: Sequence["asyncio.Task[None]"]) -> None:
        """What is being sent is sent and written down; what does not end soon is left to the next start."""
        self._stopping = self.delivery.stopping = True
        for event in (self._woken, self._held, *self._posted.values()):
            event.set()
        await asyncio.wait(workers, timeout=STOP_SECONDS)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        try:
            await self.delivery.close()
        except Exception:
            log.exception("not closed", action="stop")

    async def _ring(self) -> None:
        self._rung = True
        self.wake()

    async def _decide_by_itself(self) -> None:
        await self._guarded(queue.take_over())
        while not self._stopping:
            # The scheduler's next run is a time of day: after the clock was set back it would not ring for as long.
            tick = self._rung or time.monotonic() - self._ticked >= TICK_LATEST
            if tick:
                self._rung, self._ticked = False, time.monotonic()
            decided = await self._guarded(self._decide(tick=tick, opening=True))
            for event in self._posted.values():
                event.set()
            if tick and decided is not None:
                self._held.set()
            await _rung_or_after(self._woken, TICK_LATEST)

    async def _beat_by_itself(self) -> None:
        while True:
            await self._held.wait()
            self._held.clear()
            if self._stopping:
                return
            await self._guarded(self._heartbeat())

    async def _deliver_by_itself(self, scope: str) -> None:
        """A scope of its own for each connection: a slow platform holds up nobody else's messages, nor the tick."""
        while not self._stopping:
            sent = await self._guarded(self._deliver(scope))
            await _rung_or_after(self._posted[scope], TICK_SECONDS if sent is None else sent)

    async def _deliver(self, scope: str) -> float:
        self.monitor.counted(finished=await self.delivery.send(scope, self.clock()))
        return await self.delivery.patience(scope, self.clock())

    async def _decide(self, *, tick: bool, opening: bool = False) -> int:
        """Everything but sending: what is due becomes rows. One at a time; the demonstration's clock steps in too."""
        async with self._deciding:
            now = self.clock()
            try:
                raised = await self.loop.tick(now) if tick else 0
            finally:  # a chore that fails holds up neither answers nor messages
                await self.inbox.process()
                if opening:
                    await self.delivery.open(now)
            self.monitor.counted(raised=raised, pulse=self.loop.pulse)
            return raised

    async def connection_failed(self, connection: str, reason: str) -> None:
        """A long connection that only an operator can mend: tell the admins elsewhere."""
        async with transaction():
            await self.loop.alarm(connection, reason, self.clock())
        self.wake()

    async def _guarded(self, work: Awaitable[Result]) -> Result | None:
        """A failing step must not end the loop: the rows are there, the next tick takes them up again."""
        try:
            return await work
        except Exception:
            log.exception("step failed", action="step")
            return None

    async def _heartbeat(self) -> None:
        """Tell the outside that all is well; silence is the alarm, so nothing is sent unless the invariant held."""
        if not self._heartbeat_url or not (await self.health())["ok"]:
            return
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.post(self._heartbeat_url) as response,
            ):
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("heartbeat not delivered", action="heartbeat", error=type(error).__name__)

    async def health(self) -> dict[str, Any]:
        """Whether everything is covered and moving, and by how much not."""
        pulse, now, notices = self.loop.pulse, self.clock(), await self._guarded(queue.tallies())
        ticking = pulse.ticked_at is not None and now - pulse.ticked_at < HEALTHY_FOR
        return {
            "ok": ticking and pulse.checked != "" and not pulse.uncovered and notices is not None,
            "now": now.astimezone(self.zone).isoformat(timespec="seconds"),
            "ticked_at": pulse.ticked_at.astimezone(self.zone).isoformat(timespec="seconds")
            if pulse.ticked_at
            else None,
            "uncovered": pulse.uncovered,
            "unreachable": pulse.unreachable,
            "notices": notices,
        }


async def _rung_or_after(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
