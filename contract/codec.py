"""The wire: a batch as a SenML pack (RFC 8428) in JSON, optionally zstd.

The first record also carries `epoch`, `seq`, and, when not so, `sync: false`; batches that give
readings up carry `gaps`; any record may carry `q`, its quality. A reading without a value is
`"vs": ""` with its quality. Any SenML reader can read it. Names are `<device>:<measurement>`.

Encoding is ours and trusted; decoding is of what anybody sent: the pack as a whole is refused with
DecodeError, a bad record is set aside by name with its reason, and the rest of the batch is kept.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable

import msgspec
import zstandard

from contract.errors import DecodeError
from contract.quality import Quality, from_letters, to_letters
from contract.quantities import QUANTITIES, Quantity, split_measurement
from contract.readings import Batch, Gap, Reading
from contract.topics import ID
from contract.units import conversion

MAX_WIRE_BYTES = 1 << 20
MAX_JSON_BYTES = 8 << 20
MAX_RECORDS = 10_000  # an edge sends a thousand
MAX_SEQ = 2**53  # beyond this, JSON readers elsewhere lose digits

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CHANNEL = re.compile(r"[a-z0-9_-]{1,32}")
EPOCH = re.compile(r"[0-9a-f]{8,32}")
# RFC 8428 §4.5.3: times below this are relative to the reader's now; a batch's reader has none.
SENML_ABSOLUTE_S = 2**28


class Bases(msgspec.Struct, omit_defaults=True, gc=False):
    """What a record says about those after it, and, the first one, about the whole batch."""

    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    epoch: str | None = None
    seq: int | None = None
    sync: bool = True
    gaps: list[Gap] | None = None


class Record(Bases, omit_defaults=True, gc=False):
    """One SenML record as it stands in the pack; short names are RFC 8428's."""

    n: str | None = None
    u: str | None = None
    v: float | None = None
    vb: bool | None = None
    vs: str | None = None
    t: float = 0.0
    q: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """One record that was set aside: its place in the pack, its name, and why."""

    index: int
    name: str
    reason: str


class Decoded(msgspec.Struct, frozen=True):
    """A batch, and what had to be left out of it."""

    batch: Batch
    rejected: tuple[Rejected, ...] = ()


class Pack(msgspec.Struct, frozen=True):
    """A gateway's pack, parsed: its records as they stand, and the batch but for the readings.

    rejected: the records whose value is no SenML; in their place in `records` are their bases.
    """

    batch: Batch
    records: list[Bases]
    rejected: tuple[Rejected, ...]


_of_thread = threading.local()
_encode_pack = msgspec.json.Encoder().encode
_decode_pack = msgspec.json.Decoder(list[Record]).decode
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_record = msgspec.json.Decoder(Record).decode
_decode_bases = msgspec.json.Decoder(Bases).decode


def encode_batch(batch: Batch, *, compress: bool = True) -> bytes:
    """Write a batch for the wire. Readings of one device should stand together: it is shorter."""
    base_ms = batch.readings[0].observed_ms if batch.readings else 0
    head = Record(
        bt=base_ms / 1000 if batch.readings else None,
        epoch=batch.epoch,
        seq=batch.seq,
        sync=batch.clock_synchronised,
        gaps=list(batch.gaps) or None,
    )
    records = [head]
    device = None
    for reading in batch.readings:
        record = records[0] if len(records) == 1 and head.n is None else Record()
        if record is not head:
            records.append(record)
        if reading.device != device:
            device = reading.device
            record.bn = f"{device}:"
        record.n = reading.measurement
        record.t = (reading.observed_ms - base_ms) / 1000
        record.q = to_letters(reading.quality) if reading.quality else ""
        if reading.value is None:
            record.vs = ""
        else:
            record.v = reading.value
    pack = _encode_pack(records)
    return zstandard.ZstdCompressor(level=3).compress(pack) if compress else pack


def decode_batch(payload: bytes) -> Decoded:
    """Read a gateway's batch.

    Raises: DecodeError if the pack is too large, no JSON list of records, or has no epoch and seq.
    """
    return resolve(read_pack(payload))


def read_pack(payload: bytes) -> Pack:
    """Parse a gateway's batch; resolve() makes readings of it.

    Raises: as decode_batch().
    """
    records, rejected = _records(payload)
    head = records[0]
    unreadable = f" ({rejected[0].reason})" if rejected and rejected[0].index == 0 else ""
    if head.epoch is None or not EPOCH.fullmatch(head.epoch):
        raise DecodeError(f"epoch is {head.epoch!r}; expected 8 to 32 hex digits{unreadable}")
    if head.seq is None or not 1 <= head.seq <= MAX_SEQ:
        raise DecodeError(f"seq is {head.seq!r}; expected a whole number from 1{unreadable}")
    for gap in head.gaps or ():
        own = gap.first_seq == gap.last_seq == head.seq
        if not own and not 1 <= gap.first_seq <= gap.last_seq < head.seq:
            raise DecodeError(
                f"gap {gap.first_seq}..{gap.last_seq} does not lie before seq {head.seq}"
            )
    batch = Batch(
        epoch=head.epoch,
        seq=head.seq,
        readings=(),
        gaps=tuple(head.gaps or ()),
        clock_synchronised=head.sync,
    )
    return Pack(batch, records, tuple(rejected))


def resolve(pack: Pack) -> Decoded:
    """Make readings of a pack's records, and set aside those that are none."""
    rejected = list(pack.rejected)
    readings = _resolve(pack.records, rejected, empty_head=True)
    return Decoded(msgspec.structs.replace(pack.batch, readings=tuple(readings)), tuple(rejected))


def decode_senml(
    payload: bytes, now_ms: int | None = None, device: str = ""
) -> tuple[list[Reading], list[Rejected]]:
    """Read the plain SenML of a device that speaks for itself.

    Args:    device: whose a name without a device in it is; without it they are rejected.
             now_ms: when it came, UTC milliseconds: relative times, and records without one, count
             from there. Without it they are rejected.
    Raises:  DecodeError if the pack is too large, or no JSON list of records.
    Source:  RFC 8428 §4.5.3 for relative times.
    """
    records, rejected = _records(payload)
    readings = _resolve(records, rejected, empty_head=False, now_ms=now_ms, device=device)
    return readings, rejected


def inflated_bytes(payload: bytes) -> int:
    """Return about how many bytes of JSON a payload is, without undoing it."""
    if not payload.startswith(ZSTD_MAGIC):
        return len(payload)
    try:
        told = zstandard.frame_content_size(payload)
    except zstandard.ZstdError:
        return len(payload)
    return MAX_JSON_BYTES if told < 0 else min(told, MAX_JSON_BYTES)


def inflate(payload: bytes) -> bytes:
    """Undo zstd if its magic bytes are there, never past MAX_JSON_BYTES.

    Raises: DecodeError if too large, or not zstd after all.
    """
    if len(payload) > MAX_WIRE_BYTES:
        raise DecodeError(f"{len(payload)} bytes; the most allowed is {MAX_WIRE_BYTES}")
    if not payload.startswith(ZSTD_MAGIC):
        return payload
    decompressor = _decompressor()
    try:
        if 0 < zstandard.frame_content_size(payload) <= MAX_JSON_BYTES:
            return decompressor.decompress(payload)
        pack = decompressor.stream_reader(payload).read(MAX_JSON_BYTES + 1)
    except zstandard.ZstdError as error:
        raise DecodeError(f"zstd: {error}") from error
    if len(pack) > MAX_JSON_BYTES:
        raise DecodeError(f"inflates to more than {MAX_JSON_BYTES} bytes")
    return pack


def _decompressor() -> zstandard.ZstdDecompressor:
    """Return this thread's own: making one costs more than a small batch's whole decoding."""
    found: zstandard.ZstdDecompressor | None = getattr(_of_thread, "decompressor", None)
    if found is None:
        found = zstandard.ZstdDecompressor(max_window_size=MAX_JSON_BYTES)
        _of_thread.decompressor = found
    return found


def _records(payload: bytes) -> tuple[list[Bases], list[Rejected]]:
    """Read the records; of those whose value is no SenML, only the bases, and a Rejected."""
    pack = inflate(payload)
    rejected: list[Rejected] = []
    records: list[Bases]
    try:
        records = list(_decode_pack(pack))
    except msgspec.ValidationError:
        records = _one_by_one(pack, rejected)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise DecodeError("not JSON: nested too deeply") from error
    if not records:
        raise DecodeError("the pack is empty")
    if len(records) > MAX_RECORDS:
        raise DecodeError(f"{len(records)} records; the most allowed is {MAX_RECORDS}")
    return records, rejected


def _one_by_one(pack: bytes, rejected: list[Rejected]) -> list[Bases]:
    try:
        raws = _decode_raw(pack)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not a list of SenML records: {error}") from error
    records: list[Bases] = []
    for index, raw in enumerate(raws):
        try:
            records.append(_decode_record(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            rejected.append(Rejected(index, "", str(error)))
            records.append(_bases(raw))
    return records


def _bases(raw: msgspec.Raw) -> Bases:
    """Save from a bad record what the good ones after it need."""
    try:
        return _decode_bases(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Bases()


def _resolve(
    records: list[Bases],
    rejected: list[Rejected],
    *,
    empty_head: bool,
    now_ms: int | None = None,
    device: str = "",
) -> list[Reading]:
    """Apply base name, time and unit, and convert; set aside what cannot be."""
    readings: list[Reading] = []
    base_name, base_time_s, base_unit = "", 0.0, None
    name_of = _name_checker()
    for index, record in enumerate(records):
        if record.bn is not None:
            base_name = record.bn
        if record.bt is not None:
            base_time_s = record.bt
        if record.bu is not None:
            base_unit = record.bu
        if not isinstance(record, Record):
            continue
        if index == 0 and empty_head and record.n is None and record.v is None:
            continue
        name = base_name + (record.n or "")
        if device and ":" not in name:
            name = f"{device}:{name}"
        try:
            spoken_of, measurement, quantity = name_of(name)
            readings.append(
                Reading(
                    spoken_of,
                    measurement,
                    _milliseconds(base_time_s + record.t, now_ms),
                    _value(record, quantity, record.u or base_unit),
                    from_letters(record.q) if record.q else Quality.NORMAL,
                )
            )
        except ValueError as error:
            rejected.append(Rejected(index, name[:200], str(error)))
    return readings


def _name_checker() -> Callable[[str], tuple[str, str, Quantity]]:
    """Return a function that takes a full name apart, remembering the good ones of this pack."""
    known: dict[str, tuple[str, str, Quantity]] = {}

    def check(name: str) -> tuple[str, str, Quantity]:
        found = known.get(name)
        if found is None:
            found = known[name] = parse_name(name)
        return found

    return check


def parse_name(name: str) -> tuple[str, str, Quantity]:
    """Take `<device>:<measurement>` apart and look its quantity up.

    Raises: ValueError saying which part is wrong.
    """
    device, colon, measurement = name.partition(":")
    if not colon or not ID.fullmatch(device):
        raise ValueError("the name is not <device>:<measurement>")
    key, channel = split_measurement(measurement)
    quantity = QUANTITIES.get(key)
    if quantity is None:
        raise ValueError(f"unknown quantity {key[:64]!r}")
    if measurement != key and not CHANNEL.fullmatch(channel):
        raise ValueError(f"channel {channel[:64]!r} is not of a-z, 0-9, _ and -")
    return device, measurement, quantity


def _milliseconds(seconds: float, now_ms: int | None) -> int:
    if now_ms is not None and -SENML_ABSOLUTE_S < seconds < SENML_ABSOLUTE_S:
        return now_ms + round(seconds * 1000)
    if not math.isfinite(seconds) or seconds < SENML_ABSOLUTE_S or seconds > 1e11:
        raise ValueError(f"time {seconds} is no absolute time in seconds since 1970")
    return round(seconds * 1000)


def _value(record: Record, quantity: Quantity, unit: str | None) -> float | None:
    """Return the value in the canonical unit, or None for a reading that has none."""
    value = record.v
    if value is None:
        if record.vb is not None:
            value = float(record.vb)
        elif record.vs == "" and record.q:
            return None
        else:
            raise ValueError("no numeric value (v)")
    if not math.isfinite(value):
        raise ValueError(f"value {value} is not finite")
    if unit is None or unit == quantity.unit:
        return value
    factor, offset = conversion(unit, quantity.unit)
    converted = value * factor + offset
    if not math.isfinite(converted):
        raise ValueError(f"value {value} {unit} is not finite in {quantity.unit}")
    return converted
