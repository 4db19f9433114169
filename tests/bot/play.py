"""A bot to talk to in tests: the sample roster, a clock moved by hand, every answer kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

from adapters.base import Incoming, Outgoing
from adapters.memory import MemoryAdapter
from bot.app import Bot, Law
from bot.store import seats
from duties import roster
from duties.registry import DATA
from duties.store import roster_rows
from duties.store.database import migrate, opened

ZONE = ZoneInfo("Asia/Shanghai")
LAW = Law.shipped()
SAMPLE = roster.read(DATA / "roster" / "changji.toml", LAW.registry)
FIRST_MORNING = "2026-01-04 09:30"
"""Half an hour before the first reminder of the report due on January 31."""


def at(text: str) -> datetime:
    """An instant in Changji's zone, written as 2026-01-04 09:30."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


class Play:
    """People are named by their person code: changji-city-management-head and so on."""

    def __init__(self, adapter: MemoryAdapter, start: datetime) -> None:
        self.now = start
        self.adapter = adapter
        self.bot = Bot(LAW, {adapter.connection: adapter}, lambda: self.now, zone=ZONE)
        self._numbers = count(1)

    async def go_to(self, when: str) -> None:
        """Move the clock and let everything due happen."""
        self.now = at(when)
        await self.bot.step()

    async def says(self, who: str, text: str = "", *, action: str = "", reply_to: str = "", message: str = "") -> str:
        """Somebody writes or presses a button. Returns the bot's answer."""
        before = len(self.adapter.sent)
        number = message or f"m{next(self._numbers)}"
        await self.bot.inbox.receive(Incoming(self.adapter.connection, "app", number, who, text, action, reply_to))
        await self.bot.step(tick=False)
        answers = [sent.text for sent in self.adapter.sent[before:] if sent.address == who]
        return answers[-1] if answers else ""

    def told(self, who: str) -> list[Outgoing]:
        """Everything said to somebody, in order."""
        return [sent for sent in self.adapter.sent if sent.address == who]


@asynccontextmanager
async def playing(
    url: str, start: str = FIRST_MORNING, *, people: roster.Roster = SAMPLE, adapter: MemoryAdapter | None = None
) -> AsyncIterator[Play]:
    """A fresh database with everybody of the roster reachable, ticked once."""
    async with opened(url) as location:
        await migrate(location)
        play = Play(adapter or MemoryAdapter("webchat"), at(start))
        await roster_rows.apply(people, "test", play.now, 600)
        await seats.bind_everyone(play.adapter.connection, play.now)
        await play.bot.step()
        yield play
