"""Delivery: leases a scope, lets each recipient's notice collect what is owed, words it, sends it, writes receipts."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Protocol, TypeVar, cast

import structlog

from adapters.base import (
    Adapter,
    AdapterError,
    Button,
    ConfigurationError,
    Outgoing,
    RecipientError,
    RetryError,
    Updater,
)
from bot.receipts import Receipts
from bot.store import fallback, queue
from bot.store.queue import Claimed, Outcome, Owed
from bot.wording.notices import NoticeWording, Surface
from bot.wording.split import split
from duties.store import reading
from duties.store.chains import StaleError
from duties.store.database import transaction

log = structlog.get_logger()
BATCH = 200
ATTEMPTS = 12
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=30)
LONGEST_ASKED = timedelta(hours=12)
"""The most that a platform's own wish for patience is believed."""
REST_SECONDS = 600.0
"""How long a connection rests after a configuration fault before it is tried again."""
SEND_SECONDS = 20.0
"""How long one notice may take to send. With RENEW_SECONDS less than a lease, so that a sender still holds its own."""
RENEW_SECONDS = queue.LEASE_SECONDS / 3
SOONEST, LATEST = 1.0, 30.0
"""Seconds after which a scope is looked at again, at the least and at the most."""
ALARM_EVERY = timedelta(hours=1)
CLOSE = timedelta(minutes=1)
REFUSALS = 5
"""How often a burial is tried while others write to the same chain."""

Result = TypeVar("Result")


class Alarm(Protocol):
    """Tells the admins that a connection failed, and why, in the caller's transaction.

    `passed` is the connection that the message went on to, if it did.
    """

    async def __call__(self, connection: str, reason: str, now: datetime, passed: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Sending:
    """A claimed notice with its words, cut to the platform's measure."""

    notice: Claimed
    parts: Sequence[str]
    buttons: tuple[Button, ...]
    via: str = ""
    replaces: str = ""


@dataclass(slots=True)
class Round:
    """One batch of a scope under way: until when the lease is fresh, and what became of it."""

    scope: str
    adapter: Adapter
    now: datetime
    fresh_until: float
    over: bool = False
    finished: int = 0
    lanes: dict[str, list[Sending]] = field(default_factory=lambda: defaultdict(list))


async def _log_only(connection: str, reason: str, now: datetime, passed: str = "") -> None:
    log.error("nobody is told", action="alarm", connection=connection, reason=reason, at=now.isoformat(), passed=passed)


class Delivery:
    """Sends what is due through the configured connections; any number of replicas may run one."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        wording: NoticeWording,
        zone: tzinfo,
        *,
        in_flight: int = 8,
        alarm: Alarm = _log_only,
    ) -> None:
        self.adapters = adapters
        self.wording = wording
        self.zone = zone
        self.in_flight = in_flight
        self.holder = queue.new_token()
        self.stopping = False
        self._alarm = alarm
        self._alarmed: dict[tuple[str, str], datetime] = {}
        self._receipts = Receipts(self.holder)
        self._busy: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._last: datetime | None = None

    async def drain(self, now: datetime) -> int:
        """Send everything due now. Returns how many notices were finished."""
        await self.open(now)
        return sum(await together(self.send(scope, now) for scope in self.adapters))

    async def open(self, now: datetime) -> None:
        """Give what was raised its recipients, and everyone who is owed something a notice that collects it."""
        await queue.address_reminders(self._today(now))
        await queue.open_notices(now)
        for scope in await queue.scopes():
            await queue.hasten(scope, now)
            if scope not in self.adapters:
                await self._warn(scope, "no such connection is configured", now)

    async def send(self, scope: str, now: datetime) -> int:
        """Send what is due within a scope. Returns how many notices were finished."""
        async with self._busy[scope]:
            finished = 0
            while (done := await self._round(scope, now)) is not None:
                finished += done
            return finished

    async def patience(self, scope: str, now: datetime) -> float:
        """Seconds until there may be something to send within a scope."""
        due = await queue.next_due(scope)
        return LATEST if due is None else min(LATEST, max(SOONEST, (due - now).total_seconds()))

    async def close(self) -> None:
        """Write down what was sent, give up the leases and close the connections."""
        try:
            await self._receipts.close()
            for scope in self.adapters:
                await queue.release(scope, self.holder)
        finally:
            await together(adapter.close() for adapter in self.adapters.values())

    def _today(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()

    async def _round(self, scope: str, now: datetime) -> int | None:
        """One batch. None when there is nothing to send, or it is not ours to send."""
        adapter, due = self.adapters[scope], await queue.next_due(scope)
        if self.stopping or due is None or due > now or not await queue.lease(scope, self.holder):
            return None
        leased = time.monotonic()
        granted = await queue.allowance(scope, adapter.per_minute, BATCH)
        claimed = await queue.claim(scope, self.holder, now, granted) if granted else []
        if not claimed:
            return None
        this = Round(scope, adapter, now, leased + RENEW_SECONDS)
        for sending in await self._worded(this, claimed):
            this.lanes[sending.notice.address].append(sending)
        messages = sum(len(sending.parts) for lane in this.lanes.values() for sending in lane)
        await queue.spend(scope, self.holder, adapter.per_minute, messages)
        lanes = iter(this.lanes.values())
        await together(self._work(this, lanes) for _ in range(min(self.in_flight, len(this.lanes))))
        return this.finished

    async def _worded(self, this: Round, claimed: Sequence[Claimed]) -> list[Sending]:
        """Freeze what each notice says before its first attempt, so that every attempt says the same."""
        collecting = [notice for notice in claimed if notice.body is None]
        bodies = {notice.id: notice.body for notice in claimed if notice.body is not None}
        owed: dict[int, list[Owed]] = defaultdict(list)
        for one in await queue.collect(collecting, self._today(this.now)):
            owed[one.notice].append(one)
        marks: list[tuple[int, int, str]] = []
        for notice in collecting:
            marks += [(one.item, notice.id, "left") for one in owed[notice.id] if not one.held]
            held = [one for one in owed[notice.id] if one.held]
            surface = await self._surface(this, notice, held)
            worded = self.wording.compose(held, self._today(this.now), surface)
            marks += [(item, notice.id, outcome) for item, outcome in worded.outcomes]
            if worded.body is not None:
                bodies[notice.id] = worded.body
        if collecting:
            new = [(notice.id, bodies[notice.id]) for notice in collecting if notice.id in bodies]
            await queue.freeze(new, marks, self.holder)
        await self._drop(this, [notice for notice in collecting if notice.id not in bodies])
        for notice in claimed:
            if notice.id in bodies and await self._is_read_by_others(this, notice, bodies[notice.id]):
                bodies[notice.id] = {**bodies[notice.id], "text": self.wording.unnamed(), "buttons": []}
        return [
            Sending(
                notice,
                split(self._text(this, notice, body), this.adapter.max_bytes),
                tuple(Button(*button) for button in body.get("buttons", ())),
                body.get("via", ""),
                body.get("replaces", ""),
            )
            for notice in claimed
            if (body := bodies.get(notice.id)) is not None
        ]

    async def _surface(self, this: Round, notice: Claimed, held: Sequence[Owed]) -> Surface:
        """What the notice's address offers; where others read too, who else is told alone of what it may not name."""
        adapter = this.adapter
        if adapter.is_private(notice.address):
            return Surface(adapter.can_button, adapter.can_answer)
        direct = {one.reminder: one.obligation for one in held if one.duty in self.wording.registry.direct}
        told = await queue.also_told(list(direct), notice.person_id, this.now) if direct else []
        elsewhere = frozenset(
            direct[reminder]
            for reminder, connection, address in told
            if connection in self.adapters and self.adapters[connection].is_private(address)
        )
        return Surface(adapter.can_button, adapter.can_answer, private=False, elsewhere=elsewhere)

    async def _is_read_by_others(self, this: Round, notice: Claimed, body: Mapping[str, Any]) -> bool:
        """Whether words made before their address was known, or for another one, name a direct duty before others.

        An answer was made for where it is read.
        """
        if notice.kind == "answer" or this.adapter.is_private(notice.address):
            return False
        numbers = [int(number) for name in ("items", "about") for number in body.get(name, ())]
        return bool(body.get("direct") or self.wording.registry.direct & await reading.duties_of(numbers))

    def _text(self, this: Round, notice: Claimed, body: Mapping[str, Any]) -> str:
        """News that asks for an answer says where to give it, where none can be given here."""
        asks = notice.kind == "news" and body.get("buttons") and not this.adapter.can_answer
        return "\n".join([body["text"], self.wording.elsewhere()]) if asks else str(body["text"])

    async def _drop(self, this: Round, empty: Sequence[Claimed]) -> None:
        if empty:
            at = self._instant(this.now)
            dropped = [Outcome(notice.id, "dropped", at, error="nothing left to say") for notice in empty]
            await queue.settle(dropped, self.holder)
            this.finished += len(empty)

    async def _work(self, this: Round, lanes: Iterable[Sequence[Sending]]) -> None:
        """Recipients side by side, each one's messages in order; a failing recipient holds up only its own."""
        for lane in lanes:
            for sending in lane:
                if this.over or self.stopping or not await self._ours(this):
                    return
                outcome = await self._attempt(this, sending)
                if outcome is None or not await self._recorded(this, sending.notice, outcome):
                    break  # what follows for this recipient waits as long, so that their order holds

    async def _ours(self, this: Round) -> bool:
        """Whether the scope is still leased to us; the store is asked before the lease can have run out."""
        began = time.monotonic()
        if began >= this.fresh_until:
            this.over = this.over or not await queue.lease(this.scope, self.holder)
            this.fresh_until = began + RENEW_SECONDS
        return not this.over

    async def _attempt(self, this: Round, sending: Sending) -> Outcome | None:
        """Send one notice. None when the whole connection failed: that is not this notice's fault."""
        notice = sending.notice
        try:
            async with asyncio.timeout(SEND_SECONDS):
                receipt = await self._said(this.adapter, sending)
        except RecipientError as error:
            return self._refused(this, sending, error)
        except ConfigurationError as error:
            await self._rest(this, str(error))
            return None
        except AdapterError as error:
            return self._again(this, notice, error)
        except TimeoutError:
            return self._again(this, notice, RetryError(f"no answer within {SEND_SECONDS:.0f} seconds"))
        except Exception as error:  # an adapter's own defect must not lose the message
            log.exception("adapter failed", action="send", connection=notice.connection, notice=notice.id)
            return self._again(this, notice, AdapterError(type(error).__name__))
        return Outcome(notice.id, "sent", self._instant(this.now), receipt)

    def _refused(self, this: Round, sending: Sending, error: RecipientError) -> Outcome:
        """A card that can no longer be changed is nobody's loss, the answer was sent; a message is."""
        if sending.replaces:
            return Outcome(sending.notice.id, "dropped", self._instant(this.now), error=str(error))
        return self._dead(this, sending.notice, f"recipient: {error}")

    async def _said(self, adapter: Adapter, sending: Sending) -> str:
        notice, receipt = sending.notice, ""
        for number, part in enumerate(sending.parts, 1):
            key = str(notice.id) if len(sending.parts) == 1 else f"{notice.id}-{number}"
            buttons = sending.buttons if adapter.can_button and number == len(sending.parts) else ()
            message = Outgoing(key, notice.address, part, buttons, sending.via)
            if sending.replaces:
                return await cast("Updater", adapter).update(sending.replaces, message)
            receipt = await adapter.send(message)
        return receipt

    async def _recorded(self, this: Round, notice: Claimed, outcome: Outcome) -> bool:
        """Write down how an attempt ended. Whether the next message to the same recipient may go."""
        if outcome.state == "dead":
            await self._bury(this, notice, outcome)
        else:
            await self._receipts.write(outcome)
        this.finished += outcome.due_at is None
        return outcome.due_at is None

    def _again(self, this: Round, notice: Claimed, error: AdapterError) -> Outcome:
        if notice.attempts + 1 >= ATTEMPTS:
            return self._dead(this, notice, f"gave up after {ATTEMPTS} attempts: {error}")
        asked = timedelta(seconds=error.after) if isinstance(error, RetryError) else timedelta()
        wait = max(min(asked, LONGEST_ASKED), min(LONGEST_WAIT, FIRST_WAIT * 2**notice.attempts))
        log.warning("will retry", action="send", connection=notice.connection, notice=notice.id, wait=wait.seconds)
        return Outcome(notice.id, "pending", self._instant(this.now), error=str(error), due_at=this.now + wait)

    def _dead(self, this: Round, notice: Claimed, reason: str) -> Outcome:
        log.error("cannot deliver", action="send", connection=notice.connection, notice=notice.id, reason=reason)
        return Outcome(notice.id, "dead", self._instant(this.now), error=reason)

    async def _bury(self, this: Round, notice: Claimed, outcome: Outcome) -> None:
        """Give a notice up here, hand it to the person's next address, and tell the admins, in one transaction."""
        for _ in range(REFUSALS):
            try:
                async with transaction():
                    passed = await fallback.pass_on(notice, outcome.error, self.holder, list(self.adapters), this.now)
                    if passed or await queue.bury(outcome, self.holder):
                        await fallback.failed(notice, this.now)
                        await self._told(notice, outcome, this.now, passed)
            except StaleError:
                continue
            return

    async def _told(self, notice: Claimed, outcome: Outcome, now: datetime, passed: str) -> None:
        """News that cannot be told is not news: two broken connections would never come to an end."""
        if notice.kind != "news":
            await self._alarm(notice.connection, f"notice {notice.id}: {outcome.error}", now, passed)

    async def _rest(self, this: Round, reason: str) -> None:
        """Let the whole connection rest; its notices keep their turn and their attempts."""
        if not this.over:
            this.over = True
            log.error("connection rests", action="send", connection=this.scope, reason=reason)
            await self._divert(this, reason)
            await queue.rest(this.scope, self.holder, REST_SECONDS)
            await self._warn(this.scope, reason, this.now)

    async def _divert(self, this: Round, reason: str) -> None:
        """While a connection rests, those who can be reached elsewhere are told there: a deadline does not wait."""
        others = [name for name in self.adapters if name != this.scope]
        for notice, token in await fallback.waiting(this.scope, others):
            async with transaction():
                await fallback.pass_on(notice, reason, token, others, this.now)

    async def _warn(self, connection: str, reason: str, now: datetime) -> None:
        """Tell the admins of a connection's fault, but not at every attempt."""
        told = self._alarmed.get((connection, reason))
        if told is None or not told <= now < told + ALARM_EVERY:
            self._alarmed[connection, reason] = now
            async with transaction():
                await self._alarm(connection, reason, now)

    def _instant(self, now: datetime) -> datetime:
        """When something was finished: later than whatever was before, so that a conversation has an order."""
        last = self._last
        # After the clock was set back it starts anew: what is said now is what its reader sees as said now.
        follows = last is not None and now <= last < now + CLOSE
        self._last = last + timedelta(microseconds=1) if last is not None and follows else now
        return self._last


async def together(work: Iterable[Awaitable[Result]]) -> list[Result]:
    """All of it to its end, and only then the first failure: nothing is left half done behind anybody's back."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
