"""A year in the life of eight units: who answers how, and a second set of books kept in plain Python.

The books know what is owed from the rules alone, and what became of it from what the people here said and were
answered. They never ask the database for a state: the test compares the two.
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from duties.escalation import STARTS, allowed
from duties.model import Force, State
from duties.paper import Paper
from duties.registry import CountedRule, Duty, EventRule
from duties.schedule import terms
from duties.store.database import fetch
from tests.bot.play import LAW, SAMPLE, Play

DAY = timedelta(days=1)
FIRST, LAST = date(2026, 1, 1), date(2027, 3, 31)
HORIZON = timedelta(days=400)
CITY, PREFECTURE = "cjs-justice-supervisor", "cjz-justice-supervisor"
UNITS = (
    "cjz-gov", "cjz-justice", "cjs-gov", "cjs-office", "cjs-justice", "cjs-urban", "cjs-water", "cjs-yushugou",
)  # fmt: skip
ROSTER = replace(SAMPLE, units=tuple(unit for unit in SAMPLE.units if unit.code in UNITS))
NAMES = {unit.code: unit.name for unit in ROSTER.units}
CITY_UNITS = tuple(code for code in UNITS if code.startswith("cjs-"))
OPEN = frozenset({State.PENDING, State.ACKNOWLEDGED, State.RETURNED})
RIGHTS = frozenset(
    duty.code for duty in LAW.registry.duties if isinstance(duty.rule, EventRule) and duty.rule.lapses
)  # fmt: skip
Key = tuple[str, str, str]
"""Unit, duty, term."""


@dataclass
class Owed:
    """One unit's share of a term, as the books have it."""

    unit: str
    duty: Duty
    label: str
    opens: date
    due: date
    force: Force
    target: int = 1
    state: State = State.PENDING
    tally: int = 0
    done_on: date | None = None
    until: date | None = None
    held: list[date] = field(default_factory=list)
    act_on: date | None = None
    back: int = 0
    number: int = 0

    @property
    def key(self) -> Key:
        return self.unit, self.duty.code, self.label

    @property
    def counted(self) -> CountedRule | None:
        """The rule, where something is counted."""
        return self.duty.rule if isinstance(self.duty.rule, CountedRule) else None

    @property
    def open(self) -> bool:
        return self.state in OPEN

    def late(self, today: date) -> bool:
        return self.open and self.due < today


def _jurisdictions(unit: str) -> list[str]:
    return next(str(one.jurisdiction) for one in ROSTER.units if one.code == unit).split("/")


def _tags(unit: str) -> set[str]:
    return {str(entry.tag) for one in ROSTER.units if one.code == unit for entry in one.tags}


def _bound(duty: Duty, jurisdiction: str) -> list[str]:
    """The units that a scope of a duty binds. A joint duty is led by the first of its tags that any unit has."""
    scope = next(one for one in duty.scope if one.jurisdiction == jurisdiction)
    there = [unit for unit in UNITS if jurisdiction in _jurisdictions(unit)]
    by_tag = [[unit for unit in there if tag == "*" or str(tag) in _tags(unit)] for tag in scope.tags]
    if scope.joint:
        return next((units for units in by_tag if units), [])
    return [unit for unit in there if any(unit in units for units in by_tag)]


def expanded() -> dict[Key, Owed]:
    """Everything the rules make these units owe until the last day's horizon: each term once for each unit."""
    found: dict[Key, Owed] = {}
    for duty in LAW.registry.duties:
        for term in sorted(terms(duty, FIRST, LAST + HORIZON + HORIZON), key=lambda one: one.due):
            if term.opens > LAST + HORIZON:
                continue
            rule = duty.rule
            target = rule.at_least if isinstance(rule, CountedRule) and rule.per != "member" else 1
            for unit in _bound(duty, term.jurisdiction):
                one = Owed(unit, duty, term.label, term.opens, term.due, term.force, target)
                found.setdefault(one.key, one)
    return found


def workday(day: date) -> bool:
    return LAW.workdays.is_workday(day)


def rolled(day: date) -> date:
    """The working day on which a period that ends on this day ends."""
    while not workday(day):
        day += DAY
    return day


def working(on: date, length: int, standing: tuple[date, date] | None = None) -> date:
    """The day so many working days after another; days on which the clock stands do not count."""
    day = on
    while length:
        day += DAY
        stands = standing is not None and standing[0] < day <= standing[1]
        length -= workday(day) and not stands
    return day


@dataclass(frozen=True)
class Temper:
    """How a unit answers: the days from a deadline to its report, how likely it acknowledges, when it is away.

    `reports` None is never. `eager` scales how often it counts what is counted.
    """

    reports: tuple[int, int] | None
    acknowledges: float = 0.0
    eager: float = 1.0
    backdates: float = 0.0
    wrong: bool = False
    away: tuple[tuple[date, date], ...] = ()

    def here(self, day: date) -> bool:
        return not any(first <= day <= last for first, last in self.away)


ON_LEAVE = ((date(2026, 3, 16), date(2026, 4, 30)), (date(2026, 9, 14), date(2026, 11, 4)))
TEMPERS = {
    "cjs-urban": Temper((-12, -1), 1.0, 1.3),
    "cjs-justice": Temper((-8, 0), 0.7, 1.2),
    "cjs-water": Temper((1, 45), 0.3, 0.7, backdates=0.3),
    "cjs-yushugou": Temper((-4, 8), 0.5, 0.9, wrong=True),
    "cjs-gov": Temper((-9, -1), 0.9, 1.0, away=ON_LEAVE),
    "cjs-office": Temper(None),
    "cjz-gov": Temper(None),
    "cjz-justice": Temper((-3, 30), 0.4, 1.0, backdates=0.2),
}


class Books:
    """What is owed and what became of it. `night` is what happens by itself when a day begins."""

    def __init__(self) -> None:
        self.owed = expanded()
        self.numbers: dict[int, Owed] = {}

    async def learn(self) -> None:
        """Look up the numbers that people would read in their messages."""
        for row in await fetch(
            "SELECT o.id, u.code, t.duty, t.label FROM obligation o JOIN term t ON t.id = o.term_id"
            " JOIN unit u ON u.id = o.unit_id"
        ):
            one = self.owed.get((row["code"], row["duty"], row["label"]))
            assert one is not None, f"nobody made {row} owed"
            one.number = row["id"]
            self.numbers[row["id"]] = one

    def night(self, today: date) -> None:
        """Waivers end, rights that were not used lapse."""
        for one in self.owed.values():
            if one.state == State.WAIVED and one.until is not None and one.until < today:
                one.state = State.PENDING
            if one.open and one.duty.code in RIGHTS and one.due < today:
                one.state = State.CANCELLED

    def now(self, today: date, units: Iterable[str] = UNITS) -> list[Owed]:
        """What has opened for these units, of the units' order."""
        wanted = set(units)
        return [one for one in self.owed.values() if one.unit in wanted and one.opens <= today]

    def starts(self, case: str, unit: str, duty: str, on: date, due: date) -> None:
        """A clock of a case."""
        found = LAW.registry.duty(duty)
        assert isinstance(found.rule, EventRule)
        one = Owed(unit, found, f"C{case}", on, due, found.rule.force)
        self.owed[one.key] = one
        if duty in RIGHTS and due < on:
            one.state = State.CANCELLED

    def of_case(self, case: str) -> list[Owed]:
        return [one for one in self.owed.values() if one.label == f"C{case}"]


class Life(Play):
    """The bot with its people around it. Time runs a minute with every message."""

    books: Books
    rng: random.Random
    today: date
    unread: dict[str, int]
    serial: int = 0
    cases: dict[str, str]
    letters: dict[str, tuple[str, Owed]]
    """Letters signed and not yet served: the paper, and what it is about."""

    def begin(self, seed: int) -> None:
        self.books, self.rng, self.unread = Books(), random.Random(seed), {}
        self.cases, self.letters = {}, {}

    async def tells(self, who: str, text: str, *expected: str) -> str:
        """Somebody writes, and is answered as expected."""
        self.now += timedelta(minutes=1)
        answer = await (self.says(who, action=text[2:]) if text.startswith("> ") else self.says(who, text))
        for part in expected:
            assert part in answer, f"{self.now:%Y-%m-%d} {who}: {text}\n{answer}"
        return answer

    def next_number(self) -> int:
        self.serial += 1
        return self.serial

    # What units do.

    async def answered(self, unit: str) -> None:
        """A unit's working day."""
        temper = TEMPERS[unit]
        if not temper.here(self.today):
            return
        await self._acknowledged(unit, temper)
        for one in self.books.now(self.today, (unit,)):
            if one.counted:
                await self._counted(one, temper)
            elif one.open and self._time_has_come(one, temper):
                if temper.wrong:
                    await self._blundered(one)
                await self._reported(one, temper)

    async def _acknowledged(self, unit: str, temper: Temper) -> None:
        """The button of what the officer was told since they last looked."""
        officer = f"{unit}-officer"
        told = self.told(officer)
        news = told[self.unread.get(officer, 0) :]
        self.unread[officer] = len(told)
        values = [button.value for one in news for button in one.buttons if button.value.startswith("acknowledge:")]
        for value in values:
            unseen = [
                one for number in value.partition(":")[2].split(",")
                if (one := self.books.numbers[int(number)]).unit == unit
                and one.state in (State.PENDING, State.RETURNED)
            ]  # fmt: skip
            if unseen and self.rng.random() < temper.acknowledges:
                await self.tells(officer, f"> {value}", "已签收")
                for one in unseen:
                    one.state = State.ACKNOWLEDGED

    def _time_has_come(self, one: Owed, temper: Temper) -> bool:
        if one.duty.code in RIGHTS and one.act_on is None:
            return False
        if one.act_on is None and temper.reports is not None:
            one.act_on = one.due + self.rng.randint(*temper.reports) * DAY
        return one.act_on is not None and one.act_on <= self.today

    async def _reported(self, one: Owed, temper: Temper) -> None:
        who = f"{one.unit}-{self.rng.choice(('head', 'officer'))}"
        before = one.state
        done_on = self.today
        if self.rng.random() < temper.backdates:
            done_on -= self.rng.randint(1, 12) * DAY
        shown = f"昌字〔2026〕{self.next_number()}号 {done_on} https://cj.example/{self.serial} 会议记录"
        if one.duty.may_be_empty and self.rng.random() < 0.3:
            shown, done_on = "本期无", self.today
        answer = await self.tells(who, f"完成 #{one.number} {shown}", "已报结", f"#{one.number}")
        one.state, one.done_on = State.REPORTED, done_on
        if one.duty.code == "opinion-letter-objection":
            number = _number(r"已自动立案：个案(\d+)", answer)
            self.books.starts(number, "cjs-justice", "objection-review", done_on, rolled(done_on + 15 * DAY))
            await self.books.learn()
        elif self.rng.random() < 0.05:
            await self.tells(who, "撤回", "已撤回", f"#{one.number}")
            one.state, one.done_on, one.act_on = before, None, self.today + 2 * DAY

    async def _blundered(self, one: Owed) -> None:
        """What people get wrong changes nothing."""
        other = next(each for each in self.books.owed.values() if each.unit == "cjs-urban" and each.number)
        texts = (
            "搞不懂这个怎么弄", "asdf jkl", "\U0001f44d", "完成", "签收 77", "完成 #999999 昌字〔2026〕1号",
            f"完成 #{other.number} 昌字〔2026〕1号 {self.today}", f"签收 #{other.number}",
            f"完成 #{one.number} 昌字〔2026〕1号 2026年2月30日", f"完成 #{one.number} 昌字〔2026〕1号 2099-01-01",
            f"销号 #{one.number}", f"免办 #{one.number} 太忙了", f"退回 #{one.number} 不是我的",
            f"拟稿 督办函 #{one.number}", "123456", "更正 个案1 2026-02-01", f"立案 意见书 {NAMES['cjs-water']} 今天",
            f"计数 #{one.number} 2026-13-45 学习", "> report:abc", "> nothing:1", "撤案 1 不要了",
        )  # fmt: skip
        before = await states()
        for text in self.rng.sample(texts, 2):
            answer = await self.tells(f"{one.unit}-officer", text)
            assert answer, f"no answer to {text!r}"
            await self.tells(f"{one.unit}-officer", "取消")
            assert await states() == before, f"{self.today} {one.key}: {text!r}\n{answer}"

    async def _counted(self, one: Owed, temper: Temper) -> None:
        rule = one.counted
        assert rule is not None
        if not one.open or temper.reports is None:
            return
        chance = temper.eager * (one.target if rule.per == "unit" else 2) / 240
        on = self.today
        if one.due < self.today:
            chance, on = 0.1, one.due - self.rng.randint(0, 60) * DAY
        if self.rng.random() >= chance:
            return
        who = f"{one.unit}-officer"
        if rule.per != "unit":
            await self._attested(one, who)
            return
        held = self.next_number()
        text = f"计数 #{one.number} {on} 会议：会议{held} 专题学习之{held}"
        await self.tells(who, text, "已计数", f"#{one.number}")
        one.tally += 1
        one.held.append(on)
        if one.tally >= one.target:
            one.state, one.done_on = State.REPORTED, max(one.held)

    async def _attested(self, one: Owed, who: str) -> None:
        if one.due < self.today:
            return  # attested as of today, which lies outside the term
        did = 8 if one.back else self.rng.choice((7, 8))
        await self.tells(who, f"完成 #{one.number} 应训8人，达标{did}人", "已记录")
        one.held.append(self.today)
        if did == 8:
            one.tally = one.target
            one.state, one.done_on = State.REPORTED, max(one.held)

    # What supervisors do.

    def seen_by(self, supervisor: str) -> list[Owed]:
        """What a supervisor verifies: of the justice bureau's own work, the one above."""
        own = [unit for unit in CITY_UNITS if unit != "cjs-justice"]
        rest = [unit for unit in UNITS if unit not in own]
        return self.books.now(self.today, own if supervisor == CITY else rest)

    async def verified(self) -> None:
        """A supervisor's look at what was reported: most is verified, some sent back, some left for next week."""
        for who in (CITY, PREFECTURE):
            for one in [one for one in self.seen_by(who) if one.state == State.REPORTED]:
                chance = self.rng.random()
                if chance < 0.6:
                    await self.tells(who, f"销号 #{one.number}", "已销号", f"#{one.number}")
                    one.state = State.CLOSED
                elif chance < 0.8 and one.back < 2 and self._returnable(one):
                    await self.tells(who, f"退回 #{one.number} 附件不全", "已退回", f"#{one.number}")
                    one.state, one.done_on, one.back = State.RETURNED, None, one.back + 1
                    one.act_on = self.today + self.rng.randint(1, 15) * DAY

    def _returnable(self, one: Owed) -> bool:
        """What was counted or objected after its time could not be done again."""
        return not (one.counted or one.duty.code in RIGHTS) or one.due > self.today + 7 * DAY

    async def waived(self) -> None:
        """Something of a silent unit is let off, for good or until a day; something let off is owed again."""
        candidates = [one for one in self.seen_by(CITY) if one.open and one.duty.code not in RIGHTS]
        if not candidates:
            return
        one = self.rng.choice(candidates)
        if self.rng.random() < 0.5:
            await self.tells(CITY, f"免办 #{one.number} 机构改革职责划出", "已免办")
            one.state = State.WAIVED
            if self.rng.random() < 0.5:
                await self.tells(CITY, f"恢复办理 #{one.number}", "已恢复办理")
                one.state, one.until = State.PENDING, self.today
            else:
                one.until = None
        else:
            until = self.today + self.rng.randint(5, 60) * DAY
            await self.tells(CITY, f"免办 #{one.number} 停业整顿 至{until}", "已免办")
            one.state, one.until = State.WAIVED, until

    async def wrote_letters(self) -> None:
        """Drafted where the law allows it and refused where not; signed; served a week later."""
        for number, (paper, one) in list(self.letters.items()):
            await self._served(number, paper, one)
        late = [one for one in self.seen_by(CITY) if one.late(self.today) and one.duty.code not in RIGHTS]
        for one in self.rng.sample(late, min(3, len(late))):
            await self._drafted(one)

    async def _drafted(self, one: Owed) -> None:
        offered = allowed(one.duty, one.force)
        for paper, word in WORDS.items():
            if paper not in offered and self.rng.random() < 0.3:
                answer = await self.tells(CITY, f"拟稿 {word} #{one.number}", "台账号")
                assert "已拟" not in answer
        before = await fetch(
            "SELECT paper FROM letter WHERE obligation_id = :id AND state <> 'withdrawn'", id=one.number
        )
        left = [paper for paper in offered if str(paper) not in {row["paper"] for row in before}]
        if not left:
            return
        answer = await self.tells(CITY, f"拟稿 {WORDS[left[0]]} #{one.number}", "已拟", "依据：", NAMES[one.unit])
        assert re.search(r"依据：\S", answer), answer
        number = _number(r"（函(\d+)）", answer)
        named = f" 限{self.today + 20 * DAY}前改正" if left[0] == Paper.DECISION else ""
        signed = f"发文 函{number} 昌司督〔2026〕{self.next_number()}号 今天{named} 签发人张三"
        await self.tells(CITY, signed, "已发文", "张三")
        if self.rng.random() < 0.2:
            await self.tells(CITY, f"撤函 函{number} 写错了", "已撤回")
        else:
            self.letters[number] = (str(left[0]), one)

    async def _served(self, number: str, paper: str, one: Owed) -> None:
        answer = await self.tells(CITY, f"送达 函{number} 今天 当面签收", "已送达")
        del self.letters[number]
        duty = STARTS.get(Paper(paper))
        if duty is None:
            assert "已自动立案" not in answer
            return
        case = _number(r"已自动立案：个案(\d+)", answer)
        row = (await fetch("SELECT named_on FROM letter WHERE id = :id", id=int(number)))[0]
        named = date.fromisoformat(str(row["named_on"])) if row["named_on"] else None
        self.clocks(case, one.unit, duty, self.today, named)
        await self.books.learn()

    def clocks(self, case: str, unit: str, duty: str, on: date, named: date | None = None) -> None:
        """The clocks of an event, counted by hand."""
        for code, due in due_days(duty, on, named):
            if (unit, code, f"C{case}") in self.books.owed:
                self.books.owed[unit, code, f"C{case}"].due = due
                self.books.owed[unit, code, f"C{case}"].opens = on
            else:
                self.books.starts(case, unit, code, on, due)
                if code in RIGHTS and due < self.today:
                    self.books.owed[unit, code, f"C{case}"].state = State.CANCELLED

    async def opened(self, who: str, text: str, unit: str, duty: str, on: date) -> str:
        """A case in one breath; its number."""
        await self.tells(who, f"立案 {text}", "请核对")
        answer = await self.tells(who, "确认", "已立案")
        case = _number(r"已立案：个案(\d+)", answer)
        self.clocks(case, unit, duty, on)
        await self.books.learn()
        return case


WORDS = {
    Paper.URGING: "督办函", Paper.OPINION: "意见书", Paper.DECISION: "决定书", Paper.INTERVIEW: "约谈",
    Paper.BULLETIN: "通报",
}  # fmt: skip


def due_days(duty: str, on: date, named: date | None = None) -> Iterator[tuple[str, date]]:
    """The last days of what an event starts, from the texts: thirty days, fifteen days, ten working days."""
    if duty == "opinion-letter-rectification":
        last = rolled(on + 30 * DAY)
        yield duty, min(named, last) if named else last
        yield "opinion-letter-objection", rolled(on + 15 * DAY)
    elif duty == "urge-letter-response":
        yield duty, named or working(on, 10)
    elif duty == "licence-penalty-publication":
        yield duty, working(on, 7)
    elif duty == "legality-review":
        yield duty, working(on, 15)
    else:
        assert named is not None
        yield duty, named


def _number(pattern: str, answer: str) -> str:
    found = re.search(pattern, answer)
    assert found, answer
    return found[1]


async def states() -> list[tuple[int, str, int]]:
    """Every obligation's state and tally, as the database has them."""
    return [
        (row["id"], row["state"], row["tally"])
        for row in await fetch("SELECT id, state, tally FROM obligation ORDER BY id")
    ]
