"""How it goes: 进度 of what is counted, and the lights of units."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from bot.conversation.ask import Ask, Reply
from bot.conversation.counting import STUDY
from bot.conversation.narrow import Narrowed, about, narrowed
from bot.conversation.questions import more, unknown
from bot.conversation.supervisor import view
from bot.conversation.telling import is_counted, offered
from bot.store import figures
from bot.store.asked import Asked
from bot.store.figures import Lit
from bot.store.oversight import Narrow, View
from duties import training
from duties.registry import CountedRule, Registry
from duties.reports import Light, allowances, expected, projected
from duties.training import Reached

BEHIND = 9
"""Lines for units behind pace; more do not fit a phone."""
OFFICERS_OF = 100_000
"""Units whose officers are counted in one answer."""
LIT = 5
"""Lines for the units of one light."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A counted duty over all units: what was counted, what should have been by now, how many units are behind.

    `by_year_end` is the linear projection; None when it is too early, or where people are attested as a whole.
    """

    duty: str
    term: str
    units: int
    tally: int
    target: int
    expected: int
    behind: int
    met: int
    by_year_end: int | None


def paces(rows: Iterable[dict[str, Any]], registry: Registry, allowed: Mapping[str, int], today: date) -> list[Pace]:
    """The sums of each duty and term."""
    by_term = groupby(rows, lambda row: (row["duty"], row["term"]))
    return [_pace(duty, term, list(group), registry, allowed.get(duty), today) for (duty, term), group in by_term]


def _pace(
    duty: str, term: str, rows: list[dict[str, Any]], registry: Registry, allowed: int | None, today: date
) -> Pace:
    tally = sum(row["tally"] * row["found"] for row in rows)
    first, last = rows[0]["opens"], rows[0]["due"]
    rule = registry.duty(duty).rule
    by_person = isinstance(rule, CountedRule) and rule.per != "unit"
    return Pace(
        duty, term,
        units=sum(row["found"] for row in rows),
        tally=tally,
        target=sum(row["target"] * row["found"] for row in rows),
        expected=sum(expected(row["target"], allowed) * row["found"] for row in rows),
        behind=sum(row["open"] for row in rows if row["tally"] < expected(row["target"], allowed)),
        met=sum(row["found"] for row in rows if row["tally"] >= row["target"]),
        by_year_end=None if by_person else projected(tally, first, last, today),
    )  # fmt: skip


async def study_progress(ask: Ask) -> Reply:
    """学法进度: the progress of the studies before meetings, unless another duty is named."""
    seen = view(ask)
    limits = await narrowed(ask, seen)
    if limits.narrow.duties:
        return await _progress(ask, seen, limits)
    study = Narrowed(Narrow(limits.narrow.paths, (STUDY,)), limits.units, (ask.title(STUDY),), limits.unknown)
    return await _progress(ask, seen, study)


async def progress(ask: Ask) -> Reply:
    """进度: counted duties against their targets and against the pace of the year."""
    seen = view(ask)
    return await _progress(ask, seen, await narrowed(ask, seen))


def counted_codes(registry: Registry, narrow: Narrow) -> list[str]:
    """The counted duties within some limits, in the order of the registry."""
    return [one.code for one in registry.duties if is_counted(one) and (one.code in narrow.duties or not narrow.duties)]


async def _progress(ask: Ask, seen: View, limits: Narrowed) -> Reply:
    question = Asked("progress", limits.narrow, ask.language)
    lines = unknown(ask, limits)
    codes = counted_codes(ask.registry, limits.narrow)
    allowed = allowances(ask.registry, ask.today, ask.around.workdays)
    rows = await figures.tallies(seen, limits.narrow, codes, ask.today) if codes else []
    if not rows:
        return offered(ask, [*lines, ask.say("progress-none", about=about(ask, limits))], question, found=0)
    found = paces(rows, ask.registry, allowed, ask.today)
    total, slow = sum(one.units for one in found), sum(one.behind for one in found)
    lines.append(ask.say("progress-head", about=about(ask, limits), n=total, behind=slow))
    listed = await _officers(ask, seen, limits, codes)
    lines += [
        _pace_line(ask, one, listed.get((one.duty, one.term)))
        for one in sorted(found, key=lambda one: codes.index(one.duty))
    ]
    within = {code: missing for code, missing in allowed.items() if code in codes}
    room = max(BEHIND - len(found), 2)
    late = await figures.behind(seen, limits.narrow, within, ask.today, room) if total > len(found) else []
    lines += [_behind_line(ask, number, row, within[row["duty"]]) for number, row in enumerate(late, 1)]
    lines += more(ask, slow - len(late)) if late else []
    return offered(ask, lines, question, found=total, items=tuple(row["id"] for row in late))


async def _officers(ask: Ask, seen: View, limits: Narrowed, codes: Sequence[str]) -> dict[tuple[str, str], Reached]:
    """By duty and term, how many officers have their hours, over the units that are measured so."""
    by_officer = [code for code in codes if code in training.full_hours(ask.registry)]
    if not by_officer:
        return {}
    rows = await figures.counted_listed(seen, limits.narrow, by_officer, ask.today, OFFICERS_OF)
    count = await training.reached([row["id"] for row in rows], ask.registry, ask.today)
    found: dict[tuple[str, str], Reached] = {}
    for row in rows:
        if one := count.get(row["id"]):
            sofar = found.get((row["duty"], row["term"]), Reached(0, 0))
            found[row["duty"], row["term"]] = Reached(sofar.reached + one.reached, sofar.officers + one.officers)
    return found


def _pace_line(ask: Ask, one: Pace, listed: Reached | None) -> str:
    rule = ask.duty(one.duty).rule
    assert isinstance(rule, CountedRule)
    facts = {
        "title": ask.title(one.duty), "term": ask.term(one.term), "units": one.units, "tally": one.tally,
        "target": one.target, "expected": one.expected, "behind": one.behind, "met": one.met,
        "noun": rule.noun if ask.language == "zh" else rule.noun_en,
        "mark": ask.say("pace-slow" if one.behind else "pace-fine"),
    }  # fmt: skip
    end = "" if one.by_year_end is None else ask.say("pace-year-end", n=one.by_year_end, **facts)
    if listed and one.units == 1:
        return ask.say("pace-own-officers", reached=listed.reached, officers=listed.officers, **facts)
    if listed:
        return ask.say("pace-officers", reached=listed.reached, officers=listed.officers, **facts)
    if rule.per != "unit":
        own = "pace-own-met" if one.met else "pace-own-unmet"
        return ask.say(own if one.units == 1 else "pace-attested", **facts)
    return ask.say("pace-own" if one.units == 1 else "pace-line", year_end=end, **facts)


def _behind_line(ask: Ask, number: int, row: dict[str, Any], allowed: int) -> str:
    return ask.say(
        "pace-behind", number=number, unit=row["unit"], title=ask.title(row["duty"]), tally=row["tally"],
        target=row["target"], expected=expected(row["target"], allowed), id=row["id"],
    )  # fmt: skip


async def lights(ask: Ask) -> Reply:
    """红黄绿灯: how the units stand, the worst first."""
    seen = view(ask)
    limits = await narrowed(ask, seen)
    question = Asked("lights", limits.narrow, ask.language)
    units = await figures.owing_units(seen, limits.narrow, ask.today)
    lines = unknown(ask, limits)
    if not units:
        return offered(ask, [*lines, ask.say("lights-none", about=about(ask, limits))], question, found=0)
    allowed = allowances(ask.registry, ask.today, ask.around.workdays)
    lit = await figures.lights(seen, limits.narrow, allowed, ask.today)
    red, yellow = ([one for one in lit if one.light == light] for light in (Light.RED, Light.YELLOW))
    facts = {"red": len(red), "yellow": len(yellow), "green": units - len(lit), "units": units}
    lines.append(ask.say("lights-head", about=about(ask, limits), **facts))
    for key, found in (("lights-red", red), ("lights-yellow", yellow)):
        if found:
            lines += [ask.say(key), *(_lit_line(ask, one) for one in found[:LIT])]
            lines += more(ask, len(found) - LIT, "more-units")
    return offered(ask, lines, question, found=units)


def _lit_line(ask: Ask, one: Lit) -> str:
    reasons = {
        "light-overdue": one.standing.overdue, "light-returned": one.standing.returned,
        "light-soon": one.standing.soon, "light-behind": one.standing.behind,
    }  # fmt: skip
    return ask.say("light-unit", unit=one.unit, why=[ask.say(key, n=n) for key, n in reasons.items() if n])
