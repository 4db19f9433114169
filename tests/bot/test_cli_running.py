"""The commands that run the bot or look into its database: what they print, what they leave alone, how they end."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog

from bot.cli import COMMANDS
from bot.cli.running import SAMPLE
from duties.registry import DATA
from tests.bot.test_cli_lawful import ROOT, Answered, refused
from tests.postgres import create_database, drop_database

UNREACHABLE = "postgresql://duban:swordfish@127.0.0.1:1/duban"
ROSTER = """
[[unit]]
code = "gov"
name = "某县人民政府"
level = "county"
jurisdiction = "新疆维吾尔自治区/昌吉州/昌吉市"
tags = ["government"]
posts = [
    { role = "supervisor", person = "inspector", name = "督查室" },
    { role = "admin", person = "admin", name = "系统管理员" },
]

[[unit]]
code = "water"
name = "某县水利局"
level = "county"
parent = "gov"
tags = ["department", "enforcement"]
posts = [
    { role = "head", person = "wang", name = "王主任" },
    { role = "officer", person = "li", name = "李科员" },
]
"""
MAIL = """
[[connection]]
name = "mail"
platform = "apprise"
url = "json://127.0.0.1/to/{address}"
"""
FAULTY = """
[[unit]]
code = "gov"
name = "某县人民政府"
level = "county"
jurisdiction = "昌吉州"
tags = ["goverment"]

[[unit]]
code = "gov"
name = ""
level = "village"
parent = "nowhere"
"""
EXPECTED_FAULTS = ["row 1 (gov): tags", "row 2 (gov): code", "row 2 (gov): name", "row 2 (gov): level"]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, an environment that says nothing, and a log that does not outlive the test's stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DUBAN_")]:
        monkeypatch.delenv(name)
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite installation with the small roster, planned."""
    folder = tmp_path_factory.mktemp("made")
    roster, file = folder / "roster.toml", folder / "duban.db"
    roster.write_text(ROSTER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "bot.cli", "units", "import", str(roster), "--apply"], cwd=folder, check=False,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT), "DUBAN_DATABASE": f"sqlite://{file}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return file


@pytest.fixture
def kept(made: Path, tmp_path: Path) -> Path:
    """A copy of it, as `duban.db` of the current folder."""
    return Path(shutil.copy(made, tmp_path / "duban.db"))


@pytest.fixture
def roster(tmp_path: Path) -> str:
    file = tmp_path / "roster.toml"
    file.write_text(ROSTER, encoding="utf-8")
    return str(file)


@pytest.fixture
def postgres_url(pg_socket: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    asyncio.run(create_database(pg_socket, name))
    yield f"postgresql://postgres@/{name}?host={pg_socket}"
    asyncio.run(drop_database(pg_socket, name))


def changed(file: Path, statement: str, *values: Any) -> None:
    """What somebody with access to the database does behind our back."""
    with sqlite3.connect(file) as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


def test_a_check_of_an_empty_folder_finds_nothing_wrong_and_makes_nothing() -> None:
    rows = Answered("check", "--format", "json").json
    assert [(row["what"], row["ok"]) for row in rows] == [
        ("registry", True), ("calendar", True), ("confirmations", True), ("database", True),
    ]  # fmt: skip
    assert {tuple(row) for row in rows} == {("what", "ok", "facts")}
    assert rows[0]["facts"][0].startswith("duties=")
    assert files() == []


def test_a_check_finds_tags_that_no_unit_has(kept: Path) -> None:
    assert kept.exists()
    answered = Answered("check", "--format", "json")
    assert answered.code == 1
    tags = answered.json[-1]
    assert (tags["what"], tags["ok"]) == ("tags", False)
    assert "justice" in tags["facts"][0]
    assert "justice" in Answered("check").out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("duban.toml", "port = 0\nport = 1\n", "duban.toml"),
        ("duban.toml", 'calendar = "gone.toml"', "gone.toml"),
        ("confirmations.toml", "[[confirmation]]\nkey = 1", "confirmation #1"),
    ],
)
def test_a_check_finds_what_a_start_would_stumble_over(name: str, text: str, said: str) -> None:
    Path(name).write_text(text, encoding="utf-8")
    assert any(said in line for line in refused("check")[2:])


def test_migrating_says_what_it_did_and_the_second_time_nothing() -> None:
    rows = Answered("migrate", "--format", "json").json
    assert {tuple(row) for row in rows} == {("migration",)}
    assert {row["migration"].partition(".")[0] for row in rows} == {"duties", "bot"}
    assert Answered("migrate", "--format", "json").json == []


def test_a_roster_is_previewed_where_nothing_is_installed(roster: str) -> None:
    before = files()
    answered = Answered("units", "import", roster, "--format", "json")
    assert [(row["change"], row["code"]) for row in answered.json[:2]] == [("added", "gov"), ("added", "water")]
    assert {tuple(row) for row in answered.json} == {("change", "code", "name", "facts")}
    assert "level: county" in answered.json[0]["facts"]
    assert answered.err.splitlines()[-1].startswith("Preview: 6 changes")
    assert files() == before


def test_a_preview_leaves_an_installation_as_it_is(kept: Path, roster: str) -> None:
    Path(roster).write_text(ROSTER.replace("王主任", "赵主任").replace('["government"]', "[]"), encoding="utf-8")
    before = kept.read_bytes()
    rows = Answered("units", "import", roster, "--format", "json").json
    assert [(row["change"], row["code"]) for row in rows] == [("changed", "gov"), ("posts_changed", "water")]
    assert rows[0]["facts"][0].startswith("tag government: ")
    assert kept.read_bytes() == before


def test_a_preview_on_a_database_without_tables_makes_none(roster: str) -> None:
    sqlite3.connect("duban.db").close()
    assert len(Answered("units", "import", roster, "--format", "json").json) == 6
    assert "no tables" in refused("overdue")[-1]


def test_an_import_is_applied_once(roster: str) -> None:
    applied = Answered("units", "import", roster, "--apply", "--format", "json")
    assert len(applied.json) == 6
    assert 'no unit has the tag "township"' in applied.err
    assert Answered("units", "import", roster, "--apply", "--format", "json").json == []
    assert Answered("registry", "diff", "--format", "json").json == []
    assert Answered("ledger", "verify").code == 0


def test_addresses_of_a_roster_are_bound_once_and_those_it_leaves_out_stay(roster: str) -> None:
    Path("duban.toml").write_text(MAIL, encoding="utf-8")
    Path(roster).write_text(ROSTER.replace('name = "王主任"', 'name = "王主任", addresses = { mail = "w@x.cn" }'))
    preview = Answered("units", "import", roster, "--format", "json").json
    applied = Answered("units", "import", roster, "--apply", "--format", "json").json
    assert preview == applied
    assert applied[-1] == {"change": "address_added", "code": "wang", "name": "", "facts": ["mail: w@x.cn"]}
    unreached = Answered("people", "unreached", "--format", "json").json
    assert {(row["unit"], row["role"], row["code"]) for row in unreached} == {
        ("某县人民政府", "head", None), ("某县人民政府", "officer", None),
        ("某县人民政府", "supervisor", "inspector"), ("某县水利局", "officer", "li"),
    }  # fmt: skip
    Path(roster).write_text(ROSTER.replace('name = "李科员"', 'name = "李科员", addresses = { mail = "w@x.cn" }'))
    assert Answered("units", "import", roster, "--apply", "--format", "json").json == [
        {"change": "address_moved", "code": "li", "name": "", "facts": ["mail: w@x.cn (wang)"]}
    ]
    assert Answered("ledger", "verify").code == 0


def test_an_address_on_a_connection_that_is_not_configured_is_a_fault(roster: str) -> None:
    Path(roster).write_text(ROSTER.replace('name = "王主任"', 'name = "王主任", addresses = { mail = "w@x.cn" }'))
    assert "mail" in refused("units", "import", roster, "--apply")[-1]
    assert files() == [Path(roster).name]


def test_every_fault_of_a_roster_is_told_with_its_row() -> None:
    Path("bad.toml").write_text(FAULTY, encoding="utf-8")
    lines = refused("units", "import", "bad.toml", "--apply")
    assert [line.split(":")[0].strip() for line in lines[2:]] == ["bad.toml"] * len(lines[2:])
    told = "\n".join(lines[2:])
    assert [fault for fault in EXPECTED_FAULTS if fault not in told] == []
    assert files() == ["bad.toml"]


def test_a_roster_that_is_not_there_is_told() -> None:
    assert "gone.csv" in refused("units", "import", "gone.csv")[-1]


def test_what_is_late_is_listed_with_its_provisions(kept: Path) -> None:
    assert Answered("overdue", "--fail", "--format", "json").json == []
    assert "没有" in Answered("overdue").out
    changed(kept, "UPDATE term SET opens = '2020-01-01', due = '2020-01-31' WHERE duty = 'enforcement-annual-report'")
    rows = Answered("overdue", "--format", "json").json
    assert {tuple(row) for row in rows} == {("number", "unit", "duty", "term", "due", "days", "state", "provisions")}
    assert {(row["unit"], row["due"], row["state"]) for row in rows} == {("某县水利局", "2020-01-31", "pending")}
    assert rows[0]["days"] > 2000
    assert any("第三十五条" in citation for citation in rows[0]["provisions"])
    assert (Answered("overdue").code, Answered("overdue", "--fail").code) == (0, 1)
    assert "待签收" in Answered("overdue").out
    assert Answered("overdue", "--format", "csv").csv[0]["duty"] == "enforcement-annual-report"


def test_what_is_late_under_a_duty_that_is_no_more_is_still_listed(kept: Path) -> None:
    changed(kept, "UPDATE term SET duty = 'repealed', due = '2020-01-31' WHERE duty = 'enforcement-annual-report'")
    assert {row["duty"] for row in Answered("overdue", "--format", "json").json} == {"repealed"}


def test_a_changed_registry_is_shown_with_the_obligations_it_touches(kept: Path) -> None:
    changed(kept, "UPDATE term SET duty = 'repealed' WHERE duty = 'enforcement-annual-report'")
    changed(kept, "UPDATE term SET due = '2036-12-30' WHERE duty = 'study-plan'")
    answered = Answered("registry", "diff", "--format", "json")
    assert answered.code == 1
    assert {tuple(row) for row in answered.json} == {
        ("change", "duty", "term", "jurisdiction", "due", "was_due", "open")
    }
    found = {(row["change"], row["duty"]) for row in answered.json}
    assert {("added", "enforcement-annual-report"), ("gone", "repealed"), ("moved", "study-plan")} <= found
    assert all(row["open"] == 1 for row in answered.json if row["change"] == "gone")
    moved = next(row for row in answered.json if row["change"] == "moved")
    assert moved["was_due"] == "2036-12-30" != moved["due"]
    assert "消失" in Answered("registry", "diff").out


def test_a_registry_of_one_s_own_is_compared_before_it_is_used(kept: Path) -> None:
    assert kept.exists()
    tables = Path("tables")
    shutil.copytree(DATA, tables, ignore=shutil.ignore_patterns("roster", "calendar"))
    assert Answered("registry", "diff", "--registry", "tables", "--format", "json").json == []
    dated = tables / "duties" / "a_dated.toml"
    text = dated.read_text(encoding="utf-8")
    dated.write_text(text.replace("BYMONTH=1;BYMONTHDAY=31", "BYMONTH=2;BYMONTHDAY=15", 1), encoding="utf-8")
    rows = Answered("registry", "diff", "--registry", "tables", "--format", "json").json
    assert {(row["change"], row["duty"]) for row in rows} == {("moved", "enforcement-annual-report")}
    assert {row["due"][5:] for row in rows} == {"02-15"}
    dated.write_text(text.replace('tags = ["enforcement"]', 'tags = ["township"]', 1), encoding="utf-8")
    rows = Answered("registry", "diff", "--registry", "tables", "--format", "json").json
    assert {(row["change"], row["duty"], row["open"]) for row in rows} == {("members", "enforcement-annual-report", 1)}
    assert "nowhere" in refused("registry", "diff", "--registry", "nowhere")[-1]


def test_an_invitation_is_shown_once_and_only_its_hash_is_kept(kept: Path) -> None:
    (row,) = Answered("people", "invite", "wang", "--format", "json").json
    assert list(row) == ["person", "name", "code", "expires"]
    assert row["name"] == "王主任"
    with sqlite3.connect(kept) as connection:
        assert row["code"] not in str(connection.execute("SELECT * FROM invitation").fetchall())
    connection.close()
    assert "wang" in refused("people", "invite", "nobody")[-1]


def test_a_ledger_is_whole_until_somebody_changes_it(kept: Path) -> None:
    assert Answered("ledger", "verify", "--format", "json").json == []
    changed(kept, "UPDATE entry SET actor = 'somebody' WHERE id = 2")
    answered = Answered("ledger", "verify", "--format", "json")
    assert answered.code == 1
    assert {tuple(row) for row in answered.json} == {("place", "reason")}
    assert "was changed" in answered.json[0]["reason"]
    assert answered.err.splitlines()[-1].startswith("The ledger does not hold together in 1 places")


def exported(*words: str) -> tuple[int, list[str]]:
    answered = Answered("ledger", "verify", "--file", "ledger.jsonl", *words, "--format", "json")
    return answered.code, [row["reason"] for row in answered.json]


def test_an_export_is_verified_without_the_database(kept: Path) -> None:
    changed(kept, "UPDATE unit SET name = name || char(8232, 133)")  # separators that end no line of ours
    answered = Answered("ledger", "export", "ledger.jsonl")
    assert (answered.code, answered.out) == (0, "")
    kept.unlink()
    assert exported() == (0, [])
    assert exported("--anchor", "2026-01-04:abc") == (1, ["differs from the one that was posted"])
    file = Path("ledger.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-1]), encoding="utf-8")
    assert exported() == (1, ["is cut short, or was added to"])
    file.write_text("".join(lines[1:]), encoding="utf-8")
    assert exported()[0] == 1
    file.write_text("".join(lines).replace('"actor": "cli"', '"actor": "me"'), encoding="utf-8")
    assert "was changed after it was written" in exported()[1]


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"line": {}}', b'{"head": 1}', b'{"x": 1}', b"\xff", b"1"])
def test_what_is_no_export_is_bad_input(content: bytes) -> None:
    Path("ledger.jsonl").write_bytes(content)
    assert "ledger.jsonl" in refused("ledger", "verify", "--file", "ledger.jsonl")[-1]


def test_an_empty_export_is_not_whole() -> None:
    Path("ledger.jsonl").touch()
    assert exported()[0] == 1


def test_bad_ledger_options_are_told_before_anything_is_read(kept: Path) -> None:
    for anchor in ("2026-01-04", "2026-02-30:abc", "2026-01-04:"):
        refused("ledger", "verify", "--anchor", anchor)
    assert "gone.jsonl" in refused("ledger", "verify", "--file", "gone.jsonl")[-1]
    assert "nowhere" in refused("ledger", "export", "nowhere/ledger.jsonl")[-1]
    assert files() == [kept.name]


LOOKING = [
    ["overdue"],
    ["ledger", "verify"],
    ["ledger", "export", "x"],
    ["people", "invite", "wang"],
    ["people", "unreached"],
    ["registry", "diff"],
]
WRITING = [["migrate"], ["serve"]]


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_commands_that_look_make_no_database(words: list[str]) -> None:
    assert "duban.db" in refused(*words)[-1]
    assert files() == []
    sqlite3.connect("duban.db").close()
    assert "no tables" in refused(*words)[-1]


@pytest.mark.parametrize("words", [*LOOKING, *WRITING, ["check"], ["units", "import", str(SAMPLE)]], ids=" ".join)
@pytest.mark.parametrize(
    ("url", "said"),
    [
        (UNREACHABLE, "Connect call failed"),
        ("sqlite://bad.db", "not a database"),
        ("sqlite://folder", "directory"),
    ],
)
def test_a_database_that_is_not_to_be_had_is_one_clear_line(
    words: list[str], url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("bad.db").write_text("this is no database, however long it may be\n" * 100, encoding="utf-8")
    Path("folder").mkdir()
    monkeypatch.setenv("DUBAN_DATABASE", url)
    lines = refused(*words)
    assert said in lines[-1]
    assert len(lines) <= 3
    assert "swordfish" not in "".join(lines)


def test_everything_works_on_postgresql_too(postgres_url: str, roster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBAN_DATABASE", postgres_url)
    assert len(Answered("units", "import", roster, "--format", "json").json) == 6
    assert "no tables" in refused("overdue")[-1]
    assert Answered("migrate").code == 0
    assert len(Answered("units", "import", roster, "--apply", "--format", "json").json) == 6
    assert Answered("check").code == 1
    assert Answered("registry", "diff", "--format", "json").json == []
    assert Answered("people", "invite", "li", "--format", "json").json[0]["name"] == "李科员"
    assert Answered("overdue", "--fail", "--format", "json").json == []
    assert Answered("ledger", "verify", "--format", "json").json == []
    assert Answered("ledger", "export", "ledger.jsonl").code == 0
    assert exported() == (0, [])
    assert Answered("ledger", "verify", "--database", postgres_url.replace("/test_", "/gone_")).code == 2


def test_a_second_writer_on_one_file_is_refused(kept: Path, roster: str) -> None:
    code = (
        "import sys; from duties.store.database import locate, owned\n"
        f"with owned(locate('sqlite://{kept}')): print('mine', flush=True); sys.stdin.read()"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, env=env) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        for words in (["migrate"], ["serve"], ["units", "import", roster, "--apply"]):
            assert "another duban process" in refused(*words)[-1]
        for words in (["overdue"], ["check"], ["units", "import", roster], ["ledger", "verify"]):
            assert Answered(*words).code in (0, 1)
        holder.communicate()


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    code = (
        "import socket, subprocess, sys\n"
        "taken = socket.create_server(('127.0.0.1', 0))\n"
        "port = str(taken.getsockname()[1])\n"
        "sys.exit(subprocess.run([sys.executable, '-m', 'bot.cli', *sys.argv[1:]],\n"
        "    env={**__import__('os').environ, 'DUBAN_PORT': port}).returncode)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert "Traceback" not in done.stderr.decode()
    assert done.stderr.decode().splitlines()[-1].startswith("Cannot listen on this address")


def test_confirmations_are_kept_where_the_settings_say() -> None:
    Path("duban.toml").write_text('confirmations = "answers.toml"', encoding="utf-8")
    words = ["policy", "--confirm", "inclusive", "--by", "州司法局", "--on", "2026-03-02", "--format", "json"]
    assert Answered(*words).json[0]["confirmed_by"] == "州司法局"
    assert files() == ["answers.toml", "duban.toml"]
    assert "recorded=1" in Answered("check", "--format", "json").json[2]["facts"]
    assert Answered("policy", "--file", "others.toml", "--format", "json").json[0]["confirmed_by"] is None


def test_a_demonstration_is_not_started_over_while_somebody_plays_it(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "bot.cli", "demo", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  one thread here
    ) as playing:  # fmt: skip
        assert playing.stderr is not None
        while not (line := playing.stderr.readline()).startswith(b"The demonstration is ready"):
            assert line, "it ended"
        second = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
        assert second.returncode == 2
        assert b"Another duban process" in second.stderr
        database = f"sqlite://{tmp_path}/cache/duban/demo-0.db"
        assert Answered("ledger", "verify", "--database", database, "--format", "json").json == []
        playing.send_signal(signal.SIGINT)
        out, _ = playing.communicate()
    assert (playing.returncode, out) == (0, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_an_interrupted_simulation_says_nothing_and_ends_as_interrupted(tmp_path: Path) -> None:
    words = ["simulate", "--from", "2026-01-01", "--to", "2030-12-31", "--format", "json"]
    running = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  one thread here
    )  # fmt: skip
    with running:
        assert running.stderr is not None
        while b"planned" not in running.stderr.readline():
            pass
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_every_listing_has_stable_fields_in_csv(kept: Path, roster: str) -> None:
    assert kept.exists()
    for words in (
        ["overdue"],
        ["check"],
        ["units", "import", roster],
        ["people", "invite", "li"],
        ["registry", "diff"],
    ):
        header = Answered(*words, "--format", "csv").out.removeprefix("\ufeff").splitlines()[0]
        whole = Answered(*words, "--format", "json")
        assert all(",".join(row) == header for row in json.loads(whole.out))


def test_no_command_is_left_out_of_the_help() -> None:
    shown = Answered("--help").out
    assert all(command.words.split()[0] in shown for command in COMMANDS)
