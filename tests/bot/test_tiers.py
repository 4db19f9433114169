"""Groups: every answer as a group reads it and as the asker reads it alone, for open duties and for direct ones."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.base import Incoming
from bot.conversation.ask import Surroundings
from bot.conversation.table import COMMANDS
from bot.conversation.tiers import names_direct, numbers_in
from bot.wording import say
from duties.store import reading
from duties.store.database import execute, fetch
from tests.bot.play import LAW
from tests.bot.talk import ADMIN, HEAD, OFFICER, SUPERVISOR, WATER, Talk, begun, copied, prepare, talking

ALONE = "已单独发给您"
GROUP = "the group"
SORRY = say("failed").partition("{")[0]
OPINION = "立案 意见书 昌吉市水利局 1月3日收到 昌司督〔2026〕3号"
LOST = "立案 败诉 昌吉市水利局 1月3日收到"
OVERDUE = "2026-02-03 12:00"
"""A day on which the rectification, and January's dated duties, are overdue."""


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("tiers"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


@dataclass(frozen=True)
class Heard:
    """What a group read, and what its asker read alone; empty for nothing."""

    public: str
    private: str


class Meeting:
    """A group in which everybody of the sample roster talks to the bot."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self._numbers = count(1)

    async def say(self, who: str, text: str) -> Heard:
        """Somebody says something in the group, or presses what stands after ">". Nobody else is answered."""
        text, adapter = self.talk.filled(text), self.talk.adapter
        words, action = ("", text[2:]) if text.startswith("> ") else (text, "")
        before, number = len(adapter.sent), f"group-{next(self._numbers)}"
        await self.talk.bot.inbox.receive(
            Incoming(adapter.connection, "app", number, who, words, action, via=GROUP, group=True)
        )
        await self.talk.bot.step(tick=False)
        said = [sent for sent in adapter.sent[before:] if sent.address == who]
        public = [sent for sent in said if sent.via == GROUP]
        for sent in public:
            await nothing_direct(sent.text, *(button.value.replace(":", " #") for button in sent.buttons))
        assert len(public) == 1, "a group is answered once"
        assert not any(sent.text.startswith(SORRY) for sent in said), said
        return Heard(public[0].text, "\n".join(sent.text for sent in said if sent.via != GROUP))


async def nothing_direct(*texts: str) -> None:
    """No title, event or number of a direct duty stands in what a group read."""
    for text in texts:
        assert not names_direct(LAW.registry, text), text
        assert not LAW.registry.direct & await reading.duties_of(sorted(numbers_in(text))), text


@pytest.fixture
async def meeting(talk: Talk) -> Meeting:
    """The water bureau has an opinion letter to answer, and its dated duties."""
    await talk.hold(((SUPERVISOR, OPINION, "请核对"), (SUPERVISOR, "确认", "已立案：个案1")))
    rows = await fetch(
        "SELECT o.id, t.duty FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.case_id IS NOT NULL"
    )
    talk.numbers |= {"letter" if "rectification" in row["duty"] else "objection": row["id"] for row in rows}
    return Meeting(talk)


def test_direct_is_what_concerns_one_units_faults() -> None:
    assert LAW.registry.direct == {
        "opinion-letter-rectification", "opinion-letter-objection", "objection-review", "decision-letter-compliance",
        "urge-letter-response", "losing-case-report", "certificate-suspension",
    }  # fmt: skip


WHOLLY_DIRECT = (
    (WATER, "详情 #{letter}", "意见书整改"),
    (WATER, "detail #{letter}", "Rectification after an opinion letter"),
    (WATER, "详情 意见书整改", "意见书整改"),
    (WATER, "> detail:{letter}", "意见书整改"),
    (WATER, "签收 #{letter}", "已签收"),
    (WATER, "> acknowledge:{letter}", "已签收"),
    (WATER, "全部签收", "已签收"),
    (WATER, "签收 #{water} #{letter}", "已签收"),
    (WATER, "完成 #{letter}", "请回复"),
    (WATER, "完成 #{letter} 昌市水〔2026〕3号 1月4日", "已报结"),
    (WATER, "进展 #{letter} 初稿已完成", "已签收并记进展"),
    (WATER, "申请免办 #{letter} 机构已撤并", "申请1"),
    (WATER, "延期 #{letter} 材料未到 至2月20日", "意见书整改"),
    (WATER, "事项 意见书整改", "意见书整改"),
    (WATER, "个案", "个案1 昌吉市水利局"),
    (WATER, "个案 1", "意见书整改"),
    (WATER, "单位", "昌吉市水利局"),
    (SUPERVISOR, "单位 水利局", "昌吉市水利局"),
    (SUPERVISOR, "免办 #{letter}", "意见书整改"),
    (SUPERVISOR, "免办 #{letter} 机构已撤并", "已免办"),
    (SUPERVISOR, "暂停 个案1 1月4日", ""),
    (SUPERVISOR, "更正 个案1 1月2日收到", "意见书整改"),
    (SUPERVISOR, "撤案 个案1", "理由"),
    (SUPERVISOR, "撤案 个案1 误登", "个案1"),
    (SUPERVISOR, "立案 意见书", "哪"),
    (SUPERVISOR, LOST, "请核对"),
    (SUPERVISOR, "撤销", "撤"),
    (SUPERVISOR, "通知 意见书整改 请于周五前报送", "意见书整改"),
    (SUPERVISOR, "文书", ""),
    (SUPERVISOR, "拟稿 #{letter}", "没有逾期"),
    (SUPERVISOR, "扣分 水利局 0.5 整改不力", "水利局"),
    (SUPERVISOR, "加分 水利局 0.5 整改得力", "水利局"),
    (SUPERVISOR, "积分 水利局", "水利局"),
    (WATER, "积分", ""),
    (OFFICER, "完成 #{water} 昌市水〔2026〕3号", "已记入台账"),
    (OFFICER, "签收 #{letter}", "已记入台账"),
    (OFFICER, "详情 #{letter}", "已记入台账"),
    (WATER, "报告稿 #{letter}", "整改报告"),
    (WATER, "skeleton #{letter}", "Rectification"),
    (WATER, "报告稿", "意见书整改"),
    (OFFICER, "报告稿", "意见书整改"),
    (WATER, "稍后 #{letter}", "再提醒您"),
    (WATER, "稍后 #{letter} #{water} 2小时", "意见书整改"),
    (SUPERVISOR, "配合 #{letter}", "意见书整改"),
    (SUPERVISOR, "配合 #{letter} 城管局", "已指定配合"),
    (SUPERVISOR, "免配合 #{letter}", "意见书整改"),
    (WATER, "自查 #{letter}", ""),
    (SUPERVISOR, "自查 #{letter} 缺", ""),
)  # fmt: skip


@pytest.mark.parametrize(("who", "text", "wanted"), WHOLLY_DIRECT, ids=lambda part: part)
async def test_what_is_about_a_direct_duty_is_told_to_the_asker_alone(
    meeting: Meeting, who: str, text: str, wanted: str
) -> None:
    heard = await meeting.say(who, text)
    assert ALONE in heard.public or heard.public == "Told to you alone."
    assert "水利局" not in heard.public
    assert wanted in heard.private
    assert heard.private


MIXED = (
    (WATER, "待办", "行政执法年度分析报告", "意见书整改", "另有 2 项"),
    (WATER, "mine", "analysis report", "Rectification", "2 more"),
    (WATER, "到期", "行政执法年度分析报告", "意见书异议", "另有"),
    (WATER, "本月到期", "行政执法年度分析报告", "意见书异议", "另有 1 项"),
)


@pytest.mark.parametrize(("who", "text", "open_one", "direct_one", "more"), MIXED, ids=lambda part: part)
async def test_of_a_mixed_list_a_group_reads_the_open_part_and_how_many_more_there_are(
    meeting: Meeting, who: str, text: str, open_one: str, direct_one: str, more: str
) -> None:
    heard = await meeting.say(who, text)
    assert open_one in heard.public
    assert more in heard.public
    assert open_one in heard.private
    assert direct_one in heard.private


@pytest.mark.parametrize("text", ["逾期", "逾期 水利局", "待核", "未签收", "灯", "overdue"])
async def test_of_what_supervisors_ask_a_group_reads_the_open_part(meeting: Meeting, text: str) -> None:
    await meeting.talk.go_to("2026-01-05 12:00")
    await meeting.talk.hold(
        (
            (WATER, "完成 #{objection} 昌市水〔2026〕3号 1月5日", "已报结"),
            (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 1月5日 https://cj.gov.cn/a", "已报结"),
        )
    )
    await meeting.talk.go_to(OVERDUE)
    heard = await meeting.say(SUPERVISOR, text)
    assert ALONE in heard.public or "sent to you alone" in heard.public
    assert len(heard.public) > len("另有不便在群内显示的内容，已单独发给您。")
    assert heard.private


OPEN = (
    (OFFICER, "待办", "行政执法年度分析报告"),
    (OFFICER, "详情 #{report}", "行政执法年度分析报告"),
    (OFFICER, "签收 #{report}", "已签收"),
    (OFFICER, "完成 #{report}", "请回复"),
    (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 1月4日 https://cj.gov.cn/a", "已报结"),
    (OFFICER, "进展 #{report} 初稿已完成", "已签收并记进展"),
    (OFFICER, "学法 1月4日 行政处罚法", "已计数"),
    (OFFICER, "计数 #{study} 1月4日 行政处罚法", "已计数"),
    (OFFICER, "申请免办 #{report} 机构已撤并", "申请1"),
    (OFFICER, "单位", "昌吉市城市管理局"),
    (OFFICER, "事项 年度分析报告", "年度分析报告"),
    (OFFICER, "个案", "个案"),
    (OFFICER, "本周到期", ""),
    (OFFICER, "学法进度", "会前学法"),
    (OFFICER, "进度", "会前学法"),
    (OFFICER, "灯", ""),
    (OFFICER, "逾期", "没有逾期"),
    (OFFICER, "立案 行政处罚 1月3日作出", "请核对"),
    (OFFICER, "委托", ""),
    (OFFICER, "取消", "没有等待您回答的问题"),
    (OFFICER, "帮助", "签收"),
    (OFFICER, "帮助 立案", "立案"),
    (OFFICER, "谢谢", "督办"),
    (OFFICER, "学时", "名单"),
    (OFFICER, "hours", "officers"),
    (OFFICER, "稍后 #{report}", "再提醒您"),
    (OFFICER, "自查", "自查"),
    (OFFICER, "报告稿 #{report}", "已记入台账"),
    (OFFICER, "申请", "没有待答复的申请"),
    (OFFICER, "待批", "没有待答复的申请"),
    (OFFICER, "撤回申请", "没有待答复的申请"),
    (HEAD, "配合 #{report}", "由哪个单位配合"),
    (HEAD, "配合 #{report} 水利局", "已指定配合"),
    (SUPERVISOR, "免配合 #{report}", "没有未答的配合单位"),
    (HEAD, "转办 #{report}", "转给谁办"),
    (HEAD, "订阅", ""),
    (HEAD, "退订", ""),
    (HEAD, "邀请", ""),
    (HEAD, "未绑定", ""),
    (SUPERVISOR, "退回 #{report}", ""),
    (SUPERVISOR, "免办 #{report}", "理由"),
    (SUPERVISOR, "恢复办理", ""),
    (SUPERVISOR, "待核", "没有"),
    (SUPERVISOR, "同意", "申请"),
    (SUPERVISOR, "不同意", "申请"),
    (SUPERVISOR, "通知 行政执法年度分析报告 请于周五前报送", "行政执法年度分析报告"),
    (SUPERVISOR, "通报草稿", ""),
    (ADMIN, "未绑定", ""),
)  # fmt: skip


@pytest.mark.parametrize(("who", "text", "wanted"), OPEN, ids=lambda part: part)
async def test_what_is_open_is_answered_in_the_group(talk: Talk, who: str, text: str, wanted: str) -> None:
    heard = await Meeting(talk).say(who, text)
    if ALONE in heard.public:
        assert "已记入台账" in heard.private, "only a refusal is told alone"
    else:
        assert wanted in heard.public
        assert not heard.private


def test_every_command_is_in_the_tables() -> None:
    said = [text for _, text, *_ in (*WHOLLY_DIRECT, *MIXED, *OPEN)]
    said += [
        "> close",
        "> return",
        "导出",
        "逾期",
        "待核",
        "未签收",
        "撤回",
        "销号",
        "恢复 个案",
        "发文 函",
        "送达 函",
        "撤函 函",
    ]
    missing = [
        command.name for command in COMMANDS if not any(text.startswith((*command.zh, *command.en)) for text in said)
    ]
    assert missing == []


async def test_of_requests_a_group_reads_the_open_ones_and_answers_the_others_alone(meeting: Meeting) -> None:
    await meeting.talk.hold(((WATER, "申请免办 #{letter} 机构已撤并", "申请1"),))
    for who in (WATER, SUPERVISOR):
        assert (await meeting.say(who, "申请")).public == "已单独发给您。"
    assert "另有 1 件申请" not in (await meeting.say(SUPERVISOR, "待核")).public
    await meeting.talk.hold(((WATER, "申请免办 #{water} 机构已撤并", "申请2"),))
    for who in (WATER, SUPERVISOR):
        heard = await meeting.say(who, "申请")
        assert "申请2" in heard.public
        assert "申请1" not in heard.public
        assert "另有 1 项不便在群内显示，已单独发给您。" in heard.public
        assert "申请1" in heard.private
    withdrawn = await meeting.say(WATER, "撤回申请 申请1")
    assert withdrawn.public == "已单独发给您。"
    assert "申请1" in withdrawn.private
    assert "申请2" in (await meeting.say(WATER, "撤回申请")).public


async def test_of_shares_a_group_reads_those_of_open_duties(meeting: Meeting) -> None:
    await meeting.talk.hold(
        (
            (SUPERVISOR, "配合 #{letter} 城管局", "已指定配合"),
            (SUPERVISOR, "配合 #{water} 城管局", "已指定配合"),
        )
    )
    mine = await meeting.say(OFFICER, "待办")
    assert "配合 1 项待答复" in mine.public
    assert "另有 1 项不便在群内显示" in mine.public
    assert "配合 2 项待答复" in mine.private
    await meeting.talk.go_to("2026-01-05 12:00")
    await meeting.talk.go_to(OVERDUE)
    for text in ("逾期", "未签收", "单位 城管局", "overdue"):
        heard = await meeting.say(SUPERVISOR, text)
        assert "意见书整改" in heard.private or "Rectification" in heard.private, text
    for text in ("签收 #{letter}", "完成 #{letter}", "完成 #{letter} 数据已报", "撤回", "详情 #{letter}"):
        assert (await meeting.say(OFFICER, text)).public == "已单独发给您。", text
    released = await meeting.say(SUPERVISOR, "免配合 #{letter} 城管局 不涉及")
    assert released.public == "已单独发给您。"
    assert "已免配合" in (await meeting.say(SUPERVISOR, "免配合 #{water} 城管局 不涉及")).public


async def test_what_was_put_off_is_told_alone_again_and_taken_back_alone(meeting: Meeting) -> None:
    await meeting.say(WATER, "稍后 #{letter} 2小时")
    undone = await meeting.say(WATER, "撤回")
    assert (undone.public, "意见书整改" in undone.private) == ("已单独发给您。", True)
    await meeting.say(WATER, "稍后 #{letter} 2小时")
    await execute("UPDATE identity SET address = 'chat:water' WHERE address = :officer", officer=WATER)
    await meeting.talk.go_to("2026-01-04 12:30")
    (again,) = [sent.text for sent in meeting.talk.told("chat:water")]
    assert "不便在群内显示" in again
    await nothing_direct(again)


async def test_a_dialogue_begun_in_a_group_goes_on_alone_wherever_it_is_answered(meeting: Meeting) -> None:
    begun = await meeting.say(SUPERVISOR, "立案 意见书 城管局")
    assert (begun.public, "哪" in begun.private) == ("已单独发给您。", True)
    await meeting.talk.hold(((SUPERVISOR, "1月3日收到", "请核对", "昌吉市城市管理局"),))
    stray = await meeting.say(SUPERVISOR, "确认")
    assert stray.public == "已单独发给您。"
    assert "已立案：个案2" in stray.private


async def test_evidence_asked_for_alone_may_be_given_in_the_group(meeting: Meeting) -> None:
    await meeting.say(WATER, "完成 #{letter}")
    stray = await meeting.say(WATER, "昌市水〔2026〕3号 1月4日")
    assert stray.public == "已单独发给您。"
    assert "已报结" in stray.private


async def test_a_number_means_the_list_that_was_read_where_it_is_said(meeting: Meeting) -> None:
    both = await meeting.say(WATER, "待办")
    place = next(line for line in both.private.splitlines() if "意见书异议" in line).partition(".")[0]
    same = next(line for line in both.public.splitlines() if line.startswith(f"{place}."))
    in_group = await meeting.say(WATER, f"详情 {place}")
    assert in_group.public.splitlines()[0].split("（")[0] in same
    alone = await meeting.talk.say(WATER, f"详情 {place}")
    assert alone.startswith("意见书异议")
    assert (await meeting.say(WATER, f"详情 {place}")).public == in_group.public


async def test_what_is_acknowledged_in_a_list_of_the_group_is_what_the_group_read(meeting: Meeting) -> None:
    await meeting.say(WATER, "待办")
    heard = await meeting.say(WATER, "签收 1、2")
    assert "已签收" in heard.public
    assert not heard.private


@pytest.mark.parametrize(("page", "where"), [("https://duban.example", "https://duban.example"), ("", "督办页面")])
async def test_who_cannot_be_told_alone_is_told_where_to_look(meeting: Meeting, page: str, where: str) -> None:
    inbox = meeting.talk.bot.inbox
    inbox.around = Surroundings(LAW.workdays, page, lambda *_: False)
    for text, shown in (("详情 #{letter}", ""), ("待办", "行政执法年度分析报告"), ("单位", "")):
        heard = await meeting.say(WATER, text)
        assert where in heard.public
        assert shown in heard.public
        assert not heard.private
    assert "另有 2 项" in (await meeting.say(WATER, "待办")).public


async def test_who_cannot_be_told_alone_is_asked_nothing_that_they_cannot_read(meeting: Meeting) -> None:
    meeting.talk.bot.inbox.around = Surroundings(LAW.workdays, "", lambda *_: False)
    await meeting.say(WATER, "完成 #{letter}")
    await meeting.talk.hold(((WATER, "昌市水〔2026〕3号", "尚未记录", "! 已报结"),))
    assert "意见书" not in (await meeting.say(WATER, "昌市水〔2026〕3号")).public


async def test_without_a_group_nothing_is_held_back(meeting: Meeting) -> None:
    await meeting.talk.hold(
        ((WATER, "待办", "意见书整改", "意见书异议", "! 不便在群内"), (WATER, "详情 #{letter}", "! 单独发给您"))
    )


async def pressed(talk: Talk, who: str, action: str, receipt: str) -> list[str]:
    """A press of which the platform does not say where it was made: what was said, and "group: " before what was
    said there."""
    before = len(talk.adapter.sent)
    press = Incoming(talk.adapter.connection, "app", f"press-{before}", who, "", action, receipt, GROUP, group=True)
    await talk.bot.inbox.receive(press)
    await talk.bot.step(tick=False)
    said = [sent for sent in talk.adapter.sent[before:] if sent.address == who]
    return [("group: " if sent.via == GROUP and len(said) > 1 else "") + sent.text for sent in said]


async def test_a_press_on_a_card_that_one_person_got_is_answered_there(meeting: Meeting) -> None:
    talk = meeting.talk
    await talk.say(WATER, "详情 #{letter}")
    (answer,) = await pressed(talk, WATER, talk.filled("acknowledge:{letter}"), talk.adapter.sent[-1].key)
    assert "已签收：昌吉市水利局“意见书整改”" in answer


async def test_a_press_on_any_other_card_is_taken_for_one_in_a_group(meeting: Meeting) -> None:
    talk = meeting.talk
    await meeting.say(WATER, "待办")
    shown = next(sent for sent in reversed(talk.adapter.sent) if sent.via == GROUP)
    for receipt in (shown.key, "a card of somebody else", ""):
        hint, answer = await pressed(talk, WATER, talk.filled("detail:{letter}"), receipt)
        assert hint == "group: 已单独发给您。"
        assert "意见书整改" in answer


async def test_news_of_a_direct_duty_names_it_to_no_group(meeting: Meeting) -> None:
    talk = meeting.talk
    await execute("UPDATE identity SET address = 'chat:water' WHERE address = :head", head="cjs-water-head")
    await talk.hold(
        (
            (SUPERVISOR, "免办 #{letter} 机构已撤并", "已免办"),
            (SUPERVISOR, "扣分 水利局 0.5 整改不力", "水利局"),
            (SUPERVISOR, "免办 #{water} 机构已撤并", "已免办"),
        )
    )
    news = [sent.text for sent in talk.told("chat:water")][-3:]
    assert news[:2] == ["【消息】有 1 项事项有新情况，不便在群内显示，请到督办页面登录查看；页面地址请问管理员。"] * 2
    assert "行政执法年度分析报告" in news[2]
    alone = [sent.text for sent in talk.told(WATER)]
    assert any("【免办】昌吉市水利局“意见书整改”" in text for text in alone)


LINES = st.lists(st.sampled_from([text for _, text, *_ in (*WHOLLY_DIRECT, *MIXED, *OPEN)]), min_size=1, max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from([WATER, OFFICER, HEAD, SUPERVISOR, ADMIN]), LINES), min_size=1, max_size=3))
async def test_whatever_is_said_in_a_group_no_direct_duty_is_named_there(
    meeting: Meeting, said: list[tuple[str, list[str]]]
) -> None:
    for who, lines in said:
        for text in lines:
            await meeting.say(who, text)


async def test_what_a_group_reads_is_the_same_on_both_databases(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.hold(((SUPERVISOR, OPINION, "请核对"), (SUPERVISOR, "确认", "已立案：个案1")))
        await talk.hold(
            ((SUPERVISOR, "立案 行政处罚 昌吉市水利局 1月3日作出", "请核对"), (SUPERVISOR, "确认", "已立案：个案2"))
        )
        await talk.go_to("2026-01-05 12:00")
        await talk.go_to(OVERDUE)
        meeting = Meeting(talk)
        for text, shown, told in (
            ("待办", "许可处罚决定公示", "意见书整改"),
            ("逾期", "许可处罚决定公示", "意见书整改"),
            ("个案", "个案2 昌吉市水利局", "个案1 昌吉市水利局"),
            ("未签收", "许可处罚决定公示", "意见书整改"),
        ):
            heard = await meeting.say(WATER, text)
            assert shown in heard.public
            assert told in heard.private
            assert "项不便在群内显示，已单独发给您" in heard.public
        lights = await meeting.say(SUPERVISOR, "灯 水利局")
        assert "逾期" in lights.public
        assert "另有不便在群内显示的内容，已单独发给您" in lights.public
        assert lights.private
