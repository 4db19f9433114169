"""The Matrix adapter against a real Synapse, and people who use it through matrix-nio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from adapters.base import Button, ConfigurationError, Incoming, Outgoing, RecipientError
from adapters.matrix import MatrixAdapter, MatrixConfig
from tests.adapters.doubles.matrix import Memory
from tests.adapters.synapse import MISSING, NOT_RUN, PASSWORD, Synapse, find_python, synapse

nio: Any = pytest.importorskip("nio", reason=f"NO MATRIX-NIO, {NOT_RUN}")

NOON = datetime(2027, 1, 28, 12, tzinfo=UTC)
BUTTONS = (Button("签收", "acknowledge:42"), Button("报结", "report:42", "primary"))
EYE, CHECK = "👁️", "✅"
ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
PATIENCE = 20.0
numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Synapse]:
    if find_python() is None:
        pytest.skip(MISSING)
    with synapse() as running:
        yield running


class Human:
    """Somebody with an ordinary client."""

    def __init__(self, server: Synapse, name: str) -> None:
        self.server, self.user = server, f"@{name}:hs.test"
        self.token = server.register(name)
        self.client = nio.AsyncClient(server.base, self.user)
        self.client.restore_login(self.user, "PHONE", self.token)
        self.seen: list[dict[str, Any]] = []

    async def looks(self) -> None:
        """One sync."""
        answer = await self.client.sync(timeout=100)
        assert isinstance(answer, nio.SyncResponse), answer
        for room, part in answer.rooms.join.items():
            self.seen += [event.source | {"room_id": room} for event in part.timeline.events]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await self.looks()

    async def accepts(self, room: str) -> None:
        """Join a room one was asked into, and read what is there."""
        await self.until(lambda: room in self.client.invited_rooms)
        answer = await self.client.join(room)
        assert isinstance(answer, nio.JoinResponse), answer
        await self.until(lambda: room in self.client.rooms)

    async def reads(self, *bodies: str) -> dict[str, Any]:
        """The message that begins so."""
        await self.until(lambda: self._read(bodies))
        return self._read(bodies)[-1]

    def _read(self, bodies: tuple[str, ...]) -> list[dict[str, Any]]:
        return [event for event in self.seen if str(event["content"].get("body", "")).startswith(bodies)]

    async def says(self, room: str, body: str, **more: Any) -> str:
        return await self.sends(room, "m.room.message", {"msgtype": "m.text", "body": body} | more)

    async def answers(self, room: str, event: str, body: str) -> str:
        return await self.says(room, body, **{"m.relates_to": {"m.in_reply_to": {"event_id": event}}})

    async def presses(self, room: str, event: str, sign: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event, "key": sign}
        return await self.sends(room, "m.reaction", {"m.relates_to": relation})

    async def sends(self, room: str, kind: str, content: dict[str, Any]) -> str:
        if room not in self.client.rooms:
            await self.until(lambda: room in self.client.rooms)
        answer = await self.client.room_send(room, kind, content)
        assert isinstance(answer, nio.RoomSendResponse), answer
        return str(answer.event_id)

    async def opens(self, *invited: str, encrypted: bool = False, direct: bool = True) -> str:
        """Make a room and ask others into it."""
        state = [ENCRYPTION] if encrypted else []
        answer = await self.client.room_create(is_direct=direct, invite=invited, initial_state=state)
        assert isinstance(answer, nio.RoomCreateResponse), answer
        await self.until(lambda: answer.room_id in self.client.rooms)
        return str(answer.room_id)

    def membership(self, room: str, user: str) -> dict[str, Any]:
        """What the room says of a user."""
        path = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(user)}"
        return self.server.call("GET", path, token=self.token)


class Bot:
    """The bot's process: an adapter, its listener, and what was committed."""

    def __init__(self, server: Synapse, name: str, memory: Memory, **keys: Any) -> None:
        config = MatrixConfig(
            name="matrix", platform="matrix", base_url=server.base, allow_private=True, per_minute=0, **keys
        )
        self.user, self.memory = f"@{name}:hs.test", memory
        self.adapter = MatrixAdapter(config, memory, lambda: NOON)
        self.adapter.first_wait, self.adapter.poll = 0.1, 2.0
        self.committed: asyncio.Queue[Incoming] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self.adapter.listen(self.committed.put))
        async with asyncio.timeout(PATIENCE):
            while not any(key.startswith("sync:") for key in self.memory):  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.01)

    async def heard(self) -> Incoming:
        async with asyncio.timeout(PATIENCE):
            return await self.committed.get()

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.adapter.close()


NewBot = Callable[..., Awaitable[Bot]]
NewHuman = Callable[[], Human]


@pytest.fixture
async def new_bot(server: Synapse) -> AsyncIterator[NewBot]:
    made: list[Bot] = []

    async def one(memory: Memory | None = None, like: str = "", **keys: Any) -> Bot:
        name = like or f"duban{next(numbers)}"
        if "password" in keys:
            server.register(name)
            keys["user"] = name
        elif "access_token" not in keys:
            keys["access_token"] = server.register(name)
        made.append(Bot(server, name, Memory() if memory is None else memory, **keys))
        await made[-1].start()
        return made[-1]

    yield one
    for bot in made:
        await bot.stop()


@pytest.fixture
async def new_human(server: Synapse) -> AsyncIterator[NewHuman]:
    made: list[Human] = []

    def one() -> Human:
        made.append(Human(server, f"human{next(numbers)}"))
        return made[-1]

    yield one
    for human in made:
        await human.client.close()


@pytest.fixture
async def bot(new_bot: NewBot) -> Bot:
    return await new_bot()


@pytest.fixture
def zhang(new_human: NewHuman) -> Human:
    return new_human()


def message(human: Human, text: str = "年度报告 1月31日前", **more: Any) -> Outgoing:
    return Outgoing(**({"key": "7", "address": human.user, "text": text} | more))


def split(receipt: str) -> tuple[str, str]:
    event, _, room = receipt.partition(" ")
    return event, room


async def test_a_reminder_is_read_answered_pressed_and_changed(bot: Bot, zhang: Human) -> None:
    receipt = await bot.adapter.send(message(zhang, buttons=BUTTONS))
    event, room = split(receipt)
    await zhang.accepts(room)
    shown = await zhang.reads("年度报告")
    assert shown["event_id"] == event
    assert shown["content"]["body"].endswith(f"{EYE} 签收\n{CHECK} 报结")
    assert {one["content"]["m.relates_to"]["key"] for one in zhang.seen if one["type"] == "m.reaction"} == {EYE, CHECK}
    await zhang.answers(room, event, "> <@duban> 年度报告\n\n完成 文号1")
    answer = await bot.heard()
    assert (answer.text, answer.reply_to, answer.sender, answer.via) == ("完成 文号1", "7", zhang.user, room)
    pressed = await zhang.presses(room, event, EYE)
    click = await bot.heard()
    assert (click.action, click.reply_to, click.message_id) == ("acknowledge:42", "7", pressed)
    assert await bot.adapter.update(receipt, message(zhang, "已签收", buttons=BUTTONS[1:])) == receipt
    edit = await zhang.reads("* 已签收")
    assert edit["content"]["m.relates_to"] == {"rel_type": "m.replace", "event_id": event}
    await zhang.until(lambda: any(one["type"] == "m.room.redaction" for one in zhang.seen))
    await zhang.presses(room, event, CHECK)
    assert (await bot.heard()).action == "report:42"


async def test_the_same_message_twice_is_one_event(bot: Bot, zhang: Human) -> None:
    receipts = {await bot.adapter.send(message(zhang, buttons=BUTTONS)) for _ in range(2)}
    assert len(receipts) == 1


async def test_the_longest_message_and_its_change_are_taken(bot: Bot, zhang: Human) -> None:
    longest = message(zhang, '"' * bot.adapter.max_bytes, buttons=BUTTONS)
    receipt = await bot.adapter.send(longest)
    assert await bot.adapter.update(receipt, longest) == receipt


async def test_who_writes_first_is_joined_heard_and_answered_in_the_same_room(bot: Bot, zhang: Human) -> None:
    room = await zhang.opens(bot.user)
    said = await zhang.says(room, "绑定 123456")
    heard = await bot.heard()
    assert (heard.text, heard.message_id, heard.via) == ("绑定 123456", said, room)
    await bot.adapter.send(message(zhang, "已绑定", via=heard.via))
    assert (await zhang.reads("已绑定"))["room_id"] == room
    assert split(await bot.adapter.send(message(zhang)))[1] == room


async def test_an_invitation_from_somebody_who_may_not_is_declined(new_bot: NewBot, zhang: Human) -> None:
    bot = await new_bot(inviters=("elsewhere.test",))
    room = await zhang.opens(bot.user)
    await zhang.until(lambda: zhang.membership(room, bot.user)["membership"] == "leave")


async def test_an_encrypted_room_is_declined_with_a_reason_and_a_readable_one_offered(bot: Bot, zhang: Human) -> None:
    secret = await zhang.opens(bot.user, encrypted=True)
    await zhang.until(lambda: zhang.client.invited_rooms)
    assert zhang.membership(secret, bot.user)["reason"] == "This account cannot read encrypted rooms."
    (offered,) = zhang.client.invited_rooms
    await zhang.accepts(offered)
    await zhang.says(offered, "绑定 123456")
    assert (await bot.heard()).text == "绑定 123456"
    assert split(await bot.adapter.send(message(zhang)))[1] == offered


async def test_a_room_that_becomes_encrypted_is_left_and_no_longer_written_to(bot: Bot, zhang: Human) -> None:
    room = await zhang.opens(bot.user)
    await zhang.says(room, "查")
    await bot.heard()
    await zhang.client.room_put_state(room, "m.room.encryption", ENCRYPTION["content"])
    await zhang.until(lambda: zhang.membership(room, bot.user)["membership"] == "leave")
    with pytest.raises(RecipientError):
        await bot.adapter.send(message(zhang, address=f"chat:{room}"))
    assert split(await bot.adapter.send(message(zhang)))[1] != room


async def test_nobody_can_encrypt_the_room_that_the_bot_made(bot: Bot, zhang: Human) -> None:
    _, room = split(await bot.adapter.send(message(zhang)))
    await zhang.accepts(room)
    refused = await zhang.client.room_put_state(room, "m.room.encryption", ENCRYPTION["content"])
    assert isinstance(refused, nio.RoomPutStateError)


async def test_who_left_is_asked_into_a_new_room(bot: Bot, zhang: Human) -> None:
    _, old = split(await bot.adapter.send(message(zhang)))
    await zhang.accepts(old)
    await zhang.client.room_leave(old)
    _, new = split(await bot.adapter.send(message(zhang)))
    assert new != old
    await zhang.accepts(new)
    await zhang.reads("年度报告")


async def test_in_a_group_it_hears_what_is_meant_for_it_and_mentions_who_asked(
    bot: Bot, zhang: Human, new_human: NewHuman
) -> None:
    li = new_human()
    room = await zhang.opens(bot.user, li.user, direct=False)
    await li.accepts(room)
    await zhang.until(lambda: zhang.membership(room, bot.user)["membership"] == "join")
    await li.says(room, "午饭吃什么")
    asked = await li.says(room, f"{bot.user}: 逾期", **{"m.mentions": {"user_ids": [bot.user]}})
    heard = await bot.heard()
    assert (heard.text, heard.message_id) == ("逾期", asked)
    await bot.adapter.send(message(li, "没有逾期", via=heard.via))
    content = (await zhang.reads("没有逾期"))["content"]
    assert content["m.mentions"] == {"user_ids": [li.user]}
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": asked}}


async def test_what_was_said_while_it_was_away_is_heard_in_order(new_bot: NewBot, zhang: Human) -> None:
    first = await new_bot()
    room = await zhang.opens(first.user)
    await zhang.says(room, "在吗")
    before = (await first.heard()).message_id
    await first.stop()
    said = [await zhang.says(room, str(number)) for number in range(75)]
    token = first.adapter._config.access_token
    second = await new_bot(first.memory, like=first.user[1:].partition(":")[0], access_token=token)
    heard = [await second.heard()]
    while heard[-1].message_id != said[-1]:
        heard.append(await second.heard())
    # The last one may come again, as itself, if the first process ended before it wrote down how far it was.
    assert [one.message_id for one in heard if one.message_id != before] == said


async def test_a_server_restored_from_a_backup_does_not_silence_it(new_bot: NewBot, zhang: Human) -> None:
    first = await new_bot()
    room = await zhang.opens(first.user)
    await zhang.says(room, "在吗")
    await first.heard()
    await first.stop()
    said = await zhang.says(room, "查")
    first.memory.update({key: "s9_of_another_time" for key in first.memory if key.startswith("sync:")})
    token = first.adapter._config.access_token
    second = await new_bot(first.memory, like=first.user[1:].partition(":")[0], access_token=token)
    assert said in {(await second.heard()).message_id for _ in range(2)}


async def test_the_servers_limit_is_waited_out(server: Synapse, bot: Bot, zhang: Human) -> None:
    boss = server.register(f"admin{next(numbers)}", admin=True)
    path = f"/_synapse/admin/v1/users/{quote(bot.user)}/override_ratelimit"
    await bot.adapter.send(message(zhang, "预备"))
    server.call("POST", path, {"messages_per_second": 5, "burst_count": 1}, boss)
    event, room = split(await bot.adapter.send(message(zhang, buttons=BUTTONS)))
    await zhang.accepts(room)
    await zhang.until(lambda: sum(one["type"] == "m.reaction" for one in zhang.seen) == 2)
    assert (await zhang.reads("年度报告"))["event_id"] == event


async def test_a_log_in_that_was_ended_is_renewed(server: Synapse, new_bot: NewBot, zhang: Human) -> None:
    bot = await new_bot(password=PASSWORD)
    receipt = await bot.adapter.send(message(zhang))
    (token,) = (value for key, value in bot.memory.items() if key.startswith("token:"))
    server.call("POST", "/_matrix/client/v3/logout", {}, token)
    assert await bot.adapter.send(message(zhang, key="8")) != receipt
    _, room = split(receipt)
    await zhang.accepts(room)
    await zhang.says(room, "查")
    assert (await bot.heard()).text == "查"


async def test_a_token_that_was_ended_stops_the_connection(server: Synapse, bot: Bot, zhang: Human) -> None:
    server.call("POST", "/_matrix/client/v3/logout", {}, bot.adapter._config.access_token.get_secret_value())
    with pytest.raises(ConfigurationError, match="M_UNKNOWN_TOKEN"):
        await bot.adapter.send(message(zhang))
    assert bot.task is not None
    with pytest.raises(ConfigurationError):
        async with asyncio.timeout(PATIENCE):
            await bot.task


async def test_whom_the_server_does_not_know_is_out_of_reach(bot: Bot, zhang: Human) -> None:
    with pytest.raises(RecipientError):
        await bot.adapter.send(message(zhang, address="@nobody:hs.test"))


async def test_a_check_finds_it_well(bot: Bot) -> None:
    findings = await bot.adapter.check()
    assert [(one.ok, one.key) for one in findings] == [
        (True, "check-reachable"),
        (True, "check-credentials"),
        (True, "check-matrix-account"),
    ]
    assert findings[-1].facts == {"user": bot.user}
