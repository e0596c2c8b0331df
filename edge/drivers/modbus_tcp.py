"""Modbus TCP: MBAP framing, transaction ids; and Modbus/TCP Security, the same within TLS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from edge.core.modbus import Framing
from edge.core.plan import TCP_REGISTER_S, TCP_ROUND_TRIP_S, LineCost
from edge.devices import Device
from edge.drivers.bus import ModbusBus, Surroundings
from edge.drivers.modbus_line import ModbusTcpLine, Tls
from edge.options import Port, TlsFiles
from edge.polling import PolledBus
from edge.ports import Source
from edge.tls import tls_context

PLAIN_PORT = 502
TLS_PORT = 802  # MODBUS/TCP Security v21 §8


class ModbusTcpBus(ModbusBus, TlsFiles):
    """A device with an Ethernet port, or a gateway with serial devices behind it.

    port: by default 502, with TLS 802. server_name: what the certificate is for, if not the host.
    round_trip_s: what a request takes, for the budget of the bus's time; behind a gateway, all the
    time that it takes on the serial line.
    """

    driver: Literal["modbus_tcp"]
    shared: ClassVar[bool] = True
    host: Annotated[str, Field(min_length=1)]
    port: Port = Field(default_factory=lambda said: TLS_PORT if said.get("tls") else PLAIN_PORT)
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    round_trip_s: Annotated[float, Field(ge=0, le=60)] = TCP_ROUND_TRIP_S
    tls: bool = False
    server_name: Annotated[str, Field(min_length=1)] | None = None

    def cost(self) -> LineCost:
        """Return what a request costs: about a round trip."""
        return LineCost(request_s=self.round_trip_s, register_s=TCP_REGISTER_S)

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the bus; connects only when it runs.

        Raises: ConfigError if a certificate cannot be used.
        """
        tls = None
        if self.tls:
            tls = Tls(context=tls_context(self), server_name=self.server_name or self.host)
        line = ModbusTcpLine(self.host, self.port, Framing.TCP, timeout_s=self.timeout_s, tls=tls)
        return PolledBus(f"bus {self.id}", line, devices, timeout_s=self.timeout_s, around=around)
