"""How people speak of events: the words for each, and a sentence such as “意见书 城管局 9月20日收到” taken apart."""

import re
from dataclasses import dataclass
from datetime import date

from bot.wording.grammar import DAY, EDGES, NUMBER, read_day, split_title

EVENTS: dict[str, tuple[str, ...]] = {
    "opinion-letter-rectification": ("行政执法监督意见书", "监督意见书", "意见书", "opinion letter", "opinion"),
    "objection-review": ("复查申请", "复查", "异议", "objection"),
    "decision-letter-compliance": ("行政执法监督决定书", "监督决定书", "决定书", "decision letter"),
    "urge-letter-response": ("行政执法监督督办函", "督办函", "urging letter", "urge"),
    "legality-review": ("合法性审核", "合法性审查", "合法审核", "legality review", "legality"),
    "legality-materials": ("材料补正", "补正", "补材料", "materials"),
    "legality-re-review": ("再次审核", "重新审核", "再审核", "re-review"),
    "losing-case-report": ("败诉", "纠错", "losing case"),
    "licence-penalty-publication": ("许可处罚公示", "行政许可", "行政处罚", "许可", "处罚", "licence", "penalty"),
    "decision-publication": ("其他决定公示", "决定公示", "其他决定", "other decision"),
    "certificate-suspension": ("暂扣证件", "暂扣", "suspension"),
    "promptly": ("及时类", "及时", "promptly"),
    "assignment": ("交办事项", "交办", "assignment", "assign"),
}
"""Every duty that an event starts; of several started by one event, the one it is named by."""
ABOUT = frozenset({"assignment", "promptly"})
"""Events that mean nothing without a word on what is to be done; that word may name another event."""
CONFIRMATIONS = frozenset({"确认", "确认立案", "确定", "是", "是的", "对", "对的", "立案", "confirm", "yes"})

PAUSE_ONLY = frozenset({"仅暂停", "只暂停", "不立案", "pause-only", "only"})
"""Words for a clock that stands without anybody being told to complete materials."""

CASE_NUMBER = re.compile(r"(?:个案|案件|案|case)\s*#?\s*(\d{1,12})(?!\d)|(?<!\w)C(\d{1,12})(?!\w)", re.IGNORECASE)
_CALLED = re.compile(r"[（(]?(?:个案\s*#?\s*(\d{1,12})(?!\d)|\bcase\s*#?\s*(\d{1,12})\b)[）)]?", re.IGNORECASE)
"""A case as the name of an obligation ends with it. 案件 with a number may count cases."""
_AT_FIRST = re.compile(r"#?(\d{1,12})(?![\d年月日/.-])")
_BEFORE = r"(?:前|之前|以前|止|截止)"
_DOING = r"(?:改正|完成|办结|报告|履行|答复)?"
_NAMED = re.compile(
    rf"(?:限期?|要求|截止|期限|改正期|by|until)\s*(?:于|到|至|在|为|是)?\s*(?P<day>{DAY.pattern})\s*{_BEFORE}?{_DOING}"
    rf"|(?P<before>{DAY.pattern})\s*{_BEFORE}{_DOING}",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:已经?)?(?:收到|收悉|送达|签收|受理|作出|做出|下达|发生|被告知|告知)(?:的|了)?|\b(?:received|on|served|the)\b",
    re.IGNORECASE,
)
_SHORT_DAY = re.compile(r"(?<![^\s，,；;。])(\d{1,2})[./](\d{1,2})(?![^\s，,；;。])")
"""A day by its numbers alone, 1.3 or 1/3, standing by itself: where only a day can be meant."""
_TITLE_MARKS = str.maketrans("", "", "《》")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a sentence says of an event. `words` are those that are left: the unit, then what it is about."""

    duty: str = ""
    event_on: date | None = None
    named_on: date | None = None
    document: str = ""
    parent: int | None = None
    words: tuple[str, ...] = ()


def read_event(text: str, today: date) -> Spoken:
    """A sentence in free order; what is said later corrects what was said before. Raises DayError."""
    parent, rest = _last(CASE_NUMBER, text)
    document, rest = _last(NUMBER, rest)
    named, rest = _last(_NAMED, rest)
    day, rest = _last(DAY, _with_days(rest))
    duty, rest = _event(_FILLER.sub(" ", rest.translate(_TITLE_MARKS)))
    said = next((part for part in ((named["day"] or named["before"]) if named else "",) if part), "")
    words = tuple(word for part in rest.split() if (word := part.strip(EDGES)))
    return Spoken(
        duty,
        read_day("".join(day[0].split()), today) if day else None,
        read_day("".join(said.split()), today) if said else None,
        "".join(document[0].split()) if document else "",
        int(parent[1] or parent[2]) if parent else None,
        words,
    )


def case_number(text: str) -> tuple[int | None, str]:
    """The case a text is about, “个案12”, “#12” or “12” at its beginning; and the text without that."""
    found = CASE_NUMBER.search(text) or _AT_FIRST.match(text)
    if found is None:
        return None, text
    number = next(part for part in found.groups() if part)
    return int(number), " ".join(f"{text[: found.start()]} {text[found.end() :]}".split())


def _with_days(text: str) -> str:
    """A text with its days by numbers alone as days are written, unless a day is named in it: then they are none."""
    return text if DAY.search(text) else _SHORT_DAY.sub(r"\1月\2日", text)


def case_named(words: str) -> tuple[int | None, str]:
    """The case that stands where an obligation is named, before any evidence; and the words without it."""
    found = _CALLED.search(words)
    if found is None or split_title(words[: found.start()])[1]:
        return None, words
    number = next(part for part in found.groups() if part)
    return int(number), " ".join(f"{words[: found.start()]} {words[found.end() :]}".split())


def _last(pattern: re.Pattern[str], text: str) -> tuple[re.Match[str] | None, str]:
    """The last match, and the text without any."""
    found = list(pattern.finditer(text))
    return (found[-1], pattern.sub(" ", text)) if found else (None, text)


def _event(text: str) -> tuple[str, str]:
    """The duty whose word stands last in a text, and the text without it.

    After one that wants a word on what is to be done, everything is that word.
    """
    lowered, best = text.lower(), (-1, 0, "")
    first = min(
        (place, -len(word), duty)
        for duty, words in (*EVENTS.items(), ("", ("",)))
        for word in words
        if (place := lowered.find(word) if word else len(text)) >= 0
    )
    if first[2] in ABOUT:
        return first[2], f"{text[: first[0]]} {text[first[0] - first[1] :]}"
    for duty, words in EVENTS.items():
        for word in words:
            place = lowered.rfind(word)
            if place >= 0:
                best = max(best, (place + len(word), len(word), duty))
    if not best[2]:
        return "", text
    for word in sorted(EVENTS[best[2]], key=len, reverse=True):
        text = re.sub(re.escape(word), " ", text, flags=re.IGNORECASE)
    return best[2], text


PAPERS: dict[str, tuple[str, ...]] = {
    "urging": ("督办函", "urging letter"),
    "opinion": ("意见书", "opinion letter"),
    "decision": ("决定书", "decision letter"),
    "interview": ("约谈", "interview"),
    "bulletin": ("通报", "bulletin"),
}
"""The formal steps, by the words for their letters."""
_LETTER = re.compile(r"(?:函|文书|信|letter)\s*#?\s*(\d{1,12})(?!\d)", re.IGNORECASE)
_SIGNED_BY = re.compile(
    r"(?:签发人|签发(?![日时于])|signed by)\s*[:：]?\s*(?P<who>(?!\d)[^\s，,；;。]+(?:\s[A-Z]\w+)*)", re.IGNORECASE
)
_DAY_OF_ISSUE = re.compile(r"发文|签发|成文|印发|\bissued?\b|\bdated\b", re.IGNORECASE)
_DAY_OF_SERVICE = re.compile(r"送达|收到|签收|\bserved\b|\bservice\b|\breceived\b", re.IGNORECASE)
_LETTER_DAYS = (("served_on", _DAY_OF_SERVICE), ("issued_on", _DAY_OF_ISSUE))


@dataclass(frozen=True, slots=True)
class Said:
    """What a sentence says of a letter."""

    number: int | None
    document: str
    on: date | None
    named_on: date | None
    signatory: str
    rest: str


def read_letter(text: str, today: date) -> Said:
    """A sentence about a letter, in free order. Raises DayError."""
    found = _LETTER.search(text) or _AT_FIRST.match(text)
    rest = f"{text[: found.start()]} {text[found.end() :]}" if found else text
    signed, rest = _last(_SIGNED_BY, rest)
    document, rest = _last(NUMBER, rest)
    named, rest = _last(_NAMED, rest)
    day, rest = _last(DAY, _with_days(rest))
    said = (named["day"] or named["before"]) if named else ""
    return Said(
        int(found[1]) if found else None,
        "".join(document[0].split()) if document else "",
        read_day("".join(day[0].split()), today) if day else None,
        read_day("".join(said.split()), today) if said else None,
        signed["who"] if signed else "",
        " ".join(rest.split()).strip(EDGES),
    )


def speaks_of_letter(text: str) -> bool:
    """Whether a sentence names a letter by its number."""
    return _LETTER.search(text) is not None


def day_meant(words: str) -> str:
    """Which of a letter's days some words speak of: issued_on or served_on; empty where they do not say."""
    return next((name for name, said in _LETTER_DAYS if said.search(words)), "")


def read_paper(text: str) -> tuple[str, str]:
    """The letter a text names, empty for none, and the text without it."""
    lowered = text.lower()
    for paper, words in PAPERS.items():
        for word in words:
            if (place := lowered.find(word)) >= 0:
                return paper, " ".join(f"{text[:place]} {text[place + len(word) :]}".split())
    return "", text
