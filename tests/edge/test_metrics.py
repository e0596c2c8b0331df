"""The figures, as `state` has them and as Prometheus reads them."""

from __future__ import annotations

import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from contract.clock import ManualClock
from contract.errors import ConfigError
from contract.lifelines import Supply
from edge.health import DeviceHealth, Health
from edge.metrics import served
from edge.options import MetricsOptions
from edge.ports import Held


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def scraped(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")
    }


def held(now_ms: int) -> Held:
    return Held("e1", 500, 12, 3, 40, 9_000, now_ms - 90_000, 500_000_000)


def test_prometheus_reads_what_state_says() -> None:
    clock, port = ManualClock(), free_port()
    health = Health(clock, {"noise-1": DeviceHealth(), "gas-1": DeviceHealth()})
    health.answered("noise-1", clock.now_ms() - 2_000)
    health.exchanged("bus-1", "noise-1", 0.05, 2)
    health.failed("gas-1", "no answer in 1 s", "Timeout")
    health.set_problem("buffer", "disk full")
    health.quarantined = 4
    health.planned = {"bus-1": 0.4}
    health.norths = {"bureau": {"held": 3, "acknowledged": 9, "dropped": 1}}
    health.clock_synchronised = False
    health.take_supply(Supply(mains=True))
    with served(MetricsOptions(port=port), health, lambda: held(clock.now_ms())):
        seen = scraped(port)
    assert seen['gridwarden_edge_bus_busy_seconds_total{bus="bus-1"}'] == 0.05
    assert seen['gridwarden_edge_bus_exchanges_total{bus="bus-1"}'] == 2
    assert seen['gridwarden_edge_device_answers_total{device="noise-1"}'] == 1
    assert seen['gridwarden_edge_device_age_seconds{device="noise-1"}'] == 2
    assert seen['gridwarden_edge_device_round_trip_seconds{device="noise-1"}'] == 0.025
    assert seen['gridwarden_edge_device_failures_total{device="gas-1",kind="Timeout"}'] == 1
    assert seen['gridwarden_edge_lifeline{what="supply.mains"}'] == 1
    assert seen["gridwarden_edge_buffer_bytes"] == 9_000
    assert seen["gridwarden_edge_buffer_oldest_seconds"] == 90
    assert seen["gridwarden_edge_published_readings_total"] == 500
    assert seen["gridwarden_edge_quarantined_total"] == 4
    assert seen['gridwarden_edge_bus_planned_ratio{bus="bus-1"}'] == 0.4
    assert seen['gridwarden_edge_north_held{north="bureau"}'] == 3
    assert seen['gridwarden_edge_north_acknowledged_total{north="bureau"}'] == 9
    assert seen['gridwarden_edge_north_dropped_total{north="bureau"}'] == 1
    assert seen["gridwarden_edge_clock_synchronised"] == 0
    assert seen["gridwarden_edge_late_samples_total"] == 0
    assert seen['gridwarden_edge_problem{what="buffer"}'] == 1
    assert seen["process_resident_memory_bytes"] > 1_000_000
    with pytest.raises(OSError):  # nobody serves any more
        scraped(port)


def test_a_device_that_was_never_heard_has_no_age() -> None:
    port = free_port()
    health = Health(ManualClock(), {"noise-1": DeviceHealth()})
    with served(MetricsOptions(port=port), health, lambda: None):
        assert not [name for name in scraped(port) if "age_seconds" in name or "buffer" in name]


def test_only_figures_are_served() -> None:
    port = free_port()
    with (
        served(MetricsOptions(port=port), Health(ManualClock()), lambda: None),
        pytest.raises(HTTPError) as refused,
    ):
        urlopen(f"http://127.0.0.1:{port}/metrics", data=b"x", timeout=5)
    refused.value.close()


def test_a_taken_port_is_refused_with_its_reason() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = MetricsOptions(port=taken.getsockname()[1])
        with (
            pytest.raises(ConfigError, match=rf"metrics: 127\.0\.0\.1:{options.port} cannot be"),
            served(options, Health(ManualClock()), lambda: None),
        ):
            pass


def test_no_options_no_server() -> None:
    with served(None, Health(ManualClock()), lambda: None):
        pass


def test_utilisation_is_the_share_since_state_was_told_last() -> None:
    clock = ManualClock()
    health = Health(clock, {"noise-1": DeviceHealth()})
    health.exchanged("bus-1", "noise-1", 5.0, 1)
    assert "bus.bus-1.utilisation" not in health.figures()  # since when?
    clock.advance_ms(10_000)
    health.exchanged("bus-1", "noise-1", 2.5, 1)
    assert health.figures()["bus.bus-1.utilisation"] == 0.25
    clock.advance_ms(10_000)
    assert health.figures()["bus.bus-1.utilisation"] == 0.0


def test_round_trips_are_smoothed() -> None:
    health = Health(ManualClock(), {"noise-1": DeviceHealth()})
    for took_s in (0.1, 0.1, 0.6):
        health.exchanged("bus-1", "noise-1", took_s, 1)
    assert health.figures()["device.noise-1.round_trip_s"] == 0.2


def test_the_process_tells_of_itself() -> None:
    clock = ManualClock()
    health = Health(clock)
    health.figures()
    clock.advance_ms(1_000)
    figures = health.figures()
    assert figures["rss_bytes"] > 1_000_000
    assert figures["open_files"] > 2
    assert figures["cpu"] >= 0


def test_failures_are_told_by_kind() -> None:
    health = Health(ManualClock(), {"gas-1": DeviceHealth()})
    health.failed("gas-1", "no answer", "Timeout")
    health.failed("gas-1", "bad CRC", "Disturbed")
    health.failed("gas-1", "no answer", "Timeout")
    figures = health.figures()
    assert (figures["device.gas-1.failures"], figures["device.gas-1.failures.Timeout"]) == (3, 2)
