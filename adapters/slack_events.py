"""What Slack sends: events of the Events API as JSON, clicks as a form that holds JSON.

Documents: docs.slack.dev events message.im and app_mention, block_actions payload, formatting of retrieved text.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import parse_qs

from adapters.base import Incoming, MalformedError, Request

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS, LONGEST_ID, LONGEST_APP = 100, 120, 64
RESPONSE_SECONDS = 1740
"""How long a response_url is used: it lasts half an hour."""
SAID = (None, "file_share", "thread_broadcast", "me_message")
"""Subtypes of a message somebody wrote. The others are edits, deletions, and news about a channel."""
SLACKBOT = "USLACKBOT"

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>[\s,:，：]*", re.ASCII)
_MARKED = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Via:
    """The way back: the conversation and thread, and the address of a click's answer with the time it ends."""

    channel: str = ""
    thread: str = ""
    url: str = ""
    until: int = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """From what `write` wrote; an empty one from anything else."""
        try:
            found = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            found = {}
        data = found if isinstance(found, dict) else {}
        until = data.get("until")
        return cls(
            text_of(data, "channel"),
            text_of(data, "thread"),
            text_of(data, "url"),
            until if isinstance(until, int) else 0,
        )

    def write(self) -> str:
        """As one string."""
        return json.dumps({key: value for key, value in asdict(self).items() if value}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads for one connection. `hooks_url` is the only host a response_url may lead to."""

    connection: str
    hooks_url: str

    def read(self, data: Mapping[str, Any], now: datetime) -> Iterator[Incoming]:
        """What people said or pressed; nothing for all else. Raises MalformedError."""
        if data.get("type") == "event_callback":
            yield from self._event(data)
        elif data.get("type") == "block_actions":
            yield from self._clicks(data, now)

    def _event(self, data: Mapping[str, Any]) -> Iterator[Incoming]:
        event = _object(data, "event")
        bots, user = _bots(data), text_of(event, "user")
        if not _is_for_us(event) or user in {*bots, SLACKBOT}:
            return
        channel, stamp, thread = (text_of(event, key) for key in ("channel", "ts", "thread_ts"))
        direct = channel.startswith("D")
        yield Incoming(
            connection=self.connection,
            app=_id(text_of(data, "api_app_id"), LONGEST_APP),
            message_id=_id(text_of(data, "event_id")),
            sender=_id(user),
            text=spoken(text_of(event, "text"), bots, addressed=not direct),
            reply_to=f"{channel}:{thread}" if thread and thread != stamp else "",
            via=Via(channel, thread if direct else thread or stamp).write(),
            group=not direct,
        )

    def _clicks(self, data: Mapping[str, Any], now: datetime) -> Iterator[Incoming]:
        user, container, shown = (
            text_of(_object(data, "user"), "id"),
            _object(data, "container"),
            _object(data, "message"),
        )
        stamp = text_of(container, "message_ts") or text_of(shown, "ts")
        channel = text_of(_object(data, "channel"), "id") or text_of(container, "channel_id")
        url = text_of(data, "response_url")
        usable = url.startswith(f"{self.hooks_url}/")
        until = int(now.timestamp()) + RESPONSE_SECONDS
        thread = text_of(shown, "thread_ts") or ("" if channel.startswith("D") else stamp)
        for action in _objects(data, "actions"):
            if action.get("type") != "button" or not text_of(action, "value"):
                continue
            yield Incoming(
                connection=self.connection,
                app=_id(text_of(data, "api_app_id"), LONGEST_APP),
                message_id=_id(f"click-{stamp}-{user}-{text_of(action, 'action_id')}-{text_of(action, 'action_ts')}"),
                sender=_id(user),
                action=text_of(action, "value"),
                reply_to=f"{channel}:{stamp}",
                via=Via(channel, thread, url if usable else "", until if usable else 0).write(),
                group=not channel.startswith("D"),
            )


def payload_of(request: Request) -> dict[str, Any]:
    """The JSON of a body, or of a form's payload; empty for a form without one. Raises MalformedError."""
    raw: bytes | str = request.body
    try:
        if request.headers.get("content-type", "").lower().startswith(FORM):
            form = parse_qs(request.body.decode("ascii"), max_num_fields=MOST_FIELDS)
            raw = form.get("payload", ["{}"])[0]
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedError("neither JSON nor a form that holds it") from None
    if not isinstance(found, dict):
        raise MalformedError("not a JSON object")
    return found


def spoken(text: str, bots: frozenset[str], *, addressed: bool) -> str:
    """What was said, as it was typed: without the mention of the bot, escapes and marks of links undone.

    Whose mention it is the event says; where it does not, the first word of a message that mentions us is taken.
    """
    if bots:
        text = _MENTION.sub(lambda found: "" if found[1] in bots else found[0], text)
    elif addressed:
        text = _MENTION.sub("", text, count=1) if _MENTION.match(text.lstrip()) else text
    plain = _MARKED.sub(lambda found: _label(found[1]), text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def text_of(data: Mapping[str, Any], key: str) -> str:
    """A string that a database takes; an empty one for anything else."""
    value = data.get(key)
    return value.replace("\x00", "").encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _is_for_us(event: Mapping[str, Any]) -> bool:
    """A direct message, or a mention elsewhere. A mention comes as a channel's message too: that is passed over."""
    direct = text_of(event, "channel").startswith("D")
    wanted = "message" if direct else "app_mention"
    return event.get("type") == wanted and not event.get("bot_id") and event.get("subtype") in SAID


def _bots(data: Mapping[str, Any]) -> frozenset[str]:
    """Who we are, as the event says."""
    known = (text_of(one, "user_id") for one in _objects(data, "authorizations") if one.get("is_bot") is True)
    return frozenset(filter(None, known))


def _label(marked: str) -> str:
    target, _, label = marked.partition("|")
    return label or (target if target[:1] != "!" else f"@{target[1:]}")


def _object(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _objects(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _id(text: str, longest: int = LONGEST_ID) -> str:
    if not 0 < len(text) <= longest:
        raise MalformedError("an id is missing, or too long")
    return text
