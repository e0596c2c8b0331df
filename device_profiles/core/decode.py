"""Modbus answers into values. Compiled once per device, quick per poll (docs/profiles.md).

    decoder = compile_decoder(profile, blocks, installed)     # blocks: the poll plan's requests
    values = decoder.decode(answers)                          # answers[i]: bytes of blocks[i]

An answer is the data part alone, as it came over the wire: two bytes a register, high one first;
coils eight to a byte. `None` says that this request was not answered: its measurements have no
value and quality B. Bounds (`profile.ranges()`) are for the caller to check.

For JSON payloads see payload.py, for HJ 212 see hj212.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from contract.quality import Quality
from device_profiles.core.derive import derive
from device_profiles.core.following import follower, inputs_of
from device_profiles.core.registers import Extractor, Raw
from device_profiles.core.scaling import Linear, by_number, finish, no_value, sentinels_of
from device_profiles.core.status import flag, register_status
from device_profiles.core.values import Block, Value
from device_profiles.schema import Derived, Modbus, Point, Profile, RegisterMeasurement

__all__ = ["Block", "RegisterDecoder", "Value", "bytes_of_words", "compile_decoder"]


def bytes_of_words(words: Sequence[int]) -> bytes:
    """Return the wire bytes of register words 0..65535, for clients that have taken them apart."""
    return struct.pack(f">{len(words)}H", *words)


def compile_decoder(
    profile: Profile,
    blocks: Sequence[Block],
    installed: Mapping[str, float] | None = None,
) -> RegisterDecoder:
    """Prepare the decoding of one device's answers.

    Args:    blocks: the requests of one poll, in the order in which answers will be given. A
             point lies whole in one of them; measurements in none of them, or whose unit, scale or
             decimals are in none, are left out.
             installed: canonical values at installation, for derived measurements.
    Raises:  ValueError if the profile is not one of Modbus.
    """
    if profile.modbus is None:
        raise ValueError(f"{profile.name} is not a profile of a Modbus device")
    return RegisterDecoder(profile.modbus, blocks, profile.derived, installed or {})


class RegisterDecoder:
    """Turns the answers of one poll into values; see the module's docstring."""

    def __init__(
        self,
        modbus: Modbus,
        blocks: Sequence[Block],
        derived: Mapping[str, Derived],
        installed: Mapping[str, float],
    ) -> None:
        self.blocks = tuple(blocks)
        self._derived, self._installed = derived, installed
        layout = _layout(self.blocks, modbus.points())
        self._extractors = [
            Extractor(block, list(points.values()))
            for block, points in zip(self.blocks, layout, strict=True)
        ]
        names = [name for points in layout for name in points]
        slots = {name: slot for slot, name in enumerate(names)}
        parts = {
            name: part
            for name, part in modbus.measurements.items()
            if name in slots and all(needed in slots for needed in inputs_of(part))
        }
        self._plain = [
            (name, slots[name], *_scale(name, part))
            for name, part in parts.items()
            if _is_plain(part)
        ]
        self._others = [
            _special(name, part, modbus, slots)
            for name, part in parts.items()
            if not _is_plain(part)
        ]
        self._status = [
            register_status(rule, slots[rule.input], tuple(parts))
            for rule in modbus.status
            if rule.input in slots
        ]

    def decode(self, answers: Sequence[bytes | None]) -> list[Value]:
        """Return the values of one poll: plain ones, those with more to them, derived ones.

        Raises: ValueError if there are not as many answers as blocks, or one has the wrong length.
        """
        raws: list[Raw] = []
        for extractor, answer in zip(self._extractors, answers, strict=True):
            raws += extractor(answer)
        values: list[Value] = []
        add, normal = values.append, Quality.NORMAL
        for name, slot, num, den, offset in self._plain:
            raw = raws[slot]
            if raw is None:
                add(no_value(name, Quality.COMMUNICATION))
                continue
            value = raw * num / den + offset
            if value - value == 0.0:  # false of inf and nan, and quicker than math.isfinite
                add(Value(name, value, normal))
            else:
                add(no_value(name, Quality.FAULT))
        values += [special(raws) for special in self._others]
        for rule in self._status:
            if quality := rule(raws):
                values = flag(values, quality, rule.measurements)
        if self._derived:
            values += derive(self._derived, values, self._installed)
        return values


def _layout(blocks: Sequence[Block], points: Mapping[str, Point]) -> list[dict[str, Point]]:
    """Return for each block the points to take from it: each from the first that holds it whole."""
    left = dict(points)
    layout: list[dict[str, Point]] = []
    for block in blocks:
        inside = {
            name: point
            for name, point in left.items()
            if point.function == block.function
            and block.address <= point.address
            and point.address + point.count <= block.address + block.count
        }
        layout.append(inside)
        left = {name: point for name, point in left.items() if name not in inside}
    return layout


def _is_plain(part: RegisterMeasurement) -> bool:
    return not (part.sentinels or part.enum or inputs_of(part))


def _scale(name: str, part: RegisterMeasurement) -> tuple[float, float, float]:
    way: Linear = finish(name, part).linear
    return way.num, way.den, way.offset


def _special(
    name: str, part: RegisterMeasurement, modbus: Modbus, slots: Mapping[str, int]
) -> Callable[[Sequence[Raw]], Value]:
    """Return the way from all raw numbers to the value of a measurement that is not plain."""
    sentinels = {_as_type(part, raw): quality for raw, quality in sentinels_of(part).items()}
    if inputs_of(part):
        return follower(name, part, modbus.inputs, slots, sentinels)
    slot, last = slots[name], finish(name, part, by_number(part.enum), sentinels)

    def special(raws: Sequence[Raw]) -> Value:
        raw = raws[slot]
        return no_value(name, Quality.COMMUNICATION) if raw is None else last(raw)

    return special


def _as_type(point: Point, raw: float) -> float:
    """Return a number as its type holds it: a float32 sentinel of -999.9 is not quite that."""
    letter = {"float16": "e", "float32": "f"}.get(point.type)
    return raw if letter is None else float(struct.unpack(letter, struct.pack(letter, raw))[0])
