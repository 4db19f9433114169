"""Hours of training by officer, in the chat: recorded, reversed, who is behind, and what is refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.wording import headings
from bot.wording.orders import read_hours, read_meeting, read_names, read_taken_back
from duties import officers, training
from duties.ledger import StreamRef
from duties.obligations import Moment
from duties.store import officer_lists, verifying
from duties.store.chains import history
from duties.store.database import fetch, transaction
from tests.bot.play import LAW
from tests.bot.talk import HEAD, OFFICER, SUPERVISOR, WATER, Row, Talk, begun, copied, prepare, talking

LIST = """\
单位,姓名,执法证号
昌吉市城市管理局,张三,C1
昌吉市城市管理局,李四,C2
昌吉市城市管理局,王伟,C3
昌吉市城市管理局,王伟,C4
昌吉市水利局,赵六,W1
"""
TWO = """\
unit,name,certificate,from
cjs-urban,张三,C1,
cjs-urban,李四,C2,2025-07-01
"""


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("morning"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as talk:
        yield talk


async def enlist(talk: Talk, text: str) -> None:
    """Import a list of officers."""
    data, today = text.encode(), talk.now.date()
    changes = officers.changes("officers.csv", data, await officer_lists.known(today), headings.LIST)
    async with transaction():
        await training.import_list(changes, "officers.csv", data, LAW.registry, Moment(talk.now, today, "cli"))


async def hours_of(talk: Talk) -> tuple[str, int]:
    """State and tally of the urban bureau's hours."""
    (row,) = await fetch("SELECT state, tally FROM obligation WHERE id = :id", id=talk.numbers["hours"])
    return row["state"], row["tally"]


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "hours are recorded for one, for several and for all": (
        (OFFICER, "学时 张三 4小时 1月3日 行政处罚法", "已记学时", "昌吉市城市管理局，张三，每人 4 学时",
         "2026年1月3日", "行政处罚法", "达标 0/4 人", "台账号"),
        (HEAD, "学时 张三、李四 2.5学时 1月4日 行政强制法", "张三、李四，每人 2.5 学时"),
        (HEAD, "学时 张三和李四 1小时 1月4日 宪法", "张三、李四，每人 1 学时"),
        (HEAD, "学时 全员 半天", "还缺：学时"),
        (HEAD, "4小时 信访条例", "全员 4 人，每人 4 学时", "信访条例"),
        (HEAD, "学时", "达标 0/4 人，全年每人 60 学时", "1. 王伟 C3 4/60 学时，差 56", "李四 7.5/60 学时，差 52.5",
         "4. 张三 11.5/60 学时，差 48.5"),
        (HEAD, "hours", "0 of 4 officers", "4/60 hours, 56 to go"),
        (HEAD, "转办 #{hours} 昌吉市城管局经办人", "已转办"),
        (OFFICER, "待办", "1. 执法人员培训学时", "进度 4/60；达标 0/4 人"),
        (HEAD, "详情 #{hours}", "进度 4/60；达标 0/4 人", "记学时"),
        (HEAD, "进度 执法人员培训学时", "达标 0/4 人，最少者 4/60 学时，至今应达 0，不落后"),
        (SUPERVISOR, "进度 执法人员培训学时", "17 个单位：已达标 0 个", "已列名单的执法人员达标 0/5 人"),
    ),
    "what is missing is asked for, in any order": (
        (OFFICER, "学时 张三", "还缺：学时、内容"),
        (OFFICER, "4小时 1月3日 行政处罚法", "张三，每人 4 学时", "2026年1月3日", "行政处罚法"),
        (OFFICER, "学时 4小时 行政复议法", "还缺：人员"),
        (OFFICER, "李四", "李四，每人 4 学时", "行政复议法", "2026年1月4日"),
        (OFFICER, "学时 李四 2小时", "还缺：内容"),
        (OFFICER, "谢谢", "还缺：内容"),
        (OFFICER, "保密法", "李四，每人 2 学时"),
        (OFFICER, "学时 李四 2小时 2月30日 x", "没有“2月30日”"),
    ),
    "a name that two officers have is asked about": (
        (OFFICER, "学时 王伟 4小时 1月3日 行政处罚法", "有 2 名执法人员叫“王伟”",
         "1. 王伟（证号 C3）", "2. 王伟（证号 C4）"),
        (OFFICER, "3", "1 至 2"),
        (OFFICER, "2", "王伟，每人 4 学时"),
        (OFFICER, "学时", "王伟 C3 0/60", "王伟 C4 4/60"),
        (OFFICER, "学时 C3 1小时 1月3日 行政处罚法", "王伟，每人 1 学时"),
        (OFFICER, "学时 冲销 王伟 1月3日", "有 2 名"),
        (OFFICER, "1", "已冲销", "每人 1 学时"),
    ),
    "a correction is another entry": (
        (OFFICER, "学时 张三、李四 4小时 1月3日 行政处罚法", "已记学时"),
        (OFFICER, "学时 张三 3小时 1月3日 宪法", "已记学时"),
        (OFFICER, "学时 冲销 李四 1月3日", "已冲销", "李四，每人 4 学时", "达标 0/4 人"),
        (OFFICER, "学时 冲销 李四 1月3日", "没有李四的这一笔"),
        (OFFICER, "学时 冲销 张三 1月3日", "共 2 条", "1. 张三", "2. 张三"),
        (OFFICER, "2", "已冲销"),
        (OFFICER, "学时 冲销 张三", "共 1 条"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "学时 冲销", "要冲销谁的学时"),
        (OFFICER, "张三 1月3日", "已冲销"),
        (OFFICER, "学时 冲销 第99号", "没有第 99 号"),
        (OFFICER, "学时 张三、李四 4小时 1月3日 行政处罚法", "已记学时"),
        (OFFICER, "学时 冲销 全员 1月3日 行政处罚法", "已冲销", "张三、李四"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "学时", "张三 4/60", "李四 4/60"),
    ),
    "undo takes the last hours back": (
        (OFFICER, "学时 全员 4小时 1月3日 行政处罚法", "已记学时"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "学时", "张三 0/60"),
        (OFFICER, "学时 全员 4小时 1月3日 行政处罚法", "已记学时"),
    ),
    "English does all of it": (
        (OFFICER, "hours 张三, 李四 4 hours 2026-01-03 Penalties Act", "Recorded", "4 hours each", "0 of 4 officers"),
        (OFFICER, "hours everyone 2h yesterday Constitution", "all 4 officers, 2 hours each"),
        (OFFICER, "hours 张三", "Missing: hours, topic"),
        (OFFICER, "cancel", "Cancelled"),
        (OFFICER, "hours 王伟 1 hour Constitution", "2 officers are called", "certificate C3"),
        (OFFICER, "1", "1 hours each"),
        (OFFICER, "hours reverse 李四 2026-01-03 Penalties Act", "Taken back", "4 hours each"),
        (OFFICER, "hours reverse 李四", "Which record"),
        (OFFICER, "1", "Taken back"),
        (OFFICER, "hours nobody1 1 hour Constitution", 'Nobody called "nobody1"'),
    ),
    "what cannot be is refused": (
        (OFFICER, "学时 赵六 4小时 1月3日 行政处罚法", "赵六是昌吉市水利局的执法人员", "未作记录"),
        (OFFICER, "学时 钱七 4小时 1月3日 行政处罚法", "没有“钱七”", "名单上有：张三、李四、王伟"),
        (OFFICER, "学时 张三、钱七 4小时 行政处罚法", "没有“钱七”"),
        (OFFICER, "学时 张三丰 4小时 行政处罚法", "没有“张三丰”"),
        (OFFICER, "学时 张三 0小时 行政处罚法", "大于 0"),
        (OFFICER, "学时 张三 -2小时 行政处罚法", "大于 0"),
        (OFFICER, "学时 张三 25小时 行政处罚法", "不超过 24 小时"),
        (OFFICER, "学时 张三 1.3小时 行政处罚法", "半小时"),
        (OFFICER, "学时 张三 4小时 1月5日 行政处罚法", "晚于今天"),
        (OFFICER, "学时 张三 4小时 2025-12-30 行政处罚法", "不在本期"),
        (OFFICER, "学时 张三 20小时 1月3日 甲", "已记学时"),
        (OFFICER, "学时 张三 5小时 1月3日 乙", "合计将超过 24 小时"),
        (OFFICER, "学时 全员 1小时 1月3日 甲", "张三在", "已经记过"),
        (SUPERVISOR, "学时 张三 4小时 行政处罚法", "负责人或经办人"),
        ("cjs-justice-head", "学时", "没有导入执法人员名单"),
        (OFFICER, "计数 学时 应训4人 达标4人", "已导入 4 名执法人员", "学时 张三 4小时"),
        (OFFICER, "完成 #{hours}", "达标 0/4 人", "学时 冲销"),
        (OFFICER, "完成 #{hours} 张三 2小时 1月3日 丙", "已记学时"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
async def test_a_dialogue(name: str, talk: Talk) -> None:
    await enlist(talk, LIST)
    await talk.hold(DIALOGUES[name])
    assert await verifying.silent_changes() == []


MEETINGS: dict[str, tuple[Row, ...]] = {
    "one study counts for one meeting": (
        (OFFICER, "学法 1月3日 行政处罚法", "1/12"),
        (OFFICER, "学法 1月3日 行政强制法", "一次会议计一次", "会议：局务会", "! 已计数"),
        (OFFICER, "学法 1月3日 会议：局务会 行政强制法", "2/12", "行政强制法"),
        (OFFICER, "学法 1月3日 会议：局务会 宪法", "“局务会”会议已计一次“行政强制法”"),
        (OFFICER, "学法 1月4日 会议：局务会 宪法", "3/12"),
        (OFFICER, "学法 会议：党组会", "日期和主题"),
        (OFFICER, "民法典", "4/12", "民法典"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "学法 会议：党组会 民法典", "4/12"),
    ),
    "in English too": (
        (OFFICER, "study 2026-01-03 Penalties Act", "1/12"),
        (OFFICER, "study 2026-01-03 Constitution", "one meeting counts once", "meeting: staff"),
        (OFFICER, "study 2026-01-03 meeting: staff Constitution", "2/12"),
        (OFFICER, 'study 2026-01-03 meeting: "staff" Constitution', 'the meeting "staff" is counted'),
    ),
    "other counts differ by topic": (
        (OFFICER, "计数 内部执法培训 1月3日 甲", "1/4"),
        (OFFICER, "计数 内部执法培训 1月3日 乙", "2/4"),
        (OFFICER, "计数 内部执法培训 1月3日 乙", "已经计过"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEETINGS)
async def test_a_meeting_counts_once(name: str, talk: Talk) -> None:
    await talk.hold(MEETINGS[name])
    assert await verifying.silent_changes() == []


async def test_the_last_hours_report_and_a_reversal_takes_the_report_back(database_url: str) -> None:
    async with begun(database_url) as talk:
        await enlist(talk, TWO)
        await talk.hold((
            (OFFICER, "学时 全员 20小时 1月2日 甲", "达标 0/2 人"),
            (OFFICER, "学时 全员 20小时 1月3日 乙", "达标 0/2 人"),
            (OFFICER, "学时 张三 20小时 1月1日 丙", "达标 1/2 人"),
            (OFFICER, "学时 李四 20小时 1月1日 丙", "达标 2/2 人", "全部达标，已报结，待监督员核验"),
            (OFFICER, "撤回", "已撤回"),
        ))  # fmt: skip
        assert await hours_of(talk) == ("pending", 40)
        await talk.hold((
            (OFFICER, "学时 李四 20小时 1月4日 丙", "全部达标"),
            (HEAD, "学时 冲销 张三 1月2日", "不再全部达标", "达标 1/2 人"),
        ))  # fmt: skip
        assert await hours_of(talk) == ("acknowledged", 40)
        await talk.hold((
            (HEAD, "撤回", "已撤回"),
            (SUPERVISOR, "退回 #{hours} 缺签到表", "已退回"),
            (HEAD, "完成 #{hours} 签到表已补", "待监督员核验"),
        ))  # fmt: skip
        assert await hours_of(talk) == ("reported", 60)
        await enlist(talk, f"{TWO}cjs-urban,新人,C9,2026-01-04\n")
        assert await hours_of(talk) == ("pending", 0)
        await talk.hold(((HEAD, "撤回", "! 已撤回"), (HEAD, "学时", "1. 新人 0/60")))
        await enlist(talk, TWO)
        assert await hours_of(talk) == ("reported", 60)
        await talk.hold(((SUPERVISOR, "销号 #{hours}", "已销号"), (HEAD, "学时 张三 1小时 丁", "现在没有可记学时")))
        await enlist(talk, f"{TWO}cjs-urban,新人,C9,2026-01-04\n")
        assert await hours_of(talk) == ("closed", 60)
        assert await verifying.silent_changes() == []
        actions = [row["action"] for row in await history(StreamRef("obligation", talk.numbers["hours"]))]
        assert [actions.count(one) for one in ("hours", "reverse-hours", "restate-hours")] == [5, 1, 3]


async def test_who_enters_in_the_year_owes_a_share_from_the_day_they_enter(talk: Talk) -> None:
    await enlist(talk, f"{TWO}cjs-urban,夏至,C7,2026-02-01\n")
    await talk.hold((
        (HEAD, "学时 张三、李四 24小时 1月2日 甲", "达标 0/2 人"),
        (HEAD, "学时 夏至 4小时 1月3日 甲", "没有“夏至”"),
    ))  # fmt: skip
    assert await hours_of(talk) == ("pending", 24)
    await talk.go_to("2026-02-02 10:00")
    assert await hours_of(talk) == ("pending", 0)
    await talk.hold((
        (HEAD, "学时 夏至 11小时 2月1日 甲", "达标 0/3 人"),
        (HEAD, "学时", "差 36", "夏至 11/55 学时，差 44"),
        (HEAD, "学时 夏至 4小时 1月3日 甲", "还不是贵单位的执法人员"),
    ))  # fmt: skip
    assert await hours_of(talk) == ("pending", 12)


async def test_what_was_attested_before_the_list_came_stands_until_it_is_sent_back(talk: Talk) -> None:
    await talk.hold(((HEAD, "完成 #{hours} 应训2人，达标2人", "已全部达标"),))
    await enlist(talk, TWO)
    assert await hours_of(talk) == ("reported", 60)
    await talk.hold((
        (HEAD, "学时", "按负责人确认"),
        (HEAD, "学时 张三 4小时 甲", "已由负责人按人数确认"),
        (SUPERVISOR, "退回 #{hours} 请按人记", "已退回"),
        (HEAD, "完成 #{hours} 应训2人，达标2人", "已导入 2 名执法人员"),
        (HEAD, "学时 张三 4小时 甲", "达标 0/2 人"),
    ))  # fmt: skip
    assert await verifying.silent_changes() == []


async def test_hours_go_with_an_officer_to_another_unit(talk: Talk) -> None:
    await enlist(talk, LIST)
    await talk.hold(((OFFICER, "学时 张三 4小时 1月2日 甲", "已记学时"),))
    moved = "\n".join(line for line in LIST.splitlines() if "C1" not in line)
    await enlist(talk, f"{moved}\n昌吉市水利局,张三,C1\n")
    await talk.hold((
        (OFFICER, "学时 张三 4小时 甲", "张三是昌吉市水利局的执法人员"),
        (WATER, "学时", "张三 4/60", "赵六 0/60"),
        (WATER, "学时 冲销 张三 1月2日", "已冲销"),
        (WATER, "学时", "张三 0/60"),
    ))  # fmt: skip
    assert await verifying.silent_changes() == []


async def test_hours_of_who_has_left_are_corrected_where_they_served(database_url: str) -> None:
    async with begun(database_url) as talk:
        await enlist(talk, LIST)
        await talk.hold(((OFFICER, "学时 张三、李四 4小时 1月2日 甲", "已记学时"),))
        stayed = "\n".join(line for line in LIST.splitlines() if "C1" not in line and "C2" not in line)
        await enlist(talk, f"{stayed}\n昌吉市水利局,张三,C1\n")
        await talk.hold((
            (OFFICER, "学时 李四 4小时 1月3日 乙", "没有“李四”"),
            (WATER, "学时 冲销 李四 1月2日", "没有“李四”"),
            (WATER, "学时 张三 2小时 今天 丙", "已记学时"),
            (WATER, "学时", "张三 6/60"),
            (OFFICER, "学时 冲销 李四 1月2日", "已冲销", "李四，每人 4 学时"),
            (OFFICER, "学时 冲销 李四 1月2日", "没有李四的这一笔"),
            (OFFICER, "学时 冲销 张三 1月4日", "没有张三的这一笔"),
            (OFFICER, "hours reverse 张三 2026-01-02", "Taken back"),
            (WATER, "学时", "张三 2/60"),
            (OFFICER, "撤回", "已撤回"),
            (WATER, "学时", "张三 6/60"),
        ))  # fmt: skip
        assert await verifying.silent_changes() == []


async def test_hours_are_corrected_where_no_officer_is_left(talk: Talk) -> None:
    await enlist(talk, LIST)
    await talk.hold(((WATER, "学时 赵六 4小时 1月2日 甲", "已记学时"),))
    await enlist(talk, "单位,姓名,执法证号,至\n昌吉市水利局,赵六,W1,2026-01-03\n")
    await talk.hold((
        (WATER, "学时", "没有导入执法人员名单"),
        (WATER, "学时 赵六 4小时 乙", "没有导入执法人员名单"),
        (WATER, "学时 冲销 赵六 1月2日", "已冲销", "赵六，每人 4 学时"),
    ))  # fmt: skip
    assert await verifying.silent_changes() == []


async def test_the_list_of_a_long_unit_fits_a_phone(talk: Talk) -> None:
    await enlist(talk, "unit,name,certificate\n" + "".join(f"cjs-urban,人员{n:02d},N{n:02d}\n" for n in range(40)))
    answer = await talk.says(HEAD, "学时")
    assert len(answer.splitlines()) == 15
    assert "另有 28 人未达标" in answer
    await talk.hold(((HEAD, "学时 全员 4小时 甲", "全员 40 人，每人 4 学时"),))


@pytest.mark.parametrize(
    ("words", "names", "hours", "topic"),
    [
        ("张三 4小时 行政处罚法", ("张三",), "4", "行政处罚法"),
        ("张三、李四4小时行政处罚法", ("张三", "李四"), "4", "行政处罚法"),
        ("张三 李四 2.5学时，行政处罚法", ("张三", "李四"), "2.5", "行政处罚法"),
        ("张三 行政处罚法 3个课时", ("张三",), "3", "行政处罚法"),
        ("4h 张三 行政处罚法", ("张三",), "4", "行政处罚法"),
        ("张三 4 行政处罚法", ("张三",), "4", "行政处罚法"),
        ("张三 行政处罚法", ("张三",), None, "行政处罚法"),
        ("4小时 行政处罚法", (), "4", "行政处罚法"),
    ],
)
def test_hours_are_read_as_people_write_them(words: str, names: tuple[str, ...], hours: str | None, topic: str) -> None:
    found = read_hours(words, {"张三", "李四", "张三丰"})
    assert (found.whom.names, found.hours and str(found.hours), found.topic) == (names, hours, topic)
    assert not found.whom.unknown


def test_a_name_is_a_whole_word() -> None:
    assert read_names("张三丰", {"张三"}).unknown == "张三丰"
    assert read_names("张三丰", {"张三", "张三丰"}).names == ("张三丰",)
    assert read_names("all", {"张三"}).everybody
    assert read_taken_back("张三 冲销") is None
    assert read_meeting("会议：局务会 宪法") == ("局务会", "宪法")
