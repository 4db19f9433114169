"""Cases, letters, points and requests, against what the ledger says of them: a table of how each kind is read."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from duties.ledger import Fault
from duties.store.database import as_date, fetch

Facts = dict[str, Any]
Line = Mapping[str, Any]
"""One line of the ledger: id, ref, action, payload (read)."""

_WIDTHS = {"document": 128, "signatory": 64, "proof": 255, "reason": 255, "subject": 255, "ground": 255}
"""What the columns hold of a text; the ledger keeps the whole."""
_DAYS = frozenset({"event_on", "named_on", "issued_on", "served_on", "on", "wanted_on"})
_ANSWERS = {"approve": "granted", "waive": "granted", "reject": "refused", "withdraw-request": "withdrawn"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the rows of a kind are read: which lines speak of them, what each line makes true of which row.

    `lines` follows WHERE; `rows` names the key `id` and a column for every fact. Facts of later lines replace those of
    earlier ones; a line may speak of several rows.
    """

    name: str
    lines: str
    rows: str
    said: Callable[[Line], Iterator[tuple[int, Facts]]]


def _case(line: Line) -> Iterator[tuple[int, Facts]]:
    names = ("duty", "event_on", "document", "subject", "named_on", "pauses", "state")
    yield line["ref"], {name: line["payload"].get(name) for name in names}


def _letter(line: Line) -> Iterator[tuple[int, Facts]]:
    names = (
        "paper", "issuer", "addressee", "obligation", "state", "document", "signatory", "proof", "case", "reason",
        "issued_on", "served_on", "named_on",
    )  # fmt: skip
    yield line["ref"], {name: line["payload"].get(name) for name in names}


def _point(line: Line) -> Iterator[tuple[int, Facts]]:
    """A record is known by the line that made it."""
    said = line["payload"]
    same = {name: said.get(name) for name in ("hundredths", "ground", "obligation", "reverses", "on")}
    yield line["id"], {**same, "unit": line["ref"]}


def _request(line: Line) -> Iterator[tuple[int, Facts]]:
    """What was asked, answered, taken back, or no longer to be answered since the obligation is not open any more."""
    said, action = line["payload"], line["action"]
    number = said.get("request")  # none where a supervisor waives of their own accord
    if number is not None and str(action).startswith("ask-"):
        asked = {
            "kind": str(action).removeprefix("ask-"),
            "reason": said.get("said"),
            "wanted_on": said.get("wanted_on"),
        }
        yield number, {**asked, "obligation": line["ref"], "state": "open"}
    elif number is not None:
        yield number, {"state": _ANSWERS[action]}
    yield from ((moot, {"state": "moot"}) for moot in said.get("moot", ()))
    yield from ((int(one), {"state": state}) for one, state in said.get("requests", {}).items())


KINDS = (
    _Kind(
        "case", "s.kind = 'case'",
        "SELECT id, duty, event_on, document, subject, named_on, pauses, state FROM casefile", _case,
    ),
    _Kind(
        "letter", "s.kind = 'letter'",
        'SELECT id, paper, issuer_id AS issuer, unit_id AS addressee, obligation_id AS obligation, state, document,'
        ' signatory, proof, case_id AS "case", reason, issued_on, served_on, named_on FROM letter', _letter,
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
        "SELECT id, kind, reason, wanted_on, obligation_id AS obligation, state FROM request", _request,
    ),
)  # fmt: skip


async def changes() -> list[Fault]:
    """Rows of every kind that are gone, were made without a line, or are not what the ledger says."""
    return [fault for kind in KINDS for fault in await _compared(kind)]


async def _compared(kind: _Kind) -> list[Fault]:
    said, faults = await _said(kind), []
    for row in await fetch(f"{kind.rows} ORDER BY 1"):
        number = int(row.pop("id"))
        if number not in said:
            faults.append(Fault(f"{kind.name}:{number}", "stands in no line of the ledger"))
            continue
        known = said.pop(number)
        if different := [name for name, value in row.items() if _plain(name, value) != known.get(name)]:
            faults.append(Fault(f"{kind.name}:{number}", f"{', '.join(different)}: not what the ledger says"))
    return [*faults, *(Fault(f"{kind.name}:{number}", "is gone") for number in sorted(said))]


async def _said(kind: _Kind) -> dict[int, Facts]:
    rows = await fetch(
        "SELECT e.id, s.ref, e.action, e.payload FROM entry e JOIN stream s ON s.id = e.stream_id"
        f" WHERE {kind.lines} ORDER BY e.id"
    )
    said: dict[int, Facts] = {}
    for row in rows:
        for number, facts in kind.said({**row, "payload": payload(row)}):
            said[number] = {**said.get(number, {}), **{name: _kept(name, value) for name, value in facts.items()}}
    return said


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
