"""Whether a bus's time suffices for its polls, in numbers that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.core.plan import utilisation

# What a stretched bus is filled up to: the rest is for retries, probes and what is asked on demand.
FULL = 0.95
MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one device asks of its bus: poll_s for each poll, one every period_s."""

    device: str
    poll_s: float
    period_s: float

    @property
    def share(self) -> float:
        """The share of the bus's time."""
        return self.poll_s / self.period_s


def share_of(loads: Sequence[Load]) -> float:
    """Return the share of a bus's time that polls take; above 1 they cannot be kept."""
    return utilisation((load.poll_s, load.period_s) for load in loads)


def stretching(loads: Sequence[Load]) -> float:
    """Return by how much all periods must be longer so that the bus is FULL; at least 1."""
    return max(1.0, share_of(loads) / FULL)


def say_overload(loads: Sequence[Load]) -> str:
    """Say how far a bus's polls exceed its time, and who asks for most of it."""
    greatest = sorted(loads, key=lambda load: -load.share)[:MOST_NAMED]
    named = ", ".join(
        f"{load.device} {load.poll_s:.3g} s every {load.period_s:g} s" for load in greatest
    )
    more = f" and {len(loads) - len(greatest)} more" if len(loads) > len(greatest) else ""
    return f"its polls take {share_of(loads):.0%} of the bus's time ({named}{more})"


def say_blocking(loads: Sequence[Load]) -> str:
    """Say if one poll takes longer than another device's period; empty if none does."""
    if len(loads) < 2:
        return ""
    longest = max(loads, key=lambda load: load.poll_s)
    others = [load for load in loads if load is not longest]
    hurried = min(others, key=lambda load: load.period_s)
    if longest.poll_s <= hurried.period_s:
        return ""
    return (
        f"one poll of {longest.device} takes {longest.poll_s:.3g} s, and {hurried.device} is due"
        f" every {hurried.period_s:g} s: it will miss polls meanwhile"
    )
