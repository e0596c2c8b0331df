"""A file that people edit: noticed when it has become another, and has come to rest."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Look(NamedTuple):
    """What a file looks like from outside. Editors write a new file and rename it: a new inode."""

    inode: int
    size: int
    modified_ns: int


class WatchedFile:
    """Compares looks. A file that is being written looks different at every look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = self._last = self._look()

    def changed(self) -> bool:
        """Look; return whether there is another file, the same at two looks, told only once."""
        now = self._look()
        rested, self._last = now == self._last, now
        if now is None or not rested or now == self._taken:
            return False  # it may be gone for the moment between two names
        self._taken = now
        return True

    def _look(self) -> Look | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return Look(found.st_ino, found.st_size, found.st_mtime_ns)
