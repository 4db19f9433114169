"""The file of a letter: its facts, grounds and demands put into words, for a person to complete and sign."""

from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any

from bot.store import figures
from bot.store.figures import MonthSums
from bot.store.oversight import View
from bot.wording import day, say, term
from duties.cases import Law, Opening, worked_out
from duties.errors import RefusedError
from duties.escalation import STARTS
from duties.model import Actor, Case, Obligation, Role
from duties.obligations import HOLDERS
from duties.paper import REPORTS, Item, Letter, Paper
from duties.registry import Registry
from duties.store import case_rows, letter_rows, reading
from duties.store.letter_rows import Correspondence
from duties.workdays import WorkCalendar

CITED = 3
SHOWN_STEPS = frozenset(
    {"paused", "last-days", "last-working-days", "last-months", "rolled", "not-rolled", "named-day", "named-day-later"}
)
"""What of a derivation is written down; the first day is said by itself."""
LISTED = 500
"""Lines of a bulletin's table, what is overdue first; of more, their number is told."""


@dataclass(frozen=True, slots=True)
class File:
    """A letter's file: its name, whom it is to, and its content, which takes a moment to make."""

    name: str
    unit_path: str
    letter: Letter

    def draft(self) -> bytes:
        """The .docx. What makes it takes long to load, and few need it."""
        made: bytes = import_module("duties.letters").draft(self.letter)
        return made


async def written(number: int, registry: Registry, workdays: WorkCalendar, today: date) -> File | None:
    """The file of a letter; None where there is no such letter."""
    letter = await letter_rows.found(number)
    law = Law(registry, workdays)
    one = await reading.obligation(letter.obligation_id) if letter is not None else None
    if letter is None or one is None:
        return None
    name = f"{say(f'paper-{letter.paper}')} {letter.unit}.docx"
    return File(name, letter.unit_path, _letter(letter, one, await _grounds(one, registry), law, today))


async def _grounds(one: Obligation, registry: Registry) -> tuple[str, ...]:
    """The articles an obligation rests on; of what was assigned without any, what assigned it."""
    if citations := registry.citations(registry.duty(one.duty)):
        return tuple(citations[:CITED])
    case = await case_rows.of_obligation(one.id)
    return tuple(part for part in ((case.document, case.subject) if case is not None else ()) if part)


def _letter(letter: Correspondence, one: Obligation, grounds: tuple[str, ...], law: Law, today: date) -> Letter:
    duty = law.registry.duty(one.duty)
    facts: dict[str, Any] = {"title": duty.title, "term": term(one.term), "due": one.due, "unit": one.unit}
    deadline, derivation = _named(letter, law, today)
    return Letter(
        kind=Paper(letter.paper),
        issuer=letter.issuer,
        addressee=letter.unit,
        subject=say("paper-subject", **facts),
        facts=(
            say("paper-fact-owed", grounds=grounds, **facts),
            say("paper-fact-late", days=max(0, (today - one.due).days), today=day(today), **facts),
        ),
        demands=(say("paper-demand", **facts),),
        deadline=deadline,
        derivation=derivation,
        number=letter.document,
        date=letter.issued_on,
        signatory=letter.signatory,
        items=(Item(one.unit, f"{duty.title} {term(one.term)}", one.due, say(f"state-{one.state}")),),
    )


def _named(letter: Correspondence, law: Law, today: date) -> tuple[date | None, str]:
    """The day the letter names; else what its clock would give, if it were received today: a proposal only."""
    if letter.named_on is not None:
        return letter.named_on, law.registry.grounds["named-day"].zh
    duty = STARTS.get(Paper(letter.paper))
    if duty is None:
        return None, ""
    try:
        lead = worked_out(law, Opening(duty, letter.unit_id, letter.served_on or today))[0]
    except RefusedError:
        return None, ""
    return lead.deadline.due, say("paper-derivation", day=day(letter.served_on or today))


async def report(actor: Actor, number: int, law: Law) -> File | None:
    """A unit's own report, half written; None where the duty has none or somebody else answers for it."""
    one = await reading.obligation(number)
    case = await case_rows.of_obligation(number)
    if one is None or case is None or one.duty not in REPORTS or not actor.holds(one.unit_id, *HOLDERS):
        return None
    return File(f"{say(f'paper-{REPORTS[one.duty]}')} {one.unit}.docx", "", await _report(one, case, law))


async def _report(one: Obligation, case: Case, law: Law) -> Letter:
    kind = REPORTS[one.duty]
    answered = await letter_rows.of_case(case.id)
    about = await reading.obligation(answered.obligation_id) if answered is not None else None
    facts: tuple[str, ...] = (case.subject,) if case.subject else ()
    demands: tuple[str, ...] = ()
    if about is not None:
        said: dict[str, Any] = {
            "title": law.registry.duty(about.duty).title,
            "term": term(about.term),
            "unit": about.unit,
        }
        owed = say("paper-fact-owed", due=about.due, grounds=await _grounds(about, law.registry), **said)
        facts, demands = (owed, *facts), (say("paper-demand", due=about.due, **said),)
    number = say("report-answers", number=case.document) if case.document else ""
    return Letter(
        kind=kind,
        issuer=one.unit,
        addressee=answered.issuer if answered is not None else await _supervisor(one.unit_id),
        subject=say(f"report-subject-{kind}", number=number),
        facts=facts,
        demands=demands,
        deadline=one.due,
        derivation=_derived(one, case, law),
        received=case.event_on,
        answers=case.document,
    )


async def _supervisor(unit: int) -> str:
    number = await reading.supervisor_of(unit)
    found = await reading.unit(number) if number is not None else None
    return str(found["name"]) if found is not None else ""


def _derived(one: Obligation, case: Case, law: Law) -> str:
    """Why a case's deadline is that day, as a sentence."""
    opening = Opening(case.duty, case.unit_id, case.event_on, case.named_on)
    clock = next(each for each in worked_out(law, opening, case.pauses) if each.duty.code == one.duty)
    steps = [
        say("report-step", day=day(step.date), ground=law.registry.grounds[step.ground].zh)
        for step in clock.deadline.steps
        if step.rule in SHOWN_STEPS
    ]
    return say("report-derivation", on=day(case.event_on), starts=day(clock.deadline.starts), steps=steps)


async def bulletin(actor: Actor, first: date, last: date, registry: Registry) -> File | None:
    """A bulletin on some days, both inclusive, of the subtrees somebody supervises; None for who supervises nobody."""
    posts = [post for post in actor.posts if post.role == Role.SUPERVISOR]
    if not posts:
        return None
    view = View(trees=tuple(sorted({post.over for post in posts})))
    sums, rows = await figures.month_summed(view, first, last), await figures.month_listed(view, first, last, LISTED)
    items = tuple(
        Item(
            row["unit"], f"{registry.duty(row['duty']).title} {term(row['term'])}", row["due"],
            say(f"bulletin-{row['kind']}"),
        )
        for row in rows
    )  # fmt: skip
    subject = say("bulletin-subject", first=first, last=last)
    facts = [say("bulletin-facts", last=last, **_counted(sums))]
    if sums.found > len(items):
        facts.append(say("bulletin-cut", n=len(items), found=sums.found))
    letter = Letter(
        kind=Paper.BULLETIN, issuer=posts[0].unit, subject=subject, facts=tuple(facts), items=items,
        demands=(say("bulletin-demand"),),
    )  # fmt: skip
    return File(f"{say('paper-bulletin')} {first:%Y-%m}.docx", "", letter)


def _counted(sums: MonthSums) -> dict[str, Any]:
    return {"units": sums.units, "overdue": sums.overdue, "late": sums.late, "on_time": sums.on_time}
