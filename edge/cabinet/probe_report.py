"""What `edge probe` says: what registers could be, as lines for a profile; as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from contract.quantities import quantity_of
from device_profiles.core.values import Value
from device_profiles.schema import REGISTERS, FunctionCode, Profile
from edge.cabinet.probe import Found, Map
from edge.core.guess import Guess, Meaning
from edge.core.hexwords import show_address, show_words
from edge.core.known import Fit, fitting
from edge.core.manual_numbers import Place
from edge.core.probe import rank, spans
from edge.core.suggestion import vector_line, with_unit, yaml_line
from edge.core.usual import Usual
from edge.core.weighing import confidence, pick

WORDS_A_LINE = 8
COLUMNS, INDENT = 80, " " * 5
OTHER_SHARE = 0.08  # what a number means less likely is not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question. expected: what to look for. places: how a manual's number can be taken, if one
    is given: only guesses that begin there count. most: how many guesses to tell. profiles: models
    that it may be.
    """

    wanted: Map
    expected: Mapping[str, Usual]
    places: Sequence[Place]
    most: int
    profiles: Sequence[Profile]

    @property
    def function(self) -> FunctionCode:
        """The function that the registers are read with."""
        return 4 if self.wanted.function == 4 else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found. where: bus and unit, in words. check: what to look at if reading failed."""

    asked: Asked
    where: str
    found: Found
    guesses: Sequence[Guess]
    fits: Sequence[Fit]
    check: Sequence[str]


def answer(where: str, asked: Asked, found: Found, check: Sequence[str] = ()) -> Answer:
    """Rank what was read."""
    guesses = rank(found.reads, asked.expected, asked.function)
    if asked.places:
        addresses = {place.address for place in asked.places}
        guesses = [guess for guess in guesses if guess.address in addresses]
    return Answer(
        asked=asked,
        where=where,
        found=found,
        guesses=pick(guesses, asked.most),
        fits=fitting(found.reads, asked.profiles, asked.function),
        check=check,
    )


def as_text(answer: Answer) -> Iterator[str]:
    """Yield the lines for a terminal."""
    wanted, found = answer.asked.wanted, answer.found
    cut = ", interrupted" if found.interrupted else ""
    times = "once" if len(found.reads) == 1 else f"{len(found.reads)} times"
    took = f" in {found.took_s:.1f} s" if found.took_s else ""
    count = sum(map(len, spans(found.reads)))
    first, last = wanted.addresses.start, wanted.addresses.stop - 1
    yield (
        f"{answer.where}: function {wanted.function}, {show_address(first)} to"
        f" {show_address(last)}: {count} of {len(wanted.addresses)} registers {times}{took}{cut}"
    )
    yield from _map_lines(found)
    if found.problem is not None:
        yield f"problem: {found.problem}"
        yield from (f"  check: {line}" for line in answer.check)
    for fit in answer.fits:
        values = "; ".join(f"{v.measurement} {_canonical(v)}" for v in fit.values)
        yield from wrap(f"known model that fits: {fit.profile} ({values})", COLUMNS)
    for number, guess in enumerate(answer.guesses, 1):
        yield from _guess_lines(number, guess, answer)
    if answer.guesses:
        best = answer.guesses[0]
        yield "for the profile of 1., under measurements: and under vectors:"
        yield f"    {_yaml(best, best.meanings[0], answer)}"
        yield f"  - {_vector(best, answer)}"
    if found.reads and found.reads[0]:
        yield from wrap(closing(answer), COLUMNS)


def _map_lines(found: Found) -> Iterator[str]:
    for span in spans(found.reads):
        for start in range(span.start, span.stop, WORDS_A_LINE):
            line = range(start, min(start + WORDS_A_LINE, span.stop))
            yield f"  {show_address(start)}: {show_words(found.reads[-1][at] for at in line)}"
    moving = _moving(found)
    if moving:
        yield f"  moved between reads: {', '.join(show_address(at) for at in moving)}"
    for hole in found.holes:
        yield f"  not there: {show_address(hole.start)} to {show_address(hole.stop - 1)}"


def _moving(found: Found) -> list[int]:
    return [
        at
        for span in spans(found.reads)
        for at in span
        if len({words[at] for words in found.reads}) > 1
    ]


def _guess_lines(number: int, guess: Guess, answer: Answer) -> Iterator[str]:
    best = guess.meanings[0]
    sure = f"{confidence(guess)}, {guess.share:.0%}"
    named = f"; named so: {best.share:.0%}" if len(answer.asked.expected) > 1 else ""
    yield f"{number}. {best.measurement} {_value(best)} (read so: {sure}{named})"
    yield f"     {_yaml(guess, best, answer)}"
    yield from _wrapped(why(guess, answer))
    if others := _others(guess):
        yield from _wrapped(f"or {'; '.join(map(_sketch, others))}")
    if guess.same:
        yield from _wrapped(f"the same so far: {', '.join(map(_short, guess.same[:3]))}")


def _wrapped(text: str) -> list[str]:
    return wrap(text, COLUMNS, initial_indent=INDENT, subsequent_indent=INDENT)


def _canonical(value: Value) -> str:
    return with_unit(value.value or 0.0, quantity_of(value.measurement).unit)


def _value(meaning: Meaning) -> str:
    return with_unit(meaning.values[-1], quantity_of(meaning.measurement).unit)


def _sketch(meaning: Meaning) -> str:
    scale = "" if meaning.scale == 1 else f" (scale {meaning.scale:g})"
    return f"{meaning.measurement} {_value(meaning)}{scale}"


def _yaml(guess: Guess, meaning: Meaning, answer: Answer) -> str:
    place = next((p for p in answer.asked.places if p.address == guess.address), None)
    counts_from = place.counts_from if place else 0
    return yaml_line(guess, meaning, answer.asked.function, counts_from=counts_from)


def _vector(guess: Guess, answer: Answer) -> str:
    unit_id = answer.asked.wanted.unit_id
    return vector_line(
        guess, guess.meanings[0], answer.found.reads[-1], unit_id, answer.asked.function
    )


def _others(guess: Guess) -> list[Meaning]:
    """Return what else the number could mean, where that is not far behind."""
    return [other for other in guess.meanings[1:4] if other.share > OTHER_SHARE]


def _short(guess: Guess) -> str:
    order = "" if guess.order in ("AB", "ABCD", "ABCDEFGH") else f" {guess.order}"
    return f"{guess.type}{order} at {show_address(guess.address)}"


def why(guess: Guess, answer: Answer) -> str:
    """Give the reasons for a guess, in one line."""
    best, words = guess.meanings[0], answer.found.reads[-1]
    usual = answer.asked.expected[best.measurement]
    inside = all(usual.low <= value <= usual.high for value in best.values)
    came = show_words(words[at] for at in guess.registers)
    reasons = [
        f"{came} → {guess.raws[-1]:.7g}",
        f"{'usual' if inside else 'possible, but not usual'} ({usual.low:g} to {usual.high:g})",
    ]
    if len(best.values) > 1:
        reasons.append(_movement(best, usual))
    if best.also:
        reasons.append(f"or {', '.join(best.also[:4])}")
    return "; ".join(reasons)


def _movement(meaning: Meaning, usual: Usual) -> str:
    low, high = min(meaning.values), max(meaning.values)
    if low == high:
        return "did not move"
    step = usual.step * (abs(high) if usual.decades else 1.0)
    moved = "moves as it should" if high - low <= 4 * step else "JUMPS"
    return f"{moved}, {low:.6g} to {high:.6g}"


def closing(answer: Answer) -> str:
    """Say what to do with the guesses."""
    if not answer.guesses:
        names = [*answer.asked.expected]
        looked_for = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
        return (
            f"nothing here can be {looked_for}: try other registers (--start), or the other table"
            " (--function 4)"
        )
    best = answer.guesses[0]
    place = next((p for p in answer.asked.places if p.address == best.address), None)
    if place is not None:
        return place.say()
    style = (40_001 if best.address < 9_999 else 400_001) + best.address
    return (
        f"addresses count from 0, as on the wire; a manual that calls {show_address(best.address)}"
        f" {best.address + 1} (or {style}) counts from 1: registers_count_from: 1, and its own"
        " numbers"
    )


def as_json(answer: Answer) -> str:
    """Return the one JSON object."""
    wanted, found = answer.asked.wanted, answer.found
    return json.dumps(
        {
            "where": answer.where,
            "unit_id": wanted.unit_id,
            "function": wanted.function,
            "start": wanted.addresses.start,
            "count": len(wanted.addresses),
            "reads": [{str(at): f"{w:04X}" for at, w in words.items()} for words in found.reads],
            "moved": _moving(found),
            "not_there": [[hole.start, hole.stop - 1] for hole in found.holes],
            "interrupted": found.interrupted,
            "problem": "" if found.problem is None else str(found.problem),
            "check": list(answer.check),
            "known": [fit.profile for fit in answer.fits],
            "candidates": [_guess_json(guess, answer) for guess in answer.guesses],
            "hint": closing(answer) if found.reads and found.reads[0] else "",
        },
        ensure_ascii=False,
    )


def _guess_json(guess: Guess, answer: Answer) -> dict[str, object]:
    best = guess.meanings[0]
    return {
        "measurement": best.measurement,
        "also": list(best.also),
        "address": guess.address,
        "registers": REGISTERS[guess.type],
        "type": guess.type,
        "order": guess.order,
        "scale": best.scale,
        "unit": best.unit,
        "raw": guess.raws[-1],
        "values": [float(f"{value:.12g}") for value in best.values],  # 59.9, without dust
        "canonical_unit": quantity_of(best.measurement).unit,
        "score": round(guess.score, 2),
        "share": round(guess.share, 4),
        "named_share": round(best.share, 4),
        "confidence": confidence(guess),
        "why": why(guess, answer),
        "yaml": _yaml(guess, best, answer),
        "vector": _vector(guess, answer),
        "or": [_yaml(guess, other, answer) for other in _others(guess)],
        "same": [_short(other) for other in guess.same],
    }
