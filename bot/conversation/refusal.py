"""May they? Checks before a question is asked, and how a refusal is told and kept."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from bot.conversation.ask import HOLDERS, Ask
from bot.store import people
from duties.errors import RefusedError
from duties.ledger import SYSTEM, Act, StreamRef
from duties.model import Actor, Obligation, Role, State
from duties.obligations import Done, Moment
from duties.store import chains, reading
from duties.store.database import savepoint

NAMED_BY = {
    "state": "state", "action": "act", "paper": "paper", "standing": "standing", "share": "share", "request": "request",
}  # fmt: skip
"""Facts that are codes, and the family of sentences that names them."""
SUPERVISORS_COULD = frozenset({
    "refused-own-work", "refused-waive-own", "refused-not-supervisor", "refused-post", "refused-partners-open",
    "refused-share-lead", "refused-share-planned", "refused-share-not-mine", "refused-share-released",
    "refused-share-own", "refused-case-supervisor",
})  # fmt: skip
PEOPLE = ("who", "heads", "both")
"""Facts that name people, of whom there may be none."""


async def must_hold(ask: Ask, one: Obligation, action: str, *states: State) -> None:
    """Refuse before asking for evidence that could not be used: only the accountable unit answers."""
    if not ask.actor.holds(one.unit_id, *HOLDERS):
        who = await reading.holders(one.unit_id, HOLDERS, ask.today)
        raise RefusedError("refused-not-yours", unit=one.unit, who=who, action=action, unit_id=one.unit_id)
    _must_be(one, states)


def must_supervise(ask: Ask, one: Obligation, action: str, *states: State) -> None:
    """Refuse before asking for a reason that could not be used: a supervisor acts inside the subtree only."""
    key = ""
    if ask.actor.holds(one.unit_id, *HOLDERS) and not ask.actor.holds(one.unit_id, Role.SUPERVISOR):
        key = "refused-own-work"
    elif not ask.actor.supervises(one.unit_path):
        key = "refused-not-supervisor"
    if key:
        raise RefusedError(key, unit=one.unit, action=action, unit_id=one.unit_id)
    _must_be(one, states)


def _must_be(one: Obligation, states: Sequence[State]) -> None:
    if states and one.state not in states:
        raise RefusedError("refused-state", state=one.state, number=one.id, term=one.term, duty=one.duty)


async def each(todo: Sequence[int], act: Callable[[int], Awaitable[Done]]) -> tuple[list[Done], list[RefusedError]]:
    """Do several; what is refused among them does not undo the others. Raises when nothing could be done."""
    done: list[Done] = []
    refused: list[RefusedError] = []
    for one in todo:
        try:
            async with savepoint():
                done.append(await act(one))
        except RefusedError as refusal:
            refused.append(refusal)
    if not done:
        raise refused[0]
    return done, refused


async def told(ask: Ask, command: str, refusal: RefusedError) -> str:
    """Say why, and who could; keep it in the ledger of the unit it was about."""
    facts = dict(refusal.facts)
    unit = facts.pop("unit_id", None)
    below = cast("list[int]", facts.pop("below", None)) or [_unit(unit, ask.actor)]
    if refusal.key == "refused-state":
        facts["by"] = await brought(ask, int(str(facts["number"])), moved)
    elif refusal.key == "refused-answered":
        number = int(str(facts["number"]))
        facts["by"] = await brought(ask, int(str(facts.pop("obligation"))), lambda said: _answers(said, number))
    if refusal.key in SUPERVISORS_COULD:
        facts["who"] = await people.supervisors_over(below, ask.today)
    entry = await keep(ask.actor, command, refusal, ask.at)
    return "\n".join([ask.say(refusal.key, **_said(ask, facts)), ask.say("refused-recorded", entry=entry)])


async def brought(ask: Ask, number: int, by: Callable[[dict[str, Any]], bool]) -> str:
    """Who last did something of a kind about an obligation, and when; nothing where nobody did, or no person."""
    for row in reversed(await chains.history(StreamRef("obligation", number))):
        said = json.loads(row["payload"])
        if by(said):
            at = row["at"].astimezone(ask.at.now.tzinfo)
            return ask.say("done-by", name=said["name"], at=at) if said.get("name") else ""
    return ""


def moved(said: dict[str, Any]) -> bool:
    """Whether a line changed the state."""
    return bool(said["before"]["state"] != said["after"]["state"])


def _answers(said: dict[str, Any], request: int) -> bool:
    return said.get("request") == request or request in said.get("moot", ())


def _said(ask: Ask, facts: dict[str, object]) -> dict[str, Any]:
    """The facts of a refusal as its sentence takes them: codes by their names."""
    said: dict[str, Any] = dict(facts)
    if "duty" in said:
        said["title"] = ask.title(str(said.pop("duty")))
    if "term" in said:
        said["term"] = ask.term(str(said["term"]))
    said |= {name: ask.say(f"{family}-{said[name]}") for name, family in NAMED_BY.items() if name in said}
    if "offered" in said:
        said["offered"] = [ask.say(f"paper-{one}") for one in said["offered"]]
    if "missing" in said:
        zone = ask.at.now.tzinfo
        said["missing"] = [
            ask.say("share-missing", unit=unit, since=since.astimezone(zone).date()) for unit, since in said["missing"]
        ]
    said |= {name: said[name] or ask.say("who-nobody") for name in PEOPLE if name in said}
    return said


def _unit(named: object, actor: Actor) -> int:
    """The unit a refusal is about, else the asker's own."""
    return int(str(named)) if named is not None else next((post.unit_id for post in actor.posts), 0)


async def keep(actor: Actor, command: str, refusal: RefusedError, at: Moment) -> int:
    """Write a refusal into the ledger. Returns the entry's number."""
    unit = _unit(refusal.facts.get("unit_id"), actor)
    payload = {
        "command": command, "reason": refusal.key, "name": actor.name, "unit": str(refusal.facts.get("unit", "")),
    }  # fmt: skip
    act = Act(f"person:{actor.person_id}", "refused", at.channel, payload)
    return await chains.append(StreamRef("unit", unit) if unit else SYSTEM, act, at.now)
