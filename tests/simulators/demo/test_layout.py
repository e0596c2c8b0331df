"""The demo's configuration: what nats-server makes of it, and what each user may."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from ruamel.yaml import YAML

from cloud.intake import SUBSCRIPTIONS
from contract.topics import device_topic, gateway_topic
from simulators.demo import probes
from simulators.demo.cli import find_nats_server
from simulators.demo.layout import GATEWAY, SECRETS, DemoPorts, Layout
from simulators.demo.ports import HOST, ReservedPorts
from simulators.simulation import DeviceRecord
from tests.simulators.conftest import until

UPLINK = "application/1/device/24e124713c100001/event/up"
DATA, STATE = gateway_topic(GATEWAY, "data"), gateway_topic(GATEWAY, "state")
ACK, OTHER = gateway_topic(GATEWAY, "ack"), gateway_topic("other-cabinet", "data")


class Nats:
    """A real nats-server with the demo's configuration."""

    def __init__(self, layout: Layout, ports: DemoPorts) -> None:
        self.layout, self.ports = layout, ports
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [str(find_nats_server()), "-c", str(self.layout.nats_config)]
        with self.layout.log("broker").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        await until(lambda: probes.port_open(self.ports.mqtt))

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def client(self, user: str, *, keep: bool = True) -> aiomqtt.Client:
        return aiomqtt.Client(
            HOST,
            self.ports.mqtt,
            username=user,
            password=self.layout.secret(user),
            identifier=f"test-{user}",
            clean_session=not keep,
            timeout=5,
        )


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    layout = Layout(data=tmp_path)
    layout.make()
    with ReservedPorts() as reserved:
        ports = DemoPorts(
            nats=reserved.take(), monitor=reserved.take(), mqtt=reserved.take(), web=reserved.take()
        )
        layout.write_nats(ports)
        server = Nats(layout, ports)
        await server.start()
        yield server
        await server.kill()


async def heard(client: aiomqtt.Client) -> tuple[str, bytes]:
    message = await asyncio.wait_for(anext(client.messages), 15)
    assert isinstance(message.payload, bytes)
    return message.topic.value, message.payload


async def test_each_user_may_do_its_work(nats: Nats) -> None:
    async with (
        nats.client("intake") as intake,
        nats.client(GATEWAY) as gateway,
        nats.client("devices") as devices,
    ):
        for topic in ("gw/v1/+/+/data", "gw/v1/+/+/birth", "gw/v1/+/+/state"):
            await intake.subscribe(topic, qos=1)
        await gateway.subscribe(ACK, qos=1)
        await gateway.subscribe("application/+/device/+/event/up", qos=1)
        await until(lambda: probes.subscribed(nats.ports.monitor, "intake"))

        await devices.publish(UPLINK, b"uplink", qos=1)
        assert await heard(gateway) == (UPLINK, b"uplink")
        await gateway.publish(DATA, b"batch", qos=1)
        assert await heard(intake) == (DATA, b"batch")
        await intake.publish(ACK, b"ack", qos=1)
        assert await heard(gateway) == (ACK, b"ack")


async def test_intake_may_subscribe_to_all_that_it_asks_for(nats: Nats) -> None:
    async with nats.client("intake") as intake, nats.client("devices") as devices:
        for topic, qos in SUBSCRIPTIONS:
            assert (await intake.subscribe(topic, qos=qos))[0] == qos
        await devices.publish(device_topic("noise-07"), b"own", qos=1)
        assert await heard(intake) == (device_topic("noise-07"), b"own")


async def test_a_gateway_speaks_for_itself_alone(nats: Nats) -> None:
    async with nats.client("intake") as intake, nats.client(GATEWAY) as gateway:
        await intake.subscribe("gw/v1/+/+/data", qos=1)
        await gateway.publish(OTHER, b"forged", qos=1)  # acknowledged all the same: no proof
        await gateway.publish(ACK.replace("ack", "data"), b"own", qos=1)
        assert await heard(intake) == (DATA, b"own")
        # A refused subscription is answered with 0x80, which is not what was asked for.
        (granted,) = await gateway.subscribe(gateway_topic("other-cabinet", "ack"), qos=1)
        assert granted == 0x80
        assert (await intake.subscribe("application/#", qos=1))[0] == 0x80


async def test_strangers_are_refused(nats: Nats) -> None:
    client = aiomqtt.Client(HOST, nats.ports.mqtt, username="intake", password="guess", timeout=5)
    with pytest.raises(aiomqtt.MqttError):
        async with client:
            pass
    assert not probes.subscribed(nats.ports.monitor, "intake")


async def test_queued_and_retained_messages_survive_kill_9(nats: Nats) -> None:
    async with nats.client("intake") as intake:
        await intake.subscribe("gw/v1/+/+/data", qos=1)
    async with nats.client(GATEWAY) as gateway:
        for number in range(20):
            await gateway.publish(DATA, str(number).encode(), qos=1)
        await gateway.publish(STATE, b"online", qos=1, retain=True)
    await nats.kill()
    await nats.start()
    async with nats.client("intake") as intake:
        found = [await heard(intake) for _ in range(20)]
        await intake.subscribe("gw/v1/+/+/state", qos=1)
        assert await heard(intake) == (STATE, b"online")
    assert sorted(int(payload) for _, payload in found) == list(range(20))


async def test_a_will_is_published_when_a_gateway_is_cut_off(nats: Nats) -> None:
    async with nats.client("intake") as intake:
        await intake.subscribe("gw/v1/+/+/state", qos=1)
        gateway = aiomqtt.Client(
            HOST,
            nats.ports.mqtt,
            username=GATEWAY,
            password=nats.layout.secret(GATEWAY),
            will=aiomqtt.Will(STATE, b"offline", qos=1, retain=True),
        )
        with contextlib.suppress(aiomqtt.MqttError):
            async with gateway:
                await gateway.publish(STATE, b"online", qos=1, retain=True)
                assert await heard(intake) == (STATE, b"online")
                # The ban on publishing as somebody else does not cut it off; a broken packet does.
                socket = gateway._client.socket()
                assert socket is not None
                socket.send(b"\xf0\xff\xff\xff\xff")
                assert await heard(intake) == (STATE, b"offline")


def test_secrets_are_private_random_and_kept(tmp_path: Path) -> None:
    layout = Layout(data=tmp_path)
    layout.make()
    first = {user: layout.secret(user) for user in SECRETS}
    layout.make()
    assert {user: layout.secret(user) for user in SECRETS} == first
    assert len(set(first.values())) == len(SECRETS)
    assert all(len(secret) >= 16 for secret in first.values())
    for user in SECRETS:
        assert stat.S_IMODE(layout.secret_file(user).stat().st_mode) == 0o600
    layout.write_nats(DemoPorts(nats=1, monitor=2, mqtt=3, web=4))
    assert stat.S_IMODE(layout.nats_config.stat().st_mode) == 0o600


def test_the_edges_configuration_has_one_bus_a_listener(tmp_path: Path) -> None:
    layout = Layout(data=tmp_path)
    layout.make()
    modbus = {"driver": "modbus_tcp", "host": HOST, "port": 7, "kind": "noise", "profile": "a/b"}
    devices = [
        DeviceRecord(id="a", unit_id=1, name="一", tags={"area_class": "2"}, **modbus),  # type: ignore[arg-type]
        DeviceRecord(id="b", unit_id=2, **modbus),  # type: ignore[arg-type]
        DeviceRecord(
            id="c", kind="manhole", profile="c/d", driver="mqtt", address="24e1247131234567"
        ),
    ]
    layout.write_edge(DemoPorts(nats=1, monitor=2, mqtt=3, web=4), devices)
    written = YAML(typ="safe").load(layout.edge_config)
    assert [bus["driver"] for bus in written["buses"]] == ["modbus_tcp", "mqtt"]
    assert [(d["id"], d["bus"]) for d in written["devices"]] == [
        ("a", "bus-1"),
        ("b", "bus-1"),
        ("c", "bus-2"),
    ]
    assert written["devices"][0]["tags"] == {"area_class": "2"}
    assert written["devices"][2]["address"] == "24e1247131234567"  # a string, not 24·10^…
    assert "一" in layout.edge_config.read_text()
