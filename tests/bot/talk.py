"""Dialogues as tables: who says what, and what the answer holds. The first morning is prepared once and copied."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.memory import MemoryAdapter
from duties.store.database import fetch, opened
from tests.bot.play import FIRST_MORNING, Play, at, playing

OFFICER, HEAD = "cjs-urban-officer", "cjs-urban-head"
WATER = "cjs-water-officer"
SUPERVISOR, PREFECTURE, ADMIN = "cjs-justice-supervisor", "cjz-justice-supervisor", "cjz-justice-admin"
STRANGER = "somebody"
CLOCK = "the clock"
REMINDED = "2026-01-04 10:00"
"""The office hour on which the officer is told of January's two deadlines."""
NAMES = {
    "report": ("cjs-urban", "enforcement-annual-report", "2025"),
    "cases": ("cjs-urban", "monthly-case-publication", "2026-01"),
    "plan": ("cjs-urban", "study-plan", "2026"),
    "study": ("cjs-urban", "pre-meeting-study", "2026"),
    "hours": ("cjs-urban", "training-hours", "2026"),
    "water": ("cjs-water", "enforcement-annual-report", "2025"),
    "mulei": ("ml-justice", "law-government-report-department", "2025"),
}
Row = tuple[str, ...]
"""Who, what they say ("> verb:1" presses a button), and what the answer holds; "! …" is what it does not."""


class Talk(Play):
    """A bot to talk to; obligations may be named in braces."""

    numbers: dict[str, int]

    async def learn(self) -> None:
        """Look up the numbers of the obligations the tables name."""
        rows = await fetch(
            "SELECT o.id, u.code, t.duty, t.label FROM obligation o JOIN term t ON t.id = o.term_id"
            " JOIN unit u ON u.id = o.unit_id"
        )
        known = {(row["code"], row["duty"], row["label"]): row["id"] for row in rows}
        self.numbers = {name: known[key] for name, key in NAMES.items() if key in known}

    def filled(self, text: str) -> str:
        """A text with the names in braces replaced by their numbers."""
        for name, number in self.numbers.items():
            text = text.replace(f"{{{name}}}", str(number))
        return text

    async def say(self, who: str, text: str) -> str:
        """Write, or press what stands after ">"."""
        text = self.filled(text)
        return await (self.says(who, action=text[2:]) if text.startswith("> ") else self.says(who, text))

    async def hold(self, table: Iterable[Row]) -> None:
        """Play a table."""
        for who, text, *wanted in table:
            if who == CLOCK:
                await self.go_to(text)
                continue
            answer = await self.say(who, text)
            for part in map(self.filled, wanted):
                if part.startswith("! "):
                    assert part[2:] not in answer, f"{who}: {text}"
                else:
                    assert part in answer, f"{who}: {text}"


async def _prepare(file: Path) -> None:
    async with playing(f"sqlite://{file}") as play:
        await play.bot.delivery.close()  # its leases would keep the copies' bots from sending


def prepare(folder: Path) -> Path:
    """A database with the sample roster planned, everybody reachable, nothing said yet."""
    file = folder / "morning.db"
    if not file.exists():
        asyncio.run(_prepare(file))
    return file


@asynccontextmanager
async def talking(url: str, start: str = REMINDED) -> AsyncIterator[Talk]:
    """A conversation on a database that was prepared."""
    async with opened(url):
        talk = Talk(MemoryAdapter("webchat"), at(FIRST_MORNING))
        await talk.go_to(start)
        await talk.learn()
        yield talk


@asynccontextmanager
async def begun(url: str, start: str = REMINDED) -> AsyncIterator[Talk]:
    """A conversation on a new database of either kind."""
    async with playing(url) as play:
        await play.bot.delivery.close()
        talk = Talk(play.adapter, play.now)
        await talk.go_to(start)
        await talk.learn()
        yield talk


def copied(morning: Path, folder: Path) -> str:
    """The address of a copy of one's own."""
    shutil.copy(morning, folder / "talk.db")
    return f"sqlite://{folder}/talk.db"
