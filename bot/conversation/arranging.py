"""进展, 转办 and 委托: how far the work is, who of the unit does it, and who stands in for whom."""

from datetime import date

from bot.conversation import find, news, partners, refusal
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.telling import echo
from bot.store import addressees, reach
from bot.wording.grammar import LONGEST_TOPIC, NOBODY, DayError, as_partner, is_courtesy, is_question, read_period
from duties import delegating, obligations, shares
from duties.errors import RefusedError
from duties.model import OPEN_SHARES, OPEN_STATES, Obligation, Role, State
from duties.store import acting_rows, reading
from duties.store.acting_rows import Acting

NAMESAKES = 9
"""People of one name in one unit: nobody has more."""
OFFERED = ("acknowledge", "report", "detail")


async def note(ask: Ask) -> Reply:
    """进展: a word on the work, for the supervisor to see; it reports nothing. A partner speaks of its share."""
    meant = await find.meant(ask, "note", lambda: partners.working(ask, OPEN_STATES, *OPEN_SHARES))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "note", meant.obligations, meant.rest)
    one = meant.obligations[0]
    part = await partners.part_in(ask, one)
    if part is None:
        await refusal.must_hold(ask, one, "note", *OPEN_STATES)
    else:
        await shares.may_answer(ask.actor, one.id, part.unit_id, ask.at)
    text = meant.rest[:LONGEST_TOPIC]
    if not text or is_courtesy(text) or (ask.asked and is_question(text)):
        return Reply(ask.say("note-wanted", **ask.facts(one)), question=ask.question("note", "note", one.id))
    if part is not None:
        return await partners.noted(ask, one, part, text)
    done = await obligations.note(ask.actor, one.id, text, ask.at)
    key = "echo-note-acknowledged" if one.state == State.PENDING else "echo-note"
    return await echo(ask, key, [done], text=text)


async def assign(ask: Ask) -> Reply:
    """转办: the head names the officer of the unit who handles it, or nobody any more."""
    meant = await find.meant(ask, "assign", lambda: find.own(ask, OPEN_STATES))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "assign", meant.obligations, meant.rest)
    one = meant.obligations[0]
    if (partner := as_partner(meant.rest)) is not None:
        return await partners.named(ask, one, partner)
    await obligations.may_assign(ask.actor, one, ask.at)
    if meant.rest.lower() in NOBODY:
        return await _cleared(ask, one)
    found = await reach.called(meant.rest, (one.unit_id,), ask.today, NAMESAKES) if meant.rest else []
    officers = {row["person_id"]: row for row in found if row["role"] == Role.OFFICER}
    if len(officers) != 1:
        return await _whom(ask, one, meant.rest, [row["code"] for row in officers.values()])
    (officer,) = officers.values()
    return await _assigned(ask, one, officer["person_id"], officer["name"])


async def _whom(ask: Ask, one: Obligation, words: str, codes: list[str]) -> Reply:
    """Ask who is meant: one of several of a name, or any officer of the unit."""
    names = codes or await reading.holders(one.unit_id, (Role.OFFICER,), ask.today)
    key = "assign-several" if codes else "assign-unknown" if words else "assign-whom"
    text = ask.say(key, words=words, names=names or ask.say("who-nobody"), **ask.facts(one))
    return Reply(text, question=ask.question("person", "assign", one.id))


async def _assigned(ask: Ask, one: Obligation, person: int, name: str) -> Reply:
    done = await obligations.assign(ask.actor, one.id, person, name, ask.at)
    await _relieved(ask, one)
    reached = await news.to_person(ask, "news-assigned", one, person, OFFERED)
    notes = [] if reached else [ask.say("assign-unreached", name=name)]
    return await echo(ask, "echo-assign", [done], notes, name=name)


async def _cleared(ask: Ask, one: Obligation) -> Reply:
    done = await obligations.assign(ask.actor, one.id, None, "", ask.at)
    await _relieved(ask, one)
    return await echo(ask, "echo-assign-cleared", [done])


async def _relieved(ask: Ask, before: Obligation) -> None:
    """Whoever handled it until now hears that somebody else does."""
    if before.assignee is not None:
        await news.to_person(ask, "news-relieved", before, before.assignee)


def mark(ask: Ask, one: Obligation) -> str:
    """In a list of the unit's work: whether it was given to the asker, or to somebody else."""
    if one.assignee is None:
        return ""
    return ask.say("mark-assigned" if one.assignee == ask.actor.person_id else "mark-assigned-other")


async def delegate(ask: Ask) -> Reply:
    """委托: who is away names a colleague and the days; what is missing is asked for."""
    units = delegating.own_units(ask.actor)
    if not units:
        raise RefusedError("refused-delegate", action="delegate")
    if ask.words.lower() in NOBODY:
        return await _taken_back(ask)
    said = f"{ask.before} {ask.words}".strip()
    try:
        since, until, name = read_period(said, ask.today)
    except DayError as error:
        return _asking(ask, ask.before, "delegate-no-such-day", text=error)
    if not name or is_courtesy(name):
        return await _unnamed(ask, said)
    found = await reach.called(name, units, ask.today, NAMESAKES)
    people = {
        row["person_id"]: row for row in found if row["role"] in HOLDERS and row["person_id"] != ask.actor.person_id
    }
    if len(people) != 1:
        codes = [row["code"] for row in people.values()]
        key = "delegate-several" if codes else "delegate-unknown"
        return _asking(ask, "", key, words=name, names=codes or await _colleagues(ask, units))
    (colleague,) = people.values()
    if since is None or until is None:
        return _asking(ask, said, "delegate-when", name=colleague["name"])
    return await _delegated(ask, colleague["person_id"], colleague["name"], since, until)


async def _unnamed(ask: Ask, said: str) -> Reply:
    """Neither name nor days: who stands in already, or how to say it."""
    given = await acting_rows.given_by(ask.actor.person_id, ask.today)
    if given and not said:
        return Reply("\n".join([*(_given(ask, one) for one in given), ask.say("delegate-cancel")]))
    names = await _colleagues(ask, delegating.own_units(ask.actor))
    return _asking(ask, said, "delegate-whom", names=names)


async def _colleagues(ask: Ask, units: tuple[int, ...]) -> list[str]:
    names = [name for unit in units for name in await reading.holders(unit, HOLDERS, ask.today)]
    return [name for name in dict.fromkeys(names) if name != ask.actor.name] or [ask.say("who-nobody")]


def _asking(ask: Ask, said: str, key: str, **facts: object) -> Reply:
    return Reply(ask.say(key, **facts), question=ask.question("delegate", "delegate", rest=said))


async def _delegated(ask: Ask, person: int, name: str, since: date, until: date) -> Reply:
    done = await delegating.delegate(ask.actor, person, name, since, until, ask.at)
    reached = await news.announce(
        ask, "news-delegated", await addressees.of_person(person, ask.at.now), units=_units(done.posts), since=since,
        until=until,
    )  # fmt: skip
    notes = [] if reached else [ask.say("assign-unreached", name=name)]
    lines = [_given(ask, one) for one in done.posts]
    return Reply("\n".join([*lines, ask.say("echo-delegate", entry=done.entry), *notes]))


async def _taken_back(ask: Ask) -> Reply:
    done = await delegating.take_back(ask.actor, ask.at)
    for person in dict.fromkeys(one.person for one in done.posts):
        whom = await addressees.of_person(person, ask.at.now)
        await news.announce(ask, "news-delegated-no-more", whom, units=_units(done.posts))
    return Reply(ask.say("echo-delegate-cancelled", name=done.posts[0].name, entry=done.entry))


def _units(posts: tuple[Acting, ...]) -> list[str]:
    return list(dict.fromkeys(one.unit for one in posts))


def _given(ask: Ask, one: Acting) -> str:
    role = ask.say(f"role-{one.role}")
    return ask.say("delegate-line", name=one.name, unit=one.unit, role=role, since=one.since, until=one.until)


def acting(ask: Ask) -> list[str]:
    """Whose posts the asker holds today."""
    held = [post for post in ask.actor.posts if post.acting_for]
    return [
        ask.say("acting-for", name=post.acting_for, unit=post.unit, role=ask.say(f"role-{post.role}")) for post in held
    ]
