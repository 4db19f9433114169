"""Metrics in the Prometheus text format, in a registry of our own."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from bot.loop import Pulse


class Monitor:
    """What the bot counts about itself."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._raised = Counter("duban_reminders_raised", "Reminders raised", registry=self._registry)
        self._finished = Counter("duban_notices_finished", "Notices sent, dropped or dead", registry=self._registry)
        self._ticked = Gauge("duban_last_step_seconds", "Unix time of the last step", registry=self._registry)
        self._uncovered = Gauge("duban_uncovered_duties", "Duties without a next reminder", registry=self._registry)
        self._unreachable = Gauge("duban_unreachable_units", "Units that nobody can be told", registry=self._registry)

    def counted(self, *, raised: int = 0, finished: int = 0, pulse: Pulse | None = None) -> None:
        """One step's work, and what the loop found."""
        self._raised.inc(raised)
        self._finished.inc(finished)
        self._ticked.set_to_current_time()
        if pulse is not None:
            self._uncovered.set(len(pulse.uncovered))
            self._unreachable.set(len(pulse.unreachable))

    def watch_hooks(self, outcomes: Mapping[tuple[str, int], int]) -> None:
        """Show how platforms' calls were answered, by connection and status; what names no connection has none."""
        self._registry.register(_Hooks(outcomes))

    def text(self) -> bytes:
        """Everything counted so far."""
        return generate_latest(self._registry)


class _Hooks(Collector):
    """Counts that the handler keeps, read when they are asked for."""

    def __init__(self, outcomes: Mapping[tuple[str, int], int]) -> None:
        self._outcomes = outcomes

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "duban_hook_requests", "Calls of platforms, by answer", labels=("connection", "status")
        )
        for (connection, status), found in self._outcomes.items():
            family.add_metric((connection, str(status)), found)
        yield family
