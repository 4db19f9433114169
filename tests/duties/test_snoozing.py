"""Until when a reminder may be put off: the bounds as properties, over any instant and any due day."""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duties import snoozing
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import Role
from duties.snoozing import TIMES, WORKING_DAYS, Bounds, rounded, until, working
from duties.store.chains import history
from duties.store.database import transaction
from tests.duties.town import (
    CALENDAR,
    JANUARY,
    ZONE,
    acknowledge,
    at,
    duty,
    enter,
    fresh,
    give_back,
    head_of,
    moment,
    only,
    plan,
    registry,
    report,
    scope,
    somebody,
)

INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 1)).map(lambda one: one.replace(tzinfo=ZONE))  # noqa: DTZ001  the zone follows
AHEAD = st.timedeltas(timedelta(), timedelta(days=40))
DUE = st.timedeltas(timedelta(days=-5), timedelta(days=60))
OPENINGS = st.integers(0, 1439)


def bounds(now: datetime, due: timedelta, opens: int) -> Bounds:
    day = now.date() + due
    return Bounds(day, CALENDAR.on_or_before(day), opens)


@given(INSTANTS, AHEAD, DUE, OPENINGS)
def test_the_end_is_an_hour_of_work_within_every_bound(
    now: datetime, ahead: timedelta, due: timedelta, opens: int
) -> None:
    limits = bounds(now, due, opens)
    end = until(now + ahead, now, limits, CALENDAR)
    if end is None:
        return
    assert working(end, opens, CALENDAR)
    assert now < end
    assert end.date() <= CALENDAR.on_or_before(limits.advise_by)
    assert CALENDAR.between(now.date(), end.date()) <= WORKING_DAYS
    assert now.date() < limits.due


@given(INSTANTS, DUE, OPENINGS)
def test_never_on_the_due_day_nor_after_it(now: datetime, due: timedelta, opens: int) -> None:
    limits = bounds(now, due, opens)
    if now.date() >= limits.due:
        assert until(now + timedelta(hours=2), now, limits, CALENDAR) is None


@given(INSTANTS, AHEAD, OPENINGS)
def test_far_from_the_deadline_it_is_never_refused_and_never_earlier_than_wished_but_for_the_bound(
    now: datetime, ahead: timedelta, opens: int
) -> None:
    wanted = now + timedelta(minutes=1) + ahead
    end = until(wanted, now, bounds(now, timedelta(days=60), opens), CALENDAR)
    assert end is not None
    last = CALENDAR.add(now.date(), WORKING_DAYS)
    assert end >= wanted or end == snoozing.opening(last, now, opens)


@given(INSTANTS, OPENINGS)
def test_rounding_waits_for_the_next_hour_of_work_and_no_longer(now: datetime, opens: int) -> None:
    end = rounded(now, opens, CALENDAR)
    assert working(end, opens, CALENDAR)
    assert end >= now
    if end > now:
        assert not working(now, opens, CALENDAR)
        assert end == snoozing.opening(end.date(), now, opens)


@pytest.mark.parametrize(
    ("now", "wanted", "due", "end"),
    [
        ("2026-01-05 11:00", "2026-01-05 13:00", "2026-01-31", "2026-01-05 13:00"),
        ("2026-01-05 18:00", "2026-01-05 20:00", "2026-01-31", "2026-01-06 10:00"),  # the evening
        ("2026-01-05 11:00", "2026-01-06 00:00", "2026-01-31", "2026-01-06 10:00"),
        ("2026-01-09 17:30", "2026-01-10 00:00", "2026-01-31", "2026-01-12 10:00"),  # over a weekend
        ("2026-01-05 11:00", "2026-02-01 00:00", "2026-01-31", "2026-01-08 10:00"),  # three working days
        ("2026-01-29 11:00", "2026-02-02 00:00", "2026-01-31", "2026-01-30 10:00"),  # due on a Saturday
        ("2026-01-30 11:00", "2026-01-30 13:00", "2026-01-31", "2026-01-30 13:00"),
        ("2026-01-30 11:00", "2026-02-02 00:00", "2026-01-31", ""),
        ("2026-01-31 11:00", "2026-01-31 13:00", "2026-01-31", ""),
        ("2026-01-30 11:00", "2026-01-30 13:00", "2026-01-30", ""),  # the due day itself
        ("2026-02-13 16:00", "2026-02-18 00:00", "2026-03-31", "2026-02-24 10:00"),  # the Spring Festival
        ("2026-02-02 11:00", "2026-02-02 13:00", "2026-01-31", ""),
    ],
)
def test_by_hand(now: str, wanted: str, due: str, end: str) -> None:
    day = date.fromisoformat(due)
    found = until(at(wanted), at(now), Bounds(day, CALENDAR.on_or_before(day), 600), CALENDAR)
    assert found == (at(end) if end else None)


def test_an_office_that_opens_late_closes_at_midnight() -> None:
    evening = datetime.combine(date(2026, 1, 5), time(23, 59), ZONE)
    assert working(evening, 18 * 60, CALENDAR)
    assert not working(evening + timedelta(minutes=1), 18 * 60, CALENDAR)


LAW = registry(duty("report", JANUARY, scope(in_force_to=date(2026, 12, 31))))
END = at("2026-01-20 15:00")


async def test_only_who_answers_for_it_while_it_is_open_and_not_sent_back(database_url: str) -> None:
    async with fresh(database_url):
        await enter(water={})
        await plan(LAW, "2026-01-05")
        one = await only()
        head = await head_of(one)
        async with transaction():
            done = await snoozing.snooze(head, one, END, TIMES - 1, moment("2026-01-20"))
        assert (done.obligation.state, done.action) == ("pending", "snooze")
        (line,) = await history(StreamRef("obligation", one.id))
        assert "2026-01-20T15:00:00+08:00" in line["payload"]
        for actor, end, times, key in (
            (somebody((Role.SUPERVISOR, one.unit_id)), END, 0, "refused-not-yours"),
            (head, None, 0, "refused-snooze-late"),
            (head, END, TIMES, "refused-snooze-often"),
        ):
            with pytest.raises(RefusedError, match=key):
                await snoozing.snooze(actor, one, end, times, moment("2026-01-20"))
        await acknowledge("2026-01-20")
        await report("2026-01-20")
        with pytest.raises(RefusedError, match="refused-state"):
            await snoozing.snooze(head, await only(), END, 0, moment("2026-01-20"))
        await give_back("2026-01-20")
        with pytest.raises(RefusedError, match="refused-snooze-returned"):
            await snoozing.snooze(head, await only(), END, 0, moment("2026-01-20"))
