"""read → decode → normalise → validate → buffer → publish

Drivers read, and deliver frames here; the uplink publishes what the buffer has committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from contract.errors import DecodeError
from contract.quality import Quality
from contract.readings import Reading
from device_profiles.core.values import Value
from edge.core.heard import Heard
from edge.core.normalise import normalise
from edge.core.validate import validate
from edge.devices import Device
from edge.health import Health
from edge.payloads import PayloadReader
from edge.ports import (
    Answers,
    Committed,
    Frame,
    Message,
    Report,
    Said,
    SetAside,
    Shelf,
    Silence,
    Sink,
)
from edge.reports import ReportReader, as_message, key_of_report


class Decoded(NamedTuple):
    """Whose values these are, and from when (UTC ms).

    repeats, remembered: keys of the message that they came in; see edge.ports.Said.
    """

    device: Device
    observed_ms: int
    values: Sequence[Value]
    repeats: tuple[bytes, ...] = ()
    remembered: tuple[bytes, ...] = ()


class Pipeline:
    """Takes the line's steps for one frame after another."""

    def __init__(
        self,
        devices: Iterable[Device],
        *,
        buffer: Sink,
        quarantine: Shelf,
        health: Health,
        heard: Heard | None = None,
    ) -> None:
        self._devices: Mapping[str, Device] = {}
        self._payloads = PayloadReader(())
        self._reports = ReportReader(())
        self._buffer, self._quarantine, self._health = buffer, quarantine, health
        self._heard = Heard() if heard is None else heard
        self.know(devices)

    def know(self, devices: Iterable[Device]) -> None:
        """Know these devices from now on; what has come before is still remembered."""
        self._devices = {device.id: device for device in devices}
        self._payloads.know(self._devices.values())
        self._reports = ReportReader(self._devices.values())

    def read(self, frame: Frame, committed: Committed | None = None, /) -> None:
        """Take what a driver has read all the way into the buffer; never raises for a frame.

        committed: see edge.ports.Deliver.
        """
        decoded = self.decode(frame)
        if decoded is None:
            if committed is not None:
                committed()
            return
        device = decoded.device
        readings = normalise(device.id, decoded.observed_ms, decoded.values)
        checked = validate(readings, device.ranges)
        self.buffer(checked, device, committed, decoded.remembered)

    def decode(self, frame: Frame) -> Decoded | None:
        """Return whose values these are; None if they are nobody's, none if told before."""
        decoded = self._decode(frame)
        if decoded is None or not decoded.remembered:
            return decoded
        if any(key in self._heard for key in decoded.repeats):
            return Decoded(decoded.device, decoded.observed_ms, ())
        for key in decoded.remembered:
            self._heard.add(key)
        return decoded

    def _decode(self, frame: Frame) -> Decoded | None:
        match frame:
            case Answers(device=name, observed_ms=observed_ms, answers=answers):
                device = self._devices[name]
                assert device.decoder is not None  # polled devices have one
                return Decoded(device, observed_ms, device.decoder.decode(answers))
            case Silence(device=name, at_ms=at_ms):
                device = self._devices[name]
                return Decoded(device, at_ms, [_no_answer(each) for each in device.measurements])
            case Message():
                return self._decode_message(frame)
            case Report():
                return self._decode_report(frame)
            case Said():
                device = self._devices[frame.device]
                return Decoded(
                    device, frame.observed_ms, frame.values, frame.repeats, frame.remembered
                )
            case SetAside(message=message, why=why):
                self._quarantine.put(message, why)
                return None

    def buffer(
        self,
        readings: Sequence[Reading],
        device: Device,
        committed: Committed | None = None,
        heard: Sequence[bytes] = (),
    ) -> None:
        """Hand readings to the buffer, from where the uplink publishes them.

        What has been told before may not be on disk yet: then its sender waits, too.
        """
        if readings or committed is not None:
            self._buffer.put(readings, urgent=device.urgent, on_commit=committed, heard=heard)

    def _decode_message(self, message: Message) -> Decoded | None:
        try:
            said = self._payloads.read(message)
        except DecodeError as error:
            self._quarantine.put(message, str(error))
            return None
        if said is None:
            self._health.unknown_senders += 1
            return None
        self._health.answered(said.device.id, message.arrived_ms)
        keys = (said.key,) if said.key else ()
        repeats = keys if said.own_time or message.again else ()
        return Decoded(said.device, said.observed_ms, said.values, repeats, keys)

    def _decode_report(self, report: Report) -> Decoded | None:
        keys = (key_of_report(report),)
        try:
            return Decoded(*self._reports.read(report), keys, keys)
        except DecodeError as error:
            self._quarantine.put(as_message(report), str(error))
            return None


def _no_answer(measurement: str) -> Value:
    return Value(measurement, None, Quality.COMMUNICATION)
