"""The keys that sign commands: one file a gateway, in a folder that nobody else may read."""

from __future__ import annotations

import os
from pathlib import Path

from contract.commands import new_key, read_key
from contract.errors import ConfigError
from contract.topics import ID


def key_file(folder: Path, gateway: str) -> Path:
    """Return where a gateway's key is. Raises: ConfigError if that is no gateway's id."""
    if not ID.fullmatch(gateway):
        raise ConfigError(f"gateway {gateway!r}: allowed are a-z, 0-9, _ and -, up to 63")
    return folder / f"{gateway}.key"


def key_of(folder: Path, gateway: str) -> bytes:
    """Read a gateway's key. Raises: ConfigError if there is none, or others may read it."""
    file = key_file(folder, gateway)
    if not file.exists():
        raise ConfigError(
            f"{gateway} has no key here; run: gridwarden cloud gateway key CONFIG {gateway}"
        )
    return read_key(file)


def make_key(folder: Path, gateway: str) -> Path:
    """Make a key that only we may read. Raises: ConfigError if there is one already."""
    file = key_file(folder, gateway)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{file} is there already; move it away to have another") from None
    with os.fdopen(handle, "w", encoding="ascii") as written:
        written.write(new_key() + "\n")
    return file
