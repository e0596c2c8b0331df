"""Devices that publish JSON, through a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from pydantic import ValidationError

from contract.clock import SystemClock, iso_utc
from contract.quality import Quality
from device_profiles.loader import load_profile
from edge.cancelling import check_cancelled
from edge.devices import Device, build_device
from edge.drivers.mqtt import MqttBus
from edge.options import DeviceOptions, Endpoint
from tests.edge.certificates import Certificates, make_certificates
from tests.edge.kit import Bench, Mosquitto, eventually, keep_connected, mosquitto
from tests.suites.drivers import DriverSuite, PushedSuite, good

COVERS = {"manhole-01": "24e124713c123456", "manhole-02": "24e124713c123457"}
# An ACL file of mosquitto's refuses no subscription; its own plugin does.
DYNAMIC_SECURITY = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
ANGLES = {"angle_x": 0.0, "angle_y": 30.0, "angle_z": 60.0}
MEANT = {**ANGLES, "tilt": 30.0, "signal_rssi": -88.0, "signal_snr": 9.0}
TILT_PROFILE = "manhole/milesight-em310-tilt"


def uplink(dev_eui: str, measured: Mapping[str, object], **more: object) -> bytes:
    """Return what ChirpStack v4 publishes."""
    radio = [{"rssi": -97, "snr": 7.5}, {"rssi": -88, "snr": 9.0}]
    message = {"deviceInfo": {"devEui": dev_eui}, "rxInfo": radio, "object": measured, **more}
    return json.dumps(message).encode()


def topic(dev_eui: str) -> str:
    return f"application/1/device/{dev_eui}/event/up"


def covers(bus: MqttBus) -> list[Device]:
    return [
        build_device(
            DeviceOptions(id=name, profile=TILT_PROFILE, bus=bus.id, address=address.upper()),
            load_profile(TILT_PROFILE),
            bus.cost(),
        )
        for name, address in COVERS.items()
    ]


def mqtt_bus(port: int, **more: object) -> MqttBus:
    return MqttBus.model_validate(
        {"id": "lora", "driver": "mqtt", "host": "127.0.0.1", "port": port, "tls": False, **more}
    )


class MqttWorld:
    """A broker, and two covers that publish as long as it is up."""

    truth: Mapping[tuple[str, str], float] = {
        (name, measurement): value for name in COVERS for measurement, value in MEANT.items()
    }

    def __init__(self, broker: Mosquitto, folder: Path, **more: object) -> None:
        self.broker = broker
        self.bus = mqtt_bus(broker.port, **more)
        self.bench = Bench(self.bus, covers(self.bus), folder)
        self._raving = False
        self.speaking = asyncio.Event()

    async def start(self) -> None:
        self._raving = False
        if not self.broker.running:
            await self.broker.start()

    async def stop(self) -> None:
        self.broker.kill()

    async def rave(self) -> None:
        self._raving = True

    async def publish(self, endpoint: Endpoint | None = None) -> None:
        """Be the devices, for ever."""

        async def speak(client: aiomqtt.Client) -> None:
            self.speaking.set()
            while True:
                for address in COVERS.values():
                    for payload in self._payloads(address):
                        # At QoS 1 aiomqtt would wait ten seconds for a broker that is gone.
                        await client.publish(topic(address), payload)
                        check_cancelled()
                await asyncio.sleep(0.02)

        await keep_connected(self.broker.port, speak, endpoint=endpoint)

    def _payloads(self, address: str) -> list[bytes]:
        right = uplink(address, ANGLES)
        if not self._raving:
            return [right]
        return [
            b"",
            right[:-1],
            b"\xff\xfe\x00",
            b"null",
            b"[[[[[[" * 2_000,
            uplink(address, {"angle_x": "much", "angle_y": [1], "angle_z": {"a": 1}}, rxInfo=[]),
            uplink("24e124713c999999", ANGLES),
            json.dumps({"object": ANGLES}).encode(),
            json.dumps({"deviceInfo": address, "object": 7}).encode(),
        ]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
class TestMqtt(DriverSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path, version: str) -> AsyncIterator[MqttWorld]:
        async with mosquitto(tmp_path) as broker, asyncio.TaskGroup() as tasks:
            world = MqttWorld(broker, tmp_path, version=version)
            publishing = tasks.create_task(world.publish())
            await world.speaking.wait()  # aiomqtt takes 10 s to notice a broker gone before it is
            yield world
            publishing.cancel()


class CoverSender:
    """A broker that holds what a cover has said until it is acknowledged. own_time: it tells it."""

    def __init__(self, broker: Mosquitto, folder: Path, *, version: str, own_time: bool) -> None:
        self._port, self._folder, self._own_time = broker.port, folder, own_time
        self._bus = mqtt_bus(broker.port, version=version)
        self._at_ms = SystemClock().now_ms() - 60_000
        self.restart()

    def restart(self) -> None:
        self.bench = Bench(self._bus, covers(self._bus), self._folder)

    async def tell(self, *levels: float) -> None:
        address = COVERS["manhole-01"]
        await self._subscribed()
        async with aiomqtt.Client("127.0.0.1", self._port) as client:
            for level in levels:
                self._at_ms += 1_000
                more = {"time": iso_utc(self._at_ms)} if self._own_time else {}
                payload = uplink(address, {"battery": level}, rxInfo=[], **more)
                await client.publish(topic(address), payload, qos=1)

    async def _subscribed(self) -> None:
        """The session is there from the first subscription on."""
        hello = uplink(COVERS["manhole-01"], {}, rxInfo=[])
        async with aiomqtt.Client("127.0.0.1", self._port) as client:
            for _ in range(1_000):
                await client.publish(topic(COVERS["manhole-01"]), hello)
                if self.bench.frames:
                    return
                await asyncio.sleep(0.01)
        raise AssertionError("no subscription")


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("own_time", [True, False])
class TestPushed(PushedSuite):
    @pytest.fixture
    async def sender(
        self, tmp_path: Path, version: str, own_time: bool
    ) -> AsyncIterator[CoverSender]:
        async with mosquitto(tmp_path) as broker:
            yield CoverSender(broker, tmp_path, version=version, own_time=own_time)


@pytest.fixture(params=["3.1.1", "5"])
async def quiet(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[MqttWorld]:
    """The same, with devices that say nothing of their own."""
    async with mosquitto(tmp_path) as broker:
        yield MqttWorld(broker, tmp_path, version=request.param)


@asynccontextmanager
async def running(world: MqttWorld) -> AsyncIterator[aiomqtt.Client]:
    """Run the source, wait for its subscription, and lend a client to publish with."""
    async with aiomqtt.Client("127.0.0.1", world.broker.port) as client, world.bench.running():
        hello = uplink(COVERS["manhole-02"], {"battery": 1})
        for _ in range(1_000):
            await client.publish(topic(COVERS["manhole-02"]), hello)
            if world.bench.readings:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        world.bench.readings.clear()
        yield client


async def test_malformed_payloads_are_quarantined_with_a_sample(
    quiet: MqttWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(quiet) as client:
        for _ in range(20):
            await client.publish(topic(COVERS["manhole-01"]), b"{not json", qos=1)
        await client.publish(topic(COVERS["manhole-01"]), uplink(COVERS["manhole-01"], ANGLES))
        await eventually(lambda: len(good(quiet)) == len(MEANT))
    assert quiet.bench.health.quarantined == 20
    (sample,) = (tmp_path / "q.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(sample)["payload_base64"] == "e25vdCBqc29u"
    assert caplog.text.count("was set aside") == 1


async def test_the_devices_own_time_is_taken_if_it_is_sane(quiet: MqttWorld) -> None:
    own_ms = quiet.bench.clock.now_ms() - 7_654
    own = {"time": iso_utc(own_ms)}
    async with running(quiet) as client:
        for name, told in (("manhole-01", own), ("manhole-02", {"time": "1970-01-01T00:00:01Z"})):
            await client.publish(topic(COVERS[name]), uplink(COVERS[name], ANGLES, **told))
        await eventually(lambda: len(quiet.bench.readings) == 2 * len(MEANT))
    times = {r.device: r.observed_ms for r in quiet.bench.readings}
    assert times["manhole-01"] == own_ms
    assert times["manhole-02"] > own_ms


async def test_a_message_delivered_twice_is_read_once(quiet: MqttWorld) -> None:
    told = {"time": iso_utc(quiet.bench.clock.now_ms())}
    address = COVERS["manhole-01"]
    async with running(quiet) as client:
        for _ in range(2):
            await client.publish(topic(address), uplink(address, ANGLES, **told), qos=1)
        await client.publish(topic(address), uplink(address, {**ANGLES, "battery": 50}, **told))
        await eventually(lambda: any(r.measurement == "battery" for r in quiet.bench.readings))
    assert sum(r.measurement == "tilt" for r in quiet.bench.readings) == 2


async def test_what_the_broker_kept_while_we_were_away_is_read(quiet: MqttWorld) -> None:
    address = COVERS["manhole-01"]
    async with running(quiet):
        pass
    async with aiomqtt.Client("127.0.0.1", quiet.broker.port) as client:
        await client.publish(topic(address), uplink(address, ANGLES), qos=1)
    async with quiet.bench.running():
        await eventually(lambda: len(good(quiet)) == len(MEANT))


async def test_an_implausible_value_is_kept_and_flagged(quiet: MqttWorld) -> None:
    address = COVERS["manhole-01"]
    async with running(quiet) as client:
        await client.publish(topic(address), uplink(address, {**ANGLES, "battery": 101}))
        await eventually(lambda: any(r.measurement == "battery" for r in quiet.bench.readings))
    (battery,) = [r for r in quiet.bench.readings if r.measurement == "battery"]
    assert (battery.value, battery.quality) == (101, Quality.OVER_RANGE)


async def test_who_is_not_configured_is_counted(quiet: MqttWorld) -> None:
    async with running(quiet) as client:
        await client.publish(topic("24e124713c999999"), uplink("24e124713c999999", ANGLES))
        await eventually(lambda: quiet.bench.health.unknown_senders == 1)
    assert quiet.bench.readings == []


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_subscription_that_the_broker_refuses_is_told(
    tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    rights = tmp_path / "rights.json"
    rights.write_text('{"defaultACLAccess": {"subscribe": false}}', encoding="ascii")
    rights.chmod(0o600)
    settings = (f"plugin {DYNAMIC_SECURITY}", f"plugin_opt_config_file {rights}")
    async with mosquitto(tmp_path, *settings) as broker:
        world = MqttWorld(broker, tmp_path, version=version)
        async with world.bench.running():
            await eventually(lambda: bool(world.bench.health.told()))
    (told,) = world.bench.health.told()
    assert told.startswith("bus lora: refused: application/+/device/+/event/up")
    assert "the broker refuses application/+" in caplog.text


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def tls_broker(folder: Path, certificates: Certificates) -> AsyncIterator[Mosquitto]:
    """A broker that speaks TLS only, and only with whom its authority has signed."""
    server = certificates.server
    settings = (f"cafile {certificates.ca}", f"certfile {server.cert}", f"keyfile {server.key}")
    async with mosquitto(folder, *settings, "require_certificate true") as broker:
        yield broker


async def test_a_broker_is_verified_and_verifies_us(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with tls_broker(tmp_path, certificates) as broker, asyncio.TaskGroup() as tasks:
        world = MqttWorld(
            broker,
            tmp_path,
            version="5",
            tls=True,
            ca_file=certificates.ca,
            cert_file=certificates.client.cert,
            key_file=certificates.client.key,
        )
        publishing = tasks.create_task(world.publish(world.bus))
        async with world.bench.running():
            await eventually(lambda: good(world) == set(world.truth))
        publishing.cancel()


# paho forgets the socket of a handshake that failed; it is closed as garbage.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_that_cannot_be_verified_hears_no_mqtt(
    tmp_path: Path, certificates: Certificates
) -> None:
    """After a TLS error nothing is ever said in plain."""
    async with tls_broker(tmp_path, certificates) as broker:
        world = MqttWorld(broker, tmp_path, tls=True, ca_file=certificates.other_ca)
        async with world.bench.running():
            await eventually(lambda: bool(world.bench.health.told()))
            await asyncio.sleep(0.2)
        assert "certificate verify failed" in world.bench.health.told()[0]
    assert world.bench.frames == []


async def test_a_broker_that_knows_no_version_5_is_told(tmp_path: Path) -> None:
    """What NATS, and old brokers, answer."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_024)
        writer.write(bytes.fromhex("2002 0001"))  # CONNACK: unacceptable protocol version
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bus = mqtt_bus(port, version=5)
    bench = Bench(bus, covers(bus), tmp_path)
    async with bench.running():
        await eventually(lambda: bool(bench.health.told()))
    assert 'version: "3.1.1"' in bench.health.told()[0]
    server.close()
    await server.wait_closed()


def test_a_version_may_be_a_number_or_text() -> None:
    assert (mqtt_bus(1, version=5).version, mqtt_bus(1, version="5").version) == ("5", "5")
    assert mqtt_bus(1).version == "3.1.1"
    with pytest.raises(ValidationError, match=r"'3\.1\.1' or '5'"):
        mqtt_bus(1, version=4)
