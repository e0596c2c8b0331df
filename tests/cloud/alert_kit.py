"""Devices and series in a real database, and what the engine says of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloud.core.model import ConditionBegan, ConditionEnded, Severity
from cloud.core.rules import RuleSet
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.core.rule_kit import make_rule

T0_MS = 1_790_042_400_000
RULES = RuleSet(
    rules=(
        make_rule(id="loud", version="1-abc"),
        make_rule(id="very-loud", limit=80.0, severity=Severity.HIGH),
        make_rule(id="faint", severity=Severity.LOW),
        make_rule(id="no-case", category=""),
    ),
    fingerprint="f",
)
SERIES_A, SERIES_B, SERIES_GAS = 1, 2, 3


def fill(database: Database) -> None:
    """Enter two noise meters on one asset, and a gas sensor without asset or owner."""
    devices: list[dict[str, Any]] = [
        {"id": "noise-1", "kind": "noise", "asset": "GR-1", "owner": "文化路街道办"},
        {"id": "noise-2", "kind": "noise", "asset": "GR-1", "owner": "文化路街道办"},
        {"id": "gas-1", "kind": "gas", "asset": "", "owner": ""},
    ]
    common = {"gateway": "g", "profile": "p", "name": "", "address": "", "tags": {}}
    measured = {"noise-1": "noise_laeq", "noise-2": "noise_laeq", "gas-1": "gas_pressure.inlet"}
    with database.write() as connection:
        connection.execute(
            sa.insert(schema.devices), [common | d | {"first_seen_ms": 0} for d in devices]
        )
        rows = [
            {"id": number, "device": device, "measurement": measured[device]}
            for number, device in enumerate(measured, start=1)
        ]
        connection.execute(sa.insert(schema.series), rows)


DEVICES = {SERIES_A: "noise-1", SERIES_B: "noise-2", SERIES_GAS: "gas-1"}


def began(at_s: float, *, rule: str = "loud", series: int = SERIES_A) -> ConditionBegan:
    """Say that a condition began `at_s` after T0 and was sure ten seconds later."""
    found = RULES.by_id[rule]
    begins_ms = T0_MS + round(at_s * 1000)
    return ConditionBegan(
        rule=rule,
        rule_version=found.version,
        device=DEVICES[series],
        series=series,
        severity=found.severity,
        began_ms=begins_ms,
        due_ms=begins_ms + 10_000,
        observed_ms=begins_ms + 10_000,
        value=72.5,
        limit=found.limit,
    )


def ended(
    at_s: float, *, rule: str = "loud", series: int = SERIES_A, value: float = 55.0
) -> ConditionEnded:
    """Say that a condition ended `at_s` after T0 and was sure ten seconds later."""
    ends_ms = T0_MS + round(at_s * 1000)
    return ConditionEnded(
        rule=rule,
        device=DEVICES[series],
        series=series,
        ended_ms=ends_ms,
        observed_ms=ends_ms + 10_000,
        value=value,
    )
