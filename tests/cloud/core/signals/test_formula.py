"""Formulas: what they come to, and what is said of those that are none."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.signals.compute import compute
from cloud.core.signals.formula import parse
from contract.errors import RuleError

NAMES = ("pm10", "pm25", "tilt", "gas_pressure.inlet", "noise_la.north-east", "noise_laeq.20min")


def value_of(text: str, **inputs: float) -> float:
    formula = parse(text)
    given_ = [np.array([inputs[name.replace(".", "_")]]) for name in formula.inputs]
    return float(compute(formula, given_)[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pm10 - pm25 - 1", 69.0),
        ("pm10 - (pm25 - 1)", 71.0),
        ("pm10 / pm25 * 2", 6.666666666666667),
        ("-pm25 + --pm10", 70.0),
        ("pm10*-2", -200.0),
        ("2e1 + .5 + pm10", 120.5),
        ("max(pm10, pm25, 120) + min(pm10, pm25)", 150.0),
        ("abs(pm25 - pm10)", 70.0),
        ("pm10 > 100", 0.0),
        ("pm10 >= 100 and not pm25 > 30", 1.0),
        ("pm10 < 0 or pm25 <= 30 and pm10 != 100", 0.0),
        ("(pm10 < 0 or pm25 == 30) and pm10 == 100", 1.0),
        ("pm10 > pm25 * 3", 1.0),
    ],
)
def test_what_formulas_come_to(text: str, expected: float) -> None:
    assert value_of(text, pm10=100.0, pm25=30.0) == pytest.approx(expected)


def test_names_are_measurements_with_their_channels() -> None:
    formula = parse("gas_pressure.inlet - gas_pressure.outlet > 1 or tilt > 10 or tilt < 0")
    assert formula.inputs == ("gas_pressure.inlet", "gas_pressure.outlet", "tilt")
    assert formula.truth
    quoted = parse("'noise_la.north-east' - noise_laeq.20min", NAMES)
    assert quoted.inputs == ("noise_la.north-east", "noise_laeq.20min")
    assert not quoted.truth


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("pm10 > ", 7, "found the end"),
        ("", 1, "expected a number, a measurement"),
        ("pm10 pm25", 6, "expected an operator or the end, found 'pm25'"),
        ("pm10 + pm99", 8, "no measurement 'pm99'; allowed: "),
        ("pm10 + wind_speed", 8, "allowed: gas_pressure.inlet, noise_la.north-east"),
        ("pm10 $ 3", 6, "cannot read '$ 3'"),
        ("pm10 + 3m", 8, "cannot read '3m'"),
        ("(pm10 + 3", 10, "expected ), found the end"),
        ("1 < pm10 < 3", 10, "comparisons do not chain"),
        ("tilt and pm10 > 3", 1, "write e.g. cover_open > 0"),
        ("not tilt", 5, "write e.g. cover_open > 0"),
        ("(pm10 > 3) + 1", 2, "'+' needs numbers"),
        ("(pm10 > 3) > 1", 2, "'>' needs numbers"),
        ("-(pm10 > 3)", 3, "'-' needs numbers"),
        ("abs(pm10, pm25)", 1, "abs takes 1, not 2"),
        ("min(pm10)", 1, "min takes 2 or more, not 1"),
        ("max pm10", 5, "expected ( after max"),
        ("min(pm10 > 1, 2)", 5, "'min' needs numbers"),
        ("__import__('os')", 1, "no measurement '__import__'"),
        ("pm10.__class__", 1, "no measurement 'pm10.__class__'"),
        ("pm10 = 3", 6, "cannot read '= 3'"),
        ("(" * 200 + "pm10" + ")" * 200, 31, "nested deeper than 30"),
        ("-" * 200 + "pm10", 31, "nested deeper than 30"),
        ("pm10" + "+1" * 101 + " > 0", 205, "more than 100 operators"),
        ("pm10 > 1e999", 8, "1e999 is beyond all numbers"),
    ],
)
def test_what_is_said_of_texts_that_are_no_formula(text: str, at: int, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text, NAMES)
    assert f"character {at}: " in str(caught.value)
    assert said in str(caught.value)


def test_formulas_that_are_too_long_or_look_at_nothing() -> None:
    with pytest.raises(RuleError, match="names no measurement"):
        parse("1 + 1")
    with pytest.raises(RuleError, match="allowed: 1000"):
        parse("pm10 + " * 200 + "1")


def test_an_input_without_value_leaves_no_value() -> None:
    formula = parse("pm10 > 0 or pm25 > 0")
    found = compute(formula, [np.array([1.0, np.nan, 1.0]), np.array([np.nan, 1.0, -1.0])])
    assert [math.isnan(value) for value in found.tolist()] == [True, True, False]


@pytest.mark.parametrize("text", ["pm10 / pm25", "pm10 / pm25 > 1", "not pm10 / pm25 > 1"])
def test_a_division_by_zero_has_no_value(text: str) -> None:
    assert math.isnan(value_of(text, pm10=1.0, pm25=0.0))


def test_a_number_beyond_all_numbers_is_no_value() -> None:
    assert math.isnan(value_of("pm10 * 1e300", pm10=1e300))


# --- against plain arithmetic ------------------------------------------------------------------

PLAIN = {"+": operator.add, "-": operator.sub, "*": operator.mul, "<": operator.lt}
numbers = st.sampled_from([0.0, 1.0, 2.0, 10.0])
trees = st.recursive(
    st.one_of(numbers.map(lambda n: (str(n), n)), st.sampled_from([("pm10", 7.0), ("tilt", 3.0)])),
    lambda inner: st.tuples(st.sampled_from("+-*"), inner, inner).map(
        lambda t: (f"({t[1][0]} {t[0]} {t[2][0]})", PLAIN[t[0]](t[1][1], t[2][1]))
    ),
    max_leaves=12,
)


@given(trees, trees)
@settings(max_examples=100, deadline=None)
def test_formulas_are_plain_arithmetic(left: tuple[str, float], right: tuple[str, float]) -> None:
    text = f"pm10 + 0 * tilt < {left[0]} - {right[0]}"
    assert value_of(text, pm10=7.0, tilt=3.0) == (left[1] - right[1] > 7.0)
