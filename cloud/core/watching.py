"""Conditions watched in readings and signals alike: monitors, their bands, and the walk.

While a value lies in its slot's band nothing can change, and it costs a few vector operations;
Python walks only over slots where something changes or is under way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.condition import ACTIVE, IDLE, advance, count
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, ConditionRose
from cloud.core.monitors import Condition, Monitors, RuleColumns, bands, conditions_of
from cloud.core.register import Register
from cloud.core.rules import Rule
from cloud.core.schedule import DayHours, Era, era_at, in_force

Found = tuple[int, int, ConditionEvent]  # row of arrival, condition: the order of events


class Watch:
    """The conditions of rules on the slots of a register."""

    def __init__(
        self, rules: Sequence[Rule], register: Register, zone: ZoneInfo, hours: DayHours
    ) -> None:
        self.conditions = conditions_of(rules)
        self.monitors = Monitors.none()
        self.first_of = [n for n, one in enumerate(self.conditions) if one.level == 0]  # by rule
        self.rule_ids = [rule.id for rule in rules]
        self._rules = rules
        self._register = register
        self._zone = zone
        self._hours = hours
        self._columns = RuleColumns.of([one.numbers for one in self.conditions])
        self._enter_era(era_at(0, zone, hours))

    def look(self, arrivals: Arrivals) -> list[Found]:
        """Take values, sorted by slot, then time, and return what they change."""
        found: list[Found] = []
        register = self._register
        for part in self._by_era(arrivals):
            self._draw_stale(part.slot)
            within = (part.value >= register.low[part.slot]) & (
                part.value <= register.high[part.slot]
            )
            restless = np.unique(part.slot[part.usable & ~within])
            if len(restless):
                found += self._walk_all(part, restless)
            register.last_ms[part.slot] = part.at_ms  # of equal slots the last, newest one stays
            register.usable_ms[part.slot[part.usable]] = part.at_ms[part.usable]
        return found

    def rebuild(
        self, slots: NDArray[np.intp], wanted: set[tuple[int, int]]
    ) -> list[ConditionEnded]:
        """Keep, add and drop monitors so that these slots have exactly the wanted ones.

        Args:    wanted: (slot, rule).
        Returns: the conditions that held under rules that are no longer wanted.
        """
        old = self.monitors
        pairs = {
            (slot, self.first_of[rule] + level)
            for slot, rule in wanted
            for level in range(len(self._rules[rule].levels))
        }
        if len(slots) and slots[0] >= len(old.first) - 1:  # all of them are new
            added = np.array(sorted(pairs), np.intp).reshape(-1, 2)
            self.monitors = old.followed_by(len(self._register), added[:, 0], added[:, 1])
            return []
        slot = old.slots()
        touched = np.isin(slot, slots)
        kept = ~touched
        ended: list[ConditionEnded] = []
        for m in np.flatnonzero(touched).tolist():
            pair = (int(slot[m]), int(old.rule[m]))
            kept[m] = pair in pairs
            pairs.discard(pair)
            if not kept[m] and old.phase[m] >= ACTIVE and not self._of(m).level:
                ended.append(self.withdraw(m))
        added = np.array(sorted(pairs), np.intp).reshape(-1, 2)
        more = len(added)
        self.monitors = Monitors.build(
            len(self._register),
            np.concatenate((slot[kept], added[:, 0])),
            np.concatenate((old.rule[kept], added[:, 1].astype(np.int32))),
            np.concatenate((old.phase[kept], np.full(more, IDLE, np.uint8))),
            np.concatenate((old.since_ms[kept], np.zeros(more, np.int64))),
            np.concatenate((old.seen[kept], np.zeros(more, np.uint64))),
        )
        self._register.forget_bands(slots)
        return ended

    def rule_of(self, m: int) -> str:
        """Return the id of the rule that a monitor is of."""
        return self._rules[self._of(m).rule].id

    def monitors_of(self, slot: int, rule: int) -> range:
        """Return the monitors of a rule on a slot, one a level; none if it is not watched."""
        if slot < 0 or rule < 0 or slot + 1 >= len(self.monitors.first):
            return range(0)
        first, last = self.monitors.first[slot : slot + 2].tolist()
        at = first + int(np.searchsorted(self.monitors.rule[first:last], self.first_of[rule]))
        here = at < last and self.monitors.rule[at] == self.first_of[rule]
        return range(at, at + len(self._rules[rule].levels)) if here else range(0)

    def raised(self) -> Iterator[tuple[int, str, int]]:
        """Yield (monitor, rule's id, series id) of every condition that holds, by first levels."""
        slots = self.monitors.slots()
        for m in np.flatnonzero(self.monitors.phase >= ACTIVE).tolist():
            if not self._of(m).level:
                yield m, self.rule_of(m), self._register.series[slots[m]].id

    def withdraw(self, m: int, moment_ms: int | None = None) -> ConditionEnded:
        """Return the end of a monitor's condition that no reading ends, after what was read.

        moment_ms: when it ended, if that is known otherwise.
        """
        slot = int(np.searchsorted(self.monitors.first, m, side="right")) - 1
        series, read_ms = self._register.series[slot], int(self._register.last_ms[slot])
        known_ms = int(self.monitors.since_ms[m]) if moment_ms is None else moment_ms
        found = withdrawn(self.rule_of(m), series.device.id, series.id, max(known_ms, read_ms))
        return found if moment_ms is None else replace(found, ended_ms=moment_ms)

    def _of(self, m: int) -> Condition:
        return self.conditions[int(self.monitors.rule[m])]

    # --- eras and bands ------------------------------------------------------------------------

    def _by_era(self, arrivals: Arrivals) -> Iterator[Arrivals]:
        """Yield the arrivals of one era after the other, each while it is this watch's."""
        left = arrivals
        while len(left):
            first_ms = int(left.at_ms.min())
            if not self._era.from_ms <= first_ms < self._era.until_ms:
                self._enter_era(era_at(first_ms, self._zone, self._hours))
            inside = left.at_ms < self._era.until_ms
            yield left if inside.all() else left.take(inside)
            left = left.take(~inside)

    def _enter_era(self, era: Era) -> None:
        self._era = era
        by_rule = [in_force(rule, era) for rule in self._rules]
        self._applies = [by_rule[one.rule] for one in self.conditions]

    def _draw_stale(self, slots: NDArray[np.intp]) -> None:
        stale = self._register.band_of[slots] != self._era.from_ms
        if stale.any():
            self._draw(np.unique(slots[stale]))

    def _draw(self, slots: NDArray[np.intp]) -> None:
        register = self._register
        low, high = bands(self.monitors, self._columns, slots, self._applies)
        register.low[slots], register.high[slots] = low, high
        register.band_of[slots] = self._era.from_ms

    # --- where something changes ---------------------------------------------------------------

    def _walk_all(self, part: Arrivals, slots: NDArray[np.intp]) -> list[Found]:
        found: list[Found] = []
        chosen = np.zeros(len(self._register), bool)
        chosen[slots] = True
        mine = part.take(chosen[part.slot] & part.usable)
        readings = list(
            zip(mine.at_ms.tolist(), mine.value.tolist(), mine.row.tolist(), strict=True)
        )
        begins = np.searchsorted(mine.slot, slots).tolist()
        ends = np.searchsorted(mine.slot, slots, side="right").tolist()
        for slot, begin, end in zip(slots.tolist(), begins, ends, strict=True):
            for m in range(self.monitors.first[slot], self.monitors.first[slot + 1]):
                found += self._walk(slot, m, readings[begin:end])
        self._draw(slots)
        return found

    def _walk(self, slot: int, m: int, readings: list[tuple[int, float, int]]) -> list[Found]:
        """Take one monitor over one slot's usable values: (time, value, row)."""
        found: list[Found] = []
        monitors, numbers = self.monitors, self._of(m).numbers
        condition = int(monitors.rule[m])
        applies, counted = self._applies[condition], numbers.counted
        sign, limit, hold = numbers.sign, numbers.limit, numbers.hold
        phase, since_ms, seen = (
            int(monitors.phase[m]),
            int(monitors.since_ms[m]),
            int(monitors.seen[m]),
        )
        gap_ms, before_ms = int(self._register.gap_ms[slot]), int(self._register.usable_ms[slot])
        for at_ms, value, row in readings:
            raised = phase >= ACTIVE
            beyond = applies and sign * value > (hold if raised else limit)
            gap = at_ms - before_ms > gap_ms
            before_ms = at_ms
            if counted and not raised:
                phase, since_ms, seen, turned = count(
                    phase,
                    since_ms,
                    seen,
                    at_ms,
                    beyond=beyond,
                    gap=gap,
                    n=counted.count,
                    of=counted.of,
                )
            else:
                delay_ms = numbers.off_ms if raised else numbers.on_ms
                phase, since_ms, turned = advance(
                    phase, since_ms, at_ms, beyond=beyond, gap=gap, delay_ms=delay_ms
                )
            if turned:
                event = self._event(slot, condition, since_ms, at_ms, value, began=not raised)
                found += [(row, condition, event)] if event else []
        monitors.phase[m], monitors.since_ms[m], monitors.seen[m] = phase, since_ms, seen
        return found

    def _event(
        self, slot: int, condition: int, since_ms: int, at_ms: int, value: float, *, began: bool
    ) -> ConditionEvent | None:
        """Return what a turn tells. That a further level is over is not told: the alert goes on."""
        of = self.conditions[condition]
        if began:
            return (
                self._rose(slot, of, since_ms, at_ms, value)
                if of.level
                else self._began(slot, of, since_ms, at_ms, value)
            )
        if of.level:
            return None
        series = self._register.series[slot]
        return ConditionEnded(
            rule=self._rules[of.rule].id,
            device=series.device.id,
            series=series.id,
            ended_ms=since_ms,
            observed_ms=at_ms,
            value=value,
        )

    def _began(
        self, slot: int, of: Condition, since_ms: int, at_ms: int, value: float
    ) -> ConditionBegan:
        rule, series = self._rules[of.rule], self._register.series[slot]
        return ConditionBegan(
            rule=rule.id,
            rule_version=rule.version,
            device=series.device.id,
            series=series.id,
            severity=rule.severity,
            began_ms=since_ms,
            due_ms=since_ms + of.numbers.on_ms,
            observed_ms=at_ms,
            value=value,
            limit=rule.limit,
        )

    def _rose(
        self, slot: int, of: Condition, since_ms: int, at_ms: int, value: float
    ) -> ConditionRose:
        rule, series = self._rules[of.rule], self._register.series[slot]
        level = rule.levels[of.level]
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


def withdrawn(rule: str, device: str, series: int, at_ms: int) -> ConditionEnded:
    """Return the end of a condition that no reading ended."""
    return ConditionEnded(
        rule=rule,
        device=device,
        series=series,
        ended_ms=at_ms,
        observed_ms=at_ms,
        value=math.nan,
    )
