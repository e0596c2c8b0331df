"""The whole agent, as processes over real sockets: nothing is lost, and nothing is hidden."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiomqtt
import pytest
from pymodbus import FramerType

from contract.quality import Quality
from contract.readings import NOT_RUNNING
from tests.edge.agent import agent, buffer_of, edge, until_held
from tests.edge.drivers.test_mqtt import ANGLES, COVERS, topic, uplink
from tests.edge.kit import (
    Cloud,
    Mosquitto,
    PymodbusPeer,
    Reply,
    ScriptedPeer,
    eventually,
    keep_connected,
    mosquitto,
)

CONFIG = """
gateway: cabinet-1
broker: {{host: 127.0.0.1, port: {broker}, tls: false}}
buffer: {{path: buffer.sqlite, commit_every_s: 0.1}}
clock: {{source: always}}
uplink: {{resend_after_s: 0.5, reconnect_first_s: 0.05, reconnect_most_s: 0.5}}
polling: {{probe_first_s: 0.1, probe_most_s: 0.5}}
buses:
  - {{id: tcp, driver: modbus_tcp, host: 127.0.0.1, port: {tcp}, timeout_s: 0.5}}
  - {{id: rtu, driver: modbus_rtu_over_tcp, host: 127.0.0.1, port: {rtu}, timeout_s: 0.5,
     baud: 115200}}
  - {{id: lora, driver: mqtt, host: 127.0.0.1, port: {broker}, tls: false}}
devices:
  - {{id: noise-01, profile: noise/rs485-sound, bus: tcp, unit_id: 1, period_s: 0.1}}
  - {{id: gas-01, profile: gas/pressure-transmitter-a, bus: tcp, unit_id: 2, period_s: 0.1}}
  - {{id: noise-02, profile: noise/rs485-sound, bus: rtu, unit_id: 1, period_s: 0.1}}
  - {{id: dead-01, profile: noise/rs485-sound, bus: rtu, unit_id: 9, period_s: 0.1}}
  - {{id: manhole-01, profile: manhole/milesight-em310-tilt, bus: lora,
     address: 24e124713c123456}}
"""


def _all_but_unit_9(request: bytes, right: bytes) -> Reply:
    return [] if request[0] == 9 else [(0.0, right)]


class Street:
    """The devices of CONFIG, a broker, and the configuration."""

    def __init__(self, broker: Mosquitto, folder: Path) -> None:
        self.broker = broker
        self.tcp = PymodbusPeer({1: [599], 2: [0, 0, 1, 3, 2100, 0, 10000]}, FramerType.SOCKET)
        self.rtu = ScriptedPeer(lambda *_: 599, _all_but_unit_9, rtu=True)
        self.config = folder / "edge.yaml"

    async def start(self) -> None:
        await self.tcp.start()
        await self.rtu.start()
        self.config.write_text(
            CONFIG.format(broker=self.broker.port, tcp=self.tcp.port, rtu=self.rtu.port),
            encoding="utf-8",
        )

    async def stop(self) -> None:
        await self.tcp.stop()
        await self.rtu.stop()

    async def tilt(self) -> None:
        """Be the manhole cover."""
        address = COVERS["manhole-01"]

        async def speak(client: aiomqtt.Client) -> None:
            while True:
                await client.publish(topic(address), uplink(address, ANGLES), qos=1)
                await asyncio.sleep(0.1)

        await keep_connected(self.broker.port, speak)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with mosquitto(tmp_path) as broker:
        street = Street(broker, tmp_path)
        await street.start()
        async with asyncio.TaskGroup() as tasks:
            tilting = tasks.create_task(street.tilt())
            yield street
            tilting.cancel()
        await street.stop()


async def more(cloud: Cloud, count: int) -> None:
    """Wait until so many more readings have come."""
    enough = cloud.readings + count
    await eventually(lambda: cloud.readings >= enough)


async def check_complete(cloud: Cloud, config: Path) -> None:
    """What was committed to the buffer is exactly what arrived, number by number.

    A start after another tells the time between them as a gap, under a number of its own.
    """
    held = await buffer_of(config)
    numbers = {seq for _, seq in cloud.batches}
    gaps = [gap for batch in cloud.batches.values() for gap in batch.gaps]
    told = {seq for gap in gaps for seq in range(gap.first_seq, gap.last_seq + 1)}
    # A gap record that a later one took in may have arrived all the same; it holds no readings.
    assert not [b.seq for b in cloud.batches.values() if b.seq in told and b.readings]
    assert numbers | told == set(range(1, held.next_seq))
    assert {(gap.reason, gap.readings) for gap in gaps} <= {(NOT_RUNNING, 0)}
    assert cloud.readings == held.published_readings
    assert {epoch for epoch, _ in cloud.batches} == {held.epoch}


@pytest.mark.e2e
async def test_from_register_to_cloud_and_a_clean_end(street: Street) -> None:
    async with Cloud(street.broker.port).running() as cloud:
        async with agent(street.config) as running:
            await eventually(lambda: cloud.readings > 100)
            began_s = time.monotonic()
            assert await running.stop() == 0
            assert time.monotonic() - began_s < 5
        await check_complete(cloud, street.config)
        assert (await buffer_of(street.config)).held_batches == 0
        values = {
            (r.device, r.measurement, r.value, r.quality)
            for batch in cloud.batches.values()
            for r in batch.readings
            if r.device != "manhole-01"
        }
        assert values == {
            ("noise-01", "noise_la", 59.9, Quality.NORMAL),
            ("noise-02", "noise_la", 59.9, Quality.NORMAL),
            ("gas-01", "gas_pressure", 2.1, Quality.NORMAL),
            ("dead-01", "noise_la", None, Quality.COMMUNICATION),
        }
        assert {
            r.value for b in cloud.batches.values() for r in b.readings if r.measurement == "tilt"
        }
    assert sum("dead-01 has failed" in line for line in running.log) == 1


@pytest.mark.chaos
async def test_kill_9_of_agent_and_broker_loses_and_doubles_nothing(street: Street) -> None:
    async with Cloud(street.broker.port).running() as cloud:
        for _ in range(3):
            async with agent(street.config) as running:
                await more(cloud, 40)
                running.kill()
            async with agent(street.config) as running:
                await more(cloud, 20)
                street.broker.kill()
                await asyncio.sleep(0.3)  # readings go on meanwhile
                await street.broker.start()
                await more(cloud, 60)
                assert await running.stop() == 0
        async with agent(street.config) as running:
            await eventually(lambda: running.said("connected to"))
            assert await running.stop() == 0
        await check_complete(cloud, street.config)
        assert (await buffer_of(street.config)).held_batches == 0


@pytest.mark.e2e
async def test_without_a_broker_it_starts_buffers_says_so_and_stops_in_time(
    street: Street,
) -> None:
    street.broker.kill()
    async with agent(street.config) as running:
        await eventually(lambda: running.said("readings are kept on disk"))
        await until_held(street.config, 20)
        assert await running.stop() == 0
    held = await buffer_of(street.config)
    assert held.held_readings == held.published_readings >= 20
    await street.broker.start()
    async with Cloud(street.broker.port).running() as cloud:
        async with agent(street.config) as running:
            await eventually(lambda: cloud.readings > held.held_readings)
            assert await running.stop() == 0
        await check_complete(cloud, street.config)


@pytest.mark.chaos
async def test_a_boot_without_a_network_and_a_kill_lose_the_last_group_commit_at_most(
    street: Street,
) -> None:
    """What was on disk when it was killed is all there, in order, and goes out afterwards."""
    street.broker.kill()
    async with agent(street.config) as running:
        await until_held(street.config, 60)
        before = await buffer_of(street.config)
        running.kill()
        await running.wait()
    after = await buffer_of(street.config)
    assert after.held_readings >= before.held_readings >= 60
    assert after.held_readings == after.published_readings
    assert after.next_seq == after.published_batches + 1
    await street.broker.start()
    async with Cloud(street.broker.port).running() as cloud:
        async with agent(street.config) as running:
            await eventually(lambda: cloud.readings > after.held_readings)
            assert await running.stop() == 0
        await check_complete(cloud, street.config)


@pytest.mark.e2e
async def test_a_broker_that_swallows_everything_does_not_hold_up_the_end(street: Street) -> None:
    """It takes the connection and says nothing: no CONNACK, no goodbye."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.read(1_000):
                pass
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    text = street.config.read_text(encoding="utf-8")
    mute = street.config.with_name("mute.yaml")
    mute.write_text(text.replace(f"port: {street.broker.port}", f"port: {port}"), encoding="utf-8")
    async with agent(mute) as running:
        await until_held(mute, 20)
        assert await running.stop() == 0
    silent.close()


@pytest.mark.e2e
async def test_a_frozen_broker_does_not_hold_up_the_end(street: Street) -> None:
    """The connection stands, but nothing answers any more: as behind a modem that has hung."""
    async with Cloud(street.broker.port).running() as cloud:
        async with agent(street.config) as running:
            await more(cloud, 20)
            street.broker.freeze()
            await asyncio.sleep(0.5)  # readings go on meanwhile
            assert await running.stop() == 0
            street.broker.thaw()
        async with agent(street.config) as running:
            await eventually(lambda: running.said("connected to"))
            assert await running.stop() == 0
        await check_complete(cloud, street.config)


@pytest.mark.e2e
async def test_a_second_agent_on_the_same_buffer_is_refused(street: Street) -> None:
    async with agent(street.config) as running:
        await eventually(lambda: running.said("running with 5 devices"))
        second = await edge("run", street.config)
        assert second.returncode == 2
        assert "another agent" in second.stderr
        assert "buffer.path" in second.stderr
        assert await running.stop() == 0


@pytest.mark.e2e
async def test_a_damaged_buffer_is_reported_and_replaced(street: Street) -> None:
    buffer = street.config.with_name("buffer.sqlite")
    buffer.write_bytes(b"\xffnot a database" * 1_000)
    async with Cloud(street.broker.port).running() as cloud:
        async with agent(street.config) as running:
            await eventually(lambda: cloud.readings > 20)
            assert running.said("set aside as")
            assert await running.stop() == 0
        await check_complete(cloud, street.config)
    assert buffer.with_name("buffer.sqlite.damaged-1").exists()


async def test_check_tells_how_busy_the_buses_are(street: Street) -> None:
    done = await edge("check", street.config)
    assert done.returncode == 0
    assert "bus tcp: modbus_tcp, 2 devices, busy 1" in done.stdout
    assert "bus rtu: modbus_rtu_over_tcp, 2 devices, busy 4" in done.stdout
    assert "bus lora: mqtt, 1 devices\n" in done.stdout
    assert "good, 5 devices" in done.stdout
    done = await edge("check", street.config, "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["devices"], told["warnings"], len(told["buses"])) == (5, [], 3)
    assert told["buses"][0].keys() == {"bus", "driver", "devices", "utilisation"}


@pytest.mark.parametrize("command", ["check", "run", "buffer"])
async def test_problems_end_every_command_with_2_before_it_begins(
    street: Street, command: str
) -> None:
    text = street.config.read_text(encoding="utf-8")
    street.config.write_text(
        text.replace("unit_id: 2", "unitid: 2").replace("noise/rs485-sound", "noise/none"),
        encoding="utf-8",
    )
    done = await edge(command, street.config)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 4
    assert "did you mean unit_id?" in done.stderr
    assert not list(street.config.parent.glob("buffer.sqlite*"))


async def test_the_buffer_of_an_agent_that_never_ran_is_empty(street: Street) -> None:
    assert (await buffer_of(street.config)).published_readings == 0
    last = (await edge("buffer", street.config, "--json")).stdout.splitlines()[-1]
    assert list(json.loads(last)) == [
        "epoch",
        "published_readings",
        "published_batches",
        "held_batches",
        "held_readings",
        "held_bytes",
        "oldest_ms",
        "max_bytes",
        "next_seq",
        "bytes_per_s",
        "disk_full",
        "urgent",
        "normal",
        "held_for_clock",
        "max_age_days",
        "free_bytes",
        "full_in_s",
    ]
    words = await edge("buffer", street.config)
    assert words.returncode == 0
    assert "never used" in words.stdout


async def test_no_file_is_a_clear_error(tmp_path: Path) -> None:
    done = await edge("check", tmp_path / "missing.yaml")
    assert done.returncode == 2
    assert "missing.yaml: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
