"""Statistics in the agent: what is computed, by whose word, and how it is introduced."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contract.clock import ManualClock
from contract.errors import ConfigError
from contract.quality import Quality
from contract.readings import Reading
from edge.aggregating import Aggregating, wanted
from edge.config import EdgeConfig, load
from edge.health import Health
from tests.edge.kit import eventually

NOW_MS = 1_795_320_000_000
CONFIG = """
gateway: cabinet-1
clock: {source: always}
broker: {host: 127.0.0.1, tls: false}
AGGREGATES
buses:
  - {id: tcp, driver: modbus_tcp, host: 127.0.0.1, port: 502}
devices:
  - {id: noise-01, profile: noise/rs485-sound, bus: tcp, unit_id: 1}
  - {id: gas-01, profile: gas/pressure-transmitter-a, bus: tcp, unit_id: 2}
"""


def config(folder: Path, aggregates: str) -> EdgeConfig:
    path = folder / "edge.yaml"
    path.write_text(CONFIG.replace("AGGREGATES", aggregates), encoding="utf-8")
    return load(path)


class Taken:
    """A Sink that notes."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def put(self, readings: list[Reading], **_: object) -> None:
        self.readings += readings


def test_nothing_is_computed_unless_it_is_wanted(tmp_path: Path) -> None:
    plain = config(tmp_path, "")
    assert plain.aggregates is None
    assert all("." not in name for name in plain.devices[0].birth.measurements)


def test_what_the_profile_says_is_computed_and_introduced(tmp_path: Path) -> None:
    agent = config(tmp_path, "aggregates: {late_s: 5}")
    assert [*wanted(agent)] == [("noise-01", "noise_la")]
    noise, gas = agent.devices
    assert {"noise_la", "noise_laeq.20min", "valid_rate.noise_la_1min"} <= set(
        noise.birth.measurements
    )
    assert noise.measurements == ("noise_la",), "a device that is silent is silent of its own only"
    assert gas.birth.measurements == ("gas_pressure",)


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"aggregates\.late: unknown key"):
        config(tmp_path, "aggregates: {late: 5}")


async def test_figures_follow_their_samples_into_the_buffer(tmp_path: Path) -> None:
    agent = config(tmp_path, "aggregates: {late_s: 0, least_percent: 50}")
    clock, sink = ManualClock(NOW_MS), Taken()
    health = Health(clock)
    computing = Aggregating(sink, agent, clock=clock, health=health)  # type: ignore[arg-type]
    task = asyncio.create_task(computing.run())
    try:
        for second in range(60):
            sample = Reading("noise-01", "noise_la", NOW_MS + second * 1000, 60.0)
            computing.put([sample], urgent=False)
        clock.advance_ms(60_000)
        await eventually(lambda: len(sink.readings) == 66)
        computed = sink.readings[60:]
        assert {r.measurement for r in computed} <= set(agent.devices[0].birth.measurements)
        assert all(r.quality is Quality.COMPUTED for r in computed)
        assert [r.value for r in computed] == [60.0] * 5 + [100.0]
        computing.put([Reading("noise-01", "noise_la", NOW_MS, 60.0)], urgent=False)
        assert health.figures()["aggregates.late_samples"] == 1
        computing.know(config(tmp_path, ""))
        computing.put([Reading("noise-01", "noise_la", NOW_MS + 70_000, 60.0)], urgent=False)
        assert health.late_samples == 1
    finally:
        task.cancel()
