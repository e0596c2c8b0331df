"""When it will be full."""

from __future__ import annotations

import pytest

from edge.core.fill import full_in_s, in_words


@pytest.mark.parametrize(
    ("held", "most", "free", "rate", "expected"),
    [
        (0, 1_000, 5_000, 10.0, 100.0),
        (900, 1_000, 5_000, 10.0, 10.0),
        (0, 1_000, 50, 10.0, 5.0),
        (1_200, 1_000, 5_000, 10.0, 0.0),
        (0, 1_000, 5_000, None, None),
        (0, 1_000, 5_000, 0.0, None),
    ],
)
def test_the_bound_or_the_disk_whichever_comes_first(
    held: int, most: int, free: int, rate: float | None, expected: float | None
) -> None:
    assert full_in_s(held, most, free, rate) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 s"), (150, "2.5 minutes"), (9_000, "2.5 hours"), (3 * 86_400, "3.0 days")],
)
def test_a_stretch_of_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
