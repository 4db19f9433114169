"""The door to either database: opening, migrating, transactions and named-parameter statements."""

import fcntl
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor, PlanStep
from tortoise.migrations.migration import Migration
from tortoise.migrations.operations import CreateModel, RunSQL
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State
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
_statements: dict[tuple[str, ...], list[list[str]]] = {}
"""By dialect and migrations: what brings them into a database."""


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
        # Now: after a first connection that failed the ORM keeps its lock, and its migrations hide the failure.
        await fetch("SELECT 1 AS here")
        yield location
    finally:
        _current.remove(location)
        await context.close_connections()


async def migrate(location: Location, backups: Path | None = None) -> list[str]:
    """Bring the schema up to date: all of it or nothing, by one process at a time, after a backup.

    The ORM's own executor commits each migration, then notes it: killed in between, it could never start again.
    """
    pending = await _pending(location)
    if not pending:
        return []
    if backups is not None and location.file is not None and await _holds_tables():
        await backup(backups / f"{location.file.stem}-before-{pending[0].replace('.', '-')}.db")
    async with transaction():
        await _hold_migrations(location)
        executor = _executor(location)
        steps = await executor.plan()  # another process may have been here meanwhile
        for step, statements in zip(steps, await _collected(executor, steps), strict=True):
            for statement in statements:
                await _define(statement)
            await executor.recorder.record_applied(step.migration.app_label, step.migration.name)
    return [_named(step) for step in steps]


def _executor(location: Location) -> MigrationExecutor:
    apps = {label: {**app, "default_connection": location.dialect} for label, app in APPS.items()}
    return MigrationExecutor(client(), apps)


def _named(step: PlanStep) -> str:
    return f"{step.migration.app_label}.{step.migration.name}"


async def _pending(location: Location) -> list[str]:
    return [_named(step) for step in await _executor(location).plan()]


async def _collected(executor: MigrationExecutor, steps: Sequence[PlanStep]) -> list[list[str]]:
    """The statements of each migration. Kept: the ORM takes long to put them together."""
    key = (dialect(), *map(_named, steps))
    if key not in _statements:
        state = await executor._project_state(set(await executor.recorder.applied_migrations()))  # noqa: SLF001
        found = []
        for step in steps:
            editor = executor._schema_editor(atomic=False, collect_sql=True)  # noqa: SLF001  no public way
            await _apply(step.migration, state, editor)
            found.append([text for text in editor.collected_sql if not text.lstrip().startswith("--")])
        _statements[key] = found
    return _statements[key]


async def _apply(migration: Migration, state: State, editor: BaseSchemaEditor) -> None:
    """Every operation in turn. The ORM's own loop renders all models anew before each, also where nothing asks it."""
    for operation in migration.operations:
        before = state if isinstance(operation, (CreateModel, RunSQL)) else state.clone()
        operation.state_forward(migration.app_label, state)
        await operation.database_forward(migration.app_label, before, state, editor)
    state.validate_relations_initialized()


async def _holds_tables() -> bool:
    return bool(await fetch("SELECT 1 AS found FROM sqlite_master WHERE type = 'table' LIMIT 1"))


async def _hold_migrations(location: Location) -> None:
    """Until the end of the transaction no other process migrates; the first statement also locks SQLite's file."""
    if location.dialect != "sqlite":
        await fetch("SELECT pg_advisory_xact_lock(:lock)", lock=MIGRATION_LOCK)
    await _define(
        "CREATE TABLE IF NOT EXISTS tortoise_migrations (id "
        + ("INTEGER PRIMARY KEY AUTOINCREMENT" if location.dialect == "sqlite" else "SERIAL PRIMARY KEY")
        + " NOT NULL, app VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL, applied_at "
        + ("TIMESTAMP" if location.dialect == "sqlite" else "TIMESTAMPTZ")
        + " NOT NULL, UNIQUE (app, name))"
    )


async def _define(statement: str) -> None:
    """Run one statement of a schema. On SQLite a script would commit the transaction it stands in."""
    if dialect() == "sqlite":
        await client().execute_query(statement)
    else:
        await client().execute_script(statement)


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


@asynccontextmanager
async def savepoint() -> AsyncIterator[None]:
    """Inside a transaction: what fails in it is taken back whole, and the transaction can go on to say so."""
    await _mark("SAVEPOINT act")
    try:
        yield
    except BaseException:
        await _mark("ROLLBACK TO SAVEPOINT act")
        await _mark("RELEASE SAVEPOINT act")
        raise
    await _mark("RELEASE SAVEPOINT act")


async def _mark(statement: str) -> None:
    """The client of asyncpg looks for a row count, and here is none; SQLite's would commit before a script."""
    if dialect() == "sqlite":
        await client().execute_query(statement)
    else:
        await client().execute_script(statement)


async def alone(what: str) -> None:
    """Wait until nobody else is at `what`, and keep them waiting until the transaction ends: to read, then to write.

    For what no row stands for yet. On SQLite whoever has written is alone anyway.
    """
    if dialect() == "postgresql":
        await fetch("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))", what=what)


@lru_cache(maxsize=1024)
def _compiled(sql: str, spelling: str, lengths: tuple[tuple[str, int], ...]) -> tuple[str, tuple[tuple[str, int], ...]]:
    """The statement with positional placeholders, and the order of the names. Lists become (?, ?, …).

    With each name stands its place in the list; a value that is no list has place -1.
    """
    order: list[tuple[str, int]] = []
    sizes = dict(lengths)

    def place(match: re.Match[str]) -> str:
        name = match[1]
        marks = []
        for position in range(sizes[name]) if name in sizes else (-1,):
            order.append((name, position))
            marks.append("?" if spelling == "sqlite" else f"${len(order)}")
        return f"({', '.join(marks)})" if name in sizes else marks[0]

    return _NAME.sub(place, sql), tuple(order)


def _bound(sql: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
    lengths = tuple((name, len(value)) for name, value in values.items() if isinstance(value, (list, tuple)))
    text, order = _compiled(sql, dialect(), lengths)
    return text, [_plain(values[name] if place < 0 else values[name][place]) for name, place in order]


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
    await client().execute_many(text, [[_plain(row[name]) for name, _ in order] for row in rows])


def literal(states: Iterable[StrEnum]) -> str:
    """States as the statement's own text: SQLite uses a partial index only where its condition stands word for word."""
    return f"({', '.join(repr(str(state)) for state in states)})"


def as_date(value: Any) -> date:
    """A day as the driver gave it: PostgreSQL a date, SQLite text."""
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def as_instant(value: Any) -> datetime:
    """An instant as the driver gave it, in UTC."""
    return (value if isinstance(value, datetime) else datetime.fromisoformat(str(value))).astimezone(UTC)
