"""Where the measuring happens: a database of either kind, a roster of any size, the shipped law."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.app import Law
from duties.model import Role, Tag
from duties.roster import PostEntry, Roster, TagEntry, UnitEntry
from duties.store import roster_rows
from duties.store.database import client, dialect, execute, migrate, opened
from tests import postgres

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 3, 2)
NOW = datetime.combine(TODAY, time(12), ZONE).astimezone(UTC)
OFFICE = 600
REGION = "新疆维吾尔自治区/昌吉州"
COUNTIES = ("昌吉市", "阜康市", "呼图壁县", "玛纳斯县", "奇台县", "吉木萨尔县", "木垒县")


@dataclass(frozen=True, slots=True)
class World:
    """An open, migrated database and how much is to be done in it."""

    law: Law
    units: int
    rounds: int

    @property
    def store(self) -> str:
        return dialect()


@contextmanager
def stores() -> Iterator[dict[str, str]]:
    """The URL of an empty database by kind. Both keep what they commit: fsync is on, SQLite runs synchronous=FULL."""
    with tempfile.TemporaryDirectory(prefix="duban-bench-") as folder:
        urls = {"sqlite": f"sqlite://{Path(folder)}/duban.db"}
        if postgres.find_binaries() is None:
            print(f"\n*** {postgres.MISSING.replace('TESTS DID', 'BENCHMARKS DID')} ***\n", flush=True)
            yield urls
            return
        # The tests give durability up for speed; what is measured here must not.
        postgres.SERVER_OPTIONS = postgres.SERVER_OPTIONS.replace("=off", "=on") + " -c max_wal_size=4GB"
        with postgres.postgres() as socket:
            yield urls | {"postgresql": f"asyncpg://postgres@/postgres?host={socket}&port=5432"}


@asynccontextmanager
async def world(url: str, units: int, rounds: int) -> AsyncIterator[World]:
    async with opened(url) as location:
        await migrate(location)
        yield World(Law.shipped(), units, rounds)


async def populate(units: int) -> None:
    """The roster in the store, as if it had been imported the day before."""
    if not await execute("UPDATE unit SET level = level WHERE parent_id IS NULL"):
        await roster_rows.apply(roster(units), "bench", NOW, OFFICE)
        await analyze()


async def script(statement: str) -> None:
    """What answers with neither rows nor a count."""
    await client().execute_script(statement)


async def analyze() -> None:
    """Fresh statistics, as a running database has them."""
    await script("ANALYZE")


async def empty(*tables: str) -> None:
    """No rows, and numbers from one again: rows that a baseline copies refer to each other by number."""
    for table in tables:
        statement = f"DELETE FROM {table}" if dialect() == "sqlite" else f"TRUNCATE {table} RESTART IDENTITY"
        await script(statement)
        if dialect() == "sqlite":
            await execute("DELETE FROM sqlite_sequence WHERE name = :table", table=table)


def same(what: str, found: int, expected: int) -> None:
    """Stop a benchmark whose cases did not do the same work: its ratio would say nothing."""
    if not expected or found != expected:
        raise RuntimeError(f"{what}: {found:,} instead of {expected:,}; the ratio would say nothing")


def roster(units: int) -> Roster:
    """The prefecture, its counties with a justice bureau each, and townships and departments up to a number."""
    counties = [f"{REGION}/{name}" for name in COUNTIES]
    listed = [
        _unit("gov", "", REGION, "prefecture", Tag.GOVERNMENT),
        _unit("justice", "gov", REGION, "prefecture", Tag.DEPARTMENT, Tag.JUSTICE),
        *(_unit(f"c{n}", "gov", place, "county", Tag.GOVERNMENT) for n, place in enumerate(counties)),
        *(_unit(f"c{n}-justice", f"c{n}", place, "county", Tag.JUSTICE) for n, place in enumerate(counties)),
    ]
    for number in range(units - len(listed)):
        county = number % len(counties)
        tags = (Tag.TOWNSHIP,) if number % 2 else (Tag.DEPARTMENT, Tag.ENFORCEMENT)
        level = "township" if number % 2 else "county"
        listed.append(_unit(f"u{number}", f"c{county}", counties[county], level, *tags))
    return Roster("bench", f"{units} units", tuple(listed))


def _unit(code: str, parent: str, jurisdiction: str, level: str, *tags: Tag) -> UnitEntry:
    roles = (Role.HEAD, Role.OFFICER, *((Role.SUPERVISOR,) if Tag.JUSTICE in tags else ()))
    return UnitEntry.model_construct(
        code=code, name=f"单位{code}", level=level, parent=parent or None, jurisdiction=jurisdiction,
        tags=tuple(TagEntry(tag=tag) for tag in tags),
        posts=tuple(PostEntry(role=role, person=f"{code}-{role}", name=f"{code} {role}") for role in roles),
    )  # fmt: skip
