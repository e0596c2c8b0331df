"""The condition of one rule on one series, reading by reading: the four phases of a monitor."""

from __future__ import annotations

from typing import Final

# Plain numbers: they live in columns, and the walk over readings compares them often.
IDLE: Final = 0  # within the limit
PENDING: Final = 1  # beyond it, for less than the on-delay
ACTIVE: Final = 2  # beyond it for the on-delay, or longer
RETURNING: Final = 3  # back within, deadband included, for less than the off-delay


def advance(
    phase: int, since_ms: int, at_ms: int, *, beyond: bool, gap: bool, delay_ms: int
) -> tuple[int, int, bool]:
    """Move a monitor on by one usable reading.

    Args:    phase, since_ms: where it stands, and the reading that began PENDING or RETURNING.
             beyond: past the limit when IDLE or PENDING; else not yet back past the deadband.
             gap: whether the series was silent before this reading; a gap fulfils no duration.
             delay_ms: the on-delay when IDLE or PENDING; else the off-delay.
    Returns: (phase, since_ms, whether the condition now began or ended). since_ms is then the
             first reading of the stretch that fulfilled the delay.
    """
    raised = phase >= ACTIVE
    if beyond == raised:  # nothing under way, or no longer
        return (ACTIVE if raised else IDLE), since_ms, False
    under_way = phase in (PENDING, RETURNING)
    if gap or not under_way:
        since_ms = at_ms
    if at_ms - since_ms >= delay_ms:
        return (IDLE if raised else ACTIVE), since_ms, True
    return (RETURNING if raised else PENDING), since_ms, False


def count(
    phase: int, since_ms: int, seen: int, at_ms: int, *, beyond: bool, gap: bool, n: int, of: int
) -> tuple[int, int, int, bool]:
    """Move a monitor that is not raised on by one usable reading: n of the last `of` beyond.

    Args:    seen: which of the readings before it were beyond, the newest in bit 0. A gap forgets
             them. since_ms: the first that was beyond while all before it that count were not.
    Returns: (phase, since_ms, seen, whether the condition now began).
    """
    before = 0 if gap else seen
    seen = ((before << 1) | beyond) & ((1 << of) - 1)
    if not seen:
        return IDLE, since_ms, 0, False
    if before == 0 or phase == IDLE:
        since_ms = at_ms
    if seen.bit_count() >= n:
        return ACTIVE, since_ms, 0, True
    return PENDING, since_ms, seen, False
