"""Metrics in the Prometheus text format, in a registry of our own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Monitor:
    """What the bot counts about itself."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._raised = Counter("duban_reminders_raised", "Reminders raised", registry=self._registry)
        self._finished = Counter("duban_notices_finished", "Notices sent, dropped or dead", registry=self._registry)
        self._ticked = Gauge("duban_last_step_seconds", "Unix time of the last step", registry=self._registry)

    def counted(self, *, raised: int, finished: int) -> None:
        """One step's work."""
        self._raised.inc(raised)
        self._finished.inc(finished)
        self._ticked.set_to_current_time()

    def text(self) -> bytes:
        """Everything counted so far."""
        return generate_latest(self._registry)
