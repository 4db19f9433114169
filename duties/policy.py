"""What an authority is asked where the texts are silent, and the operator's record of what it answered.

The record is a TOML file of `[[confirmation]]` tables. It is only ever added to: of two that name a question, the
later one holds, and the earlier one stays to be read.
"""

import json
import os
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from duties.errors import QuestionError, RegistryError
from duties.model import Force
from duties.reading import fault_lines
from duties.registry import Duty, Entry, EventRule, Registry

FORCE = "force"
ASSUMED = "assumed-force"
"""The registry-wide question that every assumed duty asks for itself."""
TABLE = "confirmation"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    if not line.isprintable():
        raise ValueError("expected printable characters")
    return line


Line = Annotated[str, AfterValidator(_one_line), Field(max_length=500)]


class PolicyQuestion(Entry):
    """One question. `duty` is empty where it is asked for every duty alike; `confirmed_by` is the registry's own."""

    key: str
    duty: str
    zh: str
    en: str
    default: str
    confirmed_by: str = ""


class Confirmation(Entry):
    """Who confirmed a default, and when."""

    key: Annotated[Line, Field(min_length=1)]
    by: Annotated[Line, Field(min_length=1)]
    on: Annotated[date, Field(strict=True)]
    note: Line = ""


def questions(registry: Registry) -> tuple[PolicyQuestion, ...]:
    """Every default and every assumed force: registry-wide ones first, then duty by duty."""
    general = [
        PolicyQuestion(key=one.key, duty="", zh=one.zh, en=one.en, default=one.default) for one in registry.questions
    ]
    return (*general, *(question for duty in registry.duties for question in _of_duty(registry, duty)))


def _of_duty(registry: Registry, duty: Duty) -> Iterator[PolicyQuestion]:
    for one in duty.question:
        yield PolicyQuestion(key=f"{duty.code}/{one.key}", duty=duty.code, zh=one.zh, en=one.en, default=one.default)
    if not (duty.confirmed_by or _assumed(duty)) or any(one.key == FORCE for one in duty.question):
        return
    general = next((one for one in registry.questions if one.key == ASSUMED), None)
    yield PolicyQuestion(
        key=f"{duty.code}/{FORCE}",
        duty=duty.code,
        zh=general.zh if general else duty.title,
        en=general.en if general else duty.title_en,
        default=general.default if general else str(Force.ASSUMED),
        confirmed_by=duty.confirmed_by,
    )


def _assumed(duty: Duty) -> bool:
    own = duty.rule.force if isinstance(duty.rule, EventRule) else Force.SETTLED
    return Force.ASSUMED in (own, *(scope.force for scope in duty.scope))


def read(file: Path) -> dict[str, Confirmation]:
    """The confirmation that holds for each question; none when there is no file. Raises RegistryError with faults."""
    return _parsed(file.name, _text(file))


def record(file: Path, registry: Registry, confirmation: Confirmation) -> None:
    """Add a confirmation. The file is replaced whole or not at all, and what stood in it stays as it was written.

    Raises QuestionError when no such question is asked, RegistryError when the file is faulty or cannot be written.
    """
    if confirmation.key not in {one.key for one in questions(registry)}:
        raise QuestionError(f"no question has the key {confirmation.key!r}")
    before = _text(file)
    _parsed(file.name, before)
    gap = "\n" if before and not before.endswith("\n") else ""
    after = f"{before}{gap}{_block(confirmation, first=not before.strip())}"
    _parsed(file.name, after)
    try:
        _replace(file.resolve(), after)
    except OSError as error:
        raise RegistryError([f"{file}: {error.strerror}"]) from error


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError([f"{file}: expected a readable TOML file: {error}"]) from error


def _parsed(name: str, text: str) -> dict[str, Confirmation]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegistryError([f"{name}: {error}"]) from error
    rows = tables.pop(TABLE, [])
    faults = [f"{name}: {key} is not {TABLE}" for key in tables]
    if not isinstance(rows, list):
        raise RegistryError([*faults, f"{name}: expected [[{TABLE}]] tables"])
    found: dict[str, Confirmation] = {}
    for number, row in enumerate(rows, 1):
        try:
            one = Confirmation.model_validate(row)
        except ValidationError as error:
            faults += [f"{name}: {TABLE} #{number}: {fault}" for fault in fault_lines(error)]
            continue
        found[one.key] = one
    if faults:
        raise RegistryError(faults)
    return found


def _block(one: Confirmation, *, first: bool) -> str:
    # For printable text a JSON string is a TOML string.
    key, by, note = (json.dumps(text, ensure_ascii=False) for text in (one.key, one.by, one.note))
    lines = [f"[[{TABLE}]]", f"key = {key}", f"by = {by}", f"on = {one.on}", *([f"note = {note}"] if one.note else [])]
    return ("" if first else "\n") + "\n".join(lines) + "\n"


def _replace(file: Path, text: str) -> None:
    with NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=file.parent, prefix=".", delete=False) as draft:
        name = Path(draft.name)
        try:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
            name.chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
        except OSError:
            name.unlink()
            raise
    name.replace(file)
