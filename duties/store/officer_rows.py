"""Officers and their hours as rows. Writes run inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from duties.model import OPEN_STATES, State
from duties.officers import Due, Had, Officer, Trained, needed
from duties.store.database import as_date, execute, execute_many, fetch, literal

SLICE = 5_000
MEASURABLE = literal([*OPEN_STATES, State.REPORTED])
OFFICER = "f.id, f.unit_id, f.name, f.certificate, f.since, f.until, f.entered, f.first_id"
_ATTESTED = "SELECT 1 FROM count_item c WHERE c.obligation_id = o.id AND c.undone_by IS NULL AND c.amount > 0"
"""What a head has attested stands for its year, whoever is listed later."""


@dataclass(frozen=True, slots=True)
class Record:
    """Hours that stand: whose, when, of what, how many halves."""

    id: int
    person: int
    name: str
    on: date
    topic: str
    halves: int
    line: str
    """Where the ledger records it: the entry's number and the place in it."""


def officer(row: Mapping[str, Any]) -> Officer:
    since, until, entered = (as_date(row[name]) if row[name] else None for name in ("since", "until", "entered"))
    return Officer(
        row["id"], row["unit_id"], row["name"], row["certificate"], since, until, entered, row["first_id"]
    )  # fmt: skip


async def listed(units: Sequence[int], day: date) -> list[Officer]:
    """The officers of some units on a day, by name."""
    rows = await fetch(
        f"SELECT {OFFICER} FROM officer f WHERE f.unit_id IN :units"
        " AND (f.since IS NULL OR f.since <= :day) AND (f.until IS NULL OR f.until >= :day)"
        " ORDER BY f.unit_id, f.name, f.id",
        units=list(units), day=day,
    )  # fmt: skip
    return [officer(row) for row in rows]


async def ever(units: Sequence[int]) -> list[Officer]:
    """Everybody who is, was or is to be an officer of some units, a row for each time, by name."""
    rows = await fetch(
        f"SELECT {OFFICER} FROM officer f WHERE f.unit_id IN :units ORDER BY f.unit_id, f.name, f.id", units=list(units)
    )
    return [officer(row) for row in rows]


async def elsewhere(word: str, day: date) -> str:
    """The unit where an officer of this name or certificate is listed; empty where none is."""
    rows = await fetch(
        "SELECT u.name FROM officer f JOIN unit u ON u.id = f.unit_id WHERE (f.name = :word OR f.certificate = :word)"
        " AND (f.since IS NULL OR f.since <= :day) AND (f.until IS NULL OR f.until >= :day) ORDER BY f.id LIMIT 1",
        word=word, day=day,
    )  # fmt: skip
    return str(rows[0]["name"]) if rows else ""


async def due_hours(duties: Sequence[str], today: date, units: Sequence[int] = ()) -> list[Due]:
    """Obligations of these duties that hours may be recorded under today, the newest first."""
    within = "AND o.unit_id IN :units" if units else ""
    rows = await fetch(
        f"SELECT o.id, o.unit_id, t.opens, t.due FROM obligation o JOIN term t ON t.id = o.term_id"
        f" WHERE t.duty IN :duties AND o.state IN {MEASURABLE} AND t.opens <= :today {within}"
        " ORDER BY t.opens DESC, o.id",
        duties=list(duties), units=list(units), today=today,
    )  # fmt: skip
    return [Due(row["id"], row["unit_id"], as_date(row["opens"]), as_date(row["due"])) for row in rows]


async def of_units(units: Iterable[int], duties: Sequence[str], today: date) -> list[int]:
    """The obligations of some units that may be measured."""
    found = list(units)
    return [one.obligation for one in await due_hours(duties, today, found)] if found else []


async def of_people(people: Sequence[int], duties: Sequence[str], today: date) -> list[int]:
    """The obligations under which these people's hours are counted today."""
    rows = await fetch(
        "SELECT DISTINCT o.id FROM obligation o JOIN term t ON t.id = o.term_id JOIN officer f ON f.unit_id = o.unit_id"
        " WHERE COALESCE(f.first_id, f.id) IN :people AND (f.since IS NULL OR f.since <= :today)"
        " AND (f.until IS NULL OR f.until >= :today) AND t.duty IN :duties"
        f" AND o.state IN {MEASURABLE} AND t.opens <= :today ORDER BY o.id",
        people=list(people), duties=list(duties), today=today,
    )  # fmt: skip
    return [int(row["id"]) for row in rows]


async def measurable(duties: Sequence[str], today: date) -> list[int]:
    """Every obligation of these duties whose unit has officers."""
    rows = await fetch(
        f"SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.duty IN :duties"
        f" AND o.state IN {MEASURABLE} AND t.opens <= :today"
        " AND EXISTS (SELECT 1 FROM officer f WHERE f.unit_id = o.unit_id) ORDER BY o.id",
        duties=list(duties),
        today=today,
    )
    return [int(row["id"]) for row in rows]


async def attested(obligation: int) -> bool:
    """Whether what a head attested as a whole stands: that then is the measure of the year."""
    return bool(
        await fetch(f"SELECT 1 AS found FROM obligation o WHERE o.id = :id AND EXISTS ({_ATTESTED})", id=obligation)
    )


async def standings(full: Mapping[str, int], obligations: Sequence[int], today: date) -> dict[int, list[Trained]]:
    """How far the officers are, by obligation; those that are attested, or have no officers, are not there.

    `full` has the hours of each duty that is measured so. Those of today count; once the last day has passed, its own.
    """
    found: dict[int, list[Trained]] = defaultdict(list)
    for start in range(0, len(obligations), SLICE):
        rows = await fetch(
            f"""
            SELECT o.id AS obligation, o.target, t.duty, t.opens, {OFFICER}, h.halves, h.last
            FROM obligation o JOIN term t ON t.id = o.term_id JOIN officer f ON f.unit_id = o.unit_id
            LEFT JOIN (
              SELECT r.officer_id, w.duty, w.label, SUM(r.halves) AS halves, MAX(r.on_day) AS last
              FROM training r JOIN obligation k ON k.id = r.obligation_id JOIN term w ON w.id = k.term_id
              WHERE r.undone_by IS NULL GROUP BY r.officer_id, w.duty, w.label
            ) h ON h.officer_id = COALESCE(f.first_id, f.id) AND h.duty = t.duty AND h.label = t.label
            WHERE o.id IN :obligations AND t.duty IN :duties AND NOT EXISTS ({_ATTESTED})
              AND (f.since IS NULL OR (f.since <= :today AND f.since <= t.due))
              AND (f.until IS NULL OR f.until >= :today OR f.until >= t.due)
            ORDER BY o.id, f.id
            """,
            obligations=list(obligations[start : start + SLICE]), duties=list(full) or [""], today=today,
        )  # fmt: skip
        for row in rows:
            one = officer(row)
            need = needed(one.entered, full[row["duty"]], row["target"], as_date(row["opens"]))
            last = as_date(row["last"]) if row["last"] else None
            found[row["obligation"]].append(Trained(one, int(row["halves"] or 0), need, last))
    return found


async def recorded(people: Sequence[int], duties: Sequence[str]) -> dict[tuple[int, date], dict[str, int]]:
    """The halves that stand, by person and day, then by topic."""
    found: dict[tuple[int, date], dict[str, int]] = defaultdict(dict)
    for start in range(0, len(people), SLICE):
        rows = await fetch(
            "SELECT r.officer_id, r.on_day, r.topic, r.halves FROM training r"
            " JOIN obligation o ON o.id = r.obligation_id JOIN term t ON t.id = o.term_id"
            " WHERE r.officer_id IN :people AND t.duty IN :duties AND r.undone_by IS NULL",
            people=list(people[start : start + SLICE]), duties=list(duties),
        )  # fmt: skip
        for row in rows:
            found[row["officer_id"], as_date(row["on_day"])][row["topic"]] = row["halves"]
    return found


async def records(people: Sequence[int], duties: Sequence[str], on: date | None = None) -> list[Record]:
    """Hours of some people that stand, the newest first; of one day where one is given."""
    rows = await fetch(
        "SELECT r.id, r.officer_id, f.name, r.on_day, r.topic, r.halves, r.entry_id, r.place FROM training r"
        " JOIN officer f ON f.id = r.officer_id JOIN obligation o ON o.id = r.obligation_id"
        " JOIN term t ON t.id = o.term_id WHERE r.officer_id IN :people AND t.duty IN :duties"
        f" AND r.undone_by IS NULL {'AND r.on_day = :on' if on else ''} ORDER BY r.on_day DESC, r.id DESC",
        people=list(people), duties=list(duties), **({"on": on} if on else {}),
    )  # fmt: skip
    return [
        Record(
            row["id"], row["officer_id"], row["name"], as_date(row["on_day"]), row["topic"], row["halves"],
            f"{row['entry_id']}/{row['place']}",
        )
        for row in rows
    ]  # fmt: skip


async def add(had: Sequence[Had], entry: int) -> None:
    """Hours that an entry of the ledger records."""
    await execute_many(
        "INSERT INTO training (obligation_id, officer_id, on_day, topic, halves, entry_id, place)"
        " VALUES (:obligation, :officer, :on, :topic, :halves, :entry, :place)",
        [
            {
                "obligation": one.obligation, "officer": one.officer.person, "on": one.on, "topic": one.topic,
                "halves": one.halves, "entry": entry, "place": place,
            }
            for place, one in enumerate(had)
        ],
    )  # fmt: skip


async def reverse(records: Sequence[int], entry: int) -> bool:
    """Let hours no longer stand; the rows stay, marked with the entry that reverses them. False if some already are."""
    moved = await execute(
        "UPDATE training SET undone_by = :entry WHERE id IN :ids AND undone_by IS NULL", entry=entry, ids=list(records)
    )
    return moved == len(records)


async def take_back(entry: int, by: int) -> int:
    """Undo what an entry did to hours: those it recorded no longer stand, those it reversed stand again.

    Returns how many it had recorded that still stood.
    """
    await execute("UPDATE training SET undone_by = NULL WHERE undone_by = :entry", entry=entry)
    return await execute(
        "UPDATE training SET undone_by = :by WHERE entry_id = :entry AND undone_by IS NULL", entry=entry, by=by
    )
