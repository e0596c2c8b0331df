"""The shipped profiles: enough of each kind, all right, all proven as far as they say."""

from __future__ import annotations

from collections import Counter

import pytest

from contract.quantities import Kind
from device_profiles.core.decode import Block, compile_decoder
from device_profiles.core.prove import prove
from device_profiles.loader import CATALOG, catalog, load_profile
from device_profiles.schema import Profile

PROFILES = [load_profile(name) for name in catalog()]


def each() -> list[object]:
    return [pytest.param(profile, id=profile.name) for profile in PROFILES]


def test_there_are_enough_of_every_kind() -> None:
    kinds = Counter(profile.kind for profile in PROFILES)
    assert sum(kinds.values()) >= 26
    assert all(kinds[kind] >= 4 for kind in Kind)
    assert {f"{kind}/generic-mqtt" for kind in Kind} <= set(catalog())


def test_all_files_of_the_catalog_are_found() -> None:
    assert len(list(CATALOG.rglob("*"))) == len(PROFILES) + len(Kind)


def test_the_field_that_the_product_was_made_for_is_covered() -> None:
    names = set(catalog())
    assert {
        "noise/rs485-sound",
        "noise/gemho-noise",
        "noise/hj212-noise-station",
        "dust/cwt-uwd-sws",
        "dust/rs485-pm-transmitter",
        "dust/deltaohm-pmsense",
        "dust/siemens-qsa2700d",
        "dust/hj212-dust-station",
        "water/yosemitech-y504",
        "water/yosemitech-y511",
        "water/yosemitech-y532",
        "water/yosemitech-y560",
        "water/seeed-s-ph-01",
        "water/seeed-s-rjy-01",
        "water/milesight-em500-swl",
        "gas/pressure-transmitter-a",
        "gas/pressure-transmitter-b",
        "gas/fuxin-gas-meter",
        "gas/sga-457",
        "manhole/milesight-em310-tilt",
        "manhole/milesight-em310-udl",
        "manhole/dragino-ts01-lb",
        "manhole/witmotion-wt901c485",
    } <= names


@pytest.mark.parametrize("profile", each())
def test_every_vector_decodes_as_its_source_says(profile: Profile) -> None:
    for vector in profile.vectors:
        assert prove(profile, vector) == []


@pytest.mark.parametrize("profile", each())
def test_every_measurement_is_in_a_vector(profile: Profile) -> None:
    expected = {name for vector in profile.vectors for name in vector.expect}
    assert expected == set(profile.measurement_names())


@pytest.mark.parametrize("profile", each())
def test_every_shipped_profile_names_its_schema(profile: Profile) -> None:
    first = (CATALOG / f"{profile.name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../schema.json"


@pytest.mark.parametrize("profile", each())
def test_a_device_that_does_not_answer_has_no_value_for_each(profile: Profile) -> None:
    if profile.modbus is None:
        return
    points = profile.modbus.points().values()
    blocks = [Block(point.function, point.address, point.count) for point in points]
    values = compile_decoder(profile, blocks).decode([None] * len(blocks))
    assert {value.measurement for value in values} == set(profile.measurement_names())
    assert all(value.value is None and value.quality for value in values)


def test_at_least_one_profile_of_every_protocol_is_proven_from_outside() -> None:
    proven = {profile.protocol for profile in PROFILES if any(v.proves for v in profile.vectors)}
    assert proven == {"modbus", "mqtt", "hj212"}
