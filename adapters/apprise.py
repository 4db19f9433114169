"""Any service that Apprise knows (e-mail, SMS gateways, push), one way: what is sent there cannot be answered there.

Document: github.com/caronc/apprise, its URLs and `AppriseResult`. Apprise tells success and failure and little more.
"""

import importlib
import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from adapters.base import ConfigurationError, Finding, Outgoing, RecipientError, RetryError, State
from adapters.http import ConnectionConfig

MODULE = "apprise"
LOGGERS = (MODULE, "requests", "urllib3")
SECONDS = 15
"""How long a service may take. What it does after that nobody hears of: the message may be sent twice."""
PLACE = "{address}"
ADDRESS = re.compile(r"[\w.+#!@-][\w.+#!@:=-]{0,127}", re.ASCII)
"""One recipient: no sign that parts several of them, or that ends a part of a URL."""

_WORDLESS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MENTION = re.compile(r"(?<![\w.%+-])@")
_REASON = re.compile(r"\berror\W{1,2}(\d{3})\b")
_LITERAL = str.maketrans({"<": "＜", ">": "＞"})


class AppriseConfig(ConnectionConfig):
    """The keys of a one-way channel."""

    url: SecretStr = Field(description="Apprise's URL of the service; {address} in it stands for the recipient")
    title: str = Field(default="", max_length=120, description="subject line, for services that have one")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        url = self.url.get_secret_value()
        if "://" not in url or re.search(r"[\s\x00-\x1f]", url):
            raise ValueError("url: expected one URL such as mailtos://USER:PASSWORD@HOST?to={address}")
        if self.base_url or self.ca_file or self.allow_private:
            raise ValueError("base_url, ca_file and allow_private mean nothing here: the url says where to")
        return self


def neutral(text: str) -> str:
    """Text that mentions nobody and is no markup, whatever the service: signs that could be become full-width."""
    return _MENTION.sub("＠", _WORDLESS.sub("", text)).translate(_LITERAL)


class AppriseAdapter:
    """Sends through one service, to the address if the URL has a place for it, else to whom the URL names."""

    platform: ClassVar[str] = "apprise"
    max_bytes: ClassVar[int] = 4_000
    """A service that takes less gets the text in parts; Apprise knows its measure."""
    can_button: ClassVar[bool] = False
    can_answer: ClassVar[bool] = False
    can_update: ClassVar[bool] = False
    can_mention: ClassVar[bool] = False
    receives: ClassVar[bool] = False
    listens: ClassVar[bool] = False
    per_minute: ClassVar[float] = 30

    def __init__(self, config: AppriseConfig, state: State, now: Callable[[], datetime]) -> None:
        del state, now  # nothing is remembered, and nothing signed
        self.connection = config.name
        self._config = config
        self._apprise = _library()
        self._asset = self._apprise.AppriseAsset(http_redirects=False, service_timeout=SECONDS, allow_templates=False)
        scheme = self._url.partition("://")[0].lower()
        known = scheme in self._apprise.NotificationManager()
        if not known or (PLACE not in self._url and self._service(self._url) is None):
            raise ConfigurationError("url: Apprise cannot make a service of it")

    def is_private(self, address: str) -> bool:
        """Whether the service is told to whom it goes; where the URL leads otherwise nobody knows."""
        return PLACE in self._url and not address.startswith("chat:")

    async def send(self, message: Outgoing) -> str:
        """Send the text. There is no receipt and no knowledge of duplicates: the key stands for it."""
        service = self._service(self._addressed(message.address))
        if service is None:
            raise RecipientError("the service takes no such address")
        sender = self._apprise.Apprise(asset=self._asset)
        sender.add(service)
        text = neutral(message.text)
        result = await sender.async_notify(body=text, title=self._config.title, body_format="text")
        if result.status != self._apprise.AppriseResultStatus.SUCCESS:
            raise RetryError(_reason(result))
        return message.key

    async def check(self) -> list[Finding]:
        """The URL was understood; whether it works shows only when something is sent."""
        name = self._apprise.NotificationManager()[self._url.partition("://")[0].lower()].service_name
        key = "check-apprise-addressed" if PLACE in self._url else "check-apprise-fixed"
        return [
            Finding(ok=True, key=key, facts={"service": str(name)}),
            Finding(ok=True, key="check-unconfirmed", facts={"what": "url"}),
        ]

    async def close(self) -> None:
        """Nothing stays open between messages."""

    @property
    def _url(self) -> str:
        return self._config.url.get_secret_value()

    def _addressed(self, address: str) -> str:
        if PLACE not in self._url:
            return self._url
        if not ADDRESS.fullmatch(address):
            raise RecipientError("not one plain address")
        return self._url.replace(PLACE, quote(address, safe=""))

    def _service(self, url: str) -> Any:
        """A service of its own for every message: one that is used twice makes its threads wait for each other."""
        service = self._apprise.Apprise.instantiate(url, asset=self._asset)
        if service is not None:
            service.overflow_mode = self._apprise.OverflowMode.SPLIT
        return service


def _library() -> Any:
    """Apprise, which not everybody installs. What it and its helpers log can name a URL, so it goes nowhere.

    Below a warning it would be whole answers, and is not even made, whoever listens to these loggers themselves.
    """
    try:
        library = importlib.import_module(MODULE)
    except ImportError:
        raise ConfigurationError("Apprise is not installed: install duban with the extra named apprise") from None
    for logger in map(logging.getLogger, LOGGERS):
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    return library


def _reason(result: Any) -> str:
    """How it ended, and the service's status where Apprise's log has one; never the log itself."""
    found = _REASON.search(" ".join(str(entry.message) for entry in result.logs()))
    return f"Apprise: {result.status.name}, HTTP {found[1]}" if found else f"Apprise: {result.status.name}"
