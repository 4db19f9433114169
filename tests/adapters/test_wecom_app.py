"""The self-built application's sending side against a loopback platform."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from adapters.base import (
    Adapter,
    AdapterError,
    Button,
    Checker,
    ConfigurationError,
    Outgoing,
    Receiver,
    RecipientError,
    RetryError,
    Updater,
)
from adapters.http import Answer
from adapters.wecom_app import WecomAppAdapter, WecomAppConfig
from tests.adapters.doubles.wecom import AES_KEY, AGENT, CORP, SECRET, TOKEN, Fault, Memory, Wecom

SEND, UPDATE, GETTOKEN = "/cgi-bin/message/send", "/cgi-bin/message/update_template_card", "/cgi-bin/gettoken"
NOON = datetime(2027, 1, 28, 12, tzinfo=UTC)
BUTTONS = (Button("签收", "acknowledge:42"), Button("报结", "report:42", "primary"))
SHORT = "年度报告\n2027-01-31 前"
LONG = "督办提醒\n" + "\n".join(f"{number}. 年度报告 #{number}，2027-01-31 前" for number in range(1, 20))


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def wecom(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wecom]:
    monkeypatch.setattr("adapters.http.TIMEOUT", aiohttp.ClientTimeout(total=2))
    async with Wecom() as platform:
        yield platform


Make = Callable[..., WecomAppAdapter]


@pytest.fixture
async def make(wecom: Wecom) -> AsyncIterator[Make]:
    made: list[WecomAppAdapter] = []

    def one(memory: Memory | None = None, clock: Clock | None = None, **keys: Any) -> WecomAppAdapter:
        given = {"base_url": wecom.base, "allow_private": True, "corp_id": CORP, "agent_id": AGENT, "secret": SECRET}
        given |= {"token": TOKEN, "encoding_aes_key": AES_KEY} | keys
        config = WecomAppConfig(name="wecom", platform="wecom-app", **given)
        made.append(WecomAppAdapter(config, Memory() if memory is None else memory, clock or Clock()))
        return made[-1]

    yield one
    for adapter in made:
        await adapter.close()


@pytest.fixture
def app(make: Make) -> WecomAppAdapter:
    return make()


def message(text: str = SHORT, key: str = "7", address: str = "zhangsan", **more: Any) -> Outgoing:
    return Outgoing(key, address, text, **more)


async def test_it_keeps_the_contract(app: WecomAppAdapter) -> None:
    contract: Adapter = app
    others: tuple[Receiver, Updater, Checker] = (app, app, app)
    assert (contract.connection, contract.can_button, len(others)) == ("wecom", True, 3)


async def test_a_plain_message_is_a_text_to_one_member(app: WecomAppAdapter, wecom: Wecom) -> None:
    receipt = await app.send(message())
    assert receipt
    assert wecom.delivered == [
        {
            "touser": "zhangsan",
            "msgtype": "text",
            "agentid": AGENT,
            "text": {"content": SHORT},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 14400,
        }
    ]


async def test_a_short_message_with_buttons_is_one_card(app: WecomAppAdapter, wecom: Wecom) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    (sent,) = wecom.delivered
    assert sent["template_card"] == {
        "card_type": "button_interaction",
        "main_title": {"title": "年度报告"},
        "sub_title_text": "2027-01-31 前",
        "task_id": receipt,
        "button_list": [
            {"text": "签收", "style": 2, "key": "acknowledge:42", "type": 0},
            {"text": "报结", "style": 1, "key": "report:42", "type": 0},
        ],
    }


async def test_a_long_message_with_buttons_is_said_whole_and_then_as_a_card(app: WecomAppAdapter, wecom: Wecom) -> None:
    await app.send(message(LONG, buttons=BUTTONS))
    text, card = wecom.delivered
    assert text["text"]["content"] == LONG
    assert card["template_card"]["main_title"]["title"] == "督办提醒"
    assert card["template_card"]["sub_title_text"].endswith("…")


@pytest.mark.parametrize("keys", [{"token": "", "encoding_aes_key": ""}, {"cards": False}])
async def test_without_callback_or_cards_the_buttons_are_left_out(
    make: Make, wecom: Wecom, keys: dict[str, Any]
) -> None:
    await make(**keys).send(message(buttons=BUTTONS))
    assert [sent["msgtype"] for sent in wecom.delivered] == ["text"]


async def test_a_message_sent_again_arrives_once(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.fault(SEND, "reset")
    with pytest.raises(RetryError):
        await app.send(message(LONG, buttons=BUTTONS))
    first = await app.send(message(LONG, buttons=BUTTONS))
    assert await app.send(message(LONG, buttons=BUTTONS)) == first
    assert len(wecom.delivered) == 2


async def test_the_same_answer_twice_arrives_twice(app: WecomAppAdapter, wecom: Wecom) -> None:
    for key in ("7", "8"):
        await app.send(message("帮助", key, via="user"))
    assert len(wecom.delivered) == 2
    assert "enable_duplicate_check" not in wecom.delivered[0]


async def test_the_duplicate_check_can_be_switched_off(make: Make, wecom: Wecom) -> None:
    await make(duplicate_check_seconds=0).send(message())
    assert "enable_duplicate_check" not in wecom.delivered[0]


@pytest.mark.parametrize("address", ["@all", "zhangsan|lisi", "", "all"])
async def test_no_address_means_everyone(app: WecomAppAdapter, wecom: Wecom, address: str) -> None:
    with pytest.raises(RecipientError):
        await app.send(message(address=address))
    assert wecom.calls == []


async def test_text_cannot_smuggle_a_link(app: WecomAppAdapter, wecom: Wecom) -> None:
    await app.send(message('<a href="https://x">点此</a> <@all>'))
    assert "<" not in wecom.delivered[0]["text"]["content"]


async def test_a_chat_the_application_made_gets_the_text(app: WecomAppAdapter, wecom: Wecom) -> None:
    assert await app.send(message(address="chat:CHAT1", buttons=BUTTONS)) == "7"
    assert wecom.delivered == [{"chatid": "CHAT1", "msgtype": "text", "text": {"content": SHORT}, "safe": 0}]


@pytest.mark.parametrize("address", ["chat:OTHER", "chat:", "chat:a b"])
async def test_another_chat_is_out_of_reach(app: WecomAppAdapter, address: str) -> None:
    with pytest.raises(RecipientError):
        await app.send(message(address=address))


async def test_a_stranger_is_out_of_reach(app: WecomAppAdapter) -> None:
    with pytest.raises(RecipientError):
        await app.send(message(address="Wangwu"))


async def test_success_for_a_member_without_licence_is_none(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.members.add("Zhaoliu")
    wecom.unlicensed.add("Zhaoliu")
    with pytest.raises(RecipientError, match="unlicenseduser"):
        await app.send(message(address="Zhaoliu"))


@pytest.mark.parametrize(
    ("fault", "kind", "after"),
    [
        (-1, RetryError, 5),
        (45033, RetryError, 5),
        (45009, RetryError, 60),
        (777777, RetryError, 5),
        ("html", RetryError, 5),
        ("502", RetryError, 0),
        ("429", RetryError, 7),
        ("hang", RetryError, 0),
        ("reset", RetryError, 0),
        *((code, ConfigurationError, None) for code in (40056, 48002, 60020, 301002)),
        *(
            (code, RecipientError, None)
            for code in (40003, 40031, 40058, 44004, 45002, 60011, 60111, 81013, 82001, 86001, 86003, 86008, 40050)
        ),
    ],
)
async def test_each_fault_of_sending_says_what_to_do(
    app: WecomAppAdapter, wecom: Wecom, fault: Fault, kind: type[AdapterError], after: float | None
) -> None:
    wecom.fault(SEND, fault)
    with pytest.raises(kind) as refused:
        await app.send(message())
    if isinstance(refused.value, RetryError):
        assert refused.value.after == after
    await app.send(message(key="8"))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (-1, RetryError),
        (45009, RetryError),
        (777777, RetryError),
        ("html", RetryError),
        *((code, ConfigurationError) for code in (40001, 40013, 40091, 60020)),
    ],
)
async def test_each_fault_of_the_token_says_what_to_do(
    app: WecomAppAdapter, wecom: Wecom, fault: Fault, kind: type[AdapterError]
) -> None:
    wecom.fault(GETTOKEN, fault)
    with pytest.raises(kind):
        await app.send(message())
    await app.send(message())


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_token_that_died_early_is_renewed_once(app: WecomAppAdapter, wecom: Wecom, code: int) -> None:
    wecom.fault(SEND, code)
    await app.send(message())
    assert (len(wecom.tokens), len(wecom.delivered)) == (2, 1)


async def test_a_token_refused_twice_is_not_fetched_a_third_time(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.fault(SEND, 42001, 42001)
    with pytest.raises(RetryError):
        await app.send(message())
    assert len(wecom.tokens) == 2


async def test_a_burst_fetches_one_token_and_after_its_death_one_more(app: WecomAppAdapter, wecom: Wecom) -> None:
    await asyncio.gather(*(app.send(message(key=str(number), text=str(number))) for number in range(8)))
    assert len(wecom.tokens) == 1
    wecom.tokens[-1] = "the platform has made another"
    await asyncio.gather(*(app.send(message(key=str(number), text=str(number))) for number in range(10, 18)))
    assert (len(wecom.tokens), len(wecom.delivered)) == (2, 16)


async def test_what_the_platform_would_drop_silently_waits(app: WecomAppAdapter, wecom: Wecom) -> None:
    for number in range(30):
        await app.send(message(str(number), str(number)))
    with pytest.raises(RetryError) as waiting:
        await app.send(message("31", "31"))
    assert 0 < waiting.value.after <= 60
    await app.send(message(address="lisi"))
    assert len(wecom.delivered) == 31


async def test_a_card_changes_once_after_sending_and_once_after_each_click(app: WecomAppAdapter, wecom: Wecom) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    done = message("已签收\n年度报告", buttons=BUTTONS[1:])
    assert await app.update(receipt, done) == receipt
    assert wecom.updated[0]["userids"] == ["zhangsan"]
    assert wecom.updated[0]["template_card"]["button_list"][0]["key"] == "report:42"
    with pytest.raises(RecipientError):
        await app.update(receipt, done)
    (clicked,) = app.receive(wecom.click(receipt, "report:42", int(NOON.timestamp())), NOON).messages
    assert (clicked.action, clicked.reply_to, clicked.sender) == ("report:42", "7", "zhangsan")
    await app.send(message("已报结", "9", via=clicked.via))
    await app.update(receipt, message("已报结"))
    assert wecom.updated[1]["button"] == {"replace_name": "已报结"}


async def test_what_a_click_does_not_change_the_code_of_sending_still_does(app: WecomAppAdapter, wecom: Wecom) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    (clicked,) = app.receive(wecom.click(receipt, "report:42", int(NOON.timestamp())), NOON).messages
    await app.send(message("已签收", "9", via=clicked.via))
    for text in ("已签收", "已报结"):
        await app.update(receipt, message(text))
    assert [body["button"]["replace_name"] for body in wecom.updated] == ["已签收", "已报结"]
    with pytest.raises(RecipientError):
        await app.update(receipt, message("已销号"))


async def test_a_change_whose_answer_was_lost_is_not_tried_for_ever(app: WecomAppAdapter, wecom: Wecom) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    wecom.fault(UPDATE, "reset")
    with pytest.raises(RetryError):
        await app.update(receipt, message("已签收"))
    with pytest.raises(RecipientError):
        await app.update(receipt, message("已签收"))
    assert len(wecom.updated) == 1


async def test_a_card_remembers_its_code_across_a_restart(make: Make, wecom: Wecom) -> None:
    memory = Memory()
    receipt = await make(memory).send(message(buttons=BUTTONS))
    await make(memory).update(receipt, message("已签收"))
    assert len(wecom.updated) == 1


async def test_a_card_with_a_page_behind_it_is_rewritten(make: Make, wecom: Wecom) -> None:
    app = make(card_url="https://duban.example/me")
    receipt = await app.send(message(buttons=BUTTONS))
    await app.update(receipt, message("已销号\n年度报告"))
    assert wecom.updated[0]["template_card"] == {
        "card_type": "text_notice",
        "main_title": {"title": "已销号"},
        "sub_title_text": "年度报告",
        "task_id": receipt,
        "card_action": {"type": 1, "url": "https://duban.example/me"},
    }


async def test_a_card_older_than_three_days_stays_as_it_is(make: Make, wecom: Wecom) -> None:
    clock = Clock()
    app = make(clock=clock)
    receipt = await app.send(message(buttons=BUTTONS))
    clock.now += timedelta(hours=73)
    with pytest.raises(RecipientError):
        await app.update(receipt, message("已签收"))
    assert wecom.updated == []


async def test_a_failed_change_may_be_tried_again(app: WecomAppAdapter, wecom: Wecom) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    wecom.fault(UPDATE, "502")
    with pytest.raises(RetryError):
        await app.update(receipt, message("已签收"))
    await app.update(receipt, message("已签收"))
    assert len(wecom.updated) == 1


async def test_a_suppressed_duplicate_does_not_forget_the_response_code(app: WecomAppAdapter, wecom: Wecom) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    for answer in wecom._seen.values():
        del answer["response_code"]
    await app.send(message(buttons=BUTTONS))
    await app.update(receipt, message("已签收"))
    assert len(wecom.updated) == 1


@pytest.mark.parametrize("code", ["", " ", "a b", "a\nb 1"])
async def test_a_click_without_a_response_code_keeps_the_old_one(app: WecomAppAdapter, wecom: Wecom, code: str) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    await app.send(message("已签收", "8", via=f"click {receipt} {code}"))
    await app.update(receipt, message("已签收"))
    assert len(wecom.updated) == 1


async def test_an_answer_without_a_token_may_pass(app: WecomAppAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    async def empty(*_: object, **__: object) -> Answer:
        return Answer(200, {}, '{"errcode":0}')

    monkeypatch.setattr(app._http, "call", empty)
    with pytest.raises(RetryError, match="no token"):
        await app.send(message())
    assert (await app.check())[0].key == "check-reachable"


async def test_a_message_without_card_cannot_change(app: WecomAppAdapter) -> None:
    receipt = await app.send(message())
    with pytest.raises(RecipientError):
        await app.update(receipt, message("已签收"))


async def keys(app: WecomAppAdapter) -> list[tuple[bool, str]]:
    return [(finding.ok, finding.key) for finding in await app.check()]


async def test_the_check_finds_everything_well(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.date = format_datetime(NOON, usegmt=True)
    assert await keys(app) == [(True, "check-reachable"), (True, "check-credentials"), (True, "check-wecom-app")]
    assert wecom.delivered == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"secret": "wrong"}, "check-credentials-refused"),
        ({"corp_id": "ww0"}, "check-credentials-refused"),
        ({"agent_id": 1}, "check-wecom-agent"),
        ({"token": "", "encoding_aes_key": ""}, "check-callback-missing"),
    ],
)
async def test_the_check_names_what_is_wrong(make: Make, wecom: Wecom, given: dict[str, Any], found: str) -> None:
    wecom.date = format_datetime(NOON, usegmt=True)
    assert [key for ok, key in await keys(make(**given)) if not ok] == [found]


async def test_the_check_names_the_address_the_platform_does_not_trust(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.fault(GETTOKEN, 60020)
    found = next(finding for finding in await app.check() if finding.key == "check-wecom-untrusted-ip")
    assert found.facts == {"ip": "10.9.8.7"}


async def test_the_check_tells_a_missing_permission(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.fault("/cgi-bin/agent/get", 48002)
    assert (False, "check-permission") in await keys(app)


async def test_the_check_tells_a_wrong_clock(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.date = format_datetime(NOON - timedelta(minutes=10), usegmt=True)
    found = next(finding for finding in await app.check() if finding.key == "check-clock")
    assert found.facts == {"skew": "+600"}


async def test_the_check_tells_that_nobody_answers(make: Make) -> None:
    assert await keys(make(base_url="http://127.0.0.1:9")) == [(False, "check-unreachable")]


async def test_the_check_survives_a_fault_half_way(app: WecomAppAdapter, wecom: Wecom) -> None:
    wecom.fault("/cgi-bin/agent/get", "502")
    assert (False, "check-wecom-app-unknown") in await keys(app)


@pytest.mark.parametrize(
    "given",
    [{"token": ""}, {"encoding_aes_key": ""}, {"encoding_aes_key": "short"}, {"agent_id": 0}, {"surprise": 1}],
)
def test_half_a_configuration_is_refused_without_repeating_secrets(make: Make, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        make(**given)
    assert not any(secret in str(refused.value) for secret in (SECRET, AES_KEY, TOKEN))


async def test_secrets_are_shown_nowhere(app: WecomAppAdapter, wecom: Wecom, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await app.send(message(buttons=BUTTONS))
    wecom.fault(SEND, 40014, 40014, "reset")
    wecom.fault(GETTOKEN, 0, 40001)
    told = []
    for _ in range(3):
        with pytest.raises(AdapterError) as refused:
            await app.send(message(key="8"))
        told.append(repr(refused.value) + repr(refused.value.__context__))
        app._token.drop(await app._token.get() if len(told) == 2 else "")
    lines = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    shown = "".join([*told, *lines, repr(vars(app)), repr(app._config)])
    assert not any(secret in shown for secret in (SECRET, AES_KEY, TOKEN, *wecom.tokens))
