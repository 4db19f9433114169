from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import aiohttp
import pytest
from pydantic import ValidationError

from adapters import http
from adapters.base import AdapterError, Button, ConfigurationError, Outgoing, RecipientError, RetryError
from adapters.dingtalk_robot import DingTalkRobotAdapter, DingTalkRobotConfig, clock, neutral, short, sign
from adapters.http import Answer as HttpAnswer
from tests.adapters.doubles.dingtalk import (
    ROBOT_SECRET,
    ROBOT_TOKEN,
    WEBHOOK,
    Answer,
    DingTalk,
    NoState,
    robot_config,
    robot_of,
    vector,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def far() -> AsyncIterator[DingTalk]:
    async with DingTalk(lambda: NOON) as running:
        yield running


def message(text: str = "年度报告 1 月 31 日到期", address: str = "", key: str = "42") -> Outgoing:
    return Outgoing(key, address, text, (Button("签收", "ack:1"),))


def error(code: int, said: str = "refused") -> Answer:
    return Answer(body={"errcode": code, "errmsg": said})


@pytest.mark.parametrize("name", ["dingtalk-webhook-sign-1", "dingtalk-webhook-sign-2"])
def test_it_signs_as_the_vectors_do(name: str) -> None:
    inputs, expected = vector(name)["inputs"], vector(name)["expected"]
    signed = sign(inputs["secret"], inputs["timestamp_ms"])
    assert (signed, quote_plus(signed)) == (expected["sign_base64"], expected["sign_urlencoded"])


async def test_a_signature_with_plus_and_slash_arrives_whole(far: DingTalk) -> None:
    far.now = lambda: datetime.fromtimestamp(1767225600.009, UTC)
    async with robot_of(far) as robot:
        assert await robot.send(message()) == "42"


async def test_it_posts_text_and_mentions_the_address(far: DingTalk) -> None:
    async with robot_of(far) as robot:
        assert await robot.send(message(address="manager01")) == "42"
    assert far.of(WEBHOOK) == [
        {
            "msgtype": "text",
            "text": {"content": "@manager01 年度报告 1 月 31 日到期"},
            "at": {"atUserIds": ["manager01"], "isAtAll": False},
        }
    ]


async def test_it_mentions_mobile_numbers_where_the_addresses_are_such(far: DingTalk) -> None:
    async with robot_of(far, mention_by="mobile") as robot:
        await robot.send(message(address="13800000000"))
    assert far.of(WEBHOOK)[0]["at"] == {"atMobiles": ["13800000000"], "isAtAll": False}


async def test_without_an_address_nobody_is_mentioned(far: DingTalk) -> None:
    async with robot_of(far) as robot:
        await robot.send(message())
    assert far.of(WEBHOOK)[0]["at"] == {"atUserIds": [], "isAtAll": False}


@pytest.mark.parametrize("address", ["all and @more", "a\nb", "所有人", "x" * 65])
async def test_what_is_no_account_is_not_mentioned(far: DingTalk, address: str) -> None:
    async with robot_of(far) as robot:
        with pytest.raises(RecipientError):
            await robot.send(message(address=address))
    assert far.calls == []


async def test_the_keyword_is_added_only_where_it_is_missing(far: DingTalk) -> None:
    async with robot_of(far, keyword="督办") as robot:
        await robot.send(message("报告"))
        await robot.send(message("督办报告"))
    assert [one["text"]["content"] for one in far.of(WEBHOOK)] == ["报告\n督办", "督办报告"]


@pytest.mark.parametrize("said", ["@all", "@所有人 开会", "请 @manager01", "@@all", "(@all)", "，@all"])
def test_text_of_users_mentions_nobody(said: str) -> None:
    assert "@" not in neutral(said)


def test_mail_addresses_survive_and_control_characters_do_not() -> None:
    assert neutral("写信到 a.b@c.gov.cn\x00\ud800\n") == "写信到 a.b@c.gov.cn\n"


@pytest.mark.parametrize("worst", ['"', "\\", "@ ", "\n", "督", "\U0001f600"])
async def test_the_longest_text_stays_within_the_platforms_bytes(far: DingTalk, worst: str) -> None:
    text = worst * (DingTalkRobotAdapter.max_bytes // len(worst.encode()))
    async with robot_of(far, keyword="督" * 40) as robot:
        await robot.send(message(text, "x" * 64))


def test_no_minute_holds_more_than_twenty_messages() -> None:
    burst_and_refill = 2 * DingTalkRobotAdapter.per_minute
    assert burst_and_refill <= 20


@pytest.mark.parametrize(
    ("code", "raised", "after"),
    [
        (310000, ConfigurationError, 0), (300001, ConfigurationError, 0), (300005, ConfigurationError, 0),
        (400101, ConfigurationError, 0), (400102, ConfigurationError, 0), (400106, ConfigurationError, 0),
        (400013, ConfigurationError, 0), (88, ConfigurationError, 0),
        (40035, RecipientError, 0), (400105, RecipientError, 0), (43004, RecipientError, 0),
        (43002, RecipientError, 0), (34016, RecipientError, 0),
        (130101, RetryError, 60), (410100, RetryError, 60), (302033, RetryError, 60), (90002, RetryError, 60),
        (90018, RetryError, 60), (90019, RetryError, 60), (-1, RetryError, 0), (987654, RetryError, 0),
    ],
)  # fmt: skip
async def test_each_code_says_what_to_do(far: DingTalk, code: int, raised: type[AdapterError], after: float) -> None:
    far.fail(WEBHOOK, error(code))
    async with robot_of(far) as robot:
        with pytest.raises(raised, match=str(code)) as caught:
            await robot.send(message())
    assert getattr(caught.value, "after", 0) == after


async def test_a_message_said_to_be_too_long_is_not_tried_again(far: DingTalk) -> None:
    far.fail(WEBHOOK, error(12345, "message too long"))
    async with robot_of(far) as robot:
        with pytest.raises(RecipientError):
            await robot.send(message())


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (Answer(body={"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}), 5),
        (Answer(body={"status": 1111, "wait": 9999, "punish": "deny"}), 300),
        (Answer(body={"errcode": 130101, "errmsg": "too fast", "wait": 120, "punish": "deny"}), 120),
        (Answer(429, headers={"Retry-After": "7"}), 7),
        (Answer(503), 0),
        (Answer(body="<html>"), 0),
        (Answer(404, body="gone"), 0),
        (Answer(500, {"errcode": 0}), 0),
        (Answer(body={"errcode": False}), 0),
        (Answer(reset=True), 0),
    ],
)
async def test_passing_faults_are_tried_again(far: DingTalk, answer: Answer, after: float) -> None:
    far.fail(WEBHOOK, answer)
    async with robot_of(far) as robot:
        with pytest.raises(RetryError) as caught:
            await robot.send(message())
        assert caught.value.after == after
        assert await robot.send(message()) == "42"


async def test_a_platform_that_hangs_is_tried_again(far: DingTalk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    far.fail(WEBHOOK, Answer(hang=True))
    async with robot_of(far) as robot:
        with pytest.raises(RetryError, match="cannot reach"):
            await robot.send(message())


async def test_a_wrong_clock_is_a_matter_of_configuration(far: DingTalk) -> None:
    async with robot_of(far) as robot:
        far.now = lambda: NOON + timedelta(hours=2)
        with pytest.raises(ConfigurationError, match="sign not match"):
            await robot.send(message())


async def test_no_error_shows_a_credential(far: DingTalk) -> None:
    said = f"token {ROBOT_TOKEN} {quote_plus(ROBOT_SECRET)} " + "x" * 500
    far.fail(WEBHOOK, error(310000, said), error(-1, said), Answer(reset=True))
    shown = [repr(robot_config("https://oapi.dingtalk.com"))]
    async with robot_of(far) as robot:
        for _ in range(3):
            with pytest.raises(AdapterError) as caught:
                await robot.send(message())
            shown.append(str(caught.value) + repr(caught.value.__cause__))
    assert not any(secret in one for one in shown for secret in (ROBOT_TOKEN, ROBOT_SECRET))
    assert all(len(one) < 300 for one in shown[1:])


def test_a_faulty_configuration_does_not_show_its_secrets() -> None:
    with pytest.raises(ValidationError) as caught:
        robot_config("", mention_by=ROBOT_TOKEN, wrong=ROBOT_SECRET)
    assert ROBOT_TOKEN not in str(caught.value)
    assert ROBOT_SECRET not in str(caught.value)


def test_what_the_platform_says_becomes_one_short_line() -> None:
    assert short("a\n b\t\x00 c s3cret", "s3cret") == "a b c ***"


async def test_a_good_configuration_is_found_good_without_sending(far: DingTalk) -> None:
    far.now = lambda: datetime.now(UTC)
    async with robot_of(far) as robot:
        found = await robot.check()
    assert [(one.ok, one.key) for one in found] == [(True, "check-reachable"), (True, "check-credentials")]
    assert far.said == []


async def test_a_check_tells_what_is_wrong(far: DingTalk) -> None:
    async with robot_of(far, access_token="another") as robot:
        keys = {one.key: dict(one.facts) for one in await robot.check()}
    assert keys["check-credentials-refused"] == {"code": "300005"}
    assert "skew" in keys["check-clock"]


@pytest.mark.parametrize("said", [{}, {"date": "yesterday"}, {"date": "Thu, 01 Jan 2026 12:00:00"}])
def test_a_clock_is_compared_only_with_a_time(said: dict[str, str]) -> None:
    assert clock(HttpAnswer(200, said, ""), NOON) == []


async def test_a_check_admits_what_it_cannot_tell(far: DingTalk) -> None:
    far.fail(WEBHOOK, error(777))
    async with robot_of(far) as robot:
        assert (await robot.check())[-1].key == "check-unconfirmed"


async def test_a_check_names_the_host_that_cannot_be_reached() -> None:
    config = DingTalkRobotConfig.model_validate(
        {"name": "ding", "platform": "dingtalk-robot", "access_token": "t", "base_url": "http://127.0.0.1:1"}
    )
    robot = DingTalkRobotAdapter(config, NoState(), lambda: NOON)
    (finding,) = await robot.check()
    await robot.close()
    assert (finding.key, finding.facts["host"]) == ("check-unreachable", "127.0.0.1")
