"""DingTalk's own SDK as the far end: our double must satisfy it, and ours must say and read the same as it does."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from adapters.base import Button, Incoming, Outgoing
from adapters.dingtalk_events import Reader, Via
from tests.adapters.doubles.dingtalk import (
    BY_SESSION,
    CLICKS,
    CLIENT,
    CLIENT_SECRET,
    CREATE,
    GATEWAY,
    MESSAGES,
    SESSION,
    TEMPLATE,
    TOKEN,
    DingTalk,
    app_of,
    listening,
    payload,
)

sdk: Any = pytest.importorskip("dingtalk_stream", reason="DingTalk's SDK is not installed: pip install dingtalk-stream")
websockets: Any = pytest.importorskip("websockets", reason="websockets, which DingTalk's SDK runs on, is not installed")

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
READER = Reader("ding", CLIENT, "https://oapi.dingtalk.com")
QUIET = logging.getLogger("tests.dingtalk.sdk")


@pytest.fixture
async def far() -> AsyncIterator[DingTalk]:
    async with DingTalk(lambda: NOON) as running:
        yield running


@pytest.fixture
def client(far: DingTalk, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sdk.DingTalkStreamClient, "OPEN_CONNECTION_API", f"{far.url}{GATEWAY}")
    monkeypatch.setattr(sdk.DingTalkStreamClient, "get_host_ip", lambda _: "127.0.0.1")
    for module in ("stream", "card_replier", "chatbot"):
        monkeypatch.setattr(f"dingtalk_stream.{module}.DINGTALK_OPENAPI_ENDPOINT", far.url)
    return sdk.DingTalkStreamClient(sdk.Credential(CLIENT, CLIENT_SECRET), QUIET)


class Taking:
    """What both kinds of handlers of the SDK do here: keep, and say that all is well."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Any] = []

    async def process(self, callback: Any) -> tuple[int, Any]:
        self.taken.append(callback)
        return sdk.AckMessage.STATUS_OK, {}


def handler() -> Any:
    return type("Handler", (Taking, sdk.CallbackHandler), {})()


def parsed(name: str) -> Any:
    return sdk.ChatbotMessage.from_dict(payload(name))


def comparable(ack: dict[str, Any]) -> dict[str, Any]:
    return {**ack, "message": "", "data": json.loads(ack["data"])}


@pytest.mark.parametrize("name", ["message_group", "message_direct", "message_rich"])
def test_both_read_the_same_message(name: str) -> None:
    theirs, ours = parsed(name), READER.message(payload(name))
    assert ours is not None
    assert ours.message_id == theirs.message_id
    assert ours.sender == (theirs.sender_staff_id or theirs.sender_id)
    assert ours.text == "".join(theirs.get_text_list()).strip()
    way = Via.read(ours.via)
    assert (way.hook, way.until) == (theirs.session_webhook, theirs.session_webhook_expired_time)
    assert way.chat == (theirs.conversation_id if theirs.conversation_type == "2" else "")


def test_both_read_the_same_click() -> None:
    theirs = sdk.CardCallbackMessage.from_dict(payload("click_template"))
    ours = READER.click("frame", payload("click_template"))
    assert ours is not None
    assert (ours.sender, ours.reply_to) == (theirs.user_id, theirs.card_instance_id)
    assert ours.action == theirs.content["cardPrivateData"]["params"]["value"]


def test_we_read_what_the_sdk_writes() -> None:
    ours = READER.message(json.loads(json.dumps(parsed("message_group").to_dict())))
    assert ours == READER.message(payload("message_group"))
    click = sdk.CardCallbackMessage.from_dict(payload("click_template")).to_dict()
    found = READER.click("frame", click)
    assert found is not None
    assert found.action == "ack:42"


async def test_both_register_alike_and_acknowledge_alike(far: DingTalk, client: Any) -> None:
    messages, clicks = handler(), handler()
    client.register_callback_handler(MESSAGES, messages)
    client.register_callback_handler(CLICKS, clicks)
    opened = await asyncio.to_thread(client.open_connection)
    async with websockets.connect(f"{opened['endpoint']}?ticket={quote_plus(opened['ticket'])}") as socket:
        client.websocket = socket

        async def run() -> None:
            async for raw in socket:
                await client.route_message(json.loads(raw))

        running = asyncio.create_task(run())
        theirs = [comparable(one) for one in await _exchange(far)]
        await socket.close()
        await running
    assert (len(messages.taken), len(clicks.taken)) == (1, 1)
    theirs_registered = far.calls[-1][2]

    far.acks.clear()
    far.socket = None
    inbox: list[Incoming] = []

    async def take(message: Incoming) -> None:
        inbox.append(message)

    async with app_of(far) as app, listening(app, take):
        ours = [comparable(one) for one in await _exchange(far)]
    assert ours == theirs
    assert [(one.text, one.action) for one in inbox] == [("完成 42", ""), ("", "ack:42")]
    ours_registered = far.calls[-1][2]
    assert set(ours_registered) == set(theirs_registered)
    assert ours_registered["subscriptions"] == theirs_registered["subscriptions"]


async def _exchange(far: DingTalk) -> list[dict[str, Any]]:
    return [
        await far.pushed("p1", "ping", '{"opaque":"x"}', kind="SYSTEM"),
        await far.pushed("m1", MESSAGES, payload("message_group")),
        await far.pushed("c1", CLICKS, payload("click_template")),
    ]


async def test_both_ask_for_a_token_alike(far: DingTalk, client: Any) -> None:
    assert await asyncio.to_thread(client.get_access_token) == "token-1"
    async with app_of(far) as app:
        await app.send(Outgoing("1", "manager01", "提醒"))
    theirs, ours = [body for _, path, body in far.calls if path == TOKEN]
    assert ours == theirs


async def test_both_deliver_a_card_alike(far: DingTalk, client: Any) -> None:
    replier = sdk.CardReplier(client, parsed("message_group"))
    await asyncio.to_thread(
        replier.create_and_deliver_card, TEMPLATE, {"title": "t", "text": "x", "btns": "[]"}, support_forward=False
    )
    async with app_of(far, card_template=TEMPLATE) as app:
        await app.send(Outgoing("1", "chat:cidGroup+0001==", "t", (Button("签收", "ack:1"),)))
    theirs, ours = [body for _, path, body in far.calls if path == CREATE]
    differing = {"outTrackId", "cardData", "imRobotOpenSpaceModel", "userIdType"}  # 1, the default, is what we say
    assert {k: v for k, v in ours.items() if k not in differing} == {
        k: v for k, v in theirs.items() if k not in differing
    }
    assert set(ours["cardData"]["cardParamMap"]) == set(theirs["cardData"]["cardParamMap"])


async def test_both_answer_in_the_session_alike(far: DingTalk, client: Any) -> None:
    replier = sdk.ChatbotHandler()
    replier.dingtalk_client = client
    asked = parsed("message_group")
    asked.session_webhook = f"{far.url}{BY_SESSION}?session={SESSION}"
    await asyncio.to_thread(replier.reply_text, "已签收", asked)
    way = Via("cid", asked.session_webhook, int(NOON.timestamp() * 1000) + 3_600_000).write()
    async with app_of(far) as app:
        await app.send(Outgoing("1", "manager01", "已签收", via=way))
    theirs, ours = far.of(BY_SESSION)
    assert (ours["msgtype"], ours["at"]["atUserIds"]) == (theirs["msgtype"], theirs["at"]["atUserIds"])
    assert ours["text"]["content"] == f"@manager01 {theirs['text']['content']}"
