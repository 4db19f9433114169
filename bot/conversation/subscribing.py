"""订阅 and 退订: what somebody is told without asking. Nobody is subscribed to anything they did not ask for."""

from bot import digest
from bot.conversation.ask import Ask, Reply
from bot.store import subscriptions
from bot.wording.orders import read_digests
from duties.errors import RefusedError


async def subscribe(ask: Ask) -> Reply:
    """订阅: a digest by its name; without one, what the asker has."""
    _may(ask, "subscribe")
    kinds = read_digests(ask.words)
    if not kinds:
        return await _listed(ask)
    office = await subscriptions.office_of(ask.actor.person_id, ask.today)
    lines = []
    for kind in kinds:
        first = digest.next_day(kind, ask.at.now, office, ask.around.workdays)
        current = digest.period(kind, ask.today)
        told = "" if digest.period(kind, first) == current else current.isoformat()
        await subscriptions.add(ask.actor.person_id, kind, ask.language, told)
        lines.append(ask.say(f"subscribed-{kind}", day=first, hour=f"{office // 60:02d}:{office % 60:02d}"))
    return Reply("\n".join([*lines, ask.say("subscribed-foot")]))


async def unsubscribe(ask: Ask) -> Reply:
    """退订: a digest by its name, or all of them."""
    _may(ask, "unsubscribe")
    kinds = read_digests(ask.words)
    if not kinds:
        return await _listed(ask)
    ended = [kind for kind in kinds if await subscriptions.remove(ask.actor.person_id, kind)]
    if not ended:
        return Reply(ask.say("unsubscribed-nothing", kinds=_names(ask, kinds)))
    return Reply(ask.say("unsubscribed", kinds=_names(ask, ended)))


async def _listed(ask: Ask) -> Reply:
    have = await subscriptions.kinds_of(ask.actor.person_id)
    lines = [ask.say("subscriptions-unknown", words=ask.words)] if ask.words else []
    lines.append(ask.say("subscriptions", kinds=_names(ask, have)) if have else ask.say("subscriptions-none"))
    return Reply("\n".join([*lines, ask.say("subscriptions-foot")]))


def _names(ask: Ask, kinds: "list[str] | tuple[str, ...]") -> list[str]:
    return [ask.say(f"digest-name-{kind}") for kind in kinds]


def _may(ask: Ask, action: str) -> None:
    if not ask.holds(*digest.READERS):
        raise RefusedError("refused-post", action=action)
