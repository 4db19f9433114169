"""What is said to a webhook's far end and by it: the bodies, published as JSON schemas in `adapters/schemas`.

Only the envelope (type, timestamp, data) is the Standard Webhooks' own; what `data` holds is ours.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

LONGEST_ID, LONGEST_TEXT = 120, 20_000

WORDLESS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def clean(text: object) -> object:
    """A text without signs that databases and receivers refuse; anything else as it is."""
    return WORDLESS.sub("", text) if isinstance(text, str) else text


Id = Annotated[str, BeforeValidator(clean), Field(min_length=1, max_length=LONGEST_ID)]
Text = Annotated[str, BeforeValidator(clean), Field(max_length=LONGEST_TEXT)]


class _Wire(BaseModel):
    """A part of a body. Keys not known here are passed over: a newer sender may say more."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class Action(_Wire):
    """Something the recipient may answer by pressing: show the label, send back the action."""

    action: Id
    label: Text
    style: Literal["primary", "plain", "danger"] = "plain"


class Reminder(_Wire):
    """What is to be shown to somebody."""

    reminder_id: Id = Field(description="name it in answers; reminder.updated names the same one")
    to: str = Field(max_length=LONGEST_TEXT, description="the recipient, as the portal's `user` was bound")
    text: Text
    actions: tuple[Action, ...] = ()
    in_reply_to: str = Field(default="", description="webhook-id of the reply this answers; empty for a reminder")


class ReplyText(_Wire):
    """What a person wrote."""

    user: Id = Field(description="the person, by the portal's own lasting id")
    text: Text
    reminder_id: Annotated[str, BeforeValidator(clean)] = Field(
        default="", max_length=LONGEST_ID, description="the reminder it answers, if it answers one"
    )


class ReplyAction(_Wire):
    """What a person pressed."""

    user: Id = Field(description="the person, by the portal's own lasting id")
    reminder_id: Id
    action: Id = Field(description="as it came with the reminder")


class Outbound(_Wire):
    """The body of what is sent to the portal."""

    type: Literal["reminder.fired", "reminder.updated"]
    timestamp: str = Field(description="ISO 8601; of two updates of one reminder the later one holds")
    data: Reminder


class InboundText(_Wire):
    """A body that the portal sends when somebody writes."""

    type: Literal["reply.text"]
    timestamp: str = Field(default="", description="ISO 8601; the header's time is the one that is checked")
    data: ReplyText


class InboundAction(_Wire):
    """A body that the portal sends when somebody presses an action."""

    type: Literal["reply.action"]
    timestamp: str = Field(default="", description="ISO 8601; the header's time is the one that is checked")
    data: ReplyAction


INBOUND: dict[str, type[InboundText | InboundAction]] = {"reply.text": InboundText, "reply.action": InboundAction}
SCHEMAS: dict[str, TypeAdapter[Any]] = {
    "webhook-outbound.json": TypeAdapter(Outbound),
    "webhook-inbound.json": TypeAdapter(Annotated[InboundText | InboundAction, Field(discriminator="type")]),
}


def schema(name: str) -> dict[str, Any]:
    """A published schema, as the models say it."""
    made = SCHEMAS[name].json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name, **made}
