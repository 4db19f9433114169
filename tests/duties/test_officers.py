"""Officers and their hours: what files say, what each owes, and what the tally makes of it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duties import officers, training
from duties.errors import RefusedError, RosterError
from duties.ledger import StreamRef
from duties.model import Obligation, State
from duties.officers import Change, Due, Known, KnownUnit, Officer, Trained, halves, hours, needed, tally
from duties.store import changing, officer_lists, officer_rows, verifying
from duties.store.chains import history
from duties.store.database import fetch, transaction
from duties.training import Lesson
from tests.duties.town import duty, enter, fresh, head_of, moment, only, plan, registry, scope, undo

TODAY = date(2026, 6, 15)
OPENS = date(2026, 1, 1)
URBAN, WATER = KnownUnit(1, "urban", "城管局", ("执法局",)), KnownUnit(2, "water", "水利局")
NAMES = {"姓名": "name", "单位": "unit", "证号": "certificate"}
HOURS = {
    "kind": "counted", "at_least": 60, "per": "officer", "noun": "学时", "noun_en": "hours", "pace_months": 10,
    "checkpoints": [3, 6, 9, 10],
}  # fmt: skip
LAW = registry(duty("training", HOURS, scope(in_force_to=date(2026, 12, 31))))
LISTED = (
    Officer(1, 1, "张三", "C1"),
    Officer(2, 1, "李四", "C2", date(2026, 3, 1), None, date(2026, 3, 1)),
    Officer(3, 2, "赵六", "W1"),
)


def known(*rows: Officer, today: date = TODAY) -> Known:
    return Known((URBAN, WATER), rows, today)


def changed(text: str, *rows: Officer, today: date = TODAY) -> tuple[Change, ...]:
    return officers.changes("list.csv", text.encode(), known(*rows, today=today), NAMES)


def told(changes: tuple[Change, ...]) -> list[str]:
    return [f"{one.kind} {one.unit.code} {one.name} {one.certificate}" for one in changes]


def faults(text: str, *rows: Officer) -> list[str]:
    with pytest.raises(RosterError) as error:
        changed(text, *rows)
    return list(error.value.faults)


def test_a_first_list_adds_everybody_and_the_same_again_changes_nothing() -> None:
    text = "单位,姓名,证号,from,to\n城管局,张三,C1,,\n执法局,李四,C2,2026/3/1,\nwater,赵六,W1,,2026-12-31\n"
    changes = changed(text)
    assert told(changes) == [
        "officer_added urban 张三 C1", "officer_added urban 李四 C2", "officer_added water 赵六 W1",
    ]  # fmt: skip
    rows = [replace(row, id=number) for number, one in enumerate(changes, 1) for row in one.rows]
    assert [row.span for row in rows] == ["../..", "2026-03-01/..", "../2026-12-31"]
    assert changed(text, *rows) == ()


def test_gb18030_and_toml_say_the_same() -> None:
    text = "单位,姓名,证号\n城管局,张三,C1\n"
    toml = '[[officer]]\nunit = "urban"\nname = "张三"\ncertificate = "C1"\n'
    wanted = changed(text)
    assert officers.changes("list.csv", text.encode("gb18030"), known(), NAMES) == wanted
    assert officers.changes("list.toml", toml.encode(), known(), NAMES) == wanted


def test_who_is_no_longer_listed_ends_yesterday_and_other_units_are_left_alone() -> None:
    (change,) = changed("unit,name,certificate\nurban,张三,C1\n", *LISTED)
    assert (change.kind, change.name, change.rows[0].until) == ("officer_ended", "李四", date(2026, 6, 14))
    assert change.touched == (1,)


def test_a_new_certificate_of_somebody_listed_keeps_the_person() -> None:
    (change,) = changed("unit,name,certificate\nurban,张三,C9\nurban,李四,C2\n", *LISTED)
    assert change.kind == "officer_changed"
    assert change.facts == (("certificate", "C1", "C9"),)
    assert change.rows[0].id == 1


def test_one_of_two_namesakes_with_a_new_certificate_is_somebody_new() -> None:
    rows = (*LISTED, Officer(4, 1, "张三", "C4"))
    assert told(changed("unit,name,certificate\nurban,李四,C2\nurban,张三,C9\n", *rows)) == [
        "officer_added urban 张三 C9", "officer_ended urban 张三 C1", "officer_ended urban 张三 C4",
    ]  # fmt: skip


def test_a_certificate_in_another_unit_takes_its_officer_along() -> None:
    (change,) = changed("unit,name,certificate\nwater,赵六,W1\nwater,李四,C2\n", *LISTED)
    old, new = change.rows
    assert (change.kind, change.touched) == ("officer_moved", (1, 2))
    assert (old.id, old.until) == (2, date(2026, 6, 14))
    assert (new.id, new.unit_id, new.since, new.entered, new.person) == (0, 2, TODAY, date(2026, 3, 1), 2)


def test_who_comes_back_after_a_break_enters_anew() -> None:
    gone = replace(LISTED[1], until=date(2026, 4, 30))
    (change,) = changed("unit,name,certificate,from\nurban,张三,C1,\nurban,李四,C2,2026-06-01\n", LISTED[0], gone)
    (row,) = change.rows
    assert (change.kind, row.id, row.person, row.entered) == ("officer_back", 0, 2, date(2026, 6, 1))


def test_every_fault_of_a_list_is_told_with_its_row_and_value() -> None:
    text = (
        "unit,name,certificate,from,to\n环保局,甲,X1,,\nurban,,X2,,\nurban,丙,X3,2026-02-30,\nurban,丁,X4,2026-05-01,2026-04-01\n"
        "urban,戊,X5,,\nwater,己,X5,,\nwater,庚,C1,,\nwater,李四,C2,2026-02-01,\n"
    )
    found = faults(text, *LISTED)
    assert [fault.partition(":")[2].split(":")[0].strip() for fault in found] == [
        "row 2", "row 3", "row 4", "row 5", "row 7", "row 8", "row 9",
    ]  # fmt: skip
    for fault, words in zip(
        found, ("环保局", "name", "2026-02-30", "2026-05-01", "X5 is there already in row 6", "C1 is 张三's at 城管局",
                "C2 is 李四's at 城管局 since 2026-03-01"), strict=True,
    ):  # fmt: skip
        assert words in fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,certificate\n甲,X1\n", "unit: the column is missing"),
        ("unit,name,certificate,age\nurban,甲,X1,9\n", "age: not a column"),
        ("unit,name,certificate\n", "at least one row"),
        ("", "unit: the column is missing"),
    ],
)
def test_a_file_that_is_no_list_is_told(text: str, words: str) -> None:
    assert any(words in fault for fault in faults(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [("0.5", 1), ("4", 8), ("24", 48), ("2.50", 5), ("0", None), ("-1", None), ("24.5", None), ("1.3", None)],
)
def test_hours_are_stored_in_halves(text: str, found: int | None) -> None:
    assert halves(Decimal(text)) == found


DUE = (Due(10, 1, OPENS, date(2026, 12, 31)),)


def had(text: str, recorded: dict[tuple[int, date], dict[str, int]] | None = None) -> list[str]:
    found = hours("hours.csv", text.encode(), known(*LISTED), NAMES, DUE, recorded or {})
    return [f"{one.officer.name} {one.on} {one.topic} {one.halves}" for one in found]


def test_hours_of_a_file_are_recorded_once() -> None:
    text = "单位,姓名,证号,date,topic,hours\n城管局,张三,,2026-05-06,刑法,4\nurban,,C2,2026/5/6,刑法,2.5\n"
    assert had(text) == ["张三 2026-05-06 刑法 8", "李四 2026-05-06 刑法 5"]
    assert had(text, {(1, date(2026, 5, 6)): {"刑法": 8}}) == ["李四 2026-05-06 刑法 5"]


def test_every_fault_of_a_file_of_hours_is_told() -> None:
    rows = (
        ("urban,甲,,2026-05-06,刑法,4", "甲 is no officer"),
        ("urban,,,2026-05-06,刑法,4", "expected a certificate or a name"),
        ("urban,张三,,2026-06-16,刑法,4", "still to come"),
        ("urban,张三,,2025-06-16,刑法,4", "owes no hours"),
        ("urban,李四,,2026-02-16,刑法,4", "is no officer of 城管局 on 2026-02-16"),
        ("urban,张三,,2026-05-06,刑法,1.3", "1.3: expected hours"),
        ("urban,张三,,2026-05-06,民法,4", "reverse them first"),
        ("urban,张三,,2026-05-07,甲,20", ""),
        ("urban,张三,,2026-05-07,甲,20", "already in row 9"),
        ("urban,张三,,2026-05-07,乙,5", "more than 24 hours"),
        ("urban,李四,C1,2026-05-08,乙,5", "not 李四's"),
    )
    text = "unit,name,certificate,date,topic,hours\n" + "\n".join(row for row, _ in rows)
    with pytest.raises(RosterError) as error:
        had(text, {(1, date(2026, 5, 6)): {"民法": 6}})
    wanted = [(number, words) for number, (_, words) in enumerate(rows, 2) if words]
    for fault, (number, words) in zip(error.value.faults, wanted, strict=True):
        assert f"row {number}:" in fault
        assert words in fault


months = st.integers(1, 12)


@given(entered=st.none() | st.dates(date(2024, 1, 1), date(2026, 12, 31)), unit=months, full=st.integers(1, 200))
def test_an_officer_never_owes_more_than_the_unit_and_never_nothing(entered: date | None, unit: int, full: int) -> None:
    target = -(-full * unit // 12)
    need = needed(entered, full, target, OPENS)
    assert 1 <= need <= target
    if entered is None or entered <= OPENS:
        assert need == target
    else:
        assert need == min(target, -(-full * (13 - entered.month) // 12))


@given(st.lists(st.tuples(st.integers(0, 200), months), min_size=1, max_size=9), months)
def test_the_tally_reaches_the_target_when_all_have_and_not_before(people: list[tuple[int, int]], unit: int) -> None:
    target = 5 * unit
    trained = [Trained(LISTED[0], had, needed(date(2026, month, 2), 60, target, OPENS)) for had, month in people]
    found = tally(trained, target)
    assert 0 <= found <= target
    assert (found == target) == all(one.reached for one in trained)
    worse = [replace(trained[0], halves=max(0, trained[0].halves - 1)), *trained[1:]]
    assert tally(worse, target) <= found


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Obligation]:
    async with fresh(database_url):
        await enter(urban={}, water={"to": "2025-12-31"})
        await plan(LAW, "2026-01-05")
        yield await only()


async def enlist(text: str, when: str) -> None:
    at, data = moment(when), text.encode()
    changes = officers.changes("list.csv", data, await officer_lists.known(at.today), NAMES)
    async with transaction():
        await training.import_list(changes, "list.csv", data, LAW, at)


async def train(names: str, amount: int, on: str, topic: str = "刑法", when: str = "") -> Obligation:
    one, at = await only(), moment(when or on)
    whom = [row for row in await officer_rows.listed((one.unit_id,), at.today) if row.name in names]
    async with transaction():
        lesson = Lesson(date.fromisoformat(on), topic, amount)
        return (await training.record(await head_of(one), one.id, whom, lesson, LAW, at)).obligation


TWO = "unit,name,certificate\nurban,张三,C1\nurban,李四,C2\n"


async def test_the_year_ends_reported_when_all_have_their_hours(town: Obligation) -> None:
    await enlist(TWO, "2026-01-06")
    assert (town.target, (await train("张三 李四", 40, "2026-02-02")).tally) == (60, 20)
    await train("张三 李四", 40, "2026-03-02")
    assert (await train("张三", 40, "2026-04-02")).state == State.PENDING
    done = await train("李四", 40, "2026-03-31", when="2026-04-03")
    assert (done.state, done.tally, done.done_on, done.backdated) == (State.REPORTED, 60, date(2026, 4, 2), True)
    await enlist(f"{TWO}urban,王五,C3\n", "2026-04-04")
    assert ((await only()).state, (await only()).done_on) == (State.PENDING, None)
    await enlist(TWO, "2026-04-05")
    assert (await only()).state == State.REPORTED
    assert await verifying.silent_changes() == []
    actions = [row["action"] for row in await history(StreamRef("obligation", town.id))]
    assert actions == ["restate-hours", *["hours"] * 4, *["restate-hours"] * 2]
    rows = await history(StreamRef("unit", town.unit_id))
    assert [row["action"] for row in rows].count("officers") == 3


async def test_hours_are_unique_while_they_stand(town: Obligation) -> None:
    await enlist(TWO, "2026-01-06")
    await train("张三", 8, "2026-02-02")
    with pytest.raises(RefusedError, match="refused-hours-already"):
        await train("张三 李四", 8, "2026-02-02")
    (record,) = await officer_rows.records([1, 2], ["training"])
    async with transaction():
        await training.reverse(await head_of(town), town.id, [record], LAW, moment("2026-02-03"))
    await train("张三", 6, "2026-02-02", when="2026-02-03")
    with pytest.raises(RefusedError, match="refused-hours-day"):
        await train("张三", 46, "2026-02-02", "民法", when="2026-02-03")
    assert [(one.halves, one.topic) for one in await officer_rows.records([1, 2], ["training"])] == [(6, "刑法")]
    assert len(await fetch("SELECT id FROM training")) == 2


async def test_undo_brings_back_what_a_reversal_took(town: Obligation) -> None:
    await enlist("unit,name,certificate\nurban,张三,C1\n", "2026-01-06")
    assert (await train("张三", 8, "2026-02-02")).tally == 4
    records = await officer_rows.records([1], ["training"])
    async with transaction():
        await training.reverse(await head_of(town), town.id, records, LAW, moment("2026-02-02 12:01"))
    assert (await only()).tally == 0
    await undo("2026-02-02 12:05")
    assert ((await only()).tally, await officer_rows.records([1], ["training"])) == (4, records)


async def test_an_officer_of_another_unit_is_not_the_units_to_record(town: Obligation) -> None:
    await enlist(TWO, "2026-01-06")
    stranger = Officer(99, town.unit_id + 1, "赵六", "W1")
    lesson = Lesson(date(2026, 2, 2), "刑法", 8)
    with pytest.raises(RefusedError, match="refused-not-your-officer"):
        async with transaction():
            await training.record(await head_of(town), town.id, [stranger], lesson, LAW, moment("2026-02-02"))


@pytest.mark.usefixtures("town")
async def test_a_day_named_long_ago_changes_the_tally_when_it_comes() -> None:
    await enlist(f"{TWO.replace('certificate', 'certificate,to')}urban,王五,C3,2026-02-10\n", "2026-01-06")
    await train("张三 李四", 8, "2026-02-02")
    for day, wanted in ((10, 0), (11, 4)):
        at = moment(f"2026-02-{day}")
        await training.restate_daily(LAW, at.now, at.today)
        assert (await only()).tally == wanted
    lines = await fetch("SELECT COUNT(*) AS n FROM entry")
    await training.restate_daily(LAW, at.now, at.today)
    assert await fetch("SELECT COUNT(*) AS n FROM entry") == lines


async def test_when_nobody_is_left_the_unit_attests_again(town: Obligation) -> None:
    await enlist(TWO, "2026-01-06")
    await train("张三 李四", 8, "2026-02-02")
    with pytest.raises(RefusedError, match="refused-attest-officers"):
        await training.may_attest(town, date(2026, 2, 3))
    await enlist("unit,name,certificate,to\nurban,张三,C1,2026-02-03\nurban,李四,C2,2026-02-03\n", "2026-02-03")
    at = moment("2026-02-04")
    await training.restate([town.id], LAW, at)
    await training.may_attest(town, at.today)
    assert (await only()).tally == 0


@pytest.mark.usefixtures("town")
async def test_what_changed_a_tally_behind_the_ledger_shows() -> None:
    await enlist(TWO, "2026-01-06")
    await train("张三 李四", 8, "2026-02-02")
    async with transaction():
        await changing.move(await only(), State.PENDING, tally=60)
    assert ["tally" in fault.reason for fault in await verifying.silent_changes()] == [True]
