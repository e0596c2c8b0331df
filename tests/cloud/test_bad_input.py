"""What is not as it should be: rejected by record with the reason, counted, sampled; the rest goes
in, and memory stays bounded."""

from __future__ import annotations

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import zstandard

from cloud.core.rules import RuleSet
from cloud.core.waiting import Bounds
from cloud.pipeline import Line, Message
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.ledger import QUARANTINE_PER_MESSAGE, SAMPLE_BYTES
from contract import codec, topics
from contract.clock import ManualClock
from tests.cloud.test_intake import EPOCH, Gateway, birth, intake, wait_connected
from tests.suites.brokers import running

DATA = topics.gateway_topic("cabinet", "data")
NOW_MS = ManualClock().now_ms()


def pack(*records: str) -> bytes:
    """A batch of two good readings around what is given as JSON, with `$` for the time."""
    at_s = NOW_MS / 1000
    head = f'{{"bn":"gas-1:","bt":{at_s},"epoch":"{EPOCH}","seq":1,"n":"gas_pressure","v":2}}'
    last = '{"bn":"gas-1:","n":"gas_pressure","t":1,"v":2.5}'
    return f"[{','.join((head, *records, last))}]".encode()


def of_record(said: str) -> bytes:
    return pack(f'{{"n":"gas_pressure","t":0.5,{said}}}')


# By record: name → (payload, records rejected, part of the reason).
RECORDS: dict[str, tuple[bytes, int, str]] = {
    "nan": (of_record('"v":NaN'), 0, "not JSON"),
    "infinity": (of_record('"v":Infinity'), 0, "not JSON"),
    "beyond any number": (of_record('"v":1e999'), 1, "out of range"),
    "not finite in its unit": (of_record('"v":1e308,"u":"MPa"'), 1, "is not finite in kPa"),
    "1970": (pack(f'{{"n":"gas_pressure","t":{5 - NOW_MS / 1000},"v":2}}'), 1, "no absolute time"),
    "1990": (pack(f'{{"n":"gas_pressure","t":{640_000_000 - NOW_MS / 1000},"v":2}}'), 1,
             "before 2020"),
    "2100": (pack(f'{{"n":"gas_pressure","t":{4_102_444_801 - NOW_MS / 1000},"v":2}}'), 1,
             "after 2099"),
    "wrong unit": (of_record('"v":2,"u":"dB(A)"'), 1, r"dB\(A\)"),
    "unknown unit": (of_record('"v":2,"u":"furlong"'), 1, "furlong"),
    "text for a number": (of_record('"v":"two"'), 1, "Expected `float"),
    "unknown quantity": (pack('{"n":"gas_presure","t":0.5,"v":2}'), 1, "gas_presure"),
    "unknown quality": (of_record('"v":2,"q":"Z"'), 1, "unknown quality 'Z'"),
    "no value": (of_record('"vs":"open"'), 1, "no numeric value"),
    "no record": (pack("7"), 1, "Expected `object"),
}  # fmt: skip

# Whole messages: name → (payload, part of the reason).
WHOLE: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"temperature=21", "not JSON"),
    "not UTF-8": (b'[{"n":"\xff\xfe"}]', ""),
    "not zstd": (codec.ZSTD_MAGIC + b"rubbish", "zstd"),
    "a decompression bomb": (zstandard.compress(b" " * (64 << 20)), "inflates to more than"),
    "10 MB": (b"[" + b'{"n":"a:b","v":1},' * 555_000 + b"{}]", "bytes; the most allowed is"),
    "a million names": (
        zstandard.compress(b"[" + b",".join(b'{"n":"%d"}' % n for n in range(1_000_000)) + b"]"),
        "inflates to more than",
    ),
    "a million records": (
        zstandard.compress(b"[" + b"{}," * 1_000_000 + b"{}]"),
        "records; the most allowed is 10000",
    ),
    "nested without end": (b"[" * 500_000, "not"),
}


@pytest.fixture
def line(database: Database) -> Line:
    return new_line(database)


def new_line(database: Database, bounds: Bounds | None = None) -> Line:
    rules = RuleSet(rules=(), fingerprint="")
    made = Line(database, rules, ZoneInfo("UTC"), ManualClock(), bounds or Bounds())
    made.take([Message(topic=topics.gateway_topic("cabinet", "birth"), payload=birth())])
    return made


def quarantined(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(sa.select(schema.quarantine)))


def counted(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {row.name: row.value for row in connection.execute(sa.select(schema.counters))}


@pytest.mark.parametrize("name", RECORDS)
def test_a_bad_record_is_rejected_with_the_reason_and_the_rest_is_stored(
    line: Line, database: Database, name: str
) -> None:
    payload, rejected, reason = RECORDS[name]
    taken = line.take([Message(topic=DATA, payload=payload)])
    (kept,) = quarantined(database)
    assert kept.sample == payload[:SAMPLE_BYTES]
    if rejected:
        assert (taken.readings, taken.rejected, kept.record) == (2, 1, 1)
        assert counted(database)["readings_rejected"] == 1
    else:  # RFC 8259 has no such word: the message as a whole is no JSON
        assert (taken.readings, taken.rejected, kept.record) == (0, 1, None)
    assert re.search(reason, kept.reason), kept.reason


@pytest.mark.parametrize("name", WHOLE)
def test_a_bad_message_is_refused_with_the_reason_and_its_neighbours_are_stored(
    line: Line, database: Database, name: str
) -> None:
    payload, reason = WHOLE[name]
    bad = Message(topic=DATA, payload=payload)
    plain = Message(topic=topics.device_topic("gas-9"), payload=payload)
    taken = line.take([bad, Message(topic=DATA, payload=pack()), plain])
    assert (taken.readings, taken.rejected) == (2, 2)
    for kept in quarantined(database):
        assert (kept.record, kept.sample) == (None, payload[:SAMPLE_BYTES])
        assert reason in kept.reason


def names(seq: int, device: str, many: int = codec.MAX_RECORDS - 1) -> bytes:
    records = [{"epoch": EPOCH, "seq": seq, "bt": NOW_MS / 1000}]
    told = [{"n": f"{device.format(seq * many + n)}.c{seq}-{n}", "v": 1.0} for n in range(many)]
    return zstandard.compress(json.dumps([*records, *told]).encode())


@pytest.mark.parametrize("device", ["gas-1:gas_pressure", "gas-{}:gas_pressure"])
def test_a_flood_of_names_is_rejected_by_record_and_memory_stays_bounded(
    database: Database, device: str
) -> None:
    """Of one's own device, and of as many unknown ones; a hundred thousand here, a million is more
    of the same: after the first message nothing of it is kept."""
    bounds = Bounds(series=500, waiting_devices=300, waiting_devices_of_sender=200)
    line = new_line(database, bounds)
    line.take([Message(topic=DATA, payload=names(1, device))])
    tracemalloc.start()
    try:
        for seq in range(2, 11):
            line.take([Message(topic=DATA, payload=names(seq, device))])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3_000_000
    told = 10 * (codec.MAX_RECORDS - 1)
    taken = 500 if device == "gas-1:gas_pressure" else 200
    assert counted(database)["readings_rejected"] == told - taken
    assert len(quarantined(database)) == 10 * QUARANTINE_PER_MESSAGE
    reasons = {row.reason for row in quarantined(database)}
    assert reasons <= {
        "cabinet has 500 series, and may have no more",
        "unknown device, and 200 of cabinet wait already",
    }
    with database.read() as connection:
        audited = connection.scalar(sa.select(sa.func.count()).select_from(schema.audit))
    assert (audited or 0) <= 101 * 10


def test_through_a_real_broker_the_good_is_stored_and_the_bad_is_sampled(
    database: Database, tmp_path: Path
) -> None:
    bad = [payload for payload, _ in WHOLE.values()]
    bad += [payload for payload, many, _ in RECORDS.values() if not many]
    records = [payload for payload, many, _ in RECORDS.values() if many]
    with (
        running("mosquitto", tmp_path / "broker") as broker,
        intake(broker.port, database) as taker,
    ):
        wait_connected(taker)
        gateway = Gateway(broker.port)
        for payload in bad:
            gateway.send(payload)
        for seq, payload in enumerate(records, 1):
            gateway.send(payload.replace(b'"seq":1', b'"seq":%d' % seq))
        gateway.acknowledged(len(records))
        gateway.close()
    with database.read() as connection:
        stored = sum(
            len(hot.decode(data)) for data in connection.scalars(sa.select(schema.blocks.c.data))
        )
    assert stored == 2 * len(records)
    assert len(quarantined(database)) == len(bad) + len(records)
    assert counted(database)["messages_rejected"] == len(bad)
    assert counted(database)["readings_rejected"] == len(records)
