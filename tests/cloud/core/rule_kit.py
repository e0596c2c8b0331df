"""Rules, series and readings, short to write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from cloud.core.columns import Columns
from cloud.core.model import Device, Series, Severity
from cloud.core.rules import Direction, Mark, Rule
from contract.quality import Quality
from tests.cloud.core.reference_checks import Plain

NOISE = Device(id="noise-1", kind="noise", tags={"area_class": "2"}, period_s=10.0)
LAEQ = Series(id=7, device=NOISE, measurement="noise_laeq")
T0_MS = 1_790_042_400_000  # 2026-09-22 10:00:00 in Shanghai


def make_rule(**changes: Any) -> Rule:
    values: dict[str, Any] = {
        "id": "loud",
        "version": "1",
        "title_zh": "噪声超标",
        "title_en": "too loud",
        "kinds": ("noise",),
        "measurements": ("noise_laeq",),
        "direction": Direction.ABOVE,
        "limit": 60.0,
        "unit": "dB(A)",
        "severity": Severity.MEDIUM,
        "category": "05-08",
        "source": "a test",
        "mark": Mark.JUDGEMENT,
        "effective": date(2000, 1, 1),
    }
    return Rule(**(values | changes))


def columns_of(readings: Sequence[Plain]) -> Columns:
    return Columns(
        series=np.array([r.series for r in readings], np.int32),
        observed_ms=np.array([r.at_ms for r in readings], np.int64),
        value=np.array([np.nan if r.value is None else r.value for r in readings], np.float64),
        quality=np.array([int(r.quality) for r in readings], np.uint16),
    )


def told(*pairs: tuple[float, float | None], quality: Quality = Quality.NORMAL) -> Columns:
    """Return readings of LAEQ as (seconds after T0, value)."""
    return columns_of([Plain(LAEQ.id, T0_MS + round(s * 1000), v, quality) for s, v in pairs])
