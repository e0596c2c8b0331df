"""Readings as CSV, Parquet or Arrow, streamed: memory does not grow with what is exported.

All formats have the same columns and lose nothing: device, measurement, unit, observed_at (UTC,
milliseconds), value (bit-exact; nothing for a reading that has none), quality (letters).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud.core.columns import Columns, concatenate
from cloud.errors import NotFoundError
from cloud.ports import SeriesName, SeriesStore
from cloud.state import schema
from contract.errors import StorageError
from contract.quality import Quality, to_letters
from contract.quantities import unit_of

AT_ONCE = 65_536  # readings
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet runs if a cell begins so

_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("device", _WORD),
        ("measurement", _WORD),
        ("unit", _WORD),
        ("observed_at", pa.timestamp("ms", tz="UTC")),
        ("value", pa.float64()),
        ("quality", _WORD),
    ]
)
_TEXT = pa.schema(
    [(field.name, field.type if field.name == "value" else pa.string()) for field in SCHEMA]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Part of an export: its bytes, and how far it has come since the begin."""

    data: bytes
    readings: int
    upto_ms: int


class Writer(Protocol):
    """Writes tables of SCHEMA into a sink."""

    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format: what it is called on the web, and what writes it."""

    media_type: str
    writer: Callable[[BinaryIO], Writer]


class _Csv:
    """CSV as RFC 4180 has it, with times as ISO 8601."""

    def __init__(self, sink: BinaryIO) -> None:
        options = pa.csv.WriteOptions(quoting_style="needed")
        self._writer = pa.csv.CSVWriter(sink, _TEXT, write_options=options)

    def write_table(self, table: pa.Table) -> None:
        at = table.column("observed_at").cast(pa.timestamp("ms")).to_numpy()
        words = [_harmless(table.column(name)) for name in ("device", "measurement", "unit")]
        columns = [
            *words,
            pa.array(np.datetime_as_string(at, unit="ms", timezone="UTC"), pa.string()),
            table.column("value"),
            _harmless(table.column("quality")),
        ]
        self._writer.write_table(pa.table(columns, schema=_TEXT))

    def close(self) -> None:
        self._writer.close()


# By the name that people choose it by, which is also the file's suffix.
FORMATS: dict[str, Format] = {
    "csv": Format(media_type="text/csv; charset=utf-8", writer=_Csv),
    "parquet": Format(
        media_type="application/vnd.apache.parquet",
        writer=lambda sink: pq.ParquetWriter(sink, SCHEMA, compression="zstd"),
    ),
    "arrow": Format(
        media_type="application/vnd.apache.arrow.stream",
        writer=lambda sink: pa.ipc.new_stream(
            sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")
        ),
    ),
}


def choose(
    connection: sa.Connection, devices: Sequence[str] = (), measurements: Sequence[str] = ()
) -> dict[int, SeriesName]:
    """Return the series of these devices and measurements, by number; of all where none is named.

    Raises: NotFoundError naming what there is not.
    """
    table = schema.series
    rows = connection.execute(sa.select(table).order_by(table.c.id)).all()
    _known("device", devices, {row.device for row in rows})
    _known("measurement", measurements, {row.measurement for row in rows})
    return {
        row.id: SeriesName(device=row.device, measurement=row.measurement)
        for row in rows
        if (not devices or row.device in devices)
        and (not measurements or row.measurement in measurements)
    }


def stream(
    store: SeriesStore, names: Mapping[int, SeriesName], from_ms: int, to_ms: int, form: Format
) -> Iterator[Piece]:
    """Yield an export piece by piece: by UTC day, then series, then time.

    Raises: StorageError, also half way: what has come till then is not a whole file.
    """
    sink = _Sink()
    writer = form.writer(cast("BinaryIO", sink))
    readings = 0
    upto_ms = from_ms
    for columns in _gathered(store.read(sorted(names), from_ms, to_ms)):
        writer.write_table(_table(columns, names))
        readings += len(columns)
        upto_ms = int(columns.observed_ms.max())
        yield Piece(data=sink.take(), readings=readings, upto_ms=upto_ms)
    writer.close()
    yield Piece(data=sink.take(), readings=readings, upto_ms=to_ms)


def to_file(pieces: Iterable[Piece], path: Path, tell: Callable[[Piece], None]) -> int:
    """Write an export to a file, which is there only when it is whole; return how many readings.

    Raises: StorageError; whatever ends it, nothing half done is left.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    readings = 0
    try:
        with partial.open("wb") as file:
            for piece in pieces:
                file.write(piece.data)
                readings = piece.readings
                tell(piece)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return readings


class _Sink:
    """A file that keeps only what was not taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken

    def flush(self) -> None: ...
    def close(self) -> None: ...

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def _known(what: str, asked: Sequence[str], there_are: set[str]) -> None:
    for each in asked:
        if each not in there_are:
            raise NotFoundError(f"there is no reading of a {what} {each!r}")


def _gathered(parts: Iterable[Columns]) -> Iterator[Columns]:
    held: list[Columns] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= AT_ONCE:
            yield concatenate(held)
            held = []
    if held:
        yield concatenate(held)


def _table(columns: Columns, names: Mapping[int, SeriesName]) -> pa.Table:
    ids, codes = np.unique(columns.series, return_inverse=True)
    told = [names[int(number)] for number in ids]
    flags, letters = np.unique(columns.quality, return_inverse=True)
    return pa.table(
        [
            _words([name.device for name in told], codes),
            _words([name.measurement for name in told], codes),
            _words([unit_of(name.measurement) for name in told], codes),
            pa.array(columns.observed_ms).cast(pa.timestamp("ms", tz="UTC")),
            pa.array(columns.value, mask=np.isnan(columns.value)),
            _words([to_letters(Quality(int(each))) for each in flags], letters),
        ],
        schema=SCHEMA,
    )


def _words(words: list[str], codes: NDArray[np.intp]) -> pa.Array:
    """Return texts by their places; equal ones are one, as Arrow's delta dictionaries need."""
    unique = sorted(set(words))
    places = np.array([unique.index(word) for word in words], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(places[codes]), pa.array(unique, pa.string()))


def _harmless(column: pa.ChunkedArray) -> pa.Array:
    """Return texts none of which a spreadsheet takes for a formula: those get a ' in front."""
    array = column.combine_chunks()
    words = [
        f"'{word}" if word.startswith(FORMULA) else word for word in array.dictionary.to_pylist()
    ]
    return pa.array(words, pa.string()).take(array.indices)
