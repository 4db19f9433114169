import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import ClientTimeout

import adapters.feishu_socket
import adapters.http
from adapters.base import ConfigurationError, Incoming, Listener, RetryError
from adapters.feishu_app import FeishuAppAdapter
from adapters.feishu_frame import DATA, Frame
from adapters.feishu_socket import _is_kin, _pause
from tests.adapters.doubles.feishu import NEW_YEAR, Failure, FeishuDouble, NoState, payload
from tests.adapters.test_feishu_app import configured


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters.feishu_socket, "FIRST_PAUSE", 0.01)


@pytest.fixture
async def feishu() -> AsyncIterator[FeishuDouble]:
    async with FeishuDouble() as double:
        yield double


class Inbox:
    """Where messages are committed; may be slow, may fail."""

    def __init__(self) -> None:
        self.messages: list[Incoming] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = 0

    async def take(self, message: Incoming) -> None:
        await self.open.wait()
        if self.broken:
            self.broken -= 1
            raise OSError("no disk")
        self.messages.append(message)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  what is waited for are counters
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(feishu: FeishuDouble, inbox: Inbox, **more: object) -> AsyncIterator[asyncio.Task[None]]:
    """An app that listens; at the end no task of its own is left."""
    before = asyncio.all_tasks()
    app = FeishuAppAdapter(configured(feishu, **more), NoState(), lambda: NEW_YEAR)
    contract: Listener = app
    task = asyncio.create_task(contract.listen(inbox.take))
    try:
        waiting = asyncio.create_task(feishu.connected.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=5)
        waiting.cancel()
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ConfigurationError):
            await task
        await app.close()
        left = [str(one.get_coro()) for one in asyncio.all_tasks() - before]
        assert [name for name in left if "LongConnection" in name] == []


async def test_a_message_is_answered_once_it_is_committed(feishu: FeishuDouble, inbox: Inbox) -> None:
    inbox.open.clear()
    async with listening(feishu, inbox):
        await feishu.push(payload("direct_text"))
        await asyncio.sleep(0.05)
        assert feishu.answers.empty()
        inbox.open.set()
        assert await feishu.answer() == (200, {})
    assert [(message.text, message.reply_to) for message in inbox.messages] == [("完成 42", "om_9")]


async def test_a_click_is_answered_at_once(feishu: FeishuDouble, inbox: Inbox) -> None:
    async with listening(feishu, inbox):
        await feishu.push(payload("click"))
        assert await feishu.answer() == (200, {})
    assert [(message.action, message.message_id) for message in inbox.messages] == [("ack:42", "evt-c1")]


async def test_the_answer_is_the_frame_that_asked(feishu: FeishuDouble, inbox: Inbox) -> None:
    async with listening(feishu, inbox):
        await feishu.push(payload("click"))
        frame = await feishu.answers.get()
    assert (frame.seq_id, frame.log_id, frame.service, frame.log_id_new) == (7, 8, 33, "log")
    assert frame.header("type") == "event"
    assert frame.header("biz_rt").isdigit()


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_long_event_comes_in_parts(feishu: FeishuDouble, inbox: Inbox, backwards: bool) -> None:
    async with listening(feishu, inbox):
        await feishu.push(payload("direct_text"), parts=5, backwards=backwards)
        assert await feishu.answer() == (200, {})
    assert [message.message_id for message in inbox.messages] == ["om_10"]


async def test_a_failed_commit_is_told_and_comes_again(feishu: FeishuDouble, inbox: Inbox) -> None:
    inbox.broken = 1
    async with listening(feishu, inbox):
        await feishu.push(payload("direct_text"))
        assert await feishu.answer() == (500, None)
        await feishu.push(payload("direct_text"))
        assert await feishu.answer() == (200, {})
    assert len(inbox.messages) == 1


async def test_a_slow_commit_is_told_in_time(
    feishu: FeishuDouble, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.feishu_socket, "ANSWER_WITHIN", 0.05)
    inbox.open.clear()
    async with listening(feishu, inbox):
        await feishu.push(payload("direct_text"))
        assert await feishu.answer() == (500, None)


async def test_a_slow_message_holds_up_no_other(feishu: FeishuDouble, inbox: Inbox) -> None:
    inbox.open.clear()
    async with listening(feishu, inbox):
        for name in ("direct_text", "click", "unknown_event"):
            await feishu.push(payload(name))
        assert await feishu.answer() == (200, {})
        inbox.open.set()
        assert {(await feishu.answer())[0] for _ in range(2)} == {200}
    assert [message.message_id for message in inbox.messages] == ["om_10", "evt-c1"]


@pytest.mark.parametrize("noise", [b"not json", b"[]", b"[" * 100_000])
async def test_an_event_that_is_none_is_told(feishu: FeishuDouble, inbox: Inbox, noise: bytes) -> None:
    async with listening(feishu, inbox):
        await feishu.push(noise)
        assert await feishu.answer() == (500, None)
        await feishu.push(payload("click"))
        assert await feishu.answer() == (200, {})


async def test_frames_that_are_none_do_no_harm(feishu: FeishuDouble, inbox: Inbox) -> None:
    async with listening(feishu, inbox):
        wire = feishu.sockets[-1]
        await wire.send_str("hello")
        await wire.send_bytes(b"\xff\xff")
        await wire.send_bytes(Frame(method=DATA, headers=(("type", "other"),)).encoded())
        await wire.send_bytes(Frame(method=DATA, headers=(("type", "event"), ("sum", "x"))).encoded())
        await wire.send_bytes(Frame(headers=(("type", "pong"),), payload=b"no json").encoded())
        await feishu.push(payload("click"))
        assert await feishu.answer() == (200, {})


async def test_a_heartbeat_goes_out_as_often_as_the_platform_asks(
    feishu: FeishuDouble, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.feishu_socket, "SOONEST_PING", 0.02)
    feishu.client_config = {"PingInterval": 0.02}
    async with listening(feishu, inbox):
        await until(lambda: len(feishu.pings) >= 3)
    assert {(ping.service, ping.header("type")) for ping in feishu.pings} == {(33, "ping")}


async def test_a_silent_platform_is_left_for_a_new_connection(
    feishu: FeishuDouble, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.feishu_socket, "SOONEST_PING", 0.02)
    monkeypatch.setattr(adapters.feishu_socket, "SLACK", 0.02)
    feishu.client_config = {"PingInterval": 0.02}
    feishu.fail("pong", Failure())
    async with listening(feishu, inbox):
        await until(lambda: feishu.calls["socket"] >= 2)


async def test_a_connection_outlives_the_time_limit_of_a_call(
    feishu: FeishuDouble, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.http, "TIMEOUT", ClientTimeout(total=0.2))
    async with listening(feishu, inbox):
        await asyncio.sleep(0.5)
        await feishu.push(payload("click"))
        assert await feishu.answer() == (200, {})
    assert feishu.calls["socket"] == 1


async def test_a_lost_connection_is_made_anew_and_nothing_is_lost(feishu: FeishuDouble, inbox: Inbox) -> None:
    async with listening(feishu, inbox):
        await feishu.drop()
        async with asyncio.timeout(5):
            await feishu.connected.wait()
        await feishu.push(payload("click"))
        assert await feishu.answer() == (200, {})
    assert (feishu.calls["endpoint"], len(inbox.messages)) == (2, 1)


async def test_a_connection_lost_while_committing_keeps_the_message(feishu: FeishuDouble, inbox: Inbox) -> None:
    inbox.open.clear()
    async with listening(feishu, inbox):
        await feishu.push(payload("click"))
        await asyncio.sleep(0.05)
        await feishu.drop()
        inbox.open.set()
        async with asyncio.timeout(5):
            await feishu.connected.wait()
    assert len(inbox.messages) == 1


@pytest.mark.parametrize(
    "failure",
    [Failure(1, 200), Failure(1000040343, 200), Failure(424242, 200), Failure(status=503), Failure(reset=True)],
)
async def test_a_passing_refusal_is_tried_again(feishu: FeishuDouble, inbox: Inbox, failure: Failure) -> None:
    feishu.fail("endpoint", failure)
    async with listening(feishu, inbox):
        await feishu.push(payload("click"))
        assert await feishu.answer() == (200, {})
    assert feishu.calls["endpoint"] == 2


@pytest.mark.parametrize("code", [403, 514, 1000040344, 1000040350])
async def test_a_final_refusal_stops_it(feishu: FeishuDouble, inbox: Inbox, code: int) -> None:
    feishu.fail("endpoint", Failure(code, 200))
    async with listening(feishu, inbox) as task:
        with pytest.raises(ConfigurationError, match=str(code)):
            await task


async def test_a_wrong_secret_stops_it(feishu: FeishuDouble, inbox: Inbox) -> None:
    async with listening(feishu, inbox, app_secret="wrong") as task:
        with pytest.raises(ConfigurationError, match="514"):
            await task


@pytest.mark.parametrize(
    ("headers", "final"),
    [
        ({"Handshake-Status": "403", "Handshake-Msg": "no"}, True),
        ({"Handshake-Status": "514", "Handshake-Autherrcode": "1000040350"}, True),
        ({"Handshake-Status": "514", "Handshake-Autherrcode": "1"}, False),
        ({"X-Other": "1"}, False),
    ],
)
async def test_a_refused_handshake_says_if_it_is_final(
    feishu: FeishuDouble, inbox: Inbox, headers: dict[str, str], final: bool
) -> None:
    feishu.handshake = headers
    async with listening(feishu, inbox) as task:
        if final:
            with pytest.raises(ConfigurationError):
                await asyncio.wait_for(task, 5)
        else:
            await until(lambda: feishu.calls["socket"] >= 2)


@pytest.mark.parametrize(
    "host", ["ws://elsewhere.example", "wss://10.0.0.1", "http://127.0.0.1", "not an address", "ws://[", ""]
)
async def test_another_host_is_not_connected_to(feishu: FeishuDouble, host: str) -> None:
    feishu.ws_host = host
    app = FeishuAppAdapter(configured(feishu), NoState(), lambda: NEW_YEAR)
    if host:
        with pytest.raises((ConfigurationError, RetryError)):
            await app._socket.address()
    else:
        assert (await app._socket.address()).startswith("ws://127.0.0.1")
    await app.close()


async def test_a_host_that_does_not_answer_is_tried_again(feishu: FeishuDouble) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"ws://127.0.0.1:{closed.getsockname()[1]}"
        app = FeishuAppAdapter(configured(feishu, ws_url=address), NoState(), lambda: NEW_YEAR)
        with pytest.raises(RetryError, match="cannot reach"):
            await app._socket._connected(await app._socket.address())
        await app.close()


async def test_a_configured_host_takes_the_place_of_the_named_one(feishu: FeishuDouble, inbox: Inbox) -> None:
    feishu.ws_host = "wss://msg.example.gov.cn"
    async with listening(feishu, inbox, ws_url=feishu.base.replace("http", "ws")):
        await feishu.push(payload("click"))
        assert await feishu.answer() == (200, {})


@pytest.mark.parametrize(
    ("host", "base", "kin"),
    [
        ("msg-frontier.feishu.cn", "open.feishu.cn", True),
        ("open.feishu.cn", "open.feishu.cn", True),
        ("feishu.cn.evil.example", "open.feishu.cn", False),
        ("evilfeishu.cn", "open.feishu.cn", False),
        ("10.0.0.1", "127.0.0.1", False),
        ("x.gov.cn", "gov.cn", False),
        ("", "open.feishu.cn", False),
    ],
)
def test_hosts_of_one_platform_are_kin(host: str, base: str, kin: bool) -> None:
    assert _is_kin(host, base) is kin


def test_pauses_grow_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters.feishu_socket, "FIRST_PAUSE", 1.0)
    assert all(0.5 <= _pause(0) <= 1 <= _pause(2) <= 4 and 30 <= _pause(50) <= 60 for _ in range(50))


async def test_in_the_http_mode_nothing_is_listened_to(feishu: FeishuDouble, inbox: Inbox) -> None:
    config = configured(feishu, mode="http", encrypt_key="k", verification_token="t")
    app = FeishuAppAdapter(config, NoState(), lambda: NEW_YEAR)
    await app.listen(inbox.take)
    await app.close()
    assert feishu.calls["endpoint"] == 0


async def test_no_secret_is_logged(
    feishu: FeishuDouble, inbox: Inbox, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    feishu.fail("endpoint", Failure(1, 200, f"busy {feishu.app_secret}"))
    async with listening(feishu, inbox):
        await feishu.push(b"{")
        await feishu.answer()
        await feishu.drop()
        await feishu.connected.wait()
    out, err = capsys.readouterr()
    told = out + err + caplog.text
    assert "will reconnect" in told
    assert [secret for secret in (feishu.app_secret, "ticketThatNobodyMaySee") if secret in told] == []
