from __future__ import annotations

import pytest

from cloud.web.logins import Logins
from cloud.web.problems import Problem
from cloud.web.services import Services
from contract.clock import ManualClock
from tests.cloud.web.seed import PASSWORD


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
