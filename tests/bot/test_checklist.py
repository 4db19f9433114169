"""自查: the standing obligations item by item, by dialogue; what is missing stays in sight until and after 完成."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.memory import MemoryAdapter
from bot import exports
from bot.app import Bot
from bot.conversation.ask import Surroundings
from bot.store.asked import Asked
from bot.store.oversight import NOTHING
from bot.wording.checking import Clause, Figures, UnreadError, read_answers, read_figures
from duties.ledger import StreamRef
from duties.store import reading
from duties.store.chains import history
from duties.store.database import execute, fetch, opened
from duties.store.verifying import silent_changes
from tests.bot.play import LAW, ZONE, at
from tests.bot.talk import CLOCK, HEAD, OFFICER, PREFECTURE, SUPERVISOR, WATER, Row, Talk, begun

JUNE = "2026-06-22 10:00"
ITEMS = 72
"""What binds 昌吉市城市管理局, an enforcing department of the city: 5, 8, 16, 18, 32, 53 to 57 come first."""


async def learn(talk: Talk) -> None:
    (row,) = await fetch(
        "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
        " WHERE u.code = 'cjs-urban' AND t.duty = 'standing-check' AND t.label = '2026-H1'"
    )
    talk.numbers["check"] = row["id"]


@asynccontextmanager
async def a_talk(url: str) -> AsyncIterator[Talk]:
    async with begun(url, JUNE) as talk:
        await learn(talk)
        yield talk
        assert await silent_changes() == []


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checklist")

    async def prepare() -> None:
        async with a_talk(f"sqlite://{folder}/june.db") as talk:
            await talk.bot.delivery.close()

    asyncio.run(prepare())
    return folder / "june.db"


@pytest.fixture
async def talk(database_url: str) -> AsyncIterator[Talk]:
    async with a_talk(database_url) as talk:
        yield talk


async def answers(talk: Talk) -> dict[int, tuple[str, str]]:
    rows = await fetch(
        "SELECT provision, answer, note FROM check_item WHERE obligation_id = :id", id=talk.numbers["check"]
    )
    return {row["provision"]: (row["answer"], row["note"]) for row in rows}


async def acts(talk: Talk) -> list[str]:
    return [line["action"] for line in await history(StreamRef("obligation", talk.numbers["check"]))]


EVERYTHING: tuple[Row, ...] = (
    (OFFICER, "自查", "#{check}：已答 0/72，缺 0。", "5. 执法全流程数据归集并达标　《自治区执法监督条例》第六条第三款",
     "57. ", "! 59. ", "其余是"),
    (OFFICER, "5 缺：未接入平台，其余是", "已记 10 条，其中缺 1 条。台账号", "已答 10/72，缺 1", "59. ", "! 57. "),
    (OFFICER, "59、60 是", "已记 2 条", "已答 12/72"),
    (OFFICER, "61-75 是", "已记 3 条", "已答 15/72"),
    (OFFICER, "完成 #{check}", "共 72 条，还有 57 条未答，不能报结", "自查 #{check}", "台账号"),
    (OFFICER, "自查", "已答 15/72，缺 1", "80. "),
    (OFFICER, "全部是", "已记 10 条", "还有 47 条未看过的要一并确认吗？"),
    (OFFICER, "好的", "没看懂“好的”", "已答 25/72"),
    (OFFICER, "全部是", "已记 10 条", "还有 37 条未看过的要一并确认吗？"),
    (OFFICER, "是", "已记 37 条", "已答 72/72，缺 1。", "缺 5. 执法全流程数据归集并达标：未接入平台",
     "请回复“完成 #{check}”报结"),
    (OFFICER, "自查 8 缺：没有专职监督人员", "已记 1 条，其中缺 1 条", "已答 72/72，缺 2。"),
    (OFFICER, "撤回", "已撤回"),
    (OFFICER, "自查", "已答 72/72，缺 1。"),
    (OFFICER, "完成 #{check}", "已报结", "! 缺少"),
    (OFFICER, "自查 8 缺：没有", "现为“已报结”"),
    (SUPERVISOR, "待核", "逐条自查 72 条：确认 71 条，缺 1 条", "缺 5. 执法全流程数据归集并达标：未接入平台"),
    (SUPERVISOR, "自查 #{check} 缺", "已答 72/72，缺 1。", "缺 5. ", "未接入平台", "导出"),
    (SUPERVISOR, "自查", "已答 72/72"),
    (SUPERVISOR, "退回 #{check} 未接入平台请整改", "已退回"),
    (OFFICER, "自查 5 是：已接入", "已记 1 条，其中缺 0 条", "已答 72/72，缺 0。"),
    (OFFICER, "完成 #{check} 见整改报告", "已报结"),
    (SUPERVISOR, "待核", "确认 72 条，缺 0 条；见整改报告"),
    (SUPERVISOR, "销号 #{check}", "已销号"),
    (OFFICER, "详情 #{check}", "☑ 确认 5. ", "第 1/8 页", "自查：5 是：已接入"),
)  # fmt: skip


async def test_the_whole_round_from_the_first_page_to_the_last_word(talk: Talk) -> None:
    await talk.hold(EVERYTHING)
    assert len(await answers(talk)) == ITEMS


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "what is not understood records nothing of the message": (
        (OFFICER, "自查", "已答 0/72"),
        (OFFICER, "5 是，8 是兼职", "没看懂“5 是，8 是兼职”", "已答 0/72"),
        (OFFICER, "10-5 是", "没看懂", "已答 0/72"),
        (OFFICER, "是", "没看懂“是”"),
        (OFFICER, "9 是", "第 9 条不在 #{check} 的自查清单上"),
        (OFFICER, "1-4 是", "第 1 条不在"),
        (OFFICER, "5 缺", "第 5 条请说明缺什么"),
        (OFFICER, "5 没有", "第 5 条请说明缺什么"),
        (OFFICER, "自查 5、6 是", "第 6 条不在"),
        (OFFICER, "5 没有接入平台", "已记 1 条，其中缺 1 条", "已答 1/72，缺 1"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "8 是", "! 已记"),
    ),
    "the rest is that of a page that was shown": (
        (OFFICER, "自查 其余是", "“其余”只指刚看过的一页", "5. ", "已答 0/72"),
        (OFFICER, "其余是", "已记 10 条"),
        (OFFICER, "待办", "待办"),
        (OFFICER, "自查 其余是", "已记 10 条", "已答 20/72"),
        (HEAD, "自查 其余是", "“其余”只指刚看过的一页"),
    ),
    "a page that somebody else answered meanwhile is not answered twice": (
        (OFFICER, "自查", "5. "),
        (HEAD, "自查", "5. "),
        (HEAD, "5 缺：未接入，其余是", "已记 10 条"),
        (OFFICER, "其余是", "没有未答的条目，未作记录", "已答 10/72，缺 1"),
    ),
    "more than a page at once is asked back": (
        (OFFICER, "自查 1-300 是", "还有 72 条未看过的要一并确认吗"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "自查", "已答 0/72"),
        (OFFICER, "1-300 是", "已记 10 条", "还有 62 条未看过"),
        (OFFICER, "自查 5 缺：未接入", "已记 1 条"),
        (OFFICER, "自查 1-300 是", "还有 52 条"),
        (OFFICER, "是的", "已记 52 条", "已答 72/72，缺 1。"),
    ),
    "the numbers of officers and reviewers decide": (
        (OFFICER, "自查 178 执法人员100人，审核人员5人", "应有审核人员 5 人，实有 5 人：达到", "缺 0"),
        (OFFICER, "自查 178 执法人员101人，审核人员5人", "应有审核人员 6 人，实有 5 人：未达到", "其中缺 1 条"),
        (OFFICER, "自查 234、235 执法人员10，审核人员1", "应有审核人员 2 人，实有 1 人：未达到", "其中缺 2 条"),
        (OFFICER, "自查 178 是：执法人员100人，审核人员4人", "未达到", "与“是”不符", "“178 缺：说明”"),
        (OFFICER, "自查 178 缺：执法人员100人，审核人员9人，均为兼职", "达到", "其中缺 1 条"),
        (OFFICER, "自查 178 执法人员100人", "请把两个人数写全"),
        (OFFICER, "自查 5 执法人员100人，审核人员5人", "第 5 条不报人数"),
        (OFFICER, "自查 178 是", "已记 1 条，其中缺 0 条"),
        (OFFICER, "自查 #{check} 缺", "缺 234. ", "执法人员10，审核人员1"),
    ),
    "only the unit answers, those over it look": (
        (SUPERVISOR, "自查 #{check}", "已答 0/72", "5. ", "! 请按编号回复"),
        (SUPERVISOR, "自查 #{check} 5 是", "您不能代办", "台账号"),
        (WATER, "自查 #{check}", "昌吉市城市管理局"),
        (WATER, "自查 #{check} 5 是", "! 已记 1"),
        (PREFECTURE, "自查 #{check} 缺", "缺 0"),
        (SUPERVISOR, "自查", "您没有待办的常态化义务自查"),
    ),
    "named in other ways": (
        (OFFICER, "> checklist:{check}", "已答 0/72"),
        (OFFICER, "自查 #{report}", "不是逐条自查的事项"),
        (OFFICER, "自查 #99999", "没有"),
        (OFFICER, "自查 #{check} 5、8 是", "已记 2 条"),
        (OFFICER, "详情 #{check} 2", "第 2/8 页"),
        (OFFICER, "详情 #{check} 1", "☑ 确认 5. ", "□ 未答 16. ", "自查：5、8 是"),
    ),
    "in English": (
        (OFFICER, "checklist", "0/72 answered", "5. ", '"5 yes"'),
        (OFFICER, "5 missing: not connected; rest yes", "Recorded 10, of which 1 missing"),
        (OFFICER, "checklist 178 officers 100, reviewers 3", "need 5 reviewers", "not met"),
        (OFFICER, "all yes", "Recorded 10", "Confirm 51 items you have not been shown?"),
        (OFFICER, "yes", "72/72 answered, 2 missing"),
        (OFFICER, "checklist missing", "Missing 5. ", "not connected"),
        (OFFICER, "done #{check}", "Reported"),
        (SUPERVISOR, "review", "72 items: 70 confirmed, 2 missing"),
    ),
    "half an hour later the page is read again, the answers stand": (
        (OFFICER, "自查", "5. "),
        (OFFICER, "5 是", "已记 1 条"),
        (CLOCK, "2026-06-22 10:31"),
        (OFFICER, "自查 8 是", "已答 2/72"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "撤回", "没有10分钟内可撤回"),
        (OFFICER, "自查", "已答 1/72"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(prepared: Path, tmp_path: Path, name: str) -> None:
    async with copied(prepared, tmp_path) as talk:
        await talk.hold(DIALOGUES[name])


@asynccontextmanager
async def copied(prepared: Path, folder: Path) -> AsyncIterator[Talk]:
    """A conversation on a copy of June; begun again on the same file it is a restart."""
    shutil.copy(prepared, folder / "june.db")
    async with opened(f"sqlite://{folder}/june.db"):
        talk = Talk(MemoryAdapter("webchat"), at(JUNE))
        await talk.learn()
        await learn(talk)
        yield talk
        assert await silent_changes() == []


async def test_a_restart_in_the_middle_of_a_page_loses_nothing(talk: Talk) -> None:
    await talk.hold([(OFFICER, "自查", "5. "), (OFFICER, "5 是", "8. ")])
    await talk.bot.delivery.close()
    talk.bot = Bot(LAW, {talk.adapter.connection: talk.adapter}, lambda: talk.now, zone=ZONE)
    await talk.hold([(OFFICER, "其余是", "已记 10 条", "已答 11/72")])


async def test_every_answer_has_its_line_and_a_correction_keeps_the_one_before(talk: Talk) -> None:
    await talk.hold([(OFFICER, "自查 5 是", "已记"), (HEAD, "自查 5 缺：未接入平台", "已记")])
    assert await acts(talk) == ["check", "check"]
    assert await answers(talk) == {5: ("missing", "未接入平台")}
    await talk.hold([(HEAD, "撤回", "已撤回")])
    assert await answers(talk) == {5: ("confirmed", "")}
    assert await acts(talk) == ["check", "check", "undo"]


async def test_what_binds_is_asked_anew(talk: Talk) -> None:
    await talk.hold([(OFFICER, "自查 178 是", "已答 1/72"), (OFFICER, "自查 5 是", "已答 2/72")])
    (row,) = await fetch("SELECT id FROM unit WHERE code = 'cjs-urban'")
    await execute("UPDATE unit_tag SET until = '2026-06-29' WHERE unit_id = :id AND tag = 'enforcement'", id=row["id"])
    answer = await talk.say(OFFICER, "自查")
    assert "178" not in answer
    assert "已答 0/" in answer or "已答 1/" in answer
    await talk.hold([(OFFICER, "自查 178 是", "第 178 条不在")])
    await execute("UPDATE unit_tag SET until = NULL WHERE unit_id = :id AND tag = 'enforcement'", id=row["id"])
    await talk.hold([(OFFICER, "自查", "已答 2/72")])


async def test_the_full_table_has_every_item_for_who_may_see_it(talk: Talk) -> None:
    await talk.hold([(OFFICER, "自查 5 缺：未接入平台", "已记"), (OFFICER, "自查 缺", "缺 5. ", "导出")])
    asked = Asked("checklist", NOTHING, "zh", obligation=talk.numbers["check"])
    seen = {}
    for who in (OFFICER, SUPERVISOR, WATER):
        (row,) = await fetch("SELECT id FROM person WHERE code = :code", code=who)
        actor = await reading.actor(row["id"], talk.now.date())
        assert actor is not None
        found = await exports.table(asked, actor, LAW.registry, Surroundings(LAW.workdays), talk.now)
        seen[who] = [list(one) for one in found.rows]
    assert seen[OFFICER] == seen[SUPERVISOR]
    assert len(seen[OFFICER]) == ITEMS
    assert seen[WATER] == []
    assert seen[OFFICER][0][2:4] == [5, "执法全流程数据归集并达标"]
    assert seen[OFFICER][0][5:7] == ["☒ 缺", "未接入平台"]
    assert str(seen[OFFICER][0][7]) == "2026-06-22"


async def test_two_of_a_unit_who_answer_at_once_are_both_recorded_and_the_last_holds(talk: Talk) -> None:
    await asyncio.gather(talk.says(OFFICER, "自查 5、8 是"), talk.says(HEAD, "自查 8、16 缺：没有人"))
    found = await answers(talk)
    assert found.keys() == {5, 8, 16}
    assert (found[5], found[16]) == (("confirmed", ""), ("missing", "没有人"))


CLAUSES: tuple[tuple[str, list[Clause]], ...] = (
    ("1-10 是", [Clause(((1, 10),), False, False, True, "")]),
    ("第1至3条 是", [Clause(((1, 3),), False, False, True, "")]),
    ("1、3，5 是", [Clause(((1, 1), (3, 3), (5, 5)), False, False, True, "")]),
    ("4 缺：无专职；也无兼职。", [Clause(((4, 4),), False, False, False, "无专职；也无兼职")]),
    ("4 缺：有制度，其他没有", [Clause(((4, 4),), False, False, False, "有制度，其他没有")]),
    (
        "1 是 2 否：未建 其余都是",
        [
            Clause(((1, 1),), False, False, True, ""),
            Clause(((2, 2),), False, False, False, "未建"),
            Clause((), True, False, True, ""),
        ],
    ),
    ("3 未落实责任人", [Clause(((3, 3),), False, False, False, "未落实责任人")]),
    ("3 无", [Clause(((3, 3),), False, False, False, "")]),
    ("all yes", [Clause((), False, True, True, "")]),
    ("7 已落实", [Clause(((7, 7),), False, False, True, "")]),
    ("7 是：〔2026〕3号", [Clause(((7, 7),), False, False, True, "〔2026〕3号")]),
    ("178 执法人员8人 审核人员2人", [Clause(((178, 178),), False, False, None, "执法人员8人 审核人员2人")]),
)


@pytest.mark.parametrize(("text", "wanted"), CLAUSES)
def test_answers_are_read_as_they_are_written(text: str, wanted: list[Clause]) -> None:
    assert read_answers(text) == wanted


@pytest.mark.parametrize("text", ["", "是", "好的", "全部缺", "其余没有", "3", "3 吗", "1000 是", "5 是兼职", "9-1 是"])
def test_what_answers_nothing_is_not_read(text: str) -> None:
    with pytest.raises(UnreadError):
        read_answers(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("执法人员100人，其中法制审核人员5人", Figures(100, 5)),
        ("审核人员：3，执法人员：40", Figures(40, 3)),
        ("officers 100, reviewers 5", Figures(100, 5)),
        ("执法人员100人", None),
        ("100人，5人", None),
    ],
)
def test_numbers_of_people_are_read_only_where_both_are_given(text: str, wanted: Figures | None) -> None:
    assert read_figures(text) == wanted
