from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.accepted import Accepted, admit_columns
from cloud.core.admit import EARLIEST_MS, LATEST_MS, admit
from cloud.core.columns import Columns
from cloud.core.waiting import Standing
from contract.codec import Decoded, encode_batch, read_pack
from contract.columnar import columnar
from contract.intervals import IntervalSet
from contract.quality import Quality
from contract.readings import Batch, Reading

NOW_MS = 1_790_000_000_000
NAMES = [("noise-1", "noise_la"), ("noise-1", "noise_la.c2"), ("noise-2", "gas_pressure")]

readings = st.lists(
    st.builds(
        lambda name, ms, value: Reading(name[0], name[1], ms, value),
        st.sampled_from([*NAMES, ("noise-9", "noise_la")]),
        st.sampled_from([NOW_MS, NOW_MS + 1, EARLIEST_MS, LATEST_MS - 1, LATEST_MS])
        | st.integers(NOW_MS, NOW_MS + 100),
        st.floats(-200, 20_000),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def accepted() -> Accepted:
    known = Accepted()
    known.learn(
        "here",
        [Reading(device, name, NOW_MS, 1.0) for device, name in NAMES],
        np.arange(3, dtype="i4"),
    )
    return known


def through(accepted: Accepted, *told: Reading, gateway: str = "here") -> Columns | None:
    batch = columnar(read_pack(encode_batch(Batch(epoch="0123abcd", seq=1, readings=told))))
    assert batch is not None
    found = admit_columns(batch, gateway, accepted)
    if found is not None:
        accepted.flag(found)
    return found


@given(readings)
def test_the_fast_way_stores_what_admission_would_store(
    accepted: Accepted, told: list[Reading]
) -> None:
    batch = Batch(epoch="0123abcd", seq=1, readings=tuple(told))
    admission = admit(Decoded(batch), have=IntervalSet(), standing_of=lambda *_: Standing.STORED)
    found = through(accepted, *told)
    if found is None:
        return
    assert not admission.rejected
    numbers = accepted.numbers("here")
    assert found.series.tolist() == [
        numbers[f"{r.device}:{r.measurement}"] for r in admission.readings
    ]
    assert found.observed_ms.tolist() == [r.observed_ms for r in admission.readings]
    assert found.value.tolist() == [r.value for r in admission.readings]
    assert found.quality.tolist() == [int(r.quality) for r in admission.readings]


def test_known_names_go_the_fast_way(accepted: Accepted) -> None:
    loud = Reading("noise-1", "noise_la", NOW_MS, 1e9, Quality.MANUAL)
    dead = Reading("noise-1", "noise_la", NOW_MS + 1, None, Quality.FAULT)
    found = through(accepted, loud, dead)
    assert found is not None
    assert found.quality.tolist() == [Quality.MANUAL | Quality.OVER_RANGE, Quality.FAULT]


def test_another_gateway_a_new_name_and_a_doubt_do_not(accepted: Accepted) -> None:
    one = Reading("noise-1", "noise_la", NOW_MS, 60.0)
    assert through(accepted, one, gateway="thief") is None
    assert through(accepted, Reading("noise-9", "noise_la", NOW_MS, 60.0)) is None
    assert through(accepted, one, one) is None
    assert through(accepted, Reading("noise-1", "noise_la", LATEST_MS, 60.0)) is None


def test_what_was_accepted_is_forgotten_when_somebodys_standing_changes() -> None:
    known = Accepted()
    one = Reading("noise-1", "noise_la", NOW_MS, 60.0)
    known.learn("here", [one], np.array([7], np.int32))
    assert through(known, one) is not None
    known.forget()
    assert through(known, one) is None


def test_series_that_were_never_learnt_are_left_alone() -> None:
    columns = Columns(
        series=np.array([99], np.int32),
        observed_ms=np.array([NOW_MS], np.int64),
        value=np.array([1e9]),
        quality=np.array([0], np.uint16),
    )
    Accepted().flag(columns)
    assert columns.quality.tolist() == [0]
