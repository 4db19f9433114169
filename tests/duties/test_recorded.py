"""What people wrote down and somebody changed behind the ledger is found, whichever table and column it was."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from duties import (
    cases,
    delegating,
    escalation,
    obligations,
    officers,
    planning,
    points,
    requests,
    training,
)
from duties.cases import Law, Opening
from duties.escalation import Signing
from duties.model import Actor, Role
from duties.points import Unit
from duties.reading import shipped
from duties.store import officer_lists, officer_rows, reading, recorded
from duties.store.database import execute, fetch, transaction
from duties.store.verifying import silent_changes
from duties.training import Lesson
from tests.duties.town import CALENDAR, at, enter, fresh, moment, somebody, take_back

LAW = Law(shipped(), CALENDAR)
DAY = "2026-02-05"
LONG = "昌司督〔2026〕1号" + "长" * 200
LIST = "unit,name,certificate,from\nwater,张三,C1,2026-01-02\nwater,李四,C2,\n"
PLACE = "新疆维吾尔自治区/昌吉州/昌吉市"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[dict[str, int]]:
    """Letter 1 served, which opened case 1; an assignment, case 2; three records of points, three requests.

    Counts: one stands, one was sent back, one undone. Hours: of five two were reversed, and one of these undone. Of
    three officers one has left. The head was stood in for twice.
    """
    async with fresh(database_url):
        await enter(
            gov={"tags": ["government"], "jurisdiction": PLACE},
            justice={"parent": "gov", "tags": ["department", "justice", "supervision"], "jurisdiction": PLACE},
            water={
                "parent": "gov", "tags": ["department", "enforcement"], "jurisdiction": PLACE,
                "posts": [
                    {"role": "head", "person": "w1", "name": "王"}, {"role": "officer", "person": "w2", "name": "李"},
                ],
            },
        )  # fmt: skip
        await planning.plan(LAW.registry, at("2026-01-05"), at("2026-01-05").date())
        units = {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM unit")}
        await _live(units)
        yield units


async def owed(duty: str) -> int:
    """What water owes of a duty, the earliest due."""
    rows = await fetch(
        "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
        " WHERE t.duty = :duty AND u.code = 'water' ORDER BY t.due LIMIT 1",
        duty=duty,
    )
    return int(rows[0]["id"])


async def _live(units: dict[str, int]) -> None:
    boss = somebody((Role.SUPERVISOR, units["justice"]), number=7)
    head = somebody((Role.HEAD, units["water"]), number=1, over="/nowhere/")
    late = await owed("enforcement-annual-report")
    now = moment(DAY)
    async with transaction():
        await escalation.draft(boss, LAW.registry, late, None, now)
        await escalation.issue(boss, 1, Signing(LONG, now.today, "张三"), now)
        await escalation.serve(boss, LAW, 1, now.today, "当面签收", now)
        opening = Opening("assignment", units["water"], now.today, date(2026, 2, 20), "昌司督〔2026〕7号", "清理台账")
        assigned = (await cases.open_case(boss, LAW, opening, now)).clocks[0].obligation_id
        (row,) = await fetch("SELECT id, name, path FROM unit WHERE id = :id", id=units["water"])
        water = Unit(row["id"], row["name"], row["path"])
        await points.score(boss, water, Decimal("-0.5"), "迟报" * 200, now, late)
        await points.reverse(boss, 1, "记错了", now)
        await _asked(head, boss, assigned)
        await points.score(boss, water, Decimal(1), "整改及时", now)
    await _counted(head, boss)
    await _trained(head)
    await _stood_in()


async def _counted(head: Actor, boss: Actor) -> None:
    number, on = await owed("pre-meeting-study"), date(2026, 2, 3)
    async with transaction():
        await obligations.count(head, number, "宪法", on, moment(DAY), meeting="党组会")
        await obligations.count(head, number, "民法典", on, moment(DAY), amount=11, meeting="局务会")
        await obligations.give_back(boss, number, "会议未开", moment(DAY))
        await obligations.count(head, number, "刑法", on, moment(DAY), meeting="局务会二")
        await take_back(head, moment(DAY))


async def _trained(head: Actor) -> None:
    now, number = moment(DAY), await owed("training-hours")
    for text in (f"{LIST}water,王五,C3,2026-01-02\n", LIST):
        changes = officers.changes("list.csv", text.encode(), await officer_lists.known(now.today), {})
        async with transaction():
            await training.import_list(changes, "list.csv", text.encode(), LAW.registry, now)
    both = await officer_rows.listed([head.posts[0].unit_id], now.today)
    async with transaction():
        for topic in ("刑法", "民法典"):
            await training.record(head, number, both, Lesson(date(2026, 2, 3), topic, 8), LAW.registry, now)
        known = await officer_rows.records([2], ["training-hours"])
        for one in known:
            await training.reverse(head, number, [one], LAW.registry, now)
        await take_back(head, now)
        await training.record(head, number, both[:1], Lesson(date(2026, 2, 4), "刑法", 4), LAW.registry, now)
        await take_back(head, now)


async def _stood_in() -> None:
    for first, last in ((5, 8), (9, 9)):
        head, at = await reading.actor(1, date(2026, 2, 5)), moment(DAY)
        assert head is not None
        async with transaction():
            await delegating.delegate(head, 2, "李", date(2026, 2, first), date(2026, 2, last), at)
            if first == 5:
                await delegating.take_back(head, at)


async def _asked(head: Actor, boss: Actor, number: int) -> None:
    now = moment(DAY)
    await requests.ask_extension(head, number, date(2026, 3, 1), "材料未到", now)
    await requests.grant(boss, LAW, 1, now)
    await requests.ask_waiver(head, number, "机构已撤并" * 100, now)
    await requests.decline(boss, 2, "仍须办理", now)
    await requests.ask_waiver(head, number, "再次申请", now)
    await requests.grant(boss, LAW, 3, now)


async def found() -> list[str]:
    return [f"{fault.place} {fault.reason}" for fault in await silent_changes()]


async def test_what_was_lived_through_agrees_with_the_ledger(town: dict[str, int]) -> None:
    assert await found() == []


CHANGED = [
    ("letter", "document = '昌司督〔2026〕9号'", "letter:1", "document", "昌司督〔2026〕9号", f"{LONG[:40]}…"),
    ("letter", "served_on = '2026-02-04'", "letter:1", "served_on", "2026-02-04", DAY),
    ("letter", "issued_on = '2026-02-01'", "letter:1", "issued_on", "2026-02-01", DAY),
    ("letter", "state = 'withdrawn'", "letter:1", "state", "withdrawn", "served"),
    ("letter", "proof = ''", "letter:1", "proof", "nothing", "当面签收"),
    ("letter", "number_key = NULL", "letter:1", "number", "nothing", f"2026/{LONG[:35]}…"),
    ("letter", "drafted_by = 1", "letter:1", "drafted_by", "person:1", "person:7"),
    ("letter", "issuer_id = unit_id", "letter:1", "issuer", "{water}", "{justice}"),
    ("point WHERE id = 1", "hundredths = -5", "point:{point[0]}", "hundredths", "-5", "-50"),
    ("point WHERE id = 2", "reverses = NULL", "point:{point[1]}", "reverses", "nothing", "1"),
    ("point WHERE id = 3", "ground = 'x'", "point:{point[2]}", "ground", "x", "整改及时"),
    ("point WHERE id = 3", "on_day = '2026-01-01'", "point:{point[2]}", "on", "2026-01-01", DAY),
    ("point WHERE id = 3", "unit_id = {justice}", "point:{point[2]}", "unit", "{justice}", "{water}"),
    ("request WHERE id = 2", "state = 'open'", "request:2", "state", "open", "refused"),
    ("request WHERE id = 1", "wanted_on = '2026-12-31'", "request:1", "wanted_on", "2026-12-31", "2026-03-01"),
    ("request WHERE id = 3", "reason = 'x'", "request:3", "reason", "x", "再次申请"),
    ("request WHERE id = 3", "kind = 'extension'", "request:3", "kind", "extension", "waiver"),
    ("request WHERE id = 3", "asked_by = 2", "request:3", "asked_by", "person:2", "person:1"),
    ("casefile WHERE id = 2", "document = 'x'", "case:2", "document", "x", "昌司督〔2026〕7号"),
    ("casefile WHERE id = 2", "event_on = '2026-02-01'", "case:2", "event_on", "2026-02-01", DAY),
    ("casefile WHERE id = 2", "parent_id = 1", "case:2", "parent", "1", "nothing"),
    ("casefile WHERE id = 1", "unit_id = {justice}", "case:1", "unit_id", "{justice}", "{water}"),
    ("casefile WHERE id = 1", "state = 'withdrawn'", "case:1", "state", "withdrawn", "open"),
    (
        "casefile WHERE id = 1",
        """pauses = '[["2026-02-05", null]]'""",
        "case:1",
        "pauses",
        '[["2026-02-05",null]]',
        "[]",
    ),
    ("count_item WHERE id = 1", "on_day = '2026-01-06'", "count:{count[0]}", "on", "2026-01-06", "2026-02-03"),
    ("count_item WHERE id = 1", "amount = 9", "count:{count[0]}", "amount", "9", "1"),
    ("count_item WHERE id = 1", "topic = 'x'", "count:{count[0]}", "topic", "x", "宪法"),
    ("count_item WHERE id = 1", "meeting = 'x'", "count:{count[0]}", "meeting", "x", "党组会"),
    ("count_item WHERE id = 1", "undone_by = 1", "count:{count[0]}", "undone_by", "1", "nothing"),
    ("count_item WHERE id = 1", "obligation_id = 1", "count:{count[0]}", "obligation", "1", "{study}"),
    ("count_item WHERE id = 2", "undone_by = NULL", "count:{count[1]}", "undone_by", "nothing", "{returned}"),
    ("count_item WHERE id = 3", "undone_by = NULL", "count:{count[2]}", "undone_by", "nothing", "{uncounted}"),
    ("training WHERE id = 1", "halves = 48", "training:{training[0]}/0", "halves", "48", "8"),
    ("training WHERE id = 1", "on_day = '2026-02-01'", "training:{training[0]}/0", "on", "2026-02-01", "2026-02-03"),
    ("training WHERE id = 2", "topic = 'x'", "training:{training[0]}/1", "topic", "x", "刑法"),
    ("training WHERE id = 2", "undone_by = 1", "training:{training[0]}/1", "undone_by", "1", "nothing"),
    ("training WHERE id = 4", "undone_by = NULL", "training:{training[2]}/1", "undone_by", "nothing", "{reversed}"),
    ("training WHERE id = 3", "officer_id = 2", "training:{training[2]}/0", "officer", "2", "1"),
    ("training WHERE id = 4", "obligation_id = 1", "training:{training[2]}/1", "obligation", "1", "{hours}"),
    ("training WHERE id = 5", "undone_by = NULL", "training:{training[4]}/0", "undone_by", "nothing", "{untrained}"),
    ("officer WHERE id = 1", "name = '别人'", "officer:1", "name", "别人", "张三"),
    ("officer WHERE id = 1", "certificate = 'X'", "officer:1", "certificate", "X", "C1"),
    ("officer WHERE id = 1", "unit_id = {justice}", "officer:1", "unit", "{justice}", "{water}"),
    ("officer WHERE id = 1", "entered = '2026-12-01'", "officer:1", "entered", "2026-12-01", "2026-01-02"),
    ("officer WHERE id = 1", "since = NULL", "officer:1", "since", "nothing", "2026-01-02"),
    ("officer WHERE id = 1", "first_id = 2", "officer:1", "first", "2", "nothing"),
    ("officer WHERE id = 3", "until = NULL", "officer:3", "until", "nothing", "2026-02-04"),
    ("post WHERE id = {first}", "until = '2026-12-31'", "acting:{acting[0]}", "until", "2026-12-31", "2026-02-04"),
    ("post WHERE id = {second}", "until = '2026-12-31'", "acting:{acting[1]}", "until", "2026-12-31", "2026-02-09"),
    ("post WHERE id = {second}", "role = 'supervisor'", "acting:{acting[1]}", "role", "supervisor", "head"),
    ("post WHERE id = {second}", "unit_id = {justice}", "acting:{acting[1]}", "unit", "{justice}", "{water}"),
    ("post WHERE id = {second}", "person_id = 7", "acting:{acting[1]}", "person", "7", "2"),
    ("post WHERE id = {second}", "acting_for = 7", "acting:{acting[1]}", "holder", "7", "1"),
]
"""A table's rows, what is done to them behind the ledger's back; the row, its column, what it is, what was said."""
GONE = [
    ("letter", "letter:1"), ("point WHERE id = 3", "point:{point[2]}"), ("request WHERE id = 3", "request:3"),
    ("count_item WHERE id = 1", "count:{count[0]}"), ("training WHERE id = 1", "training:{training[0]}/0"),
    ("officer WHERE id = 1", "officer:1"), ("post WHERE id = {second}", "acting:{acting[1]}"),
]  # fmt: skip


class _UndoneError(Exception):
    pass


async def after(statement: str) -> list[str]:
    """What is found once a statement was run; then it is taken back."""
    told: list[str] = []
    with suppress(_UndoneError):
        async with transaction():
            await execute(statement)
            told = await found()
            raise _UndoneError
    return told


async def facts() -> dict[str, Any]:
    """What the tables above leave open: units, obligations and entries by number."""
    found: dict[str, Any] = {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM unit")}
    for name, table in (("point", "point"), ("count", "count_item"), ("training", "training"), ("acting", "post")):
        rows = await fetch(f"SELECT entry_id FROM {table} WHERE entry_id IS NOT NULL ORDER BY id")
        found[name] = [row["entry_id"] for row in rows]
    for (first, second), table in ((("returned", "uncounted"), "count_item"), (("reversed", "untrained"), "training")):
        rows = await fetch(f"SELECT undone_by FROM {table} WHERE undone_by IS NOT NULL ORDER BY id")
        found[first], found[second] = (row["undone_by"] for row in rows)
    found["first"], found["second"] = (
        row["id"] for row in await fetch("SELECT id FROM post WHERE acting_for IS NOT NULL ORDER BY id")
    )
    return {**found, "study": await owed("pre-meeting-study"), "hours": await owed("training-hours")}


@pytest.mark.usefixtures("town")
async def test_a_row_changed_behind_the_ledger_is_found() -> None:
    known = await facts()
    for rows, change, *named in CHANGED:
        table, _, where = rows.format(**known).partition(" ")
        place, name, now, said = (one.format(**known) for one in named)
        statement = f"UPDATE {table} SET {change.format(**known)} {where}"
        assert await after(statement) == [f"{place} {name} is {now}, the ledger says {said}"]


@pytest.mark.usefixtures("town")
async def test_a_row_taken_away_behind_the_ledger_is_found() -> None:
    known = await facts()
    for rows, place in GONE:
        assert await after(f"DELETE FROM {rows.format(**known)}") == [f"{place.format(**known)} is gone"]


MADE_UP = {
    "count": "INSERT INTO count_item (obligation_id, on_day, topic, amount, entry_id)"
    " SELECT obligation_id, on_day, topic, amount, 1 FROM count_item WHERE id = 1",
    "training": "INSERT INTO training (obligation_id, officer_id, on_day, topic, halves, entry_id, place)"
    " SELECT obligation_id, officer_id, on_day, 'x', halves, entry_id, 7 FROM training WHERE id = 1",
    "officer": "INSERT INTO officer (unit_id, name, certificate) SELECT unit_id, name, 'X' FROM officer WHERE id = 1",
    "acting": "INSERT INTO post (person_id, unit_id, role, until, acting_for)"
    " SELECT person_id, unit_id, role, until, acting_for FROM post WHERE until = '2026-02-09'",
    "letter": "INSERT INTO letter (paper, issuer_id, unit_id, obligation_id, state, document, signatory, proof, reason,"
    " version, drafted_by, drafted_at) SELECT 'opinion', issuer_id, unit_id, obligation_id, state, document, signatory,"
    " proof, reason, version, drafted_by, drafted_at FROM letter",
    "request": "INSERT INTO request (obligation_id, kind, reason, wanted_on, asked_by, asked_at, state) SELECT"
    " obligation_id, kind, reason, wanted_on, asked_by, asked_at, state FROM request WHERE id = 1",
    "point": "INSERT INTO point (unit_id, on_day, hundredths, ground, entry_id) SELECT unit_id, on_day, -500, ground, 1"
    " FROM point WHERE id = 3",
    "case": "INSERT INTO casefile (duty, unit_id, event_on, document, subject, pauses, state, version, opened_at)"
    " SELECT duty, unit_id, event_on, document, subject, pauses, state, version, opened_at FROM casefile WHERE id = 2",
}


@pytest.mark.usefixtures("town")
async def test_the_database_itself_lets_no_office_give_a_number_twice() -> None:
    copy = (
        "INSERT INTO letter (paper, issuer_id, unit_id, obligation_id, state, number_key, version, document, signatory,"
        " proof, reason, drafted_by, drafted_at) SELECT 'opinion', issuer_id, unit_id, obligation_id, '{}', number_key,"
        " version, document, signatory, proof, reason, drafted_by, drafted_at FROM letter"
    )
    await execute(copy.format("withdrawn"))
    with pytest.raises(Exception, match=r"(?i)unique constraint"):
        await execute(f"{copy.format('issued')} WHERE id = 1")


async def test_a_row_that_no_line_speaks_of_is_found(town: dict[str, int]) -> None:
    for kind, statement in MADE_UP.items():
        (told,) = await after(statement)
        assert told.startswith(f"{kind}:")
        assert told.endswith("stands in no line of the ledger")


async def test_an_unreadable_line_is_a_fault_and_no_crash(town: dict[str, int]) -> None:
    for payload in ("not json", "[]", json.dumps({"request": "one", "state": 5})):
        told = await after(f"UPDATE entry SET payload = '{payload}' WHERE action <> 'plan'")
        assert [one for one in told if one.startswith("letter:1")]


def test_every_kind_is_read_once() -> None:
    assert [kind.name for kind in recorded.KINDS] == [
        "case", "letter", "point", "request", "count", "training", "officer", "acting",
    ]  # fmt: skip
