"""Signing in, slowly enough that guessing is hopeless and cheaply enough that it harms nobody."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from dataclasses import dataclass

from anyio.to_thread import run_sync

from cloud.state.ledger import audit
from cloud.web import accounts
from cloud.web.accounts import Account
from cloud.web.problems import Problem
from cloud.web.services import Services

logger = logging.getLogger(__name__)

WINDOW_S = 300.0
FAILURES_PER_NAME_AND_ADDRESS = 5
FAILURES_PER_ADDRESS = 50  # many people may sit behind one
MAX_KEYS = 10_000
HASHES_AT_ONCE = 2  # each takes a core and 64 MB for a moment
MAX_WAITING = 50
TOKEN_MS = 365 * 24 * 3_600_000


@dataclass(slots=True)
class _Failures:
    number: int
    since_s: float


class Limiter:
    """Counts failures per key in a window; memory is bounded, the oldest keys are forgotten."""

    def __init__(self, allowed: int, window_s: float = WINDOW_S, max_keys: int = MAX_KEYS) -> None:
        self._allowed = allowed
        self._window_s = window_s
        self._max_keys = max_keys
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def wait_s(self, key: str, now_s: float) -> float:
        """Return how long this key must wait; 0 for not at all."""
        failures = self._failures.get(key)
        if failures is None or failures.number < self._allowed:
            return 0.0
        return max(0.0, failures.since_s + self._window_s - now_s)

    def failed(self, key: str, now_s: float) -> None:
        """Count a failure."""
        failures = self._failures.get(key)
        if failures is None or now_s - failures.since_s >= self._window_s:
            self._failures[key] = _Failures(1, now_s)
            self._failures.move_to_end(key)
        else:
            failures.number += 1
        while len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget a key's failures."""
        self._failures.pop(key, None)


class Logins:
    """The one way in, for the API and the console."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pairs = Limiter(FAILURES_PER_NAME_AND_ADDRESS)
        self._addresses = Limiter(FAILURES_PER_ADDRESS)
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def sign_in(self, name: str, password: str, address: str) -> Account:
        """Return the account. Raises: Problem if name and password do not fit, or too often."""
        pair = f"{address} {name[:64]}"
        now_s = self._services.clock.monotonic_s()
        wait_s = max(self._pairs.wait_s(pair, now_s), self._addresses.wait_s(address, now_s))
        if wait_s or self._waiting >= MAX_WAITING:
            raise _too_many(wait_s or 1.0)
        account = await self._verified(name, password)
        if account is None:
            self._pairs.failed(pair, now_s)
            self._addresses.failed(address, now_s)
            logger.warning("sign-in failed for %r from %s", name[:64], address)
            raise Problem("bad-credentials", "name or password is wrong")
        self._pairs.succeeded(pair)
        return account

    async def start_session(self, account: Account, *, lasts_ms: int, label: str) -> str:
        """Begin a session and return its token."""
        return await run_sync(self._start_session, account, lasts_ms, label)

    async def _verified(self, name: str, password: str) -> Account | None:
        self._waiting += 1
        try:
            async with self._hashing:
                return await run_sync(self._verify, name, password)
        finally:
            self._waiting -= 1

    def _verify(self, name: str, password: str) -> Account | None:
        with self._services.database.read() as connection:
            return accounts.verify(connection, name, password)

    def _start_session(self, account: Account, lasts_ms: int, label: str) -> str:
        now_ms = self._services.clock.now_ms()
        with self._services.database.write() as connection:
            audit(
                connection,
                who=account.name,
                action="session.started",
                subject=account.name,
                note=label[:200],
                at_ms=now_ms,
            )
            return accounts.start_session(
                connection, account.name, now_ms=now_ms, lasts_ms=lasts_ms, label=label
            )


def _too_many(wait_s: float) -> Problem:
    seconds = math.ceil(wait_s)
    return Problem(
        "too-many-attempts", f"try again in {seconds} s", headers={"Retry-After": str(seconds)}
    )
