"""撤回: what is as it was before, and who hears of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from bot.conversation import find, news, partners, refusal
from bot.conversation.ask import Ask, Reply
from bot.conversation.telling import IN_FULL, echo
from bot.conversation.waiving import told_partners
from bot.store import addressees, snoozes
from bot.wording import say
from bot.wording.grammar import read_numbers
from bot.wording.orders import CONFIRMED
from duties import undoing
from duties.cases import Law
from duties.obligations import Done
from duties.registry import CountedRule
from duties.store import reading
from duties.undoing import Deed

TOLD_TO_UNIT = frozenset({"waive", "unwaive", "assign", "approve", "reject"})
"""Acts that others were told of at once: they must hear that these were taken back."""
KEPT_STATE = undoing.ASKED | {"approve", "reject"}
"""Acts that moved no state: what is told of their undoing is what became of the request."""


async def undo(ask: Ask) -> Reply:
    """撤回: take back the last answer, every line of it; with numbers, the last act on each of those."""
    numbers, confirmed = ask.named, ask.asked and ask.words.lower() in CONFIRMED
    if ask.words and not (numbers or confirmed):
        mentions = read_numbers(ask.words)
        meant = await find.mentioned(ask, mentions, "") if mentions else Reply(ask.say("undo-how", words=ask.words))
        if isinstance(meant, Reply):
            return meant
        numbers = tuple(one.id for one in meant.obligations)
    deeds = {} if numbers else {one.obligation: one for one in await undoing.last_answer(ask.actor, ask.at)}
    last = tuple(deeds.values())
    if last and not confirmed and (refused_act := await undoing.refused_since(ask.actor, last, ask.at)):
        return await _unsure(ask, refused_act, last)
    law = Law(ask.registry, ask.around.workdays)

    async def take_back(number: int) -> Done:
        deeds[number] = deeds.get(number) or (await undoing.last_answer(ask.actor, ask.at, number))[0]
        return await undoing.take_back(ask.actor, law, deeds[number], ask.at)

    done, refused = await refusal.each(numbers or tuple(deeds), take_back)
    for one in done:
        await _tell_undone(ask, one)
    notes = [await refusal.told(ask, "undo", one) for one in refused]
    return await _undone(ask, done, deeds, notes)


async def _unsure(ask: Ask, refused_act: str, deeds: Sequence[Deed]) -> Reply:
    """The last message wrote nothing: what an undo would take back is named, and whether that is meant is asked."""
    lines = [ask.say("undo-unsure", action=ask.say(f"act-{refused_act}"))]
    for deed in deeds[:IN_FULL]:
        one = await reading.obligation(deed.obligation)
        assert one is not None, "it has a line"
        lines.append(ask.say("undo-would", action=ask.say(f"act-{deed.action}"), **ask.facts(one)))
    if more := [f"#{deed.obligation}" for deed in deeds[IN_FULL:]]:
        lines.append(ask.say("list", parts=more))
    return Reply("\n".join([*lines, ask.say("undo-unsure-foot")]), question=ask.question("undo", "undo"))


async def _undone(ask: Ask, done: Sequence[Done], deeds: Mapping[int, Deed], notes: Sequence[str]) -> Reply:
    """What is as it was before; of a request, what became of that, and of a count, which it was and what is left."""
    kept = [one for one in done if one.undone not in KEPT_STATE | undoing.PARTNERS | {"count"}]
    reply = await echo(ask, "echo-undo", kept, [*await partners.echoed_undone(ask, done), *notes])
    lines = [
        ask.say(f"echo-undo-{one.undone}", entry=one.entry, **ask.facts(one.obligation))
        for one in done
        if one.undone in KEPT_STATE
    ]
    lines += [_uncounted(ask, one, deeds[one.obligation.id]) for one in done if one.undone == "count"]
    return replace(
        reply, text="\n".join([*lines, *reply.text.splitlines()]), about=tuple(one.obligation.id for one in done)
    )


def _uncounted(ask: Ask, done: Done, deed: Deed) -> str:
    one, day = done.obligation, date.fromisoformat(deed.payload["on"])
    rule = ask.duty(one.duty).rule
    assert isinstance(rule, CountedRule), "it was counted"
    noun = rule.noun if ask.language == "zh" else rule.noun_en
    facts = {"topic": deed.payload["topic"], "day": day, "tally": one.tally, "target": one.target, "noun": noun}
    return ask.say("echo-undo-count", entry=done.entry, **facts, **ask.facts(one))


async def _tell_undone(ask: Ask, done: Done) -> None:
    """Whoever was told of an act at once hears that it was taken back."""
    one = done.obligation
    await partners.undone(ask, done)
    if done.undone in {"snooze", "share-snooze"}:
        await snoozes.take_back(ask.actor.person_id, one.id)
    act, state = say(f"act-{done.undone}"), say(f"state-{one.state}")
    if done.undone in undoing.ASKED:
        whom = await addressees.over_unit(one.unit_id, ask.today, ask.at.now)
        await news.tell(ask, "news-undone", one, whom, act=act, state=state)
    elif done.undone in TOLD_TO_UNIT:
        await news.to_unit(ask, "news-undone", one, act=act, state=state)
    if done.undone in {"waive", "unwaive"}:
        await told_partners(ask, one)
