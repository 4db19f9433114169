"""Cards already sent are changed when what they speak of changes, so that a group sees the truth."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.store import cards, queue
from bot.store.cards import Card
from bot.wording import say
from duties.model import OPEN_STATES


async def refresh(obligations: Sequence[int], connections: Mapping[str, bool], now: datetime) -> int:
    """Queue a change of every card about these obligations, in the caller's transaction. Returns how many.

    `connections` are those that can change what was sent, and whether also what went out without buttons, as text.
    """
    if not obligations or not connections:
        return 0
    sent = await cards.about(obligations, list(connections), now)
    found = [card for card in sent if card.body.get("buttons") or connections[card.connection]]
    for card in found:
        await queue.put("update", card.connection, card.address, await _body(card), now)
    return len(found)


async def _body(card: Card) -> dict[str, Any]:
    numbers = [int(number) for number in card.body.get("items", ())]
    states = {row["id"]: row["state"] for row in await cards.standing(numbers)}
    lines = [
        say("card-state", number=place, state=say(f"state-{states[number]}"))
        for place, number in enumerate(numbers, 1)
        if states.get(number, "pending") != "pending"
    ]
    still = {str(number) for number in numbers if states.get(number) in OPEN_STATES}
    text = "\n".join([card.body["text"], "", *lines]) if lines else card.body["text"]
    return {
        "text": text,
        "buttons": [button for button in card.body.get("buttons", ()) if _serves(button[1], still, states)],
        "items": [],
        "replaces": card.receipt,
    }


def _serves(value: str, still: set[str], states: dict[int, str]) -> bool:
    """Whether a button still does something: its obligation is open, and not acknowledged already."""
    verb, _, listed = value.partition(":")
    numbers = still.intersection(listed.split(","))
    if verb != "acknowledge":
        return bool(numbers)
    return any(states[int(number)] in ("pending", "returned") for number in numbers)
