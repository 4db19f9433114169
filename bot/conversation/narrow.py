"""What the words after 逾期 and other questions limit the answer to: units with what is below them, duties, or both."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from bot.conversation.ask import Ask
from bot.store.oversight import NOTHING, Narrow, View
from bot.wording.grammar import EDGES, OF, is_abridged
from duties.errors import RefusedError
from duties.store import reading

ALIKE = 65.0
"""How alike a mistyped name must be."""
EXACT, INSIDE = 102.0, 101.0
NAMED = 2
"""So many names are told back; of more, the word that found them."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a word stands for: how well it fits, and everything it fits as well."""

    score: float = 0.0
    found: tuple[Any, ...] = ()


NO_MATCH = Match()


@dataclass(frozen=True, slots=True)
class Named:
    """Something with names: a unit with its aliases, a duty with its title."""

    names: tuple[str, ...]
    value: Any
    abridges: bool = False
    """Whether its names are also shortened by leaving characters out."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The limits, how to name them, and the words that fitted nothing."""

    narrow: Narrow = NOTHING
    units: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def about(ask: Ask, limits: Narrowed) -> str:
    """The limits as the head of an answer names them."""
    named = (("about-units", limits.units), ("about-duties", limits.duties))
    return "".join(ask.say(key, names=names) for key, names in named if names)


async def narrowed(ask: Ask, view: View) -> Narrowed:
    """Read every word as a unit or a duty; several of one kind must all fit, if anything fits them all."""
    words = [word for part in ask.words.lower().split() if (word := part.strip(EDGES))]
    if not words:
        return Narrowed()
    units = [_called(row) for row in await reading.units_named()]
    duties = [Named((ask.title(duty.code).lower(),), duty.code, abridges=True) for duty in ask.registry.duties]
    read = _read(words, units, duties)
    return _limits(ask, view, read)


async def units_called(word: str) -> list[dict[str, Any]]:
    """The units a word may stand for, the best fits alone: id, name, path."""
    return list(_fit(word.lower(), [_called(row) for row in await reading.units_named()]).found)


def _called(row: dict[str, Any]) -> Named:
    """A unit by every name it goes by."""
    english = [row["name_en"]] if row["name_en"] else []
    return Named(tuple(name.lower() for name in (row["name"], *english, *reading.names(row["aliases"]))), row)


@dataclass(slots=True)
class _Reading:
    units: list[tuple[str, Match]]
    duties: list[tuple[str, Match]]
    unknown: list[str]


def _read(words: Sequence[str], units: Sequence[Named], duties: Sequence[Named]) -> _Reading:
    whole = " ".join(words)
    read = _Reading([], [], [])
    if len(words) > 1 and max(_fit(whole, units).score, _fit(whole, duties).score) >= INSIDE:
        words = [whole]
    for word in words:
        unit, duty = _fit(word, units), _fit(word, duties)
        if max(unit.score, duty.score) < INSIDE and (parts := _parted(word, units)):
            start, rest = parts
            read.units.append((start, _fit(start, units)))
            word, unit, duty = rest, NO_MATCH, _fit(rest, duties)  # noqa: PLW2901  what is left of it is a duty
        if duty.found and duty.score >= unit.score:
            read.duties.append((word, duty))
        elif unit.found:
            read.units.append((word, unit))
        else:
            read.unknown.append(word)
    return read


def _fit(word: str, named: Iterable[Named]) -> Match:
    best = NO_MATCH
    for one in named:
        score = max(_alike(word, name, one.abridges) for name in one.names)
        if score < ALIKE or score < best.score:
            continue
        best = Match(score, (*best.found, one.value) if score == best.score else (one.value,))
    return best


def _alike(word: str, name: str, abridges: bool) -> float:
    if word == name:
        return EXACT
    if (len(word) > 1 and word in name) or (abridges and is_abridged(word, name)):
        return INSIDE
    return float(fuzz.ratio(word, name))


def _parted(word: str, units: Iterable[Named]) -> tuple[str, str] | None:
    """A unit's name and what follows it without a space."""
    starts = [name for one in units for name in one.names if word.startswith(name) and len(word) > len(name)]
    if not starts:
        return None
    longest = max(starts, key=len)
    return longest, word[len(longest) :].removeprefix(OF)


def _limits(ask: Ask, view: View, read: _Reading) -> Narrowed:
    units, units_about = _common(read.units, key=lambda row: row["id"], name=lambda row: row["name"])
    codes, duties_about = _common(read.duties, key=lambda code: code, name=ask.title)
    seen = [row for row in units if view.sees(row["id"], row["path"])]
    if units and not seen:
        raise RefusedError("refused-not-yours-to-see", unit=units[0]["name"], unit_id=units[0]["id"], action="overdue")
    paths = tuple(sorted({row["path"] for row in seen}))
    tops = tuple(path for path in paths if not any(path != other and path.startswith(other) for other in paths))
    if len(tops) == 1 and len(paths) > 1:
        units_about = (next(row["name"] for row in seen if row["path"] == tops[0]),)
    return Narrowed(Narrow(tops, tuple(codes)), units_about, duties_about, tuple(read.unknown))


def _common(
    matches: Sequence[tuple[str, Match]], key: Callable[[Any], Any], name: Callable[[Any], str]
) -> tuple[list[Any], tuple[str, ...]]:
    """What every word fits; where nothing does, what the last word fits."""
    if not matches:
        return [], ()
    found = {key(value): value for value in matches[-1][1].found}
    for _, match in matches[:-1]:
        common = {key(value) for value in match.found} & found.keys()
        found = {one: value for one, value in found.items() if one in common} or found
    values = list(found.values())
    return values, tuple(map(name, values)) if len(values) <= NAMED else (matches[-1][0],)
