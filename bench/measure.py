"""Ratios of two cases that ran side by side, with the goal each is held against."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
Case = Callable[[], Awaitable[float]]
"""Runs once and says what it took: seconds, CPU seconds, megabytes."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a median is held against. `at_most`: smaller is better."""

    must: float
    aim: float | None = None
    at_most: bool = False

    def met(self, value: float, limit: float) -> bool:
        return value <= limit if self.at_most else value >= limit

    def verdict(self, value: float) -> str:
        if self.aim is not None and self.met(value, self.aim):
            return "aim"
        return "must" if self.met(value, self.must) else "MISS"

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.must:g}" + (f" ({self.aim:g})" if self.aim is not None else "")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table. `ratios` has one value a round."""

    what: str
    base: str
    ratios: Sequence[float]
    goal: Goal | None = None
    store: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        return self.goal.verdict(self.median) if self.goal else ""


@dataclass(slots=True)
class Rounds:
    """What every case took, round by round."""

    took: dict[str, list[float]] = field(default_factory=dict)

    def times(self, case: str, base: str) -> list[float]:
        """How many times as long as the base, per round."""
        return [ours / theirs for ours, theirs in zip(self.took[case], self.took[base], strict=True)]

    def rates(self, case: str, base: str) -> list[float]:
        """The rate as a share of the base's, per round: the inverse of the times."""
        return [1 / ratio for ratio in self.times(case, base)]


async def interleaved(rounds: int, /, **cases: Case) -> Rounds:
    """Every case once a round, each round beginning with another one, after a warm-up that is not counted."""
    order = list(cases)
    found = Rounds({name: [] for name in order})
    for number in range(rounds + 1):
        turn = number % len(order)
        for name in [*order[turn:], *order[:turn]]:
            value = await cases[name]()
            if number:
                found.took[name].append(value)
    return found


async def timed(work: Awaitable[T]) -> tuple[float, T]:
    """Seconds, and what the work returned: a case must show that it did what it was timed for."""
    began = time.perf_counter()
    found = await work
    return time.perf_counter() - began, found


async def seconds(work: Awaitable[object]) -> float:
    return (await timed(work))[0]
