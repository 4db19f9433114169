"""A roster is checked whole, and applied once."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from duties.errors import RosterError
from duties.ledger import SYSTEM, StreamRef, Verifier
from duties.model import Role, State
from duties.planning import plan
from duties.reading import shipped
from duties.registry import Registry
from duties.roster import COLUMNS, SAMPLE, Roster, addresses, parse, read, tags_without_units
from duties.store import chains
from duties.store.database import execute, fetch, migrate, opened
from duties.store.roster_rows import Fact, Opening, RosterChange, apply, apply_openings, difference

NOW = datetime(2026, 7, 1, 2, tzinfo=UTC)
TODAY = date(2026, 7, 1)
NINE = 9 * 60

TOWN = """
[[unit]]
code = "gov"
name = "试验县人民政府"
level = "county"
jurisdiction = "试验区/试验县"
tags = ["government"]
office_opens = "10:00"

[[unit]]
code = "law"
name = "试验县司法局"
level = "county"
parent = "gov"
tags = ["justice"]
posts = [{ role = "supervisor", person = "p1", name = "甲" }]

[[unit]]
code = "water"
name = "试验县水利局"
aliases = ["水利局"]
level = "county"
parent = "gov"
tags = ["department", "enforcement"]
posts = [{ role = "head", person = "p2", name = "乙" }, { role = "officer", person = "p3", name = "丙" }]
opening = { pre-meeting-study = 5 }
"""


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[None]:
    async with opened(database_url) as location:
        await migrate(location)
        yield


def town(text: str = TOWN) -> Roster:
    return parse("town.toml", text.encode())


async def apply_at(roster: Roster, today: date = TODAY) -> RosterChange:
    return await apply(roster, "operator", NOW, NINE, today=today)


def faults_of(text: str | bytes, name: str = "town.toml", registry: Registry | None = None) -> list[str]:
    with pytest.raises(RosterError) as caught:
        parse(name, text if isinstance(text, bytes) else text.encode(), registry)
    return list(caught.value.faults)


def unit(code: str, **fields: Any) -> str:
    """A unit as TOML, `name` and `level` filled in."""
    values = {"code": code, "name": code, "level": "county"} | {key.strip("_"): value for key, value in fields.items()}
    return "[[unit]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def table(*rows: str, header: str = ",".join(COLUMNS)) -> str:
    return "\r\n".join([header, *rows]) + "\r\n"


async def stored(code: str) -> dict[str, Any]:
    rows = await fetch(
        "SELECT u.*, s.code AS supervisor FROM unit u LEFT JOIN unit s ON s.id = u.supervisor_id WHERE u.code = :code",
        code=code,
    )
    return rows[0]


async def tables() -> dict[str, list[dict[str, Any]]]:
    """Every row an import may write."""
    names = ("unit", "unit_tag", "person", "post", "stream", "entry", "chore")
    return {name: await fetch(f"SELECT * FROM {name} ORDER BY id") for name in names}


def test_the_sample_roster_is_valid_and_binds_every_scope_of_the_registry() -> None:
    registry = shipped()
    roster = read(SAMPLE, registry)
    assert tags_without_units(registry, roster) == []
    held = [(f"/{one.jurisdiction}/", {"*", *(str(entry.tag) for entry in one.tags)}) for one in roster.units]
    idle = [
        (duty.code, scope.jurisdiction)
        for duty in registry.duties
        for scope in duty.scope
        if not any(f"/{scope.jurisdiction}/" in place and tags & {*map(str, scope.tags)} for place, tags in held)
    ]
    assert idle == []


def test_the_sample_roster_fills_every_post_and_starts_the_day_at_ten() -> None:
    roster = read(SAMPLE)
    assert all({Role.HEAD, Role.OFFICER} <= {post.role for post in one.posts} for one in roster.units)
    assert {one.office_opens for one in roster.units} == {600}
    bureaus = [one for one in roster.units if any(entry.tag == "justice" for entry in one.tags)]
    assert all(Role.SUPERVISOR in {post.role for post in one.posts} for one in bureaus)
    assert [post.person for one in roster.units for post in one.posts if post.role == Role.ADMIN] == [
        "cjz-justice-admin"
    ]


def test_tags_nobody_has_are_listed() -> None:
    assert "coordination" in tags_without_units(shipped(), town())
    assert "government" not in tags_without_units(shipped(), town())


def test_jurisdiction_and_office_hours_come_from_the_nearest_ancestor_that_names_them() -> None:
    roster = parse(
        "town.toml",
        (
            TOWN + unit("creek", parent="water", jurisdiction="试验区/试验县/溪镇") + unit("dam", parent="creek")
        ).encode(),
    )
    places = {one.code: (one.jurisdiction, one.office_opens) for one in roster.units}
    assert places["water"] == ("试验区/试验县", 600)
    assert places["dam"] == ("试验区/试验县/溪镇", 600)


def test_every_fault_is_told_at_once_with_file_row_and_field() -> None:
    text = "".join(
        [
            unit("root", jurisdiction="试验区", colour="red"),
            unit("a", parent="nowhere", tags=["tax"]),
            unit("b", parent="root", name="司法\u200b局"),
            unit("b", parent="root"),
            unit("c", parent="lost", from_="2026-02-30"),
            unit("d", parent="root", from_="2026-05-02", to="2026-05-01"),
            unit("e", parent="root", posts=[{"role": "king", "person": "p", "name": "某"}]),
            unit("f", parent="root", posts=[{"role": "head", "person": "p1", "name": "甲"}]),
            unit("g", parent="root", posts=[{"role": "head", "person": "p1", "name": "乙"}]),
            unit("h", parent="root", posts=[{"role": "head", "person": "p2", "name": "丙"}] * 2),
            unit("i", parent="root", tags=["justice", {"tag": "justice", "from": "2026-01-01"}]),
            unit("j", parent="root", opening={"no-such-duty": 1}),
            unit("k", parent="root", opening={"joint-inspection-plan": 1}),
            unit("l", parent="root", office_opens="25:00"),
            unit("m"),
            unit("n", parent="root", jurisdiction="试验洲"),
            unit("o", parent="root", level="village", opening={"unit-training": -1}),
            unit("p", parent="stranger"),
            unit("q", jurisdiction="试验区//试验县"),
        ]
    )
    found = faults_of(text, registry=shipped())
    told = [
        ("row 1 (root): colour: ", "Extra inputs are not permitted"),
        ("row 2 (a): tags.0.tag: ", "'justice'"),
        ("row 2 (a): parent: ", "no unit has the code nowhere"),
        ("row 3 (b): name: ", "U+200B"),
        ("row 4 (b): code: ", "is there already in row 3"),
        ("row 5 (c): from: ", "expected a day of the calendar"),
        ("row 5 (c): parent: ", "no unit has the code lost"),
        ("row 6 (d): to: ", "not before 2026-05-02"),
        ("row 7 (e): posts.0.role: ", "'supervisor'"),
        ("row 9 (g): posts.0.name: ", "p1 is called 甲 in row 8"),
        ("row 10 (h): posts: ", "head p2 is there twice"),
        ("row 11 (i): tags: ", "justice is there twice"),
        ("row 12 (j): opening.no-such-duty: ", "no duty has this code"),
        ("row 13 (k): opening.joint-inspection-plan: ", "expected a counted duty"),
        ("row 14 (l): office_opens: ", "expected a time of day"),
        ("row 15 (m): jurisdiction: ", "expected where there is no parent"),
        ("row 16 (n): jurisdiction: ", "expected to lie within its parent's, 试验区"),
        ("row 17 (o): level: ", "'township'"),
        ("row 17 (o): opening.unit-training: ", "greater than or equal to 0"),
        ("row 18 (p): parent: ", "no unit has the code stranger"),
        ("row 19 (q): jurisdiction: ", "expected names joined by /"),
    ]
    assert len(found) == len(told)
    for fault, (start, reason) in zip(found, told, strict=True):
        assert fault.startswith(f"town.toml: {start}")
        assert reason in fault


def test_a_unit_below_itself_is_told_once() -> None:
    text = unit("a", parent="c") + unit("b", parent="a") + unit("c", parent="b") + unit("d", parent="a")
    assert faults_of(text) == ["town.toml: row 1 (a): parent: is below itself: a < c < b < a"]
    assert faults_of(unit("a", parent="a")) == ["town.toml: row 1 (a): parent: is below itself: a < a"]


def test_a_tree_deeper_than_its_column_is_refused() -> None:
    chain = [unit("u0", jurisdiction="试验区"), *(unit(f"u{n}", parent=f"u{n - 1}") for n in range(1, 13))]
    assert faults_of("".join(chain)) == ["town.toml: row 13 (u12): parent: expected a tree of at most 12 levels"]
    assert len(town("".join(chain[:-1])).units) == 12


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("town.toml", b"", "expected at least one [[unit]]"),
        ("town.toml", b"unit = 3", "expected at least one [[unit]]"),
        ("town.toml", b"unit = [3]", "expected at least one [[unit]]"),
        ("town.toml", b"[[unit]", "at line 1"),
        ("town.toml", "[[unit]]\nname = '昌吉'".encode("gb18030"), "expected UTF-8"),
        ("town.csv", b"", "row 1: code: the column is missing"),
        ("town.csv", b"\xff\xfeu\x00n\x00i\x00t\x00", "expected UTF-8 or GB18030"),
        ("town.csv", b'code,name,level\n"a', "not readable as CSV"),
        ("town.csv", b"code,name,level\n", "expected at least one row under the header"),
    ],
)
def test_a_file_that_holds_no_roster_says_why(name: str, data: bytes, fault: str) -> None:
    found = faults_of(data, name)
    assert found[0].startswith(f"{name}: ")
    assert fault in found[0]


def test_a_key_beside_the_units_and_a_missing_file_are_faults(tmp_path: Any) -> None:
    assert faults_of("title = 'x'\n" + TOWN) == ["town.toml: title: not a key of this file; expected [[unit]]"]
    with pytest.raises(RosterError, match=r"none\.toml: No such file"):
        read(tmp_path / "none.toml")


def test_a_byte_order_mark_is_no_fault() -> None:
    assert len(parse("town.toml", b"\xef\xbb\xbf" + TOWN.encode()).units) == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_spreadsheet_saved_as_csv_is_read_in_either_encoding(encoding: str) -> None:
    text = table(
        "gov,试验县人民政府,,county,,试验区/试验县,government,,,9:30,甲,,,,",
        "",
        "law,试验县司法局,司法局；县司法局,county,gov,,justice;department,2026/7/1,2027-06-30,,甲,乙；丙,丁,,unit-training=2；pre-meeting-study=5",
        ",,,,,,,,,,,,,,",
    )
    gov, law = parse("town.csv", text.encode(encoding), shipped()).units
    assert (gov.office_opens, law.office_opens) == (570, 570)
    assert law.aliases == ("司法局", "县司法局")
    assert [str(entry.tag) for entry in law.tags] == ["justice", "department"]
    assert (law.since, law.until) == (date(2026, 7, 1), date(2027, 6, 30))
    assert dict(law.opening) == {"unit-training": 2, "pre-meeting-study": 5}
    assert [(str(post.role), post.name, post.person) for post in law.posts] == [
        ("head", "甲", "law/甲"),
        ("officer", "乙", "law/乙"),
        ("officer", "丙", "law/丙"),
        ("supervisor", "丁", "law/丁"),
    ]


def test_where_people_are_reached_is_read_by_connection() -> None:
    header = "code,name,level,jurisdiction,head,officer,addresses"
    row = "gov,政府,county,试验区,甲,乙；丙,甲 wecom=jia；乙 mail=yi@example.cn；甲 mail=jia@example.cn"
    found = parse("town.csv", table(row, header=header).encode())
    assert addresses(found) == {
        ("wecom", "jia"): "gov/甲", ("mail", "jia@example.cn"): "gov/甲", ("mail", "yi@example.cn"): "gov/乙",
    }  # fmt: skip


def test_an_address_is_one_persons_and_a_person_has_one_on_each_connection() -> None:
    header = "code,name,level,jurisdiction,head,officer,addresses"
    shared = "a,甲局,county,试验区,甲,乙,甲 wecom=x；乙 wecom=x"
    nobody = "b,乙局,county,试验区,甲,,丁 wecom=y；甲"
    found = faults_of(table(shared, nobody, header=header), "town.csv")
    assert [fault.partition(": ")[2] for fault in found] == [
        "row 2 (a): posts.1.addresses.wecom: x is a/甲's",
        "row 3 (b): posts.0.addresses..[key]: String should match pattern '^[a-z][a-z0-9-]{0,31}$'",
        "row 3 (b): posts.0.addresses.: String should have at least 1 character",
        "row 3 (b): addresses (丁): Extra inputs are not permitted",
    ]


def test_faults_of_a_spreadsheet_carry_its_row_numbers() -> None:
    text = table(
        "gov,政府,,county,,试验区,",
        "",
        "a,甲局,,county,gov,,tax,20260101,,,,,,,unit-training",
        "b,乙局" + "," * 16 + "x",
    )
    found = faults_of(text, "town.csv")
    assert [" ".join(fault.split(" ")[:5]) for fault in found] == [
        "town.csv: row 4 (a): from:",
        "town.csv: row 4 (a): tags.0.tag:",
        "town.csv: row 4 (a): opening.unit-training:",
        "town.csv: row 5 (b): level:",
        "town.csv: row 5 (b): column",
        "town.csv: row 5 (b): jurisdiction:",
    ]


def test_a_wrong_header_names_what_is_wrong_and_what_was_expected() -> None:
    found = faults_of(table("a,b,c", header="code,name,nmae,name"), "town.csv")
    assert [fault.partition("; ")[0] for fault in found] == [
        "town.csv: row 1: nmae: not a column",
        "town.csv: row 1: name: the column is there twice",
        "town.csv: row 1: level: the column is missing",
    ]
    assert "code,name,aliases" in found[0]


@pytest.mark.usefixtures("store")
async def test_the_difference_is_what_applying_changes_and_only_reads() -> None:
    empty = await tables()
    told = await difference(town(), TODAY, NINE)
    assert await tables() == empty
    assert told == await apply_at(town())
    assert [one.code for one in told.added] == ["gov", "law", "water"]
    assert Fact("office_opens", "", "10:00") in told.added[2].facts
    assert Fact("supervisor", "", "law") in told.added[2].facts
    assert [(post.unit, post.role, post.name) for post in told.posts_added] == [
        ("law", "supervisor", "甲"), ("water", "head", "乙"), ("water", "officer", "丙")
    ]  # fmt: skip


@pytest.mark.usefixtures("store")
async def test_a_roster_applied_twice_changes_nothing_and_writes_nothing() -> None:
    roster = read(SAMPLE)
    assert await apply_at(roster)
    before = await tables()
    assert not await difference(roster, TODAY, NINE)
    assert not await apply_at(roster)
    assert await tables() == before


@pytest.mark.usefixtures("store")
async def test_units_stand_in_the_tree_under_a_path_of_ids() -> None:
    await apply_at(town(TOWN + unit("creek", parent="water")))
    gov, water, creek = [await stored(code) for code in ("gov", "water", "creek")]
    assert gov["path"] == f"/{gov['id']}/"
    assert water["path"] == f"/{gov['id']}/{water['id']}/"
    assert creek["path"] == f"/{gov['id']}/{water['id']}/{creek['id']}/"
    assert creek["parent_id"] == water["id"]
    assert (water["jurisdiction"], water["office_opens"]) == ("试验区/试验县", 600)


@pytest.mark.usefixtures("store")
async def test_the_supervisor_is_the_nearest_bureau_of_justice_above_and_never_the_unit_itself() -> None:
    await apply_at(read(SAMPLE))
    wanted = {
        "cjs-urban": "cjs-justice",
        "cjs-yushugou": "cjs-justice",
        "cjs-justice": "cjz-justice",
        "cjs-gov": "cjz-justice",
        "cjz-zhundong": "cjz-justice",
        "cjz-justice": "cjz-gov",
        "cjz-gov": "cjz-gov",
        "ml-gov": "cjz-justice",
    }
    assert {code: (await stored(code))["supervisor"] for code in wanted} == wanted


@pytest.mark.usefixtures("store")
async def test_a_bureau_supervises_from_the_day_it_has_its_tag() -> None:
    text = TOWN.replace('tags = ["justice"]', 'tags = [{ tag = "justice", from = 2026-09-01 }]')
    await apply_at(town(text))
    assert (await stored("water"))["supervisor"] == "gov"
    change = await apply_at(town(text), date(2026, 9, 1))
    assert [(one.code, one.facts) for one in change.changed] == [("water", (Fact("supervisor", "gov", "law"),))]


@pytest.mark.usefixtures("store")
async def test_a_unit_that_ends_is_told_as_ended_and_one_left_out_only_as_absent() -> None:
    await apply_at(town())
    ending = TOWN.replace('name = "试验县水利局"', 'name = "试验县水利局"\nto = 2026-12-31')
    change = await apply_at(town(ending))
    assert [(one.code, one.facts) for one in change.ended] == [("water", (Fact("until", "", "2026-12-31"),))]
    before = await tables()
    left_out = await apply_at(town(TOWN[: TOWN.index('[[unit]]\ncode = "water"')]))
    assert not left_out
    assert [one.code for one in left_out.absent] == ["water"]
    after = await tables()
    assert {name: rows for name, rows in after.items() if name != "chore"} == {
        name: rows for name, rows in before.items() if name != "chore"
    }


@pytest.mark.usefixtures("store")
async def test_a_tag_or_post_no_longer_named_ends_yesterday_and_can_come_back() -> None:
    await apply_at(town())
    less = TOWN.replace(', "enforcement"', "").replace(', { role = "officer", person = "p3", name = "丙" }', "")
    change = await apply_at(town(less))
    assert [one.facts for one in change.changed] == [(Fact("tag enforcement", "../..", "../2026-06-30"),)]
    assert [(post.name, post.until) for post in change.posts_ended] == [("丙", date(2026, 6, 30))]
    assert not await apply_at(town(less), date(2026, 8, 1))
    back = await apply_at(town())
    assert [one.facts for one in back.changed] == [(Fact("tag enforcement", "../2026-06-30", "../.."),)]
    assert [(post.name, post.until) for post in back.posts_changed] == [("丙", None)]


@pytest.mark.usefixtures("store")
async def test_a_person_keeps_the_code_and_changes_the_name() -> None:
    await apply_at(town())
    change = await apply_at(town(TOWN.replace("丙", "丙丙")))
    assert change.units == ()
    assert [post.name for post in change.posts_changed] == ["丙丙"]
    assert [row["name"] for row in await fetch("SELECT name FROM person ORDER BY code")] == ["甲", "乙", "丙丙"]


@pytest.mark.usefixtures("store")
async def test_moving_a_unit_moves_all_below_it_even_what_the_roster_leaves_out() -> None:
    await apply_at(town(TOWN + unit("creek", parent="water")))
    moved = TOWN.replace('parent = "gov"\ntags = ["department"', 'parent = "law"\ntags = ["department"')
    change = await apply_at(town(moved))
    assert [one.code for one in change.changed] == ["water"]
    assert [one.code for one in change.absent] == ["creek"]
    law, creek = await stored("law"), await stored("creek")
    assert creek["path"].startswith(law["path"])
    assert creek["path"].endswith(f"/{creek['id']}/")


@pytest.mark.usefixtures("store")
async def test_an_import_is_one_line_of_the_system_and_one_of_each_unit_it_changes() -> None:
    roster = town()
    await apply_at(roster)
    await apply_at(town(TOWN.replace("丙", "丙丙")))
    system = await chains.history(SYSTEM)
    first = json.loads(str(system[0]["payload"]))
    assert [(line["actor"], line["action"], line["channel"]) for line in system] == [("operator", "roster", "cli")] * 2
    assert (first["sha256"], first["file"], first["added"], first["posts_added"]) == (roster.digest, "town.toml", 3, 3)
    law = await chains.history(StreamRef("unit", (await stored("law"))["id"]))
    water = await chains.history(StreamRef("unit", (await stored("water"))["id"]))
    assert (len(law), len(water)) == (1, 2)
    assert json.loads(str(water[1]["payload"]))["posts"] == [["officer", "p3", "丙丙", "../.."]]
    verifier = Verifier()
    async for line in chains.lines():
        verifier.line(line)
    for head in await chains.heads():
        verifier.head(*head)
    assert (verifier.faults, verifier.lines) == ([], 6)


@pytest.mark.usefixtures("store")
async def test_twenty_thousand_units_are_imported_and_found_unchanged() -> None:
    rows = [
        f"u{n},单位{n},,township,gov,,enforcement；township,,,,负责人{n},经办人{n},,," for n in range(20_000)
    ]  # fmt: skip
    roster = parse("big.csv", table("gov,政府,,county,,试验区,government,,,,,,,,", *rows).encode())
    change = await apply_at(roster)
    assert (len(change.added), len(change.posts_added)) == (20_001, 40_000)
    (found,) = await fetch("SELECT COUNT(*) AS units, COUNT(DISTINCT path) AS paths FROM unit WHERE path LIKE '/%/'")
    assert (found["units"], found["paths"]) == (20_001, 20_001)
    assert len(await chains.heads()) == 20_002
    assert not await difference(roster, TODAY, NINE)


async def _study(year: int) -> dict[str, Any]:
    rows = await fetch(
        "SELECT o.id, o.tally, o.state FROM obligation o JOIN term t ON t.id = o.term_id"
        " JOIN unit u ON u.id = o.unit_id WHERE t.duty = 'pre-meeting-study' AND t.label = :label AND u.code = 'water'",
        label=str(year),
    )
    return rows[0]


def changji(opening: str) -> Roster:
    """The invented town, moved to where the duty binds."""
    return town(
        TOWN.replace("试验区/试验县", "新疆维吾尔自治区/昌吉州/昌吉市").replace("study = 5", f"study = {opening}")
    )


@pytest.mark.usefixtures("store")
async def test_an_opening_tally_is_given_once_corrects_itself_and_stays_in_its_year() -> None:
    registry = shipped()
    await apply_at(changji("5"))
    unplanned = await apply_openings(changji("5"), registry, NOW, TODAY)
    assert (unplanned.applied, unplanned.missing) == ((), (Opening("water", "pre-meeting-study", 5),))
    await plan(registry, NOW, TODAY)
    assert (await apply_openings(changji("5"), registry, NOW, TODAY)).applied == unplanned.missing
    assert (await _study(2026))["tally"] == 5

    lines = len((await tables())["entry"])
    assert (await apply_openings(changji("5"), registry, NOW, TODAY)).applied == ()
    assert len((await tables())["entry"]) == lines

    number = (await _study(2026))["id"]
    await execute(
        "INSERT INTO count_item (obligation_id, on_day, topic, amount, entry_id) VALUES (:id, :day, 'x', 1, 1)",
        id=number, day=TODAY,
    )  # fmt: skip
    await execute("UPDATE obligation SET tally = 6 WHERE id = :id", id=number)
    assert (await apply_openings(changji("5"), registry, NOW, TODAY)).applied == ()
    await apply_openings(changji("11"), registry, NOW, TODAY)
    assert await _study(2026) == {"id": number, "tally": 12, "state": State.REPORTED}

    assert (await apply_openings(changji("11"), registry, NOW, date(2027, 1, 5))).applied == ()
    assert (await _study(2027))["tally"] == 0


@pytest.mark.usefixtures("store")
async def test_openings_of_a_roster_read_without_a_registry_are_checked_when_applied() -> None:
    await apply_at(town())
    unknown = town(TOWN.replace("pre-meeting-study", "no-such-duty"))
    with pytest.raises(RosterError, match=r"town.toml: water: opening.no-such-duty: no duty has this code"):
        await apply_openings(unknown, shipped(), NOW, TODAY)
    assert (await apply_openings(read(SAMPLE), shipped(), NOW, TODAY)).missing == ()
