"""What the gate would make of alerts, and how many cases would be handled too late. Pure.

Alerts are let through in order of time, as they wait for lasting, for hours and for a flood to
pass. What waits for a person's word is counted apart: what that person would say nobody can replay.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.core.gate import Decision, GatePolicy, Wait, decide, waits_for
from cloud.core.model import Device, Severity

LEAST_SEEN = 5  # handlings; with fewer of a category, those of all categories count


class Passage(StrEnum):
    """What became of an alert at the gate."""

    CASE = "case"
    CONFIRM = "confirm"  # it would wait for a person
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alert at the gate. category: its rule's. until_ms: when it ended; None if it did not."""

    severity: Severity
    category: str
    device: Device
    began_ms: int
    raised_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What became of one alert. opened_ms, due_ms: of its case; queued: a flood held it up."""

    passage: Passage
    category: str = ""
    opened_ms: int = 0
    due_ms: int = 0
    queued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlings:
    """How long cases took from opening to handling, in milliseconds, sorted, by category."""

    by_category: Mapping[str, Sequence[int]] = field(default_factory=dict)
    every: Sequence[int] = ()

    def longer(self, category: str, than_ms: int) -> float | None:
        """Return the share of handlings that took longer; None if none has been seen."""
        seen = self.by_category.get(category, ())
        if len(seen) < LEAST_SEEN:
            seen = self.every
        if not seen:
            return None
        return 1 - bisect_right(seen, than_ms) / len(seen)


NO_HANDLINGS = Handlings()


def pass_gate(alerts: Sequence[Raised], until_ms: int, policy: GatePolicy) -> list[Passed]:
    """Return what becomes of each alert, in the order given, in the time before until_ms."""
    passed = [Passed(passage=Passage.NONE)] * len(alerts)
    ready: list[tuple[int, int, Decision]] = []
    for index, alert in enumerate(alerts):
        decision = decide(alert.severity, alert.category, alert.device, alert.raised_ms, policy)
        if not decision.opens:
            continue
        at_ms = _ready_ms(alert, decision, policy)
        if at_ms is None:
            passed[index] = Passed(passage=Passage.CONFIRM, category=decision.category)
        elif alert.raised_ms <= at_ms < until_ms:
            ready.append((at_ms, index, decision))
    flood = _Flood(policy)
    for at_ms, index, decision in sorted(ready, key=lambda one: one[:2]):
        alert = alerts[index]
        opened_ms = flood.opened(at_ms, urgent=alert.severity.at_least(Severity.HIGH))
        if opened_ms < until_ms:
            dues = decide(alert.severity, alert.category, alert.device, opened_ms, policy).dues
            passed[index] = Passed(
                passage=Passage.CASE,
                category=decision.category,
                opened_ms=opened_ms,
                due_ms=dues.handle_ms,
                queued=opened_ms > at_ms,
            )
    return passed


def overdue(cases: Sequence[Passed], handlings: Handlings) -> float | None:
    """Return how many cases are handled too late, if handling takes as long as it took so far.

    The expected number; None where no handling has been seen.
    """
    if not handlings.every:
        return None
    shares = (
        handlings.longer(one.category, one.due_ms - one.opened_ms) or 0.0
        for one in cases
        if one.passage is Passage.CASE
    )
    return round(sum(shares), 1)


def _ready_ms(alert: Raised, decision: Decision, policy: GatePolicy) -> int | None:
    """Return when an alert has waited enough, -1 for never; None if a person must confirm it."""

    def wait(at_ms: int, *, confirmed: bool) -> Wait | None:
        return waits_for(
            alert.severity,
            decision.category,
            alert.began_ms,
            at_ms,
            policy,
            confirmed=confirmed,
        )

    at_ms = alert.raised_ms
    waits = wait(at_ms, confirmed=False)
    if waits is Wait.CONFIRM:
        return None
    if waits is Wait.LASTING:
        at_ms = alert.began_ms + round(policy.gate.lasting_s[alert.severity] * 1000)
        if alert.until_ms is not None and alert.until_ms < at_ms:
            return -1
        waits = wait(at_ms, confirmed=True)
    return _opening_ms(at_ms, policy) if waits is Wait.HOURS else at_ms


def _opening_ms(at_ms: int, policy: GatePolicy) -> int:
    """Return the next moment at which the hours begin in which cases are opened."""
    if policy.gate.hours is None:
        return at_ms
    local = datetime.fromtimestamp(at_ms / 1000, policy.calendar.zone)
    opens = datetime.combine(local.date(), policy.gate.hours[0], policy.calendar.zone)
    if opens < local:
        tomorrow = local.date() + timedelta(days=1)
        opens = datetime.combine(tomorrow, policy.gate.hours[0], policy.calendar.zone)
    return round(opens.timestamp() * 1000)


class _Flood:
    """So many cases in so long; those above it queue, in order. What is urgent does not queue."""

    def __init__(self, policy: GatePolicy) -> None:
        self._most = policy.gate.most
        self._within_ms = round(policy.gate.within_s * 1000)
        self._opened: list[int] = []
        self._last_ms = 0

    def opened(self, at_ms: int, *, urgent: bool) -> int:
        """Return when the case is opened."""
        if not urgent:
            at_ms = max(at_ms, self._last_ms)
            while (left := self._of_late(at_ms)) is not None:
                at_ms = left
            self._last_ms = at_ms
        insort(self._opened, at_ms)
        return at_ms

    def _of_late(self, at_ms: int) -> int | None:
        """Return when there is room again; None if there is now."""
        begin = bisect_right(self._opened, at_ms - self._within_ms)
        end = bisect_right(self._opened, at_ms)
        if end - begin < self._most:
            return None
        return self._opened[end - self._most] + self._within_ms
