"""Planning: obligations into the store, against one statement that copies the very same rows from a table."""

from collections.abc import AsyncIterator

from bench.measure import Goal, Line, interleaved, timed
from bench.world import NOW, TODAY, World, empty, populate, same, script
from duties import planning
from duties.store.database import execute, fetch
from duties.store.planned import chore_done

COLUMNS = "term_id, unit_id, state, target, tally, planned_at, backdated, evidence, reason"


async def lines(world: World) -> AsyncIterator[Line]:
    await populate(world.units)
    await empty("obligation", "term")
    await _plan(world)
    await script("DROP TABLE IF EXISTS bench_obligation")
    await script(f"CREATE TABLE bench_obligation AS SELECT {COLUMNS} FROM obligation")
    (row,) = await fetch("SELECT COUNT(*) AS found FROM bench_obligation")
    count = int(row["found"])

    async def bare() -> float:
        await empty("obligation")
        took, rows = await timed(execute(f"INSERT INTO obligation ({COLUMNS}) SELECT {COLUMNS} FROM bench_obligation"))
        same("bare obligations", rows, count)
        return took

    async def ours() -> float:
        await empty("obligation", "term")
        took, rows = await timed(_plan(world))
        same("planned obligations", rows, count)
        return took

    async def again() -> float:
        return await _adds_nothing(world)

    async def changed() -> float:
        await chore_done(planning.ROSTER, f"roster {len(followers['changed'])} of the same units")
        return await _adds_nothing(world)

    async def whole() -> float:
        """A fresh run, then the two that follow it; only the fresh one counts."""
        took = await ours()
        followers["again"].append(await again() / took)
        followers["changed"].append(await changed() / took)
        return took

    followers: dict[str, list[float]] = {"again": [], "changed": []}
    found = await interleaved(world.rounds, bare=bare, ours=whole)
    note = f"{count:,} obligations"
    yield Line("planning, rows/s", "one INSERT..SELECT", found.rates("ours", "bare"), Goal(0.5, 0.9), world.store, note)
    yield Line("planning again, time", "first run", followers["again"][1:], None, world.store, "adds 0")
    yield Line("planning, new roster, time", "first run", followers["changed"][1:], None, world.store, "adds 0")
    await script("DROP TABLE bench_obligation")


async def _plan(world: World) -> int:
    return (await planning.plan(world.law.registry, NOW, TODAY)).added


async def _adds_nothing(world: World) -> float:
    took, added = await timed(_plan(world))
    if added:
        raise RuntimeError(f"planning twice added {added}")
    return took
