import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import repeat

import pytest

from adapters.base import Adapter, Button, Outgoing
from adapters.webchat import CLOSED, QUEUE_LIMIT, RELOAD, Event, WebchatAdapter

NOON = datetime(2027, 1, 28, 12, tzinfo=UTC)


@pytest.fixture
def adapter() -> WebchatAdapter:
    return WebchatAdapter("webchat", lambda: NOON)


def message(address: str = "head", key: str = "1", text: str = "提醒") -> Outgoing:
    return Outgoing(key, address, text, (Button("签收", "ack:1", "primary"),))


async def test_it_keeps_the_contract(adapter: WebchatAdapter) -> None:
    contract: Adapter = adapter
    assert (contract.platform, contract.can_button, contract.per_minute) == ("webchat", True, 0)
    assert await contract.send(message(key="42")) == "42"


async def test_a_message_reaches_every_page_of_its_address(adapter: WebchatAdapter) -> None:
    with adapter.subscribe("head") as one, adapter.subscribe("head") as two, adapter.subscribe("officer") as other:
        await adapter.send(message())
    assert (
        one.get_nowait()
        == two.get_nowait()
        == Event(
            "message",
            {
                "id": "1",
                "side": "bot",
                "text": "提醒",
                "at": "2027-01-28T12:00:00+00:00",
                "buttons": [{"label": "签收", "value": "ack:1", "style": "primary"}],
                "reply_to": "",
            },
            "1",
        )
    )
    assert other.empty()


async def test_what_i_say_shows_on_my_other_pages(adapter: WebchatAdapter) -> None:
    with adapter.subscribe("head") as page:
        adapter.echo("head", "m1", "完成", "1")
    assert {"id": "m1", "side": "me", "reply_to": "1"}.items() <= dict(page.get_nowait().data).items()


async def test_a_page_that_left_hears_nothing(adapter: WebchatAdapter) -> None:
    with adapter.subscribe("head") as page:
        pass
    await adapter.send(message())
    assert page.empty()


async def test_a_slow_page_is_dropped_and_told_to_reload(adapter: WebchatAdapter) -> None:
    with adapter.subscribe("head") as page:
        for _ in repeat(None, QUEUE_LIMIT * 3):
            await adapter.send(message())
        assert page.qsize() == 1
        assert page.get_nowait() == RELOAD


async def test_everybody_hears_an_announcement(adapter: WebchatAdapter) -> None:
    with adapter.subscribe("head") as one, adapter.subscribe("officer") as two:
        adapter.announce({"kind": "clock", "now": "2027-01-29"})
    assert one.get_nowait() == two.get_nowait() == Event("clock", {"now": "2027-01-29"})


async def test_messages_nobody_saw_are_counted_until_a_page_opens(adapter: WebchatAdapter) -> None:
    await adapter.send(message())
    await adapter.send(message())
    assert adapter.unread("head") == 2
    with adapter.subscribe("head"):
        await adapter.send(message())
    assert adapter.unread("head") == 0


async def test_only_who_asked_hears_of_others_and_never_what_they_read(adapter: WebchatAdapter) -> None:
    with adapter.subscribe("officer") as alone, adapter.subscribe("", others=True) as demo:
        await adapter.send(message())
        with adapter.subscribe("head"):
            pass
    assert alone.empty()
    assert list(drain(demo)) == [
        Event("unread", {"address": "head", "count": 1}),
        Event("unread", {"address": "head", "count": 0}),
    ]


async def test_closing_ends_every_page(adapter: WebchatAdapter) -> None:
    with adapter.subscribe("head") as page:
        await adapter.send(message())
        await adapter.close()
        await adapter.send(message())
        assert list(drain(page)) == [CLOSED]


def drain(queue: asyncio.Queue[Event]) -> Iterator[Event]:
    while not queue.empty():
        yield queue.get_nowait()
