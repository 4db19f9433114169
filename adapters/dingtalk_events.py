"""What DingTalk sends: a robot's messages (the same JSON by HTTP and by Stream), clicks on cards, encrypted events.

Documents: open.dingtalk.com receive-message, event-callback-card; open-dingtalk/DingTalk-Callback-Crypto.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from adapters.base import Incoming, MalformedError
from adapters.crypto import sha1_of_sorted

LONGEST_ID = 120


@dataclass(frozen=True, slots=True)
class Via:
    """The way back of a message: the group it was said in, and the session address with the time it ends."""

    chat: str = ""
    hook: str = ""
    until: int = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """From what `write` wrote; an empty one from anything else."""
        found = object_of(text)
        return cls(text_of(found, "chat"), text_of(found, "hook"), int_of(found, "until"))

    def write(self) -> str:
        """As one string; empty when there is no way back but the sender's address."""
        if not (self.chat or self.hook):
            return ""
        return dumps({"chat": self.chat, "hook": self.hook, "until": self.until})


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads for one connection. `session_url` is the only host a way back may lead to."""

    connection: str
    app: str
    session_url: str

    def message(self, data: Mapping[str, Any]) -> Incoming | None:
        """A message; None for one the robot said itself. Raises MalformedError."""
        staff, sender, message_id = text_of(data, "senderStaffId"), text_of(data, "senderId"), text_of(data, "msgId")
        if sender and sender == text_of(data, "chatbotUserId"):
            return None
        hook, in_group = text_of(data, "sessionWebhook"), text_of(data, "conversationType") == "2"
        via = Via(
            text_of(data, "conversationId") if in_group else "",
            hook if hook.startswith(f"{self.session_url}/") else "",
            int_of(data, "sessionWebhookExpiredTime"),
        )
        return Incoming(
            connection=self.connection,
            app=self.app,
            message_id=_id(message_id),
            sender=_id(staff or sender),
            text=_said(data).strip(),
            reply_to=text_of(data, "originalProcessQueryKey"),
            via=via.write(),
            group=in_group,
        )

    def click(self, frame_id: str, data: Mapping[str, Any]) -> Incoming | None:
        """A click on a card; None where it carries nothing of ours. Raises MalformedError."""
        private = object_of(object_of(data.get("content")).get("cardPrivateData"))
        ids = private.get("actionIds")
        value = text_of(object_of(private.get("params")), "value")
        if not value and isinstance(ids, list) and ids and isinstance(ids[0], str):
            value = ids[0]
        in_group = text_of(data, "spaceType") == "IM_GROUP"
        click = Incoming(
            connection=self.connection,
            app=self.app,
            message_id=f"click-{_id(frame_id)}",
            sender=_id(text_of(data, "userId")),
            action=value,
            reply_to=text_of(data, "outTrackId") or text_of(data, "cardBizId"),
            via=Via(chat=text_of(data, "spaceId") if in_group else "").write(),
            group=text_of(data, "spaceType") != "IM_ROBOT",
        )
        return click if value else None


def sealed(token: str, milliseconds: str, nonce: str, encrypted: str) -> str:
    """The answer to an encrypted event: the encrypted word, signed."""
    signature = sha1_of_sorted(token, milliseconds, nonce, encrypted)
    return dumps({"msg_signature": signature, "timeStamp": milliseconds, "nonce": nonce, "encrypt": encrypted})


def body_of(raw: bytes | str) -> dict[str, Any]:
    """A body that is a JSON object. Raises MalformedError."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedError("not JSON") from None
    if not isinstance(found, dict):
        raise MalformedError("not a JSON object")
    return found


def object_of(value: object) -> dict[str, Any]:
    """A value that is an object, or JSON of one; an empty one else."""
    if isinstance(value, str):
        with suppress(MalformedError):
            return body_of(value)
    return value if isinstance(value, dict) else {}


def text_of(data: Mapping[str, Any], key: str) -> str:
    """A string that a database takes; an empty one for anything else."""
    value = data.get(key)
    return value.replace("\x00", "").encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def int_of(data: Mapping[str, Any], key: str) -> int:
    """A whole number; 0 for anything else."""
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def dumps(value: object) -> str:
    """JSON as DingTalk writes it: no spaces, no escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _id(text: str) -> str:
    if not 0 < len(text) <= LONGEST_ID:
        raise MalformedError("an id is missing, or too long")
    return text


def _said(data: Mapping[str, Any]) -> str:
    if data.get("msgtype") == "text":
        return text_of(object_of(data.get("text")), "content")
    pieces = object_of(data.get("content")).get("richText")
    if data.get("msgtype") == "richText" and isinstance(pieces, list):
        return "".join(text_of(piece, "text") for piece in pieces if isinstance(piece, dict))
    return ""
