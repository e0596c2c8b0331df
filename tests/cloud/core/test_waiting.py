from __future__ import annotations

import pytest

from cloud.core.waiting import State, guess_kind, may_decide
from contract.quantities import Kind


@pytest.mark.parametrize(
    ("measurements", "kind"),
    [
        (["noise_laeq", "battery"], Kind.NOISE),
        (["pm10", "pm25", "tsp", "air_temperature"], Kind.DUST),
        (["water_depth"], Kind.WATER),
        (["gas_pressure.inlet", "gas_pressure.outlet"], Kind.GAS),
        (["angle_x", "angle_y", "cover_open"], Kind.MANHOLE),
        (["battery"], None),
        (["gas_pressure", "noise_la"], None),
        ([], None),
    ],
)
def test_a_kind_is_guessed_by_what_is_measured(measurements: list[str], kind: Kind | None) -> None:
    assert guess_kind(measurements) is kind


@pytest.mark.parametrize(
    ("state", "adopted", "refused"),
    [
        (State.WAITING, True, True),
        (State.REFUSED, True, False),
        (State.REFUSING, True, False),
        (State.ADOPTING, False, False),
    ],
)
def test_what_may_be_decided(state: State, adopted: bool, refused: bool) -> None:
    assert may_decide(state, adopt=True) is adopted
    assert may_decide(state, adopt=False) is refused
