"""完成: a report with what shows it, asked for bit by bit where it is not all there."""

from collections.abc import Sequence
from dataclasses import replace

from bot.conversation import find, news, partners, refusal
from bot.conversation.ask import Ask, Reply
from bot.conversation.cases import consequences
from bot.conversation.checklist import confirmed_note
from bot.conversation.counting import count
from bot.conversation.find import Found
from bot.conversation.telling import PARTS, all_shown, echo, is_counted, slot_named, wanted
from bot.store import addressees
from bot.wording import say
from bot.wording.grammar import DayError, is_courtesy, is_question, read_evidence, reasoned
from duties import checklist, obligations
from duties.checklist import is_standing
from duties.errors import RefusedError
from duties.evidence import lacking
from duties.model import OPEN_SHARES, OPEN_STATES, Evidence, Obligation, Role, ShareState
from duties.obligations import Done, Reporting
from duties.registry import Duty, StandingRule
from duties.store import reading


async def report(ask: Ask) -> Reply:
    """完成: with what shows it; asks for that when nothing was given."""
    meant = await find.meant(ask, "report", lambda: partners.working(ask, OPEN_STATES, *OPEN_SHARES))
    if isinstance(meant, Reply):
        return meant
    return await _as_partner(ask, meant) or await _as_lead(ask, meant)


async def offered(ask: Ask) -> Reply:
    """A document's number or a link without 完成: nothing is recorded, but whether to report it is asked."""
    own = await partners.working(ask, OPEN_STATES, *OPEN_SHARES)

    async def known() -> list[Obligation]:
        return own

    meant = await find.meant(ask, "report", known)
    if isinstance(meant, Found) and len(meant.obligations) > 1:
        meant = find.choose(ask, "report", meant.obligations, meant.rest)
    if isinstance(meant, Reply):
        return replace(meant, text="\n".join([ask.say("evidence-seen"), meant.text])) if meant.question else meant
    (one,) = meant.obligations
    if one.id not in {each.id for each in own}:
        await refusal.must_hold(ask, one, "report", *OPEN_STATES)
    question = ask.question("choose", "report", one.id, rest=meant.rest)
    return Reply(ask.say("evidence-offered", shown=meant.rest, **ask.facts(one)), about=(one.id,), question=question)


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
    words = reasoned(ask.before, meant.rest) if ask.asked and ask.before else meant.rest
    todo, refused = await _reportable(ask, meant.obligations, bare=not words)
    notes = [await refusal.told(ask, "report", each) for each in refused]
    try:
        evidence = read_evidence(words, ask.today)
    except DayError as error:
        return _with(notes, _asking(ask, todo, "no-such-day", text=error))
    by_item = all(is_standing(ask.registry, one) for one in todo)  # its answers are its evidence
    if not by_item and (problem := await _problem(ask, todo, evidence, words)):
        return _with(notes, problem)
    return await _reported(ask, todo, evidence, notes)


def _wanted(duty: Duty) -> tuple[frozenset[str], bool, bool]:
    """The kind of evidence a duty takes: of several alike, one answer may show all."""
    needs = frozenset(need for slot in duty.evidence for need in slot.needs)
    return needs, duty.may_be_empty or isinstance(duty.rule, StandingRule), is_counted(duty)


async def _reportable(
    ask: Ask, meant: Sequence[Obligation], *, bare: bool
) -> tuple[list[Obligation], list[RefusedError]]:
    """Those that may be reported, and why the others may not. Raises when none may.

    What shows it is kept while a partner has not answered; `bare` is the word alone, of which nothing could be kept.
    """
    todo: list[Obligation] = []
    refused: list[RefusedError] = []
    for one in meant:
        try:
            await refusal.must_hold(ask, one, "report", *OPEN_STATES)
            if bare:
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
    done, about, lacks, lines = [], [], [], []
    for one in todo:
        by = Reporting(await wanted(ask, one), ask.around.head_confirms)
        answer = await _one_reported(ask, one, evidence, by)
        after = answer.obligation
        if answer.action == "show":
            about.append(one.id)
            lines.append(await _still_open(ask, answer, by))
            lacks += [] if await all_shown(ask, after) else [one.id]
            continue
        done.append(answer)
        said = [*_report_notes(ask, after), *await consequences(ask, after)]
        notes += said if len(todo) == 1 else [ask.say("note-of", id=one.id, text=text) for text in said]
    reply = await echo(ask, "echo-report", done, [*notes, *lines])
    question = ask.question("evidence", "report", *lacks) if lacks else None
    return replace(reply, about=(*reply.about, *about), question=question)


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
    awaited = await partners.awaited(ask, one)
    if lacks:
        slots = [slot_named(ask, each.slot, each.needs) for each in lacks]
        return "\n".join([kept, ask.say("share-lacking" if awaited else "echo-lacking", slots=slots), *awaited])
    if awaited:
        return "\n".join([kept, *awaited])
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
    if evidence.unexplained:
        return _asking(ask, todo, "exempt-why", words)
    unclear = is_courtesy(words) or is_question(words)
    shown = evidence or all([await all_shown(ask, one) for one in todo])
    if not shown or (ask.asked and words and unclear):
        return await _evidence_wanted(ask, todo, needs)
    # What is said within half an hour of a question need not be its answer: words alone count where words are wanted.
    said_only = evidence.note and not (evidence.number or evidence.done_on or evidence.link or evidence.exempt)
    if ask.asked and said_only and "note" not in needs:
        return _asking(ask, todo, "evidence-unclear")
    return None


async def _evidence_wanted(ask: Ask, todo: Sequence[Obligation], needs: frozenset[str]) -> Reply:
    if len(todo) > 1:
        named = [ask.say(f"need-{need}") for need in PARTS if need in needs]
        return _asking(ask, todo, "evidence-wanted-several", n=len(todo), needs=named)
    (one,) = todo
    kept = await reading.evidence_of(one.id)
    named = [slot_named(ask, each.slot, each.needs) for each in lacking(await wanted(ask, one), kept)]
    return _asking(ask, todo, "evidence-wanted", slots=named)


def _asking(ask: Ask, todo: Sequence[Obligation], key: str, before: str = "", **facts: object) -> Reply:
    """A question for evidence; `before` is what was said already and is completed by the answer."""
    question = ask.question("evidence", "report", *(one.id for one in todo), rest=before)
    return Reply(ask.say(key, **ask.facts(todo[0]), **facts), question=question)


def _report_notes(ask: Ask, one: Obligation) -> list[str]:
    notes = [ask.say("echo-backdated", day=one.done_on)] if one.backdated else []
    if one.done_on and not one.stop and one.done_on > one.due:
        notes.append(ask.say("echo-late", days=(one.done_on - one.due).days))
    return notes
