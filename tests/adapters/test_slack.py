import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import http
from adapters.base import (
    AdapterError,
    Button,
    ConfigurationError,
    Incoming,
    MalformedError,
    Outgoing,
    RecipientError,
    RefusedError,
    Request,
    RetryError,
    UnverifiedError,
)
from adapters.slack import CONFIGURATION, RECIPIENT, RETRY, SlackAdapter, neutral, sections, sign
from adapters.slack_events import Via, spoken
from adapters.webhooks import Webhooks
from tests.adapters.doubles import slack as double
from tests.adapters.doubles.slack import (
    AUTH,
    HOOK,
    NOON,
    OPEN,
    POST,
    SECRET,
    TOKEN,
    UPDATE,
    Answer,
    Remembered,
    Slack,
    adapter_of,
    click,
    event,
    payload,
    signed,
    vector,
)

FORM = "application/x-www-form-urlencoded"
VECTORS = ["slack-v0-published-1", "slack-v0-interactive-1", "slack-v0-event-1"]


@pytest.fixture
async def far() -> AsyncIterator[Slack]:
    async with Slack(lambda: NOON) as running:
        yield running


def message(
    text: str = "年度报告 1 月 31 日到期", *buttons: Button, address: str = "U0ZHANG01", via: str = ""
) -> Outgoing:
    return Outgoing("42", address, text, buttons, via)


def near(**more: Any) -> SlackAdapter:
    return SlackAdapter(
        double.config("https://slack.example.com", hooks_url="https://hooks.slack.com", **more),
        Remembered(),
        lambda: NOON,
    )


def error(code: str, **headers: str) -> Answer:
    return Answer(body={"ok": False, "error": code}, headers={k.replace("_", "-"): v for k, v in headers.items()})


def texts(body: dict[str, Any]) -> list[str]:
    return [block["text"]["text"] for block in body["blocks"] if block["type"] == "section"]


# The signature


@pytest.mark.parametrize("name", VECTORS)
def test_it_signs_as_the_vectors_do(name: str) -> None:
    inputs, expected = vector(name)["inputs"], vector(name)["expected"]
    given = sign(inputs["signing_secret"], inputs["x_slack_request_timestamp"], inputs["http_body"].encode())
    assert given == expected["x_slack_signature"]


@pytest.mark.parametrize("name", VECTORS)
def test_it_accepts_the_vectors_in_their_time_and_not_later(name: str) -> None:
    inputs, expected = vector(name)["inputs"], vector(name)["expected"]
    seconds = inputs["x_slack_request_timestamp"]
    at = datetime.fromtimestamp(int(seconds), UTC)
    kind = FORM if "=" in inputs["http_body"][:10] else "application/json"
    headers = {
        "content-type": kind,
        "x-slack-request-timestamp": seconds,
        "x-slack-signature": expected["x_slack_signature"],
    }
    slack = near(signing_secret=inputs["signing_secret"])
    request = Request("POST", {}, headers, inputs["http_body"].encode())
    assert slack.receive(request, at + timedelta(seconds=10)).response.status == 200
    with pytest.raises(UnverifiedError):
        slack.receive(request, at + timedelta(seconds=301))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-slack-signature": ""}, {"x-slack-signature": "v0=00"}, {"x-slack-signature": "督办"},
        {"x-slack-request-timestamp": ""}, {"x-slack-request-timestamp": "-5"},
        {"x-slack-request-timestamp": "1767268801"}, {"x-slack-request-timestamp": "9" * 400},
    ],
)  # fmt: skip
def test_what_slack_did_not_sign_is_refused(headers: dict[str, str]) -> None:
    request = event(payload("direct"), NOON)
    with pytest.raises(UnverifiedError):
        near().receive(Request("POST", {}, {**request.headers, **headers}, request.body), NOON)


def test_a_changed_body_is_refused() -> None:
    request = event(payload("direct"), NOON)
    with pytest.raises(UnverifiedError):
        near().receive(Request("POST", {}, request.headers, request.body + b" "), NOON)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_what_is_older_than_five_minutes_is_a_replay(seconds: int) -> None:
    with pytest.raises(UnverifiedError):
        near().receive(event(payload("direct"), NOON), NOON + timedelta(seconds=seconds))


# Receiving


def test_the_check_of_the_address_is_answered_if_it_is_signed() -> None:
    found = near().receive(event(payload("url_check"), NOON), NOON)
    assert (found.messages, found.response.body.decode()) == ((), payload("url_check")["challenge"])
    with pytest.raises(UnverifiedError):
        near().receive(Request("POST", {}, {}, json.dumps(payload("url_check")).encode()), NOON)


def test_a_direct_message_comes_in_as_it_was_typed() -> None:
    (found,) = near().receive(event(payload("direct"), NOON), NOON).messages
    assert (found.app, found.message_id, found.sender) == ("A0DUBAN01", "Ev0DIRECT1", "U0ZHANG01")
    assert found.text == "完成 42 <已整改> 见 fire.example.cn/a"
    assert (found.reply_to, Via.read(found.via)) == ("", Via("D0ZHANG01"))


def test_an_answer_in_a_thread_names_the_message_it_answers() -> None:
    (found,) = near().receive(event(payload("direct_in_thread"), NOON), NOON).messages
    assert found.reply_to == "D0ZHANG01:1767268700.000100"
    assert Via.read(found.via) == Via("D0ZHANG01", "1767268700.000100")


def test_a_mention_in_a_channel_loses_the_name_of_the_bot_only() -> None:
    (found,) = near().receive(event(payload("mention"), NOON), NOON).messages
    assert found.text == "完成 42 @U0LI00001 已到场"
    assert Via.read(found.via) == Via("C0FIRE001", "1767268801.000500")


def test_a_mention_that_does_not_say_who_we_are_loses_its_first_word() -> None:
    (found,) = near().receive(event(payload("mention_in_thread"), NOON), NOON).messages
    assert (found.text, found.reply_to) == ("完成 42", "C0FIRE001:1767268700.000200")


@pytest.mark.parametrize(
    "name",
    ["mention_in_channel_stream", "from_a_bot", "own_message", "edited", "app_home", "rate_limited"],
)
def test_what_is_not_said_to_us_is_acknowledged_and_passed_over(name: str) -> None:
    found = near().receive(event(payload(name), NOON), NOON)
    assert (found.messages, found.response.status) == ((), 200)


def test_forms_without_a_payload_are_passed_over() -> None:
    assert near().receive(signed(b"ssl_check=1&token=x", NOON, FORM), NOON).messages == ()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("&lt;!channel&gt; &amp;amp;", "<!channel> &amp;"), ("<!here> <!subteam^S1|@消防>", "@here @消防"),
        ("<#C1|general> <https://x.cn/a?b=1&amp;c=2>", "general https://x.cn/a?b=1&c=2"), ("  签收 ", "签收"),
        ("<mailto:a@b.cn|a@b.cn>", "a@b.cn"), ("3 < 4", "3 < 4"),
    ],
)  # fmt: skip
def test_marks_of_the_platform_are_undone(typed: str, read: str) -> None:
    assert spoken(typed, frozenset(), addressed=False) == read


def test_a_click_carries_the_button_and_the_message_and_the_way_back() -> None:
    (found,) = near().receive(click(payload("click"), NOON), NOON).messages
    assert (found.action, found.text, found.sender) == ("ack:42", "", "U0ZHANG01")
    assert found.reply_to == "C0FIRE001:1767268700.000100"
    assert found.message_id == "click-1767268700.000100-U0ZHANG01-b0-1767268810.000200"
    via = Via.read(found.via)
    assert (via.channel, via.thread, via.url) == ("C0FIRE001", "1767268700.000100", payload("click")["response_url"])
    assert 0 < via.until - NOON.timestamp() < 1800


def test_a_response_url_elsewhere_is_not_kept() -> None:
    (found,) = (
        near().receive(click({**payload("click"), "response_url": "https://evil.example/x"}, NOON), NOON).messages
    )
    assert Via.read(found.via).url == ""


def test_a_redelivery_is_the_same_message() -> None:
    one = near().receive(event(payload("direct"), NOON), NOON)
    late = event(payload("direct"), NOON + timedelta(minutes=5))
    retried = Request("POST", {}, {**late.headers, "x-slack-retry-num": "2"}, late.body)
    assert near().receive(retried, NOON + timedelta(minutes=5)) == one


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"), (b"[]", "application/json"), (b"\xff", "application/json"), (b"payload=%7B", FORM),
        (b"payload=[]", FORM), (b"\xff=1", FORM), (b"&".join([b"a=1"] * 200), FORM), (b"[" * 100_000, ""),
        (json.dumps({**payload("direct"), "event_id": ""}).encode(), ""),
        (json.dumps({**payload("direct"), "api_app_id": "A" * 65}).encode(), ""),
        (urlencode({"payload": json.dumps({**payload("click"), "user": None})}).encode(), FORM),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_signed_but_makes_no_sense_is_malformed(body: bytes, kind: str) -> None:
    with pytest.raises(MalformedError):
        near().receive(signed(body, NOON, kind), NOON)


FUZZED = near()
KEYS = st.sampled_from(
    ["type", "event", "user", "channel", "text", "ts", "thread_ts", "actions", "value", "container", "message", "id",
     "authorizations", "bot_id", "subtype", "is_bot", "user_id", "event_id", "api_app_id", "response_url"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["event_callback", "block_actions", "message", "app_mention", "button", "D1", "C1", "U1", "\x00", "\ud800"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=14,
)
SHAPES = st.fixed_dictionaries(
    {"type": WORDS, "event": JSON, "actions": JSON, "user": JSON, "api_app_id": WORDS, "event_id": WORDS}
) | st.fixed_dictionaries(
    {
        "type": st.just("event_callback"), "api_app_id": WORDS, "event_id": WORDS, "authorizations": JSON,
        "event": st.fixed_dictionaries(
            {"type": WORDS, "channel": WORDS, "user": WORDS, "text": st.text()}, optional={"subtype": JSON, "ts": JSON}
        ),
    }
)  # fmt: skip


@given(data=JSON | SHAPES, form=st.booleans())
def test_whatever_is_signed_is_read_or_refused(data: Any, form: bool) -> None:
    try:
        found = FUZZED.receive(click(data, NOON) if form else signed(json.dumps(data).encode(), NOON), NOON)
    except RefusedError:
        return
    for one in found.messages:
        assert 0 < len(one.sender) <= 128
        assert "\x00" not in one.text + one.action + one.via + one.message_id
        json.dumps(one.content(), ensure_ascii=False).encode()


HEADERS = st.sampled_from(["x-slack-signature", "x-slack-request-timestamp", "content-type"])


@given(body=st.binary(max_size=300), headers=st.dictionaries(HEADERS, st.text(max_size=70)))
def test_whatever_is_not_signed_is_only_refused(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(UnverifiedError):
        FUZZED.receive(Request("POST", {}, headers, body), NOON)


@given(body=st.binary(max_size=300), kind=st.sampled_from([FORM, "application/json", ""]))
def test_whatever_bytes_are_signed_are_read_or_refused(body: bytes, kind: str) -> None:
    try:
        FUZZED.receive(signed(body, NOON, kind), NOON)
    except RefusedError:
        return


@given(raw=st.text() | JSON.map(json.dumps))
def test_a_way_back_that_is_none_leads_nowhere(raw: str) -> None:
    assert isinstance(Via.read(raw), Via)


# What is shown


@pytest.mark.parametrize(
    "said",
    [
        "<!channel>",
        "<!everyone> 开会",
        "<@U0LI00001>",
        "<!subteam^S1>",
        "&lt;!here&gt;",
        "<https://x.cn|点这里>",
        "<#C1>",
    ],
)
def test_text_of_users_mentions_nobody_and_disguises_no_link(said: str) -> None:
    shown = neutral(said)
    assert "<!" not in shown
    assert "<@" not in shown
    assert "<#" not in shown
    assert "|" not in shown.partition("<")[2].partition(">")[0]


@pytest.mark.parametrize("said", ["*粗*", "_斜_", "~删~", "`码`", "```块```", "> 引用"])
def test_text_of_users_formats_nothing(said: str) -> None:
    assert not set("*_~`>") & set(neutral(said))


def test_links_stay_links_and_escapes_stay_what_they_say() -> None:
    assert neutral("见 https://x.cn/a_b?c=1&d=2。甲&乙 <3") == "见 <https://x.cn/a_b?c=1&amp;d=2>。甲&amp;乙 ＜3"
    assert neutral("(https://x.cn/a).\x00\ud800") == "(<https://x.cn/a>)."


@given(st.text(st.sampled_from("<>&*_~`!@|# \nhttps://x.cn督\x00"), max_size=200))
def test_no_text_can_open_a_mention(said: str) -> None:
    shown = neutral(said)
    assert shown.count("<") == shown.count("<http")


@pytest.mark.parametrize("worst", ["&", "<", "*", "督", "x", "https://x.cn/?" + "&" * 280 + " ", "\U0001f600", "\n"])
async def test_the_longest_text_stays_within_the_platforms_measures(far: Slack, worst: str) -> None:
    text = "x" + worst * (SlackAdapter.max_bytes // len(worst.encode()) - 1)
    async with adapter_of(far) as slack:
        await slack.send(message(text, *(Button("签" * 90, "v" * 2000) for _ in range(30))))
    assert all(len(section) <= 3000 for section in sections(text))


async def test_an_ordinary_long_text_is_one_section(far: Slack) -> None:
    async with adapter_of(far) as slack:
        await slack.send(message("督办事项。" * 200))
    (shown,) = far.shown.values()
    assert texts(shown) == ["督办事项。" * 200]


async def test_buttons_are_shown_with_their_style_and_what_does_not_fit_is_left_out(far: Slack) -> None:
    buttons = (Button("签收", "ack:1", "primary"), Button("退回", "no:1", "danger"), Button("详情", "more"),
               Button("过长", "x" * 2001), Button("空", ""), Button("", "x"))  # fmt: skip
    async with adapter_of(far) as slack:
        await slack.send(message("年报", *buttons))
    (shown,) = far.shown.values()
    elements = shown["blocks"][-1]["elements"]
    assert [(one["text"]["text"], one["value"], one.get("style", "")) for one in elements] == [
        ("签收", "ack:1", "primary"), ("退回", "no:1", "danger"), ("详情", "more", ""),
    ]  # fmt: skip


# Sending


async def test_a_person_is_written_to_in_a_conversation_that_is_opened_once(far: Slack) -> None:
    async with adapter_of(far) as slack:
        first, second = await slack.send(message()), await slack.send(message())
    async with adapter_of(far) as slack:
        await slack.send(message())
    assert first == "D0ZHANG01:1767268900.000000"
    assert second != first
    assert (far.count(OPEN), far.count(POST)) == (1, 3)
    assert all(body["unfurl_links"] is False for body in far.shown.values())


async def test_a_conversation_that_is_gone_is_opened_anew(far: Slack) -> None:
    far.state.kept["dm:U0ZHANG01"] = "D0GONE0001"
    async with adapter_of(far) as slack:
        assert (await slack.send(message())).startswith("D0ZHANG01:")
    assert far.state.kept == {"dm:U0ZHANG01": "D0ZHANG01"}


async def test_other_refusals_open_nothing_anew(far: Slack) -> None:
    far.state.kept["dm:U0ZHANG01"] = "D0ZHANG01"
    far.fail(POST, error("msg_too_long"))
    async with adapter_of(far) as slack:
        with pytest.raises(RecipientError):
            await slack.send(message())
    assert far.count(OPEN) == 0


async def test_a_channel_is_written_to_by_its_id_and_mentions_nobody(far: Slack) -> None:
    async with adapter_of(far) as slack:
        assert (await slack.send(message(address="chat:C0FIRE001"))).startswith("C0FIRE001:")
    assert far.count(OPEN) == 0
    assert "<@" not in json.dumps(list(far.shown.values()))


@pytest.mark.parametrize("address", ["", "zhang", "chat:", "chat:general", "U1 U2", "U0NOBODY1", "<!channel>"])
async def test_what_is_nobodys_address_is_refused(far: Slack, address: str) -> None:
    async with adapter_of(far) as slack:
        with pytest.raises(RecipientError):
            await slack.send(message(address=address))


async def test_an_answer_goes_into_the_thread_and_names_its_reader(far: Slack) -> None:
    (asked,) = near().receive(event(payload("mention"), NOON), NOON).messages
    async with adapter_of(far) as slack:
        await slack.send(message("已报结", address=asked.sender, via=asked.via))
    (shown,) = far.shown.values()
    assert (shown["channel"], shown["thread_ts"]) == ("C0FIRE001", "1767268801.000500")
    assert texts(shown) == ["<@U0ZHANG01>", "已报结"]


async def test_an_answer_in_a_direct_conversation_is_no_thread(far: Slack) -> None:
    (asked,) = near().receive(event(payload("direct"), NOON), NOON).messages
    async with adapter_of(far) as slack:
        await slack.send(message("已报结", via=asked.via))
    (shown,) = far.shown.values()
    assert "thread_ts" not in shown
    assert (shown["channel"], texts(shown)) == ("D0ZHANG01", ["已报结"])


def clicked(far: Slack, now: datetime = NOON) -> Incoming:
    found = {**payload("click"), "response_url": far.hook}
    slack = SlackAdapter(double.config(far.url), Remembered(), lambda: now)
    return slack.receive(click(found, now), now).messages[0]


async def test_where_the_app_may_not_write_the_click_is_answered_by_its_own_address(far: Slack) -> None:
    far.members.clear()
    asked = clicked(far)
    async with adapter_of(far) as slack:
        assert await slack.send(message("已签收", address=asked.sender, via=asked.via)) == "42"
    assert [texts(one) for one in far.answered] == [["<@U0ZHANG01>", "已签收"]]
    assert far.answered[0]["replace_original"] is False


async def test_when_that_is_used_up_or_over_the_person_is_written_to(far: Slack) -> None:
    far.members.clear()
    asked = clicked(far)
    async with adapter_of(far) as slack:
        receipts = [await slack.send(message(str(n), address=asked.sender, via=asked.via)) for n in range(6)]
        far.now = lambda: NOON + timedelta(minutes=31)
        slack._now = far.now
        receipts.append(await slack.send(message("late", address=asked.sender, via=asked.via)))
    assert receipts[:5] == ["42"] * 5
    assert all(one.startswith("D0ZHANG01:") for one in receipts[5:])
    assert far.count(HOOK) == 6


async def test_a_way_back_to_another_host_is_never_called(far: Slack) -> None:
    far.members.clear()
    via = Via("C0FIRE001", url="https://evil.example/x", until=int(NOON.timestamp()) + 100).write()
    async with adapter_of(far) as slack:
        assert (await slack.send(message(via=via))).startswith("D0ZHANG01:")


async def test_a_button_that_was_shown_comes_back_when_it_is_pressed(far: Slack) -> None:
    async with adapter_of(far) as slack:
        receipt = await slack.send(message("年报", Button("签收", 'ack:42 <&>"', "primary")))
        channel, _, stamp = receipt.partition(":")
        element = far.shown[receipt]["blocks"][-1]["elements"][0]
        pressed = {
            **payload("click"),
            "channel": {"id": channel},
            "container": {"type": "message", "message_ts": stamp, "channel_id": channel},
            "actions": [{**element, "block_id": "x", "action_ts": "1767268810.000200"}],
        }
        (found,) = slack.receive(click(pressed, NOON), NOON).messages
    assert (found.action, found.reply_to) == ('ack:42 <&>"', receipt)


async def test_a_message_is_changed_and_loses_its_buttons(far: Slack) -> None:
    async with adapter_of(far) as slack:
        receipt = await slack.send(message("年报", Button("签收", "ack:1")))
        assert await slack.update(receipt, message("年报 已签收")) == receipt
    assert [block["type"] for block in far.shown[receipt]["blocks"]] == ["section"]
    assert texts(far.shown[receipt]) == ["年报 已签收"]


@pytest.mark.parametrize("receipt", ["", "42", "D0ZHANG01", "D0ZHANG01:x", "D0ZHANG01:1.000001", "../x:1.0"])
async def test_what_is_no_message_cannot_be_changed(far: Slack, receipt: str) -> None:
    async with adapter_of(far) as slack:
        with pytest.raises(RecipientError):
            await slack.update(receipt, message())


# Faults


@pytest.mark.parametrize("code", sorted({*RETRY, *CONFIGURATION, *RECIPIENT, "something_new", ""}))
async def test_each_code_says_what_to_do(far: Slack, code: str) -> None:
    raised: type[AdapterError] = RetryError
    if code in CONFIGURATION or code in RECIPIENT:
        raised = ConfigurationError if code in CONFIGURATION else RecipientError
    far.fail(OPEN, error(code))
    async with adapter_of(far) as slack:
        with pytest.raises(raised, match=code or "no error code") as caught:
            await slack.send(message())
    assert getattr(caught.value, "after", 0.0) == RETRY.get(code, 0.0)


def test_each_code_stands_in_one_table() -> None:
    assert len({*RETRY, *CONFIGURATION, *RECIPIENT}) == len(RETRY) + len(CONFIGURATION) + len(RECIPIENT)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (Answer(429, headers={"Retry-After": "17"}), 17), (error("ratelimited", Retry_After="7"), 7),
        (error("ratelimited"), 30), (Answer(503), 0), (Answer(200, body="<html>"), 0), (Answer(200, body="[]"), 0),
        (Answer(200), 0), (Answer(reset=True, after=True), 0),
    ],
)  # fmt: skip
async def test_what_may_pass_is_tried_again(far: Slack, answer: Answer, after: float) -> None:
    far.fail(POST, answer)
    async with adapter_of(far) as slack:
        with pytest.raises(RetryError) as caught:
            await slack.send(message())
        assert caught.value.after == after
        assert await slack.send(message())


@pytest.mark.parametrize("method", [OPEN, POST])
async def test_an_answer_that_names_nothing_is_no_success(far: Slack, method: str) -> None:
    far.fail(method, Answer(body={"ok": True}))
    async with adapter_of(far) as slack:
        with pytest.raises(RetryError):
            await slack.send(message())


async def test_a_platform_that_hangs_is_tried_again(far: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    far.fail(POST, Answer(hang=True))
    async with adapter_of(far) as slack:
        with pytest.raises(RetryError):
            await slack.send(message())


async def test_a_token_that_is_revoked_stops_the_connection_in_the_middle_of_a_burst(far: Slack) -> None:
    far.state.kept["dm:U0ZHANG01"] = "D0ZHANG01"
    far.fail(POST, Answer(body={"ok": True, "channel": "D0ZHANG01", "ts": "1.1"}), *[error("token_revoked")] * 9)
    async with adapter_of(far) as slack:
        found = await asyncio.gather(*(slack.send(message()) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, ConfigurationError) for one in found) == 9


async def test_no_secret_is_in_errors_or_logs_or_shown(far: Slack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    far.members.clear()
    said = f"{TOKEN} {SECRET} refused"
    far.fail(OPEN, error(said), Answer(500, body=said))
    far.fail(HOOK, Answer(404, body={"ok": False, "error": f"{far.hook} gone"}))
    far.fail(AUTH, error(said))
    shown = []
    async with adapter_of(far) as slack:
        shown += [repr(slack), repr(slack._config), slack._config.model_dump_json(), str(await slack.check())]
        for _ in range(2):
            with pytest.raises(AdapterError) as caught:
                await slack.send(message())
            shown += [str(caught.value), repr(caught.value)]
        with pytest.raises(RecipientError) as refused:
            await slack.send(message(address="", via=clicked(far).via))
        shown.append(str(refused.value))
    everything = "\n".join([*shown, caplog.text])
    for secret in (TOKEN, SECRET, far.hook.rpartition("/")[2]):
        assert secret not in everything


# Checking


async def found_by(far: Slack, **more: Any) -> list[tuple[bool, str, dict[str, str]]]:
    async with adapter_of(far, **more) as slack:
        return [(one.ok, one.key, dict(one.facts)) for one in await slack.check()]


async def test_a_check_asks_who_the_token_is_and_sends_nothing(far: Slack) -> None:
    far.now = lambda: datetime.now(UTC)
    assert await found_by(far) == [
        (True, "check-reachable", {"host": "127.0.0.1"}), (True, "check-credentials", {}),
        (True, "check-slack-callback", {"path": "/hooks/slack"}),
    ]  # fmt: skip
    assert (far.shown, [method for method, _ in far.calls]) == ({}, [AUTH])


async def test_a_check_tells_wrong_tokens_missing_scopes_and_clocks(far: Slack) -> None:
    assert (False, "check-credentials-refused", {"code": "invalid_auth"}) in await found_by(far, bot_token="xoxb-1")
    far.scopes = "chat:write,im:history"
    found = await found_by(far)
    assert (False, "check-permission", {"code": "app_mentions:read, im:write"}) in found
    assert "check-clock" in [key for _, key, _ in found]


async def test_a_check_tells_that_nobody_is_there(far: Slack) -> None:
    far.fail(AUTH, Answer(reset=True))
    assert [key for _, key, _ in await found_by(far)] == ["check-unreachable"]


# Slack's own SDK as the far end


def sdk(name: str) -> Any:
    return pytest.importorskip(f"slack_sdk.{name}", reason="Slack's SDK is not installed: pip install slack_sdk")


def test_we_accept_what_the_sdk_signs_and_it_accepts_what_we_sign() -> None:
    verifier = sdk("signature").SignatureVerifier(SECRET, SimpleNamespace(now=NOON.timestamp))
    seconds = str(int(NOON.timestamp()))
    body = json.dumps(payload("direct"), ensure_ascii=False)
    headers = {
        "x-slack-request-timestamp": seconds,
        "x-slack-signature": verifier.generate_signature(timestamp=seconds, body=body),
    }
    assert near().receive(Request("POST", {}, headers, body.encode()), NOON).messages
    ours = sign(SECRET, seconds, body.encode())
    assert verifier.is_valid(body=body, timestamp=seconds, signature=ours)
    assert not verifier.is_valid(body=body + " ", timestamp=seconds, signature=ours)


async def test_the_sdks_models_take_our_blocks_and_write_the_same(far: Slack) -> None:
    blocks = sdk("models.blocks")
    async with adapter_of(far) as slack:
        await slack.send(message("年报 <b>", Button("签收", "ack:1", "primary"), Button("详情", "more")))
    (shown,) = far.shown.values()
    for ours in shown["blocks"]:
        theirs = blocks.Block.parse(ours)
        theirs.validate_json()
        assert theirs.to_dict() == ours


async def test_the_sdks_client_finds_our_double_to_be_a_slack(far: Slack) -> None:
    web = sdk("web")
    client = web.WebClient(TOKEN, base_url=f"{far.url}/api/")
    await asyncio.to_thread(client.auth_test)
    opened = await asyncio.to_thread(client.conversations_open, users="U0ZHANG01")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "年报", "verbatim": True}}
    said = {"channel": opened["channel"]["id"], "text": "年报", "blocks": [section]}
    sent = await asyncio.to_thread(lambda: client.chat_postMessage(**said))
    await asyncio.to_thread(lambda: client.chat_update(ts=sent["ts"], **said))
    async with adapter_of(far) as slack:
        await slack.update(f"{sent['channel']}:{sent['ts']}", message("年报 已签收"))
    assert [method for method, _ in far.calls] == [AUTH, OPEN, POST, UPDATE, UPDATE]


# Over HTTP


async def test_over_http_events_and_clicks_come_in_any_order_and_twice() -> None:
    inbox: list[Incoming] = []

    async def keep(one: Incoming) -> None:
        inbox.append(one)

    app = aiohttp.web.Application()
    app.add_routes(Webhooks({"slack": near()}, keep, lambda: NOON).routes())
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}/hooks/slack".format(*runner.addresses[0][:2])
    requests = [click(payload("click"), NOON), event(payload("direct"), NOON), event(payload("direct"), NOON)]
    forged = Request("POST", {}, {**requests[0].headers, "x-slack-signature": "v0=0"}, requests[0].body)
    answers = []
    async with aiohttp.ClientSession() as session:
        for request in [event(payload("url_check"), NOON), *requests, forged]:
            async with session.post(url, data=request.body, headers=request.headers) as answer:
                answers.append((answer.status, await answer.text()))
    await runner.cleanup()
    assert answers == [(200, payload("url_check")["challenge"]), (200, ""), (200, ""), (200, ""), (401, "")]
    assert [one.action or one.message_id for one in inbox] == ["ack:42", "Ev0DIRECT1", "Ev0DIRECT1"]
