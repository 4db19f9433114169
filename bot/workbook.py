"""A table as a spreadsheet: typed cells, nothing that a spreadsheet could take for a formula."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any

import xlsxwriter

Cell = str | int | date | None
WIDEST = 60
DAY = 11
"""Characters that a day takes."""
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
AS_WRITTEN = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
KEPT_BY_SHEETS = str.maketrans("", "", "[]:*?/\\'")


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet's name, its first line, and what stands below."""

    name: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


def workbook(table: Table) -> bytes:
    """The table as an XLSX file: the head frozen and filtered, days as days."""
    out = BytesIO()
    book = xlsxwriter.Workbook(out, AS_WRITTEN)
    sheet = book.add_worksheet(table.name.translate(KEPT_BY_SHEETS)[:31])
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#E8EEF4"})
    formats = Formats(book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"quote_prefix": True}))
    for column, text in enumerate(table.head):
        sheet.write_string(0, column, text, bold)
    for line, row in enumerate(table.rows, 1):
        for column, cell in enumerate(row):
            _write(sheet, line, column, cell, formats)
    for column in range(len(table.head)):
        sheet.set_column(column, column, _width(table, column))
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, len(table.rows), len(table.head) - 1)
    book.close()
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Formats:
    """How days are shown, and how a text is marked that would be read as a formula once somebody edits it."""

    day: Any
    quoted: Any


def _write(sheet: Any, line: int, column: int, cell: Cell, formats: Formats) -> None:
    if cell is None:
        return
    if isinstance(cell, date):
        sheet.write_datetime(line, column, cell, formats.day)
    elif isinstance(cell, int):
        sheet.write_number(line, column, cell)
    else:
        sheet.write_string(line, column, cell, formats.quoted if cell.startswith(STARTS_A_FORMULA) else None)


def _width(table: Table, column: int) -> int:
    """Wide enough for the widest text; Chinese characters take two places."""
    found = [_places(table.head[column]) // 2, DAY, *(_places(row[column]) for row in table.rows if len(row) > column)]
    return min(max(found), WIDEST)


def _places(cell: Cell) -> int:
    return sum(2 if ord(character) > 0x2E80 else 1 for character in cell) if isinstance(cell, str) else DAY  # noqa: PLR2004  CJK begins there
