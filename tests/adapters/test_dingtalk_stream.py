import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters import dingtalk_stream
from adapters.base import Button, ConfigurationError, Incoming, Outgoing, RetryError
from adapters.http import Answer as HttpAnswer
from tests.adapters.doubles.dingtalk import (
    CLICKS,
    CLIENT_SECRET,
    GATEWAY,
    MESSAGES,
    TEMPLATE,
    Answer,
    DingTalk,
    app_of,
    listening,
    payload,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def far(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DingTalk]:
    monkeypatch.setattr(dingtalk_stream, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(dingtalk_stream, "LONGEST_WAIT", 0.04)
    before = asyncio.all_tasks()
    async with DingTalk(lambda: NOON) as running:
        yield running
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if "DingTalk" in repr(task) or "dingtalk" in repr(task)}
    assert not left


class Inbox(list[Incoming]):
    """Commits after a moment, unless told to fail."""

    failing = 0
    committing: asyncio.Event | None = None

    async def __call__(self, message: Incoming) -> None:
        if self.committing is not None:
            await self.committing.wait()
        if self.failing:
            self.failing -= 1
            raise OSError("the database is away")
        await asyncio.sleep(0)
        self.append(message)


async def test_a_message_is_committed_and_then_acknowledged(far: DingTalk) -> None:
    inbox = Inbox()
    async with app_of(far) as app, listening(app, inbox):
        ack = await far.pushed("m1", MESSAGES, payload("message_group"))
    assert ack == {
        "code": 200,
        "headers": {"messageId": "m1", "contentType": "application/json"},
        "message": "OK",
        "data": '{"response":{}}',
    }
    assert [(one.message_id, one.text) for one in inbox] == [("msgGroup0001==", "完成 42")]
    assert far.subscriptions == [{"type": "CALLBACK", "topic": MESSAGES}, {"type": "CALLBACK", "topic": CLICKS}]


async def test_nothing_is_acknowledged_before_it_is_committed(far: DingTalk) -> None:
    inbox = Inbox()
    inbox.committing = asyncio.Event()
    async with app_of(far) as app, listening(app, inbox):
        await far.push("m1", MESSAGES, payload("message_group"))
        pong = await far.pushed("p1", "ping", '{"opaque":"1"}', kind="SYSTEM")
        assert pong["data"] == '{"opaque":"1"}'
        assert far.acks["m1"] == []
        inbox.committing.set()
        await far.until(lambda: far.acks["m1"])


async def test_what_could_not_be_committed_is_pushed_again(far: DingTalk) -> None:
    inbox = Inbox()
    inbox.failing = 1
    async with app_of(far) as app, listening(app, inbox):
        await far.push("m1", MESSAGES, payload("message_group"))
        await far.pushed("p1", "ping", "{}", kind="SYSTEM")
        await far.pushed("m1", MESSAGES, payload("message_group"))
    assert len(far.acks["m1"]) == 1
    assert [one.message_id for one in inbox] == ["msgGroup0001=="]


async def test_duplicates_and_disorder_arrive_with_their_ids(far: DingTalk) -> None:
    inbox = Inbox()
    async with app_of(far) as app, listening(app, inbox):
        for frame, name in (("m2", "message_direct"), ("m1", "message_group"), ("m2", "message_direct")):
            await far.pushed(frame, MESSAGES, payload(name))
    assert [one.message_id for one in inbox] == ["msgDirect0001==", "msgGroup0001==", "msgDirect0001=="]


async def test_a_click_goes_from_the_card_to_its_change(far: DingTalk) -> None:
    inbox = Inbox()
    async with app_of(far, card_template=TEMPLATE) as app, listening(app, inbox):
        receipt = await app.send(Outgoing("42", "chat:cidGroup", "报告", (Button("签收", "ack:42", "primary"),)))
        pressed = json.loads(far.cards[receipt]["btns"])[0]["event"]["params"]
        content = {"cardPrivateData": {"actionIds": [pressed["actionId"]], "params": pressed["params"]}}
        click = payload("click_template") | {"outTrackId": receipt, "content": json.dumps(content)}
        assert (await far.pushed("c1", CLICKS, click))["data"] == '{"response":{}}'
        (found,) = inbox
        assert (found.action, found.reply_to, found.message_id) == ("ack:42", receipt, "click-c1")
        await app.update(found.reply_to, Outgoing("42", "chat:cidGroup", "已签收"))
    assert far.cards[receipt] == {"title": "已签收", "text": "已签收", "btns": "[]"}


async def test_events_and_unknown_topics_are_answered_and_dropped(far: DingTalk) -> None:
    inbox = Inbox()
    async with app_of(far) as app, listening(app, inbox):
        event = await far.pushed("e1", "*", {"any": "thing"}, kind="EVENT")
        unknown = await far.pushed("u1", "/v1.0/other", {})
        robot = await far.pushed("r1", MESSAGES, payload("message_group") | {"senderId": "$:LWCP_v1:$robot"})
    assert (event["code"], event["data"]) == (200, '{"status":"SUCCESS","message":""}')
    assert (unknown["code"], robot["code"], inbox) == (404, 200, [])


@pytest.mark.parametrize("data", ["", "[]", "{", '{"msgtype":"text"}', "[" * 50_000])
async def test_what_cannot_be_read_does_not_end_the_connection(far: DingTalk, data: str) -> None:
    inbox = Inbox()
    async with app_of(far) as app, listening(app, inbox):
        assert (await far.pushed("m1", MESSAGES, data))["code"] == 400
        assert far.socket is not None
        await far.socket.send_str("no frame at all")
        await far.socket.send_bytes(b"\x00")
        assert (await far.pushed("m2", MESSAGES, payload("message_group")))["code"] == 200
    assert far.connections == 1


async def test_it_comes_back_with_a_new_ticket_when_told_to_go(far: DingTalk) -> None:
    inbox = Inbox()
    async with app_of(far) as app, listening(app, inbox):
        await far.pushed("d1", "disconnect", '{"reason":"rebalance"}', kind="SYSTEM")
        await far.until(lambda: far.connections == 2)
        await far.pushed("m1", MESSAGES, payload("message_group"))
    assert len(inbox) == 1


async def test_what_was_taken_is_acknowledged_before_it_goes(far: DingTalk) -> None:
    inbox = Inbox()
    inbox.committing = asyncio.Event()
    async with app_of(far) as app, listening(app, inbox):
        await far.push("m1", MESSAGES, payload("message_group"))
        await far.pushed("d1", "disconnect", "{}", kind="SYSTEM")
        inbox.committing.set()
        await far.until(lambda: far.acks["m1"])
    assert len(inbox) == 1


async def test_it_survives_a_lost_connection_and_a_gateway_that_fails(far: DingTalk) -> None:
    inbox = Inbox()
    async with app_of(far) as app, listening(app, inbox):
        await far.until(lambda: far.connections == 1)
        far.fail(
            GATEWAY, Answer(503), Answer(429, headers={"Retry-After": "0.01"}), Answer(body={}), Answer(reset=True)
        )
        far.fail(GATEWAY, Answer(body={"endpoint": far.endpoint, "ticket": "used"}), Answer(400, {"code": "odd"}))
        assert far.socket is not None
        await far.socket.close()
        await far.until(lambda: far.connections == 2)
        await far.pushed("m1", MESSAGES, payload("message_group"))
    assert len(inbox) == 1


async def test_waiting_grows_to_its_limit_and_starts_anew(far: DingTalk, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(dingtalk_stream, "FIRST_WAIT", 1.0)
    monkeypatch.setattr(dingtalk_stream, "LONGEST_WAIT", 60.0)
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)
    monkeypatch.setattr("asyncio.sleep", note)
    far.fail(GATEWAY, *(Answer(503) for _ in range(8)), Answer(429, headers={"Retry-After": "90"}))
    async with app_of(far) as app, listening(app, Inbox()):
        await far.until(lambda: far.connections == 1)
        await far.pushed("d1", "disconnect", "{}", kind="SYSTEM")
        await far.until(lambda: far.connections == 2)
    assert [wait for wait in waits if wait >= 1] == [1, 2, 4, 8, 16, 32, 60, 60, 90, 1]


@pytest.mark.parametrize("more", [{"client_secret": "wrong"}, {"client_id": "another"}])
async def test_refused_credentials_end_it(far: DingTalk, more: dict[str, str]) -> None:
    async with app_of(far, **more) as app, listening(app, Inbox()) as task:
        with pytest.raises(ConfigurationError) as caught:
            await asyncio.wait_for(task, 5)
    assert CLIENT_SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["wss://evil.example/connect", "wss://dingtalk.com.evil.example/c", "http://127.0.0.1/c"]
)
async def test_it_goes_to_no_other_host(far: DingTalk, endpoint: str) -> None:
    far.endpoint = endpoint
    async with app_of(far) as app, listening(app, Inbox()) as task:
        with pytest.raises(ConfigurationError):
            await asyncio.wait_for(task, 5)


async def test_a_plain_connection_needs_a_private_platform(far: DingTalk) -> None:
    gateway = dingtalk_stream.Gateway(None, "id", "secret", "ws://127.0.0.1/c", plain_allowed=False)  # type: ignore[arg-type]
    answer = HttpAnswer(200, {}, '{"endpoint":"x","ticket":"t"}')
    with pytest.raises(ConfigurationError, match="not encrypted"):
        gateway.address(answer)
    with pytest.raises(RetryError):
        gateway.address(HttpAnswer(200, {}, "{}"))


async def test_the_address_can_be_set_for_a_platform_of_ones_own(far: DingTalk) -> None:
    there, far.endpoint = far.endpoint, "wss://inside.invalid/connect"
    inbox = Inbox()
    async with app_of(far, ws_url=there) as app, listening(app, inbox):
        await far.pushed("m1", MESSAGES, payload("message_group"))
    assert len(inbox) == 1


async def test_it_is_cancelled_cleanly_at_any_moment(far: DingTalk) -> None:
    inbox = Inbox()
    inbox.committing = asyncio.Event()
    async with app_of(far) as app:
        async with listening(app, inbox):
            await asyncio.sleep(0)
        async with listening(app, inbox):
            await far.push("m1", MESSAGES, payload("message_group"))
            await far.pushed("p1", "ping", "{}", kind="SYSTEM")
    await far.until(lambda: far.socket is not None and far.socket.closed)
    assert far.acks["m1"] == []


async def test_without_stream_mode_there_is_nothing_to_hold(far: DingTalk) -> None:
    async with app_of(far, mode="http") as app, listening(app, Inbox()) as task:
        await asyncio.sleep(0.02)
        assert not task.done()
    assert far.calls == []


async def test_the_log_names_no_secret(far: DingTalk) -> None:
    inbox = Inbox()
    inbox.failing = 1
    far.fail(GATEWAY, Answer(400, {"code": "odd", "message": CLIENT_SECRET}))
    logged: list[Any]
    with capture_logs() as logged:
        async with app_of(far) as app, listening(app, inbox):
            await far.push("m1", MESSAGES, payload("message_group"))
            await far.pushed("m2", MESSAGES, "[]")
    said = repr(logged)
    assert {"cannot listen", "not taken", "malformed"} <= {one["event"] for one in logged}
    assert not any(secret in said for secret in (CLIENT_SECRET, "session=", "ticket"))
