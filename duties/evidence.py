"""What shows that a duty was done: which slots of the duty an answer fills, and what is still lacking. Pure.

Evidence is kept as a list of plain values, one for each slot (`slot`, `number`, `date`, `link`, `note`, or `exempt`:
why nothing need be shown), so that 备案 and 公开 may be shown on different days. A nil report is one value, `empty`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from duties.model import Evidence
from duties.registry import EvidenceSlot

Kept = Mapping[str, Any]
EMPTY, SLOT, EXEMPT, DATE, SHOWN, NOTE = "empty", "slot", "exempt", "date", "shown", "note"
"""`date` is the day the evidence names, `shown` the day it was shown."""
DOCUMENTS = ("number", "link")
EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Lack:
    """What a slot still wants."""

    slot: EvidenceSlot
    needs: tuple[str, ...]


def added(slots: Sequence[EvidenceSlot], kept: Sequence[Kept], given: Evidence, today: date) -> list[dict[str, Any]]:
    """What is kept, with what an answer shows. Each slot takes the parts it wants; what none wants stays as words."""
    if not given:
        return [dict(one) for one in kept]
    if given.empty or not slots:
        words = " ".join([given.note, *(one.why for one in given.exempt)]).strip()
        return [{**_parts(given), **({NOTE: words} if words else {}), **_days(given, today)}]
    filled = {str(one.get(SLOT, "")): dict(one) for one in kept if not one.get(EMPTY)}
    for slot, taken in _shared(slots, filled, given):
        if taken or (given.done_on and DATE in slot.needs and not _parts(given)):
            before = {part: value for part, value in filled.get(slot.slot, {}).items() if not _replaced(part, taken)}
            filled[slot.slot] = {SLOT: slot.slot, **before, **taken, **_days(given, today)}
    return [filled[slot.slot] for slot in slots if slot.slot in filled]


def lacking(slots: Sequence[EvidenceSlot], kept: Sequence[Kept]) -> list[Lack]:
    """The slots that are not filled yet, each with what it wants."""
    if any(one.get(EMPTY) for one in kept):
        return []
    known = {one.get(SLOT): one for one in kept}
    found = [Lack(slot, tuple(_wanted(slot, known.get(slot.slot, {})))) for slot in slots]
    return [lack for lack in found if lack.needs]


def completed_on(kept: Sequence[Kept], today: date) -> date:
    """The day on which the last of it was done: the one the evidence names, else the one on which it was shown."""
    days = [one.get(DATE) or one.get(SHOWN) for one in kept]
    return max((date.fromisoformat(day) for day in days if day), default=today)


def _wanted(slot: EvidenceSlot, one: Kept) -> Iterator[str]:
    """A document's number and its link are wanted as such; words are shown by anything."""
    documents = [need for need in slot.needs if need in DOCUMENTS]
    if one.get(EXEMPT):
        return
    yield from (need for need in documents if not one.get(need))
    if not documents and not one:
        yield from _needs(slot)


def _shared(
    slots: Sequence[EvidenceSlot], filled: Mapping[str, Kept], given: Evidence
) -> list[tuple[EvidenceSlot, dict[str, Any]]]:
    """What each slot that still lacks something takes; all, where none does: then it is shown anew.

    A number or link that none of these wants corrects the one shown before. Words go to those that want them, else to
    the first.
    """
    lacks = [lack.slot for lack in lacking(slots, list(filled.values()))] or list(slots)
    anew = {part for part in _parts(given) if part in DOCUMENTS and not any(part in slot.needs for slot in lacks)}
    lacks = [slot for slot in slots if slot in lacks or anew.intersection(slot.needs)]
    shared = [(slot, _taken(slot, slots, given)) for slot in lacks]
    unused = [one.why for one in given.exempt]
    for slot, taken in shared:
        if why := _excuses(slot, {**filled.get(slot.slot, {}), **taken}, given):
            taken[EXEMPT] = "\uff1b".join(why)
            unused = [one for one in unused if one not in why]
    if words := " ".join(part for part in (given.note, *unused) if part):
        for _, taken in [one for one in shared if NOTE in _needs(one[0])] or shared[:1]:
            taken[NOTE] = words
    return shared


def _taken(slot: EvidenceSlot, slots: Sequence[EvidenceSlot], given: Evidence) -> dict[str, Any]:
    """A number or link that another slot wants, and this one does not, is not this one's."""
    others = {need for other in slots for need in other.needs} - set(slot.needs)
    return {part: value for part, value in _parts(given).items() if part in DOCUMENTS and part not in others}


def _excuses(slot: EvidenceSlot, one: Kept, given: Evidence) -> list[str]:
    """The reasons about just what a slot still lacks, else those about whatever is lacking."""
    still = tuple(_wanted(slot, one))
    about = [each.why for each in given.exempt if each.what in still]
    return about or [each.why for each in given.exempt if still and each.what == EVERYTHING]


def _replaced(part: str, taken: Kept) -> bool:
    """What excused a document is over once the document is there."""
    return part == EXEMPT and any(one in taken for one in DOCUMENTS)


def _needs(slot: EvidenceSlot) -> tuple[str, ...]:
    """A slot that says nothing wants words."""
    return slot.needs or (NOTE,)


def _parts(given: Evidence) -> dict[str, Any]:
    found = {"number": given.number, "link": given.link, NOTE: given.note, EMPTY: given.empty}
    return {part: value for part, value in found.items() if value}


def _days(given: Evidence, today: date) -> dict[str, str]:
    named = {DATE: given.done_on.isoformat()} if given.done_on else {}
    return {**named, SHOWN: today.isoformat()}
