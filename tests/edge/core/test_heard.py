"""Which messages came before."""

from __future__ import annotations

from edge.core.heard import KEY_BYTES, REMEMBERED, Heard, key_of


def test_what_was_added_is_known() -> None:
    heard = Heard([b"a"])
    heard.add(b"b")
    assert b"a" in heard
    assert b"b" in heard
    assert b"c" not in heard


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    heard = Heard()
    for number in range(REMEMBERED + 1):
        heard.add(b"%d" % number)
    assert b"0" not in heard
    assert b"1" in heard


def test_what_came_again_is_remembered_longer() -> None:
    heard = Heard(b"%d" % number for number in range(REMEMBERED))
    heard.add(b"0")
    heard.add(b"more")
    assert b"0" in heard
    assert b"1" not in heard


def test_a_key_tells_words_apart_wherever_they_are_divided() -> None:
    assert len(key_of("a", 7, b"c")) == KEY_BYTES
    assert key_of("a", 7, b"c") == key_of("a", 7, b"c")
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("ab", "c", "")}) == 4
