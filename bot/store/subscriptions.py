"""What people asked to be told without asking again: rows by person and kind, marked with the day or week last told."""

from dataclasses import dataclass
from datetime import date

from bot.wording import Language
from duties.store.database import execute, fetch

_OFFICE = """
    (SELECT MIN(u.office_opens) FROM post p JOIN unit u ON u.id = p.unit_id
     WHERE p.person_id = {person} AND p.role IN ('head', 'supervisor')
       AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today))
"""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A person's wish. `period` is the day (ISO) it was last told for, of a week its Monday; empty when never."""

    id: int
    person: int
    kind: str
    language: Language
    period: str


async def add(person: int, kind: str, language: Language, period: str) -> None:
    """Subscribe, from the period after this one on. Who already is changes the language alone."""
    await execute(
        "INSERT INTO subscription (person_id, kind, language, period) VALUES (:person, :kind, :language, :period)"
        " ON CONFLICT (person_id, kind) DO UPDATE SET language = :language",
        person=person, kind=kind, language=language, period=period,
    )  # fmt: skip


async def remove(person: int, kind: str) -> bool:
    """Unsubscribe. False who was not."""
    return (
        await execute("DELETE FROM subscription WHERE person_id = :person AND kind = :kind", person=person, kind=kind)
        == 1
    )


async def kinds_of(person: int) -> list[str]:
    """What a person has subscribed to."""
    rows = await fetch("SELECT kind FROM subscription WHERE person_id = :person ORDER BY kind", person=person)
    return [row["kind"] for row in rows]


async def office_of(person: int, today: date) -> int:
    """When a person's first office opens, in minutes after local midnight; midnight where no post says so."""
    (row,) = await fetch(f"SELECT {_OFFICE.format(person=':person')} AS minute", person=person, today=today)
    return int(row["minute"] or 0)


async def due(kind: str, period: str, today: date, minute: int) -> list[Subscription]:
    """Who is to be told of a period now: reachable, in office since a minute of today, and not yet told.

    A mark from the future is a clock's that was since set back: it holds nothing up.
    """
    rows = await fetch(
        "SELECT s.id, s.person_id, s.kind, s.language, s.period FROM subscription s"
        " WHERE s.kind = :kind AND s.period <> :period"
        " AND EXISTS (SELECT 1 FROM identity a WHERE a.person_id = s.person_id)"
        f" AND {_OFFICE.format(person='s.person_id')} <= :minute ORDER BY s.id",
        kind=kind, period=period, today=today, minute=minute,
    )  # fmt: skip
    return [Subscription(row["id"], row["person_id"], row["kind"], row["language"], row["period"]) for row in rows]


async def claim(one: Subscription, period: str) -> bool:
    """Mark a period as told, in the transaction that queues the message. False when somebody else was first."""
    return await execute(
        "UPDATE subscription SET period = :period WHERE id = :id AND period = :before",
        period=period, id=one.id, before=one.period,
    ) == 1  # fmt: skip
