from __future__ import annotations

import re
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from cloud.ports import Count
from cloud.series import hot
from cloud.series.lake import LakeStore
from cloud.state import schema
from contract.clock import ManualClock
from contract.errors import StorageError
from contract.quality import Quality
from tests.cloud.series.kit import LakeBench, rows
from tests.suites.series_store import GAS, LAEQ, OK, T0_MS, SeriesStoreSuite, columns_of


class TestLake(SeriesStoreSuite):
    """The suite, on the lake."""


def test_files_are_open_to_any_reader(bench: LakeBench, tmp_path: Path) -> None:
    bench.commit(columns_of([(GAS, 0, 2.5, OK), (LAEQ, 1, float("nan"), Quality.FAULT)]))
    bench.seal()
    (path,) = (tmp_path / "lake").glob("day=2026-09-21/*.parquet")
    table = pq.read_table(path).to_pylist()
    assert [(r["device"], r["measurement"], r["scaled"], r["quality"]) for r in table] == [
        ("d", "noise_laeq", None, int(Quality.FAULT)),
        ("d", "gas_pressure.inlet", 25, 0),
    ]
    assert table[1]["observed_at"].isoformat() == "2026-09-21T14:13:00+00:00"
    assert duckdb.read_parquet(str(path)).shape[0] == 2


def test_a_day_is_a_folder(bench: LakeBench, tmp_path: Path) -> None:
    bench.commit(columns_of([(GAS, 0, 1.0, OK), (GAS, 86_400, 2.0, OK)]))
    bench.seal()
    assert sorted(path.name for path in (tmp_path / "lake").iterdir()) == [
        "day=2026-09-21",
        "day=2026-09-22",
    ]


def test_blocks_the_rules_still_need_stay(bench: LakeBench) -> None:
    bench.commit(rows(5))
    with bench.database.write() as connection:
        hot.append(connection, rows(5, start=5), T0_MS)
    assert bench.sealer.seal().readings == 5
    assert bench.store.count() == Count(stored=10, duplicates=0, hot=5, cold=5)


def test_a_crash_between_file_and_list_doubles_nothing(bench: LakeBench, tmp_path: Path) -> None:
    """The file is there, the transaction is not: as after a kill at the worst moment."""
    bench.commit(rows(5))
    bench.seal()
    (path,) = (tmp_path / "lake").glob("*/*.parquet")
    stray = path.with_name("000000000007-000000000009.parquet")
    stray.write_bytes(path.read_bytes())
    path.with_name("x.tmp").write_bytes(b"half")
    assert bench.store.count().stored == 5
    assert bench.files.recover() == 2
    assert path.exists()
    assert not stray.exists()


def test_a_file_that_lost_readings_is_noticed(bench: LakeBench, tmp_path: Path) -> None:
    bench.commit(rows(5))
    bench.seal()
    (path,) = (tmp_path / "lake").glob("*/*.parquet")
    pq.write_table(pq.read_table(path).slice(0, 3), path)
    with pytest.raises(StorageError, match="bytes, and had"):
        bench.store.count()


def test_a_missing_file_is_a_storage_error(bench: LakeBench, tmp_path: Path) -> None:
    bench.commit(rows(5))
    bench.seal()
    next((tmp_path / "lake").glob("*/*.parquet")).unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        bench.store.range([GAS], T0_MS, T0_MS + 10_000)


def test_a_damaged_block_is_a_storage_error(bench: LakeBench) -> None:
    bench.commit(rows(5))
    with bench.database.write() as connection:
        connection.execute(schema.blocks.update().values(data=b"\x00" * 30))
    with pytest.raises(StorageError, match="damaged"):
        bench.store.range([GAS], T0_MS, T0_MS + 10_000)


def test_a_query_during_a_seal_sees_each_reading_once(bench: LakeBench) -> None:
    for start in range(0, 400, 20):
        bench.commit(rows(20, start=start))
    stop, seen = threading.Event(), set()

    def look() -> None:
        while not stop.is_set():
            seen.add(len(bench.store.range([GAS], T0_MS, T0_MS + 10**9)))

    looker = threading.Thread(target=look)
    looker.start()
    while not seen:
        stop.wait(0.001)
    for start in range(400, 600, 20):
        bench.seal()
        bench.commit(rows(20, start=start))
    stop.set()
    looker.join()
    assert seen <= set(range(400, 601, 20))


def test_what_claims_to_be_from_the_future_is_kept_and_is_not_the_latest(bench: LakeBench) -> None:
    bench.commit(columns_of([(GAS, 0, 2.0, OK), (GAS, 86_400 * 40, 9.0, OK)]))
    assert bench.store.latest([GAS])[GAS].value == 2.0
    bench.seal()
    again = LakeStore(bench.database, bench.folder, ManualClock(T0_MS))
    assert again.latest([GAS])[GAS].value == 2.0
    assert again.count().stored == 2


def test_a_seal_that_fails_leaves_no_files_behind(bench: LakeBench) -> None:
    """A full disk: what is half done would be in its own way."""
    bench.commit(columns_of([(GAS, 0, 1.0, OK), (GAS, 86_400, 2.0, OK)]))
    bench.folder.mkdir()
    blocker = bench.folder / "day=2026-09-22"
    blocker.touch()
    with pytest.raises(StorageError, match="cannot be written"):
        bench.seal()
    assert list(bench.folder.rglob("*.parquet")) == []
    blocker.unlink()
    assert bench.sealer.waiting() == 2
    assert bench.sealer.seal().readings == 2


def test_sealing_when_there_is_nothing_does_nothing(bench: LakeBench) -> None:
    assert bench.sealer.seal().parts == 0
    with bench.database.read() as connection:
        assert connection.execute(sa.select(schema.lake_files)).all() == []


def test_the_examples_of_the_documentation_read_every_value(
    bench: LakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_s = (1_795_305_600_000 - T0_MS) // 1000  # 2026-11-22
    told = [61.3, 1 / 3, 0.0, float("nan"), -2.25, 1e300]
    bench.commit(columns_of([(GAS, at_s + n, value, OK) for n, value in enumerate(told)]))
    bench.seal()
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[3] / "docs" / "lake.md").read_text(encoding="utf-8")
    python, sql = (
        re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)[0]
        for language in ("python", "sql")
    )
    found: dict[str, pa.ChunkedArray] = {}
    exec(python, found)
    expected = [None if value != value else value for value in told]
    assert found["values"].to_pylist() == expected
    relation = duckdb.sql(sql)
    assert relation is not None
    assert relation.to_arrow_table().column("value").to_pylist() == expected
