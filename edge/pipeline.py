"""read → decode → normalise → validate → buffer → publish

Drivers read, and deliver frames here; the uplink publishes what the buffer has committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from contract.errors import DecodeError
from contract.quality import Quality
from contract.readings import Reading
from device_profiles.core.values import Value
from edge.core.normalise import normalise
from edge.core.validate import validate
from edge.devices import Device
from edge.health import Health
from edge.payloads import PayloadReader
from edge.ports import Answers, Frame, Message, Report, Said, SetAside, Shelf, Silence, Sink
from edge.reports import ReportReader, as_message


class Pipeline:
    """Takes the line's steps for one frame after another."""

    def __init__(
        self,
        devices: Iterable[Device],
        *,
        buffer: Sink,
        quarantine: Shelf,
        health: Health,
    ) -> None:
        self._devices: Mapping[str, Device] = {}
        self._payloads = PayloadReader(())
        self._reports = ReportReader(())
        self._buffer, self._quarantine, self._health = buffer, quarantine, health
        self.know(devices)

    def know(self, devices: Iterable[Device]) -> None:
        """Know these devices from now on."""
        self._devices = {device.id: device for device in devices}
        self._payloads.know(self._devices.values())
        self._reports = ReportReader(self._devices.values())

    def read(self, frame: Frame) -> None:
        """Take what a driver has read all the way into the buffer; never raises for a frame."""
        decoded = self.decode(frame)
        if decoded is None:
            return
        device, observed_ms, values = decoded
        readings = normalise(device.id, observed_ms, values)
        checked = validate(readings, device.ranges)
        self.buffer(checked, device)

    def decode(self, frame: Frame) -> tuple[Device, int, Sequence[Value]] | None:
        """Return whose values these are, from when (UTC ms); None if they are nobody's."""
        match frame:
            case Answers(device=name, observed_ms=observed_ms, answers=answers):
                device = self._devices[name]
                assert device.decoder is not None  # polled devices have one
                return device, observed_ms, device.decoder.decode(answers)
            case Silence(device=name, at_ms=at_ms):
                device = self._devices[name]
                return device, at_ms, [_no_answer(each) for each in device.measurements]
            case Message():
                return self._decode_message(frame)
            case Report():
                return self._decode_report(frame)
            case Said(device=name, observed_ms=observed_ms, values=said):
                return self._devices[name], observed_ms, said
            case SetAside(message=message, why=why):
                self._quarantine.put(message, why)
                return None

    def buffer(self, readings: Sequence[Reading], device: Device) -> None:
        """Hand readings to the buffer, from where the uplink publishes them."""
        if readings:
            self._buffer.put(readings, urgent=device.urgent)

    def _decode_message(self, message: Message) -> tuple[Device, int, Sequence[Value]] | None:
        try:
            said = self._payloads.read(message)
        except DecodeError as error:
            self._quarantine.put(message, str(error))
            return None
        if said is None:
            self._health.unknown_senders += 1
            return None
        self._health.answered(said[0].id, message.arrived_ms)
        return said

    def _decode_report(self, report: Report) -> tuple[Device, int, Sequence[Value]] | None:
        try:
            return self._reports.read(report)
        except DecodeError as error:
            self._quarantine.put(as_message(report), str(error))
            return None


def _no_answer(measurement: str) -> Value:
    return Value(measurement, None, Quality.COMMUNICATION)
