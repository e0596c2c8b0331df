"""HJ 212 stations over real sockets: the suite, the simulated station, and peers that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from contract.clock import SystemClock
from contract.errors import ConfigError
from contract.quality import Quality
from device_profiles.core.hj212 import parse_frame
from device_profiles.loader import load_profile
from edge.devices import Device, build_device
from edge.drivers.hj212 import Hj212Bus
from edge.drivers.hj212_server import StationServer
from edge.options import DeviceOptions, Listen
from edge.ports import Silence
from simulators.devices import Sensor, Timeline
from simulators.hj212_frames import Identity, local, upload
from simulators.hj212_station import Habits, Hj212Station
from simulators.ledger import Ledger, read_ledger
from simulators.signals import Street
from tests.edge.core.hj212_kit import ACK, ANNEX_A, MN, NOISE
from tests.edge.kit import Bench, eventually
from tests.suites.drivers import DriverSuite, PushedSuite, good, levels

NOISE_PROFILE, DUST_PROFILE = "noise/hj212-noise-station", "dust/hj212-dust-station"
NOISE_01 = Identity(mn=MN, password="123456", system="23")
DUST_01 = Identity(mn="ZX00001", password="abc", system="22")
QUICK = Habits(real_time_s=1, minutes_s=2, answer_s=0.3, asks_time=False)


def bus(**keys: object) -> Hj212Bus:
    """A bus on a free port of loopback."""
    listen = Listen.model_construct(host="127.0.0.1", port=0)
    made = Hj212Bus(id="stations", driver="hj212", listen=listen)
    return made.model_copy(update=keys)


def station_device(name: str, profile: str, who: Identity, **keys: object) -> Device:
    options = DeviceOptions.model_validate(
        {
            "id": name,
            "profile": profile,
            "bus": "stations",
            "address": who.mn,
            "password": who.password,
            **keys,
        }
    )
    return build_device(options, load_profile(profile), None)


def two_stations(**keys: object) -> list[Device]:
    return [
        station_device("noise-01", NOISE_PROFILE, NOISE_01, **keys),
        station_device("dust-01", DUST_PROFILE, DUST_01, **keys),
    ]


def port_of(bench: Bench) -> int:
    assert isinstance(bench.source, StationServer)
    return bench.source.port


def simulated(
    port: int, who: Identity, profile: str, habits: Habits = QUICK, book: Ledger | None = None
) -> Hj212Station:
    """The simulated station, which writes and reads with code of its own."""
    street = Street(device="one", bases={"noise_la": 50.1})
    return Hj212Station(
        Sensor(profile=load_profile(profile), street=street),
        who=who,
        host="127.0.0.1",
        port=port,
        habits=habits,
        clock=SystemClock(),
        timeline=Timeline(),
        ledger=book or Ledger(None),
        say=lambda _: None,
    )


@asynccontextmanager
async def living(*stations: Hj212Station) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(station.run()) for station in stations]
        yield
        for task in running:
            task.cancel()


class Phone:
    """A peer that says what the test says, and keeps what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def say(self, *frames: bytes) -> None:
        self._writer.write(b"".join(frames))

    async def told(self) -> bytes:
        """Return the next frame, with its line end."""
        async with asyncio.timeout(20):
            return await self._reader.readuntil(b"\r\n")

    async def answer(self) -> tuple[str, str, Mapping[str, str]]:
        """Return CN, QN and CP of the next frame."""
        frame = parse_frame(await self.told())
        return frame.command, frame.header["QN"], frame.cp

    async def ended(self) -> None:
        """Wait until the other end has closed."""
        async with asyncio.timeout(20):
            try:
                assert await self._reader.read() == b""
            except ConnectionError:
                return

    def hang_up(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def phone(port: int) -> AsyncIterator[Phone]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Phone(reader, writer)
    finally:
        writer.transport.abort()


def now() -> str:
    return local(SystemClock().now_ms())


def real_time(who: Identity = NOISE_01, value: str = "LA-Rtd=50.1", at: str = "") -> bytes:
    return upload(who, now(), "2011", f"DataTime={(at or now())[:14]};{value}")


class StationWorld:
    """Two stations that report once a second or so, from their own code."""

    truth: Mapping[tuple[str, str], float] = {
        ("noise-01", "noise_la"): 50.1,
        ("dust-01", "pm10"): 72.0,
        ("dust-01", "tsp"): 132.5,
    }

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(bus(), two_stations(), folder)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.stop()
        self._task = asyncio.create_task(self._speak(self._truth))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def rave(self) -> None:
        await self.stop()
        self._task = asyncio.create_task(self._speak(self._nonsense))

    def _truth(self) -> list[bytes]:
        dust = "a34002-Rtd=72,a34002-Flag=N;a34001-Rtd=132.5,a34001-Flag=N"
        return [real_time(), real_time(DUST_01, dust)]

    def _nonsense(self) -> list[bytes]:
        right = real_time()
        return [
            right.replace(b"50.1", b"50.2"),
            right[:40],
            right.replace(b"##01", b"##02"),
            right.replace(b"PW=123456", b"PW=123450"),
            real_time(Identity(mn=MN, password="654321", system="23")),
            real_time(Identity(mn="F" * 24, password="123456", system="23")),
            real_time(value="LA-Rtd=50.1;LA-Rtd=50.1"),
            b"GET / HTTP/1.1\r\n\r\n",
            bytes(range(256)),
            upload(NOISE_01, now(), "2011", "LA-Rtd=50.1"),
        ]

    async def _speak(self, frames: Callable[[], list[bytes]]) -> None:
        while True:
            try:
                async with phone(port_of(self.bench)) as line:
                    for _ in range(200):
                        line.say(*frames())
                        await asyncio.sleep(0.05)
            except OSError:
                await asyncio.sleep(0.02)


class TestHj212(DriverSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[StationWorld]:
        world = StationWorld(tmp_path)
        await world.start()
        yield world
        await world.stop()

    async def test_readings_are_stamped_with_the_time_of_the_answer(
        self,
        world: StationWorld,  # type: ignore[override]
    ) -> None:
        """A station tells whole seconds of its own clock."""
        before_ms = SystemClock().now_ms() // 1000 * 1000
        async with world.bench.running():
            await eventually(lambda: good(world) == set(world.truth))
        after_ms = SystemClock().now_ms()
        assert all(before_ms <= r.observed_ms <= after_ms for r in world.bench.readings)
        assert all(r.observed_ms % 1000 == 0 for r in world.bench.readings)


class PhoneSender:
    """A station that says everything again, on a new connection, until it is acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: dict[str, bytes] = {}
        self._at_ms = SystemClock().now_ms() - 60_000
        self.restart()

    def restart(self) -> None:
        self.bench = Bench(bus(), two_stations(), self._folder)

    async def tell(self, *levels: float) -> None:
        for level in levels:
            self._at_ms += 1_000
            time = local(self._at_ms)
            self._told[time] = upload(
                NOISE_01, time, "2011", f"DataTime={time[:14]};LA-Rtd={level}"
            )

    async def speak(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with phone(port_of(self.bench)) as line:
                    line.say(*self._told.values())
                    async with asyncio.timeout(0.3):
                        while self._told:
                            self._told.pop((await line.answer())[1], None)
            await asyncio.sleep(0.02)


class TestPushed(PushedSuite):
    @pytest.fixture
    async def sender(self, tmp_path: Path) -> AsyncIterator[PhoneSender]:
        sender = PhoneSender(tmp_path)
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(sender.speak())
            yield sender
            speaking.cancel()

    async def test_what_comes_again_before_it_is_on_disk_is_read_once(
        self,
        sender: PhoneSender,  # type: ignore[override]
    ) -> None:
        """On the same port: a listening socket is used up by one run."""
        sender.bench.buffer.slow = True
        async with sender.bench.running():
            await sender.tell(51.5)
            await eventually(lambda: len(sender.bench.frames) > 3)
            assert levels(sender) == [51.5]
            await sender.tell(52.5)
            await eventually(lambda: 52.5 in levels(sender))
        assert levels(sender) == [51.5, 52.5]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Two known stations, nobody connected."""
    bench = Bench(bus(), two_stations(), tmp_path)
    async with bench.running():
        yield bench


def values(bench: Bench) -> list[tuple[str, str, float | None, Quality]]:
    return [(r.device, r.measurement, r.value, r.quality) for r in bench.readings]


async def test_the_standards_frame_is_acknowledged_to_the_byte(bench: Bench) -> None:
    async with phone(port_of(bench)) as line:
        line.say(NOISE)
        assert await line.told() == ACK
        assert values(bench) == [("noise-01", "noise_la", 50.1, Quality.CLOCK_UNSURE)]


async def test_two_simulated_stations_at_once(bench: Bench) -> None:
    noise = simulated(port_of(bench), NOISE_01, NOISE_PROFILE)
    dust = simulated(port_of(bench), DUST_01, DUST_PROFILE)
    async with living(noise, dust):
        wanted = {("noise-01", "noise_la"), ("noise-01", "noise_laeq"), ("dust-01", "pm25")}
        await eventually(lambda: wanted <= {(r.device, r.measurement) for r in bench.readings})
    assert all(r.quality is Quality.NORMAL for r in bench.readings)
    keys = [(r.device, r.measurement, r.observed_ms) for r in bench.readings]
    assert len(keys) == len(set(keys))
    assert bench.health.quarantined == 0
    minutes = {r.observed_ms for r in bench.readings if r.measurement == "noise_laeq"}
    assert all(at_ms % 2_000 == 0 for at_ms in minutes), "the period's start"


async def test_lost_acknowledgements_are_no_second_readings(bench: Bench) -> None:
    deaf = Habits(real_time_s=1, minutes_s=600, answer_s=0.2, asks_time=False, deaf_to=4)
    station = simulated(port_of(bench), NOISE_01, NOISE_PROFILE, deaf)
    async with living(station):
        await eventually(lambda: station.acknowledged >= 2)
    assert station.resent >= 3
    keys = [(r.measurement, r.observed_ms) for r in bench.readings]
    assert len(keys) == len(set(keys))


async def test_the_parts_of_split_packets_are_of_one_time(bench: Bench) -> None:
    narrow = Habits(real_time_s=1, answer_s=1, asks_time=False, most_in_part=80)
    station = simulated(port_of(bench), DUST_01, DUST_PROFILE, narrow)
    async with living(station):
        await eventually(lambda: station.acknowledged >= 2)
    first = {r.observed_ms for r in bench.readings[:10]}
    assert len(first) == 1, "one report is one set of readings"
    assert len({r.measurement for r in bench.readings[:10]}) == 10


async def test_a_stations_clock_is_set(bench: Bench) -> None:
    wrong = Habits(real_time_s=1, answer_s=2, clock_off_s=-4_000)
    station = simulated(port_of(bench), NOISE_01, NOISE_PROFILE, wrong)
    async with living(station):
        await eventually(lambda: "clock of noise-01" in bench.health.problems)
        await eventually(lambda: "clock of noise-01" not in bench.health.problems)
        assert abs(station.now_ms() - SystemClock().now_ms()) < 1_500


async def test_a_station_that_reconnects_loses_nothing(tmp_path: Path) -> None:
    """The centre is away for a while: what was measured meanwhile comes later, with its time."""
    first = Bench(bus(), two_stations(), tmp_path)
    port = port_of(first)
    book = Ledger(tmp_path / "served.jsonl")
    station = simulated(port, NOISE_01, NOISE_PROFILE, book=book)
    with book:
        second = await reconnected(station, first, tmp_path)
    readings = [(r.measurement, r.observed_ms, r.value) for r in first.readings + second.readings]
    served = read_ledger(tmp_path / "served.jsonl")
    assert sorted(readings) == sorted((s.measurement, s.served_ms, s.value) for s in served)


async def reconnected(station: Hj212Station, first: Bench, folder: Path) -> Bench:
    """Run a station at a first bench, at none, then at a second one, until all is told."""
    listen = Listen.model_construct(host="127.0.0.1", port=port_of(first))
    async with asyncio.TaskGroup() as tasks:
        life = tasks.create_task(station.run())
        async with first.running():
            await eventually(lambda: station.acknowledged >= 1)
        await eventually(lambda: station.waiting >= 2)
        second = Bench(bus(listen=listen), two_stations(), folder)
        async with second.running():
            await eventually(lambda: station.waiting == 0 and bool(second.readings))
            life.cancel()
    return second


async def test_a_wrong_check_is_answered_and_kept_with_its_bytes(
    bench: Bench, tmp_path: Path
) -> None:
    wrong = NOISE.replace(b"50.1", b"99.9")
    async with phone(port_of(bench)) as line:
        line.say(wrong)
        assert await line.answer() == ("9011", "20160801085857223", {"QnRtn": "9"})
        line.say(NOISE)
        assert await line.told() == ACK
    assert [r.value for r in bench.readings] == [50.1]
    assert bench.health.quarantined == 1
    sample = json.loads((tmp_path / "q.jsonl").read_text(encoding="utf-8"))
    assert "check 0880, computed" in sample["why"]
    assert sample["bytes"] == len(wrong) - 2


@pytest.mark.parametrize(
    ("who", "code", "unknown"),
    [
        (Identity(mn=MN, password="000000", system="23"), "3", 0),
        (Identity(mn="F" * 24, password="123456", system="23"), "4", 1),
    ],
)
async def test_who_is_not_known_is_refused_and_counted(
    bench: Bench, who: Identity, code: str, unknown: int
) -> None:
    async with phone(port_of(bench)) as line:
        line.say(real_time(who))
        command, _, cp = await line.answer()
        assert (command, cp) == ("9011", {"QnRtn": code})
        assert bench.health.told() != ()
    assert bench.readings == []
    assert (bench.health.quarantined, bench.health.unknown_senders) == (1, unknown)


async def test_garbage_between_frames_costs_nothing_else(bench: Bench) -> None:
    async with phone(port_of(bench)) as line:
        line.say(b"\xff\x00 AT+CSQ\r\n##01", real_time(), b"###9999", ANNEX_A)
        assert (await line.answer())[0] == "9014"
        assert await line.answer() == ("9011", "20160801085857223", {"QnRtn": "3"})
    assert bench.health.quarantined >= 3  # the modem's words, ###9999, and the annex's password
    assert [r.value for r in bench.readings] == [50.1]


async def test_flags_become_quality(bench: Bench) -> None:
    async with phone(port_of(bench)) as line:
        line.say(real_time(DUST_01, "a34002-Rtd=9,a34002-Flag=D;a34004-Rtd=5,a34004-Flag=N"))
        await line.told()
    assert {(m, q) for _, m, _, q in values(bench)} == {
        ("pm10", Quality.FAULT),
        ("pm25", Quality.NORMAL),
    }


async def test_an_implausible_value_is_kept_and_flagged(bench: Bench) -> None:
    async with phone(port_of(bench)) as line:
        line.say(real_time(value="LA-Rtd=501"))
        await line.told()
    assert values(bench) == [("noise-01", "noise_la", 501, Quality.OVER_RANGE)]


async def test_an_unknown_flag_is_quarantined(bench: Bench) -> None:
    async with phone(port_of(bench)) as line:
        line.say(real_time(value="LA-Rtd=50,LA-Flag=Q"))
        await line.told()
    assert bench.readings == []
    assert bench.health.quarantined == 1


async def test_a_station_may_send_its_own_units(tmp_path: Path) -> None:
    device = station_device("dust-01", DUST_PROFILE, DUST_01, units={"pm10": "ng/m3"})
    bench = Bench(bus(), [device], tmp_path)
    async with bench.running(), phone(port_of(bench)) as line:
        line.say(real_time(DUST_01, "a34002-Rtd=140600.0;a34004-Rtd=75.6"))
        await line.told()
    assert [(m, v) for _, m, v, _ in values(bench)] == [("pm10", 140.6), ("pm25", 75.6)]


async def test_old_and_future_times_are_flagged(bench: Bench) -> None:
    """An old average keeps its time; real-time data of a wrong clock is of now."""
    async with phone(port_of(bench)) as line:
        words = "DataTime=20200101000000;Leq-Data=50"
        line.say(upload(NOISE_01, now(), "2051", words))
        await line.told()
        line.say(real_time(at="20990101000000"))
        await line.told()
    old, future = bench.readings
    assert old.quality is future.quality is Quality.CLOCK_UNSURE
    assert old.observed_ms == 1_577_808_000_000
    assert abs(future.observed_ms - SystemClock().now_ms()) < 60_000


async def test_who_leaves_is_told(bench: Bench) -> None:
    assert any("noise-01: has not connected yet" in told for told in bench.health.told())
    async with phone(port_of(bench)) as line:
        line.say(real_time())
        await line.told()
        assert not any("noise-01" in told for told in bench.health.told())
    await eventually(lambda: "noise-01: disconnected" in bench.health.told())


async def test_a_silent_station_is_told_once(tmp_path: Path) -> None:
    device = station_device("noise-01", NOISE_PROFILE, NOISE_01, period_s=0.1)
    bench = Bench(bus(), [device], tmp_path)
    async with bench.running(), phone(port_of(bench)) as line:
        line.say(real_time())
        await line.told()
        await eventually(lambda: any(isinstance(frame, Silence) for frame in bench.frames))
        await asyncio.sleep(1.5)  # two looks at the clock more
    assert sum(isinstance(frame, Silence) for frame in bench.frames) == 1
    lost = [r for r in bench.readings if r.quality is Quality.COMMUNICATION]
    assert {r.measurement for r in lost} == set(device.measurements)


async def test_who_says_nothing_sound_is_dropped(tmp_path: Path) -> None:
    bench = Bench(bus(identify_within_s=1.5), two_stations(), tmp_path)
    async with bench.running(), phone(port_of(bench)) as slow, phone(port_of(bench)) as known:
        known.say(real_time())
        await known.told()

        async def drip() -> None:
            while True:
                slow.say(b"#")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        await slow.ended()
        dripping.cancel()
        known.say(real_time(value="LA-Rtd=1", at="20200101000000"))
        await known.told()


async def test_who_goes_idle_is_dropped(tmp_path: Path) -> None:
    bench = Bench(bus(idle_s=0.5), two_stations(), tmp_path)
    async with bench.running(), phone(port_of(bench)) as line:
        line.say(real_time())
        await line.told()
        await line.ended()
    assert "noise-01: disconnected" in bench.health.told()


async def test_a_crowd_of_strangers_does_not_keep_stations_out(tmp_path: Path) -> None:
    bench = Bench(bus(max_connections=3), two_stations(), tmp_path)
    port = port_of(bench)
    async with bench.running(), phone(port) as noise, phone(port) as dust:
        for line, who in ((noise, NOISE_01), (dust, DUST_01)):
            line.say(real_time(who))
            await line.told()
        async with phone(port) as first, phone(port) as second:
            await first.ended()
            async with phone(port) as third:
                await second.ended()
                third.say(b"x")
        noise.say(real_time(value="LA-Rtd=1", at="20200101000000"))
        assert (await noise.answer())[0] == "9014"


async def test_who_reads_no_answers_is_dropped(bench: Bench) -> None:
    with closing(socket.create_connection(("127.0.0.1", port_of(bench)))) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        greedy.setblocking(False)
        loop = asyncio.get_running_loop()

        async def talk_on() -> None:
            while True:
                await loop.sock_sendall(greedy, NOISE * 500)

        async with asyncio.timeout(30):
            with pytest.raises(OSError):
                await talk_on()
    assert len(bench.readings) == 1


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listen = Listen(host="127.0.0.1", port=port)
        with pytest.raises(ConfigError) as caught:
            Bench(bus(listen=listen), two_stations(), tmp_path)
    assert str(caught.value) == (
        f"bus stations: listen.port: {port}: Address already in use; choose another"
    )


async def test_a_host_that_is_not_ours_is_named(tmp_path: Path) -> None:
    listen = Listen.model_construct(host="203.0.113.1", port=0)
    with pytest.raises(ConfigError, match=r"listen\.host: 203\.0\.113\.1: Cannot assign"):
        Bench(bus(listen=listen), two_stations(), tmp_path)


async def test_a_bug_ends_the_source(tmp_path: Path) -> None:
    """What is no peer's doing is not swallowed by the event loop."""
    bench = Bench(bus(), two_stations(), tmp_path)

    def broken(_: object, _committed: object = None, /) -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(bench.source.run(broken))
    async with phone(port_of(bench)) as line:
        line.say(real_time())
        async with asyncio.timeout(20):
            await asyncio.wait([task])
    with pytest.raises(ZeroDivisionError):
        task.result()


def test_the_bus_has_the_keys_of_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "hj212.md").read_text(encoding="utf-8")
    of_devices = {"address", "password", "password_file", "units", "period_s"}
    for key in {*Hj212Bus.model_fields, *of_devices}:
        assert f"`{key}`" in text
