"""What an operator's monitoring asks."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.web.session import DOOR


async def healthz(request: web.Request) -> web.Response:
    """Whether every promise holds: 200 when it does, 503 when not."""
    health = await request.app[DOOR].health()
    return web.json_response(health, status=200 if health.get("ok") else 503)


async def metrics(request: web.Request) -> web.Response:
    """The figures, as Prometheus reads them."""
    return web.Response(body=request.app[DOOR].metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})
