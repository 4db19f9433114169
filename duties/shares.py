"""牵头 / 配合: co-responsible units. One obligation, one lead; every partner (配合单位) has its own part to answer.

Runs inside the caller's transaction, as the use cases of obligations do. Whatever a partner does is a line in the
obligation's chain and touches its part alone; the lead cannot report while a part is open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from duties import obligations, snoozing
from duties.errors import RefusedError
from duties.evidence import added
from duties.model import OPEN_SHARES, OPEN_STATES, Actor, Evidence, Obligation, Role, ShareState
from duties.obligations import HOLDERS, REASON, SYSTEM_ACTOR, Done, Moment
from duties.registry import CountedRule, Duty
from duties.store import chains, reading, share_rows, statements
from duties.store.database import transaction
from duties.store.share_rows import LEAD, MEMBERSHIP, PLAN, SUPERVISOR, TAKEN_BACK, Change, Share

ATTEMPTS = 3
"""How often a change of partners is tried while people act on the same obligations."""
BY_ITSELF = frozenset({MEMBERSHIP, TAKEN_BACK})
"""Reasons of a release that did not let the unit off: whoever added it may add it again."""


@dataclass(frozen=True, slots=True)
class Part:
    """A partner's part after an act, and what was recorded in the obligation's chain."""

    share: Share
    done: Done

    @property
    def obligation(self) -> Obligation:
        """The obligation it belongs to."""
        return self.done.obligation

    @property
    def entry(self) -> int:
        """The number of the line in the ledger."""
        return self.done.entry


async def add(actor: Actor, duty: Duty, number: int, unit: int, at: Moment) -> Part:
    """配合: the lead's head, or a supervisor, names a co-responsible unit. Its part is open from now on."""
    one = await obligations.found(number)
    by = await may_add(actor, duty, one, at)
    partner = await reading.unit(unit)
    if partner is None:
        raise RefusedError("refused-no-such-unit", number=unit)
    if unit == one.unit_id:
        raise RefusedError("refused-share-self", unit=one.unit, unit_id=one.unit_id)
    await _must_be_near(actor, one, partner, by, at.today)
    before = await share_rows.found(number, unit)
    if before is not None and before.state != ShareState.RELEASED:
        raise RefusedError("refused-share-state", **_facts(before, one))
    if before is not None and by == LEAD and before.reason not in BY_ITSELF:
        raise RefusedError("refused-share-released", partner=before.unit, reason=before.reason, unit_id=one.unit_id)
    standing: dict[str, Any] = {
        "state": str(ShareState.PENDING), "added": PLAN if before is not None and before.added == PLAN else by,
        "reason": "", "done_on": None, "evidence": [],
    }  # fmt: skip
    change = Change(unit, str(partner["name"]), before.standing if before else None, standing)
    return await _recorded(actor, one, at, "share-add", change)


async def may_add(actor: Actor, duty: Duty, one: Obligation, at: Moment) -> str:
    """As what somebody may name a partner: the lead's head or its supervisor. Refuses whoever may not."""
    supervising = actor.supervises(one.unit_path) and not actor.holds(one.unit_id, *HOLDERS)
    if not supervising and not actor.holds(one.unit_id, Role.HEAD):
        who = await reading.holders(one.unit_id, (Role.HEAD,), at.today)
        raise RefusedError("refused-share-lead", unit=one.unit, heads=who, unit_id=one.unit_id)
    _must_be_open(one)
    if isinstance(duty.rule, CountedRule):
        raise RefusedError("refused-share-counted", duty=one.duty, number=one.id, unit_id=one.unit_id)
    return SUPERVISOR if supervising else LEAD


async def remove(actor: Actor, number: int, unit: int, at: Moment) -> Part:
    """配合 取消: a partner that was named is taken back while it has not answered. What the law names stays."""
    one = await obligations.found(number)
    share = await _share(one, unit)
    supervising = actor.supervises(one.unit_path) and not actor.holds(one.unit_id, *HOLDERS)
    mine = share.added == LEAD and actor.holds(one.unit_id, Role.HEAD)
    if share.added == PLAN or not (supervising or mine):
        key = "refused-share-planned" if share.added == PLAN else "refused-share-not-mine"
        raise RefusedError(key, partner=share.unit, number=number, unit_id=one.unit_id)
    return await _released(actor, one, share, TAKEN_BACK, at, "share-remove")


async def release(actor: Actor, number: int, unit: int, reason: str, at: Moment) -> Part:
    """免配合: a supervisor lets a partner off, with a reason."""
    one = await obligations.found(number)
    share = await may_release(actor, one, unit, at)
    return await _released(actor, one, share, reason[:REASON], at, "share-release", said=reason)


async def may_release(actor: Actor, one: Obligation, unit: int, at: Moment) -> Share:
    """The part, if somebody may let its unit off: nobody of that unit may, nor of the lead."""
    share = await _share(one, unit)
    if any(post.unit_id == share.unit_id for post in actor.posts):
        raise RefusedError("refused-share-own", partner=share.unit, unit_id=share.unit_id)
    await obligations.may_waive(actor, one, at, "share-release", *OPEN_STATES)
    _must_be(one, share, *OPEN_SHARES)
    return share


async def acknowledge(actor: Actor, number: int, unit: int, at: Moment) -> Part:
    """签收 by a partner: it has seen its part."""
    one, share = await _mine(actor, number, unit, at, ShareState.PENDING)
    after = {**share.standing, "state": str(ShareState.ACKNOWLEDGED)}
    return await _recorded(actor, one, at, "share-acknowledge", _change(share, after))


async def answer(actor: Actor, number: int, unit: int, evidence: Evidence, at: Moment) -> Part:
    """完成 by a partner: what it hands in. The day is the evidence's; the lead's obligation stays as it is."""
    one, share = await _mine(actor, number, unit, at, *OPEN_SHARES)
    done_on = evidence.done_on or at.today
    if done_on > at.today:
        raise RefusedError("refused-future", day=done_on)
    after = {
        **share.standing, "state": str(ShareState.ANSWERED), "done_on": done_on.isoformat(), "reason": "",
        "evidence": added((), (), evidence, at.today),
    }  # fmt: skip
    return await _recorded(actor, one, at, "share-answer", _change(share, after))


async def note(actor: Actor, number: int, unit: int, text: str, at: Moment) -> Part:
    """进展 by a partner: how far its part is. Who speaks of the work has seen it: 签收, never answered."""
    one, share = await _mine(actor, number, unit, at, *OPEN_SHARES)
    after = {**share.standing, "state": str(ShareState.ACKNOWLEDGED)}
    return await _recorded(actor, one, at, "share-note", _change(share, after), note=text)


async def snooze(actor: Actor, number: int, unit: int, end: datetime | None, times: int, at: Moment) -> Part:
    """稍后 by a partner's person, within the bounds of the lead's; nothing about the part changes."""
    one, share = await _mine(actor, number, unit, at, *OPEN_SHARES)
    until = snoozing.allowed(one, end, times, returned=share.returned)
    return await _recorded(actor, one, at, "share-snooze", _change(share, share.standing), until=until.isoformat())


async def may_answer(actor: Actor, number: int, unit: int, at: Moment) -> Share:
    """The part, before evidence is asked for that could not be used."""
    return (await _mine(actor, number, unit, at, *OPEN_SHARES))[1]


async def give_back(actor: Actor, number: int, units: Sequence[int], reason: str, at: Moment) -> Done:
    """退回: the obligation goes back to its lead, and the parts of these partners with it."""
    one = await obligations.found(number)
    parts = []
    for unit in units:
        share = await _share(one, unit)
        _must_be(one, share, ShareState.ANSWERED)
        parts.append(_change(share, {**share.standing, "state": str(ShareState.PENDING), "reason": reason[:REASON]}))
    return await obligations.give_back(actor, number, reason, at, parts)


@dataclass(frozen=True, slots=True)
class Followed:
    """What planning did to the partners of a term."""

    added: int = 0
    released: int = 0
    regained: int = 0


async def follow(term: int, tags: Sequence[str], now: datetime, today: date) -> Followed:
    """Give a joint term's obligations their partners, release those that are none any more, take back who returns.

    Idempotent: what is there is not found missing.
    """
    if not tags:
        return Followed()
    async with transaction():
        added = await share_rows.insert_planned(term, tags, now, today)
        if added:
            await statements.stir(term)
    for attempt in range(ATTEMPTS):
        lost = await share_rows.lost(term, tags)
        regained = await share_rows.regained(term, tags, today)
        try:
            await _changed(term, lost, regained, now)
        except chains.StaleError:
            if attempt + 1 == ATTEMPTS:
                raise
        else:
            break
    return Followed(added, len(lost), len(regained))


async def _changed(
    term: int, lost: Sequence[tuple[int, int]], regained: Sequence[tuple[int, int]], now: datetime
) -> None:
    if not lost and not regained:
        return
    async with transaction():
        await statements.stir(term)  # a write comes first: SQLite would refuse to upgrade
        for number, unit in lost:
            await _by_itself(number, unit, ShareState.RELEASED, now)
        for number, unit in regained:
            await _by_itself(number, unit, ShareState.PENDING, now)


async def _by_itself(number: int, unit: int, state: ShareState, now: datetime) -> None:
    """What membership does to a part; somebody who acted meanwhile is not overruled."""
    one = await obligations.found(number)
    share = await _share(one, unit)
    released = state == ShareState.RELEASED
    if one.state not in OPEN_STATES or (share.state not in OPEN_SHARES if released else share.reason != MEMBERSHIP):
        raise chains.StaleError(f"the part of unit {unit} in obligation {number} moved")
    after = {**share.standing, "state": str(state), "reason": MEMBERSHIP if released else ""}
    action = "share-release" if released else "share-add"
    at = Moment(now, now.date(), "system")
    await _recorded(SYSTEM_ACTOR, one, at, action, _change(share, after), reason=MEMBERSHIP)


async def _released(
    actor: Actor, one: Obligation, share: Share, reason: str, at: Moment, action: str, **said: str
) -> Part:  # fmt: skip
    _must_be_open(one)
    _must_be(one, share, *OPEN_SHARES)
    after = {**share.standing, "state": str(ShareState.RELEASED), "reason": reason}
    return await _recorded(actor, one, at, action, _change(share, after), **said)


async def _recorded(actor: Actor, one: Obligation, at: Moment, action: str, change: Change, **said: Any) -> Part:
    done = await obligations.remark(actor, one, at, action, {"partner": change.unit, **said}, (change,))
    return Part(await _share(one, change.unit_id), done)


def _change(share: Share, after: dict[str, Any]) -> Change:
    return Change(share.unit_id, share.unit, share.standing, after)


async def _mine(
    actor: Actor, number: int, unit: int, at: Moment, *states: ShareState
) -> tuple[Obligation, Share]:  # fmt: skip
    one = await obligations.found(number)
    share = await _share(one, unit)
    if not actor.holds(unit, *HOLDERS):
        who = await reading.holders(unit, HOLDERS, at.today)
        raise RefusedError("refused-not-yours", unit=share.unit, who=who, unit_id=unit)
    _must_be_open(one)
    _must_be(one, share, *states)
    return one, share


async def _must_be_near(actor: Actor, one: Obligation, partner: dict[str, Any], by: str, today: date) -> None:
    """A partner lies where the same supervisor looks: of the lead's supervisor, or of the one who asks."""
    over, path = await reading.overseen(one.unit_id), str(partner["path"])
    if not (actor.supervises(path) if by == SUPERVISOR else over is not None and path.startswith(over)):
        who = await reading.supervisors_of_both(one.unit_path, path, today)
        raise RefusedError(
            "refused-share-outside", unit=one.unit, partner=partner["name"], both=who, unit_id=one.unit_id
        )


def _must_be_open(one: Obligation) -> None:
    if one.state not in OPEN_STATES:
        raise RefusedError("refused-state", state=one.state, number=one.id, term=one.term, duty=one.duty)


def _must_be(one: Obligation, share: Share, *states: ShareState) -> None:
    if share.state not in states:
        raise RefusedError("refused-share-state", **_facts(share, one))


def _facts(share: Share, one: Obligation) -> dict[str, Any]:
    return {
        "partner": share.unit, "share": share.state, "number": one.id, "duty": one.duty, "term": one.term,
        "unit_id": share.unit_id,
    }  # fmt: skip


async def _share(one: Obligation, unit: int) -> Share:
    share = await share_rows.found(one.id, unit)
    if share is None:
        partner = await reading.unit(unit)
        raise RefusedError("refused-no-share", partner=partner["name"] if partner else "", number=one.id)
    return share
