"""One handler for every platform that calls over HTTP: bounded, verified, committed, then acknowledged."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from aiohttp import web

from adapters.base import MalformedError, OnMessage, Receiver, Request, Response, UnverifiedError

log = structlog.get_logger()
PATH = "/hooks/{connection}"
BIGGEST = 256 * 1024
"""Bytes of a callback: platforms document far less."""


class Webhooks:
    """Hands requests to the connection they name. Counts what was refused; never says why beyond the status."""

    def __init__(self, receivers: Mapping[str, Receiver], on_message: OnMessage, now: Callable[[], datetime]) -> None:
        self.receivers = receivers
        self.on_message = on_message
        self.now = now
        self.outcomes: Counter[tuple[str, int]] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application: a platform checks an address with GET and calls it with POST."""
        return [web.get(PATH, self.handle, allow_head=False), web.post(PATH, self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """401 for a wrong signature, 400 for what cannot be read, 404 for no such connection, 413, 503."""
        name = request.match_info["connection"]
        answer = await self._answer(name, request)
        # A name that is none of ours is not a label: anybody could make any number of them.
        self.outcomes[name if name in self.receivers else "", answer.status] += 1
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    async def _answer(self, name: str, request: web.Request) -> Response:
        receiver = self.receivers.get(name)
        if receiver is None:
            return Response(404)
        body = await _body(request)
        if isinstance(body, Response):
            return body
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            received = receiver.receive(Request(request.method, dict(request.query), headers, body), self.now())
        except UnverifiedError:
            return Response(401)
        except MalformedError:
            return Response(400)
        try:
            for message in received.messages:
                await self.on_message(message)
        except Exception:
            log.exception("cannot keep a message", action="receive", connection=name)
            return Response(503)
        return received.response


async def _body(request: web.Request) -> bytes | Response:
    """The raw bytes, or a refusal: they are too many, or not packed as the headers claim."""
    body = bytearray()
    try:
        async for chunk in request.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > BIGGEST:
                return Response(413)
    except web.RequestPayloadError:
        return Response(400)
    return bytes(body)
