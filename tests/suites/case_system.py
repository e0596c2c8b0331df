"""What every CaseSystem promises. Subclass the suite, and give it a bench."""

from __future__ import annotations

from typing import Protocol

from cloud.alerts import Alert
from cloud.core.gate import Decision
from cloud.ports import CaseSystem

AT_MS = 1_790_043_400_000


class Bench(Protocol):
    """A case system under test, with two alerts on one asset and category, and their decision."""

    system: CaseSystem
    alerts: tuple[Alert, Alert]
    decision: Decision

    def raised(self, alert: Alert, at_ms: int) -> str:
        """Call the system's raised() in a transaction of its own."""
        ...

    def returned(self, alert: Alert, at_ms: int) -> None:
        """Call the system's returned() in a transaction of its own."""
        ...

    def open_cases(self) -> list[str]:
        """Return the ids of the cases that are open."""
        ...

    def close(self, case: str) -> None:
        """Close a case as people do."""
        ...


class CaseSystemSuite:
    """One open case per asset and category, however often it is told."""

    def test_an_alert_opens_a_case(self, bench: Bench) -> None:
        case = bench.raised(bench.alerts[0], AT_MS)
        assert bench.open_cases() == [case]

    def test_being_told_again_opens_no_other(self, bench: Bench) -> None:
        case = bench.raised(bench.alerts[0], AT_MS)
        assert bench.raised(bench.alerts[0], AT_MS + 1) == case
        assert bench.open_cases() == [case]

    def test_a_second_alert_of_the_same_matter_joins_the_case(self, bench: Bench) -> None:
        case = bench.raised(bench.alerts[0], AT_MS)
        assert bench.raised(bench.alerts[1], AT_MS + 1) == case
        assert bench.open_cases() == [case]

    def test_a_sensor_back_to_normal_closes_nothing(self, bench: Bench) -> None:
        case = bench.raised(bench.alerts[0], AT_MS)
        bench.returned(bench.alerts[0], AT_MS + 1)
        bench.returned(bench.alerts[0], AT_MS + 2)
        assert bench.open_cases() == [case]

    def test_a_return_without_a_case_is_nothing(self, bench: Bench) -> None:
        bench.returned(bench.alerts[0], AT_MS)
        assert bench.open_cases() == []

    def test_after_it_was_closed_the_next_alert_opens_another(self, bench: Bench) -> None:
        first = bench.raised(bench.alerts[0], AT_MS)
        bench.close(first)
        assert bench.open_cases() == []
        second = bench.raised(bench.alerts[1], AT_MS + 1)
        assert second != first
        assert bench.open_cases() == [second]
