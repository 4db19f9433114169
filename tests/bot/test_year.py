"""A year in the life: the shipped registry, eight units that answer each in their way, fifteen months of days checked.

The people are drawn with a seed: one in the suite, more by DUBAN_YEAR_SEEDS, numbers separated by commas:

    DUBAN_YEAR_SEEDS=1,2,3 pytest -n0 tests/bot/test_year.py
"""

import os
import re
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapters.memory import MemoryAdapter
from bot.store import seats
from duties import reminding
from duties.escalation import allowed
from duties.ledger import Verifier
from duties.model import State
from duties.paper import Paper
from duties.store import chains, roster_rows, verifying
from duties.store.database import as_date, fetch, opened
from tests.bot.play import LAW, at
from tests.bot.templates import fill
from tests.bot.year import (
    CITY,
    CITY_UNITS,
    DAY,
    FIRST,
    HORIZON,
    LAST,
    PREFECTURE,
    RIGHTS,
    ROSTER,
    TEMPERS,
    UNITS,
    Life,
    Owed,
    workday,
    working,
)  # fmt: skip

SEEDS = [int(seed) for seed in os.environ.get("DUBAN_YEAR_SEEDS", "2026").split(",")]
OUTAGE = range(date(2026, 8, 10).toordinal(), date(2026, 8, 15).toordinal())
"""A working week in which the bot does not run."""
SOON = 7
SUPERVISORS = dict.fromkeys(CITY_UNITS, "cjs-justice") | {
    "cjz-gov": "cjz-gov", "cjz-justice": "cjz-gov", "cjs-gov": "cjz-justice", "cjs-justice": "cjz-justice",
}  # fmt: skip
"""Who is told when a unit is late: the justice bureau of its level, of those themselves the level above."""


class Watch:
    """What must hold on every day."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.notice = 0
        self.said: set[tuple[Any, ...]] = set()
        self.letters = 0

    async def morning(self) -> None:
        """After a wave: who was told of what, when the books are still as they were before it."""
        await self._reminders()
        await self._covered()

    async def evening(self) -> None:
        """After people acted."""
        await self._covered()
        await self._rights()
        await self._letters()

    async def _covered(self) -> None:
        today = self.life.today
        uncovered = await reminding.uncovered(LAW.registry, LAW.workdays, today)
        assert not uncovered, f"{today}: {uncovered}"

    async def healthy(self) -> None:
        health = await self.life.bot.health()
        assert health["ok"], f"{self.life.today}: {health}"

    async def _reminders(self) -> None:
        today = self.life.today
        rows = await fetch(
            "SELECT n.id, n.state, p.code, i.outcome, m.obligation_id, m.due, m.rung, m.audience FROM notice n"
            " JOIN notice_item i ON i.notice_id = n.id JOIN reminder m ON m.id = i.reminder_id"
            " JOIN person p ON p.id = i.person_id WHERE n.kind = 'reminders' AND n.id > :last ORDER BY n.id",
            last=self.notice,
        )
        for row in rows:
            self.notice = row["id"]
            if row["outcome"] != "said":
                continue
            one = self.life.books.numbers[row["obligation_id"]]
            told = f"{today} {row['code']} {row['rung']} {one.key} {one.state}"
            assert row["state"] == "sent", told
            assert workday(today), told
            assert one.open, told
            assert one.opens <= today, told
            assert as_date(row["due"]) == one.due, told
            assert row["code"] == _recipient(one, row["audience"]), told
            once = (row["code"], row["obligation_id"], row["due"], row["rung"], row["audience"])
            assert once not in self.said, told
            self.said.add(once)

    async def _rights(self) -> None:
        rows = await fetch(
            "SELECT o.id, t.duty, t.label, t.due, o.state FROM obligation o JOIN term t ON t.id = o.term_id"
            " WHERE t.duty IN :rights AND t.due < :today AND o.state IN ('pending', 'acknowledged', 'returned')",
            rights=sorted(RIGHTS), today=self.life.today,
        )  # fmt: skip
        assert not rows, f"{self.life.today}: rights that show as overdue: {rows}"

    async def _letters(self) -> None:
        """Every letter is one the law allows about what was late that day, and its chain says so."""
        rows = await fetch(
            "SELECT id, paper, obligation_id FROM letter WHERE id > :last ORDER BY id", last=self.letters
        )
        for row in rows:
            self.letters = row["id"]
            one = self.life.books.numbers[row["obligation_id"]]
            assert Paper(row["paper"]) in allowed(one.duty, one.force), f"{row} {one.key}"
            assert one.late(self.life.today), f"{row} {one.key}"
            lines = await fetch(
                "SELECT e.action FROM entry e JOIN stream s ON s.id = e.stream_id WHERE s.kind = 'letter'"
                " AND s.ref = :id ORDER BY e.seq LIMIT 1",
                id=row["id"],
            )
            assert [line["action"] for line in lines] == ["draft"]

    async def month_end(self) -> None:
        """The books against the database, the answers to supervisors, the ledger."""
        await self._same_books()
        for who, units in ((CITY, CITY_UNITS), (PREFECTURE, UNITS)):
            await self._figures(who, self.life.books.now(self.life.today, units))
        await self.ledger()

    async def _same_books(self) -> None:
        await self.life.books.learn()
        rows = await fetch(
            "SELECT u.code, t.duty, t.label, t.opens, t.due, o.state, o.tally, o.target, o.done_on FROM obligation o"
            " JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
        )
        found = {
            (row["code"], row["duty"], row["label"]): (
                as_date(row["opens"]), as_date(row["due"]), row["state"], row["tally"], row["target"],
                as_date(row["done_on"]) if row["done_on"] else None,
            )
            for row in rows
        }  # fmt: skip
        booked = {
            one.key: (one.opens, one.due, str(one.state), one.tally, one.target, one.done_on)
            for one in self.life.books.owed.values()
            if one.opens <= self.life.today + HORIZON
        }
        different = {key: (found.get(key), booked.get(key)) for key in found.keys() | booked.keys()}
        different = {key: both for key, both in different.items() if both[0] != both[1]}
        assert not different, f"{self.life.today}: {different}"

    async def _figures(self, who: str, seen: list[Owed]) -> None:
        today = self.life.today
        late = [one for one in seen if one.late(today)]
        answer = await self.life.tells(who, "逾期")
        head = re.search(r"逾期 (\d+) 项，涉及 (\d+) 个单位", answer)
        assert _ints(head) == ([len(late), len({one.unit for one in late})] if late else []), answer
        waiting = sum(one.state == State.REPORTED for one in seen)
        assert _ints(re.search(r"另有 (\d+) 项已报结", answer)) == ([waiting] if waiting else []), answer
        answer = await self.life.tells(who, "灯")
        assert _ints(re.search(r"红灯 (\d+)，黄灯 (\d+)，绿灯 (\d+)，共 (\d+)", answer)) == lights(seen, today), answer
        counted = [one for one in seen if one.counted and one.due >= today and one.state not in GONE]
        answer = await self.life.tells(who, "进度")
        behind = sum(slow(one, today) for one in counted)
        assert _ints(re.search(r"计数事项 (\d+) 项，落后于进度 (\d+) 项", answer)) == [len(counted), behind], answer
        for one in counted:
            _same_pace(one, [each for each in counted if each.key[1:] == one.key[1:]], today, answer)

    async def ledger(self) -> None:
        verifier = Verifier()
        async for line in chains.lines():
            verifier.line(line)
        for stream, seq, head in await chains.heads():
            verifier.head(stream, seq, head)
        for anchor in await chains.anchors():
            verifier.anchor(anchor)
        assert verifier.faults == []
        assert await verifying.silent_changes() == []


GONE = (State.WAIVED, State.CANCELLED)


def _ints(found: "re.Match[str] | None") -> list[int]:
    return [int(group) for group in found.groups()] if found else []


def _recipient(one: Owed, audience: str) -> str:
    return f"{SUPERVISORS[one.unit] if audience == 'supervisor' else one.unit}-{audience}"


def expected(one: Owed, today: date) -> int:
    """How many of a counted duty should be there, by the checkpoints that have passed."""
    rule = one.counted
    assert rule is not None
    passed = [month for month in rule.checkpoints if _last_workday(today.year, month) <= today]
    if not passed:
        return 0
    if rule.per == "member":
        return one.target
    may_lack = rule.at_least * max(0, rule.pace_months - max(passed)) // rule.pace_months
    return max(0, one.target - may_lack)


def _last_workday(year: int, month: int) -> date:
    day = date(year + month // 12, month % 12 + 1, 1) - DAY
    while not workday(day):
        day -= DAY
    return day


def slow(one: Owed, today: date) -> bool:
    return one.open and one.counted is not None and one.due >= today and one.tally < expected(one, today)


def lights(seen: list[Owed], today: date) -> list[int]:
    """Red, yellow and green units, and all of those that owe something."""
    red, yellow, owing = set(), set(), set()
    for one in seen:
        if one.open or (one.state not in GONE and one.due.year >= today.year):
            owing.add(one.unit)
        if one.late(today):
            red.add(one.unit)
        elif one.open and ((one.due - today).days <= SOON or one.state == State.RETURNED or slow(one, today)):
            yellow.add(one.unit)
    return [len(red), len(yellow - red), len(owing - red - yellow), len(owing)]


def _same_pace(one: Owed, alike: list[Owed], today: date, answer: str) -> None:
    line = next(line for line in answer.splitlines() if line.startswith(f"■ {one.duty.title}（"))
    rule = one.counted
    assert rule is not None
    tally, target = sum(each.tally for each in alike), sum(each.target for each in alike)
    wanted, behind = sum(expected(each, today) for each in alike), sum(slow(each, today) for each in alike)
    if len(alike) > 1 and rule.per == "unit":
        found = re.search(r"(\d+) 个单位：累计 (\d+)/(\d+) .*至今应达 (\d+)，落后 (\d+) 个单位", line)
        assert _ints(found) == [len(alike), tally, target, wanted, behind], line
    elif len(alike) > 1:
        met = sum(each.tally >= each.target for each in alike)
        assert _ints(re.search(r"已达标 (\d+) 个，落后 (\d+) 个", line)) == [met, behind], line
    elif rule.per == "unit":
        assert _ints(re.search(r"(\d+)/(\d+) .*至今应达 (\d+)", line)) == [tally, target, wanted], line
        assert ("不落后" not in line) == bool(behind), line
    else:
        assert ("尚未全部达标" not in line) == (tally >= target), line


# What happens once: the cases. Each is told on its day, before the units' own work.


async def _opinion_objected(life: Life) -> None:
    case = await life.opened(
        CITY, f"意见书 昌吉市城市管理局 {life.today} 收到", "cjs-urban", "opinion-letter-rectification", life.today
    )
    right = life.books.owed["cjs-urban", "opinion-letter-objection", f"C{case}"]
    right.act_on = life.today + 8 * DAY


async def _opinion_not_objected(life: Life) -> None:
    await life.opened(
        CITY, f"意见书 昌吉市水利局 {life.today} 收到", "cjs-water", "opinion-letter-rectification", life.today
    )


async def _opinion_recorded_late(life: Life) -> None:
    on = life.today - 25 * DAY
    await life.opened(CITY, f"意见书 榆树沟镇 {on} 收到", "cjs-yushugou", "opinion-letter-rectification", on)


async def _legality_opened(life: Life) -> None:
    life.cases["legality"] = await life.opened(
        "cjs-justice-officer", f"合法性审核 昌吉市司法局 {life.today}", "cjs-justice", "legality-review", life.today
    )
    life.books.of_case(life.cases["legality"])[0].act_on = date(2026, 6, 22)


async def _legality_paused(life: Life) -> None:
    case = life.cases["legality"]
    await life.tells("cjs-justice-officer", f"暂停 个案{case} 今天", "已暂停")
    (one,) = life.books.of_case(case)
    one.due = working(one.opens, 15, (life.today, life.today + 366 * DAY))


async def _legality_resumed(life: Life) -> None:
    case = life.cases["legality"]
    await life.tells("cjs-justice-officer", f"恢复 个案{case} 今天", "已恢复")
    (one,) = life.books.of_case(case)
    one.due = working(one.opens, 15, (date(2026, 5, 18), life.today))


async def _penalty(life: Life) -> None:
    await life.opened(
        "cjs-urban-head", f"行政处罚 {life.today} 作出", "cjs-urban", "licence-penalty-publication", life.today
    )


async def _opinion_to_correct(life: Life) -> None:
    on = life.today - 10 * DAY
    life.cases["wrong day"] = await life.opened(
        CITY, f"意见书 昌吉市水利局 {on} 收到", "cjs-water", "opinion-letter-rectification", on
    )


async def _opinion_corrected(life: Life) -> None:
    """Meanwhile the right seemed to have lapsed; it has not."""
    case, on = life.cases["wrong day"], life.today - 9 * DAY
    assert all(one.state == State.CANCELLED for one in life.books.of_case(case) if one.duty.code in RIGHTS)
    await life.tells(CITY, f"更正 个案{case} {on} 收到", "已更正", "原为")
    life.clocks(case, "cjs-water", "opinion-letter-rectification", on)
    for one in life.books.of_case(case):
        if one.duty.code in RIGHTS:
            one.state = State.PENDING


async def _penalty_by_mistake(life: Life) -> None:
    life.cases["mistake"] = await life.opened(
        "cjs-water-head", f"行政处罚 {life.today} 作出", "cjs-water", "licence-penalty-publication", life.today
    )


async def _withdrawn(life: Life) -> None:
    case = life.cases["mistake"]
    await life.tells(CITY, f"撤案 个案{case} 登记有误", "已撤案")
    for one in life.books.of_case(case):
        if one.open:
            one.state = State.CANCELLED


async def _assigned(life: Life) -> None:
    due = life.today + 20 * DAY
    await life.tells(CITY, f"立案 交办 昌吉市政府办 限{due}前 清理执法台账", "请核对")
    answer = await life.tells(CITY, "确认", "已立案")
    case = re.search(r"个案(\d+)", answer)
    assert case
    life.clocks(case[1], "cjs-office", "assignment", life.today, due)
    await life.books.learn()


EVENTS: dict[date, Callable[[Life], Awaitable[None]]] = {
    date(2026, 2, 3): _opinion_objected,
    date(2026, 3, 10): _opinion_not_objected,
    date(2026, 4, 14): _opinion_recorded_late,
    date(2026, 5, 12): _legality_opened,
    date(2026, 5, 18): _legality_paused,
    date(2026, 6, 8): _legality_resumed,
    date(2026, 6, 16): _penalty,
    date(2026, 6, 23): _opinion_to_correct,
    date(2026, 7, 2): _opinion_corrected,
    date(2026, 7, 14): _penalty_by_mistake,
    date(2026, 7, 16): _withdrawn,
    date(2026, 9, 8): _assigned,
}


async def _day(life: Life, watch: Watch) -> None:
    today = life.today
    life.books.night(today)
    await life.go_to(f"{today} 10:00")
    await life.books.learn()
    await watch.morning()
    await watch.healthy()
    if not workday(today):
        return
    if today in EVENTS:
        await EVENTS[today](life)
    for unit in TEMPERS:
        await life.answered(unit)
    if today.weekday() == 2:
        await _supervised(life, watch)
    await watch.evening()
    if today == _last_workday(today.year, today.month):
        await watch.month_end()


async def _supervised(life: Life, watch: Watch) -> None:
    """The supervisors' day, with a second look in the afternoon: what they did is told the same day."""
    await life.verified()
    if life.today.day <= SOON:
        await life.waived()
    await life.wrote_letters()
    life.now = max(life.now, at(f"{life.today} 16:00"))
    await life.bot.step()
    await watch.morning()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_year_in_the_life(seed: int, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/year.db"
    await fill(url)
    async with opened(url):
        life = Life(MemoryAdapter("webchat"), at(f"{FIRST} 09:00"))
        life.begin(seed)
        await roster_rows.apply(ROSTER, "test", life.now, 600)
        await seats.bind_everyone("webchat", life.now)
        watch, life.today = Watch(life), FIRST
        while life.today <= LAST:
            if life.today.toordinal() not in OUTAGE:
                await _day(life, watch)
            life.today += DAY
        await watch.ledger()
        await _everything_happened(life)
        await life.bot.delivery.close()


async def _everything_happened(life: Life) -> None:
    """The year was worth watching: every state, every kind of act, every kind of letter."""
    assert {one.state for one in life.books.owed.values() if one.opens <= LAST} == set(State)
    rows = await fetch("SELECT DISTINCT action FROM entry")
    assert {row["action"] for row in rows} >= ACTS
    rows = await fetch("SELECT DISTINCT paper FROM letter WHERE state = 'served'")
    assert {row["paper"] for row in rows} >= {"urging", "opinion", "interview"}


ACTS = {
    "acknowledge", "amend", "cancel", "close", "count", "draft", "issue", "open", "pause", "plan", "recall", "refused",
    "reopen", "report", "resume", "return", "serve", "undo", "waive", "wave", "withdraw",
}  # fmt: skip
