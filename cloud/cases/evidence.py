"""All that is known of a case, gathered to be shown on paper, after it has been verified."""

from __future__ import annotations

import math
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.alerts import Alert
from cloud.cases import files, ledger, sealing
from cloud.cases.file_store import FileStore
from cloud.cases.files import CaseFile
from cloud.cases.rows import CaseDetail
from cloud.core.chain import Broken, Head
from cloud.ports import SeriesStore
from cloud.state import schema
from cloud.state.database import Database
from contract.quantities import unit_of

HOUR_MS = 3_600_000
AROUND_MS = HOUR_MS // 2
LONGEST_MS = 6 * HOUR_MS
MOST_CHARTS = 6
MOST_POINTS = 600
CALIBRATED = "calibrated"  # the tag of a device that says when


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The device, as it is known now. calibrated: as its tag says; "" for not known."""

    id: str
    name: str
    profile: str
    asset: str
    owner: str
    address: str
    calibrated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The readings around an alert, in unit. step_ms: each is an average over it; None: raw."""

    alert: str
    measurement: str
    unit: str
    limit: float
    from_ms: int
    to_ms: int
    step_ms: int | None
    at_ms: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A case with all that stands for it. damaged: names of files that are not what they were."""

    detail: CaseDetail
    devices: list[Device]
    charts: list[Chart]
    files: list[CaseFile]
    head: Head
    broken: Broken | None
    damaged: list[str]

    @property
    def holds(self) -> bool:
        """Whether all of it is as it was sealed."""
        return self.broken is None and not self.damaged


def gather(database: Database, series: SeriesStore, store: FileStore, case: str) -> Evidence:
    """Verify a case and gather its evidence. Raises: NotFoundError; StorageError."""
    with database.read() as connection:
        detail = ledger.get_case(connection, case)
        found = files.files_of(connection, case)
        verified = sealing.verify(connection, case)
        devices = _devices(connection, detail)
    return Evidence(
        detail=detail,
        devices=devices,
        charts=[_chart(series, alert) for alert in detail.alerts[:MOST_CHARTS]],
        files=found,
        head=verified.head,
        broken=verified.broken,
        damaged=[each.name for each in files.damaged(store, found)],
    )


def _devices(connection: sa.Connection, detail: CaseDetail) -> list[Device]:
    table = schema.devices
    wanted = {detail.case.device, *(alert.device for alert in detail.alerts)}
    rows = connection.execute(sa.select(table).where(table.c.id.in_(wanted)).order_by(table.c.id))
    return [
        Device(
            id=row.id,
            name=row.name,
            profile=row.profile,
            asset=row.asset,
            owner=row.owner,
            address=row.address,
            calibrated=str(row.tags.get(CALIBRATED, "")),
        )
        for row in rows
    ]


def _chart(series: SeriesStore, alert: Alert) -> Chart:
    """Read from half an hour before an alert to half an hour after it, six hours at most."""
    from_ms = alert.began_ms - AROUND_MS
    over_ms = alert.returned_ms or alert.observed_ms
    to_ms = min(from_ms + LONGEST_MS, max(over_ms, alert.observed_ms) + AROUND_MS)
    columns = series.range([alert.series], from_ms, to_ms)
    points = list(zip(columns.observed_ms.tolist(), columns.value.tolist(), strict=True))
    step_ms = None
    if len(points) > MOST_POINTS:
        step_ms = max(1, -(-(to_ms - from_ms) // MOST_POINTS))
        stepped = series.stepped(alert.series, from_ms, to_ms, step_ms)
        points = list(zip(stepped.from_ms, (_plain(each) for each in stepped.mean), strict=True))
    kept = [(at_ms, value) for at_ms, value in points if not math.isnan(value)]
    return Chart(
        alert=alert.id,
        measurement=alert.measurement,
        unit=unit_of(alert.measurement),
        limit=alert.limit_value,
        from_ms=from_ms,
        to_ms=to_ms,
        step_ms=step_ms,
        at_ms=[at_ms for at_ms, _ in kept],
        values=[value for _, value in kept],
    )


def _plain(value: float | None) -> float:
    return math.nan if value is None else value
