"""稍后: the asker is reminded again in a while, nobody else is concerned."""

from dataclasses import replace
from datetime import datetime

from bot.conversation import find, refusal
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.find import Found
from bot.store import snoozes
from bot.wording.grammar import EVERYTHING, DayError
from bot.wording.later import DEFAULT, Later, read_later
from duties import snoozing
from duties.errors import RefusedError
from duties.model import Obligation, Role, State
from duties.obligations import Done
from duties.store import reading

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
    ends: dict[int, datetime] = {}

    async def put_off(number: int) -> Done:
        done, ends[number] = await _put_off(ask, number, wanted)
        return done

    done, refused = await refusal.each([one.id for one in meant.obligations], put_off)
    lines = [
        ask.say("echo-snooze", until=ends[one.obligation.id], entry=one.entry, **ask.facts(one.obligation))
        for one in done
    ]
    if any(ends[one.obligation.id] < wanted for one in done):
        lines.append(ask.say("snooze-bounded", days=snoozing.WORKING_DAYS))
    lines += [await refusal.told(ask, "snooze", one) for one in refused]
    return Reply("\n".join([*lines, ask.say("snooze-foot")]), about=tuple(one.obligation.id for one in done))


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
        return _some(ask, await find.own(ask, PUT_OFF))
    if ask.words or ask.named or not ask.reminded:
        return await find.meant(ask, "snooze", lambda: find.own(ask, PUT_OFF))
    listed = await find.numbered(ask, ask.listed, "")
    if isinstance(listed, Reply):
        return listed
    return _some(ask, [one for one in listed.obligations if one.unit_id in ask.units and one.state in PUT_OFF])


def _some(ask: Ask, found: list[Obligation]) -> Found | Reply:
    if not found:
        if not ask.holds(*HOLDERS):
            raise RefusedError("refused-holders", action="snooze")
        return Reply(ask.say("nothing-open", action=ask.say("act-snooze")))
    return Found(tuple(found))


async def _put_off(ask: Ask, number: int, wanted: datetime) -> tuple[Done, datetime]:
    one = await reading.obligation(number)
    assert one is not None, "it was found"
    workdays, now = ask.around.workdays, ask.at.now
    known = await snoozes.before(ask.actor.person_id, one, workdays.on_or_before(one.due))
    end = snoozing.until(wanted, now, known.bounds, workdays)
    done = await snoozing.snooze(ask.actor, one, end, known.times, ask.at)
    assert end is not None, "else it was refused"
    audience = Role.OFFICER if ask.actor.holds(one.unit_id, Role.OFFICER) else Role.HEAD
    await snoozes.add(ask.actor.person_id, one, str(audience), end, done.entry, now)
    return done, end
