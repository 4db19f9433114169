"""Dispatch: who, what, may they, handle; the first that says no answers. Every message gets an answer."""

from dataclasses import replace
from typing import Any

from adapters.base import Incoming
from bot.conversation import binding, refusal, reporting, tiers
from bot.conversation.ask import HOLDERS, Ask, Reply, Surroundings
from bot.conversation.table import BY_NAME, Command, Understood, match, nearest
from bot.store import arrivals, people, queue
from bot.wording import Language, say, shortened
from bot.wording.grammar import (
    AGREEMENTS,
    DENIALS,
    HASH_NUMBER,
    LIST_NUMBER,
    LONGEST,
    clean,
    evidence_alone,
    is_chinese,
    is_courtesy,
    is_wordless,
    read_numbers,
    split_title,
    without_greeting,
)
from bot.wording.later import is_later
from bot.wording.plain import plainly_asked
from duties.errors import RefusedError
from duties.model import Actor, Role
from duties.obligations import Moment
from duties.registry import Registry
from duties.store import reading
from duties.store.database import savepoint

CHOOSING = "choose"
PLACES = frozenset({CHOOSING, "announce", "training"})
"""Questions whose items are what may be chosen, not what was."""
NOTED = frozenset({"checking"})
"""Questions whose rest is a note of ours, not what was said."""
LONGEST_AGAIN = 60
"""Characters of a command that is to be said again."""
TELLING = 2
"""Characters after a command's word that tell it from a title that begins alike."""
LONGEST_NUMBER = 15
"""Digits of a number of ours: they are 64-bit."""


async def answer(message: Incoming, registry: Registry, at: Moment, around: Surroundings) -> Reply:
    """What to say to a message. Runs inside the transaction that marks it processed."""
    reply = await _answered(message, without_greeting(clean(message.text)), registry, at, around)
    if len(message.text) <= LONGEST:
        return reply
    return replace(reply, text="\n".join([reply.text, say("cut-short", n=LONGEST)]))


async def _answered(message: Incoming, text: str, registry: Registry, at: Moment, around: Surroundings) -> Reply:
    if not message.action and (bound := await binding.tried(message, text, at)):
        return bound
    person = await people.person_at(message.connection, message.sender)
    actor = await reading.actor(person, at.today) if person is not None else None
    if actor is None:
        return Reply(say("stranger"))
    understood = _asked_plainly(text, actor, await _understood(message, text, at, registry), at)
    if not actor.posts:
        return await _without_post(actor, understood, at)
    if not isinstance(understood, Understood):
        return understood or _not_understood(message, text, actor)
    ask = await _ask(message, actor, understood, at, registry, around)
    try:
        async with savepoint():  # a refusal may come after something was written: half an act is none
            reply = await understood.command.run(ask)
    except RefusedError as refused:
        # Nobody is refused before others' eyes; a refusal may speak of a unit's faults, too.
        reply = Reply(await refusal.told(ask, understood.command.name, refused), private=True)
        return await tiers.discreet(ask, understood.command, reply)
    reply = await tiers.discreet(ask, understood.command, reply)
    await _remember(understood, message, reply, at)
    return reply


async def _without_post(actor: Actor, understood: Understood | Reply | None, at: Moment) -> Reply:
    """A person is known but holds no post today: what they tried to do is refused and kept."""
    if not isinstance(understood, Understood) or understood.command.reads:
        return Reply(say("no-post", name=actor.name))
    entry = await refusal.keep(actor, understood.command.name, RefusedError("no-post"), at)
    recorded = say("refused-recorded", understood.language, entry=entry)
    return Reply("\n".join([say("no-post", understood.language, name=actor.name), recorded]))


async def _understood(message: Incoming, text: str, at: Moment, registry: Registry) -> Understood | Reply | None:
    if message.action:
        return _pressed(message.action)
    if is_wordless(clean(message.text)):
        return Reply(say("wordless"))  # what was asked stays asked
    found = match(text)
    if found is not None and _is_title(found, text, registry):
        found = None
    underway = await people.underway(message.connection, message.sender, at.now)
    if underway is None:
        return await _too_late(message, found, at) or found
    kind, content = underway
    if found is None:
        return _continued(kind, content, text)
    if repeated := _repeated(found, kind, content):
        return repeated
    return found if found.plain or kind == CHOOSING else _continued(kind, content, text)


def _is_title(found: Understood, text: str, registry: Registry) -> bool:
    """Whether what looks like a command is the beginning of a duty's title: 学法计划 is no 学法."""
    if found.plain or not found.words:
        return False
    begun = text[: text.find(found.words) + TELLING]
    return any(begun in duty.title for duty in registry.duties)


def _asked_plainly(text: str, actor: Actor, found: Understood | Reply | None, at: Moment) -> Understood | Reply | None:
    """What a question without a command's word asks for. A sentence that only begins like an act is one, too."""
    if isinstance(found, Reply) or (found is not None and (found.plain or found.asked or found.command.reads)):
        return found
    roles = {post.role for post in actor.posts}
    if found is None and is_later(text, at.now) and roles & set(BY_NAME["snooze"].roles):
        return Understood(BY_NAME["snooze"], text)
    asked = plainly_asked(text)
    if asked is None:
        return found or _shown(text, roles)
    command = BY_NAME[asked.commands[0 if roles & set(HOLDERS) else -1]]
    return Understood(command, asked.about) if roles & set(command.roles) else found


def _shown(text: str, roles: set[Role]) -> Understood | None:
    """Evidence without a command's word: whether it is to be reported is asked."""
    words = evidence_alone(text)
    if words is None or not roles & set(HOLDERS):
        return None
    return Understood(replace(BY_NAME["report"], run=reporting.offered), words, "zh" if is_chinese(words) else "en")


async def _too_late(message: Incoming, found: Understood | None, at: Moment) -> Reply | None:
    """What may be the answer to a question that expired is no command that writes: how to ask again, told once."""
    if is_courtesy(clean(message.text)) or (found is not None and (found.plain or found.command.reads)):
        return None
    missed = await people.expired(message.connection, message.sender, at.now)
    if missed is None:
        return None
    await people.forget(message.connection, message.sender)
    return Reply(say("question-expired", missed[1]["language"], again=shortened(_again(*missed), LONGEST_AGAIN)))


def _again(kind: str, content: dict[str, Any]) -> str:
    """The command that opened a question, with what it was about."""
    command = BY_NAME[str(content["command"])]
    word = (command.zh if content["language"] == "zh" else command.en)[0]
    about = [f"#{number}" for number in content["items"]] if kind not in PLACES else []
    rest = str(content["rest"]) if kind not in NOTED else ""
    return " ".join(part for part in (word, *about, rest) if part)


def _pressed(action: str) -> Understood | Reply:
    """A button's meaning is its value alone: the text beside it is only its label."""
    verb, _, numbers = action.partition(":")
    command = BY_NAME.get(verb)
    named = tuple(int(part) for part in numbers.split(",") if part.isdecimal() and len(part) <= LONGEST_NUMBER)
    if command is None or (numbers and not named):
        return Reply(say("button-unknown"))
    return Understood(command, "", named=named)


def _continued(kind: str, content: dict[str, Any], text: str) -> Understood | Reply:
    """The answer to what was asked: a number among choices, else the words that were missing."""
    command = BY_NAME[str(content["command"])]
    language: Language = content["language"]
    items = [int(number) for number in content["items"]]
    if kind != CHOOSING:
        return Understood(command, text, language, tuple(items), asked=True, before=str(content["rest"]))
    chosen = LIST_NUMBER.match("1" if len(items) == 1 and text.lower() in AGREEMENTS else text)
    if chosen is None and len(items) == 1 and text.lower() in DENIALS:
        return Understood(BY_NAME["cancel"], "", language)
    if chosen is None or not 0 < int(chosen[1]) <= len(items):
        return Reply(_again_chosen(text, command, len(items), language))
    words = chosen.string[chosen.end() :].strip() or str(content["rest"])
    return Understood(command, words, language, (items[int(chosen[1]) - 1],))


def _again_chosen(text: str, command: Command, n: int, language: Language) -> str:
    """What a choice still waits for; a courtesy is told what was asked."""
    again = say("choose-again" if n > 1 else "choose-again-one", language, n=n)
    if text and not is_courtesy(text):
        return again
    return "\n".join([say("choose-waiting", language, action=say(f"act-{command.name}", language)), again])


def _repeated(found: Understood, kind: str, content: dict[str, Any]) -> Understood | None:
    """The command said again with what was missing: "完成 文号" after "完成" means the same obligation."""
    words = found.words
    if kind == CHOOSING or found.command.name != content["command"] or not words:
        return None
    if HASH_NUMBER.match(words) or LIST_NUMBER.match(words) or read_numbers(words) or split_title(words)[0]:
        return None
    return replace(found, named=tuple(int(number) for number in content["items"]))


async def _ask(
    message: Incoming, actor: Actor, understood: Understood, at: Moment, registry: Registry, around: Surroundings
) -> Ask:
    replied = await arrivals.replied_to(message.reply_to, message.connection, message.sender)
    here = queue.IN_GROUP if message.group else queue.ALONE
    last = await queue.last_list(message.connection, message.sender, here) if replied is None else replied
    shown = last or {}
    listed = tuple(int(number) for number in shown.get("items", ()))
    about = listed or tuple(int(number) for number in shown.get("about", ()))
    words, named = understood.words, understood.named
    numbered = HASH_NUMBER.match(words) or LIST_NUMBER.match(words)
    if not named and replied is not None and len(about) == 1 and not numbered:
        named = about
    return Ask(
        message, actor, words, at, registry, around, understood.command.roles, named, listed, "rung" in shown,
        understood.asked, understood.language, understood.before,
        english=await reading.units_in_english() if understood.language == "en" else {},
    )  # fmt: skip


async def _remember(understood: Understood, message: Incoming, reply: Reply, at: Moment) -> None:
    """Keep the question just asked. A glance elsewhere keeps the one before, unless its numbers now mean others."""
    if reply.question is not None:
        await people.begin(message.connection, message.sender, reply.question.kind, reply.question.content, at.now)
        return
    if understood.command.reads:
        underway = await people.underway(message.connection, message.sender, at.now)
        if underway is not None and (underway[0] != CHOOSING or not reply.items):
            return
    await people.forget(message.connection, message.sender)


def _not_understood(message: Incoming, text: str, actor: Actor) -> Reply:
    """Bad input never disappears: the nearest command, and where help is."""
    language: Language = "zh" if is_chinese(text) else "en"
    if is_courtesy(clean(message.text)):
        return Reply(say("courtesy", language))
    if read_numbers(text):
        return Reply(say("number-alone", language))
    near = nearest(text, frozenset(post.role for post in actor.posts))
    if near is not None:
        return Reply(say("did-you-mean", near[1], word=near[0]))
    return Reply(say("not-understood", language))
