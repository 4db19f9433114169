"""Cases as rows, and the terms that are their clocks. Writes run inside the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from duties.clock import Deadline
from duties.model import OPEN_STATES, Case, Spell, State, Stop
from duties.registry import EventRule
from duties.store.database import Rows, as_date, dialect, execute, fetch, literal
from duties.store.reading import stop

OPEN = "open"
DAY = timedelta(days=1)
"""A clock begins on the day after its event; what it is for is owed from the event on."""
_CASE = """
    SELECT c.id, c.duty, c.unit_id, u.name AS unit, u.path, c.event_on, c.named_on, c.document, c.subject, c.pauses,
      c.parent_id, c.state, c.version FROM casefile c JOIN unit u ON u.id = c.unit_id
"""


@dataclass(frozen=True, slots=True)
class Clock:
    """One duty's deadline in a case: the term's row and the obligation on it.

    `known_due` is the last day that was not made up: the one before, where the clock stands.
    """

    term_id: int
    duty: str
    obligation_id: int
    state: State
    due: date
    jurisdiction: str
    advise_by: date
    not_before: date | None
    known_due: date
    stop: Stop | None = None


def label(case: int) -> str:
    """What a case's terms are called."""
    return f"C{case}"


async def add(case: Case, now: datetime) -> int:
    """A new case's row. Its own id is not looked at."""
    (row,) = await fetch(
        "INSERT INTO casefile (duty, unit_id, event_on, named_on, document, subject, pauses, parent_id, state, version,"
        " opened_at) VALUES (:duty, :unit, :event_on, :named_on, :document, :subject, :pauses, :parent, 'open', 1,"
        " :now) RETURNING id",
        duty=case.duty, unit=case.unit_id, event_on=case.event_on, named_on=case.named_on, document=case.document,
        subject=case.subject, pauses=_spelled(case.pauses), parent=case.parent_id, now=now,
    )  # fmt: skip
    return int(row["id"])


async def found(number: int) -> Case | None:
    """A case by its number."""
    rows = await fetch(f"{_CASE} WHERE c.id = :id", id=number)
    return _case(rows[0]) if rows else None


async def of_unit(unit: int, duty: str, event_on: date) -> list[Case]:
    """The open cases of a unit on one event and day, the oldest first."""
    rows = await fetch(
        f"{_CASE} WHERE c.unit_id = :unit AND c.duty = :duty AND c.event_on = :on AND c.state = 'open' ORDER BY c.id",
        unit=unit, duty=duty, on=event_on,
    )  # fmt: skip
    return [_case(row) for row in rows]


async def followers(parent: int) -> list[Case]:
    """The open cases that follow from another."""
    rows = await fetch(f"{_CASE} WHERE c.parent_id = :parent AND c.state = 'open' ORDER BY c.id", parent=parent)
    return [_case(row) for row in rows]


async def running() -> list[int]:
    """The cases with something left to do, oldest first."""
    rows = await fetch(
        "SELECT c.id FROM casefile c WHERE c.state = 'open' AND EXISTS (SELECT 1 FROM term t JOIN obligation o"
        " ON o.term_id = t.id WHERE t.case_id = c.id AND o.state NOT IN ('closed', 'cancelled')) ORDER BY c.id"
    )
    return [int(row["id"]) for row in rows]


async def under(
    trees: Sequence[str], units: Sequence[int], limit: int, *, everything: bool = False, hidden: Sequence[str] = ()
) -> list[Case]:
    """The cases with something left to do of units in these subtrees, or of these units, newest first.

    Those whose event starts the clock of a `hidden` duty are left out.
    """
    values: dict[str, Any] = {f"tree{number}": f"{path}%" for number, path in enumerate(trees)}
    seen = [f"u.path LIKE :{name}" for name in values]
    if units:
        seen.append("u.id IN :units")
        values["units"] = list(units)
    where = "1 = 1" if everything else " OR ".join(seen) or "1 = 0"
    if hidden:
        where = f"({where}) AND c.duty NOT IN :hidden"
        values["hidden"] = list(hidden)
    rows = await fetch(
        f"{_CASE} WHERE c.state = 'open' AND ({where}) AND EXISTS (SELECT 1 FROM term t"
        " JOIN obligation o ON o.term_id = t.id WHERE t.case_id = c.id"
        f" AND o.state IN {literal((*OPEN_STATES, State.REPORTED))}) ORDER BY c.id DESC LIMIT :limit",
        limit=limit, **values,
    )  # fmt: skip
    return [_case(row) for row in rows]


async def change(case: Case, *, news: bool = True) -> bool:
    """Write a case's dates, if nobody changed it meanwhile: `version` is the one that was read.

    The unit is told of each version; without `news` it stays the one it is.
    """
    return await execute(
        "UPDATE casefile SET event_on = :event_on, named_on = :named_on, document = :document, subject = :subject,"
        " pauses = :pauses, state = :state, version = version + :news WHERE id = :id AND version = :version",
        id=case.id, event_on=case.event_on, named_on=case.named_on, document=case.document, subject=case.subject,
        pauses=_spelled(case.pauses), state=case.state, version=case.version, news=int(news),
    ) == 1  # fmt: skip


async def clocks(case: int) -> list[Clock]:
    """A case's clocks, the nearest deadline first, those that stand last."""
    rows = await fetch(
        "SELECT t.id, t.duty, t.due, t.was_due, t.advise_by, t.not_before, t.stands_from, t.stands_left,"
        " t.jurisdiction, o.id AS obligation, o.state FROM term t JOIN obligation o ON o.term_id = t.id"
        " WHERE t.case_id = :case ORDER BY CASE WHEN t.stands_from IS NULL THEN 0 ELSE 1 END, t.due, t.id",
        case=case,
    )
    return [
        Clock(
            r["id"],
            r["duty"],
            r["obligation"],
            State(r["state"]),
            as_date(r["due"]),
            r["jurisdiction"],
            as_date(r["advise_by"]),
            as_date(r["not_before"]) if r["not_before"] else None,
            as_date(r["was_due"] if r["stands_from"] else r["due"]),
            stop(r),
        )
        for r in rows
    ]


async def of_obligation(obligation: int) -> Case | None:
    """The case that an obligation belongs to; None for one that no event started."""
    rows = await fetch(
        f"{_CASE} JOIN term t ON t.case_id = c.id JOIN obligation o ON o.term_id = t.id WHERE o.id = :id",
        id=obligation,
    )
    return _case(rows[0]) if rows else None


async def add_clock(case: int, unit: int, duty: str, rule: EventRule, at: Deadline, now: datetime) -> Clock:
    """A duty's term in a case, and the unit's obligation on it."""
    (term,) = await fetch(
        "INSERT INTO term (duty, label, jurisdiction, covers_from, covers_to, opens, due, basis, force, stirred,"
        " units_digest, planned_for, case_id, advise_by, not_before) VALUES (:duty, :label, :jurisdiction, :starts,"
        " :due, :starts, :due, :basis, :force, 0, '', '', :case, :advise_by, :not_before) RETURNING id",
        duty=duty, label=label(case), jurisdiction=rule.jurisdiction, starts=at.starts - DAY, due=at.due,
        basis=str(rule.basis), force=str(rule.force), case=case, advise_by=at.advise_by, not_before=at.not_before,
    )  # fmt: skip
    (owed,) = await fetch(
        "INSERT INTO obligation (term_id, unit_id, state, target, tally, planned_at, backdated, evidence, reason)"
        f" VALUES (:term, :unit, 'pending', 1, 0, :now, {_false()}, '[]', '') RETURNING id",
        term=term["id"], unit=unit, now=now,
    )  # fmt: skip
    return Clock(
        term["id"], duty, owed["id"], State.PENDING, at.due, rule.jurisdiction, at.advise_by, at.not_before, at.due
    )  # fmt: skip


async def reset_clock(term: int, at: Deadline) -> None:
    """Another deadline for a term: its touches are looked at again. A made-up day is none that it was due on."""
    await execute(
        "UPDATE term SET was_due = CASE WHEN stands_from IS NULL THEN due ELSE was_due END,"
        " covers_from = :starts, covers_to = :due, opens = :starts, due = :due, advise_by = :advise_by,"
        " not_before = :not_before, stands_from = :since, stands_left = :left, raised_through = NULL,"
        " stirred = stirred + 1 WHERE id = :term",
        term=term, starts=at.starts - DAY, due=at.due, advise_by=at.advise_by, not_before=at.not_before,
        since=at.stop.since if at.stop else None, left=at.stop.left if at.stop else None,
    )  # fmt: skip


async def not_before(obligation: int) -> date | None:
    """The day before which an obligation is reported earlier than the text foresees; none while its clock stands."""
    rows = await fetch(
        "SELECT t.not_before FROM obligation o JOIN term t ON t.id = o.term_id"
        " WHERE o.id = :id AND t.stands_from IS NULL",
        id=obligation,
    )
    return as_date(rows[0]["not_before"]) if rows and rows[0]["not_before"] else None


async def lapsed(duties: Sequence[str], today: date) -> list[int]:
    """Open obligations of these duties whose last day has passed."""
    rows = await fetch(
        "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.duty IN :duties AND t.due < :today"
        f" AND o.state IN {literal(OPEN_STATES)} ORDER BY o.id LIMIT 1000",
        duties=list(duties), today=today,
    )  # fmt: skip
    return [int(row["id"]) for row in rows]


async def raise_news(now: datetime, minute: int) -> int:
    """Tell head and officer of a case that was opened, or whose dates have moved: once for each version."""
    return await execute(
        f"""
        INSERT INTO reminder
          (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
        SELECT r.id, r.due, r.rung, a.audience, r.tone, 0, {_false()}, {_false()}, {_instant(":now")}, {_false()}
        FROM (
          SELECT o.id, t.due, 'C' || CAST(c.version AS TEXT) AS rung,
            CASE WHEN c.version = 1 THEN 'opened' ELSE 'moved' END AS tone
          FROM casefile c JOIN term t ON t.case_id = c.id JOIN obligation o ON o.term_id = t.id
          JOIN unit u ON u.id = o.unit_id
          WHERE c.state = 'open' AND o.state IN {literal(OPEN_STATES)} AND u.office_opens <= :minute) AS r
        CROSS JOIN (SELECT 'officer' AS audience UNION ALL SELECT 'head') AS a
        WHERE NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = r.id AND m.rung = r.rung
          AND m.audience = a.audience)
        ON CONFLICT DO NOTHING
        """,
        now=now, minute=minute,
    )  # fmt: skip


async def lines() -> Rows:
    """What the ledger says of cases, oldest first: ref, action, payload."""
    return await fetch(
        "SELECT s.ref, e.action, e.payload FROM entry e JOIN stream s ON s.id = e.stream_id WHERE s.kind = 'case'"
        " ORDER BY e.id"
    )


def _case(row: dict[str, Any]) -> Case:
    pauses = json.loads(row["pauses"]) if isinstance(row["pauses"], str) else row["pauses"]
    spells = tuple(
        Spell(date.fromisoformat(noticed), date.fromisoformat(received) if received else None)
        for noticed, received in pauses
    )
    return Case(
        row["id"], row["duty"], row["unit_id"], row["unit"], row["path"], as_date(row["event_on"]),
        as_date(row["named_on"]) if row["named_on"] else None, row["document"], row["subject"], spells,
        row["parent_id"], row["state"], row["version"],
    )  # fmt: skip


def _spelled(pauses: Sequence[Spell]) -> str:
    days = [[one.noticed.isoformat(), one.received.isoformat() if one.received else None] for one in pauses]
    return json.dumps(days)


def _instant(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS TIMESTAMPTZ)"


def _false() -> str:
    return "0" if dialect() == "sqlite" else "FALSE"
