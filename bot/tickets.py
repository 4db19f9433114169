"""Links to one person's table, for an hour and a few times: what they name is signed, with a key the database keeps.

Whoever holds one may use it: a link is as private as the chat it was told in.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.conversation.ask import OWN_PAGE
from bot.store.remembered import StoredState

KEY = "ticket-key"
"""The name the key is kept by, among what belongs to the page; it is made when the first link is."""
SHAPE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,12})-([\w-]{43})", re.ASCII)


class ForgedError(Exception):
    """Not a link of ours, or no longer as we wrote it."""


class ExpiredError(Exception):
    """Ours, and past its time."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which answer's table, for which person, and the second of the epoch at which the link ends."""

    answer: int
    person: int
    until: int


def ending(after: timedelta, now: datetime) -> int:
    """The second at which a link made now ends."""
    return int((now + after).timestamp())


async def issue(ticket: Ticket) -> str:
    """The link's last part. Runs in the caller's transaction, after its first statement."""
    key = await StoredState(OWN_PAGE).keep(KEY, secrets.token_hex(32))
    named = f"{ticket.answer}-{ticket.person}-{ticket.until}"
    return f"{named}-{_signature(key, named)}"


async def read(text: str, now: datetime) -> Ticket:
    """What a link names. Raises ForgedError or ExpiredError; only who holds a true link learns that it has expired."""
    found = SHAPE.fullmatch(text)
    key = await StoredState(OWN_PAGE).get(KEY)
    if found is None or not key:
        raise ForgedError
    if not hmac.compare_digest(_signature(key, text[: found.start(4) - 1]), found[4]):
        raise ForgedError
    if now.timestamp() >= int(found[3]):
        raise ExpiredError
    return Ticket(int(found[1]), int(found[2]), int(found[3]))


def _signature(key: str, named: str) -> str:
    digest = hmac.new(bytes.fromhex(key), named.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
