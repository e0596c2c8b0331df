"""Devices, their series, and their newest readings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.core import model
from cloud.core.narrowing import Verdict, explain
from cloud.core.rules import Rule
from cloud.core.topology import OWN_KINDS
from cloud.core.waiting import ITSELF
from cloud.ports import Latest
from cloud.state import schema
from cloud.web import models
from cloud.web.freshness import is_stale
from contract.quality import Quality, to_letters
from contract.quantities import QUANTITIES, split_measurement, unit_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A device as it stands in the database, with the numbers of its series by measurement."""

    id: str
    kind: str
    name: str
    profile: str
    gateway: str
    gateway_online: bool
    period_s: float | None
    asset: str
    owner: str
    place: models.Place
    tags: Mapping[str, str]
    first_seen_ms: int
    series: Mapping[str, int]

    def for_rules(self) -> model.Device:
        """Return what rules know of it."""
        return model.Device(
            id=self.id, kind=self.kind, asset=self.asset, owner=self.owner, tags=self.tags
        )


def sensors(
    connection: sa.Connection,
    *,
    kind: str | None = None,
    gateway: str | None = None,
    only: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Sensor]:
    """Return devices by id, those after the given one."""
    devices, gateways = schema.devices, schema.gateways
    query = (
        sa.select(devices, gateways.c.online)
        .outerjoin(gateways, gateways.c.id == devices.c.gateway)
        .where(devices.c.id > after, devices.c.kind.not_in(OWN_KINDS))
        .order_by(devices.c.id)
        .limit(limit)
    )
    if kind is not None:
        query = query.where(devices.c.kind == kind)
    if gateway is not None:
        query = query.where(devices.c.gateway == gateway)
    if only is not None:
        query = query.where(devices.c.id == only)
    rows = connection.execute(query).all()
    numbers = series_of(connection, [row.id for row in rows] if len(rows) < 500 else None)
    return [
        Sensor(
            id=row.id,
            kind=row.kind,
            name=row.name or row.id,
            profile=row.profile,
            gateway=row.gateway,
            gateway_online=bool(row.online) or row.gateway == ITSELF,
            period_s=row.period_s,
            asset=row.asset,
            owner=row.owner,
            place=models.Place(latitude=row.latitude, longitude=row.longitude, address=row.address),
            tags=row.tags,
            first_seen_ms=row.first_seen_ms,
            series=numbers.get(row.id, {}),
        )
        for row in rows
    ]


def series_of(
    connection: sa.Connection, devices: Sequence[str] | None
) -> dict[str, dict[str, int]]:
    """Return {device: {measurement: series number}} of these devices, or of all."""
    series = schema.series
    query = sa.select(series).order_by(series.c.device, series.c.id)
    if devices is not None:
        query = query.where(series.c.device.in_(devices))
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.device, {})[row.measurement] = row.id
    return found


def names_of(connection: sa.Connection, devices: Collection[str]) -> dict[str, str]:
    """Return what people call these devices, by id."""
    table = schema.devices
    rows = connection.execute(sa.select(table.c.id, table.c.name).where(table.c.id.in_(devices)))
    return {row[0]: row[1] for row in rows}


def view(sensor: Sensor, latest: Mapping[int, Latest], now_ms: int) -> models.Device:
    """Return a device with what is newest of it."""
    return models.Device(
        id=sensor.id,
        kind=sensor.kind,
        name=sensor.name,
        profile=sensor.profile,
        gateway=sensor.gateway,
        gateway_online=sensor.gateway_online,
        period_s=sensor.period_s,
        asset=sensor.asset,
        owner=sensor.owner,
        place=sensor.place,
        tags=dict(sensor.tags),
        first_seen_ms=sensor.first_seen_ms,
        latest=latest_values(sensor, latest, now_ms),
    )


def verdicts(sensor: Sensor, rules: Sequence[Rule]) -> list[Verdict]:
    """Return what became of each rule on each of a device's measurements."""
    return explain(rules, sensor.for_rules(), list(sensor.series))


def rule_view(verdict: Verdict) -> models.DeviceRule:
    """Return what became of a rule, as the API tells it."""
    rule = verdict.rule
    return models.DeviceRule(
        measurement=verdict.measurement,
        rule=rule.id,
        title_zh=rule.title_zh,
        title_en=rule.title_en,
        standing=verdict.standing,
        by=list(verdict.by),
        key=verdict.key,
        seen=verdict.seen,
        wanted=list(verdict.wanted),
        schedule=rule.schedule,
        effective=rule.effective,
        until=rule.until,
    )


def latest_values(
    sensor: Sensor, latest: Mapping[int, Latest], now_ms: int
) -> list[models.LatestValue]:
    """Return the newest reading of each measurement that has any, in the table's order."""
    order = {key: place for place, key in enumerate(QUANTITIES)}
    return [
        models.LatestValue(
            measurement=measurement,
            unit=unit_of(measurement),
            value=reading.value,
            quality=to_letters(Quality(reading.quality)),
            observed_ms=reading.observed_ms,
            stale=is_stale(reading.observed_ms, sensor.period_s, now_ms),
        )
        for measurement, number in sorted(
            sensor.series.items(), key=lambda item: order.get(split_measurement(item[0])[0], 0)
        )
        if (reading := latest.get(number)) is not None
    ]
