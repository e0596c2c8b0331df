"""The bare loop beside intake: zstd, msgspec SenML, id look-up, compare, durable commit."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import zstandard

from benchmarks.intake_load import Shape, device_ids

BLOCK = 50_000


class _Record(msgspec.Struct, gc=False):
    bn: str = ""
    n: str = ""
    t: float = 0.0
    v: float = 0.0
    bt: float = 0.0


def bare_us(payloads: Sequence[bytes], shape: Shape, folder: Path) -> float:
    """Return the µs of CPU that a reading costs with nothing around it."""
    ids = {
        f"{device}:noise_la.c{channel}": number
        for number, (device, channel) in enumerate(
            (device, channel)
            for gateway in range(shape.gateways)
            for device in device_ids(shape, gateway)
            for channel in range(shape.channels)
        )
    }
    limits = np.full(len(ids), 130.0)
    database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL").close()
    database.execute("PRAGMA synchronous=FULL").close()
    database.execute("CREATE TABLE blocks (id INTEGER PRIMARY KEY, data BLOB)").close()
    began = time.process_time()
    readings = _loop(payloads, ids, limits, database)
    spent = time.process_time() - began
    database.close()
    return spent / readings * 1e6


def _loop(
    payloads: Sequence[bytes],
    ids: dict[str, int],
    limits: np.ndarray[tuple[int], np.dtype[np.float64]],
    database: sqlite3.Connection,
) -> int:
    decode = msgspec.json.Decoder(list[_Record]).decode
    inflate = zstandard.ZstdDecompressor().decompress
    total = waiting = 0
    block: list[bytes] = []
    for payload in payloads:
        head, *records = decode(inflate(payload))
        series, base = [], ""
        for record in records:
            base = record.bn or base
            series.append(ids[base + record.n])
        number = np.array(series, np.int32)
        value = np.array([record.v for record in records])
        at_ms = np.array([record.t for record in records]) * 1000 + head.bt * 1000
        if (value > limits[number]).any():
            raise AssertionError("no value of this load is beyond its limit")
        block += [number.tobytes(), at_ms.tobytes(), value.tobytes()]
        total, waiting = total + len(records), waiting + len(records)
        if waiting >= BLOCK or payload is payloads[-1]:
            database.execute("BEGIN").close()
            database.execute("INSERT INTO blocks (data) VALUES (?)", [b"".join(block)]).close()
            database.execute("COMMIT").close()
            block, waiting = [], 0
    return total
