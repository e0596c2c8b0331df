"""What pages read beside the snapshot, read once for all who look at the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from anyio.to_thread import run_sync

T = TypeVar("T")

MOST = 200


@dataclass(slots=True)
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: object = None
    value: object = None


class Shared:
    """A bounded cache; the version says whether what is held still stands."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    async def get(self, key: Hashable, version: object, load: Callable[[], T]) -> T:
        """Return what load returned for this version, calling it off the event loop if need be."""
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > MOST:
            self._entries.popitem(last=False)
        async with entry.lock:
            if entry.version != version or version is None:
                entry.value = await run_sync(load)
                entry.version = version
        return cast("T", entry.value)


class Renderings:
    """HTML drawn once a second and language, for however many look."""

    def __init__(self) -> None:
        self._moment: object = None
        self._drawn: dict[Hashable, str] = {}

    def get(self, moment: object, key: Hashable, draw: Callable[[], str]) -> str:
        """Return what is drawn under the key at a moment."""
        if moment != self._moment:
            self._moment = moment
            self._drawn.clear()
        if key not in self._drawn:
            self._drawn[key] = draw()
        return self._drawn[key]
