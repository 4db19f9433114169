"""Where people are told something outside the reminders: the holders of a unit's posts, its supervisors, one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from bot.store.oversight import NOTHING, View, within
from bot.store.queue import TRUSTED_AGAIN
from duties.model import Role
from duties.store.database import Rows, fetch

_HELD = "(p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today)"

SLICE = 10_000
"""People looked up in one statement: both databases limit what one may bind."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """A person, and the address to tell them at."""

    person: int
    connection: str
    address: str


async def of_unit(unit: int, roles: Sequence[Role], today: date, now: datetime) -> list[Addressee]:
    """Who holds one of these posts in a unit and can be told."""
    return await _addressed(
        f"SELECT p.person_id FROM post p WHERE p.unit_id = :unit AND p.role IN :roles AND {_HELD}",
        now, unit=unit, roles=[str(role) for role in roles], today=today,
    )  # fmt: skip


async def over_unit(unit: int, today: date, now: datetime) -> list[Addressee]:
    """Who verifies what a unit reports and can be told."""
    return await _addressed(
        "SELECT p.person_id FROM unit u JOIN post p ON p.unit_id = u.supervisor_id AND p.role = 'supervisor'"
        f" WHERE u.id = :unit AND {_HELD}",
        now, unit=unit, today=today,
    )  # fmt: skip


async def of_person(person: int, now: datetime) -> list[Addressee]:
    """One person, if they can be told."""
    return await _addressed(":person", now, person=person)


async def _addressed(people: str, now: datetime, **values: Any) -> list[Addressee]:
    """Each at the address bound first, those that failed within a day coming last: as reminders are."""
    rows = await fetch(
        "SELECT a.person_id, a.connection, a.address FROM identity a"
        f" WHERE a.person_id IN ({people})"
        " ORDER BY a.person_id, CASE WHEN a.failed_at > :failed THEN 1 ELSE 0 END, a.id",
        failed=now - TRUSTED_AGAIN, **values,
    )  # fmt: skip
    first = {row["person_id"]: row for row in reversed(rows)}
    return [Addressee(row["person_id"], row["connection"], row["address"]) for row in reversed(first.values())]


async def owing(view: View, duty: str, roles: Sequence[Role], today: date) -> Rows:
    """Who holds one of these posts in a unit that owes a duty now: person_id, unit_id, and the obligation's id."""
    seen, values = within(view, NOTHING)
    return await fetch(
        "SELECT DISTINCT p.person_id, o.unit_id, o.id FROM term t CROSS JOIN obligation o CROSS JOIN unit u"
        " CROSS JOIN post p WHERE o.term_id = t.id AND u.id = o.unit_id AND p.unit_id = o.unit_id"
        f" AND p.role IN :roles AND {_HELD} AND t.duty = :duty AND t.opens <= :today"
        f" AND o.state IN ('pending', 'acknowledged', 'returned') AND {seen} ORDER BY p.person_id, o.id",
        duty=duty, roles=[str(role) for role in roles], today=today, **values,
    )  # fmt: skip


async def of_people(people: Sequence[int], now: datetime) -> list[Addressee]:
    """Those of these people who can be told."""
    found: list[Addressee] = []
    for first in range(0, len(people), SLICE):
        found += await _addressed(
            "SELECT n.id FROM person n WHERE n.id IN :numbers", now, numbers=list(people[first : first + SLICE])
        )
    return found
