"""A bot that is killed: plays day after day on one database, and writes down outside of it what it has sent."""

import asyncio
import logging
import os
import random
from datetime import date, datetime, time, timedelta
from pathlib import Path

import structlog

from adapters.base import Incoming, Outgoing, RetryError
from adapters.memory import MemoryAdapter
from bot.app import Bot
from bot.store import queue
from duties.store.database import locate, opened, owned
from tests.bot.play import LAW, ZONE

FIRST, LAST = date(2026, 1, 20), date(2026, 2, 1)
ASKING = ("cjs-water-officer", "cjs-market-head", "cjs-park-officer")


class Sink(MemoryAdapter):
    """A platform outside the process: a line in a file, written in one piece, is a message that arrived."""

    def __init__(self, file: Path) -> None:
        super().__init__("webchat")
        self.out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.chance = random.Random(os.getpid())

    async def send(self, message: Outgoing) -> str:
        await asyncio.sleep(self.chance.uniform(0, 0.01))
        if self.chance.random() < 0.03:
            raise RetryError("busy", after=1)
        os.write(self.out, f"{message.key} {message.address}\n".encode())
        await asyncio.sleep(self.chance.uniform(0, 0.01))
        return message.key


def main(url: str, folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with owned(locate(url)):
        asyncio.run(play(url, folder))


async def play(url: str, folder: Path) -> None:
    """From the day that was not finished to the last one."""
    progress = folder / "day"
    day = date.fromisoformat(progress.read_text()) if progress.exists() else FIRST
    now = datetime.combine(day, time(10), ZONE)
    async with opened(url):
        bot = Bot(LAW, {"webchat": Sink(folder / "sent")}, lambda: now, zone=ZONE, horizon_days=31)
        await queue.take_over()
        while now.date() <= LAST:
            for who in ASKING:
                await bot.inbox.receive(Incoming("webchat", "app", f"{now.date()} {who}", who, "待办"))
            await bot.step()
            now += timedelta(days=1)
            (folder / "next").write_text(now.date().isoformat())
            (folder / "next").replace(progress)
        while await queue.scopes():  # what the platform had no time for
            now += timedelta(hours=1)
            await bot.step(tick=False)
    (folder / "done").touch()
