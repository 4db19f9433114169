"""What heads and officers say: 签收, 完成, 待办, 撤回."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.conversation import find, news, partners, refusal
from bot.conversation.arranging import acting, mark
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.cases import consequences
from bot.conversation.checklist import confirmed_note
from bot.conversation.counting import count
from bot.conversation.find import Found
from bot.conversation.supervisor import view
from bot.conversation.telling import PARTS, echo, is_counted, item, officers_reached, slot_named, wanted
from bot.store import addressees, oversight, snoozes
from bot.wording import say
from bot.wording.grammar import EVERYTHING, DayError, is_courtesy, is_question, read_evidence, read_numbers
from duties import checklist, obligations, undoing
from duties.cases import Law
from duties.checklist import is_standing
from duties.errors import RefusedError
from duties.evidence import lacking
from duties.model import OPEN_SHARES, OPEN_STATES, Evidence, Obligation, Role, ShareState, State
from duties.obligations import Done, Reporting
from duties.registry import Duty, StandingRule
from duties.store import reading, share_rows
from duties.store.share_rows import Share

LISTED = 10
"""Lines of a list: more do not fit a phone."""
PARTNERED = 6
"""Lines of shares beside them."""
UNSEEN = (State.PENDING, State.RETURNED)
TOLD_TO_UNIT = frozenset({"waive", "unwaive", "assign", "approve", "reject"})
"""Acts that others were told of at once: they must hear that these were taken back."""
KEPT_STATE = undoing.ASKED | {"approve", "reject"}
"""Acts that moved no state: what is told of their undoing is what became of the request."""


async def acknowledge(ask: Ask) -> Reply:
    """签收: one, or everything a button names."""
    if not (ask.holds(*HOLDERS) or ask.named or ask.words):
        return Reply(ask.say("acknowledge-supervisor"))
    meant = await _acknowledged(ask)
    if isinstance(meant, Reply):
        return meant
    held = await partners.parts(ask, meant.obligations, *ShareState)
    parts = {number: part for number, part in held.items() if part.state == ShareState.PENDING}
    theirs = {one.id for one in meant.obligations if one.id in held and one.unit_id not in ask.units}
    todo = [one for one in meant.obligations if one.id in parts or (one.state in UNSEEN and one.id not in theirs)]
    if not todo:
        return await _nothing_new(ask, meant, held)

    async def act(number: int) -> Done:
        if number in parts:
            return await partners.acknowledged(ask, number, parts[number])
        return await obligations.acknowledge(ask.actor, number, ask.at)

    done, refused = await refusal.each([one.id for one in todo], act)
    shared = [one for one in done if one.obligation.id in parts]
    own = [one for one in done if one.obligation.id not in parts]
    key = "next-report" if len(done) == 1 else "next-reports"
    notes = [*partners.echoed(ask, shared, parts), *[await refusal.told(ask, "acknowledge", one) for one in refused]]
    reply = await echo(ask, "echo-acknowledge", own, [*notes, ask.say(key, id=done[0].obligation.id)])
    return replace(reply, about=tuple(one.obligation.id for one in done))


async def _unseen(ask: Ask) -> list[Obligation]:
    """What the asker may acknowledge: the unit's own work, and its shares in that of others."""
    return _each_once(await find.own(ask, UNSEEN), await partners.owed(ask, ShareState.PENDING))


async def _reportables(ask: Ask) -> list[Obligation]:
    return _each_once(await find.own(ask, OPEN_STATES), await partners.owed(ask, *OPEN_SHARES))


def _each_once(*found: Sequence[Obligation]) -> list[Obligation]:
    return list({one.id: one for some in found for one in some}.values())


async def _acknowledged(ask: Ask) -> Found | Reply:
    if ask.words.lower() in EVERYTHING:
        return Found(tuple(await _unseen(ask)))
    if ask.words or ask.named or not ask.reminded:
        return await find.meant(ask, "acknowledge", lambda: _unseen(ask))
    listed = await find.numbered(ask, ask.listed, "")
    if isinstance(listed, Reply):
        return listed
    # A person with two posts may be told of others' work and their own in one message: only the own is acknowledged.
    shared = await partners.parts(ask, listed.obligations, *OPEN_SHARES)
    own = (one for one in listed.obligations if one.unit_id in ask.units or one.id in shared)
    return Found(tuple(own) or listed.obligations)


async def _nothing_new(ask: Ask, meant: Found, parts: Mapping[int, Share]) -> Reply:
    for one in meant.obligations:
        if one.id in parts and one.unit_id not in ask.units and len(meant.obligations) == 1:
            return partners.already(ask, one, parts[one.id])
        if one.id not in parts:
            await refusal.must_hold(ask, one, "acknowledge")
    if len(meant.obligations) != 1:
        return Reply(ask.say("acknowledged-all", n=len(meant.obligations)))
    (one,) = meant.obligations
    by = await refusal.brought(ask, one.id, refusal.moved)
    return Reply(ask.say("acknowledged-already", by=by, **ask.facts(one)), about=(one.id,))


async def report(ask: Ask) -> Reply:
    """完成: with what shows it; asks for that when nothing was given."""
    meant = await find.meant(ask, "report", lambda: _reportables(ask))
    if isinstance(meant, Reply):
        return meant
    return await _as_partner(ask, meant) or await _as_lead(ask, meant)


async def _as_partner(ask: Ask, meant: Found) -> Reply | None:
    """The answer of a co-responsible unit, if that is what the asker owes here."""
    parts = await partners.parts(ask, meant.obligations, *ShareState)
    theirs = [
        one
        for one in meant.obligations
        if one.id in parts and (parts[one.id].state in OPEN_SHARES or one.unit_id not in ask.units)
    ]
    if not theirs:
        return None
    if len(meant.obligations) > 1:
        return find.choose(ask, "report", meant.obligations, meant.rest)
    return await partners.answer(ask, theirs[0], parts[theirs[0].id], meant.rest)


async def _as_lead(ask: Ask, meant: Found) -> Reply:
    one = meant.obligations[0]
    duty = ask.duty(one.duty)
    if len(meant.obligations) > 1:
        if len({_wanted(ask.duty(each.duty)) for each in meant.obligations}) > 1 or is_counted(duty):
            reply = find.choose(ask, "report", meant.obligations, meant.rest)
            return replace(reply, text="\n".join([ask.say("evidence-differs"), reply.text]))
    elif is_counted(duty):
        return await count(ask, one, duty, meant.rest)
    todo, refused = await _reportable(ask, meant.obligations)
    notes = [await refusal.told(ask, "report", each) for each in refused]
    try:
        evidence = read_evidence(meant.rest, ask.today)
    except DayError as error:
        return _with(notes, _asking(ask, todo, "no-such-day", text=error))
    by_item = all(is_standing(ask.registry, one) for one in todo)  # its answers are its evidence
    if not by_item and (problem := await _problem(ask, todo, evidence, meant.rest)):
        return _with(notes, problem)
    return await _reported(ask, todo, evidence, notes)


def _wanted(duty: Duty) -> tuple[frozenset[str], bool, bool]:
    """The kind of evidence a duty takes: of several alike, one answer may show all."""
    needs = frozenset(need for slot in duty.evidence for need in slot.needs)
    return needs, duty.may_be_empty or isinstance(duty.rule, StandingRule), is_counted(duty)


async def _reportable(ask: Ask, meant: Sequence[Obligation]) -> tuple[list[Obligation], list[RefusedError]]:
    """Those that may be reported, and why the others may not. Raises when none may."""
    todo: list[Obligation] = []
    refused: list[RefusedError] = []
    for one in meant:
        try:
            await refusal.must_hold(ask, one, "report", *OPEN_STATES)
            await obligations.must_be_answered(one)
            if is_standing(ask.registry, one):
                await checklist.must_be_answered(ask.registry, one)
            todo.append(one)
        except RefusedError as reason:
            refused.append(reason)
    if not todo:
        raise refused[0]
    return todo, refused


def _with(notes: Sequence[str], reply: Reply) -> Reply:
    return replace(reply, text="\n".join([*notes, reply.text]))


async def _reported(ask: Ask, todo: Sequence[Obligation], evidence: Evidence, notes: list[str]) -> Reply:
    """Each with its own line of the ledger; of several, what is noted about one says which."""
    done, shown, lines = [], [], []
    for one in todo:
        by = Reporting(await wanted(ask, one), ask.around.head_confirms)
        answer = await _one_reported(ask, one, evidence, by)
        after = answer.obligation
        if answer.action == "show":
            shown.append(answer)
            lines.append(await _still_open(ask, answer, by))
            continue
        done.append(answer)
        said = [*_report_notes(ask, after), *await consequences(ask, after)]
        notes += said if len(todo) == 1 else [ask.say("note-of", id=one.id, text=text) for text in said]
    reply = await echo(ask, "echo-report", done, [*notes, *lines])
    open_ids = [one.obligation.id for one in shown]
    question = ask.question("evidence", "report", *open_ids) if open_ids else None
    return replace(reply, about=(*reply.about, *open_ids), question=question)


async def _one_reported(ask: Ask, one: Obligation, evidence: Evidence, by: Reporting) -> Done:
    """What shows a checklist done is its answers, counted; whatever else was said stands beside them."""
    if not is_standing(ask.registry, one):
        return await obligations.report(ask.actor, one.id, evidence, ask.at, by)
    counted = confirmed_note(ask, await checklist.read(ask.registry, one))
    shown = replace(evidence, note="\uff1b".join(filter(None, (counted, evidence.note))), empty=False)
    return await checklist.report(ask.actor, ask.registry, one.id, shown, ask.at, by)


async def _still_open(ask: Ask, answer: Done, by: Reporting) -> str:
    """What was kept of a report that could not be made yet, and what it waits for."""
    one = answer.obligation
    lacks = lacking(by.slots, await reading.evidence_of(one.id))
    kept = ask.say("echo-shown", entry=answer.entry, **ask.facts(one))
    if lacks:
        return f"{kept}\n{ask.say('echo-lacking', slots=[slot_named(ask, each.slot, each.needs) for each in lacks])}"
    heads = await addressees.of_unit(one.unit_id, (Role.HEAD,), ask.today, ask.at.now)
    button = (say("button-report"), f"report:{one.id}", "primary")
    told = await news.tell(ask, "news-confirm", one, heads, (button,))
    who = await reading.holders(one.unit_id, (Role.HEAD,), ask.today)
    return f"{kept}\n{ask.say('echo-head-confirms' if told else 'echo-head-unreached', who=who, id=one.id)}"


async def _problem(ask: Ask, todo: Sequence[Obligation], evidence: Evidence, words: str) -> Reply | None:
    """What is wrong with the evidence, as a question for better."""
    needs, may_be_empty, _ = _wanted(ask.duty(todo[0].duty))
    if evidence.done_on and evidence.done_on > ask.today:
        return _asking(ask, todo, "day-future", day=evidence.done_on)
    if evidence.empty and not may_be_empty:
        return _asking(ask, todo, "cannot-be-empty")
    if evidence.exempt_from and not evidence.exempt:
        return _asking(ask, todo, "exempt-why")
    unclear = is_courtesy(words) or is_question(words)
    if (not evidence and not await _all_shown(ask, todo)) or (ask.asked and words and unclear):
        return await _evidence_wanted(ask, todo, needs)
    # What is said within half an hour of a question need not be its answer: words alone count where words are wanted.
    said_only = evidence.note and not (evidence.number or evidence.done_on or evidence.link or evidence.exempt)
    if ask.asked and said_only and "note" not in needs:
        return _asking(ask, todo, "evidence-unclear")
    return None


async def _all_shown(ask: Ask, todo: Sequence[Obligation]) -> bool:
    """Whether nothing is lacking any more: then the word alone makes the report."""
    for one in todo:
        kept = [] if one.state == State.RETURNED else await reading.evidence_of(one.id)
        if not kept or lacking(await wanted(ask, one), kept):
            return False
    return True


async def _evidence_wanted(ask: Ask, todo: Sequence[Obligation], needs: frozenset[str]) -> Reply:
    if len(todo) > 1:
        named = [ask.say(f"need-{need}") for need in PARTS if need in needs]
        return _asking(ask, todo, "evidence-wanted-several", n=len(todo), needs=named)
    (one,) = todo
    kept = [] if one.state == State.RETURNED else await reading.evidence_of(one.id)
    named = [slot_named(ask, each.slot, each.needs) for each in lacking(await wanted(ask, one), kept)]
    return _asking(ask, todo, "evidence-wanted", slots=named)


def _asking(ask: Ask, todo: Sequence[Obligation], key: str, **facts: object) -> Reply:
    question = ask.question("evidence", "report", *(one.id for one in todo))
    return Reply(ask.say(key, **ask.facts(todo[0]), **facts), question=question)


def _report_notes(ask: Ask, one: Obligation) -> list[str]:
    notes = [ask.say("echo-backdated", day=one.done_on)] if one.backdated else []
    if one.done_on and one.done_on > one.due:
        notes.append(ask.say("echo-late", days=(one.done_on - one.due).days))
    return notes


async def mine(ask: Ask) -> Reply:
    """待办: what the asker's units owe, most urgent first."""
    if not ask.units:
        return await _watching(ask)
    own = await find.own(ask)
    parts = await share_rows.held_by(ask.units, ask.today)
    open_now = [one for one in own if one.state in OPEN_STATES]
    waiting = len(own) - len(open_now)
    reported = ask.say("mine-waiting", n=waiting) if waiting else ""
    if not open_now and not parts:
        return Reply("\n".join([*acting(ask), ask.say("mine-none", waiting=reported)]))
    late = sum(one.overdue(ask.today) for one in open_now)
    head = ask.say("mine-head-late" if late else "mine-head", n=len(open_now), late=late, waiting=reported)
    open_now.sort(key=lambda one: one.assignee != ask.actor.person_id)
    shown = open_now[:LISTED]
    lines, shared = await _partnered(ask, parts, len(shown) + 1)
    text = [*acting(ask), head, *await _lines(ask, shown, len(open_now)), *lines, ask.say("mine-foot")]
    items = (*(one.id for one in shown), *shared)
    return Reply("\n".join(text), items=items, found=len(open_now) + len(parts))


async def _lines(ask: Ask, shown: Sequence[Obligation], found: int) -> list[str]:
    reached = await officers_reached(ask, shown)
    lines = [item(ask, number, one) + reached.get(one.id, "") + mark(ask, one) for number, one in enumerate(shown, 1)]
    if found > len(shown):
        lines.append(ask.say("mine-more", n=found - len(shown)))
    return lines


async def _partnered(ask: Ask, parts: Sequence[Share], first: int) -> tuple[list[str], tuple[int, ...]]:
    """What the asker's units owe as partners, numbered on, and the obligations these numbers stand for."""
    if not parts:
        return [], ()
    lines, items = [ask.say("shares-head", n=len(parts))], []
    for number, part in enumerate(parts[:PARTNERED], first):
        one = await reading.obligation(part.obligation_id)
        assert one is not None
        lines.append(partners.item(ask, number, one, part))
        items.append(one.id)
    return lines, tuple(items)


async def _watching(ask: Ask) -> Reply:
    """Who owes nothing but looks after others is told where to look."""
    seen = view(ask)
    late, _ = await oversight.late_counted(seen, ask.today)
    key = "mine-supervisor" if ask.holds(Role.SUPERVISOR) else "mine-watching"
    return Reply(ask.say(key, waiting=await oversight.waiting_counted(seen), late=late))


async def undo(ask: Ask) -> Reply:
    """撤回: take back the last answer, every line of it; with numbers, the last act on each of those."""
    numbers = ask.named
    if ask.words and not numbers:
        mentions = read_numbers(ask.words)
        meant = await find.mentioned(ask, mentions, "") if mentions else Reply(ask.say("undo-how", words=ask.words))
        if isinstance(meant, Reply):
            return meant
        numbers = tuple(one.id for one in meant.obligations)
    deeds = {} if numbers else {one.obligation: one for one in await undoing.last_answer(ask.actor, ask.at)}
    law = Law(ask.registry, ask.around.workdays)

    async def take_back(number: int) -> Done:
        deed = deeds.get(number) or (await undoing.last_answer(ask.actor, ask.at, number))[0]
        return await undoing.take_back(ask.actor, law, deed, ask.at)

    done, refused = await refusal.each(numbers or tuple(deeds), take_back)
    for one in done:
        await _tell_undone(ask, one)
    notes = [await refusal.told(ask, "undo", one) for one in refused]
    return await _undone(ask, done, notes)


async def _undone(ask: Ask, done: Sequence[Done], notes: Sequence[str]) -> Reply:
    """What is as it was before; of a request, what became of that."""
    kept = [one for one in done if one.undone not in KEPT_STATE]
    reply = await echo(ask, "echo-undo", kept, notes)
    lines = [
        ask.say(f"echo-undo-{one.undone}", entry=one.entry, **ask.facts(one.obligation))
        for one in done
        if one.undone in KEPT_STATE
    ]
    return replace(
        reply, text="\n".join([*lines, *reply.text.splitlines()]), about=tuple(one.obligation.id for one in done)
    )


async def _tell_undone(ask: Ask, done: Done) -> None:
    """Whoever was told of an act at once hears that it was taken back."""
    one = done.obligation
    await partners.undone(ask, done)
    if done.undone == "snooze":
        await snoozes.take_back(ask.actor.person_id, one.id)
    act, state = say(f"act-{done.undone}"), say(f"state-{one.state}")
    if done.undone in undoing.ASKED:
        whom = await addressees.over_unit(one.unit_id, ask.today, ask.at.now)
        await news.tell(ask, "news-undone", one, whom, act=act, state=state, due=one.due)
    elif done.undone in TOLD_TO_UNIT:
        await news.to_unit(ask, "news-undone", one, act=act, state=state, due=one.due)
