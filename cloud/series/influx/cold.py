"""The writing side: sealed blocks as points, and once more when the server may have lost them.

A server may forget what it acknowledged when it is killed. So what was sealed is written again
when it is `again_s` old, while its blocks are still in the state database; a point that is there
already stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import sqlalchemy as sa

from cloud.core.columns import Columns, concatenate
from cloud.core.line_protocol import lines
from cloud.ports import Sealing, SeriesName, Written
from cloud.series import hot
from cloud.series.influx.server import Server
from cloud.series.sealer import series_names
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import Clock

POINTS = 10_000  # in a request


class InfluxCold:
    """The cold store's writing side over a server."""

    def __init__(self, database: Database, server: Server, clock: Clock, again_ms: int) -> None:
        self._database = database
        self._server = server
        self._clock = clock
        self._again_ms = again_ms
        self._twice = 0  # the last block that was written again; after a start, none was

    def recover(self) -> int:
        """Return 0: points that were written and not committed are written again."""
        return 0

    def write(self, sealing: Sealing) -> Written:
        """Write a point a reading. Raises: StorageError."""
        parts = self._write(sealing.columns, sealing.names, sealing.last_block)
        return Written(parts=parts, commit=lambda _: None)

    def tidy(self) -> bool:
        """Write one seal's blocks again, if any are old enough. Raises: StorageError."""
        table = schema.seals
        with self._database.read() as connection:
            seal = connection.execute(
                sa.select(table)
                .where(table.c.last_block > self._twice)
                .where(table.c.sealed_ms <= self._clock.now_ms() - self._again_ms)
                .order_by(table.c.last_block)
                .limit(1)
            ).one_or_none()
            if seal is None:
                return False
            blocks = hot.blocks_after(connection, seal.first_block - 1, upto=seal.last_block)
            columns = concatenate([block.columns for block in blocks]).by_series_and_time()
            names = series_names(connection)
        self._write(columns, names, seal.last_block)
        self._twice = seal.last_block
        return True

    def _write(self, columns: Columns, names: Mapping[int, SeriesName], block: int) -> int:
        told = {number: (name.device, name.measurement) for number, name in names.items()}
        points = lines(columns, told, block)
        parts = 0
        while part := list(islice(points, POINTS)):
            self._server.write(part)
            parts += 1
        return parts
