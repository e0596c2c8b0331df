"""Which known models have such registers? Those whose every value comes out as usual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from contract.quality import Quality
from device_profiles.core.decode import bytes_of_words, compile_decoder
from device_profiles.core.values import Block, Value
from device_profiles.schema import FunctionCode, Profile
from edge.core.probe import Words, spans
from edge.core.usual import is_usual


class Fit(msgspec.Struct, frozen=True):
    """A profile that fits, and what its measurements come to."""

    profile: str
    values: tuple[Value, ...]


def fitting(
    reads: Sequence[Words], profiles: Iterable[Profile], function: FunctionCode = 3
) -> list[Fit]:
    """Return the profiles that these registers can be, those with the most values first.

    Args: reads: as for rank. profiles: of Modbus; others, and those with registers that were not
          read, are left out.
    """
    blocks = [Block(function, span.start, len(span)) for span in spans(reads)]
    fits = []
    for profile in profiles:
        if profile.modbus is None or not _is_covered(profile, blocks):
            continue
        decoder = compile_decoder(profile, blocks)
        decoded = [decoder.decode(_answers(blocks, words)) for words in reads]
        if all(_is_usual(values, profile.ranges()) for values in decoded):
            fits.append(Fit(profile.name, tuple(decoded[-1])))
    return sorted(fits, key=lambda fit: -len(fit.values))


def _is_covered(profile: Profile, blocks: Sequence[Block]) -> bool:
    points = profile.modbus.points().values() if profile.modbus else ()
    return all(
        any(
            block.function == point.function
            and block.address <= point.address
            and point.address + point.count <= block.address + block.count
            for block in blocks
        )
        for point in points
    )


def _answers(blocks: Sequence[Block], words: Words) -> list[bytes]:
    return [
        bytes_of_words([words[at] for at in range(block.address, block.address + block.count)])
        for block in blocks
    ]


def _is_usual(values: Sequence[Value], ranges: Mapping[str, tuple[float, float]]) -> bool:
    """Whether all is there, plausible and usual, and not just zeros."""
    for each in values:
        low, high = ranges[each.measurement]
        if each.value is None or each.quality is not Quality.NORMAL:
            return False
        if not low <= each.value <= high or not is_usual(each.measurement, each.value):
            return False
    return any(each.value for each in values)
