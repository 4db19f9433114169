"""A wave: the reminders of one instant, against one statement that raises the same ones."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta

from bench.measure import Goal, Line, interleaved, timed
from bench.world import NOW, TODAY, ZONE, World, analyze, empty, populate, same, script
from duties import planning, reminding
from duties.store import planned
from duties.store.database import execute, fetch

BARE = """
    INSERT INTO reminder (obligation_id, due, rung, audience, tone, severity, late, superseded, raised_at, addressed)
    SELECT o.id, w.due, w.rung, w.audience, w.tone, w.severity, w.late, w.superseded, w.raised_at, w.addressed
    FROM bench_wave w JOIN obligation o ON o.term_id = w.term_id
    WHERE o.state IN ('pending', 'acknowledged', 'returned') ON CONFLICT DO NOTHING
"""
WAVE = """
    CREATE TABLE bench_wave AS
    SELECT DISTINCT o.term_id, m.due, m.rung, m.audience, m.tone, m.severity, m.late, m.superseded, m.raised_at,
      m.addressed
    FROM reminder m JOIN obligation o ON o.id = m.obligation_id
"""


async def lines(world: World) -> AsyncIterator[Line]:
    day = await prepare(world)
    raised = await _raise(world, day)
    await script("DROP TABLE IF EXISTS bench_wave")
    await script(WAVE)
    await analyze()

    async def bare() -> float:
        await empty("reminder")
        took, rows = await timed(execute(BARE))
        same("bare reminders", rows, raised)
        return took

    async def ours() -> float:
        await empty("reminder")
        await not_raised(day)
        took, rows = await timed(_raise(world, day))
        same("reminders", rows, raised)
        return took

    async def again() -> float:
        await not_raised(day)
        took, rows = await timed(_raise(world, day))
        if rows:
            raise RuntimeError(f"a repeated wave raised {rows}")
        return took

    async def whole() -> float:
        took = await ours()
        repeated.append(await again() / took)
        return took

    repeated: list[float] = []
    found = await interleaved(world.rounds, bare=bare, ours=whole)
    note = f"{raised:,} reminders"
    base = "one INSERT..SELECT"
    yield Line("wave, time", base, found.times("ours", "bare"), Goal(1.5, 1.1, at_most=True), world.store, note)
    note = "every touch looked at again: raises 0"
    yield Line("wave repeated, time", "first wave", repeated[1:], Goal(0.6, None, at_most=True), world.store, note)
    await empty("reminder")
    await script("DROP TABLE bench_wave")


async def prepare(world: World) -> date:
    """Everything planned and raised, up to the day before the fullest wave of the coming weeks."""
    await populate(world.units)
    await empty("reminder", "obligation", "term")
    await planning.plan(world.law.registry, NOW, TODAY)
    await analyze()
    day = await _fullest(world)
    await not_raised(day)
    await _raise(world, day)  # catches up with what planning stirred, so that what follows is a day like any other
    await empty("reminder")
    await not_raised(day)
    return day


async def _fullest(world: World) -> date:
    rows = await fetch("SELECT term_id, COUNT(*) AS units FROM obligation GROUP BY term_id")
    held = {row["term_id"]: row["units"] for row in rows}
    weight: Counter[date] = Counter()
    last = TODAY + timedelta(days=120)
    for term in await planned.still_due(TODAY):
        for touch in reminding.term_touches(world.law.registry, world.law.workdays, term, last):
            if touch.day > TODAY and term.opens <= touch.day:
                weight[touch.day] += held.get(term.id, 0) * len(touch.audience)
    return max(weight, key=lambda day: weight[day])


async def not_raised(day: date) -> None:
    await execute("UPDATE term SET raised_through = :day", day=day - timedelta(days=1))


async def _raise(world: World, day: date) -> int:
    at = await reminding.instant(morning(day), ZONE)
    return await reminding.raise_due(world.law.registry, world.law.workdays, at)


def morning(day: date) -> datetime:
    return datetime.combine(day, time(10, 30), ZONE).astimezone(UTC)


async def wave(world: World) -> tuple[date, int]:
    """The fullest wave, raised: for what comes after it."""
    day = await prepare(world)
    return day, await _raise(world, day)
