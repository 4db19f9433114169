"""Two people at the same moment, answered by two replicas in parallel: one is first, and both hear the truth."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.base import Incoming
from bot.app import Bot
from duties.ledger import StreamRef, Verifier
from duties.store.chains import heads, history, lines
from duties.store.database import fetch
from duties.store.verifying import silent_changes
from tests.bot.play import LAW, ZONE
from tests.bot.talk import HEAD, OFFICER, PREFECTURE, SUPERVISOR, Row, Talk, begun

NUMBER = "昌市城管〔2026〕3号 https://cj.gov.cn/a"
SHOWN = f"{NUMBER} https://cj.gov.cn/a"
Both = tuple[tuple[str, str], tuple[str, str]]


@pytest.fixture
async def talk(database_url: str) -> AsyncIterator[Talk]:
    async with begun(database_url) as found:
        yield found
        verifier = Verifier()
        async for line in lines():
            verifier.line(line)
        for head in await heads():
            verifier.head(*head)
        assert [*verifier.faults, *await silent_changes()] == []


async def at_once(talk: Talk, *said: tuple[str, str]) -> list[str]:
    """Everybody says something in the same moment; two bots over one database work it off in parallel."""
    before = len(talk.adapter.sent)
    for number, (who, text) in enumerate(said):
        mark = f"{before}-{number}"
        await talk.bot.inbox.receive(Incoming(talk.adapter.connection, "app", mark, who, talk.filled(text)))
    other = Bot(LAW, {talk.adapter.connection: talk.adapter}, lambda: talk.now, zone=ZONE)
    await asyncio.gather(talk.bot.inbox.process(), other.inbox.process())
    await talk.bot.step(tick=False)
    answers = await fetch(
        "SELECT n.address, n.body FROM notice n WHERE n.answers IS NOT NULL ORDER BY n.id DESC LIMIT :n", n=len(said)
    )
    told = {row["address"]: str(row["body"]) for row in answers}
    return [told[who] for who, _ in said]


async def state(talk: Talk, name: str) -> str:
    (row,) = await fetch("SELECT state FROM obligation WHERE id = :id", id=talk.numbers[name])
    return str(row["state"])


async def acts(talk: Talk, name: str) -> list[str]:
    return [line["action"] for line in await history(StreamRef("obligation", talk.numbers[name]))]


def holds(answers: list[str], *words: str) -> list[bool]:
    return [any(word in answer for word in words) for answer in answers]


async def test_of_two_who_answer_the_same_obligation_the_second_hears_who_was_first(talk: Talk) -> None:
    for name in ("report", "plan", "cases"):
        words = f"完成 #{{{name}}} {NUMBER}"
        answers = await at_once(talk, (OFFICER, words), (HEAD, words))
        assert sorted(holds(answers, "已报结：")) == [False, True], answers
        first = "昌吉市城管局经办人" if "已报结：" in answers[0] else "昌吉市城管局负责人"
        (second,) = [answer for answer in answers if "已报结：" not in answer]
        assert f"现为“已报结”（{first}，2026-01-04 10:00）" in second
        assert (await state(talk, name), await acts(talk, name)) == ("reported", ["report"])


async def test_a_supervisor_returns_what_the_head_takes_back(talk: Talk) -> None:
    await talk.hold([(HEAD, f"完成 #{{report}} {SHOWN}", "已报结")])
    returned, undone = await at_once(talk, (SUPERVISOR, "退回 #{report} 缺附件"), (HEAD, "撤回"))
    ends = {"returned": ["report", "return"], "pending": ["report", "undo"]}
    found = await state(talk, "report")
    assert await acts(talk, "report") == ends[found]
    if found == "returned":
        assert "已退回" in returned
        assert "此后又有新的办理" in undone
    else:
        assert "已撤回" in undone
        assert "现为“待签收”（昌吉市城管局负责人" in returned


async def test_a_supervisor_closes_what_the_head_reports_again(talk: Talk) -> None:
    await talk.hold([(HEAD, f"完成 #{{report}} {SHOWN}", "已报结")])
    closed, again = await at_once(talk, (SUPERVISOR, "销号 #{report}"), (HEAD, f"完成 #{{report}} {SHOWN}"))
    assert "已销号" in closed
    assert any(words in again for words in ("现为“已报结”", "现为“已销号”"))
    assert (await state(talk, "report"), await acts(talk, "report")) == ("closed", ["report", "close"])


@pytest.mark.parametrize(
    "said",
    [
        ((SUPERVISOR, "同意 申请1"), (PREFECTURE, "不同意 申请1 职能还在")),
        ((SUPERVISOR, "同意 申请1"), (PREFECTURE, "同意 申请1")),
        ((SUPERVISOR, "同意 申请1"), (OFFICER, "撤回申请 1")),
    ],
    ids=["against", "alike", "withdrawn"],
)
async def test_a_request_is_answered_once(talk: Talk, said: Both) -> None:
    await talk.hold([(OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1")])
    answers = await at_once(talk, *said)
    done = holds(answers, "已同意申请1", "已不同意申请1", "已撤回申请1")
    assert sorted(done) == [False, True], answers
    (second,) = [answer for answer, first in zip(answers, done, strict=True) if not first]
    assert "未作改动" in second
    assert "2026-01-04 10:00）" in second
    (row,) = await fetch("SELECT state FROM request")
    assert await state(talk, "report") == ("waived" if row["state"] == "granted" else "pending")
    assert len(await acts(talk, "report")) == 2


async def test_a_request_is_answered_while_the_unit_reports(talk: Talk) -> None:
    await talk.hold([(OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1")])
    granted, reported = await at_once(talk, (SUPERVISOR, "同意 申请1"), (HEAD, f"完成 #{{report}} {SHOWN}"))
    (row,) = await fetch("SELECT state FROM request")
    if await state(talk, "report") == "waived":
        assert row["state"] == "granted"
        assert "现为“免办”" in reported
    else:
        assert (await state(talk, "report"), row["state"]) == ("reported", "moot")
        assert "申请1已自动关闭" in granted
        assert "申请1已自动关闭" in reported


async def test_two_heads_assign_and_the_last_word_stands(talk: Talk) -> None:
    await talk.hold([(HEAD, f"委托 {OFFICER} 今天", "已委托")])
    rows: tuple[Row, ...] = ((HEAD, f"转办 #{{plan}} {OFFICER}"), (OFFICER, f"转办 #{{plan}} {OFFICER}"))
    answers = await at_once(talk, *((who, text) for who, text, *_ in rows))
    assert sorted(holds(answers, "已转办")) == [False, True], answers
    assert sorted(holds(answers, "已经由昌吉市城管局经办人办理")) == [False, True]
    assert await acts(talk, "plan") == ["assign"]


async def test_of_many_at_once_each_is_acknowledged_once(talk: Talk) -> None:
    words = [f"签收 #{{{name}}}" for name in ("report", "cases", "plan", "study", "hours")]
    for text in words:
        await at_once(talk, (OFFICER, text), (HEAD, text), (SUPERVISOR, "逾期"))
    assert [await acts(talk, name) for name in ("report", "cases", "plan", "study", "hours")] == [["acknowledge"]] * 5
