"""报告稿: the report that a duty asks of a unit, half written, as a file."""

from bot.conversation import find, refusal
from bot.conversation.ask import Ask, Reply
from bot.store.asked import Asked
from bot.store.oversight import NOTHING
from duties.errors import RefusedError
from duties.model import Obligation
from duties.paper import REPORTS


async def skeleton(ask: Ask) -> Reply:
    """报告稿: of a duty whose report has a form; facts, articles and days are filled in."""
    meant = await find.meant(ask, "skeleton", lambda: _candidates(ask))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "skeleton", meant.obligations, meant.rest)
    one = meant.obligations[0]
    await refusal.must_hold(ask, one, "skeleton")
    if one.duty not in REPORTS:
        raise RefusedError("refused-no-skeleton", duty=one.duty, number=one.id, titles=_titles(ask))
    lines = [
        ask.say("skeleton-made", paper=ask.say(f"paper-{REPORTS[one.duty]}"), **ask.facts(one)),
        ask.say("letter-file"),
    ]
    button = (ask.say("button-export"), "export", "plain")
    asked = Asked("report", NOTHING, ask.language, letter=one.id)
    return Reply("\n".join(lines), (button,), about=(one.id,), asked=asked)


async def _candidates(ask: Ask) -> list[Obligation]:
    found = [one for one in await find.own(ask) if one.duty in REPORTS]
    if not found and not ask.words:
        raise RefusedError("refused-nothing-to-write", titles=_titles(ask))
    return found or await find.own(ask)


def _titles(ask: Ask) -> list[str]:
    return [ask.title(code) for code in REPORTS]
