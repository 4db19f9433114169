"""Letters as rows: what was drafted, signed, served, withdrawn. Writes run inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from duties.store.database import as_date, dialect, execute, fetch

DOCUMENT = 128
"""What the column of a letter's number holds; the ledger keeps the whole text."""
_BRACKETS = str.maketrans("[]【】()（）", "〔〕" * 4)
_LETTER = """
    SELECT l.id, l.paper, l.issuer_id, i.name AS issuer, l.unit_id, u.name AS unit, u.path, l.obligation_id, l.state,
      l.document, l.issued_on, l.named_on, l.signatory, l.served_on, l.proof, l.case_id, l.reason, l.version
    FROM letter l JOIN unit u ON u.id = l.unit_id JOIN unit i ON i.id = l.issuer_id
"""


@dataclass(frozen=True, slots=True)
class Correspondence:
    """A letter and where it stands. Days are local; `version` is the one that was read."""

    id: int
    paper: str
    issuer_id: int
    issuer: str
    unit_id: int
    unit: str
    unit_path: str
    obligation_id: int
    state: str
    document: str
    issued_on: date | None
    named_on: date | None
    signatory: str
    served_on: date | None
    proof: str
    case_id: int | None
    reason: str
    version: int


async def add(paper: str, issuer: int, unit: int, obligation: int, person: int, now: datetime) -> Correspondence:
    """A new draft's row."""
    (row,) = await fetch(
        "INSERT INTO letter (paper, issuer_id, unit_id, obligation_id, state, document, signatory, proof, reason,"
        " version, drafted_by, drafted_at) VALUES (:paper, :issuer, :unit, :obligation, 'drafted', '', '', '', '', 1,"
        " :person, :now) RETURNING id",
        paper=paper, issuer=issuer, unit=unit, obligation=obligation, person=person, now=now,
    )  # fmt: skip
    letter = await found(row["id"])
    assert letter is not None, "it was just written"
    return letter


async def found(number: int, *, held: bool = False) -> Correspondence | None:
    """A letter by its number; `held` until the transaction ends, where transactions run side by side."""
    lock = " FOR UPDATE OF l" if held and dialect() == "postgresql" else ""
    rows = await fetch(f"{_LETTER} WHERE l.id = :id{lock}", id=number)
    return _letter(rows[0]) if rows else None


async def drafted_about(obligation: int, paper: str) -> Correspondence | None:
    """The letter of a kind about an obligation that is not withdrawn."""
    rows = await fetch(
        f"{_LETTER} WHERE l.obligation_id = :obligation AND l.paper = :paper AND l.state <> 'withdrawn' LIMIT 1",
        obligation=obligation, paper=paper,
    )  # fmt: skip
    return _letter(rows[0]) if rows else None


async def numbered(issuer: int, key: str) -> Correspondence | None:
    """The letter of a unit that has a number, by `number_key`, and is not withdrawn."""
    rows = await fetch(
        f"{_LETTER} WHERE l.issuer_id = :issuer AND l.number_key = :key AND l.state <> 'withdrawn'",
        issuer=issuer, key=key,
    )  # fmt: skip
    return _letter(rows[0]) if rows else None


def number_key(document: str, on: date | None) -> str | None:
    """What a number is known by within its office: the year, and the number however its brackets were typed."""
    return f"{on.year}/{''.join(document[:DOCUMENT].split()).translate(_BRACKETS)}" if on else None


async def of_case(case: int) -> Correspondence | None:
    """The letter whose service opened a case."""
    rows = await fetch(f"{_LETTER} WHERE l.case_id = :case AND l.state <> 'withdrawn'", case=case)
    return _letter(rows[0]) if rows else None


async def under(trees: Sequence[str], limit: int) -> list[Correspondence]:
    """The letters to units in these subtrees that are not withdrawn, newest first."""
    values: dict[str, Any] = {f"tree{number}": f"{path}%" for number, path in enumerate(trees)}
    where = " OR ".join(f"u.path LIKE :{name}" for name in values) or "1 = 0"
    rows = await fetch(
        f"{_LETTER} WHERE l.state <> 'withdrawn' AND ({where}) ORDER BY l.id DESC LIMIT :limit", limit=limit, **values
    )
    return [_letter(row) for row in rows]


async def change(letter: Correspondence) -> bool:
    """Write a letter's step, if nobody took another meanwhile."""
    return await execute(
        "UPDATE letter SET state = :state, document = :document, number_key = :key, issued_on = :issued_on,"
        " named_on = :named_on, signatory = :signatory, served_on = :served_on, proof = :proof, case_id = :case,"
        " reason = :reason, version = version + 1 WHERE id = :id AND version = :version",
        id=letter.id, version=letter.version, state=letter.state, document=letter.document[:DOCUMENT],
        key=number_key(letter.document, letter.issued_on), issued_on=letter.issued_on, named_on=letter.named_on,
        signatory=letter.signatory[:64], served_on=letter.served_on, proof=letter.proof[:255], case=letter.case_id,
        reason=letter.reason[:255],
    ) == 1  # fmt: skip


def _letter(row: dict[str, Any]) -> Correspondence:
    issued, named, served = (
        as_date(row[name]) if row[name] else None for name in ("issued_on", "named_on", "served_on")
    )
    return Correspondence(
        row["id"], row["paper"], row["issuer_id"], row["issuer"], row["unit_id"], row["unit"], row["path"],
        row["obligation_id"], row["state"], row["document"], issued, named, row["signatory"], served, row["proof"],
        row["case_id"], row["reason"], row["version"],
    )  # fmt: skip
