"""The few updates of the use cases. Each runs inside the caller's transaction, after the ledger entry."""

import json
from datetime import date
from typing import Any

from duties.model import Obligation, State
from duties.store.database import execute


async def move(before: Obligation, state: State, **columns: Any) -> bool:
    """Change an obligation's state if it is still what the decision was made on."""
    changes = {"state": str(state), **columns}
    if "evidence" in changes:
        changes["evidence"] = json.dumps(changes["evidence"], ensure_ascii=False, sort_keys=True)
    assignments = ", ".join(f"{name} = :{name}" for name in changes)
    moved = await execute(
        f"UPDATE obligation SET {assignments} WHERE id = :id AND state = :was AND tally = :tally_was"
        " AND COALESCE(assignee, 0) = :assignee_was AND COALESCE(CAST(waived_until AS TEXT), '') = :waived_was",
        id=before.id, was=str(before.state), tally_was=before.tally, assignee_was=before.assignee or 0,
        waived_was=before.waived_until.isoformat() if before.waived_until else "", **changes,
    )  # fmt: skip
    return moved == 1


async def add_count(obligation: int, on: date, topic: str, amount: int, entry: int, meeting: str | None) -> None:
    """One count towards a counted duty."""
    await execute(
        "INSERT INTO count_item (obligation_id, on_day, topic, meeting, amount, entry_id)"
        " VALUES (:obligation, :on_day, :topic, :meeting, :amount, :entry)",
        obligation=obligation, on_day=on, topic=topic, meeting=meeting, amount=amount, entry=entry,
    )  # fmt: skip


async def reverse_count(entry: int, by: int) -> None:
    """Take back the count that an entry made; the row stays, marked with the reversing entry."""
    await execute("UPDATE count_item SET undone_by = :by WHERE entry_id = :entry", by=by, entry=entry)


async def uncount(count: int, by: int) -> None:
    """Let a count no longer stand; the row stays, marked with the entry that took it back."""
    await execute("UPDATE count_item SET undone_by = :by WHERE id = :id", by=by, id=count)


async def recount(by: int) -> None:
    """Let the counts that an entry took back stand again."""
    await execute("UPDATE count_item SET undone_by = NULL WHERE undone_by = :by", by=by)
