from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.commands import (
    MAX_ORDER_BYTES,
    MAX_REPLY_BYTES,
    Configure,
    Diagnose,
    NotGenuineError,
    Order,
    Read,
    ReadDone,
    Reply,
    Resend,
    Told,
    What,
    Write,
    claimed_id,
    decode_reply,
    encode_reply,
    new_key,
    read_key,
    sign,
    verify,
)
from contract.errors import ConfigError, DecodeError

KEY = bytes(range(32))
ID = "0123456789abcdef" * 2
WHATS: list[What] = [
    Read(device="noise-1", measurements=("noise_laeq",)),
    Write(device="noise-1", point="address", value=7),
    Resend(first_seq=1, last_seq=9),
    Configure(yaml="gateway: 街道\n"),
    Diagnose(log_lines=10),
]


def order(what: What = WHATS[0]) -> Order:
    return Order(
        gateway="cabinet-1",
        id=ID,
        issued_ms=1_790_000_000_000,
        expires_ms=1_790_000_060_000,
        what=what,
        by="wang",
    )


@pytest.mark.parametrize("what", WHATS, ids=lambda what: type(what).__name__)
def test_what_is_signed_comes_out_as_it_went_in(what: What) -> None:
    assert verify(sign(order(what), KEY), KEY) == order(what)


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255), what=st.sampled_from(WHATS))
@settings(max_examples=200)
def test_no_byte_can_be_changed(at: int, flip: int, what: What) -> None:
    good = bytearray(sign(order(what), KEY))
    good[at % len(good)] ^= flip
    with pytest.raises(NotGenuineError):
        verify(bytes(good), KEY)


@given(cut=st.integers(1, 400), more=st.binary(min_size=1, max_size=9))
def test_nothing_can_be_cut_off_or_added(cut: int, more: bytes) -> None:
    good = sign(order(), KEY)
    for bad in (good[:-cut], good[cut:], good + more, more + good):
        with pytest.raises(NotGenuineError):
            verify(bad, KEY)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(NotGenuineError):
        verify(noise, KEY)
    assert claimed_id(noise) == ""


def test_another_key_s_signature_is_none() -> None:
    with pytest.raises(NotGenuineError):
        verify(sign(order(), bytes(32)), KEY)
    assert claimed_id(sign(order(), bytes(32))) == ID


def test_what_is_genuine_and_unknown_is_told_as_that() -> None:
    """An older gateway that a newer cloud asks for something."""
    import hmac
    from hashlib import sha256

    body = b'{"gateway":"cabinet-1","do":"dance"}'
    signature = hmac.new(KEY, b"gridwarden command v1\n" + body, sha256).hexdigest().encode()
    with pytest.raises(DecodeError) as caught:
        verify(signature + b"\n" + body, KEY)
    assert not isinstance(caught.value, NotGenuineError)


def test_sizes_are_bounded() -> None:
    with pytest.raises(NotGenuineError, match="most allowed"):
        verify(bytes(MAX_ORDER_BYTES + 1), KEY)
    with pytest.raises(DecodeError, match="most allowed"):
        decode_reply(bytes(MAX_REPLY_BYTES + 1))


def test_a_reply_comes_out_as_it_went_in() -> None:
    told = Told(measurement="noise_laeq", value=None, unit="dB", quality="B", observed_ms=5)
    reply = Reply(id=ID, at_ms=9, status="done", done=ReadDone(readings=(told,)))
    assert decode_reply(encode_reply(reply)) == reply


@pytest.mark.parametrize("bad", [b"", b"\xff", b"[]", b'{"id":"x","at_ms":1,"status":"perhaps"}'])
def test_a_reply_that_is_none_is_refused(bad: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_reply(bad)


def test_a_key_is_kept_to_oneself(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(new_key() + "\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        read_key(file)
    file.chmod(0o600)
    assert len(read_key(file)) == 32
    file.write_text("swordfish")
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        read_key(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_key(tmp_path / "none")
