"""Every decoder of what comes in, fed nonsense: it is read or refused, in time, and nothing unforeseen is raised.

A few examples here; `make fuzz` runs the same with very many.
"""

import asyncio
import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from yarl import URL

from adapters.base import (
    LONGEST_SENDER,
    AdapterError,
    ConfigurationError,
    Incoming,
    MalformedError,
    Receiver,
    Request,
    RetryError,
    UnverifiedError,
)
from adapters.crypto import feishu_encrypt, sha1_of_sorted, wide_encrypt, wide_key
from adapters.dingtalk_app import DingTalkAppAdapter
from adapters.dingtalk_robot import sign, stamp
from adapters.dingtalk_stream import Frame as StreamFrame
from adapters.dingtalk_stream import Gateway
from adapters.dingtalk_stream import LongConnection as Stream
from adapters.feishu_app import FeishuAppAdapter, FeishuAppConfig
from adapters.feishu_frame import CONTROL, DATA, Frame, Parts, decode
from adapters.feishu_socket import LongConnection, _service
from adapters.http import Answer
from adapters.matrix import MatrixAdapter, MatrixConfig
from adapters.slack import SlackAdapter
from adapters.webhook import WebhookAdapter
from adapters.webhooks import BIGGEST, Webhooks
from adapters.wecom_app import WecomAppAdapter, WecomAppConfig
from adapters.wecom_bot import FAULTS, Line, WecomBotAdapter, WecomBotConfig, _code, read
from adapters.wecom_parts import refusal
from bot.store import arrivals
from bot.web import guard
from tests.adapters.doubles import dingtalk, feishu, matrix, slack, webhook, wecom
from tests.adapters.hostile import NOISE, TEXT, VALUE, Shown, hostile, hostile_xml, spoilt, written

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT = str(int(NOON.timestamp()))
PAYLOADS = Path(__file__).parent / "payloads"
SECONDS = 5.0
"""Of a processor's time for one example, most of which take a millisecond: a busy machine must not fail it."""
REFUSED = {400, 401, 404, 405, 413}


def examples(few: int) -> settings:
    """A few in the suite; as many as the profile says in `make fuzz`."""
    many = settings.default if settings.get_current_profile_name() == "fuzz" else None
    return settings(
        max_examples=many.max_examples if many else few,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )  # fmt: skip


def payloads(folder: str, pattern: str = "*") -> dict[str, Any]:
    files = sorted((PAYLOADS / folder).glob(f"{pattern}.json"))
    return {file.stem: json.loads(file.read_bytes()) for file in files if file.stem != "vectors"}


@contextmanager
def in_time() -> Iterator[None]:
    started = process_time()
    yield
    assert process_time() - started < SECONDS


class Inbox(list[Incoming]):
    """Takes what the store would take."""

    async def __call__(self, message: Incoming) -> None:
        arrivals.check(message)
        self.append(message)

    def taken(self) -> list[Incoming]:
        """Since the last time, each of them well-formed."""
        found = [*self]
        self.clear()
        for one in found:
            check(one)
        return found


def check(message: Incoming) -> None:
    for name in ("connection", "message_id", "sender"):
        assert arrivals._storable(getattr(message, name)), f"{name} is empty: {message}"
    for name in ("text", "action", "reply_to", "via"):
        assert isinstance(getattr(message, name), str)
    assert isinstance(message.group, bool)
    assert not (message.text and message.action)


# Over HTTP


@dataclass(frozen=True, repr=False)
class Way:
    """One way by which a platform calls: what it says in good faith, and how it seals and signs whatever it says."""

    name: str
    genuine: tuple[bytes, ...]
    nonsense: st.SearchStrategy[bytes]
    signed: Callable[[bytes], Request]

    def __repr__(self) -> str:
        return self.signed.__name__


def sealed(encrypted: str, name: str = "msg_signature") -> dict[str, str]:
    """The query with which WeCom signs what it encrypted."""
    return {"timestamp": AT, "nonce": "n1", name: sha1_of_sorted(wecom.TOKEN, AT, "n1", encrypted)}


def to_wecom(plain: bytes) -> Request:
    encrypted = wide_encrypt(wide_key(wecom.AES_KEY), plain, wecom.CORP)
    body = f"<xml><ToUserName>x</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()
    return Request("POST", sealed(encrypted), {"content-type": "text/xml"}, body)


def to_wecom_check(plain: bytes) -> Request:
    encrypted = wide_encrypt(wide_key(wecom.AES_KEY), plain, wecom.CORP)
    return Request("GET", sealed(encrypted) | {"echostr": encrypted}, {})


def to_wecom_outside(body: bytes) -> Request:
    """Nonsense around the seal instead of in it."""
    return Request("POST", sealed(""), {}, body)


def to_dingtalk(body: bytes) -> Request:
    return Request("POST", {}, {"timestamp": stamp(NOON), "sign": sign(dingtalk.CLIENT_SECRET, stamp(NOON))}, body)


def to_dingtalk_event(plain: bytes) -> Request:
    encrypted = wide_encrypt(wide_key(EVENTS["aes_key"]), plain, EVENTS["owner_key"])
    query = {"timestamp": AT, "nonce": "n1", "msg_signature": sha1_of_sorted(EVENTS["token"], AT, "n1", encrypted)}
    return Request("POST", query, {}, json.dumps({"encrypt": encrypted}).encode())


def to_feishu(plain: bytes) -> Request:
    body = json.dumps({"encrypt": feishu_encrypt(feishu.FeishuDouble.encrypt_key, plain)}).encode()
    return to_feishu_outside(body)


def to_feishu_outside(body: bytes) -> Request:
    return feishu.signed(body, AT, "n1", feishu.FeishuDouble.encrypt_key)


def to_feishu_legacy(body: bytes) -> Request:
    token = feishu.FeishuDouble.verification_token
    names = ("x-lark-request-timestamp", "x-lark-request-nonce", "x-lark-signature")
    signature = hashlib.sha1(f"{AT}n1{token}".encode() + body).hexdigest()
    return Request("POST", {}, dict(zip(names, (AT, "n1", signature), strict=True)), body)


def to_slack(body: bytes) -> Request:
    return slack.signed(body, NOON)


def to_slack_form(plain: bytes) -> Request:
    form = urlencode({"payload": plain}).encode()
    return slack.signed(form, NOON, "application/x-www-form-urlencoded")


def to_slack_form_outside(body: bytes) -> Request:
    return slack.signed(body, NOON, "application/x-www-form-urlencoded; charset=utf-8")


def to_webhook(body: bytes) -> Request:
    return webhook.signed(body, NOON)


EVENTS = dingtalk.vector("dingtalk-event-published-1")["inputs"]
XML = [file.read_text(encoding="utf-8") for file in sorted((PAYLOADS / "wecom").glob("app_*.xml"))]
FEISHU, DINGTALK, SLACK, PORTAL = (payloads(name) for name in ("feishu", "dingtalk", "slack", "webhook"))
LEGACY = {
    "open_id": "ou_1", "union_id": "on_1", "user_id": "u1", "open_message_id": "om_9", "token": "c-1",
    "action": {"value": {"value": "ack:42"}, "tag": "button"},
}  # fmt: skip


CHECK = {"type": "url_verification", "challenge": "c", "token": feishu.FeishuDouble.verification_token}


def ways(
    name: str, genuine: Mapping[str, Any], *signed: Callable[[bytes], Request], outside: bool = False
) -> list[Way]:
    """Ways of a platform that sends JSON; `outside` for those where a genuine body is not to be had so."""
    bodies = [*genuine.values()]
    sent = () if outside else tuple(json.dumps(one, ensure_ascii=False).encode() for one in bodies)
    return [Way(name, sent, hostile(bodies), one) for one in signed]


WAYS = (
    Way("wecom", tuple(one.encode() for one in XML), hostile_xml(XML), to_wecom),
    Way("wecom", (b"4093411932345621",), NOISE | hostile_xml(XML), to_wecom_check),
    Way("wecom", (), hostile_xml(XML), to_wecom_outside),
    *ways("dingtalk", DINGTALK, to_dingtalk),
    *ways("dingtalk", {"check": {"EventType": "check_url"}}, to_dingtalk_event),
    *ways("feishu", FEISHU | {"check": CHECK}, to_feishu),
    *ways("feishu", {"sealed": {"encrypt": "x"}, "legacy": LEGACY}, to_feishu_outside, outside=True),
    *ways("feishu", {"legacy": LEGACY}, to_feishu_legacy),
    *ways("slack", SLACK, to_slack, to_slack_form),
    *ways("slack", SLACK, to_slack_form_outside, outside=True),
    *ways("webhook", PORTAL, to_webhook),
)
GENUINE = [(way, plain) for way in WAYS for plain in way.genuine]
SEALED = (to_wecom, to_dingtalk_event)
"""Where only what is encrypted is signed, not what stands around it."""


def receivers() -> dict[str, Receiver]:
    """One of every platform that is called over HTTP, with everything that it can be configured to take."""
    keys = {"corp_id": wecom.CORP, "agent_id": wecom.AGENT, "secret": wecom.SECRET, "token": wecom.TOKEN}
    corp = WecomAppConfig(name="wecom", platform="wecom-app", encoding_aes_key=wecom.AES_KEY, **keys)
    events = {"event_token": EVENTS["token"], "event_aes_key": EVENTS["aes_key"], "event_owner": EVENTS["owner_key"]}
    ding = dingtalk.app_config("", session_url="https://oapi.dingtalk.com", mode="http", **events)
    far = feishu.FeishuDouble
    lark = {"app_id": far.app_id, "app_secret": far.app_secret, "encrypt_key": far.encrypt_key, "mode": "http"}
    lark |= {"verification_token": far.verification_token}
    county = FeishuAppConfig.model_validate({"name": "feishu", "platform": "feishu-app", "legacy_cards": True, **lark})
    now = noon
    return {
        "wecom": WecomAppAdapter(corp, wecom.Memory(), now),
        "dingtalk": DingTalkAppAdapter(ding, dingtalk.NoState(), now),
        "feishu": FeishuAppAdapter(county, feishu.NoState(), now),
        "slack": SlackAdapter(slack.config("https://slack.test"), slack.Remembered(), now),
        "webhook": WebhookAdapter(webhook.config("https://portal.test/"), webhook.NoState(), now),
    }


def noon() -> datetime:
    return NOON


RECEIVERS = receivers()


@dataclass
class Served:
    """The handler as it is served, and what it took."""

    port: int
    inbox: Inbox = field(repr=False)

    async def says(self, name: str, request: Request) -> int:
        """Call as a platform does. The status of the answer."""
        path = f"/hooks/{name}" + (f"?{urlencode(request.query)}" if request.query else "")
        headers = [f"{key}: {value}".encode() for key, value in request.headers.items()]
        head = [f"{request.method} {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close", *headers]
        head += [f"Content-Length: {len(request.body)}".encode()]
        return await self.raw(b"\r\n".join([*head, b"", request.body]))

    async def raw(self, data: bytes, *, end: bool = False) -> int:
        """Send bytes. The status of the answer, 0 for none; `end` for those after which more may be waited for."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        try:
            writer.write(data)
            if end:
                writer.write_eof()
            async with asyncio.timeout(60):
                answer = await reader.read()
        except ConnectionError:  # more than is read: the answer may get lost
            return 413 if len(data) > BIGGEST else 0
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    inbox = Inbox()
    app = web.Application(middlewares=[guard.explain_refusals, guard.require_own_page])
    app.on_response_prepare.append(guard.add_headers)
    app.add_routes(Webhooks(RECEIVERS, inbox, noon).routes())
    quiet = logging.getLogger("quiet")
    quiet.disabled = True
    runner = web.AppRunner(app, access_log=None, logger=quiet)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Served(runner.addresses[0][1], inbox)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("way", "plain"), GENUINE, ids=lambda one: repr(one) if isinstance(one, Way) else "")
async def test_in_good_faith_every_way_is_open(served: Served, way: Way, plain: bytes) -> None:
    assert await served.says(way.name, way.signed(plain)) in {200, 401}
    served.inbox.taken()


@pytest.mark.parametrize("way", WAYS, ids=repr)
@examples(12)
@given(data=st.data())
async def test_what_is_signed_is_read_or_refused(served: Served, way: Way, data: st.DataObject) -> None:
    nonsense = data.draw(way.nonsense)
    with in_time():
        status = await served.says(way.name, way.signed(nonsense))
    assert status in REFUSED | {200}
    assert not served.inbox.taken() or status == 200


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-0123456789_", min_size=1, max_size=12)
FRAMING = frozenset({"connection", "content-length", "transfer-encoding", "expect", "upgrade", "content-encoding"})
KNOWN = sorted({name for way in WAYS for name in way.signed(b"{}").headers} | {"authorization", "cookie", "x-duban"})
QUERIES = sorted({name for way in WAYS for name in way.signed(b"{}").query} | {"signature", "echostr", "encrypt"})
NAMES = (st.sampled_from(KNOWN) | TOKENS).filter(lambda name: name not in FRAMING)
VISIBLE = st.binary(max_size=80).map(lambda raw: bytes(sign for sign in raw if sign not in b"\r\n\0"))
VALUES = VISIBLE | st.sampled_from([AT, "", "n1", "v0=" + "0" * 64, "0" * 64, "v1,AAAA", "9" * 30]).map(str.encode)
PATHS = st.sampled_from([*RECEIVERS, *RECEIVERS, "", "x", "%00", "%ff", "a/b", "..", "." * 300]) | st.text(
    max_size=9
).map(quote)
METHODS = st.sampled_from(["POST"] * 5 + ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X-Y"])
BODIES = st.one_of(NOISE, *(way.nonsense for way in WAYS[3:6]), st.just(b"x" * (BIGGEST + 1)))


PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": partial(gzip.compress, mtime=0), "deflate": zlib.compress}


@st.composite
def unsigned(draw: st.DrawFn) -> bytes:
    """A whole request that no platform sent: its framing is right, whatever else it says."""
    query = draw(st.dictionaries(st.sampled_from(QUERIES) | TOKENS, VALUES | TEXT.map(outer), max_size=5))
    headers = [(name.encode(), draw(VALUES)) for name in draw(st.lists(NAMES, max_size=6))]
    body = draw(BODIES)
    packed = draw(st.sampled_from(["", "", "", "gzip", "deflate", "br", "gzip, gzip", "none"]))
    if packed:
        headers += [(b"Content-Encoding", packed.encode())]
        body = PACKED.get(packed, bytes)(body)
        body = draw(spoilt(body)) if draw(st.booleans()) else body
    if draw(st.booleans()):
        headers += [(b"Content-Length", str(len(body)).encode())]
    else:
        headers += [(b"Transfer-Encoding", b"chunked")]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:99], body[99:]) if part) + b"0\r\n\r\n"
    line = f"{draw(METHODS)} /hooks/{draw(PATHS)}?{urlencode(query)} HTTP/1.1".encode()
    named = [b"Host: localhost", b"Connection: close", *(name + b": " + value for name, value in headers)]
    return Shown(b"\r\n".join([line, *named, b"", body]))


def outer(text: str) -> bytes:
    return text[:500].encode("utf-8", "surrogatepass")


@examples(80)
@given(unsigned())
async def test_what_nobody_signed_is_refused(served: Served, request: bytes) -> None:
    with in_time():
        status = await served.raw(request)
    assert status in REFUSED
    assert not served.inbox


@examples(40)
@given(unsigned().flatmap(spoilt) | NOISE)
async def test_what_is_no_request_does_no_harm(served: Served, data: bytes) -> None:
    with in_time():
        status = await served.raw(data, end=True)
    assert status < 500
    assert not served.inbox


@st.composite
def wronged(draw: st.DrawFn) -> tuple[Way, Request, Request]:
    """A genuine request, and the same of which something that may be signed has become another."""
    way, plain = draw(st.sampled_from(GENUINE))
    genuine = way.signed(plain)
    if way.signed is not to_dingtalk and genuine.body and draw(st.booleans()):  # its signature covers no body
        return way, genuine, replace(genuine, body=draw(spoilt(genuine.body)))
    known = {"headers": dict(genuine.headers), "query": dict(genuine.query)}
    fields = [(part, name) for part, values in known.items() for name in values if name != "content-type"]
    part, name = draw(st.sampled_from(fields))
    change = st.sampled_from(["", AT, "0", "9" * 12, "x" * 500]) | spoilt(known[part][name].encode()).map(printable)
    known[part][name] = draw(change)
    return way, genuine, replace(genuine, query=known["query"], headers=known["headers"])


def printable(raw: bytes) -> str:
    return "".join(chr(sign) for sign in raw if 32 < sign < 127)


@examples(70)
@given(wronged())
async def test_what_is_wrongly_signed_says_nothing_else(served: Served, wrong: tuple[Way, Request, Request]) -> None:
    way, genuine, request = wrong
    assume(request != genuine)
    expected = RECEIVERS[way.name].receive(genuine, NOON)
    status = await served.says(way.name, request)
    told = served.inbox.taken()
    assert status in REFUSED | {200}
    if status != 200:
        assert not told
        return
    assert (*told,) == expected.messages
    if way.signed is to_feishu:
        assert b"challenge" in expected.response.body  # it needs the key, and is answered without a signature
    else:
        assert way.signed in SEALED
        assert request.body != genuine.body


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_what_was_signed_at_another_time_is_refused(way: Way) -> None:
    for plain in way.genuine:
        for off in (timedelta(hours=9), -timedelta(hours=9)):
            with suppress(UnverifiedError):
                assert not RECEIVERS[way.name].receive(way.signed(plain), NOON + off).messages


# Over long connections


@dataclass
class Socket:
    """A connection on which the far end says all it has to say, and then closes it. `sent` is what it was answered."""

    said: list[aiohttp.WSMessage]
    sent: list[bytes | str] = field(default_factory=list)

    async def receive(self, timeout: float = 0) -> aiohttp.WSMessage:  # noqa: ASYNC109  aiohttp's own
        del timeout
        await asyncio.sleep(0)
        return self.said.pop(0) if self.said else aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> aiohttp.WSMessage:
        found = await self.receive()
        if found.type is aiohttp.WSMsgType.CLOSED:
            raise StopAsyncIteration
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def send_str(self, text: str) -> None:
        self.sent.append(text.encode().decode())

    async def send_bytes(self, data: bytes) -> None:
        self.sent.append(data)

    async def close(self) -> None:
        self.said.clear()


def text_frame(text: bytes) -> aiohttp.WSMessage:
    """The library takes only UTF-8 as text."""
    return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, text.decode("utf-8", "replace"), None)


def binary_frame(data: bytes) -> aiohttp.WSMessage:
    return aiohttp.WSMessage(aiohttp.WSMsgType.BINARY, data, None)


class Dial:
    """In place of calls: one answer to every one of them."""

    def __init__(self, answer: Answer, session: object = None) -> None:
        self.base, self.answer, self.session = "https://open.feishu.test", answer, session

    async def call(self, *_: object, **__: object) -> Answer:
        return self.answer


CONFIGURED = st.fixed_dictionaries({"PingInterval": VALUE}) | VALUE
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["type", "sum", "seq", "message_id", "x"]),
        st.sampled_from(["event", "card", "pong", "2", "1", "0", "-1", "9" * 5_000, "²", ""]),
    ),
    max_size=4,
).map(tuple)
EVENTFUL = st.sampled_from(((("type", "event"),), (("type", "card"),), (("type", "event"), ("sum", "1"), ("seq", "0"))))
FEISHU_FRAMES = st.builds(
    Frame,
    seq_id=st.integers(0, 2**64 - 1),
    method=st.sampled_from([DATA] * 4 + [CONTROL, -1]),
    headers=EVENTFUL | HEADERS,
    payload=hostile([*FEISHU.values()]),
)
PONGS = st.builds(Frame, headers=st.just((("type", "pong"),)), payload=written(CONFIGURED))
FEISHU_BYTES = (FEISHU_FRAMES | PONGS).map(Frame.encoded)


async def taking(inbox: Inbox) -> Callable[[bytes], Any]:
    """What Feishu's adapter does with an event of the long connection."""
    far = feishu.FeishuDouble
    keys = {"name": "feishu", "platform": "feishu-app", "app_id": far.app_id, "app_secret": far.app_secret}
    app, taken = FeishuAppAdapter(FeishuAppConfig.model_validate(keys), feishu.NoState(), noon), list[Any]()

    async def run(take: Callable[[bytes], Any]) -> None:
        taken.append(take)

    vars(app)["_socket"] = SimpleNamespace(run=run)
    await app.listen(inbox)
    return taken[0]  # type: ignore[no-any-return]


@examples(40)
@given(st.lists(FEISHU_BYTES | FEISHU_BYTES.flatmap(spoilt) | NOISE, max_size=4))
async def test_frames_of_feishu_are_taken_or_left(said: list[bytes]) -> None:
    inbox, socket = Inbox(), Socket([binary_frame(data) for data in said])
    line = LongConnection(Dial(Answer(200, {}, "")), "feishu", "app", "secret")  # type: ignore[arg-type]
    take = await taking(inbox)
    with in_time():
        async with asyncio.TaskGroup() as tasks:
            await line._read(socket, take, tasks)  # type: ignore[arg-type]
    assert 1.0 <= line.ping_every <= 600.0
    for one in socket.sent:
        assert isinstance(one, bytes)
        assert json.loads(decode(one).payload)["code"] in {200, 500}
    assert len(inbox.taken()) <= len(socket.sent)


@examples(40)
@given(hostile([*FEISHU.values()]))
async def test_an_event_of_feishu_is_read_or_malformed(payload: bytes) -> None:
    inbox = Inbox()
    with in_time(), suppress(MalformedError):
        await (await taking(inbox))(payload)
    inbox.taken()


@examples(40)
@given(FEISHU_BYTES | FEISHU_BYTES.flatmap(spoilt) | NOISE)
def test_a_frame_of_feishu_is_read_or_malformed(data: bytes) -> None:
    with in_time(), suppress(MalformedError):
        frame, parts = decode(data), Parts()
        assert decode(frame.encoded()) == frame
        parts.whole(frame)


LEADS = [
    {"code": 0, "msg": "", "data": {"URL": url, "ClientConfig": {"PingInterval": 120, "ReconnectCount": -1}}}
    for url in (
        "wss://open.feishu.test/ws?device_id=1&service_id=7",
        "wss://x.feishu.test:443/?service_id=" + "9" * 5_000,
    )
]


@examples(40)
@given(hostile(LEADS))
async def test_where_feishu_says_to_connect_is_an_address_or_refused(said: bytes) -> None:
    answer = Answer(200, {}, said.decode("utf-8", "replace"))
    line = LongConnection(Dial(answer), "feishu", "app", "secret")  # type: ignore[arg-type]
    with in_time(), suppress(RetryError, ConfigurationError):
        url = await line.address()
        assert url.startswith("wss://")
        assert _service(urlsplit(url)) >= 0
    assert 1.0 <= line.ping_every <= 600.0


def stream_frame(topic: str, data: bytes, kind: str = "CALLBACK") -> dict[str, Any]:
    headers = {
        "appId": "a",
        "contentType": "application/json",
        "messageId": "m1",
        "time": "1767225600000",
        "topic": topic,
    }
    return {"specVersion": "1.0", "type": kind, "headers": headers, "data": data.decode("utf-8", "replace")}


CLICKS = {name: body for name, body in DINGTALK.items() if name.startswith("click")}
STREAMED = st.one_of(
    st.builds(stream_frame, st.just(dingtalk.MESSAGES), hostile([*DINGTALK.values()])),
    st.builds(stream_frame, st.just(dingtalk.CLICKS), hostile([*CLICKS.values()])),
    st.builds(stream_frame, st.sampled_from(["ping", "disconnect", "x"]), NOISE, st.sampled_from(["SYSTEM", "EVENT"])),
)
PUSHED = [
    *(stream_frame(dingtalk.CLICKS, json.dumps(body).encode()) for body in CLICKS.values()),
    *(stream_frame(dingtalk.MESSAGES, json.dumps(body).encode()) for body in DINGTALK.values()),
]
STREAM_BYTES = written(STREAMED) | hostile(PUSHED)
DING = DingTalkAppAdapter(
    dingtalk.app_config("https://api.dingtalk.test", session_url="https://oapi.dingtalk.com"), dingtalk.NoState(), noon
)


def gateway(dial: Dial) -> Gateway:
    return Gateway(dial, "id", "secret", "", plain_allowed=False)  # type: ignore[arg-type]


@examples(40)
@given(st.lists(STREAM_BYTES, max_size=4))
async def test_frames_of_dingtalk_are_taken_and_answered(said: list[bytes]) -> None:
    inbox, socket = Inbox(), Socket([text_frame(text) for text in said])
    session = SimpleNamespace(ws_connect=lambda *_, **__: socket)
    stream = Stream(gateway(Dial(Answer(200, {}, ""), session)), DING._reader, lambda _: RetryError(""))
    with in_time():
        await stream._converse(URL("wss://x.dingtalk.com"), inbox)
    for one in socket.sent:
        assert json.loads(one)["code"] in {200, 400, 404}
    assert len(inbox.taken()) <= len(socket.sent)


@examples(40)
@given(STREAM_BYTES)
def test_a_frame_of_dingtalk_is_read_or_malformed(text: bytes) -> None:
    stream = Stream(gateway(Dial(Answer(200, {}, ""))), DING._reader, lambda _: RetryError(""))
    frame = StreamFrame.read(text.decode("utf-8", "replace"))
    with in_time(), suppress(MalformedError):
        message = stream._read(frame)
        if message is not None:
            arrivals.check(message)
            check(message)


@examples(40)
@given(hostile([{"endpoint": "wss://wss-open-connection.dingtalk.com:443/connect", "ticket": "t+/="}]))
def test_where_dingtalk_says_to_connect_is_an_address_or_refused(said: bytes) -> None:
    answer = Answer(200, {}, said.decode("utf-8", "replace"))
    with in_time(), suppress(RetryError, ConfigurationError):
        assert gateway(Dial(answer)).address(answer).scheme == "wss"


BOT_BODIES = [*payloads("wecom", "bot_*").values()]
BOT_FRAMES = [
    {
        "cmd": "aibot_event_callback" if "event" in body else "aibot_msg_callback",
        "headers": {"req_id": "r1"},
        "body": body,
    }
    for body in BOT_BODIES
]
ANSWERS = [{"headers": {"req_id": "asked"}, "errcode": code, "errmsg": "ok"} for code in (0, 846605)]


@examples(40)
@given(st.lists(hostile(BOT_FRAMES) | hostile(ANSWERS), max_size=4))
async def test_frames_of_a_wecom_bot_are_heard_or_passed_over(said: list[bytes]) -> None:
    config = WecomBotConfig.model_validate(
        {"name": "bot", "platform": "wecom-bot", "bot_id": wecom.BOT, "secret": wecom.BOT_SECRET, "bot_name": "督办"}
    )
    bot, inbox = WecomBotAdapter(config, wecom.Memory(), noon), Inbox()
    line = Line(Socket([text_frame(text) for text in said]))  # type: ignore[arg-type]
    asked: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
    line._waiting["asked"] = asked
    with in_time():
        await line._read()
        while (frame := line.frames.get_nowait()) is not None:
            with suppress(ConfigurationError):
                await asyncio.wait_for(bot._hear(frame, inbox), 5)
    with suppress(RetryError):
        answer = await asked
        assert isinstance(refusal(_code(answer), answer.get("errmsg", ""), FAULTS), AdapterError)
    inbox.taken()


# Asked for


ROOM = "!group:hs.test"
TIMELINE, INVITE, EDITED = (payloads("matrix")[name] for name in ("timeline", "invite", "edited"))
SYNCS = [
    {
        "next_batch": "s2",
        "rooms": {"join": {ROOM: {"timeline": TIMELINE, "state": {"events": []}}}, "invite": {"!new:hs.test": INVITE}},
    },
    {"next_batch": "s2", "rooms": {"join": {ROOM: {"timeline": {**TIMELINE, "limited": True, "prev_batch": "p"}}}}},
]
TOLD: dict[str, list[Any]] = {
    "/sync": SYNCS,
    "/whoami": [{"user_id": matrix.BOT}],
    "/profile": [{"displayname": "督办"}],
    "/joined_members": [{"joined": {matrix.BOT: {}, matrix.ZHANG: {}}}, {"joined": {str(n): {} for n in range(3)}}],
    "/event/": [
        EDITED,
        {**EDITED, "content": {**EDITED["content"], "duban.key": "7", "duban.buttons": {"✅": "ack:7"}}},
    ],
    "/messages": [{"chunk": TIMELINE["events"], "end": "e"}, {"chunk": []}],
    "/account_data": [{matrix.ZHANG: [ROOM]}],
    "/createRoom": [{"room_id": "!made:hs.test"}],
    "/state/m.room.member": [{"membership": "join"}],
    "/state/": [{"errcode": "M_NOT_FOUND"}],
    "": [{}],
}
STATUSES = st.sampled_from([200] * 12 + [400, 401, 403, 404])
SERVER = st.fixed_dictionaries({place: st.tuples(STATUSES, hostile(bodies)) for place, bodies in TOLD.items()})
KINDLY = st.fixed_dictionaries(
    {
        place: st.tuples(st.just(200), st.sampled_from([json.dumps(one).encode() for one in bodies]))
        for place, bodies in TOLD.items()
    }
)


class Server:
    """A homeserver that says what it is told to say, whatever that is."""

    base = "https://hs.test"

    def __init__(self, said: Mapping[str, tuple[int, bytes]]) -> None:
        self.said = said

    async def call(self, _: str, path: str, **more: Any) -> Answer:
        URL(f"{self.base}{path}").with_query(more.get("query"))
        json.dumps(more.get("body"), ensure_ascii=False).encode()
        place = next(place for place in TOLD if place in path)
        status, body = self.said[place]
        status = 404 if place == "/state/" and status == 200 else status
        return Answer(status, {}, body.decode("utf-8", "replace"))


@st.composite
def servers(draw: st.DrawFn) -> dict[str, tuple[int, bytes]]:
    """A server that is out of its mind, wholly or in one place."""
    if draw(st.integers(0, 3)) == 0:
        return draw(SERVER)
    said, place = draw(KINDLY), draw(st.sampled_from([*TOLD, "/sync", "/sync"]))
    return {**said, place: (draw(STATUSES), draw(hostile(TOLD[place])))}


@examples(40)
@given(servers(), st.sampled_from(["", "s1"]))
async def test_what_a_matrix_server_says_is_heard_or_passed_over(
    said: dict[str, tuple[int, bytes]], since: str
) -> None:
    config = MatrixConfig.model_validate(
        {"name": "matrix", "platform": "matrix", "base_url": "https://hs.test", "access_token": matrix.TOKEN}
    )

    class Since(matrix.Memory):
        async def get(self, key: str) -> str:  # type: ignore[override]  # the contract's name
            return since if key.startswith("sync:") and key not in self else await super().get(key)

    bot, inbox = MatrixAdapter(config, Since(), noon), Inbox()
    vars(bot)["_http"] = Server(said)
    with in_time(), suppress(AdapterError):
        for _ in range(3):
            await bot._round(inbox)
    inbox.taken()


# What was found so


@pytest.mark.parametrize("packed", [b"no gzip", gzip.compress(b"{}", mtime=0)[:-4], b"\x1f\x8b"])
async def test_a_body_that_is_not_packed_as_claimed_is_malformed(served: Served, packed: bytes) -> None:
    for name in RECEIVERS:
        request = Request("POST", {}, {"Content-Encoding": "gzip"}, packed)
        assert await served.says(name, request) in {400, 401}


async def test_a_bomb_is_too_much_however_small_it_comes(served: Served) -> None:
    request = Request("POST", {}, {"Content-Encoding": "gzip"}, gzip.compress(bytes(50 * BIGGEST)))
    assert await served.says("slack", request) == 413


LONG = "x" * (LONGEST_SENDER + 1)


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("wecom", to_wecom(XML[-1].replace("zhangsan", LONG).encode())),
        ("feishu", to_feishu(json.dumps(FEISHU["direct_text"]).replace('"ou_1"', f'"{LONG}"').encode())),
        ("dingtalk", to_dingtalk(json.dumps(DINGTALK["message_direct"] | {"senderStaffId": LONG}).encode())),
        ("slack", to_slack(json.dumps(SLACK["direct"]).replace("U0ZHANG01", LONG).encode())),
        ("webhook", to_webhook(json.dumps(PORTAL["reply_text"]).replace("zhang", LONG).encode())),
    ],
)
async def test_a_sender_that_no_column_holds_is_malformed(served: Served, name: str, request_: Request) -> None:
    assert LONG.encode() in request_.body or name in {"wecom", "feishu"}
    assert await served.says(name, request_) == 400


@pytest.mark.parametrize("changed", [{"from": {"userid": LONG}}, {"aibotid": LONG}, {"msgid": "\0"}, {"msgid": ["x"]}])
def test_an_id_that_no_column_holds_is_no_message_of_a_bot(changed: dict[str, Any]) -> None:
    body = payloads("wecom", "bot_single_text")["bot_single_text"]
    assert read(body, "bot", "r") is not None
    assert read(body | changed, "bot", "r") is None


async def test_a_number_without_measure_does_not_end_a_connection_to_feishu() -> None:
    pong = Frame(method=CONTROL, headers=(("type", "pong"),), payload=b'{"PingInterval": 1%s}' % (b"0" * 400))
    line = LongConnection(Dial(Answer(200, {}, "")), "feishu", "app", "secret")  # type: ignore[arg-type]
    assert line._event(pong.encoded(), Parts()) is None
    assert line.ping_every == 600.0
    assert _service(urlsplit(f"wss://x/?service_id={'9' * 5_000}")) == 0
    assert _service(urlsplit("wss://x/?service_id=33")) == 33


@pytest.mark.parametrize("host", ["[", "x.dingtalk.com:99999999", "x.dingtalk.com:x", "x..dingtalk.com"])
async def test_an_address_that_is_none_is_asked_for_again(host: str) -> None:
    answer = Answer(200, {}, json.dumps({"endpoint": f"wss://{host}/connect", "ticket": "t"}))
    async with aiohttp.ClientSession() as session:
        dial = Dial(answer, session)
        stream = Stream(gateway(dial), DING._reader, lambda _: RetryError(""))
        with pytest.raises(RetryError):
            await stream._converse(gateway(dial).address(answer), Inbox())
