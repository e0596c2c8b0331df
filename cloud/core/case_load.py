"""What the gate would make of alerts, and how many cases would be handled too late. Pure.

Alerts are let through in order of time, as they wait for lasting, for hours and for a flood to
pass. One whose matter (asset and category) has an open case joins it; a case is open for as long as
such cases were, and while its alerts hold. What waits for a person's word is counted apart: what
that person would say nobody can replay.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.core.gate import Decision, GatePolicy, Wait, decide, waits_for
from cloud.core.model import Device, Severity

DAY_MS = 86_400_000
LEAST_SEEN = 5  # handlings; with fewer of a category, those of all categories count


class Passage(StrEnum):
    """What became of an alert at the gate."""

    CASE = "case"
    JOINED = "joined"  # the open case of the same matter
    REOPENED = "reopened"  # the case of the same matter, closed a short time before
    CONFIRM = "confirm"  # it would wait for a person
    NONE = "none"


OPENED = (Passage.CASE, Passage.REOPENED)  # somebody has to handle it


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
    unit: str = ""
    opened_ms: int = 0
    due_ms: int = 0
    queued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlings:
    """How long cases took from opening to handling, in milliseconds, sorted.

    by_unit: by the unit that handled them and the category.
    """

    by_category: Mapping[str, Sequence[int]] = field(default_factory=dict)
    every: Sequence[int] = ()
    by_unit: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict)

    def longer(self, category: str, than_ms: int, unit: str = "") -> float | None:
        """Return the share of handlings that took longer; None if none has been seen.

        Of the unit and the category; where those are few, of the category; then of all.
        """
        seen = self.by_unit.get((unit, category), ())
        if len(seen) < LEAST_SEEN:
            seen = self.by_category.get(category, ())
        if len(seen) < LEAST_SEEN:
            seen = self.every
        if not seen:
            return None
        return 1 - bisect_right(seen, than_ms) / len(seen)


NO_HANDLINGS = Handlings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """How long cases were open. median_ms: by category; every_ms: of all; None: none has closed.

    reported: when cases that people reported were open, by asset and category: (from, until).
    """

    median_ms: Mapping[str, int] = field(default_factory=dict)
    every_ms: int | None = None
    reported: Mapping[tuple[str, str], Sequence[tuple[int, int]]] = field(default_factory=dict)

    def of(self, category: str, otherwise_ms: int) -> int:
        """Return how long a case of a category is open; otherwise_ms where none has closed."""
        found = self.median_ms.get(category, self.every_ms)
        return otherwise_ms if found is None else found

    def was_open(self, asset: str, category: str, at_ms: int) -> bool:
        """Whether a case that people reported was open then."""
        spans = self.reported.get((asset, category), ())
        return any(from_ms <= at_ms < until_ms for from_ms, until_ms in spans)


NO_LIVES = Lives()


def pass_gate(
    alerts: Sequence[Raised], until_ms: int, policy: GatePolicy, lives: Lives = NO_LIVES
) -> list[Passed]:
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
    flood, closes_ms = _Flood(policy), dict[tuple[str, str], int]()
    for at_ms, index, decision in sorted(ready, key=lambda one: one[:2]):
        alert, matter = alerts[index], (decision.asset, decision.category)
        closed_ms = closes_ms.get(matter)
        holds_ms = until_ms if alert.until_ms is None else alert.until_ms
        if closed_ms is not None and at_ms < closed_ms:
            passed[index] = Passed(passage=Passage.JOINED, category=decision.category)
            closes_ms[matter] = max(closed_ms, holds_ms)
            continue
        if lives.was_open(*matter, at_ms):
            passed[index] = Passed(passage=Passage.JOINED, category=decision.category)
            continue
        opened_ms = flood.opened(at_ms, urgent=alert.severity.at_least(Severity.HIGH))
        if opened_ms >= until_ms:
            continue
        dues = decide(alert.severity, alert.category, alert.device, opened_ms, policy).dues
        open_ms = lives.of(decision.category, dues.close_ms - opened_ms)
        closes_ms[matter] = max(opened_ms + open_ms, holds_ms)
        again = closed_ms is not None and opened_ms - closed_ms <= policy.reopen_days * DAY_MS
        passed[index] = Passed(
            passage=Passage.REOPENED if again else Passage.CASE,
            category=decision.category,
            unit=decision.unit,
            opened_ms=opened_ms,
            due_ms=dues.handle_ms,
            queued=opened_ms > at_ms,
        )
    return passed


def late_shares(
    cases: Sequence[Passed], handlings: Handlings, capacity: Mapping[str, float]
) -> list[float | None]:
    """Return how likely each is handled too late, 0 where it is no case; None if nothing is known.

    Handling takes as long as it took so far. Where a unit's capacity is known, in cases a day, it
    begins when the unit has come to the case: one after the other, in the order of opening.
    """
    none = 0.0 if handlings.every or capacity else None
    found = [none] * len(cases)
    free_ms: dict[str, float] = {}
    for index in sorted(range(len(cases)), key=lambda index: cases[index].opened_ms):
        one = cases[index]
        if one.passage not in OPENED:
            continue
        allowed_ms: float = one.due_ms - one.opened_ms
        found[index], a_day = None, capacity.get(one.unit)
        if a_day:
            begins_ms = max(free_ms.get(one.unit, 0.0), one.opened_ms)
            free_ms[one.unit] = begins_ms + DAY_MS / a_day
            allowed_ms -= begins_ms - one.opened_ms
        if handlings.every:
            found[index] = handlings.longer(one.category, round(allowed_ms), one.unit)
        elif a_day:
            found[index] = float(free_ms[one.unit] > one.due_ms)
    return found


def overdue(shares: Sequence[float | None], *, known: bool) -> float | None:
    """Return how many cases are expected to be handled too late; None where nothing is known."""
    told = [share for share in shares if share is not None]
    return round(sum(told), 1) if known and len(told) == len(shares) else None


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
