"""A DingTalk on this machine: webhook, application API, sessions, cards and the Stream gateway, as documented.

It holds callers to the documents (signatures, sizes, types, the token, limits) and misbehaves when told to.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from aiohttp import WSMsgType, web

from adapters.base import Incoming
from adapters.dingtalk_app import DingTalkAppAdapter, DingTalkAppConfig
from adapters.dingtalk_robot import DingTalkRobotAdapter, DingTalkRobotConfig, sign

PAYLOADS = Path(__file__).parents[1] / "payloads" / "dingtalk"
CLIENT = "dingappkey0000000001"
CLIENT_SECRET = "Zk3vQ9xT7mLr2Wc8Yp5Hs1Bn6Jd4Fg0aKeUiOqXyVtRzMwNbCv_EXAMPLE-only"
ROBOT_TOKEN = "0b0ca11ab1e0f00dfeed0123456789abcdef0123456789abcdef0123456789ab"
ROBOT_SECRET = "SEC0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
SESSION = "5e551007"
TEMPLATE = "0c1d2e3f-0000-4000-8000-000000000001.schema"
LONGEST_BODY = 20_000
OTO, GROUPS = "/v1.0/robot/oToMessages/batchSend", "/v1.0/robot/groupMessages/send"
CREATE, CARDS = "/v1.0/card/instances/createAndDeliver", "/v1.0/card/instances"
STANDARD, STANDARD_CARDS = "/v1.0/im/v1.0/robot/interactiveCards/send", "/v1.0/im/robots/interactiveCards"
TOKEN, GATEWAY, STATUS = (
    "/v1.0/oauth2/accessToken",
    "/v1.0/gateway/connections/open",
    "/v1.0/robot/oToMessages/readStatus",
)
WEBHOOK, BY_SESSION = "/robot/send", "/robot/sendBySession"
SENDING = (OTO, GROUPS, CREATE, STANDARD, WEBHOOK, BY_SESSION)
MESSAGES, CLICKS = "/v1.0/im/bot/messages/get", "/v1.0/card/instances/callback"
QPS = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
NO_PERMISSION = "Forbidden.AccessDenied.AccessTokenPermissionDenied"


def payload(name: str) -> dict[str, Any]:
    """A recorded payload."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def vector(name: str) -> dict[str, Any]:
    """One of the published or computed vectors."""
    return next(one for one in payload("vectors")["vectors"] if one["id"] == name)


@dataclass(frozen=True)
class Answer:
    """What the platform says instead, once. `after` lets the request take effect first."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    after: bool = False


class NoState:
    """Nothing may be remembered."""

    async def get(self, key: str) -> str:
        raise AssertionError(key)

    async def put(self, key: str, value: str) -> None:
        raise AssertionError((key, value))


class DingTalk:
    """The platform. `said` is what took effect, in order; `faults` is what callers did against the documents.

    `sessions` says by the place in `said` whose session an answer was for, where its address names somebody. `unknown`
    are users it does not know. Setting `secret` or `robot_secret` anew makes what callers hold worthless.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.url = ""
        self.secret = CLIENT_SECRET
        self.robot_secret = ROBOT_SECRET
        self.unknown: set[str] = set()
        self.calls: list[tuple[str, str, Any]] = []
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.sessions: dict[int, str] = {}
        self.instead: dict[str, deque[Answer]] = defaultdict(deque)
        self.instead_of_sending: deque[Answer] = deque()
        self.faults: list[str] = []
        self.tokens: set[str] = set()
        self.issued = 0
        self.cards: dict[str, dict[str, Any]] = {}
        self.acks: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.subscriptions: list[dict[str, str]] = []
        self.endpoint = ""
        self.connections = 0
        self.socket: web.WebSocketResponse | None = None
        self._tickets: set[str] = set()
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        routes: list[tuple[str, str, Callable[[web.Request, Any], Awaitable[Any]]]] = [
            ("POST", TOKEN, self._token),
            ("POST", GATEWAY, self._gateway),
            ("POST", OTO, self._authorized(self._oto)),
            ("POST", GROUPS, self._authorized(self._group)),
            ("GET", STATUS, self._authorized(self._status)),
            ("POST", CREATE, self._authorized(self._create)),
            ("PUT", CARDS, self._authorized(self._update)),
            ("POST", STANDARD, self._authorized(self._standard)),
            ("PUT", STANDARD_CARDS, self._authorized(self._standard_update)),
            ("POST", WEBHOOK, self._webhook),
            ("POST", BY_SESSION, self._session),
        ]
        app.add_routes([web.route(method, path, self._handler(path, serve)) for method, path, serve in routes])
        app.add_routes([web.get("/connect", self._connect)])
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self.endpoint = f"ws://{host}:{port}/connect"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        assert not self.faults, self.faults

    def fail(self, path: str, *answers: Answer) -> None:
        """Answer the next requests to a path so."""
        self.instead[path].extend(answers)

    def fail_next(self, *answers: Answer) -> None:
        """Answer the next messages so, whichever way they are sent."""
        self.instead_of_sending.extend(answers)

    def expire(self) -> None:
        """Every token so far is worth nothing."""
        self.tokens.clear()

    def of(self, path: str) -> list[dict[str, Any]]:
        """What took effect at a path."""
        return [body for where, body in self.said if where == path]

    async def until(self, holds: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.05)

    async def push(self, message_id: str, topic: str, data: Any, kind: str = "CALLBACK") -> None:
        """Push a frame over the connection that is open."""
        await self.until(lambda: self.socket is not None and not self.socket.closed)
        assert self.socket is not None
        headers = {
            "appId": "app", "connectionId": "c1", "contentType": "application/json",
            "messageId": message_id, "time": "1767225600000", "topic": topic,
        }  # fmt: skip
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        await self.socket.send_json({"specVersion": "1.0", "type": kind, "headers": headers, "data": text})

    async def pushed(self, message_id: str, topic: str, data: Any, kind: str = "CALLBACK") -> dict[str, Any]:
        """Push a frame; its acknowledgement."""
        before = len(self.acks[message_id])
        await self.push(message_id, topic, data, kind)
        await self.until(lambda: len(self.acks[message_id]) > before)
        return self.acks[message_id][-1]

    def _handler(
        self, path: str, serve: Callable[[web.Request, Any], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            if len(raw) > LONGEST_BODY:
                self.faults.append(f"{path}: {len(raw)} bytes")
            body = json.loads(raw) if raw else None
            self.calls.append((request.method, path, body))
            self._changed.set()
            planned = self._planned(path)
            if planned is not None and not planned.after:
                return await self._misbehave(request, planned)
            try:
                answer = await serve(request, body)
            except (AssertionError, LookupError, ValueError) as error:
                self.faults.append(f"{path}: {error!r}")
                return web.Response(status=500)
            if planned is not None:
                return await self._misbehave(request, planned)
            return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

        return handle

    def _planned(self, path: str) -> Answer | None:
        if self.instead[path]:
            return self.instead[path].popleft()
        return self.instead_of_sending.popleft() if path in SENDING and self.instead_of_sending else None

    async def _misbehave(self, request: web.Request, planned: Answer) -> web.StreamResponse:
        if planned.hang:
            await asyncio.sleep(30)
        if planned.reset:
            assert request.transport is not None
            request.transport.abort()
        if isinstance(planned.body, str):
            return web.Response(status=planned.status, text=planned.body, headers=planned.headers)
        return web.json_response(planned.body, status=planned.status, headers=planned.headers)

    def _authorized(
        self, serve: Callable[[web.Request, Any], Awaitable[Any]]
    ) -> Callable[[web.Request, Any], Awaitable[Any]]:
        async def handle(request: web.Request, body: Any) -> Any:
            if request.headers.get("x-acs-dingtalk-access-token") not in self.tokens:
                return refusal(401, "InvalidAuthentication")
            return await serve(request, body)

        return handle

    async def _token(self, _: web.Request, body: Any) -> Any:
        if body != {"appKey": CLIENT, "appSecret": self.secret}:
            return refusal(400, "invalidClientIdOrSecret")
        await asyncio.sleep(0.01)
        self.issued += 1
        self.tokens.add(f"token-{self.issued}")
        return {"accessToken": f"token-{self.issued}", "expireIn": 7200}

    async def _oto(self, _: web.Request, body: Any) -> Any:
        if body["robotCode"] != CLIENT:
            return refusal(400, "invalidParameter.robotCode.notExsit")
        users = body["userIds"]
        assert isinstance(users, list)
        assert len(users) <= 20
        assert body["msgKey"] == "sampleText"
        assert set(json.loads(body["msgParam"])) == {"content"}
        lists = {
            "invalidStaffIdList": [one for one in users if self._is_gone(one)],
            "flowControlledStaffIdList": [one for one in users if one.startswith("busy")],
            "filteredStaffIdList": [one for one in users if one.startswith("filtered")],
        }
        if not any(lists.values()):
            self._keep(OTO, body)
        return {"processQueryKey": f"oto-{len(self.said)}", **lists}

    async def _group(self, _: web.Request, body: Any) -> Any:
        if body["openConversationId"].startswith("gone"):
            return refusal(400, "invalid.openConversationId")
        assert set(json.loads(body["msgParam"])) == {"content"}
        self._keep(GROUPS, body)
        return {"processQueryKey": f"group-{len(self.said)}"}

    async def _status(self, request: web.Request, _: Any) -> Any:
        if request.query["robotCode"] != CLIENT:
            return refusal(400, "invalidParameter.robotCode.notExsit")
        return refusal(400, "invalid.processQueryKey")

    async def _create(self, _: web.Request, body: Any) -> Any:
        if body["cardTemplateId"] != TEMPLATE:
            return refusal(400, "cardTemplateInvalid")
        assert body["callbackType"] == "STREAM"
        assert body.get("userIdType", 1) == 1
        assert all(isinstance(value, str) for value in body["cardData"]["cardParamMap"].values())
        space = body["openSpaceId"].removeprefix("dtv1.card//")
        model = {"IM_GROUP": "imGroupOpenDeliverModel", "IM_ROBOT": "imRobotOpenDeliverModel"}[space.split(".")[0]]
        assert body[model]["robotCode"] == CLIENT
        reached = not self._is_gone(space.split(".", 1)[1])
        if reached and body["outTrackId"] not in self.cards:
            self._keep(CREATE, body)
            self.cards[body["outTrackId"]] = body["cardData"]["cardParamMap"]
        outcome = {"spaceId": space, "success": reached, "errorMsg": "" if reached else "user not found"}
        return {"success": True, "result": {"outTrackId": body["outTrackId"], "deliverResults": [outcome]}}

    async def _update(self, _: web.Request, body: Any) -> Any:
        if body["outTrackId"] not in self.cards:
            return refusal(400, "param.cardNotExist")
        assert body["cardUpdateOptions"]["updateCardDataByKey"] is True
        self.cards[body["outTrackId"]].update(body["cardData"]["cardParamMap"])
        return {"success": True, "result": True}

    async def _standard(self, _: web.Request, body: Any) -> Any:
        assert body["cardTemplateId"] == "StandardCard"
        assert ("openConversationId" in body) != ("singleChatReceiver" in body)
        if body["cardBizId"] not in self.cards:
            self._keep(STANDARD, body)
            self.cards[body["cardBizId"]] = json.loads(body["cardData"])
        return {"processQueryKey": "standard-1"}

    async def _standard_update(self, _: web.Request, body: Any) -> Any:
        self.cards[body["cardBizId"]] = json.loads(body["cardData"])
        return {"processQueryKey": "standard-1"}

    async def _webhook(self, request: web.Request, body: Any) -> Any:
        query = request.query
        if query.get("access_token") != ROBOT_TOKEN:
            return {"errcode": 300005, "errmsg": "token is not exist"}
        milliseconds = query.get("timestamp", "0")
        stale = abs(self.now().timestamp() * 1000 - int(milliseconds)) > 3_600_000
        if query.get("sign") != sign(self.robot_secret, milliseconds) or stale:
            return {"errcode": 310000, "errmsg": "sign not match, more: [https://ding-doc.dingtalk.com]"}
        if not body:
            return {"errcode": 40035, "errmsg": "missing param msgtype"}
        assert body["msgtype"] == "text"
        assert body["at"]["isAtAll"] is False
        self._keep(WEBHOOK, body)
        return {"errcode": 0, "errmsg": "ok"}

    async def _session(self, request: web.Request, body: Any) -> Any:
        if request.query.get("session") != SESSION:
            return {"errcode": 300001, "errmsg": "session is not exist"}
        assert body["msgtype"] == "text"
        self.sessions[len(self.said)] = request.query.get("to", "")
        self._keep(BY_SESSION, body)
        return {"errcode": 0, "errmsg": "ok"}

    async def _gateway(self, request: web.Request, body: Any) -> Any:
        assert request.headers["Accept"] == "application/json"
        if (body["clientId"], body["clientSecret"]) != (CLIENT, self.secret):
            return refusal(401, "invalidClientIdOrSecret")
        self.subscriptions = body["subscriptions"]
        ticket = f"ticket+/={len(self.calls)}"
        self._tickets.add(ticket)
        return {"endpoint": self.endpoint, "ticket": ticket}

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401)
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.socket = socket
        self.connections += 1
        self._changed.set()
        async for one in socket:
            if one.type is WSMsgType.TEXT:
                found = json.loads(one.data)
                self.acks[found["headers"]["messageId"]].append(found)
                self._changed.set()
        return socket

    def _is_gone(self, user: str) -> bool:
        return user in self.unknown or user.startswith("gone")

    def _keep(self, path: str, body: dict[str, Any]) -> None:
        self.said.append((path, body))


def refusal(status: int, code: str) -> web.Response:
    """The error body of the application API."""
    return web.json_response({"code": code, "message": f"refused: {code}", "requestid": "R-1"}, status=status)


def app_config(url: str, **more: Any) -> DingTalkAppConfig:
    """A connection to the double."""
    known = {"name": "ding", "platform": "dingtalk-app", "allow_private": True, "base_url": url, "session_url": url}
    secret = {"client_id": CLIENT, "client_secret": CLIENT_SECRET}
    return DingTalkAppConfig.model_validate({**known, **secret, **more})


def robot_config(url: str, **more: Any) -> DingTalkRobotConfig:
    """A connection to the double's custom robot."""
    known = {"name": "ding-group", "platform": "dingtalk-robot", "base_url": url, "allow_private": True}
    return DingTalkRobotConfig.model_validate({**known, "access_token": ROBOT_TOKEN, "secret": ROBOT_SECRET, **more})


@asynccontextmanager
async def app_of(far: DingTalk, **more: Any) -> AsyncIterator[DingTalkAppAdapter]:
    """An application adapter that is closed at the end."""
    adapter = DingTalkAppAdapter(app_config(far.url, **more), NoState(), far.now)
    try:
        yield adapter
    finally:
        await adapter.close()


@asynccontextmanager
async def robot_of(far: DingTalk, **more: Any) -> AsyncIterator[DingTalkRobotAdapter]:
    """A robot's adapter that is closed at the end."""
    adapter = DingTalkRobotAdapter(robot_config(far.url, **more), NoState(), far.now)
    try:
        yield adapter
    finally:
        await adapter.close()


@asynccontextmanager
async def listening(
    adapter: DingTalkAppAdapter, on_message: Callable[[Incoming], Awaitable[None]]
) -> AsyncIterator["asyncio.Task[None]"]:
    """The adapter listens while the block runs, and has left nothing behind after it."""
    task = asyncio.create_task(adapter.listen(on_message))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
