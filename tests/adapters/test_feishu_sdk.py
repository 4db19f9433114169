"""Feishu's own SDK as the far end: what it writes we read, what we write it reads, and it finds the double faithful."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Button, Incoming, Outgoing, Request
from adapters.crypto import feishu_decrypt, feishu_encrypt
from adapters.feishu_app import FeishuAppAdapter
from adapters.feishu_frame import DATA, Frame, decode
from tests.adapters.doubles.feishu import NEW_YEAR, FeishuDouble, NoState, payload, signed
from tests.adapters.test_feishu_app import configured
from tests.adapters.test_feishu_events import APP, VECTORS, recorded, sealed

SCRIPT = Path(__file__).parent / "doubles" / "feishu_sdk.py"
FRAMES = [
    Frame(0, 0, 0, 0),
    Frame(2**64 - 1, 300, 33, DATA, (("type", "event"), ("长", "度")), "gzip", "json", b"\x00\xff" * 200, "new"),
    Frame(1, 2, -1, -(2**31), (("", ""),), payload=b"x"),
]


class Sdk:
    """One line asked, one line answered."""

    def __init__(self) -> None:
        # Without bytecode its 10,000 modules would be compiled at every start; loopback needs no proxy.
        unwanted = ("PYTHONDONTWRITEBYTECODE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        own = {name: value for name, value in os.environ.items() if name.upper() not in unwanted}
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=own,
        )
        self.version = self._read()["version"]

    def ask(self, do: str, **about: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **about}) + "\n")
        self._process.stdin.flush()
        return self._read()

    async def asked(self, do: str, **about: object) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self.ask(do, **about))

    def close(self) -> None:
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the SDK's process ended"
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture(scope="module")
def sdk() -> Iterator[Sdk]:
    if find_spec("lark_oapi") is None:
        pytest.skip("lark-oapi is not installed: Feishu's own SDK has not been asked (pip install -e .[sdk])")
    started = Sdk()
    yield started
    started.close()


@pytest.fixture
async def feishu() -> AsyncIterator[FeishuDouble]:
    async with FeishuDouble() as double:
        yield double


def fields(frame: Frame) -> dict[str, Any]:
    return {
        "numbers": [frame.seq_id, frame.log_id, frame.service, frame.method],
        "headers": [list(header) for header in frame.headers],
        "texts": [frame.payload_encoding, frame.payload_type, frame.log_id_new],
        "payload": frame.payload.hex(),
    }


@pytest.mark.parametrize("frame", FRAMES)
def test_our_frames_are_theirs_and_theirs_are_ours(sdk: Sdk, frame: Frame) -> None:
    assert sdk.ask("parsed", hex=frame.encoded().hex()) == fields(frame)
    assert decode(bytes.fromhex(sdk.ask("written", **fields(frame))["hex"])) == frame


def test_a_full_frame_is_the_same_byte_by_byte(sdk: Sdk) -> None:
    assert sdk.ask("written", **fields(FRAMES[1]))["hex"] == FRAMES[1].encoded().hex()


@pytest.mark.parametrize("text", ["", "完成 42", "x" * 15, "x" * 16, "督" * 1000])
def test_they_open_what_we_close(sdk: Sdk, text: str) -> None:
    if text:
        assert sdk.ask("decrypted", key="k", sealed=feishu_encrypt("k", text.encode())) == {"text": text}
    assert feishu_decrypt("k", feishu_encrypt("k", text.encode())) == text.encode()


def dispatch(sdk: Sdk, request: Request) -> dict[str, Any]:
    """Ask their dispatcher about a request of ours."""
    keys = {"encrypt_key": FeishuDouble.encrypt_key, "token": FeishuDouble.verification_token}
    return sdk.ask("dispatched", body=request.body.decode(), headers=lark_headers(request), **keys)


def lark_headers(request: Request) -> dict[str, str]:
    """Header names as their dispatcher looks them up, without the `X-Lark-` before them."""
    names = {"request-timestamp": "Request-Timestamp", "request-nonce": "Request-Nonce", "signature": "Signature"}
    return {theirs: request.headers["x-lark-" + ours] for ours, theirs in names.items()}


@pytest.mark.parametrize("name", ["feishu-url-verification-1", "feishu-im-message-1", "feishu-card-action-1"])
def test_what_they_take_we_take(sdk: Sdk, name: str) -> None:
    request = recorded(VECTORS[name])
    assert dispatch(sdk, request)["status"] == APP.receive(request, NEW_YEAR).response.status == 200


def test_the_challenge_gets_the_same_answer(sdk: Sdk) -> None:
    request = recorded(VECTORS["feishu-url-verification-1"])
    theirs, ours = dispatch(sdk, request)["body"], APP.receive(request, NEW_YEAR).response.body
    assert json.loads(theirs) == json.loads(ours)


@pytest.mark.parametrize(("name", "seen"), [("direct_text", ["om_10"]), ("click", ["click"])])
def test_they_take_what_the_double_signs(sdk: Sdk, name: str, seen: list[str]) -> None:
    assert dispatch(sdk, sealed(payload(name)))["seen"] == seen


def test_they_refuse_what_we_refuse(sdk: Sdk) -> None:
    request = sealed(payload("direct_text"))
    spoiled = replace(request, headers={**request.headers, "x-lark-signature": "0" * 64})
    other_key = signed(request.body, "1767225600", "n1", "other")
    for refused in (spoiled, other_key):
        assert dispatch(sdk, refused)["status"] == 500


def test_they_take_the_old_card_callback_we_take(sdk: Sdk) -> None:
    request = recorded(VECTORS["feishu-legacy-card-sha1-1"])
    asked = {"body": request.body.decode(), "headers": lark_headers(request), "token": FeishuDouble.verification_token}
    assert sdk.ask("legacy", **asked) == {"status": 200, "seen": ["ou_1"]}


async def test_their_client_finds_the_double_to_be_feishu(sdk: Sdk, feishu: FeishuDouble) -> None:
    about = {"app_id": feishu.app_id, "app_secret": feishu.app_secret, "base": feishu.base, "uuid": "u1", "to": "ou_1"}
    content = json.dumps({"text": "提醒"})
    first = await sdk.asked("sent", **about, type="text", content=content)
    again = await sdk.asked("sent", **about, type="text", content=content)
    assert first == again == {"code": 0, "message_id": next(iter(feishu.messages))}


async def test_their_client_sends_the_same_request_as_ours(sdk: Sdk, feishu: FeishuDouble) -> None:
    app = FeishuAppAdapter(configured(feishu), NoState(), lambda: NEW_YEAR)
    ours = feishu.messages[await app.send(Outgoing("1", "ou_1", "提醒", (Button("签收", "ack:1"),)))]
    about = {"app_id": feishu.app_id, "app_secret": feishu.app_secret, "base": feishu.base, "uuid": "u2", "to": "ou_1"}
    theirs = await sdk.asked("sent", **about, type=ours["type"], content=json.dumps(ours["content"]))
    await app.close()
    assert feishu.messages[theirs["message_id"]] == ours


async def test_their_long_connection_answers_as_ours_does(sdk: Sdk, feishu: FeishuDouble) -> None:
    about = {"app_id": feishu.app_id, "app_secret": feishu.app_secret, "base": feishu.base}
    theirs = asyncio.create_task(sdk.asked("listened", **about, events=2))
    await asyncio.wait_for(feishu.connected.wait(), 10)
    await feishu.push(payload("direct_text"), parts=3)
    assert await feishu.answer() == (200, None)
    await feishu.push(payload("click"))
    assert await feishu.answer() == (200, {})
    assert await theirs == {"seen": ["om_10", "click"]}

    seen: list[Incoming] = []

    async def take(message: Incoming) -> None:
        seen.append(message)

    feishu.connected.clear()
    app = FeishuAppAdapter(configured(feishu), NoState(), lambda: NEW_YEAR)
    ours = asyncio.create_task(app.listen(take))
    await asyncio.wait_for(feishu.connected.wait(), 10)
    await feishu.push(payload("direct_text"), parts=3)
    assert (await feishu.answer())[0] == 200
    await feishu.push(payload("click"))
    assert await feishu.answer() == (200, {})
    ours.cancel()
    await asyncio.gather(ours, return_exceptions=True)
    await app.close()
    assert [message.message_id for message in seen] == ["om_10", "evt-c1"]
