"""Rows of a table that people keep, CSV or TOML: read as they are written, numbered as a spreadsheet numbers them."""

import csv
import io
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from duties.errors import RosterError


@dataclass(frozen=True, slots=True)
class Form:
    """What a table looks like: its name in TOML, its columns, those that must be there, other words for them."""

    table: str
    columns: tuple[str, ...]
    needed: tuple[str, ...]
    headings: Mapping[str, str]


def rows(source: str, data: bytes, form: Form) -> list[tuple[int, dict[str, Any]]]:
    """Every row with its number. The name tells TOML from CSV. Raises RosterError."""
    try:
        return _from_csv(data, form) if is_csv(source) else _from_toml(data, form)
    except RosterError as error:
        raise RosterError([f"{source}: {fault}" for fault in error.faults]) from None


def is_csv(source: str) -> bool:
    """Whether a file's name says that it is CSV."""
    return source.lower().endswith(".csv")


def _decoded(data: bytes) -> str:
    """UTF-8, or GB18030 as Excel saves CSV in China."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RosterError(["expected UTF-8 or GB18030"])


def _trimmed(cells: Sequence[str]) -> list[str]:
    """A row without the empty cells a spreadsheet leaves at its end."""
    filled = [number for number, cell in enumerate(cells, 1) if cell.strip()]
    return list(cells[: filled[-1]]) if filled else []


def _from_csv(data: bytes, form: Form) -> list[tuple[int, dict[str, Any]]]:
    try:
        records = list(csv.reader(io.StringIO(_decoded(data), newline=""), strict=True))
    except csv.Error as error:
        raise RosterError([f"not readable as CSV: {error}"]) from None
    written = [cell.strip() for cell in _trimmed(records[0])] if records else []
    header = [form.headings.get(cell, cell) for cell in written]
    _check_header(header, form)
    body = [(number, _trimmed(cells)) for number, cells in enumerate(records[1:], 2)]
    found = [(number, _row(header, cells)) for number, cells in body if cells]
    if not found:
        raise RosterError(["expected at least one row under the header"])
    return found


def _check_header(header: Sequence[str], form: Form) -> None:
    faults = [f"{column or 'an empty cell'}: not a column" for column in header if column not in form.columns]
    faults += [f"{column}: the column is there twice" for column, times in Counter(header).items() if times > 1]
    faults += [f"{column}: the column is missing" for column in form.needed if column not in header]
    if faults:
        raise RosterError([f"row 1: {fault}; expected columns are {','.join(form.columns)}" for fault in faults])


def _row(header: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """A row without its empty cells; a cell beyond the header keeps a name that is no column."""
    found: dict[str, Any] = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
    if len(cells) > len(header):
        found[f"column {len(header) + 1}"] = cells[len(header)]
    return found


def _from_toml(data: bytes, form: Form) -> list[tuple[int, dict[str, Any]]]:
    try:
        tables = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RosterError(["expected UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise RosterError([str(error)]) from None
    found = tables.pop(form.table, [])
    faults = [f"{key}: not a key of this file; expected [[{form.table}]]" for key in tables]
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        faults.append(f"expected at least one [[{form.table}]]")
    if faults:
        raise RosterError(faults)
    return [
        (number, {form.headings.get(key, key): value for key, value in row.items()})
        for number, row in enumerate(found, 1)
    ]
