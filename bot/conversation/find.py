"""Which obligation a message is about: a button, a reply, #number, a list's number, or a title."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from bot.conversation.ask import Ask, Question, Reply
from bot.wording.grammar import HASH_NUMBER, LIST_NUMBER, looks_like_evidence
from duties.model import Obligation, Role, State
from duties.store import reading
from duties.store.reading import Filter

ALIKE = 60.0
"""Below this a title is not what was meant."""
CLEAR = 12.0
"""By so much the best must lead, else we ask."""
CHOICES = 9
ACTIVE = (State.PENDING, State.ACKNOWLEDGED, State.RETURNED, State.REPORTED)


@dataclass(frozen=True, slots=True)
class Found:
    """The obligations meant, and the words that are left for the command."""

    obligations: tuple[Obligation, ...]
    rest: str


async def meant(ask: Ask, command: str, candidates: Sequence[Obligation]) -> Found | Reply:
    """The obligations a message is about, or the question that would settle it."""
    if ask.named:
        return await numbered(ask, ask.named, ask.words)
    if match := HASH_NUMBER.match(ask.words):
        return await numbered(ask, (int(match[1]),), ask.words[match.end() :].strip())
    if match := LIST_NUMBER.match(ask.words):
        if not 0 < int(match[1]) <= len(ask.listed):
            return Reply(ask.say("no-such-place", number=match[1]))
        return await numbered(ask, (ask.listed[int(match[1]) - 1],), ask.words[match.end() :].strip())
    if ask.reminded and not _title_words(ask.words)[0]:
        listed = [one for one in candidates if one.id in ask.listed]
        return _titled(ask, command, listed or candidates)
    return _titled(ask, command, candidates)


async def numbered(ask: Ask, numbers: Sequence[int], rest: str) -> Found | Reply:
    """The obligations with these numbers, and the words that are left."""
    found = [one for number in numbers if (one := await reading.obligation(number)) is not None]
    if not found:
        return Reply(ask.say("no-such-number", number=numbers[0]))
    return Found(tuple(found), rest)


def _titled(ask: Ask, command: str, candidates: Sequence[Obligation]) -> Found | Reply:
    if not candidates:
        return Reply(ask.say("nothing-open"))
    title, rest = _title_words(ask.words)
    if not title:
        return Found((candidates[0],), rest) if len(candidates) == 1 else choose(ask, command, candidates, rest)
    scored = sorted(((_alike(ask, title, one), one) for one in candidates), key=lambda pair: -pair[0])
    best = scored[0][0]
    if best < ALIKE:
        if len(candidates) == 1:
            return Found((candidates[0],), ask.words)
        return choose(ask, command, candidates, ask.words)
    close = [one for score, one in scored if score >= max(ALIKE, best - CLEAR)]
    if len(close) == 1:
        return Found((close[0],), rest)
    return choose(ask, command, close, rest)


def _title_words(words: str) -> tuple[str, str]:
    first, _, rest = words.partition(" ")
    return ("", words) if not first or looks_like_evidence(first) else (first, rest)


def _alike(ask: Ask, words: str, one: Obligation) -> float:
    title = ask.title(one.duty)
    if words in title:
        return 100.0
    return max(fuzz.ratio(words, title), fuzz.partial_ratio(words, title) if len(words) > 2 else 0.0)  # noqa: PLR2004


def choose(ask: Ask, command: str, candidates: Sequence[Obligation], rest: str) -> Reply:
    """Numbered choices; the next message's number settles it."""
    shown = candidates[:CHOICES]
    lines = [
        ask.say(
            "choice",
            number=number,
            unit=one.unit,
            title=ask.title(one.duty),
            term=ask.term(one),
            due=one.due,
            id=one.id,
        )
        for number, one in enumerate(shown, 1)
    ]
    more = [ask.say("choice-more", n=len(candidates) - len(shown))] if len(candidates) > len(shown) else []
    buttons = tuple((f"{number}", f"{command}:{one.id}", "plain") for number, one in enumerate(shown, 1))
    numbers = tuple(one.id for one in shown)
    question = Question("choose", {"command": command, "items": list(numbers), "rest": rest})
    return Reply("\n".join([ask.say("choose"), *lines, *more]), buttons if not rest else (), numbers, question)


async def own(ask: Ask, states: Sequence[State] = ACTIVE) -> list[Obligation]:
    """The asker's units' obligations that are open today, in order of urgency."""
    units = tuple({post.unit_id for post in ask.actor.posts if post.role in (Role.HEAD, Role.OFFICER)})
    if not units:
        return []
    return await reading.obligations(Filter(units=units, states=tuple(states), opened_by=ask.today))


async def watched(ask: Ask, states: Sequence[State], limit: int = 500) -> list[Obligation]:
    """Obligations in the subtrees the asker supervises."""
    found: dict[int, Obligation] = {}
    for over in sorted({post.over for post in ask.actor.posts if post.role == Role.SUPERVISOR}):
        for one in await reading.obligations(
            Filter(under=over, states=tuple(states), opened_by=ask.today, limit=limit)
        ):
            found[one.id] = one
    return sorted(found.values(), key=lambda one: (one.due, one.unit_path, one.duty))
