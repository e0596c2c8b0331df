"""Cases in a real database, and people who take their steps."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import alerts
from cloud.alerts import Alert
from cloud.cases import ledger
from cloud.cases.ledger import Case, CaseDetail
from cloud.cases.steps import Given, take
from cloud.core.case_roles import Actor, CaseRole
from cloud.core.case_steps import Step
from cloud.core.gate import GatePolicy, decide
from cloud.core.model import ConditionEvent, Device
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import RULES, SERIES_A, T0_MS, began, ended

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = T0_MS + 1_000_000
UNIT = "文化路街道办"
NOISE = Device(id="noise-1", kind="noise", asset="GR-1", owner=UNIT)
COVER = Device(id="gas-1", kind="manhole", asset="MH-1", owner="市政")
POLICY = GatePolicy()


def person(name: str, *roles: CaseRole, unit: str = "") -> Actor:
    return Actor(name=name, roles=frozenset(roles), unit=unit)


ANYBODY = person("ming", *CaseRole)
MANAGER = person("boss", CaseRole.MANAGER)
CREW = person("crew", CaseRole.HANDLER, unit=UNIT)
DESK = person("desk", CaseRole.ACCEPTOR, CaseRole.DISPATCHER)
INSPECTOR = person("eye", CaseRole.VERIFIER)


def say(database: Database, event: ConditionEvent, at_ms: int = NOW_MS) -> Alert:
    with database.write() as connection:
        (change,) = alerts.apply(connection, [event], RULES, at_ms)
        return alerts.get_alert(connection, change.alert).alert


def open_case(
    database: Database,
    alert: Alert,
    at_ms: int = NOW_MS,
    *,
    device: Device = NOISE,
    policy: GatePolicy = POLICY,
) -> str:
    decision = decide(alert.severity, alert.category, device, at_ms, policy)
    with database.write() as connection:
        return ledger.open_or_attach(connection, alert, decision, at_ms, SHANGHAI, policy)


def arise(database: Database, at_s: float, *, series: int = SERIES_A, rule: str = "loud") -> str:
    """Raise an alert and open its case, then."""
    at_ms = T0_MS + round(at_s * 1000) + 20_000
    return open_case(database, say(database, began(at_s, series=series, rule=rule), at_ms), at_ms)


def calm(database: Database, at_s: float, *, series: int = SERIES_A) -> None:
    """Let the sensor be normal, and the case know."""
    alert = say(database, ended(at_s, series=series))
    with database.write() as connection:
        ledger.sensor_normal(connection, alert.id, T0_MS + round(at_s * 1000) + 20_000)


def look(database: Database, case: str) -> CaseDetail:
    with database.read() as connection:
        return ledger.get_case(connection, case)


def do(
    database: Database,
    case: str,
    step: Step | str,
    actor: Actor = ANYBODY,
    at_ms: int = NOW_MS + 60_000,
    *,
    version: int | None = None,
    policy: GatePolicy = POLICY,
    given: Given | None = None,
) -> Case:
    """Take a step with all that it may need, unless told otherwise."""
    seen = look(database, case).case.version if version is None else version
    all_of_it = given or Given(note="done", until_ms=at_ms + 5 * DAY_MS)
    with database.write() as connection:
        return take(connection, case, step, actor, seen, all_of_it, at_ms, policy)


def close(database: Database, case: str, at_ms: int = NOW_MS + 60_000) -> Case:
    for step in (Step.DISPATCH, Step.HANDLE, Step.VERIFY):
        do(database, case, step, at_ms=at_ms)
    return do(database, case, Step.CLOSE, at_ms=at_ms)


def trail(database: Database, case: str) -> list[str]:
    return [event.step.value for event in look(database, case).trail]


def outbox(database: Database, topic: str) -> list[str]:
    table = schema.outbox
    with database.read() as connection:
        return list(connection.scalars(sa.select(table.c.key).where(table.c.topic == topic)))


def as_cover(alert: Alert) -> Alert:
    """The same alert, of a manhole."""
    return replace(alert, kind="manhole", device="gas-1")
