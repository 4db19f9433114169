"""What a changed registry would touch: the terms as planned, with the obligations open under each."""

from dataclasses import dataclass
from datetime import date

from duties.model import OPEN_STATES
from duties.store.database import as_date, fetch, literal

_OPEN = literal(OPEN_STATES)


@dataclass(frozen=True, slots=True)
class HeldTerm:
    """A planned term that people may still be working on."""

    id: int
    duty: str
    label: str
    jurisdiction: str
    due: date
    open: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What a term is known by in the registry too."""
        return self.duty, self.label, self.jurisdiction


async def held_terms(today: date) -> list[HeldTerm]:
    """Every term that is still to come, or has an open obligation."""
    rows = await fetch(
        f"""
        SELECT t.id, t.duty, t.label, t.jurisdiction, t.due, COUNT(o.id) AS open
        FROM term t LEFT JOIN obligation o ON o.term_id = t.id AND o.state IN {_OPEN}
        GROUP BY t.id, t.duty, t.label, t.jurisdiction, t.due
        HAVING t.due >= :today OR COUNT(o.id) > 0 ORDER BY t.due, t.id
        """,
        today=today,
    )  # fmt: skip
    return [
        HeldTerm(row["id"], row["duty"], row["label"], row["jurisdiction"], as_date(row["due"]), int(row["open"]))
        for row in rows
    ]
