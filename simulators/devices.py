"""One simulated device: what it measures at a moment, and how it answers over Modbus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from contract.clock import Clock
from device_profiles.schema import Profile
from simulators.attitude import shown
from simulators.encode import Encoded, RegisterMap
from simulators.faults import FaultKind
from simulators.ledger import Ledger, Served
from simulators.modbus_frames import (
    WRITES,
    ExceptionCode,
    answer,
    answer_write,
    asked_for,
    refuse,
)
from simulators.signals import Street


class Timeline:
    """When the excursions' time began: with the first reading, so that nobody misses one."""

    def __init__(self) -> None:
        self._began_ms: int | None = None

    def begin(self, now_ms: int) -> None:
        if self._began_ms is None:
            self._began_ms = now_ms

    def since_s(self, now_ms: int) -> float:
        """Return seconds since it began; negative before."""
        return -1.0 if self._began_ms is None else (now_ms - self._began_ms) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A device's sensing half: a profile's measurements, taken from its street.

    installed: measurement -> value at installation, as in the device's record.
    """

    profile: Profile
    street: Street
    installed: Mapping[str, float] = field(default_factory=dict)
    heading_deg: float = 30.0

    def measure(self, at_ms: int, since_start_s: float) -> dict[str, float]:
        """Return what the device itself sends: measurement -> canonical value.

        What others are derived from follows the derived value: the angles of a cover its tilt.
        """
        values = {name: self._value(name, at_ms, since_start_s) for name in self.profile.measured()}
        for name, derived in self.profile.derived.items():
            value = self._value(name, at_ms, since_start_s)
            values |= shown(derived, value, self.installed, self.heading_deg)
        return values

    def usual(self) -> dict[str, float]:
        """Return the values that scales and decimals must have room for."""
        return self.measure(0, -1.0)

    def _value(self, name: str, at_ms: int, since_start_s: float) -> float:
        low, high = self.profile.ranges()[name]
        return min(max(self.street.value(name, at_ms, since_start_s), low), high)


class ModbusDevice:
    """Answers requests for its registers, which hold what it measures just then."""

    def __init__(
        self,
        sensor: Sensor,
        registers: RegisterMap,
        *,
        clock: Clock,
        timeline: Timeline,
        ledger: Ledger,
    ) -> None:
        self._sensor = sensor
        self._registers = registers
        self._clock = clock
        self._timeline = timeline
        self._ledger = ledger

    def respond(self, pdu: bytes, peer: str, fault: FaultKind | None) -> bytes:
        function = pdu[0]
        if function in WRITES:
            return answer_write(pdu, self._writable)
        asked = asked_for(pdu)
        if asked is not None and (code := self._refusal(function, asked)) is not None:
            return refuse(function, code)
        now_ms = self._clock.now_ms()
        self._timeline.begin(now_ms)
        since_s = self._timeline.since_s(now_ms)
        encoded = self._registers.encode(self._sensor.measure(now_ms, since_s))
        reply = answer(pdu, encoded.image)
        if asked is not None and not reply[0] & 0x80:
            self._record(function, asked, encoded, now_ms, peer, fault)
        return reply

    def _refusal(self, function: int, asked: range) -> ExceptionCode | None:
        """Tell whether this model cannot bear a request that the specification allows."""
        requests = self._registers.modbus.requests
        coils = function in (1, 2)
        if len(asked) > (requests.max_coils if coils else requests.max_registers):
            return ExceptionCode.ILLEGAL_VALUE
        if coils and requests.coils_from_zero and asked.start != 0:
            return ExceptionCode.ILLEGAL_ADDRESS
        if requests.one_field_each and (function, asked) not in self._fields:
            return ExceptionCode.ILLEGAL_ADDRESS
        return None

    @cached_property
    def _fields(self) -> frozenset[tuple[int, range]]:
        starts = self._registers.modbus.requests.start
        return frozenset(
            {(span.function, span.addresses) for span in self._registers.spans.values()}
            | {(s.function, range(s.address, s.address + s.count)) for s in starts}
        )

    @cached_property
    def _writable(self) -> frozenset[tuple[int, int]]:
        modbus = self._registers.modbus
        starts = {(start.function, start.address) for start in modbus.requests.start}
        return frozenset(starts | {(w.function, w.address) for w in modbus.writes.values()})

    def _record(
        self,
        function: int,
        asked: range,
        encoded: Encoded,
        now_ms: int,
        peer: str,
        fault: FaultKind | None,
    ) -> None:
        """Note every measurement that lies whole in what was read."""
        where = self._registers.spans
        self._ledger.record(
            *(
                Served(
                    device=self._sensor.street.device,
                    measurement=name,
                    value=value,
                    served_ms=now_ms,
                    to=peer,
                    fault=fault.value if fault else "",
                )
                for name, value in encoded.values.items()
                if where[name].function == function
                and where[name].addresses.start >= asked.start
                and where[name].addresses.stop <= asked.stop
            )
        )
