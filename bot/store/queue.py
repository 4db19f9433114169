"""The outbox: who is owed which reminder, the messages that tell them, the leases under which they are sent."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any

from duties.model import Stop
from duties.store.database import Rows, as_date, as_instant, dialect, execute, execute_many, fetch, transaction
from duties.store.reading import stop

LEASE_SECONDS = 60.0
SLICE = 20_000
"""Reminders addressed in one transaction, so that none holds the file for long; messages put by one statement."""
FARTHEST = timedelta(days=1)
"""No notice waits longer than this: one that seems to was written by a clock that has since been set back."""
TRUSTED_AGAIN = timedelta(days=1)
"""After so long an address that failed is tried first again."""
BURST = 0.25
"""The part of a limit that may be used at once; the rest runs in evenly, so that no minute sees more than the whole."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that this holder of the lease is to send now. `body` is None while it still collects.

    `attempts` were made before, and failed.
    """

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
    held: bool = True
    """Whether the recipient still holds the post that this speaks to."""
    event_on: date | None = None
    """The day of the event, for a case; `document` is its letter's number, `was_due` the deadline it had before."""
    document: str = ""
    subject: str = ""
    """What the case is about, in the words of who opened it."""
    was_due: date | None = None
    share: int = 0
    """The co-responsible unit's share that this speaks of, where `partner` is told and not the lead; 0 for the lead."""
    share_state: str = ""
    partner: str = ""
    missing: tuple[str, ...] = ()
    """The partners that have not answered, as a supervisor is told."""
    stop: Stop | None = None
    """Of a clock that stands: its due day means nothing until it goes on."""


_HELD = "(p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today)"

_SPOKEN_UNIT = "CASE m.audience WHEN 'supervisor' THEN u.supervisor_id ELSE u.id END"
_SPOKEN_TO = f"p.unit_id = {_SPOKEN_UNIT} AND p.role = m.audience"
"""The posts an audience means: those of the unit itself, or the supervisors of the unit that supervises it."""

_AWAKE = """(i.person_id NOT IN (SELECT w.person_id FROM snooze w WHERE w.ended_at IS NULL) OR NOT EXISTS (
      SELECT 1 FROM snooze s CROSS JOIN reminder r WHERE s.person_id = i.person_id AND s.ended_at IS NULL
        AND r.id = i.reminder_id AND r.obligation_id = s.obligation_id AND r.audience <> 'supervisor'))
"""
"""Not put off by its recipient. Few people put anything off: who does not is told by one look into a small set."""

_ADDRESSED = f"""
    INSERT INTO notice_item (reminder_id, person_id, outcome)
    SELECT DISTINCT m.id, p.person_id, ''
    FROM reminder m JOIN obligation o ON o.id = m.obligation_id JOIN unit u ON u.id = o.unit_id
    JOIN post p ON {_SPOKEN_TO}
    WHERE NOT m.superseded AND {_HELD}
      AND NOT EXISTS (SELECT 1 FROM notice_item i WHERE i.reminder_id = m.id AND i.person_id = p.person_id)
"""

_OF_SHARE = "m.audience IN ('head/' || CAST(s.id AS VARCHAR(16)), 'officer/' || CAST(s.id AS VARCHAR(16)))"
_SHARE_ROLE = "CASE WHEN m.audience LIKE 'head/%' THEN 'head' ELSE 'officer' END"
_PARTNERS_ADDRESSED = f"""
    INSERT INTO notice_item (reminder_id, person_id, outcome)
    SELECT DISTINCT m.id, p.person_id, ''
    FROM share s CROSS JOIN obligation o CROSS JOIN reminder m CROSS JOIN post p
    WHERE o.id = s.obligation_id AND m.obligation_id = s.obligation_id AND {_OF_SHARE}
      AND p.unit_id = s.unit_id AND p.role = {_SHARE_ROLE}
      AND s.state IN ('pending', 'acknowledged') AND NOT m.superseded AND {_HELD}
      AND NOT EXISTS (SELECT 1 FROM notice_item i WHERE i.reminder_id = m.id AND i.person_id = p.person_id)
"""
"""The same for co-responsible units. It begins at what they have to answer: rarely anything at all."""


async def address_reminders(today: date) -> int:
    """Give every raised reminder its recipients: the posts held today."""
    added = 0
    while True:
        async with transaction():
            # The mark comes first so that SQLite takes the lock, and so that both statements see the same reminders.
            marked = await fetch(
                "UPDATE reminder SET addressed = :yes WHERE NOT addressed AND id IN"
                f" (SELECT id FROM reminder WHERE NOT addressed ORDER BY id LIMIT {SLICE}) RETURNING id",
                yes=_flag(value=True),
            )
            if marked:
                first, last = min(row["id"] for row in marked), max(row["id"] for row in marked)
                added += await execute(
                    f"{_ADDRESSED} AND m.id BETWEEN :first AND :last ON CONFLICT DO NOTHING",
                    first=first, last=last, today=today,
                )  # fmt: skip
                added += await execute(
                    f"{_PARTNERS_ADDRESSED} AND m.id BETWEEN :first AND :last ON CONFLICT DO NOTHING",
                    first=first, last=last, today=today,
                )  # fmt: skip
        if len(marked) < SLICE:
            return added


async def address_unsaid(today: date) -> int:
    """Give to today's holders of a post what nobody who still holds it was told: it was vacant, or was left unsaid.

    Looks at every reminder of what is open: for the day's first tick and for a changed roster.
    """
    found = 0
    for addressed, role in ((_ADDRESSED, "m.audience"), (_PARTNERS_ADDRESSED, _SHARE_ROLE)):
        found += await execute(
            f"""
            {addressed}
              AND o.state IN ('pending', 'acknowledged', 'returned')
              AND NOT EXISTS (
                SELECT 1 FROM notice_item i WHERE i.reminder_id = m.id AND (i.outcome NOT IN ('', 'left')
                  OR (i.outcome = '' AND EXISTS (
                    SELECT 1 FROM post q WHERE q.person_id = i.person_id AND q.role = {role}
                      AND (q.since IS NULL OR q.since <= :today) AND (q.until IS NULL OR q.until >= :today))))
              )
            ON CONFLICT DO NOTHING
            """,
            today=today,
        )
    return found


async def open_notices(now: datetime) -> int:
    """A collecting notice for everyone who is owed something, can be reached and has none yet.

    A person with several addresses is told at the one bound first, those that failed within a day coming last.
    """
    return await execute(
        f"""
        INSERT INTO notice (kind, scope, connection, person_id, address, state, due_at, attempts, token, receipt, error,
          created_at)
        SELECT 'reminders', a.connection, a.connection, a.person_id, a.address, 'collecting',
          {_turn("a.connection", "a.address")}, 0, '', '', '', {_instant(":now")}
        FROM (SELECT DISTINCT i.person_id FROM notice_item i WHERE i.notice_id IS NULL AND {_AWAKE}) AS w
        JOIN identity a ON a.person_id = w.person_id
        WHERE a.id = (
            SELECT b.id FROM identity b WHERE b.person_id = w.person_id
            ORDER BY CASE WHEN b.failed_at > {_instant(":failed")} THEN 1 ELSE 0 END, b.id LIMIT 1)
          AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.person_id = a.person_id AND n.state = 'collecting')
        ON CONFLICT DO NOTHING
        """,
        now=now, failed=now - TRUSTED_AGAIN,
    )  # fmt: skip


async def hasten(scope: str, now: datetime) -> int:
    """Let go what waits for a day that a clock set forward by mistake has put far ahead."""
    return await execute(
        "UPDATE notice SET due_at = :now WHERE scope = :scope AND state IN ('collecting', 'pending') AND due_at > :far",
        now=now, scope=scope, far=now + FARTHEST,
    )  # fmt: skip


async def lease(scope: str, holder: str) -> bool:
    """Take or renew a scope's lease. False while somebody else has it, or the scope rests."""
    clock = _clock()
    taken = await execute(
        "INSERT INTO lease (scope, token, until, allowance, counted_at)"
        f" VALUES (:scope, :holder, {clock} + :length, 1e9, {clock})"
        " ON CONFLICT (scope) DO UPDATE SET token = excluded.token, until = excluded.until,"
        # A clock set back must not leave the bucket waiting for a future day.
        f" counted_at = {_least('lease.counted_at', 'excluded.counted_at')}"
        f" WHERE lease.token = excluded.token OR lease.until < {clock}",
        scope=scope, holder=holder, length=LEASE_SECONDS, clock=time.time(),
    )  # fmt: skip
    return taken == 1


async def allowance(scope: str, per_minute: float, wanted: int) -> int:
    """How many messages the platform's limit allows now, at most `wanted`."""
    if not per_minute:
        return wanted
    rows = await fetch(
        f"SELECT {_filled()} AS filled FROM lease WHERE scope = :scope",
        scope=scope, clock=time.time(), **_bucket(per_minute),
    )  # fmt: skip
    return max(0, min(wanted, int(rows[0]["filled"]))) if rows else 0


async def spend(scope: str, holder: str, per_minute: float, messages: int) -> None:
    """Count messages against the limit, before they are sent: a crash must not forget them."""
    if per_minute and messages:
        await execute(
            f"UPDATE lease SET allowance = {_filled()} - :messages, counted_at = {_clock()}"
            " WHERE scope = :scope AND token = :holder",
            scope=scope, holder=holder, messages=float(messages), clock=time.time(), **_bucket(per_minute),
        )  # fmt: skip


def _bucket(per_minute: float) -> dict[str, float]:
    size = max(1.0, per_minute * BURST)
    return {"size": size, "rate": max(per_minute - size, per_minute / 2) / 60}


async def rest(scope: str, holder: str, seconds: float) -> None:
    """Let nobody send within a scope for a while."""
    await execute(
        f"UPDATE lease SET token = '', until = {_clock()} + :seconds WHERE scope = :scope AND token = :holder",
        scope=scope, holder=holder, seconds=seconds, clock=time.time(),
    )  # fmt: skip


async def release(scope: str, holder: str) -> None:
    """Let another replica take over at once."""
    await execute("UPDATE lease SET until = 0 WHERE scope = :scope AND token = :holder", scope=scope, holder=holder)


async def take_over() -> None:
    """At the start: a SQLite file has one owner, so whoever else holds its leases is dead."""
    if dialect() == "sqlite":
        await execute("UPDATE lease SET until = 0")


def new_token() -> str:
    """A name for this process among those that may hold leases."""
    return secrets.token_hex(8)


async def scopes() -> list[str]:
    """The scopes with something to send, now or later."""
    rows = await fetch("SELECT DISTINCT scope FROM notice WHERE state IN ('collecting', 'pending')")
    return [row["scope"] for row in rows]


async def next_due(scope: str) -> datetime | None:
    """When the next notice of a scope may go out."""
    (row,) = await fetch(
        "SELECT MIN(due_at) AS due FROM notice WHERE scope = :scope AND state IN ('collecting', 'pending')", scope=scope
    )
    return as_instant(row["due"]) if row["due"] else None


async def claim(scope: str, holder: str, now: datetime, limit: int) -> list[Claimed]:
    """Take the next notices of a scope, in order of their instant; what follows a waiting one to its address waits too.

    Only the lease's holder gets any: whoever lost it meanwhile must not take the rows from its new holder.
    """
    rows = await fetch(
        """
        UPDATE notice SET token = :holder WHERE id IN (
          SELECT n.id FROM notice n
          WHERE n.scope = :scope AND n.state IN ('collecting', 'pending') AND n.due_at <= :now
            AND NOT EXISTS (
              SELECT 1 FROM notice e WHERE e.connection = n.connection AND e.address = n.address AND e.id < n.id
                AND e.state IN ('collecting', 'pending') AND e.due_at > :now)
          ORDER BY n.scope, n.due_at, n.id LIMIT :limit)
        AND EXISTS (SELECT 1 FROM lease WHERE scope = :scope AND token = :holder)
        RETURNING id, kind, connection, person_id, address, body, attempts
        """,
        holder=holder, scope=scope, now=now, limit=limit,
    )  # fmt: skip
    # Not by instant: a late receipt of who held the lease before may have moved one while this statement waited for it.
    rows.sort(key=lambda row: int(row["id"]))
    return [claimed(row) for row in rows]


def claimed(r: dict[str, Any]) -> Claimed:
    """A row of notices as its sender takes it."""
    return Claimed(r["id"], r["kind"], r["connection"], r["person_id"], r["address"], _json(r["body"]), r["attempts"])


async def collect(notices: Sequence[Claimed], today: date) -> list[Owed]:
    """What collecting notices are to say: everything owed to their recipients and not yet said.

    Nothing when the address has meanwhile gone to somebody else: then it stays unsaid, for a notice of its own.
    CROSS JOIN keeps SQLite to this order: with the statistics of an empty table it would begin at the other end.
    """
    numbers = [notice.id for notice in notices]
    if not numbers:
        return []
    rows = await fetch(
        f"""
        SELECT n.id AS notice, i.id AS item, m.id AS reminder, o.id AS obligation, t.duty, t.label, t.jurisdiction,
          u.name AS unit, m.due, m.rung, m.audience, m.tone, m.severity, m.late, o.state, o.tally, o.target, t.force,
          EXISTS (SELECT 1 FROM post p WHERE p.unit_id = COALESCE(s.unit_id, {_SPOKEN_UNIT})
            AND p.role = CASE WHEN s.id IS NULL THEN m.audience ELSE {_SHARE_ROLE} END
            AND p.person_id = i.person_id AND {_HELD}) AS held,
          c.event_on, c.document, c.subject, t.was_due, s.id AS share, s.state AS share_state, w.name AS partner,
          CASE WHEN m.audience = 'supervisor' THEN {_missing()} END AS missing, t.stands_from, t.stands_left
        FROM notice n CROSS JOIN identity a CROSS JOIN notice_item i CROSS JOIN reminder m CROSS JOIN obligation o
        CROSS JOIN term t CROSS JOIN unit u LEFT JOIN casefile c ON c.id = t.case_id
        LEFT JOIN share s ON s.obligation_id = o.id AND {_OF_SHARE} LEFT JOIN unit w ON w.id = s.unit_id
        WHERE n.id IN :numbers
          AND a.person_id = n.person_id AND a.connection = n.connection AND a.address = n.address
          AND i.person_id = n.person_id AND i.notice_id IS NULL AND {_AWAKE}
          AND m.id = i.reminder_id AND o.id = m.obligation_id AND t.id = o.term_id AND u.id = o.unit_id
        ORDER BY m.due, t.duty, u.path, m.severity, i.id
        """,
        numbers=numbers, today=today,
    )  # fmt: skip
    return [
        Owed(
            r["item"], r["notice"], r["reminder"], r["obligation"], r["duty"], r["label"], r["jurisdiction"], r["unit"],
            as_date(r["due"]), r["rung"], r["audience"], r["tone"], r["severity"], bool(r["late"]), r["state"],
            r["tally"], r["target"], r["force"], bool(r["held"]), _day(r["event_on"]), r["document"] or "",
            r["subject"] or "", _day(r["was_due"]), r["share"] or 0, r["share_state"] or "", r["partner"] or "",
            tuple((r["missing"] or "").split("\n")) if r["missing"] else (), stop(r),
        )
        for r in rows
    ]  # fmt: skip


async def also_told(reminders: Sequence[int], person: int | None, now: datetime) -> list[tuple[int, str, str]]:
    """Who else is told of reminders, at the address that is tried first: reminder, connection, address."""
    rows = await fetch(
        f"""
        SELECT i.reminder_id, a.connection, a.address FROM notice_item i JOIN identity a ON a.person_id = i.person_id
        WHERE i.reminder_id IN :reminders AND i.person_id <> :person AND i.outcome <> 'left' AND a.id = (
          SELECT b.id FROM identity b WHERE b.person_id = i.person_id
          ORDER BY CASE WHEN b.failed_at > {_instant(":failed")} THEN 1 ELSE 0 END, b.id LIMIT 1)
        """,
        reminders=list(reminders), person=person or 0, failed=now - TRUSTED_AGAIN,
    )  # fmt: skip
    return [(row["reminder_id"], row["connection"], row["address"]) for row in rows]


async def freeze(
    bodies: Sequence[tuple[int, dict[str, Any]]], outcomes: Sequence[tuple[int, int, str]], holder: str
) -> None:
    """Fix what notices say before the first attempt, and which reminder each told: (item, notice, outcome).

    From here on the notice no longer collects. Fenced: what somebody else has taken over stays as they froze it.
    """
    async with transaction():
        await execute_many(
            "UPDATE notice_item SET notice_id = :notice, outcome = :outcome WHERE id = :item AND notice_id IS NULL"
            " AND EXISTS (SELECT 1 FROM notice WHERE id = :notice AND token = :holder AND body IS NULL)",
            [{"notice": notice, "outcome": how, "item": item, "holder": holder} for item, notice, how in outcomes],
        )
        await execute_many(
            "UPDATE notice SET body = :body, lists = :lists, state = 'pending'"
            " WHERE id = :id AND token = :holder AND body IS NULL",
            [
                {"id": number, "body": _text_of(body), "lists": _lists(body), "holder": holder}
                for number, body in bodies
            ],
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, and when: sent, pending (again at `due_at`), dead, dropped."""

    notice: int
    state: str
    at: datetime
    receipt: str = ""
    error: str = ""
    due_at: datetime | None = None


async def settle(outcomes: Sequence[Outcome], holder: str) -> None:
    """Write receipts, fenced: a lease lost meanwhile leaves the rows to its new holder.

    What follows a waiting message to its address waits as long: an address's notices are due in their own order.
    """
    sent = [one for one in outcomes if one.state == "sent"]
    if sent:
        await _settle_sent(sent, holder)
    if len(sent) < len(outcomes):
        await _settle_others([one for one in outcomes if one.state != "sent"], holder)


async def _settle_sent(sent: Sequence[Outcome], holder: str) -> None:
    """In one statement, for this is what delivery mostly does."""
    rows, values = [], dict[str, Any]()
    for number, one in enumerate(sent):
        rows.append(f"({_number(f':n{number}')}, {_text(f':r{number}')}, {_instant(f':a{number}')})")
        values |= {f"n{number}": one.notice, f"r{number}": one.receipt[:128], f"a{number}": one.at}
    await execute(
        "UPDATE notice SET state = 'sent', receipt = v.column2, error = '', finished_at = v.column3,"
        f" attempts = attempts + 1 FROM (VALUES {', '.join(rows)}) AS v"
        f" WHERE notice.id = v.column1 AND token = :holder AND {_UNFINISHED}",
        holder=holder, **values,
    )  # fmt: skip


async def _settle_others(outcomes: Sequence[Outcome], holder: str) -> None:
    finished = [one for one in outcomes if one.due_at is None]
    again = [one for one in outcomes if one.due_at is not None]
    async with transaction():
        await execute_many(
            "UPDATE notice SET state = :state, error = :error, finished_at = :at, attempts = attempts + 1"
            f" WHERE {OURS}",
            [
                {"state": o.state, "error": o.error[:255], "at": o.at, "id": o.notice, "holder": holder}
                for o in finished
            ],
        )
        await execute_many(
            f"UPDATE notice SET error = :error, due_at = :due, attempts = attempts + 1 WHERE {OURS}",
            [{"error": o.error[:255], "due": o.due_at, "id": o.notice, "holder": holder} for o in again],
        )
        await execute_many(
            f"UPDATE notice SET due_at = :due WHERE id > :id AND due_at < :due AND {_UNFINISHED}"
            " AND connection = (SELECT connection FROM notice WHERE id = :id AND token = :holder)"
            " AND address = (SELECT address FROM notice WHERE id = :id)",
            [{"due": o.due_at, "id": o.notice, "holder": holder} for o in again],
        )


async def bury(outcome: Outcome, holder: str) -> bool:
    """Give a notice up, in the caller's transaction. False when it is not ours any more."""
    return await execute(
        "UPDATE notice SET state = 'dead', error = :error, finished_at = :at, attempts = attempts + 1"
        f" WHERE {OURS}",
        error=outcome.error[:255], at=outcome.at, id=outcome.notice, holder=holder,
    ) == 1  # fmt: skip


_UNFINISHED = "state IN ('collecting', 'pending')"
OURS = f"id = :id AND token = :holder AND {_UNFINISHED}"
"""A notice that this holder claimed and that is not finished."""


def _turn(connection: str, address: str) -> str:
    """When a new notice is due: now, or with the last that waits for the same address."""
    return (
        f"COALESCE((SELECT MAX(e.due_at) FROM notice e WHERE e.connection = {connection} AND e.address = {address}"
        f" AND e.{_UNFINISHED} AND e.due_at > {_instant(':now')}), {_instant(':now')})"
    )


async def put(  # the outbox row of whatever was decided in the same transaction
    kind: str, connection: str, address: str, body: dict[str, Any], now: datetime, *,
    person: int | None = None, answers: int | None = None,
) -> int:  # fmt: skip
    """Add a message whose words are known. Runs in the caller's transaction."""
    message = Message(connection, address, person, body)
    (row,) = await fetch(f"{_put()} RETURNING id", **_row(kind, message, now, answers))
    return int(row["id"])


@dataclass(frozen=True, slots=True)
class Message:
    """One of many: to whom, and what."""

    connection: str
    address: str
    person: int | None
    body: dict[str, Any]


async def put_many(kind: str, messages: Sequence[Message], now: datetime) -> None:
    """Add many at once, a slice at a time. Runs in the caller's transaction."""
    for first in range(0, len(messages), SLICE):
        await execute_many(_put(), [_row(kind, one, now) for one in messages[first : first + SLICE]])


def _put() -> str:
    return (
        "INSERT INTO notice (kind, scope, connection, person_id, address, state, due_at, body, answers, lists,"
        " attempts, token, receipt, error, created_at)"
        f" VALUES (:kind, :scope, :connection, :person, :address, 'pending', {_turn(':connection', ':address')}, :body,"
        " :answers, :lists, 0, '', '', '', :now)"
    )


def _row(kind: str, one: Message, now: datetime, answers: int | None = None) -> dict[str, Any]:
    return {
        "kind": kind, "scope": one.connection, "connection": one.connection, "person": one.person,
        "address": one.address, "now": now, "body": _text_of(one.body), "answers": answers,
        "lists": _lists(one.body),
    }  # fmt: skip


async def body_of(notice: int, connection: str, address: str) -> dict[str, Any] | None:
    """What a message said, if it was sent to that address."""
    rows = await fetch(
        "SELECT body FROM notice WHERE id = :id AND connection = :connection AND address = :address",
        id=notice, connection=connection, address=address,
    )  # fmt: skip
    return _json(rows[0]["body"]) if rows else None


ALONE, IN_GROUP, ANYWHERE = "alone", "group", "any"
"""Of an answer in two versions, the one told to the asker alone and the one the group read: their numbers differ."""
DIALOGUE = 20
"""Messages of one dialogue that are looked through for its choices."""


def _lists(body: dict[str, Any]) -> str | None:
    """Where the numbers of a message stand for obligations."""
    return str(body.get("version") or ANYWHERE) if body.get("items") else None


async def last_list(connection: str, address: str, here: str) -> dict[str, Any] | None:
    """The newest message to an address that showed numbered obligations, versions shown elsewhere left out."""
    rows = await fetch(
        "SELECT body FROM notice WHERE connection = :connection AND address = :address AND lists IN :places"
        " AND state <> 'dropped' ORDER BY id DESC LIMIT 1",
        connection=connection, address=address, places=[ANYWHERE, here],
    )  # fmt: skip
    return _json(rows[0]["body"]) if rows else None


async def drop_choices(connection: str, address: str) -> None:
    """The choices of the dialogue just given up are lists no more: the list before them holds again."""
    rows = await fetch(
        "SELECT id, kind, body FROM notice WHERE connection = :connection AND address = :address"
        " AND body IS NOT NULL ORDER BY id DESC LIMIT :limit",
        connection=connection, address=address, limit=DIALOGUE,
    )  # fmt: skip
    said = [(row, _json(row["body"]) or {}) for row in rows]
    dialogue = takewhile(lambda one: one[1].get("asks") or one[0]["kind"] != "answer", said)
    dropped = [row["id"] for row, body in dialogue if body.get("asks") and body.get("items")]
    if dropped:
        await execute("UPDATE notice SET lists = NULL WHERE id IN :dropped", dropped=dropped)


async def sent(address: str, connection: str, before: datetime, limit: int) -> Rows:
    """What was said to an address before an instant, newest first: id, body, at."""
    rows = await fetch(
        "SELECT id, body, finished_at AS at FROM notice WHERE connection = :connection"
        " AND address = :address AND state = 'sent' AND finished_at < :before ORDER BY id DESC LIMIT :limit",
        connection=connection, address=address, before=before, limit=limit,
    )  # fmt: skip
    return [{"id": row["id"], "body": _json(row["body"]) or {}, "at": as_instant(row["at"])} for row in rows]


async def tallies() -> dict[str, int]:
    """How many notices wait, and how many are dead. What went well is not counted: there is no end of it."""
    rows = await fetch(
        "SELECT state, COUNT(*) AS found FROM notice WHERE state IN ('collecting', 'pending') GROUP BY state"
        " UNION ALL SELECT 'dead', COUNT(*) FROM notice WHERE state = 'dead'"
    )
    return {row["state"]: int(row["found"]) for row in rows}


def _missing() -> str:
    """The names of an obligation's partners that have not answered, in lines; NULL where there is none."""
    joined = "group_concat(e.name, char(10))" if dialect() == "sqlite" else "string_agg(e.name, chr(10))"
    return (
        f"(SELECT {joined} FROM (SELECT v.name FROM share h JOIN unit v ON v.id = h.unit_id"
        " WHERE h.obligation_id = o.id AND h.state IN ('pending', 'acknowledged') ORDER BY h.id) AS e)"
    )


def _day(value: Any) -> date | None:
    return as_date(value) if value else None


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


def _clock() -> str:
    """Real time in seconds: the database's where several machines share it, this one's (`:clock`) on SQLite."""
    return ":clock" if dialect() == "sqlite" else "EXTRACT(EPOCH FROM clock_timestamp())::float8"


def _least(one: str, other: str) -> str:
    return f"{'MIN' if dialect() == 'sqlite' else 'LEAST'}({one}, {other})"


def _filled() -> str:
    """What a bucket holds now: what it held, and what has run in since."""
    size, rate = (name if dialect() == "sqlite" else f"{name}::float8" for name in (":size", ":rate"))
    since = f"({_clock()} - counted_at)"
    passed = f"CASE WHEN {since} > 0 THEN {since} ELSE 0 END"
    return _least(size, f"allowance + {rate} * {passed}")


def _text(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS VARCHAR)"


def _number(parameter: str) -> str:
    return parameter if dialect() == "sqlite" else f"CAST({parameter} AS BIGINT)"
