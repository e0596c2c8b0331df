"""Readings from a file into the store: what an export wrote, or a file of the same columns.

Two passes: the first looks at every row and changes nothing, the second stores. What is stored
already is left out, so that an import that was cut short can be run again. Imported history wakes
nobody: it waits for the historical pass (cloud/hindsight.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud.core.admit import DOUBTED_AHEAD_MS, EARLIEST_MS
from cloud.core.columns import Columns
from cloud.hindsight import queue
from cloud.ports import SeriesName, SeriesStore
from cloud.series import hot
from cloud.series.export import AT_ONCE, SCHEMA
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.registry import Registry
from contract import topics
from contract.errors import ConfigError
from contract.quality import from_letters
from contract.quantities import quantity_of
from contract.readings import Reading

MAX_PROBLEMS = 20
NAME = re.compile(r"[a-z0-9_]{1,63}(\.[a-z0-9_-]{1,32})?")
_PLAIN = {
    "device": pa.string(),
    "measurement": pa.string(),
    "unit": pa.string(),
    "observed_at": pa.timestamp("ms", tz="UTC"),
    "value": pa.float64(),
    "quality": pa.string(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows of a file: their series by place in `names`, as columns."""

    names: list[SeriesName]
    columns: Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did. there: stored before with the same value; conflicts: with another."""

    readings: int = 0
    there: int = 0
    conflicts: int = 0

    def plus(self, other: Imported) -> Imported:
        """Return the sum."""
        return Imported(
            readings=self.readings + other.readings,
            there=self.there + other.there,
            conflicts=self.conflicts + other.conflicts,
        )


def _csv(path: Path) -> Iterator[pa.RecordBatch]:
    convert = pa.csv.ConvertOptions(
        column_types=_PLAIN, strings_can_be_null=False, null_values=["", "null"]
    )
    with pa.csv.open_csv(path, convert_options=convert) as reader:
        yield from reader


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(AT_ONCE)


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        yield from reader


# By the name that people choose it by: those of cloud.series.export.FORMATS.
READERS: dict[str, Callable[[Path], Iterator[pa.RecordBatch]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "arrow": _arrow,
}


def parts(path: Path, form: str, now_ms: int) -> Iterator[Part]:
    """Yield a file's rows, checked.

    Raises: ConfigError with the first rows that are wrong, each with its number and why.
    """
    row = 1
    try:
        for batch in READERS[form](path):
            for begin in range(0, batch.num_rows, AT_ONCE):
                piece = batch.slice(begin, AT_ONCE)
                yield _part(path, piece, row, now_ms)
                row += piece.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as {form}: {error}") from error


class Importer:
    """Stores the parts of a file. Intake must not run meanwhile."""

    def __init__(self, database: Database, store: SeriesStore, now_ms: int) -> None:
        self._database = database
        self._store = store
        self._now_ms = now_ms
        with database.read() as connection:
            self._registry = Registry.load(connection)

    def bring_in(self, part: Part) -> Imported:
        """Store what is not there yet. Raises: StorageError; nothing of the part is stored then."""
        with self._database.write() as connection:
            wanted = [Reading(name.device, name.measurement, 0, 0.0) for name in part.names]
            numbers, _ = self._registry.number(connection, "", wanted, self._now_ms)
        columns = Columns(
            series=numbers[part.columns.series].astype(np.int32),
            observed_ms=part.columns.observed_ms,
            value=part.columns.value,
            quality=part.columns.quality,
        ).by_series_and_time()
        first = np.append(
            True,
            (np.diff(columns.series) != 0) | (np.diff(columns.observed_ms) != 0),
        )
        columns, twice = columns.take(first), int((~first).sum())
        known, same = self._known(columns)
        fresh = columns.take(~known)
        if len(fresh):
            self._commit(fresh)
        return Imported(
            readings=len(fresh),
            there=int(same.sum()) + twice,
            conflicts=int((known & ~same).sum()),
        )

    def _known(self, columns: Columns) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which readings are stored already, and which of them with the same value."""
        known = np.zeros(len(columns), np.bool_)
        same = np.zeros(len(columns), np.bool_)
        if not len(columns):
            return known, same
        series = np.unique(columns.series).tolist()
        begin, end = int(columns.observed_ms.min()), int(columns.observed_ms.max()) + 1
        stored = self._store.range(series, begin, end)
        for number in series:
            mine = np.flatnonzero(columns.series == number)
            theirs = stored.take(stored.series == number)
            if not len(theirs):
                continue
            places = np.searchsorted(theirs.observed_ms, columns.observed_ms[mine])
            places = np.minimum(places, len(theirs) - 1)
            hit = theirs.observed_ms[places] == columns.observed_ms[mine]
            one, other = columns.value[mine], theirs.value[places]
            known[mine] = hit
            same[mine] = hit & ((one == other) | (np.isnan(one) & np.isnan(other)))
        return known, same

    def _commit(self, columns: Columns) -> None:
        """Append a block that the live engine passes over, and have its devices wait."""
        device_of = {
            int(number): self._registry.device_of_series(int(number)).id
            for number in np.unique(columns.series)
        }
        earliest: dict[str, int] = {}
        for number, device in device_of.items():
            at_ms = int(columns.observed_ms[columns.series == number].min())
            earliest[device] = min(at_ms, earliest.get(device, at_ms))
        with self._database.write() as connection:
            queue(connection, earliest, self._now_ms)
            block = hot.append(connection, columns, self._now_ms)
            connection.execute(sa.update(schema.engine_snapshot).values(block=block))


def _part(path: Path, batch: pa.RecordBatch, row: int, now_ms: int) -> Part:
    missing = [name for name in SCHEMA.names if name not in batch.schema.names]
    if missing:
        raise ConfigError(f"{path}: no column {', '.join(missing)}")
    for name in SCHEMA.names:
        if (times := batch.schema.names.count(name)) > 1:
            raise ConfigError(f"{path}: column {name} is there {times} times; keep one of them")
    table = pa.table({name: batch.column(name).cast(kind) for name, kind in _PLAIN.items()})
    problems = _Problems(path, row)
    keys, codes = _coded(table, ("device", "measurement", "unit"))
    names = [SeriesName(device=device, measurement=name) for device, name, _ in keys]
    problems.tell(codes, [_wrong_name(*key) for key in keys])
    letters, flags = _coded(table, ("quality",))
    qualities, wrong = _qualities([letter for (letter,) in letters])
    problems.tell(flags, wrong)
    quality = np.array(qualities, np.uint16)[flags]
    observed = table.column("observed_at").cast(pa.int64())
    observed_ms = observed.fill_null(-1).to_numpy()
    problems.tell_where(observed_ms < EARLIEST_MS, "observed_at is before 2020, or missing")
    problems.tell_where(observed_ms > now_ms + DOUBTED_AHEAD_MS, "observed_at is in the future")
    value = table.column("value").to_numpy()
    problems.tell_where(np.isinf(value), "value is infinite")
    problems.tell_where(np.isnan(value) & (quality == 0), "no value, and no quality says why")
    problems.end()
    columns = Columns(
        series=codes.astype(np.int32),
        observed_ms=observed_ms.astype(np.int64),
        value=value.astype(np.float64),
        quality=quality,
    )
    return Part(names=names, columns=columns)


class _Problems:
    def __init__(self, path: Path, row: int) -> None:
        self._path, self._row = path, row
        self._found: dict[int, str] = {}

    def tell(self, codes: NDArray[np.intp], wrong: list[str]) -> None:
        for code, what in enumerate(wrong):
            if what:
                self.tell_where(codes == code, what)

    def tell_where(self, mask: NDArray[np.bool_], what: str) -> None:
        for place in np.flatnonzero(mask)[:MAX_PROBLEMS].tolist():
            self._found.setdefault(place, f"{self._path}: row {self._row + place}: {what}")

    def end(self) -> None:
        if self._found:
            told = [self._found[place] for place in sorted(self._found)]
            raise ConfigError(*told[:MAX_PROBLEMS])


def _coded(
    table: pa.Table, columns: tuple[str, ...]
) -> tuple[list[tuple[str, ...]], NDArray[np.intp]]:
    """Return the different rows of some text columns, and each row's place among them."""
    encoded = [
        table.column(name).combine_chunks().fill_null("").dictionary_encode() for name in columns
    ]
    places = np.stack([each.indices.to_numpy() for each in encoded], axis=1)
    unique, codes = np.unique(places, axis=0, return_inverse=True)
    words = [each.dictionary.to_pylist() for each in encoded]
    keys = [
        tuple(words[column][place] for column, place in enumerate(row)) for row in unique.tolist()
    ]
    return keys, codes.reshape(-1)


def _wrong_name(device: str, measurement: str, unit: str) -> str:
    """Say what is wrong with a series' name or unit; nothing if all is well."""
    if not topics.ID.fullmatch(device):
        return f"device {device!r} must be of a-z, 0-9, _ and -, at most 63"
    try:
        canonical = quantity_of(measurement).unit if NAME.fullmatch(measurement) else None
    except KeyError:
        canonical = None
    if canonical is None:
        return f"unknown measurement {measurement!r}"
    if unit.removeprefix("'") != canonical:
        return f"unit {unit!r} of {measurement}; it must be {canonical!r}"
    return ""


def _qualities(letters: list[str]) -> tuple[list[int], list[str]]:
    flags: list[int] = []
    wrong: list[str] = []
    for each in letters:
        try:
            flags.append(int(from_letters(each)))
            wrong.append("")
        except ValueError as error:
            flags.append(0)
            wrong.append(str(error))
    return flags, wrong
