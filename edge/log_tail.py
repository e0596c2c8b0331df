"""The last lines of the log, kept in memory for a diagnostics bundle."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from contract.log_lines import LineFormatter
from edge.logs import DATES, FORMAT

MAX_LINES = 2_000
MAX_LINE = 500


class LogTail(logging.Handler):
    """Keeps lines, each cut to a bound."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self.setFormatter(LineFormatter(FORMAT, DATES))

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record)[:MAX_LINE])

    def last(self, lines: int) -> list[str]:
        """Return so many, the newest last."""
        return list(self._lines)[-lines:] if lines else []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear all that is logged, for as long as the context lasts."""
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)
