"""What any adapter must keep. A platform joins by a line in `ADAPTERS`: how to make one that talks to its double."""

import inspect
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from adapters.base import Adapter, AdapterError, Button, Outgoing
from adapters.memory import MemoryAdapter
from adapters.webchat import WebchatAdapter

NOON = datetime(2027, 1, 28, 12, tzinfo=UTC)
ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "memory": MemoryAdapter,
    "webchat": lambda: WebchatAdapter("webchat", lambda: NOON),
}
TEXTS = ("提醒", "a", "😀 👨‍👩‍👧", "'; DROP TABLE notice; --", "{{ 7 * 7 }} %s {0}", "\u202e逆", "@all @所有人")
SHORTEST = 140
"""Bytes of a message that no platform of ours goes below: an item of a reminder is about as long."""


@pytest.fixture(params=sorted(ADAPTERS))
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param]()


def message(key: str = "42", text: str = "提醒", *buttons: Button) -> Outgoing:
    return Outgoing(key, "head", text, buttons)


def test_it_declares_what_it_can_in_its_class(adapter: Adapter) -> None:
    kind = type(adapter)
    assert isinstance(kind.platform, str)
    assert kind.platform
    assert kind.max_bytes >= SHORTEST
    assert isinstance(kind.can_button, bool)
    assert kind.per_minute >= 0


def test_it_has_a_name_of_its_own(adapter: Adapter) -> None:
    assert isinstance(adapter.connection, str)
    assert adapter.connection


def test_send_and_close_can_be_awaited(adapter: Adapter) -> None:
    assert inspect.iscoroutinefunction(adapter.send)
    assert inspect.iscoroutinefunction(adapter.close)


@pytest.mark.parametrize("text", TEXTS)
async def test_send_returns_a_receipt(adapter: Adapter, text: str) -> None:
    receipt = await adapter.send(message(text=text))
    assert isinstance(receipt, str)
    await adapter.close()


async def test_the_longest_message_is_sent(adapter: Adapter) -> None:
    longest = "督" * (min(type(adapter).max_bytes, 100_000) // 3)
    assert isinstance(await adapter.send(message(text=longest)), str)
    await adapter.close()


async def test_buttons_are_sent_or_left_out_but_never_an_error(adapter: Adapter) -> None:
    buttons = [Button("签收", f"acknowledge:{style}", style) for style in ("plain", "primary", "danger")]
    assert isinstance(await adapter.send(message("1", "提醒", *buttons)), str)
    await adapter.close()


async def test_the_same_key_may_be_sent_again(adapter: Adapter) -> None:
    for _ in range(2):
        assert isinstance(await adapter.send(message()), str)
    await adapter.close()


async def test_it_may_be_closed_twice(adapter: Adapter) -> None:
    await adapter.send(message())
    await adapter.close()
    await adapter.close()


async def test_it_may_be_closed_before_it_sent_anything(adapter: Adapter) -> None:
    await adapter.close()


async def test_memory_keeps_what_it_was_given_and_raises_what_it_is_told() -> None:
    def refuse(message: Outgoing) -> None:
        if message.key == "13":
            raise AdapterError("no")

    adapter = MemoryAdapter("memory", refuse)
    assert await adapter.send(message()) == "42"
    with pytest.raises(AdapterError):
        await adapter.send(message("13"))
    assert [sent.key for sent in adapter.sent] == ["42"]
