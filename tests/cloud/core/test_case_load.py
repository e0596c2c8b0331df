"""The gate played over alerts, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from cloud.core.case_load import (
    NO_HANDLINGS,
    Handlings,
    Lives,
    Passage,
    Passed,
    Raised,
    late_shares,
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


def of(number: int) -> Device:
    """Return a device whose matter is its own."""
    return replace(NOISE, id=f"n-{number}", asset=f"A-{number}")


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
    late = alert(9 * HOUR_MS, device=of(1))
    assert opened(gate, alert(0), late, alert(9 * HOUR_MS, Severity.CRITICAL, device=of(2))) == [
        0,
        22 * HOUR_MS,
        9 * HOUR_MS,
    ]


def test_a_flood_queues_in_order_and_what_is_urgent_does_not() -> None:
    gate = Gate(most=2, within_s=600.0)
    alerts = [alert(n * MINUTE_MS, device=of(n)) for n in range(5)]
    found = passed(gate, *alerts, alert(5 * MINUTE_MS, Severity.HIGH, device=of(5)))
    at_min = [(one.opened_ms - T0_MS) / MINUTE_MS for one in found]
    assert at_min == [0, 1, 10, 11, 20, 5]
    assert [one.queued for one in found] == [False, False, True, True, True, False]


def test_a_queue_that_goes_on_past_the_end_makes_no_case_in_time() -> None:
    gate = Gate(most=1, within_s=86_400.0)
    assert opened(gate, alert(0), alert(1, device=of(1))) == [0, "none"]


def late(
    cases: list[Passed], handlings: Handlings, capacity: dict[str, float] | None = None
) -> float | None:
    known = bool(handlings.every or capacity)
    return overdue(late_shares(cases, handlings, capacity or {}), known=known)


def two_hours(*alerts: Raised) -> list[Passed]:
    policy = GatePolicy(limits={**GatePolicy().limits, Severity.MEDIUM: TimeLimits(handle=Span(2))})
    return pass_gate(alerts, T0_MS + DAY_MS, policy)


def test_overdue_is_expected_of_how_long_handling_took() -> None:
    cases = two_hours(alert(0), alert(1, device=of(1)))
    every = [HOUR_MS] * 3 + [3 * HOUR_MS]
    assert late(cases, NO_HANDLINGS) is None
    assert late(cases, Handlings(every=every)) == 0.5
    assert late([], Handlings(every=every)) == 0.0
    own = Handlings(by_category={"05-08": [3 * HOUR_MS] * 5}, every=every)
    assert late(cases, own) == 2.0
    assert own.longer("03-01", 2 * HOUR_MS) == 0.25
    assert own.longer("05-08", 3 * HOUR_MS) == pytest.approx(0)
    assert NO_HANDLINGS.longer("05-08", 1) is None


def test_a_unit_s_own_times_go_before_those_of_others() -> None:
    (case,) = two_hours(alert(0))
    quick = {(case.unit, "05-08"): [HOUR_MS] * 5}
    slow = {"05-08": [3 * HOUR_MS] * 5}
    every = [3 * HOUR_MS]
    assert late([case], Handlings(by_category=slow, every=every)) == 1.0
    assert late([case], Handlings(by_category=slow, every=every, by_unit=quick)) == 0.0


def test_beyond_a_unit_s_capacity_cases_wait() -> None:
    """24 a day is one an hour: the third has no time left of its two hours."""
    cases = two_hours(*(alert(n, device=of(n)) for n in range(4)))
    capacity = {cases[0].unit: 24.0}
    assert late(cases, NO_HANDLINGS, capacity) == 2.0  # the third is done a moment too late
    half = Handlings(every=[HOUR_MS * 3 // 2])
    assert late(cases, half) == 0.0
    assert late(cases, half, capacity) == 3.0
    assert late(cases, half, {"another": 1.0}) == 0.0


def test_an_alert_joins_the_open_case_of_its_matter_and_reopens_the_one_just_closed() -> None:
    lives = Lives(median_ms={"05-08": 2 * HOUR_MS})
    one, other = alert(0, lasts_ms=1), alert(HOUR_MS, lasts_ms=1)
    lasting = alert(HOUR_MS + 1, lasts_ms=3 * HOUR_MS)
    joined = alert(4 * HOUR_MS, lasts_ms=1)  # closed only when the sensor is normal
    again = alert(5 * HOUR_MS)
    elsewhere = alert(HOUR_MS, device=of(1))
    alerts = [one, other, lasting, joined, again, elsewhere]
    found = pass_gate(alerts, T0_MS + DAY_MS, GatePolicy(), lives)
    assert [each.passage.value for each in found] == [
        *("case", "joined", "joined", "joined", "reopened", "case")
    ]
    never = GatePolicy(reopen_days=0.0)
    assert pass_gate(alerts, T0_MS + DAY_MS, never, lives)[4].passage is Passage.CASE


def test_it_joins_a_case_that_people_reported() -> None:
    matter = (NOISE.asset or NOISE.id, "05-08")
    lives = Lives(reported={matter: [(T0_MS + 5, T0_MS + 10)]}, every_ms=1)
    found = pass_gate(
        [alert(n, lasts_ms=0) for n in (4, 5, 10)], T0_MS + DAY_MS, GatePolicy(), lives
    )
    assert [each.passage.value for each in found] == ["case", "joined", "reopened"]
    assert lives.of("03-01", 7) == 1
    assert Lives().of("03-01", 7) == 7
    assert not lives.was_open("B", "05-08", T0_MS + 6)
