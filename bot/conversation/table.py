"""The table of commands, and dispatch: parse, find, may they, handle; the first that says no answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz, process

from adapters.base import Incoming
from bot.conversation import holder, supervisor
from bot.conversation.ask import Ask, Reply
from bot.store import people, queue
from bot.wording import Language, say
from bot.wording.grammar import EDGES, HASH_NUMBER, LIST_NUMBER, clean
from duties.errors import RefusedError
from duties.ledger import SYSTEM, Act, StreamRef
from duties.model import Actor, Role
from duties.obligations import Moment
from duties.registry import Registry
from duties.store import chains, reading

HOLDERS = (Role.HEAD, Role.OFFICER)
EVERYONE = tuple(Role)
NEAR = 50.0
"""How alike a mistyped word must be to a command before we ask whether it was meant."""


async def help_(ask: Ask) -> Reply:
    """帮助: the commands that fit the asker's posts."""
    roles = {post.role for post in ask.actor.posts}
    lines = [ask.say(f"help-{command.name}") for command in COMMANDS if roles & set(command.roles)]
    units = list(dict.fromkeys(post.unit for post in ask.actor.posts))
    return Reply("\n".join([ask.say("help-head", name=ask.actor.name, units=units), *lines, ask.say("help-foot")]))


async def cancel(ask: Ask) -> Reply:
    """取消: end a question without answering it."""
    return Reply(ask.say("cancelled"))


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its stable name, the words for it in both languages, who it is for, what it does."""

    name: str
    zh: tuple[str, ...]
    en: tuple[str, ...]
    roles: tuple[Role, ...]
    run: Callable[[Ask], Awaitable[Reply]]


COMMANDS: tuple[Command, ...] = (
    Command("acknowledge", ("签收", "收到"), ("ack", "acknowledge", "received"), HOLDERS, holder.acknowledge),
    Command("report", ("完成", "报结", "已完成", "办结"), ("done", "report", "complete"), HOLDERS, holder.report),
    Command("mine", ("待办", "我的", "我的待办"), ("mine", "todo", "my"), HOLDERS, holder.mine),
    Command("study", ("学法", "会前学法"), ("study",), HOLDERS, holder.study),
    Command("tally", ("计数", "记一次"), ("count", "tally"), HOLDERS, holder.tally),
    Command("detail", ("详情", "查看"), ("detail", "details", "show"), EVERYONE, holder.detail),
    Command("undo", ("撤回", "撤销"), ("undo",), EVERYONE, holder.undo),
    Command("overdue", ("逾期", "超期"), ("overdue", "late"), EVERYONE, supervisor.overdue),
    Command("review", ("待核", "待销号", "待核验"), ("review", "to verify"), (Role.SUPERVISOR,), supervisor.review),
    Command("close", ("销号", "核销"), ("close", "verify"), (Role.SUPERVISOR,), supervisor.close),
    Command("return", ("退回",), ("return", "send back"), (Role.SUPERVISOR,), supervisor.give_back),
    Command("help", ("帮助", "?"), ("help", "commands"), EVERYONE, help_),
    Command("cancel", ("取消",), ("cancel",), EVERYONE, cancel),
)
BY_NAME = {command.name: command for command in COMMANDS}
BIND = ("绑定", "bind")
_WORDS: tuple[tuple[str, Command, Language], ...] = tuple(
    sorted(
        (
            *((word, command, "zh") for command in COMMANDS for word in command.zh),
            *((word, command, "en") for command in COMMANDS for word in command.en if word not in command.zh),
        ),
        key=lambda row: -len(row[0]),
    )
)


@dataclass(frozen=True, slots=True)
class Understood:
    """A message taken apart: the command, its words, what it names."""

    command: Command
    words: str
    language: Language = "zh"
    named: tuple[int, ...] = ()


def match(text: str) -> Understood | None:
    """The command a text begins with. Chinese needs no space after it, English does."""
    lowered = text.lower()
    for word, command, language in _WORDS:
        rest = text[len(word) :]
        if lowered.startswith(word) and (language == "zh" or not rest[:1].isalnum()):
            return Understood(command, rest.strip(EDGES), language)
    return None


async def answer(message: Incoming, registry: Registry, at: Moment) -> Reply:
    """What to say to a message. Runs inside the transaction that marks it processed."""
    text = clean(message.text)
    if bound := await _binding(message, text, at):
        return bound
    person = await people.person_at(message.connection, message.sender)
    actor = await reading.actor(person, at.today) if person is not None else None
    if actor is None:
        return Reply(say("stranger"))
    if not actor.posts:
        return Reply(say("no-post", name=actor.name))
    understood = await _understand(message, text, at)
    if not isinstance(understood, Understood):
        return understood or _not_understood(text, actor)
    ask = await _ask(message, actor, understood, registry, at)
    try:
        reply = await understood.command.run(ask)
    except RefusedError as refusal:
        return await _refused(ask, understood.command, refusal)
    await _remember(message, reply, at)
    return reply


async def _binding(message: Incoming, text: str, at: Moment) -> Reply | None:
    word = next((word for word in BIND if text.lower().startswith(word)), None)
    if word is None:
        return None
    code = text[len(word) :].strip()
    if await people.guessed_too_often(message.connection, message.sender, at.now):
        return Reply(say("bind-wait"))
    person = await people.redeem(code, at.now) if code else None
    actor = await reading.actor(person, at.today) if person is not None else None
    if actor is None:
        await people.guessed(message.connection, message.sender, at.now)
        return Reply(say("bind-wrong"))
    await people.bind(actor.person_id, message.connection, message.sender, at.now)
    act = Act(f"person:{actor.person_id}", "bind", at.channel, {"name": actor.name, "connection": message.connection})
    entry = await chains.append(SYSTEM, act, at.now)
    return Reply(say("bind-done", name=actor.name, units=list(dict.fromkeys(p.unit for p in actor.posts)), entry=entry))


async def _understand(message: Incoming, text: str, at: Moment) -> Understood | Reply | None:
    if message.action:
        return _pressed(message.action)
    underway = await people.underway(message.connection, message.sender, at.now)
    understood = match(text)
    if understood is not None or underway is None:
        return understood
    return _continued(*underway, text)


def _pressed(action: str) -> Understood | None:
    """A button's meaning is its value alone: the text beside it is only its label."""
    verb, _, numbers = action.partition(":")
    command = BY_NAME.get(verb)
    named = tuple(int(number) for number in numbers.split(",") if number.isdigit() and len(number) < 16)  # noqa: PLR2004
    return Understood(command, "", named=named) if command is not None else None


def _continued(kind: str, content: dict[str, Any], text: str) -> Understood | Reply:
    """The answer to what was asked: a number among choices, else the words that were missing."""
    command = BY_NAME[str(content["command"])]
    items = [int(number) for number in content["items"]]
    if kind != "choose":
        return Understood(command, text, named=tuple(items))
    chosen = LIST_NUMBER.match(text)
    if chosen is None or not 0 < int(chosen[1]) <= len(items):
        return Reply(say("choose-again", n=len(items)))
    words = text[chosen.end() :].strip() or str(content["rest"])
    return Understood(command, words, named=(items[int(chosen[1]) - 1],))


async def _ask(message: Incoming, actor: Actor, understood: Understood, registry: Registry, at: Moment) -> Ask:
    replied = await _replied(message)
    shown = replied if replied is not None else await queue.last_list(message.connection, message.sender)
    listed = tuple(int(number) for number in (shown or {}).get("items", ()))
    named = understood.named
    numbered = HASH_NUMBER.match(understood.words) or LIST_NUMBER.match(understood.words)
    if not named and replied is not None and len(listed) == 1 and not numbered:
        named = listed
    reminded = "rung" in (shown or {})
    return Ask(message, actor, understood.words, named, listed, reminded, at, registry, understood.language)


async def _replied(message: Incoming) -> dict[str, Any] | None:
    number = message.reply_to.partition("-")[0]
    if not number.isdigit() or len(number) > 15:  # noqa: PLR2004  a key of ours is a 64-bit number
        return None
    return await queue.body_of(int(number), message.connection, message.sender)


async def _remember(message: Incoming, reply: Reply, at: Moment) -> None:
    if reply.question is None:
        await people.forget(message.connection, message.sender)
        return
    await people.begin(message.connection, message.sender, reply.question.kind, reply.question.content, at.now)


async def _refused(ask: Ask, command: Command, refusal: RefusedError) -> Reply:
    """Say why, and who could; keep it in the ledger of the unit it was about."""
    facts = dict(refusal.facts)
    unit = facts.pop("unit_id", None)
    ref = StreamRef("unit", int(str(unit))) if unit is not None else SYSTEM
    payload = {"command": command.name, "reason": refusal.key, "name": ask.actor.name, "unit": facts.get("unit", "")}
    entry = await chains.append(
        ref, Act(f"person:{ask.actor.person_id}", "refused", ask.at.channel, payload), ask.at.now
    )
    if "duty" in facts:
        facts["title"] = ask.title(str(facts.pop("duty")))
    for name in ("state", "action"):
        if name in facts:
            prefix = "state" if name == "state" else "act"
            facts[name] = ask.say(f"{prefix}-{facts[name]}")
    return Reply("\n".join([ask.say(refusal.key, **facts), ask.say("refused-recorded", entry=entry)]))


def _not_understood(text: str, actor: Actor) -> Reply:
    """Bad input never disappears: the nearest command, and where help is."""
    first = text.partition(" ")[0].lower()
    near: Sequence[tuple[str, float, int]] = process.extract(
        first, [w for w, _, _ in _WORDS], scorer=fuzz.ratio, limit=1
    )
    roles = {post.role for post in actor.posts}
    if first and near and near[0][1] >= NEAR and roles & set(_WORDS[near[0][2]][1].roles):
        return Reply(say("did-you-mean", word=near[0][0]))
    return Reply(say("not-understood"))
