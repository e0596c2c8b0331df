"""Encode a plausible value in any type, order and scale: the truth must be among the first."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from contract.quantities import QUANTITIES, Kind
from device_profiles.schema import RegisterType
from edge.core.guess import ORDERS, Guess, log_sum, worse
from edge.core.probe import SCALES, rank, spans
from edge.core.usual import OF_KIND, USUAL, around
from edge.core.weighing import confidence, pick, settle_order, unified, with_shares
from simulators.words import fitted, limits, pack

WHOLE: tuple[RegisterType, ...] = ("uint16", "int16", "uint32", "int32")
FLOATS: tuple[RegisterType, ...] = ("float32", "float64")
REGISTERS = {"uint16": 1, "int16": 1, "uint32": 2, "int32": 2, "float32": 2, "float64": 4}
# What may be true or false is no number to be found among registers.
SOUGHT = sorted(set(USUAL) - {"cover_open", "wind_force"})
FEW, SOME = 5, 8  # of the orders that all widths have, and of the four that only 64 bit have
RARE = ("CDABGHEF", "DCBAHGFE", "EFGHABCD", "FEHGBADC")


class Truth:
    """A value as a device sends it, in three reads between which it moves a little."""

    def __init__(self, name: str, kind: RegisterType, order: str, scale: float, where: float):
        usual = USUAL[name]
        if usual.decades:
            low, high = math.log(usual.low), math.log(usual.high)
            value = math.exp(low + (high - low) * where)
        else:
            value = usual.low + (usual.high - usual.low) * where
        step = usual.step * (value if usual.decades else 1.0)
        self.name, self.kind, self.order, self.scale = name, kind, order, scale
        self.raws = [fitted(kind, value / scale + at * step / scale / 2) for at in (0, -1, 1)]
        low, high = limits(kind)
        # A number of one or two digits says too little; what is clipped, or cannot be, is no value.
        quantity = QUANTITIES[name]
        physical = all(quantity.low <= raw * scale <= quantity.high for raw in self.raws)
        top = min(-low or high, high)
        whole = kind in FLOATS or all(100 <= abs(raw) < top for raw in self.raws)
        self.sound = physical and whole

    def reads(self, before: Sequence[int] = (), after: Sequence[int] = ()) -> list[dict[int, int]]:
        whole = [[*before, *pack(self.kind, raw, self.order), *after] for raw in self.raws]
        return [dict(enumerate(words, start=100 - len(before))) for words in whole]

    def place(self, guesses: Sequence[Guess]) -> int:
        """Return where it stands among the guesses, from 0; fail if it does not."""
        for place, guess in enumerate(guesses):
            for twin in (guess, *guess.same):
                if (twin.address, twin.type, twin.order) == (100, self.kind, self.order):
                    values = [
                        meaning.values[-1]
                        for meaning in twin.meanings[:4]
                        if self.name in (meaning.measurement, *meaning.also)
                    ]
                    right = self.raws[-1] * self.scale
                    assert any(math.isclose(value, right, rel_tol=1e-6) for value in values)
                    return place
        raise AssertionError("the truth is not among the guesses")


EVERY_ORDER = frozenset(order for orders in ORDERS.values() for order in orders)
USUAL_KINDS: tuple[RegisterType, ...] = ("uint16", "int16", "float32")
USUAL_ORDERS = ("AB", "ABCD", "CDAB", "DCBA")


@st.composite
def truths(
    draw: st.DrawFn,
    kinds: Sequence[RegisterType] = (*WHOLE, *FLOATS),
    orders: Collection[str] = EVERY_ORDER,
) -> Truth:
    kind = draw(st.sampled_from(kinds))
    truth = Truth(
        draw(st.sampled_from(SOUGHT)),
        kind,
        draw(st.sampled_from(sorted(set(ORDERS[REGISTERS[kind]]) & set(orders)))),
        1.0 if kind in FLOATS else draw(st.sampled_from(sorted(SCALES))),
        draw(st.floats(0.05, 0.95)),
    )
    assume(truth.sound)
    return truth


@settings(deadline=None)
@given(truths())
def test_the_truth_is_among_the_first_few(truth: Truth) -> None:
    guesses = rank(truth.reads(), {truth.name: USUAL[truth.name]})
    assert truth.place(guesses) < (SOME if truth.order in RARE else FEW)


SETTINGS = st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 16, 9600]), min_size=2, max_size=3)


@settings(max_examples=40, deadline=None)
@given(truths(USUAL_KINDS, USUAL_ORDERS), SETTINGS, SETTINGS)
def test_settings_beside_it_hide_it_not_for_long(
    truth: Truth, before: list[int], after: list[int]
) -> None:
    """Unit ids, baud rates and versions that could be values, too, are not many."""
    guesses = rank(truth.reads(before, after), {truth.name: USUAL[truth.name]})
    assert truth.place(guesses) < 12


def test_what_another_instrument_shows_finds_the_scale() -> None:
    truth = Truth("pm10", "uint16", "AB", 0.1, 0.6)
    value = truth.raws[0] / 10
    best = rank(truth.reads(), {"pm10": around("pm10", value * 1.02)})[0].meanings[0]
    assert best.scale == 0.1
    assert best.share > 0.9


@pytest.mark.parametrize(
    ("words", "name", "line"),
    [
        # The vectors of the catalogue that outside sources print.
        ([0x0000, 0x8D41], "water_turbidity", ("float32", "DCBA", 17.625)),  # Y511's manual
        ([0x3EB3, 0x3333], "water_pressure", ("float32", "ABCD", 350.0)),  # map B, in MPa
        ([0x0257], "noise_la", ("uint16", "AB", 59.9)),
    ],
)
def test_frames_from_manuals(words: list[int], name: str, line: tuple[str, str, float]) -> None:
    best = rank([dict(enumerate(words))], {name: USUAL[name]})[0]
    assert (best.type, best.order) == line[:2]
    assert any(math.isclose(m.values[0], line[2], rel_tol=1e-6) for m in best.meanings)


def test_floats_of_one_device_settle_its_order() -> None:
    """DCBA at 0x2600 and BADC at 0x2601 look alike, but for what stands beside them."""
    words = [
        word for value in (16.5, 0.674321, 6.104321) for word in pack("float32", value, "DCBA")
    ]
    words[0] = 0x7D07
    expected = {name: USUAL[name] for name in OF_KIND[Kind.WATER]}
    guesses = rank([dict(enumerate(words, start=0x2600))], expected)
    assert {(guess.address, guess.order) for guess in pick(guesses, 3)} == {
        (0x2600, "DCBA"),
        (0x2602, "DCBA"),
        (0x2604, "DCBA"),
    }


def test_twins_are_one_guess() -> None:
    """int16 comes to the same as uint16 while nothing is below zero; so does a wide zero before."""
    (best, *_) = rank([{0: 0, 1: 599}], {"noise_la": USUAL["noise_la"]})
    assert (best.type, best.address) == ("uint16", 1)
    assert {(g.type, g.address) for g in best.same} >= {("int16", 1), ("uint32", 0)}


def test_what_jumps_is_worse_than_what_moves() -> None:
    moving = rank([{0: 599}, {0: 601}, {0: 604}], {"noise_la": USUAL["noise_la"]})[0]
    jumping = rank([{0: 599}, {0: 301}, {0: 1099}], {"noise_la": USUAL["noise_la"]})[0]
    assert moving.score > jumping.score


def test_zeros_say_nothing_and_nothing_read_is_nothing() -> None:
    expected = {"noise_la": USUAL["noise_la"]}
    assert rank([{0: 0, 1: 0}], expected) == []
    assert rank([], expected) == []
    assert rank([{}], expected) == []


def test_holes_part_the_registers() -> None:
    assert spans([{0: 1, 1: 1, 3: 1}, {0: 1, 1: 1, 3: 1, 4: 1}]) == [range(2), range(3, 4)]
    found = rank([{0: 0x4270, 2: 0}], {"noise_la": USUAL["noise_la"]})
    assert all(len(guess.registers) == 1 for guess in found)


def test_shares_are_of_one_register_and_the_best_few_are_picked() -> None:
    guesses = rank([{0: 599, 1: 612}], {"noise_la": USUAL["noise_la"]})
    for at in (0, 1):
        assert sum(guess.share for guess in guesses if at in guess.registers) <= 1.000001
    picked = pick(guesses, 2)
    assert {guess.address for guess in picked} == {0, 1}
    assert confidence(picked[0]) in ("strong", "likely")
    assert confidence(guesses[-1]) == "weak"


def test_the_parts_of_weighing() -> None:
    guesses = rank([{0: 599}], {"noise_la": USUAL["noise_la"]})
    assert settle_order(guesses) == guesses  # one register has no order to settle
    assert [guess.raws for guess in unified(guesses)] == [guess.raws for guess in guesses]
    assert with_shares(guesses)[0].share == pytest.approx(guesses[0].share, rel=0.05)
    assert log_sum([0.0, 0.0]) == pytest.approx(math.log(2))
    assert sorted(guesses, key=worse) == guesses


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=6), st.sampled_from(list(Kind)))
@example([0x7F80, 0x0000], Kind.GAS)  # infinity
@example([0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], Kind.WATER)  # not a number
def test_no_words_break_it(words: list[int], kind: Kind) -> None:
    expected = {name: USUAL[name] for name in OF_KIND[kind]}
    guesses = rank([dict(enumerate(words))] * 2, expected)
    assert all(math.isfinite(guess.score) for guess in guesses)
    assert [guess.score for guess in guesses] == sorted((g.score for g in guesses), reverse=True)
