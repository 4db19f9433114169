"""What can go wrong between here and a database, in one line: no traceback, and never a password."""

import sqlite3

import asyncpg
from tortoise.exceptions import BaseORMException

FAILURES = (OSError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, BaseORMException)


def told(error: Exception) -> str | None:
    """The reason in one line; None for what is a mistake of ours and deserves its traceback."""
    if not isinstance(error, FAILURES):
        return None
    lines = str(error).splitlines() or [""]
    return lines[0].strip() or type(error).__name__
