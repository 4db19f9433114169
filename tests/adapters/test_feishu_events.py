import json
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.base import Incoming, MalformedError, Receiver, RefusedError, Request, UnverifiedError
from adapters.crypto import feishu_decrypt, feishu_encrypt
from adapters.feishu_app import FeishuAppAdapter, FeishuAppConfig
from tests.adapters.doubles.feishu import NEW_YEAR, PAYLOADS, FeishuDouble, NoState, payload, signed

VECTORS = {vector["id"]: vector for vector in json.loads((PAYLOADS / "vectors.json").read_bytes())}
SIGNED = ["feishu-url-verification-1", "feishu-im-message-1", "feishu-card-action-1"]
DONE = (200, b"{}", "application/json")


def app(**more: object) -> FeishuAppAdapter:
    known = {
        "name": "county",
        "platform": "feishu-app",
        "app_id": FeishuDouble.app_id,
        "app_secret": FeishuDouble.app_secret,
        "mode": "http",
        "encrypt_key": FeishuDouble.encrypt_key,
        "verification_token": FeishuDouble.verification_token,
    }
    return FeishuAppAdapter(FeishuAppConfig.model_validate(known | more), NoState(), lambda: NEW_YEAR)


APP = app()


def sealed(event: object, *, time: datetime = NEW_YEAR, key: str = FeishuDouble.encrypt_key) -> Request:
    body = json.dumps({"encrypt": feishu_encrypt(key, json.dumps(event).encode())}).encode()
    return signed(body, str(int(time.timestamp())), "n1", key)


def recorded(vector: dict[str, Any]) -> Request:
    headers = {
        "x-lark-request-timestamp": vector["inputs"]["header_timestamp"],
        "x-lark-request-nonce": vector["inputs"]["header_nonce"],
        "x-lark-signature": vector["expected"]["x_lark_signature"],
    }
    body = vector["expected"].get("http_body") or vector["inputs"]["http_body"]
    return Request("POST", {}, headers, body.encode())


def read(event: object, adapter: FeishuAppAdapter = APP) -> tuple[Incoming, ...]:
    received = adapter.receive(sealed(event), NEW_YEAR)
    assert (received.response.status, received.response.body, received.response.content_type) == DONE
    return received.messages


def test_it_keeps_the_contract() -> None:
    contract: Receiver = APP
    assert contract is APP
    assert (APP.receives, APP.listens) == (True, False)


def test_the_published_sample_opens() -> None:
    vector = VECTORS["feishu-decrypt-published-1"]
    opened = feishu_decrypt(vector["inputs"]["encrypt_key"], vector["inputs"]["encrypt"])
    assert opened.decode() == vector["expected"]["plaintext"]


@pytest.mark.parametrize("name", SIGNED)
def test_the_vectors_are_made_alike_here(name: str) -> None:
    vector = VECTORS[name]
    iv = bytes.fromhex(vector["inputs"]["iv_hex"])
    closed = feishu_encrypt(vector["inputs"]["encrypt_key"], vector["inputs"]["plaintext"].encode(), iv)
    assert json.loads(vector["expected"]["http_body"]) == {"encrypt": closed}
    ours = signed(
        vector["expected"]["http_body"].encode(),
        vector["inputs"]["header_timestamp"],
        vector["inputs"]["header_nonce"],
        vector["inputs"]["encrypt_key"],
    )
    assert ours.headers["x-lark-signature"] == vector["expected"]["x_lark_signature"]


def test_the_url_check_is_answered() -> None:
    received = APP.receive(recorded(VECTORS["feishu-url-verification-1"]), NEW_YEAR)
    assert received.messages == ()
    assert json.loads(received.response.body) == {"challenge": "ajls384kdjx98XX"}


def test_the_url_check_needs_no_signature_but_the_key_and_the_token() -> None:
    request = recorded(VECTORS["feishu-url-verification-1"])
    assert APP.receive(replace(request, headers={}), NEW_YEAR).response.status == 200
    wrong = {"type": "url_verification", "challenge": "x", "token": "other"}
    with pytest.raises(UnverifiedError):
        APP.receive(replace(sealed(wrong), headers={}), NEW_YEAR)
    with pytest.raises(UnverifiedError):
        APP.receive(Request("POST", {}, {}, json.dumps(wrong).encode()), NEW_YEAR)


def test_a_group_message_is_read_without_the_mention() -> None:
    received = APP.receive(recorded(VECTORS["feishu-im-message-1"]), NEW_YEAR)
    assert received.messages == (Incoming("county", "cli_0001", "om_1", "ou_1", "完成 42", via="om_1", group=True),)


def test_the_click_of_another_card_is_read_as_text() -> None:
    (click,) = APP.receive(recorded(VECTORS["feishu-card-action-1"]), NEW_YEAR).messages
    assert (click.message_id, click.sender, click.reply_to) == ("card-evt-0001", "ou_1", "om_2")
    assert json.loads(click.action) == {"action": "done", "reminder": "42"}


def test_a_click_brings_back_what_its_button_carries() -> None:
    assert read(payload("click")) == (
        Incoming("county", "cli_0001", "evt-c1", "ou_1", action="ack:42", reply_to="om_9", via="om_9", group=True),
    )


@pytest.mark.parametrize(
    ("value", "action"),
    [("ack:1", "ack:1"), ('{"value":"ack:1"}', "ack:1"), ({"value": "ack:1"}, "ack:1"), (None, "null"), ([1], "[1]")],
)
def test_a_button_may_carry_an_object_or_a_text(value: object, action: str) -> None:
    event = payload("click")
    event["event"]["action"]["value"] = value
    assert [click.action for click in read(event)] == [action]


@pytest.mark.parametrize(
    ("name", "text", "reply_to", "via"),
    [
        ("direct_text", "完成 42", "om_9", ""),
        ("group_text_at_end", "完成 42", "", "om_11"),
        ("group_two_mentions", "转给 @张三 办理", "", "om_12"),
        ("group_reply_without_mention", "完成", "om_9", "om_14"),
        ("rich_text", "完成 42\n证据见 通报", "", "om_15"),
        ("picture", "", "", ""),
        ("everybody", "完成", "", "om_18"),
    ],
)
def test_a_message_says(name: str, text: str, reply_to: str, via: str) -> None:
    (message,) = read(payload(name))
    assert (message.text, message.reply_to, message.via, message.sender) == (text, reply_to, via, "ou_1")


@pytest.mark.parametrize("name", ["group_not_meant", "from_a_bot", "unknown_event", "first_version_event"])
def test_what_is_not_for_us_is_acknowledged_and_forgotten(name: str) -> None:
    assert read(payload(name)) == ()


@pytest.mark.parametrize(("id_type", "sender"), [("open_id", "ou_1"), ("union_id", "on_1"), ("user_id", "u1")])
def test_people_are_known_by_the_configured_id(id_type: str, sender: str) -> None:
    assert [message.sender for message in read(payload("direct_text"), app(id_type=id_type))] == [sender]


def test_who_has_no_such_id_is_known_by_the_one_always_there() -> None:
    assert [click.sender for click in read(payload("click"), app(id_type="user_id"))] == ["ou_1"]


def test_a_redelivery_has_the_same_id_under_a_new_nonce() -> None:
    event = payload("direct_text")
    later = NEW_YEAR + timedelta(hours=7)
    again = APP.receive(sealed(event, time=later), later)
    assert again.messages == read(event)


@pytest.mark.parametrize("name", SIGNED[1:])
def test_a_wrong_signature_is_refused(name: str) -> None:
    request = recorded(VECTORS[name])
    spoiled = {**request.headers, "x-lark-signature": "0" * 64}
    missing = {key: value for key, value in request.headers.items() if key != "x-lark-signature"}
    for headers in (spoiled, missing, {}, {**request.headers, "x-lark-request-nonce": "other"}):
        with pytest.raises(UnverifiedError):
            APP.receive(replace(request, headers=headers), NEW_YEAR)
    with pytest.raises(UnverifiedError):
        APP.receive(replace(request, body=request.body + b" "), NEW_YEAR)


@pytest.mark.parametrize("hours", [-9, 9, 24 * 365])
def test_an_old_request_is_not_taken_again(hours: int) -> None:
    with pytest.raises(UnverifiedError):
        APP.receive(sealed(payload("click")), NEW_YEAR + timedelta(hours=hours))


@pytest.mark.parametrize("timestamp", ["", "soon", "9" * 5000, "1" * 400, "-1"])
def test_a_time_that_is_none_is_refused_although_it_is_signed(timestamp: str) -> None:
    request = signed(sealed(payload("click")).body, timestamp, "n", FeishuDouble.encrypt_key)
    with pytest.raises(UnverifiedError):
        APP.receive(request, NEW_YEAR)


@pytest.mark.parametrize("name", ["x-lark-request-timestamp", "x-lark-request-nonce", "x-lark-signature"])
def test_a_header_that_is_no_ascii_is_refused(name: str) -> None:
    request = sealed(payload("click"))
    for value in ("１７", "\udcff"):
        with pytest.raises(UnverifiedError):
            APP.receive(replace(request, headers={**request.headers, name: value}), NEW_YEAR)


def test_another_key_token_or_app_is_refused() -> None:
    event = payload("click")
    with pytest.raises(UnverifiedError):
        APP.receive(sealed(event, key="another"), NEW_YEAR)
    for name in ("token", "app_id"):
        for value in ("other", "", "\ud800", 7):
            header = {**event["header"], name: value}
            if name == "app_id" and value != "other":
                continue
            with pytest.raises(UnverifiedError):
                APP.receive(sealed({**event, "header": header}), NEW_YEAR)


@pytest.mark.parametrize(
    "event",
    [
        [],
        7,
        {"header": {"token": FeishuDouble.verification_token, "event_type": "card.action.trigger"}},
        {"header": {"token": FeishuDouble.verification_token, "event_type": "card.action.trigger", "event_id": "1"}},
        {"type": "url_verification", "token": FeishuDouble.verification_token},
    ],
)
def test_what_is_signed_but_no_event_is_malformed(event: object) -> None:
    with pytest.raises(MalformedError):
        APP.receive(sealed(event), NEW_YEAR)


@pytest.mark.parametrize("content", ["no json", "[]", "", "[" * 100_000])
def test_a_text_that_is_none_is_malformed(content: str) -> None:
    event = payload("direct_text")
    event["event"]["message"]["content"] = content
    with pytest.raises(MalformedError):
        APP.receive(sealed(event), NEW_YEAR)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_none_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        APP.receive(Request("POST", {}, {}, body), NEW_YEAR)


def test_without_a_signature_every_broken_cipher_reads_the_same() -> None:
    for encrypt in (
        "",
        "AA==",
        "not base64",
        feishu_encrypt("x" * 9, b"{}"),
        feishu_encrypt(APP._reader.encrypt_key, b"{"),
    ):
        with pytest.raises(UnverifiedError, match=r"^the signature is wrong$"):
            APP.receive(Request("POST", {}, {}, json.dumps({"encrypt": encrypt}).encode()), NEW_YEAR)


def test_what_no_database_keeps_is_left_out() -> None:
    event = payload("direct_text")
    event["event"]["message"]["content"] = json.dumps({"text": "完\x00成\ud83d"})
    assert [message.text for message in read(event)] == ["完成"]


def test_the_old_card_callback_is_taken_where_it_is_switched_on() -> None:
    request = recorded(VECTORS["feishu-legacy-card-sha1-1"])
    (click,) = app(legacy_cards=True).receive(request, NEW_YEAR).messages
    assert (click.message_id, click.sender, click.reply_to) == ("c-0001", "ou_1", "om_2")
    assert json.loads(click.action) == {"a": "done"}
    with pytest.raises(UnverifiedError):
        app(legacy_cards=True).receive(replace(request, body=request.body + b" "), NEW_YEAR)
    with pytest.raises(UnverifiedError):
        app(legacy_cards=True).receive(request, NEW_YEAR + timedelta(hours=9))
    with pytest.raises(UnverifiedError):
        APP.receive(request, NEW_YEAR)


def test_the_long_connection_takes_no_calls() -> None:
    adapter = app(mode="long-connection")
    assert (adapter.receives, adapter.listens) == (False, True)
    with pytest.raises(UnverifiedError):
        adapter.receive(sealed(payload("click")), NEW_YEAR)


@pytest.mark.parametrize("key", ["encrypt_key", "verification_token"])
def test_without_its_keys_the_http_mode_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="mode http needs encrypt_key and verification_token") as caught:
        app(**{key: ""})
    assert FeishuDouble.app_secret not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PLACES = [
    ("header",),
    ("header", "event_id"),
    ("header", "token"),
    ("event",),
    ("event", "sender"),
    ("event", "sender", "sender_id"),
    ("event", "message"),
    ("event", "message", "content"),
    ("event", "message", "mentions"),
    ("event", "message", "message_id"),
    ("event", "operator"),
    ("event", "action"),
    ("event", "action", "value"),
    ("event", "context"),
]


@given(st.sampled_from(["click", "direct_text", "rich_text", "group_two_mentions"]), st.sampled_from(PLACES), JSON)
def test_whatever_stands_in_an_event_it_is_read_or_refused(name: str, place: tuple[str, ...], value: object) -> None:
    event = payload(name)
    part = event
    for step in place[:-1]:
        part = part.setdefault(step, {})
    part[place[-1]] = value
    with suppress(RefusedError):
        for message in APP.receive(sealed(event), NEW_YEAR).messages:
            assert message.sender
            assert message.message_id
            json.dumps(message.content(), ensure_ascii=False).encode()


@given(JSON, st.text(max_size=30))
def test_whatever_is_in_a_rich_text_it_is_read_or_refused(content: object, title: str) -> None:
    event = payload("rich_text")
    event["event"]["message"]["content"] = json.dumps({"title": title, "content": [[content], content]})
    with suppress(RefusedError):
        APP.receive(sealed(event), NEW_YEAR)


@given(st.binary(max_size=300), st.dictionaries(st.sampled_from(list(sealed({}).headers)), st.text(max_size=20)))
def test_noise_is_refused(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(RefusedError):
        APP.receive(Request("POST", {}, headers, body), NEW_YEAR)


def test_hostile_bodies_take_no_time() -> None:
    started = time.perf_counter()
    event = payload("group_text_at_end")
    event["event"]["message"]["content"] = json.dumps({"text": "@_user_1 " * 50_000 + " " * 100_000})
    read(event)
    click = payload("click")
    click["event"]["action"]["value"] = json.loads("[" * 900 + "]" * 900)
    with suppress(MalformedError):
        read(click)
    assert time.perf_counter() - started < 1


def test_the_clock_may_be_of_any_zone() -> None:
    beijing = datetime.fromtimestamp(NEW_YEAR.timestamp(), UTC).astimezone()
    assert APP.receive(sealed(payload("click")), beijing).messages
