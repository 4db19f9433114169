"""Rows read as frozen values: obligations, actors, tallies. Days are the caller's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from duties.model import Actor, Force, Obligation, PostHeld, Role, State, Stop
from duties.store.database import Rows, as_date, dialect, fetch, literal

_OBLIGATION = """
    SELECT o.id, t.duty, t.label, o.term_id, o.unit_id, u.name AS unit, u.path, o.state, t.opens, t.due, t.force,
           t.stands_from, t.stands_left, o.target, o.tally, o.done_on, o.backdated, o.reason, o.waived_until, o.assignee
    FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which obligations a list is about. Empty means any; of `hidden`, duties by code, none."""

    units: tuple[int, ...] = ()
    under: str = ""
    duties: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    due_before: date | None = None
    opened_by: date | None = None
    hidden: tuple[str, ...] = ()
    limit: int = 500


def _obligation(row: dict[str, Any]) -> Obligation:
    return Obligation(
        id=row["id"], duty=row["duty"], term=row["label"], term_id=row["term_id"], unit_id=row["unit_id"],
        unit=row["unit"], unit_path=row["path"], state=State(row["state"]), opens=as_date(row["opens"]),
        due=as_date(row["due"]), force=Force(row["force"]), target=row["target"], tally=row["tally"],
        done_on=as_date(row["done_on"]) if row["done_on"] else None, backdated=bool(row["backdated"]),
        reason=row["reason"], waived_until=as_date(row["waived_until"]) if row["waived_until"] else None,
        assignee=row["assignee"], stop=stop(row),
    )  # fmt: skip


def stop(row: Mapping[str, Any]) -> Stop | None:
    """Whether a term's clock stands, from `stands_from` and `stands_left`."""
    return Stop(as_date(row["stands_from"]), row["stands_left"]) if row["stands_from"] else None


def _where(wanted: Filter) -> tuple[str, dict[str, Any]]:
    clauses, values = ["1 = 1"], {}
    for clause, name, value in (
        ("o.unit_id IN :units", "units", wanted.units),
        ("u.path LIKE :under", "under", f"{wanted.under}%" if wanted.under else ""),
        ("t.duty IN :duties", "duties", wanted.duties),
        ("t.duty NOT IN :hidden", "hidden", wanted.hidden),
        ("t.due < :due_before AND t.stands_from IS NULL", "due_before", wanted.due_before),
        ("t.opens <= :opened_by", "opened_by", wanted.opened_by),
    ):
        if value:
            clauses.append(clause)
            values[name] = value
    if wanted.states:
        clauses.append(f"o.state IN {literal(wanted.states)}")
    return " AND ".join(clauses), values


async def obligations(wanted: Filter) -> list[Obligation]:
    """Obligations by due day, then unit, then duty."""
    where, values = _where(wanted)
    rows = await fetch(
        f"{_OBLIGATION} WHERE {where} ORDER BY t.due, u.path, t.duty, o.id LIMIT :limit", limit=wanted.limit, **values
    )
    return [_obligation(row) for row in rows]


async def counted(wanted: Filter) -> tuple[int, int]:
    """How many obligations, of how many units."""
    where, values = _where(wanted)
    (row,) = await fetch(
        "SELECT COUNT(*) AS found, COUNT(DISTINCT o.unit_id) AS units"
        f" FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id WHERE {where}",
        **values,
    )
    return int(row["found"]), int(row["units"])


async def obligation(number: int, *, held: bool = False) -> Obligation | None:
    """One obligation by its number; `held` until the transaction ends, where transactions run side by side."""
    lock = " FOR UPDATE OF o" if held and dialect() == "postgresql" else ""
    rows = await fetch(f"{_OBLIGATION} WHERE o.id = :id{lock}", id=number)
    return _obligation(rows[0]) if rows else None


async def duties_of(numbers: Sequence[int]) -> frozenset[str]:
    """The duties, by code, of the obligations with these numbers; what is none is passed over."""
    if not numbers:
        return frozenset()
    rows = await fetch(
        "SELECT DISTINCT t.duty FROM obligation o JOIN term t ON t.id = o.term_id WHERE o.id IN :numbers",
        numbers=list(numbers),
    )
    return frozenset(row["duty"] for row in rows)


async def evidence_of(number: int) -> list[dict[str, Any]]:
    """What was given as evidence for an obligation."""
    (row,) = await fetch("SELECT evidence FROM obligation WHERE id = :id", id=number)
    kept: list[dict[str, Any]] = json.loads(row["evidence"]) if isinstance(row["evidence"], str) else row["evidence"]
    return kept


async def actor(person: int, today: date) -> Actor | None:
    """A person with the posts held on a day. A supervisor looks after the subtree of the unit's parent."""
    people = await fetch("SELECT id, name FROM person WHERE id = :id", id=person)
    if not people:
        return None
    rows = await fetch(
        """
        SELECT p.role, u.id, u.name, COALESCE(parent.path, u.path) AS over, f.name AS acting_for
        FROM post p JOIN unit u ON u.id = p.unit_id LEFT JOIN unit parent ON parent.id = u.parent_id
        LEFT JOIN person f ON f.id = p.acting_for
        WHERE p.person_id = :person
          AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today)
          AND (u.until IS NULL OR u.until >= :today)
        ORDER BY p.id
        """,
        person=person, today=today,
    )  # fmt: skip
    held = tuple(
        PostHeld(Role(row["role"]), row["id"], row["name"], row["over"], row["acting_for"] or "") for row in rows
    )
    return Actor(people[0]["id"], people[0]["name"], held)


async def person_name(person: int) -> str:
    """What a person is called; nothing if there is none."""
    rows = await fetch("SELECT name FROM person WHERE id = :id", id=person)
    return str(rows[0]["name"]) if rows else ""


async def holders(unit: int, roles: Sequence[Role], today: date) -> list[str]:
    """Who holds one of these posts in a unit, by name."""
    rows = await fetch(
        """
        SELECT DISTINCT n.name FROM post p JOIN person n ON n.id = p.person_id
        WHERE p.unit_id = :unit AND p.role IN :roles
          AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today) ORDER BY n.name
        """,
        unit=unit, roles=tuple(str(role) for role in roles), today=today,
    )  # fmt: skip
    return [row["name"] for row in rows]


async def counts(number: int) -> Rows:
    """The counts towards a counted obligation that still stand: id, on_day, topic, meeting, amount, entry_id."""
    rows = await fetch(
        "SELECT id, on_day, topic, meeting, amount, entry_id FROM count_item"
        " WHERE obligation_id = :id AND undone_by IS NULL ORDER BY on_day, id",
        id=number,
    )
    return [{**row, "on_day": as_date(row["on_day"])} for row in rows]


async def units_named() -> Rows:
    """Every unit: id, name, name_en, aliases, path."""
    return await fetch("SELECT id, name, name_en, aliases, path FROM unit ORDER BY id")


async def units_in_english() -> dict[str, str]:
    """Units' names in English, by name; without those that two units called differently in English share."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    for row in await fetch("SELECT name, name_en FROM unit WHERE name_en IS NOT NULL ORDER BY id"):
        if found.setdefault(row["name"], row["name_en"]) != row["name_en"]:
            shared.add(row["name"])
    return {name: english for name, english in found.items() if name not in shared}


async def unit(number: int) -> dict[str, Any] | None:
    """A unit: id, name, path."""
    rows = await fetch("SELECT id, name, path FROM unit WHERE id = :id", id=number)
    return rows[0] if rows else None


async def supervisor_of(number: int) -> int | None:
    """The unit that supervises a unit."""
    (row,) = await fetch("SELECT supervisor_id FROM unit WHERE id = :id", id=number)
    return int(row["supervisor_id"]) if row["supervisor_id"] is not None else None


async def is_supervising(number: int) -> bool:
    """Whether some unit is supervised by it."""
    return bool(await fetch("SELECT 1 FROM unit WHERE supervisor_id = :id LIMIT 1", id=number))


async def overseen(number: int) -> str | None:
    """The path of the subtree that a unit's supervisor looks after."""
    rows = await fetch(
        "SELECT COALESCE(p.path, s.path) AS over FROM unit u JOIN unit s ON s.id = u.supervisor_id"
        " LEFT JOIN unit p ON p.id = s.parent_id WHERE u.id = :id",
        id=number,
    )
    return str(rows[0]["over"]) if rows else None


async def supervisors_of_both(one: str, other: str, today: date) -> list[str]:
    """Who looks after a subtree in which both of these paths lie, by name."""
    rows = await fetch(
        """
        SELECT DISTINCT n.name FROM post p JOIN person n ON n.id = p.person_id JOIN unit u ON u.id = p.unit_id
        LEFT JOIN unit parent ON parent.id = u.parent_id
        WHERE p.role = 'supervisor' AND :one LIKE COALESCE(parent.path, u.path) || '%'
          AND :other LIKE COALESCE(parent.path, u.path) || '%'
          AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today) ORDER BY n.name
        """,
        one=one, other=other, today=today,
    )  # fmt: skip
    return [row["name"] for row in rows]


async def standing_of(unit: int, day: date) -> tuple[frozenset[str], frozenset[str]]:
    """A unit's tags on a day, and the jurisdictions it lies in."""
    tags = await fetch(
        "SELECT tag FROM unit_tag WHERE unit_id = :unit AND (since IS NULL OR since <= :day)"
        " AND (until IS NULL OR until >= :day)",
        unit=unit, day=day,
    )  # fmt: skip
    (row,) = await fetch("SELECT jurisdiction FROM unit WHERE id = :unit", unit=unit)
    return frozenset(row["tag"] for row in tags), frozenset(str(row["jurisdiction"]).split("/"))


def names(value: Any) -> list[str]:
    """A column of names as the driver gave it."""
    found: list[str] = value if isinstance(value, list) else json.loads(value)
    return found
