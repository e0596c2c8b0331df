"""When a channel that fails is dead: by how often, and by for how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadWhen:
    """What makes a channel dead, without a success meanwhile.

    failures: in a row, over at_least_ms at the least: a storm of messages fails often in a moment.
    for_ms: failing for so long, with two failures at the least: few messages fail seldom.
    """

    failures: int = 5
    at_least_ms: int = 0
    for_ms: int = 900_000


def is_dead(failures: int, failing_ms: int, when: DeadWhen) -> bool:
    """Whether a channel is dead.

    Args: failures: in a row. failing_ms: from the first of them to the last.
    """
    often = failures >= when.failures and failing_ms >= when.at_least_ms
    return often or (failures > 1 and failing_ms >= when.for_ms)
