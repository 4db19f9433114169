"""稍后: who is not reminded of what until when. While a row is open its items wait; ended, the person is told again."""

from dataclasses import dataclass
from datetime import date, datetime

from duties.model import Obligation
from duties.snoozing import OFFICE_HOURS, Bounds
from duties.store.database import as_date, dialect, execute, fetch, transaction

OPEN = int(OFFICE_HOURS.total_seconds()) // 60
"""Minutes an office is open."""
_RUNG = "'Z' || CAST(s.id % 10000000 AS TEXT)"
"""A rung's name holds seven digits of a snooze's number: two of one obligation are never so far apart."""
_SHARED = """LEFT JOIN share h ON h.obligation_id = o.id
  AND s.audience IN ('head/' || CAST(h.id AS VARCHAR(16)), 'officer/' || CAST(h.id AS VARCHAR(16)))
"""
"""The partner's share that a snooze is of, where it is not the lead's."""
_SENT_BACK = "CASE WHEN h.id IS NULL THEN o.state = 'returned' ELSE h.state = 'pending' AND h.reason <> '' END"


@dataclass(frozen=True, slots=True)
class Snoozed:
    """How often a person has put an obligation off, and what bounds the next time."""

    times: int
    bounds: Bounds


async def before(person: int, one: Obligation, unit: int, aimed: date) -> Snoozed:
    """What a new snooze of a unit's person has to know; `aimed` is the day reminders aim at if the term names none."""
    (row,) = await fetch(
        "SELECT t.advise_by, u.office_opens, (SELECT COUNT(*) FROM snooze s WHERE s.obligation_id = o.id"
        " AND s.person_id = :person) AS times FROM obligation o JOIN term t ON t.id = o.term_id"
        " JOIN unit u ON u.id = :unit WHERE o.id = :id",
        id=one.id, person=person, unit=unit,
    )  # fmt: skip
    advise_by = as_date(row["advise_by"]) if row["advise_by"] else aimed
    return Snoozed(int(row["times"]), Bounds(one.due, advise_by, int(row["office_opens"])))


async def add(person: int, one: Obligation, audience: str, until: datetime, entry: int, now: datetime) -> None:
    """A new snooze, in the caller's transaction. One still running gives way to it."""
    await execute(
        "UPDATE snooze SET ended_at = :now WHERE ended_at IS NULL AND person_id = :person AND obligation_id = :id",
        person=person, id=one.id, now=now,
    )  # fmt: skip
    await execute(
        "INSERT INTO snooze (obligation_id, person_id, audience, due, until, entry_id)"
        " VALUES (:id, :person, :audience, :due, :until, :entry)",
        id=one.id, person=person, audience=audience, due=one.due, until=until, entry=entry,
    )  # fmt: skip


async def take_back(person: int, obligation: int) -> None:
    """撤回: the last snooze of a person as if it had not been; one that gave way to it runs again."""
    await execute(
        "DELETE FROM snooze WHERE id = (SELECT MAX(id) FROM snooze WHERE person_id = :person AND obligation_id = :id)",
        person=person, id=obligation,
    )  # fmt: skip
    await execute(
        f"""
        UPDATE snooze SET ended_at = NULL WHERE ended_at IS NOT NULL AND id = (
          SELECT MAX(s.id) FROM snooze s WHERE s.person_id = :person AND s.obligation_id = :id AND s.ended_at < s.until
            AND NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = s.obligation_id AND m.rung = {_RUNG}))
        """,
        person=person, id=obligation,
    )  # fmt: skip


async def wake(now: datetime, minute: int) -> int:
    """End what is over, where the office is open at a minute of this working day, and owe the person a reminder.

    Over is also what no longer may wait: sent back, or due on another day. What is done needs no reminder.
    """
    async with transaction():
        rows = await fetch(
            f"""
            UPDATE snooze SET ended_at = :now WHERE ended_at IS NULL AND id IN (
              SELECT s.id FROM snooze s JOIN obligation o ON o.id = s.obligation_id
              JOIN term t ON t.id = o.term_id {_SHARED} JOIN unit u ON u.id = COALESCE(h.unit_id, o.unit_id)
              WHERE s.ended_at IS NULL AND u.office_opens <= :minute
                AND ((s.until <= :now AND :minute < u.office_opens + {OPEN}) OR t.due <> s.due OR {_SENT_BACK}))
            RETURNING id
            """,
            now=now, minute=minute,
        )  # fmt: skip
        if rows:
            await _owe([int(row["id"]) for row in rows], now)
    return len(rows)


async def _owe(numbers: list[int], now: datetime) -> None:
    """One reminder for one person each. A rung that was raised meanwhile says more, and supersedes it."""
    false, true = ("0", "1") if dialect() == "sqlite" else ("FALSE", "TRUE")
    instant = ":now" if dialect() == "sqlite" else "CAST(:now AS TIMESTAMPTZ)"
    await execute(
        f"""
        INSERT INTO reminder
          (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
        SELECT o.id, t.due, {_RUNG}, s.audience, 'snoozed', 0, {false}, {false}, {instant}, {true}
        FROM snooze s JOIN obligation o ON o.id = s.obligation_id JOIN term t ON t.id = o.term_id {_SHARED}
        WHERE s.id IN :numbers AND o.state IN ('pending', 'acknowledged', 'returned')
          AND (h.id IS NULL OR h.state IN ('pending', 'acknowledged')) ON CONFLICT DO NOTHING
        """,
        numbers=numbers, now=now,
    )  # fmt: skip
    await execute(
        f"""
        INSERT INTO notice_item (reminder_id, person_id, outcome)
        SELECT m.id, s.person_id, '' FROM snooze s
        JOIN reminder m ON m.obligation_id = s.obligation_id AND m.rung = {_RUNG} AND m.audience = s.audience
        WHERE s.id IN :numbers ON CONFLICT DO NOTHING
        """,
        numbers=numbers,
    )
