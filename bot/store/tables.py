"""The tables of the middle: what came in, what goes out, who is who."""

from tortoise import fields
from tortoise.models import Model

from duties.store.fields import UtcDatetimeField, json_field


class Identity(Model):
    """A person's address on one connection."""

    id = fields.BigIntField(primary_key=True)
    person_id = fields.BigIntField()
    connection = fields.CharField(64)
    address = fields.CharField(128)
    bound_at = UtcDatetimeField()
    failed_at = UtcDatetimeField(null=True, description="when a message to it was last given up")

    class Meta:
        table = "identity"


class Invitation(Model):
    """A one-time binding code; only its SHA-256 is kept."""

    id = fields.BigIntField(primary_key=True)
    person_id = fields.BigIntField()
    code_hash = fields.CharField(64)
    expires_at = UtcDatetimeField()
    used_at = UtcDatetimeField(null=True)

    class Meta:
        table = "invitation"


class Attempt(Model):
    """A failed binding, kept to limit guessing."""

    id = fields.BigIntField(primary_key=True)
    connection = fields.CharField(64)
    address = fields.CharField(128)
    at = UtcDatetimeField()

    class Meta:
        table = "attempt"


class Inbox(Model):
    """A verified message, committed before the platform gets its acknowledgement."""

    id = fields.BigIntField(primary_key=True)
    connection = fields.CharField(64)
    app = fields.CharField(64)
    message_id = fields.CharField(128)
    sender = fields.CharField(128)
    content = json_field()
    received_at = UtcDatetimeField()
    processed_at = UtcDatetimeField(null=True)
    attempts = fields.SmallIntField(default=0)

    class Meta:
        table = "inbox"


class Notice(Model):
    """One message to one recipient through one channel. `body` is frozen at the first attempt."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(16)
    scope = fields.CharField(64)
    connection = fields.CharField(64)
    person_id = fields.BigIntField(null=True)
    address = fields.CharField(128)
    state = fields.CharField(16)
    due_at = UtcDatetimeField()
    body = json_field(null=True)
    answers = fields.BigIntField(null=True, description="the inbox row this answers")
    lists = fields.CharField(8, null=True, description="where its numbers hold; null without any")
    attempts = fields.SmallIntField(default=0)
    token = fields.CharField(32, default="")
    receipt = fields.CharField(128, default="")
    error = fields.CharField(255, default="")
    created_at = UtcDatetimeField()
    finished_at = UtcDatetimeField(null=True)

    class Meta:
        table = "notice"


class Item(Model):
    """This person is owed this reminder; `notice_id` says which message told them, `outcome` how it ended."""

    id = fields.BigIntField(primary_key=True)
    reminder_id = fields.BigIntField()
    person_id = fields.BigIntField()
    notice_id = fields.BigIntField(null=True)
    outcome = fields.CharField(16, default="")

    class Meta:
        table = "notice_item"


class Snooze(Model):
    """This person is not reminded of this obligation until then. Over once `ended_at` is set."""

    id = fields.BigIntField(primary_key=True)
    obligation_id = fields.BigIntField()
    person_id = fields.BigIntField()
    audience = fields.CharField(16)
    due = fields.DateField(description="the due day it was meant for: another one ends it")
    until = UtcDatetimeField()
    entry_id = fields.BigIntField()
    ended_at = UtcDatetimeField(null=True)

    class Meta:
        table = "snooze"


class Lease(Model):
    """Who may send within a platform's limit scope, until when, and the state of its bucket."""

    id = fields.BigIntField(primary_key=True)
    scope = fields.CharField(64)
    token = fields.CharField(32)
    until = fields.FloatField()
    allowance = fields.FloatField()
    counted_at = fields.FloatField()

    class Meta:
        table = "lease"


class Dialogue(Model):
    """What the next message of an address continues: a list just shown, a choice, a question."""

    id = fields.BigIntField(primary_key=True)
    connection = fields.CharField(64)
    address = fields.CharField(128)
    kind = fields.CharField(16)
    content = json_field()
    expires_at = UtcDatetimeField()

    class Meta:
        table = "dialogue"


class AdapterState(Model):
    """What an adapter must remember: a sync token, an access token."""

    id = fields.BigIntField(primary_key=True)
    connection = fields.CharField(64)
    key = fields.CharField(64)
    value = fields.TextField()

    class Meta:
        table = "adapter_state"


class Subscription(Model):
    """What somebody asked to be told without asking again. `period` is the day or the week it was last told for."""

    id = fields.BigIntField(primary_key=True)
    person_id = fields.BigIntField()
    kind = fields.CharField(16)
    language = fields.CharField(2)
    period = fields.CharField(16, default="")

    class Meta:
        table = "subscription"


class Session(Model):
    """A signed-in browser of the built-in chat; only the token's SHA-256 is kept."""

    id = fields.BigIntField(primary_key=True)
    token_hash = fields.CharField(64)
    address = fields.CharField(128)
    expires_at = UtcDatetimeField()

    class Meta:
        table = "session"
