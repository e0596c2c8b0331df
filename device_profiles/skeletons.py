"""The texts that `gridwarden profile new` begins with: a worked example, and blanks to fill in."""

from __future__ import annotations

from contract.quantities import QUANTITIES, Kind
from device_profiles.core.hj212 import crc
from device_profiles.schema import Protocol

# The measurement that each kind is bought for, and what is plausible.
_MAIN: dict[Kind, tuple[str, str]] = {
    Kind.NOISE: ("noise_la", "[25, 135]"),
    Kind.DUST: ("pm10", "[0, 1000]"),
    Kind.WATER: ("water_turbidity", "[0, 1000]"),
    Kind.GAS: ("gas_pressure", "[0, 1000]"),
    Kind.MANHOLE: ("tilt", "[0, 180]"),
}

_HEAD = """\
# yaml-language-server: $schema={schema}
# A device profile. Fill in what is "": `gridwarden profile check {path}` says what is left;
# `gridwarden profile test {path}` then decodes the vectors. docs/profiles.md explains every key.
kind: {kind}
maker: ""                 # who makes it
model: ""                 # the maker's name for it
title: {{zh: "", en: ""}}   # what people call it
# manual: title, edition, address
source: ""                # where you have the map from, and how sure it is
period_s: 60              # seconds between two readings
"""

_MODBUS = """\
modbus:
  serial: {{baud: 9600, parity: none, stop_bits: 1, unit_id: 1}}    # out of the box
  registers_count_from: 0   # 1 if the manual calls the first register 1 (40001 is then 1)
  function: 3               # 3 holding registers, 4 input registers, 1 coils, 2 inputs
  order: ABCD               # of the bytes; others: CDAB, BADC, DCBA
  measurements:
    # Worked example: register 0 holds tenths of a unit, so 599 is 59.9. Put your own here.
    {name}: {{address: 0x0000, type: uint16, unit: "{unit}", scale: 0.1, range: {range}}}
    # two registers:      {{address: 0x0002, type: float32, order: CDAB, unit: "{unit}"}}
    # “no value” is told: {{…, sentinels: [{{raw: 0x7FFF}}]}}
    # unit from a register: {{address: 4, type: int16, unit_from: pressure_unit}}
  # inputs:
  #   pressure_unit: {{address: 2, units: {{0: MPa, 1: kPa}}}}
  #   error: {{address: 0x0010}}
  # status:
  #   - {{input: error, values: {{0: normal}}, otherwise: fault}}
vectors:
  # A request and its answer, byte for byte, from the manual or caught on the line. This one fits
  # the example above.
  - request: 01 03 00 00 00 01 84 0A
    frame: 01 03 02 02 57 F8 DA
    expect: {{{name}: 59.9}}
    source: ""              # manual and page, address, or: synthetic (made up, proves nothing)
"""

_MQTT = """\
mqtt:
  envelopes: [none]         # or chirpstack-v4, ttn-v3: then leave topic, device, time, root out
  topic: sensors/{{device}}/up
  time: time                # JMESPath to the device's own time
  measurements:
    # Worked example: {{"values": {{"v": 59.9}}}}. Put your own here.
    {name}: {{path: values.v, unit: "{unit}", range: {range}}}
vectors:
  # A payload as it came, and what it means. This one fits the example above.
  - frame: '{{"time": "2026-11-22T08:00:00Z", "values": {{"v": 59.9}}}}'
    topic: sensors/a1/up
    device: a1
    time: 2026-11-22T08:00:00Z
    expect: {{{name}: 59.9}}
    source: ""              # where the payload is published, or: synthetic (proves nothing)
"""

_HJ212 = """\
hj212:
  system: "{system}"              # ST
  measurements:
    # Worked example: a real-time value (CN=2011) of factor {factor}. Put your own here.
    {name}: {{factor: {factor}, unit: "{unit}", range: {range}}}
vectors:
  # A frame as it came, from ## to the check. This one fits the example above.
  - frame: "{frame}"
    time: 2016-08-01T08:58:57+08:00
    expect: {{{name}: 59.9}}
    source: ""              # where the frame is published, or: synthetic (proves nothing)
"""

# ST of the kinds that have stations of their own.
_SYSTEMS = {Kind.NOISE: "23", Kind.DUST: "22", Kind.WATER: "21"}

_BODIES: dict[Protocol, str] = {"modbus": _MODBUS, "mqtt": _MQTT, "hj212": _HJ212}


def skeleton(kind: Kind, protocol: Protocol, path: str, schema: str) -> str:
    """Return the text of a new profile; path: where it will be; schema: schema.json's address.

    Raises: ValueError if no station of this kind speaks the protocol.
    """
    name, span = _MAIN[kind]
    if protocol == "hj212" and kind not in _SYSTEMS:
        raise ValueError(f"HJ 212 has no factors for {kind}; use modbus or mqtt")
    quantity = QUANTITIES[name]
    system = _SYSTEMS.get(kind, "")
    return (_HEAD + _BODIES[protocol]).format(
        kind=kind,
        path=path,
        schema=schema,
        name=name,
        unit=quantity.unit,
        range=span,
        factor=quantity.hj212,
        system=system,
        frame=_frame(system, quantity.hj212),
    )


def _frame(system: str, factor: str) -> str:
    segment = (
        f"QN=20160801085857223;ST={system};CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
        f"CP=&&DataTime=20160801085857;{factor}-Rtd=59.9&&"
    )
    return f"##{len(segment):04d}{segment}{crc(segment.encode()):04X}"
