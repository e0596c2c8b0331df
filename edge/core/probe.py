"""What could these registers be? Every type, order and scale, ranked by how well it explains them.

A guess earns what a Bayesian would give it: how common its type, order, scale and unit are, and how
much better than chance it explains the words and their movement between reads (evidence.py).
Scores are natural logarithms of odds; only their differences mean anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from contract.quantities import Quantity, quantity_of
from contract.units import conversion
from device_profiles.core.decode import bytes_of_words
from device_profiles.core.registers import Extractor
from device_profiles.core.values import Block
from device_profiles.schema import REGISTERS, ByteOrder, FunctionCode, Point, RegisterType
from edge.core.evidence import FLOATS, chance, chance_of_half, density, likelihood, movement
from edge.core.guess import ORDERS, TYPES, Guess, Meaning, log_sum, worse
from edge.core.usual import Usual
from edge.core.weighing import settle_order, unified, with_shares

Words = Mapping[int, int]  # address -> word, of one read


SCALES = {1.0: 0.40, 0.1: 0.35, 0.01: 0.18, 0.001: 0.07}
SCALES_OF_FLOATS = {1.0: 0.97, 0.1: 0.01, 0.01: 0.01, 0.001: 0.01}
FIRST_UNIT = 0.85  # the commonest unit of a quantity; the others share the rest
RARER = 0.15  # each measurement is less common than the one expected before it
AS_WELL = 2.0  # a measurement that scores so little less could be it as well


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sense:
    """One way to take a raw number: value = raw * factor + shift, canonical."""

    measurement: str
    usual: Usual
    quantity: Quantity
    scale: float
    unit: str
    factor: float
    shift: float
    prior: float

    @property
    def exact(self) -> str:
        """The factor, without the dust of binary fractions."""
        return f"{self.factor:.9g}"


def rank(
    reads: Sequence[Words], expected: Mapping[str, Usual], function: FunctionCode = 3
) -> list[Guess]:
    """Rank all ways to read registers.

    Args:    reads: of the same registers, one after another, about a second apart; addresses that
             one of them lacks are left out. expected: measurement -> what is usual for it, the
             commonest first.
             function: 3 or 4, with which they were read.
    Returns: guesses that are physically possible in every read, the best first. Those that come to
             the same numbers are one guess, with the others in `same`.
    """
    of_floats, of_whole = _senses(expected, SCALES_OF_FLOATS), _senses(expected, SCALES)
    guesses = []
    for span in spans(reads):
        for guess in _ways(reads, span, function):
            meanings = _meanings(guess, of_floats if guess.type in FLOATS else of_whole)
            if meanings:
                score = guess.score + log_sum(meaning.score for meaning in meanings)
                guesses.append(replace(guess, meanings=meanings, score=score))
    settled = settle_order(guesses)
    return with_shares(unified(sorted(settled, key=worse)))


def spans(reads: Sequence[Words]) -> list[range]:
    """Return the runs of addresses that every read has, in order."""
    common = sorted(set.intersection(*(set(words) for words in reads))) if reads else []
    runs: list[range] = []
    for at in common:
        if runs and runs[-1].stop == at:
            runs[-1] = range(runs[-1].start, at + 1)
        else:
            runs.append(range(at, at + 1))
    return runs


def _ways(reads: Sequence[Words], span: range, function: FunctionCode) -> Iterator[Guess]:
    """Yield every type and order at every place of a run where all reads give a number."""
    points = [
        Point(address=at, type=kind, order=order, function=function)
        for kind in TYPES
        for at in span
        if at + REGISTERS[kind] <= span.stop
        for order in _orders(kind)
    ]
    extract = Extractor(Block(function, span.start, len(span)), points)
    columns = [extract(bytes_of_words([words[at] for at in span])) for words in reads]
    for point, column in zip(points, zip(*columns, strict=True), strict=True):
        raws = tuple(raw for raw in column if raw is not None and math.isfinite(raw))
        if len(raws) == len(reads) and any(raws):  # nothing but zeros says nothing
            score = _score_of_words(point, reads[-1])
            yield Guess(
                address=point.address,
                type=point.type,
                order=point.order,
                raws=raws,
                meanings=(),
                score=score,
            )


def _orders(kind: RegisterType) -> Sequence[ByteOrder]:
    return ("AB",) if "8_" in kind else tuple(ORDERS[REGISTERS[kind]])


def _score_of_words(point: Point, words: Words) -> float:
    """Return how common the type and order are, and how unlikely the words are by chance."""
    used = [words[at] for at in range(point.address, point.address + point.count)]
    score = math.log(TYPES[point.type] * ORDERS[point.count][point.order]) - chance(used)
    if "8_" in point.type:
        other = used[0] >> 8 if point.type.endswith("low") else used[0] & 0xFF
        score += chance_of_half(other)
    return score


def _senses(expected: Mapping[str, Usual], scales: Mapping[float, float]) -> list[_Sense]:
    """Return what raw numbers may stand for; of two spellings of one factor, the commoner."""
    senses: dict[tuple[str, str], _Sense] = {}
    for place, (measurement, usual) in enumerate(expected.items()):
        quantity = quantity_of(measurement)
        for unit, of_units in _units(usual, quantity.unit):
            factor, shift = conversion(unit, quantity.unit)
            for scale, of_scales in scales.items():
                sense = _Sense(
                    measurement=measurement,
                    usual=usual,
                    quantity=quantity,
                    scale=scale,
                    unit=unit,
                    factor=scale * factor,
                    shift=shift,
                    prior=math.log(of_units * of_scales) - RARER * place,
                )
                known = senses.setdefault((measurement, sense.exact), sense)
                if sense.prior > known.prior:
                    senses[measurement, sense.exact] = sense
    return list(senses.values())


def _units(usual: Usual, canonical: str) -> list[tuple[str, float]]:
    """Return units with how often devices send them."""
    first, *others = usual.units or (canonical,)
    if not others:
        return [(first, 1.0)]
    return [(first, FIRST_UNIT), *((unit, (1 - FIRST_UNIT) / len(others)) for unit in others)]


def _meanings(guess: Guess, senses: Iterable[_Sense]) -> tuple[Meaning, ...]:
    """Return what a guess's numbers can mean, the best first; for another name alone, once."""
    groups: dict[tuple[str, str], list[Meaning]] = {}
    for sense in senses:
        meaning = _meaning(guess, sense)
        if meaning is not None:
            groups.setdefault((sense.exact, sense.quantity.unit), []).append(meaning)
    for group in groups.values():
        group.sort(key=worse)
    best = sorted((replace(group[0], also=_also(group)) for group in groups.values()), key=worse)
    weight = sum(math.exp(meaning.score) for meaning in best)
    return tuple(replace(each, share=math.exp(each.score) / weight) for each in best)


def _meaning(guess: Guess, sense: _Sense) -> Meaning | None:
    """Return what a guess's numbers mean in one sense; None if that cannot be."""
    low, high = sense.quantity.low, sense.quantity.high
    values = tuple(raw * sense.factor + sense.shift for raw in guess.raws)
    if not low <= min(values) <= max(values) <= high:
        return None
    dense = min(density(value, sense.usual, low, high) for value in values)
    likely = likelihood(guess.raws[-1], guess.type, dense, sense.factor, zero=sense.usual.zero)
    return Meaning(
        measurement=sense.measurement,
        scale=sense.scale,
        unit=sense.unit,
        values=values,
        score=sense.prior + math.log(likely) + movement(values, sense.usual),
    )


def _also(group: Sequence[Meaning]) -> tuple[str, ...]:
    near = [other.measurement for other in group if other.score > group[0].score - AS_WELL]
    return tuple(dict.fromkeys(name for name in near if name != group[0].measurement))
