"""Every command of the table, said by everybody: who is answered, who is refused, and what either leaves behind."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Incoming
from adapters.memory import MemoryAdapter
from bot.conversation.ask import Reply, Surroundings
from bot.conversation.dispatch import answer
from bot.conversation.table import BY_NAME, COMMANDS, Command
from bot.store import people
from bot.wording import Language
from duties.model import Role
from duties.obligations import Moment
from duties.store.database import fetch, opened, transaction
from duties.store.tables import Person
from tests.bot.play import FIRST_MORNING, LAW, at
from tests.bot.talk import ADMIN, HEAD, OFFICER, SUPERVISOR, Row, Talk, copied, prepare, talking
from tests.bot.test_officers import enlist

LATE = "2026-02-05 10:00"
"""The report due on January 31 has been late for five days."""
NOBODY = "somebody-without-a-post"
WHO = {Role.HEAD: HEAD, Role.OFFICER: OFFICER, Role.SUPERVISOR: SUPERVISOR, Role.ADMIN: ADMIN, None: NOBODY}
COLLEAGUE = {HEAD: "昌吉市城管局经办人"}
LINES = 24
"""A phone screen, and a flick of the thumb."""
PAGE = "https://duban.example.cn"
SETTING: tuple[Row, ...] = (
    (OFFICER, "完成 #{cases} https://www.cjs.gov.cn/p/1.html", "已报结"),
    (OFFICER, "申请免办 #{plan} 并入州局计划", "已提出申请1"),
    (SUPERVISOR, "免办 #{waived} 无在编人员", "已免办"),
    (SUPERVISOR, "配合 #{plan} 昌吉市水利局", "已指定配合"),
    (SUPERVISOR, "立案 合法性审核 昌吉市城市管理局 2月2日收到", "请核对"),
    (SUPERVISOR, "确认", "已立案：个案1"),
    (SUPERVISOR, "立案 合法性审核 昌吉市城市管理局 2月3日收到", "请核对"),
    (SUPERVISOR, "确认", "已立案：个案2"),
    (SUPERVISOR, "暂停 个案2 今天 仅暂停", "已暂停"),
    (SUPERVISOR, "立案 交办 昌吉市城市管理局 限2月28日前 清理执法台账", "请核对"),
    (SUPERVISOR, "确认", "已立案：个案3"),
    (SUPERVISOR, "立案 意见书 昌吉市城市管理局 2月3日收到 昌司督〔2026〕9号", "请核对"),
    (SUPERVISOR, "确认", "已立案：个案4"),
    (SUPERVISOR, "拟稿 督办函 #{report}", "函1"),
    (SUPERVISOR, "拟稿 督办函 #{water}", "函2"),
    (SUPERVISOR, "发文 函2 昌司督〔2026〕2号 今天 签发人张三", "已发文"),
    (SUPERVISOR, "扣分 昌吉市城市管理局 0.5 会前学法不足", "已记分"),
    (SUPERVISOR, "逾期", "逾期"),
    (SUPERVISOR, "导出", "全表"),
)


OFFICERS = """\
单位,姓名,执法证号
昌吉市城市管理局,王五,C1
"""
MORE = {
    "assigned": ("cjs-urban", "assignment"),
    "market": ("cjs-market", "enforcement-annual-report"),
    "waived": ("cjs-water", "training-hours"),
    "rectify": ("cjs-urban", "opinion-letter-rectification"),
    "check": ("cjs-urban", "standing-check"),
}
"""Of several terms the oldest is meant."""


@dataclass(frozen=True)
class Sentence:
    """The shortest sentence that says it, in both languages; what the same person says before it and after it.

    `looking` is what a supervisor says who may only look at what a unit answers.
    """

    zh: str
    en: str
    before: dict[str, str] | str = ""
    then: tuple[str, str] = ("", "")
    looking: tuple[str, str] = ("", "")

    def said(self, who: str, language: Language) -> tuple[str, str, str]:
        first = self.before if isinstance(self.before, str) else self.before.get(who, "")
        said = self.looking if self.looks(who) else (self.zh, self.en)
        place = ("zh", "en").index(language)
        return first, said[place], self.then[place]

    def looks(self, who: str) -> bool:
        return who == SUPERVISOR and self.looking != ("", "")


EVIDENCE = "昌市城管〔2026〕3号 2026-02-04 https://www.cjs.gov.cn/p/2.html"
YES = ("确认", "confirm")
SENTENCES: dict[str, Sentence] = {
    "acknowledge": Sentence("签收 #{study}", "ack #{study}"),
    "report": Sentence(f"完成 #{{report}} {EVIDENCE}", f"done #{{report}} {EVIDENCE}"),
    "mine": Sentence("待办", "mine"),
    "note": Sentence("进展 #{report} 正在起草", "update #{report} drafting"),
    "assign": Sentence("转办 #{report} 昌吉市城管局经办人", "assign #{report} 昌吉市城管局经办人"),
    "share-add": Sentence("配合 #{report} 昌吉市水利局", "partner #{report} 昌吉市水利局"),
    "ask-waiver": Sentence("申请免办 #{report} 无此事项", "request waiver #{report} nothing to report"),
    "ask-extension": Sentence(
        "申请延期 #{assigned} 材料未到 至2026年3月20日", "request extension #{assigned} papers missing until 2026-03-20"
    ),
    "skeleton": Sentence("报告稿 #{rectify}", "skeleton #{rectify}"),
    "withdraw-request": Sentence("撤回申请 申请1", "withdraw request 1"),
    "requests": Sentence("申请", "requests"),
    "delegate": Sentence("委托 {colleague} 2月9日至2月13日", "delegate {colleague} 2026-02-09 to 2026-02-13"),
    "study": Sentence("学法 2月4日 行政处罚法", "study 2026-02-04 Penalties Act"),
    "tally": Sentence("计数 #{study} 2月4日 行政处罚法", "count #{study} 2026-02-04 Penalties Act"),
    "hours": Sentence("学时 王五 4小时 2月4日 行政处罚法", "hours 王五 4 hours 2026-02-04 Penalties Act"),
    "snooze": Sentence("稍后 #{study} 2小时", "snooze #{study} 2 hours"),
    "checklist": Sentence(
        "自查 #{check} 5 是", "checklist #{check} 5 yes", looking=("自查 #{check}", "checklist #{check}")
    ),
    "detail": Sentence("详情 #{report}", "detail #{report}"),
    "undo": Sentence("撤回", "undo", {HEAD: "签收 #{study}", OFFICER: "签收 #{study}", SUPERVISOR: "销号 #{cases}"}),
    "overdue": Sentence("逾期", "overdue"),
    "due-week": Sentence("本周到期", "due this week"),
    "due-month": Sentence("本月到期", "due this month"),
    "due": Sentence("到期 30天", "due 30"),
    "unacknowledged": Sentence("未签收", "unacknowledged"),
    "lights": Sentence("灯", "lights"),
    "study-progress": Sentence("学法进度", "study progress"),
    "progress": Sentence("进度", "progress"),
    "unit": Sentence("单位 昌吉市城市管理局", "unit 昌吉市城市管理局"),
    "duty": Sentence("事项 年度分析报告", "duty annual analysis report"),
    "export": Sentence("导出", "export", "逾期"),
    "review": Sentence("待核", "review"),
    "close": Sentence("销号 #{cases}", "close #{cases}"),
    "return": Sentence("退回 #{cases} 附件不全", "return #{cases} the annex is missing"),
    "waive": Sentence("免办 #{report} 无此事项", "waive #{report} nothing to report"),
    "share-release": Sentence(
        "免配合 #{plan} 昌吉市水利局 不涉及", "release partner #{plan} 昌吉市水利局 not involved"
    ),
    "approve": Sentence("同意 申请1", "approve request 1"),
    "reject": Sentence("不同意 申请1 须单独制定", "reject request 1 it is needed"),
    "unwaive": Sentence("恢复办理 #{waived}", "unwaive #{waived}"),
    "draft": Sentence("拟稿 督办函 #{market}", "draft urging letter #{market}"),
    "issue": Sentence("发文 函1 昌司督〔2026〕1号 签发人张三", "issue letter 1 昌司督〔2026〕1号 signed by Zhang San"),
    "serve": Sentence("送达 函2 今天 当面签收", "serve letter 2 today by hand"),
    "recall": Sentence("撤函 函2 文书有误", "recall letter 2 by mistake"),
    "letters": Sentence("文书", "letters"),
    "subscribe": Sentence("订阅 周报", "subscribe weekly"),
    "unsubscribe": Sentence("退订 日报", "unsubscribe daily", {HEAD: "订阅 日报", SUPERVISOR: "订阅 日报"}),
    "bulletin": Sentence("通报草稿 上月", "bulletin last month"),
    "announce": Sentence(
        "通知 行政执法年度分析报告 请抓紧报送",
        "announce Annual analysis report on law enforcement please hurry",
        then=YES,
    ),
    "deduct": Sentence("扣分 昌吉市城市管理局 0.5 逾期未报", "deduct 昌吉市城市管理局 0.5 late"),
    "credit": Sentence("加分 昌吉市城市管理局 0.5 案卷优秀", "credit 昌吉市城市管理局 0.5 good files"),
    "points": Sentence("积分", "points"),
    "case": Sentence(
        "立案 行政处罚 昌吉市城市管理局 2月3日作出", "open case penalty 昌吉市城市管理局 2026-02-03", then=YES
    ),
    "cases": Sentence("个案", "cases"),
    "amend": Sentence("更正 个案1 2月1日收到", "amend case 1 2026-02-01"),
    "pause": Sentence("暂停 个案1 今天 仅暂停", "pause case 1 today pause only"),
    "resume": Sentence("恢复 个案2 今天", "resume case 2 today"),
    "withdraw": Sentence("撤案 个案1 立错了", "withdraw case 1 opened by mistake"),
    "unreached": Sentence("未绑定", "unreached"),
    "invite": Sentence("邀请 昌吉市城管局经办人", "invite 昌吉市城管局经办人"),
    "help": Sentence("帮助", "help"),
    "cancel": Sentence("取消", "cancel", {HEAD: "完成 #{report}", OFFICER: "完成 #{report}"}),
}
UNWRITTEN = {"subscribe", "unsubscribe", "bulletin", "cancel"}
"""They change nothing of a duty: the ledger is not told."""
COULD = re.compile(
    r"可办理的人：|监督员|负责人|经办人|管理员|supervisor|head|officer|administrator|Who can", re.IGNORECASE
)
LOST = ("没有听懂", "系统出错", "Not understood", "Something failed")


def test_every_command_has_its_sentence() -> None:
    assert list(SENTENCES) == [command.name for command in COMMANDS]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    morning = prepare(folder)
    asyncio.run(_set(f"sqlite://{morning}"))
    return morning


async def _set(url: str) -> None:
    """In February: something to verify, to answer, to serve, to pause; and somebody whom no post holds any more."""
    async with talking(url, LATE) as talk:
        talk.bot.inbox.around = Surroundings(LAW.workdays, PAGE)
        await learn(talk)
        await enlist(talk, OFFICERS)
        await talk.hold(SETTING)
        somebody = await Person.create(code=NOBODY, name="没有岗位的人")
        await people.bind(somebody.id, talk.adapter.connection, NOBODY, talk.now)
        await talk.bot.delivery.close()


async def learn(talk: Talk) -> None:
    rows = await fetch(
        "SELECT o.id, u.code, t.duty, t.label FROM obligation o JOIN term t ON t.id = o.term_id"
        " JOIN unit u ON u.id = o.unit_id ORDER BY t.label DESC"
    )
    known = {(row["code"], row["duty"]): row["id"] for row in rows}
    talk.numbers |= {name: known[key] for name, key in MORE.items() if key in known}


@pytest.fixture
async def talk(stage: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with opened(copied(stage, tmp_path)):
        talk = Talk(MemoryAdapter("webchat"), at(FIRST_MORNING))
        talk.now = at(LATE)
        await talk.learn()
        await learn(talk)
        yield talk


class TakenBackError(Exception):
    """Ends a transaction that must leave nothing."""


@asynccontextmanager
async def taken_back() -> AsyncIterator[None]:
    """A transaction of which nothing stays."""
    with suppress(TakenBackError):
        async with transaction():
            yield
            raise TakenBackError


@dataclass
class Said:
    """What came of a command: the answer, the lines of the ledger, the messages to others, how tables grew."""

    reply: Reply
    entries: list[str]
    news: list[dict[str, Any]]
    grown: dict[str, int]

    @property
    def refused(self) -> bool:
        return "refused" in self.entries


async def says(talk: Talk, who: str, command: Command, language: Language, *, whole: bool) -> Said:
    """Say it in a transaction that is taken back: the whole sentence, or only what it begins with."""
    sentence = SENTENCES[command.name]
    first, said, then = sentence.said(who, language)
    async with taken_back():
        await answered(talk, who, first)
        before, entry, notice = await counted(), await last("entry"), await last("notice")
        reply = await answered(talk, who, said)
        reply = await answered(talk, who, then) if whole and then else reply
        entries = await fetch("SELECT action FROM entry WHERE id > :last", last=entry)
        news = await fetch("SELECT CAST(body AS TEXT) AS body FROM notice WHERE id > :last", last=notice)
        grown = {name: n - before[name] for name, n in (await counted()).items()}
    return Said(reply, [row["action"] for row in entries], [json.loads(row["body"]) for row in news], grown)


async def answered(talk: Talk, who: str, text: str) -> Reply:
    if not text:
        return Reply("")
    said = talk.filled(text).replace("{colleague}", COLLEAGUE.get(who, "昌吉市城管局负责人"))
    incoming = Incoming(talk.adapter.connection, "app", f"said-{said}", who, said)
    moment = Moment(talk.now, talk.now.date(), talk.adapter.connection)
    return await answer(incoming, LAW.registry, moment, Surroundings(LAW.workdays, PAGE))


async def counted() -> dict[str, int]:
    """Rows of every table; what is open in a dialogue is not part of the world."""
    tables = [row["name"] for row in await fetch("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = [name for name in tables if name not in ("dialogue", "sqlite_sequence")]
    return {name: (await fetch(f"SELECT count(*) AS n FROM {name}"))[0]["n"] for name in kept}


async def last(table: str) -> int:
    (row,) = await fetch(f"SELECT max(id) AS id FROM {table}")
    return int(row["id"] or 0)


def holds(role: Role | None, command: Command) -> bool:
    return role in command.roles


def instead(text: str, value: str) -> bool:
    """Whether a text says what to type where a button cannot be pressed: the command's word, or a choice's number."""
    command = BY_NAME[value.partition(":")[0]]
    return any(word in text for word in (*command.zh, *command.en)) or "序号" in text or "number" in text.lower()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("role", WHO, ids=lambda role: role or "nobody")
async def test_every_command_by_every_post(talk: Talk, role: Role | None, language: Language) -> None:
    wrong = []
    for command in COMMANDS:
        mine = holds(role, command)
        said = await says(talk, WHO[role], command, language, whole=mine)
        fault = fault_of_answer(command, WHO[role], said) if mine else fault_of_refusal(command, role, said)
        if fault:
            wrong.append(f"{command.name}: {fault}: {said.reply.text} {said.entries}")
    assert wrong == []


def fault_of_answer(command: Command, who: str, said: Said) -> str:
    text = said.reply.text
    reads = command.reads or SENTENCES[command.name].looks(who)
    faults = {
        "is refused": said.refused,
        "is not understood": any(word in text for word in LOST),
        "is longer than a phone": len(text.splitlines()) > LINES,
        "changes what it reads": reads and any(said.grown.values()),
        "leaves no line": not (reads or said.entries or command.name in UNWRITTEN),
        "has a button and no word for it": not all(instead(text, button[1]) for button in said.reply.buttons),
        "tells others of a button and no word for it": not all(
            instead(one["text"], button[1]) for one in said.news for button in one["buttons"]
        ),
        "speaks of buttons where there may be none": any("点按钮" in one["text"] for one in said.news),
    }
    return ", ".join(name for name, holds in faults.items() if holds)


def fault_of_refusal(command: Command, role: Role | None, said: Said) -> str:
    text = said.reply.text
    faults = {
        "is not refused": not said.refused and not (role is None and command.reads),
        "does more than refuse": [one for one in said.entries if one != "refused"] != [],
        "does not say who could": COULD.search(text) is None,
        "is not understood": any(word in text for word in LOST),
        "is longer than a phone": len(text.splitlines()) > LINES,
    }
    return ", ".join(name for name, holds in faults.items() if holds)
