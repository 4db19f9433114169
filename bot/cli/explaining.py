"""Where a date comes from, step by step: `duban explain`."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import typer

from bot.cli.arguments import Form, day, pause
from bot.cli.lawful import known
from bot.cli.output import Answer, BadInputError, Format, Row, hint, show
from bot.wording import say
from duties.clock import Pause, deadline
from duties.model import Basis, Step, Term
from duties.reading import shipped
from duties.registry import Duty, EventRule, Registry
from duties.schedule import term_named
from duties.workdays import WorkCalendar

STEPS = ("rule", "date", "ground")
MANY = 6
"""A standing check rests on over a hundred provisions: no more than these are named in a ground."""


def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help=hint("cli.option.code"))],
    on: Annotated[date | None, typer.Option("--on", parser=day, metavar="DAY", help=hint("cli.option.on"))] = None,
    by: Annotated[date | None, typer.Option("--by", parser=day, metavar="DAY", help=hint("cli.option.by"))] = None,
    pauses: Annotated[
        list[str] | None, typer.Option("--pause", metavar="DAY:DAY", help=hint("cli.option.pause"))
    ] = None,
    term: Annotated[str | None, typer.Option("--term", metavar="TERM", help=hint("cli.option.term"))] = None,
    form: Form = Format.TABLE,
) -> None:
    registry = shipped()
    duty = known(registry, code)
    stops = [pause(text) for text in pauses or ()]
    if (on is None) == (term is None):
        raise BadInputError("cli.on-or-term")
    workdays = WorkCalendar.shipped()
    if on is not None:
        whole = _of_event(registry, duty, workdays, on=on, by=by, pauses=stops)
    elif term is not None and not (by or stops):
        whole = _of_term(registry, duty, workdays, term)
    else:
        raise BadInputError("cli.term-alone")
    facts = [("cli.explained", f"{duty.title} ({duty.code})")]
    facts += [(f"cli.column.{name}", whole[name]) for name in ("on", "term", "due", "advise_by") if whole.get(name)]
    show(Answer(whole["steps"], STEPS, whole=whole, facts=facts), form)


def _of_event(
    registry: Registry, duty: Duty, workdays: WorkCalendar, *, on: date, by: date | None, pauses: Sequence[Pause]
) -> dict[str, Any]:
    if not isinstance(duty.rule, EventRule):
        raise BadInputError("cli.explain-by-term", code=duty.code)
    if duty.rule.named_day == "required" and by is None:
        raise BadInputError("cli.by-needed", code=duty.code)
    found = deadline(duty.rule, on, workdays, by=by, pauses=pauses)
    citations = _joined(registry.citations(duty))
    return {
        "code": duty.code,
        "on": on,
        "starts": found.starts,
        "due": found.due,
        "not_before": found.not_before,
        "advise_by": found.advise_by,
        "calendar": workdays.state(found.due.year),
        "steps": [_row(step.rule, step.date, _ground(registry, step, citations)) for step in found.steps],
    }


def _of_term(registry: Registry, duty: Duty, workdays: WorkCalendar, label: str) -> dict[str, Any]:
    if isinstance(duty.rule, EventRule):
        raise BadInputError("cli.explain-by-event", code=duty.code)
    found = term_named(duty, label)
    one, aim = found[0], workdays.on_or_before(found[0].due)
    opening = "cli.opens-after" if one.opens > one.covers_to else "cli.opens-with"
    grounds = registry.grounds
    return {
        "code": duty.code,
        "term": label,
        "covers_from": one.covers_from,
        "covers_to": one.covers_to,
        "jurisdictions": [term.jurisdiction for term in found],
        "on": None,
        "starts": one.opens,
        "due": one.due,
        "not_before": None,
        "advise_by": aim,
        "calendar": workdays.state(one.due.year),
        "steps": [
            _row("covers-from", one.covers_from, grounds["covers"].zh),
            _row("covers-to", one.covers_to, grounds["covers"].zh),
            _row("opens", one.opens, say(opening)),
            _row("due", one.due, _resting_on(registry, duty, found)),
            _row("fixed", one.due, grounds["fixed-day"].zh),
            _row("advise-by", aim, grounds["fixed-day-advice"].zh),
        ],
    }


def _row(rule: str, at: date, ground: str) -> Row:
    return {"rule": rule, "date": at, "ground": ground}


def _ground(registry: Registry, step: Step, citations: str) -> str:
    """A step's ground in words. Where it is the text or our default, the provisions are what people want to read."""
    ground = registry.grounds[step.ground].zh
    if step.ground == Basis.TEXT:
        return citations or ground
    if step.ground == Basis.POLICY:
        return say("cli.by-policy", citations=citations, policy=ground) if citations else ground
    return ground


def _resting_on(registry: Registry, duty: Duty, found: Sequence[Term]) -> str:
    """The ground of a due day, told apart by jurisdiction where there are several."""
    grounds = [
        _ground(registry, Step("due", term.due, term.basis), _joined(registry.citations(duty, term.jurisdiction)))
        for term in found
    ]
    if len(found) == 1:
        return grounds[0]
    named = (
        say("cli.in-jurisdiction", jurisdiction=term.jurisdiction, ground=ground)
        for term, ground in zip(found, grounds, strict=True)
    )
    return "\uff1b".join(named)


def _joined(citations: list[str]) -> str:
    if len(citations) <= MANY:
        return say("cli.list", items=citations)
    return say("cli.list-of-many", items=citations[:MANY], count=len(citations))
