"""What an answer shows of what a duty wants, and what is lacking still."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duties.evidence import Kept, added, completed_on, lacking
from duties.model import Evidence, Exemption
from duties.registry import EvidenceSlot

TODAY = date(2026, 1, 20)
NUMBER, LINK = "甲〔2026〕1号", "https://cj.gov.cn/a"
UNNUMBERED, SECRET = Exemption("number", "无文号"), Exemption("link", "免公开：秘密")
NOT_APPLICABLE = Exemption("all", "不适用：无")


def slot(name: str, *needs: str) -> EvidenceSlot:
    return EvidenceSlot.model_validate({"slot": name, "title": name, "title_en": name, "needs": needs})


FILED, PUBLISHED = slot("filed", "number", "date"), slot("published", "link", "date")
RECORD, PHOTOS = slot("record", "date", "note"), slot("photos")
REPORT = (FILED, PUBLISHED)


def after(slots: tuple[EvidenceSlot, ...], *answers: Evidence) -> list[Kept]:
    kept: list[Kept] = []
    for answer in answers:
        kept = [*added(slots, kept, answer, TODAY)]
    return kept


def wanted(slots: tuple[EvidenceSlot, ...], *answers: Evidence) -> dict[str, tuple[str, ...]]:
    return {lack.slot.slot: lack.needs for lack in lacking(slots, after(slots, *answers))}


@pytest.mark.parametrize(
    ("slots", "answer", "still"),
    [
        (REPORT, Evidence(), {"filed": ("number",), "published": ("link",)}),
        (REPORT, Evidence(number=NUMBER), {"published": ("link",)}),
        (REPORT, Evidence(link=LINK), {"filed": ("number",)}),
        (REPORT, Evidence(number=NUMBER, link=LINK), {}),
        (REPORT, Evidence(done_on=TODAY), {"filed": ("number",), "published": ("link",)}),
        (REPORT, Evidence(note="已报送"), {"filed": ("number",), "published": ("link",)}),
        (REPORT, Evidence(empty=True), {}),
        (REPORT, Evidence(number=NUMBER, exempt=(SECRET,)), {}),
        (REPORT, Evidence(number=NUMBER, exempt=(UNNUMBERED,)), {"published": ("link",)}),
        (REPORT, Evidence(exempt=(NOT_APPLICABLE,)), {}),
        (REPORT, Evidence(exempt=(UNNUMBERED,)), {"published": ("link",)}),
        (REPORT, Evidence(exempt=(UNNUMBERED, SECRET)), {}),
        (REPORT, Evidence(exempt=(SECRET, NOT_APPLICABLE)), {}),
        (REPORT, Evidence(exempt=(SECRET, SECRET)), {"filed": ("number",)}),
        ((RECORD,), Evidence(done_on=TODAY), {}),
        ((RECORD,), Evidence(number=NUMBER), {}),
        ((RECORD,), Evidence(note="抽查12件"), {}),
        ((RECORD,), Evidence(), {"record": ("date", "note")}),
        ((PHOTOS,), Evidence(), {"photos": ("note",)}),
        ((PHOTOS,), Evidence(note="见附件"), {}),
        ((FILED, RECORD), Evidence(number=NUMBER), {"record": ("date", "note")}),
        ((FILED, RECORD), Evidence(number=NUMBER, note="12人参加"), {}),
        ((FILED, RECORD), Evidence(number=NUMBER, done_on=TODAY), {"record": ("date", "note")}),
        ((FILED, PHOTOS), Evidence(number=NUMBER, done_on=TODAY), {"photos": ("note",)}),
    ],
)  # fmt: skip
def test_a_slot_is_filled_by_the_parts_it_wants(
    slots: tuple[EvidenceSlot, ...], answer: Evidence, still: dict[str, tuple[str, ...]]
) -> None:
    assert wanted(slots, answer) == still


def test_what_was_shown_stays_when_more_is_shown() -> None:
    kept = after(REPORT, Evidence(number=NUMBER, done_on=TODAY), Evidence(link=LINK, note="门户网站"))
    assert kept == [
        {"slot": "filed", "number": NUMBER, "date": "2026-01-20", "shown": "2026-01-20"},
        {"slot": "published", "link": LINK, "note": "门户网站", "shown": "2026-01-20"},
    ]


def test_what_is_complete_may_be_shown_anew() -> None:
    kept = after(REPORT, Evidence(number=NUMBER, link=LINK), Evidence(link="https://cj.gov.cn/b", done_on=TODAY))
    assert [(one.get("number"), one.get("link"), one.get("date")) for one in kept] == [
        (NUMBER, None, None), (None, "https://cj.gov.cn/b", "2026-01-20"),
    ]  # fmt: skip


def test_what_was_shown_may_be_corrected_while_something_else_is_lacking() -> None:
    kept = after(REPORT, Evidence(number="昌市城管〔2026〕4号"), Evidence(number=NUMBER))
    assert kept == [{"slot": "filed", "number": NUMBER, "shown": "2026-01-20"}]


def test_a_document_that_is_there_after_all_needs_no_excuse() -> None:
    kept = after(REPORT, Evidence(exempt=(UNNUMBERED,)), Evidence(number=NUMBER))
    assert kept == [{"slot": "filed", "number": NUMBER, "shown": "2026-01-20"}]


def test_a_reason_that_excuses_nothing_is_kept_as_words() -> None:
    (kept,) = after((FILED,), Evidence(number=NUMBER, note="已存档", exempt=(SECRET,)))
    assert kept["note"] == "已存档 免公开：秘密"


def test_each_slot_keeps_its_own_reason_and_several_of_one_slot_stand_together() -> None:
    kept = after(REPORT, Evidence(exempt=(NOT_APPLICABLE, SECRET)))
    assert [one["exempt"] for one in kept] == ["不适用：无", "免公开：秘密"]
    (both,) = after((slot("both", "number", "link"),), Evidence(exempt=(UNNUMBERED, SECRET)))
    assert both["exempt"] == "无文号；免公开：秘密"


def test_of_two_reasons_the_one_that_excuses_nothing_is_kept_as_words() -> None:
    filed, _ = after((FILED, PHOTOS), Evidence(exempt=(UNNUMBERED, SECRET)), Evidence(note="见附件"))
    assert (filed["exempt"], filed.get("note")) == ("无文号", None)
    (empty,) = after(REPORT, Evidence(empty=True, exempt=(UNNUMBERED, SECRET)))
    assert empty["note"] == "无文号 免公开：秘密"


def test_without_slots_the_last_answer_is_kept() -> None:
    (kept,) = after((), Evidence(number=NUMBER), Evidence(note="补"), Evidence())
    assert kept == {"note": "补", "shown": "2026-01-20"}


DAYS = st.one_of(st.none(), st.integers(-40, 0).map(lambda days: TODAY + timedelta(days)))
ANSWERS = st.lists(
    st.tuples(
        st.builds(
            Evidence, number=st.sampled_from(["", NUMBER]), done_on=DAYS, link=st.sampled_from(["", LINK]),
            note=st.sampled_from(["", "说明"]),
        ),
        st.integers(0, 30),
    ),
    max_size=6,
)  # fmt: skip
SLOTS = st.lists(st.sampled_from([FILED, PUBLISHED, RECORD, PHOTOS]), min_size=1, unique_by=lambda one: one.slot)


@given(SLOTS.map(tuple), ANSWERS)
def test_it_is_complete_on_the_last_day_any_of_it_was_done(
    slots: tuple[EvidenceSlot, ...], answers: list[tuple[Evidence, int]]
) -> None:
    kept: list[Kept] = []
    today = TODAY
    for answer, later in answers:
        today += timedelta(days=later)
        before = {lack.slot.slot for lack in lacking(slots, kept)}
        kept = [*added(slots, kept, answer, today)]
        assert {lack.slot.slot for lack in lacking(slots, kept)} <= before
    if not lacking(slots, kept):
        named = [date.fromisoformat(one.get("date") or one["shown"]) for one in kept]
        assert completed_on(kept, today) == max(named) <= today


@given(SLOTS.map(tuple), st.permutations([Evidence(number=NUMBER), Evidence(link=LINK), Evidence(note="说明")]))
def test_the_order_of_answers_does_not_matter(slots: tuple[EvidenceSlot, ...], answers: list[Evidence]) -> None:
    assert not wanted(slots, *answers)
