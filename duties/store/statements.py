"""The set-based statements: units multiply here, in the database, and what exists already is not found missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from duties.ladder import Touch
from duties.model import OPEN_STATES, Audience, State
from duties.store.database import Rows, as_date, dialect, execute, fetch, literal

OPEN = literal(OPEN_STATES)
SLICE = 50_000
"""Rows a statement may touch at the most, so that no transaction holds the file for long."""

_VALID = "(g.since IS NULL OR g.since <= t.due) AND (g.until IS NULL OR g.until >= t.due)"

_MEMBER = f"""
    (u.since IS NULL OR u.since <= t.due) AND (u.until IS NULL OR u.until >= t.due)
    AND '/' || u.jurisdiction || '/' LIKE '%/' || t.jurisdiction || '/%'
    AND (:everyone = 1 OR EXISTS (
        SELECT 1 FROM unit_tag g WHERE g.unit_id = u.id AND g.tag IN :tags AND {_VALID}))
"""
"""A unit owes a term when, as known today, it has the tag on the due day."""

LEVEL_MEMBER = f"({_MEMBER} AND u.jurisdiction = l.jurisdiction AND u.id <> l.id)"
"""A unit `u` answers for a term beside its leader `l`: it owes by its tags, and is of the same level."""

_ELSEWHERE = """
    AND NOT EXISTS (
      SELECT 1 FROM term n JOIN obligation o ON o.term_id = n.id AND o.unit_id = u.id
      WHERE n.duty = t.duty AND n.label = t.label AND n.id <> t.id AND o.state <> 'cancelled')
"""
"""A unit that two scopes of one duty would bind owes it once."""


async def has_members(term: int, tags: Sequence[str]) -> bool:
    """Whether any unit owes a term by these tags."""
    rows = await fetch(
        f"SELECT 1 AS found FROM term t JOIN unit u ON {_MEMBER} WHERE t.id = :term LIMIT 1",
        term=term, tags=_tags(tags), everyone=_everyone(tags),
    )  # fmt: skip
    return bool(rows)


async def insert_obligations(
    term: int, tags: Sequence[str], target: int, now: datetime, today: date, *, siblings: bool
) -> int:
    """Give a term to the next slice of members that lack it. A deadline already past is never given."""
    return await execute(
        f"""
        INSERT INTO obligation (term_id, unit_id, state, target, tally, planned_at, backdated, evidence, reason)
        SELECT t.id, u.id, 'pending', CAST(:target AS INTEGER), 0, {_instant(":now")}, {_false()}, '[]', ''
        FROM term t JOIN unit u ON {_MEMBER}
        WHERE t.id = :term AND t.due >= :today
          AND NOT EXISTS (SELECT 1 FROM obligation o WHERE o.term_id = t.id AND o.unit_id = u.id)
          {_ELSEWHERE if siblings else ""}
        ORDER BY u.id LIMIT {SLICE} ON CONFLICT DO NOTHING
        """,
        term=term, tags=_tags(tags), everyone=_everyone(tags), target=target, now=now, today=today,
    )  # fmt: skip


async def lost_members(term: int, tags: Sequence[str]) -> Rows:
    """Open obligations of units that no longer owe the term."""
    return await fetch(
        f"""
        SELECT o.id, o.unit_id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE t.id = :term AND o.state IN {OPEN} AND NOT ({_MEMBER}) ORDER BY o.id
        """,
        term=term, tags=_tags(tags), everyone=_everyone(tags),
    )  # fmt: skip


async def regained_members(term: int, tags: Sequence[str], today: date) -> Rows:
    """Obligations cancelled for want of membership, of units that owe the term again, and owe it nowhere else."""
    return await fetch(
        f"""
        SELECT o.id, o.unit_id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE t.id = :term AND o.state = 'cancelled' AND o.reason = 'membership' AND t.due >= :today AND {_MEMBER}
          AND NOT EXISTS (
            SELECT 1 FROM term n JOIN obligation h ON h.term_id = n.id AND h.unit_id = u.id
            WHERE n.duty = t.duty AND n.label = t.label AND n.id <> t.id AND h.state <> 'cancelled')
        ORDER BY o.id
        """,
        term=term, tags=_tags(tags), everyone=_everyone(tags), today=today,
    )  # fmt: skip


async def entries_within(term: int, tags: Sequence[str], full: int) -> Rows:
    """Open obligations that may owe a share only, or did: id, target, and the day from which the unit owes.

    That day is None for a unit that always had one of the tags. Other tags say nothing about this duty.
    """
    held = f"FROM unit_tag g WHERE g.unit_id = u.id AND g.tag IN :tags AND {_VALID}"
    rows = await fetch(
        f"""
        SELECT o.id, o.target, u.since AS unit_since, (SELECT MIN(g.since) {held}) AS tag_since,
          :everyone + (SELECT COUNT(*) {held} AND g.since IS NULL) AS always
        FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE t.id = :term AND o.state IN {OPEN}
          AND (o.target <> :full OR u.since > t.opens OR EXISTS (SELECT 1 {held} AND g.since > t.opens))
        """,
        term=term, tags=_tags(tags), everyone=_everyone(tags), full=full,
    )  # fmt: skip
    return [{"id": row["id"], "target": row["target"], "entered": _entered(row)} for row in rows]


def _entered(row: dict[str, object]) -> date | None:
    tag_since = None if row["always"] else row["tag_since"]
    days = [as_date(day) for day in (row["unit_since"], tag_since) if day]
    return max(days, default=None)


async def stir(term: int) -> None:
    """Let the next wave look at every touch of a term again: one of its obligations is open anew."""
    await execute("UPDATE term SET raised_through = NULL, stirred = stirred + 1 WHERE id = :term", term=term)


async def set_target(obligation: int, target: int) -> None:
    """A pro rata target for a unit that entered mid-year."""
    await execute(
        "UPDATE obligation SET target = :target WHERE id = :id AND target <> :target", target=target, id=obligation
    )


_PLANNED = "o.id = s.obligation_id AND o.term_id = :term AND s.added = 'plan'"
"""A share `s` that planning added to an obligation `o` of the term. Most terms have none: begun at the shares, whoever
asks whether there is one is told by a look into a small set."""


async def members(term: int) -> tuple[int, str]:
    """How many units hold a term, and their ids, targets and partners in order as one text (hashed by the caller)."""
    share = "CAST(unit_id AS TEXT) || ':' || CAST(target AS TEXT)"
    joined = f"group_concat({share}, ',')" if dialect() == "sqlite" else f"string_agg({share}, ',' ORDER BY unit_id)"
    rows = await fetch(
        f"SELECT COUNT(*) AS units, {joined} AS ids, EXISTS (SELECT 1 FROM share s CROSS JOIN obligation o"
        f" WHERE {_PLANNED}) AS shared FROM"
        " (SELECT unit_id, target FROM obligation WHERE term_id = :term ORDER BY unit_id) AS held",
        term=term,
    )
    partners = await _partners(term) if rows[0]["shared"] else ""
    return int(rows[0]["units"]), str(rows[0]["ids"] or "") + partners


async def _partners(term: int) -> str:
    """Which units planning made partners of which, as one text."""
    rows = await fetch(
        "SELECT o.unit_id AS lead, s.unit_id AS partner FROM obligation o CROSS JOIN share s"
        f" WHERE {_PLANNED} ORDER BY o.unit_id, s.unit_id",
        term=term,
    )
    return "".join(f";{row['lead']}+{row['partner']}" for row in rows)


@dataclass(frozen=True, slots=True)
class Raising:
    """When a rung is raised, for whom: the states it speaks to, the offices that have opened by a minute of today.

    `late_before`: obligations open since before this instant get the mark late.
    """

    now: datetime
    minute: int
    states: tuple[State, ...]
    superseded: bool = False
    late_before: datetime | None = None


async def insert_reminders(term: int, touch: Touch, audience: Audience, when: Raising) -> int:
    """Raise one rung for one audience on every open obligation of a term that lacks it."""
    done = 0
    while True:
        rows = await execute(
            f"""
            INSERT INTO reminder
              (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
            SELECT o.id, t.due, {_text(":rung")}, {_text(":audience")}, {_text(":tone")}, CAST(:severity AS INTEGER),
              {"o.planned_at < " + _instant(":late_before") if when.late_before else _false()},
              {_flag(when.superseded)}, {_instant(":now")}, {_flag(when.superseded)}
            FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
            WHERE o.term_id = :term AND o.state IN :states AND u.office_opens <= :minute
              {"AND o.tally < o.target - :behind" if touch.behind is not None else ""}
              AND NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = o.id AND m.due = t.due
                AND m.rung = {_text(":rung")} AND m.audience = {_text(":audience")})
            ORDER BY o.id LIMIT {SLICE} ON CONFLICT DO NOTHING
            """,
            term=term, rung=touch.rung, audience=str(audience), tone=touch.tone, severity=touch.severity,
            now=when.now, states=[str(state) for state in when.states], late_before=when.late_before,
            minute=when.minute, behind=touch.behind,
        )  # fmt: skip
        done += rows
        if rows < SLICE:
            return done


async def insert_returned(today: date, now: datetime, minute: int) -> int:
    """Tell head and officer of what was sent back to them since: once for each time. The ledger counts the times."""
    return await execute(
        f"""
        INSERT INTO reminder
          (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
        SELECT r.id, r.due, r.rung, a.audience, CASE WHEN r.due < :today THEN 'overdue' ELSE 'urge' END,
          0, {_false()}, {_false()}, {_instant(":now")}, {_false()}
        FROM (
          SELECT o.id, t.due, 'R' || CAST((
            SELECT COUNT(*) FROM stream s JOIN entry e ON e.stream_id = s.id
            WHERE s.kind = 'obligation' AND s.ref = o.id AND e.action = 'return') AS TEXT) AS rung
          FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
          WHERE o.state = 'returned' AND u.office_opens <= :minute) AS r
        CROSS JOIN (SELECT 'officer' AS audience UNION ALL SELECT 'head') AS a
        WHERE NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = r.id AND m.due = r.due
          AND m.rung = r.rung AND m.audience = a.audience)
        ORDER BY r.id LIMIT {SLICE} ON CONFLICT DO NOTHING
        """,
        today=today, now=now, minute=minute,
    )  # fmt: skip


WAIVED_RUNG = "'W' || SUBSTR(REPLACE(CAST(o.waived_until AS TEXT), '-', ''), 3)"
"""The rung on which people are told that a waiver has ended: one for each day it ended on."""


async def insert_reopened(now: datetime, minute: int) -> int:
    """Tell head and officer of what was waived and is owed again: once for each day a waiver ended on."""
    return await execute(
        f"""
        INSERT INTO reminder
          (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
        SELECT r.id, r.due, r.rung, a.audience, 'reopened', 0, {_false()}, {_false()}, {_instant(":now")}, {_false()}
        FROM (
          SELECT o.id, t.due, {WAIVED_RUNG} AS rung
          FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
          WHERE o.waived_until IS NOT NULL AND o.state IN {OPEN} AND u.office_opens <= :minute) AS r
        CROSS JOIN (SELECT 'officer' AS audience UNION ALL SELECT 'head') AS a
        WHERE NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = r.id AND m.due = r.due
          AND m.rung = r.rung AND m.audience = a.audience)
        ORDER BY r.id LIMIT {SLICE} ON CONFLICT DO NOTHING
        """,
        now=now, minute=minute,
    )  # fmt: skip


async def waivers_over(today: date) -> list[int]:
    """Obligations whose waiver's last day has passed, and whose case, if one started them, was not withdrawn."""
    rows = await fetch(
        """
        SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id
        WHERE o.waived_until IS NOT NULL AND o.waived_until < :today AND o.state = 'waived'
          AND NOT EXISTS (SELECT 1 FROM casefile c WHERE c.id = t.case_id AND c.state <> 'open') ORDER BY o.id
        """,
        today=today,
    )
    return [int(row["id"]) for row in rows]


async def office_minutes() -> list[int]:
    """The distinct minutes of the day at which offices open: the instants of a day's waves."""
    rows = await fetch("SELECT DISTINCT office_opens FROM unit ORDER BY office_opens")
    return [int(row["office_opens"]) for row in rows]


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(tag) for tag in tags)


def _everyone(tags: Sequence[str]) -> int:
    return int("*" in tags)


def _instant(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS TIMESTAMPTZ)"


def _text(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS VARCHAR)"


def _flag(value: bool) -> str:
    if dialect() == "sqlite":
        return str(int(value))
    return "TRUE" if value else "FALSE"


def _false() -> str:
    return _flag(value=False)
