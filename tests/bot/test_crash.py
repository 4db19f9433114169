import multiprocessing
import os
import random
import signal
import tomllib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import asyncpg

from bot.store import seats
from duties import roster
from duties.ledger import Fault, Verifier
from duties.registry import DATA
from duties.store import chains, roster_rows, verifying
from duties.store.database import fetch, opened
from tests.bot import crash_child
from tests.bot.play import LAW, at
from tests.bot.templates import fill

IN_FLIGHT = 8
SECONDS, FEWEST = 9.0, 3
"""How long the child is killed again and again, and how often at least, before it may run to the end."""
STREETS = 100

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["tests.bot.crash_child"])


def crowd(folder: Path) -> roster.Roster:
    """The sample roster and a hundred streets, so that a wave takes longer than a kill."""
    streets = "".join(
        f"""
[[unit]]
code = "street-{number}"
name = "街道{number}"
level = "township"
parent = "cjs-gov"
tags = ["township"]
posts = [{{ role = "officer", person = "street-{number}-officer", name = "经办人{number}" }}]
"""
        for number in range(STREETS)
    )
    file = folder / "crowd.toml"
    file.write_text((DATA / "roster" / "changji.toml").read_text(encoding="utf-8") + streets, encoding="utf-8")
    tomllib.loads(file.read_text(encoding="utf-8"))
    return roster.read(file, LAW.registry)


@asynccontextmanager
async def peopled(url: str, folder: Path) -> AsyncIterator[None]:
    await fill(url)
    async with opened(url):
        morning = at("2026-01-20 09:00")
        await roster_rows.apply(crowd(folder), "test", morning, 600)
        await seats.bind_everyone("webchat", morning)
    yield


def start(url: str, folder: Path) -> "multiprocessing.process.BaseProcess":
    child = forks.Process(target=crash_child.main, args=(url, folder))
    child.start()
    return child


async def bury(url: str) -> None:
    """What a minute would do on PostgreSQL: the dead holder's lease runs out, its connections are gone."""
    if not url.startswith("sqlite"):
        connection = await asyncpg.connect(url.replace("asyncpg://", "postgresql://"))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        if await connection.fetchval("SELECT to_regclass('lease')"):
            await connection.execute("UPDATE lease SET until = 0")
        await connection.close()


async def killed_again_and_again(url: str, folder: Path) -> int:
    """Returns how often. Ends when the child was allowed to end by itself."""
    kills, until = 0, monotonic() + SECONDS
    chance = random.Random(7)
    while not (folder / "done").exists():
        child = start(url, folder)
        hunted = monotonic() < until or kills < FEWEST  # a busy machine may take long to start the first
        child.join(chance.uniform(0.05, 1.5) if hunted else 120)
        if child.is_alive():
            assert hunted, "the child does not end"
            os.kill(child.pid or 0, signal.SIGKILL)
            child.join()
            kills += 1
            await bury(url)
        child.close()
    return kills


async def test_a_bot_killed_at_any_moment_loses_nothing_and_repeats_little(database_url: str, tmp_path: Path) -> None:
    async with peopled(database_url, tmp_path):
        kills = await killed_again_and_again(database_url, tmp_path)
    sent = lines_of(tmp_path / "sent")
    times = Counter(key for key, _ in sent)
    repeats = sum(times.values()) - len(times)
    print(f"{kills} kills, {len(times)} messages, {repeats} repeats")  # noqa: T201  the figure the README gives
    assert kills >= FEWEST
    assert repeats <= IN_FLIGHT * kills
    assert max(times.values()) <= 1 + kills
    async with opened(database_url):
        await nothing_is_lost(dict(sent))
        everybody_heard_in_order(sent)
        assert await faults_found() == []
        held = await everything_raised()
    assert held == await as_without_kills(database_url, tmp_path)


def lines_of(file: Path) -> list[tuple[str, str]]:
    """What arrived, in order: key and address."""
    lines = (line.partition(" ") for line in file.read_text().splitlines())
    return [(key, address) for key, _, address in lines]


async def nothing_is_lost(sent: dict[str, str]) -> None:
    """Every reminder was said to each of its recipients; every message has its answer, once."""
    unsaid = await fetch(
        "SELECT i.id FROM notice_item i LEFT JOIN notice n ON n.id = i.notice_id"
        " WHERE i.outcome NOT IN ('said', 'superseded') OR n.state IS NULL OR n.state <> 'sent'"
    )
    assert unsaid == []
    assert await fetch("SELECT id FROM reminder WHERE NOT addressed") == []
    rows = await fetch("SELECT id, address, state FROM notice")
    assert {row["state"] for row in rows} == {"sent"}
    assert {str(row["id"]): row["address"] for row in rows} == sent
    answered = await fetch(
        "SELECT m.id, COUNT(n.id) AS answers FROM inbox m LEFT JOIN notice n ON n.answers = m.id GROUP BY m.id"
    )
    days = (crash_child.LAST - crash_child.FIRST).days + 1
    assert [row["answers"] for row in answered] == [1] * len(crash_child.ASKING) * days
    twice = await fetch(
        "SELECT obligation_id FROM reminder GROUP BY obligation_id, due, rung, audience HAVING COUNT(*) > 1"
    )
    assert twice == []


def everybody_heard_in_order(sent: list[tuple[str, str]]) -> None:
    heard: dict[str, dict[int, None]] = defaultdict(dict)
    for key, address in sent:
        heard[address].setdefault(int(key))
    assert [address for address, keys in heard.items() if list(keys) != sorted(keys)] == []


async def faults_found() -> list[Fault]:
    verifier = Verifier()
    async for line in chains.lines():
        verifier.line(line)
    for head in await chains.heads():
        verifier.head(*head)
    for anchor in await chains.anchors():
        verifier.anchor(anchor)
    return [*verifier.faults, *await verifying.silent_changes()]


async def everything_raised() -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    obligations = await fetch(
        "SELECT t.duty, t.label, t.jurisdiction, u.code, o.state FROM obligation o JOIN term t ON t.id = o.term_id"
        " JOIN unit u ON u.id = o.unit_id"
    )
    reminders = await fetch(
        "SELECT t.duty, t.label, u.code, m.rung, m.audience, m.superseded FROM reminder m"
        " JOIN obligation o ON o.id = m.obligation_id JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
    )
    return {tuple(row.values()) for row in obligations}, {tuple(row.values()) for row in reminders}


async def as_without_kills(url: str, folder: Path) -> object:
    """What a bot that is left alone has, from the same start."""
    quiet = folder / "quiet"
    quiet.mkdir()
    other = f"sqlite://{quiet}/duban.db"
    async with peopled(other, quiet):
        child = start(other, quiet)
        child.join(120)
        assert child.exitcode == 0
        child.close()
    async with opened(other):
        return await everything_raised()
