"""The suite of the port, run on every case system there is."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest

from cloud import alerts
from cloud.alerts import Alert
from cloud.cases import CASE_SYSTEMS, ledger
from cloud.cases.ledger import Ledger
from cloud.core.case_steps import OPEN_STATES, Step
from cloud.core.gate import Decision, GatePolicy, decide
from cloud.core.model import Device, Role, Severity
from cloud.ports import CaseSystem
from cloud.state.database import Database
from tests.cloud.alert_kit import RULES, SERIES_B, T0_MS, began, fill
from tests.suites.case_system import AT_MS, CaseSystemSuite


@dataclass
class LedgerBench:
    database: Database
    system: CaseSystem
    alerts: tuple[Alert, Alert]
    decision: Decision

    def raised(self, alert: Alert, at_ms: int) -> str:
        with self.database.write() as connection:
            return self.system.raised(connection, alert, self.decision, at_ms)

    def returned(self, alert: Alert, at_ms: int) -> None:
        with self.database.write() as connection:
            self.system.returned(connection, alert.id, at_ms)

    def open_cases(self) -> list[str]:
        with self.database.read() as connection:
            return [case.id for case in ledger.list_cases(connection, states=OPEN_STATES).cases]

    def close(self, case: str) -> None:
        for step in (Step.DISPATCH, Step.HANDLE, Step.VERIFY, Step.CLOSE):
            with self.database.write() as connection:
                seen = ledger.get_case(connection, case).case.version
                ledger.step(connection, case, step, "ming", Role.ADMIN, seen, "done", AT_MS)


@pytest.fixture
def ledger_bench(database: Database) -> LedgerBench:
    fill(database)
    with database.write() as connection:
        events = [began(0), began(1, series=SERIES_B)]
        changes = alerts.apply(connection, events, RULES, T0_MS)
        first, second = (alerts.get_alert(connection, c.alert).alert for c in changes)
    device = Device(id="noise-1", kind="noise", asset="GR-1")
    return LedgerBench(
        database,
        Ledger(ZoneInfo("Asia/Shanghai"), GatePolicy(reopen_days=0)),
        (first, second),
        decide(Severity.MEDIUM, "05-08", device, AT_MS, GatePolicy()),
    )


class TestLedger(CaseSystemSuite):
    @pytest.fixture
    def bench(self, ledger_bench: LedgerBench) -> LedgerBench:
        return ledger_bench


def test_every_case_system_has_its_suite() -> None:
    assert set(CASE_SYSTEMS) == {"ledger"}
