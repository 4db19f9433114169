"""配合 and 免配合, and what a co-responsible unit says: its 签收 and 完成 are about its own share, never the lead's."""

from collections.abc import Sequence
from typing import Any

from bot.conversation import find, news
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.narrow import units_called
from bot.conversation.telling import PARTS, all_shown
from bot.store import addressees, people, shared
from bot.store.oversight import Narrow, View
from bot.wording import say, shortened
from bot.wording.grammar import (
    LONGEST_TOPIC,
    DayError,
    as_taken_back,
    is_courtesy,
    is_question,
    read_evidence,
)
from bot.wording.groups import timing
from duties import shares, undoing
from duties.model import OPEN_SHARES, OPEN_STATES, Obligation, Role, ShareState, State
from duties.obligations import Done, overseen_with
from duties.shares import Part
from duties.store import reading, share_rows
from duties.store.share_rows import Share

OFFERED = ("acknowledge", "report", "detail")
LIKELY = 5
SHOWN = 5
"""Shares in an answer whose subject is something else."""


async def parts(ask: Ask, obligations: Sequence[Obligation], *states: ShareState) -> dict[int, Share]:
    """The shares in which the asker may answer for a partner, by obligation; nothing for what is plainly their own."""
    found = await share_rows.among(ask.units, [one.id for one in obligations])
    return {share.obligation_id: share for share in found if share.state in states}


async def part_in(ask: Ask, one: Obligation) -> Share | None:
    """The share in which the asker speaks for a partner, in whatever state; None for the lead's own people."""
    return None if one.unit_id in ask.units else (await parts(ask, (one,), *ShareState)).get(one.id)


async def working(ask: Ask, states: Sequence[State], *shared_in: ShareState) -> list[Obligation]:
    """The work of the asker's units in these states, and that of others in which they have such a share; each once."""
    found = [*await find.own(ask, states), *await owed(ask, *shared_in)]
    return list({one.id: one for one in found}.values())


async def owed(ask: Ask, *states: ShareState) -> list[Obligation]:
    """The obligations in which the asker's units have still to answer as partners."""
    owing = await share_rows.held_by(ask.units, ask.today, hidden=ask.hidden)
    held = [share for share in owing if share.state in states]
    found = [await reading.obligation(number) for number in dict.fromkeys(share.obligation_id for share in held)]
    return [one for one in found if one is not None]


async def share(ask: Ask) -> Reply:
    """配合: the lead's head or a supervisor names a co-responsible unit, or takes one back."""
    meant = await find.meant(ask, "share-add", lambda: _leading(ask))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "share-add", meant.obligations, meant.rest)
    return await named(ask, meant.obligations[0], meant.rest)


async def _leading(ask: Ask) -> list[Obligation]:
    own = await find.own(ask, OPEN_STATES) if ask.holds(Role.HEAD) else []
    return own or await find.watched(ask, OPEN_STATES)


async def named(ask: Ask, one: Obligation, words: str) -> Reply:
    """A unit is named partner of an obligation, or is none any more."""
    await shares.may_add(ask.actor, ask.duty(one.duty), one, ask.at)
    name, gone = as_taken_back(words)
    if not name or is_courtesy(name):
        return await _whom(ask, one, "share-whom", name)
    if gone:
        partner = await _of(one, name)
        return await _removed(ask, one, partner) if partner else await _whom(ask, one, "share-none-such", name)
    units = [row for row in await units_called(name) if row["id"] != one.unit_id]
    over = await reading.overseen(one.unit_id) or ""
    near = [row for row in units if row["path"].startswith(over)] or units
    if len(near) != 1:
        return await _whom(ask, one, "share-several" if near else "share-unknown", name, near[:LIKELY])
    return await _added(ask, one, near[0]["id"])


async def _whom(ask: Ask, one: Obligation, key: str, words: str, near: Sequence[dict[str, Any]] = ()) -> Reply:
    held = [each.unit for each in await share_rows.of(one.id) if each.state != ShareState.RELEASED]
    names = [row["name"] for row in near] or held or [ask.say("share-nobody")]
    question = ask.question("partner", "share-add", one.id)
    return Reply(ask.say(key, words=words, names=names, **ask.facts(one)), question=question)


async def _added(ask: Ask, one: Obligation, unit: int) -> Reply:
    part = await shares.add(ask.actor, ask.duty(one.duty), one.id, unit, ask.at)
    reached = await _tell(ask, "news-share", part, OFFERED)
    return _echo(ask, "echo-share-add", part, [] if reached else [ask.say("share-unreached", partner=part.share.unit)])


async def _removed(ask: Ask, one: Obligation, partner: Share) -> Reply:
    part = await shares.remove(ask.actor, one.id, partner.unit_id, ask.at)
    await _tell(ask, "news-share-removed", part)
    freed = not await _complete(ask, part.obligation) and ask.actor.holds(one.unit_id, *HOLDERS)
    return _echo(ask, "echo-share-remove", part, [ask.say("share-none-left", id=one.id)] if freed else [])


async def release(ask: Ask) -> Reply:
    """免配合: a supervisor lets a partner off, with a reason."""
    meant = await find.meant(ask, "share-release", lambda: find.watched(ask, OPEN_STATES))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "share-release", meant.obligations, meant.rest)
    one = meant.obligations[0]
    said = f"{ask.before} {meant.rest}".strip() if ask.asked else meant.rest
    name, _, rest = said.partition(" ")
    partner, reason = await _of(one, name), rest.strip()
    if partner is None:
        held = await share_rows.unanswered(one.id)
        partner, reason = (held[0], said) if len(held) == 1 and said else (None, "")
    if partner is None:
        return await _which(ask, one)
    await shares.may_release(ask.actor, one, partner.unit_id, ask.at)
    if not reason or is_courtesy(reason) or (ask.asked and is_question(reason)):
        text = ask.say("share-reason-wanted", partner=partner.unit, **ask.facts(one))
        return Reply(text, question=ask.question("reason", "share-release", one.id, rest=partner.unit))
    part = await shares.release(ask.actor, one.id, partner.unit_id, reason[:LONGEST_TOPIC], ask.at)
    await _tell(ask, "news-share-released", part, reason=reason[:LONGEST_TOPIC])
    await _complete(ask, part.obligation)
    return _echo(ask, "echo-share-release", part, reason=reason[:LONGEST_TOPIC])


async def _which(ask: Ask, one: Obligation) -> Reply:
    held = [each.unit for each in await share_rows.unanswered(one.id)]
    if not held:
        return Reply(ask.say("share-none-open", **ask.facts(one)), about=(one.id,))
    text = ask.say("share-which", names=held, **ask.facts(one))
    return Reply(text, question=ask.question("reason", "share-release", one.id))


async def _of(one: Obligation, name: str) -> Share | None:
    """The partner that a word names, if it names one of this obligation's."""
    held = {each.unit_id: each for each in await share_rows.of(one.id)}
    if not held or len(name) < 2:  # noqa: PLR2004  a single character names nothing
        return None
    for row in await reading.units_named():
        if row["id"] in held and any(
            name.lower() in each.lower() for each in (row["name"], *reading.names(row["aliases"]))
        ):
            return held[row["id"]]
    return None


async def returned(one: Obligation, words: str) -> tuple[Share | None, str]:
    """The partner that a supervisor names before the reason of a return, and the reason."""
    name, _, reason = words.partition(" ")
    partner = await _of(one, name) if reason.strip() else None
    if partner is None or partner.state != ShareState.ANSWERED:
        return None, words
    return partner, reason.strip()


async def told_returned(ask: Ask, done: Done, partner: Share, reason: str) -> str:
    """Tell the partner whose share is to be answered anew; the line that says so to who sent it back."""
    whom = await addressees.of_unit(partner.unit_id, HOLDERS, ask.today, ask.at.now)
    one = done.obligation
    await news.tell(ask, "news-share-returned", one, whom, _buttons(one), partner=partner.unit, reason=reason)
    return ask.say("share-returned", partner=partner.unit)


async def acknowledged(ask: Ask, number: int, part: Share) -> Done:
    """签收 of a share."""
    return (await shares.acknowledge(ask.actor, number, part.unit_id, ask.at)).done


async def noted(ask: Ask, one: Obligation, part: Share, text: str) -> Reply:
    """进展 of a share."""
    done = await shares.note(ask.actor, one.id, part.unit_id, text, ask.at)
    key = "echo-share-note-acknowledged" if part.state == ShareState.PENDING else "echo-share-note"
    return _echo(ask, key, done, text=text)


async def of_lead(ask: Ask, one: Obligation, key: str, *, owed_again: bool = False, **facts: Any) -> None:
    """Tell the partners that have not answered what became of the lead's obligation; who is of the lead, knows."""
    buttons = _buttons(one) if owed_again else ()
    known = {each.person for each in await addressees.of_unit(one.unit_id, HOLDERS, ask.today, ask.at.now)}
    for part in await share_rows.unanswered(one.id):
        holders = await addressees.of_unit(part.unit_id, HOLDERS, ask.today, ask.at.now)
        whom = [each for each in holders if each.person not in known]
        known |= {each.person for each in whom}
        await news.tell(ask, key, one, whom, buttons, partner=part.unit, **facts)


async def answer(ask: Ask, one: Obligation, part: Share, words: str) -> Reply:
    """完成 by a partner: what it hands in, or the question for it."""
    await shares.may_answer(ask.actor, one.id, part.unit_id, ask.at)
    try:
        evidence = read_evidence(words, ask.today)
    except DayError as error:
        return _asking(ask, one, part, "no-such-day", text=error)
    if evidence.done_on and evidence.done_on > ask.today:
        return _asking(ask, one, part, "day-future", day=evidence.done_on)
    if not evidence or evidence.unexplained or (ask.asked and (is_courtesy(words) or is_question(words))):
        return _asking(ask, one, part, "share-evidence-wanted")
    done = await shares.answer(ask.actor, one.id, part.unit_id, evidence, ask.at)
    missing = await _complete(ask, done.obligation)
    note = ask.say("share-still-open", names=missing) if missing else ask.say("share-complete")
    return _echo(ask, "echo-share-answer", done, [note])


def _asking(ask: Ask, one: Obligation, part: Share, key: str, **facts: object) -> Reply:
    question = ask.question("evidence", "report", one.id)
    return Reply(ask.say(key, partner=part.unit, **ask.facts(one), **facts), question=question)


async def _complete(ask: Ask, one: Obligation) -> list[str]:
    """Who has still to answer; when nobody has, the lead is told, and offered the report that lacks nothing else."""
    missing = [each.unit for each in await share_rows.unanswered(one.id)]
    if not missing:
        shown = await all_shown(ask, one)
        whom = await addressees.of_unit(one.unit_id, HOLDERS, ask.today, ask.at.now)
        button = ((say("button-report"), f"report:{one.id}", "primary"),) if shown else ()
        await news.tell(ask, "news-shares-shown" if shown else "news-shares-complete", one, whom, button)
    return missing


async def awaited(ask: Ask, one: Obligation) -> list[str]:
    """What a report still waits for: who has not answered, and who could let them off. Empty when all have."""
    missing = await share_rows.unanswered(one.id)
    if not missing:
        return []
    zone = ask.at.now.tzinfo
    names = [ask.say("share-missing", unit=each.unit, since=each.since.astimezone(zone).date()) for each in missing]
    who = await people.supervisors_over(await overseen_with(one, missing), ask.today) or ask.say("who-nobody")
    return [ask.say("share-awaited", n=len(missing), missing=names, who=who, id=one.id)]


async def undone(ask: Ask, done: Done) -> None:
    """An undo is told to the partner it is about; the lead hears by whom it waits again, or that it waits no more."""
    act = say(f"act-{done.undone}")
    for unit in done.partners if done.undone not in undoing.UNTOLD else ():
        part = await share_rows.found(done.obligation.id, unit)
        assert part is not None
        facts: dict[str, Any] = {"act": act, "partner": part.unit, "share": say(f"share-{part.state}")}
        one, own, awaits = done.obligation, ask.actor.holds(unit, *HOLDERS), part.state in OPEN_SHARES
        if not own:
            whom = await addressees.of_unit(unit, HOLDERS, ask.today, ask.at.now)
            await news.tell(ask, "news-share-undone", one, whom, **facts)
        if own or awaits:
            await news.to_unit(ask, "news-share-undone", one, **facts)
        elif one.state in OPEN_STATES and await all_shown(ask, one):
            await _complete(ask, one)


async def echoed_undone(ask: Ask, done: Sequence[Done]) -> list[str]:
    """What became of the parts that an undo put back; the lead's obligation stays as it is."""
    lines = []
    for one in done:
        for unit in one.partners if one.undone in undoing.PARTNERS else ():
            part = await share_rows.found(one.obligation.id, unit)
            assert part is not None
            facts = {"partner": part.unit, "share": ask.say(f"share-{part.state}"), "entry": one.entry}
            lines.append(ask.say("echo-undo-share", **ask.facts(one.obligation), **facts))
    return lines


async def _tell(ask: Ask, key: str, part: Part, verbs: Sequence[str] = (), **facts: Any) -> int:
    """Tell head and officers of the partner. Returns how many could be told."""
    whom = await addressees.of_unit(part.share.unit_id, HOLDERS, ask.today, ask.at.now)
    one = part.obligation
    buttons = _buttons(one) if verbs else ()
    return await news.tell(ask, key, one, whom, buttons, partner=part.share.unit, **facts)


def _buttons(one: Obligation) -> tuple[tuple[str, str, str], ...]:
    return tuple((say(f"button-{verb}"), f"{verb}:{one.id}", "plain") for verb in OFFERED)


def _echo(ask: Ask, key: str, part: Part, notes: Sequence[str] = (), **facts: Any) -> Reply:
    one = part.obligation
    text = ask.say(key, partner=part.share.unit, entry=part.entry, **ask.facts(one), **facts)
    return Reply("\n".join([text, *notes]), about=(one.id,))


def echoed(ask: Ask, done: Sequence[Done], acting: dict[int, Share]) -> list[str]:
    """What was recorded of shares that were acknowledged."""
    return [
        ask.say(
            "echo-share-acknowledge", partner=acting[one.obligation.id].unit, entry=one.entry,
            **ask.facts(one.obligation),
        )
        for one in done
    ]  # fmt: skip


def already(ask: Ask, one: Obligation, part: Share) -> Reply:
    """Nothing is left to acknowledge."""
    share_state = ask.say(f"share-{part.state}")
    return Reply(ask.say("share-already", partner=part.unit, share=share_state, **ask.facts(one)), about=(one.id,))


def item(ask: Ask, number: int, one: Obligation, part: Share) -> str:
    """A partner's share as a line of 待办."""
    facts = ask.facts(one) | timing(one.due, one.stop, ask.today, ask.language)
    return ask.say("share-line", number=number, share=ask.say(f"share-{part.state}"), **facts)


async def detail(ask: Ask, one: Obligation) -> list[str]:
    """Each partner with its state and what it handed in."""
    return [_standing(ask, each) for each in await share_rows.of(one.id)]


def _standing(ask: Ask, part: Share) -> str:
    said: list[str] = []
    for shown in part.evidence:
        said += [ask.say("evidence-empty")] if shown.get("empty") else []
        said += [shortened(str(shown[name]), LONGEST_TOPIC) for name in PARTS if name in shown and name != "date"]
    if part.done_on is not None:
        said.insert(0, ask.say("share-done-on", day=part.done_on))
    if part.reason:
        known = part.reason in shares.BY_ITSELF
        said.append(ask.say(f"share-reason-{part.reason}") if known else part.reason)
    words = ask.say("detail-words", words=said) if said else ""
    return ask.say("detail-share", partner=part.unit, share=ask.say(f"share-{part.state}"), words=words)


def buttons(ask: Ask, one: Obligation, part: Share | None) -> tuple[tuple[str, str, str], ...]:
    """What a partner may press beside the details."""
    if part is None or one.state not in OPEN_STATES or part.state not in OPEN_SHARES:
        return ()
    verbs = ("report",) if part.state == ShareState.ACKNOWLEDGED else ("acknowledge", "report")
    return tuple((ask.say(f"button-{verb}"), f"{verb}:{one.id}", "plain") for verb in verbs)


async def unanswered(ask: Ask, view: View, kind: shared.Kind, narrow: Narrow) -> list[str]:
    """What partners owe, beside the totals of a question; nothing where there is none."""
    found = await shared.counted(view, kind, ask.today, narrow)
    if not found:
        return []
    rows = await shared.listed(view, kind, ask.today, SHOWN, narrow)
    lines = [
        ask.say(
            "shares-line", unit=row["unit"], title=ask.title(row["duty"]), term=ask.term(row["term"]), lead=row["lead"],
            left=ask.timing(row)["left"], share=ask.say(f"share-{row['state']}"), id=row["id"],
        )
        for row in rows
    ]  # fmt: skip
    more = [ask.say("more-items", n=found - len(rows))] if found > len(rows) else []
    return [ask.say(f"shares-{kind}", n=found), *lines, *more]
