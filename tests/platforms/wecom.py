"""WeCom's three modes, and a member in front of each."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any, ClassVar, Self

from adapters.base import Adapter, Incoming, Request
from adapters.wecom_bot import WecomBotAdapter
from tests.adapters.doubles.wecom import (
    AES_KEY,
    AGENT,
    BOT,
    BOT_SECRET,
    CORP,
    GROUP,
    ROBOT_KEY,
    SECRET,
    TOKEN,
    Wecom,
)
from tests.platforms.far_end import Clock, FarEnd, FarEnds, Fault, Shown

MENTION = re.compile(r"<@([^<>\s]+)>")
EVERYONE = frozenset({"all", "@all"})
SEND, ROBOT, PUSH = "/cgi-bin/message/send", "/cgi-bin/webhook/send", "aibot_send_msg"


class AppEnd(FarEnd):
    """A private message mentions nobody. A card is changed once after it was sent, and once after each click."""

    connection: ClassVar[str] = "wecom"
    user: str = "zhangsan"
    answers: ClassVar[bool] = True
    changes: ClassVar[bool] = True
    once: ClassVar[bool] = True
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "expired", "stranger", "denied"})

    def __init__(self, wecom: Wecom, clock: Clock) -> None:
        self._wecom = wecom
        self._clock = clock
        self._numbers = count(7300000000000000001)
        self._last: Request | None = None

    def beside(self, name: str) -> Self:
        self._wecom.members.add(name)
        return super().beside(name)

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "wecom-app", "base_url": self._wecom.base, "allow_private": True,
            "corp_id": CORP, "agent_id": AGENT, "secret": SECRET, "token": TOKEN, "encoding_aes_key": AES_KEY,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (SECRET, TOKEN, AES_KEY, *self._wecom.tokens)

    def shown(self) -> list[Shown]:
        return [
            _shown(str(place), body, self._changes())
            for place, body in enumerate(self._wecom.delivered)
            if body.get("touser", self.user) == self.user
        ]

    def _changes(self) -> dict[str, Mapping[str, Any]]:
        return {self._wecom.task(body["response_code"]): body for body in self._wecom.updated}

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                self._wecom.fault(SEND, 45009)
            case "faulty":
                self._wecom.fault(SEND, "502")
            case "lost":
                self._wecom.fault(SEND, "reset")
            case "expired":
                self._wecom.tokens.append("fetched-by-somebody-else")
            case "stranger":
                self._wecom.members.discard(self.user)
            case "denied":
                self._wecom.secret = "drawn-anew"
                self._wecom.tokens.clear()

    async def write(self, text: str) -> None:
        self._last = self._said(text)
        await self.again()

    async def press(self, shown: Shown, label: str) -> None:
        key = _pressed(self._wecom.delivered[int(shown.number)], self._changes(), label)
        task = self._wecom.delivered[int(shown.number)]["template_card"]["task_id"]
        self._last = self._wecom.click(task, key, self._now, self.user)
        await self.again()

    async def again(self) -> None:
        assert self._last is not None
        assert await self.call(self._last) == (200, b"")

    def unsigned(self) -> Request:
        return self._wecom.callback("<xml/>", self._now, token="another")

    def genuine(self) -> Request:
        return self._said("待办")

    @property
    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _said(self, text: str) -> Request:
        return self._wecom.says(text, next(self._numbers), self._now, self.user)


class BotEnd(FarEnd):
    """The platform never sends a message again; a card is changed only within seconds of a click."""

    connection: ClassVar[str] = "wecom-bot"
    user: str = "zhangsan"
    answers: ClassVar[bool] = True
    changes: ClassVar[bool] = True
    changes_unasked: ClassVar[bool] = False
    once: ClassVar[bool] = False
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "stranger"})
    chat: ClassVar[Mapping[str, str]] = {"chattype": "single"}
    call_sign: ClassVar[str] = ""

    def __init__(self, wecom: Wecom) -> None:
        self._wecom = wecom
        self._adapter: WecomBotAdapter | None = None
        self._numbers = count(1)
        self._last: dict[str, Any] = {}
        self._asked: dict[str, str] = {}

    def beside(self, name: str) -> Self:
        self._wecom.talked.add(name)
        return super().beside(name)

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "wecom-bot", "ws_url": self._wecom.ws_url, "allow_private": True,
            "bot_id": BOT, "secret": BOT_SECRET,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (BOT_SECRET,)

    def shown(self) -> list[Shown]:
        return [
            _shown(str(place), frame["body"], self._changes())
            for place, frame in enumerate(self._wecom.delivered)
            if self._to(frame) in (self.user, GROUP)
        ]

    def _to(self, frame: Mapping[str, Any]) -> str:
        """Whom a frame is for: the one it names, else the one it answers."""
        return str(frame["body"].get("chatid") or self._asked.get(frame["headers"]["req_id"], self.user))

    def _changes(self) -> dict[str, Mapping[str, Any]]:
        bodies = (frame["body"] for frame in self._wecom.updated)
        return {body["template_card"]["task_id"]: body for body in bodies}

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                self._wecom.fault(PUSH, 846607)
            case "faulty":
                self._wecom.fault(PUSH, -1)
            case "lost":
                self._wecom.fault(PUSH, "reset")
            case "stranger":
                self._wecom.talked.discard(self.user)
            case _:
                raise NotImplementedError(fault)

    async def ready(self) -> None:
        async with asyncio.timeout(30):
            await self._wecom.subscribed.wait()
            while self._adapter is not None and self._adapter._line is None:  # noqa: ASYNC110  it has nobody to tell
                await asyncio.sleep(0.005)

    async def mended(self) -> None:
        await self.ready()

    @asynccontextmanager
    async def listened(self, adapter: Adapter) -> AsyncIterator[None]:
        assert isinstance(adapter, WecomBotAdapter)
        self._adapter = adapter
        listening = asyncio.create_task(adapter.listen(_heard))
        try:
            await self.ready()
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def write(self, text: str) -> None:
        await self._say({**self.chat, "msgtype": "text", "text": {"content": f"{self.call_sign}{text}"}})

    async def press(self, shown: Shown, label: str) -> None:
        body = self._wecom.delivered[int(shown.number)]["body"]
        click = {
            "card_type": "button_interaction",
            "event_key": _pressed(body, self._changes(), label),
            "task_id": body["template_card"]["task_id"],
        }
        chat = self.chat if "chatid" not in body or body["chatid"] == GROUP else {"chattype": "single"}
        event = {"eventtype": "template_card_event", "template_card_event": click}
        await self._say({**chat, "msgtype": "event", "event": event})

    async def _say(self, body: dict[str, Any]) -> None:
        self._last = {"msgid": f"CAIQ-{next(self._numbers)}", "aibotid": BOT, "from": {"userid": self.user}, **body}
        await self.again()

    async def again(self) -> None:
        self._asked[await self._wecom.push(self._last)] = self.user


class BotInGroupEnd(BotEnd):
    """The member mentions the bot in a group and is answered there; reminders come in private."""

    chat: ClassVar[Mapping[str, str]] = {"chattype": "group", "chatid": GROUP}
    call_sign: ClassVar[str] = "@督办 "


class RobotEnd(FarEnd):
    """A group in which the member is mentioned."""

    connection: ClassVar[str] = "wecom-group"
    user: str = "zhangsan"
    private: ClassVar[bool] = False
    answers: ClassVar[bool] = False
    changes: ClassVar[bool] = False
    once: ClassVar[bool] = False
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "denied"})

    def __init__(self, wecom: Wecom, form: str) -> None:
        self._wecom = wecom
        self._form = form

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "wecom-robot", "base_url": self._wecom.base, "allow_private": True,
            "key": ROBOT_KEY, "format": self._form,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (ROBOT_KEY,)

    def shown(self) -> list[Shown]:
        return [_shown(str(place), body, {}) for place, body in enumerate(self._wecom.delivered)]

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                self._wecom.fault(ROBOT, 45009)
            case "faulty":
                self._wecom.fault(ROBOT, "502")
            case "lost":
                self._wecom.fault(ROBOT, "reset")
            case "denied":
                self._wecom.robot_key = "removed-from-the-group"
            case _:
                raise NotImplementedError(fault)


def _shown(number: str, body: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> Shown:
    """A message's text and below it its card; mentions only where the platform reads them."""
    kind, card, buttons, foot = body["msgtype"], _card(body, changes), (), ""
    said = body["stream"] if kind.startswith("stream") else body.get(kind, {})
    text = said.get("content", "")
    calls = [] if "touser" in body else [*MENTION.findall(text), *said.get("mentioned_list", ())]
    if card:
        change = changes.get(card["task_id"], {})
        # A button that was replaced can no longer be pressed: its words are all that is left of it (94888).
        foot = change.get("button", {}).get("replace_name", "")
        buttons = () if foot else tuple(one["text"] for one in card.get("button_list", ()))
    lines = (text, *(_face(card) if card else ()), foot)
    mentions = tuple("all" if one.lower() in EVERYONE else one for one in calls)
    return Shown(number, "\n".join(line for line in lines if line), buttons, mentions)


def _card(body: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The card of a message as it is now; an empty one where it has none."""
    card: Mapping[str, Any] = body.get("template_card", {})
    changed: Mapping[str, Any] = changes.get(card.get("task_id", ""), {}).get("template_card", {})
    return changed or card


def _face(card: Mapping[str, Any]) -> tuple[str, ...]:
    return card["main_title"]["title"], card.get("sub_title_text", "")


def _pressed(body: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]], label: str) -> str:
    """The key of the button with this label."""
    (key,) = [one["key"] for one in _card(body, changes)["button_list"] if one["text"] == label]
    return str(key)


async def _heard(message: Incoming) -> None:
    del message


def _far(make: Callable[[Wecom, Clock], FarEnd]) -> FarEnds:
    @asynccontextmanager
    async def far(clock: Clock) -> AsyncIterator[FarEnd]:
        async with Wecom() as wecom:
            yield make(wecom, clock)

    def opened(clock: Clock) -> AbstractAsyncContextManager[FarEnd]:
        return far(clock)

    return opened


FAR_ENDS: dict[str, FarEnds] = {
    "wecom-app": _far(AppEnd),
    "wecom-bot": _far(lambda wecom, _: BotEnd(wecom)),
    "wecom-bot group": _far(lambda wecom, _: BotInGroupEnd(wecom)),
    "wecom-robot": _far(lambda wecom, _: RobotEnd(wecom, "text")),
    "wecom-robot markdown": _far(lambda wecom, _: RobotEnd(wecom, "markdown")),
}
