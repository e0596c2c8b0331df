"""An event loop whose time is not the machine's: it jumps to the next thing that is due.

Jobs in threads are waited for in real time, while the loop's own stands.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as FileObject


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs days in seconds."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.jobs = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., T], *args: object
    ) -> asyncio.Future[T]:
        self.jobs += 1
        job: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        job.add_done_callback(self._done)
        return job

    def _done(self, _: asyncio.Future[T]) -> None:
        self.jobs -= 1


class VirtualClock:
    """A Clock that goes along with such a loop."""

    def __init__(self, loop: VirtualLoop, began_ms: int = 1_790_000_000_000) -> None:
        self._loop, self._began_ms = loop, began_ms

    def now_ms(self) -> int:
        return self._began_ms + round(self._loop.now_s * 1000)

    def monotonic_s(self) -> float:
        return self._loop.now_s


class _Selector(selectors.BaseSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop, self._real = loop, selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if self._loop.jobs or timeout is None:
            return self._real.select(None)
        self._loop.now_s += max(timeout, 1e-6)
        return []

    def register(
        self, fileobj: FileObject, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileObject) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(
        self, fileobj: FileObject, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[FileObject, selectors.SelectorKey]:
        return self._real.get_map()
