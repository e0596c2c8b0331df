"""Publishing devices at a real broker, which also goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiomqtt
import msgspec

from contract.clock import ManualClock, iso_utc
from device_profiles.loader import load_profile
from simulators.devices import Sensor, Timeline
from simulators.ledger import Ledger
from simulators.mqtt_device import Broker, MqttDevice, NetworkServer
from simulators.signals import Street
from tests.simulators.conftest import Mosquitto, until

EUI = "24e124713c100001"


def device(clock: ManualClock) -> MqttDevice:
    sensor = Sensor(
        profile=load_profile("manhole/milesight-em310-tilt"), street=Street(device="cover")
    )
    return MqttDevice(
        sensor,
        address=EUI,
        name="cover",
        period_s=1.0,
        clock=clock,
        timeline=Timeline(),
        ledger=Ledger(None),
    )


@contextlib.asynccontextmanager
async def running(server: NetworkServer) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.run(), name="network-server")
        yield
        task.cancel()


@contextlib.asynccontextmanager
async def listener(port: int) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("application/+/device/+/event/up", qos=1)
        yield client


async def times(client: aiomqtt.Client, count: int) -> list[str]:
    """Return the device's own time of the next messages."""
    found = []
    async with asyncio.timeout(20):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            assert message.topic.value.endswith(f"/device/{EUI}/event/up")
            event = msgspec.json.decode(message.payload)
            assert event["deviceInfo"]["devEui"] == EUI
            assert set(event["object"]) == {"angle_x", "angle_y", "angle_z", "battery"}
            found.append(event["time"])
            if len(found) == count:
                break
    return found


def stamp(at_ms: int) -> str:
    return iso_utc(at_ms).replace("Z", "+00:00")


async def test_uplinks_arrive_at_a_broker(mosquitto: Mosquitto) -> None:
    clock = ManualClock()
    server = NetworkServer(Broker(host="127.0.0.1", port=mosquitto.port))
    async with listener(mosquitto.port) as client, running(server):
        began_ms = clock.now_ms()
        cover = device(clock)
        for _ in range(3):
            server.submit(cover.sample())
            clock.advance_ms(1000)
        assert await times(client, 3) == [stamp(began_ms + 1000 * n) for n in range(3)]
        await until(lambda: server.waiting == 0)


async def test_while_the_broker_is_away_uplinks_keep_their_time(mosquitto: Mosquitto) -> None:
    clock = ManualClock()
    server = NetworkServer(Broker(host="127.0.0.1", port=mosquitto.port), say=lambda _: None)
    cover = device(clock)
    async with running(server):
        await asyncio.wait_for(server.connected.wait(), 10)
        await mosquitto.kill()
        await until(lambda: not server.connected.is_set())
    began_ms = clock.now_ms()
    for _ in range(5):
        server.submit(cover.sample())
        clock.advance_ms(60_000)
    await mosquitto.start()
    async with listener(mosquitto.port) as client, running(server):
        assert await times(client, 5) == [stamp(began_ms + 60_000 * n) for n in range(5)]


async def test_a_connection_is_made_again_by_itself(mosquitto: Mosquitto) -> None:
    said = list[str]()
    server = NetworkServer(Broker(host="127.0.0.1", port=mosquitto.port), say=said.append)
    async with running(server):
        for _ in range(2):
            await asyncio.wait_for(server.connected.wait(), 10)
            await mosquitto.kill()
            await until(lambda: not server.connected.is_set())
            server.submit(device(ManualClock()).sample())
            await mosquitto.start()
            await until(lambda: server.waiting == 0)
    assert said[0].startswith(f"broker 127.0.0.1:{mosquitto.port}: ")
    assert "trying again" in said[0]


async def test_too_many_kept_uplinks_drop_the_oldest() -> None:
    clock = ManualClock()
    server = NetworkServer(Broker(host="127.0.0.1", port=9), most_kept=3)
    cover = device(clock)
    for _ in range(5):
        server.submit(cover.sample())
    assert (server.waiting, server.dropped) == (3, 2)


async def test_a_device_publishes_every_period(mosquitto: Mosquitto) -> None:
    clock = ManualClock()
    server = NetworkServer(Broker(host="127.0.0.1", port=mosquitto.port))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(device(clock).run(server))
        await until(lambda: server.waiting >= 1)
        task.cancel()
