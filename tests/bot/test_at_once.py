"""Two people at the same moment, answered by two replicas in parallel: one is first, and both hear the truth."""

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle

import pytest

from adapters.base import Incoming
from bot.app import Bot
from bot.store import arrivals
from duties import officers, training
from duties.ledger import StreamRef, Verifier
from duties.obligations import Moment
from duties.store import officer_lists
from duties.store.chains import heads, history, lines
from duties.store.database import fetch, transaction
from duties.store.verifying import silent_changes
from tests.bot.play import LAW, ZONE
from tests.bot.talk import ADMIN, HEAD, OFFICER, PREFECTURE, SUPERVISOR, Row, Talk, begun
from tests.bot.test_inviting import code_in

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
    """Everybody says something in the same moment; two bots over one database work it off in parallel.

    Each is handed its own messages: of two that look for work, one waits for the other's message before it goes on.
    """
    before = len(talk.adapter.sent)
    for number, (who, text) in enumerate(said):
        mark = f"{before}-{number}"
        await talk.bot.inbox.receive(Incoming(talk.adapter.connection, "app", mark, who, talk.filled(text)))
    other = Bot(LAW, {talk.adapter.connection: talk.adapter}, lambda: talk.now, zone=ZONE)
    both = cycle((talk.bot.inbox, other.inbox))
    await asyncio.gather(*(inbox._one(number) for number, inbox in zip(await arrivals.waiting(9), both, strict=False)))
    assert await arrivals.waiting(1) == []
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
        assert f"现为“已报结”（{first}，2026年1月4日 10:00）" in second
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
    assert "2026年1月4日 10:00）" in second
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


PHONE = "the head's other address"
WHO = {"supervisors": (SUPERVISOR, PREFECTURE), "unit": (OFFICER, HEAD), "leads": (HEAD, SUPERVISOR)}
ONCE = [
    ("supervisors", "确认", "已立案：个案1", "同一单位同一事由已立案：个案1"),
    ("unit", "申请免办 #{report} 机构已撤并", "已提出申请1", "#{report} 已有同样的申请待答复，未重复提出"),
    ("unit", "学法 1月3日 行政处罚法", "1/12", "已计一次“行政处罚法”，一次会议计一次"),
    ("unit", "学法 1月3日 会议：局务会 宪法", "2/12", "“局务会”会议已计一次“宪法”"),
    ("unit", "计数 内部执法培训 1月3日 甲", "1/4", "已经计过"),
    ("unit", "学时 张三 4小时 1月3日 行政处罚法", "已记学时", "“行政处罚法”已经记过，未作记录"),
    ("unit", "学时 冲销 张三 1月3日", "已冲销", "没有张三的这一笔学时，或已冲销"),
    ("leads", "配合 #{cases} 昌吉市水利局", "已指定配合", "现为“待签收”，不能这样办理"),
    ("supervisors", "扣分 撤销 1 记错了", "第 1 号", "第 1 号已由第 2 号撤销"),
]
"""Whose words, said by two at once; what the first hears, and what the second, as if it had come later."""
OPENING = "立案 意见书 昌吉市城市管理局 1月3日收到 昌司督〔2026〕9号"
BEFORE: tuple[Row, ...] = (
    (SUPERVISOR, "扣分 水利局 2 迟报", "第 1 号"),
    (SUPERVISOR, OPENING, "请核对"),
    (PREFECTURE, OPENING, "请核对"),
)
LISTED = "unit,name,certificate\ncjs-urban,张三,C1\n"


async def one_of_two(talk: Talk, said: Both, first: str, second: str) -> str:
    """Whichever was first, one is told that it is done, and the other that it was. Returns who was first."""
    answers = await at_once(talk, *said)
    refused = holds(answers, talk.filled(second))
    assert sorted(refused) == [False, True], answers
    assert talk.filled(first) in answers[refused.index(False)], answers
    return said[refused.index(False)][0]


async def enlist(talk: Talk) -> None:
    data, today = LISTED.encode(), talk.now.date()
    changes = officers.changes("officers.csv", data, await officer_lists.known(today), {})
    async with transaction():
        await training.import_list(changes, "officers.csv", data, LAW.registry, Moment(talk.now, today, "cli"))


async def test_what_is_done_once_is_done_once_by_two(talk: Talk) -> None:
    await enlist(talk)
    await talk.hold(BEFORE)
    for who, text, first, second in ONCE:
        one, other = WHO[who]
        await one_of_two(talk, ((one, text), (other, text)), first, second)
    (row,) = await fetch("SELECT COUNT(*) AS found FROM training WHERE undone_by IS NOT NULL")
    assert row["found"] == 1
    (row,) = await fetch("SELECT COUNT(*) AS found FROM casefile")
    assert row["found"] == 1


async def test_a_code_is_given_once_and_binds_once(talk: Talk) -> None:
    answers = await at_once(talk, (HEAD, f"邀请 {OFFICER}"), (ADMIN, f"邀请 {OFFICER}"))
    (row,) = await fetch("SELECT COUNT(*) AS found FROM invitation WHERE used_at IS NULL")
    assert row["found"] == 1, answers
    code = code_in(await talk.say(ADMIN, f"邀请 {HEAD}"))
    said = ((PHONE, f"绑定 {code}"), (f"{PHONE} again", f"绑定 {code}"))
    await one_of_two(talk, said, "绑定成功", "无效、已使用或已过期")


async def test_a_post_is_given_once_from_two_addresses(talk: Talk) -> None:
    await talk.hold([(PHONE, f"绑定 {code_in(await talk.say(ADMIN, f'邀请 {HEAD}'))}", "绑定成功")])
    said = ((HEAD, f"委托 {OFFICER} 1月5日至1月8日"), (PHONE, f"委托 {OFFICER} 1月7日至1月9日"))
    await one_of_two(talk, said, "代行", "未作改动。要改请先回复“委托 取消”")
    (row,) = await fetch("SELECT COUNT(*) AS found FROM post WHERE acting_for IS NOT NULL")
    assert row["found"] == 1


async def test_a_letter_is_drafted_numbered_and_served_once(talk: Talk) -> None:
    await talk.go_to("2026-02-05 10:00")
    draft = "拟稿 督办函 #{report}"
    both = ((SUPERVISOR, draft), (PREFECTURE, draft))
    who = await one_of_two(talk, both, "已拟督办函（函1）", "已有同类文书：函1")
    await talk.hold([(who, "拟稿 意见书 #{report}", "已拟监督意见书（函2）")])  # the same office's as the first
    issue = "昌司督{} 今天 签发人张三"
    said = (
        (SUPERVISOR, f"发文 函1 {issue.format('〔2026〕1号')}"),
        (PREFECTURE, f"发文 函2 {issue.format('[2026] 1号')}"),
    )
    await one_of_two(talk, said, "已发文", "本年已用过")
    (row,) = await fetch("SELECT id FROM letter WHERE state = 'issued'")
    serve = f"送达 函{row['id']} 今天 当面签收"
    await one_of_two(talk, ((SUPERVISOR, serve), (PREFECTURE, serve)), "已送达", "当前为“已送达”")
