"""Devices that publish plain SenML, through a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from contract.clock import SystemClock
from contract.quality import Quality
from device_profiles.loader import load_profile
from edge.cancelling import check_cancelled
from edge.config import load
from edge.devices import Device, build_device
from edge.drivers.senml import SenmlBus
from edge.options import DeviceOptions
from tests.edge.kit import Bench, Mosquitto, eventually, keep_connected, mosquitto
from tests.suites.drivers import DriverSuite, PushedSuite, good

LEVELS = {"noise_laeq": 57.1, "noise_l90": 50.1}
STATIONS = {"noise-07": "cabinet-7", "noise-08": "cabinet-8"}  # device id -> its name in SenML
PROFILE = "noise/generic-mqtt"


def topic(address: str) -> str:
    return f"dev/v1/{address}/senml"


def pack(address: str, levels: Mapping[str, object], **more: object) -> bytes:
    """Return records under one base name; without a time: now."""
    values = [{"n": name, "v": value} for name, value in levels.items()]
    return json.dumps([{"bn": f"{address}:", **more, **values[0]}, *values[1:]]).encode()


def stations(bus: SenmlBus) -> list[Device]:
    return [
        build_device(
            DeviceOptions(id=name, profile=PROFILE, bus=bus.id, address=address),
            load_profile(PROFILE),
            bus.cost(),
        )
        for name, address in STATIONS.items()
    ]


class SenmlWorld:
    """A broker, and two stations that publish as long as it is up."""

    truth: Mapping[tuple[str, str], float] = {
        (name, measurement): value for name in STATIONS for measurement, value in LEVELS.items()
    }

    def __init__(self, broker: Mosquitto, folder: Path) -> None:
        self.broker = broker
        self.bus = SenmlBus(id="own", driver="senml", host="127.0.0.1", port=broker.port, tls=False)
        self.bench = Bench(self.bus, stations(self.bus), folder)
        self.speaking = asyncio.Event()
        self._raving = False

    async def start(self) -> None:
        self._raving = False
        if not self.broker.running:
            await self.broker.start()

    async def stop(self) -> None:
        self.broker.kill()

    async def rave(self) -> None:
        self._raving = True

    async def publish(self) -> None:
        """Be the stations, for ever."""

        async def speak(client: aiomqtt.Client) -> None:
            self.speaking.set()
            while True:
                for address in STATIONS.values():
                    for payload in self._payloads(address):
                        await client.publish(topic(address), payload)
                        check_cancelled()
                await asyncio.sleep(0.02)

        await keep_connected(self.broker.port, speak)

    def _payloads(self, address: str) -> list[bytes]:
        right = pack(address, LEVELS)
        if not self._raving:
            return [right]
        return [
            b"",
            right[:-1],
            b"\xff\xfe\x00",
            b"null",
            b"[]",
            b"[" * 10_000,
            b"\x28\xb5\x2f\xfd" + right,
            pack(address, {"noise_laeq": "loud", "noise_l90": None}),
            pack(address, {"noise_laeq": 1e400}),
            pack(address, {"noise_laeq": 50}, bu="kPa"),
            pack(address, {"noise_laeq": 50}, bt=9e99),
            pack(address, {"pm10": 50}),
            pack(address, {"loudness": 50}),
            pack("", {"noise_laeq": 50}),
            pack("cabinet-9", {"noise_laeq": 50}),
            pack("cabinet-8" if address == "cabinet-7" else "cabinet-7", {"noise_laeq": 50}),
        ]


class PackSender:
    """A broker that holds what a station has said until it is acknowledged."""

    def __init__(self, broker: Mosquitto, folder: Path) -> None:
        self._folder = folder
        self._bus = SenmlBus(
            id="own", driver="senml", host="127.0.0.1", port=broker.port, tls=False
        )
        self._at_s = SystemClock().now_ms() // 1000 - 60
        self.restart()

    def restart(self) -> None:
        self.bench = Bench(self._bus, stations(self._bus), self._folder)

    async def tell(self, *levels: float) -> None:
        await eventually(lambda: not self.bench.health.told())
        async with aiomqtt.Client("127.0.0.1", self._bus.port) as client:
            for _ in range(1_000):  # the session is there from the first subscription on
                await client.publish(topic("cabinet-8"), b"[]")
                if self.bench.health.quarantined:
                    break
                await asyncio.sleep(0.01)
            for level in levels:
                self._at_s += 1
                payload = pack("cabinet-7", {"noise_la": level}, bt=self._at_s)
                await client.publish(topic("cabinet-7"), payload, qos=1)


class TestPushed(PushedSuite):
    @pytest.fixture
    async def sender(self, tmp_path: Path) -> AsyncIterator[PackSender]:
        async with mosquitto(tmp_path) as broker:
            yield PackSender(broker, tmp_path)


class TestSenml(DriverSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[SenmlWorld]:
        async with mosquitto(tmp_path) as broker, asyncio.TaskGroup() as tasks:
            world = SenmlWorld(broker, tmp_path)
            publishing = tasks.create_task(world.publish())
            await world.speaking.wait()
            yield world
            publishing.cancel()


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[SenmlWorld]:
    """The same, with stations that say nothing of their own."""
    async with mosquitto(tmp_path) as broker:
        yield SenmlWorld(broker, tmp_path)


@asynccontextmanager
async def running(world: SenmlWorld) -> AsyncIterator[aiomqtt.Client]:
    """Run the source, wait for its subscription, and lend a client to publish with."""
    async with aiomqtt.Client("127.0.0.1", world.broker.port) as client, world.bench.running():
        for _ in range(1_000):
            await client.publish(topic("cabinet-8"), pack("cabinet-8", {"battery": 1}))
            if world.bench.readings:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        world.bench.readings.clear()
        yield client


def read(world: SenmlWorld) -> set[tuple[str, str, float | None]]:
    return {(r.device, r.measurement, r.value) for r in world.bench.readings}


async def test_a_bad_record_is_quarantined_by_name_and_the_rest_is_kept(
    quiet: SenmlWorld, tmp_path: Path
) -> None:
    levels = {"noise_la": 59.9, "loudness": 3, "noise_l10": "loud", "noise_l50": 55.8, "pm10": 1}
    async with running(quiet) as client:
        await client.publish(topic("cabinet-7"), pack("cabinet-7", levels))
        await eventually(lambda: len(quiet.bench.readings) == 2)
    assert read(quiet) == {("noise-07", "noise_la", 59.9), ("noise-07", "noise_l50", 55.8)}
    assert quiet.bench.health.quarantined == 3
    (sample,) = (tmp_path / "q.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(sample)["topic"] == "dev/v1/cabinet-7/senml"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (pack("cabinet-7", {"loudness": 3}), "cabinet-7:loudness: unknown quantity 'loudness'"),
        (pack("cabinet-7", {"pm10": 3}), f"cabinet-7:pm10: {PROFILE} has none; allowed: battery"),
        (pack("cabinet-7", {"noise_la5": 3}), "cabinet-7:noise_la5: unknown quantity"),
        (pack("cabinet-7", {"noise_lmax": 3}, bu="kPa"), "cabinet-7:noise_lmax: "),
        (pack("cabinet-8", {"noise_la": 3}), "cabinet-8:noise_la: cabinet-7 may not speak for"),
        (b"[{]", "not JSON"),
    ],
)
async def test_what_is_wrong_with_a_record_is_said(
    quiet: SenmlWorld, tmp_path: Path, payload: bytes, why: str
) -> None:
    async with running(quiet) as client:
        await client.publish(topic("cabinet-7"), payload)
        await eventually(lambda: quiet.bench.health.quarantined == 1)
    (sample,) = (tmp_path / "q.jsonl").read_text(encoding="utf-8").splitlines()
    assert why in json.loads(sample)["why"]
    assert quiet.bench.readings == []


async def test_names_may_stand_whole_and_any_base_may_change(quiet: SenmlWorld) -> None:
    records = [
        {"n": "cabinet-7:noise_la", "v": 60},
        {"bn": "cabinet-7:noise_", "n": "laeq", "v": 61},
        {"bn": "cabinet-7:", "bu": "dB", "n": "noise_lmax", "v": 70},
    ]
    async with running(quiet) as client:
        await client.publish(topic("cabinet-7"), json.dumps(records))
        await eventually(lambda: len(quiet.bench.readings) >= 2)
    assert read(quiet) >= {("noise-07", "noise_la", 60), ("noise-07", "noise_laeq", 61)}


async def test_each_record_has_its_own_time(quiet: SenmlWorld) -> None:
    """Absolute, relative to now (RFC 8428 §4.5.3), or none; an insane one is not believed."""
    now_ms = quiet.bench.clock.now_ms()
    records: list[dict[str, object]] = [
        {"bn": "cabinet-7:", "n": "noise_la", "v": 1, "t": now_ms / 1000 - 60},
        {"n": "noise_laeq", "v": 2, "t": -30},
        {"n": "noise_lmax", "v": 3},
        {"n": "noise_lmin", "v": 4, "t": 1e9},
    ]
    async with running(quiet) as client:
        await client.publish(topic("cabinet-7"), json.dumps(records))
        await eventually(lambda: len(quiet.bench.readings) == 4)
    at = {r.measurement: r.observed_ms - now_ms for r in quiet.bench.readings}
    assert at["noise_la"] == -60_000
    assert -30_000 <= at["noise_laeq"] < -20_000
    assert at["noise_lmax"] >= 0
    assert at["noise_lmin"] == at["noise_lmax"] == at["noise_laeq"] + 30_000


async def test_a_pack_delivered_twice_is_read_once(quiet: SenmlWorld) -> None:
    at_s = quiet.bench.clock.now_ms() / 1000
    async with running(quiet) as client:
        for _ in range(3):
            told = pack("cabinet-7", {"noise_la": 59.9}, bt=at_s)
            await client.publish(topic("cabinet-7"), told, qos=1)
        await client.publish(topic("cabinet-7"), pack("cabinet-7", {"battery": 50}, bt=at_s))
        await eventually(lambda: any(r.measurement == "battery" for r in quiet.bench.readings))
    assert [r.measurement for r in quiet.bench.readings] == ["noise_la", "battery"]


async def test_a_value_that_is_the_same_again_without_a_time_is_read_again(
    quiet: SenmlWorld,
) -> None:
    async with running(quiet) as client:
        for _ in range(3):
            await client.publish(topic("cabinet-7"), pack("cabinet-7", {"noise_la": 59.9}))
            await asyncio.sleep(0.01)
        await eventually(lambda: len(quiet.bench.readings) == 3)


async def test_quality_and_missing_values_are_understood(quiet: SenmlWorld) -> None:
    records = [
        {"bn": "cabinet-7:", "n": "noise_la", "v": 60, "q": "M"},
        {"n": "noise_laeq", "vs": "", "q": "D"},
        {"n": "noise_lmax", "v": 900},
    ]
    async with running(quiet) as client:
        await client.publish(topic("cabinet-7"), json.dumps(records))
        await eventually(lambda: len(quiet.bench.readings) == 3)
    qualities = {r.measurement: (r.value, r.quality) for r in quiet.bench.readings}
    assert qualities == {
        "noise_la": (60, Quality.MAINTENANCE),
        "noise_laeq": (None, Quality.FAULT),
        "noise_lmax": (900, Quality.OVER_RANGE),
    }


async def test_who_is_not_configured_is_counted(quiet: SenmlWorld) -> None:
    async with running(quiet) as client:
        await client.publish(topic("cabinet-9"), pack("cabinet-9", LEVELS))
        await eventually(lambda: quiet.bench.health.unknown_senders == 1)
    assert quiet.bench.readings == []


async def test_what_the_broker_kept_while_we_were_away_is_read(quiet: SenmlWorld) -> None:
    async with running(quiet):
        pass
    async with aiomqtt.Client("127.0.0.1", quiet.broker.port) as client:
        await client.publish(topic("cabinet-7"), pack("cabinet-7", LEVELS), qos=1)
    async with quiet.bench.running():
        await eventually(lambda: len(good(quiet)) == len(LEVELS))


def test_a_station_is_five_lines_of_configuration(tmp_path: Path) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text(
        """\
gateway: cabinet-1
clock: {source: always}
broker: {host: 127.0.0.1, tls: false}
buses:
  - {id: own, driver: senml, host: 127.0.0.1, tls: false, topics: [meters/+/senml]}
devices:
  - id: noise-07
    profile: noise/generic-mqtt
    bus: own
    address: cabinet-7
""",
        encoding="utf-8",
    )
    (plan,) = load(path).buses
    assert isinstance(plan.bus, SenmlBus)
    assert plan.bus.topics == ("meters/+/senml",)
    assert [device.id for device in plan.devices] == ["noise-07"]
