"""A roster into the store: what it would change, and changing exactly that. Applied twice, it changes nothing.

Units and posts are compared by code, never by row number. What a roster no longer names is closed, not deleted: a tag
or a post of a unit it lists ends yesterday; a unit it does not list is reported as absent and left alone.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from duties import obligations
from duties.errors import RosterError
from duties.ledger import GENESIS, SYSTEM, Act, StreamRef, line
from duties.model import OPEN_STATES, Role, State, Tag
from duties.registry import Registry
from duties.roster import Roster, UnitEntry, opening_faults
from duties.store import chains, planned
from duties.store.database import Rows, as_date, execute, execute_many, fetch, transaction

SLICE = 5_000
"""Parameters a statement may carry at the most, so that both databases take them."""
OPENINGS = 500
"""Opening tallies in one transaction: each writes a line of the ledger."""


@dataclass(frozen=True, slots=True)
class Span:
    """From a day to a day, both inclusive, either end open. As text in ISO 8601: 2026-01-01/.. ."""

    since: date | None
    until: date | None

    def __str__(self) -> str:
        return f"{self.since or '..'}/{self.until or '..'}"

    def covers(self, day: date) -> bool:
        """Whether a day lies within."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    def closed(self, today: date) -> "Span":
        """The same, over since yesterday at the latest."""
        return self if self.until and self.until < today else Span(self.since, today - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about a unit before and after, in names, codes and days. Empty: not there."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class UnitChange:
    """What a roster changes about one unit."""

    code: str
    name: str
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class PostChange:
    """A post as it is afterwards."""

    unit: str
    unit_name: str
    role: Role
    person: str
    name: str
    since: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class RosterChange:
    """What a roster changes. False when it changes nothing; `absent` units are only reported."""

    added: tuple[UnitChange, ...]
    changed: tuple[UnitChange, ...]
    ended: tuple[UnitChange, ...]
    absent: tuple[UnitChange, ...]
    posts_added: tuple[PostChange, ...]
    posts_changed: tuple[PostChange, ...]
    posts_ended: tuple[PostChange, ...]

    def __bool__(self) -> bool:
        return any((self.units, self.posts))

    @property
    def units(self) -> tuple[UnitChange, ...]:
        """Every unit whose own facts change."""
        return (*self.added, *self.changed, *self.ended)

    @property
    def posts(self) -> tuple[PostChange, ...]:
        """Every post that changes."""
        return (*self.posts_added, *self.posts_changed, *self.posts_ended)

    def counts(self) -> dict[str, int]:
        """How much of each."""
        kinds = ("added", "changed", "ended", "absent", "posts_added", "posts_changed", "posts_ended")
        return {kind: len(getattr(self, kind)) for kind in kinds}


@dataclass(frozen=True, slots=True)
class Opening:
    """A tally from before installation, of one unit for one duty."""

    unit: str
    duty: str
    tally: int


@dataclass(frozen=True, slots=True)
class Openings:
    """What became of a roster's opening tallies. `missing`: the unit does not owe the duty this year."""

    applied: tuple[Opening, ...]
    missing: tuple[Opening, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit with its tags and posts as they stand, or are to stand; references are codes."""

    code: str
    name: str
    aliases: tuple[str, ...]
    level: str
    parent: str
    jurisdiction: str
    office_opens: int
    span: Span
    name_en: str = ""
    supervisor: str = ""
    tags: Mapping[str, Span] = field(default_factory=dict)
    posts: Mapping[tuple[str, Role], _Held] = field(default_factory=dict)

    def told(self) -> dict[str, str]:
        """What people may want to know about it, by field; tags each on its own."""
        return {
            "name": self.name,
            "name_en": self.name_en,
            "aliases": ", ".join(self.aliases),
            "level": self.level,
            "parent": self.parent,
            "jurisdiction": self.jurisdiction,
            "office_opens": f"{self.office_opens // 60:02d}:{self.office_opens % 60:02d}",
            "since": str(self.span.since or ""),
            "until": str(self.span.until or ""),
            "supervisor": self.supervisor,
            **{f"tag {tag}": str(span) for tag, span in sorted(self.tags.items())},
        }


_Units = Mapping[str, _Unit]


async def difference(roster: Roster, today: date, default_office: int) -> RosterChange:
    """What applying a roster would change. Only reads."""
    before = await _stored()
    return _compared(before, _wanted(roster, before, today, default_office), roster)


async def apply(
    roster: Roster, actor: str, now: datetime, default_office: int, *, today: date | None = None
) -> RosterChange:
    """Make units, tags and posts what a roster says, and write it down. All or nothing.

    `default_office`: minutes after midnight for units that name no hours. `today`: the local day, else that of `now`.
    """
    async with transaction():
        await planned.chore_done("roster", roster.digest)  # writes first, and makes a second import wait
        before = await _stored()
        after = _wanted(roster, before, today or now.date(), default_office)
        change = _compared(before, after, roster)
        if change:
            ids = await _write(change, after)
            await _record(roster, change, ids, actor, now)
    return change


async def apply_openings(roster: Roster, registry: Registry, now: datetime, today: date) -> Openings:
    """Give this year's counted obligations the tallies from before installation, on top of what was counted since.

    To be called after planning. A corrected tally corrects; one that was applied in an earlier year stays there.
    """
    faults = [f"{unit.code}: {fault}" for unit in roster.units for fault in opening_faults(unit.opening, registry)]
    if faults:
        raise RosterError([f"{roster.source}: {fault}" for fault in faults])
    asked = [Opening(unit.code, duty, tally) for unit in roster.units for duty, tally in unit.opening.items()]
    if not asked:
        return Openings((), ())
    rows = {(row["code"], row["duty"]): row for row in await _counted({one.duty for one in asked}, str(today.year))}
    missing = tuple(one for one in asked if (one.unit, one.duty) not in rows)
    due = [(one, row) for one in asked if (row := rows.get((one.unit, one.duty))) and _differs(one, row)]
    for start in range(0, len(due), OPENINGS):
        part = due[start : start + OPENINGS]
        async with transaction():
            payload = {"sha256": roster.digest, "openings": len(part)}
            await chains.append(SYSTEM, Act("system", "opening", "system", payload), now)
            for one, row in part:
                await obligations.opening_tally(int(row["id"]), one.tally + int(row["counted"]), now)
    return Openings(tuple(one for one, _ in due), missing)


async def _counted(duties: Iterable[str], label: str) -> Rows:
    """This year's obligations of some duties: tally, what was counted here, whether an earlier year had an opening."""
    return await fetch(
        """
        SELECT u.code, t.duty, o.id, o.tally, o.state,
          (SELECT COALESCE(SUM(c.amount), 0) FROM count_item c
            WHERE c.obligation_id = o.id AND c.undone_by IS NULL) AS counted,
          (SELECT COUNT(*) FROM term earlier JOIN obligation p ON p.term_id = earlier.id
            JOIN stream s ON s.kind = 'obligation' AND s.ref = p.id JOIN entry e ON e.stream_id = s.id
            WHERE earlier.duty = t.duty AND earlier.label < t.label AND p.unit_id = o.unit_id
              AND e.action = 'opening') AS opened_earlier
        FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id
        WHERE t.duty IN :duties AND t.label = :label AND o.state <> :cancelled
        """,
        duties=sorted(duties), label=label, cancelled=str(State.CANCELLED),
    )  # fmt: skip


def _differs(one: Opening, row: Mapping[str, Any]) -> bool:
    if row["opened_earlier"] or row["state"] not in (*OPEN_STATES, State.REPORTED):
        return False
    return bool(one.tally + row["counted"] != row["tally"])


async def _stored() -> dict[str, _Unit]:
    """Every unit of the store by code, in the order of the rows."""
    tags: dict[int, dict[str, Span]] = defaultdict(dict)
    for row in await fetch("SELECT unit_id, tag, since, until FROM unit_tag ORDER BY id"):
        tags[row["unit_id"]][row["tag"]] = _span(row)
    posts: dict[int, dict[tuple[str, Role], _Held]] = defaultdict(dict)
    for row in await fetch(
        "SELECT p.unit_id, p.role, p.since, p.until, n.code, n.name FROM post p JOIN person n ON n.id = p.person_id"
        " WHERE p.acting_for IS NULL ORDER BY p.id"
    ):
        posts[row["unit_id"]][row["code"], Role(row["role"])] = _Held(row["name"], _span(row))
    rows = await fetch("SELECT * FROM unit ORDER BY id")
    codes: dict[int | None, str] = {row["id"]: row["code"] for row in rows}
    return {
        row["code"]: _Unit(
            row["code"], row["name"], tuple(_json(row["aliases"])), row["level"], codes.get(row["parent_id"], ""),
            row["jurisdiction"], row["office_opens"], _span(row), row["name_en"] or "",
            codes.get(row["supervisor_id"], ""), tags.get(row["id"], {}), posts.get(row["id"], {}),
        )
        for row in rows
    }  # fmt: skip


def _span(row: Mapping[str, Any]) -> Span:
    return Span(*(as_date(row[end]) if row[end] else None for end in ("since", "until")))


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _wanted(roster: Roster, before: _Units, today: date, default_office: int) -> dict[str, _Unit]:
    """Every unit as it is to stand: those of the roster, those absent from it, each with its supervisor."""
    after = dict(before)
    for entry in roster.units:
        after[entry.code] = _entered(entry, before.get(entry.code), today, default_office)
    supervisors = _supervisors(after, today)
    return {code: replace(unit, supervisor=supervisors[code]) for code, unit in after.items()}


def _entered(entry: UnitEntry, before: _Unit | None, today: date, default_office: int) -> _Unit:
    """A roster's unit; tags and posts it no longer names are closed."""
    tags = {str(one.tag): Span(one.since, one.until) for one in entry.tags}
    posts = {(one.person, one.role): _Held(one.name, Span(one.since, one.until)) for one in entry.posts}
    if before:
        tags |= {tag: span.closed(today) for tag, span in before.tags.items() if tag not in tags}
        dropped = {key: held for key, held in before.posts.items() if key not in posts}
        posts |= {key: _Held(held.name, held.span.closed(today)) for key, held in dropped.items()}
    return _Unit(
        entry.code, entry.name, entry.aliases, entry.level, entry.parent or "", entry.jurisdiction or "",
        default_office if entry.office_opens is None else entry.office_opens, Span(entry.since, entry.until),
        entry.name_en, tags=tags, posts=posts,
    )  # fmt: skip


def _supervisors(units: _Units, today: date) -> dict[str, str]:
    """Per unit, the nearest justice bureau among the children of its ancestors, not itself; else its tree's root."""
    bureaus: dict[str, list[str]] = defaultdict(list)
    for code, unit in units.items():
        justice = unit.tags.get(str(Tag.JUSTICE))
        if justice and justice.covers(today) and unit.span.covers(today):
            bureaus[unit.parent].append(code)
    return {code: _nearest(code, units, bureaus) for code in units}


def _nearest(code: str, units: _Units, bureaus: Mapping[str, Sequence[str]]) -> str:
    root, above = code, units[code].parent
    while above:
        for bureau in bureaus.get(above, ()):
            if bureau != code:
                return bureau
        root, above = above, units[above].parent
    return root


def _compared(before: _Units, after: _Units, roster: Roster) -> RosterChange:
    added: list[UnitChange] = []
    changed: list[UnitChange] = []
    ended: list[UnitChange] = []
    for code, unit in after.items():
        was = before.get(code)
        facts = tuple(_facts(was, unit))
        if was is None:
            added.append(UnitChange(code, unit.name, facts))
        elif facts:
            ends = unit.span.until and not was.span.until
            (ended if ends else changed).append(UnitChange(code, unit.name, facts))
    listed = {unit.code for unit in roster.units}
    absent = (UnitChange(code, unit.name) for code, unit in before.items() if code not in listed)
    return RosterChange(tuple(added), tuple(changed), tuple(ended), tuple(absent), *_posts(before, after))


def _facts(was: _Unit | None, now: _Unit) -> Iterator[Fact]:
    if was == now:
        return
    before, after = was.told() if was else {}, now.told()
    for name, value in after.items():
        if before.get(name, "") != value:
            yield Fact(name, before.get(name, ""), value)


def _posts(before: _Units, after: _Units) -> Iterator[tuple[PostChange, ...]]:
    """Posts added, changed, ended."""
    added: list[PostChange] = []
    changed: list[PostChange] = []
    ended: list[PostChange] = []
    for code, unit in after.items():
        held = before[code].posts if code in before else {}
        for (person, role), post in unit.posts.items():
            was = held.get((person, role))
            if was == post:
                continue
            ends = was and post.span.until and not was.span.until
            kind = added if was is None else ended if ends else changed
            kind.append(PostChange(code, unit.name, role, person, post.name, post.span.since, post.span.until))
    yield from (tuple(added), tuple(changed), tuple(ended))


async def _write(change: RosterChange, after: _Units) -> dict[str, int]:
    """The rows of everything that changes. Returns every unit's row number by code."""
    units = [after[one.code] for one in change.units]
    await execute_many(
        "INSERT INTO unit (code, name, name_en, aliases, level, path, jurisdiction, office_opens, since, until)"
        " VALUES (:code, :name, :name_en, :aliases, :level, '/', :jurisdiction, :office_opens, :since, :until)"
        " ON CONFLICT (code) DO UPDATE SET name = excluded.name, name_en = excluded.name_en,"
        " aliases = excluded.aliases, level = excluded.level, jurisdiction = excluded.jurisdiction,"
        " office_opens = excluded.office_opens, since = excluded.since, until = excluded.until",
        [
            {
                "code": unit.code, "name": unit.name, "name_en": unit.name_en or None,
                "aliases": json.dumps(unit.aliases, ensure_ascii=False),
                "level": unit.level, "jurisdiction": unit.jurisdiction, "office_opens": unit.office_opens,
                "since": unit.span.since, "until": unit.span.until,
            }
            for unit in units
        ],
    )  # fmt: skip
    ids = await _place(after)
    await execute_many(
        "INSERT INTO unit_tag (unit_id, tag, since, until) VALUES (:unit, :tag, :since, :until)"
        " ON CONFLICT (unit_id, tag) DO UPDATE SET since = excluded.since, until = excluded.until",
        [
            {"unit": ids[unit.code], "tag": tag, "since": span.since, "until": span.until}
            for unit in units
            for tag, span in unit.tags.items()
        ],
    )
    await _write_posts(change.posts, ids)
    return ids


async def _place(after: _Units) -> dict[str, int]:
    """Parents, paths and supervisors of every unit, wherever they are not what they should be."""
    rows = {row["code"]: row for row in await fetch("SELECT id, code, parent_id, path, supervisor_id FROM unit")}
    ids = {code: int(row["id"]) for code, row in rows.items()}
    moved = []
    for code, unit in after.items():
        wanted = {"parent": ids.get(unit.parent), "path": _path(code, after, ids), "supervisor": ids[unit.supervisor]}
        row = rows[code]
        if wanted != {"parent": row["parent_id"], "path": row["path"], "supervisor": row["supervisor_id"]}:
            moved.append({"id": ids[code], **wanted})
    await execute_many(
        "UPDATE unit SET parent_id = :parent, path = :path, supervisor_id = :supervisor WHERE id = :id", moved
    )
    return ids


def _path(code: str, units: _Units, ids: Mapping[str, int]) -> str:
    parts = ["", str(ids[code]), ""]
    while code := units[code].parent:
        parts.insert(1, str(ids[code]))
    return "/".join(parts)


async def _write_posts(posts: Sequence[PostChange], ids: Mapping[str, int]) -> None:
    if not posts:
        return
    names = {post.person: post.name for post in posts}
    await execute_many(
        "INSERT INTO person (code, name) VALUES (:code, :name) ON CONFLICT (code) DO UPDATE SET name = excluded.name",
        [{"code": code, "name": name} for code, name in names.items()],
    )
    people = {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM person")}
    await execute_many(
        "INSERT INTO post (person_id, unit_id, role, since, until) VALUES (:person, :unit, :role, :since, :until)"
        " ON CONFLICT (person_id, unit_id, role) WHERE acting_for IS NULL"
        " DO UPDATE SET since = excluded.since, until = excluded.until",
        [
            {
                "person": people[post.person], "unit": ids[post.unit], "role": str(post.role),
                "since": post.since, "until": post.until,
            }
            for post in posts
        ],
    )  # fmt: skip


async def _record(roster: Roster, change: RosterChange, ids: Mapping[str, int], actor: str, now: datetime) -> None:
    """One line in the system's chain, one in that of every unit whose facts or posts change."""
    facts = {one.code: [[fact.field, fact.before, fact.after] for fact in one.facts] for one in change.units}
    posts: dict[str, list[list[str]]] = defaultdict(list)
    for post in change.posts:
        posts[post.unit].append([post.role, post.person, post.name, str(Span(post.since, post.until))])
    payload = {"file": roster.source, "sha256": roster.digest, "units": len(roster.units), **change.counts()}
    await chains.append(SYSTEM, Act(actor, "roster", "cli", payload), now)
    named = {one.code: one.name for one in change.units} | {one.unit: one.unit_name for one in change.posts}
    acts = {
        ids[code]: Act(
            actor, "roster", "cli",
            {"code": code, "unit": name, "facts": facts.get(code, []), "posts": posts.get(code, [])},
        )
        for code, name in named.items()
    }  # fmt: skip
    await append_each(acts, now)


async def append_each(acts: Mapping[int, Act], now: datetime) -> None:
    """As `chains.append`, for thousands of units in a few statements. The update that reads a head also locks it."""
    streams: Rows = []
    for part in _slices(sorted(acts)):
        await execute(
            "INSERT INTO stream (kind, ref, seq, head, anchored_seq)"
            " SELECT 'unit', u.id, 0, CAST(:head AS VARCHAR(64)), 0 FROM unit u WHERE u.id IN :units"
            " AND NOT EXISTS (SELECT 1 FROM stream s WHERE s.kind = 'unit' AND s.ref = u.id) ORDER BY u.id",
            head=GENESIS, units=part,
        )  # fmt: skip
        streams += await fetch(
            "UPDATE stream SET seq = seq WHERE kind = 'unit' AND ref IN :units RETURNING id, ref, seq, head",
            units=part,
        )
    written = [
        (row["id"], line(StreamRef("unit", row["ref"]), row["seq"] + 1, now, acts[row["ref"]], row["head"]))
        for row in sorted(streams, key=lambda row: int(row["ref"]))
    ]
    await execute_many(
        "UPDATE stream SET seq = :seq, head = :head WHERE id = :id",
        [{"id": stream, "seq": one.seq, "head": one.hash} for stream, one in written],
    )
    await execute_many(
        "INSERT INTO entry (stream_id, seq, at, actor, action, channel, payload, algorithm, previous, hash)"
        " VALUES (:stream, :seq, :at, :actor, :action, :channel, :payload, :algorithm, :previous, :hash)",
        [
            {
                "stream": stream, "seq": one.seq, "at": now, "actor": one.actor, "action": one.action,
                "channel": one.channel, "payload": one.payload, "algorithm": one.algorithm,
                "previous": one.previous, "hash": one.hash,
            }
            for stream, one in written
        ],
    )  # fmt: skip


def _slices(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), SLICE):
        yield values[start : start + SLICE]
