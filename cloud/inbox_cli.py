"""`gridwarden cloud inbox`: devices that nobody has adopted."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import adoption
from cloud import app as build
from cloud.adoption import Waiter
from cloud.config import load
from cloud.state.migrate import require_current
from contract.clock import SystemClock
from contract.quantities import Kind

app = typer.Typer(no_args_is_help=True, help="Devices that nobody has adopted yet.")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
Device = Annotated[str, typer.Argument(help="The device's id.")]
Sender = Annotated[
    str | None,
    typer.Option("--gateway", help="Which gateway's, if several brought it; '' for itself."),
]


@app.command("list")
def list_waiting(
    config_file: ConfigFile,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """List who waits and who was refused, with what they said."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        found = adoption.waiters(connection)
    if as_json:
        typer.echo(msgspec.json.encode({"items": found}).decode())
        return
    typer.echo(f"{'device':<24}{'brought by':<20}{'state':<10}{'waiting':>9}{'dropped':>9}  last")
    for each in found:
        last = datetime.fromtimestamp(each.last_ms / 1000, config.zone)
        typer.echo(
            f"{each.device:<24}{each.sender or 'itself':<20}{each.state:<10}{each.readings:>9}"
            f"{each.dropped:>9}  {last:%Y-%m-%d %H:%M:%S}  {', '.join(each.measurements[:3])}"
        )


@app.command()
def adopt(
    config_file: ConfigFile,
    device: Device,
    gateway: Sender = None,
    kind: Annotated[
        Kind | None, typer.Option(help="If it is not clear from what it measures.")
    ] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    period_s: Annotated[float | None, typer.Option(help="Seconds between readings.")] = None,
) -> None:
    """Let a device in, with the readings that wait; effective within a second of intake's."""
    database = build.open_database(load(config_file))
    with database.write() as connection:
        found = adoption.adopt(
            connection,
            device,
            by=who(),
            now_ms=SystemClock().now_ms(),
            sender=gateway,
            kind=kind or "",
            name=name,
            period_s=period_s,
        )
    typer.echo(f"{device} is adopted; {_waiting(found)} go into the store")


@app.command()
def refuse(config_file: ConfigFile, device: Device, gateway: Sender = None) -> None:
    """Keep a device out: its readings are dropped, and it stays refused until it is adopted."""
    database = build.open_database(load(config_file))
    with database.write() as connection:
        found = adoption.refuse(
            connection, device, by=who(), now_ms=SystemClock().now_ms(), sender=gateway
        )
    typer.echo(f"{device} is refused; {_waiting(found)} are dropped")


def _waiting(found: Waiter) -> str:
    return f"{found.readings} readings that waited"


def who() -> str:
    """Name the person at this machine, for the audit."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"
