"""Escalation: which formal step the law lets a supervisor propose, and what becomes of the letter a person signs.

Nothing here is sent by itself. A draft rests on one overdue obligation; issuing records number, date and signatory;
service starts the next clock as a case; what was served can be withdrawn, and its case with it. Sources: supervision
regulation of Xinjiang, articles 27 to 29; measures of Changji on administration by law, articles 38 and 57.
"""

from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

from duties import cases, obligations
from duties.cases import Law, Opening, Recorded
from duties.errors import RefusedError
from duties.ledger import Act, StreamRef
from duties.model import Actor, Force, Obligation
from duties.obligations import HOLDERS, Moment
from duties.paper import Paper
from duties.registry import Duty, Registry
from duties.store import case_rows, chains, letter_rows, reading
from duties.store.database import alone
from duties.store.letter_rows import DOCUMENT, Correspondence

STARTS = {
    Paper.URGING: "urge-letter-response",
    Paper.OPINION: "opinion-letter-rectification",
    Paper.DECISION: "decision-letter-compliance",
}
"""The duty whose clock the service of a letter starts."""
NEXT: dict[str, tuple[Paper, ...]] = {
    "urge-letter-response": (Paper.OPINION,),
    "opinion-letter-rectification": (Paper.DECISION,),
    "decision-letter-compliance": (),
}
"""What follows a letter that was not answered; after a decision only the consequences of its articles."""
DRAFTED, ISSUED, SERVED, WITHDRAWN = "drafted", "issued", "served", "withdrawn"


@dataclass(frozen=True, slots=True)
class Signing:
    """What makes a draft a letter: its number, its day, who signed; and the day it names, where it names one."""

    document: str
    on: date
    signatory: str
    named_on: date | None = None


@dataclass(frozen=True, slots=True)
class Mended:
    """What was wrong about a letter that is out, as it should be; None for what stays as it is."""

    document: str | None = None
    signatory: str | None = None
    issued_on: date | None = None
    named_on: date | None = None
    served_on: date | None = None

    def given(self) -> dict[str, Any]:
        """What is to be changed, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}


@dataclass(frozen=True, slots=True)
class Written:
    """A letter after a step, the entry that records it, and the case that it opened, moved or ended.

    `was` is the letter before a correction.
    """

    letter: Correspondence
    entry: int
    opened: Recorded | None = None
    ended: Recorded | None = None
    was: Correspondence | None = None


def allowed(duty: Duty, force: Force) -> tuple[Paper, ...]:
    """The steps that may be proposed about a duty that is overdue, the mildest first; none on a force assumed."""
    if force == Force.ASSUMED:
        return ()
    if duty.code in NEXT:
        return NEXT[duty.code]
    if duty.enforcement_supervision:
        return (Paper.URGING, Paper.OPINION)
    return (Paper.INTERVIEW, Paper.BULLETIN)


async def draft(actor: Actor, registry: Registry, number: int, paper: Paper | None, at: Moment) -> Written:
    """拟稿: propose a step about an overdue obligation; without a paper the mildest that is allowed."""
    one = await _overdue(actor, number, at)
    offered = allowed(registry.duty(one.duty), one.force)
    if not offered:
        key = "refused-force-assumed" if one.force == Force.ASSUMED else "refused-no-further-letter"
        raise RefusedError(key, duty=one.duty, number=number)
    if paper is not None and paper not in offered:
        raise RefusedError("refused-letter-not-allowed", duty=one.duty, paper=str(paper), offered=list(offered))
    chosen = paper or offered[0]
    if (before := await letter_rows.drafted_about(number, str(chosen))) is not None:
        raise RefusedError("refused-drafted-already", number=before.id)
    issuer = await _issuer(actor, one)
    letter = await letter_rows.add(str(chosen), issuer, one.unit_id, number, actor.person_id, at.now)
    return Written(letter, await _record(actor, "draft", letter, at))


async def issue(actor: Actor, number: int, signed: Signing, at: Moment) -> Written:
    """发文: a person signed it. Number, date and signatory are recorded, once: what is out is corrected."""
    letter = await may_issue(actor, number)
    await _must_be_day(letter, signed.on, at)
    if letter.paper == Paper.DECISION and signed.named_on is None:
        raise RefusedError("refused-day-needed", day=signed.on, on=signed.on)
    await _number_free(letter, signed.document, signed.on)
    changed = replace(
        letter, state=ISSUED, document=signed.document, issued_on=signed.on, signatory=signed.signatory,
        named_on=signed.named_on,
    )  # fmt: skip
    return await _changed(actor, "issue", changed, at)


async def may_issue(actor: Actor, number: int) -> Correspondence:
    """The draft that may be issued. Raises RefusedError."""
    letter = await found(actor, number)
    if letter.state in (ISSUED, SERVED):
        raise RefusedError(
            "refused-issued-already", number=number, day=letter.issued_on, document=letter.document,
            signatory=letter.signatory, unit_id=letter.unit_id,
        )  # fmt: skip
    return await _mine(actor, number, DRAFTED)


async def _must_be_day(letter: Correspondence, on: date, at: Moment) -> None:
    """A letter about lateness is signed when there is some: after the last day, and not after today.

    It may be older than its draft here, where what was signed on paper is recorded afterwards.
    """
    if on > at.today:
        raise RefusedError("refused-future", day=on)
    one = await reading.obligation(letter.obligation_id)
    assert one is not None, "a letter is about one"
    if on <= one.due:
        since = one.due + timedelta(days=1)
        raise RefusedError("refused-before-fault", day=on, number=one.id, due=one.due, since=since, unit_id=one.unit_id)


async def serve(actor: Actor, law: Law, number: int, on: date, proof: str, at: Moment) -> Written:
    """送达: the day of receipt and what shows it. The clock of the next step starts with it."""
    letter = await _mine(actor, number, ISSUED)
    assert letter.issued_on is not None, "it was issued"
    if not letter.issued_on <= on <= at.today:
        raise RefusedError("refused-served-day", day=on, on=letter.issued_on)
    served = replace(letter, state=SERVED, served_on=on, proof=proof)
    duty = STARTS.get(Paper(letter.paper))
    if duty is None:
        return await _changed(actor, "serve", served, at)
    parent = await case_rows.of_obligation(letter.obligation_id)
    opening = Opening(
        duty, letter.unit_id, on, letter.named_on, letter.document, parent_id=parent.id if parent else None
    )
    opened = await cases.open_case(actor, law, opening, at)
    written = await _changed(actor, "serve", replace(served, case_id=opened.case.id), at)
    return replace(written, opened=opened)


async def correct(actor: Actor, law: Law, number: int, mended: Mended, at: Moment) -> Written:
    """更正: a letter that is out said something wrong. What it said stays in its chain; its case's clock follows."""
    letter = await _mine(actor, number, ISSUED, SERVED)
    given = mended.given()
    changed = replace(letter, **given)
    if changed == letter:
        raise RefusedError("refused-letter-unchanged", number=number)
    if "served_on" in given and letter.state != SERVED:
        raise RefusedError("refused-letter-state", number=number, standing=letter.state)
    assert changed.issued_on is not None, "it was issued"
    if "issued_on" in given:
        await _must_be_day(letter, changed.issued_on, at)
    if changed.served_on is not None and not changed.issued_on <= changed.served_on <= at.today:
        raise RefusedError("refused-served-day", day=changed.served_on, on=changed.issued_on)
    await _number_free(letter, changed.document, changed.issued_on)
    moved = await _case_corrected(actor, law, letter, changed, at)
    written = await _changed(actor, "correct", changed, at)
    return replace(written, opened=moved, was=letter)


async def _case_corrected(
    actor: Actor, law: Law, was: Correspondence, letter: Correspondence, at: Moment
) -> Recorded | None:
    """The case that the letter's service opened, where the correction touches it."""
    case = await case_rows.found(letter.case_id) if letter.case_id is not None else None
    same = (was.document, was.named_on, was.served_on) == (letter.document, letter.named_on, letter.served_on)
    if case is None or case.state != case_rows.OPEN or same:
        return None
    return await cases.amend(
        actor, law, case.id, at,
        event_on=letter.served_on, named_on=letter.named_on, document=letter.document[:DOCUMENT],
    )  # fmt: skip


async def _number_free(letter: Correspondence, document: str, on: date) -> None:
    """An office gives a number once a year; that of a letter that was withdrawn is free again."""
    await alone(f"letter-number/{letter.issuer_id}")
    key = letter_rows.number_key(document, on)
    other = await letter_rows.numbered(letter.issuer_id, key) if key else None
    if other is not None and other.id != letter.id:
        raise RefusedError("refused-number-used", document=document, number=other.id, unit=other.unit)


async def recall(actor: Actor, law: Law, number: int, reason: str, at: Moment) -> Written:
    """撤函: withdrawn with its reason; the case that its service opened is withdrawn too."""
    letter = await _mine(actor, number, DRAFTED, ISSUED, SERVED)
    case = await case_rows.found(letter.case_id) if letter.case_id is not None else None
    under_way = case is not None and case.state == case_rows.OPEN
    ended = await cases.withdraw(actor, law, case.id, reason, at) if case is not None and under_way else None
    written = await _changed(actor, "recall", replace(letter, state=WITHDRAWN, reason=reason), at)
    return replace(written, ended=ended)


async def found(actor: Actor, number: int, *, held: bool = False) -> Correspondence:
    """A letter, for who supervises its addressee; `held` if it is to be changed. Raises RefusedError."""
    letter = await letter_rows.found(number, held=held)
    if letter is None:
        raise RefusedError("refused-no-such-letter", number=number)
    if not actor.supervises(letter.unit_path):
        raise RefusedError("refused-not-supervisor", unit=letter.unit, action="letters", unit_id=letter.unit_id)
    return letter


async def _mine(actor: Actor, number: int, *states: str) -> Correspondence:
    letter = await found(actor, number, held=True)
    if letter.state not in states:
        raise RefusedError("refused-letter-state", number=number, standing=letter.state)
    return letter


async def _overdue(actor: Actor, number: int, at: Moment) -> Obligation:
    one = await obligations.found(number)
    if not actor.supervises(one.unit_path) or actor.holds(one.unit_id, *HOLDERS):
        raise RefusedError("refused-not-supervisor", unit=one.unit, action="draft", unit_id=one.unit_id)
    if one.stop:
        raise RefusedError("refused-clock-stands", number=number, since=one.stop.since)
    if not one.overdue(at.today):
        raise RefusedError("refused-not-overdue", number=number, due=one.due)
    return one


async def _issuer(actor: Actor, one: Obligation) -> int:
    """The unit in whose name the supervisor acts: the nearest whose subtree holds the addressee."""
    posts = [post for post in actor.posts if one.unit_path.startswith(post.over)]
    return max(posts, key=lambda post: len(post.over)).unit_id


async def _changed(actor: Actor, action: str, letter: Correspondence, at: Moment) -> Written:
    entry = await _record(actor, action, letter, at)
    if not await letter_rows.change(letter):
        raise chains.StaleError(f"letter {letter.id} moved")
    after = await letter_rows.found(letter.id)
    assert after is not None, "it was changed"
    return Written(after, entry)


async def _record(actor: Actor, action: str, letter: Correspondence, at: Moment) -> int:
    payload: dict[str, Any] = {
        "paper": letter.paper, "issuer": letter.issuer_id, "unit": letter.unit, "addressee": letter.unit_id,
        "obligation": letter.obligation_id, "state": letter.state, "document": letter.document,
        "signatory": letter.signatory, "proof": letter.proof, "case": letter.case_id, "reason": letter.reason,
        "name": actor.name, **{name: str(day) if day else None for name, day in _days(letter).items()},
    }  # fmt: skip
    act = Act(f"person:{actor.person_id}", action, at.channel, payload)
    return await chains.append(StreamRef("letter", letter.id), act, at.now)


def _days(letter: Correspondence) -> dict[str, date | None]:
    return {"issued_on": letter.issued_on, "served_on": letter.served_on, "named_on": letter.named_on}
