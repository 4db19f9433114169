"""What the page needs of the rest of the bot, and nothing else; bot/app fills it in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from adapters.base import Button, OnMessage
from adapters.webchat import WebchatAdapter

Step = Literal["hour", "day", "next"]

SESSION_SECONDS = 30 * 24 * 3600
"""How long a browser keeps its sign-in; the core lets the session end no later."""


class TooManyAttemptsError(Exception):
    """Binding from this client is refused for a while, whatever the code."""


class NoSuchTableError(Exception):
    """A download's link is not one of ours, or, when `expired`, was."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "forged")
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Download:
    """A file: its name and what it holds."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message of a conversation.

    `id` is the key of the bot's message (Outgoing.key), or the message id of mine (Incoming.message_id). `order` grows
    strictly along the conversation; the page asks for what lies before one. A pressed button is a message of mine whose
    text is the button's label.
    """

    id: str
    order: int
    side: Literal["bot", "me"]
    text: str
    at: datetime
    buttons: tuple[Button, ...] = ()
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Player:
    """A person: whom the page speaks for. `role` is head, officer, supervisor or admin."""

    address: str
    name: str
    unit: str
    role: str
    unread: int = 0


@dataclass(frozen=True, slots=True)
class DemoDoor:
    """What only the demonstration has: anybody can be played, time can be moved."""

    people: Callable[[], Awaitable[list[Player]]]
    move: Callable[[Step], Awaitable[datetime]]
    is_workday: Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class ChatDoor:
    """The page's one way in.

    `receive` returns once the message is committed and may raise: then nothing was recorded. `history` returns the last
    `limit` messages before `before`, oldest first. `bind` trades a one-time code for a session token, None when the
    code is wrong; it may raise TooManyAttemptsError. `table` makes the spreadsheet that a link's last part names, for a
    browser with that session token or none; it may raise NoSuchTableError. `now` is in the zone people are shown.
    `health` holds a truth value "ok". With `demo` the page plays; without it, only who is signed in speaks.
    """

    adapter: WebchatAdapter
    now: Callable[[], datetime]
    receive: OnMessage
    history: Callable[[str, int | None, int], Awaitable[list[Bubble]]]
    person: Callable[[str], Awaitable[Player | None]]
    signed_in: Callable[[str], Awaitable[str | None]]
    bind: Callable[[str, str], Awaitable[str | None]]
    leave: Callable[[str], Awaitable[None]]
    health: Callable[[], Awaitable[dict[str, Any]]]
    metrics: Callable[[], bytes]
    table: Callable[[str, str], Awaitable[Download]]
    demo: DemoDoor | None = None
