"""Log lines that stay lines, whatever a device or a peer puts into them."""

from __future__ import annotations

import logging

# C0 and C1 controls, DEL, and what Unicode takes for the end of a line: a name with one of them
# would begin a line that nobody wrote, or order a terminal about.
_CONTROLS = (*range(0x20), 0x7F, *range(0x80, 0xA0))
_SPELT = {code: f"\\x{code:02x}" for code in _CONTROLS} | {0x2028: "\\u2028", 0x2029: "\\u2029"}


def one_line(text: str) -> str:
    """Return a text with its control characters and ends of line spelt out."""
    return text if text.isprintable() else text.translate(_SPELT)


class LineFormatter(logging.Formatter):
    """Formats a message as one line; a traceback below it is our own, and keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        return one_line(super().formatMessage(record))
