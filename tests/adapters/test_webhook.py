"""The webhook connection. `python -m tests.adapters.test_webhook` writes the published schemas anew."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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
from adapters.crypto import b64
from adapters.webhook import WebhookAdapter, signed_bytes, signers, verifiers
from adapters.webhook_bodies import SCHEMAS, schema
from adapters.webhooks import Webhooks
from tests.adapters.doubles import webhook as double
from tests.adapters.doubles.webhook import (
    INBOUND,
    PREVIOUS,
    SECRET,
    Answer,
    NoState,
    Portal,
    adapter_of,
    payload,
    signed,
    vector,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SEED = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
WHSK, WHPK = f"whsk_{b64(SEED)}", f"whpk_{b64(PUBLIC)}"


@pytest.fixture
async def far() -> AsyncIterator[Portal]:
    async with Portal(lambda: NOON) as running:
        yield running


def message(text: str = "年度报告 1 月 31 日到期", *buttons: Button, key: str = "42", **more: str) -> Outgoing:
    return Outgoing(key, "zhang.san", text, buttons, **more)


def near(**more: Any) -> WebhookAdapter:
    return WebhookAdapter(double.config("https://portal.example.cn/hooks", **more), NoState(), lambda: NOON)


def changed(request: Request, headers: dict[str, str], body: bytes | None = None) -> Request:
    return Request("POST", {}, {**request.headers, **headers}, request.body if body is None else body)


# The specification's arithmetic


@pytest.mark.parametrize("name", ["standard-webhooks-published-1", "standard-webhooks-rotation-1"])
def test_v1_signs_and_verifies_as_the_vectors_do(name: str) -> None:
    inputs, expected = vector(name)["inputs"], vector(name)["expected"]
    content = signed_bytes(inputs["webhook_id"], inputs["webhook_timestamp"], inputs["http_body"].encode())
    wanted = expected.get("webhook_signature") or expected["webhook_signature_current"]
    (sign,), (holds,) = signers(inputs["secret"]), verifiers(inputs["secret"])
    assert sign(content) == wanted
    assert holds(wanted, content)
    assert not holds(wanted, content + b" ")


def test_v1a_signs_and_verifies_as_the_vector_does() -> None:
    inputs, expected = vector("standard-webhooks-v1a-1")["inputs"], vector("standard-webhooks-v1a-1")["expected"]
    content = signed_bytes(inputs["webhook_id"], inputs["webhook_timestamp"], inputs["http_body"].encode())
    seed = bytes.fromhex(inputs["ed25519_seed_hex"])
    for secret in (b64(seed), b64(seed + PUBLIC)):
        (sign,) = signers(f"whsk_{secret}")
        assert sign(content) == expected["webhook_signature"]
    (holds,) = verifiers(inputs["public_key"])
    assert holds(expected["webhook_signature"], content)
    assert not holds(expected["webhook_signature"], content + b" ")


def test_the_vector_of_a_rotation_is_accepted_by_whoever_knows_either_key() -> None:
    inputs, expected = (vector("standard-webhooks-rotation-1")[part] for part in ("inputs", "expected"))
    at = datetime.fromtimestamp(int(inputs["webhook_timestamp"]), UTC)
    headers = {
        "webhook-id": inputs["webhook_id"],
        "webhook-timestamp": inputs["webhook_timestamp"],
        "webhook-signature": expected["webhook_signature_header"],
    }
    request = Request("POST", {}, headers, inputs["http_body"].encode())
    for known in (inputs["secret"], inputs["previous_secret"], f"{SECRET} {WHPK}"):
        assert near(inbound_secret=known).receive(request, at).messages == ()  # its type is none for us
    with pytest.raises(UnverifiedError):
        near(inbound_secret=INBOUND).receive(request, at)


@pytest.mark.parametrize(
    "secret",
    ["", "plain", "whsec_", "whsec_AAAA", f"whsec_{b64(bytes(65))}", "whsec_!!!!", f"whsk_{b64(bytes(31))}", WHPK,
     f"whsk_{b64(SEED + bytes(32))}"],
)  # fmt: skip
def test_a_key_that_cannot_sign_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        near(secret=secret)
    assert secret[6:] in ("", "_") or secret not in str(caught.value)


@pytest.mark.parametrize("secret", [WHSK, "whpk_AAAA", "Bearer x"])
def test_a_key_that_cannot_verify_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError):
        near(inbound_secret=secret)


def test_padding_of_a_key_may_be_left_out() -> None:
    assert [sign(b"x") for sign in signers(SECRET.rstrip("="))] == [sign(b"x") for sign in signers(SECRET)]


@pytest.mark.parametrize(
    "url",
    ["", "https://u:p@portal.cn/x", "https://portal.cn/x?token=1", "https://portal.cn/x#y", "ftp://portal.cn"],
)
def test_an_address_that_could_hold_a_secret_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        double.config(url)


def test_plain_http_is_only_for_this_network() -> None:
    assert double.config("http://10.0.0.8/hooks").allow_private
    with pytest.raises(ValidationError, match="https"):
        double.config("http://portal.example.cn/hooks", allow_private=False)


# Sending


async def test_a_reminder_arrives_signed_with_what_can_be_answered(far: Portal) -> None:
    async with adapter_of(far) as portal:
        assert await portal.send(message("年报", Button("签收", "ack:1", "primary"), Button("详情", "more"))) == "42"
    assert far.shown == [
        {
            "type": "reminder.fired",
            "timestamp": "2026-01-01T12:00:00Z",
            "data": {
                "reminder_id": "42",
                "to": "zhang.san",
                "text": "年报",
                "in_reply_to": "",
                "actions": [
                    {"action": "ack:1", "label": "签收", "style": "primary"},
                    {"action": "more", "label": "详情", "style": "plain"},
                ],
            },
        }
    ]


async def test_an_answer_names_the_reply_it_answers(far: Portal) -> None:
    async with adapter_of(far) as portal:
        await portal.send(message("已签收", via="msg_portal0001"))
    assert far.shown[0]["data"]["in_reply_to"] == "msg_portal0001"


async def test_a_portal_that_may_not_answer_is_shown_no_actions(far: Portal) -> None:
    async with adapter_of(far, inbound_secret="") as portal:
        await portal.send(message("年报", Button("签收", "ack:1")))
    assert far.shown[0]["data"]["actions"] == []


async def test_a_repeated_attempt_has_the_same_id_and_a_time_of_its_own(far: Portal) -> None:
    far.instead += [Answer(reset=True, after=True), Answer(503, after=True)]
    async with adapter_of(far) as portal:
        for _ in range(2):
            with pytest.raises(RetryError):
                await portal.send(message())
        far.now = lambda: NOON + timedelta(minutes=10)
        portal._now = far.now
        await portal.send(message())
    assert len({headers["webhook-id"] for headers, _ in far.calls}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in far.calls}) == 2
    assert len(far.shown) == 1


async def test_different_messages_have_different_ids(far: Portal) -> None:
    async with adapter_of(far) as portal:
        await portal.send(message(key="1"))
        await portal.send(message(key="2"))
        await portal.send(message(key="1", text="another database counts from one again"))
    assert len(far.shown) == 3


async def test_an_update_names_the_reminder_and_going_back_is_an_update_too(far: Portal) -> None:
    async with adapter_of(far) as portal:
        receipt = await portal.send(message())
        for minute, text in enumerate(["已签收", "已报结", "已签收"]):
            far.now = lambda minute=minute: NOON + timedelta(minutes=minute)  # type: ignore[misc]
            portal._now = far.now
            assert await portal.update(receipt, message(text)) == receipt
    assert [(one["type"], one["data"]["reminder_id"]) for one in far.shown[1:]] == [("reminder.updated", "42")] * 3
    assert [one["data"]["text"] for one in far.shown[1:]] == ["已签收", "已报结", "已签收"]
    assert len({one["timestamp"] for one in far.shown[1:]}) == 3


async def test_while_keys_are_changed_both_sign(far: Portal) -> None:
    far.secret = PREVIOUS
    async with adapter_of(far, secret=f"{SECRET} {PREVIOUS} {WHSK}") as portal:
        await portal.send(message())
    versions = [entry.partition(",")[0] for entry in far.calls[0][0]["webhook-signature"].split(" ")]
    assert versions == ["v1", "v1", "v1a"]


async def test_a_gateways_credential_goes_along(far: Portal) -> None:
    async with adapter_of(far, authorization="Bearer s3cr3t") as portal:
        await portal.send(message())
    assert far.calls[0][0]["authorization"] == "Bearer s3cr3t"


@pytest.mark.parametrize("worst", ['"', "\\", "\n", "督", "\U0001f600", "\x01", "\ud800"])
async def test_the_longest_message_stays_within_twenty_thousand_bytes(far: Portal, worst: str) -> None:
    text = worst * (WebhookAdapter.max_bytes // max(1, len(worst.encode("utf-8", "replace"))))
    buttons = tuple(Button('"' * 60, str(number) + '"' * 110) for number in range(60))
    async with adapter_of(far) as portal:
        await portal.send(message(text, *buttons))
    assert len(far.calls[0][1]) < 20_000
    assert far.shown[0]["data"]["actions"]


async def test_an_action_that_would_not_come_back_as_it_is_is_left_out(far: Portal) -> None:
    async with adapter_of(far) as portal:
        await portal.send(
            message("年报", Button("a", "x" * 121), Button("b", ""), Button("c", "\x00"), Button("d", "d"))
        )
    assert [one["action"] for one in far.shown[0]["data"]["actions"]] == ["d"]


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, RecipientError), (413, RecipientError), (422, RecipientError),
        (401, ConfigurationError), (403, ConfigurationError), (404, ConfigurationError), (405, ConfigurationError),
        (410, ConfigurationError), (301, ConfigurationError), (307, ConfigurationError),
        (408, RetryError), (409, RetryError), (425, RetryError), (418, RetryError), (429, RetryError),
        (500, RetryError), (502, RetryError), (504, RetryError),
    ],
)  # fmt: skip
async def test_each_status_says_what_to_do(far: Portal, status: int, raised: type[AdapterError]) -> None:
    far.instead.append(Answer(status, headers={"Location": f"{far.url}elsewhere"}))
    async with adapter_of(far) as portal:
        with pytest.raises(raised):
            await portal.send(message())
    assert (len(far.calls), far.shown) == (1, [])


async def test_somebody_the_portal_does_not_know_holds_up_nobody_else(far: Portal) -> None:
    far.unknown.add("zhang.san")
    async with adapter_of(far) as portal:
        with pytest.raises(RecipientError):
            await portal.send(message())


@pytest.mark.parametrize(("status", "asked", "after"), [(429, "17", 17), (429, "", 60), (503, "5", 5), (425, "9", 9)])
async def test_the_portal_says_how_long_to_wait(far: Portal, status: int, asked: str, after: float) -> None:
    far.instead.append(Answer(status, headers={"Retry-After": asked} if asked else {}))
    async with adapter_of(far) as portal:
        with pytest.raises(RetryError) as caught:
            await portal.send(message())
    assert caught.value.after == after


async def test_a_portal_that_hangs_is_tried_again(far: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    far.instead.append(Answer(hang=True))
    async with adapter_of(far) as portal:
        with pytest.raises(RetryError):
            await portal.send(message())


async def test_a_private_address_is_refused_unless_it_is_meant() -> None:
    portal = WebhookAdapter(double.config("https://127.0.0.1:9/x", allow_private=False), NoState(), lambda: NOON)
    with pytest.raises(ConfigurationError, match="private"):
        await portal.send(message())
    await portal.close()


async def test_no_secret_is_in_errors_or_logs_or_shown(far: Portal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = f"refused {SECRET} {SECRET.partition('_')[2]} {INBOUND} Bearer s3cr3t " * 3
    far.instead += [Answer(400, said), Answer(401, said), Answer(500, said), Answer(418, said)]
    shown = []
    async with adapter_of(far, authorization="Bearer s3cr3t") as portal:
        shown += [repr(portal), repr(portal._config), str(portal._config), portal._config.model_dump_json()]
        for _ in range(4):
            with pytest.raises(AdapterError) as caught:
                await portal.send(message())
            shown += [str(caught.value), repr(caught.value)]
        shown += [str(await portal.check())]
    everything = "\n".join([*shown, caplog.text])
    for secret in (SECRET.partition("_")[2], INBOUND.partition("_")[2], "s3cr3t"):
        assert secret not in everything


# Checking


async def keys(far: Portal, **more: Any) -> list[tuple[bool, str]]:
    async with adapter_of(far, **more) as portal:
        return [(one.ok, one.key) for one in await portal.check()]


async def test_a_check_shows_nobody_anything(far: Portal) -> None:
    assert await keys(far) == [
        (True, "check-reachable"), (False, "check-clock"), (True, "check-credentials"), (True, "check-webhook-inbound"),
    ]  # fmt: skip
    far.now = lambda: datetime.now(UTC)
    assert (await keys(far, inbound_secret=""))[1:] == [(True, "check-credentials"), (True, "check-webhook-one-way")]
    assert far.shown == []


@pytest.mark.parametrize(
    ("status", "key"),
    [(401, "check-credentials-refused"), (404, "check-webhook-address"), (302, "check-webhook-address")],
)
async def test_a_check_says_what_is_wrong(far: Portal, status: int, key: str) -> None:
    far.instead.append(Answer(status))
    assert (False, key) in await keys(far)


async def test_a_check_says_that_nobody_is_there(far: Portal) -> None:
    far.instead.append(Answer(reset=True))
    assert await keys(far) == [(False, "check-unreachable")]


async def test_a_check_tells_a_wrong_secret(far: Portal) -> None:
    assert (False, "check-credentials-refused") in await keys(far, secret=PREVIOUS)


# Receiving


def test_what_somebody_wrote_comes_in() -> None:
    assert near().receive(signed(payload("reply_text"), NOON), NOON).messages == (
        Incoming("portal", "portal", "msg_portal0001", "zhang.san", "完成 42", "", "42", "msg_portal0001"),
    )


def test_it_may_answer_nothing_and_say_more_than_the_schema() -> None:
    (found,) = near().receive(signed(payload("reply_text_alone"), NOON), NOON).messages
    assert (found.text, found.reply_to) == ("绑定 7F3K9Q", "")


async def test_an_action_comes_back_as_it_went_out(far: Portal) -> None:
    async with adapter_of(far) as portal:
        await portal.send(message("年报", Button("签收", "ack:42", "primary")))
        data = far.shown[0]["data"]
        pressed = {"user": data["to"], "reminder_id": data["reminder_id"], "action": data["actions"][0]["action"]}
        body = {"type": "reply.action", "timestamp": "2026-01-01T12:00:00Z", "data": pressed}
        (found,) = portal.receive(signed(body, NOON), NOON).messages
    assert (found.action, found.reply_to, found.text) == ("ack:42", "42", "")


def test_a_type_that_is_not_known_is_acknowledged() -> None:
    found = near().receive(signed(payload("unknown"), NOON), NOON)
    assert (found.messages, found.response.status) == ((), 200)


def test_a_redelivery_has_the_same_id_and_the_same_answer() -> None:
    once = near().receive(signed(payload("reply_text"), NOON), NOON)
    again = near().receive(signed(payload("reply_text"), NOON + timedelta(minutes=2)), NOON + timedelta(minutes=2))
    assert once == again


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_of_difference_are_allowed(seconds: int) -> None:
    assert near().receive(signed(payload("reply_text"), NOON), NOON + timedelta(seconds=seconds)).messages


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_more_than_that_is_a_replay(seconds: int) -> None:
    with pytest.raises(UnverifiedError):
        near().receive(signed(payload("reply_text"), NOON), NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": ""}, {"webhook-signature": "v1,AAAA"}, {"webhook-signature": "v1"},
        {"webhook-signature": "v2,AAAA v1a,AAAA"}, {"webhook-signature": "v1,督办"}, {"webhook-timestamp": ""},
        {"webhook-timestamp": "-1"}, {"webhook-timestamp": "1e9"}, {"webhook-timestamp": "9" * 400},
        {"webhook-id": "msg_another"}, {"webhook-id": "督办"},
    ],
)  # fmt: skip
def test_what_is_not_signed_by_the_portal_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnverifiedError):
        near().receive(changed(signed(payload("reply_text"), NOON), headers), NOON)


def test_a_changed_body_is_refused() -> None:
    request = signed(payload("reply_text"), NOON)
    with pytest.raises(UnverifiedError):
        near().receive(changed(request, {}, request.body.replace(b"zhang", b"liang")), NOON)


def test_our_own_secret_does_not_open_the_door() -> None:
    with pytest.raises(UnverifiedError):
        near().receive(signed(payload("reply_text"), NOON, secret=SECRET), NOON)


def test_without_an_inbound_secret_nothing_comes_in() -> None:
    portal = near(inbound_secret="")
    assert not portal.receives
    with pytest.raises(UnverifiedError):
        portal.receive(signed(payload("reply_text"), NOON, secret=SECRET), NOON)


def test_a_flood_of_signatures_is_cut_short() -> None:
    request = signed(payload("reply_text"), NOON)
    flood = " ".join(["v1a,AAAA"] * 100_000 + [request.headers["webhook-signature"]])
    with pytest.raises(UnverifiedError):
        near(inbound_secret=f"{INBOUND} {WHPK}").receive(changed(request, {"webhook-signature": flood}), NOON)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"1" * 5000, {"type": "reply.text"},
        {"type": "reply.text", "data": {}}, {"type": "reply.text", "data": {"user": "", "text": "x"}},
        {"type": "reply.text", "data": {"user": "\x00", "text": "x"}},
        {"type": "reply.text", "data": {"user": 7, "text": "x"}},
        {"type": "reply.text", "data": {"user": "u" * 121, "text": "x"}},
        {"type": "reply.text", "data": {"user": "u", "text": "x" * 20_001}},
        {"type": "reply.action", "data": {"user": "u", "action": "a"}},
        {"type": "reply.action", "data": {"user": "u", "reminder_id": "42", "action": ""}},
    ],
    ids=lambda body: str(body)[:40],
)  # fmt: skip
def test_what_is_signed_but_makes_no_sense_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedError):
        near().receive(signed(body, NOON), NOON)


@pytest.mark.parametrize("event_id", ["", "a.b", "with space", "x" * 121])
def test_an_id_that_cannot_be_kept_is_malformed(event_id: str) -> None:
    with pytest.raises(MalformedError):
        near().receive(signed(payload("reply_text"), NOON, event_id), NOON)


def test_signs_that_databases_refuse_are_taken_out() -> None:
    body = b'{"type":"reply.text","data":{"user":"z\\u0000","text":"\\ud800 ok \\u0001"}}'
    (found,) = near().receive(signed(body, NOON), NOON).messages
    assert (found.sender, found.text) == ("z", "ok")


@given(body=st.binary(max_size=200), headers=st.dictionaries(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=40)))  # fmt: skip
def test_whatever_comes_in_unsigned_is_only_refused(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(UnverifiedError):
        FUZZED.receive(Request("POST", {}, headers, body), NOON)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["type", "data", "user", "text", "reminder_id", "action", "timestamp"]) | st.text(), inner)
), max_leaves=12)  # fmt: skip
TYPES = st.sampled_from(["reply.text", "reply.action", "other", 7])


@given(body=JSON | st.fixed_dictionaries({"type": TYPES, "data": JSON}), event_id=st.text(max_size=20))
def test_whatever_is_signed_is_read_or_refused(body: Any, event_id: str) -> None:
    raw = json.dumps(body).encode()
    try:
        found = FUZZED.receive(signed(raw, NOON, event_id), NOON)
    except RefusedError:
        return
    for one in found.messages:
        assert 0 < len(one.sender) <= 128
        assert "\x00" not in json.dumps(one.content(), ensure_ascii=False).encode().decode()


FUZZED = near(inbound_secret=f"{INBOUND} {WHPK}")


async def test_over_http_duplicates_and_disorder_are_told_apart_by_id() -> None:
    inbox: list[Incoming] = []

    async def keep(one: Incoming) -> None:
        inbox.append(one)

    handler = Webhooks({"portal": near()}, keep, lambda: NOON)
    app = aiohttp.web.Application()
    app.add_routes(handler.routes())
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}/hooks/portal".format(*runner.addresses[0][:2])
    statuses = []
    async with aiohttp.ClientSession() as session:
        for event_id, said in [("msg_2", "reply_action"), ("msg_1", "reply_text"), ("msg_2", "reply_action")]:
            request = signed(payload(said), NOON, event_id)
            async with session.post(url, data=request.body, headers=request.headers) as answer:
                statuses.append((answer.status, await answer.text()))
        async with session.post(url, data=b"{}") as answer:
            statuses.append((answer.status, await answer.text()))
    await runner.cleanup()
    assert statuses == [(200, "{}")] * 3 + [(401, "")]
    assert [one.message_id for one in inbox] == ["msg_2", "msg_1", "msg_2"]
    assert inbox[0] == inbox[2]


# The published schemas


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schemas_are_what_the_code_says(name: str) -> None:
    published = (double.SCHEMAS / name).read_text(encoding="utf-8")
    assert published == written(name), "run: python -m tests.adapters.test_webhook"


async def test_what_is_sent_and_read_is_what_the_schemas_allow(far: Portal) -> None:
    jsonschema: Any = pytest.importorskip("jsonschema", reason="no validator is installed: pip install jsonschema")
    outbound, inbound = (
        jsonschema.Draft202012Validator(schema(name)) for name in ("webhook-outbound.json", "webhook-inbound.json")
    )
    async with adapter_of(far) as portal:
        receipt = await portal.send(message("年报", Button("签收", "ack:1", "loud"), via="msg_1"))
        await portal.update(receipt, message("已签收"))
    for body in far.shown:
        outbound.validate(body)
    for name in ("reply_text", "reply_text_alone", "reply_action"):
        inbound.validate(payload(name))
        assert near().receive(signed(payload(name), NOON), NOON).messages
    for body in (
        {"type": "reply.text", "data": {"user": "u"}},
        {"type": "reply.text", "data": {"user": 1, "text": ""}},
    ):
        assert not inbound.is_valid(body)


# The reference library as the far end


def library(secret: str) -> Any:
    sdk: Any = pytest.importorskip(
        "standardwebhooks", reason="the reference library is not installed: pip install standardwebhooks"
    )
    return sdk.Webhook(secret)


async def test_the_reference_library_accepts_what_we_send(far: Portal) -> None:
    far.now = lambda: datetime.now(UTC)  # the library has no other clock
    async with adapter_of(far, secret=f"{PREVIOUS} {SECRET}") as portal:
        await portal.send(message("年报"))
    headers, body = far.calls[0]
    assert library(SECRET).verify(body, headers)["data"]["text"] == "年报"
    with pytest.raises(Exception, match="No matching signature"):
        library(INBOUND).verify(body, headers)


def test_we_accept_what_the_reference_library_signs() -> None:
    body = json.dumps(payload("reply_text"), ensure_ascii=False)
    given = library(INBOUND).sign("msg_sdk1", NOON, body)
    headers = {"webhook-id": "msg_sdk1", "webhook-timestamp": str(int(NOON.timestamp())), "webhook-signature": given}
    (found,) = near().receive(Request("POST", {}, headers, body.encode()), NOON).messages
    assert found.text == "完成 42"


async def test_many_at_once_share_a_connection_and_leave_nothing_open(far: Portal) -> None:
    async with adapter_of(far) as portal:
        await asyncio.gather(*(portal.send(message(key=str(number))) for number in range(40)))
    assert len(far.shown) == 40


def written(name: str) -> str:
    return json.dumps(schema(name), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for one in SCHEMAS:
        (double.SCHEMAS / one).write_text(written(one), encoding="utf-8")
