"""Who is who, and what an address is in the middle of: identities, invitations, dialogues, sessions."""

import hashlib
import json
import secrets
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from duties.store.database import Rows, alone, as_instant, execute, fetch

INVITATION_LASTS = timedelta(days=7)
DIALOGUE_LASTS = timedelta(minutes=30)
DIALOGUE_MISSED = timedelta(days=1)
"""For so long after that, somebody whose answer came late is told so."""
SESSION_LASTS = timedelta(days=90)
GUESSES = 5
GUESSING_WINDOW = timedelta(minutes=15)
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O: codes are read aloud and copied from paper."""


def digest(secret: str) -> str:
    """What the store keeps of a code or a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def person_at(connection: str, address: str) -> int | None:
    """The person bound to an address."""
    rows = await fetch(
        "SELECT person_id FROM identity WHERE connection = :connection AND address = :address",
        connection=connection, address=address,
    )  # fmt: skip
    return int(rows[0]["person_id"]) if rows else None


async def bind(person: int, connection: str, address: str, now: datetime) -> None:
    """Tie an address to a person; an address belongs to one person at a time."""
    await execute(
        "INSERT INTO identity (person_id, connection, address, bound_at)"
        " VALUES (:person, :connection, :address, :now) ON CONFLICT (connection, address)"
        " DO UPDATE SET person_id = :person, bound_at = :now, failed_at = NULL",
        person=person, connection=connection, address=address, now=now,
    )  # fmt: skip


async def invite(person: int, now: datetime) -> str:
    """A new one-time code for a person; earlier unused ones stop working."""
    await alone(f"invitation/{person}")
    code = "".join(secrets.choice(ALPHABET) for _ in range(8))
    await execute("DELETE FROM invitation WHERE person_id = :person AND used_at IS NULL", person=person)
    await execute(
        "INSERT INTO invitation (person_id, code_hash, expires_at) VALUES (:person, :hash, :expires)",
        person=person, hash=digest(code), expires=now + INVITATION_LASTS,
    )  # fmt: skip
    return code


async def redeem(code: str, now: datetime) -> int | None:
    """Use a code up. The person it was made for, or None: wrong, used or expired."""
    rows = await fetch(
        "UPDATE invitation SET used_at = :now WHERE code_hash = :hash AND used_at IS NULL AND expires_at >= :now"
        " RETURNING person_id",
        hash=digest(code.strip().upper()), now=now,
    )  # fmt: skip
    return int(rows[0]["person_id"]) if rows else None


async def guessed_too_often(connection: str, address: str, now: datetime) -> bool:
    """Whether an address has used up its wrong codes for now."""
    (row,) = await fetch(
        "SELECT COUNT(*) AS found FROM attempt WHERE connection = :connection AND address = :address AND at >= :since",
        connection=connection, address=address, since=now - GUESSING_WINDOW,
    )  # fmt: skip
    return int(row["found"]) >= GUESSES


async def guessed(connection: str, address: str, now: datetime) -> None:
    """Note a wrong code."""
    await execute(
        "INSERT INTO attempt (connection, address, at) VALUES (:connection, :address, :now)",
        connection=connection, address=address, now=now,
    )  # fmt: skip


async def begin(connection: str, address: str, kind: str, content: dict[str, Any], now: datetime) -> None:
    """Remember what the next message continues. A newer question replaces the one before it."""
    await forget(connection, address)
    await execute(
        "INSERT INTO dialogue (connection, address, kind, content, expires_at)"
        " VALUES (:connection, :address, :kind, :content, :expires)",
        connection=connection, address=address, kind=kind, content=json.dumps(content, ensure_ascii=False),
        expires=now + DIALOGUE_LASTS,
    )  # fmt: skip


async def underway(connection: str, address: str, now: datetime) -> tuple[str, dict[str, Any]] | None:
    """What an address is in the middle of, if it has not expired."""
    rows = await fetch(
        "SELECT kind, content, expires_at FROM dialogue WHERE connection = :connection AND address = :address",
        connection=connection, address=address,
    )  # fmt: skip
    if not rows or as_instant(rows[0]["expires_at"]) < now:
        return None
    return _dialogue(rows[0])


async def expired(connection: str, address: str, now: datetime) -> tuple[str, dict[str, Any]] | None:
    """What an address was in the middle of until lately: what it says now may still be meant for that."""
    rows = await fetch(
        "SELECT kind, content, expires_at FROM dialogue WHERE connection = :connection AND address = :address",
        connection=connection, address=address,
    )  # fmt: skip
    if not rows or not now - DIALOGUE_MISSED <= as_instant(rows[0]["expires_at"]) < now:
        return None
    return _dialogue(rows[0])


def _dialogue(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    content = row["content"]
    return str(row["kind"]), content if isinstance(content, dict) else json.loads(content)


async def forget(connection: str, address: str) -> None:
    """End whatever an address was in the middle of."""
    await execute(
        "DELETE FROM dialogue WHERE connection = :connection AND address = :address",
        connection=connection, address=address,
    )  # fmt: skip


async def sign_in(address: str, now: datetime) -> str:
    """A session token for a browser; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    await execute(
        "INSERT INTO session (token_hash, address, expires_at) VALUES (:hash, :address, :expires)",
        hash=digest(token), address=address, expires=now + SESSION_LASTS,
    )  # fmt: skip
    return token


async def signed_in(token: str, now: datetime) -> str | None:
    """The address a session token stands for."""
    rows = await fetch("SELECT address, expires_at FROM session WHERE token_hash = :hash", hash=digest(token))
    return str(rows[0]["address"]) if rows and as_instant(rows[0]["expires_at"]) >= now else None


async def players() -> Rows:
    """Everyone with a post, by unit: person id, code, name, unit, role."""
    return await fetch(
        """
        SELECT n.id, n.code, n.name, u.name AS unit, p.role FROM post p
        JOIN person n ON n.id = p.person_id JOIN unit u ON u.id = p.unit_id ORDER BY u.path, p.id
        """
    )


async def person_coded(code: str) -> Rows:
    """A person by code: id, name."""
    return await fetch("SELECT id, name FROM person WHERE code = :code", code=code)


async def holders_of(role: str, today: date) -> Rows:
    """Addresses of everyone who holds a role today, each person's in the order of binding."""
    return await fetch(
        "SELECT DISTINCT p.person_id, a.connection, a.address, a.id FROM post p"
        " JOIN identity a ON a.person_id = p.person_id WHERE p.role = :role"
        " AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today)"
        " ORDER BY p.person_id, a.id",
        role=role, today=today,
    )  # fmt: skip


async def sign_out(token: str) -> None:
    """End a browser's session."""
    await execute("DELETE FROM session WHERE token_hash = :hash", hash=digest(token))


async def code_of(person: int) -> str:
    """A person's code, which is their address on the built-in chat."""
    (row,) = await fetch("SELECT code FROM person WHERE id = :id", id=person)
    return str(row["code"])


async def supervisors_over(units: Iterable[int], today: date) -> list[str]:
    """Who verifies what units report, by name."""
    below = ", ".join(str(int(unit)) for unit in units)
    rows = await fetch(
        f"""
        SELECT DISTINCT n.name FROM unit u JOIN post p ON p.unit_id = u.supervisor_id AND p.role = 'supervisor'
        JOIN person n ON n.id = p.person_id
        WHERE u.id IN ({below})
          AND (p.since IS NULL OR p.since <= :today) AND (p.until IS NULL OR p.until >= :today) ORDER BY n.name
        """,
        today=today,
    )  # fmt: skip
    return [row["name"] for row in rows]
