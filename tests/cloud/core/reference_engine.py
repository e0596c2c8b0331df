"""A plain engine, one reading at a time, written from the words of docs/rules.md, not from ours.

It knows nothing of columns, bands or eras, asks the calendar for every reading, and is the answer
that cloud/core/evaluate.py must give.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from cloud.core.checks import NoData
from cloud.core.model import (
    ConditionBegan,
    ConditionEnded,
    ConditionEvent,
    ConditionRose,
    Device,
    Series,
)
from cloud.core.rules import Rule
from tests.cloud.core.reference_checks import Plain, Signal
from tests.cloud.core.reference_windows import gap_ms, signal_of


@dataclass
class Monitor:
    rule: Rule
    signal: Signal
    level: int = 0
    active: bool = False
    since_ms: int | None = None  # of the stretch that would turn it over
    before_ms: int | None = None  # the value before
    last: list[tuple[int, bool]] = field(default_factory=list)  # for N of M: time, beyond

    @property
    def limit(self) -> float:
        return self.rule.levels[self.level].limit


@dataclass
class Track:
    series: Series
    monitors: list[Monitor]
    newest_ms: int | None = None


class ReferenceEngine:
    def __init__(self, rules: list[Rule], zone: ZoneInfo, unknown_period_s: float = 60.0) -> None:
        self.rules = rules
        self.zone = zone
        self.unknown_period_s = unknown_period_s
        self.tracks: dict[int, Track] = {}
        self.late = 0

    def bind(self, series: list[Series]) -> None:
        for one in series:
            peers = [s.measurement for s in series if s.device.id == one.device.id]
            mine = [rule for rule in self.rules if watches(rule, one.device, one, peers)]
            self.tracks[one.id] = Track(one, self.monitors_of(mine, one))

    def monitors_of(self, rules: list[Rule], series: Series) -> list[Monitor]:
        """One a level; those of one rule look at one signal."""
        period_s = series.device.period_s or self.unknown_period_s
        return [
            Monitor(rule, signal, level)
            for rule in rules
            for signal in [signal_of(rule, series, period_s, self.zone)]
            for level in range(len(rule.levels))
        ]

    def change(self, rules: list[Rule], at_ms: int) -> list[ConditionEvent]:
        """Take other rules from a moment on: what says the same goes on, the rest begins anew."""
        same = [rule for rule in rules if any(replace(rule, beats=()) == o for o in self.rules)]
        old = {number: track.monitors for number, track in self.tracks.items()}
        newest = {number: track.newest_ms for number, track in self.tracks.items()}
        self.rules = rules
        self.bind([track.series for track in self.tracks.values()])
        ended: list[ConditionEvent] = []
        for number, track in self.tracks.items():
            track.newest_ms = newest[number]
            kept = [m for m in old[number] if m.rule in same and watched_by(track, m.rule)]
            fresh = [m for m in track.monitors if not any(m.rule == k.rule for k in kept)]
            track.monitors = sorted([*kept, *fresh], key=lambda m: (rules.index(m.rule), m.level))
            for monitor in old[number]:
                if monitor.active and not monitor.level and monitor not in kept:
                    late_ms = max(at_ms, newest[number] or 0)
                    ended.append(withdrawn(monitor.rule, track.series, late_ms))
        return ended

    def evaluate(self, readings: list[Plain]) -> list[ConditionEvent]:
        return [event for reading in readings for event in self.take(reading)]

    def take(self, reading: Plain) -> list[ConditionEvent]:
        track = self.tracks.get(reading.series)
        if track is None:
            return []
        if track.newest_ms is not None and reading.at_ms <= track.newest_ms:
            self.late += 1
            return []
        track.newest_ms = reading.at_ms
        period_s = track.series.device.period_s or self.unknown_period_s
        events: list[ConditionEvent] = []
        told: dict[int, list[tuple[int, float]]] = {}  # what each signal yields, once
        for series, monitor in self.listening(track):
            signal = monitor.signal
            if id(signal) not in told:
                told[id(signal)] = list(signal.take(reading))
            for at_ms, value in told[id(signal)]:
                longest_ms = gap_ms(monitor.rule, period_s)
                silent = monitor.before_ms is not None and at_ms - monitor.before_ms > longest_ms
                gap = silent and not isinstance(monitor.rule.check, NoData)
                monitor.before_ms = at_ms
                event = self.step(monitor, series, at_ms, value, gap)
                events += [event] if event is not None else []
        return events

    def listening(self, track: Track) -> Iterator[tuple[Series, Monitor]]:
        """Yield the series' own monitors, and those that stand for its whole device elsewhere."""
        for other in self.tracks.values():
            if other.series.device.id == track.series.device.id:
                for monitor in other.monitors:
                    check = monitor.rule.check
                    if other is track or (isinstance(check, NoData) and check.whole_device):
                        yield other.series, monitor

    def step(
        self, monitor: Monitor, series: Series, at_ms: int, value: float, gap: bool
    ) -> ConditionEvent | None:
        rule = monitor.rule
        applies = self.applies(rule, at_ms)
        if not monitor.active:
            if rule.direction.value == "above":
                turning = applies and value > monitor.limit
            else:
                turning = applies and value < monitor.limit
        elif rule.direction.value == "above":
            turning = not applies or value <= monitor.limit - rule.deadband
        else:
            turning = not applies or value >= monitor.limit + rule.deadband
        if rule.counted and not monitor.active:
            return self.tally(monitor, series, at_ms, value, beyond=turning, gap=gap)
        if not turning:
            monitor.since_ms = None
            return None
        if monitor.since_ms is None or gap:
            monitor.since_ms = at_ms
        delay_s = rule.off_delay_s if monitor.active else rule.on_delay_s
        since_ms = monitor.since_ms
        if at_ms - since_ms < delay_s * 1000:
            return None
        monitor.active = not monitor.active
        monitor.since_ms = None
        if monitor.active:
            return begun(monitor, series, since_ms, at_ms, value)
        if monitor.level:
            return None
        return ConditionEnded(
            rule=rule.id,
            device=series.device.id,
            series=series.id,
            ended_ms=since_ms,
            observed_ms=at_ms,
            value=value,
        )

    def tally(
        self, monitor: Monitor, series: Series, at_ms: int, value: float, *, beyond: bool, gap: bool
    ) -> ConditionEvent | None:
        """N of the last M."""
        counted = monitor.rule.counted
        assert counted
        if gap:
            monitor.last.clear()
        monitor.last = [*monitor.last, (at_ms, beyond)][-counted.of :]
        if not any(was for _, was in monitor.last):
            monitor.since_ms = None
            monitor.last.clear()
            return None
        if monitor.since_ms is None or len(monitor.last) == 1:
            monitor.since_ms = at_ms
        if sum(was for _, was in monitor.last) < counted.count:
            return None
        since_ms, monitor.since_ms = monitor.since_ms, None
        monitor.active = True
        monitor.last.clear()
        return begun(monitor, series, since_ms, at_ms, value)

    def applies(self, rule: Rule, at_ms: int) -> bool:
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        if local.date() < rule.effective:
            return False
        if rule.until is not None and local.date() >= rule.until:
            return False
        is_day = time(6) <= local.time() < time(22)
        return {"always": True, "day": is_day, "night": not is_day}[rule.schedule.value]


def watched_by(track: Track, rule: Rule) -> bool:
    return any(monitor.rule == rule for monitor in track.monitors)


def withdrawn(rule: Rule, series: Series, at_ms: int) -> ConditionEnded:
    return ConditionEnded(
        rule=rule.id,
        device=series.device.id,
        series=series.id,
        ended_ms=at_ms,
        observed_ms=at_ms,
        value=math.nan,
    )


def begun(
    monitor: Monitor, series: Series, since_ms: int, at_ms: int, value: float
) -> ConditionEvent:
    rule, level = monitor.rule, monitor.rule.levels[monitor.level]
    if monitor.level:
        return ConditionRose(
            rule=rule.id,
            rule_version=rule.version,
            device=series.device.id,
            series=series.id,
            severity=level.severity,
            began_ms=since_ms,
            observed_ms=at_ms,
            value=value,
            limit=level.limit,
        )
    return ConditionBegan(
        rule=rule.id,
        rule_version=rule.version,
        device=series.device.id,
        series=series.id,
        severity=rule.severity,
        began_ms=since_ms,
        due_ms=since_ms + (0 if rule.counted else int(rule.on_delay_s * 1000)),
        observed_ms=at_ms,
        value=value,
        limit=rule.limit,
    )


def watches(rule: Rule, device: Device, series: Series, peers: list[str]) -> bool:
    if rule.kinds and device.kind not in rule.kinds:
        return False
    for tag, values in rule.select.items():
        if device.tags.get(tag, "") not in values:
            return False
    if not rule.measurements:
        return True
    for wanted in rule.measurements:
        has = [p for p in peers if p.split(".")[0] == wanted or p == wanted]
        if has:
            return series.measurement in has
    return False
