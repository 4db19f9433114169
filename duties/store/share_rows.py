"""What co-responsible units (配合单位) owe in another's obligation, as rows. Writes run in the caller's transaction.

A plain obligation has none: whoever asks finds nothing by an index.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from duties.ladder import Touch
from duties.model import OPEN_SHARES, OPEN_STATES, ShareState, State
from duties.store.database import Rows, as_date, as_instant, dialect, execute, fetch, literal
from duties.store.statements import LEVEL_MEMBER, WAIVED_RUNG, Raising

PLAN, LEAD, SUPERVISOR = "plan", "lead", "supervisor"
"""Who added a share: planning by a joint duty's tags, the lead unit's head, a supervisor."""
MEMBERSHIP, TAKEN_BACK = "membership", "taken-back"
"""Reasons of a release that are no person's words."""
UNTOUCHED: Mapping[str, Any] = {"state": "pending", "added": PLAN, "reason": "", "evidence": [], "done_on": None}
"""A part as planning makes it."""
OPEN = literal(OPEN_SHARES)
_OWED = literal(OPEN_STATES)
_SHARE = """
    SELECT s.id, s.obligation_id, s.unit_id, u.name AS unit, u.path, s.state, s.added, s.since, s.done_on, s.evidence,
      s.reason FROM share s JOIN unit u ON u.id = s.unit_id
"""


@dataclass(frozen=True, slots=True)
class Share:
    """One partner's part in an obligation. `since` is the instant since which it is open."""

    id: int
    obligation_id: int
    unit_id: int
    unit: str
    unit_path: str
    state: ShareState
    added: str
    since: datetime
    done_on: date | None
    evidence: tuple[dict[str, Any], ...]
    reason: str

    @property
    def returned(self) -> bool:
        """Whether it was sent back, to be answered anew, and that was not acknowledged yet."""
        return self.state == ShareState.PENDING and bool(self.reason)

    @property
    def standing(self) -> dict[str, Any]:
        """As the ledger keeps it, before and after an act."""
        return {
            "state": str(self.state), "added": self.added, "reason": self.reason, "evidence": list(self.evidence),
            "done_on": self.done_on.isoformat() if self.done_on else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A partner's part before and after an act; `before` is None where the act makes it."""

    unit_id: int
    unit: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]

    def told(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        before = dict(self.before) if self.before is not None else None
        return {"unit_id": self.unit_id, "unit": self.unit, "before": before, "after": dict(self.after)}


async def of(obligation: int) -> list[Share]:
    """Every partner's part in an obligation, in the order they came."""
    return [_share(row) for row in await fetch(f"{_SHARE} WHERE s.obligation_id = :id ORDER BY s.id", id=obligation)]


async def found(obligation: int, unit: int) -> Share | None:
    """A unit's part in an obligation."""
    rows = await fetch(f"{_SHARE} WHERE s.obligation_id = :id AND s.unit_id = :unit", id=obligation, unit=unit)
    return _share(rows[0]) if rows else None


async def unanswered(obligation: int) -> list[Share]:
    """The parts that are still open, the oldest first."""
    rows = await fetch(
        f"{_SHARE} WHERE s.obligation_id = :id AND s.state IN {OPEN} ORDER BY s.since, s.id", id=obligation
    )
    return [_share(row) for row in rows]


async def held_by(
    units: Sequence[int], today: date, *, hidden: Sequence[str] = (), limit: int = 500
) -> list[Share]:  # fmt: skip
    """What these units still have to answer, the nearest due day first; without the parts in `hidden` duties."""
    if not units:
        return []
    passed, values = (" AND t.duty NOT IN :hidden", {"hidden": tuple(hidden)}) if hidden else ("", {})
    rows = await fetch(
        f"{_SHARE} JOIN obligation o ON o.id = s.obligation_id JOIN term t ON t.id = o.term_id"
        f" WHERE s.unit_id IN :units AND s.state IN {OPEN} AND o.state IN {_OWED} AND t.opens <= :today"
        f"{passed} ORDER BY t.due, s.id LIMIT :limit",
        units=list(units), today=today, limit=limit, **values,
    )  # fmt: skip
    return [_share(row) for row in rows]


async def among(units: Sequence[int], obligations: Sequence[int]) -> list[Share]:
    """These units' parts in these obligations."""
    if not units or not obligations:
        return []
    rows = await fetch(
        f"{_SHARE} WHERE s.obligation_id IN :obligations AND s.unit_id IN :units ORDER BY s.obligation_id, s.id",
        obligations=list(obligations), units=list(units),
    )  # fmt: skip
    return [_share(row) for row in rows]


async def any_open(obligation: int) -> bool:
    """Whether a partner has still to answer."""
    return bool(
        await fetch(
            f"SELECT 1 AS found FROM share s WHERE s.obligation_id = :id AND s.state IN {OPEN} LIMIT 1", id=obligation
        )
    )


async def apply(obligation: int, change: Change, now: datetime) -> bool:
    """Write a change if the row is still what the decision was made on."""
    after = change.after
    values = {
        "state": after["state"], "added": after["added"], "reason": after["reason"],
        "done_on": date.fromisoformat(after["done_on"]) if after["done_on"] else None,
        "evidence": json.dumps(after["evidence"], ensure_ascii=False, sort_keys=True),
        "obligation": obligation, "unit": change.unit_id, "now": now,
    }  # fmt: skip
    if change.before is None:
        return await execute(
            "INSERT INTO share (obligation_id, unit_id, state, added, since, done_on, evidence, reason)"
            " VALUES (:obligation, :unit, :state, :added, :now, :done_on, :evidence, :reason) ON CONFLICT DO NOTHING",
            **values,
        ) == 1  # fmt: skip
    opened = after["state"] in OPEN_SHARES and change.before["state"] not in OPEN_SHARES
    return await execute(
        "UPDATE share SET state = :state, added = :added, reason = :reason, done_on = :done_on, evidence = :evidence"
        f"{', since = :now' if opened else ''}"
        " WHERE obligation_id = :obligation AND unit_id = :unit AND state = :was AND reason = :reason_was",
        was=change.before["state"], reason_was=change.before["reason"],
        **(values if opened else {name: value for name, value in values.items() if name != "now"}),
    ) == 1  # fmt: skip


async def insert_planned(term: int, tags: Sequence[str], now: datetime, today: date) -> int:
    """Give every open obligation of a joint term the partners it lacks: units of its level with one of these tags.

    The obligation's row is locked meanwhile: whoever reports it comes before or after, never in between.
    """
    return await execute(
        f"""
        INSERT INTO share (obligation_id, unit_id, state, added, since, evidence, reason)
        SELECT o.id, u.id, 'pending', '{PLAN}', {_instant(":now")}, '[]', ''
        FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit l ON l.id = o.unit_id JOIN unit u ON {LEVEL_MEMBER}
        WHERE o.term_id = :term AND o.state IN {_OWED} AND t.due >= :today
          AND NOT EXISTS (SELECT 1 FROM share s WHERE s.obligation_id = o.id AND s.unit_id = u.id)
        {"" if dialect() == "sqlite" else "FOR NO KEY UPDATE OF o"}
        ON CONFLICT DO NOTHING
        """,
        term=term, tags=[str(tag) for tag in tags], everyone=int("*" in tags), now=now, today=today,
    )  # fmt: skip


async def lost(term: int, tags: Sequence[str]) -> list[tuple[int, int]]:
    """Planned parts still open of units that are no partners any more: obligation, unit."""
    rows = await fetch(
        f"""
        SELECT s.obligation_id, s.unit_id FROM share s JOIN obligation o ON o.id = s.obligation_id
        JOIN term t ON t.id = o.term_id JOIN unit l ON l.id = o.unit_id JOIN unit u ON u.id = s.unit_id
        WHERE o.term_id = :term AND o.state IN {_OWED} AND s.added = '{PLAN}' AND s.state IN {OPEN}
          AND NOT ({LEVEL_MEMBER}) ORDER BY s.id
        """,
        term=term, tags=[str(tag) for tag in tags], everyone=int("*" in tags),
    )  # fmt: skip
    return [(row["obligation_id"], row["unit_id"]) for row in rows]


async def regained(term: int, tags: Sequence[str], today: date) -> list[tuple[int, int]]:
    """Parts released for want of membership, of units that are partners again: obligation, unit."""
    rows = await fetch(
        f"""
        SELECT s.obligation_id, s.unit_id FROM share s JOIN obligation o ON o.id = s.obligation_id
        JOIN term t ON t.id = o.term_id JOIN unit l ON l.id = o.unit_id JOIN unit u ON u.id = s.unit_id
        WHERE o.term_id = :term AND o.state IN {_OWED} AND t.due >= :today
          AND s.state = 'released' AND s.reason = '{MEMBERSHIP}' AND {LEVEL_MEMBER} ORDER BY s.id
        """,
        term=term, tags=[str(tag) for tag in tags], everyone=int("*" in tags), today=today,
    )  # fmt: skip
    return [(row["obligation_id"], row["unit_id"]) for row in rows]


async def terms_shared() -> frozenset[int]:
    """The terms in which a partner of something open has still to answer: the only ones a wave asks about partners."""
    rows = await fetch(
        "SELECT DISTINCT o.term_id FROM share s JOIN obligation o ON o.id = s.obligation_id"
        f" WHERE s.state IN {OPEN} AND o.state IN {_OWED}"
    )
    return frozenset(row["term_id"] for row in rows)


async def insert_reminders(term: int, touch: Touch, role: str, when: Raising) -> int:
    """Raise one rung for the head or the officers of every partner that has to answer and lacks it.

    The audience names the share, so that each partner is told on its own: what is unique stays unique.
    """
    states = [str(one) for one in _spoken_to(when.states)]
    audience = f"{_text(':role')} || '/' || CAST(s.id AS VARCHAR(16))"
    return await execute(
        f"""
        INSERT INTO reminder
          (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
        SELECT o.id, t.due, {_text(":rung")}, {audience}, {_text(":tone")}, CAST(:severity AS INTEGER),
          {"s.since < " + _instant(":late_before") if when.late_before else _flag(value=False)},
          {_flag(value=when.superseded)}, {_instant(":now")}, {_flag(value=when.superseded)}
        FROM obligation o JOIN share s ON s.obligation_id = o.id JOIN term t ON t.id = o.term_id
        JOIN unit u ON u.id = s.unit_id
        WHERE o.term_id = :term AND o.state IN {_OWED} AND s.state IN :states AND u.office_opens <= :minute
          AND NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = o.id AND m.due = t.due
            AND m.rung = {_text(":rung")} AND m.audience = {audience})
        ORDER BY s.id ON CONFLICT DO NOTHING
        """,
        term=term, rung=touch.rung, role=role, tone=touch.tone, severity=touch.severity, now=when.now, states=states,
        late_before=when.late_before, minute=when.minute,
    )  # fmt: skip


async def insert_reopened(now: datetime, minute: int) -> int:
    """Tell the partners that have to answer, as the lead is told, of what was waived and is owed again."""
    audience = "a.role || '/' || CAST(s.id AS VARCHAR(16))"
    return await execute(
        f"""
        INSERT INTO reminder
          (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
        SELECT o.id, t.due, {WAIVED_RUNG}, {audience}, 'reopened', 0, {_flag(value=False)}, {_flag(value=False)},
          {_instant(":now")}, {_flag(value=False)}
        FROM share s JOIN obligation o ON o.id = s.obligation_id JOIN term t ON t.id = o.term_id
        JOIN unit u ON u.id = s.unit_id CROSS JOIN (SELECT 'officer' AS role UNION ALL SELECT 'head') AS a
        WHERE o.waived_until IS NOT NULL AND o.state IN {_OWED} AND s.state IN {OPEN} AND s.since < o.planned_at
          AND u.office_opens <= :minute
          AND NOT EXISTS (SELECT 1 FROM reminder m WHERE m.obligation_id = o.id AND m.due = t.due
            AND m.rung = {WAIVED_RUNG} AND m.audience = {audience})
        ORDER BY s.id ON CONFLICT DO NOTHING
        """,
        now=now, minute=minute,
    )  # fmt: skip


def _spoken_to(states: Iterable[State]) -> tuple[ShareState, ...]:
    """A part that is not acknowledged hears what an obligation hears that is not; the same once it is."""
    both = ((State.PENDING, ShareState.PENDING), (State.ACKNOWLEDGED, ShareState.ACKNOWLEDGED))
    return tuple(share for state, share in both if state in states)


async def written() -> Rows:
    """Every part, for `verify`."""
    return await fetch(
        "SELECT s.id, s.obligation_id, s.unit_id, s.state, s.added, s.done_on, s.evidence, s.reason FROM share s"
        " ORDER BY s.id"
    )


async def lines() -> Rows:
    """What the ledger says of obligations that have or had partners, in order: ref, payload."""
    return await fetch(
        "SELECT s.ref, e.payload FROM entry e JOIN stream s ON s.id = e.stream_id WHERE s.kind = 'obligation'"
        " AND (s.ref IN (SELECT obligation_id FROM share) OR e.action LIKE 'share-%') ORDER BY e.stream_id, e.seq"
    )


def kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the ledger keeps it."""
    return {
        "state": row["state"], "added": row["added"], "reason": row["reason"], "evidence": _evidence(row),
        "done_on": as_date(row["done_on"]).isoformat() if row["done_on"] else None,
    }  # fmt: skip


def _evidence(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(row["evidence"]) if isinstance(row["evidence"], str) else row["evidence"]
    return found


def _share(row: Mapping[str, Any]) -> Share:
    return Share(
        row["id"], row["obligation_id"], row["unit_id"], row["unit"], row["path"], ShareState(row["state"]),
        row["added"], as_instant(row["since"]), as_date(row["done_on"]) if row["done_on"] else None,
        tuple(_evidence(row)), row["reason"],
    )  # fmt: skip


def _instant(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS TIMESTAMPTZ)"


def _text(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS VARCHAR)"


def _flag(*, value: bool) -> str:
    return str(int(value)) if dialect() == "sqlite" else str(value).upper()
