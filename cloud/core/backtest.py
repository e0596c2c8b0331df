"""Two sets of rules over the same stored readings: what each would have raised. Pure, event time.

Every condition that began counts as an alert, and every rise calls once more. Nothing of what
people and the alert policy do is played: shelving, maintenance, suppression, groups, realarms.
Cases are alerts that the gate lets through (cloud/core/case_load.py), each for itself: that an open
case of the same matter takes in further alerts depends on when people close it, which nobody can
replay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict
from zoneinfo import ZoneInfo

import numpy as np

from cloud.core.backtest_figures import Comparison, Example, Figures, Outcome
from cloud.core.case_load import (
    NO_HANDLINGS,
    Handlings,
    Passage,
    Passed,
    Raised,
    overdue,
    pass_gate,
)
from cloud.core.columns import Columns
from cloud.core.evaluate import Engine
from cloud.core.gate import GatePolicy
from cloud.core.model import (
    ConditionBegan,
    ConditionEnded,
    ConditionEvent,
    ConditionRose,
    Device,
    Series,
    Severity,
)
from cloud.core.performance import Annunciation, Figure, Flood, Performance, Standing, measure
from cloud.core.rules import RuleSet
from cloud.core.schedule import DayHours, cut_for

DAY_MS = 86_400_000
EXAMPLES = 5
PIECE = 20_000  # readings at once: what is quiet in a piece costs the engine next to nothing


class _Cases(TypedDict):
    cases: int
    to_confirm: int
    queued: int
    overdue: float | None


@dataclass(slots=True, kw_only=True)
class _Alert:
    id: str
    began: ConditionBegan
    severity: Severity
    rises: list[ConditionRose]
    ended_ms: int | None = None


class Run:
    """One set of rules over readings fed in order of time.

    Args: only: a device; alerts of others, which are there to be compared with, do not count.
    """

    def __init__(
        self, rules: RuleSet, zone: ZoneInfo, series: Iterable[Series], only: str = ""
    ) -> None:
        bound = list(series)
        self._rules = rules
        self._only = only
        self._devices: dict[str, Device] = {one.device.id: one.device for one in bound}
        self._measurements = {one.id: one.measurement for one in bound}
        self._alerts: list[_Alert] = []
        self._open: dict[tuple[str, int], _Alert] = {}
        self._engine = Engine(rules.rules, zone, cut_for(DayHours(), rules.rules))
        self._engine.bind(bound)

    def reach_ms(self) -> int:
        """Return how long before the period readings say what is under way when it begins."""
        return self._engine.reach_ms()

    def pairs(self) -> set[tuple[str, int]]:
        """Return every (rule, series) that is watched."""
        return self._engine.pairs()

    def feed(self, columns: Columns, until_ms: int) -> None:
        """Evaluate the readings before until_ms that have not been fed; sorted by time."""
        for begin in range(0, len(columns), PIECE):
            self._note(self._engine.evaluate(columns.slice(begin, begin + PIECE)))
        self._note(self._engine.advance(until_ms - 1))

    def outcome(
        self,
        from_ms: int,
        until_ms: int,
        policy: GatePolicy,
        examples: int = EXAMPLES,
        handlings: Handlings = NO_HANDLINGS,
    ) -> Outcome:
        """Return the figures of what was raised from from_ms on, before until_ms."""
        calls: dict[str, list[Annunciation]] = defaultdict(list)
        mine: dict[str, list[_Alert]] = defaultdict(list)
        standing = [self._standing(one) for one in self._alerts if _reaches(one, from_ms)]
        for alert in self._alerts:
            calls[alert.began.rule] += _calls(alert, from_ms, until_ms)
            if alert.began.observed_ms >= from_ms:
                mine[alert.began.rule].append(alert)
        every = [call for found in calls.values() for call in found]
        found = measure(every, standing, from_ms, until_ms)
        flooded = {alert for flood in found.floods for alert in flood.alerts}
        floods = self._floods(found)
        chattering = Counter(one.rule for one in found.chattering)
        stale = Counter(one.rule for one in found.stale)
        days = (until_ms - from_ms) / DAY_MS
        passed = self._passed([one for found in mine.values() for one in found], until_ms, policy)
        rules = {
            rule.id: Figures(
                alerts=len(mine[rule.id]),
                calls=len(calls[rule.id]),
                alerts_a_day=len(mine[rule.id]) / days,
                floods=len(floods[rule.id]),
                in_floods=sum(one.id in flooded for one in mine[rule.id]),
                flood_percent=_percent(floods[rule.id], until_ms - from_ms),
                chattering=chattering[rule.id],
                stale=stale[rule.id],
                **_of_cases([passed[one.id] for one in mine[rule.id]], handlings),
                examples=tuple(map(self._example, mine[rule.id][:examples])),
            )
            for rule in self._rules.rules
        }
        total = Figures(
            alerts=sum(one.alerts for one in rules.values()),
            calls=found.times,
            alerts_a_day=sum(one.alerts for one in rules.values()) / days,
            floods=len(found.floods),
            in_floods=sum(one.in_floods for one in rules.values()),
            flood_percent=found.figures[Figure.FLOOD],
            chattering=len(found.chattering),
            stale=len(found.stale),
            **_of_cases(list(passed.values()), handlings),
        )
        return Outcome(total=total, rules=rules)

    def _note(self, events: Sequence[ConditionEvent]) -> None:
        for event in events:
            if self._only and event.device != self._only:
                continue
            pair = event.rule, event.series
            if isinstance(event, ConditionBegan):
                alert = _Alert(
                    id=str(len(self._alerts)), began=event, severity=event.severity, rises=[]
                )
                self._alerts.append(alert)
                self._open[pair] = alert
            elif isinstance(event, ConditionEnded):
                self._open.pop(pair).ended_ms = event.observed_ms
            else:
                self._open[pair].rises.append(event)
                self._open[pair].severity = event.severity

    def _floods(self, found: Performance) -> dict[str, list[Flood]]:
        """Return the floods that alerts of each rule were in."""
        floods: dict[str, list[Flood]] = defaultdict(list)
        for flood in found.floods:
            for rule in {self._alerts[int(alert)].began.rule for alert in flood.alerts}:
                floods[rule].append(flood)
        return floods

    def _passed(
        self, alerts: Sequence[_Alert], until_ms: int, policy: GatePolicy
    ) -> dict[str, Passed]:
        """Return what becomes of each alert at the gate, as severe as it became."""
        raised = [
            Raised(
                severity=one.severity,
                category=self._rules.by_id[one.began.rule].category,
                device=self._devices[one.began.device],
                began_ms=one.began.began_ms,
                raised_ms=one.began.observed_ms,
                until_ms=one.ended_ms,
            )
            for one in alerts
        ]
        found = pass_gate(raised, until_ms, policy)
        return {alert.id: passed for alert, passed in zip(alerts, found, strict=True)}

    def _example(self, alert: _Alert) -> Example:
        began = alert.began
        return Example(
            device=began.device,
            rule=began.rule,
            measurement=self._measurements[began.series],
            began_ms=began.began_ms,
            ended_ms=alert.ended_ms,
            value=began.value,
        )

    def _standing(self, alert: _Alert) -> Standing:
        return Standing(
            alert=alert.id,
            rule=alert.began.rule,
            device=alert.began.device,
            from_ms=alert.began.observed_ms,
            until_ms=alert.ended_ms,
        )


class Backtest:
    """The current rules and the changed ones, fed with the same readings.

    Args: from_ms: what was raised before it is not counted; readings from reach_ms() before it on
          should be fed all the same, so that what already held is not taken for new.
    """

    def __init__(
        self,
        current: RuleSet,
        changed: RuleSet,
        zone: ZoneInfo,
        series: Sequence[Series],
        from_ms: int,
        only: str = "",
    ) -> None:
        self._from_ms = self._until_ms = from_ms
        self._readings = 0
        self.current = Run(current, zone, series, only)
        # Equal rules raise the same: then the work is done once.
        same = current.rules == changed.rules
        self.changed = self.current if same else Run(changed, zone, series, only)

    def reach_ms(self) -> int:
        """Return how long before the period the rules look, those that look furthest."""
        return max(self.current.reach_ms(), self.changed.reach_ms())

    def feed(self, columns: Columns, until_ms: int) -> None:
        """Take the readings before until_ms that have not been fed, in whatever order they are."""
        in_time = columns.take(np.argsort(columns.observed_ms, kind="stable"))
        self._readings += int((columns.observed_ms >= self._from_ms).sum())
        self._until_ms = until_ms
        self.current.feed(in_time, until_ms)
        if self.changed is not self.current:
            self.changed.feed(in_time, until_ms)

    def compare(
        self,
        policy: GatePolicy,
        examples: int = EXAMPLES,
        handlings: Handlings = NO_HANDLINGS,
    ) -> Comparison:
        """Compare what both would have raised up to what has been fed.

        Raises: ValueError if nothing of the period has been fed.
        """
        span = self._from_ms, self._until_ms
        current = self.current.outcome(*span, policy, examples, handlings)
        changed = self.changed.outcome(*span, policy, examples, handlings)
        return Comparison(
            from_ms=span[0],
            until_ms=span[1],
            readings=self._readings,
            current=current,
            changed=changed,
        )


def _calls(alert: _Alert, from_ms: int, until_ms: int) -> Iterator[Annunciation]:
    events: list[ConditionBegan | ConditionRose] = [alert.began, *alert.rises]
    for event in events:
        if from_ms <= event.observed_ms < until_ms:
            yield Annunciation(
                at_ms=event.observed_ms,
                alert=alert.id,
                rule=event.rule,
                device=event.device,
                severity=event.severity,
            )


def _reaches(alert: _Alert, from_ms: int) -> bool:
    return alert.ended_ms is None or alert.ended_ms >= from_ms


def _percent(floods: Sequence[Flood], of_ms: int) -> float:
    return 100 * sum(flood.until_ms - flood.from_ms for flood in floods) / of_ms


def _of_cases(passed: Sequence[Passed], handlings: Handlings) -> _Cases:
    return {
        "cases": sum(one.passage is Passage.CASE for one in passed),
        "to_confirm": sum(one.passage is Passage.CONFIRM for one in passed),
        "queued": sum(one.queued for one in passed),
        "overdue": overdue(passed, handlings),
    }
