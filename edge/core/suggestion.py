"""A value that cannot be, or hardly: how else could its words be read?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contract.quantities import quantity_of
from device_profiles.core.decode import bytes_of_words
from device_profiles.schema import FunctionCode, RegisterMeasurement
from edge.core.guess import Guess, Meaning
from edge.core.hexwords import show_address
from edge.core.modbus import Framing, Request, build_adu, crc16
from edge.core.probe import rank
from edge.core.usual import is_usual, usual_of

# Logarithm of odds by which a suggestion must beat chance. At 1, one register in fifty that holds
# something else gets one; at 0 it were one in five, and nobody would believe the right ones.
BETTER = 1.0


def yaml_line(
    guess: Guess, meaning: Meaning, function: FunctionCode = 3, *, counts_from: int = 0
) -> str:
    """Write a guess as a profile's measurement.

    Args: counts_from: the profile's registers_count_from.
    """
    parts = [f"address: {show_address(guess.address + counts_from)}", f"type: {guess.type}"]
    if function != 3:
        parts.append(f"function: {function}")
    if guess.order not in ("AB", "ABCD", "ABCDEFGH"):
        parts.append(f"order: {guess.order}")
    unit = meaning.unit
    parts.append(f'unit: "{unit}"' if unit[0] in "%0123456789" else f"unit: {unit}")
    if meaning.scale != 1:
        parts.append(f"scale: {meaning.scale:g}")
    return f"{meaning.measurement}: {{{', '.join(parts)}}}"


def vector_line(
    guess: Guess, meaning: Meaning, words: Mapping[int, int], unit_id: int, function: FunctionCode
) -> str:
    """Write what was read as a profile's vector, as one flow mapping.

    Its meaning is our own guess: so it is marked synthetic, and proves nothing.

    Args: words: address -> word, of the last read.
    """
    count = len(guess.registers)
    request = Request(unit_id=unit_id, function=function, address=guess.address, count=count)
    data = bytes_of_words([words[at] for at in guess.registers])
    answer = bytes([unit_id, function, len(data)]) + data
    frames = (build_adu(request, Framing.RTU), answer + crc16(answer).to_bytes(2, "little"))
    asked, frame = (each.hex(" ").upper() for each in frames)
    return (
        f"{{request: {asked}, frame: {frame},"
        f" expect: {{{meaning.measurement}: {meaning.values[-1]:.9g}}},"
        ' source: "synthetic: from the line, its meaning guessed by edge probe"}'
    )


def suggest_reading(
    name: str, part: RegisterMeasurement, words: Mapping[int, int]
) -> tuple[Guess, Meaning] | None:
    """Return a better way to read a measurement, if one of its words, or next to them, is usual.

    Args: words: address -> word, of all registers that were read with its function.
    """
    near = range(part.address - 1, part.address + part.count + 1)
    around = {at: word for at, word in words.items() if at in near}
    for guess in rank([around], {name: usual_of(name)}, part.function):
        meaning = guess.meanings[0]
        if guess.score >= BETTER and is_usual(name, meaning.values[-1]):
            return guess, meaning
    return None


def is_strange(name: str, value: float, ranges: Sequence[float]) -> bool:
    """Whether a value is outside its range, or one that hardly ever is.

    Args: value: canonical. ranges: [lowest, highest] plausible, canonical.
    """
    low, high = ranges
    return not low <= value <= high or not is_usual(name, value)


def with_unit(value: float, unit: str) -> str:
    """Write a value with its unit, if it has one: 59.9 dB(A)."""
    return f"{value:.7g}{'' if unit == '1' else f' {unit}'}"


def say_usual(name: str) -> str:
    """Write what is usual: 30 to 110 dB(A)."""
    usual = usual_of(name)
    return f"{usual.low:g} to {usual.high:g} {quantity_of(name).unit}"
