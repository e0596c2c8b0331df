"""One look at the database: devices, newest values, open alerts and cases, gateways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from cloud.cases import waiting
from cloud.cases.lists import Wanted
from cloud.core.case_steps import OPEN_STATES
from cloud.ports import Latest
from cloud.state import schema
from cloud.web import models
from cloud.web.queries import alerts, cases, devices, gateways
from cloud.web.queries.devices import Sensor
from cloud.web.services import Services

MOST = 500  # open alerts, and open cases, that are held; the counts count all
FULL_MS = 30_000  # after which everything is read, whatever the marks say


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Cheap figures that move when something has changed."""

    values: object = None
    devices: object = None
    alerts: object = None
    cases: object = None
    gateways: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is true at a moment. at_ms is 0 for never read."""

    at_ms: int = 0
    full_ms: int = 0
    marks: Marks = field(default_factory=Marks)
    sensors: Mapping[str, Sensor] = field(default_factory=dict)
    latest: Mapping[int, Latest] = field(default_factory=dict)
    alerts: tuple[models.Alert, ...] = ()  # open, the latest begun first
    alert_counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    cases: tuple[models.Case, ...] = ()  # open, the latest opened first
    case_counts: Mapping[str, int] = field(default_factory=dict)
    singled_out: int = 0  # open cases that stand out as recurring
    gate: Mapping[str, int] = field(default_factory=dict)  # alerts that wait, by what for
    gateways: tuple[models.Gateway, ...] = ()
    floods: tuple[models.Flood, ...] = ()  # that are not over
    ended_alerts: tuple[models.Alert, ...] = ()  # open in the snapshot before
    ended_cases: tuple[models.Case, ...] = ()
    watched: frozenset[str] = frozenset()  # sessions (their hashes) that somebody looks with
    sessions: frozenset[str] = frozenset()  # those of them that have not ended

    def has_ended(self, session: str) -> bool:
        """Whether this session, looked for, was not there any more."""
        return session in self.watched - self.sessions


def read(services: Services, before: Snapshot, watched: frozenset[str]) -> Snapshot:
    """Return the next snapshot; parts whose marks stand still are taken over.

    Raises: StorageError.
    """
    now_ms = services.clock.now_ms()
    full = now_ms - before.full_ms >= FULL_MS
    with services.database.read() as connection:
        marks = _marks(connection)
        old = Marks() if full else before.marks
        after = replace(
            before,
            at_ms=now_ms,
            full_ms=now_ms if full else before.full_ms,
            marks=marks,
            gate=waiting.count(connection),
            floods=tuple(alerts.floods(connection)),
            ended_alerts=(),
            ended_cases=(),
            watched=watched,
            sessions=_sessions(connection, watched, now_ms),
        )
        if marks.devices != old.devices or marks.gateways != old.gateways:
            found = devices.sensors(connection)
            after = replace(after, sensors={sensor.id: sensor for sensor in found})
        if marks.alerts != old.alerts:
            page = alerts.page(connection, states=alerts.OPEN, limit=MOST)
            gone = {alert.id for alert in before.alerts} - {alert.id for alert in page.items}
            after = replace(
                after,
                alerts=tuple(page.items),
                alert_counts=alerts.counts(connection),
                ended_alerts=tuple(alerts.some(connection, gone)),
            )
        if marks.cases != old.cases:
            opened = cases.page(
                connection, wanted=Wanted(states=OPEN_STATES), now_ms=now_ms, limit=MOST
            )
            gone = {case.id for case in before.cases} - {case.id for case in opened.items}
            after = replace(
                after,
                cases=tuple(opened.items),
                case_counts=cases.counts(connection),
                singled_out=cases.singled_out(connection),
                ended_cases=tuple(cases.some(connection, gone, now_ms)),
            )
        if marks.gateways != old.gateways:
            told = gateways.all_of(connection)
            after = replace(after, gateways=tuple(map(gateways.summary, told)))
    if marks.values != old.values:
        numbers = [n for sensor in after.sensors.values() for n in sensor.series.values()]
        after = replace(after, latest=services.series_store.latest(numbers))
    return after


def _marks(connection: sa.Connection) -> Marks:
    newest_block = _max(connection, schema.blocks.c.id)
    gateway = schema.gateways.c
    told = connection.execute(
        sa.select(sa.func.count(), sa.func.max(gateway.state_ms), sa.func.max(gateway.born_ms))
    ).one()
    online = connection.scalar(sa.select(sa.func.count()).where(gateway.online))
    numbers = (
        connection.scalar(sa.select(sa.func.count()).select_from(schema.devices)),
        _max(connection, schema.series.c.id),
    )
    return Marks(
        values=newest_block,
        devices=(numbers, told[2]),
        alerts=_max(connection, schema.alert_events.c.id),
        cases=(_max(connection, schema.case_events.c.id), _count(connection, schema.case_alerts)),
        gateways=(tuple(told), online),
    )


def _max(connection: sa.Connection, column: sa.Column[int]) -> int:
    return connection.scalar(sa.select(sa.func.max(column))) or 0


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _sessions(connection: sa.Connection, watched: frozenset[str], now_ms: int) -> frozenset[str]:
    table = schema.sessions
    return frozenset(
        connection.scalars(
            sa.select(table.c.token_sha256).where(
                table.c.token_sha256.in_(watched), table.c.expires_ms > now_ms
            )
        )
    )
