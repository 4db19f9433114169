"""A year in the life of a city: who answers how, and a second set of books kept in plain Python.

The books know what is owed from the registry's files, counted by hand (tests/almanac.py), and what became of it from
what the people here said and were answered. They never ask the product for a day or the database for a state: the test
compares the two.
"""

import hashlib
import os
import random
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bot.app import Bot, Law
from duties.model import ShareState, State
from duties.paper import Paper
from duties.roster import Roster
from duties.store.database import fetch
from tests import almanac
from tests.almanac import DAY, RIGHTS, Almanac, Spell
from tests.bot.play import SAMPLE, ZONE, Play

FIRST, LAST = date(2026, 1, 1), date(2027, 3, 31)
HORIZON = timedelta(days=400)
CITY, PREFECTURE = "cjs-justice-supervisor", "cjz-justice-supervisor"
FILE: Mapping[str, Mapping[str, Any]] = {unit["code"]: unit for unit in almanac.read("roster/changji.toml")["unit"]}
KNOWN = (
    "cjz-gov", "cjz-justice", "cjs-gov", "cjs-office", "cjs-justice", "cjs-urban", "cjs-water", "cjs-yushugou",
    "cjs-performance",
)  # fmt: skip
WHOLE = os.environ.get("DUBAN_YEAR_UNITS") == "city"
UNITS = tuple(code for code in FILE if code in KNOWN or (WHOLE and code.startswith("cjs-")))
NEW = "cjs-tourism"
"""A bureau founded on a day in spring, and abolished in autumn."""
FOUNDED, ABOLISHED = date(2026, 5, 1), date(2026, 11, 30)
NEW_FILE: Mapping[str, Any] = tomllib.loads("""
code = "cjs-tourism"
name = "昌吉市文化旅游局"
level = "county"
parent = "cjs-gov"
tags = ["department", "enforcement"]
from = 2026-05-01
posts = [
    { role = "head", person = "cjs-tourism-head", name = "昌吉市文旅局负责人" },
    { role = "officer", person = "cjs-tourism-officer", name = "昌吉市文旅局经办人" },
]
""")
NAMES = {code: str(FILE[code]["name"]) for code in UNITS} | {NEW: str(NEW_FILE["name"])}
CITY_UNITS = tuple(code for code in (*UNITS, NEW) if code.startswith("cjs-"))
NEXT_YEAR: Mapping[str, Any] = tomllib.loads("""
[2027]
notice = [{ title = "国务院办公厅关于2027年部分节假日安排的通知", issued = 2026-11-10 }]
holiday = [
    { name_zh = "元旦", name_en = "New Year's Day", first = 2027-01-01, last = 2027-01-03 },
    { name_zh = "春节", name_en = "Spring Festival", first = 2027-02-05, last = 2027-02-11, work = [2027-01-30, 2027-02-20] },
    { name_zh = "清明节", name_en = "Tomb-Sweeping Day", first = 2027-04-03, last = 2027-04-05 },
]
""")  # noqa: E501  as an operator writes it down
"""An arrangement as it may come in November 2026."""


def longer(year: Mapping[str, Any]) -> dict[str, Any]:
    """The Spring Festival lengthened on short notice, as in 2020."""
    rows = [{**one, "last": date(2027, 2, 14)} if one["name_zh"] == "春节" else one for one in year["2027"]["holiday"]]
    return {"2027": {**year["2027"], "holiday": rows}}


REPEALED, REPEALED_FROM = "monthly-case-publication", date(2026, 9, 30)
"""A duty whose document lapses, and its last day."""
OPEN = frozenset({State.PENDING, State.ACKNOWLEDGED, State.RETURNED})
Key = tuple[str, str, str]
"""Unit, duty, term."""


def roster(*more: Mapping[str, Any]) -> Roster:
    """The city as an operator's file says it."""
    known = tuple(unit for unit in SAMPLE.units if unit.code in UNITS)
    entry = type(SAMPLE.units[0])
    added = tuple(entry.model_validate({"jurisdiction": "/".join(_jurisdictions("cjs-gov")), **unit}) for unit in more)
    return Roster("year", hashlib.sha256(repr(more).encode()).hexdigest(), known + added)


@dataclass
class Part:
    """What a partner has to answer in another's share of a joint duty. `number` is the product's."""

    unit: str
    state: ShareState = ShareState.PENDING
    act_on: date | None = None
    number: int = 0

    @property
    def open(self) -> bool:
        return self.state in (ShareState.PENDING, ShareState.ACKNOWLEDGED)


@dataclass
class Owed:
    """One unit's share of a term, as the books have it. `aim` is the day that reminders aim at."""

    unit: str
    duty: str
    label: str
    opens: date
    due: date
    aim: date
    force: str
    target: int = 1
    state: State = State.PENDING
    tally: int = 0
    done_on: date | None = None
    until: date | None = None
    held: list[tuple[date, int]] = field(default_factory=list)
    act_on: date | None = None
    back: int = 0
    number: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.unit, self.duty, self.label

    @property
    def about(self) -> Mapping[str, Any]:
        """The duty, as it stands in the registry's file."""
        return almanac.duties()[self.duty]

    @property
    def counted(self) -> Mapping[str, Any] | None:
        """The rule, where something is counted."""
        return self.about["rule"] if self.about["rule"]["kind"] == "counted" else None

    @property
    def by_unit(self) -> bool:
        """Whether the unit itself is what is counted for, and not each of its people."""
        return self.counted is not None and self.counted.get("per", "unit") == "unit"

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def unanswered(self) -> list[Part]:
        """The partners' parts for which it waits."""
        return [part for part in self.parts if part.open]

    def part(self, unit: str) -> Part | None:
        """A unit's part, if it is a partner."""
        return next((part for part in self.parts if part.unit == unit), None)

    def late(self, today: date) -> bool:
        return self.open and self.due < today

    def papers(self) -> Sequence[Paper]:
        """What the law lets a supervisor propose when this is late: regulation 27 to 29, measures 38 and 57."""
        if self.force != "settled":
            return ()
        if self.duty in FOLLOWING:
            return FOLLOWING[self.duty]
        supervised = self.about.get("enforcement_supervision", False)
        return (Paper.URGING, Paper.OPINION) if supervised else (Paper.INTERVIEW, Paper.BULLETIN)


FOLLOWING: Mapping[str, Sequence[Paper]] = {
    "urge-letter-response": (Paper.OPINION,), "opinion-letter-rectification": (Paper.DECISION,),
    "decision-letter-compliance": (),
}  # fmt: skip
STARTS = {
    Paper.URGING: "urge-letter-response", Paper.OPINION: "opinion-letter-rectification",
    Paper.DECISION: "decision-letter-compliance",
}  # fmt: skip


def _jurisdictions(unit: str) -> list[str]:
    told = {**FILE, NEW: NEW_FILE}[unit]
    return str(told["jurisdiction"]).split("/") if "jurisdiction" in told else _jurisdictions(told["parent"])


def _tags(unit: str) -> set[str]:
    return {"*", *{**FILE, NEW: NEW_FILE}[unit].get("tags", ())}


def _bound(term: almanac.Term, units: Iterable[str]) -> tuple[list[str], list[str]]:
    """The units that a scope of a duty binds, and the partners of each.

    A joint duty is led by the first of its tags that any unit has; those with the other tags are partners.
    """
    there = [unit for unit in units if term.scope["jurisdiction"] in _jurisdictions(unit)]
    by_tag = [[unit for unit in there if tag in _tags(unit)] for tag in term.scope["tags"]]
    if term.scope.get("joint"):
        leads = next((found for found in by_tag if found), [])
        return leads, [unit for found in by_tag for unit in found if unit not in leads]
    return [unit for unit in there if any(unit in found for found in by_tag)], []


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
KNOWN_TEMPERS = {
    "cjs-urban": Temper((-12, -1), 1.0, 1.3),
    "cjs-justice": Temper((-8, 0), 0.7, 1.2),
    "cjs-water": Temper((1, 45), 0.3, 0.7, backdates=0.3),
    "cjs-yushugou": Temper((-4, 8), 0.5, 0.9, wrong=True),
    "cjs-gov": Temper((-9, -1), 0.9, 1.0, away=ON_LEAVE),
    "cjs-office": Temper(None),
    "cjz-gov": Temper(None),
    "cjz-justice": Temper((-3, 30), 0.4, 1.0, backdates=0.2),
    "cjs-performance": Temper((-20, -2), 0.6),
    NEW: Temper((-6, 4), 0.8, 1.5, away=((ABOLISHED + DAY, LAST),)),
}
TEMPERS = {code: KNOWN_TEMPERS.get(code) or KNOWN_TEMPERS[KNOWN[2 + nth % 6]] for nth, code in enumerate((*UNITS, NEW))}
"""Of the whole city, every further unit is like one of these."""
PARTNERS_ANSWER = ((-45, -22), (-9, 12))
"""The days from a deadline to a partner's answer: before its lead wants to report, or after."""


class Books:
    """What is owed and what became of it. `night` is what happens by itself when a day begins."""

    def __init__(self) -> None:
        self.almanac = Almanac()
        self.owed: dict[Key, Owed] = {}
        self.numbers: dict[int, Owed] = {}
        self.parts: dict[int, Part] = {}
        self.units = list(UNITS)
        self.events: dict[str, Event] = {}
        self.over = False
        """Whether the new unit was abolished."""
        self.repealed: date | None = None
        self.points: dict[str, int] = {}
        """In hundredths, by unit."""
        for term in sorted(almanac.terms(FIRST, LAST + HORIZON + HORIZON), key=lambda one: one.due):
            if term.opens <= LAST + HORIZON:
                self._owe(term, *_bound(term, self.units))

    def _owe(self, term: almanac.Term, units: Iterable[str], partners: Iterable[str] = ()) -> None:
        """A term, once for each unit: of two scopes that bind one, the first due is what it owes."""
        rule = almanac.duties()[term.duty]["rule"]
        target = rule["at_least"] if rule["kind"] == "counted" and rule.get("per", "unit") != "member" else 1
        for unit in units:
            aim = self.almanac.before(term.due)
            one = Owed(unit, term.duty, term.label, term.opens, term.due, aim, term.scope["force"], target)
            one.parts = [Part(partner) for partner in partners]
            self.owed.setdefault(one.key, one)

    def founded(self) -> None:
        """A new unit owes what is due from its first day on, and of what is counted its share by months."""
        self.units.append(NEW)
        for term in sorted(almanac.terms(FOUNDED, LAST + HORIZON + HORIZON), key=lambda one: one.due):
            if term.opens <= LAST + HORIZON and not self._over(term.duty, term.opens, term.due):
                self._owe(term, [unit for unit in _bound(term, self.units)[0] if unit == NEW])
        for one in self.owed.values():
            if one.unit == NEW and one.target > 1 and one.opens < FOUNDED:
                one.target = -(-one.target * (13 - FOUNDED.month) // 12)

    def abolished(self) -> None:
        """What is due after a unit's last day it owes no longer; what was not given to it yet, never."""
        self.over = True
        for one in self.owed.values():
            if one.open and self._gone(one):
                one.state = State.CANCELLED

    def _gone(self, one: Owed) -> bool:
        """Due after the unit's last day. Of what is planned of a repealed duty, people decide."""
        left_to_people = one.duty == REPEALED and one.due > REPEALED_FROM
        return self.over and one.unit == NEW and one.due > ABOLISHED and not left_to_people

    def repeal(self, today: date) -> None:
        """What was planned stays until people decide; nothing new is planned."""
        self.repealed = today

    def arranged(self, year: Mapping[str, Any], today: date) -> None:
        """The days of next year are known: reminders move, and the days of the cases that reach into it."""
        self.almanac = Almanac(year)
        for case in self.events:
            self.recount(case, today)
        for one in self.owed.values():
            if not one.label.startswith("C"):
                one.aim = self.almanac.before(one.due)

    def _over(self, duty: str, opens: date, due: date) -> bool:
        """Whether a term would have been planned after the registry said that its duty had ended."""
        return (
            duty == REPEALED and self.repealed is not None
            and opens >= self.repealed + HORIZON and due > REPEALED_FROM
        )  # fmt: skip

    async def learn(self) -> None:
        """Look up the numbers that people would read in their messages."""
        for row in await fetch(
            "SELECT o.id, u.code, t.duty, t.label FROM obligation o JOIN term t ON t.id = o.term_id"
            " JOIN unit u ON u.id = o.unit_id WHERE o.id > :last",
            last=max(self.numbers, default=0),
        ):
            one = self.owed.get((row["code"], row["duty"], row["label"]))
            assert one is not None, f"nobody made {row} owed"
            one.number = row["id"]
            self.numbers[row["id"]] = one
        for row in await fetch(
            "SELECT s.id, s.obligation_id, u.code FROM share s JOIN unit u ON u.id = s.unit_id WHERE s.id > :last",
            last=max(self.parts, default=0),
        ):
            part = self.numbers[row["obligation_id"]].part(row["code"])
            assert part is not None, f"nobody made {row} a partner"
            part.number = row["id"]
            self.parts[row["id"]] = part

    def night(self, today: date) -> None:
        """Waivers end, rights that were not used lapse."""
        for one in self.owed.values():
            if one.state == State.WAIVED and one.until is not None and one.until < today:
                one.state = State.CANCELLED if self._gone(one) else State.PENDING
            if one.open and one.duty in RIGHTS and one.due < today:
                one.state = State.CANCELLED

    def planned(self, today: date) -> list[Owed]:
        """What is in the database by a day."""
        return [
            one for one in self.owed.values()
            if one.opens <= today + HORIZON and not self._over(one.duty, one.opens, one.due)
            and not (one.unit == NEW and one.state == State.CANCELLED and not one.number)
        ]  # fmt: skip

    def now(self, today: date, units: Iterable[str] = (*UNITS, NEW)) -> list[Owed]:
        """What has opened for these units, of the units' order."""
        wanted = set(units)
        return [one for one in self.owed.values() if one.unit in wanted and one.opens <= today]

    def starts(self, case: str, unit: str, duty: str, event: "Event", today: date) -> None:
        """The clocks of an event, counted by hand."""
        self.events[case] = event
        for code in almanac.started_with(duty):
            rule = almanac.duties()[code]["rule"]
            one = Owed(unit, code, f"C{case}", event.on, event.on, event.on, rule.get("force", "settled"))
            self.owed[one.key] = one
        self.recount(case, today)

    def recount(self, case: str, today: date) -> None:
        """The days of a case, from what is known of it now. A right whose day is past is over; else it runs."""
        event = self.events[case]
        for one in self.of_case(case):
            named = event.named if one.about["rule"].get("named_day", "none") != "none" else None
            found = almanac.counted(self.almanac, one.duty, event.on, named, event.spells)
            one.opens, one.due, one.aim = event.on, found.due, found.aim
            if one.duty in RIGHTS and one.state in (*OPEN, State.CANCELLED) and not event.withdrawn:
                gone = one.due < today
                one.state = State.CANCELLED if gone else one.state if one.open else State.PENDING

    def of_case(self, case: str) -> list[Owed]:
        return [one for one in self.owed.values() if one.label == f"C{case}"]


@dataclass
class Event:
    """What is known of a case."""

    on: date
    named: date | None = None
    spells: list[Spell] = field(default_factory=list)
    withdrawn: bool = False


class Life(Play):
    """The bot with its people around it. Time runs a minute with every message."""

    books: Books
    rng: random.Random
    today: date
    unread: dict[str, int]
    serial: int = 0
    folder: Path
    subscribed: bool = False
    standing_in: tuple[str, date, date] = ("", date.max, date.min)
    cases: dict[str, str]
    reviews: dict[str, str]
    """The case of the review, by the term of the objection."""
    parents: dict[str, str]
    """The case that waits for materials, by their term."""
    letters: dict[str, tuple[str, Owed]]
    """Letters signed and not yet served: the paper, and what it is about."""

    async def restart(self, law: Law) -> None:
        """The bot is stopped, and started with another registry or calendar."""
        await self.bot.delivery.close()
        self.bot = Bot(law, {self.adapter.connection: self.adapter}, lambda: self.now, zone=ZONE)
        await self.bot.step()

    def recipients(self, one: Owed, audience: str, supervisor: str) -> set[str]:
        """Who may be told of something: the post's holder, and whoever stands in for them."""
        audience, _, share = audience.partition("/")
        if share:
            return {f"{self.books.parts[int(share)].unit}-{audience}"}
        unit, since, until = self.standing_in
        acting = (
            {f"{unit}-officer"} if (one.unit, audience) == (unit, "head") and since <= self.today <= until else set()
        )
        return acting | {f"{supervisor if audience == 'supervisor' else one.unit}-{audience}"}

    def begin(self, seed: int, folder: Path) -> None:
        self.folder = folder
        self.books, self.rng, self.unread = Books(), random.Random(seed), {}
        self.cases, self.letters, self.reviews, self.parents = {}, {}, {}, {}

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
        await self._helped(unit)
        for one in self.books.now(self.today, (unit,)):
            if one.counted:
                await self._counted(one, temper)
            elif one.open and self._time_has_come(one, temper):
                if temper.wrong:
                    await self._blundered(one)
                await self._waited(one) if one.unanswered else await self._reported(one, temper)

    async def _acknowledged(self, unit: str, temper: Temper) -> None:
        """The button of what the officer was told since they last looked."""
        officer = f"{unit}-officer"
        told = self.told(officer)
        news = told[self.unread.get(officer, 0) :]
        self.unread[officer] = len(told)
        values = [button.value for one in news for button in one.buttons if button.value.startswith("acknowledge:")]
        for value in values:
            unseen = [
                mine for number in value.partition(":")[2].split(",")
                if (mine := self._own(self.books.numbers[int(number)], unit)) is not None
                and mine.state in (State.PENDING, State.RETURNED, ShareState.PENDING)
            ]  # fmt: skip
            if unseen and self.rng.random() < temper.acknowledges:
                await self.tells(officer, f"> {value}", "已签收")
                for mine in unseen:
                    if isinstance(mine, Part):
                        mine.state = ShareState.ACKNOWLEDGED
                    else:
                        mine.state = State.ACKNOWLEDGED

    def _own(self, one: Owed, unit: str) -> Owed | Part | None:
        """What is a unit's own of an obligation: the whole as its lead, a part as a partner while it is open."""
        return one if one.unit == unit else one.part(unit) if one.open else None

    async def _helped(self, unit: str) -> None:
        """A partner's answers, promptly or late."""
        for one in self.books.now(self.today):
            part = one.part(unit)
            if part is None or not (part.open and one.open):
                continue
            if part.act_on is None:
                part.act_on = one.due + self.rng.randint(*self.rng.choice(PARTNERS_ANSWER)) * DAY
            if part.act_on <= self.today:
                shown = f"昌字〔2026〕{self.next_number()}号 材料已报"
                await self.tells(f"{unit}-officer", f"完成 #{one.number} {shown}", "已答复配合", "均已答复")
                part.state = ShareState.ANSWERED

    async def _waited(self, one: Owed) -> None:
        """A lead that would report before its partners have answered is told who is missing, and tries again later."""
        missing = [NAMES[part.unit] for part in one.unanswered]
        await self.tells(
            f"{one.unit}-head", f"完成 #{one.number}", f"还有 {len(missing)} 个配合单位未答，不能报结", *missing
        )
        one.act_on = self.today + 3 * DAY

    def _time_has_come(self, one: Owed, temper: Temper) -> bool:
        if one.duty in RIGHTS and one.act_on is None:
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
        if one.duty == "standing-check":
            await self._checked(one, who)
        shown = f"昌字〔2026〕{self.next_number()}号 {done_on} https://cj.example/{self.serial} 会议记录"
        if one.about.get("may_be_empty") and self.rng.random() < 0.3:
            shown, done_on = "本期无", self.today
        answer = await self.tells(who, f"完成 #{one.number} {shown}", "已报结", f"#{one.number}")
        one.state, one.done_on = State.REPORTED, done_on
        if one.duty == "opinion-letter-objection":
            await self._followed(one, done_on, answer)
        elif one.duty == "legality-materials":
            self._materials(one, done_on)
        elif self.rng.random() < 0.05:
            await self.tells(who, "撤回", "已撤回", f"#{one.number}")
            one.state, one.done_on, one.act_on = before, None, self.today + 2 * DAY

    async def _checked(self, one: Owed, who: str) -> None:
        """Every item has its answer before the whole is reported; now and then something is missing."""
        answer = await self.tells(who, f"自查 #{one.number}", f"#{one.number}：已答")
        if self.rng.random() < 0.5 and _unanswered(answer):
            await self.tells(who, f"完成 #{one.number} 昌字〔2026〕1号", f"还有 {_unanswered(answer)} 条未答，不能报结")
            answer = await self.tells(who, f"自查 #{one.number}", "请按编号回复")
            first = _number(r"(?m)^(\d+)\. ", answer)
            answer = await self.tells(who, f"{first} 缺：尚未落实，其余是", "其中缺 1 条")
        if _unanswered(answer):
            answer = await self.tells(who, "全部是", "已记")
        if "一并确认吗" in answer:
            answer = await self.tells(who, "是", "已记")
        assert _unanswered(answer) == 0, answer

    def _materials(self, one: Owed, on: date) -> None:
        """What was missing is here: the clock of the review goes on."""
        review = self.parents.get(one.label)
        if review is not None and self.books.events[review].spells[-1][1] > self.today:
            noticed, _ = self.books.events[review].spells[-1]
            self.books.events[review].spells[-1] = (noticed, max(noticed, on))
            self.books.recount(review, self.today)

    def _wanted_again(self, one: Owed) -> None:
        """Materials that are sent back are not here: the clock of the review stands as it did."""
        review = self.parents.get(one.label)
        if review is not None and one.duty == "legality-materials":
            noticed, _ = self.books.events[review].spells[-1]
            self.books.events[review].spells[-1] = (noticed, noticed + 366 * DAY)
            self.books.recount(review, self.today)

    async def _followed(self, one: Owed, on: date, answer: str) -> None:
        """An objection that is reported opens its review; one that is reported again begins it anew."""
        review = self.reviews.get(one.label)
        if review is None:
            review = self.reviews[one.label] = _number(r"已自动立案：个案(\d+)", answer)
            self.books.starts(review, "cjs-justice", "objection-review", Event(on), self.today)
            await self.books.learn()
        else:
            self.books.events[review].on = on
            self.books.recount(review, self.today)

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
        if not one.open or temper.reports is None:
            return
        chance = temper.eager * (one.target if one.by_unit else 2) / 240
        on = self.today
        if one.due < self.today:
            chance, on = 0.1, one.due - self.rng.randint(0, 60) * DAY
        if self.rng.random() >= chance:
            return
        who = f"{one.unit}-officer"
        if not one.by_unit:
            await self._attested(one, who)
            return
        held = self.next_number()
        text = f"计数 #{one.number} {on} 会议：会议{held} 专题学习之{held}"
        await self.tells(who, text, "已计数", f"#{one.number}")
        self._count(one, on, 1)

    async def _attested(self, one: Owed, who: str) -> None:
        if one.due < self.today:
            return  # attested as of today, which lies outside the term
        did = 8 if one.back else self.rng.choice((7, 8))
        await self.tells(who, f"完成 #{one.number} 应训8人，达标{did}人", "已记录")
        self._count(one, self.today, one.target - one.tally if did == 8 else 0)

    def _count(self, one: Owed, on: date, amount: int) -> None:
        one.tally += amount
        one.held.append((on, amount))
        if one.tally >= one.target:
            one.state, one.done_on = State.REPORTED, max(on for on, _ in one.held)

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
                    part = self.rng.choice(one.parts) if one.parts else None
                    whose = f"{NAMES[part.unit]} " if part else ""
                    await self.tells(who, f"退回 #{one.number} {whose}附件不全", "已退回", f"#{one.number}")
                    if part:
                        part.state, part.act_on = ShareState.PENDING, self.today + self.rng.randint(1, 20) * DAY
                    one.state, one.done_on, one.back = State.RETURNED, None, one.back + 1
                    self._uncount(one)
                    self._wanted_again(one)
                    one.act_on = self.today + self.rng.randint(1, 15) * DAY

    def _uncount(self, one: Owed) -> None:
        """What completed it, the last that was held, counts no longer."""
        counts = [(on, nth) for nth, (on, amount) in enumerate(one.held) if amount]
        if counts:
            one.tally -= one.held.pop(max(counts)[1])[1]

    def _returnable(self, one: Owed) -> bool:
        """What was counted or objected after its time could not be done again."""
        return not (one.counted or one.duty in RIGHTS) or one.due > self.today + 7 * DAY

    async def waived(self) -> None:
        """Something of a silent unit is let off, for good or until a day; something let off is owed again."""
        candidates = [one for one in self.seen_by(CITY) if one.open and one.duty not in RIGHTS]
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
        late = [one for one in self.seen_by(CITY) if one.late(self.today) and one.duty not in RIGHTS]
        for one in self.rng.sample(late, min(3, len(late))):
            await self._drafted(one)

    async def _drafted(self, one: Owed) -> None:
        offered = one.papers()
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
        await self.clocks(case, one.unit, duty, Event(self.today, named))

    async def clocks(self, case: str, unit: str, duty: str, event: Event) -> None:
        self.books.starts(case, unit, duty, event, self.today)
        await self.books.learn()

    async def opened(self, who: str, text: str, unit: str, duty: str, event: Event) -> str:
        """A case in one breath; its number."""
        await self.tells(who, f"立案 {text}", "请核对")
        answer = await self.tells(who, "确认", "已立案")
        case = _number(r"已立案：个案(\d+)", answer)
        await self.clocks(case, unit, duty, event)
        return case


WORDS = {
    Paper.URGING: "督办函", Paper.OPINION: "意见书", Paper.DECISION: "决定书", Paper.INTERVIEW: "约谈",
    Paper.BULLETIN: "通报",
}  # fmt: skip


def _unanswered(answer: str) -> int:
    """How many items of a checklist are left."""
    found = re.search(r"已答 (\d+)/(\d+)", answer)
    assert found, answer
    return int(found[2]) - int(found[1])


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
