"""Cases in the chat: opened step by step or in one breath, echoed with their grounds, corrected, paused, withdrawn."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversation.ask import Surroundings
from bot.exports import table
from bot.store.asked import Asked
from bot.store.oversight import NOTHING, Narrow
from bot.wording.events import EVENTS, read_event
from bot.wording.grammar import DayError
from duties.model import Actor
from duties.registry import EventRule
from duties.store import reading
from duties.store.database import execute, fetch
from tests.bot.play import LAW
from tests.bot.talk import ADMIN, CLOCK, HEAD, OFFICER, SUPERVISOR, WATER, Row, Talk, copied, prepare, talking

AROUND = Surroundings(LAW.workdays)
TODAY = date(2026, 9, 25)
STANDS = "期限中止，自2026年1月5日（周一）起"
"""Of a clock that was stopped on the fourth."""
REVIEWER = "cjs-justice-officer"
OPEN = "立案 意见书 昌吉市城市管理局 1月3日收到"


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("cases"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


def test_every_event_of_the_registry_has_words() -> None:
    started = {duty.code for duty in LAW.registry.duties if isinstance(duty.rule, EventRule)}
    assert started - EVENTS.keys() == {"opinion-letter-objection"}  # begins with the opinion letter
    assert EVENTS.keys() <= started


@pytest.mark.parametrize(
    ("text", "duty", "on", "named", "words"),
    [
        ("意见书 城管局 9月20日收到", "opinion-letter-rectification", date(2026, 9, 20), None, ("城管局",)),
        (
            "城管局9月20日收到《行政执法监督意见书》昌司督〔2026〕3号 限10月10日前改正",
            "opinion-letter-rectification", date(2026, 9, 20), date(2026, 10, 10), ("城管局",),
        ),
        ("督办函 水利局 2026-09-18 限9月30日", "urge-letter-response", date(2026, 9, 18), date(2026, 9, 30),
         ("水利局",)),
        ("交办 水利局 10月1日前 清理台账", "assignment", None, date(2026, 10, 1), ("水利局", "清理台账")),
        ("行政处罚 昨天作出", "licence-penalty-publication", date(2026, 9, 24), None, ()),
        ("decision letter X on 2026-09-20 by 2026-10-10", "decision-letter-compliance", date(2026, 9, 20),
         date(2026, 10, 10), ("X",)),
        ("意见书 城管局 9月20日 不对 9月21日", "opinion-letter-rectification", date(2026, 9, 21), None,
         ("城管局", "不对")),
        ("水利局", "", None, None, ("水利局",)),
    ],
)  # fmt: skip
def test_a_sentence_is_taken_apart(
    text: str, duty: str, on: date | None, named: date | None, words: tuple[str, ...]
) -> None:
    spoken = read_event(text, TODAY)
    assert (spoken.duty, spoken.event_on, spoken.named_on, spoken.words) == (duty, on, named, words)


@given(st.text(max_size=200))
def test_any_sentence_is_read_or_names_no_day(text: str) -> None:
    with suppress(DayError):
        assert isinstance(read_event(text, TODAY).words, tuple)


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "in one breath, checked, confirmed": (
        (SUPERVISOR, OPEN, "请核对", "昌吉市城市管理局", "意见书整改：2026年2月2日", "意见书异议：2026年1月19日",
         "第二十八条", "回复“确认”"),
        (SUPERVISOR, "确认", "已立案：个案1", "台账号"),
        (SUPERVISOR, "个案", "办理中的个案（1）", "个案1 昌吉市城市管理局"),
        (SUPERVISOR, "个案 1", "意见书整改 #", "待签收"),
        (OFFICER, "待办", "意见书整改", "个案1"),
        (HEAD, "个案1", "意见书异议"),
        (WATER, "个案 1", "台账号"),
    ),
    "asked for what is missing, one thing at a time": (
        (SUPERVISOR, "立案", "立什么案", "意见书"),
        (SUPERVISOR, "决定书", "哪个单位"),
        (SUPERVISOR, "昌吉市城市管理局", "哪一天"),
        (SUPERVISOR, "1月3日", "定的是哪天前"),
        (SUPERVISOR, "限1月20日前", "请核对", "决定书履行：2026年1月20日", "文书定2026年1月20日"),
        (SUPERVISOR, "确认", "已立案：个案1"),
    ),
    "corrected before it is confirmed": (
        (SUPERVISOR, OPEN, "意见书整改：2026年2月2日"),
        (SUPERVISOR, "1月4日", "请核对", "2026年1月4日"),
        (SUPERVISOR, "2月30日", "“2月30日”不是日历上的日子"),
        (SUPERVISOR, "1月2日", "请核对", "2026年1月2日"),
        (SUPERVISOR, "确认", "已立案：个案1", "2026年1月2日"),
    ),
    "given up": (
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "取消", "已取消"),
        (SUPERVISOR, "个案", "没有办理中的个案"),
    ),
    "a letter is not opened by the unit it is for": (
        (HEAD, OPEN, "“意见书整改”的个案由监督员立案", "昌吉市司法局执法监督员", "台账号", "! 请核对"),
        (HEAD, "确认", "! 已立案"),
        (HEAD, "open opinion letter 2026-01-03", "a supervisor's to open a case"),
        (WATER, "立案 暂扣 1月3日", "“执法证件暂扣”的个案由监督员立案", "! 核验"),
        (SUPERVISOR, "个案", "没有办理中的个案"),
    ),
    "a review is for the office that is asked for it": (
        (OFFICER, "立案 复查申请 1月4日", "“复查答复”由收到复查申请的监督机关办理", "完成 意见书异议", "! 请核对"),
        (OFFICER, "open objection 2026-01-04", "supervises nobody", "done objection"),
        (SUPERVISOR, "立案 复查申请 城管局 1月4日", "由收到复查申请的监督机关办理"),
        ("cjs-justice-officer", "立案 复查申请 1月4日", "请核对", "复查答复"),
        ("cjs-justice-officer", "确认", "已立案"),
    ),
    "an obligation is called by its case": (
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "确认", "已立案：个案1"),
        (HEAD, "立案 行政处罚 1月3日作出", "请核对"),
        (HEAD, "确认", "已立案：个案2"),
        (HEAD, "立案 行政处罚 1月4日作出", "请核对"),
        (HEAD, "确认", "已立案：个案3"),
        (OFFICER, "签收 个案3", "已签收", "（个案3）"),
        (OFFICER, "签收 许可处罚决定公示（个案2）", "已签收", "（个案2）"),
        (OFFICER, "签收 个案2", "个案2", "无须", "! 序号"),
        (OFFICER, "详情 个案1", "查看哪一项", "意见书整改", "意见书异议", "! 许可处罚"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "详情 意见书异议 个案1", "意见书异议（个案1）", "（权利，不提出即作罢）"),
        (OFFICER, "detail case 3", "(case 3)"),
        (WATER, "签收 个案1", "这是昌吉市城市管理局的任务", "! 意见书"),
        (OFFICER, "完成 个案99 1月4日", "没有个案99"),
        (OFFICER, "完成 个案2 1月4日 https://example.cn/2", "已报结", "（个案2）"),
    ),
    "what a unit does itself, it opens itself": (
        (HEAD, "立案 行政处罚 1月3日作出", "请核对", "许可处罚决定公示：2026年1月12日"),
        (HEAD, "确认", "已立案：个案1"),
    ),
    "an assignment needs a word on what is to be done": (
        (SUPERVISOR, "立案 交办 昌吉市水利局 限1月20日前", "要办什么事"),
        (SUPERVISOR, "清理执法台账", "请核对", "清理执法台账", "交办事项：2026年1月20日"),
        (SUPERVISOR, "确认", "已立案"),
    ),
    "what is assigned may name another event": (
        (SUPERVISOR, "立案 交办 昌吉市水利局 整改行政处罚案卷 限1月20日前", "监督员交办", "整改行政处罚案卷",
         "交办事项：2026年1月20日（周二）前，自2026年1月5日（周一）起算\n", "! （）"),
        (SUPERVISOR, "确认", "已立案：个案1", "! （）"),
        (HEAD, "立案 及时 1月3日", "要办什么事"),
        (HEAD, "公布行政处罚结果", "请核对", "公布行政处罚结果", "及时类事项：2026年1月8日", "! 许可处罚决定公示"),
    ),
    "the same event twice": (
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "确认", "已立案：个案1"),
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "确认", "同一单位同一事由已立案：个案1"),
    ),
    "a corrected day": (
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "确认", "已立案"),
        (SUPERVISOR, "更正 个案1 1月4日收到", "已更正：个案1", "原为2026年2月2日", "意见书整改：2026年2月3日"),
        (SUPERVISOR, "更正 1", "没有可更正的内容"),
        (SUPERVISOR, "更正", "请写个案编号"),
        (SUPERVISOR, "更正 99 1月4日", "没有个案99"),
        (HEAD, "更正 1 1月2日", "台账号"),
        (CLOCK, "2026-01-05 10:00"),
    ),
    "a clock that stands": (
        (SUPERVISOR, "立案 合法性审核 昌吉市司法局 今天", "请核对", "一般不早于"),
        (SUPERVISOR, "确认", "已立案：个案1"),
        (SUPERVISOR, "暂停 1 今天", "由哪个单位补正材料"),
        (SUPERVISOR, "仅暂停", "已暂停：个案1", f"合法性审核：{STANDS}，恢复后余 15 个工作日", "! 已立案"),
        (SUPERVISOR, "个案", f"{STANDS}（恢复后余 15 个工作日）", "! 2027年"),
        (SUPERVISOR, "个案 1", f"{STANDS}（恢复后余 15 个工作日），待签收", "! 2027年"),
        (SUPERVISOR, "暂停 1", "已在暂停中"),
        (SUPERVISOR, "更正 1 昌司审〔2026〕1号", "已更正：个案1", STANDS, "! 2027年", "! 停止计时"),
        (SUPERVISOR, "恢复 1 今天", "已恢复：个案1", "合法性审核：2026年1月23日（周五）前", "! 2027年", "! 原为"),
        (SUPERVISOR, "恢复 1", "个案1没有暂停"),
    ),
    "materials asked for later: one dialogue stops the clock and tells who completes them": (
        (SUPERVISOR, "立案 合法性审核 昌吉市司法局 今天", "请核对"),
        (SUPERVISOR, "确认", "已立案：个案1"),
        (SUPERVISOR, "暂停 1 今天 补正", "由哪个单位补正材料", "仅暂停"),
        (SUPERVISOR, "查无此局", "由哪个单位补正材料"),
        (SUPERVISOR, "昌吉市水利局", "请核对：个案1", "审核材料补正：2026年1月7日", "第十六条", "回复“确认”"),
        (SUPERVISOR, "2月30日", "“2月30日”不是日历上的日子"),
        (SUPERVISOR, "确认", "已暂停：个案1", "已立案：个案2，昌吉市水利局", "自动恢复计时", "台账号"),
        (WATER, "待办", "审核材料补正", "个案2"),
        (SUPERVISOR, "个案", STANDS),
        (SUPERVISOR, "暂停 1 今天 昌吉市水利局", "已在暂停中"),
        (SUPERVISOR, "暂停 9 今天 昌吉市水利局", "没有个案9"),
    ),
    "materials asked for, in English and at once": (
        (SUPERVISOR, "open legality review 昌吉市司法局 today", "Please check"),
        (SUPERVISOR, "confirm", "Opened: case 1"),
        (SUPERVISOR, "pause case 1 today materials 昌吉市水利局", "the clock of case 1", "Wed 7 Jan 2026"),
        (SUPERVISOR, "confirm", "Opened: case 2", "case 1 goes on by itself"),
    ),
    "withdrawn with its reason": (
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "确认", "已立案"),
        (SUPERVISOR, "撤案 1", "请写理由"),
        (SUPERVISOR, "文书撤回", "已撤案：个案1，理由：文书撤回"),
        (SUPERVISOR, "个案", "没有办理中的个案"),
        (OFFICER, "待办", "! 个案1"),
        (SUPERVISOR, "撤案 1 再来", "个案1已结束"),
    ),
    "a refusal names the act that was tried": (
        (OFFICER, "立案 意见书 昌吉市城市管理局 1月3日收到", "由监督员立案", "! 请核对"),
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "确认", "已立案"),
        (OFFICER, "撤案 1 不认可", "由监督员撤案", "! 核验"),
        (OFFICER, "更正 个案1 1月2日收到", "由监督员更正"),
        (OFFICER, "暂停 1 仅暂停", "由监督员暂停计时"),
        (OFFICER, "恢复 1", "由监督员恢复计时"),
        (OFFICER, "withdraw case 1 wrong", "a supervisor's to withdraw the case"),
    ),
    "a day by its numbers alone": (
        (SUPERVISOR, "立案 意见书 昌吉市城市管理局 1.3", "请核对", "2026年1月3日", "! 1.3"),
        (SUPERVISOR, "取消", "已取消"),
        (SUPERVISOR, "立案 意见书 昌吉市城市管理局 1/3", "请核对", "2026年1月3日"),
        (SUPERVISOR, "确认", "已立案"),
        (SUPERVISOR, "更正 个案1 1.2", "2026年1月2日"),
        (SUPERVISOR, "更正 个案1 13.2", "“13月2日”不是日历上的日子"),
    ),
    "a clock that cannot stand": (
        (SUPERVISOR, OPEN, "请核对"),
        (SUPERVISOR, "确认", "已立案"),
        (SUPERVISOR, "暂停 1", "条文没有规定可以暂停"),
    ),
    "in English": (
        (SUPERVISOR, "open opinion letter 昌吉市城市管理局 on 2026-01-03", "Please check", "Mon 2 Feb 2026"),
        (SUPERVISOR, "confirm", "Opened: case 1"),
        (SUPERVISOR, "cases", "Cases under way (1)"),
        (ADMIN, "case 1", "Rectification after an opinion letter"),
        (SUPERVISOR, "amend case 1 2026-01-04", "Corrected: case 1", "it was"),
        (SUPERVISOR, "withdraw case 1 by mistake", "Withdrawn: case 1"),
    ),
    "unknown units and events": (
        (SUPERVISOR, "立案 意见书 查无此局 1月3日", "没认出单位"),
        (SUPERVISOR, "取消", "已取消"),
        (ADMIN, OPEN, "台账号"),
    ),
}  # fmt: skip


async def test_what_no_person_did_is_the_systems(talk: Talk) -> None:
    await talk.hold(
        ((SUPERVISOR, OPEN, "请核对"), (SUPERVISOR, "确认", "已立案"), (SUPERVISOR, "撤案 1 误立", "已撤案"))
    )
    row, *_ = await fetch("SELECT id FROM obligation WHERE state = 'cancelled' ORDER BY id")
    assert "2026年1月4日 10:00 系统 取消（台账号" in await talk.say(SUPERVISOR, f"详情 #{row['id']}")


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name])


async def test_the_unit_hears_of_its_case_and_of_the_moved_deadline_with_buttons(talk: Talk) -> None:
    await talk.hold(((SUPERVISOR, OPEN, "请核对"), (SUPERVISOR, "确认", "已立案")))
    await talk.go_to("2026-01-04 10:01")
    told = talk.told(OFFICER)[-1]
    assert "【立案】2 项个案任务" in told.text
    assert any(button.value.startswith("acknowledge") for button in told.buttons)
    await talk.hold(((SUPERVISOR, "更正 个案1 1月4日收到", "已更正"),))
    await talk.go_to("2026-01-04 10:02")
    moved = talk.told(HEAD)[-1].text
    assert "【期限变动】" in moved
    assert "原期限2026年2月2日" in moved
    assert "收到《行政执法监督意见书》，2026年1月4日" in moved


async def test_a_clock_that_stands_is_told_as_standing_and_its_new_day_when_it_goes_on(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, "立案 合法性审核 昌吉市司法局 今天", "请核对"),
            (SUPERVISOR, "确认", "已立案"),
            (CLOCK, "2026-01-05 10:00"),
            (SUPERVISOR, "暂停 1 今天", "由哪个单位补正材料"),
            (SUPERVISOR, "仅暂停", "已暂停"),
            (CLOCK, "2026-01-05 16:00"),
        )
    )
    told = talk.told("cjs-justice-officer")[-1].text
    assert "期限中止，自2026年1月6日（周二）起，恢复后余 14 个工作日" in told
    assert "恢复后另行告知期限" in told
    assert "2027年" not in told
    assert "原期限" not in told
    await talk.hold(((CLOCK, "2026-01-06 10:00"), (SUPERVISOR, "恢复 1 今天", "2026年1月26日", "原为2026年1月23日")))
    await talk.go_to("2026-01-06 10:05")
    told = talk.told("cjs-justice-officer")[-1].text
    assert "截止 2026年1月26日（周一）" in told
    assert "原期限2026年1月23日" in told
    assert "中止" not in told


async def stopped(talk: Talk) -> int:
    """A review whose clock stands since January 5: the number of its obligation."""
    await talk.hold((
        (SUPERVISOR, "立案 合法性审核 昌吉市司法局 今天", "请核对"),
        (SUPERVISOR, "确认", "已立案"),
        (SUPERVISOR, "暂停 1 今天 仅暂停", "已暂停"),
    ))  # fmt: skip
    return await number_of("legality-review")


async def test_every_list_says_that_a_clock_stands_and_none_shows_the_day_written_down_meanwhile(talk: Talk) -> None:
    number = await stopped(talk)
    await execute("UPDATE obligation SET state = 'waived' WHERE id <> :id", id=number)  # a list has ten lines
    left = "恢复后余 15 个工作日"
    await talk.hold((
        (REVIEWER, "待办", f"合法性审核（个案1）#{number}", f"{STANDS}，{left}；待签收", "! 2027年"),
        (REVIEWER, "mine", "clock stopped since Mon 5 Jan 2026, working days left when it goes on: 15", "! 2027"),
        (REVIEWER, f"详情 #{number}", f"{STANDS}，{left}；待签收", "! 2027年"),
        (REVIEWER, f"签收 #{number}", f"#{number}，{STANDS}。", "! 2027年"),
        (REVIEWER, f"稍后 #{number}", f"#{number}期限中止，自2026年1月5日（周一）起", "未作记录"),
        (REVIEWER, "单位", f"合法性审核（个案1）{STANDS}，{left}", "! 2027年"),
        (SUPERVISOR, "事项 规范性文件合法性审核", f"合法性审核（个案1）{STANDS}，{left}：应办 1"),
        (SUPERVISOR, f"拟稿 #{number}", f"#{number}期限中止"),
        (REVIEWER, f"完成 #{number} 昌司审〔2026〕9号", "已报结", "! 2027年"),
        (SUPERVISOR, "待核", f"完成 2026年1月4日（周日），{STANDS}", "! 2027年"),
    ))  # fmt: skip


async def test_a_clock_that_stands_is_never_late_due_or_near_however_long_it_stands(talk: Talk) -> None:
    """The day written down meanwhile is January 26, 2027."""
    number = await stopped(talk)
    due = await fetch("SELECT t.due FROM obligation o JOIN term t ON t.id = o.term_id WHERE o.id = :id", id=number)
    assert str(due[0]["due"]) == "2027-01-26"
    for day, near in (("2027-01-25", "本周到期"), ("2027-01-25", "本月到期"), ("2027-01-25", "到期 60天")):
        await talk.go_to(f"{day} 11:00")
        await talk.hold(((SUPERVISOR, f"{near} 规范性文件合法性审核", "! 应办 1", "没有"),))
    await talk.go_to("2027-02-02 11:00")
    await talk.hold(((SUPERVISOR, "逾期 规范性文件合法性审核", "没有逾期"),))
    said = [text for sent in talk.told(REVIEWER) for text in sent.text.split("\n\n") if f"#{number}" in text]
    assert said
    assert [text for text in said if "中止" not in text and "截止 2026年1月23日" not in text] == []


async def test_the_full_table_says_since_when_a_clock_stands(talk: Talk) -> None:
    number = await stopped(talk)
    for unit_or_duty in (Asked("unit", NOTHING, "zh"), Asked("duty", Narrow(duties=("legality-review",)), "zh")):
        made = await table(unit_or_duty, await actor(SUPERVISOR, talk), LAW.registry, AROUND, talk.now)
        (row,) = [row for row in made.rows if row[-1] == number]
        assert row[3:5] == [STANDS, "恢复后余 15 个工作日"]


async def test_a_clock_that_ran_out_before_it_was_stopped_is_overdue(talk: Talk) -> None:
    await talk.hold((
        (SUPERVISOR, "立案 合法性审核 昌吉市司法局 今天", "请核对"),
        (SUPERVISOR, "确认", "已立案"),
        (CLOCK, "2026-01-27 10:00"),
        (SUPERVISOR, "暂停 1 1月26日 仅暂停", "已暂停", "2026年1月23日", "! 中止"),
        (SUPERVISOR, "逾期 规范性文件合法性审核", "昌吉市司法局", "截止 2026年1月23日（周五），已逾期 4 天"),
    ))  # fmt: skip


async def test_an_objection_goes_to_the_supervisors_as_a_case_of_its_own(talk: Talk) -> None:
    await talk.hold(((SUPERVISOR, OPEN, "请核对"), (SUPERVISOR, "确认", "已立案")))
    (row,) = await fetch("SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id"
                         " WHERE t.duty = 'opinion-letter-objection'")  # fmt: skip
    await talk.hold(
        (
            (OFFICER, f"完成 #{row['id']} 昌市城管〔2026〕9号 2026-01-04", "已报结", "已自动立案：个案2"),
            ("cjs-justice-officer", "待办", "复查答复", "个案2"),
            (OFFICER, "撤回", "已撤回"),
            ("cjs-justice-officer", "待办", "! 复查答复"),
        )
    )


async def test_a_right_is_not_sent_back_when_its_day_has_passed(talk: Talk) -> None:
    await talk.hold(((SUPERVISOR, OPEN, "请核对"), (SUPERVISOR, "确认", "已立案")))
    (row,) = await fetch("SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id"
                         " WHERE t.duty = 'opinion-letter-objection'")  # fmt: skip
    await talk.hold(
        (
            (OFFICER, f"完成 #{row['id']} 昌市城管〔2026〕9号 2026-01-04", "已报结"),
            (CLOCK, "2026-01-21 10:00"),
            (SUPERVISOR, f"退回 #{row['id']} 不完整", "不能退回"),
        )
    )


async def test_a_reminder_of_a_right_says_that_it_need_not_be_used(talk: Talk) -> None:
    await talk.hold(((SUPERVISOR, OPEN, "请核对"), (SUPERVISOR, "确认", "已立案"), (CLOCK, "2026-01-05 10:00")))
    told = next(one.text for one in reversed(talk.told(OFFICER)) if "意见书异议" in one.text)
    assert told.count("这是权利：不提出的，过期作罢，不算逾期") == 1


async def test_a_right_that_was_not_used_says_so_in_words(talk: Talk) -> None:
    await talk.hold(((SUPERVISOR, OPEN, "请核对"), (SUPERVISOR, "确认", "已立案")))
    (row,) = await fetch("SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id"
                         " WHERE t.duty = 'opinion-letter-objection'")  # fmt: skip
    await talk.hold(((CLOCK, "2026-01-21 10:00"), (OFFICER, f"详情 #{row['id']}", "已过期作罢", "! lapsed")))


async def test_what_is_reported_in_time_is_called_late_nowhere_while_it_is_verified(talk: Talk) -> None:
    await talk.hold(
        ((SUPERVISOR, "立案 补正 昌吉市水利局 今天", "审核材料补正：2026年1月7日"), (SUPERVISOR, "确认", "已立案"))
    )
    number = await number_of("legality-materials")
    await talk.hold(
        (
            (WATER, f"完成 #{number} 2026-01-04 材料补齐", "已报结"),
            (CLOCK, "2026-01-09 10:00"),
            (SUPERVISOR, "个案", "2026年1月4日（周日）；已报结，待核验", "! 已逾期"),
            (SUPERVISOR, "个案 1", "截止 2026年1月7日（周三），已报结", "! 已逾期"),
            (WATER, f"详情 #{number}", "截止 2026年1月7日（周三），完成 2026年1月4日（周日）；已报结", "! 已逾期"),
            (WATER, f"detail #{number}", "due Wed 7 Jan 2026, done Sun 4 Jan 2026; reported", "! overdue"),
            (SUPERVISOR, f"销号 #{number}", "已销号"),
            (WATER, f"详情 #{number}", "截止 2026年1月7日（周三），完成 2026年1月4日（周日）；已销号", "! 已逾期"),
        )
    )


async def test_a_case_is_due_when_its_work_is_not_when_the_right_beside_it_lapses(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, OPEN, "请核对"),
            (SUPERVISOR, "确认", "意见书整改：2026年2月2日", "意见书异议：2026年1月19日"),
            (SUPERVISOR, "个案", "截止 2026年2月2日（周一）", "! 1月19日"),
            (CLOCK, "2026-01-21 10:00"),
            (HEAD, "个案 1", "截止 2026年1月19日（周一），期满未提出，已过期作罢", "! 已取消"),
        )
    )


async def actor(code: str, talk: Talk) -> Actor:
    (row,) = await fetch("SELECT id FROM person WHERE code = :code", code=code)
    found = await reading.actor(row["id"], talk.now.date())
    assert found is not None
    return found


async def number_of(duty: str) -> int:
    rows = await fetch("SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.duty = :duty", duty=duty)
    return int(rows[0]["id"])


async def test_materials_reported_sent_back_and_reported_again_move_the_review_each_time(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, "立案 合法性审核 昌吉市司法局 今天", "请核对", "规范性文件合法性审核：2026年1月23日"),
            (SUPERVISOR, "确认", "已立案"),
            (SUPERVISOR, "暂停 1 今天 补正 昌吉市水利局", "请核对"),
            (SUPERVISOR, "确认", "已立案：个案2"),
            (CLOCK, "2026-01-06 10:00"),
        )
    )
    wanted = await number_of("legality-materials")
    await talk.hold(
        (
            (WATER, f"完成 #{wanted} 2026-01-05 材料补齐", "已报结", "个案1恢复计时"),
            (SUPERVISOR, "个案1", "2026年1月26日", "! 中止"),
            (SUPERVISOR, f"退回 #{wanted} 缺附件", "退回"),
            (SUPERVISOR, "个案1", "中止"),
            (WATER, f"完成 #{wanted} 2026-01-06 材料补齐", "个案1恢复计时"),
            (SUPERVISOR, "个案1", "2026年1月27日"),
            (SUPERVISOR, "更正 个案2 1月5日", "已更正：个案2"),
            (SUPERVISOR, "个案1", "2026年1月26日"),
            (WATER, "更正 个案2 1月4日", "台账号"),
            (SUPERVISOR, "更正 个案2 1月2日", "应在2026年1月4日"),
        )
    )


async def test_an_assignment_shows_what_it_rests_on_wherever_it_is_shown(talk: Talk) -> None:
    said = "立案 交办 昌吉市城市管理局 今天 限1月9日前 昌司督〔2026〕7号 清理执法台账"
    await talk.hold(((SUPERVISOR, said, "请核对"), (SUPERVISOR, "确认", "已立案"), (CLOCK, "2026-01-05 10:00")))
    number = await number_of("assignment")
    await talk.hold(((OFFICER, f"详情 #{number}", "依据：昌司督〔2026〕7号；清理执法台账"),))
    told = next(sent.text for sent in reversed(talk.told(OFFICER)) if "【" in sent.text and "交办事项" in sent.text)
    assert "依据 昌司督〔2026〕7号" in told
    await talk.go_to("2026-01-12 10:00")
    await talk.hold(((SUPERVISOR, "逾期 交办事项", "交办事项", "依据 昌司督〔2026〕7号"),))
    made = await table(Asked("overdue", NOTHING, "zh"), await actor(SUPERVISOR, talk), LAW.registry, AROUND, talk.now)
    assert [row[11] for row in made.rows if row[-1] == number] == ["昌司督〔2026〕7号"]
    assert "清理执法台账" in told


async def test_the_end_of_a_suspension_is_a_reminder_to_give_the_certificate_back(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, "立案 暂扣 昌吉市城市管理局 1月3日", "2026年4月3日", "期满，届时返还证件", "! 过期作罢"),
            (SUPERVISOR, "确认", "已立案"),
            (CLOCK, "2026-04-02 10:05"),
        )
    )
    assert "暂扣期满，请返还证件" in "\n".join(sent.text for sent in talk.told(OFFICER))
    number = await number_of("certificate-suspension")
    await talk.hold(
        (
            (CLOCK, "2026-04-07 10:05"),
            (OFFICER, f"详情 #{number}", "暂扣期已满，证件应已返还", "! 过期作罢"),
        )
    )


async def test_a_review_before_its_time_is_warned_of_and_recorded(talk: Talk) -> None:
    await talk.hold(
        ((SUPERVISOR, "立案 合法性审核 昌吉市城市管理局 今天", "一般不早于"), (SUPERVISOR, "确认", "已立案"))
    )
    number = await number_of("legality-review")
    await talk.hold(((OFFICER, f"完成 #{number} 昌市城管〔2026〕9号", "已报结", "提示：早于一般不少于的期限"),))
