"""Questions beyond 逾期: who asks what, what comes back, and that every figure is what counting by hand gives."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import openpyxl
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.base import Incoming
from adapters.memory import MemoryAdapter
from adapters.webchat import WebchatAdapter
from bot import tickets
from bot.conversation.ask import OWN_PAGE, Surroundings
from bot.conversation.table import COMMANDS
from bot.doorway import Doorway
from bot.store import figures, people
from bot.store.figures import Which
from bot.store.oversight import NOTHING, Narrow, View
from bot.web.door import ChatDoor, NoSuchTableError
from bot.web.site import site
from bot.wording.grammar import days_ahead
from duties.reports import SOON_DAYS, Light, allowances, expected
from duties.store import reading
from duties.store.database import as_date, as_instant, execute, fetch
from tests.bot.play import LAW, playing
from tests.bot.talk import (
    ADMIN,
    CLOCK,
    HEAD,
    OFFICER,
    PREFECTURE,
    SUPERVISOR,
    WATER,
    Row,
    Talk,
    begun,
    copied,
    prepare,
    talking,
)

OPEN, DONE = ("pending", "acknowledged", "returned"), ("reported", "closed")
STATES = (*OPEN, *DONE, "waived", "cancelled")
ASKERS = (OFFICER, HEAD, WATER, SUPERVISOR, PREFECTURE, ADMIN)
LINES = 16
"""A phone screen."""
MOST_LINES, MOST_CHARACTERS = 30, 1_400
"""What the longest answer of any command that only shows something may have, everything being overdue."""
LINK = re.compile(r"/export/([\w-]+)")


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("morning"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as talk:
        yield talk


# ── Counting by hand


@dataclass(frozen=True)
class Line:
    """An obligation as its rows say, without a join of the product's."""

    id: int
    unit: int
    name: str
    path: str
    duty: str
    term: str
    opens: date
    due: date
    state: str
    done_on: date | None
    tally: int
    target: int


async def everything() -> list[Line]:
    units = {row["id"]: row for row in await fetch("SELECT id, name, path FROM unit")}
    terms = {row["id"]: row for row in await fetch("SELECT id, duty, label, opens, due FROM term")}
    found = []
    for row in await fetch("SELECT id, unit_id, term_id, state, done_on, tally, target FROM obligation ORDER BY id"):
        unit, term = units[row["unit_id"]], terms[row["term_id"]]
        done_on = as_date(row["done_on"]) if row["done_on"] else None
        found.append(
            Line(
                row["id"], row["unit_id"], unit["name"], unit["path"], term["duty"], term["label"],
                as_date(term["opens"]), as_date(term["due"]), row["state"], done_on, row["tally"], row["target"],
            )
        )  # fmt: skip
    return found


async def view_of(who: str, today: date) -> View:
    (person,) = await people.person_coded(who)
    actor = await reading.actor(person["id"], today)
    assert actor is not None
    return View.of(actor)


async def seen_by(who: str, today: date, narrow: Narrow = NOTHING) -> list[Line]:
    """What somebody may see, told from their posts by hand."""
    rows = await fetch(
        "SELECT p.role, p.unit_id, u.parent_id FROM post p JOIN person n ON n.id = p.person_id"
        " JOIN unit u ON u.id = p.unit_id WHERE n.code = :who",
        who=who,
    )
    parents = {row["id"]: row["parent_id"] for row in await fetch("SELECT id, parent_id FROM unit")}

    def above(unit: int | None) -> Iterable[int]:
        while unit is not None:
            yield unit
            unit = parents[unit]

    def may_see(line: Line) -> bool:
        return any(
            row["role"] == "admin"
            or (row["role"] == "supervisor" and row["parent_id"] in above(line.unit))
            or (row["role"] in {"head", "officer"} and row["unit_id"] == line.unit)
            for row in rows
        )

    paths, duties = narrow.paths, narrow.duties
    return [
        line
        for line in await everything()
        if may_see(line)
        and (not paths or any(line.path.startswith(path) for path in paths))
        and (not duties or line.duty in duties)
    ]


async def scatter(seed: int) -> None:
    """Give every obligation a state, a completion day and a tally that planning alone never makes."""
    chance = random.Random(seed)
    rows = await fetch("SELECT o.id, t.due, o.target FROM obligation o JOIN term t ON t.id = o.term_id ORDER BY o.id")
    for row in rows:
        state = chance.choices(STATES, weights=(6, 3, 1, 2, 2, 1, 1))[0]
        done_on = as_date(row["due"]) + timedelta(days=chance.randint(-9, 3)) if state in DONE else None
        await execute(
            "UPDATE obligation SET state = :state, done_on = :done_on, tally = :tally WHERE id = :id",
            state=state, done_on=done_on, tally=chance.randint(0, row["target"]), id=row["id"],
        )  # fmt: skip


async def path_of(code: str) -> str:
    (row,) = await fetch("SELECT path FROM unit WHERE code = :code", code=code)
    return str(row["path"])


def sums(lines: list[Line], today: date) -> figures.Sums:
    done = [one for one in lines if one.state in DONE]
    still = [one for one in lines if one.state in OPEN]
    late = [one for one in done if one.done_on is not None and one.done_on > one.due]
    return figures.Sums(
        len(lines), len({one.unit for one in lines}), len(still), sum(one.due < today for one in still), len(done),
        sum(one.state == "reported" for one in done), len(done) - len(late), len(late),
    )  # fmt: skip


def counts(one: Line) -> bool:
    return one.state not in ("waived", "cancelled")


async def lights_by_hand(lines: list[Line], today: date) -> dict[int, Light]:
    """Each unit's light, obligation by obligation."""
    allowed = allowances(LAW.registry, today, LAW.workdays)
    shown: dict[int, Light] = {}
    for one in lines:
        if not counts(one) or one.opens > today or (one.due.year < today.year and one.state not in OPEN):
            continue
        colour = Light.GREEN
        if one.state in OPEN:
            slow = one.duty in allowed and one.due >= today and one.tally < expected(one.target, allowed[one.duty])
            if one.state == "returned" or slow or one.due <= today + timedelta(days=SOON_DAYS):
                colour = Light.YELLOW
            if one.due < today:
                colour = Light.RED
        shown[one.unit] = min(colour, shown.get(one.unit, Light.GREEN), key=list(Light).index)
    return shown


# ── Figures


async def test_figures_are_what_counting_by_hand_gives(database_url: str) -> None:
    async with begun(database_url, "2026-03-31 11:00") as talk:
        await scatter(1)
        today = talk.now.date()
        gov, water = await path_of("cjs-gov"), await path_of("cjs-water")
        for who in ASKERS:
            for narrow in (NOTHING, Narrow((water,)), Narrow((gov,), ("training-hours", "study-plan"))):
                await check(who, narrow, today)


async def check(who: str, narrow: Narrow, today: date) -> None:
    view, lines = await view_of(who, today), await seen_by(who, today, narrow)
    first, last = date(2026, 3, 1), date(2026, 3, 31)
    which, owed = Which(due_from=first, due_to=last), [one for one in lines if counts(one)]
    due = [one for one in owed if first <= one.due <= last]
    assert await figures.summed(view, narrow, which, today) == sums(due, today)

    by_unit = await figures.summed_by_unit(view, narrow, which, today)
    still = Counter(one.unit for one in due if one.state in OPEN)
    assert sorted(one.open for _, one in by_unit) == sorted(still.values())
    by_duty = await figures.summed_by_duty(view, narrow, which, today)
    assert {(row["duty"], row["term"]): one.found for row, one in by_duty} == Counter((o.duty, o.term) for o in due)
    listed = await figures.listed(view, narrow, which, 10_000)
    assert sorted(row["id"] for row in listed) == sorted(one.id for one in due)

    allowed = allowances(LAW.registry, today, LAW.workdays)
    slow = [
        one
        for one in lines
        if one.state in OPEN and one.duty in allowed and one.opens <= today <= one.due
        and one.tally < expected(one.target, allowed[one.duty])
    ]  # fmt: skip
    rows = await figures.behind(view, narrow, allowed, today, 10_000)
    assert sorted(row["id"] for row in rows) == sorted(one.id for one in slow)

    lit = {one.unit_id: one.light for one in await figures.lights(view, narrow, allowed, today)}
    by_hand = await lights_by_hand(lines, today)
    assert lit == {unit: light for unit, light in by_hand.items() if light != Light.GREEN}
    assert await figures.owing_units(view, narrow, today) == len(by_hand)
    assert [
        row["id"] for row in await figures.owing_listed(view, narrow, today, 10_000) if row["id"] not in by_hand
    ] == []


async def test_what_is_not_acknowledged_counts_from_the_first_message_that_was_sent(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.go_to("2026-01-20 11:00")
        await talk.hold([(OFFICER, "签收 #{report}", "已签收")])
        told: dict[int, Any] = {}
        for row in await fetch(
            "SELECT m.obligation_id, n.finished_at, n.state, m.audience FROM reminder m"
            " JOIN notice_item i ON i.reminder_id = m.id JOIN notice n ON n.id = i.notice_id"
        ):
            if row["state"] == "sent" and row["audience"] != "supervisor":
                at = as_instant(row["finished_at"])
                told[row["obligation_id"]] = min(at, told.get(row["obligation_id"], at))
        for who in ASKERS:
            lines = await seen_by(who, talk.now.date())
            view = await view_of(who, talk.now.date())
            wanted = {one.id: told[one.id] for one in lines if one.state == "pending" and one.id in told}
            rows = await figures.unacknowledged(view, NOTHING, 10_000)
            assert {row["id"]: row["told"] for row in rows} == wanted
            assert [row["told"] for row in rows] == sorted(row["told"] for row in rows)
            assert await figures.unacknowledged_counted(view, NOTHING) == (
                len(wanted), len({one.unit for one in lines if one.id in wanted}),
            )  # fmt: skip
        assert talk.numbers["report"] not in told.keys() & {row["id"] for row in rows}


async def test_totals_add_up_whoever_asks_whenever_about_whatever(talk: Talk) -> None:
    asked: list[tuple[str, int, int, int, str]] = []

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(ASKERS), st.integers(0, 364), st.integers(0, 120), st.integers(0, 5),
        st.sampled_from(["", "cjs-gov", "cjs-water", "ml-gov", "cjz-gov"]),
    )  # fmt: skip
    def collect(who: str, day: int, length: int, seed: int, unit: str) -> None:
        asked.append((who, day, length, seed, unit))

    collect()
    scattered = -1
    for who, day, length, seed, unit in sorted(asked, key=lambda one: one[3]):
        if seed != scattered:
            await scatter(seed)
            scattered = seed
        today = date(2026, 1, 1) + timedelta(days=day)
        view, narrow = await view_of(who, today), Narrow((await path_of(unit),) if unit else ())
        which = Which(due_from=today, due_to=today + timedelta(days=length))
        whole = await figures.summed(view, narrow, which, today)
        by_unit = [one for _, one in await figures.summed_by_unit(view, narrow, which, today)]
        by_duty = [one for _, one in await figures.summed_by_duty(view, narrow, which, today)]
        assert sum(one.open for one in by_unit) == sum(one.open for one in by_duty) == whole.open
        assert sum(one.overdue for one in by_unit) == whole.overdue
        assert sum(one.found for one in by_duty) == whole.found == whole.open + whole.done
        assert whole.done == whole.on_time + whole.late
        allowed = allowances(LAW.registry, today, LAW.workdays)
        lit = await figures.lights(view, narrow, allowed, today)
        units = await figures.owing_units(view, narrow, today)
        red, yellow = (sum(one.light == light for one in lit) for light in (Light.RED, Light.YELLOW))
        by_hand = Counter((await lights_by_hand(await seen_by(who, today, narrow), today)).values())
        assert (red, yellow, units - len(lit)) == tuple(by_hand[light] for light in Light)
        assert red + yellow + by_hand[Light.GREEN] == units


# ── What is said

DIALOGUES: dict[str, tuple[Row, ...]] = {
    "what falls due, counted for who supervises, listed for who owes": (
        (SUPERVISOR, "本月到期", "2026年1月1日（周四）至2026年1月31日（周六），到期 29 项", "17 个单位：未办结 29 项"),
        (SUPERVISOR, "本月到期", "■ 行政执法年度分析报告（2025年度）", "未办结 12 项", "· 昌吉市水利局 2 项"),
        (SUPERVISOR, "本月到期", "还有 11 个单位", "导出", "! #{report}"),
        (OFFICER, "本月到期", "涉及 1 个单位", "1. 当月执法案件公示", "#{cases}", "2. 行政执法年度分析", "! 水利局"),
        (OFFICER, "完成 2 昌市城管〔2026〕3号 https://cj.gov.cn/a", "已报结", "#{report}"),
        (OFFICER, "本月到期", "未办结 1 项（已逾期 0），已报结或销号 1 项", "! #{report}"),
        (SUPERVISOR, "本月到期", "未办结 28 项", "已报结或销号 1 项"),
        (HEAD, "本周到期", "2025年12月29日（周一）至2026年1月4日（周日），没有到期的事项", "! 导出"),
        (PREFECTURE, "本月到期 水利局", "昌吉市水利局到期 2 项", "1. ", "#{water}"),
        (SUPERVISOR, "本月到期 水利局 年度分析报告", "到期 1 项", "#{water}"),
        (SUPERVISOR, "本月到期 木垒县", "不在您的查看范围", "台账号"),
        (WATER, "本月到期 城管局", "不在您的查看范围"),
        (SUPERVISOR, "本月到期 火星局", "没有名为“火星局”的单位或事项", "到期 29 项"),
        (ADMIN, "本月到期", "涉及 17 个单位"),
    ),
    "what falls due within days": (
        (OFFICER, "到期", "2026年1月4日（周日）至2026年2月3日（周二）", "#{cases}"),
        (OFFICER, "到期 3天", "至2026年1月7日（周三），没有到期的事项"),
        (OFFICER, "到期3日内", "至2026年1月7日"),
        (OFFICER, "到期 27", "至2026年1月31日（周六）", "2. 行政执法年度分析报告", "! 3. "),
        (SUPERVISOR, "到期 30天 水利局", "昌吉市水利局到期 2 项", "#{water}"),
        (SUPERVISOR, "到期 年度分析报告", "“行政执法年度分析报告”到期 12 项"),
        (OFFICER, "到期 999天", "至2027年2月8日（周一）"),
    ),
    "a number in the list means that line": (
        (OFFICER, "到期", "1. 当月执法案件公示"),
        (OFFICER, "签收 2", "#{report}"),
        (SUPERVISOR, "未签收 水利局", "1. 昌吉市水利局"),
        (SUPERVISOR, "详情 1", "水利局", "依据"),
        (SUPERVISOR, "事项 行政执法年度分析报告", "1. 昌吉市"),
        (SUPERVISOR, "详情 1", "行政执法年度分析报告"),
    ),
    "who was told and has not acknowledged": (
        (HEAD, "未签收", "已提醒未签收 2 项，涉及 1 个单位", "#{report}", "今天首次提醒", "! 0 天"),
        (OFFICER, "签收 #{report}", "已签收"),
        (HEAD, "未签收", "已提醒未签收 1 项", "! #{report}"),
        (CLOCK, "2026-01-13 11:00"),
        (HEAD, "未签收", "当月执法案件公示（2026年1月）2026年1月4日（周日）首次提醒，已 9 天（7 个工作日）#{cases}"),
        (SUPERVISOR, "未签收", "涉及 17 个单位", "10. ", "还有 "),
        (SUPERVISOR, "未签收 年度分析报告", "“行政执法年度分析报告”已提醒未签收 11 项", "! 城市管理局", "#{water}"),
        (OFFICER, "签收 全部", "已签收"),
        (HEAD, "未签收", "没有已提醒而未签收的任务", "! 导出"),
        (HEAD, "未签收 水利局", "不在您的查看范围"),
        (PREFECTURE, "谁没签收 木垒县", "木垒哈萨克自治县人民政府没有已提醒而未签收"),
    ),
    "progress against target, pace and year": (
        (HEAD, "进度", "计数事项 3 项，落后于进度 0 项", "■ 会前学法（2026年度）0/12 次，至今应达 0，不落后\n"),
        (HEAD, "学法 1月4日 行政处罚法", "1/12"),
        (HEAD, "学法进度", "会前学法（2026年度）1/12 次", "! 内部执法培训"),
        (CLOCK, "2026-01-30 11:00"),
        (HEAD, "学法进度", "1/12 次，至今应达 1，不落后；线性推算年底 12 次"),
        (WATER, "学法进度", "0/12 次，至今应达 1，落后；线性推算年底 0 次"),
        (SUPERVISOR, "学法进度", "17 个单位：累计 1/204 次，至今应达 17，落后 16 个单位；线性推算年底 12 次"),
        (SUPERVISOR, "学法进度", "1. 昌吉市水利局：会前学法 0/12，应达 1", "还有 8 项", "! 昌吉市城市管理局"),
        (SUPERVISOR, "学法进度 水利局", "0/12 次，至今应达 1，落后"),
        (SUPERVISOR, "学法进度 内部执法培训", "■ 内部执法培训", "! 会前学法"),
        (SUPERVISOR, "进度", "■ 会前学法", "■ 执法人员培训学时（2026年度）17 个单位：已达标 0 个，落后 0 个单位"),
        (HEAD, "进度 执法人员培训学时", "尚未全部达标，不落后"),
        (HEAD, "计数 学时 应训 60 人 达标 60 人", "全部达标"),
        (HEAD, "进度 执法人员培训学时", "已全部达标"),
        (SUPERVISOR, "进度 年度分析报告", "“行政执法年度分析报告”没有进行中的计数事项"),
        (PREFECTURE, "进度 木垒县", "政府组成人员法治培训"),
        (HEAD, "进度 水利局", "不在您的查看范围"),
    ),
    "one unit": (
        (SUPERVISOR, "单位 城管局", "昌吉市城市管理局\n", "逾期 0 项；待核验 0 项", "2026年到期 46 项", "最急的："),
        (SUPERVISOR, "单位 城管局", "1. 当月执法案件公示", "负责人 昌吉市城管局负责人（收得到提醒）", "经办人"),
        (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 https://cj.gov.cn/a", "已报结"),
        (CLOCK, "2026-02-02 10:00"),
        (HEAD, "单位", "其中逾期 1 项；待核验 1 项", "按期办结 1，逾期办结 0，未办结 45"),
        (OFFICER, "完成 #{cases} 昌市城管〔2026〕4号 https://cj.gov.cn/b", "已报结", "逾期"),
        (SUPERVISOR, "单位城管局", "其中逾期 0 项；待核验 2 项", "按期办结 1，逾期办结 1，未办结 44"),
        (PREFECTURE, "单位 司法局", "有 8 个单位相近", "昌吉市司法局"),
        (PREFECTURE, "单位 昌吉市司法局", "监督员 昌吉市司法局执法监督员（收得到提醒）"),
        (PREFECTURE, "单位 昌吉市人民政府", "昌吉市人民政府（含下属 26 个单位）"),
        (SUPERVISOR, "单位", "请写明单位"),
        (SUPERVISOR, "单位 火星局", "没有名为“火星局”的单位"),
        (SUPERVISOR, "单位 年度分析报告", "请写明单位"),
        (SUPERVISOR, "单位 水利局 年度分析报告", "2026年到期 1 项", "! 当月执法案件公示"),
        (HEAD, "单位 水利局", "不在您的查看范围"),
        (ADMIN, "单位 木垒县司法局", "木垒哈萨克自治县司法局"),
    ),
    "one duty": (
        (SUPERVISOR, "事项 年度报告", "有 5 个事项相近", "■ 法治政府建设年度报告（部门）", "■ 行政执法年度分析报告"),
        (SUPERVISOR, "事项 行政执法年度分析报告", "应办 12，已办 0（逾期办结 0），未办 12", "1. ", "10. ", "还有 2 项"),
        (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 https://cj.gov.cn/a", "已报结"),
        (SUPERVISOR, "事项 行政执法年度分析报告", "应办 12，已办 1（逾期办结 0），未办 11", "! 城市管理"),
        (SUPERVISOR, "事项 行政执法年度分析报告 水利局", "应办 1，已办 0", "1. 昌吉市水利局 待签收 #{water}", "! 2. "),
        (HEAD, "事项 行政执法年度分析报告", "应办 1，已办 1", "! 1. "),
        (WATER, "事项 行政执法年度分析报告", "应办 1，已办 0", "#{water}"),
        (WATER, "事项 行政执法年度分析报告 城管局", "不在您的查看范围"),
        (SUPERVISOR, "事项", "请写明事项"),
        (SUPERVISOR, "事项 天气预报", "没有名为“天气预报”的事项"),
        (PREFECTURE, "事项 政府组成人员法治培训", "应办 8，已办 0"),
        (HEAD, "事项 政府组成人员法治培训", "还没有开始办理的期次"),
    ),
    "the lights": (
        (SUPERVISOR, "灯", "红灯 0，黄灯 0，绿灯 ", "共 2"),
        (CLOCK, "2026-01-22 11:00"),
        (HEAD, "红绿灯", "红灯 0，黄灯 0，绿灯 1，共 1 个单位", "! 七日内到期 1"),
        (CLOCK, "2026-01-24 11:00"),
        (HEAD, "灯", "红灯 0，黄灯 1，绿灯 0，共 1 个单位", "黄灯（", "昌吉市城市管理局：七日内到期 2 项"),
        (CLOCK, "2026-02-02 11:00"),
        (HEAD, "红黄绿灯", "红灯 1，黄灯 0", "红灯（有逾期）：", "昌吉市城市管理局：逾期 2 项、落后 1 项"),
        (SUPERVISOR, "灯", "红灯 17", "还有 12 个单位"),
        (SUPERVISOR, "灯 水利局", "昌吉市水利局红灯 1，黄灯 0，绿灯 0，共 1 个单位"),
        (SUPERVISOR, "灯 年度分析报告", "“行政执法年度分析报告”红灯 12，黄灯 0，绿灯 0，共 12 个单位"),
        (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 https://cj.gov.cn/a", "已报结"),
        (SUPERVISOR, "灯 城管局 年度分析报告", "红灯 0，黄灯 0，绿灯 1"),
        (SUPERVISOR, "退回 #{report} 缺附件", "已退回"),
        (HEAD, "灯 会前学法", "黄灯 1", "落后 1 项"),
        (PREFECTURE, "灯", "红灯 17，黄灯 0，绿灯 27，共 44 个单位"),
        (ADMIN, "灯", "共 44 个单位"),
        (SUPERVISOR, "灯 木垒县", "不在您的查看范围"),
        (HEAD, "灯 政府组成人员法治培训", "没有承担事项的单位"),
    ),
    "what is overdue can be had in full": (
        (OFFICER, "导出", "还没有可导出的答复"),
        (SUPERVISOR, "逾期", "没有逾期", "! 导出"),
        (CLOCK, "2026-02-02 11:00"),
        (SUPERVISOR, "逾期", "个单位：", "回复“导出”取全表"),
        (SUPERVISOR, "导出", "/export/", "只供您本人使用，请勿转发；2026年2月2日 12:00前有效，最多下载 5 次"),
        (SUPERVISOR, "> export", "/export/"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("table", DIALOGUES.values(), ids=DIALOGUES.keys())
async def test_dialogue(talk: Talk, table: tuple[Row, ...]) -> None:
    await talk.hold(table)


async def test_every_question_is_answered_in_english(talk: Talk) -> None:
    await talk.hold(
        [
            (CLOCK, "2026-02-02 11:00"),
            (SUPERVISOR, "due this week", "Mon 2 Feb 2026 to Sun 8 Feb 2026", "nothing falls due"),
            (HEAD, "this month", "1 Feb 2026", "Monthly publication of cases", "days left; pending"),
            (SUPERVISOR, "due in 60 days water", "fall due"),
            (SUPERVISOR, "due 7", "Mon 9 Feb 2026"),
            (SUPERVISOR, "unacknowledged", "Reminded, not acknowledged", "working days:"),
            (SUPERVISOR, "study progress", "0/204 meetings, expected by now: 17, units behind: 17; by year end"),
            (HEAD, "progress", "Counted: 3, behind pace: 1", "not yet met by all"),
            (SUPERVISOR, "unit 水利局", "Open: ", "can be reminded", "Due in 2026"),
            (SUPERVISOR, "unit nowhere at all", "No unit is called"),
            (SUPERVISOR, "duty annual analysis report", "owed by 12, done: 0 (late: 0), open: 12"),
            (SUPERVISOR, "lights", "Red: 17", "overdue 2, behind 1"),
            (SUPERVISOR, "export", "The full table", "/export/", "until 2 Feb 2026 12:00"),
            (WATER, "export", "no answer to export yet"),
        ]
    )


async def test_some_questions_hold_on_both_databases(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.hold([*DIALOGUES["one duty"], *DIALOGUES["the lights"][:2]])
        await talk.hold([(SUPERVISOR, "进度", "计数事项"), (SUPERVISOR, "单位 水利局", "收得到提醒")])


async def test_no_answer_is_longer_than_a_phone(talk: Talk) -> None:
    questions = (
        "本周到期", "本月到期", "到期 90天", "未签收", "学法进度", "进度", "单位", "单位 昌吉市人民政府", "事项 年度",
        "事项 行政执法年度分析报告", "灯", "lights",
    )  # fmt: skip
    await talk.go_to("2026-03-31 11:00")
    for seed in (0, 1):
        for who in ASKERS:
            for text in questions:
                answer = await talk.says(who, text)
                assert len(answer.splitlines()) <= LINES, (who, text)
                assert "系统出错" not in answer
        await scatter(seed)


@pytest.mark.parametrize("who", ASKERS)
async def test_no_command_that_only_shows_something_is_longer_than_a_screen(talk: Talk, who: str) -> None:
    await talk.go_to("2026-07-01 11:00")
    for command in (one for one in COMMANDS if one.reads):
        for text in (command.zh[0], command.en[0]):
            answer = await talk.says(who, text)
            assert len(answer.splitlines()) <= MOST_LINES, text
            assert len(answer) <= MOST_CHARACTERS, text
            assert "系统出错" not in answer


async def test_posts_that_nobody_holds_or_that_nothing_reaches_are_told(talk: Talk) -> None:
    await execute("DELETE FROM identity WHERE person_id = (SELECT id FROM person WHERE code = 'cjs-water-head')")
    await execute("DELETE FROM post WHERE person_id = (SELECT id FROM person WHERE code = 'cjs-water-officer')")
    await talk.hold(
        [
            (
                SUPERVISOR,
                "单位 水利局",
                "· 负责人 昌吉市水利局负责人（未绑定，收不到）",
                "· 经办人（空缺）",
                "! 监督员（空缺）",
            )
        ]
    )


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("7天 水利局", (7, " 水利局")),
        ("7日内水利局", (7, "水利局")),
        ("in 7 days", (7, "")),
        ("7", (7, "")),
        ("7 water", (7, " water")),
        ("1月31日", (None, "1月31日")),
        ("12345天", (None, "12345天")),
        ("7daysof", (None, "7daysof")),
        ("水利局", (None, "水利局")),
        ("", (None, "")),
    ],
)
def test_days_are_read_where_a_question_begins_with_them(words: str, read: tuple[int | None, str]) -> None:
    assert days_ahead(words) == read


# ── The full table


def door(talk: Talk) -> ChatDoor:
    return Doorway(talk.bot, WebchatAdapter("webchat", lambda: talk.now)).door()


async def ticket(talk: Talk, who: str, *questions: str) -> str:
    for text in questions:
        await talk.says(who, text)
    found = LINK.search(await talk.says(who, "导出"))
    assert found is not None
    return found[1]


async def sheet(talk: Talk, who: str, *questions: str) -> tuple[list[str], list[dict[str, Any]]]:
    """The head and the rows of the table of the last question."""
    made = await door(talk).table(await ticket(talk, who, *questions), "")
    (page,) = openpyxl.load_workbook(BytesIO(made.content)).worksheets
    head, *rows = page.iter_rows(values_only=True)
    return [str(text) for text in head], [dict(zip(map(str, head), row, strict=True)) for row in rows]


async def test_the_table_of_what_is_overdue_holds_every_line(talk: Talk) -> None:
    await talk.go_to("2026-03-05 11:00")
    await scatter(2)
    for who in (HEAD, SUPERVISOR, ADMIN):
        head, rows = await sheet(talk, who, "逾期")
        late = {
            one.id: one
            for one in await seen_by(who, talk.now.date())
            if one.state in OPEN and one.due < talk.now.date()
        }
        assert head[:4] == ["单位", "事项", "期次", "截止日"]
        assert {row["编号"] for row in rows} == late.keys()
        assert [row["截止日"].date() for row in rows] == [late[row["编号"]].due for row in rows]
        assert [row["单位"] for row in rows] == [late[row["编号"]].name for row in rows]
        assert {row["剩余天数（负数为已逾期）"] < 0 for row in rows} <= {True}
        assert all(row["依据"] for row in rows)


async def test_the_table_of_what_falls_due_holds_what_is_done_too(talk: Talk) -> None:
    await talk.go_to("2026-03-05 11:00")
    await scatter(3)
    _, rows = await sheet(talk, SUPERVISOR, "本月到期")
    due = [one for one in await seen_by(SUPERVISOR, talk.now.date()) if (one.due.year, one.due.month) == (2026, 3)]
    wanted = {one.id: one.done_on for one in due if counts(one)}
    assert {row["编号"]: row["办结日"] and row["办结日"].date() for row in rows} == wanted
    _, rows = await sheet(talk, SUPERVISOR, "本月到期 水利局 年度学法计划")
    assert [(row["单位"], row["事项"]) for row in rows] == [("昌吉市水利局", "年度学法计划")]


async def test_the_other_tables_agree_with_their_answers(talk: Talk) -> None:
    await talk.go_to("2026-03-31 11:00")
    head, rows = await sheet(talk, SUPERVISOR, "灯")
    assert head == ["单位", "灯", "逾期", "退回", "七日内到期", "落后于进度"]
    answer = await talk.says(SUPERVISOR, "灯")
    lamps = Counter(row["灯"] for row in rows)
    assert f"红灯 {lamps['红']}，黄灯 {lamps['黄']}，绿灯 {lamps['绿']}，共 {len(rows)} 个单位" in answer
    assert [row["灯"] for row in rows] == sorted((row["灯"] for row in rows), key="红黄绿".index)

    _, rows = await sheet(talk, SUPERVISOR, "学法进度")
    assert f"累计 {sum(row['已计'] for row in rows)}/{sum(row['目标'] for row in rows)} 次" in await talk.says(
        SUPERVISOR, "学法进度"
    )
    assert {(row["至今应达"], row["落后"], row["年底推算（线性）"]) for row in rows} == {(3, "是", 0)}

    _, rows = await sheet(talk, SUPERVISOR, "未签收")
    assert f"已提醒未签收 {len(rows)} 项" in await talk.says(SUPERVISOR, "未签收")
    first = rows[0]
    assert (first["首次提醒"].date(), first["已过天数"], first["已过工作日"]) == (date(2026, 1, 4), 86, 58)

    _, rows = await sheet(talk, SUPERVISOR, "事项 行政执法年度分析报告")
    assert len(rows) == 12
    _, rows = await sheet(talk, HEAD, "单位")
    assert f"2026年到期 {len(rows)} 项" in await talk.says(HEAD, "单位")


async def test_what_was_left_open_in_an_earlier_year_stands_first_in_a_units_table(talk: Talk) -> None:
    await execute("UPDATE term SET due = :due WHERE duty = 'enforcement-annual-report'", due=date(2025, 12, 30))
    _, rows = await sheet(talk, HEAD, "单位")
    assert rows[0]["编号"] == talk.numbers["report"]
    assert len([row for row in rows if row["编号"] == talk.numbers["report"]]) == 1


async def test_nothing_found_is_an_empty_table_and_not_the_one_before(talk: Talk) -> None:
    head, rows = await sheet(talk, HEAD, "本月到期", "逾期")
    assert head[0] == "单位"
    assert rows == []


async def test_a_reply_to_an_older_answer_means_that_one(talk: Talk) -> None:
    await talk.says(SUPERVISOR, "本月到期 水利局")
    older = talk.told(SUPERVISOR)[-1].key
    await talk.says(SUPERVISOR, "灯")
    for action, text in (("", "导出"), ("export", "")):
        found = LINK.search(await talk.says(SUPERVISOR, text, action=action, reply_to=older))
        assert found is not None
        assert (await door(talk).table(found[1], "")).name.startswith("到期")
    assert (await door(talk).table(await ticket(talk, SUPERVISOR), "")).name == "红黄绿灯 2026-01-04.xlsx"


async def test_the_table_of_an_english_question_is_english(talk: Talk) -> None:
    head, rows = await sheet(talk, HEAD, "this month")
    assert head[:4] == ["unit", "duty", "term", "due"]
    assert {row["state"] for row in rows} == {"pending"}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x.example","y")'])
async def test_no_text_becomes_a_formula(talk: Talk, name: str) -> None:
    await execute("UPDATE unit SET name = :name WHERE code = 'cjs-urban'", name=name)
    made = await door(talk).table(await ticket(talk, HEAD, "本月到期"), "")
    (page,) = openpyxl.load_workbook(BytesIO(made.content)).worksheets
    cell = page["A2"]
    assert (cell.value, cell.data_type, cell.hyperlink, cell.quotePrefix) == (name, "s", None, True)


async def test_the_head_is_frozen_and_filtered_and_days_are_days(talk: Talk) -> None:
    made = await door(talk).table(await ticket(talk, SUPERVISOR, "本月到期"), "")
    (page,) = openpyxl.load_workbook(BytesIO(made.content)).worksheets
    assert page.freeze_panes == "A2"
    assert page.auto_filter.ref == f"A1:M{page.max_row}"
    assert (page["D2"].is_date, page["D2"].number_format) == (True, "yyyy-mm-dd")


async def test_the_table_shows_what_its_asker_may_see_on_the_day_of_the_download(talk: Talk) -> None:
    text = await ticket(talk, SUPERVISOR, "灯")
    await execute(
        "UPDATE post SET role = 'officer' WHERE person_id = (SELECT id FROM person WHERE code = :who)", who=SUPERVISOR
    )
    made = await door(talk).table(text, "")
    (page,) = openpyxl.load_workbook(BytesIO(made.content)).worksheets
    assert [row[0] for row in page.iter_rows(min_row=2, values_only=True)] == ["昌吉市司法局"]
    await execute("DELETE FROM post WHERE person_id = (SELECT id FROM person WHERE code = :who)", who=SUPERVISOR)
    with pytest.raises(NoSuchTableError) as refused:
        await door(talk).table(text, "")
    assert refused.value.expired


# ── The link


async def refused(talk: Talk, text: str, session: str = "") -> str:
    with pytest.raises(NoSuchTableError) as error:
        await door(talk).table(text, session)
    return "expired" if error.value.expired else "forged"


async def test_a_link_that_was_changed_is_none(talk: Talk) -> None:
    text = await ticket(talk, HEAD, "灯")
    answer, person, until, signature = text.split("-", 3)
    other = await ticket(talk, SUPERVISOR, "灯")
    changed = [
        f"{int(answer) + 1}-{person}-{until}-{signature}",
        f"{answer}-{int(person) + 1}-{until}-{signature}",
        f"{answer}-{person}-{int(until) + 86_400}-{signature}",
        f"0{text}",
        f"{answer}-{person}-{until}-{'A' * 43}",
        f"{answer}-{person}-{until}-{other.split('-', 3)[3]}",
        text[:-1],
        f"{text}A",
        text.replace("-", "_"),
        "",
        "…",
        "1" * 5_000,
    ]
    assert [await refused(talk, one) for one in changed] == ["forged"] * len(changed)
    talk.now += timedelta(days=2)
    assert await refused(talk, changed[0]) == "forged"  # only a true link is told that it has expired


async def test_before_the_first_link_there_is_no_key_and_no_table(talk: Talk) -> None:
    assert await refused(talk, f"1-1-99999999999-{'A' * 43}") == "forged"


async def test_in_a_group_the_link_is_told_to_the_asker_alone(talk: Talk) -> None:
    before = len(talk.adapter.sent)
    for number, text in enumerate(("灯", "导出")):
        asked = Incoming(talk.adapter.connection, "app", f"g{number}", HEAD, text, via="the group", group=True)
        await talk.bot.inbox.receive(asked)
        await talk.bot.step(tick=False)
    answer, public, private = talk.adapter.sent[before:]
    assert ("红灯" in answer.text, answer.via, public.text, public.via) == (
        True,
        "the group",
        "已单独发给您。",
        "the group",
    )
    assert ("/export/" in private.text, private.via) == (True, "")


async def test_the_key_is_made_once_and_another_key_opens_nothing(database_url: str) -> None:
    async with begun(database_url) as talk:
        first, second = await ticket(talk, HEAD, "灯"), await ticket(talk, SUPERVISOR, "灯")
        assert (await door(talk).table(first, "")).content
        assert (await door(talk).table(second, "")).content
        await execute("UPDATE adapter_state SET value = :value WHERE key = :key", value="00" * 32, key=tickets.KEY)
        assert await refused(talk, first) == "forged"


async def test_a_link_is_for_one_person_where_the_page_knows_who_reads(talk: Talk) -> None:
    text = await ticket(talk, HEAD, "灯")
    own, other = await people.sign_in(HEAD, talk.now), await people.sign_in(WATER, talk.now)
    assert (await door(talk).table(text, own)).content
    assert await refused(talk, text, other) == "forged"
    assert (await door(talk).table(text, "no session at all")).content


async def test_a_link_opens_five_times_within_the_hour_and_each_is_in_the_ledger(database_url: str) -> None:
    async with begun(database_url) as talk:
        text, other = await ticket(talk, HEAD, "灯"), await ticket(talk, SUPERVISOR, "灯")
        for _ in range(5):
            assert (await door(talk).table(text, "")).content
        assert await refused(talk, text) == "expired"
        assert (await door(talk).table(other, "")).content
        rows = await fetch("SELECT actor, payload FROM entry WHERE action = 'download' ORDER BY id")
        assert [json.loads(row["payload"])["name"] for row in rows] == ["昌吉市城管局负责人"] * 5 + [
            "昌吉市司法局执法监督员"
        ]
        talk.now += timedelta(minutes=1)
        assert (await door(talk).table(await ticket(talk, HEAD, "灯"), "")).content  # asked again, a link of its own


async def test_of_many_downloads_at_once_no_more_are_had_than_may_be(database_url: str) -> None:
    async with begun(database_url) as talk:
        text = await ticket(talk, HEAD, "灯")
        had = await asyncio.gather(*(door(talk).table(text, "") for _ in range(8)), return_exceptions=True)
        assert sum(not isinstance(one, BaseException) for one in had) == 5, had


async def test_a_link_lasts_an_hour_unless_it_is_set_otherwise(talk: Talk) -> None:
    text = await ticket(talk, HEAD, "灯")
    talk.now += timedelta(minutes=59)
    assert (await door(talk).table(text, "")).content
    talk.now += timedelta(minutes=1)
    assert await refused(talk, text) == "expired"
    talk.bot.inbox.around = replace(talk.bot.inbox.around, link_lasts=timedelta(hours=3), link_uses=1)
    assert "2026年1月4日 14:00前有效，最多下载 1 次" in await talk.says(HEAD, "导出")


async def test_what_was_no_question_has_no_table(talk: Talk) -> None:
    await talk.says(HEAD, "灯")
    (person,) = await people.person_coded(HEAD)
    (row,) = await fetch("SELECT MIN(id) AS id FROM notice")
    until = tickets.ending(timedelta(hours=1), talk.now)
    text = await tickets.issue(tickets.Ticket(int(row["id"]), int(person["id"]), until))
    assert await refused(talk, text) == "expired"


async def test_the_log_names_the_table_and_neither_key_nor_link(talk: Talk) -> None:
    with capture_logs() as logged:
        text = await ticket(talk, HEAD, "灯")
        await door(talk).table(text, "")
    (key,) = await fetch("SELECT value FROM adapter_state WHERE key = :key", key=tickets.KEY)
    assert [line["event"] for line in logged if line.get("action") == "export"] == ["table made"]
    assert [part for part in (key["value"], text, text[-43:]) if part in str(logged)] == []


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("", "请管理员在配置中写明页面地址（page_url）"),
        ("https://duban.example.cn", "\nhttps://duban.example.cn/export/"),
        ("https://duban.example.cn/", "\nhttps://duban.example.cn/export/"),
    ],
)
async def test_elsewhere_the_link_needs_the_pages_public_address(tmp_path: Path, page: str, said: str) -> None:
    async with playing(f"sqlite://{tmp_path}/duban.db", adapter=MemoryAdapter("ding")) as play:
        play.bot.inbox.around = Surroundings(LAW.workdays, page)
        assert play.adapter.connection != OWN_PAGE
        await play.says(HEAD, "灯")
        assert said in await play.says(HEAD, "导出")


# ── Over HTTP


@pytest.fixture
async def page(talk: Talk) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(site(door(talk)))) as client:
        yield client


async def state() -> list[list[dict[str, Any]]]:
    tables = ("notice", "inbox", "adapter_state", "session", "entry", "stream", "obligation", "dialogue")
    return [await fetch(f"SELECT * FROM {table} ORDER BY id") for table in tables]


async def test_a_get_gives_the_file_and_changes_nothing_but_the_ledger(talk: Talk, page: TestClient[Any, Any]) -> None:
    text = await ticket(talk, SUPERVISOR, "灯")
    before = await state()
    response = await page.get(f"/export/{text}")
    assert response.status == 200
    assert response.content_type == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert response.headers["Content-Disposition"].startswith(
        "attachment; filename=\"duban.xlsx\"; filename*=UTF-8''%E7"
    )
    assert response.headers["Cache-Control"] == "no-store"
    assert openpyxl.load_workbook(BytesIO(await response.read())).worksheets[0].title == "红黄绿灯"
    *same, entries, streams = [*before[:4], *before[6:], before[4], before[5]]
    after = await state()
    assert [*after[:4], *after[6:]] == same
    (line,) = after[4][len(entries) :]
    assert (line["action"], json.loads(line["payload"])["kind"]) == ("download", "lights")
    assert len(after[5]) - len(streams) in (0, 1)
    assert (await page.head(f"/export/{text}")).status == 405
    assert (await page.post(f"/export/{text}", headers={"X-Duban": "page"})).status == 405


async def test_a_wrong_or_an_old_link_opens_a_page_that_says_so(talk: Talk, page: TestClient[Any, Any]) -> None:
    text = await ticket(talk, SUPERVISOR, "灯")
    wrong = await page.get(f"/export/{text[:-2]}AA")
    assert (wrong.status, wrong.content_type) == (404, "text/html")
    assert "没有这个下载地址" in await wrong.text()
    talk.now += timedelta(days=2)
    old = await page.get(f"/export/{text}")
    assert old.status == 410
    assert "已失效（已过期，或已达下载次数）" in await old.text()
    styles = re.findall(r'href="\.\.(/static/[^"]+)"', await old.text())
    assert [(await page.get(path)).status for path in styles] == [200, 200]


async def test_the_session_cookie_of_somebody_else_opens_nothing(talk: Talk, page: TestClient[Any, Any]) -> None:
    text, other = await ticket(talk, SUPERVISOR, "灯"), await people.sign_in(HEAD, talk.now)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        aiohttp.ClientSession(cookies={"duban_session": other}, cookie_jar=jar) as http,
        http.get(page.make_url(f"/export/{text}")) as response,
    ):
        assert response.status == 404
