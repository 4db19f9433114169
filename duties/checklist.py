"""常态化义务自查: the standing provisions that bind a unit, each confirmed or answered with what is missing.

An item is named by its provision's number, which never changes: tags that change while somebody reads a page can
move no answer to another item. What binds is asked anew each time; what no longer binds is left out, its answer kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from duties import obligations
from duties.errors import RefusedError
from duties.model import Actor, Answer, Checked, Evidence, Obligation
from duties.obligations import ANYHOW, Done, Moment, Reporting
from duties.registry import Provision, Registry, StandingRule
from duties.store import check_rows, reading
from duties.store.check_rows import Kept


@dataclass(frozen=True, slots=True)
class Item:
    """A provision that binds, and its answer, if it has one."""

    provision: Provision
    kept: Kept | None

    @property
    def missing(self) -> bool:
        """Whether the unit said that it lacks this."""
        return self.kept is not None and self.kept.checked.answer == Answer.MISSING


@dataclass(frozen=True, slots=True)
class Checklist:
    """Everything that binds, in the order of the provisions."""

    items: tuple[Item, ...]

    @property
    def by_number(self) -> dict[int, Item]:
        """The items by their provision's number."""
        return {item.provision.no: item for item in self.items}

    @property
    def unanswered(self) -> tuple[Item, ...]:
        """Those without an answer."""
        return tuple(item for item in self.items if item.kept is None)

    @property
    def missing(self) -> tuple[Item, ...]:
        """Those that the unit lacks."""
        return tuple(item for item in self.items if item.missing)

    @property
    def answered(self) -> int:
        """How many have an answer."""
        return len(self.items) - len(self.unanswered)


def is_standing(registry: Registry, one: Obligation) -> bool:
    """Whether an obligation is done item by item."""
    return isinstance(registry.duty(one.duty).rule, StandingRule)


async def read(registry: Registry, one: Obligation) -> Checklist:
    """The items of an obligation with their answers. Raises RefusedError where the duty has none."""
    kept = await check_rows.of(one.id)
    return Checklist(tuple(Item(each, kept.get(each.no)) for each in await _binding(registry, one)))


async def _binding(registry: Registry, one: Obligation) -> tuple[Provision, ...]:
    """By the unit's tags on the due day, as every duty binds, and by where each document is in force."""
    duty = registry.duty(one.duty)
    if not isinstance(duty.rule, StandingRule):
        raise RefusedError("refused-no-checklist", number=one.id, duty=one.duty)
    tags, places = await reading.standing_of(one.unit_id, one.due)
    listed = dict.fromkeys(no for scope in duty.scope if scope.jurisdiction in places for no in scope.provisions)
    return tuple(each for no in listed if _binds(registry, each := registry.provisions[no], tags, places))


def _binds(registry: Registry, provision: Provision, tags: frozenset[str], places: frozenset[str]) -> bool:
    if registry.documents[provision.document].jurisdiction not in places:
        return False
    return not provision.tags or any(str(tag) in tags for tag in provision.tags)


async def answer(
    actor: Actor, registry: Registry, number: int, answers: Mapping[int, Checked], said: str, at: Moment
) -> Done:
    """Record answers in the caller's transaction, one entry for all. What is missing must be said."""
    one = await obligations.found(number)
    known = (await read(registry, one)).by_number
    if strange := sorted(answers.keys() - known.keys()):
        raise RefusedError("refused-not-on-list", number=number, items=strange)
    if unsaid := sorted(no for no, each in answers.items() if each.answer == Answer.MISSING and not each.note):
        raise RefusedError("refused-missing-unsaid", number=number, items=unsaid)
    return await obligations.check(actor, number, answers, said, at)


async def must_be_answered(registry: Registry, one: Obligation) -> Checklist:
    """The checklist, once nothing of it is unanswered. Raises RefusedError saying how much is left."""
    checklist = await read(registry, one)
    if left := len(checklist.unanswered):
        raise RefusedError("refused-checklist-left", number=one.id, left=left, n=len(checklist.items), duty=one.duty)
    return checklist


async def report(
    actor: Actor, registry: Registry, number: int, evidence: Evidence, at: Moment, by: Reporting = ANYHOW
) -> Done:
    """报结, once every item has its answer: asked again under the chain's lock, as one may be taken back meanwhile."""
    done = await obligations.report(actor, number, evidence, at, by)
    await must_be_answered(registry, done.obligation)
    return done
