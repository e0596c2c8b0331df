"""Who is who: gateways, their devices, and the number each series is stored under.

Held in memory by intake, the only writer. After a transaction that failed, load() again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud.core.model import Device, Series
from cloud.state import schema
from cloud.state.upsert import upsert
from contract.errors import ConfigError
from contract.messages import Birth, DeviceBirth, State
from contract.readings import Reading


class Registry:
    """Devices and series by name."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._devices: dict[str, Device] = {}
        self._series: dict[tuple[str, str], Series] = {}

    @classmethod
    def load(cls, connection: sa.Connection) -> Registry:
        """Read what is known."""
        registry = cls()
        for row in connection.execute(sa.select(schema.devices)):
            if row.kind:
                registry._owners[row.id] = row.gateway
            registry._devices[row.id] = device_of(dict(row._mapping))
        for row in connection.execute(sa.select(schema.series)):
            registry._remember(row.id, registry._devices[row.device], row.measurement)
        return registry

    def owner_of(self, device: str) -> str | None:
        """Return the gateway whose birth named a device, or None: data alone claims nothing."""
        return self._owners.get(device)

    def all_series(self) -> Iterable[Series]:
        return self._series.values()

    def number(
        self, connection: sa.Connection, gateway: str, readings: Sequence[Reading], now_ms: int
    ) -> tuple[NDArray[np.int32], list[Series]]:
        """Return each reading's series number, and the series that are new.

        A device that no birth has named yet is written down too, and is nobody's.
        """
        new = []
        numbers = np.empty(len(readings), np.int32)
        for index, reading in enumerate(readings):
            series = self._series.get((reading.device, reading.measurement))
            if series is None:
                series = self._add(connection, gateway, reading, now_ms)
                new.append(series)
            numbers[index] = series.id
        return numbers, new

    def born(
        self, connection: sa.Connection, birth: Birth, now_ms: int
    ) -> tuple[list[Series], list[str]]:
        """Write a gateway's devices down.

        Returns: the series of devices that are not what they were, and the devices refused
        because they are another gateway's.
        """
        upsert(
            connection,
            schema.gateways,
            {
                "id": birth.gateway,
                "online": True,
                "state_ms": now_ms,
                "born_ms": birth.born_ms,
                "agent_version": birth.agent_version,
                "config_version": birth.config_version,
                "health": {},
                "problems": [],
            },
        )
        refused = []
        for told in birth.devices:
            owner = self._claimed(connection, told.id)
            if owner not in (None, birth.gateway):
                refused.append(told.id)
                self._owners[told.id] = str(owner)
        changed: list[Series] = []
        for told in birth.devices:
            if told.id not in refused:
                changed += self._update(connection, birth.gateway, told, now_ms)
        return changed, refused

    def _claimed(self, connection: sa.Connection, device: str) -> str | None:
        """Ask the database whose a device is: `gridwarden cloud move` may have changed it."""
        table = schema.devices
        row = connection.execute(
            sa.select(table.c.gateway).where(table.c.id == device, table.c.kind != "")
        ).one_or_none()
        return row.gateway if row else None

    def _update(
        self, connection: sa.Connection, gateway: str, told: DeviceBirth, now_ms: int
    ) -> list[Series]:
        row: dict[str, Any] = {
            "gateway": gateway,
            "kind": told.kind,
            "profile": told.profile,
            "period_s": told.period_s,
            "name": told.name,
            "asset": told.asset,
            "owner": told.owner,
            "latitude": told.place.latitude if told.place else None,
            "longitude": told.place.longitude if told.place else None,
            "address": told.place.address if told.place else "",
            "tags": dict(told.tags),
        }
        if told.id in self._devices:
            table = schema.devices
            connection.execute(table.update().where(table.c.id == told.id).values(**row))
        else:
            connection.execute(
                schema.devices.insert().values(id=told.id, first_seen_ms=now_ms, **row)
            )
        device = device_of({"id": told.id, **row})
        self._owners[told.id] = gateway
        if device == self._devices.get(told.id):
            return []
        self._devices[told.id] = device
        mine = [series for series in self._series.values() if series.device.id == told.id]
        return [self._remember(series.id, device, series.measurement) for series in mine]

    def _add(
        self, connection: sa.Connection, gateway: str, reading: Reading, now_ms: int
    ) -> Series:
        if reading.device not in self._devices:
            row: dict[str, Any] = {
                "id": reading.device,
                "gateway": gateway,
                "kind": "",
                "profile": "",
                "period_s": None,
                "name": "",
                "asset": "",
                "owner": "",
                "address": "",
                "tags": {},
                "first_seen_ms": now_ms,
            }
            connection.execute(schema.devices.insert().values(**row))
            self._devices[reading.device] = device_of(row)
        number = connection.scalar(
            schema.series.insert()
            .values(device=reading.device, measurement=reading.measurement)
            .returning(schema.series.c.id)
        )
        return self._remember(int(number or 0), self._devices[reading.device], reading.measurement)

    def _remember(self, number: int, device: Device, measurement: str) -> Series:
        series = Series(id=number, device=device, measurement=measurement)
        self._series[device.id, measurement] = series
        return series


def device_of(row: Mapping[str, Any]) -> Device:
    """Return what rules and the gate know of a row of `devices`."""
    return Device(
        id=row["id"],
        kind=row["kind"],
        asset=row["asset"],
        owner=row["owner"],
        tags=row["tags"],
        period_s=row["period_s"],
    )


def move(connection: sa.Connection, device: str, gateway: str) -> str:
    """Give a device to another gateway, as when a cabinet is replaced; return the one it was.

    Raises: ConfigError if there is no such device. Intake follows at the gateway's next birth.
    """
    table = schema.devices
    before = connection.scalar(sa.select(table.c.gateway).where(table.c.id == device))
    if before is None:
        raise ConfigError(f"there is no device {device!r}")
    connection.execute(table.update().where(table.c.id == device).values(gateway=gateway))
    return str(before)


def told_state(connection: sa.Connection, gateway: str, state: State, now_ms: int) -> None:
    """Write down what a gateway, or its will, said of itself. A will's own time is of long ago."""
    upsert(
        connection,
        schema.gateways,
        {
            "id": gateway,
            "online": state.online,
            "state_ms": now_ms,
            "health": state.health,
            "problems": list(state.problems),
        },
    )
