"""Where a setting comes from, what is refused and how it is said; and that a password is never said."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bot.settings import Settings, SettingsError, load

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
COMMENTED = re.compile(r"^# (\w+) = ", re.MULTILINE)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment that says nothing about duban."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DUBAN_")]:
        monkeypatch.delenv(name)


def write(text: str, name: str = "duban.toml") -> Path:
    file = Path(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def faults(file: Path | None = None, **given: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as error:
        load(file, **given)
    return error.value.faults


def test_without_anything_every_setting_has_its_default() -> None:
    settings = load()
    assert settings.model_dump() == {name: field.default for name, field in Settings.model_fields.items()}
    assert (settings.office_minute, str(settings.zone)) == (600, "Asia/Shanghai")


def test_the_example_names_every_key_once_with_its_default() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    shown: dict[str, Any] = tomllib.loads(text)
    commented = COMMENTED.findall(text)
    assert sorted([*shown, *commented, "connection"]) == sorted(Settings.model_fields)
    assert load(EXAMPLE).model_dump() == load().model_dump()
    assert [Settings.model_fields[name].default for name in commented] == [None] * len(commented)


def test_a_commented_key_of_the_example_is_accepted_too() -> None:
    assert load(write(COMMENTED.sub(r"\1 = ", EXAMPLE.read_text(encoding="utf-8")))).calendar == Path("holidays.toml")


def test_command_line_beats_environment_beats_secret_beats_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write('database = "sqlite://file.db"')
    assert load().database == "sqlite://file.db"
    write("sqlite://secret.db\n", "secrets/database")
    monkeypatch.setenv("DUBAN_SECRETS", "secrets")
    assert load().database == "sqlite://secret.db"
    monkeypatch.setenv("DUBAN_DATABASE", "sqlite://environment.db")
    assert load().database == "sqlite://environment.db"
    assert load(database="sqlite://typed.db").database == "sqlite://typed.db"
    assert load(database=None).database == "sqlite://environment.db"


def test_reading_a_file_leaves_no_trace_for_the_next_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    assert load(write("port = 1", "other.toml")).port == 1
    assert (load().port, dict(os.environ)) == (8080, before)
    monkeypatch.setenv("DUBAN_CONFIG", "other.toml")
    assert load().port == 1


def test_a_file_that_was_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults(Path("gone.toml")) == ("gone.toml: the file does not exist",)
    monkeypatch.setenv("DUBAN_CONFIG", "duban.toml")
    assert faults() == ("duban.toml: the file does not exist",)
    monkeypatch.setenv("DUBAN_SECRETS", "nowhere")
    assert faults() == ("duban.toml: the file does not exist", "DUBAN_SECRETS: nowhere is not a directory")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 1\nhost == 2", "duban.toml: .*line 2"),
        ("port = 1\nport = 2\n", "duban.toml: .*line 2"),
        ("prot = 1", "duban.toml: prot: "),
        ('port = "many"', "duban.toml: port: .*integer"),
        ("port = 65536", "duban.toml: port: .*65535"),
        ("horizon_days = 5", "duban.toml: horizon_days: .*31"),
        ("host = 5", "duban.toml: host: .*string"),
        ("[database]\nurl = 1", "duban.toml: database: .*string"),
        ('timezone = "Mars"', "duban.toml: timezone: expected an IANA time zone"),
        ('timezone = "../etc/passwd"', "duban.toml: timezone: expected an IANA time zone"),
        ('office_opens = "24:00"', "duban.toml: office_opens: expected HH:MM"),
        ('heartbeat_url = "ftp://x"', "duban.toml: heartbeat_url: expected http"),
        ('log_format = "xml"', "duban.toml: log_format: .*'text' or 'json'"),
        ('database = "."', "duban.toml: database: expected sqlite://FILE"),
        ('database = "sqlite://."', "duban.toml: database: .*directory"),
        ('database = "sqlite://"', "duban.toml: database: expected sqlite://FILE"),
        ('database = "mysql://host/name"', "duban.toml: database: expected sqlite://FILE"),
        ('database = "postgresql://host"', "duban.toml: database: expected sqlite://FILE"),
    ],
)
def test_a_fault_names_file_key_and_what_was_expected(text: str, said: str) -> None:
    write(text)
    (fault,) = faults()
    assert re.match(said, fault), fault


def test_all_faults_are_told_at_once_each_with_the_place_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    write('horizon_days = 1\nbogus = 1\nport = "x"')
    write("Mars", "secrets/timezone")
    monkeypatch.setenv("DUBAN_SECRETS", "secrets")
    monkeypatch.setenv("DUBAN_PORT", "y")
    places = [fault.partition(": ")[0] for fault in faults(database="nonsense")]
    assert sorted(places) == ["--database", "DUBAN_PORT", "duban.toml", "duban.toml", "secrets/timezone"]


def test_an_unknown_variable_of_ours_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBAN_DATBASE", "sqlite://x")
    (fault,) = faults()
    assert fault.startswith("environment: DUBAN_DATBASE: expected one of")
    assert "DUBAN_DATABASE" in fault


def test_what_is_no_text_is_a_fault() -> None:
    Path("duban.toml").write_bytes(b"host = '\xff'")
    assert len(faults()) == 1
    Path("folder.toml").mkdir()
    assert faults(Path("folder.toml")) == ("folder.toml: Is a directory",)


def test_a_secret_that_is_no_text_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    write("", "secrets/unrelated")
    Path("secrets/database").write_bytes(b"\xff")
    Path("secrets/host").mkdir()
    monkeypatch.setenv("DUBAN_SECRETS", "secrets")
    assert faults() == ("secrets/database: expected UTF-8", "secrets/host: Is a directory")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://duban:swordfish@host:port/name",
        "postgresql://duban:swordfish@host:99999/name",
        "postgresql://duban:sword#fish@host/name",
        "postgresql://duban:sword/fish@host/name",
        "postgresql://duban:swordfish@[host/name",
        "mysql://duban:swordfish@host/name",
    ],
)
@pytest.mark.parametrize("way", ["file", "environment", "secret", "typed"])
def test_a_password_is_never_said(url: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    if way == "file":
        write(f'database = "{url}"')
    elif way == "environment":
        monkeypatch.setenv("DUBAN_DATABASE", url)
    elif way == "secret":
        write(url, "secrets/database")
        monkeypatch.setenv("DUBAN_SECRETS", "secrets")
    else:
        given["database"] = url
    (fault,) = faults(**given)
    assert "sword" not in fault
    assert "fish" not in fault


def test_a_password_is_not_part_of_what_settings_look_like() -> None:
    settings = load(database="postgresql://duban:sword%23fish@host:5432/name", heartbeat_url="https://x/token")
    assert settings.database.endswith("/name")
    assert not re.search("fish|token", repr(settings) + str(settings))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///var/lib/duban/duban.db",
        "sqlite://:memory:",
        "postgres://u@host/name",
        "asyncpg://postgres@/name?host=/tmp/socket&port=5432",
    ],
)
def test_these_are_databases(url: str) -> None:
    assert load(database=url).database == url
