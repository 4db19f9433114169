"""The commands that need nothing but registry and calendar: what they print, and how they end."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import chinese_calendar
import pytest
from typer.testing import CliRunner

from bot.cli import COMMANDS, app
from bot.wording import LANGUAGES, catalogue
from duties.reading import shipped
from duties.registry import EventRule
from duties.sources import digest
from tests.duties.test_registry import DOCUMENT, DUTY, LADDER, PROVISION

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
EVENTS = [duty.code for duty in shipped().duties if isinstance(duty.rule, EventRule)]
PLAN = [
    "duty", "term", "covers_from", "covers_to", "opens", "due", "advise_by",
    "basis", "force", "calendar", "provisions", "tags", "jurisdiction",
]  # fmt: skip
EXPLAINED = ["code", "on", "starts", "due", "not_before", "advise_by", "calendar", "steps"]
LETTER = "opinion-letter-rectification"


class Answered:
    """One run of the command line."""

    def __init__(self, *words: str, env: dict[str, str] | None = None) -> None:
        result = CliRunner().invoke(app, list(words), env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr

    @property
    def json(self) -> Any:
        assert self.code in (0, 1), self.err
        return json.loads(self.out)

    @property
    def csv(self) -> list[dict[str, str]]:
        assert self.out.startswith("\ufeff")
        return list(csv.DictReader(io.StringIO(self.out.removeprefix("\ufeff"))))


def planned(first: str, last: str, *more: str) -> list[dict[str, Any]]:
    rows = Answered("plan", "--from", first, "--to", last, "--format", "json", *more).json
    assert isinstance(rows, list)
    return rows


def explained(*words: str) -> dict[str, Any]:
    found = Answered("explain", *words, "--format", "json").json
    assert isinstance(found, dict)
    return found


def refused(*words: str) -> list[str]:
    """The lines said about bad input: a Chinese one first, an English one second, and nothing on stdout."""
    answered = Answered(*words)
    assert (answered.code, answered.out) == (2, "")
    return answered.err.splitlines()


@pytest.fixture(scope="module")
def years() -> list[dict[str, Any]]:
    return planned("2024-01-01", "2035-12-31")


def test_a_planned_term_has_the_stable_fields_in_order() -> None:
    (row,) = planned("2026-01-31", "2026-01-31")
    assert list(row) == PLAN
    assert row == {
        "duty": "enforcement-annual-report",
        "term": "2025",
        "covers_from": "2025-01-01",
        "covers_to": "2025-12-31",
        "opens": "2026-01-01",
        "due": "2026-01-31",
        "advise_by": "2026-01-30",
        "basis": "text",
        "force": "settled",
        "calendar": "confirmed",
        "provisions": [70, 169],
        "tags": ["enforcement"],
        "jurisdiction": "昌吉州",
    }


def test_rows_are_in_order_and_events_are_never_planned(years: list[dict[str, Any]]) -> None:
    keys = [(row["due"], row["duty"], row["jurisdiction"]) for row in years]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert {row["duty"] for row in years}.isdisjoint(EVENTS)
    assert {row["duty"] for row in years} == {duty.code for duty in shipped().duties} - set(EVENTS)


def month_end(day: date) -> bool:
    return (day + DAY).day == 1


RULES: dict[str, tuple[date, Callable[[date], object]]] = {
    "enforcement-annual-report": (date(2025, 7, 1), lambda day: (day.month, day.day) == (1, 31)),
    "qualification-publication": (date(2024, 6, 5), lambda day: (day.month, day.day) == (3, 1)),
    "training-statistics": (date(2024, 6, 5), lambda day: (day.month, day.day) == (11, 1)),
    "monthly-case-publication": (date(2024, 6, 5), lambda day: day.day == 30 or (day.month == 2 and month_end(day))),
    "case-file-self-review": (date(2024, 6, 5), lambda day: day.month % 3 == 0 and month_end(day)),
    "transfer-bulletin": (date(2025, 7, 1), lambda day: day.month % 6 == 0 and month_end(day)),
    "standing-check": (date(2024, 1, 1), lambda day: day.month % 6 == 0 and month_end(day)),
    "normative-document-cleanup": (date(2025, 7, 1), lambda day: day.year % 2 and (day.month, day.day) == (12, 31)),
    "pre-meeting-study": (date(2024, 6, 5), lambda day: (day.month, day.day) == (12, 31)),
    "special-rectification": (date(2024, 6, 5), lambda day: (day.month, day.day) == (9, 30)),
    "enforcement-budget": (date(2024, 1, 1), lambda day: (day.month, day.day) == (10, 31)),
}  # fmt: skip


@pytest.mark.parametrize("code", RULES)
def test_due_days_are_those_found_by_walking_every_day(code: str, years: list[dict[str, Any]]) -> None:
    since, fires = RULES[code]
    walk = map(date.fromordinal, range(date(2024, 1, 1).toordinal(), date(2036, 1, 1).toordinal()))
    expected = [day.isoformat() for day in walk if day >= since and fires(day)]
    assert sorted({row["due"] for row in years if row["duty"] == code}) == expected


def test_advice_is_the_last_working_day_by_another_calendar(years: list[dict[str, Any]]) -> None:
    for row in years:
        due, advised = date.fromisoformat(row["due"]), date.fromisoformat(row["advise_by"])
        if due.year > 2026:
            assert row["calendar"] == "provisional"
            assert advised <= due
            continue
        walked = due
        while not chinese_calendar.is_workday(walked):
            walked -= DAY
        assert (advised, row["calendar"]) == (walked, "confirmed")


@pytest.mark.parametrize(
    ("first", "last", "code", "term", "due", "advise_by"),
    [
        ("2028-02-01", "2028-02-29", "monthly-case-publication", "2028-02", "2028-02-29", "2028-02-29"),
        ("2026-10-01", "2026-10-31", "enforcement-budget", "2027", "2026-10-31", "2026-10-30"),
        ("2025-12-31", "2025-12-31", "normative-document-cleanup", "2024-2025", "2025-12-31", "2025-12-31"),
        ("2026-06-30", "2026-06-30", "standing-check", "2026-H1", "2026-06-30", "2026-06-30"),
    ],
)
def test_single_dates(first: str, last: str, code: str, term: str, due: str, advise_by: str) -> None:
    row = planned(first, last, "--duty", code)[0]
    assert (row["duty"], row["term"], row["due"], row["advise_by"]) == (code, term, due, advise_by)


def test_standing_check_binds_every_unit() -> None:
    assert planned("2026-06-30", "2026-06-30", "--duty", "standing-check")[0]["tags"] == ["*"]


def test_where_text_and_policy_differ_each_jurisdiction_has_its_row() -> None:
    rows = planned("2026-03-31", "2026-03-31", "--duty", "law-government-report-department")
    assert {(row["jurisdiction"], row["basis"]) for row in rows} == {("昌吉市", "text"), ("昌吉州", "policy")}


def test_a_window_before_every_law_is_empty_and_fine() -> None:
    assert planned("1990-01-01", "1999-12-31") == []


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-02-30", "2026-03-01", "2026-02-30"),
        ("2026-03-02", "2026-03-01", "2026-03-02"),
        ("2026-1-1", "2026-03-01", "2026-1-1"),
        ("20260101", "2026-03-01", "20260101"),
        ("1989-12-31", "2026-03-01", "1990"),
        ("2026-01-01", "2111-01-01", "2110"),
        ("gestern", "2026-03-01", "gestern"),
        ("{0}", "2026-03-01", "{0}"),
    ],
)
def test_an_impossible_window_is_refused_in_two_languages(first: str, last: str, said: str) -> None:
    chinese, english = refused("plan", "--from", first, "--to", last)
    assert said in chinese
    assert said in english
    assert re.search("[\u4e00-\u9fff]", chinese)
    assert not re.search("[\u4e00-\u9fff]", english)


@pytest.mark.parametrize("code", ["nope", LETTER])
def test_a_plan_of_no_duty_or_of_an_event_is_refused(code: str) -> None:
    assert code in refused("plan", "--from", "2026-01-01", "--to", "2026-12-31", "--duty", code)[0]


@pytest.mark.parametrize(
    "words", [["plan"], ["nope"], ["plan", "--from", "2026-01-01"], ["coverage", "--format", "xml"]]
)
def test_wrong_usage_ends_with_two(words: list[str]) -> None:
    assert refused(*words)


def test_csv_is_for_spreadsheets() -> None:
    rows = Answered("plan", "--from", "2026-01-01", "--to", "2026-01-31", "--format", "csv").csv
    assert list(rows[0]) == PLAN
    assert [(row["due"], row["tags"]) for row in rows] == [
        ("2026-01-30", "enforcement;township"),
        ("2026-01-31", "enforcement"),
    ]


def test_the_table_is_for_people() -> None:
    table = Answered("plan", "--from", "2026-01-31", "--to", "2026-01-31").out
    assert "行政执法年度分析报告" in table
    assert "到期日" in table


@pytest.mark.parametrize(
    ("words", "due", "advise_by", "rules"),
    [
        # 30 days from 20 September 2026 end on Tuesday, 20 October.
        (
            [LETTER, "--on", "2026-09-20"],
            "2026-10-20", "2026-10-19", ["starts", "last-days", "advise-by"],
        ),
        # 4 October lies in the National Day holiday, which ends on the 7th.
        (
            [LETTER, "--on", "2026-09-04"],
            "2026-10-08", "2026-09-30", ["starts", "last-days", "rolled", "advise-by"],
        ),
        (
            [LETTER, "--on", "2026-09-20", "--by", "2026-10-09"],
            "2026-10-09", "2026-10-09", ["starts", "last-days", "named-day", "advise-by"],
        ),
        (
            [LETTER, "--on", "2026-09-20", "--by", "2026-11-30"],
            "2026-10-20", "2026-10-19", ["starts", "last-days", "named-day-later", "advise-by"],
        ),
        (
            ["certificate-suspension", "--on", "2025-11-30"],
            "2026-02-28", "2026-02-27", ["starts", "last-months", "not-rolled", "advise-by"],
        ),
        (
            ["decision-letter-compliance", "--on", "2026-09-20", "--by", "2026-10-03"],
            "2026-10-03", "2026-09-30", ["starts", "named-day", "advise-by"],
        ),
    ],
)  # fmt: skip
def test_events_explained(words: list[str], due: str, advise_by: str, rules: list[str]) -> None:
    found = explained(*words)
    assert list(found) == EXPLAINED
    assert (found["due"], found["advise_by"], found["not_before"]) == (due, advise_by, None)
    assert [step["rule"] for step in found["steps"]] == rules
    assert all(step["ground"] and set(step) == {"rule", "date", "ground"} for step in found["steps"])


def test_pauses_push_a_review_out() -> None:
    # Counted: 2 to 4 September (3), standing still 5 to 11, then 14 to 18 (8), the working Sunday 20 (9),
    # 21 to 24 (13), Mid-Autumn 25 to 27, 28 and 29 (15).
    found = explained("legality-review", "--on", "2026-09-01", "--pause", "2026-09-04:2026-09-11")
    assert (found["not_before"], found["due"], found["starts"]) == ("2026-09-15", "2026-09-29", "2026-09-02")
    assert found["steps"][0]["ground"] == "《昌吉回族自治州依法行政办法》第十五条第一、二款"


def test_pauses_are_a_union_in_any_order() -> None:
    one = ["--pause", "2026-09-04:2026-09-09"]
    two = ["--pause", "2026-09-08:2026-09-11"]
    rows = [explained("legality-review", "--on", "2026-09-01", *words) for words in ([*one, *two], [*two, *one])]
    assert rows[0] == rows[1]
    assert rows[0]["due"] == "2026-09-29"


def test_a_term_is_explained_with_the_same_keys_and_more() -> None:
    found = explained("enforcement-annual-report", "--term", "2025")
    assert set(found) == {*EXPLAINED, "term", "covers_from", "covers_to", "jurisdictions"}
    assert (found["on"], found["not_before"], found["starts"]) == (None, None, "2026-01-01")
    assert (found["due"], found["advise_by"], found["calendar"]) == ("2026-01-31", "2026-01-30", "confirmed")
    grounds = {step["rule"]: step["ground"] for step in found["steps"]}
    assert grounds["due"].startswith("《昌吉回族自治州依法行政办法》第三十五条第一款、")


def test_a_policy_day_says_so_and_tells_jurisdictions_apart() -> None:
    found = explained("law-government-report-government", "--term", "2026")
    ground = next(step["ground"] for step in found["steps"] if step["rule"] == "due")
    city, prefecture = re.split("；(?=昌吉州：)", ground)
    assert city.startswith("昌吉市：《")
    assert "待确认" not in city
    assert "待确认" in prefecture


def test_a_ground_of_many_provisions_is_shortened() -> None:
    steps = explained("standing-check", "--term", "2026-H1")["steps"]
    assert all(len(step["ground"]) < 300 for step in steps)


@pytest.mark.parametrize(
    "words",
    [
        ["decision-letter-compliance", "--on", "2026-09-20"],
        ["assignment", "--on", "2026-09-20"],
        ["nope", "--on", "2026-09-20"],
        [LETTER],
        [LETTER, "--on", "2026-09-20", "--term", "2026"],
        [LETTER, "--term", "2026"],
        [LETTER, "--on", "2026-09-31"],
        [LETTER, "--on", "2026-09-20", "--by", "2026-09-20"],
        [LETTER, "--on", "2026-09-20", "--pause", "2026-09-21:2026-09-22"],
        ["legality-review", "--on", "2026-09-20", "--pause", "2026-09-21"],
        ["legality-review", "--on", "2026-09-20", "--pause", "2026-09-22:2026-09-21"],
        ["legality-review", "--on", "2026-09-20", "--by", "2026-09-21"],
        ["certificate-suspension", "--on", "2110-12-31"],
        ["standing-check", "--on", "2026-01-01"],
        ["standing-check", "--term", "2026"],
        ["standing-check", "--term", "9999-H1"],
        ["standing-check", "--term", "2026-H1", "--by", "2026-05-01"],
    ],
)
def test_a_wrong_question_is_refused_with_two_lines(words: list[str]) -> None:
    assert len(refused("explain", *words)) == 2


def test_every_step_and_column_has_its_words() -> None:
    events = [["--on", "2026-09-04"], ["--on", "2026-09-04", "--by", "2026-09-30"]]
    rules = {
        step["rule"]
        for code in EVENTS
        for words in events
        if (found := Answered("explain", code, *words, "--format", "json")).code == 0
        for step in found.json["steps"]
    }
    rules |= {step["rule"] for step in explained("enforcement-annual-report", "--term", "2025")["steps"]}
    for language in LANGUAGES:
        assert [rule for rule in rules if f"cli.column.rule.{rule}" not in catalogue(language)] == []


def test_both_catalogues_say_the_same_things() -> None:
    chinese, english = ({key for key in catalogue(language) if key.startswith("cli.")} for language in LANGUAGES)
    assert chinese == english
    fields = {
        language: {key: set(re.findall(r"{(\w+)}", catalogue(language)[key])) for key in chinese}
        for language in LANGUAGES
    }
    only_generic = {"cli.question"}
    assert [key for key in chinese - only_generic if fields["zh"][key] != fields["en"][key]] == []


def test_an_explanation_reads_as_a_table_and_as_csv() -> None:
    table = Answered("explain", LETTER, "--on", "2026-09-04").out
    assert "逢休息日顺延" in table
    assert "到期日：2026-10-08" in table
    rows = Answered("explain", LETTER, "--on", "2026-09-04", "--format", "csv").csv
    assert [row["rule"] for row in rows] == ["starts", "last-days", "rolled", "advise-by"]


def test_coverage_is_total() -> None:
    rows = Answered("coverage", "--format", "json").json
    codes = {duty.code for duty in shipped().duties}
    assert [row["no"] for row in rows] == list(range(1, 290))
    assert {tuple(row) for row in rows} == {("no", "document", "article", "status", "carried_by", "reason")}
    assert all(set(row["carried_by"]) <= codes for row in rows)
    assert all(row["carried_by"] or row["reason"] for row in rows)
    assert all(row["reason"] for row in rows if row["status"] == "untracked")


def test_coverage_sums_up_in_a_table_and_lists_in_csv() -> None:
    table = Answered("coverage").out
    assert re.search(r"合计\W.*\b289\b", table)
    assert len(Answered("coverage", "--format", "csv").csv) == 289


def test_policy_lists_questions_and_shows_confirmations(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    key = "study-plan/force"
    given = ["--confirm", key, "--by", "州司法局", "--on", "2026-03-02", "--note", "=1+1"]
    (one,) = Answered("policy", "--file", str(file), *given, "--format", "json").json
    rows = {
        row["key"]: row for row in Answered("policy", "--format", "json", env={"DUBAN_CONFIRMATIONS": str(file)}).json
    }
    assert rows[key] == one
    assert list(one) == [
        "key", "duty", "question", "question_en", "default", "confirmed_by", "confirmed_on", "note",
    ]  # fmt: skip
    assert (one["duty"], one["confirmed_by"], one["confirmed_on"]) == ("study-plan", "州司法局", "2026-03-02")
    assert rows["inclusive"]["duty"] is rows["inclusive"]["confirmed_by"] is None
    assert "州司法局" in Answered("policy", "--file", str(file)).out
    shown = Answered("policy", "--file", str(file), "--format", "csv").csv
    assert next(row["note"] for row in shown if row["key"] == key) == "'=1+1"


@pytest.mark.parametrize(
    "words",
    [
        ["--confirm", "nope", "--by", "甲"],
        ["--confirm", "inclusive"],
        ["--by", "甲"],
        ["--confirm", "inclusive", "--by", ""],
        ["--confirm", "inclusive", "--by", "甲", "--on", "2026-02-29"],
    ],
)
def test_a_confirmation_that_says_too_little_is_refused(tmp_path: Path, words: list[str]) -> None:
    assert refused("policy", "--file", str(tmp_path / "c.toml"), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_faulty_confirmations_file_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[[confirmation]]\nkey = 3\n", encoding="utf-8")
    lines = refused("policy", "--file", str(file), "--confirm", "inclusive", "--by", "甲")
    assert sum("mine.toml" in line for line in lines) == 3
    assert file.read_text(encoding="utf-8") == "[[confirmation]]\nkey = 3\n"


def test_a_confirmation_of_what_is_no_longer_asked_is_mentioned(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[[confirmation]]\nkey = "old/day"\nby = "甲"\non = 2026-01-01\n', encoding="utf-8")
    answered = Answered("policy", "--file", str(file), "--format", "json")
    assert answered.json
    assert "old/day" in answered.err


@pytest.fixture
def invented(tmp_path: Path) -> list[str]:
    """A registry of one article, and a folder with a copy of it."""
    tables, copies = tmp_path / "tables", tmp_path / "copies"
    tables.mkdir()
    copies.mkdir()
    document = DOCUMENT.replace("0" * 64, digest("每户应当把垃圾分为两类。"))
    (tables / "all.toml").write_text(document + PROVISION + DUTY + LADDER, encoding="utf-8")
    (copies / "a.txt").write_text("试验镇垃圾分类规则\n第一条 每户应当把垃圾\n分为两类。\n", encoding="utf-8")
    return ["registry", "verify", "--registry", str(tables), "--sources", str(copies)]


def test_a_registry_is_verified_against_copies(invented: list[str]) -> None:
    answered = Answered(*invented, "--format", "json")
    assert answered.code == 0
    assert answered.json == [{"document": "D1", "article": "1", "outcome": "same", "file": "a.txt"}]


@pytest.mark.parametrize(("text", "outcome"), [("第一条 每户应当分为三类。", "changed"), ("", "missing")])
def test_what_differs_is_found(invented: list[str], text: str, outcome: str) -> None:
    (Path(invented[-1]) / "a.txt").write_text(f"试验镇垃圾分类规则\n{text}\n", encoding="utf-8")
    answered = Answered(*invented, "--format", "csv")
    assert (answered.code, answered.csv[0]["outcome"]) == (1, outcome)
    assert Answered(*invented).code == 1


def test_a_folder_that_is_not_there_is_refused(invented: list[str], tmp_path: Path) -> None:
    assert "nowhere" in refused("registry", "verify", "--sources", str(tmp_path / "nowhere"))[0]
    assert "nowhere" in refused(*invented, "--registry", str(tmp_path / "nowhere"))[0]


def test_every_fault_of_a_registry_is_printed(invented: list[str]) -> None:
    broken = Path(invented[3]) / "all.toml"
    text = broken.read_text(encoding="utf-8").replace('covers = "previous"', "").replace('tone = "last-day"', "")
    broken.write_text(text, encoding="utf-8")
    assert [line for line in refused(*invented) if "rule.calendar.covers" in line]
    assert [line for line in refused(*invented) if "ladder default" in line]


def test_a_year_of_the_calendar_is_shown() -> None:
    year = Answered("calendar", "show", "2026", "--format", "json").json
    assert (year["year"], year["state"]) == (2026, "confirmed")
    assert year["notices"][0]["number"] == "国办发明电〔2025〕7号"
    assert year["working_weekends"] == [
        "2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10",
    ]  # fmt: skip
    assert len(year["off"]) == 33
    assert {"date": "2026-10-01", "name": "国庆节"} in year["off"]


def test_a_day_off_named_by_the_next_year_is_shown_in_its_own() -> None:
    off = Answered("calendar", "show", "2022", "--format", "json").json["off"]
    assert {"date": "2022-12-31", "name": "元旦"} in off


def test_a_year_not_yet_arranged_is_provisional_and_a_table_confirms_it(tmp_path: Path) -> None:
    assert Answered("calendar", "show", "2027", "--format", "json").json["state"] == "provisional"
    extra = tmp_path / "mine.toml"
    extra.write_text(
        '[2027]\nnotice = [{ title = "通知", issued = 2026-11-05 }]\n'
        'holiday = [{ name_zh = "元旦", name_en = "x", first = 2027-01-01, last = 2027-01-03 }]\n',
        encoding="utf-8",
    )
    year = Answered("calendar", "show", "2027", "--calendar", str(extra), "--format", "json").json
    assert year["state"] == "confirmed"
    assert {"date": "2027-01-03", "name": "元旦"} in year["off"]
    known = Answered("calendar", "show", "--calendar", str(extra), "--format", "json").json
    assert [row["year"] for row in known] == list(range(2019, 2028))


@pytest.mark.parametrize("words", [["1989"], ["2111"], ["2026", "--calendar", "nowhere.toml"], ["next"]])
def test_a_year_out_of_reach_or_a_missing_table_is_refused(words: list[str]) -> None:
    assert refused("calendar", "show", *words)


def test_the_calendar_reads_as_a_table() -> None:
    assert "调休上班" in Answered("calendar", "show", "2026").out
    assert "2019" in Answered("calendar", "show").out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_has_help_in_both_languages(command: Any) -> None:
    words = command.words.split()
    above = Answered(*words[:-1], "--help").out
    assert words[-1] in above
    key = f"cli.{'-'.join(words)}"
    own = re.sub(r"\s", "", Answered(*words, "--help").out)
    assert all(re.sub(r"\s", "", catalogue(language)[key]) in own for language in LANGUAGES)


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", Answered("--version").out)


def run(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    command = [sys.executable, "-m", "bot.cli", *words]
    return subprocess.run(command, cwd=folder, env=whole, capture_output=True, check=False)


def test_a_plan_from_an_empty_folder_is_pure_utf8_whatever_the_locale(tmp_path: Path) -> None:
    words = ["plan", "--from", "2026-01-31", "--to", "2026-01-31", "--format", "json"]
    done = run(tmp_path, *words, env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "DUBAN_DATABASE": "nonsense"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("utf-8"))[0]["jurisdiction"] == "昌吉州"
    assert list(tmp_path.iterdir()) == []


def test_bad_input_leaves_stdout_empty(tmp_path: Path) -> None:
    done = run(tmp_path, "explain", "assignment", "--on", "2026-01-01", "--format", "json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--by" in done.stderr.decode("utf-8")


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    script = f"{sys.executable} -m bot.cli coverage --format json | head -c 10; exit ${{PIPESTATUS[0]}}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_lawful_commands_load_no_server_and_no_database() -> None:
    code = (
        "import sys, bot.cli.lawful, bot.cli.explaining\n"
        "sys.exit(' '.join(sys.modules.keys() & {'aiohttp', 'tortoise', 'apscheduler', 'rich.table'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.stderr.decode().strip() == ""
