"""The store on its two databases: the real indexes, the real columns, one writer, nothing half done."""

import asyncio
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tortoise.context import get_current_context
from tortoise.exceptions import OperationalError
from tortoise.fields.data import CharEnumFieldInstance
from tortoise.migrations import operations as ops
from tortoise.migrations.autodetector import MigrationAutodetector

from duties.store import database, planned
from duties.store.database import (
    APPS,
    DatabaseBusyError,
    backup,
    dialect,
    execute,
    execute_many,
    fetch,
    locate,
    migrate,
    opened,
    owned,
    transaction,
)  # fmt: skip
from duties.store.tables import Obligation
from tests.duties.town import fresh

ALL = ["bot.0001_initial", "bot.0002_indexes", "duties.0001_initial", "duties.0002_indexes"]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        yield


def migrations() -> list[ModuleType]:
    """Every migration of both apps."""
    folders = {str(app["migrations"]): Path(str(app["migrations"]).replace(".", "/")) for app in APPS.values()}
    return [
        import_module(f"{package}.{file.stem}")
        for package, folder in folders.items()
        for file in sorted((Path(__file__).parents[2] / folder).glob("0*.py"))
    ]


def normal(text: str) -> str:
    """An index as one line of lower case, without what PostgreSQL adds when it repeats it."""
    text = re.sub(r"using btree |public\.|::\w+( varying)?(\[\])?|[\"'()]", "", " ".join(text.lower().split()))
    return re.sub(r"= any array\[(.*?)\]", r"in \1", text)


async def indexes() -> dict[str, str]:
    """The indexes that are really there, by name, those of primary keys and of the ORM's own table left out."""
    if dialect() == "sqlite":
        rows = await fetch("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    else:
        rows = await fetch(
            "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = 'public'"
            " AND indexname NOT LIKE '%_pkey' AND tablename <> 'tortoise_migrations'"
        )
    return {row["name"]: normal(row["sql"]) for row in rows}


@pytest.mark.usefixtures("store")
async def test_the_indexes_are_those_of_the_migrations() -> None:
    wanted: dict[str, str] = {}
    for module in migrations():
        for kind, table in (("UNIQUE INDEX", "UNIQUE"), ("INDEX", "PLAIN")):
            listed: dict[str, str] = getattr(module, table, {})
            wanted |= {name: normal(f"CREATE {kind} {name} ON {on}") for name, on in listed.items()}
    assert len(wanted) > 30
    assert await indexes() == wanted


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("table", ["unit", "term", "obligation", "reminder", "stream", "entry", "anchor", "chore"])
async def test_a_table_that_is_asked_by_key_has_a_unique_one(table: str) -> None:
    assert any(text.startswith("create unique") and f" on {table} " in text for text in (await indexes()).values())


@pytest.mark.usefixtures("store")
async def test_the_migrations_make_what_the_models_say() -> None:
    context = get_current_context()
    assert context is not None
    assert context.apps is not None
    apps = {label: {**app, "default_connection": dialect()} for label, app in APPS.items()}
    changes = [one for writer in await MigrationAutodetector(context.apps, apps).changes() for one in writer.operations]
    assert [vars(one) for one in changes if not meant(one)] == []


def meant(change: object) -> bool:
    """Descriptions of tables stay out of the migrations, and so do enumerations, which may be renamed one day."""
    if isinstance(change, ops.AlterField):
        return isinstance(change.field, CharEnumFieldInstance)
    return isinstance(change, ops.AlterModelOptions)


def test_migrations_hold_only_what_can_be_put_together_beforehand() -> None:
    steps = [step for module in migrations() for step in module.Migration.operations]
    assert {type(step) for step in steps} <= {ops.CreateModel, ops.AddField, ops.AddIndex, ops.RunSQL}


async def test_migrating_twice_does_nothing_the_second_time(database_url: str) -> None:
    async with opened(database_url) as location:
        assert await migrate(location) == ALL
        assert await migrate(location) == []


async def test_a_migration_that_dies_leaves_nothing_and_can_start_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = database._define

    async def dying(statement: str) -> None:
        await real(statement)
        if "uq_unit_code" in statement:
            raise RuntimeError

    async with opened(database_url) as location:
        with monkeypatch.context() as patch:
            patch.setattr(database, "_define", dying)
            with pytest.raises(RuntimeError):
                await migrate(location)
        assert await indexes() == {}
        assert await migrate(location) == ALL


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_replicas_that_start_at_once_migrate_once(database_url: str) -> None:
    code = (
        "import asyncio, sys\nfrom duties.store.database import migrate, opened\n"
        "async def main():\n    async with opened(sys.argv[1]) as location:\n        print(await migrate(location))\n"
        "asyncio.run(main())"
    )
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, database_url, stdout=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    printed = [(await process.communicate())[0].decode().strip() for process in started]
    assert sorted(printed) == sorted([str(ALL), "[]", "[]"])


async def test_what_is_no_database_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no database, however long it may be\n" * 100, encoding="utf-8")
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        async with asyncio.timeout(10), opened(f"sqlite://{tmp_path}/notes.db"):
            pass


async def test_an_upgrade_is_backed_up_first_and_a_first_start_is_not(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/duban.db"
    async with opened(url) as location:
        await migrate(location, tmp_path / "backups")
        assert not (tmp_path / "backups").exists()
        await planned.chore_done("before", "the upgrade")
        await execute("DELETE FROM tortoise_migrations WHERE app = 'duties' AND name = '0002_indexes'")
        with pytest.raises(OperationalError, match="already exists"):
            await migrate(location, tmp_path / "backups")
    (kept,) = (tmp_path / "backups").iterdir()
    assert kept.name == "duban-before-duties-0002_indexes.db"
    with sqlite3.connect(kept) as copy:
        assert copy.execute("SELECT done FROM chore").fetchall() == [("the upgrade",)]
    copy.close()


async def test_a_backup_may_be_made_twice(tmp_path: Path) -> None:
    async with fresh(f"sqlite://{tmp_path}/duban.db"):
        for _ in range(2):
            await backup(tmp_path / "kept" / "copy.db")
    assert (tmp_path / "kept" / "copy.db").stat().st_size


def test_a_second_process_on_the_same_file_is_refused(tmp_path: Path) -> None:
    location = locate(f"sqlite://{tmp_path}/duban.db")
    with owned(location), pytest.raises(DatabaseBusyError, match=r"duban\.db is in use"), owned(location):
        pass
    with owned(location):
        pass


def test_a_database_that_is_no_file_is_nobodys_alone() -> None:
    location = locate("sqlite://:memory:")
    with owned(location), owned(location):
        pass


INSTANT = datetime(2026, 1, 20, 4, 0, 0, 1, tzinfo=UTC)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-7))])
async def test_instants_are_kept_in_utc_by_the_orm_and_by_statements(zone: timezone) -> None:
    await Obligation.create(unit_id=1, term_id=1, state="pending", planned_at=INSTANT.astimezone(zone))
    await execute(
        "INSERT INTO obligation (term_id, unit_id, state, target, tally, planned_at, backdated, evidence, reason)"
        " SELECT term_id, 2, state, target, tally, :at, backdated, evidence, reason FROM obligation",
        at=INSTANT.astimezone(zone),
    )
    kept = await fetch("SELECT planned_at FROM obligation")
    assert {str(one["planned_at"]) for one in kept} == {"2026-01-20 04:00:00.000001+00:00"}
    assert await Obligation.filter(planned_at=INSTANT).count() == 2


@pytest.mark.usefixtures("store")
async def test_a_statement_may_name_a_list_more_than_once() -> None:
    await execute_many(
        "INSERT INTO chore (name, done) VALUES (:name, :done)", [{"name": name, "done": name} for name in "abc"]
    )
    rows = await fetch(
        "SELECT name FROM chore WHERE name IN :some AND done IN :some AND name <> :not_this ORDER BY name",
        some=("a", "b"), not_this="b",
    )  # fmt: skip
    assert rows == [{"name": "a"}]


async def half_done() -> None:
    async with transaction():
        await planned.chore_done("half", "done")
        raise RuntimeError


@pytest.mark.usefixtures("store")
async def test_a_transaction_that_fails_leaves_nothing() -> None:
    with pytest.raises(RuntimeError):
        await half_done()
    assert await planned.chore("half") == ""


@pytest.mark.usefixtures("store")
async def test_how_many_rows_were_touched_is_told_alike() -> None:
    assert await execute("INSERT INTO chore (name, done) SELECT 'x', 'y' UNION ALL SELECT 'z', 'y'") == 2
    assert await execute("UPDATE chore SET done = 'n' WHERE name = 'x'") == 1
    assert await execute("DELETE FROM chore WHERE name = 'nobody'") == 0


async def test_sqlite_keeps_what_was_committed_through_a_power_cut(tmp_path: Path) -> None:
    async with fresh(f"sqlite://{tmp_path}/duban.db"):
        (journal,), (synchronous,) = await fetch("PRAGMA journal_mode"), await fetch("PRAGMA synchronous")
        assert (journal["journal_mode"], synchronous["synchronous"]) == ("wal", 2)


def test_days_read_alike_from_text_and_from_a_driver() -> None:
    day = date(2026, 1, 31)
    assert {database.as_date(value) for value in (day, "2026-01-31", "2026-01-31 00:00:00")} == {day}
