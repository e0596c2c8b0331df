"""The files of the rollups: Parquet, sorted by series and bucket, open to any reader.

Columns: series (int32), device and measurement (text), from (timestamp, ms, UTC), readings and
excluded (uint32), quality (uint16, contract.quality), mean, low, high, aux (double; null where
there is none). See cloud.core.averages.Rolled.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloud.core.averages import Rolled, join, merge, ways_by_series
from cloud.core.columns import Columns
from cloud.core.rollup import Tier, bucket_end, bucket_of, roll
from cloud.ports import SeriesName
from cloud.series.rollup_list import UNITS, File
from contract.clock import Clock
from contract.errors import StorageError
from contract.folders import sync_folder

ROW_GROUP = 32_768
CHUNK = 400_000  # rows merged at once: bounds the memory

SCHEMA = pa.schema(
    [
        ("series", pa.int32()),
        ("device", pa.dictionary(pa.int32(), pa.string())),
        ("measurement", pa.dictionary(pa.int32(), pa.string())),
        ("from", pa.timestamp("ms", tz="UTC")),
        ("readings", pa.uint32()),
        ("excluded", pa.uint32()),
        ("quality", pa.uint16()),
        ("mean", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("aux", pa.float64()),
    ]
)
_NUMBERS = [name for name in SCHEMA.names if name not in ("device", "measurement")]


class DamagedError(StorageError):
    """A file of rollups that is listed cannot be read. They are made anew from the readings."""

    def __init__(self, path: Path, why: Exception) -> None:
        super().__init__(f"the rollup {path} cannot be read: {why}")
        self.path = path


class Folder:
    """Where the files are. Only the sealer's thread writes there."""

    def __init__(self, root: Path, clock: Clock, zone: ZoneInfo) -> None:
        self._root = root
        self._clock = clock
        self.zone = zone

    def roll(
        self,
        columns: Columns,
        names: Mapping[int, SeriesName],
        within: tuple[int, int] | None = None,
    ) -> list[File]:
        """Roll readings up and write the parts; only buckets that lie within, if that is given.

        Raises: StorageError.
        """
        files: list[File] = []
        for tier, rows in roll(columns, ways_of(names), self.zone).items():
            if within:
                first_ms, last_ms = self.buckets_within(tier, *within)
                rows = rows.take((rows.from_ms >= first_ms) & (rows.from_ms < last_ms))
            periods = rows.from_ms.astype("datetime64[ms]").astype(f"datetime64[{UNITS[tier]}]")
            for period in np.unique(periods):
                part = rows.take(periods == period)
                files += self.write(tier, str(period), 0, iter([part]), names)
        return files

    def buckets_within(self, tier: Tier, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return from when to when buckets begin that lie in a stretch with all their length."""
        first = bucket_of(tier, from_ms, self.zone)
        return (
            first if first == from_ms else bucket_end(tier, first, self.zone),
            bucket_of(tier, to_ms, self.zone),
        )

    def merged(
        self,
        files: Sequence[File],
        names: Mapping[int, SeriesName],
        without: Callable[[Rolled], NDArray[np.bool_]] | None = None,
    ) -> Iterator[Rolled]:
        """Yield the files' rows merged, some series at a time; without those that it tells.

        Raises: DamagedError.
        """
        paths = [self._root / file.path for file in files]
        for first, last in _chunks(paths):
            rows = join([read(path, (first, last)) for path in paths])
            if without:
                rows = rows.take(~without(rows))
            yield merge(rows, ways_of(names), rows.from_ms)

    def write(
        self,
        tier: Tier,
        period: str,
        level: int,
        parts: Iterator[Rolled],
        names: Mapping[int, SeriesName],
    ) -> list[File]:
        """Write sorted rows durably: temporary file, fsync, rename, fsync of the folders.

        Returns: the file, or nothing for no rows. Raises: StorageError.
        """
        path = self._root / f"tier={tier}" / f"period={period}" / f"{token_hex(8)}.parquet"
        temporary = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            rows, first_ms, last_ms = _write(temporary, parts, names)
            if not rows:
                temporary.unlink()
                return []
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            temporary.rename(path)
            for folder in (path.parent, path.parent.parent, self._root):
                sync_folder(folder)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()  # on a full disk what is half done is in its own way
            raise StorageError(f"the rollups cannot be written: {error}") from error
        return [
            File(
                path=path.relative_to(self._root).as_posix(),
                tier=tier.value,
                period=period,
                level=level,
                rows=rows,
                bytes=path.stat().st_size,
                sha256=digest,
                first_ms=first_ms,
                last_ms=last_ms,
                made_ms=self._clock.now_ms(),
            )
        ]

    def is_at(self, file: File, path: Path) -> bool:
        """Whether a file is the one at a path."""
        return self._root / file.path == path

    def delete(self, files: Sequence[File]) -> None:
        """Delete files that nothing names any more."""
        for file in files:
            (self._root / file.path).unlink(missing_ok=True)

    def remove_all_but(self, named: Collection[str]) -> int:
        """Delete what a crash left; return how many files that was."""
        strays = [
            path
            for pattern in ("*/*/*.parquet", "*/*/*.tmp")
            for path in self._root.glob(pattern)
            if path.relative_to(self._root).as_posix() not in named
        ]
        for path in strays:
            path.unlink()
        return len(strays)


def ways_of(names: Mapping[int, SeriesName]) -> NDArray[np.int8]:
    """Return how each series averages, by its number."""
    return ways_by_series({number: name.measurement for number, name in names.items()})


def _write(
    path: Path, parts: Iterator[Rolled], names: Mapping[int, SeriesName]
) -> tuple[int, int, int]:
    """Write rows; return how many they are, and where the first and the last bucket begin."""
    rows, first_ms, last_ms = 0, 2**62, -(2**62)
    with pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        compression_level=3,
        column_encoding={"from": "DELTA_BINARY_PACKED"},
        use_dictionary=[name for name in SCHEMA.names if name != "from"],
    ) as writer:
        for part in parts:
            if len(part):
                rows += len(part)
                first_ms = min(first_ms, int(part.from_ms.min()))
                last_ms = max(last_ms, int(part.from_ms.max()))
                writer.write_table(_table(part, names), row_group_size=ROW_GROUP)
    return rows, first_ms, last_ms


def read(path: Path, series: tuple[int, int] | None = None) -> Rolled:
    """Read a file's rows, of the series first <= number < last only if that is given.

    Raises: DamagedError.
    """
    filters = None
    if series is not None:
        filters = [("series", ">=", series[0]), ("series", "<", series[1])]
    try:
        table = pq.read_table(path, columns=_NUMBERS, filters=filters, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise DamagedError(path, error) from error
    return of_table(table)


def of_table(table: pa.Table) -> Rolled:
    """Return a table's rows, whoever read it: `from` may be a timestamp or milliseconds."""

    at = table.column("from")
    if pa.types.is_timestamp(at.type):
        at = at.cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64())

    def decimal(name: str) -> NDArray[np.float64]:
        return np.asarray(table.column(name).to_numpy(), np.float64)

    return Rolled(
        series=np.asarray(table.column("series").to_numpy(), np.int32),
        from_ms=np.asarray(at.to_numpy(), np.int64),
        readings=np.asarray(table.column("readings").to_numpy(), np.int64),
        excluded=np.asarray(table.column("excluded").to_numpy(), np.int64),
        quality=np.asarray(table.column("quality").to_numpy(), np.uint16),
        mean=decimal("mean"),
        low=decimal("low"),
        high=decimal("high"),
        aux=decimal("aux"),
    )


def _chunks(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Cut the series' numbers where so many rows have been: (first, after the last) of each."""
    groups: list[tuple[int, int]] = []
    for path in paths:
        try:
            metadata = pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            raise DamagedError(path, error) from error
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            groups.append((group.column(0).statistics.min, group.num_rows))
    cuts, waiting = [0], 0
    for least, rows in sorted(groups):
        if waiting + rows > CHUNK and least > cuts[-1]:
            cuts.append(least)
            waiting = 0
        waiting += rows
    return list(zip(cuts, [*cuts[1:], 2**31 - 1], strict=True))


def _table(rows: Rolled, names: Mapping[int, SeriesName]) -> pa.Table:
    ids, codes = np.unique(rows.series, return_inverse=True)
    keys = pa.array(codes.astype(np.int32))
    known = [names[int(number)] for number in ids]
    empty = rows.readings == 0
    return pa.table(
        {
            "series": pa.array(rows.series),
            "device": pa.DictionaryArray.from_arrays(keys, pa.array([n.device for n in known])),
            "measurement": pa.DictionaryArray.from_arrays(
                keys, pa.array([n.measurement for n in known])
            ),
            "from": pa.array(rows.from_ms).cast(pa.timestamp("ms", tz="UTC")),
            "readings": pa.array(rows.readings.astype(np.uint32)),
            "excluded": pa.array(rows.excluded.astype(np.uint32)),
            "quality": pa.array(rows.quality),
            "mean": pa.array(rows.mean, mask=empty),
            "low": pa.array(rows.low, mask=empty),
            "high": pa.array(rows.high, mask=empty),
            "aux": pa.array(rows.aux, mask=empty),
        },
        schema=SCHEMA,
    )
