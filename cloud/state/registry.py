"""Who is who: gateways, their devices, and the number each series is stored under.

Held in memory by intake, the only writer. After a transaction that failed, load() again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud.core.model import Device, Series
from cloud.core.topology import OWN_KINDS
from cloud.core.waiting import UNKNOWN_PERIOD_S
from cloud.state import schema
from cloud.state.upsert import upsert
from contract.errors import ConfigError
from contract.messages import Birth, DeviceBirth, State
from contract.readings import Reading


class Registry:
    """Devices and series by name."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self.owned = 0  # counts changes of owners
        self._devices: dict[str, Device] = {}
        self._series: dict[tuple[str, str], Series] = {}
        self._names_of: dict[str, list[str]] = {}  # measurements, by device
        self._device_of: dict[int, str] = {}  # by series number
        self._series_of: Counter[str] = Counter()  # by device
        self._devices_by_owner: Counter[str] = Counter()
        self._series_by_owner: Counter[str] = Counter()
        self._expected: dict[str, set[tuple[str, str]]] = {}  # let in by room_for(), not seen yet

    @classmethod
    def load(cls, connection: sa.Connection) -> Registry:
        """Read what is known."""
        registry = cls()
        devices = schema.devices
        for row in connection.execute(sa.select(devices).where(devices.c.kind.not_in(OWN_KINDS))):
            if row.kind:
                registry._own(row.id, row.gateway)
            registry._devices[row.id] = device_of(dict(row._mapping))
        for row in connection.execute(sa.select(schema.series)):
            if row.device in registry._devices:
                registry._remember(row.id, registry._devices[row.device], row.measurement)
        return registry

    def owner_of(self, device: str) -> str | None:
        """Return the gateway whose birth named a device, or None: data alone claims nothing.

        A device that speaks for itself is ITSELF's.
        """
        return self._owners.get(device)

    def devices_of(self, owner: str) -> int:
        """Return how many devices a gateway has."""
        return self._devices_by_owner[owner]

    def has_room_for(self, device: str, measurement: str, most: int) -> bool:
        """Whether a device's series is there, or its owner has fewer than so many.

        Of devices that speak for themselves each counts for itself.
        """
        if (device, measurement) in self._series:
            return True
        owner = self._owners[device]
        expected = self._expected.setdefault(owner or f"/{device}", set())
        if (device, measurement) in expected:
            return True
        there = self._series_by_owner[owner] if owner else self._series_of[device]
        if there + len(expected) >= most:
            return False
        expected.add((device, measurement))
        return True

    def device_of_series(self, number: int) -> Device:
        """Return the device whose series has this number."""
        return self._devices[self._device_of[number]]

    def series_of(self, device: str) -> list[Series]:
        """Return all series of a device."""
        return [self._series[device, name] for name in self._names_of.get(device, ())]

    def all_series(self) -> Iterable[Series]:
        return self._series.values()

    def number(
        self, connection: sa.Connection, gateway: str, readings: Sequence[Reading], now_ms: int
    ) -> tuple[NDArray[np.int32], list[Series]]:
        """Return each reading's series number, and the series that are new.

        A device that no birth has named yet is written down too, and is nobody's.
        """
        names = [(reading.device, reading.measurement) for reading in readings]
        unknown = [name for name in dict.fromkeys(names) if name not in self._series]
        new = self._add(connection, gateway, unknown, now_ms) if unknown else []
        return np.array([self._series[name].id for name in names], np.int32), new

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
                self._own(told.id, str(owner))
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
            "period_s": told.period_s if told.period_s < UNKNOWN_PERIOD_S else None,
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
        self._own(told.id, gateway)
        if device == self._devices.get(told.id):
            return []
        self._devices[told.id] = device
        mine = [self._series[told.id, name] for name in self._names_of.get(told.id, ())]
        return [self._remember(series.id, device, series.measurement) for series in mine]

    def _add(
        self,
        connection: sa.Connection,
        gateway: str,
        names: Sequence[tuple[str, str]],
        now_ms: int,
    ) -> list[Series]:
        """Write new series down, all at once: a batch may name ten thousand."""
        devices = [
            d for d in dict.fromkeys(device for device, _ in names) if d not in self._devices
        ]
        rows = [_nobodys(device, gateway, now_ms) for device in devices]
        if rows:
            connection.execute(schema.devices.insert(), rows)
            self._devices |= {row["id"]: device_of(row) for row in rows}
        last = connection.scalar(sa.select(sa.func.max(schema.series.c.id))) or 0
        numbered = [
            {"id": number, "device": device, "measurement": measurement}
            for number, (device, measurement) in enumerate(names, last + 1)
        ]
        connection.execute(schema.series.insert(), numbered)
        return [
            self._remember(number, self._devices[device], measurement)
            for number, (device, measurement) in enumerate(names, last + 1)
        ]

    def adopt(
        self, connection: sa.Connection, owner: str, told: DeviceBirth, now_ms: int
    ) -> list[Series]:
        """Write a device down that a person adopted; return its series if they are not what
        they were."""
        return self._update(connection, owner, told, now_ms)

    def _own(self, device: str, owner: str) -> None:
        before = self._owners.get(device)
        if before == owner:
            return
        if before is not None:
            self._devices_by_owner[before] -= 1
            self._series_by_owner[before] -= self._series_of[device]
        self.owned += 1
        self._owners[device] = owner
        self._devices_by_owner[owner] += 1
        self._series_by_owner[owner] += self._series_of[device]

    def _remember(self, number: int, device: Device, measurement: str) -> Series:
        series = Series(id=number, device=device, measurement=measurement)
        self._device_of[number] = device.id
        if (device.id, measurement) not in self._series:
            self._names_of.setdefault(device.id, []).append(measurement)
            owner = self._owners.get(device.id)
            self._series_of[device.id] += 1
            if owner is not None:
                self._series_by_owner[owner] += 1
                self._expected.get(owner or f"/{device.id}", set()).discard(
                    (device.id, measurement)
                )
        self._series[device.id, measurement] = series
        return series


def _nobodys(device: str, gateway: str, now_ms: int) -> dict[str, Any]:
    """Return the row of a device that no birth has named yet."""
    return {
        "id": device,
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
    """Write down what a gateway, or its will, said of itself. A will's own time is of long ago.

    Its will knows no figures: the last ones stay, as they tell why it went.
    """
    table = schema.gateways
    if not state.online and not state.health:
        gone = sa.update(table).where(table.c.id == gateway, table.c.state_ms.is_not(None))
        values = {"online": False, "state_ms": now_ms, "problems": list(state.problems)}
        if connection.execute(gone.values(**values)).rowcount:
            return
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
