from __future__ import annotations

import numpy as np
import pytest

from cloud.core.arrivals import Arrivals
from cloud.core.model import Device, Series
from cloud.core.signals.port import Wanted, nothing, yielded
from cloud.core.signals.rows import Rows
from cloud.core.signals.tables import Column, Table
from contract.errors import DecodeError
from tests.cloud.core.rule_kit import make_rule


def wanted(series: int, *inputs: int, rule: str = "loud") -> Wanted:
    device = Device(id=f"d{series}", kind="noise")
    anchor = Series(id=series, device=device, measurement="noise_laeq")
    return Wanted(
        rule=make_rule(id=rule),
        anchor=anchor,
        slot=100 + series + (50 if rule != "loud" else 0),
        inputs=inputs or (series,),
        series=(anchor,),
        period_s=1.0,
        gap_ms=60_000,
    )


def arrivals(*slots: int) -> Arrivals:
    slot = np.array(slots, np.intp)
    one = np.ones(len(slot))
    times = np.arange(len(slot), dtype=np.int64)
    return yielded(slot, times, one, one.astype(bool), np.arange(len(slot)))


def table() -> Table:
    return Table({"last": Column(np.int64, -1), "sums": Column(np.float64, 0.0, (2,))})


def test_rows_are_matched_with_the_readings_of_their_inputs() -> None:
    rows = Rows(table())
    rows.change([], [wanted(3), wanted(1, 1, 3), wanted(1, rule="louder")])
    row, place = rows.match(arrivals(0, 1, 1, 3, 9_999))
    pairs = list(zip(row.tolist(), place.tolist(), strict=True))
    assert pairs == [(0, 3), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    rows.change([103], [])
    row, place = rows.match(arrivals(1, 3))
    assert list(zip(row.tolist(), place.tolist(), strict=True)) == [(1, 0), (1, 1), (2, 0)]


def test_a_row_that_leaves_and_enters_keeps_its_memory() -> None:
    kept = table()
    rows = Rows(kept)
    rows.change([], [wanted(1), wanted(2), wanted(3)])
    kept["last"][:] = (10, 20, 30)
    assert rows.leaving([101, 103], [wanted(3)]).tolist() == [0]
    assert rows.change([101, 103], [wanted(3, 3, 7), wanted(4)]).tolist() == [2, 0]
    assert dict(rows.signals()) == {0: ("loud", 4), 1: ("loud", 2), 2: ("loud", 3)}
    assert kept["last"].tolist() == [-1, 20, 30]
    assert rows.match(arrivals(7, 7))[0].tolist() == [2, 2]
    assert rows.slots(np.array([0, 2])).tolist() == [104, 103]
    assert kept["sums"].shape == (3, 2)


def test_rows_are_found_by_their_slots_few_or_many() -> None:
    rows = Rows(table())
    rows.change([], [wanted(n) for n in range(30)])
    for slots in ([129, 100, 999], [*range(100, 130), 131]):
        expected = [slot - 100 if slot < 130 else -1 for slot in slots]
        assert rows.rows_of(slots).tolist() == expected
    assert len(rows) == 30
    rows.change([100, 101], [])
    assert (len(rows), rows.rows_of([100]).tolist()) == (28, [-1])


def test_a_memory_is_taken_by_key() -> None:
    kept, other = table(), table()
    rows, others = Rows(kept), Rows(other)
    rows.change([], [wanted(1), wanted(2)])
    kept["last"][:] = (10, 20)
    kept["sums"][:] = ((1, 2), (3, 4))
    others.change([], [wanted(9), wanted(2)])
    others.remember(rows.memory())
    assert other["last"].tolist() == [-1, 20]
    assert other["sums"].tolist() == [[0, 0], [3, 4]]
    other["last"][1] = 21  # it is its own
    with pytest.raises(DecodeError, match="memory of signals"):
        others.remember(b"\xc1")
    narrow = Rows(Table({"last": Column(np.int64, -1)}))
    narrow.change([], [wanted(2)])
    with pytest.raises(DecodeError, match="memory of signals"):
        others.unpack(narrow.pack())


def test_what_is_yielded_is_in_order() -> None:
    assert len(nothing()) == 0
    found = yielded(
        np.array([2, 1, 1], np.intp),
        np.array([5, 9, 7]),
        np.array([0.1, 0.2, 0.3]),
        np.ones(3, bool),
        np.zeros(3, np.intp),
    )
    assert found.slot.tolist() == [1, 1, 2]
    assert found.value.tolist() == [0.3, 0.2, 0.1]
