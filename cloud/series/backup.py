"""A copy of everything that runs, while it runs; and putting it back.

Readings committed before the backup began are in it, once. What was acknowledged after it is not,
and the gateways have let go of that: a restored cloud lacks what came between backup and loss.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from cloud.series.day_files import held, listed
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from contract.errors import ConfigError, StorageError
from contract.folders import sync_folder

STATE = "state.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A file that the state database names; path counts from the data folder."""

    path: str
    sha256: str
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a backup or a restore came to."""

    files: int
    readings: int


def backup(database: Database, data: Path, target: Path) -> Copied:
    """Copy the state database and the files it names into a new folder, whole or not at all.

    Files are linked where the disk is the same, and copied where it is not; they never change.
    Raises: ConfigError if the folder is there already, or the database is not SQLite;
    StorageError if it cannot be written.
    """
    if database.engine.dialect.name != "sqlite":
        raise ConfigError(
            "backup is for a state database in SQLite; for PostgreSQL stop intake, then"
            " run pg_dump and copy the data folder"
        )
    if target.exists():
        raise ConfigError(f"{target}: is there already; name a new folder")
    making = target.with_name(f"{target.name}.partial")
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        with held(data / "lake"):  # nothing that the copied database names may be deleted meanwhile
            _copy_state(database, making / STATE)
            files = _listed(making / STATE)
            for file in files:
                _link(data / file.path, making / file.path)
        _settle(making)
        making.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise StorageError(f"{target} cannot be written: {error}") from error
    return Copied(files=len(files), readings=sum(file.readings for file in files))


def restore(source: Path, data: Path) -> Copied:
    """Put a backup into a data folder that has no state database, after verifying every file.

    Raises: ConfigError if it is no backup, or the data folder is in use; StorageError if a file of
    the backup is damaged, or the data folder cannot be written.
    """
    if not (source / STATE).is_file():
        raise ConfigError(f"{source}: has no {STATE}; is it a folder that cloud backup made?")
    if (data / STATE).exists():
        raise ConfigError(f"{data / STATE}: is there already; restore only into a new data folder")
    files = _listed(source / STATE)
    for file in files:
        if ".." in Path(file.path).parts or Path(file.path.partition("/")[2]).is_absolute():
            raise ConfigError(f"{source}: names a file outside of it, {file.path}; is it yours?")
    damaged = [file.path for file in files if not _whole(source / file.path, file)]
    if damaged:
        raise StorageError(
            f"the backup's {', '.join(damaged[:5])} is damaged; nothing was restored"
        )
    try:
        data.mkdir(parents=True, exist_ok=True)
        for file in files:
            there = data / file.path
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file.path, there)
        making = data / f"{STATE}.partial"
        shutil.copyfile(source / STATE, making)
        _settle(data)
        making.rename(data / STATE)  # the last step: before it, there is nothing to start with
        sync_folder(data)
    except OSError as error:
        raise StorageError(f"{data} cannot be written: {error}") from error
    return Copied(files=len(files), readings=sum(file.readings for file in files))


def _copy_state(database: Database, target: Path) -> None:
    """Write a copy of one moment; others go on writing."""
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is None:
            raise StorageError("the state database is not connected")
        raw.execute("VACUUM INTO ?", (str(target),))


def _listed(state: Path) -> list[Named]:
    """Return the files that a copied state database names: of lake, rollups and cases."""
    copy = Database(sqlite_url(state))
    rollups = schema.rollup_files
    try:
        with copy.read() as connection:
            return [
                *(
                    Named(path=f"lake/{file.path}", sha256=file.sha256, readings=file.readings)
                    for file in listed(connection)
                ),
                *(
                    Named(path=f"files/{digest[:2]}/{digest}", sha256=digest, readings=0)
                    for digest in _files_of_cases(connection)
                ),
                *(
                    Named(path=f"rollups/{row.path}", sha256=row.sha256, readings=0)
                    for row in connection.execute(sa.select(rollups.c.path, rollups.c.sha256))
                ),
            ]
    finally:
        copy.close()


def _files_of_cases(connection: sa.Connection) -> list[str]:
    """Return the digests of all files of cases, of which a backup from before them has none."""
    table = schema.case_files
    if not sa.inspect(connection).has_table(table.name):
        return []
    return list(connection.scalars(sa.select(table.c.sha256).distinct().order_by("sha256")))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that has no links
        shutil.copyfile(source, target)


def _whole(path: Path, file: Named) -> bool:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _settle(folder: Path) -> None:
    """Bring everything below a folder to the disk."""
    for path in _below(folder):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def _below(folder: Path) -> Iterable[Path]:
    return folder.rglob("*")
