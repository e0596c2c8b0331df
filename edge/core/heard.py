"""Which messages have been read before: senders that miss our acknowledgement send them again.

A message is known by a key. Two keys are the same only if the second message is the first again:
made of a time that the sender gave, or of a number that its broker gave, never of a value alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b

REMEMBERED = 10_000  # messages, of all devices
KEY_BYTES = 16


class Heard:
    """The keys of the latest messages, oldest first."""

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self._keys: OrderedDict[bytes, None] = OrderedDict()
        for key in keys:
            self.add(key)

    def add(self, key: bytes) -> None:
        """Remember a message, and forget the oldest beyond REMEMBERED."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys


def key_of(*parts: str | bytes | int) -> bytes:
    """Return the key of what these words tell apart."""
    digest = blake2b(digest_size=KEY_BYTES)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.digest()
