"""详情: what an obligation is, what it rests on, what shows it, what has happened."""

import json
from collections.abc import Sequence
from typing import Any

from bot.conversation import find, partners
from bot.conversation.ask import HOLDERS, Ask, Reply
from bot.conversation.checklist import paged
from bot.conversation.find import Found
from bot.conversation.supervisor import view
from bot.conversation.telling import evidence_shown, is_counted, officers_reached, slots, status, wanted
from bot.conversation.waiving import lasting
from bot.store import oversight
from bot.wording.grammar import HASH_NUMBER
from duties import cases, checklist
from duties.checklist import is_standing
from duties.errors import RefusedError
from duties.ledger import StreamRef
from duties.model import OPEN_SHARES, OPEN_STATES, Force, Obligation, Role, ShareState, State
from duties.paper import REPORTS
from duties.registry import Duty
from duties.store import case_rows, reading
from duties.store.chains import history
from duties.store.database import Rows

HISTORY = 6
BY_ITSELF = frozenset({"lapsed", "membership", "withdrawn"})
"""Reasons that are no person's words."""
SAID = ("note", "to", "said")
"""What of an entry people are shown beside the act: how far the work is, whom it was given to, what was said."""
CITED = 4
COUNTED = 12


async def detail(ask: Ask) -> Reply:
    """详情: everything about one obligation."""
    meant = await _meant(ask)
    if isinstance(meant, Reply):
        return meant
    if len(meant.obligations) > 1:
        return find.choose(ask, "detail", meant.obligations, meant.rest)
    one = meant.obligations[0]
    part = (await partners.parts(ask, (one,), *ShareState)).get(one.id)
    if part is None and not view(ask).sees(one.unit_id, one.unit_path):
        raise RefusedError("refused-not-yours-to-see", unit=one.unit, unit_id=one.unit_id, action="detail")
    lines = [
        *await _what(ask, one),
        *await _checklist(ask, one, meant.rest),
        *await _done(ask, one),
    ]
    buttons = partners.buttons(ask, one, part) or _buttons(ask, one)
    return Reply("\n".join(line for line in lines if line), buttons, about=(one.id,))


async def _meant(ask: Ask) -> Found | Reply:
    """One obligation; a number after #number is the page of its checklist."""
    found = HASH_NUMBER.match(ask.words)
    page = ask.words[found.end() :].strip() if found else ""
    if found and page.isdecimal():
        return await find.numbered(ask, [int(found[1])], page)
    return await find.meant(ask, "detail", lambda: _candidates(ask))


async def _candidates(ask: Ask) -> Sequence[Obligation]:
    own = [*await find.own(ask), *await partners.owed(ask, *OPEN_SHARES)]
    return own or await find.watched(ask, find.ACTIVE)


async def _what(ask: Ask, one: Obligation) -> list[str]:
    duty = ask.duty(one.duty)
    case = await case_rows.of_obligation(one.id)
    named = [ground for ground in (cases.named_ground(case) if case else "",) if ground]
    citations = ask.registry.citations(duty, await oversight.jurisdiction_of(one.term_id)) or named
    shown = citations[:CITED]
    more = ask.say("detail-ground-more", n=len(citations) - CITED) if len(citations) > CITED else ""
    lines = [
        ask.say("detail-head", **ask.facts(one)),
        status(ask, one) + (await officers_reached(ask, [one])).get(one.id, ""),
        ask.say("detail-ground", ground="\uff1b".join(shown), more=more) if shown else "",
        _force(ask, one, duty),
        ask.say("detail-evidence", slots=slots(ask, await wanted(ask, one))) if duty.evidence else "",
        _report(ask, one),
    ]
    facts = {"recipient": duty.recipient, "publication": duty.publication, "consequence": duty.consequence}
    return [*lines, *(ask.say(f"detail-{name}", text=text) for name, text in facts.items() if text)]


def _report(ask: Ask, one: Obligation) -> str:
    """Where the report that it asks for can be had half written."""
    if one.duty not in REPORTS or one.state not in OPEN_STATES or not ask.actor.holds(one.unit_id, *HOLDERS):
        return ""
    return ask.say("detail-skeleton", paper=ask.say(f"paper-{REPORTS[one.duty]}"), id=one.id)


def _force(ask: Ask, one: Obligation, duty: Duty) -> str:
    if one.force == Force.ASSUMED:
        return ask.say("detail-force-assumed")
    if duty.confirmed_by:
        return ask.say("detail-force-confirmed", by=duty.confirmed_by)
    return ask.say("detail-force-settled")


async def _checklist(ask: Ask, one: Obligation, words: str) -> list[str]:
    """The standing provisions that bind this unit, where it is done item by item."""
    if not is_standing(ask.registry, one):
        return []
    return paged(ask, one, await checklist.read(ask.registry, one), words)


async def _done(ask: Ask, one: Obligation) -> list[str]:
    lines = [(await evidence_shown(ask, one.id, ask.duty(one.duty))).strip()]
    if is_counted(ask.duty(one.duty)):
        counts = await reading.counts(one.id)
        items = [ask.say("detail-count", day=row["on_day"], topic=row["topic"]) for row in counts[-COUNTED:]]
        lines += [ask.say("detail-counts", n=len(counts), items=items)] if items else []
    happened = await history(StreamRef("obligation", one.id))
    if one.state == State.WAIVED:
        lines.append(_waiver(ask, one, happened))
    elif one.reason:
        known = one.reason in BY_ITSELF
        ended = (one.duty, one.reason) == (cases.RETURNED, cases.LAPSED)
        lines.append(
            ask.say("reason-ended" if ended else f"reason-{one.reason}")
            if known
            else ask.say("detail-reason", text=one.reason)
        )
    return [
        *lines,
        *await _assigned(ask, one),
        *await partners.detail(ask, one),
        *(_entry(ask, row) for row in happened[-HISTORY:]),
    ]


def _waiver(ask: Ask, one: Obligation, happened: Rows) -> str:
    """Why it need not be done, by whose word, for how long."""
    approver = next((_payload(row).get("name", "") for row in reversed(happened) if row["action"] == "waive"), "")
    return ask.say("detail-waived", reason=one.reason, name=approver, lasts=lasting(one, ask.language))


async def _assigned(ask: Ask, one: Obligation) -> list[str]:
    name = await reading.person_name(one.assignee) if one.assignee else ""
    return [ask.say("detail-assigned", name=name)] if name else []


def _entry(ask: Ask, row: dict[str, Any]) -> str:
    """One line of the history, with the words that were said, where there were any."""
    said = _payload(row)
    first = next((str(said[part]) for part in SAID if said.get(part)), "")
    words = [word for word in (said.get("partner"), first) if word]
    return ask.say(
        "detail-entry", at=row["at"].astimezone(ask.at.now.tzinfo), action=ask.say(f"act-{row['action']}"),
        id=row["id"], name=_who(ask, said), words=ask.say("detail-words", words=" ".join(words)) if words else "",
    )  # fmt: skip


def _who(ask: Ask, said: dict[str, Any]) -> str:
    name = str(said.get("name") or ask.say("detail-system"))
    return ask.say("detail-for", name=name, whose=said["for"]) if said.get("for") else name


def _payload(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row["payload"])
    return found


def _buttons(ask: Ask, one: Obligation) -> tuple[tuple[str, str, str], ...]:
    verbs: Sequence[tuple[str, str]] = ()
    if ask.actor.holds(one.unit_id, *HOLDERS):
        if one.state in OPEN_STATES:
            seen = one.state == State.ACKNOWLEDGED
            verbs = (("report", "primary"),) if seen else (("acknowledge", "plain"), ("report", "primary"))
            verbs = (*verbs, ("checklist", "plain")) if is_standing(ask.registry, one) else verbs
    elif ask.holds(Role.SUPERVISOR) and ask.actor.supervises(one.unit_path) and one.state == State.REPORTED:
        verbs = (("close", "primary"), ("return", "danger"))
    elif ask.actor.supervises(one.unit_path) and one.state == State.WAIVED:
        verbs = (("unwaive", "plain"),)
    return tuple((ask.say(f"button-{verb}"), f"{verb}:{one.id}", style) for verb, style in verbs)
