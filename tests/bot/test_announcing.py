"""What supervisors tell holders: announcements, confirmed before they go out, and points with their ground."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from docx import Document

from adapters.webchat import WebchatAdapter
from bot.doorway import Doorway
from bot.web.door import NoSuchTableError
from bot.wording.orders import Scored, read_points, read_reversal
from duties.store.database import execute, fetch
from tests.bot.talk import (
    ADMIN,
    CLOCK,
    HEAD,
    OFFICER,
    PREFECTURE,
    SUPERVISOR,
    WATER,
    Row,
    Talk,
    begun,
    copied,
    prepare,
    talking,
)

WORDS = "请于周五前报送电子版"


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("announcing"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


def announced(talk: Talk) -> list[str]:
    """Who was told an announcement, in order."""
    return [sent.address for sent in talk.adapter.sent if sent.text.startswith("【通知】")]


async def recorded(action: str) -> list[dict[str, object]]:
    rows = await fetch("SELECT payload FROM entry WHERE action = :action ORDER BY id", action=action)
    return [json.loads(row["payload"]) for row in rows]


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "shown first, sent when confirmed": (
        (SUPERVISOR, f"通知 年度分析报告 {WORDS}", "将通知在办“行政执法年度分析报告”的 12 个单位、24 人",
         f"【通知】关于“行政执法年度分析报告”：{WORDS}", "——昌吉市司法局执法监督员", "回复“确认”"),
        (SUPERVISOR, "好的", "尚未发出"),
        (SUPERVISOR, "确认", "已通知在办“行政执法年度分析报告”的 12 个单位、24 人", "台账号"),
        (SUPERVISOR, "确认", "! 已通知"),
    ),
    "of several duties one is chosen": (
        (SUPERVISOR, f"通知 年度报告 {WORDS}", "通知哪一项", "1. 行政执法年度分析报告",
         "3. 法治政府建设年度报告（部门）"),
        (SUPERVISOR, "9", "请回复 1 至"),
        (SUPERVISOR, "部门那项", "请回复 1 至"),
        (SUPERVISOR, "3", "将通知在办“法治政府建设年度报告（部门）”", WORDS),
        (SUPERVISOR, "取消", "已取消"),
        (SUPERVISOR, "确认", "! 已通知"),
    ),
    "the words are asked for": (
        (SUPERVISOR, "通知", "请写明事项和内容"),
        (SUPERVISOR, "通知 年度分析报告", "请回复要通知在办“行政执法年度分析报告”"),
        (SUPERVISOR, "好的", "请回复要通知"),
        (SUPERVISOR, "字" * 501, "内容有 501 字，最多 500 字"),
        (SUPERVISOR, WORDS, "将通知在办“行政执法年度分析报告”", WORDS),
        (SUPERVISOR, "是", "已通知"),
    ),
    "chosen first, worded then": (
        (SUPERVISOR, "通知 年度报告", "通知哪一项"),
        (SUPERVISOR, "1", "请回复要通知在办“行政执法年度分析报告”"),
        (SUPERVISOR, WORDS, "将通知", WORDS),
        (SUPERVISOR, "通知 年度分析报告 改为下周一前", "将通知", "改为下周一前", f"! {WORDS}"),
        (SUPERVISOR, "确认", "已通知"),
    ),
    "in English, told in Chinese as every notice": (
        (SUPERVISOR, "announce annual analysis report please send it", "24 people in the 12 units", "please send it"),
        (SUPERVISOR, "ok", "Not sent yet"),
        (SUPERVISOR, "confirm", "Sent to 24 people"),
        (SUPERVISOR, "announce", "Name the duty"),
        (SUPERVISOR, "announce zzzz qqqq", "No duty fits"),
    ),
    "what nobody owes, or nobody knows, is not sent": (
        (SUPERVISOR, "通知 许可处罚决定公示 请报", "目前没有单位在办："),
        (SUPERVISOR, "通知 无此事项 请报", "没有找到“无此事项 请报”"),
    ),
    "announcing is for supervisors": (
        (OFFICER, f"通知 年度分析报告 {WORDS}", "您的岗位不能通知", "昌吉市司法局执法监督员", "台账号"),
        (HEAD, f"announce annual analysis report {WORDS}", "post"),
        (ADMIN, f"通知 年度分析报告 {WORDS}", "您的岗位不能通知"),
    ),
    "points with their ground": (
        (SUPERVISOR, "扣分 水利局 0.5 会前学法不足12次",
         "已记分：昌吉市水利局 −0.5 分，理由：会前学法不足12次（第 1 号）",
         "2026 年累计 −0.5 分", "台账号"),
        (SUPERVISOR, "加分 水利局 1.25分 #{water} 报告优秀", "+1.25 分，理由：报告优秀，涉及 #{water}（第 2 号）",
         "累计 +0.75 分"),
        (SUPERVISOR, "扣分 水利局 1，#{water} 材料不全", "−1 分，理由：材料不全，涉及 #{water}", "累计 −0.25 分"),
        (SUPERVISOR, "积分 水利局", "2026 年累计 −0.25 分，3 条",
         "第 1 号 2026年1月4日（周日） −0.5 分：会前学法不足12次"),
        (WATER, "积分", "昌吉市水利局 2026 年累计 −0.25 分"),
        (SUPERVISOR, "加分 城市管理局 0.25 案卷优秀", "+0.25 分"),
        (SUPERVISOR, "积分", "2026 年记分 4 条，2 个单位", "昌吉市水利局 −0.25 分（3 条）",
         "昌吉市城市管理局 +0.25 分（1 条）"),
        (SUPERVISOR, "points", "4 records of points in 2026, 2 units"),
        (CLOCK, "2027-01-04 11:00"),
        (SUPERVISOR, "积分", "2027 年还没有记分"),
    ),
    "a record is reversed by another": (
        (SUPERVISOR, "扣分 水利局 2 记错", "第 1 号"),
        (SUPERVISOR, "扣分 撤销 1", "撤销第 1 号记录的理由"),
        (SUPERVISOR, "什么？", "撤销第 1 号记录的理由"),
        (SUPERVISOR, "单位写错", "已撤销第 1 号：昌吉市水利局 +2 分，理由：单位写错（第 2 号）", "累计 0 分"),
        (SUPERVISOR, "扣分 撤销 1 再来", "第 1 号已由第 2 号撤销", "台账"),
        (SUPERVISOR, "加分 撤销 2 再来", "第 2 号本身是撤销"),
        (SUPERVISOR, "deduct reverse 99 wrong", "no record of points 99"),
        (SUPERVISOR, "积分 水利局", "（已由第 2 号撤销）", "（撤销第 1 号）"),
        (WATER, "扣分 撤销 1 x", "您的岗位不能扣分"),
        (PREFECTURE, "加分 水利局 1 成效显著", "第 3 号"),
        (PREFECTURE, "加分 撤销 3 记错", "已撤销第 3 号：昌吉市水利局 −1 分"),
    ),
    "what is missing is asked for": (
        (SUPERVISOR, "扣分", "请写明单位、分值和理由，例如：扣分"),
        (SUPERVISOR, "加分 水利局", "请写明单位、分值和理由，例如：加分"),
        (SUPERVISOR, "扣分 水利局 .5 x", "请写明单位"),
        (SUPERVISOR, "扣分 水利局 0.5", "请回复昌吉市水利局 −0.5 分的理由"),
        (SUPERVISOR, "好的", "请回复昌吉市水利局 −0.5 分的理由"),
        (SUPERVISOR, "学法不足 #{water}", "理由：学法不足，涉及 #{water}（第 1 号）"),
        (SUPERVISOR, "扣分 查无此局 1 x", "查无此局"),
        (SUPERVISOR, "扣分 昌吉市 1 x", "“昌吉市”可以指", "请写全称"),
    ),
    "amounts are written plainly": (
        (SUPERVISOR, "扣分 水利局 -1 x", "不要带正负号"),
        (SUPERVISOR, "扣分 水利局 1000 x", "分值 1000 不能记", "台账号"),
        (SUPERVISOR, "扣分 水利局 0 x", "分值 0 不能记"),
        (SUPERVISOR, "credit 水利局 0.125 x", "0.125 cannot be recorded"),
        (SUPERVISOR, "积分", "2026 年还没有记分"),
        (SUPERVISOR, "积分 水利局", "昌吉市水利局 2026 年还没有记分"),
    ),
    "points stay inside the subtree and off one's own unit": (
        (SUPERVISOR, "扣分 昌吉市司法局 1 x", "昌吉市司法局是您自己的单位"),
        (SUPERVISOR, "扣分 木垒县司法局 1 x", "不在您的监督范围内"),
        (OFFICER, "加分 城市管理局 1 x", "您的岗位不能加分"),
        (OFFICER, "积分 水利局", "不在您的查看范围内"),
        (SUPERVISOR, "积分 查无此局", "查无此局"),
        (SUPERVISOR, "积分 昌吉市", "可以指"),
    ),
    "an obligation named must be the unit's, and bind": (
        (SUPERVISOR, "扣分 水利局 1 #{report} x", "#{report} 是昌吉市城市管理局的任务，不是昌吉市水利局的"),
        (SUPERVISOR, "扣分 城市管理局 1 #{cases} x", "当月执法案件公示", "尚待主管机关确认", "不能据此记分", "台账号"),
        (SUPERVISOR, "扣分 城市管理局 1 #999999 x", "999999"),
        (SUPERVISOR, "deduct 城市管理局 1 #{cases} x", "still to be confirmed"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name])


async def test_heads_and_officers_who_owe_it_are_told_once_and_nobody_else(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, f"通知 年度分析报告 {WORDS}", "将通知")])
    assert announced(talk) == []
    await talk.hold([(SUPERVISOR, "确认", "已通知")])
    told = announced(talk)
    assert len(told) == len(set(told)) == 24
    assert {HEAD, OFFICER, WATER} <= set(told)
    assert not {SUPERVISOR, "ml-justice-officer", "cjz-justice-officer"} & set(told)
    (entry,) = await recorded("announce")
    assert (entry["text"], entry["units"], entry["people"]) == (WORDS, 12, 24)


async def test_who_has_finished_meanwhile_is_not_told(talk: Talk) -> None:
    await talk.hold(
        [
            (SUPERVISOR, f"通知 年度分析报告 {WORDS}", "12 个单位、24 人"),
            (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 https://cj.gov.cn/a", "已报结"),
            (SUPERVISOR, "确认", "11 个单位、22 人"),
        ]
    )
    assert not {HEAD, OFFICER} & set(announced(talk))


async def test_a_confirmation_delivered_twice_sends_once(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, f"通知 年度分析报告 {WORDS}", "将通知")])
    for _ in range(2):
        await talk.says(SUPERVISOR, "确认", message="twice")
    assert len(announced(talk)) == 24


async def test_a_confirmation_that_comes_too_late_sends_nothing(talk: Talk) -> None:
    await talk.hold(
        [
            (SUPERVISOR, f"通知 年度分析报告 {WORDS}", "将通知"),
            (CLOCK, "2026-01-04 10:31"),
            (SUPERVISOR, "确认", "! 已通知"),
        ]
    )
    assert announced(talk) == []


async def test_words_that_would_ring_everybodys_phone_are_made_harmless(talk: Talk) -> None:
    await talk.hold(
        [(SUPERVISOR, "通知 年度分析报告 @所有人 <!channel> 请报送", "[@]所有人"), (SUPERVISOR, "确认", "已通知")]
    )
    (text,) = {sent.text for sent in talk.adapter.sent if sent.text.startswith("【通知】")}
    assert "[@]所有人" in text
    assert "@所有人" not in text.replace("[@]", "")
    assert "<!channel>" not in text


async def test_a_reply_to_an_announcement_means_the_obligation(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, f"通知 年度分析报告 {WORDS}", "将通知"), (SUPERVISOR, "确认", "已通知")])
    news = [sent for sent in talk.told(OFFICER) if sent.text.startswith("【通知】")][-1]
    assert "行政执法年度分析报告" in await talk.says(OFFICER, "签收", reply_to=news.key)


async def test_who_cannot_be_reached_is_counted(talk: Talk) -> None:
    await execute("DELETE FROM identity WHERE address = :address", address=OFFICER)
    await talk.hold([(SUPERVISOR, f"通知 年度分析报告 {WORDS}", "12 个单位、23 人（另有 1 人未绑定")])
    await execute("DELETE FROM identity WHERE address <> :address", address=SUPERVISOR)
    await talk.hold([(SUPERVISOR, f"通知 年度分析报告 {WORDS}", "没有人能收到消息", "未发出")])


async def test_the_unit_hears_of_its_points(talk: Talk) -> None:
    await talk.hold(
        [(SUPERVISOR, "扣分 水利局 0.5 学法不足 #{water}", "已记分"), (SUPERVISOR, "扣分 撤销 1 记错了", "已撤销")]
    )
    first, second = [sent.text for sent in talk.told(WATER) if sent.text.startswith("【记分】")]
    assert "给昌吉市水利局记 −0.5 分，理由：学法不足" in first
    assert "撤销了昌吉市水利局的第 1 号记录，改记 +0.5 分" in second
    assert not [sent for sent in talk.told(OFFICER) if sent.text.startswith("【记分】")]
    taken, reversed_ = *await recorded("deduct"), *await recorded("reverse-points")
    assert (taken["amount"], taken["obligation"]) == ("-0.5", talk.numbers["water"])
    assert (reversed_["amount"], reversed_["reverses"]) == ("0.5", 1)


async def test_some_dialogues_hold_on_both_databases(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.hold(DIALOGUES["shown first, sent when confirmed"])
        assert len(announced(talk)) == 24
        await talk.hold(DIALOGUES["a record is reversed by another"])
        await talk.hold(BULLETINS["of the month before, unless another is named"])


@pytest.mark.parametrize(
    ("words", "unit", "amount", "ground", "obligation"),
    [
        ("水利局 0.5 会前学法不足12次", "水利局", "0.5", "会前学法不足12次", None),
        ("水利局0.5分，会前学法不足", "水利局", "0.5", "会前学法不足", None),
        ("水利局 2 #17 材料 3 份不全", "水利局", "2", "材料 3 份不全", 17),
        ("水利局 2 材料不全 编号17", "水利局", "2", "材料不全", 17),
        ("水利局 学法12次不足", "水利局 学法12次不足", None, "", None),
        ("水利局 1.2.3 x", "水利局 1.2.3 x", None, "", None),
        ("water 1 point late", "water", "1", "late", None),
    ],
)
def test_points_are_read(words: str, unit: str, amount: str | None, ground: str, obligation: int | None) -> None:
    assert read_points(words) == Scored(unit, Decimal(amount) if amount else None, ground, obligation)


@pytest.mark.parametrize(
    ("words", "read"),
    [("撤销 3 记错了", (3, "记错了")), ("撤销第3号，记错", (3, "记错")), ("reverse 3 wrong", (3, "wrong")),
     ("撤销 3", (3, "")), ("撤销 记错", None), ("水利局 3 撤销 2", None)],
)  # fmt: skip
def test_a_reversal_is_read(words: str, read: tuple[int, str] | None) -> None:
    assert read_reversal(words) == read


# Bulletins

BULLETINS: dict[str, tuple[Row, ...]] = {
    "of the month before, unless another is named": (
        (OFFICER, "通报草稿", "您的岗位不能拟通报草稿", "台账号"),
        (SUPERVISOR, "通报草稿 去年", "没有看懂“去年”是哪个月"),
        (SUPERVISOR, "通报草稿 13月", "没有看懂"),
        (SUPERVISOR, "通报草稿 上月", "没有可通报的事项", "! 待确认的 0 项"),
        (SUPERVISOR, "通报草稿 2026年2月", "还没有已过去的日子"),
        (CLOCK, "2026-02-02 10:00"),
        (SUPERVISOR, "通报草稿", "2026年1月1日（周四）至2026年1月31日（周六），12 个单位",
         "期末逾期 12 项，逾期办结 0 项，按时办结 0 项",
         "依据待确认的 17 项没有列入"),
        (SUPERVISOR, "通报草稿 本月", "2026年2月1日（周日）至2026年2月1日（周日）", "期末逾期 12 项"),
        (SUPERVISOR, "bulletin 2026-01", "Bulletin drafted", "12 overdue at the end"),
    ),
    "done by its end, done late, done after it": (
        (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 https://cj.gov.cn/a", "已报结"),
        (CLOCK, "2026-02-02 10:00"),
        (WATER, "完成 #{water} 昌市水〔2026〕3号 https://cj.gov.cn/b", "已报结"),
        (SUPERVISOR, "通报草稿 1月", "12 个单位；期末逾期 11 项，逾期办结 0 项，按时办结 1 项"),
        (CLOCK, "2026-03-02 10:00"),
        (SUPERVISOR, "通报草稿 上月", "逾期办结 1 项，按时办结 0 项"),
        (SUPERVISOR, "免办 #{report} 测试", "现为“已报结”"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BULLETINS)
async def test_bulletin(talk: Talk, name: str) -> None:
    await talk.hold(BULLETINS[name])


async def test_the_file_of_a_bulletin_names_every_unit_and_what_it_owes(talk: Talk) -> None:
    await talk.hold(
        [(OFFICER, "完成 #{report} 昌市城管〔2026〕3号 https://cj.gov.cn/a", "已报结"), (CLOCK, "2026-02-02 10:00")]
    )
    await talk.hold([(SUPERVISOR, "通报草稿 1月", "已拟通报草稿")])
    link = await talk.says(SUPERVISOR, "导出")
    ticket = link.partition("/export/")[2].split()[0].rstrip("，。")
    doorway = Doorway(talk.bot, WebchatAdapter("webchat", lambda: talk.now))
    made = await doorway.table(ticket, "")
    file = Document(BytesIO(made.content))
    cells = [cell.text for table in file.tables for row in table.rows for cell in row.cells]
    text = "\n".join([*(paragraph.text for paragraph in file.paragraphs), *cells])
    assert made.name == "通报 2026-01.docx"
    for part in ("昌吉市水利局", "行政执法年度分析报告 2025年度", "期末逾期", "按时办结", "涉及 12 个单位"):
        assert part in text
    assert "当月执法案件公示" not in text
    await execute(
        "UPDATE post SET role = 'officer' WHERE person_id = (SELECT id FROM person WHERE code = :code)", code=SUPERVISOR
    )
    with pytest.raises(NoSuchTableError):
        await doorway.table(ticket, "")
