"""Notices to groups: what is direct is counted there, and told by name only where one person reads."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import Outgoing, RecipientError
from bot import cards
from bot.conversation.tiers import names_direct, numbers_in
from bot.store import queue
from bot.wording.notices import NoticeWording, Surface
from duties.store.database import transaction
from tests.bot.delivering import DUTY, Office, Platform, an_office
from tests.bot.play import LAW
from tests.bot.test_wording import TODAY, owed

LETTER = "opinion-letter-rectification"
TITLE = "意见书整改"
GROUP = "chat:hall"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    async with an_office(database_url) as office:
        yield office


async def standing_in(office: Office, unit: int, *roles: str) -> int:
    """A post holder that stands for a group."""
    group = await office.person("hall", unit, roles[0] if roles else "officer", bound=False)
    await office.bind(group, GROUP)
    return group


async def test_a_group_reads_the_open_ones_and_how_many_are_not_named(office: Office) -> None:
    unit = await office.unit("a")
    await standing_in(office, unit)
    await office.person("officer", unit)
    numbers = [await office.remind(unit, duty=LETTER), await office.remind(unit), await office.remind(unit)]
    await office.drain()
    (public,) = office.platform.told(GROUP)
    assert TITLE not in public
    assert f"#{numbers[0]}" not in public
    assert f"#{numbers[1]}" in public
    assert "3 项法定事项" in public
    assert "有 1 项事项不便在群内显示，已单独发给有关人员。" in public
    (alone,) = office.platform.told("officer")
    assert TITLE in alone
    assert "不便在群内显示" not in alone


async def test_a_group_is_offered_no_button_and_no_number_for_what_it_does_not_read(office: Office) -> None:
    unit = await office.unit("a")
    await standing_in(office, unit)
    hidden, shown = await office.remind(unit, duty=LETTER), await office.remind(unit)
    await office.drain()
    (sent,) = office.platform.sent
    assert {button.value.partition(":")[2] for button in sent.buttons} == {str(shown)}
    (notice,) = await office.notices(address=GROUP)
    body = await queue.body_of(notice["id"], "webchat", GROUP)
    assert body is not None
    assert body["items"] == [shown]
    assert hidden not in body["items"]


async def test_where_nobody_is_told_alone_the_group_is_told_where_to_look(office: Office) -> None:
    unit = await office.unit("a")
    await standing_in(office, unit)
    await office.person("officer", unit, bound=False)
    await office.remind(unit, duty=LETTER)
    await office.drain()
    (public,) = office.platform.told(GROUP)
    assert "有 1 项事项不便在群内显示，请到督办页面登录查看" in public
    assert "已单独发给" not in public
    assert TITLE not in public
    assert await office.drain() == 0, "it was told, and is not told again"


async def test_somebody_who_reads_in_another_group_is_not_told_alone(office: Office) -> None:
    unit = await office.unit("a")
    await standing_in(office, unit)
    other = await office.person("other", unit, bound=False)
    await office.bind(other, "chat:other")
    await office.remind(unit, duty=LETTER)
    await office.drain()
    assert all("请到督办页面" in office.platform.told(address)[0] for address in (GROUP, "chat:other"))


async def test_the_page_is_named_where_there_is_one(office: Office) -> None:
    office.delivery.wording.page = "https://duban.example"
    unit = await office.unit("a")
    await standing_in(office, unit)
    await office.remind(unit, duty=LETTER)
    await office.drain()
    assert "请到 https://duban.example 登录查看" in office.platform.told(GROUP)[0]


async def test_a_supervisors_group_reads_of_open_duties_only(office: Office) -> None:
    justice = await office.unit("justice")
    unit = await office.unit("a", supervisor=justice)
    await standing_in(office, justice, "supervisor")
    await office.person("supervisor", justice, "supervisor")
    for duty in (LETTER, DUTY):
        await office.remind(unit, "supervisor", duty=duty)
    await office.drain()
    (public,) = office.platform.told(GROUP)
    assert TITLE not in public
    assert "已单独发给有关人员" in public
    assert TITLE in office.platform.told("supervisor")[0]


async def test_of_open_duties_a_group_is_told_everything(office: Office) -> None:
    unit = await office.unit("a")
    await standing_in(office, unit)
    await office.remind(unit)
    await office.drain()
    (public,) = office.platform.told(GROUP)
    assert "不便" not in public
    assert "a局" in public


async def test_what_was_worded_for_one_person_and_goes_on_to_a_group_loses_its_words(office: Office) -> None:
    async def gone(message: Outgoing) -> None:
        raise RecipientError(f"no {message.address}")

    broken = Platform("wecom", gone)
    office.delivery = office.replica(office.platform, broken)
    unit = await office.unit("a")
    person = await office.person("officer", unit, bound=False)
    await office.bind(person, "officer", "wecom")
    await office.bind(person, GROUP)
    number = await office.remind(unit, duty=LETTER)
    about = {
        "text": f"【免办】{TITLE} #{number}",
        "buttons": [["详情", f"detail:{number}", "plain"]],
        "about": [number],
    }
    await queue.put("news", "wecom", "officer", about, office.now, person=person)
    await office.drain()
    await office.drain()
    news, reminder = sorted(office.platform.told(GROUP), key=lambda text: "消息" not in text)
    assert news == "【消息】有 1 项事项有新情况，不便在群内显示，请到督办页面登录查看；页面地址请问管理员。"
    assert "有 1 项事项不便在群内显示" in reminder
    assert not any(sent.buttons for sent in office.platform.sent)


async def test_what_is_direct_by_its_nature_is_not_named_even_without_an_obligation(office: Office) -> None:
    body = {"text": "【扣分】a局 −0.5", "buttons": [], "items": [], "about": [], "direct": True}
    for address in (GROUP, "head"):
        await queue.put("news", "webchat", address, body, office.now)
    await office.drain()
    assert "扣分" not in office.platform.told(GROUP)[0]
    assert office.platform.told("head") == ["【扣分】a局 −0.5"]


async def test_a_card_that_is_changed_says_no_more_of_what_it_did_not_name(office: Office) -> None:
    unit = await office.unit("a")
    await standing_in(office, unit)
    hidden, shown = await office.remind(unit, duty=LETTER), await office.remind(unit)
    await office.drain()
    (before,) = office.platform.told(GROUP)
    for obligation, after in ((hidden, before), (shown, f"{before}\n\n→ 第 1 项：已报结")):
        await office.close(obligation)
        async with transaction():
            assert await cards.refresh([obligation], {"webchat": True}, office.now) == 1
        assert json.loads((await office.notices(kind="update"))[-1]["body"])["text"] == after


async def test_what_went_out_as_text_is_changed_only_where_text_can_be(office: Office) -> None:
    """Feishu refuses it, with a call for each."""
    unit = await office.unit("a")
    await office.person("officer", unit)
    plain = await office.unit("b", supervisor=unit)
    await office.person("supervisor", unit, "supervisor")
    obligation = await office.remind(plain, audience="supervisor")
    card = await office.remind(unit)
    await office.drain()
    assert [bool(sent.buttons) for sent in sorted(office.platform.sent, key=lambda one: one.address)] == [True, False]
    for number, text_too, expected in ((card, False, 1), (obligation, False, 0), (obligation, True, 1)):
        async with transaction():
            assert await cards.refresh([number], {"webchat": text_too}, office.now) == expected


async def test_a_robot_is_a_group_whoever_it_mentions(office: Office) -> None:
    class Robot(Platform):
        def is_private(self, address: str) -> bool:  # noqa: ARG002  the contract's
            return False

    robot = Robot()
    office.delivery = office.replica(robot)
    unit = await office.unit("a")
    await office.person("officer", unit)
    await office.remind(unit, duty=LETTER)
    await office.drain()
    (public,) = robot.told("officer")
    assert TITLE not in public
    assert "请到督办页面" in public


DUTIES = st.sampled_from([duty.code for duty in LAW.registry.duties])
TONES = st.sampled_from(["notice", "remind", "urge", "last-day", "overdue", "proposal", "weekly"])
AUDIENCES = st.sampled_from(["officer", "head", "supervisor"])


@given(st.lists(st.tuples(TONES, AUDIENCES, DUTIES), min_size=1, max_size=12), st.booleans())
def test_no_notice_to_a_group_names_a_direct_duty(items: list[tuple[str, str, str]], told: bool) -> None:
    owing = [owed(number, *one) for number, one in enumerate(items, 1)]
    direct = {one.obligation for one in owing if one.duty in LAW.registry.direct}
    surface = Surface(private=False, elsewhere=frozenset(direct if told else ()))
    worded = NoticeWording(LAW.registry).compose(owing, TODAY, surface)
    assert worded.body is not None
    text = worded.body["text"]
    assert not names_direct(LAW.registry, text)
    assert not direct & numbers_in(text)
    assert not direct & set(worded.body["items"])
    assert not any(
        str(number) in value.partition(":")[2].split(",") for _, value, _ in worded.body["buttons"] for number in direct
    )
    assert ("不便在群内显示" in text) is bool(direct)
    assert {outcome for _, outcome in worded.outcomes} == {"said"}
