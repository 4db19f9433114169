"""Commands about enforcement officers: who they are, and their hours of training from a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.arguments import Form
from bot.cli.output import Answer, BadInputError, Format, Row, hint, note, show
from bot.cli.records import CHANGED, Database, kept
from bot.cli.running import Config, run
from bot.serving import database as writable
from bot.settings import Settings, load
from bot.wording import headings
from duties import officers, training
from duties.obligations import Moment
from duties.officers import Change, Had
from duties.reading import shipped
from duties.store import officer_lists, officer_rows
from duties.store.database import transaction

HOURS = ("unit", "name", "certificate", "date", "topic", "hours")
File = Annotated[Path, typer.Argument(metavar="FILE", help=hint("cli.option.officers"))]
Apply = Annotated[bool, typer.Option("--apply", help=hint("cli.option.apply"))]


def officers_import(
    file: File, apply: Apply = False, config: Config = None, database: Database = None, form: Form = Format.TABLE
) -> None:
    settings = load(config, database=database)
    data, rows = _bytes(file), list[Row]()

    async def work() -> None:
        async with writable(settings) if apply else kept(settings):
            now = datetime.now(settings.zone)
            changes = officers.changes(file.name, data, await officer_lists.known(now.date()), headings.LIST)
            rows.extend(map(_changed, changes))
            if apply and changes:
                async with transaction():
                    await training.import_list(changes, file.name, data, shipped(), _moment(settings))

    run(work(), settings.log_format)
    show(Answer(rows, CHANGED), form)
    note("cli.import-applied" if apply else "cli.import-dry", count=len(rows))


def officers_hours(
    file: File, apply: Apply = False, config: Config = None, database: Database = None, form: Form = Format.TABLE
) -> None:
    settings = load(config, database=database)
    data, rows = _bytes(file), list[Row]()

    async def work() -> None:
        async with writable(settings) if apply else kept(settings):
            registry = shipped()
            had = await _had(file.name, data, settings, tuple(training.full_hours(registry)))
            units = {one.id: one.name for one in (await officer_lists.known(_moment(settings).today)).units}
            rows.extend(_shown(one, units) for one in had)
            if apply and had:
                async with transaction():
                    await training.import_hours(had, file.name, data, registry, _moment(settings))

    run(work(), settings.log_format)
    show(Answer(rows, HOURS), form)
    note("cli.hours-applied" if apply else "cli.hours-dry", count=len(rows))


async def _had(name: str, data: bytes, settings: Settings, duties: tuple[str, ...]) -> tuple[Had, ...]:
    today = _moment(settings).today
    known = await officer_lists.known(today)
    people = list(dict.fromkeys(one.person for one in known.officers))
    recorded = await officer_rows.recorded(people, duties)
    return officers.hours(name, data, known, headings.HOURS, await officer_rows.due_hours(duties, today), recorded)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInputError("cli.unreadable", file=str(file), reason=error.strerror) from None


def _moment(settings: Settings) -> Moment:
    now = datetime.now(settings.zone)
    return Moment(now.astimezone(UTC), now.date(), "cli")


def _changed(one: Change) -> Row:
    facts = [f"{name}: {before} → {after}" if before else f"{name}: {after}" for name, before, after in one.facts]
    return {"change": one.kind, "code": one.unit.code, "name": one.name, "facts": facts}


def _shown(one: Had, units: dict[int, str]) -> Row:
    return {
        "unit": units[one.officer.unit_id], "name": one.officer.name, "certificate": one.officer.certificate,
        "date": one.on, "topic": one.topic, "hours": f"{one.halves / 2:g}",
    }  # fmt: skip
