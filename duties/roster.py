"""A list of units and posts, TOML or CSV, read into a checked Roster. Every fault of the file is found in one pass.

Pure but for reading the file. What a roster changes in the store is the business of `store/roster_rows`.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from duties import sheets
from duties.errors import RosterError
from duties.model import ANY_TAG, Role, Tag
from duties.reading import fault_lines
from duties.registry import DATA, CountedRule, Entry, Registry
from duties.sheets import Form

SAMPLE = DATA / "roster" / "changji.toml"
LEVELS = 12
"""How deep the tree may be: the path of ids is a column of 255 characters."""

_LISTS = ("aliases", "tags")
_SINGLE = ("code", "name", "name_en", "level", "parent", "jurisdiction", "from", "to", "office_opens")
COLUMNS = (
    "code", "name", "aliases", "level", "parent", "jurisdiction", "tags", "from", "to", "office_opens",
    *(str(role) for role in Role), "opening", "addresses", "name_en",
)  # fmt: skip
FORM = Form("unit", COLUMNS, ("code", "name", "level"), {})

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SEPARATOR = re.compile("[；;]")
_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_ADDRESS = re.compile(r"(\S+)\s+([a-z][a-z0-9-]*)=(\S.*)")
_HOUR = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _visible(text: str) -> str:
    hidden = sorted({f"U+{ord(sign):04X}" for sign in text if unicodedata.category(sign) in _HIDDEN})
    if hidden:
        raise PydanticCustomError("hidden", "holds the invisible {signs}", {"signs": ", ".join(hidden)})
    return text


def _names(path: str) -> str:
    if not all(part.strip() == part != "" for part in path.split("/")):
        raise PydanticCustomError("jurisdiction", "expected names joined by /, none of them empty")
    return path


def _day(value: Any) -> date:
    """A TOML date, or text as people and spreadsheets write it: 2026-07-01, 2026/7/1."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    found = _DAY.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if found:
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass  # a day like 2026-02-30 is told like any other text that is no day
    raise PydanticCustomError("day", "expected a day of the calendar, such as 2026-07-01")


def _minutes(value: Any) -> int:
    found = _HOUR.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise PydanticCustomError("hour", "expected a time of day, such as 10:00")
    return int(found[1]) * 60 + int(found[2])


def _tagged(value: Any) -> Any:
    return {"tag": value} if isinstance(value, str) else value


Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_visible)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128), AfterValidator(_visible)]
_UnitCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_Connection = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
_Jurisdiction = Annotated[str, Field(max_length=255), AfterValidator(_visible), AfterValidator(_names)]
Day = Annotated[date, BeforeValidator(_day)]
_Tally = Annotated[int, Field(ge=0)]


def _once(values: Iterable[Hashable]) -> None:
    twice = [str(value) for value, times in Counter(values).items() if times > 1]
    if twice:
        raise PydanticCustomError("twice", "{what} is there twice", {"what": ", ".join(twice)})


class Dated(Entry):
    """Something from a day to a day, both inclusive. No `from`: it has always been so."""

    since: Day | None = Field(default=None, alias="from")
    until: Day | None = Field(default=None, alias="to")

    @field_validator("until")
    @classmethod
    def _in_order(cls, until: date | None, info: ValidationInfo) -> date | None:
        since = info.data.get("since")
        if until and since and until < since:
            raise PydanticCustomError("order", "expected a day not before {since}", {"since": since.isoformat()})
        return until


class TagEntry(Dated):
    """What a unit is."""

    tag: Tag


class PostEntry(Dated):
    """A post in a unit. `person` is the code by which a person is known in every roster to come.

    `addresses` says by what name each connection knows the person; it is carried as it is.
    """

    role: Role
    person: Short
    name: Short
    addresses: Mapping[_Connection, Name] = {}


class UnitEntry(Dated):
    """One unit. What it inherits from its parent is filled in when the whole file was read."""

    code: _UnitCode
    name: Name
    name_en: Name | Literal[""] = ""
    aliases: tuple[Name, ...] = ()
    level: Literal["region", "prefecture", "county", "township"]
    parent: _UnitCode | None = None
    jurisdiction: _Jurisdiction | None = None
    tags: tuple[Annotated[TagEntry, BeforeValidator(_tagged)], ...] = ()
    office_opens: Annotated[int, BeforeValidator(_minutes)] | None = Field(
        default=None, description="written HH:MM, kept as minutes after local midnight"
    )
    opening: Mapping[str, _Tally] = Field(default={}, description="what was counted this year before installation")
    posts: tuple[PostEntry, ...] = ()

    @field_validator("tags")
    @classmethod
    def _tags_once(cls, tags: tuple[TagEntry, ...]) -> tuple[TagEntry, ...]:
        _once(str(entry.tag) for entry in tags)
        return tags

    @field_validator("posts")
    @classmethod
    def _posts_once(cls, posts: tuple[PostEntry, ...]) -> tuple[PostEntry, ...]:
        _once(f"{post.role} {post.person}" for post in posts)
        return posts


@dataclass(frozen=True, slots=True)
class Roster:
    """Every unit of a file, complete: jurisdiction and office hours are inherited already."""

    source: str
    digest: str
    units: tuple[UnitEntry, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """A unit as it was written, valid or not: the tree is checked even where a row is not."""

    number: int
    raw: Any

    def text(self, key: str) -> str:
        value = self.raw.get(key) if isinstance(self.raw, dict) else None
        return value if isinstance(value, str) else ""

    def fault(self, what: str) -> tuple[int, str]:
        code = self.text("code")
        return self.number, f"row {self.number}{f' ({code})' if code else ''}: {what}"


_Faults = Iterator[tuple[int, str]]
_Rows = Mapping[str, _Row]
_Read = Mapping[str, tuple[_Row, UnitEntry]]


def read(file: Path, registry: Registry | None = None) -> Roster:
    """Read and check a roster. With a registry, opening tallies are checked too. Raises RosterError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RosterError([f"{file.name}: {error.strerror}"]) from None
    return parse(file.name, data, registry)


def parse(source: str, data: bytes, registry: Registry | None = None) -> Roster:
    """As `read`, of a file's bytes. The name tells TOML from CSV."""
    written = sheets.rows(source, data, FORM)
    given = [(number, _unit_of(row)) for number, row in written] if sheets.is_csv(source) else written
    rows = [_Row(number, unit) for number, unit in given]
    tree = _tree(rows)
    found: dict[str, tuple[_Row, UnitEntry]] = {}
    faults: list[tuple[int, str]] = list(_repeated(rows))
    for row in rows:
        try:
            unit = UnitEntry.model_validate(row.raw)
            found.setdefault(unit.code, (row, unit))
        except ValidationError as error:
            faults += [row.fault(line) for line in fault_lines(error)]
    faults += [*_parents(tree), *_jurisdictions(tree), *_people(found), *_addresses(found), *_openings(found, registry)]
    if faults:
        raise RosterError([f"{source}: {text}" for _, text in sorted(faults, key=lambda fault: fault[0])])
    units = {code: unit for code, (_, unit) in found.items()}
    return Roster(source, hashlib.sha256(data).hexdigest(), tuple(_complete(tree, units)))


def addresses(roster: Roster) -> dict[tuple[str, str], str]:
    """Whose every address is: (connection, address) to a person's code."""
    return {
        (connection, address): post.person
        for unit in roster.units
        for post in unit.posts
        for connection, address in post.addresses.items()
    }


def tags_without_units(registry: Registry, roster: Roster) -> list[str]:
    """The tags the registry's duties ask for that no unit has: these duties would bind nobody."""
    asked = {str(tag) for duty in registry.duties for scope in duty.scope for tag in scope.tags}
    held = {str(entry.tag) for unit in roster.units for entry in unit.tags}
    return sorted(asked - held - {ANY_TAG})


def opening_faults(opening: Mapping[str, int], registry: Registry) -> Iterator[str]:
    """Why opening tallies are not acceptable."""
    for code in opening:
        duty = registry.by_code.get(code)
        if duty is None:
            yield f"opening.{code}: no duty has this code"
        elif not isinstance(duty.rule, CountedRule):
            yield f"opening.{code}: expected a counted duty"
        elif duty.rule.per == "officer":
            yield f"opening.{code}: is counted officer by officer; expected its hours in a file of their own"


def _unit_of(given: Mapping[str, str]) -> dict[str, Any]:
    """A CSV row in the shape of a TOML table. A person is known by unit and name: promotions keep the person."""
    unit: dict[str, Any] = {column: given[column] for column in _SINGLE if given.get(column)}
    unit |= {column: _listed(given, column) for column in _LISTS}
    reached = _reached(given)
    unit["posts"] = [
        {
            "role": str(role), "person": f"{given.get('code')}/{name}", "name": name,
            "addresses": reached.get(name, {}),
        }
        for role in Role
        for name in _listed(given, str(role))
    ]  # fmt: skip
    named = {post["name"] for post in unit["posts"]}
    unit |= {f"addresses ({name})": "names nobody of this unit" for name in reached if name not in named}
    pairs = [part.partition("=") for part in _listed(given, "opening")]
    unit["opening"] = {code.strip(): tally.strip() for code, _, tally in pairs}
    return unit | {column: cell for column, cell in given.items() if column not in COLUMNS}


def _reached(given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The addresses column: 张三 wecom=zhangsan; 张三 mail=zhang@example.cn."""
    found: dict[str, dict[str, str]] = {}
    for part in _listed(given, "addresses"):
        match = _ADDRESS.fullmatch(part)
        name, connection, address = match.groups() if match else (part, "", "")
        found.setdefault(name, {})[connection] = address
    return found


def _listed(given: Mapping[str, str], column: str) -> list[str]:
    return [part.strip() for part in _SEPARATOR.split(given.get(column, "")) if part.strip()]


def _repeated(rows: Sequence[_Row]) -> _Faults:
    first: dict[str, int] = {}
    for row in rows:
        code = row.text("code")
        if code and first.setdefault(code, row.number) != row.number:
            yield row.fault(f"code: is there already in row {first[code]}")


def _tree(rows: Sequence[_Row]) -> dict[str, _Row]:
    """Rows by code; of two with one code, the first."""
    tree: dict[str, _Row] = {}
    for row in rows:
        if code := row.text("code"):
            tree.setdefault(code, row)
    return tree


def _above(tree: _Rows, code: str) -> list[str]:
    """The codes of a unit's ancestors, nearest first. Ends where a parent is unknown, or comes up again."""
    above: dict[str, None] = {}
    while (parent := tree[code].text("parent")) in tree and parent not in above:
        above[parent] = None
        code = parent
    return list(above)


def _parents(tree: _Rows) -> _Faults:
    told: set[str] = set()
    for code, row in tree.items():
        parent, above = row.text("parent"), _above(tree, code)
        if parent and parent not in tree:
            yield row.fault(f"parent: no unit has the code {parent}")
        elif code in above and code not in told:
            told.update(above)
            yield row.fault(f"parent: is below itself: {' < '.join([code, *above])}")
        elif len(above) >= LEVELS and not told.intersection(above):
            yield row.fault(f"parent: expected a tree of at most {LEVELS} levels")


def _jurisdictions(tree: _Rows) -> _Faults:
    for code, row in tree.items():
        own = row.text("jurisdiction")
        if not own and not row.text("parent"):
            yield row.fault("jurisdiction: expected where there is no parent")
        around = next((name for one in _above(tree, code) if (name := tree[one].text("jurisdiction"))), "")
        if own and around and not f"{own}/".startswith(f"{around}/"):
            yield row.fault(f"jurisdiction: expected to lie within its parent's, {around}")


def _people(found: _Read) -> _Faults:
    known: dict[str, tuple[str, int]] = {}
    for row, unit in found.values():
        for number, post in enumerate(unit.posts):
            name, first = known.setdefault(post.person, (post.name, row.number))
            if name != post.name:
                yield row.fault(f"posts.{number}.name: {post.person} is called {name} in row {first}")


def _addresses(found: _Read) -> _Faults:
    """An address is one person's, and a person has one on each connection."""
    owners: dict[tuple[str, str], str] = {}
    known: dict[tuple[str, str], str] = {}
    for row, unit in found.values():
        for number, post in enumerate(unit.posts):
            for connection, address in post.addresses.items():
                place = f"posts.{number}.addresses.{connection}"
                if (owner := owners.setdefault((connection, address), post.person)) != post.person:
                    yield row.fault(f"{place}: {address} is {owner}'s")
                if (other := known.setdefault((post.person, connection), address)) != address:
                    yield row.fault(f"{place}: {post.person} has {other} there")


def _openings(found: _Read, registry: Registry | None) -> _Faults:
    if registry:
        for row, unit in found.values():
            yield from (row.fault(fault) for fault in opening_faults(unit.opening, registry))


def _complete(tree: _Rows, units: Mapping[str, UnitEntry]) -> Iterator[UnitEntry]:
    """Every unit with the jurisdiction and the office hours of its nearest ancestor where it names none."""
    for code, unit in units.items():
        line = [unit, *(units[one] for one in _above(tree, code))]
        yield unit.model_copy(
            update={
                "jurisdiction": next(one.jurisdiction for one in line if one.jurisdiction),
                "office_opens": next((one.office_opens for one in line if one.office_opens is not None), None),
            }
        )
