"""What the device's page shows, and its chart's options for ECharts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloud.ports import Stepped
from cloud.web.freshness import stale_after_ms
from cloud.web.limits import Limit
from cloud.web.pages import render
from cloud.web.queries.devices import Sensor, latest_values
from cloud.web.snapshots import Snapshot
from cloud.web.wording import DECIMALS, Wording

WINDOWS_S = {"1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800}
POINTS = 360  # a chart's width on a phone; four pixels a point on a screen

NEAR = 8  # a limit this many times the values' span away would flatten the curve: not drawn

LINE, BAND, GRID, INK, MUTED = "#0b6e75", "rgba(11,110,117,.14)", "#e4e9ed", "#17212b", "#5b6875"
SEVERITY_COLOURS = {
    "low": "#2f5f9e",
    "medium": "#8a6100",
    "high": "#c2410c",
    "critical": "#b3122f",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement in the table of values."""

    measurement: str
    unit: str
    label: str
    value: str
    quality: str
    stale: bool
    observed_ms: int
    limits: Sequence[Limit]


def head(sensor: Sensor, w: Wording) -> str:
    """Draw what is known of a device."""
    online = w("online" if sensor.gateway_online else "offline")
    tags = w("list.comma").join(f"{key}={value}" for key, value in sorted(sensor.tags.items()))
    facts = [
        (w("device.address"), sensor.place.address),
        (w("device.owner"), sensor.owner),
        (w("device.asset"), sensor.asset),
        (w("device.gateway"), f"{sensor.gateway} · {online}"),
        (w("device.profile"), sensor.profile),
        (w("device.period"), w.seconds(sensor.period_s) if sensor.period_s else ""),
        (w("device.tags"), tags),
    ]
    known = [(label, value) for label, value in facts if value]
    return render("device_head.html", w=w, sensor=sensor, facts=known)


def values(
    sensor: Sensor,
    snapshot: Snapshot,
    limits: dict[str, list[Limit]],
    now_ms: int,
    w: Wording,
) -> str:
    """Draw the newest value of each measurement."""
    rows = [
        Row(
            measurement=value.measurement,
            unit=value.unit,
            label=w.measurement(value.measurement),
            value=w.value(value.value, value.measurement, value.unit),
            quality=w.quality(value.quality),
            stale=value.stale,
            observed_ms=value.observed_ms,
            limits=limits.get(value.measurement, []),
        )
        for value in latest_values(sensor, snapshot.latest, now_ms)
    ]
    return render("device_values.html", w=w, rows=rows, now_ms=now_ms)


def step_ms(window: str) -> int:
    """Return the length of a chart's steps."""
    return WINDOWS_S[window] * 1000 // POINTS


def chart(
    points: Stepped | None,
    *,
    measurement: str,
    unit: str,
    limits: Sequence[Limit],
    period_s: float | None,
    from_ms: int,
    to_ms: int,
    step_ms: int,
    w: Wording,
) -> dict[str, Any]:
    """Return ECharts options: mean as a line, minimum to maximum as a band, limits as lines.

    ECharts would show the browser's time zone; it is given local times as if they were UTC.
    """
    shift_ms = _shift_ms(w, to_ms)
    low, mean, height = _columns(points, period_s, step_ms, shift_ms) if points else ([], [], [])
    symbol = w.unit(unit)
    return {
        "useUTC": True,
        "animation": False,
        "aria": {"enabled": True},
        "grid": {"left": 8, "right": 14, "top": 34, "bottom": 4, "containLabel": True},
        "title": {
            "text": w.measurement(measurement) + (f" ({symbol})" if symbol else ""),
            "left": 0,
            "top": 0,
            "textStyle": {"fontSize": 13, "fontWeight": 600, "color": INK},
        },
        "tooltip": {
            "trigger": "axis",
            ":valueFormatter": f"v => v == null ? '—' : v.toFixed({DECIMALS.get(unit, 1)})",
        },
        "xAxis": {
            "type": "time",
            "min": from_ms + shift_ms,
            "max": to_ms + shift_ms,
            "axisLine": {"lineStyle": {"color": GRID}},
            "axisLabel": {
                "color": MUTED,
                "hideOverlap": True,
                "formatter": _clock(to_ms - from_ms),
            },
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "axisLabel": {"color": MUTED},
            "splitLine": {"lineStyle": {"color": GRID}},
            **_reach(points, limits),
        },
        "series": [
            _band(low, {"opacity": 0}),
            _band(height, {"color": BAND}),
            {
                "type": "line",
                "name": w.measurement(measurement),
                "data": mean,
                "showSymbol": False,
                "connectNulls": False,
                "lineStyle": {"color": LINE, "width": 1.6},
                "itemStyle": {"color": LINE},
                "markLine": {
                    "symbol": "none",
                    "silent": True,
                    "data": [_limit(limit, unit, w) for limit in limits],
                },
            },
        ],
    }


def _columns(
    points: Stepped, period_s: float | None, step_ms: int, shift_ms: int
) -> tuple[list[list[float | None]], list[list[float | None]], list[list[float | None]]]:
    """Return low, mean and height as [time, value], broken where the device was silent."""
    silence_ms = max(step_ms, stale_after_ms(period_s))
    low: list[list[float | None]] = []
    mean: list[list[float | None]] = []
    height: list[list[float | None]] = []
    before_ms: int | None = None
    for at_ms, average, least, most in zip(
        points.from_ms, points.mean, points.minimum, points.maximum, strict=True
    ):
        if before_ms is not None and at_ms - before_ms > silence_ms:
            for column in (low, mean, height):
                column.append([before_ms + step_ms + shift_ms, None])
        before_ms = at_ms
        low.append([at_ms + shift_ms, least])
        mean.append([at_ms + shift_ms, average])
        height.append([at_ms + shift_ms, most - least])
    return low, mean, height


def _band(data: list[list[float | None]], area: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "line",
        "data": data,
        "stack": "band",
        "stackStrategy": "all",
        "showSymbol": False,
        "silent": True,
        "connectNulls": False,
        "lineStyle": {"opacity": 0},
        "areaStyle": area,
        "tooltip": {"show": False},
    }


def _limit(limit: Limit, unit: str, w: Wording) -> dict[str, Any]:
    colour = SEVERITY_COLOURS[limit.severity]
    title = w.pick(limit.title_zh, limit.title_en)
    return {
        "yAxis": limit.limit,
        "lineStyle": {"color": colour, "type": "dashed", "width": 1.2},
        "label": {
            "formatter": f"{title} {w.number(limit.limit, unit)}",
            "position": "insideStartTop",
            "color": colour,
            "fontSize": 11,
        },
    }


def _reach(points: Stepped | None, limits: Sequence[Limit]) -> dict[str, Any]:
    """Let the axis reach those limits that are not far away, so that they can be seen."""
    if not points or not points.mean:
        return {}
    least, most = min(points.minimum), max(points.maximum)
    span = max(most - least, abs(most) * 0.1, 1e-9)
    near = [
        limit.limit for limit in limits if least - NEAR * span <= limit.limit <= most + NEAR * span
    ]
    low, high = min([least, *near]), max([most, *near])
    step = nice((high - low or span) / 5)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return {
        "min": round(math.floor(low / step) * step, 9),
        "max": round((math.floor(high / step) + 1) * step, 9),
        "interval": step,
        "axisLabel": {"color": MUTED, ":formatter": f"v => v.toFixed({digits})"},
    }


def nice(step: float) -> float:
    """Return the next step of an axis that people like: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(each * power for each in (1.0, 2.0, 5.0, 10.0) if each * power >= step * 0.999)


def _clock(for_ms: int) -> str:
    return "{MM}-{dd} {HH}:{mm}" if for_ms > 86_400_000 else "{HH}:{mm}"


def _shift_ms(w: Wording, at_ms: int) -> int:
    offset = w.local(at_ms).utcoffset()
    return round(offset.total_seconds() * 1000) if offset else 0
