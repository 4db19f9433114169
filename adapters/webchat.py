"""The built-in chat: what is sent goes to the pages open at that address; the row in the store is the delivery."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from adapters.base import Outgoing

QUEUE_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Event:
    """Something an open page should know. `id` is set where the page can later ask what came after it."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""


RELOAD = Event("reload")
"""The last event of a page that read too slowly: it has missed some, and should ask for the conversation anew."""

CLOSED = Event("closed")
"""The last event of every page when the adapter closes."""


class Stream:
    """One open page: the events it has not read yet, never more than QUEUE_LIMIT of them."""

    def __init__(self, address: str, *, others: bool) -> None:
        self.address = address
        self.others = others
        self.queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_LIMIT)
        self.ended = False

    def put(self, event: Event) -> None:
        """Queue an event; a full queue ends the stream instead of growing."""
        if self.ended:
            return
        if self.queue.full():
            self.end(RELOAD)
        else:
            self.queue.put_nowait(event)

    def end(self, last: Event) -> None:
        """Forget what was not read and leave only the last word."""
        self.ended = True
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(last)


class WebchatAdapter:
    """Publishes to open pages. Nobody listening is fine: the page reads the conversation from the store."""

    platform: ClassVar[str] = "webchat"
    max_bytes: ClassVar[int] = 64_000
    can_button: ClassVar[bool] = True
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = False
    per_minute: ClassVar[float] = 0

    def __init__(self, connection: str, now: Callable[[], datetime]) -> None:
        self.connection = connection
        self._now = now
        self._streams: set[Stream] = set()
        self._unread: Counter[str] = Counter()

    def is_private(self, address: str) -> bool:  # noqa: ARG002  the contract's
        """Always: a page is read by who signed in."""
        return True

    async def send(self, message: Outgoing) -> str:
        """Show the message wherever its address is open; its key is the receipt."""
        buttons = [asdict(button) for button in message.buttons]
        self._publish(message.address, self._bubble(message.key, "bot", message.text, buttons=buttons))
        if not any(stream.address == message.address for stream in self._streams):
            self._count(message.address, self._unread[message.address] + 1)
        return message.key

    def echo(self, address: str, message_id: str, text: str, reply_to: str = "") -> None:
        """Show what was said at an address on its other open pages."""
        self._publish(address, self._bubble(message_id, "me", text, reply_to=reply_to))

    def announce(self, event: Mapping[str, Any]) -> None:
        """Tell every open page; `kind` names the event, the rest is its content."""
        content = {name: value for name, value in event.items() if name != "kind"}
        for stream in self._streams:
            stream.put(Event(str(event["kind"]), content))

    def unread(self, address: str) -> int:
        """How many messages came while no page was open at this address."""
        return self._unread[address]

    @contextmanager
    def subscribe(self, address: str, *, others: bool = False) -> Iterator[asyncio.Queue[Event]]:
        """Open a page. With `others` it also hears that somebody else has unread messages (never what they say)."""
        stream = Stream(address, others=others)
        self._streams.add(stream)
        if self._unread[address]:
            self._count(address, 0)
        try:
            yield stream.queue
        finally:
            self._streams.discard(stream)

    async def close(self) -> None:
        """End every open page, so that the server can stop."""
        for stream in self._streams:
            stream.end(CLOSED)

    def _bubble(self, key: str, side: str, text: str, **more: Any) -> Event:
        known = {"id": key, "side": side, "text": text, "at": self._now().isoformat(), "buttons": [], "reply_to": ""}
        return Event("message", known | more, key)

    def _publish(self, address: str, event: Event) -> None:
        for stream in self._streams:
            if stream.address == address:
                stream.put(event)

    def _count(self, address: str, count: int) -> None:
        self._unread[address] = count
        for stream in self._streams:
            if stream.others:
                stream.put(Event("unread", {"address": address, "count": count}))
