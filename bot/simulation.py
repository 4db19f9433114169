"""A span of days played through: the real code, an in-memory database, a clock moved from wave to wave."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from adapters.memory import MemoryAdapter
from bot.app import Bot, Law
from bot.store import seats
from duties.roster import Roster
from duties.store import roster_rows, statements
from duties.store.database import migrate, opened

IN_MEMORY = "sqlite://:memory:"
CONNECTION = "simulation"


@dataclass(frozen=True, slots=True)
class Message:
    """One message that would go out. `rung` is the most severe of its items."""

    at: datetime
    unit: str
    audience: str
    rung: str
    items: tuple[dict[str, Any], ...]
    text: str


async def simulate(
    law: Law, roster: Roster, first: date, last: date, zone: tzinfo, office_minute: int = 600
) -> AsyncIterator[Message]:
    """Every message from the first day to the last, both included, when nobody ever answers."""
    async with opened(IN_MEMORY) as location:
        await migrate(location)
        now = datetime.combine(first, time(), zone)
        await roster_rows.apply(roster, "simulation", now, office_minute)
        await seats.seat_everyone(CONNECTION, now)
        bot = Bot(law, {CONNECTION: MemoryAdapter(CONNECTION)}, lambda: now, zone=zone)
        minutes = await statements.office_minutes()
        seen, day = 0, first
        while day <= last:
            for minute in minutes:
                now = datetime.combine(day, time(minute // 60, minute % 60), zone)
                if await bot.step():
                    for row in await seats.said_after(seen):
                        seen = row["id"]
                        yield _message(row, zone)
            day += timedelta(days=1)


def _message(row: dict[str, Any], zone: tzinfo) -> Message:
    body = row["body"]
    return Message(
        row["at"].astimezone(zone), row["unit"], body["audience"], body["rung"], tuple(body["said"]), body["text"]
    )
