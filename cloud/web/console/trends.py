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
POINTS = 60
STEP_MS = WINDOW_MS // POINTS
MOST_DEVICES = 60  # beyond, tiles have no curve: one look must stay cheap
WIDTH, HEIGHT = 120, 34


def trends(store: SeriesStore, sensors: Iterable[Sensor], now_ms: int) -> Mapping[str, str]:
    """Return, by device, its curve as the points of an SVG polyline. Raises: StorageError."""
    numbers: dict[str, int] = {}
    for sensor in sensors:
        measurement = main_measurement(sensor)
        if measurement:
            numbers[sensor.id] = sensor.series[measurement]
    if not numbers or len(numbers) > MOST_DEVICES:
        return {}
    to_ms = now_ms - now_ms % STEP_MS + STEP_MS
    columns = store.range(list(numbers.values()), to_ms - WINDOW_MS, to_ms)
    usable = ((columns.quality & UNUSABLE) == 0) & ~np.isnan(columns.value)
    columns = columns.take(usable)
    return {
        device: polyline(columns.take(columns.series == number), to_ms - WINDOW_MS)
        for device, number in numbers.items()
    }


def polyline(columns: Columns, from_ms: int) -> str:
    """Draw one series, sorted by time: the last reading of each step, so that nothing is made up.

    Returns: "x,y x,y ..." in a box of WIDTH by HEIGHT; "" for fewer than two points.
    """
    steps = (columns.observed_ms - from_ms) // STEP_MS
    last_of_step = np.append(steps[1:] != steps[:-1], True)[: len(steps)]
    value, step = columns.value[last_of_step], steps[last_of_step]
    if len(value) < 2:
        return ""
    low, high = float(value.min()), float(value.max())
    span = max(high - low, abs(high) * 0.02, 1e-9)
    middle = (low + high) / 2
    y = HEIGHT / 2 - (value - middle) / span * (HEIGHT - 4)
    x = step * (WIDTH / (POINTS - 1))
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
