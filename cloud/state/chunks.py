"""Long lists in pieces that every database takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

AT_ONCE = 500  # below every engine's limit of bound parameters

T = TypeVar("T")


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield items in pieces, in their order."""
    return (items[at : at + AT_ONCE] for at in range(0, len(items), AT_ONCE))
