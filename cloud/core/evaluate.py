"""The rule engine: readings in, conditions that began, rose or ended out. Pure, in event time.

Readings become signals (cloud/core/signals/), and conditions are watched in both
(cloud/core/watching.py). The answer does not depend on how readings are cut into blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import numpy as np

from cloud.core import snapshots
from cloud.core.arrivals import NEVER, Arrivals, arrange
from cloud.core.columns import Columns
from cloud.core.condition import ACTIVE, IDLE
from cloud.core.model import ConditionEnded, ConditionEvent, Device, Series
from cloud.core.register import Register
from cloud.core.rule_changes import unchanged
from cloud.core.rules import Rule
from cloud.core.schedule import DayHours
from cloud.core.signal_makers import SignalMakers
from cloud.core.signals.inputs import look_back_ms
from cloud.core.watching import Found, Watch, withdrawn

GAP_PERIODS = 3
LEAST_GAP_S = 60.0


class Engine:
    """Evaluates rules over series. bind() says which there are; evaluate() does the work.

    late:             readings that were not newer than their series' newest, or from before
                      since_ms, and so not evaluated.
    since_ms:         from when on its rules are in force; what was before is others'.
    watermark_ms:     up to when time has been passed by advance().
    unknown_period_s: taken for devices whose period is not known.
    only:             the devices that are watched; others are there to be compared with. None: all.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        zone: ZoneInfo,
        hours: DayHours | None = None,
        unknown_period_s: float = 60.0,
        only: frozenset[str] | None = None,
        since_ms: int = int(NEVER),
    ) -> None:
        self.only = only
        self.rules = tuple(rules)
        self.late = 0
        self.since_ms = since_ms
        self._belated: dict[int, int] = {}
        self._unknown_period_s = unknown_period_s
        self.watermark_ms = int(NEVER)
        self._place = {rule.id: place for place, rule in enumerate(self.rules)}
        self._register = Register()
        self._watch = Watch(self.rules, self._register, zone, hours or DayHours())
        self._signals = SignalMakers(self.rules, self._register, zone, unknown_period_s)

    def bind(self, series: Iterable[Series]) -> list[ConditionEnded]:
        """Watch series: new ones, and known ones whose device has changed.

        Monitors of the same rule and series keep their state.
        Returns: the conditions that held under rules that no longer apply to their device.
        """
        register = self._register
        devices = register.enter(series)
        if not devices:
            return []
        devices = self._signals.concerned(devices)
        slots = register.slots(devices)
        register.gap_ms[slots] = [self._gap_ms(register.series[slot].device) for slot in slots]
        watched = [one for one in devices.values() if self.only is None or one.id in self.only]
        wanted = self._signals.want(watched)
        return self._watch.rebuild(register.slots(devices), wanted)

    def evaluate(self, columns: Columns) -> list[ConditionEvent]:
        """Return what began, rose and ended, in the order of the readings that made it so.

        Readings of series that are not bound are passed over. A reading with unusable quality, or
        without value, neither begins nor ends anything. A gap in the data fulfils no duration.
        """
        register = self._register
        if not len(register):
            return []
        arrivals, late = arrange(columns, register.slot_of, register.last_ms)
        self.late += len(late)
        self._note_belated(late)
        early = arrivals.at_ms < self.since_ms
        if early.any():
            self.late += int(early.sum())
            self._note_belated(arrivals.take(early))
            arrivals = arrivals.take(~early)
        overtaken = register.timed[arrivals.slot] & (arrivals.at_ms <= self.watermark_ms)
        if overtaken.any():
            self._note_belated(arrivals.take(overtaken))
        found = self._watch.look(arrivals)
        for yields in self._signals.take(arrivals):
            found += self._watch.look(yields)
        return _in_order(found)

    def advance(self, watermark_ms: int) -> list[ConditionEvent]:
        """Return what time alone has made so, when no reading from before it is to come.

        A reading that comes all the same is among the belated(). Going back changes nothing.
        """
        if watermark_ms <= self.watermark_ms:
            return []
        self.watermark_ms = watermark_ms
        found = [
            one for yields in self._signals.due(watermark_ms) for one in self._watch.look(yields)
        ]
        found.sort(key=lambda one: (one[2].observed_ms, one[1]))
        return [event for _, _, event in found]

    def adopt(self, active: Iterable[tuple[str, int]], now_ms: int) -> list[ConditionEnded]:
        """Make exactly these (rule, series) the conditions that hold: what open alerts say.

        After a restart, or with changed rules, engine and alerts may differ; the alerts are right.
        Returns: those that no rule watches any more; their alerts must return.
        """
        register, monitors = self._register, self._watch.monitors
        told = set(active)
        for m, rule, series in list(self._watch.raised()):
            if (rule, series) not in told:
                for level in range(m, m + len(self.rules[self._place[rule]].levels)):
                    monitors.phase[level] = IDLE
        ended: list[ConditionEnded] = []
        for rule, series in sorted(told):
            watched = self._watch.monitors_of(
                register.place(rule, series), self._place.get(rule, -1)
            )
            if not watched:
                slot = register.slot(series)
                device = register.series[slot].device.id if slot >= 0 else ""
                ended.append(withdrawn(rule, device, series, now_ms))
            elif monitors.phase[watched[0]] < ACTIVE:
                monitors.phase[watched[0]], monitors.since_ms[watched[0]] = ACTIVE, now_ms
                monitors.seen[watched[0]] = 0
        register.forget_bands(slice(None))
        return ended

    def belated(self) -> dict[int, int]:
        """Return of each series the earliest reading that came too late since last asked."""
        found, self._belated = self._belated, {}
        return found

    def is_timed(self) -> bool:
        """Whether time alone may make something of what is watched."""
        return bool(self._register.timed.any())

    def pairs(self) -> set[tuple[str, int]]:
        """Return every (rule, series) that is watched."""
        slots = self._watch.monitors.slots().tolist()
        return {
            (self._watch.rule_of(m), self._register.series[slot].id) for m, slot in enumerate(slots)
        }

    def active(self) -> set[tuple[str, int]]:
        """Return every (rule, series) whose condition holds."""
        return {(rule, series) for _, rule, series in self._watch.raised()}

    def reach_ms(self) -> int:
        """Return how far back readings say what is under way now: gaps, delays and signals.

        From so long before a moment on, readings alone tell what is under way at it, if it is
        known which conditions held at the first of them.
        """
        register, slots = self._register, self._watch.monitors.slots().tolist()
        reach_ms = 0
        for m, slot in enumerate(slots):
            numbers = self._watch.conditions[int(self._watch.monitors.rule[m])].numbers
            rule = self.rules[self._watch.conditions[int(self._watch.monitors.rule[m])].rule]
            own_gap_ms = self._gap_ms(register.series[slot].device)
            reach_ms = max(
                reach_ms,
                own_gap_ms + max(numbers.on_ms, numbers.off_ms) + look_back_ms(rule, own_gap_ms),
            )
        return reach_ms

    def heard_ms(self, devices: Iterable[str]) -> dict[int, int]:
        """Return when devices were last heard of, by series; but of what is known to be silent."""
        register = self._register
        slots = [slot for device in devices for slot in register.signals_of(device)]
        found: dict[int, int] = {}
        for slot, at_ms in self._signals.heard_ms(slots).items():
            number = register.series[slot].id
            found[number] = min(at_ms, found.get(number, at_ms))
        return found

    def succeed(self, before: Engine) -> list[ConditionEnded]:
        """Take the place of an engine of other rules, from since_ms on; bind() first.

        Rules that say the same go on with their memory; the others begin anew. What was read from
        since_ms on, under the rules before, is among the belated(). `before` is spent.
        Returns: the conditions that held under rules that are gone, changed, or no longer apply.
        """
        gone = {rule.id for rule in before.rules} - unchanged(before.rules, self.rules)
        mine = self.pairs()
        ended = [
            before._watch.withdraw(m, self.since_ms)
            for m, rule, series in before._watch.raised()
            if rule in gone or (rule, series) not in mine
        ]
        self._belated = before.belated()
        before._signals.forget(gone)
        self.watermark_ms, self.late = before.watermark_ms, before.late
        self._take(snapshots.without(snapshots.read(before.snapshot()), gone))
        ahead = np.flatnonzero(self._register.last_ms >= self.since_ms)
        for one in (self._register.series[slot] for slot in ahead.tolist()):
            self._belated[one.id] = min(self.since_ms, self._belated.get(one.id, self.since_ms))
        return sorted(ended, key=lambda one: (one.observed_ms, one.rule, one.series))

    def take_over(self, other: Engine) -> None:
        """Take the memory of an engine of the same rules, of the devices that it watches."""
        self._take(snapshots.read(other.snapshot()), other.only)

    def compared_with(self, device: str) -> set[str]:
        """Return the devices whose differences are to this one."""
        return self._signals.comparisons.compared_with(device)

    def references_of(self, device: str) -> set[str]:
        """Return the devices that this one's differences are to."""
        return self._signals.comparisons.references_of(device)

    def snapshot(self) -> bytes:
        """Return all that the engine remembers, for restore()."""
        return snapshots.write(
            self._register,
            self._watch,
            snapshots.Rest(
                late=self.late,
                watermark_ms=self.watermark_ms,
                signals=self._signals.memory(),
            ),
        )

    def restore(self, data: bytes) -> None:
        """Take a snapshot's memory; bind() first. What is not bound, or has no rule, is left out.

        Raises: DecodeError if the bytes are no snapshot of this format; nothing is changed then.
        """
        found = snapshots.read(data)
        self._take(found)
        self.late, self.watermark_ms = found.late, found.watermark_ms

    def _take(self, found: snapshots.Snapshot, only: frozenset[str] | None = None) -> None:
        self._signals.remember(found.signals)
        snapshots.apply(found, self._register, self._watch, only)
        self._register.forget_bands(slice(None))

    def _note_belated(self, late: Arrivals) -> None:
        slots, begins = np.unique(late.slot, return_index=True)
        earliest = np.minimum.reduceat(late.at_ms, begins) if len(begins) else late.at_ms
        for slot, at_ms in zip(slots.tolist(), earliest.tolist(), strict=True):
            series = self._register.series[slot].id
            self._belated[series] = min(at_ms, self._belated.get(series, at_ms))

    def _gap_ms(self, device: Device) -> int:
        period_s = device.period_s or self._unknown_period_s
        return round(max(GAP_PERIODS * period_s, LEAST_GAP_S) * 1000)


def _in_order(found: list[Found]) -> list[ConditionEvent]:
    found.sort(key=lambda one: one[:2])
    return [event for _, _, event in found]
