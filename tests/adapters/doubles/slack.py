"""A Slack on this machine: the Web API methods we call, response_url, and events and clicks signed as Slack signs them.

It holds callers to the documents (token, sizes, shapes of blocks) and misbehaves when told to.
"""

import asyncio
import hashlib
import hmac
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import web

from adapters.base import Request
from adapters.slack import SlackAdapter, SlackConfig

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
TOKEN = "xoxb-000000000000-0000000000000-ExampleOnlyExampleOnly00"
SECRET = "0123456789abcdef0123456789abcdef"
AUTH, OPEN, POST, UPDATE, HOOK = "auth.test", "conversations.open", "chat.postMessage", "chat.update", "response_url"
HOOK_PATH = "/actions/T0DUBAN01/397700885554/96rGlfmibIGlgcZRskXaIFfN"
SCOPES = "chat:write,im:write,im:history,app_mentions:read"
MOST_ANSWERS = 5


def payload(name: str) -> dict[str, Any]:
    """A recorded payload."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def vector(name: str) -> dict[str, Any]:
    """One of the published or computed vectors."""
    found: dict[str, Any] = next(one for one in payload("vectors")["vectors"] if one["id"] == name)
    return found


def signed(body: bytes, at: datetime, content_type: str = "application/json", secret: str = SECRET) -> Request:
    """A request as Slack sends it, signed without the code under test."""
    seconds = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), b"v0:" + seconds.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": content_type,
        "x-slack-request-timestamp": seconds,
        "x-slack-signature": f"v0={digest}",
    }
    return Request("POST", {}, headers, body)


def event(data: Mapping[str, Any], at: datetime) -> Request:
    """An event, as JSON."""
    return signed(json.dumps(data, ensure_ascii=False).encode(), at)


def click(data: Mapping[str, Any], at: datetime) -> Request:
    """A click, as a form."""
    return signed(urlencode({"payload": json.dumps(data)}).encode(), at, "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Answer:
    """What the platform says instead, once. `after` lets the request take effect first."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    after: bool = False


class Remembered:
    """A state that is kept, as the store keeps it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, key: str) -> str:
        return self.kept.get(key, "")

    async def put(self, key: str, value: str) -> None:
        self.kept[key] = value


class Slack:
    """The platform. `shown` holds every message by its receipt; `faults` is what callers did against the documents."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.url = ""
        self.token = TOKEN
        self.scopes = SCOPES
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.shown: dict[str, dict[str, Any]] = {}
        self.answered: list[dict[str, Any]] = []
        self.members = {"C0FIRE001"}
        self.people = {"U0ZHANG01": "D0ZHANG01", "U0LI00001": "D0LI00001"}
        self.instead: dict[str, deque[Answer]] = defaultdict(deque)
        self.faults: list[str] = []
        self.state = Remembered()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.post("/api/{method}", self._method), web.post(HOOK_PATH, self._hook)])
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        assert not self.faults, self.faults

    @property
    def hook(self) -> str:
        """The response_url of a click."""
        return f"{self.url}{HOOK_PATH}"

    def fail(self, method: str, *answers: Answer) -> None:
        """Answer the next calls of a method so."""
        self.instead[method].extend(answers)

    def count(self, method: str) -> int:
        """How often a method was called."""
        return sum(called == method for called, _ in self.calls)

    async def _method(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        is_json = request.content_type == "application/json"
        body = json.loads(await request.text() or "{}") if is_json else dict(await request.post())
        return await self._answer(request, method, body, lambda: self._serve(request, method, body))

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        return await self._answer(request, HOOK, body, lambda: self._respond(body))

    async def _answer(
        self, request: web.Request, method: str, body: dict[str, Any], serve: Callable[[], web.Response]
    ) -> web.StreamResponse:
        self.calls.append((method, body))
        planned = self.instead[method].popleft() if self.instead[method] else None
        if planned is None or planned.after:
            try:
                answer = serve()
            except (AssertionError, LookupError, TypeError) as error:
                self.faults.append(f"{method}: {error!r}")
                return web.Response(status=500)
            if planned is None:
                return answer
        if planned.hang:
            await asyncio.sleep(30)
        if planned.reset:
            assert request.transport is not None
            request.transport.abort()
        if isinstance(planned.body, str):
            return web.Response(status=planned.status, text=planned.body, headers=planned.headers)
        return web.json_response(planned.body, status=planned.status, headers=planned.headers)

    def _serve(self, request: web.Request, method: str, body: dict[str, Any]) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal("invalid_auth")
        serve = {AUTH: self._auth, OPEN: self._open, POST: self._post, UPDATE: self._update}[method]
        return serve(body)

    def _auth(self, _: dict[str, Any]) -> web.Response:
        found = {"ok": True, "url": "https://fire.slack.com/", "team_id": "T0DUBAN01", "user_id": "U0DUBANBOT"}
        return web.json_response(found, headers={"x-oauth-scopes": self.scopes})

    def _open(self, body: dict[str, Any]) -> web.Response:
        if body["users"] not in self.people:
            return refusal("user_not_found")
        return web.json_response({"ok": True, "channel": {"id": self.people[body["users"]]}})

    def _post(self, body: dict[str, Any]) -> web.Response:
        channel = body["channel"]
        if channel not in {*self.members, *self.people.values()}:
            return refusal("not_in_channel" if channel.startswith("C") else "channel_not_found")
        check_message(body)
        stamp = f"1767268900.{len(self.shown):06}"
        self.shown[f"{channel}:{stamp}"] = body
        return web.json_response({"ok": True, "channel": channel, "ts": stamp, "message": {"text": body["text"]}})

    def _update(self, body: dict[str, Any]) -> web.Response:
        receipt = f"{body['channel']}:{body['ts']}"
        if receipt not in self.shown:
            return refusal("message_not_found")
        check_message(body)
        self.shown[receipt] = body
        return web.json_response({"ok": True, "channel": body["channel"], "ts": body["ts"], "text": body["text"]})

    def _respond(self, body: dict[str, Any]) -> web.Response:
        if len(self.answered) >= MOST_ANSWERS:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        assert set(body) <= {"text", "blocks", "response_type", "replace_original", "delete_original", "thread_ts"}
        assert not body.get("replace_original")
        assert not body.get("delete_original")
        check_message(body)
        self.answered.append(body)
        self.shown[f"{HOOK}:{len(self.answered)}"] = body
        return web.Response(text="ok")


def check_message(body: Mapping[str, Any]) -> None:
    """Whether a message keeps the documented measures, and mentions at most the one it may."""
    assert 0 < len(body["text"]) <= 40_000
    blocks = body["blocks"]
    assert 0 < len(blocks) <= 50
    assert sum(len(block["text"]["text"]) for block in blocks if block["type"] == "section") <= 13_000
    for block in blocks:
        if block["type"] == "section":
            assert set(block["text"]) == {"type", "text", "verbatim"}
            assert 0 < len(block["text"]["text"]) <= 3000
        else:
            check_actions(block)
    assert "<!" not in json.dumps(body)
    assert body.get("parse", "none") == "none"


def check_actions(block: Mapping[str, Any]) -> None:
    """Whether a block of buttons is one that Slack takes."""
    assert block["type"] == "actions"
    elements = block["elements"]
    assert 0 < len(elements) <= 25
    assert len({element["action_id"] for element in elements}) == len(elements)
    for element in elements:
        assert element.get("style", "primary") in ("primary", "danger")
        assert 0 < len(element["text"]["text"]) <= 75
        assert 0 < len(element["value"]) <= 2000


def refusal(code: str, **more: Any) -> web.Response:
    """An error: with status 200, as this platform does it."""
    return web.json_response({"ok": False, "error": code, **more})


def config(url: str, **more: Any) -> SlackConfig:
    """A connection to the double."""
    known = {"name": "slack", "platform": "slack", "base_url": f"{url}/api", "hooks_url": url, "allow_private": True}
    return SlackConfig.model_validate({**known, "bot_token": TOKEN, "signing_secret": SECRET, **more})


@asynccontextmanager
async def adapter_of(far: Slack, **more: Any) -> AsyncIterator[SlackAdapter]:
    """An adapter that is closed at the end."""
    adapter = SlackAdapter(config(far.url, **more), far.state, far.now)
    try:
        yield adapter
    finally:
        await adapter.close()


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""The hour of the recorded payloads."""
