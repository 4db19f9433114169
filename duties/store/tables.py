"""The tables of the domain. Unique keys live in the migrations as raw SQL: the ORM drops them silently."""

from tortoise import fields
from tortoise.models import Model

from duties.model import Answer, Basis, Force, Role, ShareState, State
from duties.store.fields import UtcDatetimeField, json_field


class Unit(Model):
    """A responsible unit. `path` is /id/id/…/ from the root, `jurisdiction` likewise in names."""

    id = fields.BigIntField(primary_key=True)
    code = fields.CharField(64)
    name = fields.CharField(128)
    name_en = fields.CharField(128, null=True, description="what it is called in English answers")
    aliases = json_field(default=list)
    level = fields.CharField(16)
    parent_id = fields.BigIntField(null=True)
    path = fields.CharField(255, default="/")
    jurisdiction = fields.CharField(255)
    supervisor_id = fields.BigIntField(null=True)
    office_opens = fields.SmallIntField(description="minutes after local midnight")
    since = fields.DateField(null=True)
    until = fields.DateField(null=True)

    class Meta:
        table = "unit"


class UnitTag(Model):
    id = fields.BigIntField(primary_key=True)
    unit_id = fields.BigIntField()
    tag = fields.CharField(32)
    since = fields.DateField(null=True)
    until = fields.DateField(null=True)

    class Meta:
        table = "unit_tag"


class Person(Model):
    id = fields.BigIntField(primary_key=True)
    code = fields.CharField(64)
    name = fields.CharField(64)

    class Meta:
        table = "person"


class Post(Model):
    """A person's post in a unit, from a day to a day, both inclusive; of another person's, while acting for them."""

    id = fields.BigIntField(primary_key=True)
    person_id = fields.BigIntField()
    unit_id = fields.BigIntField()
    role = fields.CharEnumField(Role, max_length=16)
    since = fields.DateField(null=True)
    until = fields.DateField(null=True)
    acting_for = fields.BigIntField(null=True, description="the person whose post it is; no roster says so")
    entry_id = fields.BigIntField(null=True, description="the line that gave it to who acts for another")

    class Meta:
        table = "post"


class Term(Model):
    """One period of a duty in one jurisdiction. Serves all units of that jurisdiction."""

    id = fields.BigIntField(primary_key=True)
    duty = fields.CharField(64)
    label = fields.CharField(32)
    jurisdiction = fields.CharField(64)
    covers_from = fields.DateField()
    covers_to = fields.DateField()
    opens = fields.DateField()
    due = fields.DateField()
    basis = fields.CharEnumField(Basis, max_length=8)
    force = fields.CharEnumField(Force, max_length=8)
    raised_through = fields.DateField(null=True, description="touches up to this day are raised for all of it")
    stirred = fields.IntField(default=0, description="how often its touches were to be looked at again")
    units_digest = fields.CharField(64, default="")
    planned_for = fields.CharField(64, default="", description="roster and registry its obligations were made from")
    case_id = fields.BigIntField(null=True, description="the case whose clock it is; it serves that unit alone")
    advise_by = fields.DateField(null=True, description="the day reminders aim at, where it is not the due day's")
    not_before = fields.DateField(null=True, description="reported earlier than this is told, not refused")
    was_due = fields.DateField(null=True, description="the due day before a case's dates were last set")
    stands_from = fields.DateField(null=True, description="a clock that stands: since this day; `due` is made up")
    stands_left = fields.IntField(null=True, description="working days left when it goes on, where it counts those")

    class Meta:
        table = "term"


class Letter(Model):
    """A formal letter about an overdue obligation, from its draft to its service."""

    id = fields.BigIntField(primary_key=True)
    paper = fields.CharField(16)
    issuer_id = fields.BigIntField()
    unit_id = fields.BigIntField()
    obligation_id = fields.BigIntField()
    state = fields.CharField(16)
    document = fields.CharField(128, default="")
    number_key = fields.CharField(160, null=True, description="its year and number: unique among its office's letters")
    issued_on = fields.DateField(null=True)
    named_on = fields.DateField(null=True, description="the day by which the letter wants it done")
    signatory = fields.CharField(64, default="")
    served_on = fields.DateField(null=True)
    proof = fields.CharField(255, default="")
    case_id = fields.BigIntField(null=True, description="the case that its service opened")
    reason = fields.CharField(255, default="")
    version = fields.IntField(default=1)
    drafted_by = fields.BigIntField()
    drafted_at = UtcDatetimeField()

    class Meta:
        table = "letter"


class Case(Model):
    """An event that started one unit's clock, or several. `version` counts the times its dates were set."""

    id = fields.BigIntField(primary_key=True)
    duty = fields.CharField(64)
    unit_id = fields.BigIntField()
    event_on = fields.DateField()
    named_on = fields.DateField(null=True, description="the day that the letter or the supervisor names")
    document = fields.CharField(128, default="")
    subject = fields.CharField(255, default="")
    pauses = json_field(default=list)
    parent_id = fields.BigIntField(null=True, description="the case it follows from")
    state = fields.CharField(16)
    version = fields.IntField(default=1)
    opened_at = UtcDatetimeField()

    class Meta:
        table = "casefile"


class Obligation(Model):
    """One unit's share of a term."""

    id = fields.BigIntField(primary_key=True)
    term_id = fields.BigIntField()
    unit_id = fields.BigIntField()
    state = fields.CharEnumField(State, max_length=16)
    target = fields.IntField(default=1)
    tally = fields.IntField(default=0)
    planned_at = UtcDatetimeField(description="since when it is open: when planned, returned or reopened")
    done_on = fields.DateField(null=True)
    backdated = fields.BooleanField(default=False)
    evidence = json_field(default=list)
    reason = fields.CharField(255, default="")
    waived_until = fields.DateField(null=True, description="the last day of a waiver; stays when that is over")
    assignee = fields.BigIntField(null=True, description="the person of the unit who handles it")

    class Meta:
        table = "obligation"


class Share(Model):
    """What a co-responsible unit (配合单位) owes in another unit's obligation. Unique on exactly that."""

    id = fields.BigIntField(primary_key=True)
    obligation_id = fields.BigIntField()
    unit_id = fields.BigIntField()
    state = fields.CharEnumField(ShareState, max_length=16)
    added = fields.CharField(16, description="by whom: plan, lead or supervisor")
    since = UtcDatetimeField(description="since when it is open: when added, returned or reopened")
    done_on = fields.DateField(null=True)
    evidence = json_field(default=list)
    reason = fields.CharField(255, default="")

    class Meta:
        table = "share"


class Count(Model):
    """One count towards a counted duty: a meeting, a class, an attestation. `undone_by` names a reversing entry."""

    id = fields.BigIntField(primary_key=True)
    obligation_id = fields.BigIntField()
    on_day = fields.DateField()
    topic = fields.CharField(255)
    meeting = fields.CharField(255, null=True, description="where one counts a meeting; empty for the day's only one")
    amount = fields.IntField(default=1)
    entry_id = fields.BigIntField()
    undone_by = fields.BigIntField(null=True)

    class Meta:
        table = "count_item"


class Officer(Model):
    """An enforcement officer in a unit, from a day to a day, both inclusive. Who goes elsewhere gets another row."""

    id = fields.BigIntField(primary_key=True)
    unit_id = fields.BigIntField()
    name = fields.CharField(64)
    certificate = fields.CharField(64)
    since = fields.DateField(null=True)
    until = fields.DateField(null=True)
    entered = fields.DateField(null=True, description="an officer without a break since then, in whichever unit")
    first_id = fields.BigIntField(null=True, description="the row under which the same person was first listed")

    class Meta:
        table = "officer"


class Training(Model):
    """An officer's hours of training, in halves. `officer_id` is the person's first row; `undone_by` reverses it.

    `place` counts, from 0, the records that the line `entry_id` made.
    """

    id = fields.BigIntField(primary_key=True)
    obligation_id = fields.BigIntField()
    officer_id = fields.BigIntField()
    on_day = fields.DateField()
    topic = fields.CharField(255)
    halves = fields.IntField()
    entry_id = fields.BigIntField()
    place = fields.IntField()
    undone_by = fields.BigIntField(null=True)

    class Meta:
        table = "training"


class CheckItem(Model):
    """The latest answer to one item of a checklist; the ledger has those before it."""

    id = fields.BigIntField(primary_key=True)
    obligation_id = fields.BigIntField()
    provision = fields.IntField()
    answer = fields.CharEnumField(Answer, max_length=16)
    note = fields.CharField(255, default="")
    on_day = fields.DateField()
    entry_id = fields.BigIntField()

    class Meta:
        table = "check_item"


class Point(Model):
    """Points that a supervisor gave a unit or took from it, in hundredths. One that reverses another names it."""

    id = fields.BigIntField(primary_key=True)
    unit_id = fields.BigIntField()
    on_day = fields.DateField()
    hundredths = fields.IntField()
    ground = fields.CharField(255)
    obligation_id = fields.BigIntField(null=True)
    reverses = fields.BigIntField(null=True)
    entry_id = fields.BigIntField()

    class Meta:
        table = "point"


class Request(Model):
    """What a unit asks its supervisor for: to be let off, or for a later day."""

    id = fields.BigIntField(primary_key=True)
    obligation_id = fields.BigIntField()
    kind = fields.CharField(16)
    reason = fields.CharField(255)
    wanted_on = fields.DateField(null=True)
    asked_by = fields.BigIntField()
    asked_at = UtcDatetimeField()
    state = fields.CharField(16)

    class Meta:
        table = "request"


class Reminder(Model):
    """What is owed: this obligation, this due day, this rung, this audience. Unique on exactly that."""

    id = fields.BigIntField(primary_key=True)
    obligation_id = fields.BigIntField()
    due = fields.DateField()
    rung = fields.CharField(8)
    audience = fields.CharField(16, description="a role; for a share's unit with the share's number: head/12")
    tone = fields.CharField(16)
    severity = fields.IntField()
    late = fields.BooleanField()
    superseded = fields.BooleanField()
    raised_at = UtcDatetimeField()
    addressed = fields.BooleanField(default=False, description="items for its recipients exist")

    class Meta:
        table = "reminder"


class Stream(Model):
    """A hash chain's head. `anchored_seq` is where the last daily anchor saw it."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(16)
    ref = fields.BigIntField()
    seq = fields.IntField()
    head = fields.CharField(64)
    anchored_seq = fields.IntField(default=0)

    class Meta:
        table = "stream"


class Entry(Model):
    """One line of the ledger."""

    id = fields.BigIntField(primary_key=True)
    stream_id = fields.BigIntField()
    seq = fields.IntField()
    at = UtcDatetimeField()
    actor = fields.CharField(128)
    action = fields.CharField(32)
    channel = fields.CharField(64)
    payload = fields.TextField()
    algorithm = fields.CharField(16)
    previous = fields.CharField(64)
    hash = fields.CharField(64)

    class Meta:
        table = "entry"


class Anchor(Model):
    """A day's digest of every head that changed, chained to the anchor before it."""

    id = fields.BigIntField(primary_key=True)
    day = fields.DateField()
    heads = fields.TextField()
    previous = fields.CharField(64)
    hash = fields.CharField(64)
    algorithm = fields.CharField(16)

    class Meta:
        table = "anchor"


class Chore(Model):
    """When an idempotent function was last done: a day, an instant or a digest, as text."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(64)
    done = fields.CharField(128)

    class Meta:
        table = "chore"
