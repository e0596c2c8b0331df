from __future__ import annotations

import numpy as np
import pytest

from cloud.core.signals.tables import Column, Table, pack, unpack

ROWS = np.arange(2)


def test_a_table_grows_and_begins_anew() -> None:
    table = Table({"count": Column(np.uint8, 7, (2,))})
    for rows in range(1, 40):
        table.grow(1)
        assert table["count"].shape == (rows, 2)
        table["count"][rows - 1] = rows
    assert table["count"][:, 0].tolist() == list(range(1, 40))
    table.reset(np.array([0, 38]))
    assert table["count"][[0, 1, 38], 1].tolist() == [7, 2, 7]
    assert (len(table), table.nbytes()) == (39, 78)


def test_a_column_of_bytes_is_widened_by_what_does_not_fit() -> None:
    table = Table({"count": Column(np.uint8, 0)})
    table.grow(2)
    table.fit("count", np.array([255]))
    assert table["count"].dtype == np.uint8
    table.fit("count", np.array([256]))
    table["count"][1] = 256
    assert table["count"].tolist() == [0, 256]
    narrow = Table({"count": Column(np.uint8, 0)})
    narrow.grow(2)
    narrow.unpack(table.pack(ROWS), ROWS, ROWS[::-1])
    assert narrow["count"].tolist() == [256, 0]
    narrow.widen("count", np.uint8)
    assert narrow["count"].tolist() == [256, 0]


def test_what_does_not_fit_a_table_changes_nothing() -> None:
    table = Table({"a": Column(np.int64, 1), "b": Column(np.int64, 1)})
    table.grow(1)
    packed = {"a": pack(np.array([5])), "b": pack(np.array([[5, 5]]))}
    with pytest.raises(ValueError, match="column b"):
        table.unpack(packed, ROWS[:1], ROWS[:1])
    with pytest.raises(KeyError):
        table.unpack({}, ROWS[:1], ROWS[:1])
    assert table["a"].tolist() == [1]
    assert unpack(packed["b"]).tolist() == [[5, 5]]
