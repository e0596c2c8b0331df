"""People's reports: a case from a person, held against the sensors near it in space and time.

Every function works in its caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud.cases.matters import count_occurrence
from cloud.cases.rows import (
    Case,
    attach_evidence,
    find_open,
    insert_case,
    is_evidence,
    load,
    next_id,
    trace,
)
from cloud.cases.steps import POLICY, check_note
from cloud.core.case_roles import Actor, CaseRole
from cloud.core.case_steps import REPORTED, State, Step
from cloud.core.gate import OUTSIDE, GatePolicy, cell_of, unit_of
from cloud.core.model import Severity
from cloud.core.places import distance_m, kind_of
from cloud.errors import ConflictError, ForbiddenError, InvalidError
from cloud.state import schema

SOURCES = ("phone", "app", "message", "open311", "patrol")
TAGS = ("keyword", "area", "pollution_source")
NEAR_M = 300.0
BEFORE_MS = 6 * 3_600_000
LONGEST_TAG = 200
_MOST_ALERTS = 20
# A box that is sure to hold what is near: 300 m are 0.0027 degrees of latitude.
_BOX_DEGREES = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a person told. asset: what it is about, where that is known. tags: those of TAGS."""

    source: str
    category: str
    description: str
    latitude: float | None = None
    longitude: float | None = None
    address: str = ""
    asset: str = ""
    severity: Severity = Severity.MEDIUM
    tags: dict[str, str] = field(default_factory=dict)


def file_report(
    connection: sa.Connection,
    report: Report,
    actor: Actor,
    at_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy = POLICY,
) -> Case:
    """File what somebody of the city was told. Raises: ForbiddenError; as file()."""
    if CaseRole.COLLECTOR not in actor.roles:
        raise ForbiddenError(f"'report' takes the case role collector; {actor.name} has it not")
    return file(connection, report, at_ms, zone, policy, by=actor.name)


def file(
    connection: sa.Connection,
    report: Report,
    at_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy = POLICY,
    *,
    by: str = "",
    told: str = "",
) -> Case:
    """Make a case that waits to be accepted, or add to the one that is open for the same asset.

    It adds a line to that one's trail and changes nothing of it: neither severity nor due times.
    told: the line, where it is more than the description.
    Raises: InvalidError for an unknown category or source, a place outside every cell, or no place
    at all; ConflictError if somebody reports the same at this moment.
    """
    cell = _checked(report, policy)
    known = _known(connection, report)
    if known is not None:
        note = told or f"{report.source}: {report.description}"
        trace(connection, known, Step.ATTACH, known.state, at_ms, by=by, note=note)
        return known
    case = _case(connection, report, cell, at_ms, zone, policy)
    try:
        with connection.begin_nested():
            insert_case(connection, case)
    except IntegrityError:
        raise ConflictError("the same was reported at this moment: send it again") from None
    note = told or report.description
    trace(connection, case, Step.REPORT, case.state, at_ms, by=by, note=note)
    for alert in _alerts_near(connection, report, case.kind, at_ms):
        if not is_evidence(connection, case.id, alert):
            attach_evidence(connection, case.id, alert, at_ms)
            trace(connection, case, Step.ATTACH, case.state, at_ms, note=alert)
    count_occurrence(connection, case.id, at_ms, policy)
    return load(connection, case.id)


def _known(connection: sa.Connection, report: Report) -> Case | None:
    """The open case of a report's asset: one that stands, else one that was only reported."""
    if not report.asset:
        return None
    for asset in (report.asset, f"{REPORTED}{report.asset}"):
        found = find_open(connection, asset, report.category)
        if found is not None:
            return found
    return None


def _checked(report: Report, policy: GatePolicy) -> str:
    """Return the cell of a report's place, or raise InvalidError with the rule it breaks."""
    if report.category not in policy.categories:
        raise InvalidError(f"category {report.category!r} is none of this city's")
    if report.source not in SOURCES:
        raise InvalidError(f"source {report.source!r}; allowed: {', '.join(SOURCES)}")
    unknown = sorted(set(report.tags) - set(TAGS))
    if unknown or any(len(value) > LONGEST_TAG for value in report.tags.values()):
        raise InvalidError(f"tags: allowed are {', '.join(TAGS)}, of {LONGEST_TAG} characters")
    if not report.description.strip():
        raise InvalidError("a report needs a description")
    check_note("the description", report.description)
    placed = report.latitude is not None and report.longitude is not None
    if not placed and not report.address.strip() and not report.asset:
        raise InvalidError("a report needs a place: latitude and longitude, an address, an asset")
    cell = cell_of(report.longitude, report.latitude, policy)
    if placed and policy.cells and cell is None:
        if policy.outside_refused:
            raise InvalidError("the place is outside every cell of the area grid")
        return OUTSIDE
    return cell.code if cell else ""


def _case(
    connection: sa.Connection,
    report: Report,
    cell: str,
    at_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy,
) -> Case:
    number = next_id(connection, at_ms, zone)
    label = policy.categories[report.category]
    kind = kind_of(report.category)
    found = cell_of(report.longitude, report.latitude, policy)
    return Case(
        id=number,
        asset=f"{REPORTED}{report.asset}" if report.asset else f"report:{number}",
        category=report.category,
        title=label.zh,
        title_en=label.en,
        kind=kind,
        device="",
        severity=report.severity,
        state=State.REPORTED,
        unit=unit_of(found, report.category, "", kind, policy),
        sensor_normal_ms=None,
        opened_ms=at_ms,
        due_ms=None,
        closed_ms=None,
        version=1,
        source=report.source,
        cell=cell,
        latitude=report.latitude,
        longitude=report.longitude,
        address=report.address.strip(),
        description=report.description.strip(),
        tags=dict(report.tags),
    )


def _alerts_near(connection: sa.Connection, report: Report, kind: str, at_ms: int) -> list[str]:
    """Return the alerts of sensors that could confirm it: near, and of these hours."""
    if report.latitude is None or report.longitude is None or not kind:
        return []
    alerts, devices = schema.alerts.c, schema.devices.c
    query = (
        sa.select(alerts.id, devices.longitude, devices.latitude)
        .join_from(schema.alerts, schema.devices, devices.id == alerts.device)
        .where(
            alerts.kind == kind,
            alerts.began_ms <= at_ms,
            sa.or_(alerts.returned_ms.is_(None), alerts.returned_ms >= at_ms - BEFORE_MS),
            devices.latitude.between(
                report.latitude - _BOX_DEGREES, report.latitude + _BOX_DEGREES
            ),
        )
        .order_by(alerts.began_ms.desc())
        .limit(1_000)
    )
    here = (report.longitude, report.latitude)
    near = [
        row.id
        for row in connection.execute(query)
        if row.longitude is not None and distance_m(here, (row.longitude, row.latitude)) <= NEAR_M
    ]
    return near[:_MOST_ALERTS]
