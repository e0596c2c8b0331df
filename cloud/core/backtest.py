"""Two sets of rules over the same stored readings: what each would have raised. Pure, event time.

Every condition that began counts as an alert, and every rise calls once more, unless it was held:
shelvings, maintenance windows and suppressions of that time are respected as they were recorded.
Groups, realarms and reminders, which are about how people are told, are not played. Cases are
alerts that the gate lets through; those of a matter that has an open case join it
(cloud/core/case_load.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict
from zoneinfo import ZoneInfo

import numpy as np

from cloud.core.backtest_figures import Comparison, Example, Figures, Outcome
from cloud.core.case_load import Passage, Passed, Raised, late_shares, overdue, pass_gate
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
from cloud.core.past import NO_PAST, Past
from cloud.core.performance import Annunciation, Figure, Flood, Performance, Standing, measure
from cloud.core.rules import RuleSet
from cloud.core.schedule import DayHours, cut_for

DAY_MS = 86_400_000
EXAMPLES = 5
PIECE = 20_000  # readings at once: what is quiet in a piece costs the engine next to nothing


class _Cases(TypedDict):
    cases: int
    joined: int
    reopened: int
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
    told_ms: int | None = None


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
        past: Past = NO_PAST,
    ) -> Outcome:
        """Return the figures of what was raised from from_ms on, before until_ms."""
        calls: dict[str, list[Annunciation]] = defaultdict(list)
        mine: dict[str, list[_Alert]] = defaultdict(list)
        held = Counter[str]()
        self._tell(past, until_ms)
        standing = [self._standing(one) for one in self._alerts if _reaches(one, from_ms)]
        for alert in self._alerts:
            calls[alert.began.rule] += self._calls(alert, from_ms, until_ms, past)
            if alert.began.observed_ms >= from_ms:
                if alert.told_ms is None:
                    held[alert.began.rule] += 1
                else:
                    mine[alert.began.rule].append(alert)
        every = [call for found in calls.values() for call in found]
        found = measure(every, standing, from_ms, until_ms)
        flooded = {alert for flood in found.floods for alert in flood.alerts}
        floods = self._floods(found)
        chattering = Counter(one.rule for one in found.chattering)
        stale = Counter(one.rule for one in found.stale)
        days = (until_ms - from_ms) / DAY_MS
        told = [one for some in mine.values() for one in some]
        passed = self._passed(told, until_ms, policy, past)
        cases = list(passed.values())
        known = bool(past.handlings.every or policy.capacity)
        late = dict(zip(passed, late_shares(cases, past.handlings, policy.capacity), strict=True))
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
                held=held[rule.id],
                **_of_cases([(passed[one.id], late[one.id]) for one in mine[rule.id]], known=known),
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
            held=held.total(),
            **_of_cases([(passed[name], late[name]) for name in passed], known=known),
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

    def _tell(self, past: Past, until_ms: int) -> None:
        """Note when people would have heard of each alert; None for those that were held."""
        for alert in self._alerts:
            began = alert.began
            alert.told_ms = began.observed_ms
            if past.holds:
                rule, device = self._rules.by_id[began.rule], self._devices[began.device]
                told_ms = past.holds.told_ms(rule, device, began.observed_ms, alert.ended_ms)
                alert.told_ms = None if told_ms is None or told_ms >= until_ms else told_ms

    def _calls(
        self, alert: _Alert, from_ms: int, until_ms: int, past: Past
    ) -> Iterator[Annunciation]:
        """Yield each time an alert called: first, and at rises that were not held."""
        if alert.told_ms is None:
            return
        rule, device = self._rules.by_id[alert.began.rule], self._devices[alert.began.device]
        rises = [
            (rose.observed_ms, rose.severity)
            for rose in alert.rises
            if not past.holds
            or past.holds.told_ms(rule, device, rose.observed_ms, None) == rose.observed_ms
        ]
        for at_ms, severity in [(alert.told_ms, alert.began.severity), *rises]:
            if from_ms <= at_ms < until_ms:
                yield Annunciation(
                    at_ms=at_ms,
                    alert=alert.id,
                    rule=alert.began.rule,
                    device=alert.began.device,
                    severity=severity,
                )

    def _floods(self, found: Performance) -> dict[str, list[Flood]]:
        """Return the floods that alerts of each rule were in."""
        floods: dict[str, list[Flood]] = defaultdict(list)
        for flood in found.floods:
            for rule in {self._alerts[int(alert)].began.rule for alert in flood.alerts}:
                floods[rule].append(flood)
        return floods

    def _passed(
        self, alerts: Sequence[_Alert], until_ms: int, policy: GatePolicy, past: Past
    ) -> dict[str, Passed]:
        """Return what becomes of each alert at the gate, as severe as it became."""
        raised = [
            Raised(
                severity=one.severity,
                category=self._rules.by_id[one.began.rule].category,
                device=self._devices[one.began.device],
                began_ms=one.began.began_ms,
                raised_ms=one.began.observed_ms if one.told_ms is None else one.told_ms,
                until_ms=one.ended_ms,
            )
            for one in alerts
        ]
        found = pass_gate(raised, until_ms, policy, past.lives)
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
            from_ms=alert.began.observed_ms if alert.told_ms is None else alert.told_ms,
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
        past: Past = NO_PAST,
    ) -> Comparison:
        """Compare what both would have raised up to what has been fed.

        Raises: ValueError if nothing of the period has been fed.
        """
        span = self._from_ms, self._until_ms
        current = self.current.outcome(*span, policy, examples, past)
        changed = self.changed.outcome(*span, policy, examples, past)
        return Comparison(
            from_ms=span[0],
            until_ms=span[1],
            readings=self._readings,
            current=current,
            changed=changed,
        )


def _reaches(alert: _Alert, from_ms: int) -> bool:
    reaches = alert.ended_ms is None or alert.ended_ms >= from_ms
    return reaches and alert.told_ms is not None


def _percent(floods: Sequence[Flood], of_ms: int) -> float:
    return 100 * sum(flood.until_ms - flood.from_ms for flood in floods) / of_ms


def _of_cases(cases: Sequence[tuple[Passed, float | None]], *, known: bool) -> _Cases:
    """Count what became of alerts; with each, how likely its case is handled too late."""
    became = Counter(one.passage for one, _ in cases)
    return {
        "cases": became[Passage.CASE],
        "joined": became[Passage.JOINED],
        "reopened": became[Passage.REOPENED],
        "to_confirm": became[Passage.CONFIRM],
        "queued": sum(one.queued for one, _ in cases),
        "overdue": overdue([late for _, late in cases], known=known),
    }
