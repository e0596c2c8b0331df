"""Every value that the simulators served, as JSON lines: proves later that nothing was lost."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec


class Served(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value as it went out.

    value: in the quantity's canonical unit, at the device's resolution.
    served_ms: UTC milliseconds of the request; of the sample, for a device that publishes.
    to: who asked, "host:port", or the topic. fault: what spoilt the answer.
    """

    device: str
    measurement: str
    value: float
    served_ms: int
    to: str
    fault: str = ""


class Ledger:
    """An append-only file of Served lines, bounded: one older file is kept beside the current.

    Lines are written through at once, so that a kill loses none of them.
    """

    def __init__(self, path: Path | None, max_bytes: int = 256_000_000) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._encoder = msgspec.json.Encoder()
        self._file: IO[bytes] | None = None
        self._bytes = 0

    def open(self) -> None:
        """Open the file for appending; without a path nothing is kept."""
        if self._path is not None:
            self._file = self._path.open("ab", buffering=0)
            self._bytes = self._file.tell()

    def record(self, *served: Served) -> None:
        if self._file is None or not served:
            return
        lines = self._encoder.encode_lines(served)
        self._file.write(lines)
        self._bytes += len(lines)
        if self._bytes > self._max_bytes:
            self._turn_over()

    def __enter__(self) -> Ledger:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _turn_over(self) -> None:
        self.close()
        if self._path is not None:
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        self.open()


def read_ledger(path: Path) -> list[Served]:
    """Read what was served, the older file first; a line that a kill cut short is left out."""
    lines: list[Served] = []
    decoder = msgspec.json.Decoder(Served)
    for part in (path.with_name(path.name + ".1"), path):
        if part.exists():
            whole, _, _ = part.read_bytes().rpartition(b"\n")
            lines += [decoder.decode(line) for line in whole.split(b"\n") if line]
    return lines
