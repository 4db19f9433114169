"""The platform that ships for tests and simulation: everything sent is kept in a list."""

from collections.abc import Callable
from typing import ClassVar

from adapters.base import Outgoing

GROUP = "chat:"


class MemoryAdapter:
    """Keeps what it is given. `refuse` may raise an AdapterError for a message, as a real platform would."""

    platform: ClassVar[str] = "memory"
    max_bytes: ClassVar[int] = 1_000_000
    can_button: ClassVar[bool] = True
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = False
    per_minute: ClassVar[float] = 0

    def __init__(self, connection: str = "memory", refuse: Callable[[Outgoing], None] | None = None) -> None:
        self.connection = connection
        self.sent: list[Outgoing] = []
        self._refuse = refuse

    def is_private(self, address: str) -> bool:
        """Whether an address is a person; `chat:` is before the others."""
        return not address.startswith(GROUP)

    async def send(self, message: Outgoing) -> str:
        """Keep the message; its key is the receipt."""
        if self._refuse is not None:
            self._refuse(message)
        self.sent.append(message)
        return message.key

    async def close(self) -> None:
        """Nothing is open."""
