"""委托: who is away lets a colleague of the unit hold the post meanwhile. Rights and reminders follow posts.

Runs inside the caller's transaction and raises RefusedError, as the use cases of obligations do. What is given ends
by itself with its last day, and on the day on which either of the two is no longer of the unit; no roster names it.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from duties.errors import RefusedError
from duties.ledger import Act, StreamRef
from duties.model import Actor
from duties.obligations import HOLDERS, Moment
from duties.store import acting_rows, chains
from duties.store.acting_rows import Acting, Orphan
from duties.store.database import alone

LONGEST = timedelta(days=366)
"""Who is away for longer needs another holder in the roster."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Given:
    """What was recorded: the posts given or taken back, and the last entry's number."""

    posts: tuple[Acting, ...]
    entry: int


def own_units(actor: Actor) -> tuple[int, ...]:
    """The units in which somebody is head or officer in their own right: an acting post is not passed on."""
    own = (post.unit_id for post in actor.posts if post.role in HOLDERS and not post.acting_for)
    return tuple(dict.fromkeys(own))


async def delegate(actor: Actor, person: int, name: str, since: date, until: date, at: Moment) -> Given:
    """Give every own post of the units that both belong to, from a day to a day."""
    _must_be_period(since, until, at.today)
    shared = {unit for unit, _, _ in await acting_rows.own(person, own_units(actor), at.today)}
    if person == actor.person_id or not shared:
        raise RefusedError("refused-no-colleague", name=name)
    await alone(f"delegate/{actor.person_id}")
    if standing := await acting_rows.given_by(actor.person_id, at.today):
        one = standing[0]
        raise RefusedError("refused-delegated-already", name=one.name, since=one.since, until=one.until)
    own = await acting_rows.own(actor.person_id, tuple(sorted(shared)), at.today)
    posts: list[Acting] = []
    for unit, called, role in own:
        post = Acting(person, name, unit, called, role, since, until)
        posts.append(replace(post, entry=await _written(actor, "delegate", post, at)))
        await acting_rows.give(posts[-1], actor.person_id)
    return Given(tuple(posts), posts[-1].entry)


async def take_back(actor: Actor, at: Moment) -> Given:
    """委托 取消: what was given is over, or will never begin."""
    posts = tuple(await acting_rows.given_by(actor.person_id, at.today))
    if not posts:
        raise RefusedError("refused-not-delegated")
    over = (at.today - DAY).isoformat()
    entry = [await _written(actor, "take-back", post, at, of=post.entry, over=over) for post in posts][-1]
    if await acting_rows.end(actor.person_id, at.today) != len(posts):
        raise chains.StaleError(f"posts of person {actor.person_id} moved")
    return Given(posts, entry)


async def end(one: Orphan, today: date, now: datetime) -> bool:
    """The delegate or the holder is no longer of the unit: what was given is over. False if it was already."""
    payload = {
        "name": one.holder_name, "unit": one.given.unit, "role": str(one.given.role), "to": one.given.name,
        "person": one.given.person, "reason": "holder-left" if one.holder_left else "delegate-left",
        "of": one.given.entry, "over": (today - DAY).isoformat(),
    }  # fmt: skip
    await chains.append(StreamRef("unit", one.given.unit_id), Act("system", "delegation-over", "system", payload), now)
    return await acting_rows.close(one.id, today)


def _must_be_period(since: date, until: date, today: date) -> None:
    if since < today or until < since or until - since > LONGEST:
        raise RefusedError("refused-period", since=since, until=until)


async def _written(actor: Actor, action: str, post: Acting, at: Moment, **more: Any) -> int:
    """The line about one post, in the chain of its unit."""
    payload: dict[str, Any] = {
        "name": actor.name, "unit": post.unit, "role": str(post.role), "to": post.name, "person": post.person,
        "since": post.since.isoformat(), "until": post.until.isoformat(), "holder": actor.person_id, **more,
    }  # fmt: skip
    act = Act(f"person:{actor.person_id}", action, at.channel, payload)
    return await chains.append(StreamRef("unit", post.unit_id), act, at.now)
