"""稍后: the asker is reminded again in a while, nobody else is concerned."""

from dataclasses import dataclass, replace
from datetime import datetime

from bot.conversation import find, partners, refusal
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.find import Found
from bot.store import snoozes
from bot.wording.grammar import EVERYTHING, DayError
from bot.wording.later import DEFAULT, Later, read_later
from duties import shares, snoozing
from duties.errors import RefusedError
from duties.model import OPEN_SHARES, Obligation, Role, State
from duties.obligations import Done
from duties.store import reading
from duties.store.share_rows import Share

PUT_OFF = (State.PENDING, State.ACKNOWLEDGED)


async def snooze(ask: Ask) -> Reply:
    """稍后: one, several or everything a reminder named; without a time, two hours."""
    try:
        later = read_later(ask.words, ask.at.now)
    except DayError as error:
        return Reply(ask.say("snooze-no-such-day", text=error))
    meant = await _meant(ask.told(later.rest))
    if isinstance(meant, Reply):
        return _keeping(meant, later.said)
    if meant.rest:
        return Reply(ask.say("snooze-unread", text=meant.rest))
    wanted = _wanted(ask, later)
    put: dict[int, _Put] = {}

    async def put_off(number: int) -> Done:
        put[number] = await _put_off(ask, number, wanted)
        return put[number].done

    done, refused = await refusal.each([one.id for one in meant.obligations], put_off)
    lines = [_echo(ask, put[one.obligation.id]) for one in done]
    if any(put[one.obligation.id].end < wanted for one in done):
        lines.append(ask.say("snooze-bounded", days=snoozing.WORKING_DAYS))
    lines += [await refusal.told(ask, "snooze", one) for one in refused]
    return Reply("\n".join([*lines, ask.say("snooze-foot")]), about=tuple(one.obligation.id for one in done))


@dataclass(frozen=True, slots=True)
class _Put:
    """What was put off, until when; `part` where it is a partner's share."""

    done: Done
    end: datetime
    part: Share | None


def _echo(ask: Ask, put: _Put) -> str:
    facts = {"until": put.end, "entry": put.done.entry, **ask.facts(put.done.obligation)}
    if put.part is None:
        return ask.say("echo-snooze", **facts)
    return ask.say("echo-share-snooze", partner=put.part.unit, **facts)


def _wanted(ask: Ask, later: Later) -> datetime:
    """Days are working days: whoever says three days on a Thursday has three days of work before them."""
    if not later.days:
        return later.at or ask.at.now + DEFAULT
    return snoozing.opening(ask.around.workdays.add(ask.today, later.days), ask.at.now, 0)


def _keeping(reply: Reply, said: str) -> Reply:
    """A question which one is meant, that remembers the time named; a button would not."""
    if reply.question is None or not said:
        return reply
    content = {**reply.question.content, "rest": said}
    return replace(reply, buttons=(), question=replace(reply.question, content=content))


async def _meant(ask: Ask) -> Found | Reply:
    """By number or title, else what the message replied to reminded of; 全部 is all that is open."""
    if ask.words.lower() in EVERYTHING:
        return _some(ask, await partners.working(ask, PUT_OFF, *OPEN_SHARES))
    if ask.words or ask.named or not ask.reminded:
        return await find.meant(ask, "snooze", lambda: partners.working(ask, PUT_OFF, *OPEN_SHARES))
    listed = await find.numbered(ask, ask.listed, "")
    if isinstance(listed, Reply):
        return listed
    own = [one for one in listed.obligations if one.unit_id in ask.units and one.state in PUT_OFF]
    shared = await partners.parts(ask, listed.obligations, *OPEN_SHARES)
    return _some(ask, [one for one in listed.obligations if one in own or one.id in shared])


def _some(ask: Ask, found: list[Obligation]) -> Found | Reply:
    if not found:
        if not ask.holds(*HOLDERS):
            raise RefusedError("refused-holders", action="snooze")
        return Reply(ask.say("nothing-open", action=ask.say("act-snooze")))
    return Found(tuple(found))


async def _put_off(ask: Ask, number: int, wanted: datetime) -> _Put:
    one = await reading.obligation(number)
    assert one is not None, "it was found"
    workdays, now = ask.around.workdays, ask.at.now
    part = await partners.part_in(ask, one)
    unit = part.unit_id if part else one.unit_id
    known = await snoozes.before(ask.actor.person_id, one, unit, workdays.on_or_before(one.due))
    end = snoozing.until(wanted, now, known.bounds, workdays)
    if part is None:
        done = await snoozing.snooze(ask.actor, one, end, known.times, ask.at)
    else:
        done = (await shares.snooze(ask.actor, number, unit, end, known.times, ask.at)).done
    assert end is not None, "else it was refused"
    role = Role.OFFICER if ask.actor.holds(unit, Role.OFFICER) else Role.HEAD
    audience = f"{role}/{part.id}" if part else str(role)
    await snoozes.add(ask.actor.person_id, one, audience, end, done.entry, now)
    return _Put(done, end, part)
