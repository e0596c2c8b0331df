"""How complete a device's data is, as the API answers it."""

from __future__ import annotations

from dataclasses import asdict

from cloud.completeness import Report
from cloud.web import models


def view(report: Report) -> models.DeviceCompleteness:
    """Return a report as the API shows it."""
    return models.DeviceCompleteness(
        device=report.device,
        period_s=report.period_s,
        total=models.Arrival(**asdict(report.total), late=report.late),
        days=[
            models.ArrivalDay(
                **asdict(day.part), late=day.late, day=day.day, from_ms=day.from_ms, to_ms=day.to_ms
            )
            for day in report.days
        ],
        losses=[models.Loss(**asdict(loss)) for loss in report.losses],
    )
