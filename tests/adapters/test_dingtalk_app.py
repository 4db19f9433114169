import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from adapters import http
from adapters.base import AdapterError, Button, ConfigurationError, Outgoing, RecipientError, RetryError
from adapters.dingtalk_app import DingTalkAppAdapter
from adapters.dingtalk_cards import flat
from adapters.dingtalk_events import Via
from tests.adapters.doubles.dingtalk import (
    BY_SESSION,
    CARDS,
    CLIENT,
    CLIENT_SECRET,
    CREATE,
    GATEWAY,
    GROUPS,
    NO_PERMISSION,
    OTO,
    QPS,
    SESSION,
    STANDARD,
    STATUS,
    TEMPLATE,
    TOKEN,
    Answer,
    DingTalk,
    app_config,
    app_of,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = int(NOON.timestamp() * 1000) + 3_600_000
BUTTONS = (Button("签收", "ack:42", "primary"), Button("延期", "later:42"), Button("退回", "back:42", "danger"))


@pytest.fixture
async def far() -> AsyncIterator[DingTalk]:
    async with DingTalk(lambda: NOON) as running:
        yield running


def message(
    text: str = "年度报告到期", address: str = "manager01", key: str = "42", via: str = "", *, buttons: bool = False
) -> Outgoing:
    return Outgoing(key, address, text, BUTTONS if buttons else (), via)


def refused(status: int, code: str, said: str = "refused") -> Answer:
    return Answer(status, {"code": code, "message": said, "requestid": "R-1"})


def via(far: DingTalk, chat: str = "", session: str = SESSION, until: int = LATER) -> str:
    return Via(chat, f"{far.url}{BY_SESSION}?session={session}", until).write()


async def test_it_writes_to_one_person(far: DingTalk) -> None:
    async with app_of(far) as app:
        assert await app.send(message()) == "oto-1"
    assert far.of(OTO) == [
        {
            "robotCode": CLIENT,
            "userIds": ["manager01"],
            "msgKey": "sampleText",
            "msgParam": '{"content":"年度报告到期"}',
        }
    ]


async def test_it_writes_to_a_group(far: DingTalk) -> None:
    async with app_of(far) as app:
        assert await app.send(message(address="chat:cidGroup+0001==")) == "group-1"
    assert far.of(GROUPS)[0]["openConversationId"] == "cidGroup+0001=="


async def test_buttons_that_cannot_be_shown_are_left_out(far: DingTalk) -> None:
    async with app_of(far) as app:
        await app.send(message(buttons=True))
    assert [path for path, _ in far.said] == [OTO]


@pytest.mark.parametrize(
    ("more", "able"),
    [
        ({}, False), ({"mode": "http"}, False), ({"card_template": TEMPLATE}, True), ({"standard_card": True}, True),
    ],
)  # fmt: skip
async def test_only_with_cards_it_offers_buttons_and_changes(far: DingTalk, more: dict[str, Any], able: bool) -> None:
    async with app_of(far, **more) as app:
        assert (app.can_button, app.can_update) == (able, able)


@pytest.mark.parametrize(
    ("address", "raised", "after"),
    [("gone01", RecipientError, 0), ("filtered01", RecipientError, 0), ("busy01", RetryError, 60)],
)
async def test_the_answer_is_read_per_recipient(
    far: DingTalk, address: str, raised: type[AdapterError], after: float
) -> None:
    async with app_of(far) as app:
        with pytest.raises(raised, match="StaffIdList") as caught:
            await app.send(message(address=address))
    assert getattr(caught.value, "after", 0) == after


@pytest.mark.parametrize(
    ("answer", "raised", "after"),
    [
        (refused(400, "staffId.notExisted"), RecipientError, 0),
        (refused(400, "invalid.openConversationId"), RecipientError, 0),
        (refused(400, "group.disbanded"), RecipientError, 0),
        (refused(400, "invalidParameter.msgParam.tooLong"), RecipientError, 0),
        (refused(403, "Forbidden.AccessDenied.IpNotInWhiteList"), ConfigurationError, 0),
        (refused(403, NO_PERMISSION), ConfigurationError, 0),
        (refused(403, "Forbidden.Anything"), ConfigurationError, 0),
        (refused(400, "invalidParameter.robotCode.notExsit"), ConfigurationError, 0),
        (refused(400, "template.stopped"), ConfigurationError, 0),
        (refused(403, QPS), RetryError, 1),
        (refused(400, "never.heard.of"), RetryError, 0),
        (refused(404, ""), RetryError, 0),
        (Answer(429, headers={"Retry-After": "3"}), RetryError, 3),
        (Answer(503, body="busy"), RetryError, 0),
        (Answer(body={}), RetryError, 0),
        (Answer(body="<html>"), RetryError, 0),
        (Answer(body={"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}), RetryError, 5),
        (Answer(reset=True), RetryError, 0),
        (Answer(reset=True, after=True), RetryError, 0),
    ],
)
async def test_each_fault_says_what_to_do(
    far: DingTalk, answer: Answer, raised: type[AdapterError], after: float
) -> None:
    far.fail(OTO, answer)
    async with app_of(far) as app:
        with pytest.raises(raised) as caught:
            await app.send(message())
        assert getattr(caught.value, "after", 0) == after
        assert await app.send(message()) != ""


async def test_a_platform_that_hangs_is_tried_again(far: DingTalk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    far.fail(OTO, Answer(hang=True))
    async with app_of(far) as app:
        with pytest.raises(RetryError, match="cannot reach"):
            await app.send(message())


async def test_however_many_send_at_once_there_is_one_token(far: DingTalk) -> None:
    async with app_of(far) as app:
        await asyncio.gather(*(app.send(message(key=str(n))) for n in range(20)))
        assert far.issued == 1
        far.expire()
        await asyncio.gather(*(app.send(message(key=str(n))) for n in range(20)))
    assert far.issued == 2
    assert len(far.of(OTO)) == 40


@pytest.mark.parametrize("answer", [refused(401, "InvalidAuthentication"), refused(400, "InvalidAuthentication")])
async def test_a_refused_token_is_renewed_once(far: DingTalk, answer: Answer) -> None:
    far.fail(OTO, answer)
    async with app_of(far) as app:
        assert await app.send(message()) == "oto-1"
        assert far.issued == 2
        far.fail(OTO, answer, answer)
        with pytest.raises(ConfigurationError, match="fresh access token"):
            await app.send(message())


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (refused(400, "invalidClientIdOrSecret"), ConfigurationError),
        (refused(401, ""), ConfigurationError),
        (Answer(body={"accessToken": ""}), RetryError),
        (Answer(body={"accessToken": 7}), RetryError),
        (Answer(502), RetryError),
    ],
)
async def test_without_a_token_nothing_is_sent(far: DingTalk, answer: Answer, raised: type[AdapterError]) -> None:
    far.fail(TOKEN, answer)
    async with app_of(far) as app:
        with pytest.raises(raised):
            await app.send(message())
    assert far.said == []


async def test_an_answer_goes_where_the_question_was_asked(far: DingTalk) -> None:
    async with app_of(far) as app:
        assert await app.send(message(via=via(far, "cidGroup"))) == "42"
        assert await app.send(message(via=via(far))) == "42"
    group, direct = far.of(BY_SESSION)
    assert group["text"]["content"] == "@manager01 年度报告到期"
    assert group["at"] == {"atUserIds": ["manager01"], "isAtAll": False}
    assert direct == {
        "msgtype": "text",
        "text": {"content": "年度报告到期"},
        "at": {"atUserIds": [], "isAtAll": False},
    }


async def test_an_opaque_sender_is_answered_without_a_mention(far: DingTalk) -> None:
    async with app_of(far) as app:
        await app.send(message(address="$:LWCP_v1:$outsider", via=via(far, "cidGroup")))
    assert far.of(BY_SESSION)[0]["at"]["atUserIds"] == []


@pytest.mark.parametrize("fault", ["expired", "unknown session", "another host", "refused"])
async def test_when_the_session_has_ended_the_group_is_written_to(far: DingTalk, fault: str) -> None:
    ways = {
        "expired": via(far, "cidGroup", until=int(NOON.timestamp() * 1000) + 1000),
        "unknown session": via(far, "cidGroup", session="0"),
        "another host": Via("cidGroup", "https://evil.example/robot/sendBySession?session=1", LATER).write(),
        "refused": via(far, "cidGroup"),
    }
    if fault == "refused":
        far.fail(BY_SESSION, Answer(body={"errcode": 130101, "errmsg": "too fast"}))
    async with app_of(far) as app:
        assert await app.send(message(via=ways[fault])) == "group-1"
    assert len(far.of(GROUPS)) == 1


async def test_when_the_group_is_gone_the_address_is_written_to(far: DingTalk) -> None:
    async with app_of(far) as app:
        assert await app.send(message(via=Via("goneGroup").write())) == "oto-1"
        assert await app.send(message(via="not ours at all")) == "oto-2"


async def test_a_session_that_does_not_answer_is_not_answered_twice(far: DingTalk) -> None:
    far.fail(BY_SESSION, Answer(503))
    async with app_of(far) as app:
        with pytest.raises(RetryError):
            await app.send(message(via=via(far, "cidGroup")))
    assert far.said == []


async def test_a_card_goes_to_one_person(far: DingTalk) -> None:
    async with app_of(far, card_template=TEMPLATE) as app:
        receipt = await app.send(message("年度报告\n1 月 31 日", buttons=True))
    (body,) = far.of(CREATE)
    assert receipt == body["outTrackId"]
    assert (body["openSpaceId"], body["callbackType"]) == ("dtv1.card//IM_ROBOT.manager01", "STREAM")
    assert body["imRobotOpenDeliverModel"] == {"spaceType": "IM_ROBOT", "robotCode": CLIENT}
    variables = body["cardData"]["cardParamMap"]
    assert (variables["title"], variables["text"]) == ("年度报告", "年度报告  \n1 月 31 日")
    buttons = json.loads(variables["btns"])
    assert [(one["text"], one["color"]) for one in buttons] == [("签收", "blue"), ("延期", "gray"), ("退回", "red")]
    assert buttons[0]["event"] == {
        "type": "sendCardRequest",
        "params": {"actionId": "b1", "params": {"value": "ack:42"}},
    }


async def test_a_card_goes_to_a_group_and_into_an_answer(far: DingTalk) -> None:
    async with app_of(far, card_template=TEMPLATE) as app:
        await app.send(message(address="chat:cidGroup", buttons=True))
        await app.send(message(key="43", via=via(far, "cidOther"), buttons=True))
        await app.send(message(key="44"))
    assert [one["openSpaceId"] for one in far.of(CREATE)] == [
        "dtv1.card//IM_GROUP.cidGroup",
        "dtv1.card//IM_GROUP.cidOther",
    ]
    assert [one["userIds"] for one in far.of(OTO)] == [["manager01"]]


async def test_a_card_sent_again_is_the_same_card(far: DingTalk) -> None:
    far.fail(CREATE, Answer(reset=True, after=True))
    async with app_of(far, card_template=TEMPLATE) as app:
        with pytest.raises(RetryError):
            await app.send(message(buttons=True))
        first = await app.send(message(buttons=True))
        other = await app.send(message("另一句", buttons=True))
    assert len(far.cards) == 2
    assert first != other


async def test_a_card_that_is_not_delivered_becomes_text(far: DingTalk) -> None:
    far.fail(CREATE, refused(400, "param.userIdNotExist"))
    async with app_of(far, card_template=TEMPLATE) as app:
        assert await app.send(message(buttons=True)) == "oto-1"
        with pytest.raises(RecipientError, match="invalidStaffIdList"):
            await app.send(message(address="gone01", buttons=True))


@pytest.mark.parametrize("body", [{}, {"success": False, "message": "no"}, "<html>"])
async def test_a_card_is_sent_only_if_the_answer_says_so(far: DingTalk, body: Any) -> None:
    far.fail(CREATE, Answer(body=body))
    async with app_of(far, card_template=TEMPLATE) as app:
        with pytest.raises(RetryError):
            await app.send(message(buttons=True))


async def test_a_template_that_is_not_there_is_a_matter_of_configuration(far: DingTalk) -> None:
    async with app_of(far, card_template="other.schema") as app:
        with pytest.raises(ConfigurationError, match="cardTemplateInvalid"):
            await app.send(message(buttons=True))


async def test_a_card_is_changed_when_its_obligation_is(far: DingTalk) -> None:
    async with app_of(far, card_template=TEMPLATE) as app:
        receipt = await app.send(message(buttons=True))
        assert await app.update(receipt, message("已报结")) == receipt
        assert far.cards[receipt] == {"title": "已报结", "text": "已报结", "btns": "[]"}
        far.fail(CARDS, refused(400, "param.cardNotExist"))
        with pytest.raises(RecipientError):
            await app.update(receipt, message())


async def test_only_cards_can_be_changed(far: DingTalk) -> None:
    async with app_of(far) as app:
        receipt = await app.send(message())
        with pytest.raises(RecipientError):
            await app.update(receipt, message())


async def test_a_standard_card_needs_no_template(far: DingTalk) -> None:
    async with app_of(far, standard_card=True) as app:
        receipt = await app.send(message("年度报告\n1 月 31 日", buttons=True))
        await app.send(message(address="chat:cidGroup", buttons=True))
        await app.update(receipt, message("年度报告\n已报结"))
    direct, group = far.of(STANDARD)
    assert json.loads(direct["singleChatReceiver"]) == {"userId": "manager01"}
    assert group["openConversationId"] == "cidGroup"
    text, actions = json.loads(direct["cardData"])["contents"]
    assert text["text"] == "1 月 31 日"
    assert [(one["id"], one["status"]) for one in actions["actions"]] == [
        ("ack:42", "primary"), ("later:42", "normal"), ("back:42", "warning")
    ]  # fmt: skip
    assert [one["type"] for one in far.cards[receipt]["contents"]] == ["markdown"]


@pytest.mark.parametrize("worst", ['"', "\\", "@ ", "\n", "* ", "督", "\U0001f600"])
@pytest.mark.parametrize("card", [{}, {"card_template": TEMPLATE}, {"standard_card": True}])
async def test_the_longest_text_stays_within_the_platforms_bytes(
    far: DingTalk, worst: str, card: dict[str, Any]
) -> None:
    text = worst * (DingTalkAppAdapter.max_bytes // len(worst.encode()))
    async with app_of(far, **card) as app:
        await app.send(message(text, buttons=True))


async def test_buttons_that_do_not_fit_are_left_out(far: DingTalk) -> None:
    buttons = (Button("好", "x" * 129), Button("长" * 41, "ok"), *(Button(str(n), f"v{n}") for n in range(12)))
    async with app_of(far, card_template=TEMPLATE) as app:
        receipt = await app.send(Outgoing("42", "manager01", "提醒", buttons))
    assert [one["text"] for one in json.loads(far.cards[receipt]["btns"])] == [str(n) for n in range(10)]


@pytest.mark.parametrize("said", ["@all", "@所有人", '<a atId="all">x</a>', "[x](https://e.cn)", "**b**", "# h", "`c`"])
def test_what_users_wrote_is_no_markup_on_a_card(said: str) -> None:
    assert not set(flat(said)) & set("@<>[]*#`")


def test_a_card_keeps_lines_and_bare_links() -> None:
    assert flat("见 https://d.gov.cn/o/4_2?t=a_b\n  二_三\n---") == (
        "见 https://d.gov.cn/o/4_2?t=a_b  \n\u00a0\u00a0二＿三  \n－－－"
    )


async def test_nothing_shows_a_credential(far: DingTalk, capsys: pytest.CaptureFixture[str]) -> None:
    said = f"{CLIENT_SECRET} token-1 {SESSION} " + "x" * 500
    far.fail(TOKEN, refused(400, "invalidClientIdOrSecret", CLIENT_SECRET))
    far.fail(OTO, refused(403, "Forbidden.X", CLIENT_SECRET), refused(400, "x.y", f"token-1 {CLIENT_SECRET}"))
    far.fail(OTO, Answer(reset=True), refused(403, "Forbidden.X", CLIENT_SECRET))
    far.fail(BY_SESSION, Answer(body={"errcode": 1, "errmsg": said}))
    shown = [repr(app_config(far.url))]
    async with app_of(far) as app:
        shown.append(repr(app))
        for way in ("", "", "", "", via(far)):
            with pytest.raises(AdapterError) as caught:
                await app.send(message(via=way))
            shown.append(f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}")
    printed = "".join(shown) + "".join(capsys.readouterr())
    assert "***" in printed
    assert not any(secret in printed for secret in (CLIENT_SECRET, "token-1", SESSION))


@pytest.mark.parametrize(
    "wrong",
    [
        {"card_template": TEMPLATE, "standard_card": True},
        {"mode": "http", "card_template": TEMPLATE},
        {"event_token": "t"},
        {"event_token": "t", "event_aes_key": "short"},
        {"client_id": "with space"},
        {"unknown": "x"},
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        app_config("", session_url="https://oapi.dingtalk.com", **wrong)
    assert CLIENT_SECRET not in str(caught.value)


def keys(found: list[Any]) -> list[tuple[bool, str]]:
    return [(one.ok, one.key) for one in found]


async def test_a_good_configuration_is_found_good_without_sending(far: DingTalk) -> None:
    far.now = lambda: datetime.now(UTC)
    async with app_of(far, card_template=TEMPLATE) as app:
        found = await app.check()
    assert keys(found) == [
        (True, "check-reachable"), (True, "check-credentials"), (True, "check-dingtalk-robot"),
        (True, "check-dingtalk-stream"), (True, "check-unconfirmed"),
    ]  # fmt: skip
    assert (far.said, far.connections) == ([], 0)


async def test_a_check_tells_what_is_wrong(far: DingTalk) -> None:
    far.now = lambda: datetime.now(UTC)
    async with app_of(far, client_secret="another") as app:
        assert keys(await app.check())[-1] == (False, "check-credentials-refused")
    far.fail(STATUS, refused(403, NO_PERMISSION))
    far.fail(GATEWAY, refused(403, "Forbidden.Stream"))
    async with app_of(far) as app:
        assert keys(await app.check())[2:] == [(False, "check-permission"), (False, "check-dingtalk-stream-refused")]
    async with app_of(far, robot_code="another") as app:
        assert keys(await app.check())[2] == (False, "check-dingtalk-robot-code")
    async with app_of(far, mode="http") as app:
        assert keys(await app.check())[-1] == (True, "check-dingtalk-unsigned-body")


async def test_a_check_keeps_what_it_found_before_the_platform_fell_silent(far: DingTalk) -> None:
    far.fail(GATEWAY, Answer(503))
    async with app_of(far) as app:
        found = await app.check()
    assert (True, "check-credentials") in keys(found)
    assert keys(found)[-1] == (False, "check-unreachable")
    assert (False, "check-clock") in keys(found)
