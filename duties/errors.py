"""What can go wrong in the domain.

DutyError
├── RegistryError          the shipped or the operator's tables are not usable
│   └── CalendarError      a holiday table is not usable
├── RosterError            the list of units and posts is not usable
├── QuestionError          a question that has no answer: no such duty, term, date
└── RefusedError           a person may not do this, or not now; carries a message key for the catalogue
"""

from collections.abc import Sequence


class DutyError(Exception):
    """Root of everything `duties` raises on purpose."""


class FaultsError(DutyError):
    """Several faults found in one pass, so that an operator mends them all at once."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class RegistryError(FaultsError):
    """Each fault names file, entry and field, and says what was expected."""


class CalendarError(RegistryError):
    """Each fault names file, year and field."""


class RosterError(FaultsError):
    """Each fault names file, row and field."""


class QuestionError(DutyError):
    """The question itself is wrong; the text says what would be right."""


class RefusedError(DutyError):
    """Not allowed. `key` names the sentence in the catalogue, `facts` fill it."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts
