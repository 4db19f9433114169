"""One character wrong in a command's word: it never runs another command, and what was meant is offered."""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from rapidfuzz.distance import OSA

from bot.conversation.table import COMMANDS, Command, match, nearest
from bot.wording.grammar import BIND, TRADITIONAL_CHARACTERS, WHOLE_SENTENCES
from duties.model import Role
from duties.store.database import fetch
from tests.bot.talk import HEAD, OFFICER, SUPERVISOR, Row, Talk, copied, prepare, talking

WORDS: list[tuple[str, Command]] = [(word, command) for command in COMMANDS for word in (*command.zh, *command.en)]
EXACT = {word for word, _ in WORDS}
CHARACTERS = sorted({character for word, _ in WORDS for character in word} | {"某", "q"})
EVERYBODY = frozenset(Role)
LEAST = 3
"""Of a word of two characters one slip leaves half: what is offered for it may be another's."""


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("typos"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


def slips(word: str, characters: list[str]) -> Iterator[str]:
    """A word with one character dropped, changed, or swapped with the next."""
    for place in range(len(word)):
        before, after = word[:place], word[place + 1 :]
        yield before + after
        yield from (before + character + after for character in characters)
        if after:
            yield before + after[0] + word[place] + after[1:]


def mistyped(characters: list[str]) -> Iterator[tuple[str, Command, str]]:
    """Every word with a slip that is no command's word itself."""
    for word, command in WORDS:
        yield from ((word, command, slip) for slip in set(slips(word, characters)) if slip not in EXACT)


def test_a_slip_never_runs_another_command() -> None:
    wrong = [
        (word, slip, found.command.name)
        for word, command, slip in mistyped(CHARACTERS)
        if (found := match(slip)) and found.command is not command
    ]
    assert wrong == []


def test_what_was_meant_is_offered() -> None:
    wrong = []
    for word, command, slip in mistyped(["q"]):
        if len(word) < LEAST or match(slip) is not None:
            continue
        near = nearest(slip, EVERYBODY)
        if near is None or (near[0] not in (*command.zh, *command.en) and OSA.distance(slip.strip(), near[0]) > 1):
            wrong.append((word, slip, near))
    assert wrong == []


def test_only_what_somebody_may_do_is_offered() -> None:
    assert nearest("不同一", frozenset({Role.SUPERVISOR})) == ("不同意", "zh")
    assert nearest("不同一", frozenset({Role.OFFICER})) != ("不同意", "zh")


@pytest.mark.parametrize(
    "text",
    [
        "签收1、2",
        "完成了 2",
        "撤回 #1",
        "学法 1月4日 行政处罚法",
        "销号 1",
        "恢复 个案1",
        "同意 申请1",
        "ack 1",
        "serve 1",
    ],
)
def test_what_is_said_right_is_no_slip(text: str) -> None:
    assert match(text) is not None


SLIPS: tuple[Row, ...] = (
    (OFFICER, "学法进渡", "学法进度"),
    (OFFICER, "学法 进度", "学法进度"),
    (OFFICER, "撤回申", "撤回申请"),
    (OFFICER, "申请免力 #{report} 机构已撤并", "申请免办"),
    (SUPERVISOR, "通知草稿", "通报草稿"),
    (SUPERVISOR, "恢复办 #{report}", "恢复办理"),
    (OFFICER, "ack waiver #{report} dissolved", "ask waiver"),
    (OFFICER, "study progess", "study progress"),
)


async def test_a_slip_is_answered_with_the_word_that_was_meant_and_nothing_is_recorded(talk: Talk) -> None:
    before = await fetch("SELECT id FROM entry")
    await talk.hold(SLIPS)
    assert await fetch("SELECT id FROM entry") == before


@pytest.mark.parametrize("who", [HEAD, OFFICER, SUPERVISOR])
async def test_slips_said_in_earnest_leave_the_ledger_alone(talk: Talk, who: str) -> None:
    chance = random.Random(who)
    reading = [row for row in mistyped(CHARACTERS) if match(row[2]) is None]
    before = await fetch("SELECT id FROM entry WHERE action <> 'refused'")
    for _, _, slip in chance.sample(reading, 40):
        await talk.says(who, f"{slip} #{talk.numbers['report']}")
    assert await fetch("SELECT id FROM entry WHERE action <> 'refused'") == before


TRADITIONAL = {
    "簽收": "acknowledge", "1、3 辦結": "report", "待辦": "mine", "銷號 1": "close", "未簽收": "unacknowledged",
    "報結 #1": "report", "學法 民法典": "study", "稍後": "snooze", "幫助": "help", "誰沒簽收": "unacknowledged",
    "申請延期": "ask-extension", "恢復辦理 1": "unwaive", "擬稿": "draft", "本週到期": "due-week", "進度": "progress",
}  # fmt: skip


@pytest.mark.parametrize(("text", "name"), TRADITIONAL.items())
def test_a_word_in_traditional_characters_is_the_word(text: str, name: str) -> None:
    found = match(text)
    assert found is not None
    assert found.command.name == name


def test_only_the_characters_of_commands_words_are_read_so() -> None:
    words = "".join(word for word, _ in WORDS) + "".join((*BIND, *WHOLE_SENTENCES))
    assert [chr(simple) for simple in TRADITIONAL_CHARACTERS.values() if chr(simple) not in words] == []


async def test_what_is_recorded_stays_in_the_characters_it_was_written_in(talk: Talk) -> None:
    rows: tuple[Row, ...] = (
        (OFFICER, "全部簽收", "已签收"),
        (OFFICER, "學法 學習民法典進展", "已计数", "學習民法典進展"),
    )
    await talk.hold(rows)
