"""Copies of a text are compared by their words. The texts here are invented."""

from datetime import date
from pathlib import Path

import pytest

from duties.registry import Document
from duties.sources import Finding, digest, recognise, split, verify

RULE = """试验镇垃圾分类规则
第一条 每户应当把垃圾分为两类。
第二章 投 放
第二条 投放应当遵守下列要求：
（一）早八点前投放；
（二）按照
第十条的颜色投放。
— 2 —
[bookmark: _GoBack]第三条 本规则自下月起施行。
分送：各户。
"""

POINTS = """某县河道保洁要点
为了水清，制定本要点。
一、总体要求
人人动手。
二、任务
（一）清淤。每段一次。
1.先上游。
2.后下游。
三、保障
（一）经费。列入开支。
某县河道保洁方案
一、任务
（一）巡查。
1.每周走一遍。（责任单位：河长）
（二）记录。写在本子上。（责任单位：文书）
各段要在入冬前交齐本子。
抄送：存档。
"""

PLAN = """某镇路灯行动方案
一、任务
（一）先看。
1.数灯。全镇都数。
（二）再修。
2.修灯。分两步。
（1）换灯泡。
（2）换灯杆。
二、要求
（一）钱要够。
附件：路灯清单
附件
序号
事项
1
数灯
五月
2
修灯
六月
抄送：存档。
"""

TITLES = {"D1": "试验镇垃圾分类规则", "D2A": "某县河道保洁要点", "D2B": "某县河道保洁方案", "D3": "某镇路灯行动方案"}


def document(key: str, articles: dict[str, str] | None = None) -> Document:
    return Document(
        key=key,
        title=TITLES[key],
        title_en="Invented",
        short=TITLES[key],
        number="无",
        issuer="试验镇",
        rank="county-document",
        issued=date(2020, 1, 1),
        in_force_from=date(2020, 1, 1),
        jurisdiction="试验镇",
        marker=TITLES[key],
        articles={article: digest(text) for article, text in (articles or {}).items()},
    )


RULE_DOCUMENT = document("D1", {"2": "投放应当遵守下列要求：(1)早八点前投放；(2)按照第十条的颜色投放。"})


def outcomes(folder: Path, *documents: Document) -> list[str]:
    return [finding.outcome for finding in verify(folder, documents)]


@pytest.mark.parametrize("item", ["（一）", "(一)", "（1）", "(1)", "（ 1 ）"])
def test_numeral_forms_agree(item: str) -> None:
    assert digest(f"{item}早八点前投放") == digest("（一）早八点前投放")


def test_numerals_above_ten_agree() -> None:
    assert digest("（二十一）归档") == digest("(21)归档")


def test_different_numerals_do_not_agree() -> None:
    assert digest("（一）归档") != digest("（二）归档")


def test_white_space_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "wrapped.txt").write_text(RULE.replace("早八点前投放", "早 8 点\n\n　前投放").replace("8", "八"))
    assert outcomes(tmp_path, RULE_DOCUMENT) == ["same"]


def test_a_changed_word_shows_as_changed(tmp_path: Path) -> None:
    (tmp_path / "copy.txt").write_text(RULE.replace("早八点前", "早九点前"))
    assert verify(tmp_path, [RULE_DOCUMENT]) == [Finding("D1", "2", "copy.txt", "changed")]


def test_a_change_elsewhere_leaves_an_article_the_same(tmp_path: Path) -> None:
    (tmp_path / "copy.txt").write_text(RULE.replace("两类", "三类"))
    assert outcomes(tmp_path, RULE_DOCUMENT) == ["same"]


def test_a_missing_article_shows_as_missing(tmp_path: Path) -> None:
    (tmp_path / "copy.txt").write_text(RULE)
    assert verify(tmp_path, [document("D1", {"4": "罚则"})]) == [Finding("D1", "4", None, "missing")]


def test_a_missing_document_shows_every_article_as_missing(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(PLAN)
    assert outcomes(tmp_path, document("D1", {"1": "甲", "2": "乙"})) == ["missing", "missing"]


def test_of_two_copies_either_suffices(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(RULE.replace("早八点前", "早九点前"))
    (tmp_path / "b.txt").write_text(RULE)
    assert verify(tmp_path, [RULE_DOCUMENT]) == [Finding("D1", "2", "b.txt", "same")]


def test_a_document_is_recognised_by_its_title_line_and_not_by_a_mention() -> None:
    documents = [document("D1"), document("D3")]
    assert recognise("见《试验镇垃圾分类规则》。\n  某镇 路灯行动方案\n", documents) == (documents[1],)


def test_neither_chapter_nor_page_number_nor_tail_leaks_into_an_article() -> None:
    assert split("D1", RULE) == {
        "1": "每户应当把垃圾分为两类。",
        "2": "投放应当遵守下列要求：（一）早八点前投放；（二）按照第十条的颜色投放。",
        "3": "本规则自下月起施行。",
    }


def test_two_documents_in_one_file_keep_apart(tmp_path: Path) -> None:
    (tmp_path / "both.txt").write_text(POINTS)
    points = document("D2A", {"2.1": "清淤。每段一次。", "2.1.2": "后下游。", "3.1": "经费。列入开支。"})
    plan = document("D2B", {"1.1.1": "每周走一遍。（责任单位：河长）", "end": "各段要在入冬前交齐本子。"})
    assert outcomes(tmp_path, points, plan) == ["same"] * 5


def test_a_plan_has_items_sub_items_requirements_and_rows() -> None:
    articles = split("D3", PLAN.partition("\n")[2])
    assert articles == {
        "b01": "数灯。全镇都数。",
        "b02": "修灯。分两步。",
        "b02.1": "换灯泡。",
        "b02.2": "换灯杆。",
        "w1": "钱要够。",
        "r01": "数灯五月",
        "r02": "修灯六月",
    }
