"""Devices that speak for themselves: each reading once, by (series, observed_at).

They number nothing, so what they say again (or the broker delivers again) is found among what the
series said lately, and beyond that in the series store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cloud.core.admit import LATEST_MS
from cloud.core.columns import Columns, concatenate
from cloud.core.recent import ALWAYS, Recent, same
from cloud.series import hot
from cloud.state.database import Database
from contract.readings import Reading

# Readings of some series with from_ms <= observed_ms < to_ms, as SeriesStore.range() gives them.
Past = Callable[[Sequence[int], int, int], Columns]

LIVE_MS = 3_600_000  # what is older is looked up each time, and not remembered
APART_MS = 3_600_000  # times further apart than this are looked up apart
MOST_LOOKS = 32
SERIES_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What became of a reading: new, or said before; conflict: with which value instead."""

    new: bool
    conflict: float | None = None


class Voices:
    """Tells new readings from those that are said again."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._recent = Recent()

    def hear(
        self, said: Sequence[tuple[int, Reading]], fresh: Collection[int], now_ms: int
    ) -> list[Heard]:
        """Tell, in order, which readings are new.

        Args:   said: (series, reading). fresh: series that were just made, and have no past.
        Raises: StorageError if the past cannot be read.
        """
        for series in fresh:
            self._recent.learn(series, ALWAYS, {})
        old = self._look_up(said, now_ms)
        return [self._hear(series, reading, old) for series, reading in said]

    def _hear(self, series: int, reading: Reading, old: dict[tuple[int, int], float]) -> Heard:
        at_ms = reading.observed_ms
        value = float("nan") if reading.value is None else reading.value
        live = self._recent.knows(series, at_ms)
        before = self._recent.said(series, at_ms) if live else old.get((series, at_ms))
        if before is not None:
            return Heard(new=False, conflict=None if same(value, before) else before)
        if live:
            self._recent.add(series, [(at_ms, value)])
        # Much said at once may have been trimmed away already.
        old[series, at_ms] = value
        return Heard(new=True)

    def _look_up(
        self, said: Sequence[tuple[int, Reading]], now_ms: int
    ) -> dict[tuple[int, int], float]:
        """Read what the store has at moments that are not remembered; remember what is live."""
        asked: dict[int, set[int]] = defaultdict(set)
        for series, reading in said:
            if not self._recent.knows(series, reading.observed_ms):
                asked[series].add(reading.observed_ms)
        found: dict[tuple[int, int], float] = {}
        numbers = sorted(asked)
        for start in range(0, len(numbers), SERIES_AT_ONCE):
            some = numbers[start : start + SERIES_AT_ONCE]
            times = sorted(set().union(*(asked[series] for series in some)))
            for from_ms, to_ms in windows(times):
                live = from_ms >= now_ms - LIVE_MS
                rows = self._past(some, from_ms, LATEST_MS if live else to_ms + 1)
                for series in some:
                    self._take(series, rows, asked[series], found, from_ms if live else None)
        return found

    def _take(
        self,
        series: int,
        rows: Columns,
        asked: set[int],
        found: dict[tuple[int, int], float],
        since_ms: int | None,
    ) -> None:
        mine = rows.series == series
        at_ms, values = rows.observed_ms[mine], rows.value[mine]
        wanted = np.isin(at_ms, np.fromiter(asked, np.int64, len(asked)))
        for at, value in zip(at_ms[wanted].tolist(), values[wanted].tolist(), strict=True):
            found[series, at] = value
        if since_ms is not None:
            known = dict(zip(at_ms.tolist(), values.tolist(), strict=True))
            self._recent.learn(series, since_ms, known)


def windows(times: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of stretches of rising times, the widest gaps between them left out."""
    gaps = np.diff(np.array(times, np.int64))
    cuts = np.flatnonzero(gaps > APART_MS)
    if len(cuts) >= MOST_LOOKS:
        cuts = np.sort(cuts[np.argsort(gaps[cuts])[-(MOST_LOOKS - 1) :]])
    start = 0
    for cut in [*cuts.tolist(), len(times) - 1]:
        yield times[start], times[cut]
        start = cut + 1


def hot_past(database: Database) -> Past:
    """Return a look at what is not sealed yet, for where there is no series store."""

    def past(series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        with database.read() as connection:
            rows = concatenate([block.columns for block in hot.blocks_after(connection, 0)])
        wanted = np.isin(rows.series, series)
        return rows.take(wanted & (rows.observed_ms >= from_ms) & (rows.observed_ms < to_ms))

    return past
