import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientTimeout

import adapters.http
from adapters.base import (
    Adapter,
    AdapterError,
    Button,
    Checker,
    ConfigurationError,
    Outgoing,
    RecipientError,
    RetryError,
    Updater,
)
from adapters.feishu_app import FAULTS, MOST_BUTTONS, STALE, FeishuAppAdapter, FeishuAppConfig
from tests.adapters.doubles.feishu import NEW_YEAR, Failure, FeishuDouble, NoState, payload

BUTTONS = (Button("签收", "ack:1", "primary"), Button("稍后", "later:1"), Button("退回", "no:1", "danger"))


@pytest.fixture
async def feishu() -> AsyncIterator[FeishuDouble]:
    async with FeishuDouble() as double:
        yield double


def configured(feishu: FeishuDouble, **more: object) -> FeishuAppConfig:
    known = {
        "name": "county",
        "platform": "feishu-app",
        "base_url": feishu.base,
        "allow_private": True,
        "app_id": feishu.app_id,
        "app_secret": feishu.app_secret,
    }
    return FeishuAppConfig.model_validate(known | more)


@pytest.fixture
async def app(feishu: FeishuDouble) -> AsyncIterator[FeishuAppAdapter]:
    adapter = FeishuAppAdapter(configured(feishu), NoState(), lambda: NEW_YEAR)
    yield adapter
    await adapter.close()


def message(
    address: str = "ou_1", text: str = "提醒", key: str = "1", buttons: tuple[Button, ...] = (), via: str = ""
) -> Outgoing:
    return Outgoing(key, address, text, buttons, via)


async def test_it_keeps_the_contract(app: FeishuAppAdapter) -> None:
    contract: Adapter = app
    updater: Updater = app
    checker: Checker = app
    assert (contract.connection, contract.platform, contract.can_button) == ("county", "feishu-app", True)
    assert {id(updater), id(checker)} == {id(app)}
    assert (app.listens, app.receives, app.can_update) == (True, False, True)


async def test_words_go_as_text_and_the_message_is_the_receipt(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    receipt = await app.send(message())
    assert feishu.messages == {
        receipt: {"to": "ou_1", "kind": "open_id", "type": "text", "content": {"text": "提醒"}, "mentions": []}
    }


@pytest.mark.parametrize(
    ("address", "to", "kind"),
    [
        ("ou_1", "ou_1", "open_id"),
        ("on_1", "on_1", "union_id"),
        ("u1", "u1", "user_id"),
        ("zhang@example.com", "zhang@example.com", "email"),
        ("chat:oc_1", "oc_1", "chat_id"),
    ],
)
async def test_an_address_tells_its_kind(
    feishu: FeishuDouble, app: FeishuAppAdapter, address: str, to: str, kind: str
) -> None:
    sent = feishu.messages[await app.send(message(address))]
    assert (sent["to"], sent["kind"]) == (to, kind)


async def test_buttons_go_as_a_card(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    sent = feishu.messages[await app.send(message(buttons=BUTTONS))]
    words, *buttons = sent["content"]["body"]["elements"]
    assert sent["type"] == "interactive"
    assert words == {"tag": "div", "text": {"tag": "plain_text", "content": "提醒"}}
    assert [(button["text"]["content"], button["type"]) for button in buttons] == [
        ("签收", "primary"),
        ("稍后", "default"),
        ("退回", "danger"),
    ]


async def test_a_button_pressed_brings_back_its_value(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    click = payload("click")
    shown = feishu.messages[receipt]["content"]["body"]["elements"][1]
    click["event"]["action"]["value"] = shown["behaviors"][0]["value"]
    click["event"]["context"]["open_message_id"] = receipt
    (incoming,) = app._reader.read(click)
    assert (incoming.action, incoming.reply_to) == ("ack:1", receipt)


async def test_what_a_card_cannot_hold_is_left_out(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    buttons = tuple(Button("完成", f"done:{number}") for number in range(40))
    sent = feishu.messages[await app.send(message(buttons=buttons))]
    assert len(sent["content"]["body"]["elements"]) == 1 + MOST_BUTTONS


async def test_the_longest_card_fits_whatever_it_holds(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    size, buttons = app.max_bytes, tuple(Button("销号" * 4, '"' * 500) for _ in range(20))
    for number, text in enumerate(("督" * (size // 3), '"' * size, "\\" * size, "<a" * (size // 2), "\n" * size)):
        sent = feishu.messages[await app.send(message(text=text, key=str(number), buttons=buttons))]
        assert sent["content"]["body"]["elements"][0]["text"]["content"]


@pytest.mark.parametrize("address", ["", "chat:"])
async def test_nobody_gets_nothing(feishu: FeishuDouble, app: FeishuAppAdapter, address: str) -> None:
    with pytest.raises(RecipientError):
        await app.send(message(address))
    assert feishu.calls["send"] == 0


@pytest.mark.parametrize("buttons", [(), BUTTONS])
@pytest.mark.parametrize("text", ['<at user_id="all">所有人</at>', "<at id=all></at>", "[点此](http://evil.example)"])
async def test_nobody_is_mentioned_and_no_markup_is_made(
    feishu: FeishuDouble, app: FeishuAppAdapter, text: str, buttons: tuple[Button, ...]
) -> None:
    sent = feishu.messages[await app.send(message(text=text, buttons=buttons))]
    said = json.dumps(sent["content"], ensure_ascii=False)
    assert ("<at" in said, "](" in said, sent["mentions"]) == (False, False, [])


async def test_an_answer_goes_where_it_was_asked(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    sent = feishu.messages[await app.send(message(via="om_asked"))]
    assert (sent["answers"], feishu.calls["send"]) == ("om_asked", 0)


@pytest.mark.parametrize("code", [230001, 230002, 230011])
async def test_where_that_is_gone_it_goes_to_the_person(feishu: FeishuDouble, app: FeishuAppAdapter, code: int) -> None:
    feishu.fail("reply", Failure(code))
    assert feishu.messages[await app.send(message(via="om_asked"))]["to"] == "ou_1"


async def test_where_nobody_is_named_it_fails(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    feishu.fail("reply", Failure(230011))
    with pytest.raises(RecipientError, match="230011"):
        await app.send(message("", via="om_asked"))


async def test_a_way_back_that_is_none_is_not_called(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    await app.send(message(via="../../auth/v3/other"))
    with pytest.raises(RecipientError):
        await app.update("om_1/../x", message())
    assert (feishu.calls["reply"], feishu.calls["update"], feishu.calls["send"]) == (0, 0, 1)


async def test_a_repeated_key_is_said_once(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    feishu.fail("send", Failure(reset=True, after=True))
    with pytest.raises(RetryError):
        await app.send(message())
    first = set(feishu.messages)
    assert {await app.send(message())} == first == set(feishu.messages)


async def test_another_key_or_person_is_said_again(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    for key, address in (("1", "ou_1"), ("2", "ou_1"), ("1", "ou_2"), ("x" * 200, "ou_1")):
        await app.send(message(address, key=key))
    assert len(feishu.messages) == 4


async def test_a_card_is_shown_anew(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    receipt = await app.send(message(buttons=BUTTONS))
    assert await app.update(receipt, message(text="张三已签收")) == receipt
    assert feishu.messages[receipt]["content"]["body"]["elements"] == [
        {"tag": "div", "text": {"tag": "plain_text", "content": "张三已签收"}}
    ]


async def test_what_is_no_card_cannot_be_shown_anew(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    receipt = await app.send(message())
    with pytest.raises(RecipientError, match="230001"):
        await app.update(receipt, message())


async def test_many_ask_for_one_token(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    await asyncio.gather(*(app.send(message(key=str(number))) for number in range(8)))
    assert (feishu.calls["token"], len(feishu.messages)) == (1, 8)


async def test_a_token_that_ends_mid_burst_is_renewed_once(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    await app.send(message(key="first"))
    feishu.expire_tokens()
    await asyncio.gather(*(app.send(message(key=str(number))) for number in range(8)))
    assert (feishu.calls["token"], len(feishu.messages)) == (2, 9)


@pytest.mark.parametrize("code", sorted(STALE))
async def test_a_stale_token_is_tried_anew_once(feishu: FeishuDouble, app: FeishuAppAdapter, code: int) -> None:
    feishu.fail("send", Failure(code), Failure(code), Failure(code))
    with pytest.raises(RetryError, match=str(code)):
        await app.send(message())
    assert (feishu.calls["send"], feishu.calls["token"]) == (2, 2)


async def test_every_documented_code_has_its_class(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    for code, kind in FAULTS.items():
        feishu.fail("send", Failure(code))
        with pytest.raises(kind, match=str(code)):
            await app.send(message())
    feishu.strangers.add("ou_1")
    with pytest.raises(RecipientError, match="230013"):
        await app.send(message())


@pytest.mark.parametrize(
    "failure",
    [
        Failure(424242),
        Failure(230020, 200),
        Failure(status=500),
        Failure(status=503),
        Failure(status=404),
        Failure(reset=True),
    ],
)
async def test_what_is_passing_or_unknown_is_tried_again(
    feishu: FeishuDouble, app: FeishuAppAdapter, failure: Failure
) -> None:
    feishu.fail("send", failure)
    with pytest.raises(RetryError):
        await app.send(message())
    assert await app.send(message())


@pytest.mark.parametrize("status", [200, 400])
async def test_the_gateway_says_how_long_to_wait(feishu: FeishuDouble, app: FeishuAppAdapter, status: int) -> None:
    for said, waited in (("17", 17.0), ("soon", 1.0), ("-5", 1.0), ("99999", 600.0)):
        feishu.fail("send", Failure(99991400, status, headers={"x-ogw-ratelimit-reset": said}))
        with pytest.raises(RetryError) as caught:
            await app.send(message())
        assert caught.value.after == waited


async def test_too_many_requests_wait(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    feishu.fail("send", Failure(99991400, 429, headers={"x-ogw-ratelimit-reset": "17"}))
    with pytest.raises(RetryError) as caught:
        await app.send(message())
    assert 17 <= caught.value.after <= 60


async def test_no_answer_is_tried_again(
    feishu: FeishuDouble, app: FeishuAppAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.http, "TIMEOUT", ClientTimeout(total=0.1))
    feishu.fail("token", Failure(hang=True))
    with pytest.raises(RetryError, match=r"127\.0\.0\.1"):
        await app.send(message())


@pytest.mark.parametrize("more", [{"app_secret": "wrong"}, {"app_id": "cli_other"}])
async def test_wrong_credentials_stop_the_connection(feishu: FeishuDouble, more: dict[str, str]) -> None:
    app = FeishuAppAdapter(configured(feishu, **more), NoState(), lambda: NEW_YEAR)
    with pytest.raises(ConfigurationError):
        await app.send(message())
    await app.close()


async def test_a_private_address_must_be_allowed(feishu: FeishuDouble) -> None:
    app = FeishuAppAdapter(configured(feishu, allow_private=False), NoState(), lambda: NEW_YEAR)
    with pytest.raises(ConfigurationError, match="private"):
        await app.send(message())
    await app.close()


async def test_no_secret_is_told(feishu: FeishuDouble, app: FeishuAppAdapter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = [repr(app), repr(app._config), str(app._config)]
    echo = f"bad {feishu.app_secret} t-1-tokenThatNobodyMaySee " + "long " * 100
    for where in ("token", "send"):
        for failure in (Failure(230001, message=echo), Failure(10014, message=echo), Failure(reset=True)):
            feishu.fail(where, failure)
            with pytest.raises(AdapterError) as caught:
                await app.send(message())
            told += [str(caught.value), repr(caught.value)]
            assert len(str(caught.value)) < 160
    told.append(caplog.text)
    for secret in (feishu.app_secret, "tokenThatNobodyMaySee"):
        assert [line for line in told if secret in line] == []


async def findings(app: FeishuAppAdapter) -> dict[str, bool]:
    return {finding.key: finding.ok for finding in await app.check() if finding.key != "check-clock"}


async def test_a_check_says_that_all_is_well_and_writes_to_nobody(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    assert await findings(app) == {
        "check-reachable": True,
        "check-credentials": True,
        "check-feishu-may-send": True,
        "check-feishu-long-connection": True,
    }
    assert feishu.messages == {}


async def test_a_check_of_the_http_mode_says_what_remains_to_be_seen(feishu: FeishuDouble) -> None:
    config = configured(feishu, mode="http", encrypt_key=feishu.encrypt_key, verification_token="t")
    app = FeishuAppAdapter(config, NoState(), lambda: NEW_YEAR)
    assert (await findings(app))["check-feishu-callback"] is True
    await app.close()


async def test_a_check_names_what_is_wrong(feishu: FeishuDouble, app: FeishuAppAdapter) -> None:
    feishu.may_send = False
    assert (await findings(app))["check-permission"] is False
    feishu.may_send, feishu.bot_on = True, False
    assert (await findings(app))["check-feishu-bot-off"] is False
    feishu.bot_on = True
    feishu.fail("endpoint", Failure(1000040350, 200))
    assert (await findings(app))["check-feishu-long-connection-refused"] is False
    feishu.fail("token", Failure(10014))
    assert await findings(app) == {"check-reachable": True, "check-credentials-refused": False}
    feishu.fail("token", Failure(status=404))
    assert await findings(app) == {"check-reachable": True, "check-feishu-stranger": False}
    feishu.fail("token", Failure(reset=True))
    assert await findings(app) == {"check-unreachable": False}
