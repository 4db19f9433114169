"""WeCom AI bot over its long connection: groups and members, without a public address.

Sources: WeCom 101463 (long connection), 100719 (messages), 101027 (events), 101031 (replies), 101032 (cards).
"""

import asyncio
import contextlib
import ipaddress
import json
import random
import re
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import structlog
from pydantic import Field, SecretStr

from adapters.base import (
    LONGEST_APP,
    LONGEST_SENDER,
    AdapterError,
    Button,
    ConfigurationError,
    Finding,
    Incoming,
    OnMessage,
    Outgoing,
    RecipientError,
    RetryError,
    State,
)
from adapters.http import ConnectionConfig, Http
from adapters.wecom_parts import (
    GROUP,
    MEMBER,
    Fault,
    Pace,
    button_card,
    errcode,
    fits_card,
    key_of,
    marked,
    member,
    notice_card,
    outcome,
    refusal,
    shortened,
    task_id,
    usable,
)

log = structlog.get_logger()
BASE = "wss://openws.work.weixin.qq.com"
CALLBACKS = frozenset({"aibot_msg_callback", "aibot_event_callback"})
ACK, CLICK_WINDOW = 8.0, 5.0
BIGGEST_FRAME = 1024 * 1024
BACKLOG, REMEMBERED = 256, 4096
MISSED = 2
REFUSALS = 5
"""So many refused subscriptions in a row and the credentials are taken to be wrong, as the vendor's SDK does."""
LABEL = 20
NOTHING = "-"
"""The value of a finished card's only button. Pressing it means nothing."""
LAST = "subscription"
MENTION = re.compile(r"^@\S+\s*")
CHAT = re.compile(r"[0-9A-Za-z_\-]{1,128}")

FAULTS: Mapping[int, Fault] = {
    -1: Fault.BUSY,
    45009: Fault.LIMITED,
    846607: Fault.LIMITED,
    40008: Fault.RECIPIENT,
    40058: Fault.RECIPIENT,
    42045: Fault.RECIPIENT,
    45002: Fault.RECIPIENT,
    846605: Fault.RECIPIENT,
    846608: Fault.RECIPIENT,
}

PASSING = frozenset({Fault.BUSY, Fault.LIMITED})


class WecomBotConfig(ConnectionConfig):
    """Keys of an AI bot's connection."""

    bot_id: str = Field(min_length=1, max_length=128, description="BotID from the bot's API page, long connection mode")
    secret: SecretStr = Field(description="Secret from the same page")
    ws_url: str = Field(
        default="", pattern=r"^(wss?://[^/]+(/.*)?)?$", description="a private tenant's long-connection address"
    )
    bot_name: str = Field(default="", description="the bot's name in groups, needed only where it contains a space")
    cards: bool = Field(default=True, description="buttons as template cards; some private deployments have none")
    card_url: str = Field(default="", pattern=r"^(https?://\S+)?$", description="page behind a card without buttons")
    mention: bool = Field(default=False, description="mention the asker in a group's answer: unconfirmed for bots")


class SubscriptionError(Exception):
    """The platform does not take the bot's id and secret."""


class Line:
    """One open socket: frames that ask something of us in `frames`, answers handed to whoever waits for them."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.frames: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue(BACKLOG)
        self._socket = socket
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

    @contextlib.asynccontextmanager
    async def running(self, heartbeat: float) -> AsyncIterator[None]:
        """Read and beat beside the caller, and leave nothing behind."""
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._beat(heartbeat))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._hang_up()

    async def ask(self, cmd: str, body: Mapping[str, Any] | None = None, req_id: str = "") -> Mapping[str, Any]:
        """Send a frame and wait for its answer. Raises RetryError."""
        number = req_id or f"{cmd}_{uuid4().hex}"
        if number in self._waiting:
            raise RetryError("another answer to the same message is under way", 1.0)
        frame = {"cmd": cmd, "headers": {"req_id": number}} | ({} if body is None else {"body": body})
        answered: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            await self._socket.send_str(json.dumps(frame, ensure_ascii=False))
            async with asyncio.timeout(ACK):
                return await answered
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise RetryError(f"{cmd}: {type(error).__name__}", Fault.BUSY.value) from None
        finally:
            del self._waiting[number]

    async def _read(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async for received in self._socket:
                frame = _object(received.data) if received.type is aiohttp.WSMsgType.TEXT else {}
                if _text_of(frame, "cmd") in CALLBACKS:
                    await self.frames.put(frame)
                elif (waiting := self._waiting.get(_req_id(frame))) is not None and not waiting.done():
                    waiting.set_result(frame)
        self._hang_up()
        await self.frames.put(None)

    async def _beat(self, heartbeat: float) -> None:
        missed = 0
        while missed < MISSED:
            await asyncio.sleep(heartbeat)
            try:
                await self.ask("ping")
                missed = 0
            except RetryError:
                missed += 1
        await self._socket.close()

    def _hang_up(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(RetryError("the connection closed"))


class WecomBotAdapter:
    """Speaks only while `listen` runs in the same process: the platform allows a bot one connection."""

    platform: ClassVar[str] = "wecom-bot"
    max_bytes: ClassVar[int] = 4000
    can_button: ClassVar[bool] = True
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = True
    updates_text: ClassVar[bool] = False
    can_mention: ClassVar[bool] = False
    receives: ClassVar[bool] = False
    listens: ClassVar[bool] = True
    per_minute: ClassVar[float] = 0

    def __init__(self, config: WecomBotConfig, state: State, now: Callable[[], datetime]) -> None:
        self.connection = config.name
        self.first_wait, self.longest_wait, self.heartbeat = 1.0, 60.0, 30.0
        self._config = config
        self._state = state
        self._now = now
        self._url = config.ws_url or BASE
        self._http = Http(config, BASE)
        self._pace = Pace()
        self._line: Line | None = None
        self._clicks: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._texted: OrderedDict[str, None] = OrderedDict()

    async def listen(self, on_message: OnMessage) -> None:
        """Hold the connection until cancelled. Raises ConfigurationError when refused or when another took over."""
        wait, refused = self.first_wait, 0
        while True:
            try:
                async with await self._open() as socket, self._subscribed(socket) as line:
                    wait, refused = self.first_wait, 0
                    while (frame := await line.frames.get()) is not None:
                        await self._hear(frame, on_message)
            except SubscriptionError as error:
                refused += 1
                if refused >= REFUSALS:
                    raise ConfigurationError(f"the subscription is refused: {error}") from None
            except RetryError as error:
                wait = max(wait, min(error.after, self.longest_wait))
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  jitter is no secret
            wait = min(self.longest_wait, wait * 2)

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        if not self._config.allow_private and _is_private(self._url):
            raise ConfigurationError("ws_url is a private address: set allow_private")
        try:
            socket = await self._http.session.ws_connect(
                self._url, max_msg_size=BIGGEST_FRAME, timeout=aiohttp.ClientWSTimeout(ws_close=2.0)
            )
        except ssl.SSLCertVerificationError:
            raise ConfigurationError("the platform's certificate is not trusted: set ca_file") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RetryError(f"cannot reach {urlsplit(self._url).hostname}: {type(error).__name__}") from None
        if socket._response.history:  # noqa: SLF001  the client follows redirects and cannot be told not to
            await socket.close()
            raise ConfigurationError("ws_url leads to another address")
        return socket

    @contextlib.asynccontextmanager
    async def _subscribed(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Line]:
        line = Line(socket)
        async with line.running(self.heartbeat):
            body = {"bot_id": self._config.bot_id, "secret": self._config.secret.get_secret_value()}
            answer = await line.ask("aibot_subscribe", body)
            code = _code(answer)
            await self._state.put(LAST, f"{code} {self._now().isoformat(timespec='minutes')}")
            if code != 0:
                error = refusal(code, answer.get("errmsg", ""), FAULTS)
                raise error if FAULTS.get(code) in PASSING else SubscriptionError(str(error))
            self._line = line
            try:
                yield line
            finally:
                self._line = None

    async def _hear(self, frame: Mapping[str, Any], on_message: OnMessage) -> None:
        body, req_id = _inside(frame, "body"), _req_id(frame)
        if _inside(body, "event").get("eventtype") == "disconnected_event":
            raise ConfigurationError("another connection took the bot over")
        message = read(body, self.connection, req_id, self._config.bot_name)
        if message is None:
            return
        if message.action:
            task = _text_of(_inside(body, "event", "template_card_event"), "task_id")
            _remember(self._clicks, task, (req_id, monotonic()))
        await self._commit(message, on_message)

    async def _commit(self, message: Incoming, on_message: OnMessage) -> None:
        """Until it is taken: the platform never sends it again."""
        wait = self.first_wait
        while True:
            try:
                await on_message(message)
            except ValueError as error:  # it fits no column: it would hold up everybody's for ever
                log.warning("a message cannot be kept", action="listen", connection=self.connection, error=str(error))
                return
            except Exception:  # noqa: BLE001  whatever the store's trouble is, it passes or the process ends
                await asyncio.sleep(wait)
                wait = min(self.longest_wait, wait * 2)
            else:
                return

    def is_private(self, address: str) -> bool:
        """Whether an address is a member; else it is a chat."""
        return MEMBER.fullmatch(address) is not None

    async def send(self, message: Outgoing) -> str:
        """Answer where it was said; where that is no longer possible, or when nothing was said, at the address."""
        way, _, rest = message.via.partition(" ")
        req_id, _, chat = rest.partition(" ")
        if way == "reply":
            with contextlib.suppress(RecipientError):
                return await self._reply(req_id, chat, message)
        if way and chat:
            with contextlib.suppress(RecipientError):
                return await self._push(f"{GROUP}{chat}", message)
        return await self._push(message.address, message)

    async def _reply(self, req_id: str, chat: str, message: Outgoing) -> str:
        mention = f"<@{member(message.address)}>\n" if chat and self._config.mention else ""
        stream = {"id": uuid4().hex, "finish": True, "content": mention + marked(message.text)}
        body: dict[str, Any] = {"msgtype": "stream", "stream": stream}
        receipt = message.key
        if buttons := self._buttons(message):
            receipt = task_id(self.connection, message)
            card = button_card(receipt, message.text, buttons)
            body |= {"msgtype": "stream_with_template_card", "template_card": card}
        self._pace.take(chat or message.address)
        await self._ask("aibot_respond_msg", body, req_id)
        return receipt

    async def _push(self, address: str, message: Outgoing) -> str:
        to, where = _conversation(address)
        buttons = self._buttons(message)
        receipt = task_id(self.connection, message) if buttons else message.key
        whole = (not buttons or not fits_card(message.text)) and receipt not in self._texted
        self._pace.take(to, whole + bool(buttons))
        if whole:
            text = {"msgtype": "markdown", "markdown": {"content": marked(message.text)}}
            await self._ask("aibot_send_msg", where | text)
        if buttons:
            # Sent again because of its card alone, the text is not repeated.
            _remember(self._texted, receipt, None)
            card = {"msgtype": "template_card", "template_card": button_card(receipt, message.text, buttons)}
            await self._ask("aibot_send_msg", where | card)
        return receipt

    def _buttons(self, message: Outgoing) -> tuple[Button, ...]:
        return usable(message.buttons) if self._config.cards else ()

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Change a card: possible once, within five seconds of a click on it."""
        req_id, at = self._clicks.get(receipt, ("", 0.0))
        if not req_id or monotonic() - at > CLICK_WINDOW:
            raise RecipientError("the card can no longer be changed")
        card = self._changed(receipt, message)
        body = {"response_type": "update_template_card", "template_card": card}
        await self._ask("aibot_respond_update_msg", body, req_id)
        self._clicks.pop(receipt, None)
        return receipt

    def _changed(self, receipt: str, message: Outgoing) -> dict[str, Any]:
        if buttons := usable(message.buttons):
            return button_card(receipt, message.text, buttons)
        if self._config.card_url:
            return notice_card(receipt, message.text, self._config.card_url)
        card = button_card(receipt, message.text, ())
        label = shortened(outcome(message.text), LABEL)
        return card | {"button_list": [{"text": label, "style": 2, "key": NOTHING}]}

    async def _ask(self, cmd: str, body: Mapping[str, Any], req_id: str = "") -> None:
        if self._line is None:
            raise RetryError("the long connection is not open", Fault.BUSY.value)
        answer = await self._line.ask(cmd, body, req_id)
        if (code := _code(answer)) != 0:
            raise refusal(code, answer.get("errmsg", ""), FAULTS)

    async def check(self) -> list[Finding]:
        """Reach the platform, and read how the last subscription went: a new one would end the running connection."""
        host = urlsplit(self._url).netloc
        try:
            if self._line is None:
                await (await self._open()).close()
        except AdapterError as error:
            return [Finding(ok=False, key="check-unreachable", facts={"host": host, "reason": str(error)})]
        code, _, at = (await self._state.get(LAST)).partition(" ")
        reachable = Finding(ok=True, key="check-reachable", facts={"host": host})
        if not code:
            return [reachable, Finding(ok=False, key="check-wecom-bot-never-connected")]
        if code != "0":
            return [reachable, Finding(ok=False, key="check-credentials-refused", facts={"code": code})]
        return [reachable, Finding(ok=True, key="check-wecom-bot-connected", facts={"at": at})]

    async def close(self) -> None:
        """Close the session; `listen` ends by cancelling it."""
        await self._http.close()


def read(body: Mapping[str, Any], connection: str, req_id: str, bot_name: str = "") -> Incoming | None:
    """A callback's body as a message; None for what nobody has to answer (100719, 101027), or nobody can keep."""
    sender, number = _text_of(_inside(body, "from"), "userid"), _text_of(body, "msgid")
    app, chat = _text_of(body, "aibotid"), _text_of(body, "chatid")
    if not (sender and number) or len(sender) > LONGEST_SENDER or len(app) > LONGEST_APP:
        return None
    if body.get("msgtype") != "event":
        said = _said(body)
        text = _unmentioned(said, bot_name) if chat else said.strip()
        return Incoming(connection, app, number, sender, text=text, via=f"reply {req_id} {chat}", group=bool(chat))
    event = _inside(body, "event")
    click = _inside(event, "template_card_event")
    action = _text_of(click, "event_key")
    if event.get("eventtype") != "template_card_event" or action in {"", NOTHING}:
        return None
    task = _text_of(click, "task_id")
    via = f"click {req_id} {chat}"
    return Incoming(connection, app, number, sender, action=action, reply_to=key_of(task), via=via, group=bool(chat))


def _conversation(address: str) -> tuple[str, dict[str, Any]]:
    """A group or a member as `aibot_send_msg` names them. Raises RecipientError."""
    if not address.startswith(GROUP):
        return address, {"chatid": member(address), "chat_type": 1}
    chat = address.removeprefix(GROUP)
    if not CHAT.fullmatch(chat):
        raise RecipientError("not the id of a group")
    return chat, {"chatid": chat, "chat_type": 2}


def _said(body: Mapping[str, Any]) -> str:
    """The words of a message: typed, spoken, or those between pictures; none for a file."""
    kind = _text_of(body, "msgtype")
    if kind in {"text", "voice"}:
        return _text_of(_inside(body, kind), "content")
    items = _inside(body, "mixed").get("msg_item")
    parts = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return "\n".join(_text_of(_inside(part, "text"), "content") for part in parts if part.get("msgtype") == "text")


def _unmentioned(text: str, bot_name: str) -> str:
    """A group message without the mention that brought it here."""
    stripped = text.strip()
    if bot_name and stripped.startswith(f"@{bot_name}"):
        return stripped.removeprefix(f"@{bot_name}").strip()
    return MENTION.sub("", stripped)


def _code(frame: Mapping[str, Any]) -> int:
    """The errcode of an answer; one without any counts as busy."""
    code = errcode(frame)
    return -1 if code is None else code


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _inside(body: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The object at a path, an empty one where there is none."""
    for name in names:
        found = body.get(name)
        body = found if isinstance(found, dict) else {}
    return body


def _req_id(frame: Mapping[str, Any]) -> str:
    return _text_of(_inside(frame, "headers"), "req_id")


def _text_of(data: Mapping[str, Any], key: str) -> str:
    """A string that a database takes; an empty one for anything else."""
    value = data.get(key)
    return value.replace("\x00", "").encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _remember(memory: OrderedDict[str, Any], key: str, value: object) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _is_private(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
