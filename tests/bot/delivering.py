"""A few units, people and reminders, made row by row: what delivery is tested on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

from adapters.base import Outgoing
from adapters.memory import MemoryAdapter
from bot.delivery import Delivery
from bot.store import queue
from bot.wording.notices import NoticeWording
from duties.model import Basis, Force, Role, State
from duties.registry import CountedRule
from duties.store.database import Rows, execute, fetch, opened
from duties.store.tables import Obligation, Person, Post, Reminder, Term, Unit
from tests.bot.play import LAW, ZONE, at
from tests.bot.templates import fill

NOON = at("2026-01-05 12:00")
DUTY = next(duty.code for duty in LAW.registry.duties if not isinstance(duty.rule, CountedRule))
Answer = Callable[[Outgoing], Awaitable[None]]


async def eventually(happened: Callable[[], Any]) -> None:
    """Wait until something has happened by itself; fail when it does not."""
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110  what happens does not know that it is watched
            await asyncio.sleep(0.01)


class Platform(MemoryAdapter):
    """Remembers what it was asked to send. `answer` may wait or raise, as a real platform would."""

    def __init__(self, connection: str = "webchat", answer: Answer | None = None) -> None:
        super().__init__(connection)
        self.answer = answer
        self.tried: list[Outgoing] = []
        self.busy = 0
        self.busiest = 0

    async def send(self, message: Outgoing) -> str:
        self.tried.append(message)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(0)
            if self.answer is not None:
                await self.answer(message)
            return await super().send(message)
        finally:
            self.busy -= 1

    def told(self, address: str) -> list[str]:
        return [message.text for message in self.sent if message.address == address]


class Office:
    """Rows, and a delivery to say them."""

    def __init__(self) -> None:
        self.now = NOON
        self.platform = Platform()
        self.alarms: list[tuple[str, str]] = []
        self.delivery = self.replica(self.platform)
        self._labels = count(2001)

    def replica(self, *platforms: Platform, in_flight: int = 8) -> Delivery:
        """A delivery of its own, as another process would have."""

        async def alarm(connection: str, reason: str, now: datetime, passed: str = "") -> None:
            del now
            self.alarms.append((connection, f"{reason} -> {passed}" if passed else reason))

        adapters = {platform.connection: platform for platform in platforms}
        return Delivery(adapters, NoticeWording(LAW.registry), ZONE, in_flight=in_flight, alarm=alarm)

    async def unit(self, code: str, supervisor: int | None = None) -> int:
        unit = await Unit.create(
            code=code, name=f"{code}局", level="county", jurisdiction="昌吉州", supervisor_id=supervisor,
            office_opens=600, path=f"/{code}/",
        )  # fmt: skip
        return int(unit.id)

    async def person(self, code: str, unit: int, role: str = "officer", *, bound: bool = True) -> int:
        person = await Person.create(code=code, name=code)
        await self.post(person.id, unit, role)
        if bound:
            await self.bind(person.id, code)
        return int(person.id)

    async def post(self, person: int, unit: int, role: str = "officer", until: date | None = None) -> None:
        await Post.create(person_id=person, unit_id=unit, role=Role(role), until=until)

    async def bind(self, person: int, address: str, connection: str = "webchat") -> None:
        await execute(
            "INSERT INTO identity (person_id, connection, address, bound_at)"
            " VALUES (:person, :connection, :address, :now)",
            person=person, connection=connection, address=address, now=self.now,
        )  # fmt: skip

    async def owes(self, unit: int, duty: str = DUTY) -> int:
        label, due = str(next(self._labels)), date(2026, 1, 31)
        term = await Term.create(
            duty=duty, label=label, jurisdiction="昌吉州", covers_from=date(2025, 1, 1), covers_to=date(2025, 12, 31),
            opens=date(2026, 1, 1), due=due, basis=Basis.TEXT, force=Force.SETTLED,
        )  # fmt: skip
        owed = await Obligation.create(term_id=term.id, unit_id=unit, state=State.PENDING, planned_at=self.now)
        return int(owed.id)

    async def remind(
        self, unit: int, audience: str = "officer", *, of: int | None = None, rung: str = "T-7", duty: str = DUTY
    ) -> int:
        """Raise a reminder; of a new obligation unless one is named. Returns the obligation."""
        obligation = of if of is not None else await self.owes(unit, duty)
        await Reminder.create(
            obligation_id=obligation, due=date(2026, 1, 31), rung=rung, audience=audience, tone="remind", severity=3,
            late=False, superseded=False, raised_at=self.now,
        )  # fmt: skip
        return obligation

    async def close(self, obligation: int) -> None:
        await execute("UPDATE obligation SET state = 'reported' WHERE id = :id", id=obligation)

    async def news(self, address: str, text: str = "消息", connection: str = "webchat") -> int:
        """A message whose words are known, without a person behind the address."""
        return await queue.put("news", connection, address, {"text": text, "buttons": [], "items": []}, self.now)

    async def drain(self, *, after: timedelta = timedelta()) -> int:
        self.now += after
        return await self.delivery.drain(self.now)

    async def notices(self, **wanted: Any) -> Rows:
        rows = await fetch("SELECT * FROM notice ORDER BY id")
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


@asynccontextmanager
async def an_office(url: str) -> AsyncIterator[Office]:
    await fill(url)
    async with opened(url):
        yield Office()
