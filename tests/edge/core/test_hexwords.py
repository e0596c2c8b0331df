"""Words as people write them down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.hexwords import parse_words, show_address, show_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0257 0001", (0x0257, 1)),
        ("02 57 00 01", (0x0257, 1)),
        ("0x0257, 0x1a3", (0x0257, 0x01A3)),
        ("0x02 0x57", (0x0257,)),
        ("02570001", (0x0257, 1)),
        ("02-57:00|01", (0x0257, 1)),
        ("01 03 02 02 57 F8 DA", (0x0257,)),  # rs485-sound's vector: a whole answer
    ],
)
def test_ways_to_write_words(text: str, words: tuple[int, ...]) -> None:
    assert parse_words(text) == words


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("025", "3 hex digits"),
        ("hello", "not hex"),
        ("", "0 bytes"),
        ("02 57 00", "3 bytes"),
        ("0001 " * 126, "at most 125"),
        ("01 83 02 C0 F1", "5 bytes"),  # an exception has no words
    ],
)
def test_what_is_no_words(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_words(text)


def test_a_frame_that_is_no_answer_is_not_taken_for_words() -> None:
    with pytest.raises(ValueError, match="no answer of function 3 or 4"):
        parse_words("01 06 00 20 00 01 49 C0")


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=2))
def test_what_is_shown_is_read_again(words: list[int]) -> None:
    assert parse_words(show_words(words)) == tuple(words)


def test_addresses() -> None:
    assert show_address(500) == "0x01F4"
