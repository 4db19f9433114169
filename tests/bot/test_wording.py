"""The catalogues are whole, the grammar reads what people write, and nobody's words are more than words."""

import ast
import re
import string
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from bot.conversation.table import COMMANDS
from bot.store.queue import Owed
from bot.wording import CATALOGUES, LANGUAGES, Language, catalogue, harmless, say, term
from bot.wording.grammar import (
    DayError,
    clean,
    is_courtesy,
    read_day,
    read_evidence,
    read_numbers,
    split_title,
    without_greeting,
)
from bot.wording.groups import left
from bot.wording.notices import NoticeWording, Surface
from duties.model import Evidence, Role, State, Stop
from duties.reading import shipped

ROOT = Path(__file__).parents[2]
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "bot").rglob("*.py"))}
OTHERS = "\n".join(
    path.read_text(encoding="utf-8")
    for pattern in ("bot/web/static/*.js", "bot/web/templates/*", "duties/*.py", "adapters/*.py")
    for path in ROOT.glob(pattern)
)
CHINESE = re.compile(r"[\u3400-\u9fff]")
TODAY = date(2026, 1, 4)


def literals() -> set[str]:
    """Every string in the code: a key that is passed on in a variable is still written somewhere."""
    return {
        node.value
        for text in SOURCES.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    } | set(re.findall(r"[\"'`]([\w.-]+)[\"'`]", OTHERS))


def families() -> list[re.Pattern[str]]:
    """Keys put together from parts, such as state-{…}, as patterns."""
    found = {
        "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else r".+" for part in node.values)
        for text in SOURCES.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant)
    } | {re.escape(head) + ".+" for head in re.findall(r"`([a-z]+[-.])\$\{", OTHERS)}
    return [re.compile(pattern) for pattern in found if re.match(r"[a-z]+(?:\\?[-.][a-z\\-]*)+", pattern)]


def said() -> set[str]:
    """Keys that code says outright."""
    return {
        str(node.args[0].value)
        for text in SOURCES.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in {"say", "both", "hint", "note"}
    }  # fmt: skip


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_that_is_said_exists(language: Language) -> None:
    assert sorted(said() - catalogue(language).keys()) == []


OTHER_ACTS = ("count", "reopen", "opening", "reverse-hours", "restate-hours")
"""What an obligation's history may hold beside what people say."""
FAMILIES: dict[str, Iterable[str]] = {
    "state": State,
    "act": [*(command.name for command in COMMANDS if command.name not in {"help", "mine"}), *OTHER_ACTS],
    "help": [*(command.name for command in COMMANDS), "head", "foot"],
    "need": ["number", "date", "link", "note"],
    "button": ["acknowledge", "report", "detail", "close", "return"],
    "notice": {"pace", *(rung.tone for ladder in shipped().ladders.values() for rung in ladder.rung)},
    "detail": ["recipient", "publication", "consequence"],
    "term": ["year", "years", "month", "Q1", "Q2", "Q3", "Q4", "H1", "H2"],
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_sentence_of_a_family_exists(family: str, language: Language) -> None:
    assert [one for one in FAMILIES[family] if f"{family}-{one}" not in catalogue(language)] == []


def test_every_refusal_of_the_domain_has_its_sentence() -> None:
    raised = set(re.findall(r"\"(refused-[a-z-]+)\"", OTHERS))
    assert raised
    assert sorted(raised - catalogue("zh").keys()) == []


def test_both_languages_say_the_same_things() -> None:
    assert catalogue("zh").keys() == catalogue("en").keys()


def test_both_languages_name_the_same_facts() -> None:
    # An error's own text is English: the Chinese sentence of cli.question points at the line below, which carries it.
    chinese, english = (
        {key: one for key, one in catalogue(lang).items() if key != "cli.question"} for lang in LANGUAGES
    )
    assert [key for key in chinese if placeholders(chinese[key]) != placeholders(english[key])] == []


def test_no_sentence_is_unused() -> None:
    written, patterns = literals(), families()
    unused = [key for key in catalogue("zh") if key not in written and not any(p.fullmatch(key) for p in patterns)]
    assert unused == []


def test_every_sentence_is_in_its_language() -> None:
    wordless = re.compile(r"\{[^}]*\}")
    plain = {key: wordless.sub("", sentence) for key, sentence in catalogue("zh").items()}
    latin = re.compile(r"[A-Za-z]{3}")
    foreign = [key for key, sentence in plain.items() if latin.search(sentence) and not CHINESE.search(sentence)]
    assert foreign == ["web-language"]  # the button for the other language says so in that language
    assert [key for key, sentence in catalogue("en").items() if CHINESE.search(sentence)] == foreign


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_stands_twice(language: Language) -> None:
    keys = []
    for file in (CATALOGUES / language).glob("*.po"):
        with file.open("rb") as handle:
            keys += [message.id for message in read_po(handle, locale=language) if message.id]
    assert sorted({str(key) for key in keys if keys.count(key) > 1}) == []


def test_facts_are_only_text() -> None:
    nasty = "{title} {0} {entry!r:>99} %s {{7*7}}"
    assert say("detail-count", day=TODAY, topic=nasty).endswith(nasty)
    assert say("detail-counts", n=1, items=[nasty, nasty]).endswith(f"{nasty}、{nasty}")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("@所有人 开会", "[@]所有人 开会"),
        ("@all", "[@]all"),
        ("＠ 全体成员", "[@] 全体成员"),
        ("@Everyone!", "[@]Everyone!"),
        ("<!channel>", "＜!channel>"),
        ("<@all>", "＜[@]all>"),
        ('<at user_id="all">x</at>', '＜at user_id="all">x＜/at>'),
        ("a@all.com", "a[@]all.com"),
        ("zhang@allied.cn", "zhang@allied.cn"),
        ("经办人 li@cj.gov.cn", "经办人 li@cj.gov.cn"),
        ("3 < 5", "3 < 5"),
    ],
)
def test_words_that_would_call_everybody_are_made_harmless(written: str, shown: str) -> None:
    assert harmless(written) == shown
    assert harmless(shown) == shown


SECRET = ("link", "免公开：涉及商业秘密")


@pytest.mark.parametrize(
    ("text", "exempt", "note"),
    [
        ("无文号", [("number", "无文号")], ""),
        ("无文号；免公开：涉及商业秘密", [("number", "无文号"), SECRET], ""),
        ("无文号，免公开：涉及商业秘密；抽查12件", [("number", "无文号"), SECRET], "抽查12件"),
        ("免公开：涉及商业秘密 不适用：无", [SECRET, ("all", "不适用：无")], ""),
        ("免公开：涉及商业秘密 无文号", [SECRET, ("number", "无文号")], ""),
        ("免公开：本年不适用，不公开。", [("link", "免公开：本年不适用，不公开")], ""),
        ("免公开：涉及商业秘密；该件不适用", [SECRET], "该件不适用"),
        ("免公开；不适用", [("link", ""), ("all", "")], ""),
        ("no number: lost not public: why", [("number", "no number: lost"), ("link", "not public: why")], ""),
        ("not public: n/a here", [("link", "not public: n/a here")], ""),
        ("no link: intranet only", [("link", "no link: intranet only")], ""),
    ],
)  # fmt: skip
def test_what_need_not_be_shown_is_read_each_with_its_reason(
    text: str, exempt: list[tuple[str, str]], note: str
) -> None:
    read = read_evidence(text, TODAY)
    assert ([(one.what, one.why) for one in read.exempt], read.note) == (exempt, note)


@given(st.text())
def test_whatever_is_written_is_understood_as_visible_single_spaced_text(text: str) -> None:
    seen = clean(text)
    assert clean(seen) == seen
    assert "  " not in seen
    seen.encode()
    assert not set(seen) & set("\x00\x1b\u200b\u202e\ufeff\n\t")


@given(st.text(max_size=200))
def test_reading_never_fails_but_for_days(text: str) -> None:
    words = clean(text)
    without_greeting(words)
    read_numbers(words)
    split_title(words)
    with suppress(DayError):
        read_evidence(words, TODAY)


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("昌市城管〔2026〕3号", Evidence(number="昌市城管〔2026〕3号")),
        ("昌市城管[2026]3号", Evidence(number="昌市城管〔2026〕3号")),
        ("昌市城管（2026）3", Evidence(number="昌市城管〔2026〕3")),
        ("昌市政发2026年第3号", Evidence(number="昌市政发2026年第3号")),
        ("1月3日 昌市城管〔2026〕3号", Evidence(number="昌市城管〔2026〕3号", done_on=date(2026, 1, 3))),
        ("https://cj.gov.cn/a?b=1 2026-01-02", Evidence(link="https://cj.gov.cn/a?b=1", done_on=date(2026, 1, 2))),
        ("链接：www.cj.gov.cn/a，说明：已公开", Evidence(link="www.cj.gov.cn/a", note="已公开")),
        ("零报告", Evidence(empty=True)),
        ("本季度无诉讼案件", Evidence(empty=True)),
        ("本期无变化，见 昌市城管〔2026〕3号", Evidence(number="昌市城管〔2026〕3号", note="本期无变化，见")),
        ("nil report", Evidence(empty=True)),
        ("谢谢", Evidence()),
        ("", Evidence()),
        ("已张贴（附照片）", Evidence(note="已张贴（附照片）")),
        ("20260102", Evidence(done_on=date(2026, 1, 2))),
        ("文号昌市城管〔2026〕3号，三号", Evidence(number="昌市城管〔2026〕3号", done_on=date(2026, 1, 3))),
        ("元月3日 昌市城管〔2026〕3号", Evidence(number="昌市城管〔2026〕3号", done_on=date(2026, 1, 3))),
        ("昌市城管〔2026〕3号 上周五", Evidence(number="昌市城管〔2026〕3号", done_on=date(2025, 12, 26))),
        ("中央1号文件", Evidence(note="中央1号文件")),
        ("第3号 1号楼 3日内", Evidence(note="第3号 1号楼 3日内")),
    ],
)  # fmt: skip
def test_evidence_is_read_in_any_order(text: str, evidence: Evidence) -> None:
    assert read_evidence(text, TODAY) == evidence


@pytest.mark.parametrize(
    ("today", "text", "day"),
    [
        ("2026-01-04", "12月30日", "2025-12-30"),
        ("2026-01-04", "1月4日", "2026-01-04"),
        ("2025-12-30", "1月4日", "2026-01-04"),
        ("2025-12-30", "12月31日", "2025-12-31"),
        ("2025-01-10", "2月29日", "2024-02-29"),
        ("2024-03-01", "2月29日", "2024-02-29"),
        ("2026-03-01", "昨天", "2026-02-28"),
        ("2026-01-04", "tomorrow", "2026-01-05"),
        ("2026-01-04", "2024-02-29", "2024-02-29"),
        ("2026-01-04", "元月5号", "2026-01-05"),
        ("2026-01-04", "二〇二五年十二月二十八日", "2025-12-28"),
        ("2026-01-04", "三十号", "2025-12-30"),
        ("2026-01-04", "5号", "2026-01-05"),
        ("2026-01-04", "上月31日", "2025-12-31"),
        ("2026-01-04", "上周五", "2025-12-26"),
        ("2026-01-05", "上星期天", "2026-01-04"),
        ("2026-01-04", "下周一", "2026-01-05"),
        ("2026-01-04", "大前天", "2026-01-01"),
    ],
)
def test_a_day_without_a_year_is_the_nearest(today: str, text: str, day: str) -> None:
    assert read_day(text, date.fromisoformat(today)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    "text",
    ["2月30日", "2026-02-29", "13月1日", "0月0日", "2026-1-300", "0000-01-01", "20261301", "〇号", "32号", "上月32日"],
)
def test_a_day_that_does_not_exist_is_none(text: str) -> None:
    with pytest.raises(DayError, match=re.escape(text)):
        read_day(text, TODAY)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", [(False, 1)]),
        ("1、2，3", [(False, 1), (False, 2), (False, 3)]),
        ("1-3", [(False, 1), (False, 2), (False, 3)]),
        ("第2项和第3项", [(False, 2), (False, 3)]),
        ("#17 编号18", [(True, 17), (True, 18)]),
        ("# 17", [(True, 17)]),
        ("3-1", []),
        ("-1", []),
        ("1 报告", []),
        ("", []),
    ],
)
def test_numbers_alone_are_read(text: str, numbers: list[tuple[bool, int]]) -> None:
    assert read_numbers(text) == numbers


def test_courtesy_decides_nothing() -> None:
    assert [text for text in ("好的，谢谢！", "OK", "Thank you", "还没有", "hello") if not is_courtesy(text)] == []
    assert [text for text in ("好的报告", "收到", "", "1") if is_courtesy(text)] == []


def test_terms_are_said_as_people_say_them() -> None:
    labels = ("2026", "2026-Q1", "2026-H2", "2026-01", "2026-2027")
    assert [term(label) for label in labels] == [
        "2026年度",
        "2026年第一季度",
        "2026年下半年",
        "2026年1月",
        "2026—2027年",
    ]
    assert [term(label, "en") for label in labels][3:] == ["2026-01", "2026–2027"]


def test_days_left_are_said_with_their_number() -> None:
    due = date(2026, 1, 5)
    assert [left(due, date(2026, 1, day), "zh") for day in (4, 5, 6)] == ["还有 1 天", "今天到期", "已逾期 1 天"]


def test_every_role_is_offered_something() -> None:
    assert [role for role in Role if not any(role in command.roles for command in COMMANDS)] == []


def owed(number: int, tone: str, audience: str = "officer", duty: str = "enforcement-annual-report") -> Owed:
    """A reminder of an obligation of the water bureau."""
    return Owed(
        number, 1, number, number, duty, "2025", "昌吉州", "昌吉市水利局", TODAY, "-5", audience, tone, 1, late=False,
        state="pending", tally=1, target=12, force="settled",
    )  # fmt: skip


@pytest.mark.parametrize("tone", ["notice", "remind", "urge", "last-day", "overdue", "proposal", "weekly", "snoozed"])
@pytest.mark.parametrize("audience", ["officer", "supervisor"])
def test_nothing_is_said_to_be_near_or_late_while_its_clock_stands(tone: str, audience: str) -> None:
    one = replace(owed(1, tone, audience), stop=Stop(date(2025, 3, 2), 5))
    body = NoticeWording(shipped()).compose([one], TODAY + timedelta(days=9)).body
    assert body is not None
    assert body["text"].startswith("【期限中止】1 项期限仍在中止")
    assert "期限中止，自2025年3月2日（周日）起，恢复后余 5 个工作日" in body["text"]
    assert [word for word in ("逾期 ", "处置", "还有", "截止") if word in body["text"]] == []
    assert "snooze:1" not in [value for _, value, _ in body["buttons"]]


def test_a_notice_says_how_many_stand_worst_and_how_many_besides() -> None:
    body = NoticeWording(shipped()).compose([owed(1, "notice"), owed(2, "overdue"), owed(3, "notice")], TODAY).body
    assert body is not None
    assert body["text"].startswith("【逾期】1 项法定事项已逾期，另有 2 项待办")
    assert body["items"] == [1, 2, 3]


def test_ones_own_work_stands_before_that_of_others_in_one_notice() -> None:
    mixed = [owed(1, "weekly", "supervisor"), owed(2, "notice"), owed(3, "weekly", "supervisor")]
    body = NoticeWording(shipped()).compose(mixed, TODAY).body
    assert body is not None
    assert body["items"] == [2, 1, 3]
    assert [
        line for line in ("1. 行政执法", "   2. 昌吉市水利局", "   3. 昌吉市水利局") if line not in body["text"]
    ] == []
    assert [value for _, value, _ in body["buttons"]] == ["acknowledge:2", "report:2", "detail:2"]
    assert "回复“签收”" in body["text"]
    assert "回复“逾期”" in body["text"]


def test_a_notice_of_counts_asks_for_counts() -> None:
    body = NoticeWording(shipped()).compose([owed(1, "pace", "head", "pre-meeting-study")], TODAY).body
    assert body is not None
    assert "进度 1/12 次" in body["text"]
    assert "回复“计数 1 日期 主题”" in body["text"]


def test_who_cannot_answer_where_they_are_told_is_shown_the_page() -> None:
    wording = NoticeWording(shipped(), page="https://duban.example.cn/chat")
    body = wording.compose([owed(1, "notice"), owed(2, "notice")], TODAY, Surface(buttons=False, answers=False)).body
    assert body is not None
    assert "https://duban.example.cn/chat" in body["text"]
    assert "回复“" not in body["text"]


def test_where_the_page_has_no_address_the_text_says_whom_to_ask() -> None:
    body = NoticeWording(shipped()).compose([owed(1, "notice")], TODAY, Surface(buttons=False, answers=False)).body
    assert body is not None
    assert "问管理员" in body["text"]


def test_without_buttons_nobody_is_told_to_press_one() -> None:
    body = NoticeWording(shipped()).compose([owed(1, "notice")], TODAY, Surface(buttons=False)).body
    assert body is not None
    assert "点按钮" not in body["text"]
    assert "回复“签收”" in body["text"]


def test_what_could_only_be_said_after_the_day_says_that_it_is_late() -> None:
    tomorrow = TODAY + timedelta(days=1)
    for tone in ("notice", "remind", "urge", "last-day"):
        body = NoticeWording(shipped()).compose([owed(1, tone), owed(2, "weekly")], tomorrow).body
        assert body is not None
        assert body["text"].startswith("【每周督办】1 项仍未办结")
        alone = NoticeWording(shipped()).compose([owed(1, tone)], tomorrow).body
        assert alone is not None
        assert alone["text"].startswith("【逾期】1 项法定事项已逾期")
