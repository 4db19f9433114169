"""Links that let one person fetch one table for a day: what they name is signed, with a key the database keeps."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.conversation.ask import OWN_PAGE
from bot.store.remembered import StoredState

LASTS = timedelta(hours=24)
KEY = "ticket-key"
"""The name the key is kept by, among what belongs to the page; it is made when the first link is."""
SHAPE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,12})-([\w-]{43})", re.ASCII)


class ForgedError(Exception):
    """Not a link of ours, or no longer as we wrote it."""


class ExpiredError(Exception):
    """Ours, and past its time."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which answer's table, for which person."""

    answer: int
    person: int


async def issue(ticket: Ticket, now: datetime) -> str:
    """The link's last part. Runs in the caller's transaction, after its first statement."""
    key = await StoredState(OWN_PAGE).keep(KEY, secrets.token_hex(32))
    named = f"{ticket.answer}-{ticket.person}-{int((now + LASTS).timestamp())}"
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
    return Ticket(int(found[1]), int(found[2]))


def _signature(key: str, named: str) -> str:
    digest = hmac.new(bytes.fromhex(key), named.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
