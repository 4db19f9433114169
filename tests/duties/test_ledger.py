"""The ledger cannot be rewritten quietly: whatever is changed behind it, `verify` says so."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duties import ledger
from duties.ledger import GENESIS, Act, AnchorLine, Fault, Line, StreamRef, Verifier, anchor, instant, line
from duties.store import chains, verifying
from duties.store.database import execute, fetch, transaction
from tests.duties.town import (
    JANUARY,
    acknowledge,
    at,
    close,
    count,
    counted,
    duty,
    enter,
    fresh,
    give_back,
    only,
    plan,
    registry,
    report,
    scope,
    undo,
)  # fmt: skip

LAW = registry(duty("report", JANUARY, scope("enforcement", in_force_to=date(2026, 12, 31))))
STUDY = registry(duty("study", counted(12), scope(in_force_to=date(2026, 12, 31))))
DAY = "2026-01-20"
WHEN = datetime(2026, 1, 20, tzinfo=UTC)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(
    st.text(), one), max_leaves=8)  # fmt: skip


def chain(*payloads: object, stream: int = 1) -> list[Line]:
    lines: list[Line] = []
    for payload in payloads:
        act = Act("person:1", "report", "test", {"value": payload})
        previous = lines[-1].hash if lines else GENESIS
        lines.append(line(StreamRef("unit", stream), len(lines) + 1, WHEN, act, previous))
    return lines


def faults(lines: list[Line], head: Line | None = None, anchors: list[AnchorLine] | None = None) -> list[str]:
    verifier = Verifier()
    for one in lines:
        verifier.line(one)
    last = head or lines[-1]
    verifier.head(last.stream, last.seq, last.hash)
    for one_day in anchors or []:
        verifier.anchor(one_day)
    return [f"{fault.place} {fault.reason}" for fault in verifier.faults]


WHOLE = chain("a", "b", "c", "d")
DAYS = [
    anchor(date(2026, 1, 20), [("unit:1", 2, WHOLE[1].hash)], GENESIS),
]
DAYS.append(anchor(date(2026, 1, 21), [("unit:1", 4, WHOLE[3].hash)], DAYS[0].hash))


@given(st.lists(JSON, min_size=1, max_size=6))
def test_a_chain_as_it_was_written_has_no_fault(payloads: list[object]) -> None:
    assert faults(chain(*payloads)) == []


@given(st.lists(JSON, min_size=2, max_size=6), st.data())
def test_a_chain_with_any_line_changed_removed_or_moved_has_one(payloads: list[object], data: st.DataObject) -> None:
    lines = chain(*payloads)
    at_ = data.draw(st.integers(0, len(lines) - 1))
    changed = [replace(one, payload='{"value":"other"}') if one is lines[at_] else one for one in lines]
    removed = [one for one in lines if one is not lines[at_]]
    inserted = [*lines[:at_], lines[at_], *lines[at_:]]
    for broken in (changed, removed, inserted, lines[::-1]):
        assert broken == lines or faults(broken, head=lines[-1])


@pytest.mark.parametrize("name", ["stream", "seq", "at", "actor", "action", "channel", "payload", "previous", "hash"])
def test_every_part_of_a_line_is_sealed(name: str) -> None:
    other: Any = 7 if name == "seq" else "other"
    lines = [replace(one, **{name: other}) if one is WHOLE[1] else one for one in WHOLE]
    assert faults(lines, head=WHOLE[-1])


def test_a_chain_written_anew_agrees_with_itself_but_not_with_the_anchors() -> None:
    forged = chain("a", "other", "c", "d")
    assert faults(forged) == []
    assert len(faults(forged, anchors=DAYS)) == 2


def test_anchors_are_a_chain_too() -> None:
    assert faults(WHOLE, anchors=DAYS) == []
    assert faults(WHOLE, anchors=DAYS[1:]) == ["anchor 2026-01-21 does not follow the anchor before it"]
    emptied = replace(DAYS[0], heads="[]")
    assert faults(WHOLE, anchors=[emptied, DAYS[1]]) == ["anchor 2026-01-20 was changed after it was written"]


def test_an_anchor_posted_outside_must_be_the_one_kept() -> None:
    verifier = Verifier()
    for one in DAYS:
        verifier.anchor(one)
    verifier.faults.clear()
    verifier.posted("2026-01-20", DAYS[0].hash)
    assert verifier.faults == []
    verifier.posted("2026-01-20", DAYS[1].hash)
    verifier.posted("2026-01-22", DAYS[1].hash)
    assert [fault.place for fault in verifier.faults] == ["anchor 2026-01-20", "anchor 2026-01-22"]


@given(st.integers(-(2 * 10**14), 2 * 10**14), st.integers(-12, 14))
def test_an_instant_has_one_spelling_in_every_zone(microseconds: int, hours: int) -> None:
    when = WHEN + timedelta(microseconds=microseconds)
    there = when.astimezone(timezone(timedelta(hours=hours)))
    assert instant(there) == instant(when)
    assert instant(when).endswith("+00:00")
    assert len(instant(when)) == len("2026-01-20T00:00:00.000000+00:00")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with fresh(database_url):
        await enter(water={"tags": ["enforcement"]})
        await plan(LAW, "2026-01-05")
        yield


async def verified() -> list[Fault]:
    verifier = Verifier()
    async for one in chains.lines():
        verifier.line(one)
    for head in await chains.heads():
        verifier.head(*head)
    for sealed in await chains.anchors():
        verifier.anchor(sealed)
    return [*verifier.faults, *await verifying.silent_changes()]


async def lived() -> None:
    """A few days with every kind of act, and an anchor."""
    await acknowledge(DAY)
    await report(DAY)
    await undo(DAY)
    await report(f"{DAY} 12:00:00.000123")
    await give_back(DAY)
    await report(DAY)
    async with transaction():
        assert await chains.drop_anchor(date(2026, 1, 20))
    await close("2026-01-21")


@pytest.mark.usefixtures("store")
async def test_a_ledger_that_was_lived_in_holds_together() -> None:
    await lived()
    assert await verified() == []


TAMPERED = {
    "a changed payload": "UPDATE entry SET payload = '{}' WHERE id = 3",
    "an unreadable payload": "UPDATE entry SET payload = 'x'",
    "an unreadable anchor": "UPDATE anchor SET heads = 'x'",
    "a changed instant": "UPDATE entry SET at = '2026-01-19 00:00:00+00:00' WHERE id = 3",
    "a removed line": "DELETE FROM entry WHERE id = 4",
    "a removed last line": "DELETE FROM entry WHERE id = (SELECT MAX(id) FROM entry)",
    "an inserted line": "INSERT INTO entry (stream_id, seq, at, actor, action, channel, payload, algorithm, previous,"
    " hash) SELECT stream_id, 99, at, actor, action, channel, payload, algorithm, previous, hash FROM entry"
    " WHERE id = 3",
    "a changed head": "UPDATE stream SET head = 'x' WHERE kind = 'obligation'",
    "a removed chain": "DELETE FROM stream WHERE kind = 'obligation'",
    "a changed anchor": "UPDATE anchor SET heads = '[]'",
    "a changed state": "UPDATE obligation SET state = 'acknowledged'",
    "a changed tally": "UPDATE obligation SET tally = 5",
    "a changed day of completion": "UPDATE obligation SET done_on = '2026-01-02'",
    "changed evidence": 'UPDATE obligation SET evidence = \'[{"number": "2号"}]\'',
    "a removed obligation": "DELETE FROM obligation",
    "an obligation given to another unit": "UPDATE obligation SET unit_id = 77",
    "a changed target": "UPDATE obligation SET target = 0",
    "a moved due day": "UPDATE term SET due = '2026-06-30'",
    "a renamed term": "UPDATE term SET label = '2024'",
    "a removed term": "DELETE FROM term",
}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("what", TAMPERED)
async def test_verify_finds(what: str) -> None:
    await lived()
    await execute(TAMPERED[what])
    assert await verified() != []


SILENT = {
    "that vanished": "DELETE FROM obligation",
    "that was closed": "UPDATE obligation SET state = 'closed'",
    "that was put off": "UPDATE term SET due = '2026-06-30'",
    "that got evidence": 'UPDATE obligation SET evidence = \'[{"number": "2号"}]\'',
}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("what", SILENT)
async def test_verify_finds_an_obligation_on_which_nobody_acted(what: str) -> None:
    assert await verified() == []
    await execute(SILENT[what])
    assert len(await verified()) == 1


async def test_what_planning_does_and_undoes_agrees_with_the_ledger(database_url: str) -> None:
    async with fresh(database_url):
        for day, tags in (("2026-01-05", ["enforcement"]), ("2026-01-06", []), ("2026-01-07", ["enforcement"])):
            await enter(day, water={"tags": tags})
            await plan(LAW, day)
            assert await verified() == []


async def test_counts_and_shares_agree_with_the_ledger(database_url: str) -> None:
    async with fresh(database_url):
        await enter(water={"from": date(2026, 11, 1)})
        await plan(STUDY, "2026-11-02")
        for topic in ("宪法", "民法典"):
            await count("2026-11-20", topic)
        assert (await only()).state == "reported"
        await undo("2026-11-20")
        assert await verified() == []


@pytest.mark.usefixtures("store")
async def test_a_line_reads_back_as_it_was_hashed() -> None:
    done = await report(f"{DAY} 12:00:00.000001")
    read = [one async for one in chains.lines() if one.stream == "obligation:1"]
    assert [one.at for one in read] == ["2026-01-20T04:00:00.000001+00:00"]
    assert done.entry == (await fetch("SELECT MAX(id) AS id FROM entry"))[0]["id"]


@pytest.mark.usefixtures("store")
async def test_an_export_verifies_as_the_database_does() -> None:
    await lived()
    rows = [json.dumps(asdict(one), ensure_ascii=False) async for one in chains.lines()]
    assert faults([Line(**json.loads(row)) for row in rows], anchors=await chains.anchors())[1:] == []


@pytest.mark.usefixtures("store")
async def test_a_day_has_one_anchor_and_a_quiet_day_none() -> None:
    await report(DAY)
    async with transaction():
        assert await chains.drop_anchor(date(2026, 1, 20))
    await close(DAY)
    for day, sealed in ((20, False), (21, True), (22, False)):
        async with transaction():
            assert bool(await chains.drop_anchor(date(2026, 1, day))) is sealed
    assert await verified() == []


@pytest.mark.usefixtures("store")
async def test_lines_are_read_in_pages_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "PAGE", 3)
    monkeypatch.setattr(verifying, "PAGE", 1)
    await lived()
    assert await verified() == []
    assert len([one async for one in chains.lines()]) == (await fetch("SELECT COUNT(*) AS n FROM entry"))[0]["n"]


def test_the_name_of_the_hash_is_part_of_what_is_hashed() -> None:
    (one,) = chain("a")
    assert one.algorithm == ledger.ALGORITHM
    assert faults([replace(one, algorithm="md5")])


@pytest.mark.usefixtures("store")
async def test_what_cannot_be_written_leaves_nothing_behind() -> None:
    with pytest.raises(UnicodeEncodeError):
        async with transaction():
            await chains.append(StreamRef("unit", 5), Act("system", "note", "test", {"text": "\ud800"}), at(DAY))
    assert ("unit:5", 0, GENESIS) not in await chains.heads()
