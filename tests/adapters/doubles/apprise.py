"""A service on this machine that takes Apprise's JSON notifications."""

import warnings
from typing import Any, Self

import pytest
from aiohttp import web

PASSWORD = "s3cr3t-gateway-key"


def installed() -> None:
    """Leave a test out where Apprise, which is an extra, is missing. It loads its services here: some warn."""
    library = pytest.importorskip("apprise", reason="Apprise is not installed: pip install 'duban[apprise]'")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'imghdr' is deprecated", DeprecationWarning)
        library.NotificationManager().load_modules()


class Gateway:
    """The service. `taken` is what it took, each with the path it was sent to; `statuses` are what it says instead.

    The next `lost` notifications it takes, and does not answer.
    """

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.statuses: list[int] = []
        self.lost = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.post("/{path:.*}", self._take)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "json://user:{}@{}:{}".format(PASSWORD, *self._runner.addresses[0][:2])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.taken.append((request.path, await request.json()))
        if self.lost:
            self.lost -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status, headers={"Location": "/elsewhere"}, text=f"refused {PASSWORD}")
