"""What is read from and written into Matrix rooms: events as the client-server API documents them. Pure.

Modules cited by name (m.mentions, rich replies, event annotations, event replacements) are those of the specification.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from adapters.base import Button, Outgoing

MESSAGE, REACTION, MEMBER = "m.room.message", "m.reaction", "m.room.member"
ENCRYPTED, ENCRYPTION = "m.room.encrypted", "m.room.encryption"
ANNOTATION, REPLACE, THREAD = "m.annotation", "m.replace", "m.thread"
KEY, BUTTONS = "duban.key", "duban.buttons"
"""Fields of our own in a message: which it is, and what each reaction stands for. Only our own events are believed."""

LONGEST_SENDER, LONGEST_RECEIPT = 128, 128
LONGEST_LABEL, LONGEST_VALUE = 40, 1000
KEYCAPS: Mapping[str, str] = {**{str(number): f"{number}\ufe0f\u20e3" for number in range(1, 10)}, "10": "\U0001f51f"}
SIGNS: Mapping[str, str] = {"primary": "✅", "plain": "👁️", "danger": "❌"}
SPARE = ("🔵", "🟢", "🟡", "🟠", "🔴", "🟣", "🟤", "⚫", "⚪")
NUMBER = re.compile(r"[0-9]+")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028-\u202e\u2066-\u2069]")
QUOTED = re.compile(r"^>", re.MULTILINE)
FALLBACK = re.compile(r"\A(?:>[^\n]*\n)+\n?")
SPOKEN, FILES = frozenset({"m.text", "m.emote"}), frozenset({"m.file", "m.image", "m.audio", "m.video"})


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a room, as far as it matters here."""

    number: str
    kind: str
    sender: str
    content: Mapping[str, Any]
    state_key: str = ""
    before: str = ""

    @property
    def relation(self) -> Mapping[str, Any]:
        """What it says about another event."""
        return inside(self.content, "m.relates_to")

    @property
    def target(self) -> str:
        """The event it replies or reacts to; in a thread, the event the thread began with."""
        kind = self.relation.get("rel_type")
        if kind == ANNOTATION or (kind == THREAD and self.relation.get("is_falling_back") is True):
            return text_of(self.relation.get("event_id"))
        return text_of(inside(self.relation, "m.in_reply_to").get("event_id"))


@dataclass(frozen=True, slots=True)
class Ours:
    """A message of our own: its key, and what its reactions stand for."""

    key: str
    actions: Mapping[str, str]

    @classmethod
    def read(cls, raw: Mapping[str, Any], me: str) -> Self | None:
        """From the event itself, its latest edit included. What an edit took away still says what it meant."""
        content = inside(raw, "content")
        key = text_of(content.get(KEY))
        if raw.get("sender") != me or not key:
            return None
        edit = inside(raw, "unsigned", "m.relations", REPLACE)
        changed = inside(edit, "content", "m.new_content") if edit.get("sender") == me else {}
        actions = {**inside(content, BUTTONS), **inside(changed, BUTTONS)}
        return cls(key, {bare(sign): value for sign, value in actions.items() if isinstance(value, str)})

    def action(self, sign: str) -> str:
        """What a reaction stands for, empty for one that means nothing here."""
        return self.actions.get(bare(sign), "")


def events(raw: object) -> list[Event]:
    """The events of a list, without what is none."""
    return [event for one in (raw if isinstance(raw, list) else []) if (event := _event(one)) is not None]


def _event(raw: object) -> Event | None:
    if not isinstance(raw, dict):
        return None
    found = [raw.get(name) for name in ("event_id", "type", "sender")]
    number, kind, sender = map(text_of, found)
    if not number or not kind or not sender:
        return None
    # The place of prev_content was moved once; servers give either.
    before = inside(raw, "unsigned", "prev_content") or inside(raw, "prev_content")
    state_key, content = text_of(raw.get("state_key")), inside(raw, "content")
    return Event(number, kind, sender, content, state_key, text_of(before.get("membership")))


def since_invited(timeline: Sequence[Event], me: str) -> Sequence[Event]:
    """What was said in a room since we were asked into it; all of it where we have been there before."""
    joined = next((n for n in reversed(range(len(timeline))) if joins(timeline[n], me)), None)
    if joined is None:
        return timeline
    asked = [n for n in range(joined) if _is_membership(timeline[n], me, "invite")]
    return timeline[asked[-1] if asked else joined :]


def joins(event: Event, me: str) -> bool:
    """Whether this is how we came into the room; a new name is told by the same kind of event."""
    return _is_membership(event, me, "join") and event.before != "join"


def _is_membership(event: Event, user: str, membership: str) -> bool:
    return event.kind == MEMBER and event.state_key == user and event.content.get("membership") == membership


def words(event: Event) -> str | None:
    """What somebody said, without the quotation before it; None for what programs say to people (m.notice)."""
    edited = inside(event.content, "m.new_content") if event.relation.get("rel_type") == REPLACE else {}
    content = edited or event.content
    kind, body = text_of(content.get("msgtype")), text_of(content.get("body"))
    if kind in SPOKEN:
        return (FALLBACK.sub("", body) if event.target else body).strip()
    if kind in FILES:
        caption = content.get("filename") not in (None, body)
        return body.strip() if caption else ""
    return None


def is_called(event: Event, me: str, names: Iterable[str]) -> bool:
    """Whether a message in a group is meant for us: by m.mentions, or by a name at its beginning."""
    users = inside(event.content, "m.mentions").get("user_ids")
    if isinstance(users, list) and me in users:
        return True
    body = words(event) or ""
    return uncalled(body, names) != body


def uncalled(body: str, names: Iterable[str]) -> str:
    """A message without the name it begins with."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        found = re.match(rf"@?{re.escape(name)}(?:\s*[:,：，]|\s|\Z)\s*", body, re.IGNORECASE)
        if found:
            return body[found.end() :].strip()
    return body


def neutral(text: str) -> str:
    """Text that mentions nobody, hides nothing and quotes nothing. It is sent as plain text: markup stays text."""
    seen = CONTROL.sub("", text).encode("utf-8", "replace").decode()
    return QUOTED.sub("＞", re.sub("@room", "＠room", seen, flags=re.IGNORECASE))


def signed(buttons: Sequence[Button]) -> dict[str, Button]:
    """The reaction that stands for each button, always the same: the number its label names, or its style's sign."""
    found: dict[str, Button] = {}
    for button in buttons:
        if button.label.strip() and 0 < len(button.value.encode()) <= LONGEST_VALUE:
            sign = next((sign for sign in _signs(button) if sign not in found), "")
            found |= {sign: button} if sign else {}
    return found


def _signs(button: Button) -> Iterator[str]:
    numbers = NUMBER.findall(button.label)
    if len(numbers) == 1 and numbers[0] in KEYCAPS:
        yield KEYCAPS[numbers[0]]
    yield SIGNS.get(button.style, SIGNS["plain"])
    yield from SPARE


def bare(sign: str) -> str:
    """A reaction without the variation selector, which some clients leave out."""
    return sign.replace("\ufe0f", "")


def said(message: Outgoing, buttons: Mapping[str, Button], *, mention: str = "", reply: str = "") -> dict[str, Any]:
    """The content of a message. The empty m.mentions keeps servers from looking for names in the text."""
    legend = "\n".join(f"{sign} {neutral(button.label)[:LONGEST_LABEL]}" for sign, button in buttons.items())
    content: dict[str, Any] = {
        "msgtype": "m.text",
        "body": neutral(message.text) + (f"\n\n{legend}" if legend else ""),
        "m.mentions": {"user_ids": [mention]} if mention else {},
        KEY: message.key,
    }
    if buttons:
        content[BUTTONS] = {sign: button.value for sign, button in buttons.items()}
    if reply:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": reply}}
    return content


def replacing(event: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of an edit. Only the old clients that know no edits show its own body."""
    return {
        "msgtype": "m.text",
        "body": f"* {content['body']}",
        "m.mentions": {},
        "m.new_content": content,
        "m.relates_to": {"rel_type": REPLACE, "event_id": event},
    }


def inside(raw: object, *names: str) -> Mapping[str, Any]:
    """The object at a path, an empty one where there is none."""
    for name in names:
        raw = raw.get(name) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


def text_of(value: object) -> str:
    """A text, an empty one for anything else."""
    return value if isinstance(value, str) else ""
