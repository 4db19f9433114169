"""What adapters, and the key of our links, need across restarts. Small texts by connection and key."""

from duties.store.database import execute, fetch


class StoredState:
    """One connection's get and put."""

    def __init__(self, connection: str) -> None:
        self.connection = connection

    async def get(self, key: str) -> str:
        """What was put last, or an empty text."""
        rows = await fetch(
            "SELECT value FROM adapter_state WHERE connection = :connection AND key = :key",
            connection=self.connection, key=key,
        )  # fmt: skip
        return str(rows[0]["value"]) if rows else ""

    async def put(self, key: str, value: str) -> None:
        """Keep a value in place of the one before."""
        await execute(
            "INSERT INTO adapter_state (connection, key, value) VALUES (:connection, :key, :value)"
            " ON CONFLICT (connection, key) DO UPDATE SET value = :value",
            connection=self.connection, key=key, value=value,
        )  # fmt: skip

    async def keep(self, key: str, value: str) -> str:
        """Keep a value where there is none yet; what is kept then, though several do this at once."""
        await execute(
            "INSERT INTO adapter_state (connection, key, value) VALUES (:connection, :key, :value)"
            " ON CONFLICT (connection, key) DO NOTHING",
            connection=self.connection, key=key, value=value,
        )  # fmt: skip
        return await self.get(key)
