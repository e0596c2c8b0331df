"""Columns that grow: what signals keep, a row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Places = NDArray[np.intp]
Packed: TypeAlias = dict[str, tuple[str, list[int], bytes]]  # by column: type, shape, data


@dataclass(frozen=True, slots=True)
class Column:
    """One column of rows: its type, what it begins with, and its further dimensions."""

    dtype: DTypeLike
    start: float | int | bool
    shape: tuple[int, ...] = ()


class Keeper(Protocol):
    """What keeps something of each of some rows."""

    def __len__(self) -> int:
        """Return how many rows there are."""
        ...

    def grow(self, more: int) -> None:
        """Add rows as they begin."""
        ...

    def reset(self, rows: Places, /) -> None:
        """Make rows what they were when they began."""
        ...

    def pack(self, rows: Places, /) -> Packed:
        """Return what some rows keep."""
        ...

    def unpack(self, packed: Packed, to: Places, of: Places) -> None:
        """Write of such rows those at `of` over one's own at `to`.

        Raises: KeyError, ValueError, TypeError, IndexError if they are not what this keeps.
        """
        ...


class Table:
    """Rows of some columns. To grow costs what is new, and now and then a copy."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._kinds = dict(columns)
        self._rows = 0
        self._room: dict[str, NDArray[Any]] = {
            name: np.empty((0, *kind.shape), kind.dtype) for name, kind in columns.items()
        }
        self._columns = dict(self._room)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self._columns[column]

    def nbytes(self) -> int:
        """Return how many bytes all rows take."""
        return sum(column.nbytes for column in self._columns.values())

    def grow(self, more: int) -> None:
        """Add rows as they begin."""
        rows = self._rows + more
        for name, kind in self._kinds.items():
            room = self._room[name]
            if rows > len(room):
                longer = np.empty((max(rows, len(room) * 5 // 4), *kind.shape), room.dtype)
                longer[: self._rows] = room[: self._rows]
                self._room[name] = room = longer
            room[self._rows : rows] = kind.start
            self._columns[name] = room[:rows]
        self._rows = rows

    def reset(self, rows: Places) -> None:
        """Make rows what they were when they began."""
        for name, kind in self._kinds.items():
            self._columns[name][rows] = kind.start

    def fit(self, column: str, values: NDArray[Any]) -> None:
        """Make a column of whole numbers wide enough for these."""
        kind = self._columns[column].dtype
        if values.size and kind.kind in "iu" and int(values.max()) > np.iinfo(kind).max:
            self.widen(column, np.min_scalar_type(int(values.max())))

    def widen(self, column: str, dtype: DTypeLike) -> None:
        """Give a column a type that holds all of its own and of this one."""
        wide = np.promote_types(self._columns[column].dtype, dtype)
        self._room[column] = self._room[column].astype(wide, copy=False)
        self._columns[column] = self._room[column][: self._rows]

    def pack(self, rows: Places) -> Packed:
        """Return what some rows keep."""
        return {
            name: pack(column[rows].astype(column.dtype.newbyteorder("<"), copy=False))
            for name, column in self._columns.items()
        }

    def unpack(self, packed: Packed, to: Places, of: Places) -> None:
        """Write of such rows those at `of` over one's own at `to`.

        Raises: KeyError, ValueError, TypeError, IndexError if they are none of these columns;
                then nothing is changed.
        """
        told = {name: unpack(packed[name])[of] for name in self._kinds}
        for name, column in told.items():
            if column.shape[1:] != self._kinds[name].shape:
                raise ValueError(f"column {name} of shape {column.shape}")
        for name, column in told.items():
            self.widen(name, column.dtype.newbyteorder("="))
            self._columns[name][to] = column


def pack(column: NDArray[Any]) -> tuple[str, list[int], bytes]:
    """Return a column as its type, shape and data."""
    return column.dtype.str, list(column.shape), column.tobytes()


def unpack(packed: tuple[str, list[int], bytes]) -> NDArray[Any]:
    """Return the column. Raises: ValueError, TypeError if that is none."""
    of, shape, data = packed
    return np.frombuffer(data, np.dtype(of)).reshape(shape)
