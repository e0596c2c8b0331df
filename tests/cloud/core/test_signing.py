from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.signing import TOLERANCE_MS, BadSignatureError, sign, verify

NOW_MS = 1_790_042_400_000
SECRET = "a secret of thirty-two characters"


def test_the_vector_of_the_specification() -> None:
    """Source: Standard Webhooks' reference libraries' own test vector."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = sign(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_000, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@settings(max_examples=30)
@given(st.binary(), st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1))
def test_what_is_signed_is_verified(body: bytes, message: str) -> None:
    message = message[:200]
    assert verify(SECRET, sign(SECRET, message, NOW_MS, body), body, NOW_MS) == message


@pytest.mark.parametrize("late_ms", [-TOLERANCE_MS - 2_000, TOLERANCE_MS + 2_000])
def test_what_is_old_or_of_the_future_is_refused(late_ms: int) -> None:
    with pytest.raises(BadSignatureError, match="5 minutes from our clock"):
        verify(SECRET, sign(SECRET, "m", NOW_MS, b""), b"", NOW_MS + late_ms)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-id": ""},
        {"webhook-id": "x" * 201},
        {"webhook-timestamp": "1790042401"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "²"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,äöü"},
        {"webhook-signature": "v2," + base64.b64encode(b"x" * 32).decode()},
    ],
)
def test_what_was_changed_is_refused(change: dict[str, str]) -> None:
    headers = sign(SECRET, "m", NOW_MS, b"body")
    with pytest.raises(BadSignatureError):
        verify(SECRET, {**headers, **change}, b"body", NOW_MS)


def test_one_of_several_signatures_is_enough() -> None:
    headers = sign(SECRET, "m", NOW_MS, b"body")
    old = sign("the old secret", "m", NOW_MS, b"body")["webhook-signature"]
    headers["webhook-signature"] = f"{old} {headers['webhook-signature']}"
    assert verify(SECRET, headers, b"body", NOW_MS) == "m"
