"""Reminders put into words: one message that says everything owed to one person at one instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.store.queue import Owed
from bot.wording import Language, say, short_day, shortened, term
from bot.wording.groups import Row, briefly, ground, grouped, timing
from bot.wording.screen import Piece, fits, fitted
from duties.cases import RETURNED, is_right
from duties.escalation import allowed
from duties.model import Force, Stop
from duties.paper import REPORTS
from duties.registry import CountedRule, EventRule, Registry

SUPERVISOR = "supervisor"
ALIKE = 4_096
"""Terms whose words are kept: a wave tells thousands of units the same."""
NEWS = ("opened", "moved", "reopened")
"""Tones of what has happened, whether or not a clock runs."""
AHEAD = ("notice", "remind", "urge", "last-day")
"""Tones of what is said before a deadline."""
TONES = (
    "stands", "pace", "notice", "snoozed", "remind", "opened", "moved", "reopened", "urge", "last-day", "overdue",
    "proposal", "weekly",
)  # fmt: skip
"""From the mildest to the gravest."""
BUTTONS_UP_TO = 5
"""More items than this are answered by number: a phone shows no more buttons at once."""
FEWER = (0, 8, 5, 3, 1)
"""So many units of a duty are named, as many as a screen holds: first all, then fewer."""
LONGEST_NAME = 20
"""Characters of what an item without an article rests on, where an item is a line."""
_Alike = tuple[str, str, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Worded:
    """A message's body, and for every item owed what became of it."""

    body: dict[str, Any] | None
    outcomes: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Surface:
    """What an address offers those who are told: buttons, a way to answer, and that nobody else reads there.

    Where others read, `elsewhere` are the obligations that somebody is told of at an address of their own.
    """

    buttons: bool = True
    answers: bool = True
    private: bool = True
    elsewhere: frozenset[int] = frozenset()


FULL = Surface()


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands above and below a notice's items."""

    head: str
    below: Sequence[str]
    answers: bool
    """Whether what is counted may be asked for where it is read."""

    def around(self, blocks: Sequence[str], counted: Sequence[str] = ()) -> str:
        """The notice; what is counted follows what is told."""
        more = ["\n".join(counted)] if counted else []
        return "\n\n".join([self.head, *blocks, *more, *self.below])


class NoticeWording:
    """Words for notices, from one registry, in one language. `page` is the chat page's address."""

    def __init__(self, registry: Registry, language: Language = "zh", page: str = "") -> None:
        self.registry = registry
        self.language = language
        self.page = page
        self._alike: dict[tuple[str, str, str, date, Stop | None, date], _Alike] = {}

    def compose(self, owed: Sequence[Owed], today: date, surface: Surface = FULL) -> Worded:
        """One message from everything owed: what was closed meanwhile drops out, the severest rung speaks."""
        said: dict[tuple[int, int], Owed] = {}
        outcomes: list[tuple[int, str]] = []
        for one in owed:
            answered = one.share and one.share_state not in ("pending", "acknowledged")
            if answered or one.state not in ("pending", "acknowledged", "returned"):
                outcomes.append((one.item, "dropped"))
                continue
            before = said.get((one.obligation, one.share))
            if before is not None:
                outcomes.append((before.item, "superseded"))
            said[one.obligation, one.share] = one
        outcomes += [(one.item, "said") for one in said.values()]
        return Worded(self._body(list(said.values()), today, surface) if said else None, tuple(outcomes))

    def _body(self, items: list[Owed], today: date, surface: Surface) -> dict[str, Any]:
        """The head says how many stand worst; then one's own work, then that of others, numbered through."""
        gravest = max(items, key=lambda one: _gravity(one, today))
        named = [one for one in items if surface.private or one.duty not in self.registry.direct]
        own = [one for one in named if one.audience != SUPERVISOR]
        others = sorted(
            (one for one in named if one.audience == SUPERVISOR), key=lambda one: (one.due, one.duty, one.term)
        )
        unnamed = self._unnamed([one for one in items if one not in named], surface)
        feet = self._feet(own, others, surface) if named else []
        frame = _Frame(self._head(items, today), [*unnamed, *feet], surface.answers)
        text, listed = self._listed(own, others, frame, today)
        shown = own[: len(listed)]
        return {
            "text": text,
            "buttons": self._buttons(shown, today) if shown else [],
            "items": [one.obligation for one in listed],
            "audience": gravest.audience.partition("/")[0],
            "rung": gravest.rung,
            "said": [
                {"duty": one.duty, "term": one.term, "due": one.due.isoformat(), "rung": one.rung}
                for one in [*own, *others]
            ],
        }

    def _listed(
        self, own: Sequence[Owed], others: Sequence[Owed], frame: "_Frame", today: date
    ) -> tuple[str, list[Owed]]:
        """The text, and what its numbers stand for: everything, unless so much is owed that a screen must count it."""
        blocks = [self._item(number, one, today) for number, one in enumerate(own, 1)]
        rows = self._rows(others, len(own) + 1)
        for most in FEWER:
            text = frame.around([*blocks, *grouped(rows, self.registry, today, self.language, most)])
            if fits(text):
                return text, [*own, *others]
        return self._compact(own, others, frame, today)

    def _compact(
        self, own: Sequence[Owed], others: Sequence[Owed], frame: "_Frame", today: date
    ) -> tuple[str, list[Owed]]:
        """The most urgent in full, the rest in a line each, and what even so finds no room counted."""
        several = len({one.unit for one in own if not one.share}) > 1
        pieces = [
            Piece(self._item(number, one, today), self._brief(number, one, today, several=several))
            for number, one in enumerate(own, 1)
        ]
        rows = self._rows(others, len(own) + 1)
        full = grouped(rows, self.registry, today, self.language, FEWER[-1])
        short = briefly(rows, self.registry, today, self.language)
        pieces += [Piece(*both) for both in zip(full, (line for line, _ in short), strict=True)]
        sizes = [1] * len(own) + [n for _, n in short]

        def framed(found: Sequence[str], left_out: int) -> str:
            shown = len(pieces) - left_out
            left = sum(sizes[shown : len(own)]), sum(sizes[max(shown, len(own)) :])
            return frame.around(found, self._counted(*left, answers=frame.answers))

        text, shown = fitted(pieces, framed)
        return text, [*own, *others][: sum(sizes[:shown])]

    def _counted(self, own: int, others: int, *, answers: bool) -> list[str]:
        """What is left to be asked for."""
        if not answers:
            return [say("notice-more-nowhere", self.language, n=own + others)] if own + others else []
        counted = {"notice-more": own, "notice-more-supervisor": others}
        return [say(key, self.language, n=n) for key, n in counted.items() if n]

    def _unnamed(self, items: Sequence[Owed], surface: Surface) -> list[str]:
        """What is not named before others is counted: what somebody is told alone, then what nobody is."""
        told = sum(one.obligation in surface.elsewhere for one in items)
        counted = {"notice-unnamed-told": told, "notice-unnamed": len(items) - told}
        return [say(key, self.language, n=n, where=self.where) for key, n in counted.items() if n]

    @property
    def where(self) -> str:
        """Where what a group may not read is found."""
        return say("tier-page", self.language, page=self.page) if self.page else say("tier-nowhere", self.language)

    def unnamed(self) -> str:
        """News of a direct duty, as a group is told."""
        return say("news-unnamed", self.language, where=self.where)

    def _head(self, items: list[Owed], today: date) -> str:
        tone = max((_tone(one, today) for one in items), key=TONES.index)
        alike = sum(_tone(one, today) == tone for one in items)
        head = say(f"notice-{tone}", self.language, n=alike)
        return head + say("notice-besides", self.language, n=len(items) - alike) if alike < len(items) else head

    def _feet(self, own: Sequence[Owed], others: Sequence[Owed], surface: Surface) -> list[str]:
        """How to answer: what the connection offers decides, never its name."""
        if not surface.answers:
            return [self.elsewhere()]
        feet = [
            *([self._foot(own, surface)] if own else []),
            *([say("notice-foot-supervisor", self.language)] if others else []),
        ]
        return ["\n".join(feet)]

    def elsewhere(self) -> str:
        """Where to answer what was told where nobody can."""
        return say("notice-foot-one-way" if self.page else "notice-foot-nowhere", self.language, page=self.page)

    def _foot(self, own: Sequence[Owed], surface: Surface) -> str:
        counted = all(isinstance(self.registry.duty(one.duty).rule, CountedRule) for one in own)
        single = "-single" if len(own) == 1 else ""
        kind = "-counted" if counted else "" if surface.buttons else "-plain"
        return say(f"notice-foot{kind}{single}", self.language)

    def _rows(self, items: Sequence[Owed], first: int) -> list[Row]:
        return [
            Row(
                number,
                one.obligation,
                one.duty,
                one.term,
                one.due,
                one.unit,
                one.state,
                one.jurisdiction,
                self._advice(one),
                one.missing,
                one.document or one.subject,
                one.stop,
            )
            for number, one in enumerate(items, first)
        ]

    def _advice(self, one: Owed) -> str:
        """What may be proposed: letters only where the law climbs to them, nothing on a force not yet confirmed."""
        if one.tone != "proposal" or one.stop:
            return ""
        if one.force == Force.ASSUMED:
            return "advice-none"
        offered = allowed(self.registry.duty(one.duty), Force(one.force))
        return f"advice-{offered[0]}" if offered else "advice-over"

    def _item(self, number: int, one: Owed, today: date) -> str:
        title, named, due, rests_on = self._alike_of(one, today)
        facts = {"number": number, "id": one.obligation, "title": title, "term": named}
        if one.share:
            lines = [say("item-share", self.language, partner=one.partner, lead=one.unit, **facts)]
        else:
            lines = [say("item", self.language, unit=one.unit, **facts)]
        rule = self.registry.duty(one.duty).rule
        if isinstance(rule, CountedRule):
            noun = rule.noun if self.language == "zh" else rule.noun_en
            lines.append(say("item-tally", self.language, tally=one.tally, target=one.target, noun=noun))
        lines += self._event(one)
        lines += [due, *rests_on]
        marks = {
            "item-assumed": one.force == Force.ASSUMED,
            "item-returned": one.state == "returned" and not one.share,
            "item-late": one.late,
            "item-paused": one.stop is not None,
        }
        return "\n".join([*lines, *(say(key, self.language) for key, holds in marks.items() if holds)])

    def _brief(self, number: int, one: Owed, today: date, *, several: bool) -> str:
        """An item in a line: what it is, by when, and what is special about it."""
        rule = self.registry.duty(one.duty).rule
        named = "" if ground(self.registry, one.duty, one.jurisdiction) else one.document or one.subject
        marks = {
            "brief-named": bool(named),
            "brief-share": bool(one.share),
            "brief-unit": several and not one.share,
            "brief-tally": isinstance(rule, CountedRule),
            "brief-returned": one.state == "returned" and not one.share,
            "brief-assumed": one.force == Force.ASSUMED,
            "brief-was-due": one.tone == "moved" and one.was_due not in (None, one.due) and not one.stop,
            "brief-sent-late": one.late,
        }
        was = short_day(one.was_due or one.due, today, self.language)
        named = shortened(named, LONGEST_NAME)
        facts = {"unit": one.unit, "tally": one.tally, "target": one.target, "named": named, "was": was}
        said = "".join(say(key, self.language, **facts) for key, holds in marks.items() if holds)
        return say(
            "brief", self.language, number=number, title=self._title(one.duty), term=term(one.term, self.language),
            due=self._brief_due(one, today), marks=said, id=one.obligation,
        )  # fmt: skip

    def _brief_due(self, one: Owed, today: date) -> str:
        key = "due"
        if one.stop:
            key = "paused"
        elif one.duty == RETURNED:
            key = "return"
        elif one.due < today:
            key = "late"
        due = short_day(one.due, today, self.language)
        return say(f"brief-{key}", self.language, due=due, days=(today - one.due).days)

    def _event(self, one: Owed) -> list[str]:
        """What started a case's clock, and from which day a deadline has moved."""
        rule = self.registry.duty(one.duty).rule
        if one.event_on is None or not isinstance(rule, EventRule):
            return []
        event = rule.event if self.language == "zh" else rule.event_en
        lines = [
            say(
                "item-event", self.language, event=event, on=one.event_on, document=one.document, subject=one.subject
            ).rstrip()
        ]  # fmt: skip
        if not ground(self.registry, one.duty, one.jurisdiction) and (named := one.document or one.subject):
            lines.append(say("item-ground", self.language, ground=named))
        if one.duty == RETURNED:
            lines.append(say("item-return", self.language, due=one.due))
        elif is_right(self.registry, one.duty):
            lines.append(say("item-right", self.language))
        if one.duty in REPORTS:
            lines.append(say("item-skeleton", self.language, id=one.obligation))
        if one.tone == "moved" and one.was_due not in (None, one.due) and not one.stop:
            lines.append(say("item-was-due", self.language, was=one.was_due))
        return lines

    def _alike_of(self, one: Owed, today: date) -> _Alike:
        """What all units of a term are told alike: title, term, the line on the deadline and the one on the ground."""
        key = (one.duty, one.term, one.jurisdiction, one.due, one.stop, today)
        if key not in self._alike:
            if len(self._alike) >= ALIKE:
                self._alike.clear()
            rests_on = ground(self.registry, one.duty, one.jurisdiction)
            line = say("item-due", self.language, **timing(one.due, one.stop, today, self.language))
            grounds = (say("item-ground", self.language, ground=rests_on),) if rests_on else ()
            self._alike[key] = (self._title(one.duty), term(one.term, self.language), line, grounds)
        return self._alike[key]

    def _title(self, code: str) -> str:
        duty = self.registry.duty(code)
        return duty.title if self.language == "zh" else duty.title_en

    def _buttons(self, items: list[Owed], today: date) -> list[list[str]]:
        if len(items) == 1:
            (one,) = items
            verbs: tuple[tuple[str, str], ...] = (("acknowledge", "plain"), ("report", "primary"), ("detail", "plain"))
            if one.state != "returned" and not one.stop and today < one.due:
                verbs = (*verbs, ("snooze", "plain"))
            return [
                [say(f"button-{verb}", self.language), f"{verb}:{one.obligation}", style]
                for verb, style in verbs
                if verb != "acknowledge" or (one.share_state or one.state) != "acknowledged"
            ]
        numbers = ",".join(str(one.obligation) for one in items)
        every = [say("button-acknowledge-all", self.language), f"acknowledge:{numbers}", "plain"]
        if len(items) > BUTTONS_UP_TO:
            return [every]
        return [
            every,
            *(
                [say("button-report-number", self.language, number=number), f"report:{one.obligation}", "primary"]
                for number, one in enumerate(items, 1)
            ),
        ]


def _tone(one: Owed, today: date) -> str:
    """The tone it is said in: a reminder of a day that passed before it could be said speaks of what is late.

    Nothing is near or late while its clock stands.
    """
    if one.stop and one.tone not in NEWS:
        return "stands"
    return "overdue" if one.tone in AHEAD and one.due < today else one.tone


def _gravity(one: Owed, today: date) -> tuple[int, date]:
    return TONES.index(_tone(one, today)), one.due
