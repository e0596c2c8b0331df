"""Frames out of a stream, whatever stands between and within them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.hj212_framing import MAX_FRAME, Framer, Piece
from tests.edge.core.hj212_kit import ACK, ANNEX_A, NOISE, frame, framed, is_sound


def cut(*chunks: bytes) -> list[Piece]:
    framer = Framer()
    return [piece for chunk in chunks for piece in framer.receive(chunk)]


def sound(*chunks: bytes) -> list[bytes]:
    return [piece.segment for piece in cut(*chunks) if not piece.why]


SEGMENTS = [data[6:-6] for data in (ANNEX_A, NOISE, ACK)]
STREAM = ANNEX_A + NOISE + ACK


@pytest.mark.parametrize("data", [ANNEX_A, NOISE, ACK])
def test_the_standards_frames_are_sound(data: bytes) -> None:
    (piece,) = cut(data)
    assert (piece.data, piece.segment, piece.why) == (data[:-2], data[6:-6], "")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_chunks_of_any_size_give_the_same_frames(size: int) -> None:
    chunks = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert sound(*chunks) == SEGMENTS
    assert all(not piece.why for piece in cut(*chunks))


def test_a_frame_is_taken_before_its_line_end_comes() -> None:
    assert sound(NOISE[:-2]) == [SEGMENTS[1]]
    assert sound(NOISE[:-2], ANNEX_A[:-2], ACK) == [SEGMENTS[1], SEGMENTS[0], SEGMENTS[2]]


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\xff\x13",
        b"#",
        b"##",
        b"###",
        b"##01",
        b"##12ab",
        b"#" * 3000,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"##0122QN=2016",
        b"##0009\r\n",
        b"##9999QN=1;",
        NOISE[:40],
        NOISE[10:],
        NOISE.replace(b"50.1", b"50.2"),
        NOISE.replace(b"##0122", b"##0121"),
        NOISE.replace(b"##0122", b"##0922"),
        NOISE.replace(b"##0122", b"##9122"),
        NOISE.replace(b"\r\n", b"")[:-1],
    ],
)
@pytest.mark.parametrize("size", [1, 13, 5000])
def test_what_follows_noise_is_not_lost(noise: bytes, size: int) -> None:
    stream = NOISE + noise + STREAM
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    pieces = cut(*chunks)
    assert [piece.segment for piece in pieces if not piece.why] == [SEGMENTS[1], *SEGMENTS]
    assert any(piece.why for piece in pieces)


def test_what_is_wrong_is_said() -> None:
    (broken,) = cut(NOISE.replace(b"50.1", b"50.2"))
    assert broken.head
    assert broken.why.startswith("check 0880, computed ")
    (early, _) = cut(NOISE[:50] + NOISE)
    assert early.why == "ends early: 122 bytes said, 40 came"
    (long, _) = cut(framed("x" * 1025) + NOISE)
    assert long.why == "1025 bytes said; the most allowed is 1024"
    (noise,) = cut(b"hello")
    assert not noise.head
    assert noise.why == "bytes between frames"


def test_the_longest_segment_is_taken() -> None:
    longest = "Q" * 1024
    assert sound(framed(longest)) == [longest.encode()]


def test_no_more_than_a_frame_is_held() -> None:
    framer = Framer()
    for chunk in (b"##1024" + b"x" * 5000, b"y" * 5000, b"##0122" * 5000, b"#" * 5000):
        framer.receive(chunk)
        assert len(framer._buffer) <= MAX_FRAME


def test_a_flood_of_heads_takes_no_square_of_time() -> None:
    """Each head is looked at once; looking for line ends to the flood's end took minutes."""
    pieces = cut(b"##0001" * 50_000)
    assert len(pieces) == 49_999


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=40), max_size=4), st.integers(1, 50))
def test_any_noise_between_frames_leaves_them_whole(noise: list[bytes], size: int) -> None:
    stream = b"".join(part.replace(b"#", b"") + b"\r\n" + NOISE for part in noise) + ACK
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert sound(*chunks) == [SEGMENTS[1]] * len(noise) + [SEGMENTS[2]]


@settings(max_examples=300)
@given(st.data())
def test_only_what_the_standards_own_loop_approves_is_sound(data: st.DataObject) -> None:
    stream = bytearray(frame() + NOISE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for piece in cut(bytes(stream)):
        assert bool(piece.why) != is_sound(piece.data)
        assert piece.data in stream
