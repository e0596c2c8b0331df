"""One process at a time: a lock on a file that the kernel lets go of when its holder dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.errors import ConfigError


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock. Raises: ConfigError if another process has it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{path}: another {what} is running on this data folder; stop it first"
            ) from None
        yield
