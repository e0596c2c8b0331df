"""What completeness counts by: periods of devices, comings and goings of gateways, late readings.

Kept by intake, in its transactions; bounded by tidy().
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import sqlalchemy as sa

from cloud.core.columns import Columns
from cloud.core.model import Device
from cloud.core.waiting import UNKNOWN_PERIOD_S
from cloud.state import schema
from cloud.state.upsert import add_all
from contract.messages import DeviceBirth

HOUR_MS = 3_600_000
LATE_MS = 60_000  # after its period too, a reading is late
KEEP_DAYS = 400
MOST_PERIODS = 100  # of a device
MOST_STATES = 10_000  # of a gateway

Told = tuple[float | None, tuple[str, ...]]


class History:
    """Remembers what was written down last, so that only changes are."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}
        self._online: dict[str, bool] = {}
        self._late: Counter[tuple[str, int]] = Counter()  # by device and hour
        self._index: dict[str, int] = {}  # devices, numbered as they are met
        self._devices: list[str] = []
        self._forget_series()

    @classmethod
    def load(cls, connection: sa.Connection) -> History:
        """Read what was written down last."""
        history = cls()
        for row in connection.execute(_latest(schema.device_periods, "device")):
            history._told[row.device] = row.period_s, tuple(row.measurements)
        for row in connection.execute(_latest(schema.gateway_states, "gateway")):
            history._online[row.gateway] = row.online
        return history

    def born(self, connection: sa.Connection, devices: Iterable[DeviceBirth], now_ms: int) -> None:
        """Write down with which period devices were born, where it has changed."""
        changed = []
        for device in devices:
            known = device.period_s < UNKNOWN_PERIOD_S
            told: Told = device.period_s if known else None, tuple(sorted(device.measurements))
            if self._told.get(device.id) != told:
                self._told[device.id] = told
                changed.append(
                    {
                        "device": device.id,
                        "from_ms": now_ms,
                        "period_s": told[0],
                        "measurements": list(told[1]),
                    }
                )
        if changed:
            self._forget_series()
            connection.execute(schema.device_periods.insert(), changed)

    def state(self, connection: sa.Connection, gateway: str, online: bool, now_ms: int) -> None:
        """Write down that a gateway came or went."""
        if self._online.get(gateway) != online:
            self._online[gateway] = online
            row = {"gateway": gateway, "at_ms": now_ms, "online": online}
            connection.execute(schema.gateway_states.insert().values(**row))

    def _forget_series(self) -> None:
        self._device_of = np.empty(0, np.int32)
        self._allowed_ms = np.empty(0, np.int64)

    def late(self, columns: Columns, device_of: Callable[[int], Device], now_ms: int) -> int:
        """Count the readings that came long after they were observed; return how many.

        flush() writes the counts down: what a crash takes is these, and no reading.
        """
        some = columns.take(columns.observed_ms < now_ms - LATE_MS)
        if not len(some):
            return 0
        self._learn(int(some.series.max()), device_of)
        device = self._device_of[some.series]
        late = some.observed_ms < now_ms - self._allowed_ms[some.series]
        hours = some.observed_ms[late] // HOUR_MS
        key, counts = np.unique(device[late].astype(np.int64) << 32 | hours, return_counts=True)
        for each, number in zip(key.tolist(), counts.tolist(), strict=True):
            self._late[self._devices[each >> 32], (each & 0xFFFFFFFF) * HOUR_MS] += number
        return int(np.count_nonzero(late))

    def flush(self, connection: sa.Connection) -> None:
        """Write the counts of late readings down."""
        rows = [
            {"device": device, "hour_ms": hour_ms, "readings": number}
            for (device, hour_ms), number in self._late.items()
        ]
        self._late.clear()
        add_all(connection, schema.late_readings, rows, "readings")

    def _learn(self, series: int, device_of: Callable[[int], Device]) -> None:
        """Have the device and the allowance of each series up to this one in columns."""
        known = len(self._device_of)
        if series < known:
            return
        numbers, allowed = [], []
        for number in range(known, series + 1):
            try:
                device = device_of(number)
            except KeyError:  # a number that was never given, as after a transaction that failed
                device = Device(id="", kind="")
            numbers.append(self._index.setdefault(device.id, len(self._index)))
            allowed.append(round((device.period_s or 0.0) * 1000) + LATE_MS)
        self._devices = list(self._index)
        self._device_of = np.append(self._device_of, np.array(numbers, np.int32))
        self._allowed_ms = np.append(self._allowed_ms, np.array(allowed, np.int64))

    def tidy(self, connection: sa.Connection, now_ms: int) -> None:
        """Forget what is older than KEEP_DAYS, and what there is too much of."""
        oldest_ms = now_ms - KEEP_DAYS * 24 * HOUR_MS
        late, states = schema.late_readings, schema.gateway_states
        connection.execute(late.delete().where(late.c.hour_ms < oldest_ms))
        newest = sa.select(sa.func.max(states.c.id)).group_by(states.c.gateway)
        connection.execute(
            states.delete().where(states.c.at_ms < oldest_ms, states.c.id.not_in(newest))
        )
        _keep_newest(connection, states, "gateway", MOST_STATES)
        _keep_newest(connection, schema.device_periods, "device", MOST_PERIODS)


def _latest(table: sa.Table, of: str) -> sa.Select[tuple[object, ...]]:
    newest = sa.select(sa.func.max(table.c.id)).group_by(table.c[of])
    return sa.select(table).where(table.c.id.in_(newest))


def _keep_newest(connection: sa.Connection, table: sa.Table, of: str, most: int) -> None:
    crowded = sa.select(table.c[of]).group_by(table.c[of]).having(sa.func.count() > most)
    for key in connection.scalars(crowded).all():
        ids = sa.select(table.c.id).where(table.c[of] == key).order_by(table.c.id.desc())
        oldest_kept = connection.scalar(ids.offset(most - 1).limit(1))
        connection.execute(table.delete().where(table.c[of] == key, table.c.id < oldest_kept))
