"""A small place to plan and remind: duties made by hand, units in a line each, days written as text."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from duties import obligations, planning, reminding, undoing
from duties.cases import Law
from duties.model import Actor, Evidence, Obligation, PostHeld, Role
from duties.obligations import Done, Moment
from duties.planning import Planned
from duties.reading import shipped
from duties.registry import Duty, Registry
from duties.roster import Roster, UnitEntry
from duties.store import reading, roster_rows
from duties.store.database import as_date, fetch, migrate, opened, transaction
from duties.store.reading import Filter
from duties.workdays import WorkCalendar

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = WorkCalendar.shipped()
LADDERS = shipped().ladders
JANUARY = {"kind": "calendar", "rrule": "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31", "period": "year", "covers": "previous"}
MONTHLY = {"kind": "calendar", "rrule": "FREQ=MONTHLY;BYMONTHDAY=-1", "period": "month", "covers": "current"}
EVIDENCE = Evidence(number="1号")
LAW = Law(shipped(), CALENDAR)


def counted(at_least: int, *checkpoints: int) -> dict[str, Any]:
    return {"kind": "counted", "at_least": at_least, "noun": "次", "noun_en": "times", "checkpoints": checkpoints}


def scope(*tags: str, place: str = "县", **more: Any) -> dict[str, Any]:
    told = {"provisions": [1], "basis": "text", "force": "settled", "in_force_from": date(2020, 1, 1)}
    return {"jurisdiction": place, "tags": tags or ("*",), **told, **more}


def duty(code: str, rule: Mapping[str, Any], *scopes: Mapping[str, Any], ladder: str = "") -> Duty:
    ladder = ladder or ("counted" if rule["kind"] == "counted" else "default")
    told = {"code": code, "title": code, "title_en": code, "ladder": ladder}
    return Duty.model_validate({**told, "rule": rule, "scope": scopes or (scope(),)})


def registry(*duties: Duty, ladders: Mapping[str, Any] = LADDERS) -> Registry:
    return Registry({}, {}, {one.code: one for one in duties}, ladders, (), {})


def roster(**units: Mapping[str, Any]) -> Roster:
    told = {"level": "county", "jurisdiction": "区/县", "office_opens": "10:00"}
    rows = [{"code": code, "name": code, **told, **unit} for code, unit in units.items()]
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()
    return Roster("town", digest, tuple(UnitEntry.model_validate(row) for row in rows))


def at(text: str) -> datetime:
    """An instant, written as 2026-01-04 10:00; a day alone is its noon."""
    when = datetime.fromisoformat(text)
    return (when if " " in text else datetime.combine(when, time(12))).replace(tzinfo=ZONE)


@asynccontextmanager
async def fresh(url: str) -> AsyncIterator[None]:
    async with opened(url) as location:
        await migrate(location)
        yield


async def enter(when: str = "2025-01-01", /, **units: Mapping[str, Any]) -> None:
    await roster_rows.apply(roster(**units), "test", at(when), 600, today=at(when).date())


async def plan(law: Registry, when: str) -> Planned:
    return await planning.plan(law, at(when), at(when).date())


async def wave(law: Registry, when: str, calendar: WorkCalendar = CALENDAR) -> int:
    return await reminding.raise_due(law, calendar, await reminding.instant(at(when), ZONE))


async def owed() -> list[str]:
    """Every obligation in one line: unit, duty, term, state."""
    rows = await fetch(
        "SELECT u.code, t.duty, t.label, o.state FROM obligation o JOIN term t ON t.id = o.term_id"
        " JOIN unit u ON u.id = o.unit_id ORDER BY t.due, t.duty, u.code, t.id"
    )
    return [" ".join(row.values()) for row in rows]


async def told(*, superseded: bool = False) -> list[str]:
    """Every reminder raised, in order: unit, rung, audience, and whether late."""
    rows = await fetch(
        "SELECT u.code, m.rung, m.audience, m.late, m.superseded FROM reminder m"
        " JOIN obligation o ON o.id = m.obligation_id JOIN unit u ON u.id = o.unit_id ORDER BY m.id"
    )
    return [
        f"{row['code']} {row['rung']} {row['audience']}{' late' if row['late'] else ''}"
        for row in rows
        if bool(row["superseded"]) == superseded
    ]


async def only() -> Obligation:
    (one,) = await reading.obligations(Filter())
    return one


async def terms() -> dict[str, date]:
    return {row["label"]: as_date(row["due"]) for row in await fetch("SELECT label, due FROM term ORDER BY due")}


def somebody(*posts: tuple[Role, int], number: int = 1, over: str = "/") -> Actor:
    return Actor(number, "某人", tuple(PostHeld(role, unit, "unit", over) for role, unit in posts))


def moment(when: str) -> Moment:
    return Moment(at(when), at(when).date(), "test")


async def head_of(one: Obligation) -> Actor:
    return somebody((Role.HEAD, one.unit_id))


SUPERVISOR = somebody((Role.SUPERVISOR, 10_000), number=2)


async def report(when: str, evidence: Evidence = EVIDENCE) -> Done:
    one = await only()
    async with transaction():
        return await obligations.report(await head_of(one), one.id, evidence, moment(when))


async def count(when: str, topic: str = "宪法", on: str = "", amount: int = 1) -> Done:
    one, day = await only(), at(on or when).date()
    async with transaction():
        return await obligations.count(await head_of(one), one.id, topic, day, moment(when), amount)


async def acknowledge(when: str) -> Done:
    one = await only()
    async with transaction():
        return await obligations.acknowledge(await head_of(one), one.id, moment(when))


async def close(when: str) -> Done:
    one = await only()
    async with transaction():
        return await obligations.close(SUPERVISOR, one.id, moment(when))


async def give_back(when: str, reason: str = "缺附件") -> Done:
    one = await only()
    async with transaction():
        return await obligations.give_back(SUPERVISOR, one.id, reason, moment(when))


async def undo(when: str, actor: Actor | None = None) -> Done:
    one = await only()
    async with transaction():
        return await take_back(actor or await head_of(one), moment(when))


async def take_back(actor: Actor, at: Moment) -> Done:
    """Undo the last answer; of several lines the last."""
    for deed in await undoing.last_answer(actor, at):
        done = await undoing.take_back(actor, LAW, deed, at)
    return done
