"""A platform as the person in front of it sees it: one surface over the doubles, so that one test plays them all."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

import aiohttp

from adapters.base import Adapter, Request, State

Clock = Callable[[], datetime]
Fault = Literal["busy", "faulty", "lost", "expired", "stranger", "denied"]
"""What meets the next message: a limit (in a 200 body where the platform does so), a 5xx, a connection that breaks
after the message was taken, an access token that ran out, an address nobody has, a permission or key that is wrong."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as its recipient sees it now. `number` stays when it is changed; `mentions` are those it calls."""

    number: str
    text: str
    buttons: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()


class FarEnd(ABC):
    """A double of a platform with one person in front of it, whose address there is `user`; others sit `beside` them.

    Made by `FarEnds`; `hook` is where this connection's callbacks go once a server runs, for platforms that call.
    `answers` where a person can write and press there, `changes` where a message already sent can be changed
    (`changes_unasked`: at any time, not only in answer to a click), `once` where the same message sent twice is shown
    once. `faults` are those the platform can show. `private` where the person can be told alone. `grouped` where the
    bot can be called in a group, `overhears` where it is told there also what is not meant for it.
    """

    connection: ClassVar[str]
    user: str
    answers: ClassVar[bool]
    changes: ClassVar[bool]
    changes_unasked: ClassVar[bool] = True
    once: ClassVar[bool]
    faults: ClassVar[frozenset[Fault]]
    private: ClassVar[bool] = True
    grouped: ClassVar[bool] = False
    overhears: ClassVar[bool] = False
    hook: str = ""

    def beside(self, name: str) -> Self:
        """Somebody else in front of the same platform, whom it knows too."""
        other = copy(self)
        other.user = name
        return other

    @property
    @abstractmethod
    def row(self) -> Mapping[str, Any]:
        """The [[connection]] that leads here, secrets included."""

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen in an error, a log or a text."""

    @abstractmethod
    def shown(self) -> list[Shown]:
        """Every message the person has been shown, in order, as it looks now."""

    @abstractmethod
    def fault(self, fault: Fault) -> None:
        """Let the next message meet a fault; a fault of the connection itself (denied) stays."""

    async def ready(self) -> None:  # noqa: B027  most platforms call over HTTP
        """Return when the platform can reach us: at once where it calls over HTTP."""

    async def mended(self) -> None:  # noqa: B027  a call over HTTP opens its own
        """Return when a line that broke stands again, where sending needs one."""

    @asynccontextmanager
    async def listened(self, adapter: Adapter) -> AsyncIterator[None]:
        """Around an adapter that runs alone: holds its line open where there is no sending without one."""
        del adapter
        yield

    async def write(self, text: str) -> None:
        """The person writes to the bot."""
        raise NotImplementedError(text)

    async def press(self, shown: Shown, label: str) -> None:
        """The person presses a button of a message."""
        raise NotImplementedError(shown, label)

    async def write_in_group(self, text: str, *, called: bool) -> None:
        """The person writes in a group, to the bot or to others."""
        raise NotImplementedError(text, called)

    def shown_in_group(self) -> list[Shown]:
        """Every message of the bot in the group, in order."""
        raise NotImplementedError

    async def again(self) -> None:
        """The platform delivers once more what the person did last."""
        raise NotImplementedError

    def unsigned(self) -> Request | None:
        """A callback that says something and whose signature is wrong; None where nobody calls."""
        return None

    def genuine(self) -> Request | None:
        """A callback whose signature holds; None where nobody calls."""
        return None

    def overheard(self) -> Request | None:
        """A callback with what people of a group say to each other; None where no such thing is ever sent."""
        return None

    def called(self) -> tuple[Request, ...]:
        """Callbacks with what is said to the bot in a group: by a mention, or as an answer to a message of its own."""
        return ()

    async def call(self, request: Request) -> tuple[int, bytes]:
        """Post a callback as the platform does. Its status and body."""
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, self.hook, params=request.query, data=request.body, headers=request.headers
            ) as answer,
        ):
            return answer.status, await answer.read()


FarEnds = Callable[[Clock], AbstractAsyncContextManager[FarEnd]]


class Memory(dict[str, str]):
    """What an adapter remembers, without a store."""

    async def get(self, key: str) -> str:  # type: ignore[override]  # the contract's name
        return super().get(key, "")

    async def put(self, key: str, value: str) -> None:
        self[key] = value


def remembering() -> State:
    """A memory of its own."""
    return Memory()
