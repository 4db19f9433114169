"""Settings: one typed object, read once from a TOML file, a secrets directory and the environment."""

import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError
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
FILE, SECRETS = "DUBAN_CONFIG", "DUBAN_SECRETS"
"""Names of the environment that say where settings are, and are none themselves."""


class SettingsError(FaultsError):
    """The configuration is not usable; each fault names file or variable, key and what was expected."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("zone", "expected an IANA time zone such as Asia/Shanghai") from None
    return name


def _database(url: str) -> str:
    """A sign of the password that is not escaped would make half of it a host, and drivers print hosts."""
    shaped = PydanticCustomError(
        "database", "expected sqlite://FILE, or postgresql://USER@HOST/NAME with special signs as %XX"
    )
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and (file := rest.partition("?")[0]):
        if Path(file).is_dir():
            raise PydanticCustomError("directory", "expected a file, and this is a directory")
        return url
    try:
        found = urlsplit(url)
        placed = (found.hostname or "host=" in found.query) and found.path.strip("/") and found.port != 0
    except ValueError:
        raise shaped from None
    if scheme not in ("postgresql", "postgres", "asyncpg") or not placed or found.fragment:
        raise shaped
    return url


def _shaped(pattern: str, expected: Literal["HH:MM", "http://… or https://…, or nothing"]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise PydanticCustomError("shape", "expected {expected}", {"expected": expected})
        return text

    return check


class Settings(BaseSettings):
    """Every key of config.example.toml. What may hold a password is not part of its text."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True, frozen=True)

    database: Annotated[str, AfterValidator(_database)] = Field(default="sqlite://duban.db", repr=False)
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    office_opens: Annotated[str, AfterValidator(_shaped(r"([01]\d|2[0-3]):[0-5]\d", "HH:MM"))] = "10:00"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    horizon_days: int = Field(default=400, ge=31, le=1200)
    calendar: Path | None = None
    confirmations: Path = Path("confirmations.toml")
    backups: Path = Path("backups")
    heartbeat_url: Annotated[str, AfterValidator(_shaped(r"(https?://\S+)?", "http://… or https://…, or nothing"))] = (
        Field(default="", repr=False)
    )
    page_url: Annotated[str, AfterValidator(_shaped(r"(https?://\S+)?", "http://… or https://…, or nothing"))] = ""
    head_confirms: bool = False
    link_hours: int = Field(default=1, ge=1, le=24)
    link_downloads: int = Field(default=5, ge=1, le=100)
    log_format: Literal["text", "json"] = "text"
    connection: tuple[dict[str, Any], ...] = Field(default=(), repr=False)

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
        secrets = SecretsSettingsSource(settings_cls, env_prefix="")
        return init_settings, env_settings, secrets, TomlConfigSettingsSource(settings_cls)


def load(file: Path | None = None, **given: object) -> Settings:
    """Read the settings; `given` comes from the command line. Raises SettingsError with every fault."""
    named = file or (Path(os.environ[FILE]) if os.environ.get(FILE) else None)
    source = named or DEFAULT_FILE
    secrets = secrets_folder()
    faults = [*_unknown_variables(), *_file_faults(source, named=named is not None), *_secret_faults(secrets)]
    if faults:
        raise SettingsError(faults)

    class Here(Settings):
        model_config = SettingsConfigDict(toml_file=source, secrets_dir=secrets)

    said = {key: value for key, value in given.items() if value is not None}
    try:
        return Here(**said)  # type: ignore[arg-type]  # the model checks them
    except ValidationError as error:
        raise SettingsError(
            [f"{_place(fault, said, secrets, source)}: {fault}" for fault in fault_lines(error)]
        ) from None


def secrets_folder() -> Path | None:
    """The directory whose files are secrets, if one is named."""
    return Path(os.environ[SECRETS]) if os.environ.get(SECRETS) else None


def _place(fault: str, said: dict[str, Any], secrets: Path | None, source: Path) -> str:
    """Where a faulty key comes from: the first of the sources that has it."""
    key = re.split(r"[.:]", fault, maxsplit=1)[0]
    variable = f"{PREFIX}{key.upper()}"
    if key in said:
        return f"--{key.replace('_', '-')}"
    if variable in os.environ:
        return variable
    if secrets is not None and (secrets / key).is_file():
        return str(secrets / key)
    return str(source)


def _unknown_variables() -> Iterator[str]:
    known = {FILE, SECRETS} | {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}CONNECTION_"):
            yield f"environment: {name}: expected one of {', '.join(sorted(known))}"


def _file_faults(file: Path, *, named: bool) -> Iterator[str]:
    try:
        tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            yield f"{file}: the file does not exist"
    except OSError as error:
        yield f"{file}: {error.strerror}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        yield f"{file}: {error}"


def _secret_faults(folder: Path | None) -> Iterator[str]:
    if folder is None:
        return
    if not folder.is_dir():
        yield f"{SECRETS}: {folder} is not a directory"
        return
    for file in (folder / name for name in Settings.model_fields if (folder / name).exists()):
        try:
            file.read_text(encoding="utf-8")
        except OSError as error:
            yield f"{file}: {error.strerror}"
        except UnicodeDecodeError:
            yield f"{file}: expected UTF-8"
