"""Letters in the chat: proposed where the law allows, drafted as a file, signed and served by persons."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import docx
import pytest

from bot import papers
from bot.wording.events import read_letter, read_paper
from duties.registry import DATA
from duties.store.database import fetch
from tests.bot.play import LAW, at
from tests.bot.talk import ADMIN, CLOCK, HEAD, SUPERVISOR, WATER, Row, Talk, copied, prepare, talking

LATE = "2026-02-05 10:00"
DRAFT: Row = (
    SUPERVISOR, "拟稿 督办函 #{report}", "已拟督办函（函1）", "昌吉市城市管理局", "已逾期 5 天", "依据：", "发文 函1",
)  # fmt: skip
ISSUE: Row = (
    SUPERVISOR, "发文 函1 昌司督〔2026〕1号 今天 签发人张三", "已发文：督办函（函1）", "昌司督〔2026〕1号",
    "签发人张三",
)  # fmt: skip
SERVE: Row = (
    SUPERVISOR, "送达 函1 今天 当面签收", "已送达", "当面签收", "已自动立案：个案1", "督办函办理：2026年2月26日",
)  # fmt: skip


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("letters"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path), LATE) as found:
        yield found


DIALOGUES: dict[str, tuple[Row, ...]] = {
    "drafted, signed, served": (
        DRAFT,
        ISSUE,
        (SUPERVISOR, "文书", "函1 督办函 昌吉市城市管理局 昌司督〔2026〕1号", "待送达"),
        SERVE,
        (SUPERVISOR, "文书 函1", "已送达", "导出"),
        (HEAD, "待办", "督办函办理", "个案1"),
    ),
    "the mildest step is drafted where none is named": (
        (SUPERVISOR, "拟稿 #{report}", "已拟督办函"),
        (SUPERVISOR, "拟稿 督办函 #{report}", "已有同类文书：函1"),
    ),
    "asked for what is missing": (
        DRAFT,
        (SUPERVISOR, "发文 函1 昌司督〔2026〕1号", "还缺：签发人"),
        (SUPERVISOR, "签发人张三", "已发文：督办函（函1）", "昌司督〔2026〕1号"),
        (SUPERVISOR, "送达 函1", "哪一天送达"),
        (SUPERVISOR, "今天 邮寄送达", "已送达", "邮寄送达"),
        (SUPERVISOR, "撤函 函1", "请写理由"),
        (SUPERVISOR, "文书有误", "已撤回", "文书有误", "个案1随之结束", "督办函办理", "不再办理"),
        (SUPERVISOR, "撤案 个案1 重复", "个案1已结束"),
        (SUPERVISOR, "文书", "没有文书"),
        (SUPERVISOR, "个案", "没有办理中的个案"),
    ),
    "corrected while it is out, and once it is served": (
        DRAFT,
        (SUPERVISOR, "更正 函1 签发人李四", "函1当前为“待签发”"),
        ISSUE,
        (SUPERVISOR, "更正 函1", "没有可更正的内容"),
        (
            SUPERVISOR,
            "更正 函1 昌司督〔2026〕2号 签发人李四",
            "已更正：督办函（函1）",
            "文号：昌司督〔2026〕1号 → 昌司督〔2026〕2号",
            "签发人：张三 → 李四",
            "台账号",
            "导出",
        ),
        (SUPERVISOR, "更正 函1 2月4日", "发文日期：2026年2月5日", "2026年2月4日"),
        SERVE,
        (SUPERVISOR, "更正 函1 2月4日", "是发文日期还是送达日期"),
        (SUPERVISOR, "送达日", "送达日期：2026年2月5日", "个案1随之更正", "原为2026年2月26日"),
        (SUPERVISOR, "更正 函1 限2月20日前", "期限：— → 2026年2月20日", "督办函办理：2026年2月20日"),
        (SUPERVISOR, "更正 函9 签发人李四", "没有函9"),
        (HEAD, "更正 函1 签发人王五", "台账号"),
    ),
    "dated before the fault, and issued a second time": (
        DRAFT,
        (
            SUPERVISOR,
            "发文 函1 昌司督〔2026〕1号 2026-01-03 签发人李局长",
            "签发日2026年1月3日",
            "#{report}应于2026年1月31日",
            "不得早于2026年2月1日",
        ),
        (SUPERVISOR, "发文 函1 昌司督〔2026〕1号 明天 签发人李局长", "晚于今天"),
        ISSUE,
        (SUPERVISOR, "更正 函1 1月31日", "不得早于2026年2月1日"),
        (
            SUPERVISOR,
            "发文 函1 昌司督〔2026〕9号 今天 签发人李四",
            "函1已于2026年2月5日（周四）发文（昌司督〔2026〕1号，签发人张三）",
            "更正 函1",
        ),
        (SUPERVISOR, "发文 函1", "更正 函1", "! 还缺"),
        (SUPERVISOR, "issue letter 1", "correct letter 1", "! missing"),
        (SUPERVISOR, "文书 函1", "昌司督〔2026〕1号"),
    ),
    "a letter withdrawn before it was served, and one whose case is over, end no case": (
        DRAFT,
        ISSUE,
        (SUPERVISOR, "撤函 函1 数据有误", "已撤回：督办函（函1）", "! 个案"),
        (SUPERVISOR, "拟稿 督办函 #{report}", "函2"),
        (SUPERVISOR, "发文 函2 昌司督〔2026〕1号 今天 签发人张三", "已发文"),
        (SUPERVISOR, "送达 函2 今天 直接送达", "个案1"),
        (SUPERVISOR, "撤案 个案1 数据有误", "已撤案：个案1", "督办函办理", "不再办理"),
        (SUPERVISOR, "撤函 函2 数据有误", "已撤回：督办函（函2）", "! 个案"),
    ),
    "a number that was given": (
        DRAFT,
        ISSUE,
        (SUPERVISOR, "拟稿 意见书 #{report}", "已拟监督意见书（函2）"),
        (SUPERVISOR, "发文 函2 昌司督[2026]1号 今天 签发人张三", "本年已用过", "函1（昌吉市城市管理局）", "台账号"),
        (SUPERVISOR, "发文 函2 昌司督〔2026〕2号 今天 签发人张三", "已发文"),
    ),
    "what no article supports": (
        (SUPERVISOR, "拟稿 决定书 #{report}", "条文不支持监督决定书", "督办函、监督意见书", "台账号"),
        (SUPERVISOR, "拟稿 约谈 #{report}", "条文不支持约谈通知"),
        (SUPERVISOR, "拟稿 #{plan}", "没有逾期"),
    ),
    "who may not": (
        (HEAD, "拟稿 #{report}", "台账号"),
        (WATER, "文书", "台账号"),
        (ADMIN, "文书", "台账号"),
    ),
    "out of order": (
        DRAFT,
        (SUPERVISOR, "送达 函1 今天", "函1当前为“待签发”"),
        (SUPERVISOR, "发文 函9 昌司督〔2026〕1号 签发人张三", "没有函9"),
        (SUPERVISOR, "发文", "请写文书编号"),
        (SUPERVISOR, "发文 函1 昌司督〔2026〕1号 2月30日 签发人张三", "“2月30日”不是日历上的日子"),
    ),
    "in English": (
        (SUPERVISOR, "draft urging letter #{report}", "Drafted: urging letter (letter 1)", "5 days late"),
        (SUPERVISOR, "issue letter 1 昌司督〔2026〕1号 today signed by Zhang San", "Issued", "signed by Zhang San"),
        (SUPERVISOR, "serve letter 1 today by hand", "Served", "Opened by itself: case 1"),
        (SUPERVISOR, "correct letter 1 signed by Li Si", "Corrected: urging letter", "signed by: Zhang San → Li Si"),
        (SUPERVISOR, "correct letter 1 2026-02-04", "day of issue or of service"),
        (SUPERVISOR, "date of issue", "dated: Thu 5 Feb 2026 → Wed 4 Feb 2026"),
        (SUPERVISOR, "letters", "letter 1 urging letter"),
        (SUPERVISOR, "recall letter 1 by mistake", "Withdrawn", "Case 1 ended with it", "owed no longer"),
    ),
}


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(talk: Talk, name: str) -> None:
    await talk.hold(DIALOGUES[name])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("函3 昌司督[2026]3号 9月20日 签发人张三 限10月10日前", (3, "昌司督[2026]3号", "张三", "")),
        ("#3 昌司督〔2026〕3号 签发：李四", (3, "昌司督〔2026〕3号", "李四", "")),
        ("3 当面送达 9月20日", (3, "", "", "当面送达")),
        ("函3 签发日期9月20日", (3, "", "", "签发日期")),
        ("letter 3 signed by Zhang San", (3, "", "Zhang San", "")),
        ("当面送达", (None, "", "", "当面送达")),
        ("函3 9.20 邮寄", (3, "", "", "邮寄")),
        ("函3 9/20", (3, "", "", "")),
        ("函3 9月20日 罚款 1.3 万元", (3, "", "", "罚款 1.3 万元")),
    ],
)
def test_a_sentence_about_a_letter_is_taken_apart(text: str, said: tuple[int | None, str, str, str]) -> None:
    found = read_letter(text, at("2026-09-25 10:00").date())
    assert (found.number, found.document, found.signatory, found.rest) == said


def test_the_paper_is_cut_from_the_words_about_it() -> None:
    assert read_paper("督办函 #17") == ("urging", "#17")
    assert read_paper("#17") == ("", "#17")


async def test_a_letter_about_an_assignment_without_articles_rests_on_what_assigned_it(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, "立案 交办 昌吉市城市管理局 2月2日 限2月4日前 昌司督〔2026〕7号 清理执法台账", "请核对"),
            (SUPERVISOR, "确认", "已立案"),
        )
    )
    (row,) = await fetch("SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id WHERE t.duty = 'assignment'")
    await talk.hold(((SUPERVISOR, f"拟稿 约谈 #{row['id']}", "已拟约谈", "依据：昌司督〔2026〕7号；清理执法台账"),))


async def test_the_file_says_what_is_owed_by_which_article_and_since_when(talk: Talk) -> None:
    await talk.hold((DRAFT, ISSUE))
    file = await papers.written(1, LAW.registry, LAW.workdays, talk.now.date())
    assert file is not None
    assert file.name == "督办函 昌吉市城市管理局.docx"
    text = "\n".join(paragraph.text for paragraph in docx.Document(BytesIO(file.draft())).paragraphs)
    for part in ("昌吉市城市管理局", "行政执法年度分析报告", "已逾期5天", "昌司督〔2026〕1号", "2026年2月5日"):
        assert part in text, part


def test_the_template_is_there() -> None:
    assert (DATA / "letters" / "layout.docx").is_file()


async def test_the_proposal_of_a_supervisor_names_the_letter_that_may_follow(talk: Talk) -> None:
    await talk.hold(((CLOCK, LATE),))
    told = "\n".join(sent.text for sent in talk.told(SUPERVISOR))
    assert "拟稿" in told


async def test_a_unit_is_found_and_named_by_its_english_name(talk: Talk) -> None:
    await talk.hold(
        (
            (SUPERVISOR, "overdue urban management", "City Bureau of Urban Management", "! 昌吉市城市管理局", "! 水利"),
            (SUPERVISOR, "overdue nowhere at all", "City Bureau of"),
            (SUPERVISOR, "unit city bureau of urban management", "City Bureau of Urban Management"),
            (SUPERVISOR, "draft urging letter #{report}", "City Bureau of Urban Management"),
            (SUPERVISOR, "逾期 城管局", "昌吉市城市管理局", "! Bureau"),
        )
    )
