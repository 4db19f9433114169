from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.postgres import MISSING, create_database, drop_database, find_binaries, postgres

settings.register_profile("fuzz", max_examples=5_000, deadline=None, print_blob=True)
"""For `make fuzz`; the suite itself runs with hypothesis' own profile."""


@pytest.fixture(scope="session")
def pg_socket() -> Iterator[str]:
    if find_binaries() is None:
        pytest.skip(MISSING)
    with postgres() as socket:
        yield socket


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A new, empty database for each test, on both kinds."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path}/duban.db"
        return
    socket, name = request.getfixturevalue("pg_socket"), f"test_{uuid4().hex}"
    await create_database(socket, name)
    yield f"asyncpg://postgres@/{name}?host={socket}&port=5432"
    await drop_database(socket, name)
