"""The table of commands, and the words they are called by."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from bot.conversation import counting, detail, holder, inviting, supervisor
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.store import people
from bot.wording import Language
from bot.wording.grammar import EDGES, is_courtesy
from duties.model import Role

EVERYONE = tuple(Role)
SUPERVISORS = (Role.SUPERVISOR,)
ACTING = (*HOLDERS, Role.SUPERVISOR)
NEAR = 50.0
"""How alike a mistyped word must be to a command before we ask whether it was meant."""


async def help_(ask: Ask) -> Reply:
    """帮助: the commands that fit the asker's posts."""
    lines = [ask.say(f"help-{command.name}") for command in COMMANDS if ask.holds(*command.roles)]
    units = list(dict.fromkeys(post.unit for post in ask.actor.posts))
    return Reply("\n".join([ask.say("help-head", name=ask.actor.name, units=units), *lines, ask.say("help-foot")]))


async def cancel(ask: Ask) -> Reply:
    """取消: end a question without answering it. Nothing that was recorded is taken back by it."""
    asked = await people.underway(ask.message.connection, ask.message.sender, ask.at.now)
    return Reply(ask.say("cancelled" if asked else "cancelled-nothing"))


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its stable name, the words for it in both languages, who it is for, what it does.

    `reads` when it only shows something: a question that is open stays open.
    """

    name: str
    zh: tuple[str, ...]
    en: tuple[str, ...]
    roles: tuple[Role, ...]
    run: Callable[[Ask], Awaitable[Reply]]
    reads: bool = False


COMMANDS: tuple[Command, ...] = (
    Command(
        "acknowledge", ("签收", "签收了", "收到", "收到了", "收悉", "已签收", "已收到", "已收悉", "已阅"),
        ("ack", "acknowledge", "received"), HOLDERS, holder.acknowledge,
    ),
    Command(
        "report", ("完成", "完成了", "已完成", "报结", "办结", "已办结"), ("done", "report", "complete"), HOLDERS,
        holder.report,
    ),
    Command("mine", ("待办", "我的", "我的待办"), ("mine", "todo", "my"), ACTING, holder.mine, reads=True),
    Command("study", ("学法", "会前学法"), ("study",), HOLDERS, counting.study),
    Command("tally", ("计数", "记一次"), ("count", "tally"), HOLDERS, counting.tally),
    Command("detail", ("详情", "查看"), ("detail", "details", "show"), EVERYONE, detail.detail, reads=True),
    Command("undo", ("撤回", "撤销"), ("undo",), ACTING, holder.undo),
    Command("overdue", ("逾期", "超期"), ("overdue", "late"), EVERYONE, supervisor.overdue, reads=True),
    Command(
        "review", ("待核", "待核验", "待销号"), ("review", "to verify"), SUPERVISORS, supervisor.review, reads=True,
    ),
    Command("close", ("销号", "核销"), ("close", "verify"), SUPERVISORS, supervisor.close),
    Command("return", ("退回",), ("return", "send back"), SUPERVISORS, supervisor.give_back),
    Command(
        "unreached", ("未绑定", "谁收不到"), ("unreached", "unbound"), (Role.HEAD, Role.SUPERVISOR, Role.ADMIN),
        inviting.unreached, reads=True,
    ),
    Command("invite", ("邀请",), ("invite",), (Role.HEAD, Role.ADMIN), inviting.invite),
    Command("help", ("帮助", "?", "？"), ("help", "commands"), EVERYONE, help_, reads=True),
    Command("cancel", ("取消",), ("cancel",), ACTING, cancel),
)  # fmt: skip
BY_NAME = {command.name: command for command in COMMANDS}
_WORDS: tuple[tuple[str, Command, Language], ...] = tuple(
    sorted(
        (
            *((word, command, "zh") for command in COMMANDS for word in command.zh),
            *((word, command, "en") for command in COMMANDS for word in command.en),
        ),
        key=lambda row: -len(row[0]),
    )
)


@dataclass(frozen=True, slots=True)
class Understood:
    """A message taken apart: the command, its words, what it names.

    `plain` when nothing but a space or a number follows the command's word: then it cannot be the start of a sentence.
    `asked` when it answers a question of ours.
    """

    command: Command
    words: str
    language: Language = "zh"
    named: tuple[int, ...] = ()
    plain: bool = True
    asked: bool = False


def match(text: str) -> Understood | None:
    """The command a text begins with. Chinese needs no space after it, English does."""
    lowered = text.lower()
    for word, command, language in _WORDS:
        rest = text[len(word) :]
        if lowered.startswith(word) and (language == "zh" or not rest[:1].isalnum()):
            words = rest.strip(EDGES)
            plain = not rest or rest[0] in f"{EDGES}#" or rest[0].isdecimal()
            return Understood(command, "" if is_courtesy(words) else words, language, plain=plain)
    return None


def nearest(text: str, roles: frozenset[Role]) -> tuple[str, Language] | None:
    """The word for a command of these roles that somebody probably meant."""
    first = text.partition(" ")[0].lower()
    known = [(word, language) for word, command, language in _WORDS if roles & set(command.roles)]
    found = process.extractOne(first, [word for word, _ in known], scorer=fuzz.ratio, score_cutoff=NEAR)
    return known[found[2]] if first and found else None
