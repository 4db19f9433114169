"""The shipped tables are whole, and a broken registry is told every fault at once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from duties.errors import QuestionError, RegistryError
from duties.model import Status
from duties.reading import load, provisions_of, shipped
from duties.registry import EventRule

REGISTRY = shipped()

DOCUMENT = """
[[document]]
key = "D1"
title = "试验镇垃圾分类规则"
title_en = "Invented"
short = "规则"
number = "无"
issuer = "试验镇"
rank = "county-document"
issued = 2020-01-01
in_force_from = 2020-01-01
jurisdiction = "试验镇"
marker = "试验镇垃圾分类规则"

[document.articles]
"1" = "0000000000000000000000000000000000000000000000000000000000000000"
"""

PROVISION = """
[[provision]]
no = 1
document = "D1"
article = "1"
locator = "第一条"
title = "分两类"
status = "duty"
carried_by = ["sorting"]
"""

DUTY = """
[[duty]]
code = "sorting"
title = "分类报告"
title_en = "Report on sorting"

[duty.rule]
kind = "calendar"
rrule = "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31"
period = "year"
covers = "previous"

[[duty.scope]]
jurisdiction = "试验镇"
tags = ["township"]
provisions = [1]
basis = "text"
force = "settled"
in_force_from = 2020-01-01
"""

EVENT = """
[[duty]]
code = "complaint"
title = "投诉答复"
title_en = "Reply to a complaint"

[duty.rule]
kind = "event"
event = "收到投诉"
event_en = "Complaint received"
length = 15
provisions = []
jurisdiction = "试验镇"
"""

LADDER = """
[[ladder]]
code = "default"

[[ladder.rung]]
code = "T0"
base = "due"
offset = 0
audience = ["officer"]
tone = "last-day"
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """A registry's folder: one file for each kind of table."""

    path: Path

    def write(self, **tables: str) -> None:
        whole = {"documents": DOCUMENT, "provisions": PROVISION, "ladders": LADDER, "duties/a": DUTY, **tables}
        (self.path / "duties").mkdir(exist_ok=True)
        for name, text in whole.items():
            (self.path / f"{name}.toml").write_text(text, encoding="utf-8")

    def faults(self, **tables: str) -> tuple[str, ...]:
        self.write(**tables)
        with pytest.raises(RegistryError) as caught:
            load(self.path)
        return caught.value.faults

    def duty_faults(self, change: Callable[[str], str]) -> tuple[str, ...]:
        return self.faults(**{"duties/a": change(DUTY)})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_shipped_registry_covers_every_provision() -> None:
    assert sorted(REGISTRY.provisions) == list(range(1, 290))
    assert {provision.status for provision in REGISTRY.provisions.values()} == set(Status)


def test_every_provision_is_carried_or_says_why_not() -> None:
    for provision in REGISTRY.provisions.values():
        assert provision.carried_by or provision.reason, provision.no
        assert set(provision.carried_by) <= REGISTRY.by_code.keys()
        if provision.status in (Status.DUTY, Status.CHECKLIST, Status.EVENT):
            assert provision.carried_by, provision.no


def test_every_duty_is_named_by_the_provisions_it_rests_on() -> None:
    for duty in REGISTRY.duties:
        for no in provisions_of(duty):
            assert duty.code in REGISTRY.provisions[no].carried_by


def test_a_provision_is_cited_with_its_document() -> None:
    citations = REGISTRY.citations(REGISTRY.duty("enforcement-annual-report"))
    assert citations[0] == "《昌吉回族自治州依法行政办法》第三十五条第一款"
    assert len(REGISTRY.citations(REGISTRY.duty("law-government-report-government"), "昌吉州")) == 1
    assert len(REGISTRY.citations(REGISTRY.duty("opinion-letter-rectification"))) == 2


def test_an_unknown_code_is_named() -> None:
    with pytest.raises(QuestionError, match="'nope'"):
        REGISTRY.duty("nope")


def test_every_event_says_how_long_or_who_names_the_day() -> None:
    for duty in REGISTRY.duties:
        if isinstance(duty.rule, EventRule):
            assert duty.rule.length or duty.rule.named_day == "required"


def test_a_small_registry_is_sound(folder: Folder) -> None:
    folder.write(**{"duties/b": EVENT})
    assert list(load(folder.path).by_code) == ["sorting", "complaint"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('title = "分类报告"', "", "a.toml: duty sorting: title: Field required"),
        ('title = "分类报告"', 'title = ""', "a.toml: duty sorting: title: String should have at least 1"),
        ('code = "sorting"', 'code = "Sorting!"', "a.toml: duty Sorting!: code: String should match pattern"),
        ('tags = ["township"]', 'tags = ["village"]', "a.toml: duty sorting: scope.0.tags.0"),
        ('tags = ["township"]', "tags = []", "a.toml: duty sorting: scope.0.tags: Tuple should have at least 1"),
        ('basis = "text"', 'basis = "hearsay"', "a.toml: duty sorting: scope.0.basis: Input should be 'text'"),
        ("in_force_from = 2020-01-01", 'in_force_from = "soon"', "a.toml: duty sorting: scope.0.in_force_from"),
        ("[duty.rule]", 'colour = "red"\n[duty.rule]', "a.toml: duty sorting: colour: Extra inputs"),
        ('kind = "calendar"', 'kind = "lunar"', "a.toml: duty sorting: rule: Input tag 'lunar'"),
        ('covers = "previous"', "", "a.toml: duty sorting: rule.calendar.covers: Field required"),
        ("BYMONTH=1;BYMONTHDAY=31", "BYMONTH=2;BYMONTHDAY=30", "duty sorting: rule.rrule: the rule never fires"),
        ("FREQ=YEARLY;", "FREQ=HOURLY;", "duty sorting: rule.rrule: FREQ=HOURLY is not one of"),
        ("FREQ=YEARLY;", "FREQ=YEARLY;INTERVAL=0;", "duty sorting: rule.rrule: INTERVAL=0"),
        ("provisions = [1]", "provisions = [1, 7]", "duty sorting: provisions: 7 does not exist"),
        ('basis = "text"', 'basis = "policy"', "duty sorting: question: expected"),
        ("[duty.rule]", 'ladder = "rope"\n[duty.rule]', "duty sorting: ladder: 'rope' does not exist"),
        ("[duty.rule]", 'after = ["burning"]\n[duty.rule]', "duty sorting: after: no duty has the code 'burning'"),
        ("in_force_from = 2020-01-01", "in_force_from = 2020-01-01\nin_force_to = 2019-01-01", "in_force_to: is"),
        ("[[duty.scope]]", "[[duty.somewhere]]", "a.toml: duty sorting: somewhere: Extra inputs"),
        ("[[duty]]", "[[obligation]]", "a.toml: obligation is not one of document, provision, duty"),
        ("[[duty]]", "[[duty]", "a.toml: "),
    ],
)  # fmt: skip
def test_a_fault_names_file_duty_and_field(folder: Folder, old: str, new: str, fault: str) -> None:
    assert any(fault in found for found in folder.duty_faults(lambda text: text.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"duties/b": DUTY}, "b.toml: duty sorting: code is there twice"),
        ({"more": PROVISION}, "provisions.toml: provision 1: no is there twice"),
        ({"documents": ""}, "provision 1: document: 'D1' does not exist"),
        ({"documents": DOCUMENT.replace('"1" =', '"2" =')}, "provision 1: article: '1' is not among the articles"),
        ({"provisions": PROVISION.replace('["sorting"]', '["burning"]')}, "no duty has the code 'burning'"),
        ({"provisions": PROVISION.replace('["sorting"]', "[]")}, "provision 1: reason: expected"),
        ({"provisions": PROVISION.replace('"duty"', '"past"')}, "provision 1: reason: expected where it is past"),
        ({"provisions": PROVISION.replace('"duty"', '"odd"')}, "provisions.toml: provision 1: status: Input should"),
        ({"duties/b": EVENT.replace("length = 15", "")}, "duty complaint: rule.length: expected"),
        ({"duties/b": EVENT + DUTY[DUTY.index("[[duty.scope]]") :]}, "duty complaint: scope: an event has none"),
        ({"duties/a": DUTY[: DUTY.index("[[duty.scope]]")]}, "duty sorting: scope: expected at least one"),
        ({"duties/a": DUTY + DUTY[DUTY.index("[[duty.scope]]") :]}, "scope: jurisdiction 试验镇 is there twice"),
    ],
)
def test_tables_are_checked_against_one_another(folder: Folder, tables: dict[str, str], fault: str) -> None:
    assert any(fault in found for found in folder.faults(**tables))


def test_all_faults_of_all_files_are_told_at_once(folder: Folder) -> None:
    faults = folder.faults(
        documents=DOCUMENT.replace('number = "无"', "numero = 3"),
        provisions=PROVISION.replace('title = "分两类"', ""),
        **{
            "duties/a": DUTY.replace("BYMONTH=1;BYMONTHDAY=31", "BYMONTH=2;BYMONTHDAY=30"),
            "duties/b": EVENT.replace("length = 15", 'length = "long"\nunit = "moons"'),
            "duties/c": "not toml",
        },
    )
    expected = ("documents.toml", "provision 1: title", "never fires", "rule.event.length", "rule.event.unit", "c.toml")
    assert [part for part in expected if not any(part in fault for fault in faults)] == []
    assert sum("documents.toml: document D1" in fault for fault in faults) == 2


def test_a_file_that_is_no_text_is_a_fault(folder: Folder) -> None:
    folder.write()
    (folder.path / "noise.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RegistryError, match=r"noise\.toml"):
        load(folder.path)
