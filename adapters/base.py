"""The contract between the middle and a platform: what goes out, what comes in, what can go wrong.

AdapterError
├── RetryError          try again, not before `after` seconds
├── RecipientError      this recipient cannot be reached; others can
├── ConfigurationError  nothing can be sent until an operator acts
└── RefusedError        what came in is not accepted
    ├── UnverifiedError its signature or token is wrong: 401
    └── MalformedError  it is signed, or need not be, and cannot be read: 400
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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


class RefusedError(AdapterError):
    """What came in is not accepted. The text names the reason and never a secret."""


class UnverifiedError(RefusedError):
    """The signature, the token or the time is wrong."""


class MalformedError(RefusedError):
    """It cannot be read as what the platform documents."""


@dataclass(frozen=True, slots=True)
class Button:
    """A label and what pressing it sends back. `style` is primary, plain or danger."""

    label: str
    value: str
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one address. `key` is the same at every attempt, for platforms that suppress duplicates.

    `via` is what an incoming message carried as its way back, when this is its answer; empty for a message of our own.
    """

    key: str
    address: str
    text: str
    buttons: tuple[Button, ...] = ()
    via: str = ""


LONGEST_SENDER, LONGEST_APP = 128, 64
"""Characters that the inbox keeps of who wrote and of the app that was written to. No platform documents more."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One verified message or button press.

    `reply_to` is the key, or the receipt, of the message it answers, if the platform says. `via` is the adapter's own
    note of how to answer where it was said (a group, a session address); it may be a credential and is never shown.
    `group` when others read there too, or when the platform does not say.
    """

    connection: str
    app: str
    message_id: str
    sender: str
    text: str = ""
    action: str = ""
    reply_to: str = ""
    via: str = ""
    group: bool = False

    def content(self) -> dict[str, Any]:
        """What the inbox keeps beside its own columns."""
        return {
            "text": self.text, "action": self.action, "reply_to": self.reply_to, "via": self.via, "group": self.group,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it arrived: header names in lower case, the body's raw bytes."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What the platform gets back at once."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Received:
    """A verified request: the messages to commit, and the acknowledgement that goes out once they are."""

    messages: tuple[Incoming, ...] = ()
    response: Response = field(default_factory=Response)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check of a connection found: `key` names the sentence, `facts` fill it, `ok` says if it is well."""

    ok: bool
    key: str
    facts: Mapping[str, str] = field(default_factory=dict)


OnMessage = Callable[[Incoming], Awaitable[None]]
"""Returns once the message is committed: only then may the platform get its acknowledgement."""


class State(Protocol):
    """What an adapter may remember across restarts: a sync token, an access token."""

    async def get(self, key: str) -> str: ...

    async def put(self, key: str, value: str) -> None: ...


class Adapter(Protocol):
    """A platform. The core asks these flags and never the platform's name.

    `can_answer` where people can write or press there; `can_update` where it is an Updater too. `per_minute` is the
    platform's limit for one connection, 0 for none.
    """

    platform: ClassVar[str]
    max_bytes: ClassVar[int]

    @property
    def can_button(self) -> bool: ...

    @property
    def can_update(self) -> bool: ...

    @property
    def can_answer(self) -> bool: ...

    @property
    def per_minute(self) -> float: ...

    @property
    def connection(self) -> str:
        """The name of the configured connection."""
        ...

    def is_private(self, address: str) -> bool:
        """Whether what is sent to an address is read by one person only. False where that is not certain.

        A group is addressed as `chat:` and its id; what a robot of a group says, everybody there reads.
        """
        ...

    async def send(self, message: Outgoing) -> str:
        """Send, return the platform's receipt. Raises AdapterError."""
        ...

    async def close(self) -> None:
        """Release what was opened."""
        ...


class Receiver(Protocol):
    """An adapter that platforms call over HTTP."""

    def receive(self, request: Request, now: datetime) -> Received:
        """Verify and read a request. Pure. Raises UnverifiedError or MalformedError."""
        ...


class Listener(Protocol):
    """An adapter that holds a connection open, or asks for what is new: no public address is needed."""

    async def listen(self, on_message: OnMessage) -> None:
        """Take messages until cancelled. Reconnects by itself; raises ConfigurationError when that is no use."""
        ...


class Updater(Protocol):
    """An adapter whose messages can be changed after they were sent; without `updates_text` only those with buttons."""

    updates_text: ClassVar[bool]

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Replace what a receipt stands for. Returns the receipt that stands for it now. Raises AdapterError."""
        ...


class Checker(Protocol):
    """An adapter that can say what is wrong with its configuration."""

    async def check(self) -> list[Finding]:
        """Look at keys, permissions and reachability without sending anything to anybody."""
        ...
