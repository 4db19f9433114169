import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from duties.store.fields import UtcDatetimeField


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="AdapterState",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("connection", fields.CharField(max_length=64)),
                ("key", fields.CharField(max_length=64)),
                ("value", fields.TextField(unique=False)),
            ],
            options={"table": "adapter_state", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Attempt",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("connection", fields.CharField(max_length=64)),
                ("address", fields.CharField(max_length=128)),
                ("at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "attempt", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Dialogue",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("connection", fields.CharField(max_length=64)),
                ("address", fields.CharField(max_length=128)),
                ("kind", fields.CharField(max_length=16)),
                (
                    "content",
                    fields.JSONField(
                        encoder=functools.partial(dumps, ensure_ascii=False, sort_keys=True), decoder=loads
                    ),
                ),
                ("expires_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "dialogue", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Identity",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("person_id", fields.BigIntField()),
                ("connection", fields.CharField(max_length=64)),
                ("address", fields.CharField(max_length=128)),
                ("bound_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "failed_at",
                    UtcDatetimeField(
                        null=True,
                        description="when a message to it was last given up",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
            ],
            options={"table": "identity", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Inbox",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("connection", fields.CharField(max_length=64)),
                ("app", fields.CharField(max_length=64)),
                ("message_id", fields.CharField(max_length=128)),
                ("sender", fields.CharField(max_length=128)),
                (
                    "content",
                    fields.JSONField(
                        encoder=functools.partial(dumps, ensure_ascii=False, sort_keys=True), decoder=loads
                    ),
                ),
                ("received_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("processed_at", UtcDatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("attempts", fields.SmallIntField(default=0)),
            ],
            options={"table": "inbox", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Invitation",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("person_id", fields.BigIntField()),
                ("code_hash", fields.CharField(max_length=64)),
                ("expires_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("used_at", UtcDatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "invitation", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Item",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("reminder_id", fields.BigIntField()),
                ("person_id", fields.BigIntField()),
                ("notice_id", fields.BigIntField(null=True)),
                ("outcome", fields.CharField(default="", max_length=16)),
            ],
            options={"table": "notice_item", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Lease",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("scope", fields.CharField(max_length=64)),
                ("token", fields.CharField(max_length=32)),
                ("until", fields.FloatField()),
                ("allowance", fields.FloatField()),
                ("counted_at", fields.FloatField()),
            ],
            options={"table": "lease", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Notice",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("kind", fields.CharField(max_length=16)),
                ("scope", fields.CharField(max_length=64)),
                ("connection", fields.CharField(max_length=64)),
                ("person_id", fields.BigIntField(null=True)),
                ("address", fields.CharField(max_length=128)),
                ("state", fields.CharField(max_length=16)),
                ("due_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "body",
                    fields.JSONField(
                        null=True, encoder=functools.partial(dumps, ensure_ascii=False, sort_keys=True), decoder=loads
                    ),
                ),
                ("answers", fields.BigIntField(null=True, description="the inbox row this answers")),
                (
                    "lists",
                    fields.CharField(null=True, description="where its numbers hold; null without any", max_length=8),
                ),
                ("attempts", fields.SmallIntField(default=0)),
                ("token", fields.CharField(default="", max_length=32)),
                ("receipt", fields.CharField(default="", max_length=128)),
                ("error", fields.CharField(default="", max_length=255)),
                ("created_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("finished_at", UtcDatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "notice", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Snooze",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("obligation_id", fields.BigIntField()),
                ("person_id", fields.BigIntField()),
                ("audience", fields.CharField(max_length=16)),
                ("due", fields.DateField(description="the due day it was meant for: another one ends it")),
                ("until", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("entry_id", fields.BigIntField()),
                ("ended_at", UtcDatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "snooze", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Subscription",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("person_id", fields.BigIntField()),
                ("kind", fields.CharField(max_length=16)),
                ("language", fields.CharField(max_length=2)),
                ("period", fields.CharField(default="", max_length=16)),
            ],
            options={"table": "subscription", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("token_hash", fields.CharField(max_length=64)),
                ("address", fields.CharField(max_length=128)),
                ("expires_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "session", "app": "bot", "pk_attr": "id"},
            bases=["Model"],
        ),
    ]
