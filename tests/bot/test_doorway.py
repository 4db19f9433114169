from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.base import Incoming
from adapters.webchat import WebchatAdapter
from bot.app import MovableClock
from bot.doorway import CONNECTION, Doorway
from bot.store import people, queue
from bot.web.door import ChatDoor, DemoDoor, TooManyAttemptsError
from duties import roster
from duties.store.database import execute, fetch, opened
from tests.bot.play import LAW, at
from tests.bot.templates import fill
from tests.bot.test_loop import ROSTER, World

TWO_HOURS = ROSTER.replace('tags = ["department", "enforcement"]', 'tags = ["department"]\noffice_opens = "10:30"')


class Chat(World):
    """The built-in chat's door on a bot of its own."""

    def __init__(self, people_: roster.Roster) -> None:
        super().__init__(people_)
        self.adapter = WebchatAdapter(CONNECTION, lambda: self.now)
        self.clock = MovableClock(at("2026-01-05 09:30"), lambda: at("2026-03-01 00:00"))
        self.bot = self.another()
        self.bot.adapters = self.bot.delivery.adapters = {CONNECTION: self.adapter}
        self.door: ChatDoor = Doorway(self.bot, self.adapter).door()

    def demo(self) -> DemoDoor:
        self.bot.clock = self.bot.inbox.clock = self.clock
        demo = Doorway(self.bot, self.adapter).door(self.clock).demo
        assert demo is not None
        return demo

    async def invited(self, code: str) -> str:
        (person,) = await people.person_coded(code)
        return await people.invite(person["id"], self.now)


@pytest.fixture(params=[ROSTER, TWO_HOURS], ids=["one office hour", "two office hours"])
async def chat(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Chat]:
    file = tmp_path / "roster.toml"
    file.write_text(request.param, encoding="utf-8")
    await fill(database_url)
    async with opened(database_url):
        chat = Chat(roster.read(file, LAW.registry))
        chat.now = at("2026-01-05 09:30")
        await chat.begin()
        yield chat


# Binding


async def test_a_code_binds_signs_in_and_is_written_down(chat: Chat) -> None:
    await execute("DELETE FROM identity")
    token = await chat.door.bind(await chat.invited("water-officer"), "10.0.0.1")
    assert token is not None
    assert await chat.door.signed_in(token) == "water-officer"
    assert await people.person_at(CONNECTION, "water-officer") is not None
    (entry,) = await fetch("SELECT actor, channel FROM entry WHERE action = 'bind'")
    assert entry["channel"] == CONNECTION


async def test_a_code_works_once(chat: Chat) -> None:
    code = await chat.invited("water-officer")
    assert await chat.door.bind(code, "10.0.0.1") is not None
    assert await chat.door.bind(code, "10.0.0.1") is None


async def test_codes_are_guessed_five_times_at_most(chat: Chat) -> None:
    for _ in range(people.GUESSES):
        assert await chat.door.bind("WRONG234", "10.0.0.1") is None
    with pytest.raises(TooManyAttemptsError):
        await chat.door.bind(await chat.invited("water-officer"), "10.0.0.1")
    assert await chat.door.bind(await chat.invited("water-officer"), "10.0.0.2") is not None


async def test_leaving_ends_the_session(chat: Chat) -> None:
    token = await chat.door.bind(await chat.invited("water-officer"), "10.0.0.1")
    assert token is not None
    await chat.door.leave(token)
    assert await chat.door.signed_in(token) is None


# The conversation


async def test_both_sides_are_told_in_order_each_with_an_order_of_its_own(chat: Chat) -> None:
    for number, text in enumerate(("帮助", "待办", "帮助", "待办")):
        await chat.bot.inbox.receive(Incoming(CONNECTION, "webchat", f"m{number}", "water-officer", text))
        await chat.bot.step(tick=False)
        chat.now += timedelta(seconds=1)
    shown = await chat.door.history("water-officer", None, 40)
    assert [bubble.side for bubble in shown] == ["me", "bot"] * 4
    orders = [bubble.order for bubble in shown]
    assert orders == sorted(set(orders))


async def test_pages_of_a_conversation_lose_nothing_between_them(chat: Chat) -> None:
    for number in range(25):
        await queue.put("news", CONNECTION, "water-officer", {"text": str(number)}, chat.now)
    await chat.bot.step(tick=False)
    found: list[str] = []
    before: int | None = None
    while page := await chat.door.history("water-officer", before, 7):
        found = [bubble.text for bubble in page] + found
        before = page[0].order
    assert found == [str(number) for number in range(25)]


async def test_somebody_else_s_conversation_is_not_shown(chat: Chat) -> None:
    await queue.put("news", CONNECTION, "water-head", {"text": "x"}, chat.now)
    await chat.bot.step(tick=False)
    assert await chat.door.history("water-officer", None, 40) == []


# The demonstration


async def test_everybody_is_played_once_though_they_hold_two_posts(chat: Chat) -> None:
    (person,) = await people.person_coded("water-officer")
    await execute(
        "INSERT INTO post (person_id, unit_id, role) SELECT :person, id, 'officer' FROM unit WHERE code = 'gov'",
        person=person["id"],
    )
    players = await chat.demo().people()
    addresses = [player.address for player in players]
    assert sorted(addresses) == sorted(set(addresses))
    assert "water-officer" in addresses


async def test_unread_messages_are_counted(chat: Chat) -> None:
    await queue.put("news", CONNECTION, "water-officer", {"text": "x"}, chat.now)
    await chat.bot.step(tick=False)
    unread = {player.address: player.unread for player in await chat.demo().people()}
    assert (unread["water-officer"], unread["water-head"]) == (1, 0)


async def test_an_hour_is_an_hour(chat: Chat) -> None:
    demo = chat.demo()
    assert await demo.move("hour") == at("2026-01-05 10:30")
    assert await demo.move("hour") == at("2026-01-05 11:30")


async def test_a_day_ends_at_tomorrow_s_first_office_hour(chat: Chat) -> None:
    demo = chat.demo()
    assert await demo.move("day") == at("2026-01-06 10:00")
    assert await demo.move("day") == at("2026-01-07 10:00")


async def test_next_ends_where_something_is_said(chat: Chat) -> None:
    demo = chat.demo()
    raised = 0
    for _ in range(3):
        moment = await demo.move("next")
        (row,) = await fetch("SELECT COUNT(*) AS found FROM reminder WHERE NOT superseded")
        assert row["found"] > raised
        assert moment.strftime("%H:%M") in {"10:00", "10:30"}
        raised = row["found"]


async def test_what_is_passed_on_the_way_is_said_on_time(chat: Chat) -> None:
    demo = chat.demo()
    for _ in range(12):
        await demo.move("day")
    late = await fetch(
        "SELECT id FROM reminder WHERE late AND NOT superseded AND raised_at > :start", start=at("2026-01-06 00:00")
    )
    assert late == []
    assert chat.clock() - at("2026-01-05 09:30") >= timedelta(days=12)
