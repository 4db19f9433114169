"""People speak as to a colleague: questions without a command's word, several done at once, titles like commands."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.wording.plain import Plain, plainly_asked
from tests.bot.talk import CLOCK, HEAD, OFFICER, PREFECTURE, SUPERVISOR, Row, Talk, copied, prepare, talking


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("plain"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我有哪些没办的", Plain(("mine",))),
        ("我们局还差几项？", Plain(("mine",))),
        ("我今天要办什么", Plain(("mine",))),
        ("这周有啥要交的", Plain(("due-week",))),
        ("本月有哪些要报", Plain(("due-month",))),
        ("这个月水利局有什么到期", Plain(("due-month",), "水利局")),
        ("下周有什么要交", Plain(("due",))),
        ("年度报告什么时候截止", Plain(("detail", "duty"), "年度报告")),
        ("年度报告几号前报", Plain(("detail", "duty"), "年度报告")),
        ("这条依据是什么", Plain(("detail",))),
        ("城管局学法几次了", Plain(("study-progress",), "城管局")),
        ("学法还差几次", Plain(("study-progress",))),
        ("谁逾期最多", Plain(("overdue",))),
        ("水利局逾期了吗", Plain(("overdue",), "水利局")),
        ("请问水利局还欠哪些材料？", Plain(("unit",), "水利局")),
        ("哪些单位没签收", Plain(("unacknowledged",))),
        ("谁没签收年度报告", Plain(("unacknowledged",), "年度报告")),
        ("哪些单位没交年度报告", Plain(("duty",), "年度报告")),
        ("哪些单位是红灯", Plain(("lights",))),
        ("有什么要核验的", Plain(("mine", "review"))),
        ("怎么用", Plain(("help",))),
        ("谢谢", None),
        ("为什么扣分", None),
        ("这周的报告交了", None),
        ("年度报告已报，文号昌市城管〔2026〕3号", None),
    ],
)
def test_a_question_is_read_as_it_is_asked(text: str, wanted: Plain | None) -> None:
    assert plainly_asked(text) == wanted


async def test_questions_are_answered_to_whom_they_come_from(talk: Talk) -> None:
    rows: tuple[Row, ...] = (
        (OFFICER, "我有哪些没办的", "待办"),
        (OFFICER, "年度学法计划什么时候交", "年度学法计划", "2026年3月31日"),
        (OFFICER, "行政执法年度分析报告的依据是什么", "第三十五条第一款"),
        (OFFICER, "城管局学法几次了", "会前学法"),
        (SUPERVISOR, "水利局还欠什么", "昌吉市水利局\n", "未办结"),
        (SUPERVISOR, "哪些单位没签收", "未签收"),
        (SUPERVISOR, "谁逾期最多", "没有逾期"),
        (PREFECTURE, "年度学法计划什么时候交", "年度学法计划", "应办"),
    )
    await talk.hold(rows)


async def test_a_question_about_an_act_is_no_act(talk: Talk) -> None:
    await talk.hold(((OFFICER, "学法几次了", "0/12", "! 已计数"), (OFFICER, "学法还差几次", "0/12", "! 已计数")))


async def test_a_title_that_begins_like_a_command_is_none(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "学法计划已经印发了，昌市城管发〔2026〕5号", "要报结“年度学法计划”", "! 已计数"),
            (OFFICER, "取消", "取消"),
            (OFFICER, "学法民法典", "已计数", "民法典"),
        )
    )


async def test_several_may_all_be_done(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "待办", "1. "),
            (OFFICER, "第1项和第2项都签收了", "已签收", "当月执法案件公示", "行政执法年度分析报告"),
        )
    )


async def test_later_may_be_said_without_its_word(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "明天再说", "将于 2026年1月5日 10:00 再提醒您"),
            (OFFICER, "待办", "1. "),
            (OFFICER, "下周一提醒我", "要稍后提醒哪一项"),
            (SUPERVISOR, "明天再说", "没有听懂"),
        )
    )


async def test_an_act_that_cannot_be_undone_shields_the_one_before_it(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, "免办 #{report} 机构已撤并", "已免办"),
            (CLOCK, "2026-01-04 10:01"),
            (SUPERVISOR, "加分 昌吉市城市管理局 1 示范单位", "已记分"),
            (SUPERVISOR, "撤回", "上一次操作是“加分”", "! 已撤回"),
            (SUPERVISOR, "撤回 #{report}", "已撤回"),
            (HEAD, "撤回", "! 已撤回"),
        )
    )


async def test_a_study_taken_back_is_named_with_what_is_left(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "学法 1月2日 行政处罚法", "1/12"),
            (OFFICER, "学法 1月3日 民法典", "2/12"),
            (OFFICER, "撤回", "已撤回", "2026年1月3日", "民法典", "1/12"),
            (OFFICER, "undo", "Undone", "2 Jan 2026", "行政处罚法", "0/12"),
        )
    )


async def test_after_a_refusal_the_act_before_it_is_taken_back_only_when_that_is_confirmed(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "学法 1月2日 行政处罚法", "1/12"),
            (CLOCK, "2026-01-04 10:01"),
            (OFFICER, "学法 1月2日 行政处罚法", "台账号", "! 已计数"),
            (OFFICER, "撤回", "“学法计数”没有办成", "没有写入", "计数：会前学法", "#{study}", "确认", "! 已撤回"),
            (OFFICER, "取消", "已取消"),
            (OFFICER, "学法进度", "1/12"),
            (OFFICER, "undo", "nothing was recorded", "#{study}", "confirm"),
            (OFFICER, "confirm", "Undone", "0/12"),
            (CLOCK, "2026-01-04 10:02"),
            (OFFICER, "学法 1月2日 行政处罚法", "1/12"),
            (CLOCK, "2026-01-04 10:03"),
            (OFFICER, "完成 #{water}", "不能代办"),
            (OFFICER, "撤回", "没有办成"),
            (OFFICER, "#{study}", "已撤回", "0/12"),
        )
    )


async def test_a_delegation_taken_back_shields_the_act_before_it(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "签收 #{report}", "已签收"),
            (CLOCK, "2026-01-04 10:01"),
            (OFFICER, "委托 昌吉市城管局负责人 1月5日至1月6日", "已委托"),
            (CLOCK, "2026-01-04 10:02"),
            (OFFICER, "委托 取消", "台账号"),
            (OFFICER, "撤回", "上一次操作是“取消委托”", "! 已撤回"),
        )
    )


async def test_a_shortened_title_is_every_duty_it_may_mean(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "完成 年度报告 昌市城管〔2026〕3号", "行政执法年度分析报告", "法治政府建设年度报告", "! 已报结"),
            (CLOCK, "2026-02-05 10:00"),
            (SUPERVISOR, "逾期 年度报告", "行政执法年度分析报告", "! 没有逾期"),
            (SUPERVISOR, "单位 城管局", "最急的", "1. 当月执法案件公示（2026年1月）", "已逾期"),
        )
    )


async def test_a_day_to_come_is_refused_before_it_is_shown(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, "立案 意见书 城管局 明天", "晚于今天", "! 请核对"),
            (SUPERVISOR, "1月4日", "请核对", "2026年1月4日"),
        )
    )


async def test_what_many_units_are_late_with_fits_a_phone(talk: Talk) -> None:
    await talk.go_to("2026-02-02 10:00")
    text = next(sent.text for sent in talk.told(SUPERVISOR) if "【逾期】29 项" in sent.text)
    assert text.count("\n") < 29
    assert "另有 9 个单位" in text
