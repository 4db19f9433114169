from contextlib import suppress
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters.feishu_frame
from adapters.base import MalformedError
from adapters.feishu_frame import DATA, Frame, Parts, decode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FRAMES = st.builds(
    Frame,
    seq_id=st.integers(0, 2**64 - 1),
    log_id=st.integers(0, 2**64 - 1),
    service=st.integers(-(2**31), 2**31 - 1),
    method=st.integers(-(2**31), 2**31 - 1),
    headers=st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(tuple),
    payload_encoding=TEXTS,
    payload_type=TEXTS,
    payload=st.binary(max_size=300),
    log_id_new=TEXTS,
)


@given(FRAMES)
def test_what_is_written_is_read(frame: Frame) -> None:
    assert decode(frame.encoded()) == frame


@given(st.binary(max_size=200))
def test_noise_is_malformed_or_a_frame(data: bytes) -> None:
    with suppress(MalformedError):
        assert decode(decode(data).encoded()) == decode(data)


@given(FRAMES, st.integers(0, 400))
def test_a_frame_cut_off_is_malformed_or_a_frame(frame: Frame, length: int) -> None:
    with suppress(MalformedError):
        decode(frame.encoded()[:length])


def test_the_bytes_are_those_of_the_protocol() -> None:
    frame = Frame(1, 300, 33, DATA, (("type", "event"),), payload=b"{}")
    assert frame.encoded().hex() == "080110ac021821200" + "12a0d0a04747970651205" + b"event".hex() + "42027b7d"


def test_unknown_fields_are_skipped() -> None:
    known = Frame(1, 2, 3, 1).encoded()
    for unknown in ("5005", "5103030303030303030", "52026869", "550102030", "ffffffff0f01"):
        data = bytes.fromhex(unknown if len(unknown) % 2 == 0 else unknown + "0")
        with suppress(MalformedError):
            assert decode(known + data) == Frame(1, 2, 3, 1)
    assert decode(known + bytes.fromhex("5005")) == Frame(1, 2, 3, 1)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0801",
        "08",
        "0880808080808080808080808001",
        "080110021803200142ff",
        "0801100218032001428080808080808080808001",
        "0a0131100218032001",
        "08011002180320012a020a00",
        "08011002180320012a0408010802",
        "0801100218032001320180",
        "080110021803200140014301",
        "0001",
    ],
)
def test_what_is_no_frame_is_malformed(data: str) -> None:
    with pytest.raises(MalformedError):
        decode(bytes.fromhex(data))


def part(number: int, count: int, payload: bytes, name: str = "m1") -> Frame:
    headers = (("message_id", name), ("sum", str(count)), ("seq", str(number)))
    return Frame(method=DATA, headers=headers, payload=payload)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_parts_are_joined_in_their_order_whatever_order_they_came_in(order: tuple[int, ...]) -> None:
    parts, pieces = Parts(), (b"one", b"", b"three")
    *before, last = [parts.whole(part(number, 3, pieces[number])) for number in order]
    assert (before, last) == ([None, None], b"onethree")


def test_a_part_delivered_twice_counts_once() -> None:
    parts = Parts()
    assert [parts.whole(part(0, 2, b"a")), parts.whole(part(0, 2, b"a")), parts.whole(part(1, 2, b"b"))] == [
        None,
        None,
        b"ab",
    ]


def test_two_messages_do_not_mix() -> None:
    parts = Parts()
    assert parts.whole(part(0, 2, b"a", "m1")) is parts.whole(part(0, 2, b"x", "m2")) is None
    assert (parts.whole(part(1, 2, b"y", "m2")), parts.whole(part(1, 2, b"b", "m1"))) == (b"xy", b"ab")


@pytest.mark.parametrize(("number", "count"), [(2, 2), (-1, 2), (0, 100_000)])
def test_an_impossible_part_is_malformed(number: int, count: int) -> None:
    with pytest.raises(MalformedError):
        Parts().whole(part(number, count, b"a"))


def test_parts_that_disagree_are_malformed() -> None:
    parts = Parts()
    parts.whole(part(0, 2, b"a"))
    with pytest.raises(MalformedError):
        parts.whole(part(1, 3, b"b"))
    with pytest.raises(MalformedError):
        parts.whole(Frame(headers=(("sum", "two"),)))


def test_what_stays_incomplete_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts()
    for number in range(1000):
        parts.whole(part(0, 2, b"a", f"m{number}"))
    assert len(parts._pending) == adapters.feishu_frame.MOST_MESSAGES
    monkeypatch.setattr(adapters.feishu_frame, "PARTS_KEPT", -1.0)
    assert parts.whole(part(1, 2, b"b", "m999")) is None
