"""Readings as InfluxDB's line protocol. Pure.

    noise_laeq,device=noise-01 value=60.5,quality=0i,block=17i 1790000000000

A point is a measurement and a device at a millisecond; one that is written again takes the other's
place. A reading without a value has no `value`. Source: InfluxDB's line protocol reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from cloud.core.columns import Columns


def lines(columns: Columns, names: Mapping[int, tuple[str, str]], block: int) -> Iterator[str]:
    """Yield a line a reading, in the columns' order.

    Args:    names: (device, measurement) of each series. block: the last that it was sealed with.
    Returns: lines without their ends; values to the last bit.
    Raises:  KeyError for a series without a name.
    """
    heads = {
        series: f"{measurement},device={device}" for series, (device, measurement) in names.items()
    }
    for series, observed_ms, value, quality in zip(
        columns.series.tolist(),
        columns.observed_ms.tolist(),
        columns.value.tolist(),
        columns.quality.tolist(),
        strict=True,
    ):
        said = "" if math.isnan(value) else f"value={value!r},"
        yield f"{heads[series]} {said}quality={quality}i,block={block}i {observed_ms}"
