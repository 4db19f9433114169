"""The two long-running commands as processes: what a person at a browser and an operator at a shell see of them."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import aiohttp
import pytest
import structlog

from bot.app import Bot, system_clock
from bot.serving import configure_logging, running
from bot.settings import Settings
from duties.store.database import opened
from tests.bot.play import LAW
from tests.bot.templates import fill
from tests.bot.test_loop import ROSTER

ROOT = Path(__file__).parents[2]
PAGE = {"X-Duban": "page"}
SOON = 40.0
"""Seconds that a start may take on a busy machine."""


def words(*command: str) -> list[str]:
    return [sys.executable, "-m", "bot.cli", *command]


def surroundings(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUBAN_")}
    return {**kept, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(*command), cwd=folder, env=surroundings(folder), capture_output=True, text=True, check=False, timeout=SOON
    )


class Process:
    """A command that goes on, and the address at which its page answers."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.address = address

    def ended(self, how: int) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(how)
        return self.process.wait(SOON)


@contextmanager
def started(folder: Path, *command: str) -> Iterator[Process]:
    with (folder / "stderr").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(words(*command), cwd=folder, env=surroundings(folder), stderr=log, text=True)
    try:
        yield Process(process, _address(process, folder / "stderr"))
    finally:
        process.kill()
        process.wait()


def _address(process: "subprocess.Popen[str]", log: Path) -> str:
    until = monotonic() + SOON
    while monotonic() < until and process.poll() is None:
        for word in log.read_text(encoding="utf-8").split():
            if word.startswith("http://127.0.0.1:") and word.endswith("/"):
                return word
    raise AssertionError(log.read_text(encoding="utf-8"))


async def eventually(seen: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(SOON):
        while not (found := await seen()):  # noqa: ASYNC110  another process is watched
            await asyncio.sleep(0.05)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a configuration and an imported roster."""
    (tmp_path / "duban.toml").write_text('database = "sqlite://duban.db"\nport = 0\n', encoding="utf-8")
    (tmp_path / "roster.toml").write_text(ROSTER, encoding="utf-8")
    done = run(tmp_path, "units", "import", "roster.toml", "--apply")
    assert done.returncode == 0, done.stderr
    return tmp_path


@asynccontextmanager
async def browser(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(address, headers=PAGE, cookie_jar=jar) as session:
        yield session


async def healthy(session: aiohttp.ClientSession) -> bool:
    async with session.get("/healthz") as answer:
        return answer.status == 200


async def sign_in(session: aiohttp.ClientSession, folder: Path, person: str) -> None:
    invited = await asyncio.to_thread(run, folder, "people", "invite", person, "--format", "json")
    assert invited.returncode == 0, invited.stderr
    async with session.post("/api/bind", json={"code": json.loads(invited.stdout)[0]["code"]}) as answer:
        assert answer.status == 200, await answer.text()


async def say(session: aiohttp.ClientSession, text: str, number: str = "message-0001") -> int:
    async with session.post("/api/messages", json={"id": number, "text": text}) as answer:
        return answer.status


async def heard(session: aiohttp.ClientSession) -> list[str]:
    async with session.get("/api/messages") as answer:
        return [bubble["text"] for bubble in (await answer.json())["messages"] if bubble["side"] == "bot"]


async def test_a_fresh_service_lets_a_person_in_and_answers(installed: Path) -> None:
    with started(installed, "serve") as service:
        async with browser(service.address) as page:
            await eventually(lambda: healthy(page))
            async with page.get("/api/messages") as answer:
                assert answer.status == 401
            async with page.post("/api/bind", json={"code": "WRONG234"}) as answer:
                assert answer.status == 401
            await sign_in(page, installed, "water-officer")
            async with page.get("/api/events") as stream:
                assert await say(page, "待办") == 202
                assert '"text": ""' not in await _first(stream, "bot")

            async def answered() -> bool:
                return any("待办" in text for text in await heard(page))

            await eventually(answered)
        assert ("bind",) in _asked(installed, "SELECT action FROM entry")
        assert service.ended(signal.SIGTERM) == 0
    told = (installed / "stderr").read_text(encoding="utf-8")
    assert "Traceback" not in told


async def _first(stream: aiohttp.ClientResponse, side: str) -> str:
    async with asyncio.timeout(SOON):
        async for line in stream.content:
            if line.startswith(b"data:") and f'"side": "{side}"'.encode() in line:
                return line.decode()
    raise AssertionError("the stream ended")


async def test_it_stops_quickly_though_a_page_is_open(installed: Path) -> None:
    with started(installed, "serve") as service:
        async with browser(service.address) as page:
            await eventually(lambda: healthy(page))
            await sign_in(page, installed, "water-officer")
            async with page.get("/api/events") as stream:
                assert stream.status == 200
                began = monotonic()
                assert await asyncio.to_thread(service.ended, signal.SIGTERM) == 0
                assert monotonic() - began < 3
    assert "Traceback" not in (installed / "stderr").read_text(encoding="utf-8")


async def test_what_was_accepted_is_answered_after_a_kill(installed: Path) -> None:
    with started(installed, "serve") as service:
        async with browser(service.address) as page:
            await eventually(lambda: healthy(page))
            await sign_in(page, installed, "water-officer")
            cookies = {cookie.key: cookie.value for cookie in page.cookie_jar}
            statuses = await asyncio.gather(*(say(page, "帮助", f"message-{number:04}") for number in range(40)))
        assert service.ended(signal.SIGKILL) == -signal.SIGKILL
    assert set(statuses) == {202}
    with started(installed, "serve") as service:
        async with aiohttp.ClientSession(service.address, headers=PAGE, cookies=cookies) as page:
            assert await say(page, "帮助", "message-0000") == 202  # the platform delivers it again

            async def all_answered() -> bool:
                return _answers(installed) == [1] * 40

            await eventually(all_answered)


def _answers(folder: Path) -> list[int]:
    rows = _asked(
        folder,
        "SELECT COUNT(n.id) FROM inbox m LEFT JOIN notice n ON n.answers = m.id AND n.state = 'sent' GROUP BY m.id",
    )
    return [count for (count,) in rows]


def _asked(folder: Path, statement: str) -> list[Any]:
    database = sqlite3.connect(folder / "duban.db")
    try:
        return database.execute(statement).fetchall()
    finally:
        database.close()


async def test_a_demonstration_from_an_empty_folder_reminds_when_time_moves(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with started(tmp_path, "demo", "--port", "0") as service:
        async with browser(service.address) as page:
            async with page.get("/api/state") as answer:
                assert (await answer.json())["demo"]
            async with page.post("/api/clock", json={"step": "next"}) as answer:
                assert (await answer.json())["clock"]["now"].startswith("2026-01-04T10:00")

            async def reminded() -> bool:
                async with page.get("/api/state") as answer:
                    return any(person["unread"] for person in (await answer.json())["people"])

            await eventually(reminded)
            async with page.post("/api/clock", json={"step": "day"}) as answer:
                assert (await answer.json())["clock"]["now"].startswith("2026-01-05T10:00")
            async with page.post("/api/clock", json={"step": "hour"}) as answer:
                assert (await answer.json())["clock"]["now"].startswith("2026-01-05T11:00")
            assert await healthy(page)
        assert service.ended(signal.SIGINT) == 0
    assert list(folder.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "duban.toml").write_text('database = "sqlite://file/duban.db"\n', encoding="utf-8")
    done = run(tmp_path, "serve")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "file" in done.stderr


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "duban.db").write_text("a letter\n" * 1000, encoding="utf-8")
    done = run(tmp_path, "serve")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert (tmp_path / "duban.db").read_text(encoding="utf-8") == "a letter\n" * 1000


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_in_the_log_shows_no_values(
    capfd: pytest.CaptureFixture[str], form: Literal["text", "json"]
) -> None:
    configure_logging(form)
    try:
        _fail("sword", "fish")
    except ValueError:
        structlog.get_logger().exception("a defect")
    finally:
        structlog.reset_defaults()
    told = capfd.readouterr().err
    assert "ValueError" in told
    assert "swordfish" not in told


def _fail(*parts: str) -> None:
    secret = "".join(parts)
    raise ValueError(len(secret))


async def test_a_bot_that_ends_by_itself_ends_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Bot) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Bot, "run", broken)
    url = f"sqlite://{tmp_path}/duban.db"
    await fill(url)
    async with opened(url):
        with pytest.raises(RuntimeError, match="a defect"):
            async with running(LAW, Settings.model_construct(database=url, port=0), system_clock) as service:
                await service.until_stopped()
