"""A lake on a real state database, and what its tests do with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloud.core.columns import Columns
from cloud.series import hot
from cloud.series.lake import LakeStore
from cloud.series.lake_files import LakeFiles
from cloud.series.sealer import Keep, Sealer
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.upsert import upsert
from contract.clock import ManualClock
from tests.suites.series_store import GAS, LAEQ, OK, T0_MS, WIND, columns_of

MEASUREMENTS = {LAEQ: "noise_laeq", WIND: "wind_direction", GAS: "gas_pressure.inlet"}
DAY_S = 86_400


@dataclass
class LakeBench:
    """A lake under test; started again() it is what a new process finds."""

    database: Database
    folder: Path
    clock: ManualClock
    store: LakeStore
    files: LakeFiles
    sealer: Sealer

    def commit(self, columns: Columns) -> None:
        with self.database.write() as connection:
            block = hot.append(connection, columns, T0_MS)
            upsert(
                connection,
                schema.engine_snapshot,
                {"id": 1, "block": block, "rules": "", "data": b""},
            )

    def seal(self) -> None:
        self.sealer.seal()

    def tidy(self) -> int:
        """Do all upkeep that is due; return how many pieces it came in."""
        pieces = 0
        while self.files.tidy():
            pieces += 1
        return pieces

    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("day=*/*.parquet"))

    def values(self) -> list[tuple[int, int, float]]:
        """Return everything that can be read, as (series, time, value)."""
        return [
            row
            for part in self.store.read(None, 0, 2**62)
            for row in zip(
                part.series.tolist(), part.observed_ms.tolist(), part.value.tolist(), strict=True
            )
        ]


def lake_bench(
    database: Database, folder: Path, clock: ManualClock | None = None, keep: Keep | None = None
) -> LakeBench:
    """Open a lake; the series must be there."""
    now = clock or ManualClock(T0_MS)
    files = LakeFiles(database, folder, now)
    store = LakeStore(database, folder, ManualClock(T0_MS + 3_600_000))
    return LakeBench(database, folder, now, store, files, Sealer(database, files, now, keep))


def add_series(database: Database) -> None:
    """Make the device and the series of MEASUREMENTS."""
    with database.write() as connection:
        connection.execute(
            schema.devices.insert().values(
                id="d",
                gateway="g",
                kind="",
                profile="",
                name="",
                asset="",
                owner="",
                address="",
                tags={},
                first_seen_ms=0,
            )
        )
        for number, measurement in MEASUREMENTS.items():
            connection.execute(
                schema.series.insert().values(id=number, device="d", measurement=measurement)
            )


def rows(count: int, start: int = 0) -> Columns:
    """Return readings, one a second after T0."""
    return columns_of([(GAS, start + n, n / 10, OK) for n in range(count)])
