"""Which obligation a message is about: a button, a reply, #number, a list's number, or a title."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz
from rapidfuzz.distance import LCSseq

from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.wording.events import case_named
from bot.wording.grammar import HASH_NUMBER, LIST_NUMBER, clean, is_chinese, leading_numbers, read_numbers, split_title
from duties.errors import RefusedError
from duties.model import Obligation, Role, State
from duties.store import case_rows, reading
from duties.store.reading import Filter

ALIKE = 60.0
"""Below this a title is not what was meant."""
SURE = 75.0
"""Below this we ask although nothing else comes near."""
CLEAR = 12.0
"""By so much the best must lead, else we ask."""
NAMED, WHOLE = 100.0, 110.0
"""Every word stands in the title; the words are the title."""
ABRIDGED = 85.0
"""Chinese titles are shortened by leaving characters out: all of the words stand in the title, in order."""
SHORT = 3
TITLE_WORDS = 6
CHOICES = 9
SEVERAL = 50
"""Obligations one message may name."""
ACTIVE = (State.PENDING, State.ACKNOWLEDGED, State.RETURNED, State.REPORTED)
Candidates = Callable[[], Awaitable[Sequence[Obligation]]]


@dataclass(frozen=True, slots=True)
class Found:
    """The obligations meant, and the words that are left for the command."""

    obligations: tuple[Obligation, ...]
    rest: str = ""


async def meant(ask: Ask, command: str, candidates: Candidates) -> Found | Reply:
    """The obligations a message is about, or the question that would settle it."""
    if ask.named:
        return await numbered(ask, ask.named, ask.words)
    if mentions := read_numbers(ask.words):
        return await mentioned(ask, mentions, "")
    mentions, rest = leading_numbers(ask.words)
    if mentions:
        return await mentioned(ask, mentions, rest)
    for pattern in (HASH_NUMBER, LIST_NUMBER):
        if found := pattern.match(ask.words):
            mention = (pattern is HASH_NUMBER, int(found[1]))
            return await mentioned(ask, [mention], ask.words[found.end() :].strip())
    known = await candidates()
    number, rest = case_named(ask.words)
    if number is not None:
        return await _of_case(ask, command, (number, rest), known)
    if ask.reminded and not split_title(ask.words)[0]:
        known = [one for one in known if one.id in ask.listed] or known
    return _titled(ask, command, known)


async def _of_case(ask: Ask, command: str, said: tuple[int, str], known: Sequence[Obligation]) -> Found | Reply:
    """Those of a case that the command is for; where there is none, what it has: the command says why it cannot."""
    number, rest = said
    fitting = [one for one in known if one.term == case_rows.label(number)]
    if not fitting:
        ids = [clock.obligation_id for clock in await case_rows.clocks(number)]
        if not ids:
            raise RefusedError("refused-no-such-case", number=number)
        found = await numbered(ask, ids, rest)
        if isinstance(found, Reply):
            return found
        fitting = [one for one in found.obligations if one.unit_id in ask.units or ask.actor.supervises(one.unit_path)]
        if not fitting:
            return Found(found.obligations[:1], rest)
    return _titled(replace(ask, words=rest), command, fitting)


async def mentioned(ask: Ask, mentions: Sequence[tuple[bool, int]], rest: str) -> Found | Reply:
    """The obligations of these numbers: ids, or places of the last list."""
    ids: list[int] = []
    for is_id, number in mentions:
        if is_id:
            ids.append(number)
        elif 0 < number <= len(ask.listed):
            ids.append(ask.listed[number - 1])
        else:
            key = "no-such-place" if ask.listed else "no-list-yet"
            return Reply(ask.say(key, number=number, n=len(ask.listed)))
    return await numbered(ask, ids, rest)


async def numbered(ask: Ask, numbers: Sequence[int], rest: str) -> Found | Reply:
    """The obligations with these numbers, and the words that are left."""
    found = []
    for number in tuple(dict.fromkeys(numbers))[:SEVERAL]:
        one = await reading.obligation(number)
        if one is None:
            return Reply(ask.say("no-such-number", number=number))
        found.append(one)
    return Found(tuple(found), rest)


def _titled(ask: Ask, command: str, candidates: Sequence[Obligation]) -> Found | Reply:
    if not candidates:
        if not ask.holds(*ask.roles):
            raise RefusedError("refused-holders" if ask.roles == HOLDERS else "refused-post", action=command)
        return Reply(ask.say("nothing-open", action=ask.say(f"act-{command}")))
    words, rest = split_title(ask.words)
    if not words:
        return Found((candidates[0],), rest) if len(candidates) == 1 else choose(ask, command, candidates, rest)
    used, scores = _best(ask, words, candidates)
    best = max(scores)
    if best < ALIKE:
        if len(candidates) == 1:
            return Found((candidates[0],), ask.words)
        return choose(ask, command, candidates, ask.words)
    rest = " ".join([*words[used:], rest]).strip()
    least = best if best >= WHOLE else ABRIDGED if best >= NAMED else max(ALIKE, best - CLEAR)
    close = [one for one, score in zip(candidates, scores, strict=True) if score >= least]
    if len(close) == 1 and best >= SURE:
        return Found((close[0],), rest)
    return choose(ask, command, close, rest, alike=True)


def _best(ask: Ask, words: Sequence[str], candidates: Sequence[Obligation]) -> tuple[int, list[float]]:
    """How many of the first words name a duty best, and how alike they are to each candidate."""
    names = [(_folded(ask.title(one.duty)), _folded(f"{ask.term(one.term)} {one.unit}")) for one in candidates]
    tried = [
        (used, [_alike(words[:used], title, beside) for title, beside in names])
        for used in range(min(len(words), TITLE_WORDS), 0, -1)
    ]
    return max(tried, key=lambda one: max(one[1]))


def _folded(text: str) -> str:
    return clean(text).translate(str.maketrans("（）", "()")).lower()


def _alike(words: Sequence[str], title: str, beside: str) -> float:
    """`beside` is what may be named with a title: the term and the unit, never they alone."""
    folded = [_folded(word) for word in words]
    joined = " ".join(folded)
    if title in (joined, "".join(folded)):
        return WHOLE
    inside = [word in title for word in folded]
    if any(inside) and all(found or word in beside for found, word in zip(inside, folded, strict=True)):
        return NAMED if len(joined) > 1 else ALIKE
    if len(joined) < SHORT:
        return fuzz.ratio(joined, title)
    short = ABRIDGED * LCSseq.similarity(joined, title) / len(joined) if is_chinese(joined) else 0.0
    return max(fuzz.ratio(joined, title), fuzz.partial_ratio(joined, title), short)


def choose(ask: Ask, command: str, candidates: Sequence[Obligation], rest: str, *, alike: bool = False) -> Reply:
    """Numbered choices; the next message's number settles it."""
    shown = candidates[:CHOICES]
    key = ("choose-sure" if len(shown) == 1 else "choose") if alike else "choose-which"
    lines = [ask.say("choice", number=number, **ask.facts(one)) for number, one in enumerate(shown, 1)]
    if len(candidates) > len(shown):
        lines.append(ask.say("choice-more", n=len(candidates) - len(shown)))
    buttons = tuple((str(number), f"{command}:{one.id}", "plain") for number, one in enumerate(shown, 1))
    numbers = tuple(one.id for one in shown)
    return Reply(
        "\n".join([ask.say(key, action=ask.say(f"act-{command}"), n=len(candidates)), *lines, ask.say("choose-foot")]),
        () if rest else buttons, numbers, question=ask.question("choose", command, *numbers, rest=rest),
    )  # fmt: skip


async def own(ask: Ask, states: Sequence[State] = ACTIVE) -> list[Obligation]:
    """The asker's units' obligations that are open today, in order of urgency."""
    if not ask.units:
        return []
    return await reading.obligations(
        Filter(units=ask.units, states=tuple(states), opened_by=ask.today, hidden=ask.hidden)
    )


async def watched(ask: Ask, states: Sequence[State], limit: int = 2_000) -> list[Obligation]:
    """Obligations in the subtrees the asker supervises, in order of urgency."""
    found: dict[int, Obligation] = {}
    for over in sorted({post.over for post in ask.actor.posts if post.role == Role.SUPERVISOR}):
        wanted = Filter(under=over, states=tuple(states), opened_by=ask.today, hidden=ask.hidden, limit=limit)
        found |= {one.id: one for one in await reading.obligations(wanted)}
    return sorted(found.values(), key=lambda one: (one.due, one.unit_path, one.duty))
