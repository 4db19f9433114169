"""The door to either database: opening, migrating, transactions and named-parameter statements."""

import fcntl
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor
from tortoise.transactions import in_transaction

from duties.errors import DutyError

Rows = list[dict[str, Any]]
_NAME = re.compile(r"(?<![:\w]):(\w+)")
MIGRATION_LOCK = 0x6475_6261
"""The advisory lock that keeps two replicas from migrating at once ("duba")."""

# Order matters: a table of the middle may refer to one of the domain, never the other way round.
APPS = {
    "duties": {"models": ["duties.store.tables"], "migrations": "duties.store.migrations"},
    "bot": {"models": ["bot.store.tables"], "migrations": "bot.store.migrations"},
}


class DatabaseBusyError(DutyError):
    """Another process holds this SQLite file."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the database is. `file` is set for SQLite on disk."""

    url: str
    dialect: str
    file: Path | None


_current: list[Location] = []


def locate(url: str) -> Location:
    """Tell SQLite from PostgreSQL and add what a durable SQLite connection needs."""
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        path = url.removeprefix("sqlite://").partition("?")[0]
        file = None if path == ":memory:" else Path(path)
        return Location(f"sqlite://{path}?busy_timeout=8000&synchronous=FULL", "sqlite", file)
    return Location(re.sub(r"^(postgres(ql)?)://", "asyncpg://", url), "postgresql", None)


def dialect() -> str:
    """`sqlite` or `postgresql`: which of two spellings a statement needs."""
    return _current[-1].dialect


def client() -> BaseDBAsyncClient:
    """The connection, or the transaction this task is in."""
    return get_connection(_current[-1].dialect)


@contextmanager
def owned(location: Location) -> Iterator[None]:
    """Hold a SQLite file for this process alone: a second writer would raise and deliver beside the first."""
    if location.file is None:
        yield
        return
    location.file.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{location.file}.lock").open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DatabaseBusyError(f"{location.file} is in use by another duban process") from None
        yield


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Location]:
    """Connect for as long as the block lasts. One database a process at a time."""
    location = locate(url)
    if location.file is not None:
        location.file.parent.mkdir(parents=True, exist_ok=True)
    EXECUTOR_CACHE.clear()  # keyed by connection name only: statements of another database would be served
    apps = {label: {**app, "default_connection": location.dialect} for label, app in APPS.items()}
    config = {"connections": {location.dialect: location.url}, "apps": apps, "use_tz": True, "timezone": "UTC"}
    context = await Tortoise.init(config=config, _enable_global_fallback=True)
    _current.append(location)
    try:
        yield location
    finally:
        _current.remove(location)
        await context.close_connections()


async def migrate(location: Location, backups: Path | None = None) -> list[str]:
    """Bring the schema up to date, under a lock and after a backup. Returns what was applied."""
    apps = {label: {**app, "default_connection": location.dialect} for label, app in APPS.items()}
    executor = MigrationExecutor(client(), apps)
    pending = [step for step in await _pending(executor) if not step.startswith("-")]
    if not pending:
        return []
    if backups is not None and location.file is not None and location.file.stat().st_size:
        await backup(backups / f"{location.file.stem}-before-{pending[0].replace('.', '-')}.db")
    async with _migration_lock(location):
        await executor.migrate(direction="forward")
    return pending


async def _pending(executor: MigrationExecutor) -> list[str]:
    await executor.recorder.ensure_schema(executor._schema_editor(atomic=False))  # noqa: SLF001  no public way
    return [f"{step.migration.app_label}.{step.migration.name}" for step in await executor.plan()]


@asynccontextmanager
async def _migration_lock(location: Location) -> AsyncIterator[None]:
    if location.dialect == "sqlite":
        yield
        return
    # A session lock on a connection of its own: the executor commits each migration by itself.
    async with client().acquire_connection() as holder:
        await holder.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            yield
        finally:
            await holder.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def backup(target: Path) -> None:
    """Copy a SQLite database while it is in use."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    await client().execute_query("VACUUM INTO ?", [str(target)])


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """All or nothing. The first statement inside must write: SQLite begins deferred and would refuse to upgrade."""
    async with in_transaction(dialect()):
        yield


@lru_cache(maxsize=1024)
def _compiled(sql: str, spelling: str, lengths: tuple[tuple[str, int], ...]) -> tuple[str, tuple[str, ...]]:
    """The statement with positional placeholders, and the order of the names. Lists become (?, ?, …)."""
    order: list[str] = []
    sizes = dict(lengths)

    def place(match: re.Match[str]) -> str:
        name = match[1]
        marks = []
        for _ in range(sizes.get(name, 1)):
            order.append(name)
            marks.append("?" if spelling == "sqlite" else f"${len(order)}")
        return f"({', '.join(marks)})" if name in sizes else marks[0]

    return _NAME.sub(place, sql), tuple(order)


def _bound(sql: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
    lengths = tuple((name, len(value)) for name, value in values.items() if isinstance(value, (list, tuple)))
    text, order = _compiled(sql, dialect(), lengths)
    lists = {name: iter(values[name]) for name, _ in lengths}
    return text, [_plain(next(lists[name]) if name in lists else values[name]) for name in order]


def _plain(value: Any) -> Any:
    """SQLite stores text: dates in ISO form, instants in UTC, as the ORM writes them."""
    if dialect() != "sqlite":
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value


async def fetch(sql: str, **values: Any) -> Rows:
    """Rows of a statement with :named parameters. On SQLite dates come back as text: see `as_date`."""
    text, bound = _bound(sql, values)
    rows = await client().execute_query_dict(text, bound)
    return [dict(row) for row in rows]


async def execute(sql: str, **values: Any) -> int:
    """Run a statement, return how many rows it touched."""
    text, bound = _bound(sql, values)
    if dialect() == "sqlite":
        count, _ = await client().execute_query(text, bound)
        return int(count)
    # The ORM reads the second word of "INSERT 0 63", which is the oid: the count is the last.
    async with client().acquire_connection() as connection:
        status = str(await connection.execute(text, *bound))
    return int(status.rpartition(" ")[2])


async def execute_many(sql: str, rows: Sequence[dict[str, Any]]) -> None:
    """Run a statement once for each row. Its values are single ones, never lists."""
    if not rows:
        return
    text, order = _compiled(sql, dialect(), ())
    await client().execute_many(text, [[_plain(row[name]) for name in order] for row in rows])


def as_date(value: Any) -> date:
    """A day as the driver gave it: PostgreSQL a date, SQLite text."""
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def as_instant(value: Any) -> datetime:
    """An instant as the driver gave it, in UTC."""
    return (value if isinstance(value, datetime) else datetime.fromisoformat(str(value))).astimezone(UTC)
