"""WeCom self-built application: direct messages with buttons, answered through its encrypted callback.

Sources: WeCom 91039 (token), 90236 (send), 90248 (application chats), 94888 (card update), 90227 (application),
90930 (callback), 90240 (events), 90968 (cipher).
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Self
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import Field, SecretStr, model_validator

from adapters.base import (
    LONGEST_SENDER,
    AdapterError,
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
from adapters.crypto import same, sha1_of_sorted, wide_decrypt, wide_key
from adapters.http import Answer, ConnectionConfig, Http, Token
from adapters.wecom_parts import (
    GROUP,
    MEMBER,
    Fault,
    Pace,
    button_card,
    errcode,
    fits_card,
    key_of,
    member,
    notice_card,
    outcome,
    plain,
    shortened,
    succeeded,
    task_id,
    usable,
)

BASE = "https://qyapi.weixin.qq.com"
UPDATE = "/cgi-bin/message/update_template_card"
REPLAY_WINDOW = 3600
"""Wide, because nobody says whether a callback sent again carries a new timestamp."""
CODE_LIFETIME = 72 * 3600
CODES_KEPT = 4
SKEW = 300
LABEL = 20
CHAT = re.compile(r"[0-9A-Za-z_\-]{1,64}")
TYPED = frozenset({"text", "image", "voice", "video", "file", "location", "link", "shortvideo"})

STALE = frozenset({40001, 40014, 42001})
"""When sending: the token died early. At the token itself 40001 is a wrong secret."""

FAULTS: Mapping[int, Fault] = {
    -1: Fault.BUSY,
    45009: Fault.LIMITED,
    45033: Fault.BUSY,
    40001: Fault.TOKEN,
    40014: Fault.TOKEN,
    42001: Fault.TOKEN,
    40056: Fault.CONFIGURATION,
    48002: Fault.CONFIGURATION,
    60020: Fault.CONFIGURATION,
    301002: Fault.CONFIGURATION,
    40003: Fault.RECIPIENT,
    40031: Fault.RECIPIENT,
    40050: Fault.RECIPIENT,
    40058: Fault.RECIPIENT,
    44004: Fault.RECIPIENT,
    45002: Fault.RECIPIENT,
    60011: Fault.RECIPIENT,
    60111: Fault.RECIPIENT,
    81013: Fault.RECIPIENT,
    82001: Fault.RECIPIENT,
    86001: Fault.RECIPIENT,
    86003: Fault.RECIPIENT,
    86008: Fault.RECIPIENT,
}
TOKEN_FAULTS: Mapping[int, Fault] = {
    -1: Fault.BUSY,
    45009: Fault.LIMITED,
    40001: Fault.CONFIGURATION,
    40013: Fault.CONFIGURATION,
    40091: Fault.CONFIGURATION,
    60020: Fault.CONFIGURATION,
}
PERMISSIONS = frozenset({48002, 60011, 301002})
UNKNOWN_APP, UNTRUSTED_IP = 40056, 60020


class WecomAppConfig(ConnectionConfig):
    """Keys of a self-built application's connection."""

    corp_id: str = Field(
        pattern=r"^[0-9A-Za-z_-]{1,48}$", description="the corporation's id, from its information page"
    )
    agent_id: int = Field(gt=0, description="AgentId of the application")
    secret: SecretStr = Field(description="Secret of the application")
    token: SecretStr = Field(
        default=SecretStr(""), description="Token of the callback; without it people cannot answer"
    )
    encoding_aes_key: SecretStr = Field(default=SecretStr(""), description="EncodingAESKey of the callback")
    cards: bool = Field(default=True, description="buttons as template cards; some private deployments have none")
    card_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="page behind a finished card; without it only its button changes",
    )
    duplicate_check_seconds: int = Field(default=14400, ge=0, le=14400, description="0 switches the check off")

    @model_validator(mode="after")
    def _callback_is_whole(self) -> Self:
        token, key = self.token.get_secret_value(), self.encoding_aes_key.get_secret_value()
        if bool(token) != bool(key):
            raise ValueError("token and encoding_aes_key belong together")
        if key and not re.fullmatch(r"[0-9A-Za-z+/]{43}", key):
            raise ValueError("encoding_aes_key has 43 letters and digits")
        return self

    @property
    def has_callback(self) -> bool:
        """Whether people can answer; the platform takes no callback card from an application that cannot hear."""
        return bool(self.token.get_secret_value())


class WecomAppAdapter:
    """Talks to single members, and to chats the application made itself (`chat:ID`, text only)."""

    platform: ClassVar[str] = "wecom-app"
    max_bytes: ClassVar[int] = 2048
    can_button: ClassVar[bool] = True
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = True
    updates_text: ClassVar[bool] = False
    can_mention: ClassVar[bool] = False
    receives: ClassVar[bool] = True
    listens: ClassVar[bool] = False
    per_minute: ClassVar[float] = 5000

    def __init__(self, config: WecomAppConfig, state: State, now: Callable[[], datetime]) -> None:
        self.connection = config.name
        self._config = config
        self._state = state
        self._now = now
        self._http = Http(config, BASE)
        self._token = Token(self._fetch_token)
        self._pace = Pace()

    def is_private(self, address: str) -> bool:
        """Whether an address is a member; else it is a chat."""
        return MEMBER.fullmatch(address) is not None

    async def send(self, message: Outgoing) -> str:
        """Send to a member. The receipt is the card's task id, or the platform's message id."""
        await self._note_click(message.via)
        if message.address.startswith(GROUP):
            return await self._send_to_chat(message)
        who = member(message.address)
        buttons = usable(message.buttons) if self._config.cards and self._config.has_callback else ()
        whole = not buttons or not fits_card(message.text)
        self._pace.take(who, whole + bool(buttons))
        receipt = ""
        if whole:
            receipt = str(
                (await self._deliver(who, message, {"content": plain(message.text)}, "text")).get("msgid", "")
            )
        if buttons:
            receipt = task_id(self.connection, message)
            card = button_card(receipt, message.text, buttons)
            for button in card["button_list"]:
                button["type"] = 0
            sent = await self._deliver(who, message, card, "template_card")
            await self._keep(receipt, sent.get("response_code"))
        return receipt

    async def _deliver(self, who: str, message: Outgoing, content: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
        body = {"touser": who, "msgtype": kind, "agentid": self._config.agent_id, kind: content}
        # An answer may say the same words twice in an hour; the check would swallow the second.
        if self._config.duplicate_check_seconds and not message.via:
            interval = self._config.duplicate_check_seconds
            body |= {"enable_duplicate_check": 1, "duplicate_check_interval": interval}
        data = await self._call("POST", "/cgi-bin/message/send", body=body)
        for refused in ("invaliduser", "unlicenseduser"):
            if who.lower() in str(data.get(refused) or "").lower().split("|"):
                raise RecipientError(f"{refused}: the member is out of the application's reach")
        return data

    async def _send_to_chat(self, message: Outgoing) -> str:
        chat = message.address.removeprefix(GROUP)
        if not CHAT.fullmatch(chat):
            raise RecipientError("not the id of a chat")
        body = {"chatid": chat, "msgtype": "text", "text": {"content": plain(message.text)}, "safe": 0}
        await self._call("POST", "/cgi-bin/appchat/send", body=body)
        return message.key

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Change a card through a response code: each is good for one change within 72 hours."""
        body = {"userids": [member(message.address)], "agentid": self._config.agent_id}
        body |= self._changed(receipt, message)
        codes = await self._codes(receipt)
        while codes:
            code = codes.pop()[0]
            answer = await self._answer("POST", UPDATE, body=body | {"response_code": code})
            refused = errcode(answer.json())
            # Nobody documents what is said of a code that no longer holds: any errcode of no other meaning.
            if refused in FAULTS or refused in {0, None}:
                data = succeeded(answer.json(), answer.status, FAULTS)
                await self._put(receipt, codes)
                await self._keep(receipt, data.get("response_code"))
                return receipt
        await self._put(receipt, codes)
        raise RecipientError("the card can no longer be changed")

    def _changed(self, receipt: str, message: Outgoing) -> dict[str, Any]:
        if buttons := usable(message.buttons):
            return {"template_card": button_card(receipt, message.text, buttons)}
        if self._config.card_url:
            return {"template_card": notice_card(receipt, message.text, self._config.card_url)}
        return {"button": {"replace_name": shortened(outcome(message.text), LABEL)}}

    async def _note_click(self, via: str) -> None:
        kind, _, rest = via.partition(" ")
        if kind == "click":
            task, _, code = rest.partition(" ")
            await self._keep(task, code)

    async def _keep(self, task: str, code: object) -> None:
        codes, new = await self._codes(task), str(code or "")
        if new.split() == [new] and new not in dict(codes):
            await self._put(task, [*codes, (new, self._now().timestamp())])

    async def _codes(self, task: str) -> list[tuple[str, float]]:
        """The card's codes and when they came, the newest last: one from sending it, one from each click."""
        pairs = (line.partition(" ") for line in (await self._state.get(_slot(task))).splitlines())
        codes = [(code, float(since)) for code, _, since in pairs]
        return [one for one in codes if self._now().timestamp() - one[1] <= CODE_LIFETIME]

    async def _put(self, task: str, codes: Sequence[tuple[str, float]]) -> None:
        lines = (f"{code} {since:.0f}" for code, since in codes[-CODES_KEPT:])
        await self._state.put(_slot(task), "\n".join(lines))

    async def _fetch_token(self) -> tuple[str, float]:
        answer = await self._http.call("GET", "/cgi-bin/gettoken", query=self._credentials())
        data = succeeded(answer.json(), answer.status, TOKEN_FAULTS)
        if not data.get("access_token"):
            raise RetryError("the platform gave no token", Fault.BUSY.value)
        return str(data["access_token"]), float(data.get("expires_in") or 7200)

    async def _call(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        answer = await self._answer(method, path, body=body, query=query)
        return succeeded(answer.json(), answer.status, FAULTS)

    async def _answer(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        """One call with the token; with a new one where the platform says that it died."""
        answer = await self._once(method, path, body, query)
        return await self._once(method, path, body, query) if errcode(answer.json()) in STALE else answer

    async def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> Answer:
        token = await self._token.get()
        answer = await self._http.call(method, path, body=body, query={"access_token": token, **(query or {})})
        if errcode(answer.json()) in STALE:
            self._token.drop(token)
        return answer

    def receive(self, request: Request, now: datetime) -> Received:
        """The callback: a URL check by GET, messages and clicks by POST. The answer is empty; cards change later."""
        if not self._config.has_callback:
            raise UnverifiedError("the connection has no callback")
        if request.method == "GET":
            opened = self._opened(request.query, request.query.get("echostr", ""), now)
            if opened.startswith(b"<"):
                raise MalformedError("not the text of a URL check")  # a signed message must not be read out this way
            return Received(response=Response(body=opened))
        sealed = _text(_xml(request.body), "Encrypt")
        inner = _xml(self._opened(request.query, sealed, now))
        message = self._message(inner)
        return Received((message,) if message is not None else ())

    def _opened(self, query: Mapping[str, str], sealed: str, now: datetime) -> bytes:
        token = self._config.token.get_secret_value()
        stamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        try:
            signed = same(sha1_of_sorted(token, stamp, nonce, sealed), query.get("msg_signature", ""))
        except UnicodeError:
            signed = False
        if not signed:
            raise UnverifiedError("wrong signature")
        if not re.fullmatch(r"[0-9]{1,12}", stamp) or abs(int(now.timestamp()) - int(stamp)) > REPLAY_WINDOW:
            raise UnverifiedError("signed at another time")
        return wide_decrypt(wide_key(self._config.encoding_aes_key.get_secret_value()), sealed, self._config.corp_id)

    def _message(self, inner: Element) -> Incoming | None:
        sender, kind = _text(inner, "FromUserName"), _text(inner, "MsgType")
        app = f"{self._config.corp_id}:{self._config.agent_id}"
        if not sender:
            return None
        if len(sender) > LONGEST_SENDER:
            raise MalformedError("a userid is too long")
        if kind in TYPED and (number := _text(inner, "MsgId")):
            return Incoming(self.connection, app, number, sender, text=_text(inner, "Content"), via="user")
        if kind == "event" and _text(inner, "Event") == "template_card_event":
            task = _text(inner, "TaskId")
            return Incoming(
                self.connection,
                app,
                _event_id(inner),
                sender,
                action=_text(inner, "EventKey"),
                reply_to=key_of(task),
                via=f"click {task} {_text(inner, 'ResponseCode')}",
            )
        return None

    async def check(self) -> list[Finding]:
        """Fetch a token, ask for the application, compare the clocks."""
        host = self._http.base.partition("://")[2]
        try:
            answer = await self._http.call("GET", "/cgi-bin/gettoken", query=self._credentials())
        except AdapterError as error:
            return [Finding(ok=False, key="check-unreachable", facts={"host": host, "reason": str(error)})]
        findings = [Finding(ok=True, key="check-reachable", facts={"host": host}), *self._clock(answer)]
        refused = _refused(answer)
        findings += [refused] if refused else [Finding(ok=True, key="check-credentials"), *await self._check_app()]
        if not self._config.has_callback:
            findings.append(Finding(ok=False, key="check-callback-missing"))
        return findings

    def _credentials(self) -> dict[str, str]:
        return {"corpid": self._config.corp_id, "corpsecret": self._config.secret.get_secret_value()}

    async def _check_app(self) -> list[Finding]:
        try:
            answer = await self._once("GET", "/cgi-bin/agent/get", None, {"agentid": str(self._config.agent_id)})
        except AdapterError as error:
            return [Finding(ok=False, key="check-wecom-app-unknown", facts={"reason": str(error)})]
        refused = _refused(answer)
        return [refused] if refused else [Finding(ok=True, key="check-wecom-app")]

    def _clock(self, answer: Answer) -> list[Finding]:
        try:
            theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError):
            return []
        skew = self._now().timestamp() - theirs
        return [Finding(ok=False, key="check-clock", facts={"skew": f"{skew:+.0f}"})] if abs(skew) > SKEW else []

    async def close(self) -> None:
        """Close the session."""
        await self._http.close()


def _slot(task: str) -> str:
    return f"card:{task}"


def _refused(answer: Answer) -> Finding | None:
    """What a refused check means for the one who configures."""
    data = answer.json()
    code = errcode(data)
    if code == 0:
        return None
    facts = {"code": str(code)}
    if code == UNTRUSTED_IP:
        found = re.search(r"from ip: ([0-9A-Fa-f.:]{3,45}\b)", str(data.get("errmsg")))
        return Finding(ok=False, key="check-wecom-untrusted-ip", facts={"ip": found[1] if found else ""})
    if code == UNKNOWN_APP:
        return Finding(ok=False, key="check-wecom-agent", facts=facts)
    if code in PERMISSIONS:
        return Finding(ok=False, key="check-permission", facts=facts)
    return Finding(ok=False, key="check-credentials-refused", facts=facts)


def _xml(body: bytes) -> Element:
    try:
        return fromstring(body.decode(), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise MalformedError("not the XML of a callback") from None


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _event_id(inner: Element) -> str:
    """Events have no id: who, when and what stand for it (90240). The response code does not: it may be renewed."""
    parts = (_text(inner, name) for name in ("FromUserName", "CreateTime", "Event", "EventKey", "TaskId"))
    return f"event-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:40]}"
