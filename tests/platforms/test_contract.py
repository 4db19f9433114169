"""What any adapter must keep, told by its double. A platform joins by a line in `tests/platforms/table.py`."""

import inspect
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pytest

from adapters.base import (
    Adapter,
    AdapterError,
    Button,
    Checker,
    ConfigurationError,
    MalformedError,
    Outgoing,
    Receiver,
    RecipientError,
    RetryError,
    UnverifiedError,
    Updater,
)
from adapters.memory import MemoryAdapter
from adapters.table import PLATFORMS
from adapters.webchat import WebchatAdapter
from tests.platforms.far_end import FarEnd, Fault, remembering
from tests.platforms.table import FAR_ENDS

NOON = datetime(2026, 1, 5, 4, tzinfo=UTC)
BUILT_IN: dict[str, Callable[[], Adapter]] = {
    "memory": MemoryAdapter,
    "webchat": lambda: WebchatAdapter("webchat", lambda: NOON),
}
TEXTS = (
    "提醒", "a", "😀 👨‍👩‍👧", "'; DROP TABLE notice; --", "{{ 7 * 7 }} %s {0}", "\u202e逆", "<b>粗</b> [x](http://evil.example)",
    "\x00\x07\x1b[31m", "\ud83d", "]]></Content><x>", "| a | b |\n|---|---|\n# 标题\n> 引用\n```\n",
)  # fmt: skip
CALLS = (
    "@all", "@所有人", "@channel", "@here", "<!channel>", "<!everyone>", "<!here|x>", "@room", "<@all>",
    '<at user_id="all">所有人</at>', "<at id=all></at>", "<at user_id='all'></at>", "<@U0LI00001>", "@lisi",
)  # fmt: skip
ACKNOWLEDGE = Button("签收", "acknowledge:7", "primary")
SHORTEST = 140
"""Bytes of a message that no platform of ours goes below: an item of a reminder is about as long."""
MEANS: dict[Fault, type[AdapterError]] = {
    "busy": RetryError, "faulty": RetryError, "stranger": RecipientError, "denied": ConfigurationError,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """An adapter, and the far end it talks to."""

    adapter: Adapter
    far: FarEnd
    now: datetime
    """Real time, for the doubles' servers date their answers; one instant for a whole test."""

    def message(self, key: str = "42", text: str = "提醒", *buttons: Button) -> Outgoing:
        return Outgoing(key, self.far.user, text, buttons)


@asynccontextmanager
async def case(name: str) -> AsyncIterator[Case]:
    now = datetime.now(UTC).replace(microsecond=0)
    async with FAR_ENDS[name](lambda: now) as far:
        platform = PLATFORMS[far.row["platform"]]
        adapter = platform.make(platform.config.model_validate(far.row), remembering(), lambda: now)
        async with far.listened(adapter):
            yield Case(adapter, far, now)
        await adapter.close()


@pytest.fixture(params=sorted(FAR_ENDS))
async def one(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    async with case(request.param) as found:
        yield found


@pytest.fixture(params=sorted(BUILT_IN))
def built_in(request: pytest.FixtureRequest) -> Adapter:
    return BUILT_IN[request.param]()


def test_every_platform_of_the_table_has_a_far_end() -> None:
    assert {name.partition(" ")[0] for name in FAR_ENDS} == set(PLATFORMS)


def test_it_says_what_it_can(one: Case) -> None:
    kind = type(one.adapter)
    assert kind.platform == one.far.row["platform"]
    assert kind.max_bytes >= SHORTEST
    assert one.adapter.per_minute >= 0
    assert isinstance(one.adapter.can_button, bool)
    assert one.adapter.can_update is one.far.changes
    assert one.adapter.can_answer is one.far.answers
    assert one.adapter.connection == one.far.connection


def test_send_and_close_can_be_awaited(one: Case) -> None:
    assert inspect.iscoroutinefunction(one.adapter.send)
    assert inspect.iscoroutinefunction(one.adapter.close)


@pytest.mark.parametrize("text", TEXTS)
async def test_whatever_the_text_it_arrives_and_there_is_a_receipt(one: Case, text: str) -> None:
    receipt = await one.adapter.send(one.message(text=f"前 {text} 后"))
    assert isinstance(receipt, str)
    (shown,) = one.far.shown()
    assert "前" in shown.text
    assert "后" in shown.text


@pytest.mark.parametrize("text", CALLS)
async def test_a_text_calls_nobody_but_the_recipient(one: Case, text: str) -> None:
    await one.adapter.send(one.message(text=f"请 {text} 看"))
    (shown,) = one.far.shown()
    assert set(shown.mentions) <= {one.far.user}


async def test_the_longest_message_is_sent_whole(one: Case) -> None:
    longest = "督" * (type(one.adapter).max_bytes // 3)
    await one.adapter.send(one.message(text=longest))
    assert "".join(shown.text for shown in one.far.shown()).count("督") >= len(longest)


async def test_buttons_are_shown_or_left_out_but_never_an_error(one: Case) -> None:
    buttons = [Button(f"签收{style}", f"acknowledge:{style}", style) for style in ("plain", "primary", "danger")]
    await one.adapter.send(one.message("1", "提醒", *buttons))
    (shown,) = one.far.shown()
    assert shown.buttons == (tuple(one.label for one in buttons) if one.adapter.can_button else ())


async def test_the_same_key_sent_again_is_shown_once_where_the_platform_can_tell(one: Case) -> None:
    for _ in range(2):
        await one.adapter.send(one.message())
    assert len(one.far.shown()) == (1 if one.far.once else 2)


@pytest.mark.parametrize("fault", MEANS)
async def test_a_fault_says_what_to_do_and_tells_no_secret(
    one: Case, fault: Fault, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    if fault not in one.far.faults:
        pytest.skip(f"the platform does not show {fault}")
    one.far.fault(fault)
    with caplog.at_level(logging.DEBUG), pytest.raises(MEANS[fault]) as caught:
        await one.adapter.send(one.message())
    seen = capfd.readouterr()
    _hides(one.far, "".join(traceback.format_exception(caught.value)), caplog.text, seen.out, seen.err)


async def test_a_token_that_ran_out_is_renewed_without_anybody_noticing(one: Case) -> None:
    if "expired" not in one.far.faults:
        pytest.skip("the platform has no token that runs out")
    await one.adapter.send(one.message("1", "先"))
    one.far.fault("expired")
    await one.adapter.send(one.message("2", "后"))
    assert [shown.text[-1] for shown in one.far.shown()] == ["先", "后"]


async def test_a_message_whose_answer_was_lost_is_tried_again(one: Case) -> None:
    if "lost" not in one.far.faults:
        pytest.skip("the platform does not show it")
    one.far.fault("lost")
    with pytest.raises(RetryError):
        await one.adapter.send(one.message())
    await one.far.mended()
    await one.adapter.send(one.message())
    assert len(one.far.shown()) == (1 if one.far.once else 2)


async def test_a_message_that_was_sent_is_changed_in_its_place(one: Case) -> None:
    if not one.far.changes:
        pytest.skip("the platform cannot")
    receipt = await one.adapter.send(one.message("1", "待签收", ACKNOWLEDGE))
    (before,) = one.far.shown()
    if not one.far.changes_unasked:
        pytest.skip("the platform changes a card only in answer to a click: see the end-to-end test")
    await cast("Updater", one.adapter).update(receipt, one.message("2", "已签收"))
    (after,) = one.far.shown()
    assert after.number == before.number
    assert "已签收" in after.text
    assert not after.buttons


async def test_what_went_out_as_text_can_be_changed_just_where_the_adapter_says_so(one: Case) -> None:
    if not one.far.changes:
        pytest.skip("the platform cannot")
    updater, receipt = cast("Updater", one.adapter), await one.adapter.send(one.message("1", "待签收"))
    changed = updater.update(receipt, one.message("2", "已签收"))
    if updater.updates_text:
        await changed
    else:
        with pytest.raises(RecipientError):
            await changed
    (after,) = one.far.shown()
    assert ("已签收" in after.text) is updater.updates_text


async def test_a_check_of_what_works_finds_no_fault_and_sends_nothing(one: Case) -> None:
    found = await cast("Checker", one.adapter).check()
    assert found
    assert all(finding.ok for finding in found), found
    assert not one.far.shown()
    _hides(one.far, str(found))


async def test_a_check_of_what_is_denied_says_so(one: Case) -> None:
    if "denied" not in one.far.faults:
        pytest.skip("the platform does not show it")
    one.far.fault("denied")
    found = await cast("Checker", one.adapter).check()
    assert not all(finding.ok for finding in found)
    _hides(one.far, str(found))


def test_its_configuration_shows_no_secret(one: Case) -> None:
    config = PLATFORMS[one.far.row["platform"]].config.model_validate(one.far.row)
    _hides(one.far, repr(config), str(config), repr(one.adapter), config.model_dump_json())


def test_a_callback_with_a_wrong_signature_is_refused(one: Case) -> None:
    request = one.far.unsigned()
    if request is None:
        pytest.skip("nobody calls")
    with pytest.raises(UnverifiedError) as caught:
        cast("Receiver", one.adapter).receive(request, one.now)
    _hides(one.far, str(caught.value))


def test_a_callback_delivered_again_reads_the_same_and_gets_the_same_answer(one: Case) -> None:
    request = one.far.genuine()
    if request is None:
        pytest.skip("nobody calls")
    receiver = cast("Receiver", one.adapter)
    first, second = receiver.receive(request, one.now), receiver.receive(request, one.now)
    (message,) = first.messages
    assert message == second.messages[0]
    assert message.sender == one.far.user
    assert message.connection == one.far.connection
    assert first.response.status == second.response.status


def test_a_callback_cut_short_or_bent_is_refused_and_never_a_defect(one: Case) -> None:
    request = one.far.genuine()
    if request is None:
        pytest.skip("nobody calls")
    receiver = cast("Receiver", one.adapter)
    for cut in range(0, len(request.body), max(1, len(request.body) // 40)):
        bent = type(request)(request.method, request.query, request.headers, request.body[:cut])
        with pytest.raises((UnverifiedError, MalformedError)):
            receiver.receive(bent, one.now)


def test_what_goes_to_a_group_is_read_by_others(one: Case) -> None:
    assert not one.adapter.is_private("chat:oc_1")
    assert one.adapter.is_private(one.far.user) is one.far.private


def test_what_people_of_a_group_say_to_each_other_is_not_heard(one: Case) -> None:
    request = one.far.overheard()
    if request is None:
        pytest.skip("the platform sends only what is addressed to the bot, or its own tests say so")
    received = cast("Receiver", one.adapter).receive(request, one.now)
    assert received.messages == ()
    assert received.response.status == 200


def test_in_a_group_a_mention_and_an_answer_to_the_bot_are_heard(one: Case) -> None:
    requests = one.far.called()
    if not requests:
        pytest.skip("nobody calls, or the platform has no groups")
    for request in requests:
        (message,) = cast("Receiver", one.adapter).receive(request, one.now).messages
        assert message.group
        assert message.text
        assert message.via, "it is answered where it was said"


async def test_it_may_be_closed_twice_and_before_it_sent_anything(one: Case) -> None:
    await one.adapter.close()
    await one.adapter.close()


@pytest.mark.parametrize("text", [text for text in TEXTS if text.isprintable()])
async def test_the_built_in_ones_send_too(built_in: Adapter, text: str) -> None:
    assert await built_in.send(Outgoing("42", "head", text, (ACKNOWLEDGE,)))
    await built_in.close()
    await built_in.close()


def test_the_built_in_ones_know_who_reads_alone(built_in: Adapter) -> None:
    assert built_in.is_private("cjs-urban-officer")
    assert built_in.is_private("chat:1") is (built_in.platform == "webchat")


async def test_memory_keeps_what_it_was_given_and_raises_what_it_is_told() -> None:
    def refuse(message: Outgoing) -> None:
        if message.key == "13":
            raise AdapterError("no")

    adapter = MemoryAdapter("memory", refuse)
    assert await adapter.send(Outgoing("42", "head", "提醒")) == "42"
    with pytest.raises(AdapterError):
        await adapter.send(Outgoing("13", "head", "提醒"))
    assert [sent.key for sent in adapter.sent] == ["42"]


def _hides(far: FarEnd, *texts: str) -> None:
    for secret in far.secrets:
        assert not any(secret in text for text in texts), "a secret is shown"
