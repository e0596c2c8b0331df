from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from cloud.series.keeper import LOOK_S, Keeper, Timing
from contract.errors import StorageError
from tests.cloud.series.kit import LakeBench, rows


def keeper(bench: LakeBench, data: Path, **changed: int) -> Keeper:
    timing = Timing(
        every_s=60.0,
        readings=changed.get("readings", 100),
        warn_free_bytes=changed.get("warn_free_bytes", 0),
    )
    return Keeper(bench.sealer, bench.files, timing, bench.clock, data)


def test_it_seals_when_time_is_up_or_enough_waits(bench: LakeBench, tmp_path: Path) -> None:
    kept = keeper(bench, tmp_path)
    bench.commit(rows(5))
    kept.look()
    assert bench.sealer.waiting() == 5
    bench.clock.advance_ms(60_000)
    kept.look()
    assert bench.sealer.waiting() == 0
    bench.commit(rows(100))
    kept.look()
    assert bench.sealer.waiting() == 0


def test_it_says_so_before_the_disk_is_full(bench: LakeBench, tmp_path: Path) -> None:
    assert keeper(bench, tmp_path).doubts() == []
    (said,) = keeper(bench, tmp_path, warn_free_bytes=2**60).doubts()
    assert "seal.warn_free_mb" in said
    bench.commit(rows(31))
    (said,) = keeper(bench, tmp_path, readings=10).doubts()
    assert said.startswith("31 readings wait")


def test_what_fails_is_said_and_tried_again(
    bench: LakeBench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = threading.Event()
    failed: list[bool] = []

    def fails_once() -> None:
        failed.append(True)
        if len(failed) == 1:
            raise StorageError("no room")
        stop.set()

    kept = keeper(bench, tmp_path, warn_free_bytes=2**60)
    monkeypatch.setattr(kept, "look", fails_once)
    monkeypatch.setattr("cloud.series.keeper.LOOK_S", min(LOOK_S, 0.001))
    with caplog.at_level(logging.WARNING):
        kept.run(stop)
    assert "not sealed, trying again: no room" in caplog.text
    assert caplog.text.count("MB are free") == 1
