"""Alerts to make cases of, each on a device of its own that stands somewhere."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import alerts
from cloud.alerts import Alert
from cloud.cases import ledger
from cloud.core.gate import GatePolicy, decide
from cloud.core.model import ConditionBegan, Device, Severity
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import RULES

SHANGHAI = ZoneInfo("Asia/Shanghai")


def alert_of(database: Database, number: int, now_ms: int) -> Alert:
    """Enter a noise meter with this number, and raise an alert on it."""
    device = f"meter-{number}"
    row = {
        "id": device,
        "kind": "noise",
        "asset": f"GR-{number}",
        "owner": "文化路街道办",
        "gateway": "g",
        "profile": "p",
        "name": "",
        "address": "文化路 1 号",
        "latitude": 34.7,
        "longitude": 113.6 + number / 1000,
        "tags": {},
        "first_seen_ms": 0,
    }
    series = {"id": 100 + number, "device": device, "measurement": "noise_laeq"}
    event = ConditionBegan(
        rule="loud",
        rule_version="1-abc",
        device=device,
        series=100 + number,
        severity=RULES.by_id["loud"].severity,
        began_ms=now_ms,
        due_ms=now_ms,
        observed_ms=now_ms,
        value=72.5,
        limit=RULES.by_id["loud"].limit,
    )
    with database.write() as connection:
        connection.execute(sa.insert(schema.devices), [row])
        connection.execute(sa.insert(schema.series), [series])
        (change,) = alerts.apply(connection, [event], RULES, now_ms)
        return alerts.get_alert(connection, change.alert).alert


def open_case(database: Database, number: int, now_ms: int) -> str:
    """Open a case about an alert of its own."""
    alert = alert_of(database, number, now_ms)
    device = Device(id=alert.device, kind="noise", asset=f"GR-{number}", owner="街道办")
    decision = decide(Severity.MEDIUM, "05-08", device, now_ms, GatePolicy())
    with database.write() as connection:
        return ledger.open_or_attach(connection, alert, decision, now_ms, SHANGHAI)
