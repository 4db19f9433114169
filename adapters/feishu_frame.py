"""The frames of Feishu's long connection: the protobuf message `pbbp2.Frame`, read and written without a library.

Frame { 1 SeqID uint64 · 2 LogID uint64 · 3 service int32 · 4 method int32 · 5 headers Header* · 6 payload_encoding
string · 7 payload_type string · 8 payload bytes · 9 LogIDNew string }, Header { 1 key · 2 value }; the first four and
both of a header are required. Source: lark-oapi 1.7.5, `ws/pb/pbbp2_pb2.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

from adapters.base import MalformedError

CONTROL, DATA = 0, 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}
WIDEST_VARINT = 10
ALL_64 = (1 << 64) - 1
SIGN_32, ALL_32 = 1 << 31, (1 << 32) - 1
MOST_PARTS, MOST_MESSAGES = 256, 64
PARTS_KEPT = 5.0
"""Seconds that an incomplete message is kept: the SDK's own."""

Field = int | bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. An empty optional text is the same as an absent one."""

    seq_id: int = 0
    log_id: int = 0
    service: int = 0
    method: int = CONTROL
    headers: tuple[tuple[str, str], ...] = ()
    payload_encoding: str = ""
    payload_type: str = ""
    payload: bytes = b""
    log_id_new: str = ""

    def header(self, key: str) -> str:
        """The first header of that name, or nothing."""
        return next((value for name, value in self.headers if name == key), "")

    def encoded(self) -> bytes:
        """The frame as it goes over the wire, fields in order."""
        numbers = (self.seq_id, self.log_id, self.service, self.method)
        parts = [_number(tag, value) for tag, value in enumerate(numbers, 1)]
        parts += [_block(5, _text(1, key) + _text(2, value)) for key, value in self.headers]
        parts += [_text(tag, text) for tag, text in ((6, self.payload_encoding), (7, self.payload_type)) if text]
        parts += [_block(8, self.payload)] if self.payload else []
        parts += [_text(9, self.log_id_new)] if self.log_id_new else []
        return b"".join(parts)


def decode(data: bytes) -> Frame:
    """Read a frame. Unknown fields are skipped, of a repeated one the last counts. Raises MalformedError."""
    found: dict[int, Field] = {}
    headers: list[tuple[str, str]] = []
    for tag, value in _fields(data):
        if tag == 5:  # noqa: PLR2004  the field numbers are those of the module's docstring
            headers.append(_header(value))
        else:
            found[tag] = value
    if not {1, 2, 3, 4} <= found.keys():
        raise MalformedError("the frame lacks a required field")
    return Frame(
        seq_id=_unsigned(found[1]),
        log_id=_unsigned(found[2]),
        service=_signed(found[3]),
        method=_signed(found[4]),
        headers=tuple(headers),
        payload_encoding=_string(found.get(6, b"")),
        payload_type=_string(found.get(7, b"")),
        payload=_bytes(found.get(8, b"")),
        log_id_new=_string(found.get(9, b"")),
    )


@dataclass(slots=True)
class Parts:
    """Payloads that come in several frames (headers `sum`, `seq`), until each is whole."""

    _pending: dict[str, tuple[float, list[bytes | None]]] = field(default_factory=dict)

    def whole(self, frame: Frame) -> bytes | None:
        """The whole payload with its last missing frame, None before. Raises MalformedError."""
        count, position = _count(frame.header("sum"), 1), _count(frame.header("seq"), 0)
        if count <= 1:
            return frame.payload
        if count > MOST_PARTS or not 0 <= position < count:
            raise MalformedError("the frame is a part that cannot be")
        self._forget()
        name = frame.header("message_id")
        since, parts = self._pending.pop(name, (monotonic(), [None] * count))
        if len(parts) != count:
            raise MalformedError("the parts do not agree on their number")
        parts[position] = frame.payload
        if any(part is None for part in parts):
            self._pending[name] = (since, parts)
            return None
        return b"".join(part for part in parts if part is not None)

    def _forget(self) -> None:
        late = monotonic() - PARTS_KEPT
        self._pending = {name: kept for name, kept in self._pending.items() if kept[0] > late}
        while len(self._pending) >= MOST_MESSAGES:
            self._pending.pop(next(iter(self._pending)))


def _count(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    try:
        return int(text)
    except ValueError:
        raise MalformedError("the frame counts its parts in words") from None


def _fields(data: bytes) -> Iterator[tuple[int, Field]]:
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        tag, kind = key >> 3, key & 7
        if not tag:
            raise MalformedError("the frame has a field without a number")
        if kind == VARINT:
            value, position = _varint(data, position)
            yield tag, value
            continue
        length, position = _length(data, position, kind)
        if length > len(data) - position:
            raise MalformedError("the frame is cut off")
        yield tag, data[position : position + length]
        position += length


def _length(data: bytes, position: int, kind: int) -> tuple[int, int]:
    if kind == BYTES:
        return _varint(data, position)
    if kind not in FIXED:
        raise MalformedError("the frame has a field of an unknown kind")
    return FIXED[kind], position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[position : position + WIDEST_VARINT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:  # noqa: PLR2004  the high bit says that more follows
            return value & ALL_64, position + shift + 1
    raise MalformedError("the frame has an endless number")


def _header(value: Field) -> tuple[str, str]:
    found = dict(_fields(_bytes(value)))
    if not {1, 2} <= found.keys():
        raise MalformedError("a header lacks its name or its value")
    return _string(found[1]), _string(found[2])


def _bytes(value: Field) -> bytes:
    if isinstance(value, int):
        raise MalformedError("a number stands where bytes should")
    return value


def _string(value: Field) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise MalformedError("a text is not UTF-8") from None


def _unsigned(value: Field) -> int:
    if not isinstance(value, int):
        raise MalformedError("bytes stand where a number should")
    return value


def _signed(value: Field) -> int:
    low = _unsigned(value) & ALL_32
    return low - (1 << 32) if low & SIGN_32 else low


def _number(tag: int, value: int) -> bytes:
    return _encoded_varint(tag << 3 | VARINT) + _encoded_varint(value & ALL_64)


def _block(tag: int, data: bytes) -> bytes:
    return _encoded_varint(tag << 3 | BYTES) + _encoded_varint(len(data)) + data


def _text(tag: int, text: str) -> bytes:
    return _block(tag, text.encode())


def _encoded_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004  seven bits a byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
