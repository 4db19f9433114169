"""Sentences several commands share: what was recorded, what remains, what was given as evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.conversation.ask import Ask, Reply
from bot.store import oversight
from bot.store.asked import Asked
from bot.store.oversight import View
from bot.wording import screen, shortened
from bot.wording.grammar import LONGEST_TOPIC
from bot.wording.groups import timing
from duties import training
from duties.cases import is_right
from duties.evidence import lacking
from duties.model import OPEN_STATES, Obligation, State
from duties.obligations import Done
from duties.registry import CountedRule, Duty, EvidenceSlot
from duties.store import reading
from duties.store.reading import Filter

COUNTED = ("overdue", "due", "unacknowledged", "progress")
"""Questions whose answer counts obligations: others count units, or are about one."""
IN_FULL = 6
"""Acts told one by one: of an answer about more, a phone has room for the rest by number only."""
PARTS = ("number", "date", "link", "note")


async def echo(ask: Ask, key: str, done: Sequence[Done], notes: Sequence[str] = (), **facts: object) -> Reply:
    """What was recorded, its number, and what remains."""
    lines = [ask.say(key, entry=one.entry, **ask.facts(one.obligation), **facts) for one in done[:IN_FULL]]
    if more := done[IN_FULL:]:
        items = [f"#{one.obligation.id}" for one in more]
        lines.append(ask.say("echo-likewise", n=len(more), items=items, first=more[0].entry, last=more[-1].entry))
    return Reply(
        "\n".join(line for line in [*lines, *moot(ask, done), *notes, await remaining(ask)] if line),
        about=tuple(one.obligation.id for one in done),
    )


def moot(ask: Ask, done: Sequence[Done]) -> list[str]:
    """The requests that nobody need answer any more."""
    return [ask.say("moot-request", number=number) for one in done for number in one.moot]


async def remaining(ask: Ask) -> str:
    """How much the asker's units still owe."""
    if not ask.units:
        return ""
    open_now, _ = await reading.counted(Filter(units=ask.units, states=OPEN_STATES, opened_by=ask.today))
    late, _ = await reading.counted(Filter(units=ask.units, states=OPEN_STATES, due_before=ask.today))
    key = "remaining-late" if late else "remaining" if open_now else "remaining-none"
    return ask.say(key, n=open_now, late=late)


async def remaining_waiting(ask: Ask, seen: View) -> str:
    """How much a supervisor still has to verify."""
    waiting = await oversight.waiting_counted(seen)
    return ask.say("remaining-waiting" if waiting else "remaining-verified", n=waiting)


async def evidence_shown(ask: Ask, number: int, duty: Duty) -> str:
    """What was given to show that an obligation is done; slot by slot where the duty has several."""
    titles = {slot.slot: slot_title(ask, slot) for slot in duty.evidence} if len(duty.evidence) > 1 else {}
    shown = []
    for one in await reading.evidence_of(number):
        title, parts = titles.get(one.get("slot", "")), _parts(ask, one)
        shown.append(ask.say("evidence-slot", title=title, parts=parts) if title else ask.say("list", parts=parts))
    return ask.say("evidence-shown", parts="\uff1b".join(shown)) if shown else ""


def _parts(ask: Ask, one: Mapping[str, Any]) -> list[str]:
    empty = [ask.say("evidence-empty")] if one.get("empty") else []
    exempt = [ask.say("evidence-exempt", text=one["exempt"])] if one.get("exempt") else []
    return [*empty, *exempt, *(shortened(one[part], LONGEST_TOPIC) for part in PARTS if part in one)]


async def wanted(ask: Ask, one: Obligation) -> tuple[EvidenceSlot, ...]:
    """The evidence that a unit is asked for: a document of its own city may want more."""
    slots = ask.duty(one.duty).evidence
    if not any(slot.jurisdiction for slot in slots):
        return slots
    _, places = await reading.standing_of(one.unit_id, one.due)
    return tuple(slot for slot in slots if not slot.jurisdiction or slot.jurisdiction in places)


async def all_shown(ask: Ask, one: Obligation) -> bool:
    """Whether what was kept lacks nothing: then 完成 alone makes the report."""
    kept = await reading.evidence_of(one.id)
    return bool(kept) and not lacking(await wanted(ask, one), kept)


def offered(ask: Ask, lines: Sequence[str], asked: Asked, *, found: int, items: tuple[int, ...] = ()) -> Reply:
    """An answer of which there is a full table to be had; nothing found is not offered, but is what 导出 then means."""
    if not found:
        return Reply("\n".join(lines), items=items, asked=asked)
    button = (ask.say("button-export"), "export", "plain")
    counted = found if asked.kind in COUNTED else 0
    return Reply("\n".join([*lines, ask.say("export-offer")]), (button,), items, asked=asked, found=counted)


def fits(ask: Ask, lines: Sequence[str]) -> bool:
    """Whether an answer, with the offer of its full table, is no longer than a screen."""
    return screen.fits("\n".join([*lines, ask.say("export-offer")]))


def item(ask: Ask, number: int, one: Obligation) -> str:
    """One line of a list."""
    return ask.say("line", number=number, status=status(ask, one), **ask.facts(one))


def status(ask: Ask, one: Obligation) -> str:
    """When it is due and where it stands: how far that is while it is owed, when it was done once it is reported."""
    tally = ask.say("line-tally", tally=one.tally, target=one.target) if is_counted(ask.duty(one.duty)) else ""
    tally += ask.say("line-right") if is_right(ask.registry, one.duty) else ""
    facts = ask.facts(one) | timing(one.due, one.stop, ask.today, ask.language)
    if one.state in OPEN_STATES:
        return ask.say("status", tally=tally, **facts)
    done = (
        ask.say("status-done", day=one.done_on) if one.done_on and one.state in (State.REPORTED, State.CLOSED) else ""
    )
    return ask.say("status-over", done=done, tally=tally, **facts)


async def officers_reached(ask: Ask, shown: Sequence[Obligation]) -> dict[int, str]:
    """By obligation, how many officers have their hours, where that is the measure."""
    codes = training.full_hours(ask.registry)
    found = await training.reached([one.id for one in shown if one.duty in codes], ask.registry, ask.today)
    return {
        number: ask.say("line-officers", reached=count.reached, officers=count.officers)
        for number, count in found.items()
    }


def is_counted(duty: Duty) -> bool:
    """Whether a duty is done by counting up to a number."""
    return isinstance(duty.rule, CountedRule)


def slot_title(ask: Ask, slot: EvidenceSlot) -> str:
    """What one piece of evidence is called."""
    return slot.title if ask.language == "zh" else slot.title_en


def slots(ask: Ask, found: Sequence[EvidenceSlot]) -> list[str]:
    """Everything that shows a duty was done, each with the form it takes."""
    return [slot_named(ask, slot, slot.needs) for slot in found]


def slot_named(ask: Ask, slot: EvidenceSlot, needs: Sequence[str]) -> str:
    """A slot with what it wants."""
    if not needs:
        return slot_title(ask, slot)
    return ask.say("slot", title=slot_title(ask, slot), needs=[ask.say(f"need-{need}") for need in needs])
