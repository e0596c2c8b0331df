"""The suite on a real InfluxDB 1.6.7, and influxdb-client's writes on a real VictoriaMetrics."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cloud.config import InfluxSettings
from cloud.core.columns import Columns
from cloud.ports import Sealing, SeriesName
from cloud.series import hot
from cloud.series.influx.cold import InfluxCold
from cloud.series.influx.server import Server
from cloud.series.influx.store import InfluxStore
from cloud.series.sealer import Keep, Sealer
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.upsert import upsert
from contract.clock import ManualClock
from contract.errors import StorageError
from tests.suites.series_store import GAS, LAEQ, OK, T0_MS, WIND, SeriesStoreSuite, columns_of
from tests.suites.tsdb import TimeSeriesServer, influxdb, victoria_metrics

MEASUREMENTS = {LAEQ: "noise_laeq", WIND: "wind_direction", GAS: "gas_pressure.inlet"}
AGAIN_MS = 120_000


@dataclass
class InfluxBench:
    database: Database
    store: InfluxStore
    cold: InfluxCold
    sealer: Sealer
    clock: ManualClock

    def commit(self, columns: Columns) -> None:
        with self.database.write() as connection:
            block = hot.append(connection, columns, T0_MS)
            snapshot = {"id": 1, "block": block, "rules": "", "data": b""}
            upsert(connection, schema.engine_snapshot, snapshot)

    def seal(self) -> None:
        self.sealer.seal()


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeSeriesServer]:
    server = influxdb(tmp_path_factory.mktemp("influx"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def settings(influx: TimeSeriesServer, request: pytest.FixtureRequest) -> InfluxSettings:
    name = f"db-{abs(hash(request.node.nodeid))}"
    return InfluxSettings(url=influx.url, database=name, write_api="v1")


@pytest.fixture
def bench(database: Database, settings: InfluxSettings) -> Iterator[InfluxBench]:
    with database.write() as connection:
        connection.execute(
            schema.devices.insert().values(
                id="d", gateway="g", kind="", profile="", name="", asset="", owner="", address="",
                tags={}, first_seen_ms=0,
            )
        )  # fmt: skip
        for number, measurement in MEASUREMENTS.items():
            connection.execute(
                schema.series.insert().values(id=number, device="d", measurement=measurement)
            )
    clock = ManualClock(T0_MS)
    server = Server(settings)
    cold = InfluxCold(database, server, clock, AGAIN_MS)
    store = InfluxStore(database, server, ManualClock(T0_MS + 3_600_000))
    yield InfluxBench(
        database, store, cold, Sealer(database, cold, clock, Keep(for_ms=3_600_000)), clock
    )
    server.close()


class TestInflux(SeriesStoreSuite):
    """The suite, on InfluxDB."""


def test_what_was_written_and_not_committed_is_seen_once(bench: InfluxBench) -> None:
    """The sealer was killed between the server's word and its own commit."""
    bench.commit(columns_of([(GAS, 0, 2.0, OK), (GAS, 1, 3.0, OK)]))
    bench.cold.write(
        Sealing(
            columns=columns_of([(GAS, 0, 2.0, OK), (GAS, 1, 3.0, OK)]),
            names={GAS: SeriesName(device="d", measurement=MEASUREMENTS[GAS])},
            first_block=1,
            last_block=1,
        )
    )
    assert bench.store.range([GAS], T0_MS, T0_MS + 2_000).value.tolist() == [2.0, 3.0]
    assert (bench.store.count().stored, bench.store.count().duplicates) == (2, 0)
    bench.seal()
    assert bench.store.range([GAS], T0_MS, T0_MS + 2_000).value.tolist() == [2.0, 3.0]
    assert (bench.store.count().stored, bench.store.count().hot) == (2, 0)


def test_values_come_back_to_the_last_bit(bench: InfluxBench) -> None:
    values = [0.1 + 0.2, 1e-300, 1.7976931348623157e308, -0.0, 43.300000000000004, 5e-324]
    bench.commit(columns_of([(GAS, n, value, OK) for n, value in enumerate(values)]))
    bench.seal()
    assert bench.store.range([GAS], T0_MS, T0_MS + 60_000).value.tolist() == values


def test_more_than_a_chunk_is_read_whole(bench: InfluxBench) -> None:
    rows = 25_000
    bench.commit(
        Columns(
            series=np.full(rows, GAS, np.int32),
            observed_ms=T0_MS + np.arange(rows, dtype=np.int64) * 10,
            value=np.arange(rows, dtype=np.float64),
            quality=np.zeros(rows, np.uint16),
        )
    )
    bench.seal()
    found = bench.store.range([GAS], T0_MS, T0_MS + 3_600_000)
    assert found.value.tolist() == list(range(rows))


def test_a_server_that_is_down_loses_nothing(
    bench: InfluxBench, tmp_path: Path, database: Database
) -> None:
    server = influxdb(tmp_path)
    settings = InfluxSettings(url=server.url, write_api="v1")
    cold = InfluxCold(database, Server(settings), bench.clock, AGAIN_MS)
    sealer = Sealer(database, cold, bench.clock, Keep(for_ms=3_600_000))
    bench.commit(columns_of([(GAS, 0, 2.0, OK)]))
    with pytest.raises(StorageError, match=rf"InfluxDB at {server.url} failed a write"):
        sealer.seal()
    assert sealer.waiting() == 1
    server.start()
    try:
        assert sealer.seal().readings == 1
        store = InfluxStore(database, Server(settings), bench.clock)
        assert store.count().cold == 1
        server.kill()
        with pytest.raises(StorageError, match="failed a query"):
            store.count()
    finally:
        server.kill()


def test_a_wrong_statement_is_told(bench: InfluxBench, settings: InfluxSettings) -> None:
    with pytest.raises(StorageError, match=r"failed a query: .*error parsing query"):
        list(Server(settings).query("SELECT FROM"))


def test_what_was_sealed_is_written_once_more(bench: InfluxBench) -> None:
    bench.commit(columns_of([(GAS, 0, 2.0, OK)]))
    bench.seal()
    assert not bench.cold.tidy()  # too young
    bench.clock.advance_ms(AGAIN_MS)
    assert bench.cold.tidy()
    assert not bench.cold.tidy()  # once
    assert bench.store.count().stored == 1


@pytest.mark.chaos
def test_what_victoria_metrics_forgets_at_a_kill_comes_again(
    bench: InfluxBench, tmp_path: Path, database: Database
) -> None:
    """It acknowledges before it writes to disk: measured, with influxdb-client's own write API."""
    server = victoria_metrics(tmp_path)
    server.start()
    try:
        settings = InfluxSettings(url=f"{server.url}/influx", database="gw", write_api="v2")
        cold = InfluxCold(database, Server(settings), bench.clock, AGAIN_MS)
        sealer = Sealer(database, cold, bench.clock, Keep(for_ms=3_600_000))
        bench.commit(columns_of([(GAS, n, n / 8, OK) for n in range(200)]))
        assert sealer.seal().readings == 200
        server.kill()
        server.start()
        bench.clock.advance_ms(AGAIN_MS)
        assert cold.tidy()
        assert exported(server) == {T0_MS + n * 1000: n / 8 for n in range(200)}
    finally:
        server.kill()


def exported(server: TimeSeriesServer) -> dict[int, float]:
    """Return what VictoriaMetrics has of the gas pressure, by time."""
    urllib.request.urlopen(f"{server.url}/internal/force_flush", timeout=30).close()
    query = "match[]=%7B__name__%3D%22gas_pressure.inlet_value%22%7D"
    with urllib.request.urlopen(f"{server.url}/api/v1/export?{query}", timeout=30) as answer:
        found: dict[int, float] = {}
        for line in answer:
            told = json.loads(line)
            found |= dict(zip(told["timestamps"], told["values"], strict=True))
    return found
