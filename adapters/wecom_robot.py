"""WeCom group robot: one-way messages into the group it was added to. Source: WeCom 91770 (99110)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from adapters.base import AdapterError, Finding, Outgoing, State
from adapters.http import Answer, ConnectionConfig, Http
from adapters.wecom_parts import GROUP, Fault, errcode, marked, member, plain, succeeded

BASE = "https://qyapi.weixin.qq.com"
PATH = "/cgi-bin/webhook/send"
MARKDOWN_LIMIT = 4096
KEY_SIGNS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")

FAULTS: Mapping[int, Fault] = {
    -1: Fault.BUSY,
    45009: Fault.LIMITED,
    93000: Fault.CONFIGURATION,
    93004: Fault.CONFIGURATION,
    93008: Fault.CONFIGURATION,
    40008: Fault.RECIPIENT,
    40058: Fault.RECIPIENT,
    44004: Fault.RECIPIENT,
    45002: Fault.RECIPIENT,
}


class WecomRobotConfig(ConnectionConfig):
    """Keys of a group robot's connection."""

    key: SecretStr = Field(description="what follows key= in the robot's webhook address; it is the only credential")
    format: Literal["text", "markdown"] = Field(default="text", description="text mentions people in every client")

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        if not key.get_secret_value() or not KEY_SIGNS.issuperset(key.get_secret_value()):
            raise ValueError("expected only what follows key= in the webhook address")
        return key


class WecomRobotAdapter:
    """Posts into one group; the address is the member to mention, empty for nobody."""

    platform: ClassVar[str] = "wecom-robot"
    max_bytes: ClassVar[int] = 2048
    can_button: ClassVar[bool] = False
    can_answer: ClassVar[bool] = False
    can_update: ClassVar[bool] = False
    can_mention: ClassVar[bool] = True
    receives: ClassVar[bool] = False
    listens: ClassVar[bool] = False
    per_minute: ClassVar[float] = 20

    def __init__(self, config: WecomRobotConfig, state: State, now: Callable[[], datetime]) -> None:
        del state, now  # a robot remembers nothing and signs nothing
        self.connection = config.name
        self._config = config
        self._http = Http(config, BASE)

    def is_private(self, address: str) -> bool:  # noqa: ARG002  the contract's
        """Never: whoever is mentioned, the whole group reads it."""
        return False

    async def send(self, message: Outgoing) -> str:
        """Post the text. The platform gives no receipt and knows no duplicates: the receipt is the key."""
        who = "" if message.address.startswith(GROUP) or not message.address else member(message.address)
        answer = await self._call(self._body(message.text, who))
        succeeded(answer.json(), answer.status, FAULTS)
        return message.key

    def _body(self, text: str, who: str) -> dict[str, Any]:
        if self._config.format == "markdown":
            content = marked(text) + (f"\n<@{who}>" if who else "")
            # Full-width signs are longer: a text made of nothing but markup goes out as plain text.
            if len(content.encode()) <= MARKDOWN_LIMIT:
                return {"msgtype": "markdown", "markdown": {"content": content}}
        mention = {"mentioned_list": [who]} if who else {}
        return {"msgtype": "text", "text": {"content": plain(text), **mention}}

    async def _call(self, body: Mapping[str, Any]) -> Answer:
        return await self._http.call("POST", PATH, body=body, query={"key": self._config.key.get_secret_value()})

    async def check(self) -> list[Finding]:
        """Post an empty body, which cannot become a message: a bad key is refused before anything else is."""
        host = self._http.base.partition("://")[2]
        try:
            answer = await self._call({})
        except AdapterError as error:
            return [Finding(ok=False, key="check-unreachable", facts={"host": host, "reason": str(error)})]
        code = errcode(answer.json())
        if code is None:
            reason = f"HTTP {answer.status}"
            return [Finding(ok=False, key="check-unreachable", facts={"host": host, "reason": reason})]
        reachable = Finding(ok=True, key="check-reachable", facts={"host": host})
        if FAULTS.get(code) is Fault.CONFIGURATION:
            return [reachable, Finding(ok=False, key="check-credentials-refused", facts={"code": str(code)})]
        return [reachable, Finding(ok=True, key="check-wecom-robot-key-not-refused")]

    async def close(self) -> None:
        """Close the session."""
        await self._http.close()
