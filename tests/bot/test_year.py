"""A year in the life: the shipped registry, nine units that answer each in their way, fifteen months of days checked.

The people are drawn with a seed: one in the suite, on SQLite. `make year` lives more years, on both databases:

    DUBAN_YEAR_SEEDS=1,2,3 DUBAN_YEAR_DATABASES=sqlite,postgresql pytest -n0 tests/bot/test_year.py
"""

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapters.memory import MemoryAdapter
from bot.app import Law
from bot.store import seats
from duties import reminding
from duties.ledger import Verifier
from duties.model import State
from duties.paper import Paper
from duties.registry import Registry
from duties.store import chains, roster_rows, verifying
from duties.store.database import as_date, fetch, opened
from duties.workdays import WorkCalendar
from tests import almanac
from tests.almanac import DAY, RIGHTS
from tests.bot.play import LAW, at
from tests.bot.templates import fill
from tests.bot.year import (
    ABOLISHED,
    CITY,
    CITY_UNITS,
    FIRST,
    LAST,
    NAMES,
    NEW,
    NEW_FILE,
    NEXT_YEAR,
    PREFECTURE,
    REPEALED,
    REPEALED_FROM,
    TEMPERS,
    UNITS,
    Event,
    Life,
    Owed,
    longer,
    roster,
)  # fmt: skip

SEEDS = [int(seed) for seed in os.environ.get("DUBAN_YEAR_SEEDS", "2026").split(",")]
DATABASES = os.environ.get("DUBAN_YEAR_DATABASES", "sqlite").split(",")
OUTAGE = range(date(2026, 8, 10).toordinal(), date(2026, 8, 17).toordinal())
"""A week in which the bot does not run."""
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
        self.raised = 0
        self.reminders: set[tuple[Any, ...]] = set()
        self.read = 0
        self.digested = date.min
        self.week = date.min
        self.states: set[State] = set()
        """Those that something was in at a month's end."""

    async def morning(self) -> None:
        """After the first wave of a day: who was told of what, when the books are still as they were before it."""
        await self.told()
        await self._nobody_forgotten()
        self._digests()

    async def told(self) -> None:
        """After any wave."""
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
            assert self.life.books.almanac.workday(today), told
            assert one.open, told
            assert self.life.books.parts[int(share)].open if (share := row["audience"].partition("/")[2]) else True, (
                told
            )
            assert one.opens <= today, told
            assert as_date(row["due"]) == one.due, told
            assert row["code"] in self.life.recipients(one, row["audience"], SUPERVISORS[one.unit]), told
            once = (row["code"], row["obligation_id"], as_date(row["due"]), row["rung"], row["audience"])
            assert once not in self.said, told
            self.said.add(once)

    async def _nobody_forgotten(self) -> None:
        """Every rung of today, of everything open, is a reminder for everybody whom it speaks to."""
        life, today = self.life, self.life.today
        if not life.books.almanac.workday(today):
            return
        rows = await fetch(
            "SELECT id, obligation_id, due, rung, audience FROM reminder WHERE id > :last", last=self.raised
        )
        self.raised = max((row["id"] for row in rows), default=self.raised)
        for row in rows:
            if share := row["audience"].partition("/")[2]:
                assert life.books.parts[int(share)].open, f"{today} {row}"
        self.reminders |= {(row["obligation_id"], as_date(row["due"]), row["rung"], row["audience"]) for row in rows}
        for one in life.books.now(today):
            if not one.open:
                continue
            for rung, audience in (*rungs_today(one, today, life.books.almanac), *_partners_today(one, today, life)):
                assert (one.number, one.due, rung, audience) in self.reminders, f"{today} {rung} {audience} {one}"
            if one.counted and (checkpoint := _checkpoint(one, today, life.books.almanac)):
                raised = (one.number, one.due, checkpoint, "head") in self.reminders
                assert raised == slow(one, today, life.books.almanac), f"{today} {checkpoint} {one}"

    def _digests(self) -> None:
        """日报 once on a working day at most, 周报 once in a week, both with the figures of the books."""
        life, today = self.life, self.life.today
        told = [sent.text for sent in life.told(CITY)[self.read :]]
        self.read = len(life.told(CITY))
        seen = life.books.now(today, CITY_UNITS)
        waiting = sum(one.state == State.REPORTED for one in seen)
        daily = [text for text in told if text.startswith("【日报】")]
        weekly = [text for text in told if text.startswith("【周报】")]
        week = today - today.weekday() * DAY
        if not life.books.almanac.workday(today) or not life.subscribed:
            assert not daily + weekly, f"{today}: {daily}{weekly}"
            self.digested, self.week = (today, week) if not life.subscribed else (self.digested, self.week)
            return
        assert len(daily) <= 1, daily
        new = [one for one in seen if one.open and self.digested <= one.due < today]
        through = max(today + 3 * DAY, life.books.almanac.rolled(today + DAY))
        soon = [one for one in seen if one.state == State.PENDING and today <= one.due <= through]
        figures = [len(new), len(soon), waiting]
        found = _ints(re.search(r"新逾期 (\d+) 项，临期未签收 (\d+) 项，待核验 (\d+) 项", "".join(daily)))
        assert found == (figures if any(figures) else []), f"{today}: {daily} {figures}"
        self.digested = today
        assert len(weekly) == (week != self.week), f"{today}: {weekly}"
        self.week = week
        for text in weekly:
            late = sum(one.late(today) for one in seen)
            assert _ints(re.search(r"在办 (\d+) 项，其中逾期 (\d+) 项；待核验 (\d+) 项", text)) == [
                sum(one.open for one in seen), late, waiting,
            ], text  # fmt: skip

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
            assert Paper(row["paper"]) in one.papers(), f"{row} {one.key}"
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
        self.states |= {one.state for one in self.life.books.now(self.life.today)}
        for who, units in ((CITY, CITY_UNITS), (PREFECTURE, (*UNITS, NEW))):
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
            for one in self.life.books.planned(self.life.today)
        }
        different = {key: (found.get(key), booked.get(key)) for key in found.keys() | booked.keys()}
        different = {key: both for key, both in different.items() if both[0] != both[1]}
        assert not different, f"{self.life.today}: {different}"
        shares = await fetch("SELECT s.id, s.state FROM share s")
        assert {row["id"]: row["state"] for row in shares} == {
            number: str(part.state) for number, part in self.life.books.parts.items()
        }, self.life.today

    async def _figures(self, who: str, seen: list[Owed]) -> None:
        today = self.life.today
        late = [one for one in seen if one.late(today)]
        answer = await self.life.tells(who, "逾期")
        head = re.search(r"逾期 (\d+) 项，涉及 (\d+) 个单位", answer)
        assert _ints(head) == ([len(late), len({one.unit for one in late})] if late else []), answer
        waiting = sum(one.state == State.REPORTED for one in seen)
        assert _ints(re.search(r"另有 (\d+) 项已报结", answer)) == ([waiting] if waiting else []), answer
        helping = sum(part.unit in {unit.unit for unit in seen} for one in late for part in one.unanswered)
        assert _ints(re.search(r"另有配合未答且已过期 (\d+) 项", answer)) == ([helping] if helping else []), answer
        answer = await self.life.tells(who, "灯")
        assert _ints(re.search(r"红灯 (\d+)，黄灯 (\d+)，绿灯 (\d+)，共 (\d+)", answer)) == lights(
            seen, today, self.life.books.almanac
        ), answer
        counted = [one for one in seen if one.counted and one.due >= today and one.state not in GONE]
        answer = await self.life.tells(who, "进度")
        behind = sum(slow(one, today, self.life.books.almanac) for one in counted)
        assert _ints(re.search(r"计数事项 (\d+) 项，落后于进度 (\d+) 项", answer)) == [len(counted), behind], answer
        for one in counted:
            _same_pace(
                one, [each for each in counted if each.key[1:] == one.key[1:]], today, answer, self.life.books.almanac
            )
        await self._points(who, seen)

    async def _points(self, who: str, seen: list[Owed]) -> None:
        """What the supervisor wrote down this year, added up."""
        answer = await self.life.tells(who, "积分")
        for unit in {one.unit for one in seen}:
            hundredths = self.life.books.points.get(f"{unit} {self.life.today.year}", 0)
            found = re.search(rf"{NAMES[unit]} ([+−]?)([\d.]+) 分", answer)
            said = round(float(found[2]) * 100) * (-1 if found[1] == "−" else 1) if found else 0
            assert said == hundredths, answer

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


@cache
def _ladder(days: almanac.Almanac, duty: str, aim: date, due: date) -> dict[date, list[str]]:
    found: dict[date, list[str]] = {}
    for rung, day in almanac.rungs(days, duty, aim, due, LAST + 60 * DAY):
        found.setdefault(day, []).append(rung)
    return found


def rungs_today(one: Owed, today: date, days: almanac.Almanac) -> list[tuple[str, str]]:
    """The rungs of a day and whom they speak to."""
    spoken = []
    for code in _ladder(days, one.duty, one.aim, one.due).get(today, ()):
        rung = almanac.rung(one.duty, code)
        told = rung["acknowledged"] if one.state == State.ACKNOWLEDGED else rung["audience"]
        spoken += [(code, audience) for audience in told]
    return spoken


def _partners_today(one: Owed, today: date, life: Life) -> list[tuple[str, str]]:
    """The same for partners that have not answered: each hears what a lead in its state would."""
    return [
        (rung, f"{audience}/{part.number}")
        for part in one.unanswered
        for rung, audience in rungs_today(replace(one, state=State(part.state)), today, life.books.almanac)
        if audience in ("head", "officer")
    ]


def _checkpoint(one: Owed, today: date, days: almanac.Almanac) -> str:
    """The pace checkpoint of a day, if it is one."""
    rule = one.counted
    assert rule is not None
    months = [month for month in rule["checkpoints"] if _last_workday(one.opens.year, month, days) == today]
    return f"P{months[0]:02d}" if months else ""


def expected(one: Owed, today: date, days: almanac.Almanac) -> int:
    """How many of a counted duty should be there, by the checkpoints that have passed."""
    rule = one.counted
    assert rule is not None
    passed = [month for month in rule["checkpoints"] if _last_workday(today.year, month, days) <= today]
    if not passed:
        return 0
    if rule.get("per", "unit") == "member":
        return one.target
    pace = rule.get("pace_months", 12)
    may_lack: int = rule["at_least"] * max(0, pace - max(passed)) // pace
    return max(0, one.target - may_lack)


def _last_workday(year: int, month: int, days: almanac.Almanac) -> date:
    return days.before(date(year + month // 12, month % 12 + 1, 1) - DAY)


def slow(one: Owed, today: date, days: almanac.Almanac) -> bool:
    return one.open and one.counted is not None and one.due >= today and one.tally < expected(one, today, days)


def lights(seen: list[Owed], today: date, days: almanac.Almanac) -> list[int]:
    """Red, yellow and green units, and all of those that owe something."""
    red, yellow, owing = set(), set(), set()
    for one in seen:
        if one.open or (one.state not in GONE and one.due.year >= today.year):
            owing.add(one.unit)
        if one.late(today):
            red.add(one.unit)
        elif one.open and ((one.due - today).days <= SOON or one.state == State.RETURNED or slow(one, today, days)):
            yellow.add(one.unit)
    return [len(red), len(yellow - red), len(owing - red - yellow), len(owing)]


def _same_pace(one: Owed, alike: list[Owed], today: date, answer: str, days: almanac.Almanac) -> None:
    line = next(line for line in answer.splitlines() if line.startswith(f"■ {one.about['title']}（"))
    tally, target = sum(each.tally for each in alike), sum(each.target for each in alike)
    wanted, behind = sum(expected(each, today, days) for each in alike), sum(slow(each, today, days) for each in alike)
    if len(alike) > 1 and one.by_unit:
        found = re.search(r"(\d+) 个单位：累计 (\d+)/(\d+) .*至今应达 (\d+)，落后 (\d+) 个单位", line)
        assert _ints(found) == [len(alike), tally, target, wanted, behind], line
    elif len(alike) > 1:
        met = sum(each.tally >= each.target for each in alike)
        assert _ints(re.search(r"已达标 (\d+) 个，落后 (\d+) 个", line)) == [met, behind], line
    elif one.by_unit:
        assert _ints(re.search(r"(\d+)/(\d+) .*至今应达 (\d+)", line)) == [tally, target, wanted], line
        assert ("不落后" not in line) == bool(behind), line
    else:
        assert ("尚未全部达标" not in line) == (tally >= target), line


# What happens once. Each is told on its day, before the units' own work.

Told = Callable[[Life], Awaitable[None]]


def case(who: str, words: str, unit: str, duty: str, *, ago: int = 0, name: str = "") -> Told:
    """A case is opened: its event was some days ago. `name`: what it is called later."""

    async def told(life: Life) -> None:
        on = life.today - ago * DAY
        life.cases[name] = await life.opened(who, words.format(on=on), unit, duty, Event(on))

    return told


async def _opinion_objected(life: Life) -> None:
    await case(CITY, "意见书 昌吉市城市管理局 {on} 收到", "cjs-urban", OPINION, name="objected")(life)
    right = life.books.owed["cjs-urban", "opinion-letter-objection", f"C{life.cases['objected']}"]
    right.act_on = life.today + 8 * DAY


async def _legality_paused(life: Life) -> None:
    """Something is missing: the clock stands, and the unit that drafted it owes the rest."""
    number = life.cases["legality"]
    await life.tells("cjs-justice-officer", f"暂停 个案{number} 今天", "由哪个单位补正材料")
    await life.tells("cjs-justice-officer", "仅暂停", "已暂停")
    life.books.events[number].spells.append((life.today, life.today + 366 * DAY))
    life.books.recount(number, life.today)


async def _materials_wanted(life: Life) -> None:
    number = life.cases["legality"]
    wanted = await life.opened(
        CITY, f"补正 个案{number} 昌吉市城市管理局 今天", "cjs-urban", "legality-materials", Event(life.today)
    )
    life.parents[f"C{wanted}"] = number


async def _legality_resumed(life: Life) -> None:
    number = life.cases["again"]
    await life.tells("cjs-justice-officer", f"恢复 个案{number} 今天", "已恢复")
    noticed, _ = life.books.events[number].spells[-1]
    life.books.events[number].spells[-1] = (noticed, life.today)
    life.books.recount(number, life.today)


async def _again_paused(life: Life) -> None:
    number = life.cases["again"]
    await life.tells("cjs-justice-officer", f"暂停 个案{number} 今天", "由哪个单位补正材料")
    await life.tells("cjs-justice-officer", "仅暂停", "已暂停")
    life.books.events[number].spells.append((life.today, life.today + 366 * DAY))
    life.books.recount(number, life.today)


async def _opinion_corrected(life: Life) -> None:
    """Meanwhile the right seemed to have lapsed; it has not."""
    number, on = life.cases["wrong day"], life.today - 9 * DAY
    assert all(one.state == State.CANCELLED for one in life.books.of_case(number) if one.duty in RIGHTS)
    await life.tells(CITY, f"更正 个案{number} {on} 收到", "已更正", "原为")
    life.books.events[number].on = on
    life.books.recount(number, life.today)
    assert all(one.state == State.PENDING for one in life.books.of_case(number) if one.duty in RIGHTS)


async def _withdrawn(life: Life) -> None:
    number = life.cases["mistake"]
    await life.tells(CITY, f"撤案 个案{number} 登记有误", "已撤案")
    life.books.events[number].withdrawn = True
    for one in life.books.of_case(number):
        if one.open:
            one.state = State.CANCELLED


async def _assigned(life: Life) -> None:
    due = life.today + 20 * DAY
    await life.tells(CITY, f"立案 交办 昌吉市政府办 限{due}前 清理执法台账", "请核对")
    answer = await life.tells(CITY, "确认", "已立案")
    found = re.search(r"个案(\d+)", answer)
    assert found
    life.cases["task"] = found[1]
    await life.clocks(found[1], "cjs-office", "assignment", Event(life.today, due))


async def _extended(life: Life) -> None:
    """The unit asks for another week, and is given it."""
    (one,) = life.books.of_case(life.cases["task"])
    later = one.due + 7 * DAY
    await life.tells("cjs-office-head", f"申请延期 #{one.number} 至{later} 台账太多", "已提出申请", "答复前仍以")
    request = await fetch("SELECT MAX(id) AS id FROM request")
    await life.tells(CITY, f"同意 申请{request[0]['id']}", "已同意申请", "延期")
    life.books.events[life.cases["task"]].named = later
    life.books.recount(life.cases["task"], life.today)


async def _let_off(life: Life) -> None:
    """A unit asks to be let off, and is; another asks, and is not."""
    for unit, answer in (("cjs-water", "同意"), ("cjs-office", "不同意")):
        open_ones = [one for one in life.books.now(life.today, (unit,)) if one.open and not one.counted]
        if not open_ones:
            continue
        one = open_ones[-1]
        await life.tells(f"{unit}-officer", f"申请免办 #{one.number} 职责已划出", "已提出申请")
        (request,) = await fetch("SELECT MAX(id) AS id FROM request")
        why = "" if answer == "同意" else " 仍须办理"
        await life.tells(CITY, f"{answer} 申请{request['id']}{why}", answer)
        if answer == "同意":
            one.state, one.until = State.WAIVED, None


async def _away(life: Life) -> None:
    """The head is away for seven weeks, and the officer stands in."""
    until = date(2026, 11, 4)
    await life.tells("cjs-gov-head", f"委托 cjs-gov-officer {life.today}至{until}", "已委托")
    life.standing_in = ("cjs-gov", life.today, until)


async def _handed_over(life: Life) -> None:
    one = next(one for one in life.books.now(life.today, ("cjs-urban",)) if one.open)
    await life.tells("cjs-urban-head", f"转办 #{one.number} cjs-urban-officer", "已转办")
    await life.tells("cjs-urban-head", f"转办 #{one.number} 取消", "已取消转办")


async def _scored(life: Life) -> None:
    for unit, words, hundredths in (
        ("cjs-water", "扣分 昌吉市水利局 0.5", -50),
        ("cjs-urban", "加分 昌吉市城管局 1", 100),
    ):
        await life.tells(CITY, f"{words} 年终评查", "已记分")
        key = f"{unit} {life.today.year}"
        life.books.points[key] = life.books.points.get(key, 0) + hundredths


async def _subscribed(life: Life) -> None:
    await life.tells(CITY, "订阅 日报 周报", "已订阅日报", "已订阅周报")
    life.subscribed = True


async def _founded(life: Life) -> None:
    """A bureau is entered in the roster, with the people who answer for it."""
    life.books.founded()
    await _entered(life, NEW_FILE)


async def _abolished(life: Life) -> None:
    await _entered(life, {**NEW_FILE, "to": ABOLISHED})
    life.books.abolished()


async def _entered(life: Life, *more: Any) -> None:
    await roster_rows.apply(roster(*more), "test", life.now, 600, today=life.today)
    await seats.bind_everyone("webchat", life.now)
    await life.bot.step()
    await life.books.learn()


async def _repealed(life: Life) -> None:
    """The registry that is installed says that a duty ended: what is planned stays, nothing is added."""
    before = life.bot.law
    duties = dict(before.registry.by_code)
    ended = tuple(one.model_copy(update={"in_force_to": REPEALED_FROM}) for one in duties[REPEALED].scope)
    duties[REPEALED] = duties[REPEALED].model_copy(update={"scope": ended})
    registry = Registry(
        before.registry.documents, before.registry.provisions, duties, before.registry.ladders,
        before.registry.questions, before.registry.grounds,
    )  # fmt: skip
    life.books.repeal(life.today)
    await life.restart(Law(registry, before.workdays))


def arrangement(year: Mapping[str, Any]) -> Told:
    """The operator writes down what the State Council has announced, and starts the bot again."""

    async def told(life: Life) -> None:
        extra = life.folder / "holidays.toml"
        extra.write_text(_as_toml(year), encoding="utf-8")
        life.books.arranged(year, life.today)
        await life.restart(Law(life.bot.law.registry, WorkCalendar.load(extra)))

    return told


def _as_toml(year: Mapping[str, Any]) -> str:
    rows = []
    for one in year["2027"]["holiday"]:
        worked = ", ".join(map(str, one.get("work", ())))
        names = f'name_zh = "{one["name_zh"]}", name_en = "{one["name_en"]}"'
        rows.append(f"    {{ {names}, first = {one['first']}, last = {one['last']}, work = [{worked}] }},")
    notice = '[{ title = "国务院办公厅关于2027年部分节假日安排的通知", issued = 2026-11-10 }]'
    return "\n".join([f"[2027]\nnotice = {notice}\nholiday = [", *rows, "]\n"])


OPINION = "opinion-letter-rectification"
EVENTS: dict[date, Told] = {
    date(2026, 1, 6): _subscribed,
    date(2026, 2, 3): _opinion_objected,
    date(2026, 3, 10): case(CITY, "意见书 昌吉市水利局 {on} 收到", "cjs-water", OPINION),
    date(2026, 3, 12): case(CITY, "暂扣 昌吉市城市管理局 {on} 作出", "cjs-urban", "certificate-suspension"),
    date(2026, 3, 17): case(CITY, "败诉 榆树沟镇 {on} 收到", "cjs-yushugou", "losing-case-report"),
    date(2026, 4, 9): _handed_over,
    date(2026, 4, 14): case(CITY, "意见书 榆树沟镇 {on} 收到", "cjs-yushugou", OPINION, ago=25),
    date(2026, 4, 20): _founded,
    date(2026, 4, 28): case("cjs-water-head", "其他决定 {on} 作出", "cjs-water", "decision-publication"),
    date(2026, 5, 12): case(
        "cjs-justice-officer", "合法性审核 昌吉市司法局 {on}", "cjs-justice", "legality-review", name="legality"
    ),
    date(2026, 5, 18): _legality_paused,
    date(2026, 5, 19): _materials_wanted,
    date(2026, 5, 26): _let_off,
    date(2026, 6, 4): _repealed,
    date(2026, 6, 11): case(CITY, "及时 昌吉市水利局 {on} 公开投诉渠道", "cjs-water", "promptly"),
    date(2026, 6, 16): case("cjs-urban-head", "行政处罚 {on} 作出", "cjs-urban", "licence-penalty-publication"),
    date(2026, 6, 23): case(CITY, "意见书 昌吉市水利局 {on} 收到", "cjs-water", OPINION, ago=17, name="wrong day"),
    date(2026, 7, 2): _opinion_corrected,
    date(2026, 7, 14): case(
        "cjs-water-head", "行政处罚 {on} 作出", "cjs-water", "licence-penalty-publication", name="mistake"
    ),
    date(2026, 7, 16): _withdrawn,
    date(2026, 9, 8): _assigned,
    date(2026, 9, 14): _away,
    date(2026, 9, 16): _extended,
    date(2026, 9, 22): case(
        "cjs-justice-officer", "再次审核 昌吉市司法局 {on}", "cjs-justice", "legality-re-review", name="again"
    ),
    date(2026, 9, 24): _again_paused,
    date(2026, 10, 13): _legality_resumed,
    date(2026, 11, 12): arrangement(NEXT_YEAR),
    date(2026, 11, 16): _abolished,
    date(2026, 12, 8): _scored,
    date(2026, 12, 22): case(CITY, "暂扣 昌吉市水利局 {on} 作出", "cjs-water", "certificate-suspension"),
    date(2027, 1, 12): case(
        "cjs-urban-head", "其他决定 {on} 作出", "cjs-urban", "decision-publication", name="spanning"
    ),
    date(2027, 2, 3): arrangement(longer(NEXT_YEAR)),
    date(2027, 3, 2): _scored,
}


async def _day(life: Life, watch: Watch) -> None:
    today = life.today
    life.books.night(today)
    await life.go_to(f"{today} 10:00")
    await life.books.learn()
    await watch.morning()
    await watch.healthy()
    if not life.books.almanac.workday(today):
        return
    if today in EVENTS:
        await EVENTS[today](life)
        await watch.told()
    for unit in TEMPERS:
        await life.answered(unit)
    if today.weekday() == 2:
        await _supervised(life, watch)
    await watch.evening()
    if today == _last_workday(today.year, today.month, life.books.almanac):
        await watch.month_end()


async def _supervised(life: Life, watch: Watch) -> None:
    """The supervisors' day, with a second look in the afternoon: what they did is told the same day."""
    await life.verified()
    if life.today.day <= SOON:
        await life.waived()
    await life.wrote_letters()
    life.now = max(life.now, at(f"{life.today} 16:00"))
    await life.bot.step()
    await watch.told()


@pytest.mark.parametrize("database_url", DATABASES, indirect=True)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_year_in_the_life(seed: int, database_url: str, tmp_path: Path) -> None:
    await fill(database_url)
    async with opened(database_url):
        life = Life(MemoryAdapter("webchat"), at(f"{FIRST} 09:00"))
        life.begin(seed, tmp_path)
        await roster_rows.apply(roster(), "test", life.now, 600, today=FIRST)
        await seats.bind_everyone("webchat", life.now)
        watch, life.today = Watch(life), FIRST
        while life.today <= LAST:
            if life.today.toordinal() not in OUTAGE:
                await _day(life, watch)
            life.today += DAY
        await watch.ledger()
        await _everything_happened(life, watch.states)
        await life.bot.delivery.close()


async def _everything_happened(life: Life, states: set[State]) -> None:
    """The year was worth watching: every state, every kind of event and act, every kind of letter."""
    assert states == set(State)
    assert {code for code, duty in almanac.duties().items() if duty["rule"]["kind"] == "event"} == {
        one.duty for one in life.books.owed.values() if one.label.startswith("C")
    }
    rows = await fetch("SELECT DISTINCT action FROM entry")
    assert {row["action"] for row in rows} >= ACTS
    rows = await fetch("SELECT DISTINCT paper FROM letter WHERE state = 'served'")
    assert {row["paper"] for row in rows} >= {"urging", "opinion", "interview"}


ACTS = {
    "acknowledge", "amend", "approve", "assign", "ask-extension", "ask-waiver", "calendar", "cancel", "check", "close",
    "count",
    "credit", "deduct", "delegate", "draft", "issue", "open", "pause", "plan", "recall", "refused", "reject", "reopen",
    "report", "resume", "return", "serve", "share-acknowledge", "share-answer", "undo", "waive", "wave", "withdraw",
}  # fmt: skip
