"""The table of platforms: a new one is a file, a line here, and a folder of payloads."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module

from adapters.base import Adapter, State
from adapters.http import ConnectionConfig


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a kind of connection is: its module, loaded only where one is configured, and the name of its classes."""

    module: str
    name: str

    @property
    def config(self) -> type[ConnectionConfig]:
        """What its [[connection]] may say."""
        found: type[ConnectionConfig] = getattr(import_module(self.module), f"{self.name}Config")
        return found

    def make(self, config: ConnectionConfig, state: State, now: Callable[[], datetime]) -> Adapter:
        """An adapter for one connection. Nothing is called yet. Raises ConfigurationError."""
        adapter: Adapter = getattr(import_module(self.module), f"{self.name}Adapter")(config, state, now)
        return adapter


PLATFORMS: dict[str, Platform] = {
    "wecom-app": Platform("adapters.wecom_app", "WecomApp"),
    "wecom-bot": Platform("adapters.wecom_bot", "WecomBot"),
    "wecom-robot": Platform("adapters.wecom_robot", "WecomRobot"),
    "dingtalk-app": Platform("adapters.dingtalk_app", "DingTalkApp"),
    "dingtalk-robot": Platform("adapters.dingtalk_robot", "DingTalkRobot"),
    "feishu-app": Platform("adapters.feishu_app", "FeishuApp"),
    "feishu-robot": Platform("adapters.feishu_robot", "FeishuRobot"),
    "matrix": Platform("adapters.matrix", "Matrix"),
    "slack": Platform("adapters.slack", "Slack"),
    "webhook": Platform("adapters.webhook", "Webhook"),
    "apprise": Platform("adapters.apprise", "Apprise"),
}
