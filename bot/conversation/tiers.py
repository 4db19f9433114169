"""What a group may read of an answer. Whatever speaks of a direct duty goes to the asker alone; the group gets a hint.

A question is answered twice: as the asker may read it, and again as if there were no direct duties. Where the two
differ the group gets the second. An act is told whole or not at all.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from bot.conversation.ask import Ask, Reply
from bot.conversation.table import Command
from duties.errors import RefusedError
from duties.registry import EventRule, Registry
from duties.store import reading
from duties.store.database import savepoint

NUMBERED = re.compile(r"#(\d{1,15})", re.ASCII)
UNTIERED = frozenset({"help", "cancel"})
"""Commands that speak of no obligation; the numbers they show are examples."""
BY_UNIT = frozenset({"lights"})
"""Questions whose answer counts units: of those something may be left although they count no obligations."""
OTHERWISE_NUMBERED = frozenset({"announce", "approve", "reject", "hours"})
"""Commands whose buttons and questions name something else than obligations."""


async def discreet(ask: Ask, command: Command, reply: Reply) -> Reply:
    """The answer as it may be given where it was asked: `private`, with what the group reads meanwhile in `aside`."""
    if not ask.message.group or command.name in UNTIERED:
        return reply
    if not (reply.private or command.direct):
        if not command.reads:
            return _alone(ask, reply) if await _is_direct(ask, command, reply) else reply
        shown = await _open_part(ask, command)
        if shown == reply:
            return reply
        if shown is not None and _worth_showing(reply, shown):
            return _alone(ask, reply, shown)
    return _alone(ask, reply)


async def _open_part(ask: Ask, command: Command) -> Reply | None:
    """What is left of an answer without the direct duties; None where it cannot be told without them."""
    try:
        async with savepoint():
            shown = await command.run(replace(ask, hidden=tuple(sorted(ask.registry.direct))))
    except RefusedError:
        return None
    return None if await _is_direct(ask, command, shown) else shown


def _worth_showing(reply: Reply, shown: Reply) -> bool:
    """Nothing found would be false; a choice has its numbers in one place only."""
    by_unit = shown.asked is not None and shown.asked.kind in BY_UNIT and bool(shown.buttons)
    return not (reply.question or shown.question) and (shown.found > 0 or by_unit)


def _alone(ask: Ask, reply: Reply, shown: Reply | None = None) -> Reply:
    """To the asker alone; where they cannot be written to alone, not here: then no question may be left open either."""
    hidden = reply.found - shown.found if shown is not None else 0
    some = "" if hidden > 0 else "-some"
    if ask.around.alone(ask.message.connection, ask.message.sender):
        hint = ask.say(f"tier-also-told{some}", n=hidden) if shown is not None else ask.say("told-privately")
        return replace(reply, private=True, aside=_hinted(shown, hint))
    where = ask.say("tier-page", page=ask.around.page) if ask.around.page else ask.say("tier-nowhere")
    hint = ask.say(f"tier-also-elsewhere{some}", n=hidden, where=where) if shown is not None else where
    return replace(_hinted(shown, hint), about=reply.about)


def _hinted(shown: Reply | None, hint: str) -> Reply:
    if shown is None:
        return Reply(hint)
    return replace(shown, text=f"{shown.text}\n{hint}")


async def _is_direct(ask: Ask, command: Command, reply: Reply) -> bool:
    """Whether an answer speaks of a direct duty: by what it says it is about, by its numbers, or by its words."""
    direct = ask.registry.direct
    if direct.intersection(reply.duties) or names_direct(ask.registry, reply.text):
        return True
    numbers = {*reply.items, *reply.about, *numbers_in(reply.text)}
    if command.name not in OTHERWISE_NUMBERED:
        numbers |= {*ask.named, *_asked_about(reply), *_on_buttons(reply)}
    return bool(direct & await reading.duties_of(sorted(numbers)))


def names_direct(registry: Registry, text: str) -> bool:
    """Whether a text names a direct duty, or the event that starts its clock."""
    lowered = text.lower()
    return any(name.lower() in lowered for name in _names(registry))


def _names(registry: Registry) -> Iterable[str]:
    for duty in map(registry.duty, sorted(registry.direct)):
        yield from (duty.title, duty.title_en)
        if isinstance(duty.rule, EventRule):
            yield from (duty.rule.event, duty.rule.event_en)


def numbers_in(text: str) -> set[int]:
    """The obligations that a text numbers."""
    return {int(number) for number in NUMBERED.findall(text)}


def _asked_about(reply: Reply) -> Iterable[int]:
    return (int(number) for number in reply.question.content["items"]) if reply.question else ()


def _on_buttons(reply: Reply) -> Iterable[int]:
    values = (value.partition(":")[2].split(",") for _, value, _ in reply.buttons)
    return (int(number) for numbers in values for number in numbers if number.isdecimal())
