import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import ClientTimeout
from pydantic import SecretStr, ValidationError

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
)
from adapters.feishu import literal
from adapters.feishu_robot import FAULTS, HOOK, FeishuRobotAdapter, FeishuRobotConfig, sign
from tests.adapters.doubles.feishu import NEW_YEAR, PAYLOADS, Failure, FeishuDouble, NoState

VECTORS = {vector["id"]: vector for vector in json.loads((PAYLOADS / "vectors.json").read_bytes())}


@pytest.fixture
async def feishu() -> AsyncIterator[FeishuDouble]:
    async with FeishuDouble() as double:
        yield double


def configured(feishu: FeishuDouble, **more: object) -> FeishuRobotConfig:
    known = {
        "name": "group",
        "platform": "feishu-robot",
        "webhook": feishu.base + HOOK + feishu.hook,
        "secret": feishu.hook_secret,
        "allow_private": True,
    }
    return FeishuRobotConfig.model_validate(known | more)


@pytest.fixture
async def robot(feishu: FeishuDouble) -> AsyncIterator[FeishuRobotAdapter]:
    adapter = FeishuRobotAdapter(configured(feishu), NoState(), lambda: NEW_YEAR)
    yield adapter
    await adapter.close()


def message(text: str = "提醒", address: str = "", key: str = "1") -> Outgoing:
    return Outgoing(key, address, text, (Button("签收", "ack:1"),))


async def test_it_keeps_the_contract(robot: FeishuRobotAdapter) -> None:
    contract: Adapter = robot
    checker: Checker = robot
    assert (contract.connection, contract.platform, contract.can_button) == ("group", "feishu-robot", False)
    assert checker is robot


def test_the_signature_is_the_documented_one() -> None:
    vector = VECTORS["feishu-bot-sign-1"]
    assert sign(vector["inputs"]["timestamp_s"], vector["inputs"]["secret"]) == vector["expected"]["sign"]


async def test_a_message_is_signed_and_its_key_is_the_receipt(feishu: FeishuDouble, robot: FeishuRobotAdapter) -> None:
    assert await robot.send(message()) == "1"
    assert feishu.said == [{"text": "提醒", "mentions": []}]


async def test_the_address_is_mentioned(feishu: FeishuDouble, robot: FeishuRobotAdapter) -> None:
    await robot.send(message(address="ou_1"))
    assert feishu.said[0]["mentions"] == ["ou_1"]


@pytest.mark.parametrize("address", ["all", 'ou_1"></at><at user_id="all', "张三", "ou 1"])
async def test_everybody_is_never_mentioned(feishu: FeishuDouble, robot: FeishuRobotAdapter, address: str) -> None:
    with pytest.raises(RecipientError):
        await robot.send(message(address=address))
    assert feishu.said == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('<at user_id="all">所有人</at>', '＜at user_id="all">所有人＜/at>'),
        ("[点此](http://evil.example)", "[点此] (http://evil.example)"),
        ("**粗**", "* *粗* *"),
        ("a < b, 3<4, [1] (2), 2*3", "a < b, 3<4, [1] (2), 2*3"),
        ("一\x00\x07\ud800二\n三", "一二\n三"),
    ],
)
async def test_markup_in_a_text_is_text(feishu: FeishuDouble, robot: FeishuRobotAdapter, said: str, shown: str) -> None:
    await robot.send(message(said))
    assert feishu.said == [{"text": shown, "mentions": []}]
    assert literal(shown) == shown


async def test_the_longest_text_fits_whatever_it_holds(feishu: FeishuDouble, robot: FeishuRobotAdapter) -> None:
    size = robot.max_bytes
    for text in ("督" * (size // 3), '"' * size, "\n" * size, "<a" * (size // 2), "*" * size, "](" * (size // 2)):
        await robot.send(message(text, address="ou_" + "1" * 40))
    assert len(feishu.said) == 6


async def test_every_documented_code_has_its_class(feishu: FeishuDouble, robot: FeishuRobotAdapter) -> None:
    for code, kind in FAULTS.items():
        feishu.fail("hook", Failure(code, 200))
        with pytest.raises(kind, match=str(code)):
            await robot.send(message())


@pytest.mark.parametrize(
    "failure",
    [Failure(424242, 200), Failure(status=500), Failure(status=502), Failure(status=429), Failure(reset=True)],
)
async def test_what_is_unknown_is_tried_again(
    feishu: FeishuDouble, robot: FeishuRobotAdapter, failure: Failure
) -> None:
    feishu.fail("hook", failure)
    with pytest.raises(RetryError):
        await robot.send(message())
    assert await robot.send(message()) == "1"


async def test_a_redirect_is_not_followed(feishu: FeishuDouble, robot: FeishuRobotAdapter) -> None:
    feishu.fail("hook", Failure(status=302, headers={"Location": feishu.base + HOOK + feishu.hook}))
    with pytest.raises(RetryError, match="HTTP 302"):
        await robot.send(message())
    assert feishu.calls["hook"] == 1


async def test_no_answer_is_tried_again(
    feishu: FeishuDouble, robot: FeishuRobotAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.http, "TIMEOUT", ClientTimeout(total=0.1))
    feishu.fail("hook", Failure(hang=True))
    with pytest.raises(RetryError):
        await robot.send(message())


async def test_a_removed_bot_stops_the_connection_only_where_that_is_trusted(feishu: FeishuDouble) -> None:
    for more, kind in (({}, RetryError), ({"stop_on_unknown_hook": True}, ConfigurationError)):
        robot = FeishuRobotAdapter(
            configured(feishu, webhook=feishu.base + HOOK + "gone", **more), NoState(), lambda: NEW_YEAR
        )
        with pytest.raises(kind, match="19001"):
            await robot.send(message())
        await robot.close()


async def test_the_last_part_of_the_address_is_enough(feishu: FeishuDouble) -> None:
    config = configured(feishu, webhook=feishu.hook, base_url=feishu.base)
    robot = FeishuRobotAdapter(config, NoState(), lambda: NEW_YEAR)
    assert await robot.send(message()) == "1"
    await robot.close()


@pytest.mark.parametrize("webhook", ["", "https://open.feishu.cn/", "https://a.cn/open-apis/bot/v2/hook/", "a b"])
def test_another_address_is_refused(webhook: str) -> None:
    with pytest.raises(ValidationError, match="expected the address that the group's settings show"):
        FeishuRobotConfig.model_validate({"name": "group", "platform": "feishu-robot", "webhook": webhook})


async def test_no_secret_is_told(
    feishu: FeishuDouble, robot: FeishuRobotAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = [repr(robot), repr(robot._config), str(robot._config)]
    echo = f"bad {feishu.hook} {feishu.hook_secret} t-abcdefghijk " + "long " * 100
    for failure in (Failure(9499, 200, echo), Failure(1, 200, echo), Failure(status=500), Failure(reset=True)):
        feishu.fail("hook", failure)
        with pytest.raises(AdapterError) as caught:
            await robot.send(message())
        told += [str(caught.value), repr(caught.value)]
        assert len(str(caught.value)) < 160
    told.append(caplog.text)
    for secret in (feishu.hook, feishu.hook_secret, "t-abcdefghijk"):
        assert [line for line in told if secret in line] == []


async def test_a_check_says_that_all_is_well_and_says_nothing_in_the_group(
    feishu: FeishuDouble, robot: FeishuRobotAdapter
) -> None:
    found = {finding.key: finding.ok for finding in await robot.check()}
    assert found | {"check-clock": True} == {
        "check-reachable": True,
        "check-clock": True,
        "check-feishu-robot-probed": True,
    }
    assert feishu.said == []


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (19021, "check-credentials-refused"),
        (19022, "check-feishu-address-refused"),
        (19024, "check-feishu-keyword"),
        (19001, "check-feishu-hook-unknown"),
    ],
)
async def test_a_check_names_what_is_wrong(
    feishu: FeishuDouble, robot: FeishuRobotAdapter, code: int, key: str
) -> None:
    feishu.fail("hook", Failure(code, 200))
    assert [(f.key, dict(f.facts)) for f in await robot.check() if f.key.startswith(key)] == [
        (key, {"code": str(code)})
    ]


async def test_a_check_finds_a_wrong_secret(feishu: FeishuDouble) -> None:
    config = configured(feishu).model_copy(update={"secret": SecretStr("wrong")})
    robot = FeishuRobotAdapter(config, NoState(), lambda: NEW_YEAR)
    assert "check-credentials-refused" in [finding.key for finding in await robot.check() if not finding.ok]
    await robot.close()


async def test_a_check_sees_that_nobody_answers(feishu: FeishuDouble, robot: FeishuRobotAdapter) -> None:
    feishu.fail("hook", Failure(status=503), Failure(status=404))
    for reason in ("HTTP 503", "HTTP 404"):
        (finding,) = await robot.check()
        assert (finding.ok, finding.key) == (False, "check-unreachable")
        assert finding.facts == {"host": "127.0.0.1", "reason": reason}


async def test_a_clock_that_is_off_is_told_and_its_signature_refused(feishu: FeishuDouble) -> None:
    late = NEW_YEAR + timedelta(hours=2)
    robot = FeishuRobotAdapter(configured(feishu), NoState(), lambda: late)
    with pytest.raises(ConfigurationError, match="19021"):
        await robot.send(message())
    assert "check-clock" in [finding.key for finding in await robot.check() if not finding.ok]
    await robot.close()
