"""What `edge buffer` tells of a file that an agent of this machine might have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.buffer_report import look, table
from edge.config import EdgeConfig, load
from edge.core.clock_trust import Doubt
from edge.store import SqliteStore
from tests.suites.buffers import NOW_MS, readings

CONFIG = """
gateway: cabinet-1
broker: {host: 127.0.0.1, port: 1, tls: false}
buffer: {path: buffer.sqlite, max_bytes: 1000000}
"""


@pytest.fixture
def config(tmp_path: Path) -> EdgeConfig:
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return load(path)


def test_by_class_with_bounds_and_the_time_until_it_is_full(config: EdgeConfig) -> None:
    clock = [0.0]
    store = SqliteStore(
        config.buffer.path, max_bytes=10**6, max_age_ms=10**12, monotonic_s=lambda: clock[0]
    )
    for _ in range(100):
        clock[0] += 1.0
        store.commit(readings(1, device="gas-01"), readings(20), NOW_MS, None)
    held, report = look(config)
    assert held.bytes_per_s is not None
    assert held.held_bytes / 100 * 0.8 < held.bytes_per_s < held.held_bytes / 100 * 1.3
    assert (report.urgent.readings, report.normal.readings) == (100, 2_000)
    assert report.full_in_s is not None
    assert report.full_in_s == pytest.approx((10**6 - held.held_bytes) / held.bytes_per_s)
    text = table(config.buffer.path, held, report)
    assert "gas, manholes        100         100             0" in text
    assert "2026-09-21T" in text
    assert "if the cloud takes nothing; the bound comes first" in text
    store.close()


def test_one_that_was_never_used(config: EdgeConfig) -> None:
    held, report = look(config)
    assert held.held_batches == 0
    assert report.full_in_s is None
    assert "not known yet" in table(config.buffer.path, held, report)


def test_what_waits_for_the_time_is_told(config: EdgeConfig, tmp_path: Path) -> None:
    store = SqliteStore(config.buffer.path, max_bytes=10**6, max_age_ms=10**12)
    store.commit([], readings(1), 0, None, (), Doubt("boot-1", NOW_MS, 0), hold=True)
    held, report = look(config)
    assert report.held_for_clock == 1
    assert "waiting for the right time: 1 batches" in table(config.buffer.path, held, report)
    store.close()
