"""What is hot, decoded once and searched in memory: as much as fits, the rest block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud.core.columns import Columns, concatenate
from cloud.series import hot
from cloud.state import schema

HELD_READINGS = 4_000_000  # 88 MB; more is hot only when sealing has failed for a while
SEGMENT_READINGS = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """Blocks that follow each other: (id, where its rows begin) of each, and the rows of all."""

    blocks: tuple[tuple[int, int], ...]
    columns: Columns
    first_ms: int
    last_ms: int

    def between(self, after: int, upto: int) -> Columns:
        """Return the rows of the blocks after one and up to another."""
        if self.blocks[0][0] > after and self.blocks[-1][0] <= upto:
            return self.columns
        starts = [start for block, start in self.blocks if after < block <= upto]
        ends = [start for block, start in self.blocks if block > upto]
        if not starts:
            return self.columns.slice(0, 0)
        return self.columns.slice(starts[0], ends[0] if ends else len(self.columns))


class HotView:
    """Selects among the hot readings, as a connection's transaction sees them."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []
        self._lock = Lock()

    def select(
        self,
        connection: sa.Connection,
        from_ms: int,
        to_ms: int,
        series: Sequence[int] | None = None,
    ) -> Columns:
        """Return hot readings of the time and the series (None: all), as committed."""
        wanted = None if series is None else np.asarray(series, np.int32)
        after, upto = hot.sealed_upto(connection), _newest(connection)
        with self._lock:
            self._follow(connection, after, upto)
            segments = list(self._segments)
        held = (
            _chosen(segment.between(after, upto), from_ms, to_ms, wanted)
            for segment in segments
            if segment.first_ms < to_ms and segment.last_ms >= from_ms
        )
        first = segments[0].blocks[0][0] if segments else upto + 1
        last = segments[-1].blocks[-1][0] if segments else upto
        others = [
            _chosen(block.columns, from_ms, to_ms, wanted)
            for begin, end in ((after, min(first - 1, upto)), (max(last, after), upto))
            if begin < end
            for block in hot.blocks_after(connection, begin, end, between=(from_ms, to_ms))
        ]
        return concatenate([part for part in (*held, *others) if len(part)])

    def _follow(self, connection: sa.Connection, after: int, upto: int) -> None:
        """Hold what was committed since, and let go of what was sealed."""
        kept = [segment for segment in self._segments if segment.blocks[-1][0] > after]
        held = sum(len(segment.columns) for segment in kept)
        last = kept[-1].blocks[-1][0] if kept else after
        if last < upto and held < HELD_READINGS:
            for block in hot.blocks_after(connection, last, upto):
                kept.append(_segment(block))
                held += len(block.columns)
                if held >= HELD_READINGS:
                    break
            kept = _joined(kept)
        self._segments = kept


def _segment(block: hot.Block) -> _Segment:
    at = block.columns.observed_ms
    return _Segment(
        blocks=((block.id, 0),),
        columns=block.columns,
        first_ms=int(at.min()),
        last_ms=int(at.max()),
    )


def _joined(segments: list[_Segment]) -> list[_Segment]:
    """Join neighbours until each is large, or twice as large as all behind it: few are left."""
    done: list[_Segment] = []
    group: list[_Segment] = []
    size = 0
    for segment in reversed(segments):
        full = len(segment.columns) >= SEGMENT_READINGS
        if group and (full or len(segment.columns) >= 2 * size):
            done.append(_join(group[::-1]))
            group, size = [], 0
        group.append(segment)
        size += len(segment.columns)
    return [*([_join(group[::-1])] if group else []), *reversed(done)]


def _join(segments: list[_Segment]) -> _Segment:
    if len(segments) == 1:
        return segments[0]
    blocks: list[tuple[int, int]] = []
    offset = 0
    for segment in segments:
        blocks += [(block, offset + start) for block, start in segment.blocks]
        offset += len(segment.columns)
    return _Segment(
        blocks=tuple(blocks),
        columns=concatenate([segment.columns for segment in segments]),
        first_ms=min(segment.first_ms for segment in segments),
        last_ms=max(segment.last_ms for segment in segments),
    )


def _chosen(
    columns: Columns, from_ms: int, to_ms: int, series: NDArray[np.int32] | None
) -> Columns:
    mask = (columns.observed_ms >= from_ms) & (columns.observed_ms < to_ms)
    if series is not None:
        mask &= columns.series == series[0] if len(series) == 1 else np.isin(columns.series, series)
    return columns.take(mask)


def _newest(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.max(schema.blocks.c.id))) or 0
