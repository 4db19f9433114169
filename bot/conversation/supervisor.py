"""What supervisors say: 逾期, 待核, 销号, 退回."""

from collections import Counter

from rapidfuzz import fuzz

from bot.conversation import find
from bot.conversation.ask import Ask, Question, Reply
from bot.conversation.find import Found
from bot.conversation.holder import echo
from bot.wording.groups import Row, grouped
from duties import obligations
from duties.model import OPEN_STATES, Obligation, Role, State
from duties.store import reading
from duties.store.reading import Filter

ALIKE = 60.0
SHOWN = 20
"""Units in one answer: more do not fit a phone."""


async def overdue(ask: Ask) -> Reply:
    """逾期: who is late with what, by which article; of a unit, a subtree or a duty when one is named."""
    scopes = _scopes(ask)
    narrowed, about = await _narrowed(ask)
    found: dict[int, Obligation] = {}
    for scope in scopes:
        wanted = Filter(
            units=scope.units, under=narrowed.under or scope.under, duties=narrowed.duties, states=OPEN_STATES,
            due_before=ask.today, limit=5_000,
        )  # fmt: skip
        if narrowed.under and scope.under and not narrowed.under.startswith(scope.under):
            continue
        found |= {one.id: one for one in await reading.obligations(wanted)}
    late = sorted(found.values(), key=lambda one: (one.due, one.duty, one.term, one.unit_path))
    waiting = len(await find.watched(ask, (State.REPORTED,)))
    if not late:
        return Reply(ask.say("overdue-none", about=about, day=ask.today, waiting=waiting))
    return _listed(ask, late, about, waiting)


def _listed(ask: Ask, late: list[Obligation], about: str, waiting: int) -> Reply:
    units = Counter(one.unit for one in late)
    shown = late[:SHOWN]
    lines = [ask.say("overdue-head", n=len(late), units=len(units), about=about, day=ask.today)]
    if len(late) > len(shown):
        worst = [ask.say("overdue-unit", unit=unit, n=n) for unit, n in units.most_common(5)]
        lines.append(ask.say("overdue-worst", units=worst))
    rows = [
        Row(number, one.id, one.duty, one.term, one.due, one.unit, one.state) for number, one in enumerate(shown, 1)
    ]
    lines += grouped(rows, ask.registry, ask.today, ask.language)
    if len(late) > len(shown):
        lines.append(ask.say("overdue-more", n=len(late) - len(shown)))
    if waiting:
        lines.append(ask.say("overdue-waiting", n=waiting))
    return Reply("\n".join(lines), items=tuple(one.id for one in shown))


def _scopes(ask: Ask) -> list[Filter]:
    """What the asker may see: the subtrees they supervise, and their own units."""
    trees = sorted({post.over for post in ask.actor.posts if post.role == Role.SUPERVISOR})
    own = tuple({post.unit_id for post in ask.actor.posts if post.role in (Role.HEAD, Role.OFFICER)})
    if any(post.role == Role.ADMIN for post in ask.actor.posts):
        return [Filter()]
    return [*(Filter(under=tree) for tree in trees), *([Filter(units=own)] if own else [])]


async def _narrowed(ask: Ask) -> tuple[Filter, str]:
    """A unit (with what is below it) or a duty that the words name."""
    if not ask.words:
        return Filter(), ""
    unit = await _unit(ask.words)
    titles = {duty.code: ask.title(duty.code) for duty in ask.registry.duties}
    scored = sorted(((_alike(ask.words, title), code) for code, title in titles.items()), reverse=True)
    if unit is not None and unit[0] >= scored[0][0]:
        return Filter(under=unit[2]), unit[1]
    if scored[0][0] >= ALIKE:
        best = scored[0][0]
        codes = tuple(code for score, code in scored if score == best)
        return Filter(duties=codes), titles[codes[0]]
    return Filter(), ""


async def _unit(words: str) -> tuple[float, str, str] | None:
    best: tuple[float, str, str] | None = None
    for row in await reading.units_named():
        aliases = row["aliases"] if isinstance(row["aliases"], list) else reading.names(row["aliases"])
        score = max(_alike(words, name) for name in [row["name"], *aliases])
        if score >= ALIKE and (best is None or score > best[0]):
            best = (score, row["name"], row["path"])
    return best


def _alike(words: str, name: str) -> float:
    if words == name:
        return 101.0
    if words in name:
        return 90.0 + 10.0 * len(words) / len(name)
    return float(fuzz.ratio(words, name))


async def review(ask: Ask) -> Reply:
    """待核: what was reported and waits to be verified."""
    waiting = await find.watched(ask, (State.REPORTED,))
    if not waiting:
        return Reply(ask.say("review-none"))
    shown = waiting[: SHOWN // 2]
    lines = [ask.say("review-head", n=len(waiting))]
    for number, one in enumerate(shown, 1):
        key = "review-late" if one.done_on and one.done_on > one.due else "review-line"
        lines.append(
            ask.say(
                key,
                number=number,
                unit=one.unit,
                title=ask.title(one.duty),
                term=ask.term(one),
                due=one.due,
                done=one.done_on or "",
                backdated=ask.say("mark-backdated") if one.backdated else "",
                id=one.id,
                evidence=await _evidence(ask, one),
            )
        )
    more = [ask.say("list-more", n=len(waiting) - len(shown))] if len(waiting) > len(shown) else []
    return Reply("\n".join([*lines, *more, ask.say("review-foot")]), items=tuple(one.id for one in shown))


async def _evidence(ask: Ask, one: Obligation) -> str:
    shown = await reading.evidence_shown(one.id)
    if shown.pop("empty", False):
        return ask.say("evidence-empty")
    return ask.say("evidence-shown", parts=list(shown.values())) if shown else ""


async def close(ask: Ask) -> Reply:
    """销号: verified."""
    meant = await find.meant(ask, "close", await find.watched(ask, (State.REPORTED,)))
    if isinstance(meant, Reply):
        return meant
    done = [await obligations.close(ask.actor, one.id, ask.at) for one in meant.obligations]
    return await echo(ask, "echo-close", done)


async def give_back(ask: Ask) -> Reply:
    """退回: back to work, with a reason."""
    meant = await find.meant(ask, "return", await find.watched(ask, (State.REPORTED, State.CLOSED)))
    if isinstance(meant, Reply):
        return meant
    return await _given_back(ask, meant)


async def _given_back(ask: Ask, meant: Found) -> Reply:
    one = meant.obligations[0]
    if not meant.rest:
        question = Question("reason", {"command": "return", "items": [one.id]})
        return Reply(ask.say("reason-wanted", title=ask.title(one.duty), unit=one.unit), question=question)
    done = await obligations.give_back(ask.actor, one.id, meant.rest[:255], ask.at)
    return await echo(ask, "echo-return", [done], (), reason=meant.rest[:255])
