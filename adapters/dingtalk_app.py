"""DingTalk application robot: direct and group messages, answers in the session, cards; inbound by HTTP or Stream.

Documents: open.dingtalk.com chatbots-send-one-on-one-chat-messages-in-batches, the-robot-sends-a-group-message,
create-and-deliver-cards, event-callback-card, robots-send-interactive-cards; the Stream protocol as its SDKs speak it
(dingtalk-stream 0.24.3); event encryption as in open-dingtalk/DingTalk-Callback-Crypto.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from adapters.base import (
    AdapterError,
    ConfigurationError,
    Finding,
    OnMessage,
    Outgoing,
    Received,
    RecipientError,
    Request,
    Response,
    RetryError,
    State,
    UnverifiedError,
)
from adapters.crypto import same, sha1_of_sorted, wide_decrypt, wide_encrypt, wide_key
from adapters.dingtalk_cards import (
    STANDARD,
    TEMPLATE,
    card_id,
    delivered,
    standard_data,
    succeeded,
    template_data,
)
from adapters.dingtalk_events import Reader, Via, body_of, dumps, int_of, sealed, text_of
from adapters.dingtalk_robot import (
    ACCOUNT,
    SUCCESS,
    clock,
    host,
    neutral,
    passed,
    short,
    sign,
    stamp,
    unblocked,
    unreachable,
)
from adapters.dingtalk_robot import BASE as SESSION_BASE
from adapters.dingtalk_stream import Gateway, LongConnection
from adapters.http import Answer, ConnectionConfig, Http, Token

BASE = "https://api.dingtalk.com"
TOKEN_HEADER = "x-acs-dingtalk-access-token"  # noqa: S105  a header's name
GROUP = "chat:"
REPLAY_WINDOW = 3_600_000
SESSION_MARGIN = 60_000
"""Milliseconds: how old an inbound signature may be, and how long a session must still last to be used."""
UNAUTHORIZED, FORBIDDEN = 401, 403
LONGEST_RECEIPT = 128
FLOW_CONTROLLED, TOO_FAST = 60.0, 1.0

EXPIRED = frozenset({"InvalidAuthentication", "invalidParameter.token.invalid"})
RECIPIENT = frozenset(
    {
        "cardInstance.notExist",
        "chatbotNotInstall",
        "cidParse.wrong",
        "group.disbanded",
        "illegal.receivers",
        "invalid.openConversationId",
        "invalidParameter.msgParam.tooLong",
        "miss.openConversationId",
        "org.notOwn.group",
        "param.cardNotExist",
        "param.contentUnsafe",
        "param.openSpaceIdInvalid",
        "param.userIdNotExist",
        "staffId.notExisted",
        "userNotExist",
    }
)
CONFIGURATION = frozenset(
    {
        "bot.stopped",
        "cardTemplateInvalid",
        "chatbot.notFound",
        "chatbotId.notAllow.sendOTO",
        "chatbotNotFound",
        "Forbidden.AccessDenied.AccessTokenPermissionDenied",
        "Forbidden.AccessDenied.IpNotInWhiteList",
        "invalidClientIdOrSecret",
        "invalidParameter.cardTemplate.notFound",
        "invalidParameter.robotCode.empty",
        "invalidParameter.robotCode.invalid",
        "invalidParameter.robotCode.notExsit",  # the platform's own spelling
        "param.cardTemplateIdEmpty",
        "permission.checkFailed",
        "robot.oto.notExist",
        "template.not.existed",
        "template.stopped",
    }
)
QUOTA = ("qpslimit", "quota", "throttl")
"""Words in the code of a 403 that mean "later" instead of "never"."""


class DingTalkAppConfig(ConnectionConfig):
    """The keys of an enterprise internal application with a robot."""

    client_id: str = Field(pattern=r"^[\w-]{1,64}$", description="Client ID (AppKey) of the application")
    client_secret: SecretStr = Field(min_length=1, description="Client Secret (AppSecret) of the application")
    robot_code: str = Field(default="", description="robotCode, where it is not the Client ID")
    mode: Literal["stream", "http"] = Field(default="stream", description="how messages come in")
    session_url: str = Field(default=SESSION_BASE, pattern=r"^https?://[^/]+$", description="host of sessionWebhook")
    ws_url: str = Field(default="", pattern=r"^(wss?://\S+)?$", description="instead of what the gateway names")
    card_template: str = Field(
        default="", description="id of a card template with the variables title, text and btns; unconfirmed: btns"
    )
    standard_card: bool = Field(default=False, description="buttons by StandardCard; unconfirmed: how a click arrives")
    event_token: SecretStr = Field(default=SecretStr(""), description="token of the event subscription, http only")
    event_aes_key: SecretStr = Field(default=SecretStr(""), description="aes_key of the event subscription, http only")
    event_owner: str = Field(default="", description="who events are encrypted for, where it is not the Client ID")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.card_template and self.standard_card:
            raise ValueError("card_template and standard_card exclude each other")
        if self.mode == "http" and self.cards:
            raise ValueError('cards need mode = "stream": how an HTTP click is signed is not documented')
        if bool(self.event_token.get_secret_value()) != bool(self.event_aes_key.get_secret_value()):
            raise ValueError("event_token and event_aes_key go together")
        if self.event_aes_key.get_secret_value():
            wide_key(self.event_aes_key.get_secret_value())
        return self

    @property
    def cards(self) -> bool:
        """Whether messages with buttons go out as cards."""
        return self.standard_card or bool(self.card_template)

    @property
    def robot(self) -> str:
        """The robotCode; of an internal application it is the Client ID."""
        return self.robot_code or self.client_id

    @property
    def owner(self) -> str:
        """Who events are encrypted for."""
        return self.event_owner or self.client_id


class DingTalkAppAdapter:
    """An application robot.

    With a card template configured, messages with buttons go out as cards that can be changed; without one the
    buttons are left out. The platform allows 20 calls a second and more by edition.
    """

    platform: ClassVar[str] = "dingtalk-app"
    max_bytes: ClassVar[int] = 3_600  # long texts were seen cut near 5 600 bytes, and escaping can grow a card's text
    can_answer: ClassVar[bool] = True
    per_minute: ClassVar[float] = 600
    can_mention: ClassVar[bool] = False
    updates_text: ClassVar[bool] = False

    def __init__(self, config: DingTalkAppConfig, state: State, now: Callable[[], datetime]) -> None:
        del state  # a token is cheap to ask for again, and better not stored
        self.connection = config.name
        self.listens = config.mode == "stream"
        self.receives = not self.listens
        self.can_button = self.can_update = config.cards  # text can do neither
        self._config = config
        self._now = now
        self._reader = Reader(config.name, config.client_id, config.session_url)
        self._secret = config.client_secret.get_secret_value()
        self._http = Http(config, BASE)
        self._http.trust(config.session_url)
        self._token = Token(self._fetch)

    def is_private(self, address: str) -> bool:
        """Whether an address is somebody of the organisation: others can be answered in the session only."""
        return ACCOUNT.fullmatch(address) is not None

    async def send(self, message: Outgoing) -> str:
        """Send where the message came from, else to the address; as a card if it has buttons, else as text."""
        *ways, last = self._ways(message)
        for way in ways:
            with suppress(RecipientError):
                return await way()
        return await last()

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Replace what a card says. Its id stays its receipt."""
        if receipt.startswith(TEMPLATE):
            options = {"updateCardDataByKey": True, "updatePrivateDataByKey": True}
            body = {"outTrackId": receipt, "cardData": template_data(message), "cardUpdateOptions": options}
            succeeded(await self._call("PUT", "/v1.0/card/instances", body))
        elif receipt.startswith(STANDARD):
            body = {"cardBizId": receipt, "cardData": dumps(standard_data(message))}
            await self._call("PUT", "/v1.0/im/robots/interactiveCards", body)
        else:
            raise RecipientError("only a card can be changed")
        return receipt

    def receive(self, request: Request, now: datetime) -> Received:
        """Read a robot's message, or answer an encrypted event. The signature does not cover a robot's body."""
        if not self.receives:
            raise UnverifiedError("this connection listens and takes nothing by HTTP")
        if "msg_signature" in request.query or "signature" in request.query:
            return self._event(request, now)
        self._verify(request, now)
        data = body_of(request.body)
        response = Response(200, b"{}", "application/json")
        message = self._reader.message(data) if "msgtype" in data else None
        return Received((message,) if message else (), response)

    async def listen(self, on_message: OnMessage) -> None:
        """Hold the Stream connection. With mode "http" there is nothing to hold, and this only waits."""
        if not self.listens:
            await asyncio.Event().wait()
        gateway = self._gateway()
        await LongConnection(gateway, self._reader, lambda answer: _fault(answer, *self._secrets())).run(on_message)

    async def check(self) -> list[Finding]:
        """Ask for a token, the robot and a ticket of the gateway; nobody gets anything."""
        found: list[Finding] = []
        try:
            answer = await self._ask_token()
            found += [Finding(ok=True, key="check-reachable", facts={"host": host(self._http)})]
            found += clock(answer, self._now())
            if answer.status not in SUCCESS:
                return [*found, _finding("check-credentials-refused", answer)]
            found += [Finding(ok=True, key="check-credentials")]
            found += [await self._check_robot()]
            found += [await self._check_inbound()]
        except AdapterError as error:
            return [*found, unreachable(self._http, error)]
        return [*found, *self._unconfirmed()]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    # Sending

    def _ways(self, message: Outgoing) -> Iterator[Callable[[], Awaitable[str]]]:
        """The ways to say a message, best first: where it came from before the address, a card before text."""
        via = Via.read(message.via)
        hook = via.hook if via.until > int(stamp(self._now())) + SESSION_MARGIN else ""
        targets = [f"{GROUP}{via.chat}", message.address] if via.chat else [message.address]
        for target in targets:
            if message.buttons and self._config.cards:
                yield partial(self._card, message, target)
            if hook:
                yield partial(self._reply, message, hook, in_group=bool(via.chat))
                hook = ""
            yield partial(self._text, message, target)

    async def _reply(self, message: Outgoing, hook: str, *, in_group: bool) -> str:
        """Answer by sessionWebhook. Whatever its body refuses, another way may still work."""
        content, mention = neutral(message.text), []
        if in_group and ACCOUNT.fullmatch(message.address):
            content, mention = f"@{message.address} {content}", [message.address]
        at = {"atUserIds": mention, "isAtAll": False}
        if not hook.startswith(f"{self._config.session_url}/"):
            raise RecipientError("the session is at another host")
        answer = await self._http.call("POST", hook, body={"msgtype": "text", "text": {"content": content}, "at": at})
        try:
            passed(answer, *self._secrets(hook, hook.rpartition("=")[2]))
        except AdapterError as error:
            raise RecipientError(f"session: {error}") from None
        return message.key

    async def _text(self, message: Outgoing, target: str) -> str:
        body: dict[str, Any] = {
            "robotCode": self._config.robot,
            "msgKey": "sampleText",
            "msgParam": dumps({"content": neutral(message.text)}),
        }
        if target.startswith(GROUP):
            body["openConversationId"] = target.removeprefix(GROUP)
            answer = await self._call("POST", "/v1.0/robot/groupMessages/send", body)
        else:
            body["userIds"] = [target]
            answer = await self._call("POST", "/v1.0/robot/oToMessages/batchSend", body)
            _reached(answer)
        return _receipt(answer)

    async def _card(self, message: Outgoing, target: str) -> str:
        if self._config.standard_card:
            return await self._standard_card(message, target)
        card = card_id(TEMPLATE, self.connection, target, message)
        body: dict[str, Any] = {
            "cardTemplateId": self._config.card_template,
            "outTrackId": card,
            "cardData": template_data(message),
            "callbackType": "STREAM",
            "userIdType": 1,
        }
        if target.startswith(GROUP):
            body["openSpaceId"] = f"dtv1.card//IM_GROUP.{target.removeprefix(GROUP)}"
            body["imGroupOpenSpaceModel"] = {"supportForward": False}
            body["imGroupOpenDeliverModel"] = {"robotCode": self._config.robot}
        else:
            body["openSpaceId"] = f"dtv1.card//IM_ROBOT.{target}"
            body["imRobotOpenSpaceModel"] = {"supportForward": False}
            body["imRobotOpenDeliverModel"] = {"spaceType": "IM_ROBOT", "robotCode": self._config.robot}
        delivered(succeeded(await self._call("POST", "/v1.0/card/instances/createAndDeliver", body)))
        return card

    async def _standard_card(self, message: Outgoing, target: str) -> str:
        card = card_id(STANDARD, self.connection, target, message)
        body: dict[str, Any] = {
            "cardTemplateId": "StandardCard",
            "robotCode": self._config.robot,
            "cardBizId": card,
            "cardData": dumps(standard_data(message)),
            "sendOptions": {"atAll": False},
        }
        if target.startswith(GROUP):
            body["openConversationId"] = target.removeprefix(GROUP)
        else:
            body["singleChatReceiver"] = dumps({"userId": target})
        _receipt(await self._call("POST", "/v1.0/im/v1.0/robot/interactiveCards/send", body))
        return card

    # Calling

    async def _call(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One call with a token; a refused token is renewed once."""
        for _ in range(2):
            token = await self._token.get()
            answer = await self._http.call(method, path, body=body, headers={TOKEN_HEADER: token})
            if answer.status in SUCCESS:
                unblocked(answer.json())
                return answer.json()
            if answer.status != UNAUTHORIZED and _code(answer) not in EXPIRED:
                raise _fault(answer, *self._secrets(token))
            self._token.drop(token)
        raise ConfigurationError("the platform refuses a fresh access token")

    async def _fetch(self) -> tuple[str, float]:
        answer = await self._ask_token()
        token, lifetime = text_of(answer.json(), "accessToken"), int_of(answer.json(), "expireIn")
        if answer.status not in SUCCESS:
            raise _fault(answer, *self._secrets())
        if not token:
            raise RetryError("the platform's answer holds no access token")
        return token, float(lifetime or 7200)

    async def _ask_token(self) -> Answer:
        body = {"appKey": self._config.client_id, "appSecret": self._secret}
        return await self._http.call("POST", "/v1.0/oauth2/accessToken", body=body)

    def _gateway(self) -> Gateway:
        return Gateway(
            self._http, self._config.client_id, self._secret, self._config.ws_url, self._config.allow_private
        )

    def _secrets(self, *more: str) -> tuple[str, ...]:
        return (self._secret, *more)

    # Checking

    async def _check_robot(self) -> Finding:
        """Ask about a message that never was: what is refused is the permission or the robot, if either is wrong."""
        query = {"robotCode": self._config.robot, "processQueryKey": "check"}
        headers = {TOKEN_HEADER: await self._token.get()}
        answer = await self._http.call("GET", "/v1.0/robot/oToMessages/readStatus", query=query, headers=headers)
        if answer.status == FORBIDDEN:
            return _finding("check-permission", answer)
        if _code(answer) in CONFIGURATION:
            return _finding("check-dingtalk-robot-code", answer)
        return Finding(ok=True, key="check-dingtalk-robot")

    async def _check_inbound(self) -> Finding:
        if self.receives:
            return Finding(ok=True, key="check-dingtalk-unsigned-body")
        answer = await self._gateway().open()
        if answer.status not in SUCCESS:
            return _finding("check-dingtalk-stream-refused", answer)
        return Finding(ok=True, key="check-dingtalk-stream")

    def _unconfirmed(self) -> Iterator[Finding]:
        for name in ("card_template", "standard_card"):
            if getattr(self._config, name):
                yield Finding(ok=True, key="check-unconfirmed", facts={"what": name})

    # Receiving by HTTP

    def _verify(self, request: Request, now: datetime) -> None:
        milliseconds, given = request.headers.get("timestamp", ""), request.headers.get("sign", "")
        if not (milliseconds.isascii() and milliseconds.isdigit() and given.isascii()):
            raise UnverifiedError("no signature")
        if not same(sign(self._secret, milliseconds), given):
            raise UnverifiedError("wrong signature")
        if len(milliseconds) > len(stamp(now)) or abs(int(stamp(now)) - int(milliseconds)) > REPLAY_WINDOW:
            raise UnverifiedError("signed too long ago, or by another clock")

    def _event(self, request: Request, now: datetime) -> Received:
        """Verify an encrypted event and answer it. None of them concerns us; the check of the address is one."""
        token, key = (s.get_secret_value() for s in (self._config.event_token, self._config.event_aes_key))
        if not key:
            raise UnverifiedError("no event_aes_key is configured")
        query = request.query
        given = query.get("msg_signature", "") or query.get("signature", "")
        encrypted = text_of(body_of(request.body), "encrypt")
        parts = (token, query.get("timestamp", ""), query.get("nonce", ""), encrypted)
        if not all(part.isascii() for part in (given, *parts)):
            raise UnverifiedError("wrong signature")
        if not same(sha1_of_sorted(*parts), given):
            raise UnverifiedError("wrong signature")
        wide_decrypt(wide_key(key), encrypted, self._config.owner)
        answer = wide_encrypt(wide_key(key), b"success", self._config.owner)
        body = sealed(token, stamp(now), secrets.token_hex(8), answer)
        return Received(response=Response(200, body.encode(), "application/json"))


def _reached(answer: Mapping[str, Any]) -> None:
    """Whether the one we wrote to is in no list of those who did not get it."""
    if answer.get("invalidStaffIdList"):
        raise RecipientError("invalidStaffIdList: no such user, or the robot may not see them")
    if answer.get("flowControlledStaffIdList"):
        raise RetryError("flowControlledStaffIdList: too many messages for this user", FLOW_CONTROLLED)
    if answer.get("filteredStaffIdList"):
        raise RecipientError("filteredStaffIdList: the platform keeps it from this user")


def _receipt(answer: Mapping[str, Any]) -> str:
    """The platform's key of what was sent: without one, nothing was."""
    key = text_of(answer, "processQueryKey")
    if not key:
        raise RetryError("the platform's answer holds no processQueryKey")
    return key[:LONGEST_RECEIPT]


def _code(answer: Answer) -> str:
    return text_of(answer.json(), "code")


def _fault(answer: Answer, *secrets_: str) -> AdapterError:
    code = _code(answer)
    reason = short(f"HTTP {answer.status} {code}: {answer.json().get('message', '')}", *secrets_)
    if code in RECIPIENT:
        return RecipientError(reason)
    if any(word in code.lower() for word in QUOTA):
        return RetryError(reason, TOO_FAST)
    if code in CONFIGURATION or answer.status in (UNAUTHORIZED, FORBIDDEN):
        return ConfigurationError(reason)
    return RetryError(reason)


def _finding(key: str, answer: Answer) -> Finding:
    return Finding(ok=False, key=key, facts={"code": short(_code(answer) or f"HTTP {answer.status}")})
