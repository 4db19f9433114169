"""DingTalk custom robot: the webhook of one group, outbound only.

Document: open.dingtalk.com custom-robot-access (address, signature, message types, limits, error codes).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote_plus, urlsplit

from pydantic import Field, SecretStr

from adapters.base import (
    AdapterError,
    ConfigurationError,
    Finding,
    Outgoing,
    RecipientError,
    RetryError,
    State,
)
from adapters.crypto import b64, hmac_sha256
from adapters.http import Answer, ConnectionConfig, Http

BASE = "https://oapi.dingtalk.com"
SUCCESS = range(200, 300)
LONGEST_TEXT = 120
LONGEST_BLOCK = 300.0
CLOCK_MAY_DIFFER = 300.0
ACCOUNT = re.compile(r"[\w.@+-]{1,64}", re.ASCII)
"""What a user id or a mobile number is made of; nothing else may follow an @ of ours."""

TOO_FAST = 60.0
WAIT: Mapping[int, float] = {
    -1: 0.0,
    130101: TOO_FAST,
    410100: TOO_FAST,
    302033: TOO_FAST,
    90002: TOO_FAST,
    90018: TOO_FAST,
    90019: TOO_FAST,
}
"""Busy, too fast: seconds to wait. A robot that was too fast is blocked for ten minutes; the sender backs off."""

CONFIGURATION = frozenset({88, 310000, 300001, 300005, 400101, 400102, 400106, 400013})
"""Security settings refused, token unknown, robot stopped or gone, group dissolved."""

MESSAGE = frozenset({34016, 40035, 400105, 43002, 43004})
"""This message is malformed or too long; the same again would fare no better."""

_WORDLESS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MENTION = re.compile(r"(?<![\w.%+-])@")


class DingTalkRobotConfig(ConnectionConfig):
    """The keys of a custom robot: what stands in its webhook address, and its security settings."""

    access_token: SecretStr = Field(min_length=1, description="the access_token of the webhook address")
    secret: SecretStr = Field(default=SecretStr(""), description="the secret (SEC...) if the robot is set to sign")
    keyword: str = Field(default="", max_length=40, description="a keyword of the robot, if it is set to want one")
    mention_by: Literal["user", "mobile"] = Field(default="user", description="what the addresses are")


def sign(secret: str, milliseconds: str) -> str:
    """The signature of robots, both ways: HMAC-SHA256 of the time and the secret, keyed with the secret."""
    return b64(hmac_sha256(secret.encode(), f"{milliseconds}\n{secret}".encode()))


def stamp(now: datetime) -> str:
    """A time as DingTalk writes it: milliseconds since 1970."""
    return str(int(now.timestamp() * 1000))


def neutral(text: str) -> str:
    """Text that mentions nobody: an @ that begins a word becomes full-width; control characters go."""
    return _MENTION.sub("＠", _WORDLESS.sub("", text))


def short(said: object, *secrets: str) -> str:
    """What the platform said, in one short line and without our credentials."""
    line = " ".join(_WORDLESS.sub(" ", str(said)).split())
    for secret in filter(None, secrets):
        line = line.replace(secret, "***").replace(quote_plus(secret), "***")
    return line[:LONGEST_TEXT]


def passed(answer: Answer, *secrets: str) -> None:
    """Let an answer of the webhooks through. Raises the AdapterError its errcode stands for."""
    body = answer.json()
    code = body.get("errcode")
    if type(code) is int:
        if code == 0 and answer.status in SUCCESS:
            return
        raise _fault(code, f"errcode {code}: {short(body.get('errmsg', ''), *secrets)}", body)
    unblocked(body)
    raise RetryError(f"HTTP {answer.status} without an errcode")


def unblocked(body: Mapping[str, Any]) -> None:
    """Whether the gateway answered in the platform's place: it blocks an address that calls too often, with a 200."""
    if "punish" in body:
        raise RetryError("the platform's gateway blocks this address", _wait(body, TOO_FAST))


def _fault(code: int, reason: str, body: Mapping[str, Any]) -> AdapterError:
    if code in CONFIGURATION:
        return ConfigurationError(reason)
    if code in MESSAGE or "too long" in reason:
        return RecipientError(reason)
    return RetryError(reason, max(WAIT.get(code, 0.0), _wait(body, 0.0)))


def _wait(body: Mapping[str, Any], otherwise: float) -> float:
    wait = body.get("wait", otherwise)
    return min(LONGEST_BLOCK, max(0.0, float(wait))) if isinstance(wait, (int, float)) else otherwise


def clock(answer: Answer, now: datetime) -> list[Finding]:
    """What the Date of an answer tells about this machine's clock. Signatures are good for an hour."""
    try:
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return []
    skew = (now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))).total_seconds()
    return [Finding(ok=False, key="check-clock", facts={"skew": f"{skew:.0f}"})] if abs(skew) > CLOCK_MAY_DIFFER else []


def unreachable(http: Http, error: AdapterError) -> Finding:
    """The finding for a platform that does not answer."""
    return Finding(ok=False, key="check-unreachable", facts={"host": host(http), "reason": str(error)})


def host(http: Http) -> str:
    """The host a connection calls."""
    return urlsplit(http.base).hostname or ""


class DingTalkRobotAdapter:
    """Posts to a group, mentioning the addressed user. Buttons of this robot can only open links, so it has none.

    A robot may send 20 messages a minute and is blocked for ten when it sends more. The allowance refills while a
    burst is spent, so half of it is declared: no minute ever holds more than 20.
    """

    platform: ClassVar[str] = "dingtalk-robot"
    max_bytes: ClassVar[int] = 6_000  # the whole body may have 20 000, and escaping can treble a text
    can_button: ClassVar[bool] = False
    can_answer: ClassVar[bool] = False
    per_minute: ClassVar[float] = 10
    can_update: ClassVar[bool] = False
    can_mention: ClassVar[bool] = True
    receives: ClassVar[bool] = False
    listens: ClassVar[bool] = False

    def __init__(self, config: DingTalkRobotConfig, state: State, now: Callable[[], datetime]) -> None:
        del state  # a webhook has nothing to remember
        self.connection = config.name
        self._config = config
        self._now = now
        self._http = Http(config, BASE)

    def is_private(self, address: str) -> bool:  # noqa: ARG002  the contract's
        """Never: whoever is mentioned, the whole group reads it."""
        return False

    async def send(self, message: Outgoing) -> str:
        """Post the message. The platform gives no receipt and knows no duplicates; the key stands for it."""
        address = message.address
        if address and not ACCOUNT.fullmatch(address):
            raise RecipientError("not a user id or a mobile number")
        content = f"@{address} {neutral(message.text)}" if address else neutral(message.text)
        if self._config.keyword not in content:
            content = f"{content}\n{self._config.keyword}"
        field = "atUserIds" if self._config.mention_by == "user" else "atMobiles"
        mention = {field: [address] if address else [], "isAtAll": False}
        answer = await self._post({"msgtype": "text", "text": {"content": content}, "at": mention})
        passed(answer, *self._secrets())
        return message.key

    async def check(self) -> list[Finding]:
        """Post an empty body: the platform judges the token and refuses the rest, so nothing is sent."""
        try:
            answer = await self._post({})
        except AdapterError as error:
            return [unreachable(self._http, error)]
        found = [Finding(ok=True, key="check-reachable", facts={"host": host(self._http)})]
        found += clock(answer, self._now())
        code = answer.json().get("errcode")
        facts = {"code": short(code)}
        if code in CONFIGURATION:
            return [*found, Finding(ok=False, key="check-credentials-refused", facts=facts)]
        if code in MESSAGE:
            return [*found, Finding(ok=True, key="check-credentials")]
        return [*found, Finding(ok=True, key="check-unconfirmed", facts={"what": f"errcode {short(code)}"})]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _post(self, body: Mapping[str, Any]) -> Answer:
        token, secret = self._secrets()
        query = f"access_token={quote_plus(token)}"
        if secret:
            milliseconds = stamp(self._now())
            query += f"&timestamp={milliseconds}&sign={quote_plus(sign(secret, milliseconds))}"
        return await self._http.call("POST", f"/robot/send?{query}", body=body)

    def _secrets(self) -> tuple[str, str]:
        return self._config.access_token.get_secret_value(), self._config.secret.get_secret_value()
