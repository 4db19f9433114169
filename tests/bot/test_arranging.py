"""What people do with an obligation beside doing it: waived, noted, given to a colleague, answered several at once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base import Outgoing
from bot.conversation.table import match
from bot.wording.grammar import coming_day, leading_numbers, numbers_first, read_until
from duties.ledger import StreamRef
from duties.roster import Roster
from duties.store import roster_rows
from duties.store.chains import history
from duties.store.database import execute, fetch
from duties.store.verifying import silent_changes
from tests.bot.play import SAMPLE, at
from tests.bot.talk import (
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
MORE = {
    "law": ("cjs-urban", "law-government-report-department", "2025"),
    "justice": ("cjs-justice", "law-government-report-department", "2025"),
}


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("arranging"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        await learn(found)
        yield found
        assert await silent_changes() == []


async def learn(talk: Talk) -> None:
    for name, key in MORE.items():
        (row,) = await fetch(
            "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
            " WHERE u.code = :unit AND t.duty = :duty AND t.label = :label",
            **dict(zip(("unit", "duty", "label"), key, strict=True)),
        )
        talk.numbers[name] = row["id"]


async def state(talk: Talk, name: str) -> str:
    (row,) = await fetch("SELECT state FROM obligation WHERE id = :id", id=talk.numbers[name])
    return str(row["state"])


async def acts(talk: Talk, name: str) -> list[str]:
    return [line["action"] for line in await history(StreamRef("obligation", talk.numbers[name]))]


def said(talk: Talk, who: str, words: str) -> list[Outgoing]:
    return [sent for sent in talk.told(who) if words in sent.text]


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "waived for good, with a reason": (
        (SUPERVISOR, "免办 #{report} 机构已撤并", "已免办：昌吉市城市管理局", "理由：机构已撤并", "不设期限", "批准人",
         "台账号", "恢复办理 #{report}"),
        (OFFICER, "详情 #{report}", "免办：机构已撤并", "不设期限", "批准人 昌吉市司法局执法监督员"),
        (OFFICER, "待办", "! 行政执法年度分析报告"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "现为“免办”", "未作改动"),
        (SUPERVISOR, "免办 #{report} 再来", "现为“免办”", "未作改动"),
    ),
    "waived until a day, written in many ways": (
        (SUPERVISOR, "免办 #{report} 过渡期，至 2026-03-31", "理由：过渡期；", "至2026年3月31日（周二）（含当日）"),
        (SUPERVISOR, "撤回", "已撤回", "恢复为“待签收”"),
        (SUPERVISOR, "免办 #{report} 至3月31日为止 过渡期", "理由：过渡期；", "至2026年3月31日"),
        (SUPERVISOR, "撤回", "已撤回"),
        (SUPERVISOR, "免办 #{report} 过渡期 截至1月2日", "至2027年1月2日"),
        (SUPERVISOR, "恢复办理 #{report}", "已恢复办理", "截止 2026年1月31日", "将收到提醒"),
        (SUPERVISOR, "waive #{report} reorganised until 2026-03-31", "Waived", "reorganised; up to", "Tue 31 Mar 2026"),
        (SUPERVISOR, "unwaive #{report}", "Owed again", "reminded"),
        (SUPERVISOR, "undo", "Undone", "waived again"),
    ),
    "the reason is asked for, and only a reason is taken": (
        (SUPERVISOR, "免办 #{report}", "请回复昌吉市城市管理局“行政执法年度分析报告”", "免办的理由"),
        (SUPERVISOR, "好的", "免办的理由"),
        (SUPERVISOR, "什么理由？", "免办的理由"),
        (SUPERVISOR, "过渡期 至2月30日", "没有“2月30日”这一天"),
        (SUPERVISOR, "过渡期 至2025年12月31日", "期限 2025年12月31日（周三） 已过"),
        (SUPERVISOR, "至2026年12月31日", "免办的理由"),
        (SUPERVISOR, "过渡期 至12月31日", "已免办", "理由：过渡期；", "至2026年12月31日"),
    ),
    "a waiver is not the unit's to give": (
        (HEAD, "免办 #{report} 没必要", "本单位的人不能免办", "可办理的人：昌吉市司法局执法监督员", "台账号"),
        (OFFICER, "waive #{report} no need", "Nobody of", "Those who can"),
        (HEAD, "免办", "您的岗位不能免办", "昌吉市司法局执法监督员"),
        (WATER, "免办 #{report} 没必要", "不在您的监督范围内", "昌吉市司法局执法监督员"),
        (SUPERVISOR, "免办 #{justice} 没必要", "本单位的人不能免办", "可办理的人：昌吉州司法局执法监督员"),
        (SUPERVISOR, "免办 #{mulei} 没必要", "不在您的监督范围内"),
        (PREFECTURE, "免办 #{justice} 合署办公", "已免办"),
        (SUPERVISOR, "恢复办理 #{justice}", "本单位的人不能免办"),
        (SUPERVISOR, "恢复办理 #{report}", "现为“待签收”"),
        (SUPERVISOR, "恢复办理", "本单位的人不能免办"),
        (PREFECTURE, "恢复办理", "已恢复办理"),
        (SUPERVISOR, "恢复办理", "没有可恢复办理的任务"),
    ),
    "one waiver at a time": (
        (SUPERVISOR, "免办 #{report}、#{cases} 没必要", "要免办哪一项"),
        (SUPERVISOR, "2", "已免办", "#{cases}", "理由：没必要"),
        (SUPERVISOR, "免办 #{report} 没必要", "已免办"),
        (SUPERVISOR, "恢复办理", "要恢复办理哪一项"),
        (SUPERVISOR, "1", "已恢复办理"),
    ),
    "a waiver is taken back within ten minutes, afterwards by its own word": (
        (OFFICER, "签收 #{report}", "已签收"),
        (SUPERVISOR, "免办 #{report} 弄错了", "已免办"),
        (SUPERVISOR, "撤回", "已撤回", "恢复为“已签收”"),
        (SUPERVISOR, "免办 #{report} 弄错了", "已免办"),
        (CLOCK, "2026-01-04 10:11"),
        (SUPERVISOR, "撤回", "没有10分钟内可撤回"),
        (SUPERVISOR, "> unwaive:{report}", "已恢复办理"),
    ),
    "a note acknowledges, and is no report": (
        (OFFICER, "进展 #{report} 已完成初稿", "已签收并记进展", "已完成初稿", "尚未报结", "台账号"),
        (HEAD, "进展 #{report} 已报领导审阅", "已记进展", "! 已签收并"),
        (SUPERVISOR, "详情 #{report}", "进展：已完成初稿", "昌吉市城管局负责人 进展：已报领导审阅", "已签收"),
        (HEAD, "撤回", "已撤回", "恢复为“已签收”"),
        (OFFICER, "update #{report} second draft done", "Noted", "second draft done", "Not reported yet"),
        (OFFICER, "progress note #{cases} drafting", "Acknowledged and noted"),
    ),
    "a note is asked for when there is none": (
        (OFFICER, "进展 #{report}", "请回复“行政执法年度分析报告”", "进展"),
        (OFFICER, "谢谢", "进展，例如"),
        (OFFICER, "怎么填？", "进展，例如"),
        (OFFICER, "数据已汇总", "已签收并记进展", "数据已汇总"),
        (OFFICER, "进展 年度分析报告 初稿已送审", "已记进展", "初稿已送审"),
        (OFFICER, "进展 #{report}、#{cases} 都在办", "要进展哪一项"),
        (OFFICER, "取消", "已取消"),
        (SUPERVISOR, "进展 #{report} 催一催", "您不能代办", "昌吉市城管局经办人"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
        (OFFICER, "进展 #{report} 还在办", "现为“已报结”"),
    ),
    "the head gives work to an officer, who sees it first": (
        (HEAD, "转办 #{plan} 昌吉市城管局经办人", "已转办", "由昌吉市城管局经办人办理", "台账号"),
        (OFFICER, "待办", "1. 年度学法计划", "★转办给您"),
        (HEAD, "待办", "年度学法计划", "已转办他人", "! ★"),
        (SUPERVISOR, "详情 #{plan}", "经办：昌吉市城管局经办人", "转办：昌吉市城管局经办人"),
        (HEAD, "转办 #{plan} cjs-urban-officer", "已经由昌吉市城管局经办人办理"),
        (HEAD, "转办 #{plan} 取消", "已取消转办"),
        (HEAD, "转办 #{plan} 取消", "没有转办"),
        (OFFICER, "待办", "! ★"),
        (HEAD, "assign #{plan} cjs-urban-officer", "Assigned"),
        (OFFICER, "mine", "* assigned to you"),
        (HEAD, "undo", "Undone"),
        (OFFICER, "mine", "! * assigned"),
    ),
    "whom it is given to is asked for, and must be of the unit": (
        (HEAD, "转办 #{report}", "转给谁办", "昌吉市城管局经办人"),
        (HEAD, "查无此人", "本单位没有叫“查无此人”的经办人", "昌吉市城管局经办人"),
        (HEAD, WATER, "本单位没有叫", "未作记录"),
        (HEAD, HEAD, "本单位没有叫"),
        (HEAD, "昌吉市城管局经办人", "已转办", "#{report}"),
        (HEAD, "转办 #{report}、#{cases} 昌吉市城管局经办人", "要转办哪一项"),
        (HEAD, "2", "已转办", "#{cases}"),
        (OFFICER, f"转办 #{{report}} {OFFICER}", "转办由昌吉市城市管理局的负责人决定", "昌吉市城管局负责人", "台账号"),
        (SUPERVISOR, f"assign #{{report}} {OFFICER}", "Only the head of"),
        (SUPERVISOR, "转办", "您的岗位不能转办"),
        (HEAD, f"转办 #{{water}} {WATER}", "转办由昌吉市水利局的负责人决定"),
    ),
    "a head who is away lets an officer stand in": (
        (HEAD, "委托 昌吉市城管局经办人 1月5日至1月8日", "2026年1月5日（周一）至2026年1月8日（周四）代行",
         "昌吉市城市管理局负责人", "您本人仍可办理", "台账号"),
        (OFFICER, "转办 #{plan} 取消", "转办由昌吉市城市管理局的负责人决定"),
        (OFFICER, "待办", "! 代 "),
        (CLOCK, "2026-01-05 10:00"),
        (OFFICER, "待办", "代 昌吉市城管局负责人（昌吉市城市管理局负责人）", "待办 "),
        (OFFICER, "help", "Acting for 昌吉市城管局负责人"),
        (OFFICER, f"转办 #{{plan}} {OFFICER}", "已转办"),
        (HEAD, "签收 #{report}", "已签收"),
        (OFFICER, f"委托 {HEAD} 1月6日", "2026年1月6日（周二）至2026年1月6日", "昌吉市城市管理局经办人"),
        (SUPERVISOR, f"完成 #{{report}} {SHOWN}", "可办理的人：昌吉市城管局经办人、昌吉市城管局负责人。"),
        (CLOCK, "2026-01-09 10:00"),
        (OFFICER, "待办", "! 代 "),
        (OFFICER, "转办 #{plan} 取消", "转办由昌吉市城市管理局的负责人决定"),
        (HEAD, "转办 #{plan} 取消", "已取消转办"),
    ),
    "who stands in, and when, is asked for": (
        (HEAD, "委托", "委托谁、哪几天", "可委托：昌吉市城管局经办人"),
        (HEAD, "查无此人", "没有叫“查无此人”的同事"),
        (HEAD, WATER, "没有叫", "未作记录"),
        (HEAD, HEAD, "没有叫"),
        (HEAD, "昌吉市城管局经办人", "委托昌吉市城管局经办人哪几天"),
        (HEAD, "2月30日至3月2日", "没有“2月30日”这一天"),
        (HEAD, "3月1日至3日", "2026年3月1日（周日）至2026年3月3日（周二）"),
        (HEAD, f"委托 {OFFICER} 3月5日", "已委托昌吉市城管局经办人", "未作改动"),
        (HEAD, "委托", "2026年3月1日（周日）至2026年3月3日（周二）代行", "委托 取消"),
        (HEAD, "委托 取消", "已收回对昌吉市城管局经办人的委托"),
        (HEAD, "委托 取消", "您目前没有委托"),
        (HEAD, "delegate cjs-urban-officer 2026-03-01 to 2026-03-08", "Sun 1 Mar 2026 to Sun 8 Mar 2026",
         "ends by itself"),
        (HEAD, "delegate nobody", "no longer stands in"),
        (HEAD, f"委托 {OFFICER} 2025年12月30日至2026年1月8日", "不能委托", "从今天或以后起"),
        (HEAD, f"休假 至1月8日 {OFFICER}", "2026年1月4日（周日）至2026年1月8日"),
        (OFFICER, f"委托 {OFFICER}", "没有叫"),
    ),
    "only one's own post is given away": (
        (SUPERVISOR, "委托 某人 明天", "只有单位负责人、经办人可以委托", "台账号"),
        (HEAD, f"委托 {OFFICER} 今天", "已委托"),
        (OFFICER, f"委托 {HEAD} 今天", "昌吉市城市管理局经办人"),
    ),
    "a unit asks to be let off, and is": (
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1", "已告知 1 位监督员", "仍须办理", "台账号"),
        (OFFICER, "申请免办 #{report} 再次", "已有同样的申请待答复"),
        (OFFICER, "待办", "行政执法年度分析报告"),
        (SUPERVISOR, "同意", "待答复的申请 1 件", "申请1 免办：昌吉市城市管理局", "同意 申请编号"),
        (SUPERVISOR, "同意 申请1", "已同意申请1", "免办", "台账号"),
        (SUPERVISOR, "同意 申请1", "申请1已同意（昌吉市司法局执法监督员，2026年1月4日 10:00），未作改动"),
        (SUPERVISOR, "不同意 1 晚了", "申请1已同意（昌吉市司法局执法监督员"),
        (OFFICER, "详情 #{report}", "免办：机构已撤并", "批准人 昌吉市司法局执法监督员", "申请免办：机构已撤并"),
        (SUPERVISOR, "撤回", "已撤回", "恢复为“待签收”"),
        (OFFICER, "request waiver #{report} office dissolved", "waits for an answer already"),
        (SUPERVISOR, "approve request 1", "Approved request 1"),
        (OFFICER, "request waiver #{law} office dissolved", "Request 2 made", "Supervisors told: 1"),
    ),
    "a request is turned down with a reason": (
        (OFFICER, "申请免办 #{report}", "请回复申请免办", "理由"),
        (OFFICER, "好的", "请回复申请免办"),
        (OFFICER, "人手不足", "已提出申请1"),
        (SUPERVISOR, "> reject:1", "为什么不同意申请1"),
        (SUPERVISOR, "好的", "为什么不同意申请1"),
        (SUPERVISOR, "3天内可以办完", "已不同意申请1", "理由：3天内可以办完"),
        (OFFICER, "详情 #{report}", "不同意申请：3天内可以办完", "待签收"),
        (OFFICER, "申请免办 #{report} 确无此项职能", "已提出申请2"),
        (SUPERVISOR, "reject request 2 you have it", "Rejected request 2", "you have it"),
    ),
    "a request is answered from above, never by the unit": (
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1"),
        (HEAD, "同意 申请1", "本单位的人不能免办", "昌吉市司法局执法监督员", "台账号"),
        (HEAD, "> approve:1", "本单位的人不能免办"),
        (HEAD, "同意", "您的岗位不能同意申请", "昌吉市司法局执法监督员"),
        (WATER, "不同意 申请1 不行", "不在您的监督范围内"),
        (SUPERVISOR, "同意 申请9", "没有申请9"),
        (SUPERVISOR, "申请免办 #{report} 代提", "您不能代办"),
        (WATER, "申请免办 #{report} 代提", "您不能代办", "昌吉市城管局经办人"),
        (PREFECTURE, "> approve:1", "已同意申请1"),
        (SUPERVISOR, "不同意", "没有待答复的申请"),
        (OFFICER, "申请免办 #{report} 再来", "现为“免办”"),
        (OFFICER, "申请免办 #{cases}、#{plan} 都不办", "要申请免办哪一项"),
    ),
    "what was done meanwhile is no longer let off": (
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结", "申请1已自动关闭"),
        (SUPERVISOR, "同意", "没有待答复的申请"),
        (SUPERVISOR, "同意 申请1", "申请1已自动关闭（昌吉市城管局经办人，2026年1月4日 10:00）", "未作改动"),
    ),
    "no article lets a day be put off": (
        (OFFICER, "申请延期 #{report} 材料未到 至2月10日", "没有条文允许延期", "《州依法行政办法》第三十五条第一款",
         "申请免办 #{report} 理由", "台账号"),
        (OFFICER, "request extension #{report}", "No article allows more time", "request waiver #{report}"),
        (WATER, "申请延期 #{report} 材料未到", "您不能代办"),
        (SUPERVISOR, "同意", "没有待答复的申请"),
    ),
    "a day that a supervisor named is named anew": (
        (SUPERVISOR, "立案 交办 昌吉市城市管理局 限1月20日前 清理执法台账", "请核对"),
        (SUPERVISOR, "确认", "已立案：个案1"),
        (OFFICER, "申请延期 交办事项", "截止 2026年1月20日", "延到哪天和理由"),
        (OFFICER, "材料未到", "延到哪天和理由"),
        (OFFICER, "至2月30日", "没有“2月30日”这一天"),
        (OFFICER, "材料未到 至1月15日", "须晚于今天和原截止日"),
        (OFFICER, "申请延期 交办事项 材料未到 至2月10日", "已提出申请1", "延期至2026年2月10日", "仍以 2026年1月20日"),
        (SUPERVISOR, "不同意", "申请1 延期至2026年2月10日"),
        (SUPERVISOR, "> approve:1", "已同意申请1", "截止 2026年2月10日"),
        (OFFICER, "待办", "2026年2月10日"),
        (OFFICER, "详情 交办事项", "同意申请", "申请延期：材料未到"),
        (SUPERVISOR, "个案 1", "2026年2月10日"),
    ),
    "several that need the same evidence are reported at once": (
        (OFFICER, f"完成 #{{report}}、#{{law}} {SHOWN} 1月3日", "#{report} 完成日期记为",
         "#{law} 完成日期记为 2026年1月3日"),
        (SUPERVISOR, "待核", "待核验 2 项"),
        (SUPERVISOR, "#{report}、#{law} 销号", "已销号", "#{report}", "#{law}", "没有其他待核验"),
        (OFFICER, "撤回", "不能撤回"),
    ),
    "the evidence of several is asked for once": (
        (OFFICER, "#{report} #{law} 完成", "这 2 项共同的完成依据：文号、日期、链接"),
        (OFFICER, "什么？", "共同的完成依据"),
        (OFFICER, "已经办了", "未作记录"),
        (OFFICER, f"{SHOWN} 明天", "还没到"),
        (OFFICER, f"{NUMBER} https://cj.gov.cn/a", "已报结：昌吉市城市管理局", "#{report}", "#{law}", "! 尚缺"),
        (OFFICER, "undo", "Undone"),
    ),
    "what may not be reported among several is told, the rest is done": (
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
        (OFFICER, f"完成 #{{report}}、#{{law}}、#{{water}} {SHOWN}", "现为“已报结”", "您不能代办", "已报结：",
         "#{law}"),
        (OFFICER, f"完成 #{{report}}、#{{water}} {SHOWN}", "现为“已报结”", "! 已报结："),
    ),
    "what is refused among several is told before the evidence is asked for": (
        (OFFICER, "完成 #{law}、#{water}", "您不能代办", "请回复"),
        (OFFICER, SHOWN, "已报结", "#{law}"),
    ),
    "several that need different evidence, or are counted, are reported one by one": (
        (OFFICER, f"完成 #{{cases}}、#{{report}} {SHOWN}", "依据不同", "要报结哪一项", "1. ", "2. "),
        (OFFICER, "2", "已报结", "#{report}"),
        (OFFICER, "完成 #{study}、#{plan}", "依据不同"),
    ),
    "of an answer about several, what moved on is named and left": (
        (OFFICER, "待办", "1. ", "2. "),
        (OFFICER, "签收 #{report}、#{law}、#{plan}", "#{report}", "#{law}", "#{plan}"),
        (HEAD, f"完成 #{{law}} {SHOWN}", "已报结"),
        (OFFICER, "撤回", "#{report} 恢复为“待签收”", "#{plan} 恢复为“待签收”", "#{law} 此后又有新的办理", "台账号"),
        (OFFICER, "撤回", "#{law} 此后又有新的办理，不能撤回"),
    ),
    "one of several is taken back by its number, its place in a list, or a reply": (
        (OFFICER, "待办", "1. 当月执法案件公示", "2. 行政执法年度分析报告"),
        (OFFICER, "签收 1、2", "#{cases}", "#{report}"),
        (OFFICER, "撤回 1", "#{cases} 恢复为“待签收”", "! #{report}"),
        (OFFICER, "undo #{report}", "Undone", "#{report}"),
        (OFFICER, "撤回 #{report}", "没有10分钟内可撤回"),
        (OFFICER, "撤回 #{water}", "没有10分钟内可撤回"),
        (OFFICER, "签收 #{cases}", "已签收"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
        (OFFICER, "撤回 #{cases}、#{plan}", "#{cases} 恢复为“待签收”", "没有10分钟内可撤回"),
        (OFFICER, "撤回 弄错了", "没有看懂“弄错了”", "撤回 #编号"),
        (OFFICER, "撤回 99", "没有第 99 项"),
        (OFFICER, "详情 #{report}", "已报结"),
    ),
    "several verified at once are taken back at once": (
        (OFFICER, f"完成 #{{report}}、#{{law}} {SHOWN}", "已报结"),
        (SUPERVISOR, "销号 #{report}、#{law}", "已销号"),
        (SUPERVISOR, "撤回", "#{report} 恢复为“已报结”", "#{law} 恢复为“已报结”"),
    ),
    "an answer to a request is taken back within ten minutes": (
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1"),
        (SUPERVISOR, "不同意 申请1 职能还在", "已不同意申请1", "撤回"),
        (SUPERVISOR, "撤回", "已撤回对申请的不同意", "重新待答复"),
        (SUPERVISOR, "同意 申请1", "已同意申请1"),
        (SUPERVISOR, "撤回", "已撤回", "恢复为“待签收”"),
        (SUPERVISOR, "同意", "申请1 免办"),
        (SUPERVISOR, "不同意 申请1 职能还在", "已不同意"),
        (OFFICER, "申请免办 #{report} 确已撤并", "已提出申请2"),
        (SUPERVISOR, "撤回", "此后又有新的办理"),
        (CLOCK, "2026-01-04 10:11"),
        (SUPERVISOR, "撤回", "没有10分钟内可撤回"),
    ),
    "more time that was granted is taken back with its day": (
        (SUPERVISOR, "立案 交办 昌吉市城市管理局 限1月20日前 清理执法台账", "请核对"),
        (SUPERVISOR, "确认", "已立案：个案1"),
        (OFFICER, "申请延期 交办事项 材料未到 至2月10日", "已提出申请1"),
        (SUPERVISOR, "> approve:1", "已同意申请1", "截止 2026年2月10日", "撤回"),
        (SUPERVISOR, "撤回", "已撤回对申请的同意", "截止恢复为 2026年1月20日", "重新待答复"),
        (OFFICER, "待办", "2026年1月20日", "! 2026年2月10日"),
        (SUPERVISOR, "个案 1", "2026年1月20日"),
        (SUPERVISOR, "同意 申请1", "截止 2026年2月10日"),
        (SUPERVISOR, "更正 个案1 限2月20日前", "2026年2月20日"),
        (SUPERVISOR, "确认"),
        (SUPERVISOR, "撤回", "此后又有新的办理"),
        (OFFICER, "待办", "2026年2月20日"),
    ),
    "a unit takes its own request back": (
        (OFFICER, "撤回申请", "没有待答复的申请"),
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1", "撤回申请 1"),
        (OFFICER, "撤回", "已撤回免办申请", "仍须办理"),
        (SUPERVISOR, "> approve:1", "申请1已由该单位撤回", "昌吉市城管局经办人，2026年1月4日 10:00"),
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请2"),
        (CLOCK, "2026-01-04 10:30"),
        (HEAD, "撤回申请 #{report}", "已撤回申请2", "台账号"),
        (HEAD, "撤回申请 2", "申请2已由该单位撤回", "昌吉市城管局负责人"),
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请3"),
        (OFFICER, "申请免办 #{law} 机构已撤并", "已提出申请4"),
        (OFFICER, "申请", "待答复的申请 2 件", "申请3 免办", "撤回申请 申请编号", "! 同意"),
        (OFFICER, "撤回申请", "待答复的申请 2 件"),
        (WATER, "撤回申请 申请3", "您不能代办", "昌吉市城管局经办人"),
        (SUPERVISOR, "撤回申请 申请3", "您不能代办"),
        (SUPERVISOR, "撤回申请", "台账号"),
        (OFFICER, "withdraw request 3", "Request 3 withdrawn"),
        (OFFICER, "撤回申请", "已撤回申请4"),
        (OFFICER, "撤回申请 申请99", "没有申请99"),
    ),
    "a supervisor finds what waits for an answer": (
        (SUPERVISOR, "申请", "没有待答复的申请"),
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1"),
        (SUPERVISOR, "待核", "没有待核验的任务", "另有待答复的申请 1 件", "申请"),
        (SUPERVISOR, "申请", "待答复的申请 1 件", "申请1 免办", "同意 申请编号"),
        (SUPERVISOR, "待批", "待答复的申请 1 件"),
        (SUPERVISOR, "requests", "1 requests wait", "approve request NUMBER"),
        (WATER, "申请", "没有待答复的申请"),
        (OFFICER, f"完成 #{{law}} {SHOWN}", "已报结"),
        (SUPERVISOR, "review", "1 requests wait"),
        (SUPERVISOR, "同意 #{law}", "待答复的申请 1 件"),
        (SUPERVISOR, "同意 #{report}", "已同意申请1"),
    ),
    "a report closes the request about it, and taking that back opens it again": (
        (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结", "申请1已自动关闭，无须再答复"),
        (SUPERVISOR, "申请", "没有待答复的申请"),
        (OFFICER, "撤回", "恢复为“待签收”"),
        (SUPERVISOR, "申请", "申请1 免办"),
        (SUPERVISOR, "免办 #{report} 直接批准", "已免办", "申请1已自动关闭"),
        (SUPERVISOR, "撤回", "恢复为“待签收”"),
        (SUPERVISOR, "申请", "申请1 免办"),
    ),
    "who was first is named to who comes second": (
        (OFFICER, "签收 #{report}", "已签收"),
        (HEAD, "签收 #{report}", "无须再次签收", "昌吉市城管局经办人，2026年1月4日 10:00"),
        (OFFICER, f"完成 #{{report}} {SHOWN}", "已报结"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "现为“已报结”（昌吉市城管局经办人，2026年1月4日 10:00）", "未作改动"),
    ),
    "numbers may come before the command": (
        (OFFICER, "待办", "1. 当月执法案件公示", "2. "),
        (OFFICER, "1、2 签收", "#{cases}", "已签收"),
        (OFFICER, "第3项签收", "已签收"),
        (OFFICER, "4-5签收", "已签收"),
        (OFFICER, "1 done https://cj.gov.cn/b", "Reported", "#{cases}"),
        (OFFICER, f"#{{report}}完成 {SHOWN}", "已报结", "#{report}"),
        (SUPERVISOR, "待核", "待核验 2 项"),
        (SUPERVISOR, "1，2 销号", "#{cases}", "#{report}"),
        (OFFICER, "99 签收", "没有第 99 项"),
        (OFFICER, "1、2 逾期", "没有听懂"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name])


async def test_the_unit_hears_of_a_waiver_and_of_its_undoing_the_supervisor_does_not(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "免办 #{report} 过渡期 至3月31日", "已免办")])
    for who in (HEAD, OFFICER):
        assert "至2026年3月31日" in said(talk, who, "【免办】")[-1].text
    assert said(talk, SUPERVISOR, "【免办】") == said(talk, WATER, "【免办】") == []
    await talk.hold([(SUPERVISOR, "撤回", "已撤回")])
    assert "现为“待签收”" in said(talk, OFFICER, "【撤回】")[-1].text


async def test_a_reply_to_the_news_means_the_obligation(talk: Talk) -> None:
    await talk.hold([(HEAD, "转办 #{plan} 昌吉市城管局经办人", "已转办")])
    (news,) = said(talk, OFFICER, "【转办】")
    assert [button.value for button in news.buttons] == talk.filled(
        "acknowledge:{plan} report:{plan} detail:{plan}"
    ).split()
    assert "年度学法计划" in await talk.says(OFFICER, "签收", reply_to=news.key)
    await talk.hold([(HEAD, "转办 #{plan} 取消", "已取消转办")])
    assert said(talk, OFFICER, "不再由您专办")


async def test_a_request_reaches_the_supervisor_with_buttons_and_its_answer_the_unit(talk: Talk) -> None:
    await talk.hold([(OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1")])
    (asked,) = said(talk, SUPERVISOR, "【申请1】")
    assert [(one.label, one.value) for one in asked.buttons] == [("同意", "approve:1"), ("不同意", "reject:1")]
    assert "机构已撤并" in asked.text
    assert "不同意申请1" in await talk.says(SUPERVISOR, "不同意 职能还在", reply_to=asked.key)
    for who in (HEAD, OFFICER):
        assert "职能还在" in said(talk, who, "不同意申请1")[-1].text
    await talk.hold([(OFFICER, "申请免办 #{report} 职能已划转", "已提出申请2"), (SUPERVISOR, "> approve:2", "已同意")])
    assert said(talk, HEAD, "同意申请2")


async def test_a_request_that_no_supervisor_can_be_told_of_says_so_and_stands(talk: Talk) -> None:
    await execute("DELETE FROM identity WHERE person_id = (SELECT id FROM person WHERE code = :code)", code=SUPERVISOR)
    await talk.hold(
        [
            (OFFICER, "申请免办 #{report} 机构已撤并", "已提出申请1", "还收不到通知", "同意 申请1"),
            (PREFECTURE, "同意 申请1", "已同意申请1"),
        ]
    )


async def test_who_stands_in_is_told_reminded_and_named_in_the_ledger_and_no_roster_ends_it(talk: Talk) -> None:
    await talk.hold([(HEAD, f"委托 {OFFICER} 1月5日至2月8日", "已委托")])
    assert "2026年2月8日" in said(talk, OFFICER, "【委托】")[-1].text
    await roster_rows.apply(SAMPLE, "test", talk.now, 600)
    assert not await roster_rows.difference(SAMPLE, talk.now.date(), 600)
    (row,) = await fetch("SELECT until FROM post WHERE acting_for IS NOT NULL")
    assert str(row["until"]) == "2026-02-08"
    await talk.go_to("2026-01-23 10:00")
    assert "行政执法年度分析报告" in said(talk, HEAD, "行政执法年度分析报告")[-1].text
    await talk.hold(
        [
            (OFFICER, f"转办 #{{report}} {OFFICER}", "已转办"),
            (OFFICER, "进展 #{report} 初稿已送审", "记进展"),
            (HEAD, "详情 #{report}", "昌吉市城管局经办人（代昌吉市城管局负责人） 转办", "昌吉市城管局经办人 进展"),
            (HEAD, "委托 取消", "已收回"),
            (OFFICER, "待办", "! 代 昌吉市城管局负责人"),
        ]
    )
    assert said(talk, OFFICER, "收回了对您的委托")


def without(person: str, role: str) -> Roster:
    """The sample roster when somebody has left a post."""
    units = tuple(
        one.model_copy(update={"posts": tuple(p for p in one.posts if (p.person, p.role) != (person, role))})
        for one in SAMPLE.units
    )
    return replace(SAMPLE, units=units, digest=f"{SAMPLE.digest[:-8]}{person[-8:]}")


async def test_when_who_stands_in_leaves_the_delegation_ends_and_the_head_is_told(database_url: str) -> None:
    async with begun(database_url) as talk:
        await learn(talk)
        await talk.hold(
            [(HEAD, f"委托 {OFFICER} 1月4日至2月8日", "已委托"), (OFFICER, "待办", "代 昌吉市城管局负责人")]
        )
        await roster_rows.apply(without(OFFICER, "officer"), "test", at("2026-01-05 09:00"), 600)
        await talk.go_to("2026-01-06 10:00")
        (news,) = said(talk, HEAD, "已不在昌吉市城市管理局任职")
        assert "请另行委托" in news.text
        assert said(talk, OFFICER, "已不在昌吉市城市管理局任职") == []
        await talk.hold([(OFFICER, f"转办 #{{plan}} {OFFICER}", "没有在任岗位"), (HEAD, "委托 取消", "没有委托")])
        await talk.go_to("2026-01-07 10:00")
        assert len(said(talk, HEAD, "已不在昌吉市城市管理局任职")) == 1
        assert await silent_changes() == []


async def test_when_the_holder_leaves_nobody_stands_in_any_more(talk: Talk) -> None:
    await talk.hold([(HEAD, f"委托 {OFFICER} 1月4日至2月8日", "已委托")])
    await roster_rows.apply(without(HEAD, "head"), "test", at("2026-01-05 09:00"), 600)
    await talk.go_to("2026-01-06 10:00")
    assert said(talk, OFFICER, "不再担任昌吉市城市管理局负责人")
    await talk.hold([(OFFICER, f"转办 #{{plan}} {OFFICER}", "转办由昌吉市城市管理局的负责人决定")])


async def test_an_officer_who_cannot_be_told_is_named(talk: Talk) -> None:
    await execute("DELETE FROM identity WHERE person_id = (SELECT id FROM person WHERE code = :code)", code=OFFICER)
    await talk.hold([(HEAD, "转办 #{plan} 昌吉市城管局经办人", "已转办", "还没有绑定", "邀请")])


async def test_of_two_officers_of_one_name_the_code_decides(talk: Talk) -> None:
    await execute("UPDATE person SET name = '李科员' WHERE code IN :codes", codes=[OFFICER, WATER])
    await execute(
        "INSERT INTO post (person_id, unit_id, role) SELECT n.id, u.id, 'officer' FROM person n, unit u"
        " WHERE n.code = :code AND u.code = 'cjs-urban'",
        code=WATER,
    )
    await talk.hold(
        [
            (HEAD, "转办 #{plan} 李科员", "不止一人", OFFICER, WATER),
            (HEAD, WATER, "已转办", "由李科员办理"),
            (WATER, "待办", "1. 年度学法计划", "★转办给您"),
            (HEAD, f"转办 #{{plan}} {OFFICER}", "已转办"),
        ]
    )
    assert said(talk, WATER, "不再由您专办")


async def test_a_waiver_ends_by_itself_and_the_unit_is_told_in_office_hours(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "免办 #{report} 过渡期 至1月8日", "已免办")])
    await talk.go_to("2026-01-08 23:59")
    assert await state(talk, "report") == "waived"
    await talk.go_to("2026-01-09 00:01")
    assert await state(talk, "report") == "pending"
    assert said(talk, OFFICER, "【恢复办理】") == []
    await talk.go_to("2026-01-09 10:00")
    (news,) = said(talk, OFFICER, "恢复办理】")
    assert talk.filled("#{report}") in news.text
    await talk.go_to("2026-01-12 10:00")
    assert len(said(talk, OFFICER, "恢复办理】")) == 1
    assert await acts(talk, "report") == ["waive", "reopen"]


async def test_what_was_due_while_it_was_waived_is_overdue_the_day_after(talk: Talk) -> None:
    await talk.hold(
        [
            (SUPERVISOR, "免办 #{report} 过渡期 至2月28日", "已免办"),
            (CLOCK, "2026-02-10 10:00"),
            (SUPERVISOR, "逾期 城市管理局 年度分析报告", "没有逾期"),
            (CLOCK, "2026-03-02 10:00"),
            (SUPERVISOR, "逾期 城市管理局 年度分析报告", "逾期 1 项"),
            (HEAD, "待办", "已逾期 30 天"),
        ]
    )


async def test_a_downtime_over_the_last_day_skips_nothing_and_a_second_tick_does_nothing(talk: Talk) -> None:
    await talk.hold([(SUPERVISOR, "免办 #{report} 过渡期 至1月8日", "已免办")])
    await talk.go_to("2026-06-01 10:00")
    await talk.bot.step()
    assert await acts(talk, "report") == ["waive", "reopen"]


async def test_an_answer_about_several_is_taken_back_whole(talk: Talk) -> None:
    await talk.hold(
        [
            (OFFICER, f"完成 #{{report}}、#{{law}} {SHOWN}", "已报结"),
            (OFFICER, "撤回", "#{report} 恢复为“待签收”", "#{law} 恢复为“待签收”"),
        ]
    )
    assert [await acts(talk, "report"), await acts(talk, "law")] == [["report", "undo"], ["report", "undo"]]


async def test_each_of_several_has_its_own_line_and_can_be_taken_back_alone(talk: Talk) -> None:
    await talk.hold(
        [
            (OFFICER, f"完成 #{{report}}、#{{law}} {SHOWN}", "已报结"),
            (OFFICER, "撤回 #{report}", "#{report} 恢复为“待签收”", "! #{law}"),
        ]
    )
    assert [await acts(talk, "report"), await acts(talk, "law")] == [["report", "undo"], ["report"]]


async def test_acts_are_taken_back_one_after_the_other(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.hold(
            [
                (OFFICER, "签收 #{report}", "已签收"),
                (OFFICER, "完成 #{report} 昌市城管〔2026〕3号", "还缺：向社会公开（链接）"),
                (OFFICER, "https://cj.gov.cn/a", "已报结"),
                (OFFICER, "撤回", "#{report} 恢复为“已签收”"),
                (OFFICER, "详情 #{report}", "昌市城管〔2026〕3号", "! https"),
                (OFFICER, "撤回", "#{report} 恢复为“已签收”"),
                (OFFICER, "详情 #{report}", "! 〔2026〕3号"),
                (OFFICER, "undo", "#{report} is pending again"),
                (OFFICER, "撤回", "没有10分钟内可撤回"),
                (OFFICER, "自查 5 缺：没接", "缺 1"),
                (OFFICER, "自查 5 是", "缺 0"),
                (OFFICER, "撤回", "恢复为“已签收”"),
                (OFFICER, "自查 缺", "没接"),
                (OFFICER, "撤回", "恢复为“待签收”"),
                (OFFICER, "自查", "已答 0/"),
            ]
        )
        assert await silent_changes() == []


async def test_a_colleague_takes_back_what_stood_before_an_act_that_was_taken_back(talk: Talk) -> None:
    await talk.hold(
        [
            (OFFICER, "签收 #{report}", "已签收"),
            (HEAD, f"完成 #{{report}} {SHOWN}", "已报结"),
            (OFFICER, "撤回", "此后又有新的办理，不能撤回"),
            (HEAD, "撤回", "恢复为“已签收”"),
            (OFFICER, "撤回", "恢复为“待签收”"),
        ]
    )


async def test_some_dialogues_hold_on_both_databases(database_url: str) -> None:
    async with begun(database_url) as talk:
        await learn(talk)
        await talk.hold(DIALOGUES["a waiver is taken back within ten minutes, afterwards by its own word"])
        await talk.hold(DIALOGUES["a note acknowledges, and is no report"])
        await talk.hold(DIALOGUES["the head gives work to an officer, who sees it first"])
        await talk.hold([(OFFICER, "申请免办 #{law} 机构已撤并", "已提出申请1"), (SUPERVISOR, "同意", "申请1 免办")])
        await talk.hold([(SUPERVISOR, "不同意 申请1 职能还在", "已不同意申请1"), (SUPERVISOR, "同意", "没有待答复")])
        await talk.hold([(SUPERVISOR, "免办 #{law} 过渡期 至1月8日", "已免办")])
        await talk.hold([(HEAD, f"委托 {OFFICER} 1月5日至1月8日", "已委托"), (HEAD, "委托 取消", "已收回")])
        await talk.go_to("2026-01-09 10:00")
        assert await state(talk, "law") == "pending"
        assert said(talk, OFFICER, "恢复办理】")
        assert await silent_changes() == []


TODAY = at("2026-01-04 10:00").date()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1月4日", "2026-01-04"), ("1月3日", "2027-01-03"), ("12月31日", "2026-12-31"),
        ("2025年12月31日", "2025-12-31"), ("今天", "2026-01-04"), ("明天", "2026-01-05"), ("20260301", "2026-03-01"),
    ],
)  # fmt: skip
def test_a_day_to_come_without_a_year_is_the_next_one(text: str, day: str) -> None:
    assert str(coming_day(text, TODAY)) == day


def test_a_leap_day_to_come_is_the_next_there_is() -> None:
    assert str(coming_day("2月29日", at("2025-01-04 10:00").date())) == "2028-02-29"


@pytest.mark.parametrize(
    ("text", "day", "rest"),
    [
        ("过渡期 至 2026-12-31", "2026-12-31", "过渡期"),
        ("至12月31日，过渡期", "2026-12-31", "过渡期"),
        ("1月1日至3月1日停办 到 3月5日止", "2026-03-05", "1月1日至3月1日停办"),
        ("3月1日前另有安排", None, "3月1日前另有安排"),
        ("until tomorrow, moving", "2026-01-05", "moving"),
        ("", None, ""),
    ],
)
def test_the_day_up_to_which_something_holds_is_the_one_named_last(text: str, day: str | None, rest: str) -> None:
    found, words = read_until(text, TODAY)
    assert (str(found) if found else None, words) == (day, rest)


@pytest.mark.parametrize(
    ("text", "numbers", "rest"),
    [
        ("1、3、5 昌市城管〔2026〕3号", [1, 3, 5], "昌市城管〔2026〕3号"),
        ("1-3 1月4日", [1, 2, 3], "1月4日"),
        ("#17 #18 文号", [17, 18], "文号"),
        ("第1项和第2项，已办", [1, 2], "已办"),
        ("1 3 昌市城管〔2026〕3号", [], "1 3 昌市城管〔2026〕3号"),
        ("2，3月1日报送", [], "2，3月1日报送"),
        ("2，20260103", [], "2，20260103"),
        ("#5 2", [], "#5 2"),
        ("3 60 of 60", [], "3 60 of 60"),
        ("2026-01-03", [], "2026-01-03"),
    ],
)
def test_several_numbers_at_the_beginning_are_told_from_days_and_counts(
    text: str, numbers: list[int], rest: str
) -> None:
    found, words = leading_numbers(text)
    assert ([number for _, number in found], words) == (numbers, rest)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1、3 签收", "1、3"),
        ("#17完成", "#17"),
        ("1.完成", "1"),
        ("签收", ""),
        ("2026-01-03 完成", ""),
    ],
)
def test_numbers_before_a_word_are_numbers_only_when_nothing_else(text: str, numbers: str) -> None:
    assert numbers_first(text)[0] == numbers


def test_a_day_before_a_word_is_no_number_of_a_list() -> None:
    assert match("3月1日完成") is None
