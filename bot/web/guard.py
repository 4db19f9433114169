"""What stands before every handler: headers, who may change something, and a sentence for every refusal."""

from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from bot.wording import LANGUAGES, say

log = structlog.get_logger()

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SENTENCES = {
    400: "web-error-malformed",
    401: "web-error-signed-out",
    403: "web-error-foreign",
    404: "web-error-missing",
    405: "web-error-missing",
    413: "web-error-large",
    415: "web-error-malformed",
    421: "web-error-host",
}


class RefusalError(Exception):
    """A handler's own refusal: an HTTP status and the key of a sentence."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status = status
        self.key = key


def refuse(status: int, key: str) -> web.Response:
    """Say why in every language: the page knows which one its reader chose."""
    return web.json_response({"error": {language: say(key, language) for language in LANGUAGES}}, status=status)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer carries the same protection; what a person reads is never kept by a cache."""
    response.headers.update(HEADERS)
    kept = "no-cache" if request.path.startswith("/static/") else "no-store"
    response.headers.setdefault("Cache-Control", kept)


@web.middleware
async def explain_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raised into a sentence."""
    try:
        return await handler(request)
    except RefusalError as refusal:
        return refuse(refusal.status, refusal.key)
    except web.HTTPException as refusal:
        if refusal.status not in SENTENCES:
            raise
        return refuse(refusal.status, SENTENCES[refusal.status])
    except Exception:
        log.exception("page-failed", path=request.path)
        return refuse(500, "web-error-internal")


@web.middleware
async def require_loopback(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A foreign name that resolves to this machine (DNS rebinding) would let any web page play any person."""
    if not _is_loopback(request.host):
        raise web.HTTPMisdirectedRequest
    return await handler(request)


HOOKS = "/hooks/"
"""Platforms are no browsers: each of their calls carries a signature of its own."""


@web.middleware
async def require_own_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Only our own page changes anything: a header no foreign form can set, and the browser's word on the origin."""
    if request.method not in {"GET", "HEAD"} and not _is_own_page(request) and not request.path.startswith(HOOKS):
        raise web.HTTPForbidden
    return await handler(request)


def _is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


def _is_own_page(request: web.Request) -> bool:
    if request.headers.get("X-Duban") != "page":
        return False
    # A browser sends Sec-Fetch-Site only over a secure connection; behind a proxy it is the more reliable of the two.
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host
