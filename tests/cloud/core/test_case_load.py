"""The gate played over alerts, counted by hand."""

from __future__ import annotations

from datetime import time

import pytest

from cloud.core.case_load import (
    NO_HANDLINGS,
    Handlings,
    Passage,
    Passed,
    Raised,
    overdue,
    pass_gate,
)
from cloud.core.gate import Gate, GatePolicy, TimeLimits
from cloud.core.model import Device, Severity
from cloud.core.working_time import Span
from tests.cloud.core.rule_kit import NOISE, T0_MS

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
DAY_MS = 24 * HOUR_MS


def alert(
    at_ms: int,
    severity: Severity = Severity.MEDIUM,
    lasts_ms: int | None = None,
    device: Device = NOISE,
    category: str = "05-08",
) -> Raised:
    return Raised(
        severity=severity,
        category=category,
        device=device,
        began_ms=T0_MS + at_ms,
        raised_ms=T0_MS + at_ms,
        until_ms=None if lasts_ms is None else T0_MS + at_ms + lasts_ms,
    )


def passed(gate: Gate, *alerts: Raised) -> list[Passed]:
    return pass_gate(alerts, T0_MS + DAY_MS, GatePolicy(gate=gate))


def opened(gate: Gate, *alerts: Raised) -> list[int | str]:
    """Return when each case is opened, after T0; or what else became of the alert."""
    return [
        one.opened_ms - T0_MS if one.passage is Passage.CASE else one.passage.value
        for one in passed(gate, *alerts)
    ]


def test_what_makes_no_case_is_none_and_what_waits_for_a_person_is_told_apart() -> None:
    gate = Gate(confirm=frozenset({Severity.MEDIUM}))
    found = opened(
        gate, alert(0, Severity.LOW), alert(1, category=""), alert(2), alert(3, Severity.CRITICAL)
    )
    assert found == ["none", "none", "confirm", 3]


def test_what_must_last_becomes_a_case_when_it_has_lasted() -> None:
    gate = Gate(lasting_s={Severity.MEDIUM: 600.0})
    short, long = alert(0, lasts_ms=5 * MINUTE_MS), alert(5, lasts_ms=10 * MINUTE_MS)
    at_the_end = alert(DAY_MS - 1)
    assert opened(gate, short, long, at_the_end) == ["none", 5 + 600_000, "none"]


def test_outside_hours_it_waits_until_they_begin() -> None:
    """T0 is ten in the morning."""
    gate = Gate(hours=(time(8), time(18)))
    late = alert(9 * HOUR_MS)
    assert opened(gate, alert(0), late, alert(9 * HOUR_MS, Severity.CRITICAL)) == [
        0,
        22 * HOUR_MS,
        9 * HOUR_MS,
    ]


def test_a_flood_queues_in_order_and_what_is_urgent_does_not() -> None:
    gate = Gate(most=2, within_s=600.0)
    alerts = [alert(n * MINUTE_MS) for n in range(5)]
    found = passed(gate, *alerts, alert(5 * MINUTE_MS, Severity.HIGH))
    at_min = [(one.opened_ms - T0_MS) / MINUTE_MS for one in found]
    assert at_min == [0, 1, 10, 11, 20, 5]
    assert [one.queued for one in found] == [False, False, True, True, True, False]


def test_a_queue_that_goes_on_past_the_end_makes_no_case_in_time() -> None:
    gate = Gate(most=1, within_s=86_400.0)
    assert opened(gate, alert(0), alert(1)) == [0, "none"]


def test_overdue_is_expected_of_how_long_handling_took() -> None:
    policy = GatePolicy(limits={**GatePolicy().limits, Severity.MEDIUM: TimeLimits(handle=Span(2))})
    cases = pass_gate([alert(0), alert(1)], T0_MS + DAY_MS, policy)
    every = [HOUR_MS] * 3 + [3 * HOUR_MS]
    assert overdue(cases, NO_HANDLINGS) is None
    assert overdue(cases, Handlings(every=every)) == 0.5
    own = Handlings(by_category={"05-08": [3 * HOUR_MS] * 5}, every=every)
    assert overdue(cases, own) == 2.0
    assert own.longer("03-01", 2 * HOUR_MS) == 0.25
    assert own.longer("05-08", 3 * HOUR_MS) == pytest.approx(0)
    assert NO_HANDLINGS.longer("05-08", 1) is None
