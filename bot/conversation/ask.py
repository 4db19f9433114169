"""What a command is given and what it gives back."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from adapters.base import Incoming
from bot.wording import Language, say, term
from duties.model import Actor, Obligation
from duties.obligations import Moment
from duties.registry import Duty, Registry


@dataclass(frozen=True, slots=True)
class Ask:
    """One message understood: who, the words after the command, the obligations named by a button or a reply.

    `listed` are the obligations of the message replied to, else of the last list shown; `reminded` when that list is a
    reminder.
    """

    message: Incoming
    actor: Actor
    words: str
    named: tuple[int, ...]
    listed: tuple[int, ...]
    reminded: bool
    at: Moment
    registry: Registry
    language: Language = "zh"

    @property
    def today(self) -> date:
        """The local day of the message."""
        return self.at.today

    def say(self, key: str, **facts: Any) -> str:
        """A sentence in the asker's language."""
        return say(key, self.language, **facts)

    def title(self, code: str) -> str:
        """A duty's title in the asker's language."""
        duty = self.registry.duty(code)
        return duty.title if self.language == "zh" else duty.title_en

    def term(self, one: Obligation) -> str:
        """An obligation's term as people call it."""
        return term(one.term, self.language)

    def duty(self, code: str) -> Duty:
        """The duty an obligation is of."""
        return self.registry.duty(code)


@dataclass(frozen=True, slots=True)
class Question:
    """What the next message of this person will be taken as: the answer to `kind`, with what is known so far."""

    kind: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: words, buttons, the obligations its numbers stand for, and a question left open."""

    text: str
    buttons: tuple[tuple[str, str, str], ...] = ()
    items: tuple[int, ...] = ()
    question: Question | None = None

    def body(self) -> dict[str, Any]:
        """As the outbox keeps it."""
        return {"text": self.text, "buttons": [list(button) for button in self.buttons], "items": list(self.items)}
