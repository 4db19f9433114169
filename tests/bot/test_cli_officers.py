"""`duban officers`: a list and hours from files, shown before they are applied, whole or not at all."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import structlog

from tests.bot.test_cli_lawful import Answered, refused
from tests.bot.test_cli_running import ROSTER

LIST = "单位,姓名,执法证号,起\n某县水利局,张三,C1,\nwater,李四,C2,\n"
TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date()
HOURS = f"单位,姓名,执法证号,日期,内容,学时\nwater,张三,,{TODAY},刑法,4\nwater,,C2,{TODAY},刑法,2.5\n"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation with the small roster, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DUBAN_")]:
        monkeypatch.delenv(name)
    Path("roster.toml").write_text(ROSTER, encoding="utf-8")
    Path("officers.csv").write_text(LIST, encoding="gb18030")
    Path("hours.csv").write_text(HOURS, encoding="utf-8")
    assert Answered("units", "import", "roster.toml", "--apply").code == 0
    yield
    structlog.reset_defaults()


def test_a_list_is_shown_and_then_applied_once() -> None:
    before = Path("duban.db").read_bytes()
    preview = Answered("officers", "import", "officers.csv", "--format", "json").json
    assert [(row["change"], row["code"], row["name"]) for row in preview] == [
        ("officer_added", "water", "张三"), ("officer_added", "water", "李四"),
    ]  # fmt: skip
    assert preview[0]["facts"] == ["name: 张三", "certificate: C1", "span: ../.."]
    assert Path("duban.db").read_bytes() == before
    assert Answered("officers", "import", "officers.csv", "--apply", "--format", "json").json == preview
    assert Answered("officers", "import", "officers.csv", "--apply", "--format", "json").json == []
    assert "新列入" not in Answered("officers", "import", "officers.csv").out
    assert Answered("ledger", "verify").code == 0


def test_the_next_list_moves_ends_and_renews() -> None:
    Answered("officers", "import", "officers.csv", "--apply")
    Path("next.csv").write_text("unit,name,certificate\ngov,张三,C1\nwater,李四,C8\n", encoding="utf-8")
    rows = Answered("officers", "import", "next.csv", "--apply", "--format", "json").json
    assert [(row["change"], row["code"], row["facts"][0]) for row in rows] == [
        ("officer_moved", "gov", "unit: 某县水利局 → 某县人民政府"),
        ("officer_changed", "water", "certificate: C2 → C8"),
    ]
    assert Answered("officers", "import", "next.csv", "--apply", "--format", "json").json == []
    assert Answered("ledger", "verify").code == 0


def test_hours_of_a_file_are_shown_and_then_recorded_once() -> None:
    Answered("officers", "import", "officers.csv", "--apply")
    preview = Answered("officers", "hours", "hours.csv", "--format", "json").json
    assert [(row["unit"], row["name"], row["certificate"], row["hours"]) for row in preview] == [
        ("某县水利局", "张三", "C1", "4"), ("某县水利局", "李四", "C2", "2.5"),
    ]  # fmt: skip
    applied = Answered("officers", "hours", "hours.csv", "--apply")
    assert (applied.code, "2 records" in applied.err) == (0, True)
    assert Answered("officers", "hours", "hours.csv", "--apply", "--format", "json").json == []
    assert Answered("ledger", "verify").code == 0


def test_a_file_with_faults_changes_nothing_and_tells_them_all() -> None:
    Path("bad.csv").write_text("单位,姓名,执法证号,止\n环保局,甲,X1,\nwater,,X2,2026-02-30\n", encoding="utf-8")
    lines = refused("officers", "import", "bad.csv", "--apply")
    told = "\n".join(lines[2:])
    assert [
        words for words in ("row 2: unit: 环保局", "row 3: name", "row 3: to", "2026-02-30") if words not in told
    ] == []
    Path("none.csv").write_text(HOURS.replace("张三", "甲").replace("2.5", "0"), encoding="utf-8")
    told = "\n".join(refused("officers", "hours", "none.csv", "--apply"))
    assert [words for words in ("row 2: name: 甲 is no officer", "row 3: hours") if words not in told] == []
    assert Answered("officers", "import", "officers.csv", "--format", "json").json != []
    assert "gone.csv" in refused("officers", "import", "gone.csv")[-1]
