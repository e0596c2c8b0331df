"""What the simulators encode the decoder must decode: every profile of the catalogue.

The two were written apart from the same schema, so that a misreading shows as a difference.
"""

from __future__ import annotations

import math
import random
import struct

import pytest

from contract.quality import Quality
from device_profiles.core.decode import Block, compile_decoder
from device_profiles.core.payload import compile_payload_decoder
from device_profiles.loader import catalog, load_profile
from device_profiles.schema import Profile
from simulators.devices import Sensor
from simulators.encode import Encoded, RegisterMap
from simulators.modbus_frames import answer
from simulators.settings import set_up
from simulators.signals import Street
from simulators.uplinks import uplink

NOON_MS = 1_795_320_000_000
PROFILES = {name: load_profile(name) for name in catalog()}
MODBUS = sorted(name for name, profile in PROFILES.items() if profile.protocol == "modbus")
MQTT = sorted(name for name, profile in PROFILES.items() if profile.protocol == "mqtt")


def sensor_of(profile: Profile, seed: int = 0) -> Sensor:
    return Sensor(profile=profile, street=Street(device="one", seed=seed))


def decoded(profile: Profile, registers: RegisterMap, encoded: Encoded) -> dict[str, float]:
    """Read every point by a request of its own and decode the answers."""
    blocks, answers = [], []
    for span in registers.spans.values():
        count = len(span.addresses)
        blocks.append(Block(span.function, span.addresses.start, count))
        request = struct.pack(">BHH", span.function, span.addresses.start, count)
        reply = answer(request, encoded.image)
        assert reply[0] == span.function, f"refused with {reply[1]}"
        answers.append(reply[2:])
    values = compile_decoder(profile, blocks).decode(answers)
    assert all(value.quality is Quality.NORMAL for value in values), values
    return {value.measurement: value.value for value in values if value.value is not None}


def agree(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-9)


@pytest.mark.parametrize("name", MODBUS)
def test_usual_values_come_back(name: str) -> None:
    profile = PROFILES[name]
    for seed in range(5):
        sensor = sensor_of(profile, seed)
        registers = set_up(profile, sensor.usual())
        wanted = sensor.measure(NOON_MS + seed * 1000, -1.0)
        encoded = registers.encode(wanted)
        found = decoded(profile, registers, encoded)
        for key, value in encoded.values.items():
            assert agree(found[key], value), key
            step = registers.resolution(key) / 2 + abs(wanted[key]) * 1e-3
            if profile.modbus is not None and profile.modbus.measurements[key].enum is None:
                assert abs(found[key] - wanted[key]) <= step + 1e-9, key


@pytest.mark.parametrize("name", MODBUS)
def test_any_plausible_value_comes_back(name: str) -> None:
    profile = PROFILES[name]
    ranges = profile.ranges()
    dice = random.Random(name)
    registers = set_up(profile, sensor_of(profile).usual())
    for _ in range(50):
        values = {key: dice.uniform(*ranges[key]) for key in profile.measured()}
        encoded = registers.encode(values)
        found = decoded(profile, registers, encoded)
        assert all(agree(found[key], value) for key, value in encoded.values.items())


@pytest.mark.parametrize("name", MODBUS)
def test_every_unit_scale_and_decimals_setting_comes_back(name: str) -> None:
    profile = PROFILES[name]
    assert profile.modbus is not None
    usual = sensor_of(profile).usual()
    for key, point in profile.modbus.inputs.items():
        followers = {
            part.unit_from or part.scale_from or part.decimals_from
            for part in profile.modbus.measurements.values()
            if key in (part.unit_from, part.scale_from, part.decimals_from)
        }
        for raw in {**(point.units or {}), **(point.enum or {})} if followers else ():
            registers = set_up(profile, usual, {key: raw})
            encoded = registers.encode(usual)
            found = decoded(profile, registers, encoded)
            assert all(agree(found[name], value) for name, value in encoded.values.items()), raw


@pytest.mark.parametrize("name", MQTT)
def test_published_values_come_back(name: str) -> None:
    profile = PROFILES[name]
    decoder = compile_payload_decoder(profile)
    for seed in range(5):
        values = sensor_of(profile, seed).measure(NOON_MS, -1.0)
        message = uplink(
            profile,
            address="24e124713c100001",
            name="one",
            values=values,
            sampled_ms=NOON_MS + 250,
            count=seed,
        )
        found = decoder.decode(message.payload, message.topic)
        assert found is not None
        assert found.device_address == "24e124713c100001"
        assert found.observed_ms in (NOON_MS + 250, NOON_MS)  # some tell whole seconds
        by_name = {value.measurement: value for value in found.values}
        for key, value in message.values.items():
            assert by_name[key].quality is Quality.NORMAL, key
            told = by_name[key].value
            assert told is not None
            assert agree(told, value), key


@pytest.mark.parametrize("name", sorted(n for n, p in PROFILES.items() if p.derived))
@pytest.mark.parametrize("wanted", [0.0, 4.0, 25.0, 80.0])
def test_derived_values_come_back(name: str, wanted: float) -> None:
    profile = PROFILES[name]
    for key, derived in profile.derived.items():
        low, high = profile.ranges()[key]
        if not low <= wanted <= high:
            continue
        street = Street(device="one", bases={key: wanted})
        installed = dict.fromkeys(profile.installed_needed(), 40.0) | derived.installed
        sensor = Sensor(profile=profile, street=street, installed=installed)
        values = sensor.measure(NOON_MS, -1.0)
        told = street.value(key, NOON_MS, -1.0)
        if profile.protocol == "mqtt":
            message = uplink(
                profile, address="ab12", name="one", values=values, sampled_ms=NOON_MS, count=1
            )
            decoder = compile_payload_decoder(profile)
            found = decoder.decode(message.payload, message.topic, {"ab12": installed})
            assert found is not None
            back = {value.measurement: value.value for value in found.values}
        else:
            registers = set_up(profile, values)
            spans = registers.spans.values()
            blocks = [
                Block(span.function, span.addresses.start, len(span.addresses)) for span in spans
            ]
            image = registers.encode(values).image
            answers = [
                answer(struct.pack(">BHH", b.function, b.address, b.count), image)[2:]
                for b in blocks
            ]
            decoder_of_registers = compile_decoder(profile, blocks, installed)
            back = {v.measurement: v.value for v in decoder_of_registers.decode(answers)}
        assert back[key] == pytest.approx(told, abs=0.6), key
