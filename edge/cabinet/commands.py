"""The four commands, as the command line has them."""

from __future__ import annotations

from typing import Annotated

import typer

from contract.errors import ConfigError
from edge.cabinet import read_report
from edge.cabinet import scan as scanning
from edge.cabinet.arguments import (
    Anyway,
    AsJson,
    AskedTable,
    BusId,
    Config,
    Table,
    begin,
    parsed,
    register,
)
from edge.cabinet.progress import Progress
from edge.cabinet.read import read_device
from edge.cabinet.scan import Question, scan_bus
from edge.cabinet.visit import INTERRUPTED, run_until_told, visit, wire_of
from edge.cabinet.watch import watch_all
from edge.core.advice import Wire
from edge.core.scan import parse_bauds, parse_units


def read(
    config: Config,
    device: Annotated[str, typer.Argument(help="a device of the file", show_default=False)],
    wait_s: Annotated[
        float | None,
        typer.Option(min=0.1, max=86_400, help="how long to wait for a device that reports itself"),
    ] = None,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> None:
    """Read one device once: words, numbers, values, how long it took, what to check."""
    visiting = visit(config)
    plan, _ = visiting.device(device)
    visiting.must_be_free(plan.bus, anyway=anyway)
    with Progress() as progress:
        seen = run_until_told(lambda told: read_device(told, visiting, device, wait_s, progress))
    if seen is None:
        raise typer.Exit(INTERRUPTED)
    for line in read_report.as_text(seen, visiting):
        typer.echo(line)
    if as_json:
        typer.echo(read_report.as_json(seen, visiting))
    if not read_report.is_good(seen):
        raise typer.Exit(1)


def scan(
    config: Config,
    bus: BusId,
    units: Annotated[str, typer.Option(help="unit ids to ask, as 1-10,55")] = "1-247",
    bauds: Annotated[
        str, typer.Option(help="baud rates of a serial port: 9600,4800 or 1200-19200 or all")
    ] = "",
    function: AskedTable = Table.HOLDING,
    start: Annotated[str, typer.Option(help="register that is asked for, as 0x2600")] = "0",
    timeout_s: Annotated[
        float, typer.Option(min=0.01, max=10, help="how long an answer may take")
    ] = 0.3,
    first: Annotated[bool, typer.Option("--first", help="end at the first device found")] = False,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> None:
    """Find out which unit ids, and at which baud rates, answer on a bus; Ctrl-C ends it early."""
    visiting = visit(config)
    plan = visiting.modbus(bus)
    numbers = parsed("--units", parse_units, units)
    rates = parsed("--bauds", parse_bauds, bauds) if bauds else ()
    if rates and wire_of(plan.bus) is not Wire.SERIAL:
        raise ConfigError(f"--bauds: that of bus {bus} ({plan.bus.driver}) is set in its gateway")
    address = parsed("--start", register, start)
    question = Question(function=int(function), address=address, timeout_s=timeout_s)
    begin(visiting, plan.bus, anyway=anyway)
    with Progress() as progress:
        done = run_until_told(
            lambda told: scan_bus(
                told,
                visiting,
                plan,
                question,
                units=numbers,
                bauds=rates,
                only_first=first,
                progress=progress,
            )
        )
    for line in scanning.as_text(done, visiting):
        typer.echo(line)
    if as_json:
        typer.echo(scanning.as_json(done))
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not scanning.is_success(done):
        raise typer.Exit(1)


def watch(
    config: Config,
    device: Annotated[
        list[str] | None, typer.Option(help="only this device; may be repeated")
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0.1, help="end by itself after so many seconds")
    ] = None,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> None:
    """Show all devices live until Ctrl-C: a table on a terminal, else a line an update."""
    visiting = visit(config)
    devices = [visiting.device(name)[1] for name in device or ()] or visiting.config.devices
    if not devices:
        raise ConfigError(f"{config}: there are no devices to watch")
    run_until_told(
        lambda told: watch_all(told, visiting, devices, for_s=for_s, anyway=anyway, as_json=as_json)
    )
