"""`python -m bench [NAME ...] [--quick]`: measure, print one table. Nothing here is asserted anywhere."""

import argparse
import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator

import structlog
from rich.console import Console
from rich.table import Table

from bench import delivery, footprint, inbound, legal_time, overdue, planning, roster, waves
from bench.measure import Line
from bench.world import stores, world
from bot.app import Law

IN_A_STORE = {
    "roster": roster.lines, "planning": planning.lines, "wave": waves.lines, "delivery": delivery.lines,
    "inbound": inbound.lines, "overdue": overdue.lines,
}  # fmt: skip
NAMES = ("dates", "footprint", *IN_A_STORE)
UNITS, QUICK_UNITS = 20_000, 2_000
ROUNDS, QUICK_ROUNDS = 3, 2
PROCESSES = 9
"""Rounds of what starts processes: short, and noisier than the rest."""
VERDICTS = {"aim": "green", "must": "default", "MISS": "bold red", "": "default"}


async def measured(names: list[str], *, quick: bool) -> AsyncIterator[Line]:
    rounds, units = (QUICK_ROUNDS, QUICK_UNITS) if quick else (ROUNDS, UNITS)
    if "dates" in names:
        async for line in legal_time.lines(Law.shipped(), rounds):
            yield line
    if "footprint" in names:
        async for line in footprint.lines(QUICK_ROUNDS if quick else PROCESSES):
            yield line
    chosen = [bench for name, bench in IN_A_STORE.items() if name in names]
    if not chosen:
        return
    with stores() as urls:
        for url in urls.values():
            async with world(url, units, rounds) as place:
                for bench in chosen:
                    async for line in bench(place):
                        yield line


async def run(names: list[str], *, quick: bool) -> None:
    began = time.perf_counter()
    progress, table = (
        Console(stderr=True),
        Table("what", "store", "against", "median", "min..max", "must (aim)", "", ""),
    )
    async for line in measured(names, quick=quick):
        progress.print(f"{line.what} {line.store}: {line.median:.2f}", style="dim")
        table.add_row(
            line.what, line.store, line.base, f"{line.median:.2f}", f"{min(line.ratios):.2f}..{max(line.ratios):.2f}",
            str(line.goal or ""), f"[{VERDICTS[line.verdict]}]{line.verdict}[/]", line.note,
        )  # fmt: skip
    table.caption = (
        f"{os.cpu_count()} cores, {time.perf_counter() - began:.0f} s; ratios within one run, rounds interleaved;"
        " both databases durable (fsync on, SQLite synchronous=FULL)"
    )
    Console(width=None if Console().is_terminal else 190).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all without one")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size and fewer rounds")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"{', '.join(unknown)}: expected one of {', '.join(NAMES)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(run(given.names or list(NAMES), quick=given.quick))


if __name__ == "__main__":
    main()
