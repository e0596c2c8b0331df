"""A measurement over time and its statistics, as the API shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cloud.core.averages import averaging_of
from cloud.core.columns import Columns
from cloud.core.statistics import Exceedance, Statistics, due_readings
from cloud.ports import Stepped
from cloud.series.summaries import Subject
from cloud.web import models
from cloud.web.freshness import stale_after_ms
from contract.quality import Quality, to_letters
from contract.quantities import unit_of


def raw(subject: Subject, columns: Columns, from_ms: int, to_ms: int) -> models.SeriesPoints:
    """Return readings as they are."""
    at_ms = columns.observed_ms.tolist()
    return models.SeriesPoints(
        device=subject.device,
        measurement=subject.measurement,
        unit=unit_of(subject.measurement),
        averaging=averaging_of(subject.measurement),
        step_s=None,
        at_ms=at_ms,
        value=[None if math.isnan(value) else value for value in columns.value.tolist()],
        minimum=None,
        maximum=None,
        readings=None,
        excluded=None,
        quality=_letters(columns.quality.tolist()),
        valid_rate=None,
        gaps=gaps(at_ms, 0, from_ms, to_ms, subject.period_s),
    )


def stepped(
    subject: Subject, points: Stepped, step_ms: int, from_ms: int, to_ms: int
) -> models.SeriesPoints:
    """Return one point a step that has readings."""
    due = due_readings(0, step_ms, subject.period_s)
    return models.SeriesPoints(
        device=subject.device,
        measurement=subject.measurement,
        unit=unit_of(subject.measurement),
        averaging=averaging_of(subject.measurement),
        step_s=step_ms / 1000,
        at_ms=points.from_ms,
        value=points.mean,
        minimum=points.minimum,
        maximum=points.maximum,
        readings=points.readings,
        excluded=points.excluded,
        quality=_letters(points.quality),
        valid_rate=[min(1.0, n / due) if due else None for n in points.readings],
        gaps=gaps(points.from_ms, step_ms, from_ms, to_ms, subject.period_s),
    )


def gaps(
    at_ms: Sequence[int], step_ms: int, from_ms: int, to_ms: int, period_s: float | None
) -> list[models.Silence]:
    """Return where a device was silent for longer than its period explains.

    at_ms: when readings are, or where steps of step_ms begin that have some; sorted.
    """
    silence_ms = stale_after_ms(period_s)
    found: list[models.Silence] = []
    before_ms = from_ms
    for begin_ms in (*at_ms, to_ms):
        if begin_ms - before_ms > silence_ms:
            found.append(models.Silence(from_ms=before_ms, to_ms=begin_ms))
        before_ms = begin_ms + step_ms
    return found


def statistics(
    subject: Subject, found: Statistics, from_ms: int, to_ms: int
) -> models.SeriesStatistics:
    """Return statistics with what they are of."""
    return models.SeriesStatistics(
        device=subject.device,
        measurement=subject.measurement,
        unit=unit_of(subject.measurement),
        averaging=averaging_of(subject.measurement),
        from_ms=from_ms,
        to_ms=to_ms,
        readings=found.readings,
        excluded=found.excluded,
        quality=to_letters(found.quality),
        due=found.due,
        valid_rate=found.valid_rate,
        figures=[
            models.Figure(name=each.name, value=each.value, readings=each.readings)
            for each in found.figures
        ],
        exceedance=_exceedance(found.exceedance),
    )


def _exceedance(found: Exceedance | None) -> models.Exceedance | None:
    if found is None:
        return None
    return models.Exceedance(
        limit=found.limit, minutes=found.minutes, share=found.share, readings=found.readings
    )


def _letters(flags: Sequence[int]) -> list[str]:
    known = {each: to_letters(Quality(each)) for each in set(flags)}
    return [known[each] for each in flags]
