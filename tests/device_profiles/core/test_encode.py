"""What is written: within limits, in the profile's byte order, and the same when read back."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.core.encode import (
    back_block,
    decode_back,
    encode_write,
    limits_of,
    written_pdu,
)
from device_profiles.core.prove import prove_write
from device_profiles.core.values import Block
from device_profiles.loader import catalog, load_profile
from device_profiles.schema import RegisterType, Write, WriteVector

INTERVAL = Write(address=0x3200, function=16, order="DCBA", unit="min", low=5, high=1440)
SPAN = Write(address=0x10, scale=0.1, unit="kPa", low=-5, high=50, type="int16")
MODE = Write(address=7, values={"measure": 0, "calibrate": 9})
RELAY = Write(address=3, function=5, type="bit", values={"open": 0, "closed": 1})


@pytest.mark.parametrize(
    ("write", "value", "pdu"),
    [
        pytest.param(INTERVAL, 30, "10 3200 0001 02 1E00", id="low byte first"),
        pytest.param(SPAN, -0.3, "06 0010 FFFD", id="scaled, negative"),
        pytest.param(SPAN, 23.9, "06 0010 00EF", id="without the dust of binary fractions"),
        pytest.param(MODE, "calibrate", "06 0007 0009", id="by name"),
        pytest.param(RELAY, "closed", "05 0003 FF00", id="coil on"),
        pytest.param(RELAY, "open", "05 0003 0000", id="coil off"),
        pytest.param(
            Write(address=3, function=15, type="bit", low=0, high=1),
            1,
            "0F 0003 0001 01 01",
            id="function 15",
        ),
        pytest.param(
            Write(address=0, function=16, type="float32", order="CDAB", low=0, high=99),
            17.625,
            "10 0000 0002 04 0000418D",
            id="float, registers swapped",
        ),
        pytest.param(
            Write(address=0, function=16, type="bcd32", low=0, high=99_999_999),
            12_345_678,
            "10 0000 0002 04 12345678",
            id="decimals",
        ),
    ],
)
def test_the_bytes_are_those_of_the_specification(
    write: Write, value: float | str, pdu: str
) -> None:
    """MODBUS Application Protocol v1.1b3 §6.5, §6.6, §6.11, §6.12."""
    data = encode_write(write, value)
    assert written_pdu(write, data) == bytes.fromhex(pdu)
    assert decode_back(write, data) == pytest.approx(value)


@pytest.mark.parametrize(
    ("write", "value", "why"),
    [
        (INTERVAL, 4, "4 may not be written; allowed: 5 to 1440 min, in steps of 1"),
        (INTERVAL, 1441, "1441 may not be written"),
        (INTERVAL, 5.5, "5.5 is between two steps"),
        (INTERVAL, float("nan"), "nan is no number"),
        (INTERVAL, float("inf"), "inf is no number"),
        (INTERVAL, "30", "'30' is no number"),
        (INTERVAL, True, "True is no number"),
        (SPAN, 0.25, "0.25 is between two steps; allowed: -5 to 50 kPa, in steps of 0.1"),
        (MODE, "reset", "'reset' may not be written; allowed: measure, calibrate"),
        (MODE, 9, "9 may not be written"),
        (MODE, "", "'' may not"),
    ],
)
def test_what_the_profile_does_not_allow_is_refused(
    write: Write, value: float | str, why: str
) -> None:
    with pytest.raises(ValueError, match="allowed") as told:
        encode_write(write, value)
    assert str(told.value).startswith(why)


def test_limits_are_told_for_people() -> None:
    assert limits_of(MODE) == "measure, calibrate"
    floating = Write(address=1, function=16, type="float32", low=0, high=2)
    assert limits_of(floating) == "0 to 2"


TYPES: list[RegisterType] = ["uint16", "int16", "uint32", "int32", "uint64", "bcd16", "bcd32"]


@given(
    st.sampled_from(TYPES),
    st.sampled_from(["ABCD", "DCBA", "BADC", "CDAB"]),
    st.integers(0, 9_999),
    st.sampled_from([1.0, 0.1, 0.01, 5.0]),
)
def test_what_is_written_is_what_is_read_back(
    kind: RegisterType, order: str, raw: int, scale: float
) -> None:
    write = Write(
        address=0,
        function=16,
        type=kind,
        order=order,  # type: ignore[arg-type]
        scale=scale,
        low=0,
        high=99_999,
    )
    value = float(f"{raw * scale:.6g}")
    data = encode_write(write, value)
    assert len(data) == 2 * back_block(write).count
    assert decode_back(write, data) == pytest.approx(value)


def test_read_back_is_asked_of_the_same_place() -> None:
    assert back_block(RELAY) == Block(1, 3, 1)
    assert back_block(INTERVAL) == Block(3, 0x3200, 1)
    broken = Write(address=0, function=16, type="float32", low=0, high=9)
    assert decode_back(broken, struct.pack(">f", float("nan"))) is None
    assert decode_back(MODE, b"\x00\x05") == 5  # a number that has no name


def test_a_vector_tells_wrong_bytes_from_right_ones() -> None:
    right = WriteVector(value=30, request="10 32 00 00 01 02 1E 00", framing="pdu", source="x")
    assert prove_write(INTERVAL, right) == []
    wrong = WriteVector(value=30, request="10 32 00 00 01 02 00 1E", framing="pdu", source="x")
    assert prove_write(INTERVAL, wrong) == [
        "30 is written as 10 32 00 00 01 02 1E 00; expected 10 32 00 00 01 02 00 1E"
    ]
    beyond = WriteVector(value=3, request="10 32", framing="pdu", source="x")
    assert "may not be written" in prove_write(INTERVAL, beyond)[0]


def test_every_write_of_the_catalog_is_proven_by_a_vector() -> None:
    for name in catalog():
        modbus = load_profile(name).modbus
        for write in (modbus.writes if modbus else {}).values():
            assert write.vectors
            assert [prove_write(write, vector) for vector in write.vectors] == [[]]
