"""The set-based statements: units multiply here, in the database, and what exists already is not found missing."""

from collections.abc import Sequence
from datetime import date, datetime

from duties.ladder import Touch
from duties.model import OPEN_STATES, Audience, State
from duties.store.database import Rows, as_date, dialect, execute, fetch

OPEN = tuple(str(state) for state in OPEN_STATES)
SLICE = 50_000
"""Rows a statement may touch at the most, so that no transaction holds the file for long."""

_MEMBER = """
    (u.since IS NULL OR u.since <= t.due) AND (u.until IS NULL OR u.until >= t.due)
    AND '/' || u.jurisdiction || '/' LIKE '%/' || t.jurisdiction || '/%'
    AND (:everyone = 1 OR EXISTS (
        SELECT 1 FROM unit_tag g WHERE g.unit_id = u.id AND g.tag IN :tags
        AND (g.since IS NULL OR g.since <= t.due) AND (g.until IS NULL OR g.until >= t.due)))
"""
"""A unit owes a term when, as known today, it has the tag on the due day."""


_ELSEWHERE = """
    AND NOT EXISTS (
      SELECT 1 FROM term n JOIN obligation o ON o.term_id = n.id AND o.unit_id = u.id
      WHERE n.duty = t.duty AND n.label = t.label AND n.id <> t.id AND o.state <> 'cancelled')
"""
"""A unit that two scopes of one duty would bind owes it once."""


async def insert_obligations(
    term: int, tags: Sequence[str], target: int, now: datetime, today: date, *, siblings: bool
) -> int:
    """Give a term to every member that lacks it. A deadline already past is never given."""
    done = 0
    while True:
        rows = await execute(
            f"""
            INSERT INTO obligation (term_id, unit_id, state, target, tally, planned_at, backdated, evidence, reason)
            SELECT t.id, u.id, 'pending', CAST(:target AS INTEGER), 0, {_instant(":now")}, {_false()}, '[]', ''
            FROM term t JOIN unit u ON {_MEMBER}
            WHERE t.id = :term AND t.due >= :today
              AND NOT EXISTS (SELECT 1 FROM obligation o WHERE o.term_id = t.id AND o.unit_id = u.id)
              {_ELSEWHERE if siblings else ""}
            ORDER BY u.id LIMIT {SLICE}
            """,
            term=term, tags=_tags(tags), everyone=_everyone(tags), target=target, now=now, today=today,
        )  # fmt: skip
        done += rows
        if rows < SLICE:
            return done


async def lost_members(term: int, tags: Sequence[str]) -> Rows:
    """Open obligations of units that no longer owe the term."""
    return await fetch(
        f"""
        SELECT o.id, o.unit_id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE t.id = :term AND o.state IN :open AND NOT ({_MEMBER}) ORDER BY o.id
        """,
        term=term, tags=_tags(tags), everyone=_everyone(tags), open=OPEN,
    )  # fmt: skip


async def regained_members(term: int, tags: Sequence[str], today: date) -> Rows:
    """Obligations cancelled for want of membership, of units that owe the term again."""
    return await fetch(
        f"""
        SELECT o.id, o.unit_id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE t.id = :term AND o.state = 'cancelled' AND o.reason = 'membership' AND t.due >= :today AND {_MEMBER}
        ORDER BY o.id
        """,
        term=term, tags=_tags(tags), everyone=_everyone(tags), today=today,
    )  # fmt: skip


async def entered_during(term: int, first: date, last: date) -> Rows:
    """Units of a term that entered within it: unit id and the day from which it owes."""
    rows = await fetch(
        """
        SELECT o.id, u.since AS unit_since,
          (SELECT MIN(g.since) FROM unit_tag g WHERE g.unit_id = u.id AND g.since IS NOT NULL) AS tag_since,
          (SELECT COUNT(*) FROM unit_tag g WHERE g.unit_id = u.id AND g.since IS NULL) AS always
        FROM obligation o JOIN unit u ON u.id = o.unit_id
        WHERE o.term_id = :term AND (
          (u.since > :first AND u.since <= :last)
          OR EXISTS (SELECT 1 FROM unit_tag g WHERE g.unit_id = u.id AND g.since > :first AND g.since <= :last))
        """,
        term=term, first=first, last=last,
    )  # fmt: skip
    return [{"id": row["id"], "entered": _entered(row, first)} for row in rows]


def _entered(row: dict[str, object], first: date) -> date:
    days = [as_date(row["unit_since"])] if row["unit_since"] else []
    if row["tag_since"] and not row["always"]:
        days.append(as_date(row["tag_since"]))
    return max([*days, first])


async def raise_again(term: int) -> None:
    """Let the next wave look at every touch of a term again: one of its obligations is open anew."""
    await execute("UPDATE term SET raised_through = NULL WHERE id = :term", term=term)


async def set_target(obligation: int, target: int) -> None:
    """A pro rata target for a unit that entered mid-year."""
    await execute(
        "UPDATE obligation SET target = :target WHERE id = :id AND target <> :target", target=target, id=obligation
    )


async def members(term: int) -> tuple[int, str]:
    """How many units hold a term, and their ids in order as one text (hashed by the caller)."""
    joined = "group_concat(unit_id, ',')" if dialect() == "sqlite" else "string_agg(CAST(unit_id AS TEXT), ',')"
    rows = await fetch(
        f"SELECT COUNT(*) AS units, {joined} AS ids FROM"
        " (SELECT unit_id FROM obligation WHERE term_id = :term ORDER BY unit_id) AS held",
        term=term,
    )
    return int(rows[0]["units"]), str(rows[0]["ids"] or "")


async def insert_reminders(
    term: int,
    touch: Touch,
    audience: Audience,
    *,
    superseded: bool,
    late_before: datetime | None,
    now: datetime,
    minute: int | None,
) -> int:
    """Raise one rung for one audience on every open obligation of a term that lacks it.

    `late_before`: obligations planned before this instant get the mark late. `minute`: only units whose office has
    opened by that minute of today; None for a day that is over.
    """
    states = states_told(touch, audience)
    if not states:
        return 0
    return await execute(
        f"""
        INSERT INTO reminder
          (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
        SELECT o.id, t.due, {_text(":rung")}, {_text(":audience")}, {_text(":tone")}, CAST(:severity AS INTEGER),
          {"o.planned_at < " + _instant(":late_before") if late_before else _false()},
          {_flag(superseded)}, {_instant(":now")}, {_flag(superseded)}
        FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE o.term_id = :term AND o.state IN :states
          {"AND u.office_opens <= :minute" if minute is not None else ""}
          {"AND o.tally < o.target - :behind" if touch.behind is not None else ""}
          AND NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = o.id AND m.due = t.due
            AND m.rung = {_text(":rung")} AND m.audience = {_text(":audience")})
        """,
        term=term, rung=touch.rung, audience=str(audience), tone=touch.tone, severity=touch.severity, now=now,
        states=states, late_before=late_before, minute=minute, behind=touch.behind,
    )  # fmt: skip


def states_told(touch: Touch, audience: Audience) -> tuple[str, ...]:
    """The states in which a rung speaks to an audience: thinner after 签收, silent after 报结."""
    states: list[State] = []
    if audience in touch.audience:
        states += [State.PENDING, State.RETURNED]
    if audience in touch.acknowledged:
        states.append(State.ACKNOWLEDGED)
    return tuple(str(state) for state in states)


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
