"""A loopback homeserver: the endpoints the adapter uses, strict where the specification is, with a server's faults."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

SERVER, BOT, TOKEN, PASSWORD = (
    "hs.test",
    "@duban:hs.test",
    "syt_ZHViYW4_ThisIsTheSecretTokenOfTheBot_0abcde",
    "Pass-word-0",
)
ZHANG, LI = "@zhang:hs.test", "@li:hs.test"
LARGEST = 65_536

Fault = tuple[int, str] | Literal["hang", "reset", "lost", "html", "moved", "nonsense"]
"""A status and an errcode, or what the network and what stands before a server do. `lost` is done and not answered."""


class Memory(dict[str, str]):
    """What an adapter remembers."""

    async def get(self, key: str) -> str:  # type: ignore[override]  # the contract's name
        return super().get(key, "")

    async def put(self, key: str, value: str) -> None:
        assert len(key) <= 64
        self[key] = value


@dataclass
class Room:
    """Its state by type and key, and everything that happened in it, each with its place in the stream."""

    state: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    happened: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def membership(self, user: str) -> str:
        return str(self.state.get(("m.room.member", user), {}).get("content", {}).get("membership", "leave"))


@dataclass
class Homeserver:
    """The server's side. `faults` are what the next calls of an endpoint meet, in order; the `prompt` join at once."""

    users: set[str] = field(default_factory=lambda: {BOT, ZHANG, LI})
    prompt: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    password: str = PASSWORD
    rooms: dict[str, Room] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    account_data: dict[str, Any] = field(default_factory=dict)
    retry_after: str = "0.05"
    encrypts_everything: bool = False
    reactions_allowed: bool = True
    logins: int = 0
    base: str = ""
    _place: int = 0
    _oldest: int = 0
    _transactions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**20)
        v3, room = "/_matrix/client/v3", "/_matrix/client/v3/rooms/{room}"
        app.router.add_get("/_matrix/client/versions", self._open("versions", self._versions))
        app.router.add_post(f"{v3}/login", self._open("login", self._login))
        for method, path, name, handle in (
            ("GET", f"{v3}/account/whoami", "whoami", self._whoami),
            ("GET", f"{v3}/sync", "sync", self._sync),
            ("GET", f"{v3}/profile/{{user}}", "profile", self._profile),
            ("POST", f"{v3}/createRoom", "createRoom", self._create),
            ("GET", f"{v3}/user/{{user}}/account_data/{{kind}}", "account_data", self._account_data),
            ("PUT", f"{v3}/user/{{user}}/account_data/{{kind}}", "account_data", self._account_data),
            ("PUT", f"{room}/send/{{kind}}/{{txn}}", "send", self._send),
            ("PUT", f"{room}/redact/{{event}}/{{txn}}", "redact", self._redact),
            ("GET", f"{room}/event/{{event}}", "event", self._event),
            ("GET", f"{room}/messages", "messages", self._messages),
            ("GET", f"{room}/joined_members", "members", self._members),
            ("GET", f"{room}/state/{{kind}}", "state", self._state),
            ("GET", f"{room}/state/{{kind}}/{{key}}", "state", self._state),
            ("POST", f"{room}/join", "join", self._join),
            ("POST", f"{room}/leave", "leave", self._leave),
            ("GET", "/_matrix/client/v1/rooms/{room}/relations/{event}/m.annotation", "relations", self._relations),
        ):
            app.router.add_route(method, path, self._guarded(name, handle))
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def fault(self, name: str, *faults: Fault) -> None:
        self.faults.setdefault(name, deque()).extend(faults)

    def told(self, name: str) -> list[Any]:
        """What an endpoint was sent."""
        return [body for called, body in self.calls if called == name]

    @property
    def place(self) -> int:
        """Where the stream of events has come to."""
        return self._place

    @property
    def acknowledged(self) -> int:
        """Up to where the bot has what happened: whoever asks for what came since has what came before."""
        return max((int(query["since"][1:]) for query in self.told("sync") if "since" in query), default=0)

    # What people do.

    async def room(self, *members: str, number: str = "!group:hs.test") -> str:
        self.rooms[number] = Room()
        for member in members:
            await self.happens(number, "m.room.member", member, {"membership": "join"}, state_key=member)
        return number

    async def invite(self, room: str, user: str, by: str, *, direct: bool = False) -> None:
        content = {"membership": "invite"} | ({"is_direct": True} if direct else {})
        await self.happens(room, "m.room.member", by, content, state_key=user)
        if user in self.prompt:
            await self.happens(room, "m.room.member", user, {"membership": "join"}, state_key=user)

    def deactivate(self, user: str) -> None:
        """Close an account: its profile goes, and it leaves every room."""
        self.users.remove(user)
        for room in self.rooms.values():
            if room.membership(user) != "leave":
                self._happened(room, "m.room.member", user, {"membership": "leave"}, user)

    async def restore(self) -> None:
        """Come back from a backup: no token given before means anything, and whoever waits with one is told so."""
        self._place += 1
        self._oldest = self._place
        await self._tell()

    async def says(self, room: str, user: str, body: str, **more: Any) -> str:
        return await self.happens(room, "m.room.message", user, {"msgtype": "m.text", "body": body, **more})

    async def answers(self, room: str, user: str, event: str, body: str) -> str:
        return await self.says(room, user, body, **{"m.relates_to": {"m.in_reply_to": {"event_id": event}}})

    async def presses(self, room: str, user: str, event: str, sign: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event, "key": sign}
        return await self.happens(room, "m.reaction", user, {"m.relates_to": relation})

    async def encrypt(self, room: str, user: str) -> str:
        return await self.happens(room, "m.room.encryption", user, {"algorithm": "m.megolm.v1.aes-sha2"}, state_key="")

    async def happens(
        self, room: str, kind: str, sender: str, content: Mapping[str, Any], state_key: str | None = None
    ) -> str:
        event = self._happened(self.rooms[room], kind, sender, content, state_key)
        await self._tell()
        return str(event["event_id"])

    def _happened(
        self, room: Room, kind: str, sender: str, content: Mapping[str, Any], state_key: str | None
    ) -> dict[str, Any]:
        self._place += 1
        event: dict[str, Any] = {"event_id": f"${self._place}/+x", "type": kind, "sender": sender, "content": content}
        if state_key is not None:
            old = room.state.get((kind, state_key))
            event |= {"state_key": state_key} | ({"unsigned": {"prev_content": old["content"]}} if old else {})
            room.state[kind, state_key] = event
        room.happened.append((self._place, event))
        return event

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def shown(self, room: str, user: str = BOT, kind: str = "m.room.message") -> list[dict[str, Any]]:
        """What a user has put into a room and not taken back."""
        found = [event for _, event in self.rooms[room].happened if (event["sender"], event["type"]) == (user, kind)]
        return [event for event in found if event["content"]]

    # Endpoints.

    def _open(self, name: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            body = json.loads(await request.text() or "null")
            self.calls.append((name, dict(request.query) if body is None else body))
            fault = self.faults[name].popleft() if self.faults.get(name) else None
            if fault is not None and fault != "lost":
                return await self._meet(fault, request)
            answer: web.StreamResponse = await handle(request, body)
            if fault == "lost":
                _reset(request)
            return answer

        return answer

    def _guarded(self, name: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        async def known(request: web.Request, body: Any) -> web.StreamResponse:
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
                return _error(401, "M_UNKNOWN_TOKEN", f"Invalid access token {request.headers['Authorization']}")
            room = request.match_info.get("room")
            if room is not None and name not in {"join", "leave"} and not self._inside(room):
                return _error(403, "M_FORBIDDEN", f"User {BOT} not in room {room}")
            return await handle(request, body)  # type: ignore[no-any-return]

        return self._open(name, known)

    def _inside(self, room: str) -> bool:
        return room in self.rooms and self.rooms[room].membership(BOT) == "join"

    async def _meet(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        if isinstance(fault, tuple):
            status, code = fault
            headers = {"Retry-After": self.retry_after} if status == 429 else {}
            return _error(status, code, f"refused for {request.headers.get('Authorization')}", headers)
        if fault == "hang":
            await asyncio.sleep(30)
        if fault == "reset":
            _reset(request)
        if fault == "moved":
            return web.Response(status=301, headers={"Location": "https://elsewhere.example/"})
        return web.Response(text="<html>log in</html>" if fault == "html" else "[1]", content_type="text/html")

    async def _versions(self, _: web.Request, __: Any) -> web.Response:
        return web.json_response({"versions": ["v1.10"]})

    async def _login(self, _: web.Request, body: dict[str, Any]) -> web.Response:
        if body["password"] != self.password:
            return _error(403, "M_FORBIDDEN", f"Invalid username or password {body['password']}")
        self.logins += 1
        self.tokens = {f"{TOKEN}{self.logins}"}
        return web.json_response(
            {"user_id": BOT, "access_token": f"{TOKEN}{self.logins}", "device_id": body["device_id"]}
        )

    async def _whoami(self, _: web.Request, __: Any) -> web.Response:
        return web.json_response({"user_id": BOT})

    async def _profile(self, request: web.Request, _: Any) -> web.Response:
        user = request.match_info["user"]
        if user not in self.users:
            return _error(404, "M_UNKNOWN", "No row found (profiles)")  # as Synapse 1.163 says it
        return web.json_response({"displayname": "督办"} if user == BOT else {})

    async def _account_data(self, request: web.Request, body: Any) -> web.Response:
        kind = request.match_info["kind"]
        if request.method == "PUT":
            self.account_data[kind] = body
        return web.json_response(self.account_data[kind]) if kind in self.account_data else _error(404, "M_NOT_FOUND")

    async def _create(self, _: web.Request, body: dict[str, Any]) -> web.Response:
        room = await self.room(BOT, number=f"!{len(self.rooms)}made:hs.test")
        for user in body["invite"]:
            await self.invite(room, user, BOT, direct=body["is_direct"])
        if self.encrypts_everything:
            await self.encrypt(room, BOT)
        return web.json_response({"room_id": room})

    async def _send(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        room, kind = request.match_info["room"], request.match_info["kind"]
        relation = body.get("m.relates_to", {})
        if (room, request.match_info["txn"]) in self._transactions:
            return web.json_response(self._transactions[room, request.match_info["txn"]])
        if len(json.dumps(body, ensure_ascii=False).encode()) > LARGEST - 500:
            return _error(413, "M_TOO_LARGE", "event too large")
        if kind == "m.reaction":
            if not self.reactions_allowed:
                return _error(403, "M_FORBIDDEN", "You don't have permission to post that to the room")
            if relation in [event["content"]["m.relates_to"] for event in self.shown(room, BOT, kind)]:
                return _error(400, "M_DUPLICATE_ANNOTATION", "Can't send same reaction twice")
        answer = {"event_id": await self.happens(room, kind, BOT, body)}
        self._transactions[room, request.match_info["txn"]] = answer
        return web.json_response(answer)

    async def _redact(self, request: web.Request, _: Any) -> web.Response:
        for _place, event in self.rooms[request.match_info["room"]].happened:
            if event["event_id"] == request.match_info["event"]:
                event["content"] = {}
        return web.json_response({"event_id": "$redaction"})

    async def _event(self, request: web.Request, _: Any) -> web.Response:
        wanted, happened = request.match_info["event"], self.rooms[request.match_info["room"]].happened
        for _place, event in happened:
            if event["event_id"] == wanted:
                edits = [
                    other
                    for _, other in happened
                    if other["content"].get("m.relates_to", {}).get("rel_type") == "m.replace"
                    and other["content"]["m.relates_to"]["event_id"] == wanted
                ]
                unsigned = {"unsigned": {"m.relations": {"m.replace": edits[-1]}}} if edits else {}
                return web.json_response(event | unsigned)
        return _error(404, "M_NOT_FOUND", "Event not found.")

    async def _relations(self, request: web.Request, _: Any) -> web.Response:
        happened = self.rooms[request.match_info["room"]].happened
        chunk = [
            event
            for _, event in happened
            if event["type"] == "m.reaction"
            and event["content"].get("m.relates_to", {}).get("event_id") == request.match_info["event"]
        ]
        return web.json_response({"chunk": chunk})

    async def _state(self, request: web.Request, _: Any) -> web.Response:
        key = request.match_info["kind"], request.match_info.get("key", "")
        event = self.rooms[request.match_info["room"]].state.get(key)
        return web.json_response(event["content"]) if event else _error(404, "M_NOT_FOUND", "Event not found.")

    async def _members(self, request: web.Request, _: Any) -> web.Response:
        room = self.rooms[request.match_info["room"]]
        joined = [user for kind, user in room.state if kind == "m.room.member" and room.membership(user) == "join"]
        return web.json_response({"joined": {user: {} for user in joined}})

    async def _join(self, request: web.Request, _: Any) -> web.Response:
        room = request.match_info["room"]
        await self.happens(room, "m.room.member", BOT, {"membership": "join"}, state_key=BOT)
        return web.json_response({"room_id": room})

    async def _leave(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        room = request.match_info["room"]
        if room not in self.rooms or self.rooms[room].membership(BOT) == "leave":
            return _error(403, "M_FORBIDDEN", "not in room")
        await self.happens(room, "m.room.member", BOT, {"membership": "leave", **body}, state_key=BOT)
        return web.json_response({})

    async def _messages(self, request: web.Request, _: Any) -> web.Response:
        query = request.query
        start, end, limit = int(query["from"][1:]), int(query.get("to", "s0")[1:]), int(query["limit"])
        happened = self.rooms[request.match_info["room"]].happened
        older = [(place, event) for place, event in reversed(happened) if end < place <= start][:limit]
        more = {"end": f"s{older[-1][0] - 1}"} if len(older) == limit else {}
        return web.json_response({"chunk": [event for _, event in older], "start": query["from"], **more})

    async def _sync(self, request: web.Request, _: Any) -> web.Response:
        since = request.query.get("since", "s0")
        if not since.startswith("s"):
            return _error(400, "M_UNKNOWN", "Invalid stream token")
        place, wait = int(since[1:]), int(request.query["timeout"]) / 1000
        limit = json.loads(request.query["filter"])["room"]["timeline"]["limit"]
        async with self._news:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait_for(lambda: self._place > place)
        if "since" in request.query and place < self._oldest:
            return _error(400, "M_UNKNOWN", "Invalid stream token")
        return web.json_response({"next_batch": f"s{self._place}", "rooms": self._rooms_since(place, limit)})

    def _rooms_since(self, place: int, limit: int) -> dict[str, Any]:
        join: dict[str, Any] = {}
        invite: dict[str, Any] = {}
        for number, room in self.rooms.items():
            new = [(at, event) for at, event in room.happened if at > place]
            if new and room.membership(BOT) == "join":
                if any(event.get("state_key") == BOT for _, event in new):
                    new = room.happened  # whoever comes into a room is shown what was there before
                start, events = new[-limit:][0][0] - 1, [event for _, event in new[-limit:]]
                timeline = {"events": events, "limited": len(new) > limit, "prev_batch": f"s{start}"}
                join[number] = {"timeline": timeline, "state": {"events": []}}
            elif new and room.membership(BOT) == "invite":
                stripped = [event for key, event in room.state.items() if key != ("m.room.member", ZHANG)]
                invite[number] = {"invite_state": {"events": stripped}}
        return {"join": join, "invite": invite}


def _reset(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


def _error(status: int, code: str, said: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"errcode": code, "error": said}, status=status, headers=headers)
