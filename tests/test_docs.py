"""The documents hold: tables match the code, commands parse, links lead somewhere, both languages say the same.

`python -m tests.test_docs` writes the generated tables anew.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli import COMMANDS, Command
from bot.conversation import table
from bot.wording import Language, say
from duties import roster
from duties.model import Role, Status, Tag
from duties.reading import shipped
from duties.registry import DATA, Duty
from duties.workdays import WorkCalendar

ROOT = Path(__file__).parent.parent
READMES: dict[Language, Path] = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}
PAGES = [*READMES.values(), ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
HEADS = {"en": "| say | who | for |", "zh": "| 怎么说 | 谁 | 作用 |"}
ROLES = {"en": dict(zip(Role, ("head", "officer", "supervisor", "admin"), strict=True))}
ROLES["zh"] = dict(zip(Role, ("负责人", "经办人", "监督员", "管理员"), strict=True))
EVERYONE = {"en": "everyone", "zh": "所有人"}
BLOCK = re.compile(r"(<!-- commands\b[^>]*-->\n).*?(<!-- /commands -->)", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(duban [^`]+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
KEY = re.compile(r"^\| `([a-z ]+)` \|", re.MULTILINE)


def chat_table(language: Language) -> str:
    """The commands of the chat as a table, from the table they are dispatched by and the sentences of 帮助."""
    rows = [HEADS[language], "| --- | --- | --- |"]
    for command in table.COMMANDS:
        words = " ".join(f"`{word}`" for word in (*command.zh, *command.en))
        every = set(command.roles) == set(Role)
        who = EVERYONE[language] if every else ", ".join(ROLES[language][role] for role in command.roles)
        told = re.split(r"[:：\u3000] *", say(f"help-{command.name}", language), maxsplit=1)
        rows.append(f"| {words} | {who} | `{told[0]}` {told[-1]} |")
    return "\n".join(rows) + "\n"


def renewed(language: Language) -> str:
    text = READMES[language].read_text(encoding="utf-8")
    return BLOCK.sub(lambda block: f"{block[1]}{chat_table(language)}{block[2]}", text)


def shown(page: Path) -> Iterator[list[str]]:
    """The words of every duban command that a page shows."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line.partition(" #")[0] for kind, block in FENCE.findall(text) if kind == "sh" for line in block.splitlines()
    ]
    for line in [*lines, *INLINE.findall(FENCE.sub("", text))]:
        words = shlex.split(line.replace("$HOME", "/home/x"))
        if words[:1] == ["duban"]:
            yield words[1:]


def command_of(words: list[str]) -> Command | None:
    return next((one for one in COMMANDS if words[: len(one.words.split())] == one.words.split()), None)


@pytest.mark.parametrize("language", READMES)
def test_the_table_of_chat_commands_is_the_one_in_the_code(language: Language) -> None:
    assert READMES[language].read_text(encoding="utf-8") == renewed(language), "run: python -m tests.test_docs"


@pytest.mark.parametrize("page", READMES.values(), ids=lambda page: page.name)
def test_every_command_stands_in_the_table_once(page: Path) -> None:
    assert KEY.findall(page.read_text(encoding="utf-8")) == [command.words for command in COMMANDS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_is_one_that_exists_with_options_that_exist(page: Path, tmp_path: Path) -> None:
    groups = {command.words.split()[0] for command in COMMANDS if " " in command.words}
    for words in shown(page):
        command = command_of(words)
        if command is None:
            assert words == ["--help"] or (len(words) == 1 and words[0] in groups), words
            continue
        typed = words[len(command.words.split()) :]
        if typed or page in READMES.values():
            given = [word.replace("documents", str(tmp_path)) for word in typed]
            command.load().make_context(command.words, given, resilient_parsing=not typed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


def test_both_readmes_have_the_same_shape() -> None:
    english, chinese = map(_shape, READMES.values())
    assert english == chinese


def _shape(page: Path) -> tuple[list[int], list[str], list[str], int]:
    """Levels of headings, shell blocks, commands shown, how many rows of tables."""
    text = page.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    headings = [line.count("#") for line in prose.splitlines() if re.match("#+ ", line)]
    shell = [block for kind, block in FENCE.findall(text) if kind == "sh"]
    return headings, shell, sorted(INLINE.findall(prose)), len(re.findall(r"^\|", prose, re.MULTILINE))


def fenced(page: str, kind: str) -> str:
    (block,) = (block for found, block in FENCE.findall((ROOT / page).read_text(encoding="utf-8")) if found == kind)
    return str(block)


def test_the_roster_shown_is_a_roster() -> None:
    read = roster.parse("roster.csv", fenced("docs/operating.md", "csv").encode(), shipped())
    assert [unit.code for unit in read.units] == ["gov", "justice", "water"]
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    assert [word for word in (*roster.COLUMNS, *Tag) if f"`{word}" not in text] == []


def test_the_holiday_table_shown_is_one(tmp_path: Path) -> None:
    tables = [
        block
        for kind, block in FENCE.findall((ROOT / "docs/operating.md").read_text(encoding="utf-8"))
        if kind == "toml"
    ]
    file = tmp_path / "holidays.toml"
    file.write_text(next(block for block in tables if block.startswith("[2027]")), encoding="utf-8")
    assert WorkCalendar.load(file).state(2027) == "confirmed"


def test_the_duty_shown_is_the_one_in_the_registry() -> None:
    shown_duty = Duty.model_validate(tomllib.loads(fenced("docs/registry.md", "toml"))["duty"][0])
    real = shipped().duty(shown_duty.code)
    assert (shown_duty.rule, shown_duty.scope, shown_duty.evidence[0], shown_duty.question[0]) == (
        real.rule, real.scope, real.evidence[0], real.question[0],
    )  # fmt: skip


def test_the_page_on_the_registry_names_every_table_and_every_status() -> None:
    text = (ROOT / "docs/registry.md").read_text(encoding="utf-8")
    assert [status for status in Status if f"| `{status}` |" not in text] == []
    files = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*.toml")}
    assert [file for file in sorted(files) if file not in text] == []


def test_no_page_is_written_for_effect() -> None:
    emoji = re.compile("[\U0001f300-\U0001faff\u2705\u2728\u26a0\ufe0f]")
    prose = {page.name: re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8")) for page in PAGES}
    assert [name for name, text in prose.items() if emoji.search(text)] == []


if __name__ == "__main__":
    for name, file in READMES.items():
        file.write_text(renewed(name), encoding="utf-8")
