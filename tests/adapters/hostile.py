"""Strategies for what nobody sends in good faith: noise, genuine payloads spoilt, and JSON and XML at their limits."""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

Json = Mapping[str, Any]

DEEP, TOO_DEEP = 900, 60_000
"""Nesting that a parser of JSON still takes, and nesting that it does not."""
RAW = (
    "9" * 4_300, "9" * 5_000, "-" + "9" * 400, "1e400", "-1e400", "NaN", "-Infinity", "0.1" + "0" * 2_000, "1E-400",
    "true", "null", "[]", "{}", '""', '{"a":1,"a":{"a":2}}', '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "\\u0000",
    "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[" * TOO_DEEP, '{"value":' * TOO_DEEP,
)  # fmt: skip
"""JSON as text, for what no writer of JSON writes; some of it is none."""
TEXTS = (
    "", " ", "\x00", "\ud800", "\ud83d", "\u2028", "\x1b[31m", "x" * 64, "x" * 65, "x" * 120, "x" * 129, "督" * 129,
    "x" * 70_000, " " * 50_000 + "x", "@_user_1 " * 8_000, " @_all" * 8_000 + "!", "<@U" * 20_000, "<" * 50_000,
    "<@U1|" * 10_000, "&amp;" * 10_000, "> \n" * 20_000, "@督办 " * 10_000, "{" * 20_000, '{"value":"x"}', "[[[]]]",
    "https://" * 5_000, "%00" * 1_000, "../../etc/passwd", "chat:x", "@all", "-1", "1e5", "9" * 5_000, "http://[",
    "wss://[::1", "ws://x:99999999/", "https://oapi.dingtalk.com/", "!r:x", "$1", "$" + "x" * 300, "@zhang:hs.test",
)  # fmt: skip
TEXT = st.sampled_from(TEXTS) | st.text(max_size=12)
NUMBERS = st.integers() | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400]) | st.floats()
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FILLS = st.sampled_from(range(len(RAW))).map(lambda number: f"raw-{number}-raw") | VALUE


class Shown(bytes):
    """Bytes of which a report shows the beginning; it tells by a blob how to make them again."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{bytes(self[:400])!r}" + (f"… {len(self)} bytes" if len(self) > 400 else "")


Draw = st.DrawFn
LONGEST = 2_000
Place = tuple[Any, Any]


@st.composite
def shown(draw: Draw, data: st.SearchStrategy[bytes]) -> Shown:
    """A mapped strategy would be reported as the call that made it, at full length."""
    return Shown(draw(data))


@st.composite
def spoilt(draw: Draw, genuine: bytes) -> bytes:
    """The same bytes with a few accidents: bits turned, ends and pieces lost, pieces twice, noise between."""
    data = bytearray(genuine)
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(1, 16))
        match draw(st.sampled_from(["turn", "cut", "lose", "twice", "noise"])):
            case "turn" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at:]
            case "lose":
                del data[at : at + size]
            case "twice":
                data[at:at] = data[at : at + size]
            case _:
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
    return Shown(data)


@st.composite
def edited(draw: Draw, genuine: Sequence[Json]) -> Any:
    """A genuine body in which something else stands at some places; fields are lost, in disorder, or text of JSON."""
    body: Any = copy.deepcopy(draw(st.sampled_from(genuine)))
    for _ in range(draw(st.integers(0, 4))):
        places = [*_places(body)]
        if not places:
            break
        part, key = draw(st.sampled_from(places))
        part[key] = _changed(draw, part, key)
        if part[key] is _LOST:
            del part[key]
    return dict(draw(st.permutations([*body.items()]))) if draw(st.booleans()) else body


@st.composite
def written(draw: Draw, bodies: st.SearchStrategy[Any]) -> bytes:
    """A body as text, raw pieces in their places, sometimes with every key twice, or in another encoding."""
    body = draw(bodies)
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 7)) == 0 and isinstance(body, dict) and body:
        text = f"{{{text[1:-1]},{json.dumps(dict.fromkeys(body, draw(VALUE)))[1:-1]}}}"
    text = re.sub(r'"raw-(\d+)-raw"', lambda found: RAW[int(found[1])], text)
    encoding = draw(st.sampled_from(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "utf-32-le"]))
    return Shown(text.encode(encoding, "surrogatepass"))


@st.composite
def spoilt_xml(draw: Draw, genuine: Sequence[str]) -> bytes:
    """A genuine XML body with other contents, elements twice, nesting, entities, declarations and document types."""
    text = draw(st.sampled_from(genuine))
    names = sorted({found[1] for found in re.finditer(r"<(\w+)>", text)} - {"xml"})
    for _ in range(draw(st.integers(0, 3))):
        name, inside = draw(st.sampled_from(names)), draw(CONTENT)
        old, new = rf"<{name}>.*?</{name}>", f"<{name}>{inside}</{name}>"
        if draw(st.booleans()):
            old, new = "</xml>", f"{new}</xml>"
        text = re.sub(old, new.replace("\\", r"\\"), text)
    before = draw(st.sampled_from(["", "", "", *DECLARATIONS]))
    return f"{before}{text}{draw(st.sampled_from(['', '', '<x/>', '&x;', chr(0)]))}".encode("utf-8", "surrogatepass")


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
DECLARATIONS = (
    '<?xml version="1.0" encoding="gb2312"?>', '<?xml version="1.0" encoding="none"?>', '<?xml version="9"?>', "\ufeff",
    "<!DOCTYPE xml>", '<!DOCTYPE xml SYSTEM "http://127.0.0.1:9/x">', '<!DOCTYPE xml [<!ENTITY x "zhangsan">]>',
    '<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]>', f'<!DOCTYPE xml [<!ENTITY e0 "x">{ENTITIES}]>',
    '<!DOCTYPE xml [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]>', '<?xml-stylesheet href="x"?>', "<!-- -- -->",
)  # fmt: skip
CONTENT = st.sampled_from(
    [
        "", "&x;", "&e9;", "&#0;", "&#xD800;", "&#x10FFFF;", "&lt;", "]]>", "<![CDATA[", "<![CDATA[]]>", "\x01",
        "\ud800", "<a>" * 5_000, "<a>" * 5_000 + "</a>" * 5_000, "event", "text", "template_card_event", "<b>x</b>tail",
        *(f"<![CDATA[{text}]]>" for text in TEXTS), *(text for text in TEXTS if "<" not in text and "&" not in text),
    ]
) | st.text(max_size=12)  # fmt: skip


def hostile(genuine: Sequence[Json]) -> st.SearchStrategy[bytes]:
    """Bytes where a body of JSON is expected."""
    whole = st.sampled_from([json.dumps(one).encode() for one in genuine])
    return st.one_of(written(edited(genuine)), written(edited(genuine)), whole.flatmap(spoilt), written(VALUE), NOISE)


def hostile_xml(genuine: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Bytes where a body of XML is expected."""
    whole = st.sampled_from([one.encode() for one in genuine])
    return shown(st.one_of(spoilt_xml(genuine), spoilt_xml(genuine), whole.flatmap(spoilt), NOISE))


NOISE = shown(st.binary(max_size=200) | st.sampled_from([raw.encode() for raw in RAW]))
_LOST = object()


def _places(value: Any) -> Iterator[Place]:
    """Every place in a value where something stands."""
    pairs: list[Place] = [*value.items()] if isinstance(value, dict) else [*enumerate(value)]
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def _changed(draw: Draw, part: Any, key: Any) -> Any:
    old = part[key]
    changes: list[Callable[[], Any]] = [
        lambda: draw(FILLS),
        lambda: draw(FILLS),
        lambda: _LOST,
        lambda: [old, old],
        lambda: json.dumps(old),
        lambda: draw(TEXT) + old if isinstance(old, str) else old,
    ]
    if inner := _inside(old):
        changes += [lambda: draw(written(edited([inner]))).decode("utf-8", "replace")] * 4
    return draw(st.sampled_from(changes))()


def _inside(text: Any) -> Json | None:
    """The object that a genuine text holds as JSON; what was put there instead holds none worth editing."""
    with suppress(TypeError, ValueError, RecursionError):
        found = json.loads(text) if len(text) < LONGEST else None
        return found if isinstance(found, dict) else None
    return None
