"""`gridwarden cloud backup` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import app as build
from cloud.config import load
from cloud.series import backup as copies
from cloud.state.migrate import require_current

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
Folder = Annotated[Path, typer.Argument(help="The backup's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]


def backup(config_file: ConfigFile, folder: Folder, as_json: AsJson = False) -> None:
    """Copy everything into a new folder while the cloud runs."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    done = copies.backup(database, config.data, folder)
    _tell(folder, done, as_json=as_json)


def restore(config_file: ConfigFile, folder: Folder, as_json: AsJson = False) -> None:
    """Put a backup in place: into a data folder that has no state database yet."""
    config = load(config_file)
    done = copies.restore(folder, config.data)
    _tell(config.data, done, as_json=as_json)


def _tell(where: Path, done: copies.Copied, *, as_json: bool) -> None:
    typer.echo(
        msgspec.json.encode(done).decode()
        if as_json
        else f"{where}: state database, {done.files} files of {done.readings} readings and of cases"
    )
