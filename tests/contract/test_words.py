"""Units, quantities, quality, topics, messages, clock: the contract's small tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import messages, topics
from contract.clock import ManualClock, SystemClock, iso_utc, parse_iso
from contract.errors import DecodeError
from contract.intervals import IntervalSet
from contract.messages import Ack, Birth, State
from contract.quality import LETTERS, Quality, from_letters, to_letters
from contract.quantities import QUANTITIES, Kind, quantity_of, split_measurement, unit_of
from contract.units import UNITS, conversion, convert


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (1, "MPa", "kPa", 1000),
        (1, "kgf/cm2", "kPa", 98.0665),
        (1, "psi", "kPa", 6.894757),
        (1, "mH2O", "kPa", 9.80665),
        (1, "mg/m3", "ug/m3", 1000),
        (1000, "ng/m3", "ug/m3", 1),
        (1, "mg/L", "ug/L", 1000),
        (212, "degF", "Cel", 100),
        (0, "K", "Cel", -273.15),
        (25, "Cel", "K", 298.15),
        (1, "mS/cm", "uS/cm", 1000),
        (36, "km/h", "m/s", 10),
        (0.5, "1", "%", 50),
        (3.141592653589793, "rad", "deg", 180),
        (1.5, "m", "cm", 150),
        (1, "L/s", "m3/h", 3.6),
    ],
)
def test_conversions(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected)


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.floats(-1e6, 1e6))
def test_conversions_go_there_and_back_or_are_refused(unit: str, to: str, value: float) -> None:
    if UNITS[unit].dimension != UNITS[to].dimension:
        with pytest.raises(ValueError, match="does not convert"):
            conversion(unit, to)
    else:
        assert convert(convert(value, unit, to), to, unit) == pytest.approx(value, abs=1e-3)


def test_an_unknown_unit_is_named() -> None:
    with pytest.raises(ValueError, match="unknown unit 'ppm'"):
        conversion("ppm", "mg/L")


def test_every_quantity_is_whole() -> None:
    for key, quantity in QUANTITIES.items():
        assert key == quantity.key
        assert topics.ID.fullmatch(key)
        assert quantity.unit in UNITS
        assert quantity.unit in quantity.units
        assert quantity.low < quantity.high
        assert quantity.zh
        assert quantity.en


def test_every_kind_has_its_quantity() -> None:
    assert {"noise_laeq", "pm10", "water_do", "gas_pressure", "tilt"} <= set(QUANTITIES)
    assert len(Kind) == 5


def test_hj212_factors_are_told_once() -> None:
    factors = [q.hj212 for q in QUANTITIES.values() if q.hj212]
    assert len(factors) == len(set(factors))


def test_a_measurement_is_a_quantity_and_a_channel() -> None:
    assert split_measurement("gas_pressure.inlet") == ("gas_pressure", "inlet")
    assert quantity_of("gas_pressure.inlet").unit == "kPa"
    assert quantity_of("pm10").hj212 == "a34002"


@given(st.integers(0, 1023).map(Quality))
def test_quality_goes_to_letters_and_back(quality: Quality) -> None:
    assert from_letters(to_letters(quality)) == quality


def test_normal_is_the_empty_word_and_n() -> None:
    assert to_letters(Quality.NORMAL) == ""
    assert from_letters("N") == Quality.NORMAL
    assert set(LETTERS.values()) == {q for q in Quality if q}


def test_topics_are_spelt_and_read_alike() -> None:
    topic = topics.gateway_topic("cabinet-12", "data")
    assert topic == f"gw/v1/{topics.partition('cabinet-12'):02d}/cabinet-12/data"
    assert topics.parse(topic).gateway == "cabinet-12"


def test_the_partition_is_crc32_mod_64() -> None:
    assert topics.partition("123456789") == 0xCBF43926 % 64  # the check value of CRC-32


@pytest.mark.parametrize(
    "topic", ["gw/v1/00/a/data/x", "gw/v2/00/a/data", "gw/v1/99/a/data", "a", "gw/v1/00/A b/data"]
)
def test_a_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"topic|partition|gateway id"):
        topics.parse(topic)


def test_a_topic_of_an_unknown_kind_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="allowed are data"):
        topics.gateway_topic("a", "dta")


def test_an_ack_covers_what_is_in_the_set_and_nothing_else() -> None:
    ack = Ack.of("0123abcd", IntervalSet([(1, 4), (6, 7)]))
    assert [seq for seq in range(1, 10) if ack.covers(seq)] == [1, 2, 3, 4, 6, 7]
    assert messages.decode(messages.encode(ack), Ack) == ack


def test_an_ack_without_the_first_number_covers_no_run() -> None:
    assert Ack.of("0123abcd", IntervalSet([(2, 3)])) == Ack(
        epoch="0123abcd", seq=0, ranges=((2, 3),)
    )


def test_a_wrong_message_names_its_field() -> None:
    with pytest.raises(DecodeError, match=r"state: .*at_ms"):
        messages.decode(b'{"online": true}', State)
    with pytest.raises(DecodeError, match="birth"):
        messages.decode(b"\xff", Birth)


def test_times_are_written_and_read() -> None:
    assert iso_utc(1_790_000_000_250) == "2026-09-21T14:13:20.250Z"
    assert parse_iso("2026-09-21T22:13:20.250+08:00") == 1_790_000_000_250
    with pytest.raises(ValueError, match="no UTC offset"):
        parse_iso("2026-09-21T22:13:20")


def test_clocks_go() -> None:
    assert SystemClock().now_ms() > 1_700_000_000_000
    clock = ManualClock(5)
    clock.advance_ms(10)
    clock.set_now_ms(3)
    assert (clock.now_ms(), clock.monotonic_s()) == (3, 0.01)


def test_a_measurement_has_its_quantitys_unit_and_an_unknown_one_has_none() -> None:
    assert unit_of("gas_pressure.inlet") == QUANTITIES["gas_pressure"].unit
    assert unit_of("what.inlet") == ""
