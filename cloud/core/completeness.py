"""How complete a device's data is: what was due, what arrived, what is missing, and why.

Due is what a period and the time it was in force make; the rest is counting by buckets of time.
A reading that slipped over a bucket's edge is not missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import ceil

import numpy as np
from numpy.typing import NDArray

HOUR_MS = 3_600_000

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Readings were due every period_ms from from_ms on, before to_ms."""

    from_ms: int
    to_ms: int
    period_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which something is known to have been amiss, both ends in UTC milliseconds."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What explains that readings are missing.

    given_up: declared lost by the gateway's edge. offline: the gateway was away. hole: batches of
    the gateway are still to come. *_readings: the most that those can explain.
    """

    given_up: Sequence[Outage] = ()
    given_up_readings: int = 0
    offline: Sequence[Outage] = ()
    hole: Sequence[Outage] = ()
    hole_readings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """n buckets of one measurement: readings with an answer, and such that say there was none."""

    answered: Counts
    silent: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Readings of a device in some time. missing = silent + given_up + offline + hole +
    unexplained; due <= arrived + missing, for a device may say more than it must.

    silent: the device did not answer its edge. given_up: the edge declared them lost.
    offline: the gateway was away. hole: batches that are still to come.
    """

    due: int = 0
    arrived: int = 0
    missing: int = 0
    silent: int = 0
    given_up: int = 0
    offline: int = 0
    hole: int = 0
    unexplained: int = 0

    def __add__(self, other: Part) -> Part:
        return Part(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )


def bucket_ms(periods_ms: Sequence[float]) -> int:
    """Return how wide buckets must be, in whole hours, so that each has a reading due."""
    return HOUR_MS * max(1, ceil(max(periods_ms, default=0.0) / HOUR_MS))


def buckets(from_ms: int, to_ms: int, width_ms: int) -> Counts:
    """Return the edges of buckets from the first moment on; the last may be short."""
    edges = np.arange(from_ms, to_ms, width_ms, dtype=np.int64)
    return np.append(edges, np.int64(to_ms))


def due(edges: Counts, stretches: Sequence[Stretch]) -> Counts:
    """Return how many readings were due in each bucket."""
    total = np.zeros(len(edges) - 1, np.int64)
    for stretch in stretches:
        within = np.clip(edges, stretch.from_ms, max(stretch.from_ms, stretch.to_ms))
        so_far = np.floor((within - stretch.from_ms) / stretch.period_ms + 1e-9)
        total += np.diff(so_far).astype(np.int64)
    return total


def short(due_each: Counts, came: Counts) -> Counts:
    """Return how many readings each bucket lacks, but for one that slipped into a neighbour."""
    lacking: Counts = np.maximum(due_each - came, 0)
    more: Counts = np.maximum(came - due_each, 0)
    for lack, spare in ((lacking[1:], more[:-1]), (lacking[:-1], more[1:])):
        moved = np.minimum(np.minimum(lack, spare), 1)
        lack -= moved
        spare -= moved
    return lacking


def overlap_ms(edges: Counts, outages: Sequence[Outage]) -> Counts:
    """Return how much of each bucket lies in any of the outages."""
    total = np.zeros(len(edges) - 1, np.int64)
    for from_ms, to_ms in _union(outages):
        total += np.diff(np.clip(edges, from_ms, to_ms)).astype(np.int64)
    return total


def measure(
    edges: Counts,
    stretches: Sequence[Stretch],
    tally: Tally,
    known: Known,
    mute_ms: NDArray[np.float64] | None = None,
) -> list[Part]:
    """Count one measurement by bucket, and explain what is missing as far as it can be.

    mute_ms: how long the device was silent in each bucket, where this is computed from what it
    says: of nothing, nothing is computed.
    """
    due_each = due(edges, stretches)
    lacking = short(due_each, tally.answered + tally.silent)
    period_ms = shortest_ms(stretches)
    muted = np.zeros_like(lacking)
    if mute_ms is not None:
        muted = np.minimum(lacking, np.ceil(mute_ms / period_ms).astype(np.int64))
    left = lacking - muted
    found = {}
    for name, outages, most in (
        ("given_up", known.given_up, known.given_up_readings),
        ("offline", known.offline, int(left.sum())),
        ("hole", known.hole, known.hole_readings),
    ):
        explained = np.minimum(left, _capacity(edges, outages, period_ms))
        found[name] = np.diff(np.minimum(np.cumsum(explained), most), prepend=0)
        left -= found[name]
    return [
        Part(
            due=int(due_each[at]),
            arrived=int(tally.answered[at]),
            missing=int(lacking[at] + tally.silent[at]),
            silent=int(tally.silent[at] + muted[at]),
            unexplained=int(left[at]),
            **{name: int(counts[at]) for name, counts in found.items()},
        )
        for at in range(len(edges) - 1)
    ]


def shortest_ms(stretches: Sequence[Stretch]) -> float:
    """Return the shortest period of them."""
    return min((stretch.period_ms for stretch in stretches), default=1.0)


def _capacity(edges: Counts, outages: Sequence[Outage], period_ms: float) -> Counts:
    """Return how many readings an outage can have cost each bucket, one at its edge included."""
    covered = overlap_ms(edges, outages)
    return np.where(covered > 0, np.ceil(covered / period_ms) + 1, 0).astype(np.int64)


def _union(outages: Sequence[Outage]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for outage in sorted(outages, key=lambda each: each.from_ms):
        if merged and outage.from_ms <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], outage.to_ms)
        elif outage.to_ms > outage.from_ms:
            merged.append((outage.from_ms, outage.to_ms))
    return merged
