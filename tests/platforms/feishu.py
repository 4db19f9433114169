"""Feishu's application bot in front of one person, by HTTP and by long connection, and its custom bot in a group."""

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar, Self

from adapters.base import Request
from tests.adapters.doubles import feishu
from tests.adapters.doubles.feishu import Failure, FeishuDouble
from tests.platforms.far_end import Clock, FarEnd, FarEnds, Fault, Shown

CHALLENGE = "ajls384kdjx98XX"
OTHER_SECRET = "AppSecretAfterAReset0002"


class AppEnd(FarEnd):
    """What both ways of delivery have in common: the person's own chat with the bot."""

    connection: ClassVar[str] = "county-app"
    user: str = "ou_7d8a6e6df7621556ce0d21922b676706"
    answers: ClassVar[bool] = True
    changes: ClassVar[bool] = True
    once: ClassVar[bool] = True
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "expired", "stranger", "denied"})
    grouped: ClassVar[bool] = True
    overhears: ClassVar[bool] = True

    def __init__(self, double: FeishuDouble) -> None:
        self._double = double
        self._last: dict[str, Any] | None = None

    def beside(self, name: str) -> Self:
        return super().beside(f"ou_{name}")

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "feishu-app", "base_url": self._double.base, "allow_private": True,
            "app_id": FeishuDouble.app_id, "app_secret": FeishuDouble.app_secret,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (FeishuDouble.app_secret, "tokenThatNobodyMaySee")

    def shown(self) -> list[Shown]:
        return [_shown(name, message) for name, message in self._double.messages.items() if self._is_here(message)]

    def shown_in_group(self) -> list[Shown]:
        found = self._double.messages.items()
        return [_shown(name, message) for name, message in found if message.get("answers") in self._double.heard]

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                limits = {"x-ogw-ratelimit-limit": "50", "x-ogw-ratelimit-reset": "7"}
                said = f"request trigger frequency limit: {FeishuDouble.app_secret}"
                self._double.fail("send", Failure(99991400, 400, said, limits))
            case "faulty":
                self._double.fail("send", Failure(status=502))
            case "lost":
                self._double.fail("send", Failure(reset=True, after=True))
            case "expired":
                self._double.expire_tokens()
            case "stranger":
                self._double.strangers.add(self.user)
            case "denied":
                self._double.app_secret = OTHER_SECRET
                self._double.expire_tokens()

    async def write(self, text: str) -> None:
        self._last = self._double.words(self.user, text)
        await self._deliver(self._last)

    async def press(self, shown: Shown, label: str) -> None:
        self._last = self._double.click(self.user, shown.number, label)
        await self._deliver(self._last)

    async def write_in_group(self, text: str, *, called: bool) -> None:
        self._last = self._double.words_in_group(self.user, text, called=called)
        await self._deliver(self._last)

    async def again(self) -> None:
        assert self._last is not None
        await self._deliver(self._last)

    @abstractmethod
    async def _deliver(self, event: Mapping[str, Any]) -> None:
        """Bring it to the server, and get the acknowledgement that leaves a card as it is."""

    def _is_here(self, message: Mapping[str, Any]) -> bool:
        """Written to the person, or said in answer to what is in their chat."""
        if "answers" in message:
            answered = self._double.messages.get(message["answers"])
            return answered is not None and self._is_here(answered)
        return (message["to"], message["kind"]) == (self.user, "open_id")


class CallbackEnd(AppEnd):
    """Calls over HTTP: encrypted, and signed anew at every attempt."""

    @property
    def row(self) -> Mapping[str, Any]:
        keys = {"encrypt_key": FeishuDouble.encrypt_key, "verification_token": FeishuDouble.verification_token}
        return {**super().row, "mode": "http", **keys}

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*super().secrets, FeishuDouble.encrypt_key, FeishuDouble.verification_token)

    async def ready(self) -> None:
        """The address is checked as it is when somebody enters it in the console."""
        check = {"challenge": CHALLENGE, "token": FeishuDouble.verification_token, "type": "url_verification"}
        status, body = await self.call(self._double.request(check))
        assert (status, json.loads(body)) == (200, {"challenge": CHALLENGE})

    async def _deliver(self, event: Mapping[str, Any]) -> None:
        status, body = await self.call(self._double.request(event))
        assert (status, json.loads(body)) == (200, {})

    def unsigned(self) -> Request:
        genuine = self.genuine()
        return replace(genuine, headers={**genuine.headers, "x-lark-signature": "0" * 64})

    def genuine(self) -> Request:
        return self._double.request(self._double.words(self.user, "待办"))

    def overheard(self) -> Request:
        return self._double.request(feishu.payload("group_not_meant"))

    def called(self) -> tuple[Request, ...]:
        names = ("group_text_at_end", "group_two_mentions", "group_reply_without_mention")
        return tuple(self._double.request(feishu.payload(name)) for name in names)


class LineEnd(AppEnd):
    """Pushes over the connection that the server opened: in clear, in two frames."""

    @property
    def row(self) -> Mapping[str, Any]:
        return {**super().row, "mode": "long-connection"}

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*super().secrets, "ticketThatNobodyMaySee")

    async def ready(self) -> None:
        async with asyncio.timeout(30):
            await self._double.connected.wait()

    async def _deliver(self, event: Mapping[str, Any]) -> None:
        await self.ready()
        await self._double.push(event, parts=2)
        assert await self._double.answer() == (200, {})


class RobotEnd(FarEnd):
    """A group in which one person is mentioned; nobody there can answer."""

    connection: ClassVar[str] = "county-group"
    user: str = "ou_7d8a6e6df7621556ce0d21922b676706"
    private: ClassVar[bool] = False
    answers: ClassVar[bool] = False
    changes: ClassVar[bool] = False
    once: ClassVar[bool] = False
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "denied"})

    def __init__(self, double: FeishuDouble) -> None:
        self._double = double

    @property
    def row(self) -> Mapping[str, Any]:
        webhook = f"{self._double.base}/open-apis/bot/v2/hook/{FeishuDouble.hook}"
        return {
            "name": self.connection, "platform": "feishu-robot", "allow_private": True,
            "webhook": webhook, "secret": FeishuDouble.hook_secret,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (FeishuDouble.hook, FeishuDouble.hook_secret)

    def shown(self) -> list[Shown]:
        return [
            Shown(str(number), feishu.AT.sub(r"@\1", one["text"]), mentions=_called(one))
            for number, one in enumerate(self._double.said)
        ]

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                said = f"frequency limited psm[lark.oapi.app_platform_runtime] {FeishuDouble.hook}"
                self._double.fail("hook", Failure(11232, 200, said))
            case "faulty":
                self._double.fail("hook", Failure(status=502))
            case "lost":
                self._double.fail("hook", Failure(reset=True, after=True))
            case "denied":
                self._double.hook_secret = OTHER_SECRET
            case _:
                raise NotImplementedError(fault)


def _shown(name: str, message: dict[str, Any]) -> Shown:
    labels = tuple(label for label, _ in feishu.buttons(message))
    return Shown(name, feishu.words(message), labels, _called(message))


def _called(message: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(message["mentions"])


@asynccontextmanager
async def callbacks(clock: Clock) -> AsyncIterator[FarEnd]:
    """The application's far end, mode http."""
    async with FeishuDouble(clock) as double:
        yield CallbackEnd(double)


@asynccontextmanager
async def line(clock: Clock) -> AsyncIterator[FarEnd]:
    """The application's far end, mode long-connection."""
    async with FeishuDouble(clock) as double:
        yield LineEnd(double)


@asynccontextmanager
async def robot(clock: Clock) -> AsyncIterator[FarEnd]:
    """The custom bot's far end."""
    async with FeishuDouble(clock) as double:
        yield RobotEnd(double)


FAR_ENDS: dict[str, FarEnds] = {"feishu-app": callbacks, "feishu-app long-connection": line, "feishu-robot": robot}
