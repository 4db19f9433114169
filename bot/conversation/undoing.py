"""撤回: what is as it was before, and who hears of it."""

from collections.abc import Sequence
from dataclasses import replace

from bot.conversation import find, news, partners, refusal
from bot.conversation.ask import Ask, Reply
from bot.conversation.telling import echo
from bot.conversation.waiving import told_partners
from bot.store import addressees, snoozes
from bot.wording import say
from bot.wording.grammar import read_numbers
from duties import undoing
from duties.cases import Law
from duties.obligations import Done

TOLD_TO_UNIT = frozenset({"waive", "unwaive", "assign", "approve", "reject"})
"""Acts that others were told of at once: they must hear that these were taken back."""
KEPT_STATE = undoing.ASKED | {"approve", "reject"}
"""Acts that moved no state: what is told of their undoing is what became of the request."""


async def undo(ask: Ask) -> Reply:
    """撤回: take back the last answer, every line of it; with numbers, the last act on each of those."""
    numbers = ask.named
    if ask.words and not numbers:
        mentions = read_numbers(ask.words)
        meant = await find.mentioned(ask, mentions, "") if mentions else Reply(ask.say("undo-how", words=ask.words))
        if isinstance(meant, Reply):
            return meant
        numbers = tuple(one.id for one in meant.obligations)
    deeds = {} if numbers else {one.obligation: one for one in await undoing.last_answer(ask.actor, ask.at)}
    law = Law(ask.registry, ask.around.workdays)

    async def take_back(number: int) -> Done:
        deed = deeds.get(number) or (await undoing.last_answer(ask.actor, ask.at, number))[0]
        return await undoing.take_back(ask.actor, law, deed, ask.at)

    done, refused = await refusal.each(numbers or tuple(deeds), take_back)
    for one in done:
        await _tell_undone(ask, one)
    notes = [await refusal.told(ask, "undo", one) for one in refused]
    return await _undone(ask, done, notes)


async def _undone(ask: Ask, done: Sequence[Done], notes: Sequence[str]) -> Reply:
    """What is as it was before; of a request, what became of that."""
    kept = [one for one in done if one.undone not in KEPT_STATE | undoing.PARTNERS]
    reply = await echo(ask, "echo-undo", kept, [*await partners.echoed_undone(ask, done), *notes])
    lines = [
        ask.say(f"echo-undo-{one.undone}", entry=one.entry, **ask.facts(one.obligation))
        for one in done
        if one.undone in KEPT_STATE
    ]
    return replace(
        reply, text="\n".join([*lines, *reply.text.splitlines()]), about=tuple(one.obligation.id for one in done)
    )


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
