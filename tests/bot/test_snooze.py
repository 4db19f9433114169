"""稍后: one person is told later, once, at an hour of work; everybody else is told as always."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.base import Outgoing
from bot.app import Bot
from bot.store import figures
from bot.store.oversight import NOTHING, View
from bot.wording.grammar import DayError
from bot.wording.later import Later, read_later
from duties import snoozing
from duties.store.database import execute, fetch
from duties.store.verifying import silent_changes
from tests.bot.play import LAW, ZONE, at
from tests.bot.talk import CLOCK, HEAD, OFFICER, SUPERVISOR, WATER, Row, Talk, begun, copied, prepare, talking

NUMBER = "昌市城管〔2026〕3号"
SHOWN = f"{NUMBER} https://cj.gov.cn/a"


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("snooze"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found
        assert await silent_changes() == []


@pytest.fixture
async def either(database_url: str) -> AsyncIterator[Talk]:
    async with begun(database_url) as found:
        yield found
        assert await silent_changes() == []


def reminders(talk: Talk, who: str, name: str) -> list[Outgoing]:
    """The reminders that somebody got of an obligation."""
    return [
        sent for sent in talk.told(who) if sent.text.startswith("【") and talk.filled(f"#{{{name}}}\n") in sent.text
    ]


def again(talk: Talk, who: str) -> int:
    return sum("【稍后提醒】" in sent.text for sent in talk.told(who))


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "by itself it means what was just reminded of, for two hours": (
        (OFFICER, "稍后", "将于 2026年1月4日 12:00 再提醒您", "#{report}", "#{cases}", "台账号", "只推后对您本人"),
    ),
    "hours, days and dates": (
        (OFFICER, "稍后 #{report} 半小时", "2026年1月4日 10:30"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "稍后 1 半天后", "2026年1月4日 14:00", "! 缩短"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "稍后 #{report} 明天", "2026年1月5日 10:00"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "稍后 #{report} 3天", "2026年1月7日 10:00", "! 缩短"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "稍后 1 1月6日", "2026年1月6日 10:00"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "稍后 行政执法年度 10小时", "2026年1月5日 10:00"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "稍后 #{report} 5天", "2026年1月7日 10:00", "最多推后 3 个工作日", "已按此缩短"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "snooze #{report} 2 hours", "reminded again at 4 Jan 2026 12:00", "Only your own"),
        (OFFICER, "snooze #{cases} tomorrow", "5 Jan 2026 10:00"),
    ),
    "what is not understood puts nothing off": (
        (OFFICER, "稍后 #{report} 2月30日", "没有“2月30日”这一天"),
        (OFFICER, "稍后 #{report} 看情况", "没看懂“看情况”"),
        (OFFICER, "稍后 #99999", "没有"),
        (OFFICER, "详情 #{report}", "! 稍后提醒"),
    ),
    "which one is asked, and the time is remembered": (
        (HEAD, "稍后 明天", "要稍后提醒哪一项"),
        (HEAD, "2", "将于 2026年1月5日 10:00 再提醒您", "#{report}"),
    ),
    "twice for one obligation": (
        (OFFICER, "稍后 #{report} 1小时", "11:00"),
        (OFFICER, "稍后 #{report} 2小时", "12:00"),
        (OFFICER, "稍后 #{report} 3小时", "您已推后 2 次", "台账号"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "稍后 #{report} 3小时", "13:00"),
        (OFFICER, "稍后 #{report} 3小时", "您已推后 2 次"),
        (HEAD, "稍后 #{report} 3小时", "13:00"),
    ),
    "only whose work it is": (
        (WATER, "稍后 #{report}", "您不能代办", "台账号"),
        (SUPERVISOR, "稍后 #{report}", "您不能代办"),
        (SUPERVISOR, "稍后", "您的岗位不能稍后提醒"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
        (OFFICER, "稍后 #{report}", "现为“已报结”"),
        (SUPERVISOR, "退回 #{report} 缺附件", "已退回"),
        (OFFICER, "稍后 #{report}", "已被退回，不能推后"),
    ),
    "not on the last day": (
        (CLOCK, "2026-01-29 11:00"),
        (OFFICER, "稍后 #{report} 3天", "2026年1月30日 10:00", "已按此缩短"),
        (CLOCK, "2026-01-30 11:00"),
        (OFFICER, "稍后 #{report} 1小时", "2026年1月30日 12:00"),
        (HEAD, "稍后 #{report} 明天", "没有可推后的时间"),
        (HEAD, "稍后 #{cases}", "截止 2026年1月30日", "没有可推后的时间"),
        (CLOCK, "2026-02-02 10:00"),
        (HEAD, "稍后 #{report}", "没有可推后的时间"),
    ),
    "a button puts one off": ((OFFICER, "> snooze:{report}", "2026年1月4日 12:00"),),
    "everything at once, and what may not wait is named": (
        (CLOCK, "2026-01-30 10:00"),
        (OFFICER, "稍后 全部", "#{report}", "#{plan}", "“当月执法案件公示”（2026年1月）#{cases} 截止"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name])


NAMED = (HEAD, "配合 #{report} 昌吉市水利局", "已指定配合：昌吉市水利局")
OWN = (WATER, "完成 #{water} 昌市水〔2026〕1号 https://cj.gov.cn/w", "已报结")


def shared(talk: Talk, who: str) -> int:
    """How often somebody was reminded of a partner's share."""
    return sum("配合（牵头：昌吉市城市管理局）" in sent.text for sent in talk.told(who))


SHARED: dict[str, tuple[Row, ...]] = {
    "a partner puts its share off, within the same bounds": (
        NAMED,
        (WATER, "稍后 #{report} 5天", "2026年1月7日 10:00 再提醒您：昌吉市水利局配合", "牵头：", "台账号", "缩短"),
        (WATER, "snooze #{report} tomorrow", "reminded again at 5 Jan 2026 10:00: ", "as partner in", "Only your own"),
        (WATER, "稍后 #{report} 2小时", "您已推后 2 次"),
        (WATER, "撤回", "已撤回：昌吉市水利局配合", "恢复为“待签收”"),
        (WATER, "稍后 #{report} 2小时", "2026年1月4日 12:00"),
        (WATER, "详情 #{report}", "配合：昌吉市水利局 待签收", "稍后提醒配合：昌吉市水利局"),
        (HEAD, "详情 #{report}", "待签收", "配合：昌吉市水利局 待签收"),
        (WATER, "> snooze:{report}", "您已推后 2 次"),
        ("cjs-water-head", "> snooze:{report}", "2026年1月4日 12:00"),
    ),
    "not what was sent back, answered or is due": (
        NAMED,
        (WATER, "完成 #{report} 数据已报", "已答复配合"),
        (WATER, "稍后 #{report}", "现为“已答复”", "未作改动"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "已报结"),
        (SUPERVISOR, "退回 #{report} 水利局 数据有误", "昌吉市水利局须重新答复"),
        (WATER, "稍后 #{report}", "已被退回，不能推后"),
        (WATER, "签收 #{report}", "已签收配合"),
        (WATER, "稍后 #{report} 明天", "2026年1月5日 10:00"),
        (CLOCK, "2026-01-30 18:00"),
        (WATER, "稍后 #{report}", "没有可推后的时间"),
    ),
    "everything at once, the share with it": (
        NAMED,
        (WATER, "稍后 全部 明天", "#{water}，截止", "昌吉市水利局配合“行政执法年度分析报告”", "#{report}（牵头"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
async def test_a_share_in_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(SHARED[name])


async def test_a_share_waits_for_that_person_alone_and_comes_back_once(either: Talk) -> None:
    await either.hold([NAMED, OWN, (CLOCK, "2026-01-22 10:00")])
    before = {who: shared(either, who) for who in (WATER, "cjs-water-head")}
    lead = {who: len(reminders(either, who, "report")) for who in (HEAD, OFFICER)}
    await either.hold([(WATER, "稍后 #{report} 3天", "2026年1月27日 10:00")])
    await either.go_to("2026-01-23 10:00")
    await either.go_to("2026-01-26 10:00")
    assert shared(either, WATER) == before[WATER]
    assert shared(either, "cjs-water-head") > before["cjs-water-head"]
    assert all(len(reminders(either, who, "report")) > lead[who] for who in lead)
    await either.go_to("2026-01-27 10:00")
    assert shared(either, WATER) == before[WATER] + 1
    await either.go_to("2026-01-28 09:00")
    assert shared(either, WATER) == before[WATER] + 1
    rows = await fetch("SELECT audience FROM reminder WHERE tone = 'snoozed'")
    (part,) = await fetch("SELECT id FROM share WHERE obligation_id = :id", id=either.numbers["report"])
    assert [row["audience"] for row in rows] == [f"officer/{part['id']}"]


@pytest.mark.parametrize(
    "over",
    [
        (WATER, "完成 #{report} 数据已报", "已答复配合"),
        (SUPERVISOR, "免配合 #{report} 水利局 不涉及", "已免配合"),
        (SUPERVISOR, "免办 #{report} 机构已撤并", "已免办"),
    ],
)
async def test_a_share_that_is_over_meanwhile_is_not_told_again(talk: Talk, over: Row) -> None:
    await talk.hold([NAMED, OWN, (WATER, "稍后 #{report} 明天", "再提醒您"), over, (CLOCK, "2026-01-05 10:00")])
    assert shared(talk, WATER) == 0
    assert await fetch("SELECT 1 FROM snooze WHERE ended_at IS NULL") == []


async def test_a_share_sent_back_meanwhile_waits_no_longer(either: Talk) -> None:
    await either.hold([NAMED, OWN, (WATER, "稍后 #{report} 3天", "2026年1月7日 10:00")])
    await either.hold([(WATER, "完成 #{report} 数据已报", "已答复"), (HEAD, f"完成 #{{report}} {SHOWN}", "已报结")])
    await either.hold([(SUPERVISOR, "退回 #{report} 水利局 数据有误", "须重新答复"), (CLOCK, "2026-01-04 11:00")])
    assert shared(either, WATER) == 1
    assert await fetch("SELECT 1 FROM snooze WHERE ended_at IS NULL") == []


async def test_a_partner_of_what_was_sent_back_to_its_lead_may_put_its_share_off(talk: Talk) -> None:
    await talk.hold([
        (HEAD, f"完成 #{{report}} {SHOWN}", "已报结"), (SUPERVISOR, "退回 #{report} 缺附件", "已退回"), NAMED, OWN,
        (WATER, "稍后 #{report} 明天", "2026年1月5日 10:00"), (CLOCK, "2026-01-04 12:00"),
    ])  # fmt: skip
    assert shared(talk, WATER) == 0
    await talk.go_to("2026-01-05 10:00")
    assert shared(talk, WATER) == 1


async def test_a_share_comes_back_when_the_partners_own_office_opens(talk: Talk) -> None:
    await execute("UPDATE unit SET office_opens = 660 WHERE code = 'cjs-water'")
    await talk.hold([NAMED, OWN, (WATER, "稍后 #{report} 明天", "2026年1月5日 11:00"), (CLOCK, "2026-01-05 10:30")])
    assert shared(talk, WATER) == 0
    await talk.go_to("2026-01-05 11:00")
    assert shared(talk, WATER) == 1


async def test_it_is_held_for_that_person_alone_and_told_once_in_one_message(either: Talk) -> None:
    await either.hold([(OFFICER, "稍后 明天", "2026年1月5日 10:00")])
    for when in ("2026-01-04 12:30", "2026-01-04 23:00", "2026-01-05 03:00", "2026-01-05 09:59"):
        await either.go_to(when)
        assert again(either, OFFICER) == 0
    for when in ("2026-01-05 10:00", "2026-01-05 10:01", "2026-01-06 10:00"):
        await either.go_to(when)
        assert (again(either, OFFICER), again(either, HEAD)) == (1, 0)
    (said,) = (sent for sent in either.told(OFFICER) if "【稍后提醒】2 项" in sent.text)
    assert either.filled("#{report}") in said.text
    assert either.filled("#{cases}") in said.text
    rows = await fetch("SELECT state, error FROM notice WHERE state = 'dropped'")
    assert rows == []


async def test_a_rung_that_comes_meanwhile_waits_for_that_person_and_for_nobody_else(either: Talk) -> None:
    await either.go_to("2026-01-22 10:00")
    before = {who: len(reminders(either, who, "report")) for who in (OFFICER, HEAD)}
    await either.hold([(OFFICER, "稍后 #{report} 3天", "2026年1月27日 10:00")])
    await either.go_to("2026-01-23 10:00")
    await either.go_to("2026-01-26 10:00")
    assert len(reminders(either, HEAD, "report")) > before[HEAD]
    assert len(reminders(either, OFFICER, "report")) == before[OFFICER]
    await either.go_to("2026-01-27 10:00")
    assert len(reminders(either, OFFICER, "report")) == before[OFFICER] + 1
    assert "稍后" not in reminders(either, OFFICER, "report")[-1].text


async def test_what_was_reported_meanwhile_is_not_told_again(either: Talk) -> None:
    await either.hold([(OFFICER, "稍后 #{report} 2小时", "12:00"), (HEAD, f"完成 #{{report}} {SHOWN}", "已报结")])
    told = len(either.told(OFFICER))
    await either.go_to("2026-01-04 12:00")
    await either.go_to("2026-01-05 10:00")
    assert len(either.told(OFFICER)) == told


async def test_what_is_sent_back_meanwhile_waits_no_longer(either: Talk) -> None:
    await either.hold(
        [
            (OFFICER, "稍后 #{report} 明天", "2026年1月5日 10:00"),
            (HEAD, f"完成 #{{report}} {SHOWN}", "已报结"),
            (SUPERVISOR, "退回 #{report} 缺附件", "已退回"),
            (CLOCK, "2026-01-04 11:00"),
        ]
    )
    assert "已被退回" in reminders(either, OFFICER, "report")[-1].text


async def test_a_deadline_that_moves_ends_it(either: Talk) -> None:
    await either.hold([(OFFICER, "稍后 #{report} 明天", "2026年1月5日 10:00")])
    await execute(
        "UPDATE term SET due = '2026-01-20', raised_through = NULL WHERE id ="
        " (SELECT term_id FROM obligation WHERE id = :id)",
        id=either.numbers["report"],
    )
    await either.go_to("2026-01-04 11:00")
    assert "2026年1月20日" in reminders(either, OFFICER, "report")[-1].text
    await execute(
        "UPDATE term SET due = '2026-01-31' WHERE id = (SELECT term_id FROM obligation WHERE id = :id)",
        id=either.numbers["report"],
    )


async def test_the_supervisor_still_sees_it_as_not_acknowledged(either: Talk) -> None:
    before = await figures.unacknowledged_counted(View(everything=True), NOTHING)
    await either.hold([(OFFICER, "稍后 明天", "2026年1月5日 10:00"), (SUPERVISOR, "未签收 城市管理", "#{report}")])
    await either.go_to("2026-01-05 10:00")
    assert await figures.unacknowledged_counted(View(everything=True), NOTHING) == before
    await either.hold([(SUPERVISOR, "详情 #{report}", "稍后提醒", "待签收")])


async def test_who_also_supervises_is_told_as_supervisor_meanwhile(either: Talk) -> None:
    await execute(
        "INSERT INTO post (person_id, unit_id, role) SELECT n.id, u.supervisor_id, 'supervisor' FROM person n, unit u"
        " WHERE n.code = :code AND u.code = 'cjs-urban'",
        code=OFFICER,
    )
    await either.go_to("2026-01-29 10:00")
    await either.hold([(OFFICER, "稍后 #{report} 明天", "2026年1月30日 10:00")])
    held = len(reminders(either, OFFICER, "report"))
    await either.go_to("2026-01-29 18:00")
    assert len(reminders(either, OFFICER, "report")) == held
    rows = await fetch(
        "SELECT m.audience FROM notice_item i JOIN reminder m ON m.id = i.reminder_id"
        " JOIN person n ON n.id = i.person_id WHERE n.code = :code AND i.notice_id IS NULL",
        code=OFFICER,
    )
    assert "supervisor" not in {row["audience"] for row in rows}


@pytest.mark.parametrize("up", ["2026-01-05 14:20", "2026-01-05 22:00", "2026-01-09 23:30", "2026-01-10 12:00"])
async def test_downtime_loses_nothing_and_nobody_is_told_at_night_or_on_a_rest_day(talk: Talk, up: str) -> None:
    await talk.hold([(OFFICER, "稍后 明天", "2026年1月5日 10:00")])
    await talk.bot.delivery.close()
    talk.bot = Bot(LAW, {talk.adapter.connection: talk.adapter}, lambda: talk.now, zone=ZONE)
    await talk.go_to(up)
    open_now = snoozing.working(at(up), 600, LAW.workdays)
    assert again(talk, OFFICER) == open_now
    for when in ("2026-01-12 09:59", "2026-01-12 10:00", "2026-01-13 10:00"):
        if at(when) > at(up):
            await talk.go_to(when)
    assert again(talk, OFFICER) == 1


async def test_two_replicas_tell_once(either: Talk) -> None:
    await either.hold([(OFFICER, "稍后 2小时", "12:00")])
    either.now = at("2026-01-04 12:00")
    other = Bot(LAW, {either.adapter.connection: either.adapter}, lambda: either.now, zone=ZONE)
    await asyncio.gather(either.bot.step(), other.step())
    await either.go_to("2026-01-04 12:01")
    assert again(either, OFFICER) == 1
    await other.delivery.close()


async def test_two_of_a_unit_who_put_off_the_same_are_each_told(either: Talk) -> None:
    await either.hold([(OFFICER, "稍后 #{report} 明天", "10:00"), (HEAD, "稍后 #{report} 明天", "10:00")])
    await either.go_to("2026-01-05 10:00")
    assert (again(either, OFFICER), again(either, HEAD)) == (1, 1)


async def test_taken_back_the_one_before_runs_again(either: Talk) -> None:
    await either.hold(
        [
            (OFFICER, "稍后 #{report} 2小时", "12:00"),
            (OFFICER, "稍后 #{report} 明天", "2026年1月5日 10:00"),
            (OFFICER, "撤回", "已撤回"),
            (CLOCK, "2026-01-04 12:00"),
        ]
    )
    assert again(either, OFFICER) == 1


async def test_a_single_reminder_has_the_button_while_it_may_wait(talk: Talk) -> None:
    await talk.hold([(OFFICER, "完成 #{cases} https://www.example.gov.cn/1", "已报结"), (CLOCK, "2026-01-23 10:00")])
    (single,) = [sent for sent in reminders(talk, OFFICER, "report") if "\n2. " not in sent.text]
    wanted = "acknowledge:{report} report:{report} detail:{report} snooze:{report}"
    assert [button.value for button in single.buttons] == talk.filled(wanted).split()
    await talk.go_to("2026-02-02 10:00")
    late = reminders(talk, OFFICER, "report")[-1]
    assert not [button for button in late.buttons if button.value.startswith("snooze")]


async def test_coverage_holds_while_reminders_wait(talk: Talk) -> None:
    await talk.hold([(OFFICER, "稍后 全部 明天", "2026年1月5日 10:00"), (CLOCK, "2026-01-04 13:00")])
    assert talk.bot.loop.pulse.uncovered == {}


NOW = at("2026-01-05 11:00")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("两个小时后", Later(at("2026-01-05 13:00"), 0, "两个小时后")),
        ("一个半小时", Later(at("2026-01-05 12:30"), 0, "一个半小时")),
        ("1、3 45分钟", Later(at("2026-01-05 11:45"), 0, "45分钟", "1、3")),
        ("后天", Later(at("2026-01-07 00:00"), 0, "后天")),
        ("下周一再提醒我", Later(at("2026-01-12 00:00"), 0, "下周一")),
        ("2 后天下午", Later(at("2026-01-07 15:00"), 0, "后天 下午", "2")),
        ("大后天 9:30", Later(at("2026-01-08 09:30"), 0, "大后天 9:30")),
        ("半天", Later(at("2026-01-05 15:00"), 0, "半天")),
        ("1 半天后", Later(at("2026-01-05 15:00"), 0, "半天后", "1")),
        ("1 半小时", Later(at("2026-01-05 11:30"), 0, "半小时", "1")),
        ("1 下午三点半再说", Later(at("2026-01-05 15:30"), 0, "下午三点半", "1")),
        ("25点", Later(rest="25点")),
        ("the day after tomorrow", Later(at("2026-01-07 00:00"), 0, "the day after tomorrow")),
        ("#12 3个工作日", Later(None, 3, "3个工作日", "#12")),
        ("in 2 working days", Later(None, 2, "in 2 working days")),
        ("#122", Later(rest="#122")),
        ("", Later()),
    ],
)
def test_later_is_read_as_it_is_written(text: str, wanted: Later) -> None:
    assert read_later(text, NOW) == wanted


def test_a_day_that_does_not_exist_is_named() -> None:
    with pytest.raises(DayError, match="2月30日"):
        read_later("2月30日", NOW)
