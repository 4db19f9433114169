"""What WeCom's three modes share: faults, member ids, harmless text, template cards, the pace of a conversation.

Sources: WeCom 90236, 90312 (sending, limits), 91770 (group robot), 101032 (template cards).
"""

import hashlib
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from time import monotonic
from typing import Any

from adapters.base import AdapterError, Button, ConfigurationError, Outgoing, RecipientError, RetryError

GROUP = "chat:"
MEMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-@.]{0,63}")
EVERYONE = frozenset({"all", "@all"})
TAG = re.compile(r"<(?=[@A-Za-z/!])")
MARKUP = str.maketrans({"<": "＜", ">": "＞", "[": "［", "]": "］", "*": "＊", "`": "｀"})
HEADING = re.compile(r"^#(?=#*\s)", re.MULTILINE)
TASK = re.compile(r"[0-9A-Za-z_-]{1,100}")

TITLE, SUBTITLE = 26, 112
"""Characters a card shows of its title and of its text (101032); more is cut by the client."""

SHORTEST = 12
"""Characters that a piece of a text needs to say anything."""

MOST_BUTTONS = 6
LONGEST_KEY = 1024
STYLES: Mapping[str, int] = {"primary": 1, "plain": 2, "danger": 3}
MINUTE, HOUR = 60.0, 3600.0
A_MINUTE, AN_HOUR = 30, 1000


class Fault(Enum):
    """What an errcode asks for; the number is the wait in seconds."""

    BUSY = 5.0
    LIMITED = 60.0
    TOKEN = 30.0
    RECIPIENT = 0.0
    CONFIGURATION = -1.0


def succeeded(data: Mapping[str, Any], status: int, faults: Mapping[int, Fault]) -> Mapping[str, Any]:
    """The body of an answer that reports success: HTTP 2xx and errcode 0. Raises AdapterError otherwise."""
    code = errcode(data)
    if 200 <= status < 300 and code == 0:  # noqa: PLR2004  the 2xx class
        return data
    if code is None or code == 0:
        raise RetryError(f"HTTP {status} without an errcode", Fault.BUSY.value)
    raise refusal(code, data.get("errmsg", ""), faults)


def errcode(data: Mapping[str, Any]) -> int | None:
    """The errcode of a body, if it has one."""
    code = data.get("errcode")
    return code if isinstance(code, int) else None


def refusal(code: int, said: object, faults: Mapping[int, Fault]) -> AdapterError:
    """What a documented errcode means; one that nobody documented may pass."""
    fault, reason = faults.get(code, Fault.BUSY), f"errcode {code} {public(str(said))}".rstrip()
    if fault is Fault.RECIPIENT:
        return RecipientError(reason)
    if fault is Fault.CONFIGURATION:
        return ConfigurationError(reason)
    return RetryError(reason, fault.value)


def public(said: str) -> str:
    """The platform's words without what follows them (hint, address) and without anything as long as a credential."""
    return re.sub(r"[0-9A-Za-z_\-]{24,}", "…", re.split(r",|\bhint\b", said, maxsplit=1)[0])[:80].strip()


def member(address: str) -> str:
    """A userid. Never everyone and never a list, which `@all` and `a|b` would be. Raises RecipientError."""
    if address.lower() in EVERYONE or not MEMBER.fullmatch(address):
        raise RecipientError("not the id of one member")
    return address


def plain(text: str) -> str:
    """Text in which nothing is a mention or a link; as many bytes as before, so that limits hold."""
    return TAG.sub("(", encodable(text))


def marked(text: str) -> str:
    """Text for a Markdown message in which nothing is markup: the signs become their full-width twins."""
    return HEADING.sub("＃", encodable(text)).translate(MARKUP)


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: half a character, as a careless cut leaves it, becomes a question mark."""
    return text.encode(errors="replace").decode()


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, with a sign that something is missing."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def heading(text: str) -> tuple[str, str]:
    """The first line and the rest, as long as they are."""
    first, _, rest = text.strip().partition("\n")
    return first.strip(), rest.strip()


def outcome(text: str) -> str:
    """The last paragraph in one line: what became of what stands above it."""
    return " ".join(line.strip() for line in plain(text).strip().rpartition("\n\n")[2].splitlines())


def condensed(text: str, limit: int) -> str:
    """The lines that say most: details are indented and go first; the last paragraph says what to do, and stays."""
    if len(text) <= limit:
        return text
    before, _, last = text.rpartition("\n\n")
    named = "\n".join(line for line in before.splitlines() if line.strip() and not line[0].isspace())
    spare = limit - len(last) - 1
    return f"{shortened(named, spare)}\n{last}" if named and spare >= SHORTEST else shortened(last, limit)


def fits_card(text: str) -> bool:
    """Whether a card shows the whole text."""
    first, rest = heading(text)
    return len(first) <= TITLE and len(rest) <= SUBTITLE


def task_id(connection: str, message: Outgoing) -> str:
    """An id no other card of the app has, the same at every attempt: the key, then a digest of what is said to whom."""
    said = f"{connection}\0{message.key}\0{message.address}\0{encodable(message.text)}"
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return f"{message.key if TASK.fullmatch(message.key) else 'x'}@{digest}"


def key_of(task: str) -> str:
    """The key of the message a card was made from, empty where the card is not ours."""
    key, _, digest = task.rpartition("@")
    return key if digest and key != "x" else ""


def usable(buttons: Sequence[Button]) -> tuple[Button, ...]:
    """The buttons a card can carry: labelled, distinct, short enough; the rest is left to typing."""
    return tuple(_usable(buttons))[:MOST_BUTTONS]


def _usable(buttons: Sequence[Button]) -> Iterator[Button]:
    seen: set[str] = set()
    for button in buttons:
        if button.label and button.value not in seen and 0 < len(button.value.encode()) <= LONGEST_KEY:
            seen.add(button.value)
            yield button


def button_card(task: str, text: str, buttons: Sequence[Button]) -> dict[str, Any]:
    """A button_interaction card: the first line is its title, the rest its text, as far as a card shows it."""
    return {
        **_face("button_interaction", task, text),
        "button_list": [
            {"text": button.label, "style": STYLES.get(button.style, STYLES["plain"]), "key": button.value}
            for button in buttons
        ],
    }


def notice_card(task: str, text: str, url: str) -> dict[str, Any]:
    """A text_notice card. The platform refuses one that leads nowhere (42045)."""
    return {**_face("text_notice", task, text), "card_action": {"type": 1, "url": url}}


def _face(kind: str, task: str, text: str) -> dict[str, Any]:
    first, rest = heading(plain(text))
    face = {"card_type": kind, "main_title": {"title": shortened(first, TITLE)}, "task_id": task}
    return face | ({"sub_title_text": condensed(rest, SUBTITLE)} if rest else {})


class Pace:
    """At most 30 a minute and 1000 an hour into one conversation (90312): the platform drops the rest silently."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._sent: defaultdict[str, deque[float]] = defaultdict(deque)

    def take(self, conversation: str, messages: int = 1) -> None:
        """Count messages about to be sent. Raises RetryError when they have to wait."""
        now, sent = self._clock(), self._sent[conversation]
        while sent and sent[0] <= now - HOUR:
            sent.popleft()
        for most, span in ((A_MINUTE, MINUTE), (AN_HOUR, HOUR)):
            spare = most - messages
            if len(sent) > spare and (wait := sent[len(sent) - spare - 1] + span - now) > 0:
                raise RetryError("the conversation's limit is reached", wait)
        sent.extend([now] * messages)
