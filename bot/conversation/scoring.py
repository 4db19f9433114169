"""扣分, 加分 and 积分: what a supervisor records in points, and what a unit has of them this year."""

from datetime import date
from decimal import Decimal
from typing import Any

from bot.conversation import narrow
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.questions import more
from bot.conversation.supervisor import view
from bot.store import addressees, queue
from bot.wording import Language, say
from bot.wording.grammar import LONGEST_TOPIC, is_courtesy, is_question
from bot.wording.orders import read_points, read_reversal
from duties import points
from duties.errors import RefusedError
from duties.model import Role
from duties.points import Scored, Unit
from duties.store import point_rows
from duties.store.point_rows import Point

SHOWN = 12
"""Records, or units, in one answer: more do not fit a phone."""
NAMED = 6
SIGNS = {Decimal(-1): "\u2212", Decimal(0): "", Decimal(1): "+"}


async def deduct(ask: Ask) -> Reply:
    """扣分: a unit, an amount, a ground, perhaps the obligation; or 撤销 with a record's number and a ground."""
    return await _scored(ask, "deduct", -1)


async def credit(ask: Ask) -> Reply:
    """加分: the same, the other way."""
    return await _scored(ask, "credit", 1)


async def _scored(ask: Ask, command: str, sign: int) -> Reply:
    if not ask.holds(Role.SUPERVISOR):
        raise RefusedError("refused-post", action=command)
    beside = ask.asked and (is_courtesy(ask.words) or is_question(ask.words))
    words = f"{ask.before} {'' if beside else ask.words}".strip()
    reversal = read_reversal(words)
    if reversal is not None:
        return await _reversed(ask, command, words, *reversal)
    said = read_points(words)
    if not said.unit or said.amount is None or said.signed:
        return Reply(ask.say("points-signed" if said.signed else f"points-how-{command}"))
    unit = await _unit(ask, said.unit)
    if isinstance(unit, Reply):
        return unit
    points.may_score(ask.actor, unit, command)
    if not said.ground or is_courtesy(said.ground):
        text = ask.say("points-ground-wanted", unit=unit.name, amount=_shown(said.amount * sign))
        return Reply(text, question=ask.question("points", command, rest=words))
    done = await points.score(ask.actor, unit, said.amount * sign, said.ground[:LONGEST_TOPIC], ask.at, said.obligation)
    return await _told(ask, "points-done", done)


async def _unit(ask: Ask, word: str) -> Unit | Reply:
    found = [Unit(row["id"], row["name"], row["path"]) for row in await narrow.units_called(word)]
    watched = [one for one in found if ask.actor.supervises(one.path)]
    if not found:
        return Reply(ask.say("unit-unknown", words=word))
    if len(watched) > 1:
        names = [one.name for one in watched[:NAMED]]
        return Reply(ask.say("points-which", words=word, names=names, n=len(watched)))
    return watched[0] if watched else found[0]


async def _reversed(ask: Ask, command: str, words: str, number: int, ground: str) -> Reply:
    if not ground or is_courtesy(ground):
        text = ask.say("points-reversal-wanted", number=number)
        return Reply(text, question=ask.question("points", command, rest=words))
    done = await points.reverse(ask.actor, number, ground[:LONGEST_TOPIC], ask.at)
    return await _told(ask, "points-reversed", done)


async def _told(ask: Ask, key: str, done: Scored) -> Reply:
    """What was recorded, to who did and to the unit."""
    one = done.point
    facts: dict[str, Any] = {"unit": one.unit, "amount": _shown(one.amount), "ground": one.ground, "number": one.id}
    news = say(
        f"news-{key}", name=ask.actor.name, of=one.reverses or "", about=_about("zh", one.obligation_id), **facts
    )
    about = [one.obligation_id] if one.obligation_id is not None else []
    body = {"text": news, "buttons": [], "items": [], "about": about, "direct": True}
    for each in await addressees.of_unit(one.unit_id, HOLDERS, ask.today, ask.at.now):
        await queue.put("news", each.connection, each.address, body, ask.at.now, person=each.person)
    total = await _year(ask, (one.unit_id,))
    text = ask.say(
        key, total=_shown(total), year=ask.today.year, entry=done.entry, of=one.reverses or "",
        about=_about(ask.language, one.obligation_id), **facts,
    )  # fmt: skip
    return Reply(text, about=tuple(about))


async def _year(ask: Ask, units: tuple[int, ...]) -> Decimal:
    return sum((one.amount for one in await point_rows.summed((), units, *_days(ask))), Decimal(0))


def _days(ask: Ask) -> tuple[date, date]:
    return date(ask.today.year, 1, 1), date(ask.today.year, 12, 31)


async def listed(ask: Ask) -> Reply:
    """积分: a unit's records of this year with their sum, or the sum of every unit that has any."""
    seen = view(ask)
    if ask.words:
        found = await narrow.units_called(ask.words)
        visible = [row for row in found if seen.sees(row["id"], row["path"])]
        if found and not visible:
            raise RefusedError(
                "refused-not-yours-to-see", unit=found[0]["name"], unit_id=found[0]["id"], action="points"
            )
        if len(visible) != 1:
            names = [row["name"] for row in visible[:NAMED]]
            key = "points-which" if visible else "unit-unknown"
            return Reply(ask.say(key, words=ask.words, names=names, n=len(visible)))
        return await _records(ask, visible[0]["id"], visible[0]["name"])
    sums = await point_rows.summed(seen.trees, seen.units, *_days(ask), everything=seen.everything)
    if not sums:
        return Reply(ask.say("points-none", year=ask.today.year))
    if len(sums) == 1:
        return await _records(ask, sums[0].unit_id, sums[0].unit)
    lines = [ask.say("points-head", year=ask.today.year, n=sum(one.records for one in sums), units=len(sums))]
    lines += [ask.say("points-unit", unit=one.unit, amount=_shown(one.amount), n=one.records) for one in sums[:SHOWN]]
    return Reply("\n".join([*lines, *more(ask, len(sums) - SHOWN, "more-units"), ask.say("points-foot")]))


async def _records(ask: Ask, unit: int, name: str) -> Reply:
    (first, last) = _days(ask)
    found = await point_rows.of_unit(unit, first, last, SHOWN)
    if not found:
        return Reply(ask.say("points-none-unit", unit=name, year=ask.today.year))
    (total,) = await point_rows.summed((), (unit,), first, last)
    lines = [ask.say("points-of", unit=name, year=ask.today.year, n=total.records, amount=_shown(total.amount))]
    lines += [_line(ask, one) for one in found]
    return Reply("\n".join([*lines, *more(ask, total.records - len(found))]))


def _line(ask: Ask, one: Point) -> str:
    mark = ask.say("points-mark-reversed", other=one.reversed_by) if one.reversed_by is not None else ""
    if one.reverses is not None:
        mark = ask.say("points-mark-reverses", other=one.reverses)
    return ask.say(
        "points-line", number=one.id, day=one.on_day, amount=_shown(one.amount), ground=one.ground,
        about=_about(ask.language, one.obligation_id), mark=mark,
    )  # fmt: skip


def _about(language: Language, obligation: int | None) -> str:
    return say("points-about", language, id=obligation) if obligation is not None else ""


def _shown(amount: Decimal) -> str:
    """With its sign, without needless zeros: −0.5, +1."""
    text = f"{abs(amount):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{SIGNS[amount.compare(0)]}{text}"
