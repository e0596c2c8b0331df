"""Registers of a known model are recognised; others are not."""

from __future__ import annotations

import pytest

from device_profiles.core.frames import exchange_of
from device_profiles.loader import catalog, load_profile
from edge.core.known import fitting
from simulators.words import pack

PROFILES = [load_profile(name) for name in catalog()]


def words_of_vector(name: str, number: int = 0) -> dict[int, int]:
    """Return the registers that a profile's vector holds."""
    profile = load_profile(name)
    vector = profile.vectors[number]
    words: dict[int, int] = {}
    for part in (vector, *vector.also):
        block, data = exchange_of(part, vector.framing)
        for at in range(block.count):
            words[block.address + at] = int.from_bytes(data[2 * at : 2 * at + 2])
    return words


@pytest.mark.parametrize(
    ("name", "number"),
    [("noise/rs485-sound", 0), ("dust/cwt-uwd-sws", 0), ("water/yosemitech-y504", 1)],
)
def test_a_models_own_vector_fits_it(name: str, number: int) -> None:
    assert name in [fit.profile for fit in fitting([words_of_vector(name, number)], PROFILES)]


def test_the_one_with_the_most_values_comes_first() -> None:
    fits = fitting([words_of_vector("dust/cwt-uwd-sws")], PROFILES)
    assert fits[0].profile == "dust/cwt-uwd-sws"
    assert len(fits[0].values) == 11


def test_one_unusual_value_in_one_read_and_it_does_not_fit() -> None:
    words = words_of_vector("noise/rs485-sound")
    assert fitting([words, {0: 65_000}], PROFILES) == []


def test_zeros_holes_and_the_other_table_fit_nothing() -> None:
    assert fitting([dict.fromkeys(range(0x300), 0)], PROFILES) == []
    assert fitting([{}], PROFILES) == []
    assert fitting([], PROFILES) == []
    words = words_of_vector("noise/rs485-sound")
    assert fitting([words], PROFILES, 4) == []


def test_another_order_does_not_fit() -> None:
    flat = [word for value in (16.5, 0.67, 6.1) for word in pack("float32", value, "ABCD")]
    fits = fitting([dict(enumerate(flat, start=0x2600))], PROFILES)
    assert "water/yosemitech-y504" not in [fit.profile for fit in fits]
