"""What supervisors look at: late and reported obligations within a view, counted and listed by the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from duties.model import Actor, Role
from duties.store.database import Rows, as_date, fetch
from duties.store.reading import stop

_FROM = "FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
RUNS = "t.stands_from IS NULL"
"""The clock runs: the due day of one that stands is made up."""
# Spelled out, not bound: the partial indexes are used only where the statement repeats their condition.
_LATE = f"o.state IN ('pending', 'acknowledged', 'returned') AND t.due < :today AND {RUNS}"
_WAITING = "o.state = 'reported'"
NAMED = """
    (SELECT CASE WHEN c.document <> '' THEN c.document ELSE c.subject END FROM casefile c WHERE c.id = t.case_id)
    AS named
"""
"""What was assigned without an article rests on this: a document, or the words that assigned it."""
_COLUMNS = f"""
    SELECT o.id, t.duty, t.label AS term, t.jurisdiction, t.due, t.stands_from, t.stands_left, u.name AS unit, o.state,
      o.done_on, o.backdated, {NAMED}
"""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody may look at: everything, whole subtrees, single units; `hidden` are duties left out of it."""

    everything: bool = False
    trees: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    hidden: tuple[str, ...] = ()

    @classmethod
    def of(cls, actor: Actor) -> "View":
        """What somebody's posts let them look at: an admin everything, else what they supervise and their own units."""
        if any(post.role == Role.ADMIN for post in actor.posts):
            return cls(everything=True)
        trees = {post.over for post in actor.posts if post.role == Role.SUPERVISOR}
        own = dict.fromkeys(post.unit_id for post in actor.posts if post.role in (Role.HEAD, Role.OFFICER))
        return cls(trees=tuple(sorted(trees)), units=tuple(own))

    def sees(self, unit: int, path: str) -> bool:
        """Whether a unit lies in the view."""
        return self.everything or unit in self.units or path.startswith(self.trees)


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a question is limited to: units with what is below them, duties. Empty is no limit."""

    paths: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()


NOTHING = Narrow()


def within(view: View, narrow: Narrow, unit: str = "o.unit_id") -> tuple[str, dict[str, Any]]:
    """A condition on the unit `u` and the term `t` of a statement, and what it binds; `unit` is the unit's id there."""
    values: dict[str, Any] = {}
    seen = _under("tree", view.trees, values)
    if view.units:
        seen.append(f"{unit} IN :units")
        values["units"] = view.units
    clauses = [] if view.everything else [f"({' OR '.join(seen)})" if seen else "1 = 0"]
    if narrow.paths:
        clauses.append(f"({' OR '.join(_under('path', narrow.paths, values))})")
    if narrow.duties:
        clauses.append("t.duty IN :duties")
        values["duties"] = narrow.duties
    if view.hidden:
        clauses.append("t.duty NOT IN :hidden")
        values["hidden"] = view.hidden
    return " AND ".join(["1 = 1", *clauses]), values


def _under(name: str, paths: Sequence[str], values: dict[str, Any]) -> list[str]:
    values |= {f"{name}{number}": f"{path}%" for number, path in enumerate(paths)}
    return [f"u.path LIKE :{name}{number}" for number in range(len(paths))]


async def late(view: View, today: date, limit: int, narrow: Narrow = NOTHING) -> Rows:
    """The oldest overdue obligations, those of one duty and term together."""
    where, values = within(view, narrow)
    rows = await fetch(
        f"{_COLUMNS} {_FROM} WHERE {_LATE} AND {where} ORDER BY t.due, t.duty, t.label, t.jurisdiction, u.path, o.id"
        " LIMIT :limit",
        today=today, limit=limit, **values,
    )  # fmt: skip
    return [_row(row) for row in rows]


async def late_counted(view: View, today: date, narrow: Narrow = NOTHING) -> tuple[int, int]:
    """How many are overdue, of how many units."""
    where, values = within(view, narrow)
    (row,) = await fetch(
        f"SELECT COUNT(*) AS found, COUNT(DISTINCT o.unit_id) AS units {_FROM} WHERE {_LATE} AND {where}",
        today=today, **values,
    )  # fmt: skip
    return int(row["found"]), int(row["units"])


async def latest_units(view: View, today: date, limit: int, narrow: Narrow = NOTHING) -> Rows:
    """The units with most overdue: unit, found."""
    where, values = within(view, narrow)
    return await fetch(
        f"SELECT u.name AS unit, COUNT(*) AS found {_FROM} WHERE {_LATE} AND {where}"
        " GROUP BY u.id, u.name, u.path ORDER BY COUNT(*) DESC, u.path LIMIT :limit",
        today=today, limit=limit, **values,
    )  # fmt: skip


async def waiting(view: View, limit: int) -> Rows:
    """What was reported and waits to be verified, most urgent first."""
    where, values = within(view, NOTHING)
    rows = await fetch(
        f"{_COLUMNS} {_FROM} WHERE {_WAITING} AND {where} ORDER BY t.due, u.path, t.duty, o.id LIMIT :limit",
        limit=limit, **values,
    )  # fmt: skip
    return [_row(row) for row in rows]


async def waiting_counted(view: View, narrow: Narrow = NOTHING) -> int:
    """How many wait to be verified."""
    where, values = within(view, narrow)
    (row,) = await fetch(f"SELECT COUNT(*) AS found {_FROM} WHERE {_WAITING} AND {where}", **values)
    return int(row["found"])


async def jurisdiction_of(term: int) -> str:
    """The jurisdiction whose provisions a term rests on."""
    (row,) = await fetch("SELECT jurisdiction FROM term WHERE id = :id", id=term)
    return str(row["jurisdiction"])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    done_on = as_date(row["done_on"]) if row["done_on"] else None
    return {
        **row, "due": as_date(row["due"]), "stop": stop(row), "done_on": done_on, "backdated": bool(row["backdated"]),
    }  # fmt: skip
