"""Unique keys and partial indexes, in raw SQL: the ORM drops constraints silently on both databases."""

from tortoise import migrations
from tortoise.migrations import operations as ops

UNIQUE = {
    "uq_unit_code": "unit (code)",
    "uq_person_code": "person (code)",
    "uq_post": "post (person_id, unit_id, role) WHERE acting_for IS NULL",
    "uq_unit_tag": "unit_tag (unit_id, tag)",
    "uq_term": "term (duty, label, jurisdiction)",
    "uq_obligation": "obligation (term_id, unit_id)",
    "uq_share": "share (obligation_id, unit_id)",
    "uq_reminder": "reminder (obligation_id, due, rung, audience)",
    "uq_request_open": "request (obligation_id, kind) WHERE state = 'open'",
    "uq_check_item": "check_item (obligation_id, provision)",
    "uq_letter_number": "letter (issuer_id, number_key) WHERE number_key IS NOT NULL AND state <> 'withdrawn'",
    "uq_letter_paper": "letter (obligation_id, paper) WHERE state <> 'withdrawn'",
    "uq_stream": "stream (kind, ref)",
    "uq_entry": "entry (stream_id, seq)",
    "uq_anchor_day": "anchor (day)",
    "uq_chore": "chore (name)",
    "uq_count_meeting": "count_item (obligation_id, on_day, meeting) WHERE meeting IS NOT NULL AND undone_by IS NULL",
    "uq_officer": "officer (certificate) WHERE until IS NULL",
    "uq_training": "training (officer_id, on_day, topic) WHERE undone_by IS NULL",
    "uq_training_place": "training (entry_id, place)",
    "uq_point_reversed": "point (reverses) WHERE reverses IS NOT NULL",
}

PLAIN = {
    "ix_unit_path": "unit (path)",
    "ix_post_acting": "post (acting_for) WHERE acting_for IS NOT NULL",
    "ix_post_unit": "post (unit_id, role)",
    "ix_obligation_unit_open": "obligation (unit_id, term_id) WHERE state IN ('pending', 'acknowledged', 'returned')",
    "ix_obligation_term_open": "obligation (term_id, unit_id) WHERE state IN ('pending', 'acknowledged', 'returned')",
    "ix_obligation_reported": "obligation (unit_id) WHERE state = 'reported'",
    "ix_obligation_returned": "obligation (id) WHERE state = 'returned'",
    "ix_obligation_waived": "obligation (waived_until) WHERE waived_until IS NOT NULL",
    "ix_share_open": "share (unit_id, obligation_id) WHERE state IN ('pending', 'acknowledged')",
    "ix_reminder_unaddressed": "reminder (id) WHERE NOT addressed",
    "ix_letter_unit": "letter (unit_id, id)",
    "ix_case_unit": "casefile (unit_id, id)",
    "ix_term_case": "term (case_id) WHERE case_id IS NOT NULL",
    "ix_count_obligation": "count_item (obligation_id)",
    "ix_officer_unit": "officer (unit_id)",
    "ix_training_obligation": "training (obligation_id)",
    "ix_point_unit": "point (unit_id, on_day)",
    "ix_entry_actor": "entry (actor, id)",
    "ix_stream_unanchored": "stream (id) WHERE seq > anchored_seq",
}


class Migration(migrations.Migration):
    dependencies = [("duties", "0001_initial")]

    operations = [
        *(ops.RunSQL(f"CREATE UNIQUE INDEX {name} ON {on}", f"DROP INDEX {name}") for name, on in UNIQUE.items()),
        *(ops.RunSQL(f"CREATE INDEX {name} ON {on}", f"DROP INDEX {name}") for name, on in PLAIN.items()),
    ]
