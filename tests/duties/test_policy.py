"""Confirmations are added to the operator's file, which is never overwritten by a mistake."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from duties.errors import QuestionError, RegistryError
from duties.model import Basis, Force
from duties.policy import Confirmation, questions, read, record
from duties.reading import shipped
from duties.registry import EventRule

REGISTRY = shipped()
DAY = date(2026, 3, 2)


def confirmed(key: str = "inclusive", by: str = "州司法局", note: str = "") -> Confirmation:
    return Confirmation(key=key, by=by, on=DAY, note=note)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "confirmations.toml"


def test_every_policy_and_every_assumed_force_is_asked_once() -> None:
    keys = [question.key for question in questions(REGISTRY)]
    assert len(set(keys)) == len(keys)
    for duty in REGISTRY.duties:
        own = [(duty.rule.basis, duty.rule.force)] if isinstance(duty.rule, EventRule) else []
        grounds = [*own, *((scope.basis, scope.force) for scope in duty.scope)]
        if Basis.POLICY in {basis for basis, _ in grounds}:
            assert any(key.startswith(f"{duty.code}/") for key in keys)
        if Force.ASSUMED in {force for _, force in grounds}:
            assert f"{duty.code}/force" in keys


def test_what_the_registry_already_says_is_confirmed_is_shown() -> None:
    by_key = {question.key: question for question in questions(REGISTRY)}
    assert by_key["pre-meeting-study/force"].confirmed_by
    assert not by_key["study-plan/force"].confirmed_by


def test_without_a_file_nothing_is_confirmed(file: Path) -> None:
    assert read(file) == {}


def test_a_confirmation_is_read_back_as_it_was_given(file: Path) -> None:
    one = confirmed("study-plan/force", by='局 "甲" \\ 乙', note="见复函〔2026〕1号 😀")
    record(file, REGISTRY, one)
    assert read(file) == {"study-plan/force": one}


def test_what_stood_in_the_file_stays_as_it_was(file: Path) -> None:
    file.write_text('# 手写的注释\n[[confirmation]]\nkey = "ladder"\nby = "甲"\non = 2026-01-01', encoding="utf-8")
    before = file.read_text(encoding="utf-8")
    record(file, REGISTRY, confirmed())
    assert file.read_text(encoding="utf-8").startswith(before)
    assert list(read(file)) == ["ladder", "inclusive"]


def test_of_two_confirmations_the_later_one_holds_and_both_stay(file: Path) -> None:
    record(file, REGISTRY, confirmed(by="甲"))
    record(file, REGISTRY, confirmed(by="乙"))
    assert read(file)["inclusive"].by == "乙"
    assert file.read_text(encoding="utf-8").count("[[confirmation]]") == 2


def test_an_unknown_question_is_refused_before_anything_is_written(file: Path) -> None:
    with pytest.raises(QuestionError, match="nope"):
        record(file, REGISTRY, confirmed("nope"))
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[confirmation]", "confirmations.toml: "),
        ('[[confirmation]]\nkey = "ladder"\nby = ""\non = 2026-01-01', "#1: by"),
        ('[[confirmation]]\nkey = "ladder"\nby = "甲"\non = "gestern"', "#1: on"),
        ('[[confirmation]]\nkey = "ladder"\nby = "甲"\non = 2026-01-01\ncolour = 1', "#1: colour"),
        ('colour = 1\n[[confirmation]]\nby = "甲"\non = 2026-01-01', "colour is not confirmation"),
        ("confirmation = 3", "expected"),
        ('"', "confirmations.toml"),
    ],
)
def test_a_faulty_file_is_named_and_left_alone(file: Path, text: str, fault: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RegistryError) as caught:
        record(file, REGISTRY, confirmed())
    assert any(fault in found for found in caught.value.faults)
    assert file.read_text(encoding="utf-8") == text


def test_bytes_that_are_no_text_and_a_folder_are_faults(file: Path) -> None:
    for path in (file, file.parent):
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(RegistryError, match="readable"):
            read(path)


def test_a_folder_that_is_not_there_is_a_fault_and_leaves_no_draft(file: Path) -> None:
    with pytest.raises(RegistryError, match="No such file"):
        record(file.parent / "none" / "c.toml", REGISTRY, confirmed())
    assert list(file.parent.iterdir()) == []


def test_a_link_is_written_through(file: Path) -> None:
    link = file.parent / "link.toml"
    link.symlink_to(file)
    record(link, REGISTRY, confirmed())
    assert link.is_symlink()
    assert read(file) == read(link) != {}


@pytest.mark.parametrize("text", ["", " ", "a\x1b[2J", "\udcff", "x" * 501, "a\u200bb"])
def test_a_name_must_be_a_printable_line(text: str) -> None:
    with pytest.raises(ValidationError):
        confirmed(by=text)


def test_white_space_becomes_one_space() -> None:
    assert confirmed(by=" 州\n司法局\u3000甲 ").by == "州 司法局 甲"
