"""What a unit asks its supervisor for: 申请免办, and 申请延期 where a day may be moved at all; 撤回申请.

Runs inside the caller's transaction, as the use cases of obligations do. None of the documents lets anybody put off a
day that stands in the text; only a day that a supervisor named can be named anew.
"""

from dataclasses import dataclass
from datetime import date

from duties import cases, obligations
from duties.cases import Law
from duties.errors import RefusedError
from duties.model import OPEN_STATES, Actor, Obligation
from duties.obligations import REASON, Moment
from duties.store import case_rows, chains, request_rows
from duties.store.request_rows import EXTENSION, GRANTED, OPEN, REFUSED, WAIVER, WITHDRAWN, Request

EXTENDABLE = frozenset({"assignment"})
"""Duties whose last day is a supervisor's own word, not a document's."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with the obligation it is about, and the number of the entry just written."""

    request: Request
    obligation: Obligation
    entry: int


async def ask_waiver(actor: Actor, number: int, reason: str, at: Moment) -> Answered:
    """申请免办: the unit asks to be let off."""
    one = await _open(actor, number, at, "ask-waiver")
    return await _asked(actor, one, WAIVER, reason, None, at)


async def ask_extension(actor: Actor, number: int, wanted_on: date, reason: str, at: Moment) -> Answered:
    """申请延期: the unit asks for a later day, of a duty whose day a supervisor named."""
    one = await _open(actor, number, at, "ask-extension")
    if one.duty not in EXTENDABLE:
        raise RefusedError("refused-no-extension", number=number, duty=one.duty, unit_id=one.unit_id)
    if wanted_on <= max(one.due, at.today):
        raise RefusedError("refused-not-later", day=wanted_on, due=one.due)
    return await _asked(actor, one, EXTENSION, reason, wanted_on, at)


async def grant(actor: Actor, law: Law, number: int, at: Moment) -> Answered:
    """同意: what was asked for is done, in the name of whoever agrees."""
    request, one = await _answerable(actor, number, at, "approve")
    if request.kind == WAIVER:
        entry = (await obligations.waive(actor, one.id, request.reason, at, request=number)).entry
    else:
        case = await case_rows.of_obligation(one.id)
        assert case is not None, "only an assignment is extended, and that is a case"
        moved = await cases.amend(actor, law, case.id, at, named_on=request.wanted_on)
        was = case.named_on.isoformat() if case.named_on else None
        payload = {"request": number, "amended": moved.entry, "was": was}
        entry = (await obligations.remark(actor, one, at, "approve", payload)).entry
    return await _closed(number, GRANTED, entry)


async def decline(actor: Actor, number: int, reason: str, at: Moment) -> Answered:
    """不同意: with a reason; the unit goes on owing it."""
    _, one = await _answerable(actor, number, at, "reject")
    done = await obligations.remark(actor, one, at, "reject", {"request": number, "said": reason})
    return await _closed(number, REFUSED, done.entry)


async def withdraw(actor: Actor, number: int, at: Moment) -> Answered:
    """撤回申请: the unit takes back what it asked for, while nobody has answered it."""
    request = await _request(number)
    one = await obligations.found(request.obligation_id)
    await obligations.may_hold(actor, one, at, "withdraw-request")
    _must_wait(request)
    done = await obligations.remark(actor, one, at, "withdraw-request", {"request": number})
    return await _closed(number, WITHDRAWN, done.entry)


async def may_answer(actor: Actor, number: int, at: Moment, action: str) -> None:
    """Refuse before a reason is asked for that could not be used."""
    await _answerable(actor, number, at, action)


async def _open(actor: Actor, number: int, at: Moment, action: str) -> Obligation:
    one = await obligations.found(number)
    await obligations.may_ask(actor, one, at, action)
    return one


async def _asked(
    actor: Actor, one: Obligation, kind: str, reason: str, wanted_on: date | None, at: Moment
) -> Answered:  # fmt: skip
    waiting = any(request.kind == kind for request in await request_rows.open_on(one.id))
    number = None if waiting else await request_rows.add(
        one.id, kind, reason[:REASON], wanted_on, actor.person_id, at.now
    )  # fmt: skip
    if number is None:
        raise RefusedError("refused-asked-already", number=one.id)
    payload = {"request": number, "said": reason, "wanted_on": wanted_on.isoformat() if wanted_on else None}
    done = await obligations.remark(actor, one, at, f"ask-{kind}", payload)
    return Answered(await _request(number), done.obligation, done.entry)


async def _answerable(actor: Actor, number: int, at: Moment, action: str) -> tuple[Request, Obligation]:
    request = await _request(number)
    one = await obligations.found(request.obligation_id)
    await obligations.may_waive(actor, one, at, action)
    _must_wait(request)
    await obligations.may_waive(actor, one, at, action, *OPEN_STATES)
    return request, one


def _must_wait(request: Request) -> None:
    if request.state != OPEN:
        raise RefusedError(
            "refused-answered", number=request.id, request=request.state, obligation=request.obligation_id
        )


async def _closed(number: int, state: str, entry: int) -> Answered:
    if not await request_rows.answer(number, state):
        raise chains.StaleError(f"request {number} moved")
    request = await _request(number)
    return Answered(request, await obligations.found(request.obligation_id), entry)


async def _request(number: int) -> Request:
    request = await request_rows.found(number)
    if request is None:
        raise RefusedError("refused-no-such-request", number=number)
    return request
