"""Which requests bring certain measurements, and which one writes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from device_profiles.core.encode import COIL_OFF, COIL_ON, back_block
from device_profiles.core.following import inputs_of
from device_profiles.core.values import Block
from device_profiles.schema import Modbus, Profile, Write
from edge.core.modbus import WRITE_COIL, WRITE_REGISTER, Request


def places_of(
    profile: Profile, blocks: Sequence[Block], measurements: Collection[str]
) -> tuple[int, ...]:
    """Return which requests of a poll plan are needed for certain measurements.

    Args:    profile: one of a Modbus device. blocks: its plan.
    Returns: places in `blocks`, in their order; of what the measurements are made of, and of what
             tells their unit, scale and quality.
    """
    if profile.modbus is None:
        raise ValueError(f"{profile.name} is not polled over Modbus")
    names = set(measurements)
    for name in measurements:
        names.update(profile.derived[name].of if name in profile.derived else ())
    points = profile.modbus.points()
    needed = [points[name] for name in names | _inputs(profile.modbus, names) if name in points]
    return tuple(
        place
        for place, block in enumerate(blocks)
        if any(
            point.function == block.function
            and block.address <= point.address < block.address + block.count
            for point in needed
        )
    )


def write_request(unit_id: int, write: Write, data: bytes) -> Request:
    """Return the request that writes what encode_write returned."""
    if write.function == WRITE_COIL:
        value = int.from_bytes(COIL_ON if data[0] else COIL_OFF, "big")
        return Request(unit_id=unit_id, function=5, address=write.address, value=value)
    if write.function == WRITE_REGISTER:
        value = int.from_bytes(data, "big")
        return Request(unit_id=unit_id, function=6, address=write.address, value=value)
    return Request(
        unit_id=unit_id,
        function=write.function,
        address=write.address,
        count=back_block(write).count,
        data=data,
    )


def _inputs(modbus: Modbus, names: Collection[str]) -> set[str]:
    """Return the inputs that measurements follow, and those that say how good they are."""
    found = {
        of for name, part in modbus.measurements.items() if name in names for of in inputs_of(part)
    }
    for rule in modbus.status:
        if not rule.measurements or any(name in names for name in rule.measurements):
            found.add(rule.input)
    return found
