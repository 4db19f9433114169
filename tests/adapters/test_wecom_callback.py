"""The self-built application's callback: vectors, recorded payloads, the vendor-independent SDK, and nonsense."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.base import Incoming, MalformedError, Request, UnverifiedError
from adapters.crypto import sha1_of_sorted, wide_decrypt, wide_encrypt, wide_key
from adapters.wecom_app import WecomAppAdapter, WecomAppConfig
from adapters.wecom_bot import read
from tests.adapters.doubles.wecom import AES_KEY, AGENT, CORP, SECRET, TOKEN, Memory, Wecom

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PAYLOADS = Path(__file__).parent / "payloads" / "wecom"
VECTORS = {
    vector["id"]: vector for vector in json.loads((PAYLOADS / "vectors.json").read_text(encoding="utf-8"))["vectors"]
}
SEALED = [name for name, vector in VECTORS.items() if "encrypt" in vector["expected"] or "encrypt" in vector["inputs"]]
THEN = datetime.fromtimestamp(1767225601, UTC)
AT = int(THEN.timestamp())


def app(**keys: Any) -> WecomAppAdapter:
    given = {"corp_id": CORP, "agent_id": AGENT, "secret": SECRET, "token": TOKEN, "encoding_aes_key": AES_KEY} | keys
    return WecomAppAdapter(WecomAppConfig(name="wecom", platform="wecom-app", **given), Memory(), lambda: THEN)


def plaintext(name: str) -> str:
    return (PAYLOADS / name).read_text(encoding="utf-8")


def received(text: str) -> tuple[Incoming, ...]:
    return app().receive(Wecom().callback(text, AT), THEN).messages


def parts(vector: dict[str, Any]) -> dict[str, str]:
    return {**vector["inputs"], **vector["expected"]}


@pytest.mark.parametrize("name", SEALED)
def test_a_vector_is_signed_as_published(name: str) -> None:
    vector = parts(VECTORS[name])
    signed = sha1_of_sorted(vector["token"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert signed == vector["msg_signature"]


@pytest.mark.parametrize("name", SEALED)
def test_a_vector_opens(name: str) -> None:
    vector = parts(VECTORS[name])
    opened = wide_decrypt(wide_key(vector["encoding_aes_key"]), vector["encrypt"], vector["receive_id"])
    assert opened.decode() == vector["plaintext"]


@pytest.mark.parametrize("name", SEALED)
def test_a_vector_closes_to_the_same_bytes(name: str) -> None:
    vector = parts(VECTORS[name])
    key, message = wide_key(vector["encoding_aes_key"]), vector["plaintext"].encode()
    assert wide_encrypt(key, message, vector["receive_id"], vector["random16"].encode()) == vector["encrypt"]


def vector_request(name: str) -> tuple[WecomAppAdapter, Request, datetime]:
    vector = parts(VECTORS[name])
    keys = {"corp_id": vector["receive_id"], "token": vector["token"], "encoding_aes_key": vector["encoding_aes_key"]}
    query = {name: vector[name] for name in ("timestamp", "nonce", "msg_signature")}
    body = vector.get("http_body") or f"<xml><Encrypt><![CDATA[{vector['encrypt']}]]></Encrypt></xml>"
    return app(**keys), Request("POST", query, {}, body.encode()), datetime.fromtimestamp(int(vector["timestamp"]), UTC)


def test_the_published_message_is_received() -> None:
    adapter, request, at = vector_request("wecom-callback-published-1")
    (message,) = adapter.receive(request, at).messages
    assert (message.sender, message.text, message.message_id) == ("mycreate", "hello", "4561255354251345929")


def test_the_vector_in_chinese_is_received() -> None:
    adapter, request, at = vector_request("wecom-text-cjk-1")
    assert adapter.receive(request, at).messages == (
        Incoming("wecom", f"{CORP}:{AGENT}", "7300000000000000001", "zhangsan", "已完成 done ✅", via="user"),
    )


def test_the_vector_of_a_click_is_received() -> None:
    adapter, request, at = vector_request("wecom-card-click-1")
    (message,) = adapter.receive(request, at).messages
    assert (message.action, message.sender) == ("done:42", "zhangsan")
    assert message.via == "click reminder-42-0001 RESPCODE"


@pytest.mark.parametrize("name", ["wecom-pad32-1", "wecom-pad20-1"])
def test_padding_is_right_and_what_was_inside_is_no_message(name: str) -> None:
    adapter, request, at = vector_request(name)
    with pytest.raises(MalformedError, match="XML"):
        adapter.receive(request, at)


def test_the_url_check_gets_the_bare_text() -> None:
    vector = parts(VECTORS["wecom-url-verify-1"])
    query = {name: values[0] for name, values in parse_qs(vector["query_string"]).items()}
    answer = app().receive(Request("GET", query, {}), THEN).response
    assert (answer.status, answer.body) == (200, vector["http_response_body"].encode())


@pytest.mark.parametrize("case", VECTORS["wecom-negative-1"]["expected"]["cases"], ids=lambda case: str(case["case"]))
def test_a_negative_vector_is_refused(case: dict[str, Any]) -> None:
    base = parts(VECTORS["wecom-text-cjk-1"])
    inputs = base | case["inputs"]
    query = {name: inputs[name] for name in ("timestamp", "nonce", "msg_signature")}
    body = f"<xml><Encrypt><![CDATA[{inputs['encrypt']}]]></Encrypt></xml>"
    with pytest.raises(UnverifiedError):
        app(corp_id=inputs["receive_id"]).receive(Request("POST", query, {}, body.encode()), THEN)


@pytest.mark.parametrize("name", ["wecom-aibot-text-1", "wecom-aibot-click-1"])
def test_the_ai_bots_vectors_are_read_as_its_frames_are(name: str) -> None:
    message = read(json.loads(parts(VECTORS[name])["plaintext"]), "bot", "req")
    assert message is not None
    assert (message.app, message.sender) == ("AIBOT1", "zhangsan")
    assert (message.text, message.action) in {("完成 42", ""), ("", "done:42")}


def test_a_text_is_received_as_typed() -> None:
    (message,) = received(plaintext("app_text.xml"))
    assert (message.text, message.sender, message.message_id) == ("报结 42 <@all>", "zhangsan", "7300000000000000001")


def test_the_answer_is_empty() -> None:
    response = app().receive(Wecom().callback(plaintext("app_text.xml"), AT), THEN).response
    assert (response.status, response.body) == (200, b"")


def test_a_picture_is_a_message_without_words() -> None:
    (message,) = received(plaintext("app_image.xml"))
    assert (message.text, message.action, message.message_id) == ("", "", "7300000000000000002")


def test_a_click_carries_its_value_its_card_and_a_new_response_code() -> None:
    (message,) = received(plaintext("app_click.xml"))
    assert (message.action, message.reply_to) == ("report:42", "7")
    assert message.via == "click 7@0123456789abcdef FRESH"


def test_a_click_sent_again_has_the_same_id_and_another_click_has_not() -> None:
    first, again = received(plaintext("app_click.xml")), received(plaintext("app_click.xml").replace("FRESH", "RC2"))
    other = received(plaintext("app_click.xml").replace("1767225601", "1767225602"))
    assert first[0].message_id == again[0].message_id != other[0].message_id
    assert len(first[0].message_id) <= 128


@pytest.mark.parametrize(
    "text", [plaintext("app_enter.xml"), "<xml/>", "<xml><FromUserName>a</FromUserName><MsgType>odd</MsgType></xml>"]
)
def test_other_events_are_acknowledged_and_ignored(text: str) -> None:
    received_ = app().receive(Wecom().callback(text, AT), THEN)
    assert (received_.messages, received_.response.status) == ((), 200)


@pytest.mark.parametrize(
    "changed",
    [
        {"token": "another"},
        {"corp": "ww-other"},
        {"msg_signature": "0" * 40},
        {"msg_signature": ""},
        {"nonce": "other"},
        {"timestamp": "1767225602"},
        {"msg_signature": "\udcff"},
    ],
)
def test_what_is_not_signed_for_us_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(UnverifiedError):
        app().receive(Wecom().callback(plaintext("app_text.xml"), AT, **changed), THEN)


@pytest.mark.parametrize("minutes", [61, -61])
def test_an_old_or_early_callback_is_refused(minutes: int) -> None:
    with pytest.raises(UnverifiedError, match="another time"):
        app().receive(Wecom().callback(plaintext("app_text.xml"), AT), THEN + timedelta(minutes=minutes))


@pytest.mark.parametrize("minutes", [59, -59])
def test_a_callback_sent_again_within_the_hour_is_taken(minutes: int) -> None:
    request = Wecom().callback(plaintext("app_text.xml"), AT)
    assert app().receive(request, THEN + timedelta(minutes=minutes)).messages


def test_a_signed_message_cannot_be_read_out_through_the_url_check() -> None:
    request = Wecom().callback(plaintext("app_text.xml"), AT)
    sealed = request.body.decode().partition("[CDATA[")[2].partition("]]")[0]
    with pytest.raises(MalformedError):
        app().receive(Request("GET", {**request.query, "echostr": sealed}, {}), THEN)


def test_a_connection_without_callback_takes_nothing() -> None:
    silent = app(token="", encoding_aes_key="")
    with pytest.raises(UnverifiedError):
        silent.receive(Wecom().callback(plaintext("app_text.xml"), AT), THEN)


BOMB = (
    b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>"""
)


@pytest.mark.parametrize("body", [b"", b"{}", b"<xml>", b"\xff\xfe", BOMB, b"<a>" * 3000])
def test_what_is_no_xml_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        app().receive(Request("POST", {}, {}, body), THEN)


def test_an_entity_inside_the_sealed_message_is_refused() -> None:
    with pytest.raises(MalformedError):
        received('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hosts">]><xml><Content>&a;</Content></xml>')


QUERY = st.dictionaries(
    st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr"]), st.text(st.characters(exclude_categories=[]))
)
BODY = st.binary() | st.text().map(lambda text: f"<xml><Encrypt>{text}</Encrypt></xml>".encode())


@RELAXED
@given(st.sampled_from(["GET", "POST"]), QUERY, BODY)
def test_nonsense_is_refused_and_nothing_else_happens(method: str, query: dict[str, str], body: bytes) -> None:
    with pytest.raises((UnverifiedError, MalformedError)):
        app().receive(Request(method, query, {}, body), THEN)


@RELAXED
@given(st.binary() | st.text().map(str.encode))
def test_signed_nonsense_is_refused_or_ignored(inside: bytes) -> None:
    sealed = wide_encrypt(wide_key(AES_KEY), inside, CORP)
    query = {"timestamp": str(AT), "nonce": "n", "msg_signature": sha1_of_sorted(TOKEN, str(AT), "n", sealed)}
    body = f"<xml><Encrypt>{sealed}</Encrypt></xml>".encode()
    with contextlib.suppress(MalformedError):
        assert app().receive(Request("POST", query, {}, body), THEN).messages == ()


@RELAXED
@given(st.text(alphabet="ABCDEFabcdef0123456789+/=", max_size=200))
def test_signed_ciphertext_of_nonsense_is_refused(sealed: str) -> None:
    query = {"timestamp": str(AT), "nonce": "n", "msg_signature": sha1_of_sorted(TOKEN, str(AT), "n", sealed)}
    body = f"<xml><Encrypt>{sealed}</Encrypt></xml>".encode()
    with pytest.raises((UnverifiedError, MalformedError)):
        app().receive(Request("POST", query, {}, body), THEN)


@pytest.fixture
def sdk() -> Any:
    crypto = pytest.importorskip(
        "wechatpy.enterprise.crypto", reason="wechatpy is not installed: the far end of the callback is not tested"
    )
    return crypto.WeChatCrypto(TOKEN, AES_KEY, CORP)


def test_what_the_sdk_seals_we_open(sdk: Any) -> None:
    sealed = sdk.encrypt_message(plaintext("app_text.xml"), "n1", str(AT))
    signature = sealed.partition("<MsgSignature><![CDATA[")[2].partition("]]")[0]
    query = {"msg_signature": signature, "timestamp": str(AT), "nonce": "n1"}
    (message,) = app().receive(Request("POST", query, {}, sealed.encode()), THEN).messages
    assert message.text == "报结 42 <@all>"


def test_what_we_seal_the_sdk_opens(sdk: Any) -> None:
    request = Wecom().callback(plaintext("app_click.xml"), AT)
    query = request.query
    opened = sdk.decrypt_message(request.body.decode(), query["msg_signature"], query["timestamp"], query["nonce"])
    assert opened == plaintext("app_click.xml")


def test_the_sdk_and_we_answer_the_url_check_alike(sdk: Any) -> None:
    vector = parts(VECTORS["wecom-url-verify-1"])
    query = {name: values[0] for name, values in parse_qs(vector["query_string"]).items()}
    theirs = sdk.check_signature(query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"])
    ours = app().receive(Request("GET", query, {}), THEN).response.body
    assert theirs == ours.decode()


@RELAXED
@given(st.text(max_size=200))
def test_any_text_survives_both_ways(text: str) -> None:
    crypto = pytest.importorskip("wechatpy.enterprise.crypto", reason="wechatpy is not installed").WeChatCrypto
    theirs = crypto(TOKEN, AES_KEY, CORP)
    sealed = wide_encrypt(wide_key(AES_KEY), text.encode(), CORP)
    signature = sha1_of_sorted(TOKEN, "1", "n", sealed)
    assert theirs.decrypt_message({"Encrypt": sealed}, signature, "1", "n") == text
