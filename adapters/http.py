"""Calls to platforms: one session a connection, its own host only, no redirects; faults told apart once, here."""

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import BaseModel, ConfigDict, Field

from adapters.base import ConfigurationError, RetryError

TIMEOUT = aiohttp.ClientTimeout(total=20, connect=8)
BIGGEST_ANSWER = 4 * 1024 * 1024
TOO_MANY, SERVER_FAULT = 429, 500
LONGEST_WAIT = 600.0


class ConnectionConfig(BaseModel):
    """What every connection's configuration may say. Each adapter adds its own keys; an unknown one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    platform: str
    base_url: str = Field(default="", pattern=r"^(https?://[^/]+(/.*)?)?$")
    ca_file: Path | None = None
    allow_private: bool = Field(
        default=False, description="the platform lives on this network, behind private addresses"
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, lower-case headers, and the body as JSON where it is JSON."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> dict[str, Any]:
        """The body as an object; an empty one where it is something else."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class _PublicOnly(AbstractResolver):
    """Refuses names that lead into this network: a connection's address must not become a way in."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if any(not ipaddress.ip_address(one["host"]).is_global for one in found):
            raise ConfigurationError(f"{host} is a private address: set allow_private for a platform on this network")
        return found

    async def close(self) -> None:
        await self._inner.close()


class Http:
    """Outgoing calls of one connection. Paths are relative to its base URL; other hosts are refused."""

    def __init__(self, config: ConnectionConfig, default_base: str) -> None:
        self.base = (config.base_url or default_base).rstrip("/")
        self._config = config
        self._hosts = {urlsplit(self.base).netloc}
        self._session: aiohttp.ClientSession | None = None

    def trust(self, url: str) -> None:
        """Let a documented second host of the same platform be called too."""
        self._hosts.add(urlsplit(url).netloc)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, made at the first call, so that making an adapter needs no loop."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=self._connector(), timeout=TIMEOUT, trust_env=False, trace_configs=[_stay_here()]
            )
        return self._session

    def _connector(self) -> aiohttp.TCPConnector:
        tls: ssl.SSLContext | bool = True
        if self._config.ca_file is not None:
            tls = ssl.create_default_context(cafile=str(self._config.ca_file))
        resolver = None if self._config.allow_private else _PublicOnly()
        return aiohttp.TCPConnector(ssl=tls, resolver=resolver, limit=64)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call. Raises RetryError when the platform cannot be reached, is busy (429) or faulty (5xx)."""
        url = path if "://" in path else f"{self.base}{path}"
        self._check(url)
        data = body if isinstance(body, (bytes, type(None))) else _json(body)
        kind = {"Content-Type": "application/json; charset=utf-8"} if data is not None else {}
        try:
            async with self.session.request(
                method, url, data=data, params=query, headers={**kind, **(headers or {})}, allow_redirects=False
            ) as response:
                text = (await _bounded(response)).decode("utf-8", "replace")
                answer = Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, text)
        except ConfigurationError:
            raise
        except (ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError) as error:
            raise ConfigurationError(f"certificate: {_certificate_fault(error)}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RetryError(f"cannot reach {urlsplit(url).hostname}: {type(error).__name__}") from None
        return _passable(answer)

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.netloc not in self._hosts:
            raise ConfigurationError(f"{parts.hostname} is not the connection's own host")
        if not self._config.allow_private and _is_private(parts.hostname or ""):
            raise ConfigurationError(f"{parts.hostname} is a private address: set allow_private")

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _json(body: Mapping[str, Any]) -> bytes:
    """As UTF-8, which has no place for half a character: such a one is shown as a question mark."""
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BIGGEST_ANSWER:
            raise RetryError("the answer is too long to be one of this platform's")
    return bytes(body)


def _stay_here() -> aiohttp.TraceConfig:
    """WebSocket handshakes follow redirects and cannot be told not to, except from here."""
    trace = aiohttp.TraceConfig()

    async def refuse(*_: object) -> None:
        raise ConfigurationError("redirected to another address")

    trace.on_request_redirect.append(refuse)
    return trace


def _certificate_fault(error: Exception) -> str:
    """The fault that OpenSSL found, which the client wraps."""
    inner = getattr(error, "certificate_error", error)
    return str(getattr(inner, "verify_message", "") or type(inner).__name__)


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _passable(answer: Answer) -> Answer:
    if answer.status == TOO_MANY:
        raise RetryError("too many requests", retry_after(answer.headers, 60.0))
    if answer.status >= SERVER_FAULT:
        raise RetryError(f"HTTP {answer.status}", retry_after(answer.headers, 0.0))
    return answer


def retry_after(headers: Mapping[str, str], otherwise: float) -> float:
    """Seconds the platform asks to wait, within reason."""
    try:
        asked = headers.get("retry-after") or headers["x-ogw-ratelimit-reset"]
        return min(LONGEST_WAIT, max(0.0, float(asked)))
    except (KeyError, ValueError):
        return otherwise


class Token:
    """An access token: fetched once however many ask, renewed before it expires, dropped when the platform says so."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, float]]], margin: float = 300.0) -> None:
        self._fetch = fetch
        self._margin = margin
        self._value = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good for a while. `fetch` returns it with its lifetime in seconds."""
        async with self._lock:
            if not self._value or monotonic() >= self._until:
                self._value, lifetime = await self._fetch()
                self._until = monotonic() + max(1.0, lifetime - min(self._margin, lifetime / 2))
            return self._value

    def drop(self, value: str) -> None:
        """Forget a token that was refused, unless it has been renewed meanwhile."""
        if self._value == value:
            self._value = ""
