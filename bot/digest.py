"""日报 and 周报: what a supervisor, or the head of a unit, is told without asking. Figures first, then words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from bot.conversation.counting import STUDY
from bot.conversation.rates import Pace, paces
from bot.store import addressees, figures, oversight, queue, subscriptions
from bot.store.figures import Sums, Which
from bot.store.oversight import NOTHING, Narrow, View
from bot.store.subscriptions import Subscription
from bot.wording import Language, say, term
from bot.wording.groups import row_timing
from duties.model import Actor, Role
from duties.registry import Registry
from duties.reports import Light, allowances
from duties.store import reading
from duties.store.database import Rows, transaction
from duties.workdays import WorkCalendar

DAILY, WEEKLY = "daily", "weekly"
SOON = 3
"""Calendar days before its last day from which something not acknowledged is told; over a holiday, as many more."""
LISTED = 6
"""Lines of a kind: more do not fit a phone."""
WORST = 5
READERS = (Role.HEAD, Role.SUPERVISOR)
"""Who may subscribe."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What somebody is told of: the subtrees they supervise, the units they head."""

    trees: tuple[str, ...]
    units: tuple[int, ...]

    @classmethod
    def of(cls, actor: Actor) -> "Reader":
        """As somebody's posts have it today."""
        trees = {post.over for post in actor.posts if post.role == Role.SUPERVISOR}
        units = {post.unit_id for post in actor.posts if post.role == Role.HEAD}
        return cls(tuple(sorted(trees)), tuple(sorted(units)))

    @property
    def view(self) -> View:
        """Everything they are told of."""
        return View(trees=self.trees, units=self.units)

    async def waiting(self) -> int:
        """How much waits to be verified: by them, or of what their own units reported where they verify nothing."""
        return await oversight.waiting_counted(View(trees=self.trees) if self.trees else self.view)


def period(kind: str, today: date) -> date:
    """The day, or the Monday of the week, that a digest of today is for."""
    return today if kind == DAILY else today - timedelta(days=today.weekday())


def next_day(kind: str, now: datetime, office: int, workdays: WorkCalendar) -> date:
    """The day of the next digest: a working day, or the first one of a week. `office` is minutes after midnight."""
    today = now.date()
    first = workdays.on_or_after(period(kind, today))
    if first > today or (first == today and now.hour * 60 + now.minute < office):
        return first
    return workdays.on_or_after(period(kind, today) + timedelta(days=1 if kind == DAILY else 7))


@dataclass(frozen=True, slots=True)
class Daily:
    """A day's exceptions: what became overdue since a day, what is due through a day and unacknowledged, what waits."""

    today: date
    since: date
    through: date
    overdue: Sums
    overdue_listed: Rows
    soon: Sums
    soon_listed: Rows
    waiting: int
    verifies: bool

    def __bool__(self) -> bool:
        return bool(self.overdue.found or self.soon.found or (self.verifies and self.waiting))


@dataclass(frozen=True, slots=True)
class Weekly:
    """How everything stands at a week's beginning: totals, the week before, lights, worst units, law study."""

    monday: date
    now: Sums
    waiting: int
    before: Sums
    ahead: int
    red: int
    yellow: int
    units: int
    worst: Rows
    study: Sequence[Pace]


async def daily(reader: Reader, since: date, today: date, workdays: WorkCalendar) -> Daily:
    """The figures of a day; `since` is the day of the digest before."""
    tomorrow = today + timedelta(days=1)
    through = max(today + timedelta(days=SOON), workdays.on_or_after(tomorrow))
    late = Which(due_from=since, due_to=today - timedelta(days=1), only_open=True)
    near = Which(due_from=today, due_to=through, opened_by=today, only_pending=True)
    return Daily(
        today, since, through,
        await figures.summed(reader.view, NOTHING, late, today),
        await figures.listed(reader.view, NOTHING, late, LISTED),
        await figures.summed(reader.view, NOTHING, near, today),
        await figures.listed(reader.view, NOTHING, near, LISTED),
        await reader.waiting(),
        bool(reader.trees),
    )  # fmt: skip


async def weekly(reader: Reader, today: date, registry: Registry, workdays: WorkCalendar) -> Weekly:
    """The figures of a week."""
    view, monday = reader.view, period(WEEKLY, today)
    allowed = allowances(registry, today, workdays)
    before = Which(due_from=monday - timedelta(days=7), due_to=monday - timedelta(days=1))
    ahead = Which(due_from=monday, due_to=monday + timedelta(days=6), only_open=True)
    lit = await figures.lights(view, NOTHING, allowed, today)
    red = sum(one.light == Light.RED for one in lit)
    study = await figures.tallies(view, Narrow(duties=(STUDY,)), [STUDY], today)
    return Weekly(
        monday,
        await figures.summed(view, NOTHING, Which(opened_by=today, only_open=True), today),
        await reader.waiting(),
        await figures.summed(view, NOTHING, before, today),
        (await figures.summed(view, NOTHING, ahead, today)).open,
        red, len(lit) - red, await figures.owing_units(view, NOTHING, today),
        await oversight.latest_units(view, today, WORST),
        paces(study, registry, allowed, today),
    )  # fmt: skip


def daily_body(found: Daily, registry: Registry, language: Language) -> dict[str, Any]:
    """A day's exceptions as a message whose numbers can be answered."""
    lines = [
        say(
            "digest-daily", language, day=found.today, overdue=found.overdue.found, soon=found.soon.found,
            waiting=found.waiting,
        )
    ]  # fmt: skip
    items: list[int] = []
    for key, facts, total, rows in (
        ("digest-overdue", {"since": found.since}, found.overdue, found.overdue_listed),
        ("digest-soon", {"through": found.through}, found.soon, found.soon_listed),
    ):
        if total.found:
            lines.append(say(key, language, n=total.found, units=total.units, **facts))
            lines += [_line(n, row, found.today, registry, language) for n, row in enumerate(rows, len(items) + 1)]
            items += [row["id"] for row in rows]
            lines += [say("more-items", language, n=total.found - len(rows))] if total.found > len(rows) else []
    if found.verifies and found.waiting:
        lines.append(say("digest-waiting", language, n=found.waiting))
    return _body([*lines, say("digest-daily-foot", language)], items)


def _line(number: int, row: dict[str, Any], today: date, registry: Registry, language: Language) -> str:
    duty = registry.duty(row["duty"])
    return say(
        "digest-line", language, number=number, unit=row["unit"], term=term(row["term"], language), id=row["id"],
        title=duty.title if language == "zh" else duty.title_en, left=row_timing(row, today, language)["left"],
    )  # fmt: skip


def weekly_body(found: Weekly, language: Language) -> dict[str, Any]:
    """A week's standing as a message."""
    now, before = found.now, found.before
    lines = [
        say("digest-weekly", language, day=found.monday),
        say("digest-now", language, n=now.open, late=now.overdue, waiting=found.waiting),
        say(
            "digest-before", language, n=before.found, on_time=before.on_time, late=before.late, open=before.open,
            ahead=found.ahead,
        ),
        say(
            "digest-lights", language, red=found.red, yellow=found.yellow, units=found.units,
            green=found.units - found.red - found.yellow,
        ),
    ]  # fmt: skip
    if found.worst and found.units > 1:
        worst = [say("overdue-unit", language, unit=row["unit"], n=row["found"]) for row in found.worst]
        lines.append(say("digest-worst", language, units=worst))
    lines += [
        say(
            "digest-study", language, term=term(one.term, language), tally=one.tally, target=one.target,
            expected=one.expected, behind=one.behind, units=one.units,
        )
        for one in found.study
    ]  # fmt: skip
    return _body([*lines, say("digest-weekly-foot", language)], [])


def _body(lines: Sequence[str], items: Sequence[int]) -> dict[str, Any]:
    return {"text": "\n".join(lines), "buttons": [], "items": list(items)}


class Digests:
    """Sends what is due. People who are told of the same get the same, which is added up once a call."""

    def __init__(self, registry: Registry, workdays: WorkCalendar) -> None:
        self.registry = registry
        self.workdays = workdays

    async def send(self, now: datetime) -> int:
        """Queue every digest due at a local instant. Returns how many messages; a day without exceptions has none."""
        today = now.date()
        if not self.workdays.is_workday(today):
            return 0
        sent, made = 0, dict[tuple[Any, ...], dict[str, Any] | None]()
        for kind in (DAILY, WEEKLY):
            mark = period(kind, today).isoformat()
            for one in await subscriptions.due(kind, mark, today, now.hour * 60 + now.minute):
                actor = await reading.actor(one.person, today)
                reader = Reader.of(actor) if actor is not None else Reader((), ())
                key = (kind, reader, one.language, self._since(one, today))
                if key not in made:
                    made[key] = await self._made(one, reader, today)
                sent += await _queued(one, mark, made[key], now)
        return sent

    async def _made(self, one: Subscription, reader: Reader, today: date) -> dict[str, Any] | None:
        if not (reader.trees or reader.units):
            return None
        if one.kind == WEEKLY:
            return weekly_body(await weekly(reader, today, self.registry, self.workdays), one.language)
        found = await daily(reader, self._since(one, today), today, self.workdays)
        return daily_body(found, self.registry, one.language) if found else None

    def _since(self, one: Subscription, today: date) -> date:
        """The day last told for, so that a downtime skips nothing; else the working day before."""
        if one.kind == DAILY and "" < one.period < today.isoformat():
            return date.fromisoformat(one.period)
        return self.workdays.on_or_before(today - timedelta(days=1))


async def _queued(one: Subscription, mark: str, body: dict[str, Any] | None, now: datetime) -> int:
    whom = await addressees.of_person(one.person, now)
    async with transaction():
        if not await subscriptions.claim(one, mark) or body is None:
            return 0
        for each in whom:
            await queue.put("news", each.connection, each.address, body, now, person=one.person)
    return len(whom)
