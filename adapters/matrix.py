"""Matrix: messages, replies and reactions over the client-server API, in rooms that are not encrypted.

The specification is cited by its modules and endpoints (v1.10 and later). What comes in is asked for (/sync), so no
public address is needed.
"""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import structlog
from pydantic import Field, SecretStr, model_validator

from adapters.base import (
    AdapterError,
    Button,
    ConfigurationError,
    Finding,
    Incoming,
    OnMessage,
    Outgoing,
    RecipientError,
    RetryError,
    State,
)
from adapters.http import Answer, ConnectionConfig, Http, Token
from adapters.matrix_events import (
    ANNOTATION,
    ENCRYPTED,
    ENCRYPTION,
    LONGEST_RECEIPT,
    LONGEST_SENDER,
    MEMBER,
    MESSAGE,
    REACTION,
    Event,
    Ours,
    events,
    inside,
    is_called,
    joins,
    replacing,
    said,
    signed,
    since_invited,
    text_of,
    uncalled,
    words,
)

log = structlog.get_logger()
API, RELATIONS = "/_matrix/client/v3", "/_matrix/client/v1"
GROUP = "chat:"
USER = re.compile(r"(?=.{3,255}\Z)@[\x21-\x39\x3b-\x7e]+:[\w.\-:\[\]]+", re.ASCII)
ROOM, EVENT = re.compile(r"![\x21-\x7e]{1,254}"), re.compile(r"\$[\x21-\x7e]{1,254}")
"""Ids as the appendices of the specification have them; nothing else may become part of a path."""
SUCCESS, MOVED, BAD_REQUEST, ABSENT = range(200, 300), range(300, 400), 400, 404
NOT_FOUND, UNKNOWN = "M_NOT_FOUND", "M_UNKNOWN"
FOREVER = float("inf")
PATIENCE = 5.0
"""Seconds a message waits in place when the server asks for them; a longer wait is the queue's."""
TIMELINE, PAGE, MOST_PAGES = 20, 50, 100
"""Events a room gives at once, events a page of what was missed has, and pages that are looked at."""
GIVE_UP = 5
"""Tries of the same batch after which one room, or one event, no longer holds up the others."""
MOST_REACTIONS = 100
PAIR = 2

EXPIRED = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})
RECIPIENT = frozenset(
    {
        "M_BAD_ALIAS",
        "M_BAD_JSON",
        "M_BAD_STATE",
        "M_DUPLICATE_ANNOTATION",
        "M_FORBIDDEN",
        "M_INCOMPATIBLE_ROOM_VERSION",
        "M_INVALID_PARAM",
        "M_INVALID_ROOM_STATE",
        "M_MISSING_PARAM",
        NOT_FOUND,
        "M_NOT_JSON",
        "M_TOO_LARGE",
        "M_UNABLE_TO_GRANT_JOIN",
        "M_UNSUPPORTED_ROOM_VERSION",
    }
)
CONFIGURATION = frozenset(
    {
        *EXPIRED,
        "M_CONSENT_NOT_GIVEN",
        "M_GUEST_ACCESS_FORBIDDEN",
        "M_RESOURCE_LIMIT_EXCEEDED",
        "M_UNRECOGNIZED",
        "M_USER_DEACTIVATED",
        "M_USER_LIMIT_EXCEEDED",
        "M_USER_LOCKED",
        "M_USER_SUSPENDED",
    }
)
Result = TypeVar("Result")


class MatrixConfig(ConnectionConfig):
    """The keys of a bot's account: a token that does not expire, or a name and a password to log in with."""

    access_token: SecretStr = Field(default=SecretStr(""), description="the account's access token")
    user: str = Field(default="", pattern=r"^(@?[^\s:@]+(:\S+)?)?$", description="the account, to log in with password")
    password: SecretStr = Field(default=SecretStr(""), description="the account's password, instead of access_token")
    inviters: tuple[str, ...] = Field(
        default=(), description="users (@name:server) and servers whose invitations are accepted; empty: the bot's own"
    )
    reactions: bool = Field(default=True, description="show buttons as reactions under a message")
    per_minute: float = Field(
        default=4, ge=0, description="messages a minute; 0: no limit, once the server exempts the account from its own"
    )
    encrypted_reason: str = Field(
        default="This account cannot read encrypted rooms.",
        max_length=200,
        description="what is said when an encrypted room is left",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.base_url:
            raise ValueError("base_url is needed: the address of the homeserver")
        if bool(self.access_token.get_secret_value()) == bool(self.password.get_secret_value()):
            raise ValueError("either access_token or password is needed")
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("user and password go together")
        return self


class MatrixAdapter:
    """An account on a homeserver. Buttons are reactions it places first; people press them.

    Synapse lets an ordinary account send 12 events a minute, and a message with two buttons is three.
    """

    platform: ClassVar[str] = "matrix"
    max_bytes: ClassVar[int] = 10_000  # an edit holds the text twice, and JSON and `neutral` may grow it, within 65 536
    can_answer: ClassVar[bool] = True
    can_update: ClassVar[bool] = True
    updates_text: ClassVar[bool] = True
    can_mention: ClassVar[bool] = True
    receives: ClassVar[bool] = False
    listens: ClassVar[bool] = True

    def __init__(self, config: MatrixConfig, state: State, now: Callable[[], datetime]) -> None:
        del now  # nothing here is signed with a time
        self.connection = config.name
        self.per_minute = config.per_minute  # a server's limit, not the platform's
        self.can_button = config.reactions
        self.first_wait, self.longest_wait, self.poll = 1.0, 60.0, 12.0
        self._config = config
        self._state = state
        self._http = Http(config, "")
        self._token = Token(self._fetch)
        self._refused = ""
        self._user = ""
        self._names: tuple[str, ...] = ()
        self._pairs: dict[str, bool] = {}
        self._making = asyncio.Lock()
        self._quiet_until = 0.0
        self._tries = 0
        self._timeline = TIMELINE

    # Sending

    def is_private(self, address: str) -> bool:
        """Whether an address is a user; else it is a room."""
        return USER.fullmatch(address) is not None

    async def send(self, message: Outgoing) -> str:
        """Answer where it was said, else in the addressed room, else in the direct room of the addressed user."""
        room, _, event = message.via.partition(" ")
        if room:
            with suppress(RecipientError):
                return await self._say(message, room, reply=event)
        if message.address.startswith(GROUP):
            return await self._say(message, message.address.removeprefix(GROUP))
        return await self._say(message, await self._direct(message.address))

    async def update(self, receipt: str, message: Outgoing) -> str:
        """Replace what a message says (event replacements), and the reactions under it."""
        event, _, room = receipt.partition(" ")
        if not room or not EVENT.fullmatch(event):
            raise RecipientError("no room is known for this message")
        await self._readable(room)
        buttons = self._buttons(message)
        await self._put(room, MESSAGE, replacing(event, said(message, buttons)))
        with suppress(RecipientError):
            await self._arrange(room, event, buttons)
        return receipt

    async def _say(self, message: Outgoing, room: str, reply: str = "") -> str:
        await self._readable(room)
        buttons, mention = self._buttons(message), message.address if reply else ""
        content = said(message, buttons, mention=mention if USER.fullmatch(mention) else "", reply=reply)
        # The same at every attempt, and another one for another message that a new database gives the same key.
        number = _digest(self.connection, message.key, message.address, message.text)
        event = text_of((await self._put(room, MESSAGE, content, number)).get("event_id"))
        if not event:
            raise RetryError("an answer without an event_id")
        with suppress(RecipientError):  # where reactions are not allowed, the text says what to type
            await self._place(room, event, buttons)
        return _receipt(event, room)

    def _buttons(self, message: Outgoing) -> dict[str, Button]:
        return signed(message.buttons) if self._config.reactions else {}

    async def _place(self, room: str, event: str, signs: Iterable[str]) -> None:
        for sign in signs:
            relation = {"rel_type": ANNOTATION, "event_id": event, "key": sign}
            with suppress(_DuplicateError):
                await self._put(room, REACTION, {"m.relates_to": relation})

    async def _arrange(self, room: str, event: str, buttons: Mapping[str, Button]) -> None:
        """Take away our reactions that mean nothing any more, and add those that do now."""
        placed = await self._placed(room, event)
        for sign, number in placed.items():
            if sign not in buttons:
                await self._unhurried("PUT", f"{_room(room)}/redact/{quote(number, safe='')}/{uuid4().hex}", {})
        await self._place(room, event, [sign for sign in buttons if sign not in placed])

    async def _placed(self, room: str, event: str) -> dict[str, str]:
        """Our own reactions under a message: what they show, and their events."""
        path = f"{RELATIONS}/rooms/{quote(room, safe='')}/relations/{quote(event, safe='')}/{ANNOTATION}"
        answer = await self._call("GET", path, query={"dir": "f", "limit": str(MOST_REACTIONS)})
        me = await self._me()
        ours = [one for one in events(answer.get("chunk")) if one.sender == me]
        return {text_of(one.relation.get("key")): one.number for one in ours}

    async def _put(self, room: str, kind: str, content: Mapping[str, Any], number: str = "") -> dict[str, Any]:
        """Send an event. The same transaction number in the same room is sent once (PUT …/send/{type}/{txnId})."""
        return await self._unhurried("PUT", f"{_room(room)}/send/{kind}/{number or uuid4().hex}", content)

    async def _unhurried(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A call that waits as the server asks, for a while, together with everything else that is to be sent."""
        patience = PATIENCE
        while True:
            wait = self._quiet_until - monotonic()
            if wait > patience:
                raise RetryError("the server asks to wait", wait)
            if wait > 0:
                patience -= wait
                await asyncio.sleep(wait)
            try:
                return await self._call(method, path, body)
            except RetryError as error:
                if not error.after:
                    raise
                self._quiet_until = monotonic() + error.after

    # Rooms

    async def _readable(self, room: str) -> None:
        if not ROOM.fullmatch(room):
            raise RecipientError("not the id of a room")
        if await self._is_encrypted(room):
            raise RecipientError("the room is encrypted")

    async def _is_encrypted(self, room: str) -> bool:
        answer = await self._ask("GET", f"{_room(room)}/state/{ENCRYPTION}")
        if _code(answer) == NOT_FOUND:
            return False
        self._read(answer)
        return True

    async def _direct(self, user: str) -> str:
        """The room in which only this user and we are; made when it is first needed. Raises RecipientError."""
        if not USER.fullmatch(user):
            raise RecipientError("not the id of a user")
        place = await self._direct_place(user)
        known = await self._state.get(place)
        if known and await self._holds(known, user):
            return known
        async with self._making:
            for room in dict.fromkeys((await self._state.get(place), *await self._listed(user))):
                if room and await self._holds(room, user):
                    await self._state.put(place, room)
                    return room
            room = await self._make(user)
            await self._adopt(room, user)
        if known:
            await self._leave(known)
        return room

    async def _direct_place(self, user: str) -> str:
        return f"direct:{_digest(await self._me(), user)}"

    async def _holds(self, room: str, user: str) -> bool:
        """Whether a user would read in a room what we say there."""
        try:
            member = await self._call("GET", f"{_room(room)}/state/{MEMBER}/{quote(user, safe='')}")
            return text_of(member.get("membership")) in {"join", "invite"} and not await self._is_encrypted(room)
        except RecipientError:
            return False

    async def _make(self, user: str) -> str:
        answer = await self._ask("GET", f"{API}/profile/{quote(user, safe='')}")
        if answer.status == ABSENT and _code(answer) in {NOT_FOUND, UNKNOWN}:  # Synapse says the latter
            raise RecipientError("the server knows no such user")
        # Not trusted_private_chat: the other one must not be able to turn on encryption or to invite more people.
        body = {"preset": "private_chat", "is_direct": True, "invite": [user]}
        room = text_of((await self._unhurried("POST", f"{API}/createRoom", body)).get("room_id"))
        if not room:
            raise RetryError("an answer without a room_id")
        if await self._is_encrypted(room):
            await self._leave(room)
            raise ConfigurationError("the server encrypts every new room: this account must be exempt from that")
        return room

    async def _adopt(self, room: str, user: str) -> None:
        """Remember a direct room here, and on the server for a day when this memory is gone (m.direct)."""
        await self._state.put(await self._direct_place(user), room)
        path = await self._direct_path()
        answer = await self._ask("GET", path)
        listed = answer.json() if answer.status in SUCCESS else {}
        rooms = [one for one in _list(listed.get(user)) if one != room]
        with suppress(RecipientError):
            await self._call("PUT", path, {**listed, user: [*rooms, room]})

    async def _listed(self, user: str) -> list[str]:
        answer = await self._ask("GET", await self._direct_path())
        return [one for one in reversed(_list(answer.json().get(user))) if isinstance(one, str) and ROOM.fullmatch(one)]

    async def _direct_path(self) -> str:
        return f"{API}/user/{quote(await self._me(), safe='')}/account_data/m.direct"

    async def _leave(self, room: str, reason: str = "") -> None:
        with suppress(RecipientError):
            await self._call("POST", f"{_room(room)}/leave", {"reason": reason} if reason else {})

    async def _is_pair(self, room: str) -> bool:
        """Whether we are alone with one other: then everything said is said to us."""
        if room not in self._pairs:
            joined = (await self._call("GET", f"{_room(room)}/joined_members")).get("joined")
            self._pairs[room] = isinstance(joined, dict) and len(joined) <= PAIR
        return self._pairs[room]

    # Listening

    async def listen(self, on_message: OnMessage) -> None:
        """Ask for what is new until cancelled. Raises ConfigurationError when the account is refused."""
        wait = self.first_wait
        while True:
            pause = 0.0
            try:
                await self._round(on_message)
            except ConfigurationError:
                raise
            except RetryError as error:
                pause = max(wait, min(error.after, self.longest_wait))
            except Exception as error:  # noqa: BLE001  the store is away, or the server talks nonsense: it passes
                log.warning("will ask again", action="listen", connection=self.connection, error=type(error).__name__)
                pause = wait
            if not pause:
                wait = self.first_wait
                continue
            await asyncio.sleep(pause * random.uniform(1.0, 1.25))  # noqa: S311  jitter is no secret
            wait = min(self.longest_wait, wait * 2)

    async def _round(self, on_message: OnMessage) -> None:
        """One /sync. Its token is kept once everything in it is: what is told twice has the same event_id."""
        place = f"sync:{_digest(await self._me())}"
        since = await self._state.get(place)
        answer, until = await self._synced(since)
        token = text_of(answer.get("next_batch"))
        if not token:
            self._timeline = max(1, self._timeline // 2)
            raise RetryError("an answer of /sync that is cut off or is none")
        self._tries += 1
        if since:
            for room, part in _rooms(answer, "join"):
                await self._heard(room, part, until, on_message)
        for room, part in _rooms(answer, "invite"):
            await self._best(self._invited(room, part))
        await self._state.put(place, token)
        self._timeline, self._tries = TIMELINE, 0

    async def _synced(self, since: str) -> tuple[Mapping[str, Any], str]:
        """What is new, and since when."""
        query = {
            "filter": _filter(self._timeline if since else 1),
            "timeout": str(int(self.poll * 1000)) if since else "0",
        }
        answer = await self._ask("GET", f"{API}/sync", query=query | ({"since": since} if since else {}))
        if answer.status == BAD_REQUEST and since:
            # A server restored from a backup does not know the token: the last it tells of each room is heard.
            answer, since = await self._ask("GET", f"{API}/sync", query=query | {"timeout": "0"}), ""
        return self._read(answer), since

    async def _heard(self, room: str, part: object, until: str, on_message: OnMessage) -> None:
        me, timeline = await self._me(), events(inside(part, "timeline").get("events"))
        limited = inside(part, "timeline").get("limited") is True and bool(until)
        if limited and not any(joins(event, me) for event in timeline):
            start = text_of(inside(part, "timeline").get("prev_batch"))
            timeline = [*(await self._best(self._missed(room, start, until)) or []), *timeline]
        if any(event.kind == MEMBER for event in timeline):
            self._pairs.pop(room, None)
        found = [await self._understood(room, event) for event in since_invited(timeline, me)]
        # Begun in their order and committed together.
        taken = [on_message(message) for message in found if message is not None]
        for result in await asyncio.gather(*taken, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        state = events(inside(part, "state").get("events"))
        closed = [event for event in (*state, *timeline) if event.kind in {ENCRYPTED, ENCRYPTION}]
        if closed:
            await self._best(self._refuse(room, closed[-1].sender, alone=await self._is_alone(room)))

    async def _missed(self, room: str, start: str, until: str) -> list[Event]:
        """What a limited timeline left out (GET …/messages), oldest first."""
        me, found = await self._me(), list[Event]()
        kinds = json.dumps({"types": [MESSAGE, REACTION, MEMBER]})
        for _ in range(MOST_PAGES):
            query = {"dir": "b", "from": start, "to": until, "limit": str(PAGE), "filter": kinds}
            answer = await self._call("GET", f"{_room(room)}/messages", query=query)
            chunk, start = events(answer.get("chunk")), text_of(answer.get("end"))
            found += chunk
            if not start or any(joins(event, me) for event in chunk):
                break
        else:
            log.warning("what is older is not read", action="listen", connection=self.connection, room=room)
        return found[::-1]

    async def _understood(self, room: str, event: Event) -> Incoming | None:
        """An event as a message, None for what is not said to us."""
        if event.sender == await self._me() or len(event.sender) > LONGEST_SENDER:
            return None
        if event.kind == REACTION:
            return await self._pressed(room, event)
        return await self._told(room, event) if event.kind == MESSAGE else None

    async def _pressed(self, room: str, event: Event) -> Incoming | None:
        ours = await self._answered(room, event.target)
        action = ours.action(text_of(event.relation.get("key"))) if ours else ""
        if not ours or not action:
            return None
        pair = await self._best(self._is_pair(room))
        via = room if pair else f"{room} {event.target}"
        return self._incoming(event, action=action, reply_to=ours.key, via=via, group=not pair)

    async def _told(self, room: str, event: Event) -> Incoming | None:
        text = words(event)
        if text is None:
            return None
        ours = await self._answered(room, event.target)
        reply_to, names = ours.key if ours else "", await self._called()
        text = uncalled(text, names)
        if await self._best(self._is_pair(room)):
            return self._incoming(event, text=text, reply_to=reply_to, via=room)
        if not ours and not is_called(event, await self._me(), names):
            return None
        return self._incoming(event, text=text, reply_to=reply_to, via=f"{room} {event.number}", group=True)

    def _incoming(self, event: Event, **said: Any) -> Incoming:
        return Incoming(self.connection, self._user[:64], event.number, event.sender, **said)

    async def _answered(self, room: str, event: str) -> Ours | None:
        """A message of our own that somebody answers, as the server has it: nothing need be remembered here."""
        if not EVENT.fullmatch(event):
            return None
        raw = await self._best(self._call("GET", f"{_room(room)}/event/{quote(event, safe='')}"))
        return Ours.read(raw, await self._me()) if raw else None

    async def _invited(self, room: str, part: object) -> None:
        """Join where we are asked to by who may ask, and the room can be read."""
        me = await self._me()
        state = _list(inside(part, "invite_state").get("events"))
        ours = [one for one in state if inside(one).get("type") == MEMBER and inside(one).get("state_key") == me]
        inviter = text_of(inside(ours[-1]).get("sender")) if ours else ""
        if not self._may_invite(inviter):
            await self._leave(room)
            return
        direct = inside(ours[-1], "content").get("is_direct") is True
        if any(inside(one).get("type") == ENCRYPTION for one in state):
            await self._refuse(room, inviter, alone=direct)
            return
        await self._call("POST", f"{_room(room)}/join", {})
        if await self._is_encrypted(room):
            await self._refuse(room, inviter, alone=direct)
        elif direct:
            await self._adopt(room, inviter)

    def _may_invite(self, user: str) -> bool:
        allowed = self._config.inviters or (_server(self._user),)
        return bool(user) and (user in allowed or _server(user) in allowed)

    async def _refuse(self, room: str, user: str, *, alone: bool) -> None:
        """Leave an encrypted room and say why. Who wanted to talk to us alone is asked into a room we can read."""
        log.warning("an encrypted room is left", action="listen", connection=self.connection, room=room)
        await self._leave(room, self._config.encrypted_reason)
        self._pairs.pop(room, None)
        if alone and self._may_invite(user):
            with suppress(ConfigurationError):  # if new rooms are encrypted too, sending says so
                await self._direct(user)

    async def _is_alone(self, room: str) -> bool:
        return bool(await self._best(self._is_pair(room)))

    async def _best(self, work: Awaitable[Result]) -> Result | None:
        """The result of some work, None where it cannot be had, so that one room never silences the others."""
        try:
            return await work
        except RecipientError:
            return None
        except RetryError:
            if self._tries <= GIVE_UP:
                raise
            return None

    # Who we are

    async def _me(self) -> str:
        if not self._user:
            self._user = text_of((await self._call("GET", f"{API}/account/whoami")).get("user_id"))
        if not self._user:
            raise RetryError("an answer without a user_id")
        return self._user

    async def _called(self) -> tuple[str, ...]:
        """The names by which a message may call us."""
        if not self._names:
            me = await self._me()
            profile = await self._best(self._call("GET", f"{API}/profile/{quote(me, safe='')}"))
            local = me.removeprefix("@").partition(":")[0]
            self._names = (me, local, text_of((profile or {}).get("displayname")))
        return self._names

    async def _fetch(self) -> tuple[str, float]:
        """The token of the log-in, the same for every process: a new one ends the one before on the same device."""
        config = self._config
        if token := config.access_token.get_secret_value():
            return token, FOREVER
        place = f"token:{_digest(self._http.base, config.user)}"
        known = await self._state.get(place)
        if known and known != self._refused:
            return known, FOREVER
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": config.user},
            "password": config.password.get_secret_value(),
            "device_id": f"duban-{self.connection}",
            "initial_device_display_name": f"duban {self.connection}",
        }
        try:
            answer = self._read(await self._http.call("POST", f"{API}/login", body=body))
        except RecipientError as error:
            raise ConfigurationError(f"log-in refused: {error}") from None
        token = text_of(answer.get("access_token"))
        if not token:
            raise RetryError("an answer without an access_token")
        await self._state.put(place, token)
        return token, FOREVER

    async def check(self) -> list[Finding]:
        """Ask the server what it is and who we are. Nobody gets anything."""
        host = urlsplit(self._http.base).netloc
        try:
            answer = await self._http.call("GET", "/_matrix/client/versions")
        except AdapterError as error:
            return [_unreachable(host, str(error))]
        if answer.status not in SUCCESS or not isinstance(answer.json().get("versions"), list):
            return [_unreachable(host, f"HTTP {answer.status}, no Matrix server")]
        found = [Finding(ok=True, key="check-reachable", facts={"host": host})]
        try:
            answer = await self._ask("GET", f"{API}/account/whoami")
        except ConfigurationError as error:
            return [*found, Finding(ok=False, key="check-credentials-refused", facts={"code": str(error)})]
        except AdapterError as error:
            return [*found, _unreachable(host, str(error))]
        if answer.status not in SUCCESS:
            code = _code(answer) or f"HTTP {answer.status}"
            return [*found, Finding(ok=False, key="check-credentials-refused", facts={"code": code})]
        user = {"user": text_of(answer.json().get("user_id"))}
        return [*found, Finding(ok=True, key="check-credentials"), Finding(True, "check-matrix-account", user)]

    async def close(self) -> None:
        """Close the session; `listen` ends by cancelling it."""
        await self._http.close()

    # Calling

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        return self._read(await self._ask(method, path, body, query))

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        """One call with the token; a log-in that is over (401, M_UNKNOWN_TOKEN) is renewed once."""
        for _ in range(2):
            token = await self._token.get()
            headers = {"Authorization": f"Bearer {token}"}
            answer = await self._http.call(method, path, body=body, query=query, headers=headers)
            if _code(answer) not in EXPIRED or not self._config.password.get_secret_value():
                return answer
            self._refused = token
            self._token.drop(token)
        return answer

    def _read(self, answer: Answer) -> dict[str, Any]:
        """The body of a success. Raises AdapterError otherwise: each errcode says what to do, an unknown one waits."""
        if answer.status in SUCCESS:
            return answer.json()
        code = _code(answer)
        reason = f"HTTP {answer.status} {code} {self._public(text_of(answer.json().get('error')))}".rstrip()
        if code == "M_DUPLICATE_ANNOTATION":
            raise _DuplicateError(reason)
        if code in CONFIGURATION or answer.status in MOVED:
            raise ConfigurationError(reason)
        if code in RECIPIENT:
            raise RecipientError(reason)
        raise RetryError(reason)

    def _public(self, said: str) -> str:
        """The server's words, short and without anything as long as a credential, or one of ours."""
        for secret in (self._config.access_token, self._config.password):
            if value := secret.get_secret_value():
                said = said.replace(value, "…")
        return re.sub(r"[0-9A-Za-z_\-]{24,}", "…", said)[:80].strip()


class _DuplicateError(RecipientError):
    """The reaction is there already."""


def _code(answer: Answer) -> str:
    code = "" if answer.status in SUCCESS else text_of(answer.json().get("errcode"))
    return code if re.fullmatch(r"[\w.]{1,60}", code) else ""


def _filter(limit: int) -> str:
    """What /sync is asked for: nothing that is not used here."""
    nothing: dict[str, Any] = {"types": []}
    room = {
        "account_data": nothing,
        "ephemeral": nothing,
        "state": {"types": [ENCRYPTION]},
        "timeline": {"types": [MESSAGE, REACTION, MEMBER, ENCRYPTED, ENCRYPTION], "limit": limit},
    }
    return json.dumps({"presence": nothing, "account_data": nothing, "room": room})


def _receipt(event: str, room: str) -> str:
    """Where a message is; without its room where both are too long for a receipt, and then it stays as it is."""
    receipt = f"{event} {room}"
    return receipt if len(receipt) <= LONGEST_RECEIPT else event[:LONGEST_RECEIPT]


def _rooms(answer: Mapping[str, Any], membership: str) -> Iterator[tuple[str, object]]:
    return ((room, part) for room, part in inside(answer, "rooms", membership).items() if ROOM.fullmatch(room))


def _room(room: str) -> str:
    return f"{API}/rooms/{quote(room, safe='')}"


def _server(user: str) -> str:
    return user.partition(":")[2]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:40]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _unreachable(host: str, reason: str) -> Finding:
    return Finding(ok=False, key="check-unreachable", facts={"host": host, "reason": reason})
