"""What heads and officers say first: 签收, 待办."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.conversation import find, partners, refusal
from bot.conversation.arranging import acting, mark
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.find import Found
from bot.conversation.supervisor import view
from bot.conversation.telling import PARTS, echo, item, officers_reached
from bot.store import oversight
from bot.wording.grammar import EVERYTHING, LIST_NUMBER
from duties import obligations
from duties.model import OPEN_SHARES, OPEN_STATES, Obligation, Role, ShareState, State
from duties.obligations import Done
from duties.store import reading, share_rows
from duties.store.share_rows import Share

LISTED = 10
"""Lines of a list: more do not fit a phone."""
PARTNERED = 6
"""Lines of shares beside them."""
UNSEEN = (State.PENDING, State.RETURNED)


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
    notes = [*partners.echoed(ask, shared, parts), *[await refusal.told(ask, "acknowledge", one) for one in refused]]
    reply = await echo(ask, "echo-acknowledge", own, [*notes, _next(ask, done)])
    return replace(reply, about=tuple(one.obligation.id for one in done))


def _next(ask: Ask, done: Sequence[Done]) -> str:
    """How it is reported when it is done: of a single one, with the parts its evidence has."""
    if len(done) > 1:
        return ask.say("next-reports")
    one = done[0].obligation
    wanted = {need for slot in ask.duty(one.duty).evidence for need in slot.needs}
    parts = [ask.say(f"need-{need}") for need in PARTS if need in wanted]
    return ask.say("next-report", id=one.id, parts=" ".join(parts))


async def _unseen(ask: Ask) -> list[Obligation]:
    """What the asker may acknowledge: the unit's own work, and its shares in that of others."""
    return await partners.working(ask, UNSEEN, ShareState.PENDING)


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


async def mine(ask: Ask) -> Reply:
    """待办: what the asker's units owe, most urgent first, a page at a time: 待办 2 is what follows."""
    if not ask.units:
        return await _watching(ask)
    own = await find.own(ask)
    parts = await share_rows.held_by(ask.units, ask.today, hidden=ask.hidden)
    open_now = [one for one in own if one.state in OPEN_STATES]
    waiting = len(own) - len(open_now)
    reported = ask.say("mine-waiting", n=waiting) if waiting else ""
    if not open_now and not parts:
        return Reply("\n".join([*acting(ask), ask.say("mine-none", waiting=reported)]))
    late = sum(one.overdue(ask.today) for one in open_now)
    head = ask.say("mine-head-late" if late else "mine-head", n=len(open_now), late=late, waiting=reported)
    open_now.sort(key=lambda one: one.assignee != ask.actor.person_id)
    page = _page(ask.words, len(open_now))
    shown = open_now[page * LISTED : (page + 1) * LISTED]
    lines, shared = await _partnered(ask, parts, len(shown) + 1)
    text = [*acting(ask), head, *await _lines(ask, shown, page, len(open_now)), *lines, ask.say("mine-foot")]
    items = (*(one.id for one in shown), *shared)
    return Reply("\n".join(text), items=items, found=len(open_now) + len(parts))


def _page(words: str, found: int) -> int:
    """The page that is asked for, from 0; the last one for what lies beyond."""
    asked = LIST_NUMBER.fullmatch(words)
    return min(max(int(asked[1]) - 1, 0), max(found - 1, 0) // LISTED) if asked else 0


async def _lines(ask: Ask, shown: Sequence[Obligation], page: int, found: int) -> list[str]:
    reached = await officers_reached(ask, shown)
    lines = [item(ask, number, one) + reached.get(one.id, "") + mark(ask, one) for number, one in enumerate(shown, 1)]
    if left := found - page * LISTED - len(shown):
        lines.append(ask.say("mine-more", n=left, next=page + 2))
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
