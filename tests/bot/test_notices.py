"""However much is owed, a notice fits a phone: totals first, the most urgent in full, nothing lost."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulation import simulate
from bot.store.queue import Owed
from bot.wording import LANGUAGES, Language
from bot.wording.notices import NoticeWording, Surface
from bot.wording.screen import CHARACTERS, LINES
from duties.model import Force, Stop
from tests.bot.play import LAW, SAMPLE, ZONE
from tests.bot.talk import WATER, Talk, copied, prepare, talking

TODAY = date(2026, 3, 3)
RICH = {"cjz-gov", "cjs-gov", "cjs-justice", "cjs-market"}
"""One that owes much, and those that look after it."""
NUMBERED = re.compile(r"^\s*(?:■.*：)?(\d+)\. .*#(\d+)", re.MULTILINE)
COUNTED = re.compile(r"另有(?:其他单位)? (\d+) 项，回复|^(\d+) more(?: of other units)?: reply", re.MULTILINE)
TONES = ("pace", "notice", "remind", "urge", "last-day", "overdue", "proposal", "weekly")


def owed(number: int, duty: str, audience: str, tone: str, days: int, unit: str) -> Owed:
    return Owed(
        number, 1, number, number, duty, "2025", "昌吉州", unit, TODAY + timedelta(days), "-5", audience, tone, 1,
        late=False, state="pending", tally=1, target=12, force=Force.SETTLED,
    )  # fmt: skip


def fits(text: str) -> bool:
    return len(text.splitlines()) <= LINES and len(text) <= CHARACTERS


ITEM = st.tuples(
    st.sampled_from([duty.code for duty in LAW.registry.duties]),
    st.sampled_from(("officer", "head", "supervisor", "supervisor")),
    st.sampled_from(TONES),
    st.integers(-40, 40),
    st.sampled_from(("昌吉市水利局", "昌吉市市场监督管理局", "昌吉市林业和草原综合行政执法大队")),
)
SURFACES = st.sampled_from([Surface(), Surface(answers=False), Surface(buttons=False)])


@given(st.lists(ITEM, min_size=1, max_size=50), st.sampled_from(LANGUAGES), SURFACES)
def test_no_notice_is_longer_than_a_screen(
    items: list[tuple[str, str, str, int, str]], language: Language, surface: Surface
) -> None:
    owing = [owed(number, *one) for number, one in enumerate(sorted(items, key=lambda one: one[3]), 101)]
    worded = NoticeWording(LAW.registry, language).compose(owing, TODAY, surface)
    assert worded.body is not None
    text, listed = worded.body["text"], worded.body["items"]
    assert fits(text), text
    assert {outcome for _, outcome in worded.outcomes} == {"said"}
    assert len(worded.outcomes) == len(worded.body["said"]) == len(items)
    for place, number in NUMBERED.findall(text):
        assert listed[int(place) - 1] == int(number), text
    if surface.answers:
        assert len(listed) + sum(int(a or b) for a, b in COUNTED.findall(text)) == len(items), text
    own = {one.obligation for one in owing if one.audience != "supervisor"} & set(listed)
    assert own <= {int(number) for _, number in NUMBERED.findall(text)}, "one's own is read before it is acknowledged"
    assert {int(n) for _, value, _ in worded.body["buttons"] for n in value.split(":")[1].split(",")} <= own


def test_the_most_urgent_are_told_in_full_and_the_rest_in_a_line_each() -> None:
    owing = [
        owed(number, "enforcement-annual-report", "officer", "notice", days, "昌吉市水利局")
        for number, days in enumerate(range(5, 15), 1)
    ]
    body = NoticeWording(LAW.registry).compose(owing, TODAY).body
    assert body is not None
    text = body["text"]
    assert text.startswith("【提醒】10 项")
    assert (
        "1. 行政执法年度分析报告（2025年度）昌吉市水利局 #1\n   截止 2026年3月8日（周日），还有 5 天\n   依据 " in text
    )
    assert "\n10. 行政执法年度分析报告（2025年度）截止 3月17日 #10\n" in text
    assert body["items"] == list(range(1, 11))


def test_a_line_says_what_is_special_about_an_item() -> None:
    def special(number: int, duty: str, **facts: Any) -> Owed:
        return replace(owed(number, duty, "officer", "moved", 20, "昌吉市水利局"), **facts)

    plain = [
        owed(number, "enforcement-annual-report", "officer", "notice", 5, "昌吉市水利局") for number in range(1, 9)
    ]
    case = {"event_on": TODAY, "subject": "清理执法台账"}
    owing = [
        *plain,
        special(9, "assignment", **case),
        special(10, "pre-meeting-study", state="returned", force=Force.ASSUMED, late=True),
        special(11, "enforcement-annual-report", due=TODAY - timedelta(2), was_due=TODAY - timedelta(9)),
        special(12, "certificate-suspension", event_on=TODAY, due=date(2027, 1, 5)),
        special(13, "legality-review", event_on=TODAY, stop=Stop(TODAY)),
        special(
            14, "enforcement-annual-report", share=1, share_state="pending", partner="昌吉市司法局", unit="昌吉市司法局"
        ),
    ]
    body = NoticeWording(LAW.registry).compose(owing, TODAY).body
    assert body is not None
    assert body["text"].splitlines()[-8:-2] == [
        "9. 交办事项（2025年度，清理执法台账）截止 3月23日 #9",
        "10. 会前学法（2025年度，进度 1/12，已退回，效力待确认，补发）截止 3月23日 #10",
        "11. 行政执法年度分析报告（2025年度，原定2月22日）截止 3月1日，已逾期 2 天 #11",
        "12. 执法证件暂扣（2025年度）2027年1月5日暂扣期满，请返还证件 #12",
        "13. 规范性文件合法性审核（2025年度）期限中止 #13",
        "14. 行政执法年度分析报告（2025年度，配合昌吉市司法局）截止 3月23日 #14",
    ]


def test_what_even_so_finds_no_room_is_counted() -> None:
    owing = [
        owed(number, "enforcement-annual-report", "officer", "notice", number, "昌吉市水利局")
        for number in range(1, 41)
    ]
    worded = NoticeWording(LAW.registry).compose(owing, TODAY)
    assert worded.body is not None
    listed = worded.body["items"]
    assert f"另有 {40 - len(listed)} 项，回复“待办”看全部" in worded.body["text"]
    assert worded.body["buttons"][0][1] == f"acknowledge:{','.join(map(str, listed))}"
    assert len(worded.outcomes) == 40


async def test_nobody_who_never_answers_is_sent_more_than_a_screen_all_year() -> None:
    roster = replace(SAMPLE, units=tuple(unit for unit in SAMPLE.units if unit.code in RICH))
    several = 0
    async for message in simulate(LAW, roster, date(2026, 1, 1), date(2026, 12, 31), ZONE):
        assert fits(message.text), f"{message.at} {message.unit}\n{message.text}"
        several += len(message.items) > 8
    assert several > 20


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("notices"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


async def test_a_short_notice_is_answered_by_the_same_numbers(talk: Talk) -> None:
    await talk.go_to("2026-03-03 10:00")
    text = talk.told(WATER)[-1].text
    assert fits(text)
    assert "9. " in text
    numbers = dict(NUMBERED.findall(text))
    await talk.hold(((WATER, "9 完成", f"#{numbers['9']}"), (WATER, "取消", ""), (WATER, "签收", "已签收")))


async def test_what_a_notice_counts_is_found_page_by_page(talk: Talk) -> None:
    await talk.go_to("2026-03-03 10:00")
    first = await talk.say(WATER, "待办")
    assert "后面还有" in first
    assert "回复“待办 2”查看" in first
    second = await talk.say(WATER, "待办 2")
    (number,) = re.findall(r"^1\. .*#(\d+)", second, re.MULTILINE)
    assert f"#{number}" not in first
    third = await talk.say(WATER, "待办 9")
    assert "后面还有" not in third
    shown = [re.findall(r"^\d+\. .*#(\d+)", page, re.MULTILINE) for page in (first, second, third)]
    assert f"待办 {len({number for page in shown for number in page})} 项" in first
    await talk.say(WATER, "待办 2")
    await talk.hold(((WATER, "1 签收", "已签收", f"#{number}"),))
