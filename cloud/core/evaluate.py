"""The rule engine: readings in, conditions that began or ended out. Pure, in event time.

While a reading lies in its series' band nothing can change, and it costs a few vector operations;
Python walks only over series where something changes or is under way. The answer does not depend
on how readings are cut into blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cloud.core import snapshots
from cloud.core.arrivals import Arrivals, arrange
from cloud.core.columns import Columns
from cloud.core.condition import ACTIVE, IDLE, advance
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, Device, Series
from cloud.core.monitors import Monitors, RuleColumns, bands, numbers_of
from cloud.core.register import Register
from cloud.core.rules import Rule, resolve
from cloud.core.schedule import DayHours, Era, era_at, in_force

GAP_PERIODS = 3
LEAST_GAP_S = 60.0

_Found = tuple[int, int, ConditionEvent]  # row of arrival, rule: the order of events


class Engine:
    """Evaluates rules over series. bind() says which there are; evaluate() does the work.

    late:             readings that were not newer than their series' newest, and so not evaluated.
    unknown_period_s: taken for devices whose period is not known.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        zone: ZoneInfo,
        hours: DayHours | None = None,
        unknown_period_s: float = 60.0,
    ) -> None:
        self.rules = tuple(rules)
        self.late = 0
        self._belated: dict[int, int] = {}
        self._zone = zone
        self._hours = hours or DayHours()
        self._unknown_period_s = unknown_period_s
        self._numbers = [numbers_of(rule) for rule in self.rules]
        self._columns = RuleColumns.of(self._numbers)
        self._monitors = Monitors.none()
        self._register = Register()
        self._enter_era(era_at(0, zone, self._hours))

    def bind(self, series: Iterable[Series]) -> list[ConditionEnded]:
        """Watch series: new ones, and known ones whose device has changed.

        Monitors of the same rule and series keep their state.
        Returns: the conditions that held under rules that no longer apply to their device.
        """
        devices = self._register.enter(series)
        if not devices:
            return []
        slots = self._register.slots(devices)
        self._register.gap_ms[slots] = [
            self._gap_ms(self._register.series[slot].device) for slot in slots
        ]
        wanted = {pair for device in devices.values() for pair in self._wanted(device)}
        ended = self._rebuild(slots, wanted)
        self._register.forget_bands(slots)
        return ended

    def evaluate(self, columns: Columns) -> list[ConditionEvent]:
        """Return what began and what ended, in the order of the readings that made it so.

        Readings of series that are not bound are passed over. A reading with unusable quality, or
        without value, neither begins nor ends anything. A gap in the data fulfils no duration.
        """
        register = self._register
        if not len(register):
            return []
        arrivals, late = arrange(columns, register.slot_of, register.last_ms)
        self._note_late(late)
        found: list[_Found] = []
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
        found.sort(key=lambda one: one[:2])
        return [event for _, _, event in found]

    def adopt(self, active: Iterable[tuple[str, int]], now_ms: int) -> list[ConditionEnded]:
        """Make exactly these (rule, series) the conditions that hold: what open alerts say.

        After a restart, or with changed rules, engine and alerts may differ; the alerts are right.
        Returns: those that no rule watches any more; their alerts must return.
        """
        register, monitors = self._register, self._monitors
        told = set(active)
        slots = monitors.slots()
        for m in np.flatnonzero(monitors.phase >= ACTIVE).tolist():
            if (self._rule_id(m), register.series[slots[m]].id) not in told:
                monitors.phase[m] = IDLE
        place = {rule.id: index for index, rule in enumerate(self.rules)}
        ended: list[ConditionEnded] = []
        for rule, series in sorted(told):
            slot = register.slot(series)
            m = self._monitor(slot, place.get(rule, -1))
            if m < 0:
                device = register.series[slot].device.id if slot >= 0 else ""
                ended.append(_withdrawn(rule, device, series, now_ms))
            elif monitors.phase[m] < ACTIVE:
                monitors.phase[m], monitors.since_ms[m] = ACTIVE, now_ms
        register.forget_bands(slice(None))
        return ended

    def belated(self) -> dict[int, int]:
        """Return of each series the earliest reading that came too late since last asked."""
        found, self._belated = self._belated, {}
        return found

    def pairs(self) -> set[tuple[str, int]]:
        """Return every (rule, series) that is watched."""
        slots = self._monitors.slots().tolist()
        return {(self._rule_id(m), self._register.series[s].id) for m, s in enumerate(slots)}

    def active(self) -> set[tuple[str, int]]:
        """Return every (rule, series) whose condition holds."""
        slots = self._monitors.slots()
        return {
            (self._rule_id(m), self._register.series[slots[m]].id)
            for m in np.flatnonzero(self._monitors.phase >= ACTIVE).tolist()
        }

    def reach_ms(self) -> int:
        """Return how far back readings say what is under way now: gaps and delays.

        From so long before a moment on, readings alone tell what is under way at it, if it is
        known which conditions held at the first of them.
        """
        slots = self._monitors.slots()
        gap_ms = self._register.gap_ms[slots]
        delay_ms = np.array([max(one.on_ms, one.off_ms) for one in self._numbers], np.int64)
        return int((gap_ms + delay_ms[self._monitors.rule]).max(initial=0))

    def take_over(self, other: Engine) -> None:
        """Take the memory of an engine of the same rules, of the series that it has."""
        snapshots.read(other.snapshot(), self.rules, self._register, self._monitors)
        self._register.forget_bands(slice(None))

    def snapshot(self) -> bytes:
        """Return all that the engine remembers, for restore()."""
        return snapshots.write(self.rules, self._register, self._monitors, self.late)

    def restore(self, data: bytes) -> None:
        """Take a snapshot's memory; bind() first. What is not bound, or has no rule, is left out.

        Raises: DecodeError if the bytes are no snapshot of this format; nothing is changed then.
        """
        self.late = snapshots.read(data, self.rules, self._register, self._monitors)
        self._register.forget_bands(slice(None))

    def _note_late(self, late: Arrivals) -> None:
        self.late += len(late)
        slots, begins = np.unique(late.slot, return_index=True)
        earliest = np.minimum.reduceat(late.at_ms, begins) if len(begins) else late.at_ms
        for slot, at_ms in zip(slots.tolist(), earliest.tolist(), strict=True):
            series = self._register.series[slot].id
            self._belated[series] = min(at_ms, self._belated.get(series, at_ms))

    # --- series and their monitors -------------------------------------------------------------

    def _gap_ms(self, device: Device) -> int:
        period_s = device.period_s or self._unknown_period_s
        return round(max(GAP_PERIODS * period_s, LEAST_GAP_S) * 1000)

    def _wanted(self, device: Device) -> Iterator[tuple[int, int]]:
        """Yield (slot, rule) of what is to be watched on a device."""
        slots = {
            self._register.series[s].measurement: s for s in self._register.slots_of[device.id]
        }
        for rule, measurement in resolve(self.rules, device, list(slots)):
            yield slots[measurement], rule

    def _rebuild(
        self, slots: NDArray[np.intp], wanted: set[tuple[int, int]]
    ) -> list[ConditionEnded]:
        """Keep, add and drop monitors so that these slots have exactly the wanted ones."""
        old = self._monitors
        slot = old.slots()
        touched = np.isin(slot, slots)
        kept = ~touched
        ended: list[ConditionEnded] = []
        for m in np.flatnonzero(touched).tolist():
            pair = (int(slot[m]), int(old.rule[m]))
            kept[m] = pair in wanted
            wanted.discard(pair)
            if not kept[m] and old.phase[m] >= ACTIVE:
                ended.append(self._withdraw(m, int(slot[m])))
        added = np.array(sorted(wanted), np.intp).reshape(-1, 2)
        self._monitors = Monitors.build(
            len(self._register),
            np.concatenate((slot[kept], added[:, 0])),
            np.concatenate((old.rule[kept], added[:, 1].astype(np.int32))),
            np.concatenate((old.phase[kept], np.full(len(added), IDLE, np.uint8))),
            np.concatenate((old.since_ms[kept], np.zeros(len(added), np.int64))),
        )
        return ended

    def _withdraw(self, m: int, slot: int) -> ConditionEnded:
        series = self._register.series[slot]
        at_ms = max(int(self._register.last_ms[slot]), int(self._monitors.since_ms[m]))
        return _withdrawn(self._rule_id(m), series.device.id, series.id, at_ms)

    def _rule_id(self, m: int) -> str:
        return self.rules[int(self._monitors.rule[m])].id

    def _monitor(self, slot: int, rule: int) -> int:
        """Return the monitor of a rule on a slot, -1 if there is none."""
        if slot < 0:
            return -1
        first, last = self._monitors.first[slot : slot + 2]
        at = np.flatnonzero(self._monitors.rule[first:last] == rule)
        return int(first + at[0]) if len(at) else -1

    # --- eras and bands ------------------------------------------------------------------------

    def _by_era(self, arrivals: Arrivals) -> Iterator[Arrivals]:
        """Yield the arrivals of one era after the other, each while it is the engine's."""
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
        self._applies = [in_force(rule, era) for rule in self.rules]

    def _draw_stale(self, slots: NDArray[np.intp]) -> None:
        stale = self._register.band_of[slots] != self._era.from_ms
        if stale.any():
            self._draw(np.unique(slots[stale]))

    def _draw(self, slots: NDArray[np.intp]) -> None:
        register = self._register
        low, high = bands(self._monitors, self._columns, slots, self._applies)
        register.low[slots], register.high[slots] = low, high
        register.band_of[slots] = self._era.from_ms

    # --- where something changes ---------------------------------------------------------------

    def _walk_all(self, part: Arrivals, slots: NDArray[np.intp]) -> list[_Found]:
        found: list[_Found] = []
        chosen = np.zeros(len(self._register), bool)
        chosen[slots] = True
        mine = part.take(chosen[part.slot] & part.usable)
        readings = list(
            zip(mine.at_ms.tolist(), mine.value.tolist(), mine.row.tolist(), strict=True)
        )
        begins = np.searchsorted(mine.slot, slots).tolist()
        ends = np.searchsorted(mine.slot, slots, side="right").tolist()
        for slot, begin, end in zip(slots.tolist(), begins, ends, strict=True):
            for m in range(self._monitors.first[slot], self._monitors.first[slot + 1]):
                found += self._walk(slot, m, readings[begin:end])
        self._draw(slots)
        return found

    def _walk(self, slot: int, m: int, readings: list[tuple[int, float, int]]) -> list[_Found]:
        """Take one monitor over one series' usable readings: (time, value, row)."""
        found: list[_Found] = []
        monitors = self._monitors
        rule = int(monitors.rule[m])
        applies, numbers = self._applies[rule], self._numbers[rule]
        sign, limit, hold = numbers.sign, numbers.limit, numbers.hold
        phase, since_ms = int(monitors.phase[m]), int(monitors.since_ms[m])
        gap_ms, before_ms = int(self._register.gap_ms[slot]), int(self._register.usable_ms[slot])
        for at_ms, value, row in readings:
            raised = phase >= ACTIVE
            phase, since_ms, turned = advance(
                phase,
                since_ms,
                at_ms,
                beyond=applies and sign * value > (hold if raised else limit),
                gap=at_ms - before_ms > gap_ms,
                delay_ms=numbers.off_ms if raised else numbers.on_ms,
            )
            before_ms = at_ms
            if turned:
                report = self._ended if raised else self._began
                found.append((row, rule, report(slot, rule, since_ms, at_ms, value)))
        monitors.phase[m], monitors.since_ms[m] = phase, since_ms
        return found

    def _began(
        self, slot: int, rule: int, since_ms: int, at_ms: int, value: float
    ) -> ConditionBegan:
        of, series = self.rules[rule], self._register.series[slot]
        return ConditionBegan(
            rule=of.id,
            rule_version=of.version,
            device=series.device.id,
            series=series.id,
            severity=of.severity,
            began_ms=since_ms,
            due_ms=since_ms + self._numbers[rule].on_ms,
            observed_ms=at_ms,
            value=value,
            limit=of.limit,
        )

    def _ended(
        self, slot: int, rule: int, since_ms: int, at_ms: int, value: float
    ) -> ConditionEnded:
        series = self._register.series[slot]
        return ConditionEnded(
            rule=self.rules[rule].id,
            device=series.device.id,
            series=series.id,
            ended_ms=since_ms,
            observed_ms=at_ms,
            value=value,
        )


def _withdrawn(rule: str, device: str, series: int, at_ms: int) -> ConditionEnded:
    return ConditionEnded(
        rule=rule,
        device=device,
        series=series,
        ended_ms=at_ms,
        observed_ms=at_ms,
        value=math.nan,
    )
