"""What guesses say of each other: one order a device, one meaning a register, the best few."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edge.core.guess import ORDERS, Guess, log_sum

KINDRED, MOST_HEARD = 4, 4.0  # orders that go for every width; what the others count at most
A_REGISTER, LEAST_SHARE = 3, 0.005  # guesses shown of one register, and how likely at least


def settle_order(guesses: Sequence[Guess]) -> list[Guess]:
    """Weigh orders by what they explain elsewhere: a device uses one order for all its values.

    What other registers say of each order is added to the score; of one's own they say nothing.
    """
    kin = {order: place for orders in ORDERS.values() for place, order in enumerate(orders)}
    wide = [guess for guess in guesses if len(guess.registers) > 1 and guess.score > 0]
    apart = {place: _apart(g for g in wide if kin[g.order] == place) for place in range(KINDRED)}
    return [_heard(guess, kin[guess.order], apart) for guess in guesses]


def _apart(guesses: Iterable[Guess]) -> list[Guess]:
    """Return the guesses that explain the most without sharing a register."""
    ways: list[tuple[float, int, list[Guess]]] = [(0.0, 0, [])]  # score, end, guesses
    for guess in sorted(guesses, key=lambda guess: guess.registers.stop):
        score, _, before = max(
            (way for way in ways if way[1] <= guess.address), key=lambda way: way[0]
        )
        ways.append((score + guess.score, guess.registers.stop, [*before, guess]))
    return max(ways, key=lambda way: way[0])[2]


def _heard(guess: Guess, kin: int, apart: Mapping[int, Sequence[Guess]]) -> Guess:
    if len(guess.registers) == 1:
        return guess
    elsewhere = {
        place: sum(
            other.score for other in others if not set(other.registers) & set(guess.registers)
        )
        for place, others in apart.items()
    }
    own = elsewhere.get(kin, 0.0)
    heard = own - log_sum(elsewhere.values()) + math.log(KINDRED)
    return replace(guess, score=guess.score + max(heard, -MOST_HEARD))


def unified(guesses: Iterable[Guess]) -> list[Guess]:
    """Keep the best of those that come to the same numbers from one register or another."""
    kept: list[Guess] = []
    places: dict[tuple[tuple[float, ...], int], int] = {}  # numbers and address -> place in kept
    for guess in guesses:
        keys = [(guess.raws, at) for at in guess.registers]
        twin = next((places[key] for key in keys if key in places), None)
        if twin is not None:
            kept[twin] = replace(kept[twin], same=(*kept[twin].same, guess))
            continue
        places.update(dict.fromkeys(keys, len(kept)))
        kept.append(guess)
    return kept


def with_shares(guesses: Sequence[Guess]) -> list[Guess]:
    """Weigh each guess against those that use one of its registers."""
    weights: dict[int, float] = {}
    for guess in guesses:
        for at in guess.registers:
            weights[at] = weights.get(at, 0.0) + math.exp(guess.score)
    return [
        replace(guess, share=math.exp(guess.score) / max(weights[at] for at in guess.registers))
        for guess in guesses
    ]


def pick(guesses: Sequence[Guess], most: int) -> list[Guess]:
    """Return the best guesses, but of those that share a register a few only."""
    picked: list[Guess] = []
    taken: dict[int, int] = {}
    for guess in guesses:
        if len(picked) == most:
            break
        worth = guess.share >= LEAST_SHARE or not picked
        if worth and all(taken.get(at, 0) < A_REGISTER for at in guess.registers):
            picked.append(guess)
            taken.update({at: taken.get(at, 0) + 1 for at in guess.registers})
    return picked


def confidence(guess: Guess) -> str:
    """Say how sure type and order of a guess are: strong, likely, or weak."""
    if guess.score >= 3.0 and guess.share >= 0.8:
        return "strong"
    return "likely" if guess.score >= 1.0 and guess.share >= 0.4 else "weak"
