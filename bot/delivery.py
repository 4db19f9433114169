"""Delivery: leases a scope, lets each recipient's notice collect what is owed, words it, sends it, writes receipts."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

import structlog

from adapters.base import Adapter, AdapterError, Button, ConfigurationError, Outgoing, RecipientError, RetryError
from bot.store import queue
from bot.store.queue import Claimed, Outcome, Owed
from bot.wording.notices import NoticeWording
from bot.wording.split import split

log = structlog.get_logger()
BATCH = 200
ATTEMPTS = 12
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=30)
HALT = timedelta(minutes=10)
"""How long a connection rests after a configuration fault before it is tried again."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A claimed notice with its words."""

    notice: Claimed
    text: str
    buttons: tuple[Button, ...]


class Delivery:
    """Sends what is due through the configured connections; any number of replicas may run one."""

    def __init__(
        self, adapters: Mapping[str, Adapter], wording: NoticeWording, zone: tzinfo, *, in_flight: int = 8
    ) -> None:
        self.adapters = adapters
        self.wording = wording
        self.zone = zone
        self.in_flight = in_flight
        self.holder = queue.new_token()
        self.alarms: list[tuple[str, str]] = []

    async def drain(self, now: datetime) -> int:
        """Send everything due now. Returns how many notices were finished."""
        await queue.address_reminders(self._today(now))
        await queue.open_notices(now)
        finished = 0
        for scope in await queue.scopes_due(now):
            while done := await self._round(scope, now):
                finished += done
        return finished

    async def close(self) -> None:
        """Give up the leases and close the connections."""
        for scope in self.adapters:
            await queue.release(scope, self.holder)
        for adapter in self.adapters.values():
            await adapter.close()

    def _today(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()

    async def _round(self, scope: str, now: datetime) -> int:
        adapter = self.adapters.get(scope)
        if adapter is None or await queue.lease(scope, time.time(), self.holder) is None:
            return 0
        granted = await queue.allowance(scope, time.time(), adapter.per_minute, BATCH)
        claimed = await queue.claim(scope, self.holder, now, granted) if granted else []
        if not claimed:
            return 0
        ready, dropped = await self._worded(claimed, now)
        outcomes = [*dropped, *await self._sent(adapter, ready, now)]
        await queue.settle(outcomes, self.holder, now)
        return sum(1 for outcome in outcomes if outcome.due_at is None)

    async def _worded(self, claimed: Sequence[Claimed], now: datetime) -> tuple[list[Sending], list[Outcome]]:
        """Freeze what each notice says before its first attempt, so that every attempt says the same."""
        collecting = [notice for notice in claimed if notice.body is None]
        owed: dict[int, list[Owed]] = defaultdict(list)
        for one in await queue.collect(collecting):
            owed[one.notice].append(one)
        bodies = {notice.id: notice.body for notice in claimed if notice.body is not None}
        dropped: list[Outcome] = []
        marks: list[tuple[int, int, str]] = []
        for notice in collecting:
            worded = self.wording.compose(owed[notice.id], self._today(now))
            marks += [(item, notice.id, outcome) for item, outcome in worded.outcomes]
            if worded.body is None:
                dropped.append(Outcome(notice.id, "dropped", error="nothing left to say"))
            else:
                bodies[notice.id] = worded.body
        if collecting:
            new = [(notice.id, bodies[notice.id]) for notice in collecting if notice.id in bodies]
            await queue.freeze(new, marks)
        ready = [
            Sending(notice, body["text"], tuple(Button(*button) for button in body.get("buttons", ())))
            for notice in claimed
            if (body := bodies.get(notice.id)) is not None
        ]
        return ready, dropped

    async def _sent(self, adapter: Adapter, ready: Sequence[Sending], now: datetime) -> list[Outcome]:
        """Recipients side by side, each one's messages in order; a failing recipient holds up only its own."""
        lanes: dict[str, list[Sending]] = defaultdict(list)
        for sending in ready:
            lanes[sending.notice.address].append(sending)
        waiting = iter(lanes.values())
        outcomes: list[Outcome] = []

        async def worker() -> None:
            for lane in waiting:
                outcomes.extend(await self._lane(adapter, lane, now))

        await asyncio.gather(*(worker() for _ in range(min(self.in_flight, len(lanes)))))
        return outcomes

    async def _lane(self, adapter: Adapter, lane: Sequence[Sending], now: datetime) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for position, sending in enumerate(lane):
            outcome = await self._attempt(adapter, sending, now)
            outcomes.append(outcome)
            if outcome.due_at is not None:
                # What follows for this recipient waits as long, so that their order holds.
                outcomes += [Outcome(s.notice.id, "pending", due_at=outcome.due_at) for s in lane[position + 1 :]]
                break
        return outcomes

    async def _attempt(self, adapter: Adapter, sending: Sending, now: datetime) -> Outcome:
        notice = sending.notice
        parts = split(sending.text, adapter.max_bytes)
        try:
            receipt = ""
            for number, part in enumerate(parts):
                key = str(notice.id) if len(parts) == 1 else f"{notice.id}-{number + 1}"
                buttons = sending.buttons if adapter.can_button and number == len(parts) - 1 else ()
                receipt = await adapter.send(Outgoing(key, notice.address, part, buttons))
        except RecipientError as error:
            return self._dead(notice, f"recipient: {error}")
        except ConfigurationError as error:
            self._alarm(notice.connection, str(error))
            return Outcome(notice.id, "pending", error=_short(error), due_at=now + HALT)
        except AdapterError as error:
            return self._again(notice, error, now)
        except Exception as error:  # an adapter's own defect must not lose the message
            log.exception("adapter failed", action="send", connection=notice.connection, notice=notice.id)
            return self._again(notice, AdapterError(type(error).__name__), now)
        return Outcome(notice.id, "sent", receipt)

    def _again(self, notice: Claimed, error: AdapterError, now: datetime) -> Outcome:
        if notice.attempts >= ATTEMPTS:
            return self._dead(notice, f"gave up after {notice.attempts} attempts: {error}")
        asked = timedelta(seconds=error.after) if isinstance(error, RetryError) else timedelta()
        wait = max(asked, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (notice.attempts - 1)))
        log.warning("will retry", action="send", connection=notice.connection, notice=notice.id, wait=wait.seconds)
        return Outcome(notice.id, "pending", error=_short(error), due_at=now + wait)

    def _dead(self, notice: Claimed, reason: str) -> Outcome:
        self._alarm(notice.connection, f"notice {notice.id}: {reason}")
        return Outcome(notice.id, "dead", error=reason[:255])

    def _alarm(self, connection: str, reason: str) -> None:
        log.error("cannot deliver", action="send", connection=connection, reason=reason)
        self.alarms.append((connection, reason))


def _short(error: Exception) -> str:
    return str(error)[:255]
