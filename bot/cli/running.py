"""Commands that run the bot: demo, serve, simulate, check, migrate."""

import asyncio
import errno
import os
import tempfile
from collections.abc import Coroutine
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from bot.app import Law
from bot.cli.arguments import Form, day
from bot.cli.output import FINE, FOUND, Answer, BadInputError, Format, Row, hint, note, show
from bot.serving import configure_logging, demonstrate, fresh
from bot.serving import serve as run_service
from bot.settings import Settings, load
from bot.simulation import Message
from bot.simulation import simulate as play
from bot.wording import say
from duties import policy, roster
from duties.errors import DutyError
from duties.model import ANY_TAG
from duties.reading import shipped
from duties.registry import DATA
from duties.store import database as store
from duties.store import looking
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


def run(work: Coroutine[Any, Any, None], log_format: Literal["text", "json"] = "text") -> None:
    """Run to the end. A database or an address that is not to be had is bad input in one line, not a traceback."""
    configure_logging(log_format)
    try:
        asyncio.run(work)
    except store.DatabaseBusyError as error:
        raise BadInputError("cli.database-busy", reason=str(error)) from None
    except (DutyError, BadInputError):
        raise
    except Exception as error:
        # Only now: knowing every driver's errors means importing every driver.
        reason = import_module("duties.store.failing").told(error)
        if reason is None:
            raise
        raise _unable(error, reason) from None


def _unable(error: Exception, reason: str) -> BadInputError:
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
        return BadInputError("cli.address-taken", reason=reason)
    if isinstance(error, OSError) and error.filename:
        return BadInputError("cli.unreadable", file=str(error.filename), reason=error.strerror)
    return BadInputError("cli.database-failed", reason=reason)


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help=hint("cli.option.port"))] = 8080,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"], help=hint("cli.option.start"))
    ] = datetime.fromisoformat(DEMO_START),  # noqa: B008  a constant
) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    file = _demo_folder() / f"demo-{port}.db"
    settings = Settings.model_construct(database=f"sqlite://{file}", port=port, backups=file.parent / "backups")
    registry = shipped()

    def ready(address: str) -> None:
        note("cli.demo-ready", address=address, database=settings.database)

    async def work() -> None:
        with store.owned(store.locate(settings.database)):  # another demonstration may still be playing on this file
            fresh(file)
        await demonstrate(law(settings), roster.read(SAMPLE, registry), settings, start.replace(tzinfo=zone), ready)

    run(work())


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
    run(
        run_service(law(settings), settings, lambda address: note("cli.serve-ready", address=address)),
        settings.log_format,
    )


def migrate(config: Config = None, form: Form = Format.TABLE) -> None:
    settings = load(config)
    applied: list[str] = []

    async def work() -> None:
        async with store.opened(settings.database) as location:
            with store.owned(location):
                applied.extend(await store.migrate(location, settings.backups))

    run(work(), settings.log_format)
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
    found = law(settings)
    confirmed = policy.read(settings.confirmations)
    rows: list[Row] = [
        _checked("registry", duties=len(found.registry.duties), provisions=len(found.registry.provisions)),
        _checked("calendar", digest=found.workdays.digest()[:12]),
        _checked("confirmations", recorded=len(confirmed)),
    ]

    async def work() -> None:
        rows.extend(await _store_checks(settings, found))

    run(work(), settings.log_format)
    show(Answer(rows, CHECKED, ("what", "ok", "told")), form)
    raise typer.Exit(FINE if all(row["ok"] for row in rows) else FOUND)


async def _store_checks(settings: Settings, found: Law) -> list[Row]:
    """The database as it is: a check makes nothing and changes nothing, and may run beside a running service."""
    location = store.locate(settings.database)
    if location.file is not None and not location.file.exists():
        return [_checked("database", "database.new", dialect=location.dialect)]
    async with store.opened(settings.database):
        if not await looking.has_tables():
            return [_checked("database", "database.new", dialect=location.dialect)]
        held = await looking.tags_held()
    wanted = {str(tag) for duty in found.registry.duties for scope in duty.scope for tag in scope.tags} - {ANY_TAG}
    missing = sorted(wanted - held)
    return [
        _checked("database", dialect=location.dialect),
        _checked("tags", "tags.missing" if missing else "tags", ok=not missing, missing=";".join(missing)),
    ]


def _checked(what: str, key: str = "", *, ok: bool = True, **facts: Any) -> Row:
    told = say(f"cli.checked.{key or what}", **facts)
    return {"what": what, "ok": ok, "facts": [f"{name}={value}" for name, value in facts.items()], "told": told}
