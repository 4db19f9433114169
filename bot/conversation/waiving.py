"""免办 and 恢复办理: a supervisor lets a unit off, for a reason and perhaps until a day, and takes that back."""

from bot.conversation import find, news, partners
from bot.conversation.ask import Ask, Reply
from bot.conversation.telling import moot
from bot.wording import Language, say
from bot.wording.grammar import LONGEST_TOPIC, DayError, is_courtesy, is_question, read_until
from duties import cases, obligations
from duties.errors import RefusedError
from duties.model import OPEN_STATES, Obligation, State
from duties.obligations import Done


async def waive(ask: Ask) -> Reply:
    """免办: with a reason, for good or until a day."""
    meant = await find.meant(ask, "waive", lambda: find.watched(ask, OPEN_STATES))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "waive", meant.obligations, meant.rest)
    one = meant.obligations[0]
    await obligations.may_waive(ask.actor, one, ask.at, "waive", *OPEN_STATES)
    try:
        until, reason = read_until(meant.rest, ask.today)
    except DayError as error:
        return _asking(ask, one, "no-such-day", text=error)
    if until is not None and until < ask.today:
        return _asking(ask, one, "refused-waiver-past", day=until)
    if not reason or is_courtesy(reason) or (ask.asked and is_question(reason)):
        return _asking(ask, one, "waiver-reason-wanted")
    done = await obligations.waive(ask.actor, one.id, reason[:LONGEST_TOPIC], ask.at, until)
    return await _waived(ask, done)


def _asking(ask: Ask, one: Obligation, key: str, **facts: object) -> Reply:
    return Reply(ask.say(key, **ask.facts(one), **facts), question=ask.question("reason", "waive", one.id))


async def _waived(ask: Ask, done: Done) -> Reply:
    one = done.obligation
    await news.to_unit(ask, "news-waived", one, reason=one.reason, lasts=lasting(one, "zh"))
    await told_partners(ask, one)
    facts = {"entry": done.entry, "reason": one.reason, "lasts": lasting(one, ask.language), "name": ask.actor.name}
    lines = [ask.say("echo-waive", **facts, **ask.facts(one)), *moot(ask, [done])]
    return Reply("\n".join(lines), about=(one.id,))


async def unwaive(ask: Ask) -> Reply:
    """恢复办理: what was waived is owed again."""
    meant = await find.meant(ask, "unwaive", lambda: find.watched(ask, (State.WAIVED,)))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "unwaive", meant.obligations, meant.rest)
    waived = meant.obligations[0]
    await obligations.may_waive(ask.actor, waived, ask.at, "unwaive", State.WAIVED)
    if cases.right_over(ask.registry, waived, ask.today):
        raise RefusedError(
            "refused-right-over", number=waived.id, due=waived.due, action="unwaive", unit_id=waived.unit_id
        )
    done = await obligations.unwaive(ask.actor, waived.id, ask.at)
    one = done.obligation
    key = "echo-unwaive-late" if one.overdue(ask.today) else "echo-unwaive"
    return Reply(ask.say(key, entry=done.entry, **ask.facts(one)), about=(one.id,))


async def told_partners(ask: Ask, one: Obligation) -> None:
    """Tell who has not answered as a partner that it need not, or that it has to again."""
    if one.state == State.WAIVED:
        await partners.of_lead(ask, one, "news-share-waived", reason=one.reason, lasts=lasting(one, "zh"))
    else:
        await partners.of_lead(ask, one, "news-share-owed-again", owed_again=True)


def lasting(one: Obligation, language: Language) -> str:
    """How long a waiver lasts."""
    if one.waived_until is None:
        return say("waiver-for-good", language)
    return say("waiver-until", language, day=one.waived_until)
