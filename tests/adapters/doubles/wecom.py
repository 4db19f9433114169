"""A loopback WeCom: group robots, a self-built application with its callbacks, an AI bot's long connection.

Strict where the platform is (limits, unknown ids, one connection a bot), with the faults it is known for.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal, Self
from uuid import uuid4

from aiohttp import WSMsgType, web

from adapters.base import Request
from adapters.crypto import sha1_of_sorted, wide_encrypt, wide_key

CORP, AGENT, SECRET = "wwa1b2c3d4e5f60718", 1000002, "App-Secret-0123456789-abcdefghijklmnopqrstu"
TOKEN, AES_KEY = "PlatToken2026", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
ROBOT_KEY = "693a91f6-7000-4bc4-97a0-0ec2sifa5aaa"
BOT, BOT_SECRET = "AIBOT1", "Bot-Secret-0123456789-abcdefghijklmnopqrstu"
GROUP = "wrCHATID1"
CLICK_WINDOW = 5.0
UNDOCUMENTED = 999999
TASK = re.compile(r"[0-9A-Za-z_\-@]{1,128}")

Fault = int | Literal["502", "429", "html", "hang", "reset"]


class Memory(dict[str, str]):
    """What an adapter remembers."""

    async def get(self, key: str) -> str:  # type: ignore[override]  # the contract's name
        return super().get(key, "")

    async def put(self, key: str, value: str) -> None:
        self[key] = value


@dataclass
class Wecom:
    """The platform's side. `faults` are what the next calls of a path meet, in order."""

    members: set[str] = field(default_factory=lambda: {"zhangsan", "lisi"})
    unlicensed: set[str] = field(default_factory=set)
    faults: dict[str, deque[Fault]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    delivered: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    talked: set[str] = field(default_factory=lambda: {"zhangsan", GROUP})
    secret: str = SECRET
    robot_key: str = ROBOT_KEY
    date: str = ""
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: bool = False
    _codes: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    _line: web.WebSocketResponse | None = None
    _pressed: set[str] = field(default_factory=set)
    _clicks: dict[str, tuple[str, float]] = field(default_factory=dict)
    _runner: web.AppRunner | None = None
    base: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/cgi-bin/webhook/send", self._robot)
        app.router.add_get("/cgi-bin/gettoken", self._gettoken)
        app.router.add_get("/cgi-bin/agent/get", self._agent)
        app.router.add_post("/cgi-bin/message/send", self._send)
        app.router.add_post("/cgi-bin/message/update_template_card", self._update)
        app.router.add_post("/cgi-bin/appchat/send", self._appchat)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/moved", self._moved)
        app.on_response_prepare.append(self._dated)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._line is not None:
            await self._line.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _dated(self, _: web.Request, response: web.StreamResponse) -> None:
        if self.date:
            response.headers["Date"] = self.date

    @property
    def ws_url(self) -> str:
        return f"{self.base.replace('http', 'ws')}/ws"

    def fault(self, path: str, *faults: Fault) -> None:
        self.faults.setdefault(path, deque()).extend(faults)

    # Group robot.

    async def _robot(self, request: web.Request) -> web.StreamResponse:
        body = await self._heard(request)
        if (met := await self._meet(request)) is not None:
            return met
        if request.query.get("key") != self.robot_key:
            return _json(93000, "invalid webhook url, hint: [1767225600_1_abc], from ip: 1.2.3.4")
        content = body.get(str(body.get("msgtype")), {}).get("content")
        if body.get("msgtype") not in {"text", "markdown"}:
            return _json(40008, "invalid message type")
        if not content:
            return _json(44004, "empty content")
        if len(content.encode()) > (2048 if body["msgtype"] == "text" else 4096):
            return _json(45002, "content size out of limit")
        self.delivered.append(body)
        return _json(0, "ok")

    # Application.

    async def _gettoken(self, request: web.Request) -> web.StreamResponse:
        if (met := await self._meet(request)) is not None:
            return met
        if request.query.get("corpid") != CORP:
            return _json(40013, "invalid corpid")
        if request.query.get("corpsecret") != self.secret:
            return _json(40001, f"invalid credential {request.query.get('corpsecret')}, hint: [x]")
        self.tokens.append(f"TOKEN-{len(self.tokens)}-" + "x" * 40)
        return _json(0, "ok", access_token=self.tokens[-1], expires_in=7200)

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        if (refused := await self._guarded(request)) is not None:
            return refused
        if request.query.get("agentid") != str(AGENT):
            return _json(40056, "invalid agentid")
        return _json(0, "ok", agentid=AGENT, name="duban", close=0)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await self._heard(request)
        if (refused := await self._guarded(request)) is not None:
            return refused
        if body.get("agentid") != AGENT:
            return _json(40056, "invalid agentid")
        if body["touser"] not in self.members:
            return _json(81013, "user & party & tag all invalid", invaliduser=body["touser"].lower())
        fingerprint = json.dumps(body, sort_keys=True)
        if body.get("enable_duplicate_check") and fingerprint in self._seen:
            return web.json_response(self._seen[fingerprint])
        answer = self._taken(body)
        self._seen[fingerprint] = answer
        return web.json_response(answer)

    def _taken(self, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": uuid4().hex}
        if body["touser"] in self.unlicensed:
            return answer | {"unlicenseduser": body["touser"].lower()}
        if body["msgtype"] == "template_card":
            card = body["template_card"]
            if (fault := card_fault(card)) or card["task_id"] in self._codes.values():
                return {"errcode": 40058, "errmsg": fault or "task_id used"}
            answer["response_code"] = self.code(card["task_id"])
        elif len(body["text"]["content"].encode()) > 2048:
            body = body | {"text": {"content": "cut"}}
        self.delivered.append(body)
        return answer

    def code(self, task: str) -> str:
        """A new response code for a card: good for one update."""
        code = f"RC{len(self._codes)}{uuid4().hex}"
        self._codes[code] = task
        return code

    def task(self, code: str) -> str:
        """The card that a response code changes."""
        return self._codes[code]

    async def _update(self, request: web.Request) -> web.StreamResponse:
        body = await self._heard(request)
        if (refused := await self._guarded(request)) is not None:
            return refused
        if body["response_code"] not in self._codes or body["response_code"] in self._pressed:
            return _json(UNDOCUMENTED, "response_code invalid")
        card = body.get("template_card")
        if card is not None and (fault := card_fault(card)):
            return _json(40058, fault)
        self._pressed.add(body["response_code"])
        self.updated.append(body)
        return _json(0, "ok", invaliduser=[])

    async def _appchat(self, request: web.Request) -> web.StreamResponse:
        body = await self._heard(request)
        if (refused := await self._guarded(request)) is not None:
            return refused
        if body["chatid"] != "CHAT1":
            return _json(86008, "chatid not exist")
        self.delivered.append(body)
        return _json(0, "ok")

    async def _guarded(self, request: web.Request) -> web.StreamResponse | None:
        if (met := await self._meet(request)) is not None:
            return met
        if not self.tokens or request.query.get("access_token") != self.tokens[-1]:
            return _json(40014, f"invalid access_token {request.query.get('access_token')}")
        return None

    # Faults.

    async def _heard(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.calls.append((request.path, body))
        return body

    async def _meet(self, request: web.Request) -> web.StreamResponse | None:
        waiting = self.faults.get(request.path)
        if not waiting:
            return None
        match waiting.popleft():
            case "502":
                return web.Response(status=502, text="Bad Gateway")
            case "429":
                return web.Response(status=429, headers={"Retry-After": "7"})
            case "html":
                return web.Response(text="<html>login</html>", content_type="text/html")
            case "hang":
                await asyncio.sleep(5)
            case "reset":  # what follows still takes the message in
                assert request.transport is not None
                request.transport.abort()
            case int() as code:
                return (
                    _json(code, "refused by the test, hint: [1], from ip: 10.9.8.7, more info at https://x")
                    if code
                    else None
                )
        return None

    # Callbacks of the application.

    def callback(self, plaintext: str, at: int, **changed: str) -> Request:
        """A callback as the platform posts it; `changed` spoils parts of it."""
        sealed = wide_encrypt(wide_key(AES_KEY), plaintext.encode(), changed.pop("corp", CORP))
        query = {"timestamp": str(at), "nonce": "n0001"}
        query["msg_signature"] = sha1_of_sorted(changed.pop("token", TOKEN), query["timestamp"], query["nonce"], sealed)
        body = f"<xml><ToUserName>{CORP}</ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        return Request("POST", query | changed, {"content-type": "text/xml"}, body.encode())

    def says(self, text: str, number: int, at: int, user: str = "zhangsan") -> Request:
        """Somebody writes to the application."""
        return self.callback(
            f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[{user}]]></FromUserName>"
            f"<CreateTime>{at}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{text}]]></Content>"
            f"<MsgId>{number}</MsgId><AgentID>{AGENT}</AgentID></xml>",
            at,
        )

    def click(self, task: str, key: str, at: int, user: str = "zhangsan") -> Request:
        """Somebody presses a button of a card."""
        return self.callback(
            f"<xml><FromUserName>{user}</FromUserName><CreateTime>{at}</CreateTime><MsgType>event</MsgType>"
            f"<Event>template_card_event</Event><EventKey>{key}</EventKey><TaskId>{task}</TaskId>"
            f"<ResponseCode>{self.code(task)}</ResponseCode><AgentID>{AGENT}</AgentID></xml>",
            at,
        )

    # AI bot.

    async def _moved(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/ws")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._frame(socket, json.loads(message.data))
        self._gone(socket)
        return socket

    def _gone(self, socket: web.WebSocketResponse) -> None:
        if self._line is socket:
            self._line = None
            self.subscribed.clear()

    async def _frame(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if self.deaf:
            return
        waiting = self.faults.get(frame["cmd"])
        fault = waiting.popleft() if waiting else 0
        if fault == "hang":
            return
        if fault == "reset":
            self.delivered.append(frame)
            self._gone(socket)
            assert socket._req is not None
            assert socket._req.transport is not None
            socket._req.transport.abort()
            return
        code = int(fault) or await self._judge(socket, frame)
        said = "ok" if not code else f"refused {BOT_SECRET}, hint: [x]"
        await socket.send_json({"headers": {"req_id": frame["headers"]["req_id"]}, "errcode": code, "errmsg": said})
        if frame["cmd"] == "aibot_subscribe" and not code:
            self.subscribed.set()

    async def _judge(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> int:
        body = frame.get("body", {})
        match frame["cmd"]:
            case "aibot_subscribe" if body != {"bot_id": BOT, "secret": BOT_SECRET}:
                return 853000
            case "aibot_subscribe":
                await self._evict()
                self._line = socket
            case "aibot_send_msg":
                return self._sent(frame, body)
            case "aibot_respond_msg" | "aibot_respond_update_msg":
                return self._responded(frame, body)
        return 0

    def _sent(self, frame: dict[str, Any], body: dict[str, Any]) -> int:
        if body["msgtype"] not in {"markdown", "template_card"}:
            return 40008
        if body["chatid"] not in self.talked or body["chat_type"] != (2 if body["chatid"].startswith("wr") else 1):
            return 40058
        if body["msgtype"] == "template_card" and card_fault(body["template_card"]):
            return 40058
        self.delivered.append(frame)
        return 0

    def _responded(self, frame: dict[str, Any], body: dict[str, Any]) -> int:
        kind = "click" if frame["cmd"] == "aibot_respond_update_msg" else "say"
        if not frame["headers"]["req_id"].startswith(f"{kind}-"):
            return 846605
        if "template_card" in body and (fault := card_fault(body["template_card"])):
            return 42045 if "card_action" in fault else 40058
        if kind == "click":
            task, since = self._clicks.pop(frame["headers"]["req_id"], ("", 0.0))
            if body["template_card"]["task_id"] != task or monotonic() - since > CLICK_WINDOW:
                return 846605
        (self.updated if kind == "click" else self.delivered).append(frame)
        return 0

    async def _evict(self) -> None:
        if self._line is not None and not self._line.closed:
            event = {"msgtype": "event", "event": {"eventtype": "disconnected_event"}}
            await self._line.send_json({"cmd": "aibot_event_callback", "headers": {"req_id": "e"}, "body": event})

    async def push(self, body: dict[str, Any], req_id: str = "") -> str:
        """A callback frame; returns its req_id."""
        assert self._line is not None
        event = body.get("msgtype") == "event"
        number = req_id or f"{'click' if event else 'say'}-{uuid4().hex}"
        cmd = "aibot_event_callback" if event else "aibot_msg_callback"
        if click := body.get("event", {}).get("template_card_event"):
            self._clicks[number] = click["task_id"], monotonic()
        await self._line.send_json({"cmd": cmd, "headers": {"req_id": number}, "body": body})
        return number

    async def raw(self, text: str) -> None:
        """Anything at all."""
        assert self._line is not None
        await self._line.send_str(text)

    async def drop(self) -> None:
        """Close the connection, as a restart of the platform would."""
        assert self._line is not None
        self.subscribed.clear()
        await self._line.close()


def card_fault(card: Mapping[str, Any]) -> str:
    """What the platform would refuse in a card; empty for nothing."""
    if not TASK.fullmatch(card.get("task_id", "")):
        return "invalid task_id"
    if card["card_type"] == "text_notice":
        return "" if card.get("card_action", {}).get("url") else "card_action missing"
    buttons = card.get("button_list", [])
    keys = {button["key"] for button in buttons}
    if not 1 <= len(buttons) <= 6 or len(keys) != len(buttons):
        return "invalid button_list"
    shaped = all(0 < len(b["key"].encode()) <= 1024 and b["style"] in {1, 2, 3, 4} and b["text"] for b in buttons)
    return "" if shaped and card["main_title"]["title"] else "invalid button"


def _json(code: int, said: str, **more: object) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": said, **more})
