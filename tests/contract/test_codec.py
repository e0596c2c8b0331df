from __future__ import annotations

import json
import math

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from contract import codec
from contract.codec import Decoded, Rejected, decode_batch, decode_senml, encode_batch
from contract.errors import DecodeError
from contract.quality import Quality
from contract.quantities import QUANTITIES
from contract.readings import Batch, Gap, Reading

NOW_MS = 1_790_000_000_000

qualities = st.integers(0, 1023).map(Quality)
readings = st.builds(
    lambda device, key, channel, ms, value, quality: Reading(
        device, f"{key}.{channel}" if channel else key, ms, value, quality
    ),
    st.sampled_from(["noise-01", "gas-7", "a"]),
    st.sampled_from(sorted(QUANTITIES)),
    st.sampled_from(["", "inlet", "2"]),
    st.integers(NOW_MS - 10**10, NOW_MS + 10**10),
    st.floats(allow_nan=False, allow_infinity=False),
    qualities,
) | st.builds(
    lambda ms, quality: Reading("dust-1", "pm10", ms, None, quality),
    st.integers(NOW_MS, NOW_MS + 10**9),
    qualities.filter(bool),
)
batches = st.builds(
    lambda seq, rs, synchronised: Batch(
        epoch="0123abcd", seq=seq, readings=tuple(rs), clock_synchronised=synchronised
    ),
    st.integers(1, codec.MAX_SEQ),
    st.lists(readings, max_size=30),
    st.booleans(),
)


@given(batches, st.booleans())
def test_what_is_encoded_is_decoded(batch: Batch, compress: bool) -> None:
    assert decode_batch(encode_batch(batch, compress=compress)) == Decoded(batch)


@given(batches)
def test_any_senml_reader_resolves_the_same_values(batch: Batch) -> None:
    """A plain RFC 8428 resolution, written here, independently of the codec."""
    name, time_s, found = "", 0.0, []
    for record in json.loads(encode_batch(batch, compress=False)):
        name, time_s = record.get("bn", name), record.get("bt", time_s)
        if "n" in record:
            found.append((name + record["n"], time_s + record.get("t", 0), record.get("v")))
    assert [(n, v) for n, _, v in found] == [
        (f"{r.device}:{r.measurement}", r.value) for r in batch.readings
    ]
    assert all(
        math.isclose(t, r.observed_ms / 1000, abs_tol=0.0005)
        for (_, t, _), r in zip(found, batch.readings, strict=True)
    )


@given(batches, st.data())
def test_damaged_bytes_are_refused_or_read_and_never_crash(
    batch: Batch, data: st.DataObject
) -> None:
    payload = bytearray(encode_batch(batch, compress=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 5))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_batch(bytes(payload))
    except DecodeError:
        return
    for reading in decoded.batch.readings:
        assert reading.value is None or math.isfinite(reading.value)


def test_gaps_travel_with_an_empty_batch() -> None:
    gap = Gap(
        first_seq=1, last_seq=9, first_ms=NOW_MS, last_ms=NOW_MS + 1, readings=70, reason="full"
    )
    batch = Batch(epoch="0123abcd", seq=10, readings=(), gaps=(gap,))
    assert decode_batch(encode_batch(batch)).batch == batch


def pack(*records: object) -> bytes:
    head = {"bn": "noise-01:", "bt": NOW_MS / 1000, "epoch": "0123abcd", "seq": 1}
    return json.dumps([head, *records]).encode()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"n": "loudness", "v": 1}, "unknown quantity 'loudness'"),
        ({"n": "noise_laeq", "v": "61"}, "Expected `float | null`, got `str`"),
        ({"n": "noise_laeq"}, "no numeric value"),
        ({"n": "noise_laeq", "vs": ""}, "no numeric value"),
        ({"n": "noise_laeq", "v": 1, "u": "kPa"}, "does not convert"),
        ({"n": "noise_laeq", "v": 1, "u": "furlong"}, "unknown unit"),
        ({"bn": "g:", "n": "gas_pressure", "v": 1e308, "u": "bar"}, "not finite in kPa"),
        ({"n": "noise_laeq", "v": 1, "q": "Z"}, "unknown quality 'Z'"),
        ({"n": "noise_laeq", "v": 1, "t": -NOW_MS / 1000}, "no absolute time"),
        ({"n": "noise_laeq.a b", "v": 1}, "channel"),
        ({"bn": "Noise 1:", "n": "noise_laeq", "v": 1}, "not <device>:<measurement>"),
        (7, "Expected `object`, got `int`"),
    ],
)
def test_a_bad_record_is_set_aside_and_its_neighbours_kept(record: object, reason: str) -> None:
    good = {"n": "noise_lmax", "v": 70}
    decoded = decode_batch(pack(good, record, {"bn": "noise-01:", **good, "t": 1}))
    assert [r.observed_ms - NOW_MS for r in decoded.batch.readings] == [0, 1000]
    assert [r.index for r in decoded.rejected] == [2]
    assert reason in decoded.rejected[0].reason


def test_the_base_of_a_bad_record_still_holds_for_those_after_it() -> None:
    payload = json.dumps(
        [
            {"bn": "gas-1:", "bt": NOW_MS / 1000, "n": "gas_pressure", "v": "high"},
            {"n": "gas_pressure", "v": 2},
        ]
    ).encode()
    found, rejected = decode_senml(payload)
    assert found == [Reading("gas-1", "gas_pressure", NOW_MS, 2.0)]
    assert [r.index for r in rejected] == [0]


def test_relative_times_count_from_when_the_pack_came() -> None:
    """RFC 8428 §4.5.3; a batch, and a reader that does not say when, take none."""
    records = [
        {"bn": "noise-1:", "n": "noise_la", "v": 1},
        {"n": "noise_laeq", "v": 2, "t": -5},
        {"n": "noise_lmax", "v": 3, "t": NOW_MS / 1000 - 60},
        {"n": "noise_lmin", "v": 4, "t": -1e9},
    ]
    found, rejected = decode_senml(json.dumps(records).encode(), NOW_MS)
    assert [r.observed_ms - NOW_MS for r in found] == [0, -5_000, -60_000]
    assert [r.name for r in rejected] == ["noise-1:noise_lmin"]
    found, rejected = decode_senml(json.dumps(records).encode())
    assert [r.measurement for r in found] == ["noise_lmax"]
    assert len(rejected) == 3


def test_units_are_converted_to_the_canonical_one() -> None:
    decoded = decode_batch(pack({"bn": "g:", "n": "gas_pressure", "v": 0.5, "u": "MPa"}))
    assert decoded.batch.readings[0].value == pytest.approx(500)


def test_how_much_a_payload_unfolds_to_is_known_beforehand() -> None:
    plain = b"[" + b" " * 5000 + b"]"
    assert codec.inflated_bytes(plain) == len(plain)
    assert codec.inflated_bytes(zstandard.compress(plain)) == len(plain)
    assert codec.inflated_bytes(codec.ZSTD_MAGIC + b"x") == 5


def test_zero_is_not_missing() -> None:
    assert decode_batch(pack({"n": "noise_laeq", "v": 0})).batch.readings[0].value == 0.0


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b"{}", "not a list"),
        (b"[]", "empty"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not a list"),
        (codec.ZSTD_MAGIC + b"nonsense", "zstd"),
        (b" " * (codec.MAX_WIRE_BYTES + 1), "the most allowed"),
        (zstandard.compress(b" " * (codec.MAX_JSON_BYTES + 1)), "inflates to more"),
        (b'[{"epoch":"x","seq":1}]', "epoch"),
        (b'[{"epoch":"0123abcd","seq":0}]', "seq"),
        (b'[{"epoch":"0123abcd","seq":1.5}]', "seq"),
        (b'[{"epoch":"0123abcd","seq":99999999999999999999}]', "seq"),
        (b'[{"n":"pm10","v":1}]', "epoch"),
    ],
)
def test_a_bad_pack_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_batch(payload)


def test_a_gap_that_covers_its_own_batch_is_refused() -> None:
    gap = Gap(first_seq=1, last_seq=5, first_ms=1, last_ms=2, readings=1, reason="x")
    payload = encode_batch(Batch(epoch="0123abcd", seq=5, readings=(), gaps=(gap,)))
    with pytest.raises(DecodeError, match=r"gap 1\.\.5"):
        decode_batch(payload)


def test_numbers_that_json_cannot_hold_are_set_aside() -> None:
    payload = pack().replace(b"}]", b'},{"n":"pm10","v":1e999},{"n":"noise_la","v":1}]')
    decoded = decode_batch(payload)
    assert [r.measurement for r in decoded.batch.readings] == ["noise_la"]
    assert decoded.rejected == (Rejected(1, "", "Number out of range - at `$.v`"),)


def test_nan_is_no_json() -> None:
    with pytest.raises(DecodeError, match="not JSON"):
        decode_batch(pack().replace(b"}]", b'},{"n":"pm10","v":NaN}]'))
