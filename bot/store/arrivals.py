"""The inbox: verified messages as rows, unique by connection, app and message id."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.base import Incoming
from duties.store.database import Rows, as_instant, execute, fetch

KEPT = timedelta(days=400)
"""Longer than any platform redelivers, and long enough to read a year back."""
LONGEST_KEY = 128
LONGEST_NAME = 64
LONGEST_NUMBER = 16
"""Digits beyond which a mark cannot be a number of ours."""


def check(message: Incoming) -> None:
    """Raise ValueError for a message whose address fits no column. No platform documents one so long."""
    if len(message.sender) > LONGEST_KEY or max(len(message.connection), len(message.app)) > LONGEST_NAME:
        raise ValueError("the address of a message is longer than any platform's")


async def keep(messages: Sequence[Incoming], now: datetime) -> int:
    """Commit a batch in one statement. What is there already stays as it was. Returns how many were new."""
    values: dict[str, Any] = {"now": now}
    rows = []
    for number, message in enumerate(messages):
        rows.append(f"(:c{number}, :a{number}, :m{number}, :s{number}, :b{number}, :now, 0)")
        said = message.content().items()
        content = {name: _storable(value) if isinstance(value, str) else value for name, value in said}
        values |= {
            f"c{number}": message.connection, f"a{number}": message.app, f"m{number}": _key(message.message_id),
            f"s{number}": _storable(message.sender), f"b{number}": json.dumps(content, ensure_ascii=False),
        }  # fmt: skip
    return await execute(
        "INSERT INTO inbox (connection, app, message_id, sender, content, received_at, attempts) VALUES "
        f"{', '.join(rows)} ON CONFLICT (connection, app, message_id) DO NOTHING",
        **values,
    )


def _storable(text: str) -> str:
    """Without what a database cannot hold: NUL, and halves of characters."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _key(message_id: str) -> str:
    """A message id as its column holds it; a longer one by its digest, so that it still tells messages apart."""
    key = _storable(message_id)
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


async def waiting(limit: int) -> list[int]:
    """Messages not yet processed, oldest first."""
    rows = await fetch("SELECT id FROM inbox WHERE processed_at IS NULL ORDER BY id LIMIT :limit", limit=limit)
    return [row["id"] for row in rows]


async def take(number: int, now: datetime) -> Incoming | None:
    """Mark a message processed, once, and read it: the first statement of the transaction that processes it.

    None when somebody else took it, or an earlier message of the same sender still waits.
    """
    # The concatenation keeps the planner on the index of what is unprocessed, which is short; a sender's past is long.
    rows = await fetch(
        """
        UPDATE inbox SET processed_at = :now WHERE id = :id AND processed_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM inbox e WHERE e.processed_at IS NULL AND e.id < :id
            AND e.sender || '' = inbox.sender AND e.connection || '' = inbox.connection)
        RETURNING connection, app, message_id, sender, content
        """,
        id=number, now=now,
    )  # fmt: skip
    if not rows:
        return None
    (row,) = rows
    return Incoming(row["connection"], row["app"], row["message_id"], row["sender"], **_content(row["content"]))


async def failed(number: int) -> int:
    """Count a failure. Returns how many there were."""
    (row,) = await fetch("UPDATE inbox SET attempts = attempts + 1 WHERE id = :id RETURNING attempts", id=number)
    return int(row["attempts"])


async def replied_to(mark: str, connection: str, address: str) -> dict[str, Any] | None:
    """What the message said that is answered, if it was told to that address: by its receipt, or by our own key."""
    if not mark:
        return None
    key = mark.partition("-")[0]
    number = int(key) if key.isdecimal() and len(key) < LONGEST_NUMBER else 0
    rows = await fetch(
        "SELECT body FROM notice WHERE connection = :connection AND address = :address AND body IS NOT NULL"
        " AND (receipt = :mark OR id = :number) ORDER BY CASE WHEN receipt = :mark THEN 0 ELSE 1 END, id DESC LIMIT 1",
        connection=connection, address=address, mark=_storable(mark), number=number,
    )  # fmt: skip
    return _content(rows[0]["body"]) if rows else None


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
            "content": _content(row["content"]),
        }
        for row in rows
    ]  # fmt: skip


async def forget_old(now: datetime) -> int:
    """Drop processed messages that no platform will redeliver."""
    return await execute("DELETE FROM inbox WHERE processed_at < :before", before=now - KEPT)


def _content(value: Any) -> dict[str, Any]:
    """A JSON column as either driver gives it."""
    content: dict[str, Any] = value if isinstance(value, dict) else json.loads(value)
    return content
