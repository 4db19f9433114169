"""Points as rows: amounts in hundredths, so that both databases add them up exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from duties.store.database import as_date, fetch

HUNDRED = Decimal(100)
_POINT = """
    SELECT p.id, p.unit_id, u.name AS unit, u.path, p.on_day, p.hundredths, p.ground, p.obligation_id, p.reverses,
      r.id AS reversed_by
    FROM point p JOIN unit u ON u.id = p.unit_id LEFT JOIN point r ON r.reverses = p.id
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One record: the amount with its sign, the day, the ground, and which record reverses which, if any."""

    id: int
    unit_id: int
    unit: str
    unit_path: str
    on_day: date
    amount: Decimal
    ground: str
    obligation_id: int | None
    reverses: int | None
    reversed_by: int | None


async def add(
    unit: int, on: date, amount: Decimal, ground: str, entry: int, *, obligation: int | None, reverses: int | None
) -> Point | None:
    """A new record's row; None where the record it would reverse is reversed already."""
    rows = await fetch(
        "INSERT INTO point (unit_id, on_day, hundredths, ground, obligation_id, reverses, entry_id)"
        " VALUES (:unit, :on, :hundredths, :ground, :obligation, :reverses, :entry) ON CONFLICT DO NOTHING"
        " RETURNING id",
        unit=unit, on=on, hundredths=int(amount * HUNDRED), ground=ground, obligation=obligation, reverses=reverses,
        entry=entry,
    )  # fmt: skip
    return await found(rows[0]["id"]) if rows else None


async def found(number: int) -> Point | None:
    """A record by its number."""
    rows = await fetch(f"{_POINT} WHERE p.id = :id", id=number)
    return _point(rows[0]) if rows else None


async def of_unit(unit: int, first: date, last: date, limit: int) -> list[Point]:
    """A unit's records of some days, both inclusive, newest first."""
    rows = await fetch(
        f"{_POINT} WHERE p.unit_id = :unit AND p.on_day BETWEEN :first AND :last ORDER BY p.id DESC LIMIT :limit",
        unit=unit, first=first, last=last, limit=limit,
    )  # fmt: skip
    return [_point(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Sum:
    """A unit's records of some days, added up."""

    unit_id: int
    unit: str
    records: int
    amount: Decimal


async def summed(
    trees: Sequence[str], units: Sequence[int], first: date, last: date, *, everything: bool = False
) -> list[Sum]:
    """The sum of every unit with a record among those of these subtrees and these units, the lowest first."""
    values: dict[str, Any] = {f"tree{number}": f"{path}%" for number, path in enumerate(trees)}
    clauses = [f"u.path LIKE :{name}" for name in values]
    if units:
        clauses.append("u.id IN :units")
        values["units"] = list(units)
    where = "1 = 1" if everything else f"({' OR '.join(clauses) or '1 = 0'})"
    rows = await fetch(
        "SELECT u.id, u.name, COUNT(*) AS records, SUM(p.hundredths) AS hundredths FROM point p"
        f" JOIN unit u ON u.id = p.unit_id WHERE p.on_day BETWEEN :first AND :last AND {where}"
        " GROUP BY u.id, u.name, u.path ORDER BY SUM(p.hundredths), u.path",
        first=first, last=last, **values,
    )  # fmt: skip
    return [Sum(row["id"], row["name"], int(row["records"]), Decimal(int(row["hundredths"])) / HUNDRED) for row in rows]


def _point(row: dict[str, Any]) -> Point:
    return Point(
        row["id"], row["unit_id"], row["unit"], row["path"], as_date(row["on_day"]),
        Decimal(row["hundredths"]) / HUNDRED, row["ground"], row["obligation_id"], row["reverses"], row["reversed_by"],
    )  # fmt: skip
