"""The lake's file format: what docs/lake.md promises about the columns, written and read.

writer = FileWriter(temporary, names)
for part in parts:              # sorted by series and time, also from part to part
    writer.add(part)
content = writer.close()        # on disk for good
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloud.core.columns import Columns, concatenate
from cloud.core.decimals import scale, unscale
from cloud.core.merge import repeated
from cloud.ports import SeriesName
from contract.errors import StorageError

FORMAT = "1"
ROW_GROUP = 65_536  # what a query for one series must at least unpack
SCHEMA = pa.schema(
    [
        pa.field("series", pa.int32(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("measurement", pa.string(), nullable=False),
        pa.field("observed_at", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("scaled", pa.int32()),
        pa.field("decimals", pa.int8()),
        pa.field("value", pa.float64()),
        pa.field("quality", pa.uint16(), nullable=False),
    ],
    metadata={
        "gridwarden.lake": FORMAT,
        "gridwarden.value": "coalesce(value, scaled / 10 ** decimals)",
    },
)
# The reading's value in DuckDB's SQL; NULL for a reading that has none.
VALUE_SQL = "coalesce(value, scaled / power(10, decimals))"
_NEEDED = ["series", "observed_at", "scaled", "decimals", "value", "quality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file holds. duplicates: rows that say a series and time of the file again."""

    readings: int
    duplicates: int
    first_ms: int
    last_ms: int
    measurements: tuple[str, ...]
    bytes: int
    sha256: str


class FileWriter:
    """Writes one file, a row group at a time. Errors are OSError, for the caller to translate."""

    def __init__(self, path: Path, names: Mapping[int, SeriesName]) -> None:
        self._path = path
        self._names = names
        self._waiting: list[Columns] = []
        self._before: tuple[int, int] | None = None
        self._readings = self._duplicates = 0
        self._first_ms, self._last_ms = 2**62, -(2**62)
        self._measurements: set[str] = set()
        self._writer = pq.ParquetWriter(
            path,
            SCHEMA,
            compression="zstd",
            compression_level=9,
            use_dictionary=["series", "device", "measurement", "decimals", "quality"],
            column_encoding={
                "observed_at": "DELTA_BINARY_PACKED",
                "scaled": "DELTA_BINARY_PACKED",
                "value": "BYTE_STREAM_SPLIT",
            },
            write_statistics=["series", "observed_at"],
            write_page_checksum=True,
            store_schema=False,
            sorting_columns=[pq.SortingColumn(0), pq.SortingColumn(3)],
        )

    def add(self, columns: Columns) -> None:
        """Take the next readings."""
        self._waiting.append(columns)
        if sum(map(len, self._waiting)) >= ROW_GROUP:
            whole = concatenate(self._waiting)
            full = len(whole) // ROW_GROUP * ROW_GROUP
            for begin in range(0, full, ROW_GROUP):
                self._write(whole.slice(begin, begin + ROW_GROUP))
            self._waiting = [whole.slice(full, len(whole))]

    def close(self) -> Content:
        """Finish the file, and return only when it is on disk."""
        rest = concatenate(self._waiting)
        if len(rest):
            self._write(rest)
        self._writer.close()
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Content(
            readings=self._readings,
            duplicates=self._duplicates,
            first_ms=self._first_ms,
            last_ms=self._last_ms,
            measurements=tuple(sorted(self._measurements)),
            bytes=self._path.stat().st_size,
            sha256=digest,
        )

    def abandon(self) -> None:
        """Give up, and leave nothing behind."""
        self._writer.close()
        self._path.unlink(missing_ok=True)

    def _write(self, columns: Columns) -> None:
        ids, codes = np.unique(columns.series, return_inverse=True)
        told = [self._names[int(series)] for series in ids]
        self._writer.write_table(_table(columns, told, codes), row_group_size=ROW_GROUP)
        self._readings += len(columns)
        self._duplicates += repeated(columns, self._before)
        self._before = int(columns.series[-1]), int(columns.observed_ms[-1])
        self._first_ms = min(self._first_ms, int(columns.observed_ms.min()))
        self._last_ms = max(self._last_ms, int(columns.observed_ms.max()))
        self._measurements |= {name.measurement for name in told}


def _table(columns: Columns, told: list[SeriesName], codes: NDArray[np.intp]) -> pa.Table:
    """Return the rows in the lake's open schema."""
    found = scale(columns.series, columns.value)
    takes = pa.array(codes.astype(np.int32))
    return pa.table(
        [
            pa.array(columns.series),
            pa.array([name.device for name in told], pa.string()).take(takes),
            pa.array([name.measurement for name in told], pa.string()).take(takes),
            pa.array(columns.observed_ms).cast(pa.timestamp("ms", tz="UTC")),
            pa.array(found.scaled, mask=~found.exact),
            pa.array(found.decimals.astype(np.int8), mask=~found.exact),
            pa.array(columns.value, mask=found.exact | np.isnan(columns.value)),
            pa.array(columns.quality),
        ],
        schema=SCHEMA,
    )


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file held open: it can be read to its end though it is deleted meanwhile."""

    path: Path
    handle: pa.NativeFile


@contextmanager
def open_file(path: Path) -> Iterator[OpenFile]:
    """Open a file of the lake. Raises: StorageError if it is not there."""
    try:
        handle = pa.OSFile(str(path), "rb")
    except OSError as error:
        raise StorageError(f"{path} cannot be opened: {error.strerror or error}") from error
    with handle:
        yield OpenFile(path, handle)


def parts(
    opened: OpenFile, series: NDArray[np.int32] | None = None, rows: int = ROW_GROUP
) -> Iterator[Columns]:
    """Yield a file's readings in its order, so many rows at a time.

    Args:   series: only these; sorted. Row groups that have none of them are not read.
    Raises: StorageError if the file is damaged.
    """
    try:
        file = pq.ParquetFile(opened.handle, page_checksum_verification=True)
        groups = _groups(file, series)
        if not groups:
            return
        for batch in file.iter_batches(rows, row_groups=groups, columns=_NEEDED):
            columns = columns_of(batch)
            if series is not None:
                columns = columns.take(np.isin(columns.series, series))
            if len(columns):
                yield columns
    except (pa.ArrowException, OSError) as error:
        raise StorageError(f"{opened.path} cannot be read: {error}") from error


def _groups(file: pq.ParquetFile, series: NDArray[np.int32] | None) -> list[int]:
    """Return the row groups that may hold any of the series, by their statistics."""
    if series is None:
        return list(range(file.metadata.num_row_groups))
    found = []
    for group in range(file.metadata.num_row_groups):
        known = file.metadata.row_group(group).column(0).statistics
        begin, end = np.searchsorted(series, [known.min, known.max + 1])
        if end > begin:
            found.append(group)
    return found


def columns_of(rows: pa.RecordBatch | pa.Table) -> Columns:
    """Read rows of the lake's schema; text columns are not looked at."""
    scaled = rows.column("scaled")
    exact = scaled.is_valid().to_numpy(zero_copy_only=False)
    value = rows.column("value").to_numpy(zero_copy_only=False).astype(np.float64)
    if exact.any():
        decimals = rows.column("decimals").fill_null(0).to_numpy(zero_copy_only=False)
        whole = scaled.fill_null(0).to_numpy(zero_copy_only=False)
        value = np.where(exact, unscale(whole, decimals.astype(np.uint8)), value)
    return Columns(
        series=rows.column("series").to_numpy(zero_copy_only=False).astype(np.int32, copy=False),
        observed_ms=rows.column("observed_at")
        .cast(pa.int64())
        .to_numpy(zero_copy_only=False)
        .astype(np.int64, copy=False),
        value=value,
        quality=rows.column("quality").to_numpy(zero_copy_only=False).astype(np.uint16, copy=False),
    )
