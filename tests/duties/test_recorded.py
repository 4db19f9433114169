"""Cases, letters, points and requests changed behind the ledger are found, whichever of their columns it was."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest

from duties import cases, escalation, planning, points, requests
from duties.cases import Law, Opening
from duties.escalation import Signing
from duties.model import Actor, Role
from duties.points import Unit
from duties.reading import shipped
from duties.store import recorded
from duties.store.database import execute, fetch, transaction
from duties.store.verifying import silent_changes
from tests.duties.town import CALENDAR, at, enter, fresh, moment, somebody

LAW = Law(shipped(), CALENDAR)
DAY = "2026-02-05"
PLACE = "新疆维吾尔自治区/昌吉州/昌吉市"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[dict[str, int]]:
    """Letter 1 served, which opened case 1; an assignment, case 2; three records of points, three requests."""
    async with fresh(database_url):
        await enter(
            gov={"tags": ["government"], "jurisdiction": PLACE},
            justice={"parent": "gov", "tags": ["department", "justice", "supervision"], "jurisdiction": PLACE},
            water={"parent": "gov", "tags": ["department", "enforcement"], "jurisdiction": PLACE},
        )
        await planning.plan(LAW.registry, at("2026-01-05"), at("2026-01-05").date())
        units = {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM unit")}
        await _live(units)
        yield units


async def _live(units: dict[str, int]) -> None:
    boss = somebody((Role.SUPERVISOR, units["justice"]), number=7)
    await execute("INSERT INTO person (id, code, name) VALUES (1, 'p', '王主任')")
    head = somebody((Role.HEAD, units["water"]), number=1, over="/nowhere/")
    (late,) = await fetch(
        "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.duty = 'enforcement-annual-report'"
        " AND o.unit_id = :unit ORDER BY t.due LIMIT 1",
        unit=units["water"],
    )
    now = moment(DAY)
    async with transaction():
        await escalation.draft(boss, LAW.registry, late["id"], None, now)
        await escalation.issue(boss, 1, Signing("昌司督〔2026〕1号" + "长" * 200, now.today, "张三"), now)
        await escalation.serve(boss, LAW, 1, now.today, "当面签收", now)
        opening = Opening("assignment", units["water"], now.today, date(2026, 2, 20), "昌司督〔2026〕7号", "清理台账")
        assigned = (await cases.open_case(boss, LAW, opening, now)).clocks[0].obligation_id
        (row,) = await fetch("SELECT id, name, path FROM unit WHERE id = :id", id=units["water"])
        water = Unit(row["id"], row["name"], row["path"])
        await points.score(boss, water, Decimal("-0.5"), "迟报" * 200, now, late["id"])
        await points.reverse(boss, 1, "记错了", now)
        await _asked(head, boss, assigned)
        await points.score(boss, water, Decimal(1), "整改及时", now)


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


CHANGED = "not what the ledger says"
TAMPERED = [
    ("UPDATE letter SET document = '昌司督〔2026〕9号'", f"letter:1 document: {CHANGED}"),
    ("UPDATE letter SET served_on = '2026-02-04'", f"letter:1 served_on: {CHANGED}"),
    ("UPDATE letter SET state = 'withdrawn', reason = 'x'", f"letter:1 state, reason: {CHANGED}"),
    ("UPDATE letter SET signatory = '李四', issued_on = '2026-02-01'", f"letter:1 signatory, issued_on: {CHANGED}"),
    ("UPDATE letter SET issuer_id = unit_id", f"letter:1 issuer: {CHANGED}"),
    ("DELETE FROM letter", "letter:1 is gone"),
    ("UPDATE point SET hundredths = -5 WHERE id = 1", None),
    ("UPDATE point SET ground = 'x', on_day = '2026-01-01' WHERE id = 3", None),
    ("UPDATE point SET reverses = NULL WHERE id = 2", None),
    ("UPDATE point SET unit_id = unit_id - 1 WHERE id = 3", None),
    ("DELETE FROM point WHERE id = 3", None),
    ("UPDATE request SET state = 'open' WHERE id = 2", f"request:2 state: {CHANGED}"),
    ("UPDATE request SET wanted_on = '2026-12-31' WHERE id = 1", f"request:1 wanted_on: {CHANGED}"),
    ("UPDATE request SET reason = 'x', kind = 'extension' WHERE id = 3", f"request:3 kind, reason: {CHANGED}"),
    ("DELETE FROM request WHERE id = 3", "request:3 is gone"),
    ("UPDATE casefile SET document = 'x' WHERE id = 2", f"case:2 document: {CHANGED}"),
    ("UPDATE casefile SET event_on = '2026-02-01' WHERE id = 2", f"case:2 event_on: {CHANGED}"),
    ("""UPDATE casefile SET pauses = '[["2026-02-05", null]]' WHERE id = 1""", f"case:1 pauses: {CHANGED}"),
    ("UPDATE casefile SET state = 'withdrawn' WHERE id = 1", f"case:1 state: {CHANGED}"),
]
POINTS = {
    "UPDATE point SET hundredths": (0, f"hundredths: {CHANGED}"),
    "UPDATE point SET ground": (2, f"ground, on: {CHANGED}"),
    "UPDATE point SET reverses": (1, f"reverses: {CHANGED}"),
    "UPDATE point SET unit_id": (2, f"unit: {CHANGED}"),
    "DELETE FROM point": (2, "is gone"),
}
"""A record of points is named by the line that made it."""


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


async def test_a_row_changed_behind_the_ledger_is_found(town: dict[str, int]) -> None:
    entries = [row["entry_id"] for row in await fetch("SELECT entry_id FROM point ORDER BY id")]
    for statement, fault in TAMPERED:
        if fault is None:
            place, reason = next(told for start, told in POINTS.items() if statement.startswith(start))
            assert await after(statement) == [f"point:{entries[place]} {reason}"]
        else:
            assert await after(statement) == [fault]


MADE_UP = {
    "letter": "INSERT INTO letter (paper, issuer_id, unit_id, obligation_id, state, document, signatory, proof, reason,"
    " version, drafted_by, drafted_at) SELECT paper, issuer_id, unit_id, obligation_id, state, document, signatory,"
    " proof, reason, version, drafted_by, drafted_at FROM letter",
    "request": "INSERT INTO request (obligation_id, kind, reason, wanted_on, asked_by, asked_at, state) SELECT"
    " obligation_id, kind, reason, wanted_on, asked_by, asked_at, state FROM request WHERE id = 1",
    "point": "INSERT INTO point (unit_id, on_day, hundredths, ground, entry_id) SELECT unit_id, on_day, -500, ground, 1"
    " FROM point WHERE id = 3",
    "case": "INSERT INTO casefile (duty, unit_id, event_on, document, subject, pauses, state, version, opened_at)"
    " SELECT duty, unit_id, event_on, document, subject, pauses, state, version, opened_at FROM casefile WHERE id = 2",
}


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
    assert [kind.name for kind in recorded.KINDS] == ["case", "letter", "point", "request"]
