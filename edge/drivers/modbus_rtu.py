"""Modbus RTU on a serial port of this machine, RS-485 mostly."""

from __future__ import annotations

import asyncio
import errno
import getpass
import grp
import os
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import serial  # type: ignore[import-untyped]
from pydantic import Field, field_validator

from contract.errors import Disconnected
from device_profiles.schema import Parity
from edge.core.plan import LineCost, serial_cost
from edge.devices import Device
from edge.drivers.bus import Bus, Surroundings
from edge.drivers.rtu_line import RtuLine
from edge.drivers.serial_side import USUAL_BAUD, SerialSideBus, kept_open
from edge.polling import PolledBus
from edge.ports import Source

PORTS = ("serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyS[0-9]", "ttyAMA*", "ttymxc*")
PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
BUSY = (errno.EBUSY, errno.EAGAIN)
READ_BYTES = 4_096


class ModbusRtuBus(SerialSideBus):
    """A serial port. baud, parity, stop_bits: by default the profiles' own, if all agree.

    pause_s: silence between an answer and the next request, if devices need more than 3.5
    characters. late_s: how long a unit that did not answer is left alone, since its late answer
    would be taken for that to the next question.
    """

    driver: Literal["modbus_rtu"]
    agreed: ClassVar[tuple[str, ...]] = ("baud", "parity", "stop_bits")
    port: str
    parity: Parity | None = None
    stop_bits: Literal[1, 2] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    pause_s: Annotated[float, Field(ge=0, le=10)] = 0.0
    late_s: Annotated[float, Field(ge=0, le=60)] = 1.0

    @field_validator("port")
    @classmethod
    def _path(cls, port: str) -> str:
        if not port.startswith("/"):
            raise ValueError(f"{port!r} is no path; e.g. /dev/ttyUSB0")
        return port

    def cost(self) -> LineCost:
        """Return what a request costs on the serial line."""
        return serial_cost(self.baud or USUAL_BAUD, self.turnaround_s, self.pause_s)

    def clashes(self, others: Sequence[Bus]) -> Iterator[tuple[str, str]]:
        """Yield that the port is another bus's already."""
        for other in others:
            if isinstance(other, ModbusRtuBus) and other.port == self.port:
                yield "port", f"{self.port} is bus {other.id}'s already; give their devices one bus"

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield that the port cannot be opened now."""
        if not Path(self.port).exists():
            yield "port", say_why_not(self.port, errno.ENOENT)
        elif not os.access(self.port, os.R_OK | os.W_OK):
            yield "port", say_why_not(self.port, errno.EACCES)

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the bus; the port is opened when it runs."""
        baud = self.baud or USUAL_BAUD
        wire = SerialWire(self.port, baud, self.parity or "none", self.stop_bits or 1)
        line = RtuLine(wire, baud=baud, settle_s=self.late_s, pause_s=self.pause_s)
        return PolledBus(
            f"bus {self.id}", line, kept_open(devices), timeout_s=self.timeout_s, around=around
        )


class SerialWire:
    """A Wire over a serial port, which nobody else may have meanwhile."""

    def __init__(self, path: str, baud: int, parity: Parity, stop_bits: Literal[1, 2]) -> None:
        self._path, self._baud = path, baud
        self._parity, self._stop_bits = parity, stop_bits
        self._port: serial.Serial | None = None
        self._lost: Callable[[str], None] | None = None

    async def open(self, receive: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """Open the port."""
        self.close()
        try:
            self._port = serial.Serial(
                self._path,
                self._baud,
                parity=PARITIES[self._parity],
                stopbits=self._stop_bits,
                timeout=0,
                write_timeout=0,
                exclusive=True,
            )
        except (OSError, ValueError, termios.error) as error:  # pyserial's own is an OSError
            why = say_why_not(self._path, getattr(error, "errno", None), str(error))
            raise Disconnected(f"port: {why}") from None
        self._lost = lost
        asyncio.get_running_loop().add_reader(self._fd, self._readable, receive)

    def write(self, data: bytes) -> None:
        """Send a frame; it fits the system's buffer, or the port is stuck."""
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self.close()
            raise Disconnected(f"port: {self._path}: {error.strerror}") from None
        if written < len(data):
            self.close()
            raise Disconnected(f"port: {self._path} takes no more bytes")

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._port.close()
            self._port = None

    @property
    def _fd(self) -> int:
        fd: int = self._port.fileno() if self._port is not None else -1
        return fd

    def _readable(self, receive: Callable[[bytes], None]) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:  # EIO: the adapter was unplugged
            self._lose(error.strerror or str(error))
            return
        if data:
            receive(data)
        else:
            self._lose("hung up")

    def _lose(self, why: str) -> None:
        self.close()
        if self._lost is not None:
            self._lost(f"port: {self._path}: {why}")


def say_why_not(path: str, number: int | None, text: str = "") -> str:
    """Say why a serial port cannot be opened, and what to do about it."""
    if number == errno.ENOENT:
        return f"there is no {path}; {_ports_here()}"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"{path} may not be opened; run: sudo usermod -aG {_group_of(path)} {_user()}"
            " and log in again, or restart the service"
        )
    if number in BUSY:
        return f"{path} is in use by another program; find it by: fuser -v {path}"
    told = os.strerror(number) if number else text
    return f"{path} cannot be used as a serial port: {told}"


def _ports_here() -> str:
    found = sorted(str(port) for pattern in PORTS for port in Path("/dev").glob(pattern))
    if not found:
        return "no serial port is here; is the adapter plugged in? run: dmesg | tail"
    return f"ports here: {', '.join(found)}"


def _group_of(path: str) -> str:
    try:
        return grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "$USER"
