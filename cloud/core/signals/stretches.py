"""Stretches of panes in columns: some panes of many tracks, in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.core.signals.grids import Moments
from cloud.core.signals.sums import Values
from cloud.core.signals.tables import Places


@dataclass(slots=True)
class Stretch:
    """m panes, sorted by track, then time; numbers: of cloud.core.signals.sums.Sum.

    row: of the reading that closes a pane, or what else tells of it
    """

    track: Places
    begin_ms: Moments
    end_ms: Moments
    numbers: list[Values]
    readings: NDArray[np.int64]
    row: Places

    def take(self, rows: NDArray[np.bool_] | Places) -> Stretch:
        """Return some of the panes, in their order."""
        return Stretch(
            self.track[rows],
            self.begin_ms[rows],
            self.end_ms[rows],
            [part[rows] for part in self.numbers],
            self.readings[rows],
            self.row[rows],
        )

    def ends(self) -> NDArray[np.bool_]:
        """Return which panes are the last of their track."""
        return np.append(self.track[1:] != self.track[:-1], True)[: len(self.track)]


def joined(first: Stretch, second: Stretch) -> Stretch:
    """Put panes together; of one track the first's come first."""
    track = np.concatenate((first.track, second.track))
    both = Stretch(
        track,
        np.concatenate((first.begin_ms, second.begin_ms)),
        np.concatenate((first.end_ms, second.end_ms)),
        [np.concatenate(parts) for parts in zip(first.numbers, second.numbers, strict=True)],
        np.concatenate((first.readings, second.readings)),
        np.concatenate((first.row, second.row)),
    )
    return both.take(np.argsort(track, kind="stable"))
