"""撤回: one's own last answer, within ten minutes: every line that one message wrote, if it is still the last word.

Runs inside the caller's transaction and raises RefusedError or StaleError, as the use cases of obligations do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from duties import cases, obligations
from duties.cases import Law
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import OPEN_STATES, Actor
from duties.obligations import Done, Moment
from duties.store import case_rows, chains, reading, request_rows
from duties.store.database import Rows, as_instant

WINDOW = timedelta(minutes=10)
ASKED = frozenset({"ask-waiver", "ask-extension"})
ANSWERED = frozenset({"approve", "reject", "waive"})
"""What may answer a request: a waiver may also be given unasked."""
UNTOLD = frozenset({"share-note", "share-snooze"})
"""Acts on a part that concern nobody else: their undoing is told to nobody either."""
PARTNERS = UNTOLD | {"share-add", "share-remove", "share-release", "share-acknowledge", "share-answer"}
"""Acts on the part of a co-responsible unit: the obligation itself stays as it is."""
UNDOABLE = ASKED | ANSWERED | PARTNERS | {
    "acknowledge", "show", "report", "count", "hours", "reverse-hours", "close", "return", "unwaive", "note", "assign",
    "check", "snooze",
}  # fmt: skip
STANDING = frozenset({
    "deduct", "credit", "reverse-points", "delegate", "announce", "invite", "open", "amend", "pause", "resume",
    "withdraw", "draft", "issue", "serve", "recall", "correct", "withdraw-request", "take-back",
})  # fmt: skip
"""Acts with a way of their own to be taken back, or none: whoever did one last does not mean the act before it."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One line that somebody wrote about an obligation; `latest` while nothing has changed what it changed."""

    entry: int
    at: datetime
    action: str
    obligation: int
    latest: bool
    payload: dict[str, Any]

    @property
    def request(self) -> int | None:
        """The request that it made or answered."""
        return self.payload.get("request")


async def last_answer(actor: Actor, at: Moment, number: int | None = None) -> tuple[Deed, ...]:
    """What an undo would take back: all that the last message wrote, or the last act on one obligation."""
    rows = await chains.acts_of(obligations.name_of(actor), UNDOABLE, at.now - WINDOW)
    if number is None:
        _must_be_last(rows, await chains.acts_of(obligations.name_of(actor), STANDING, at.now - WINDOW))
    else:
        rows = [row for row in rows if (row["kind"], row["ref"]) == ("obligation", number)][:1]
    if not rows or rows[0]["kind"] != "obligation":
        raise RefusedError("refused-nothing-to-undo")
    deeds = [await _deed(row) for row in rows if row["kind"] == "obligation"]
    message = deeds[0].payload.get("message")
    together = [deed for deed in deeds if message and deed.payload.get("message") == message]
    return tuple(reversed(together)) or (deeds[0],)


def _must_be_last(rows: Rows, others: Rows) -> None:
    """Refuse where something was done since that is not taken back so; at the same instant it was part of the act."""
    if others and (not rows or as_instant(others[0]["at"]) > as_instant(rows[0]["at"])):
        raise RefusedError("refused-last-stays", action=others[0]["action"])


async def _deed(row: dict[str, Any]) -> Deed:
    latest = row["seq"] == row["head_seq"] or not await obligations.acted_since(row)
    return Deed(row["id"], as_instant(row["at"]), row["action"], row["ref"], latest, json.loads(row["payload"]))


async def refused_since(actor: Actor, deeds: Sequence[Deed], at: Moment) -> str:
    """The command whose message was refused after these acts: it wrote nothing, and may be what an undo is meant for.

    Empty where there is none; a refused undo is no such message.
    """
    rows = await chains.acts_of(obligations.name_of(actor), ("refused",), at.now - WINDOW)
    said = ((as_instant(row["at"]), str(json.loads(row["payload"])["command"])) for row in rows)
    last = max(deed.at for deed in deeds)
    return next((command for when, command in said if when > last and command != "undo"), "")


async def take_back(actor: Actor, law: Law, deed: Deed, at: Moment) -> Done:
    """Undo one line, and what it brought about: an answered request waits again, one just made is withdrawn."""
    if not deed.latest:
        raise RefusedError("refused-acted-since", number=deed.obligation)
    requests = _requests(deed)
    told = {"requests": {str(number): state for number, state in requests.items()}} if requests else {}
    done = await obligations.put_back(actor, deed.obligation, deed.entry, at, told)
    if deed.action == "approve":
        await _day_back(actor, law, deed, at)
    await _requests_back(requests)
    if done.obligation.state in OPEN_STATES and deed.action not in PARTNERS:
        await cases.unfollowed(actor, law, deed.obligation, at)
        await _lapse(law, done, at)
    one = await reading.obligation(deed.obligation)
    assert one is not None
    return replace(done, obligation=one, undone=deed.action)


async def _day_back(actor: Actor, law: Law, deed: Deed, at: Moment) -> None:
    """A granted extension taken back: the day that was named before, unless the case was touched since."""
    case = await case_rows.of_obligation(deed.obligation)
    last = await chains.last_entry(StreamRef("case", case.id)) if case else None
    if case is None or last is None or last["id"] != deed.payload["amended"]:
        raise RefusedError("refused-acted-since", number=deed.obligation)
    await cases.amend(actor, law, case.id, at, named_on=date.fromisoformat(deed.payload["was"]))


def _requests(deed: Deed) -> dict[int, str]:
    """What becomes of requests: answered or closed by the deed, they wait again; made by it, they are withdrawn."""
    found = dict.fromkeys(deed.payload.get("moot", ()), request_rows.OPEN)
    if deed.request is not None and deed.action in ANSWERED | ASKED:
        found[deed.request] = request_rows.OPEN if deed.action in ANSWERED else request_rows.WITHDRAWN
    return found


async def _requests_back(requests: Mapping[int, str]) -> None:
    for number, state in requests.items():
        back = request_rows.reopen(number) if state == request_rows.OPEN else request_rows.answer(number, state)
        if not await back:
            raise chains.StaleError(f"request {number} moved")


async def _lapse(law: Law, done: Done, at: Moment) -> None:
    """A right whose day passed in the meantime is over; it is never overdue."""
    if cases.right_over(law.registry, done.obligation, at.today):
        await obligations.cancel(done.obligation.id, cases.LAPSED, at.now)
