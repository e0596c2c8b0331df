"""/devices: what there is, what it says now, and what it said."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query

from cloud.core.columns import Columns
from cloud.ports import Stepped
from cloud.web import models
from cloud.web.api.common import Cursor, From, Limit, To, milliseconds, problems
from cloud.web.auth import Having, Viewer
from cloud.web.problems import Problem
from cloud.web.queries import devices
from cloud.web.queries.devices import Sensor
from cloud.web.services import Services
from contract.quality import Quality, to_letters
from contract.quantities import Kind, quantity_of

router = APIRouter(prefix="/devices", tags=["devices"])

HOUR_MS = 3_600_000
MOST_RAW_MS = 7 * 24 * HOUR_MS
MOST_RAW_POINTS = 100_000

DeviceId = Annotated[str, Path(description="The device's id", examples=["noise-01"])]


@router.get("", responses=problems(400))
def list_devices(
    services: Having,
    _: Viewer,
    kind: Annotated[Kind | None, Query(description="Only this kind")] = None,
    gateway: Annotated[str | None, Query(description="Only those this gateway reads")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> models.Page[models.Device]:
    """List devices by id, each with its place, its gateway and its newest values."""
    with services.database.read() as connection:
        found = devices.sensors(
            connection, kind=kind, gateway=gateway, after=cursor, limit=limit + 1
        )
    more = len(found) > limit
    return models.Page[models.Device](
        items=_views(services, found[:limit]),
        next=found[limit - 1].id if more else None,
    )


@router.get("/{device}", responses=problems(404))
def get_device(services: Having, _: Viewer, device: DeviceId) -> models.Device:
    """Return one device with its newest values."""
    return _views(services, [_sensor(services, device)])[0]


@router.get("/{device}/latest", responses=problems(404))
def get_latest(services: Having, _: Viewer, device: DeviceId) -> list[models.LatestValue]:
    """Return the newest reading of each measurement. A stale one says that it is."""
    return _views(services, [_sensor(services, device)])[0].latest


@router.get("/{device}/series", responses=problems(400, 404))
def get_series(
    services: Having,
    _: Viewer,
    device: DeviceId,
    measurement: Annotated[str, Query(description="Which one", examples=["noise_laeq"])],
    begin: From = None,
    end: To = None,
    step_s: Annotated[
        float | None,
        Query(gt=0, description="Average over steps of so many seconds; raw readings if left out"),
    ] = None,
) -> models.SeriesPoints:
    """Return a measurement over time; the last hour unless said otherwise.

    Steps average as the quantity does: decibels by energy, directions by vector. A step without
    usable readings has no point. Raw: at most 7 days and 100,000 readings at once.
    """
    sensor = _sensor(services, device)
    number = sensor.series.get(measurement)
    if number is None:
        raise Problem(
            "not-found",
            f"{device} has no measurement {measurement!r}; it has: "
            f"{', '.join(sensor.series) or 'none yet'}",
        )
    to_ms = milliseconds(end, services.clock.now_ms())
    from_ms = milliseconds(begin, to_ms - HOUR_MS)
    if from_ms >= to_ms:
        raise Problem("bad-range", "`from` must lie before `to`")
    if step_s is None:
        return _raw(device, measurement, _readings(services, number, from_ms, to_ms))
    step_ms = max(1, round(step_s * 1000))
    try:
        points = services.series_store.stepped(number, from_ms, to_ms, step_ms)
    except ValueError as error:
        raise Problem("bad-range", str(error)) from error
    return _stepped(device, measurement, step_ms, points)


def _sensor(services: Services, device: str) -> Sensor:
    with services.database.read() as connection:
        found = devices.sensors(connection, only=device)
    if not found:
        raise Problem.not_found("device", device)
    return found[0]


def _views(services: Services, sensors: list[Sensor]) -> list[models.Device]:
    numbers = [number for sensor in sensors for number in sensor.series.values()]
    latest = services.series_store.latest(numbers)
    now_ms = services.clock.now_ms()
    return [devices.view(sensor, latest, now_ms) for sensor in sensors]


def _readings(services: Services, number: int, from_ms: int, to_ms: int) -> Columns:
    if to_ms - from_ms > MOST_RAW_MS:
        raise Problem("bad-range", "more than 7 days of raw readings; ask for `step_s`")
    columns = services.series_store.range([number], from_ms, to_ms)
    if len(columns) > MOST_RAW_POINTS:
        raise Problem(
            "bad-range",
            f"{len(columns)} raw readings, more than {MOST_RAW_POINTS}; ask for `step_s`",
        )
    return columns


def _raw(device: str, measurement: str, columns: Columns) -> models.SeriesPoints:
    quantity = quantity_of(measurement)
    return models.SeriesPoints(
        device=device,
        measurement=measurement,
        unit=quantity.unit,
        averaging=quantity.averaging,
        step_s=None,
        at_ms=columns.observed_ms.tolist(),
        value=[None if np.isnan(value) else value for value in columns.value.tolist()],
        minimum=None,
        maximum=None,
        readings=None,
        quality=[to_letters(Quality(flags)) for flags in columns.quality.tolist()],
    )


def _stepped(device: str, measurement: str, step_ms: int, points: Stepped) -> models.SeriesPoints:
    quantity = quantity_of(measurement)
    return models.SeriesPoints(
        device=device,
        measurement=measurement,
        unit=quantity.unit,
        averaging=quantity.averaging,
        step_s=step_ms / 1000,
        at_ms=points.from_ms,
        value=list(points.mean),
        minimum=points.minimum,
        maximum=points.maximum,
        readings=points.readings,
        quality=None,
    )
