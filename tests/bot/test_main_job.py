"""The main job, end to end: the January 31 report, from the ladder's first day to a verified ledger."""

import json

import pytest

from bot.store import oversight
from duties.ledger import Fault, Verifier
from duties.store import chains, verifying
from duties.store.database import fetch
from tests.bot.play import Play, playing
from tests.bot.talk import HEAD, OFFICER, SUPERVISOR, WATER, begun

TITLE = "行政执法年度分析报告（2025年度）"
ARTICLE = "《州依法行政办法》第三十五条第一款"
NUMBER = "昌市城管〔2026〕3号"
SHOWN = f"{NUMBER} https://cj.gov.cn/a"


def reminded(play: Play, who: str) -> list[str]:
    """The reminders somebody was sent that speak of the report."""
    return [sent.text for sent in play.told(who) if TITLE in sent.text and sent.text.startswith("【")]


async def faults() -> list[Fault]:
    """What does not hold together in the ledger."""
    verifier = Verifier()
    async for line in chains.lines():
        verifier.line(line)
    for stream, seq, head in await chains.heads():
        verifier.head(stream, seq, head)
    for anchor in await chains.anchors():
        verifier.anchor(anchor)
    return [*verifier.faults, *await verifying.silent_changes()]


async def actions(number: int) -> list[str]:
    rows = await fetch(
        "SELECT e.action FROM entry e JOIN stream s ON s.id = e.stream_id WHERE s.kind = 'obligation' AND s.ref = :ref"
        " ORDER BY e.seq",
        ref=number,
    )
    return [row["action"] for row in rows]


async def test_the_report_due_on_january_31(database_url: str) -> None:
    async with begun(database_url, "2026-01-04 09:59") as play:
        assert reminded(play, OFFICER) == []

        await play.go_to("2026-01-04 10:00")
        assert [reminded(play, who) != [] for who in (OFFICER, HEAD, SUPERVISOR)] == [True, False, False]
        (reminder,) = reminded(play, OFFICER)
        assert all(part in reminder for part in ("截止 2026年1月31日（周六），还有 27 天", ARTICLE, "完成 序号 文号"))

        await play.hold(
            [
                (OFFICER, "收到", "已签收", TITLE.partition("（")[0], "台账号"),
                (OFFICER, "完成 2", "文号"),
                (OFFICER, f"{NUMBER} https://cj.gov.cn/2026/1", "已报结", "#{report}", "待监督员核验", "本单位还有"),
            ]
        )
        await play.go_to("2026-02-02 10:00")
        await play.hold(
            [
                (SUPERVISOR, "逾期 年度分析报告", "逾期 2 天", ARTICLE, "昌吉市水利局", "! 城市管理局", "待核"),
                (SUPERVISOR, "待核", "昌吉市城市管理局", NUMBER, "https://cj.gov.cn/2026/1", "完成 2026年1月4日"),
                (SUPERVISOR, "销号 1", "已销号", "#{report}", "台账号", "没有其他待核验"),
            ]
        )  # fmt: skip
        assert await actions(play.numbers["report"]) == ["acknowledge", "report", "close"]
        assert await faults() == []
        assert [text for text in reminded(play, HEAD) + reminded(play, OFFICER) if text != reminder] == []


async def test_who_stays_silent_is_reminded_up_the_ladder(database_url: str) -> None:
    async with playing(database_url) as play:
        for day in ("2026-01-04", "2026-01-16", "2026-01-23", "2026-01-30", "2026-02-02"):
            await play.go_to(f"{day} 10:00")
        assert "【提醒】" in reminded(play, WATER)[0]
        head = reminded(play, "cjs-water-head")
        assert head
        assert ARTICLE in head[0]
        assert any("已逾期 2 天" in text for text in head)
        late = reminded(play, SUPERVISOR)[-1] if reminded(play, SUPERVISOR) else ""
        assert "昌吉市水利局" in late
        assert "逾期" in late
        assert await faults() == []


async def test_what_was_reported_is_no_longer_reminded_and_what_was_returned_is_again(database_url: str) -> None:
    async with playing(database_url) as play:
        await play.go_to("2026-01-04 10:00")
        assert "已报结" in await play.says(OFFICER, f"完成 2 {SHOWN}")
        await play.go_to("2026-01-23 10:00")
        assert reminded(play, HEAD) == []
        assert "已退回" in await play.says(SUPERVISOR, "退回 年度分析报告 缺少公开链接")
        await play.go_to("2026-01-30 10:00")
        assert any("已被退回" in text for text in reminded(play, HEAD) + reminded(play, OFFICER)[1:])


async def test_an_entry_says_who_did_what_through_which_channel(database_url: str) -> None:
    async with playing(database_url) as play:
        await play.go_to("2026-01-04 10:00")
        await play.says(OFFICER, f"完成 2 {SHOWN} 1月3日")
        (entry,) = await fetch("SELECT actor, action, channel, payload FROM entry WHERE action = 'report'")
        payload = json.loads(entry["payload"])
        assert entry["channel"] == "webchat"
        assert payload["name"] == "昌吉市城管局经办人"
        shown = {"date": "2026-01-03", "shown": "2026-01-04"}
        assert payload["evidence"] == [
            {"slot": "filed", "number": NUMBER, **shown}, {"slot": "published", "link": "https://cj.gov.cn/a", **shown},
        ]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 5])
async def test_the_list_of_the_overdue_reads_only_what_it_shows(database_url: str, rows: int) -> None:
    async with playing(database_url) as play:
        await play.go_to("2026-02-02 10:00")
        seen = oversight.View(everything=True)
        found, units = await oversight.late_counted(seen, play.now.date())
        assert len(await oversight.late(seen, play.now.date(), rows)) == rows
        assert found > units > rows
        assert await oversight.late_counted(oversight.View(), play.now.date()) == (0, 0)
