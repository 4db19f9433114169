"""Looking without touching: whether the tables are there, and all of them as they stand at one moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from duties.store.database import client, dialect, fetch, transaction


async def has_tables() -> bool:
    """Whether a migration has ever run on the open database."""
    if dialect() == "sqlite":
        return bool(await fetch("SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = 'obligation'"))
    (row,) = await fetch("SELECT to_regclass('obligation') IS NOT NULL AS found")
    return bool(row["found"])


@asynccontextmanager
async def one_moment() -> AsyncIterator[None]:
    """Everything read inside is of one moment, whatever others write meanwhile. SQLite's transactions are so."""
    async with transaction():
        if dialect() != "sqlite":
            await client().execute_script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


async def tags_held() -> set[str]:
    """Every tag that a unit has, had or will have."""
    return {str(row["tag"]) for row in await fetch("SELECT DISTINCT tag FROM unit_tag")}
