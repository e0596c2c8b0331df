"""A Line that notes what passes over another: every exchange, how long it took, how it failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contract.clock import Clock
from contract.errors import TransportError
from edge.core.modbus import Request
from edge.ports import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came of it: either data or a problem."""

    request: Request
    data: bytes | None
    problem: TransportError | None
    took_s: float


class Witness:
    """A Line over another; `tell` gets each exchange as it ends."""

    def __init__(self, line: Line, clock: Clock, tell: Callable[[Exchange], None]) -> None:
        self._line, self._clock, self._tell = line, clock, tell
        self.connecting_s: float | None = None
        self.no_connection: TransportError | None = None

    async def open(self) -> bool:
        """Connect; note how long that took."""
        began_s = self._clock.monotonic_s()
        self.no_connection = None
        try:
            fresh = await self._line.open()
        except TransportError as problem:
            self.no_connection = problem
            raise
        if fresh:
            self.connecting_s = self._clock.monotonic_s() - began_s
        return fresh

    async def ask(self, request: Request, timeout_s: float) -> bytes:
        """Ask, and note the exchange."""
        began_s = self._clock.monotonic_s()
        data: bytes | None = None
        problem: TransportError | None = None
        try:
            data = await self._line.ask(request, timeout_s)
        except TransportError as error:
            problem = error
            raise
        finally:
            took_s = self._clock.monotonic_s() - began_s
            if data is not None or problem is not None:
                self._tell(Exchange(request=request, data=data, problem=problem, took_s=took_s))
        return data

    def close(self) -> None:
        """Drop the connection."""
        self._line.close()
