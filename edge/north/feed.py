"""A Sink in front of the buffer that gives others their share; a sender waits for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from contract.readings import Reading
from edge.committed import after
from edge.north.hj212 import Hj212Upload
from edge.ports import Committed, Sink


class Feeding:
    """Hands readings on to the buffer, and to whoever else wants them."""

    def __init__(self, sink: Sink, norths: Sequence[Hj212Upload]) -> None:
        self._sink, self._norths = sink, norths

    def put(
        self,
        readings: Sequence[Reading],
        *,
        urgent: bool,
        on_commit: Committed | None = None,
        heard: Sequence[bytes] = (),
    ) -> None:
        """Hand readings on; on_commit: called when every file has them."""
        # Without readings it is asked whether earlier ones are on disk: everywhere.
        wanting = [north for north in self._norths if not readings or north.wants(readings)]
        if on_commit is not None:
            on_commit = after(1 + len(wanting), on_commit)
        for north in wanting:
            north.put(readings, on_commit)
        self._sink.put(readings, urgent=urgent, on_commit=on_commit, heard=heard)
