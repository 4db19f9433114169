"""自查: a page of standing provisions at a time, each confirmed or answered with what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.conversation import find, refusal
from bot.conversation.ask import HOLDERS, Ask, Question, Reply
from bot.conversation.find import Found
from bot.conversation.telling import offered
from bot.store import people
from bot.store.asked import Asked
from bot.store.oversight import NOTHING, View
from bot.wording.checking import MISSING_ONLY, SURE, Clause, Figures, UnreadError, read_answers, read_figures
from bot.wording.grammar import HASH_NUMBER, LIST_NUMBER, LONGEST_TOPIC
from duties import checklist
from duties.checklist import Checklist, Item, is_standing
from duties.errors import RefusedError
from duties.model import OPEN_STATES, Answer, Checked, Obligation, State
from duties.registry import Staffing, StandingRule
from duties.store import reading

PAGE = 10
KIND = "checking"
SHOWN, SWEEPING = "shown", "all"
"""What an open question is about: the page just shown, or whether everything unseen is to be confirmed."""
BRIEF = 3
"""Missing items told where they are not the subject."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the asker was shown or asked last: which kind, and the items' numbers."""

    kind: str = ""
    numbers: tuple[int, ...] = ()


async def check(ask: Ask) -> Reply:
    """自查: where it stands and the next items; with answers, those are recorded first."""
    meant = await _meant(ask)
    if isinstance(meant, Reply):
        return meant
    one, words = meant.obligations[0], meant.rest
    if not View.of(ask.actor).sees(one.unit_id, one.unit_path):
        raise RefusedError("refused-not-yours-to-see", unit=one.unit, unit_id=one.unit_id, action="checklist")
    listed = await checklist.read(ask.registry, one)
    if words.lower() in MISSING_ONLY:
        return _missing(ask, one, listed)
    if not words:
        return _page(ask, one, listed)
    await refusal.must_hold(ask, one, "checklist", *OPEN_STATES)
    return await _answered(ask, one, listed, words)


async def _meant(ask: Ask) -> Found | Reply:
    """The checklist that is meant. A number alone is one of a list, numbers with an answer are items."""
    if ask.named:
        found = await find.numbered(ask, ask.named, ask.words)
    elif by_number := HASH_NUMBER.match(ask.words):
        found = await find.numbered(ask, [int(by_number[1])], ask.words[by_number.end() :].strip())
    elif (place := _place(ask)) is not None:
        found = await find.numbered(ask, [ask.listed[place]], "")
    else:
        found = await _own(ask)
    if isinstance(found, Found) and len(found.obligations) > 1:
        return find.choose(ask, "checklist", found.obligations, found.rest)
    return found


def _place(ask: Ask) -> int | None:
    found = LIST_NUMBER.fullmatch(ask.words)
    place = int(found[1]) - 1 if found else -1
    return place if 0 <= place < len(ask.listed) else None


async def _own(ask: Ask) -> Found | Reply:
    """The asker's own, those still open first; of several the one whose page is open."""
    own = [one for one in await find.own(ask) if is_standing(ask.registry, one)]
    mine = [one for one in own if one.state in OPEN_STATES] or own
    if not mine and not ask.units:
        mine = [one for one in await find.watched(ask, (State.REPORTED,)) if is_standing(ask.registry, one)]
    if not mine:
        return Reply(ask.say("checklist-nothing"))
    underway = await people.underway(ask.message.connection, ask.message.sender, ask.at.now)
    begun = [one for one in mine if underway and underway[0] == KIND and one.id in underway[1]["items"]]
    return Found(tuple(begun or mine), ask.words)


async def _last(ask: Ask, one: Obligation) -> Page:
    """What the asker was shown last of this checklist, as the open question keeps it."""
    rest = ask.before
    if not ask.asked:
        underway = await people.underway(ask.message.connection, ask.message.sender, ask.at.now)
        ours = underway is not None and underway[0] == KIND and one.id in underway[1]["items"]
        rest = str(underway[1]["rest"]) if underway and ours else ""
    kind, _, numbers = rest.partition(" ")
    return Page(kind, tuple(int(number) for number in numbers.split(",") if number))


async def _answered(ask: Ask, one: Obligation, listed: Checklist, words: str) -> Reply:
    last = await _last(ask, one)
    if last.kind == SWEEPING and ask.asked and words.lower() in SURE:
        left = {item.provision.no for item in listed.unanswered}
        return await _recorded(ask, one, {no: Checked(Answer.CONFIRMED) for no in last.numbers if no in left}, words)
    try:
        clauses = read_answers(words)
    except UnreadError as error:
        return _page(ask, one, listed, [ask.say("checklist-unread", text=str(error)[:LONGEST_TOPIC])])
    if any(clause.rest for clause in clauses) and last.kind != SHOWN:
        return _page(ask, one, listed, [ask.say("checklist-rest-of-what")])
    return await _taken(ask, one, listed, clauses, last, words)


async def _taken(
    ask: Ask, one: Obligation, listed: Checklist, clauses: Sequence[Clause], last: Page, words: str
) -> Reply:
    """Record what is said of items by number; ask back before what nobody looked at is confirmed."""
    answers: dict[int, Checked] = {}
    unseen: dict[int, Checked] = {}
    notes: list[str] = []
    left = {item.provision.no for item in listed.unanswered}
    for clause in clauses:
        numbers = _numbers(clause, one, listed, last)
        if clause.rest:
            numbers = [no for no in numbers if no in left and no not in answers]
        figures = read_figures(clause.note) if clause.note else None
        checked, said = _checked(ask, clause, numbers, figures)
        notes += said
        if checked is None:
            return _page(ask, one, listed, notes)
        sweeping = clause.all or (len(numbers) > PAGE and checked.answer == Answer.CONFIRMED)
        for no in numbers:
            if not sweeping or no in last.numbers:
                answers[no] = checked
            elif no in left:
                unseen[no] = checked
    asked = sorted(unseen.keys() - answers.keys())
    if not answers and not asked:
        return _page(ask, one, listed, [ask.say("checklist-nothing-left"), *notes])
    return await _recorded(ask, one, answers, words, notes, asked)


def _numbers(clause: Clause, one: Obligation, listed: Checklist, last: Page) -> list[int]:
    """The items that a clause is about. A number by itself must be on the list, a range names those within it."""
    if clause.all:
        return [item.provision.no for item in listed.unanswered]
    known = listed.by_number
    if clause.rest:
        return [no for no in last.numbers if no in known]
    if strange := [first for first, end in clause.spans if first == end and first not in known]:
        raise RefusedError("refused-not-on-list", number=one.id, items=strange)
    found = [no for first, end in clause.spans for no in known if first <= no <= end]
    if not found:
        raise RefusedError("refused-not-on-list", number=one.id, items=[first for first, _ in clause.spans])
    return list(dict.fromkeys(found))


def _checked(
    ask: Ask, clause: Clause, numbers: Sequence[int], figures: Figures | None
) -> tuple[Checked | None, list[str]]:
    """An answer, and what is said of its numbers: they decide where nothing else does, and never against what is met.

    No answer where it is incomplete or its numbers contradict it: then what is wrong is said.
    """
    staffing = _staffing(ask, numbers)
    if staffing is None or figures is None:
        if clause.confirmed is None:
            key = "checklist-figures-wanted" if staffing else "checklist-figures-strange"
            return None, [ask.say(key, items=list(numbers))]
        return Checked(Answer.CONFIRMED if clause.confirmed else Answer.MISSING, clause.note[:LONGEST_TOPIC]), []
    wanted = staffing.reviewers(figures.officers)
    met = figures.reviewers >= wanted
    facts = {
        "officers": figures.officers, "reviewers": figures.reviewers, "wanted": wanted, "percent": staffing.percent,
        "least": staffing.least,
    }  # fmt: skip
    line = ask.say("checklist-figures-met" if met else "checklist-figures-short", **facts)
    if clause.confirmed and not met:
        return None, [line, ask.say("checklist-figures-against", no=numbers[0])]
    confirmed = met if clause.confirmed is None else clause.confirmed
    return Checked(Answer.CONFIRMED if confirmed else Answer.MISSING, clause.note[:LONGEST_TOPIC]), [line]


def _staffing(ask: Ask, numbers: Sequence[int]) -> Staffing | None:
    """The rule that all of these items follow, if they do."""
    rules = [duty.rule for duty in ask.registry.duties if isinstance(duty.rule, StandingRule)]
    known = [rule.staffing for rule in rules if rule.staffing]
    return next((one for one in known if numbers and set(numbers) <= set(one.provisions)), None)


async def _recorded(
    ask: Ask, one: Obligation, answers: Mapping[int, Checked], words: str, notes: Sequence[str] = (),
    unseen: Sequence[int] = (),
) -> Reply:  # fmt: skip
    """What was recorded and where it stands now; then the question about the unseen, or the next page."""
    lines = list(notes)
    if answers:
        said = words[:LONGEST_TOPIC]
        done = await checklist.answer(ask.actor, ask.registry, one.id, answers, said, ask.at)
        missing = sum(each.answer == Answer.MISSING for each in answers.values())
        head = ask.say("checklist-recorded", n=len(answers), missing=missing, entry=done.entry)
        one, lines = done.obligation, [head, *lines]
    listed = await checklist.read(ask.registry, one)
    if not unseen:
        return _page(ask, one, listed, lines)
    lines.append(ask.say("checklist-all-sure", n=len(unseen), id=one.id))
    return Reply("\n".join(lines), about=(one.id,), question=_question(ask, one, SWEEPING, unseen))


def _question(ask: Ask, one: Obligation, kind: str, numbers: Sequence[int]) -> Question:
    return ask.question(KIND, "checklist", one.id, rest=f"{kind} {','.join(map(str, numbers))}")


def _page(ask: Ask, one: Obligation, listed: Checklist, notes: Sequence[str] = ()) -> Reply:
    """Totals first, then the next items nobody answered. Who does not answer for it is asked nothing."""
    lines = [*notes, standing(ask, one, listed)]
    asked = Asked("checklist", NOTHING, ask.language, obligation=one.id)
    left = listed.unanswered
    if not left:
        lines += _missing_lines(ask, listed, BRIEF)
        return _finished(ask, one, lines, asked)
    mine = ask.actor.holds(one.unit_id, *HOLDERS) and one.state in OPEN_STATES
    page = left[:PAGE]
    lines += [_line(ask, item) for item in page]
    if not mine:
        return Reply("\n".join(lines), about=(one.id,), asked=asked)
    lines.append(ask.say("checklist-foot", no=page[0].provision.no))
    question = _question(ask, one, SHOWN, [item.provision.no for item in page])
    return Reply("\n".join(lines), about=(one.id,), question=question, asked=asked)


def _finished(ask: Ask, one: Obligation, lines: list[str], asked: Asked) -> Reply:
    if not (ask.actor.holds(one.unit_id, *HOLDERS) and one.state in OPEN_STATES):
        return Reply("\n".join(lines), about=(one.id,), asked=asked)
    button = (ask.say("button-report"), f"report:{one.id}", "primary")
    return Reply("\n".join([*lines, ask.say("checklist-done", id=one.id)]), (button,), about=(one.id,), asked=asked)


def standing(ask: Ask, one: Obligation, listed: Checklist) -> str:
    """How much is answered, how much missing, of what."""
    facts = {"n": len(listed.items), "answered": listed.answered, "missing": len(listed.missing)}
    return ask.say("checklist-standing", **facts, **ask.facts(one))


def _line(ask: Ask, item: Item) -> str:
    no = item.provision.no
    hint = ask.say("checklist-figures-hint") if _staffing(ask, [no]) else ""
    ground = ask.registry.citation(no, short=True)
    return ask.say("checklist-line", no=no, title=item.provision.title, ground=ground, hint=hint)


def _missing_lines(ask: Ask, listed: Checklist, limit: int) -> list[str]:
    lines = []
    for item in listed.missing[:limit]:
        assert item.kept is not None, "it was answered"
        facts = {"no": item.provision.no, "title": item.provision.title, "note": item.kept.checked.note}
        lines.append(ask.say("checklist-missing-line", **facts))
    if len(listed.missing) > limit:
        lines.append(ask.say("checklist-missing-more", n=len(listed.missing) - limit))
    return lines


def _missing(ask: Ask, one: Obligation, listed: Checklist) -> Reply:
    """自查 缺: what the unit lacks, with its words."""
    lines = [standing(ask, one, listed), *_missing_lines(ask, listed, PAGE)]
    asked = Asked("checklist", NOTHING, ask.language, obligation=one.id)
    return replace(offered(ask, lines, asked, found=len(listed.items)), about=(one.id,))


async def missing_shown(ask: Ask, number: int) -> list[str]:
    """For who verifies: what is missing of an obligation, as far as a line or three can tell."""
    one = await reading.obligation(number)
    if one is None or not is_standing(ask.registry, one):
        return []
    return _missing_brief(ask, one, await checklist.read(ask.registry, one))


def _missing_brief(ask: Ask, one: Obligation, listed: Checklist) -> list[str]:
    lines = _missing_lines(ask, listed, BRIEF)
    return [*lines, ask.say("checklist-missing-foot", id=one.id)] if len(listed.missing) > BRIEF else lines


def confirmed_note(ask: Ask, listed: Checklist) -> str:
    """What a report says of the checklist, as evidence."""
    missing = len(listed.missing)
    return ask.say("checklist-evidence", n=len(listed.items), confirmed=len(listed.items) - missing, missing=missing)


def paged(ask: Ask, one: Obligation, listed: Checklist, words: str) -> list[str]:
    """For 详情: where it stands, what is missing, and every item with its answer, a page at a time."""
    pages = max(1, -(-len(listed.items) // PAGE))
    page = min(max(1, int(words) if words.isdecimal() and len(words) < PAGE else 1), pages)
    lines = [standing(ask, one, listed), *_missing_brief(ask, one, listed)]
    for item in listed.items[(page - 1) * PAGE : page * PAGE]:
        key = "checklist-mark-none" if item.kept is None else f"checklist-mark-{item.kept.checked.answer}"
        lines.append(f"{ask.say(key)} {_line(ask, item)}")
    more = ask.say("checklist-more", page=page, pages=pages, id=one.id, next=page % pages + 1)
    return [*lines, more] if pages > 1 else lines
