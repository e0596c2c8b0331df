"""The signals of an engine's rules: which are wanted, who makes them, and what they yield."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from cloud.core.arrivals import Arrivals
from cloud.core.checks import NoData
from cloud.core.model import Device
from cloud.core.register import Register
from cloud.core.rules import Rule, resolve
from cloud.core.signals import SIGNALS
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
        self._wanted_of: dict[str, list[Wanted]] = {}  # by device

    def want(self, devices: Iterable[Device]) -> set[tuple[int, int]]:
        """Make what rules look at on some devices; return (slot, rule) of all to be watched."""
        leave: list[Wanted] = []
        enter: list[Wanted] = []
        pairs: set[tuple[int, int]] = set()
        for device in devices:
            leave += self._wanted_of.pop(device.id, [])
            mine = list(self._of(device, pairs))
            if mine:
                self._wanted_of[device.id] = mine
                enter += mine
        self._note(enter)
        for name, maker in self._makers.items():
            gone, new = (
                [one for one in some if type(one.rule.check).__name__ == name]
                for some in (leave, enter)
            )
            if gone or new:
                maker.change(gone, new)
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

    def heard_ms(self) -> dict[int, int]:
        """Return of each slot whose silence would be told next when it was last heard of."""
        silences = self._makers.get(NoData.__name__)
        return silences.untold() if isinstance(silences, Silences) else {}

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
        mine = {register.series[slot].measurement: slot for slot in register.slots_of[device.id]}
        for rule, anchor in self._anchors(device, mine):
            if is_plain(self._rules[rule]):
                pairs.add((anchor, rule))
                continue
            one = self._signal(self._rules[rule], anchor, mine)
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

    def _signal(self, rule: Rule, anchor: int, mine: Mapping[str, int]) -> Wanted | None:
        register = self._register
        of = inputs(rule, anchor, mine, register)
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
