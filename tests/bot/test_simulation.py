"""A simulated span: every message in order, as the ladders say, the same each time, and nothing kept or sent."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from duties.ladder import Window, touches
from duties.model import Audience
from duties.reading import shipped
from duties.schedule import term_named
from duties.workdays import WorkCalendar
from tests.bot.test_cli_lawful import Answered, refused
from tests.bot.test_cli_running import EXPECTED_FAULTS, FAULTY, ROSTER

MESSAGE = ["at", "unit", "audience", "rung", "items", "text"]
ITEM = ["duty", "term", "due", "rung"]
REPORT = "enforcement-annual-report"
CALENDAR = WorkCalendar.shipped()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, and a log that does not outlive the test's stderr."""
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


def played(folder: Path, *more: str, last: str = "2026-02-04") -> list[dict[str, Any]]:
    """As an operator would play it, in a folder that holds nothing but the roster."""
    (folder / "roster.toml").write_text(ROSTER, encoding="utf-8")
    words = ["simulate", "--from", "2026-01-01", "--to", last, "--roster", str(folder / "roster.toml"), *more]
    found = Answered(*words, "--format", "json").json
    structlog.reset_defaults()  # the log must not outlive the stderr of this run
    assert isinstance(found, list)
    return found


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("played")
    found = played(folder)
    assert [path.name for path in folder.iterdir()] == ["roster.toml"]
    return found


def test_a_message_has_the_stable_fields_in_order(messages: list[dict[str, Any]]) -> None:
    assert messages
    assert all(list(message) == MESSAGE for message in messages)
    assert all(list(item) == ITEM for message in messages for item in message["items"])
    assert all(message["items"] and message["text"] for message in messages)


def test_messages_come_in_the_order_of_time_at_office_hours_of_working_days(messages: list[dict[str, Any]]) -> None:
    instants = [datetime.fromisoformat(message["at"]) for message in messages]
    assert instants == sorted(instants)
    assert {f"{at:%H:%M%z}" for at in instants} == {"10:00+0800"}
    assert all(CALENDAR.is_workday(at.date()) for at in instants)


def test_one_message_to_one_recipient_at_one_instant(messages: list[dict[str, Any]]) -> None:
    recipients = [(message["at"], message["unit"], message["audience"]) for message in messages]
    assert len(set(recipients)) == len(recipients)


def test_nobody_answers_so_a_duty_climbs_its_whole_ladder(messages: list[dict[str, Any]]) -> None:
    duty = shipped().duty(REPORT)
    term = next(one for one in term_named(duty, "2025") if one.jurisdiction == "昌吉州")
    window = Window(term.opens, term.due, CALENDAR.on_or_before(term.due))
    ladder = touches(shipped().ladder(duty.ladder), window, CALENDAR, date(2026, 2, 4))
    for audience in (Audience.OFFICER, Audience.HEAD):
        wanted = [(touch.day.isoformat(), touch.rung) for touch in ladder if audience in touch.audience]
        said = [
            (message["at"][:10], item["rung"])
            for message in messages
            for item in message["items"]
            if item["duty"] == REPORT and (message["unit"], message["audience"]) == ("某县水利局", audience)
        ]
        assert said == wanted


def test_the_rung_of_a_message_is_the_rung_of_one_of_its_items(messages: list[dict[str, Any]]) -> None:
    assert all(message["rung"] in {item["rung"] for item in message["items"]} for message in messages)
    late = [item for message in messages for item in message["items"] if item["due"] < message["at"][:10]]
    assert late
    assert all(re.match(r"\w*[+O]", item["rung"]) or item["rung"].startswith("T+") for item in late)


def test_the_same_span_is_played_the_same_way(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    assert played(tmp_path, last="2026-01-06") == [one for one in messages if one["at"] < "2026-01-07"]


def test_a_holiday_table_of_one_s_own_moves_reminders(tmp_path: Path, messages: list[dict[str, Any]]) -> None:
    days = tmp_path / "days.toml"
    days.write_text(
        '[2026]\nnotice = [{ title = "x", number = "x", issued = 2026-01-01 }]\n'
        'holiday = [{ name_zh = "x", name_en = "x", first = 2026-01-04, last = 2026-01-04 }]\n',
        encoding="utf-8",
    )
    moved = played(tmp_path, "--calendar", str(days), last="2026-01-05")
    assert {one["at"][:10] for one in moved} == {"2026-01-02"}
    assert messages[0]["at"][:10] == "2026-01-04"


def test_a_bad_roster_is_told_with_all_its_faults() -> None:
    Path("bad.toml").write_text(FAULTY, encoding="utf-8")
    lines = refused("simulate", "--from", "2026-01-01", "--to", "2026-01-31", "--roster", "bad.toml")
    assert [fault for fault in EXPECTED_FAULTS if fault not in "\n".join(lines)] == []
    assert "gone.toml" in refused("simulate", "--from", "2026-01-01", "--to", "2026-01-02", "--roster", "gone.toml")[-1]
    assert (
        "gone.toml" in refused("simulate", "--from", "2026-01-01", "--to", "2026-01-02", "--calendar", "gone.toml")[-1]
    )
    assert refused("simulate", "--from", "2026-02-01", "--to", "2026-01-02")


def test_a_day_without_reminders_is_an_empty_answer() -> None:
    Path("roster.toml").write_text(ROSTER, encoding="utf-8")
    words = ["simulate", "--from", "2026-01-01", "--to", "2026-01-01", "--roster", "roster.toml"]
    assert Answered(*words, "--format", "csv").out.removeprefix("\ufeff").splitlines() == [",".join(MESSAGE)]
    assert "没有" in Answered(*words).out
