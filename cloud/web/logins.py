"""Signing in, slowly enough that guessing is hopeless and cheaply enough that it harms nobody."""

from __future__ import annotations

import asyncio
import logging
import math

from anyio.to_thread import run_sync

from cloud.state.ledger import audit
from cloud.web import accounts
from cloud.web.accounts import Account
from cloud.web.limiter import Limiter
from cloud.web.problems import Problem
from cloud.web.services import Services

logger = logging.getLogger(__name__)

FAILURES_PER_NAME_AND_ADDRESS = 5
FAILURES_PER_ADDRESS = 50  # many people may sit behind one
HASHES_AT_ONCE = 2  # each takes a core and 64 MB for a moment
MAX_WAITING = 50
TOKEN_MS = 365 * 24 * 3_600_000


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
            self._pairs.count(pair, now_s)
            self._addresses.count(address, now_s)
            logger.warning("sign-in failed for %r from %s", name[:64], address)
            raise Problem("bad-credentials", "name or password is wrong")
        self._pairs.forget(pair)
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
