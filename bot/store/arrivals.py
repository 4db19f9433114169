"""The inbox: verified messages as rows, unique by connection, app and message id."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.base import Incoming
from duties.store.database import Rows, as_instant, execute, fetch

KEPT = timedelta(days=400)
"""Longer than any platform redelivers, and long enough to read a year back."""


async def keep(messages: Sequence[Incoming], now: datetime) -> int:
    """Commit a batch in one statement. What is there already stays as it was. Returns how many were new."""
    values: dict[str, Any] = {"now": now}
    rows = []
    for number, message in enumerate(messages):
        rows.append(f"(:c{number}, :a{number}, :m{number}, :s{number}, :b{number}, :now, 0)")
        values |= {
            f"c{number}": message.connection, f"a{number}": message.app, f"m{number}": message.message_id,
            f"s{number}": message.sender, f"b{number}": json.dumps(message.content(), ensure_ascii=False),
        }  # fmt: skip
    return await execute(
        "INSERT INTO inbox (connection, app, message_id, sender, content, received_at, attempts) VALUES "
        f"{', '.join(rows)} ON CONFLICT (connection, app, message_id) DO NOTHING",
        **values,
    )


async def waiting(limit: int) -> list[tuple[int, Incoming]]:
    """Messages not yet processed, oldest first."""
    rows = await fetch(
        "SELECT id, connection, app, message_id, sender, content FROM inbox WHERE processed_at IS NULL"
        " ORDER BY id LIMIT :limit",
        limit=limit,
    )
    return [(row["id"], _incoming(row)) for row in rows]


def _incoming(row: dict[str, Any]) -> Incoming:
    content = row["content"] if isinstance(row["content"], dict) else json.loads(row["content"])
    return Incoming(
        row["connection"], row["app"], row["message_id"], row["sender"], content["text"], content["action"],
        content["reply_to"],
    )  # fmt: skip


async def take(number: int, now: datetime) -> bool:
    """Mark a message processed, once: the first statement of the transaction that processes it."""
    return await execute(
        "UPDATE inbox SET processed_at = :now WHERE id = :id AND processed_at IS NULL", id=number, now=now
    ) == 1  # fmt: skip


async def failed(number: int) -> int:
    """Count a failure. Returns how many there were."""
    (row,) = await fetch("UPDATE inbox SET attempts = attempts + 1 WHERE id = :id RETURNING attempts", id=number)
    return int(row["attempts"])


async def written(address: str, connection: str, before: datetime, limit: int) -> Rows:
    """What an address wrote before an instant, newest first: message_id, content, at."""
    rows = await fetch(
        "SELECT message_id, content, received_at FROM inbox WHERE connection = :connection AND sender = :address"
        " AND received_at < :before ORDER BY id DESC LIMIT :limit",
        connection=connection, address=address, before=before, limit=limit,
    )  # fmt: skip
    return [
        {
            "message_id": row["message_id"], "at": as_instant(row["received_at"]),
            "content": row["content"] if isinstance(row["content"], dict) else json.loads(row["content"]),
        }
        for row in rows
    ]  # fmt: skip


async def forget_old(now: datetime) -> int:
    """Drop processed messages that no platform will redeliver."""
    return await execute("DELETE FROM inbox WHERE processed_at < :before", before=now - KEPT)
