"""Arguments that several commands have, and how they are understood."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from contract.errors import ConfigError
from edge.cabinet.visit import Visit
from edge.drivers.bus import Bus

T = TypeVar("T")

Config = Annotated[Path, typer.Argument(help="the agent's YAML file", show_default=False)]
BusId = Annotated[str, typer.Argument(help="a bus of the file, by its id", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="also where the agent has the line for itself")
]


class Table(StrEnum):
    """Which registers are asked for."""

    HOLDING = "3"
    INPUT = "4"


AskedTable = Annotated[Table, typer.Option(help="3 holding, 4 input registers")]


def parsed(option: str, read: Callable[[str], T], text: str) -> T:
    """Return what an option says. Raises: ConfigError naming it, for a ValueError."""
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error


def register(text: str) -> int:
    """Read a register's address, decimal or 0x…. Raises: ValueError."""
    try:
        address = int(text, 0)
    except ValueError:
        address = -1
    if not 0 <= address <= 65_535:
        raise ValueError(f"{text!r} is no register; write e.g. 0x01F4 or 500, up to 65535")
    return address


def begin(visit: Visit, bus: Bus, *, anyway: bool) -> None:
    """See that a bus may be used, and say so if it is not ours alone. Raises: ConfigError."""
    visit.must_be_free(bus, anyway=anyway)
    if remark := visit.remark(bus):
        typer.echo(remark, err=True)
