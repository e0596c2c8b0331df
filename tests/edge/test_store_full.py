"""A buffer file that is full, on a disk that is, damaged, copied, or of an older agent."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from contract.codec import decode_batch
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.quantities import Kind
from contract.readings import Batch, Reading
from edge.core.thinning import URGENT_KINDS, ladder
from edge.ports import Stored
from edge.reserve import Reserve
from edge.set_aside import set_aside
from edge.store import SqliteStore, open_store
from edge.store_look import look_inside, read_figures
from edge.store_schema import TABLES
from tests.suites.buffers import NOW_MS, batches_of, readings

KINDS = {"dust-01": Kind.DUST, "gas-01": Kind.GAS, "cover-01": Kind.MANHOLE}
STEPS = ladder((60, 600), URGENT_KINDS, ())


def opened(
    path: Path, max_bytes: int = 50_000_000, *, fresh: bool = False, reserve_bytes: int = 0
) -> SqliteStore:
    return open_store(
        path,
        max_bytes=max_bytes,
        max_age_ms=10**12,
        fresh=fresh,
        steps=STEPS,
        kinds=KINDS,
        reserve_bytes=reserve_bytes,
    )


def held(store: SqliteStore) -> list[Batch]:
    return batches_of(store.waiting((), 10**9))


def commit_second(store: SqliteStore, second: int) -> list[Stored]:
    """One second of a street: a noisy dust monitor of ten series, and gas."""
    at_ms = NOW_MS + second * 1000
    dust = [Reading("dust-01", f"pm10.c{i}", at_ms, (second * 7 + i) % 83 / 7) for i in range(10)]
    gas = [Reading("gas-01", "gas_pressure", at_ms, 2.0 + second % 5)]
    return store.commit(gas, dust, at_ms, None)


def check_accounts(store: SqliteStore, committed: int) -> None:
    """Every number is held or named by a gap; every reading is held or counted as given up."""
    figures, batches = store.figures(), held(store)
    gaps = [gap for batch in batches for gap in batch.gaps]
    closed = [
        number
        for batch in batches
        for gap in batch.gaps
        if gap.first_seq != batch.seq
        for number in range(gap.first_seq, gap.last_seq + 1)
    ]
    numbers = [batch.seq for batch in batches]
    assert sorted(closed + numbers) == list(range(1, figures.next_seq))
    assert sum(len(batch.readings) for batch in batches) == figures.held_readings
    assert figures.held_readings + sum(gap.readings for gap in gaps) == committed


def test_a_full_buffer_is_thinned_by_class_and_each_reading_accounted_for(tmp_path: Path) -> None:
    store = opened(tmp_path / "b", max_bytes=120_000)
    for second in range(1_500):
        commit_second(store, second)
        assert store.figures().held_bytes <= 120_000
    check_accounts(store, 1_500 * 11)
    batches = held(store)
    reasons = {gap.reason for batch in batches for gap in batch.gaps}
    assert reasons >= {
        "buffer full, thinned to one reading in 60 s",
        "buffer full, thinned to one reading in 600 s",
    }
    dust = [r for batch in batches for r in batch.readings if r.measurement == "pm10.c0"]
    gas = [r for batch in batches for r in batch.readings if r.device == "gas-01"]
    assert len(gas) > 5 * len(dust)  # alarms of gas are the last to go
    assert dust[0].observed_ms < NOW_MS + 600_000  # an old one is still there
    assert dust[-1].observed_ms == gas[-1].observed_ms == NOW_MS + 1_499_000  # never the newest
    store.close()
    again = opened(tmp_path / "b", max_bytes=120_000)
    for second in range(1_500, 1_700):
        commit_second(again, second)
    check_accounts(again, 1_700 * 11)
    again.close()


def test_a_batch_that_loses_a_part_tells_so_itself(tmp_path: Path) -> None:
    store = opened(tmp_path / "b", max_bytes=30_000)
    for second in range(400):
        both = [
            *readings(3, NOW_MS + second * 1000),
            Reading("cover-01", "tilt", NOW_MS + second, 1.0),
        ]
        store.commit([], both, NOW_MS, None)
    own = [
        (batch, gap) for batch in held(store) for gap in batch.gaps if gap.first_seq == batch.seq
    ]
    assert own
    assert all(len(batch.readings) + gap.readings == 4 for batch, gap in own)
    check_accounts(store, 1_600)
    store.close()


def test_a_batch_under_way_that_is_thinned_stays_what_it_was(tmp_path: Path) -> None:
    """What the cloud may have already, under a number, only ever becomes a part of itself."""
    store = opened(tmp_path / "b", max_bytes=60_000)
    sent: dict[int, set[Reading]] = {}
    for second in range(800):
        for stored in commit_second(store, second):
            sent[stored.seq] = set(decode_batch(stored.payload).batch.readings)
    for batch in held(store):
        assert set(batch.readings) <= sent[batch.seq]
    store.close()


def test_what_was_thinned_is_looked_at_once(tmp_path: Path) -> None:
    store = opened(tmp_path / "b", max_bytes=60_000)
    for second in range(400):
        commit_second(store, second)
    reads = 0
    read = store._rows.read

    def counted(seq: int) -> Batch:
        nonlocal reads
        reads += 1
        return read(seq)

    store._rows.read = counted  # type: ignore[method-assign]
    for second in range(400, 800):
        commit_second(store, second)
    assert reads < 5 * 800  # each batch by each of four steps at most, and one pass to spare
    store.close()


def test_a_full_disk_makes_the_oldest_give_way_until_there_is_room_again(tmp_path: Path) -> None:
    """As the disk being full, but in a way that any machine can have: SQLite's own bound."""
    clock = [0.0]
    reserve = Reserve(tmp_path / "reserve", 100_000)
    store = SqliteStore(
        tmp_path / "b",
        max_bytes=50_000_000,
        max_age_ms=10**12,
        steps=STEPS,
        kinds=KINDS,
        reserve=reserve,
        monotonic_s=lambda: clock[0],
    )
    for second in range(300):
        commit_second(store, second)
    assert reserve.is_there
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    for second in range(300, 900):
        commit_second(store, second)
    assert store.figures().disk_full
    assert list(tmp_path.glob("reserve")) == []
    check_accounts(store, 900 * 11)
    assert any("disk full" in gap.reason for batch in held(store) for gap in batch.gaps)
    store._db.execute("PRAGMA max_page_count = 1000000")
    clock[0] = 60.0
    before = store.figures().held_readings
    commit_second(store, 900)
    assert not store.figures().disk_full
    assert reserve.is_there
    assert store.figures().held_readings == before + 11
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "gridwarden-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_real_full_disk_nothing_committed_is_lost_unsaid_and_it_recovers(
    small_disk: Path,
) -> None:
    store = opened(small_disk / "b", reserve_bytes=1_000_000)
    others = small_disk / "others"
    with others.open("wb", buffering=0) as file:
        for second in range(200):
            commit_second(store, second)
        with suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        for second in range(200, 2_000):
            commit_second(store, second)
        assert store.figures().disk_full
        check_accounts(store, 2_000 * 11)
    store.close()
    again = opened(small_disk / "b", reserve_bytes=1_000_000)  # also a start on a full disk
    check_accounts(again, 2_000 * 11)
    commit_second(again, 2_000)
    others.unlink()
    again.close()
    last = opened(small_disk / "b", reserve_bytes=1_000_000)
    assert not last.figures().disk_full
    commit_second(last, 2_001)
    check_accounts(last, 2_002 * 11)
    last.close()


def test_a_reserve_takes_room_and_gives_it_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "r", 50_000)
    assert not reserve.is_there
    assert reserve.allocate()
    assert reserve.allocate()
    assert (tmp_path / "r").stat().st_blocks * 512 >= 50_000
    assert reserve.release()
    assert not reserve.release()
    assert not Reserve(tmp_path / "r", 2**62).allocate()  # not on any disk
    assert not Reserve(tmp_path / "nowhere" / "r", 5).allocate()
    assert Reserve(tmp_path / "none", 0).allocate()
    assert list(tmp_path.iterdir()) == []


def moved(path: Path) -> SqliteStore:
    store = opened(path)
    while store.salvage():
        pass
    return store


def test_of_a_damaged_file_all_that_can_be_read_is_moved_over(tmp_path: Path) -> None:
    path = tmp_path / "b"
    store = opened(path)
    for second in range(1_000):
        commit_second(store, second)
    store.acknowledge(IntervalSet([(1, 100)]))
    store.commit([], [], NOW_MS, None)
    before = {batch.readings for batch in held(store)}
    store.close()
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    whole[middle : middle + 3 * 4096] = b"\xff" * (3 * 4096)
    path.write_bytes(whole)
    again = moved(path)
    assert again.epoch != store.epoch
    after = {batch.readings for batch in held(again) if batch.readings}
    assert after <= before
    assert 0.9 * len(before) < len(after) < len(before)
    (gap,) = (gap for batch in held(again) for gap in batch.gaps)
    assert "could not be read" in gap.reason
    assert gap.readings > 0
    check_accounts(again, again.figures().held_readings + gap.readings)
    again.close()
    assert (tmp_path / "b.damaged-1").exists()


def test_a_copy_is_moved_over_as_a_whole_and_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "b"
    store = opened(path)
    for second in range(450):
        commit_second(store, second)
    before = [batch.readings for batch in held(store)]
    store.close()
    again = opened(path, fresh=True)
    rounds = 0
    while again.salvage():
        rounds += 1
        commit_second(again, 1_000 + rounds)  # life goes on
        again.close()
        again = opened(path)  # and may end at any time
    after = [
        batch.readings for batch in held(again) if batch.readings[0].observed_ms < NOW_MS + 10**6
    ]
    assert rounds > 2
    assert after == before
    again.close()


def test_a_move_that_fails_is_taken_up_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "b"
    store = opened(path)
    for second in range(300):
        commit_second(store, second)
    store.close()
    again = opened(path, fresh=True)
    assert again.salvage()
    again._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StorageError):
        again.salvage()
    again._db.execute("PRAGMA max_page_count = 1000000")
    while again.salvage():
        pass
    assert again.figures().held_readings == 300 * 11
    assert [batch.seq for batch in held(again)] == list(range(1, 601))
    again.close()
    assert [each.name for each in tmp_path.iterdir()] == ["b"]


def test_nothing_to_move_is_no_trouble(tmp_path: Path) -> None:
    store = opened(tmp_path / "b", fresh=True)
    assert not store.salvage()
    store.close()
    (tmp_path / "text").write_bytes(b"no buffer at all, but long enough for a header" * 200)
    other = moved(tmp_path / "text")
    assert other.figures().held_batches == 0
    other.close()
    assert (tmp_path / "text.damaged-1").exists()


def test_a_file_of_an_older_agent_is_looked_into_and_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with sqlite3.connect(path) as db:
        db.executescript(TABLES)
        db.execute("CREATE INDEX by_priority ON batches (priority DESC, seq)")
        db.execute("INSERT INTO meta VALUES (1, '0123456789abcdef', 8, 70, 7)")
        db.execute("INSERT INTO batches VALUES (7, 1, ?, ?, 10, 100, x'5b5d')", (NOW_MS, NOW_MS))
    db.close()
    assert read_figures(path, 1_000).held_readings == 10
    assert look_inside(path, 1_000).urgent.batches == 1
    store = opened(path)
    assert store.epoch == "0123456789abcdef"
    assert store.commit([], readings(1), NOW_MS, None)[0].seq == 8
    assert [each.seq for each in store.latest_urgent(5)] == [7]
    store.close()


def test_set_aside_tells_the_new_name(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("x", encoding="utf-8")
    assert set_aside(tmp_path / "b") == tmp_path / "b.damaged-1"
