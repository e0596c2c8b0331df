"""How values become one: by sum, by energy, by vector, as their quantity says. In columns.

A Rolled row is what is known of one series over one bucket of time. Rows of one bucket merge into
one, whatever order they come in, and coarser buckets are merged finer ones: readings, minutes,
hours and days all average by the same few lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.core.columns import Columns
from contract.quality import UNUSABLE
from contract.quantities import QUANTITIES, Averaging, split_measurement

WAYS = tuple(Averaging)  # a way as a number: its place in here
_TENTH = np.log(10) / 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """n rows, one a series and bucket.

    series:   shape (n,), int32
    from_ms:  shape (n,), int64, where the bucket begins, UTC milliseconds
    readings: shape (n,), int64, usable ones
    excluded: shape (n,), int64, readings that do not count: contract.quality.UNUSABLE, or no value
    quality:  shape (n,), uint16, every flag that any of them has
    mean:     shape (n,), float64, as the quantity averages; NaN where readings is 0
    low:      shape (n,), float64, the least usable value, likewise
    high:     shape (n,), float64, the greatest
    aux:      shape (n,), float64; vector: how long the mean vector is, 0 to 1; last: when that
              value was observed, UTC milliseconds; else 0
    """

    series: NDArray[np.int32]
    from_ms: NDArray[np.int64]
    readings: NDArray[np.int64]
    excluded: NDArray[np.int64]
    quality: NDArray[np.uint16]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    aux: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Rolled:
        """Return the rows named by index or by mask, in that order."""
        return Rolled(**{name: getattr(self, name)[rows] for name in FIELDS})


FIELDS: tuple[str, ...] = tuple(Rolled.__slots__)
DTYPES = ("i4", "i8", "i8", "i8", "u2", "f8", "f8", "f8", "f8")


def averaging_of(measurement: str) -> Averaging:
    """Return how a measurement averages; arithmetically if its quantity is not known any more."""
    quantity = QUANTITIES.get(split_measurement(measurement)[0])
    return quantity.averaging if quantity else Averaging.ARITHMETIC


def ways_by_series(measurements: Mapping[int, str]) -> NDArray[np.int8]:
    """Return each series' place in WAYS, by its number; numbers that are none get 0."""
    ways = np.zeros(max(measurements, default=0) + 1, np.int8)
    for number, measurement in measurements.items():
        ways[number] = WAYS.index(averaging_of(measurement))
    return ways


def join(parts: Sequence[Rolled]) -> Rolled:
    """Put rows end to end; none at all gives no rows."""
    return Rolled(
        **{
            name: np.concatenate([getattr(part, name) for part in parts] or [np.empty(0, dtype)])
            for name, dtype in zip(FIELDS, DTYPES, strict=True)
        }
    )


def usable(columns: Columns) -> NDArray[np.bool_]:
    """Return which readings say something about what is measured."""
    good: NDArray[np.bool_] = (columns.quality & np.uint16(UNUSABLE)) == 0
    return good & ~np.isnan(columns.value)


def of_readings(columns: Columns, ways: NDArray[np.int8]) -> Rolled:
    """Return a row a reading: the bucket is its moment. ways: by series number, places in WAYS."""
    good = usable(columns)
    value = np.where(good, columns.value, np.nan)
    way = ways[columns.series]
    aux = np.where(
        way == WAYS.index(Averaging.LAST),
        columns.observed_ms.astype(np.float64),
        (way == WAYS.index(Averaging.VECTOR)).astype(np.float64),
    )
    return Rolled(
        series=columns.series,
        from_ms=columns.observed_ms,
        readings=good.astype(np.int64),
        excluded=(~good).astype(np.int64),
        quality=columns.quality,
        mean=value,
        low=value,
        high=value,
        aux=np.where(good, aux, 0.0),
    )


def merge(rows: Rolled, ways: NDArray[np.int8], buckets: NDArray[np.int64]) -> Rolled:
    """Merge the rows of each series and bucket into one; the result is sorted by both.

    Args: ways: by series number, places in WAYS.
        buckets: shape (n,), where the bucket begins that each row belongs to now.
    """
    if not len(rows):
        return rows
    order = _order(rows.series, buckets)
    if order is not None:
        rows, buckets = rows.take(order), buckets[order]
    begins = np.append(True, (rows.series[1:] != rows.series[:-1]) | (buckets[1:] != buckets[:-1]))
    starts = np.flatnonzero(begins)
    some = rows.readings > 0
    readings = np.add.reduceat(rows.readings, starts)
    low = np.minimum.reduceat(np.where(some, rows.low, np.inf), starts)
    high = np.maximum.reduceat(np.where(some, rows.high, -np.inf), starts)
    mean, aux = _means(rows, ways, starts, readings, low, high)
    empty = readings == 0
    for values in (mean, low, high):
        values[empty] = np.nan
    return Rolled(
        series=rows.series[starts],
        from_ms=buckets[starts],
        readings=readings,
        excluded=np.add.reduceat(rows.excluded, starts),
        quality=np.bitwise_or.reduceat(rows.quality, starts),
        mean=mean,
        low=low,
        high=high,
        aux=np.where(empty, 0.0, aux),
    )


def average(
    averaging: Averaging, values: NDArray[np.float64], observed_ms: NDArray[np.int64]
) -> float:
    """Return what n ≥ 1 values come to.

    Source: energy, 10·lg[(1/N)·Σ10^(0.1·Li)]; vector, the direction of the sum of unit vectors.
    """
    columns = Columns(
        series=np.zeros(len(values), np.int32),
        observed_ms=observed_ms,
        value=values,
        quality=np.zeros(len(values), np.uint16),
    )
    ways = np.array([WAYS.index(averaging)], np.int8)
    rows = merge(of_readings(columns, ways), ways, np.zeros(len(values), np.int64))
    return float(rows.mean[0])


def _order(series: NDArray[np.int32], buckets: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """Return what sorts the rows, or None if they are sorted."""
    later = series[1:] > series[:-1]
    if (later | ((series[1:] == series[:-1]) & (buckets[1:] >= buckets[:-1]))).all():
        return None
    return np.lexsort((buckets, series))


def _means(
    rows: Rolled,
    ways: NDArray[np.int8],
    starts: NDArray[np.intp],
    readings: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and aux of each group of rows. A group is of one series, and so of one way."""
    mean = np.full(len(starts), np.nan)
    aux = np.zeros(len(starts))
    sizes = np.diff(np.append(starts, len(rows)))
    way_of = ways[rows.series[starts]]
    for way in np.unique(way_of):
        groups = way_of == way
        part = rows if groups.all() else rows.take(np.repeat(groups, sizes))
        begins = np.append(0, np.cumsum(sizes[groups])[:-1])
        with np.errstate(divide="ignore", invalid="ignore"):
            mean[groups], aux[groups] = _mean_of(
                WAYS[way], part, begins, readings[groups], low[groups], high[groups]
            )
    return mean, aux


def _mean_of(
    averaging: Averaging,
    rows: Rolled,
    starts: NDArray[np.intp],
    readings: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
    value = np.where(rows.readings > 0, rows.mean, 0.0)
    match averaging:
        case Averaging.ARITHMETIC:
            return np.add.reduceat(value * rows.readings, starts) / readings, 0.0
        case Averaging.ENERGY:
            energy = np.add.reduceat(np.exp(value * _TENTH) * rows.readings, starts)
            return np.log(energy / readings) / _TENTH, 0.0
        case Averaging.VECTOR:
            return _vector(rows, value, starts, readings)
        case Averaging.MAXIMUM:
            return high.copy(), 0.0
        case Averaging.MINIMUM:
            return low.copy(), 0.0
        case Averaging.SUM:
            return np.add.reduceat(value, starts), 0.0
        case Averaging.LAST:
            return _last(rows, starts)


def _vector(
    rows: Rolled,
    value: NDArray[np.float64],
    starts: NDArray[np.intp],
    readings: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle, weight = np.radians(value), rows.aux * rows.readings
    north = np.add.reduceat(np.cos(angle) * weight, starts) / readings
    east = np.add.reduceat(np.sin(angle) * weight, starts) / readings
    return (np.degrees(np.arctan2(east, north)) + 360) % 360, np.hypot(north, east)


def _last(
    rows: Rolled, starts: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the value observed last in each group, and when that was."""
    at = np.where(rows.readings > 0, rows.aux, -np.inf)
    newest = np.maximum.reduceat(at, starts)
    sizes = np.diff(np.append(starts, len(rows)))
    places = np.where(at == np.repeat(newest, sizes), np.arange(len(rows)), -1)
    return rows.mean[np.maximum.reduceat(places, starts)], newest
