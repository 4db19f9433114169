"""Commands about the ledger: does it hold together, and a copy that can be checked elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.arguments import Form
from bot.cli.arguments import day as typed_day
from bot.cli.output import FINE, FOUND, Answer, BadInputError, Format, hint, note, show
from bot.cli.records import Database, kept
from bot.cli.running import Config, run
from bot.settings import Settings, load
from duties.ledger import AnchorLine, Fault, Line, Verifier
from duties.store import chains, looking, verifying

FAULTS = ("place", "reason")
EXPORTED = ("line", "head", "anchor")


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=hint("cli.option.export"))],
    config: Config = None,
    database: Database = None,
) -> None:
    settings = load(config, database=database)

    async def work() -> None:
        async with kept(settings), looking.one_moment():
            await _write(file)

    run(work(), settings.log_format)
    note("cli.exported", file=str(file))


async def _write(file: Path) -> None:
    """One JSON object a line: lines by chain, heads, anchors, how many of each. Written beside, moved into place."""
    beside = file.with_name(f"{file.name}.part")
    counts = dict.fromkeys(EXPORTED, 0)
    try:
        with beside.open("w", encoding="utf-8") as out:

            def put(kind: str, value: Any) -> None:
                counts[kind] += 1
                out.write(json.dumps({kind: value}, ensure_ascii=False) + "\n")

            async for line in chains.lines():
                put("line", asdict(line))
            for head in await chains.heads():
                put("head", head)
            for anchor in await chains.anchors():
                put("anchor", {**asdict(anchor), "day": anchor.day.isoformat()})
            out.write(json.dumps({"end": counts}) + "\n")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def verify(
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help=hint("cli.option.exported"))] = None,
    anchor: Annotated[str | None, typer.Option("--anchor", metavar="DAY:HASH", help=hint("cli.option.anchor"))] = None,
    config: Config = None,
    database: Database = None,
    form: Form = Format.TABLE,
) -> None:
    posted = _posted(anchor) if anchor is not None else None
    verifier = Verifier()
    if file is not None:
        _verify_export(file, verifier)
    else:
        settings = load(config, database=database)
        run(_verify_kept(settings, verifier), settings.log_format)
    if posted is not None:
        verifier.posted(*posted)
    show(Answer([asdict(fault) for fault in verifier.faults], FAULTS), form)
    note("cli.ledger-broken" if verifier.faults else "cli.ledger-whole", lines=verifier.lines, n=len(verifier.faults))
    raise typer.Exit(FOUND if verifier.faults else FINE)


def _posted(text: str) -> tuple[str, str]:
    day, colon, posted = text.partition(":")
    if not colon or not posted.strip():
        raise BadInputError("cli.bad-anchor", value=text)
    return typed_day(day.strip()).isoformat(), posted.strip().lower()


async def _verify_kept(settings: Settings, verifier: Verifier) -> None:
    async with kept(settings), looking.one_moment():
        async for line in chains.lines():
            verifier.line(line)
        for stream, seq, head in await chains.heads():
            verifier.head(stream, seq, head)
        for one in await chains.anchors():
            verifier.anchor(one)
        verifier.faults += await verifying.silent_changes()


def _verify_export(file: Path, verifier: Verifier) -> None:
    counts = dict.fromkeys(EXPORTED, 0)
    end: Any = None
    for number, row in _rows(file):
        try:
            kind, value = _only(json.loads(row))
            if kind == "end":
                end = value
                continue
            counts[kind] += 1
            _take(kind, value, verifier)
        except (ValueError, TypeError, KeyError):
            raise BadInputError("cli.bad-export", file=str(file), line=number) from None
    if end != counts:
        verifier.faults.append(Fault(str(file), "is cut short, or was added to"))


def _rows(file: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers. Only a line feed ends one: what people write may hold other separators."""
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            yield from enumerate(lines, 1)
    except OSError as error:
        raise BadInputError("cli.unreadable", file=str(file), reason=error.strerror) from None
    except UnicodeDecodeError as error:
        raise BadInputError("cli.unreadable", file=str(file), reason=error) from None


def _only(row: Any) -> tuple[str, Any]:
    if not isinstance(row, dict) or len(row) != 1:
        raise ValueError(row)
    return next(iter(row.items()))


def _take(kind: str, value: Any, verifier: Verifier) -> None:
    match kind:
        case "line":
            verifier.line(Line(**value))
        case "head":
            verifier.head(*value)
        case _:
            verifier.anchor(AnchorLine(**{**value, "day": datetime.fromisoformat(value["day"]).date()}))
