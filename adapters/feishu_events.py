"""What Feishu pushes: verified, opened and read. Pure: no state, no input or output.

Documents: event-subscription-guide (encryption, signature, URL check), im-v1/message/events/receive,
feishu-cards/card-callback-communication. The long connection carries the same events, in clear.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.base import LONGEST_SENDER, Incoming, MalformedError, Received, Request, Response, UnverifiedError
from adapters.crypto import feishu_decrypt, same

MESSAGE, CLICK, URL_CHECK = "im.message.receive_v1", "card.action.trigger", "url_verification"
WINDOW = 8 * 3600
"""Feishu repeats an event for about 7 h; whether it then signs a new time is unconfirmed."""
MENTIONS = re.compile(r"@_(?:user_\d+|all)", re.ASCII)
LEADING = re.compile(rf"(?:\s*{MENTIONS.pattern})+", re.ASCII)
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
DONE = Response(200, b"{}", "application/json")
"""The answer to everything: an empty object acknowledges an event and leaves a card as it is."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """What one app needs to know to read what it is sent."""

    connection: str
    app_id: str
    id_type: str
    encrypt_key: str = ""
    verification_token: str = ""
    legacy_cards: bool = False

    def receive(self, request: Request, now: datetime) -> Received:
        """Verify, open and read a request. Raises UnverifiedError, MalformedError."""
        outer = _object(request.body)
        sealed = outer.get("encrypt")
        if not isinstance(sealed, str):
            return self._legacy(request, outer, now)
        signed = self._signed(request, now, self.encrypt_key, "sha256")
        event = self._opened(sealed, signed=signed)
        if event.get("type") == URL_CHECK:
            return Received(response=_challenge(event))
        if not signed:
            raise UnverifiedError("the signature is wrong")
        return Received(self.read(event), DONE)

    def read(self, event: Json) -> tuple[Incoming, ...]:
        """The messages of one event; none if it is of another kind. Raises MalformedError."""
        kind = _text(event, "header", "event_type")
        if kind == MESSAGE:
            return self._message(event)
        if kind == CLICK:
            return (self._click(_part(event, "event"), _text(event, "header", "event_id")),)
        return ()

    def _signed(self, request: Request, now: datetime, key: str, algorithm: str) -> bool:
        """Feishu signs the raw body: a plain hash over time, nonce, key and body. An old signature is none."""
        headers = request.headers
        names = ("x-lark-request-timestamp", "x-lark-request-nonce", "x-lark-signature")
        timestamp, nonce, claimed = (headers.get(name, "") for name in names)
        if not (timestamp.isascii() and nonce.isascii() and claimed.isascii()):
            return False
        expected = hashlib.new(algorithm, f"{timestamp}{nonce}{key}".encode() + request.body).hexdigest()
        return same(expected, claimed) and _is_recent(timestamp, now)

    def _opened(self, sealed: str, *, signed: bool) -> Json:
        """Without a signature every fault reads the same: otherwise the padding could be asked for, byte by byte."""
        try:
            event = _object(feishu_decrypt(self.encrypt_key, sealed))
            self._check_origin(event)
        except MalformedError:
            if signed:
                raise
            raise UnverifiedError("the signature is wrong") from None
        return event

    def _check_origin(self, event: Json) -> None:
        token = _text(event, "header", "token") or _text(event, "token")
        if not token.isascii() or not same(token, self.verification_token):
            raise UnverifiedError("the verification token is wrong")
        app = _text(event, "header", "app_id")
        if app and app != self.app_id:
            raise UnverifiedError("meant for another app")

    def _legacy(self, request: Request, click: Json, now: datetime) -> Received:
        """The message-card callback of old: in clear, SHA-1 with the Verification Token, no event around it."""
        if not self.legacy_cards or not self._signed(request, now, self.verification_token, "sha1"):
            raise UnverifiedError("not encrypted")
        event = {
            "operator": {name: click.get(name) for name in ("open_id", "union_id", "user_id")},
            "action": click.get("action"),
            "context": {"open_message_id": click.get("open_message_id")},
        }
        return Received((self._click(event, _text(click, "token")),), DONE)

    def _message(self, event: Json) -> tuple[Incoming, ...]:
        body = _part(event, "event")
        message = _part(body, "message")
        in_group = _text(message, "chat_type") != "p2p"
        names = _names(message)
        answers = _text(message, "parent_id") or _text(message, "root_id")
        meant = names or answers or not in_group
        if _text(body, "sender", "sender_type") != "user" or not meant:
            return ()
        name = _required(message, "message_id")
        return (
            Incoming(
                connection=self.connection,
                app=self.app_id,
                message_id=name,
                sender=self._person(_part(body, "sender", "sender_id")),
                text=_without_mentions(_said(message), names, in_group=in_group),
                reply_to=answers,
                via=name if in_group else "",
                group=in_group,
            ),
        )

    def _click(self, event: Json, event_id: str) -> Incoming:
        if not event_id:
            raise MalformedError("a click without an id")
        card = _text(event, "context", "open_message_id")
        return Incoming(
            connection=self.connection,
            app=self.app_id,
            message_id=event_id,
            sender=self._person(_part(event, "operator")),
            action=_pressed(_part(event, "action").get("value")),
            reply_to=card,
            via=card,
            group=True,  # a click names its chat, which does not tell a group from a person's own
        )

    def _person(self, ids: Json) -> str:
        """The configured kind of id; where a permission for it is missing, the one that is always there."""
        found = _text(ids, self.id_type) or _text(ids, "open_id")
        if not 0 < len(found) <= LONGEST_SENDER:
            raise MalformedError("a person's id is missing, or too long")
        return found


def _is_recent(timestamp: str, now: datetime) -> bool:
    try:
        return abs(int(timestamp) - int(now.timestamp())) <= WINDOW
    except ValueError:
        return False


def _challenge(event: Json) -> Response:
    return Response(200, json.dumps({"challenge": _required(event, "challenge")}).encode(), "application/json")


def _said(message: Json) -> str:
    """The text of a message: of a text, or of a rich text's paragraphs. A picture or a file says nothing."""
    kind = _text(message, "message_type")
    if kind not in ("text", "post"):
        return ""
    content = _object(_text(message, "content").encode("utf-8", "replace"))
    return _text(content, "text") if kind == "text" else _flat(content)


def _flat(post: Json) -> str:
    """A rich text comes as {title, content: [[{tag, …}]]}."""
    lines = post.get("content")
    paragraphs = [line for line in lines if isinstance(line, list)] if isinstance(lines, list) else []
    flat = ["".join(_run(run) for run in line if isinstance(run, dict)) for line in paragraphs]
    return "\n".join(filter(None, [_text(post, "title"), *flat]))


def _run(run: Json) -> str:
    return _text(run, "user_id") if run.get("tag") == "at" else _text(run, "text")


def _names(message: Json) -> dict[str, str]:
    """Who is mentioned: the key in the text, and the name people see."""
    mentions = message.get("mentions")
    found = [one for one in mentions if isinstance(one, dict)] if isinstance(mentions, list) else []
    return {_text(one, "key"): _text(one, "name") for one in found}


def _without_mentions(text: str, names: Mapping[str, str], *, in_group: bool) -> str:
    """In a group the bot is called first, or is the only one called; everybody else keeps a name."""
    if in_group:
        text = LEADING.sub("", text, count=1) if LEADING.match(text) else text
        names = names if len(names) > 1 else dict.fromkeys(names, "")
    said = MENTIONS.sub(lambda key: f"@{name}" if (name := names.get(key[0], key[0][1:])) else "", text)
    return said.strip()


def _pressed(value: object) -> str:
    """What our own button carries; of another's, whatever it is, as text."""
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return _storable(str(value))
    carried = value.get("value") if isinstance(value, dict) else value
    return _storable(carried if isinstance(carried, str) else _written(value))


def _written(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except RecursionError:
        raise MalformedError("nested too deep") from None


def _object(data: bytes) -> Json:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedError("not JSON") from None
    if not isinstance(found, dict):
        raise MalformedError("not a JSON object")
    return found


def _part(value: Json, *path: str) -> Json:
    for name in path:
        found = value.get(name)
        value = found if isinstance(found, dict) else {}
    return value


def _text(value: Json, *path: str) -> str:
    found = _part(value, *path[:-1]).get(path[-1])
    return _storable(found) if isinstance(found, str) else ""


def _required(value: Json, name: str) -> str:
    found = _text(value, name)
    if not found:
        raise MalformedError(f"no {name}")
    return found


def _storable(text: str) -> str:
    """No database keeps these, and no person types them."""
    return UNSTORABLE.sub("", text)


def event_of(payload: bytes) -> Json:
    """An event of the long connection: in clear, the connection itself is its proof. Raises MalformedError."""
    return _object(payload)
