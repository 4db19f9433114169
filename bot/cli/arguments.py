"""What people type, as values: days, pauses, and the options that several commands share."""

import re
from datetime import date
from typing import Annotated

import typer

from bot.cli.output import BadInputError, Format, hint
from duties.clock import Pause
from duties.workdays import FIRST_YEAR, LAST_YEAR

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Form = Annotated[Format, typer.Option("--format", help=hint("cli.option.format"))]


def day(text: str) -> date:
    """A day that exists and that the calendar reaches. Raises BadInputError."""
    if not _DAY.fullmatch(text):
        raise BadInputError("cli.bad-day", value=text)
    try:
        value = date.fromisoformat(text)
    except ValueError:
        raise BadInputError("cli.no-such-day", value=text) from None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise BadInputError("cli.day-out-of-reach", value=text, first=FIRST_YEAR, last=LAST_YEAR)
    return value


def pause(text: str) -> Pause:
    """A pause typed as NOTICED:RECEIVED. Raises BadInputError."""
    noticed, colon, received = text.partition(":")
    if not colon:
        raise BadInputError("cli.bad-pause", value=text)
    return Pause(day(noticed), day(received))
