"""Dates: the working calendar against a bare array of prefix sums, terms against plain calls of date()."""

import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta

from bench.measure import Case, Goal, Line, interleaved
from bot.app import Law
from duties import schedule
from duties.registry import CalendarRule

FIRST, LAST = date(2019, 1, 1), date(2068, 12, 31)
DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(700)]
STEPS = range(1, 11)


async def lines(law: Law, rounds: int) -> AsyncIterator[Line]:
    found = await interleaved(rounds, bare=_timed(_prefix_sums(law), 10), ours=_timed(_calendar(law), 10))
    yield Line("nth working day, dates/s", "bare prefix sums", found.rates("ours", "bare"), Goal(0.3, 0.8))
    monthly = next(d for d in law.registry.duties if isinstance(d.rule, CalendarRule) and "MONTHLY" in d.rule.rrule)
    rule = monthly.rule
    months = [(year, month) for year in range(FIRST.year, LAST.year + 1) for month in range(1, 13)]

    def bare() -> int:
        return len([date(year, month, 10) for year, month in months])

    def dates() -> int:
        years = range(FIRST.year, LAST.year + 1)
        return sum(len(schedule._occurrences(rule.rrule, rule.anchor, year)) for year in years)  # noqa: SLF001

    def terms() -> int:
        return len(schedule.terms(monthly, FIRST, LAST)) // len(monthly.scope)

    found = await interleaved(rounds, bare=_timed(bare, 20), dates=_timed(dates, 20), terms=_timed(terms, 20))
    per = dates() / len(months)
    rates = [rate * per for rate in found.rates("dates", "bare")]
    yield Line(
        "rule expansion, remembered, dates/s", "plain date()", rates, Goal(0.1, 0.3), note=f"{monthly.code}, 50 years"
    )
    rates = [rate * per * len(monthly.scope) for rate in found.rates("terms", "bare")]
    yield Line("whole terms, terms/s", "plain date()", rates, note="period, opening, due, ground, tags")


def _timed(work: Callable[[], object], times: int) -> Case:
    async def run() -> float:
        began = time.perf_counter()
        for _ in range(times):
            work()
        return time.perf_counter() - began

    return run


def _calendar(law: Law) -> Callable[[], list[date]]:
    add = law.workdays.add

    def run() -> list[date]:
        return [add(day, n) for day in DAYS for n in STEPS]

    return run


def _prefix_sums(law: Law) -> Callable[[], list[date]]:
    """The same answers from two lists and nothing around them, checked once."""
    working = [day for day in (DAYS[0] + timedelta(days=n) for n in range(800)) if law.workdays.is_workday(day)]
    origin = DAYS[0].toordinal()
    upto = [bisect_right(working, DAYS[0] + timedelta(days=n)) for n in range(800)]

    def nth(day: date, n: int) -> date:
        return working[upto[day.toordinal() - origin] + n - 1]

    def run() -> list[date]:
        return [nth(day, n) for day in DAYS for n in STEPS]

    if run() != _calendar(law)():
        raise RuntimeError("the bare calendar disagrees")
    return run
