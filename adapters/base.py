"""The contract between the middle and a platform: what goes out, what comes in, what can go wrong.

AdapterError
├── RetryError          try again, not before `after` seconds
├── RecipientError      this recipient cannot be reached; others can
└── ConfigurationError  nothing can be sent until an operator acts
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


class AdapterError(Exception):
    """A platform refused or did not answer; the subclass says what to do."""


class RetryError(AdapterError):
    """Passing: try again, not before `after` seconds."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class RecipientError(AdapterError):
    """This recipient cannot be reached: gone, out of scope, refused."""


class ConfigurationError(AdapterError):
    """The connection itself is wrong: key, address, permission."""


@dataclass(frozen=True, slots=True)
class Button:
    """A label and what pressing it sends back. `style` is primary, plain or danger."""

    label: str
    value: str
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one address. `key` is the same at every attempt, for platforms that suppress duplicates."""

    key: str
    address: str
    text: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Incoming:
    """One verified message or button press. `reply_to` is the key of the message it answers, if the platform says."""

    connection: str
    app: str
    message_id: str
    sender: str
    text: str = ""
    action: str = ""
    reply_to: str = ""

    def content(self) -> dict[str, Any]:
        """What the inbox keeps beside its own columns."""
        return {"text": self.text, "action": self.action, "reply_to": self.reply_to}


OnMessage = Callable[[Incoming], Awaitable[None]]
"""Returns once the message is committed: only then may the platform get its acknowledgement."""


class State(Protocol):
    """What an adapter may remember across restarts: a sync token, an access token."""

    async def get(self, key: str) -> str: ...

    async def put(self, key: str, value: str) -> None: ...


class Adapter(Protocol):
    """A platform. The core asks these flags and never the platform's name."""

    platform: ClassVar[str]
    max_bytes: ClassVar[int]
    can_button: ClassVar[bool]
    per_minute: ClassVar[float]

    @property
    def connection(self) -> str:
        """The name of the configured connection."""
        ...

    async def send(self, message: Outgoing) -> str:
        """Send, return the platform's receipt. Raises AdapterError."""
        ...

    async def close(self) -> None:
        """Release what was opened."""
        ...
