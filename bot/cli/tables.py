"""Answers drawn for people."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bot.cli.output import Answer, Row
from bot.wording import catalogue, say

PIPED = 200
"""Columns where there is no terminal to ask."""


def draw(answer: Answer) -> None:
    """Print facts, then rows. Nothing in them is markup, and control characters do not reach the terminal."""
    console = Console(
        file=sys.stdout, width=None if sys.stdout.isatty() else PIPED, markup=False, highlight=False, emoji=False
    )
    for key, value in answer.facts:
        console.print(f"{say(key)}\uff1a{_shown(key, value)}", soft_wrap=True)
    rows = answer.rows if answer.table is None else answer.table
    if rows:
        console.print(_table(rows, answer.shown or answer.fields))
    elif not answer.facts:
        console.print(say("cli.none"))


def _table(rows: Sequence[Row], shown: tuple[str, ...]) -> Table:
    table = Table(header_style="bold")
    for name in shown:
        # Chinese has no spaces to break at: without folding, a long cell would lose its end.
        table.add_column(say(f"cli.column.{name}"), overflow="fold")
    for row in rows:
        table.add_row(*(_shown(f"cli.column.{name}", row[name]) for name in shown))
    return table


def _shown(key: str, value: object) -> str:
    """A value in people's words: the catalogue may have one for it under `<key>.<value>`."""
    if isinstance(value, (list, tuple)):
        return say("cli.list", items=[_shown(key, one) for one in value])
    text = "" if value is None else str(value)
    text = catalogue("zh").get(f"{key}.{text}", text)
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\u3000")
