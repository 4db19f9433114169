"""What heads and officers say: 签收, 完成, 待办, 撤回."""

from collections.abc import Sequence
from dataclasses import replace

from bot.conversation import find, news, refusal
from bot.conversation.arranging import acting, mark
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.cases import consequences
from bot.conversation.counting import count
from bot.conversation.find import Found
from bot.conversation.supervisor import view
from bot.conversation.telling import PARTS, echo, is_counted, item, slot_named, wanted
from bot.store import addressees, oversight
from bot.wording import say
from bot.wording.grammar import EVERYTHING, DayError, is_courtesy, is_question, read_evidence
from duties import cases, obligations
from duties.cases import Law
from duties.errors import RefusedError
from duties.evidence import lacking
from duties.model import OPEN_STATES, Evidence, Obligation, Role, State
from duties.obligations import Done, Reporting
from duties.registry import Duty, StandingRule
from duties.store import reading

LISTED = 12
"""Lines of a list: more do not fit a phone."""
UNSEEN = (State.PENDING, State.RETURNED)
TOLD_TO_UNIT = frozenset({"waive", "unwaive", "assign"})
"""Acts that others were told of at once: they must hear that these were taken back."""


async def acknowledge(ask: Ask) -> Reply:
    """签收: one, or everything a button names."""
    if not (ask.holds(*HOLDERS) or ask.named or ask.words):
        return Reply(ask.say("acknowledge-supervisor"))
    meant = await _acknowledged(ask)
    if isinstance(meant, Reply):
        return meant
    todo = [one for one in meant.obligations if one.state in UNSEEN]
    if not todo:
        return await _nothing_new(ask, meant)
    done, refused = await refusal.each(todo, lambda number: obligations.acknowledge(ask.actor, number, ask.at))
    key = "next-report" if len(done) == 1 else "next-reports"
    notes = [await refusal.told(ask, "acknowledge", one) for one in refused]
    return await echo(ask, "echo-acknowledge", done, [*notes, ask.say(key, id=done[0].obligation.id)])


async def _acknowledged(ask: Ask) -> Found | Reply:
    if ask.words.lower() in EVERYTHING:
        return Found(tuple(await find.own(ask, UNSEEN)))
    if ask.words or ask.named or not ask.reminded:
        return await find.meant(ask, "acknowledge", lambda: find.own(ask, UNSEEN))
    listed = await find.numbered(ask, ask.listed, "")
    if isinstance(listed, Reply):
        return listed
    # A person with two posts may be told of others' work and their own in one message: only the own is acknowledged.
    return Found(tuple(one for one in listed.obligations if one.unit_id in ask.units) or listed.obligations)


async def _nothing_new(ask: Ask, meant: Found) -> Reply:
    for one in meant.obligations:
        await refusal.must_hold(ask, one, "acknowledge")
    if len(meant.obligations) != 1:
        return Reply(ask.say("acknowledged-all", n=len(meant.obligations)))
    return Reply(ask.say("acknowledged-already", **ask.facts(meant.obligations[0])), about=(meant.obligations[0].id,))


async def report(ask: Ask) -> Reply:
    """完成: with what shows it; asks for that when nothing was given."""
    meant = await find.meant(ask, "report", lambda: find.own(ask, OPEN_STATES))
    if isinstance(meant, Reply):
        return meant
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
    if problem := await _problem(ask, todo, evidence, meant.rest):
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
        answer = await obligations.report(ask.actor, one.id, evidence, ask.at, by)
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
    open_now = [one for one in own if one.state in OPEN_STATES]
    waiting = len(own) - len(open_now)
    reported = ask.say("mine-waiting", n=waiting) if waiting else ""
    if not open_now:
        return Reply("\n".join([*acting(ask), ask.say("mine-none", waiting=reported)]))
    late = sum(one.overdue(ask.today) for one in open_now)
    head = ask.say("mine-head-late" if late else "mine-head", n=len(open_now), late=late, waiting=reported)
    open_now.sort(key=lambda one: one.assignee != ask.actor.person_id)
    shown = open_now[:LISTED]
    return Reply(
        "\n".join([*acting(ask), head, *_lines(ask, shown, len(open_now))]),
        items=tuple(one.id for one in shown),
        found=len(open_now),
    )


def _lines(ask: Ask, shown: Sequence[Obligation], found: int) -> list[str]:
    lines = [item(ask, number, one) + mark(ask, one) for number, one in enumerate(shown, 1)]
    if found > len(shown):
        lines.append(ask.say("mine-more", n=found - len(shown)))
    return [*lines, ask.say("mine-foot")]


async def _watching(ask: Ask) -> Reply:
    """Who owes nothing but looks after others is told where to look."""
    seen = view(ask)
    late, _ = await oversight.late_counted(seen, ask.today)
    key = "mine-supervisor" if ask.holds(Role.SUPERVISOR) else "mine-watching"
    return Reply(ask.say(key, waiting=await oversight.waiting_counted(seen), late=late))


async def undo(ask: Ask) -> Reply:
    """撤回: take back the last act."""
    done = await obligations.undo(ask.actor, ask.at)
    if done.obligation.state in OPEN_STATES:
        await cases.unfollowed(ask.actor, Law(ask.registry, ask.around.workdays), done.obligation.id, ask.at)
    if done.undone in TOLD_TO_UNIT:
        act, state = say(f"act-{done.undone}"), say(f"state-{done.obligation.state}")
        await news.to_unit(ask, "news-undone", done.obligation, act=act, state=state)
    return await echo(ask, "echo-undo", [done])
