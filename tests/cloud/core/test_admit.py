from __future__ import annotations

import pytest

from cloud.core.admit import EARLIEST_MS, LATEST_MS, Admission, admit, sort_out
from cloud.core.waiting import Standing
from contract.codec import Decoded, Rejected
from contract.intervals import IntervalSet
from contract.quality import Quality
from contract.readings import Batch, Reading

NOW_MS = 1_790_000_000_000
STANDINGS: dict[str, Standing | str] = {
    "noise-1": Standing.STORED,
    "noise-2": "device noise-2 belongs to gateway elsewhere",
}


def standing_of(device: str, _measurement: str) -> Standing | str:
    return STANDINGS.get(device, Standing.WAITS)


def of(*readings: Reading, seq: int = 3, have: IntervalSet | None = None) -> Admission:
    return admit(
        Decoded(Batch(epoch="0123abcd", seq=seq, readings=readings), (Rejected(9, "x", "bad"),)),
        have=have or IntervalSet(),
        standing_of=standing_of,
    )


def reading(device: str = "noise-1", observed_ms: int = NOW_MS) -> Reading:
    return Reading(device, "noise_laeq", observed_ms, 60.0)


def test_a_new_batch_goes_in() -> None:
    admission = of(reading())
    assert admission.readings == (reading(),)
    assert not admission.duplicate


def test_a_number_in_the_set_is_a_duplicate() -> None:
    assert of(reading(), have=IntervalSet([(1, 5)])) == Admission(duplicate=True)


def test_a_number_below_the_highest_is_just_late() -> None:
    assert of(reading(), have=IntervalSet([(1, 2), (4, 9)])).readings == (reading(),)


def test_what_the_codec_set_aside_stays_set_aside() -> None:
    assert of(reading()).rejected == (Rejected(9, "x", "bad"),)


def test_a_device_that_nobody_adopted_waits() -> None:
    admission = of(reading("new"), reading("new"), reading())
    assert (admission.readings, admission.waiting) == ((reading(),), (reading("new"),))
    assert admission.rejected[1].reason == "told twice in one batch"


def test_a_name_is_judged_once_however_often_it_is_told() -> None:
    asked = []

    def ask(device: str, measurement: str) -> Standing | str:
        asked.append((device, measurement))
        return Standing.STORED

    told = [reading(observed_ms=NOW_MS + n) for n in range(5)]
    assert len(sort_out(told, (), ask).readings) == 5
    assert asked == [("noise-1", "noise_laeq")]


def test_another_gateways_device_is_set_aside_and_the_rest_kept() -> None:
    admission = of(reading("noise-2"), reading())
    assert admission.readings == (reading(),)
    assert admission.rejected[1] == Rejected(
        0, "noise-2:noise_laeq", "device noise-2 belongs to gateway elsewhere"
    )


@pytest.mark.parametrize(
    ("observed_ms", "goes_in"),
    [
        (0, False),
        (EARLIEST_MS - 1, False),
        (EARLIEST_MS, True),
        (LATEST_MS - 1, True),
        (LATEST_MS, False),
    ],
)
def test_impossible_times_are_set_aside(observed_ms: int, goes_in: bool) -> None:
    assert bool(of(reading(observed_ms=observed_ms)).readings) is goes_in


def test_a_reading_told_twice_in_one_batch_goes_in_once() -> None:
    admission = of(reading(), reading())
    assert admission.readings == (reading(),)
    assert admission.rejected[1].reason == "told twice in one batch"


def test_what_the_quantity_cannot_be_is_flagged_and_kept() -> None:
    loud = Reading("noise-1", "noise_laeq", NOW_MS, 1e308)
    (kept,) = of(loud).readings
    assert (kept.value, kept.quality) == (1e308, Quality.OVER_RANGE)
