"""The page in a browser, with a chat in lists behind the door."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page, Route, ViewportSize, expect

from bot.web.site import site
from tests.bot.chat_door import BUTTONS, FakeChat
from tests.browser import MISSING, chromium, find_chromium

# One browser for all of them: starting it takes longer than any test.
pytestmark = pytest.mark.asyncio(loop_scope="module")

Open = Callable[[bool], Awaitable[Page]]
PHONE = ViewportSize(width=375, height=812)
SMALL = ViewportSize(width=360, height=640)
DESK = ViewportSize(width=1280, height=800)
LONG = f"超长的词 {'https://example.invalid/' + 'x' * 200} {'督' * 300}"


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserContext]:
    if find_chromium() is None:
        pytest.skip(MISSING)
    async with chromium() as context:
        context.set_default_timeout(10_000)
        yield context


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(chat: FakeChat, browser: BrowserContext) -> AsyncIterator[Open]:
    """Serve the chat and open its page; whatever the page complains about fails the test."""
    servers: list[TestServer] = []
    complaints: list[str] = []

    async def start(demo: bool) -> Page:
        servers.append(server := TestServer(site(chat.door(demo=demo))))
        await server.start_server()
        page = await browser.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if "Security Policy" in line.text else None)
        await page.set_viewport_size(DESK)
        await page.goto(str(server.make_url("/")))
        return page

    yield start
    for page in browser.pages:
        await page.close()
    for server in servers:
        await server.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def page(open_page: Open) -> Page:
    return await open_page(True)


async def play(page: Page, name: str = "办公室负责人") -> None:
    await page.get_by_role("navigation").get_by_role("button", name=name).click()
    await expect(page.locator("#my-name")).to_have_text(name)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "online")


async def test_the_line_of_a_new_day_stands_above_the_question(page: Page) -> None:
    await play(page)
    for step, word in (("下一小时", "待办"), ("下一天", "逾期")):
        await page.get_by_role("button", name=step).click()
        await page.get_by_label("输入消息").fill(word)
        await page.keyboard.press("Enter")
        await expect(page.locator(".row.bot .text").last).to_contain_text(word)
    await expect(page.locator(".row.sending")).to_have_count(0)
    lines = await page.locator("#log > li").evaluate_all(
        "lines => lines.map(one => one.classList[one.classList[1] ? 1 : 0])"
    )
    assert lines == ["day", "me", "bot", "day", "me", "bot"]


async def test_a_round_from_reminder_to_report(page: Page, chat: FakeChat) -> None:
    await play(page)
    await expect(page.locator("#empty")).to_be_visible()
    await page.get_by_role("button", name="到下一次提醒").click()
    await expect(page.locator("#moment")).to_have_text("2027年1月29日 周五 10:00")
    await expect(page.locator(".row.bot .text")).to_contain_text("截止：2027年1月31日")
    await expect(page.locator("#empty")).to_be_hidden()
    await page.get_by_role("button", name="签收", exact=True).click()
    await expect(page.locator(".row.me .text")).to_have_text("签收")
    await expect(page.get_by_role("button", name="已按 签收")).to_be_visible()
    await page.get_by_role("button", name="回复这条消息：【提醒】").click()
    await page.keyboard.type("完成 昌市法〔2027〕3号")
    await page.keyboard.press("Enter")
    await expect(page.locator(".row.me .quote").last).to_contain_text("年度报告")
    await expect(page.locator(".row.bot .text").last).to_have_text("已记录（第 2 号）：完成 昌市法〔2027〕3号")
    assert [(one.sender, one.action, one.reply_to) for one in chat.received] == [
        ("zfb-head", "ack:1", "notice-1"),
        ("zfb-head", "", "notice-1"),
    ]


async def test_the_clock_says_what_kind_of_day_it_is(page: Page) -> None:
    await expect(page.locator("#day-kind")).to_have_text("工作日")
    for step, moment in (("下一小时", "28日 周四 11:00"), ("下一天", "29日 周五 11:00"), ("下一天", "30日 周六 11:00")):
        await page.get_by_role("button", name=step).click()
        await expect(page.locator("#moment")).to_have_text(f"2027年1月{moment}")
    await expect(page.locator("#day-kind")).to_have_text("休息日")


async def test_others_have_unread_messages_until_they_are_played(page: Page) -> None:
    await play(page)
    await page.get_by_role("button", name="到下一次提醒").click()
    badge = page.get_by_role("button", name="司法局负责人").locator(".badge")
    await expect(badge).to_have_text("1")
    await page.get_by_role("button", name="只看未读").click()
    await expect(page.locator(".player:visible")).to_have_count(1)
    await play(page, "司法局负责人")
    await expect(page.locator(".row.bot")).to_have_count(1)
    await expect(page.locator("#nobody")).to_be_visible()


async def test_people_are_found_by_name_or_unit(page: Page) -> None:
    await page.get_by_label("查找姓名或单位").fill("司法局")
    await expect(page.locator(".player:visible")).to_have_count(2)
    await expect(page.locator(".roster section:visible")).to_have_count(1)


async def test_everything_works_from_the_keyboard(page: Page, chat: FakeChat) -> None:
    await page.get_by_label("查找姓名或单位").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        await page.keyboard.press(key)
    await expect(page.locator("#my-name")).to_have_text("办公室负责人")
    await chat.speak("zfb-head", "请签收", BUTTONS)
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent") == "签收":
            break
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await expect(page.locator(".row.me .text")).to_have_text("签收")
    await page.locator(".skip").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.type("第一行")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("第二行")
    await page.keyboard.press("Enter")
    await expect(page.locator(".row.me .text").last).to_have_text("第一行\n第二行")
    assert [one.text for one in chat.received] == ["签收", "第一行\n第二行"]


async def test_enter_while_composing_chooses_a_character(page: Page, chat: FakeChat) -> None:
    await play(page)
    await page.get_by_label("输入消息").fill("wan'cheng")
    await page.locator("#text").dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    await expect(page.locator("#text")).to_have_value("wan'cheng")
    assert chat.received == []


async def test_a_message_that_was_not_recorded_can_be_sent_again(page: Page, chat: FakeChat) -> None:
    await play(page)
    chat.fails = True
    await page.get_by_role("button", name="待办").click()
    await expect(page.locator(".row.me .problem")).to_contain_text("没有记录")
    await play(page, "办公室经办人")
    await expect(page.locator(".row")).to_have_count(0)
    await play(page)
    chat.fails = False
    await page.get_by_role("button", name="重试").click()
    await expect(page.locator(".row.bot .text")).to_have_text("已记录（第 1 号）：待办")
    await expect(page.locator(".row.me")).to_have_count(1)
    await expect(page.locator(".problem:visible")).to_have_count(0)


async def test_what_people_write_stays_text(page: Page, chat: FakeChat) -> None:
    evil = '<img src=x onerror="document.title=1"> javascript:alert(1) https://example.invalid/a，后面'
    await play(page)
    await chat.speak("zfb-head", evil)
    await expect(page.locator(".row.bot .text")).to_have_text(evil)
    link = page.locator(".row.bot .text a")
    await expect(link).to_have_count(1)
    await expect(link).to_have_attribute("href", "https://example.invalid/a")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert await page.locator(".row img").count() == 0


async def test_a_long_message_is_not_lost(page: Page, chat: FakeChat) -> None:
    await play(page)
    await page.get_by_label("输入消息").fill("督" * 4001)
    await page.get_by_role("button", name="发送").click()
    await expect(page.locator("#toast")).to_contain_text("4000")
    assert len(await page.get_by_label("输入消息").input_value()) == 4001
    assert chat.received == []


async def test_earlier_messages_come_on_request(page: Page, chat: FakeChat) -> None:
    for number in range(50):
        await chat.speak("zfb-head", f"第{number}条")
    await play(page)
    await expect(page.locator(".row")).to_have_count(40)
    await page.get_by_role("button", name="更早的消息").click()
    await expect(page.locator(".row")).to_have_count(50)
    await expect(page.locator(".row .text").first).to_have_text("第0条")
    await expect(page.locator("#older")).to_be_hidden()


async def test_the_page_catches_up_after_a_broken_connection(page: Page, chat: FakeChat) -> None:
    await play(page)
    await page.context.set_offline(True)
    await chat.adapter.close()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    await expect(page.locator("#connection")).to_contain_text("已断开")
    await chat.speak("zfb-head", "断线时的提醒")
    await page.context.set_offline(False)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "online")
    await expect(page.locator(".row.bot .text")).to_have_text("断线时的提醒")


async def test_what_arrives_while_the_page_loads_is_not_lost(page: Page, chat: FakeChat) -> None:
    async def answer_late(route: Route) -> None:
        response = await route.fetch()
        await chat.speak("zfb-head", "加载时到的提醒")
        await expect(page.locator(".row.bot .text").last).to_have_text("加载时到的提醒")
        await route.fulfill(response=response)

    await chat.speak("zfb-head", "早先的提醒")
    await play(page, "办公室经办人")
    await page.route("**/api/messages?as=zfb-head", answer_late, times=1)
    await play(page)
    await expect(page.locator(".row.bot .text")).to_have_text(["早先的提醒", "加载时到的提醒"])


async def test_the_page_speaks_english_on_request(page: Page) -> None:
    await play(page)
    await page.get_by_role("button", name="切换为英文").click()
    await expect(page.get_by_role("button", name="To the next reminder")).to_be_visible()
    await expect(page.locator("#moment")).to_have_text("Thu 28 Jan 2027 10:00")
    await page.reload()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await expect(page.locator("#my-name")).to_have_text("办公室负责人")


@pytest.mark.parametrize("size", [PHONE, SMALL, DESK], ids=["phone", "small", "desk"])
async def test_nothing_scrolls_sideways(page: Page, chat: FakeChat, size: ViewportSize) -> None:
    await page.set_viewport_size(size)
    await chat.speak("zfb-head", LONG, BUTTONS)
    await page.goto(f"{page.url}#as=zfb-head")
    await expect(page.locator(".row.bot")).to_be_visible()
    for selector in ("html", "#conversation", ".bar", ".clock"):
        wide = await page.locator(selector).evaluate("node => node.scrollWidth - node.clientWidth")
        assert wide <= 0, selector


async def test_on_a_phone_people_are_in_a_drawer(page: Page, chat: FakeChat) -> None:
    await page.set_viewport_size(PHONE)
    await expect(page.locator("#people")).to_be_hidden()
    await page.locator("#people-open").click()
    await page.keyboard.press("Escape")
    await expect(page.locator("#people")).to_be_hidden()
    await expect(page.locator("#people-open")).to_be_focused()
    await chat.speak("sfj-head", "给司法局")
    await expect(page.locator("#unread-total")).to_have_text("1")
    await page.locator("#people-open").click()
    await page.get_by_role("button", name="司法局负责人").click()
    await expect(page.locator("#people")).to_be_hidden()
    await expect(page.locator(".row.bot .text")).to_have_text("给司法局")
    await expect(page.locator("#unread-total")).to_be_hidden()


async def test_a_code_opens_the_page_of_one_person(open_page: Open, chat: FakeChat) -> None:
    page = await open_page(False)
    await page.get_by_label("绑定码").fill("0000")
    await page.get_by_role("button", name="绑定").click()
    await expect(page.locator("#bind-problem")).to_have_text("绑定码不正确、已使用或已过期。")
    await page.get_by_label("绑定码").fill("K7QM-2XDA")
    await page.keyboard.press("Enter")
    await expect(page.locator("#my-name")).to_have_text("办公室负责人")
    await chat.speak("zfb-head", "请签收", BUTTONS)
    await page.get_by_role("button", name="签收", exact=True).click()
    await expect(page.locator(".row.bot .text").last).to_have_text("已记录（第 1 号）：签收")
    await expect(page.locator("[data-step], .player")).to_have_count(0)
    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_label("绑定码")).to_be_visible()
    await expect(page.locator(".row")).to_have_count(0)
