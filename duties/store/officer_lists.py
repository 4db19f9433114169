"""The list of officers into the store: what is there, and making it what a file says."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from duties.ledger import SYSTEM, Act
from duties.officers import Change, Known, KnownUnit, Officer
from duties.store import chains, reading
from duties.store.database import execute_many, fetch
from duties.store.officer_rows import OFFICER, officer
from duties.store.roster_rows import append_each


async def known(today: date) -> Known:
    """Every unit and every officer, those who left too."""
    units = await fetch("SELECT id, code, name, aliases FROM unit ORDER BY id")
    rows = await fetch(f"SELECT {OFFICER} FROM officer f ORDER BY f.id")
    return Known(
        tuple(KnownUnit(row["id"], row["code"], row["name"], tuple(reading.names(row["aliases"]))) for row in units),
        tuple(officer(row) for row in rows),
        today,
    )


async def write(changes: Sequence[Change], source: str, digest: str, now: datetime) -> None:
    """Make the list what was worked out, and write it down: one line in the system's chain, one in each unit's."""
    rows = [row for change in changes for row in change.rows]
    (last,) = await fetch("SELECT COALESCE(MAX(id), 0) AS id FROM officer")  # imports wait for each other
    await execute_many(
        "UPDATE officer SET name = :name, certificate = :certificate, since = :since, until = :until,"
        " entered = :entered WHERE id = :id",
        [_values(row) | {"id": row.id} for row in rows if row.id],
    )
    await execute_many(
        "INSERT INTO officer (unit_id, name, certificate, since, until, entered, first_id)"
        " VALUES (:unit, :name, :certificate, :since, :until, :entered, :first)",
        [_values(row) | {"unit": row.unit_id, "first": row.first_id} for row in rows if not row.id],
    )
    payload = {"file": source, "sha256": digest, "changes": len(changes)}
    await chains.append(SYSTEM, Act("cli", "officers", "cli", payload), now)
    new = iter(await fetch("SELECT id FROM officer WHERE id > :last ORDER BY id", last=int(last["id"])))
    by_unit: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for change in changes:
        written = [_told(row, row.id or int(next(new)["id"])) for row in change.rows]
        told = {
            "change": change.kind, "name": change.name, "certificate": change.certificate, "facts": change.facts,
            "rows": written,
        }  # fmt: skip
        for unit in change.touched:
            by_unit[unit].append(told)
    acts = {unit: Act("cli", "officers", "cli", {"officers": told}) for unit, told in by_unit.items()}
    await append_each(acts, now)


def _told(row: Officer, number: int) -> list[Any]:
    """A row as the ledger keeps it: its number, unit, name, certificate, from, to, entered, first row."""
    days = (day.isoformat() if day else None for day in (row.since, row.until, row.entered))
    return [number, row.unit_id, row.name, row.certificate, *days, row.first_id]


def _values(row: Officer) -> dict[str, Any]:
    return {
        "name": row.name, "certificate": row.certificate, "since": row.since, "until": row.until,
        "entered": row.entered,
    }  # fmt: skip
