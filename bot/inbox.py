"""The inbox: committed in small groups before the acknowledgement, then processed one by one, exactly once."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo

import structlog

from adapters.base import Incoming
from bot import cards
from bot.conversation.ask import Reply, Surroundings
from bot.conversation.dispatch import answer
from bot.store import arrivals, queue
from bot.wording import say
from duties.obligations import Moment
from duties.registry import Registry
from duties.store.chains import StaleError
from duties.store.database import transaction

log = structlog.get_logger()
GROUP = 64
ATTEMPTS = 3
PAGE = 100
_Waiting = tuple[Incoming, asyncio.Future[None]]


class Inbox:
    """Takes messages from every connection. `wake` is called when there is something to process."""

    def __init__(
        self,
        registry: Registry,
        zone: tzinfo,
        clock: Callable[[], datetime],
        wake: Callable[[], None],
        around: Surroundings,
        changeable: Mapping[str, bool] | None = None,
    ) -> None:
        self.registry = registry
        self.zone = zone
        self.clock = clock
        self.wake = wake
        self.around = around
        self.changeable = changeable or {}
        self._group: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    async def receive(self, message: Incoming) -> None:
        """Return once the message is committed. Raises what the store raises: then nothing was acknowledged."""
        arrivals.check(message)  # one message that no column holds must not cost the others of its batch theirs
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._group.append((message, committed))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await committed
        self.wake()

    async def _flush(self) -> None:
        """What comes while a group is being committed is the next group: nobody waits for company."""
        while self._group:
            await asyncio.sleep(0)  # those who came in the same turn go together
            group, self._group = self._group[:GROUP], self._group[GROUP:]
            await self._keep(group)

    async def _keep(self, group: list[_Waiting]) -> None:
        try:
            await arrivals.keep([message for message, _ in group], self.clock())
        except Exception as error:  # noqa: BLE001  every waiter must hear of it; the platform will send again
            log.warning("cannot keep messages", action="receive", n=len(group), error=type(error).__name__)
            _settle(group, error)
        else:
            _settle(group, None)

    async def process(self) -> int:
        """Answer everything that waits, each sender's messages in order. Returns how many were dealt with."""
        done = 0
        while page := await arrivals.waiting(PAGE):
            dealt = [await self._one(number) for number in page]
            done += sum(dealt)
            if not any(dealt):
                break  # what is left is in other hands; the next step looks again
        return done

    async def _one(self, number: int) -> bool:
        for _ in range(ATTEMPTS):
            try:
                return await self._answered(number)
            except StaleError:
                continue  # somebody else wrote to the same chain: the transaction is simply done again
            except Exception:  # a defect must neither lose the message nor block those behind it
                log.exception("cannot answer", action="answer", inbox=number)
                if await arrivals.failed(number) >= ATTEMPTS:
                    return await self._apologised(number)
        return False

    async def _answered(self, number: int) -> bool:
        now = self.clock().astimezone(self.zone)
        async with transaction():
            message = await arrivals.take(number, now)
            if message is None:
                return False
            message = await _placed(message)
            moment = Moment(now, now.date(), message.connection, number)
            reply = await answer(message, self.registry, moment, self.around)
            await self._say(message, reply, now, number)
            await cards.refresh(reply.about, self.changeable, now)
        return True

    async def _apologised(self, number: int) -> bool:
        now = self.clock()
        async with transaction():
            message = await arrivals.take(number, now)
            if message is None:
                return False
            await self._say(message, Reply(say("failed", number=number)), now, number)
        return True

    async def _say(self, message: Incoming, reply: Reply, now: datetime, number: int) -> None:
        """Queue the answer where it was asked; what nobody else may read goes to the asker's own address."""
        here = {"via": message.via, "group": message.group}
        aside, version = reply.aside, {}
        if aside is None:
            body = {**reply.body(), **here}
        else:
            if aside.items:
                version = {"version": queue.IN_GROUP}
            await queue.put("news", message.connection, message.sender, {**aside.body(), **here, **version}, now)
            body = {**reply.body(), "via": "", **(version and {"version": queue.ALONE})}
        await queue.put("answer", message.connection, message.sender, body, now, answers=number)


async def _placed(message: Incoming) -> Incoming:
    """A press of which the platform does not say where: on what we sent to its reader alone, it is no group."""
    if not (message.group and message.action):
        return message
    pressed = await arrivals.replied_to(message.reply_to, message.connection, message.sender)
    return replace(message, group=False) if pressed is not None and not pressed.get("group") else message


def _settle(group: list[_Waiting], error: Exception | None) -> None:
    for _, committed in group:
        if committed.done():
            continue
        if error is None:
            committed.set_result(None)
        else:
            committed.set_exception(error)
