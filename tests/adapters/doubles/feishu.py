"""Feishu on loopback: what its documents say an app, a custom bot and a long connection get to see, faults included."""

import asyncio
import hashlib
import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from adapters.base import Request
from adapters.crypto import b64, feishu_encrypt, hmac_sha256, unb64
from adapters.feishu_frame import CONTROL, DATA, Frame, decode

PAYLOADS = Path(__file__).parent.parent / "payloads" / "feishu"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
BEGINNINGS = {"open_id": "ou_", "union_id": "on_", "chat_id": "oc_"}
AT = re.compile(r"<at\s+(?:user_id|open_id|id|email)\s*=\s*[\"']?([^\"'>\s]*)[^>]*>(?:[^<]*</at>)?")
"""More lenient than the documents: what might be a mention is one."""
ONE_UUID = timedelta(hours=1)


@dataclass
class Failure:
    """The next answer: a code in a body, a bare status, or no answer. `after` does the work first."""

    code: int | None = None
    status: int = 400
    message: str = "refused"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    after: bool = False


def payload(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_bytes())
    return found


class NoState:
    """A memory nobody writes to: Feishu's adapters remember nothing."""

    async def get(self, key: str) -> str:
        raise AssertionError(key)

    async def put(self, key: str, value: str) -> None:
        raise AssertionError(key, value)


class FeishuDouble:
    app_id, app_secret = "cli_0001", "AppSecretThatNobodyMaySee0001"
    encrypt_key, verification_token = "FeishuEncryptKey-0001", "feishuVerifyToken0001"
    hook, hook_secret = "hook-ThatNobodyMaySee-0001", "FeishuBotSecret0001"

    def __init__(self, now: Callable[[], datetime] = lambda: NEW_YEAR) -> None:
        self.now = now
        self.messages: dict[str, dict[str, Any]] = {}
        self.said: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.failures: dict[str, deque[Failure]] = defaultdict(deque)
        self.strangers: set[str] = set()
        self.heard: set[str] = set()
        self.keyword = ""
        self.may_send = self.bot_on = True
        self.sockets: list[web.WebSocketResponse] = []
        self.pings: list[Frame] = []
        self.answers: asyncio.Queue[Frame] = asyncio.Queue()
        self.client_config: dict[str, Any] = {"PingInterval": 60, "ReconnectInterval": 120}
        self.ws_host = ""
        self.handshake: dict[str, str] = {}
        self.connected = asyncio.Event()
        self._uuids: dict[str, tuple[str, datetime]] = {}
        self._tokens: set[str] = set()
        self._numbers = count(1)
        self._stop = asyncio.Event()
        app = web.Application()
        messages = "/open-apis/im/v1/messages"
        app.router.add_post("/open-apis/auth/v3/tenant_access_token/internal", self._on_token)
        app.router.add_post(messages, self._on_send)
        app.router.add_post(messages + "/{id}/reply", self._on_reply)
        app.router.add_patch(messages + "/{id}", self._on_update)
        app.router.add_post("/open-apis/bot/v2/hook/{token}", self._on_hook)
        app.router.add_post("/callback/ws/endpoint", self._on_endpoint)
        app.router.add_get("/ws/v2", self._on_socket)
        self.server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self.server.start_server(access_log=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self.drop()
        await self.server.close()

    @property
    def base(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    def fail(self, where: str, *failures: Failure) -> None:
        self.failures[where].extend(failures)

    def expire_tokens(self) -> None:
        self._tokens.clear()

    # What it pushes

    def words(self, person: str, text: str) -> dict[str, Any]:
        """The event of somebody's direct message, which answers no other."""
        event = self._event("direct_text", person)
        message = event["event"]["message"]
        del message["parent_id"], message["root_id"]
        message["message_id"] = f"om_{next(self._numbers)}"
        message["content"] = json.dumps({"text": text})
        message["create_time"] = event["header"]["create_time"]
        return event

    def words_in_group(self, person: str, text: str, *, called: bool) -> dict[str, Any]:
        """The event of what somebody writes in a group; `heard` keeps the ids of those messages."""
        event = self._event("group_text_at_end" if called else "group_not_meant", person)
        message = event["event"]["message"]
        message["message_id"] = f"om_{next(self._numbers)}"
        message["content"] = json.dumps({"text": f"@_user_1 {text}" if called else text})
        message["create_time"] = event["header"]["create_time"]
        self.heard.add(message["message_id"])
        return event

    def click(self, person: str, message: str, label: str) -> dict[str, Any]:
        """The event of somebody's press of a button that the card has now."""
        (value,) = [value for shown, value in buttons(self.messages[message]) if shown == label]
        event = self._event("click", person)
        event["event"]["token"] = f"c-{next(self._numbers)}"
        event["event"]["action"]["value"] = value
        event["event"]["context"]["open_message_id"] = message
        return event

    def _event(self, name: str, person: str) -> dict[str, Any]:
        event = payload(name)
        event["header"]["event_id"] = f"evt-{next(self._numbers)}"
        event["header"]["create_time"] = str(int(self.now().timestamp() * 1000))
        who = event["event"].get("operator") or event["event"]["sender"]["sender_id"]
        who["open_id"], who["union_id"] = person, person.replace("ou_", "on_", 1)
        return event

    def request(self, event: Mapping[str, Any], *, time: datetime | None = None) -> Request:
        """The event as an encrypted, signed HTTP request."""
        body = json.dumps({"encrypt": feishu_encrypt(self.encrypt_key, json.dumps(event).encode())}).encode()
        timestamp, nonce = str(int((time or self.now()).timestamp())), f"n{next(self._numbers)}"
        return signed(body, timestamp, nonce, self.encrypt_key)

    async def push(self, event: Mapping[str, Any] | bytes, *, parts: int = 1, backwards: bool = False) -> None:
        """The event as frames of the long connection, on the newest socket; the answer lands in `answers`."""
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        size = -(-len(data) // parts)
        name = f"frame-{next(self._numbers)}"
        frames = []
        for number in range(parts):
            headers = {"type": "event", "message_id": name, "trace_id": "t1", "sum": str(parts), "seq": str(number)}
            cut = data[number * size : (number + 1) * size]
            frames.append(Frame(7, 8, 33, DATA, tuple(headers.items()), payload=cut, log_id_new="log"))
        for frame in reversed(frames) if backwards else frames:
            await self.sockets[-1].send_bytes(frame.encoded())

    async def answer(self) -> tuple[int, Any]:
        """The next answer to a push: its code, and what it carries."""
        frame = await asyncio.wait_for(self.answers.get(), 5)
        said = json.loads(frame.payload)
        return said["code"], json.loads(unb64(said["data"])) if said.get("data") else None

    async def drop(self) -> None:
        for socket in list(self.sockets):
            await socket.close()
        self.sockets.clear()
        self.connected.clear()

    # What it is asked

    async def _failed(self, where: str, request: web.Request, *, after: bool) -> web.StreamResponse | None:
        waiting = self.failures[where]
        if not waiting or waiting[0].after is not after:
            return None
        failure = waiting.popleft()
        if failure.hang:
            await self._stop.wait()
        if failure.reset and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if failure.code is None:
            return web.Response(status=failure.status, headers=failure.headers, text="<html>busy</html>")
        return refused(failure.code, failure.message, failure.status, failure.headers)

    async def _on_token(self, request: web.Request) -> web.StreamResponse:
        self.calls["token"] += 1
        if failed := await self._failed("token", request, after=False):
            return failed
        asked = await request.json()
        if asked["app_id"] != self.app_id:
            return refused(10003, "invalid param")
        if asked["app_secret"] != self.app_secret:
            return refused(10014, f"app secret invalid: {asked['app_secret']}")
        token = f"t-{next(self._numbers)}-tokenThatNobodyMaySee"
        self._tokens.add(token)
        await asyncio.sleep(0.01)
        return web.json_response({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7200})

    def _stale(self, request: web.Request) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self._tokens:
            return refused(99991663, f"Invalid access token for authorization: {token}")
        if not self.may_send:
            return refused(99991672, "Access denied. One of the following scopes is required: [im:message]")
        return None if self.bot_on else refused(230006, "Bot ability is not activated.")

    async def _on_send(self, request: web.Request) -> web.StreamResponse:
        self.calls["send"] += 1
        if failed := await self._failed("send", request, after=False) or self._stale(request):
            return failed
        asked, kind = await request.json(), request.query.get("receive_id_type", "")
        receiver = asked.get("receive_id", "")
        if not receiver or kind not in ("open_id", "union_id", "user_id", "email", "chat_id"):
            return refused(99992402, "field validation failed")
        if not receiver.startswith(BEGINNINGS.get(kind, "")):
            return refused(99992351, "invalid receive_id")
        if receiver in self.strangers:
            return refused(230013, "Bot has NO availability to this user.")
        return await self._take(request, asked, {"to": receiver, "kind": kind}, "send")

    async def _on_reply(self, request: web.Request) -> web.StreamResponse:
        self.calls["reply"] += 1
        if failed := await self._failed("reply", request, after=False) or self._stale(request):
            return failed
        return await self._take(request, await request.json(), {"answers": request.match_info["id"]}, "reply")

    async def _take(
        self, request: web.Request, asked: dict[str, Any], about: dict[str, Any], where: str
    ) -> web.StreamResponse:
        uuid = asked.get("uuid", "")
        if len(uuid) > 50:
            return refused(230001, "invalid uuid")
        largest = 30_720 if asked["msg_type"] == "interactive" else 153_600
        if (request.content_length or 0) > largest:
            return refused(230025, "The length of the message content reaches its limit.")
        if fault := unfit(asked["msg_type"], asked["content"]):
            return refused(230099, fault)
        name, sent = self._uuids.get(uuid, ("", self.now()))
        if not name or self.now() - sent >= ONE_UUID:
            name = f"om_{next(self._numbers)}"
            content = json.loads(asked["content"])
            mentions = mentioned(asked["msg_type"], content)
            self.messages[name] = {**about, "type": asked["msg_type"], "content": content, "mentions": mentions}
            if uuid:
                self._uuids[uuid] = name, self.now()
        if failed := await self._failed(where, request, after=True):
            return failed
        return web.json_response({"code": 0, "msg": "success", "data": {"message_id": name, "chat_id": "oc_1"}})

    async def _on_update(self, request: web.Request) -> web.StreamResponse:
        self.calls["update"] += 1
        if failed := await self._failed("update", request, after=False) or self._stale(request):
            return failed
        found = self.messages.get(request.match_info["id"])
        content = (await request.json())["content"]
        if found is None or found["type"] != "interactive":
            return refused(230001, "invalid message_id")
        if fault := unfit("interactive", content):
            return refused(230099, fault)
        found["content"] = json.loads(content)
        found["mentions"] = mentioned("interactive", found["content"])
        return web.json_response({"code": 0, "msg": "success", "data": {}})

    async def _on_hook(self, request: web.Request) -> web.StreamResponse:
        self.calls["hook"] += 1
        if failed := await self._failed("hook", request, after=False):
            return failed
        asked = await request.json()
        text = asked.get("content", {}).get("text", "")
        if refusal := self._hook_refusal(request, asked, text):
            return refused(*refusal, status=200)
        self.said.append({"text": text, "mentions": AT.findall(text)})
        done = {"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"}
        return await self._failed("hook", request, after=True) or web.json_response(done)

    def _hook_refusal(self, request: web.Request, asked: dict[str, Any], text: str) -> tuple[int, str] | None:
        if request.match_info["token"] != self.hook:
            return 19001, "param invalid: incoming webhook access token invalid"
        if not self._is_signed(asked):
            return 19021, "sign match fail or timestamp is not within one hour from current time"
        if (request.content_length or 0) > 20_480 or asked.get("msg_type") != "text":
            return 9499, "Bad Request"
        return None if self.keyword in text else (19024, "Key Words Not Found")

    def _is_signed(self, asked: dict[str, Any]) -> bool:
        timestamp = str(asked.get("timestamp", "0"))
        expected = b64(hmac_sha256(f"{timestamp}\n{self.hook_secret}".encode(), b""))
        return asked.get("sign") == expected and abs(self.now().timestamp() - int(timestamp)) <= 3600

    async def _on_endpoint(self, request: web.Request) -> web.StreamResponse:
        self.calls["endpoint"] += 1
        if failed := await self._failed("endpoint", request, after=False):
            return failed
        asked = await request.json()
        if (asked["AppID"], asked["AppSecret"]) != (self.app_id, self.app_secret):
            return refused(514, "auth failed", 200)
        host = self.ws_host or self.base.replace("http", "ws", 1)
        url = f"{host}/ws/v2?device_id=d1&service_id=33&ticket=ticketThatNobodyMaySee"
        return web.json_response({"code": 0, "msg": "", "data": {"URL": url, "ClientConfig": self.client_config}})

    async def _on_socket(self, request: web.Request) -> web.StreamResponse:
        self.calls["socket"] += 1
        if self.handshake:
            self.connected.set()
            return web.Response(status=400, headers=self.handshake)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        self.connected.set()
        try:
            await self._hear(socket)
        finally:
            self._forget(socket)
        return socket

    async def _hear(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            frame = decode(message.data)
            if frame.method == DATA:
                self.answers.put_nowait(frame)
            elif not self.failures["pong"]:
                self.pings.append(frame)
                said = json.dumps(self.client_config).encode()
                pong = Frame(service=frame.service, method=CONTROL, headers=(("type", "pong"),), payload=said)
                await socket.send_bytes(pong.encoded())

    def _forget(self, socket: web.WebSocketResponse) -> None:
        """Nothing more is pushed to a connection that ended."""
        if socket in self.sockets:
            self.sockets.remove(socket)
            if not self.sockets:
                self.connected.clear()


def refused(code: int, message: str, status: int = 400, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"code": code, "msg": message, "data": {}}, status=status, headers=headers)


def signed(body: bytes, timestamp: str, nonce: str, key: str) -> Request:
    claimed = hashlib.sha256(f"{timestamp}{nonce}{key}".encode() + body).hexdigest()
    names = ("x-lark-request-timestamp", "x-lark-request-nonce", "x-lark-signature")
    headers = dict(zip(names, (timestamp, nonce, claimed), strict=True))
    return Request("POST", {}, {"content-type": "application/json", **headers}, body)


def elements(message: dict[str, Any]) -> list[dict[str, Any]]:
    """What a card consists of; nothing for a text."""
    found: list[dict[str, Any]] = message["content"].get("body", {}).get("elements", [])
    return found


def buttons(message: dict[str, Any]) -> list[tuple[str, Any]]:
    """The labels of a card's buttons, and what each sends back."""
    found = [element for element in elements(message) if element["tag"] == "button"]
    return [(button["text"]["content"], button["behaviors"][0]["value"]) for button in found]


def words(message: dict[str, Any]) -> str:
    """A message's text, mentions as people see them."""
    if message["type"] == "text":
        return AT.sub(r"@\1", message["content"]["text"])
    lines = [
        element.get("content") or element["text"]["content"]
        for element in elements(message)
        if element["tag"] in ("div", "markdown")
    ]
    return "\n".join(lines)


def mentioned(kind: str, content: dict[str, Any]) -> list[str]:
    """Whom a message calls. In a card only Markdown can: plain text is shown as it stands."""
    if kind == "text":
        return AT.findall(content["text"])
    parts = [part for element in elements({"content": content}) for part in (element, element.get("text", {}))]
    return [who for part in parts if part.get("tag") in ("markdown", "lark_md") for who in AT.findall(part["content"])]


def unfit(kind: str, content: str) -> str:
    """Why Feishu would not take this content; empty if it would."""
    found = json.loads(content)
    if kind == "text":
        return "" if found.get("text") else "empty text"
    elements = found.get("body", {}).get("elements", [])
    if found.get("schema") != "2.0" or found.get("config", {}).get("update_multi") is not True or not elements:
        return "not a card of version 2.0 that can be updated"
    buttons = [element for element in elements if element["tag"] == "button"]
    fit = all(
        button["type"] in ("default", "primary", "danger")
        and button["text"]["tag"] == "plain_text"
        and button["behaviors"][0]["type"] == "callback"
        and isinstance(button["behaviors"][0]["value"], dict)
        for button in buttons
    )
    return "" if fit else "Failed to create card content"
