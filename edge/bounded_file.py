"""Files of lines that never grow beyond a bound: when full, they begin anew and keep one old."""

from __future__ import annotations

import os
from pathlib import Path


def append_line(path: Path, line: str, max_bytes: int) -> None:
    """Append a line, and have it on the disk. Raises: OSError."""
    if path.exists() and path.stat().st_size + len(line.encode()) > max_bytes:
        path.replace(path.with_name(f"{path.name}.1"))
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
