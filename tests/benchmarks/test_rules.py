"""The benchmark runs, small; what it measures is for a quiet machine."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.rules import LOUD, QUICK, QUIET, Bare, Source, limits, main, series_of
from cloud.core.evaluate import Engine
from tests.cloud.core.test_evaluate import SHANGHAI


def test_quiet_blocks_change_nothing_and_loud_ones_one_condition_a_series() -> None:
    engine, source = Engine(limits(), SHANGHAI), Source(QUICK)
    engine.bind(series_of(QUICK.series))
    rounds = source.rounds_of_all(1)
    bare = Bare(QUICK.series)
    quiet = [source.block(QUIET) for _ in range(rounds)]
    assert [engine.evaluate(block) for block in quiet] == [[]] * rounds
    assert not any(map(bare.evaluate, quiet))
    loud = [source.block(LOUD) for _ in range(rounds)]
    assert all(map(bare.evaluate, loud))
    assert sum(len(engine.evaluate(block)) for block in loud) == QUICK.series
    assert engine.late == 0


def test_every_series_is_read_once_a_minute() -> None:
    source = Source(QUICK)
    blocks = [source.block(QUIET) for _ in range(source.rounds_of_all(2))]
    series = np.concatenate([block.series for block in blocks])
    assert np.bincount(series).tolist() == [0, *[2] * QUICK.series]


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--quick"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert set(json.loads(last)) == {
        "us_per_reading",
        "bare_us_per_reading",
        "us_per_transition",
        "window_us_per_reading",
        "bytes_per_monitor",
        "ms_per_device_bound",
        "backtest_s",
    }
