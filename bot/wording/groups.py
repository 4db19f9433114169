"""Lists for supervisors: what many units owe alike is said once, with its articles, and the units below it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from bot.wording import Language, say, short_day
from bot.wording import term as term_name
from duties.model import Stop
from duties.registry import Registry

SHOWN_CITATIONS = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One unit's obligation in a list; `number` is what people answer with."""

    number: int
    id: int
    duty: str
    term: str
    due: date
    unit: str
    state: str
    jurisdiction: str = ""
    advice: str = ""
    """The sentence that says what a supervisor may do about it now, if the rung calls for one."""
    missing: tuple[str, ...] = ()
    """The co-responsible units that have not answered."""
    named: str = ""
    """What was assigned without an article rests on this: a document, or the words that assigned it."""
    stop: Stop | None = None


def ground(registry: Registry, code: str, jurisdiction: str = "", named: str = "") -> str:
    """The articles a duty rests on, as one phrase with the documents' short names; without any, what it was named."""
    citations = list(dict.fromkeys(registry.citations(registry.duty(code), jurisdiction, short=True)))
    more = "…" if len(citations) > SHOWN_CITATIONS else ""
    return "\uff1b".join(citations[:SHOWN_CITATIONS]) + more if citations else named


def timing(due: date, stop: Stop | None, today: date, language: Language) -> dict[str, str]:
    """What every sentence on a last day may mention: `deadline`, and how far it is, `left`.

    Of a clock that stands there is no last day: since when it stands, and what is left of its days.
    """
    if stop is None:
        return {"deadline": say("deadline", language, due=due), "left": left(due, today, language)}
    key = "left-stands" if stop.left is None else "left-stands-days"
    return {
        "deadline": say("deadline-stands", language, since=stop.since),
        "left": say(key, language, days=stop.left),
    }


def row_timing(row: Mapping[str, Any], today: date, language: Language) -> dict[str, str]:
    """The same of a row that has `due` and `stop`."""
    return timing(row["due"], row["stop"], today, language)


def left(due: date, today: date, language: Language) -> str:
    """How far a deadline is, or how long it has passed."""
    days = (due - today).days
    key = "left-today" if days == 0 else "left-days" if days > 0 else "left-over"
    return say(key, language, days=abs(days))


def grouped(rows: Iterable[Row], registry: Registry, today: date, language: Language, units: int = 0) -> list[str]:
    """Blocks of text, one a duty and term, in the order given; of more than `units`, if any, the rest is counted.

    Who waits for a partner is named before others: there is somebody else to speak to.
    """
    return [_block(group, registry, today, language, units) for group in _alike(rows)]


def briefly(rows: Iterable[Row], registry: Registry, today: date, language: Language) -> list[tuple[str, int]]:
    """The same in a line each, with how many units it is of; one unit alone is named."""
    return [(_line(group, registry, today, language), len(group)) for group in _alike(rows)]


def _alike(rows: Iterable[Row]) -> list[list[Row]]:
    return [list(group) for _, group in groupby(rows, lambda row: (row.duty, row.term, row.jurisdiction))]


def _line(rows: list[Row], registry: Registry, today: date, language: Language) -> str:
    first, duty = rows[0], registry.duty(rows[0].duty)
    due = say("brief-paused" if first.stop else "brief-due", language, due=short_day(first.due, today, language))
    return say(
        "group-brief" if len(rows) > 1 else "group-brief-one", language, n=len(rows), unit=first.unit, due=due,
        number=first.number, id=first.id, title=duty.title if language == "zh" else duty.title_en,
        term=term_name(first.term, language),
    )  # fmt: skip


def _block(rows: list[Row], registry: Registry, today: date, language: Language, most: int) -> str:
    first = rows[0]
    duty = registry.duty(first.duty)
    head = say(
        "group", language, title=duty.title if language == "zh" else duty.title_en,
        term=term_name(first.term, language), ground=ground(registry, first.duty, first.jurisdiction, first.named),
        **timing(first.due, first.stop, today, language),
    )  # fmt: skip
    shown = sorted(rows, key=lambda row: not row.missing)[: most or None]
    units = [_unit(row, language) for row in sorted(shown, key=lambda row: row.number)]
    if len(rows) > len(shown):
        units.append(say("group-more", language, n=len(rows) - len(shown)))
    advice = [say(first.advice, language)] if first.advice else []
    return "\n".join([head, *advice, *units])


def _unit(row: Row, language: Language) -> str:
    state = say(f"state-{row.state}", language)
    line = say("group-unit", language, number=row.number, unit=row.unit, state=state, id=row.id)
    return line + say("group-missing", language, units=list(row.missing)) if row.missing else line
