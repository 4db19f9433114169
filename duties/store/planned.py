"""Terms as rows: what planning writes once and the waves read."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from duties.model import OPEN_STATES, Term
from duties.store.database import Rows, as_date, execute, fetch, literal

_OPEN = literal(OPEN_STATES)


@dataclass(frozen=True, slots=True)
class PlannedTerm:
    """A term's row: what a wave needs of it."""

    id: int
    duty: str
    label: str
    jurisdiction: str
    opens: date
    due: date
    raised_through: date | None
    stirred: int
    units_digest: str
    planned_for: str
    advise_by: date | None = None


def _planned(row: dict[str, Any]) -> PlannedTerm:
    through = as_date(row["raised_through"]) if row["raised_through"] else None
    return PlannedTerm(
        row["id"], row["duty"], row["label"], row["jurisdiction"], as_date(row["opens"]), as_date(row["due"]), through,
        row["stirred"], row["units_digest"], row["planned_for"],
        as_date(row["advise_by"]) if row["advise_by"] else None,
    )  # fmt: skip


_COLUMNS = "id, duty, label, jurisdiction, opens, due, raised_through, stirred, units_digest, planned_for, advise_by"


async def ensure(term: Term) -> PlannedTerm:
    """The row of a term, made if it is missing. A term's due day is never changed here."""
    key = {"duty": term.duty, "label": term.label, "jurisdiction": term.jurisdiction}
    where = "duty = :duty AND label = :label AND jurisdiction = :jurisdiction"
    rows = await fetch(f"SELECT {_COLUMNS} FROM term WHERE {where}", **key)
    if not rows:
        await execute(
            "INSERT INTO term (duty, label, jurisdiction, covers_from, covers_to, opens, due, basis, force,"
            " stirred, units_digest, planned_for)"
            " VALUES (:duty, :label, :jurisdiction, :covers_from, :covers_to, :opens, :due, :basis, :force, 0, '', '')"
            " ON CONFLICT DO NOTHING",
            **key, covers_from=term.covers_from, covers_to=term.covers_to, opens=term.opens, due=term.due,
            basis=str(term.basis), force=str(term.force),
        )  # fmt: skip
        rows = await fetch(f"SELECT {_COLUMNS} FROM term WHERE {where}", **key)
    return _planned(rows[0])


async def still_due(today: date) -> list[PlannedTerm]:
    """Every planned term whose deadline has not passed."""
    rows = await fetch(f"SELECT {_COLUMNS} FROM term WHERE due >= :today ORDER BY due, id", today=today)
    return [_planned(row) for row in rows]


async def awaiting_wave(today: date) -> list[PlannedTerm]:
    """Opened terms with open obligations whose touches up to today are not all raised."""
    rows = await fetch(
        f"SELECT {_COLUMNS} FROM term t WHERE opens <= :today AND (raised_through IS NULL OR raised_through < :today)"
        f" AND EXISTS (SELECT 1 FROM obligation o WHERE o.term_id = t.id AND o.state IN {_OPEN}) ORDER BY due, id",
        today=today,
    )  # fmt: skip
    return [_planned(row) for row in rows]


async def open_terms() -> list[PlannedTerm]:
    """Every term with an open obligation."""
    rows = await fetch(
        f"SELECT {_COLUMNS} FROM term t WHERE EXISTS"
        f" (SELECT 1 FROM obligation o WHERE o.term_id = t.id AND o.state IN {_OPEN}) ORDER BY due, id",
    )
    return [_planned(row) for row in rows]


async def raised(terms: Iterable[PlannedTerm], through: date) -> None:
    """Note that every touch of terms up to a day is raised, unless one was stirred since it was read."""
    alike: dict[int, list[int]] = defaultdict(list)
    for term in terms:
        alike[term.stirred].append(term.id)
    for stirred, ids in alike.items():
        await execute(
            "UPDATE term SET raised_through = :through WHERE id IN :ids AND stirred = :stirred",
            through=through, ids=ids, stirred=stirred,
        )  # fmt: skip


async def stir_all() -> None:
    """Let the next wave look at every touch of every open term again."""
    await execute(
        "UPDATE term SET raised_through = NULL, stirred = stirred + 1 WHERE raised_through IS NOT NULL AND EXISTS"
        f" (SELECT 1 FROM obligation o WHERE o.term_id = term.id AND o.state IN {_OPEN})",
    )


async def planned_for(term: int, version: str) -> None:
    """Note from which roster and registry a term's obligations were made."""
    await execute("UPDATE term SET planned_for = :version WHERE id = :id", version=version, id=term)


async def digest_written(term: int, digest: str) -> bool:
    """Note which digest of a term's units goes into the ledger. False when another process has written it."""
    return bool(
        await execute(
            "UPDATE term SET units_digest = :digest WHERE id = :id AND units_digest <> :digest", digest=digest, id=term
        )
    )


async def chore(name: str) -> str:
    """When something was last done; empty when never."""
    rows = await fetch("SELECT done FROM chore WHERE name = :name", name=name)
    return str(rows[0]["done"]) if rows else ""


async def chore_done(name: str, done: str) -> None:
    """Note when something was done."""
    await execute(
        "INSERT INTO chore (name, done) VALUES (:name, :done) ON CONFLICT (name) DO UPDATE SET done = :done",
        name=name, done=done,
    )  # fmt: skip


async def silent_counts() -> Rows:
    """Per term, what verifying compares with the ledger: due day, whether its clock stands, and units."""
    return await fetch("SELECT id, duty, label, jurisdiction, due, stands_from, units_digest FROM term ORDER BY id")
