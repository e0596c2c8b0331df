from __future__ import annotations

import pytest

from cloud.core.channel_life import DeadWhen, is_dead

WHEN = DeadWhen(failures=5, at_least_ms=60_000, for_ms=900_000)


@pytest.mark.parametrize(
    ("failures", "for_s", "dead"),
    [
        (1, 0, False),
        (1, 100_000, False),  # seldom used: once is once
        (2, 899, False),
        (2, 900, True),
        (400, 59, False),  # a storm, and a moment's stumble
        (400, 60, True),
        (4, 75, False),
        (5, 75, True),
    ],
)
def test_dead_by_how_often_and_by_for_how_long(failures: int, for_s: float, dead: bool) -> None:
    assert is_dead(failures, round(for_s * 1000), WHEN) is dead
