"""The buffer file: the suite, damage, another reader, and kill -9 in the middle of commits."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from contract.codec import decode_batch
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.readings import Reading
from edge.store import SqliteStore, open_store
from edge.store_look import read_figures
from edge.store_schema import CorruptError
from tests.edge.memory_store import Disk, MemoryStore
from tests.suites.buffers import NOW_MS, OpenStore, StoreSuite, numbers, readings

GENEROUS = {"max_bytes": 10_000_000, "max_age_ms": 10**12}


def opened(path: Path, *, fresh: bool = False) -> SqliteStore:
    return open_store(path, max_bytes=10_000_000, max_age_ms=10**12, fresh=fresh)


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        path = tmp_path / "buffer.sqlite"
        return cast("OpenStore", partial(_open, path))


def _open(path: Path, *, max_bytes: int = 10_000_000, max_age_ms: int = 10**12) -> SqliteStore:
    return SqliteStore(path, max_bytes=max_bytes, max_age_ms=max_age_ms)


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        disk = Disk()

        def open_memory(*, max_bytes: int = 10_000_000, max_age_ms: int = 10**12) -> MemoryStore:
            return MemoryStore(disk, max_bytes=max_bytes, max_age_ms=max_age_ms)

        return open_memory


def test_every_file_has_an_epoch_of_its_own(tmp_path: Path) -> None:
    stores = [opened(tmp_path / name) for name in ("a", "b")]
    assert stores[0].epoch != stores[1].epoch
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda b: b"no database at all, but long enough to be read" * 99, id="text"),
        pytest.param(lambda b: b[:8192] + bytes(len(b) - 8192), id="zeroed"),
        pytest.param(lambda b: b[:100] + b"\xff" * 900 + b[1000:], id="overwritten"),
    ],
)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "buffer.sqlite"
    store = opened(path)
    for _ in range(50):
        store.commit([], readings(500), NOW_MS, None)
    store.close()
    epoch = store.epoch
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    again = opened(path)
    assert again.epoch != epoch
    assert numbers(again.commit([], readings(1), NOW_MS, None)) == [1]
    again.close()
    assert (tmp_path / "buffer.sqlite.damaged-1").exists()
    assert "set aside" in caplog.text


def test_a_second_damaged_file_does_not_overwrite_the_first(tmp_path: Path) -> None:
    path = tmp_path / "buffer.sqlite"
    for _ in range(2):
        path.write_bytes(b"x" * 5000)
        opened(path).close()
    assert (tmp_path / "buffer.sqlite.damaged-2").exists()


def test_damage_met_while_running_is_told_apart_from_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "buffer.sqlite"
    store = opened(path)
    for _ in range(50):
        store.commit([], readings(500), NOW_MS, None)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    store._db.execute("PRAGMA shrink_memory")
    with pytest.raises(CorruptError):
        store.waiting((), 1_000)
    store.close()


def test_a_full_disk_is_a_storage_error_and_nothing_is_half_committed(tmp_path: Path) -> None:
    store = opened(tmp_path / "buffer.sqlite")
    store.commit([], readings(10), NOW_MS, None)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")  # what SQLite does when the disk is full
    store.acknowledge(IntervalSet([(1, 1)]))
    with pytest.raises(StorageError, match="full"):
        store.commit([], readings(1_000 * 50), NOW_MS, None)
    held = store.figures()
    assert (held.published_readings, held.held_batches, held.held_readings) == (10, 1, 10)
    assert store.waiting((), 10) == []  # the acknowledgement is not forgotten
    store._db.execute("PRAGMA max_page_count = 100000")
    assert len(store.commit([], readings(50_000), NOW_MS, None)) == 50
    assert store.figures().held_readings == 50_000
    store.close()


def test_figures_can_be_read_beside_the_running_agent(tmp_path: Path) -> None:
    path = tmp_path / "a name with %20 and ?" / "buffer.sqlite"
    path.parent.mkdir()
    store = opened(path)
    store.commit([], readings(10), NOW_MS, None)
    assert read_figures(path, 10_000_000) == store.figures()
    store.commit([], readings(10), NOW_MS, None)
    assert read_figures(path, 10_000_000) == store.figures()
    store.close()
    assert read_figures(path, 10_000_000).held_readings == 20
    again = opened(path)
    assert again.figures().held_readings == 20
    again.close()


def test_figures_of_what_is_no_buffer_are_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("something else entirely", encoding="utf-8")
    with pytest.raises(StorageError):
        read_figures(tmp_path / "other", 1)
    with pytest.raises(StorageError):
        read_figures(tmp_path / "nothing", 1)


# Commits batch after batch, each of one device named after its number, and tells of each on stdout.
CHILD = """
import sys
from pathlib import Path
from contract.readings import Reading
from edge.store import open_store
store = open_store(Path(sys.argv[1]), max_bytes=10**8, max_age_ms=10**12, fresh=False)
print("open", flush=True)
while True:
    number = store.figures().published_batches + 1
    readings = [Reading(f"d{number}", "pm10", 1_790_000_000_000 + i, i / 3) for i in range(400)]
    store.commit([], readings, 1_790_000_000_000, None)
    print(number, flush=True)
"""


@pytest.mark.chaos
def test_kill_9_in_the_middle_of_commits_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "buffer.sqlite"
    for moment in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        said = 0
        for _ in range(3):
            said = int(child.stdout.readline())
        time.sleep(moment * 0.0007)  # anywhere within a commit
        os.kill(child.pid, signal.SIGKILL)
        said = max([said, *(int(line) for line in child.stdout.read().split())])
        child.stdout.close()
        child.wait()
        store = opened(path)
        held = store.figures()
        assert held.published_batches in (said, said + 1)  # the last may not have been told
        assert held.published_readings == 400 * held.published_batches
        waiting = store.waiting((), 10_000)
        assert numbers(waiting) == list(range(1, held.published_batches + 1))
        for each in waiting:
            batch = decode_batch(each.payload).batch
            assert batch.epoch == held.epoch
            assert [r.device for r in batch.readings] == [f"d{each.seq}"] * 400
            assert batch.readings[-1] == Reading(f"d{each.seq}", "pm10", NOW_MS + 399, 399 / 3)
        store.close()
    assert not list(tmp_path.glob("*.damaged*"))


def test_the_file_is_synced_at_every_commit(tmp_path: Path) -> None:
    store = opened(tmp_path / "buffer.sqlite")
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()
    assert sqlite3.threadsafety in (1, 3)
