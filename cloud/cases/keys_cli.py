"""`gridwarden cases keys`: who may file requests over Open311."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloud import app as build
from cloud.cases import service_requests
from cloud.config import load
from cloud.inbox_cli import who
from cloud.state.database import Database
from cloud.state.migrate import require_current
from contract.clock import SystemClock

app = typer.Typer(no_args_is_help=True, help="Who may file requests over Open311.")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
Name = Annotated[str, typer.Argument(help="Whose key it is: a-z, 0-9, dot, _ and -")]


@app.command()
def add(config_file: ConfigFile, name: Name) -> None:
    """Make a key and show it, this once."""
    with _opened(config_file).write() as connection:
        key = service_requests.add_key(connection, name, who(), SystemClock().now_ms())
    typer.echo(key)


@app.command()
def remove(config_file: ConfigFile, name: Name) -> None:
    """Let a key file nothing more; what it filed stays."""
    with _opened(config_file).write() as connection:
        service_requests.remove_key(connection, name, who(), SystemClock().now_ms())
    typer.echo(f"{name} files nothing more")


@app.command("list")
def list_keys(config_file: ConfigFile) -> None:
    """List whose keys there are."""
    with _opened(config_file).read() as connection:
        for name in service_requests.keys(connection):
            typer.echo(name)


def _opened(config_file: Path) -> Database:
    database = build.open_database(load(config_file))
    require_current(database)
    return database
