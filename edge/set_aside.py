"""A SQLite file that is no good any more gets another name, and its -wal and -shm with it."""

from __future__ import annotations

from pathlib import Path

from contract.errors import StorageError


def set_aside(path: Path) -> Path:
    """Rename a file, so that a new one can be begun and a person may look at it; return its name.

    Raises: StorageError.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise StorageError(f"{path}: cannot be set aside: {error}") from error
    return aside
