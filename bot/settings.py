"""Settings: one typed object, read once from a TOML file, the environment and a secrets directory."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from duties.errors import FaultsError
from duties.reading import fault_lines

PREFIX = "DUBAN_"
DEFAULT_FILE = Path("duban.toml")
OUTSIDE = frozenset({"DUBAN_CONFIG", "DUBAN_SECRETS", "DUBAN_CONFIRMATIONS"})
"""Names of the environment that are ours and are not settings."""


class SettingsError(FaultsError):
    """The configuration is not usable; each fault names file or variable, key and what was expected."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("expected an IANA time zone such as Asia/Shanghai") from None
    return name


class Settings(BaseSettings):
    """Every key of config.example.toml."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True, frozen=True)

    database: str = Field(default="sqlite://duban.db", pattern=r"^(sqlite|postgres|postgresql|asyncpg)://.+")
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    office_opens: str = Field(default="10:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    horizon_days: int = Field(default=400, ge=31, le=1200)
    calendar: Path | None = None
    confirmations: Path = Path("confirmations.toml")
    backups: Path = Path("backups")
    heartbeat_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    log_format: Literal["text", "json"] = "text"

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days begin and offices open."""
        return ZoneInfo(self.timezone)

    @property
    def office_minute(self) -> int:
        """When offices open that do not say otherwise, in minutes after local midnight."""
        hours, minutes = self.office_opens.split(":")
        return int(hours) * 60 + int(minutes)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was said on the command line, then the environment, then secrets; the file comes last."""
        del dotenv_settings, file_secret_settings
        secrets = os.environ.get("DUBAN_SECRETS")
        file = Path(os.environ.get("DUBAN_CONFIG") or DEFAULT_FILE)
        return (
            init_settings,
            env_settings,
            *([SecretsSettingsSource(settings_cls, secrets_dir=secrets, env_prefix="")] if secrets else []),
            TomlConfigSettingsSource(settings_cls, toml_file=file),
        )


def load(file: Path | None = None, **given: object) -> Settings:
    """Read the settings; `given` comes from the command line. Raises SettingsError with every fault."""
    source = file or (Path(os.environ["DUBAN_CONFIG"]) if os.environ.get("DUBAN_CONFIG") else DEFAULT_FILE)
    faults = [*_unknown_variables(), *_file_faults(source, named=source != DEFAULT_FILE)]
    if faults:
        raise SettingsError(faults)
    os.environ["DUBAN_CONFIG"] = str(source)
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError([f"{source}: {fault}" for fault in fault_lines(error)]) from None


def _unknown_variables() -> list[str]:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OUTSIDE
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    return [f"environment: {name}: expected one of {', '.join(sorted(known))}" for name in unknown]


def _file_faults(file: Path, *, named: bool) -> list[str]:
    if not file.exists():
        return [f"{file}: the file does not exist"] if named else []
    try:
        tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        return [f"{file}: {error}"]
    return []
