"""Upload to a platform over real sockets: loss of connection, lost answers, a kill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from contract.clock import ManualClock, SystemClock
from contract.errors import ConfigError
from contract.quality import Quality
from contract.readings import Reading
from device_profiles.loader import load_profile
from edge.config import EdgeConfig, load
from edge.core.hj212_report import Sample
from edge.core.schedule import Backoff
from edge.health import Health
from edge.north.feed import Feeding
from edge.north.hj212 import Hj212Upload
from edge.north.outbox import Outbox, Plan
from simulators.hj212_frames import Identity
from tests.edge.agent import agent
from tests.edge.core.hj212_kit import MN, NOW_MS
from tests.edge.drivers.test_hj212 import DUST_PROFILE, bus, port_of, station_device
from tests.edge.kit import Bench, eventually, free_port
from tests.edge.north.platforms import Platform

CONFIG = """
gateway: cabinet-1
broker: {{host: 127.0.0.1, port: {nowhere}, tls: false}}
north:
  - id: bureau
    protocol: hj212
    host: 127.0.0.1
    port: {port}
    mn: 010000A8900016F000169DC0
    st: '39'
    password_file: bureau.pw
    devices: [dust-01, noise-01]
    {more}
buses:
  - {{id: tcp, driver: modbus_tcp, host: 127.0.0.1, port: {nowhere}}}
devices:
  - {{id: dust-01, profile: dust/rs485-pm-transmitter, bus: tcp, unit_id: 1}}
  - {{id: noise-01, profile: noise/rs485-sound, bus: tcp, unit_id: 2}}
"""
SECOND_MS, MINUTE_MS = 1_000, 60_000


def config(folder: Path, port: int, more: str = "") -> Path:
    path = folder / "edge.yaml"
    secret = folder / "bureau.pw"
    if not secret.exists():
        secret.write_text("123456", encoding="ascii")
        secret.chmod(0o600)
    path.write_text(CONFIG.format(port=port, nowhere=free_port(), more=more), encoding="utf-8")
    return path


class Line:
    """An upload to a platform, on a clock that the test moves."""

    def __init__(self, folder: Path, platform: Platform) -> None:
        self.config: EdgeConfig = load(config(folder, platform.port))
        self.clock = ManualClock(NOW_MS)
        self.restart()

    def restart(self) -> None:
        self.health = Health(self.clock)
        (north,) = self.config.norths
        self.upload: Hj212Upload = north.open(
            self.config.buffer.path, self.config.devices, self.clock, self.health
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.upload.run())
            await eventually(lambda: bool(self.figures))  # reports are due from now on
            yield
            task.cancel()
        await self.upload.close()

    async def measure(self, value: float = 72.0) -> None:
        """A minute passes, with a sample at its end, and is on disk."""
        self.clock.advance_ms(MINUTE_MS)
        done = asyncio.Event()
        at_ms = self.clock.now_ms()
        self.upload.put([Reading("dust-01", "pm10", at_ms, value)], done.set)
        await asyncio.wait_for(done.wait(), 20)

    @property
    def figures(self) -> dict[str, int]:
        return self.health.norths.get("bureau", {})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.north.hj212.COMMIT_S", 0.05)
    monkeypatch.setattr("edge.north.hj212.RECONNECTING", Backoff(first_s=0.05, most_s=0.2))


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    platform = Platform()
    async with platform.running():
        yield platform


async def test_reports_arrive_in_order_and_are_acknowledged(
    tmp_path: Path, platform: Platform
) -> None:
    line = Line(tmp_path, platform)
    platform.doubling = True
    async with line.running():
        for value in (71.0, 72.0):
            await line.measure(value)
        await eventually(lambda: line.figures.get("acknowledged") == 2)
    assert [each.words["a34002-Rtd"] for each in platform.data] == ["71", "72"]
    assert set(platform.times.values()) == {1}
    assert line.figures["held"] == 0
    assert "north.bureau.held" in line.health.figures()


async def test_what_is_not_acknowledged_is_sent_again_with_its_number(
    tmp_path: Path, platform: Platform
) -> None:
    line = Line(tmp_path, platform)
    platform.deaf = True
    async with line.running():
        await line.measure()
        await eventually(lambda: len(platform.data) == 1)
        line.clock.advance_ms(10 * SECOND_MS)
        await eventually(lambda: len(platform.data) == 2)
        platform.deaf = False
        line.clock.advance_ms(10 * SECOND_MS)
        await eventually(lambda: line.figures.get("acknowledged") == 1)
    assert [*platform.times.values()] == [3]


async def test_a_connection_that_breaks_loses_nothing(tmp_path: Path, platform: Platform) -> None:
    line = Line(tmp_path, platform)
    platform.drop_after = 2
    async with line.running():
        for value in (71.0, 72.0, 73.0):
            await line.measure(value)
        await eventually(lambda: line.figures.get("acknowledged") == 3)
    assert platform.connections > 1
    assert {each.words["a34002-Rtd"] for each in platform.data} == {"71", "72", "73"}
    assert len(platform.times) == 3, "doubles have the same number and time"


async def test_a_platform_that_is_away_is_told_and_hears_everything_later(tmp_path: Path) -> None:
    platform = Platform()
    platform.port = free_port()
    line = Line(tmp_path, platform)
    async with line.running():
        await line.measure(71.0)
        await eventually(lambda: "north bureau" in line.health.problems)
        async with platform.running():
            await eventually(lambda: line.figures.get("acknowledged") == 1)
            await eventually(lambda: not line.health.problems)


async def test_an_upload_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, platform: Platform
) -> None:
    line = Line(tmp_path, platform)
    platform.deaf = True
    async with line.running():
        await line.measure()
        await eventually(lambda: len(platform.data) == 1)
    line.restart()
    platform.deaf = False
    async with line.running():
        await eventually(lambda: line.figures.get("acknowledged") == 1)
    assert [*platform.times.values()] == [2]


async def test_requests_are_answered(tmp_path: Path, platform: Platform) -> None:
    line = Line(tmp_path, platform)
    async with line.running():
        await line.measure()
        await eventually(lambda: line.figures.get("acknowledged") == 1)
        platform.ask("2011", "BeginTime=20261122120000;EndTime=20261122130000")
        await eventually(lambda: platform.came[-1].command == "9012")
        assert platform.came[-1].words == {"ExeRtn": "1"}
        assert platform.came[-2].words["a34002-Rtd"] == "72"
        platform.ask("1062", "RtdInterval=30")
        await eventually(lambda: len([c for c in platform.came if c.command == "9012"]) == 2)
    line.restart()
    async with line.running():
        await eventually(lambda: platform.connections == 2)
        platform.ask("1061")
        await eventually(lambda: any("RtdInterval" in each.words for each in platform.came))
    assert {"RtdInterval": "30"} in [each.words for each in platform.came]


async def test_our_own_station_server_reads_what_we_upload(tmp_path: Path) -> None:
    who = Identity(mn=MN, password="123456", system="39")
    bench = Bench(bus(), [station_device("dust-09", DUST_PROFILE, who)], tmp_path)
    platform = Platform()
    platform.port = port_of(bench)
    line = Line(tmp_path, platform)
    async with bench.running(), line.running():
        for _ in range(2):
            await line.measure()
        await eventually(lambda: line.figures.get("acknowledged") == 2)
    assert {(r.measurement, r.value) for r in bench.readings} == {("pm10", 72.0)}
    assert bench.health.quarantined == 0


class Slow:
    """A Sink that says when."""

    def __init__(self) -> None:
        self.waiting: list[object] = []

    def put(self, _: object, *, on_commit: object = None, **__: object) -> None:
        self.waiting.append(on_commit)


async def test_a_sender_waits_for_every_file(tmp_path: Path, platform: Platform) -> None:
    line, slow = Line(tmp_path, platform), Slow()
    feeding = Feeding(slow, [line.upload])  # type: ignore[arg-type]
    told: list[str] = []
    async with line.running():
        reading = Reading("dust-01", "pm10", NOW_MS, 72.0)
        feeding.put([reading], urgent=False, on_commit=lambda: told.append("both"))
        other = Reading("gas-01", "gas_pressure", NOW_MS, 2.1)
        feeding.put([other], urgent=True, on_commit=lambda: told.append("buffer"))
        await eventually(lambda: "held" in line.figures)
        assert told == []
        for committed in slow.waiting:
            assert callable(committed)
            committed()
        await eventually(lambda: sorted(told) == ["both", "buffer"])


async def test_kill_9_loses_nothing_and_doubles_by_number_only(
    tmp_path: Path, platform: Platform
) -> None:
    path = config(tmp_path, platform.port)
    loaded = load(path)
    (north,) = loaded.norths
    plan = Plan(
        factors=north.all_factors({d.id: d for d in loaded.devices}),
        zone=ZoneInfo("Asia/Shanghai"),
        real_time_s=30,
        minutes=10,
        kept_ms=366 * 86_400_000,
        max_bytes=10**8,
    )
    file = tmp_path / "buffer.sqlite.north-bureau.sqlite"
    outbox = Outbox(file, plan)
    start_ms = SystemClock().now_ms() - 3_600_000
    for at_ms in range(start_ms, start_ms + 20 * 30_000, 30_000):
        outbox.take([("a34002", Sample(at_ms, 72.0, Quality.NORMAL))], at_ms)
    wanted = {report.qn for report in outbox.waiting(1_000)}
    outbox.close()
    assert len(wanted) > 15
    platform.drop_after = 5
    for _ in range(2):
        seen = len(platform.data)
        async with agent(path) as running:
            await eventually(lambda before=seen: len(platform.data) > before + 3)  # type: ignore[misc]
            running.kill()
            await running.wait()
    platform.drop_after = 0
    async with agent(path):
        await eventually(lambda: wanted <= {each.qn for each in platform.data})
    by_qn = {each.qn: each.words["DataTime"] for each in platform.data}
    assert len(set(platform.times)) == len(by_qn)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("st: 39", "duplicate"),
        ("factors: {pm11: a1}", "north[0].factors.pm11: no measurement; did you mean pm1"),
        ("factors: {pm25: a34002}", "a34002 is both pm25 of dust-01 and pm10 of dust-01"),
        ("minute: 5", "unknown key"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config(tmp_path, 9212, more))
    assert words in str(caught.value)


def test_a_device_or_a_password_that_cannot_be_is_told(tmp_path: Path) -> None:
    path = config(tmp_path, 9212)
    path.write_text(path.read_text("utf-8").replace("[dust-01, noise", "[dust-02, noise"), "utf-8")
    (tmp_path / "bureau.pw").write_text("1234567", encoding="ascii")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "unknown device 'dust-02'; did you mean dust-01?" in str(caught.value)
    assert "password_file: holds no PW: at most 6 characters" in str(caught.value)


def test_levels_give_leq_unless_a_device_gives_it(tmp_path: Path) -> None:
    loaded = load(config(tmp_path, 9212))
    factors = loaded.norths[0].all_factors({device.id: device for device in loaded.devices})
    assert [(f.code, f.levels) for f in factors] == [
        ("a34004", False),
        ("a34002", False),
        ("LA", True),
    ]
    assert load_profile("noise/hj212-noise-station").hj212 is not None
