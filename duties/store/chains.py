"""The rows of the ledger. Every function here runs inside the caller's transaction, or only reads."""

from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime
from typing import Any

from duties.errors import DutyError
from duties.ledger import ALGORITHM, GENESIS, Act, AnchorLine, Line, StreamRef, instant, line
from duties.ledger import anchor as chain_anchor
from duties.store.database import Rows, as_date, as_instant, execute, fetch

PAGE = 5_000


class StaleError(DutyError):
    """Somebody wrote to the same chain meanwhile; the whole transaction is to be done again."""


async def append(ref: StreamRef, act: Act, now: datetime) -> int:
    """Write the next line of a chain. Returns the entry's number, which people are told.

    The update that reads the head also locks it: whoever comes second goes on from what the first one wrote.
    """
    await execute(
        "INSERT INTO stream (kind, ref, seq, head, anchored_seq)"
        " SELECT CAST(:kind AS VARCHAR(16)), CAST(:ref AS BIGINT), 0, CAST(:head AS VARCHAR(64)), 0"
        " WHERE NOT EXISTS (SELECT 1 FROM stream WHERE kind = :kind AND ref = :ref) ON CONFLICT DO NOTHING",
        kind=ref.kind, ref=ref.ref, head=GENESIS,
    )  # fmt: skip
    (stream,) = await fetch(
        "UPDATE stream SET seq = seq + 1 WHERE kind = :kind AND ref = :ref RETURNING id, seq, head",
        kind=ref.kind, ref=ref.ref,
    )  # fmt: skip
    written = line(ref, int(stream["seq"]), now, act, str(stream["head"]))
    moved = await execute(
        "UPDATE stream SET head = :head WHERE id = :id AND head = :previous",
        head=written.hash, id=stream["id"], previous=written.previous,
    )  # fmt: skip
    if moved != 1:
        raise StaleError(f"stream {ref} moved")
    (row,) = await fetch(
        "INSERT INTO entry (stream_id, seq, at, actor, action, channel, payload, algorithm, previous, hash)"
        " VALUES (:stream, :seq, :at, :actor, :action, :channel, :payload, :algorithm, :previous, :hash) RETURNING id",
        stream=stream["id"], seq=written.seq, at=now, actor=written.actor, action=written.action,
        channel=written.channel, payload=written.payload, algorithm=written.algorithm, previous=written.previous,
        hash=written.hash,
    )  # fmt: skip
    return int(row["id"])


async def last_entry(ref: StreamRef) -> dict[str, object] | None:
    """The newest line of a chain: id, at, actor, action, payload."""
    rows = await fetch(
        "SELECT e.id, e.at, e.actor, e.action, e.payload FROM entry e JOIN stream s ON s.id = e.stream_id"
        " WHERE s.kind = :kind AND s.ref = :ref ORDER BY e.seq DESC LIMIT 1",
        kind=ref.kind, ref=ref.ref,
    )  # fmt: skip
    return {**rows[0], "at": as_instant(rows[0]["at"])} if rows else None


async def history(ref: StreamRef) -> list[dict[str, Any]]:
    """Every line of a chain, oldest first."""
    rows = await fetch(
        "SELECT e.id, e.at, e.actor, e.action, e.channel, e.payload FROM entry e JOIN stream s ON s.id = e.stream_id"
        " WHERE s.kind = :kind AND s.ref = :ref ORDER BY e.seq",
        kind=ref.kind, ref=ref.ref,
    )  # fmt: skip
    return [{**row, "at": as_instant(row["at"])} for row in rows]


async def acts_of(actor: str, actions: Iterable[str], since: datetime) -> Rows:
    """A person's lines of these actions since an instant, the newest first, with the chains they stand on.

    What was undone is left out. The ledger is read back only as far as that instant.
    """
    return await fetch(
        "SELECT e.id, e.at, e.action, e.payload, s.kind, s.ref, s.seq AS head_seq, e.seq, e.stream_id FROM entry e"
        " JOIN stream s ON s.id = e.stream_id WHERE e.actor = :actor AND e.at >= :since AND e.action IN :actions"
        " AND e.id > COALESCE((SELECT p.id FROM entry p WHERE p.actor = :actor AND p.at < :since"
        " ORDER BY p.id DESC LIMIT 1), 0)"
        " AND NOT EXISTS (SELECT 1 FROM entry u WHERE u.stream_id = e.stream_id AND u.seq > e.seq"
        " AND u.action = 'undo' AND u.payload LIKE '%\"of\":' || CAST(e.id AS VARCHAR(20)) || ',%')"
        " ORDER BY e.id DESC",
        actor=actor, since=since, actions=sorted(actions),
    )  # fmt: skip


async def entry(number: int) -> dict[str, Any]:
    """One line: id, action, payload, stream_id, seq."""
    (row,) = await fetch("SELECT id, action, payload, stream_id, seq FROM entry WHERE id = :id", id=number)
    return row


async def after(stream: int, seq: int) -> list[dict[str, Any]]:
    """What was written to a chain after a line: id, action, payload."""
    return await fetch(
        "SELECT id, action, payload FROM entry WHERE stream_id = :stream AND seq > :seq ORDER BY seq",
        stream=stream, seq=seq,
    )  # fmt: skip


async def lines() -> AsyncIterator[Line]:
    """Every line of every chain, chain by chain, in pages."""
    after = (0, 0)
    while True:
        rows = await fetch(
            "SELECT s.kind, s.ref, e.* FROM entry e JOIN stream s ON s.id = e.stream_id"
            " WHERE (e.stream_id > :stream OR (e.stream_id = :stream AND e.seq > :seq))"
            " ORDER BY e.stream_id, e.seq LIMIT :page",
            stream=after[0], seq=after[1], page=PAGE,
        )  # fmt: skip
        for row in rows:
            yield Line(
                f"{row['kind']}:{row['ref']}", row["seq"], instant(as_instant(row["at"])), row["actor"], row["action"],
                row["channel"], row["payload"], row["algorithm"], row["previous"], row["hash"],
            )  # fmt: skip
        if len(rows) < PAGE:
            return
        after = (rows[-1]["stream_id"], rows[-1]["seq"])


async def heads() -> list[tuple[str, int, str]]:
    """Every chain's stored head."""
    rows = await fetch("SELECT kind, ref, seq, head FROM stream ORDER BY id")
    return [(f"{row['kind']}:{row['ref']}", row["seq"], row["head"]) for row in rows]


async def anchors() -> list[AnchorLine]:
    """Every anchor, oldest first."""
    rows = await fetch("SELECT day, heads, previous, hash, algorithm FROM anchor ORDER BY id")
    return [AnchorLine(as_date(r["day"]), r["heads"], r["previous"], r["hash"], r["algorithm"]) for r in rows]


async def drop_anchor(day: date) -> AnchorLine | None:
    """Chain the heads that changed since the last anchor. None when nothing did, or the day has its anchor."""
    if await fetch("SELECT 1 AS found FROM anchor WHERE day = :day", day=day):
        return None
    changed = await fetch(
        "UPDATE stream SET anchored_seq = seq WHERE seq > anchored_seq RETURNING kind, ref, seq, head"
    )
    if not changed:
        return None
    last = await fetch("SELECT hash FROM anchor ORDER BY id DESC LIMIT 1")
    heads_changed = ((f"{row['kind']}:{row['ref']}", row["seq"], row["head"]) for row in changed)
    made = chain_anchor(day, heads_changed, str(last[0]["hash"]) if last else GENESIS)
    await execute(
        "INSERT INTO anchor (day, heads, previous, hash, algorithm)"
        " VALUES (:day, :heads, :previous, :hash, :algorithm)",
        day=made.day, heads=made.heads, previous=made.previous, hash=made.hash, algorithm=ALGORITHM,
    )  # fmt: skip
    return made
