"""Small curves on the tiles: the last half hour of each device's main measurement, read at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from cloud.core.columns import Columns
from cloud.ports import SeriesStore
from cloud.web.console.chosen import main_measurement
from cloud.web.queries.devices import Sensor
from contract.quality import UNUSABLE

WINDOW_MS = 1_800_000
LEAST_SPAN_MS = 60_000
POINTS = 60
EVERY_MS = 10_000  # how often they are read
MOST_DEVICES = 60  # beyond, tiles have no curve: one look must stay cheap
WIDTH, HEIGHT = 120, 34


def trends(store: SeriesStore, sensors: Iterable[Sensor], now_ms: int) -> Mapping[str, str]:
    """Return, by device, its curve as the points of an SVG polyline. Raises: StorageError.

    A curve begins half an hour ago, or where the device became known.
    """
    begun: dict[str, tuple[int, int]] = {}
    for sensor in sensors:
        measurement = main_measurement(sensor)
        if measurement:
            span_ms = min(WINDOW_MS, max(LEAST_SPAN_MS, now_ms - sensor.first_seen_ms))
            begun[sensor.id] = (sensor.series[measurement], now_ms - span_ms)
    if not begun or len(begun) > MOST_DEVICES:
        return {}
    numbers = [number for number, _ in begun.values()]
    columns = store.range(numbers, min(from_ms for _, from_ms in begun.values()), now_ms + 1)
    columns = columns.take(((columns.quality & UNUSABLE) == 0) & ~np.isnan(columns.value))
    return {
        device: polyline(columns.take(columns.series == number), from_ms, now_ms)
        for device, (number, from_ms) in begun.items()
    }


def polyline(columns: Columns, from_ms: int, to_ms: int) -> str:
    """Draw one series, sorted by time: the last reading of each step, so that nothing is made up.

    Returns: "x,y x,y ..." in a box of WIDTH by HEIGHT; "" for fewer than two points.
    """
    columns = columns.take((columns.observed_ms >= from_ms) & (columns.observed_ms <= to_ms))
    part = (columns.observed_ms - from_ms) / (to_ms - from_ms)
    steps = (part * POINTS).astype(np.int64)
    last_of_step = np.append(steps[1:] != steps[:-1], True)[: len(steps)]
    value = columns.value[last_of_step]
    if len(value) < 2:
        return ""
    low, high = float(value.min()), float(value.max())
    span = max(high - low, abs(high) * 0.02, 1e-9)
    y = HEIGHT / 2 - (value - (low + high) / 2) / span * (HEIGHT - 4)
    x = part[last_of_step] * WIDTH
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
