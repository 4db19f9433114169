"""Letters as the person who signs them finds them: what they say, what they leave open, how the page looks."""

import subprocess
import tomllib
from dataclasses import fields, replace
from datetime import date
from io import BytesIO
from pathlib import Path
from shutil import which
from typing import Any
from zipfile import ZipFile

import docx
import pytest
from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.section import Section
from docx.shared import Mm, Pt, RGBColor
from docx.text.paragraph import Paragraph
from hypothesis import given, settings
from hypothesis import strategies as st

from duties.data.letters.build import built
from duties.letters import LAYOUT, WORDING, draft
from duties.paper import Item, Letter, Paper
from duties.reading import shipped

BLANK = "〔　　〕"
UNDATED = "〔　　〕年〔　〕月〔　〕日"
UPWARD = {Paper.RECTIFICATION, Paper.CASE, Paper.RESPONSE, Paper.COMPLIANCE}
PAPERS: dict[str, Any] = tomllib.loads(WORDING.read_text(encoding="utf-8"))["paper"]

URGING = Letter(
    kind=Paper.URGING,
    issuer="昌吉市司法局",
    addressee="昌吉市城市管理局",
    subject="逾期未报送2025年度行政执法年度分析报告",
    facts=("分析报告应于2026年1月31日（含当日）前报送，截至2026年2月10日未收到。", "2026年1月26日已签收提醒。"),
    grounds=("《昌吉回族自治州依法行政办法》第三十五条第一款", "《昌吉回族自治州依法行政办法》第三十八条第二款"),
    demands=("补报分析报告。", "书面说明逾期原因。"),
    deadline=date(2026, 3, 6),
    derivation="收到次日起10个工作日。",
    number="昌市司督〔2026〕3号",
    date=date(2026, 2, 20),
    signatory="张建国",
    copies=("昌吉市人民政府办公室", "昌吉州司法局"),
    attachments=("提醒记录", "签收记录"),
    contact="李明，0994-2345678",
)

every_kind = pytest.mark.parametrize("kind", list(Paper))


def opened(letter: Letter) -> Document:
    return docx.Document(BytesIO(draft(letter)))


def texts(document: Document) -> list[str]:
    """Paragraphs in order; tables stand apart."""
    return [paragraph.text for paragraph in document.paragraphs if paragraph.text]


def cells(document: Document, table: int) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in document.tables[table].rows]


def everything(document: Document) -> str:
    return "\n".join(
        [*texts(document), *(cell for at in range(len(document.tables)) for row in cells(document, at) for cell in row)]
    )


def styled(document: Document, style_id: str) -> list[Paragraph]:
    return [one for one in document.paragraphs if one.style is not None and one.style.style_id == style_id]


def style(document: Document, style_id: str) -> Any:
    return next(one for one in document.styles if one.style_id == style_id)


def fonts(document: Document, style_id: str) -> set[str]:
    """What a style writes Chinese, digits and quotation marks in; its own, or the body's."""
    named = style(document, style_id).element.rPr
    if named.rFonts is None:
        named = style(document, "Body").element.rPr
    return {named.rFonts.get(qn(f"w:{script}")) for script in ("eastAsia", "ascii", "hAnsi")}


def sides(section: Section, *names: str) -> tuple[int, ...]:
    """In whole millimetres."""
    return tuple(round(getattr(section, name).mm) for name in names)


def part(letter: bytes, name: str) -> str:
    return ZipFile(BytesIO(letter)).read(name).decode()


def test_an_urging_letter_says_everything_in_the_order_of_the_standard() -> None:
    assert texts(opened(URGING)) == [
        "昌吉市司法局",
        "昌市司督〔2026〕3号",
        "昌吉市司法局\n关于逾期未报送2025年度\n行政执法年度分析报告的\n行政执法监督督办函",
        "昌吉市城市管理局：",
        f"依据{'、'.join(URGING.grounds)}，现就{URGING.subject}向你单位制发行政执法监督督办函。",
        "一、督办事项",
        "1. 分析报告应于2026年1月31日（含当日）前报送，截至2026年2月10日未收到。",
        "2. 2026年1月26日已签收提醒。",
        "二、督办要求",
        "1. 补报分析报告。",
        "2. 书面说明逾期原因。",
        "三、办理期限",
        "2026年3月6日（含当日）前办结。期限依据：收到次日起10个工作日。",
        "特此函告。",
        "附件：1.\t提醒记录",
        "2.\t签收记录",
        "昌吉市司法局",
        "2026年2月20日",
        "（联系人：李明，0994-2345678）",
    ]
    assert cells(opened(URGING), -1) == [
        ["抄送：昌吉市人民政府办公室，昌吉州司法局。"],
        [f"昌吉市司法局\t{UNDATED}印发"],
    ]


@pytest.mark.parametrize(
    ("kind", "sentences"),
    {
        Paper.OPINION: [
            "第二十七条第〔　　〕项所列情形",
            "应当自收到本意见书之日起三十日内整改落实，并书面报告整改落实情况",
            "可以自收到本意见书之日起十五日内，向行政执法监督机关申请复查",
            "自收到申请之日起十五日内予以复查并答复",
            "制发《行政执法监督决定书》",
        ],
        Paper.DECISION: [
            "逾期未改正",
            "根据行政执法行为的性质、程度等情况",
            "第三十四条第（五）项",
            "第五十九条第（五）项",
        ],
        Paper.INTERVIEW: ["约谈你单位有关责任人", f"约谈时间：{UNDATED}", "约谈地点：〔　　〕", "约谈对象：〔　　〕"],
        Paper.BULLETIN: ["通报如下", "特此通报。"],
        Paper.RECTIFICATION: ["补报分析报告。落实情况：〔　　〕", "报送期限至2026年3月6日", "特此报告。"],
        Paper.CASE: ["行政复议纠错决定／行政诉讼败诉判决", "一、案件剖析", "二、纠错或者败诉原因", "三、改进措施"],
    }.items(),
)
def test_each_letter_holds_what_its_article_asks_for(kind: Paper, sentences: list[str]) -> None:
    said = everything(opened(replace(URGING, kind=kind)))
    assert [sentence for sentence in sentences if sentence not in said] == []


@every_kind
def test_a_letter_names_itself_its_facts_and_its_deadline(kind: Paper) -> None:
    document = opened(replace(URGING, kind=kind))
    (title,) = styled(document, "Title")
    assert title.text.endswith(PAPERS[kind]["name"])
    assert document.core_properties.title == title.text.replace("\n", "")
    said = everything(document)
    wanted = [*URGING.facts, *URGING.grounds, *URGING.demands, URGING.derivation, "2026年3月6日（含当日）"]
    assert [one for one in wanted if one not in said] == []


@every_kind
def test_what_is_missing_is_a_blank_that_can_be_seen(kind: Paper) -> None:
    document = opened(Letter(kind=kind))
    assert [styled(document, one)[0].text for one in ("Masthead", "Addressee", "Date")] == [
        BLANK,
        f"{BLANK}：",
        UNDATED,
    ]
    assert styled(document, "NumberUp" if kind in UPWARD else "Number")[0].text.startswith("〔　　　　〕　号")
    said = everything(document)
    assert f"关于{BLANK}的" in said
    assert f"{UNDATED}（含当日）" in said
    assert f"期限依据：{BLANK}" in said
    assert f"联系人：{BLANK}，联系电话：{BLANK}" in said
    assert BLANK in [one.text for one in styled(document, "Item")]
    assert "抄送" not in said
    assert "附件" not in said
    assert "None" not in said


@every_kind
def test_a_letter_rests_on_the_articles_of_the_registry_where_none_are_named(kind: Paper) -> None:
    registry = shipped()
    cited = {
        f"《{registry.documents[provision.document].title}》{provision.locator}"
        for provision in (registry.provisions[number] for number in PAPERS[kind]["provisions"])
    }
    grounds = PAPERS[kind]["grounds"]
    assert set(grounds) == (set() if kind == Paper.BULLETIN else cited)
    assert f"依据{'、'.join(grounds) or BLANK}" in everything(opened(Letter(kind=kind)))


@every_kind
def test_only_reports_name_a_signatory(kind: Paper) -> None:
    document = opened(replace(URGING, kind=kind))
    assert ("张建国" in everything(document)) == (kind in UPWARD)
    if kind in UPWARD:
        (line,) = styled(document, "NumberUp")
        assert line.text == "昌市司督〔2026〕3号\t签发人：张建国"
        assert line.runs[-1].font.name == "楷体_GB2312"


def test_a_bulletin_lists_units_and_what_they_owe() -> None:
    items = (
        Item("昌吉市水利局", "案卷自评评查", date(2026, 3, 31), "逾期5日"),
        Item("昌吉市城市管理局", "诉讼案件报送"),
    )
    document = opened(replace(URGING, kind=Paper.BULLETIN, items=items))
    assert cells(document, 0) == [
        ["序号", "责任单位", "事项", "办理期限", "办理情况"],
        ["1", "昌吉市水利局", "案卷自评评查", "2026年3月31日", "逾期5日"],
        ["2", "昌吉市城市管理局", "诉讼案件报送", BLANK, BLANK],
    ]
    assert document.tables[0]._tbl.xpath("w:tr[1]/w:trPr/w:tblHeader")
    assert cells(opened(Letter(kind=Paper.BULLETIN)), 0)[1:] == [["1", BLANK, BLANK, BLANK, BLANK]]


def test_only_a_bulletin_has_a_table_of_units() -> None:
    assert {kind for kind in Paper if len(opened(Letter(kind=kind)).tables) > 1} == {Paper.BULLETIN}


def test_what_stands_alone_is_not_numbered() -> None:
    said = texts(opened(replace(URGING, facts=("只有一件事。",), attachments=("提醒记录",))))
    assert "只有一件事。" in said
    assert "附件：提醒记录" in said


def test_empty_entries_of_a_list_are_not_numbered() -> None:
    said = texts(opened(replace(URGING, facts=("", "甲。", "  ", "乙。"), copies=("", " "))))
    assert [one for one in said if one in {"1. 甲。", "2. 乙。"}] == ["1. 甲。", "2. 乙。"]
    assert "抄送" not in everything(opened(replace(URGING, copies=("", " "))))


def test_the_page_is_that_of_the_standard() -> None:
    document = opened(URGING)
    (section,) = document.sections
    assert sides(section, "page_width", "page_height") == (210, 297)
    assert sides(section, "top_margin", "right_margin", "bottom_margin", "left_margin") == (37, 26, 35, 28)
    body = style(document, "Body")
    assert (body.font.size, body.paragraph_format.line_spacing) == (Pt(16), Pt(28))
    assert body.paragraph_format.first_line_indent == Pt(32)


def test_a_page_takes_22_lines_of_28_characters() -> None:
    body = style(opened(URGING), "Body")
    closer = Pt(int(body.element.rPr.find(qn("w:spacing")).get(qn("w:val"))) / 20)
    assert Mm(225) // body.paragraph_format.line_spacing == 22
    assert Mm(156) // (body.font.size + closer) == 28


@pytest.mark.parametrize(
    ("style_id", "font", "size", "align"),
    [
        ("Masthead", "方正小标宋简体", 54, WD_ALIGN_PARAGRAPH.CENTER),
        ("Number", "仿宋_GB2312", None, WD_ALIGN_PARAGRAPH.CENTER),
        ("Title", "方正小标宋简体", 22, WD_ALIGN_PARAGRAPH.CENTER),
        ("Addressee", "仿宋_GB2312", None, WD_ALIGN_PARAGRAPH.JUSTIFY),
        ("Heading1", "黑体", None, WD_ALIGN_PARAGRAPH.JUSTIFY),
        ("Heading2", "楷体_GB2312", None, WD_ALIGN_PARAGRAPH.JUSTIFY),
        ("Item", "仿宋_GB2312", None, WD_ALIGN_PARAGRAPH.JUSTIFY),
        ("Date", "仿宋_GB2312", None, WD_ALIGN_PARAGRAPH.CENTER),
        ("Copies", "仿宋_GB2312", 14, WD_ALIGN_PARAGRAPH.JUSTIFY),
        ("PageOdd", "宋体", 14, WD_ALIGN_PARAGRAPH.RIGHT),
        ("PageEven", "宋体", 14, WD_ALIGN_PARAGRAPH.JUSTIFY),
    ],
)
def test_every_part_has_the_font_of_the_standard(
    style_id: str, font: str, size: float | None, align: WD_ALIGN_PARAGRAPH
) -> None:
    document = opened(URGING)
    look = style(document, style_id)
    assert fonts(document, style_id) == {font}
    assert look.font.size == (None if size is None else Pt(size))
    assert look.paragraph_format.alignment == align


def test_red_is_the_masthead_and_the_line_below_the_number() -> None:
    document = opened(URGING)
    assert style(document, "Masthead").font.color.rgb == RGBColor(0xFF, 0, 0)
    line = style(document, "Line").element.pPr.find(qn("w:pBdr")).find(qn("w:bottom"))
    assert line.get(qn("w:color")) == "FF0000"
    order = [one.style.style_id for one in document.paragraphs if one.style is not None]
    assert order[:5] == ["Masthead", "Number", "Line", "Title", "Addressee"]


def test_first_lines_stand_two_characters_in() -> None:
    document = opened(URGING)
    indents = {
        one: style(document, one).paragraph_format.first_line_indent for one in ("Item", "Heading1", "Addressee")
    }
    assert indents == {"Item": Pt(32), "Heading1": Pt(32), "Addressee": 0}


def test_pages_are_numbered_outside_between_dashes() -> None:
    document = opened(URGING)
    assert document.settings.odd_and_even_pages_header_footer
    (section,) = document.sections
    for footer, style_id in ((section.footer, "PageOdd"), (section.even_page_footer, "PageEven")):
        (number,) = footer.paragraphs
        assert number.style is not None
        assert number.style.style_id == style_id
        assert number.text == "—  —"
        assert number._p.find(qn("w:fldSimple")).get(qn("w:instr")) == "PAGE"


def test_each_font_names_what_stands_in_for_it() -> None:
    table = part(draft(URGING), "word/fontTable.xml")
    for name, fallback in {"方正小标宋简体": "宋体", "仿宋_GB2312": "仿宋", "楷体_GB2312": "楷体"}.items():
        assert f'<w:font w:name="{name}"><w:altName w:val="{fallback}"' in table


@pytest.mark.parametrize(
    ("issuer", "size"),
    [("昌吉市司法局", 54), ("昌吉回族自治州住房和城乡建设局", 29), ("昌吉" * 40, 26)],
)
def test_the_masthead_is_as_large_as_its_line_allows(issuer: str, size: int) -> None:
    assert style(opened(replace(URGING, issuer=issuer)), "Masthead").font.size == Pt(size)


@pytest.mark.parametrize(
    ("subject", "lines"),
    [
        ("整改", ["昌吉市司法局关于整改的通报"]),
        ("案卷评查情况", ["昌吉市司法局关于案卷评查情况的通报"]),
        ("2026年第一季度案卷评查情况", ["昌吉市司法局", "关于2026年第一季度案卷评查情况的通报"]),
        (
            "2026年第一季度行政执法案卷自评评查情况",
            ["昌吉市司法局", "关于2026年第一季度", "行政执法案卷自评评查情况的通报"],
        ),
        ("某" * 9 + "20262027" + "某" * 9, ["昌吉市司法局", "关于" + "某" * 9, "20262027" + "某" * 9 + "的通报"]),
    ],
)
def test_a_title_breaks_between_its_parts_and_never_within_a_word_or_number(subject: str, lines: list[str]) -> None:
    (title,) = styled(opened(replace(URGING, kind=Paper.BULLETIN, subject=subject)), "Title")
    assert title.text.split("\n") == lines


def test_the_signature_never_stands_on_a_page_of_its_own() -> None:
    document = opened(URGING)
    kept = ("Closing", "AttachmentFirst", "AttachmentNext", "Signature", "Date", "Contact", "Heading1", "Heading2")
    assert all(style(document, one).paragraph_format.keep_with_next for one in kept)
    for kind in Paper:
        last = [one.style.style_id for one in opened(Letter(kind=kind)).paragraphs if one.style and one.text][-4:]
        assert last == ["Closing", "Signature", "Date", "Contact"]


def test_the_foot_floats_to_the_last_line_of_the_page_that_holds_the_signature() -> None:
    document = opened(URGING)
    floats = document.tables[-1]._tbl.tblPr.find(qn("w:tblpPr"))
    assert (floats.get(qn("w:vertAnchor")), floats.get(qn("w:tblpYSpec"))) == ("margin", "bottom")
    assert (floats.get(qn("w:horzAnchor")), floats.get(qn("w:tblpX"))) == ("page", str(round(28 / 25.4 * 1440)))


def rendered(kind: Paper, length: int, folder: Path) -> list[str]:
    """The pages of a letter as a word processor sets them."""
    said = replace(URGING, kind=kind, facts=URGING.facts * length, demands=URGING.demands * length)
    (folder / "letter.docx").write_bytes(draft(said))
    profile = f"-env:UserInstallation=file://{folder}/profile"
    convert = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(folder), "letter.docx"]
    subprocess.run(convert, cwd=folder, check=True, capture_output=True, timeout=120)
    shown = subprocess.run(["pdftotext", "letter.pdf", "-"], cwd=folder, check=True, capture_output=True, timeout=60)
    return [page for page in shown.stdout.decode().split("\f") if page.strip()]


@pytest.mark.skipif(not (which("soffice") and which("pdftotext")), reason="no word processor here")
@pytest.mark.parametrize(("kind", "length"), [(Paper.CASE, 5), (Paper.DECISION, 5), (Paper.INTERVIEW, 4)])
def test_a_word_processor_puts_the_foot_where_the_signature_is(kind: Paper, length: int, tmp_path: Path) -> None:
    *before, last = rendered(kind, length, tmp_path)
    assert "印发" in last
    assert "2026年2月20日" in "".join(last.split())
    assert not any("印发" in page for page in before)


def test_why_a_deadline_is_that_day_ends_as_a_sentence() -> None:
    for said in ("收到次日起10个工作日", "收到次日起10个工作日。"):
        assert any(
            one.endswith("期限依据：收到次日起10个工作日。") for one in texts(opened(replace(URGING, derivation=said)))
        )


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ 7*7 }}",
        "{% for x in y %}",
        "{%p endfor %}",
        "{# comment #}",
        "{_{ 7*7 }_}",
        "{blank} {0} {subject!r}",
        "<w:p><w:r><w:t>x</w:t></w:r></w:p>",
        "</w:t></w:r></w:p>",
        "]]> &amp; & \"'",
        "😀🏳️‍🌈 𠮷",
        "ئۇيغۇر ئاپتونوم رايونى",
        "字" * 20000,
    ],
)
@every_kind
def test_hostile_words_arrive_as_they_are(kind: Paper, hostile: str) -> None:
    words = {one.name: hostile for one in fields(Letter) if one.type == "str" or one.type is str}
    lists = dict.fromkeys(("facts", "grounds", "demands", "copies", "attachments"), (hostile, hostile))
    letter = Letter(kind=kind, items=(Item(hostile, hostile, None, hostile),), **words, **lists)  # type: ignore[arg-type]
    document = opened(letter)
    assert styled(document, "Masthead")[0].text == hostile
    assert styled(document, "Item")[0].text.startswith(f"1. {hostile}")
    assert f"抄送：{hostile}，{hostile}。" in everything(document)
    assert [one.text for one in styled(document, "AttachmentNext")] == [f"2.\t{hostile}"]
    count = len(opened(replace(letter, issuer="局", facts=("甲", "乙"))).paragraphs)
    assert len(document.paragraphs) == count


@pytest.mark.parametrize(
    "unseen", ["\x00", "\x0b", "\x1f", "\x7f", "\ud800", "\ufffe", "\u202e", "\n", "\t", "\a", "\f", "\r\n"]
)
def test_control_characters_become_a_space(unseen: str) -> None:
    document = opened(replace(URGING, addressee=f"城市{unseen}管理局{unseen}"))
    (addressee,) = styled(document, "Addressee")
    assert addressee.text.replace("  ", " ") == "城市 管理局："


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Cn"]), min_size=1, max_size=40))
def test_any_text_arrives_as_it_is(text: str) -> None:
    assert f"{text}：" in texts(opened(replace(URGING, addressee=text)))


def test_a_very_long_title_fits_the_properties() -> None:
    assert len(opened(replace(URGING, subject="题" * 1000)).core_properties.title) == 255


def test_the_same_letter_gives_the_same_bytes() -> None:
    assert draft(URGING) == draft(URGING)
    assert draft(URGING) != draft(replace(URGING, number=""))


def test_the_layout_is_what_its_data_makes() -> None:
    assert LAYOUT.read_bytes() == built()


def test_every_blank_of_a_form_is_of_one_of_the_known_shapes() -> None:
    for kind in Paper:
        said = everything(opened(Letter(kind=kind)))
        for known in ("〔　　〕", "〔　　　　〕", "〔　〕", "〔行政复议纠错决定／行政诉讼败诉判决〕"):
            said = said.replace(known, "")
        assert "〔" not in said
        assert "{" not in said
