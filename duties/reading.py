"""TOML files read into a Registry. Every fault of every file is found in one pass and named with file and field."""

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from duties.errors import RegistryError
from duties.model import Status
from duties.registry import (
    DATA,
    CalendarRule,
    Document,
    Duty,
    Entry,
    EventRule,
    Ground,
    Ladder,
    Provision,
    Question,
    Registry,
    StandingRule,
)
from duties.schedule import rrule_faults

E = TypeVar("E", bound=Entry)
TABLES: dict[str, tuple[type[Entry], str]] = {
    "document": (Document, "key"),
    "provision": (Provision, "no"),
    "duty": (Duty, "code"),
    "ladder": (Ladder, "code"),
    "question": (Question, "key"),
    "ground": (Ground, "key"),
}


class _Reader:
    """Collects entries and faults over all files."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.found: dict[str, dict[Any, Any]] = {table: {} for table in TABLES}

    def read(self, file: Path) -> None:
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            self.faults.append(f"{file.name}: {error}")
            return
        for table, rows in tables.items():
            if table not in TABLES or not isinstance(rows, list):
                self.faults.append(f"{file.name}: {table} is not one of {', '.join(TABLES)}")
                continue
            for number, row in enumerate(rows, 1):
                self._row(file, table, number, row)

    def _row(self, file: Path, table: str, number: int, row: Any) -> None:
        kind, key = TABLES[table]
        name = row.get(key, f"#{number}") if isinstance(row, dict) else f"#{number}"
        try:
            entry = kind.model_validate(row)
        except ValidationError as error:
            self.faults += [f"{file.name}: {table} {name}: {fault}" for fault in fault_lines(error)]
            return
        identity = getattr(entry, key)
        if identity in self.found[table]:
            self.faults.append(f"{file.name}: {table} {name}: {key} is there twice")
        self.found[table][identity] = entry


def fault_lines(error: ValidationError) -> Iterator[str]:
    """What pydantic found, as field: what was expected. Values are not repeated: they may be secrets."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        yield f"{'.'.join(str(part) for part in one['loc']) or 'entry'}: {one['msg']}"


def load(folder: Path = DATA) -> Registry:
    """Read and check a registry folder. Raises RegistryError with every fault found."""
    reader = _Reader()
    for file in sorted([*folder.glob("*.toml"), *(folder / "duties").glob("*.toml")]):
        reader.read(file)
    found = reader.found
    registry = Registry(
        documents=found["document"],
        provisions=found["provision"],
        by_code=found["duty"],
        ladders=found["ladder"],
        questions=tuple(found["question"].values()),
        grounds=found["ground"],
    )
    faults = [*reader.faults, *(fault for check in CHECKS for fault in check(registry))]
    if faults:
        raise RegistryError(faults)
    return registry


@lru_cache(maxsize=1)
def shipped() -> Registry:
    """The registry that ships with the package, read once."""
    return load()


def _documents_exist(registry: Registry) -> Iterator[str]:
    for no, provision in registry.provisions.items():
        document = registry.documents.get(provision.document)
        if document is None:
            yield f"provision {no}: document: {provision.document!r} does not exist"
        elif provision.article not in document.articles:
            yield f"provision {no}: article: {provision.article!r} is not among the articles of {document.key}"


def _codes_exist(registry: Registry) -> Iterator[str]:
    for no, provision in registry.provisions.items():
        for code in (*provision.carried_by, *provision.guards):
            if code not in registry.by_code:
                yield f"provision {no}: carried_by: no duty has the code {code!r}"
        if not provision.carried_by and not provision.reason:
            yield f"provision {no}: reason: expected where nothing carries it"
        if provision.status in (Status.PAST, Status.UNTRACKED) and not provision.reason:
            yield f"provision {no}: reason: expected where it is {provision.status}"


def _duty_references(registry: Registry) -> Iterator[str]:
    for duty in registry.duties:
        for no in provisions_of(duty):
            if no not in registry.provisions:
                yield f"duty {duty.code}: provisions: {no} does not exist"
            elif duty.code not in registry.provisions[no].carried_by:
                yield f"duty {duty.code}: provisions: {no} does not name it in carried_by"
        if duty.ladder not in registry.ladders:
            yield f"duty {duty.code}: ladder: {duty.ladder!r} does not exist"
        for code in duty.after:
            if code not in registry.by_code:
                yield f"duty {duty.code}: after: no duty has the code {code!r}"


def _rules(registry: Registry) -> Iterator[str]:
    for duty in registry.duties:
        if isinstance(duty.rule, CalendarRule | StandingRule):
            for fault in rrule_faults(duty.rule.rrule):
                yield f"duty {duty.code}: rule.rrule: {fault}"
        if isinstance(duty.rule, EventRule):
            if duty.rule.length is None and duty.rule.named_day != "required":
                yield f"duty {duty.code}: rule.length: expected unless the day is named"
            if duty.scope:
                yield f"duty {duty.code}: scope: an event has none; its rule carries provisions and jurisdiction"
        elif not duty.scope:
            yield f"duty {duty.code}: scope: expected at least one"


def _scopes(registry: Registry) -> Iterator[str]:
    for duty in registry.duties:
        twice = [name for name, times in Counter(scope.jurisdiction for scope in duty.scope).items() if times > 1]
        for name in twice:
            yield f"duty {duty.code}: scope: jurisdiction {name} is there twice"
        for scope in duty.scope:
            if scope.in_force_to and scope.in_force_to < scope.in_force_from:
                yield f"duty {duty.code}: scope.in_force_to: is before in_force_from"
        policies = any(str(scope.basis) == "policy" for scope in duty.scope)
        if policies and not duty.question:
            yield f"duty {duty.code}: question: expected where a date rests on policy"


def provisions_of(duty: Duty) -> tuple[int, ...]:
    """The numbers of every provision a duty rests on, in order, once each."""
    numbers = duty.rule.provisions if isinstance(duty.rule, EventRule) else ()
    return tuple(dict.fromkeys([*numbers, *(no for scope in duty.scope for no in scope.provisions)]))


CHECKS: tuple[Callable[[Registry], Iterable[str]], ...] = (
    _documents_exist,
    _codes_exist,
    _duty_references,
    _rules,
    _scopes,
)
