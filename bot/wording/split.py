"""Long messages cut where a reader would cut them: between items, then lines, then characters; never inside one."""

import unicodedata
from collections.abc import Iterator

JOINER = "\u200d"
"""What makes one picture of several: the family, the flag, the profession."""
SELECTORS = range(0xFE00, 0xFE10)


def split(text: str, max_bytes: int) -> list[str]:
    """Parts of at most `max_bytes` UTF-8 bytes each, in order, nothing lost but the break they were cut at."""
    if _size(text) <= max_bytes:
        return [text]
    for separator in ("\n\n", "\n"):
        if separator in text:
            return list(_packed(text.split(separator), separator, max_bytes))
    return list(_characters(text, max_bytes))


def _size(text: str) -> int:
    return len(text.encode())


def _packed(pieces: list[str], separator: str, max_bytes: int) -> Iterator[str]:
    held: str | None = None
    for piece in pieces:
        joined = piece if held is None else f"{held}{separator}{piece}"
        if _size(joined) <= max_bytes:
            held = joined
            continue
        if held:
            yield held
        *whole, held = split(piece, max_bytes)
        yield from whole
    if held:
        yield held


def _characters(text: str, max_bytes: int) -> Iterator[str]:
    """Whole characters as people see them; one longer than a message is cut between its code points."""
    held = ""
    for character in _seen(text):
        if _size(held + character) <= max_bytes:
            held += character
            continue
        if held:
            yield held
        *whole, held = _points(character, max_bytes)
        yield from whole
    yield held


def _seen(text: str) -> Iterator[str]:
    """Code points with the marks, selectors and joiners that belong to them."""
    held = ""
    for point in text:
        if held and not _belongs(point) and not held.endswith(JOINER):
            yield held
            held = ""
        held += point
    yield held


def _belongs(point: str) -> bool:
    return point == JOINER or unicodedata.category(point).startswith("M") or ord(point) in SELECTORS


def _points(character: str, max_bytes: int) -> list[str]:
    parts = [""]
    for point in character:
        if parts[-1] and _size(parts[-1] + point) > max_bytes:
            parts.append("")
        parts[-1] += point
    return parts
