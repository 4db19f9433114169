"""The page's routes, with a chat in lists behind the door."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from adapters.base import Incoming
from bot.web.site import site
from bot.wording import LANGUAGES, catalogue
from tests.bot.chat_door import BUTTONS, FakeChat

Client = TestClient[web.Request, web.Application]
Open = Callable[[bool], Awaitable[Client]]
WEB = Path(__file__).parents[2] / "bot/web"
OURS = {"X-Duban": "page"}
HEAD = "/api/messages?as=zfb-head"
HELLO = {"id": "message-0001", "text": "待办"}


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest.fixture
async def open_site(chat: FakeChat) -> AsyncIterator[Open]:
    clients: list[Client] = []

    async def start(demo: bool) -> Client:
        client = TestClient(TestServer(site(chat.door(demo=demo), keep_alive=0.05)))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def demo(open_site: Open) -> Client:
    return await open_site(True)


@pytest.fixture
async def serve(open_site: Open) -> Client:
    return await open_site(False)


async def say_as(client: Client, path: str, body: object, **headers: str) -> ClientResponse:
    return await client.post(path, json=body, headers=OURS | headers)


async def sign_in(client: Client) -> ClientResponse:
    return await say_as(client, "/api/bind", {"code": " K7QM-2XDA "})


async def sentence(response: ClientResponse, language: str = "zh") -> str:
    return str((await response.json())["error"][language])


async def next_event(response: ClientResponse) -> dict[str, Any]:
    """The next event of a stream: its fields, with the data read."""
    found: dict[str, Any] = {}
    while line := (await asyncio.wait_for(response.content.readline(), 5)).decode().strip():
        name, _, value = line.partition(": ")
        found[name] = json.loads(value) if name == "data" else value
    return found


async def next_kind(response: ClientResponse, kind: str) -> dict[str, Any]:
    while (event := await next_event(response)).get("event") != kind:
        pass
    return event


# ── The page


async def test_the_page_speaks_chinese_and_carries_both_languages(demo: Client) -> None:
    text = await (await demo.get("/")).text()
    assert '<html lang="zh-CN">' in text
    found = re.search(r'id="words">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    words = json.loads(found[1])
    assert words["zh"]["web-send"] == "发送"
    assert words["en"]["web-send"] == "Send"


@pytest.mark.parametrize("path", ["/", "/static/chat.js", "/api/state", "/api/nothing", "/healthz", HEAD])
async def test_every_answer_is_protected(demo: Client, path: str) -> None:
    headers = (await demo.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_the_page_has_no_inline_script_or_style(demo: Client) -> None:
    text = await (await demo.get("/")).text()
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []


def test_the_page_needs_nothing_from_elsewhere() -> None:
    allowed = re.compile(r"http://www\.w3\.org/2000/svg")
    files = [path for folder in ("static", "templates") for path in (WEB / folder).iterdir()]
    addresses = {
        path.name: re.findall(r"(?:https?:)?//[\w-]+\.[\w.-]+", allowed.sub("", path.read_text(encoding="utf-8")))
        for path in files
    }
    assert [name for name, found in addresses.items() if found] == []
    assert len(addresses) > 3


def test_every_sentence_of_the_page_exists_in_both_languages() -> None:
    known = {language: {key for key in catalogue(language) if key.startswith("web-")} for language in LANGUAGES}
    assert known["zh"] == known["en"]
    sources = [*(WEB / "static").glob("*.js"), *(WEB / "templates").iterdir(), *WEB.glob("*.py")]
    used = {
        key for path in sources for key in re.findall(r'["\'](web-[a-z0-9-]+[a-z0-9])["\']', path.read_text("utf-8"))
    }
    assert used - known["zh"] == set()
    composed = re.compile(r"web-(role|chip|welcome)-|web-(online|offline|connecting)$")
    assert {key for key in known["zh"] - used if not composed.match(key)} == set()


def test_nobody_writes_html_from_script() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (WEB / "static").glob("*.js"))
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", scripts) == []


# ── Playing people


async def test_the_demo_shows_people_and_the_time(demo: Client) -> None:
    state = await (await demo.get("/api/state")).json()
    assert state["clock"] == {"now": "2027-01-28T10:00:00+08:00", "workday": True}
    assert state["people"][0] == {
        "address": "zfb-head",
        "name": "办公室负责人",
        "unit": "昌吉市人民政府办公室",
        "role": "head",
        "unread": 0,
    }


async def test_a_message_is_received_and_answered(demo: Client, chat: FakeChat) -> None:
    response = await say_as(demo, HEAD, HELLO | {"reply_to": "notice-9"})
    assert response.status == 202
    assert chat.received == [
        Incoming("webchat", "webchat", "message-0001", "zfb-head", text="待办", reply_to="notice-9")
    ]
    shown = (await (await demo.get(HEAD)).json())["messages"]
    assert [(one["side"], one["text"]) for one in shown] == [("me", "待办"), ("bot", "已记录（第 1 号）：待办")]


async def test_a_repeated_message_is_received_once(demo: Client, chat: FakeChat) -> None:
    assert [(await say_as(demo, HEAD, HELLO)).status for _ in range(3)] == [202, 202, 202]
    assert len(chat.received) == 1


async def test_a_button_says_its_label_and_means_its_action(demo: Client, chat: FakeChat) -> None:
    body = {"id": "message-0002", "text": "签收", "action": "ack:1", "reply_to": "notice-1"}
    assert (await say_as(demo, HEAD, body)).status == 202
    (press,) = chat.received
    assert (press.text, press.action, press.reply_to) == ("签收", "ack:1", "notice-1")


async def test_the_conversation_comes_in_stretches(demo: Client, chat: FakeChat) -> None:
    for number in range(45):
        await chat.speak("zfb-head", f"第{number}条")
    latest = await (await demo.get(HEAD)).json()
    assert latest["more"]
    assert [one["text"] for one in latest["messages"]][::39] == ["第5条", "第44条"]
    older = await (await demo.get(f"{HEAD}&before={latest['messages'][0]['order']}")).json()
    assert not older["more"]
    assert [one["text"] for one in older["messages"]] == [f"第{number}条" for number in range(5)]


@pytest.mark.parametrize("before", ["yesterday", "-1", "1.5", "", "9" * 19, "١"])
async def test_a_place_that_is_none_is_refused(demo: Client, before: str) -> None:
    assert (await demo.get("/api/messages", params={"as": "zfb-head", "before": before})).status == 400


@pytest.mark.parametrize("path", ["/api/messages", "/api/messages?as=nobody", "/api/events?as=nobody"])
async def test_only_known_people_can_be_played(demo: Client, path: str) -> None:
    assert (await demo.get(path)).status == 404


@pytest.mark.parametrize(
    ("step", "now"), [("hour", "2027-01-28T11"), ("day", "2027-01-29T10"), ("next", "2027-01-29T10")]
)
async def test_the_clock_moves(demo: Client, step: str, now: str) -> None:
    answer = await (await say_as(demo, "/api/clock", {"step": step})).json()
    assert answer["clock"]["now"].startswith(now)
    assert answer["moved"]


async def test_a_foreign_name_for_this_machine_is_refused(demo: Client) -> None:
    for path in ("/", "/api/state", "/static/chat.js"):
        response = await demo.get(path, headers={"Host": "rebound.example:8080"})
        assert response.status == 421
    assert "127.0.0.1" in await sentence(response)
    assert (await demo.get("/", headers={"Host": "localhost:8080"})).status == 200
    assert (await demo.get("/", headers={"Host": "[::1]:8080"})).status == 200
    assert (await demo.get("/", headers={"Host": "[::1"})).status in (400, 421)


# ── Refusals


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Duban": "other"},
        OURS | {"Sec-Fetch-Site": "cross-site"},
        OURS | {"Sec-Fetch-Site": "same-site"},
        OURS | {"Origin": "https://elsewhere.example"},
        OURS | {"Origin": "null"},
    ],
)
async def test_only_our_own_page_changes_anything(demo: Client, chat: FakeChat, headers: dict[str, str]) -> None:
    for path, body in ((HEAD, HELLO), ("/api/clock", {"step": "day"})):
        response = await demo.post(path, json=body, headers=headers)
        assert response.status == 403
    assert chat.received == []
    assert chat.now.day == 28


async def test_our_own_origin_is_welcome(demo: Client) -> None:
    origin = str(demo.make_url("/")).rstrip("/")
    assert (await say_as(demo, HEAD, HELLO, Origin=origin)).status == 202
    assert (await say_as(demo, HEAD, HELLO, **{"Sec-Fetch-Site": "same-origin"})).status == 202


@pytest.mark.parametrize("path", ["/api/clock", "/api/nothing"])
async def test_nothing_changes_by_asking(demo: Client, chat: FakeChat, path: str) -> None:
    response = await demo.get(path)
    assert response.status in (404, 405)
    assert await sentence(response) == "没有这个地址。"
    assert chat.now.day == 28


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"id": "message-0001"}',
        b'{"id": "message-0001", "text": "  "}',
        b'{"id": "message-0001", "text": "\\u0000"}',
        b'{"id": "message-0001", "text": "\\ud800"}',
        b'{"id": "message-0001", "text": 7}',
        b'{"id": "a b", "text": "x"}',
        b'{"text": "x"}',
        b'{"id": "message-0001", "text": "x", "sender": "sfj-head"}',
        b"[" * 20_000,
    ],
)
async def test_a_malformed_message_is_refused(demo: Client, chat: FakeChat, body: bytes) -> None:
    response = await demo.post(HEAD, data=body, headers=OURS | {"Content-Type": "application/json"})
    assert response.status == 400
    assert await sentence(response) == "请求格式不正确，没有处理。"
    assert chat.received == []


async def test_a_form_is_not_a_message(demo: Client) -> None:
    assert (await demo.post(HEAD, data=HELLO, headers=OURS)).status == 415


async def test_a_body_that_is_not_packed_as_its_headers_claim_is_refused(demo: Client) -> None:
    headers = OURS | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert (await demo.post(HEAD, data=b"no gzip at all", headers=headers)).status == 400


async def test_a_long_text_is_refused_with_a_sentence(demo: Client, chat: FakeChat) -> None:
    response = await say_as(demo, HEAD, HELLO | {"text": "督" * 4001})
    assert response.status == 413
    assert "4000" in await sentence(response)
    assert (await say_as(demo, HEAD, HELLO | {"text": "𠮷" * 4000})).status == 202
    assert len(chat.received) == 1


async def test_a_large_body_is_refused_with_a_sentence(demo: Client, chat: FakeChat) -> None:
    response = await say_as(demo, HEAD, HELLO | {"text": "x" * 70_000})
    assert response.status == 413
    assert await sentence(response) == "内容太大，没有接收。请缩短后再发。"
    assert chat.received == []


async def test_strange_text_arrives_as_written(demo: Client, chat: FakeChat) -> None:
    text = "<script>alert(1)</script> {{7*7}} '; DROP TABLE notice;-- @所有人 👨‍👩‍👧 \u200b\u202e完成\n第二行"
    await say_as(demo, HEAD, HELLO | {"text": text + "\x00\x07"})
    assert chat.received[0].text == text


async def test_what_could_not_be_recorded_is_not_accepted(demo: Client, chat: FakeChat) -> None:
    chat.fails = True
    response = await say_as(demo, HEAD, HELLO)
    assert response.status == 503
    assert "没有记录" in await sentence(response)
    assert "not recorded" in await sentence(response, "en")


async def test_a_failure_inside_is_a_sentence(demo: Client, chat: FakeChat) -> None:
    chat.adapter = None  # type: ignore[assignment]
    response = await demo.get("/api/state")
    assert response.status == 500
    assert await sentence(response) == "系统出错，请稍后重试。"


# ── Signed in


@pytest.mark.parametrize("path", ["/api/messages?as=sfj-head", "/api/events?as=sfj-head"])
async def test_serve_lets_nobody_play_anybody(serve: Client, chat: FakeChat, path: str) -> None:
    assert (await serve.get(path)).status == 404
    await sign_in(serve)
    assert (await serve.get(path)).status == 404
    assert (await say_as(serve, "/api/messages?as=sfj-head", HELLO)).status == 404
    assert chat.received == []


async def test_serve_has_no_clock_and_no_people(serve: Client, chat: FakeChat) -> None:
    await sign_in(serve)
    assert (await say_as(serve, "/api/clock", {"step": "day"})).status == 404
    state = await (await serve.get("/api/state")).json()
    assert set(state) == {"demo", "me"}
    page = await (await serve.get("/")).text()
    assert 'data-step="' not in page
    assert 'id="people"' not in page
    assert chat.now.day == 28


async def test_the_demo_has_no_binding(demo: Client) -> None:
    assert (await sign_in(demo)).status == 404


async def test_a_stranger_reads_and_says_nothing(serve: Client, chat: FakeChat) -> None:
    assert (await (await serve.get("/api/state")).json())["me"] is None
    for response in (
        await serve.get("/api/messages"),
        await serve.get("/api/events"),
        await say_as(serve, "/api/messages", HELLO),
        await serve.get("/api/messages", cookies={"duban_session": "guessed"}),
    ):
        assert response.status == 401
    assert chat.received == []


async def test_a_code_signs_in_and_leaving_signs_out(serve: Client, chat: FakeChat) -> None:
    cookie = (await sign_in(serve)).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    assert (await (await serve.get("/api/state")).json())["me"]["name"] == "办公室负责人"
    assert (await say_as(serve, "/api/messages", HELLO)).status == 202
    assert chat.received[0].sender == "zfb-head"
    await say_as(serve, "/api/leave", {})
    assert chat.sessions == {}
    assert (await serve.get("/api/messages")).status == 401


async def test_behind_an_encrypting_proxy_the_cookie_is_secure(serve: Client) -> None:
    response = await say_as(serve, "/api/bind", {"code": "K7QM-2XDA"}, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in response.headers["Set-Cookie"]


async def test_guessing_a_code_ends(serve: Client, chat: FakeChat) -> None:
    answers = [await say_as(serve, "/api/bind", {"code": "0000"}) for _ in range(4)]
    assert [answer.status for answer in answers] == [401, 401, 401, 429]
    assert await sentence(answers[0]) == "绑定码不正确、已使用或已过期。"
    assert chat.failed == ["127.0.0.1"] * 3
    assert "Set-Cookie" not in answers[0].headers


async def test_serve_answers_to_any_name(serve: Client) -> None:
    assert (await serve.get("/", headers={"Host": "duban.example"})).status == 200


# ── Live


async def test_a_reminder_arrives_live(demo: Client, chat: FakeChat) -> None:
    async with demo.get("/api/events?as=zfb-head") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        key = await chat.speak("zfb-head", "第一行\n\ndata: 第二行", BUTTONS)
        event = await next_kind(stream, "message")
    assert event["id"] == key
    assert event["data"]["text"] == "第一行\n\ndata: 第二行"
    assert [button["value"] for button in event["data"]["buttons"]] == ["ack:1", "done:1", "return:1"]


async def test_what_i_say_arrives_on_my_other_page(demo: Client) -> None:
    async with demo.get("/api/events?as=zfb-head") as stream:
        await say_as(demo, HEAD, HELLO)
        seen = {(await next_kind(stream, "message"))["data"]["side"] for _ in range(2)}
    assert seen == {"me", "bot"}


async def test_the_demo_hears_of_the_clock_and_of_others(demo: Client) -> None:
    async with demo.get("/api/events") as stream:
        await say_as(demo, "/api/clock", {"step": "next"})
        assert (await next_kind(stream, "unread"))["data"] == {"address": "zfb-head", "count": 1}
        clock = await next_kind(stream, "clock")
    assert clock["data"] == {"now": "2027-01-29T10:00:00+08:00", "workday": True}
    people = (await (await demo.get("/api/state")).json())["people"]
    assert [person["unread"] for person in people] == [1, 0, 1, 0]


async def test_a_returning_page_is_told_what_it_missed(demo: Client, chat: FakeChat) -> None:
    seen, *missed = [await chat.speak("zfb-head", text) for text in ("一", "二", "三")]
    async with demo.get("/api/events?as=zfb-head", headers={"Last-Event-ID": seen}) as stream:
        assert [(await next_kind(stream, "message"))["id"] for _ in missed] == missed


async def test_a_page_that_was_away_too_long_reloads(demo: Client, chat: FakeChat) -> None:
    await chat.speak("zfb-head", "一")
    async with demo.get("/api/events?as=zfb-head", headers={"Last-Event-ID": "forgotten"}) as stream:
        assert (await next_kind(stream, "reload"))["data"] == {}


async def test_a_silent_stream_is_kept_alive(demo: Client) -> None:
    async with demo.get("/api/events?as=zfb-head") as stream:
        await next_event(stream)
        assert (await asyncio.wait_for(stream.content.readline(), 5)) == b": keep-alive\n"


async def test_serve_streams_only_my_own(serve: Client, chat: FakeChat) -> None:
    await sign_in(serve)
    async with serve.get("/api/events") as stream:
        await chat.speak("sfj-head", "不是给我的")
        await chat.speak("zfb-head", "给我的")
        assert await next_event(stream) == {"retry": "2000"}
        assert (await next_event(stream))["data"]["text"] == "给我的"


async def test_a_stream_ends_when_its_session_does(serve: Client, chat: FakeChat) -> None:
    await sign_in(serve)
    async with serve.get("/api/events") as stream:
        chat.sessions.clear()
        await asyncio.wait_for(stream.content.read(), 5)


async def test_streams_end_when_the_server_stops(demo: Client, chat: FakeChat) -> None:
    async with demo.get("/api/events?as=zfb-head") as stream:
        await chat.adapter.close()
        await asyncio.wait_for(stream.content.read(), 5)


# ── Monitoring


async def test_health_has_two_answers(serve: Client, chat: FakeChat) -> None:
    assert (await serve.get("/healthz")).status == 200
    chat.healthy = False
    response = await serve.get("/healthz")
    assert (response.status, await response.json()) == (503, {"ok": False, "untouched": 0})


async def test_figures_are_in_prometheus_text(serve: Client) -> None:
    response = await serve.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert await response.text() == "duban_open_obligations 7\n"
