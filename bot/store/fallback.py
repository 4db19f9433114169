"""A person's next address: where a message goes on to when the first can no longer be reached."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.store.queue import OURS, TRUSTED_AGAIN, Claimed, claimed, put
from duties.store.database import execute, fetch


async def pass_on(notice: Claimed, reason: str, holder: str, connections: Sequence[str], now: datetime) -> str:
    """Give a notice up at its address and open it at the person's next one, in the caller's transaction.

    What it told is unsaid again, so that the next address words it for what it can show. Returns the connection it
    went on to; empty, and nothing is changed, where there is none or the notice is no longer ours.
    """
    if notice.person_id is None or notice.kind == "update":
        return ""
    given_up = await execute(
        "UPDATE notice SET state = 'dropped', error = :error, finished_at = :now, attempts = attempts + 1"
        f" WHERE {OURS} AND EXISTS ({_NEXT})",
        error=reason[:255], now=now, id=notice.id, holder=holder, **_after(notice, connections, now),
    )  # fmt: skip
    if not given_up:
        return ""
    (place,) = await fetch(_NEXT, **_after(notice, connections, now))
    if notice.kind == "reminders":
        await execute("UPDATE notice_item SET notice_id = NULL, outcome = '' WHERE notice_id = :id", id=notice.id)
        await _collect_at(place, notice.person_id, now)
    elif notice.body is not None:
        await put(notice.kind, place["connection"], place["address"], notice.body, now, person=notice.person_id)
    return str(place["connection"])


async def failed(notice: Claimed, now: datetime) -> None:
    """Note that an address could not be reached: for a day the person's others come before it."""
    await execute(
        "UPDATE identity SET failed_at = :now WHERE connection = :connection AND address = :address",
        connection=notice.connection, address=notice.address, now=now,
    )  # fmt: skip


async def waiting(scope: str, connections: Sequence[str]) -> list[tuple[Claimed, str]]:
    """Notices that wait within a scope although their person has another connection, each with who claimed it."""
    if not connections:
        return []
    rows = await fetch(
        "SELECT n.id, n.kind, n.connection, n.person_id, n.address, n.body, n.attempts, n.token FROM notice n"
        " WHERE n.scope = :scope AND n.state IN ('collecting', 'pending') AND n.person_id IS NOT NULL"
        " AND EXISTS (SELECT 1 FROM identity b WHERE b.person_id = n.person_id AND b.connection IN :connections)"
        " ORDER BY n.id LIMIT 500",
        scope=scope, connections=list(connections),
    )  # fmt: skip
    return [(claimed(row), row["token"]) for row in rows]


_NEXT = """
    SELECT b.connection, b.address FROM identity b
    WHERE b.person_id = :person AND b.connection IN :connections AND b.connection <> :connection
      AND (b.failed_at IS NULL OR b.failed_at <= :failed) ORDER BY b.id LIMIT 1
"""


def _after(notice: Claimed, connections: Sequence[str], now: datetime) -> dict[str, Any]:
    return {
        "person": notice.person_id, "connections": list(connections), "connection": notice.connection,
        "failed": now - TRUSTED_AGAIN,
    }  # fmt: skip


async def _collect_at(place: dict[str, Any], person: int, now: datetime) -> None:
    await execute(
        "INSERT INTO notice (kind, scope, connection, person_id, address, state, due_at, attempts, token, receipt,"
        " error, created_at) VALUES ('reminders', :connection, :connection, :person, :address, 'collecting', :now, 0,"
        " '', '', '', :now) ON CONFLICT DO NOTHING",
        connection=place["connection"], address=place["address"], person=person, now=now,
    )  # fmt: skip
