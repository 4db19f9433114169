"""Commands that run the bot: demo, serve, simulate, check, migrate."""

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from bot.app import Law
from bot.cli.arguments import Form, day
from bot.cli.output import FINE, FOUND, Answer, BadInputError, Format, Row, hint, note, show
from bot.serving import configure_logging, database, demonstrate, fresh
from bot.serving import serve as run_service
from bot.settings import Settings, load
from bot.simulation import Message
from bot.simulation import simulate as play
from duties import policy, roster
from duties.errors import DutyError
from duties.reading import shipped
from duties.registry import DATA
from duties.store import database as store
from duties.workdays import WorkCalendar

SAMPLE = DATA / "roster" / "changji.toml"
DEMO_START = "2026-01-04T09:30"
"""Half an hour before the first reminder of the report due on January 31; a Sunday that is worked."""
SIMULATED = ("at", "unit", "audience", "rung", "items", "text")
CHECKED = ("what", "ok", "facts")

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help=hint("cli.option.config"))]


def law(settings: Settings) -> Law:
    """The shipped registry, and the calendar with the operator's own table."""
    return Law(shipped(), WorkCalendar.load(settings.calendar))


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; a database that cannot be reached is bad input, not a traceback."""
    try:
        asyncio.run(work)
    except OSError as error:
        raise DutyError(f"{error.filename or ''} {error.strerror or error}".strip()) from None


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help=hint("cli.option.port"))] = 8080,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"], help=hint("cli.option.start"))
    ] = datetime.fromisoformat(DEMO_START),  # noqa: B008  a constant
) -> None:
    configure_logging()
    zone = ZoneInfo("Asia/Shanghai")
    file = fresh(_demo_folder() / f"demo-{port}.db")
    settings = Settings.model_construct(**{
        **{name: field.default for name, field in Settings.model_fields.items()},
        "database": f"sqlite://{file}", "port": port,
    })  # fmt: skip
    registry = shipped()

    def ready(address: str) -> None:
        note("cli.demo-ready", address=address, database=settings.database)

    run(demonstrate(law(settings), roster.read(SAMPLE, registry), settings, start.replace(tzinfo=zone), ready))


def _demo_folder() -> Path:
    """A folder of the user's that survives the demonstration, so that its ledger can be verified afterwards."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "duban"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="duban-demo-"))
    return folder


def serve(config: Config = None) -> None:
    settings = load(config)
    configure_logging(settings.log_format)
    run(run_service(law(settings), settings, lambda address: note("cli.serve-ready", address=address)))


def migrate(config: Config = None, form: Form = Format.TABLE) -> None:
    settings = load(config)
    configure_logging(settings.log_format)
    applied: list[str] = []

    async def work() -> None:
        async with store.opened(settings.database) as location:
            with store.owned(location):
                applied.extend(await store.migrate(location, settings.backups))

    run(work())
    show(Answer([{"migration": name} for name in applied], ("migration",)), form)


def simulate(
    first: Annotated[date, typer.Option("--from", parser=day, metavar="DAY", help=hint("cli.option.from"))],
    last: Annotated[date, typer.Option("--to", parser=day, metavar="DAY", help=hint("cli.option.to"))],
    file: Annotated[Path | None, typer.Option("--roster", metavar="FILE", help=hint("cli.option.roster"))] = None,
    calendar: Annotated[
        Path | None, typer.Option("--calendar", metavar="FILE", help=hint("cli.option.calendar"))
    ] = None,
    form: Form = Format.TABLE,
) -> None:
    if first > last:
        raise BadInputError("cli.from-after-to", first=first.isoformat(), last=last.isoformat())
    configure_logging()
    registry = shipped()
    people = roster.read(file or SAMPLE, registry)
    rows: list[Row] = []

    async def work() -> None:
        both = Law(registry, WorkCalendar.load(calendar))
        rows.extend([_row(one) async for one in play(both, people, first, last, ZoneInfo("Asia/Shanghai"))])

    run(work())
    show(Answer(rows, SIMULATED, ("at", "unit", "audience", "rung", "count")), form)


def _row(message: Message) -> Row:
    return {
        "at": message.at.isoformat(timespec="minutes"), "unit": message.unit, "audience": message.audience,
        "rung": message.rung, "items": list(message.items), "text": message.text, "count": len(message.items),
    }  # fmt: skip


def check(config: Config = None, form: Form = Format.TABLE) -> None:
    """Read everything that a start would read, and say what is wrong before it is started."""
    settings = load(config)
    configure_logging(settings.log_format)
    found = law(settings)
    confirmed = policy.read(settings.confirmations)
    rows: list[Row] = [
        _checked("registry", duties=len(found.registry.duties), provisions=len(found.registry.provisions)),
        _checked("calendar", digest=found.workdays.digest()[:12]),
        _checked("confirmations", recorded=len(confirmed)),
    ]

    async def work() -> None:
        async with database(settings):
            rows.extend(await _store_checks(found))

    run(work())
    show(Answer(rows, CHECKED), form)
    raise typer.Exit(FINE if all(row["ok"] for row in rows) else FOUND)


async def _store_checks(found: Law) -> list[Row]:
    held = {row["tag"] for row in await store.fetch("SELECT DISTINCT tag FROM unit_tag")}
    wanted = {str(tag) for duty in found.registry.duties for scope in duty.scope for tag in scope.tags if tag != "*"}
    missing = sorted(wanted - held)
    return [_checked("database", dialect=store.dialect()), _checked("tags", ok=not missing, no_unit_has=missing)]


def _checked(what: str, *, ok: bool = True, **facts: object) -> Row:
    return {"what": what, "ok": ok, "facts": ", ".join(f"{name} {value}" for name, value in facts.items())}
