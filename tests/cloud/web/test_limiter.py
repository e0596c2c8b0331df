from __future__ import annotations

from cloud.web.limiter import Limiter


def test_after_so_many_a_key_waits_for_the_window_to_pass() -> None:
    limiter = Limiter(allowed=2, window_s=10)
    limiter.count("a", 100.0)
    assert limiter.wait_s("a", 100.0) == 0
    limiter.count("a", 103.0)
    assert limiter.wait_s("a", 104.0) == 6
    assert limiter.wait_s("b", 104.0) == 0
    assert limiter.wait_s("a", 110.0) == 0
    limiter.count("a", 111.0)
    assert limiter.wait_s("a", 111.0) == 0  # a new window has begun


def test_a_key_is_forgotten() -> None:
    limiter = Limiter(allowed=1)
    limiter.count("a", 0)
    limiter.forget("a")
    assert limiter.wait_s("a", 0) == 0


def test_memory_is_bounded_however_many_keys_come() -> None:
    limiter = Limiter(allowed=1, max_keys=100)
    for number in range(1_000):
        limiter.count(str(number), 0)
    assert len(limiter) == 100
    assert limiter.wait_s("999", 1) > 0
