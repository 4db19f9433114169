"""The one place that prints: answers to stdout as table, JSON or CSV, everything else to stderr."""

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from importlib import import_module
from typing import Any

from bot.wording import LANGUAGES, both, say
from duties.errors import DutyError, FaultsError, RefusedError

FINE, FOUND, BAD_INPUT = 0, 1, 2
BYTE_ORDER_MARK = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


class Format(StrEnum):
    """What an answer is printed as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class BadInputError(Exception):
    """What was typed is no question. `key` names the sentence in the catalogue, `facts` fill it."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and how each format shows them.

    `fields` are the stable columns of CSV and keys of JSON. JSON prints `whole` instead where the answer is one
    object. The table has the columns `shown` of `table` (the rows where nothing else is given), below the `facts`.
    """

    rows: Sequence[Row]
    fields: tuple[str, ...]
    shown: tuple[str, ...] = ()
    whole: Row | None = None
    table: Sequence[Row] | None = None
    facts: Sequence[tuple[str, object]] = ()


def hint(key: str, between: str = "\n\n") -> str:
    """A help text: Chinese first, English below. Typer keeps paragraphs apart, not lines."""
    return between.join(say(key, language) for language in LANGUAGES)


def show(answer: Answer, form: Format) -> None:
    """Print an answer, whole: a reader that has gone away is noticed here and not at exit."""
    if form is Format.TABLE:
        # Drawing tables costs a third of a JSON answer's time to import.
        import_module("bot.cli.tables").draw(answer)
    elif form is Format.CSV:
        _write_csv(answer)
    else:
        whole = answer.whole or [{name: row[name] for name in answer.fields} for row in answer.rows]
        print(json.dumps(whole, ensure_ascii=False, indent=2, default=_plain))  # noqa: T201  this is the output
    sys.stdout.flush()


def note(key: str, **facts: object) -> None:
    """Say something beside the answer."""
    _to_stderr(both(key, **facts))


def complain(error: DutyError | BadInputError) -> None:
    """Say what is wrong with the input: a Chinese line, an English line, then each fault on its own."""
    if isinstance(error, (BadInputError, RefusedError)):
        note(error.key, **error.facts)
    elif isinstance(error, FaultsError):
        note("cli.faults", count=len(error.faults))
        for fault in error.faults:
            _to_stderr(f"  {fault}")
    else:
        note("cli.question", text=str(error))


def hang_up() -> None:
    """Nobody reads on: what is still buffered goes nowhere, without a word at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_csv(answer: Answer) -> None:
    sys.stdout.write(BYTE_ORDER_MARK)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.fields)
    writer.writerows(_cells(row[name] for name in answer.fields) for row in answer.rows)


def _cells(values: Iterable[object]) -> list[str]:
    return [_cell(value) for value in values]


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ";".join(_cells(value))
    text = "" if value is None else str(value)
    # A spreadsheet would run it; numbers are none of these.
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _plain(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201  this is the output
