"""Makes layout.docx of layout.toml: `python -m duties.data.letters.build`.

The result is committed, can be looked at in a word processor, and holds the Jinja tags that duties.letters fills.
"""

import tomllib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from duties.letters import LAYOUT, packed

Row = Mapping[str, Any]

_MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_PARTS = {"styles": "styles", "settings": "settings", "fontTable": "fontTable", "odd": "footer", "even": "footer"}
"""Files in word/ beside the document, and their kinds."""


def built() -> bytes:
    """The layout as a .docx. The same data gives the same bytes."""
    layout = tomllib.loads(LAYOUT.with_suffix(".toml").read_text(encoding="utf-8"))
    word = {
        "document": _root("document", w("body", *_parts(layout), _section(layout["page"]))),
        "styles": _root("styles", *_styles(layout)),
        "settings": _root("settings", *_settings()),
        "fontTable": _root("fonts", *(_font(font) for font in layout["font"].values())),
        "odd": _root("ftr", _page_number("PageOdd")),
        "even": _root("ftr", _page_number("PageEven")),
    }
    files = _package() | {f"word/{name}.xml": text for name, text in word.items()}
    declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    return packed({name: (declaration + text).encode() for name, text in files.items()})


def w(name: str, /, *children: str, **attributes: object) -> str:
    """An element of WordprocessingML; the order of elements in a parent is the schema's."""
    said = "".join(f' w:{key}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<w:{name}{said}>{''.join(children)}</w:{name}>"


def _root(name: str, *children: str) -> str:
    return f'<w:{name} xmlns:w="{_MAIN}" xmlns:r="{_OFFICE}">{"".join(children)}</w:{name}>'


def _package() -> dict[str, str]:
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    package = "application/vnd.openxmlformats-package"
    kinds = {"document": "document.main", **_PARTS}
    types = "".join(
        f'<Override PartName="/word/{file}.xml" ContentType="{word}.{kind}+xml"/>' for file, kind in kinds.items()
    )
    core = f'<Override PartName="/docProps/core.xml" ContentType="{package}.core-properties+xml"/>'
    rels = f'<Default Extension="rels" ContentType="{package}.relationships+xml"/>'
    return {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">{rels}{core}{types}</Types>',
        "_rels/.rels": _relations(
            _relation("document", f"{_OFFICE}/officeDocument", "word/document.xml"),
            _relation("core", f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
        ),
        "word/_rels/document.xml.rels": _relations(
            *(_relation(file, f"{_OFFICE}/{kind}", f"{file}.xml") for file, kind in _PARTS.items())
        ),
        "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"/>',
    }


def _relations(*relations: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{"".join(relations)}</Relationships>'


def _relation(name: str, kind: str, target: str) -> str:
    return f'<Relationship Id="{name}" Type="{kind}" Target="{target}"/>'


def _settings() -> Iterator[str]:
    yield w("evenAndOddHeaders")
    yield w("characterSpacingControl", val="doNotCompress")
    uri = "http://schemas.microsoft.com/office/word"
    yield w("compat", w("compatSetting", name="compatibilityMode", uri=uri, val=15))
    yield w("themeFontLang", val="en-US", eastAsia="zh-CN")


def _font(font: Row) -> str:
    """`altName` is what a machine without the font takes in its place; charset 86 is GBK."""
    fallback = w("altName", val=font["fallback"])
    return w("font", fallback, w("charset", val="86"), w("family", val="auto"), name=font["name"])


def _styles(layout: Row) -> Iterator[str]:
    base, *others = layout["style"]
    fonts = layout["font"]
    yield w("docDefaults", w("rPrDefault", w("rPr", w("lang", val="en-US", eastAsia="zh-CN"))))
    yield _style(base, fonts, w("name", val="Normal"), default=1)
    yield w("style", w("name", val="Normal Table"), type="table", default=1, styleId="TableNormal")
    for style in others:
        yield _style(style, fonts, w("name", val=style["name"]) + w("basedOn", val=base["id"]))


def _style(style: Row, fonts: Row, head: str, **default: object) -> str:
    paragraph, run = w("pPr", *_paragraph_format(style)), w("rPr", *_run_format(style, fonts))
    return w("style", head, w("qFormat"), paragraph, run, type="paragraph", **default, styleId=style["id"])


def _paragraph_format(style: Row) -> Iterator[str]:
    if style.get("keep"):
        yield w("keepNext")
    yield w("widowControl", val=1)
    if "below" in style:
        colour, eighths = style["below"]
        yield w("pBdr", w("bottom", val="single", sz=eighths, space=0, color=colour))
    if "stops" in style:
        yield w("tabs", *(w("tab", val=side, pos=_twips(at)) for side, at in style["stops"]))
    # Room between Chinese and digits would break the grid of characters.
    yield w("autoSpaceDE", val=0) + w("autoSpaceDN", val=0)
    # The distance of lines is exact; a line taller than the page's grid must not take two lines of it.
    yield w("snapToGrid", val=0)
    line = {"line": _twips(style["line"]), "lineRule": "exact"} if "line" in style else {}
    yield w("spacing", before=_twips(style.get("before", 0)), after=_twips(style.get("after", 0)), **line)
    first = style.get("first", 0)
    yield w(
        "ind",
        left=_twips(style.get("left", 0)),
        right=_twips(style.get("right", 0)),
        **{"hanging" if first < 0 else "firstLine": _twips(abs(first))},
    )
    yield w("jc", val=style.get("align", "both"))
    if "outline" in style:
        yield w("outlineLvl", val=style["outline"])


def _run_format(style: Row, fonts: Row) -> Iterator[str]:
    if "font" in style:
        # One font for both scripts, so that quotation marks and digits do not leave it.
        yield w("rFonts", **dict.fromkeys(("ascii", "hAnsi", "eastAsia", "cs"), fonts[style["font"]]["name"]))
    if "colour" in style:
        yield w("color", val=style["colour"])
    if "closer" in style:
        yield w("spacing", val=-_twips(style["closer"]))
    if "size" in style:
        yield w("sz", val=style["size"] * 2) + w("szCs", val=style["size"] * 2)


def _parts(layout: Row) -> Iterator[str]:
    for part in layout["part"]:
        if "tag" in part:
            yield _tag("p", part["tag"])
        elif "table" in part:
            yield _table(part, layout["page"]["left"])
        elif "among" in part:
            yield from _choice(part)
        else:
            yield _paragraph(part["style"], *_runs(part, layout["font"]))


def _tag(kind: str, tag: str) -> str:
    """A template tag that takes its paragraph (p) or its row (tr) away with it."""
    return _paragraph("Body", _run(f"{{%{kind} {tag} %}}"))


def _choice(part: Row) -> Iterator[str]:
    for style in part["among"]:
        yield _tag("p", f"if {part['choose']} == '{style}'")
        yield _paragraph(style, _run(part["text"]))
        yield _tag("p", "endif")


def _runs(part: Row, fonts: Row) -> Iterator[str]:
    for run in part.get("runs", [part]):
        look = {"font": run["font"]} if "font" in run else {}
        yield _run(run.get("text", ""), *_run_format(look, fonts))


def _paragraph(style: str, *runs: str) -> str:
    return w("p", w("pPr", w("pStyle", val=style)), *runs)


def _run(text: str, *look: str) -> str:
    said = w("tab").join(f'<w:t xml:space="preserve">{escape(piece, quote=False)}</w:t>' for piece in text.split("\t"))
    return w("r", w("rPr", *look), said)


def _table(part: Row, left: float) -> str:
    widths = [_mm(width) for width in part["table"]]
    margin = _twips(part["margin"])
    look = w(
        "tblPr",
        _at_the_foot(left) if part.get("foot") else "",
        w("tblW", w=sum(widths), type="dxa"),
        w("tblBorders", *(w(at, val="single", sz=size, space=0, color="000000") for at, size in part["lines"].items())),
        w("tblLayout", type="fixed"),
        w("tblCellMar", w("left", w=margin, type="dxa"), w("right", w=margin, type="dxa")),
    )
    grid = w("tblGrid", *(w("gridCol", w=width) for width in widths))
    return w("tbl", look, grid, *(_row(row, widths) for row in part["rows"]))


def _at_the_foot(left: float) -> str:
    """Floats down to the last line of the page it stands on.

    Counted from the edge of the page, `left` in mm: a table as wide as the text floats in LibreOffice only so.
    """
    at = {"vertAnchor": "margin", "horzAnchor": "page", "tblpX": _mm(left), "tblpYSpec": "bottom"}
    return w("tblpPr", topFromText=_twips(14), **at)


def _row(row: Row, widths: list[int]) -> str:
    if "tag" in row:
        return w("tr", w("tc", w("tcPr"), _tag("tr", row["tag"])))
    styles = row.get("styles", [row.get("style")] * len(widths))
    cells = (
        w("tc", w("tcPr", w("tcW", w=width, type="dxa"), w("vAlign", val="center")), _paragraph(style, _run(text)))
        for style, text, width in zip(styles, row["cells"], widths, strict=True)
    )
    return w("tr", w("trPr", w("cantSplit"), w("tblHeader") if row.get("repeat") else ""), *cells)


def _page_number(style: str) -> str:
    field = w("r", w("t", "1"))
    return _paragraph(style, _run("— "), w("fldSimple", field, instr="PAGE"), _run(" —"))


def _section(page: Row) -> str:
    height = page["height"] - page["top"] - page["bottom"]
    sides = {side: _mm(page[side]) for side in ("top", "right", "bottom", "left", "footer")}
    footers = {"default": "odd", "even": "even"}
    return w(
        "sectPr",
        *(f'<w:footerReference w:type="{pages}" r:id="{file}"/>' for pages, file in footers.items()),
        w("pgSz", w=_mm(page["width"]), h=_mm(page["height"])),
        w("pgMar", **sides, header=sides["footer"], gutter=0),
        w("docGrid", type="lines", linePitch=_mm(height) // page["lines"]),
    )


def _twips(points: float) -> int:
    return round(points * 20)


def _mm(length: float) -> int:
    return round(length * 1440 / 25.4)


if __name__ == "__main__":
    LAYOUT.write_bytes(built())
