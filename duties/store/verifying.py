"""What no chain holds by itself: the terms, whose due days and silent obligations planning wrote down."""

import hashlib
import json

from duties.ledger import SYSTEM, Fault
from duties.store import chains, statements
from duties.store.database import as_date
from duties.store.planned import silent_counts


async def silent_changes() -> list[Fault]:
    """Terms whose due day or units are not what planning last wrote into the ledger."""
    written: dict[int, dict[str, object]] = {}
    for row in await chains.history(SYSTEM):
        if row["action"] == "plan":
            written |= {term["id"]: term for term in json.loads(str(row["payload"]))["terms"]}
    faults = []
    for term in await silent_counts():
        place = f"term {term['duty']} {term['label']} {term['jurisdiction']}"
        known = written.pop(term["id"], None)
        units, ids = await statements.members(term["id"])
        if known is None:
            faults += [Fault(place, "has obligations that planning never wrote down")] if units else []
        elif known["due"] != as_date(term["due"]).isoformat():
            faults.append(Fault(place, f"is due {as_date(term['due'])}; the ledger says {known['due']}"))
        elif known["digest"] != hashlib.sha256(ids.encode()).hexdigest():
            faults.append(Fault(place, f"has {units} units; the ledger says {known['units']}, or others"))
    return [*faults, *(Fault(f"term {gone['duty']} {gone['term']}", "is gone") for gone in written.values())]
