"""Modbus RTU frames in a TCP stream: a serial line behind a serial server that passes bytes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from edge.core.modbus import Framing
from edge.devices import Device
from edge.drivers.bus import Surroundings
from edge.drivers.modbus_line import ModbusTcpLine
from edge.drivers.serial_side import USUAL_BAUD, SerialSideBus
from edge.options import Port
from edge.polling import PolledBus
from edge.ports import Source


class ModbusRtuOverTcpBus(SerialSideBus):
    """A serial bus behind a transparent serial server. baud: of the serial side.

    settle_s: how long to listen for a late answer after reconnecting because of a time-out.
    """

    driver: Literal["modbus_rtu_over_tcp"]
    host: Annotated[str, Field(min_length=1)]
    port: Port
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    settle_s: Annotated[float, Field(ge=0, le=10)] = 0.1

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the bus; connects only when it runs."""
        line = ModbusTcpLine(
            self.host,
            self.port,
            Framing.RTU,
            timeout_s=self.timeout_s,
            settle_s=self.settle_s,
            baud=self.baud or USUAL_BAUD,
        )
        return PolledBus(f"bus {self.id}", line, devices, timeout_s=self.timeout_s, around=around)
