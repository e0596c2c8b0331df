"""What a backtest's page shows: figures side by side, and alerts on a chart."""

from __future__ import annotations

from typing import Any

from cloud.web import backtest_models as models
from cloud.web.console import charts
from cloud.web.pages import render
from cloud.web.wording import DECIMALS, NOTHING, Wording

MOST_CHARTS = 3
FIGURES = (
    "alerts",
    "alerts_a_day",
    "calls",
    "floods",
    "chattering",
    "stale",
    "cases",
    "joined",
    "reopened",
    "to_confirm",
    "queued",
    "overdue",
    "held",
)
NEUTRAL = ("joined", "held")  # neither more nor fewer of them is better


def table(found: models.Backtest, result: models.BacktestResult, w: Wording) -> str:
    """Return the figures of each changed rule and of all rules together, now and then."""
    blocks: list[tuple[str, models.BacktestFigures | None, models.BacktestFigures | None]] = [
        (
            w.pick(rule.title, rule.title_en),
            rule.current.figures if rule.current else None,
            rule.changed.figures if rule.changed else None,
        )
        for rule in result.rules
    ]
    blocks.append((w("backtest.all_rules"), result.current, result.changed))
    return render(
        "backtest.html",
        w=w,
        found=found,
        result=result,
        titles=[title for title, _, _ in blocks],
        rows=[(key, [_pair(key, now, then) for _, now, then in blocks]) for key in FIGURES],
    )


def chart(
    example: models.BacktestExample,
    rule: models.BacktestRule,
    side: models.BacktestSide,
    *,
    below: bool,
    w: Wording,
) -> dict[str, Any]:
    """Return ECharts options: the readings about an alert, its limit, and while it lasted."""
    shift_ms = charts.shift(w, example.began_ms)
    times = [at_ms + shift_ms for at_ms in example.at_ms]
    last_ms = times[-1] if times else example.began_ms + shift_ms
    until_ms = last_ms if example.ended_ms is None else example.ended_ms + shift_ms
    back = side.limit + side.deadband if below else side.limit - side.deadband
    lines = [_line(side.limit, "#b3122f", w.number(side.limit, rule.unit))]
    if side.deadband:
        lines.append(_line(back, charts.MUTED, ""))
    values = [value for value in example.readings if value is not None] or [side.limit]
    low, high = min(*values, side.limit, back), max(*values, side.limit, back)
    margin = (high - low) * 0.08 or 1.0
    digits = DECIMALS.get(rule.unit, 1)
    return {
        "useUTC": True,
        "animation": False,
        "aria": {"enabled": True},
        "grid": {"left": 8, "right": 14, "top": 10, "bottom": 4, "containLabel": True},
        "tooltip": {
            "trigger": "axis",
            ":valueFormatter": f"v => v == null ? '{NOTHING}' : v.toFixed({digits})",
        },
        "xAxis": {
            "type": "time",
            "axisLabel": {"color": charts.MUTED, "hideOverlap": True, "formatter": "{HH}:{mm}"},
            "axisLine": {"lineStyle": {"color": charts.GRID}},
        },
        "yAxis": {
            "type": "value",
            "min": low - margin,
            "max": high + margin,
            "axisLabel": {
                "color": charts.MUTED,
                "showMinLabel": False,
                "showMaxLabel": False,
                ":formatter": f"v => v.toFixed({digits})",
            },
            "splitLine": {"lineStyle": {"color": charts.GRID}},
        },
        "series": [
            {
                "type": "line",
                "name": w.measurement(example.measurement),
                "data": [list(pair) for pair in zip(times, example.readings, strict=True)],
                "showSymbol": False,
                "lineStyle": {"color": charts.LINE, "width": 1.6},
                "itemStyle": {"color": charts.LINE},
                "markLine": {"symbol": "none", "silent": True, "data": lines},
                "markArea": {
                    "silent": True,
                    "itemStyle": {"color": charts.FLAGGED},
                    "data": [[{"xAxis": example.began_ms + shift_ms}, {"xAxis": until_ms}]],
                },
            }
        ],
    }


def _line(value: float, colour: str, words: str) -> dict[str, Any]:
    return {
        "yAxis": value,
        "lineStyle": {"color": colour, "type": "dashed", "width": 1.2},
        "label": {
            "show": bool(words),
            "formatter": words,
            "position": "insideStartTop",
            "color": colour,
        },
    }


def _pair(
    key: str, now: models.BacktestFigures | None, then: models.BacktestFigures | None
) -> tuple[str, str, str]:
    """Return both values in words, and whether it became better or worse."""
    before, after = (getattr(side, key) if side else None for side in (now, then))
    if key in NEUTRAL or before is None or after is None or before == after:
        verdict = ""
    else:
        verdict = "good" if after < before else "poor"
    return _number(before), _number(after), verdict


def _number(value: float | None) -> str:
    if value is None:
        return NOTHING
    return str(value) if isinstance(value, int) else f"{value:.1f}"
