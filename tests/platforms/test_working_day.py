"""Working days in the office, on every platform where one can answer: who says or presses what, and what they see.

Only what the platform was given is looked at: its double's record of messages and cards. The days are a table.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import aiohttp
import docx
import openpyxl
import pytest

from bot.store import people
from duties.store.database import fetch
from tests.bot.delivering import eventually
from tests.bot.play import at
from tests.bot.test_main_job import faults
from tests.platforms.far_end import FarEnd, Shown
from tests.platforms.test_end_to_end import PAGE, Town, morning, person, town  # noqa: F401  morning is a fixture

PATIENCE = 5
PLATFORMS = (
    "feishu-app", "feishu-app long-connection", "wecom-app", "dingtalk-app", "dingtalk-app stream", "wecom-bot",
    "webhook",
)  # fmt: skip
ADMIN, HEAD, OFFICER, SUPERVISOR, STRANGER = "admin", "head", "officer", "supervisor", "stranger"
SEATS = (ADMIN, HEAD, OFFICER, SUPERVISOR, STRANGER)
CLOCK, DOOR, RESTART = "the clock", "the browser", "the server"
GROUP = "the group"
Row = tuple[str, ...]
"""Who; what they write, or press ("> label or what to write where there are no buttons"), or say in a group, to the bot
("# words") or to others ("~ words"); and what they, or the group, must see.

Of what they must see, "! x" is what they must not, "@head x" what somebody else is told, "= x" how the card that was
pressed looks now, "? name pattern" what the story goes on with: {name} in a later row. The clock goes to a time, the
browser opens a link and must find the words in the file, the server stops and starts.
"""

MORNING: tuple[Row, ...] = (
    (STRANGER, "待办", "尚未识别您的身份", "绑定码"),
    (ADMIN, "绑定 {admin}", "绑定成功：系统管理员"),
    (ADMIN, "未绑定", "收不到提醒", "邀请"),
    (ADMIN, "邀请 昌吉市城管局负责人", "? code 绑定 ([0-9A-Z]{8})", "只能用一次"),
    (HEAD, "绑定 00000000", "绑定码无效"),
    (HEAD, "绑定 {code}", "绑定成功：昌吉市城管局负责人（昌吉市城市管理局）"),
    (STRANGER, "绑定 {code}", "绑定码无效、已使用或已过期"),
    (HEAD, "邀请 昌吉市城管局经办人", "? code 绑定 ([0-9A-Z]{8})"),
    (OFFICER, "绑定 {code}", "绑定成功：昌吉市城管局经办人"),
    (HEAD, "邀请 昌吉市司法局执法监督员", "本单位没有任职的"),
    (ADMIN, "邀请 昌吉市司法局执法监督员", "? code 绑定 ([0-9A-Z]{8})"),
    (SUPERVISOR, "绑定 {code}", "绑定成功：昌吉市司法局执法监督员"),
    (OFFICER, "帮助", "签收", "完成", "学法", "撤回", "还可以说", "! 销号", "! 邀请"),
    (HEAD, "帮助", "签收", "邀请", "转办", "! 销号"),
    (SUPERVISOR, "帮助", "待核", "销号", "拟稿", "立案", "! 签收 ["),
    (ADMIN, "帮助", "邀请", "逾期", "! 销号", "! 签收 ["),
    (OFFICER, "帮助 进展", "进展 序号或事项 说明"),
    (OFFICER, "完城 1", "您是否要说“完成”"),
    (OFFICER, "今天天气不错啊", "没有听懂，未作记录"),
)
WAVE: tuple[Row, ...] = (
    (RESTART, ""),
    (
        CLOCK,
        "2026-01-04 10:00",
        "@officer 【提醒】",
        "@officer 行政执法年度分析报告（2025年度）",
        "@officer 依据",
        "@officer ? report 行政执法年度分析报告（2025年度）昌吉市城市管理局 #([0-9]+)",
        "@officer ? cases 当月执法案件公示（2026年1月）昌吉市城市管理局 #([0-9]+)",
    ),
    (OFFICER, "> 全部签收 or 收到", "已签收", "#{report}", "#{cases}", "台账号", "= 已签收"),
    (OFFICER, "收到", "没有待签收的任务"),
    (OFFICER, "进展 #{report} 数据已汇总，正在起草", "已记进展", "数据已汇总，正在起草", "尚未报结"),
    (OFFICER, "待办", "待办", "1. ", "年度学法计划"),
    (
        OFFICER,
        "申请免办 年度学法计划 并入州局计划",
        "已提出申请",
        "年度学法计划",
        "? request 申请([0-9]+)",
        "@supervisor 【申请",
        "@supervisor 并入州局计划",
    ),
    (SUPERVISOR, "> 不同意 or 不同意 申请{request}", "为什么不同意申请{request}"),
    (SUPERVISOR, "须单独制定", "已不同意申请{request}", "@officer 【答复】", "@officer 须单独制定"),
    (OFFICER, "转办 #{report} 昌吉市城管局负责人", "转办由昌吉市城市管理局的负责人决定", "台账号"),
    (HEAD, "转办 #{report}", "转给谁办", "昌吉市城管局经办人"),
    (HEAD, "昌吉市城管局经办人", "已转办", "@officer 【转办】昌吉市城管局负责人把“行政执法年度分析报告”"),
    (HEAD, "委托 昌吉市城管局经办人 1月5日至1月9日", "已委托", "2026年1月9日", "@officer 【委托】"),
    (HEAD, "委托 取消", "已收回", "@officer 收回了对您的委托"),
    (OFFICER, "> 完成 1 or 完成 #{cases}", "请回复“当月执法案件公示”", "链接"),
    (OFFICER, "好的", "请回复“当月执法案件公示”"),
    (OFFICER, "https://www.cjs.gov.cn/p/1.html 今天", "已报结", "待监督员核验", "= 已报结"),
    (SUPERVISOR, "待核", "待核验 1 项", "https://www.cjs.gov.cn/p/1.html", "销号"),
    (SUPERVISOR, "退回 1", "请回复退回", "理由"),
    (SUPERVISOR, "附件不全", "已退回", "附件不全"),
    (SUPERVISOR, "撤回", "已撤回", "恢复为“已报结”"),
    (SUPERVISOR, "待核", "待核验 1 项"),
    (SUPERVISOR, "> 退回 1 or 退回 1", "请回复退回"),
    (SUPERVISOR, "附件不全，请补", "已退回"),
    (OFFICER, "待办", "已退回"),
    (OFFICER, "完成 #{cases} https://www.cjs.gov.cn/p/2.html", "已报结"),
    (SUPERVISOR, "待核", "待核验 1 项"),
    (SUPERVISOR, "> 销号 1 or 销号 1", "已销号", "没有其他待核验"),
    (CLOCK, "2026-01-04 10:30"),
    (SUPERVISOR, "> 销号 1 or 销号 #{cases}", "现为“已销号”", "台账号"),
    (OFFICER, "学法 1月4日 行政处罚法", "已计数", "1/12"),
    (OFFICER, "撤回", "已撤回"),
    (HEAD, "学法 今天 行政处罚法", "已计数", "1/12"),
    (OFFICER, "学法进度", "会前学法", "1/12"),
    (OFFICER, "销号 #{report}", "台账号", "昌吉市司法局执法监督员"),
    (SUPERVISOR, "签收 #{report}", "这是昌吉市城市管理局的任务", "昌吉市城管局负责人", "台账号"),
    (SUPERVISOR, "订阅 日报", "已订阅日报", "首次"),
    (STRANGER, "完成 #{report}", "尚未识别您的身份"),
)
IN_GROUP: tuple[Row, ...] = (
    (OFFICER, "# 待办", "待办", "1. "),
    (OFFICER, "# 逾期", "没有逾期"),
    (HEAD, "# 邀请 昌吉市城管局经办人", "已单独发给您", "! 绑定码", "@head ? code 绑定 ([0-9A-Z]{8})"),
    (STRANGER, "# 待办", "尚未识别您的身份"),
)
OVERHEARD: tuple[Row, ...] = ((OFFICER, "~ 逾期的事中午再说", "! 逾期"), (STRANGER, "~ 待办", "! 待办"))
NEXT_MORNING: tuple[Row, ...] = (
    (RESTART, ""),
    (CLOCK, "2026-01-05 10:00", "! 【日报】"),
    (CLOCK, "2026-01-21 10:00"),
    (CLOCK, "2026-01-29 10:00", "@officer 行政执法年度分析报告", "! @officer 当月执法案件公示（2026年1月）"),
    (CLOCK, "2026-01-30 10:00", "@officer 【最后提醒】", "@head 【最后提醒】"),
    (
        CLOCK,
        "2026-02-02 10:00",
        "@head 【逾期】1 项法定事项已逾期",
        "@supervisor 行政执法年度分析报告",
        "! @officer 【逾期",
    ),
)
FEBRUARY: tuple[Row, ...] = (
    (CLOCK, "2026-02-04 10:00", "@supervisor 【逾期未结】", "@supervisor 拟稿 #编号"),
    (SUPERVISOR, "逾期", "截至 2026年2月4日", "逾期 28 项", "依据", "昌吉市水利局", "导出"),
    (SUPERVISOR, "> 导出 or 导出", "全表", "只供您本人使用", "? link (https://[^ \\n]+)"),
    (DOOR, "{link}", "单位 事项 期次 截止日", "昌吉市城市管理局 行政执法年度分析报告 2025年度"),
    (SUPERVISOR, "逾期 城管局", "昌吉市城市管理局逾期 1 项"),
    (SUPERVISOR, "本周到期", "到期"),
    (SUPERVISOR, "未签收", "已提醒未签收"),
    (SUPERVISOR, "灯", "红灯", "黄灯", "绿灯"),
    (SUPERVISOR, "单位 城管局", "昌吉市城市管理局", "经办人 昌吉市城管局经办人（收得到提醒）"),
    (SUPERVISOR, "事项 年度分析报告", "行政执法年度分析报告", "应办"),
    (RESTART, ""),
    (SUPERVISOR, "立案", "立什么案", "意见书"),
    (SUPERVISOR, "意见书", "哪个单位"),
    (SUPERVISOR, "城管局", "哪一天"),
    (SUPERVISOR, "2月30日", "不是日历上的日子"),
    (SUPERVISOR, "2026.2.2", "请核对", "意见书整改：2026年3月4日", "意见书异议", "第二十八条", "回复“确认”"),
    (SUPERVISOR, "2月3号", "请核对", "意见书整改：2026年3月5日"),
    (SUPERVISOR, "确认", "已立案", "台账号", "? case 个案([0-9]+)"),
    (
        CLOCK,
        "2026-02-04 10:30",
        "@head 【立案】",
        "@head 意见书整改",
        "@officer 【立案】",
        "@officer 截止 2026年3月5日",
    ),
    (SUPERVISOR, "更正 个案{case} 2月2日收到", "已更正", "意见书整改：2026年3月4日", "原为2026年3月5日"),
    (CLOCK, "2026-02-04 11:00", "@officer 【期限变动】", "@officer 原期限2026年3月5日", "@head 2026年3月4日"),
    (OFFICER, "个案 {case}", "意见书整改 #"),
    (SUPERVISOR, "拟稿 督办函 #{report}", "已拟督办函", "? letter 函([0-9]+)", "依据："),
    (SUPERVISOR, "> 导出 or 导出", "? link (https://[^ \\n]+)"),
    (DOOR, "{link}", "昌吉市城市管理局", "行政执法年度分析报告"),
    (SUPERVISOR, "发文 函{letter} 昌司督〔2026〕1号", "还缺：签发人"),
    (SUPERVISOR, "签发人张三", "已发文：督办函", "昌司督〔2026〕1号"),
    (RESTART, ""),
    (SUPERVISOR, "送达 函{letter} 今天 当面签收", "已送达", "已自动立案", "督办函办理：2026年"),
    (CLOCK, "2026-02-04 11:30", "@officer 【立案】", "@officer 督办函办理", "@head 督办函办理"),
    (SUPERVISOR, "通知 年度分析报告 请于周五前报送", "将通知在办", "请于周五前报送", "回复“确认”"),
    (SUPERVISOR, "确认", "已通知在办", "@head 【通知】", "@officer 请于周五前报送"),
    (SUPERVISOR, "免办 #{report} 本年无执法事项", "已免办", "@officer 【免办】"),
    (SUPERVISOR, "撤回", "已撤回", "@officer 【撤回】"),
)
DIGEST: tuple[Row, ...] = (
    (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 2月4日 https://www.cjs.gov.cn/p/3.html", "已报结", "按逾期完成记录"),
    (CLOCK, "2026-02-05 10:00", "@supervisor 【日报】2026年2月5日", "@supervisor 待核验 1 项", "! @head 【日报】"),
    (SUPERVISOR, "待核", "逾期完成", "昌市城管〔2026〕3号"),
    (SUPERVISOR, "> 销号 1 or 销号 1", "已销号"),
    (SUPERVISOR, "退订 日报", "已退订：日报"),
    (ADMIN, "逾期", "逾期"),
    (HEAD, "待办", "意见书整改", "督办函办理", "! 行政执法年度分析报告"),
)


@dataclass
class Story:
    """A town with somebody in every seat."""

    town: Town
    known: dict[str, str] = field(default_factory=dict)
    seats: dict[str, FarEnd] = field(default_factory=dict)
    pressed: Shown | None = None

    def seat(self, who: str) -> FarEnd:
        if who not in self.seats:
            self.seats[who] = self.town.far.beside(who)
        self.seats[who].hook = self.town.far.hook
        return self.seats[who]

    async def tell(self, rows: Sequence[Row]) -> None:
        for row in rows:
            await self._happens(*(self._filled(part) for part in row))

    def _filled(self, text: str) -> str:
        for name, value in self.known.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    async def _happens(self, who: str, what: str, *wanted: str) -> None:
        before = {name: len(self._shown(name)) for name in (*SEATS, GROUP)}
        match who:
            case _ if who == CLOCK:
                self.town.clock.set(at(what))
                await self.town.service.bot.step()
            case _ if who == RESTART:
                await self.town.stop()
                await self.town.start()
            case _ if who == DOOR:
                found = await self._opened(what)
                for part in wanted:
                    assert part in found, f"{what}: {part}\n{found}"
                return
            case _ if what.startswith("> "):
                await self._press(who, *what.removeprefix("> ").split(" or "))
            case _ if what[:2] in ("# ", "~ "):
                await self.seat(who).write_in_group(what[2:], called=what.startswith("#"))
                who = GROUP
            case _:
                await self.seat(who).write(what)
        await self._settled()
        for part in wanted:
            await self._sees(who, part, before)
        await self._settled()  # the words may come in one message and their buttons in the next

    async def _press(self, who: str, label: str, instead: str = "") -> None:
        cards = [one for one in self.seat(who).shown() if label in one.buttons]
        self.pressed = cards[-1] if cards else None
        if self.pressed is None:
            assert instead
            assert not self.town.service.bot.adapters[self.town.far.connection].can_button, f"no {label}"
            await self.seat(who).write(instead)
        else:
            await self.seat(who).press(self.pressed, label)

    async def _sees(self, who: str, part: str, before: dict[str, int]) -> None:
        kind, _, rest = part.partition(" ")
        if kind == "!" and rest.startswith("@"):
            who, _, rest = rest[1:].partition(" ")
        if kind.startswith("@"):
            await self._sees(kind[1:], rest, before)
        elif kind == "=":
            await self._looks(who, rest)
        elif kind == "?":
            name, _, pattern = rest.partition(" ")
            await self._hears(who, "", before)
            found = re.search(pattern, self._said(who, before))
            assert found, f"{pattern}: {self._said(who, before)}"
            self.known[name] = found[1]
        elif kind == "!":
            assert rest not in self._said(who, before), f"{who}: {self._said(who, before)}"
        else:
            await self._hears(who, part, before)

    async def _hears(self, who: str, part: str, before: dict[str, int]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not (said := self._said(who, before)) or part not in said:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"{who} does not see {part!r} but:\n{self._said(who, before)}")

    async def _looks(self, who: str, part: str) -> None:
        if self.pressed is None or not self.town.far.changes:
            return
        number = self.pressed.number
        await eventually(lambda: any(part in one.text for one in self.seat(who).shown() if one.number == number))

    def _shown(self, who: str) -> list[Shown]:
        if who == GROUP:
            return self.town.far.shown_in_group() if self.town.far.grouped else []
        return self.seat(who).shown() if who in SEATS else []

    def _said(self, who: str, before: dict[str, int]) -> str:
        said = "\n".join(one.text for one in self._shown(who)[before.get(who, 0) :])
        return said.replace("＃", "#")  # as a card of DingTalk shows it: markup is made harmless

    async def _settled(self) -> None:
        """Nothing that was written waits for its answer, nothing due waits to be sent."""
        async with asyncio.timeout(PATIENCE):
            while await unfinished(self.town):  # noqa: ASYNC110  the server works by itself
                await asyncio.sleep(0.02)

    async def _opened(self, link: str) -> str:
        address = f"{self.town.service.address.rstrip('/')}{link.removeprefix(PAGE)}"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            assert answer.status == 200, address
            content, name = await answer.read(), answer.headers["Content-Disposition"]
        if ".docx" in name:
            return "\n".join(paragraph.text for paragraph in docx.Document(BytesIO(content)).paragraphs)
        rows = openpyxl.load_workbook(BytesIO(content)).active.iter_rows(values_only=True)
        return "\n".join(" ".join(str(cell) for cell in row if cell is not None) for row in rows)


async def unfinished(town: Town) -> bool:
    """Whether something waits for its answer, or is due and waits to be sent."""
    waiting = await fetch("SELECT 1 FROM inbox WHERE processed_at IS NULL")
    due = await fetch("SELECT 1 FROM notice WHERE finished_at IS NULL AND due_at <= :now", now=town.clock())
    return bool(waiting or due)


@pytest.fixture
async def story(request: pytest.FixtureRequest, morning: Path, tmp_path: Path) -> AsyncIterator[Story]:  # noqa: F811
    """Nobody is bound yet; the admin has a code from the server."""
    async with town(request.param, morning, tmp_path) as here:
        code = await people.invite(await person("cjz-justice-admin"), here.clock())
        yield Story(here, {"admin": code})


@pytest.mark.parametrize("story", PLATFORMS, indirect=True)
async def test_from_the_first_code_to_the_digest(story: Story) -> None:
    for part in (MORNING, WAVE):
        await story.tell(part)
    if story.town.far.grouped:
        await story.tell(IN_GROUP)
    if story.town.far.overhears:
        await story.tell(OVERHEARD)
    for part in (NEXT_MORNING, FEBRUARY, DIGEST):
        await story.tell(part)
    assert await faults() == []
    assert await fetch("SELECT id, kind, state, error FROM notice WHERE state <> 'sent' AND kind <> 'update'") == []
    assert not await unfinished(story.town)
