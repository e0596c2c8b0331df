"""Answers to orders, until the broker has them: a change may have cut the line they go by."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from contract.commands import Reply, encode_reply

log = logging.getLogger(__name__)

MOST = 100


class Replies:
    """In the order in which they came; too many, and the oldest give way."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._some = asyncio.Event()

    def put(self, reply: Reply) -> None:
        """Have a reply sent."""
        self._waiting.append(encode_reply(reply))
        if len(self._waiting) > MOST:
            self._waiting.popleft()
            log.warning("a reply was given up: more than %d wait for the broker", MOST)
        self._some.set()

    async def first(self) -> bytes:
        """Wait for the oldest; it stays until it is sent()."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting[0]

    def sent(self, payload: bytes) -> None:
        """Let go of it."""
        if self._waiting and self._waiting[0] is payload:
            self._waiting.popleft()
