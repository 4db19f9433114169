"""What is counted: 学法, 计数, and attestations by person."""

from bot.conversation import find, refusal, training
from bot.conversation.ask import Ask, Reply
from bot.conversation.find import Found
from bot.conversation.telling import echo, is_counted
from bot.wording.grammar import (
    ATTENDED,
    HASH_NUMBER,
    LONGEST_TOPIC,
    DayError,
    first_day,
    is_courtesy,
    is_question,
)
from bot.wording.orders import read_meeting
from duties import obligations
from duties import training as hours
from duties.errors import RefusedError
from duties.model import OPEN_STATES, Obligation, State
from duties.registry import CountedRule, Duty

STUDY = "pre-meeting-study"
COUNTABLE = (*OPEN_STATES, State.REPORTED)


async def study(ask: Ask) -> Reply:
    """学法: one meeting of the year's twelve, with its date and topic."""
    candidates = [one for one in await find.own(ask, COUNTABLE) if one.duty == STUDY]
    if not (ask.units or ask.named):
        raise RefusedError("refused-holders", action="study")
    if ask.named or HASH_NUMBER.match(ask.words):
        meant = await find.meant(ask, "study", _given(candidates))
    elif len(candidates) == 1:
        meant = Found((candidates[0],), ask.words)
    elif candidates:
        meant = find.choose(ask, "study", candidates, ask.words)
    else:
        meant = Reply(ask.say("no-study"))
    return meant if isinstance(meant, Reply) else await _counted(ask, meant)


async def tally(ask: Ask) -> Reply:
    """计数: one count towards any counted duty."""
    counted = [one for one in await find.own(ask, COUNTABLE) if is_counted(ask.duty(one.duty))]
    meant = await find.meant(ask, "tally", _given(counted))
    return meant if isinstance(meant, Reply) else await _counted(ask, meant)


def _given(candidates: list[Obligation]) -> find.Candidates:
    async def known() -> list[Obligation]:
        return candidates

    return known


async def _counted(ask: Ask, meant: Found) -> Reply:
    if len(meant.obligations) > 1:
        return find.choose(ask, "tally", meant.obligations, meant.rest)
    one = meant.obligations[0]
    duty = ask.duty(one.duty)
    if not is_counted(duty):
        return Reply(ask.say("not-counted", **ask.facts(one)), about=(one.id,))
    return await count(ask, one, duty, meant.rest)


async def count(ask: Ask, one: Obligation, duty: Duty, words: str) -> Reply:
    """Count once, or ask for what is missing."""
    await refusal.must_hold(ask, one, "count", *COUNTABLE)
    rule = duty.rule
    assert isinstance(rule, CountedRule)
    if rule.per == "officer" and await training.measured(ask, one):
        return await training.instead(ask, one, words)
    if rule.per != "unit":
        return await _attest(ask, one, rule, words)
    facts = {"noun": rule.noun if ask.language == "zh" else rule.noun_en, "target": one.target}
    words = f"{ask.before} {words}".strip() if ask.asked else words
    meeting, said = read_meeting(words) if rule.once_per == "meeting" else (None, words)
    try:
        found, topic = first_day(said, ask.today)
    except DayError as error:
        return _asking(ask, one, "no-such-day", text=error)
    on = found or ask.today
    if on > ask.today:
        return _asking(ask, one, "day-future", day=on)
    if not topic or is_courtesy(topic) or (ask.asked and is_question(topic)):
        return _asking(ask, one, "count-wanted", words if meeting else "", tally=one.tally, **facts)
    topic = topic[:LONGEST_TOPIC]
    named = None if meeting is None else meeting[:LONGEST_TOPIC]
    done = await obligations.count(ask.actor, one.id, topic, on, ask.at, meeting=named)
    after = done.obligation
    key = "echo-count-met" if after.tally >= after.target else "echo-count"
    return await echo(ask, key, [done], (), tally=after.tally, day=on, topic=topic, **facts)


def _asking(ask: Ask, one: Obligation, key: str, rest: str = "", **facts: object) -> Reply:
    return Reply(ask.say(key, **ask.facts(one), **facts), question=ask.question("count", "tally", one.id, rest=rest))


async def _attest(ask: Ask, one: Obligation, rule: CountedRule, words: str) -> Reply:
    """Per-person duties: the unit attests how many should and how many did, until officers are listed by name."""
    if rule.per == "officer":
        await hours.may_attest(one, ask.today)
    match = ATTENDED.search(words)
    if match is None:
        return _asking(ask, one, "attest-wanted")
    should, did = (int(match[1]), int(match[2])) if match[1] else (int(match[4]), int(match[3]))
    if should == 0 or did > should:
        return _asking(ask, one, "attest-impossible", should=should, did=did)
    amount = one.target - one.tally if did == should else 0
    topic = ask.say("attest-topic", should=should, did=did)
    done = await obligations.count(ask.actor, one.id, topic, ask.today, ask.at, max(0, amount))
    key = "echo-attest" if did < should else "echo-attest-met"
    return await echo(ask, key, [done], (), should=should, did=did, left=should - did)
