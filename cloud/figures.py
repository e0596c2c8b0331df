"""The figures of `gridwarden cloud count`: what is stored, what it led to, and how fast."""

from __future__ import annotations

import msgspec
import numpy as np
import sqlalchemy as sa

from cloud.ports import SeriesStore
from cloud.state import schema
from cloud.state.database import Database
from contract.quantities import Kind


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds; null where there is nothing to measure."""

    p50: float | None
    p99: float | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """stored, duplicates: readings. alerts, returned, cases: by kind of device.

    returned counts the alerts that reached RTNUN. sensor_to_alert_ms runs from the first answer
    beyond the limit, plus the rule's on-delay, to the commit of the alert.
    """

    stored: int
    duplicates: int
    alerts: dict[str, int]
    returned: dict[str, int]
    cases: dict[str, int]
    sensor_to_alert_ms: Percentiles


def figures(database: Database, store: SeriesStore) -> Figures:
    """Count. Raises: StorageError."""
    count = store.count()
    alerts, events, cases = schema.alerts, schema.alert_events, schema.cases
    with database.read() as connection:
        returned = sa.select(events.c.alert).where(events.c.to_state == "RTNUN")
        waited = connection.scalars(sa.select(alerts.c.recorded_ms - alerts.c.due_ms)).all()
        return Figures(
            stored=count.stored,
            duplicates=count.duplicates,
            alerts=_by_kind(connection, sa.select(alerts.c.kind)),
            returned=_by_kind(
                connection, sa.select(alerts.c.kind).where(alerts.c.id.in_(returned))
            ),
            cases=_by_kind(connection, sa.select(cases.c.kind)),
            sensor_to_alert_ms=Percentiles(
                p50=_percentile(waited, 50),
                p99=_percentile(waited, 99),
            ),
        )


def _by_kind(connection: sa.Connection, kinds: sa.Select[tuple[str]]) -> dict[str, int]:
    found = [row.kind for row in connection.execute(kinds)]
    return {kind.value: found.count(kind.value) for kind in Kind}


def _percentile(waited_ms: object, percent: int) -> float | None:
    values = np.asarray(waited_ms, np.float64)
    return round(float(np.percentile(values, percent)), 1) if len(values) else None
