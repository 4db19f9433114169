"""The ledger's arithmetic: canonical lines, hash chains, anchors. Pure; the rows are kept by `store/chains`."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

ALGORITHM = "sha256"
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class StreamRef:
    """Which chain an entry belongs to: an obligation's, a case's, a unit's, or the system's."""

    kind: str
    ref: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.ref}"


SYSTEM = StreamRef("system", 0)


@dataclass(frozen=True, slots=True)
class Act:
    """Who did what, through which channel. `payload` holds plain JSON values."""

    actor: str
    action: str
    channel: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One ledger line as it is hashed and exported."""

    stream: str
    seq: int
    at: str
    actor: str
    action: str
    channel: str
    payload: str
    algorithm: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class AnchorLine:
    """One day's anchor: `heads` is the canonical list of (stream, seq, head) that changed since the one before."""

    day: date
    heads: str
    previous: str
    hash: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a ledger does not hold together, and why."""

    place: str
    reason: str


def canonical(value: Any) -> str:
    """JSON with one spelling: keys sorted, no spaces, Chinese as it is."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def instant(at: datetime) -> str:
    """An instant with one spelling: UTC, microseconds always there."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def line(ref: StreamRef, seq: int, at: datetime, act: Act, previous: str) -> Line:
    """The next line of a chain."""
    payload = canonical(act.payload)
    parts = (str(ref), seq, instant(at), act.actor, act.action, act.channel, payload, ALGORITHM, previous)
    return Line(*parts, hash=digest(parts))


def digest(parts: Iterable[Any]) -> str:
    """The hash of a line: SHA-256 over the canonical list of its parts, the previous hash among them."""
    return hashlib.sha256(canonical(list(parts)).encode()).hexdigest()


def anchor(day: date, heads: Iterable[tuple[str, int, str]], previous: str) -> AnchorLine:
    """A day's anchor over every head that changed, chained to the anchor before it."""
    listed = canonical(sorted([stream, seq, head] for stream, seq, head in heads))
    return AnchorLine(day, listed, previous, digest((day.isoformat(), listed, ALGORITHM, previous)), ALGORITHM)


class Verifier:
    """Checks lines in the order of their chains, then heads and anchors; collects faults."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.lines = 0
        self._seen: dict[str, tuple[int, str]] = {}
        self._hashes: dict[tuple[str, int], str] = {}
        self._anchor = GENESIS
        self.anchors: dict[str, str] = {}

    def line(self, one: Line) -> None:
        """Take the next line of any chain."""
        self.lines += 1
        seq, previous = self._seen.get(one.stream, (0, GENESIS))
        place = f"{one.stream}#{one.seq}"
        if one.seq != seq + 1:
            self.faults.append(Fault(place, f"expected line {seq + 1}: a line is missing or inserted"))
        elif one.previous != previous:
            self.faults.append(Fault(place, "does not follow the line before it"))
        if one.hash != digest(_parts(one)):
            self.faults.append(Fault(place, "was changed after it was written"))
        self._seen[one.stream] = (one.seq, one.hash)
        self._hashes[one.stream, one.seq] = one.hash

    def head(self, stream: str, seq: int, head: str) -> None:
        """Compare a chain's stored head with its last line."""
        if self._seen.get(stream, (0, GENESIS)) != (seq, head):
            self.faults.append(Fault(stream, "its head is not its last line: lines were removed or added"))

    def anchor(self, one: AnchorLine) -> None:
        """Take the next anchor; every head it lists must still be in its chain."""
        place = f"anchor {one.day}"
        if one.previous != self._anchor:
            self.faults.append(Fault(place, "does not follow the anchor before it"))
        if one.hash != digest((one.day.isoformat(), one.heads, one.algorithm, one.previous)):
            self.faults.append(Fault(place, "was changed after it was written"))
        for stream, seq, head in _listed(one.heads):
            if self._hashes.get((stream, seq)) != head:
                self.faults.append(Fault(place, f"{stream}#{seq} is not what was anchored"))
        self._anchor = one.hash
        self.anchors[one.day.isoformat()] = one.hash

    def posted(self, day: str, posted: str) -> None:
        """Compare an anchor that was posted outside with the one kept here."""
        if self.anchors.get(day) != posted:
            self.faults.append(Fault(f"anchor {day}", "differs from the one that was posted"))


def _listed(heads: str) -> list[tuple[str, int, str]]:
    """The heads of an anchor; none where somebody made them unreadable: its hash tells of that."""
    try:
        return [(stream, seq, head) for stream, seq, head in json.loads(heads)]
    except (ValueError, TypeError):
        return []


def _parts(one: Line) -> tuple[Any, ...]:
    return (one.stream, one.seq, one.at, one.actor, one.action, one.channel, one.payload, one.algorithm, one.previous)
