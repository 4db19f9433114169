"""Import of a roster, against the same rows by bare executemany."""

from collections.abc import AsyncIterator

from bench.measure import Line, interleaved, seconds
from bench.world import NOW, OFFICE, World, analyze, empty, same
from bench.world import roster as made
from duties.store import roster_rows
from duties.store.database import client, dialect, fetch, transaction

COLUMNS = {
    "unit": "code, name, aliases, level, parent_id, path, jurisdiction, supervisor_id, office_opens, since, until",
    "unit_tag": "unit_id, tag, since, until",
    "person": "code, name",
    "post": "person_id, unit_id, role, since, until",
    "stream": "kind, ref, seq, head, anchored_seq",
    "entry": "stream_id, seq, at, actor, action, channel, payload, algorithm, previous, hash",
}


async def lines(world: World) -> AsyncIterator[Line]:
    roster = made(world.units)
    await empty(*COLUMNS)
    await roster_rows.apply(roster, "bench", NOW, OFFICE)
    rows = {table: await fetch(f"SELECT {columns} FROM {table} ORDER BY id") for table, columns in COLUMNS.items()}
    count = sum(len(some) for some in rows.values())

    async def bare() -> float:
        await empty(*COLUMNS)
        took = await seconds(_insert(rows))
        same("bare rows", await _held(), count)
        return took

    async def ours() -> float:
        await empty(*COLUMNS)
        took = await seconds(roster_rows.apply(roster, "bench", NOW, OFFICE))
        same("imported rows", await _held(), count)
        return took

    found = await interleaved(world.rounds, bare=bare, ours=ours)
    note = f"{world.units:,} units, {count:,} rows"
    yield Line("roster import, rows/s", "bare executemany", found.rates("ours", "bare"), None, world.store, note)
    await analyze()


async def _held() -> int:
    counts = [await fetch(f"SELECT COUNT(*) AS found FROM {table}") for table in COLUMNS]
    return sum(int(rows[0]["found"]) for rows in counts)


async def _insert(rows: dict[str, list[dict[str, object]]]) -> None:
    async with transaction():
        for table, columns in COLUMNS.items():
            names = columns.split(", ")
            marks = ", ".join("?" if dialect() == "sqlite" else f"${n}" for n, _ in enumerate(names, 1))
            values = [[row[name] for name in names] for row in rows[table]]
            await client().execute_many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)
