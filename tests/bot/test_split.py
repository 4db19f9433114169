from hypothesis import given
from hypothesis import strategies as st

from bot.wording.split import split

# Hypothesis would need long to find these by itself: what people see as one, in several code points.
FAMILY, FLAG, ACCENT, KEYCAP = "👨‍👩‍👧", "🏴‍☠️", "e\u0301", "1\ufe0f\u20e3"
texts = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\n\n\n督办 ")), max_size=300
) | st.lists(st.sampled_from([FAMILY, FLAG, ACCENT, "督", "\n", "\n\n", "a"]), max_size=60).map("".join)
limits = st.integers(4, 200)


@given(texts, limits)
def test_no_part_is_longer_than_the_limit(text: str, limit: int) -> None:
    assert all(len(part.encode()) <= limit for part in split(text, limit))


@given(texts, limits)
def test_nothing_is_lost_but_the_breaks_it_was_cut_at(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert "".join(parts).replace("\n", "") == text.replace("\n", "")
    assert all(part in text for part in parts)


@given(texts, limits)
def test_every_part_but_of_nothing_says_something(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert parts == [""] or all(parts) or not text.strip("\n")


@given(texts)
def test_what_fits_is_not_touched(text: str) -> None:
    assert split(text, 10_000) == [text]


@given(st.lists(st.sampled_from([FAMILY, FLAG, ACCENT, "督", "a"]), min_size=1, max_size=40), st.integers(25, 60))
def test_it_never_cuts_inside_what_people_see_as_one(pieces: list[str], limit: int) -> None:
    for part in split("".join(pieces), limit):
        assert not part.startswith(("\u200d", "\ufe0f", "\u0301", "\u20e3"))
        assert not part.endswith("\u200d")


def test_it_cuts_between_items_first() -> None:
    assert split("一二\n三\n\n四五", 13) == ["一二\n三", "四五"]


def test_then_between_lines() -> None:
    assert split("一二\n三四\n五", 13) == ["一二\n三四", "五"]


def test_then_between_characters() -> None:
    assert split("一二三四五", 7) == ["一二", "三四", "五"]


def test_what_follows_a_long_item_joins_its_last_part() -> None:
    assert split("一二三四五\n\n六", 9) == ["一二三", "四五", "六"]


def test_a_picture_longer_than_a_message_is_cut_between_its_code_points() -> None:
    parts = split(FAMILY, 8)
    assert "".join(parts) == FAMILY
    assert all(len(part.encode()) <= 8 for part in parts)


def test_many_marks_on_one_letter_take_no_time() -> None:
    assert len(split("e" + "\u0301" * 50_000, 1000)) > 90
