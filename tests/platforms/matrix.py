"""A homeserver, and one of its users in the direct room with the bot. Buttons are the reactions the bot has placed."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar

from tests.adapters.doubles.matrix import BOT, PASSWORD, TOKEN, ZHANG, Homeserver, Room
from tests.bot.delivering import eventually
from tests.platforms.far_end import Clock, FarEnd, FarEnds, Fault, Shown

DIRECT = "!direct:hs.test"
LEGEND = re.compile(r"^(\S+) (.+)$", re.MULTILINE)
PILL = re.compile(r"matrix\.to/#/(@[^\"'?]+)")
NAMED = re.compile(rf"\b{ZHANG.removeprefix('@').partition(':')[0]}\b", re.IGNORECASE)


class MatrixEnd(FarEnd):
    """The account has a token that does not expire. Invitations are accepted at once."""

    connection: ClassVar[str] = "matrix"
    user: str = ZHANG
    answers: ClassVar[bool] = True
    changes: ClassVar[bool] = True
    once: ClassVar[bool] = True
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "stranger", "denied"})

    def __init__(self, server: Homeserver) -> None:
        self._server = server
        server.prompt.add(self.user)

    @property
    def row(self) -> Mapping[str, Any]:
        return {**self._place, "access_token": TOKEN}

    @property
    def secrets(self) -> tuple[str, ...]:
        return (TOKEN, PASSWORD)

    def shown(self) -> list[Shown]:
        return [
            _shown(room, event)
            for room in self._rooms().values()
            for _, event in room.happened
            if (event["sender"], event["type"]) == (BOT, "m.room.message") and not _relation(event, "m.replace")
        ]

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                # A wait is kept in place, and the second one is too long for that.
                self._server.retry_after = "3"
                self._server.fault("send", (429, "M_LIMIT_EXCEEDED"), (429, "M_LIMIT_EXCEEDED"))
            case "faulty":
                self._server.fault("send", (502, ""))
            case "lost":
                self._server.fault("send", "lost", "lost")  # an idempotent call the client itself tries once more
            case "expired":
                self._server.tokens.clear()
            case "stranger":
                self._server.deactivate(self.user)
            case "denied":
                self._server.tokens.clear()
                self._server.password = "another"

    async def ready(self) -> None:
        before = len(self._server.told("sync"))
        await eventually(lambda: any("since" in query for query in self._server.told("sync")[before:]))

    async def write(self, text: str) -> None:
        await self._server.says(await self._room(), self.user, text)
        await self._heard()

    async def press(self, shown: Shown, label: str) -> None:
        sign = next(sign for sign, one in LEGEND.findall(shown.text) if one == label)
        await self._server.presses(await self._room(), self.user, shown.number, sign)
        await self._heard()

    async def again(self) -> None:
        await self._server.restore()
        await self._heard()

    @property
    def _place(self) -> dict[str, Any]:
        # The account is exempt from the server's limit, as the manual asks.
        return {
            "name": self.connection, "platform": "matrix", "base_url": self._server.base, "allow_private": True,
            "per_minute": 0,
        }  # fmt: skip

    def _rooms(self) -> dict[str, Room]:
        return {number: room for number, room in self._server.rooms.items() if room.membership(self.user) == "join"}

    async def _room(self) -> str:
        """The direct room, opened by whoever speaks first."""
        if shared := list(self._rooms()):
            return shared[-1]
        room = await self._server.room(self.user, number=DIRECT)
        await self._server.invite(room, BOT, self.user, direct=True)
        await eventually(lambda: self._server.rooms[room].membership(BOT) == "join")
        return room

    async def _heard(self) -> None:
        place = self._server.place
        await eventually(lambda: self._server.acknowledged >= place)


class PasswordEnd(MatrixEnd):
    """The bot logs in itself, again where the server ends the log-in. Every other fault is as with a token."""

    faults: ClassVar[frozenset[Fault]] = frozenset({"expired", "denied"})

    @property
    def row(self) -> Mapping[str, Any]:
        return {**self._place, "user": BOT, "password": PASSWORD}


def _shown(room: Room, event: Mapping[str, Any]) -> Shown:
    """A message with the last change its own author made, and the reactions under it."""
    about = [other for _, other in room.happened if other["sender"] == BOT]
    number, content = event["event_id"], event["content"]
    edits = [other["content"] for other in about if _relation(other, "m.replace") == number]
    placed = {_sign(other) for other in about if _relation(other, "m.annotation") == number}
    now = edits[-1]["m.new_content"] if edits else content
    labels = tuple(label for sign, label in LEGEND.findall(now["body"]) if sign in placed)
    called = {called for one in (content, *edits) for called in _called(one)}
    return Shown(number, now["body"], labels, tuple(sorted(called)))


def _relation(event: Mapping[str, Any], kind: str) -> str:
    """The event that another one changes or annotates; nothing for what was taken back."""
    relation = event["content"].get("m.relates_to", {})
    return str(relation["event_id"]) if relation.get("rel_type") == kind else ""


def _sign(reaction: Mapping[str, Any]) -> str:
    return str(reaction["content"]["m.relates_to"]["key"])


def _called(content: Mapping[str, Any]) -> set[str]:
    """Whom a message notifies: by m.mentions, by a link to a person, and without m.mentions by the words in it."""
    body, called = content["body"], set(PILL.findall(content.get("formatted_body", "")))
    if "m.new_content" in content:
        called |= _called(content["m.new_content"])
    if "m.mentions" in content:
        named, everybody = set(content["m.mentions"].get("user_ids", ())), content["m.mentions"].get("room") is True
    else:
        named, everybody = {ZHANG} if NAMED.search(body) else set(), "@room" in body
    return called | named | ({"all"} if everybody else set())


@asynccontextmanager
async def homeserver(end: type[MatrixEnd], _: Clock) -> AsyncIterator[FarEnd]:
    """The matrix connection's far end."""
    async with Homeserver() as double:
        yield end(double)


FAR_ENDS: dict[str, FarEnds] = {
    "matrix": partial(homeserver, MatrixEnd),
    "matrix password": partial(homeserver, PasswordEnd),
}
