"""What falls due, what is not acknowledged, one unit, one duty; and the full table of the last question."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from bot import tickets
from bot.conversation import partners
from bot.conversation.ask import OWN_PAGE, Ask, Reply
from bot.conversation.narrow import Narrowed, about, narrowed
from bot.conversation.supervisor import view
from bot.conversation.telling import fits, offered
from bot.store import asked, figures, oversight
from bot.store.asked import Asked
from bot.store.figures import Sums, Which
from bot.store.oversight import Narrow, View
from bot.wording.grammar import days_ahead
from duties.model import Role

AHEAD = 30
"""Days that are looked ahead when none are named."""
FARTHEST = 400
ITEMS = 10
DUTIES = 5
UNITS = 6
NEAREST = 3
LIKELY = 8
ALWAYS_HELD = (Role.HEAD, Role.OFFICER)
"""The posts whose vacancy is told: the others are not found in every unit."""


async def due_week(ask: Ask) -> Reply:
    """本周到期: what falls due from Monday to Sunday."""
    monday = ask.today - timedelta(days=ask.today.weekday())
    return await _due(ask, monday, monday + timedelta(days=6))


async def due_month(ask: Ask) -> Reply:
    """本月到期: what falls due in this calendar month."""
    first = ask.today.replace(day=1)
    return await _due(ask, first, first.replace(day=monthrange(first.year, first.month)[1]))


async def due(ask: Ask) -> Reply:
    """到期: what falls due from today on, within so many days."""
    days, rest = days_ahead(ask.words)
    ahead = timedelta(days=AHEAD if days is None else min(days, FARTHEST))
    return await _due(replace(ask, words=rest), ask.today, ask.today + ahead)


async def _due(ask: Ask, first: date, last: date) -> Reply:
    seen = view(ask)
    limits = await narrowed(ask, seen)
    which = Which(due_from=first, due_to=last)
    sums = await figures.summed(seen, limits.narrow, which, ask.today)
    question = Asked("due", limits.narrow, ask.language, first, last)
    lines = unknown(ask, limits)
    if not sums.found:
        lines.append(ask.say("due-none", first=first, last=last, about=about(ask, limits)))
        return offered(ask, lines, question, found=0)
    lines.append(
        ask.say(
            "due-head", first=first, last=last, about=about(ask, limits), n=sums.found, units=sums.units,
            open=sums.open, late=sums.overdue, done=sums.done,
        )
    )  # fmt: skip
    if sums.units > 1 and ask.holds(Role.SUPERVISOR, Role.ADMIN):
        lines += await _due_counted(ask, seen, limits.narrow, which)
        return offered(ask, lines, question, found=sums.found)
    listed = await figures.listed(seen, limits.narrow, replace(which, only_open=True), ITEMS)
    lines += [item(ask, number, row, sums) for number, row in enumerate(listed, 1)]
    lines += more(ask, sums.open - len(listed))
    return offered(ask, lines, question, found=sums.found, items=tuple(row["id"] for row in listed))


async def _due_counted(ask: Ask, seen: View, narrow: Narrow, which: Which) -> list[str]:
    """What is still open, by duty and by unit."""
    still_open = replace(which, only_open=True)
    duties = await figures.summed_by_duty(seen, narrow, still_open, ask.today)
    units = await figures.summed_by_unit(seen, narrow, still_open, ask.today)
    by_duty = [
        ask.say(
            "due-duty", title=ask.title(row["duty"]), term=ask.term(row["term"]), n=sums.open, **ask.timing(row),
        )
        for row, sums in duties[:DUTIES]
    ]  # fmt: skip
    by_unit = [
        ask.say("due-unit-late" if sums.overdue else "due-unit", unit=unit, n=sums.open, late=sums.overdue)
        for unit, sums in units[:UNITS]
    ]
    return [
        *by_duty, *more(ask, len(duties) - len(by_duty), "more-duties"),
        *by_unit, *more(ask, len(units) - len(by_unit), "more-units"),
    ]  # fmt: skip


async def unacknowledged(ask: Ask) -> Reply:
    """未签收: who was told and has not acknowledged, longest first."""
    seen = view(ask)
    limits = await narrowed(ask, seen)
    found, units = await figures.unacknowledged_counted(seen, limits.narrow)
    question = Asked("unacknowledged", limits.narrow, ask.language)
    lines = unknown(ask, limits)
    partnered = await partners.unanswered(ask, seen, "unacknowledged", limits.narrow)
    if not found:
        none = ask.say("unacknowledged-none", about=about(ask, limits))
        return offered(ask, [*lines, none, *partnered], question, found=len(partnered))
    rows = await figures.unacknowledged(seen, limits.narrow, ITEMS)
    lines.append(ask.say("unacknowledged-head", n=found, units=units, about=about(ask, limits)))
    shown = [_unacknowledged(ask, number, row) for number, row in enumerate(rows, 1)]
    while not fits(ask, [*lines, *shown, *(rest := [*more(ask, found - len(shown)), *partnered])]) and len(shown) > 1:
        shown.pop()
    items = tuple(row["id"] for row in rows[: len(shown)])
    return offered(ask, [*lines, *shown, *rest], question, found=found, items=items)


def _unacknowledged(ask: Ask, number: int, row: dict[str, Any]) -> str:
    told = row["told"].astimezone(ask.at.now.tzinfo).date()
    key = "unacknowledged-line" if told < ask.today else "unacknowledged-today"
    return ask.say(
        key, number=number, unit=row["unit"], title=ask.title(row["duty"]), id=row["id"],
        term=ask.term(row["term"]), told=told, days=(ask.today - told).days,
        workdays=ask.around.workdays.between(told, ask.today),
    )  # fmt: skip


async def unit(ask: Ask) -> Reply:
    """单位: how one unit stands, what comes next, who holds its posts; one's own when none is named."""
    seen = view(ask)
    limits = await narrowed(ask, seen)
    if limits.unknown and not limits.narrow.paths:
        return Reply(ask.say("unit-unknown", words=limits.unknown))
    found = await figures.units_at(limits.narrow.paths, ask.units)
    if not found:
        return Reply(ask.say("unit-wanted"))
    if len(found) > 1:
        names = [row["name"] for row in found[:LIKELY]]
        return Reply("\n".join([ask.say("unit-which", n=len(found), names=names), *more(ask, len(found) - len(names))]))
    return await _profile(ask, seen, limits, found[0])


async def _profile(ask: Ask, seen: View, limits: Narrowed, one: dict[str, Any]) -> Reply:
    narrow = Narrow((one["path"],), limits.narrow.duties)
    below = one["below"] if ask.holds(Role.SUPERVISOR, Role.ADMIN) else 0
    now = await figures.summed(seen, narrow, Which(opened_by=ask.today, only_open=True), ask.today)
    year = await figures.summed(seen, narrow, _year(ask.today), ask.today)
    waiting = await oversight.waiting_counted(seen, narrow)
    nearest = await figures.listed(seen, narrow, Which(opened_by=ask.today, only_open=True), NEAREST)
    standing = await figures.listed(seen, narrow, Which(standing=True, only_open=True), NEAREST)
    nearest += [row for row in standing if row not in nearest]
    lines = [
        *unknown(ask, limits),
        ask.say("unit-head-below" if below else "unit-head", unit=one["name"], below=below),
        ask.say("unit-open", n=now.open, late=now.overdue, waiting=waiting),
        ask.say("unit-year", year=ask.today.year, n=year.found, on_time=year.on_time, late=year.late, open=year.open),
        *([ask.say("unit-nearest")] if nearest else []),
        *(item(ask, number, row, now) for number, row in enumerate(nearest, 1)),
        *await partners.unanswered(ask, seen, "open", narrow),
        *await _posts(ask, one["id"]),
    ]
    question = Asked("unit", narrow, ask.language)
    return offered(ask, lines, question, found=1, items=tuple(row["id"] for row in nearest))


def _year(today: date) -> Which:
    return Which(due_from=date(today.year, 1, 1), due_to=date(today.year, 12, 31))


async def _posts(ask: Ask, number: int) -> list[str]:
    held = await figures.posts_of(number, ask.today)
    lines = [
        ask.say("post-reached" if row["reached"] else "post-unreached", role=_role(ask, row["role"]), name=row["name"])
        for row in held
    ]
    empty = [role for role in ALWAYS_HELD if not any(row["role"] == role for row in held)]
    return [*lines, *(ask.say("post-vacant", role=_role(ask, role)) for role in empty)]


def _role(ask: Ask, role: str) -> str:
    return ask.say(f"role-{role}")


async def duty(ask: Ask) -> Reply:
    """事项: of one duty's current or last term, who has done it and who has not."""
    seen = view(ask)
    limits = await narrowed(ask, seen)
    if not limits.narrow.duties:
        wanted = ask.say("duty-unknown", words=limits.unknown) if limits.unknown else ask.say("duty-wanted")
        return Reply(wanted)
    terms = await figures.current_terms(seen, limits.narrow, ask.today)
    question = Asked("duty", limits.narrow, ask.language)
    lines = unknown(ask, limits)
    if not terms:
        return offered(ask, [*lines, ask.say("duty-none", about=about(ask, limits))], question, found=0)
    if len(terms) > 1:
        lines.append(ask.say("duty-several", n=len(terms)))
    for code, opens in list(terms.items())[:LIKELY]:
        narrow, which = Narrow(limits.narrow.paths, (code,)), Which(opened_on=opens)
        lines += [
            _duty_line(ask, row, sums) for row, sums in await figures.summed_by_duty(seen, narrow, which, ask.today)
        ]
    lines += more(ask, len(terms) - LIKELY, "more-duties")
    if len(terms) > 1:
        return offered(ask, lines, question, found=1)
    (code, opens) = next(iter(terms.items()))
    which = Which(opened_on=opens, only_open=True)
    sums = await figures.summed(seen, limits.narrow, which, ask.today)
    missing = await figures.listed(seen, limits.narrow, which, ITEMS)
    lines += [
        ask.say("duty-unit", number=number, unit=row["unit"], state=ask.say(f"state-{row['state']}"), id=row["id"])
        for number, row in enumerate(missing, 1)
    ]
    lines += more(ask, sums.open - len(missing))
    return offered(ask, lines, question, found=1, items=tuple(row["id"] for row in missing))


def _duty_line(ask: Ask, row: dict[str, Any], sums: Sums) -> str:
    return ask.say(
        "duty-line", title=ask.title(row["duty"]), term=ask.term(row["term"]), n=sums.found, done=sums.done,
        late=sums.late, open=sums.open, **ask.timing(row),
    )  # fmt: skip


async def export(ask: Ask) -> Reply:
    """导出: a link to the full table of the question asked last, or of the one that is replied to."""
    answer = await asked.last(ask.message.connection, ask.message.sender, ask.message.reply_to)
    if answer is None:
        return Reply(ask.say("export-nothing"))
    page = "" if ask.message.connection == OWN_PAGE else ask.around.page.rstrip("/")
    if not page and ask.message.connection != OWN_PAGE:
        return Reply(ask.say("export-no-page"))
    around = ask.around
    named = tickets.Ticket(answer, ask.actor.person_id, tickets.ending(around.link_lasts, ask.at.now))
    link, until = f"{page}/export/{await tickets.issue(named)}", ask.at.now + around.link_lasts
    question = await asked.question(answer)
    key = "export-file" if question and question.kind in asked.FILES else "export-link"
    return Reply(ask.say(key, link=link, until=until, uses=around.link_uses), private=True)


def unknown(ask: Ask, limits: Narrowed) -> list[str]:
    """That some words fitted nothing."""
    return [ask.say("overdue-unknown", words=limits.unknown)] if limits.unknown else []


def item(ask: Ask, number: int, row: dict[str, Any], sums: Sums) -> str:
    """One obligation on one line, with its unit where several are spoken of."""
    return ask.say(
        "due-line-unit" if sums.units > 1 else "due-line", number=number, title=ask.title(row["duty"]), id=row["id"],
        term=ask.term(row["term"]), unit=row["unit"], state=ask.say(f"state-{row['state']}"), **ask.timing(row),
    )  # fmt: skip


def more(ask: Ask, n: int, key: str = "more-items") -> Sequence[str]:
    """How many were left out, if any."""
    return [ask.say(key, n=n)] if n > 0 else []
