"""Slack: people and channels by the Web API, answers by the Events API and interactivity.

Documents: docs.slack.dev chat.postMessage, chat.update, conversations.open, auth.test, Verifying requests from Slack.
What comes in is read in `slack_events`.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from adapters.base import (
    AdapterError,
    ConfigurationError,
    Finding,
    Outgoing,
    Received,
    RecipientError,
    Request,
    Response,
    RetryError,
    State,
    UnverifiedError,
)
from adapters.crypto import hmac_sha256, same
from adapters.http import Answer, ConnectionConfig, Http, retry_after
from adapters.slack_events import Reader, Via, payload_of, text_of

BASE, HOOKS = "https://slack.com/api", "https://hooks.slack.com"
WINDOW = 300.0
"""Seconds that a signature is good for: the SDK's constant."""
GROUP = "chat:"
SUCCESS = range(200, 300)
LONGEST_SECTION, LONGEST_TEXT, LONGEST_SAID = 3000, 9000, 120
MOST_BUTTONS, LONGEST_LABEL, LONGEST_VALUE = 25, 75, 2000
STYLES = {"primary": "primary", "danger": "danger"}
AS_IS = {"parse": "none", "link_names": False}
USER, CHANNEL = re.compile(r"[UW][A-Z0-9]{1,30}", re.ASCII), re.compile(r"[CDG][A-Z0-9]{1,30}", re.ASCII)
STAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}", re.ASCII)

SLOW_DOWN = 30.0
RETRY: Mapping[str, float] = {
    "ratelimited": SLOW_DOWN,
    "rate_limited": SLOW_DOWN,
    "internal_error": 0.0,
    "fatal_error": 0.0,  # may have done part of its work: a message can appear twice
    "service_unavailable": 0.0,
    "request_timeout": 0.0,
    "team_added_to_org": 60.0,
}
CONFIGURATION = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",  # tokens that rotate are not supported
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "access_denied",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "org_login_required",
        "team_access_not_granted",
        "two_factor_setup_required",
        "messages_tab_disabled",
    }
)
RECIPIENT = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "user_not_found",
        "users_not_found",
        "user_not_visible",
        "user_disabled",
        "cannot_dm_bot",
        "method_not_supported_for_channel_type",
        "msg_too_long",
        "msg_blocks_too_long",
        "no_text",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "message_not_found",
        "cant_update_message",
        "edit_window_closed",
    }
)
SCOPES = frozenset({"chat:write", "im:write", "im:history", "app_mentions:read"})

_WORDLESS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_PIECE = re.compile(r"(https?://[^\s<>|\"'`*~，。；、！？：（）《》「」【】“”]{1,500}(?<![.,;:!?)\]]))|(.)", re.DOTALL)
_LITERAL = str.maketrans({"<": "＜", ">": "＞", "*": "＊", "_": "＿", "~": "～", "`": "｀", "&": "&amp;"})
_NARROW = {**_LITERAL, ord("&"): "＆"}


class SlackConfig(ConnectionConfig):
    """The keys of an app that is installed in one workspace."""

    bot_token: SecretStr = Field(min_length=1, description="Bot User OAuth Token, xoxb-…, without token rotation")
    signing_secret: SecretStr = Field(min_length=1, description="Signing Secret of the app")
    hooks_url: str = Field(default=HOOKS, pattern=r"^https?://[^/]+$", description="host of response_url")


class _RefusedError(RecipientError):
    """The platform's refusal of one message, with its code."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


def sections(text: str) -> list[str]:
    """Text in pieces that fit a section, in markup that shows it as it is: links work, nothing else means anything."""
    wordy = _WORDLESS.sub("", text)
    linked = list(_pieces(wordy))
    if sum(map(len, linked)) > LONGEST_TEXT:
        # What consists of escapes is shown without them, rather than refused.
        linked = list(wordy.translate(_NARROW))
    found = [""]
    for piece in linked:
        if len(found[-1]) + len(piece) > LONGEST_SECTION:
            found.append("")
        found[-1] += piece
    return found


def neutral(text: str) -> str:
    """Text that mentions nobody and formats nothing."""
    return "".join(sections(text))


def _pieces(text: str) -> Iterator[str]:
    for link, sign in _PIECE.findall(text):
        yield f"<{link.replace('&', '&amp;')}>" if link else sign.translate(_LITERAL)


class SlackAdapter:
    """Writes to people by their id and to channels as `chat:C…`. A receipt is `channel:ts`.

    The platform takes about one message a second for a channel and knows no duplicates.
    """

    platform: ClassVar[str] = "slack"
    max_bytes: ClassVar[int] = 3_000
    """A section has 3 000 signs; texts of more than 4 000 are discouraged."""
    can_button: ClassVar[bool] = True
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = True
    updates_text: ClassVar[bool] = True
    can_mention: ClassVar[bool] = False
    receives: ClassVar[bool] = True
    listens: ClassVar[bool] = False
    per_minute: ClassVar[float] = 50

    def __init__(self, config: SlackConfig, state: State, now: Callable[[], datetime]) -> None:
        self.connection = config.name
        self._config = config
        self._state = state
        self._now = now
        self._reader = Reader(config.name, config.hooks_url)

    @cached_property
    def _http(self) -> Http:
        http = Http(self._config, BASE)
        http.trust(self._config.hooks_url)
        return http

    def is_private(self, address: str) -> bool:
        """Whether an address is a user; else it is a channel."""
        return USER.fullmatch(address) is not None

    async def send(self, message: Outgoing) -> str:
        """Answer where it was said, if that can be; else write to the address."""
        *ways, last = self._ways(message)
        for way in ways:
            with suppress(RecipientError):
                return await way()
        return await last()

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Show a message anew, with the buttons it has now."""
        channel, _, stamp = receipt.partition(":")
        if not (CHANNEL.fullmatch(channel) and STAMP.fullmatch(stamp)):
            raise RecipientError("not the receipt of a message")
        return _receipt(
            await self._call("chat.update", {"channel": channel, "ts": stamp, **_content(message), **AS_IS})
        )

    def receive(self, request: Request, now: datetime) -> Received:
        """Verify and read an event or a click. What else the platform says is acknowledged and passed over."""
        self._verify(request, now)
        data = payload_of(request)
        if data.get("type") == "url_verification":
            return Received(response=Response(200, text_of(data, "challenge").encode()))
        return Received(tuple(self._reader.read(data, now)))

    async def check(self) -> list[Finding]:
        """Ask who the token is, and what it may do; nobody gets anything."""
        facts = {"host": urlsplit(self._http.base).hostname or ""}
        try:
            answer = await self._post("auth.test", {})
        except AdapterError as error:
            return [Finding(ok=False, key="check-unreachable", facts={**facts, "reason": str(error)})]
        found = [Finding(ok=True, key="check-reachable", facts=facts), *_clock(answer, self._now())]
        if not _succeeded(answer):
            code = self._short(_code(answer) or f"HTTP {answer.status}")
            return [*found, Finding(ok=False, key="check-credentials-refused", facts={"code": code})]
        found += [Finding(ok=True, key="check-credentials")]
        granted = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")} - {""}
        if granted and SCOPES - granted:
            found += [Finding(ok=False, key="check-permission", facts={"code": ", ".join(sorted(SCOPES - granted))})]
        return [*found, Finding(ok=True, key="check-slack-callback", facts={"path": f"/hooks/{self.connection}"})]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    # Sending

    def _ways(self, message: Outgoing) -> Iterator[Callable[[], Awaitable[str]]]:
        """Best first: into the conversation, which gives a receipt; by response_url; to the address."""
        via = Via.read(message.via)
        if CHANNEL.fullmatch(via.channel):
            yield partial(self._into, via.channel, message, via.thread)
        if via.url and self._now().timestamp() < via.until:
            yield partial(self._respond, via, message)
        yield partial(self._write, message)

    async def _write(self, message: Outgoing) -> str:
        address = message.address
        if address.startswith(GROUP) and CHANNEL.fullmatch(address.removeprefix(GROUP)):
            return await self._into(address.removeprefix(GROUP), message)
        if not USER.fullmatch(address):
            raise RecipientError("neither a user id nor chat: and a channel id")
        known = await self._state.get(f"dm:{address}")
        if known:
            try:
                return await self._into(known, message)
            except _RefusedError as error:
                if error.code != "channel_not_found":
                    raise
        return await self._into(await self._open(address), message)

    async def _open(self, user: str) -> str:
        """The conversation with a person: the same one whenever it is asked for, so it is remembered."""
        found = (await self._call("conversations.open", {"users": user})).get("channel")
        channel = text_of(found, "id") if isinstance(found, dict) else ""
        if not CHANNEL.fullmatch(channel):
            raise RetryError("the platform named no conversation")
        await self._state.put(f"dm:{user}", channel)
        return channel

    async def _into(self, channel: str, message: Outgoing, thread: str = "") -> str:
        body = {"channel": channel, **_content(message, channel), **AS_IS, "unfurl_links": False, "unfurl_media": False}
        if STAMP.fullmatch(thread):
            body["thread_ts"] = thread
        return _receipt(await self._call("chat.postMessage", body))

    async def _respond(self, via: Via, message: Outgoing) -> str:
        """Answer a click where the app itself may not write. The answer has no receipt: the key stands for it."""
        if not via.url.startswith(f"{self._config.hooks_url}/"):
            raise RecipientError("response_url is at another host")
        body = {"response_type": "in_channel", "replace_original": False, **_content(message, via.channel)}
        answer = await self._http.call("POST", via.url, body=body)
        if not (_succeeded(answer) or (answer.status in SUCCESS and answer.text.strip() == "ok")):
            raise RecipientError(f"response_url: HTTP {answer.status} {self._short(_code(answer), via.url)}")
        return message.key

    async def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._post(method, body)
        if not _succeeded(answer):
            raise self._fault(answer)
        return answer.json()

    async def _post(self, method: str, body: Mapping[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self._config.bot_token.get_secret_value()}"}
        return await self._http.call("POST", f"/{method}", body=body, headers=headers)

    def _fault(self, answer: Answer) -> AdapterError:
        code = _code(answer)
        reason = f"HTTP {answer.status}: {self._short(code or 'no error code')}"
        if code in RECIPIENT:
            return _RefusedError(reason, code)
        if code in CONFIGURATION:
            return ConfigurationError(reason)
        return RetryError(reason, retry_after(answer.headers, RETRY.get(code, 0.0)))

    def _short(self, said: str, *more: str) -> str:
        """What the platform said, in one short line and without our credentials."""
        line = " ".join(_WORDLESS.sub(" ", said).split())
        secrets = (self._config.bot_token.get_secret_value(), self._config.signing_secret.get_secret_value())
        for secret in (*secrets, *more):
            line = line.replace(secret, "***")
        return line[:LONGEST_SAID]

    # Receiving

    def _verify(self, request: Request, now: datetime) -> None:
        seconds, given = (request.headers.get(f"x-slack-{name}", "") for name in ("request-timestamp", "signature"))
        if not (given.isascii() and re.fullmatch(r"[0-9]{1,12}", seconds)):
            raise UnverifiedError("no signature")
        if not same(sign(self._config.signing_secret.get_secret_value(), seconds, request.body), given):
            raise UnverifiedError("wrong signature")
        if abs(now.timestamp() - int(seconds)) > WINDOW:
            raise UnverifiedError("signed too long ago, or by another clock")


def sign(signing_secret: str, seconds: str, body: bytes) -> str:
    """The v0 signature of a request: over the raw body, whatever it is."""
    return f"v0={hmac_sha256(signing_secret.encode(), b'v0:' + seconds.encode() + b':' + body).hex()}"


def _content(message: Outgoing, channel: str = "D") -> dict[str, Any]:
    """Text for notifications and blocks to be seen. In a channel the one who is addressed is mentioned."""
    parts = sections(message.text)
    if not channel.startswith("D") and USER.fullmatch(message.address):
        parts = [f"<@{message.address}>", *parts]
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": part, "verbatim": True}} for part in parts
    ]
    buttons = [button for button in message.buttons if button.label and 0 < len(button.value) <= LONGEST_VALUE]
    if buttons:
        elements = [_button(f"b{n}", one.label, one.value, one.style) for n, one in enumerate(buttons[:MOST_BUTTONS])]
        blocks.append({"type": "actions", "elements": elements})
    return {"text": "\n".join(parts), "blocks": blocks}


def _button(action_id: str, label: str, value: str, style: str) -> dict[str, Any]:
    text = {"type": "plain_text", "text": _WORDLESS.sub(" ", label)[:LONGEST_LABEL], "emoji": False}
    shown = {"style": STYLES[style]} if style in STYLES else {}
    return {"type": "button", "action_id": action_id, "value": value, "text": text, **shown}


def _succeeded(answer: Answer) -> bool:
    return answer.status in SUCCESS and answer.json().get("ok") is True


def _code(answer: Answer) -> str:
    return text_of(answer.json(), "error")


def _receipt(found: Mapping[str, Any]) -> str:
    channel, stamp = text_of(found, "channel"), text_of(found, "ts")
    if not (CHANNEL.fullmatch(channel) and STAMP.fullmatch(stamp)):
        raise RetryError("the platform named no message")
    return f"{channel}:{stamp}"


def _clock(answer: Answer, now: datetime) -> list[Finding]:
    """What the Date of an answer tells about this machine's clock: a signature is good for five minutes."""
    try:
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return []
    skew = (now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))).total_seconds()
    return [Finding(ok=False, key="check-clock", facts={"skew": f"{skew:.0f}"})] if abs(skew) > WINDOW / 2 else []
