"""What every store asks of a stepped query."""

from __future__ import annotations

MAX_POINTS = 20_000


def check_steps(from_ms: int, to_ms: int, step_ms: int) -> None:
    """Raises: ValueError if the step is none, or too fine for so long a time."""
    if step_ms < 1:
        raise ValueError(f"step is {step_ms} ms; it must be at least 1")
    if (to_ms - from_ms) / step_ms > MAX_POINTS:
        raise ValueError(f"more than {MAX_POINTS} points; ask for a wider step")
