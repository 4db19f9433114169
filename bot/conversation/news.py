"""What one person's act tells others at once: not a reminder, and never to the one who acted."""

from collections.abc import Sequence
from typing import Any

from bot.conversation.ask import HOLDERS, Ask
from bot.store import addressees, queue
from bot.store.addressees import Addressee
from bot.store.queue import Message
from bot.wording import say, term
from bot.wording.groups import timing
from duties.model import Obligation

Buttons = Sequence[tuple[str, str, str]]


async def to_unit(ask: Ask, key: str, one: Obligation, **facts: Any) -> int:
    """Tell the head and the officers of the unit that owes it. Returns how many."""
    return await tell(ask, key, one, await addressees.of_unit(one.unit_id, HOLDERS, ask.today, ask.at.now), **facts)


async def to_person(ask: Ask, key: str, one: Obligation, person: int, verbs: Sequence[str] = (), **facts: Any) -> int:
    """Tell one person, with buttons for these verbs. Returns how many could be told: one or none."""
    buttons = tuple((say(f"button-{verb}"), f"{verb}:{one.id}", "plain") for verb in verbs)
    return await tell(ask, key, one, await addressees.of_person(person, ask.at.now), buttons, **facts)


async def tell(
    ask: Ask, key: str, one: Obligation, whom: Sequence[Addressee], buttons: Buttons = (), **facts: Any
) -> int:
    """Tell these about an obligation; a reply to the message means it."""
    duty = ask.duty(one.duty)
    about: dict[str, Any] = {
        "title": duty.title, "term": term(one.term), "unit": one.unit, "id": one.id,
        "deadline": timing(one.due, one.stop, ask.today, "zh")["deadline"],
    }  # fmt: skip
    return await announce(ask, key, whom, buttons, (one.id,), **about, **facts)


async def announce(
    ask: Ask, key: str, whom: Sequence[Addressee], buttons: Buttons = (), about: Sequence[int] = (), **facts: Any
) -> int:
    """Queue one message for each, in Chinese as every notice. Returns how many."""
    text = say(key, name=ask.actor.name, **facts)
    body = {"text": text, "buttons": [list(one) for one in buttons], "items": [], "about": list(about)}
    others = [one for one in whom if one.person != ask.actor.person_id]
    messages = [Message(each.connection, each.address, each.person, body) for each in others]
    await queue.put_many("news", messages, ask.at.now)
    return len(others)
