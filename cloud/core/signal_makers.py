"""The signals of an engine's rules: which are wanted, who makes them, and what they yield."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from cloud.core.arrivals import Arrivals
from cloud.core.checks import NoData
from cloud.core.model import Device
from cloud.core.register import Register
from cloud.core.rules import Rule, resolve
from cloud.core.signals import SIGNALS
from cloud.core.signals.comparisons import Comparisons
from cloud.core.signals.inputs import anchors, gap_ms, inputs, is_plain, is_timed
from cloud.core.signals.port import Signals, Wanted
from cloud.core.signals.silence import Silences
from contract.errors import DecodeError


class SignalMakers:
    """All signals on the slots of a register."""

    def __init__(
        self, rules: Sequence[Rule], register: Register, zone: ZoneInfo, unknown_period_s: float
    ) -> None:
        self._rules = rules
        self._register = register
        self._unknown_period_s = unknown_period_s
        self._makers: dict[str, Signals] = {
            kind.__name__: make(zone)
            for kind, make in SIGNALS.items()
            if any(isinstance(rule.check, kind) for rule in rules)
        }
        self._kind_of = {rule.id: type(rule.check).__name__ for rule in rules}
        self.comparisons = Comparisons(rules)

    def concerned(self, devices: Mapping[str, Device]) -> dict[str, Device]:
        """Return these devices, which are new or have changed, and whoever is compared with them.

        Call it once of each such device: what it is compared by is noted.
        """
        return self.comparisons.concerned(devices)

    def want(self, devices: Iterable[Device]) -> set[tuple[int, int]]:
        """Make what rules look at on some devices; return (slot, rule) of all to be watched."""
        enter: dict[str, list[Wanted]] = {name: [] for name in self._makers}
        leave: dict[str, list[int]] = {name: [] for name in self._makers}
        pairs: set[tuple[int, int]] = set()
        for device in devices:
            for slot in self._register.signals_of(device.id):
                leave[self._kind_of[self._register.made_by[slot]]].append(slot)
            for one in self._of(device, pairs):
                enter[type(one.rule.check).__name__].append(one)
        self._note([one for some in enter.values() for one in some])
        for name, maker in self._makers.items():
            if leave[name] or enter[name]:
                maker.change(leave[name], enter[name])
        return pairs

    def take(self, arrivals: Arrivals) -> Iterator[Arrivals]:
        """Yield what readings make of the signals, one kind after the other."""
        for maker in self._makers.values():
            if len(maker):
                yield maker.take(arrivals)

    def due(self, watermark_ms: int) -> Iterator[Arrivals]:
        """Yield what time alone makes of the signals."""
        for maker in self._makers.values():
            if len(maker):
                yield maker.due(watermark_ms)

    def heard_ms(self, slots: Sequence[int]) -> dict[int, int]:
        """Return of each of these whose silence would be told next when it was last heard of."""
        silences = self._makers.get(NoData.__name__)
        return silences.untold(slots) if isinstance(silences, Silences) else {}

    def forget(self, rules: Collection[str]) -> None:
        """Make the signals of some rules no longer."""
        leave: dict[str, list[int]] = {name: [] for name in self._makers}
        for slot, rule in enumerate(self._register.made_by):
            if rule in rules:
                leave[self._kind_of[rule]].append(slot)
        for name, maker in self._makers.items():
            if leave[name]:
                maker.change(leave[name], [])

    def memory(self) -> bytes:
        """Return what all signals remember."""
        return msgspec.msgpack.encode(
            {name: maker.memory() for name, maker in self._makers.items() if len(maker)}
        )

    def remember(self, data: bytes) -> None:
        """Take that memory. Raises: DecodeError."""
        try:
            told = msgspec.msgpack.decode(data, type=dict[str, bytes])
        except msgspec.DecodeError as error:
            raise DecodeError(f"memory of signals: {error}") from error
        for name, maker in self._makers.items():
            if name in told:
                maker.remember(told[name])

    def _of(self, device: Device, pairs: set[tuple[int, int]]) -> Iterator[Wanted]:
        """Yield the signals of one device, and note all that is to be watched on it."""
        register = self._register
        mine = {register.series[slot].measurement: slot for slot in register.slots_of(device.id)}
        for rule, anchor in self._anchors(device, mine):
            if is_plain(self._rules[rule]):
                pairs.add((anchor, rule))
                continue
            self.comparisons.note(rule, device)
            one = self._signal(rule, anchor, mine)
            if one is not None:
                pairs.add((one.slot, rule))
                yield one

    def _note(self, wanted: Sequence[Wanted]) -> None:
        """Have the register know of new signals what it knows of series."""
        self._register.grow()
        for one in wanted:
            self._register.gap_ms[one.slot] = gap_ms(one.rule, one.gap_ms)
            if is_timed(one.rule):
                self._register.timed[list(one.inputs)] = True

    def _anchors(self, device: Device, mine: Mapping[str, int]) -> list[tuple[int, int]]:
        names: dict[int, list[str]] = defaultdict(list)
        for rule, measurement in resolve(self._rules, device, list(mine)):
            names[rule].append(measurement)
        return [
            (rule, anchor)
            for rule, of in names.items()
            for anchor in anchors(self._rules[rule], of, mine)
        ]

    def _signal(self, number: int, anchor: int, mine: Mapping[str, int]) -> Wanted | None:
        rule, register = self._rules[number], self._register
        of = inputs(rule, anchor, mine, register, self.comparisons.references(number))
        if not of or type(rule.check) not in SIGNALS:
            return None
        slot = register.signal(rule.id, register.series[anchor])
        return Wanted(
            rule=rule,
            anchor=register.series[anchor],
            slot=slot,
            inputs=tuple(of),
            series=tuple(register.series[one] for one in of),
            period_s=register.series[anchor].device.period_s or self._unknown_period_s,
            gap_ms=int(register.gap_ms[anchor]),
        )
