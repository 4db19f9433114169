"""The loop: one tick, every thirty seconds and at start. Each chore asks a row whether it is due; all idempotent."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

import structlog

from bot.store import arrivals, people, queue
from bot.wording import say
from duties import planning, reminding
from duties.ledger import SYSTEM, Act
from duties.registry import Registry
from duties.store import chains, planned
from duties.store.database import transaction
from duties.workdays import WorkCalendar

log = structlog.get_logger()
CHECKED_EVERY = timedelta(hours=1)


@dataclass(slots=True)
class Pulse:
    """What the last ticks found: shown on /healthz and /metrics."""

    ticked_at: datetime | None = None
    uncovered: dict[str, list[str]] = field(default_factory=dict)
    unreachable: list[str] = field(default_factory=list)
    raised: int = 0
    checked: bool = False


class Loop:
    """What has to happen by itself. `tick` may be called by anybody, with any instant, as often as they like."""

    def __init__(self, registry: Registry, workdays: WorkCalendar, zone: tzinfo, horizon: timedelta) -> None:
        self.registry = registry
        self.workdays = workdays
        self.zone = zone
        self.horizon = horizon
        self.pulse = Pulse()

    async def tick(self, now: datetime) -> int:
        """Do whatever is due at an instant. Returns how many reminders were raised."""
        at = await reminding.instant(now, self.zone)
        await self._plan(now, at.today)
        raised = await reminding.raise_due(self.registry, self.workdays, at)
        await self._anchor(now, at.today)
        await self._check(now, at.today)
        self.pulse.ticked_at = now
        self.pulse.raised += raised
        return raised

    async def _plan(self, now: datetime, today: date) -> None:
        mark = f"{today} {self.registry.digest()} {await planned.chore(planning.ROSTER)}"
        if await planned.chore("plan") == mark:
            return
        result = await planning.plan(self.registry, now, today, self.horizon)
        await planned.chore_done("plan", mark)
        if result.added or result.cancelled or result.reopened:
            log.info("planned", action="plan", added=result.added, cancelled=result.cancelled)

    async def _anchor(self, now: datetime, today: date) -> None:
        """Seal yesterday, once a day, and post the seal where others keep it."""
        day = today - timedelta(days=1)
        if await planned.chore("anchor") >= day.isoformat():
            return
        async with transaction():
            await planned.chore_done("anchor", day.isoformat())
            sealed = await chains.drop_anchor(day)
            if sealed is not None:
                await self._tell("admin", say("anchor-posted", day=day, hash=sealed.hash), now)
        await arrivals.forget_old(now)

    async def _check(self, now: datetime, today: date) -> None:
        """The invariant: every open obligation has a next touch. Checked hourly, and told when it breaks."""
        hour = now.replace(minute=0, second=0, microsecond=0).isoformat()
        if self.pulse.checked and await planned.chore("check") == hour:
            return
        self.pulse.uncovered = await reminding.uncovered(self.registry, self.workdays, today)
        self.pulse.unreachable = [row["name"] for row in await queue.unreachable(today)]
        self.pulse.checked = True
        if self.pulse.uncovered and await planned.chore("check") != hour:
            log.error("obligations without a next reminder", action="check", duties=self.pulse.uncovered)
            async with transaction():
                await planned.chore_done("check", hour)
                await self._tell("admin", say("alarm-uncovered", duties=list(self.pulse.uncovered)), now)
            return
        await planned.chore_done("check", hour)

    async def alarm(self, alarms: list[tuple[str, str]], now: datetime) -> None:
        """Tell the admins what could not be delivered, through any connection but the one that failed."""
        for connection, reason in alarms:
            text = say("alarm-delivery", connection=connection, reason=reason)
            async with transaction():
                await chains.append(SYSTEM, Act("system", "undelivered", connection, {"reason": reason}), now)
                await self._tell("admin", text, now, besides=connection)

    async def _tell(self, role: str, text: str, now: datetime, besides: str = "") -> None:
        body: dict[str, Any] = {"text": text, "buttons": [], "items": []}
        told: set[int] = set()
        for row in await people.holders_of(role):
            if row["person_id"] in told or row["connection"] == besides:
                continue
            told.add(row["person_id"])
            await queue.put("news", row["connection"], row["address"], body, now, person=row["person_id"])
