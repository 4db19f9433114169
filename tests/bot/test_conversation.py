"""Every command, by everybody, in both languages: who says what, and what comes back."""

import dataclasses
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.conversation.ask import Ask, Reply
from bot.conversation.table import COMMANDS, match
from bot.store import people
from bot.wording.grammar import clean
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.store.chains import history
from duties.store.database import execute, fetch, transaction
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

NUMBER = "昌市城管〔2026〕3号"
SHOWN = f"{NUMBER} https://cj.gov.cn/a"


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("morning"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as talk:
        yield talk


async def refusals(unit: str) -> list[str]:
    """What was refused about a unit, from its chain in the ledger."""
    (row,) = await fetch("SELECT id FROM unit WHERE code = :code", code=unit)
    return [line["payload"] for line in await history(StreamRef("unit", row["id"])) if line["action"] == "refused"]


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "receipt of a reminder acknowledges everything it lists": (
        (OFFICER, "收到", "已签收", "#{cases}", "#{report}", "台账号", "本单位还有"),
        (OFFICER, "收到", "没有待签收的任务"),
    ),
    "politeness around a command is not in the way": (
        (OFFICER, "好的，收到！谢谢", "#{cases}", "#{report}"),
        (OFFICER, "谢谢", "这里是督办"),
        (OFFICER, "ok", "duban"),
    ),
    "several numbers of a list are acknowledged at once": (
        (OFFICER, "待办", "待办", "1. 当月执法案件公示"),
        (OFFICER, "签收 1、2", "#{cases}", "#{report}"),
        (OFFICER, "签收 第3项", "已签收"),
        (OFFICER, "ack 4-5", "Acknowledged", "due"),
        (OFFICER, "签收 #{plan} #{study}", "年度学法计划", "会前学法"),
    ),
    "everything is acknowledged by one word": (
        (OFFICER, "全部签收", "#{report}", "#{plan}"),
        (OFFICER, "签收全部", "没有待签收"),
        (OFFICER, "ack all", "nothing left"),
    ),
    "what is acknowledged already is said so": (
        (OFFICER, "> acknowledge:{report}", "已签收", "完成 #{report} 文号"),
        (OFFICER, "> acknowledge:{report}", "无须再次签收"),
    ),
    "a report carries its evidence in any order": (
        (OFFICER, f"完成 2 1月3日 {NUMBER} https://cj.gov.cn/a", "已报结", "#{report}", "补报", "台账号", "撤回"),
        (OFFICER, "详情 #{report}", NUMBER, "https://cj.gov.cn/a", "2026-01-03", "昌吉市城管局经办人 报结"),
    ),
    "evidence may be labelled": (
        (OFFICER, f"完成 2 文号：{NUMBER} 日期：1月4日 链接：https://cj.gov.cn/a", "已报结", "! 尚缺", "! 补报"),
        (SUPERVISOR, "待核", f"依据材料：报司法行政部门备案：{NUMBER}、2026-01-04；向社会公开：2026-01-04、https://cj.gov.cn/a"),
    ),
    "full-width digits, letters and brackets are read": (
        (OFFICER, "完成　２　昌市城管［２０２６］３号　https://cj.gov.cn/a", "已报结", "#{report}"),
        (SUPERVISOR, "待核", NUMBER),
    ),
    "what a duty wants shown may be shown bit by bit, and is reported with the last of it": (
        (OFFICER, f"完成 2 1月2日 {NUMBER}", "已记下", "还没有报结", "还缺：向社会公开（链接）", "免公开：理由"),
        (OFFICER, "谢谢", "请回复“行政执法年度分析报告”", "向社会公开", "! 备案"),
        (OFFICER, "详情 #{report}", "已签收", NUMBER, "补充依据"),
        (SUPERVISOR, "待核", "没有待核验"),
        (OFFICER, "完成 #{report} https://cj.gov.cn/a", "已报结", "#{report}", "! 补报"),
        (SUPERVISOR, "待核", f"报司法行政部门备案：{NUMBER}、2026-01-02；向社会公开：https://cj.gov.cn/a"),
        (OFFICER, "撤回", "已撤回", "已签收"),
        (OFFICER, "详情 #{report}", NUMBER, "! https://cj.gov.cn/a"),
    ),
    "what was shown in part is taken back like any act": (
        (OFFICER, f"完成 2 1月2日 {NUMBER}", "已记下"),
        (OFFICER, "撤回", "已撤回", "待签收"),
        (OFFICER, "详情 #{report}", f"! {NUMBER}、"),
    ),
    "what there is none of is said, with its reason": (
        (OFFICER, f"完成 2 {NUMBER} 免公开", "请写明理由"),
        (OFFICER, f"{NUMBER}；免公开：涉及商业秘密", "已报结"),
        (SUPERVISOR, "待核", f"{NUMBER}；向社会公开：未附（免公开：涉及商业秘密）"),
        (SUPERVISOR, "退回 #{report} 请公开", "已退回"),
        (OFFICER, "完成 #{report} https://cj.gov.cn/a", "还缺：报司法行政部门备案（文号）"),
        (OFFICER, "无文号，已当面报送", "已报结"),
        (SUPERVISOR, "待核", "未附（无文号，已当面报送）", "https://cj.gov.cn/a"),
    ),
    "two things there are none of are said in one message": (
        (OFFICER, "完成 2 无文号；免公开：涉及商业秘密", "已报结", "! 还缺"),
        (SUPERVISOR, "待核", "备案：未附（无文号）；向社会公开：未附（免公开：涉及商业秘密）"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "完成 #{report} 免公开：涉及商业秘密 不适用：当面报送", "已报结"),
        (SUPERVISOR, "待核", "备案：未附（不适用：当面报送）；向社会公开：未附（免公开：涉及商业秘密）"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "完成 #{report} 不适用；免公开", "请写明理由"),
        (OFFICER, "本年没有此项", "已报结"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "done #{report} no number: handed over, not public: business secret", "Reported", "! wanted"),
        (SUPERVISOR, "待核", "未附（no number: handed over）", "未附（not public: business secret）"),
    ),
    "what does not apply at all is said so": (
        (OFFICER, "完成 2 不适用：本单位上年未开展行政执法", "已报结"),
        (SUPERVISOR, "待核", "未附（不适用：本单位上年未开展行政执法）"),
    ),
    "what there is none of, in English": (
        (OFFICER, "done #{report} n/a", "Please say why"),
        (OFFICER, f"{NUMBER}; not public: business secret", "Reported"),
    ),
    "evidence is asked for, and only evidence is taken": (
        (OFFICER, "完成 2", "请回复“行政执法年度分析报告”", "文号", "链接"),
        (OFFICER, "好的", "请回复“行政执法年度分析报告”"),
        (OFFICER, "什么是文号？", "请回复“行政执法年度分析报告”"),
        (OFFICER, "已经报上去了", "未作记录", "无文号：…"),
        (OFFICER, "详情 #{report}", "依据："),
        (OFFICER, SHOWN, "已报结", "#{report}"),
    ),
    "words that come with the command are kept, and are no document": (
        (OFFICER, "完成 2 已在公示栏张贴", "已记下", "还缺：报司法行政部门备案（文号）、向社会公开（链接）"),
        (OFFICER, "详情 #{report}", "已在公示栏张贴"),
    ),
    "the command may be said again with what was missing": (
        (OFFICER, "完成 #{report}", "请回复"),
        (OFFICER, f"完成 {SHOWN}", "已报结", "#{report}"),
    ),
    "a choice that is given up is no list": (
        (OFFICER, "待办", "1. ", "2. 行政执法年度分析报告", "3. "),
        (OFFICER, "完成 3、1", "请回复序号"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "完成 2", "请回复“行政执法年度分析报告”"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "完成 3、1", "请回复序号"),
        (OFFICER, "2", "请回复"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "完成 2", "请回复“行政执法年度分析报告”"),
    ),
    "a choice that was made stays a list": (
        (OFFICER, "完成 #{report}、#{cases}", "请回复序号"),
        (OFFICER, f"1 {SHOWN}", "已报结", "#{report}"),
        (OFFICER, "完成 2", "当月执法案件公示"),
        (OFFICER, "取消", "已取消"),
        (OFFICER, "完成 2", "当月执法案件公示"),
    ),
    "a list is remembered however much was said since": (
        (OFFICER, "待办", "1. ", "2. 行政执法年度分析报告"),
        *((OFFICER, "帮助", "待办"),) * 24,
        (OFFICER, "完成 2", "请回复“行政执法年度分析报告”"),
    ),
    "a question can be given up": (
        (OFFICER, "完成 #{report}", "取消"),
        (OFFICER, "取消", "已取消，未作记录"),
        (OFFICER, "cancel", "Nothing was being asked", "undo"),
        (OFFICER, SHOWN, "尚未记录", "! 已报结"),
    ),
    "a question expires after half an hour, and who answers late is told so once": (
        (OFFICER, "完成 #{report}", "请回复"),
        (CLOCK, "2026-01-04 10:31"),
        (OFFICER, "谢谢", "这里是督办"),
        (OFFICER, SHOWN, "提问已过期", "未作记录", "请重新发“完成 #{report}”"),
        (OFFICER, SHOWN, "尚未记录", "! 已报结"),
    ),
    "a late answer is no command that writes": (
        (OFFICER, "进展 #{report}", "请回复"),
        (CLOCK, "2026-01-04 11:00"),
        (OFFICER, "完成了初稿", "提问已过期", "请重新发“进展 #{report}”"),
        (OFFICER, "进展 #{report}", "请回复"),
        (CLOCK, "2026-01-04 12:00"),
        (OFFICER, "待办", "行政执法年度分析报告"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
    ),
    "after a day a question is forgotten": (
        (OFFICER, "完成 #{report}", "请回复"),
        (CLOCK, "2026-01-05 10:31"),
        (OFFICER, SHOWN, "尚未记录", "! 已报结"),
    ),
    "a day that does not exist is not recorded": (
        (OFFICER, f"完成 2 {SHOWN} 2月30日", "没有“2月30日”这一天", "未作记录"),
        (OFFICER, "完成 2 2026-13-01", "没有“2026-13-01”这一天"),
        (OFFICER, "完成 2 2026-1-300", "没有“2026-1-300”这一天"),
        (OFFICER, f"{SHOWN} 1月2日", "已报结", "2026年1月2日（周五）"),
    ),
    "a day to come is not recorded": (
        (OFFICER, f"完成 2 {SHOWN} 明天", "2026年1月5日（周一）还没到", "未作记录"),
        (OFFICER, f"完成 2 {SHOWN} 2026年2月1日", "还没到"),
        (OFFICER, f"{SHOWN} 昨天", "已报结", "2026年1月3日（周六）", "补报"),
    ),
    "around New Year a day without a year is the nearest one": (
        (OFFICER, f"完成 2 {SHOWN} 12月30日", "完成日期记为 2025年12月30日（周二）"),
    ),
    "days are written in many ways": (
        (OFFICER, "学法 20260103 甲", "2026年1月3日"),
        (OFFICER, "学法 2026.1.3 会议：局务会 乙", "2026年1月3日"),
        (OFFICER, "学法 1月2号 丙", "2026年1月2日"),
        (OFFICER, "学法 今天 丁", "2026年1月4日"),
        (OFFICER, "study yesterday meeting: staff Penalties Act", "Sat 3 Jan 2026", "5/12 meetings"),
    ),
    "a nil report is taken where there may be nothing": (
        (OFFICER, "完成 当月案件公示 零报告", "已报结", "#{cases}", "! 尚缺"),
        (SUPERVISOR, "待核", "依据材料：零报告"),
        (SUPERVISOR, "退回 1 请核实", "已退回"),
        (OFFICER, "完成 案件公示 本月无案件", "已报结", "#{cases}"),
    ),
    "a nil report is not taken where something is owed": (
        (OFFICER, "完成 2 零报告", "不能零报告", "未作记录"),
        (OFFICER, "nil report", "不能零报告"),
    ),
    "a title may be cut short, mistyped, spread over words, or carry its term": (
        (OFFICER, "详情 年度分析报告", "#{report}"),
        (OFFICER, "详情 年度分析抱告", "#{report}"),
        (OFFICER, "详情 执法 年度 分析", "#{report}"),
        (OFFICER, "详情 年度分析报告 2025年度", "#{report}"),
        (OFFICER, "detail annual analysis report", "#{report}", "Ground"),
        (OFFICER, "详情：年度分析报告。", "#{report}"),
        (OFFICER, f"完成 法治政府 年度报告 {SHOWN}", "已报结", "法治政府建设年度报告（部门）"),
        (OFFICER, f"完成 年度分析报告，{SHOWN}", "已报结", "#{report}"),
    ),
    "an ambiguous title offers choices, and what was said goes with the choice": (
        (OFFICER, f"完成 计划 {SHOWN}", "项相近", "报结", "1. ", "2. "),
        (OFFICER, "99", "请回复 1 至"),
        (OFFICER, "-1", "请回复 1 至"),
        (OFFICER, "不知道", "请回复 1 至"),
        (OFFICER, "1", "已报结"),
        (SUPERVISOR, "待核", NUMBER),
    ),
    "choices lapse after half an hour": (
        (OFFICER, "完成 计划", "项相近"),
        (CLOCK, "2026-01-04 10:31"),
        (OFFICER, "1", "提问已过期", "请重新发“完成”"),
        (OFFICER, "1", "请说明要办什么"),
    ),
    "a newer list takes the place of choices": (
        (OFFICER, "完成 计划", "项相近"),
        (OFFICER, "待办", "1. "),
        (OFFICER, "1", "请说明要办什么"),
    ),
    "a guess is confirmed before it is acted on": (
        (OFFICER, f"完成 案卷自平 {SHOWN}", "要报结的是这一项吗", "1. 执法案卷季度自评"),
        (OFFICER, "是", "已报结", "执法案卷季度自评"),
    ),
    "a number beyond the list is not acted on": (
        (OFFICER, f"完成 3 {SHOWN}", "只有 2 项", "未作记录"),
        (OFFICER, "完成 0", "没有第 0 项"),
        (HEAD, "完成 1", "还没有列表"),
        (OFFICER, "完成 #999999999 x", "没有编号 #999999999"),
        (OFFICER, "完成 #99999999999999999999999 x", "报结哪一项"),
    ),
    "looking at a detail does not change what numbers mean": (
        (OFFICER, "详情 1", "#{cases}"),
        (OFFICER, "完成 2", "行政执法年度分析报告"),
    ),
    "one report at a time": ((OFFICER, "完成 1 2", "报结哪一项", "1. ", "2. "),),
    "studies are counted once each": (
        (OFFICER, "学法 1月4日 行政处罚法（2021年修订）", "已计数", "行政处罚法（2021年修订）", "1/12 次"),
        (HEAD, "学法 1月4日 行政处罚法（2021年修订）", "一次会议计一次", "台账号"),
        (HEAD, "学法 1月4日 会议：局务会 行政许可法", "2/12 次"),
        (HEAD, "学法 2025年12月30日 宪法", "不在本期"),
        (HEAD, "学法 1月9日 宪法", "还没到"),
        (HEAD, "学法", "现有 2/12 次", "主题"),
        (HEAD, "好的", "现有 2/12 次"),
        (HEAD, "1月2日 宪法", "3/12 次"),
        (HEAD, "详情 会前学法", "进度 3/12", "已计 3 次", "宪法"),
    ),
    "the last count needed meets the target, more are still counted": (
        *((OFFICER, f"计数 内部执法培训 1月{day}日 第{day}课", f"{day}/4 次") for day in (1, 2, 3)),
        (OFFICER, "计数 内部执法培训 1月4日 第4课", "4/4 次", "已达标", "待监督员核验"),
        (OFFICER, "计数 内部执法培训 1月4日 第5课", "5/4 次"),
        (SUPERVISOR, "待核", "内部执法培训"),
    ),
    "what is owed by person is attested": (
        (HEAD, "计数 学时", "应训 N 人 达标 M 人"),
        (HEAD, "应训 60 人 达标 61 人", "对不上"),
        (HEAD, "应训60人，达标48人", "还差 12 人"),
        (HEAD, "计数 学时 60 of 60", "全部达标", "待监督员核验"),
    ),
    "what is not counted is not counted": ((OFFICER, "计数 #{report} 1月4日 x", "不是计数事项", "未作记录"),),
    "an act is taken back within ten minutes, one at a time": (
        (OFFICER, f"完成 2 {SHOWN}", "已报结"),
        (CLOCK, "2026-01-04 10:10"),
        (OFFICER, "撤回", "已撤回", "恢复为“待签收”", "台账号"),
        (OFFICER, "撤回", "没有10分钟内可撤回"),
    ),
    "an act is not taken back later": (
        (OFFICER, f"完成 2 {SHOWN}", "已报结"),
        (CLOCK, "2026-01-04 10:11"),
        (OFFICER, "撤回", "没有10分钟内可撤回", "台账号"),
    ),
    "nobody takes back what another has acted on": (
        (OFFICER, f"完成 2 {SHOWN}", "已报结"),
        (SUPERVISOR, "销号 #{report}", "已销号"),
        (OFFICER, "undo", "cannot be undone"),
        (SUPERVISOR, "undo", "Undone", "reported"),
    ),
    "a supervisor verifies, returns with a reason, and sees what remains": (
        (OFFICER, f"完成 1 {SHOWN}", "已报结"),
        (OFFICER, f"完成 2 {SHOWN}", "已报结"),
        (SUPERVISOR, "待核", "待核验 2 项", "1. 昌吉市城市管理局", "2. 昌吉市城市管理局"),
        (SUPERVISOR, "退回 2", "请回复退回昌吉市城市管理局“行政执法年度分析报告”"),
        (SUPERVISOR, "好的", "请回复退回"),
        (SUPERVISOR, "逾期提交，材料不全（缺附件）", "已退回", "理由：逾期提交，材料不全（缺附件）", "还有 1 项待核验"),
        (SUPERVISOR, "销号 当月执法案件公示 城市管理局", "已销号", "没有其他待核验"),
        (OFFICER, "待办", "已退回"),
        (OFFICER, "详情 #{report}", "退回理由：逾期提交"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
    ),
    "several are verified at once": (
        (OFFICER, f"完成 1 {SHOWN}", "已报结"),
        (OFFICER, f"完成 2 {SHOWN}", "已报结"),
        (SUPERVISOR, "review", "await verification"),
        (SUPERVISOR, "verify 1 2", "Verified and closed", "Nothing else"),
        (SUPERVISOR, "close 1 2", "that cannot be done now"),
    ),
    "only the accountable unit answers": (
        (SUPERVISOR, f"完成 #{{report}} {SHOWN}", "您不能代办", "昌吉市城管局经办人、昌吉市城管局负责人", "台账号"),
        (WATER, "> report:{report}", "您不能代办", "昌吉市城管局负责人"),
        (WATER, "> acknowledge:{report}", "您不能代办"),
        (WATER, "学法 #{study} 1月4日 x", "您不能代办"),
        (WATER, "详情 #{report}", "不在您的查看范围"),
        (SUPERVISOR, "完成 年度报告", "负责人或经办人"),
        (SUPERVISOR, "学法 x", "负责人或经办人"),
    ),
    "nobody verifies their own work": (
        (OFFICER, f"完成 2 {SHOWN}", "已报结"),
        (HEAD, "销号 #{report}", "不能由本单位销号", "昌吉市司法局执法监督员", "台账号"),
        (HEAD, "退回 #{report} x", "不能由本单位退回"),
        (HEAD, "销号 年度分析报告", "您的岗位不能销号", "昌吉市司法局执法监督员"),
        (HEAD, "待核", "您的岗位不能核验"),
    ),
    "a supervisor acts only inside the subtree": (
        (SUPERVISOR, "销号 #{mulei}", "不在您的监督范围内"),
        (SUPERVISOR, "详情 #{mulei}", "不在您的查看范围"),
        (SUPERVISOR, "逾期 木垒县", "不在您的查看范围"),
        (PREFECTURE, "详情 #{mulei}", "木垒"),
        (PREFECTURE, "逾期 木垒县", "没有逾期"),
    ),
    "a button pressed twice changes nothing the second time": (
        (OFFICER, "> report:{report}", "请回复"),
        (OFFICER, SHOWN, "已报结"),
        (OFFICER, "> report:{report}", "现为“已报结”", "未作改动"),
        (SUPERVISOR, "> close:{report}", "已销号"),
        (SUPERVISOR, "> close:{report}", "现为“已销号”", "未作改动"),
    ),
    "buttons do what words do": (
        (OFFICER, "> acknowledge:{cases},{report}", "#{cases}", "#{report}"),
        (OFFICER, "> detail:{report}", "依据："),
        (OFFICER, "> mine", "待办"),
        (OFFICER, "> help", "可以这样说"),
    ),
    "an unknown button is harmless": (
        (OFFICER, "> explode:1", "按钮已失效"),
        (OFFICER, "> report:²", "按钮已失效"),
        (OFFICER, "> report:-1", "按钮已失效"),
        (OFFICER, "> report:999999999999999999999", "按钮已失效"),
        (OFFICER, "> report:99999", "没有编号 #99999"),
        (OFFICER, "> :", "按钮已失效"),
        (OFFICER, "> report", "报结"),
    ),
    "a typing error is pointed out": (
        (OFFICER, "逾其", "是否要说“逾期”"),
        (OFFICER, "dnoe 1 x", 'Did you mean "done"'),
        (OFFICER, "今天天气怎么样", "没有听懂", "帮助"),
        (OFFICER, "what is this", "Not understood", "help"),
        (OFFICER, "/done 2", "Reply with what shows"),
    ),
    "who owes nothing is told where to look": (
        (SUPERVISOR, "待办", "您没有报送任务", "待核"),
        (SUPERVISOR, "收到", "无须签收"),
        (ADMIN, "mine", "nothing to report yourself"),
    ),
    "the reason that was asked for completes what was said": (
        (OFFICER, "完成 #{report} 昌市城管〔2026〕3号 免公开", "请写明理由"),
        (OFFICER, "好的", "请写明理由"),
        (OFFICER, "为什么？", "请写明理由"),
        (OFFICER, "涉及商业秘密", "已报结", "#{report}"),
        (SUPERVISOR, "待核", "昌市城管〔2026〕3号", "免公开 涉及商业秘密"),
        (OFFICER, "完成 #{plan} 不适用", "请写明理由"),
        (OFFICER, "不适用：本年没有此项", "已报结"),
        (OFFICER, "详情 #{plan}", "不适用：本年没有此项", "! 不适用 不适用"),
        (OFFICER, "done #{cases} not public", "say why"),
        (OFFICER, "https://cj.gov.cn/a", "Reported"),
        (OFFICER, "详情 #{cases}", "https://cj.gov.cn/a", "! not public"),
    ),
    "a long explanation is shown as far as a phone holds it": (
        (OFFICER, f"完成 #{{plan}} {NUMBER} {'很' * 3000}", "已报结"),
        (SUPERVISOR, "待核", f"{'很' * 199}…", f"! {'很' * 200}"),
    ),
    "nothing open is said, not guessed": (
        (OFFICER, "签收全部", "已签收"),
        (OFFICER, "签收 年度", "没有可签收的任务"),
        (SUPERVISOR, "销号", "没有可销号的任务"),
        (SUPERVISOR, "待核", "没有待核验的任务"),
        (OFFICER, "逾期", "没有逾期"),
    ),
    "the checklist of standing provisions has pages": (
        (OFFICER, "详情 常态化", "已答 0/", "第 1/"),
        (OFFICER, "详情 常态化 2", "第 2/"),
        (OFFICER, "详情 常态化 ９９", "已答 0/"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("table", DIALOGUES.values(), ids=DIALOGUES.keys())
async def test_dialogue(talk: Talk, table: tuple[Row, ...]) -> None:
    await talk.hold(table)


async def test_where_the_head_confirms_the_officer_prepares_and_the_head_reports(talk: Talk) -> None:
    talk.bot.inbox.around = dataclasses.replace(talk.bot.inbox.around, head_confirms=True)
    await talk.hold(
        [
            (OFFICER, f"完成 #{{report}} {NUMBER}", "还缺：向社会公开（链接）", "! 负责人"),
            (OFFICER, "https://cj.gov.cn/a", "已记下", "已请负责人（昌吉市城管局负责人）确认报结", "! 已报结"),
            (SUPERVISOR, "待核", "没有待核验"),
        ]
    )
    (asked,) = [sent for sent in talk.told(HEAD) if "请您确认报结" in sent.text]
    (button,) = asked.buttons
    await talk.hold([(HEAD, f"> {button.value}", "已报结", "#{report}"), (SUPERVISOR, "待核", NUMBER)])
    await talk.hold([(HEAD, f"完成 #{{plan}} {SHOWN}", "已报结", "#{plan}")])


async def test_an_answer_about_very_many_fits_a_phone(talk: Talk) -> None:
    everything = await talk.says(OFFICER, "全部签收")
    assert everything.count("已签收：") == 6
    assert len(everything) < 600
    assert "项一并办理：#" in everything
    assert talk.filled("#{plan}") in everything
    taken_back = await talk.says(OFFICER, "撤回")
    assert (taken_back.count("已撤回："), "一并办理" in taken_back) == (6, True)


async def test_an_officer_is_told_when_the_head_who_confirms_cannot_be_reached(talk: Talk) -> None:
    talk.bot.inbox.around = dataclasses.replace(talk.bot.inbox.around, head_confirms=True)
    await execute("DELETE FROM identity WHERE address = :head", head=HEAD)
    await talk.hold([(OFFICER, f"完成 #{{report}} {SHOWN}", "负责人还收不到消息", "完成 #{report}")])


ENGLISH: tuple[Row, ...] = (
    (OFFICER, "ack 1", "Acknowledged", "Ledger no.", "none overdue"),
    (OFFICER, "mine", "open", "due "),
    (OFFICER, "detail #{report}", "Ground", "Evidence"),
    (OFFICER, "done #{report}", "Reply with what shows"),
    (OFFICER, "maybe", "no document number"),
    (OFFICER, "No. [2026] 3 2026-01-03 https://cj.gov.cn/a", "Reported", "awaiting verification"),
    (OFFICER, "count training inside 2026-01-03 fines", "Counted", "1/4 sessions"),
    (OFFICER, "study 2026-01-03 fines", "Counted", "1/12 meetings"),
    (OFFICER, "undo", "Undone"),
    (OFFICER, "overdue", "nothing is overdue"),
    (OFFICER, "done plan x", "match. Which one"),
    (OFFICER, "what", "Reply with a number"),
    (OFFICER, "cancel", "Cancelled"),
    (SUPERVISOR, "review", "Annual analysis report"),
    (SUPERVISOR, "return 1", "Reply with the reason"),
    (SUPERVISOR, "page two is missing", "Returned", "page two is missing"),
    (OFFICER, "done #{report} [2026] 3 https://cj.gov.cn/a", "Reported"),
    (SUPERVISOR, "verify #{report}", "Verified and closed"),
    (SUPERVISOR, "complete #{cases} x", "you cannot act for it"),
    (SUPERVISOR, "send back #{report} no", "Reply with the reason"),
)


async def test_every_command_speaks_english(talk: Talk) -> None:
    await talk.hold(ENGLISH)


def test_every_word_of_the_table_is_understood_as_its_command() -> None:
    spoken = [(word, command.name) for command in COMMANDS for word in (*command.zh, *command.en)]
    assert [(word, found.command.name) for word, _ in spoken if (found := match(word))] == spoken


@pytest.mark.parametrize(
    ("who", "offered", "not_offered"),
    [
        (OFFICER, ["签收 [", "完成 [", "学法", "撤回"], ["销号", "待核"]),
        (HEAD, ["签收 [", "完成 [", "学法", "撤回"], ["销号", "待核"]),
        (SUPERVISOR, ["待核", "销号", "退回", "逾期", "撤回"], ["\n签收 [", "完成 [", "学法 ["]),
        (ADMIN, ["逾期", "详情"], ["\n签收 [", "完成 [", "销号", "撤回"]),
    ],
)
@pytest.mark.parametrize("word", ["帮助", "？", "?"])
async def test_help_fits_the_post(talk: Talk, who: str, offered: list[str], not_offered: list[str], word: str) -> None:
    answer = await talk.says(who, word)
    assert [part for part in offered if part not in answer] == []
    assert [part for part in not_offered if part in answer] == []


async def test_help_with_a_word_says_how_it_is_said(talk: Talk) -> None:
    await talk.hold(
        (
            (HEAD, "帮助 进展", "进展 序号或事项 说明", "! 签收 ["),
            (HEAD, "help assign", "assign NUMBER"),
            (HEAD, "帮助 飞行", "没有“飞行”这种说法"),
            (OFFICER, "帮助 转办", "没有“转办”这种说法"),
        )
    )


@pytest.mark.parametrize("who", [OFFICER, HEAD, SUPERVISOR, ADMIN])
async def test_help_fits_a_phone(talk: Talk, who: str) -> None:
    assert len((await talk.say(who, "帮助")).splitlines()) <= 16


async def test_a_reply_to_a_reminder_means_that_reminder(talk: Talk) -> None:
    (reminder,) = talk.told(OFFICER)
    await talk.hold([(OFFICER, "待办", "3. ")])
    two = await talk.says(OFFICER, "完成", reply_to=reminder.key)
    assert "要报结哪一项" in two
    assert "3. " not in two
    assert talk.filled("#{report}") in await talk.says(OFFICER, f"完成 2 {SHOWN}", reply_to=reminder.key)
    assert talk.filled("#{cases}") in await talk.says(OFFICER, "收到", reply_to=reminder.key)


async def test_a_reply_to_a_message_about_one_obligation_means_that_one(talk: Talk) -> None:
    await talk.hold([(OFFICER, "详情 #{plan}", "年度学法计划")])
    detail = talk.told(OFFICER)[-1]
    await talk.hold([(OFFICER, "待办", "1. ")])
    answer = await talk.says(OFFICER, f"完成 {SHOWN}", reply_to=detail.key)
    assert talk.filled("#{plan}") in answer
    assert "已报结" in answer


async def test_a_reply_to_somebody_elses_message_means_nothing(talk: Talk) -> None:
    (reminder,) = talk.told(WATER)
    assert "还没有列表" in await talk.says(HEAD, "签收 1", reply_to=reminder.key)
    assert "还没有列表" in await talk.says(HEAD, "签收 1", reply_to="'; DROP TABLE notice; --")


async def test_overdue_is_narrowed_by_unit_and_duty(talk: Talk) -> None:
    await talk.go_to("2026-02-02 10:00")
    water = ("水利局", "#{water}")
    await talk.hold(
        [
            (SUPERVISOR, "逾期", "个单位：", "最多：", "依据 《", "另有"),
            (SUPERVISOR, "逾期 水利局", "昌吉市水利局逾期 2 项", "#{water}", "! 城市管理局"),
            (SUPERVISOR, "逾期 市水利局 年度分析报告", "逾期 1 项", *water),
            (SUPERVISOR, "逾期 年度分析报告 水利局", "逾期 1 项", *water),
            (SUPERVISOR, "逾期水利局的年度分析报告", "逾期 1 项", *water),
            (SUPERVISOR, "逾期 年度分析报告", "“行政执法年度分析报告”逾期 ", "! 案件公示（"),
            (SUPERVISOR, "逾期 水力局", "昌吉市水利局逾期"),
            (SUPERVISOR, "逾期 昌吉市 水利局", "逾期 2 项", "#{water}"),
            (PREFECTURE, "逾期 昌吉市", "昌吉市人民政府逾期"),
            (PREFECTURE, "逾期 司法局", "司法局"),
            (SUPERVISOR, "逾期 火星局", "没有名为“火星局”的单位或事项", "个单位："),
            (SUPERVISOR, "late annual analysis report", "overdue", "Annual analysis report", "! Monthly"),
            (HEAD, "逾期", "逾期 2 项，涉及 1 个单位", "依据 《州依法行政办法》第三十五条第一款", "! 水利局"),
            (HEAD, "逾期 水利局", "不在您的查看范围"),
            (ADMIN, "逾期 水利局", "逾期 2 项"),
        ]
    )  # fmt: skip


async def test_a_number_in_the_list_of_the_overdue_means_that_line(talk: Talk) -> None:
    await talk.go_to("2026-02-02 10:00")
    await talk.hold(
        [(SUPERVISOR, "逾期 水利局 年度分析报告", "1. "), (SUPERVISOR, "详情 1", "#{water}", "已逾期 2 天")]
    )


async def test_refusals_stand_in_the_ledger_of_the_unit_they_were_about(talk: Talk) -> None:
    await talk.hold(
        [
            (WATER, f"完成 #{{report}} {SHOWN}", "不能代办"),
            (HEAD, "待核", "不能核验"),
            (SUPERVISOR, "销号 #{mulei}", "不在您的监督范围"),
        ]
    )
    kept = await refusals("cjs-urban")
    assert ["refused-not-yours" in one for one in kept] == [True, False]
    assert "昌吉市水利局经办人" in kept[0]
    assert "refused-post" in kept[1]
    assert "refused-not-supervisor" in (await refusals("ml-justice"))[0]


async def test_whose_post_has_ended_can_do_nothing(talk: Talk) -> None:
    async with transaction():
        await execute(
            "UPDATE post SET until = :day WHERE person_id = (SELECT id FROM person WHERE code = :code)",
            day=talk.now.date() - timedelta(days=1), code=OFFICER,
        )  # fmt: skip
    await talk.hold(
        [
            (OFFICER, "待办", "没有在任岗位", "! 台账号"),
            (OFFICER, f"完成 #{{report}} {SHOWN}", "没有在任岗位", "台账号"),
            (OFFICER, "done 1", "you hold no post", "Recorded in the ledger"),
            (OFFICER, "你好", "没有在任岗位"),
            (WATER, "完成 #{report} x", "可办理的人：昌吉市城管局负责人。"),
        ]
    )


async def invite(talk: Talk, code: str) -> str:
    (person,) = await people.person_coded(code)
    return await people.invite(person["id"], talk.now)


async def test_a_stranger_is_told_how_to_bind(talk: Talk) -> None:
    await talk.hold(
        [
            ("a", "待办", "绑定码", "bind CODE"),
            ("a", "> acknowledge:{report}", "绑定码"),
            ("a", "绑定", "由管理员提供"),
            ("a", "bind", "your administrator has the code"),
            ("a", "绑定 ABCDEFGH", "无效、已使用或已过期"),
            ("a", "bind ABCDEFGH", "wrong, used or expired"),
            ("a", "binding ABCDEFGH", "bind CODE"),
        ]
    )


async def test_a_code_binds_once(talk: Talk) -> None:
    code = await invite(talk, HEAD)
    await talk.hold(
        [
            ("a", f"绑定 {code[:4].lower()} {code[4:]}。", "绑定成功", "负责人（昌吉市城市管理局）", "台账号"),
            ("a", "待办", "待办"),
            ("b", f"绑定 {code}", "已使用"),
            ("b", "待办", "绑定码"),
        ]
    )  # fmt: skip


async def test_an_address_can_be_bound_to_somebody_else(talk: Talk) -> None:
    first, second = await invite(talk, HEAD), await invite(talk, SUPERVISOR)
    await talk.hold(
        [
            ("a", f"bind {first}", "Bound"),
            ("a", "完成 #{report}", "请回复"),
            ("a", f"bind {second}", "Bound"),
            ("a", NUMBER, "没有听懂"),
            ("a", "待核", "没有待核验"),
        ]
    )


async def test_a_code_expires_after_a_week_and_a_newer_one_replaces_it(talk: Talk) -> None:
    old, code = await invite(talk, HEAD), await invite(talk, HEAD)
    await talk.hold([("a", f"绑定 {old}", "无效")])
    talk.now += timedelta(days=7, seconds=1)
    await talk.hold([("a", f"绑定 {code}", "已过期")])


async def test_guessing_codes_is_limited(talk: Talk) -> None:
    code = await invite(talk, HEAD)
    await talk.hold([*(("a", f"绑定 WRONG{n}", "无效") for n in range(5)), ("a", f"绑定 {code}", "15分钟后")])
    await talk.hold([("b", "绑定 WRONG", "无效")])
    talk.now += timedelta(minutes=16)
    await talk.hold([("a", f"绑定 {code}", "绑定成功")])


async def test_binding_somebody_without_a_post_says_so(talk: Talk) -> None:
    async with transaction():
        await execute("DELETE FROM post WHERE person_id = (SELECT id FROM person WHERE code = :code)", code=HEAD)
    await talk.hold([("a", f"绑定 {await invite(talk, HEAD)}", "绑定成功", "没有在任岗位")])


async def test_some_dialogues_hold_on_both_databases(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.hold(
            [
                *DIALOGUES["a choice that is given up is no list"],
                (OFFICER, "取消", "已取消"),
                *DIALOGUES["evidence is asked for, and only evidence is taken"],
                (HEAD, "学法 1月4日 行政处罚法", "1/12"),
                (HEAD, "撤回", "已撤回"),
                (HEAD, "完成 计划", "项相近"),
                (SUPERVISOR, "待核", "待核验 1 项"),
                (SUPERVISOR, "退回 1 缺附件", "已退回"),
                (WATER, "完成 #{report} x", "不能代办"),
                (PREFECTURE, "逾期 昌吉市 案件公示", "没有逾期"),
                ("a", f"绑定 {await invite(talk, HEAD)}", "绑定成功"),
                (CLOCK, "2026-02-02 10:00"),
                (SUPERVISOR, "逾期 水利局 年度分析报告", "逾期 1 项", "#{water}"),
                (SUPERVISOR, "逾期", "最多：", "另有"),
                (ADMIN, "逾期", "个单位"),
            ]
        )


NASTY = (
    "'; DROP TABLE obligation; --",
    "{{7*7}} {title} {0} {entry!r} %s %(name)s ${x}",
    "<script>alert(1)</script>",
    "👍🏽👨‍👩‍👧‍👦🇨🇳",
    "\u202e\u2066回复\u2069\u202c\u200b\u200d\ufeff",
    "\x00\x07\x1b[31m",
    "\ud800收到\udfff",
    "1" * 5_000,
    "#" + "9" * 5_000,
    "-1",
    "〔" * 4_000,
    "2026-" * 800,
    "第" * 4_000,
    "ﷺ" * 4_000,
    "\u0301" * 4_000,
    " \t\n\r\u2028 ",
    "",
    "/",
    "?" * 100,
    "1、" * 2_000,
    "完成 " * 800,
)  # fmt: skip


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
async def test_nasty_text_gets_an_answer_wherever_it_stands(talk: Talk, text: str) -> None:
    for before in ("", "完成 ", "签收", "学法 ", "逾期 ", "详情 ", "绑定 ", "done "):
        assert await talk.says(OFFICER, before + text)
    await talk.says(OFFICER, "完成 #" + str(talk.numbers["report"]))
    assert await talk.says(OFFICER, text)
    await talk.says(SUPERVISOR, "退回 #" + str(talk.numbers["report"]))
    assert await talk.says(SUPERVISOR, text)
    assert "系统出错" not in "".join(sent.text for sent in talk.adapter.sent)


async def test_ten_megabytes_are_kept_and_only_their_beginning_is_read(talk: Talk) -> None:
    text = f"完成 2 {SHOWN} " + "长" * 10_000_000
    assert "只读取了前 4000 字" in await talk.says(OFFICER, text)
    (row,) = await fetch("SELECT LENGTH(content) AS size FROM inbox ORDER BY id DESC LIMIT 1")
    assert row["size"] > 10_000_000


CALLING = (
    "@所有人", "@all", "@everyone", "@channel", "@here", "@room", "＠所有人", "@\u200b所有人", "@ 所有人", "<!channel>",
    "<!here|here>", "<@all>", "<@U123>", '<at user_id="all">所有人</at>', "<at id=all></at>",
)  # fmt: skip


@pytest.mark.parametrize("calling", CALLING)
async def test_nobodys_words_call_everybody(talk: Talk, calling: str) -> None:
    await talk.hold(
        [
            (OFFICER, f"完成 #{{report}} {SHOWN} {calling}", "已报结"),
            (OFFICER, f"学法 1月4日 处罚法 {calling}", "已计数"),
            (OFFICER, "详情 会前学法", "处罚法"),
            (SUPERVISOR, "待核", NUMBER),
            (SUPERVISOR, f"退回 1 缺附件 {calling}", "已退回", "缺附件"),
            (OFFICER, "详情 #{report}", "缺附件"),
            (SUPERVISOR, f"逾期 {calling}", "没有名为"),
        ]
    )
    said = "".join(sent.text for sent in talk.adapter.sent)
    assert [word for word in (clean(calling), "@所有人", "@ 所有人", "@all", "<!", "<@", "<at") if word in said] == []


async def test_braces_in_what_people_write_are_only_text(talk: Talk) -> None:
    await talk.hold(
        [
            (OFFICER, f"完成 #{{report}} {SHOWN} {{title}} {{0}} %s", "已报结"),
            (SUPERVISOR, "待核", "{title} {0} %s"),
            (SUPERVISOR, "退回 1 {reason} {unit.__class__}", "理由：{reason} {unit.__class__}"),
            (OFFICER, "详情 #{report}", "退回理由：{reason} {unit.__class__}"),
            (OFFICER, "学法 {{7*7}}", "{{7*7}}"),
        ]
    )


LIKELY = st.sampled_from(
    [
        "完成", "签收", "学法", "计数", "详情", "逾期", "待核", "销号", "退回", "撤回", "取消", "帮助", "待办", "绑定",
        "done", "ack", "verify", " ", "1", "#1", "#", "2月30日", "〔2026〕3号", "零报告",
        "https://x.cn", "，", "应训 1 达标 1",
        "年度报告", "水利局", "全部", "的", "1-99", "@所有人", "{", "}", "%", "吗", "好的", "今天", "\n",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=60), st.lists(LIKELY, max_size=8).map("".join), st.lists(LIKELY, max_size=6).map(" ".join)
)


async def test_any_text_gets_an_answer(talk: Talk) -> None:
    """One conversation all through: each text meets whatever question the one before it left open."""
    loop_texts: list[tuple[str, str, str]] = []

    @settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from([OFFICER, HEAD, SUPERVISOR, ADMIN]), TEXTS, st.one_of(st.just(""), st.text(max_size=12)))
    def collect(who: str, text: str, action: str) -> None:
        loop_texts.append((who, text, action))

    collect()
    for who, text, action in loop_texts:
        assert await talk.says(who, text, action=action), (who, text, action)
    assert "系统出错" not in "".join(sent.text for sent in talk.adapter.sent)


async def test_a_partial_attestation_after_being_sent_back_does_not_report(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, "完成 #{hours} 应训8人，达标8人", "已全部达标"),
            (SUPERVISOR, "退回 #{hours} 名单不全", "已退回"),
            (OFFICER, "完成 #{hours} 应训8人，达标6人", "还差 2 人"),
            (OFFICER, "详情 #{hours}", "已退回"),
            (OFFICER, "完成 #{hours} 应训8人，达标8人", "已全部达标"),
        )
    )


async def test_a_refusal_takes_back_what_was_written_before_it(talk: Talk) -> None:
    before = await fetch("SELECT COUNT(*) AS found FROM entry WHERE action <> 'refused'")

    async def half(ask: Ask) -> Reply:
        await people.begin(ask.message.connection, "half", "half", {}, ask.at.now)
        raise RefusedError("refused-post", action="undo")

    table = sys.modules["bot.conversation.table"]
    original = table.BY_NAME["undo"]
    table.BY_NAME["undo"] = dataclasses.replace(original, run=half)
    try:
        assert "台账号" in await talk.say(OFFICER, "> undo")
    finally:
        table.BY_NAME["undo"] = original
    assert await people.underway(talk.adapter.connection, "half", talk.now) is None
    assert await fetch("SELECT COUNT(*) AS found FROM entry WHERE action <> 'refused'") == before
