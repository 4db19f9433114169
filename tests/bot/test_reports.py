"""报告稿: the report a letter or a lost case asks for, half written, for the unit that owes it and nobody else."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import docx
import pytest

from bot import papers
from duties.cases import Law
from duties.store import reading
from duties.store.database import fetch
from tests.bot.play import LAW
from tests.bot.talk import CLOCK, HEAD, OFFICER, SUPERVISOR, WATER, Talk, begun, copied, prepare, talking
from tests.bot.test_letters import DRAFT, ISSUE, LATE, SERVE

RULES = Law(LAW.registry, LAW.workdays)


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("reports"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path), LATE) as found:
        yield found


async def number_of(duty: str) -> int:
    rows = await fetch("SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.duty = :duty", duty=duty)
    return int(rows[0]["id"])


async def file(talk: Talk, who: str, number: int) -> papers.File | None:
    (row,) = await fetch("SELECT id FROM person WHERE code = :code", code=who)
    actor = await reading.actor(row["id"], talk.now.date())
    assert actor is not None
    return await papers.report(actor, number, RULES)


async def text_of(talk: Talk, number: int) -> str:
    made = await file(talk, OFFICER, number)
    assert made is not None
    return "".join(one.text.replace("\n", "") for one in docx.Document(BytesIO(made.draft())).paragraphs)


async def test_the_report_on_an_urging_letter_knows_what_it_was_about(database_url: str) -> None:
    async with begun(database_url, LATE) as talk:
        await talk.hold((DRAFT, ISSUE, SERVE))
        number = await number_of("urge-letter-response")
        await talk.hold(
            (
                (OFFICER, f"报告稿 #{number}", "《办理情况报告》草稿：督办函办理（个案1）", "2026年2月26日", "导出"),
                (OFFICER, "导出", "文稿（.docx）：", "/export/"),
                (HEAD, f"详情 #{number}", f"发“报告稿 #{number}”取《办理情况报告》草稿"),
                (SUPERVISOR, f"详情 #{number}", "! 报告稿"),
            )
        )
        text = await text_of(talk, number)
        for part in (
            "昌吉市城市管理局", "关于《行政执法监督督办函》（昌司督〔2026〕1号）", "昌吉市司法局：",
            "我单位于2026年2月5日收到《行政执法监督督办函》（文号：昌司督〔2026〕1号）", "第三十八条第二款",
            "行政执法年度分析报告", "办理期限至2026年2月26日", "自2026年2月6日", "办理情况：〔　　〕",
        ):  # fmt: skip
            assert part in text, part
        assert await file(talk, WATER, number) is None
        assert await file(talk, SUPERVISOR, number) is None


@pytest.mark.parametrize(
    ("event", "duty", "name", "parts"),
    [
        ("意见书 昌吉市城市管理局 2月3日收到 昌司督〔2026〕3号", "opinion-letter-rectification", "整改报告",
         ("收到《行政执法监督意见书》（文号：昌司督〔2026〕3号）", "我单位于2026年2月3日收到", "第二十八条第一款")),
        ("决定书 昌吉市城市管理局 2月3日收到 限2月20日前", "decision-letter-compliance", "履行情况报告",
         ("收到《行政执法监督决定书》（文号：〔　　〕）", "履行期限至2026年2月20日")),
        ("败诉 昌吉市城市管理局 2月3日收到 张三案", "losing-case-report", "个案报告",
         ("关于纠错败诉案件的", "张三案", "第四十八条", "2026年3月5日")),
    ],
)  # fmt: skip
async def test_each_duty_with_a_form_has_its_report(
    talk: Talk, event: str, duty: str, name: str, parts: tuple[str, ...]
) -> None:
    await talk.hold(((SUPERVISOR, f"立案 {event}", "请核对"), (SUPERVISOR, "确认", "已立案")))
    number = await number_of(duty)
    await talk.hold(((OFFICER, "报告稿", f"《{name}》草稿", f"#{number}"),))
    text = await text_of(talk, number)
    for part in (name, "昌吉市司法局：", "特此报告。", *parts):
        assert part in text, part


async def test_who_asks_for_a_report_that_has_no_form_is_told_which_have_one(talk: Talk) -> None:
    titles = "意见书整改、决定书履行、督办函办理、纠错败诉个案报告"
    await talk.hold(
        (
            (OFFICER, "报告稿", "目前没有需要这类报告的事项", titles),
            (OFFICER, "报告稿 #{report}", "“行政执法年度分析报告”", "没有固定格式的报告", titles),
            (WATER, "报告稿 #{report}", "台账号"),
            (SUPERVISOR, "报告稿 #{report}", "台账号"),
            (OFFICER, "报告稿 #999999", "999999"),
            (
                OFFICER,
                "skeleton #{report}",
                "asks for no report of a known form",
                "Rectification after an opinion letter",
            ),
        )
    )


async def test_the_reminder_says_how_to_get_the_report(talk: Talk) -> None:
    await talk.hold(((SUPERVISOR, "立案 意见书 昌吉市城市管理局 2月3日收到", "请核对"), (SUPERVISOR, "确认", "已立案")))
    number = await number_of("opinion-letter-rectification")
    await talk.hold(((CLOCK, "2026-02-05 10:05"),))
    told = "\n".join(sent.text for sent in talk.told(HEAD))
    assert f"发“报告稿 #{number}”取报告草稿" in told
    await talk.hold(((OFFICER, f"skeleton #{number}", "Draft of the rectification report", "export"),))
