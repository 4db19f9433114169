"""What is told without asking: 日报 and 周报, on working days at the office hour, once, to who subscribed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from bot.app import Bot
from bot.digest import DAILY, WEEKLY, next_day
from duties.store.database import execute, fetch
from duties.workdays import WorkCalendar
from tests.bot.play import LAW, ZONE, at
from tests.bot.talk import (
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

NUMBER = "昌市城管〔2026〕3号"
SHOWN = f"{NUMBER} https://cj.gov.cn/a"
SUNDAY_WORKED = "2026-01-04 10:00"


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("digest"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


def digests(talk: Talk, who: str, word: str = "报】") -> list[str]:
    """The digests somebody was sent, in order."""
    return [sent.text for sent in talk.told(who) if sent.text.startswith("【") and word in sent.text[:8]]


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "subscribed, shown, ended": (
        (SUPERVISOR, "订阅", "还没有订阅", "可说：订阅 日报"),
        (SUPERVISOR, "订阅 日报", "已订阅日报", "10:00", "首次 2026年1月5日（周一）"),
        (SUPERVISOR, "订阅", "您已订阅：日报。"),
        (SUPERVISOR, "subscribe weekly", "Subscribed to the weekly digest", "Mon 5 Jan 2026"),
        (SUPERVISOR, "subscribe", "daily, weekly"),
        (SUPERVISOR, "订阅 月报", "没有叫“月报”的简报", "您已订阅：日报、周报"),
        (SUPERVISOR, "退订 日报", "已退订：日报"),
        (SUPERVISOR, "退订 日报", "没有订阅日报"),
        (SUPERVISOR, "退订", "您已订阅：周报"),
        (SUPERVISOR, "unsubscribe all", "Unsubscribed from: weekly"),
        (SUPERVISOR, "订阅", "还没有订阅"),
    ),
    "for supervisors and heads": (
        (OFFICER, "订阅 日报", "您的岗位不能订阅", "台账号"),
        (OFFICER, "unsubscribe daily", "post"),
        (HEAD, "订阅 周报 日报", "已订阅日报", "已订阅周报"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name])


async def test_nobody_is_told_who_did_not_ask(talk: Talk) -> None:
    for when in ("2026-01-05 10:00", "2026-02-02 10:00", "2026-02-03 10:00"):
        await talk.go_to(when)
    assert [sent for sent in talk.adapter.sent if "日报" in sent.text or "周报" in sent.text] == []


async def test_a_day_without_exceptions_is_silent_one_with_them_is_told_at_the_office_hour_once(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "订阅 日报", "已订阅")])
    for when in ("2026-01-05 10:00", "2026-01-06 10:00", "2026-01-30 10:00", "2026-02-02 09:59"):
        await talk.go_to(when)
    before = len(digests(talk, SUPERVISOR))
    for when in ("2026-02-02 10:00", "2026-02-02 10:01", "2026-02-02 18:00"):
        await talk.go_to(when)
    text = digests(talk, SUPERVISOR)[-1]
    assert len(digests(talk, SUPERVISOR)) == before + 1
    assert text.startswith("【日报】2026年2月2日（周一）：新逾期 29 项，临期未签收 0 项，待核验 0 项")
    assert "2026年1月30日（周五）起到期、至今未办 29 项（17 个单位）" in text
    assert "还有 23 项" in text
    assert digests(talk, OFFICER) == digests(talk, WATER) == []


async def test_what_is_nearly_due_and_unacknowledged_is_told_and_what_waits_for_verification(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "订阅 日报", "已订阅"), (HEAD, "subscribe daily", "Subscribed")])
    await talk.go_to("2026-01-27 10:00")
    assert "临期未签收 17 项" in digests(talk, SUPERVISOR)[-1]
    (own,) = [
        sent.text for sent in talk.told(HEAD) if sent.text.startswith("[Daily] Tue 27 Jan 2026: 0 newly overdue, 1")
    ]
    assert f"#{talk.numbers['cases']}" in own
    await talk.hold(
        [
            (HEAD, "签收 #{cases}", "已签收"),
            (HEAD, "签收 #{report}", "已签收"),
            (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
            (CLOCK, "2026-01-28 10:00"),
        ]
    )
    latest = digests(talk, SUPERVISOR)[-1]
    assert "2026年1月28日" in latest
    assert "待核验 1 项" in latest
    assert "昌吉市城市管理局" not in latest
    assert [sent for sent in talk.told(HEAD) if "28 Jan 2026:" in sent.text] == []


async def test_numbers_of_a_digest_can_be_answered(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "订阅 日报", "已订阅"), (CLOCK, "2026-02-02 10:00")])
    first = next(line for line in digests(talk, SUPERVISOR)[-1].splitlines() if line.startswith("1. "))
    number = first.partition("#")[2].partition("，")[0]
    assert f"#{number}" in await talk.says(SUPERVISOR, "详情 1")


async def test_before_a_holiday_everything_due_until_the_next_working_day_is_told(talk: Talk) -> None:
    """The last working day before the Spring Festival is Saturday 14 February, the next one Tuesday 24."""
    await talk.hold([(PREFECTURE, "订阅 日报", "已订阅")])
    await execute("UPDATE term SET due = :due WHERE duty = 'enforcement-annual-report'", due=date(2026, 2, 24))
    await talk.go_to("2026-02-14 10:00")
    assert "2026年2月24日（周二）前到期、尚未签收" in digests(talk, PREFECTURE)[-1]


async def test_rest_days_are_silent_and_the_first_working_day_takes_them_up(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "订阅 日报", "已订阅"), (SUPERVISOR, "订阅 周报", "已订阅")])
    await talk.go_to("2026-01-30 10:00")
    before = digests(talk, SUPERVISOR)
    for when in ("2026-01-31 10:00", "2026-02-01 12:00"):
        await talk.go_to(when)
    assert digests(talk, SUPERVISOR) == before
    await talk.go_to("2026-02-02 10:00")
    assert [text[:4] for text in digests(talk, SUPERVISOR)[len(before) :]] == ["【日报】", "【周报】"]


async def test_a_week_is_told_once_on_its_first_working_day(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "订阅 周报", "首次 2026年1月5日")])
    for when in ("2026-01-05 09:00", "2026-01-05 10:00", "2026-01-06 10:00", "2026-01-09 10:00", "2026-01-12 10:00"):
        await talk.go_to(when)
    first, second = digests(talk, SUPERVISOR, "周报")
    assert first.startswith("【周报】2026年1月5日（周一）起的一周")
    assert second.startswith("【周报】2026年1月12日（周一）起的一周")
    await talk.go_to("2026-02-02 10:00")
    text = digests(talk, SUPERVISOR, "周报")[-1]
    assert "其中逾期 29 项" in text
    assert "上周应完成 29 项：按时 0，逾期办结 0，未完成 29" in text
    assert "27 个单位：红灯 17，黄灯 0，绿灯 10" in text
    assert "逾期最多：" in text
    assert "17 个单位已学 0/204 次，按进度应 17 次，落后 17 个单位" in text


async def test_of_a_week_that_begins_with_a_holiday_the_first_working_day_is_told(talk: Talk) -> None:
    """From Thursday 1 to Wednesday 7 October is a holiday: the week of Monday 5 begins to work on Thursday 8."""
    await talk.hold([(SUPERVISOR, "订阅 周报", "已订阅"), (CLOCK, "2026-09-30 10:00")])
    before = len(digests(talk, SUPERVISOR, "周报"))
    for when in ("2026-10-05 10:00", "2026-10-07 10:00"):
        await talk.go_to(when)
    assert len(digests(talk, SUPERVISOR, "周报")) == before
    for when in ("2026-10-08 10:00", "2026-10-09 10:00"):
        await talk.go_to(when)
    assert len(digests(talk, SUPERVISOR, "周报")) == before + 1


async def test_a_head_hears_of_the_own_unit_alone(talk: Talk) -> None:
    await talk.hold([(HEAD, "订阅 日报 周报", "已订阅"), (CLOCK, "2026-02-02 10:00")])
    day, week = digests(talk, HEAD)
    assert "新逾期 2 项" in day
    assert "昌吉市水利局" not in day
    assert "1 个单位：红灯 1" in week


async def test_a_head_hears_what_of_the_own_unit_waits_to_be_verified_and_of_that_alone_not_every_day(
    talk: Talk,
) -> None:
    await talk.hold(((HEAD, "订阅 日报", "已订阅"), (HEAD, "订阅 周报", "已订阅")))
    await talk.hold(((OFFICER, "完成 #{cases} 2026-01-04 https://example.cn/1", "已报结"),))
    await talk.go_to("2026-01-05 10:05")
    told = [one.text for one in talk.told(HEAD)]
    assert [text for text in told if text.startswith("【日报】")] == []
    assert "待核验 1 项" in next(text for text in told if text.startswith("【周报】"))
    await talk.go_to("2026-02-02 10:05")
    daily = next(one.text for one in reversed(talk.told(HEAD)) if one.text.startswith("【日报】"))
    assert "待核验 1 项" in daily
    assert "回复“待核”" not in daily


async def test_a_restart_and_a_downtime_neither_repeat_nor_skip(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "订阅 日报", "已订阅"), (CLOCK, "2026-01-29 10:00")])
    told = len(digests(talk, SUPERVISOR))
    await talk.bot.delivery.close()
    talk.bot = Bot(LAW, {talk.adapter.connection: talk.adapter}, lambda: talk.now, zone=ZONE)
    await talk.go_to("2026-01-29 15:00")
    assert len(digests(talk, SUPERVISOR)) == told
    await talk.go_to("2026-02-04 15:00")  # it was down on Friday, Monday and Tuesday
    assert len(digests(talk, SUPERVISOR)) == told + 1
    assert "2026年1月29日（周四）起到期、至今未办 29 项" in digests(talk, SUPERVISOR)[-1]


async def test_who_holds_no_post_any_more_or_has_no_address_is_not_told(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "订阅 周报", "已订阅"), (HEAD, "订阅 周报", "已订阅")])
    await execute("DELETE FROM identity WHERE address = :address", address=SUPERVISOR)
    await execute("UPDATE post SET until = :day WHERE person_id = (SELECT id FROM person WHERE code = :code)",
                  day=date(2026, 1, 4), code=HEAD)  # fmt: skip
    await talk.go_to("2026-01-05 10:00")
    assert digests(talk, SUPERVISOR) == digests(talk, HEAD) == []


async def test_it_goes_to_the_address_bound_first(talk: Talk) -> None:
    await execute(
        "INSERT INTO identity (person_id, connection, address, bound_at)"
        " SELECT person_id, connection, 'second', bound_at FROM identity WHERE address = :address",
        address=SUPERVISOR,
    )
    await talk.hold([(SUPERVISOR, "订阅 周报", "已订阅"), (CLOCK, "2026-01-05 10:00")])
    assert len(digests(talk, SUPERVISOR)) == 1
    assert digests(talk, "second") == []


async def test_two_replicas_tell_once_on_both_databases(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.hold([(SUPERVISOR, "订阅 日报 周报", "已订阅"), (HEAD, "订阅 周报", "已订阅")])
        other = Bot(LAW, {talk.adapter.connection: talk.adapter}, lambda: talk.now, zone=ZONE)
        talk.now = at("2026-02-02 10:00")
        await asyncio.gather(talk.bot.step(), other.step(), return_exceptions=True)
        await asyncio.gather(talk.bot.step(), other.step())
        rows = await fetch("SELECT body FROM notice WHERE kind = 'news'")
        texts = [str(row["body"]) for row in rows]
        assert [sum(f"【{name}】" in text for text in texts) for name in ("日报", "周报")] == [1, 2]


@pytest.mark.parametrize(
    ("kind", "now", "first"),
    [
        (DAILY, "2026-01-05 09:00", "2026-01-05"),
        (DAILY, "2026-01-05 10:00", "2026-01-06"),
        (DAILY, "2026-01-09 12:00", "2026-01-12"),
        (DAILY, "2026-01-10 09:00", "2026-01-12"),
        (WEEKLY, "2026-01-05 09:00", "2026-01-05"),
        (WEEKLY, "2026-01-05 10:00", "2026-01-12"),
        (WEEKLY, "2026-01-07 09:00", "2026-01-12"),
        (WEEKLY, "2026-10-06 12:00", "2026-10-08"),
        (WEEKLY, SUNDAY_WORKED, "2026-01-05"),
    ],
)
def test_the_first_digest_comes_on_the_next_working_day_that_has_one(kind: str, now: str, first: str) -> None:
    assert str(next_day(kind, at(now), 600, WorkCalendar.shipped())) == first
