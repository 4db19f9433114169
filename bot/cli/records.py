"""Commands about what is kept: who is late, who is who, and what a changed registry would touch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.arguments import Form
from bot.cli.output import FINE, FOUND, Answer, BadInputError, Format, Row, hint, note, show
from bot.cli.running import Config, run
from bot.serving import database as writable
from bot.settings import Settings, load
from bot.simulation import IN_MEMORY
from bot.store import people, reach
from duties import planning, roster
from duties.amendment import amended
from duties.model import OPEN_STATES, Obligation
from duties.reading import load as read_registry
from duties.reading import shipped
from duties.registry import Registry
from duties.roster import Roster
from duties.store import database as store
from duties.store import looking, reading, roster_rows
from duties.store.reading import Filter

OVERDUE = ("number", "unit", "duty", "term", "due", "days", "state", "provisions")
CHANGED = ("change", "code", "name", "facts")
UNREACHED = ("unit", "role", "person", "code")
INVITED = ("person", "name", "code", "expires")
AMENDED = ("change", "duty", "term", "jurisdiction", "due", "was_due", "open")
Database = Annotated[str | None, typer.Option("--database", metavar="URL", help=hint("cli.option.database"))]


@asynccontextmanager
async def kept(settings: Settings) -> AsyncIterator[None]:
    """The installation's database, which must be there already; neither made nor migrated."""
    location = store.locate(settings.database)
    if location.file is not None and not location.file.exists():
        raise BadInputError("cli.no-database", database=settings.database)
    async with store.opened(settings.database):
        if not await looking.has_tables():
            raise BadInputError("cli.no-tables", database=location.file or location.dialect)
        yield


@asynccontextmanager
async def _as_it_stands(settings: Settings) -> AsyncIterator[None]:
    """The installation's database to look at; where there is none yet, an empty one in memory."""
    location = store.locate(settings.database)
    if location.file is None or location.file.exists():
        async with store.opened(settings.database):
            if await looking.has_tables():
                yield
                return
    async with store.opened(IN_MEMORY) as empty:
        await store.migrate(empty)
        yield


def overdue(
    config: Config = None,
    database: Database = None,
    fail: Annotated[bool, typer.Option("--fail", help=hint("cli.option.fail"))] = False,
    form: Form = Format.TABLE,
) -> None:
    settings = load(config, database=database)
    rows: list[Row] = []

    async def work() -> None:
        async with kept(settings):
            today = datetime.now(settings.zone).date()
            wanted = Filter(states=OPEN_STATES, due_before=today, limit=1_000_000)
            registry = shipped()
            rows.extend(_late(one, registry, today) for one in await reading.obligations(wanted))

    run(work(), settings.log_format)
    show(Answer(rows, OVERDUE, ("number", "unit", "title", "term", "due", "days", "state")), form)
    raise typer.Exit(FOUND if fail and rows else FINE)


def _late(one: Obligation, registry: Registry, today: date) -> Row:
    """A row; a duty that the registry no longer knows is still owed, under its code."""
    duty = registry.by_code.get(one.duty)
    return {
        "number": one.id, "unit": one.unit, "duty": one.duty, "title": duty.title if duty else one.duty,
        "term": one.term, "due": one.due, "days": (today - one.due).days, "state": str(one.state),
        "provisions": registry.citations(duty) if duty else [],
    }  # fmt: skip


def units_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=hint("cli.option.roster"))],
    apply: Annotated[bool, typer.Option("--apply", help=hint("cli.option.apply"))] = False,
    config: Config = None,
    database: Database = None,
    form: Form = Format.TABLE,
) -> None:
    settings = load(config, database=database)
    read = roster.read(file, shipped())
    wanted = roster.addresses(read)
    _check_connections(settings, {connection for connection, _ in wanted})
    changes: list[roster_rows.RosterChange] = []
    reached: list[reach.AddressChange] = []

    async def work() -> None:
        if apply:
            async with writable(settings):
                changes.append(await _applied(read, settings))
                reached.extend(await reach.readdress(wanted, datetime.now(UTC)))
        else:
            async with _as_it_stands(settings):
                today = datetime.now(settings.zone).date()
                changes.append(await roster_rows.difference(read, today, settings.office_minute))
                reached.extend(await reach.readdressed(wanted))

    run(work(), settings.log_format)
    for tag in roster.tags_without_units(shipped(), read):
        note("cli.tag-without-unit", tag=tag)
    rows = [row for change in changes for row in _changes(change)] + [_address(one) for one in reached]
    show(Answer(rows, CHANGED), form)
    note("cli.import-applied" if apply else "cli.import-dry", count=len(rows))


def _check_connections(settings: Settings, named: set[str]) -> None:
    """An address on a connection that is not configured would be one that nobody is told at."""
    known = [str(row.get("name")) for row in settings.connection]
    for connection in sorted(named):
        if connection not in known:
            raise BadInputError("cli.no-such-connection", connection=connection)


def _address(one: reach.AddressChange) -> Row:
    kind = "address_moved" if one.was else "address_added"
    was = f" ({one.was})" if one.was else ""
    return {"change": kind, "code": one.person, "name": "", "facts": [f"{one.connection}: {one.address}{was}"]}


async def _applied(read: Roster, settings: Settings) -> roster_rows.RosterChange:
    now = datetime.now(settings.zone)
    change = await roster_rows.apply(read, "cli", now, settings.office_minute)
    await planning.plan(shipped(), now, now.date(), timedelta(days=settings.horizon_days))
    openings = await roster_rows.apply_openings(read, shipped(), now, now.date())
    for one in openings.missing:
        note("cli.opening-missing", unit=one.unit, duty=one.duty)
    return change


def _changes(change: roster_rows.RosterChange) -> list[Row]:
    units = [
        {"change": kind, "code": one.code, "name": one.name, "facts": [_fact(fact) for fact in one.facts]}
        for kind in ("added", "changed", "ended", "absent")
        for one in getattr(change, kind)
    ]
    posts = [
        {"change": kind, "code": one.unit, "name": one.name, "facts": [f"{one.role}: {one.unit_name}"]}
        for kind in ("posts_added", "posts_changed", "posts_ended")
        for one in getattr(change, kind)
    ]
    return [*units, *posts]


def _fact(fact: roster_rows.Fact) -> str:
    return f"{fact.field}: {fact.before} → {fact.after}" if fact.before else f"{fact.field}: {fact.after}"


def people_invite(
    code: Annotated[str, typer.Argument(metavar="PERSON", help=hint("cli.option.person"))],
    config: Config = None,
    database: Database = None,
    form: Form = Format.TABLE,
) -> None:
    settings = load(config, database=database)
    rows: list[Row] = []

    async def work() -> None:
        now = datetime.now(UTC)
        async with kept(settings):
            found = await people.person_coded(code)
            if not found:
                known = list(dict.fromkeys(row["code"] for row in await people.players()))
                raise BadInputError("cli.no-such-person", person=code, known=known[:20])
            made = await people.invite(found[0]["id"], now)
            expires = (now + people.INVITATION_LASTS).astimezone(settings.zone).replace(microsecond=0)
            rows.append({"person": code, "name": found[0]["name"], "code": made, "expires": expires})

    run(work(), settings.log_format)
    show(Answer(rows, INVITED), form)


def people_unreached(
    fail: Annotated[bool, typer.Option("--fail", help=hint("cli.option.fail"))] = False,
    config: Config = None,
    database: Database = None,
    form: Form = Format.TABLE,
) -> None:
    settings = load(config, database=database)
    rows: list[Row] = []

    async def work() -> None:
        async with kept(settings):
            rows.extend(await reach.unreached(datetime.now(settings.zone).date(), 1_000_000))

    run(work(), settings.log_format)
    show(Answer(rows, UNREACHED), form)
    raise typer.Exit(FOUND if fail and rows else FINE)


def registry_diff(
    tables: Annotated[Path | None, typer.Option("--registry", help=hint("cli.option.registry"))] = None,
    config: Config = None,
    database: Database = None,
    form: Form = Format.TABLE,
) -> None:
    settings = load(config, database=database)
    if tables is not None and not tables.is_dir():
        raise BadInputError("cli.no-such-folder", folder=str(tables))
    registry = shipped() if tables is None else read_registry(tables)
    rows: list[Row] = []

    async def work() -> None:
        async with kept(settings):
            today = datetime.now(settings.zone).date()
            found = await amended(registry, today, timedelta(days=settings.horizon_days))
            rows.extend(asdict(one) for one in found)

    run(work(), settings.log_format)
    show(Answer(rows, AMENDED), form)
    raise typer.Exit(FOUND if rows else FINE)
