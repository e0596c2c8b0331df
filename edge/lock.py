"""One agent a buffer file: the lock falls with its process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.errors import ConfigError


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a buffer file.

    Raises: ConfigError if another process has it, or the lock file cannot be written.
    """
    lock = path.with_name(f"{path.name}.lock")
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
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
