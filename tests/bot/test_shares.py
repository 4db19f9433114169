"""牵头 and 配合 in chat: partners named, reminded and answering; the lead waits for each."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.base import Incoming
from bot import exports
from bot.conversation.ask import Surroundings
from bot.store.asked import Asked, Kind
from bot.store.oversight import NOTHING
from bot.wording.grammar import as_partner, as_taken_back
from duties.ledger import StreamRef
from duties.store import reading
from duties.store.chains import history
from duties.store.database import execute, fetch
from duties.store.verifying import silent_changes
from tests.bot.play import LAW, Play
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
WATER_HEAD, LEAD, JUSTICE = "cjs-water-head", "cjs-performance-head", "cjs-justice-head"
CITY_OUTSIDE = "木垒县司法局"
JOINT = ("cjs-performance", "law-government-inspection", "2026-H1")


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("shares"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        await learn(found)
        yield found
        assert await silent_changes() == []


async def learn(talk: Talk) -> None:
    (row,) = await fetch(
        "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
        " WHERE u.code = :unit AND t.duty = :duty AND t.label = :label",
        **dict(zip(("unit", "duty", "label"), JOINT, strict=True)),
    )
    talk.numbers["joint"] = row["id"]


async def state(talk: Talk, name: str) -> str:
    (row,) = await fetch("SELECT state FROM obligation WHERE id = :id", id=talk.numbers[name])
    return str(row["state"])


async def standing(talk: Talk, name: str = "report") -> dict[str, str]:
    rows = await fetch(
        "SELECT u.code, s.state FROM share s JOIN unit u ON u.id = s.unit_id WHERE s.obligation_id = :id ORDER BY s.id",
        id=talk.numbers[name],
    )
    return {row["code"]: row["state"] for row in rows}


def said(talk: Play, who: str, words: str) -> list[str]:
    return [sent.text for sent in talk.told(who) if words in sent.text]


NAMED = (HEAD, "配合 #{report} 昌吉市水利局", "已指定配合：昌吉市水利局", "台账号")
DIALOGUES: dict[str, tuple[Row, ...]] = {
    "named, acknowledged, answered; only then may the lead report": (
        NAMED,
        (HEAD, "配合 #{report} 昌吉市水利局", "现为“待签收”", "未作改动"),
        (WATER, "待办", "配合 1 项待答复", "配合（牵头：昌吉市城市管理局）", "待签收"),
        (WATER, "签收 #{report}", "已签收配合：昌吉市水利局", "牵头：昌吉市城市管理局"),
        (WATER, "签收 #{report}", "现为“已签收”", "无须再签收"),
        (HEAD, "完成 #{report}", "还有 1 个配合单位未答，不能报结：昌吉市水利局（自2026年1月4日", "依据可先报",
         "免配合 #{report}", "昌吉市司法局执法监督员", "台账号"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "已记下昌吉市城市管理局“行政执法年度分析报告”", "还没有报结", "台账号",
         "还有 1 个配合单位未答：昌吉市水利局（自2026年1月4日", "回复“完成 #{report}”即报结，不必重报依据",
         "昌吉市司法局执法监督员回复“免配合 #{report} 单位 理由”", "! 还缺"),
        (HEAD, "完成 #{report}", "还有 1 个配合单位未答，不能报结"),
        (OFFICER, "详情 #{report}", "已签收", NUMBER, "补充依据"),
        (WATER, "完成 #{report}", "办理情况"),
        (WATER, "好的", "办理情况"),
        (WATER, "什么意思？", "办理情况"),
        (WATER, "昌市水〔2026〕8号 2026-02-30", "没有“2026-02-30”这一天"),
        (WATER, "昌市水〔2026〕8号 2099-01-01", "2099年1月1日"),
        (WATER, "昌市水〔2026〕8号 数据已报", "已答复配合：昌吉市水利局", "均已答复，已告知牵头单位", "撤回"),
        (WATER, "完成 #{report} 再报一次", "昌吉市水利局配合", "现为“已答复”", "未作改动"),
        (OFFICER, "详情 #{report}", "配合：昌吉市水利局 已答复", "昌市水〔2026〕8号", "数据已报",
         "答复配合：昌吉市水利局"),
        (HEAD, "完成 #{report}", "已报结"),
        (SUPERVISOR, "待核", NUMBER, "https://cj.gov.cn/a"),
        (WATER, "撤回", "此后又有新的办理，不能撤回"),
    ),
    "named by 转办, by 协办, in English": (
        (HEAD, "转办 #{report} 水利局 配合", "已指定配合：昌吉市水利局"),
        (HEAD, "撤回", "已撤回"),
        (HEAD, "协办 #{report} 水利局", "已指定配合：昌吉市水利局"),
        (HEAD, "partner #{report} 昌吉市水利局 cancel", "No partner any more"),
        (HEAD, "partner #{report} 昌吉市水利局", "Partner named", "not to be reported before it answers"),
        (WATER, "ack #{report}", "Acknowledged as partner"),
        (HEAD, "done #{report}", "cannot be reported: 1 partners have not answered"),
        (HEAD, f"done #{{report}} {NUMBER}", "Kept as evidence", "Still wanted: ", "1 partners have not answered",
         '"done #{report}" then reports it', "! the report is made"),
        (HEAD, "thanks", "Reply with what shows"),
        (HEAD, "https://cj.gov.cn/a", "Kept as evidence", "! Still wanted"),
        (WATER, "done #{report} figures sent", "Answered as partner", "the lead was told"),
        (WATER, "undo", "Undone: the part of", "is acknowledged again", "(lead: "),
        (SUPERVISOR, "release partner #{report} 水利局 no water involved", "Partner released"),
        (HEAD, "done #{report}", "Reported"),
    ),
    "who may let the supervising bureau off is not of that bureau": (
        (SUPERVISOR, "配合 #{report} 昌吉市司法局", "已指定配合"),
        (HEAD, "完成 #{report}", "昌吉州司法局执法监督员回复“免配合", "! 昌吉市司法局执法监督员"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "昌吉州司法局执法监督员回复“免配合", "! 昌吉市司法局执法监督员"),
        ("cjz-justice-supervisor", "免配合 #{report} 昌吉市司法局 已会商", "已免配合"),
    ),
    "who may name a partner, and whom": (
        (OFFICER, "配合 #{report} 水利局", "负责人（昌吉市城管局负责人）", "昌吉市司法局执法监督员"),
        (WATER_HEAD, "配合 #{report} 水利局", "由牵头单位昌吉市城市管理局的负责人"),
        (HEAD, "配合 #{report} 昌吉市城市管理局", "没有名为“昌吉市城市管理局”的单位"),
        (HEAD, "取消", "取消"),
        (HEAD, f"配合 #{{report}} {CITY_OUTSIDE}", "不在昌吉市城市管理局的监督员所管范围内", "能指定的人："),
        (HEAD, "配合 #{report}", "由哪个单位配合", "现有配合单位：无"),
        (HEAD, "好的", "由哪个单位配合"),
        (HEAD, "没有这样的局名", "没有名为"),
        (HEAD, "水利局", "已指定配合：昌吉市水利局"),
        (HEAD, "配合 #{study} 水利局", "由本单位逐次计数，不设配合单位"),
        (SUPERVISOR, "配合 #{cases} 水利局", "已指定配合：昌吉市水利局"),
        (SUPERVISOR, "配合 #{mulei} 水利局", "由牵头单位木垒"),
        (HEAD, "配合 #{report}、#{cases} 水利局", "要指定配合哪一项"),
        (HEAD, "2", "配合"),
    ),
    "a partner takes back its own part, the lead's work stays as it is": (
        NAMED,
        (OFFICER, "签收 #{report}", "已签收"),
        (WATER, "完成 #{report} 免公开", "办理情况"),
        (WATER, "数据已报", "已答复配合"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "已报结"),
        (WATER, "撤回", "此后又有新的办理"),
        (HEAD, "撤回", "昌吉市城市管理局“行政执法年度分析报告”", "恢复为“已签收”"),
        (WATER, "撤回", "已撤回：昌吉市水利局配合", "（牵头：昌吉市城市管理局）恢复为“待签收”", "! 恢复为“已签收”"),
        (WATER, "待办", "配合 1 项待答复"),
    ),
    "taken back, released, and who may": (
        NAMED,
        (SUPERVISOR, "配合 #{cases} 水利局", "已指定配合"),
        (HEAD, "配合 #{cases} 水利局 取消", "不是您指定的", "昌吉市司法局执法监督员"),
        (HEAD, "配合 #{report} 林业局 取消", "“林业局”不是 #{report} 的配合单位"),
        (HEAD, "取消", "取消"),
        (HEAD, "配合 #{report} 水利局 取消", "已取消配合：昌吉市水利局"),
        (WATER, "签收 #{report}", "现为“免配合”"),
        (HEAD, "配合 #{report} 水利局", "已指定配合"),
        (WATER, "免配合 #{report} 水利局 没空", "本单位的人不能免自己的配合", "昌吉市司法局执法监督员"),
        (SUPERVISOR, "免配合 #{report}", "免哪个单位配合", "未答：昌吉市水利局"),
        (SUPERVISOR, "水利局", "请回复免去昌吉市水利局配合"),
        (SUPERVISOR, "好的", "请回复免去昌吉市水利局配合"),
        (SUPERVISOR, "不涉及水利", "已免配合：昌吉市水利局", "理由：不涉及水利"),
        (HEAD, "配合 #{report} 水利局", "已由监督员免配合（不涉及水利）"),
        (SUPERVISOR, "免配合 #{report} 水利局 再免", "现为“免配合”"),
        (OFFICER, "详情 #{report}", "配合：昌吉市水利局 免配合：不涉及水利"),
        (SUPERVISOR, "免配合 #{cases} 水利局 不涉及", "已免配合"),
        (SUPERVISOR, "撤回", "已撤回"),
        (SUPERVISOR, "配合 #{report} 水利局", "已指定配合"),
        (SUPERVISOR, "免配合 #{water} 城管局 理由", "没有未答的配合单位"),
    ),
    "sent back: the lead's alone, or with a partner named": (
        NAMED,
        (WATER, "完成 #{report} 数据已报", "已答复配合"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "已报结"),
        (SUPERVISOR, "退回 #{report} 缺附件", "已退回", "理由：缺附件"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "已报结"),
        (SUPERVISOR, "退回 #{report} 水利局 数据有误", "已退回", "理由：数据有误", "昌吉市水利局须重新答复"),
        (SUPERVISOR, "撤回", "已撤回"),
        (SUPERVISOR, "退回 #{report} 水利局 数据有误", "昌吉市水利局须重新答复"),
        (HEAD, f"完成 #{{report}} {SHOWN}", "已记下", "还有 1 个配合单位未答"),
        (WATER, "详情 #{report}", "配合：昌吉市水利局 待签收", "数据有误"),
        (WATER, "完成 #{report} 已更正", "已答复配合"),
        (HEAD, "完成 #{report}", "已报结"),
    ),
    "one partner's word does not bar another's undo, nor the lead's": (
        NAMED,
        (HEAD, "配合 #{report} 昌吉市司法局", "已指定配合：昌吉市司法局"),
        (OFFICER, "签收 #{report}", "已签收：昌吉市城市管理局"),
        (WATER, "完成 #{report} 数据已报", "还有配合单位未答：昌吉市司法局"),
        (JUSTICE, "签收 #{report}", "已签收配合：昌吉市司法局"),
        (WATER, "撤回", "已撤回"),
        (WATER, "撤回", "没有10分钟内可撤回的操作"),
        (OFFICER, "撤回", "已撤回"),
        (OFFICER, "签收 #{report}", "已签收：昌吉市城市管理局"),
        (JUSTICE, "撤回", "已撤回"),
    ),
    "a joint duty's partner is there by itself, and the law's is not taken back": (
        (JUSTICE, "待办", "法治政府建设半年督查", "配合（牵头：昌吉市绩效办）"),
        (JUSTICE, "详情 #{joint}", "配合：昌吉市司法局 待签收"),
        (LEAD, "配合 #{joint} 昌吉市司法局 取消", "是规定的职责，不能取消"),
        (SUPERVISOR, "免配合 #{joint} 司法局 没空", "本单位的人不能"),
        (LEAD, "完成 #{joint} 昌法督〔2026〕1号 今天", "已记下", "还有 1 个配合单位未答", "昌吉市司法局"),
        (JUSTICE, "完成 #{joint} 督查方案已会签", "已答复配合"),
        (LEAD, "完成 #{joint}", "已报结"),
    ),
    "what is not open takes no partner's word": (
        NAMED,
        (SUPERVISOR, "免办 #{report} 机构已撤并", "已免办"),
        (WATER, "完成 #{report} 数据已报", "现为“免办”", "未作改动"),
        (WATER, "签收 #{report}", "现为“免办”"),
        (HEAD, "配合 #{report} 司法局", "现为“免办”"),
        (WATER, "待办", "! 配合（"),
        (SUPERVISOR, "免配合 #{report} 水利局 已免办", "现为“免办”"),
    ),
    "how far a part is, for all who may look": (
        NAMED,
        (WATER, "进展 #{report}", "请回复“行政执法年度分析报告”", "进展"),
        (WATER, "好的", "进展"),
        (WATER, "数据在汇总", "已签收并记进展：昌吉市水利局配合", "牵头：", "数据在汇总", "尚未答复", "台账号"),
        (WATER, "进展 #{report} 数据已汇总", "已记进展：昌吉市水利局配合", "! 已签收"),
        (SUPERVISOR, "详情 #{report}", "配合：昌吉市水利局 已签收", "昌吉市水利局 数据已汇总"),
        (HEAD, "详情 #{report}", "待签收", "昌吉市水利局 数据已汇总"),
        (WATER, "撤回", "已撤回", "恢复为“已签收”"),
        (WATER_HEAD, "update #{report} table sent", "Noted as partner", "table sent"),
        (JUSTICE, "进展 #{report} 何时报", "您不能代办"),
        (WATER, "完成 #{report} 数据已报", "已答复配合"),
        (WATER, "进展 #{report} 又改了", "现为“已答复”", "未作改动"),
    ),
    "supervisors see who is missing beside their totals": (
        NAMED,
        (SUPERVISOR, "未签收", "另有配合未签收 1 项（不计入上述总数）", "昌吉市水利局 配合未答：行政执法年度分析报告"),
        (SUPERVISOR, "单位 水利局", "配合未答 1 项", "牵头 昌吉市城市管理局"),
        (SUPERVISOR, "单位 城管局", "! 配合未答"),
        (SUPERVISOR, "逾期", "! 配合未答"),
        (CLOCK, "2026-02-02 11:00"),
        (SUPERVISOR, "逾期 城管局", "逾期 2 项", "昌吉市城市管理局 待签收 #{report}；配合未答：昌吉市水利局"),
        (SUPERVISOR, "逾期 水利局", "另有配合未答且已过期 1 项（不计入上述总数）", "昌吉市水利局 配合未答"),
        (SUPERVISOR, "unacknowledged", "Partners that have not acknowledged"),
        (WATER, "完成 #{report} 数据已报", "已答复配合"),
        (SUPERVISOR, "逾期 水利局", "! 配合未答"),
        (SUPERVISOR, "单位 水利局", "! 配合未答"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
async def test_a_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name])


@pytest.mark.parametrize("name", ["named, acknowledged, answered; only then may the lead report"])
async def test_a_dialogue_on_both_databases(database_url: str, name: str) -> None:
    async with begun(database_url) as found:
        await learn(found)
        await found.hold(DIALOGUES[name])
        assert await silent_changes() == []


async def test_the_partner_is_told_at_once_and_the_lead_when_all_have_answered(talk: Talk) -> None:
    await talk.hold([NAMED])
    for who in (WATER, WATER_HEAD):
        (told,) = [one for one in talk.told(who) if "【配合】" in one.text]
        assert "牵头：昌吉市城市管理局" in told.text
        number = talk.numbers["report"]
        assert [button.value for button in told.buttons] == [
            f"{v}:{number}" for v in ("acknowledge", "report", "detail")
        ]
    await talk.hold([(WATER_HEAD, "> acknowledge:{report}", "已签收配合"), (WATER, "> report:{report}", "办理情况")])
    assert not said(talk, OFFICER, "配合已齐")
    await talk.hold([(WATER, "数据已报", "已答复配合")])
    assert len(said(talk, OFFICER, "配合已齐")) == len(said(talk, HEAD, "配合已齐")) == 1
    await talk.hold([(WATER, "撤回", "已撤回")])
    assert len(said(talk, HEAD, "【撤回】")) == 1


KEPT = (HEAD, f"完成 #{{report}} {SHOWN}", "已记下", "还有 1 个配合单位未答")


@pytest.mark.parametrize(
    "last",
    [
        (WATER, "完成 #{report} 数据已报", "均已答复，已告知牵头单位"),
        (SUPERVISOR, "免配合 #{report} 水利局 不涉及", "已免配合"),
    ],
)
async def test_what_was_kept_is_reported_by_a_button_once_nobody_is_waited_for(talk: Talk, last: Row) -> None:
    await talk.hold([NAMED, KEPT, last])
    for who in (OFFICER, HEAD):
        (told,) = [one for one in talk.told(who) if "【配合已齐】" in one.text]
        assert talk.filled("依据也已备齐：回复“完成 #{report}”或按按钮即报结") in told.text
        assert [button.value for button in told.buttons] == [talk.filled("report:{report}")]
    await talk.hold([(OFFICER, "> report:{report}", "已报结"), (SUPERVISOR, "待核", NUMBER)])


async def test_the_lead_whose_evidence_is_not_complete_is_offered_no_button(talk: Talk) -> None:
    await talk.hold([
        NAMED, (HEAD, f"完成 #{{report}} {NUMBER}", "已记下", "还缺：向社会公开（链接）", "还有 1 个配合单位未答"),
        (WATER, "完成 #{report} 数据已报", "均已答复"),
    ])  # fmt: skip
    (told,) = [one for one in talk.told(OFFICER) if "【配合已齐】" in one.text]
    assert "可以报结" in told.text
    assert not told.buttons
    await talk.hold([(OFFICER, "完成 #{report} https://cj.gov.cn/a", "已报结")])


async def test_a_partner_taken_back_frees_what_was_kept(talk: Talk) -> None:
    await talk.hold([NAMED, KEPT, (HEAD, "配合 #{report} 水利局 取消", "已取消配合", "回复“完成 #{report}”即可")])
    assert len(said(talk, OFFICER, "依据也已备齐")) == 1
    await talk.hold([
        (SUPERVISOR, "配合 #{report} 水利局", "已指定配合"), (HEAD, "完成 #{report}", "不能报结"),
        (SUPERVISOR, "撤回", "已撤回"),
    ])  # fmt: skip
    assert len(said(talk, OFFICER, "依据也已备齐")) == 2
    await talk.hold([(OFFICER, "完成 #{report}", "已报结")])


async def test_what_was_kept_and_taken_back_is_not_there(talk: Talk) -> None:
    await talk.hold([
        NAMED, KEPT, (HEAD, "撤回", "已撤回", "待签收"), (HEAD, "完成 #{report}", "不能报结"),
        (WATER, "完成 #{report} 数据已报", "均已答复"),
    ])  # fmt: skip
    assert not said(talk, OFFICER, "依据也已备齐")
    await talk.hold([(HEAD, "完成 #{report}", "请回复“行政执法年度分析报告”")])


async def test_the_lead_hears_that_a_release_was_taken_back(talk: Talk) -> None:
    await talk.hold([NAMED, (SUPERVISOR, "免配合 #{report} 水利局 不涉及", "已免配合"), (SUPERVISOR, "撤回", "已撤回")])
    assert len(said(talk, HEAD, "【撤回】")) == len(said(talk, WATER, "【撤回】")) == 1


async def test_what_is_taken_back_is_told_to_the_partner(talk: Talk) -> None:
    await talk.hold([NAMED, (HEAD, "撤回", "已撤回")])
    assert len(said(talk, WATER, "【撤回】")) == 1
    await talk.hold([NAMED, (HEAD, "配合 #{report} 水利局 取消", "已取消配合")])
    assert len(said(talk, WATER, "【取消配合】")) == 1
    await talk.hold([NAMED, (SUPERVISOR, "免配合 #{report} 水利局 不涉及", "已免配合")])
    assert len(said(talk, WATER, "【免配合】")) == len(said(talk, HEAD, "配合已齐")) == 1


async def test_undoing_what_concerned_nobody_else_is_told_to_nobody(talk: Talk) -> None:
    await talk.hold([
        NAMED, (WATER, "进展 #{report} 数据在汇总", "记进展"), (WATER, "撤回", "已撤回"),
        (WATER, "稍后 #{report} 明天", "再提醒您"), (WATER, "撤回", "已撤回"),
    ])  # fmt: skip
    assert not said(talk, HEAD, "【撤回】")


WAIVED = (SUPERVISOR, "免办 #{report} 机构已撤并", "已免办")


async def test_a_partner_hears_once_that_the_lead_was_let_off_and_of_its_undoing(talk: Talk) -> None:
    await talk.hold([NAMED, (HEAD, "配合 #{report} 司法局", "已指定配合"), (JUSTICE, "完成 #{report} 已报", "已答复")])
    await talk.hold([WAIVED, (WATER, "待办", "! 配合（")])
    (told,) = said(talk, WATER, "【免办】")
    assert "昌吉市水利局不必再配合，理由：机构已撤并" in told
    assert not said(talk, JUSTICE, "【免办】")
    for day in ("2026-01-16", "2026-01-26", "2026-01-30", "2026-02-02"):
        await talk.go_to(f"{day} 11:00")
    assert not said(talk, WATER, "配合（牵头：昌吉市城市管理局）")
    await talk.hold([(SUPERVISOR, "恢复办理 #{report}", "已恢复办理"), (CLOCK, "2026-02-02 11:05")])
    assert len(said(talk, WATER, "配合（牵头：昌吉市城市管理局）")) == 1
    await talk.hold([(WATER, "待办", "配合 1 项待答复"), (SUPERVISOR, "撤回", "已撤回")])
    assert len(said(talk, WATER, "【免办】")) == 2
    await talk.hold([(SUPERVISOR, "恢复办理 #{report}", "已恢复办理"), WAIVED, (SUPERVISOR, "撤回", "已撤回")])
    (again,) = [one for one in talk.told(WATER) if "【恢复办理】" in one.text]
    assert "昌吉市水利局仍须配合，截止 2026年1月31日" in again.text
    assert [button.value.partition(":")[0] for button in again.buttons] == ["acknowledge", "report", "detail"]


async def test_a_waiver_that_was_asked_for_or_runs_out_is_told_to_the_partner_too(database_url: str) -> None:
    async with begun(database_url) as talk:
        await talk.hold(
            [NAMED, (HEAD, "申请免办 #{report} 机构已撤并", "申请"), (SUPERVISOR, "同意 #{report}", "已同意")]
        )
        assert len(said(talk, WATER, "【免办】")) == 1
        await talk.hold([(SUPERVISOR, "撤回", "已撤回")])
        assert len(said(talk, WATER, "【恢复办理】")) == 1
        await talk.hold([(SUPERVISOR, "免办 #{report} 机构调整 至1月9日", "已免办"), (CLOCK, "2026-01-12 11:00")])
        for who in (WATER, WATER_HEAD):
            assert len(said(talk, who, "【恢复办理】")) == 2
        await talk.go_to("2026-01-12 11:30")
        await talk.hold([(SUPERVISOR, "配合 #{report} 司法局", "已指定配合"), (CLOCK, "2026-01-12 12:00")])
        assert len(said(talk, WATER, "【恢复办理】")) == 2
        assert not said(talk, JUSTICE, "【恢复办理】")
        assert await silent_changes() == []


async def test_who_is_of_the_lead_too_is_told_of_the_waiver_once(talk: Talk) -> None:
    await execute(
        "INSERT INTO post (person_id, unit_id, role) SELECT n.id, u.id, 'officer' FROM person n, unit u"
        " WHERE n.code = :code AND u.code = 'cjs-water'",
        code=OFFICER,
    )
    await talk.hold([NAMED, WAIVED])
    assert len(said(talk, OFFICER, "【免办】")) == 1


async def test_a_partner_nobody_can_reach_is_said_so(talk: Talk) -> None:
    await execute("DELETE FROM identity WHERE address LIKE 'cjs-water-%'")
    await talk.hold([(HEAD, "配合 #{report} 水利局", "还没有人绑定，收不到通知")])


async def test_partners_are_reminded_like_the_lead_until_they_answer(talk: Talk) -> None:
    await talk.hold([NAMED, (CLOCK, "2026-01-16 11:00")])
    told = said(talk, WATER, "配合（牵头：昌吉市城市管理局）")
    assert told
    assert "行政执法年度分析报告" in told[-1]
    await talk.hold([(WATER, "签收 #{report}", "已签收配合"), (CLOCK, "2026-01-19 11:00")])
    seen = len(said(talk, WATER, "配合（牵头：昌吉市城市管理局）"))
    await talk.hold([(WATER, "完成 #{report} 数据已报", "已答复配合")])
    for day in ("2026-01-26", "2026-01-30", "2026-02-02", "2026-02-09"):
        await talk.go_to(f"{day} 11:00")
    assert len(said(talk, WATER, "配合（牵头：昌吉市城市管理局）")) == seen
    assert not await fetch("SELECT 1 FROM reminder GROUP BY obligation_id, due, rung, audience HAVING COUNT(*) > 1")


async def test_the_supervisors_rungs_name_the_partners_that_have_not_answered(talk: Talk) -> None:
    await talk.hold([NAMED])
    for day in ("2026-02-02", "2026-02-04", "2026-02-09", "2026-02-16", "2026-02-24"):
        await talk.go_to(f"{day} 11:00")
    assert said(talk, SUPERVISOR, f"#{talk.numbers['report']}；配合未答：昌吉市水利局")
    before = len(said(talk, WATER, "配合（牵头"))
    await talk.hold([(SUPERVISOR, "免配合 #{report} 水利局 不涉及", "已免配合"), (CLOCK, "2026-03-02 11:00")])
    assert len(said(talk, WATER, "配合（牵头")) == before


async def test_who_takes_over_a_post_is_told_what_its_last_holder_was_not(talk: Talk) -> None:
    await execute("DELETE FROM identity WHERE address LIKE 'cjs-water-%'")
    await talk.hold([NAMED, (CLOCK, "2026-01-16 11:00")])
    (row,) = await fetch("SELECT id FROM unit WHERE code = 'cjs-water'")
    await execute("UPDATE post SET until = '2026-01-18' WHERE unit_id = :unit", unit=row["id"])
    await execute(
        "INSERT INTO post (person_id, unit_id, role) SELECT id, :unit, 'officer' FROM person WHERE code = :code",
        unit=row["id"], code=JUSTICE,
    )  # fmt: skip
    await talk.go_to("2026-01-19 11:00")
    assert said(talk, JUSTICE, "配合（牵头：昌吉市城市管理局）")


async def test_all_is_in_the_obligations_chain_with_who_and_for_which_unit(talk: Talk) -> None:
    await talk.hold([
        NAMED, (WATER, "签收 #{report}", "已签收配合"), (WATER, "完成 #{report} 数据已报", "已答复"),
        (WATER, "撤回", "已撤回"), (SUPERVISOR, "免配合 #{report} 水利局 不涉及", "已免配合"),
    ])  # fmt: skip
    lines = await history(StreamRef("obligation", talk.numbers["report"]))
    assert [line["action"] for line in lines] == [
        "share-add", "share-acknowledge", "share-answer", "undo", "share-release",
    ]  # fmt: skip
    assert all('"unit":"昌吉市水利局"' in line["payload"] for line in lines)
    assert await state(talk, "report") == "pending"
    assert await standing(talk) == {"cjs-water": "released"}


async def test_two_people_who_answer_one_share_at_once_are_told_who_was_first(talk: Talk) -> None:
    await talk.hold([NAMED])
    number = talk.numbers["report"]
    for who, message in ((WATER, "x1"), (WATER_HEAD, "x2")):
        text = f"完成 #{number} 由{who}答复"
        await talk.bot.inbox.receive(Incoming(talk.adapter.connection, "app", message, who, text))
    await talk.bot.step(tick=False)
    answers = [talk.told(who)[-1].text for who in (WATER, WATER_HEAD)]
    assert sum("已答复配合" in text for text in answers) == 1
    assert sum("现为“已答复”" in text for text in answers) == 1


@pytest.mark.parametrize("kind", ["overdue", "unacknowledged", "unit"])
async def test_a_table_names_shares_as_what_they_are_after_the_obligations(talk: Talk, kind: Kind) -> None:
    await talk.hold([NAMED, (CLOCK, "2026-02-02 11:00")])
    (row,) = await fetch("SELECT id FROM person WHERE code = :code", code=SUPERVISOR)
    actor = await reading.actor(row["id"], talk.now.date())
    assert actor is not None
    table = await exports.table(Asked(kind, NOTHING, "zh"), actor, LAW.registry, Surroundings(LAW.workdays), talk.now)
    mine = [line for line in table.rows if line[0] == "昌吉市水利局" and line[-1] == talk.numbers["report"]]
    assert len(mine) == 1
    if kind != "unacknowledged":
        assert "配合未答（待签收；牵头：昌吉市城市管理局）" in mine[0]
    assert table.rows.index(mine[0]) > max(
        n for n, line in enumerate(table.rows) if line[0] == "昌吉市城市管理局" and "配合" not in str(line)
    )


@pytest.mark.parametrize(
    ("text", "unit"),
    [("市公安局 配合", "市公安局"), ("市公安局配合", "市公安局"), ("水利局 协办", "水利局"), ("Water partner", "Water"),
     ("water as partner", "water"), ("李科员", None), ("配合", "")],
)  # fmt: skip
def test_handing_over_to_a_unit_is_told_from_handing_over_to_a_person(text: str, unit: str | None) -> None:
    assert as_partner(text) == unit


@pytest.mark.parametrize(
    ("text", "found"),
    [("水利局 取消", ("水利局", True)), ("取消 水利局", ("水利局", True)), ("水利局", ("水利局", False)),
     ("water cancel", ("water", True)), ("", ("", False))],
)  # fmt: skip
def test_a_partner_is_taken_back_by_a_word_before_or_after_its_name(text: str, found: tuple[str, bool]) -> None:
    assert as_taken_back(text) == found


async def test_the_prefecture_may_release_the_bureau_that_may_not_release_itself(talk: Talk) -> None:
    await talk.hold([
        (PREFECTURE, "免配合 #{joint} 昌吉市司法局 另有安排", "已免配合：昌吉市司法局"),
        (LEAD, "完成 #{joint} 昌法督〔2026〕1号 今天", "已报结"),
    ])  # fmt: skip
