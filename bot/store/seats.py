"""Stand-ins for simulation: one person in every post that a reminder can speak to, each with an address."""

import json
from datetime import datetime
from typing import Any

from duties.store.database import Rows, as_instant, execute, fetch


async def seat_everyone(connection: str, now: datetime) -> None:
    """Replace all people by one officer and one head a unit, and one supervisor where units are supervised from."""
    for table in ("post", "identity", "person"):
        await execute(f"DELETE FROM {table}")
    await execute(
        """
        INSERT INTO person (code, name)
        SELECT r.role || '@' || u.code, u.name FROM unit u
        CROSS JOIN (SELECT 'officer' AS role UNION ALL SELECT 'head' UNION ALL SELECT 'supervisor') r
        WHERE r.role <> 'supervisor' OR EXISTS (SELECT 1 FROM unit s WHERE s.supervisor_id = u.id)
        """
    )
    await execute(
        """
        INSERT INTO post (person_id, unit_id, role)
        SELECT n.id, u.id, SUBSTR(n.code, 1, LENGTH(n.code) - LENGTH(u.code) - 1)
        FROM person n JOIN unit u ON n.code IN ('officer@' || u.code, 'head@' || u.code, 'supervisor@' || u.code)
        """
    )
    await execute(
        "INSERT INTO identity (person_id, connection, address, bound_at)"
        " SELECT id, CAST(:connection AS VARCHAR(64)), code, :now FROM person",
        connection=connection, now=now,
    )  # fmt: skip


async def bind_everyone(connection: str, now: datetime) -> None:
    """Give every person of the roster an address on a connection: their code."""
    await execute(
        "INSERT INTO identity (person_id, connection, address, bound_at)"
        " SELECT id, CAST(:connection AS VARCHAR(64)), code, :now FROM person n"
        " WHERE NOT EXISTS (SELECT 1 FROM identity a WHERE a.person_id = n.id AND a.connection = :connection)",
        connection=connection, now=now,
    )  # fmt: skip


async def said_after(notice: int) -> Rows:
    """Reminders sent after a notice, in order: id, at, unit, body."""
    rows = await fetch(
        """
        SELECT n.id, n.due_at, u.name AS unit, n.body FROM notice n
        JOIN post p ON p.person_id = n.person_id JOIN unit u ON u.id = p.unit_id
        WHERE n.id > :notice AND n.kind = 'reminders' AND n.state = 'sent' ORDER BY n.id
        """,
        notice=notice,
    )
    return [{"id": r["id"], "at": as_instant(r["due_at"]), "unit": r["unit"], "body": _json(r["body"])} for r in rows]


def _json(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = value if isinstance(value, dict) else json.loads(value)
    return found
