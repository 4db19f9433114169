"""通知: a supervisor's own words to every head and officer whose unit owes a duty now; sent when it was confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz
from rapidfuzz.distance import LCSseq

from bot.conversation.ask import HOLDERS, Ask, Question, Reply
from bot.store import addressees, figures, queue
from bot.store.addressees import Addressee
from bot.store.figures import Which
from bot.store.oversight import NOTHING, View
from bot.store.queue import Message
from bot.wording import say
from bot.wording.grammar import EDGES, is_chinese, is_courtesy
from bot.wording.orders import CONFIRMED
from duties.errors import RefusedError
from duties.ledger import Act, StreamRef
from duties.model import Role
from duties.store import chains

LONGEST = 500
"""Characters of an announcement; one that is longer is not cut, for half of it may say something else."""
TITLE_WORDS = 6
ALIKE = 75.0
"""Below this a title is not what was meant."""
EXACT, INSIDE = 102.0, 100.0
"""The words are the title; they, or all their characters in order, stand in it: Chinese titles are abridged so."""
CHOICES = 9


async def announce(ask: Ask) -> Reply:
    """通知: which duty, then the words, then 确认."""
    if not ask.holds(Role.SUPERVISOR):
        raise RefusedError("refused-post", action="announce")
    if not ask.asked:
        return await _begun(ask, ask.words)
    if len(ask.named) > 1:
        return await _chosen(ask)
    if not ask.before:
        return await _worded(ask, ask.named[0], ask.words)
    if ask.words.lower() in CONFIRMED:
        return await _sent(ask)
    return Reply(ask.say("announce-unconfirmed"), question=_question(ask, ask.named, ask.before))


async def _begun(ask: Ask, words: str) -> Reply:
    places, text = _duties_named(ask, words)
    if not places:
        return Reply(ask.say("announce-unknown", words=words) if words else ask.say("announce-how"))
    owed = {row["duty"] for row, _ in await figures.summed_by_duty(_view(ask), NOTHING, _open(ask), ask.today)}
    owing = [place for place in places if ask.registry.duties[place].code in owed]
    if not owing:
        return Reply(ask.say("announce-nobody", titles=[_title(ask, place) for place in places[:CHOICES]]))
    if len(owing) > 1:
        return _which(ask, owing[:CHOICES], text)
    return await _worded(ask, owing[0], text)


def _which(ask: Ask, places: Sequence[int], text: str) -> Reply:
    lines = [ask.say("announce-choice", number=n, title=_title(ask, place)) for n, place in enumerate(places, 1)]
    return Reply(
        "\n".join([ask.say("announce-which", n=len(places)), *lines, ask.say("choose-foot")]),
        question=_question(ask, places, text),
    )


async def _chosen(ask: Ask) -> Reply:
    number = ask.words.strip(EDGES)
    if number.isdecimal() and len(number) == 1 and 0 < int(number) <= len(ask.named):
        return await _worded(ask, ask.named[int(number) - 1], ask.before)
    return Reply(ask.say("choose-again", n=len(ask.named)), question=_question(ask, ask.named, ask.before))


async def _worded(ask: Ask, place: int, text: str) -> Reply:
    """Show what will be sent and to how many, or ask for the words."""
    title = _title(ask, place)
    if not text or is_courtesy(text):
        return Reply(ask.say("announce-wanted", title=title), question=_question(ask, (place,), ""))
    if len(text) > LONGEST:
        return Reply(ask.say("announce-too-long", n=len(text), most=LONGEST), question=_question(ask, (place,), ""))
    to = await _audience(ask, place)
    if not to.whom:
        return Reply(ask.say("announce-unreached", title=title, units=to.units))
    lines = [
        ask.say("announce-preview", title=title, units=to.units, people=len(to.whom), unreached=to.unreached),
        _said(ask, place, text),
        ask.say("announce-confirm"),
    ]
    return Reply("\n".join(lines), question=_question(ask, (place,), text))


async def _sent(ask: Ask) -> Reply:
    place, text = ask.named[0], ask.before
    to = await _audience(ask, place)
    body: dict[str, Any] = {"text": _said(ask, place, text), "buttons": [], "items": []}
    await queue.put_many(
        "news",
        [
            Message(each.connection, each.address, each.person, body | {"about": to.about[each.person]})
            for each in to.whom
        ],
        ask.at.now,
    )
    duty = ask.registry.duties[place]
    payload = {
        "name": ask.actor.name, "duty": duty.code, "text": text, "units": to.units, "people": len(to.whom),
    }  # fmt: skip
    act = Act(f"person:{ask.actor.person_id}", "announce", ask.at.channel, payload)
    post = next(post for post in ask.actor.posts if post.role == Role.SUPERVISOR)
    entry = await chains.append(StreamRef("unit", post.unit_id), act, ask.at.now)
    facts = {"units": to.units, "people": len(to.whom), "unreached": to.unreached}
    return Reply(ask.say("announce-done", title=_title(ask, place), entry=entry, **facts))


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom an announcement reaches, and which of their obligations it is about; `unreached` people cannot be told."""

    whom: tuple[Addressee, ...]
    about: dict[int, list[int]]
    units: int
    unreached: int


async def _audience(ask: Ask, place: int) -> Audience:
    """The heads and officers of the units that owe the duty, the asker left out."""
    rows = await addressees.owing(_view(ask), ask.registry.duties[place].code, HOLDERS, ask.today)
    about: dict[int, list[int]] = {}
    for row in rows:
        if row["person_id"] != ask.actor.person_id:
            about.setdefault(row["person_id"], []).append(row["id"])
    whom = tuple(await addressees.of_people(list(about), ask.at.now))
    return Audience(whom, about, len({row["unit_id"] for row in rows}), len(about) - len(whom))


def _said(ask: Ask, place: int, text: str) -> str:
    """In Chinese, as everything that is told to several."""
    return say("news-announce", name=ask.actor.name, title=ask.registry.duties[place].title, text=text)


def _view(ask: Ask) -> View:
    return View(trees=tuple(sorted({post.over for post in ask.actor.posts if post.role == Role.SUPERVISOR})))


def _open(ask: Ask) -> Which:
    return Which(opened_by=ask.today, only_open=True)


def _title(ask: Ask, place: int) -> str:
    return ask.title(ask.registry.duties[place].code)


def _question(ask: Ask, places: Sequence[int], text: str) -> Question:
    """The duties by their places in the registry: several to choose from, or the one that was meant."""
    return ask.question("announce", "announce", *places, rest=text)


def _duties_named(ask: Ask, words: str) -> tuple[list[int], str]:
    """The duties that the first words name best, all that fit alike, and the words after them."""
    parts = words.split()
    titles = [_title(ask, place).lower() for place in range(len(ask.registry.duties))]
    best, used, found = ALIKE, 0, list[int]()
    for count in range(min(len(parts), TITLE_WORDS), 0, -1):
        name = " ".join(parts[:count]).strip(EDGES).lower()
        scores = [_alike(name, title) for title in titles]
        if max(scores) > best:
            best, used = max(scores), count
            found = [place for place, score in enumerate(scores) if score == best]
    return found, " ".join(parts[used:]).strip(EDGES)


def _alike(name: str, title: str) -> float:
    if name == title:
        return EXACT
    if len(name) > 1 and (name in title or (is_chinese(name) and LCSseq.similarity(name, title) == len(name))):
        return INSIDE
    return fuzz.ratio(name, title)
