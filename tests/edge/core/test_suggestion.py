"""A wrong guess is told so, with the line that would be right; that line is a right profile's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.quantities import QUANTITIES
from device_profiles.core.decode import bytes_of_words, compile_decoder
from device_profiles.core.prove import prove
from device_profiles.core.values import Block
from device_profiles.loader import parse_profile
from device_profiles.schema import FunctionCode, RegisterMeasurement
from edge.core.probe import rank
from edge.core.suggestion import (
    is_strange,
    say_usual,
    suggest_reading,
    vector_line,
    with_unit,
    yaml_line,
)
from edge.core.usual import OF_KIND, USUAL
from simulators.words import pack

PROFILE = """\
kind: {kind}
maker: nobody
model: guess
title: {{zh: 猜, en: guess}}
source: synthetic
modbus:
  registers_count_from: {counts_from}
  measurements:
    {line}
vectors:
  - {vector}
"""


def decoded(
    line: str, vector: str, words: list[int], function: int, counts_from: int
) -> float | None:
    """Put both lines into a profile, prove its vector, and read the words with it."""
    name = line.partition(":")[0]
    kind = next(kind for kind, names in OF_KIND.items() if name in names)
    text = PROFILE.format(kind=kind, line=line, vector=vector, counts_from=counts_from)
    profile = parse_profile(text, Path(f"/x/{kind}/guess.yaml"))
    assert prove(profile, profile.vectors[0]) == []
    assert not profile.vectors[0].proves
    blocks = [Block(function, 0x10, len(words))]
    (value,) = compile_decoder(profile, blocks).decode([bytes_of_words(words)])
    return value.value


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 65_535), min_size=4, max_size=4),
    st.sampled_from(sorted({name for names in OF_KIND.values() for name in names})),
    st.sampled_from([3, 4]),
    st.sampled_from([0, 1]),
)
def test_every_line_is_a_right_profile_that_reads_what_was_promised(
    words: list[int], name: str, function: int, counts_from: int
) -> None:
    table: FunctionCode = 4 if function == 4 else 3
    reads = [dict(enumerate(words, start=0x10))]
    for guess in rank(reads, {name: USUAL[name]}, table)[:3]:
        for meaning in guess.meanings[:2]:
            line = yaml_line(guess, meaning, table, counts_from=counts_from)
            vector = vector_line(guess, meaning, reads[0], 7, table)
            value = decoded(line, vector, words, function, counts_from)
            assert value == pytest.approx(meaning.values[0], rel=1e-9, abs=1e-9)


def test_a_wrong_order_is_told_with_the_right_one() -> None:
    words = dict(enumerate(pack("float32", 17.625, "DCBA"), start=0x2602))
    part = RegisterMeasurement(address=0x2602, type="float32", unit="NTU")
    found = suggest_reading("water_turbidity", part, words)
    assert found is not None
    assert yaml_line(*found) == (
        "water_turbidity: {address: 0x2602, type: float32, order: DCBA, unit: NTU}"
    )


def test_a_wrong_scale_is_told_with_the_right_one() -> None:
    part = RegisterMeasurement(address=0, unit="dB(A)")
    found = suggest_reading("noise_la", part, {0: 599})
    assert found is not None
    assert found[1].scale == 0.1


def test_off_by_one_is_told_where_the_neighbour_was_read() -> None:
    part = RegisterMeasurement(address=1, unit="dB(A)", scale=0.1)
    found = suggest_reading("noise_la", part, {0: 599, 1: 0, 2: 0})
    assert found is not None
    assert found[0].address == 0


def test_what_nothing_explains_gets_no_suggestion() -> None:
    part = RegisterMeasurement(address=0, unit="dB(A)", scale=0.1)
    assert suggest_reading("noise_la", part, {0: 0, 1: 0}) is None
    assert suggest_reading("noise_la", part, {}) is None


def test_strange_is_outside_the_range_or_not_usual() -> None:
    assert is_strange("noise_la", 599.0, (25, 135))
    assert is_strange("noise_la", 26.0, (25, 135))  # possible, but not in a street
    assert not is_strange("noise_la", 59.9, (25, 135))


def test_words_for_people() -> None:
    assert with_unit(59.9, "dB(A)") == "59.9 dB(A)"
    assert with_unit(2.0, "1") == "2"
    assert say_usual("noise_la") == "30 to 110 dB(A)"
    assert set(USUAL) == set(QUANTITIES)
