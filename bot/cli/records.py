"""Commands about what is kept: who is overdue, who is who, and whether the ledger holds together."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.arguments import Form
from bot.cli.output import FINE, FOUND, Answer, BadInputError, Format, Row, hint, note, show
from bot.cli.running import Config, run
from bot.settings import Settings, load
from bot.store import people
from duties import planning, roster
from duties.ledger import AnchorLine, Line, Verifier
from duties.model import OPEN_STATES, Obligation
from duties.reading import shipped
from duties.registry import Registry
from duties.store import chains, reading, roster_rows, verifying
from duties.store import database as store
from duties.store.reading import Filter

OVERDUE = ("number", "unit", "duty", "term", "due", "days", "state", "provisions")
CHANGED = ("change", "code", "name", "facts")
FAULTS = ("place", "reason")
Database = Annotated[str | None, typer.Option("--database", metavar="URL", help=hint("cli.option.database"))]


@asynccontextmanager
async def kept(settings: Settings, *, writing: bool = False) -> AsyncIterator[None]:
    """The installation's database, which must exist; owned when it is going to be written to."""
    location = store.locate(settings.database)
    if location.file is not None and not location.file.exists():
        raise BadInputError("cli.no-database", database=settings.database)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(store.opened(settings.database))
        if writing:
            stack.enter_context(store.owned(location))
            await store.migrate(location, settings.backups)
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

    run(work())
    show(Answer(rows, OVERDUE, ("number", "unit", "title", "term", "due", "days", "state")), form)
    raise typer.Exit(FOUND if fail and rows else FINE)


def _late(one: Obligation, registry: Registry, today: date) -> Row:
    duty = registry.duty(one.duty)
    return {
        "number": one.id, "unit": one.unit, "duty": one.duty, "title": duty.title, "term": one.term, "due": one.due,
        "days": (today - one.due).days, "state": str(one.state), "provisions": registry.citations(duty),
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
    rows: list[Row] = []

    async def work() -> None:
        now = datetime.now(settings.zone)
        async with AsyncExitStack() as stack:
            location = await stack.enter_async_context(store.opened(settings.database))
            stack.enter_context(store.owned(location))
            await store.migrate(location, settings.backups)
            if apply:
                change = await roster_rows.apply(read, "cli", now, settings.office_minute)
                await planning.plan(shipped(), now, now.date())
                await roster_rows.apply_openings(read, shipped(), now, now.date())
            else:
                change = await roster_rows.difference(read, now.date(), settings.office_minute)
            rows.extend(_changes(change))

    run(work())
    for tag in roster.tags_without_units(shipped(), read):
        note("cli.tag-without-unit", tag=tag)
    show(Answer(rows, CHANGED), form)
    note("cli.import-applied" if apply else "cli.import-dry", count=len(rows))


def _changes(change: roster_rows.RosterChange) -> list[Row]:
    units = [
        {"change": kind, "code": one.code, "name": one.name, "facts": [str(fact) for fact in one.facts]}
        for kind in ("added", "changed", "ended", "absent")
        for one in getattr(change, kind)
    ]
    posts = [
        {"change": kind, "code": one.unit, "name": one.name, "facts": [str(one.role)]}
        for kind in ("posts_added", "posts_changed", "posts_ended")
        for one in getattr(change, kind)
    ]
    return [*units, *posts]


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
                known = [row["code"] for row in await people.players()]
                raise BadInputError("cli.no-such-person", person=code, known=known[:20])
            made = await people.invite(found[0]["id"], now)
            expires = (now + people.INVITATION_LASTS).astimezone(settings.zone)
            rows.append({"person": code, "name": found[0]["name"], "code": made, "expires": expires})

    run(work())
    show(Answer(rows, ("person", "name", "code", "expires")), form)


def ledger_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=hint("cli.option.export"))],
    config: Config = None,
    database: Database = None,
) -> None:
    settings = load(config, database=database)

    async def work() -> None:
        async with kept(settings):
            await _export(file)

    run(work())
    note("cli.exported", file=str(file))


async def _export(file: Path) -> None:
    """One JSON object a line: lines by chain, then heads, then anchors. Written beside and moved into place."""
    beside = file.with_name(f"{file.name}.part")
    with beside.open("w", encoding="utf-8") as out:
        async for line in chains.lines():
            out.write(json.dumps({"line": asdict(line)}, ensure_ascii=False) + "\n")
        for stream, seq, head in await chains.heads():
            out.write(json.dumps({"head": [stream, seq, head]}) + "\n")
        for anchor in await chains.anchors():
            kept_anchor = {**asdict(anchor), "day": anchor.day.isoformat()}
            out.write(json.dumps({"anchor": kept_anchor}, ensure_ascii=False) + "\n")
    beside.replace(file)


def ledger_verify(
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help=hint("cli.option.exported"))] = None,
    anchor: Annotated[str | None, typer.Option("--anchor", metavar="DAY:HASH", help=hint("cli.option.anchor"))] = None,
    config: Config = None,
    database: Database = None,
    form: Form = Format.TABLE,
) -> None:
    verifier = Verifier()
    if file is not None:
        _verify_export(file, verifier)
    else:
        settings = load(config, database=database)
        run(_verify_kept(settings, verifier))
    if anchor:
        verifier.posted(*_posted(anchor))
    show(Answer([asdict(fault) for fault in verifier.faults], FAULTS), form)
    note("cli.ledger-broken" if verifier.faults else "cli.ledger-whole", lines=verifier.lines, n=len(verifier.faults))
    raise typer.Exit(FOUND if verifier.faults else FINE)


async def _verify_kept(settings: Settings, verifier: Verifier) -> None:
    async with kept(settings):
        async for line in chains.lines():
            verifier.line(line)
        for stream, seq, head in await chains.heads():
            verifier.head(stream, seq, head)
        for one in await chains.anchors():
            verifier.anchor(one)
        verifier.faults += await verifying.silent_changes()


def _verify_export(file: Path, verifier: Verifier) -> None:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError("cli.unreadable", file=str(file), reason=error.strerror) from None
    for number, row in enumerate(text.splitlines(), 1):
        try:
            _take(json.loads(row), verifier)
        except (ValueError, TypeError, KeyError):
            raise BadInputError("cli.bad-export", file=str(file), line=number) from None


def _take(row: dict[str, Any], verifier: Verifier) -> None:
    match row:
        case {"line": one}:
            verifier.line(Line(**one))
        case {"head": [stream, seq, head]}:
            verifier.head(stream, seq, head)
        case {"anchor": one}:
            verifier.anchor(AnchorLine(**{**one, "day": datetime.fromisoformat(one["day"]).date()}))
        case _:
            raise ValueError(row)


def _posted(text: str) -> tuple[str, str]:
    day, colon, posted = text.partition(":")
    if not colon:
        raise BadInputError("cli.bad-anchor", value=text)
    return day, posted.strip()
