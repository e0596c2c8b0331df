"""Room on the disk that is kept for when there is no other, so that this can be written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Reserve:
    """A file beside the buffer that is only there to take up room."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    @property
    def is_there(self) -> bool:
        """Whether the room is kept."""
        try:
            return self._path.stat().st_size >= self._size
        except OSError:
            return not self._size

    def allocate(self) -> bool:
        """Keep the room, if the disk has as much again to spare; return whether it is kept."""
        if self.is_there:
            return True
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < 2 * self._size:
                return False
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the room up; return whether there was any."""
        was_there = self._path.exists()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        return was_there
