from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contract.lifelines import (
    Modem,
    Supply,
    modem_figures,
    modem_of,
    supply_figures,
    supply_of,
)

YES = st.none() | st.booleans()
PERCENT = st.none() | st.floats(0, 100)


@given(st.builds(Supply, mains=YES, battery_percent=PERCENT))
def test_a_supply_comes_through(supply: Supply) -> None:
    assert supply_of(supply_figures(supply)) == supply


@given(st.builds(Modem, sim=YES, registered=YES, signal_percent=PERCENT))
def test_a_modem_comes_through(modem: Modem) -> None:
    assert modem_of(modem_figures(modem)) == modem


def test_what_is_not_known_is_left_out_and_said() -> None:
    assert supply_figures(Supply()) == {"supply.known": 0}
    assert modem_figures(Modem(sim=True)) == {"modem.known": 1, "modem.sim": 1}


def test_what_nobody_watches_is_nothing() -> None:
    assert supply_of({"cpu": 1.0}) is None
    assert modem_of({}) is None
