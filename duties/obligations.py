"""The use cases: acknowledge, note, check, assign, report, count, verify, return, waive, put back what was done.

Each runs inside the caller's transaction, writes its ledger entry first and moves the row only if it is still what
the decision was made on; else StaleError, and the transaction is to be done again. An entry holds the obligation
before (what undo puts back) and after (what `verify` compares the row with). A refusal is a RefusedError with a key
of the catalogue; the caller records it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from duties.errors import RefusedError
from duties.evidence import added, completed_on, lacking
from duties.ledger import Act, StreamRef
from duties.model import OPEN_SHARES, OPEN_STATES, Actor, Checked, Evidence, Obligation, Role, State
from duties.registry import EvidenceSlot
from duties.store import (
    case_rows,
    chains,
    changing,
    check_rows,
    officer_rows,
    planned,
    reading,
    request_rows,
    share_rows,
    statements,
)
from duties.store.database import Rows
from duties.store.share_rows import TAKEN_BACK, Change, Share

HOLDERS = (Role.HEAD, Role.OFFICER)
HEAD_ONLY = (Role.HEAD,)
DONE = (State.REPORTED, State.CLOSED)
SYSTEM_ACTOR = Actor(0, "system", ())
TOPIC, REASON = 255, 255
"""What the columns hold; the ledger keeps the whole text."""
LEAD = 0
"""Stands for the obligation itself in what an entry touched, beside the partners' units."""
DAYS = ("done_on", "waived_until")
"""What stands in the ledger as text and in the row as a day."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When and through what somebody acts: the instant, the local day, the channel.

    `message` is the number of what was said, if anything was: all that one message wrote is taken back together.
    """

    now: datetime
    today: date
    channel: str
    message: int = 0


@dataclass(frozen=True, slots=True)
class Reporting:
    """What a report has to show, and whether the unit's head has to make it: a policy of the installation."""

    slots: tuple[EvidenceSlot, ...] = ()
    head_confirms: bool = False


ANYHOW = Reporting()


@dataclass(frozen=True, slots=True)
class Done:
    """What was recorded: the obligation afterwards and the entry's number."""

    obligation: Obligation
    entry: int
    action: str
    undone: str = ""
    """The action that an undo took back; `partners` are the units whose part was put back."""
    partners: tuple[int, ...] = ()
    moot: tuple[int, ...] = ()


async def acknowledge(actor: Actor, number: int, at: Moment) -> Done:
    """签收: the unit has seen it."""
    one = await found(number)
    await _must_hold(actor, one, at, "acknowledge")
    _must_be(one, State.PENDING, State.RETURNED)
    return await _moved(actor, one, at, "acknowledge", State.ACKNOWLEDGED)


async def report(actor: Actor, number: int, evidence: Evidence, at: Moment, by: Reporting = ANYHOW) -> Done:
    """报结: the unit says it is done and shows by what. The completion day is the evidence's.

    What the duty wants shown and is lacking, a partner that has not answered, or the head that has still to confirm
    keeps it open: what was shown is kept. Nothing shown while a partner has not answered is refused.
    """
    one = await found(number)
    await _must_hold(actor, one, at, "report")
    _must_be(one, *OPEN_STATES)
    if not evidence:
        await must_be_answered(one)
    if evidence.done_on and evidence.done_on > at.today:
        raise RefusedError("refused-future", day=evidence.done_on)
    shown = added(by.slots, await reading.evidence_of(number), evidence, at.today)
    waits = await share_rows.any_open(number) or (by.head_confirms and not actor.holds(one.unit_id, Role.HEAD))
    if waits or lacking(by.slots, shown):
        return await _moved(actor, one, at, "show", State.ACKNOWLEDGED, {"evidence": shown}, evidence=shown)
    done_on = completed_on(shown, at.today)
    columns: dict[str, Any] = {"done_on": done_on, "backdated": done_on < at.today, "evidence": shown}
    payload = {"evidence": shown, "done_on": done_on.isoformat()}
    return await _moved(actor, one, at, "report", State.REPORTED, payload, **columns)


async def must_be_answered(one: Obligation) -> None:
    """Refuse while a co-responsible unit has not answered: each must, before the lead may report."""
    if missing := await share_rows.unanswered(one.id):
        since = [(share.unit, share.since) for share in missing]
        raise RefusedError(
            "refused-partners-open", number=one.id, n=len(missing), missing=since, unit_id=one.unit_id,
            below=await overseen_with(one, missing),
        )  # fmt: skip


async def overseen_with(one: Obligation, missing: Sequence[Share]) -> list[int]:
    """The units whose supervisors may let partners off: the lead, but nobody lets off their own unit."""
    supervising = await reading.supervisor_of(one.unit_id)
    return sorted({share.unit_id if share.unit_id == supervising else one.unit_id for share in missing})


async def count(
    actor: Actor, number: int, topic: str, on: date, at: Moment, amount: int = 1, *, meeting: str | None = None
) -> Done:
    """One count towards a counted duty; the last one needed reports it.

    Where one counts a meeting, `meeting` names it, empty for the only one of the day: a day's meetings count once each,
    whatever their topics. Elsewhere it is None, and a day's topics count once each.
    """
    one = await may_record(actor, number, on, at, "count")
    earlier = await reading.counts(number)
    _must_be_new(earlier, on, topic[:TOPIC], meeting)
    met = one.tally + amount >= one.target
    columns: dict[str, Any] = {"tally": one.tally + amount}
    if met and one.done_on is None:
        # Complete since the last of them was held, in whatever order they were told.
        done_on = max([on, *(row["on_day"] for row in earlier)])
        columns |= {"done_on": done_on, "backdated": done_on < at.today}
    payload: dict[str, Any] = {"topic": topic, "on": on.isoformat(), "amount": amount}
    if meeting is not None:
        payload["meeting"] = meeting
    done = await _moved(actor, one, at, "count", State.REPORTED if met else one.state, payload, **columns)
    await changing.add_count(number, on, topic[:TOPIC], amount, done.entry, meeting)
    return done


def _must_be_new(earlier: Rows, on: date, topic: str, meeting: str | None) -> None:
    that_day = [row for row in earlier if row["on_day"] == on]
    if meeting is None and any(row["topic"] == topic for row in that_day):
        raise RefusedError("refused-counted-already", day=on, topic=topic)
    if meeting is not None:
        same = next((row for row in that_day if (row["meeting"] or "") == meeting), None)
        if same is not None:
            key = "refused-meeting-already" if meeting else "refused-studied-already"
            raise RefusedError(key, day=on, topic=same["topic"], meeting=meeting)


async def may_record(actor: Actor, number: int, on: date, at: Moment, action: str) -> Obligation:
    """Refuse whoever does not answer for it, what is over, and a day that is to come or outside the term."""
    one = await found(number)
    await _must_hold(actor, one, at, action)
    _must_be(one, *OPEN_STATES, State.REPORTED)
    if on > at.today:
        raise RefusedError("refused-future", day=on)
    if not one.opens <= on <= one.due:
        raise RefusedError("refused-outside-term", day=on, opens=one.opens, due=one.due)
    return one


async def measure(
    actor: Actor, one: Obligation, at: Moment, action: str, payload: dict[str, Any], *, tally: int, done_on: date
) -> Done:
    """A tally that was worked out anew: the target reached reports it, short of the target the report is taken back.

    What was sent back stays so until somebody of the unit acts.
    """
    columns: dict[str, Any] = {"tally": tally}
    state, alone = one.state, actor is SYSTEM_ACTOR
    if tally >= one.target and not (alone and one.state == State.RETURNED):
        state = State.REPORTED
        if one.done_on is None:
            columns |= {"done_on": done_on, "backdated": done_on < at.today}
    elif tally < one.target and one.state == State.REPORTED:
        state = State.PENDING if alone else State.ACKNOWLEDGED
        columns |= {"done_on": None, "backdated": False, "planned_at": at.now}
    done = await _moved(actor, one, at, action, state, payload, **columns)
    if state in OPEN_STATES and one.state not in OPEN_STATES:
        await statements.stir(one.term_id)
    return done


async def close(actor: Actor, number: int, at: Moment) -> Done:
    """销号: the supervisor has verified it."""
    one = await found(number)
    await _must_supervise(actor, one, at, "close")
    _must_be(one, State.REPORTED)
    return await _moved(actor, one, at, "close", State.CLOSED)


async def give_back(
    actor: Actor, number: int, reason: str, at: Moment, parts: Sequence[Change] = ()
) -> Done:  # fmt: skip
    """退回: back to work, with a reason. The reminders start again, and the next wave tells the unit.

    `parts` are partners' shares that are to be answered anew.
    """
    one = await found(number)
    await _must_supervise(actor, one, at, "return")
    _must_be(one, State.REPORTED, State.CLOSED)
    columns: dict[str, Any] = {
        "reason": reason[:REASON], "done_on": None, "backdated": False, "planned_at": at.now, "evidence": [],
    }  # fmt: skip
    last = [row for row in await reading.counts(number) if row["amount"]][-1:]
    payload: dict[str, Any] = {"reason": reason}
    if last:
        columns["tally"] = max(0, one.tally - last[0]["amount"])  # what completed it no longer counts
        payload["uncounts"] = last[0]["entry_id"]
    done = await _moved(actor, one, at, "return", State.RETURNED, payload, parts=parts, **columns)
    if last:
        await changing.uncount(last[0]["id"], done.entry)
    await statements.stir(one.term_id)
    return done


async def waive(
    actor: Actor, number: int, reason: str, at: Moment, until: date | None = None, request: int | None = None
) -> Done:
    """免办: the unit need not do it, for a reason; up to and including a day, or for good; `request` asked for it."""
    one = await found(number)
    await may_waive(actor, one, at, "waive", *OPEN_STATES)
    if until is not None and until < at.today:
        raise RefusedError("refused-waiver-past", day=until)
    payload = {"reason": reason, "until": until.isoformat() if until else None, "request": request}
    return await _moved(actor, one, at, "waive", State.WAIVED, payload, reason=reason[:REASON], waived_until=until)


async def unwaive(actor: Actor, number: int, at: Moment) -> Done:
    """恢复办理: a waiver taken back. It is owed again, and the next wave tells the unit."""
    one = await found(number)
    await may_waive(actor, one, at, "unwaive", State.WAIVED)
    case = await case_rows.of_obligation(number)
    if case is not None and case.state != case_rows.OPEN:
        raise RefusedError("refused-case-over", number=case.id)
    done = await _moved(actor, one, at, "unwaive", State.PENDING, **_owed_again(at.today, at.now))
    await statements.stir(one.term_id)
    return done


async def may_waive(actor: Actor, one: Obligation, at: Moment, action: str, *states: State) -> None:
    """Refuse whoever may not: waiving lets a unit off, so nobody of that unit may, its own supervisor included."""
    if any(post.unit_id == one.unit_id for post in actor.posts):
        raise RefusedError("refused-waive-own", unit=one.unit, action=action, unit_id=one.unit_id)
    await _must_supervise(actor, one, at, action)
    if states:
        _must_be(one, *states)


async def waivers_over(today: date) -> list[int]:
    """Obligations that were waived until a day that has passed."""
    return await statements.waivers_over(today)


async def end_waiver(number: int, today: date, now: datetime) -> None:
    """A waiver whose last day has passed. However long ago it was due, it is owed again; unless somebody was first."""
    one = await found(number)
    if one.state != State.WAIVED or one.waived_until is None or one.waived_until >= today:
        return
    await _moved(SYSTEM_ACTOR, one, by_itself(now), "reopen", State.PENDING, **_owed_again(one.waived_until, now))
    await planned.planned_for(one.term_id, "")  # whether the unit owes it still, planning has not asked meanwhile
    await statements.stir(one.term_id)


async def note(actor: Actor, number: int, text: str, at: Moment) -> Done:
    """进展: how far the work is, as the ledger keeps it. Who speaks of the work has seen it: 签收, never done."""
    one = await found(number)
    await _must_hold(actor, one, at, "note")
    _must_be(one, *OPEN_STATES)
    state = State.ACKNOWLEDGED if one.state == State.PENDING else one.state
    return await _moved(actor, one, at, "note", state, {"note": text})


async def check(actor: Actor, number: int, answers: Mapping[int, Checked], said: str, at: Moment) -> Done:
    """自查: answers to items of a checklist, the latest of each holding. Who answers has seen it: 签收, never done."""
    one = await found(number)
    await may_ask(actor, one, at, "check")
    was = await check_rows.of(number)
    checked = {
        str(no): {"answer": str(one.answer), "note": one.note[:REASON], "on": at.today.isoformat()}
        for no, one in answers.items()
    }
    payload = {"checked": checked, "was": {no: was[int(no)].content() if int(no) in was else None for no in checked}}
    state = State.ACKNOWLEDGED if one.state == State.PENDING else one.state
    done = await _moved(actor, one, at, "check", state, {**payload, "said": said})
    await check_rows.write(number, checked, was, done.entry)
    return done


async def remark(
    actor: Actor, one: Obligation, at: Moment, action: str, payload: dict[str, Any], parts: Sequence[Change] = ()
) -> Done:  # fmt: skip
    """A line in an obligation's chain that changes nothing about it: what was asked for, what a partner did."""
    return await _moved(actor, one, at, action, one.state, payload, parts=parts)


async def may_hold(actor: Actor, one: Obligation, at: Moment, action: str) -> None:
    """Refuse whoever does not answer for it."""
    await _must_hold(actor, one, at, action)


async def may_ask(actor: Actor, one: Obligation, at: Moment, action: str) -> None:
    """Refuse whoever does not answer for it, and what is not open."""
    await _must_hold(actor, one, at, action)
    _must_be(one, *OPEN_STATES)


async def assign(actor: Actor, number: int, person: int | None, name: str, at: Moment) -> Done:
    """转办: the head says who of the unit handles it; None takes that back. All of the unit still owe it."""
    one = await found(number)
    await may_assign(actor, one, at)
    if one.assignee == person:
        raise RefusedError("refused-assigned-so" if person else "refused-not-assigned", number=number, name=name)
    return await _moved(actor, one, at, "assign", one.state, {"to": name}, assignee=person)


async def may_assign(actor: Actor, one: Obligation, at: Moment) -> None:
    """Refuse whoever is not the head of the unit, and what is not open."""
    if not actor.holds(one.unit_id, Role.HEAD):
        who = await reading.holders(one.unit_id, (Role.HEAD,), at.today)
        raise RefusedError("refused-head-only", unit=one.unit, who=who, action="assign", unit_id=one.unit_id)
    _must_be(one, *OPEN_STATES)


async def put_back(actor: Actor, number: int, entry: int, at: Moment, told: Mapping[str, Any]) -> Done:
    """撤回: what an entry did is undone, unless what it changed was changed since; then StaleError.

    What partners do does not touch what the lead did, nor one partner what another did. `told` stands in the line too.
    """
    line = await chains.entry(entry)
    said = json.loads(line["payload"])
    touched = _touched(line["action"], said)
    one = await found(number)
    parts = await _put_back(one, said.get("shares", ()))
    before = said["before"] if LEAD in touched else _standing(one, await reading.evidence_of(one.id))
    checked = said["was"] if "checked" in said else {}
    columns = {**before, **{name: date.fromisoformat(before[name]) for name in DAYS if before[name]}}
    state = State(columns.pop("state"))
    await _must_stay_answered(one, state, parts)
    if state in OPEN_STATES and one.state not in OPEN_STATES:
        columns["planned_at"] = at.now
    answers = await check_rows.of(one.id) if checked else {}
    payload = {"of": entry, **({"checked": checked} if checked else {}), **told}
    done = await _moved(actor, one, at, "undo", state, payload, parts=parts, **columns)
    if await acted_since(line, but=done.entry):
        raise chains.StaleError(f"obligation {one.id} moved")  # while this waited for its turn to write
    await check_rows.write(one.id, checked, answers, done.entry)
    await changing.reverse_count(entry, done.entry)
    await changing.recount(entry)
    if await officer_rows.take_back(entry, done.entry) != len(said.get("trained", ())):
        raise RefusedError("refused-acted-since", number=one.id)  # in another unit, where the officer is now
    await statements.stir(one.term_id)
    return done


async def acted_since(line: Mapping[str, Any], but: int = 0) -> bool:
    """Whether a later line of the chain changed what a line changed; the line `but` is not looked at.

    What was done since and taken back since left everything as it was.
    """
    touched = _touched(line["action"], json.loads(line["payload"]))
    rows = await chains.after(line["stream_id"], line["seq"])
    since = {row["id"]: (row["action"], json.loads(row["payload"])) for row in rows if row["id"] != but}
    undone = {said["of"]: number for number, (action, said) in since.items() if action == "undo"}
    neutral = {number for of, number in undone.items() if of in since} | undone.keys()
    return any(touched & _touched(*what) for number, what in since.items() if number not in neutral)


def _touched(action: str, said: Mapping[str, Any]) -> frozenset[int]:
    """What an entry changed: the partners' parts by unit, and the obligation itself unless it was a partner's act."""
    units = [int(part["unit_id"]) for part in said.get("shares", ())]
    alone = action.startswith("share-") or (action == "undo" and units and said["before"] == said["after"])
    return frozenset(units if alone else [LEAD, *units])


async def _must_stay_answered(one: Obligation, state: State, parts: Sequence[Change]) -> None:
    """No undo may leave a part open in what is reported: the lead has reported on what that partner answered."""
    opened = {part.unit_id for part in parts if part.after["state"] in OPEN_SHARES}
    settled = {part.unit_id for part in parts} - opened
    if state in DONE:
        opened |= {share.unit_id for share in await share_rows.unanswered(one.id)} - settled
    if opened and state not in OPEN_STATES:
        raise RefusedError("refused-acted-since", number=one.id)


async def _put_back(one: Obligation, parts: Sequence[Mapping[str, Any]]) -> list[Change]:
    """The partners' parts as they were before an act."""
    changes = []
    for part in parts:
        share = await share_rows.found(one.id, int(part["unit_id"]))
        assert share is not None, "a share is never deleted"
        before = part["before"] or {**part["after"], "state": "released", "reason": TAKEN_BACK}
        changes.append(Change(share.unit_id, share.unit, share.standing, before))
    return changes


async def cancel(number: int, reason: str, now: datetime) -> None:
    """The duty no longer applies to the unit."""
    one = await found(number)
    await _moved(SYSTEM_ACTOR, one, by_itself(now), "cancel", State.CANCELLED, {"reason": reason}, reason=reason)


async def reopen(number: int, now: datetime) -> None:
    """The duty applies again."""
    one = await found(number)
    await _moved(SYSTEM_ACTOR, one, by_itself(now), "reopen", State.PENDING, reason="", planned_at=now)
    await statements.stir(one.term_id)


async def opening_tally(number: int, tally: int, now: datetime) -> None:
    """What a unit had counted before the system was installed. A correction downwards opens it again."""
    one = await found(number)
    met = tally >= one.target
    short = State.PENDING if one.state == State.REPORTED else one.state
    columns: dict[str, Any] = {"tally": tally}
    if not met and one.state == State.REPORTED:
        columns |= {"done_on": None, "backdated": False, "planned_at": now}
    payload = {"tally": tally}
    await _moved(SYSTEM_ACTOR, one, by_itself(now), "opening", State.REPORTED if met else short, payload, **columns)
    if not met:
        await statements.stir(one.term_id)


async def found(number: int) -> Obligation:
    """An obligation that is to be changed: nobody else does until the transaction ends. Raises RefusedError."""
    one = await reading.obligation(number, held=True)
    if one is None:
        raise RefusedError("refused-no-such", number=number)
    return one


async def _must_hold(actor: Actor, one: Obligation, at: Moment, action: str) -> None:
    if not actor.holds(one.unit_id, *HOLDERS):
        who = await reading.holders(one.unit_id, HOLDERS, at.today)
        raise RefusedError("refused-not-yours", unit=one.unit, who=who, action=action, unit_id=one.unit_id)


async def _must_supervise(actor: Actor, one: Obligation, _at: Moment, action: str) -> None:
    if actor.holds(one.unit_id, *HOLDERS) and not actor.holds(one.unit_id, Role.SUPERVISOR):
        raise RefusedError("refused-own-work", unit=one.unit, action=action, unit_id=one.unit_id)
    if not actor.supervises(one.unit_path):
        raise RefusedError("refused-not-supervisor", unit=one.unit, action=action, unit_id=one.unit_id)


def _owed_again(through: date, now: datetime) -> dict[str, Any]:
    """The columns of what was waived up to and including a day."""
    return {"reason": "", "waived_until": through, "planned_at": now}


def _must_be(one: Obligation, *states: State) -> None:
    if one.state not in states:
        raise RefusedError("refused-state", state=one.state, number=one.id, term=one.term, duty=one.duty)


def name_of(actor: Actor) -> str:
    """Who acts, as the ledger names them."""
    return f"person:{actor.person_id}" if actor is not SYSTEM_ACTOR else "system"


def by_itself(now: datetime) -> Moment:
    """When the system acts, through no channel of people's."""
    return Moment(now, now.date(), "system")


def _standing(one: Obligation, evidence: list[dict[str, Any]]) -> dict[str, Any]:
    """What undo puts back."""
    return {
        "state": str(one.state),
        "tally": one.tally,
        "done_on": one.done_on.isoformat() if one.done_on else None,
        "backdated": one.backdated,
        "reason": one.reason,
        "evidence": evidence,
        "waived_until": one.waived_until.isoformat() if one.waived_until else None,
        "assignee": one.assignee,
    }


async def _moved(
    actor: Actor, one: Obligation, at: Moment, action: str, state: State, payload: dict[str, Any] | None = None,
    *, parts: Sequence[Change] = (), **columns: Any,
) -> Done:  # fmt: skip
    before = _standing(one, await reading.evidence_of(one.id))
    changed = {name: value for name, value in columns.items() if name in before}
    after = {**before, **changed, "state": str(state)}
    after |= {name: day.isoformat() for name in DAYS if isinstance(day := after[name], date)}
    facts = {"duty": one.duty, "term": one.term, "unit": one.unit, "before": before, "after": after}
    over = one.state in OPEN_STATES and state not in OPEN_STATES
    granted = (payload or {}).get("request")
    moot = await _moot(one, granted) if over else []
    told = {"moot": moot, "shares": [part.told() for part in parts]}
    said = {**(payload or {}), **_named(actor, one, at, action), **facts, **{k: v for k, v in told.items() if v}}
    entry = await chains.append(StreamRef("obligation", one.id), Act(name_of(actor), action, at.channel, said), at.now)
    if not await changing.move(one, state, **columns):
        raise chains.StaleError(f"obligation {one.id} moved")
    await _part_moved(one, parts, at.now)
    if state in DONE and one.state not in DONE and await share_rows.any_open(one.id):
        raise chains.StaleError(f"obligation {one.id} got a partner")  # after its row was locked: planning may be late
    if over:
        await _close_requests(one, granted, moot)
    return Done(await found(one.id), entry, action, partners=tuple(part.unit_id for part in parts), moot=tuple(moot))


def _named(actor: Actor, one: Obligation, at: Moment, action: str) -> dict[str, Any]:
    """Who acts, for whom where it is another's post, and in answer to which message."""
    named: dict[str, Any] = {} if actor is SYSTEM_ACTOR else {"name": actor.name}
    if whose := actor.acts_for(one.unit_id, *(HEAD_ONLY if action == "assign" else tuple(Role))):
        named["for"] = whose
    return {**named, "message": at.message} if at.message else named


async def _part_moved(one: Obligation, parts: Sequence[Change], now: datetime) -> None:
    for part in parts:
        if not await share_rows.apply(one.id, part, now):
            raise chains.StaleError(f"the part of unit {part.unit_id} in obligation {one.id} moved")


async def _moot(one: Obligation, granted: int | None) -> list[int]:
    """The open requests about it, but the one just granted: nobody need answer them any more."""
    return [request.id for request in await request_rows.open_on(one.id) if request.id != granted]


async def _close_requests(one: Obligation, granted: int | None, moot: list[int]) -> None:
    if await _moot(one, granted) != moot:
        raise chains.StaleError(f"somebody asked about obligation {one.id} meanwhile")
    for number in moot:
        await request_rows.answer(number, request_rows.MOOT)
