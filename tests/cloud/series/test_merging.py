from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pyarrow.parquet as pq
import pytest

from cloud.core.tiers import FAN_IN, QUIET_MS
from cloud.series import day_files
from cloud.series.parquet import FileWriter
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from contract.errors import StorageError
from tests.cloud.series.kit import DAY_S, LakeBench, add_series, lake_bench, rows
from tests.suites.series_store import GAS, LAEQ, OK, T0_MS, columns_of

T = TypeVar("T")


def later(bench: LakeBench) -> None:
    """Let the day pass, and the time that late data is given."""
    bench.clock.set_now_ms(T0_MS + 2 * DAY_S * 1000 + QUIET_MS)


def fill(bench: LakeBench, seals: int = 3) -> None:
    """Seal on two days, disordered."""
    for at in range(seals):
        start = (seals - at) * 10
        day = DAY_S * (at % 2)
        bench.commit(columns_of([(LAEQ, start + day, 60.5, OK), (GAS, start, at / 10, OK)]))
        bench.seal()


def test_a_day_ends_as_one_file_sorted_with_all_that_came_late(bench: LakeBench) -> None:
    fill(bench, 5)
    before = bench.values()
    assert bench.tidy() == 0  # the day is not over
    later(bench)
    assert bench.tidy() == 2
    assert [path.parent.name for path in bench.paths()] == ["day=2026-09-21", "day=2026-09-22"]
    assert bench.values() == before
    assert before == sorted(before, key=lambda row: (row[1] // (DAY_S * 1000), row))
    bench.commit(columns_of([(GAS, 1, 7.0, OK)]))  # late
    bench.seal()
    assert bench.tidy() == 0
    bench.clock.advance_ms(2 * DAY_S * 1000)
    assert bench.tidy() == 1
    assert len(bench.paths()) == 2
    assert len(bench.values()) == len(before) + 1


def test_many_small_files_are_merged_while_the_day_goes_on(bench: LakeBench) -> None:
    for second in range(FAN_IN + 1):
        bench.commit(columns_of([(GAS, second, 1.0, OK)]))
        bench.seal()
        bench.tidy()
    assert len(bench.paths()) == 2
    assert len(bench.values()) == FAN_IN + 1


def test_a_reading_told_again_is_counted_wherever_it_lies(bench: LakeBench) -> None:
    for _ in range(3):
        bench.commit(rows(2))
        bench.seal()
    bench.commit(rows(1))
    assert bench.store.count().duplicates == 5
    later(bench)
    bench.tidy()
    assert bench.store.count().duplicates == 5
    bench.seal()
    assert (bench.store.count().stored, bench.store.count().duplicates) == (7, 5)


def test_a_reader_reads_to_its_end_though_files_are_merged_away(bench: LakeBench) -> None:
    fill(bench, 4)
    expected = bench.values()
    later(bench)
    reading = bench.store.read(None, 0, 2**62)
    found = [next(reading)]
    bench.tidy()
    found += list(reading)
    assert [at for part in found for at in part.observed_ms] == [row[1] for row in expected]


def test_a_damaged_file_is_not_merged_away_and_other_days_go_on(bench: LakeBench) -> None:
    fill(bench, 4)
    path = bench.paths()[0]
    path.write_bytes(path.read_bytes()[:-200] + bytes(200))
    later(bench)
    with pytest.raises(StorageError, match="cannot be read"):
        bench.tidy()
    assert bench.tidy() == 1
    assert path.exists()


def test_a_file_that_lacks_readings_is_not_merged_away(bench: LakeBench) -> None:
    fill(bench, 4)
    path = bench.paths()[0]
    pq.write_table(pq.read_table(path).slice(0, 1), path)
    later(bench)
    with pytest.raises(StorageError, match="where their list names"):
        bench.tidy()
    assert path.exists()
    assert list(bench.folder.rglob("*.tmp")) == []


class Killed(BaseException):
    """The process ends here, and nothing it meant to do after happens."""


class Death:
    """Kills at the n-th step, where steps are the calls of what is wrapped."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0
        self.dead = False

    def wrap(self, what: Callable[..., T]) -> Callable[..., T]:
        def wrapped(*args: object, **options: object) -> T:
            self.steps += 1
            if self.dead or self.steps == self.at:
                self.dead = True
                raise Killed
            return what(*args, **options)

        return wrapped


STEPS = [
    (day_files, "write_day"),
    (FileWriter, "add"),
    (FileWriter, "close"),
    (FileWriter, "abandon"),
    (Path, "rename"),
    (day_files, "sync_folder"),
    (day_files, "name_files"),
    (Path, "unlink"),
]


@pytest.mark.parametrize("at", range(1, 40))
def test_a_kill_at_any_step_loses_and_doubles_nothing(
    bench: LakeBench, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench, 2)
    bench.commit(columns_of([(GAS, 500, 1.0, OK), (GAS, DAY_S, 2.0, OK)]))
    expected = bench.values()
    later(bench)
    death = Death(at)
    with monkeypatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, death.wrap(getattr(owner, name)))
        try:
            bench.seal()
            bench.tidy()
        except Killed:
            pass
    assert bench.values() == expected
    again = lake_bench(bench.database, bench.folder, bench.clock)
    again.files.recover()
    assert again.values() == expected
    again.seal()
    again.clock.advance_ms(QUIET_MS)
    again.tidy()
    assert again.values() == expected
    assert len(again.paths()) == 2
    assert (again.store.count().stored, again.store.count().hot) == (len(expected), 0)


WORK = """
import sys
from pathlib import Path
from cloud.core.tiers import QUIET_MS
from cloud.state.database import Database, sqlite_url
from tests.cloud.series.kit import lake_bench, rows
folder = Path(sys.argv[1])
bench = lake_bench(Database(sqlite_url(folder / "state.sqlite")), folder / "lake")
bench.files.recover()
start = bench.store.count().stored
print("ready", flush=True)
while True:
    bench.commit(rows(50, start=start))
    start += 50
    bench.clock.advance_ms(3_600_000 * 24)
    bench.seal()
    bench.tidy()
"""


def test_a_real_kill_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "state.sqlite"))
    migrate(database)
    add_series(database)
    stored = 0
    for wait in (1, 7, 23, 61):
        with subprocess.Popen(
            [sys.executable, "-c", WORK, str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
            bench = lake_bench(database, tmp_path / "lake")
            try:
                while bench.store.count().stored < stored + wait * 10:
                    assert worker.poll() is None
            finally:
                worker.kill()
        found = [at for _, at, _ in bench.values()]
        assert found == [T0_MS + 1000 * n for n in range(len(found))]
        assert len(found) % 50 == 0
        assert len(found) > stored
        stored = len(found)
    database.close()
