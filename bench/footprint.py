"""Import, start and memory of the bot, against the five packages it stands on."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from bench.measure import Goal, Line, Rounds, interleaved

FIVE = (
    "from aiohttp import web; from apscheduler.schedulers.asyncio import AsyncIOScheduler;"
    " from tortoise import Tortoise; from pydantic_settings import BaseSettings; import arrow"
)
OURS = "import bot.serving"
TIMED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"
STARTS = {"bare": "bench.start_bare", "ours": "bench.start_ours"}
BASE = "the five packages"


async def lines(rounds: int) -> AsyncIterator[Line]:
    found = await interleaved(rounds, bare=_import(FIVE), ours=_import(OURS))
    goal = Goal(1.4, 1.15, at_most=True)
    yield Line("import, CPU seconds", BASE, found.times("ours", "bare"), goal, note="bot.serving")
    memory = Rounds({"bare": [], "ours": []})
    with tempfile.TemporaryDirectory(prefix="duban-bench-") as folder:
        found = await interleaved(
            rounds, bare=_start("bare", Path(folder), memory), ours=_start("ours", Path(folder), memory)
        )
    base = f"{BASE}, one table, one page"
    note = "to the first HTTP answer, SQLite, a restart"
    yield Line("start, seconds", base, found.times("ours", "bare"), Goal(1.6, 1.15, at_most=True), note=note)
    ratios = memory.times("ours", "bare")[1:]
    yield Line("memory at first answer", base, ratios, Goal(1.4, 1.15, at_most=True), note="resident set")


def _import(statement: str) -> Callable[[], Awaitable[float]]:
    async def run() -> float:
        command = [sys.executable, "-c", TIMED.format(statement)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return run


def _start(which: str, folder: Path, memory: Rounds) -> Callable[[], Awaitable[float]]:
    async def run() -> float:
        port = _free_port()
        command = [sys.executable, "-m", STARTS[which], str(port), str(folder / f"{which}.db")]
        began = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                await _answer(port, process)
                took = time.perf_counter() - began
                memory.took[which].append(_resident(process.pid))
                await asyncio.sleep(2 if len(memory.took[which]) == 1 else 0)  # the first run plans: let it finish
            finally:
                process.terminate()
                process.wait()
        return took

    return run


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def _answer(port: int, process: subprocess.Popen[bytes]) -> None:
    """Ask every two milliseconds until something answers in HTTP."""
    while process.poll() is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.002)
            continue
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        if (await reader.readline()).startswith(b"HTTP/1.1"):
            writer.close()
            return
    raise RuntimeError("the process ended before it answered")


def _resident(process: int) -> float:
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return float(subprocess.check_output(["ps", "-o", "rss=", "-p", str(process)], env=os.environ))
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text(encoding="utf-8"))
    assert found is not None
    return float(found[1])
