"""What units ask their supervisors for, as rows. Writes run inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from duties.store.database import as_date, execute, fetch

WAIVER, EXTENSION = "waiver", "extension"
OPEN, GRANTED, REFUSED = "open", "granted", "refused"
WITHDRAWN, MOOT = "withdrawn", "moot"
"""Taken back by the unit; no longer to be answered, since what it asked about is no longer open."""
_REQUEST = """
    SELECT r.id, r.obligation_id, r.kind, r.reason, r.wanted_on, r.asked_by, n.name AS asker, r.state
    FROM request r JOIN person n ON n.id = r.asked_by
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: to be let off an obligation, or to have until another day."""

    id: int
    obligation_id: int
    kind: str
    reason: str
    wanted_on: date | None
    asked_by: int
    asker: str
    state: str


async def add(obligation: int, kind: str, reason: str, wanted_on: date | None, asker: int, now: datetime) -> int | None:
    """A new request's number; None if somebody was first with one of its kind that is open."""
    rows = await fetch(
        "INSERT INTO request (obligation_id, kind, reason, wanted_on, asked_by, asked_at, state)"
        " VALUES (:obligation, :kind, :reason, :wanted_on, :asker, :now, 'open') ON CONFLICT DO NOTHING RETURNING id",
        obligation=obligation, kind=kind, reason=reason, wanted_on=wanted_on, asker=asker, now=now,
    )  # fmt: skip
    return int(rows[0]["id"]) if rows else None


async def found(number: int) -> Request | None:
    """A request by its number."""
    rows = await fetch(f"{_REQUEST} WHERE r.id = :id", id=number)
    return _request(rows[0]) if rows else None


async def open_on(obligation: int) -> list[Request]:
    """The open requests about an obligation, the newest first."""
    rows = await fetch(f"{_REQUEST} WHERE r.obligation_id = :id AND r.state = 'open' ORDER BY r.id DESC", id=obligation)
    return [_request(row) for row in rows]


async def open_under(
    trees: Sequence[str], units: Sequence[int], limit: int, hidden: Sequence[str] = ()
) -> tuple[list[Request], int]:
    """The open requests in these subtrees and of these units, the oldest first, and how many there are.

    Those about `hidden` duties are left out.
    """
    where, values = _within(trees, units, hidden)
    rows = await fetch(f"{_REQUEST} {where} ORDER BY r.id LIMIT :limit", limit=limit, **values)
    (row,) = await fetch(f"SELECT COUNT(*) AS found FROM request r {where}", **values)
    return [_request(row) for row in rows], int(row["found"])


def _within(trees: Sequence[str], units: Sequence[int], hidden: Sequence[str]) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {f"tree{number}": f"{path}%" for number, path in enumerate(trees)}
    places = [f"u.path LIKE :{name}" for name in values]
    if units:
        places.append("u.id IN :units")
        values["units"] = tuple(units)
    where = " OR ".join(places) or "FALSE"
    joined = "JOIN obligation o ON o.id = r.obligation_id JOIN unit u ON u.id = o.unit_id"
    told = f"r.state = 'open' AND ({where})"
    if hidden:
        joined += " JOIN term t ON t.id = o.term_id"
        told += " AND t.duty NOT IN :hidden"
        values["hidden"] = tuple(hidden)
    return f"{joined} WHERE {told}", values


async def answer(number: int, state: str) -> bool:
    """Close a request, if nobody answered it meanwhile."""
    return (
        await execute("UPDATE request SET state = :state WHERE id = :id AND state = 'open'", id=number, state=state)
        == 1
    )


async def reopen(number: int) -> bool:
    """Let a request wait for its answer again, unless another of its kind does meanwhile."""
    moved = await execute(
        "UPDATE request SET state = 'open' WHERE id = :id AND state <> 'open' AND NOT EXISTS (SELECT 1 FROM request r"
        " WHERE r.obligation_id = request.obligation_id AND r.kind = request.kind AND r.state = 'open')",
        id=number,
    )  # fmt: skip
    return moved == 1


def _request(row: dict[str, Any]) -> Request:
    return Request(
        row["id"], row["obligation_id"], row["kind"], row["reason"],
        as_date(row["wanted_on"]) if row["wanted_on"] else None, row["asked_by"], row["asker"], row["state"],
    )  # fmt: skip
