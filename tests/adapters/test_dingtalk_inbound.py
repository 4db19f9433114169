import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.base import MalformedError, Received, Request, UnverifiedError
from adapters.crypto import sha1_of_sorted, wide_decrypt, wide_encrypt, wide_key
from adapters.dingtalk_app import DingTalkAppAdapter
from adapters.dingtalk_events import Reader, Via, sealed
from adapters.dingtalk_robot import sign, stamp
from tests.adapters.doubles.dingtalk import CLIENT, CLIENT_SECRET, NoState, app_config, payload, vector

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVENTS = vector("dingtalk-event-published-1")["inputs"]
READER = Reader("ding", CLIENT, "https://oapi.dingtalk.com")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "msgtype", "msgId", "text", "content", "senderId", "senderStaffId", "conversationType", "sessionWebhook",
    "sessionWebhookExpiredTime", "outTrackId", "userId", "encrypt", "originalProcessQueryKey", "spaceType",
]  # fmt: skip


def adapter(**more: Any) -> DingTalkAppAdapter:
    known = {"base_url": "", "session_url": "https://oapi.dingtalk.com", "allow_private": False, "mode": "http"}
    return DingTalkAppAdapter(app_config("", **{**known, **more}), NoState(), lambda: NOON)


HTTP = adapter()
WITH_EVENTS = adapter(
    event_token=EVENTS["token"], event_aes_key=EVENTS["aes_key"], event_owner=EVENTS["owner_key"]
)  # fmt: skip


def signed(body: Any, at: datetime = NOON, secret: str = CLIENT_SECRET) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Request("POST", {}, {"timestamp": stamp(at), "sign": sign(secret, stamp(at))}, raw)


def received(name: str) -> Received:
    return HTTP.receive(signed(payload(name)), NOON)


def test_the_vector_of_an_inbound_signature_is_accepted_for_an_hour() -> None:
    found = vector("dingtalk-http-inbound-sign-1")
    headers = {"timestamp": found["inputs"]["header_timestamp_ms"], "sign": found["expected"]["header_sign"]}
    request = Request("POST", {}, headers, json.dumps(payload("message_direct")).encode())
    at = datetime.fromtimestamp(int(headers["timestamp"]) / 1000, UTC)
    window = timedelta(milliseconds=found["expected"]["accept_if_abs_now_minus_ts_ms_le"])
    assert found["inputs"]["app_secret"] == CLIENT_SECRET
    for now in (at, at + window - timedelta(seconds=1), at - window + timedelta(seconds=1)):
        assert len(HTTP.receive(request, now).messages) == 1
    for now in (at + window + timedelta(seconds=1), at - window - timedelta(seconds=1)):
        with pytest.raises(UnverifiedError):
            HTTP.receive(request, now)


def test_a_message_in_a_group_is_read() -> None:
    result = received("message_group")
    (message,) = result.messages
    assert (message.message_id, message.sender, message.text) == ("msgGroup0001==", "manager01", "完成 42")
    assert (message.connection, message.app) == ("ding", CLIENT)
    assert Via.read(message.via) == Via(
        "cidGroup+0001==", "https://oapi.dingtalk.com/robot/sendBySession?session=5e55", 1767231000000
    )
    assert (result.response.status, result.response.body) == (200, b"{}")


def test_a_direct_message_is_read_with_what_it_quotes() -> None:
    (message,) = received("message_direct").messages
    assert (message.text, message.reply_to) == ("签收", "process+query/key=")
    assert Via.read(message.via).chat == ""


def test_rich_text_of_an_outsider_is_read() -> None:
    (message,) = received("message_rich").messages
    assert (message.sender, message.text) == ("$:LWCP_v1:$outsider", "完成 42 见图")


def test_what_holds_no_text_still_arrives_so_that_it_gets_help() -> None:
    (message,) = received("message_audio").messages
    assert message.text == ""


def test_a_redelivery_has_the_same_id() -> None:
    assert received("message_group").messages == received("message_group").messages


def test_the_robots_own_messages_are_ignored() -> None:
    own = payload("message_group") | {"senderId": "$:LWCP_v1:$robot"}
    assert HTTP.receive(signed(own), NOON).messages == ()


def test_what_is_no_message_is_acknowledged_and_dropped() -> None:
    for body in ({}, {"EventType": "check"}, payload("click_template")):
        assert HTTP.receive(signed(body), NOON) == Received((), received("message_group").response)


def test_a_way_back_to_another_host_is_not_kept() -> None:
    for address in (
        "https://evil.example/x",
        "https://oapi.dingtalk.com.evil.example/x",
        "https://oapi.dingtalk.com@e/",
    ):
        body = payload("message_direct") | {"sessionWebhook": address}
        (message,) = HTTP.receive(signed(body), NOON).messages
        assert message.via == ""


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"timestamp": stamp(NOON)},
        {"sign": sign(CLIENT_SECRET, stamp(NOON))},
        {"timestamp": stamp(NOON), "sign": sign("another", stamp(NOON))},
        {"timestamp": stamp(NOON), "sign": quote(sign(CLIENT_SECRET, stamp(NOON)), safe="") + "%"},
        {"timestamp": stamp(NOON), "sign": "签名"},
        {"timestamp": stamp(NOON), "sign": "\udcff"},
        {"timestamp": "noon", "sign": sign(CLIENT_SECRET, "noon")},
        {"timestamp": "-1", "sign": sign(CLIENT_SECRET, "-1")},
        {"timestamp": "1" * 5000, "sign": sign(CLIENT_SECRET, "1" * 5000)},
        {"timestamp": "0", "sign": sign(CLIENT_SECRET, "0")},
    ],
)
def test_an_unsigned_message_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnverifiedError) as caught:
        HTTP.receive(Request("POST", {}, headers, json.dumps(payload("message_group")).encode()), NOON)
    assert CLIENT_SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
        b'{"msgtype":"text"}', b'{"msgtype":"text","msgId":"1"}', b'{"msgtype":"text","senderId":"x"}',
        b'{"msgtype":1,"msgId":{},"senderId":[]}', json.dumps({"msgtype": "text", "msgId": "x" * 121}).encode(),
    ],
)  # fmt: skip
def test_a_signed_message_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        HTTP.receive(signed(body), NOON)


def test_what_is_stored_is_always_text_a_database_takes() -> None:
    body = payload("message_group") | {"text": {"content": "a\x00\ud800b"}}
    (message,) = HTTP.receive(signed(json.dumps(body).encode()), NOON).messages
    assert message.text == "a?b"


def test_a_connection_that_listens_takes_nothing_by_http() -> None:
    with pytest.raises(UnverifiedError):
        adapter(mode="stream").receive(signed(payload("message_group")), NOON)


def test_the_flags_follow_the_mode() -> None:
    http, stream = adapter(), adapter(mode="stream")
    assert (http.receives, http.listens, stream.receives, stream.listens) == (True, False, False, True)


def event(encrypted: str = EVENTS["encrypt"], name: str = "msg_signature", **query: str) -> Request:
    known = {"timestamp": EVENTS["timestamp"], "nonce": EVENTS["nonce"]} | query
    signature = sha1_of_sorted(EVENTS["token"], known["timestamp"], known["nonce"], encrypted)
    return Request("POST", {name: signature} | known, {}, json.dumps({"encrypt": encrypted}).encode())


def test_the_published_check_of_the_address_is_answered() -> None:
    expected = vector("dingtalk-event-published-1")["expected"]
    assert event().query["msg_signature"] == expected["msg_signature"]
    key = wide_key(EVENTS["aes_key"])
    assert wide_decrypt(key, EVENTS["encrypt"], EVENTS["owner_key"]).decode() == expected["plaintext"]
    for name in ("msg_signature", "signature"):
        result = WITH_EVENTS.receive(event(name=name), NOON)
        answer = json.loads(result.response.body)
        assert result.messages == ()
        assert wide_decrypt(key, answer["encrypt"], EVENTS["owner_key"]) == b"success"
        parts = (EVENTS["token"], answer["timeStamp"], answer["nonce"], answer["encrypt"])
        assert answer["msg_signature"] == sha1_of_sorted(*parts)
        assert answer["timeStamp"] == stamp(NOON)


def test_the_answer_to_an_event_is_as_the_vector_says() -> None:
    inputs, expected = vector("dingtalk-event-reply-1")["inputs"], vector("dingtalk-event-reply-1")["expected"]
    random = inputs["random16"].encode()
    word = wide_encrypt(wide_key(inputs["aes_key"]), b"success", inputs["owner_key"], random)
    assert sealed(inputs["token"], inputs["timestamp"], inputs["nonce"], word) == expected["http_response_body"]


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", dict(event().query) | {"msg_signature": "0" * 40}, {}, event().body),
        Request("POST", dict(event().query) | {"msg_signature": "签"}, {}, event().body),
        Request("POST", dict(event().query) | {"nonce": "\udcff"}, {}, event().body),
        Request("POST", dict(event().query) | {"nonce": "other"}, {}, event().body),
        Request("POST", event().query, {}, b'{"encrypt":"\\ud800"}'),
        Request("POST", event().query, {}, b"{}"),
    ],
)
def test_an_event_signed_wrongly_is_refused(request_: Request) -> None:
    with pytest.raises(UnverifiedError):
        WITH_EVENTS.receive(request_, NOON)


def test_an_event_for_another_owner_is_refused() -> None:
    other = wide_encrypt(wide_key(EVENTS["aes_key"]), b"{}", "another")
    with pytest.raises(UnverifiedError):
        WITH_EVENTS.receive(event(other), NOON)
    with pytest.raises(MalformedError):
        WITH_EVENTS.receive(event("not base64!"), NOON)


def test_events_are_refused_where_none_are_expected() -> None:
    with pytest.raises(UnverifiedError):
        HTTP.receive(event(), NOON)


def test_a_click_carries_what_its_button_means() -> None:
    click = READER.click("frame-1", payload("click_template"))
    assert click is not None
    assert (click.action, click.sender, click.message_id) == ("ack:42", "manager01", "click-frame-1")
    assert click.reply_to == "tpl-42-0123456789abcdef01234567"
    assert Via.read(click.via).chat == "cidGroup+0001=="


def test_a_click_on_a_template_with_fixed_buttons_carries_their_id() -> None:
    click = READER.click("frame-1", payload("click_fixed"))
    assert click is not None
    assert (click.action, click.via) == ("ack:42", "")


def test_a_click_that_means_nothing_is_dropped() -> None:
    for content in ("", "{}", "[", '{"cardPrivateData":{"actionIds":[1],"params":[]}}'):
        assert READER.click("frame-1", payload("click_template") | {"content": content}) is None


@pytest.mark.parametrize("wrong", [{"userId": ""}, {"userId": 7}, {"userId": "x" * 121}])
def test_a_click_of_nobody_is_malformed(wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        READER.click("frame-1", payload("click_template") | wrong)


def tolerated(receiver: DingTalkAppAdapter, request: Request) -> None:
    before = monotonic()
    with suppress(UnverifiedError, MalformedError):
        assert receiver.receive(request, NOON).response.status == 200
    assert monotonic() - before < 1.0


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.booleans())
def test_any_signed_json_is_taken_or_refused(body: dict[str, Any], encrypted: bool) -> None:
    request = signed(json.dumps(body).encode())
    query = dict(event().query) if encrypted else {}
    tolerated(WITH_EVENTS, Request("POST", query, request.headers, request.body))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(["timestamp", "sign", "x"]), st.text(max_size=20)))
@example(b"{}", {"timestamp": "\udcff", "sign": "\udcff"})
def test_any_bytes_are_taken_or_refused(body: bytes, headers: dict[str, str]) -> None:
    tolerated(HTTP, signed(body))
    tolerated(WITH_EVENTS, Request("POST", {}, headers, body))
    tolerated(WITH_EVENTS, Request("GET", headers | {"msg_signature": headers.get("sign", "")}, {}, body))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_signed_ciphertext_is_taken_or_refused(encrypted: str) -> None:
    if encrypted.isascii():
        tolerated(WITH_EVENTS, event(encrypted))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*FIELDS, "content", "spaceId"]), JSON))
def test_any_click_is_taken_or_refused(data: dict[str, Any]) -> None:
    with suppress(MalformedError):
        READER.click("frame", data)
