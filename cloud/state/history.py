"""What completeness counts by: periods of devices, comings and goings of gateways, late readings.

Kept by intake, in its transactions; bounded by tidy().
"""

from __future__ import annotations

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
            connection.execute(schema.device_periods.insert(), changed)

    def state(self, connection: sa.Connection, gateway: str, online: bool, now_ms: int) -> None:
        """Write down that a gateway came or went."""
        if self._online.get(gateway) != online:
            self._online[gateway] = online
            row = {"gateway": gateway, "at_ms": now_ms, "online": online}
            connection.execute(schema.gateway_states.insert().values(**row))

    def late(
        self,
        connection: sa.Connection,
        columns: Columns,
        device_of: Callable[[int], Device],
        now_ms: int,
    ) -> int:
        """Count the readings that came long after they were observed; return how many."""
        some = columns.take(columns.observed_ms < now_ms - LATE_MS)
        if not len(some):
            return 0
        series, which = np.unique(some.series, return_inverse=True)
        devices = [device_of(number) for number in series.tolist()]
        allowed_ms = np.array([(each.period_s or 0.0) * 1000 + LATE_MS for each in devices])
        late = some.observed_ms < now_ms - allowed_ms[which]
        hours = some.observed_ms[late] // HOUR_MS * HOUR_MS
        pairs, numbers = np.unique(np.stack((which[late], hours)), axis=1, return_counts=True)
        counted: dict[tuple[str, int], int] = {}
        for at, hour_ms, number in zip(*pairs.tolist(), numbers.tolist(), strict=True):
            key = devices[at].id, hour_ms
            counted[key] = counted.get(key, 0) + number
        add_all(
            connection,
            schema.late_readings,
            [
                {"device": device, "hour_ms": hour_ms, "readings": number}
                for (device, hour_ms), number in counted.items()
            ],
            "readings",
        )
        return int(np.count_nonzero(late))

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
