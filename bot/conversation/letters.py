"""文书: 拟稿, 发文, 送达, 更正, 撤函. The machine proposes and drafts; a person signs, serves, and says so here."""

from typing import Any

from bot.conversation import find
from bot.conversation.ask import Ask, Reply
from bot.conversation.cases import cancelled_lines, clock_lines
from bot.store.asked import Asked
from bot.store.oversight import NOTHING
from bot.wording.events import Said, day_meant, read_letter, read_paper
from bot.wording.grammar import LONGEST_TOPIC, DayError
from duties import cases, escalation
from duties.cases import Law
from duties.errors import RefusedError
from duties.escalation import Mended, Signing, Written
from duties.model import OPEN_STATES, Obligation, Role
from duties.paper import Paper
from duties.store import case_rows, letter_rows
from duties.store.letter_rows import Correspondence

LISTED = 12


async def draft(ask: Ask) -> Reply:
    """拟稿: the letter that the law allows about an overdue obligation, as a file to be completed and signed."""
    _supervises(ask, "draft")
    paper, words = read_paper(ask.words)
    meant = await find.meant(ask.told(words), "draft", lambda: _late(ask))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "draft", meant.obligations, ask.words)
    one = meant.obligations[0]
    done = await escalation.draft(ask.actor, ask.registry, one.id, Paper(paper) if paper else None, ask.at)
    lines = [
        ask.say("letter-drafted", paper=_paper(ask, done.letter), entry=done.entry, **_facts(done.letter)),
        ask.say("letter-about", late=(ask.today - one.due).days, **ask.facts(one)),
        ask.say("letter-ground", ground=await _ground(ask, one)),
        ask.say("letter-next-issue", number=done.letter.id),
    ]
    return _with_file(ask, lines, done.letter)


async def _ground(ask: Ask, one: Obligation) -> str:
    """The articles it rests on; what was assigned without any rests on the document or the words that assigned it."""
    if citations := ask.registry.citations(ask.duty(one.duty), short=True):
        return "\uff1b".join(citations[:2])
    case = await case_rows.of_obligation(one.id)
    return cases.named_ground(case) if case is not None else ""


async def issue(ask: Ask) -> Reply:
    """发文: number, day and signatory of what a person signed."""
    said = _read(ask)
    if isinstance(said, Reply):
        return said
    assert said.number is not None, "read with its number"
    await escalation.may_issue(ask.actor, said.number)
    missing = [
        ask.say(f"letter-wants-{name}")
        for name, value in (("number", said.document), ("signatory", said.signatory))
        if not value
    ]
    if missing:
        return _asking(ask, "issue", ask.say("letter-missing", missing=missing))
    signing = Signing(said.document, said.on or ask.today, said.signatory, said.named_on)
    done = await escalation.issue(ask.actor, said.number, signing, ask.at)
    facts = {"document": said.document, "day": signing.on, "signatory": said.signatory, "entry": done.entry}
    text = ask.say("letter-issued", paper=_paper(ask, done.letter), **_facts(done.letter), **facts)
    return _with_file(ask, [text, ask.say("letter-next-serve", number=done.letter.id)], done.letter)


async def serve(ask: Ask) -> Reply:
    """送达: the day of receipt and its proof; the next clock starts with it."""
    said = _read(ask)
    if isinstance(said, Reply):
        return said
    if said.on is None:
        return _asking(ask, "serve", ask.say("letter-which-day"))
    assert said.number is not None, "read with its number"
    done = await escalation.serve(ask.actor, _law(ask), said.number, said.on, said.rest[:LONGEST_TOPIC], ask.at)
    facts = {"day": said.on, "proof": said.rest, "entry": done.entry}
    lines = [ask.say("letter-served", paper=_paper(ask, done.letter), **_facts(done.letter), **facts)]
    if done.opened is not None:
        lines += [ask.say("letter-opened", case=done.opened.case.id), *clock_lines(ask, done.opened)]
    return Reply("\n".join(lines))


async def correct(ask: Ask) -> Reply:
    """更正: number, day, signatory or named day of a letter that is out; what it said before is shown and kept."""
    said = _read(ask)
    if isinstance(said, Reply):
        return said
    assert said.number is not None, "read with its number"
    letter = await escalation.found(ask.actor, said.number)
    which = "issued_on" if letter.state == escalation.ISSUED else day_meant(said.rest)
    if said.on is not None and not which:
        return _asking(ask, "amend", ask.say("letter-whose-day", day=said.on))
    days = {which: said.on} if said.on is not None else {}
    mended = Mended(said.document or None, said.signatory or None, named_on=said.named_on, **days)
    done = await escalation.correct(ask.actor, _law(ask), said.number, mended, ask.at)
    lines = [
        ask.say("letter-corrected", paper=_paper(ask, done.letter), entry=done.entry, **_facts(done.letter)),
        *_differences(ask, done, mended),
    ]
    if done.opened is not None:
        lines += [ask.say("letter-case-moved", case=done.opened.case.id), *clock_lines(ask, done.opened)]
    return _with_file(ask, lines, done.letter)


def _differences(ask: Ask, done: Written, mended: Mended) -> list[str]:
    return [
        ask.say(f"letter-was-{name}", was=getattr(done.was, name) or "\u2014", now=value)
        for name, value in mended.given().items()
    ]


async def recall(ask: Ask) -> Reply:
    """撤函: withdrawn, with the case that its service opened."""
    said = _read(ask)
    if isinstance(said, Reply):
        return said
    if not said.rest:
        return _asking(ask, "recall", ask.say("letter-reason-wanted"))
    assert said.number is not None, "read with its number"
    done = await escalation.recall(ask.actor, _law(ask), said.number, said.rest[:LONGEST_TOPIC], ask.at)
    facts = {"reason": said.rest, "entry": done.entry}
    lines = [ask.say("letter-recalled", paper=_paper(ask, done.letter), **facts, **_facts(done.letter))]
    if done.ended is not None:
        lines += [ask.say("letter-case-ended", case=done.ended.case.id), *await cancelled_lines(ask, done.ended)]
    return Reply("\n".join(lines))


async def listed(ask: Ask) -> Reply:
    """文书: the letters of the asker's subtree, or one with its file."""
    _supervises(ask, "letters")
    said = read_letter(ask.words, ask.today) if ask.words else None
    if said is not None and said.number is not None:
        letter = await escalation.found(ask.actor, said.number)
        return _with_file(ask, [_line(ask, letter)], letter)
    trees = tuple(sorted({post.over for post in ask.actor.posts if post.role == Role.SUPERVISOR}))
    found = await letter_rows.under(trees, LISTED + 1)
    if not found:
        return Reply(ask.say("letters-none"))
    lines = [ask.say("letters-head"), *(_line(ask, one) for one in found[:LISTED])]
    return Reply("\n".join([*lines, *([ask.say("letters-more")] if len(found) > LISTED else [])]))


def _supervises(ask: Ask, action: str) -> None:
    if not ask.holds(Role.SUPERVISOR):
        raise RefusedError("refused-post", action=action)


async def _late(ask: Ask) -> list[Obligation]:
    return [one for one in await find.watched(ask, OPEN_STATES) if one.overdue(ask.today)]


def _read(ask: Ask) -> Said | Reply:
    _supervises(ask, "letters")
    try:
        said = read_letter(f"{ask.before} {ask.words}".strip(), ask.today)
    except DayError as error:
        return Reply(ask.say("case-no-such-day", text=error))
    return said if said.number is not None else Reply(ask.say("letter-number-wanted"))


def _law(ask: Ask) -> Law:
    return Law(ask.registry, ask.around.workdays)


def _asking(ask: Ask, command: str, text: str) -> Reply:
    return Reply(text, question=ask.question("letter", command, rest=f"{ask.before} {ask.words}".strip()))


def _paper(ask: Ask, letter: Correspondence) -> str:
    return ask.say(f"paper-{letter.paper}")


def _facts(letter: Correspondence) -> dict[str, Any]:
    return {"number": letter.id, "unit": letter.unit}


def _line(ask: Ask, letter: Correspondence) -> str:
    standing = ask.say(f"letter-{letter.state}-mark", day=letter.served_on or letter.issued_on or "")
    return ask.say(
        "letter-line", paper=_paper(ask, letter), document=f" {letter.document}".rstrip(), standing=standing,
        obligation=letter.obligation_id, **_facts(letter),
    )  # fmt: skip


def _with_file(ask: Ask, lines: list[str], letter: Correspondence) -> Reply:
    button = (ask.say("button-export"), "export", "plain")
    asked = Asked("letter", NOTHING, ask.language, letter=letter.id)
    return Reply("\n".join([*lines, ask.say("letter-file")]), (button,), asked=asked)
