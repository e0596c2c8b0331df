from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from cloud.core.retention import RawRetention
from cloud.series import retention
from cloud.series.lake_files import LakeFiles
from cloud.state import schema
from contract.errors import StorageError
from tests.cloud.series.kit import DAY_S, LakeBench
from tests.suites.series_store import GAS, LAEQ, OK, T0_MS, WIND, columns_of

KEEP = RawRetention(days=10, quantities={"noise_laeq": 1})


def kept(bench: LakeBench) -> LakeBench:
    files = LakeFiles(bench.database, bench.folder, bench.clock, KEEP)
    return replace(bench, files=files)


def fill(bench: LakeBench) -> None:
    bench.commit(
        columns_of([(n, day * DAY_S, 1.5, OK) for n in (LAEQ, WIND, GAS) for day in (0, 1)])
    )
    bench.seal()


def test_each_quantity_goes_at_its_own_time(bench: LakeBench) -> None:
    bench = kept(bench)
    fill(bench)
    assert bench.tidy() == 0
    bench.clock.set_now_ms(T0_MS + 2 * DAY_S * 1000)
    assert bench.tidy() == 1
    assert [row[0] for row in bench.values()] == [WIND, GAS, LAEQ, WIND, GAS]
    assert bench.tidy() == 0  # done once
    bench.clock.set_now_ms(T0_MS + 11 * DAY_S * 1000)
    assert bench.tidy() == 2  # the first day whole, the second's LAeq
    assert [row[0] for row in bench.values()] == [WIND, GAS]
    assert len(bench.paths()) == 1
    assert [folder.name for folder in bench.folder.glob("day=*")] == ["day=2026-09-22"]
    assert bench.store.count().stored == 2


def test_what_goes_is_written_down(bench: LakeBench) -> None:
    fill(bench)
    now_ms = T0_MS + 2 * DAY_S * 1000
    (due,) = retention.due(bench.database, KEEP, now_ms)
    assert str(due).startswith("2026-09-21: noise_laeq of 3 readings (day=2026-09-21/")
    assert retention.expire(bench.database, bench.folder, due, "anna", now_ms) == 1
    with bench.database.read() as connection:
        (row,) = connection.execute(sa.select(schema.audit)).all()
    assert (row.who, row.action) == ("anna", "readings.expired")
    assert row.note == "1 readings of 2026-09-21: noise_laeq"


def test_a_file_replaced_meanwhile_is_left_alone(bench: LakeBench) -> None:
    fill(bench)
    now_ms = T0_MS + 2 * DAY_S * 1000
    (due,) = retention.due(bench.database, KEEP, now_ms)
    retention.expire(bench.database, bench.folder, due, "anna", now_ms)
    before = bench.values()
    with pytest.raises(StorageError):
        retention.expire(bench.database, bench.folder, due, "anna", now_ms)
    assert bench.values() == before


def test_nothing_goes_by_default(bench: LakeBench) -> None:
    fill(bench)
    bench.clock.set_now_ms(T0_MS + 10_000 * DAY_S * 1000)
    assert bench.tidy() == 0
    assert len(bench.values()) == 6
