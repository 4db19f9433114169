"""Full tables: a question that was asked, answered again in every line, for the posts its asker holds today."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from bot.conversation.ask import Surroundings
from bot.conversation.rates import counted_codes
from bot.store import figures, shared
from bot.store.asked import Asked, Kind
from bot.store.figures import Which
from bot.store.oversight import Narrow, View
from bot.wording import say, term
from bot.wording.groups import ground, timing
from bot.workbook import Cell, Table
from duties import checklist, training
from duties.checklist import Item
from duties.model import Actor, Obligation
from duties.registry import CountedRule, Registry
from duties.reports import Light, Standing, allowances, expected, light, projected
from duties.store import reading

LONGEST = 100_000
"""Rows of one table; what is left out is told in the last."""
OBLIGATION = (
    "unit", "title", "term", "due", "left", "state", "done_on", "backdated", "tally", "target",
    "officers", "ground", "id",
)  # fmt: skip
PROGRESS = (
    "unit", "title", "term", "tally", "target", "officers", "expected", "behind", "year_end", "state", "id",
)  # fmt: skip
COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "overdue": OBLIGATION,
    "due": OBLIGATION,
    "unacknowledged": ("unit", "title", "term", "due", "left", "told", "days", "workdays", "ground", "id"),
    "progress": PROGRESS,
    "unit": OBLIGATION,
    "duty": OBLIGATION,
    "checklist": ("unit", "term", "no", "item", "ground", "answer", "note", "answered_on", "id"),
    "lights": ("unit", "light", "overdue", "returned", "soon", "slow"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, by whom, and the day and the law it is answered on."""

    asked: Asked
    view: View
    registry: Registry
    around: Surroundings
    now: datetime

    @property
    def today(self) -> date:
        """The local day."""
        return self.now.date()

    @property
    def zone(self) -> tzinfo | None:
        """The zone in which days begin."""
        return self.now.tzinfo

    def say(self, key: str, **facts: Any) -> str:
        """A sentence in the language of the question."""
        return say(key, self.asked.language, **facts)

    def title(self, code: str) -> str:
        """A duty's title in the language of the question; its code, should the registry no longer have it."""
        duty = self.registry.by_code.get(code)
        return code if duty is None else duty.title if self.asked.language == "zh" else duty.title_en


async def table(asked: Asked, actor: Actor, registry: Registry, around: Surroundings, now: datetime) -> Table:
    """The table of a question, as its asker may see it now. `now` is in the zone whose days count."""
    question = Question(asked, View.of(actor), registry, around, now)
    columns = COLUMNS[asked.kind]
    found = await ROWS[asked.kind](question)
    if "officers" in columns:
        found = await _with_officers(found[: LONGEST + 1], registry, question.today)
    rows: list[Sequence[Cell]] = [[row.get(name) for name in columns] for row in found[:LONGEST]]
    if len(found) > LONGEST:
        rows.append([question.say("cell-cut", n=LONGEST)])
    return Table(question.say(f"sheet-{asked.kind}"), tuple(question.say(f"column-{one}") for one in columns), rows)


Rows = list[dict[str, Any]]


async def _with_officers(rows: Rows, registry: Registry, today: date) -> Rows:
    """The rows with how many officers have their hours, of how many, where that is the measure."""
    codes = training.full_hours(registry)
    count = await training.reached([row["id"] for row in rows if row["duty"] in codes], registry, today)
    shown = {number: f"{one.reached}/{one.officers}" for number, one in count.items()}
    return [{**row, "officers": shown.get(row["id"])} for row in rows]


async def _overdue(of: Question) -> Rows:
    listed = await _listed(of, Which(due_to=of.today - timedelta(days=1), only_open=True))
    return [*listed, *await _shares(of, "overdue")]


async def _shares(of: Question, kind: shared.Kind) -> Rows:
    """What partners have not answered, after the obligations and named as what it is: they are no obligations."""
    rows = await shared.listed(of.view, kind, of.today, LONGEST + 1, of.asked.narrow)
    return [_share(of, row) for row in rows]


def _share(of: Question, row: dict[str, Any]) -> dict[str, Any]:
    since = row["since"].astimezone(of.zone).date()
    return {
        "unit": row["unit"], "duty": row["duty"], "title": of.title(row["duty"]),
        "term": term(row["term"], of.asked.language), **_timing(of, row, still_open=True),
        "id": row["id"], "told": since,
        "state": of.say("cell-share", share=of.say(f"share-{row['state']}"), lead=row["lead"]),
        "days": (of.today - since).days, "workdays": of.around.workdays.between(since, of.today),
        "ground": _ground(of, row),
    }  # fmt: skip


def _timing(of: Question, row: dict[str, Any], *, still_open: bool) -> dict[str, Any]:
    """The last day and the days to it; of a clock that stands, since when it does, and what is left."""
    if row["stop"]:
        said = timing(row["due"], row["stop"], of.today, of.asked.language)
        return {"due": said["deadline"], "left": said["left"]}
    return {"due": row["due"], "left": (row["due"] - of.today).days if still_open else None}


def _ground(of: Question, row: dict[str, Any]) -> str:
    named = row["named"] or ""
    return ground(of.registry, row["duty"], row["jurisdiction"], named) if row["duty"] in of.registry.by_code else named


async def _due(of: Question) -> Rows:
    return await _listed(of, Which(due_from=of.asked.first, due_to=of.asked.last))


async def _unit(of: Question) -> Rows:
    """What was left open in earlier years, then all of this year's, then what has no day while its clock stands."""
    new_year = date(of.today.year, 1, 1)
    older = await _listed(of, Which(due_to=new_year - timedelta(days=1), only_open=True))
    year = await _listed(of, Which(due_from=new_year, due_to=date(of.today.year, 12, 31)))
    standing = await _listed(of, Which(standing=True, only_open=True))
    return [*older, *year, *standing, *await _shares(of, "open")]


async def _duty(of: Question) -> Rows:
    found = []
    for code, opens in (await figures.current_terms(of.view, of.asked.narrow, of.today)).items():
        found += await _listed(of, Which(opened_on=opens), Narrow(of.asked.narrow.paths, (code,)))
    return found


async def _listed(of: Question, which: Which, narrow: Narrow | None = None) -> Rows:
    rows = await figures.listed(of.view, narrow or of.asked.narrow, which, LONGEST + 1)
    return [_obligation(of, row) for row in rows]


def _obligation(of: Question, row: dict[str, Any]) -> dict[str, Any]:
    counted = row["duty"] in of.registry.by_code and isinstance(of.registry.duty(row["duty"]).rule, CountedRule)
    still_open = row["state"] in ("pending", "acknowledged", "returned")
    shown = {
        "title": of.title(row["duty"]),
        "term": term(row["term"], of.asked.language),
        "state": of.say(f"state-{row['state']}"),
        **_timing(of, row, still_open=still_open),
        "backdated": of.say("cell-yes") if row["backdated"] else None,
        "ground": _ground(of, row),
    }
    return {**row, **shown} if counted else {**row, **shown, "tally": None, "target": None}


async def _unacknowledged(of: Question) -> Rows:
    found = []
    for row in await figures.unacknowledged(of.view, of.asked.narrow, LONGEST + 1):
        told = row["told"].astimezone(of.zone).date()
        since = {"told": told, "days": (of.today - told).days, "workdays": of.around.workdays.between(told, of.today)}
        found.append({**_obligation(of, row), **since})
    return [*found, *await _shares(of, "unacknowledged")]


async def _progress(of: Question) -> Rows:
    codes = counted_codes(of.registry, of.asked.narrow)
    if not codes:
        return []
    allowed = allowances(of.registry, of.today, of.around.workdays)
    rows = await figures.counted_listed(of.view, of.asked.narrow, codes, of.today, LONGEST + 1)
    return [_paced(of, row, allowed.get(row["duty"])) for row in rows]


def _paced(of: Question, row: dict[str, Any], allowed: int | None) -> dict[str, Any]:
    rule = of.registry.duty(row["duty"]).rule
    by_unit = isinstance(rule, CountedRule) and rule.per == "unit"
    wanted = expected(row["target"], allowed)
    behind = row["state"] in ("pending", "acknowledged", "returned") and row["tally"] < wanted
    paced = {
        "expected": wanted,
        "behind": of.say("cell-yes") if behind else None,
        "year_end": projected(row["tally"], row["opens"], row["due"], of.today) if by_unit else None,
    }
    return {**_obligation(of, row), **paced}


async def _lights(of: Question) -> Rows:
    allowed = allowances(of.registry, of.today, of.around.workdays)
    lit = {one.unit_id: one.standing for one in await figures.lights(of.view, of.asked.narrow, allowed, of.today)}
    units = await figures.owing_listed(of.view, of.asked.narrow, of.today, LONGEST + 1)
    standings = [(unit["name"], lit.get(unit["id"], Standing())) for unit in units]
    order = list(Light)
    standings.sort(key=lambda one: order.index(light(one[1])))
    return [_lamp(of, name, standing) for name, standing in standings]


def _lamp(of: Question, unit: str, standing: Standing) -> dict[str, Any]:
    return {
        "unit": unit, "light": of.say(f"lamp-{light(standing)}"), "overdue": standing.overdue,
        "returned": standing.returned, "soon": standing.soon, "slow": standing.behind,
    }  # fmt: skip


async def _checklist(of: Question) -> Rows:
    """Every item of one checklist; nothing where its unit is no longer in the asker's view."""
    one = await reading.obligation(of.asked.obligation)
    if one is None or not of.view.sees(one.unit_id, one.unit_path):
        return []
    listed = await checklist.read(of.registry, one)
    return [_item(of, one, item) for item in listed.items]


def _item(of: Question, one: Obligation, item: Item) -> dict[str, Any]:
    kept, no = item.kept, item.provision.no
    return {
        "unit": one.unit, "term": term(one.term, of.asked.language), "no": no, "item": item.provision.title,
        "ground": of.registry.citation(no), "id": one.id,
        "answer": of.say(f"checklist-mark-{kept.checked.answer}" if kept else "checklist-mark-none"),
        "note": kept.checked.note if kept else None, "answered_on": kept.on if kept else None,
    }  # fmt: skip


ROWS: Mapping[Kind, Callable[[Question], Awaitable[Rows]]] = {
    "overdue": _overdue,
    "due": _due,
    "unacknowledged": _unacknowledged,
    "progress": _progress,
    "unit": _unit,
    "duty": _duty,
    "checklist": _checklist,
    "lights": _lights,
}
