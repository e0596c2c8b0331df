"""Reports of HJ 212 stations: whose they are, what they say, and when that was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contract.quality import Quality
from device_profiles.core.hj212 import FactorDecoder, compile_factor_decoder
from device_profiles.core.values import Value
from edge.core.heard import key_of
from edge.core.station_time import station_time
from edge.devices import Device
from edge.ports import Message, Report

REAL_TIME = "2011"


class ReportReader:
    """Knows the stations of all buses."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._stations: dict[str, tuple[Device, FactorDecoder]] = {
            device.id: (device, compile_factor_decoder(device.profile, device.units))
            for device in devices
            if device.profile.hj212 is not None
        }

    def read(self, report: Report) -> tuple[Device, int, Sequence[Value]]:
        """Return the device, its time (UTC ms) and its values.

        Raises: DecodeError if a flag is none of HJ 212's.
        """
        device, decoder = self._stations[report.device]
        values = decoder.decode(report.frame, device.installed).values
        instant = report.frame.command == REAL_TIME
        observed_ms, sure = station_time(report.own_ms, report.arrived_ms, instant=instant)
        return device, observed_ms, values if sure else [_unsure(value) for value in values]


def as_message(report: Report) -> Message:
    """Return a report as text that quarantine can keep."""
    told = ";".join(f"{key}={value}" for key, value in report.frame.cp.items())
    text = f"CN={report.frame.command};CP=&&{told}&&"
    return Message(report.bus, report.arrived_ms, report.frame.station, text.encode())


def key_of_report(report: Report) -> bytes:
    """Return what tells a report from all others: station, command, DataTime and what it says."""
    told = sorted(report.frame.cp.items())
    words = (word for item in told for word in item)
    return key_of("hj212", report.device, report.frame.command, *words)


def _unsure(value: Value) -> Value:
    return Value(value.measurement, value.value, value.quality | Quality.CLOCK_UNSURE)
