"""The table of commands, and the words they are called by."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from bot.conversation import (
    announcing,
    arranging,
    asking,
    bulletins,
    cases,
    checklist,
    counting,
    detail,
    holder,
    inviting,
    letters,
    partners,
    questions,
    rates,
    reporting,
    reports,
    scoring,
    snoozing,
    subscribing,
    supervisor,
    training,
    undoing,
    waiving,
)
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.store import people, queue
from bot.wording import Language
from bot.wording.events import speaks_of_letter
from bot.wording.grammar import EDGES, in_simplified, is_courtesy, numbers_first
from duties.model import Role

EVERYONE = tuple(Role)
SUPERVISORS = (Role.SUPERVISOR,)
ACTING = (*HOLDERS, Role.SUPERVISOR)
NUMBERS_FIRST = frozenset({"acknowledge", "report", "close"})
"""Commands that may follow the numbers they are about."""
NEAR = 50.0
"""How alike a mistyped word must be to a command before we ask whether it was meant."""
TELLING = 3
"""Characters of a word that is known again with one of them wrong."""


async def help_(ask: Ask) -> Reply:
    """帮助: what is said most, and the names of the rest; with a name, how that is said. For the asker's posts only."""
    fitting = [command for command in COMMANDS if ask.holds(*command.roles)]
    if ask.words:
        asked = next((one for one in fitting if ask.words.lower() in (*one.zh, *one.en)), None)
        return Reply(ask.say(f"help-{asked.name}") if asked else ask.say("help-unknown", words=ask.words))
    units = list(dict.fromkeys(post.unit for post in ask.actor.posts))
    head = [ask.say("help-head", name=ask.actor.name, units=units), *arranging.acting(ask)]
    lines = [ask.say(f"help-{command.name}") for command in fitting if command.usual]
    rest = [(command.zh if ask.language == "zh" else command.en)[0] for command in fitting if not command.usual]
    return Reply("\n".join([*head, *lines, ask.say("help-more", words=rest, example=rest[0]), ask.say("help-foot")]))


async def cancel(ask: Ask) -> Reply:
    """取消: end a question without answering it. Nothing that was recorded is taken back by it."""
    asked = await people.underway(ask.message.connection, ask.message.sender, ask.at.now)
    if asked is not None:
        await queue.drop_choices(ask.message.connection, ask.message.sender)
    return Reply(ask.say("cancelled" if asked else "cancelled-nothing"))


async def amend(ask: Ask) -> Reply:
    """更正: of a letter where one is named, else of a case."""
    said = f"{ask.before} {ask.words}"
    return await (letters.correct(ask) if speaks_of_letter(said) else cases.amend(ask))


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its stable name, the words for it in both languages, who it is for, what it does.

    `reads` when it only shows something: a question that is open stays open. `usual` when it stands in the help itself,
    which has to fit a phone; the others are named there. `direct` when all it tells is about one unit's faults, or whom
    they are laid to: a group reads none of it.
    """

    name: str
    zh: tuple[str, ...]
    en: tuple[str, ...]
    roles: tuple[Role, ...]
    run: Callable[[Ask], Awaitable[Reply]]
    reads: bool = False
    usual: bool = False
    direct: bool = False


COMMANDS: tuple[Command, ...] = (
    Command(
        "acknowledge", ("签收", "签收了", "收到", "收到了", "收悉", "已签收", "已收到", "已收悉", "已阅"),
        ("ack", "acknowledge", "received"), HOLDERS, holder.acknowledge, usual=True,
    ),
    Command(
        "report", ("完成", "完成了", "已完成", "报结", "办结", "已办结"), ("done", "report", "complete"), HOLDERS,
        reporting.report, usual=True,
    ),
    Command(
        "mine", ("待办", "我的", "我的待办"), ("mine", "todo", "my"), EVERYONE, holder.mine, reads=True, usual=True,
    ),
    Command("note", ("进展",), ("update", "progress note"), HOLDERS, arranging.note),
    Command("assign", ("转办",), ("assign",), (Role.HEAD,), arranging.assign),
    Command("share-add", ("配合", "配合单位", "协办"), ("partner",), (Role.HEAD, Role.SUPERVISOR), partners.share),
    Command(
        "ask-waiver", ("申请免办",), ("request waiver", "ask waiver"), HOLDERS, asking.ask_waiver,
    ),
    Command(
        "ask-extension", ("申请延期", "延期"), ("request extension", "ask extension"), HOLDERS, asking.ask_extension,
    ),
    Command("skeleton", ("报告稿",), ("skeleton",), HOLDERS, reports.skeleton, reads=True),
    Command("withdraw-request", ("撤回申请", "撤销申请"), ("withdraw request",), HOLDERS, asking.withdraw),
    Command("requests", ("申请", "待批"), ("requests",), ACTING, asking.listed, reads=True),
    Command("delegate", ("委托", "休假"), ("delegate",), HOLDERS, arranging.delegate),
    Command("study", ("学法", "会前学法"), ("study",), HOLDERS, counting.study, usual=True),
    Command("tally", ("计数", "记一次"), ("count", "tally"), HOLDERS, counting.tally),
    Command("hours", ("学时",), ("hours",), HOLDERS, training.hours),
    Command("snooze", ("稍后", "稍后提醒", "待会儿提醒"), ("snooze", "remind me later"), HOLDERS, snoozing.snooze),
    Command("checklist", ("自查",), ("checklist", "self-check"), ACTING, checklist.check),
    Command("detail", ("详情", "查看"), ("detail", "details", "show"), EVERYONE, detail.detail, reads=True, usual=True),
    Command("undo", ("撤回", "撤销"), ("undo",), ACTING, undoing.undo, usual=True),
    Command("overdue", ("逾期", "超期"), ("overdue", "late"), EVERYONE, supervisor.overdue, reads=True, usual=True),
    Command("due-week", ("本周到期",), ("due this week", "this week"), EVERYONE, questions.due_week, reads=True),
    Command("due-month", ("本月到期",), ("due this month", "this month"), EVERYONE, questions.due_month, reads=True),
    Command("due", ("到期",), ("due",), EVERYONE, questions.due, reads=True, usual=True),
    Command(
        "unacknowledged", ("未签收", "谁没签收"), ("unacknowledged",), EVERYONE, questions.unacknowledged, reads=True,
    ),
    Command("lights", ("灯", "红黄绿灯", "红绿灯"), ("lights",), EVERYONE, rates.lights, reads=True, usual=True),
    Command("study-progress", ("学法进度",), ("study progress",), EVERYONE, rates.study_progress, reads=True),
    Command("progress", ("进度",), ("progress",), EVERYONE, rates.progress, reads=True),
    Command("unit", ("单位",), ("unit",), EVERYONE, questions.unit, reads=True),
    Command("duty", ("事项",), ("duty",), EVERYONE, questions.duty, reads=True),
    Command("export", ("导出",), ("export",), EVERYONE, questions.export, reads=True),
    Command(
        "review", ("待核", "待核验", "待销号"), ("review", "to verify"), SUPERVISORS, supervisor.review, reads=True,
        usual=True,
    ),
    Command("close", ("销号", "核销"), ("close", "verify"), SUPERVISORS, supervisor.close, usual=True),
    Command("return", ("退回",), ("return", "send back"), SUPERVISORS, supervisor.give_back, usual=True),
    Command("waive", ("免办",), ("waive",), SUPERVISORS, waiving.waive),
    Command("share-release", ("免配合",), ("release partner", "release"), SUPERVISORS, partners.release),
    Command("approve", ("同意",), ("approve",), SUPERVISORS, asking.approve),
    Command("reject", ("不同意",), ("reject",), SUPERVISORS, asking.reject),
    Command("unwaive", ("恢复办理",), ("unwaive",), SUPERVISORS, waiving.unwaive),
    Command("draft", ("拟稿", "起草"), ("draft",), SUPERVISORS, letters.draft, usual=True, direct=True),
    Command("issue", ("发文",), ("issue",), SUPERVISORS, letters.issue, direct=True),
    Command("serve", ("送达",), ("serve", "served"), SUPERVISORS, letters.serve, direct=True),
    Command("recall", ("撤函",), ("recall",), SUPERVISORS, letters.recall, direct=True),
    Command("letters", ("文书",), ("letters", "letter"), SUPERVISORS, letters.listed, reads=True, direct=True),
    Command("subscribe", ("订阅",), ("subscribe",), (Role.HEAD, Role.SUPERVISOR), subscribing.subscribe),
    Command("unsubscribe", ("退订",), ("unsubscribe",), (Role.HEAD, Role.SUPERVISOR), subscribing.unsubscribe),
    Command("bulletin", ("通报草稿",), ("bulletin",), SUPERVISORS, bulletins.draft),
    Command("announce", ("通知",), ("announce",), SUPERVISORS, announcing.announce),
    Command("deduct", ("扣分",), ("deduct",), SUPERVISORS, scoring.deduct, direct=True),
    Command("credit", ("加分",), ("credit",), SUPERVISORS, scoring.credit, direct=True),
    Command("points", ("积分",), ("points",), EVERYONE, scoring.listed, reads=True, direct=True),
    Command("case", ("立案",), ("open case", "open"), (*HOLDERS, Role.SUPERVISOR), cases.open_case, usual=True),
    Command("cases", ("个案",), ("cases", "case"), EVERYONE, cases.listed, reads=True),
    Command("amend", ("更正",), ("amend", "correct"), (*HOLDERS, Role.SUPERVISOR), amend),
    Command("pause", ("暂停",), ("pause",), (*HOLDERS, Role.SUPERVISOR), cases.pause),
    Command("resume", ("恢复",), ("resume",), (*HOLDERS, Role.SUPERVISOR), cases.resume),
    Command("withdraw", ("撤案",), ("withdraw",), (*HOLDERS, Role.SUPERVISOR), cases.withdraw),
    Command(
        "unreached", ("未绑定", "谁收不到"), ("unreached", "unbound"), EVERYONE, inviting.unreached, reads=True,
        usual=True,
    ),
    Command("invite", ("邀请",), ("invite",), (Role.HEAD, Role.ADMIN), inviting.invite, usual=True),
    Command("help", ("帮助", "?", "？"), ("help", "commands"), EVERYONE, help_, reads=True),
    Command("cancel", ("取消",), ("cancel",), EVERYONE, cancel),
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
    `asked` when it answers a question of ours, asked after `before` was said.
    """

    command: Command
    words: str
    language: Language = "zh"
    named: tuple[int, ...] = ()
    plain: bool = True
    asked: bool = False
    before: str = ""


def match(text: str) -> Understood | None:
    """The command a text begins with, or that follows the numbers it begins with: "1、3 签收"."""
    numbers, rest = numbers_first(text)
    if not numbers:
        return _begun(text)
    found = _begun(rest)
    if found is None or found.command.name not in NUMBERS_FIRST:
        return None
    return replace(found, words=f"{numbers} {found.words}".strip(), plain=True)


def _begun(text: str) -> Understood | None:
    """The command a text begins with. Chinese needs no space after it, English does.

    A longer command's word with one slip is not taken for the shorter one that it happens to begin with.
    """
    lowered = in_simplified(text.lower())
    for word, command, language in _WORDS:
        rest = text[len(word) :]
        if lowered.startswith(word) and (language == "zh" or not rest[:1].isalnum()):
            if _slip(lowered, word, command):
                return None
            words = rest.strip(EDGES)
            plain = not rest or rest[0] in f"{EDGES}#" or rest[0].isdecimal()
            return Understood(command, "" if is_courtesy(words) else words, language, plain=plain)
    return None


def _slip(lowered: str, taken: str, command: Command) -> bool:
    """Whether a text begins with another command's longer word but for one character."""
    longer = ((word, language) for word, other, language in _WORDS if len(word) > len(taken) and other is not command)
    return any(_begins_nearly(lowered, word, language, len(taken)) for word, language in longer)


def _begins_nearly(lowered: str, word: str, language: Language, more_than: int = 0) -> bool:
    """Whether a text begins with a word but for one character changed, left out, put in or swapped with the next."""
    for length in range(max(len(word) - 1, more_than + 1), len(word) + 2):
        begun, after = lowered[:length], lowered[length : length + 1]
        ended = not after.isalnum() or after.isdecimal() or (language == "zh" and length >= len(word))
        if len(begun) == length and ended and OSA.distance(begun, word) <= 1:
            return True
    return False


def nearest(text: str, roles: frozenset[Role]) -> tuple[str, Language] | None:
    """The word for a command of these roles that somebody probably meant."""
    lowered = in_simplified(text.lower())
    for word, command, language in _WORDS:
        if len(word) >= TELLING and roles & set(command.roles) and _begins_nearly(lowered, word, language):
            return word, language
    first = lowered.partition(" ")[0]
    known = [(word, language) for word, command, language in _WORDS if roles & set(command.roles)]
    found = process.extractOne(first, [word for word, _ in known], scorer=fuzz.ratio, score_cutoff=NEAR)
    return known[found[2]] if first and found else None
