"""Commands that need nothing but the registry and the calendars: no configuration, no database, no clock."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError

from bot.cli.arguments import Form, day
from bot.cli.output import FOUND, Answer, BadInputError, Format, Row, hint, note, show
from bot.wording import say
from duties import policy as record
from duties.errors import RegistryError
from duties.model import Status, Term
from duties.policy import Confirmation, PolicyQuestion
from duties.reading import fault_lines, load, shipped
from duties.registry import Duty, EventRule, Registry
from duties.schedule import terms
from duties.sources import verify
from duties.workdays import FIRST_YEAR, LAST_YEAR, WORKING_WEEKEND, WorkCalendar

ZONE = ZoneInfo("Asia/Shanghai")

PLAN = (
    "duty", "term", "covers_from", "covers_to", "opens", "due", "advise_by",
    "basis", "force", "calendar", "provisions", "tags", "jurisdiction",
)  # fmt: skip
STATUSES = tuple(f"status.{status}" for status in Status)
COVERAGE = ("no", "document", "article", "status", "carried_by", "reason")
POLICY = ("key", "duty", "question", "question_en", "default", "confirmed_by", "confirmed_on", "note")
VERIFIED = ("document", "article", "outcome", "file")
CALENDAR = ("date", "kind", "name")
YEARS = ("year", "state", "notices")


def plan(
    first: Annotated[date, typer.Option("--from", parser=day, metavar="DAY", help=hint("cli.option.from"))],
    last: Annotated[date, typer.Option("--to", parser=day, metavar="DAY", help=hint("cli.option.to"))],
    code: Annotated[str | None, typer.Option("--duty", metavar="CODE", help=hint("cli.option.duty"))] = None,
    form: Form = Format.TABLE,
) -> None:
    if first > last:
        raise BadInputError("cli.from-after-to", first=first.isoformat(), last=last.isoformat())
    registry = shipped()
    duties = registry.duties if code is None else (known(registry, code),)
    if code is not None and isinstance(duties[0].rule, EventRule):
        raise BadInputError("cli.plan-event", code=code)
    workdays = WorkCalendar.shipped()
    found = sorted(
        (term for duty in duties for term in terms(duty, first, last)),
        key=lambda term: (term.due, term.duty, term.jurisdiction),
    )
    rows = [_planned(term, workdays) | {"title": registry.duty(term.duty).title} for term in found]
    shown = ("due", "advise_by", "duty", "title", "term", "jurisdiction", "tags", "basis", "force", "calendar")
    show(Answer(rows, PLAN, shown), form)


def _planned(term: Term, workdays: WorkCalendar) -> dict[str, Any]:
    facts = asdict(term)
    facts |= {"term": term.label, "provisions": list(term.provisions), "tags": list(term.tags)}
    return facts | {"advise_by": workdays.on_or_before(term.due), "calendar": workdays.state(term.due.year)}


def known(registry: Registry, code: str) -> Duty:
    """A duty by its code. Raises BadInputError."""
    if code not in registry.by_code:
        raise BadInputError("cli.no-such-duty", code=code)
    return registry.duty(code)


def coverage(form: Form = Format.TABLE) -> None:
    rows = [
        {**provision.model_dump(include=set(COVERAGE), mode="json"), "locator": provision.locator}
        for _, provision in sorted(shipped().provisions.items())
    ]
    show(Answer(rows, COVERAGE, ("document", *STATUSES, "sum"), table=list(_counted(rows))), form)


def _counted(rows: Iterable[Row]) -> Iterator[Row]:
    """How many provisions of each document, and of all, have each status."""
    counts: dict[str, Counter[str]] = {}
    titles = {document.key: document.title for document in shipped().documents.values()}
    for row in rows:
        for key in (row["document"], ""):
            counts.setdefault(key, Counter()).update([f"status.{row['status']}", "sum"])
    everything = counts.pop("", Counter[str]())
    for key, count in sorted(counts.items()):
        yield {"document": f"{key} {titles[key]}", **{name: count[name] for name in (*STATUSES, "sum")}}
    yield {"document": say("cli.sum"), **{name: everything[name] for name in (*STATUSES, "sum")}}


def policy(
    file: Annotated[Path | None, typer.Option("--file", help=hint("cli.option.file"))] = None,
    key: Annotated[str | None, typer.Option("--confirm", metavar="KEY", help=hint("cli.option.confirm"))] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WHO", help=hint("cli.option.by-whom"))] = None,
    remark: Annotated[str | None, typer.Option("--note", metavar="TEXT", help=hint("cli.option.note"))] = None,
    on: Annotated[
        date | None, typer.Option("--on", parser=day, metavar="DAY", help=hint("cli.option.confirmed-on"))
    ] = None,
    form: Form = Format.TABLE,
) -> None:
    # Only here: reading settings takes longer than everything else these commands do.
    file = file or Path(import_module("bot.settings").load().confirmations)
    registry = shipped()
    asked = {one.key: one for one in record.questions(registry)}
    if key is None:
        if (by, remark, on) != (None, None, None):
            raise BadInputError("cli.confirm-needed")
    else:
        if by is None:
            raise BadInputError("cli.by-whom-needed")
        if key not in asked:
            raise BadInputError("cli.no-such-question", question=key)
        record.record(file, registry, _confirmation(key, by, remark or "", on or datetime.now(ZONE).date()))
    answers = record.read(file)
    for stray in answers.keys() - asked.keys():
        note("cli.stray-confirmation", question=stray, file=str(file))
    rows = [_question(one, answers.get(one.key)) for one in asked.values() if key in (None, one.key)]
    show(Answer(rows, POLICY, ("key", "question", "default", "confirmed_by", "confirmed_on", "note")), form)


def _confirmation(key: str, by: str, remark: str, on: date) -> Confirmation:
    try:
        return Confirmation(key=key, by=by, on=on, note=remark)
    except ValidationError as error:
        raise RegistryError(list(fault_lines(error))) from None


def _question(one: PolicyQuestion, answer: Confirmation | None) -> Row:
    return {
        "key": one.key,
        "duty": one.duty or None,
        "question": one.zh,
        "question_en": one.en,
        "default": one.default,
        "confirmed_by": answer.by if answer else one.confirmed_by or None,
        "confirmed_on": answer.on if answer else None,
        "note": answer.note or None if answer else None,
    }


def registry_verify(
    sources: Annotated[Path, typer.Option("--sources", help=hint("cli.option.sources"))],
    tables: Annotated[Path | None, typer.Option("--registry", help=hint("cli.option.registry"))] = None,
    form: Form = Format.TABLE,
) -> None:
    for folder in (sources, tables):
        if folder is not None and not folder.is_dir():
            raise BadInputError("cli.no-such-folder", folder=str(folder))
    registry = shipped() if tables is None else load(tables)
    try:
        findings = verify(sources, list(registry.documents.values()))
    except OSError as error:
        raise BadInputError("cli.unreadable", file=str(error.filename), reason=str(error.strerror)) from None
    rows = [asdict(finding) for finding in findings]
    differing = [row for row in rows if row["outcome"] != "same"]
    counts = Counter(row["outcome"] for row in rows)
    facts = [(f"cli.verified.{outcome}", counts[outcome]) for outcome in ("same", "changed", "missing")]
    show(Answer(rows, VERIFIED, table=differing, facts=facts), form)
    if differing:
        raise typer.Exit(FOUND)


def calendar_show(
    year: Annotated[int | None, typer.Argument(metavar="YEAR", help=hint("cli.option.year"))] = None,
    extra: Annotated[Path | None, typer.Option("--calendar", help=hint("cli.option.calendar"))] = None,
    form: Form = Format.TABLE,
) -> None:
    workdays = WorkCalendar.load(extra)
    show(_years(workdays) if year is None else _year(workdays, year), form)


def _years(workdays: WorkCalendar) -> Answer:
    known_years = [table for table in map(workdays.year, range(FIRST_YEAR, LAST_YEAR + 1)) if table.notices]
    rows = [
        {"year": table.year, "state": table.state, "notices": [str(notice) for notice in table.notices]}
        for table in known_years
    ]
    return Answer(rows, YEARS)


def _year(workdays: WorkCalendar, year: int) -> Answer:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise BadInputError("cli.year-out-of-reach", first=FIRST_YEAR, last=LAST_YEAR)
    table = workdays.year(year)
    rows = list(_special_days(workdays, year))
    whole = {
        "year": year,
        "state": table.state,
        "notices": [notice.model_dump(mode="json") for notice in table.notices],
        "off": [{"date": row["date"], "name": row["name"]} for row in rows if row["kind"] == "off"],
        "working_weekends": [row["date"] for row in rows if row["kind"] == WORKING_WEEKEND],
    }
    facts = [
        ("cli.column.year", year),
        ("cli.column.state", table.state),
        ("cli.column.notices", [str(notice) for notice in table.notices]),
    ]
    return Answer(rows, CALENDAR, whole=whole, facts=facts)


def _special_days(workdays: WorkCalendar, year: int) -> Iterator[Row]:
    """The days of a year that are not what their place in the week says, whichever year's notice names them."""
    for offset in range((date(year + 1, 1, 1) - date(year, 1, 1)).days):
        at = date(year, 1, 1) + timedelta(days=offset)
        kind, _, name = workdays.reason(at).partition(":")
        if kind in ("holiday", WORKING_WEEKEND):
            yield {"date": at, "kind": "off" if name else kind, "name": name}
