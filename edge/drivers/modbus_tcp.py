"""Modbus TCP: MBAP framing, transaction ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from edge.core.modbus import Framing
from edge.core.plan import TCP_COST, LineCost
from edge.devices import Device
from edge.drivers.bus import Bus, Surroundings
from edge.drivers.modbus_line import ModbusTcpLine
from edge.options import Port
from edge.polling import PolledBus
from edge.ports import Source


class ModbusTcpBus(Bus):
    """A device with an Ethernet port, or a gateway with serial devices behind it."""

    driver: Literal["modbus_tcp"]
    protocol: ClassVar[Literal["modbus"]] = "modbus"
    host: Annotated[str, Field(min_length=1)]
    port: Port = 502
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0

    def cost(self) -> LineCost:
        """Return what a request costs: about a round trip."""
        return TCP_COST

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the bus; connects only when it runs."""
        line = ModbusTcpLine(self.host, self.port, Framing.TCP, timeout_s=self.timeout_s)
        return PolledBus(f"bus {self.id}", line, devices, timeout_s=self.timeout_s, around=around)
