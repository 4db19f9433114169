"""Acting posts as rows: a post held by a colleague for some days. Writes run inside the caller's transaction."""

from dataclasses import dataclass
from datetime import date, timedelta

from duties.model import Role
from duties.store.database import as_date, execute, fetch


@dataclass(frozen=True, slots=True)
class Acting:
    """A post that a colleague holds for its holder, from a day to a day, both inclusive."""

    person: int
    name: str
    unit_id: int
    unit: str
    role: Role
    since: date
    until: date
    entry: int = 0
    """The line that gave it; none before it is given."""


async def given_by(person: int, today: date) -> list[Acting]:
    """What of a person's posts others hold, today or later."""
    rows = await fetch(
        "SELECT p.person_id, n.name, p.unit_id, u.name AS unit, p.role, p.since, p.until, p.entry_id FROM post p"
        " JOIN person n ON n.id = p.person_id JOIN unit u ON u.id = p.unit_id"
        " WHERE p.acting_for = :person AND p.until >= :today ORDER BY p.since, p.id",
        person=person, today=today,
    )  # fmt: skip
    return [
        Acting(
            row["person_id"], row["name"], row["unit_id"], row["unit"], Role(row["role"]), as_date(row["since"]),
            as_date(row["until"]), row["entry_id"],
        )
        for row in rows
    ]  # fmt: skip


async def give(one: Acting, holder: int) -> None:
    """Let a colleague hold a post of its holder's."""
    await execute(
        "INSERT INTO post (person_id, unit_id, role, since, until, acting_for, entry_id)"
        " VALUES (:person, :unit, :role, :since, :until, :holder, :entry)",
        person=one.person, unit=one.unit_id, role=str(one.role), since=one.since, until=one.until, holder=holder,
        entry=one.entry,
    )  # fmt: skip


async def end(holder: int, today: date) -> int:
    """Let whatever others hold for a person be over since yesterday. Returns how many posts."""
    return await execute(
        "UPDATE post SET until = :yesterday WHERE acting_for = :holder AND until >= :today",
        holder=holder, today=today, yesterday=today - timedelta(days=1),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Orphan:
    """An acting post that rests on nothing: its delegate left the unit, or its holder no longer has the post."""

    id: int
    given: Acting
    holder: int
    holder_name: str
    holder_left: bool


async def orphaned(today: date) -> list[Orphan]:
    """Acting posts, begun or to come, whose delegate or whose holder has no post of their own there any more."""
    held = "(o.until IS NULL OR o.until >= :today) AND o.acting_for IS NULL AND o.unit_id = p.unit_id"
    rows = await fetch(
        "SELECT p.id, p.person_id, n.name, p.unit_id, u.name AS unit, p.role, p.since, p.until, p.entry_id,"
        f" p.acting_for, h.name AS holder, CASE WHEN EXISTS (SELECT 1 FROM post o WHERE {held}"
        " AND o.person_id = p.acting_for AND o.role = p.role) THEN 0 ELSE 1 END AS holder_left"
        " FROM post p JOIN person n ON n.id = p.person_id JOIN person h ON h.id = p.acting_for"
        " JOIN unit u ON u.id = p.unit_id WHERE p.acting_for IS NOT NULL AND p.until >= :today"
        f" AND (NOT EXISTS (SELECT 1 FROM post o WHERE {held} AND o.person_id = p.acting_for AND o.role = p.role)"
        f" OR NOT EXISTS (SELECT 1 FROM post o WHERE {held} AND o.person_id = p.person_id"
        " AND o.role IN ('head', 'officer'))) ORDER BY p.id",
        today=today,
    )  # fmt: skip
    return [
        Orphan(
            row["id"],
            Acting(
                row["person_id"], row["name"], row["unit_id"], row["unit"], Role(row["role"]), as_date(row["since"]),
                as_date(row["until"]), row["entry_id"],
            ),
            row["acting_for"], row["holder"], bool(row["holder_left"]),
        )
        for row in rows
    ]  # fmt: skip


async def close(number: int, today: date) -> bool:
    """Let one acting post be over since yesterday, unless it is already."""
    moved = await execute(
        "UPDATE post SET until = :yesterday WHERE id = :id AND acting_for IS NOT NULL AND until >= :today",
        id=number, today=today, yesterday=today - timedelta(days=1),
    )  # fmt: skip
    return moved == 1


async def own(person: int, units: tuple[int, ...], today: date) -> list[tuple[int, str, Role]]:
    """The posts a person holds in their own right in some units: unit, its name, role."""
    if not units:
        return []
    rows = await fetch(
        "SELECT p.unit_id, u.name, p.role FROM post p JOIN unit u ON u.id = p.unit_id"
        " WHERE p.person_id = :person AND p.unit_id IN :units AND p.acting_for IS NULL"
        " AND p.role IN ('head', 'officer')"
        " AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today) ORDER BY p.id",
        person=person, units=units, today=today,
    )  # fmt: skip
    return [(row["unit_id"], row["name"], Role(row["role"])) for row in rows]
