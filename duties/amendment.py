"""What a changed registry means for what is planned: shown before it is applied, and never applied by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from duties.model import Term
from duties.planning import LONGEST
from duties.registry import Duty, Registry
from duties.schedule import terms
from duties.store import differing, planned, statements
from duties.store.differing import HeldTerm


@dataclass(frozen=True, slots=True)
class TermChange:
    """One term that the registry and the database see differently.

    `change`: added (the registry has it, the database does not), gone (the other way round), moved (another due day),
    members (units would no longer owe it). `open` counts the open obligations it touches.
    """

    change: str
    duty: str
    term: str
    jurisdiction: str
    due: date
    was_due: date | None
    open: int


_Key = tuple[str, str, str]
_Held = Mapping[_Key, HeldTerm]


async def amended(registry: Registry, today: date, horizon: timedelta) -> list[TermChange]:
    """Every difference, by due day. A term that only waits to be planned on a later day is none."""
    opens_by = (await _planned_on() or today) + horizon
    held = {term.key: term for term in await differing.held_terms(today)}
    wanted = {_key(term): term for duty in registry.duties for term in _ahead(duty, held, today, opens_by)}
    found = [*_compared(wanted, held)]
    for key, term in wanted.items():
        if key in held and (left := await _leaving(term, held[key])):
            found.append(_change("members", term, held[key].due, left))
    return sorted(found, key=lambda one: (one.due, one.duty, one.term, one.jurisdiction, one.change))


async def _planned_on() -> date | None:
    """The day from which the horizon was last counted."""
    mark = await planned.chore("plan")
    return date.fromisoformat(mark.partition(" ")[0]) if mark else None


def _key(term: Term) -> _Key:
    return term.duty, term.label, term.jurisdiction


def _ahead(duty: Duty, held: _Held, today: date, opens_by: date) -> list[Term]:
    """A duty's terms that should be planned, and those past that are planned and open."""
    oldest = min((term.due for term in held.values()), default=today)
    return [
        term
        for term in terms(duty, date(min(today, oldest).year - 1, 1, 1), opens_by + LONGEST)
        if term.opens <= opens_by and (term.due >= today or _key(term) in held)
    ]


def _compared(wanted: Mapping[_Key, Term], held: _Held) -> Iterator[TermChange]:
    for key, term in wanted.items():
        there = held.get(key)
        if there is None:
            yield _change("added", term, None, 0)
        elif there.due != term.due:
            yield _change("moved", term, there.due, there.open)
    for key, there in held.items():
        if key not in wanted:
            yield TermChange("gone", *key, there.due, there.due, there.open)


def _change(kind: str, term: Term, was_due: date | None, touched: int) -> TermChange:
    return TermChange(kind, *_key(term), term.due, was_due, touched)


async def _leaving(term: Term, there: HeldTerm) -> int:
    """How many open obligations belong to units that the duty's tags no longer name."""
    tags = tuple(str(tag) for tag in term.tags)
    return len(await statements.lost_members(there.id, tags)) if there.open else 0
