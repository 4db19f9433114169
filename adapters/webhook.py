"""Any other system by signed JSON both ways: a city's own portal takes reminders and sends confirmations.

Document: Standard Webhooks 1.0.0 (headers, signed bytes, v1 and v1a, rotation, handling of answers). What the
bodies say is ours: `webhook_bodies`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator

from adapters.base import (
    AdapterError,
    ConfigurationError,
    Finding,
    Incoming,
    MalformedError,
    Outgoing,
    Received,
    RecipientError,
    Request,
    Response,
    RetryError,
    State,
    UnverifiedError,
)
from adapters.crypto import b64, ed25519_sign, ed25519_verify, hmac_sha256, same, unb64
from adapters.http import Answer, ConnectionConfig, Http, retry_after
from adapters.webhook_bodies import INBOUND, LONGEST_ID, WORDLESS, ReplyAction, ReplyText, clean

WINDOW = 300.0
"""Seconds that a signature is good for: the reference library's tolerance."""
MOST_DATA, LONGEST_SAID = 19_500, 120
STYLES = {"primary": "primary", "danger": "danger"}
MOST_SIGNATURES, LONGEST_TIME = 16, 12
SEED, PAIR = 32, 64
HMAC_KEY = range(24, 65)
SUCCESS, REDIRECT = range(200, 300), range(300, 400)

FAULTS: Mapping[int, type[AdapterError]] = {
    400: RecipientError,  # it cannot read this message
    413: RecipientError,  # too large
    422: RecipientError,  # it knows no such recipient
    401: ConfigurationError,  # it does not accept the signature
    403: ConfigurationError,
    404: ConfigurationError,
    405: ConfigurationError,
    410: ConfigurationError,  # the endpoint is to be disabled
}
"""What an answer's status means; a redirect is a wrong address, and whatever else there is may pass."""
UNSIGNED = frozenset({401, 403})

Signer = Callable[[bytes], str]
Verifier = Callable[[str, bytes], bool]
Made = TypeVar("Made")


def signers(secrets: str) -> tuple[Signer, ...]:
    """What signs with each of the keys, parted by spaces. Raises ValueError."""
    return tuple(_made(one, {"whsec": _v1_signer, "whsk": _v1a_signer}) for one in secrets.split())


def verifiers(secrets: str) -> tuple[Verifier, ...]:
    """What tells if an entry of a signature header holds, for each of the keys. Raises ValueError."""
    return tuple(_made(one, {"whsec": _v1_verifier, "whpk": _v1a_verifier}) for one in secrets.split())


def _made(text: str, kinds: Mapping[str, Callable[[bytes], Made]]) -> Made:
    kind, _, key = text.partition("_")
    if kind not in kinds:
        raise ValueError(f"expected a key that begins with {' or '.join(f'{one}_' for one in kinds)}")
    try:
        raw = unb64(key + "=" * (-len(key) % 4))
    except MalformedError:
        raise ValueError(f"expected base64 after {kind}_") from None
    return kinds[kind](raw)


def _v1_signer(key: bytes) -> Signer:
    if len(key) not in HMAC_KEY:
        raise ValueError("the key of a whsec_ secret has 24 to 64 bytes")
    return lambda content: f"v1,{b64(hmac_sha256(key, content))}"


def _v1_verifier(key: bytes) -> Verifier:
    sign = _v1_signer(key)
    return lambda entry, content: same(sign(content), entry)


def _v1a_signer(key: bytes) -> Signer:
    """The seed alone, or the seed and the public key: which of the two a whsk_ holds is not fixed."""
    if len(key) not in (SEED, PAIR):
        raise ValueError("a whsk_ key has 32 or 64 bytes")
    seed = key[:SEED]
    if len(key) == PAIR and not ed25519_verify(key[SEED:], b"", ed25519_sign(seed, b"")):
        raise ValueError("the halves of the whsk_ key do not belong together")
    return lambda content: f"v1a,{b64(ed25519_sign(seed, content))}"


def _v1a_verifier(key: bytes) -> Verifier:
    if len(key) != SEED:
        raise ValueError("a whpk_ key has 32 bytes")

    def holds(entry: str, content: bytes) -> bool:
        version, _, signature = entry.partition(",")
        try:
            return version == "v1a" and ed25519_verify(key, content, unb64(signature))
        except MalformedError:
            return False

    return holds


class WebhookConfig(ConnectionConfig):
    """The keys of a webhook connection. `base_url` is the whole address that is posted to."""

    secret: SecretStr = Field(
        description="signs what goes out: whsec_…, or several, parted by spaces, while keys change; unconfirmed: whsk_…"
    )
    inbound_secret: SecretStr = Field(
        default=SecretStr(""),
        description="verifies what comes in: whsec_… or whpk_…, also several; empty takes nothing",
    )
    authorization: SecretStr = Field(
        default=SecretStr(""), description="an Authorization header, where a gateway before the portal wants one"
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        url = urlsplit(self.base_url)
        if not url.hostname or url.query or url.fragment or "@" in url.netloc:
            raise ValueError("base_url: expected an address without user, password and query: it is not kept secret")
        if url.scheme != "https" and not self.allow_private:
            raise ValueError("base_url: expected https:// unless allow_private is set")
        if not signers(self.secret.get_secret_value()):
            raise ValueError("secret: expected at least one key")
        verifiers(self.inbound_secret.get_secret_value())
        if not re.fullmatch(r"[\x20-\x7e]*", self.authorization.get_secret_value()):
            raise ValueError("authorization: expected ASCII on one line")
        return self


@dataclass(frozen=True, slots=True)
class _Event:
    """One event: its type, and its id, which stays the same over retries."""

    type: str
    id: str
    data: Mapping[str, Any]


class WebhookAdapter:
    """Posts events to one endpoint and takes replies. The address is whatever the portal knows its users by."""

    platform: ClassVar[str] = "webhook"
    max_bytes: ClassVar[int] = 6_000
    """A body may have 20 KB; JSON can double a text, and the actions take their part."""
    can_button: ClassVar[bool] = True
    can_update: ClassVar[bool] = True
    updates_text: ClassVar[bool] = True
    can_mention: ClassVar[bool] = False
    listens: ClassVar[bool] = False
    per_minute: ClassVar[float] = 600

    def __init__(self, config: WebhookConfig, state: State, now: Callable[[], datetime]) -> None:
        del state  # every event stands for itself
        self.connection = config.name
        self._config = config
        self._now = now
        self._signers = signers(config.secret.get_secret_value())
        self._verifiers = verifiers(config.inbound_secret.get_secret_value())
        self.receives = self.can_answer = bool(self._verifiers)

    @cached_property
    def _http(self) -> Http:
        return Http(self._config, "")

    def is_private(self, address: str) -> bool:
        """Whether an address is a user of the portal; a portal that has groups names them `chat:`."""
        return not address.startswith("chat:")

    async def send(self, message: Outgoing) -> str:
        """Post `reminder.fired`. The receipt is the reminder's id: answers name it."""
        event_id = _event_id(self.connection, message.key, message.address, message.text, message.via)
        await self._deliver(_Event("reminder.fired", event_id, self._data(message.key, message)))
        return message.key

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Post `reminder.updated` for the same reminder. Every update is an event of its own, also back to before."""
        at = str(self._now().timestamp())
        event_id = _event_id(self.connection, receipt, message.address, message.text, at)
        await self._deliver(_Event("reminder.updated", event_id, self._data(receipt, message)))
        return receipt

    def receive(self, request: Request, now: datetime) -> Received:
        """Verify and read a reply. Types not known here are acknowledged and passed over."""
        event_id = self._verified(request, now)
        body = _body_of(request.body)
        model = INBOUND.get(str(body.get("type")))
        response = Response(200, b"{}", "application/json")
        if model is None:
            return Received(response=response)
        try:
            reply = model.model_validate(body).data
        except ValidationError:
            raise MalformedError("not what the schema says") from None
        message = Incoming(
            connection=self.connection,
            app=self.connection,
            message_id=event_id,
            sender=reply.user,
            text=reply.text.strip() if isinstance(reply, ReplyText) else "",
            action=reply.action if isinstance(reply, ReplyAction) else "",
            reply_to=reply.reminder_id,
            via=event_id,
        )
        return Received((message,), response)

    async def check(self) -> list[Finding]:
        """Post a `connection.check` that is for nobody: it tells if the address and the signature are accepted."""
        facts = {"host": urlsplit(self._config.base_url).hostname or ""}
        now = self._now()
        event = _Event("connection.check", _event_id(self.connection, str(now.timestamp())), {})
        try:
            answer = await self._post(event, now)
        except AdapterError as error:
            return [Finding(ok=False, key="check-unreachable", facts={**facts, "reason": str(error)})]
        found = [Finding(ok=True, key="check-reachable", facts=facts), *_clock(answer, now)]
        return [*found, _judged(answer.status), self._inbound()]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    # Sending

    def _data(self, reminder_id: str, message: Outgoing) -> dict[str, Any]:
        data: dict[str, Any] = {
            "reminder_id": reminder_id,
            "to": clean(message.address),
            "text": clean(message.text),
            "in_reply_to": clean(message.via),
            "actions": [],
        }
        size = len(json.dumps(data, ensure_ascii=False).encode())
        for button in message.buttons if self.receives else ():
            action = {"action": button.value, "label": clean(button.label), "style": STYLES.get(button.style, "plain")}
            size += len(json.dumps(action, ensure_ascii=False).encode("utf-8", "replace"))
            if _fits(button.value) and size < MOST_DATA:
                data["actions"].append(action)
        return data

    async def _deliver(self, event: _Event) -> None:
        answer = await self._post(event, self._now())
        if answer.status in SUCCESS:
            return
        reason = f"HTTP {answer.status}: {self._short(answer.text)}"
        kind = ConfigurationError if answer.status in REDIRECT else FAULTS.get(answer.status)
        raise kind(reason) if kind else RetryError(reason, retry_after(answer.headers, 0.0))

    async def _post(self, event: _Event, now: datetime) -> Answer:
        """Sign anew at every attempt: the time is the attempt's, the id the event's."""
        at = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        said = {"type": event.type, "timestamp": at, "data": event.data}
        body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        seconds = str(int(now.timestamp()))
        content = signed_bytes(event.id, seconds, body)
        headers = {
            "webhook-id": event.id,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join(sign(content) for sign in self._signers),
        }
        if authorization := self._config.authorization.get_secret_value():
            headers["Authorization"] = authorization
        return await self._http.call("POST", self._config.base_url, body=body, headers=headers)

    def _short(self, said: str) -> str:
        """What the portal said, in one short line and without our credentials."""
        line = " ".join(WORDLESS.sub(" ", said).split())
        for field in (self._config.secret, self._config.inbound_secret, self._config.authorization):
            for secret in field.get_secret_value().split():
                line = line.replace(secret, "***").replace(secret.partition("_")[2] or secret, "***")
        return line[:LONGEST_SAID]

    # Receiving

    def _verified(self, request: Request, now: datetime) -> str:
        """The id of a request whose signature holds."""
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        event_id, seconds, given = (request.headers.get(name, "") for name in names)
        if not (event_id.isascii() and given.isascii() and re.fullmatch(rf"[0-9]{{1,{LONGEST_TIME}}}", seconds)):
            raise UnverifiedError("no signature")
        content = signed_bytes(event_id, seconds, request.body)
        entries = given.split()[:MOST_SIGNATURES]
        if not any(holds(entry, content) for holds in self._verifiers for entry in entries):
            raise UnverifiedError("wrong signature")
        if abs(now.timestamp() - int(seconds)) > WINDOW:
            raise UnverifiedError("signed too long ago, or by another clock")
        if not re.fullmatch(rf"[!-\-/-~]{{1,{LONGEST_ID}}}", event_id):
            raise MalformedError("webhook-id: expected up to 120 visible signs without a dot")
        return event_id

    def _inbound(self) -> Finding:
        if not self.receives:
            return Finding(ok=True, key="check-webhook-one-way")
        return Finding(ok=True, key="check-webhook-inbound", facts={"path": f"/hooks/{self.connection}"})


def signed_bytes(event_id: str, seconds: str, body: bytes) -> bytes:
    """What a signature covers: id, time and the raw body."""
    return f"{event_id}.{seconds}.".encode() + body


def _event_id(*parts: str) -> str:
    """The same for the same parts; another database that counts from one again does not repeat it."""
    return f"msg_{sha256(json.dumps(parts).encode()).hexdigest()[:32]}"


def _body_of(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedError("not JSON") from None
    if not isinstance(found, dict):
        raise MalformedError("not a JSON object")
    return found


def _fits(value: str) -> bool:
    """Whether an action comes back as it went out."""
    return clean(value) == value and 0 < len(value) <= LONGEST_ID


def _judged(status: int) -> Finding:
    if status in SUCCESS:
        return Finding(ok=True, key="check-credentials")
    key = "check-credentials-refused" if status in UNSIGNED else "check-webhook-address"
    return Finding(ok=False, key=key, facts={"code": f"HTTP {status}"})


def _clock(answer: Answer, now: datetime) -> list[Finding]:
    """What the Date of an answer tells about this machine's clock: a signature is good for five minutes."""
    try:
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return []
    skew = (now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))).total_seconds()
    return [Finding(ok=False, key="check-clock", facts={"skew": f"{skew:.0f}"})] if abs(skew) > WINDOW / 2 else []
