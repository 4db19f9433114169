"""申请免办, 申请延期, 撤回申请, 申请, 同意, 不同意: what a unit asks for, and what its supervisor answers."""

from typing import Any

from bot.conversation import find, news
from bot.conversation.ask import Ask, Reply
from bot.conversation.find import Found
from bot.conversation.supervisor import trees
from bot.conversation.waiving import told_partners
from bot.store import addressees, oversight
from bot.wording import say, shortened
from bot.wording.grammar import (
    EDGES,
    HASH_NUMBER,
    LONGEST_TOPIC,
    DayError,
    is_courtesy,
    is_question,
    read_until,
    request_number,
)
from duties import obligations, requests
from duties.cases import Law
from duties.errors import RefusedError
from duties.model import OPEN_STATES, Obligation, Role
from duties.requests import Answered
from duties.store import reading, request_rows
from duties.store.request_rows import EXTENSION, WAIVER, Request

LISTED = 9
SHOWN_REASON = 30
"""Characters of a reason in a list; the detail shows the whole."""
SUPERVISING = frozenset({"approve", "reject"})


async def ask_waiver(ask: Ask) -> Reply:
    """申请免办: with a reason; every supervisor over the unit is asked."""
    meant = await _meant(ask, "ask-waiver")
    if isinstance(meant, Reply):
        return meant
    one, reason = meant.obligations[0], meant.rest
    if not reason or is_courtesy(reason) or (ask.asked and is_question(reason)):
        return _asking(ask, one, "ask-waiver", "ask-waiver-wanted")
    return await _told(ask, await requests.ask_waiver(ask.actor, one.id, reason[:LONGEST_TOPIC], ask.at))


async def ask_extension(ask: Ask) -> Reply:
    """申请延期: to a day, with a reason; only where a supervisor named the day."""
    meant = await _meant(ask, "ask-extension")
    if isinstance(meant, Reply):
        return meant
    one = meant.obligations[0]
    if one.duty not in requests.EXTENDABLE:
        ground = ask.registry.citations(ask.duty(one.duty), await oversight.jurisdiction_of(one.term_id), short=True)
        raise RefusedError("refused-no-extension", number=one.id, duty=one.duty, unit_id=one.unit_id, ground=ground[:2])
    said = f"{ask.before} {meant.rest}".strip()
    try:
        wanted_on, reason = read_until(said, ask.today)
    except DayError as error:
        return _asking(ask, one, "ask-extension", "no-such-day", text=error)
    if wanted_on is None or not reason or is_courtesy(reason):
        return _asking(ask, one, "ask-extension", "ask-extension-wanted", rest=said)
    return await _told(ask, await requests.ask_extension(ask.actor, one.id, wanted_on, reason[:LONGEST_TOPIC], ask.at))


async def _meant(ask: Ask, command: str) -> Found | Reply:
    meant = await find.meant(ask, command, lambda: find.own(ask, OPEN_STATES))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, command, meant.obligations, meant.rest)
    await obligations.may_ask(ask.actor, meant.obligations[0], ask.at, command)
    return meant


def _asking(ask: Ask, one: Obligation, command: str, key: str, rest: str = "", **facts: object) -> Reply:
    return Reply(ask.say(key, **ask.facts(one), **facts), question=ask.question("request", command, one.id, rest=rest))


async def _told(ask: Ask, done: Answered) -> Reply:
    one, request = done.obligation, done.request
    buttons = tuple(
        (say(f"button-{verb}"), f"{verb}:{request.id}", style)
        for verb, style in (("approve", "primary"), ("reject", "danger"))
    )
    whom = await addressees.over_unit(one.unit_id, ask.today, ask.at.now)
    told = await news.tell(ask, f"news-ask-{request.kind}", one, whom, buttons, **_facts(request))
    key = f"echo-ask-{request.kind}" if told else "echo-asked-nobody"
    return Reply(ask.say(key, entry=done.entry, n=told, **_facts(request), **ask.facts(one)), about=(one.id,))


def _facts(request: Request) -> dict[str, Any]:
    return {"number": request.id, "reason": request.reason, "wanted": request.wanted_on or ""}


async def withdraw(ask: Ask) -> Reply:
    """撤回申请: by its number or the obligation's; the only one that waits needs no number."""
    number, _ = await _number(ask)
    if number is None:
        waiting, found = await request_rows.open_under((), ask.units, 1)
        if found != 1:
            return await _listed(ask, "withdraw-request")
        number = waiting[0].id
    done = await requests.withdraw(ask.actor, number, ask.at)
    one = done.obligation
    whom = await addressees.over_unit(one.unit_id, ask.today, ask.at.now)
    await news.tell(ask, "news-request-withdrawn", one, whom, number=number)
    facts = {"entry": done.entry, "number": number}
    return Reply(ask.say("echo-request-withdrawn", **facts, **ask.facts(one)), about=(one.id,))


async def listed(ask: Ask) -> Reply:
    """申请: what waits for an answer, of those the asker supervises and of the asker's own units."""
    if not ask.holds(*ask.roles):
        raise RefusedError("refused-post", action="requests")
    return await _listed(ask, "")


async def approve(ask: Ask) -> Reply:
    """同意: by button or 申请 and its number."""
    number, _ = await _number(ask)
    if number is None:
        return await _listed(ask, "approve")
    done = await requests.grant(ask.actor, Law(ask.registry, ask.around.workdays), number, ask.at)
    one, kind = done.obligation, done.request.kind
    await news.to_unit(ask, f"news-granted-{kind}", one, **_facts(done.request))
    if kind == WAIVER:
        await told_partners(ask, one)
    facts = {"entry": done.entry, **_facts(done.request), **ask.facts(one)}
    return Reply(ask.say(f"echo-granted-{kind}", **facts), about=(one.id,))


async def reject(ask: Ask) -> Reply:
    """不同意: with a reason."""
    number, reason = await _number(ask)
    if number is None:
        return await _listed(ask, "reject")
    await requests.may_answer(ask.actor, number, ask.at, "reject")
    if not reason or is_courtesy(reason) or (ask.asked and is_question(reason)):
        text = ask.say("reject-reason-wanted", number=number)
        return Reply(text, question=ask.question("request", "reject", rest=str(number)))
    done = await requests.decline(ask.actor, number, reason[:LONGEST_TOPIC], ask.at)
    one = done.obligation
    facts = {"number": number, "reason": reason[:LONGEST_TOPIC]}
    await news.to_unit(ask, "news-refused", one, **facts)
    return Reply(ask.say("echo-refused", entry=done.entry, **facts, **ask.facts(one)), about=(one.id,))


async def _number(ask: Ask) -> tuple[int | None, str]:
    """The request meant: a button's, the one named, or that on an obligation: the #one named or replied to.

    A bare word grants nothing, and neither does an obligation of which two requests are open.
    """
    if ask.message.action and ask.named:
        return ask.named[0], ""
    said = f"{ask.before} {ask.words}".strip()
    if mention := HASH_NUMBER.match(said):
        return await _only_one_on(int(mention[1])), said[mention.end() :].strip(EDGES)
    number, rest = request_number(said)
    if number is None and ask.named:
        number = await _only_one_on(ask.named[0])
    return number, rest


async def _only_one_on(obligation: int) -> int | None:
    waiting = await request_rows.open_on(obligation)
    return waiting[0].id if len(waiting) == 1 else None


async def _listed(ask: Ask, action: str) -> Reply:
    """What waits, or what of it could be meant by an action."""
    if action in SUPERVISING and not ask.holds(Role.SUPERVISOR):
        raise RefusedError("refused-post", action=action)
    if action == "withdraw-request" and not ask.units:
        raise RefusedError("refused-holders", action=action)
    watched = () if action == "withdraw-request" else trees(ask)
    own = () if action in SUPERVISING else ask.units
    waiting, found = await request_rows.open_under(watched, own, LISTED, ask.hidden)
    if not waiting:
        return Reply(ask.say("requests-none"))
    lines = [ask.say("requests-head", n=found)]
    for request in waiting:
        one = await reading.obligation(request.obligation_id)
        assert one is not None
        key = "requests-extension" if request.kind == EXTENSION else "requests-waiver"
        shown = _facts(request) | {"reason": shortened(request.reason, SHOWN_REASON)}
        lines.append(ask.say(key, **shown, **ask.facts(one)))
    if found > len(waiting):
        lines.append(ask.say("list-more", n=found - len(waiting)))
    feet = [ask.say("requests-foot")] if ask.holds(Role.SUPERVISOR) and watched else []
    feet += [ask.say("requests-foot-own")] if ask.units and action not in SUPERVISING else []
    return Reply("\n".join([*lines, *feet]), found=found)
