"""Where things are in a file, and what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """Collects problems. Paths are dotted keys: modbus.measurements.pm10.unit, vectors[0].frame.

    lines: path -> the line it is written in; what is not written is not there.
    keys: path of a mapping -> the keys written in it, right or wrong.
    """

    file: str
    lines: dict[str, int] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    found: dict[tuple[int, str], None] = field(default_factory=dict)

    def add(self, path: str, what: str) -> None:
        """Note a problem at a path, or at the nearest part of the path that is written."""
        line = self._line(path)
        where = f"{path}: " if path else ""
        self.found[line, f"{self.file}:{line}: {where}{what}"] = None

    def has(self, path: str) -> bool:
        """Whether the file says anything at this path."""
        return path in self.lines

    def problems(self) -> tuple[str, ...]:
        """Return all problems in the order of the file."""
        return tuple(what for _, what in sorted(self.found, key=lambda item: item[0]))

    def _line(self, path: str) -> int:
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


def join(path: str, key: str) -> str:
    """Return the path of a key below another."""
    return f"{path}.{key}" if path else key


def nearest(word: str, allowed: Iterable[str], *, label: str = "allowed") -> str:
    """Return "; did you mean …? allowed: …" for a word that is not allowed."""
    words = sorted(allowed)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else ";"
    return f"{hint} {label}: {', '.join(words)}"
