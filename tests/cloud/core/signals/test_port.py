from __future__ import annotations

import numpy as np
import pytest

from cloud.core.arrivals import Arrivals
from cloud.core.model import Device, Series
from cloud.core.signals.port import Column, Rows, Wanted, nothing, yielded
from contract.errors import DecodeError
from tests.cloud.core.rule_kit import make_rule


def wanted(series: int, *inputs: int, rule: str = "loud") -> Wanted:
    device = Device(id=f"d{series}", kind="noise")
    anchor = Series(id=series, device=device, measurement="noise_laeq")
    return Wanted(
        rule=make_rule(id=rule),
        anchor=anchor,
        slot=100 + series,
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


def rows() -> Rows:
    return Rows({"last": Column(np.int64, -1), "sums": Column(np.float64, 0.0, (2,))})


def test_rows_are_matched_with_the_readings_of_their_inputs() -> None:
    kept = rows()
    kept.change([], [wanted(3), wanted(1, 1, 3), wanted(1, rule="louder")])
    row, place = kept.match(arrivals(0, 1, 1, 3, 9_999))
    pairs = list(zip(row.tolist(), place.tolist(), strict=True))
    assert pairs == [(0, 3), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]


def test_a_row_that_leaves_and_enters_keeps_its_memory() -> None:
    kept = rows()
    kept.change([], [wanted(1), wanted(2), wanted(3)])
    kept["last"][:] = (10, 20, 30)
    kept.change([wanted(1), wanted(3)], [wanted(3, 3, 7), wanted(4)])
    assert [one.anchor.id for one in kept.wanted] == [2, 3, 4]
    assert kept["last"].tolist() == [20, 30, -1]
    assert kept.wanted[1].inputs == (3, 7)
    assert kept["sums"].shape == (3, 2)


def test_a_memory_is_taken_by_key() -> None:
    kept, other = rows(), rows()
    kept.change([], [wanted(1), wanted(2)])
    kept["last"][:] = (10, 20)
    kept["sums"][:] = ((1, 2), (3, 4))
    other.change([], [wanted(9), wanted(2)])
    other.remember(kept.memory())
    assert other["last"].tolist() == [-1, 20]
    assert other["sums"].tolist() == [[0, 0], [3, 4]]
    other["last"][1] = 21  # it is its own
    with pytest.raises(DecodeError, match="memory of signals"):
        other.remember(b"\xc1")


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
