"""HJ 212-2017 stations dial in over TCP: we listen, they report (docs/hj212.md)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from contract.errors import ConfigError
from contract.quantities import quantity_of
from contract.strict_yaml import suggest
from contract.units import conversion
from device_profiles.schema import Profile
from edge.core.hj212_messages import FIELD
from edge.devices import Device
from edge.drivers.bus import Bus, Surroundings
from edge.drivers.hj212_server import Limits, StationServer
from edge.options import DeviceOptions, Listen
from edge.ports import Source

SPARE_CONNECTIONS = 32


class Hj212Bus(Bus):
    """A port at which HJ 212 stations dial in. timezone: of the stations' clocks.

    identify_within_s: how long a connection may last without a sound frame of a known station.
    idle_s: how long it may last since the latest. max_connections: by default twice the devices and
    32; beyond, the one that has been of no use the longest makes room.
    """

    driver: Literal["hj212"]
    protocol: ClassVar[Literal["hj212"]] = "hj212"
    listen: Listen
    timezone: str = "Asia/Shanghai"
    identify_within_s: Annotated[float, Field(gt=0, le=3_600)] = 120.0
    idle_s: Annotated[float, Field(gt=0, le=86_400)] = 7_200.0
    max_connections: Annotated[int, Field(ge=1, le=10_000)] | None = None

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {name!r}; e.g. Asia/Shanghai") from error
        return name

    def device_problems(
        self, options: DeviceOptions, profile: Profile
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a station's MN, PW and units."""
        if not FIELD["MN"].fullmatch(options.address or "x"):
            yield "address", "is the station's MN: 24 of 0-9 and A-F; at most 24 letters and digits"
        if (options.password is None) == (options.password_file is None):
            yield "", "needs either password or password_file: the station's PW"
        elif options.password is not None and not FIELD["PW"].fullmatch(options.password):
            yield "password", "is the station's PW: at most 6 characters, none of ; , & = #"
        measured = profile.measured()
        for name, unit in options.units.items():
            if name not in measured:
                yield (
                    f"units.{name}",
                    f"no measurement of the profile; {suggest(name, [*measured])}",
                )
                continue
            try:
                conversion(unit, quantity_of(name).unit)
            except ValueError as error:
                allowed = ", ".join(quantity_of(name).units)
                yield f"units.{name}", f"{error}; allowed: {allowed}"

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Take the port; stations that dial in wait until the source runs.

        Raises: ConfigError if the port cannot be had.
        """
        family = socket.AF_INET6 if ":" in self.listen.host else socket.AF_INET
        try:
            listener = socket.create_server(
                (self.listen.host, self.listen.port), family=family, backlog=128
            )
        except OSError as error:
            taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
            key, value = ("port", self.listen.port) if taken else ("host", self.listen.host)
            why = os.strerror(error.errno) if error.errno else str(error)
            raise ConfigError(
                f"bus {self.id}: listen.{key}: {value}: {why}; choose another"
            ) from error
        limits = Limits(
            identify_within_s=self.identify_within_s,
            idle_s=self.idle_s,
            connections=self.max_connections or 2 * len(devices) + SPARE_CONNECTIONS,
        )
        zone = ZoneInfo(self.timezone)
        return StationServer(self.id, listener, devices, around, zone=zone, limits=limits)
