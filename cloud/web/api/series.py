"""A device's measurements over time: raw, in steps, and what they come to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud.core.rollup import aligned, step_for
from cloud.series.summaries import Subject, find, summarise
from cloud.web import models
from cloud.web.api.common import From, To, milliseconds, problems
from cloud.web.api.devices import DeviceId
from cloud.web.auth import Having, Viewer
from cloud.web.problems import Problem
from cloud.web.queries import series
from cloud.web.services import Services

router = APIRouter(prefix="/devices", tags=["series"])

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MOST_RAW_MS = 7 * DAY_MS
MOST_RAW_POINTS = 100_000

Measurement = Annotated[str, Query(description="Which one", examples=["noise_laeq"])]


@router.get("/{device}/series", responses=problems(400, 404))
def get_series(
    services: Having,
    _: Viewer,
    device: DeviceId,
    measurement: Measurement,
    begin: From = None,
    end: To = None,
    step_s: Annotated[
        float | None,
        Query(gt=0, description="Average over steps of so many seconds; raw readings if left out"),
    ] = None,
    points: Annotated[
        int | None,
        Query(ge=1, le=5_000, description="Choose a round step, so that there are at most so many"),
    ] = None,
) -> models.SeriesPoints:
    """Return a measurement over time; the last hour unless said otherwise.

    Steps average as the quantity does: decibels by energy, directions by vector. A step without
    readings has no point, one without usable readings has the value null; `gaps` says where the
    device was silent. Raw: at most 7 days and 100,000 readings at once.
    """
    subject = _subject(services, device, measurement)
    to_ms = milliseconds(end, services.clock.now_ms())
    from_ms = milliseconds(begin, to_ms - HOUR_MS)
    if from_ms >= to_ms:
        raise Problem("bad-range", "`from` must lie before `to`")
    if points is not None and step_s is not None:
        raise Problem("bad-range", "`points` chooses the step; ask for it or for `step_s`")
    if points is not None:
        step_ms = step_for(to_ms - from_ms, points)
        return _stepped(
            services, subject, aligned(from_ms, step_ms, services.timezone), to_ms, step_ms
        )
    if step_s is not None:
        return _stepped(services, subject, from_ms, to_ms, max(1, round(step_s * 1000)))
    return _raw(services, subject, from_ms, to_ms)


@router.get("/{device}/statistics", responses=problems(400, 404))
def get_statistics(
    services: Having,
    _: Viewer,
    device: DeviceId,
    measurement: Measurement,
    begin: From = None,
    end: To = None,
    limit: Annotated[
        float | None,
        Query(allow_inf_nan=False, description="For how long the values were above this"),
    ] = None,
) -> models.SeriesStatistics:
    """Return what a measurement comes to; the last 24 hours unless said otherwise.

    Noise: LAeq, Lmax, Lmin, LN, Ld, Ln and Ldn, with the local day and night. Others: the average,
    the extremes and percentiles. Every figure says how many readings it rests on.
    """
    subject = _subject(services, device, measurement)
    to_ms = milliseconds(end, services.clock.now_ms())
    from_ms = milliseconds(begin, to_ms - DAY_MS)
    try:
        found = summarise(
            services.series_store,
            subject,
            from_ms,
            to_ms,
            zone=services.timezone,
            hours=services.hours,
            limit=limit,
        )
    except ValueError as error:
        raise Problem("bad-range", str(error)) from error
    return series.statistics(subject, found, from_ms, to_ms)


def _subject(services: Services, device: str, measurement: str) -> Subject:
    with services.database.read() as connection:
        return find(connection, device, measurement)


def _stepped(
    services: Services, subject: Subject, from_ms: int, to_ms: int, step_ms: int
) -> models.SeriesPoints:
    try:
        points = services.series_store.stepped(subject.series, from_ms, to_ms, step_ms)
    except ValueError as error:
        raise Problem("bad-range", str(error)) from error
    until_ms = max(from_ms, min(to_ms, services.clock.now_ms()))
    return series.stepped(subject, points, step_ms, from_ms, until_ms)


def _raw(services: Services, subject: Subject, from_ms: int, to_ms: int) -> models.SeriesPoints:
    if to_ms - from_ms > MOST_RAW_MS:
        raise Problem("bad-range", "more than 7 days of raw readings; ask for `step_s`")
    columns = services.series_store.range([subject.series], from_ms, to_ms)
    if len(columns) > MOST_RAW_POINTS:
        raise Problem(
            "bad-range",
            f"{len(columns)} raw readings, more than {MOST_RAW_POINTS}; ask for `step_s`",
        )
    until_ms = max(from_ms, min(to_ms, services.clock.now_ms()))
    return series.raw(subject, columns, from_ms, until_ms)
