"""Databases copied from one that was migrated once: migrating takes a second, copying a hundredth of it."""

import shutil
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from duties.store.database import migrate, opened

_folder = tempfile.TemporaryDirectory(prefix="duban-templates-", ignore_cleanup_errors=True)
_made: set[str] = set()


async def fill(url: str) -> None:
    """Give the new, empty database at an address its tables."""
    if url.startswith("sqlite:"):
        await _fill_file(Path(url.removeprefix("sqlite://")))
    else:
        await _fill_database(url)


async def _fill_file(file: Path) -> None:
    template = Path(_folder.name) / "template.db"
    if not template.exists():
        await _migrated(f"sqlite://{template}")
    shutil.copy(template, file)


async def _fill_database(url: str) -> None:
    parts = urlsplit(url)
    (socket,) = parse_qs(parts.query)["host"]
    name = parts.path.removeprefix("/")
    admin = await asyncpg.connect(host=socket, user="postgres", database="postgres")
    try:
        if socket not in _made:
            await admin.execute("CREATE DATABASE duban_template")
            await _migrated(url.replace(name, "duban_template"))
            _made.add(socket)
        await admin.execute(f'DROP DATABASE "{name}"')
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE duban_template')
    finally:
        await admin.close()


async def _migrated(url: str) -> None:
    async with opened(url) as location:
        await migrate(location)
