"""What to look at when a device does not answer: for the one who stands at the cabinet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contract.errors import Disconnected, Timeout, TransportError
from device_profiles.schema import Serial
from edge.core.modbus import Disturbed, Refused
from edge.core.scan import OF_GATEWAY


class Wire(StrEnum):
    """How a line is reached."""

    SERIAL = "serial"  # a port of this machine
    NETWORK = "network"
    DIALS_IN = "dials in"  # a DTU makes the connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a device is. baud: of the bus, if it has one. maker: how it ships, if that is known.

    config, bus: for further commands.
    """

    config: str
    bus: str
    unit_id: int
    baud: int | None
    wire: Wire
    maker: Serial | None


def to_check(problem: TransportError, site: Site, *, connecting: bool) -> tuple[str, ...]:
    """Return what to look at, the likeliest first.

    Args: problem: what a request came to, or connecting.
    """
    if connecting:
        return _NOT_CONNECTED[site.wire]
    match problem:
        case Refused(code=code):
            return _behind_gateway(site) if code in OF_GATEWAY else _REFUSED.get(code, _BUSY)
        case Disturbed():
            return (
                f"baud rate and parity: {_line(site)}",
                "is another master on the line, or a second device with this unit id? Take it off",
                "the shield, the terminating resistors, and power cables beside the line",
            )
        case Timeout():
            return (
                _unit(site),
                f"baud rate and parity: {_line(site)}",
                "wiring: A and B the right way round? Power at the sensor?",
            )
        case Disconnected():
            return (*_CLOSED, _unit(site))
        case _:
            return (_unit(site),)


def _unit(site: Site) -> str:
    ships = "" if site.maker is None else f", the maker ships it as {site.maker.unit_id}"
    return (
        f"unit id: asked was {site.unit_id}{ships};"
        f" gridwarden edge scan {site.config} {site.bus} finds who is there"
    )


def _line(site: Site) -> str:
    here = "see the gateway's own settings" if site.baud is None else f"the bus is at {site.baud}"
    if site.maker is None:
        return here
    bits = f"{site.maker.data_bits}{site.maker.parity[0].upper()}{site.maker.stop_bits}"
    return f"{here}; the maker ships it at {site.maker.baud} {bits}"


def _behind_gateway(site: Site) -> tuple[str, ...]:
    return (
        f"the gateway hears nobody: {_unit(site)}",
        f"wiring behind the gateway; its baud rate and parity: {_line(site)}",
    )


_NO_CONNECTION = (
    "host and port of the bus; is the gateway or serial server on, and its cable in?",
    "many serial servers take one connection only: is another program connected?",
)
_CLOSED = (
    "many serial servers take one connection only: is another program connected?",
    "does the gateway speak Modbus TCP (modbus_tcp), or pass serial frames on"
    " (modbus_rtu_over_tcp)?",
)
_NO_PORT = (
    "is the adapter plugged in, and the port's name right? ls /dev/serial/by-id",
    "may this user open it? It must be in the group dialout",
    "does another program have it open?",
)
_NO_CALLER = (
    "the DTU dials in by itself, often a minute after the last time: wait, or restart it",
    "the centre's address and port in the DTU's settings; its SIM card and antenna",
    "the registration that it sends, as the bus' entry has it",
)
_NOT_CONNECTED = {
    Wire.SERIAL: _NO_PORT,
    Wire.NETWORK: _NO_CONNECTION,
    Wire.DIALS_IN: _NO_CALLER,
}
_BUSY = (
    "the device is busy or at fault: wait a minute, then try again",
    "still so? Take its power away for ten seconds",
)
_REFUSED: dict[int, tuple[str, ...]] = {
    1: ("the function: holding registers are function 3, input registers 4; try the other",),
    2: (
        "the address: does the manual count from 1 (or 40001)? Then registers_count_from: 1",
        "is it another model of this maker, with other registers?",
    ),
    3: ("fewer registers in one request: requests: {max_registers: …} in the profile",),
}
