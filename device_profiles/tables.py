"""Profiles as text for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from contract.quantities import quantity_of
from device_profiles.schema import (
    FactorMeasurement,
    Measurement,
    PayloadMeasurement,
    Profile,
    RegisterMeasurement,
)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out in columns; the first row is the heading. Chinese characters count double."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def row_of(profile: Profile) -> tuple[str, ...]:
    """Return a profile's row in the list."""
    proven = any(vector.proves for vector in profile.vectors)
    return (
        profile.name,
        profile.protocol,
        str(len(profile.measurement_names())),
        f"{len(profile.vectors)} {'proven' if proven else 'synthetic'}",
        profile.title.en,
        profile.title.zh,
    )


HEADING = ("NAME", "PROTOCOL", "VALUES", "VECTORS", "MODEL", "型号")


def page(profile: Profile) -> str:
    """Return all that a person wants to know of a profile."""
    rows = [("MEASUREMENT", "WHERE", "UNIT", "RANGE", "量")]
    ranges = profile.ranges()
    for name in profile.measurement_names():
        low, high = ranges[name]
        part = profile.measured().get(name)
        quantity = quantity_of(name)
        where = place(part) if part is not None else _derivation(profile, name)
        rows.append((name, where, quantity.unit, f"{low:g} to {high:g}", quantity.zh))
    lines = [
        f"{profile.name}  {profile.maker} {profile.model}",
        f"{profile.title.en}  {profile.title.zh}",
        f"protocol  {_protocol(profile)}",
        f"period    {profile.period_s:g} s",
        f"source    {profile.source}",
        *([f"manual    {profile.manual}"] if profile.manual else []),
        *([f"notes     {profile.notes}"] if profile.notes else []),
        "",
        table(rows),
        "",
        *(f"vector {at}: {vector.source.strip()}" for at, vector in enumerate(profile.vectors, 1)),
    ]
    return "\n".join(lines)


def place(part: Measurement) -> str:
    """Return where a measurement is, in a few words."""
    match part:
        case RegisterMeasurement():
            bits = f" bits {part.bits[0]}-{part.bits[1]}" if part.bits else ""
            return f"FC{part.function} {part.address:#06x} {part.type} {part.order}{bits}"
        case PayloadMeasurement():
            return part.path
        case FactorMeasurement():
            return f"CN={part.command} {part.factor}{'-' + part.suffix if part.suffix else ''}"


def _derivation(profile: Profile, name: str) -> str:
    derived = profile.derived.get(name)
    return "network server" if derived is None else f"{derived.how} of {', '.join(derived.of)}"


def _protocol(profile: Profile) -> str:
    if profile.modbus is not None:
        serial = profile.modbus.serial
        bits = f"{serial.data_bits}{serial.parity[0].upper()}{serial.stop_bits}"
        return f"Modbus, out of the box {serial.baud} {bits}, unit {serial.unit_id}"
    if profile.mqtt is not None:
        return f"MQTT JSON, {' or '.join(profile.mqtt.envelopes)} {profile.mqtt.topic}".rstrip()
    return f"HJ 212, ST={profile.hj212.system}" if profile.hj212 is not None else ""
