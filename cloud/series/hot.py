"""The hot log: blocks of readings in columns, one a commit, in the state database.

Blocks up to the sealer's cursor are sealed; they only stay for repairs. A block's bytes are an
Arrow IPC stream, zstd inside, with SCHEMA's fields: any Arrow reader opens one saved to a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from cloud.core.columns import Columns
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


def sealed_upto(connection: sa.Connection) -> int:
    """Return the last block that is read from the cold store; later ones are hot."""
    return connection.scalar(sa.select(sa.func.max(schema.seals.c.last_block))) or 0


def waiting(connection: sa.Connection) -> int:
    """Return how many readings are hot."""
    table = schema.blocks
    return int(
        connection.scalar(
            sa.select(sa.func.sum(table.c.readings)).where(table.c.id > sealed_upto(connection))
        )
        or 0
    )


def blocks_after(
    connection: sa.Connection,
    block: int,
    upto: int | None = None,
    between: tuple[int, int] | None = None,
) -> Iterator[Block]:
    """Yield the blocks with greater ids, up to and including `upto`, oldest first.

    between: only those that have readings of these UTC milliseconds, the second not included.
    Raises: StorageError if one is damaged.
    """
    table = schema.blocks
    query = sa.select(table.c.id, table.c.committed_ms, table.c.data).where(table.c.id > block)
    if upto is not None:
        query = query.where(table.c.id <= upto)
    if between is not None:
        query = query.where(table.c.first_ms < between[1], table.c.last_ms >= between[0])
    rows = connection.execution_options(yield_per=20).execute(query.order_by(table.c.id))
    for row in rows:
        yield Block(id=row.id, committed_ms=row.committed_ms, columns=decode(row.data))
