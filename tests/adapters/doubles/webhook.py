"""A city's portal on this machine: it takes signed events and sends signed replies, as the specification says.

It checks what it is sent (signature, time, schema, size, ids that stay the same) and misbehaves when told to.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from adapters.base import Request
from adapters.webhook import WebhookAdapter, WebhookConfig

PAYLOADS = Path(__file__).parents[1] / "payloads" / "webhook"
SCHEMAS = Path(__file__).parents[3] / "adapters" / "schemas"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PREVIOUS = "whsec_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
INBOUND = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATH = "/hooks/duban/"
LARGEST = 20_000


def payload(name: str) -> Any:
    """A recorded payload."""
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def vector(name: str) -> dict[str, Any]:
    """One of the published or computed vectors."""
    found: dict[str, Any] = next(one for one in payload("vectors")["vectors"] if one["id"] == name)
    return found


def signature(secret: str, event_id: str, seconds: str, body: bytes) -> str:
    """A v1 entry, computed without the code under test."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = event_id.encode() + b"." + seconds.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def signed(body: bytes | Any, at: datetime, event_id: str = "msg_portal0001", secret: str = INBOUND) -> Request:
    """A request as the portal sends it."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    seconds = str(int(at.timestamp()))
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": seconds,
        "webhook-signature": signature(secret, event_id, seconds, raw),
    }
    return Request("POST", {}, headers, raw)


@dataclass(frozen=True)
class Answer:
    """What the portal says instead, once. `after` lets the request take effect first."""

    status: int = 200
    text: str = ""
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


class Portal:
    """The portal. `shown` is what took effect, each id once; `faults` is what was sent against the documents."""

    def __init__(self, now: Callable[[], datetime], secret: str = SECRET) -> None:
        self.now = now
        self.secret = secret
        self.url = ""
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.shown: list[dict[str, Any]] = []
        self.instead: deque[Answer] = deque()
        self.faults: list[str] = []
        self.unknown: set[str] = set()
        self._seen: set[str] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.post(PATH, self._take)])
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}{PATH}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        assert not self.faults, self.faults

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.calls.append((headers, raw))
        planned = self.instead.popleft() if self.instead else None
        if planned is not None and not planned.after:
            return await self._misbehave(request, planned)
        status = self._judge(headers, raw)
        if planned is not None:
            return await self._misbehave(request, planned)
        return web.Response(status=status)

    def _judge(self, headers: dict[str, str], raw: bytes) -> int:
        event_id, seconds = headers["webhook-id"], headers["webhook-timestamp"]
        expected = signature(self.secret, event_id, seconds, raw)
        if expected not in headers["webhook-signature"].split(" "):
            return 401
        if abs(self.now().timestamp() - int(seconds)) > 300:
            return 401
        body = json.loads(raw)
        if "." in event_id or len(raw) >= LARGEST or set(body) != {"type", "timestamp", "data"}:
            self.faults.append(f"{event_id}: {len(raw)} bytes, {sorted(body)}")
        if body["type"] not in ("reminder.fired", "reminder.updated"):
            return 204
        if body["data"]["to"] in self.unknown:
            return 422
        if event_id not in self._seen:
            self._seen.add(event_id)
            self.shown.append(body)
        return 200

    async def _misbehave(self, request: web.Request, planned: Answer) -> web.StreamResponse:
        if planned.hang:
            await asyncio.sleep(30)
        if planned.reset:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=planned.status, text=planned.text, headers=planned.headers)


def config(url: str, **more: Any) -> WebhookConfig:
    """A connection to the double."""
    known = {"name": "portal", "platform": "webhook", "base_url": url, "allow_private": True}
    return WebhookConfig.model_validate({**known, "secret": SECRET, "inbound_secret": INBOUND, **more})


@asynccontextmanager
async def adapter_of(far: Portal, **more: Any) -> AsyncIterator[WebhookAdapter]:
    """An adapter that is closed at the end."""
    adapter = WebhookAdapter(config(far.url, **more), NoState(), far.now)
    try:
        yield adapter
    finally:
        await adapter.close()
