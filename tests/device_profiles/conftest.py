"""A small right profile of each protocol, and a way to change it and load it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from device_profiles.loader import parse_profile
from device_profiles.schema import Profile

# Nothing may depend on how fast the machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

MODBUS = """\
kind: water
maker: Acme
model: D1
title: {zh: 探头, en: probe}
source: the manual
modbus:
  serial: {baud: 9600}
  measurements:
    water_do: {address: 0x0010, type: float32, unit: mg/L, range: [0, 20]}
    water_temperature: {address: 0x0012, type: int16, unit: Cel, scale: 0.1}
  inputs:
    error: {address: 0x0013}
  status:
    - {input: error, values: {0: normal}, otherwise: fault}
vectors:
  - request: 01 03 00 10 00 04 45 CC
    frame: 01 03 08 41 02 00 00 00 B9 00 00 A2 0E
    expect: {water_do: 8.125, water_temperature: 18.5}
    source: the manual, page 3
"""

MQTT = """\
kind: manhole
maker: Acme
model: T1
title: {zh: 井盖, en: cover}
source: the manual
mqtt:
  envelopes: [none]
  topic: covers/{device}/up
  time: at
  measurements:
    angle_x: {path: angles.x, unit: deg}
    battery: {path: battery, unit: "%"}
    cover_open: {path: state, unit: "1", enum: {closed: 0, open: 1}}
  status:
    - {path: health, values: {broken: fault, testing: calibration}, measurements: [angle_x]}
derived:
  tilt: {how: change_from_installed, of: [angle_x]}
vectors:
  - frame: '{"at": "2026-11-22T08:00:00Z", "angles": {"x": 3}}'
    topic: covers/a1/up
    device: a1
    time: 2026-11-22T08:00:00Z
    installed: {angle_x: 1}
    expect: {angle_x: 3, tilt: 2}
    source: the manual, page 4
"""

HJ212 = """\
kind: noise
maker: Acme
model: N1
title: {zh: 噪声站, en: noise station}
source: the standard
hj212:
  system: "23"
  measurements:
    noise_la: {factor: LA, unit: dB(A)}
    noise_laeq: {factor: Leq, command: "2051", suffix: Data, unit: dB(A)}
vectors:
  - frame: "##0122QN=20160801085857223;ST=23;CN=2011;PW=123456;MN=010000A8900016F000169DC0;\\
      Flag=5;CP=&&DataTime=20160801085857;LA-Rtd=50.1&&0880"
    time: 2016-08-01T08:58:57+08:00
    expect: {noise_la: 50.1}
    source: the standard, table C.25
"""

TEXTS = {"modbus": MODBUS, "mqtt": MQTT, "hj212": HJ212}

Build = Callable[..., Profile]


@pytest.fixture
def texts() -> dict[str, str]:
    """The right profiles' texts by protocol."""
    return TEXTS


@pytest.fixture
def build() -> Build:
    """Load one of the right profiles, some of its text replaced."""

    def load(protocol: str, *changes: tuple[str, str]) -> Profile:
        text = TEXTS[protocol]
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return parse_profile(text, Path("x.yaml"))

    return load
