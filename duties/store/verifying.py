"""What no chain holds by itself: the rows of terms and obligations, against what the ledger says of them.

`recorded` does the same for all that people write down: cases, letters, points, requests, counts, hours, officers,
posts held for others.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from duties.ledger import SYSTEM, Fault
from duties.store import case_rows, chains, check_rows, recorded, share_rows, statements
from duties.store.database import as_date, fetch
from duties.store.planned import silent_counts
from duties.store.recorded import payload

PAGE = 5_000
ANSWERED = 500
"""Checklists compared at once: each has up to a hundred answers."""


async def silent_changes() -> list[Fault]:
    """Rows that are not what the ledger last said: moved due days, vanished units, anything changed behind it."""
    answers = [fault async for fault in _answers()]
    changed = [fault async for fault in _changed()]
    return [*await _terms(), *await _unheard(), *changed, *await _shares(), *answers, *await recorded.changes()]


async def _terms() -> list[Fault]:
    written: dict[int, dict[str, Any]] = {}
    for row in await chains.history(SYSTEM):
        if row["action"] == "plan":
            written |= {term["id"]: term for term in payload(row).get("terms", ())}
    for row in await case_rows.lines():
        written |= {term["id"]: term for term in payload(row).get("terms", ())}
    faults = []
    for term in await silent_counts():
        place = f"term {term['duty']} {term['label']} {term['jurisdiction']}"
        units, held = await statements.members(term["id"])
        known = written.pop(term["id"], None)
        faults += [Fault(place, reason) for reason in _term_faults(term, known, units, held)]
    return [*faults, *(Fault(f"term {gone['duty']} {gone['term']}", "is gone") for gone in written.values())]


def _term_faults(term: Mapping[str, Any], known: Mapping[str, Any] | None, units: int, held: str) -> list[str]:
    if known is None:
        return ["has obligations that planning never wrote down"] if units else []
    faults = []
    name, was = f"{term['duty']} {term['label']}", f"{known['duty']} {known['term']}"
    if (name, term["jurisdiction"]) != (was, known["jurisdiction"]):
        faults.append(f"is called {was} {known['jurisdiction']} in the ledger")
    if known["due"] != as_date(term["due"]).isoformat():
        faults.append(f"is due {as_date(term['due'])}; the ledger says {known['due']}")
    stands = as_date(term["stands_from"]).isoformat() if term["stands_from"] else None
    if known.get("stands_from") != stands:
        faults.append(f"stands from {stands}; the ledger says {known.get('stands_from')}")
    if known["digest"] != hashlib.sha256(held.encode()).hexdigest():
        faults.append(f"has {units} units; the ledger says {known['units']}, or other units, targets or partners")
    return faults


async def _unheard() -> list[Fault]:
    """Obligations on which nobody acted, yet they are not as planning made them."""
    rows = await fetch(
        """
        SELECT o.id FROM obligation o WHERE (o.state <> 'pending' OR o.tally <> 0 OR o.done_on IS NOT NULL
          OR o.backdated OR o.reason <> '' OR CAST(o.evidence AS TEXT) <> '[]'
          OR o.waived_until IS NOT NULL OR o.assignee IS NOT NULL)
          AND NOT EXISTS (SELECT 1 FROM stream s WHERE s.kind = 'obligation' AND s.ref = o.id) ORDER BY o.id
        """
    )
    return [Fault(f"obligation:{row['id']}", "was changed without a line in the ledger") for row in rows]


async def _changed() -> AsyncIterator[Fault]:
    """Obligations that are not what the last line of their chain made of them."""
    after = 0
    while True:
        rows = await fetch(
            """
            SELECT s.ref, e.payload, o.id, o.state, o.tally, o.done_on, o.backdated, o.reason, o.evidence,
              o.waived_until, o.assignee
            FROM stream s JOIN entry e ON e.stream_id = s.id AND e.seq = s.seq LEFT JOIN obligation o ON o.id = s.ref
            WHERE s.kind = 'obligation' AND s.ref > :after ORDER BY s.ref LIMIT :page
            """,
            after=after, page=PAGE,
        )  # fmt: skip
        for row in rows:
            if different := _differences(row):
                yield Fault(f"obligation:{row['ref']}", different)
        if len(rows) < PAGE:
            return
        after = rows[-1]["ref"]


async def _shares() -> list[Fault]:
    """Partners' parts that are not what the ledger last said of them; those planning made, as long as nobody acted."""
    said: dict[tuple[int, int], dict[str, Any]] = {}
    for row in await share_rows.lines():
        for part in payload(row).get("shares", ()):
            said[row["ref"], part["unit_id"]] = part["after"]
    faults = []
    for row in await share_rows.written():
        place = f"obligation:{row['obligation_id']} partner {row['unit_id']}"
        known = said.pop((row["obligation_id"], row["unit_id"]), share_rows.UNTOUCHED)
        if different := recorded.differences(share_rows.kept(row), known):
            faults.append(Fault(place, different))
    return [*faults, *(Fault(f"obligation:{one} partner {unit}", "is gone") for one, unit in said)]


async def _answers() -> AsyncIterator[Fault]:
    """Checklists whose answers are not what the lines of their chain made of them, one after the other."""
    after = 0
    while page := await check_rows.answered(after, ANSWERED):
        written: dict[int, dict[int, Any]] = {number: {} for number in page}
        for row in await check_rows.lines_of(page):
            for no, answer in payload(row).get("checked", {}).items():
                written[row["ref"]][int(no)] = {**answer, "entry": row["id"]} if answer else None
        found: dict[int, dict[int, Any]] = {number: {} for number in page}
        for row in await check_rows.rows_of(page):
            kept = check_rows.kept(row)
            found[row["obligation_id"]][row["provision"]] = {**kept.content(), "entry": kept.entry}
        for number in page:
            last = {no: answer for no, answer in written[number].items() if answer}
            if different := [no for no in sorted(last.keys() | found[number]) if last.get(no) != found[number].get(no)]:
                items = ", ".join(map(str, different))
                yield Fault(f"obligation:{number}", f"items {items} of its checklist: not what its chain says")
        after = page[-1]


def _differences(row: Mapping[str, Any]) -> str:
    if row["id"] is None:
        return "is gone"
    evidence = json.loads(row["evidence"]) if isinstance(row["evidence"], str) else row["evidence"]
    found = {
        "state": row["state"], "tally": row["tally"], "backdated": bool(row["backdated"]), "reason": row["reason"],
        "done_on": as_date(row["done_on"]).isoformat() if row["done_on"] else None, "evidence": evidence,
        "waived_until": as_date(row["waived_until"]).isoformat() if row["waived_until"] else None,
        "assignee": row["assignee"],
    }  # fmt: skip
    return recorded.differences(found, payload(row).get("after", {}))
