"""The fast way gives what the codec gives, or nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.codec import encode_batch, read_pack, resolve
from contract.columnar import columnar
from contract.quality import Quality
from contract.readings import Batch, Reading

NOW_S = 1_790_000_000
HEAD: dict[str, Any] = {"bn": "noise-1:", "bt": NOW_S, "epoch": "0123abcd", "seq": 1}

# Mostly good records, and everything that the codec minds.
records = st.fixed_dictionaries(
    {},
    optional={
        "n": st.sampled_from(["noise_la", "noise_la", "noise_laeq", "noise_la.c1", "loudness", ""]),
        "v": st.floats(-10, 200) | st.just(0) | st.sampled_from([None, "61"]),
        "t": st.floats(-100, 100) | st.sampled_from([-1e10, 1e12, 1e308]),
        "bn": st.sampled_from(["noise-1:", "noise-2:", "Noise 3:", ""]),
        "bt": st.sampled_from([NOW_S, NOW_S + 60, 0, 5, 1e308]),
        "bu": st.sampled_from(["dB(A)", "kPa", ""]),
        "u": st.sampled_from(["dB(A)", "furlong", ""]),
        "q": st.sampled_from(["", "N", "T", "Tu", "B", "Z"]),
        "vs": st.sampled_from(["", "x"]),
        "vb": st.booleans(),
    },
)
plain = st.builds(
    lambda n, v, t, bn: {"n": n, "v": v, "t": t} | bn,
    st.sampled_from(["noise_la", "noise_laeq", "noise_lmax"]),
    st.floats(-10, 200),
    st.floats(-100, 100),
    st.sampled_from([{}, {}, {"bn": "noise-2:"}, {"bt": NOW_S + 1}, {"q": "T"}]),
)


def of(*told: dict[str, Any]) -> bytes:
    return json.dumps([HEAD | told[0], *told[1:]] if told else [HEAD]).encode()


@settings(max_examples=300, deadline=None)
@given(st.lists(plain, max_size=8), st.lists(records, max_size=2), st.booleans())
def test_what_goes_the_fast_way_is_what_the_codec_reads(
    good: list[dict[str, Any]], odd: list[dict[str, Any]], own_head: bool
) -> None:
    told = [*good, *odd]
    pack = read_pack(of(*([] if own_head else [{}]), *told))
    found = columnar(pack)
    strict = resolve(pack)
    if found is None:
        return
    # Names are the caller's to check: compare those that the codec takes.
    named = {f"{r.device}:{r.measurement}" for r in strict.batch.readings}
    rows = [
        (name, ms, None if math.isnan(value) else value, quality)
        for name, ms, value, quality in zip(
            found.names,
            found.observed_ms.tolist(),
            found.value.tolist(),
            found.quality.tolist(),
            strict=True,
        )
    ]
    assert [row for row in rows if row[0] in named] == [
        (f"{r.device}:{r.measurement}", r.observed_ms, r.value, int(r.quality))
        for r in strict.batch.readings
    ]
    refused = {rejected.name for rejected in strict.rejected}
    assert {row[0] for row in rows} - named == refused - named


@given(st.lists(plain, max_size=8))
def test_ordinary_batches_do_go_the_fast_way(good: list[dict[str, Any]]) -> None:
    assert columnar(read_pack(of({}, *good))) is not None


def test_what_an_edge_sends_goes_the_fast_way() -> None:
    readings = (
        Reading("noise-1", "noise_la", NOW_S * 1000 + 1, 61.5),
        Reading("noise-1", "noise_laeq", NOW_S * 1000 + 2, None, Quality.COMMUNICATION),
        Reading("noise-2", "noise_la", NOW_S * 1000 - 3, 60.0, Quality.CLOCK_UNSURE),
    )
    found = columnar(read_pack(encode_batch(Batch(epoch="0123abcd", seq=1, readings=readings))))
    assert found is not None
    assert found.names == ["noise-1:noise_la", "noise-1:noise_laeq", "noise-2:noise_la"]
    assert found.observed_ms.tolist() == [r.observed_ms for r in readings]
    assert found.value.tolist()[::2] == [61.5, 60.0]
    assert math.isnan(found.value[1])
    assert found.quality.tolist() == [0, Quality.COMMUNICATION, Quality.CLOCK_UNSURE]


@pytest.mark.parametrize(
    "record",
    [
        {"n": "noise_la", "v": "61"},
        {"n": "noise_la"},
        {"n": "noise_la", "vs": ""},
        {"n": "noise_la", "v": 1, "u": "dB(A)"},
        {"n": "noise_la", "v": 1, "bu": "dB(A)"},
        {"n": "noise_la", "vb": True},
        {"n": "noise_la", "v": 1, "q": "Z"},
        {"n": "noise_la", "v": 1, "t": -NOW_S},
        {"n": "noise_la", "v": 1, "bt": 1e308, "t": 1e308},
        {"bn": "noise-1:noise_la", "v": 1},
    ],
)
def test_what_needs_a_closer_look_gets_it(record: dict[str, Any]) -> None:
    assert columnar(read_pack(of({"n": "noise_la", "v": 1}, record))) is None
    assert columnar(read_pack(of({"bu": "kPa"}))) is None
