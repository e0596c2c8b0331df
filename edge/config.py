"""The edge's one YAML file: read strictly, checked as a whole, every problem told at once.

Relative paths count from the file's own folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from contract import strict_yaml
from contract.errors import ConfigError
from edge.checks import BusPlan, Checker, resolved
from edge.devices import Device
from edge.drivers import DRIVERS
from edge.drivers.bus import Bus
from edge.environment import overlaid
from edge.north import NORTHS
from edge.north.hj212 import Hj212North
from edge.options import (
    AggregateOptions,
    BufferOptions,
    ChangeOptions,
    ClockOptions,
    CommandOptions,
    DeviceOptions,
    Endpoint,
    Id,
    LogOptions,
    MetricsOptions,
    ModemOptions,
    PollingOptions,
    Section,
    SupplyOptions,
    UplinkOptions,
)

if TYPE_CHECKING:
    AnyBus = Bus
    AnyNorth = Hj212North
else:
    AnyNorth = Union[tuple(NORTHS.values())]  # noqa: UP007  made of the dict
    AnyBus = Annotated[Union[tuple(DRIVERS.values())], Field(discriminator="driver")]  # noqa: UP007  made of the dict


class EdgeFile(Section):
    """All of it. profiles: a folder of one's own profiles, laid out as the catalog is."""

    gateway: Id
    broker: Endpoint
    buffer: BufferOptions = BufferOptions()
    clock: ClockOptions = ClockOptions()
    uplink: UplinkOptions = UplinkOptions()
    polling: PollingOptions = PollingOptions()
    log: LogOptions = LogOptions()
    metrics: MetricsOptions | None = None
    changes: ChangeOptions = ChangeOptions()
    commands: CommandOptions = CommandOptions()
    profiles: Path | None = None
    aggregates: AggregateOptions | None = None
    supply: SupplyOptions | None = None
    modem: ModemOptions | None = None
    north: tuple[AnyNorth, ...] = ()
    buses: tuple[AnyBus, ...] = ()
    devices: tuple[DeviceOptions, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfig:
    """A checked configuration. version: changes whenever the file does, or what overrides it.

    warnings: what is not as the file has it, on this machine and just now.
    """

    path: Path
    version: str
    gateway: str
    broker: Endpoint
    buffer: BufferOptions
    clock: ClockOptions
    uplink: UplinkOptions
    polling: PollingOptions
    log: LogOptions
    metrics: MetricsOptions | None
    changes: ChangeOptions
    commands: CommandOptions
    buses: tuple[BusPlan, ...]
    aggregates: AggregateOptions | None = None
    supply: SupplyOptions | None = None
    modem: ModemOptions | None = None
    norths: tuple[Hj212North, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices of all buses."""
        return tuple(device for plan in self.buses for device in plan.devices)


def load(path: Path, environment: Mapping[str, str] = os.environ) -> EdgeConfig:
    """Read and check a file with what the environment says; touches no network.

    Raises: ConfigError with every problem, each with file, line and key.
    """
    document = strict_yaml.read(path)
    problems: list[str] = []
    try:
        document = overlaid(document, environment, EdgeFile)
    except ConfigError as error:
        problems += error.problems
    try:
        strict_yaml.check(document, EdgeFile)
    except ConfigError as error:
        problems += error.problems
    base = path.resolve().parent
    checker = Checker(document, base)
    plans = checker.plans()
    problems += checker.problems
    if problems:
        raise ConfigError(*sorted(dict.fromkeys(problems), key=_place))
    file = EdgeFile.model_validate(document.data)
    return EdgeConfig(
        path=path,
        version=_version(path, document),
        gateway=file.gateway,
        broker=resolved(file.broker, base),
        buffer=resolved(file.buffer, base),
        clock=file.clock,
        uplink=file.uplink,
        polling=file.polling,
        aggregates=file.aggregates,
        supply=resolved(file.supply, base) if file.supply else None,
        modem=resolved(file.modem, base) if file.modem else None,
        norths=tuple(resolved(north, base) for north in file.north),
        log=resolved(file.log, base),
        metrics=file.metrics,
        changes=file.changes,
        commands=resolved(file.commands, base),
        buses=plans,
        warnings=tuple(checker.warnings),
    )


def _version(path: Path, document: strict_yaml.Document) -> str:
    overridden = json.dumps(document.data, sort_keys=True) if document.origins else ""
    return sha256(path.read_bytes() + overridden.encode()).hexdigest()[:12]


def _place(problem: str) -> tuple[str, int]:
    """Sort by file and line."""
    file, _, rest = problem.partition(":")
    line = rest.partition(":")[0]
    return file, int(line) if line.isdigit() else 0
