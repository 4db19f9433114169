"""The words people type, in both languages: courtesy, numbers, days, and how evidence looks in a sentence."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date, timedelta

import arrow

from duties.model import Evidence, Exemption

LONGEST = 4_000
"""Characters of a message that are read; the rest is kept in the inbox and not understood."""
LONGEST_TOPIC = 200
"""Characters of a topic or a reason: they are shown to others, and a column holds them."""

BIND = ("绑定", "bind")
EVERYTHING = ("全部", "所有", "all")
WHOLE_SENTENCES = {"全部签收": "签收 全部", "全部收到": "签收 全部", "都收到了": "签收 全部"}
"""What people say in one breath, and the command it stands for."""
LEAP_SPAN = 9
"""Years within which every day of a calendar comes again: 1900 and 2100 are no leap years."""
OF = "的"
"""Stands between a unit and its duty."""
NOBODY = frozenset({"取消", "无", "nobody", "none", "cancel"})
"""Whom something is given to when it is given to nobody any more."""
_PARTNER = re.compile(r"\s*(?:配合|协办|\bas partner|\bpartner)$", re.IGNORECASE)
"""What makes of 转办 to a unit the naming of a partner."""
AGREEMENTS = frozenset({"是", "是的", "对", "对的", "yes"})
DENIALS = frozenset({"不", "不是", "不是的", "不对", "不用", "否", "no"})
COURTESIES = AGREEMENTS | DENIALS | {
    "好", "好的", "好滴", "好嘞", "嗯", "嗯嗯", "行", "可以", "谢谢", "谢谢您", "感谢", "多谢", "辛苦", "辛苦了",
    "知道了", "明白", "明白了", "您好", "你好", "在吗", "ok", "okay", "thanks", "thx", "thank you", "hello", "hi",
    "没有", "还没", "还没有", "未完成", "稍等", "等一下", "not yet", "wait",
}  # fmt: skip
"""Said to a person, not to a machine: they decide nothing and show nothing."""

EDGES = " ，,。.；;、:：!！~～…"
"""What is cut from the ends of a topic or a note."""
_STANDS_FOR = re.compile(
    r"[\[【](?:图片|照片|语音|视频|文件|动画表情|表情|位置|名片|聊天记录|image|picture|photo|voice|video|audio|file|sticker)"
    r"(?:[:：][^\]】]*)?[\]】]|\[(?:[\u4e00-\u9fff]{1,3}|OK)\]",
    re.IGNORECASE,
)
"""What a platform writes for what has no words: [图片], [微笑]."""
_FACES = frozenset({"So", "Sk", "Mn", "Me", "Cf"})
"""Kinds of characters that drawn faces and signs are made of."""
_OPENING = re.compile(r"^(?:[\s/\\!！，,。、:：]+|(?:好的?|嗯+|您好|你好|ok|hi|hello)[\s，,。.!！、]+)+", re.IGNORECASE)
_ASKING = re.compile(r"(?:[?？]|吗|呢|什么|怎么办|怎么填|怎么弄|怎么做|搞不懂|看不懂|不会弄|不会填)[?？]*$")

_KEPT_PUNCTUATION = "，；：？！（）…"
_OTHERS = re.compile(f"[^{_KEPT_PUNCTUATION}]+")
_KEPT_CONTROLS = {"\n", "\t"}

EMPTY = re.compile(
    r"零报告|本(?:期|月|季度?|年度?)(?:无|没有)[^\s，,。.；;、]*|无此情况|nothing to report|nil report", re.IGNORECASE
)
NUMBER = re.compile(
    r"\w{0,16}[〔\[【(（]\s*\d{4}\s*[〕\]】)）]\s*(?:第\s*)?\d+\s*号?|[\u4e00-\u9fff]{1,16}\d{4}年?第?\d{1,5}号"
)
_NO_NUMBER = r"无文号|没有文号|\bno number"
_NO_LINK = r"免公开|免于公开|不予公开|不公开|无链接|\b(?:not public|no link)"
_NOTHING = r"不适用|(?<![\w./])(?:not applicable|n/a)"
_ENDS = r"(?![^\s，,。.；;、:：!！~～…])"
_NEXT = rf"(?<=[\s，,。、])(?:(?:{_NO_NUMBER}){_ENDS}|(?:{_NO_LINK}|{_NOTHING})\s*[:：])"
EXEMPTION = re.compile(
    rf"(?:(?P<number>{_NO_NUMBER})|(?P<link>{_NO_LINK})|(?P<all>{_NOTHING})){_ENDS}"
    rf"[\s，,:：]*(?P<why>(?:(?!{_NEXT})[^；;\n])*)",
    re.IGNORECASE,
)
"""Why a piece of evidence is not there: the word says which, what follows is the reason, up to the next such word."""
LINK = re.compile(r"(?:https?://|www\.)[^\s，。；、<>\"'”“）)]+", re.IGNORECASE)
_SPELT = "〇零一二三四五六七八九十"
DAY = re.compile(
    r"(?<!\d)(?:\d{4}\s*[-/.年]\s*\d{1,4}\s*[-/.月]\s*\d{1,4}\s*[日号]?|20\d{2}[01]\d[0-3]\d(?!\d)"
    rf"|\d{{1,4}}\s*月\s*\d{{1,4}}\s*[日号]?)|(?:[{_SPELT}]{{4}}年|\d{{4}}\s*年\s*)?(?:[{_SPELT}]{{1,3}}|元|\d{{1,2}})\s*月"
    rf"\s*初?(?:[{_SPELT}]{{1,3}}|\d{{1,2}})\s*[日号]"
    rf"|[上本这下]个?月\s*(?:[{_SPELT}]{{1,3}}|\d{{1,2}})\s*[日号]|[上本这下]个?(?:周|星期|礼拜)[一二三四五六日天]"
    rf"|(?<![^\s，,。；;、:：于在至到截止限期])(?:[{_SPELT}]{{1,3}}|\d{{1,2}})号(?![^\s，,。；;、.!！前之已以止完报公上下办印作签受立发收送截到至的再提叫])"
    r"|今[天日]|昨[天日]|大?前天|明[天日]|大?后天|\b(?:today|yesterday|tomorrow)\b",
    re.IGNORECASE,
)
"""A day in a sentence. 5日 alone is none, it may be a span; 5号 is one, unless it numbers something: 1号文件."""
_SAID_DONE = re.compile(
    r"已经?(?:上报|报送|报|提交|上交|交|办结|办完|办好|完成|印发|公示|公开|发布)(?:了|完了?|好了?)?"
    r"|(?:上报|报送|报|提交|上交|交|办结|办|完成|印发|公示|公开|发布)(?:完|好)?了"
)
"""That something was done, in a sentence without a command's word: 年度报告已报，文号……"""
LABEL = re.compile(
    r"(?:(?<=^)|(?<=[\s，,；;。]))(?<!\bno )"
    r"(?:文号|发文字号|日期|时间|链接|网址|说明|备注|number|date|link|note)(?:\s*[:：]\s*|\s+)",
    re.IGNORECASE,
)
_NUMBER_LABEL = re.compile(r"^\w*(?:文号|字号)[为是]?(?=\w)")
"""A label that stands before a number without a space: 文号昌市城管〔2026〕3号."""
RELATIVE = {
    "今天": 0, "今日": 0, "today": 0, "昨天": 1, "昨日": 1, "yesterday": 1, "前天": 2, "大前天": 3,
    "明天": -1, "明日": -1, "tomorrow": -1, "后天": -2, "大后天": -3,
}  # fmt: skip
_AROUND = {"上": -1, "本": 0, "这": 0, "下": 1}
_WEEKDAY = re.compile(r"([上本这下])个?(?:周|星期|礼拜)([一二三四五六日天])")
_VALUES = {"零": 0, **{sign: value for value, sign in enumerate("〇一二三四五六七八九")}}
_NUMERALS = re.compile(f"[{_SPELT}]+")
_DAY_OF_MONTH = re.compile(r"([上本这下])个?月(\d+)[日号]")
_BRACKETS = str.maketrans({"[": "〔", "【": "〔", "(": "〔", "（": "〔", "]": "〕", "】": "〕", ")": "〕", "）": "〕"})

HASH_NUMBER = re.compile(r"^(?:#|编号)\s*(\d{1,12})(?!\d)")
LIST_NUMBER = re.compile(r"^(?:第\s*)?(\d{1,3})\s*[项条]?(?=$|[\s、.．，,:：;；])[、.．，,:：;；]?")
_PLACE = re.compile(r"(?<!\S)\d{1,3}(?!\S)")
_SEPARATORS = re.compile(r"[\s、,，;；和与]+")
_MENTION = re.compile(r"(#|编号)?第?(\d{1,12})[项条]?")
_RANGE = re.compile(r"第?(\d{1,3})[-\u2014~至到](\d{1,3})[项条]?")
_ALL_OF = re.compile(r"^(?:都|全部?|均|已经?)+(?=\S)")
"""What stands between numbers and what was done with them: 1、3都完成了."""
_ONE = r"(?:(?:#|编号)\s*\d{1,12}|第?\d{1,3}(?:[-\u2014~至到]\d{1,3})?[项条]?)"
_SEVERAL = re.compile(rf"{_ONE}(?:(?:\s*[、,，;；和与]\s*|\s*(?=#|编号|第)){_ONE})*(?=$|[\s、.．，,:：;；])")
_NUMBERS = re.compile(r"[\d\s#、,，;；.．和与第项条编号~至到\u2014-]+")
ATTENDED = re.compile(r"应训\s*(\d{1,6})\s*[人名]?\D{0,20}?达标\s*(\d{1,6})|(\d{1,6})\s*of\s*(\d{1,6})", re.IGNORECASE)
_UNTIL = re.compile(
    rf"(?:截至|截止|有效期?至|[至到]|\b(?:until|till|to)\b)\s*({DAY.pattern})\s*(?:为止|止)?", re.IGNORECASE
)

_PERIOD = re.compile(
    rf"(?P<first>{DAY.pattern})\s*(?:至|到|[-\u2014~～]|\bto\b|\buntil\b)\s*(?:(?P<last>{DAY.pattern})|(?P<day>\d{{1,2}})\s*[日号])",
    re.IGNORECASE,
)
_REQUEST = re.compile(r"(?:申请|request)\s*#?\s*(\d{1,12})(?!\d)|#?(\d{1,12})(?=\s|$)", re.IGNORECASE)
_AHEAD = re.compile(
    r"(?:(?:with)?in |for )?(\d{1,3})\s*(?:天|日|days?(?![a-z]))(?:之内|以内|内)?|(\d{1,3})(?!\S)", re.IGNORECASE
)


class DayError(ValueError):
    """Something that looks like a date and is none. The text is the argument."""


TRADITIONAL_CHARACTERS = str.maketrans(
    "簽辦銷號結報進轉學時後詳燈紅綠黃單項導覈驗申請發達書訂閱積個暫復綁幫會兒託協記計數誰沒擬週",
    "签办销号结报进转学时后详灯红绿黄单项导核验申请发达书订阅积个暂复绑帮会儿托协记计数谁没拟周",
)


def in_simplified(text: str) -> str:
    """A text with the traditional characters of commands' words as simplified ones, each in its place.

    For telling which command is meant: what goes into the ledger stays as it was written.
    """
    return text.translate(TRADITIONAL_CHARACTERS)


def clean(text: str) -> str:
    """A message as it is understood: one width, no invisible or control characters, single spaces.

    Chinese punctuation keeps its width, because topics and reasons go into the ledger as they were written.
    """
    seen = "".join(c for c in text[:LONGEST] if _visible(c))
    plain = _OTHERS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), seen)
    return " ".join("".join(c for c in plain if _visible(c)).split())[:LONGEST]


def _visible(character: str) -> bool:
    return character in _KEPT_CONTROLS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def without_greeting(text: str) -> str:
    """A message without the polite words, the slash or the stray punctuation it opens with."""
    rest = text[found.end() :] if (found := _OPENING.match(text)) else text
    return WHOLE_SENTENCES.get(in_simplified(rest.rstrip(EDGES)), rest)


def is_courtesy(text: str) -> bool:
    """Whether a text is nothing but polite words."""
    words = [word for word in re.split(f"[{re.escape(EDGES)}]+", text.lower()) if word]
    return bool(words) and (" ".join(words) in COURTESIES or all(word in COURTESIES for word in words))


def is_question(text: str) -> bool:
    """Whether somebody asks back instead of answering."""
    return _ASKING.search(text) is not None


def is_wordless(text: str) -> bool:
    """Whether a message holds no words: a picture, a recording or a file, what stands for one, or faces alone."""
    rest = _STANDS_FOR.sub("", text)
    return all(character.isspace() or unicodedata.category(character) in _FACES for character in rest)


def evidence_alone(text: str) -> str | None:
    """A statement that shows a document's number or a link, without the words that say it is done; else None."""
    if is_question(text) or not (NUMBER.search(text) or LINK.search(text)):
        return None
    return _trimmed(_SAID_DONE.sub(" ", text))


def is_chinese(text: str) -> bool:
    """Whether a text has any Chinese in it; what has neither is answered in Chinese, the first language here."""
    text = LINK.sub("", text)
    return re.search(r"[\u3400-\u9fff]", text) is not None or re.search(r"[A-Za-z]{2}", text) is None


def is_abridged(words: str, title: str) -> bool:
    """Whether Chinese words are a title with characters left out, as titles are shortened: 年度报告 of 年度分析报告."""
    signs = iter(title)
    return len(words) > 2 and is_chinese(words) and all(sign in signs for sign in words)  # noqa: PLR2004  shorter tell nothing


def read_day(text: str, today: date) -> date:
    """A day as people write it; without a year, or a month, it is the nearest one. Raises DayError."""
    lowered = in_digits(text.lower())
    if lowered in RELATIVE:
        return today - timedelta(days=RELATIVE[lowered])
    if found := _WEEKDAY.fullmatch(lowered):
        weeks, place = _AROUND[found[1]], "一二三四五六日天".index(found[2])
        return today + timedelta(days=weeks * 7 + min(place, 6) - today.weekday())
    if found := _DAY_OF_MONTH.fullmatch(lowered):
        return _of(_days_of_month(int(found[2]), today, (_AROUND[found[1]],)), today, text)
    numbers = [int(number) for number in re.findall(r"\d+", lowered)]
    if len(numbers) == 1 and numbers[0] < 100:  # noqa: PLR2004  a day of the month
        return _of(_days_of_month(numbers[0], today, (0, -1, 1)), today, text)
    if len(numbers) == 1:
        numbers = [numbers[0] // 10_000, numbers[0] // 100 % 100, numbers[0] % 100]
    years = [numbers[0]] if len(numbers) == 3 else [today.year + shift for shift in (0, -1, 1)]  # noqa: PLR2004  year, month, day
    return _of([_day(year, *numbers[-2:]) for year in years], today, text)


def _of(days: Iterable[date | None], today: date, text: str) -> date:
    """The nearest of the days that exist."""
    found = [day for day in days if day is not None]
    if not found:
        raise DayError(text)
    return min(found, key=lambda day: abs(day - today))


def _days_of_month(number: int, today: date, shifts: Iterable[int]) -> list[date | None]:
    """The day of this number in months around today's."""
    months = (divmod(today.year * 12 + today.month - 1 + shift, 12) for shift in shifts)
    return [_day(year, month + 1, number) for year, month in months]


def in_digits(text: str) -> str:
    """A day with its Chinese numerals as digits: 元月五号 is 1月5号. A weekday keeps its own."""
    if _WEEKDAY.fullmatch(text):
        return text
    return _NUMERALS.sub(lambda found: _digits(found[0]), text.replace("元月", "1月"))


def _digits(numeral: str) -> str:
    """二十五 is 25, 二〇二六 is 2026."""
    if "十" not in numeral:
        return "".join(str(_VALUES[sign]) for sign in numeral)
    tens, _, ones = numeral.partition("十")
    return str(_VALUES.get(tens, 1) * 10 + _VALUES.get(ones, 0))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return arrow.get(year, month, day).date()
    except ValueError:
        return None


def read_until(text: str, today: date) -> tuple[date | None, str]:
    """The day up to which something is to hold, named last in a text, and the text without it. Raises DayError."""
    found = next((one for one in reversed(list(_UNTIL.finditer(text)))), None)
    if found is None:
        return None, _trimmed(text)
    return coming_day("".join(found[1].split()), today), _trimmed(f"{text[: found.start()]} {text[found.end() :]}")


def read_period(text: str, today: date) -> tuple[date | None, date | None, str]:
    """From which day to which, and the text without that: 10月1日至10月8日, 10月1日至8日, 至10月8日. Raises DayError.

    Where only the last day is named, the first is today; a day alone is both.
    """
    found = _PERIOD.search(text)
    if found is None:
        last, rest = read_until(text, today)
        if last is not None:
            return today, last, rest
        said, rest = _cut(DAY, rest)
        day = coming_day("".join(said.split()), today) if said else None
        return day, day, _trimmed(rest)
    first = coming_day("".join(found["first"].split()), today)
    said = found["last"] or f"{first.year}-{first.month}-{found['day']}"
    rest = _trimmed(f"{text[: found.start()]} {text[found.end() :]}")
    return first, coming_day("".join(said.split()), first), rest


def coming_day(text: str, today: date) -> date:
    """A day as people write it; without a year it is the next one, today included. Raises DayError."""
    day = read_day(text, today)
    numbers = re.findall(r"\d+", in_digits(text))
    if day < today and len(numbers) == 1 and len(numbers[0]) < 3 and text[0] not in _AROUND:  # noqa: PLR2004  5号
        return min(found for found in _days_of_month(int(numbers[0]), today, range(3)) if found and found >= today)
    if day >= today or len(numbers) != 2:  # noqa: PLR2004  month, day
        return day
    years = (_day(today.year + ahead, int(numbers[0]), int(numbers[1])) for ahead in range(LEAP_SPAN))
    return next((later for later in years if later is not None and later >= today), day)


def as_partner(text: str) -> str | None:
    """The unit that a text names as 配合; None where it speaks of no partner."""
    found = _PARTNER.search(text)
    return _trimmed(text[: found.start()]) if found else None


def as_taken_back(text: str) -> tuple[str, bool]:
    """A name, and whether 取消 stands before or after it."""
    words = text.split()
    kept = [word for word in words if word.lower() not in NOBODY]
    return _trimmed(" ".join(kept)), len(kept) < len(words)


def request_number(text: str) -> tuple[int | None, str]:
    """The request a text begins by naming, 申请3 or 3, and the text without that."""
    found = _REQUEST.match(text)
    return (int(found[1] or found[2]), _trimmed(text[found.end() :])) if found else (None, _trimmed(text))


def first_day(text: str, today: date) -> tuple[date | None, str]:
    """The first day a text names, and the text without it. Raises DayError."""
    found, rest = _cut(DAY, text)
    return (read_day("".join(found.split()), today) if found else None), _trimmed(rest)


def read_evidence(text: str, today: date) -> Evidence:
    """Document number, date, link and note in free order. Raises DayError for a date that does not exist."""
    link, rest = _cut(LINK, LABEL.sub(" ", text))
    exempt, rest = _exempt(rest)
    number, rest = _cut(NUMBER, rest)
    day, rest = _cut(DAY, rest)
    empty = ""
    if not (link or number):
        empty, rest = _cut(EMPTY, rest)
    note = _trimmed(rest)
    return Evidence(
        number=_NUMBER_LABEL.sub("", "".join(number.split())).translate(_BRACKETS),
        done_on=read_day("".join(day.split()), today) if day else None,
        link=link,
        note="" if is_courtesy(note) else note,
        empty=bool(empty),
        exempt=exempt,
    )


def _exempt(text: str) -> tuple[tuple[Exemption, ...], str]:
    """What need not be shown, each with why, and the text without that. A number that is not there needs no reason."""
    exempt: list[Exemption] = []
    start = end = len(text)
    for found in EXEMPTION.finditer(text):
        if exempt and _trimmed(text[end : found.start()]):
            break  # inside other words it excuses nothing more
        start, end = min(start, found.start()), found.end()
        said = found[0] if _explained(found) else ""
        what = next(name for name in ("number", "link", "all") if found[name])
        exempt.append(Exemption(what, _trimmed(said)[:LONGEST_TOPIC]))
    return tuple(exempt), f"{text[:start]} {text[end:]}"


def _explained(found: re.Match[str]) -> bool:
    return bool(found["why"].strip(EDGES) or found["number"])


def reasoned(said: str, answer: str) -> str:
    """What was said of evidence that need not be shown, with the reason that was asked for.

    An answer that shows a document after all, or says it all again, takes the place of what was not to be shown.
    """
    if is_courtesy(answer) or is_question(answer):
        return said
    if any(pattern.search(answer) for pattern in (LINK, NUMBER, EXEMPTION)):
        return _trimmed(f"{EXEMPTION.sub(' ', said)} {answer}")
    return _trimmed(EXEMPTION.sub(lambda found: found[0] if _explained(found) else f"{found[0]} {answer}", said))


def days_ahead(words: str) -> tuple[int | None, str]:
    """How many days a question begins by naming, and the words after them: "7天 水利局", "in 7 days", "7"."""
    found = _AHEAD.match(words)
    return (int(found[1] or found[2]), words[found.end() :]) if found else (None, words)


def _cut(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    found = pattern.search(text)
    return (found[0], f"{text[: found.start()]} {text[found.end() :]}") if found else ("", text)


def _trimmed(text: str) -> str:
    return " ".join(text.split()).strip(EDGES)


def split_title(words: str) -> tuple[tuple[str, ...], str]:
    """The words that may name a duty, and the rest from where evidence begins."""
    starts = [found.start() for pattern in (LINK, DAY, EMPTY, LABEL, EXEMPTION) if (found := pattern.search(words))]
    if number := NUMBER.search(words):
        starts.append(max(words.rfind(edge, 0, number.start()) for edge in EDGES) + 1)
    if place := _PLACE.search(words):
        starts.append(place.start())
    cut = min(starts, default=len(words))
    return tuple(word for part in words[:cut].split() if (word := part.strip(EDGES))), words[cut:].strip()


def leading_numbers(words: str) -> tuple[list[tuple[bool, int]], str]:
    """The numbers a text begins with when they are several, as `read_numbers` gives them, and what follows them."""
    found = _SEVERAL.match(words)
    numbers = read_numbers(found[0]) if found else []
    return (numbers, words[found.end() :].strip(EDGES)) if found and len(numbers) > 1 else ([], words)


def numbers_first(text: str) -> tuple[str, str]:
    """The numbers before a command, and the command with what follows: "1、3 签收". Empty where there are none."""
    found = _NUMBERS.match(text)
    numbers = found[0].strip(EDGES) if found else ""
    if not found or not read_numbers(numbers):
        return "", text
    return numbers, _ALL_OF.sub("", text[len(found[0]) :])


def read_numbers(words: str) -> list[tuple[bool, int]]:
    """The numbers of a text that holds nothing else, each with whether it is a #number: "1、3", "2-4", "#17 #18"."""
    found: list[tuple[bool, int]] = []
    for part in filter(None, _SEPARATORS.split(re.sub(r"(#|编号|第)\s+", r"\1", words))):
        if span := _RANGE.fullmatch(part):
            found += [(False, number) for number in range(int(span[1]), int(span[2]) + 1)]
        elif one := _MENTION.fullmatch(part):
            found.append((one[1] is not None, int(one[2])))
        else:
            return []
    return found
