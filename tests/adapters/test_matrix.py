"""The Matrix adapter against a loopback homeserver and its failures."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.base import (
    Adapter,
    AdapterError,
    Button,
    Checker,
    ConfigurationError,
    Incoming,
    Listener,
    Outgoing,
    RecipientError,
    RetryError,
    Updater,
)
from adapters.matrix import MatrixAdapter, MatrixConfig
from adapters.matrix_events import Event, Ours, events, is_called, neutral, said, signed, since_invited, uncalled, words
from tests.adapters.doubles.matrix import BOT, LI, PASSWORD, TOKEN, ZHANG, Fault, Homeserver, Memory

PAYLOADS = Path(__file__).parent / "payloads" / "matrix"
NOON = datetime(2027, 1, 28, 12, tzinfo=UTC)
BUTTONS = (Button("签收", "acknowledge:42"), Button("报结", "report:42", "primary"))
EYE, CHECK = "👁️", "✅"


def message(text: str = "年度报告 1月31日前", address: str = ZHANG, **more: Any) -> Outgoing:
    return Outgoing(**({"key": "7", "address": address, "text": text} | more))


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Homeserver]:
    monkeypatch.setattr("adapters.http.TIMEOUT", aiohttp.ClientTimeout(total=2))
    async with Homeserver() as homeserver:
        yield homeserver


class Bot:
    """The bot's process: an adapter, its listener, and what was committed."""

    def __init__(self, adapter: MatrixAdapter, memory: Memory) -> None:
        self.adapter, self.memory = adapter, memory
        self.committed: asyncio.Queue[Incoming] = asyncio.Queue()
        self.trouble = 0
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen from now on."""
        self.task = asyncio.create_task(self.adapter.listen(self.commit))
        await self.until(lambda: any(key.startswith("sync:") for key in self.memory))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(8):
            while not condition():  # noqa: ASYNC110  the adapter has nobody to tell
                await asyncio.sleep(0.005)

    async def commit(self, message: Incoming) -> None:
        if self.trouble:
            self.trouble -= 1
            raise OSError("the store is away")
        await self.committed.put(message)

    async def heard(self) -> Incoming:
        async with asyncio.timeout(8):
            return await self.committed.get()

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.adapter.close()


Make = Callable[..., Bot]


@pytest.fixture
async def make(server: Homeserver) -> AsyncIterator[Make]:
    made: list[Bot] = []

    def one(memory: Memory | None = None, **keys: Any) -> Bot:
        given = {"base_url": server.base, "allow_private": True}
        given |= {} if "password" in keys else {"access_token": TOKEN}
        memory = Memory() if memory is None else memory
        config = MatrixConfig(name="matrix", platform="matrix", **(given | keys))
        adapter = MatrixAdapter(config, memory, lambda: NOON)
        adapter.first_wait, adapter.longest_wait, adapter.poll = 0.01, 0.02, 0.2
        made.append(Bot(adapter, memory))
        return made[-1]

    yield one
    for bot in made:
        await bot.stop()


@pytest.fixture
def adapter(make: Make) -> MatrixAdapter:
    return make().adapter


@pytest.fixture
async def bot(make: Make) -> Bot:
    found = make()
    await found.start()
    return found


def split(receipt: str) -> tuple[str, str]:
    event, _, room = receipt.partition(" ")
    return event, room


def test_it_is_what_the_core_asks_for(adapter: MatrixAdapter) -> None:
    parts: tuple[Adapter, Listener, Updater, Checker] = (adapter, adapter, adapter, adapter)
    assert parts[0].connection == "matrix"


# Sending.


async def test_a_first_reminder_makes_a_direct_room_and_the_next_one_uses_it(
    adapter: MatrixAdapter, server: Homeserver
) -> None:
    event, room = split(await adapter.send(message()))
    assert split(await adapter.send(message(key="8")))[1] == room
    assert server.told("createRoom") == [{"preset": "private_chat", "is_direct": True, "invite": [ZHANG]}]
    first, _ = server.shown(room)
    assert first["event_id"] == event
    assert first["content"] == {
        "msgtype": "m.text",
        "body": "年度报告 1月31日前",
        "m.mentions": {},
        "duban.key": "7",
    }


async def test_two_first_reminders_at_once_make_one_room(adapter: MatrixAdapter, server: Homeserver) -> None:
    await asyncio.gather(*(adapter.send(message(key=str(number))) for number in range(4)))
    assert len(server.told("createRoom")) == 1


async def test_a_direct_room_is_remembered_by_the_next_process(make: Make, server: Homeserver) -> None:
    memory = Memory()
    receipts = [await make(memory).adapter.send(message(key=key)) for key in "12"]
    assert split(receipts[0])[1] == split(receipts[1])[1]
    assert len(server.told("createRoom")) == 1


async def test_with_its_memory_gone_the_server_still_knows_the_direct_room(make: Make, server: Homeserver) -> None:
    server.account_data["m.direct"] = {LI: ["!other:hs.test"], ZHANG: [7, "no room"]}
    for key in "12":
        await make(Memory()).adapter.send(message(key=key))
    assert len(server.told("createRoom")) == 1
    assert server.account_data["m.direct"][LI] == ["!other:hs.test"]


async def test_where_the_other_one_has_left_a_new_room_is_made(adapter: MatrixAdapter, server: Homeserver) -> None:
    _, old = split(await adapter.send(message()))
    await server.happens(old, "m.room.member", ZHANG, {"membership": "leave"}, state_key=ZHANG)
    _, new = split(await adapter.send(message(key="8")))
    assert new != old
    assert server.rooms[old].membership(BOT) == "leave"
    assert server.rooms[new].membership(ZHANG) == "invite"


async def test_where_the_direct_room_became_encrypted_a_new_one_is_made(
    adapter: MatrixAdapter, server: Homeserver
) -> None:
    _, old = split(await adapter.send(message()))
    await server.encrypt(old, ZHANG)
    assert split(await adapter.send(message(key="8")))[1] != old


async def test_an_encrypted_group_is_refused(adapter: MatrixAdapter, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    await server.encrypt(room, ZHANG)
    with pytest.raises(RecipientError, match="encrypted"):
        await adapter.send(message(address=f"chat:{room}"))
    assert server.told("send") == []


async def test_a_server_that_encrypts_every_room_is_a_fault_of_the_configuration(
    adapter: MatrixAdapter, server: Homeserver
) -> None:
    server.encrypts_everything = True
    with pytest.raises(ConfigurationError, match="encrypts"):
        await adapter.send(message())


@pytest.mark.parametrize(
    "address",
    [
        *("", "zhang", "@zhang", "@:", "@a:hs.test/../x y", "@nobody:hs.test", f"@{'x' * 255}:hs.test"),
        *("chat:", "chat:group", "chat:!gone:hs.test", "chat:!a b", "chat:..", "@room", "@\ud800:hs.test"),
    ],
)
async def test_who_is_nobody_cannot_be_reached(adapter: MatrixAdapter, server: Homeserver, address: str) -> None:
    with pytest.raises(RecipientError):
        await adapter.send(message(address=address))
    assert server.told("createRoom") == []


async def test_a_group_is_told_without_mentioning_anybody(adapter: MatrixAdapter, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG, LI)
    await adapter.send(message("通知 @room @li:hs.test", address=f"chat:{room}"))
    assert server.shown(room)[0]["content"]["m.mentions"] == {}
    assert server.shown(room)[0]["content"]["body"] == "通知 ＠room @li:hs.test"


async def test_the_same_message_twice_is_said_once(make: Make, server: Homeserver) -> None:
    memory = Memory()
    receipts = {await make(memory).adapter.send(message(buttons=BUTTONS)) for _ in range(3)}
    ((_, room),) = map(split, receipts)
    assert (len(server.shown(room)), len(server.shown(room, kind="m.reaction"))) == (1, 2)


async def test_another_message_with_a_key_used_before_is_not_lost(adapter: MatrixAdapter, server: Homeserver) -> None:
    _, room = split(await adapter.send(message()))
    await adapter.send(message("另一件事"))
    assert len(server.shown(room)) == 2


async def test_a_message_whose_acknowledgement_was_lost_is_not_repeated(
    adapter: MatrixAdapter, server: Homeserver
) -> None:
    server.fault("send", "lost", "lost")  # the client itself tries once more where a connection was used before
    with pytest.raises(RetryError):
        await adapter.send(message())
    _, room = split(await adapter.send(message()))
    assert len(server.shown(room)) == 1


# Buttons.


async def test_buttons_are_reactions_and_the_text_says_what_each_means(
    adapter: MatrixAdapter, server: Homeserver
) -> None:
    event, room = split(await adapter.send(message(buttons=BUTTONS)))
    content = server.shown(room)[0]["content"]
    assert content["body"] == f"年度报告 1月31日前\n\n{EYE} 签收\n{CHECK} 报结"
    assert content["duban.buttons"] == {EYE: "acknowledge:42", CHECK: "report:42"}
    placed = [one["content"]["m.relates_to"] for one in server.shown(room, kind="m.reaction")]
    assert placed == [{"rel_type": "m.annotation", "event_id": event, "key": sign} for sign in (EYE, CHECK)]


def test_a_label_with_a_number_gets_that_number_as_its_sign() -> None:
    buttons = [
        Button("全部签收", "a:1,2"),
        *(Button(f"报结 {number}", f"r:{number}", "primary") for number in (1, 2, 10)),
    ]
    assert list(signed(buttons)) == [EYE, "1️⃣", "2️⃣", "🔟"]


def test_every_button_gets_a_sign_of_its_own_as_long_as_there_are_any() -> None:
    found = signed([Button(f"第 {number} 至 {number + 1} 项", str(number)) for number in range(20)])
    assert len(found) == 10
    assert next(iter(found)) == EYE


def test_a_button_that_cannot_be_shown_is_left_out() -> None:
    assert signed([Button(" ", "x"), Button("a", ""), Button("b", "x" * 1001), Button("停", "y", "danger")]) == {
        "❌": Button("停", "y", "danger")
    }


async def test_without_reactions_buttons_are_left_out(make: Make, server: Homeserver) -> None:
    adapter = make(reactions=False).adapter
    _, room = split(await adapter.send(message(buttons=BUTTONS)))
    assert adapter.can_button is False
    assert "duban.buttons" not in server.shown(room)[0]["content"]
    assert server.shown(room, kind="m.reaction") == []


async def test_where_reactions_are_forbidden_the_text_is_still_said(adapter: MatrixAdapter, server: Homeserver) -> None:
    server.reactions_allowed = False
    _, room = split(await adapter.send(message(buttons=BUTTONS)))
    assert len(server.shown(room)) == 1


async def test_an_update_replaces_the_text_and_the_reactions(adapter: MatrixAdapter, server: Homeserver) -> None:
    receipt = await adapter.send(message(buttons=BUTTONS))
    event, room = split(receipt)
    changed = message("已签收", buttons=(BUTTONS[1], Button("退回", "return:42", "danger")))
    assert await adapter.update(receipt, changed) == receipt
    edit = server.shown(room)[-1]["content"]
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": event}
    assert edit["m.new_content"]["body"] == f"已签收\n\n{CHECK} 报结\n❌ 退回"
    assert edit["body"].startswith("* 已签收")
    placed = [one["content"]["m.relates_to"]["key"] for one in server.shown(room, kind="m.reaction")]
    assert placed == [CHECK, "❌"]


async def test_a_message_can_be_changed_to_and_fro(adapter: MatrixAdapter, server: Homeserver) -> None:
    receipt = await adapter.send(message())
    for text in ("已签收", "已退回", "已签收"):
        await adapter.update(receipt, message(text))
    bodies = [one["content"]["body"] for one in server.shown(split(receipt)[1])]
    assert bodies[1:] == ["* 已签收", "* 已退回", "* 已签收"]


@pytest.mark.parametrize("receipt", ["", "7", "$event", "nonsense !room:hs.test", "$event ..", "$event !gone:hs.test"])
async def test_what_is_no_message_of_ours_cannot_be_changed(adapter: MatrixAdapter, receipt: str) -> None:
    with pytest.raises(RecipientError):
        await adapter.update(receipt, message())


async def test_a_receipt_always_fits_its_column(adapter: MatrixAdapter, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG, number=f"!{'x' * 200}:hs.test")
    assert len(await adapter.send(message(address=f"chat:{room}"))) <= 128


@pytest.mark.parametrize("text", ['"', "\\", ">\n", "@room", "督", "\x01a", "😀"])
async def test_the_longest_text_fits_an_event_and_its_edit(
    adapter: MatrixAdapter, server: Homeserver, text: str
) -> None:
    longest = text * (adapter.max_bytes // len(text.encode()))
    buttons = tuple(Button('"' * 40, f"{number:0>1000}") for number in range(9))
    receipt = await adapter.send(message(longest, buttons=buttons))
    await adapter.update(receipt, message(longest, buttons=buttons))
    assert len(server.shown(split(receipt)[1])) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@room 急", "＠room 急"),
        ("@ROOM", "＠room"),
        ("> 引文\n> 二", "＞ 引文\n＞ 二"),
        ("a\x00b\u202ec\ud800", "abc?"),
        ("<b>[x](https://x)</b>\t*", "<b>[x](https://x)</b>\t*"),
    ],
)
def test_text_mentions_nobody_and_hides_nothing(text: str, shown: str) -> None:
    assert neutral(text) == shown
    assert neutral(neutral(text)) == shown


def test_what_is_said_is_plain_text_without_any_markup() -> None:
    assert "formatted_body" not in said(message("<b>x</b>"), {})


# What goes wrong.


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        *(((403, code), RecipientError) for code in ("M_FORBIDDEN", "M_UNSUPPORTED_ROOM_VERSION")),
        *(((404, code), RecipientError) for code in ("M_NOT_FOUND", "M_BAD_STATE")),
        *(((400, code), RecipientError) for code in ("M_BAD_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM")),
        ((413, "M_TOO_LARGE"), RecipientError),
        *(((401, code), ConfigurationError) for code in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_LOCKED")),
        *(((403, code), ConfigurationError) for code in ("M_USER_DEACTIVATED", "M_USER_SUSPENDED")),
        *(((403, f"M_{what}_LIMIT_EXCEEDED"), ConfigurationError) for what in ("RESOURCE", "USER")),
        *(((403, code), ConfigurationError) for code in ("M_CONSENT_NOT_GIVEN", "M_GUEST_ACCESS_FORBIDDEN")),
        ((404, "M_UNRECOGNIZED"), ConfigurationError),
        ((400, "M_UNKNOWN"), RetryError),
        ((403, "NEW <script>"), RetryError),
        ((500, "M_UNKNOWN"), RetryError),
        ((502, ""), RetryError),
        ("moved", ConfigurationError),
        ("html", RetryError),
        ("nonsense", RetryError),
        ("reset", RetryError),
        ("hang", RetryError),
    ],
)
async def test_each_fault_says_what_to_do(
    adapter: MatrixAdapter, server: Homeserver, fault: Fault, kind: type[AdapterError]
) -> None:
    room = await server.room(BOT, ZHANG)
    server.fault("send", *[fault] * (2 if fault == "reset" else 1))
    with pytest.raises(kind) as refused:
        await adapter.send(message(address=f"chat:{room}"))
    assert TOKEN not in repr(refused.value) + str(refused.value)
    assert await adapter.send(message(address=f"chat:{room}"))


async def test_a_short_limit_is_waited_out_in_place(adapter: MatrixAdapter, server: Homeserver) -> None:
    server.fault("send", *[(429, "M_LIMIT_EXCEEDED")] * 3)
    _, room = split(await adapter.send(message(buttons=BUTTONS)))
    assert (len(server.shown(room)), len(server.shown(room, kind="m.reaction"))) == (1, 2)


async def test_a_long_limit_holds_up_everything_that_is_to_be_sent(adapter: MatrixAdapter, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    server.retry_after = "30"
    server.fault("send", (429, "M_LIMIT_EXCEEDED"))
    for key in "12":
        with pytest.raises(RetryError) as waiting:
            await adapter.send(message(key=key, address=f"chat:{room}"))
        assert 29 < waiting.value.after <= 30
    assert len(server.told("send")) == 1


async def test_an_unknown_server_passes_for_one_that_cannot_be_reached(make: Make) -> None:
    with pytest.raises(RetryError):
        await make(base_url="http://127.0.0.1:1").adapter.send(message())


async def test_a_private_address_must_be_allowed(make: Make) -> None:
    with pytest.raises(ConfigurationError):
        await make(allow_private=False).adapter.send(message())


async def test_a_log_in_is_made_once_and_shared_by_every_process(make: Make, server: Homeserver) -> None:
    server.tokens = set()
    memory = Memory()
    one, other = (make(memory, user="duban", password=PASSWORD).adapter for _ in range(2))
    await asyncio.gather(*(one.send(message(key=str(number))) for number in range(4)))
    await other.send(message(key="other"))
    assert server.logins == 1
    assert server.told("login")[0]["device_id"] == "duban-matrix"


async def test_a_log_in_that_ends_amid_a_burst_is_renewed_once(make: Make, server: Homeserver) -> None:
    server.tokens = set()
    adapter = make(user="duban", password=PASSWORD).adapter
    _, room = split(await adapter.send(message()))
    server.tokens = set()
    await asyncio.gather(*(adapter.send(message(key=str(number))) for number in range(10, 18)))
    assert server.logins == 2
    assert len(server.shown(room)) == 9


async def test_a_token_renewed_by_another_process_is_taken_over(make: Make, server: Homeserver) -> None:
    server.tokens = set()
    memory = Memory()
    one, other = (make(memory, user="duban", password=PASSWORD).adapter for _ in range(2))
    await one.send(message(key="1"))
    await other.send(message(key="2"))
    server.tokens = set()
    await one.send(message(key="3"))
    await other.send(message(key="4"))
    assert server.logins == 2


async def test_a_token_refused_even_when_fresh_is_a_fault_of_the_configuration(make: Make, server: Homeserver) -> None:
    server.fault("whoami", *[(401, "M_UNKNOWN_TOKEN")] * 2)
    with pytest.raises(ConfigurationError):
        await make(user="duban", password=PASSWORD).adapter.send(message())


async def test_a_wrong_password_is_a_fault_of_the_configuration_and_is_not_shown(make: Make) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await make(user="duban", password="Wrong-word-0").adapter.send(message())
    assert "Wrong-word" not in repr(refused.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"base_url": ""},
        {"access_token": ""},
        {"password": PASSWORD, "access_token": TOKEN, "user": "duban"},
        {"user": "duban"},
        {"access_token": "", "password": PASSWORD},
        {"colour": "red"},
    ],
)
def test_a_connection_that_cannot_work_is_refused(keys: dict[str, Any]) -> None:
    given = {"name": "m", "platform": "matrix", "base_url": "https://hs.test", "access_token": TOKEN}
    with pytest.raises(ValidationError) as refused:
        MatrixConfig(**(given | keys))
    assert TOKEN not in str(refused.value)
    assert PASSWORD not in str(refused.value)


async def test_no_secret_is_ever_logged(make: Make, server: Homeserver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bot = make()
    server.fault("sync", (500, "x"), "reset", "nonsense", (429, "x"))
    await bot.start()
    await bot.adapter.send(message())
    assert TOKEN not in caplog.text + repr(bot.adapter) + repr(bot.adapter._config)


# Listening.


async def test_what_was_said_before_the_first_start_is_not_answered(make: Make, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    await server.says(room, ZHANG, "旧事")
    bot = make()
    await bot.start()
    event = await server.says(room, ZHANG, " 查 ")
    assert await bot.heard() == Incoming("matrix", BOT, event, ZHANG, text="查", via=room)


async def test_what_was_said_while_it_was_away_is_heard_in_order_by_the_next_process(
    make: Make, server: Homeserver
) -> None:
    room, memory = await server.room(BOT, ZHANG), Memory()
    first = make(memory)
    await first.start()
    await first.stop()
    numbers = [await server.says(room, ZHANG, str(number)) for number in range(130)]
    second = make(memory)
    await second.start()
    assert [(await second.heard()).message_id for _ in numbers] == numbers


async def test_what_the_store_did_not_take_comes_again(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    bot.trouble = 2
    await server.says(room, ZHANG, "一")
    assert (await bot.heard()).text == "一"


async def test_a_reply_names_the_message_it_answers(bot: Bot, server: Homeserver) -> None:
    event, room = split(await bot.adapter.send(message()))
    await server.answers(room, ZHANG, event, "> <@duban:hs.test> 年度报告\n> 二\n\n完成 文号1")
    answer = await bot.heard()
    assert (answer.text, answer.reply_to, answer.via) == ("完成 文号1", "7", room)


async def test_a_reply_in_a_thread_names_the_message_the_thread_began_with(bot: Bot, server: Homeserver) -> None:
    event, room = split(await bot.adapter.send(message()))
    relation = {"rel_type": "m.thread", "event_id": event, "is_falling_back": True}
    relation["m.in_reply_to"] = {"event_id": "$other"}
    await server.says(room, ZHANG, "完成", **{"m.relates_to": relation})
    assert (await bot.heard()).reply_to == "7"


async def test_a_reply_to_somebody_else_names_nothing(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    own = await server.says(room, ZHANG, "完成", **{"duban.key": "7"})
    assert (await bot.heard()).reply_to == ""
    await server.answers(room, ZHANG, own, "查")
    assert (await bot.heard()).reply_to == ""


@pytest.mark.parametrize("sign", [EYE, "👁"])
async def test_a_reaction_is_a_button_pressed(bot: Bot, server: Homeserver, sign: str) -> None:
    event, room = split(await bot.adapter.send(message(buttons=BUTTONS)))
    pressed = await server.presses(room, ZHANG, event, sign)
    assert await bot.heard() == Incoming("matrix", BOT, pressed, ZHANG, action="acknowledge:42", reply_to="7", via=room)


async def test_a_reaction_after_a_restart_means_what_it_meant(make: Make, server: Homeserver) -> None:
    event, room = split(await make().adapter.send(message(buttons=BUTTONS)))
    bot = make(Memory())
    await bot.start()
    await server.presses(room, ZHANG, event, CHECK)
    assert (await bot.heard()).action == "report:42"


async def test_after_an_update_new_signs_count_and_old_ones_still_say_what_they_meant(
    bot: Bot, server: Homeserver
) -> None:
    receipt = await bot.adapter.send(message(buttons=BUTTONS))
    await bot.adapter.update(receipt, message("已签收", buttons=(Button("撤回", "undo:42", "danger"),)))
    event, room = split(receipt)
    for sign in ("❌", EYE):
        await server.presses(room, ZHANG, event, sign)
    assert [(await bot.heard()).action for _ in range(2)] == ["undo:42", "acknowledge:42"]


async def test_what_is_not_said_to_it_is_not_heard(bot: Bot, server: Homeserver) -> None:
    event, room = split(await bot.adapter.send(message(buttons=BUTTONS)))
    await server.says(room, ZHANG, "机器人说的", msgtype="m.notice")
    await server.presses(room, ZHANG, event, "👍")
    await server.presses(room, ZHANG, await server.says(room, BOT, "x"), CHECK)
    await server.says(room, f"@{'x' * 130}:hs.test", "太长")
    await server.happens(room, "m.room.message", ZHANG, {})
    await server.happens(room, "m.room.topic", ZHANG, {"topic": "t"}, state_key="")
    await server.says(room, ZHANG, "查")
    assert (await bot.heard()).text == "查"
    assert bot.committed.empty()


async def test_an_edited_message_counts_as_edited(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    first = await server.says(room, ZHANG, "完城 1")
    new = {"msgtype": "m.text", "body": "完成 1"}
    relation = {"rel_type": "m.replace", "event_id": first}
    await server.says(room, ZHANG, "* 完成 1", **{"m.new_content": new, "m.relates_to": relation})
    assert [(await bot.heard()).text for _ in range(2)] == ["完城 1", "完成 1"]


async def test_a_file_says_what_its_caption_says(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    await server.says(room, ZHANG, "scan.pdf", msgtype="m.file")
    await server.says(room, ZHANG, "完成 文号1", msgtype="m.file", filename="scan.pdf")
    assert [(await bot.heard()).text for _ in range(2)] == ["", "完成 文号1"]


async def test_in_a_group_only_what_is_addressed_to_it_is_heard(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG, LI)
    event, _ = split(await bot.adapter.send(message(address=f"chat:{room}")))
    await server.says(room, LI, "午饭吃什么")
    await server.says(room, ZHANG, "查", **{"m.mentions": {"user_ids": [BOT]}})
    await server.says(room, ZHANG, "督办: 逾期")
    await server.says(room, ZHANG, "@duban:hs.test 帮助")
    await server.answers(room, ZHANG, event, "收到")
    found = [await bot.heard() for _ in range(4)]
    assert [one.text for one in found] == ["查", "逾期", "帮助", "收到"]
    assert [one.reply_to for one in found] == ["", "", "", "7"]


async def test_a_group_is_answered_there_as_a_reply_that_mentions_who_asked(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG, LI)
    asked = await server.says(room, ZHANG, "督办 查")
    await bot.adapter.send(message("没有任务", via=(await bot.heard()).via))
    content = server.shown(room)[0]["content"]
    assert content["m.mentions"] == {"user_ids": [ZHANG]}
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": asked}}


async def test_a_button_pressed_in_a_group_is_answered_there(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG, LI)
    event, _ = split(await bot.adapter.send(message(address=f"chat:{room}", buttons=BUTTONS)))
    await server.presses(room, LI, event, EYE)
    assert (await bot.heard()).via == f"{room} {event}"


async def test_who_was_asked_in_a_room_that_is_gone_is_answered_directly(bot: Bot, server: Homeserver) -> None:
    _, room = split(await bot.adapter.send(message(via="!gone:hs.test $1")))
    assert server.rooms[room].membership(ZHANG) == "invite"


async def test_a_third_person_makes_a_pair_a_group(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    await server.says(room, ZHANG, "查")
    assert (await bot.heard()).via == room
    await server.happens(room, "m.room.member", LI, {"membership": "join"}, state_key=LI)
    await server.says(room, ZHANG, "闲聊")
    await server.says(room, ZHANG, "duban 查")
    assert (await bot.heard()).text == "查"


# Rooms it is asked into.


async def test_it_joins_where_its_own_server_asks_and_hears_what_was_said_meanwhile(
    bot: Bot, server: Homeserver
) -> None:
    room = await server.room(ZHANG, number="!new:hs.test")
    await server.says(room, ZHANG, "duban 以前的事")
    await server.invite(room, BOT, ZHANG, direct=True)
    await server.says(room, ZHANG, "绑定 123456")
    assert (await bot.heard()).text == "绑定 123456"
    assert split(await bot.adapter.send(message()))[1] == room


@pytest.mark.parametrize(
    ("inviters", "by", "joins"),
    [
        ((), ZHANG, True),
        ((), "@wang:elsewhere.test", False),
        ((ZHANG,), ZHANG, True),
        ((ZHANG,), LI, False),
        (("elsewhere.test",), "@wang:elsewhere.test", True),
        (("elsewhere.test",), "@wang:evil-elsewhere.test", False),
        (("elsewhere.test",), ZHANG, False),
    ],
)
async def test_it_joins_only_where_somebody_asks_who_may(
    make: Make, server: Homeserver, inviters: tuple[str, ...], by: str, joins: bool
) -> None:
    bot = make(inviters=inviters)
    await bot.start()
    room = await server.room(by, number="!new:hs.test")
    await server.invite(room, BOT, by)
    await bot.until(lambda: server.rooms[room].membership(BOT) != "invite")
    assert server.rooms[room].membership(BOT) == ("join" if joins else "leave")


async def test_an_encrypted_room_is_refused_with_a_reason_and_a_readable_one_offered(
    make: Make, server: Homeserver
) -> None:
    bot = make(encrypted_reason="请用未加密的房间")
    await bot.start()
    room = await server.room(ZHANG, number="!secret:hs.test")
    await server.encrypt(room, ZHANG)
    await server.invite(room, BOT, ZHANG, direct=True)
    await bot.until(lambda: server.told("createRoom") and server.account_data)
    assert server.told("leave") == [{"reason": "请用未加密的房间"}]
    assert server.told("join") == []
    _, offered = split(await bot.adapter.send(message()))
    assert len(server.told("createRoom")) == 1
    assert server.rooms[offered].membership(ZHANG) == "invite"


async def test_a_room_that_becomes_encrypted_is_left(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG, LI)
    await server.encrypt(room, ZHANG)
    await bot.until(lambda: server.rooms[room].membership(BOT) == "leave")
    assert server.told("createRoom") == []


async def test_a_room_it_cannot_join_does_not_silence_the_others(bot: Bot, server: Homeserver) -> None:
    server.fault("join", *[(502, "M_UNKNOWN")] * 20)
    room = await server.room(ZHANG, number="!far:hs.test")
    await server.invite(room, BOT, ZHANG)
    await bot.until(lambda: len(server.told("join")) > 5)
    pair = await server.room(BOT, ZHANG)
    await server.says(pair, ZHANG, "查")
    assert (await bot.heard()).text == "查"


# A connection's trouble.


@pytest.mark.parametrize(
    "fault", [(500, "M_UNKNOWN"), (429, "M_LIMIT_EXCEEDED"), (403, "M_FORBIDDEN"), "reset", "lost", "hang", "html"]
)
async def test_listening_survives_trouble(bot: Bot, server: Homeserver, fault: Fault) -> None:
    room = await server.room(BOT, ZHANG)
    server.fault("sync", fault, fault)
    await server.says(room, ZHANG, "查")
    assert (await bot.heard()).text == "查"


async def test_a_refused_token_ends_listening(bot: Bot, server: Homeserver) -> None:
    server.tokens.clear()
    assert bot.task is not None
    with pytest.raises(ConfigurationError):
        async with asyncio.timeout(8):
            await bot.task


async def test_a_place_the_server_does_not_know_is_given_up_and_the_last_of_each_room_heard(
    make: Make, server: Homeserver
) -> None:
    memory = Memory()
    room = await server.room(BOT, ZHANG)
    first = make(memory)
    await first.start()
    await first.stop()
    said = [await server.says(room, ZHANG, str(number)) for number in range(30)]
    memory.update({key: "of-another-time" for key in memory if key.startswith("sync:")})
    second = make(memory)
    await second.start()
    assert [(await second.heard()).message_id for _ in range(20)] == said[-20:]
    assert server.told("messages") == []


async def test_an_answer_too_large_to_read_is_asked_for_in_smaller_pieces(bot: Bot, server: Homeserver) -> None:
    room = await server.room(BOT, ZHANG)
    server.fault("sync", "nonsense", "nonsense", "nonsense")
    await bot.until(lambda: len(server.told("sync")) > 5)
    numbers = [await server.says(room, ZHANG, str(number)) for number in range(9)]
    assert [(await bot.heard()).message_id for _ in numbers] == numbers
    asked = [json.loads(query["filter"])["room"]["timeline"]["limit"] for query in server.told("sync")]
    assert [20, 10, 5, 2] in [asked[start : start + 4] for start in range(len(asked))]


async def test_a_message_that_cannot_be_looked_up_does_not_silence_the_rest(bot: Bot, server: Homeserver) -> None:
    event, room = split(await bot.adapter.send(message()))
    server.fault("event", *[(500, "M_UNKNOWN")] * 20)
    await server.answers(room, ZHANG, event, "完成")
    answer = await bot.heard()
    assert (answer.text, answer.reply_to) == ("完成", "")


@pytest.mark.parametrize("target", ["", ".", "..", "../../state", "$", "\ud800", "$\ud800", 7, None, "$x/../.."])
async def test_an_event_that_points_nowhere_does_no_harm(bot: Bot, server: Homeserver, target: Any) -> None:
    room = await server.room(BOT, ZHANG)
    await server.presses(room, ZHANG, target, CHECK)
    await server.answers(room, ZHANG, target, "查")
    assert (await bot.heard()).text == "查"


async def test_cancelling_leaves_nothing_behind(make: Make) -> None:
    before = asyncio.all_tasks()
    bot = make()
    await bot.start()
    await bot.stop()
    assert bot.task is not None
    assert bot.task.cancelled()
    assert {task for task in asyncio.all_tasks() - before if "adapters" in repr(task)} == set()


# Checking.


async def found(adapter: MatrixAdapter) -> list[tuple[bool, str]]:
    return [(finding.ok, finding.key) for finding in await adapter.check()]


async def test_a_check_of_a_good_connection_sends_nothing(adapter: MatrixAdapter, server: Homeserver) -> None:
    assert await found(adapter) == [
        (True, "check-reachable"),
        (True, "check-credentials"),
        (True, "check-matrix-account"),
    ]
    assert {called for called, _ in server.calls} == {"versions", "whoami"}


@pytest.mark.parametrize("fault", [(502, ""), (404, "M_UNRECOGNIZED"), "html", "moved", "reset"])
async def test_a_check_sees_that_no_homeserver_answers(
    adapter: MatrixAdapter, server: Homeserver, fault: Fault
) -> None:
    server.fault("versions", fault, fault)
    assert await found(adapter) == [(False, "check-unreachable")]


async def test_a_check_sees_refused_credentials(make: Make, server: Homeserver) -> None:
    server.tokens.clear()
    finding = (await make().adapter.check())[-1]
    assert (finding.ok, finding.key, finding.facts) == (False, "check-credentials-refused", {"code": "M_UNKNOWN_TOKEN"})
    wrong = (await make(user="duban", password="Wrong-word-0").adapter.check())[-1]
    assert (wrong.ok, wrong.key) == (False, "check-credentials-refused")
    assert "Wrong-word" not in str(wrong)


# Recorded from Synapse 1.163.2.


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAYLOADS / name).read_text(encoding="utf-8"))
    return found


def test_a_recorded_timeline_reads_as_what_was_said() -> None:
    said_to_us = [(event.kind, words(event)) for event in events(recorded("timeline.json")["events"])]
    assert ("m.room.message", "绑定 123456") in said_to_us
    assert ("m.room.message", "完成 文号1") in said_to_us


def test_a_recorded_message_of_ours_tells_its_key_and_its_signs() -> None:
    ours = Ours.read(recorded("edited.json"), BOT)
    assert ours is not None
    assert (ours.key, ours.action("👁"), ours.action(CHECK)) == ("7", "acknowledge:42", "report:42")
    assert Ours.read(recorded("edited.json"), ZHANG) is None


def test_of_a_recorded_join_only_what_followed_the_invitation_is_heard() -> None:
    timeline = events(recorded("timeline.json")["events"])
    heard = [words(event) for event in since_invited(timeline, BOT) if event.kind == "m.room.message"]
    assert heard[0] == "绑定 123456"
    assert "以前的事" in [words(event) for event in timeline if event.kind == "m.room.message"]


async def test_a_recorded_invitation_is_accepted(adapter: MatrixAdapter, server: Homeserver) -> None:
    room = await server.room(ZHANG, number="!asked:hs.test")
    await adapter._me()
    await adapter._invited(room, recorded("invite.json"))
    assert server.rooms[room].membership(BOT) == "join"


# Whatever comes.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["m.relates_to", "m.in_reply_to", "event_id", "rel_type", "key", "body", "msgtype", "content"]
            )
            | st.sampled_from(
                ["m.new_content", "m.mentions", "user_ids", "unsigned", "m.relations", "m.replace", "sender"]
            )
            | st.sampled_from(
                ["duban.key", "duban.buttons", "membership", "filename", "prev_content", "type", "state_key"]
            ),
            inner
            | st.sampled_from(["m.text", "m.replace", "m.annotation", "m.room.member", "join", BOT, "$x", "m.thread"]),
            max_size=6,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_whatever_a_server_says_is_read_without_harm(raw: Any) -> None:
    content = raw if isinstance(raw, dict) else {"x": raw}
    whole = {"event_id": "$1", "type": "m.room.message", "sender": ZHANG, "content": content, "unsigned": raw}
    timeline = events([raw, whole, whole | content])
    for event in since_invited(timeline, BOT):
        assert isinstance(event.target, str)
        assert isinstance(words(event) or "", str)
        assert is_called(event, BOT, ("督办",)) in {True, False}
    Ours.read(whole | {"sender": BOT}, BOT)
    assert all(isinstance(event, Event) for event in timeline)
    assert events(raw) is not None


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text(max_size=8))
def test_any_text_can_be_sent_and_any_name_taken_off(text: str, name: str) -> None:
    assert len(json.dumps(neutral(text), ensure_ascii=False).encode()) >= 2
    assert len(uncalled(text, (name, ""))) <= len(text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=JSON)
async def test_whatever_a_sync_holds_raises_nothing_unforeseen(make: Make, raw: Any) -> None:
    adapter = make().adapter
    adapter._user, adapter._names = BOT, ("督办",)
    adapter._tries = 100
    part = {"timeline": {"events": [raw, *(raw if isinstance(raw, list) else [])], "limited": raw}, "state": raw}

    async def commit(message: Incoming) -> None:
        assert isinstance(message.text, str)

    await adapter._heard("!none:hs.test", part, "s1", commit)
    await adapter._invited("!none:hs.test", {"invite_state": {"events": [raw]}})
