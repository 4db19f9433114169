"""Questions without a command's word, 水利局还欠什么, 年度报告什么时候截止, and the commands that only show that."""

import re
from dataclasses import dataclass

from bot.wording.grammar import EDGES


@dataclass(frozen=True, slots=True)
class Plain:
    """The command that answers those who do the work, last the one for those who watch it; and what it is about."""

    commands: tuple[str, ...]
    about: str = ""


_ASKS = re.compile(r"[?？]$|啥|什么|哪|谁|几|多少|吗|没有?$|有没有|是否|何时|怎么|如何|够不够")
_POLITE = re.compile(
    r"^(?:请问|麻烦|帮我|帮忙|我?想?(?:问|查|看)(?:一?下|问|看)|我想知道|现在|目前|截至目前|今年|那么?|[，, ])+"
)
_TAIL = re.compile(r"[?？。!！~～ ]+$|(?<=.)(?:呢|啊|呀|吧)$")
_OURS = re.compile(r"^(?:我|我们|咱们?|俺们?|我们?(?:局|单位|科|这边?|这里|镇|街道)|本(?:局|单位|镇|街道|人)|自己)$")
_STILL = r"(?:还|都|现在|目前|到底|一共|总共|今年)*"
_WHAT = r"(?:什么|啥|哪些|哪几[项个件]|几[项个件]|多少[项个件]?)"
_WHO = r"(?:谁|哪些|哪几[个家]|哪[个家]|什么单位|哪里|有没有|多少)"
_DO = r"(?:办|做|交|报|完成|弄)"
_DONE = r"(?:截止|到期|交|报|办|完成|上报|报送|做|公示|公开)"
_ENDED = r"(?:办|做|交|报|弄|完成|办结|报结|上报|报送|公示|公开|销号)(?:完|好)?了?"
_WHEN = r"(?:什么时候|啥时候?|何时|哪一?天|几月?[号日])"
_DAY = r"的?(?:截止|到期)(?:日期?|时间)?"
_LATE = r"(?:逾期|超期|过期)"
_TABLE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("unacknowledged",), rf"(?P<about>.*?){_WHO}.*?(?:没有?|未)(?:签收|回复)(?P<more>.*)"),
    (("duty",), rf"{_WHO}(?:单位|部门)?{_STILL}(?:没有?|未){_DO}(?P<about>.{{2,}})"),
    (("overdue",), rf"{_WHO}(?:单位|部门)?{_STILL}(?:没有?|未){_DO}.?"),
    (
        ("study-progress",),
        rf"(?P<about>.*?){_STILL}(?:会前)?学法.*(?:几次|多少|进度|怎么样|如何|够不够|哪些).*|{_WHO}.*学法.*",
    ),
    (("lights",), rf".*{_WHO}.*(?:红|黄|绿)灯.*|.*[红黄绿]灯.*{_WHO}.*"),
    (("mine", "review"), rf".*{_WHAT}.*(?:待核|要核|核验|销号).*"),
    (("overdue",), rf"(?:还|有)*{_WHO}.*{_LATE}.*|(?P<about>.*?){_STILL}(?:是否|有)?{_LATE}.*"),
    (("due-week",), r"(?P<about>.*?)(?:这个?|本)(?:周|星期|礼拜)(?P<more>.*?)(?:有.*)?(?:到期|截止|要?[交报办做]).*"),
    (("due-month",), r"(?P<about>.*?)(?:这个?|本)月(?P<more>.*?)(?:有.*)?(?:到期|截止|要?[交报办做]).*"),
    (("due",), rf"(?:最近|近期|接下来|马上|快要?|下周|下个?月).*{_WHAT}.*|.*{_WHAT}.*(?:快到期|快要到期|临期).*"),
    (
        ("detail", "duty"),
        rf"(?P<about>.*?)(?:{_DAY}|最[晚迟]|应该?|要|是)*(?:在|是)*{_WHEN}(?:之?前)?(?:要|该|应|能|可以)*{_DONE}.*",
    ),
    (("detail", "duty"), rf"(?P<about>.*?){_DAY}是?{_WHEN}.*"),
    (("detail",), r"(?P<about>.*?)的?(?:法律)?(?:依据|出处)(?:是|在)?(?:什么|啥|哪).*"),
    (("detail",), r"(?P<about>.*?)是?(?:凭|根据|按照?|依据)的?(?:什么|啥|哪).*"),
    (("mine",), rf"(?:今天|明天|我们?)*{_STILL}(?:要|该|需要){_DO}点?{_WHAT}.*"),
    (("unit",), rf"(?P<about>\S*?){_STILL}(?:欠|差|缺|剩|有){_STILL}着?{_WHAT}.*"),
    (("mine", "progress"), rf"{_STILL}(?:全部?|已经?)*{_ENDED}(?:吗|么|没有?)?"),
    (("mine", "unacknowledged"), rf"{_STILL}(?:全部?|已经?)*签收了?(?:吗|么|没有?)?"),
    (("detail", "duty"), rf"(?P<about>.{{2,}}?){_STILL}(?:全部?|已经?)*{_ENDED}(?:吗|么|没有?)?"),
    (("help",), r".*(?:怎么用|如何使用|能做什么|有什么功能|使用说明|怎么操作).*"),
)
"""The first that a whole question fits; `about` and `more` are what it is about."""
_PATTERNS = tuple((commands, re.compile(pattern)) for commands, pattern in _TABLE)
_LOOSE = re.compile(rf"(?:的|有|还|都|是)*(?:{_WHO}|{_WHAT})?(?:单位|部门)?$")
_THIS = re.compile(r"^(?:这|这个|这条|这项|这件|这一?[条项个件]|该|该项|它|上面这?[条项个件]?)(?:事项|任务|提醒)?$")


def plainly_asked(text: str) -> Plain | None:
    """What a question asks for; None where nothing is asked, or nothing that is known."""
    if _ASKS.search(text) is None:
        return None
    said = _TAIL.sub("", _POLITE.sub("", text)) or text
    for commands, pattern in _PATTERNS:
        if found := pattern.fullmatch(said):
            return _about(commands, found)
    return None


def _about(commands: tuple[str, ...], found: re.Match[str]) -> Plain:
    parts = (_LOOSE.sub("", part or "").strip(EDGES) for part in found.groupdict().values())
    about = " ".join(part for part in parts if part and not _THIS.match(part) and not _OURS.match(part))
    if not about and "unit" in commands:
        return Plain(("mine",))
    return Plain(commands, about)
