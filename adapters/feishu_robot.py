"""Feishu's custom bot: one group, text, no answers. Document: client-docs/bot-v3/add-custom-bot."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

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
from adapters.feishu import BASE, clock_findings, code_of, fault, literal, succeeded
from adapters.http import Answer, ConnectionConfig, Http

HOOK = "/open-apis/bot/v2/hook/"
WEBHOOK = re.compile(rf"(?:(?P<base>https?://[^\s?#]+?){HOOK})?(?P<token>[\w-]+)", re.ASCII)
PERSON = re.compile(r"(?!all$)[\w-]+", re.ASCII)
GROUP = "chat:"
UNKNOWN_HOOK = 19001
FAULTS: Mapping[int, type[AdapterError]] = {
    9499: RecipientError,  # malformed, or larger than 20 KB
    11232: RetryError,  # 100 a minute, 5 a second
    19021: ConfigurationError,  # the signature, or a clock more than an hour off
    19022: ConfigurationError,  # this address is not on the bot's list
    19024: ConfigurationError,  # none of the bot's keywords is in the text
}
REFUSALS = {
    19021: "check-credentials-refused",
    19022: "check-feishu-address-refused",
    19024: "check-feishu-keyword",
    UNKNOWN_HOOK: "check-feishu-hook-unknown",
}


def _webhook(value: SecretStr) -> SecretStr:
    if not WEBHOOK.fullmatch(value.get_secret_value()):
        raise ValueError(f"expected the address that the group's settings show, https://…{HOOK}…, or its last part")
    return value


class FeishuRobotConfig(ConnectionConfig):
    """What a custom bot's connection may say."""

    webhook: Annotated[SecretStr, AfterValidator(_webhook)] = Field(
        description="the bot's whole address as the group's settings show it, or the last part of it"
    )
    secret: SecretStr = Field(default=SecretStr(""), description="the key of its signature check, if switched on")
    stop_on_unknown_hook: bool = Field(
        default=False, description="unconfirmed: code 19001 means that the bot was removed, and stops the connection"
    )


class FeishuRobotAdapter:
    """Says things in the group that its bot belongs to. The address is whom to mention; empty for nobody."""

    platform: ClassVar[str] = "feishu-robot"
    max_bytes: ClassVar[int] = 9_000
    """A body may have 20 KB: escapes and harmless markup at most double a text."""
    can_button: ClassVar[bool] = False
    can_answer: ClassVar[bool] = False
    can_update: ClassVar[bool] = False
    can_mention: ClassVar[bool] = True
    receives: ClassVar[bool] = False
    listens: ClassVar[bool] = False
    per_minute: ClassVar[float] = 100

    def __init__(self, config: FeishuRobotConfig, state: State, now: Callable[[], datetime]) -> None:  # noqa: ARG002
        self.connection = config.name
        self._config = config
        self._now = now
        found = WEBHOOK.fullmatch(config.webhook.get_secret_value())
        assert found is not None
        self._base, self._token = found["base"] or BASE, found["token"]

    @cached_property
    def _http(self) -> Http:
        return Http(self._config, self._base)

    def is_private(self, address: str) -> bool:  # noqa: ARG002  the contract's
        """Never: whoever is mentioned, the whole group reads it."""
        return False

    async def send(self, message: Outgoing) -> str:
        """Say it in the group. The bot tells no message id, so the key is the receipt."""
        text = _mention(message.address) + literal(message.text)
        answer = await self._post({"msg_type": "text", "content": {"text": text}})
        if not succeeded(answer):
            raise fault(answer, self._faults(), (self._token, self._config.secret.get_secret_value()))
        return message.key

    async def check(self) -> list[Finding]:
        """Post without a message type: the bot refuses that, and how it refuses tells what is wrong."""
        host = urlsplit(self._http.base).hostname or ""
        try:
            answer = await self._post({})
        except AdapterError as error:
            return [Finding(False, "check-unreachable", {"host": host, "reason": str(error)})]
        code = code_of(answer)
        if code is None:
            return [Finding(False, "check-unreachable", {"host": host, "reason": f"HTTP {answer.status}"})]
        findings = [Finding(True, "check-reachable", {"host": host}), *clock_findings(answer, self._now())]
        probed = Finding(code not in REFUSALS, REFUSALS.get(code, "check-feishu-robot-probed"), {"code": str(code)})
        return [*findings, probed]

    async def close(self) -> None:
        """Close the session."""
        await self._http.close()

    async def _post(self, body: Mapping[str, Any]) -> Answer:
        return await self._http.call("POST", HOOK + self._token, body={**self._signature(), **body})

    def _signature(self) -> dict[str, str]:
        secret = self._config.secret.get_secret_value()
        if not secret:
            return {}
        timestamp = str(int(self._now().timestamp()))
        return {"timestamp": timestamp, "sign": sign(timestamp, secret)}

    def _faults(self) -> Mapping[int, type[AdapterError]]:
        return {**FAULTS, UNKNOWN_HOOK: ConfigurationError} if self._config.stop_on_unknown_hook else FAULTS


def sign(timestamp: str, secret: str) -> str:
    """Feishu's bot signature: timestamp and secret are the key, the message is empty."""
    return b64(hmac_sha256(f"{timestamp}\n{secret}".encode(), b""))


def _mention(address: str) -> str:
    if not address or address.startswith(GROUP):
        return ""
    if not PERSON.fullmatch(address):
        raise RecipientError("not the id of one person")
    return f'<at user_id="{address}"></at> '
