"""What the registry's tables hold: documents, provisions, duties, rules, ladders, as checked and frozen values."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from duties.errors import QuestionError
from duties.model import Audience, Basis, Force, Status, Tag


class Entry(BaseModel):
    """Base of every table row: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Text = Annotated[str, Field(min_length=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Document(Entry):
    """A source document. `articles` maps an article's key to the SHA-256 of its normalised text."""

    key: Text
    title: Text
    title_en: Text
    short: Text = Field(description="how people call it in a sentence")
    number: Text
    issuer: Text
    rank: Literal["regional-regulation", "prefecture-rule", "county-document"]
    issued: date
    in_force_from: date
    in_force_to: date | None = None
    jurisdiction: Text
    marker: Text = Field(description="a line that only this document holds, spaces removed: how a file is recognised")
    articles: dict[str, Digest]


class Provision(Entry):
    """One article, paragraph or table row, and how the registry treats it."""

    no: int
    document: Text
    article: Text
    locator: Text
    title: Text
    status: Status
    carried_by: tuple[Code, ...] = ()
    reason: str = ""
    tags: tuple[Tag, ...] = Field(default=(), description="checklist and gate rows: the units it binds; empty is all")
    guards: tuple[Code, ...] = Field(default=(), description="gate rows: the duties on whose case it is shown")


class EvidenceSlot(Entry):
    """One thing that must be shown: 备案 and 公开 are separate slots of the same duty."""

    slot: Code
    title: Text
    title_en: Text
    needs: tuple[Literal["number", "date", "link", "note"], ...] = ()
    jurisdiction: str = Field(default="", description="asked only of units there; empty is everywhere")


class Question(Entry):
    """Where the text is silent: what we do, and what an authority is asked."""

    key: Code
    zh: Text
    en: Text
    default: Text


class CalendarRule(Entry):
    """Recurring deadlines. `rrule` is a whitelisted RFC 5545 rule, anchored on `anchor`."""

    kind: Literal["calendar"]
    rrule: Text
    anchor: date = date(2019, 1, 1)
    period: Literal["month", "quarter", "half", "year", "two-years"]
    covers: Literal["previous", "current", "next"]


class Staffing(Entry):
    """How many of a unit's enforcement officers must review, whichever is more; the items that say so."""

    provisions: tuple[int, ...] = Field(min_length=1)
    percent: int = Field(gt=0, le=100)
    least: int = Field(gt=0)

    def reviewers(self, officers: int) -> int:
        """How many reviewers so many officers need; a part of one is one."""
        return max(self.least, -(-officers * self.percent // 100))


class StandingRule(Entry):
    """A checklist of standing provisions, confirmed at the end of each period."""

    kind: Literal["standing"]
    rrule: Text
    anchor: date = date(2019, 1, 1)
    period: Literal["half"]
    covers: Literal["current"] = "current"
    staffing: Staffing | None = None


class CountedRule(Entry):
    """At least so many in a calendar year. `checkpoints` are month ends at which the pace is looked at."""

    kind: Literal["counted"]
    at_least: int = Field(gt=0)
    per: Literal["unit", "officer", "member"] = "unit"
    noun: Text
    noun_en: Text
    pace_months: int = Field(default=12, ge=1, le=12, description="month by whose end the whole is expected")
    checkpoints: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()
    once_per: Literal["topic", "meeting"] = Field(
        default="topic", description="what of one day counts once: a topic, or a meeting whatever its topics"
    )


class EventRule(Entry):
    """A clock started by an event; the event's own day is not counted."""

    kind: Literal["event"]
    event: Text
    event_en: Text
    unit: Literal["days", "working-days", "months"] = "days"
    length: int | None = Field(default=None, gt=0)
    minimum: int | None = Field(default=None, gt=0)
    named_day: Literal["none", "earlier", "governs", "required"] = "none"
    roll: bool = True
    pausable: bool = False
    lapses: bool = False
    opened_by: Literal["supervisor", "anyone"] = Field(
        default="anyone", description="who starts the clock: a supervisor alone, or the unit too"
    )
    start_stated: bool = Field(default=False, description="the text itself says the next day is the first")
    basis: Basis = Basis.TEXT
    force: Force = Force.SETTLED
    provisions: tuple[int, ...]
    jurisdiction: Text


Rule = Annotated[CalendarRule | StandingRule | CountedRule | EventRule, Field(discriminator="kind")]


class Scope(Entry):
    """Whom a duty binds where, from when, on which ground. One row per (jurisdiction, basis, force)."""

    jurisdiction: Text
    tags: tuple[Tag | Literal["*"], ...] = Field(min_length=1)
    joint: bool = Field(default=False, description="one obligation a level, led by the unit with the first tag")
    provisions: tuple[int, ...] = Field(min_length=1)
    basis: Basis
    force: Force
    in_force_from: date
    in_force_to: date | None = None


class Duty(Entry):
    """A standing obligation resting on one or more provisions."""

    code: Code
    title: Text
    title_en: Text
    rule: Rule
    scope: tuple[Scope, ...] = ()
    recipient: str = ""
    publication: str = ""
    supervisor: str = ""
    consequence: str = ""
    evidence: tuple[EvidenceSlot, ...] = ()
    may_be_empty: bool = Field(default=False, description="零报告 / 本期无 is an answer")
    after: tuple[Code, ...] = Field(default=(), description="duties whose result this one is built on")
    ladder: Code = "default"
    enforcement_supervision: bool = Field(default=False, description="may climb to 督办函, 意见书, 决定书")
    confirmed_by: str = Field(default="", description="who said that an assumed duty still binds")
    tier: Literal["open", "direct"] = Field(
        default="open", description="open: may be named in a group; direct: told to each alone"
    )
    question: tuple[Question, ...] = ()


class Rung(Entry):
    """When a reminder goes out, counted in working days from `base`, to whom, in what tone."""

    code: Text
    base: Literal["advise_by", "due"]
    offset: int
    audience: tuple[Audience, ...]
    acknowledged: tuple[Audience, ...] = Field(default=(), description="who is still told once 签收")
    tone: Literal["notice", "remind", "urge", "last-day", "overdue", "proposal", "weekly"]
    every: int | None = Field(default=None, gt=0, description="repeat every so many working days until closed")


class Ladder(Entry):
    """Rungs in order of severity."""

    code: Code
    rung: tuple[Rung, ...]


DATA = Path(__file__).parent / "data"


class Ground(Entry):
    """Why a step of a derivation holds: a citation outside the five documents, or a policy of ours."""

    key: Code
    kind: Literal["citation", "policy"]
    zh: Text
    en: Text


@dataclass(frozen=True)
class Registry:
    """Everything that was read, checked together, with the look-ups the other rooms need."""

    documents: Mapping[str, Document]
    provisions: Mapping[int, Provision]
    by_code: Mapping[str, Duty]
    ladders: Mapping[str, Ladder]
    questions: tuple[Question, ...]
    grounds: Mapping[str, Ground]

    @property
    def duties(self) -> tuple[Duty, ...]:
        """Every duty, in the order of the files."""
        return tuple(self.by_code.values())

    @cached_property
    def direct(self) -> frozenset[str]:
        """The codes of the duties that are not named where others read."""
        return frozenset(code for code, duty in self.by_code.items() if duty.tier == "direct")

    @cached_property
    def digest(self) -> str:
        """Tell one registry from another: SHA-256 over every duty as it was read."""
        text = "\n".join(duty.model_dump_json() for duty in self.duties)
        return hashlib.sha256(text.encode()).hexdigest()

    def duty(self, code: str) -> Duty:
        """A duty by its code. Raises QuestionError naming the code."""
        try:
            return self.by_code[code]
        except KeyError:
            raise QuestionError(f"no duty has the code {code!r}") from None

    def ladder(self, code: str) -> Ladder:
        """A ladder by its code."""
        return self.ladders[code]

    def citation(self, no: int, *, short: bool = False) -> str:
        """A provision as people cite it: 《document》article."""
        provision = self.provisions[no]
        document = self.documents[provision.document]
        return f"\u300a{document.short if short else document.title}\u300b{provision.locator}"

    def citations(self, duty: Duty, jurisdiction: str = "", *, short: bool = False) -> list[str]:
        """What a duty rests on, in the scope of a jurisdiction when one is named."""
        if isinstance(duty.rule, EventRule):
            numbers = duty.rule.provisions
        else:
            scopes = [scope for scope in duty.scope if jurisdiction in ("", scope.jurisdiction)]
            numbers = tuple(dict.fromkeys(no for scope in scopes for no in scope.provisions))
        return [self.citation(no, short=short) for no in numbers]
