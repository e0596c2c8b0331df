"""The table that `edge watch` draws: all devices, their latest values, how old, how quick.

Pure: what is known goes in with the terminal's size and the time, lines come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contract.quality import UNUSABLE, Quality
from contract.quantities import quantity_of
from contract.readings import Reading
from device_profiles.tables import width
from edge.core.quality_words import quality_words

STALE_PERIODS = 3
HEADING = ("DEVICE", "MEASUREMENT", "VALUE", "QUALITY", "AGE", "POLL")
RIGHT = (2, 4, 5)  # numbers stand to the right
GAP = "  "
BRIGHT, DIM, RED, YELLOW, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"


@dataclass(slots=True)
class Row:
    """What is known of one device. poll_s: how long its latest poll took, if it is polled.

    problem: why there is nothing new. readings: the latest of each measurement.
    """

    device: str
    period_s: float
    readings: dict[str, Reading] = field(default_factory=dict)
    poll_s: float | None = None
    polls: int = 0
    failures: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the table: cells, or a text across all of them."""

    style: str
    cells: tuple[str, ...]
    text: str = ""


def table_lines(
    rows: Sequence[Row],
    now_ms: int,
    *,
    columns: int,
    lines: int,
    title: str = "",
    color: bool = False,
) -> list[str]:
    """Draw the table: a line a measurement; if that does not fit, a few lines a device.

    Args:    columns, lines: the terminal's size. title: the first line.
    Returns: at most `lines` lines of at most `columns` columns.
    """
    head = [_cut(title, columns)] if title else []
    body = _wide(rows, now_ms, columns, color)
    if len(head) + len(body) > lines:
        body = _narrow(rows, now_ms, columns, color)
    room = max(lines - len(head), 1)
    if len(body) > room:
        hidden = len(body) - room + 1
        body = [*body[: room - 1], _cut(f"… {hidden} more lines: make the window taller", columns)]
    return head + body


def _wide(rows: Sequence[Row], now_ms: int, columns: int, color: bool) -> list[str]:
    lines = [_Line(BRIGHT, HEADING)]
    for row in rows:
        for first, reading in _numbered(row):
            cells = (
                row.device if first else "",
                reading.measurement if reading else "",
                say_value(reading) if reading else "-",
                _quality(row, reading),
                say_age(now_ms - reading.observed_ms) if reading else "",
                _poll(row) if first else "",
            )
            lines.append(_Line(_style(row, reading, now_ms), cells))
        if row.problem:
            lines.append(_Line(RED, (), f"    {row.problem}"))
    rows_of_cells = [line.cells for line in lines if line.cells]
    widths = [max(map(width, cells)) for cells in zip(*rows_of_cells, strict=True)]
    return [
        _painted(_cut(line.text or _laid(line.cells, widths), columns), line.style, color)
        for line in lines
    ]


def _numbered(row: Row) -> list[tuple[bool, Reading | None]]:
    if not row.readings:
        return [(True, None)]
    return [(index == 0, reading) for index, reading in enumerate(row.readings.values())]


def _laid(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = []
    for index, (cell, wide) in enumerate(zip(cells, widths, strict=True)):
        blank = " " * (wide - width(cell))
        padded.append(blank + cell if index in RIGHT else cell + blank)
    return GAP.join(padded).rstrip()


def _narrow(rows: Sequence[Row], now_ms: int, columns: int, color: bool) -> list[str]:
    """Draw each device's values side by side."""
    wide = max((width(row.device) for row in rows), default=0)
    lines: list[str] = []
    for row in rows:
        newest = max((reading.observed_ms for reading in row.readings.values()), default=None)
        age = "" if newest is None else say_age(now_ms - newest)
        parts = [part for part in (age, _poll(row), row.problem) if part]
        cells = [f"({', '.join(parts)})"] if parts else []
        cells = [_packed(reading) for reading in row.readings.values()] + cells
        worst = next((_style(row, r, now_ms) for r in row.readings.values() if r.quality), "")
        style = RED if row.problem else worst
        for index, text in enumerate(_wrapped(cells or ["-"], columns - wide - len(GAP))):
            name = row.device if index == 0 else ""
            line = f"{name}{' ' * (wide - width(name))}{GAP}{text}"
            lines.append(_painted(_cut(line, columns), style, color))
    return lines


def _packed(reading: Reading) -> str:
    mark = f" [{quality_words(reading.quality)}]" if reading.quality else ""
    return f"{reading.measurement} {say_value(reading)}{mark}"


def _wrapped(cells: Sequence[str], columns: int) -> list[str]:
    lines: list[str] = []
    for cell in cells:
        if lines and width(lines[-1]) + len(GAP) + width(cell) <= columns:
            lines[-1] += GAP + cell
        else:
            lines.append(cell)
    return lines


def say_value(reading: Reading) -> str:
    """Write a value with its unit: 59.9 dB(A)."""
    if reading.value is None:
        return "no value"
    unit = quantity_of(reading.measurement).unit
    return f"{reading.value:.6g}{'' if unit == '1' else f' {unit}'}"


def say_age(age_ms: int) -> str:
    """Write an age: 0.4 s, 12 s, 3 min, 2 h."""
    age_s = max(age_ms, 0) / 1000
    if age_s < 10:
        return f"{age_s:.1f} s"
    if age_s < 120:
        return f"{age_s:.0f} s"
    return f"{age_s / 60:.0f} min" if age_s < 7_200 else f"{age_s / 3_600:.0f} h"


def _poll(row: Row) -> str:
    missed = f" {row.failures} lost" if row.failures else ""
    took = "" if row.poll_s is None else f"{1000 * row.poll_s:.0f} ms"
    return f"{took}{missed}".strip()


def _quality(row: Row, reading: Reading | None) -> str:
    if reading is None:
        return "" if row.problem else "nothing yet"
    return quality_words(reading.quality)


def is_stale(row: Row, reading: Reading, now_ms: int) -> bool:
    """Whether a reading is older than three of its device's periods, and some slack."""
    return now_ms - reading.observed_ms > 1000 * (STALE_PERIODS * row.period_s + 2)


def _style(row: Row, reading: Reading | None, now_ms: int) -> str:
    if reading is None:
        return RED if row.problem else DIM
    if reading.quality & UNUSABLE or reading.value is None:
        return RED
    if reading.quality is not Quality.NORMAL:
        return YELLOW
    return DIM if is_stale(row, reading, now_ms) else ""


def _painted(line: str, style: str, color: bool) -> str:
    return f"{style}{line}{PLAIN}" if color and style else line


def _cut(line: str, columns: int) -> str:
    """Cut a line to the terminal; Chinese characters take two columns."""
    if width(line) <= columns:
        return line
    kept, taken = "", 0
    for character in line:
        taken += width(character)
        if taken > columns - 1:
            break
        kept += character
    return f"{kept}…"


def update_line(device: str, readings: Mapping[str, Reading], poll_s: float | None) -> str:
    """Write what came from a device on one line, for a log rather than a screen."""
    took = "" if poll_s is None else f"   {1000 * poll_s:.0f} ms"
    said = "; ".join(f"{_packed(reading)}" for reading in readings.values())
    return f"{device}: {said or 'nothing'}{took}"
