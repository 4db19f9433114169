"""A one-way service behind Apprise, and one of its recipients, who answers on the page that the texts name."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from tests.adapters.doubles.apprise import PASSWORD, Gateway, installed
from tests.platforms.far_end import Clock, FarEnd, FarEnds, Fault, Shown

CALL = re.compile(r"(?<![\w.%+-])@(\w+)|<[@!]([^<>]+)>|<at\b[^<>]*?=[\"']?(\w+)")
"""What one or other of the services would take for a mention."""


class GatewayEnd(FarEnd):
    """Apprise tells success and failure: a wrong key or address looks like a fault that may pass, and is none here."""

    connection: ClassVar[str] = "mail"
    user: str = "zhang.san@fire.example.cn"
    answers: ClassVar[bool] = False
    changes: ClassVar[bool] = False
    once: ClassVar[bool] = False
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost"})

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def row(self) -> Mapping[str, Any]:
        return {"name": self.connection, "platform": "apprise", "url": f"{self._gateway.url}/to/{{address}}"}

    @property
    def secrets(self) -> tuple[str, ...]:
        return (PASSWORD,)

    def shown(self) -> list[Shown]:
        return [
            Shown(str(number), said["message"], mentions=_called(said["message"]))
            for number, (path, said) in enumerate(self._gateway.taken)
            if path == f"/to/{self.user}"
        ]

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                self._gateway.statuses.append(429)
            case "faulty":
                self._gateway.statuses.append(502)
            case "lost":
                self._gateway.lost += 1
            case _:
                raise NotImplementedError(fault)


def _called(text: str) -> tuple[str, ...]:
    return tuple(sorted({next(filter(None, found)) for found in CALL.findall(text)}))


@asynccontextmanager
async def gateway(_: Clock) -> AsyncIterator[FarEnd]:
    """The apprise connection's far end; left out where Apprise, which is an extra, is missing."""
    installed()
    async with Gateway() as double:
        yield GatewayEnd(double)


FAR_ENDS: dict[str, FarEnds] = {"apprise": gateway}
