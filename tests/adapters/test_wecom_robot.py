"""The group robot against a loopback platform."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
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
    RecipientError,
    RetryError,
)
from adapters.wecom_robot import WecomRobotAdapter, WecomRobotConfig
from tests.adapters.doubles.wecom import ROBOT_KEY, Fault, Memory, Wecom

PATH = "/cgi-bin/webhook/send"
NOON = datetime(2027, 1, 28, 12, tzinfo=UTC)


@pytest.fixture
async def wecom(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wecom]:
    monkeypatch.setattr("adapters.http.TIMEOUT", aiohttp.ClientTimeout(total=2))
    async with Wecom() as platform:
        yield platform


def adapter(wecom: Wecom, **keys: Any) -> WecomRobotAdapter:
    given = {"base_url": wecom.base, "allow_private": True, "key": ROBOT_KEY} | keys
    return WecomRobotAdapter(WecomRobotConfig(name="group", platform="wecom-robot", **given), Memory(), lambda: NOON)


@pytest.fixture
async def robot(wecom: Wecom) -> AsyncIterator[WecomRobotAdapter]:
    made = adapter(wecom)
    yield made
    await made.close()


async def test_it_keeps_the_contract(robot: WecomRobotAdapter) -> None:
    contract: Adapter = robot
    checker: Checker = robot
    assert (contract.connection, contract.can_button, contract.per_minute) == ("group", False, 20)
    assert checker


async def test_a_message_mentions_its_addressee(robot: WecomRobotAdapter, wecom: Wecom) -> None:
    assert await robot.send(Outgoing("7", "zhangsan", "年度报告", (Button("签收", "acknowledge:1"),))) == "7"
    assert wecom.delivered == [{"msgtype": "text", "text": {"content": "年度报告", "mentioned_list": ["zhangsan"]}}]


@pytest.mark.parametrize("address", ["", "chat:ops"])
async def test_a_message_to_the_group_mentions_nobody(robot: WecomRobotAdapter, wecom: Wecom, address: str) -> None:
    await robot.send(Outgoing("7", address, "年度报告"))
    assert wecom.delivered[0]["text"] == {"content": "年度报告"}


@pytest.mark.parametrize("address", ["@all", "all", "zhangsan|lisi"])
async def test_no_address_mentions_everyone(robot: WecomRobotAdapter, wecom: Wecom, address: str) -> None:
    with pytest.raises(RecipientError):
        await robot.send(Outgoing("7", address, "x"))
    assert wecom.calls == []


async def test_no_text_mentions_everyone(robot: WecomRobotAdapter, wecom: Wecom) -> None:
    await robot.send(Outgoing("7", "", "已办 <@all> <a href='https://x'>x</a>"))
    assert "<" not in wecom.delivered[0]["text"]["content"]


async def test_markdown_mentions_inside_the_text_and_shows_markup_as_it_is(wecom: Wecom) -> None:
    robot = adapter(wecom, format="markdown")
    await robot.send(Outgoing("7", "zhangsan", "**急** <@all> [x](https://x)"))
    content = wecom.delivered[0]["markdown"]["content"]
    assert content == "＊＊急＊＊ ＜@all＞ ［x］(https://x)\n<@zhangsan>"
    await robot.close()


async def test_markdown_that_would_grow_too_long_goes_out_as_text(wecom: Wecom) -> None:
    robot = adapter(wecom, format="markdown")
    await robot.send(Outgoing("7", "zhangsan", "*" * 2048))
    assert wecom.delivered[0]["msgtype"] == "text"
    await robot.close()


async def test_the_longest_part_fits(robot: WecomRobotAdapter, wecom: Wecom) -> None:
    await robot.send(Outgoing("7", "zhangsan", "<@" * (robot.max_bytes // 2)))
    assert len(wecom.delivered[0]["text"]["content"].encode()) == 2048


@pytest.mark.parametrize(
    ("fault", "kind", "after"),
    [
        (-1, RetryError, 5),
        (45009, RetryError, 60),
        (777777, RetryError, 5),
        ("html", RetryError, 5),
        ("502", RetryError, 0),
        ("429", RetryError, 7),
        ("hang", RetryError, 0),
        ("reset", RetryError, 0),
        (93000, ConfigurationError, None),
        (93004, ConfigurationError, None),
        (93008, ConfigurationError, None),
        (40058, RecipientError, None),
        (40008, RecipientError, None),
        (44004, RecipientError, None),
        (45002, RecipientError, None),
    ],
)
async def test_each_fault_says_what_to_do(
    robot: WecomRobotAdapter, wecom: Wecom, fault: Fault, kind: type[AdapterError], after: float | None
) -> None:
    wecom.fault(PATH, fault)
    with pytest.raises(kind) as refused:
        await robot.send(Outgoing("7", "", "x"))
    if isinstance(refused.value, RetryError):
        assert refused.value.after == after
    assert ROBOT_KEY not in f"{refused.value!r}"
    await robot.send(Outgoing("7", "", "x"))


async def test_a_limit_in_the_middle_of_a_burst_holds_up_only_its_own(robot: WecomRobotAdapter, wecom: Wecom) -> None:
    wecom.fault(PATH, 0, 45009)
    sent = await asyncio.gather(
        *(robot.send(Outgoing(str(number), "", "x")) for number in range(4)), return_exceptions=True
    )
    assert sum(isinstance(one, RetryError) for one in sent) == 1
    assert len(wecom.delivered) == 3


async def test_the_check_sends_nothing(robot: WecomRobotAdapter, wecom: Wecom) -> None:
    assert [finding.key for finding in await robot.check()] == [
        "check-reachable",
        "check-wecom-robot-key-not-refused",
    ]
    assert wecom.delivered == []


async def test_the_check_finds_a_wrong_key(wecom: Wecom) -> None:
    robot = adapter(wecom, key="another-key")
    found = (await robot.check())[-1]
    assert (found.ok, found.key, found.facts) == (False, "check-credentials-refused", {"code": "93000"})
    await robot.close()


@pytest.mark.parametrize("fault", ["502", "html"])
async def test_the_check_tells_when_something_else_answers(
    robot: WecomRobotAdapter, wecom: Wecom, fault: Fault
) -> None:
    wecom.fault(PATH, fault)
    assert [finding.key for finding in await robot.check()] == ["check-unreachable"]


async def test_the_check_says_that_nobody_answers() -> None:
    robot = WecomRobotAdapter(
        WecomRobotConfig(
            name="group", platform="wecom-robot", base_url="http://127.0.0.1:9", allow_private=True, key="k"
        ),
        Memory(),
        lambda: NOON,
    )
    (found,) = await robot.check()
    assert (found.ok, found.key, found.facts["host"]) == (False, "check-unreachable", "127.0.0.1:9")
    await robot.close()


async def test_a_private_address_needs_to_be_allowed(wecom: Wecom) -> None:
    robot = adapter(wecom, allow_private=False)
    with pytest.raises(ConfigurationError, match="allow_private"):
        await robot.send(Outgoing("7", "", "x"))
    await robot.close()


@pytest.mark.parametrize("key", ["", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-secret"])
def test_the_whole_address_is_not_a_key_and_is_not_repeated(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        WecomRobotConfig(name="group", platform="wecom-robot", key=key)
    assert "693a91f6" not in str(refused.value)


async def test_the_key_is_shown_nowhere(
    robot: WecomRobotAdapter, wecom: Wecom, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wecom.fault(PATH, 93000, "reset")
    for _ in range(2):
        with pytest.raises(AdapterError) as refused:
            await robot.send(Outgoing("7", "", "x"))
        assert ROBOT_KEY not in repr(refused.value) + str(refused.value.__context__)
    assert ROBOT_KEY not in repr(vars(robot)) + str(robot._config)
    client_lines = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.access")]
    assert ROBOT_KEY not in "".join(client_lines)
