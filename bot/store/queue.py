"""The outbox: who is owed which reminder, the messages that tell them, the leases under which they are sent."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from duties.store.database import Rows, as_date, as_instant, dialect, execute, execute_many, fetch, transaction

LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that this holder of the lease is to send now. `body` is None while it still collects."""

    id: int
    kind: str
    connection: str
    person_id: int | None
    address: str
    body: dict[str, Any] | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Owed:
    """One reminder that a notice is to say, with what its sentence needs."""

    item: int
    notice: int
    reminder: int
    obligation: int
    duty: str
    term: str
    jurisdiction: str
    unit: str
    due: date
    rung: str
    audience: str
    tone: str
    severity: int
    late: bool
    state: str
    tally: int
    target: int
    force: str


async def address_reminders(today: date) -> int:
    """Give every raised reminder its recipients: the posts held today. One statement, then one mark."""
    async with transaction():
        # The mark comes first so that SQLite takes the lock, and so that both statements see the same reminders.
        marked = await fetch(
            "UPDATE reminder SET addressed = :yes WHERE NOT addressed RETURNING id", yes=_flag(value=True)
        )
        if not marked:
            return 0
        first, last = min(row["id"] for row in marked), max(row["id"] for row in marked)
        return await execute(
            """
            INSERT INTO notice_item (reminder_id, person_id, outcome)
            SELECT DISTINCT m.id, p.person_id, ''
            FROM reminder m JOIN obligation o ON o.id = m.obligation_id JOIN unit u ON u.id = o.unit_id
            JOIN post p ON (p.unit_id = u.id AND m.audience <> 'supervisor' AND p.role = m.audience)
                        OR (p.unit_id = u.supervisor_id AND m.audience = 'supervisor' AND p.role = 'supervisor')
            WHERE m.id BETWEEN :first AND :last AND NOT m.superseded
              AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today)
              AND NOT EXISTS (SELECT 1 FROM notice_item i WHERE i.reminder_id = m.id AND i.person_id = p.person_id)
            """,
            first=first, last=last, today=today,
        )  # fmt: skip


async def open_notices(now: datetime) -> int:
    """A collecting notice for everyone who is owed something, can be reached and has none yet.

    A person with several addresses is told at the one bound first; the others are fallbacks.
    """
    return await execute(
        f"""
        INSERT INTO notice (kind, scope, connection, person_id, address, state, due_at, attempts, token, receipt, error,
          created_at)
        SELECT 'reminders', a.connection, a.connection, a.person_id, a.address, 'collecting', {_instant(":now")}, 0, '',
          '', '', {_instant(":now")}
        FROM (SELECT DISTINCT person_id FROM notice_item WHERE notice_id IS NULL) AS w
        JOIN identity a ON a.person_id = w.person_id
        WHERE a.id = (SELECT MIN(b.id) FROM identity b WHERE b.person_id = w.person_id)
          AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.person_id = a.person_id AND n.state = 'collecting')
        """,
        now=now,
    )


async def lease(scope: str, now: float, holder: str) -> str | None:
    """Take or renew a scope's lease for this holder. None while somebody else has it."""
    token = holder
    await execute(
        "INSERT INTO lease (scope, token, until, allowance, counted_at)"
        f" SELECT {_text(':scope')}, '', 0, 0, {_float(':now')}"
        " WHERE NOT EXISTS (SELECT 1 FROM lease WHERE scope = :scope)",
        scope=scope, now=now,
    )  # fmt: skip
    taken = await execute(
        "UPDATE lease SET token = :token, until = :until WHERE scope = :scope AND (token = :token OR until < :now)",
        token=token, until=now + LEASE_SECONDS, scope=scope, now=now,
    )  # fmt: skip
    return token if taken else None


async def allowance(scope: str, now: float, per_minute: float, wanted: int) -> int:
    """How many messages the platform's limit allows now, at most `wanted`; they are counted as sent."""
    if not per_minute:
        return wanted
    (row,) = await fetch("SELECT allowance, counted_at FROM lease WHERE scope = :scope", scope=scope)
    filled = min(per_minute, row["allowance"] + max(0.0, now - row["counted_at"]) * per_minute / 60)
    granted = min(wanted, int(filled))
    await execute(
        "UPDATE lease SET allowance = :left, counted_at = :now WHERE scope = :scope",
        left=filled - granted, now=now, scope=scope,
    )  # fmt: skip
    return granted


async def release(scope: str, token: str) -> None:
    """Let another replica take over at once."""
    await execute("UPDATE lease SET until = 0 WHERE scope = :scope AND token = :token", scope=scope, token=token)


def new_token() -> str:
    """A name for this process among those that may hold leases."""
    return secrets.token_hex(8)


async def scopes_due(now: datetime) -> list[str]:
    """The scopes with something to send."""
    rows = await fetch(
        "SELECT DISTINCT scope FROM notice WHERE state IN ('collecting', 'pending') AND due_at <= :now", now=now
    )
    return [row["scope"] for row in rows]


async def next_due() -> datetime | None:
    """When the next notice that waits may go out."""
    (row,) = await fetch("SELECT MIN(due_at) AS due FROM notice WHERE state IN ('collecting', 'pending')")
    return as_instant(row["due"]) if row["due"] else None


async def claim(scope: str, token: str, now: datetime, limit: int) -> list[Claimed]:
    """Take the next notices of a scope, in order of their instant."""
    rows = await fetch(
        "UPDATE notice SET state = 'pending', token = :token, attempts = attempts + 1 WHERE id IN ("
        " SELECT id FROM notice WHERE scope = :scope AND state IN ('collecting', 'pending') AND due_at <= :now"
        " ORDER BY scope, due_at, id LIMIT :limit)"
        " RETURNING id, kind, connection, person_id, address, body, attempts, due_at",
        token=token, scope=scope, now=now, limit=limit,
    )  # fmt: skip
    rows.sort(key=lambda row: (str(row["due_at"]), row["id"]))
    return [
        Claimed(r["id"], r["kind"], r["connection"], r["person_id"], r["address"], _json(r["body"]), r["attempts"])
        for r in rows
    ]


async def collect(notices: Sequence[Claimed]) -> list[Owed]:
    """What collecting notices are to say: everything owed to their recipients and not yet said."""
    people = {notice.person_id: notice.id for notice in notices}
    if not people:
        return []
    rows = await fetch(
        """
        SELECT i.id AS item, i.person_id, m.id AS reminder, o.id AS obligation, t.duty, t.label, t.jurisdiction,
          u.name AS unit, m.due, m.rung, m.audience, m.tone, m.severity, m.late, o.state, o.tally, o.target, t.force
        FROM notice_item i JOIN reminder m ON m.id = i.reminder_id JOIN obligation o ON o.id = m.obligation_id
        JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE i.person_id IN :people AND i.notice_id IS NULL ORDER BY m.due, t.duty, u.path, m.severity, i.id
        """,
        people=[person for person in people if person is not None],
    )
    return [
        Owed(
            r["item"], people[r["person_id"]], r["reminder"], r["obligation"], r["duty"], r["label"],
            r["jurisdiction"], r["unit"], as_date(r["due"]), r["rung"], r["audience"], r["tone"], r["severity"],
            bool(r["late"]), r["state"], r["tally"], r["target"], r["force"],
        )
        for r in rows
    ]  # fmt: skip


async def freeze(bodies: Sequence[tuple[int, dict[str, Any]]], outcomes: Sequence[tuple[int, int, str]]) -> None:
    """Fix what notices say before the first attempt, and which reminder each told: (item, notice, outcome)."""
    async with transaction():
        await execute_many(
            "UPDATE notice_item SET notice_id = :notice, outcome = :outcome WHERE id = :item",
            [{"notice": notice, "outcome": outcome, "item": item} for item, notice, outcome in outcomes],
        )
        await execute_many(
            "UPDATE notice SET body = :body WHERE id = :id",
            [{"id": number, "body": _text_of(body)} for number, body in bodies],
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: sent, pending (again at `due_at`), dead, dropped."""

    notice: int
    state: str
    receipt: str = ""
    error: str = ""
    due_at: datetime | None = None


async def settle(outcomes: Sequence[Outcome], token: str, now: datetime) -> None:
    """Write receipts, fenced: a lease lost meanwhile leaves the rows to its new holder."""
    finished = [one for one in outcomes if one.due_at is None]
    again = [one for one in outcomes if one.due_at is not None]
    async with transaction():
        await execute_many(
            "UPDATE notice SET state = :state, receipt = :receipt, error = :error, finished_at = :now"
            " WHERE id = :id AND token = :token",
            [
                {"state": o.state, "receipt": o.receipt, "error": o.error, "now": now, "id": o.notice, "token": token}
                for o in finished
            ],
        )
        await execute_many(
            "UPDATE notice SET error = :error, due_at = :due WHERE id = :id AND token = :token",
            [{"error": o.error, "due": o.due_at, "id": o.notice, "token": token} for o in again],
        )


async def put(  # the outbox row of whatever was decided in the same transaction
    kind: str, connection: str, address: str, body: dict[str, Any], now: datetime, *,
    person: int | None = None, answers: int | None = None,
) -> int:  # fmt: skip
    """Add a message whose words are known. Runs in the caller's transaction."""
    (row,) = await fetch(
        "INSERT INTO notice (kind, scope, connection, person_id, address, state, due_at, body, answers, attempts,"
        " token, receipt, error, created_at)"
        " VALUES (:kind, :scope, :connection, :person, :address, 'pending', :now, :body, :answers, 0, '',"
        " '', '', :now) RETURNING id",
        kind=kind, scope=connection, connection=connection, person=person, address=address, now=now,
        body=_text_of(body), answers=answers,
    )  # fmt: skip
    return int(row["id"])


async def body_of(notice: int, connection: str, address: str) -> dict[str, Any] | None:
    """What a message said, if it was sent to that address."""
    rows = await fetch(
        "SELECT body FROM notice WHERE id = :id AND connection = :connection AND address = :address",
        id=notice, connection=connection, address=address,
    )  # fmt: skip
    return _json(rows[0]["body"]) if rows else None


async def last_list(connection: str, address: str) -> dict[str, Any] | None:
    """The newest message to an address that showed numbered obligations."""
    rows = await fetch(
        "SELECT body FROM notice WHERE connection = :connection AND address = :address AND body IS NOT NULL"
        " AND state <> 'dropped' ORDER BY id DESC LIMIT 20",
        connection=connection, address=address,
    )  # fmt: skip
    bodies = (_json(row["body"]) for row in rows)
    return next((body for body in bodies if body and body.get("items")), None)


async def sent(address: str, connection: str, before: datetime, limit: int) -> Rows:
    """What was said to an address before an instant, newest first: id, body, at."""
    rows = await fetch(
        "SELECT id, body, finished_at AS at FROM notice WHERE connection = :connection"
        " AND address = :address AND state = 'sent' AND finished_at < :before ORDER BY id DESC LIMIT :limit",
        connection=connection, address=address, before=before, limit=limit,
    )  # fmt: skip
    return [{"id": row["id"], "body": _json(row["body"]) or {}, "at": as_instant(row["at"])} for row in rows]


async def tallies() -> dict[str, int]:
    """How many notices are in each state."""
    rows = await fetch("SELECT state, COUNT(*) AS found FROM notice GROUP BY state")
    return {row["state"]: int(row["found"]) for row in rows}


async def unreachable(today: date) -> Rows:
    """Units with open obligations whose head and officer are all without an address: id, name."""
    return await fetch(
        """
        SELECT u.id, u.name FROM unit u
        WHERE EXISTS (
            SELECT 1 FROM obligation o WHERE o.unit_id = u.id AND o.state IN ('pending', 'acknowledged', 'returned'))
          AND NOT EXISTS (
            SELECT 1 FROM post p JOIN identity a ON a.person_id = p.person_id
            WHERE p.unit_id = u.id AND p.role IN ('head', 'officer')
              AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today))
        ORDER BY u.path
        """,
        today=today,
    )


def _json(value: Any) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    found: dict[str, Any] = json.loads(value)
    return found


def _text_of(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


def _flag(*, value: bool) -> Any:
    return int(value) if dialect() == "sqlite" else value


def _instant(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS TIMESTAMPTZ)"


def _text(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS VARCHAR)"


def _float(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS DOUBLE PRECISION)"
