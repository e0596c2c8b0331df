"""Signed messages over HTTP, as the specification of Standard Webhooks has it.

The signature is HMAC-SHA256 over `id.timestamp.body`, written `v1,` and base64; a header may carry
several, apart by spaces. A secret that begins with `whsec_` is base64, any other is its own bytes.
Source: Standard Webhooks 1.0.0 (standardwebhooks.com).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_MS = 300_000  # how far the other side's clock may be away
_PREFIX = "whsec_"
_LONGEST_ID = 200


class BadSignatureError(ValueError):
    """The message is not one that the other side sent, or not now. Says why."""


def sign(secret: str, message: str, at_ms: int, body: bytes) -> dict[str, str]:
    """Return the headers that go with a body. Raises: ValueError for a secret that is no base64."""
    seconds = str(at_ms // 1000)
    digest = base64.b64encode(_digest(secret, message, seconds, body)).decode()
    return {ID: message, TIMESTAMP: seconds, SIGNATURE: f"v1,{digest}"}


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_ms: int) -> str:
    """Return the id of a message that was signed with the secret, now.

    Args:    headers: names in lower case.
    Raises:  BadSignatureError.
    """
    message, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not message or len(message) > _LONGEST_ID:
        raise BadSignatureError(f"{ID} must have 1 to {_LONGEST_ID} characters")
    if not seconds.isascii() or not seconds.isdecimal() or len(seconds) > 12:
        raise BadSignatureError(f"{TIMESTAMP} must be whole seconds since 1970")
    if abs(int(seconds) * 1000 - now_ms) > TOLERANCE_MS:
        raise BadSignatureError(
            f"{TIMESTAMP} is more than {TOLERANCE_MS // 60_000} minutes from our clock"
        )
    wanted = _digest(secret, message, seconds, body)
    for each in headers.get(SIGNATURE, "").split(" "):
        version, _, text = each.partition(",")
        if version == "v1" and hmac.compare_digest(_decoded(text), wanted):
            return message
    raise BadSignatureError(f"{SIGNATURE} is not that of this body")


def _digest(secret: str, message: str, seconds: str, body: bytes) -> bytes:
    signed = f"{message}.{seconds}.".encode() + body
    return hmac.digest(_key(secret), signed, hashlib.sha256)


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    return secret.encode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
