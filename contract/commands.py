"""What the cloud asks of a gateway, signed; and what the gateway answers.

On the wire an order is its signature in hexadecimal, a line feed, and its JSON:

    9f86d08188…\n{"gateway":"cabinet-1","id":"5f…","issued_ms":…,"expires_ms":…,"what":{…}}

The signature is HMAC-SHA256, with the gateway's own key, over exactly these bytes of JSON. See
docs/decisions/0006-how-commands-are-signed.md.
"""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from contract.errors import ConfigError, DecodeError
from contract.messages import Id, Name, Note, Word
from contract.readings import Number
from contract.secret_files import read_secret

MAX_ORDER_BYTES = 600_000
MAX_REPLY_BYTES = 1 << 20
MAX_CHUNK = 100_000  # characters
MAX_PARTS = 20
MAX_RESENT = 500  # batches in one stretch
LONGEST_MS = 3_600_000  # from issue to expiry: what a gateway must remember
KEY_BYTES = 32
_CONTEXT = b"gridwarden command v1\n"  # this key signs nothing else by accident
_KEY = re.compile(r"[0-9a-f]{64}")
_SIGNATURE_CHARS = 64


class Read(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="do",
    tag="read",
):
    """Read a device now; measurements: these only, or all."""

    device: Id
    measurements: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)] = ()


class Write(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="do",
    tag="write",
):
    """Write what the device's profile allows, and read it back."""

    device: Id
    point: Name
    value: float | Name


class Resend(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="do",
    tag="resend",
):
    """Send again what is held of at most MAX_RESENT batches. epoch: "" for the one that runs."""

    first_seq: Number
    last_seq: Number
    epoch: Word = ""


class Configure(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="do",
    tag="configure",
):
    """Run another configuration, and keep it if it does well."""

    yaml: Annotated[str, msgspec.Meta(min_length=1, max_length=400_000)]


class Diagnose(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="do",
    tag="diagnose",
):
    """Tell how things are: configuration without secrets, health, versions, the log's end."""

    log_lines: Annotated[int, msgspec.Meta(ge=0, le=2_000)] = 200


What: TypeAlias = Read | Write | Resend | Configure | Diagnose


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command to one gateway. by: who asked for it. id: once ever."""

    gateway: Id
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    issued_ms: Number
    expires_ms: Number
    what: What
    by: Name = ""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One value that was read. quality: its letters, "N" where nothing is wrong."""

    measurement: Name
    value: float | None
    unit: Name
    quality: Word
    observed_ms: Number


class ReadDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="of", tag="read"):
    """What the device says."""

    readings: Annotated[tuple[Told, ...], msgspec.Meta(max_length=1_000)]


class WriteDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="of", tag="write"):
    """found: what the device holds now; null if it could not be read back. why: if not as asked."""

    found: float | Name | None
    unit: Name = ""
    why: Note = ""


class ResendDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="of", tag="resend"):
    """Which batches are on their way again, and which of the stretch are not held any more."""

    epoch: Word
    held: Annotated[tuple[tuple[Number, Number], ...], msgspec.Meta(max_length=MAX_RESENT)]
    gone: Annotated[tuple[tuple[Number, Number], ...], msgspec.Meta(max_length=MAX_RESENT + 1)]


class ConfigureDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="of", tag="configure"):
    """version: the one that runs now. problems: why not the new one. doubts: new, and not well."""

    version: Name
    problems: Annotated[tuple[Note, ...], msgspec.Meta(max_length=200)] = ()
    doubts: Annotated[tuple[Note, ...], msgspec.Meta(max_length=200)] = ()


class DiagnoseDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="of", tag="diagnose"):
    """One part of a JSON text; joined in the order of `Reply.part` it is whole."""

    chunk: Annotated[str, msgspec.Meta(max_length=MAX_CHUNK)]


Done: TypeAlias = ReadDone | WriteDone | ResendDone | ConfigureDone | DiagnoseDone
Status: TypeAlias = Literal["accepted", "done", "refused", "failed"]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order. accepted: it takes a while, another reply will come.

    refused: nothing was done. failed: it was tried; reason says how far. id: "" if it had none.
    repeated: it had come before; what was said of it then stands.
    """

    id: Annotated[str, msgspec.Meta(max_length=32)]
    at_ms: Number
    status: Status
    reason: Note = ""
    part: Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTS)] = 1
    parts: Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTS)] = 1
    done: Done | None = None
    repeated: bool = False


class NotGenuineError(DecodeError):
    """These bytes are no order that the holder of the key has signed."""


def new_key() -> str:
    """Return a new key, as it stands in its file."""
    return secrets.token_hex(KEY_BYTES)


def read_key(path: Path) -> bytes:
    """Read a key's file. Raises: ConfigError if it cannot be used, or others may read it."""
    text = read_secret(path)
    if not _KEY.fullmatch(text):
        raise ConfigError(
            f"{path}: a key is 64 hexadecimal digits, in small letters;"
            " make one with: gridwarden cloud gateway key"
        )
    return bytes.fromhex(text)


def sign(order: Order, key: bytes) -> bytes:
    """Write an order down as it goes on the wire."""
    body = msgspec.json.encode(order)
    return _signature(body, key) + b"\n" + body


def verify(payload: bytes, key: bytes) -> Order:
    """Read an order that the key has signed, byte for byte.

    Raises: NotGenuineError if the signature is not that of these bytes.
            DecodeError if they are genuine, but no order that is known here.
    """
    if len(payload) > MAX_ORDER_BYTES:
        raise NotGenuineError(f"{len(payload)} bytes; the most allowed is {MAX_ORDER_BYTES}")
    told, feed, body = payload[:_SIGNATURE_CHARS], payload[64:65], payload[65:]
    if feed != b"\n" or not hmac.compare_digest(told, _signature(body, key)):
        raise NotGenuineError("the signature is not this gateway's key's over this order")
    return _decode_order(body)


def claimed_id(payload: bytes) -> str:
    """Return what an order that is not believed says its id is, to answer it by; "" if nothing."""
    try:
        return _decode_order(payload[65:]).id if len(payload) <= MAX_ORDER_BYTES else ""
    except DecodeError:
        return ""


def encode_reply(reply: Reply) -> bytes:
    """Write a reply as JSON."""
    return msgspec.json.encode(reply)


def decode_reply(payload: bytes) -> Reply:
    """Read a reply. Raises: DecodeError naming the field that is wrong."""
    if len(payload) > MAX_REPLY_BYTES:
        raise DecodeError(f"{len(payload)} bytes; the most allowed is {MAX_REPLY_BYTES}")
    try:
        return msgspec.json.decode(payload, type=Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"reply: {error}") from error


def _decode_order(body: bytes) -> Order:
    try:
        return msgspec.json.decode(body, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"order: {error}") from error


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, _CONTEXT + body, sha256).hexdigest().encode()
