"""The agent's log: bounded in rate wherever it goes, and in size where it goes to a file."""

from __future__ import annotations

import logging
import sys
import time
from logging.handlers import RotatingFileHandler

from contract.clock import Clock
from contract.errors import ConfigError
from contract.log_lines import LineFormatter
from edge.options import LogOptions

FORMAT = "%(asctime)sZ %(levelname)s %(message)s"
DATES = "%Y-%m-%dT%H:%M:%S"
MINUTE_S = 60.0


class RateLimit(logging.Filter):
    """Lets so many lines pass a minute; the first of the next minute says how many did not."""

    def __init__(self, clock: Clock, lines_per_minute: int) -> None:
        super().__init__()
        self._clock, self._most = clock, lines_per_minute
        self._until_s = clock.monotonic_s() + MINUTE_S
        self._passed = self._held = 0
        self.suppressed = 0

    def filter(self, record: logging.LogRecord) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s >= self._until_s:
            if self._held:
                record.msg = f"({self._held} lines were left out before this) {record.getMessage()}"
                record.args = ()
            self._until_s, self._passed, self._held = now_s + MINUTE_S, 0, 0
        if self._passed >= self._most:
            self._held += 1
            self.suppressed += 1
            return False
        self._passed += 1
        return True


class BoundedFile(RotatingFileHandler):
    """A log file with a few old ones; a disk that takes no more costs lines, never the agent."""

    lost = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Count a line that could not be written. Telling it would be one more."""
        del record
        self.lost += 1


def set_up(options: LogOptions, level: str, clock: Clock) -> RateLimit:
    """Send the log where the options say; return what bounds it.

    Raises: ConfigError if its file cannot be written.
    """
    logging.Formatter.converter = time.gmtime
    limit = RateLimit(clock, options.lines_per_minute)
    handler = _handler(options)
    handler.setFormatter(LineFormatter(FORMAT, DATES))
    handler.addFilter(limit)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # The drivers tell what happens on a line, once; pymodbus would for every packet.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    return limit


def _handler(options: LogOptions) -> logging.Handler:
    if options.file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        return BoundedFile(
            options.file,
            maxBytes=options.max_bytes,
            backupCount=options.old_files,
            encoding="utf-8",
        )
    except OSError as error:
        raise ConfigError(f"log.file: {options.file} cannot be written: {error}") from error
