from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.series.backup import backup, restore
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from contract.errors import ConfigError, StorageError
from tests.cloud.series.kit import LakeBench, lake_bench, rows
from tests.suites.series_store import GAS, T0_MS


def restored(source: Path, data: Path) -> LakeBench:
    restore(source, data)
    return lake_bench(Database(sqlite_url(data / "state.sqlite")), data / "lake")


def test_what_was_committed_before_is_there_once(bench: LakeBench, tmp_path: Path) -> None:
    bench.commit(rows(5))
    bench.seal()
    bench.commit(rows(5, start=5))
    expected = bench.values()
    assert backup(bench.database, bench.folder.parent, tmp_path / "copy").files == 1
    bench.commit(rows(1, start=99))
    bench.seal()
    again = restored(tmp_path / "copy", tmp_path / "new")
    assert again.values() == expected
    assert again.store.count().duplicates == 0
    assert again.store.latest([GAS])[GAS].observed_ms == T0_MS + 9_000
    again.commit(rows(1, start=10))  # what the gateways send again
    again.seal()
    assert len(again.values()) == 11
    again.database.close()


def test_a_backup_of_a_lake_at_work_is_of_one_moment(bench: LakeBench, tmp_path: Path) -> None:
    stop = threading.Event()
    committed: list[int] = []

    def work() -> None:
        while not stop.is_set():
            bench.commit(rows(10, start=10 * len(committed)))
            committed.append(10)
            bench.seal()
            bench.tidy()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(3):
            before = sum(committed)
            while sum(committed) < before + 30:
                stop.wait(0.001)
            told = sum(committed)
            backup(bench.database, bench.folder.parent, tmp_path / f"copy{number}")
            again = restored(tmp_path / f"copy{number}", tmp_path / f"new{number}")
            found = [at for _, at, _ in again.values()]
            again.database.close()
            assert found == [T0_MS + 1000 * n for n in range(len(found))]
            assert len(found) >= told
    finally:
        stop.set()
        worker.join()


def test_a_folder_that_is_there_is_left_alone(bench: LakeBench, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        backup(bench.database, bench.folder.parent, tmp_path / "copy")
    with pytest.raises(ConfigError, match=r"has no state.sqlite"):
        restore(tmp_path / "copy", tmp_path / "new")
    backup(bench.database, bench.folder.parent, tmp_path / "copy2")
    restore(tmp_path / "copy2", tmp_path / "new")
    with pytest.raises(ConfigError, match="only into a new data folder"):
        restore(tmp_path / "copy2", tmp_path / "new")


def test_a_damaged_backup_is_not_restored(bench: LakeBench, tmp_path: Path) -> None:
    bench.commit(rows(5))
    bench.seal()
    backup(bench.database, bench.folder.parent, tmp_path / "copy")
    (path,) = (tmp_path / "copy" / "lake").glob("*/*.parquet")
    path.unlink()
    with pytest.raises(StorageError, match="nothing was restored"):
        restore(tmp_path / "copy", tmp_path / "new")
    assert not (tmp_path / "new" / "state.sqlite").exists()


def test_a_backup_cut_short_is_no_backup(
    bench: LakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.commit(rows(5))
    bench.seal()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cloud.series.backup._link", full)
        with pytest.raises(StorageError, match="No space left"):
            backup(bench.database, bench.folder.parent, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    backup(bench.database, bench.folder.parent, tmp_path / "copy")
    with bench.database.read() as connection:
        assert len(connection.execute(sa.select(schema.lake_files)).all()) == 1


def test_a_backup_that_names_files_elsewhere_is_refused(bench: LakeBench, tmp_path: Path) -> None:
    bench.commit(rows(5))
    bench.seal()
    copy, new = tmp_path / "copy", tmp_path / "there" / "new"
    backup(bench.database, bench.folder.parent, copy)
    (named,) = (path for path in (copy / "lake").rglob("*.parquet"))
    outside = "../../outside.parquet"
    (copy / "lake" / outside).write_bytes(named.read_bytes())
    forged = Database(sqlite_url(copy / "state.sqlite"))
    with forged.write() as connection:
        connection.execute(sa.update(schema.lake_files).values(path=outside))
    forged.close()
    with pytest.raises(ConfigError, match="names a file outside of it"):
        restore(copy, new)
    assert not (new.parent / "outside.parquet").exists()
