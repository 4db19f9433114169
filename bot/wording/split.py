"""Long messages cut where a reader would cut them: between items, then lines, then characters; never inside UTF-8."""

from collections.abc import Iterator


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
    held = ""
    for piece in pieces:
        joined = f"{held}{separator}{piece}" if held else piece
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
    held: list[str] = []
    size = 0
    for character in text:
        width = len(character.encode())
        if size + width > max_bytes:
            yield "".join(held)
            held, size = [], 0
        held.append(character)
        size += width
    yield "".join(held)
