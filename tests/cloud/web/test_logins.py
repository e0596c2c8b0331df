from __future__ import annotations

import pytest

from cloud.web.logins import Limiter, Logins
from cloud.web.problems import Problem
from cloud.web.services import Services
from contract.clock import ManualClock
from tests.cloud.web.seed import PASSWORD


def test_after_so_many_failures_a_key_waits_for_the_window_to_pass() -> None:
    limiter = Limiter(allowed=2, window_s=10)
    limiter.failed("a", 100.0)
    assert limiter.wait_s("a", 100.0) == 0
    limiter.failed("a", 103.0)
    assert limiter.wait_s("a", 104.0) == 6
    assert limiter.wait_s("b", 104.0) == 0
    assert limiter.wait_s("a", 110.0) == 0
    limiter.failed("a", 111.0)
    assert limiter.wait_s("a", 111.0) == 0  # a new window has begun


def test_success_forgets_failures() -> None:
    limiter = Limiter(allowed=1)
    limiter.failed("a", 0)
    limiter.succeeded("a")
    assert limiter.wait_s("a", 0) == 0


def test_memory_is_bounded_however_many_keys_come() -> None:
    limiter = Limiter(allowed=1, max_keys=100)
    for number in range(1_000):
        limiter.failed(str(number), 0)
    assert len(limiter) == 100
    assert limiter.wait_s("999", 1) > 0


async def test_guessing_is_stopped_for_that_name_from_that_address_only(
    services: Services, clock: ManualClock
) -> None:
    logins = Logins(services)
    for _ in range(5):
        with pytest.raises(Problem) as wrong:
            await logins.sign_in("op", "guess guess", "10.0.0.7")
        assert wrong.value.kind == "bad-credentials"
    with pytest.raises(Problem) as stopped:
        await logins.sign_in("op", PASSWORD, "10.0.0.7")
    assert stopped.value.kind == "too-many-attempts"
    assert stopped.value.headers == {"Retry-After": "300"}
    assert (await logins.sign_in("op", PASSWORD, "10.0.0.8")).name == "op"
    assert (await logins.sign_in("admin", PASSWORD, "10.0.0.7")).name == "admin"
    clock.advance_ms(300_000)
    assert (await logins.sign_in("op", PASSWORD, "10.0.0.7")).name == "op"
