"""The configured connections: read with their secrets, checked all at once, made into adapters."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from adapters.base import Adapter, Listener, Receiver
from adapters.http import ConnectionConfig
from adapters.table import PLATFORMS
from bot.doorway import CONNECTION
from bot.settings import SettingsError
from bot.store.remembered import StoredState
from duties.reading import fault_lines

PREFIX = "DUBAN_CONNECTION_"


def configured(rows: Sequence[Mapping[str, Any]], secrets: Path | None) -> list[ConnectionConfig]:
    """Every [[connection]] with the secrets that belong to it. Raises SettingsError with all faults.

    A secret stands in the environment as DUBAN_CONNECTION_NAME_KEY, or in the secrets directory as a file
    connection_name_key; dashes of the name are underscores there.
    """
    faults: list[str] = []
    found: list[ConnectionConfig] = []
    for number, row in enumerate(rows, 1):
        place = f"connection {row.get('name', f'#{number}')}"
        platform = PLATFORMS.get(str(row.get("platform", "")))
        if platform is None:
            faults.append(f"{place}: platform: expected one of {', '.join(PLATFORMS)}")
            continue
        try:
            found.append(platform.config.model_validate({**_secrets_of(row, platform.config, secrets), **row}))
        except ValidationError as error:
            faults += [f"{place}: {fault}" for fault in fault_lines(error)]
    faults += list(_names(found))
    if faults:
        raise SettingsError(faults)
    return found


def _names(found: Sequence[ConnectionConfig]) -> Iterator[str]:
    seen = {CONNECTION}
    for config in found:
        if config.name in seen:
            yield f"connection {config.name}: name: is taken"
        seen.add(config.name)


def _secrets_of(row: Mapping[str, Any], config: type[ConnectionConfig], secrets: Path | None) -> dict[str, str]:
    held: dict[str, str] = {}
    stem = str(row.get("name", "")).replace("-", "_")
    for key in config.model_fields:
        variable = f"{PREFIX}{stem}_{key}".upper()
        file = secrets / f"connection_{stem}_{key}" if secrets else None
        if variable in os.environ:
            held[key] = os.environ[variable]
        elif file is not None and file.is_file():
            held[key] = file.read_text(encoding="utf-8").rstrip("\n")
    return held


def made(configs: Sequence[ConnectionConfig], now: Callable[[], datetime]) -> dict[str, Adapter]:
    """An adapter for every connection, by name. Nothing is called yet."""
    return {config.name: PLATFORMS[config.platform].make(config, StoredState(config.name), now) for config in configs}


def receivers(adapters: Mapping[str, Adapter]) -> dict[str, Receiver]:
    """The connections that platforms call over HTTP."""
    return {name: cast("Receiver", one) for name, one in adapters.items() if getattr(one, "receives", False)}


def listeners(adapters: Mapping[str, Adapter]) -> dict[str, Listener]:
    """The connections that hold a line open themselves."""
    return {name: cast("Listener", one) for name, one in adapters.items() if getattr(one, "listens", False)}
