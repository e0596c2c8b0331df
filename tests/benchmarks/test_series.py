"""The benchmark runs, small; what it measures is for a quiet machine and a large lake."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.series import day_of, main
from cloud.core.merge import in_order


def test_a_day_is_sorted_and_has_one_decimal() -> None:
    day = day_of(3, 0)
    assert in_order(day)
    assert np.array_equal(np.round(day.value, 1), day.value)


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--quick"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert set(json.loads(last)) == {
        "bytes_per_reading",
        "month_query_ms",
        "latest_10000_ms",
        "restart_s",
        "cost_ratio_200m_to_10m",
    }
