"""/devices: what there is, what it says now, and what it said."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from cloud.web import models
from cloud.web.api.common import Cursor, Limit, problems
from cloud.web.auth import Having, Viewer
from cloud.web.problems import Problem
from cloud.web.queries import devices
from cloud.web.queries.devices import Sensor
from cloud.web.services import Services
from contract.quantities import Kind

router = APIRouter(prefix="/devices", tags=["devices"])

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


@router.get("/{device}/rules", responses=problems(404))
def get_rules(services: Having, _: Viewer, device: DeviceId) -> list[models.DeviceRule]:
    """Return which rules apply to each measurement, and why others do not."""
    found = devices.verdicts(_sensor(services, device), services.in_force.rules)
    return [devices.rule_view(verdict) for verdict in found]


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
