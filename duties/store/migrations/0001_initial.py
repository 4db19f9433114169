import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from duties.store.fields import UtcDatetimeField


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Anchor",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("day", fields.DateField()),
                ("heads", fields.TextField(unique=False)),
                ("previous", fields.CharField(max_length=64)),
                ("hash", fields.CharField(max_length=64)),
                ("algorithm", fields.CharField(max_length=16)),
            ],
            options={"table": "anchor", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CheckItem",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("obligation_id", fields.BigIntField()),
                ("provision", fields.IntField()),
                ("answer", fields.CharField(max_length=16)),
                ("note", fields.CharField(default="", max_length=255)),
                ("on_day", fields.DateField()),
                ("entry_id", fields.BigIntField()),
            ],
            options={"table": "check_item", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Chore",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("name", fields.CharField(max_length=64)),
                ("done", fields.CharField(max_length=128)),
            ],
            options={"table": "chore", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Count",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("obligation_id", fields.BigIntField()),
                ("on_day", fields.DateField()),
                ("topic", fields.CharField(max_length=255)),
                (
                    "meeting",
                    fields.CharField(
                        null=True,
                        description="where one counts a meeting; empty for the day's only one",
                        max_length=255,
                    ),
                ),
                ("amount", fields.IntField(default=1)),
                ("entry_id", fields.BigIntField()),
                ("undone_by", fields.BigIntField(null=True)),
            ],
            options={"table": "count_item", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Entry",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("stream_id", fields.BigIntField()),
                ("seq", fields.IntField()),
                ("at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("actor", fields.CharField(max_length=128)),
                ("action", fields.CharField(max_length=32)),
                ("channel", fields.CharField(max_length=64)),
                ("payload", fields.TextField(unique=False)),
                ("algorithm", fields.CharField(max_length=16)),
                ("previous", fields.CharField(max_length=64)),
                ("hash", fields.CharField(max_length=64)),
            ],
            options={"table": "entry", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Obligation",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("term_id", fields.BigIntField()),
                ("unit_id", fields.BigIntField()),
                ("state", fields.CharField(max_length=16)),
                ("target", fields.IntField(default=1)),
                ("tally", fields.IntField(default=0)),
                (
                    "planned_at",
                    UtcDatetimeField(
                        description="since when it is open: when planned, returned or reopened",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                ("done_on", fields.DateField(null=True)),
                ("backdated", fields.BooleanField(default=False)),
                (
                    "evidence",
                    fields.JSONField(
                        default=list,
                        encoder=functools.partial(dumps, ensure_ascii=False, sort_keys=True),
                        decoder=loads,
                    ),
                ),
                ("reason", fields.CharField(default="", max_length=255)),
                (
                    "waived_until",
                    fields.DateField(null=True, description="the last day of a waiver; stays when that is over"),
                ),
                ("assignee", fields.BigIntField(null=True, description="the person of the unit who handles it")),
            ],
            options={"table": "obligation", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Person",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("code", fields.CharField(max_length=64)),
                ("name", fields.CharField(max_length=64)),
            ],
            options={"table": "person", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Post",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("person_id", fields.BigIntField()),
                ("unit_id", fields.BigIntField()),
                ("role", fields.CharField(max_length=16)),
                ("since", fields.DateField(null=True)),
                ("until", fields.DateField(null=True)),
                (
                    "acting_for",
                    fields.BigIntField(null=True, description="the person whose post it is; no roster says so"),
                ),
                (
                    "entry_id",
                    fields.BigIntField(null=True, description="the line that gave it to who acts for another"),
                ),
            ],
            options={"table": "post", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Officer",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("unit_id", fields.BigIntField()),
                ("name", fields.CharField(max_length=64)),
                ("certificate", fields.CharField(max_length=64)),
                ("since", fields.DateField(null=True)),
                ("until", fields.DateField(null=True)),
                (
                    "entered",
                    fields.DateField(null=True, description="an officer without a break since then, in whichever unit"),
                ),
                (
                    "first_id",
                    fields.BigIntField(null=True, description="the row under which the same person was first listed"),
                ),
            ],
            options={"table": "officer", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Training",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("obligation_id", fields.BigIntField()),
                ("officer_id", fields.BigIntField()),
                ("on_day", fields.DateField()),
                ("topic", fields.CharField(max_length=255)),
                ("halves", fields.IntField()),
                ("entry_id", fields.BigIntField()),
                ("place", fields.IntField()),
                ("undone_by", fields.BigIntField(null=True)),
            ],
            options={"table": "training", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Point",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("unit_id", fields.BigIntField()),
                ("on_day", fields.DateField()),
                ("hundredths", fields.IntField()),
                ("ground", fields.CharField(max_length=255)),
                ("obligation_id", fields.BigIntField(null=True)),
                ("reverses", fields.BigIntField(null=True)),
                ("entry_id", fields.BigIntField()),
            ],
            options={"table": "point", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Reminder",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("obligation_id", fields.BigIntField()),
                ("due", fields.DateField()),
                ("rung", fields.CharField(max_length=8)),
                (
                    "audience",
                    fields.CharField(
                        max_length=16, description="a role; for a share's unit with the share's number: head/12"
                    ),
                ),
                ("tone", fields.CharField(max_length=16)),
                ("severity", fields.IntField()),
                ("late", fields.BooleanField()),
                ("superseded", fields.BooleanField()),
                ("raised_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("addressed", fields.BooleanField(default=False, description="items for its recipients exist")),
            ],
            options={"table": "reminder", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Request",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("obligation_id", fields.BigIntField()),
                ("kind", fields.CharField(max_length=16)),
                ("reason", fields.CharField(max_length=255)),
                ("wanted_on", fields.DateField(null=True)),
                ("asked_by", fields.BigIntField()),
                ("asked_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("state", fields.CharField(max_length=16)),
            ],
            options={"table": "request", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Share",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("obligation_id", fields.BigIntField()),
                ("unit_id", fields.BigIntField()),
                ("state", fields.CharField(max_length=16)),
                ("added", fields.CharField(max_length=16, description="by whom: plan, lead or supervisor")),
                (
                    "since",
                    UtcDatetimeField(
                        description="since when it is open: when added, returned or reopened",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                ("done_on", fields.DateField(null=True)),
                (
                    "evidence",
                    fields.JSONField(
                        default=list,
                        encoder=functools.partial(dumps, ensure_ascii=False, sort_keys=True),
                        decoder=loads,
                    ),
                ),
                ("reason", fields.CharField(default="", max_length=255)),
            ],
            options={"table": "share", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Stream",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("kind", fields.CharField(max_length=16)),
                ("ref", fields.BigIntField()),
                ("seq", fields.IntField()),
                ("head", fields.CharField(max_length=64)),
                ("anchored_seq", fields.IntField(default=0)),
            ],
            options={"table": "stream", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Term",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("duty", fields.CharField(max_length=64)),
                ("label", fields.CharField(max_length=32)),
                ("jurisdiction", fields.CharField(max_length=64)),
                ("covers_from", fields.DateField()),
                ("covers_to", fields.DateField()),
                ("opens", fields.DateField()),
                ("due", fields.DateField()),
                ("basis", fields.CharField(max_length=8)),
                ("force", fields.CharField(max_length=8)),
                (
                    "raised_through",
                    fields.DateField(null=True, description="touches up to this day are raised for all of it"),
                ),
                (
                    "stirred",
                    fields.IntField(default=0, description="how often its touches were to be looked at again"),
                ),
                ("units_digest", fields.CharField(default="", max_length=64)),
                (
                    "planned_for",
                    fields.CharField(
                        default="", description="roster and registry its obligations were made from", max_length=64
                    ),
                ),
                (
                    "case_id",
                    fields.BigIntField(null=True, description="the case whose clock it is; it serves that unit alone"),
                ),
                (
                    "advise_by",
                    fields.DateField(null=True, description="the day reminders aim at, where it is not the due day's"),
                ),
                (
                    "not_before",
                    fields.DateField(null=True, description="reported earlier than this is told, not refused"),
                ),
                (
                    "was_due",
                    fields.DateField(null=True, description="the due day before a case's dates were last set"),
                ),
                (
                    "stands_from",
                    fields.DateField(null=True, description="a clock that stands: since this day; `due` is made up"),
                ),
                (
                    "stands_left",
                    fields.IntField(null=True, description="working days left when it goes on, where it counts those"),
                ),
            ],
            options={"table": "term", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Letter",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("paper", fields.CharField(max_length=16)),
                ("issuer_id", fields.BigIntField()),
                ("unit_id", fields.BigIntField()),
                ("obligation_id", fields.BigIntField()),
                ("state", fields.CharField(max_length=16)),
                ("document", fields.CharField(default="", max_length=128)),
                (
                    "number_key",
                    fields.CharField(
                        null=True,
                        description="its year and number: unique among its office's letters",
                        max_length=160,
                    ),
                ),
                ("issued_on", fields.DateField(null=True)),
                ("named_on", fields.DateField(null=True, description="the day by which the letter wants it done")),
                ("signatory", fields.CharField(default="", max_length=64)),
                ("served_on", fields.DateField(null=True)),
                ("proof", fields.CharField(default="", max_length=255)),
                ("case_id", fields.BigIntField(null=True, description="the case that its service opened")),
                ("reason", fields.CharField(default="", max_length=255)),
                ("version", fields.IntField(default=1)),
                ("drafted_by", fields.BigIntField()),
                ("drafted_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "letter", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Case",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("duty", fields.CharField(max_length=64)),
                ("unit_id", fields.BigIntField()),
                ("event_on", fields.DateField()),
                (
                    "named_on",
                    fields.DateField(null=True, description="the day that the letter or the supervisor names"),
                ),
                ("document", fields.CharField(default="", max_length=128)),
                ("subject", fields.CharField(default="", max_length=255)),
                (
                    "pauses",
                    fields.JSONField(
                        default=list,
                        encoder=functools.partial(dumps, ensure_ascii=False, sort_keys=True),
                        decoder=loads,
                    ),
                ),
                ("parent_id", fields.BigIntField(null=True, description="the case it follows from")),
                ("state", fields.CharField(max_length=16)),
                ("version", fields.IntField(default=1)),
                ("opened_at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "casefile", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Unit",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("code", fields.CharField(max_length=64)),
                ("name", fields.CharField(max_length=128)),
                (
                    "name_en",
                    fields.CharField(null=True, description="what it is called in English answers", max_length=128),
                ),
                (
                    "aliases",
                    fields.JSONField(
                        default=list,
                        encoder=functools.partial(dumps, ensure_ascii=False, sort_keys=True),
                        decoder=loads,
                    ),
                ),
                ("level", fields.CharField(max_length=16)),
                ("parent_id", fields.BigIntField(null=True)),
                ("path", fields.CharField(default="/", max_length=255)),
                ("jurisdiction", fields.CharField(max_length=255)),
                ("supervisor_id", fields.BigIntField(null=True)),
                ("office_opens", fields.SmallIntField(description="minutes after local midnight")),
                ("since", fields.DateField(null=True)),
                ("until", fields.DateField(null=True)),
            ],
            options={"table": "unit", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="UnitTag",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("unit_id", fields.BigIntField()),
                ("tag", fields.CharField(max_length=32)),
                ("since", fields.DateField(null=True)),
                ("until", fields.DateField(null=True)),
            ],
            options={"table": "unit_tag", "app": "duties", "pk_attr": "id"},
            bases=["Model"],
        ),
    ]
