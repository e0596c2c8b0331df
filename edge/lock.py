"""One agent a buffer file: the lock falls with its process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contract.errors import ConfigError


def holder(path: Path) -> str | None:
    """Return the process id of the agent that uses a buffer file; None if none does."""
    try:
        file = _lock_of(path).open(encoding="ascii")
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return file.read(20).strip() or "unknown"
    return None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a buffer file.

    Raises: ConfigError if another process has it, or the lock file cannot be written.
    """
    lock = _lock_of(path)
    try:
        file = lock.open("a+", encoding="ascii")
    except OSError as error:
        raise ConfigError(f"{lock}: cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            other = file.read(20).strip() or "unknown"
            raise ConfigError(
                f"{path}: another agent (process {other}) uses this buffer; stop it, or give"
                " this one a buffer.path of its own"
            ) from None
        with suppress(OSError):  # a full disk: the lock holds all the same
            file.truncate(0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")
