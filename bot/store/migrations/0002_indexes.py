"""Unique keys and partial indexes, in raw SQL: the ORM drops constraints silently on both databases."""

from tortoise import migrations
from tortoise.migrations import operations as ops

UNIQUE = {
    "uq_identity": "identity (connection, address)",
    "uq_invitation": "invitation (code_hash)",
    "uq_inbox": "inbox (connection, app, message_id)",
    "uq_item": "notice_item (reminder_id, person_id)",
    "uq_snooze_now": "snooze (person_id, obligation_id) WHERE ended_at IS NULL",
    "uq_lease": "lease (scope)",
    "uq_dialogue": "dialogue (connection, address, kind)",
    "uq_adapter_state": "adapter_state (connection, key)",
    "uq_session": "session (token_hash)",
    "uq_subscription": "subscription (person_id, kind)",
    "uq_notice_collecting": "notice (person_id, connection) WHERE state = 'collecting'",
    "uq_notice_answer": "notice (answers) WHERE answers IS NOT NULL",
}

PLAIN = {
    "ix_identity_person": "identity (person_id)",
    "ix_inbox_unprocessed": "inbox (id) WHERE processed_at IS NULL",
    "ix_inbox_sender": "inbox (connection, sender, id)",
    "ix_notice_pending": "notice (scope, due_at, id) WHERE state IN ('collecting', 'pending')",
    "ix_notice_waiting": "notice (connection, address, id) WHERE state IN ('collecting', 'pending')",
    "ix_notice_dead": "notice (id) WHERE state = 'dead'",
    "ix_notice_address": "notice (connection, address, id)",
    "ix_notice_list": "notice (connection, address, id) WHERE lists IS NOT NULL",
    "ix_item_unsaid": "notice_item (person_id, id) WHERE notice_id IS NULL",
    "ix_item_notice": "notice_item (notice_id)",
    "ix_snooze_person": "snooze (person_id, obligation_id)",
    "ix_attempt": "attempt (connection, address, at)",
}


class Migration(migrations.Migration):
    dependencies = [("bot", "0001_initial")]

    operations = [
        *(ops.RunSQL(f"CREATE UNIQUE INDEX {name} ON {on}", f"DROP INDEX {name}") for name, on in UNIQUE.items()),
        *(ops.RunSQL(f"CREATE INDEX {name} ON {on}", f"DROP INDEX {name}") for name, on in PLAIN.items()),
    ]
