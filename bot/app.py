"""The composition root: the only place that makes a clock, and that knows every room."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import aiohttp
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.base import Adapter
from bot.delivery import Delivery
from bot.inbox import Inbox
from bot.loop import Loop
from bot.monitor import Monitor
from bot.store import queue
from bot.wording.notices import NoticeWording
from duties.reading import shipped
from duties.registry import Registry
from duties.workdays import WorkCalendar

log = structlog.get_logger()
Clock = Callable[[], datetime]
TICK_SECONDS = 30
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
        heartbeat_url: str = "",
    ) -> None:  # fmt: skip
        self.law = law
        self.clock = clock
        self.zone = zone
        self.adapters = adapters
        self.loop = Loop(law.registry, law.workdays, zone, timedelta(days=horizon_days))
        self.delivery = Delivery(adapters, NoticeWording(law.registry), zone)
        self.inbox = Inbox(law.registry, zone, clock, self.wake)
        self.monitor = Monitor()
        self._heartbeat_url = heartbeat_url
        self._woken = asyncio.Event()
        self._stepping = asyncio.Lock()

    def wake(self) -> None:
        """There is something to do: do not wait for the next tick."""
        self._woken.set()

    async def step(self, *, tick: bool = True) -> int:
        """Everything that is due now: answers, reminders, messages. Returns how many reminders were raised."""
        async with self._stepping:
            raised = await self.loop.tick(self.clock()) if tick else 0
            await self.inbox.process()
            now = self.clock()  # read after the answers were written: they are due at once
            sent = await self.delivery.drain(now)
            alarms, self.delivery.alarms = self.delivery.alarms, []
            await self.loop.alarm(alarms, now)
            self.monitor.counted(raised=raised, finished=sent)
            return raised

    async def run(self) -> None:
        """Tick until cancelled; between ticks, work as soon as there is something."""
        scheduler = AsyncIOScheduler(timezone=self.zone)
        scheduler.add_job(
            self._tick, "interval", seconds=TICK_SECONDS, misfire_grace_time=None, coalesce=True, max_instances=1,
            next_run_time=datetime.now(self.zone),
        )  # fmt: skip
        scheduler.start()
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                await self._guarded(self.step(tick=False))
        finally:
            scheduler.shutdown(wait=False)
            with suppress(Exception):
                await self.delivery.close()

    async def _tick(self) -> None:
        await self._guarded(self.step())
        await self._heartbeat()

    async def _guarded(self, step: Any) -> None:
        """A failing step must not end the loop: the rows are there, the next tick takes them up again."""
        try:
            await step
        except Exception:
            log.exception("step failed", action="step")

    async def _heartbeat(self) -> None:
        if not self._heartbeat_url or not (await self.health())["ok"]:
            return
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
                await session.post(self._heartbeat_url)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("heartbeat not delivered", action="heartbeat", error=type(error).__name__)

    async def health(self) -> dict[str, Any]:
        """Whether everything is covered and moving, and by how much not."""
        pulse, now = self.loop.pulse, self.clock()
        ticking = pulse.ticked_at is not None and now - pulse.ticked_at < HEALTHY_FOR
        return {
            "ok": ticking and pulse.checked and not pulse.uncovered,
            "now": now.astimezone(self.zone).isoformat(timespec="seconds"),
            "ticked_at": pulse.ticked_at.astimezone(self.zone).isoformat(timespec="seconds")
            if pulse.ticked_at
            else None,
            "uncovered": pulse.uncovered,
            "unreachable": pulse.unreachable,
            "notices": await queue.tallies(),
        }
