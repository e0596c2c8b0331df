"""A device's chart as options for ECharts: what is drawn, how far back, and how the axes reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cloud.ports import Stepped
from cloud.web.freshness import stale_after_ms
from cloud.web.limits import Limit
from cloud.web.wording import DECIMALS, Wording

WINDOWS_S = {
    "1h": 3_600,
    "6h": 21_600,
    "24h": 86_400,
    "7d": 604_800,
    "30d": 2_592_000,
    "1y": 31_536_000,
}
POINTS = 360  # a chart's width on a phone; four pixels a point on a screen
STEPS_MS = tuple(
    1000 * s for s in (1, 2, 5, 10, 20, 30, 60, 120, 240, 600, 1_200, 1_800, 3_600, 7_200, 86_400)
)
LEAST_SPAN_MS = 120_000

NEAR = 8  # a limit this many times the values' span away would flatten the curve: not drawn

LINE, BAND, GRID, INK, MUTED = "#0b6e75", "rgba(11,110,117,.14)", "#e4e9ed", "#17212b", "#5b6875"
FLAGGED = "rgba(194,65,12,.10)"
SEVERITY_COLOURS = {
    "low": "#2f5f9e",
    "medium": "#8a6100",
    "high": "#c2410c",
    "critical": "#b3122f",
}


def frame(window: str, first_seen_ms: int, now_ms: int, offset_ms: int = 0) -> tuple[int, int, int]:
    """Return (from_ms, to_ms, step_ms) of a chart: the window, or since the device is known.

    Frames stand still for a step, so that all who look at one see the same; steps begin where they
    do on a local clock that is offset_ms ahead of UTC.
    """
    known_ms = now_ms - first_seen_ms
    span_ms = min(WINDOWS_S[window] * 1000, max(known_ms, LEAST_SPAN_MS))
    step_ms = next(step for step in STEPS_MS if step * POINTS >= span_ms or step == STEPS_MS[-1])
    to_ms = ((now_ms + offset_ms) // step_ms + 1) * step_ms - offset_ms
    return to_ms - math.ceil(span_ms / step_ms) * step_ms, to_ms, step_ms


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
    shift_ms = shift(w, to_ms)
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
        "xAxis": _time_axis(from_ms + shift_ms, to_ms + shift_ms),
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
                **_line(
                    w.measurement(measurement), mean, [_limit(each, unit, w) for each in limits]
                ),
                "markArea": {
                    "silent": True,
                    "itemStyle": {"color": FLAGGED},
                    "data": _areas(flagged(points, step_ms), shift_ms),
                },
            },
        ],
    }


def flagged(points: Stepped | None, step_ms: int) -> list[tuple[int, int]]:
    """Return the stretches in which some readings did not count, UTC milliseconds."""
    found: list[tuple[int, int]] = []
    for at_ms, excluded in zip(points.from_ms, points.excluded, strict=True) if points else ():
        if excluded and found and found[-1][1] == at_ms:
            found[-1] = (found[-1][0], at_ms + step_ms)
        elif excluded:
            found.append((at_ms, at_ms + step_ms))
    return found


def _areas(stretches: list[tuple[int, int]], shift_ms: int) -> list[list[dict[str, int]]]:
    return [[{"xAxis": begin + shift_ms}, {"xAxis": end + shift_ms}] for begin, end in stretches]


def _time_axis(from_ms: int, to_ms: int) -> dict[str, Any]:
    return {
        "type": "time",
        "min": from_ms,
        "max": to_ms,
        "axisLine": {"lineStyle": {"color": GRID}},
        "axisLabel": {"color": MUTED, "hideOverlap": True, "formatter": _clock(to_ms - from_ms)},
        "splitLine": {"show": False},
    }


def _line(
    name: str, data: list[list[float | None]], limits: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "data": data,
        "showSymbol": False,
        "connectNulls": False,
        "lineStyle": {"color": LINE, "width": 1.6},
        "itemStyle": {"color": LINE},
        "markLine": {"symbol": "none", "silent": True, "data": limits},
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
        spread = None if least is None or most is None else most - least
        height.append([at_ms + shift_ms, spread])
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
    lows = [low for low in points.minimum if low is not None] if points else []
    highs = [high for high in points.maximum if high is not None] if points else []
    if not lows:  # without this, the axis of what was drawn before would stay
        return {"min": 0, "max": 1, "interval": 1, "axisLabel": {":formatter": "v => ''"}}
    least, most = min(lows), max(highs)
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
    if for_ms > 8 * 86_400_000:
        return "{yyyy}-{MM}-{dd}" if for_ms > 90 * 86_400_000 else "{MM}-{dd}"
    if for_ms > 86_400_000:
        return "{MM}-{dd} {HH}:{mm}"
    return "{HH}:{mm}" if for_ms > 600_000 else "{HH}:{mm}:{ss}"


def shift(w: Wording, at_ms: int) -> int:
    """Return how far the local clock is ahead of UTC, in milliseconds."""
    offset = w.local(at_ms).utcoffset()
    return round(offset.total_seconds() * 1000) if offset else 0
