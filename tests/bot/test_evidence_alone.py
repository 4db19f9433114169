"""What people show without saying 完成: nothing is recorded before they agree; what has no words is told so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.wording.grammar import evidence_alone, is_wordless
from bot.wording.plain import Plain, plainly_asked
from tests.bot.talk import OFFICER, SUPERVISOR, Row, Talk, copied, prepare, talking

NUMBER = "昌市城管〔2026〕3号"
LINK = "https://www.cjs.gov.cn/p/1.html"


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("evidence"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"年度报告已报，文号{NUMBER}", f"年度报告 ,文号{NUMBER}"),
        (f"已报送，{NUMBER}", NUMBER),
        (f"报告交了 {NUMBER}", f"报告 {NUMBER}"),
        (LINK, LINK),
        (f"{NUMBER}怎么填？", None),
        ("年度报告已报", None),
        ("谢谢", None),
    ],
)
def test_evidence_is_known_without_a_command(text: str, wanted: str | None) -> None:
    found = evidence_alone(text)
    assert (found or "").replace("，", ",").replace(" ", "") == (wanted or "").replace(" ", "")
    assert (found is None) is (wanted is None)


async def test_evidence_alone_is_asked_about_and_recorded_when_agreed(talk: Talk) -> None:
    rows: tuple[Row, ...] = (
        (
            OFFICER,
            f"年度分析报告已报，文号{NUMBER} {LINK}",
            "要报结“行政执法年度分析报告”",
            "#{report}",
            NUMBER,
            "! 已报结",
        ),
        (OFFICER, "你好", "请回复“是”", "! 已报结"),
        (OFFICER, "是", "已报结", "#{report}", "台账号"),
        (OFFICER, "详情 #{report}", NUMBER, LINK),
    )
    await talk.hold(rows)


async def test_what_is_not_clear_is_a_choice(talk: Talk) -> None:
    rows: tuple[Row, ...] = (
        (OFFICER, f"年度报告已报，文号{NUMBER}", "尚未记录", "1. ", "2. ", "! 已报结"),
        (OFFICER, "谢谢", "刚才问的还没有定：要报结的是哪一项", "请回复 1 至"),
        (OFFICER, "取消", "取消"),
        (OFFICER, f"已报送，{NUMBER}", "尚未记录", "1. ", "! 已报结"),
        (OFFICER, "取消", "取消"),
        (OFFICER, f"#{{report}} {NUMBER}", "要报结“行政执法年度分析报告”", "! 已报结"),
        (OFFICER, "1", "已记下", "#{report}", "还缺：向社会公开（链接）"),
    )
    await talk.hold(rows)


async def test_a_link_alone_is_evidence_too_and_no_is_no(talk: Talk) -> None:
    rows: tuple[Row, ...] = (
        (OFFICER, LINK, "尚未记录", "当月执法案件公示", "! 已报结"),
        (OFFICER, "取消", "取消"),
        (OFFICER, f"案件公示 {LINK}", "要报结“当月执法案件公示”", "! 已报结"),
        (OFFICER, "不是", "取消"),
        (OFFICER, "是", "! 已报结"),
        (OFFICER, f"1 {LINK}", "要报结", "! 已报结"),
        (OFFICER, "取消", "取消"),
        (OFFICER, f"#{{water}} {NUMBER}", "昌吉市水利局", "! 已报结", "! 要报结"),
        (SUPERVISOR, f"已报送，{NUMBER}", "没有听懂"),
        (OFFICER, f"sent {LINK}", "nothing is recorded yet"),
    )
    await talk.hold(rows)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("完成了吗", Plain(("mine", "progress"))),
        ("都完成了没有", Plain(("mine", "progress"))),
        ("完成了？", Plain(("mine", "progress"))),
        ("签收了吗", Plain(("mine", "unacknowledged"))),
        ("年度学法计划完成了吗", Plain(("detail", "duty"), "年度学法计划")),
    ],
)
def test_whether_it_is_done_is_a_question(text: str, wanted: Plain) -> None:
    assert plainly_asked(text) == wanted


async def test_a_question_whether_it_is_done_does_nothing(talk: Talk) -> None:
    rows: tuple[Row, ...] = (
        (OFFICER, "完成了吗", "待办", "! 请回复文号", "! 已报结"),
        (OFFICER, "签收了吗", "待办", "! 已签收"),
        (SUPERVISOR, "签收了吗", "未签收"),
        (OFFICER, "年度学法计划完成了吗", "年度学法计划", "! 已报结"),
        (OFFICER, "签收了 #{report}", "已签收"),
    )
    await talk.hold(rows)


@pytest.mark.parametrize(
    "text",
    ["", "[图片]", "【语音】", "[文件:报告.pdf]", "[微笑][微笑]", "\U0001f44d", "\u2764\ufe0f \U0001f44d\U0001f3fd"],
)
def test_what_has_no_words_is_known(text: str) -> None:
    assert is_wordless(text)


@pytest.mark.parametrize("text", ["?", "1", "好", "[2026]", "文件", "[图片] 昌字〔2026〕3号", "。"])
def test_what_has_words_is_not_taken_for_a_picture(text: str) -> None:
    assert not is_wordless(text)


async def test_a_picture_is_told_that_it_cannot_be_read_and_the_question_stays(talk: Talk) -> None:
    rows: tuple[Row, ...] = (
        (OFFICER, "[图片]", "图片、语音、文件和表情读不了", "文号或链接"),
        (OFFICER, "", "读不了"),
        (OFFICER, "完成 #{report}", "文号"),
        (OFFICER, "\U0001f44d", "读不了", "! 已报结"),
        (OFFICER, f"{NUMBER} {LINK}", "已报结", "#{report}"),
        ("nobody", "[图片]", "! 读不了"),
    )
    await talk.hold(rows)
