"""Progress on stderr: one line that is written over, on a terminal only."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType


class Progress:
    """A line at the bottom of the terminal; gone at the end. `say` writes a line that stays."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.show("")

    def show(self, text: str) -> None:
        """Write over the line."""
        if self._live:
            columns = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\x1b[K{text[: columns - 1]}")
            sys.stderr.flush()

    def say(self, text: str) -> None:
        """Write a line that stays, above the live one."""
        clear = "\r\x1b[K" if self._live else ""
        sys.stderr.write(f"{clear}{text}\n")
        sys.stderr.flush()


def bar(done: int, of: int, width: int = 20) -> str:
    """Draw [#####---------------]  25 %."""
    filled = width * done // max(of, 1)
    return f"[{'#' * filled}{'-' * (width - filled)}] {100 * done // max(of, 1):3d} %"
