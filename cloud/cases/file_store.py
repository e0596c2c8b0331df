"""Where files of cases are: in a folder, each by its SHA-256, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import mkstemp
from typing import IO

from cloud.core.file_types import HEAD_BYTES, TAIL_BYTES, FileError, FileType, recognise
from cloud.errors import InvalidError, NoRoomError
from contract.errors import StorageError
from contract.folders import sync_folder

INCOMING = ".incoming"
STALE_S = 86_400.0
MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBounds:
    """How large files may be: one, those of a case, all; and what the disk keeps free."""

    largest_bytes: int = 10 * MB
    case_bytes: int = 100 * MB
    total_bytes: int = 20_000 * MB
    keep_free_bytes: int = 1_000 * MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What has come, is on the disk, and is what it says."""

    type: FileType
    size: int
    sha256: str


class FileStore:
    """A folder of files that never change. The same content is there once."""

    def __init__(self, folder: Path, bounds: FileBounds | None = None) -> None:
        self._folder = folder
        self.bounds = bounds or FileBounds()

    def path(self, digest: str) -> Path:
        """Return where the content of a digest is."""
        return self._folder / digest[:2] / digest

    def whole(self, digest: str) -> bool:
        """Whether the content of a digest is there and is what it was."""
        try:
            with self.path(digest).open("rb") as file:
                return file_digest(file, "sha256").hexdigest() == digest
        except OSError:
            return False

    def check_room(self, size: int) -> None:
        """Raise NoRoomError if so much more would fill the disk."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise StorageError(f"{self._folder} cannot be written: {error}") from error
        if free - size < self.bounds.keep_free_bytes:
            raise NoRoomError(
                f"{free // MB} MB are free on the disk of files, of which"
                f" {self.bounds.keep_free_bytes // MB} are kept (cases.files.keep_free_mb)"
            )

    @contextmanager
    def receiving(self) -> Iterator[Incoming]:
        """Take a file in, piece by piece; what is not kept is gone afterwards."""
        folder = self._folder / INCOMING
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            handle, name = mkstemp(dir=folder)
            try:
                with os.fdopen(handle, "w+b") as file:
                    yield Incoming(self, file, Path(name))
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{self._folder} cannot be written: {error}") from error


class Incoming:
    """A file that is on its way in."""

    def __init__(self, store: FileStore, file: IO[bytes], path: Path) -> None:
        self._store = store
        self._file = file
        self._path = path
        self._digest = sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises: InvalidError if the file is too large."""
        self._size += len(data)
        if self._size > self._store.bounds.largest_bytes:
            most = self._store.bounds.largest_bytes // MB
            raise InvalidError(f"the file is larger than {most} MB (cases.files.largest_mb)")
        self._digest.update(data)
        self._file.write(data)

    def received(self) -> Received:
        """Bring what has come to the disk, and say what it is.

        Raises: InvalidError if it is nothing that is taken.
        """
        self._file.seek(0)
        head = self._file.read(HEAD_BYTES)
        self._file.seek(max(0, self._size - TAIL_BYTES))
        try:
            found = recognise(head, self._file.read(TAIL_BYTES))
        except FileError as error:
            raise InvalidError(str(error)) from error
        self._file.flush()
        os.fsync(self._file.fileno())
        return Received(type=found, size=self._size, sha256=self._digest.hexdigest())

    def keep(self) -> None:
        """Put it under its digest, for good; call it after received()."""
        digest = self._digest.hexdigest()
        target = self._store.path(digest)
        if self._store.whole(digest):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        self._path.rename(target)
        for folder in (target.parent, target.parent.parent):
            sync_folder(folder)


def _sweep(folder: Path) -> None:
    """Remove what a killed process left behind, where temporary files have names."""
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                path.unlink()
