"""绑定: an address proves whose it is by a one-time code."""

import re

from adapters.base import Incoming
from bot.conversation.ask import Reply
from bot.store import people
from bot.wording import Language, say
from bot.wording.grammar import BIND, EDGES, in_simplified
from duties.ledger import SYSTEM, Act
from duties.obligations import Moment
from duties.store import chains, reading


async def tried(message: Incoming, text: str, at: Moment) -> Reply | None:
    """The answer to a message that begins with the word for it; None for any other."""
    word = next((word for word in BIND if in_simplified(text.lower()).startswith(word)), None)
    if word is None or (word.isascii() and text[len(word) : len(word) + 1].isalnum()):
        return None
    language: Language = "en" if word.isascii() else "zh"
    code = re.sub(r"[\s-]", "", text[len(word) :].strip(EDGES))
    if not code:
        return Reply(say("bind-how", language))
    if await people.guessed_too_often(message.connection, message.sender, at.now):
        return Reply(say("bind-wait", language))
    person = await people.redeem(code, at.now)
    if person is None:
        await people.guessed(message.connection, message.sender, at.now)
        return Reply(say("bind-wrong", language))
    return await _bound(message, person, at, language)


async def _bound(message: Incoming, person: int, at: Moment, language: Language) -> Reply:
    actor = await reading.actor(person, at.today)
    assert actor is not None, "an invitation is made for somebody"
    await people.bind(person, message.connection, message.sender, at.now)
    await people.forget(message.connection, message.sender)
    payload = {"name": actor.name, "connection": message.connection, "address": message.sender}
    entry = await chains.append(SYSTEM, Act(f"person:{person}", "bind", at.channel, payload), at.now)
    units = list(dict.fromkeys(post.unit for post in actor.posts))
    if not units:
        return Reply(say("bind-no-post", language, name=actor.name, entry=entry))
    return Reply(say("bind-done", language, name=actor.name, units=units, entry=entry))
