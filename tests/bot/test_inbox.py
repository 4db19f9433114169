"""The inbox: committed together before anybody is thanked, answered one by one, in order, exactly once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.base import Incoming
from bot import inbox
from bot.conversation.ask import Reply, Surroundings
from bot.conversation.dispatch import answer
from bot.store import arrivals
from duties.obligations import Moment
from duties.registry import Registry
from duties.store.chains import StaleError
from duties.store.database import fetch
from tests.bot.play import Play, playing
from tests.bot.talk import HEAD, OFFICER, WATER, Talk, copied, prepare, talking

Answer = Callable[[Incoming, Registry, Moment, Surroundings], Awaitable[Reply]]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("morning"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as talk:
        yield talk


def message(number: int, text: str = "待办", sender: str = OFFICER) -> Incoming:
    return Incoming("webchat", "app", f"x{number}", sender, text)


async def kept() -> int:
    (row,) = await fetch("SELECT COUNT(*) AS found FROM inbox")
    return int(row["found"])


async def unprocessed() -> int:
    (row,) = await fetch("SELECT COUNT(*) AS found FROM inbox WHERE processed_at IS NULL")
    return int(row["found"])


def answers(play: Play, who: str, after: int) -> list[str]:
    return [sent.text.splitlines()[0] for sent in play.adapter.sent[after:] if sent.address == who]


class Breaking:
    """Answers as the conversation does, but first fails so many times on a text."""

    def __init__(self, real: Answer, text: str, times: int, error: Exception) -> None:
        self.real, self.text, self.times, self.error = real, text, times, error
        self.tried = 0

    async def __call__(self, message: Incoming, registry: Registry, at: Moment, around: Surroundings) -> Reply:
        if message.text == self.text and self.tried < self.times:
            self.tried += 1
            await self.real(message, registry, at, around)  # what it wrote before it failed is rolled back
            raise self.error
        return await self.real(message, registry, at, around)


async def test_messages_that_come_together_are_committed_in_one_statement(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    keep = arrivals.keep

    async def counted(messages: Sequence[Incoming], now: datetime) -> int:
        batches.append(len(messages))
        return await keep(messages, now)

    monkeypatch.setattr(arrivals, "keep", counted)
    await asyncio.gather(*(talk.bot.inbox.receive(message(number)) for number in range(150)))
    assert await kept() == 150
    assert max(batches) == 64
    assert len(batches) <= 4


async def test_whoever_waits_hears_that_nothing_was_committed(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(messages: Sequence[Incoming], now: datetime) -> int:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(arrivals, "keep", full)
        ended = await asyncio.gather(*(talk.bot.inbox.receive(message(n)) for n in range(3)), return_exceptions=True)
    assert [type(one) for one in ended] == [OSError, OSError, OSError]
    assert await kept() == 0
    await talk.bot.inbox.receive(message(1))
    assert await kept() == 1


async def test_an_address_no_column_holds_costs_the_others_nothing(talk: Talk) -> None:
    ended = await asyncio.gather(
        talk.bot.inbox.receive(message(1)),
        talk.bot.inbox.receive(message(2, sender="x" * 200)),
        talk.bot.inbox.receive(message(3)),
        return_exceptions=True,
    )
    assert [type(one) for one in ended] == [type(None), ValueError, type(None)]
    assert await kept() == 2


async def test_what_no_database_holds_is_left_out(database_url: str) -> None:
    async with playing(database_url) as play:
        await play.bot.inbox.receive(
            Incoming("webchat", "app", "\ud800" * 300, OFFICER, "待\x00办\udfff", "", "\ud83d")
        )
        assert "待办" in await play.says(OFFICER, "帮助")
        (row,) = await fetch("SELECT message_id FROM inbox ORDER BY id LIMIT 1")
        assert len(row["message_id"]) == 64


async def test_a_redelivery_changes_nothing_and_is_answered_once(database_url: str) -> None:
    async with playing(database_url) as play:
        await play.go_to("2026-01-04 10:00")
        first = await play.says(OFFICER, "学法 1月4日 行政处罚法", message="same")
        assert "1/12" in first
        assert await play.says(OFFICER, "学法 1月4日 行政处罚法", message="same") == ""
        await asyncio.gather(*(play.bot.inbox.receive(message(7, "学法 1月3日 宪法")) for _ in range(5)))
        before = len(play.adapter.sent)
        await play.bot.step(tick=False)
        assert len(answers(play, OFFICER, before)) == 1
        assert "3/12" in await play.says(OFFICER, "学法 1月2日 民法典")


async def test_each_sender_is_answered_in_order(database_url: str) -> None:
    async with playing(database_url) as play:
        await play.go_to("2026-01-04 10:00")
        before = len(play.adapter.sent)
        texts = ("完成 #999999 x", "帮助", "学法", "1月3日 行政处罚法", "撤回")
        for number, text in enumerate(texts):
            for who in (OFFICER, WATER):
                await play.bot.inbox.receive(Incoming("webchat", "app", f"{who}{number}", who, text))
        await play.bot.step(tick=False)
        for who in (OFFICER, WATER):
            starts = ("没有编号", "昌吉市", "“会前学法”", "已计数", "已撤回")
            heard = answers(play, who, before)
            assert [text.startswith(start) for text, start in zip(heard, starts, strict=True)] == [True] * 5


async def test_what_came_before_the_start_is_answered(talk: Talk) -> None:
    await arrivals.keep([message(1, "学法 1月4日 宪法"), message(2, "待办", HEAD)], talk.now)
    before = len(talk.adapter.sent)
    await talk.bot.step()
    assert answers(talk, OFFICER, before)[0].startswith("已计数")
    assert answers(talk, HEAD, before)[0].startswith("待办")
    assert await unprocessed() == 0


async def test_a_defect_ends_in_an_apology_and_the_others_are_served(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking(answer, "学法 1月4日 宪法", 99, ZeroDivisionError())
    monkeypatch.setattr("bot.inbox.answer", breaking)
    for number, (text, who) in enumerate([("学法 1月4日 宪法", OFFICER), ("待办", OFFICER), ("待办", HEAD)]):
        await talk.bot.inbox.receive(message(number, text, who))
    before = len(talk.adapter.sent)
    with capture_logs() as logged:
        await talk.bot.step(tick=False)
    assert [line["event"] for line in logged] == ["cannot answer"] * 3
    heard = answers(talk, OFFICER, before)
    assert [text[:4] for text in heard] == ["系统出错", heard[1][:4]]
    assert heard[1].startswith("待办")
    assert len(answers(talk, HEAD, before)) == 1
    assert breaking.tried == 3
    assert await unprocessed() == 0
    assert await fetch("SELECT id FROM count_item") == []


async def test_a_passing_defect_is_tried_again(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.inbox.answer", Breaking(answer, "学法 1月4日 宪法", 2, OSError()))
    with capture_logs() as logged:
        assert "1/12" in await talk.says(OFFICER, "学法 1月4日 宪法")
    assert len(logged) == 2
    assert len(await fetch("SELECT id FROM count_item")) == 1


async def test_a_chain_that_moved_meanwhile_is_no_defect(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.inbox.answer", Breaking(answer, "学法 1月4日 宪法", 2, StaleError()))
    assert "1/12" in await talk.says(OFFICER, "学法 1月4日 宪法")
    (row,) = await fetch("SELECT attempts FROM inbox")
    assert row["attempts"] == 0


async def test_what_stays_in_other_hands_waits_for_the_next_step_and_holds_up_only_its_sender(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.inbox.answer", Breaking(answer, "学法 1月4日 宪法", 4, StaleError()))
    for number, (text, who) in enumerate(
        [("学法 1月4日 宪法", OFFICER), ("学法 1月3日 民法典", OFFICER), ("待办", HEAD)]
    ):
        await talk.bot.inbox.receive(message(number, text, who))
    before = len(talk.adapter.sent)
    await talk.bot.inbox.process()
    await talk.bot.step(tick=False)
    assert len(answers(talk, HEAD, before)) == 1
    first, second = answers(talk, OFFICER, before)
    assert "宪法" in first
    assert "民法典" in second
    assert "2/12" in second


async def test_an_earlier_message_in_other_hands_keeps_a_later_one_waiting(database_url: str) -> None:
    async with playing(database_url) as play:
        await arrivals.keep([message(1), message(2), message(3, sender=HEAD)], play.now)
        first, second, other = await arrivals.waiting(10)
        assert await arrivals.take(second, play.now) is None
        assert await arrivals.take(other, play.now) == message(3, sender=HEAD)
        assert await arrivals.take(first, play.now) == message(1)
        assert await arrivals.take(first, play.now) is None
        assert await arrivals.take(second, play.now) == message(2)


async def test_two_that_process_at_once_answer_each_message_once(database_url: str) -> None:
    async with playing(database_url) as play:
        await play.go_to("2026-01-04 10:00")
        topics = [f"学法 1月{day}日 第{day}课" for day in (1, 2, 3, 4)]
        for number, text in enumerate(topics):
            await play.bot.inbox.receive(message(number, text))
        other = inbox.Inbox(play.bot.law.registry, play.bot.zone, lambda: play.now, lambda: None, play.bot.inbox.around)
        while await unprocessed():
            await asyncio.gather(play.bot.inbox.process(), other.process())
        before = len(play.adapter.sent)
        await play.bot.step(tick=False)
        heard = answers(play, OFFICER, before)
        assert [f"{n}/12" in text for n, text in enumerate(heard, 1)] == [True] * 4


async def test_old_messages_are_dropped_only_when_no_platform_redelivers_them(talk: Talk) -> None:
    await talk.says(OFFICER, "待办")
    await arrivals.forget_old(talk.now + arrivals.KEPT)
    assert await kept() == 1
    await arrivals.forget_old(talk.now + arrivals.KEPT * 2)
    assert await kept() == 0
