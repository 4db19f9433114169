"""What a command is given and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from adapters.base import Incoming
from bot.store.asked import Asked
from bot.wording import Language, say, term
from bot.wording.groups import row_timing, timing
from duties.model import Actor, Obligation, Role
from duties.obligations import Moment
from duties.registry import Duty, Registry
from duties.workdays import WorkCalendar

HOLDERS = (Role.HEAD, Role.OFFICER)
OWN_PAGE = "webchat"
"""The built-in chat's connection: what it says is read on the page itself."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an answer may need beside the registry: the working calendar, the page's public address or an empty text.

    `alone` says of a connection and an address whether what is sent there is read by one person only.
    `head_confirms` where a report is an officer's to prepare and the head's to make.
    `link_lasts` and `link_uses` are how long a link to a table opens it, and how often.
    """

    workdays: WorkCalendar
    page: str = ""
    alone: Callable[[str, str], bool] = lambda connection, address: True  # noqa: ARG005  by keyword or by place
    head_confirms: bool = False
    link_lasts: timedelta = timedelta(hours=1)
    link_uses: int = 5


@dataclass(frozen=True, slots=True)
class Ask:
    """One message understood: who, the words after the command, the obligations named by a button or a reply.

    `listed` are the obligations of the message replied to, else of the last list shown; `reminded` when that list is a
    reminder. `roles` are those the command is for. `asked` when the words answer a question of ours, `before` what was
    said before that question. `hidden` are duties that are passed over, for an answer that a group reads.
    """

    message: Incoming
    actor: Actor
    words: str
    at: Moment
    registry: Registry
    around: Surroundings
    roles: tuple[Role, ...] = tuple(Role)
    named: tuple[int, ...] = ()
    listed: tuple[int, ...] = ()
    reminded: bool = False
    asked: bool = False
    language: Language = "zh"
    before: str = ""
    hidden: tuple[str, ...] = ()
    english: Mapping[str, str] = field(default_factory=dict)
    """Units' names in English, for an answer in English."""

    @property
    def today(self) -> date:
        """The local day of the message."""
        return self.at.today

    def told(self, words: str) -> "Ask":
        """The same message with other words left of it."""
        return replace(self, words=words)

    def holds(self, *roles: Role) -> bool:
        """Whether one of the asker's posts is of these roles."""
        return any(post.role in roles for post in self.actor.posts)

    @property
    def units(self) -> tuple[int, ...]:
        """The units the asker answers for."""
        return tuple(dict.fromkeys(post.unit_id for post in self.actor.posts if post.role in HOLDERS))

    def say(self, key: str, **facts: Any) -> str:
        """A sentence in the asker's language, with the units' names in it."""
        return say(key, self.language, **{name: self.named_in(value) for name, value in facts.items()})

    def named_in(self, value: Any) -> Any:
        """A unit's name, or a list with some, as the asker's language has it; anything else as it is."""
        if not self.english:
            return value
        if isinstance(value, str):
            return self.english.get(value, value)
        return [self.named_in(one) for one in value] if isinstance(value, list | tuple) else value

    def title(self, code: str) -> str:
        """A duty's title in the asker's language."""
        duty = self.registry.duty(code)
        return duty.title if self.language == "zh" else duty.title_en

    def term(self, label: str) -> str:
        """A term as people call it."""
        return term(label, self.language)

    def duty(self, code: str) -> Duty:
        """The duty an obligation is of."""
        return self.registry.duty(code)

    def facts(self, one: Obligation) -> dict[str, Any]:
        """What every sentence about an obligation may mention."""
        return {
            "title": self.title(one.duty), "term": self.term(one.term), "unit": one.unit, "due": one.due, "id": one.id,
            "state": self.say(f"state-{one.state}"),
            "deadline": timing(one.due, one.stop, self.today, self.language)["deadline"],
        }  # fmt: skip

    def timing(self, row: Mapping[str, Any]) -> dict[str, str]:
        """When a row that has `due` and `stop` is due, and how far that is."""
        return row_timing(row, self.today, self.language)

    def question(self, kind: str, command: str, *items: int, rest: str = "") -> "Question":
        """A question left open, in the language it is asked in."""
        return Question(kind, {"command": command, "items": items, "rest": rest, "language": self.language})


@dataclass(frozen=True, slots=True)
class Question:
    """What the next message of this person will be taken as: the answer to `kind`, with what is known so far."""

    kind: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: words, buttons, the obligations its numbers stand for, and a question left open.

    `about` are the obligations it speaks of without numbering them: replying to it means those. `private` when nobody
    else may read it: asked in a group, it is told to the asker alone, and the group reads `aside`. `asked` when there
    is a full table to be had. `found` is how many obligations it counts. `duties` are those it speaks of by code.
    """

    text: str
    buttons: tuple[tuple[str, str, str], ...] = ()
    items: tuple[int, ...] = ()
    about: tuple[int, ...] = ()
    private: bool = field(default=False, kw_only=True)
    question: Question | None = field(default=None, kw_only=True)
    asked: Asked | None = field(default=None, kw_only=True)
    found: int = field(default=0, kw_only=True)
    duties: tuple[str, ...] = field(default=(), kw_only=True)
    aside: "Reply | None" = field(default=None, kw_only=True)

    def body(self) -> dict[str, Any]:
        """As the outbox keeps it."""
        buttons = [list(button) for button in self.buttons]
        asked = {"asked": self.asked.content()} if self.asked else {}
        asks = {"asks": self.question.kind} if self.question else {}
        items, about = list(self.items), list(self.about)
        return {"text": self.text, "buttons": buttons, "items": items, "about": about, **asked, **asks}
