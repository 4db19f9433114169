"""The wheel: everything that is no code is inside, and the commands work where nothing else of the project is."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("adapters", "bot", "duties", "LICENSE", "README.md", "pyproject.toml")
BESIDE = {".toml", ".docx", ".po", ".html", ".css", ".js", ".svg", ".typed"}
"""What lies beside the code and has to come along."""


def ran(*command: str | Path, cwd: Path) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DUBAN_"))}
    done = subprocess.run(command, cwd=cwd, env=plain, check=False, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a build leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    ran(sys.executable, "-c", f"import setuptools.build_meta as b; b.build_wheel({str(out)!r})", cwd=source)
    (built,) = out.glob("duban-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `duban`, in an environment of its own that borrows only the dependencies of this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    pip = "import sys; from pip._internal.cli.main import main; sys.exit(main(sys.argv[1:]))"
    ran(python, "-c", pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel, cwd=home)
    return home / "bin" / "duban"


def test_the_wheel_holds_everything_that_is_no_code(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    beside = {
        str(path.relative_to(ROOT))
        for room in ("adapters", "bot", "duties")
        for path in (ROOT / room).rglob("*")
        if path.suffix in BESIDE or path.suffix == ".py"
    }
    assert beside - inside == set()
    assert {name.partition("/")[0] for name in inside} == {"adapters", "bot", "duties", wheel_info(wheel)}


def wheel_info(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name}-{version}.dist-info"


def test_the_installed_commands_answer_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = ran(
        installed.with_name("python"), "-c", "import bot, duties; print(bot.__file__, duties.__file__)", cwd=tmp_path
    )
    assert all(str(installed.parents[1]) in file for file in where.split())
    span = ["--from", "2026-01-25", "--to", "2026-01-31", "--format", "json"]
    planned = json.loads(ran(installed, "plan", *span, cwd=tmp_path))
    assert "enforcement-annual-report" in {row["duty"] for row in planned}
    assert len(json.loads(ran(installed, "coverage", "--format", "json", cwd=tmp_path))) == 289
    messages = json.loads(ran(installed, "simulate", *span, cwd=tmp_path))
    assert all(message["text"] for message in messages)
    assert messages
    assert list(tmp_path.iterdir()) == []
