"""The drain benchmark runs, and its figures mean what they say."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.edge_drain import DEVICES, PERIOD_S, SERIES, drain, gather, second_of
from benchmarks.edge_street import broker
from tests.suites.buffers import NOW_MS


def test_each_device_says_its_series_once_a_period() -> None:
    seconds = [second_of(at_s, NOW_MS + at_s * 1000) for at_s in range(PERIOD_S)]
    names = [(r.device, r.measurement) for both in seconds for some in both for r in some]
    assert len(names) == len(set(names)) == DEVICES * SERIES


def test_a_short_backlog_drains(tmp_path: Path) -> None:
    backlog = gather(tmp_path / "b", 60)
    assert backlog == 84
    with broker(tmp_path) as port:
        figures = asyncio.run(drain(tmp_path / "b", port, backlog, 60, measured_s=30.0))
    assert figures.drained_batches == backlog
    assert figures.times_real_time > 0
