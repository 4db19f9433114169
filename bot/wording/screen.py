"""What fits a phone's screen: as much as it holds, the most urgent in full, the rest in a line each or counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LINES, CHARACTERS = 29, 1_350
"""What a message has at most, whatever it lists; a group reads one line more, which says what it is not shown."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing to tell, in full and in a line."""

    full: str
    brief: str


def fits(text: str) -> bool:
    """Whether a text is no longer than a screen."""
    return text.count("\n") < LINES and len(text) <= CHARACTERS


def fitted(pieces: Sequence[Piece], framed: Callable[[Sequence[str], int], str]) -> tuple[str, int]:
    """The text that tells of most, and of how many pieces it tells; the most urgent come first.

    `framed` makes a text of blocks, with how many pieces are only counted. Whatever its frame takes, one piece is told.
    """
    shown, told = len(pieces), 0
    while shown > 1 and not fits(framed(_blocks(pieces[:shown], 0), len(pieces) - shown)):
        shown -= 1
    while told < shown and fits(framed(_blocks(pieces[:shown], told + 1), len(pieces) - shown)):
        told += 1
    return framed(_blocks(pieces[:shown], told), len(pieces) - shown), shown


def _blocks(pieces: Sequence[Piece], told: int) -> list[str]:
    """The first so many in full, then one block of lines."""
    return [*(one.full for one in pieces[:told]), *filter(None, ["\n".join(one.brief for one in pieces[told:])])]
