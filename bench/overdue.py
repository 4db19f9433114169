"""A supervisor's overdue page over 200 units out of a million obligations, against the bare statement."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from bench.measure import Goal, Line, interleaved
from bench.world import NOW, TODAY, World, analyze, empty, populate, same
from duties.model import OPEN_STATES
from duties.store import reading
from duties.store.database import client, dialect, execute, fetch
from duties.store.reading import Filter

TERMS = 50
PAGE = 50
SUBTREE = 200
BARE = """
    SELECT o.id, t.duty, t.label, u.name, t.due FROM obligation o JOIN term t ON t.id = o.term_id
    JOIN unit u ON u.id = o.unit_id
    WHERE u.path LIKE {1} AND o.state IN ('pending', 'acknowledged', 'returned') AND t.due < {2}
    ORDER BY t.due, u.path, t.duty, o.id LIMIT {3}
"""


async def lines(world: World) -> AsyncIterator[Line]:
    await populate(world.units)
    under = await _fill(world)
    marks = ["", "?", "?", "?"] if dialect() == "sqlite" else ["", "$1", "$2", "$3"]
    bare = BARE.format(*marks)
    today = TODAY.isoformat() if dialect() == "sqlite" else TODAY
    wanted = Filter(under=under, states=OPEN_STATES, due_before=TODAY, limit=PAGE)
    calls = 40

    async def one_bare() -> object:
        return await client().execute_query(bare, [f"{under}%", today, PAGE])

    async def one_ours() -> object:
        return await reading.obligations(wanted)

    same("rows of a page", len(await reading.obligations(wanted)), PAGE)

    found = await interleaved(world.rounds, bare=_p99(one_bare, calls), ours=_p99(one_ours, calls))
    (count,) = await fetch("SELECT COUNT(*) AS found FROM obligation")
    note = f"{SUBTREE} units of {world.units:,}, {count['found']:,} obligations"
    ratios, goal = found.times("ours", "bare"), Goal(2, 1.2, at_most=True)
    yield Line("overdue page, p99", "the bare statement", ratios, goal, world.store, note)
    await empty("obligation", "term")
    await execute("UPDATE unit SET path = '/' || parent_id || '/' || id || '/' WHERE path LIKE '/bench/%'")


async def _fill(world: World) -> str:
    """Fifty terms for every unit, one in twelve still open, and 200 units moved under one path."""
    await empty("obligation", "term")
    for number in range(TERMS):
        await execute(
            "INSERT INTO term (duty, label, jurisdiction, covers_from, covers_to, opens, due, basis, force,"
            " units_digest, planned_for, stirred)"
            " VALUES (:duty, '2026', '昌吉州', :day, :day, :day, :day, 'text', 'settled', '', '', 0)",
            duty=f"bench-{number}", day=TODAY - timedelta(days=number + 1),
        )  # fmt: skip
    false = "0" if dialect() == "sqlite" else "FALSE"
    await execute(
        "INSERT INTO obligation (term_id, unit_id, state, target, tally, planned_at, backdated, evidence, reason)"
        " SELECT t.id, u.id, CASE WHEN (u.id + t.id) % 12 = 0 THEN 'pending' ELSE 'closed' END, 1, 0,"
        f" {':now' if dialect() == 'sqlite' else 'CAST(:now AS TIMESTAMPTZ)'}, {false}, '[]', ''"
        " FROM term t CROSS JOIN unit u",
        now=NOW,
    )
    await execute(
        "UPDATE unit SET path = '/bench/' || id || '/' WHERE id IN"
        " (SELECT id FROM unit WHERE code LIKE 'u%' ORDER BY id LIMIT :some)",
        some=SUBTREE,
    )
    await analyze()
    return "/bench/"


def _p99(call: Callable[[], Awaitable[object]], calls: int) -> Callable[[], Awaitable[float]]:
    async def run() -> float:
        took = []
        for _ in range(calls):
            began = time.perf_counter()
            await call()
            took.append(time.perf_counter() - began)
        return sorted(took)[int(len(took) * 0.99)]

    return run
