"""The words of the domain as frozen values. Nothing here reads a clock, a file or a database."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Force(StrEnum):
    """Whether a duty certainly binds today (settled) or an authority still has to say so (assumed)."""

    SETTLED = "settled"
    ASSUMED = "assumed"


class Basis(StrEnum):
    """Whether a date stands in the text, or is our default where the text is silent."""

    TEXT = "text"
    POLICY = "policy"


class CalendarState(StrEnum):
    """Whether the State Council's arrangement for a year is known."""

    CONFIRMED = "confirmed"
    PROVISIONAL = "provisional"


class Tag(StrEnum):
    """What a unit is, for deciding which duties it owes."""

    REGION = "region"
    GOVERNMENT = "government"
    DEPARTMENT = "department"
    ENFORCEMENT = "enforcement"
    TOWNSHIP = "township"
    JUSTICE = "justice"
    JOINT_INSPECTION = "joint-inspection"
    EMPOWERING = "empowering"
    PERFORMANCE = "performance"
    MARKET = "market"
    FINANCE = "finance"
    COORDINATION = "coordination"
    SUPERVISION = "supervision"
    GOVERNMENT_OFFICE = "government-office"
    PARK = "park"


ANY_TAG = "*"


class Role(StrEnum):
    """What a post lets its holder do in a unit."""

    HEAD = "head"
    OFFICER = "officer"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


class Audience(StrEnum):
    """Who a rung speaks to."""

    OFFICER = "officer"
    HEAD = "head"
    SUPERVISOR = "supervisor"


class State(StrEnum):
    """Where an obligation stands. Overdue is derived from this and a day, never stored."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    REPORTED = "reported"
    CLOSED = "closed"
    RETURNED = "returned"
    WAIVED = "waived"
    CANCELLED = "cancelled"


OPEN_STATES = (State.PENDING, State.ACKNOWLEDGED, State.RETURNED)
"""The unit still owes something: these are reminded, and overdue after the due day."""


class ShareState(StrEnum):
    """Where a co-responsible unit's share in another's obligation stands."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"
    RELEASED = "released"


OPEN_SHARES = (ShareState.PENDING, ShareState.ACKNOWLEDGED)
"""The partner still has to answer: until then the lead cannot report."""


class Status(StrEnum):
    """How the registry treats one provision."""

    DUTY = "duty"
    CHECKLIST = "checklist"
    EVENT = "event"
    GATE = "gate"
    CONSEQUENCE = "consequence"
    PAST = "past"
    UNTRACKED = "untracked"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a derivation: the rule applied, the date it gave, and why it applies."""

    rule: str
    date: date
    ground: str


@dataclass(frozen=True, slots=True)
class Period:
    """A span of days, both inclusive, with the label people use for it (2026, 2026-Q1, 2026-01, 2026-2027)."""

    label: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Term:
    """One period of a duty in one jurisdiction, with its deadline (inclusive, ends 24:00 local)."""

    duty: str
    label: str
    jurisdiction: str
    covers_from: date
    covers_to: date
    opens: date
    due: date
    basis: Basis
    force: Force
    provisions: tuple[int, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spell:
    """The clock stands from the day after `noticed`; until `received`, or still where that is None."""

    noticed: date
    received: date | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """A clock stands: since which day, and the working days of its period that are left, where it counts those.

    Whatever due day is written down meanwhile is made up: it means nothing until the clock goes on.
    """

    since: date
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """An event that started a clock for one unit, as read from the store. `duty` is the first of those it starts."""

    id: int
    duty: str
    unit_id: int
    unit: str
    unit_path: str
    event_on: date
    named_on: date | None
    document: str
    subject: str
    pauses: tuple[Spell, ...]
    parent_id: int | None
    state: str
    version: int

    @property
    def paused(self) -> bool:
        """Whether its clock stands now."""
        return any(spell.received is None for spell in self.pauses)


@dataclass(frozen=True, slots=True)
class PostHeld:
    """A post on a day: `over` is the subtree a supervisor looks after, `acting_for` whose post it is, if another's."""

    role: Role
    unit_id: int
    unit: str
    over: str
    acting_for: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person with the posts held today."""

    person_id: int
    name: str
    posts: tuple[PostHeld, ...]

    def holds(self, unit_id: int, *roles: Role) -> bool:
        """Whether one of these posts in this unit is theirs."""
        return any(post.unit_id == unit_id and post.role in roles for post in self.posts)

    def acts_for(self, unit_id: int, *roles: Role) -> str:
        """Whose post of these roles they hold in a unit, where they hold none of their own there."""
        here = [post for post in self.posts if post.unit_id == unit_id and post.role in roles]
        return here[0].acting_for if here and all(post.acting_for for post in here) else ""

    def supervises(self, path: str) -> bool:
        """Whether a unit lies in the subtree of one of their supervising posts."""
        return any(post.role == Role.SUPERVISOR and path.startswith(post.over) for post in self.posts)


@dataclass(frozen=True, slots=True)
class Exemption:
    """Why something need not be shown; `what` is "number", "link", or "all" that is still lacking."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer shows that a duty was done; all parts are optional."""

    number: str = ""
    done_on: date | None = None
    link: str = ""
    note: str = ""
    empty: bool = False
    exempt: tuple[Exemption, ...] = ()

    @property
    def unexplained(self) -> bool:
        """Whether it is not said why something need not be shown."""
        return any(not one.why for one in self.exempt)

    def __bool__(self) -> bool:
        return bool(self.number or self.done_on or self.link or self.note or self.empty or self.exempt)


class Answer(StrEnum):
    """What a unit says of one item of its checklist."""

    CONFIRMED = "confirmed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer to one item; what is missing, or what was said beside a confirmation."""

    answer: Answer
    note: str = ""


@dataclass(frozen=True, slots=True)
class Obligation:
    """One unit's share of a term, as read from the store."""

    id: int
    duty: str
    term: str
    term_id: int
    unit_id: int
    unit: str
    unit_path: str
    state: State
    opens: date
    due: date
    force: Force
    target: int
    tally: int
    done_on: date | None
    backdated: bool
    reason: str
    waived_until: date | None = None
    assignee: int | None = None
    stop: Stop | None = None

    def overdue(self, today: date) -> bool:
        """Open after its last day. Reported in time but not yet verified is not overdue, nor is a clock that stands."""
        return self.state in OPEN_STATES and self.stop is None and today > self.due
