"""Telling a sender once when several things have to be on disk first."""

from __future__ import annotations

from edge.ports import Committed


def after(times: int, committed: Committed) -> Committed:
    """Return what calls `committed` when it has been called so many times itself."""
    left = times

    def one_more() -> None:
        nonlocal left
        left -= 1
        if not left:
            committed()

    return one_more
