"""What supervisors say: 逾期, 待核, 销号, 退回."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.conversation import find, partners, refusal
from bot.conversation.ask import Ask, Reply
from bot.conversation.checklist import missing_shown
from bot.conversation.find import Found
from bot.conversation.narrow import Narrowed, about, narrowed
from bot.conversation.telling import evidence_shown, fits, offered, remaining_waiting
from bot.store import oversight, shared
from bot.store.asked import Asked
from bot.store.oversight import View
from bot.wording.grammar import LONGEST_TOPIC, is_courtesy, is_question
from bot.wording.groups import Row, grouped
from duties import cases, obligations, shares
from duties.cases import Law
from duties.errors import RefusedError
from duties.model import Role, State
from duties.store import request_rows

SHOWN = 12
"""Units in one answer: more do not fit a phone."""
REVIEWED = 10
BUTTONS_UP_TO = 5
BOTH_UP_TO = 3
"""So many are verified or returned by button: the strictest platform's cards hold six."""
WORST = 5


def view(ask: Ask) -> View:
    """What the asker may look at: the subtrees they supervise, and their own units."""
    return replace(View.of(ask.actor), hidden=ask.hidden)


def trees(ask: Ask) -> tuple[str, ...]:
    """The subtrees the asker supervises."""
    return tuple(sorted({post.over for post in ask.actor.posts if post.role == Role.SUPERVISOR}))


async def overdue(ask: Ask) -> Reply:
    """逾期: who is late with what, by which article; of a unit, a subtree or a duty when one is named."""
    seen = view(ask)
    limits = await narrowed(ask, seen)
    found, units = await oversight.late_counted(seen, ask.today, limits.narrow)
    waiting = await oversight.waiting_counted(seen, limits.narrow)
    head = [ask.say("overdue-unknown", words=limits.unknown)] if limits.unknown else []
    key = "overdue-head" if found else "overdue-none"
    head.append(ask.say(key, n=found, units=units, about=about(ask, limits), day=ask.today))
    foot = await partners.unanswered(ask, seen, "overdue", limits.narrow)
    if waiting:
        key = "overdue-waiting" if ask.holds(Role.SUPERVISOR) else "overdue-waiting-others"
        foot.append(ask.say(key, n=waiting))
    listed, items = await _listed(ask, seen, limits, found, [*head, *foot]) if found else ([], ())
    lines = [*head, *listed, *foot]
    return offered(ask, lines, Asked("overdue", limits.narrow, ask.language), found=found, items=items)


async def _listed(
    ask: Ask, seen: View, limits: Narrowed, found: int, around: Sequence[str]
) -> tuple[list[str], tuple[int, ...]]:
    """As many of the oldest as a screen holds with what stands around them."""
    late = await oversight.late(seen, ask.today, SHOWN, limits.narrow)
    worst = []
    if found > len(late):
        most = await oversight.latest_units(seen, ask.today, WORST, limits.narrow)
        units = [ask.say("overdue-unit", unit=row["unit"], n=row["found"]) for row in most]
        worst.append(ask.say("overdue-worst", units=units))
    missing = await shared.missing([row["id"] for row in late])
    rows = [
        Row(
            number, r["id"], r["duty"], r["term"], r["due"], ask.named_in(r["unit"]), r["state"], r["jurisdiction"],
            missing=tuple(map(ask.named_in, missing.get(r["id"], ()))), named=r["named"] or "",
        )
        for number, r in enumerate(late, 1)
    ]  # fmt: skip
    while True:
        rest = [ask.say("overdue-more", n=found - len(rows))] if found > len(rows) else []
        lines = [*worst, *grouped(rows, ask.registry, ask.today, ask.language), *rest, ask.say("overdue-foot")]
        if len(rows) == 1 or fits(ask, [*around, *lines]):
            return lines, tuple(row.id for row in rows)
        rows.pop()  # every duty brings a line of its own, and its article: fewer fit where each is another duty


async def review(ask: Ask) -> Reply:
    """待核: what was reported and waits to be verified."""
    if not ask.holds(Role.SUPERVISOR):
        raise RefusedError("refused-post", action="review")
    seen = View(trees=trees(ask), hidden=ask.hidden)
    found = await oversight.waiting_counted(seen)
    _, asked_for = await request_rows.open_under(seen.trees, (), 1, seen.hidden)
    requests = [ask.say("review-requests", n=asked_for)] if asked_for else []
    if not found:
        return Reply("\n".join([ask.say("review-none"), *requests]))
    rows = await oversight.waiting(seen, REVIEWED)
    lines = [ask.say("review-head", n=found)]
    for number, row in enumerate(rows, 1):
        lines.append(await _reviewed(ask, number, row))
    if found > len(rows):
        lines.append(ask.say("list-more", n=found - len(rows)))
    items = tuple(row["id"] for row in rows)
    return Reply("\n".join([*lines, *requests, ask.say("review-foot")]), _verdicts(ask, items), items, found=found)


def _verdicts(ask: Ask, items: Sequence[int]) -> tuple[tuple[str, str, str], ...]:
    """The buttons of a review: as many as a phone shows at once."""
    if len(items) > BUTTONS_UP_TO:
        return ()
    verbs = (("close", "primary"), ("return", "danger")) if len(items) <= BOTH_UP_TO else (("close", "primary"),)
    return tuple(
        (ask.say(f"button-{verb}-number", number=number), f"{verb}:{item}", style)
        for number, item in enumerate(items, 1)
        for verb, style in verbs
    )


async def _reviewed(ask: Ask, number: int, row: dict[str, Any]) -> str:
    late = row["done_on"] is not None and row["stop"] is None and row["done_on"] > row["due"]
    marks = [ask.say(key) for key, holds in (("mark-late", late), ("mark-backdated", row["backdated"])) if holds]
    given = await evidence_shown(ask, row["id"], ask.duty(row["duty"]))
    shown = "\n".join([given, *await missing_shown(ask, row["id"])]).strip()
    return ask.say(
        "review-line", number=number, unit=row["unit"], title=ask.title(row["duty"]), term=ask.term(row["term"]),
        id=row["id"], done=row["done_on"] or "", deadline=ask.timing(row)["deadline"], marks="".join(marks),
        evidence=f"\n{shown}" if shown else "",
    )  # fmt: skip


async def close(ask: Ask) -> Reply:
    """销号: verified."""
    meant = await find.meant(ask, "close", lambda: find.watched(ask, (State.REPORTED,)))
    if isinstance(meant, Reply):
        return meant
    numbers = [one.id for one in meant.obligations]
    done, refused = await refusal.each(numbers, lambda number: obligations.close(ask.actor, number, ask.at))
    lines = []
    for one in done:
        lines.append(ask.say("echo-close", entry=one.entry, **ask.facts(one.obligation)))
        lines += await missing_shown(ask, one.obligation.id)
    lines += [await refusal.told(ask, "close", one) for one in refused]
    about = tuple(one.obligation.id for one in done)
    return Reply("\n".join([*lines, await remaining_waiting(ask, View(trees=trees(ask)))]), about=about)


async def give_back(ask: Ask) -> Reply:
    """退回: back to work, with a reason."""
    meant = await find.meant(ask, "return", lambda: find.watched(ask, (State.REPORTED, State.CLOSED)))
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "return", meant.obligations, meant.rest)
    return await _given_back(ask, meant)


async def _given_back(ask: Ask, meant: Found) -> Reply:
    one = meant.obligations[0]
    refusal.must_supervise(ask, one, "return", State.REPORTED, State.CLOSED)
    if cases.right_over(ask.registry, one, ask.today):
        raise RefusedError("refused-right-over", number=one.id, due=one.due, action="return", unit_id=one.unit_id)
    partner, said = await partners.returned(one, meant.rest)
    reason = said[:LONGEST_TOPIC]
    if not reason or is_courtesy(reason) or (ask.asked and is_question(reason)):
        return Reply(ask.say("reason-wanted", **ask.facts(one)), question=ask.question("reason", "return", one.id))
    done = await shares.give_back(ask.actor, one.id, (partner.unit_id,) if partner else (), reason, ask.at)
    if one.duty == cases.RESUMED_BY:
        await cases.unfollowed(ask.actor, Law(ask.registry, ask.around.workdays), one.id, ask.at)
    echo = [ask.say("echo-return", entry=done.entry, reason=reason, **ask.facts(done.obligation))]
    if partner:
        echo.append(await partners.told_returned(ask, done, partner, reason))
    return Reply("\n".join([*echo, await remaining_waiting(ask, View(trees=trees(ask)))]), about=(one.id,))
