"""通报草稿: the month's bulletin as a file, for a person to complete and sign."""

from calendar import monthrange
from datetime import timedelta

from bot.conversation.ask import Ask, Reply
from bot.store import figures
from bot.store.asked import Asked
from bot.store.oversight import NOTHING, View
from bot.wording.orders import read_month
from duties.errors import RefusedError
from duties.model import Role


async def draft(ask: Ask) -> Reply:
    """通报草稿: of last month, or the month that is named; of this month, of its days that are over."""
    trees = tuple(sorted({post.over for post in ask.actor.posts if post.role == Role.SUPERVISOR}))
    if not trees:
        raise RefusedError("refused-post", action="bulletin")
    first = read_month(ask.words, ask.today)
    if first is None:
        return Reply(ask.say("bulletin-which", words=ask.words))
    last = min(first.replace(day=monthrange(first.year, first.month)[1]), ask.today - timedelta(days=1))
    if last < first:
        return Reply(ask.say("bulletin-early", first=first))
    sums = await figures.month_summed(View(trees=trees), first, last)
    left_out = [ask.say("bulletin-assumed", n=sums.assumed)] if sums.assumed else []
    if not sums.found:
        return Reply("\n".join([ask.say("bulletin-none", first=first, last=last), *left_out]))
    lines = [
        ask.say("bulletin-drafted", first=first, last=last, units=sums.units, overdue=sums.overdue, late=sums.late,
                on_time=sums.on_time),
        *left_out,
        ask.say("letter-file"),
    ]  # fmt: skip
    asked = Asked("bulletin", NOTHING, ask.language, first, last)
    return Reply("\n".join(lines), ((ask.say("button-export"), "export", "plain"),), asked=asked)
