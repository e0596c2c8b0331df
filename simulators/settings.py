"""What a technician sets on a device: units, decimals, scales; and statuses that say all is well.

Pure: a profile and usual values in, raw numbers of the profile's inputs out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from contract.quantities import quantity_of
from contract.units import convert
from device_profiles.schema import Input, Modbus, Profile, RegisterMeasurement, StatusRule
from simulators.encode import RegisterMap, nearest
from simulators.words import limits

_HEADROOM = 4.0  # a device's scale leaves room for four times its usual value
_MOST_DECIMALS = 3
_STATUSES_TRIED = 16


def set_up(
    profile: Profile, usual: Mapping[str, float], chosen: Mapping[str, int] | None = None
) -> RegisterMap:
    """Set a device up as a technician would: units and decimals that fit its usual values.

    Args:    usual: measurement -> the canonical value that scales must have room for.
             chosen: input -> raw number, where that is settled already.
    Raises:  ValueError if the profile has no modbus block, or `chosen` names no input of it.
    """
    modbus = profile.modbus
    if modbus is None:
        raise ValueError(f"{profile.name} is no Modbus profile")
    settings = dict(chosen or {})
    for name in settings:
        if name not in modbus.inputs:
            raise ValueError(
                f"{profile.name} has no input {name!r}; it has {', '.join(modbus.inputs)}"
            )
    # Units first: how many decimals fit depends on them.
    for name in sorted(modbus.inputs, key=lambda name: modbus.inputs[name].units is None):
        if name not in settings:
            settings[name] = _setting(modbus, name, usual, settings)
    return RegisterMap(name=profile.name, modbus=modbus, settings=settings)


def _setting(
    modbus: Modbus, name: str, usual: Mapping[str, float], settings: Mapping[str, int]
) -> int:
    point = modbus.inputs[name]
    for key, measurement in modbus.measurements.items():
        if measurement.unit_from == name and point.units:
            return _unit_setting(point.units, quantity_of(key).unit)
        if measurement.decimals_from == name:
            unit = _unit_set(modbus, measurement, settings)
            need = abs(convert(usual.get(key, 0.0), quantity_of(key).unit, unit))
            return _decimals_setting(point, measurement, need * _HEADROOM)
        if measurement.scale_from == name:
            return 1 if point.enum is None else nearest(point.enum, 1.0)
    return _normal_setting(point, [rule for rule in modbus.status if rule.input == name])


def _unit_setting(units: Mapping[int, str], canonical: str) -> int:
    return next((raw for raw, unit in units.items() if unit == canonical), min(units))


def _unit_set(modbus: Modbus, measurement: RegisterMeasurement, settings: Mapping[str, int]) -> str:
    if not measurement.unit_from:
        return measurement.unit
    return (modbus.inputs[measurement.unit_from].units or {})[settings[measurement.unit_from]]


def _decimals_setting(point: Input, measurement: RegisterMeasurement, need: float) -> int:
    """Return the raw number for the most decimals with which the type still carries `need`."""
    _, highest = limits(measurement.type, measurement.bits)
    room = highest * abs(measurement.scale)
    choices = point.enum or {raw: float(raw) for raw in range(_MOST_DECIMALS + 1)}
    fitting = [raw for raw, decimals in choices.items() if need * 10.0**decimals <= room]
    return max(fitting, key=lambda raw: choices[raw], default=min(choices))


def _normal_setting(point: Input, rules: Iterable[StatusRule]) -> int:
    """Return the lowest raw number that every status rule calls normal; 0 if none does."""
    if point.type.startswith("string"):
        return 0
    rules = tuple(rules)
    _, highest = limits(point.type, point.bits)
    candidates = {*range(_STATUSES_TRIED), *(raw for rule in rules for raw in rule.values)}
    return next(
        (
            raw
            for raw in sorted(candidates)
            if raw <= highest and all(_is_normal(rule, raw) for rule in rules)
        ),
        0,
    )


def _is_normal(rule: StatusRule, raw: int) -> bool:
    if any(raw >> bit & 1 and quality != "normal" for bit, quality in rule.bits.items()):
        return False
    return rule.values.get(raw, rule.otherwise) == "normal"
