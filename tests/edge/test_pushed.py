"""kill -9 of the agent between a pushed message and its commit: it comes again, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from contract.clock import SystemClock, iso_utc
from simulators.hj212_frames import Identity, local, upload
from tests.edge.agent import AgentProcess, agent, buffer_of, until_held
from tests.edge.core.hj212_kit import MN
from tests.edge.drivers.test_hj212 import phone
from tests.edge.kit import Mosquitto, eventually, free_port, mosquitto

CONFIG = """
gateway: cabinet-1
clock: {{source: always}}
broker: {{host: 127.0.0.1, port: {nowhere}, tls: false}}
buffer: {{path: buffer.sqlite, commit_every_s: {commit_every_s}}}
uplink: {{reconnect_first_s: 0.05, reconnect_most_s: 0.1}}
buses:
  - {{id: own, driver: mqtt, host: 127.0.0.1, port: {broker}, tls: false, version: "{version}"}}
  - {{id: stations, driver: hj212, listen: {{host: 127.0.0.1, port: {stations}}}}}
devices:
  - {{id: dust-01, profile: dust/generic-mqtt, bus: own, address: dust-1}}
  - {{id: gas-01, profile: gas/generic-mqtt, bus: own, address: gas-1}}
  - {{id: noise-01, profile: noise/hj212-noise-station, bus: stations,
     address: 010000A8900016F000169DC0, password: '123456'}}
"""
GAS = ("gas-1", '{"gas_pressure": 2.1}')
STATION = Identity(mn=MN, password="123456", system="23")


class Street:
    """A broker that keeps sessions, a port for stations, and an agent that no cloud hears."""

    def __init__(self, broker: Mosquitto, folder: Path, version: str) -> None:
        self.broker, self.stations = broker, free_port()
        self.config = folder / "edge.yaml"
        self._version, self._nowhere = version, free_port()

    @asynccontextmanager
    async def agent(self, commit_every_s: float) -> AsyncIterator[AgentProcess]:
        self.config.write_text(
            CONFIG.format(
                broker=self.broker.port,
                stations=self.stations,
                nowhere=self._nowhere,
                version=self._version,
                commit_every_s=commit_every_s,
            ),
            encoding="utf-8",
        )
        async with agent(self.config) as running:
            await eventually(lambda: running.said("own: subscribed"))
            yield running

    async def publish(self, *said: tuple[str, str]) -> None:
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            for address, payload in said:
                await client.publish(f"devices/{address}/up", payload, qos=1)


@pytest.fixture(params=["3.1.1", "5"])
async def street(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Street]:
    async with mosquitto(tmp_path) as broker:
        yield Street(broker, tmp_path, request.param)


def dust(number: int) -> tuple[str, str]:
    """Return a message with a time of its own, or without; without, all are alike."""
    own = f'"time": "{iso_utc(SystemClock().now_ms() - 1_000 * number)}", ' if number % 2 else ""
    return "dust-1", f'{{{own}"pm10": 72}}'


async def published(street: Street) -> int:
    return (await buffer_of(street.config)).published_readings


async def test_messages_come_again_and_none_is_doubled(street: Street) -> None:
    """The urgent one, the last, is on disk at once and not acknowledged before the others are."""
    async with street.agent(commit_every_s=60) as running:
        await street.publish(*[dust(number) for number in range(7)], GAS)
        await until_held(street.config, 1)
        assert await published(street) == 1
        running.kill()
        await running.wait()
    async with street.agent(commit_every_s=0.1) as running:
        await until_held(street.config, 1 + 7)
        await street.publish(dust(7))
        await until_held(street.config, 1 + 8)
        await running.stop()
    assert await published(street) == 1 + 8


@pytest.mark.parametrize("street", ["5"], indirect=True)
async def test_a_station_is_acknowledged_only_after_the_commit(street: Street) -> None:
    now_ms = SystemClock().now_ms()
    told = [
        upload(STATION, local(at_ms), "2011", f"DataTime={local(at_ms)[:14]};LA-Rtd=50.1")
        for at_ms in (now_ms - 2_000, now_ms - 1_000)
    ]
    async with street.agent(commit_every_s=60) as running:
        async with phone(street.stations) as line:
            line.say(*told, upload(STATION, local(now_ms), "1013", ""))
            assert (await line.answer())[0] == "9013"  # so the data before it have been taken
            running.kill()
        await running.wait()
    for _ in range(2):
        async with street.agent(commit_every_s=0.1) as running, phone(street.stations) as line:
            line.say(*told)
            assert [(await line.answer())[0] for _ in told] == ["9014"] * 2
            running.kill()
            await running.wait()
        assert await published(street) == 2
