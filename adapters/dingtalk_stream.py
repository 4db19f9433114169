"""DingTalk's Stream mode: a WebSocket that brings messages and clicks, so that no public address is needed.

The protocol as dingtalk-stream 0.24.3 and its Node and Java siblings speak it.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote_plus, urlsplit

import aiohttp
import structlog
from yarl import URL

from adapters.base import AdapterError, ConfigurationError, Incoming, MalformedError, OnMessage, RetryError
from adapters.dingtalk_events import Reader, body_of, dumps, object_of, text_of
from adapters.dingtalk_robot import SUCCESS, host, short
from adapters.http import Answer, Http

OWN_DOMAIN = ".dingtalk.com"
MESSAGES, CLICKS = "/v1.0/im/bot/messages/get", "/v1.0/card/instances/callback"
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
HEARTBEAT = 30.0
CLOSING = aiohttp.ClientWSTimeout(ws_close=3.0)
OK, BAD_FRAME, UNKNOWN_TOPIC = 200, 400, 404

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the protocol."""

    kind: str
    topic: str
    message_id: str
    data: str

    @classmethod
    def read(cls, text: str) -> Self:
        """From a frame's text. What it lacks stays empty."""
        found = object_of(text)
        headers = object_of(found.get("headers"))
        return cls(
            text_of(found, "type"), text_of(headers, "topic"), text_of(headers, "messageId"), text_of(found, "data")
        )

    def ack(self, code: int, data: str) -> str:
        """The answer to this frame."""
        headers = {"messageId": self.message_id, "contentType": "application/json"}
        return dumps({"code": code, "headers": headers, "message": "OK" if code == OK else "", "data": data})


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where a connection is registered. `ws_url` takes the place of what the gateway names."""

    http: Http
    client_id: str
    secret: str
    ws_url: str
    plain_allowed: bool

    async def open(self) -> Answer:
        """Register; the answer holds an endpoint and a ticket that is good once."""
        body = {
            "clientId": self.client_id,
            "clientSecret": self.secret,
            "subscriptions": [{"type": "CALLBACK", "topic": topic} for topic in (MESSAGES, CLICKS)],
            "ua": "duban",
            "localIp": "127.0.0.1",
        }
        headers = {"Accept": "application/json"}
        return await self.http.call("POST", "/v1.0/gateway/connections/open", body=body, headers=headers)

    def address(self, answer: Answer) -> URL:
        """Where to connect, according to an answer of `open`."""
        found = answer.json()
        endpoint, ticket = text_of(found, "endpoint"), text_of(found, "ticket")
        if not (endpoint and ticket):
            raise RetryError("the gateway's answer holds no endpoint")
        try:
            named = urlsplit(self.ws_url or endpoint)
            address = URL(f"{named.geturl()}?ticket={quote_plus(ticket)}", encoded=True)
        except ValueError:
            raise RetryError("the gateway names no address") from None
        name = named.hostname or ""
        if not self.ws_url and name != host(self.http) and not name.endswith(OWN_DOMAIN):
            raise ConfigurationError(f"the gateway names {short(name)}, another host: set ws_url if that is right")
        if named.scheme != "wss" and not (named.scheme == "ws" and self.plain_allowed):
            raise ConfigurationError("the long connection is not encrypted")
        return address


class LongConnection:
    """Holds the connection. `fault` is the error that a refusing answer stands for."""

    def __init__(self, gateway: Gateway, reader: Reader, fault: Callable[[Answer], AdapterError]) -> None:
        self._gateway = gateway
        self._reader = reader
        self._fault = fault

    async def run(self, on_message: OnMessage) -> None:
        """Take messages until cancelled. Raises ConfigurationError when connecting again is no use."""
        wait = FIRST_WAIT
        while True:
            lived, asked = False, 0.0
            try:
                answer = await self._gateway.open()
                if answer.status not in SUCCESS:
                    raise self._fault(answer)
                lived = await self._converse(self._gateway.address(answer), on_message)
                self._note("connection ended")
            except RetryError as error:
                self._note("cannot listen", str(error))
                asked = error.after
            wait = FIRST_WAIT if lived else wait
            await asyncio.sleep(max(asked, wait * random.uniform(0.5, 1.5)))  # noqa: S311  jitter
            wait = min(LONGEST_WAIT, wait * 2)

    async def _converse(self, address: URL, on_message: OnMessage) -> bool:
        """Take frames until either side ends it; what was taken is finished first. Whether any came."""
        lived = False
        try:
            connecting = self._gateway.http.session.ws_connect(address, heartbeat=HEARTBEAT, timeout=CLOSING)
            async with connecting as socket, asyncio.TaskGroup() as tasks:
                async for one in socket:
                    if one.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    lived = True
                    frame = Frame.read(one.data)
                    if frame.kind != "SYSTEM":
                        tasks.create_task(self._take(socket, frame, on_message))
                        continue
                    await _write(socket, frame.ack(OK, frame.data))
                    if frame.topic == "disconnect":
                        break
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if not lived:
                raise RetryError(f"the long connection broke: {type(error).__name__}") from None
        return lived

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, frame: Frame, on_message: OnMessage) -> None:
        """Commit what a frame says, then acknowledge it. What is not acknowledged is pushed again."""
        try:
            message = self._read(frame)
            if message is not None:
                await on_message(message)
        except MalformedError as error:
            self._note("malformed", str(error))
            await _write(socket, frame.ack(BAD_FRAME, "{}"))
        except Exception as error:  # noqa: BLE001  the receiver's defect must not end the connection
            self._note("not taken", type(error).__name__)
        else:
            await _write(socket, _acknowledged(frame))

    def _read(self, frame: Frame) -> Incoming | None:
        if frame.kind != "CALLBACK" or frame.topic not in (MESSAGES, CLICKS):
            return None
        data = body_of(frame.data)
        return self._reader.click(frame.message_id, data) if frame.topic == CLICKS else self._reader.message(data)

    def _note(self, what: str, reason: str = "") -> None:
        log.warning(what, action="listen", connection=self._reader.connection, reason=reason)


def _acknowledged(frame: Frame) -> str:
    if frame.kind == "EVENT":
        return frame.ack(OK, dumps({"status": "SUCCESS", "message": ""}))
    if frame.topic in (MESSAGES, CLICKS):
        return frame.ack(OK, dumps({"response": {}}))
    return frame.ack(UNKNOWN_TOPIC, "{}")


async def _write(socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
    """Send, or not: an end that is gone gets no answer, and pushes again."""
    with suppress(ConnectionError, aiohttp.ClientError):
        await socket.send_str(text)
