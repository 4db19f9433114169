"""The AI bot's long connection against a loopback platform."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from adapters.wecom_bot import WecomBotAdapter, WecomBotConfig, read
from tests.adapters.doubles.wecom import BOT, BOT_SECRET, Fault, Memory, Wecom

PAYLOADS = Path(__file__).parent / "payloads" / "wecom"
NOON = datetime(2027, 1, 28, 12, tzinfo=UTC)
BUTTONS = (Button("签收", "acknowledge:42"), Button("报结", "report:42", "primary"))
SEND, REPLY, UPDATE = "aibot_send_msg", "aibot_respond_msg", "aibot_respond_update_msg"
GROUP, SINGLE, CLICK = "bot_group_text.json", "bot_single_text.json", "bot_click.json"


def payload(name: str, **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAYLOADS / name).read_text(encoding="utf-8"))
    return found | changed


@pytest.fixture
async def wecom(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wecom]:
    monkeypatch.setattr("adapters.http.TIMEOUT", aiohttp.ClientTimeout(total=2))
    monkeypatch.setattr("adapters.wecom_bot.ACK", 0.2)
    async with Wecom() as platform:
        yield platform


class Person:
    """The bot's process: an adapter, its listener, and what was committed."""

    def __init__(self, adapter: WecomBotAdapter, wecom: Wecom) -> None:
        self.adapter = adapter
        self.committed: asyncio.Queue[Incoming] = asyncio.Queue()
        self.trouble = 0
        self.unfit = ""
        self.task: asyncio.Task[None] | None = None
        self._wecom = wecom

    async def start(self) -> None:
        self.task = asyncio.create_task(self.adapter.listen(self.commit))
        await self.connected()

    async def connected(self) -> None:
        async with asyncio.timeout(2):
            await self._wecom.subscribed.wait()
            while self.adapter._line is None:  # noqa: ASYNC110  the adapter has nobody to tell
                await asyncio.sleep(0.005)

    async def commit(self, message: Incoming) -> None:
        if self.unfit and message.text == self.unfit:
            raise ValueError("it fits no column")
        if self.trouble:
            self.trouble -= 1
            raise OSError("the store is away")
        await self.committed.put(message)

    async def heard(self) -> Incoming:
        async with asyncio.timeout(2):
            return await self.committed.get()

    async def says(self, name: str, **changed: Any) -> Incoming:
        await self._wecom.push(payload(name, **changed))
        return await self.heard()

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.adapter.close()


Make = Callable[..., Person]


@pytest.fixture
async def make(wecom: Wecom) -> AsyncIterator[Make]:
    made: list[Person] = []

    def one(memory: Memory | None = None, **keys: Any) -> Person:
        given = {"ws_url": wecom.ws_url, "allow_private": True, "bot_id": BOT, "secret": BOT_SECRET} | keys
        config = WecomBotConfig(name="bot", platform="wecom-bot", **given)
        adapter = WecomBotAdapter(config, Memory() if memory is None else memory, lambda: NOON)
        adapter.first_wait = adapter.longest_wait = 0.01
        made.append(Person(adapter, wecom))
        return made[-1]

    yield one
    for person in made:
        await person.stop()


@pytest.fixture
async def bot(make: Make) -> Person:
    person = make()
    await person.start()
    return person


def message(text: str = "年度报告\n2027-01-31 前", key: str = "7", address: str = "zhangsan", **more: Any) -> Outgoing:
    return Outgoing(key, address, text, **more)


def sent(wecom: Wecom) -> list[dict[str, Any]]:
    return [frame["body"] for frame in wecom.delivered]


async def test_it_keeps_the_contract(make: Make) -> None:
    adapter = make().adapter
    contract: Adapter = adapter
    others: tuple[Listener, Updater, Checker] = (adapter, adapter, adapter)
    assert (contract.connection, contract.can_button, len(others)) == ("bot", True, 3)


async def test_a_reminder_is_pushed_to_a_member(bot: Person, wecom: Wecom) -> None:
    assert await bot.adapter.send(message()) == "7"
    assert sent(wecom) == [
        {
            "chatid": "zhangsan",
            "chat_type": 1,
            "msgtype": "markdown",
            "markdown": {"content": "年度报告\n2027-01-31 前"},
        }
    ]


async def test_a_reminder_is_pushed_to_a_group(bot: Person, wecom: Wecom) -> None:
    await bot.adapter.send(message(address="chat:wrCHATID1"))
    assert (sent(wecom)[0]["chatid"], sent(wecom)[0]["chat_type"]) == ("wrCHATID1", 2)


async def test_a_short_reminder_with_buttons_is_one_card(bot: Person, wecom: Wecom) -> None:
    receipt = await bot.adapter.send(message(buttons=BUTTONS))
    (card,) = sent(wecom)
    assert card["template_card"]["task_id"] == receipt
    assert [button["key"] for button in card["template_card"]["button_list"]] == ["acknowledge:42", "report:42"]


async def test_a_long_reminder_is_said_whole_and_its_text_not_repeated_for_the_card(bot: Person, wecom: Wecom) -> None:
    long = message("督办提醒\n" + "年度报告\n" * 60, buttons=BUTTONS)
    wecom.fault(SEND, 0, 846607)
    with pytest.raises(RetryError) as waiting:
        await bot.adapter.send(long)
    assert waiting.value.after == 60
    await bot.adapter.send(long)
    assert [body["msgtype"] for body in sent(wecom)] == ["markdown", "template_card"]


async def test_without_cards_the_buttons_are_left_out(make: Make, wecom: Wecom) -> None:
    person = make(cards=False)
    await person.start()
    await person.adapter.send(message(buttons=BUTTONS))
    assert [body["msgtype"] for body in sent(wecom)] == ["markdown"]


@pytest.mark.parametrize("address", ["@all", "a|b", "", "chat:", "chat:a b", "lisi"])
async def test_who_never_talked_to_the_bot_or_is_everyone_is_out_of_reach(bot: Person, address: str) -> None:
    with pytest.raises(RecipientError):
        await bot.adapter.send(message(address=address))


async def test_text_mentions_nobody_and_is_no_markup(bot: Person, wecom: Wecom) -> None:
    await bot.adapter.send(message("<@all> **急** [x](https://x)"))
    assert sent(wecom)[0]["markdown"]["content"] == "＜@all＞ ＊＊急＊＊ ［x］(https://x)"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (-1, RetryError),
        (45009, RetryError),
        (846607, RetryError),
        (777777, RetryError),
        ("hang", RetryError),
        ("reset", RetryError),
        *((code, RecipientError) for code in (40008, 40058, 42045, 45002, 846605, 846608)),
    ],
)
async def test_each_fault_says_what_to_do(bot: Person, wecom: Wecom, fault: Fault, kind: type[AdapterError]) -> None:
    wecom.fault(SEND, fault)
    with pytest.raises(kind) as refused:
        await bot.adapter.send(message())
    assert BOT_SECRET not in repr(refused.value)
    await bot.connected()


async def test_nothing_goes_out_before_the_connection_is_open(make: Make) -> None:
    with pytest.raises(RetryError):
        await make().adapter.send(message())


async def test_what_the_platform_would_drop_silently_waits(bot: Person) -> None:
    for number in range(30):
        await bot.adapter.send(message(key=str(number)))
    with pytest.raises(RetryError):
        await bot.adapter.send(message(key="31"))


async def test_a_group_message_comes_without_its_mention_and_is_answered_there(bot: Person, wecom: Wecom) -> None:
    said = await bot.says(GROUP)
    assert (said.text, said.sender, said.message_id, said.app) == ("报结 42", "zhangsan", "CAIQ-1", "AIBOT1")
    await bot.adapter.send(message("已报结", via=said.via))
    (answer,) = wecom.delivered
    assert (answer["cmd"], answer["body"]["msgtype"]) == (REPLY, "stream")
    assert (answer["body"]["stream"]["finish"], answer["body"]["stream"]["content"]) == (True, "已报结")
    assert answer["headers"]["req_id"] in said.via


async def test_an_answer_with_buttons_is_text_and_card_in_one(bot: Person, wecom: Wecom) -> None:
    said = await bot.says(SINGLE)
    await bot.adapter.send(message(via=said.via, buttons=BUTTONS))
    assert sent(wecom)[0]["msgtype"] == "stream_with_template_card"


async def test_an_answer_can_mention_the_asker(make: Make, wecom: Wecom) -> None:
    person = make(mention=True)
    await person.start()
    said = await person.says(GROUP)
    await person.adapter.send(message("已报结", via=said.via))
    assert sent(wecom)[0]["stream"]["content"] == "<@zhangsan>\n已报结"


async def test_an_expired_way_back_falls_back_to_the_group_and_then_to_the_person(bot: Person, wecom: Wecom) -> None:
    said = await bot.says(GROUP)
    wecom.fault(REPLY, 846608, 846605)
    await bot.adapter.send(message("已报结", via=said.via))
    assert sent(wecom)[0]["chatid"] == "wrCHATID1"
    wecom.fault(SEND, 40058)
    await bot.adapter.send(message("已报结", via=said.via))
    assert sent(wecom)[1]["chatid"] == "zhangsan"


async def test_a_private_word_keeps_the_name_it_begins_with(bot: Person) -> None:
    assert (await bot.says(SINGLE)).text == "@张三 说已办"


async def test_a_name_with_a_space_is_stripped_when_it_is_known(make: Make) -> None:
    person = make(bot_name="督办 机器人")
    await person.start()
    assert (await person.says(GROUP, text={"content": "@督办 机器人 报结 42"})).text == "报结 42"


@pytest.mark.parametrize(("name", "text"), [("bot_mixed.json", "报结 42\n见照片"), ("bot_file.json", "")])
async def test_pictures_and_files_bring_their_words(bot: Person, name: str, text: str) -> None:
    assert (await bot.says(name)).text == text


async def test_a_click_carries_its_value_and_its_card_changes_in_time(bot: Person, wecom: Wecom) -> None:
    receipt = await bot.adapter.send(message(buttons=BUTTONS, address="chat:wrCHATID1"))
    event = payload(CLICK)
    event["event"]["template_card_event"]["task_id"] = receipt
    req_id = await wecom.push(event)
    click = await bot.heard()
    assert (click.action, click.reply_to, click.message_id) == ("report:42", "7", "CAIQ-5")
    assert await bot.adapter.update(receipt, message("年度报告\n\n1. 已报结\n2. 已签收")) == receipt
    (update,) = wecom.updated
    assert update["headers"]["req_id"] == req_id
    assert update["body"]["template_card"]["button_list"] == [{"text": "1. 已报结 2. 已签收", "style": 2, "key": "-"}]
    await bot.adapter.send(message("已报结", via=click.via))
    assert sent(wecom)[-1]["chatid"] == "wrCHATID1"


async def test_a_card_with_buttons_left_or_a_page_behind_it_is_rewritten(make: Make, wecom: Wecom) -> None:
    person = make(card_url="https://duban.example/me")
    await person.start()
    for buttons, kind in ((BUTTONS[1:], "button_interaction"), ((), "text_notice")):
        click = await person.says(CLICK)
        await person.adapter.update("7@0123456789abcdef", message("已签收", buttons=buttons, via=click.via))
        assert wecom.updated[-1]["body"]["template_card"]["card_type"] == kind


async def test_a_card_cannot_change_without_a_click_or_twice_or_too_late(
    bot: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = "7@0123456789abcdef"
    with pytest.raises(RecipientError):
        await bot.adapter.update(task, message("已签收"))
    await bot.says(CLICK)
    await bot.adapter.update(task, message("已签收"))
    with pytest.raises(RecipientError):
        await bot.adapter.update(task, message("已签收"))
    await bot.says(CLICK)
    monkeypatch.setattr("adapters.wecom_bot.CLICK_WINDOW", -1)
    with pytest.raises(RecipientError):
        await bot.adapter.update(task, message("已签收"))


async def test_only_the_latest_clicks_are_remembered(bot: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.wecom_bot.REMEMBERED", 1)
    for task in ("first", "second"):
        event = payload(CLICK, msgid=task)
        event["event"]["template_card_event"]["task_id"] = task
        await bot.says(CLICK, **event)
    assert list(bot.adapter._clicks) == ["second"]


async def test_the_button_of_a_finished_card_means_nothing(bot: Person, wecom: Wecom) -> None:
    event = payload(CLICK)
    event["event"]["template_card_event"]["event_key"] = "-"
    await wecom.push(event)
    assert (await bot.says(GROUP)).text == "报结 42"


async def test_other_events_and_nonsense_are_ignored(bot: Person, wecom: Wecom) -> None:
    await wecom.push(payload("bot_enter.json"))
    for text in ("", "[]", "{", "null", '{"cmd":[],"headers":[]}', '{"cmd":"aibot_msg_callback","body":[]}'):
        await wecom.raw(text)
    assert (await bot.says(GROUP)).text == "报结 42"


async def test_a_message_is_kept_until_the_store_takes_it(bot: Person) -> None:
    bot.trouble = 3
    assert (await bot.says(GROUP)).text == "报结 42"


async def test_a_message_that_no_column_holds_does_not_hold_up_those_behind_it(bot: Person, wecom: Wecom) -> None:
    bot.unfit = "报结 42"
    await wecom.push(payload(GROUP))
    assert (await bot.says(CLICK)).action


async def test_messages_stay_in_order_and_repeat_with_the_same_id(bot: Person, wecom: Wecom) -> None:
    for number in ("a", "b", "a"):
        await wecom.push(payload(GROUP, msgid=number))
    assert [(await bot.heard()).message_id for _ in range(3)] == ["a", "b", "a"]


async def test_a_lost_connection_is_opened_again(bot: Person, wecom: Wecom) -> None:
    await wecom.drop()
    await bot.connected()
    assert (await bot.says(GROUP)).text == "报结 42"


async def test_a_question_under_way_when_the_connection_closes_is_tried_again_later(bot: Person, wecom: Wecom) -> None:
    wecom.fault(SEND, "hang")
    asking = asyncio.create_task(bot.adapter.send(message()))
    await asyncio.sleep(0.05)
    await wecom.drop()
    with pytest.raises(RetryError):
        await asking


async def test_a_platform_that_is_away_is_tried_until_it_is_back(make: Make, wecom: Wecom) -> None:
    wecom.fault("aibot_subscribe", "reset", "hang", -1, 846607, 45009, -1, -1)
    person = make()
    await person.start()
    assert (await person.says(GROUP)).text == "报结 42"


async def test_the_connection_is_kept_alive(make: Make, wecom: Wecom) -> None:
    person = make()
    person.adapter.heartbeat = 0.02
    await person.start()
    await asyncio.sleep(0.2)
    pings = [frame for frame in wecom.frames if frame["cmd"] == "ping"]
    assert len(pings) >= 3
    assert "body" not in pings[0]


async def test_a_silent_connection_is_given_up_and_opened_again(
    make: Make, wecom: Wecom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.wecom_bot.ACK", 0.05)
    person = make()
    person.adapter.heartbeat = 0.02
    await person.start()
    wecom.subscribed.clear()
    wecom.deaf = True
    await asyncio.sleep(0.2)
    wecom.deaf = False
    await person.connected()


async def test_a_second_connection_ends_the_first_for_good(bot: Person, make: Make, wecom: Wecom) -> None:
    wecom.subscribed.clear()
    second = make()
    await second.start()
    assert bot.task is not None
    with pytest.raises(ConfigurationError, match="took the bot over"):
        await asyncio.wait_for(bot.task, 2)
    with pytest.raises(RetryError):
        await bot.adapter.send(message())
    assert (await second.says(GROUP)).text == "报结 42"


async def test_wrong_credentials_are_given_up(make: Make, wecom: Wecom) -> None:
    person = make(secret="wrong-secret")
    with pytest.raises(ConfigurationError, match="853000") as refused:
        await asyncio.wait_for(person.adapter.listen(person.commit), 2)
    assert len(wecom.frames) == 5
    assert BOT_SECRET not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]"])
async def test_a_private_address_needs_to_be_allowed(make: Make, host: str) -> None:
    person = make(allow_private=False, ws_url=f"ws://{host}:9/ws")
    with pytest.raises(ConfigurationError, match="allow_private"):
        await person.adapter.listen(person.commit)


async def test_an_address_that_leads_elsewhere_never_sees_the_secret(make: Make, wecom: Wecom) -> None:
    person = make(ws_url=wecom.ws_url.replace("/ws", "/moved"))
    with pytest.raises(ConfigurationError, match="another address"):
        await asyncio.wait_for(person.adapter.listen(person.commit), 2)
    assert wecom.frames == []


async def test_an_untrusted_certificate_stops_the_connection(make: Make, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(tmp_path))
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    person = make(ws_url=f"wss://127.0.0.1:{runner.addresses[0][1]}/ws")
    with pytest.raises(ConfigurationError, match="ca_file"):
        await asyncio.wait_for(person.adapter.listen(person.commit), 2)
    await runner.cleanup()


def own_certificate(folder: Path) -> Path:
    """Signed by nobody but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "own.pem"
    file.write_bytes(private + builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return file


async def test_two_answers_to_one_message_do_not_cross(bot: Person, wecom: Wecom) -> None:
    said = await bot.says(GROUP)
    wecom.fault(REPLY, "hang")
    first = asyncio.create_task(bot.adapter.send(message("一", via=said.via)))
    await asyncio.sleep(0.02)
    with pytest.raises(RetryError, match="under way"):
        await bot.adapter.send(message("二", via=said.via))
    with pytest.raises(RetryError, match="TimeoutError"):
        await first


async def test_cancelling_leaves_nothing_behind(bot: Person) -> None:
    before = asyncio.all_tasks()
    assert bot.task is not None
    bot.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await bot.task
    assert bot.adapter._line is None
    left = {task for task in asyncio.all_tasks() & before if "adapters" in repr(task.get_coro())}
    assert {task for task in left if not task.done()} == set()


async def test_the_check_opens_a_connection_but_takes_none_over(make: Make, wecom: Wecom) -> None:
    memory = Memory()
    running, checking = make(memory), make(memory)
    assert [finding.key for finding in await checking.adapter.check()] == [
        "check-reachable",
        "check-wecom-bot-never-connected",
    ]
    await running.start()
    for person in (checking, running):
        found = (await person.adapter.check())[-1]
        assert (found.ok, found.key) == (True, "check-wecom-bot-connected")
    assert (await running.says(GROUP)).text == "报结 42"
    assert len([frame for frame in wecom.frames if frame["cmd"] == "aibot_subscribe"]) == 1


async def test_the_check_tells_that_the_last_subscription_was_refused(make: Make) -> None:
    person = make(secret="wrong-secret")
    with pytest.raises(ConfigurationError):
        await person.adapter.listen(person.commit)
    found = (await person.adapter.check())[-1]
    assert (found.ok, found.key, found.facts) == (False, "check-credentials-refused", {"code": "853000"})


async def test_the_check_tells_that_nobody_answers(make: Make) -> None:
    (found,) = await make(ws_url="ws://127.0.0.1:9/ws").adapter.check()
    assert (found.ok, found.key) == (False, "check-unreachable")


async def test_the_secret_is_shown_nowhere(bot: Person, wecom: Wecom, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    wecom.fault(SEND, 40058)
    with pytest.raises(RecipientError) as refused:
        await bot.adapter.send(message())
    shown = repr(refused.value) + repr(vars(bot.adapter)) + caplog.text
    assert BOT_SECRET not in shown


NAMES = st.sampled_from(["userid", "content", "msg_item", "msgtype", "eventtype", "template_card_event", "event_key"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, "", "text", "event", "mixed", "template_card_event"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(["from", "msgid", "msgtype", "event", "mixed", "chatid", "text"]), JSON))
def test_any_body_is_a_message_or_nothing(body: dict[str, Any]) -> None:
    found = read(body, "bot", "req")
    assert found is None or (found.sender and found.message_id)
