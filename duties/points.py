"""扣分 and 加分: what a supervisor decides to take from a unit or to give it. Nothing here works an amount out.

Each use case runs inside the caller's transaction and writes its ledger entry, in the unit's chain, before its row. A
record is never changed: a mistake is reversed by another record that names it.
"""

from dataclasses import dataclass
from decimal import Decimal

from duties.errors import RefusedError
from duties.ledger import Act, StreamRef
from duties.model import Actor, Force, Obligation
from duties.obligations import Moment
from duties.store import chains, point_rows, reading
from duties.store.point_rows import Point

MOST = Decimal(100)
"""No record is larger: whoever writes more has left out the point."""
PLACES = Decimal("0.01")
GROUND = 255
"""What the column holds; the ledger keeps the whole text."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What was recorded, and the entry's number."""

    point: Point
    entry: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that points are for: its number, name and place in the tree."""

    id: int
    name: str
    path: str


async def score(
    actor: Actor, unit: Unit, amount: Decimal, ground: str, at: Moment, obligation: int | None = None
) -> Scored:
    """Take from a unit or give to it: `amount` has its sign. Raises RefusedError."""
    action = "deduct" if amount < 0 else "credit"
    may_score(actor, unit, action)
    if not 0 < abs(amount) <= MOST or amount != amount.quantize(PLACES):
        raise RefusedError("refused-points-amount", amount=str(abs(amount)), most=str(MOST))
    if obligation is not None:
        _must_bind(await reading.obligation(obligation), obligation, unit)
    return await _recorded(actor, unit, amount, ground, at, action, obligation=obligation)


async def reverse(actor: Actor, number: int, ground: str, at: Moment) -> Scored:
    """Take a record back by another of the same amount and the other sign. Raises RefusedError."""
    before = await point_rows.found(number)
    if before is None:
        raise RefusedError("refused-no-such-points", number=number)
    unit = Unit(before.unit_id, before.unit, before.unit_path)
    may_score(actor, unit, "deduct")
    if before.reverses is not None:
        raise RefusedError("refused-points-reversal", number=number, other=before.reverses)
    if before.reversed_by is not None:
        raise RefusedError("refused-points-reversed", number=number, other=before.reversed_by)
    return await _recorded(
        actor, unit, -before.amount, ground, at, "reverse-points", obligation=before.obligation_id, reverses=number
    )


def may_score(actor: Actor, unit: Unit, action: str) -> None:
    """Refuse whoever may not: points are for the units of one's subtree, never for one's own."""
    if any(post.unit_id == unit.id for post in actor.posts):
        raise RefusedError("refused-points-own", unit=unit.name, unit_id=unit.id)
    if not actor.supervises(unit.path):
        raise RefusedError("refused-not-supervisor", unit=unit.name, action=action, unit_id=unit.id)


def _must_bind(one: Obligation | None, number: int, unit: Unit) -> None:
    """A duty that no authority has confirmed yet is reminded of, but costs nobody points."""
    if one is None:
        raise RefusedError("refused-no-such", number=number)
    if one.unit_id != unit.id:
        raise RefusedError("refused-points-other", number=number, owner=one.unit, unit=unit.name, unit_id=unit.id)
    if one.force == Force.ASSUMED:
        raise RefusedError("refused-points-assumed", number=number, duty=one.duty, term=one.term, unit_id=unit.id)


async def _recorded(
    actor: Actor, unit: Unit, amount: Decimal, ground: str, at: Moment, action: str, *,
    obligation: int | None = None, reverses: int | None = None,
) -> Scored:  # fmt: skip
    payload = {
        "name": actor.name, "unit": unit.name, "amount": str(amount), "hundredths": int(amount * point_rows.HUNDRED),
        "ground": ground, "obligation": obligation, "reverses": reverses, "on": at.today.isoformat(),
    }  # fmt: skip
    act = Act(f"person:{actor.person_id}", action, at.channel, payload)
    entry = await chains.append(StreamRef("unit", unit.id), act, at.now)
    point = await point_rows.add(
        unit.id, at.today, amount, ground[:GROUND], entry, obligation=obligation, reverses=reverses
    )
    if point is None:
        raise chains.StaleError(f"points {reverses} were reversed meanwhile")
    return Scored(point, entry)
