"""What co-responsible units have not answered, within a view: a small figure of its own, never part of the totals."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

from bot.store.oversight import NAMED, NOTHING, RUNS, Narrow, View, within
from duties.store.database import Rows, as_date, as_instant, fetch
from duties.store.reading import stop

Kind = Literal["open", "overdue", "unacknowledged"]

# It begins at the shares, which are few: CROSS JOIN keeps SQLite to this order.
_FROM = """
    FROM share s CROSS JOIN obligation o CROSS JOIN term t CROSS JOIN unit u CROSS JOIN unit l
    WHERE o.id = s.obligation_id AND t.id = o.term_id AND u.id = s.unit_id AND l.id = o.unit_id
      AND s.state IN ('pending', 'acknowledged') AND o.state IN ('pending', 'acknowledged', 'returned')
      AND t.opens <= :today
"""
_TOLD = """
    s.state = 'pending' AND (s.added <> 'plan' OR EXISTS (
      SELECT 1 FROM reminder m JOIN notice_item i ON i.reminder_id = m.id JOIN notice n ON n.id = i.notice_id
      WHERE m.obligation_id = o.id AND n.state = 'sent' AND n.finished_at >= s.since
        AND m.audience IN ('head/' || CAST(s.id AS VARCHAR(16)), 'officer/' || CAST(s.id AS VARCHAR(16)))))
"""
"""Whom a person named was told at once; whom the law names, when a reminder reached somebody."""
_KINDS: dict[Kind, str] = {"open": "1 = 1", "overdue": f"t.due < :today AND {RUNS}", "unacknowledged": _TOLD}


async def counted(view: View, kind: Kind, today: date, narrow: Narrow = NOTHING) -> int:
    """How many partners' shares are open, late, or told and not acknowledged."""
    seen, values = within(view, narrow, "s.unit_id")
    (row,) = await fetch(
        f"SELECT COUNT(*) AS found {_FROM} AND {_KINDS[kind]} AND {seen}", today=today, **values
    )  # fmt: skip
    return int(row["found"])


async def listed(view: View, kind: Kind, today: date, limit: int, narrow: Narrow = NOTHING) -> Rows:
    """The same one by one, the oldest due day first: id, duty, term, due, unit, lead, state, since.

    `id` is the obligation's, `unit` the partner, `lead` whose obligation it is, `state` the share's.
    """
    seen, values = within(view, narrow, "s.unit_id")
    rows = await fetch(
        "SELECT o.id, t.duty, t.label AS term, t.jurisdiction, t.due, t.stands_from, t.stands_left, u.name AS unit,"
        f" l.name AS lead, s.state, s.since, {NAMED}"
        f" {_FROM} AND {_KINDS[kind]} AND {seen} ORDER BY t.due, u.path, s.id LIMIT :limit",
        today=today, limit=limit, **values,
    )  # fmt: skip
    return [_row(row) for row in rows]


async def missing(obligations: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """By obligation, the partners that have not answered."""
    if not obligations:
        return {}
    rows = await fetch(
        "SELECT s.obligation_id, u.name FROM share s JOIN unit u ON u.id = s.unit_id"
        " WHERE s.obligation_id IN :numbers AND s.state IN ('pending', 'acknowledged') ORDER BY s.id",
        numbers=list(obligations),
    )
    found: dict[int, tuple[str, ...]] = {}
    for row in rows:
        found[row["obligation_id"]] = (*found.get(row["obligation_id"], ()), row["name"])
    return found


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "due": as_date(row["due"]), "stop": stop(row), "since": as_instant(row["since"])}
