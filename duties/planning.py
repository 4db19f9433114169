"""Terms and obligations into the store. Idempotent: what is there is not found missing, however often it runs."""

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from duties import obligations, shares
from duties.ledger import SYSTEM, Act
from duties.model import Term
from duties.registry import CountedRule, Duty, Registry, Scope
from duties.schedule import share, terms
from duties.store import chains, planned, statements
from duties.store.database import transaction

HORIZON = timedelta(days=400)
ROSTER = "roster"
"""The chore that every change of units, tags or posts marks, so that planning looks again."""
LONGEST = timedelta(days=366)
"""No term is open for longer than this: how far beyond the horizon a due day may lie."""
ATTEMPTS = 3
"""How often a change of members is tried while people act on the same obligations."""


@dataclass(slots=True)
class Planned:
    """What one run of planning did."""

    terms: int = 0
    added: int = 0
    cancelled: int = 0
    reopened: int = 0
    partners: int = 0
    """Parts of co-responsible units added, released or taken back."""
    moved: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of planning: when, and what it did so far."""

    now: datetime
    today: date
    result: Planned


async def plan(registry: Registry, now: datetime, today: date, horizon: timedelta = HORIZON) -> Planned:
    """Plan every term that opens within the horizon and whose deadline has not passed.

    A term already planned from this roster and this registry is left alone: nothing in it can have changed.
    """
    result = Planned()
    version = hashlib.sha256(f"{registry.digest} {await planned.chore(ROSTER)}".encode()).hexdigest()
    run = _Run(now, today, result)
    done: list[int] = []
    known = {(row.duty, row.label, row.jurisdiction): row for row in await planned.still_due(today)}
    for duty in registry.duties:
        for scope, term in _ahead(duty, today, today + horizon):
            row = known.get((term.duty, term.label, term.jurisdiction))
            if row is None or row.planned_for != version:
                result.terms += 1
                done.append(await _plan_term(duty, scope, term, run))
    if done:
        await _written(done, version, run)
    return result


async def _written(done: list[int], version: str, run: _Run) -> None:
    """The ledger and the marks together: a crash before this plans the same terms again, and finds them there."""
    async with transaction():
        for term in done:
            await planned.planned_for(term, version)
        written = [term for term in run.result.moved if await planned.digest_written(term["id"], term["digest"])]
        if written:
            await chains.append(SYSTEM, Act("system", "plan", "system", {"terms": written}), run.now)


def _ahead(duty: Duty, today: date, opens_by: date) -> list[tuple[Scope, Term]]:
    """A duty's terms to plan, each with its scope. Of two scopes that bind a unit the first one listed wins."""
    by_jurisdiction = {scope.jurisdiction: scope for scope in duty.scope}
    ahead = [term for term in terms(duty, today, opens_by + LONGEST) if term.opens <= opens_by]
    order = list(by_jurisdiction)
    ahead.sort(key=lambda term: (term.due, order.index(term.jurisdiction)))
    return [(by_jurisdiction[term.jurisdiction], term) for term in ahead]


async def _plan_term(duty: Duty, scope: Scope, term: Term, run: _Run) -> int:
    row = await planned.ensure(term)
    target = duty.rule.at_least if isinstance(duty.rule, CountedRule) and duty.rule.per != "member" else 1
    tags = await _binding_tags(row.id, scope)
    await _fill(row.id, tags, target, run, siblings=len(duty.scope) > 1)
    await _follow_members(row.id, tags, run)
    if scope.joint:
        partners = await shares.follow(row.id, _partner_tags(scope, tags), run.now, run.today)
        run.result.partners += partners.added + partners.released + partners.regained
    if target > 1:
        await _prorate(row.id, tags, target, term)
    units, held = await statements.members(row.id)
    digest = hashlib.sha256(held.encode()).hexdigest()
    if units and digest != row.units_digest:
        run.result.moved.append({
            "id": row.id, "duty": term.duty, "term": term.label, "jurisdiction": term.jurisdiction,
            "due": term.due.isoformat(), "units": units, "digest": digest,
        })  # fmt: skip
    return row.id


async def _binding_tags(term: int, scope: Scope) -> tuple[str, ...]:
    """The tags that bind a unit. A joint duty is led by the first of its tags that any unit has."""
    tags = tuple(str(tag) for tag in scope.tags)
    if not scope.joint:
        return tags
    for tag in tags[:-1]:
        if await statements.has_members(term, (tag,)):
            return (tag,)
    return tags[-1:]


def _partner_tags(scope: Scope, leading: tuple[str, ...]) -> tuple[str, ...]:
    """The tags of a joint duty that do not lead it: their units answer too."""
    return tuple(str(tag) for tag in scope.tags if str(tag) not in leading)


async def _fill(term: int, tags: tuple[str, ...], target: int, run: _Run, *, siblings: bool) -> None:
    """Add what is missing. Whoever comes in late is to hear of what was raised before: never one without the other."""
    added = statements.SLICE
    while added == statements.SLICE:
        async with transaction():
            added = await statements.insert_obligations(term, tags, target, run.now, run.today, siblings=siblings)
            if added:
                await statements.stir(term)
        run.result.added += added


async def _follow_members(term: int, tags: tuple[str, ...], run: _Run) -> None:
    """Cancel what units owe no longer, reopen what they owe again; somebody who acts meanwhile is not overruled."""
    for attempt in range(ATTEMPTS):
        lost = await statements.lost_members(term, tags)
        regained = await statements.regained_members(term, tags, run.today)
        if not lost and not regained:
            return
        try:
            async with transaction():
                await statements.stir(term)  # a write comes first: SQLite would refuse to upgrade
                for row in lost:
                    await obligations.cancel(int(row["id"]), "membership", run.now)
                for row in regained:
                    await obligations.reopen(int(row["id"]), run.now)
        except chains.StaleError:
            if attempt + 1 == ATTEMPTS:
                raise
        else:
            run.result.cancelled += len(lost)
            run.result.reopened += len(regained)
            return


async def _prorate(term: int, tags: tuple[str, ...], full: int, of: Term) -> None:
    """A unit that entered mid-year owes its share."""
    for row in await statements.entries_within(term, tags, full):
        await statements.set_target(int(row["id"]), share(full, row["entered"], of.opens))
