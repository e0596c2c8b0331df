"""Which questions a scan asks, and what the answers mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import Disconnected, Timeout, TransportError
from edge.core.modbus import Disturbed, Refused
from edge.core.scan import (
    BAUDS,
    Found,
    Sign,
    conclusions,
    parse_bauds,
    parse_units,
    plan_scan,
    say_sign,
    sign_of,
)


def test_units_are_numbers_and_ranges() -> None:
    assert parse_units("1-3,55, 2") == (1, 2, 3, 55)
    for wrong in ("0", "0-4", "5-1", "256", "x", "", "1-"):
        with pytest.raises(ValueError, match="from 1 to 255"):
            parse_units(wrong)


def test_bauds_are_rates_ranges_of_the_usual_ones_or_all() -> None:
    assert parse_bauds("9600,4800") == (9600, 4800)
    assert parse_bauds("2400-9600") == (2400, 4800, 9600)
    assert parse_bauds("all") == BAUDS
    for wrong in ("fast", "12", "9601-9602", "2000000"):
        with pytest.raises(ValueError, match="no baud rate"):
            parse_bauds(wrong)


@given(st.sets(st.integers(1, 247), min_size=1), st.sampled_from([(None,), (9600, 4800)]))
def test_everything_is_asked_once(units: set[int], bauds: tuple[int | None, ...]) -> None:
    tries = plan_scan(sorted(units), bauds)
    assert len(tries) == len(units) * len(bauds)
    assert {(each.unit_id, each.baud) for each in tries} == {(u, b) for u in units for b in bauds}


def test_what_makers_ship_is_asked_first_at_every_baud_rate() -> None:
    tries = plan_scan(range(1, 248), (9600, 4800))
    assert [(each.unit_id, each.baud) for each in tries[:2]] == [(1, 9600), (2, 9600)]
    assert (1, 4800) in [(each.unit_id, each.baud) for each in tries[:16]]


@pytest.mark.parametrize(
    ("error", "sign"),
    [
        (None, Sign.ANSWERS),
        (Refused(2), Sign.REFUSES),
        (Refused(1), Sign.REFUSES),
        (Refused(10), Sign.NOBODY),  # said by the gateway, not by a device
        (Refused(11), Sign.NOBODY),
        (Disturbed("wrong CRC"), Sign.GARBLED),
        (Timeout("no answer"), Sign.NOBODY),
        (Disconnected("gone"), Sign.NOBODY),
    ],
)
def test_what_an_answer_says(error: TransportError | None, sign: Sign) -> None:
    assert sign_of(error) is sign
    assert say_sign(error)


def found(unit_id: int, sign: Sign = Sign.ANSWERS) -> Found:
    return Found(unit_id=unit_id, baud=None, sign=sign, what="", took_s=0.01)


def test_nobody_leads_to_advice_for_the_kind_of_line() -> None:
    serial = conclusions([], {1, 2}, serial=True, gateway=False)
    assert any("A and B" in line for line in serial)
    assert any("--bauds all" in line for line in serial)
    behind = conclusions([], {1, 2}, serial=False, gateway=True)
    assert "behind it" in behind[0]
    assert any(
        "modbus_rtu_over_tcp" in line for line in conclusions([], {1}, serial=False, gateway=False)
    )


def test_a_device_that_answers_to_every_unit_id_is_told() -> None:
    said = conclusions(
        [found(n) for n in range(1, 11)], set(range(1, 11)), serial=False, gateway=False
    )
    assert "one device" in said[0]
    assert conclusions([found(3)], set(range(1, 11)), serial=False, gateway=False) == ()


def test_garbled_answers_are_no_device_and_are_explained() -> None:
    said = conclusions([found(4, Sign.GARBLED)], {1, 4}, serial=True, gateway=False)
    assert "unit id 4 is garbled" in said[0]
    assert len(said) > 1  # and what to do about finding nobody
