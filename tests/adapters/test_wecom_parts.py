"""What WeCom's three modes share."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.base import Button, ConfigurationError, Outgoing, RecipientError, RetryError
from adapters.wecom_parts import (
    Fault,
    Pace,
    button_card,
    fits_card,
    key_of,
    marked,
    member,
    outcome,
    plain,
    public,
    refusal,
    succeeded,
    task_id,
    usable,
)
from tests.adapters.doubles.wecom import card_fault

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.text(max_size=300)
BUTTONS = [Button("签收", "acknowledge:42")]


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("address", ["@all", "all", "ALL", "a|b", "", "-x", "x" * 65, "张三", "a b", "<@x>"])
def test_nobody_but_one_member_is_a_member(address: str) -> None:
    with pytest.raises(RecipientError):
        member(address)


@pytest.mark.parametrize("address", ["zhangsan", "Zhang.San_1-2@dept", "13800000000"])
def test_a_userid_is_a_member(address: str) -> None:
    assert member(address) == address


@RELAXED
@given(WORDS)
def test_harmless_text_is_as_long_as_before_and_mentions_nobody(text: str) -> None:
    assert "<@" not in plain(text)
    assert "<a" not in plain(text).lower()
    assert len(plain(text).encode()) == len(text.encode())


@RELAXED
@given(WORDS)
def test_no_markup_survives_in_markdown(text: str) -> None:
    assert not set("<>[]*`") & set(marked(text))
    assert not any(line.startswith(("# ", "## ")) for line in marked(text).split("\n"))


def test_the_text_of_a_reminder_stays_as_it_is() -> None:
    text = "督办提醒\n1. 年度报告 #42，2027年1月31日前（不足<10天）"
    assert plain(text) == text
    assert marked(text) == text.replace("<", "＜")


@RELAXED
@given(st.text(min_size=1, max_size=200), st.lists(st.builds(Button, WORDS, WORDS, WORDS), max_size=9))
def test_every_card_is_one_the_platform_takes(text: str, buttons: list[Button]) -> None:
    message = Outgoing("7-1", "zhangsan", text, tuple(buttons))
    pressable = usable(message.buttons)
    card = button_card(task_id("wecom", message), text, pressable)
    if pressable and text.strip():
        assert card_fault(card) == ""


def test_a_button_that_does_not_fit_is_left_out() -> None:
    buttons = [Button("a", "x" * 1025), Button("b", "y"), Button("c", "y"), Button("", "z"), Button("d", "")]
    assert [button.label for button in usable(buttons)] == ["b"]


def test_a_card_carries_six_buttons() -> None:
    assert len(usable([Button("a", str(number)) for number in range(9)])) == 6


def test_styles_become_numbers() -> None:
    buttons = [Button("a", "1", "primary"), Button("b", "2", "danger"), Button("c", "3"), Button("d", "4", "odd")]
    assert [button["style"] for button in button_card("t", "x", buttons)["button_list"]] == [1, 3, 2, 2]


def test_a_task_id_leads_back_to_the_key_and_differs_with_the_text() -> None:
    one, other = Outgoing("42-2", "zhangsan", "a"), Outgoing("42-2", "zhangsan", "b")
    assert key_of(task_id("wecom", one)) == "42-2"
    assert task_id("wecom", one) == task_id("wecom", one) != task_id("wecom", other)


def test_a_key_of_other_signs_still_makes_a_valid_task_id() -> None:
    task = task_id("wecom", Outgoing("键 1@x", "zhangsan", "a"))
    assert (key_of(task), len(task) <= 128) == ("", True)


def test_a_foreign_task_id_has_no_key() -> None:
    assert key_of("somebody-elses-card") == ""


def test_a_short_text_fits_a_card_and_a_long_one_does_not() -> None:
    assert fits_card("标题\n" + "字" * 112)
    assert not fits_card("标题\n" + "字" * 113)
    assert not fits_card("题" * 27)


def test_a_card_that_cannot_hold_everything_leaves_out_the_details_and_keeps_the_end() -> None:
    items = "\n\n".join(f"{number}. 年度报告 #{number}\n   截止 2026年1月31日\n   {'依据' * 9}" for number in (1, 2, 3))
    card = button_card("t", f"【提醒】3 项\n\n{items}\n\n点按钮\n\n1. 已签收\n3. 已签收", BUTTONS)
    assert card["sub_title_text"] == "1. 年度报告 #1\n2. 年度报告 #2\n3. 年度报告 #3\n点按钮\n1. 已签收\n3. 已签收"


@pytest.mark.parametrize(
    ("last", "shown"), [(90, "名" * 20 + "…\n" + "末" * 90), (105, "末" * 105), (113, "末" * 111 + "…")]
)
def test_the_end_of_a_long_text_is_worth_more_than_its_beginning(last: int, shown: str) -> None:
    card = button_card("t", f"【提醒】\n{'名' * 99}\n\n{'末' * last}", BUTTONS)
    assert card["sub_title_text"] == shown


def test_what_became_of_it_is_the_last_paragraph_in_one_line() -> None:
    assert outcome("【提醒】\n\n1. 年度报告\n\n1. 已报结\n2. 已签收\n") == "1. 已报结 2. 已签收"
    assert outcome("已报结") == "已报结"


def test_half_a_character_is_sent_as_a_question_mark() -> None:
    message = Outgoing("42", "zhangsan", "前\ud83d后")
    assert plain(message.text) == marked(message.text) == "前?后"
    assert key_of(task_id("wecom", message)) == "42"


def test_the_platforms_words_are_cut_before_hint_address_and_credential() -> None:
    assert public("invalid secret AbcdefghijklmnopqrstuvwxyZ012345, hint: [1], from ip: 1.2.3.4") == "invalid secret …"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.BUSY, RetryError),
        (Fault.LIMITED, RetryError),
        (Fault.TOKEN, RetryError),
        (Fault.RECIPIENT, RecipientError),
        (Fault.CONFIGURATION, ConfigurationError),
    ],
)
def test_a_fault_says_what_to_do(fault: Fault, kind: type[Exception]) -> None:
    assert isinstance(refusal(1, "x", {1: fault}), kind)


def test_a_frequency_fault_waits_a_minute() -> None:
    error = refusal(45009, "api freq out of limit", {45009: Fault.LIMITED})
    assert isinstance(error, RetryError)
    assert error.after == 60


def test_an_undocumented_code_may_pass() -> None:
    assert isinstance(refusal(123456, "", {}), RetryError)


@pytest.mark.parametrize(("data", "status"), [({}, 200), ({"errcode": "0"}, 200), ({"errcode": 0}, 404)])
def test_success_needs_both_status_and_code(data: dict[str, object], status: int) -> None:
    with pytest.raises(RetryError):
        succeeded(data, status, {})


def test_the_thirty_first_message_of_a_minute_waits() -> None:
    clock = Seconds()
    pace = Pace(clock)
    for second in range(30):
        clock.now = float(second)
        pace.take("zhangsan")
    with pytest.raises(RetryError) as waiting:
        pace.take("zhangsan")
    assert waiting.value.after == 31
    pace.take("lisi")
    clock.now = 60.5
    pace.take("zhangsan")


def test_the_thousand_and_first_message_of_an_hour_waits() -> None:
    clock = Seconds()
    pace = Pace(clock)
    for number in range(500):
        clock.now = number * 6.0
        pace.take("zhangsan", 2)
    clock.now += 61
    with pytest.raises(RetryError):
        pace.take("zhangsan", 2)
    clock.now = 3601
    pace.take("zhangsan", 2)
