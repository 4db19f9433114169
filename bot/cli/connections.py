"""Commands about connections: whether what is configured can reach its platform, and what is wrong if not."""

from datetime import UTC, datetime
from typing import Annotated, cast

import typer

from adapters.base import AdapterError, Checker, Finding
from adapters.http import ConnectionConfig
from adapters.table import PLATFORMS
from bot.cli.arguments import Form
from bot.cli.output import FINE, FOUND, Answer, BadInputError, Format, Row, hint, show
from bot.cli.records import Database, kept
from bot.cli.running import Config, run
from bot.connections import configured
from bot.settings import load, secrets_folder
from bot.store.remembered import StoredState
from bot.wording import both

CHECKED = ("connection", "ok", "finding")


def connection_check(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help=hint("cli.option.connection"))] = None,
    config: Config = None,
    database: Database = None,
    form: Form = Format.TABLE,
) -> None:
    """Say of every connection, or of one, what works and what an operator has to mend. Sends nothing to anybody."""
    settings = load(config, database=database)
    wanted = [one for one in configured(settings.connection, secrets_folder()) if name in (None, one.name)]
    if name is not None and not wanted:
        raise BadInputError("cli.no-such-connection", connection=name)
    rows: list[Row] = []

    async def work() -> None:
        async with kept(settings):
            for one in wanted:
                rows.extend(_row(one.name, finding) for finding in await _findings(one))

    run(work())
    show(Answer(rows, CHECKED), form)
    raise typer.Exit(FINE if all(row["ok"] for row in rows) else FOUND)


async def _findings(config: ConnectionConfig) -> list[Finding]:
    try:
        adapter = PLATFORMS[config.platform].make(config, StoredState(config.name), lambda: datetime.now(UTC))
    except AdapterError as error:
        return [Finding(ok=False, key="check-unusable", facts={"reason": str(error)})]
    try:
        return await cast("Checker", adapter).check()
    except AdapterError as error:
        return [Finding(ok=False, key="check-unusable", facts={"reason": str(error)})]
    finally:
        await adapter.close()


def _row(connection: str, finding: Finding) -> Row:
    return {"connection": connection, "ok": finding.ok, "finding": both(finding.key, **finding.facts)}
