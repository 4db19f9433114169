"""Feishu's application bot: people and groups, cards with buttons, answers by callback or long connection.

Documents: im-v1/message/create, reply, patch; auth/tenant_access_token_internal; feishu-cards (JSON 2.0, button).
What comes in is read in `feishu_events`; the long connection is `feishu_socket`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from adapters.base import (
    LONGEST_APP,
    AdapterError,
    Button,
    ConfigurationError,
    Finding,
    OnMessage,
    Outgoing,
    Received,
    RecipientError,
    Request,
    RetryError,
    State,
    UnverifiedError,
)
from adapters.feishu import BASE, clock_findings, code_of, fault, literal, succeeded
from adapters.feishu_events import DONE, Reader, event_of
from adapters.feishu_socket import LongConnection
from adapters.http import Answer, ConnectionConfig, Http, Token

TOKEN, MESSAGES = "/open-apis/auth/v3/tenant_access_token/internal", "/open-apis/im/v1/messages"
RENEW_BEFORE = 600.0
"""Seconds before its end that a token is renewed: the SDK's own."""
TOKEN_FAULTS: Mapping[int, type[AdapterError]] = {10003: ConfigurationError, 10014: ConfigurationError}
"""No such app, wrong secret. The documents refer to the general table; anything else is tried again."""
STALE = frozenset({99991661, 99991663, 99991664, 99991668})
SCOPE_MISSING, BOT_OFF = 99991672, 230006
FAULTS: Mapping[int, type[AdapterError]] = {
    99991400: RetryError,  # the app's calls
    230020: RetryError,  # 5 a second to one person or group
    230049: RetryError,  # the same message is still on its way
    SCOPE_MISSING: ConfigurationError,
    BOT_OFF: ConfigurationError,
    230027: ConfigurationError,  # a permission is missing
    230001: RecipientError,  # bad parameter
    230002: RecipientError,  # the bot is not in the group
    230011: RecipientError,  # recalled
    230013: RecipientError,  # outside the app's availability
    230018: RecipientError,  # may not speak there
    230022: RecipientError,  # content audit
    230025: RecipientError,  # too long
    230028: RecipientError,  # content audit
    230029: RecipientError,  # has left
    230031: RecipientError,  # older than 14 days
    230034: RecipientError,  # bad id
    230035: RecipientError,  # may not speak there
    230038: RecipientError,  # another tenant
    230053: RecipientError,  # stopped the bot
    230099: RecipientError,  # bad card
    232009: RecipientError,  # the group is dissolved
    99992351: RecipientError,  # bad open_id
}
GROUP = "chat:"
KINDS = {"ou_": "open_id", "on_": "union_id", "oc_": "chat_id"}
MESSAGE_ID = re.compile(r"[\w-]+", re.ASCII)
STYLES = {"primary": "primary", "danger": "danger"}
MOST_BUTTONS, LARGEST_CARD = 20, 30_000
"""A request with a card may have 30 KB. Buttons that do not fit are left out: the text says what to type."""


class FeishuAppConfig(ConnectionConfig):
    """What an application bot's connection may say."""

    app_id: str = Field(min_length=1, max_length=LONGEST_APP)
    app_secret: SecretStr = Field(min_length=1)
    mode: Literal["long-connection", "http"] = Field(
        default="long-connection", description="how Feishu delivers answers; http needs a public address"
    )
    encrypt_key: SecretStr = Field(default=SecretStr(""), description="of the event subscription; http only")
    verification_token: SecretStr = Field(default=SecretStr(""), description="of the event subscription; http only")
    id_type: Literal["open_id", "union_id", "user_id"] = Field(
        default="open_id", description="the kind of id people are bound by; user_id needs a permission of its own"
    )
    ws_url: str = Field(
        default="",
        pattern=r"^(wss?://[^/\s]+)?/?$",
        description="scheme and host that take the place of those the platform names for the long connection",
    )
    legacy_cards: bool = Field(
        default=False, description="also take card clicks the old way: unencrypted, signed by SHA-1 with the token"
    )

    @model_validator(mode="after")
    def _keys(self) -> Self:
        """Without an Encrypt Key nothing signs an event: the mode is refused rather than trusted."""
        if self.mode == "http" and not (
            self.encrypt_key.get_secret_value() and self.verification_token.get_secret_value()
        ):
            raise ValueError("mode http needs encrypt_key and verification_token")
        return self


class FeishuAppAdapter:
    """Writes to people by id and to groups as `chat:oc_…`. A receipt is the message's id."""

    platform: ClassVar[str] = "feishu-app"
    max_bytes: ClassVar[int] = 6_000
    """A card's request may have 30 KB, and its text is escaped twice."""
    can_button: ClassVar[bool] = True
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = True
    updates_text: ClassVar[bool] = False
    can_mention: ClassVar[bool] = False
    per_minute: ClassVar[float] = 1000

    def __init__(self, config: FeishuAppConfig, state: State, now: Callable[[], datetime]) -> None:  # noqa: ARG002
        self.connection = config.name
        self.listens = config.mode == "long-connection"
        self.receives = not self.listens
        self._config = config
        self._now = now
        self._token = Token(self._fetch_token, RENEW_BEFORE)
        self._reader = Reader(
            config.name,
            config.app_id,
            config.id_type,
            config.encrypt_key.get_secret_value(),
            config.verification_token.get_secret_value(),
            config.legacy_cards,
        )

    @cached_property
    def _http(self) -> Http:
        return Http(self._config, BASE)

    @cached_property
    def _socket(self) -> LongConnection:
        return LongConnection(
            self._http,
            self.connection,
            self._config.app_id,
            self._config.app_secret.get_secret_value(),
            self._config.ws_url,
            self._config.allow_private,
        )

    def is_private(self, address: str) -> bool:
        """Whether an address is a person; else it is a chat."""
        return not address.startswith(GROUP)

    async def send(self, message: Outgoing) -> str:
        """Answer where it was said, if that can be; else write to the address. A key is said once an hour at most."""
        kind, content = _content(message)
        body = {"msg_type": kind, "content": content}
        if message.via:
            try:
                path = f"{MESSAGES}/{_message_id(message.via)}/reply"
                return _receipt(await self._call("POST", path, {**body, "uuid": self._uuid(message, message.via)}))
            except RecipientError:
                if not message.address:
                    raise
        receiver, id_type = _receiver(message.address)
        body |= {"receive_id": receiver, "uuid": self._uuid(message, message.address)}
        return _receipt(await self._call("POST", MESSAGES, body, {"receive_id_type": id_type}))

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Show a card anew, for everyone who has it."""
        card = _card(message.text, message.buttons)
        await self._call("PATCH", f"{MESSAGES}/{_message_id(receipt)}", {"content": card})
        return receipt

    def receive(self, request: Request, now: datetime) -> Received:
        """Verify and read an event or a click. Raises UnverifiedError, MalformedError."""
        if not self.receives:
            raise UnverifiedError("this connection takes no calls: its mode is long-connection")
        return self._reader.receive(request, now)

    async def listen(self, on_message: OnMessage) -> None:
        """Hold the long connection until cancelled; returns at once in mode http."""

        async def take(payload: bytes) -> bytes:
            for message in self._reader.read(event_of(payload)):
                await on_message(message)
            return DONE.body

        if self.listens:
            await self._socket.run(take)

    async def check(self) -> list[Finding]:
        """Ask for a token, send to nobody, ask for the long connection's address: each refusal says what is missing."""
        facts = {"host": urlsplit(self._http.base).hostname or ""}
        try:
            answer = await self._ask_token()
            if not succeeded(answer):
                return [Finding(True, "check-reachable", facts), self._refused(answer)]
            findings = [Finding(True, "check-reachable", facts), *clock_findings(answer, self._now())]
            findings += [Finding(True, "check-credentials"), await self._check_sending()]
        except AdapterError as error:
            return [Finding(False, "check-unreachable", {**facts, "reason": str(error)})]
        return [*findings, await self._check_answers()]

    async def close(self) -> None:
        """Close the session."""
        await self._http.close()

    def _refused(self, answer: Answer) -> Finding:
        code = code_of(answer)
        if code is None:
            return Finding(False, "check-feishu-stranger", {"status": str(answer.status)})
        return Finding(False, "check-credentials-refused", {"code": str(code)})

    async def _check_sending(self) -> Finding:
        """The permission is looked at before the receiver, and nobody has an empty id."""
        body = {"receive_id": "", "msg_type": "text", "content": '{"text":"-"}'}
        code = code_of(await self._authorised("POST", MESSAGES, body, {"receive_id_type": "open_id"}))
        if code == BOT_OFF:
            return Finding(False, "check-feishu-bot-off", {"code": str(code)})
        if FAULTS.get(code or 0) is ConfigurationError:
            return Finding(False, "check-permission", {"code": str(code)})
        return Finding(True, "check-feishu-may-send")

    async def _check_answers(self) -> Finding:
        if self.receives:
            return Finding(True, "check-feishu-callback")
        try:
            await self._socket.address()
        except AdapterError as error:
            return Finding(False, "check-feishu-long-connection-refused", {"reason": str(error)})
        return Finding(True, "check-feishu-long-connection")

    async def _fetch_token(self) -> tuple[str, float]:
        answer = await self._ask_token()
        found = answer.json()
        token, lifetime = found.get("tenant_access_token"), found.get("expire")
        if not succeeded(answer) or not isinstance(token, str) or not isinstance(lifetime, (int, float)):
            raise fault(answer, TOKEN_FAULTS, self._secrets())
        return token, float(lifetime)

    async def _ask_token(self) -> Answer:
        secret = self._config.app_secret.get_secret_value()
        return await self._http.call("POST", TOKEN, body={"app_id": self._config.app_id, "app_secret": secret})

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        answer = await self._authorised(method, path, body, query)
        if not succeeded(answer):
            raise fault(answer, FAULTS, self._secrets())
        data = answer.json().get("data")
        return data if isinstance(data, dict) else {}

    async def _authorised(
        self, method: str, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None
    ) -> Answer:
        """One call; once more with a new token if the platform no longer takes this one."""
        for _ in range(2):
            token = await self._token.get()
            headers = {"Authorization": f"Bearer {token}"}
            answer = await self._http.call(method, path, body=body, query=query, headers=headers)
            if code_of(answer) not in STALE:
                break
            self._token.drop(token)
        return answer

    def _secrets(self) -> tuple[str, ...]:
        return (self._config.app_secret.get_secret_value(),)

    def _uuid(self, message: Outgoing, target: str) -> str:
        """At most 50 characters, and another one for another receiver: Feishu suppresses by it alone."""
        return hashlib.sha256(f"{self.connection}\n{message.key}\n{target}".encode()).hexdigest()[:40]


def _content(message: Outgoing) -> tuple[str, str]:
    """The kind of message, and its content as the JSON text that Feishu wants."""
    if message.buttons:
        return "interactive", _card(message.text, message.buttons)
    return "text", _json({"text": literal(message.text)})


def _card(text: str, buttons: Sequence[Button]) -> str:
    """A card (JSON 2.0) that everyone sees alike: without `update_multi` it could not be changed later."""
    elements = [{"tag": "div", "text": _plain(text)}, *map(_button, buttons[:MOST_BUTTONS])]
    while True:
        card = _json({"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": elements}})
        if len(elements) == 1 or len(_json(card).encode()) <= LARGEST_CARD:
            return card
        elements.pop()


def _button(button: Button) -> dict[str, Any]:
    return {
        "tag": "button",
        "text": _plain(button.label),
        "type": STYLES.get(button.style, "default"),
        "behaviors": [{"type": "callback", "value": {"value": button.value}}],
    }


def _plain(text: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": literal(text)}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _receiver(address: str) -> tuple[str, str]:
    """Ids tell by their beginning what they are; what begins otherwise is a user_id or an address of e-mail."""
    receiver = address.removeprefix(GROUP)
    if not receiver:
        raise RecipientError("nobody is named")
    if address.startswith(GROUP):
        return receiver, "chat_id"
    return receiver, KINDS.get(receiver[:3], "email" if "@" in receiver else "user_id")


def _message_id(text: str) -> str:
    if not MESSAGE_ID.fullmatch(text):
        raise RecipientError("not the id of a message")
    return text


def _receipt(data: Mapping[str, Any]) -> str:
    found = data.get("message_id")
    if not isinstance(found, str) or not found:
        raise RetryError("the platform named no message")
    return found
