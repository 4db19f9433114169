"""What heads and officers say: 签收, 完成, 待办, 学法, 详情, 撤回."""

from collections.abc import Sequence

from bot.conversation import find
from bot.conversation.ask import Ask, Question, Reply
from bot.conversation.find import Found
from bot.wording.grammar import ATTENDED, DAY, EDGES, EVERYTHING, HASH_NUMBER, DayError, read_day, read_evidence
from bot.wording.groups import left
from duties import obligations
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import OPEN_STATES, Force, Obligation, Role, State
from duties.obligations import Done
from duties.registry import CountedRule, Duty, Provision, StandingRule
from duties.store import reading
from duties.store.chains import history
from duties.store.reading import Filter

LISTED = 12
"""Lines of a list: more do not fit a phone."""
HISTORY = 6
CITED = 4
PAGE = 10


async def acknowledge(ask: Ask) -> Reply:
    """签收: one, or everything a button names."""
    if ask.words.lower() in EVERYTHING:
        meant: Found | Reply = Found(tuple(await find.own(ask, (State.PENDING, State.RETURNED))), "")
    elif not ask.words and not ask.named and ask.reminded:
        meant = await find.numbered(ask, ask.listed, "")
    else:
        meant = await find.meant(ask, "acknowledge", await find.own(ask, (State.PENDING, State.RETURNED)))
    if isinstance(meant, Reply):
        return meant
    todo = [one for one in meant.obligations if one.state in (State.PENDING, State.RETURNED)]
    if not todo:
        return Reply(ask.say("acknowledged-already"))
    done = [await obligations.acknowledge(ask.actor, one.id, ask.at) for one in todo]
    return await echo(ask, "echo-acknowledge", done)


async def report(ask: Ask) -> Reply:
    """完成: with what shows it; asks for that when nothing was given."""
    meant = await find.meant(ask, "report", await find.own(ask, OPEN_STATES))
    if isinstance(meant, Reply):
        return meant
    one = meant.obligations[0]
    duty = ask.duty(one.duty)
    if isinstance(duty.rule, CountedRule):
        return await _count(ask, one, duty, meant.rest)
    try:
        evidence = read_evidence(meant.rest, ask.today)
    except DayError as error:
        return Reply(ask.say("no-such-day", text=error), question=_evidence_question(one))
    if evidence.empty and not duty.may_be_empty and not isinstance(duty.rule, StandingRule):
        return Reply(ask.say("cannot-be-empty", title=ask.title(one.duty)), question=_evidence_question(one))
    if not evidence:
        return Reply(
            ask.say("evidence-wanted", title=ask.title(one.duty), slots=_slots(ask, duty)),
            question=_evidence_question(one),
        )
    done = await obligations.report(ask.actor, one.id, evidence, ask.at)
    missing = [] if evidence.empty else [
        _slot(ask, slot) for slot in duty.evidence
        if not any(getattr(evidence, {"date": "done_on"}.get(need, need)) for need in slot.needs)
    ]  # fmt: skip
    notes = [ask.say("echo-missing", slots=missing)] if missing else []
    if done.obligation.backdated:
        notes.append(ask.say("echo-backdated", day=done.obligation.done_on))
    if done.obligation.done_on and done.obligation.done_on > one.due:
        notes.append(ask.say("echo-late", days=(done.obligation.done_on - one.due).days))
    return await echo(ask, "echo-report", [done], notes)


def _evidence_question(one: Obligation) -> Question:
    return Question("evidence", {"command": "report", "items": [one.id]})


def _slot(ask: Ask, slot: object) -> str:
    return str(getattr(slot, "title" if ask.language == "zh" else "title_en"))


def _slots(ask: Ask, duty: Duty) -> list[str]:
    return [
        ask.say("slot", title=_slot(ask, slot), needs=[ask.say(f"need-{need}") for need in slot.needs])
        for slot in duty.evidence
    ]


async def study(ask: Ask) -> Reply:
    """学法: one meeting of the year's twelve, with its date and topic."""
    candidates = [one for one in await find.own(ask, (*OPEN_STATES, State.REPORTED)) if one.duty == "pre-meeting-study"]
    if ask.named or HASH_NUMBER.match(ask.words):
        meant = await find.meant(ask, "study", candidates)
    elif len(candidates) == 1:
        meant = Found((candidates[0],), ask.words)
    else:
        meant = find.choose(ask, "study", candidates, ask.words) if candidates else Reply(ask.say("no-study"))
    if isinstance(meant, Reply):
        return meant
    one = meant.obligations[0]
    return await _count(ask, one, ask.duty(one.duty), meant.rest)


async def tally(ask: Ask) -> Reply:
    """计数: one count towards any counted duty."""
    counted = [one for one in await find.own(ask) if isinstance(ask.duty(one.duty).rule, CountedRule)]
    meant = await find.meant(ask, "tally", counted)
    if isinstance(meant, Reply):
        return meant
    one = meant.obligations[0]
    if not isinstance(ask.duty(one.duty).rule, CountedRule):
        return Reply(ask.say("not-counted", title=ask.title(one.duty)))
    return await _count(ask, one, ask.duty(one.duty), meant.rest)


async def _count(ask: Ask, one: Obligation, duty: Duty, words: str) -> Reply:
    rule = duty.rule
    assert isinstance(rule, CountedRule)
    noun = rule.noun if ask.language == "zh" else rule.noun_en
    question = Question("count", {"command": "tally", "items": [one.id]})
    if rule.per != "unit":
        return await _attest(ask, one, words, question)
    try:
        found = DAY.search(words)
        on = read_day("".join(found[0].split()), ask.today) if found else ask.today
    except DayError as error:
        return Reply(ask.say("no-such-day", text=error), question=question)
    topic = (words.replace(found[0], " ", 1) if found else words).strip(EDGES)
    if not topic:
        return Reply(
            ask.say("count-wanted", title=ask.title(one.duty), noun=noun, tally=one.tally, target=one.target),
            question=question,
        )
    done = await obligations.count(ask.actor, one.id, topic, on, ask.at)
    after = done.obligation
    facts = {"noun": noun, "tally": after.tally, "target": after.target, "day": on, "topic": topic}
    key = "echo-count-met" if after.tally >= after.target else "echo-count"
    return await echo(ask, key, [done], (), **facts)


async def _attest(ask: Ask, one: Obligation, words: str, question: Question) -> Reply:
    """Per-person duties: the head attests how many should and how many did, until officers are listed by name."""
    match = ATTENDED.search(words)
    if match is None:
        return Reply(ask.say("attest-wanted", title=ask.title(one.duty)), question=question)
    if match[1]:
        should, did = int(match[1]), int(match[2])
    else:
        did, should = int(match[3]), int(match[4])
    if should == 0 or did > should:
        return Reply(ask.say("attest-impossible", should=should, did=did), question=question)
    amount = int(did >= should and one.tally < one.target)
    topic = ask.say("attest-topic", should=should, did=did)
    done = await obligations.count(ask.actor, one.id, topic, ask.today, ask.at, amount)
    return await echo(ask, "echo-attest", [done], (), should=should, did=did, left=should - did)


async def mine(ask: Ask) -> Reply:
    """待办: what the asker's units owe, most urgent first."""
    own = await find.own(ask)
    open_now = [one for one in own if one.state in OPEN_STATES]
    waiting = len(own) - len(open_now)
    if not open_now:
        return Reply(ask.say("mine-none", waiting=waiting))
    late = sum(one.overdue(ask.today) for one in open_now)
    head = ask.say("mine-head", n=len(open_now), late=late, waiting=waiting)
    shown = open_now[:LISTED]
    lines = [item(ask, number, one) for number, one in enumerate(shown, 1)]
    more = [ask.say("list-more", n=len(open_now) - len(shown))] if len(open_now) > len(shown) else []
    return Reply("\n".join([head, *lines, *more, ask.say("mine-foot")]), items=tuple(one.id for one in shown))


def item(ask: Ask, number: int, one: Obligation) -> str:
    """One line of a list."""
    rule = ask.duty(one.duty).rule
    tally_text = ask.say("line-tally", tally=one.tally, target=one.target) if isinstance(rule, CountedRule) else ""
    return ask.say(
        "line", number=number, title=ask.title(one.duty), term=ask.term(one), due=one.due,
        left=left(one.due, ask.today, ask.language), state=ask.say(f"state-{one.state}"), tally=tally_text, id=one.id,
    )  # fmt: skip


async def detail(ask: Ask) -> Reply:
    """详情: what it is, what it rests on, what shows it, what has happened."""
    candidates = await find.own(ask) or await find.watched(ask, find.ACTIVE)
    meant = await find.meant(ask, "detail", candidates)
    if isinstance(meant, Reply):
        return meant
    one = meant.obligations[0]
    _may_see(ask, one)
    duty = ask.duty(one.duty)
    lines = [
        ask.say("detail-head", title=ask.title(one.duty), term=ask.term(one), unit=one.unit, id=one.id),
        item(ask, 1, one).partition("\n")[2],
        ask.say("detail-ground", ground="\uff1b".join(ask.registry.citations(duty)[:CITED])),
        _force(ask, one, duty),
        ask.say("detail-evidence", slots=_slots(ask, duty)),
    ]
    facts = {"recipient": duty.recipient, "publication": duty.publication, "consequence": duty.consequence}
    lines += [ask.say(f"detail-{name}", text=text) for name, text in facts.items() if text]
    lines += await _checklist(ask, one, duty, meant.rest)
    lines += [ask.say("detail-reason", text=one.reason)] if one.reason else []
    return Reply("\n".join(line for line in [*lines, *await _history(ask, one)] if line), _buttons(ask, one), (one.id,))


def _force(ask: Ask, one: Obligation, duty: Duty) -> str:
    if one.force == Force.ASSUMED:
        return ask.say("detail-force-assumed")
    return (
        ask.say("detail-force-confirmed", by=duty.confirmed_by)
        if duty.confirmed_by
        else ask.say("detail-force-settled")
    )


async def _checklist(ask: Ask, one: Obligation, duty: Duty, words: str) -> list[str]:
    """The standing provisions that bind this unit, a page at a time: by its tags, and by where each is in force."""
    if not isinstance(duty.rule, StandingRule):
        return []
    tags, places = await reading.standing_of(one.unit_id)
    items = [p for no in duty.scope[0].provisions if _binds(p := ask.registry.provisions[no], tags, places, ask)]
    pages = -(-len(items) // PAGE)
    page = min(max(1, int(words) if words.isdigit() and len(words) < PAGE else 1), max(1, pages))
    lines = [
        ask.say("checklist-line", title=p.title, ground=ask.registry.citation(p.no, short=True))
        for p in items[(page - 1) * PAGE : page * PAGE]
    ]
    more = [ask.say("checklist-more", page=page, pages=pages, id=one.id, next=page % pages + 1)] if pages > 1 else []
    return [ask.say("checklist-head", n=len(items)), *lines, *more]


def _binds(provision: Provision, tags: frozenset[str], places: frozenset[str], ask: Ask) -> bool:
    if ask.registry.documents[provision.document].jurisdiction not in places:
        return False
    return not provision.tags or any(str(tag) in tags for tag in provision.tags)


async def _history(ask: Ask, one: Obligation) -> list[str]:
    from_chain = await history(StreamRef("obligation", one.id))
    return [
        ask.say(
            "detail-entry",
            at=row["at"].astimezone(ask.at.now.tzinfo),
            action=ask.say(f"act-{row['action']}"),
            id=row["id"],
        )
        for row in from_chain[-HISTORY:]
    ]


def _buttons(ask: Ask, one: Obligation) -> tuple[tuple[str, str, str], ...]:
    verbs: Sequence[tuple[str, str]] = ()
    if ask.actor.holds(one.unit_id, Role.HEAD, Role.OFFICER) and one.state in OPEN_STATES:
        seen = one.state == State.ACKNOWLEDGED
        verbs = (("report", "primary"),) if seen else (("acknowledge", "plain"), ("report", "primary"))
    elif ask.actor.supervises(one.unit_path) and one.state == State.REPORTED:
        verbs = (("close", "primary"), ("return", "danger"))
    return tuple((ask.say(f"button-{verb}"), f"{verb}:{one.id}", style) for verb, style in verbs)


def _may_see(ask: Ask, one: Obligation) -> None:
    own = any(post.unit_id == one.unit_id for post in ask.actor.posts)
    admin = any(post.role == Role.ADMIN for post in ask.actor.posts)
    if not (own or admin or ask.actor.supervises(one.unit_path)):
        raise RefusedError("refused-not-yours-to-see", unit=one.unit, unit_id=one.unit_id, action="detail")


async def undo(ask: Ask) -> Reply:
    """撤回: take back the last act."""
    done = await obligations.undo(ask.actor, ask.at)
    return await echo(ask, "echo-undo", [done])


async def echo(ask: Ask, key: str, done: Sequence[Done], notes: Sequence[str] = (), **facts: object) -> Reply:
    """What was recorded, its number, and what remains."""
    lines = [
        ask.say(
            key, title=ask.title(d.obligation.duty), term=ask.term(d.obligation), unit=d.obligation.unit, entry=d.entry,
            id=d.obligation.id, state=ask.say(f"state-{d.obligation.state}"), due=d.obligation.due, **facts,
        )
        for d in done
    ]  # fmt: skip
    remaining = await _remaining(ask)
    return Reply("\n".join(line for line in [*lines, *notes, remaining] if line))


async def _remaining(ask: Ask) -> str:
    units = tuple({post.unit_id for post in ask.actor.posts if post.role in (Role.HEAD, Role.OFFICER)})
    if not units:
        return ""
    left, _ = await reading.counted(Filter(units=units, states=OPEN_STATES, opened_by=ask.today))
    late, _ = await reading.counted(Filter(units=units, states=OPEN_STATES, due_before=ask.today))
    return ask.say("remaining", n=left, late=late)
