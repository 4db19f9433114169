"""A city's portal, and one of its users."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, ClassVar

from adapters.base import Request
from tests.adapters.doubles.webhook import INBOUND, SECRET, Answer, Portal, signed
from tests.platforms.far_end import Clock, FarEnd, FarEnds, Fault, Shown


class PortalEnd(FarEnd):
    """Replies are signed with the portal's own key."""

    connection: ClassVar[str] = "portal"
    user: str = "zhang.san"
    answers: ClassVar[bool] = True
    changes: ClassVar[bool] = True
    once: ClassVar[bool] = True
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "stranger", "denied"})

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._numbers = count(1)
        self._last: Request | None = None

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "webhook", "base_url": self._portal.url, "allow_private": True,
            "secret": SECRET, "inbound_secret": INBOUND,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (SECRET.removeprefix("whsec_"), INBOUND.removeprefix("whsec_"))

    def shown(self) -> list[Shown]:
        now: dict[str, Shown] = {}
        for event in self._portal.shown:
            data = event["data"]
            if data["to"] != self.user:
                continue
            labels = tuple(action["label"] for action in data["actions"])
            now[data["reminder_id"]] = Shown(data["reminder_id"], data["text"], labels)
        return list(now.values())

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                self._portal.instead.append(Answer(429, headers={"Retry-After": "7"}))
            case "faulty":
                self._portal.instead.append(Answer(502, f"Bad Gateway {SECRET}"))
            case "lost":
                self._portal.instead.append(Answer(reset=True, after=True))
            case "stranger":
                self._portal.unknown.add(self.user)
            case "denied":
                self._portal.secret = f"whsec_{'A' * 44}"
            case _:
                raise NotImplementedError(fault)

    async def write(self, text: str) -> None:
        await self._say({"type": "reply.text", "data": {"user": self.user, "text": text}})

    async def press(self, shown: Shown, label: str) -> None:
        latest = next(e["data"] for e in reversed(self._portal.shown) if e["data"]["reminder_id"] == shown.number)
        (action,) = [one["action"] for one in latest["actions"] if one["label"] == label]
        data = {"user": self.user, "reminder_id": shown.number, "action": action}
        await self._say({"type": "reply.action", "data": data})

    async def again(self) -> None:
        assert self._last is not None
        assert await self.call(self._last) == (200, b"{}")

    def unsigned(self) -> Request:
        return signed(self._text, self._portal.now(), secret=SECRET)

    def genuine(self) -> Request:
        return signed(self._text, self._portal.now())

    @property
    def _text(self) -> dict[str, Any]:
        return {"type": "reply.text", "data": {"user": self.user, "text": "待办"}}

    async def _say(self, body: dict[str, Any]) -> None:
        self._last = signed(body, self._portal.now(), f"msg_{next(self._numbers)}")
        await self.again()


@asynccontextmanager
async def portal(clock: Clock) -> AsyncIterator[FarEnd]:
    """The webhook connection's far end."""
    async with Portal(clock) as double:
        yield PortalEnd(double)


FAR_ENDS: dict[str, FarEnds] = {"webhook": portal}
