"""Feishu's long connection: events and clicks over a WebSocket that this side opens. Source: lark-oapi 1.7.5, `ws`."""

import asyncio
import json
import random
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import aiohttp
import structlog

from adapters.base import AdapterError, ConfigurationError, MalformedError, RetryError
from adapters.crypto import b64
from adapters.feishu import fault, succeeded
from adapters.feishu_frame import CONTROL, DATA, Frame, Parts, decode
from adapters.http import Http

log = structlog.get_logger()

ENDPOINT = "/callback/ws/endpoint"
FAULTS: Mapping[int, type[AdapterError]] = {
    1: RetryError,  # busy
    1000040343: RetryError,  # its own fault
    403: ConfigurationError,
    514: ConfigurationError,
    1000040344: ConfigurationError,  # no credentials
    1000040350: ConfigurationError,  # more than 50 connections of this app
}
FORBIDDEN, NOT_ADMITTED, TOO_MANY_CONNECTIONS = "403", "514", "1000040350"
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY = 60.0
"""A connection that held this long was a good one: the next pause is short again."""
ANSWER_WITHIN = 2.5
"""Feishu waits 3 s for an answer."""
PING_EVERY, SOONEST_PING, RAREST_PING = 120.0, 1.0, 600.0
SLACK = 10.0
IN_FLIGHT = 64

OnPayload = Callable[[bytes], Awaitable[bytes]]
"""Takes an event's JSON; returns what the platform gets, once what it says is committed."""


@dataclass(slots=True)
class LongConnection:
    """Keeps one connection open. Events are handled side by side, as they come."""

    http: Http
    name: str
    app_id: str
    app_secret: str
    ws_url: str = ""
    allow_private: bool = False
    ping_every: float = PING_EVERY

    async def run(self, on_payload: OnPayload) -> None:
        """Until cancelled. Raises ConfigurationError when connecting again is no use."""
        attempt = 0
        while True:
            opened, wait = monotonic(), 0.0
            try:
                await self._once(on_payload)
                reason = "closed"
            except RetryError as error:
                reason, wait = str(error), error.after
            attempt = 0 if monotonic() - opened > STEADY else attempt
            pause = max(wait, _pause(attempt))
            attempt += 1
            log.info("will reconnect", action="listen", connection=self.name, reason=reason, wait=round(pause, 1))
            await asyncio.sleep(pause)

    async def address(self) -> str:
        """Ask where to connect. Raises RetryError, ConfigurationError."""
        answer = await self.http.call("POST", ENDPOINT, body={"AppID": self.app_id, "AppSecret": self.app_secret})
        if not succeeded(answer):
            raise fault(answer, FAULTS, (self.app_secret,))
        data = answer.json().get("data")
        found = data if isinstance(data, dict) else {}
        self._configure(found.get("ClientConfig"))
        return self._checked(str(found.get("URL", "")))

    def _configure(self, found: object) -> None:
        every = found.get("PingInterval") if isinstance(found, dict) else None
        if isinstance(every, (int, float)) and every > 0:
            self.ping_every = float(min(RAREST_PING, max(SOONEST_PING, every)))

    def _checked(self, url: str) -> str:
        """The platform names a host of its own; a configured one takes its place, any other is refused."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise RetryError("the platform named no address to connect to") from None
        if self.ws_url:
            own = urlsplit(self.ws_url)
            parts = parts._replace(scheme=own.scheme, netloc=own.netloc)
        elif not _is_kin(parts.hostname or "", urlsplit(self.http.base).hostname or ""):
            raise ConfigurationError(f"{parts.hostname} is not the connection's own host: set ws_url")
        if parts.scheme != "wss" and not (parts.scheme == "ws" and self.allow_private):
            raise ConfigurationError(f"{parts.hostname} is not to be reached by wss")
        return parts.geturl()

    async def _once(self, on_payload: OnPayload) -> None:
        url = await self.address()
        service = _service(urlsplit(url))
        socket = await self._connected(url)
        log.info("connected", action="listen", connection=self.name)
        try:
            async with asyncio.TaskGroup() as tasks:
                pinging = tasks.create_task(self._ping(socket, service))
                try:
                    await self._read(socket, on_payload, tasks)
                finally:
                    pinging.cancel()
        finally:
            await socket.close()

    async def _connected(self, url: str) -> aiohttp.ClientWebSocketResponse:
        host = urlsplit(url).hostname
        try:
            return await self.http.session.ws_connect(url, timeout=aiohttp.ClientWSTimeout(ws_close=5.0))
        except aiohttp.WSServerHandshakeError as error:
            raise _refused(error) from None
        except ssl.SSLCertVerificationError:
            raise ConfigurationError(f"the certificate of {host} is not trusted") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise RetryError(f"cannot reach {host}: {type(error).__name__}") from None

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse, service: int) -> None:
        frame = Frame(service=service, method=CONTROL, headers=(("type", "ping"),))
        while await _sent(socket, frame):  # noqa: ASYNC110  a heartbeat waits for nothing but the time
            await asyncio.sleep(self.ping_every)

    async def _read(
        self, socket: aiohttp.ClientWebSocketResponse, on_payload: OnPayload, tasks: asyncio.TaskGroup
    ) -> None:
        """Until the platform closes, or has been silent for longer than two pings take."""
        slots, parts = asyncio.Semaphore(IN_FLIGHT), Parts()
        while True:
            try:
                message = await socket.receive(2 * self.ping_every + SLACK)
            except TimeoutError:
                return
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return
            if message.type is aiohttp.WSMsgType.ERROR:
                return
            event = self._event(message.data, parts) if message.type is aiohttp.WSMsgType.BINARY else None
            if event is not None:
                await slots.acquire()
                handling = tasks.create_task(self._handle(socket, *event, on_payload))
                handling.add_done_callback(lambda _: slots.release())

    def _event(self, data: bytes, parts: Parts) -> tuple[Frame, bytes] | None:
        """A whole event and its frame; None for anything else. What cannot be read is left for redelivery."""
        try:
            frame = decode(data)
            kind = frame.header("type")
            if frame.method == CONTROL and kind == "pong" and frame.payload:
                self._configure(_loaded(frame.payload))
            if frame.method != DATA or kind not in ("event", "card"):
                return None
            payload = parts.whole(frame)
        except MalformedError as error:
            log.warning("unreadable frame", action="listen", connection=self.name, reason=str(error))
            return None
        return None if payload is None else (frame, payload)

    async def _handle(
        self, socket: aiohttp.ClientWebSocketResponse, frame: Frame, payload: bytes, on_payload: OnPayload
    ) -> None:
        """Answer once the event is committed; a failure is told, so that the platform delivers it again."""
        started = monotonic()
        answer: dict[str, Any] = {"code": 500}
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                answer = {"code": 200, "data": b64(await on_payload(payload))}
        except Exception as error:  # noqa: BLE001  whatever it is, the platform is told and the connection stays
            log.warning("event not taken", action="listen", connection=self.name, reason=type(error).__name__)
        took = (("biz_rt", str(round((monotonic() - started) * 1000))),)
        await _sent(socket, replace(frame, headers=frame.headers + took, payload=json.dumps(answer).encode()))


async def _sent(socket: aiohttp.ClientWebSocketResponse, frame: Frame) -> bool:
    """Whether it went out. If not, the connection is gone, and what was not answered comes again."""
    try:
        await socket.send_bytes(frame.encoded())
    except (aiohttp.ClientError, ConnectionError):
        return False
    return True


def _loaded(payload: bytes) -> object:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def _service(url: SplitResult) -> int:
    found = parse_qs(url.query).get("service_id", ["0"])[0]
    return int(found) if re.fullmatch(r"[0-9]{1,19}", found) else 0


def _refused(error: aiohttp.WSServerHandshakeError) -> AdapterError:
    headers = {name.lower(): value for name, value in error.headers.items()} if error.headers else {}
    status, reason = headers.get("handshake-status", ""), headers.get("handshake-autherrcode", "")
    final = status == FORBIDDEN or (status == NOT_ADMITTED and reason == TOO_MANY_CONNECTIONS)
    told = f"the connection was refused: {status or error.status} {reason}".rstrip()
    return ConfigurationError(told) if final else RetryError(told)


def _is_kin(host: str, base: str) -> bool:
    """msg-frontier.feishu.cn belongs to open.feishu.cn; a number has no kin but itself."""
    named = base.count(".") > 1 and not base.rpartition(".")[2].isdigit()
    return bool(host) and (host == base or (named and host.endswith(base[base.index(".") :])))


def _pause(attempt: int) -> float:
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  jitter
