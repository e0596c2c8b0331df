"""What every SeriesStore promises. Subclass the suite, and give it a bench."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pytest

from cloud.core.columns import Columns, concatenate
from cloud.ports import SeriesStore
from contract.quality import Quality

T0_MS = 1_790_000_000_000 // 60_000 * 60_000
LAEQ, WIND, GAS = 1, 2, 3  # the measurements a Bench numbers its series by

ROWS = list[tuple[int, int, float, Quality]]


class Bench(Protocol):
    """A store under test: commit() puts readings in, seal() moves them to where they are kept."""

    store: SeriesStore

    def commit(self, columns: Columns) -> None: ...
    def seal(self) -> None: ...


def columns_of(rows: ROWS) -> Columns:
    """Write readings as (series, seconds after T0, value, quality)."""
    return Columns(
        series=np.array([row[0] for row in rows], np.int32),
        observed_ms=np.array([T0_MS + row[1] * 1000 for row in rows], np.int64),
        value=np.array([row[2] for row in rows], np.float64),
        quality=np.array([int(row[3]) for row in rows], np.uint16),
    )


OK = Quality.NORMAL


def _rows(columns: Columns) -> list[tuple[int, int, str, int]]:
    """Return rows that compare also where there is no value."""
    return list(
        zip(
            columns.series.tolist(),
            columns.observed_ms.tolist(),
            map(str, columns.value.tolist()),
            columns.quality.tolist(),
            strict=True,
        )
    )


class SeriesStoreSuite:
    """Each test sees the same readings, wherever they lie: hot, sealed, or some of each."""

    @pytest.fixture(params=["hot", "sealed", "some of each"])
    def filled(self, bench: Bench, request: pytest.FixtureRequest) -> SeriesStore:
        bench.commit(columns_of([(LAEQ, 0, 60.0, OK), (LAEQ, 30, 70.0, OK), (GAS, 0, 2.0, OK)]))
        if request.param == "some of each":
            bench.seal()
        bench.commit(columns_of([(LAEQ, 60, 50.0, OK), (WIND, 0, 350.0, OK), (WIND, 1, 10.0, OK)]))
        bench.commit(
            columns_of(
                [
                    (LAEQ, 61, 99.0, Quality.CALIBRATION),
                    (LAEQ, 62, np.nan, Quality.COMMUNICATION),
                    (LAEQ, 10, 60.0, OK),  # late
                ]
            )
        )
        if request.param == "sealed":
            bench.seal()
        return bench.store

    def test_a_range_is_sorted_by_series_and_time(self, filled: SeriesStore) -> None:
        found = filled.range([GAS, LAEQ], T0_MS, T0_MS + 60_001)
        assert list(
            zip(found.series, (found.observed_ms - T0_MS) // 1000, found.value, strict=True)
        ) == [
            (LAEQ, 0, 60.0),
            (LAEQ, 10, 60.0),
            (LAEQ, 30, 70.0),
            (LAEQ, 60, 50.0),
            (GAS, 0, 2.0),
        ]

    def test_a_range_ends_before_its_end(self, filled: SeriesStore) -> None:
        assert len(filled.range([LAEQ], T0_MS, T0_MS)) == 0
        assert len(filled.range([LAEQ], T0_MS, T0_MS + 1)) == 1

    def test_a_range_keeps_what_is_not_good_with_its_quality(self, filled: SeriesStore) -> None:
        found = filled.range([LAEQ], T0_MS + 61_000, T0_MS + 63_000)
        assert [Quality(int(q)) for q in found.quality] == [
            Quality.CALIBRATION,
            Quality.COMMUNICATION,
        ]
        assert found.value[0] == 99.0
        assert np.isnan(found.value[1])

    def test_all_that_is_read_in_parts_is_what_a_range_returns(self, filled: SeriesStore) -> None:
        span = T0_MS, T0_MS + 61_000
        for asked in (None, [GAS, LAEQ]):
            found = concatenate(list(filled.read(asked, *span)))
            expected = filled.range(asked or [LAEQ, WIND, GAS], *span)
            assert _rows(found) == _rows(expected)
        assert list(filled.read([], *span)) == []

    def test_days_are_read_in_order(self, filled: SeriesStore, bench: Bench) -> None:
        bench.commit(columns_of([(LAEQ, 86_400 * 2, 1.0, OK), (GAS, 86_400, 2.0, OK)]))
        parts = list(filled.read(None, T0_MS, T0_MS + 86_400_000 * 3))
        days = [set((part.observed_ms // 86_400_000).tolist()) for part in parts]
        assert all(len(day) == 1 for day in days)
        assert sorted(days, key=min) == days
        assert sum(map(len, parts)) == 11

    def test_decibels_average_by_energy_and_leave_out_what_is_unusable(
        self, filled: SeriesStore
    ) -> None:
        steps = filled.stepped(LAEQ, T0_MS, T0_MS + 120_000, 60_000)
        expected = 10 * np.log10((10**6 + 10**6 + 10**7) / 3)
        assert steps.mean == pytest.approx([expected, 50.0])
        assert (steps.minimum, steps.maximum) == ([60.0, 50.0], [70.0, 50.0])
        assert steps.readings == [3, 1]
        assert steps.excluded == [0, 2]
        assert steps.quality == [0, int(Quality.CALIBRATION | Quality.COMMUNICATION)]
        assert steps.from_ms == [T0_MS, T0_MS + 60_000]

    def test_a_step_with_nothing_usable_has_no_average(self, filled: SeriesStore) -> None:
        steps = filled.stepped(LAEQ, T0_MS + 61_000, T0_MS + 62_000, 1_000)
        assert (steps.mean, steps.minimum, steps.maximum) == ([None], [None], [None])
        assert (steps.readings, steps.excluded) == ([0], [1])

    def test_directions_average_as_vectors(self, filled: SeriesStore) -> None:
        mean = filled.stepped(WIND, T0_MS, T0_MS + 60_000, 60_000).mean[0]
        assert mean is not None
        assert min(mean, 360 - mean) == pytest.approx(0, abs=1e-6)

    def test_a_step_that_is_none_or_too_fine_is_refused(self, filled: SeriesStore) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            filled.stepped(LAEQ, T0_MS, T0_MS + 1, 0)
        with pytest.raises(ValueError, match="wider step"):
            filled.stepped(LAEQ, T0_MS, T0_MS + 10**9, 1)

    def test_latest_is_the_newest_not_the_last_to_come(self, filled: SeriesStore) -> None:
        found = filled.latest([LAEQ, GAS, 99])
        assert sorted(found) == [LAEQ, GAS]
        assert (found[LAEQ].observed_ms, found[LAEQ].value) == (T0_MS + 62_000, None)
        assert found[LAEQ].quality == Quality.COMMUNICATION
        assert found[GAS].value == 2.0

    def test_everything_is_counted_once(self, filled: SeriesStore) -> None:
        counted = filled.count()
        assert (counted.stored, counted.duplicates) == (9, 0)
        assert counted.hot + counted.cold == 9

    def test_a_reading_told_twice_is_seen_to_be(self, filled: SeriesStore, bench: Bench) -> None:
        bench.commit(columns_of([(GAS, 0, 2.0, OK)]))
        assert filled.count().duplicates == 1

    def test_latest_follows_commits_and_seals(self, bench: Bench) -> None:
        for second in range(4):
            bench.commit(columns_of([(GAS, second, float(second), OK)]))
            if second % 2:
                bench.seal()
            if second != 1:
                assert bench.store.latest([GAS])[GAS].value == second
        assert bench.store.latest([GAS])[GAS].value == 3

    def test_an_empty_store_has_nothing(self, bench: Bench) -> None:
        assert bench.store.latest([LAEQ]) == {}
        assert len(bench.store.range([LAEQ], 0, 10**15)) == 0
        assert bench.store.stepped(LAEQ, T0_MS, T0_MS + 1, 1).mean == []
        assert bench.store.count().stored == 0
