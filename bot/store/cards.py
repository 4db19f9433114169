"""Messages whose truth has changed: the reminders sent about an obligation, on connections that can change them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from duties.store.database import Rows, fetch

CHANGEABLE = timedelta(days=14)
"""The shortest of the platforms' limits (Feishu: a message can be changed for 14 days)."""


@dataclass(frozen=True, slots=True)
class Card:
    """A reminder as it was sent."""

    notice: int
    connection: str
    address: str
    receipt: str
    body: dict[str, Any]


async def about(obligations: Sequence[int], connections: Sequence[str], now: datetime) -> list[Card]:
    """The reminders sent about any of these obligations that can still be changed, newest first."""
    rows = await fetch(
        "SELECT DISTINCT n.id, n.connection, n.address, n.receipt, CAST(n.body AS TEXT) AS body FROM notice n"
        " JOIN notice_item i ON i.notice_id = n.id JOIN reminder m ON m.id = i.reminder_id"
        " WHERE m.obligation_id IN :obligations AND n.connection IN :connections AND n.state = 'sent'"
        " AND n.receipt <> '' AND n.finished_at >= :since ORDER BY n.id DESC LIMIT 50",
        obligations=list(obligations), connections=list(connections), since=now - CHANGEABLE,
    )  # fmt: skip
    return [Card(r["id"], r["connection"], r["address"], r["receipt"], json.loads(r["body"])) for r in rows]


async def standing(obligations: Sequence[int]) -> Rows:
    """Where obligations stand: id, state."""
    return await fetch("SELECT id, state FROM obligation WHERE id IN :ids", ids=list(obligations))
