"""A configuration that came by command: beside the file until it has done well, then in its place.

A power cut meanwhile comes back with the file as it was.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from contract.errors import ConfigError
from contract.folders import sync_folder

log = logging.getLogger(__name__)


class Staged:
    """One configuration that must prove itself. path: where it is meanwhile."""

    def __init__(self, file: Path, text: str) -> None:
        """Write it down. Raises: ConfigError if the folder cannot be written."""
        self._file = file
        self.path = staged_path(file)
        try:
            self._before = file.read_bytes()
            with self.path.open("wb") as staged:
                os.fchmod(staged.fileno(), file.stat().st_mode & 0o777)
                staged.write(text.encode())
                staged.flush()
                os.fsync(staged.fileno())
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror}") from error

    def keep(self) -> None:
        """Put it in the file's place. Raises: ConfigError."""
        try:
            if self._file.read_bytes() != self._before:
                raise ConfigError(f"{self._file}: somebody has edited it meanwhile")
            self.path.replace(self._file)
            sync_folder(self._file.parent)
        except OSError as error:
            raise ConfigError(f"{self._file}: cannot be replaced: {error.strerror}") from error

    def drop(self) -> None:
        """Leave nothing behind, if it was not kept."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def staged_path(file: Path) -> Path:
    """Return where a configuration waits."""
    return file.with_name(f"{file.name}.staged")


def drop_leftover(file: Path) -> None:
    """Drop a configuration that had not proved itself when the agent ended."""
    path = staged_path(file)
    if path.exists():
        log.warning("%s had yet to prove itself when the agent ended; it is dropped", path)
        with suppress(OSError):
            path.unlink()
