"""What questions beyond 逾期 are answered from: counts and lists within a view, added up by the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bot.store.oversight import NAMED, RUNS, Narrow, View, within
from duties.reports import SOON_DAYS, Light, Standing, light
from duties.store.database import Rows, as_date, as_instant, fetch
from duties.store.reading import stop

# Terms are hundreds where obligations are millions: CROSS JOIN keeps SQLite to this order. What is open is spelled out
# as the partial indexes have it.
_JOINED = "FROM term t CROSS JOIN obligation o CROSS JOIN unit u WHERE o.term_id = t.id AND u.id = o.unit_id"
_BY_UNIT = "FROM term t CROSS JOIN unit u CROSS JOIN obligation o WHERE o.term_id = t.id AND u.id = o.unit_id"
_OPEN = "o.state IN ('pending', 'acknowledged', 'returned')"
_DONE = "o.state IN ('reported', 'closed')"
_OWED = "o.state NOT IN ('waived', 'cancelled')"
_COUNTED_NOW = "t.duty IN :counted AND t.opens <= :today AND t.due >= :today"
_LISTED = f"""
    SELECT o.id, t.duty, t.label AS term, t.jurisdiction, t.opens, t.due, t.stands_from, t.stands_left, u.id AS unit_id,
      u.name AS unit, o.state, o.done_on, o.backdated, o.tally, o.target, {NAMED}
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """Obligations counted: all of them, of how many units, and how many are where.

    `overdue` is part of `open`; `waiting`, `on_time` and `late` are parts of `done`.
    """

    found: int
    units: int
    open: int
    overdue: int
    done: int
    waiting: int
    on_time: int
    late: int


@dataclass(frozen=True, slots=True)
class Which:
    """Which obligations a sum or a list is about, beside the view: by due day, by opening day, only what is open.

    `only_pending` is what is open and not acknowledged. A clock that stands has no due day: where days are asked for it
    is left out, and `standing` asks for those alone.
    """

    due_from: date | None = None
    due_to: date | None = None
    opened_by: date | None = None
    opened_on: date | None = None
    only_open: bool = False
    only_pending: bool = False
    standing: bool = False


def _which(which: Which) -> tuple[str, dict[str, Any]]:
    clauses, values = [_OPEN if which.only_open or which.only_pending else _OWED], {}
    if which.only_pending:
        clauses.append("o.state = 'pending'")
    if which.standing:
        clauses.append("t.stands_from IS NOT NULL")
    elif which.due_from is not None or which.due_to is not None:
        clauses.append(RUNS)
    for clause, name, value in (
        ("t.due >= :due_from", "due_from", which.due_from),
        ("t.due <= :due_to", "due_to", which.due_to),
        ("t.opens <= :opened_by", "opened_by", which.opened_by),
        ("t.opens = :opened_on", "opened_on", which.opened_on),
    ):
        if value is not None:
            clauses.append(clause)
            values[name] = value
    return " AND ".join(clauses), values


def _sum(condition: str, name: str) -> str:
    return f"COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0) AS {name}"


_SUMS = ", ".join(
    [
        "COUNT(*) AS found",
        "COUNT(DISTINCT o.unit_id) AS units",
        _sum(_OPEN, "open"),
        _sum(f"{_OPEN} AND t.due < :today AND {RUNS}", "overdue"),
        _sum(_DONE, "done"),
        _sum("o.state = 'reported'", "waiting"),
        _sum(f"{_DONE} AND (o.done_on IS NULL OR o.done_on <= t.due)", "on_time"),
        _sum(f"{_DONE} AND o.done_on > t.due", "late"),
    ]
)


def _sums(row: Mapping[str, Any]) -> Sums:
    return Sums(*(int(row[name]) for name in Sums.__slots__))


async def summed(view: View, narrow: Narrow, which: Which, today: date) -> Sums:
    """Everything asked for, added up."""
    seen, values = within(view, narrow, "u.id")
    asked, more = _which(which)
    (row,) = await fetch(f"SELECT {_SUMS} {_BY_UNIT} AND {asked} AND {seen}", today=today, **values, **more)
    return _sums(row)


async def summed_by_unit(view: View, narrow: Narrow, which: Which, today: date) -> list[tuple[str, Sums]]:
    """Units with anything open, those with most overdue first, then with most open."""
    seen, values = within(view, narrow)
    asked, more = _which(which)
    rows = await fetch(
        f"SELECT u.name AS unit, {_SUMS} {_JOINED} AND {asked} AND {seen} GROUP BY u.id, u.name, u.path"
        f" HAVING SUM(CASE WHEN {_OPEN} THEN 1 ELSE 0 END) > 0 ORDER BY overdue DESC, open DESC, u.path",
        today=today, **values, **more,
    )  # fmt: skip
    return [(row["unit"], _sums(row)) for row in rows]


async def summed_by_duty(view: View, narrow: Narrow, which: Which, today: date) -> list[tuple[dict[str, Any], Sums]]:
    """Duties with their terms, the nearest due day first: duty, term, due."""
    seen, values = within(view, narrow)
    asked, more = _which(which)
    rows = await fetch(
        f"SELECT t.duty, t.label AS term, t.due, t.stands_from, t.stands_left, {_SUMS} {_JOINED} AND {asked} AND {seen}"
        " GROUP BY t.duty, t.label, t.due, t.stands_from, t.stands_left ORDER BY t.due, open DESC, t.duty, t.label",
        today=today, **values, **more,
    )  # fmt: skip
    return [({**row, "due": as_date(row["due"]), "stop": stop(row)}, _sums(row)) for row in rows]


async def listed(view: View, narrow: Narrow, which: Which, limit: int) -> Rows:
    """Obligations, the nearest due day first, those of one duty together."""
    seen, values = within(view, narrow)
    asked, more = _which(which)
    rows = await fetch(
        f"{_LISTED} {_JOINED} AND {asked} AND {seen} ORDER BY t.due, t.duty, t.label, u.path, o.id LIMIT :limit",
        limit=limit, **values, **more,
    )  # fmt: skip
    return [_row(row) for row in rows]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    done_on = as_date(row["done_on"]) if row["done_on"] else None
    days = {"opens": as_date(row["opens"]), "due": as_date(row["due"]), "done_on": done_on}
    return {**row, **days, "stop": stop(row), "backdated": bool(row["backdated"])}


_UNACKNOWLEDGED = """
    FROM (
      SELECT o.id, MIN(n.finished_at) AS told
      FROM term t CROSS JOIN obligation o CROSS JOIN unit u CROSS JOIN reminder m CROSS JOIN notice_item i
      CROSS JOIN notice n
      WHERE o.term_id = t.id AND u.id = o.unit_id AND m.obligation_id = o.id AND i.reminder_id = m.id
        AND n.id = i.notice_id AND o.state IN ('pending', 'acknowledged', 'returned') AND o.state = 'pending'
        AND m.audience IN ('head', 'officer') AND n.state = 'sent' AND n.finished_at >= o.planned_at AND {seen}
      GROUP BY o.id) AS w
    JOIN obligation o ON o.id = w.id JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
"""
"""Told to who answers for it since it was last made open, and not acknowledged; `told` is when it first was."""


async def unacknowledged_counted(view: View, narrow: Narrow) -> tuple[int, int]:
    """How many were told and are not acknowledged, of how many units."""
    seen, values = within(view, narrow)
    (row,) = await fetch(
        f"SELECT COUNT(*) AS found, COUNT(DISTINCT o.unit_id) AS units {_UNACKNOWLEDGED.format(seen=seen)}", **values
    )
    return int(row["found"]), int(row["units"])


async def unacknowledged(view: View, narrow: Narrow, limit: int) -> Rows:
    """What was told and is not acknowledged, longest first; `told` is the instant of the first message, in UTC."""
    seen, values = within(view, narrow)
    rows = await fetch(
        f"{_LISTED}, w.told {_UNACKNOWLEDGED.format(seen=seen)} ORDER BY w.told, t.due, u.path, o.id LIMIT :limit",
        limit=limit, **values,
    )  # fmt: skip
    return [{**_row(row), "told": as_instant(row["told"])} for row in rows]


async def tallies(view: View, narrow: Narrow, counted: Sequence[str], today: date) -> Rows:
    """This year's counted obligations by duty, target and tally: duty, term, opens, due, target, tally, open, found.

    A few hundred rows however many units there are.
    """
    seen, values = within(view, narrow)
    rows = await fetch(
        f"SELECT t.duty, t.label AS term, t.opens, t.due, o.target, o.tally, {_sum(_OPEN, 'open')}, COUNT(*) AS found"
        f" {_JOINED} AND {_OWED} AND {_COUNTED_NOW} AND {seen}"
        " GROUP BY t.duty, t.label, t.opens, t.due, o.target, o.tally ORDER BY t.duty, t.label, t.opens",
        counted=list(counted), today=today, **values,
    )  # fmt: skip
    return [{**row, "opens": as_date(row["opens"]), "due": as_date(row["due"])} for row in rows]


def _lacking(allowed: Mapping[str, int], values: dict[str, Any]) -> str:
    """The condition of being behind pace: by duty, lacking more than is allowed to be missing."""
    values |= {f"code{n}": code for n, code in enumerate(allowed)}
    values |= {f"allowed{n}": missing for n, missing in enumerate(allowed.values())}
    each = [f"(t.duty = :code{n} AND o.target - o.tally > CAST(:allowed{n} AS INTEGER))" for n in range(len(allowed))]
    return f"({_OPEN} AND t.opens <= :today AND t.due >= :today AND ({' OR '.join(each) or '1 = 0'}))"


async def behind(view: View, narrow: Narrow, allowed: Mapping[str, int], today: date, limit: int) -> Rows:
    """Counted obligations behind pace, those that lack most of their target first."""
    seen, values = within(view, narrow)
    lacking = _lacking(allowed, values)
    if not allowed:
        return []
    rows = await fetch(
        f"{_LISTED} {_JOINED} AND {lacking} AND {seen}"
        " ORDER BY o.tally * 1.0 / o.target, t.due, t.duty, u.path, o.id LIMIT :limit",
        today=today, limit=limit, **values,
    )  # fmt: skip
    return [_row(row) for row in rows]


async def counted_listed(view: View, narrow: Narrow, counted: Sequence[str], today: date, limit: int) -> Rows:
    """This year's counted obligations, by duty and unit."""
    seen, values = within(view, narrow)
    rows = await fetch(
        f"{_LISTED} {_JOINED} AND {_OWED} AND {_COUNTED_NOW} AND {seen}"
        " ORDER BY t.duty, t.label, u.path, o.id LIMIT :limit",
        counted=list(counted), today=today, limit=limit, **values,
    )  # fmt: skip
    return [_row(row) for row in rows]


async def current_terms(view: View, narrow: Narrow, today: date) -> dict[str, date]:
    """By duty, the opening day of the term that opened last."""
    seen, values = within(view, narrow)
    rows = await fetch(
        f"SELECT t.duty, MAX(t.opens) AS opens {_JOINED} AND {_OWED} AND t.opens <= :today AND {seen} GROUP BY t.duty",
        today=today, **values,
    )  # fmt: skip
    return {row["duty"]: as_date(row["opens"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Lit:
    """A unit's light, and why."""

    unit_id: int
    unit: str
    light: Light
    standing: Standing


async def lights(view: View, narrow: Narrow, allowed: Mapping[str, int], today: date) -> list[Lit]:
    """The units whose light is red or yellow, red first, those with most overdue first."""
    seen, values = within(view, narrow)
    lacking = _lacking(allowed, values)
    overdue, soon, back = (
        f"t.due < :today AND {RUNS}",
        f"t.due BETWEEN :today AND :soon AND {RUNS}",
        "o.state = 'returned'",
    )
    rows = await fetch(
        f"SELECT u.id AS unit_id, u.name AS unit, {_sum(overdue, 'overdue')}, {_sum(soon, 'soon')},"
        f" {_sum(lacking, 'behind')}, {_sum(back, 'returned')} {_JOINED} AND {_OPEN} AND t.opens <= :today AND {seen}"
        f" AND (t.due <= :soon AND {RUNS} OR {back} OR {lacking}) GROUP BY u.id, u.name, u.path ORDER BY u.path",
        today=today, soon=today + timedelta(days=SOON_DAYS), **values,
    )  # fmt: skip
    lit = [_lit(row, Standing(*(int(row[name]) for name in Standing.__slots__))) for row in rows]
    return sorted(lit, key=lambda one: (one.light != Light.RED, *(-n for n in _weight(one.standing))))


def _lit(row: dict[str, Any], standing: Standing) -> Lit:
    return Lit(row["unit_id"], row["unit"], light(standing), standing)


def _weight(standing: Standing) -> tuple[int, int, int, int]:
    return standing.overdue, standing.returned, standing.soon, standing.behind


_OWING = f"""
    SELECT u.id, u.name, u.path {_JOINED} AND t.opens <= :today AND t.due >= :since AND {_OWED} AND {{seen}}
    UNION
    SELECT u.id, u.name, u.path {_JOINED} AND t.opens <= :today AND {_OPEN} AND {{seen}}
"""
"""Units that owe something this year, or still owe something older."""


async def owing_units(view: View, narrow: Narrow, today: date) -> int:
    """How many units a light is shown for."""
    seen, values = within(view, narrow)
    (row,) = await fetch(
        f"SELECT COUNT(*) AS found FROM ({_OWING.format(seen=seen)}) AS w",
        today=today, since=date(today.year, 1, 1), **values,
    )  # fmt: skip
    return int(row["found"])


async def owing_listed(view: View, narrow: Narrow, today: date, limit: int) -> Rows:
    """The units a light is shown for, in the order of the tree: id, name."""
    seen, values = within(view, narrow)
    return await fetch(
        f"SELECT w.id, w.name FROM ({_OWING.format(seen=seen)}) AS w ORDER BY w.path, w.id LIMIT :limit",
        today=today, since=date(today.year, 1, 1), limit=limit, **values,
    )  # fmt: skip


async def units_at(paths: Sequence[str], units: Sequence[int]) -> Rows:
    """Units by their place in the tree or by their number: id, name, path, and how many lie `below`."""
    if not paths and not units:
        return []
    return await fetch(
        "SELECT u.id, u.name, u.path,"
        " (SELECT COUNT(*) FROM unit b WHERE b.path LIKE u.path || '%' AND b.id <> u.id) AS below"
        f" FROM unit u WHERE {'u.path IN :paths' if paths else 'u.id IN :units'} ORDER BY u.path",
        **({"paths": list(paths)} if paths else {"units": list(units)}),
    )


async def posts_of(unit: int, today: date) -> Rows:
    """Who holds which post in a unit today, and whether a message reaches them anywhere: role, name, reached."""
    rows = await fetch(
        "SELECT p.role, n.name, EXISTS (SELECT 1 FROM identity a WHERE a.person_id = n.id) AS reached"
        " FROM post p JOIN person n ON n.id = p.person_id WHERE p.unit_id = :unit"
        " AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today)"
        " ORDER BY CASE p.role WHEN 'head' THEN 0 WHEN 'officer' THEN 1 WHEN 'supervisor' THEN 2 ELSE 3 END, p.id",
        unit=unit, today=today,
    )  # fmt: skip
    return [{**row, "reached": bool(row["reached"])} for row in rows]


@dataclass(frozen=True, slots=True)
class MonthSums:
    """Settled obligations of some days: overdue at their end, done late in them, due in them and done on time.

    `assumed` are those that would be among them if it were certain that they bind.
    """

    units: int
    overdue: int
    late: int
    on_time: int
    assumed: int

    @property
    def found(self) -> int:
        """All of them."""
        return self.overdue + self.late + self.on_time


_BY_THEN = f"({_DONE} AND (o.done_on IS NULL OR o.done_on <= :last))"
_MONTH = f"""
    (SELECT o.id, t.duty, t.label AS term, t.due, t.force, u.id AS unit_id, u.name AS unit, u.path,
       CASE WHEN NOT {_BY_THEN} THEN 'overdue' WHEN o.done_on > t.due THEN 'late' ELSE 'on-time' END AS kind
     {_JOINED} AND {_OWED} AND t.due <= :last AND {RUNS} AND {{seen}}
       AND (NOT {_BY_THEN} OR o.done_on BETWEEN :first AND :last AND o.done_on > t.due
         OR t.due >= :first AND (o.done_on IS NULL OR o.done_on <= t.due))) AS w
"""


async def month_summed(view: View, first: date, last: date) -> MonthSums:
    """How the obligations of some days went, both inclusive, as it is known now."""
    seen, values = within(view, Narrow())
    settled = "w.force = 'settled'"
    kinds = (
        (f"{settled} AND w.kind = 'overdue'", "overdue"),
        (f"{settled} AND w.kind = 'late'", "late"),
        (f"{settled} AND w.kind = 'on-time'", "on_time"),
        ("w.force <> 'settled'", "assumed"),
    )
    (row,) = await fetch(
        f"SELECT COUNT(DISTINCT CASE WHEN {settled} THEN w.unit_id END) AS units,"
        f" {', '.join(_sum(*one) for one in kinds)}"
        f" FROM {_MONTH.format(seen=seen)}",
        first=first, last=last, **values,
    )  # fmt: skip
    return MonthSums(*(int(row[name]) for name in MonthSums.__slots__))


async def month_listed(view: View, first: date, last: date, limit: int) -> Rows:
    """The same one by one, overdue first, then late: unit, duty, term, due, kind."""
    seen, values = within(view, Narrow())
    rows = await fetch(
        f"SELECT w.unit, w.duty, w.term, w.due, w.kind FROM {_MONTH.format(seen=seen)} WHERE w.force = 'settled'"
        " ORDER BY CASE w.kind WHEN 'overdue' THEN 0 WHEN 'late' THEN 1 ELSE 2 END, w.path, w.due, w.id LIMIT :limit",
        first=first, last=last, limit=limit, **values,
    )  # fmt: skip
    return [{**row, "due": as_date(row["due"])} for row in rows]
