"""The project's own rules: what may import what, where sentences live, what the lock files hold."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("duties", "adapters", "bot")
MODULES = {
    path.relative_to(ROOT): ast.parse(path.read_bytes()) for room in ROOMS for path in (ROOT / room).rglob("*.py")
}
STORES = (Path("duties/store"), Path("bot/store"))
MAY_KNOW_THE_ORM = Path("bot/app.py")
# The catalogues speak Chinese; the reader of the source documents holds their grammar (numerals, 第…条).
MAY_HOLD_CHINESE = (Path("bot/wording"), Path("bot/conversation/table.py"), Path("duties/sources.py"))
CHINESE = re.compile(r"[\u3400-\u9fff]")
POSTPONED = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")


def imports(tree: ast.Module) -> Iterator[str]:
    """Top-level names of everything a module imports, at any depth; relative imports stay in their room."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def documentation(tree: ast.Module) -> Iterator[ast.AST]:
    """Docstrings and the `description=` of a field: read by developers, not by the people who are reminded."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (line.value for line in node.body[:1] if isinstance(line, ast.Expr))
        elif isinstance(node, ast.keyword) and node.arg == "description":
            yield node.value


def chinese(tree: ast.Module) -> Iterator[int]:
    """Lines with a Chinese string that is not documentation."""
    exempt = {part for node in documentation(tree) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in exempt and CHINESE.search(str(node.value)):
            yield node.lineno


@pytest.mark.parametrize(("room", "forbidden"), [("duties", {"adapters", "bot"}), ("adapters", {"duties", "bot"})])
def test_the_two_ends_know_neither_each_other_nor_the_middle(room: str, forbidden: set[str]) -> None:
    inside = {path: tree for path, tree in MODULES.items() if path.parts[0] == room}
    assert [
        f"{path} imports {name}" for path, tree in inside.items() for name in imports(tree) if name in forbidden
    ] == []


def test_only_the_stores_and_the_composition_root_know_the_orm() -> None:
    outside = [path for path in MODULES if path != MAY_KNOW_THE_ORM and not any(map(path.is_relative_to, STORES))]
    assert [str(path) for path in outside if "tortoise" in imports(MODULES[path])] == []


def test_sentences_for_people_live_in_the_wording() -> None:
    modules = {path: tree for path, tree in MODULES.items() if not any(map(path.is_relative_to, MAY_HOLD_CHINESE))}
    assert [f"{path}:{line}" for path, tree in modules.items() for line in chinese(tree)] == []


def test_nothing_is_postponed_in_the_code() -> None:
    files = [path for folder in (*ROOMS, "tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in files if POSTPONED.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("name", ["constraints.txt", "requirements.lock"])
def test_lock_files_name_no_host(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[^\w.-]", requirement)[0] for requirement in requirements]
    explained = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in explained] == []
