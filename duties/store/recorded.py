"""What people wrote down, against what the ledger says of it: a table of how each kind of row is read."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from duties.ledger import Fault, canonical
from duties.store.database import as_date, fetch
from duties.store.letter_rows import DOCUMENT, number_key

Facts = dict[str, Any]
Line = Mapping[str, Any]
"""One line of the ledger: id, ref, actor, action, payload (read)."""
Lines = Mapping[int, Line]
"""The lines that speak of a kind of row, by number."""
Said = Iterator[tuple[Any, Facts]]
"""What a line makes true of which rows."""

_WIDTHS = {
    "document": DOCUMENT, "signatory": 64, "proof": 255, "reason": 255, "subject": 255, "ground": 255, "topic": 255,
    "meeting": 255,
}  # fmt: skip
"""What the columns hold of a text; the ledger keeps the whole."""
_DAYS = frozenset({
    "event_on", "named_on", "issued_on", "served_on", "on", "wanted_on", "since", "until", "entered",
})  # fmt: skip
_SHOWN = 40
"""Characters of a value in a fault."""
_ANSWERS = {"approve": "granted", "waive": "granted", "reject": "refused", "withdraw-request": "withdrawn"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the rows of a kind are read: which lines speak of them, what each line makes true of which row.

    `lines` follows WHERE; `rows` names the key `id` and a column for every fact. Facts of later lines replace those of
    earlier ones; a line may speak of several rows. What is undone is found among the other lines.
    """

    name: str
    lines: str
    rows: str
    said: Callable[[Line, Lines], Said]


def _case(line: Line, _: Lines) -> Said:
    names = ("duty", "unit_id", "event_on", "document", "subject", "named_on", "pauses", "parent", "state")
    yield line["ref"], {name: line["payload"].get(name) for name in names}


def _letter(line: Line, _: Lines) -> Said:
    names = (
        "paper", "issuer", "addressee", "obligation", "state", "document", "signatory", "proof", "case", "reason",
        "issued_on", "served_on", "named_on",
    )  # fmt: skip
    said = {name: line["payload"].get(name) for name in names}
    issued_on = date.fromisoformat(said["issued_on"]) if said["issued_on"] else None
    drafted = {"drafted_by": line["actor"]} if line["action"] == "draft" else {}
    yield line["ref"], {**said, **drafted, "number": number_key(said["document"] or "", issued_on)}


def _point(line: Line, _: Lines) -> Said:
    """A record is known by the line that made it."""
    said = line["payload"]
    same = {name: said.get(name) for name in ("hundredths", "ground", "obligation", "reverses", "on")}
    yield line["id"], {**same, "unit": line["ref"]}


def _request(line: Line, _: Lines) -> Said:
    """What was asked, answered, taken back, or no longer to be answered since the obligation is not open any more."""
    said, action = line["payload"], line["action"]
    number = said.get("request")  # none where a supervisor waives of their own accord
    if number is not None and str(action).startswith("ask-"):
        asked = {
            "kind": str(action).removeprefix("ask-"),
            "reason": said.get("said"),
            "wanted_on": said.get("wanted_on"),
            "asked_by": line["actor"],
        }
        yield number, {**asked, "obligation": line["ref"], "state": "open"}
    elif number is not None:
        yield number, {"state": _ANSWERS[action]}
    yield from ((moot, {"state": "moot"}) for moot in said.get("moot", ()))
    yield from ((int(one), {"state": state}) for one, state in said.get("requests", {}).items())


def _count(line: Line, lines: Lines) -> Said:
    """A count is known by the line that made it. Sending back takes one away, undoing either turns it round."""
    said, number = line["payload"], line["id"]
    undone = lines.get(said.get("of"), {})
    if line["action"] == "count":
        same = {name: said.get(name) for name in ("on", "topic", "meeting", "amount")}
        yield number, {**same, "obligation": line["ref"], "undone_by": None}
    elif "uncounts" in said:
        yield said["uncounts"], {"undone_by": number}
    elif undone.get("action") == "count":
        yield undone["id"], {"undone_by": number}
    elif "uncounts" in undone.get("payload", {}):
        yield undone["payload"]["uncounts"], {"undone_by": None}


def _training(line: Line, lines: Lines) -> Said:
    """Hours are known by the line that made them and the place in it. Undoing takes them away, or gives them back."""
    said, number = line["payload"], line["id"]
    for place, row in enumerate(said.get("trained", ())):
        facts = dict(zip(("officer", "on", "topic", "halves"), row, strict=True))
        yield f"{number}/{place}", {**facts, "obligation": line["ref"], "undone_by": None}
    yield from ((one, {"undone_by": number}) for one in said.get("reversed", ()))
    undone = lines.get(said.get("of"), {})
    before = undone.get("payload", {})
    yield from ((f"{undone['id']}/{place}", {"undone_by": number}) for place in range(len(before.get("trained", ()))))
    yield from ((one, {"undone_by": None}) for one in before.get("reversed", ()))


def _officer(line: Line, _: Lines) -> Said:
    names = ("unit", "name", "certificate", "since", "until", "entered", "first")
    for change in line["payload"].get("officers", ()):
        yield from ((number, dict(zip(names, row, strict=True))) for number, *row in change["rows"])


def _acting(line: Line, _: Lines) -> Said:
    """A post held for somebody is known by the line that gave it; another says when it was over."""
    said = line["payload"]
    if line["action"] == "delegate":
        same = {name: said.get(name) for name in ("holder", "person", "role", "since", "until")}
        yield line["id"], {**same, "unit": line["ref"]}
    else:
        yield said.get("of"), {"until": said.get("over")}


KINDS = (
    _Kind(
        "case", "s.kind = 'case'",
        "SELECT id, duty, unit_id, event_on, document, subject, named_on, pauses, parent_id AS parent, state"
        " FROM casefile", _case,
    ),
    _Kind(
        "letter", "s.kind = 'letter'",
        'SELECT id, paper, issuer_id AS issuer, unit_id AS addressee, obligation_id AS obligation, state, document,'
        ' signatory, proof, case_id AS "case", reason, issued_on, served_on, named_on, number_key AS number,'
        " 'person:' || CAST(drafted_by AS VARCHAR(20)) AS drafted_by FROM letter", _letter,
    ),
    _Kind(
        "point", "s.kind = 'unit' AND e.action IN ('deduct', 'credit', 'reverse-points')",
        'SELECT entry_id AS id, hundredths, ground, obligation_id AS obligation, reverses, on_day AS "on",'
        " unit_id AS unit FROM point", _point,
    ),
    _Kind(
        "request",
        "s.kind = 'obligation' AND (e.payload LIKE '%\"request\":%' OR e.payload LIKE '%\"moot\":%'"
        " OR e.payload LIKE '%\"requests\":%')",
        "SELECT id, kind, reason, wanted_on, 'person:' || CAST(asked_by AS VARCHAR(20)) AS asked_by,"
        " obligation_id AS obligation, state FROM request", _request,
    ),
    _Kind(
        "count", "s.kind = 'obligation' AND e.action IN ('count', 'return', 'undo')",
        'SELECT entry_id AS id, on_day AS "on", topic, meeting, amount, obligation_id AS obligation, undone_by'
        " FROM count_item", _count,
    ),
    _Kind(
        "training", "s.kind = 'obligation' AND e.action IN ('hours', 'reverse-hours', 'undo')",
        "SELECT CAST(entry_id AS VARCHAR(20)) || '/' || CAST(place AS VARCHAR(20)) AS id, officer_id AS officer,"
        ' on_day AS "on", topic, halves, obligation_id AS obligation, undone_by FROM training', _training,
    ),
    _Kind(
        "officer", "s.kind = 'unit' AND e.action = 'officers'",
        'SELECT id, unit_id AS unit, name, certificate, since, until, entered, first_id AS "first" FROM officer',
        _officer,
    ),
    _Kind(
        "acting", "s.kind = 'unit' AND e.action IN ('delegate', 'take-back', 'delegation-over')",
        "SELECT COALESCE(entry_id, -id) AS id, acting_for AS holder, person_id AS person, role, since, until,"
        " unit_id AS unit FROM post WHERE acting_for IS NOT NULL", _acting,
    ),
)  # fmt: skip


async def changes() -> list[Fault]:
    """Rows of every kind that are gone, were made without a line, or are not what the ledger says."""
    return [fault for kind in KINDS for fault in await _compared(kind)]


async def _compared(kind: _Kind) -> list[Fault]:
    said, faults = await _said(kind), []
    for row in await fetch(f"{kind.rows} ORDER BY 1"):
        number = str(row.pop("id"))
        if number not in said:
            faults.append(Fault(f"{kind.name}:{number}", "stands in no line of the ledger"))
            continue
        known = said.pop(number)
        if different := differences({name: _plain(name, value) for name, value in row.items()}, known):
            faults.append(Fault(f"{kind.name}:{number}", different))
    return [*faults, *(Fault(f"{kind.name}:{number}", "is gone") for number in said)]


def differences(found: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What of a row is not what the ledger says, with both; empty where all of it is."""
    different = [name for name, value in found.items() if value != known.get(name)]
    return "; ".join(
        f"{name} is {_short(found[name])}, the ledger says {_short(known.get(name))}" for name in different
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else canonical(value)
    if value in (None, ""):
        return "nothing"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


async def _said(kind: _Kind) -> dict[str, Facts]:
    rows = await fetch(
        "SELECT e.id, s.ref, e.actor, e.action, e.payload FROM entry e JOIN stream s ON s.id = e.stream_id"
        f" WHERE {kind.lines} ORDER BY e.id"
    )
    lines = {row["id"]: {**row, "payload": payload(row)} for row in rows}
    said: dict[str, Facts] = {}
    for line in lines.values():
        for number, facts in _heard(kind, line, lines):
            kept = {name: _kept(name, value) for name, value in facts.items()}
            said[str(number)] = {**said.get(str(number), {}), **kept}
    return said


def _heard(kind: _Kind, line: Line, lines: Lines) -> list[tuple[Any, Facts]]:
    """What a line says; nothing where somebody made it something that no line of ours says: its chain tells of that."""
    try:
        return list(kind.said(line, lines))
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says; nothing where somebody made it unreadable: its chain tells of that."""
    try:
        found = json.loads(row["payload"])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _kept(name: str, value: Any) -> Any:
    """What a line says, as the column can hold it."""
    return value[: _WIDTHS[name]] if name in _WIDTHS and isinstance(value, str) else value


def _plain(name: str, value: Any) -> Any:
    """A column as the ledger writes it."""
    if name in _DAYS and value is not None:
        return as_date(value).isoformat()
    return json.loads(value) if name == "pauses" and isinstance(value, str) else value
