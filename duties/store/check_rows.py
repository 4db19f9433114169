"""The latest answers to checklists. Writing runs in the caller's transaction, after the ledger entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from duties.model import Answer, Checked
from duties.store.chains import StaleError
from duties.store.database import Rows, as_date, execute, fetch


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it stands: since which day, by which entry."""

    checked: Checked
    on: date
    entry: int

    def content(self) -> dict[str, str]:
        """As an entry holds it."""
        return {"answer": str(self.checked.answer), "note": self.checked.note, "on": self.on.isoformat()}


async def of(obligation: int) -> dict[int, Kept]:
    """Every answer given for an obligation, by the provision's number."""
    rows = await fetch(
        "SELECT provision, answer, note, on_day, entry_id FROM check_item WHERE obligation_id = :id ORDER BY provision",
        id=obligation,
    )
    return {row["provision"]: kept(row) for row in rows}


def kept(row: Mapping[str, Any]) -> Kept:
    """A row's answer."""
    return Kept(Checked(Answer(row["answer"]), row["note"]), as_date(row["on_day"]), row["entry_id"])


async def write(
    obligation: int, answers: Mapping[str, Mapping[str, str] | None], was: Mapping[int, Kept], entry: int
) -> None:
    """Set answers as an entry holds them; None is no answer. StaleError where they are not what `was` says."""
    for number, answer in answers.items():
        at = {"obligation": obligation, "provision": int(number)}
        before = was[int(number)].entry if int(number) in was else None
        if before is None:
            moved = await _add(at, answer, entry)
        else:
            moved = await _change({**at, "before": before}, answer, entry)
        if moved != 1:
            raise StaleError(f"item {number} of obligation {obligation} was answered meanwhile")


async def _add(at: Mapping[str, int], answer: Mapping[str, str] | None, entry: int) -> int:
    if answer is None:
        return 1
    return await execute(
        "INSERT INTO check_item (obligation_id, provision, answer, note, on_day, entry_id)"
        " VALUES (:obligation, :provision, :answer, :note, :on, :entry) ON CONFLICT DO NOTHING",
        **at, **_columns(answer), entry=entry,
    )  # fmt: skip


async def _change(at: Mapping[str, int], answer: Mapping[str, str] | None, entry: int) -> int:
    where = "WHERE obligation_id = :obligation AND provision = :provision AND entry_id = :before"
    if answer is None:
        return await execute(f"DELETE FROM check_item {where}", **at)
    return await execute(
        f"UPDATE check_item SET answer = :answer, note = :note, on_day = :on, entry_id = :entry {where}",
        **at, **_columns(answer), entry=entry,
    )  # fmt: skip


def _columns(answer: Mapping[str, str]) -> dict[str, Any]:
    return {"answer": answer["answer"], "note": answer["note"], "on": date.fromisoformat(answer["on"])}


async def answered(after: int, limit: int) -> list[int]:
    """The obligations that have answers, in the table or in the ledger, in order."""
    rows = await fetch(
        """
        SELECT id FROM (
          SELECT obligation_id AS id FROM check_item WHERE obligation_id > :after
          UNION SELECT s.ref FROM stream s WHERE s.kind = 'obligation' AND s.ref > :after
            AND EXISTS (SELECT 1 FROM entry e WHERE e.stream_id = s.id AND e.action = 'check')) AS known
        ORDER BY id LIMIT :limit
        """,
        after=after, limit=limit,
    )  # fmt: skip
    return [int(row["id"]) for row in rows]


async def rows_of(obligations: list[int]) -> Rows:
    """The answers of obligations: obligation_id, provision, answer, note, on_day, entry_id."""
    return await fetch(
        "SELECT obligation_id, provision, answer, note, on_day, entry_id FROM check_item WHERE obligation_id IN :ids",
        ids=obligations,
    )


async def lines_of(obligations: list[int]) -> Rows:
    """What the ledger says of their answers, oldest first: ref, id, payload."""
    return await fetch(
        "SELECT s.ref, e.id, e.payload FROM stream s JOIN entry e ON e.stream_id = s.id"
        " WHERE s.kind = 'obligation' AND s.ref IN :ids AND e.action IN ('check', 'undo') ORDER BY s.ref, e.seq",
        ids=obligations,
    )
