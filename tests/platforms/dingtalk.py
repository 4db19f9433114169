"""DingTalk: an application's robot by HTTP and by Stream, the robot of one group, and somebody in front of them."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any, ClassVar
from urllib.parse import quote

from adapters.base import Request
from adapters.dingtalk_robot import sign
from tests.adapters.doubles.dingtalk import (
    BY_SESSION,
    CLICKS,
    CLIENT,
    CLIENT_SECRET,
    CREATE,
    MESSAGES,
    OTO,
    ROBOT_SECRET,
    ROBOT_TOKEN,
    SESSION,
    TEMPLATE,
    WEBHOOK,
    Answer,
    DingTalk,
    payload,
)
from tests.platforms.far_end import Clock, FarEnd, FarEnds, Fault, Shown

PATIENCE = 30.0
GROUP = payload("message_group")["conversationId"]
SESSION_LASTS = 5_400_000
"""Milliseconds."""
_CALL = re.compile(r"(?:^|[^\w.%+-])@([\w.$:-]+)|atId=[\"']?([^\"'>\s]+)")
"""An @ that begins a word, and the mark-up of cards."""


class DingTalkEnd(FarEnd):
    """What is the same for a robot of an application and for one of a group."""

    user: str = "manager01"
    once: ClassVar[bool] = False  # only a card has an id of ours
    busy: ClassVar[Answer]

    def __init__(self, double: DingTalk) -> None:
        self._double = double
        self._numbers = count(1)

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                self._double.fail_next(self.busy)
            case "faulty":
                self._double.fail_next(Answer(502, f"Bad Gateway {self.secrets}"))
            case "lost":
                self._double.fail_next(Answer(reset=True, after=True))
            case "expired":
                self._double.expire()
            case "stranger":
                self._double.unknown.add(self.user)
            case "denied":
                self._double.secret = self._double.robot_secret = "SECanother"
                self._double.expire()


class AppEnd(DingTalkEnd):
    """An application that is called over HTTP: text only, cards need Stream."""

    connection: ClassVar[str] = "ding"
    answers: ClassVar[bool] = True
    changes: ClassVar[bool] = False
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "expired", "stranger", "denied"})
    busy: ClassVar[Answer] = Answer(
        body={
            "processQueryKey": "none", "invalidStaffIdList": [], "filteredStaffIdList": [],
            "flowControlledStaffIdList": [DingTalkEnd.user],
        }
    )  # fmt: skip
    mode: ClassVar[Mapping[str, str]] = {"mode": "http"}
    grouped: ClassVar[bool] = True
    _last: Request | tuple[str, str, Mapping[str, Any]]

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "dingtalk-app", "base_url": self._double.url, "allow_private": True,
            "session_url": self._double.url, "client_id": CLIENT, "client_secret": CLIENT_SECRET, **self.mode,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (CLIENT_SECRET, SESSION)

    def shown(self) -> list[Shown]:
        mine = (self.user, "")
        return [self._shown(number, path, body) for number, to, path, body in self._said() if to in mine]

    def shown_in_group(self) -> list[Shown]:
        return [self._shown(number, path, body) for number, to, path, body in self._said() if to == GROUP]

    def _said(self) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
        """What was said: its number, whose it is, how and what."""
        for number, (path, body) in enumerate(self._double.said):
            match path:
                case _ if path == OTO:
                    (to,) = body["userIds"]
                case _ if path == CREATE:
                    to = body["openSpaceId"].removeprefix("dtv1.card//IM_ROBOT.").removeprefix("dtv1.card//IM_GROUP.")
                case _:
                    to = self._double.sessions.get(number, "")
            yield str(number), to, path, body

    async def write_in_group(self, text: str, *, called: bool) -> None:
        assert called, "the platform tells a robot only what is meant for it"
        self._last = self._signed(self._message(text, GROUP))
        await self.again()

    async def write(self, text: str) -> None:
        self._last = self._signed(self._message(text))
        await self.again()

    async def again(self) -> None:
        assert isinstance(self._last, Request)
        assert await self.call(self._last) == (200, b"{}")

    def unsigned(self) -> Request | None:
        return self._signed(self._message("待办"), secret="another")

    def genuine(self) -> Request | None:
        return self._signed(self._message("待办"))

    def called(self) -> tuple[Request, ...]:
        return (self._signed(payload("message_group")),)

    def _shown(self, number: str, path: str, body: Mapping[str, Any]) -> Shown:
        match path:
            case _ if path == OTO:
                text = json.loads(body["msgParam"])["content"]
                return Shown(number, text, mentions=_called(text))
            case _ if path == BY_SESSION:
                text = body["text"]["content"]
                return Shown(number, text, mentions=(*_listed(body["at"]), *_called(text)))
            case _ if path == CREATE:
                return self._card(body["outTrackId"])
        raise AssertionError(path)

    def _card(self, number: str) -> Shown:
        card = self._double.cards[number]
        text = f"{card['title']}\n{card['text']}".replace("  \n", "\n")
        return Shown(number, text, tuple(button["text"] for button in json.loads(card["btns"])), _called(text))

    def _message(self, text: str, group: str = "") -> dict[str, Any]:
        now = int(self._double.now().timestamp() * 1000)
        hook = f"{self._double.url}{BY_SESSION}?to={quote(group or self.user)}&session={SESSION}"
        said = payload("message_group" if group else "message_direct") | {
            "msgId": f"msg{next(self._numbers):04}==", "senderStaffId": self.user, "text": {"content": text},
            "createAt": now, "sessionWebhook": hook, "sessionWebhookExpiredTime": now + SESSION_LASTS,
        }  # fmt: skip
        said.pop("originalProcessQueryKey", None)
        return said

    def _signed(self, data: Mapping[str, Any], secret: str = CLIENT_SECRET) -> Request:
        milliseconds = str(int(self._double.now().timestamp() * 1000))
        headers = {"content-type": "application/json; charset=utf-8", "timestamp": milliseconds}
        return Request(
            "POST", {}, {**headers, "sign": sign(secret, milliseconds)}, json.dumps(data, ensure_ascii=False).encode()
        )


class StreamEnd(AppEnd):
    """An application that holds the connection itself, with a card template."""

    changes: ClassVar[bool] = True
    busy: ClassVar[Answer] = Answer(body={"status": 1111, "wait": 5, "source": "x5", "punish": "deny"})
    mode: ClassVar[Mapping[str, str]] = {"card_template": TEMPLATE}
    _connections = 0

    async def ready(self) -> None:
        await self._double.until(lambda: self._double.connections > self._connections, PATIENCE)
        self._connections = self._double.connections

    async def write(self, text: str) -> None:
        await self._push(MESSAGES, self._message(text))

    def called(self) -> tuple[Request, ...]:
        return ()

    async def write_in_group(self, text: str, *, called: bool) -> None:
        assert called, "the platform tells a robot only what is meant for it"
        await self._push(MESSAGES, self._message(text, GROUP))

    async def press(self, shown: Shown, label: str) -> None:
        buttons = json.loads(self._double.cards[shown.number]["btns"])
        (event,) = [one["event"] for one in buttons if one["text"] == label and one["status"] == "normal"]
        assert event["type"] == "sendCardRequest"
        pressed = {"actionIds": [event["params"]["actionId"]], "params": event["params"]["params"]}
        content = json.dumps({"cardPrivateData": pressed}, ensure_ascii=False)
        place = {"userId": self.user, "spaceType": "IM_ROBOT", "spaceId": self.user, "outTrackId": shown.number}
        await self._push(CLICKS, payload("click_template") | place | {"content": content, "value": content})

    async def again(self) -> None:
        assert isinstance(self._last, tuple)
        ack = await self._double.pushed(*self._last)
        assert (ack["code"], json.loads(ack["data"])) == (200, {"response": {}})

    def unsigned(self) -> Request | None:
        return None

    def genuine(self) -> Request | None:
        return None

    async def _push(self, topic: str, data: Mapping[str, Any]) -> None:
        self._last = (f"frame-{next(self._numbers)}", topic, data)
        await self.again()


class RobotEnd(DingTalkEnd):
    """A group with a custom robot. It is not told whom the group does not have."""

    connection: ClassVar[str] = "ding-group"
    private: ClassVar[bool] = False
    answers: ClassVar[bool] = False
    changes: ClassVar[bool] = False
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "denied"})
    busy: ClassVar[Answer] = Answer(body={"errcode": 130101, "errmsg": f"send too fast {ROBOT_TOKEN}"})

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "dingtalk-robot", "base_url": self._double.url, "allow_private": True,
            "access_token": ROBOT_TOKEN, "secret": ROBOT_SECRET,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (ROBOT_TOKEN, ROBOT_SECRET)

    def shown(self) -> list[Shown]:
        return [_posted(str(number), body) for number, body in enumerate(self._double.of(WEBHOOK))]


def _posted(number: str, body: Mapping[str, Any]) -> Shown:
    text = body["text"]["content"]
    return Shown(number, text, mentions=(*_listed(body["at"]), *_called(text)))


def _listed(at: Mapping[str, Any]) -> tuple[str, ...]:
    """Whom the field of a message calls."""
    everyone = ("all",) if at["isAtAll"] else ()
    return (*at.get("atUserIds", ()), *at.get("atMobiles", ()), *everyone)


def _called(text: str) -> tuple[str, ...]:
    """Whom its words call, or would if a field did: no text of others may even look like it."""
    return tuple(word or marked for word, marked in _CALL.findall(text))


@asynccontextmanager
async def dingtalk(kind: type[DingTalkEnd], clock: Clock) -> AsyncIterator[FarEnd]:
    """A far end before a platform of its own."""
    async with DingTalk(clock) as double:
        yield kind(double)


FAR_ENDS: dict[str, FarEnds] = {
    "dingtalk-app": partial(dingtalk, AppEnd),
    "dingtalk-app stream": partial(dingtalk, StreamEnd),
    "dingtalk-robot": partial(dingtalk, RobotEnd),
}
