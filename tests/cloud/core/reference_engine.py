"""A plain engine, one reading at a time, written from the words of docs/rules.md, not from ours.

It knows nothing of columns, bands or eras, asks the calendar for every reading, and is the answer
that cloud/core/evaluate.py must give.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, Device, Series
from cloud.core.rules import Rule
from contract.quality import UNUSABLE, Quality


@dataclass
class Monitor:
    rule: Rule
    active: bool = False
    since_ms: int | None = None  # of the stretch that would turn it over


@dataclass
class Track:
    series: Series
    monitors: list[Monitor]
    newest_ms: int | None = None
    newest_usable_ms: int | None = None


@dataclass(frozen=True)
class Plain:
    """A reading: its series' id, its time, its value (None for none), its quality."""

    series: int
    at_ms: int
    value: float | None
    quality: Quality = Quality.NORMAL


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
            monitors = [
                Monitor(rule) for rule in self.rules if watches(rule, one.device, one, peers)
            ]
            self.tracks[one.id] = Track(one, monitors)

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
        if reading.value is None or reading.quality & UNUSABLE:
            return []
        before_ms = track.newest_usable_ms
        track.newest_usable_ms = reading.at_ms
        period_s = track.series.device.period_s or self.unknown_period_s
        gap = before_ms is not None and reading.at_ms - before_ms > max(3 * period_s, 60) * 1000
        events = (
            self.step(monitor, track.series, reading.at_ms, reading.value, gap)
            for monitor in track.monitors
        )
        return [event for event in events if event is not None]

    def step(
        self, monitor: Monitor, series: Series, at_ms: int, value: float, gap: bool
    ) -> ConditionEvent | None:
        rule = monitor.rule
        applies = self.applies(rule, at_ms)
        if not monitor.active:
            if rule.direction.value == "above":
                turning = applies and value > rule.limit
            else:
                turning = applies and value < rule.limit
        elif rule.direction.value == "above":
            turning = not applies or value <= rule.limit - rule.deadband
        else:
            turning = not applies or value >= rule.limit + rule.deadband
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
            return ConditionBegan(
                rule=rule.id,
                rule_version=rule.version,
                device=series.device.id,
                series=series.id,
                severity=rule.severity,
                began_ms=since_ms,
                due_ms=since_ms + int(rule.on_delay_s * 1000),
                observed_ms=at_ms,
                value=value,
                limit=rule.limit,
            )
        return ConditionEnded(
            rule=rule.id,
            device=series.device.id,
            series=series.id,
            ended_ms=since_ms,
            observed_ms=at_ms,
            value=value,
        )

    def applies(self, rule: Rule, at_ms: int) -> bool:
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        if local.date() < rule.effective:
            return False
        if rule.until is not None and local.date() >= rule.until:
            return False
        is_day = time(6) <= local.time() < time(22)
        return {"always": True, "day": is_day, "night": not is_day}[rule.schedule.value]


def watches(rule: Rule, device: Device, series: Series, peers: list[str]) -> bool:
    if rule.kinds and device.kind not in rule.kinds:
        return False
    for tag, values in rule.select.items():
        if device.tags.get(tag, "") not in values:
            return False
    for wanted in rule.measurements:
        has = [p for p in peers if p.split(".")[0] == wanted or p == wanted]
        if has:
            return series.measurement in has
    return False
