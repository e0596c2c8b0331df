"""docs/profiles.md knows every key, and its whole example is a right profile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec.inspect as types
import pytest

from device_profiles.core.prove import prove
from device_profiles.loader import parse_profile
from device_profiles.schema import (
    ByteOrder,
    Derivation,
    Derived,
    EnvelopeName,
    Expected,
    FactorMeasurement,
    Hj212,
    Input,
    Modbus,
    Mqtt,
    PayloadMeasurement,
    PayloadStatus,
    ProfileFile,
    QualityName,
    RegisterMeasurement,
    Requests,
    Sentinel,
    Serial,
    Start,
    StatusRule,
    Vector,
    Write,
    WriteVector,
)

TEXT = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
PARTS = (
    Derived, Expected, FactorMeasurement, Hj212, Input, Modbus, Mqtt, PayloadMeasurement,
    PayloadStatus, ProfileFile, RegisterMeasurement, Requests, Sentinel, Serial, Start, StatusRule,
    Vector, Write, WriteVector,
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_every_key_is_documented(part: type) -> None:
    kind = types.type_info(part)
    assert isinstance(kind, types.StructType)
    missing = [field.name for field in kind.fields if f"`{field.encode_name}`" not in TEXT]
    assert not missing


def test_every_order_envelope_quality_and_derivation_is_documented() -> None:
    words = [*get_args(QualityName), *get_args(Derivation), *get_args(EnvelopeName)]
    assert [word for word in words if f"`{word}`" not in TEXT] == []
    assert [order for order in get_args(ByteOrder) if order not in TEXT] == []


def test_the_whole_example_is_a_right_profile() -> None:
    blocks = re.findall(r"^```yaml\n(kind:.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    profile = parse_profile(blocks[0], Path("water/yosemitech-y511.yaml"))
    assert prove(profile, profile.vectors[0]) == []
