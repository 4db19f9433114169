"""Cases, letters, points and requests, against what the ledger says of them: a table of how each kind is read."""

import json
from collections.abc import Callable, Mapping
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
_ANSWERS = {"approve": "granted", "waive": "granted", "reject": "refused"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the rows of a kind are read: which lines speak of them, what each line makes true of which row.

    `lines` follows WHERE; `rows` names the key `id` and a column for every fact. Facts of later lines replace those of
    earlier ones.
    """

    name: str
    lines: str
    rows: str
    said: Callable[[Line], tuple[int, Facts] | None]


def _case(line: Line) -> tuple[int, Facts]:
    names = ("duty", "event_on", "document", "subject", "named_on", "pauses", "state")
    return line["ref"], {name: line["payload"].get(name) for name in names}


def _letter(line: Line) -> tuple[int, Facts]:
    names = (
        "paper", "issuer", "addressee", "obligation", "state", "document", "signatory", "proof", "case", "reason",
        "issued_on", "served_on", "named_on",
    )  # fmt: skip
    return line["ref"], {name: line["payload"].get(name) for name in names}


def _point(line: Line) -> tuple[int, Facts]:
    """A record is known by the line that made it."""
    said = line["payload"]
    same = {name: said.get(name) for name in ("hundredths", "ground", "obligation", "reverses", "on")}
    return line["id"], {**same, "unit": line["ref"]}


def _request(line: Line) -> tuple[int, Facts] | None:
    said, action = line["payload"], line["action"]
    if said.get("request") is None:
        return None  # waived of the supervisor's own accord
    if state := _ANSWERS.get(action):
        return said["request"], {"state": state}
    kind = str(action).removeprefix("ask-")
    asked = {"kind": kind, "reason": said.get("said"), "wanted_on": said.get("wanted_on"), "obligation": line["ref"]}
    return said["request"], {**asked, "state": "open"}


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
        "s.kind = 'obligation' AND e.action IN ('ask-waiver', 'ask-extension', 'approve', 'waive', 'reject')",
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
        if (told := kind.said({**row, "payload": payload(row)})) is not None:
            number, facts = told
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
