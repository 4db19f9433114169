"""Who can be told: the posts that reminders speak to, and whose holders have an address somewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from bot.store.oversight import NOTHING, View, within
from bot.store.people import bind, person_coded
from duties.ledger import SYSTEM, Act
from duties.store import chains
from duties.store.database import Rows, fetch, transaction

_HELD = "(p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today)"
_OPEN = "o.state IN ('pending', 'acknowledged', 'returned')"
# Every post that something open may be told to: the unit's own, and the supervisors of the unit that watches it.
_NEEDED = f"""
    (SELECT DISTINCT o.unit_id, r.role FROM obligation o
     CROSS JOIN (SELECT 'head' AS role UNION ALL SELECT 'officer') r WHERE {_OPEN}
     UNION
     SELECT DISTINCT v.supervisor_id, 'supervisor' FROM obligation o JOIN unit v ON v.id = o.unit_id
     WHERE {_OPEN} AND v.supervisor_id IS NOT NULL)
"""
_UNREACHED = f"""
    FROM {_NEEDED} AS w JOIN unit u ON u.id = w.unit_id
    LEFT JOIN post p ON p.unit_id = u.id AND p.role = w.role AND {_HELD}
    LEFT JOIN person n ON n.id = p.person_id
    WHERE NOT EXISTS (SELECT 1 FROM identity a WHERE a.person_id = p.person_id)
"""
EVERYBODY = View(everything=True)


async def unreached(today: date, limit: int, view: View = EVERYBODY) -> Rows:
    """Posts that something open may be told to and whose holder has no address: unit, role, person, code.

    `person` is None where the post is vacant.
    """
    where, values = within(view, NOTHING, "u.id")
    return await fetch(
        f"SELECT u.name AS unit, w.role, n.name AS person, n.code {_UNREACHED} AND {where}"
        " ORDER BY u.path, w.role, n.name LIMIT :limit",
        today=today, limit=limit, **values,
    )  # fmt: skip


async def unreached_counted(today: date, view: View = EVERYBODY) -> tuple[int, int]:
    """How many posts cannot be told, in how many units."""
    where, values = within(view, NOTHING, "u.id")
    (row,) = await fetch(
        f"SELECT COUNT(*) AS found, COUNT(DISTINCT u.id) AS units {_UNREACHED} AND {where}", today=today, **values
    )
    return int(row["found"]), int(row["units"])


async def silent_units(today: date) -> list[str]:
    """Units that owe something, or watch over who does, and in which nobody at all can be told."""
    rows = await fetch(
        f"""
        SELECT u.name FROM {_NEEDED} AS w JOIN unit u ON u.id = w.unit_id
        WHERE NOT EXISTS (
            SELECT 1 FROM post p JOIN identity a ON a.person_id = p.person_id
            WHERE p.unit_id = u.id AND {_HELD}
              AND p.role IN (w.role, CASE w.role WHEN 'head' THEN 'officer' WHEN 'officer' THEN 'head' END))
        GROUP BY u.path, u.name ORDER BY u.path
        """,
        today=today,
    )
    return [row["name"] for row in rows]


async def called(words: str, units: Sequence[int] | None, today: date, limit: int) -> Rows:
    """Holders of posts by name or code, in some units or in all: person_id, code, name, unit, role, unit_id."""
    values: dict[str, Any] = {"units": list(units)} if units is not None else {}
    where = " AND p.unit_id IN :units" if units is not None else ""
    return await fetch(
        "SELECT p.person_id, n.code, n.name, u.name AS unit, p.role, u.id AS unit_id FROM post p"
        " JOIN person n ON n.id = p.person_id JOIN unit u ON u.id = p.unit_id"
        f" WHERE {_HELD} AND (n.name = :words OR n.code = :words){where} ORDER BY u.path, p.id LIMIT :limit",
        today=today, words=words, limit=limit, **values,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AddressChange:
    """An address that a roster gives to a person; `was` is whose it was before, by code, or nobody's."""

    person: str
    connection: str
    address: str
    was: str = ""


async def readdressed(wanted: Mapping[tuple[str, str], str]) -> list[AddressChange]:
    """What binding these addresses, (connection, address) to a person's code, would change."""
    rows = await fetch("SELECT a.connection, a.address, n.code FROM identity a JOIN person n ON n.id = a.person_id")
    bound = {(row["connection"], row["address"]): str(row["code"]) for row in rows}
    return [
        AddressChange(person, *place, bound.get(place, ""))
        for place, person in wanted.items()
        if bound.get(place) != person
    ]


async def readdress(wanted: Mapping[tuple[str, str], str], now: datetime) -> list[AddressChange]:
    """Bind what is not bound so. Each change is a line of the ledger; what a roster does not name stays."""
    changes = await readdressed(wanted)
    for change in changes:
        async with transaction():
            payload = {"person": change.person, "connection": change.connection, "address": change.address}
            await chains.append(SYSTEM, Act("operator", "bind", "cli", payload), now)
            (row,) = await person_coded(change.person)
            await bind(int(row["id"]), change.connection, change.address, now)
    return changes
