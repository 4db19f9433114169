"""Cases changed in any order on any days, against a model that counts days on its fingers (tests/almanac.py)."""

import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from duties import cases, obligations, reminding
from duties.cases import Opening, Recorded
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import OPEN_STATES, Actor, Evidence, State
from duties.obligations import Done, Moment
from duties.store import case_rows, chains, reading
from duties.store.database import fetch, transaction
from tests import almanac
from tests.almanac import DAY, RIGHTS, Almanac, Spell
from tests.duties.test_cases import LAW, entered, head, supervisor, verified
from tests.duties.town import CALENDAR, at, fresh, take_back, wave

HAND = Almanac()
STILL = 366 * DAY
EVENTS = [
    "opinion-letter-rectification", "decision-letter-compliance", "urge-letter-response", "legality-review",
    "legality-re-review", "losing-case-report", "decision-publication", "certificate-suspension", "assignment",
]  # fmt: skip
PAUSABLE = [code for code in EVENTS if almanac.duties()[code]["rule"].get("pausable")]
STARTS = st.one_of(
    st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    st.dates(date(2026, 1, 28), date(2026, 3, 2)),  # the Spring Festival, its worked Saturdays on both sides
    st.dates(date(2026, 9, 14), date(2026, 10, 12)),  # a worked Sunday before the October holidays, a Saturday after
    st.dates(date(2026, 12, 10), date(2027, 2, 15)),  # the turn of the year, and a year that is not arranged yet
)
STEPS = ("amend", "name", "pause", "resume", "report", "undo", "withdraw", "wave", "wave", "wait")
ACTIONS = {"amend": "amend", "name": "amend", "pause": "pause", "resume": "resume"}


@dataclass
class Model:
    """What is known of one case, and what each of its clocks must be."""

    duty: str
    on: date
    named: date | None
    spells: list[Spell] = field(default_factory=list)
    standing: bool = False
    over: bool = False
    states: dict[str, State] = field(default_factory=dict)
    lines: list[str] = field(default_factory=lambda: ["open"])

    def clocks(self) -> dict[str, almanac.Count]:
        found = {}
        for code in almanac.started_with(self.duty):
            takes = almanac.duties()[code]["rule"].get("named_day", "none") != "none"
            found[code] = almanac.counted(HAND, code, self.on, self.named if takes else None, self.spells)
        return found

    def settle(self, today: date) -> None:
        """A right is over after its last day, and runs again when that day moves on."""
        for code, count in self.clocks().items():
            state = self.states.setdefault(code, State.PENDING)
            if code in RIGHTS and not self.over and state in (*OPEN_STATES, State.CANCELLED):
                self.states[code] = State.CANCELLED if count.due < today else State.PENDING


class Chain:
    """A case in the store beside its model: each step is done to both, then they are compared."""

    def __init__(self, data: st.DataObject, units: dict[str, int]) -> None:
        self.data, self.units = data, units
        self.duty = data.draw(st.one_of(st.sampled_from(EVENTS), st.sampled_from(PAUSABLE)), label="duty")
        self.unit = "justice" if self.duty.startswith("legality") else "water"
        on = data.draw(STARTS, label="on")
        self.today = on + timedelta(days=data.draw(st.integers(0, 45), label="recorded after"))
        needed = almanac.duties()[self.duty]["rule"].get("named_day") == "required"
        self.model = Model(self.duty, on, self.day_from(on + DAY) if needed else None)
        self.lead = self.duty
        self.number = 0
        self.ids: dict[str, int] = {}
        self.minute = 0

    @property
    def now(self) -> Moment:
        """Each act an hour after the one before: only the last can be undone, and only at once."""
        return Moment(at(f"{self.today} 12:00") + timedelta(minutes=self.minute), self.today, "test")

    def day_from(self, first: date, last: date | None = None) -> date:
        return self.data.draw(st.dates(first, max(first, last or first + timedelta(days=90))), label="day")

    @property
    def boss(self) -> Actor:
        return supervisor(self.units)

    async def begin(self) -> None:
        opening = Opening(self.duty, self.units[self.unit], self.model.on, self.model.named)
        done = await self.done(cases.open_case(self.boss, LAW, opening, self.now))
        self.number = done.case.id
        self.ids = {one.duty.code: one.obligation_id for one in done.clocks}
        self.model.settle(self.today)
        await self.compare()

    async def done(self, act: Awaitable[Recorded]) -> Recorded:
        async with transaction():
            return await act

    async def step(self) -> None:
        """Mostly what can be done to a case as it stands, sometimes anything."""
        fitting = ["resume" if self.model.standing else "pause"] if self.duty in PAUSABLE else ["amend", "report"]
        name = self.data.draw(st.one_of(st.sampled_from(STEPS), st.sampled_from(fitting)), label="step")
        await getattr(self, name)()
        event(name)
        self.minute += 1
        await self.compare()

    async def changed(self, name: str, act: Awaitable[Recorded], allowed: bool) -> bool:
        """A change of the case is recorded, or refused without a trace."""
        if not allowed:
            with pytest.raises(RefusedError):
                await self.done(act)
            return False
        done = await self.done(act)
        self.model.lines.append(ACTIONS[name])
        assert {one.duty.code for one in done.clocks} == set(self.ids)
        return True

    async def amend(self) -> None:
        model = self.model
        on = self.day_from(model.on - timedelta(days=20), self.today)
        noticed = min((first for first, _ in model.spells), default=on)
        allowed = not model.over and on != model.on and on <= noticed and self.named_after(on)
        act = cases.amend(self.boss, LAW, self.number, self.now, event_on=on)
        if await self.changed("amend", act, allowed):
            model.on = on
            model.settle(self.today)

    def named_after(self, on: date) -> bool:
        return self.model.named is None or self.model.named > on

    async def name(self) -> None:
        model = self.model
        named = self.day_from(model.on - DAY)
        takes = almanac.duties()[self.duty]["rule"].get("named_day", "none") != "none"
        if not takes:
            return
        act = cases.amend(self.boss, LAW, self.number, self.now, named_on=named)
        if await self.changed("name", act, not model.over and named > model.on and named != model.named):
            model.named = named
            model.settle(self.today)

    async def pause(self) -> None:
        model = self.model
        noticed = self.day_from(model.on - DAY, self.today)
        pausable = almanac.duties()[self.duty]["rule"].get("pausable", False)
        allowed = pausable and not model.over and not model.standing and model.on <= noticed <= self.today
        if await self.changed("pause", cases.pause(self.boss, LAW, self.number, noticed, self.now), allowed):
            model.spells.append((noticed, noticed + STILL))
            model.standing = True

    async def resume(self) -> None:
        model = self.model
        received = self.day_from(self.today - timedelta(days=20), self.today)
        allowed = not model.over and model.standing and received >= model.spells[-1][0]
        if await self.changed("resume", cases.resume(self.boss, LAW, self.number, received, self.now), allowed):
            model.spells[-1] = (model.spells[-1][0], received)
            model.standing = False

    async def report(self) -> None:
        code = self.data.draw(st.sampled_from(sorted(self.ids)), label="reported")
        act = obligations.report(head(self.units, self.unit), self.ids[code], Evidence("1号"), self.now)
        if self.model.states[code] not in OPEN_STATES:
            with pytest.raises(RefusedError):
                await self._acted(act)
            return
        await self._acted(act)
        before, self.model.states[code] = self.model.states[code], State.REPORTED
        if self.data.draw(st.booleans(), label="taken back"):
            await self._acted(take_back(head(self.units, self.unit), self.now))
            self.model.states[code] = before

    async def undo(self) -> None:
        """Half an hour later it is too late to take anything back."""
        late = Moment(self.now.now + timedelta(minutes=30), self.today, "test")
        with pytest.raises(RefusedError):
            await self._acted(take_back(head(self.units, self.unit), late))

    async def _acted(self, act: Awaitable[Done]) -> Done:
        async with transaction():
            return await act

    async def withdraw(self) -> None:
        if not self.model.over and self.data.draw(st.integers(0, 3), label="not yet"):
            return
        act = cases.withdraw(self.boss, LAW, self.number, "登记有误", self.now)
        if self.model.over:
            with pytest.raises(RefusedError):
                await self.done(act)
            return
        await self.done(act)
        self.model.over = True
        self.model.lines.append("withdraw")
        for code, state in self.model.states.items():
            self.model.states[code] = State.CANCELLED if state in OPEN_STATES else state

    async def wait(self) -> None:
        """Days pass; rights end by themselves."""
        self.today += timedelta(days=self.data.draw(st.integers(1, 40), label="days"))
        for number in await cases.lapsed(LAW.registry, self.today):
            async with transaction():
                await obligations.cancel(number, cases.LAPSED, self.now.now)
        self.model.settle(self.today)

    async def wave(self) -> None:
        """The offices open: who must be told of a case that was opened or moved is told, once for each time."""
        await wave(LAW.registry, f"{self.today} 10:00")
        if not HAND.workday(self.today) or self.model.over:
            return
        version = 1 + sum(line != "open" for line in self.model.lines)
        for code, number in self.ids.items():
            rows = await fetch("SELECT rung, audience FROM reminder WHERE obligation_id = :id", id=number)
            told = [(row["rung"], row["audience"]) for row in rows if row["rung"].startswith("C")]
            assert len(told) == len(set(told)), told
            if self.model.states[code] in OPEN_STATES:
                assert {(f"C{version}", "head"), (f"C{version}", "officer")} <= set(told), told

    async def compare(self) -> None:
        await self._days()
        await self._ledger()
        assert await reminding.uncovered(LAW.registry, CALENDAR, self.today) == {}
        assert await verified() == []

    async def _days(self) -> None:
        """Last day, aim, earliest day and state of every clock; a right is never overdue."""
        counts = self.model.clocks()
        held = {row.duty: row for row in await case_rows.clocks(self.number)}
        found = {code: (row.due, row.advise_by, row.not_before, row.state) for code, row in held.items()}
        wanted = {code: (one.due, one.aim, one.not_before, self.model.states[code]) for code, one in counts.items()}
        assert found == wanted
        for code in RIGHTS & held.keys():
            one = await reading.obligation(self.ids[code])
            assert one is not None
            assert not one.overdue(self.today)

    async def _ledger(self) -> None:
        """Each line says what moved from where to where, and what it was worked out from; nothing old is lost."""
        lines = await chains.history(StreamRef("case", self.number))
        assert [line["action"] for line in lines] == self.model.lines
        days: dict[int, str] = {}
        for line in lines:
            for term in json.loads(line["payload"])["terms"]:
                assert term["was_due"] == days.get(term["id"], term["due"])
                assert {ground for _, _, ground in term["steps"]} <= {"text", "policy", *LAW.registry.grounds}
                assert _grounds(term["duty"], term["steps"])
                days[term["id"]] = term["due"]


def _grounds(duty: str, steps: list[list[str]]) -> bool:
    """Whether a derivation stands on the grounds that its rule asks for."""
    rule, said = almanac.duties()[duty]["rule"], {step: ground for step, _, ground in steps}
    if said["starts"] != ("text" if rule.get("start_stated") else "civil-code-201"):
        return False
    if "rolled" in said and said["rolled"] != "civil-code-203":
        return False
    if rule.get("unit") == "months" and said["last-months"] != "civil-code-202":
        return False
    return ("not-rolled" in said) == (rule.get("roll", True) is False)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_a_case_changed_in_any_order_is_what_is_counted_by_hand(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("chains")
    async with fresh(f"sqlite://{folder}/cases.db"):
        chain = Chain(data, await entered())
        await chain.begin()
        for _ in range(data.draw(st.integers(1, 12), label="steps")):
            await chain.step()
