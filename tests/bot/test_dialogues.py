"""Questions over several messages: each can be given up, outlives the process, and expires politely."""

import ast
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

import bot.conversation
from bot.app import Bot
from duties.store.database import fetch
from tests.bot.play import LAW, ZONE
from tests.bot.talk import CLOCK, HEAD, OFFICER, SUPERVISOR, WATER, Row, Talk, begun, copied, prepare, talking
from tests.bot.test_checklist import learn
from tests.bot.test_officers import LIST, enlist

NUMBER = "昌市城管〔2026〕3号 https://cj.gov.cn/a"
ASSIGNED: tuple[Row, ...] = (
    (SUPERVISOR, "立案 交办 昌吉市城市管理局 限1月20日前 清理执法台账", "请核对"),
    (SUPERVISOR, "确认", "已立案：个案1"),
)
DRAFTED: tuple[Row, ...] = ((CLOCK, "2026-02-05 10:00"), (SUPERVISOR, "拟稿 督办函 #{report}", "已拟督办函"))
ISSUED: tuple[Row, ...] = (*DRAFTED, (SUPERVISOR, "发文 函1 昌司督〔2026〕1号 今天 签发人张三", "已发文"))
REPORTED: tuple[Row, ...] = ((OFFICER, f"完成 #{{report}} {NUMBER}", "已报结"),)
SHARED: tuple[Row, ...] = ((HEAD, "配合 #{report} 昌吉市水利局", "已指定配合"),)
JUNE: tuple[Row, ...] = ((CLOCK, "2026-06-22 10:00"),)
REFUSED: tuple[Row, ...] = (
    (OFFICER, "学法 1月2日 行政处罚法", "1/12"),
    (CLOCK, "2026-01-04 10:00:30"),
    (OFFICER, "完成 #{water}", "不能代办"),
)
ASKED: tuple[Row, ...] = ((OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1"),)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Who is asked, what comes before, the steps that leave a question open, what the last answer brings."""

    kind: str
    who: str
    steps: tuple[str, ...]
    done: str
    again: str
    before: tuple[Row, ...] = ()


URBAN = "昌吉市城市管理局"
DIALOGUES: dict[str, Dialogue] = {
    "report": Dialogue("evidence", OFFICER, ("完成 #{report}", NUMBER), "已报结", "完成 #{report}"),
    "which": Dialogue("choose", OFFICER, (f"完成 计划 {NUMBER}", "1"), "已报结", f"完成 {NUMBER}"),
    "tally": Dialogue("count", OFFICER, ("计数 #{study}", "1月4日 行政处罚法"), "已计数", "计数 #{study}"),
    "return": Dialogue("reason", SUPERVISOR, ("退回 #{report}", "缺附件"), "已退回", "退回 #{report}", REPORTED),
    "waive": Dialogue("reason", SUPERVISOR, ("免办 #{report}", "机构已撤并"), "已免办", "免办 #{report}"),
    "deduct": Dialogue("points", SUPERVISOR, (f"扣分 {URBAN} 1", "报送迟缓"), "已记分", f"扣分 {URBAN} 1"),
    "credit": Dialogue("points", SUPERVISOR, (f"加分 {URBAN} 1", "示范单位"), "已记分", f"加分 {URBAN} 1"),
    "ask-waiver": Dialogue(
        "request", OFFICER, ("申请免办 #{report}", "机构已撤并"), "已提出申请1", "申请免办 #{report}"
    ),
    "ask-extension": Dialogue(
        "request", OFFICER, ("申请延期 交办事项", "材料未到", "至2月10日"), "已提出申请1", "申请延期 #", ASSIGNED
    ),
    "reject": Dialogue("request", SUPERVISOR, ("不同意 申请1", "职能还在"), "已不同意申请1", "不同意 1", ASKED),
    "note": Dialogue("note", OFFICER, ("进展 #{report}", "初稿已送审"), "记进展", "进展 #{report}"),
    "assign": Dialogue("person", HEAD, ("转办 #{report}", "查无此人", OFFICER), "已转办", "转办 #{report}"),
    "delegate": Dialogue("delegate", HEAD, ("委托", "昌吉市城管局经办人", "3月1日至3日"), "已委托", "委托"),
    "undo": Dialogue("undo", OFFICER, ("撤回", "确认"), "已撤回", "撤回", REFUSED),
    "case": Dialogue(
        "case", SUPERVISOR, ("立案", "交办 昌吉市城市管理局", "限1月20日前", "清理执法台账", "确认"), "已立案", "立案"
    ),
    "withdraw": Dialogue("case", SUPERVISOR, ("撤案 个案1", "重复立案"), "已撤案", "撤案 个案1", ASSIGNED),
    "issue": Dialogue("letter", SUPERVISOR, ("发文 函1 昌司督〔2026〕1号", "签发人张三"), "已发文", "发文", DRAFTED),
    "serve": Dialogue("letter", SUPERVISOR, ("送达 函1", "今天 当面签收"), "已送达", "送达 函1", ISSUED),
    "recall": Dialogue("letter", SUPERVISOR, ("撤函 函1", "重复拟稿"), "已撤", "撤函 函1", DRAFTED),
    "announce": Dialogue(
        "announce", SUPERVISOR, ("通知 年度分析报告", "请于周五前报送电子版", "确认"), "已通知", "通知"
    ),
    "share-add": Dialogue(
        "partner", HEAD, ("配合 #{report}", "查无此局", "昌吉市水利局"), "已指定配合", "配合 #{report}”"
    ),
    "share-release": Dialogue(
        "reason", SUPERVISOR, ("免配合 #{report}", "昌吉市水利局", "不涉及水利"), "已免配合", "免配合 #{report}", SHARED
    ),
    "share": Dialogue("evidence", WATER, ("完成 #{report}", "数据已报"), "已答复配合", "完成 #{report}”", SHARED),
    "hours": Dialogue(
        "training", OFFICER, ("学时 张三", "4小时", "行政处罚法"), "已记学时", "学时 "
    ),
    "hours of one of two": Dialogue(
        "training", OFFICER, ("学时 王伟 4小时 行政处罚法", "9", "1"), "已记学时", "学时 王伟 4小时 行政处罚法”"
    ),
    "checklist": Dialogue(
        "checking", OFFICER, ("自查", "5 缺：未接入平台，其余是"), "已记 10 条", "自查 #{check}”", JUNE
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("dialogues"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        await enlist(found, LIST)
        await learn(found)
        yield found


def asked() -> set[str]:
    """The first argument of every question that the conversation can leave open."""
    kinds = set()
    for file in Path(bot.conversation.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ask.question":
                kinds.add(kind_of(node.args[0], file))
    return kinds


def kind_of(argument: ast.expr, file: Path) -> str:
    """A kind as it stands there, or as a name of its module says."""
    if isinstance(argument, ast.Name):
        return str(vars(import_module(f"bot.conversation.{file.stem}"))[argument.id])
    assert isinstance(argument, ast.Constant), f"{file.name}:{argument.lineno}"
    return str(argument.value)


def test_every_question_is_tried() -> None:
    assert asked() == {one.kind for one in DIALOGUES.values()}


async def open_now() -> list[str]:
    return [row["kind"] for row in await fetch("SELECT kind FROM dialogue ORDER BY id")]


async def written() -> list[int]:
    return [row["id"] for row in await fetch("SELECT id FROM entry WHERE action <> 'refused' ORDER BY id")]


@pytest.mark.parametrize("name", DIALOGUES)
async def test_every_step_can_be_given_up(talk: Talk, name: str) -> None:
    one = DIALOGUES[name]
    await talk.hold(one.before)
    before = await written()
    for steps in range(1, len(one.steps)):
        for text in one.steps[:steps]:
            await talk.say(one.who, text)
            assert await open_now() == [one.kind], text
        assert "已取消，未作记录" in await talk.say(one.who, "取消")
        assert await open_now() == []
        assert "没有等待您回答的问题" in await talk.say(one.who, "取消")
    assert await written() == before


@pytest.mark.parametrize("name", DIALOGUES)
async def test_who_answers_too_late_is_told_how_to_ask_again(talk: Talk, name: str) -> None:
    one = DIALOGUES[name]
    await talk.hold(one.before)
    for text in one.steps[:-1]:
        await talk.say(one.who, text)
    before = await written()
    await talk.go_to(f"{talk.now:%Y-%m-%d} 10:31")
    before = await written()
    answer = await talk.say(one.who, one.steps[-1])
    assert "提问已过期" in answer, answer
    assert f"请重新发“{talk.filled(one.again)}" in answer
    assert (await written(), await open_now()) == (before, [])


def another(talk: Talk) -> Bot:
    """A bot that was just started, or another replica: nothing is known to it but the database."""
    return Bot(LAW, {talk.adapter.connection: talk.adapter}, lambda: talk.now, zone=ZONE)


async def taken_in_turns(talk: Talk, one: Dialogue) -> None:
    answer = ""
    for text in one.steps:
        await talk.bot.delivery.close()
        talk.bot = another(talk)
        answer = await talk.say(one.who, text)
    assert one.done in answer, answer


@pytest.mark.parametrize("name", DIALOGUES)
async def test_every_step_may_be_answered_by_another_process(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name].before)
    await taken_in_turns(talk, DIALOGUES[name])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_replicas_take_turns_over_one_database(database_url: str) -> None:
    async with begun(database_url) as talk:
        for name in ("report", "case", "delegate", "announce"):
            await taken_in_turns(talk, DIALOGUES[name])
