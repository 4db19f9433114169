"""The loop: one tick, every thirty seconds and at start. Each chore asks a row whether it is due; all idempotent."""

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

import structlog

from bot.digest import Digests
from bot.store import addressees, arrivals, people, queue, reach, snoozes
from bot.wording import say
from duties import cases, delegating, obligations, planning, reminding, training
from duties.ledger import SYSTEM, Act
from duties.model import Role
from duties.obligations import Moment
from duties.registry import Registry
from duties.store import acting_rows, case_rows, chains, planned
from duties.store.acting_rows import Orphan
from duties.store.database import transaction
from duties.workdays import WorkCalendar

log = structlog.get_logger()
UNREACHED = 1_000
"""Posts whose change is noticed by name; of more, by their number."""


@dataclass(slots=True)
class Pulse:
    """What the last ticks found: shown on /healthz and /metrics."""

    ticked_at: datetime | None = None
    uncovered: dict[str, list[str]] = field(default_factory=dict)
    unreachable: list[str] = field(default_factory=list)
    raised: int = 0
    checked: str = ""
    """The hour of the last check: the invariant's word is as old as that."""


class Loop:
    """What has to happen by itself. `tick` may be called by anybody, with any instant, as often as they like."""

    def __init__(self, registry: Registry, workdays: WorkCalendar, zone: tzinfo, horizon: timedelta) -> None:
        self.registry = registry
        self.workdays = workdays
        self.zone = zone
        self.horizon = horizon
        self.pulse = Pulse()
        self._calendar = workdays.digest()
        self._digests = Digests(registry, workdays)

    async def tick(self, now: datetime) -> int:
        """Do whatever is due at an instant. Returns how many reminders were raised.

        A chore that fails holds up no other; the first failure is raised when all had their turn, and the tick does
        not count as one.
        """
        today, raised, failures = now.astimezone(self.zone).date(), self.pulse.raised, list[Exception]()
        chores = (
            self._stand_down, self._reopen, self._plan, self._hours, self._rearrange, self._lapse, self._raise,
            self._wake, self._digest, self._anchor, self._check,
        )  # fmt: skip
        for chore in chores:
            try:
                await chore(now, today)
            except Exception as error:  # noqa: BLE001  raised below
                failures.append(error)
        for failure in failures[1:]:
            log.error("chore failed", action="tick", error=repr(failure))
        if failures:
            raise failures[0]
        self.pulse.ticked_at = now
        return self.pulse.raised - raised

    async def _plan(self, now: datetime, today: date) -> None:
        version = f"{self.registry.digest} {await planned.chore(planning.ROSTER)}"
        mark = f"{today} {hashlib.sha256(version.encode()).hexdigest()}"  # a mark has 128 characters
        if await planned.chore("plan") == mark:
            return
        result = await planning.plan(self.registry, now, today, self.horizon)
        await queue.address_unsaid(today)
        await planned.chore_done("plan", mark)
        if result.added or result.cancelled or result.reopened:
            log.info("planned", action="plan", added=result.added, cancelled=result.cancelled)

    async def _hours(self, now: datetime, today: date) -> None:
        await training.restate_daily(self.registry, now, today)

    async def _stand_down(self, now: datetime, today: date) -> None:
        """Who stands in for somebody does so no longer when either of them left; those who remain are told."""
        mark = f"{today} {hashlib.sha256((await planned.chore(planning.ROSTER)).encode()).hexdigest()}"
        if await planned.chore("stand-down") == mark:
            return
        over = await acting_rows.orphaned(today)
        async with transaction():
            await planned.chore_done("stand-down", mark)
            for one in over:
                if await delegating.end(one, today, now):
                    await self._tell_over(one, today, now)

    async def _tell_over(self, one: Orphan, today: date, now: datetime) -> None:
        given, left = one.given, one.holder if one.holder_left else one.given.person
        text = say(
            "news-holder-left" if one.holder_left else "news-delegate-left", holder=one.holder_name, name=given.name,
            unit=given.unit, role=say(f"role-{given.role}"),
        )  # fmt: skip
        whom = {each.person: each for each in await addressees.of_unit(given.unit_id, (Role.HEAD,), today, now)}
        for person in (one.holder, given.person):
            whom |= {each.person: each for each in await addressees.of_person(person, now)}
        for person, each in whom.items():
            if person != left:
                await queue.put("news", each.connection, each.address, _words(text), now, person=person)

    async def _reopen(self, now: datetime, today: date) -> None:
        """What was waived until a day is owed again from the next; a right that ended meanwhile then lapses."""
        if await planned.chore("reopen") == today.isoformat():
            return
        over = await obligations.waivers_over(today)
        async with transaction():
            await planned.chore_done("reopen", today.isoformat())
            for number in over:
                await obligations.end_waiver(number, today, now)

    async def _rearrange(self, now: datetime, today: date) -> None:
        """Another calendar than before: the deadlines of the cases under way are those it gives."""
        digest = self._calendar
        if await planned.chore("calendar") == digest:
            return
        law, at = cases.Law(self.registry, self.workdays), Moment(now, today, "system")
        for number in await case_rows.running():
            async with transaction():
                await planned.chore_done("rearranging", str(number))  # a write comes first
                await cases.rearranged(law, number, at)
        async with transaction():
            await planned.chore_done("calendar", digest)

    async def _lapse(self, now: datetime, today: date) -> None:
        """Rights that were not used end with their day, before anybody could take them for overdue."""
        if await planned.chore("lapse") == today.isoformat():
            return
        over = await cases.lapsed(self.registry, today)
        async with transaction():
            await planned.chore_done("lapse", today.isoformat())
            for number in over:
                await obligations.cancel(number, cases.LAPSED, now)

    async def _raise(self, now: datetime, _today: date) -> None:
        at = await reminding.instant(now, self.zone)
        self.pulse.raised += await reminding.raise_due(self.registry, self.workdays, at)

    async def _wake(self, now: datetime, today: date) -> None:
        """Who put a reminder off is told again, at an hour at which people work."""
        local = now.astimezone(self.zone)
        if self.workdays.is_workday(today):
            await snoozes.wake(now, local.hour * 60 + local.minute)

    async def _digest(self, now: datetime, _today: date) -> None:
        await self._digests.send(now.astimezone(self.zone))

    async def _anchor(self, now: datetime, today: date) -> None:
        """Seal yesterday, once a day, and post the seal where others keep it."""
        day = today - timedelta(days=1)
        # A mark from the future is a clock's that was since set back: the days until then are sealed all the same.
        if day.isoformat() <= await planned.chore("anchor") <= today.isoformat():
            return
        async with transaction():
            await planned.chore_done("anchor", day.isoformat())  # another replica waits here, and finds it sealed
            sealed = await chains.drop_anchor(day)
            if sealed is not None:
                await self._tell("admin", say("anchor-posted", day=day, hash=sealed.hash), now)
        await arrivals.forget_old(now)

    async def _check(self, now: datetime, today: date) -> None:
        """The invariant: every open obligation has a next touch. Checked hourly, and told when it breaks."""
        hour = now.replace(minute=0, second=0, microsecond=0).isoformat()
        if self.pulse.checked == hour:
            return
        uncovered = await reminding.uncovered(self.registry, self.workdays, today)
        self.pulse.unreachable = await reach.silent_units(today)
        await self._tell_unreached(now, today)
        self.pulse.uncovered = uncovered
        self.pulse.checked = hour
        if not uncovered or await planned.chore("check") == hour:
            return
        log.error("obligations without a next reminder", action="check", duties=uncovered)
        text = say("alarm-uncovered", duties=list(uncovered))
        async with transaction():
            await planned.chore_done("check", hour)
            await self._tell("admin", text, now)

    async def _tell_unreached(self, now: datetime, today: date) -> None:
        """Tell the admins whom no reminder reaches: on a working day, once, and again when that has changed."""
        mark = await planned.chore("reach")
        if mark.startswith(today.isoformat()) or not self.workdays.is_workday(today):
            return
        found, units = await reach.unreached_counted(today)
        names = [f"{row['unit']} {row['role']} {row['code']}" for row in await reach.unreached(today, UNREACHED)]
        digest = hashlib.sha256(f"{found} {names}".encode()).hexdigest()
        if not found or mark.endswith(digest):
            return
        if not await people.holders_of("admin", today):
            return  # not a word is lost: they are told when the first of them is bound
        async with transaction():
            await planned.chore_done("reach", f"{today} {digest}")
            await self._tell("admin", say("unreached-news", n=found, units=units), now)

    async def alarm(self, connection: str, reason: str, now: datetime, passed: str = "") -> None:
        """Tell the admins what could not be delivered, through any connection but the one that failed.

        `passed` is the connection it went on to, if it did. Runs in the caller's transaction.
        """
        await chains.append(SYSTEM, Act("system", "undelivered", connection, {"reason": reason, "passed": passed}), now)
        key = "alarm-passed" if passed else "alarm-delivery"
        text = say(key, connection=connection, reason=reason, passed=passed)
        await self._tell("admin", text, now, besides=connection)

    async def _tell(self, role: str, text: str, now: datetime, besides: str = "") -> None:
        told: set[int] = set()
        for row in await people.holders_of(role, now.astimezone(self.zone).date()):
            if row["person_id"] in told or row["connection"] == besides:
                continue
            told.add(row["person_id"])
            await queue.put("news", row["connection"], row["address"], _words(text), now, person=row["person_id"])


def _words(text: str) -> dict[str, Any]:
    """The body of a message that is words alone."""
    return {"text": text, "buttons": [], "items": []}
