"""The agent's figures for Prometheus, over plain HTTP; read in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from contract.errors import ConfigError
from edge.health import Health
from edge.options import MetricsOptions
from edge.ports import Held

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "gridwarden_edge"


class Figures(Collector):
    """Makes metrics of what the agent knows, at the moment of asking."""

    def __init__(self, health: Health, held: Callable[[], Held | None]) -> None:
        self._health, self._held = health, held

    def collect(self) -> Iterator[Metric]:
        yield from self._buses()
        yield from self._devices()
        yield from self._buffer()
        yield from self._norths()
        yield from self._agent()

    def _buses(self) -> Iterator[Metric]:
        buses = dict(self._health.buses)  # a copy: the agent's thread goes on
        busy = _counter("bus_busy_seconds", "time the line was busy", "bus")
        exchanges = _counter("bus_exchanges", "requests that were sent", "bus")
        for bus, figures in buses.items():
            busy.add_metric([bus], figures.busy_s)
            exchanges.add_metric([bus], figures.exchanges)
        planned = _gauge("bus_planned_ratio", "share of its time that polls should take", "bus")
        for bus, share in dict(self._health.planned).items():
            planned.add_metric([bus], share)
        yield from (busy, exchanges, planned)

    def _devices(self) -> Iterator[Metric]:
        devices = dict(self._health.devices)
        now_ms = self._health.clock.now_ms()
        answers = _counter("device_answers", "polls or messages that came", "device")
        failures = _counter("device_failures", "polls without an answer", "device", "kind")
        age = _gauge("device_age_seconds", "time since it answered last", "device")
        trip = _gauge("device_round_trip_seconds", "smoothed time to an answer", "device")
        for device, figures in devices.items():
            answers.add_metric([device], figures.answers)
            for kind, n in dict(figures.kinds).items():
                failures.add_metric([device, kind], n)
            if figures.answered_ms is not None:
                age.add_metric([device], (now_ms - figures.answered_ms) / 1000)
            if figures.round_trip_s is not None:
                trip.add_metric([device], figures.round_trip_s)
        yield from (answers, failures, age, trip)

    def _buffer(self) -> Iterator[Metric]:
        held = self._held()
        if held is None:
            return
        for name, help_, value in (
            ("buffer_batches", "batches the cloud has not acknowledged", held.held_batches),
            ("buffer_readings", "readings in them", held.held_readings),
            ("buffer_bytes", "bytes of them", held.held_bytes),
            ("buffer_max_bytes", "the bound", held.max_bytes),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", help_, value)
        if held.oldest_ms is not None:
            age_s = (self._health.clock.now_ms() - held.oldest_ms) / 1000
            yield GaugeMetricFamily(
                f"{PREFIX}_buffer_oldest_seconds", "age of the oldest reading in them", age_s
            )
        yield CounterMetricFamily(
            f"{PREFIX}_published_readings", "readings ever committed", held.published_readings
        )

    def _norths(self) -> Iterator[Metric]:
        norths = dict(self._health.norths)
        held = _gauge("north_held", "reports the platform has not acknowledged", "north")
        acknowledged = _counter("north_acknowledged", "reports it has", "north")
        dropped = _counter("north_dropped", "reports given up", "north")
        for north, figures in norths.items():
            held.add_metric([north], figures["held"])
            acknowledged.add_metric([north], figures["acknowledged"])
            dropped.add_metric([north], figures["dropped"])
        yield from (held, acknowledged, dropped)

    def _agent(self) -> Iterator[Metric]:
        health = self._health
        for name, help_, value in (
            ("quarantined", "messages not understood", health.quarantined),
            ("unknown_senders", "messages of devices not configured", health.unknown_senders),
            ("late_samples", "samples too late for their statistics", health.late_samples),
            ("log_lines_left_out", "log lines beyond the bound", health.log_lines_left_out()),
        ):
            yield CounterMetricFamily(f"{PREFIX}_{name}", help_, value)
        yield GaugeMetricFamily(
            f"{PREFIX}_clock_synchronised",
            "1 if the clock can be believed",
            int(health.clock_synchronised),
        )
        lifelines = _gauge("lifeline", "figures of the supply and the modem", "what")
        for what, figure in health.lifelines().items():
            lifelines.add_metric([what], figure)
        yield lifelines
        problems = _gauge("problem", "1 for each problem there is now", "what")
        for what in dict(health.problems):
            problems.add_metric([what], 1)
        yield problems


@contextmanager
def served(
    options: MetricsOptions | None, health: Health, held: Callable[[], Held | None]
) -> Iterator[None]:
    """Serve the figures while the context lasts; nothing without options.

    Raises: ConfigError if the address cannot be had.
    """
    if options is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(Figures(health, held))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(options.port, options.host, registry)
    except OSError as error:
        raise ConfigError(
            f"metrics: {options.host}:{options.port} cannot be had: {error.strerror or error}"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _counter(name: str, help_: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", help_, labels=labels)


def _gauge(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", help_, labels=labels)
