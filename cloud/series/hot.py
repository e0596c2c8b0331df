"""The hot log: blocks of readings in columns, one a commit, in the state database.

A block's bytes are an Arrow IPC stream, zstd inside, with the fields of SCHEMA: any Arrow reader
opens one that was saved to a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import pyarrow as pa
import sqlalchemy as sa

from cloud.core.columns import Columns, concatenate
from cloud.state import schema
from contract.errors import StorageError

SCHEMA = pa.schema(
    [
        ("series", pa.int32()),
        ("observed_ms", pa.int64()),
        ("value", pa.float64()),
        ("quality", pa.uint16()),
    ]
)
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def encode(columns: Columns) -> bytes:
    """Write columns as a block's bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=_OPTIONS) as writer:
        writer.write_batch(to_arrow(columns))
    return bytes(sink.getvalue())


def decode(data: bytes) -> Columns:
    """Read a block's bytes. Raises: StorageError if they are damaged."""
    try:
        table = pa.ipc.open_stream(data).read_all()
    except pa.ArrowException as error:
        raise StorageError(f"a hot block is damaged: {error}") from error
    return Columns(**{name: table.column(name).to_numpy() for name in SCHEMA.names})


def to_arrow(columns: Columns) -> pa.RecordBatch:
    """Return the columns as one Arrow batch, without copying."""
    return pa.RecordBatch.from_arrays(
        [pa.array(getattr(columns, name), type=SCHEMA.field(name).type) for name in SCHEMA.names],
        schema=SCHEMA,
    )


def append(connection: sa.Connection, columns: Columns, now_ms: int) -> int:
    """Commit n ≥ 1 readings as the next block in the caller's transaction; return its id."""
    inserted = connection.scalar(
        schema.blocks.insert()
        .values(
            committed_ms=now_ms,
            readings=len(columns),
            first_ms=int(columns.observed_ms.min()),
            last_ms=int(columns.observed_ms.max()),
            data=encode(columns),
        )
        .returning(schema.blocks.c.id)
    )
    return int(inserted or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of the hot log."""

    id: int
    committed_ms: int
    columns: Columns


class HotLog:
    """Reads the hot log, decoding each block once; what is sealed away is forgotten here too."""

    def __init__(self) -> None:
        self._decoded: dict[int, Columns] = {}
        self._lock = Lock()

    def columns(self, connection: sa.Connection) -> Columns:
        """Return all hot readings as the connection's transaction sees them, as committed."""
        ids = connection.scalars(sa.select(schema.blocks.c.id).order_by(schema.blocks.c.id)).all()
        with self._lock:
            missing = [block for block in ids if block not in self._decoded]
            if missing:
                fresh = blocks_after(connection, missing[0] - 1)
                self._decoded |= {block.id: block.columns for block in fresh}
            self._decoded = {block: self._decoded[block] for block in ids}
            return concatenate(list(self._decoded.values()))


def blocks_after(connection: sa.Connection, block: int, upto: int | None = None) -> list[Block]:
    """Return the blocks with greater ids, up to and including `upto`, oldest first."""
    table = schema.blocks
    query = sa.select(table.c.id, table.c.committed_ms, table.c.data).where(table.c.id > block)
    if upto is not None:
        query = query.where(table.c.id <= upto)
    return [
        Block(id=row.id, committed_ms=row.committed_ms, columns=decode(row.data))
        for row in connection.execute(query.order_by(table.c.id))
    ]
