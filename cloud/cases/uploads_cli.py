"""`gridwarden cases uploads`: what went to platforms in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import app as build
from cloud.cases import uploads
from cloud.cases.mapping import load_mapping
from cloud.config import load
from cloud.inbox_cli import who
from cloud.state.database import Database
from cloud.state.migrate import require_current
from contract.clock import SystemClock

app = typer.Typer(no_args_is_help=True, help="What went to platforms in files.")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]


@app.command("list")
def list_uploads(
    config_file: ConfigFile,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """List the latest files, with what was refused and what was receipted."""
    with _opened(config_file).read() as connection:
        found = uploads.uploads(connection)
    if as_json:
        typer.echo(msgspec.json.encode({"items": found}).decode())
        return
    for each in found:
        said = each.error or each.receipt
        typer.echo(f"{each.name:<40}{each.state.value:<10}{each.records:>7} records  {said[:120]}")


@app.command()
def retry(
    config_file: ConfigFile, name: Annotated[str, typer.Argument(help="The file's name.")]
) -> None:
    """Send a file again, e.g. when what it was refused for is mended on the other side."""
    with _opened(config_file).write() as connection:
        found = uploads.retry(connection, name, who(), SystemClock().now_ms())
    typer.echo(f"{found.name} will be sent again")


@app.command()
def check(
    mapping_file: Annotated[Path, typer.Argument(metavar="MAPPING", help="The mapping's file.")],
) -> None:
    """Check a field mapping."""
    mapping = load_mapping(mapping_file)
    typer.echo(f"{mapping_file}: {', '.join(mapping.kinds)} as {mapping.format}")


def _opened(config_file: Path) -> Database:
    database = build.open_database(load(config_file))
    require_current(database)
    return database
